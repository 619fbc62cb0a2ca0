/* Inverse time decay r t0 / (t + t0), the schedule of Robbins and Monro (1951); with c = r t0 it is c / (t + t0), the
 * O(1/T) schedule of strongly convex problems (Bottou, Curtis, Nocedal, SIAM Review 60, 2018, theorem 4.7). With
 * `every`, time is counted in stretches of that many steps, which share a rate: the form of reshuffling's rates (one
 * rate an epoch). */
#include "schedules/rate.h"

enum { RATE, T0, EVERY };

static void shape(const struct param_values *values, uint64_t first, size_t count, uint64_t horizon, double *shape)
{
    (void)horizon;
    double t0 = values->scalar[T0];
    uint64_t every = values->scalar[EVERY] > 0 ? (uint64_t)values->scalar[EVERY] : 1;
    for (size_t i = 0; i < count; i++)
        shape[i] = t0 / ((double)((first + i) / every) + t0);
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
            .help = "steps (with `every`: stretches of that many) after which the rate is half of r"},
    [EVERY] = {.name = "every",
               .unit = "steps",
               .kind = PARAM_COUNT,
               .fallback = 0,
               .min = 0,
               .max = INFINITY,
               .max_open = true,
               .help = "steps that share a rate: t is replaced by floor(t/every); 0: t itself"},
};

const struct schedule_type schedule_inverse_time = {
    .method = {.name = "inverse_time",
               .summary = "eta_t = r t0/(t + t0) (= c/(t + t0), c = r t0), t in steps or in stretches of `every`",
               .revision = 1,
               .params = params,
               .param_count = PARAM_COUNT_OF(params)},
    .shape = shape,
    .floor_param = -1,
};
