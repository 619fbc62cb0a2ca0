/* A sharp and a flat well, joined smoothly: f_i = -T ln(e^(-A/T) + e^(-B/T)) + nu_i x, A = 4 (x+1)^2,
 * B = (x-0.6)^2/2 + 0.15, nu_i the targets. The flat one is the shallower. */
#include "kernels/simd.h"
#include "kernels/vmath.h"

enum { SMOOTHNESS };
enum { LANDSCAPE_DIM = 1 };

/* A and B, their slopes, and the weight of the sharp well, e^(-A/T)/(e^(-A/T) + e^(-B/T)). */
struct wells {
    vd sharp, flat, sharp_slope, flat_slope, weight;
};

ALWAYS_INLINE struct wells wells_at(const double *p, vd x)
{
    const vd one = v_set1(1.0);
    struct wells w;
    vd left = v_add(x, one), right = v_sub(x, v_set1(0.6));
    w.sharp = v_mul(v_set1(4.0), v_mul(left, left));
    w.flat = v_fma(v_mul(v_set1(0.5), right), right, v_set1(0.15));
    w.sharp_slope = v_mul(v_set1(8.0), left);
    w.flat_slope = right;
    w.weight = v_div(one, v_add(one, v_exp(v_div(v_sub(w.sharp, w.flat), v_set1(p[SMOOTHNESS])))));
    return w;
}

/* min(A, B) - T ln(1 + e^(-|A-B|/T)) */
ALWAYS_INLINE vd sample_value(const double *p, const vd *x, vd y)
{
    const struct wells w = wells_at(p, x[0]);
    vd t = v_set1(p[SMOOTHNESS]), apart = v_abs(v_sub(w.sharp, w.flat));
    vd joint = v_log1p_unit(v_exp(v_div(v_sub(v_set1(0.0), apart), t)));
    return v_fma(y, x[0], v_fnma(t, joint, v_min(w.sharp, w.flat)));
}

ALWAYS_INLINE void sample_gradient(const double *p, const vd *x, vd y, vd *gradient)
{
    const struct wells w = wells_at(p, x[0]);
    gradient[0] = v_add(y, v_fma(w.weight, v_sub(w.sharp_slope, w.flat_slope), w.flat_slope));
}

/* w A'' + (1-w) B'' - w (1-w) (A' - B')^2/T */
ALWAYS_INLINE void sample_product(const double *p, const vd *x, vd y, const vd *v, vd *product)
{
    (void)y;
    const struct wells w = wells_at(p, x[0]);
    const vd one = v_set1(1.0);
    vd apart = v_sub(w.sharp_slope, w.flat_slope), mixed = v_mul(w.weight, v_sub(one, w.weight));
    vd bend = v_div(v_mul(mixed, v_mul(apart, apart)), v_set1(p[SMOOTHNESS]));
    product[0] = v_mul(v_sub(v_fma(v_set1(7.0), w.weight, one), bend), v[0]);
}

/* The flat well: x > -0.58, the top of the barrier for T = 0.1. */
ALWAYS_INLINE vd region(const double *p, const vd *x)
{
    (void)p;
    return v_select(v_lt(v_set1(-0.58), x[0]), v_set1(1.0), v_set1(0.0));
}

#include "kernels/landscape.h"

static const struct param params[] = {
    [SMOOTHNESS] = {"T", "", PARAM_REAL, .fallback = 0.1, .min = 0, .max = 1e6, .min_open = true,
                    .help = "smoothness of the joint: the smaller, the nearer f is to the minimum of the two"},
};

const struct problem_type PER_ISA(problem_two_wells) = {
    .method = {.name = "two_wells",
               .summary =
                   "-T ln(e^(-4(x+1)^2/T) + e^(-((x-0.6)^2/2+0.15)/T)) + nu_i x, nu_i the targets: a sharp and a "
                   "shallower flat well; region x > -0.58",
               .revision = 1,
               .params = params,
               .param_count = sizeof params / sizeof *params},
    .task = TASK_REGRESSION,
    .model = &landscape,
};
