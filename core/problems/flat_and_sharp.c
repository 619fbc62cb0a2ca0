/* A sharp minimum at 0, where the samples' curvatures differ, and one at 3 that all share: f_i = min(a_i x^2,
 * flat (x-3)^2)/2, a_i the targets. With flat = mean a_i both have the same curvature of f; only noise tells them
 * apart. */
#include "kernels/simd.h"

enum { FLAT, RADIUS };
enum { LANDSCAPE_DIM = 1 };
static const double FLAT_AT = 3;

/* Both parabolas, and the curvature of the lower one. */
ALWAYS_INLINE vd curvature(const double *p, vd x, vd a, vd *centre)
{
    vd flat = v_set1(p[FLAT]), away = v_sub(x, v_set1(FLAT_AT));
    vm sharp = v_lt(v_mul(a, v_mul(x, x)), v_mul(flat, v_mul(away, away)));
    *centre = v_select(sharp, v_set1(0.0), v_set1(FLAT_AT));
    return v_select(sharp, a, flat);
}

ALWAYS_INLINE vd sample_value(const double *p, const vd *x, vd y)
{
    vd centre, c = curvature(p, x[0], y, &centre), away = v_sub(x[0], centre);
    return v_mul(v_mul(v_set1(0.5), c), v_mul(away, away));
}

ALWAYS_INLINE void sample_gradient(const double *p, const vd *x, vd y, vd *gradient)
{
    vd centre, c = curvature(p, x[0], y, &centre);
    gradient[0] = v_mul(c, v_sub(x[0], centre));
}

ALWAYS_INLINE void sample_product(const double *p, const vd *x, vd y, const vd *v, vd *product)
{
    vd centre;
    product[0] = v_mul(curvature(p, x[0], y, &centre), v[0]);
}

/* |x| < radius: near the sharp minimum. */
ALWAYS_INLINE vd region(const double *p, const vd *x)
{
    return v_select(v_lt(v_abs(x[0]), v_set1(p[RADIUS])), v_set1(1.0), v_set1(0.0));
}

#include "kernels/landscape.h"

static const struct param params[] = {
    [FLAT] = {"flat", "", PARAM_REAL, .fallback = 1, .min = 0, .max = 1e6, .min_open = true,
              .help = "curvature of the minimum at 3, the same for every sample"},
    [RADIUS] = {"near", "", PARAM_REAL, .fallback = 0.1, .min = 0, .max = 1e6, .min_open = true,
                .help = "the region of in_region and exit_time is |x| below this"},
};

const struct problem_type PER_ISA(problem_flat_and_sharp) = {
    .method = {.name = "flat_and_sharp",
               .summary =
                   "min(a_i x^2, flat (x-3)^2)/2, a_i the targets: a minimum at 0 where samples disagree, one at "
                   "3 where they agree; region |x| < near",
               .revision = 1,
               .params = params,
               .param_count = sizeof params / sizeof *params},
    .task = TASK_REGRESSION,
    .model = &landscape,
};
