/* What is known exactly at the frozen iterate, in a few passes over the data: the gradients' slopes, their mean, and
 * their covariance Sigma (divisor n) as far as it is asked for. Deviations from the mean are squared, never raw values,
 * so that nothing cancels; sums run in the order of the samples. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "estimator_internal.h"
#include "sample_gradients.h"

static const double BIAS_WORK = 4e8; /* multiply-adds (twice) of a full Sigma beyond which it is too dear */

static double entry(const struct matrix *a, size_t i, size_t j)
{
    const double *value;
    const uint32_t *column;
    size_t count = matrix_row(a, i, &value, &column);
    if (!column)
        return value[j];
    for (size_t p = 0; p < count && column[p] <= j; p++)
        if (column[p] == j)
            return value[p];
    return 0;
}

/* slope[n] of a linear model. */
static void slopes(struct estimator *e)
{
    const struct problem *problem = &e->request->config->problem;
    double y[FULL_PASS_ROWS] __attribute__((aligned(64))) = {0};
    e->kernels->forward(e->a, NULL, 0, e->n, e->x, 1, e->slope);
    for (size_t first = 0; first < e->n; first += FULL_PASS_ROWS) {
        size_t rows = e->n - first < FULL_PASS_ROWS ? e->n - first : FULL_PASS_ROWS;
        memcpy(y, problem->data->y + first, rows * sizeof *y);
        problem->type->vector->slope_each((rows + 7) / 8 * 8, y, e->slope + first);
    }
}

static void mean_gradient(struct estimator *e)
{
    e->kernels->backward(e->a, NULL, 0, e->n, e->slope, 1, e->gradient);
    const double inverse = 1.0 / (double)e->n;
    for (size_t j = 0; j < e->d; j++) {
        e->gradient[j] *= inverse;
        e->gradient2 += e->gradient[j] * e->gradient[j];
    }
}

/* The diagonal of Sigma, and how far rounding can carry the mean of draws from the gradient: sums of n and of m terms
 * of that mean size, m of them in each step of a velocity. */
static void columns(struct estimator *e)
{
    const double n = (double)e->n, steps = (double)e->request->config->velocity_steps;
    const double unit = 4 * DBL_EPSILON * (n + (double)e->batch + steps);
    sample_gradients_moments(e->a, e->slope, e->gradient, e->variance, e->rounding, e->part);
    memset(e->part, 0, e->d * sizeof *e->part);
    for (size_t j = 0; j < e->d; j++) {
        e->rounding[j] *= unit / n;
        e->sigma2 += e->variance[j];
    }
}

/* The gradient of f, penalties included, as a norm and a direction. */
static void gradient_direction(struct estimator *e)
{
    const struct problem *problem = &e->request->config->problem;
    const size_t penalized = problem_penalized(problem);
    double rounding2 = 0;
    for (size_t j = 0; j < e->d; j++) {
        double x = e->x[j];
        e->unit[j] = e->gradient[j];
        if (j < penalized)
            e->unit[j] += problem->l2 * x + problem->l1 * (double)((x > 0) - (x < 0));
        e->norm2 += e->unit[j] * e->unit[j];
        rounding2 += e->rounding[j] * e->rounding[j];
    }
    e->norm = e->norm2 > rounding2 ? sqrt(e->norm2) : 0;
    for (size_t j = 0; j < e->d; j++) {
        e->unit[j] = e->norm > 0 ? e->unit[j] / e->norm : 0;
        e->along += e->unit[j] * e->gradient[j];
    }
}

/* The gradient, then the coordinates of largest variance, the first of equals. */
static void choose_directions(struct estimator *e)
{
    e->directions = e->norm > 0;
    const size_t first = e->directions;
    while (e->directions < ESTIMATOR_DIRECTIONS) {
        size_t best = e->d;
        for (size_t j = 0; j < e->d; j++) {
            bool taken = false;
            for (size_t k = first; k < e->directions; k++)
                taken = taken || e->column[k] == j;
            if (!taken && e->variance[j] > (best < e->d ? e->variance[best] : 0))
                best = j;
        }
        if (best == e->d)
            return;
        e->column[e->directions++] = best;
    }
}

/* sigma[count][count] += w w' of the lower triangle */
static void add_outer(size_t count, const double *w, double *sigma)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k <= i; k++)
            sigma[i * count + k] += w[i] * w[k];
}

static void finish_outer(size_t count, double n, double *sigma)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k <= i; k++)
            sigma[k * count + i] = sigma[i * count + k] /= n;
}

/* Covariance of the projections on the directions. */
static void direction_covariance(struct estimator *e, double *sigma)
{
    double along[FULL_PASS_ROWS] __attribute__((aligned(64))), w[ESTIMATOR_DIRECTIONS];
    for (size_t first = 0; first < e->n; first += FULL_PASS_ROWS) {
        size_t rows = e->n - first < FULL_PASS_ROWS ? e->n - first : FULL_PASS_ROWS;
        e->kernels->forward(e->a, NULL, first, rows, e->unit, 1, along);
        for (size_t r = 0; r < rows; r++) {
            const size_t i = first + r;
            for (size_t k = 0; k < e->directions; k++)
                w[k] = along_gradient(e, k) ? e->slope[i] * along[r] - e->along
                                            : e->slope[i] * entry(e->a, i, e->column[k]) - e->gradient[e->column[k]];
            add_outer(e->directions, w, sigma);
        }
    }
    finish_outer(e->directions, (double)e->n, sigma);
}

static void full_covariance(struct estimator *e)
{
    for (size_t i = 0; i < e->n; i++) {
        for (size_t j = 0; j < e->d; j++)
            e->deviation[j] = -e->gradient[j];
        matrix_row_axpy(e->a, i, e->slope[i], e->deviation);
        add_outer(e->d, e->deviation, e->sigma);
    }
    finish_outer(e->d, (double)e->n, e->sigma);
}

enum status estimator_exact(struct estimator *e, struct error *error)
{
    double sigma[ESTIMATOR_DIRECTIONS * ESTIMATOR_DIRECTIONS] = {0};
    if (!e->request->config->problem.type->model)
        slopes(e);
    mean_gradient(e);
    columns(e);
    gradient_direction(e);
    if (!isfinite(e->norm2) || !isfinite(e->sigma2))
        return error_set(error, STATUS_NUMERICAL, "the gradients at the frozen iterate are too large for a double");
    choose_directions(e);
    direction_covariance(e, sigma);
    for (size_t k = 0; k < e->directions; k++)
        e->direction_variance[k] = sigma[k * e->directions + k];
    const double d = (double)e->d;
    e->bias_full = e->d <= ESTIMATOR_COVARIANCE_DIM || (e->d <= BIAS_DIM && (double)e->n * d * d <= BIAS_WORK);
    e->bias_dim = e->bias_full ? e->d : e->directions;
    const size_t entries = e->bias_dim * e->bias_dim;
    e->sigma = calloc(entries + 1, sizeof *e->sigma);
    if (!e->sigma)
        return error_memory(error, entries * sizeof *e->sigma, "the covariance of the gradients");
    if (e->bias_full)
        full_covariance(e);
    else
        memcpy(e->sigma, sigma, entries * sizeof *sigma);
    return STATUS_OK;
}
