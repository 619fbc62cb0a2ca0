/* Polynomial-decay averaging (Shamir and Zhang, ICML 2013, section 4): with gamma = exponent,
 *   xbar_t = (1 - r_t) xbar_{t-1} + r_t x_t,  r_t = (gamma + 1)/(t + gamma + 1).
 * These r_t are w_t / (w_0 + .. + w_t) for w_t = Gamma(t + gamma + 1) / (Gamma(gamma + 1) t!), the binomial coefficient
 * of t + gamma over t, about t^gamma / Gamma(gamma + 1). Check: gamma = 0 is the uniform mean; gamma = 3 gives w_t = 1,
 * 4, 10, 20, .. */
#include <gsl/gsl_sf_gamma.h>
#include <math.h>

#include "averager.h"

/* Gamma(a + f) / Gamma(a), a >= 1, 0 <= f < 1, to about 1e-15: Stirling's formula for both, what is large in it
 * cancelled by hand, its correction from GSL. (lgamma(a + f) - lgamma(a) keeps 6 digits at a = 1e9.) */
static double gamma_ratio(double a, double f)
{
    double stirling = pow(a, f) * exp((a + f - 0.5) * log1p(f / a) - f);
    return stirling * gsl_sf_gammastar(a + f) / gsl_sf_gammastar(a);
}

static double weight(const struct param_values *values, uint64_t step, uint64_t horizon)
{
    (void)horizon;
    double t = (double)step, whole = floor(values->scalar[0]), part = values->scalar[0] - whole;
    /* The fractional part of the exponent, then one factor for each whole unit. They are at most 20: 1e9 steps give
     * 1e162, far from overflow. */
    double result = part > 0 ? gamma_ratio(t + 1, part) / gsl_sf_gamma(part + 1) : 1;
    for (double j = 1; j <= whole; j++)
        result *= (t + part + j) / (part + j);
    return result;
}

static const struct param params[] = {
    {.name = "exponent",
     .unit = "",
     .kind = PARAM_REAL,
     .fallback = 3,
     .min = 0,
     .max = 20,
     .help = "gamma: iterate x_t weighs about t^gamma"},
};

const struct averager_type averager_polynomial = {
    .method = {.name = "polynomial",
               .summary = "mean with weights growing as t^exponent (Shamir and Zhang 2013)",
               .revision = 1,
               .params = params,
               .param_count = 1},
    .weight = weight,
};
