/* Shared by the files of the law of reshuffling: predictions, checks, figure. */
#ifndef SGDLAB_LAWS_RESHUFFLING_H
#define SGDLAB_LAWS_RESHUFFLING_H

#include "laws/law_average.h"

/* How samples are taken, in the order of the figures. */
enum visit_order { VISIT_WITH_REPLACEMENT, VISIT_RESHUFFLE, VISIT_SHUFFLE_ONCE, VISIT_CYCLIC, VISIT_ORDERS };

/* What the law says about a cell. */
enum reshuffling_family {
    FAMILY_FLOOR, /* parabolas of equal curvature, constant rate: the exact error, whose limit is the floor */
    FAMILY_DECAY, /* the same with a rate that falls from epoch to epoch */
    FAMILY_BIAS,  /* parabolas of unequal curvature, constant rate: the mean of x is off */
    FAMILY_ORDER, /* anything else: which order of visits ends nearer to the optimum */
};

struct visited {
    const struct law_cell *cell;
    enum visit_order order;
    enum reshuffling_family family;
    double n, h;        /* samples, rate of the first step */
    double optimum;     /* x* of parabolas */
    double *theory;     /* [points]: E (x - x*)^2, or E x - x*; NULL for FAMILY_ORDER */
    double *log_decay;  /* [points]: -ln of what is left of (x_0 - x*)^2, resp. x_0 - x* */
    double *weight;     /* [points]: of the average over time, 0 at the start */
    double relative_sd; /* of one chain at one point, roughly: for plans */
    double limit;       /* the floor, or the bias, to which theory tends; FAMILY_DECAY: the last value */
    double slope, slope_se, slope_theory; /* FAMILY_DECAY; theory of FAMILY_BIAS: first order in eta */
    struct law_average mean; /* measured/theory, averaged over time and chains; FAMILY_ORDER: of the error itself */
};

/* Fills all but mean; frees with visited_free. STATUS_USAGE: a cell that is not one of the law's instances. */
enum status visited_make(const struct law_cell *cell, struct visited *out, struct error *error);
void visited_free(struct visited *visited);

/* One-dimensional parabolas f_i = a_i (x - c_i)^2/2, one sample a step: an epoch in the order pi takes e = x - x* to
 * rho e + s_pi, rho = prod (1 - eta a_i), s_pi = -eta sum_j g_pi(j) prod_{l > j} (1 - eta a_pi(l)), g_i = a_i (x* -
 * c_i). Over random orders E s = -(eta/n) sum_i g_i sum_r e_r(1 - eta a_l, l != i)/C(n-1, r), e_r the elementary
 * symmetric polynomials, so that E x - x* tends to E s/(1 - rho). Exact for any eta; O(n^3). */
enum status reshuffling_bias(size_t n, const double *a, const double *g, double eta, double *bias, double *rho,
                             struct error *error);
/* Its first order in eta: eta mean(a g')/(2 mean a), g' = -g a: (eta/2) H^-1 mean(|a_i|^2 r_i a_i) for rows a_i. */
double reshuffling_bias_slope(size_t n, const double *a, const double *g);

extern const char *const visit_order_label[VISIT_ORDERS];
/* gain_alone: only how the gain of reshuffling depends on the rate. */
enum status reshuffling_draw(struct law_figure *figure, const struct visited *visited, size_t count, bool gain_alone,
                             struct error *error);

#endif
