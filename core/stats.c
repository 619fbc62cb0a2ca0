/* Statistics on top of GSL's: slope fits on logarithmic axes, Wilson intervals, the bootstrap over chains, uniformity
 * of p-values, mergeable moments. */
#include "stats.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_fit.h>
#include <gsl/gsl_math.h>
#include <gsl/gsl_sort.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "rng.h"

double stats_z(double alpha)
{
    return gsl_cdf_ugaussian_Qinv(alpha / 2);
}

double stats_normal_p(double z)
{
    return 2 * gsl_cdf_ugaussian_Q(fabs(z));
}

double stats_chi2_p(double statistic, double df)
{
    return df > 0 ? gsl_cdf_chisq_Q(fmax(statistic, 0), df) : 1;
}

/* ---- slopes ---- */

/* ln x, ln y and the weights one after another, 3 * count values; weight[i] is (y/se)^2 or given. */
static enum status log_points(size_t count, const double *x, const double *y, const double *se, const double *weight,
                              double **out, struct error *error)
{
    if (count < 2)
        return error_set(error, STATUS_NUMERICAL, "a slope needs at least 2 points, there are %zu", count);
    const size_t bytes = 3 * count * sizeof(double);
    double *point = malloc(bytes);
    if (!point)
        return error_memory(error, bytes, "the points of a slope");
    bool spread = false;
    for (size_t i = 0; i < count; i++) {
        const double w = se ? gsl_pow_2(y[i] / se[i]) : weight[i];
        const bool noise = se ? se[i] > 0 : true;
        if (!(x[i] > 0 && y[i] > 0 && noise && w > 0 && isfinite(x[i]) && isfinite(y[i]) && isfinite(w))) {
            free(point);
            return error_set(error, STATUS_NUMERICAL,
                             "a slope on logarithmic axes needs positive x, y and %s; point %zu is %g, %g, %g",
                             se ? "standard errors" : "weights", i + 1, x[i], y[i], se ? se[i] : weight[i]);
        }
        point[i] = log(x[i]);
        point[count + i] = log(y[i]);
        point[2 * count + i] = w;
        spread = spread || x[i] != x[0];
    }
    if (!spread) {
        free(point);
        return error_set(error, STATUS_NUMERICAL, "a slope needs points of different x; all %zu are at %g", count,
                         x[0]);
    }
    *out = point;
    return STATUS_OK;
}

static struct slope fit(size_t count, const double *point)
{
    struct slope s = {.df = (double)(count - 2)};
    double var_intercept, covariance, var_slope;
    gsl_fit_wlinear(point, 1, point + 2 * count, 1, point + count, 1, count, &s.intercept, &s.slope, &var_intercept,
                    &covariance, &var_slope, &s.chi2);
    s.slope_se = sqrt(var_slope);
    s.intercept_se = sqrt(var_intercept);
    s.p = stats_chi2_p(s.chi2, s.df);
    return s;
}

enum status stats_log_slope(size_t count, const double *x, const double *y, const double *se, struct slope *out,
                            struct error *error)
{
    double *point;
    const enum status status = log_points(count, x, y, se, NULL, &point, error);
    if (status != STATUS_OK)
        return status;
    *out = fit(count, point);
    free(point);
    return STATUS_OK;
}

enum status stats_log_slope_of(size_t count, const double *x, const double *y, const double *weight, double *slope,
                               struct error *error)
{
    double *point;
    const enum status status = log_points(count, x, y, NULL, weight, &point, error);
    if (status != STATUS_OK)
        return status;
    *slope = fit(count, point).slope;
    free(point);
    return STATUS_OK;
}

/* ---- shares ---- */

/* Wilson, J. Am. Stat. Assoc. 22 (1927) 209: the shares that a normal test would not reject. */
void stats_wilson(uint64_t k, uint64_t n, double alpha, double *low, double *high)
{
    if (n == 0) {
        *low = 0;
        *high = 1;
        return;
    }
    const double z2 = gsl_pow_2(stats_z(alpha)), trials = (double)n, share = (double)k / trials;
    const double scale = 1 / (1 + z2 / trials);
    const double centre = scale * (share + z2 / (2 * trials));
    const double half = scale * sqrt(z2 * (share * (1 - share) / trials + z2 / (4 * trials * trials)));
    /* The ends are exact; rounding must not leave a sliver. */
    *low = k == 0 ? 0 : fmax(0, centre - half);
    *high = k == n ? 1 : fmin(1, centre + half);
}

/* ---- bootstrap ---- */

/* Weighted means of the columns over groups taken `times` each; values that are NaN are left out of their column. */
static void column_means(size_t groups, size_t width, const double *value, const double *weight, const uint32_t *times,
                         double *mean, double *total)
{
    memset(mean, 0, width * sizeof *mean);
    memset(total, 0, width * sizeof *total);
    for (size_t g = 0; g < groups; g++) {
        const double w = times[g] * (weight ? weight[g] : 1);
        if (w == 0)
            continue;
        const double *row = value + g * width;
        for (size_t c = 0; c < width; c++) {
            const bool there = !isnan(row[c]);
            mean[c] += there ? w * row[c] : 0;
            total[c] += there ? w : 0;
        }
    }
    for (size_t c = 0; c < width; c++)
        mean[c] /= total[c];
}

/* Efron, Ann. Stat. 7 (1979) 1. The resampled variance of a mean is (G-1)/G of the unbiased one; G/(G-1) makes up for
 * that. */
enum status stats_bootstrap(size_t groups, size_t width, const double *value, const double *weight, size_t resamples,
                            uint64_t seed, uint64_t stream, double (*statistic)(const double *mean, void *context),
                            void *context, double *se, struct error *error)
{
    if (groups < 2 || groups > UINT32_MAX || resamples < 2)
        return error_set(error, STATUS_NUMERICAL,
                         "a bootstrap needs at least 2 groups of chains and 2 resamples; there are %zu and %zu", groups,
                         resamples);
    const size_t bytes = 2 * width * sizeof(double) + 2 * groups * sizeof(uint32_t);
    double *mean = malloc(bytes);
    if (!mean)
        return error_memory(error, bytes, "a bootstrap");
    double *total = mean + width;
    uint32_t *index = (uint32_t *)(void *)(total + width), *times = index + groups;
    const struct rng_stream words = rng_stream(seed, RNG_BOOTSTRAP, stream, 0);
    struct moments moments = {0};
    for (size_t r = 0; r < resamples; r++) {
        rng_indices(&words, r * groups, groups, (uint32_t)groups, 0, index);
        memset(times, 0, groups * sizeof *times);
        for (size_t g = 0; g < groups; g++)
            times[index[g]]++;
        column_means(groups, width, value, weight, times, mean, total);
        moments_add(&moments, statistic(mean, context));
    }
    free(mean);
    *se = sqrt(moments.m2 / (double)(resamples - 1) * (double)groups / (double)(groups - 1));
    return STATUS_OK;
}

/* ---- uniformity ---- */

/* Upper tail of the Kolmogorov distribution: its two theta-function series, each where it converges fast. */
static double kolmogorov_q(double lambda)
{
    double sum = 0;
    if (lambda <= 0)
        return 1;
    if (lambda < 1) {
        for (int k = 1; k <= 9; k += 2)
            sum += exp(-gsl_pow_2(k * M_PI / lambda) / 8);
        return 1 - sqrt(2 * M_PI) / lambda * sum;
    }
    for (int k = 1; k <= 5; k++)
        sum += (k % 2 ? 2 : -2) * exp(-2 * gsl_pow_2(k * lambda));
    return sum;
}

/* Stephens, J. R. Stat. Soc. B 32 (1970) 115: the asymptotic law at a corrected argument, good from n = 5. */
void stats_uniformity(double *p, size_t count, double *d, double *p_value)
{
    *d = 0;
    *p_value = 1;
    if (count == 0)
        return;
    gsl_sort(p, 1, count);
    const double n = (double)count, root = sqrt(n);
    for (size_t i = 0; i < count; i++)
        *d = fmax(*d, fmax(p[i] - (double)i / n, (double)(i + 1) / n - p[i]));
    *p_value = kolmogorov_q(*d * (root + 0.12 + 0.11 / root));
}

/* ---- moments ---- */

/* Pebay, Sandia report SAND2008-6212 (2008), equations for one more value and for two sets. */
void moments_add(struct moments *m, double x)
{
    const struct moments one = {.count = 1, .mean = x};
    moments_merge(m, &one);
}

void moments_merge(struct moments *into, const struct moments *other)
{
    if (other->count == 0)
        return;
    if (into->count == 0) {
        *into = *other;
        return;
    }
    const double a = (double)into->count, b = (double)other->count, n = a + b;
    const double delta = other->mean - into->mean, step = delta / n;
    const double m2 = into->m2, m3 = into->m3;
    into->m4 += other->m4 + delta * step * step * step * a * b * (a * a - a * b + b * b) +
                6 * step * step * (a * a * other->m2 + b * b * m2) + 4 * step * (a * other->m3 - b * m3);
    into->m3 += other->m3 + delta * step * step * a * b * (a - b) + 3 * step * (a * other->m2 - b * m2);
    into->m2 += other->m2 + delta * step * a * b;
    into->mean += step * b;
    into->count += other->count;
}
