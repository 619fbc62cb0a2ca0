/* Estimator runs: at a frozen iterate x, draw batches and study the batch gradient g_B: bias, variance (trace and along
 * directions) and, for small d, the covariance. The theory beside them is exact: Cov g_B = kappa Sigma, where Sigma =
 * (1/n) sum (grad f_i - grad f)(grad f_i - grad f)' comes from one pass over the data.
 *
 * g_B is what a step sees before clipping: the mean loss gradient of the batch plus the gradient of the penalties,
 * which is the same for every batch. Draws: with_replacement and subset use one step after the other of the run's own
 * stream (from step 0; after training: from the step where it stopped). Samplers by epochs take, for each draw, a fresh
 * stream, one of its epochs and a uniform one of the full batches in it, so that draws are independent also where one
 * order serves all epochs. full makes one draw.
 *
 * With `velocity_steps: t` and momentum beta the estimate is (1 - beta) v_t, where v_0 = 0 and v_s = beta v_{s-1} +
 * g_{B_s} with fresh batches at the frozen iterate (heavy ball; Polyak 1964): a draw is one such v_t. Its mean is (1 -
 * beta^t) grad f and its covariance kappa Sigma (1-beta)/(1+beta) (1 - beta^(2t)), both exact; everything below is
 * about those. The velocity then runs on, for its autocorrelation. Draw r uses the steps r (t + 10) and following of
 * the stream. */
#ifndef SGDLAB_ESTIMATOR_H
#define SGDLAB_ESTIMATOR_H

#include "engine.h"

enum { ESTIMATOR_DIRECTIONS = 4, ESTIMATOR_COVARIANCE_DIM = 32, ESTIMATOR_LAGS = 4 };
extern const uint64_t estimator_lag[ESTIMATOR_LAGS]; /* 1, 2, 5, 10 */

struct estimator_result {
    uint64_t draws;               /* R */
    double gradient_norm2;        /* |grad f(x)|^2, penalties included */
    double sigma2;                /* tr Sigma, exact */
    double kappa;                 /* variance factor of one batch: 1/m with replacement, (n-m)/(m(n-1)) without: 0 for a
                                     batch of all n; of a velocity: times (1-beta)/(1+beta) (1-beta^(2t)) */
    double predicted;             /* kappa tr Sigma */
    double variance, variance_se; /* mean of |g_B - grad f|^2 over draws, and its standard error */

    /* T = R e' (kappa Sigma)^+ e, e = mean g_B - grad f, is chi^2 with rank(Sigma) degrees when g_B is unbiased and its
     * covariance is kappa Sigma. In all d coordinates where that is affordable (d <= ESTIMATOR_COVARIANCE_DIM, or d <=
     * 256 and n d^2 <= 4e8), else of the projections on the directions below, with their own d x d covariance. The
     * rank is that of the correlation matrix of Sigma, eigenvalues above 1e-10 d. Where Sigma says that e is 0 (kappa =
     * 0, constant columns, other null directions) it is compared with 0 to rounding, and T = infinity if it is not.
     * p: upper tail of chi^2; 1 without degrees of freedom; NaN for a sampler that follows the order of the data
     * (cyclic, m < n): its batches are not random, and neither T nor kappa Sigma describes them. */
    double bias_statistic, bias_df, bias_p;
    double bias_along_gradient; /* u.(mean g_B)/|grad f| - 1, u = grad f/|grad f|; of a velocity: against 1 - beta^t */
    double bias_along_gradient_se; /* both 0 when grad f = 0 to rounding */

    /* Var(u.g_B) about grad f along fixed unit vectors: the gradient (unless it is 0 to rounding), then the coordinates
     * of largest variance. */
    size_t directions;
    double direction_variance[ESTIMATOR_DIRECTIONS], direction_predicted[ESTIMATOR_DIRECTIONS];
    double direction_se[ESTIMATOR_DIRECTIONS];

    /* Velocities: with d_s the deviation of (1 - beta) v_s from its mean, E d_t.d_{t+k} / E |d_t|^2 at k =
     * estimator_lag[], which is beta^k for every t (and the correlation of v_t and v_{t+k} once beta^(2t) is
     * negligible). */
    size_t lags; /* ESTIMATOR_LAGS, or 0: no velocity, or no variance */
    double autocorrelation[ESTIMATOR_LAGS], autocorrelation_predicted[ESTIMATOR_LAGS];
    double autocorrelation_se[ESTIMATOR_LAGS];

    size_t covariance_dim;                     /* d when at most ESTIMATOR_COVARIANCE_DIM, else 0 */
    double *covariance, *covariance_predicted; /* covariance_dim^2, row-major: mean of (g_B - grad f)(g_B - grad f)',
                                                  kappa Sigma */
    double seconds;
};

/* The momentum of the configuration's update rule; 0 where it has none. */
double config_momentum(const struct run_config *config);

/* The iterate x[d] at which a run is frozen (`at`). Errors as below. */
enum status estimator_point(const struct run_request *request, const atomic_bool *stop, double *x, struct error *error);

/* One estimator run. The numbers depend on the request alone, not on threads. STATUS_USAGE: frozen at an optimum that
 * does not exist; STATUS_NUMERICAL: the training before diverges, or gradients at x are not finite; STATUS_INTERRUPTED
 * soon after *stop. Free the result with estimator_result_free. */
enum status estimator_run(const struct run_request *request, const atomic_bool *stop, struct estimator_result *result,
                          struct error *error);
void estimator_result_free(struct estimator_result *result); /* also all-zero */

#endif
