/* A constant learning rate. */
#include "schedules/rate.h"

static void shape(const struct param_values *values, uint64_t first, size_t count, uint64_t horizon, double *shape)
{
    (void)values, (void)first, (void)horizon;
    for (size_t i = 0; i < count; i++)
        shape[i] = 1;
}

static const struct param params[] = {
    RATE_PARAM("rate", "learning rate r"),
};

const struct schedule_type schedule_constant = {
    .method = {.name = "constant",
               .summary = "eta = r at every step",
               .revision = 1,
               .params = params,
               .param_count = PARAM_COUNT_OF(params)},
    .shape = shape,
    .floor_param = -1,
    .constant = true,
};
