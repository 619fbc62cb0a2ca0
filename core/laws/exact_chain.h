/* Expected gaps beyond least squares, without noise: closed formulas of mean estimation, Markov chains in one
 * dimension, and constants of the limit. What laws about rates compare measured curves with. */
#ifndef SGDLAB_EXACT_CHAIN_H
#define SGDLAB_EXACT_CHAIN_H

#include <stdint.h>

#include "averager.h"
#include "error.h"
#include "problem.h"

/* Mean estimation: problem `linear` with l2 > 0, f_i = (l2/2)|x|^2 + y_i a_i.x, whose gradient noise y_i a_i - mean
 * does not depend on x. */
struct mean_estimation {
    double l2, noise, distance2; /* noise: sigma^2 = tr Sigma; distance2: |x_0 - x*|^2 */
};
/* x0[d]. STATUS_UNSUPPORTED: another problem, l1, a ball, a free intercept. */
enum status mean_estimation_open(const struct problem *problem, const double *x0, struct mean_estimation *out,
                                 struct error *error);
/* After `steps` steps of rate eta: E gap_T = (l2/2) [eta kappa sigma^2 (1 - rho^T)/(l2 (2 - eta l2)) + D^2 rho^T], rho
 * = (1 - eta l2)^2, and the mean of E gap_t over t < T. Needs 0 < eta l2 < 2. */
void mean_estimation_gaps(const struct mean_estimation *m, double kappa, double eta, uint64_t steps, double *last,
                          double *mean);

/* G^2 = mean over i of sup_x |grad f_i(x)|^2, which bounds E|g|^2 for every batch. INFINITY: slopes have no bound, or
 * there is a penalty; NaN: out of memory. */
double gradient_square_bound(const struct problem *problem);

/* One dimension, a ball, batches of one sample: where all sample gradients are -s, 0 or s, the iterates stay on a
 * lattice, and the distribution after every step is computed. last: E gap_T; mean: that of E gap_t over t < T; square
 * (may be NULL): E x_T^2. Exact but for probabilities below 1e-25, which are dropped. STATUS_UNSUPPORTED: another
 * problem, a lattice of more than LATTICE_MAX points, or iterates that sit on a kink (more than 1e-4 of them). */
enum { LATTICE_MAX = 200000 };
enum status lattice_gaps(const struct problem *problem, double f_star, double start, double eta, uint64_t steps,
                         double *last, double *mean, double *square, struct error *error);

/* f_i = (x - b_i)^2/2 on [-r, r] with f increasing, so x* = -r, eta_t = 1/(t+1), and r + b_i whole numbers: y_t =
 * t (x_t + r) is a walk on 0, 1, 2, ... with steps r + b_i, stopped at 0. gap[points] of the average at the given
 * increasing steps, exact; horizon: the budget, for the average's weights. drift (may be NULL): f'(x*) E y at the last
 * of the steps, which tends to lim t gap of the last iterate. */
enum status walk_gaps(const struct problem *problem, double start, const struct averager_type *averager,
                      const struct param_values *values, uint64_t horizon, size_t points, const uint64_t *step,
                      double *gap, double *drift, struct error *error);

/* H = hessian of f and C = (1/n) sum (grad f_i - grad f)(grad f_i - grad f)' at x, in the eigenbasis of H: lambda[d]
 * ascending, noise[d] = u_i'C u_i. Twice differentiable losses. */
enum status curvature_and_noise(const struct problem *problem, const double *x, double *lambda, double *noise,
                                struct error *error);

/* eta_t = c/(t + t0) with 2 c min lambda > 1: lim (t + t0) E gap_t = (kappa/2) sum lambda_i c^2 C_ii/(2 c lambda_i - 1)
 * (Chung, Ann. Math. Stat. 25, 1954; Bottou, Curtis, Nocedal, SIAM Review 60, 2018, section 4.2). NaN for a smaller c.
 */
double inverse_time_constant(size_t d, const double *lambda, const double *noise, double c, double kappa);

/* prod_{j < t} (1 - c lambda/(j + t0)) = Gamma(t0) Gamma(t + t0 - c lambda)/(Gamma(t0 - c lambda) Gamma(t + t0)): what
 * t noise-free steps leave of a coordinate. Needs 0 < c lambda < t0. */
double inverse_time_decay(double c_lambda, double t0, double t);

/* max over a > 0 of 2 a Phi(-a): no algorithm can find out a sign from T noisy ones with gaps below this over sqrt T
 * for both signs (two-point method: Agarwal et al., IEEE Trans. Inf. Theory 58, 2012). */
double two_point_constant(void);

#endif
