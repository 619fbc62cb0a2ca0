/* Inverse square root decay r / sqrt(1 + t/t0), which is r / sqrt(t + 1) for t0 = 1: the any-time schedule of convex
 * problems (Zinkevich, ICML 2003). */
#include "schedules/rate.h"

enum { RATE, T0 };

static void shape(const struct param_values *values, uint64_t first, size_t count, uint64_t horizon, double *shape)
{
    (void)horizon;
    double t0 = values->scalar[T0];
    for (size_t i = 0; i < count; i++)
        shape[i] = 1 / sqrt(((double)(first + i) + t0) / t0);
}

static const struct param params[] = {
    [RATE] = RATE_PARAM("rate", "r, the learning rate at t = 0"),
    [T0] = {.name = "t0",
            .unit = "steps",
            .kind = PARAM_COUNT,
            .fallback = 1,
            .min = 1,
            .max = INFINITY,
            .max_open = true,
            .help = "steps after which the rate is r/sqrt 2"},
};

const struct schedule_type schedule_inverse_sqrt = {
    .method = {.name = "inverse_sqrt",
               .summary = "eta_t = r/sqrt(1 + t/t0), t0 = 1: r/sqrt(t + 1)",
               .revision = 1,
               .params = params,
               .param_count = PARAM_COUNT_OF(params)},
    .shape = shape,
    .floor_param = -1,
};
