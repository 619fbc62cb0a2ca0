/* Averagers: the weights against the definitions of the averages. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <math.h>

#include "averager.h"

static const struct averager_type *find(const char *name)
{
    const struct method *method = registry_find(METHOD_AVERAGER, name, NULL);
    cr_assert(method != NULL);
    return (const struct averager_type *)method;
}

static double weight(const char *name, double param, uint64_t t, uint64_t horizon)
{
    struct param_values values = {.scalar = {param}};
    return find(name)->weight(&values, t, horizon);
}

static struct criterion_test_params every_averager(void)
{
    static size_t index[64];
    size_t count = registry_count(METHOD_AVERAGER);
    for (size_t i = 0; i < count && i < 64; i++)
        index[i] = i;
    return cr_make_param_array(size_t, index, count);
}

ParameterizedTestParameters(averagers, contract)
{
    return every_averager();
}

/* Weights are finite, not negative, do not fall, and the last one counts. */
ParameterizedTest(size_t *which, averagers, contract)
{
    const struct averager_type *type = (const struct averager_type *)registry_at(METHOD_AVERAGER, *which);
    cr_expect(eq(int, type->last, type->weight == NULL));
    if (type->last)
        return;
    struct param_values values;
    param_defaults(type->method.params, type->method.param_count, &values);
    enum { T = 1000 };
    double before = 0;
    for (uint64_t t = 0; t <= T; t++) {
        double w = type->weight(&values, t, T);
        cr_assert(isfinite(w) && w >= before, "%s t = %lu", type->method.name, t);
        before = w;
    }
    cr_expect(gt(dbl, before, 0));
}

Test(averagers, uniform)
{
    for (uint64_t t = 0; t < 10; t++)
        cr_expect(ieee_ulp_eq(dbl, weight("uniform", 0, t, 9), 1, 0));
}

/* The first step of the tail is (1 - fraction) T where that is whole, else the next one. */
Test(averagers, tail)
{
    static const struct {
        double fraction;
        uint64_t horizon, start;
    } expected[] = {{0.5, 10, 5},           {0.5, 11, 6},    {0.7, 10, 3},
                    {0.1, 10, 9},           {1, 10, 0},      {0.001, 10, 10},
                    {0.9, 1000000, 100000}, {1.0 / 3, 9, 6}, {0.3, 100, 70},
                    {0.6, 1000, 400},       {1, 0, 0},       {0.99, 1000000000, 10000000}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        uint64_t horizon = expected[i].horizon, start = expected[i].start;
        cr_expect(ieee_ulp_eq(dbl, weight("tail", expected[i].fraction, start, horizon), 1, 0), "case %zu", i);
        cr_expect(ieee_ulp_eq(dbl, weight("tail", expected[i].fraction, horizon, horizon), 1, 0));
        if (start)
            cr_expect(ieee_ulp_eq(dbl, weight("tail", expected[i].fraction, start - 1, horizon), 0, 0), "case %zu", i);
    }
}

/* The recursion of Shamir and Zhang, run on a sequence, against the weighted mean. */
Test(averagers, polynomial_recursion)
{
    static const double exponents[] = {0, 0.5, 1, 2.5, 3, 7, 19.75, 20};
    enum { T = 3000 };
    for (size_t e = 0; e < sizeof exponents / sizeof *exponents; e++) {
        double gamma = exponents[e], recursive = 0, weighted = 0, weights = 0;
        for (uint64_t t = 0; t <= T; t++) {
            double x = cos(0.01 * (double)t * (double)t) + 2, r = (gamma + 1) / ((double)t + gamma + 1);
            double w = weight("polynomial", gamma, t, T);
            recursive = (1 - r) * recursive + r * x;
            weighted += w * x;
            weights += w;
            cr_assert(epsilon_eq(dbl, weighted / weights, recursive, 1e-12), "gamma %g t %lu", gamma, t);
            cr_assert(epsilon_eq(dbl, w / weights / r, 1, 1e-11), "gamma %g t %lu", gamma, t);
        }
    }
}

Test(averagers, polynomial_known_weights)
{
    static const double binomial[] = {1, 4, 10, 20, 35, 56}; /* t + 3 over 3 */
    for (uint64_t t = 0; t < 6; t++)
        cr_expect(ieee_ulp_eq(dbl, weight("polynomial", 3, t, 5), binomial[t], 2));
    /* gamma = 1/2: the central binomials, Gamma(t + 3/2)/(Gamma(3/2) t!) = (2t + 1) (2t over t) / 4^t. */
    static const double half[] = {1, 1.5, 1.875, 2.1875};
    for (uint64_t t = 0; t < 4; t++)
        cr_expect(epsilon_eq(dbl, weight("polynomial", 0.5, t, 3), half[t], 1e-14));
}

/* Far out: the ratio of neighbours is (t + gamma)/t, and t^gamma/Gamma(gamma + 1) (1 + gamma (gamma + 1)/(2t)) up to
 * O(gamma^4/t^2). */
Test(averagers, polynomial_does_not_overflow)
{
    static const double exponents[] = {0.5, 3, 12.25, 20};
    for (size_t e = 0; e < sizeof exponents / sizeof *exponents; e++) {
        double gamma = exponents[e], t = 1e9, w = weight("polynomial", gamma, 1000000000, 1000000000);
        double leading = exp(gamma * log(t) - lgamma(gamma + 1)) * (1 + gamma * (gamma + 1) / (2 * t));
        cr_expect(isfinite(w * t));
        cr_expect(epsilon_eq(dbl, w / leading, 1, 1e-12));
        cr_expect(epsilon_eq(dbl, w / weight("polynomial", gamma, 999999999, 1000000000), (t + gamma) / t, 1e-13));
    }
}

Test(averagers, bounds)
{
    const struct averager_type *tail = find("tail"), *polynomial = find("polynomial");
    cr_expect(param_check(&tail->method.params[0], 0, NULL) == STATUS_USAGE);
    cr_expect(param_check(&tail->method.params[0], 1, NULL) == STATUS_OK);
    cr_expect(param_check(&tail->method.params[0], 1.5, NULL) == STATUS_USAGE);
    cr_expect(param_check(&polynomial->method.params[0], -1, NULL) == STATUS_USAGE);
    cr_expect(param_check(&polynomial->method.params[0], 21, NULL) == STATUS_USAGE);
    cr_expect(param_check(&polynomial->method.params[0], 0, NULL) == STATUS_OK);
}
