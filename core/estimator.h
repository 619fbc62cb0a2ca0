/* Estimator runs: at a frozen iterate x, draw batches and study the batch gradient g_B: bias, variance (trace and along
 * directions) and, for small d, the covariance. Exact Sigma = (1/n) sum (grad f_i - grad f)(grad f_i - grad f)' in one
 * pass. */
#ifndef SGDLAB_ESTIMATOR_H
#define SGDLAB_ESTIMATOR_H

#include "engine.h"

enum { ESTIMATOR_DIRECTIONS = 4, ESTIMATOR_COVARIANCE_DIM = 32 };

struct estimator_result {
    uint64_t draws;
    double gradient_norm2;        /* |grad f(x)|^2 */
    double sigma2;                /* tr Sigma, exact */
    double kappa;                 /* variance factor of one batch: 1/m or (n-m)/(m(n-1)); full: 0 */
    double predicted;             /* kappa tr Sigma */
    double variance, variance_se; /* mean of |g_B - grad f|^2 over draws, and its standard error */
    double bias_statistic;        /* R dhat' (kappa Sigma)^+ dhat where d <= ESTIMATOR_COVARIANCE_DIM, else the sum over
                                     directions */
    double bias_df, bias_p;       /* degrees of freedom (rank) and chi^2 upper tail */
    double bias_along_gradient;   /* u.(mean g)/|grad f| - 1, u = grad f/|grad f| (0 when grad f = 0) */
    double bias_along_gradient_se;
    size_t directions; /* fixed directions: the gradient, then coordinates of largest variance */
    double direction_variance[ESTIMATOR_DIRECTIONS], direction_predicted[ESTIMATOR_DIRECTIONS];
    double direction_se[ESTIMATOR_DIRECTIONS];
    size_t covariance_dim;                     /* d when small, else 0 */
    double *covariance, *covariance_predicted; /* covariance_dim^2, row-major */
    double seconds;
};

enum status estimator_run(const struct run_request *request, const atomic_bool *stop, struct estimator_result *result,
                          struct error *error);
void estimator_result_free(struct estimator_result *result);

#endif
