/* Quartics: f_i(x) = (a_i.x)^4/4 + y_i a_i.x: curvature that grows with the distance, where a constant rate diverges
 * from far away and warmup is of use. With a = 1, y is noise added to the gradient x^3. */
#include "kernels/simd.h"
#include "problem.h"
#include "scalar_loss.h"

/* z^3 + y */
ALWAYS_INLINE vd loss_slope(vd z, vd y)
{
    return v_add(v_mul(v_mul(z, z), z), y);
}

ALWAYS_INLINE vd loss_value(vd z, vd y)
{
    vd square = v_mul(z, z);
    return v_add(v_mul(v_set1(0.25), v_mul(square, square)), v_mul(y, z));
}

#include "kernels/linear_loss.h"

const struct problem_type PER_ISA(problem_quartic) = {
    .method = {.name = "quartic",
               .summary = "(a.x)^4/4 + y a.x, mean over samples; with a = 1, y is noise added to the gradient x^3",
               .revision = 1},
    .task = TASK_REGRESSION,
    .scalar = &scalar_loss_quartic,
    .vector = &vector_loss,
};
