/* Inverse square root decay r / sqrt(t + 1): the any-time schedule of convex problems (Zinkevich, ICML 2003). */
#include "schedules/rate.h"

static void shape(const struct param_values *values, uint64_t first, size_t count, uint64_t horizon, double *shape)
{
    (void)values, (void)horizon;
    for (size_t i = 0; i < count; i++)
        shape[i] = 1 / sqrt((double)(first + i + 1));
}

static const struct param params[] = {
    RATE_PARAM("rate", "r, the learning rate at t = 0"),
};

const struct schedule_type schedule_inverse_sqrt = {
    .method = {.name = "inverse_sqrt",
               .summary = "eta_t = r/sqrt(t + 1)",
               .revision = 1,
               .params = params,
               .param_count = PARAM_COUNT_OF(params)},
    .shape = shape,
    .floor_param = -1,
};
