/* Statistics against closed forms, published values and simulation. Tests on random numbers use fixed seeds and fail
 * below p = 1e-6. */
#include <criterion/criterion.h>
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_randist.h>
#include <math.h>

#include "rng.h"
#include "stats.h"

static gsl_rng *rng_of(uint64_t number)
{
    const struct rng_stream stream = rng_stream(3, RNG_TEST, number, 0);
    return rng_gsl_open(&stream);
}

/* Is `count` of n plausible for probability p? */
static bool plausible(unsigned count, double p, unsigned n)
{
    return (count == 0 || gsl_cdf_binomial_Q(count - 1, p, n) > 1e-6) && gsl_cdf_binomial_P(count, p, n) > 1e-6;
}

Test(stats, distributions)
{
    cr_assert_float_eq(stats_z(0.05), 1.959963984540054, 1e-12);
    cr_assert_float_eq(stats_z(0.001), 3.290526731491926, 1e-11);
    cr_assert_float_eq(stats_normal_p(1.959963984540054), 0.05, 1e-13);
    cr_assert_float_eq(stats_normal_p(-1.959963984540054), 0.05, 1e-13);
    cr_assert_float_eq(stats_normal_p(9) / 2.257176811907681e-19, 1, 1e-9); /* no cancellation in the tail */
    cr_assert_float_eq(stats_normal_p(0), 1, 1e-15);
    cr_assert_float_eq(stats_chi2_p(3.841458820694124, 1), 0.05, 1e-12);
    cr_assert_float_eq(stats_chi2_p(10, 2), exp(-5), 1e-15);
    cr_assert(stats_chi2_p(0, 0) == 1 && stats_chi2_p(3, 0) == 1);
}

/* A power law is found again; weighted normal equations written out. */
Test(stats, slope_closed_form)
{
    static const double x[] = {1, 2, 4, 9, 20}, noise[] = {0.01, -0.02, 0.005, 0.03, -0.01};
    double y[5], se[5], weight[5], s = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;
    struct error error;
    struct slope fit;
    for (size_t i = 0; i < 5; i++) {
        y[i] = 3 * pow(x[i], -0.5);
        se[i] = y[i] * 0.01 * (double)(i + 1);
    }
    cr_assert(stats_log_slope(5, x, y, se, &fit, &error) == STATUS_OK);
    cr_assert_float_eq(fit.slope, -0.5, 1e-13);
    cr_assert_float_eq(fit.intercept, log(3), 1e-13);
    cr_assert(fit.chi2 < 1e-20 && fit.df == 3 && fit.p > 1 - 1e-12);
    for (size_t i = 0; i < 5; i++) {
        y[i] *= exp(noise[i]);
        se[i] = y[i] * 0.01 * (double)(i + 1);
        const double w = weight[i] = pow(y[i] / se[i], 2), u = log(x[i]), v = log(y[i]);
        s += w, sx += w * u, sy += w * v, sxx += w * u * u, sxy += w * u * v;
    }
    const double determinant = s * sxx - sx * sx;
    const double slope = (s * sxy - sx * sy) / determinant, intercept = (sxx * sy - sx * sxy) / determinant;
    double chi2 = 0, again;
    for (size_t i = 0; i < 5; i++)
        chi2 += weight[i] * pow(log(y[i]) - intercept - slope * log(x[i]), 2);
    cr_assert(stats_log_slope(5, x, y, se, &fit, &error) == STATUS_OK);
    cr_assert_float_eq(fit.slope, slope, 1e-12);
    cr_assert_float_eq(fit.intercept, intercept, 1e-12);
    cr_assert_float_eq(fit.slope_se, sqrt(s / determinant), 1e-12);
    cr_assert_float_eq(fit.intercept_se, sqrt(sxx / determinant), 1e-12);
    cr_assert(chi2 > 1);
    cr_assert_float_eq(fit.chi2, chi2, 1e-10);
    cr_assert_float_eq(fit.p, gsl_cdf_chisq_Q(chi2, 3), 1e-10);
    cr_assert(stats_log_slope_of(5, x, y, weight, &again, &error) == STATUS_OK);
    cr_assert_float_eq(again, slope, 1e-12);
    /* Two points: the line through them, nothing left to judge it by. */
    cr_assert(stats_log_slope(2, x, y, se, &fit, &error) == STATUS_OK);
    cr_assert_float_eq(fit.slope, log(y[1] / y[0]) / log(2), 1e-12);
    cr_assert(fit.df == 0 && fit.p == 1);
}

/* Intervals of the stated level hold the true slope that often, and the lack of fit is uniform for a true law and small
 * for a wrong one. */
Test(stats, slope_coverage)
{
    enum { FITS = 2000, POINTS = 6 };
    gsl_rng *rng = rng_of(1);
    double x[POINTS], y[POINTS], se[POINTS], p[FITS], d, uniform;
    struct error error;
    struct slope fit;
    unsigned covered = 0, bent = 0;
    for (size_t r = 0; r < FITS; r++) {
        for (size_t i = 0; i < POINTS; i++) {
            x[i] = pow(4, (double)i);
            const double mean = 2 * pow(x[i], -1.5);
            se[i] = mean * 0.002 * (double)(1 + i % 3);
            y[i] = mean + gsl_ran_gaussian(rng, se[i]);
        }
        cr_assert(stats_log_slope(POINTS, x, y, se, &fit, &error) == STATUS_OK);
        covered += fabs(fit.slope + 1.5) < stats_z(0.1) * fit.slope_se;
        p[r] = fit.p;
        for (size_t i = 0; i < POINTS; i++)
            y[i] *= 1 + 0.05 * (double)(i * i) / 25;
        cr_assert(stats_log_slope(POINTS, x, y, se, &fit, &error) == STATUS_OK);
        bent += fit.p < 1e-3;
    }
    cr_assert(plausible(covered, 0.9, FITS), "%u of %d cover, 90%% should", covered, FITS);
    stats_uniformity(p, FITS, &d, &uniform);
    cr_assert(uniform > 1e-6, "lack of fit of true laws: D = %g", d);
    cr_assert(bent > FITS / 4, "a bent curve is told: %u", bent);
    gsl_rng_free(rng);
}

Test(stats, slope_errors)
{
    const double x[] = {1, 2, 3}, y[] = {1, 2, 3}, se[] = {0.1, 0.1, 0.1}, same[] = {2, 2, 2};
    const double bad[][3] = {{1, 0, 3}, {1, -1, 3}, {1, NAN, 3}, {1, INFINITY, 3}};
    struct slope fit;
    struct error error;
    double slope;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert(stats_log_slope(3, x, bad[i], se, &fit, &error) == STATUS_NUMERICAL, "y %zu", i);
        cr_assert(strstr(error.message, "point 2"));
        cr_assert(stats_log_slope(3, bad[i], y, se, &fit, &error) == STATUS_NUMERICAL, "x %zu", i);
        cr_assert(stats_log_slope(3, x, y, bad[i], &fit, &error) == STATUS_NUMERICAL, "se %zu", i);
        cr_assert(stats_log_slope_of(3, x, y, bad[i], &slope, &error) == STATUS_NUMERICAL, "weight %zu", i);
    }
    cr_assert(stats_log_slope(3, same, y, se, &fit, &error) == STATUS_NUMERICAL);
    cr_assert(stats_log_slope(1, x, y, se, &fit, &error) == STATUS_NUMERICAL);
    cr_assert(stats_log_slope(0, NULL, NULL, NULL, &fit, &error) == STATUS_NUMERICAL);
}

/* Newcombe, Stat. Med. 17 (1998) 857, table I, method 3. */
Test(stats, wilson)
{
    static const struct {
        uint64_t k, n;
        double low, high;
    } known[] = {{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 20, 0, 0.1611}, {1, 29, 0.0061, 0.1718}};
    double low, high;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        stats_wilson(known[i].k, known[i].n, 0.05, &low, &high);
        cr_assert_float_eq(low, known[i].low, 5.1e-5, "%zu", i);
        cr_assert_float_eq(high, known[i].high, 5.1e-5, "%zu", i);
        double mirror_low, mirror_high;
        stats_wilson(known[i].n - known[i].k, known[i].n, 0.05, &mirror_low, &mirror_high);
        cr_assert_float_eq(mirror_low, 1 - high, 1e-14);
        cr_assert_float_eq(mirror_high, 1 - low, 1e-14);
        /* Its ends are where the score test sits on its limit. */
        const double share = (double)known[i].k / (double)known[i].n;
        cr_assert_float_eq((high - share) / sqrt(high * (1 - high) / (double)known[i].n), stats_z(0.05), 1e-9);
    }
    stats_wilson(0, 5, 0.01, &low, &high);
    cr_assert(low == 0 && high > 0 && high < 1);
    stats_wilson(5, 5, 0.01, &low, &high);
    cr_assert(high == 1 && low > 0);
    stats_wilson(0, 0, 0.01, &low, &high);
    cr_assert(low == 0 && high == 1);
}

struct columns {
    size_t width, calls;
};

static double first_column(const double *mean, void *context)
{
    struct columns *columns = context;
    columns->calls++;
    return mean[columns->width - 1];
}

static double log_ratio(const double *mean, void *context)
{
    (void)context;
    return log(mean[0] / mean[1]);
}

/* Of a mean: s/sqrt(G) with the divisor G - 1, within the bootstrap's own noise of 1/sqrt(2 resamples). Small G shows
 * the correction: without it 5 groups are 11% low. */
Test(stats, bootstrap_of_a_mean)
{
    enum { RESAMPLES = 20000 };
    static const size_t sizes[] = {2, 5, 40};
    gsl_rng *rng = rng_of(2);
    struct error error;
    for (size_t i = 0; i < 3; i++) {
        const size_t groups = sizes[i];
        double value[3 * 40], se, again, other;
        struct moments moments = {0};
        for (size_t g = 0; g < 3 * groups; g++)
            value[g] = gsl_ran_exponential(rng, 2);
        for (size_t g = 0; g < groups; g++)
            moments_add(&moments, value[3 * g + 2]);
        const double exact = sqrt(moments.m2 / (double)(groups - 1) / (double)groups);
        struct columns columns = {3, 0};
        cr_assert(stats_bootstrap(groups, 3, value, NULL, RESAMPLES, 7, 1, first_column, &columns, &se, &error) ==
                  STATUS_OK);
        cr_assert(columns.calls == RESAMPLES);
        cr_assert_float_eq(se / exact, 1, 5 / sqrt(2. * RESAMPLES), "%zu groups: %g, exact %g", groups, se, exact);
        cr_assert(stats_bootstrap(groups, 3, value, NULL, RESAMPLES, 7, 1, first_column, &columns, &again, &error) ==
                  STATUS_OK);
        cr_assert(again == se);
        cr_assert(stats_bootstrap(groups, 3, value, NULL, RESAMPLES, 7, 2, first_column, &columns, &other, &error) ==
                  STATUS_OK);
        cr_assert(other != se);
    }
    gsl_rng_free(rng);
}

/* The ratio of two correlated means, against the delta method. */
Test(stats, bootstrap_of_a_ratio)
{
    enum { GROUPS = 2000, RESAMPLES = 4000 };
    gsl_rng *rng = rng_of(4);
    double *value = malloc(2 * GROUPS * sizeof *value), variance = 0, mean[2] = {0}, se;
    struct error error;
    for (size_t g = 0; g < GROUPS; g++) {
        const double common = gsl_ran_gaussian(rng, 1);
        value[2 * g] = 10 + common + gsl_ran_gaussian(rng, 0.3);
        value[2 * g + 1] = 7 + common;
        mean[0] += value[2 * g] / GROUPS;
        mean[1] += value[2 * g + 1] / GROUPS;
    }
    for (size_t g = 0; g < GROUPS; g++)
        variance += pow(value[2 * g] / mean[0] - value[2 * g + 1] / mean[1], 2) / (GROUPS - 1);
    cr_assert(stats_bootstrap(GROUPS, 2, value, NULL, RESAMPLES, 1, 1, log_ratio, NULL, &se, &error) == STATUS_OK);
    cr_assert_float_eq(se / sqrt(variance / GROUPS), 1, 5 / sqrt(2. * RESAMPLES));
    free(value);
    gsl_rng_free(rng);
}

/* A group of twice the weight counts twice; weight 0 not at all; a value that is missing is left out of its column. */
Test(stats, bootstrap_weights_and_gaps)
{
    enum { GROUPS = 200, RESAMPLES = 8000 };
    gsl_rng *rng = rng_of(5);
    double value[GROUPS], weight[GROUPS], gaps[GROUPS], se, se_gaps, sum = 0, mean = 0, variance = 0;
    struct error error;
    struct columns columns = {1, 0};
    for (size_t g = 0; g < GROUPS; g++) {
        value[g] = gsl_ran_gaussian(rng, 1);
        weight[g] = g % 4; /* a quarter has weight 0 */
        gaps[g] = g % 4 ? value[g] : NAN;
        sum += weight[g];
        mean += weight[g] * value[g];
    }
    mean /= sum;
    /* Ratio estimator of the weighted mean, linearised. */
    for (size_t g = 0; g < GROUPS; g++)
        variance += pow(weight[g] * (value[g] - mean) / sum, 2) * GROUPS / (GROUPS - 1);
    cr_assert(stats_bootstrap(GROUPS, 1, value, weight, RESAMPLES, 1, 1, first_column, &columns, &se, &error) ==
              STATUS_OK);
    cr_assert_float_eq(se / sqrt(variance), 1, 5 / sqrt(2. * RESAMPLES) + 2. / GROUPS);
    cr_assert(stats_bootstrap(GROUPS, 1, gaps, weight, RESAMPLES, 1, 1, first_column, &columns, &se_gaps, &error) ==
              STATUS_OK);
    cr_assert(se_gaps == se, "a missing value is one of weight 0");
    for (size_t g = 0; g < GROUPS; g++)
        gaps[g] = NAN;
    cr_assert(stats_bootstrap(GROUPS, 1, gaps, weight, 10, 1, 1, first_column, &columns, &se, &error) == STATUS_OK);
    cr_assert(isnan(se), "no data, no standard error");
    cr_assert(stats_bootstrap(1, 1, value, NULL, 10, 1, 1, first_column, &columns, &se, &error) == STATUS_NUMERICAL);
    cr_assert(stats_bootstrap(0, 1, value, NULL, 10, 1, 1, first_column, &columns, &se, &error) == STATUS_NUMERICAL);
    cr_assert(stats_bootstrap(GROUPS, 1, value, NULL, 1, 1, 1, first_column, &columns, &se, &error) ==
              STATUS_NUMERICAL);
    gsl_rng_free(rng);
}

/* Upper tail of the Kolmogorov distribution, from its other series (tables: 1.358 -> 0.05, 1.628 -> 0.01). */
static double kolmogorov_tail(double lambda)
{
    double sum = 0;
    for (int k = 1; k <= 400; k++)
        sum += (k % 2 ? 2 : -2) * exp(-2. * k * k * lambda * lambda);
    return sum;
}

Test(stats, uniformity_known)
{
    double p[] = {0.9, 0.1, 0.5, 0.35}, d, p_value;
    stats_uniformity(p, 4, &d, &p_value);
    cr_assert(p[0] == 0.1 && p[1] == 0.35 && p[2] == 0.5 && p[3] == 0.9);
    cr_assert_float_eq(d, 0.25, 1e-15); /* 3/4 - 0.5 */
    cr_assert_float_eq(p_value, kolmogorov_tail(0.25 * (2 + 0.12 + 0.11 / 2)), 1e-12);
    cr_assert_float_eq(kolmogorov_tail(1.3581), 0.05, 1e-5);
    cr_assert_float_eq(kolmogorov_tail(1.6276), 0.01, 1e-5);
    stats_uniformity(p, 0, &d, &p_value);
    cr_assert(d == 0 && p_value == 1);
    /* The series meet where one takes over, and stay within [0, 1] and decreasing. */
    double last = 1;
    for (double target = 0.01; target < 1; target += 0.004) {
        double one[400];
        const size_t n = 400;
        for (size_t i = 0; i < n; i++)
            one[i] = fmin(1, ((double)i + 0.5) / (double)n * (1 - target));
        stats_uniformity(one, n, &d, &p_value);
        const double lambda = d * (20 + 0.12 + 0.11 / 20);
        cr_assert(p_value <= last && p_value >= 0, "at %g: %g after %g", lambda, p_value, last);
        if (lambda > 0.4)
            cr_assert_float_eq(p_value, kolmogorov_tail(lambda), 1e-10, "at %g", lambda);
        last = p_value;
    }
    cr_assert(last < 1e-100);
}

/* The level of the test itself, n = 8 and 50: its p-values are uniform, and it sees what is not. */
Test(stats, uniformity_level)
{
    enum { TESTS = 4000 };
    gsl_rng *rng = rng_of(6);
    for (size_t n = 8; n <= 50; n += 42) {
        unsigned rejected = 0, seen = 0;
        double p[50], d, p_value;
        for (size_t t = 0; t < TESTS; t++) {
            for (size_t i = 0; i < n; i++)
                p[i] = gsl_rng_uniform(rng);
            stats_uniformity(p, n, &d, &p_value);
            rejected += p_value < 0.05;
            for (size_t i = 0; i < n; i++)
                p[i] = pow(p[i], 4);
            stats_uniformity(p, n, &d, &p_value);
            seen += p_value < 0.05;
        }
        /* Stephens' correction is good to a few thousandths; without it n = 8 would reject 2.5%. */
        cr_assert(fabs(rejected / (double)TESTS - 0.05) < 0.005 + 5 * sqrt(0.05 * 0.95 / TESTS), "n = %zu: %u", n,
                  rejected);
        cr_assert(seen > TESTS * 0.7, "n = %zu: %u", n, seen);
    }
    gsl_rng_free(rng);
}

static void two_pass(size_t count, const double *x, struct moments *out)
{
    long double sum = 0, m[5] = {0};
    for (size_t i = 0; i < count; i++)
        sum += x[i];
    const long double mean = sum / (long double)count;
    for (size_t i = 0; i < count; i++) {
        long double power = 1;
        for (int k = 0; k <= 4; k++, power *= x[i] - mean)
            m[k] += power;
    }
    *out = (struct moments){count, (double)mean, (double)m[2], (double)m[3], (double)m[4]};
}

static void same_moments(const struct moments *a, const struct moments *b, double tolerance, const char *what)
{
    cr_assert(a->count == b->count, "%s", what);
    cr_assert_float_eq(a->mean / b->mean, 1, tolerance, "%s: mean", what);
    cr_assert_float_eq(a->m2 / b->m2, 1, tolerance, "%s: m2", what);
    cr_assert_float_eq(a->m3 / b->m3, 1, tolerance, "%s: m3", what);
    cr_assert_float_eq(a->m4 / b->m4, 1, tolerance, "%s: m4", what);
}

/* One by one, in pieces of every kind of size, in another order, far from zero. */
Test(stats, moments)
{
    enum { COUNT = 997 };
    gsl_rng *rng = rng_of(7);
    for (int far = 0; far < 2; far++) {
        double x[COUNT];
        struct moments exact, one = {0}, merged = {0}, backwards = {0}, piece[20] = {0};
        for (size_t i = 0; i < COUNT; i++)
            x[i] = gsl_ran_exponential(rng, 3) + (far ? 1e6 : 0.1);
        two_pass(COUNT, x, &exact);
        for (size_t i = 0; i < COUNT; i++) {
            moments_add(&one, x[i]);
            moments_add(&piece[i * i % 37 % 20], x[i]);
        }
        const double tolerance = far ? 1e-8 : 1e-12;
        same_moments(&one, &exact, tolerance, "one by one");
        for (size_t i = 0; i < 20; i++) {
            moments_merge(&merged, &piece[i]);
            moments_merge(&backwards, &piece[19 - i]);
        }
        same_moments(&merged, &exact, tolerance, "merged");
        same_moments(&backwards, &exact, tolerance, "merged backwards");
        const struct moments nothing = {0}, before = merged;
        moments_merge(&merged, &nothing);
        cr_assert(memcmp(&merged, &before, sizeof merged) == 0);
    }
    struct moments small = {0};
    moments_add(&small, 5);
    cr_assert(small.count == 1 && small.mean == 5 && small.m2 == 0 && small.m3 == 0 && small.m4 == 0);
    moments_add(&small, 1);
    cr_assert(small.count == 2 && small.mean == 3 && small.m2 == 8 && small.m3 == 0 && small.m4 == 32);
    gsl_rng_free(rng);
}
