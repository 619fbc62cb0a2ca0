/* The mean of all iterates, the start included (Polyak and Juditsky, SIAM J. Control Optim. 30, 1992; Ruppert, 1988).
 */
#include "averager.h"

static double weight(const struct param_values *values, uint64_t step, uint64_t horizon)
{
    (void)values, (void)step, (void)horizon;
    return 1;
}

const struct averager_type averager_uniform = {
    .method = {.name = "uniform", .summary = "the mean of x_0 .. x_t (Polyak-Ruppert)", .revision = 1},
    .equal_weights = true,
    .weight = weight,
};
