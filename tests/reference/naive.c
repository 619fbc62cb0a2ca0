/* The naive SGD: see naive.h. */
#include "naive.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/update.h"

static double norm(size_t d, const double *x)
{
    double sum = 0;
    for (size_t j = 0; j < d; j++)
        sum += x[j] * x[j];
    return sqrt(sum);
}

/* x *= min(1, limit / |x|) */
static void shorten(size_t d, double limit, double *x)
{
    double length = norm(d, x);
    if (length > limit)
        for (size_t j = 0; j < d; j++)
            x[j] *= limit / length;
}

void naive_loss_gradient(const struct problem *problem, enum clip_each clip, double tau, const uint32_t *index,
                         size_t size, const double *x, double *g, double *scratch)
{
    const struct matrix *a = &problem->data->train;
    size_t d = problem_dim(problem);
    memset(g, 0, d * sizeof *g);
    for (size_t s = 0; s < size; s++) {
        size_t i = index[s];
        double slope = problem->type->scalar->slope(matrix_row_dot(a, i, x), problem->data->y[i]);
        memset(scratch, 0, d * sizeof *scratch);
        matrix_row_axpy(a, i, slope, scratch);
        if (clip == CLIP_SAMPLE)
            shorten(d, tau, scratch);
        for (size_t j = 0; j < d; j++)
            g[j] += scratch[j] / (double)size;
    }
    if (clip == CLIP_BATCH)
        shorten(d, tau, g);
}

/* One trajectory, or one worker of local SGD. */
struct worker {
    struct sampler sampler;
    uint32_t *index; /* one batch */
    double *x, *v;
};

struct naive {
    const struct run_config *config;
    size_t d;
    size_t workers;
    struct worker *worker;
    double *g, *scratch;
    double *mean;     /* of the workers' x */
    double *average;  /* xbar */
    double *weighted; /* sum of w_s x_s */
    double weights;   /* sum of w_s */
};

static void naive_close(struct naive *run)
{
    for (size_t k = 0; run->worker && k < run->workers; k++) {
        free(run->worker[k].sampler.scratch);
        free(run->worker[k].index);
        free(run->worker[k].x);
        free(run->worker[k].v);
    }
    free(run->worker);
    free(run->g);
    free(run->scratch);
    free(run->mean);
    free(run->average);
    free(run->weighted);
}

static bool worker_open(const struct run_config *config, uint64_t seed, uint64_t replicate, uint64_t number,
                        const double *start, struct worker *worker)
{
    const struct sampler_type *type = config->sampler;
    size_t n = config->problem.data->train.rows, d = problem_dim(&config->problem), m = config->batch_size;
    worker->sampler = (struct sampler){
        .type = type,
        .values = config->sampler_values,
        .n = (uint32_t)n,
        .batch_size = m,
        .keep_last = config->keep_last,
        .stream = rng_stream(seed, RNG_SAMPLING, config->stream_group ^ number << 48, replicate),
    };
    worker->sampler.scratch = calloc(type->scratch_words ? type->scratch_words(n, m) : 1, sizeof(uint32_t));
    worker->index = calloc(sampler_max_batch(type, n, m), sizeof *worker->index);
    worker->x = calloc(d, sizeof *worker->x);
    worker->v = calloc(d, sizeof *worker->v);
    if (!worker->sampler.scratch || !worker->index || !worker->x || !worker->v)
        return false;
    memcpy(worker->x, start, d * sizeof *start);
    return true;
}

static bool naive_open(const struct run_config *config, uint64_t seed, uint64_t replicate, const double *start,
                       struct naive *run)
{
    size_t d = problem_dim(&config->problem);
    *run = (struct naive){.config = config, .d = d, .workers = config->local_workers ? config->local_workers : 1};
    run->worker = calloc(run->workers, sizeof *run->worker);
    run->g = calloc(d, sizeof *run->g);
    run->scratch = calloc(d, sizeof *run->scratch);
    run->mean = calloc(d, sizeof *run->mean);
    run->average = calloc(d, sizeof *run->average);
    run->weighted = calloc(d, sizeof *run->weighted);
    if (!run->worker || !run->g || !run->scratch || !run->mean || !run->average || !run->weighted)
        return false;
    for (size_t k = 0; k < run->workers; k++)
        if (!worker_open(config, seed, replicate, k, start, &run->worker[k]))
            return false;
    return true;
}

static double update_value(const struct run_config *config, const char *name)
{
    const struct method *method = &config->update->method;
    int i = param_find(method->params, method->param_count, name);
    return i < 0 ? 0 : config->update_values.scalar[i];
}

static double sign(double x)
{
    return (double)((x > 0) - (x < 0));
}

/* soft(x, t): the minimiser of (u - x)^2 / 2 + t |u| */
static double soft(double x, double t)
{
    return fabs(x) > t ? x - t * sign(x) : 0;
}

static void worker_step(struct naive *run, struct worker *worker, uint64_t t)
{
    const struct run_config *config = run->config;
    const struct problem *problem = &config->problem;
    size_t d = run->d, penalized = problem_penalized(problem);
    double *x = worker->x, *v = worker->v, *g = run->g, eta;
    uint32_t size;

    config->sampler->draw(&worker->sampler, t, 1, worker->index, &size);
    schedule_rates(&config->schedule, t, 1, config->steps, &eta);

    naive_loss_gradient(problem, config->clip, config->clip_norm, worker->index, size, x, g, run->scratch);
    for (size_t j = 0; j < penalized; j++) {
        g[j] += problem->l2 * x[j];
        if (problem->l1_form == L1_SUBGRADIENT)
            g[j] += problem->l1 * sign(x[j]);
    }

    const char *rule = config->update->method.name;
    double beta = update_value(config, "momentum"), dampening = update_value(config, "dampening");
    for (size_t j = 0; j < d; j++) {
        v[j] = beta * v[j] + (1 - dampening) * g[j];
        if (strcmp(rule, "sgd") == 0)
            x[j] -= eta * g[j];
        else if (strcmp(rule, "heavy_ball") == 0)
            x[j] -= eta * v[j];
        else
            x[j] -= eta * (g[j] + beta * v[j]);
    }

    if (problem->l1_form == L1_PROXIMAL)
        for (size_t j = 0; j < penalized; j++)
            x[j] = soft(x[j], eta * problem->l1);
    shorten(d, problem->radius, x);
}

/* The mean of the workers, and the average up to step t. */
static void observe_step(struct naive *run, uint64_t t)
{
    const struct run_config *config = run->config;
    size_t d = run->d;
    for (size_t j = 0; j < d; j++) {
        run->mean[j] = 0;
        for (size_t k = 0; k < run->workers; k++)
            run->mean[j] += run->worker[k].x[j] / (double)run->workers;
    }
    double w = config->averager->last ? 0 : config->averager->weight(&config->averager_values, t, config->steps);
    run->weights += w;
    for (size_t j = 0; j < d; j++) {
        run->weighted[j] += w * run->mean[j];
        run->average[j] = run->weights > 0 ? run->weighted[j] / run->weights : run->mean[j];
    }
}

/* Local SGD: every worker goes on from the means of x and of v. */
static void synchronize(struct naive *run)
{
    double workers = (double)run->workers;
    for (size_t j = 0; j < run->d; j++) {
        double v = 0;
        for (size_t k = 0; k < run->workers; k++)
            v += run->worker[k].v[j] / workers;
        for (size_t k = 0; k < run->workers; k++) {
            run->worker[k].x[j] = run->mean[j];
            run->worker[k].v[j] = v;
        }
    }
}

enum status naive_sgd(const struct run_config *config, uint64_t seed, uint64_t replicate, const double *start,
                      naive_observer *observe, void *context, struct error *error)
{
    const char *rule = config->update->method.name;
    if (strcmp(rule, "sgd") != 0 && strcmp(rule, "heavy_ball") != 0 && strcmp(rule, "nesterov") != 0)
        return error_set(error, STATUS_UNSUPPORTED, "the naive reference does not know the update rule %s", rule);
    struct naive run;
    if (!naive_open(config, seed, replicate, start, &run)) {
        naive_close(&run);
        return error_memory(error, run.d * sizeof(double), "the naive run");
    }
    observe_step(&run, 0);
    observe(context, 0, run.mean, run.average);
    for (uint64_t t = 0; t < config->steps; t++) {
        for (size_t k = 0; k < run.workers; k++)
            worker_step(&run, &run.worker[k], t);
        observe_step(&run, t + 1);
        if (run.workers > 1 && (t + 1) % config->sync_every == 0)
            synchronize(&run);
        observe(context, t + 1, run.mean, run.average);
    }
    naive_close(&run);
    return STATUS_OK;
}
