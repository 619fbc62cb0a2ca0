/* Signatures of configurations, and what the engine's header promises about blocks: who may share one, and its cost. */
#include "signature.h"

#include <math.h>
#include <string.h>

#include "estimator.h"

enum { STREAM_DIM_MAX = 64 }; /* beyond it gathering a row per lane costs more than it saves */

/* Two multiply-and-shift chains with the constants of splitmix64 and of MurmurHash3's finaliser. */
static void mix(struct signature *signature, uint64_t word)
{
    uint64_t *a = &signature->word[0], *b = &signature->word[1];
    *a = (*a ^ word) * 0x9e3779b97f4a7c15u;
    *a ^= *a >> 32;
    *b = (*b + word) * 0xff51afd7ed558ccdu;
    *b ^= *b >> 29;
    *b = *b * 0xc4ceb9fe1a85ec53u + *a;
}

static void mix_real(struct signature *signature, double value)
{
    uint64_t word;
    value += 0.0; /* -0 is 0 */
    memcpy(&word, &value, sizeof word);
    mix(signature, word);
}

static void mix_pointer(struct signature *signature, const void *pointer)
{
    mix(signature, (uintptr_t)pointer);
}

/* first: parameters before it are left out. */
static void mix_values(struct signature *signature, const struct method *method, const struct param_values *values,
                       size_t first)
{
    for (size_t i = first; i < method->param_count; i++)
        if (method->params[i].kind != PARAM_LIST)
            mix_real(signature, values->scalar[i]);
    mix(signature, values->list_count);
    for (size_t i = 0; i < values->list_count; i++)
        mix_real(signature, values->list[i]);
}

int signature_compare(const struct signature *a, const struct signature *b)
{
    for (size_t i = 0; i < 2; i++)
        if (a->word[i] != b->word[i])
            return a->word[i] < b->word[i] ? -1 : 1;
    return 0;
}

/* The first member of struct update_type, whose file belongs to the kernels. */
static const struct method *update_method(const struct run_config *config)
{
    return (const struct method *)config->update;
}

struct signature signature_block(const struct run_config *config, enum block_layout layout)
{
    struct signature signature = {{1, 2}};
    const struct problem *problem = &config->problem;
    mix_pointer(&signature, problem->type);
    mix_values(&signature, &problem->type->method, &problem->values, 0);
    mix_pointer(&signature, problem->data);
    mix_pointer(&signature, config->sampler);
    mix_pointer(&signature, config->update);
    mix_values(&signature, &config->sampler->method, &config->sampler_values, 0);
    mix(&signature, config->batch_size);
    mix(&signature, config->steps);
    mix(&signature, config->local_workers);
    mix(&signature, config->sync_every);
    mix(&signature, config->metrics);
    mix(&signature, config->draws);
    mix(&signature, config->velocity_steps);
    mix(&signature, (uint64_t)config->kind | (uint64_t)config->timing << 8 | (uint64_t)config->clip << 16 |
                        (uint64_t)config->at << 24 | (uint64_t)config->keep_last << 32 |
                        (uint64_t)problem->l1_form << 40);
    /* Which form of the step runs is decided for a block as a whole. */
    if (config->kind == KIND_TRAINING)
        mix(&signature, config_is_lazy(config));
    /* Penalties and the ball may differ in strength, but are there for all lanes or for none. */
    mix(&signature, (uint64_t)(problem->l1 > 0.0) | (uint64_t)(problem->l2 > 0.0) << 8 |
                        (uint64_t)isfinite(problem->radius) << 16 | (uint64_t)problem->penalize_intercept << 24);
    mix(&signature, config_is_lazy(config));
    mix_real(&signature, config->clip_norm);
    const struct record_grid *grid = config->grid;
    mix(&signature, grid ? grid->count : 0);
    for (size_t i = 0; grid && i < grid->count; i++)
        mix(&signature, grid->step[i]);
    if (layout != LAYOUT_STREAM_PER_LANE)
        mix(&signature, config->stream_group);
    return signature;
}

struct signature signature_trajectory(const struct run_config *config)
{
    struct signature signature = signature_block(config, LAYOUT_SHARED_STREAM);
    const struct problem *problem = &config->problem;
    const struct schedule *schedule = &config->schedule;
    mix_real(&signature, problem->l1);
    mix_real(&signature, problem->l2);
    mix_real(&signature, problem->radius);
    mix(&signature, config->start.kind);
    mix_real(&signature, config->start.scale);
    for (size_t i = 0; config->start.kind == START_LIST && i < problem_dim(problem); i++)
        mix_real(&signature, config->start.list[i]);
    mix_pointer(&signature, schedule->type);
    if (schedule->type)
        mix_values(&signature, &schedule->type->method, &schedule->values, 0);
    mix(&signature, schedule->warmup);
    mix_values(&signature, update_method(config), &config->update_values, 0);
    mix_real(&signature, config->at_scale);
    return signature;
}

struct signature signature_averager(const struct run_config *config)
{
    struct signature signature = {{3, 4}};
    mix_pointer(&signature, config->averager);
    mix_values(&signature, &config->averager->method, &config->averager_values, 0);
    return signature;
}

bool signature_alone(const struct run_config *config)
{
    return config->kind != KIND_TRAINING || config->timing == TIMING_SOLO || config->local_workers > 1;
}

bool signature_streams(const struct run_config *config)
{
    const struct matrix *train = &config->problem.data->train;
    return !signature_alone(config) && !train->sparse && (config->problem.type->model || train->cols <= STREAM_DIM_MAX);
}

bool block_compatible(const struct run_request *a, const struct run_request *b, enum block_layout layout)
{
    if (signature_alone(a->config) || signature_alone(b->config))
        return a == b;
    bool same_stream = a->seed == b->seed && a->replicate == b->replicate;
    if (layout == LAYOUT_AUTO)
        layout = same_stream && a->config->stream_group == b->config->stream_group ? LAYOUT_SHARED_STREAM
                                                                                   : LAYOUT_STREAM_PER_LANE;
    if (layout == LAYOUT_SHARED_STREAM && !same_stream)
        return false;
    if (layout == LAYOUT_STREAM_PER_LANE && a->config->problem.data->train.sparse)
        return false;
    struct signature left = signature_block(a->config, layout), right = signature_block(b->config, layout);
    return signature_compare(&left, &right) == 0;
}

bool block_same_trajectory(const struct run_request *a, const struct run_request *b)
{
    const struct run_config *x = a->config, *y = b->config;
    if (a->seed != b->seed || a->replicate != b->replicate)
        return false;
    if (x == y)
        return true;
    /* What lanes of a block mostly differ in; the signatures take longer. */
    if (x->schedule.values.scalar[0] != y->schedule.values.scalar[0] || x->problem.l2 != y->problem.l2 ||
        x->schedule.type != y->schedule.type || x->schedule.warmup != y->schedule.warmup)
        return false;
    struct signature left = signature_trajectory(a->config), right = signature_trajectory(b->config);
    return signature_compare(&left, &right) == 0;
}

/* Seconds, roughly those of one core of 2020 with 512-bit vectors. */
static const double STEP_SECONDS = 60e-9;    /* loop overhead of a step, whatever its size */
static const double SAMPLE_SECONDS = 1e-9;   /* loss derivative of one sample and lane */
static const double ENTRY_SECONDS = 0.1e-9;  /* forward and backward, one entry and lane */
static const double UPDATE_SECONDS = 0.1e-9; /* one coordinate and lane */
static const double POINT_SECONDS = 2e-6;    /* one recorded point */
static const double ORDER_SECONDS = 4e-9;    /* one sample of a new random order */

double block_cost(const struct run_config *config, size_t lanes)
{
    const struct matrix *train = &config->problem.data->train;
    const bool model = config->problem.type->model != NULL;
    const double n = (double)train->rows, dim = (double)problem_dim(&config->problem);
    const double row = model ? dim : (double)train->nnz / n;
    /* Vectors have 8 lanes, and one lane alone costs about a third of them. */
    double width = lanes == 1 ? 3.0 : 8.0 * ceil((double)lanes / 8.0);
    double sample = width * (SAMPLE_SECONDS + row * ENTRY_SECONDS);
    double touched = train->sparse && !model ? fmin(dim, (double)config->batch_size * row) : dim;
    double step = STEP_SECONDS + (double)config->batch_size * sample + width * touched * UPDATE_SECONDS;
    double workers = (double)config->local_workers;
    if (config->kind == KIND_ESTIMATOR) {
        /* Samplers by epochs order all samples for each draw. */
        bool orders = config->sampler->by_epoch && !config->sampler->deterministic;
        double draw = step + (orders ? n * ORDER_SECONDS : 0);
        if (config->velocity_steps)
            draw *= (double)(config->velocity_steps + estimator_lag[ESTIMATOR_LAGS - 1]);
        return (double)config->steps * step + (double)config->draws * draw + n * sample * (1.0 + row);
    }
    double pass = (n + (double)config->problem.data->test.rows) * sample;
    double points = config->grid ? (double)config->grid->count : (double)config->points;
    return (double)config->steps * step * workers + points * (POINT_SECONDS + pass);
}
