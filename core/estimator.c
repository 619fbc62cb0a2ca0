/* Estimator runs: freeze an iterate, draw batches through the sampler, accumulate their gradients. A draw is cheap: the
 * gradients at the frozen iterate are known once and for all, as multiples of the rows of a matrix (of the data, for
 * linear models), so a batch gradient is one weighted sum of rows. */
#include "estimator.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "estimator_internal.h"
#include "sample_gradients.h"

const uint64_t estimator_lag[ESTIMATOR_LAGS] = {1, 2, 5, 10};

enum {
    CHUNK_DRAWS = 256,    /* draws between two looks at *stop, and in one partial sum */
    CHUNK_INDICES = 8192, /* samples drawn at once (one batch at least) */
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- set-up ---- */

/* Hands out pieces of one block, each a whole number of cache lines. */
static void *carve(double **next, size_t count)
{
    void *piece = *next;
    *next += (count + 7) / 8 * 8;
    return piece;
}

/* A batch's gradient costs O(nonzeros), not O(d), when it leaves most columns alone; a covariance needs them all. */
static bool touches_few(const struct estimator *e)
{
    if (e->request->config->problem.type->model)
        return false;
    const double touched = (double)e->batch * (double)e->a->nnz / (double)e->n;
    const bool velocities = e->request->config->velocity_steps > 0;
    return e->a->sparse && !velocities && e->d > ESTIMATOR_COVARIANCE_DIM && 4 * touched < (double)e->d;
}

static enum status open_arrays(struct estimator *e, double **block, struct error *error)
{
    const bool few = touches_few(e), velocities = e->request->config->velocity_steps > 0;
    const size_t d = e->padded, n = (e->n + 7) / 8 * 8, m = (e->batch + 7) / 8 * 8;
    const size_t square = e->d <= ESTIMATOR_COVARIANCE_DIM ? (e->d * e->d + 7) / 8 * 8 : 0;
    /* stamp and touched take the room of as many doubles. */
    const size_t count = 9 * d + n + m + square + (few ? 3 * d : 0) + (velocities ? 2 * d : 0);
    *block = aligned_alloc(64, count * sizeof(double));
    if (!*block)
        return error_memory(error, count * sizeof(double), "an estimator run");
    double *next = memset(*block, 0, count * sizeof(double));
    e->x = carve(&next, d);
    e->gradient = carve(&next, d);
    e->unit = carve(&next, d);
    e->variance = carve(&next, d);
    e->rounding = carve(&next, d);
    e->sum = carve(&next, d);
    e->deviation = carve(&next, d);
    e->total = carve(&next, d);
    e->part = carve(&next, d);
    e->slope = carve(&next, n);
    e->z = carve(&next, m);
    if (square)
        e->covariance = carve(&next, square);
    if (few) {
        e->hits = carve(&next, d);
        e->stamp = carve(&next, d);
        e->touched = carve(&next, d);
    }
    if (velocities)
        e->velocity = carve(&next, 2 * d);
    return STATUS_OK;
}

/* A model's gradients at x become the rows of a matrix, which a batch adds up with slopes of 1. */
static enum status write_gradients(struct estimator *e, struct error *error)
{
    enum status status = sample_gradients_write(&e->request->config->problem, e->x, &e->written, error);
    e->a = &e->written;
    for (size_t i = 0; i < e->n; i++)
        e->slope[i] = 1;
    return status;
}

/* Every kind but `after` is a start, with noise of its own. */
enum status estimator_point(const struct run_request *of, const atomic_bool *stop, double *x, struct error *error)
{
    const struct run_config *c = of->config;
    const bool optimum = c->at == AT_OPTIMUM || c->at == AT_OPTIMUM_GAUSSIAN;
    const struct reference *reference = c->reference;
    if (c->at == AT_AFTER)
        return run_last_iterate(of, stop, x, error);
    if (optimum && (!reference || !reference->exists))
        return error_set(error, STATUS_USAGE, "at: optimum, but this problem has none: %s",
                         reference ? reference->reason : "it was not solved");
    struct run_config place = *c;
    struct run_request request = *of;
    request.config = &place;
    if (c->at == AT_OPTIMUM)
        place.start = (struct start){.kind = START_OPTIMUM};
    else if (c->at != AT_START)
        place.start = (struct start){.kind = START_GAUSSIAN, .scale = c->at_scale};
    enum status status = run_start(&request, x, 1, error);
    for (size_t j = 0; !status && c->at == AT_OPTIMUM_GAUSSIAN && j < problem_dim(&c->problem); j++)
        x[j] += reference->x[j];
    return status;
}

/* ---- draws ---- */

/* The columns of these rows that this draw has not touched yet. */
static size_t list_touched(struct estimator *e, const uint32_t *index, size_t rows)
{
    size_t count = 0;
    for (size_t r = 0; r < rows; r++)
        for (size_t p = e->a->row[index[r]]; p < e->a->row[index[r] + 1]; p++) {
            uint32_t j = e->a->column[p];
            if (e->stamp[j] == e->draws + 1)
                continue;
            e->stamp[j] = e->draws + 1;
            e->sum[j] = 0;
            e->touched[count++] = j;
        }
    return count;
}

void estimator_batch(struct estimator *e, const uint32_t *index, size_t rows)
{
    if (!e->hits)
        memset(e->sum, 0, e->padded * sizeof *e->sum);
    for (size_t r = 0; r < rows; r++)
        e->z[r] = e->slope[index[r]];
    e->kernels->backward(e->a, index, 0, rows, e->z, 1, e->sum);
}

/* The deviation is that of the first `count` touched columns, or of all. The untouched ones deviate by minus the
 * gradient: their part of each sum is that of all columns minus that of the touched ones. */
static void add_deviation(struct estimator *e, size_t count)
{
    const double inverse_count = 1.0 / (double)(e->draws + 1);
    const uint32_t *list = e->hits ? e->touched : NULL;
    double square = 0, along = 0, other_square = list ? e->gradient2 : 0, other_along = list ? e->along : 0;
    for (size_t t = 0; t < count; t++) {
        const size_t j = list ? list[t] : t;
        const double deviation = e->deviation[j];
        e->part[j] += deviation;
        square += deviation * deviation;
        along += e->unit[j] * deviation;
        if (list) {
            e->hits[j]++;
            other_square -= e->gradient[j] * e->gradient[j];
            other_along -= e->unit[j] * e->gradient[j];
        }
    }
    along -= other_along;
    add_value(&e->square, square + fmax(other_square, 0), inverse_count);
    add_value(&e->projection, along, inverse_count);
    for (size_t k = 0; k < e->directions; k++) {
        const size_t j = e->column[k];
        const bool untouched = list && !along_gradient(e, k) && e->stamp[j] != e->draws + 1;
        const double v = along_gradient(e, k) ? along : untouched ? -e->gradient[j] : e->deviation[j];
        add_value(&e->direction[k], v * v, inverse_count);
    }
    for (size_t i = 0; e->covariance && i < e->d; i++)
        for (size_t k = 0; k <= i; k++)
            e->covariance[i * e->d + k] += e->deviation[i] * e->deviation[k];
    e->draws++;
}

void estimator_add(struct estimator *e)
{
    add_deviation(e, e->d);
}

static void add_batch(struct estimator *e, const uint32_t *index, size_t rows)
{
    const double inverse = 1.0 / (double)rows;
    const size_t count = e->hits ? list_touched(e, index, rows) : e->d;
    estimator_batch(e, index, rows);
    for (size_t t = 0; t < count; t++) {
        const size_t j = e->hits ? e->touched[t] : t;
        e->deviation[j] = e->sum[j] * inverse - e->gradient[j];
    }
    add_deviation(e, count);
}

void estimator_end_chunk(struct estimator *e)
{
    for (size_t j = 0; j < e->d; j++) {
        e->total[j] += e->part[j];
        e->part[j] = 0;
    }
}

/* Draw number `draw` of a sampler by epochs: see estimator.h. */
static void draw_epoch(const struct estimator *e, struct sampler *sampler, size_t words, uint64_t draw, uint32_t *index,
                       uint32_t *size)
{
    const struct run_request *r = e->request;
    const uint64_t group = r->config->stream_group;
    const struct rng_stream stream = rng_stream(r->seed, RNG_ESTIMATOR, group, r->replicate);
    const size_t per_epoch = sampler_steps_per_epoch(sampler->type, e->n, sampler->batch_size, sampler->keep_last);
    uint64_t word[2];
    rng_words(&stream, 2 * draw, 2, word);
    sampler->stream = rng_stream(word[0], RNG_SAMPLING, group, r->replicate);
    memset(sampler->scratch, 0, words * sizeof *sampler->scratch);
    sampler->type->draw(sampler, draw * per_epoch + rng_index(word[1], (uint32_t)(e->n / e->batch)), 1, index, size);
}

static enum status draw_all(struct estimator *e, uint64_t draws, struct sampler *sampler, size_t words, uint32_t *index,
                            uint32_t *size, size_t chunk, const atomic_bool *stop)
{
    const struct run_config *c = e->request->config;
    /* Training has used up its steps of the stream: the frozen iterate depends on them. */
    const uint64_t first = c->at == AT_AFTER ? c->steps : 0;
    if (e->velocity)
        return estimator_draw_velocities(e, draws, first, sampler, index, size, chunk, stop);
    while (e->draws < draws) {
        if (stop && atomic_load_explicit(stop, memory_order_relaxed))
            return STATUS_INTERRUPTED;
        size_t count = draws - e->draws < chunk ? (size_t)(draws - e->draws) : chunk;
        const uint32_t *at = index;
        if (!sampler->type->by_epoch)
            sampler->type->draw(sampler, first + e->draws, count, index, size);
        for (size_t s = 0; s < count; s++) {
            if (sampler->type->by_epoch) {
                draw_epoch(e, sampler, words, e->draws, index, size);
                at = index;
            }
            const size_t rows = size[sampler->type->by_epoch ? 0 : s];
            add_batch(e, at, rows);
            at += rows;
        }
        estimator_end_chunk(e);
    }
    return STATUS_OK;
}

static enum status draw_batches(struct estimator *e, const atomic_bool *stop, struct error *error)
{
    const struct run_request *r = e->request;
    const struct run_config *c = r->config;
    const bool full = c->sampler->deterministic && !c->sampler->by_epoch;
    const size_t words = c->sampler->scratch_words ? c->sampler->scratch_words(e->n, c->batch_size) : 0;
    size_t chunk = CHUNK_INDICES / e->batch;
    chunk = chunk < 1 ? 1 : chunk > CHUNK_DRAWS ? CHUNK_DRAWS : chunk;
    uint32_t *index = malloc(chunk * e->batch * sizeof *index), *size = malloc(chunk * sizeof *size);
    struct sampler sampler = {
        .type = c->sampler,
        .values = c->sampler_values,
        .n = (uint32_t)e->n,
        .batch_size = c->batch_size,
        .keep_last = c->keep_last,
        .stream = rng_stream(r->seed, RNG_SAMPLING, c->stream_group, r->replicate),
        .scratch = calloc(words + 1, sizeof(uint32_t)),
    };
    enum status status = STATUS_OK;
    if (index && size && sampler.scratch)
        status = draw_all(e, full ? 1 : c->draws, &sampler, words, index, size, chunk, stop);
    else
        status = error_memory(error, (chunk * e->batch + words) * sizeof *index, "the draws of an estimator run");
    if (status == STATUS_INTERRUPTED)
        error_set(error, status, "interrupted");
    free(sampler.scratch);
    free(size);
    free(index);
    return status;
}

/* ---- results ---- */

double estimator_standard_error(const struct mean_square *moments, uint64_t count)
{
    return count > 1 ? sqrt(moments->squares / (double)(count - 1) / (double)count) : 0;
}

static enum status take_covariance(const struct estimator *e, struct estimator_result *result, struct error *error)
{
    const size_t d = e->d, bytes = d * d * sizeof(double);
    result->covariance_dim = d;
    result->covariance = malloc(bytes);
    result->covariance_predicted = malloc(bytes);
    if (!result->covariance || !result->covariance_predicted)
        return error_memory(error, 2 * bytes, "a covariance");
    for (size_t i = 0; i < d; i++)
        for (size_t k = 0; k < d; k++) {
            const size_t lower = i > k ? i * d + k : k * d + i;
            result->covariance[i * d + k] = e->covariance[lower] / (double)e->draws;
            result->covariance_predicted[i * d + k] = e->kappa * e->sigma[i * d + k];
        }
    return STATUS_OK;
}

static enum status take_result(struct estimator *e, struct estimator_result *result, struct error *error)
{
    const double draws = (double)e->draws;
    result->draws = e->draws;
    result->gradient_norm2 = e->norm2;
    result->sigma2 = e->sigma2;
    result->kappa = e->kappa;
    result->predicted = e->kappa * e->sigma2;
    result->variance = e->square.mean;
    result->variance_se = estimator_standard_error(&e->square, e->draws);
    if (e->norm > 0) {
        result->bias_along_gradient = e->projection.mean / (e->mean * e->norm);
        result->bias_along_gradient_se = estimator_standard_error(&e->projection, e->draws) / (e->mean * e->norm);
    }
    result->lags = e->velocity && e->square.mean > 0 ? ESTIMATOR_LAGS : 0;
    for (size_t k = 0; k < result->lags; k++) {
        const double predicted = pow(e->beta, (double)estimator_lag[k]);
        result->autocorrelation_predicted[k] = predicted;
        result->autocorrelation[k] = predicted + e->lag[k].mean / e->square.mean;
        result->autocorrelation_se[k] = estimator_standard_error(&e->lag[k], e->draws) / e->square.mean;
    }
    result->directions = e->directions;
    for (size_t k = 0; k < e->directions; k++) {
        result->direction_variance[k] = e->direction[k].mean;
        result->direction_predicted[k] = e->kappa * e->direction_variance[k];
        result->direction_se[k] = estimator_standard_error(&e->direction[k], e->draws);
    }
    for (size_t j = 0; j < e->d; j++) {
        double untouched = e->hits ? draws - e->hits[j] : 0;
        e->total[j] = (e->total[j] - untouched * e->gradient[j]) / draws;
    }
    enum status status = estimator_bias(e, e->total, result, error);
    return !status && e->covariance ? take_covariance(e, result, error) : status;
}

enum status estimator_run(const struct run_request *request, const atomic_bool *stop, struct estimator_result *result,
                          struct error *error)
{
    const struct run_config *c = request->config;
    const struct matrix *a = &c->problem.data->train;
    const size_t d = problem_dim(&c->problem);
    const double start = now(), n = (double)a->rows;
    struct estimator e = {
        .request = request,
        .kernels = kernels_active(),
        .a = a,
        .n = a->rows,
        .d = d,
        .padded = matrix_stride(d),
        .batch = sampler_max_batch(c->sampler, a->rows, c->batch_size),
    };
    const double m = (double)e.batch;
    e.kappa = a->rows == 1 ? 0 : c->sampler->with_replacement ? 1 / m : (n - m) / (m * (n - 1));
    e.mean = 1;
    if (c->velocity_steps > 0) {
        const double t = (double)c->velocity_steps;
        e.beta = config_momentum(c);
        e.mean = 1 - pow(e.beta, t);
        e.kappa *= (1 - e.beta) / (1 + e.beta) * (1 - pow(e.beta, 2 * t));
    }
    double *block = NULL;
    *result = (struct estimator_result){0};
    enum status status = open_arrays(&e, &block, error);
    if (!status)
        status = estimator_point(request, stop, e.x, error);
    if (!status && c->problem.type->model)
        status = write_gradients(&e, error);
    if (!status)
        status = estimator_exact(&e, error);
    if (!status)
        status = draw_batches(&e, stop, error);
    if (!status)
        status = take_result(&e, result, error);
    matrix_free(&e.written);
    free(e.sigma);
    free(block);
    result->seconds = now() - start;
    if (status)
        estimator_result_free(result);
    return status;
}

void estimator_result_free(struct estimator_result *result)
{
    free(result->covariance);
    free(result->covariance_predicted);
    *result = (struct estimator_result){0};
}
