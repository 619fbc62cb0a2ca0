/* Logistic regression: f_i(x) = log(1 + exp(-y_i a_i.x)), y_i = -1 or +1; L <= lambda_max(A'A/n)/4 + l2, mu = l2. */
#include "kernels/simd.h"
#include "kernels/vmath.h"
#include "problem.h"
#include "scalar_loss.h"

/* -y / (1 + e^{y z}) */
ALWAYS_INLINE vd loss_slope(vd z, vd y)
{
    vd e = v_exp(v_mul(y, z));
    return v_div(v_sub(v_set1(0.0), y), v_add(v_set1(1.0), e));
}

/* max(0, -y z) + log(1 + e^{-|z|}): no overflow, and accurate where the loss is tiny */
ALWAYS_INLINE vd loss_value(vd z, vd y)
{
    vd margin = v_mul(y, z);
    vd e = v_exp(v_sub(v_set1(0.0), v_abs(z)));
    return v_add(v_max(v_sub(v_set1(0.0), margin), v_set1(0.0)), v_log1p_unit(e));
}

#include "kernels/linear_loss.h"

const struct problem_type PER_ISA(problem_logistic_regression) = {
    .method = {.name = "logistic_regression",
               .summary = "log(1 + exp(-y a.x)), mean over samples, y = -1 or +1",
               .revision = 2},
    .task = TASK_BINARY,
    .scalar = &scalar_loss_logistic,
    .vector = &vector_loss,
};
