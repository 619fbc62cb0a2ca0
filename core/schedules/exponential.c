/* Exponential decay r factor^(t/every). */
#include "schedules/rate.h"

enum { RATE, FACTOR, EVERY };

static void shape(const struct param_values *values, uint64_t first, size_t count, uint64_t horizon, double *shape)
{
    (void)horizon;
    for (size_t i = 0; i < count; i++)
        shape[i] = pow(values->scalar[FACTOR], (double)(first + i) / values->scalar[EVERY]);
}

static const struct param params[] = {
    [RATE] = RATE_PARAM("rate", "r, the learning rate at t = 0"),
    [FACTOR] = {.name = "factor",
                .unit = "",
                .kind = PARAM_REAL,
                .fallback = 0.1,
                .min = 0,
                .max = 1,
                .min_open = true,
                .help = "what the rate is multiplied by in `every` steps"},
    [EVERY] = {.name = "every",
               .unit = "steps",
               .kind = PARAM_COUNT,
               .required = true,
               .min = 1,
               .max = INFINITY,
               .max_open = true,
               .help = "steps that make one factor"},
};

const struct schedule_type schedule_exponential = {
    .method = {.name = "exponential",
               .summary = "eta_t = r factor^(t/every)",
               .revision = 1,
               .params = params,
               .param_count = PARAM_COUNT_OF(params)},
    .shape = shape,
    .floor_param = -1,
};
