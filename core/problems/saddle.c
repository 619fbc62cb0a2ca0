/* A saddle point: f_i = x^2/2 - lambda y^2/2 + nu_i y, nu_i the targets. Gradient descent that starts on the ridge y =
 * 0 stays there; noise gets away from it. */
#include "kernels/simd.h"

enum { LAMBDA, RADIUS };
enum { LANDSCAPE_DIM = 2 };

ALWAYS_INLINE vd sample_value(const double *p, const vd *x, vd y)
{
    vd convex = v_mul(x[0], x[0]), concave = v_mul(v_set1(p[LAMBDA]), v_mul(x[1], x[1]));
    return v_fma(y, x[1], v_mul(v_set1(0.5), v_sub(convex, concave)));
}

ALWAYS_INLINE void sample_gradient(const double *p, const vd *x, vd y, vd *gradient)
{
    gradient[0] = x[0];
    gradient[1] = v_sub(y, v_mul(v_set1(p[LAMBDA]), x[1]));
}

ALWAYS_INLINE void sample_product(const double *p, const vd *x, vd y, const vd *v, vd *product)
{
    (void)x;
    (void)y;
    product[0] = v[0];
    product[1] = v_mul(v_set1(-p[LAMBDA]), v[1]);
}

/* |y| < r */
ALWAYS_INLINE vd region(const double *p, const vd *x)
{
    return v_select(v_lt(v_abs(x[1]), v_set1(p[RADIUS])), v_set1(1.0), v_set1(0.0));
}

#include "kernels/landscape.h"

static const struct param params[] = {
    [LAMBDA] = {"lambda", "", PARAM_REAL, .fallback = 1, .min = 0, .max = 1e6, .min_open = true,
                .help = "curvature of the ridge, downwards"},
    [RADIUS] = {"escaped_at", "", PARAM_REAL, .fallback = 1, .min = 0, .max = 1e6, .min_open = true,
                .help = "the region of in_region and exit_time is |y| below this"},
};

const struct problem_type PER_ISA(problem_saddle) = {
    .method = {.name = "saddle",
               .summary = "x^2/2 - lambda y^2/2 + nu_i y in two coordinates, nu_i the targets: a ridge to get away "
                          "from; region |y| < escaped_at",
               .revision = 1,
               .params = params,
               .param_count = sizeof params / sizeof *params},
    .task = TASK_REGRESSION,
    .model = &landscape,
};
