/* Sampling by epochs where it can be solved: f_i = (x - c_i)^2/2, c centred, m = 1, h = eta. One epoch in the order pi
 * maps the error to rho e + sum_j w_j c_pi(j), rho = (1-h)^n, w_j = h (1-h)^(n-1-j). Over random orders the sum has
 * mean 0 and variance q = s^2 n/(n-1) [sum w^2 - (sum w)^2/n], s^2 = mean c^2; with replacement its variance over an
 * epoch is s^2 sum w^2. Check values at n = 50, c_j = (2j+1)/n - 1, h = 0.01: with replacement 1.674e-3,
 * reshuffle 3.505e-5, shuffle once 1.424e-4, in order 6.950e-3. */
#include <math.h>

#include "laws/oracle.h"

struct epoch {
    double rho, one_minus_rho;
    double order_variance; /* q */
    double ordered;        /* sum w_j c_j in the given order */
    double mean2;          /* s^2 */
};

static struct epoch epoch_of(const double *c, size_t n, double h)
{
    const double count = (double)n;
    struct epoch e = {.rho = pow(1.0 - h, count)};
    /* without cancellation at small h */
    e.one_minus_rho = h < 1.0 ? -expm1(count * log1p(-h)) : 1.0 - e.rho;
    double centre = 0.0, spread = 0.0;
    for (size_t j = 0; j < n; j++)
        centre += c[j] / count;
    const double mean_weight = e.one_minus_rho / count; /* the weights sum to 1 - rho */
    double weight = h;
    for (size_t j = n; j-- > 0; weight *= 1.0 - h) {
        const double deviation = c[j] - centre;
        e.ordered += weight * deviation;
        e.mean2 += deviation * deviation / count;
        spread += (weight - mean_weight) * (weight - mean_weight);
    }
    e.order_variance = n > 1 ? e.mean2 * count / (count - 1.0) * spread : 0.0;
    return e;
}

void oracle_epoch_floor(const double *c, size_t n, double h, struct epoch_floor *out)
{
    const struct epoch e = epoch_of(c, n, h);
    const double fixed = e.ordered / e.one_minus_rho;
    *out = (struct epoch_floor){
        .with_replacement = e.mean2 * h / (2.0 - h),
        .reshuffle = e.order_variance / (e.one_minus_rho * (1.0 + e.rho)),
        .shuffle_once = e.order_variance / (e.one_minus_rho * e.one_minus_rho),
        .cyclic = fixed * fixed,
        .rho = e.rho,
    };
}

void oracle_epoch_curve(const double *c, size_t n, const double *h, size_t epochs, double e0, double *with_replacement,
                        double *reshuffle)
{
    double independent = e0 * e0, ordered = independent;
    for (size_t k = 0; k < epochs; k++) {
        const struct epoch e = epoch_of(c, n, h[k]);
        /* s^2 sum w^2 = s^2 h (1 - rho^2)/(2 - h) */
        independent = e.rho * e.rho * independent + e.mean2 * h[k] / (2.0 - h[k]) * e.one_minus_rho * (1.0 + e.rho);
        ordered = e.rho * e.rho * ordered + e.order_variance;
        if (with_replacement)
            with_replacement[k] = independent;
        if (reshuffle)
            reshuffle[k] = ordered;
    }
}
