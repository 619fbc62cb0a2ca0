/* Statistics that GSL does not have in one call: weighted slope fits with lack of fit, Wilson intervals, bootstrap over
 * chains. Distributions and fits come from GSL. */
#ifndef SGDLAB_STATS_H
#define SGDLAB_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

/* Two-sided standard normal quantile: P(|Z| > z) = alpha. */
double stats_z(double alpha);
double stats_normal_p(double z);                  /* two-sided p-value */
double stats_chi2_p(double statistic, double df); /* upper tail */

struct slope {
    double slope, slope_se, intercept, intercept_se;
    double chi2, df, p; /* lack of fit: chi^2 with points - 2 degrees and its upper tail (1 when df = 0) */
};
/* Weighted least squares of ln y on ln x, weights (y/se)^2 (gsl_fit_wlinear); points with y <= 0 or se <= 0 are an
 * error (STATUS_NUMERICAL). Needs at least 2 points of different x. */
enum status stats_log_slope(size_t count, const double *x, const double *y, const double *se, struct slope *out,
                            struct error *error);
/* The same fit's slope of a noiseless curve with given weights: what theory predicts on the same window. */
enum status stats_log_slope_of(size_t count, const double *x, const double *y, const double *weight, double *slope,
                               struct error *error);

/* Wilson score interval of k successes in n at level 1 - alpha. */
void stats_wilson(uint64_t k, uint64_t n, double alpha, double *low, double *high);

/* Standard error of a statistic of group means by the bootstrap: `resamples` times, groups drawn with replacement from
 * value[groups][width] (weights weight[groups], NULL: equal), averaged column by column, handed to
 * statistic(mean[width], context). Deterministic in (seed, stream). A value that is NaN is left out of its column; a
 * statistic that is NaN makes se NaN. STATUS_NUMERICAL when fewer than 2 groups. */
enum status stats_bootstrap(size_t groups, size_t width, const double *value, const double *weight, size_t resamples,
                            uint64_t seed, uint64_t stream, double (*statistic)(const double *mean, void *context),
                            void *context, double *se, struct error *error);

/* Kolmogorov-Smirnov test of p-values against uniform: statistic D and its asymptotic p-value (with Stephens'
 * correction). Sorts p in place. */
void stats_uniformity(double *p, size_t count, double *d, double *p_value);

/* Welford moments, mergeable (Chan et al.; Pebay 2008): central sums up to the fourth. */
struct moments {
    uint64_t count;
    double mean, m2, m3, m4; /* m_k = sum (x - mean)^k */
};
void moments_add(struct moments *moments, double x);
void moments_merge(struct moments *into, const struct moments *other);

#endif
