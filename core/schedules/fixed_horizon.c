/* The constant rate c / sqrt(T) that a budget of T steps calls for on convex problems (Nemirovski, Juditsky, Lan,
 * Shapiro, SIAM J. Optim. 19, 2009, section 2.3). */
#include "schedules/rate.h"

static void shape(const struct param_values *values, uint64_t first, size_t count, uint64_t horizon, double *shape)
{
    (void)values, (void)first;
    double factor = 1 / sqrt((double)horizon);
    for (size_t i = 0; i < count; i++)
        shape[i] = factor;
}

static const struct param params[] = {
    RATE_PARAM("c", "the learning rate times the root of the budget in steps"),
};

const struct schedule_type schedule_fixed_horizon = {
    .method = {.name = "fixed_horizon",
               .summary = "eta = c/sqrt(T) at every step, T the budget in steps",
               .revision = 1,
               .params = params,
               .param_count = PARAM_COUNT_OF(params)},
    .shape = shape,
    .floor_param = -1,
};
