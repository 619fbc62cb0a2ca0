/* Linear decay to zero over the budget, r (1 - t/T). */
#include "schedules/rate.h"

static void shape(const struct param_values *values, uint64_t first, size_t count, uint64_t horizon, double *shape)
{
    (void)values;
    for (size_t i = 0; i < count; i++)
        shape[i] = 1 - (double)(first + i) / (double)horizon;
}

static const struct param params[] = {
    RATE_PARAM("rate", "r, the learning rate at t = 0"),
};

const struct schedule_type schedule_linear = {
    .method = {.name = "linear",
               .summary = "eta_t = r (1 - t/T), T the budget in steps",
               .revision = 1,
               .params = params,
               .param_count = PARAM_COUNT_OF(params)},
    .shape = shape,
    .floor_param = -1,
};
