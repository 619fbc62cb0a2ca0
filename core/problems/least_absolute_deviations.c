/* Least absolute deviations: f_i(x) = |a_i.x - b_i|. */
#include "kernels/simd.h"
#include "problem.h"
#include "scalar_loss.h"

/* sign(z - y), 0 at the kink */
ALWAYS_INLINE vd loss_slope(vd z, vd y)
{
    vd above = v_select(v_lt(y, z), v_set1(1.0), v_set1(0.0));
    return v_select(v_lt(z, y), v_set1(-1.0), above);
}

ALWAYS_INLINE vd loss_value(vd z, vd y)
{
    return v_abs(v_sub(z, y));
}

#include "kernels/linear_loss.h"

const struct problem_type PER_ISA(problem_least_absolute_deviations) = {
    .method = {.name = "least_absolute_deviations", .summary = "|a.x - b|, mean over samples", .revision = 1},
    .task = TASK_REGRESSION,
    .scalar = &scalar_loss_absolute,
    .vector = &vector_loss,
};
