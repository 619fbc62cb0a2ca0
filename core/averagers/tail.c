/* Suffix averaging: the mean of the iterates of the last part of the budget (Rakhlin, Shamir, Sridharan, ICML 2012).
 * Before that part begins no weight has been given out, and the average is the iterate itself. */
#include <math.h>

#include "averager.h"

static double weight(const struct param_values *values, uint64_t step, uint64_t horizon)
{
    /* The margin keeps a whole start whole: (1 - 0.7) * 10 is 3.0000000000000004 in double. */
    double start = ceil((1 - values->scalar[0]) * (double)horizon * (1 - 1e-12));
    return (double)step >= start;
}

static const struct param params[] = {
    {.name = "fraction",
     .unit = "",
     .kind = PARAM_REAL,
     .fallback = 0.5,
     .min = 0,
     .max = 1,
     .min_open = true,
     .help = "the part of the budget that is averaged"},
};

const struct averager_type averager_tail = {
    .method = {.name = "tail",
               .summary = "the mean of the iterates x_s with s >= (1 - fraction) T; x_t before",
               .revision = 1,
               .params = params,
               .param_count = 1},
    .equal_weights = true,
    .weight = weight,
};
