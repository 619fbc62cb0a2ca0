/* See the header. Everything is written for reading: one pass per batch, the definitions as they stand. */
#include "laws/gradient_study.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sample_gradients.h"
#include "stats.h"

/* ---- gradients from the definitions ---- */

static enum status check_problem(const struct problem *problem, struct error *error)
{
    if (problem->l1 > 0 || isfinite(problem->radius))
        return error_set(error, STATUS_UNSUPPORTED, "a study of gradients takes no l1 and no radius");
    return STATUS_OK;
}

static double *doubles(size_t count, struct error *error)
{
    double *array = calloc(count ? count : 1, sizeof *array);
    if (!array)
        error_memory(error, count * sizeof *array, "a study of gradients");
    return array;
}

/* All samples at one iterate: the loss gradient of sample i is slope[i] times row i of a. */
struct all_gradients {
    const struct problem *problem;
    const struct matrix *a;
    struct matrix written; /* the gradients of a model that is no linear one */
    double *slope, *x;     /* [n], [d] */
};

/* To x[d]; linear models only. */
static void gradients_move(struct all_gradients *s, const double *x)
{
    for (size_t i = 0; i < s->a->rows; i++)
        s->slope[i] = s->problem->type->scalar->slope(matrix_row_dot(s->a, i, x), s->problem->data->y[i]);
    memcpy(s->x, x, s->a->cols * sizeof *x);
}

static enum status gradients_open(const struct problem *problem, const double *x, struct all_gradients *out,
                                  struct error *error)
{
    const size_t n = problem->data->train.rows, d = problem_dim(problem);
    enum status status = check_problem(problem, error);
    *out = (struct all_gradients){.problem = problem, .a = &problem->data->train};
    if (status)
        return status;
    out->slope = doubles(n + d, error);
    if (!out->slope)
        return STATUS_MEMORY;
    out->x = out->slope + n;
    if (!problem->type->model) {
        gradients_move(out, x);
        return STATUS_OK;
    }
    out->a = &out->written;
    for (size_t i = 0; i < n; i++)
        out->slope[i] = 1;
    memcpy(out->x, x, d * sizeof *x);
    return sample_gradients_write(problem, x, &out->written, error);
}

static void gradients_close(struct all_gradients *s)
{
    matrix_free(&s->written);
    free(s->slope);
}

static void add_l2(const struct all_gradients *s, double weight, double *gradient)
{
    for (size_t j = 0; j < problem_penalized(s->problem); j++)
        gradient[j] += weight * s->problem->l2 * s->x[j];
}

/* gradient[d] += weight grad f_i, l2 included. */
static void add_gradient(const struct all_gradients *s, size_t i, double weight, double *gradient)
{
    matrix_row_axpy(s->a, i, weight * s->slope[i], gradient);
    add_l2(s, weight, gradient);
}

/* gradient[d] := mean of the gradients of these samples. */
static void batch_gradient(const struct all_gradients *s, const uint32_t *index, size_t rows, double *gradient)
{
    memset(gradient, 0, s->a->cols * sizeof *gradient);
    for (size_t r = 0; r < rows; r++)
        matrix_row_axpy(s->a, index[r], s->slope[index[r]] / (double)rows, gradient);
    add_l2(s, 1, gradient);
}

static void mean_gradient(const struct all_gradients *s, double *gradient)
{
    const size_t n = s->a->rows;
    memset(gradient, 0, s->a->cols * sizeof *gradient);
    for (size_t i = 0; i < n; i++)
        add_gradient(s, i, 1.0 / (double)n, gradient);
}

static double dot(size_t d, const double *x, const double *y)
{
    double sum = 0;
    for (size_t j = 0; j < d; j++)
        sum += x[j] * y[j];
    return sum;
}

static double standard_error(const struct moments *moments)
{
    const double count = (double)moments->count;
    return count > 1 ? sqrt(moments->m2 / (count - 1) / count) : 0;
}

/* ---- epochs of a sampler ---- */

struct epochs {
    const struct epoch_sampling *sampling;
    struct sampler sampler;
    uint32_t *index, *size; /* [n], [batches]: of the epoch drawn last */
    size_t batches;
    size_t words;
};

static enum status sampler_open(const struct epoch_sampling *sampling, size_t n, struct epochs *out,
                                struct error *error)
{
    const struct sampler_type *type = sampling->type;
    *out = (struct epochs){.sampling = sampling,
                           .batches = sampler_steps_per_epoch(type, n, sampling->batch_size, sampling->keep_last)};
    out->words = type->scratch_words ? type->scratch_words(n, sampling->batch_size) : 0;
    out->sampler = (struct sampler){.type = type,
                                    .values = sampling->values,
                                    .n = (uint32_t)n,
                                    .batch_size = sampling->batch_size,
                                    .keep_last = sampling->keep_last,
                                    .scratch = calloc(out->words + 1, sizeof(uint32_t))};
    out->index = malloc(out->batches * sampler_max_batch(type, n, sampling->batch_size) * sizeof *out->index);
    out->size = malloc(out->batches * sizeof *out->size);
    if (!out->sampler.scratch || !out->index || !out->size)
        return error_memory(error, (out->words + n + out->batches) * sizeof(uint32_t), "the draws of an epoch");
    return STATUS_OK;
}

static enum status epochs_open(const struct epoch_sampling *sampling, size_t n, struct epochs *out, struct error *error)
{
    const struct sampler_type *type = sampling->type;
    if (!type->by_epoch)
        return error_set(error, STATUS_USAGE, "%s does not go through the samples epoch by epoch", type->method.name);
    return sampler_open(sampling, n, out, error);
}

static void epochs_close(struct epochs *epochs)
{
    free(epochs->sampler.scratch);
    free(epochs->index);
    free(epochs->size);
}

/* The first steps of stream `number`. A stream of its own for each epoch: also an order that serves all epochs of a run
 * is then drawn anew. */
static void draw_steps(struct epochs *epochs, uint64_t number, size_t steps)
{
    const struct epoch_sampling *s = epochs->sampling;
    epochs->sampler.stream = rng_stream(s->seed, RNG_LAW, s->group, number);
    memset(epochs->sampler.scratch, 0, epochs->words * sizeof *epochs->sampler.scratch);
    s->type->draw(&epochs->sampler, 0, steps, epochs->index, epochs->size);
}

static void epochs_draw(struct epochs *epochs, uint64_t number)
{
    draw_steps(epochs, number, epochs->batches);
}

/* ---- two batches, and all of them ---- */

/* What is exact: tr Sigma/(n-1) and u'Sigma u/(n-1), and the mean size of a sample's gradient. */
static double exact_part(const struct all_gradients *s, const double *gradient, const double *unit, double *one,
                         struct epoch_study *out)
{
    const size_t n = s->a->rows, d = s->a->cols;
    double trace = 0, along = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        memset(one, 0, d * sizeof *one);
        add_gradient(s, i, 1, one);
        size += sqrt(dot(d, one, one)) / (double)n;
        for (size_t j = 0; j < d; j++)
            one[j] -= gradient[j];
        double projection = dot(d, unit, one);
        trace += dot(d, one, one) / (double)n;
        along += projection * projection / (double)n;
    }
    out->covariance_predicted = n > 1 ? -trace / (double)(n - 1) : 0;
    out->along_predicted = n > 1 ? -along / (double)(n - 1) : 0;
    return size;
}

enum status gradient_study_epochs(const struct problem *problem, const double *x, const struct epoch_sampling *sampling,
                                  uint64_t epochs, struct epoch_study *out, struct error *error)
{
    const size_t n = problem->data->train.rows, d = problem_dim(problem);
    struct epochs drawn = {0};
    struct moments product = {0}, projection = {0};
    struct all_gradients samples;
    *out = (struct epoch_study){.epochs = epochs, .covariance = NAN, .along = NAN};
    enum status status = gradients_open(problem, x, &samples, error);
    double *gradient = status ? NULL : doubles(6 * d, error);
    if (!gradient) {
        gradients_close(&samples);
        return status ? status : STATUS_MEMORY;
    }
    double *unit = gradient + d, *one = unit + d, *mean = one + d, *deviation[2] = {mean + d, mean + 2 * d};
    mean_gradient(&samples, gradient);
    const double norm = sqrt(dot(d, gradient, gradient));
    for (size_t j = 0; j < d && norm > 0; j++)
        unit[j] = gradient[j] / norm;
    const double size = exact_part(&samples, gradient, unit, one, out);
    out->rounding = 4 * DBL_EPSILON * (double)n * size;
    status = epochs_open(sampling, n, &drawn, error);
    out->batches = drawn.batches;
    for (uint64_t k = 0; k < epochs && !status; k++) {
        const uint32_t *index = drawn.index;
        epochs_draw(&drawn, k);
        memset(mean, 0, d * sizeof *mean);
        for (size_t b = 0; b < drawn.batches; b++) {
            batch_gradient(&samples, index, drawn.size[b], one);
            index += drawn.size[b];
            for (size_t j = 0; j < d; j++) {
                mean[j] += (double)drawn.size[b] / (double)n * one[j];
                if (b < 2)
                    deviation[b][j] = one[j] - gradient[j];
            }
        }
        for (size_t j = 0; j < d; j++)
            mean[j] -= gradient[j];
        out->deviation = fmax(out->deviation, sqrt(dot(d, mean, mean)));
        moments_add(&product, dot(d, deviation[0], deviation[1]));
        moments_add(&projection, dot(d, unit, deviation[0]) * dot(d, unit, deviation[1]));
    }
    if (!status && drawn.batches > 1) {
        out->covariance = product.mean;
        out->covariance_se = standard_error(&product);
        out->along = projection.mean;
        out->along_se = standard_error(&projection);
    }
    epochs_close(&drawn);
    gradients_close(&samples);
    free(gradient);
    return status;
}

/* ---- all batches ---- */

enum {
    SAMPLES_MAX = 12,
    CODES_MAX = 5000,
    DRAWS_OF_EACH = 40
}; /* exp(-40): how likely one of the wanted batches is not drawn */

/* Batches are numbered: in order and base n with replacement, else as the set of bits that its samples are. */
static double codes(const struct sampler_type *type, size_t n, size_t m)
{
    return type->with_replacement ? pow((double)n, (double)m) : pow(2, (double)n);
}

bool gradient_study_countable(const struct sampler_type *type, size_t n, size_t batch_size)
{
    return !type->deterministic && n <= SAMPLES_MAX &&
           codes(type, n, sampler_max_batch(type, n, batch_size)) <= CODES_MAX;
}

static size_t code_of(const struct sampler_type *type, size_t n, size_t m, const uint32_t *index)
{
    size_t code = 0;
    for (size_t r = 0; r < m; r++)
        code = type->with_replacement ? code * n + index[r] : code | (size_t)1 << index[r];
    return code;
}

static size_t count_wanted(const struct sampler_type *type, size_t n, size_t m)
{
    double sets = 1;
    for (size_t j = 0; j < m && !type->with_replacement; j++)
        sets *= (double)(n - j) / (double)(j + 1);
    return (size_t)nearbyint(type->with_replacement ? codes(type, n, m) : sets);
}

/* mean[d] of the gradients of the batches that were seen; batch[d] is scratch. */
static void mean_of_batches(const struct all_gradients *s, const struct sampler_type *type, size_t m,
                            const uint64_t *seen, struct batch_study *out, double *mean, double *batch)
{
    const size_t n = s->a->rows, d = s->a->cols;
    const size_t most = (size_t)codes(type, n, m);
    memset(mean, 0, d * sizeof *mean);
    for (size_t code = 0; code < most; code++) {
        if (seen[code] == 0)
            continue;
        memset(batch, 0, d * sizeof *batch);
        for (size_t i = 0, rest = code; i < (type->with_replacement ? m : n); i++, rest /= n)
            if (type->with_replacement || code >> i & 1)
                add_gradient(s, type->with_replacement ? rest % n : i, 1.0 / (double)m, batch);
        out->batches++;
        for (size_t j = 0; j < d; j++) /* a running mean: its rounding errors do not grow with the batches */
            mean[j] += (batch[j] - mean[j]) / (double)out->batches;
    }
}

enum status gradient_study_batches(const struct problem *problem, const double *x,
                                   const struct epoch_sampling *sampling, struct batch_study *out, struct error *error)
{
    const struct sampler_type *type = sampling->type;
    const size_t n = problem->data->train.rows, d = problem_dim(problem);
    const size_t m = sampler_max_batch(type, n, sampling->batch_size);
    *out = (struct batch_study){0};
    if (!gradient_study_countable(type, n, sampling->batch_size))
        return error_set(error, STATUS_UNSUPPORTED, "%s has too many batches of %zu of %zu samples to try them all",
                         type->method.name, m, n);
    struct epochs drawn = {0};
    struct all_gradients samples = {0};
    double *gradient = doubles(3 * d, error);
    uint64_t *seen = calloc((size_t)codes(type, n, m), sizeof *seen);
    enum status status =
        gradient && seen ? gradients_open(problem, x, &samples, error) : error_memory(error, 0, "a study of batches");
    if (!status)
        status = sampler_open(sampling, n, &drawn, error);
    if (!status) {
        double *mean = gradient + d, *batch = mean + d;
        out->wanted = count_wanted(type, n, m);
        out->draws = DRAWS_OF_EACH * out->wanted;
        for (uint64_t k = 0; k < out->draws; k++) {
            draw_steps(&drawn, k, 1);
            seen[code_of(type, n, m, drawn.index)]++;
        }
        for (size_t code = 0; code < (size_t)codes(type, n, m); code++)
            out->chi2 += (double)(seen[code] * seen[code]) / DRAWS_OF_EACH;
        out->chi2 -= (double)out->draws; /* sum of (seen - 40)^2/40 over the wanted ones, if there are no others */
        out->df = (double)out->wanted - 1;
        mean_gradient(&samples, gradient);
        mean_of_batches(&samples, type, m, seen, out, mean, batch);
        for (size_t j = 0; j < d; j++)
            out->bias = fmax(out->bias, fabs(mean[j] - gradient[j]));
        for (size_t i = 0; i < n; i++) {
            memset(batch, 0, d * sizeof *batch);
            add_gradient(&samples, i, 1, batch);
            for (size_t j = 0; j < d; j++)
                out->largest = fmax(out->largest, fabs(batch[j]));
        }
    }
    epochs_close(&drawn);
    gradients_close(&samples);
    free(gradient);
    free(seen);
    return status;
}

/* ---- the bias along an epoch ---- */

/* For iterates that move, and Hessians. */
static enum status open_linear(const struct problem *problem, const double *x, struct all_gradients *out,
                               struct error *error)
{
    *out = (struct all_gradients){0};
    if (problem->type->model)
        return error_set(error, STATUS_UNSUPPORTED, "a study of the bias along an epoch takes no %s",
                         problem->type->method.name);
    return gradients_open(problem, x, out, error);
}

/* step[d] := grad f_i(x); excess[d] += weight (step - grad f(x)). gradient[d] is scratch. */
static void add_excess(struct all_gradients *s, const double *x, size_t i, double weight, double *step,
                       double *gradient, double *excess)
{
    const size_t d = s->a->cols;
    gradients_move(s, x);
    mean_gradient(s, gradient);
    memset(step, 0, d * sizeof *step);
    add_gradient(s, i, 1, step);
    for (size_t j = 0; j < d; j++)
        excess[j] += weight * (step[j] - gradient[j]);
}

/* A node of the tree of orders: the samples of `used` have been taken and led to x[k][d]; weight = (n-k)!/n!. */
static void visit(struct all_gradients *s, double eta, unsigned used, size_t k, double weight, double *x, double *step,
                  double *bias)
{
    const size_t n = s->a->rows, d = s->a->cols;
    const double *at = x + k * d;
    double *next = x + (k + 1) * d;
    for (size_t i = 0; i < n; i++) {
        if (used >> i & 1)
            continue;
        const double share = weight / (double)(n - k);
        add_excess(s, at, i, share, step, step + d, bias + k * d);
        for (size_t j = 0; j < d; j++)
            next[j] = at[j] - eta * step[j];
        if (k + 1 < n)
            visit(s, eta, used | 1U << i, k + 1, share, x, step, bias);
    }
}

enum status gradient_study_epoch_bias(const struct problem *problem, const double *x, double eta, double *bias,
                                      struct error *error)
{
    const size_t n = problem->data->train.rows, d = problem_dim(problem);
    struct all_gradients samples;
    enum status status = open_linear(problem, x, &samples, error);
    if (!status && n > BIAS_SAMPLES_MAX)
        status = error_set(error, STATUS_UNSUPPORTED, "%zu samples have too many orders to try; %d are possible", n,
                           BIAS_SAMPLES_MAX);
    double *path = status ? NULL : doubles((n + 3) * d, error);
    if (path) {
        memcpy(path, x, d * sizeof *x);
        memset(bias, 0, n * d * sizeof *bias);
        visit(&samples, eta, 0, 0, 1, path, path + (n + 1) * d, bias);
    } else if (!status) {
        status = STATUS_MEMORY;
    }
    gradients_close(&samples);
    free(path);
    return status;
}

enum status gradient_study_epoch_bias_sampled(const struct problem *problem, const double *x, double eta,
                                              const struct epoch_sampling *sampling, uint64_t epochs, double *bias,
                                              double *se, struct error *error)
{
    const size_t n = problem->data->train.rows, d = problem_dim(problem);
    struct epochs drawn = {0};
    struct moments *moments = calloc(n * d, sizeof *moments);
    struct all_gradients samples = {0};
    double *at = doubles(4 * d, error);
    enum status status =
        moments && at ? open_linear(problem, x, &samples, error) : error_memory(error, 0, "a study of gradients");
    if (!status && sampling->batch_size != 1)
        status =
            error_set(error, STATUS_USAGE, "the bias along an epoch is that of single samples, not of batches of %zu",
                      sampling->batch_size);
    if (!status)
        status = epochs_open(sampling, n, &drawn, error);
    for (uint64_t e = 0; e < epochs && !status; e++) {
        double *step = at + d, *gradient = step + d, *excess = gradient + d;
        epochs_draw(&drawn, e);
        memcpy(at, x, d * sizeof *x);
        for (size_t k = 0; k < n; k++) {
            memset(excess, 0, d * sizeof *excess);
            add_excess(&samples, at, drawn.index[k], 1, step, gradient, excess);
            for (size_t j = 0; j < d; j++) {
                moments_add(&moments[k * d + j], excess[j]);
                at[j] -= eta * step[j];
            }
        }
    }
    for (size_t k = 0; k < n * d && !status; k++) {
        bias[k] = moments[k].mean;
        se[k] = standard_error(&moments[k]);
    }
    epochs_close(&drawn);
    gradients_close(&samples);
    free(moments);
    free(at);
    return status;
}

/* sum[d] += weight H_i v */
static void add_curvature(const struct problem *problem, const double *x, size_t i, const double *v, double weight,
                          double *sum)
{
    const struct matrix *a = &problem->data->train;
    const double curvature = problem->type->scalar->curvature(matrix_row_dot(a, i, x), problem->data->y[i]);
    matrix_row_axpy(a, i, weight * curvature * matrix_row_dot(a, i, v), sum);
}

enum status gradient_study_bias_slope(const struct problem *problem, const double *x, double eta, double *slope,
                                      struct error *error)
{
    const size_t n = problem->data->train.rows, d = problem_dim(problem);
    struct all_gradients samples;
    enum status status = open_linear(problem, x, &samples, error);
    if (!status && !problem->type->scalar->curvature)
        status = error_set(error, STATUS_UNSUPPORTED, "%s is not twice differentiable", problem->type->method.name);
    double *gradient = status ? NULL : doubles(2 * d, error);
    if (!gradient) {
        gradients_close(&samples);
        return status ? status : STATUS_MEMORY;
    }
    double *one = gradient + d;
    const double weight = n > 1 ? eta / (double)(n - 1) / (double)n : 0;
    memset(slope, 0, d * sizeof *slope);
    mean_gradient(&samples, gradient);
    /* mean (H_i - H) g_i = mean H_i (g_i - g); the l2 part of the Hessians cancels */
    for (size_t i = 0; i < n; i++) {
        memset(one, 0, d * sizeof *one);
        add_gradient(&samples, i, 1, one);
        for (size_t j = 0; j < d; j++)
            one[j] -= gradient[j];
        add_curvature(problem, x, i, one, weight, slope);
    }
    gradients_close(&samples);
    free(gradient);
    return STATUS_OK;
}
