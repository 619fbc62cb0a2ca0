/* Exact moments of SGD on least squares, f_i = (a_i.x - b_i)^2/2 (+ (l2/2)|x|^2): what measured curves are compared
 * with. e = x - x*, mu_t = E e_t, M_t = E e_t e_t'. All matrices are d x d row-major. Nothing is random here. */
#ifndef SGDLAB_ORACLE_H
#define SGDLAB_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "problem.h"

enum { ORACLE_DIM_MAX = 64 };

/* The finite sum in the form the recursions use. The penalty sees the first `penalized` coordinates; D is the identity
 * on them and 0 elsewhere. A pair is (k, l) with k <= l, row after row; there are pairs = d(d+1)/2. */
struct oracle {
    size_t n, d, penalized, pairs;
    double l2;
    double *a, *b;                    /* [n][d], [n] */
    double *optimum;                  /* x* (with l2: the penalised one), [d] */
    double *residual;                 /* r_i = b_i - a_i.x*, [n] */
    double *h, *h2;                   /* [d][d]: H = mean a a', H_2 = H + l2 D */
    double *c;                        /* [d][d]: C = mean r_i^2 a_i a_i' */
    double *q;                        /* [d]: mean r_i a_i = l2 D x*, 0 without l2 */
    double *third;                    /* [d][pairs]: mean r_i a_ij a_ik a_il, row j, column (k, l) */
    double *fourth;                   /* [pairs][pairs]: mean a_ij a_ik a_il a_im */
    double *eigenvalue, *eigenvector; /* of H_2, ascending; eigenvector[i][d] is u_i */
    double smoothness, convexity;     /* L, mu: extreme eigenvalues of H_2 */
};

/* From a least-squares problem (dense or CSR). STATUS_UNSUPPORTED for other losses, l1, a radius, d > ORACLE_DIM_MAX or
 * a singular H_2 (smallest eigenvalue below 1e-13 of the largest). The problem may go away afterwards. Costs
 * O(n d^4). The caller has switched GSL's error handler off, here and below. */
enum status oracle_open(const struct problem *problem, struct oracle **out, struct error *error);
void oracle_close(struct oracle *oracle); /* NULL is fine, for every close */

/* Variance factor kappa of a batch of m: 1/m with replacement, (n-m)/(m(n-1)) for a fresh subset. */
double oracle_kappa(size_t n, size_t m, bool with_replacement);

/* A trajectory's exact second moments: state that oracle_step moves one step on. */
struct oracle_state {
    const struct oracle *oracle;
    double kappa;
    double *mu, *m; /* E e_t [d], E e_t e_t' [d][d] */
    uint64_t step;
    /* P_t = sum over s < t of E e_s e_t' and W_t = E z z', z = e_0 + .. + e_t; NULL when no average is asked */
    double *p, *w;
    double *scratch; /* 4 d x d */
};
enum status oracle_state_open(const struct oracle *oracle, double kappa, const double *e0, bool average,
                              struct oracle_state **out, struct error *error);
void oracle_state_close(struct oracle_state *state);
void oracle_step(struct oracle_state *state, double eta);  /* O(d^4 / 4), no allocation; overflow ends in NaN */
double oracle_gap(const struct oracle_state *state);       /* E f(x_t) - f* = tr(H_2 M_t)/2 */
double oracle_gap_sd(const struct oracle_state *state);    /* sd of f(x_t) - f* if e_t is Gaussian with these moments */
double oracle_distance2(const struct oracle_state *state); /* tr M_t */
double oracle_averaged_gap(const struct oracle_state *state); /* of the mean of x_0..x_t: tr(H_2 W)/2/(t+1)^2 */

/* Stationary second moment M_inf [d][d] at a constant eta: the fixed point. STATUS_NUMERICAL at eta >= eta_max. */
enum status oracle_fixed_point(const struct oracle *oracle, double kappa, double eta, double *m, struct error *error);
/* Largest mean-square stable rate: 1/lambda_max of the pencil ((1-kappa) H(x)H + kappa T, H(x)I + I(x)H); with l2
 * (H_2(x)H_2 + kappa (T - H(x)H), H_2(x)I + I(x)H_2). */
enum status oracle_stability_limit(const struct oracle *oracle, double kappa, double *eta_max, struct error *error);
/* The same of steps with momentum, heavy ball or Nesterov's form (v = beta v + g, x -= eta v or eta (g + beta v)), 0 <=
 * beta < 1: bisection of a spectral radius, see oracle_momentum.c. */
enum status oracle_momentum_limit(const struct oracle *oracle, double kappa, double beta, bool nesterov,
                                  double *eta_max, struct error *error);
/* Spectral radius of I - eta(H(x)I + I(x)H) + eta^2((1-kappa) H(x)H + kappa T) (l2 as above): decay of M_t - M_inf. */
enum status oracle_decay(const struct oracle *oracle, double kappa, double eta, double *rho, struct error *error);
/* S(M, mu) = mean_i[(a_i'M a_i - 2 r_i a_i'mu + r_i^2) a_i a_i'] - (H M H - H mu q' - q mu'H + q q'): covariance of one
 * sample gradient at random x. M symmetric, s[d][d]. From the moment tensors. */
void oracle_noise(const struct oracle *oracle, const double *m, const double *mu, double *s);
/* Rate beyond which almost every chain diverges: the first zero above the mean-square limit of the top Lyapunov
 * exponent of products of I - eta (mean_B a a' + l2 D), by bisection to 1e-6 with the same `steps` products (stream
 * RNG_LAW of seed) at every rate. STATUS_USAGE: no batch, a subset larger than n, no steps. */
enum status oracle_almost_sure_limit(const struct oracle *oracle, size_t m, bool with_replacement, uint64_t seed,
                                     size_t steps, double *eta_as, struct error *error);

/* Heavy ball (v = beta v + g, x -= eta v): N_t = E (e,v)(e,v)' [2d][2d] and means, one step on. */
struct oracle_heavy_ball {
    const struct oracle *oracle;
    double kappa, beta;
    double *n, *mean; /* [2d][2d], [2d] */
    double *scratch;  /* 2 of 2d x 2d and 2 of d x d */
};
enum status oracle_heavy_ball_open(const struct oracle *oracle, double kappa, double beta, const double *e0,
                                   struct oracle_heavy_ball **out, struct error *error);
void oracle_heavy_ball_close(struct oracle_heavy_ball *state);
void oracle_heavy_ball_step(struct oracle_heavy_ball *state, double eta);
double oracle_heavy_ball_gap(const struct oracle_heavy_ball *state);

/* Local SGD with K workers that average every sync_every steps: gap of the workers' mean, gap[steps+1]. eta[steps],
 * kappa of one worker's batch. STATUS_USAGE: no worker or sync_every 0. */
enum status oracle_local_sgd(const struct oracle *oracle, double kappa, size_t workers, uint64_t sync_every,
                             const double *e0, const double *eta, uint64_t steps, double *gap, struct error *error);

/* Equal curvature, f_i = (x - c_i)^2/2 in one dimension, m = 1, h = eta: stationary mean squared error at epoch ends
 * (laws of reshuffling). c[n] is centred by the call. */
struct epoch_floor {
    double with_replacement, reshuffle, shuffle_once, cyclic; /* cyclic: in the given order */
    double rho;                                               /* (1-h)^n: the error's decay in one epoch */
};
void oracle_epoch_floor(const double *c, size_t n, double h, struct epoch_floor *out);
/* Mean squared error at the ends of epochs 1..epochs from e_0 with rates h[epochs] constant within each epoch.
 * mse[epochs] each; any may be NULL. */
void oracle_epoch_curve(const double *c, size_t n, const double *h, size_t epochs, double e0, double *with_replacement,
                        double *reshuffle);

#endif
