/* Cosine decay over the budget, without restarts (Loshchilov and Hutter, "SGDR", ICLR 2017, equation 5). */
#include "schedules/rate.h"

enum { RATE, FLOOR };

static void shape(const struct param_values *values, uint64_t first, size_t count, uint64_t horizon, double *shape)
{
    (void)values;
    for (size_t i = 0; i < count; i++)
        shape[i] = (1 + cos(M_PI * (double)(first + i) / (double)horizon)) / 2;
}

static const struct param params[] = {
    [RATE] = RATE_PARAM("rate", "r, the learning rate at t = 0"),
    [FLOOR] = {.name = "floor",
               .unit = "",
               .kind = PARAM_REAL,
               .fallback = 0,
               .min = 0,
               .max = INFINITY,
               .max_open = true,
               .help = "the learning rate at t = T"},
};

const struct schedule_type schedule_cosine = {
    .method = {.name = "cosine",
               .summary = "eta_t = floor + (r - floor) (1 + cos(pi t/T))/2, T the budget in steps",
               .revision = 1,
               .params = params,
               .param_count = PARAM_COUNT_OF(params)},
    .shape = shape,
    .floor_param = FLOOR,
};
