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
    /* Between settlings a lazy form knows only the coordinates it just moved; those are where a lane leaves. */
    if (b->is_lazy && b->in_window > 0)
        b->update->lazy->touched_norm2(l, l->norm2);
    else
        b->kernels->norm2(l->x, l->dim, l->width, l->norm2);
    for (size_t k = 0; k < (b->workers > 1 ? b->workers : b->trajectories); k++) {
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

/* Steps until `until`, in pieces that end where something has to be looked at. */
static enum status advance(struct block *b, uint64_t until, const atomic_bool *stop)
{
    struct lane_block *l = &b->lanes;
    while (b->step < until && b->active) {
        size_t count = until - b->step < b->draw_steps ? (size_t)(until - b->step) : b->draw_steps;
        draw(b, b->step, count);
        rates(b, b->step, count);
        gains(b, b->step, count);
        const uint32_t *index = b->index;
        const double *gain[LANES_MAX];
        for (size_t done = 0; done < count;) {
            if (stop && atomic_load_explicit(stop, memory_order_relaxed))
                return STATUS_INTERRUPTED;
            size_t piece = CHECK_STEPS - (size_t)(b->step % CHECK_STEPS);
            if (b->workers > 1) {
                size_t sync = b->sync_every - (size_t)(b->step % b->sync_every);
                piece = sync < piece ? sync : piece;
            }
            piece = piece < count - done ? piece : count - done;
            l->index = index;
            l->index_stride = b->index_stride;
            l->size = b->size + done;
            l->eta = b->eta + (b->constant_rates ? 0 : done * l->width);
            l->eta_stride = b->constant_rates ? 0 : l->width;
            for (size_t o = 0; o < b->observers; o++)
                gain[o] = b->gain[o] + done;
            l->mean_gain = gain;
            if (b->is_lazy && piece > b->window - b->in_window)
                piece = b->window - b->in_window;
            if (b->is_lazy)
                b->update->lazy->advance(l, piece);
            else if (b->each)
                b->update->advance_each(l, piece);
            else
                b->update->advance_shared(l, piece);
            for (size_t s = 0; s < piece; s++)
                index += l->size[s];
            done += piece;
            b->step += piece;
            if (b->is_lazy && (b->in_window += piece) == b->window)
                settle(b);
            if (b->workers > 1 && b->step % b->sync_every == 0)
                synchronize(b);
            if (b->step % CHECK_STEPS == 0 || b->step == b->horizon)
                check(b);
        }
    }
    return STATUS_OK;
}

static enum status run(struct block *b, const atomic_bool *stop)
{
    const struct record_grid *grid = b->request[0].config->grid;
    for (size_t p = 0; p < grid->count && b->active; p++) {
        double start = now();
        enum status status = advance(b, grid->step[p], stop);
        if (status)
            return status;
        settle(b);
        check(b);
        double trained = now();
        b->train_seconds += trained - start;
        if (b->active)
            block_record(b);
        b->measure_seconds += now() - trained;
    }
    return STATUS_OK;
}

enum status block_run(const struct run_request *request, size_t count, enum block_layout layout,
                      const atomic_bool *stop, struct run_result *result, struct error *error)
{
    struct block block;
    memset(result, 0, count * sizeof *result);
    enum status status = block_open(&block, request, count, layout, result, error);
    if (!status)
        status = run(&block, stop);
    if (status == STATUS_INTERRUPTED)
        error_set(error, status, "interrupted");
    for (size_t i = 0; i < count; i++) {
        if (status) {
            run_result_free(&result[i]);
            continue;
        }
        if (result[i].outcome == OUTCOME_FINISHED)
            result[i].train_seconds = block.train_seconds / (double)block.trajectories;
        result[i].measure_seconds = block.measure_seconds / (double)count;
        result[i].lanes = block.trajectories;
    }
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
        status = run(&block, stop);
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
