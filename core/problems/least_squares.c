/* Least squares: f_i(x) = (a_i.x - b_i)^2 / 2, so f(x) = |Ax - b|^2 / (2n) plus penalties; L = lambda_max(A'A/n) + l2.
 */
#include "kernels/simd.h"
#include "problem.h"
#include "scalar_loss.h"

ALWAYS_INLINE vd loss_slope(vd z, vd y)
{
    return v_sub(z, y);
}

ALWAYS_INLINE vd loss_value(vd z, vd y)
{
    vd r = v_sub(z, y);
    return v_mul(v_set1(0.5), v_mul(r, r));
}

#include "kernels/linear_loss.h"

const struct problem_type PER_ISA(problem_least_squares) = {
    .method = {.name = "least_squares",
               .summary = "(a.x - b)^2/2, mean over samples (note the 1/2: the gradient is (a.x - b) a)",
               .revision = 2},
    .task = TASK_REGRESSION,
    .scalar = &scalar_loss_squares,
    .vector = &vector_loss,
    .quadratic = true,
};

/* Lasso: the same with l1 |x|_1; l1_form chooses the proximal (ISTA-like) or the subgradient step. */
const struct problem_type PER_ISA(problem_lasso) = {
    .method = {.name = "lasso",
               .summary = "(a.x - b)^2/2, mean over samples, plus l1 |x|_1 with l1 > 0",
               .revision = 2},
    .task = TASK_REGRESSION,
    .scalar = &scalar_loss_squares,
    .vector = &vector_loss,
    .quadratic = true,
    .needs_l1 = true,
};
