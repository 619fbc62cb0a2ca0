/* Two wells of the same depth: f_i = x^4/4 - x^2/2 + nu_i x, nu_i the targets, with minima at -1 and 1 and a barrier of
 * height 1/4 at 0. */
#include "kernels/simd.h"

enum { LANDSCAPE_DIM = 1 };

ALWAYS_INLINE vd sample_value(const double *p, const vd *x, vd y)
{
    (void)p;
    vd square = v_mul(x[0], x[0]);
    return v_fma(y, x[0], v_mul(v_mul(v_set1(0.25), square), v_sub(square, v_set1(2.0))));
}

/* x (x^2 - 1) + y */
ALWAYS_INLINE void sample_gradient(const double *p, const vd *x, vd y, vd *gradient)
{
    (void)p;
    gradient[0] = v_add(y, v_mul(x[0], v_sub(v_mul(x[0], x[0]), v_set1(1.0))));
}

ALWAYS_INLINE void sample_product(const double *p, const vd *x, vd y, const vd *v, vd *product)
{
    (void)p;
    (void)y;
    product[0] = v_mul(v_sub(v_mul(v_set1(3.0), v_mul(x[0], x[0])), v_set1(1.0)), v[0]);
}

/* The well on the left: x < 0. */
ALWAYS_INLINE vd region(const double *p, const vd *x)
{
    (void)p;
    return v_select(v_lt(x[0], v_set1(0.0)), v_set1(1.0), v_set1(0.0));
}

#include "kernels/landscape.h"

const struct problem_type PER_ISA(problem_double_well) = {
    .method = {.name = "double_well",
               .summary =
                   "x^4/4 - x^2/2 + nu_i x, nu_i the targets: minima at -1 and 1, a barrier between; region x < 0",
               .revision = 1},
    .task = TASK_REGRESSION,
    .model = &landscape,
};
