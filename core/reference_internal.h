/* Shared by the files of the certified optimum. The objective as the solvers see it:
 *   F(x) = (1/n) sum_i phi(a_i.x, y_i) + (ridge/2) |x_P|^2 + (ridge_free/2) |x_F|^2 + l1 |x_P|_1   on |x| <= radius,
 * P the first `penalized` coordinates, F the others (none, or the intercept). */
#ifndef SGDLAB_REFERENCE_INTERNAL_H
#define SGDLAB_REFERENCE_INTERNAL_H

#include <math.h>

#include "problem.h"

/* CHECK is piecewise linear, the maximum of u (z - y) over lo <= u <= hi: absolute (-1, 1), hinge (-1, 0) or (0, 1). */
enum loss_kind { LOSS_SQUARES, LOSS_LOGISTIC, LOSS_CHECK, LOSS_SOFTMAX };

struct softmax; /* reference_softmax.c */

struct objective {
    const struct matrix *a;
    const double *y;
    const struct scalar_loss *loss;
    enum loss_kind kind;
    bool classification; /* y = -1 or +1: logistic, hinge */
    size_t n, d, penalized;
    double l1, ridge, ridge_free, radius;
    struct softmax *softmax; /* LOSS_SOFTMAX, which is no linear model: a, y and loss are not used */
    double floor;            /* a gap is compared with max(|F|, floor): optima that are 0 up to rounding */
};

/* x[d] and what is proved about it. The caller owns x and u. */
struct candidate {
    double *x;
    double f, gap;    /* F(x), F(x) - F* <= gap; INFINITY: nothing proved */
    double grad_norm; /* |grad F(x)| of a smooth F */
    double *u;        /* receives the n dual variables of a check loss unless NULL */
    bool none;        /* proved: no finite optimum, see reason */
    char method[64];
    char reason[256];
};

/* Relative gap to reach: 1e-12 for smooth problems, 1e-9 for the others. */
static inline bool objective_smooth(const struct objective *o)
{
    return o->kind != LOSS_CHECK && o->l1 == 0.0;
}
static inline double objective_goal(const struct objective *o, double f)
{
    return (objective_smooth(o) ? 1e-12 : 1e-9) * fmax(fabs(f), o->floor);
}
/* Nothing but the data holds x: no penalty, no ball. */
static inline bool objective_bare(const struct objective *o)
{
    return o->l1 == 0.0 && o->ridge == 0.0 && o->ridge_free == 0.0 && isinf(o->radius);
}
static inline double objective_ridge(const struct objective *o, size_t j)
{
    return j < o->penalized ? o->ridge : o->ridge_free;
}
/* A d x d matrix is practical: its factor takes seconds at most. */
bool objective_dense(const struct objective *o);
/* The box of the dual variable of sample i (LOSS_CHECK). */
static inline double check_lo(const struct objective *o, size_t i)
{
    return !o->classification || o->y[i] > 0.0 ? -1.0 : 0.0;
}
static inline double check_hi(const struct objective *o, size_t i)
{
    return !o->classification || o->y[i] < 0.0 ? 1.0 : 0.0;
}

/* reference_linear.c: products in a fixed order, small dense systems, the null space of the data. */

/* count doubles, zeroed; NULL with STATUS_MEMORY in error. Freed by free(). */
double *vector_alloc(size_t count, struct error *error);
void linear_product(const struct matrix *a, const double *x, double *z);   /* z[rows] = A x */
void linear_product_t(const struct matrix *a, const double *u, double *v); /* v[cols] = A'u */
void linear_gram(const struct matrix *a, const double *w, double *h);      /* h[cols][cols] = A' diag(w) A */
double linear_gram_cost(const struct matrix *a);                           /* its multiply-adds */
void linear_squares(const struct matrix *a, const double *w, double *v);   /* v[j] = sum_i w_i a_ij^2 */
/* The same matrix with column j times 2^-exponent[j] (exact); freed by matrix_free. */
enum status linear_scale(const struct matrix *a, const int *exponent, struct matrix *out, struct error *error);
/* sqrt(sum_j a_ij^2 / scale[j]); scale NULL: |a_i| */
double linear_row_norm(const struct matrix *a, size_t i, const double *scale);
long double linear_row_dot_long(const struct matrix *a, size_t i, const double *x); /* a_i.x */
/* v[cols] = A'u / rows in long double with compensation, slack[cols] >= its rounding error. */
enum status linear_mean_long(const struct matrix *a, const long double *u, long double *v, long double *slack,
                             struct error *error);
double vector_dot(size_t count, const double *x, const double *y);
double vector_norm(size_t count, const double *x);

/* Cholesky of the symmetric h[d][d] in place; false when it is not positive definite. */
bool dense_factor(size_t d, double *h);
void dense_solve(size_t d, const double *factor, double *x); /* x[d] := h^-1 x */
/* A lower bound of the smallest eigenvalue of S^-1/2 h S^-1/2 from the factor of h, S = diag(scale) with entries about
 * those of diag(h): 1 / trace(S h^-1), halved for rounding; 0 when it cannot be told from 0. Overwrites the factor. */
double dense_smallest(size_t d, double *factor, const double *scale);
double dense_typical(size_t d, const double *h); /* trace / d; 1 for a zero matrix */

/* Orthonormal directions in which A' diag(weight) A is 0 up to rounding (eigenvalue below 1e-13 of the largest). */
struct null_space {
    size_t count;
    double *basis; /* count x d, freed by the caller; NULL when count is 0 */
};
enum status null_space_find(const struct matrix *a, const double *weight, struct null_space *out, struct error *error);
void null_space_fill(const struct null_space *null, size_t d, double weight, double *h); /* h += weight N N' */
void null_space_project(const struct null_space *null, size_t d, double *x);             /* x -= N N'x */

/* reference_certificate.c: proofs that F(x) - F* <= gap, evaluated in long double. Each lowers candidate->gap if it
 * proves more, and sets f and grad_norm. */

/* F(x) rounded to double; gradient[d] of its smooth part (without l1; smooth losses only) may be NULL. */
enum status certificate_value(const struct objective *o, const double *x, double *value, double *gradient,
                              struct error *error);
/* Scales x so that |x| <= radius holds to the last bit. */
void pull_into_ball(const struct objective *o, double *x);
/* Fenchel's duality gap; u[n] dual variables inside their box for LOSS_CHECK, NULL (slopes at x) for the others. */
enum status certificate_duality(const struct objective *o, const double *u, struct candidate *candidate,
                                struct error *error);
/* |g|^2 / (2 mu), or its self-concordant form, for smooth problems whose ball (if any) does not bind, in the
 * coordinates S^1/2 x, S = diag(scale): that keeps the units of the data out of it. curvature: a lower bound of the
 * smallest eigenvalue of S^-1/2 H S^-1/2, H the Hessian at x (on the complement of the null space); 0 when not known.
 */
enum status certificate_gradient(const struct objective *o, const double *scale, double curvature,
                                 struct candidate *candidate, struct error *error);

/* x += the longest of 1, 1/2, 1/4, ... times step that lowers F by 1e-4 of what slope (< 0) promises; moved false when
 * none does. trial[d] is scratch. */
enum status line_search(const struct objective *o, const double *step, double f, double slope, double *x, double *trial,
                        bool *moved, struct error *error);

/* The solvers. Each fills the candidate's x with its best point, gap INFINITY when nothing could be proved. */
enum status newton_solve(const struct objective *o, const struct null_space *null, struct candidate *candidate,
                         struct error *error);
enum status interior_solve(const struct objective *o, const struct null_space *null, struct candidate *candidate,
                           struct error *error);

/* The matrix-free solvers, for what is too large for a d x d matrix, start from candidate->x: Newton with conjugate
 * gradients for smooth losses without l1, coordinate descent with l1, and in the dual for check losses (ridge > 0). */
enum status newton_cg_solve(const struct objective *o, struct candidate *candidate, struct error *error);
enum status coordinate_solve(const struct objective *o, struct candidate *candidate, struct error *error);
enum status dual_solve(const struct objective *o, struct candidate *candidate, struct error *error);
/* reference_ball.c: on a ball that binds, or when none of the minimisers found without it lies inside. lower: a proved
 * lower bound of F. */
enum status ball_solve(const struct objective *o, double lower, struct candidate *candidate, struct error *error);
/* reference_softmax.c: softmax regression with l2. The objective's value and gradient, Hessian and certificate, as the
 * functions above have them for linear models; multiply-adds of a product are added to work. */
bool softmax_serves(const struct problem *problem);
enum status softmax_solve(const struct problem *problem, struct candidate *candidate, double *goal,
                          struct error *error);
void softmax_value(struct softmax *s, const double *x, double *value, double *gradient);
void softmax_hessian_at(struct softmax *s, const double *x, double *diagonal);
void softmax_hessian_apply(struct softmax *s, const double *v, double *product, double *work);
void softmax_certificate(struct softmax *s, struct candidate *candidate);
/* L: the eigenvalues of diag(p) - pp' are at most 1/2. */
enum status softmax_smoothness(const struct problem *problem, double *smoothness, struct error *error);
/* reference_closed.c: linear losses, and quartic ones in one dimension, which no objective describes. goal: the gap
 * that certifies. closed_solve needs closed_serves. */
bool closed_serves(const struct problem *problem);
enum status closed_solve(const struct problem *problem, struct candidate *candidate, double *goal, struct error *error);
/* reference.c: which solver serves o, which has no ball and is not bare. */
enum status solve_penalized(const struct objective *o, struct candidate *candidate, struct error *error);

/* reference_separable.c: true, and told in candidate, when its x separates the classes: y_i a_i.x >= 0 for all i, and >
 * 0 for some. */
bool separates(const struct objective *o, struct candidate *candidate);
/* The same to rounding, from an x far along a separating direction, when ties y_i a_i.x = 0 hide it. */
enum status quasi_separates(const struct objective *o, struct candidate *candidate, struct error *error);

#endif
