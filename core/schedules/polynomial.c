/* Polynomial decay to zero over the budget, r (1 - t/T)^power. */
#include "schedules/rate.h"

enum { RATE, POWER };

static void shape(const struct param_values *values, uint64_t first, size_t count, uint64_t horizon, double *shape)
{
    for (size_t i = 0; i < count; i++)
        shape[i] = pow(1 - (double)(first + i) / (double)horizon, values->scalar[POWER]);
}

static const struct param params[] = {
    [RATE] = RATE_PARAM("rate", "r, the learning rate at t = 0"),
    [POWER] = {.name = "power",
               .unit = "",
               .kind = PARAM_REAL,
               .fallback = 2,
               .min = 0,
               .max = INFINITY,
               .min_open = true,
               .max_open = true,
               .help = "exponent of the decay; 1 is linear"},
};

const struct schedule_type schedule_polynomial = {
    .method = {.name = "polynomial",
               .summary = "eta_t = r (1 - t/T)^power, T the budget in steps",
               .revision = 1,
               .params = params,
               .param_count = PARAM_COUNT_OF(params)},
    .shape = shape,
    .floor_param = -1,
};
