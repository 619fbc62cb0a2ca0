/* Inverse time decay r t0 / (t + t0), the schedule of Robbins and Monro (1951); with c = r t0 it is c / (t + t0), the
 * O(1/T) schedule of strongly convex problems (Bottou, Curtis, Nocedal, SIAM Review 60, 2018, theorem 4.7). */
#include "schedules/rate.h"

enum { RATE, T0 };

static void shape(const struct param_values *values, uint64_t first, size_t count, uint64_t horizon, double *shape)
{
    (void)horizon;
    double t0 = values->scalar[T0];
    for (size_t i = 0; i < count; i++)
        shape[i] = t0 / ((double)(first + i) + t0);
}

static const struct param params[] = {
    [RATE] = RATE_PARAM("rate", "r, the learning rate at t = 0; given as c instead, the rate is c / t0"),
    [T0] = {.name = "t0",
            .unit = "steps",
            .kind = PARAM_COUNT,
            .required = true,
            .min = 1,
            .max = INFINITY,
            .max_open = true,
            .help = "steps after which the rate is half of r"},
};

const struct schedule_type schedule_inverse_time = {
    .method = {.name = "inverse_time",
               .summary = "eta_t = r t0/(t + t0) (= c/(t + t0), c = r t0)",
               .revision = 1,
               .params = params,
               .param_count = PARAM_COUNT_OF(params)},
    .shape = shape,
    .floor_param = -1,
};
