/* A model for tests, written for reading: one neuron, f_i(x) = (w tanh(u.a_i) - y_i)^2/2 with x = (u, w), where w sees
 * no penalty. Its Hessian is not definite. */
#ifndef SGDLAB_TEST_NEURON_MODEL_H
#define SGDLAB_TEST_NEURON_MODEL_H

#include <math.h>
#include <string.h>

#include "model.h"

static inline size_t neuron_dim(const struct problem *problem, size_t *penalized)
{
    *penalized = problem->data->train.cols;
    return *penalized + 1;
}

static inline size_t neuron_scratch(const struct problem *problem, size_t width)
{
    (void)width;
    return 4 * (problem->data->train.cols + 1);
}

static inline size_t neuron_row(const struct batch *batch, size_t r, size_t lane)
{
    return batch->index ? batch->index[lane * batch->stride + r] : batch->first + r;
}

/* One lane's x (or v) out of an array of lanes. */
static inline void neuron_take(size_t dim, const double *x, size_t width, size_t lane, double *out)
{
    for (size_t j = 0; j < dim; j++)
        out[j] = x[j * width + lane];
}

/* g[dim] := grad f_i(x); with v also product[dim] := Hessian of f_i times v. */
static inline void neuron_sample(const struct matrix *a, size_t i, double y, const double *x, double *g,
                                 const double *v, double *product)
{
    const size_t d = a->cols;
    const double w = x[d], t = tanh(matrix_row_dot(a, i, x)), t1 = 1 - t * t, t2 = -2 * t * t1, r = w * t - y;
    memset(g, 0, (d + 1) * sizeof *g);
    matrix_row_axpy(a, i, r * w * t1, g);
    g[d] = r * t;
    if (!v)
        return;
    const double along = matrix_row_dot(a, i, v); /* of the change of u */
    memset(product, 0, (d + 1) * sizeof *product);
    matrix_row_axpy(a, i, ((w * t1) * (w * t1) + r * w * t2) * along + (w * t1 * t + r * t1) * v[d], product);
    product[d] = (w * t1 * t + r * t1) * along + t * t * v[d];
}

static inline void neuron_gradient(const struct problem *problem, const struct batch *batch, const double *x,
                                   size_t width, double clip, double *scratch, double *gradient)
{
    (void)problem;
    const size_t dim = batch->a->cols + 1;
    double *at = scratch, *g = at + dim;
    memset(gradient, 0, dim * width * sizeof *gradient);
    for (size_t k = 0; k < width; k++) {
        neuron_take(dim, x, width, k, at);
        for (size_t r = 0; r < batch->rows; r++) {
            const size_t i = neuron_row(batch, r, k);
            double norm2 = 0;
            neuron_sample(batch->a, i, batch->y[i], at, g, NULL, NULL);
            for (size_t j = 0; j < dim; j++)
                norm2 += g[j] * g[j];
            const double factor = clip > 0 && sqrt(norm2) > clip ? clip / sqrt(norm2) : 1;
            for (size_t j = 0; j < dim; j++)
                gradient[j * width + k] += factor * g[j];
        }
    }
}

static inline void neuron_loss(const struct problem *problem, const struct batch *batch, const double *x, size_t width,
                               double *scratch, double *value, double *correct)
{
    (void)problem;
    const size_t d = batch->a->cols;
    (void)correct;
    for (size_t k = 0; k < width; k++) {
        neuron_take(d + 1, x, width, k, scratch);
        for (size_t r = 0; r < batch->rows; r++) {
            const size_t i = neuron_row(batch, r, k);
            const double e = scratch[d] * tanh(matrix_row_dot(batch->a, i, scratch)) - batch->y[i];
            value[k] += 0.5 * e * e;
        }
    }
}

static inline void neuron_squares(const struct problem *problem, const struct batch *batch, const double *x,
                                  size_t width, double *scratch, double *square)
{
    (void)problem;
    const size_t dim = batch->a->cols + 1;
    for (size_t k = 0; k < width; k++) {
        neuron_take(dim, x, width, k, scratch);
        for (size_t r = 0; r < batch->rows; r++) {
            const size_t i = neuron_row(batch, r, k);
            neuron_sample(batch->a, i, batch->y[i], scratch, scratch + dim, NULL, NULL);
            for (size_t j = 0; j < dim; j++)
                square[k] += scratch[dim + j] * scratch[dim + j];
        }
    }
}

static inline void neuron_product(const struct problem *problem, const struct batch *batch, const double *x,
                                  const double *v, size_t width, double *scratch, double *product)
{
    (void)problem;
    const size_t dim = batch->a->cols + 1;
    double *at = scratch, *g = at + dim, *direction = g + dim, *one = direction + dim;
    memset(product, 0, dim * width * sizeof *product);
    for (size_t k = 0; k < width; k++) {
        neuron_take(dim, x, width, k, at);
        neuron_take(dim, v, width, k, direction);
        for (size_t r = 0; r < batch->rows; r++) {
            const size_t i = neuron_row(batch, r, k);
            neuron_sample(batch->a, i, batch->y[i], at, g, direction, one);
            for (size_t j = 0; j < dim; j++)
                product[j * width + k] += one[j];
        }
    }
}

static const struct model_type neuron_model = {
    .dim = neuron_dim,
    .scratch = neuron_scratch,
    .gradient = neuron_gradient,
    .loss = neuron_loss,
    .gradient_squares = neuron_squares,
    .hessian_vector = neuron_product,
};
static const struct problem_type neuron_type = {
    .method = {.name = "neuron"}, .task = TASK_REGRESSION, .model = &neuron_model};

/* The same without what a model may leave out. */
static const struct model_type bare_neuron_model = {
    .dim = neuron_dim, .scratch = neuron_scratch, .gradient = neuron_gradient, .loss = neuron_loss};
static const struct problem_type bare_neuron_type = {
    .method = {.name = "bare_neuron"}, .task = TASK_REGRESSION, .model = &bare_neuron_model};

#endif
