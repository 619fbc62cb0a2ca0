/* Targets for the landscapes, whose samples differ in one number (signs, of synthetic_laws.c, serve as their noise). */
#include "data/synthetic.h"

enum { OU_N, OU_VALUE };

static const struct param outlier_params[] = {
    [OU_N] = {"n", "samples", PARAM_COUNT, .fallback = 10, .min = 1, .max = SYNTHETIC_ROWS_MAX,
              .help = "number of samples"},
    [OU_VALUE] = {"value", "", PARAM_REAL, .fallback = 10, .min = -1e6, .max = 1e6, .help = "the one target"},
};

/* a_i = 1, y_i = 0 but for the last. No draws. */
static enum status generate_outlier(const struct param_values *values, uint64_t seed, struct dataset *dataset,
                                    struct error *error)
{
    const size_t n = (size_t)values->scalar[OU_N];
    enum status status = synthetic_open(dataset, n, 1, false, seed, NULL, error);
    if (status)
        return status;
    for (size_t i = 0; i < n; i++)
        dataset->train.value[i * dataset->train.stride] = 1;
    dataset->y[n - 1] = values->scalar[OU_VALUE];
    dataset->truth[0] = values->scalar[OU_VALUE] / (double)n;
    return STATUS_OK;
}

const struct synthetic_type synthetic_outlier = {
    .method = {.name = "outlier",
               .summary = "a = 1, y = 0 but for one sample: for flat_and_sharp one curved sample among flat ones",
               .revision = 1,
               .params = outlier_params,
               .param_count = sizeof outlier_params / sizeof outlier_params[0]},
    .task = TASK_REGRESSION,
    .generate = generate_outlier,
};
