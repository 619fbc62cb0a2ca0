/* Linear support vector machine: f_i(x) = max(0, 1 - y_i a_i.x), y_i = -1 or +1. With l2 this is the usual primal; a
 * formulation |x|^2/2 + (C/n) sum hinge has the same minimiser for C = 1/l2, and liblinear's C is 1/(n l2). */
#include "kernels/simd.h"
#include "problem.h"
#include "scalar_loss.h"

/* -y where y z < 1, else 0 (at the kink: 0) */
ALWAYS_INLINE vd loss_slope(vd z, vd y)
{
    return v_select(v_lt(v_mul(y, z), v_set1(1.0)), v_sub(v_set1(0.0), y), v_set1(0.0));
}

ALWAYS_INLINE vd loss_value(vd z, vd y)
{
    return v_max(v_sub(v_set1(1.0), v_mul(y, z)), v_set1(0.0));
}

#include "kernels/linear_loss.h"

const struct problem_type PER_ISA(problem_linear_svm) = {
    .method =
        {.name = "linear_svm",
         .summary =
             "hinge max(0, 1 - y a.x), mean over samples, y = -1 or +1; the usual C is 1/l2 (liblinear's: 1/(n l2))",
         .revision = 1},
    .task = TASK_BINARY,
    .scalar = &scalar_loss_hinge,
    .vector = &vector_loss,
};
