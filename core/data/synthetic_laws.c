/* Instances that a law of the theory is stated on: centres in d dimensions, two parabolas, signs, and the labels of a
 * noisy half-space. */
#include <math.h>

#include "data/synthetic.h"

enum { CE_N, CE_D, CE_SIGMA, CE_START };

static const struct param centre_params[] = {
    [CE_N] = {"n", "samples", PARAM_COUNT, .fallback = 64, .min = 2, .max = SYNTHETIC_ROWS_MAX,
              .help = "number of centres"},
    [CE_D] = {"d", "features", PARAM_COUNT, .fallback = 4, .min = 1, .max = SYNTHETIC_COLS_MAX, .help = "dimension"},
    [CE_SIGMA] = {"sigma", "", PARAM_REAL, .fallback = 1, .min = 0, .max = 1e6,
                  .help = "sqrt of the mean |c_i|^2, to rounding: the centres are centred and rescaled"},
    [CE_START] = {"start_norm", "", PARAM_REAL, .fallback = 1, .min = 0, .max = 1e6,
                  .help = "|x_0 - x*| of the start that goes with the data, spread evenly over the entries"},
};

/* Rows c_i ~ N(0, I), centred and rescaled, targets -1. For the problem `linear` with l2 = 1: f_i = |x|^2/2 - c_i.x,
 * whose gradient is x - c_i, so x* = 0 and Sigma = mean of c_i c_i'. */
static enum status generate_centres(const struct param_values *values, uint64_t seed, struct dataset *dataset,
                                    struct error *error)
{
    size_t n = (size_t)values->scalar[CE_N], d = (size_t)values->scalar[CE_D];
    gsl_rng *rng;
    enum status status = synthetic_open(dataset, n, d, true, seed, &rng, error);
    if (status)
        return status;
    const struct matrix *c = &dataset->train;
    double square = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < d; j++)
            c->value[i * c->stride + j] = gsl_ran_gaussian_ziggurat(rng, 1);
        dataset->y[i] = -1;
    }
    for (size_t j = 0; j < d; j++) {
        double mean = 0;
        for (size_t i = 0; i < n; i++)
            mean += c->value[i * c->stride + j] / (double)n;
        for (size_t i = 0; i < n; i++) {
            double *entry = &c->value[i * c->stride + j];
            *entry -= mean;
            square += *entry * *entry / (double)n;
        }
        dataset->start[j] = values->scalar[CE_START] / sqrt((double)d);
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d; j++)
            c->value[i * c->stride + j] *= values->scalar[CE_SIGMA] / sqrt(square);
    gsl_rng_free(rng);
    return STATUS_OK;
}

enum { TP_LEFT, TP_RIGHT };

static const struct param two_params[] = {
    [TP_LEFT] = {"left", "", PARAM_REAL, .fallback = -1, .min = -1e6, .max = 1e6, .help = "centre of the first"},
    [TP_RIGHT] = {"right", "", PARAM_REAL, .fallback = 1, .min = -1e6, .max = 1e6, .help = "centre of the second"},
};

/* a = (1, 1), b = (left, right). No draws. */
static enum status generate_two(const struct param_values *values, uint64_t seed, struct dataset *dataset,
                                struct error *error)
{
    enum status status = synthetic_open(dataset, 2, 1, false, seed, NULL, error);
    if (status)
        return status;
    for (size_t i = 0; i < 2; i++) {
        dataset->train.value[i * dataset->train.stride] = 1;
        dataset->y[i] = values->scalar[i ? TP_RIGHT : TP_LEFT];
        dataset->truth[0] += dataset->y[i] / 2;
    }
    return STATUS_OK;
}

enum { SI_N, SI_EXCESS, SI_SCALE };

static const struct param sign_params[] = {
    [SI_N] = {"n", "samples", PARAM_COUNT, .fallback = 2, .min = 1, .max = SYNTHETIC_ROWS_MAX,
              .help = "number of samples"},
    [SI_EXCESS] = {"excess", "samples", PARAM_COUNT, .fallback = 0, .min = 0, .max = SYNTHETIC_ROWS_MAX,
                   .help = "positive ones beyond n/2 (rounded down)"},
    [SI_SCALE] = {"scale", "", PARAM_REAL, .fallback = 1, .min = 0, .max = 1e6, .min_open = true,
                  .help = "their absolute value"},
};

/* a_i = 1, y_i = +scale for the first n/2 + excess, -scale for the others. No draws. */
static enum status generate_signs(const struct param_values *values, uint64_t seed, struct dataset *dataset,
                                  struct error *error)
{
    size_t n = (size_t)values->scalar[SI_N], positive = n / 2 + (size_t)values->scalar[SI_EXCESS];
    if (positive > n)
        return error_set(error, STATUS_USAGE, "excess is %zu: n/2 + excess = %zu is more than n = %zu",
                         positive - n / 2, positive, n);
    enum status status = synthetic_open(dataset, n, 1, false, seed, NULL, error);
    if (status)
        return status;
    for (size_t i = 0; i < n; i++) {
        dataset->train.value[i * dataset->train.stride] = 1;
        dataset->y[i] = i < positive ? values->scalar[SI_SCALE] : -values->scalar[SI_SCALE];
    }
    return STATUS_OK;
}

enum { PM_N, PM_NOISE };

static const struct param probit_params[] = {
    [PM_N] = {"n", "samples", PARAM_COUNT, .fallback = 1000, .min = 2, .max = SYNTHETIC_ROWS_MAX,
              .help = "number of samples"},
    [PM_NOISE] = {"noise", "", PARAM_REAL, .fallback = 1, .min = 0, .max = 1e6,
                  .help = "standard deviation of what is added to the true margin"},
};

/* a ~ N(0, I), y = sign(a.(1, -1, 1/2) + noise N(0,1)). Draws: row by row, the row and its noise. */
static enum status generate_probit(const struct param_values *values, uint64_t seed, struct dataset *dataset,
                                   struct error *error)
{
    enum { DIM = 3 };
    static const double truth[DIM] = {1, -1, 0.5};
    size_t n = (size_t)values->scalar[PM_N];
    gsl_rng *rng;
    enum status status = synthetic_open(dataset, n, DIM, false, seed, &rng, error);
    if (status)
        return status;
    for (size_t j = 0; j < DIM; j++)
        dataset->truth[j] = truth[j];
    for (size_t i = 0; i < n; i++) {
        double *a = dataset->train.value + i * dataset->train.stride, z = 0;
        for (size_t j = 0; j < DIM; j++) {
            a[j] = gsl_ran_gaussian_ziggurat(rng, 1);
            z += a[j] * truth[j];
        }
        z += values->scalar[PM_NOISE] * gsl_ran_gaussian_ziggurat(rng, 1);
        dataset->y[i] = z < 0 ? -1 : 1;
    }
    gsl_rng_free(rng);
    return STATUS_OK;
}

const struct synthetic_type synthetic_centres = {
    .method = {.name = "centres",
               .summary =
                   "rows c_i ~ N(0,I) in d dimensions, centred and rescaled to mean |c_i|^2 = sigma^2, y = -1: with "
                   "problem linear and l2: 1, mean estimation, f_i = |x - c_i|^2/2 but for a constant, x* = 0",
               .revision = 1,
               .params = centre_params,
               .param_count = sizeof centre_params / sizeof centre_params[0]},
    .task = TASK_REGRESSION,
    .generate = generate_centres,
};

const struct synthetic_type synthetic_two_parabolas = {
    .method = {.name = "two_parabolas",
               .summary = "f_i = (x - c_i)^2/2, c = (left, right)",
               .revision = 1,
               .params = two_params,
               .param_count = sizeof two_params / sizeof two_params[0]},
    .task = TASK_REGRESSION,
    .generate = generate_two,
};

const struct synthetic_type synthetic_signs = {
    .method = {.name = "signs",
               .summary = "a = 1, y = scale for n/2 + excess samples, -scale for the others: for linear the two-point "
                          "problem of the lower bounds, for quartic noise added to the gradient",
               .revision = 1,
               .params = sign_params,
               .param_count = sizeof sign_params / sizeof sign_params[0]},
    .task = TASK_REGRESSION,
    .generate = generate_signs,
};

const struct synthetic_type synthetic_probit_model = {
    .method = {.name = "probit_model",
               .summary = "y = sign(a.(1, -1, 1/2) + noise N(0,1)), a ~ N(0,I) in 3 dimensions",
               .revision = 1,
               .params = probit_params,
               .param_count = sizeof probit_params / sizeof probit_params[0]},
    .task = TASK_BINARY,
    .generate = generate_probit,
};
