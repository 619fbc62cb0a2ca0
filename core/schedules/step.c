/* Step decay: the rate is multiplied by `factor` every `every` steps, or at each of the listed steps. */
#include "schedules/rate.h"

enum { RATE, FACTOR, EVERY, BREAKS };

/* Drops that have happened at step t. */
static uint64_t drops_at(const struct param_values *values, uint64_t t)
{
    if (values->list_count) {
        size_t drops = 0;
        while (drops < values->list_count && (double)t >= values->list[drops])
            drops++;
        return drops;
    }
    uint64_t every = (uint64_t)values->scalar[EVERY];
    return every ? t / every : 0;
}

static void shape(const struct param_values *values, uint64_t first, size_t count, uint64_t horizon, double *shape)
{
    (void)horizon;
    /* A power is taken only where it changes; it is a function of t alone all the same. */
    uint64_t drops = 0;
    double power = 1;
    for (size_t i = 0; i < count; i++) {
        uint64_t now = drops_at(values, first + i);
        if (now != drops)
            power = pow(values->scalar[FACTOR], (double)now);
        drops = now;
        shape[i] = power;
    }
}

static const char *missing(const struct param_values *values)
{
    return values->list_count || values->scalar[EVERY] > 0 ? NULL
                                                           : "needs every (steps) or breaks (a list of steps): without "
                                                             "either the rate never drops, which is type: constant";
}

static const struct param params[] = {
    [RATE] = RATE_PARAM("rate", "r, the learning rate before the first drop"),
    [FACTOR] = {.name = "factor",
                .unit = "",
                .kind = PARAM_REAL,
                .fallback = 0.1,
                .min = 0,
                .max = 1,
                .min_open = true,
                .help = "what the rate is multiplied by at each drop"},
    [EVERY] = {.name = "every",
               .unit = "steps",
               .kind = PARAM_COUNT,
               .fallback = 0,
               .min = 0,
               .max = INFINITY,
               .max_open = true,
               .help = "steps from one drop to the next; 0: the drops are listed in breaks"},
    [BREAKS] = {.name = "breaks",
                .unit = "steps",
                .kind = PARAM_LIST,
                .min = 1,
                .max = INFINITY,
                .max_open = true,
                .help = "the first step after each drop, increasing; takes the place of every"},
};

const struct schedule_type schedule_step = {
    .method = {.name = "step",
               .summary = "eta_t = r factor^floor(t/every), or r factor^(number of breaks <= t)",
               .revision = 1,
               .params = params,
               .param_count = PARAM_COUNT_OF(params)},
    .shape = shape,
    .floor_param = -1,
    .missing = missing,
};
