/* Sparse linear models: nnz entries in each row, at columns drawn uniformly without replacement. */
#include <math.h>
#include <stdlib.h>

#include "data/synthetic.h"

static int compare_columns(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

/* count distinct columns below d, increasing, every set equally likely: draws until that many differ. 2 count <= d
 * keeps the rounds few. */
static void draw_few_columns(gsl_rng *rng, size_t d, size_t count, uint32_t *column)
{
    size_t have = 0;
    while (have < count) {
        for (size_t k = have; k < count; k++)
            column[k] = (uint32_t)gsl_rng_uniform_int(rng, d);
        qsort(column, count, sizeof *column, compare_columns);
        have = 1;
        for (size_t k = 1; k < count; k++)
            if (column[k] != column[have - 1])
                column[have++] = column[k];
    }
}

/* Fills the columns and values of all rows and stores a_i.truth in y[i]. Draws per row: columns, then values N(0,
 * 1/nnz), so that E|a|^2 = 1. all: NULL, or 0..d-1, room for gsl_ran_choose when a row is more than half full. */
static void draw_rows(gsl_rng *rng, struct dataset *dataset, size_t row_entries, uint32_t *all)
{
    struct matrix *x = &dataset->train;
    double sd = 1 / sqrt((double)row_entries);
    for (size_t i = 0; i < x->rows; i++) {
        size_t first = i * row_entries;
        uint32_t *column = x->column + first;
        if (all)
            gsl_ran_choose(rng, column, row_entries, all, x->cols, sizeof *column);
        else
            draw_few_columns(rng, x->cols, row_entries, column);
        for (size_t k = 0; k < row_entries; k++)
            x->value[first + k] = sd * gsl_ran_gaussian_ziggurat(rng, 1);
        x->row[i + 1] = first + row_entries;
        dataset->y[i] = matrix_row_dot(x, i, dataset->truth);
    }
}

enum { N, D, NNZ, NOISE, SCALE };

#define SHAPE_PARAMS                                                                                                   \
    [N] = {"n",                                                                                                        \
           "samples",                                                                                                  \
           PARAM_COUNT,                                                                                                \
           .fallback = 10000,                                                                                          \
           .min = 2,                                                                                                   \
           .max = SYNTHETIC_ROWS_MAX,                                                                                  \
           .help = "number of samples"},                                                                               \
    [D] = {"d",                                                                                                        \
           "features",                                                                                                 \
           PARAM_COUNT,                                                                                                \
           .fallback = 10000,                                                                                          \
           .min = 1,                                                                                                   \
           .max = SYNTHETIC_COLS_MAX,                                                                                  \
           .help = "number of features"},                                                                              \
    [NNZ] = {"nnz",                                                                                                    \
             "entries",                                                                                                \
             PARAM_COUNT,                                                                                              \
             .fallback = 10,                                                                                           \
             .min = 1,                                                                                                 \
             .max = SYNTHETIC_COLS_MAX,                                                                                \
             .help = "nonzeros in each row, at most d"}

static const struct param least_squares_params[] = {
    SHAPE_PARAMS,
    [NOISE] = {"noise", "", PARAM_REAL, .fallback = 0.1, .min = 0, .max = 1e6,
               .help = "standard deviation of the targets' noise"},
};

static const struct param logistic_params[] = {
    SHAPE_PARAMS,
    [NOISE] = {"noise", "", PARAM_REAL, .fallback = 0, .min = 0, .max = 0.5,
               .help = "share of labels flipped at random"},
    [SCALE] = {"scale", "", PARAM_REAL, .fallback = 3, .min = 0, .max = 1e6,
               .help = "standard deviation of the true margin a.w: the larger, the better the classes separate"},
};

/* The true parameter N(0, scale^2 I), the rows and, in y, a_i.truth. */
static enum status generate_design(const struct param_values *values, uint64_t seed, double scale,
                                   struct dataset *dataset, gsl_rng **rng, struct error *error)
{
    size_t n = (size_t)values->scalar[N], d = (size_t)values->scalar[D], row_entries = (size_t)values->scalar[NNZ];
    enum status status = synthetic_open_sparse(dataset, n, d, row_entries, seed, rng, error);
    if (status)
        return status;
    uint32_t *all = 2 * row_entries > d ? malloc(d * sizeof *all) : NULL;
    if (2 * row_entries > d && !all) {
        gsl_rng_free(*rng);
        return error_memory(error, d * sizeof *all, "synthetic data");
    }
    for (size_t j = 0; all && j < d; j++)
        all[j] = (uint32_t)j;
    for (size_t j = 0; j < d; j++)
        dataset->truth[j] = scale * gsl_ran_gaussian_ziggurat(*rng, 1);
    draw_rows(*rng, dataset, row_entries, all);
    free(all);
    return STATUS_OK;
}

/* Draws: w ~ N(0, I), all rows, then the noise of all targets. */
static enum status generate_least_squares(const struct param_values *values, uint64_t seed, struct dataset *dataset,
                                          struct error *error)
{
    gsl_rng *rng;
    enum status status = generate_design(values, seed, 1, dataset, &rng, error);
    if (status)
        return status;
    for (size_t i = 0; i < dataset->train.rows; i++)
        dataset->y[i] += values->scalar[NOISE] * gsl_ran_gaussian_ziggurat(rng, 1);
    gsl_rng_free(rng);
    return STATUS_OK;
}

/* Draws: w ~ N(0, scale^2 I), all rows, then for each sample its label and whether it is flipped. */
static enum status generate_logistic(const struct param_values *values, uint64_t seed, struct dataset *dataset,
                                     struct error *error)
{
    gsl_rng *rng;
    enum status status = generate_design(values, seed, values->scalar[SCALE], dataset, &rng, error);
    if (status)
        return status;
    for (size_t i = 0; i < dataset->train.rows; i++) {
        double label = synthetic_logistic_label(rng, dataset->y[i]);
        dataset->y[i] = gsl_rng_uniform(rng) < values->scalar[NOISE] ? -label : label;
    }
    gsl_rng_free(rng);
    return STATUS_OK;
}

const struct synthetic_type synthetic_sparse_least_squares = {
    .method = {.name = "sparse_least_squares",
               .summary = "b = a.w + noise N(0,1), w ~ N(0,I), rows of nnz entries N(0, 1/nnz) at random columns (CSR)",
               .revision = 1,
               .params = least_squares_params,
               .param_count = sizeof least_squares_params / sizeof least_squares_params[0]},
    .task = TASK_REGRESSION,
    .generate = generate_least_squares,
};

const struct synthetic_type synthetic_sparse_logistic = {
    .method = {.name = "sparse_logistic",
               .summary = "P(y = 1) = 1/(1 + exp(-a.w)), w ~ N(0, scale^2 I), rows of nnz entries N(0, 1/nnz) at "
                          "random columns (CSR)",
               .revision = 1,
               .params = logistic_params,
               .param_count = sizeof logistic_params / sizeof logistic_params[0]},
    .task = TASK_BINARY,
    .generate = generate_logistic,
};
