/* Linear functions: f_i(x) = y_i a_i.x, so that l2 and the ball alone make a problem of them. Two that the theory of
 * SGD leans on: mean estimation in d dimensions (a_i = c_i, y_i = -1, l2 = 1: f_i = |x - c_i|^2/2 but for a constant,
 * and its gradient is x - c_i exactly), and the two-point problem of the lower bounds (a_i = 1, y_i = s_i = -1 or +1,
 * radius 1; Agarwal, Bartlett, Ravikumar and Wainwright, IEEE Trans. Inf. Theory 58, 2012). */
#include "kernels/simd.h"
#include "problem.h"
#include "scalar_loss.h"

ALWAYS_INLINE vd loss_slope(vd z, vd y)
{
    (void)z;
    return y;
}

ALWAYS_INLINE vd loss_value(vd z, vd y)
{
    return v_mul(y, z);
}

#include "kernels/linear_loss.h"

const struct problem_type PER_ISA(problem_linear) = {
    .method = {.name = "linear",
               .summary =
                   "y a.x, mean over samples; a_i = c_i, y = -1 and l2 = 1 make |x - c_i|^2/2 but for a constant",
               .revision = 1},
    .task = TASK_REGRESSION,
    .scalar = &scalar_loss_linear,
    .vector = &vector_loss,
};
