/* Dense linear models with Gaussian rows of a given condition number: regression and two classes. */
#include <math.h>
#include <stdlib.h>

#include "data/synthetic.h"

/* sqrt of the variance of feature j (from 0) of d: variances l_j = condition^(-j/(d-1)), from 1 down to 1/condition. */
static double feature_sd(double condition, size_t j, size_t d)
{
    return d > 1 ? pow(condition, -0.5 * (double)j / (double)(d - 1)) : 1;
}

/* One row a, a_j = sd_j N(0,1); returns a.truth. */
static double draw_row(gsl_rng *rng, const double *sd, const double *truth, size_t d, double *a)
{
    double z = 0;
    for (size_t j = 0; j < d; j++) {
        a[j] = sd[j] * gsl_ran_gaussian_ziggurat(rng, 1);
        z += a[j] * truth[j];
    }
    return z;
}

enum { LS_N, LS_D, LS_CONDITION, LS_NOISE, LS_START_NORM, LS_START_ENTRY };

static const struct param least_squares_params[] = {
    [LS_N] = {"n", "samples", PARAM_COUNT, .fallback = 1000, .min = 1, .max = SYNTHETIC_ROWS_MAX,
              .help = "number of samples"},
    [LS_D] = {"d", "features", PARAM_COUNT, .fallback = 10, .min = 1, .max = SYNTHETIC_COLS_MAX,
              .help = "number of features"},
    [LS_CONDITION] = {"condition", "", PARAM_REAL, .fallback = 10, .min = 1, .max = 1e12,
                      .help = "condition number of the features' covariance"},
    [LS_NOISE] = {"noise", "", PARAM_REAL, .fallback = 1, .min = 0, .max = 1e6,
                  .help = "standard deviation of the targets' noise"},
    [LS_START_NORM] = {"start_norm", "", PARAM_REAL, .fallback = 2, .min = 0, .max = 1e6,
                       .help = "|x_0 - x*| of the start that goes with the data, spread evenly over the entries"},
    [LS_START_ENTRY] = {"start_entry", "", PARAM_REAL, .fallback = 0, .min = -1e6, .max = 1e6,
                        .help = "every entry of x_0 - x*; 0: start_norm / sqrt d"},
};

/* a_ij = sqrt(l_j) N(0,1), b_i = a_i.w + noise N(0,1), w ~ N(0,I). Draws: w; then row by row, the row and its noise. */
static enum status generate_least_squares(const struct param_values *values, uint64_t seed, struct dataset *dataset,
                                          struct error *error)
{
    const double *value = values->scalar;
    size_t n = (size_t)value[LS_N], d = (size_t)value[LS_D];
    gsl_rng *rng;
    enum status status = synthetic_open(dataset, n, d, true, seed, &rng, error);
    if (status)
        return status;
    double entry = value[LS_START_ENTRY] != 0 ? value[LS_START_ENTRY] : value[LS_START_NORM] / sqrt((double)d);
    for (size_t j = 0; j < d; j++)
        dataset->truth[j] = gsl_ran_gaussian_ziggurat(rng, 1);
    for (size_t j = 0; j < d; j++)
        dataset->start[j] = feature_sd(value[LS_CONDITION], j, d); /* lent to the rows until the start is set */
    for (size_t i = 0; i < n; i++) {
        double *a = dataset->train.value + i * dataset->train.stride;
        dataset->y[i] = draw_row(rng, dataset->start, dataset->truth, d, a);
        dataset->y[i] += value[LS_NOISE] * gsl_ran_gaussian_ziggurat(rng, 1);
    }
    for (size_t j = 0; j < d; j++)
        dataset->start[j] = entry;
    gsl_rng_free(rng);
    return STATUS_OK;
}

enum { LM_N, LM_D, LM_CONDITION, LM_SCALE };

static const struct param logistic_params[] = {
    [LM_N] = {"n", "samples", PARAM_COUNT, .fallback = 1000, .min = 2, .max = SYNTHETIC_ROWS_MAX,
              .help = "number of samples"},
    [LM_D] = {"d", "features", PARAM_COUNT, .fallback = 10, .min = 1, .max = SYNTHETIC_COLS_MAX,
              .help = "number of features"},
    [LM_CONDITION] = {"condition", "", PARAM_REAL, .fallback = 10, .min = 1, .max = 1e12,
                      .help = "condition number of the features' covariance"},
    [LM_SCALE] = {"scale", "", PARAM_REAL, .fallback = 2, .min = 0, .max = 1e6,
                  .help = "norm of the true parameter: the larger, the better the classes separate"},
};

/* Rows as above, y_i = +1 with probability 1/(1 + exp(-a_i.w)), w uniform on the sphere of radius scale. Draws: w; then
 * row by row, the row and its label. */
static enum status generate_logistic(const struct param_values *values, uint64_t seed, struct dataset *dataset,
                                     struct error *error)
{
    const double *value = values->scalar;
    size_t n = (size_t)value[LM_N], d = (size_t)value[LM_D];
    gsl_rng *rng;
    enum status status = synthetic_open(dataset, n, d, true, seed, &rng, error);
    if (status)
        return status;
    double norm2 = 0;
    for (size_t j = 0; j < d; j++) {
        dataset->truth[j] = gsl_ran_gaussian_ziggurat(rng, 1);
        norm2 += dataset->truth[j] * dataset->truth[j];
        dataset->start[j] = feature_sd(value[LM_CONDITION], j, d); /* lent to the rows: no law names a start */
    }
    for (size_t j = 0; j < d; j++)
        dataset->truth[j] *= value[LM_SCALE] / sqrt(norm2);
    for (size_t i = 0; i < n; i++) {
        double *a = dataset->train.value + i * dataset->train.stride;
        dataset->y[i] = synthetic_logistic_label(rng, draw_row(rng, dataset->start, dataset->truth, d, a));
    }
    gsl_rng_free(rng);
    free(dataset->start);
    dataset->start = NULL;
    return STATUS_OK;
}

const struct synthetic_type synthetic_gaussian_least_squares = {
    .method = {.name = "gaussian_least_squares",
               .summary = "b = a.w + noise N(0,1), a_j = sqrt(l_j) N(0,1), l_j = condition^(-(j-1)/(d-1)), w ~ N(0,I)",
               .revision = 1,
               .params = least_squares_params,
               .param_count = sizeof least_squares_params / sizeof least_squares_params[0]},
    .task = TASK_REGRESSION,
    .generate = generate_least_squares,
};

const struct synthetic_type synthetic_logistic_model = {
    .method = {.name = "logistic_model",
               .summary =
                   "P(y = 1) = 1/(1 + exp(-a.w)), a_j = sqrt(l_j) N(0,1), l_j = condition^(-(j-1)/(d-1)), |w| = scale",
               .revision = 1,
               .params = logistic_params,
               .param_count = sizeof logistic_params / sizeof logistic_params[0]},
    .task = TASK_BINARY,
    .generate = generate_logistic,
};
