/* Setting up a block: which lane serves which run, memory, starts, streams. */
#include "engine_block.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "curvature.h"
#include "model.h"

static size_t round_up(size_t n, size_t multiple)
{
    return (n + multiple - 1) / multiple * multiple;
}

/* Zeroed, 64-byte aligned, freed by block_close; NULL sets *status. */
static void *take(struct block *b, size_t count, size_t size, enum status *status, struct error *error)
{
    size_t bytes;
    if (*status)
        return NULL;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - 256) {
        *status = error_set(error, STATUS_MEMORY, "a block of lanes needs more memory than can be addressed");
        return NULL;
    }
    struct allocation *a = aligned_alloc(64, round_up(bytes, 64) + 128);
    if (!a) {
        *status = error_memory(error, bytes, "a block of lanes");
        return NULL;
    }
    a->next = b->allocations;
    b->allocations = a;
    return memset((char *)a + 64, 0, round_up(bytes, 64) + 64);
}

#define TAKE(count, type) ((type *)take(b, (count), sizeof(type), &status, error))

void block_close(struct block *b)
{
    curvature_close(b->curvature);
    b->curvature = NULL;
    while (b->allocations) {
        struct allocation *next = b->allocations->next;
        free(b->allocations);
        b->allocations = next;
    }
}

static bool same_averager(const struct observer *o, const struct run_config *c)
{
    if (o->type != c->averager)
        return false;
    for (size_t i = 0; i < o->type->method.param_count; i++)
        if (o->values->scalar[i] != c->averager_values.scalar[i])
            return false;
    return true;
}

/* Which lane and which average each run reads. */
static enum status assign(struct block *b, struct error *error)
{
    enum status status = STATUS_OK;
    b->lane_of = TAKE(b->runs, size_t);
    b->observer_of = TAKE(b->runs, size_t);
    b->lane_request = TAKE(b->runs, const struct run_request *);
    b->observer = TAKE(b->runs, struct observer);
    if (status)
        return status;
    for (size_t i = 0; i < b->runs; i++) {
        const struct run_config *c = b->request[i].config;
        size_t lane = 0, o = 0;
        while (lane < b->trajectories && !block_same_trajectory(b->lane_request[lane], &b->request[i]))
            lane++;
        if (lane == b->trajectories)
            b->lane_request[b->trajectories++] = &b->request[i];
        b->lane_of[i] = lane;
        b->observer_of[i] = NO_OBSERVER;
        b->reads_last = b->reads_last || c->averager->last;
        if (c->averager->last)
            continue;
        while (o < b->observers && !same_averager(&b->observer[o], c))
            o++;
        if (o == b->observers)
            b->observer[b->observers++] = (struct observer){.type = c->averager, .values = &c->averager_values};
        b->observer_of[i] = o;
    }
    if (b->trajectories > LANES_MAX || b->observers > LANES_MAX)
        return error_set(error, STATUS_UNSUPPORTED,
                         "%zu trajectories and %zu averages in one block; at most %d of each", b->trajectories,
                         b->observers, LANES_MAX);
    return STATUS_OK;
}

static bool same_stream(const struct run_request *a, const struct run_request *b)
{
    return a->seed == b->seed && a->replicate == b->replicate && a->config->stream_group == b->config->stream_group;
}

static enum status open_samplers(struct block *b, struct error *error)
{
    enum status status = STATUS_OK;
    const struct run_config *c = b->request[0].config;
    const size_t n = b->lanes.a->rows;
    b->samplers = b->each ? b->lanes.width : 1;
    b->max_batch = sampler_max_batch(c->sampler, n, c->batch_size);
    b->draw_steps = DRAW_INDICES / b->max_batch;
    if (b->draw_steps < 1)
        b->draw_steps = 1;
    if (b->draw_steps > DRAW_STEPS)
        b->draw_steps = DRAW_STEPS;
    b->index_stride = b->draw_steps * b->max_batch + 16; /* a line more: streams must not share cache sets */
    b->scratch_words = c->sampler->scratch_words ? c->sampler->scratch_words(n, c->batch_size) : 0;
    b->sampler = TAKE(b->samplers, struct sampler);
    b->index = TAKE(b->index_stride * b->samplers, uint32_t);
    b->size = TAKE(b->draw_steps, uint32_t);
    for (size_t s = 0; s < b->samplers && !status; s++)
        b->sampler[s] = (struct sampler){
            .type = c->sampler,
            .values = c->sampler_values,
            .n = (uint32_t)n,
            .batch_size = c->batch_size,
            .keep_last = c->keep_last,
            .scratch = TAKE(b->scratch_words, uint32_t),
        };
    return status;
}

static void begin_streams(struct block *b)
{
    for (size_t s = 0; s < b->samplers; s++) {
        struct sampler *sampler = &b->sampler[s];
        bool used = s < (b->workers > 1 ? b->workers : b->trajectories);
        const struct run_request *r = b->lane_request[used && b->workers == 1 ? s : 0];
        uint64_t worker = b->workers > 1 && used ? (uint64_t)s << 48 : 0;
        sampler->stream = rng_stream(r->seed, RNG_SAMPLING, r->config->stream_group ^ worker, r->replicate);
        memset(sampler->scratch, 0, b->scratch_words * sizeof *sampler->scratch);
    }
}

static enum status open_rates(struct block *b, struct error *error)
{
    enum status status = STATUS_OK;
    const size_t width = b->lanes.width;
    b->group = TAKE(b->trajectories, struct shape_group);
    b->rate_floor = TAKE(width, double);
    b->rate_span = TAKE(width, double);
    b->eta = TAKE(b->draw_steps * width, double);
    b->shape = TAKE(b->draw_steps, double);
    b->warmup = TAKE(b->draw_steps, double);
    if (status)
        return status;
    b->constant_rates = true;
    for (size_t lane = 0; lane < b->trajectories && !status; lane++) {
        const struct schedule *schedule = &b->lane_request[lane]->config->schedule;
        size_t g = 0;
        while (g < b->groups && !schedule_same_shape(b->group[g].schedule, schedule))
            g++;
        if (g == b->groups) {
            b->group[b->groups++].schedule = schedule;
            b->group[g].lane = TAKE(width, size_t);
            if (status)
                return status;
        }
        b->group[g].lane[b->group[g].count++] = lane;
        b->constant_rates = b->constant_rates && schedule->type->constant && !schedule->warmup;
    }
    return status;
}

static void begin_rates(struct block *b)
{
    for (size_t lane = 0; lane < b->trajectories; lane++) {
        const struct schedule *schedule = &b->lane_request[lane]->config->schedule;
        const int floor_param = schedule->type->floor_param;
        const double floor = floor_param < 0 ? 0 : schedule->values.scalar[floor_param];
        for (size_t k = lane; k < (b->workers > 1 ? b->workers : lane + 1); k++) {
            b->rate_floor[k] = floor;
            b->rate_span[k] = schedule->values.scalar[0] - floor;
        }
    }
}

enum status run_start(const struct run_request *r, double *x, size_t width, struct error *error)
{
    const struct run_config *c = r->config;
    const size_t d = problem_dim(&c->problem);
    const struct reference *reference = c->reference;
    switch (c->start.kind) {
    case START_ZEROS:
        for (size_t j = 0; j < d; j++)
            x[j * width] = 0;
        break;
    case START_LIST:
        for (size_t j = 0; j < d; j++)
            x[j * width] = c->start.list[j];
        break;
    case START_GAUSSIAN: {
        struct rng_stream stream = rng_stream(r->seed, RNG_START, c->stream_group, r->replicate);
        gsl_rng *rng = rng_gsl_open(&stream);
        if (!rng)
            return error_memory(error, 1024, "a random start");
        for (size_t j = 0; j < d; j++)
            x[j * width] = gsl_ran_gaussian_ziggurat(rng, c->start.scale);
        gsl_rng_free(rng);
        break;
    }
    case START_INITIAL: {
        struct rng_stream stream = rng_stream(r->seed, RNG_START, c->stream_group, r->replicate);
        gsl_rng *rng = rng_gsl_open(&stream);
        if (!rng)
            return error_memory(error, 1024, "a random start");
        c->problem.type->model->start(&c->problem, rng, x, width);
        gsl_rng_free(rng);
        break;
    }
    case START_OPTIMUM:
    case START_INSTANCE: {
        const double *offset = c->start.kind == START_INSTANCE ? c->problem.data->start : NULL;
        if (!reference || !reference->exists)
            return error_set(error, STATUS_USAGE, "the start is relative to the optimum, but this problem has none: %s",
                             reference ? reference->reason : "it was not solved");
        for (size_t j = 0; j < d; j++)
            x[j * width] = reference->x[j] + (offset ? offset[j] : c->start.scale);
        break;
    }
    }
    return STATUS_OK;
}

static enum status begin_start(struct block *b, size_t lane, const struct run_request *r, struct error *error)
{
    const size_t width = b->lanes.width, d = b->lanes.dim;
    double *x = b->lanes.x + lane;
    const struct reference *reference = r->config->reference;
    const bool optimum = reference && reference->exists;
    enum status status = run_start(r, x, width, error);
    if (status)
        return status;
    double start2 = 0, optimum2 = 0;
    for (size_t j = 0; j < d; j++) {
        start2 += x[j * width] * x[j * width];
        optimum2 += optimum ? reference->x[j] * reference->x[j] : 0;
    }
    double size2 = fmax(fmax(start2, optimum2), 1.0);
    b->limit2[lane] = 1e16 * size2;
    return STATUS_OK;
}

bool config_is_lazy(const struct run_config *c)
{
    enum { LAZY_BATCH_MAX = 4096 }; /* beyond that the batch's own scalars outgrow the iterate they save */
    const struct matrix *a = &c->problem.data->train;
    if (!a->sparse || c->problem.type->model || !c->update || !c->update->lazy || isfinite(c->problem.radius) ||
        c->clip == CLIP_BATCH || c->local_workers > 1)
        return false;
    const struct lazy_type *lazy = c->update->lazy;
    if (sampler_max_batch(c->sampler, a->rows, c->batch_size) > LAZY_BATCH_MAX)
        return false;
    if (c->problem.l1 > 0 && (!lazy->l1 || c->problem.l1_form != L1_PROXIMAL))
        return false;
    if (!lazy->any_schedule && (!c->schedule.type->constant || c->schedule.warmup))
        return false;
    return lazy->any_weights || c->averager->last || c->averager->equal_weights;
}

/* Steps between settlings, each O(d): so many that they cost less than the steps themselves. */
static size_t lazy_window(const struct block *b)
{
    enum { WINDOW_MIN = 256, WINDOW_MAX = 16384 };
    const struct matrix *a = b->lanes.a;
    size_t touched = b->max_batch * (a->nnz / a->rows + 1), window = a->cols / touched + 1;
    window = window < WINDOW_MIN ? WINDOW_MIN : window > WINDOW_MAX ? WINDOW_MAX : window;
    return round_up(window, 64);
}

static enum penalty penalty_of(const struct problem *p)
{
    if (p->l1 > 0)
        return p->l1_form == L1_PROXIMAL ? PENALTY_L1_PROXIMAL : PENALTY_L1_SUBGRADIENT;
    return p->l2 > 0 ? PENALTY_L2 : PENALTY_NONE;
}

/* The arrays of lanes and what every lane is given. */
static enum status open_lanes(struct block *b, struct error *error)
{
    enum status status = STATUS_OK;
    struct lane_block *l = &b->lanes;
    const struct run_config *first = b->request[0].config;
    const size_t width = l->width, d = l->dim, padded = round_up(d, 8);
    l->x = TAKE(padded * width, double);
    l->gradient = TAKE(padded * width, double);
    for (size_t s = 0; s < b->update->slots; s++)
        l->slot[s] = TAKE(padded * width, double);
    for (size_t q = 0; q < b->update->method.param_count; q++)
        l->param[q] = TAKE(width, double);
    l->l1 = TAKE(width, double);
    l->l2 = TAKE(width, double);
    l->radius = TAKE(width, double);
    const size_t tile =
        b->is_lazy && b->max_batch > ROW_TILE ? b->max_batch : ROW_TILE; /* a lazy step keeps its whole batch */
    l->z = TAKE(tile * width, double);
    l->target = TAKE(b->each ? tile * width : round_up(tile, 8), double);
    l->norm2 = TAKE(width, double);
    l->factor = TAKE(width, double);
    b->limit2 = TAKE(width, double);
    b->retired = TAKE(width, bool);
    double *mask = TAKE(padded, double), *row_norm = NULL;
    if (first->clip == CLIP_SAMPLE && !l->model)
        row_norm = TAKE(l->a->rows, double);
    if (l->model) {
        /* Local SGD measures one lane, the mean of the workers. */
        const size_t steps = l->model->scratch(l->problem, width), measure = l->model->scratch(l->problem, 1);
        l->model_scratch = TAKE(b->workers > 1 && measure > steps ? measure : steps, double);
    }
    if (b->each && !l->a->sparse && !l->model) {
        /* As many gathered rows as fit a usual first-level cache beside the iterates. */
        l->gather_rows = 4096 / (d * width);
        if (l->gather_rows < 1)
            l->gather_rows = 1;
        if (l->gather_rows > ROW_TILE)
            l->gather_rows = ROW_TILE;
        l->rows = TAKE(l->gather_rows * d * width, double);
    }
    b->gain = TAKE(b->observers, double *);
    l->mean = TAKE(b->observers, double *);
    l->averages = b->observers;
    for (size_t o = 0; o < b->observers && !status; o++) {
        b->gain[o] = TAKE(b->draw_steps, double);
        l->mean[o] = TAKE(padded * width, double);
    }
    if (status)
        return status;
    for (size_t j = 0; j < l->penalized; j++)
        mask[j] = 1;
    l->penalty_mask = mask;
    if (row_norm)
        for (size_t i = 0; i < l->a->rows; i++) {
            size_t count = l->a->sparse ? l->a->row[i + 1] - l->a->row[i] : d;
            const double *v = l->a->value + (l->a->sparse ? l->a->row[i] : i * l->a->stride);
            double sum = 0;
            for (size_t j = 0; j < count; j++)
                sum += v[j] * v[j];
            row_norm[i] = sqrt(sum);
        }
    l->row_norm = row_norm;
    for (size_t k = 0; k < (b->workers > 1 ? b->workers : b->trajectories); k++) {
        const struct run_request *r = b->lane_request[b->workers > 1 ? 0 : k];
        const struct run_config *c = r->config;
        for (size_t q = 0; q < b->update->method.param_count; q++)
            l->param[q][k] = c->update_values.scalar[q];
        l->l1[k] = c->problem.l1;
        l->l2[k] = c->problem.l2;
        l->radius[k] = c->problem.radius;
    }
    if (b->is_lazy) {
        b->window = lazy_window(b);
        b->lazy_doubles = b->update->lazy->memory(l, b->window);
        b->lazy_memory = TAKE(b->lazy_doubles, double);
    }
    return status;
}

/* Iterates, the update rule's state, averages. */
static enum status begin_lanes(struct block *b, struct error *error)
{
    struct lane_block *l = &b->lanes;
    const size_t width = l->width, entries = round_up(l->dim, 8) * width;
    memset(l->x, 0, entries * sizeof *l->x);
    for (size_t s = 0; s < b->update->slots; s++)
        memset(l->slot[s], 0, entries * sizeof *l->slot[s]);
    for (size_t k = 0; k < (b->workers > 1 ? b->workers : b->trajectories); k++) {
        enum status status = begin_start(b, k, b->lane_request[b->workers > 1 ? 0 : k], error);
        if (status)
            return status;
    }
    for (size_t o = 0; o < b->observers; o++) {
        memcpy(l->mean[o], l->x, l->dim * width * sizeof *l->x);
        b->observer[o].weight = b->observer[o].type->weight(b->observer[o].values, 0, b->horizon);
    }
    if (b->is_lazy) {
        /* The linear form needs the rates, which are constant. */
        for (size_t k = 0; k < width; k++)
            b->eta[k] = b->rate_floor[k] + b->rate_span[k];
        l->eta = b->eta;
        memset(b->lazy_memory, 0, b->lazy_doubles * sizeof *b->lazy_memory);
        b->update->lazy->open(l, b->window, b->lazy_memory);
    }
    return STATUS_OK;
}

enum { QUADRATIC_METRICS = 1u << METRIC_LOSS | 1u << METRIC_GAP | 1u << METRIC_GRAD_NORM2 | 1u << METRIC_MEAN_GAP };

/* Scratch for the metrics, and the quadratic form where it is the cheaper and more accurate way to the gap. */
static enum status open_record(struct block *b, struct error *error)
{
    enum status status = STATUS_OK;
    const struct lane_block *l = &b->lanes;
    const struct run_config *first = b->request[0].config;
    const size_t width = l->width, d = l->dim, padded = round_up(d, 8);
    const unsigned wanted = first->metrics;
    /* Lane by lane: what its neighbours know of their optima must not change a lane's numbers. */
    const bool quadratic = first->problem.type->quadratic && l->penalty <= PENALTY_L2 && !l->project && !l->a->sparse &&
                           d <= l->a->rows && d <= 1024;
    bool some = false;
    b->has_optimum = TAKE(b->trajectories, bool);
    b->f_star = TAKE(b->trajectories, double);
    if (wanted & 1u << METRIC_MEAN_GAP)
        b->gap_sum = TAKE(b->trajectories, double);
    if (wanted & 1u << METRIC_EXIT_TIME && l->model && l->model->in_region)
        b->exit_time = TAKE(b->trajectories, uint64_t);
    for (int m = 0; m < METRIC_COUNT; m++)
        if (wanted & 1u << m)
            b->sink[m] = TAKE((b->observers + 1) * SINK_POINTS * width, double);
    b->all_quadratic = quadratic;
    for (size_t k = 0; k < b->trajectories && !status; k++) {
        const struct reference *r = b->lane_request[k]->config->reference;
        b->has_optimum[k] = r && r->exists;
        b->f_star[k] = b->has_optimum[k] ? r->f : 0;
        some = some || b->has_optimum[k];
        b->all_quadratic = b->all_quadratic && b->has_optimum[k];
    }
    b->measure_width = b->workers > 1 ? 1 : width;
    b->pass_scratch = TAKE(FULL_PASS_ROWS * width, double);
    b->measured_gradient = TAKE(padded * width, double);
    b->optimum = TAKE(padded * width, double);
    b->sum = TAKE(width, double);
    b->part = TAKE(width, double);
    b->correct = TAKE(width, double);
    b->form = TAKE(width, double);
    b->grad2 = TAKE(width, double);
    if (b->workers > 1)
        b->worker_mean = TAKE(padded * width, double);
    if (quadratic && some && wanted & QUADRATIC_METRICS) {
        b->h_stride = padded;
        b->h = TAKE(padded * padded, double);
        if (!status)
            b->kernels->gram(l->a, b->h, padded);
    }
    const bool sharpness = wanted & 1u << METRIC_SHARPNESS && curvature_defined(&first->problem);
    if (!status && (sharpness || wanted & 1u << METRIC_NOISE_SCALE))
        status = curvature_open(&first->problem, sharpness, &b->curvature, error);
    if (status)
        return status;
    for (size_t k = 0; k < b->trajectories; k++)
        for (size_t j = 0; b->has_optimum[k] && j < d; j++)
            b->optimum[j * b->measure_width + k] = b->lane_request[k]->config->reference->x[j];
    return STATUS_OK;
}

bool block_defines(const struct block *b, size_t run, enum metric metric)
{
    const struct run_config *c = b->request[run].config;
    const bool optimum = c->reference && c->reference->exists;
    const struct model_type *model = c->problem.type->model;
    const bool region = model && model->in_region, hessian = curvature_defined(&c->problem);
    const bool classes = c->problem.data->task != TASK_REGRESSION, test = c->problem.data->test.rows > 0;
    const bool defined[METRIC_COUNT] = {
        [METRIC_LOSS] = true,         [METRIC_GAP] = optimum,
        [METRIC_GRAD_NORM2] = true,   [METRIC_DISTANCE2] = optimum,
        [METRIC_NORM2] = true,        [METRIC_TEST_LOSS] = test,
        [METRIC_ACCURACY] = classes,  [METRIC_TEST_ACCURACY] = classes && test,
        [METRIC_X1] = true,           [METRIC_MEAN_GAP] = optimum && c->averager->last,
        [METRIC_SHARPNESS] = hessian, [METRIC_NOISE_SCALE] = true,
        [METRIC_IN_REGION] = region,  [METRIC_EXIT_TIME] = region && c->averager->last,
    };
    return c->metrics & 1u << metric && defined[metric];
}

enum status block_open(struct block *b, const struct run_request *request, size_t count, enum block_layout layout,
                       struct run_result *result, struct error *error)
{
    const struct run_config *first = request[0].config;
    const struct problem *p = &first->problem;
    *b = (struct block){
        .kernels = kernels_active(),
        .update = first->update,
        .runs = count,
        .request = request,
        .result = result,
        .horizon = first->steps,
        .workers = first->local_workers > 1 ? first->local_workers : 1,
        .sync_every = first->sync_every,
    };
    enum status status = assign(b, error);
    if (status)
        return status;
    bool shared = b->workers == 1;
    for (size_t k = 1; k < b->trajectories; k++)
        shared = shared && same_stream(b->lane_request[0], b->lane_request[k]);
    if (layout == LAYOUT_AUTO)
        layout = shared ? LAYOUT_SHARED_STREAM : LAYOUT_STREAM_PER_LANE;
    if (layout == LAYOUT_SHARED_STREAM && !shared)
        return error_set(error, STATUS_UNSUPPORTED, "lanes with different index streams cannot share one");
    b->each = layout == LAYOUT_STREAM_PER_LANE;
    if (b->workers > 1 && b->trajectories > 1)
        return error_set(error, STATUS_UNSUPPORTED, "a block of local SGD holds one run");
    if (b->workers > LANES_MAX)
        return error_set(error, STATUS_USAGE, "local SGD with %zu workers; at most %d", b->workers, LANES_MAX);
    if (b->each && b->workers == 1 && p->data->train.sparse)
        return error_set(error, STATUS_UNSUPPORTED, "a stream per lane needs dense data; this data set is sparse");
    const size_t lanes = b->workers > 1 ? b->workers : b->trajectories;
    b->is_lazy = config_is_lazy(first);
    b->lanes = (struct lane_block){
        .a = &p->data->train,
        .y = p->data->y,
        .loss = p->type->vector,
        .problem = p,
        .model = p->type->model,
        .dim = problem_dim(p),
        .penalized = problem_penalized(p),
        .penalty = penalty_of(p),
        .project = isfinite(p->radius),
        .clip = first->clip == CLIP_NONE ? 0 : first->clip_norm,
        .clip_sample = first->clip == CLIP_SAMPLE,
        .width = lanes == 1 && !b->each && !b->is_lazy ? 1 : round_up(lanes, 8),
    };
    status = open_samplers(b, error);
    if (!status)
        status = open_rates(b, error);
    if (!status)
        status = open_lanes(b, error);
    if (!status)
        status = open_record(b, error);
    return status;
}

enum status block_begin(struct block *b, struct error *error)
{
    b->step = b->drawn_from = b->drawn_until = 0;
    b->checked = UINT64_MAX;
    b->point = b->sunk = b->in_window = 0;
    b->train_seconds = b->measure_seconds = 0;
    b->active = b->trajectories;
    memset(b->retired, 0, b->trajectories * sizeof *b->retired);
    if (b->gap_sum)
        memset(b->gap_sum, 0, b->trajectories * sizeof *b->gap_sum);
    for (size_t k = 0; b->exit_time && k < b->trajectories; k++)
        b->exit_time[k] = NOT_LEFT;
    for (size_t i = 0; i < b->runs; i++) {
        b->result[i].outcome = OUTCOME_FINISHED;
        b->result[i].diverged_at = 0;
        b->result[i].points = 0;
    }
    begin_streams(b);
    begin_rates(b);
    return begin_lanes(b, error);
}
