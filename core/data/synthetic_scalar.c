/* One-dimensional instances of the laws, as rows of least squares (a x - b)^2/2 or absolute deviations |a x - b|. */
#include <math.h>

#include "data/synthetic.h"

enum { ME_N, ME_SIGMA, ME_START };

static const struct param mean_params[] = {
    [ME_N] = {"n", "samples", PARAM_COUNT, .fallback = 64, .min = 2, .max = SYNTHETIC_ROWS_MAX,
              .help = "number of centres"},
    [ME_SIGMA] = {"sigma", "", PARAM_REAL, .fallback = 1, .min = 0, .max = 1e6,
                  .help = "standard deviation of the centres, to rounding: they are centred and rescaled"},
    [ME_START] = {"start_norm", "", PARAM_REAL, .fallback = 1, .min = 0, .max = 1e6, .help = "x_0 - x* of the start"},
};

/* f_i = (x - c_i)^2/2: a_i = 1, b_i = c_i ~ N(0,1), then centred and rescaled. */
static enum status generate_mean(const struct param_values *values, uint64_t seed, struct dataset *dataset,
                                 struct error *error)
{
    size_t n = (size_t)values->scalar[ME_N];
    gsl_rng *rng;
    enum status status = synthetic_open(dataset, n, 1, true, seed, &rng, error);
    if (status)
        return status;
    double mean = 0, square = 0, *c = dataset->y;
    for (size_t i = 0; i < n; i++) {
        c[i] = gsl_ran_gaussian_ziggurat(rng, 1);
        mean += c[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        c[i] -= mean;
        square += c[i] * c[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        c[i] *= values->scalar[ME_SIGMA] / sqrt(square);
        dataset->train.value[i * dataset->train.stride] = 1;
    }
    dataset->start[0] = values->scalar[ME_START];
    gsl_rng_free(rng);
    return STATUS_OK;
}

enum spacing { SPACING_RANDOM, SPACING_EVEN, SPACING_ENDS, SPACING_OUTLIER };
static const char *const spacings[] = {"random", "even", "ends", "outlier", NULL};

enum { WP_N, WP_LOW, WP_HIGH, WP_SPACING, WP_START };

static const struct param parabola_params[] = {
    [WP_N] = {"n", "samples", PARAM_COUNT, .fallback = 40, .min = 1, .max = SYNTHETIC_ROWS_MAX,
              .help = "number of parabolas"},
    [WP_LOW] = {"low", "", PARAM_REAL, .fallback = 0.5, .min = 0, .max = 1e6, .min_open = true,
                .help = "smallest curvature: a ~ U(low, high)"},
    [WP_HIGH] = {"high", "", PARAM_REAL, .fallback = 2, .min = 0, .max = 1e6, .min_open = true,
                 .help = "largest curvature"},
    [WP_SPACING] = {"spacing", "", PARAM_CHOICE, .fallback = SPACING_RANDOM, .min = 0, .max = SPACING_OUTLIER,
                    .choices = spacings,
                    .help =
                        "centres: U(-1,1); even: (2j+1)/n - 1; ends: evenly from -1 to 1; outlier: 0 but for one 10"},
    [WP_START] = {"start_beyond", "", PARAM_REAL, .fallback = 5, .min = -1e6, .max = 1e6,
                  .help = "x_0 - max c of the start"},
};

static double centre(gsl_rng *rng, enum spacing spacing, size_t j, size_t n)
{
    switch (spacing) {
    case SPACING_EVEN:
        return (double)(2 * j + 1) / (double)n - 1;
    case SPACING_ENDS:
        return n > 1 ? 2 * (double)j / (double)(n - 1) - 1 : 0;
    case SPACING_OUTLIER:
        return j + 1 == n ? 10 : 0;
    case SPACING_RANDOM:
        break;
    }
    return 2 * gsl_rng_uniform(rng) - 1;
}

/* Stores the rows sqrt(a_i) and targets sqrt(a_i) c_i, whose loss is a_i (x - c_i)^2/2, and the minimiser. */
static void store_parabola(struct dataset *dataset, size_t i, double a, double c)
{
    dataset->train.value[i * dataset->train.stride] = sqrt(a);
    dataset->y[i] = sqrt(a) * c;
}

/* Draws: for each parabola its curvature (when low < high), then its centre (when random). truth is the minimiser. */
static enum status generate_parabolas(const struct param_values *values, uint64_t seed, struct dataset *dataset,
                                      struct error *error)
{
    size_t n = (size_t)values->scalar[WP_N];
    double low = values->scalar[WP_LOW], high = values->scalar[WP_HIGH], weight = 0, moment = 0, highest = -HUGE_VAL;
    gsl_rng *rng;
    if (low > high)
        return error_set(error, STATUS_USAGE, "low is %g, above high, %g", low, high);
    enum status status = synthetic_open(dataset, n, 1, true, seed, &rng, error);
    if (status)
        return status;
    for (size_t j = 0; j < n; j++) {
        double a = low < high ? low + (high - low) * gsl_rng_uniform(rng) : low;
        double c = centre(rng, (enum spacing)values->scalar[WP_SPACING], j, n);
        store_parabola(dataset, j, a, c);
        weight += a;
        moment += a * c;
        highest = c > highest ? c : highest;
    }
    dataset->truth[0] = moment / weight;
    dataset->start[0] = highest + values->scalar[WP_START] - dataset->truth[0];
    gsl_rng_free(rng);
    return STATUS_OK;
}

/* The six parabolas on which the bias within a reshuffled epoch is enumerated; start x* + 1. */
static enum status generate_six(const struct param_values *values, uint64_t seed, struct dataset *dataset,
                                struct error *error)
{
    static const double a[] = {.5, 2, 1, 1.5, .7, 1.8}, c[] = {1, -1, .3, .8, -.6, .2};
    enum { COUNT = sizeof a / sizeof a[0] };
    double weight = 0, moment = 0;
    (void)values;
    enum status status = synthetic_open(dataset, COUNT, 1, true, seed, NULL, error);
    if (status)
        return status;
    for (size_t i = 0; i < COUNT; i++) {
        store_parabola(dataset, i, a[i], c[i]);
        weight += a[i];
        moment += a[i] * c[i];
    }
    dataset->truth[0] = moment / weight;
    dataset->start[0] = 1;
    return STATUS_OK;
}

enum { AD_B, AD_START };

static const struct param deviation_params[] = {
    [AD_B] = {"B", "", PARAM_REAL, .fallback = 2, .min = 0, .max = 1e6, .min_open = true,
              .help = "half the distance of the outer targets"},
    [AD_START] = {"start_norm", "", PARAM_REAL, .fallback = 1, .min = 0, .max = 1e6,
                  .help = "x_0 - x* of the start; x* = 0"},
};

/* a = (1,1,1,1), b = (-B, B, 0, 0): f(x) = |x|/2 + B/2 for |x| <= B, convex and not strongly convex. */
static enum status generate_deviations(const struct param_values *values, uint64_t seed, struct dataset *dataset,
                                       struct error *error)
{
    enum { COUNT = 4 };
    double outer = values->scalar[AD_B];
    enum status status = synthetic_open(dataset, COUNT, 1, true, seed, NULL, error);
    if (status)
        return status;
    for (size_t i = 0; i < COUNT; i++)
        dataset->train.value[i * dataset->train.stride] = 1;
    dataset->y[0] = -outer;
    dataset->y[1] = outer;
    dataset->start[0] = values->scalar[AD_START];
    return STATUS_OK;
}

const struct synthetic_type synthetic_mean_estimation = {
    .method = {.name = "mean_estimation",
               .summary = "f_i = (x - c_i)^2/2, centres c_i ~ N(0,1) centred and rescaled to standard deviation sigma",
               .revision = 1,
               .params = mean_params,
               .param_count = sizeof mean_params / sizeof mean_params[0]},
    .task = TASK_REGRESSION,
    .generate = generate_mean,
};

const struct synthetic_type synthetic_weighted_parabolas = {
    .method = {.name = "weighted_parabolas",
               .summary = "f_i = a_i (x - c_i)^2/2, a_i ~ U(low, high), centres random or evenly spaced on [-1, 1]",
               .revision = 1,
               .params = parabola_params,
               .param_count = sizeof parabola_params / sizeof parabola_params[0]},
    .task = TASK_REGRESSION,
    .generate = generate_parabolas,
};

const struct synthetic_type synthetic_six_parabolas = {
    .method = {.name = "six_parabolas",
               .summary = "f_i = a_i (x - c_i)^2/2, a = (.5, 2, 1, 1.5, .7, 1.8), c = (1, -1, .3, .8, -.6, .2)",
               .revision = 1},
    .task = TASK_REGRESSION,
    .generate = generate_six,
};

const struct synthetic_type synthetic_absolute_deviations = {
    .method = {.name = "absolute_deviations",
               .summary = "f = (1/4) sum |x - b_i|, b = (-B, B, 0, 0): attains the textbook bound of SGD with equality",
               .revision = 1,
               .params = deviation_params,
               .param_count = sizeof deviation_params / sizeof deviation_params[0]},
    .task = TASK_REGRESSION,
    .generate = generate_deviations,
};
