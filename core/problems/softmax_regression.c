/* Softmax (multinomial logistic) regression: z = a W + b, f_i = log(sum_c exp z_c) - z_y, y = 0, 1, ..; convex. Biases
 * are not penalised; adding one vector to the weights of all classes changes nothing, so without l2 there is no unique
 * optimum. */
#include "kernels/network.h"

const struct problem_type PER_ISA(problem_softmax_regression) = {
    .method = {.name = "softmax_regression",
               .summary = "log(sum_c exp z_c) - z_y with z = a W + b, mean over samples, y = 0, 1, .. (convex)",
               .revision = 1},
    .task = TASK_MULTICLASS,
    .model = &PER_ISA(softmax_model),
    .own_bias = true,
};
