/* Stepping a block of lanes through its budget. */
#include "engine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine_block.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The samples of steps first .. first+count-1, stream by stream. */
static void draw(struct block *b, uint64_t first, size_t count)
{
    const size_t used = !b->each ? 1 : b->workers > 1 ? b->workers : b->trajectories;
    for (size_t k = 0; k < b->samplers; k++) {
        uint32_t *index = b->index + k * b->index_stride;
        if (k < used)
            b->sampler[k].type->draw(&b->sampler[k], first, count, index, b->size);
        else /* padding lanes repeat lane 0 at rate zero */
            memcpy(index, b->index, b->index_stride * sizeof *index);
    }
}

static void rates(struct block *b, uint64_t first, size_t count)
{
    const size_t width = b->lanes.width;
    if (b->constant_rates) {
        for (size_t k = 0; k < width; k++)
            b->eta[k] = b->rate_floor[k] + b->rate_span[k];
        return;
    }
    for (size_t g = 0; g < b->groups; g++) {
        const struct shape_group *group = &b->group[g];
        const uint64_t w = group->schedule->warmup;
        group->schedule->type->shape(&group->schedule->values, first, count, b->horizon, b->shape);
        for (size_t s = 0; s < count; s++)
            b->warmup[s] = first + s + 1 < w ? (double)(first + s + 1) / (double)w : 1.0;
        if (b->groups == 1) {
            b->kernels->rates(count, width, b->rate_floor, b->rate_span, b->shape, b->warmup, b->eta);
            return;
        }
        for (size_t i = 0; i < group->count; i++)
            for (size_t s = 0, k = group->lane[i]; s < count; s++)
                b->eta[s * width + k] = (b->rate_floor[k] + b->rate_span[k] * b->shape[s]) * b->warmup[s];
    }
}

/* How much each average moves towards the iterate that a step makes; before an average begins it follows the iterate.
 */
static void gains(struct block *b, uint64_t first, size_t count)
{
    for (size_t o = 0; o < b->observers; o++) {
        struct observer *observer = &b->observer[o];
        for (size_t s = 0; s < count; s++) {
            double w = observer->type->weight(observer->values, first + s + 1, b->horizon);
            observer->weight += w;
            b->gain[o][s] = observer->weight > 0 ? w / observer->weight : 1.0;
        }
    }
}

/* A lane that left is frozen at zero with rate zero, so that it costs nothing unusual (no NaN, no overflow) and cannot
 * leave again; its neighbours do not notice. */
static void retire(struct block *b, size_t lane)
{
    struct lane_block *l = &b->lanes;
    b->retired[lane] = true;
    b->active--;
    const size_t last = b->workers > 1 ? b->workers : lane + 1;
    for (size_t k = lane; k < last; k++) {
        b->rate_floor[k] = b->rate_span[k] = 0;
        for (size_t s = 0; s < b->draw_steps; s++)
            b->eta[s * l->width + k] = 0;
        for (size_t j = 0; j < l->dim; j++) {
            l->x[j * l->width + k] = 0;
            for (size_t q = 0; q < b->update->slots; q++)
                l->slot[q][j * l->width + k] = 0;
            for (size_t o = 0; o < b->observers; o++)
                l->mean[o][j * l->width + k] = 0;
        }
    }
    for (size_t i = 0; i < b->runs; i++)
        if (b->lane_of[i] == lane) {
            b->result[i].outcome = OUTCOME_DIVERGED;
            b->result[i].points = b->point;
            b->result[i].diverged_at = b->step;
            b->result[i].train_seconds = b->train_seconds / (double)b->trajectories;
        }
}

/* Lazy forms: lets the lanes' arrays hold their true values. */
static void settle(struct block *b)
{
    if (b->is_lazy && b->in_window > 0) {
        b->update->lazy->settle(&b->lanes);
        b->in_window = 0;
    }
}

/* Retires the lanes that are not finite or have gone beyond 1e8 times the problem's own size. */
static void check(struct block *b)
{
    struct lane_block *l = &b->lanes;
    const size_t lanes = b->workers > 1 ? b->workers : b->trajectories;
    b->checked = b->step;
    /* Between settlings a lazy form knows only the coordinates it just moved; those are where a lane leaves. */
    if (b->is_lazy && b->in_window > 0)
        b->update->lazy->touched_norm2(l, l->norm2);
    else
        b->kernels->norm2(l->x, l->dim, l->width, l->norm2);
    uint64_t left = 0; /* retired lanes have norm 0 */
    for (size_t k = 0; k < lanes; k++)
        left += l->norm2[k] <= b->limit2[k] ? 0 : 1;
    for (size_t k = 0; left && k < lanes; k++) {
        size_t lane = b->workers > 1 ? 0 : k;
        if (!b->retired[lane] && !(l->norm2[k] <= b->limit2[k]))
            retire(b, lane);
    }
}

/* Local SGD: every worker goes on from the mean of all (iterates and the update rule's state). */
static void synchronize(struct block *b)
{
    struct lane_block *l = &b->lanes;
    for (size_t a = 0; a <= b->update->slots; a++) {
        double *v = a == 0 ? l->x : l->slot[a - 1];
        for (size_t j = 0; j < l->dim; j++) {
            double sum = 0;
            for (size_t k = 0; k < b->workers; k++)
                sum += v[j * l->width + k];
            for (size_t k = 0; k < b->workers; k++)
                v[j * l->width + k] = sum / (double)b->workers;
        }
    }
}

/* Samples, rates and averaging weights of the steps from here on, whatever is recorded in between. */
static void prepare(struct block *b)
{
    const uint64_t left = b->horizon - b->step;
    const size_t count = left < b->draw_steps ? (size_t)left : b->draw_steps;
    draw(b, b->step, count);
    rates(b, b->step, count);
    gains(b, b->step, count);
    b->drawn_from = b->step;
    b->drawn_until = b->step + count;
    b->next_index = b->index;
}

/* Steps until `until`, in pieces that end where something has to be looked at. */
static enum status advance(struct block *b, uint64_t until, const atomic_bool *stop)
{
    struct lane_block *l = &b->lanes;
    const double *gain[LANES_MAX];
    while (b->step < until && b->active) {
        if (stop && atomic_load_explicit(stop, memory_order_relaxed))
            return STATUS_INTERRUPTED;
        if (b->step == b->drawn_until)
            prepare(b);
        const size_t done = (size_t)(b->step - b->drawn_from);
        const uint64_t end = until < b->drawn_until ? until : b->drawn_until;
        size_t piece = CHECK_STEPS - (size_t)(b->step % CHECK_STEPS);
        if (b->workers > 1) {
            size_t sync = b->sync_every - (size_t)(b->step % b->sync_every);
            piece = sync < piece ? sync : piece;
        }
        piece = piece < end - b->step ? piece : (size_t)(end - b->step);
        if (b->is_lazy && piece > b->window - b->in_window)
            piece = b->window - b->in_window;
        if (b->gap_sum) {
            settle(b);
            block_add_gap(b);
            piece = 1;
        }
        if (b->exit_time) {
            block_note_exits(b);
            piece = 1;
        }
        l->index = b->next_index;
        l->index_stride = b->index_stride;
        l->size = b->size + done;
        l->eta = b->eta + (b->constant_rates ? 0 : done * l->width);
        l->eta_stride = b->constant_rates ? 0 : l->width;
        for (size_t o = 0; o < b->observers; o++)
            gain[o] = b->gain[o] + done;
        l->mean_gain = gain;
        if (b->is_lazy)
            b->update->lazy->advance(l, piece);
        else if (b->each)
            b->update->advance_each(l, piece);
        else
            b->update->advance_shared(l, piece);
        for (size_t s = 0; s < piece; s++)
            b->next_index += l->size[s];
        b->step += piece;
        if (b->is_lazy && (b->in_window += piece) == b->window)
            settle(b);
        if (b->workers > 1 && b->step % b->sync_every == 0)
            synchronize(b);
        if (b->step % CHECK_STEPS == 0 || b->step == b->horizon)
            check(b);
    }
    return STATUS_OK;
}

enum status block_advance(struct block *b, const atomic_bool *stop)
{
    const struct record_grid *grid = b->request[0].config->grid;
    double begun = now();
    for (size_t p = 0; p < grid->count && b->active; p++) {
        enum status status = advance(b, grid->step[p], stop);
        if (status)
            return status;
        const bool settled = b->is_lazy && b->in_window > 0;
        settle(b);
        if (settled || b->checked != b->step)
            check(b);
        if (!b->timed) {
            if (b->active)
                block_record(b);
            continue;
        }
        const double trained = now();
        b->train_seconds += trained - begun;
        if (b->active)
            block_record(b);
        begun = now();
        b->measure_seconds += begun - trained;
    }
    if (!b->timed)
        b->train_seconds = now() - begun;
    return STATUS_OK;
}

void block_finish(struct block *b)
{
    block_sink(b);
    for (size_t i = 0; i < b->runs; i++) {
        struct run_result *result = &b->result[i];
        if (result->outcome == OUTCOME_FINISHED) {
            result->points = b->point;
            result->train_seconds = b->train_seconds / (double)b->trajectories;
        }
        result->measure_seconds = b->measure_seconds / (double)b->runs;
        result->lanes = b->trajectories;
    }
}

static enum status open_results(const struct block *b, struct error *error)
{
    const size_t points = b->request[0].config->grid->count;
    for (size_t i = 0; i < b->runs; i++) {
        struct run_result *result = &b->result[i];
        result->seconds = calloc(points, sizeof(double));
        bool complete = result->seconds != NULL;
        for (int m = 0; m < METRIC_COUNT; m++)
            if (block_defines(b, i, (enum metric)m)) {
                result->metric[m] = calloc(points, sizeof(double));
                complete = complete && result->metric[m];
            }
        if (!complete)
            return error_memory(error, points * sizeof(double), "recorded points");
    }
    return STATUS_OK;
}

enum status block_run(const struct run_request *request, size_t count, enum block_layout layout,
                      const atomic_bool *stop, struct run_result *result, struct error *error)
{
    struct block block;
    memset(result, 0, count * sizeof *result);
    enum status status = block_open(&block, request, count, layout, result, error);
    block.timed = true;
    if (!status)
        status = open_results(&block, error);
    if (!status)
        status = block_begin(&block, error);
    if (!status)
        status = block_advance(&block, stop);
    if (status == STATUS_INTERRUPTED)
        error_set(error, status, "interrupted");
    if (!status)
        block_finish(&block);
    for (size_t i = 0; status && i < count; i++)
        run_result_free(&result[i]);
    block_close(&block);
    return status;
}

enum status run_last_iterate(const struct run_request *request, const atomic_bool *stop, double *x, struct error *error)
{
    struct run_config config = *request->config;
    struct record_grid grid = {.count = 1, .step = &config.steps};
    struct run_request own = {.config = &config, .seed = request->seed, .replicate = request->replicate};
    struct run_result result = {0};
    struct block block;
    config.grid = &grid;
    config.metrics = 0;
    enum status status = block_open(&block, &own, 1, LAYOUT_AUTO, &result, error);
    if (!status)
        status = block_begin(&block, error);
    if (!status)
        status = block_advance(&block, stop);
    if (status == STATUS_INTERRUPTED)
        error_set(error, status, "interrupted");
    if (!status && result.outcome == OUTCOME_DIVERGED)
        status = error_set(error, STATUS_NUMERICAL, "the run diverges at step %llu, before its last iterate, %llu",
                           (unsigned long long)result.diverged_at, (unsigned long long)config.steps);
    const size_t width = block.lanes.width;
    for (size_t j = 0; !status && j < block.lanes.dim; j++) {
        double sum = 0;
        for (size_t k = 0; k < block.workers; k++)
            sum += block.lanes.x[j * width + k];
        x[j] = sum / (double)block.workers;
    }
    run_result_free(&result);
    block_close(&block);
    return status;
}

void run_result_free(struct run_result *result)
{
    for (int m = 0; m < METRIC_COUNT; m++)
        free(result->metric[m]);
    free(result->seconds);
    *result = (struct run_result){0};
}
