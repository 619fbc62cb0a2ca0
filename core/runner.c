/* The runner: turns the plan of a sweep into jobs, deals them to threads, largest first, and hands every result to the
 * store. One more thread, the monitor, passes on a stop, reports progress and keeps commits recent while blocks are
 * long. Nothing here can change a number: jobs are only ways of grouping and ordering runs. */
#include "runner.h"

#include <errno.h>
#include <math.h>
#include <omp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "estimator.h"
#include "group.h"
#include "runner_jobs.h"

enum { CLASSES_MAX = 64 };
static const double MONITOR_SECONDS = 0.1, COMMIT_SECONDS = 0.5;
static const double TRUST_SECONDS = 0.5; /* of measured work, before a time left is told */

/* Runs of one kind. The cost model's error is about the same for all of them, so what the finished ones took corrects
 * what is predicted for the others. */
struct work_class {
    const void *problem, *data, *sampler;
    size_t batch_size;
    double cost, seconds;       /* finished jobs: predicted and measured */
    double waiting, solo_waits; /* predicted cost of jobs that have not begun */
};

/* What one thread is busy with. */
struct slot {
    const struct job *job; /* NULL: idle */
    double begin;
    /* The thread's own, without the mutex: the block of the last groups it did, for further ones of the same cells. */
    struct group_block *group;
    const struct job *opened; /* whose cells it has; NULL: none */
};

struct runner {
    struct sweep *sweep;
    struct store *store;
    const struct runner_options *options;
    uint64_t seed;
    int64_t *cell_id;
    size_t *first_of; /* equal_cells */
    struct plan plan;
    struct job_list jobs;
    int threads;

    atomic_bool halt;   /* running blocks stop: interrupted, or results can't be stored */
    atomic_bool no_new; /* running blocks finish, no other begins */

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t wake;
    bool done, uncommitted;
    struct progress progress;
    struct work_class class[CLASSES_MAX];
    size_t class_count;
    struct slot *slot; /* one per thread */
    double begin;
    struct error error; /* the first one; its status is STATUS_OK while all is well */
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

int runner_default_threads(void)
{
    return omp_get_max_threads();
}

/* ---- planning ---- */

/* Equal cells have equal ids, as in the store, but without one. */
static enum status name_cells(const struct sweep *sweep, int64_t *id, struct error *error)
{
    size_t cells = sweep_cells(sweep);
    for (size_t i = 0; i < cells; i++) {
        struct run_config config;
        enum status status = sweep_cell(sweep, i, &config, error);
        if (status != STATUS_OK)
            return status;
        char *json = cell_json(&config);
        if (!json)
            return error_set(error, STATUS_MEMORY, "out of memory for the description of a cell");
        struct key key = cell_key(json);
        memcpy(&id[i], key.byte, sizeof id[i]);
        free(json);
    }
    return STATUS_OK;
}

static bool first_of_its_kind(void *context, size_t cell, size_t unit)
{
    (void)unit;
    const size_t *first_of = context;
    return first_of[cell] == cell;
}

/* What the store needs for one run or group, about: its curves, and a row with its keys. */
static double unit_bytes(const struct run_config *config)
{
    double metrics = __builtin_popcount(config->metrics);
    double curves = config->keep == KEEP_MOMENTS ? GROUP_MOMENTS * metrics : metrics + 1;
    return 130 + (config->kind == KIND_ESTIMATOR ? 400 : 8 * curves * (double)config->grid->count);
}

static bool run_wanted(void *context, size_t cell, size_t unit)
{
    struct runner *runner = context;
    if (runner->first_of[cell] != cell)
        return false;
    size_t chains = sweep_unit_chains(runner->sweep, unit);
    if (!store_has_run(runner->store, runner->cell_id[cell], runner->seed, sweep_unit_first(runner->sweep, unit),
                       chains))
        return true;
    runner->progress.runs_before += chains;
    return false;
}

static unsigned find_class(struct runner *runner, const struct run_config *config)
{
    struct work_class key = {.problem = config->problem.type,
                             .data = config->problem.data,
                             .sampler = config->sampler,
                             .batch_size = config->batch_size};
    for (size_t i = 0; i < runner->class_count; i++) {
        const struct work_class *class = &runner->class[i];
        if (class->problem == key.problem && class->data == key.data && class->sampler == key.sampler &&
            class->batch_size == key.batch_size)
            return (unsigned)i;
    }
    if (runner->class_count == CLASSES_MAX)
        return CLASSES_MAX - 1;
    runner->class[runner->class_count] = key;
    return (unsigned)runner->class_count++;
}

static enum status make_jobs(struct runner *runner, struct error *error)
{
    enum status status = jobs_make(runner->sweep, &runner->plan, runner->threads, &runner->jobs, error);
    for (size_t i = 0; status == STATUS_OK && i < runner->jobs.count; i++) {
        struct job *job = &runner->jobs.job[i];
        struct run_config config;
        status = sweep_cell(runner->sweep, runner->plan.run[job->first].cell, &config, error);
        if (status != STATUS_OK)
            break;
        job->class = find_class(runner, &config);
        struct work_class *class = &runner->class[job->class];
        *(job->solo ? &class->solo_waits : &class->waiting) += job->cost;
    }
    return status;
}

/* ---- progress; the mutex is held ---- */

static double time_left(const struct runner *runner, double at)
{
    double cost = 0, seconds = 0;
    for (size_t i = 0; i < runner->class_count; i++) {
        cost += runner->class[i].cost;
        seconds += runner->class[i].seconds;
    }
    if (seconds < TRUST_SECONDS || !(cost > 0))
        return NAN;
    double rate[CLASSES_MAX], shared = 0, solo = 0, longest = 0;
    for (size_t i = 0; i < runner->class_count; i++) {
        const struct work_class *class = &runner->class[i];
        rate[i] = class->seconds > 0 && class->cost > 0 ? class->seconds / class->cost : seconds / cost;
        shared += class->waiting * rate[i];
        solo += class->solo_waits * rate[i];
    }
    for (int t = 0; t < runner->threads; t++) {
        const struct slot *slot = &runner->slot[t];
        if (!slot->job)
            continue;
        double left = fmax(0, slot->job->cost * rate[slot->job->class] - (at - slot->begin));
        longest = fmax(longest, left);
        shared += left;
    }
    return solo + fmax(longest, shared / runner->threads);
}

static void take_picture(struct runner *runner, struct progress *picture)
{
    double at = now();
    runner->progress.seconds = at - runner->begin;
    runner->progress.seconds_left = runner->progress.phase == RUNNER_RUNNING ? time_left(runner, at) : NAN;
    *picture = runner->progress;
}

static void tell(const struct runner *runner, const struct progress *picture)
{
    if (runner->options->observer)
        runner->options->observer(runner->options->context, picture);
}

static void enter_phase(struct runner *runner, enum runner_phase phase)
{
    struct progress picture;
    runner->progress.phase = phase;
    if (phase == RUNNER_RUNNING)
        runner->begin = now();
    take_picture(runner, &picture);
    tell(runner, &picture);
}

/* ---- running ---- */

/* Keeps the first error. */
static void remember(struct runner *runner, const struct error *error)
{
    pthread_mutex_lock(&runner->mutex);
    if (runner->error.status == STATUS_OK)
        runner->error = *error;
    pthread_mutex_unlock(&runner->mutex);
}

/* Nothing can be done about it: all stop. */
static void give_up(struct runner *runner, const struct error *error)
{
    remember(runner, error);
    atomic_store(&runner->halt, true);
}

static void run_failed(struct runner *runner, const struct planned_run *run, const struct error *failure)
{
    struct error error;
    const uint64_t first = sweep_unit_first(runner->sweep, run->unit);
    const size_t chains = sweep_unit_chains(runner->sweep, run->unit);
    if (store_put_failure(runner->store, runner->cell_id[run->cell], runner->seed, first, chains, failure->message,
                          &error) != STATUS_OK) {
        give_up(runner, &error);
        return;
    }
    error_set(&error, failure->status, "experiment '%s', cell %u, replicate %llu: %.900s", runner->progress.experiment,
              run->cell, (unsigned long long)first, failure->message);
    remember(runner, &error);
    if (!runner->options->keep_going)
        atomic_store(&runner->no_new, true);
    pthread_mutex_lock(&runner->mutex);
    runner->progress.failed += chains;
    runner->uncommitted = true;
    pthread_mutex_unlock(&runner->mutex);
}

static void runs_stored(struct runner *runner, size_t count, size_t diverged)
{
    pthread_mutex_lock(&runner->mutex);
    runner->progress.runs_done += count;
    runner->progress.diverged += diverged;
    runner->uncommitted = true;
    pthread_mutex_unlock(&runner->mutex);
}

static enum status run_estimator(struct runner *runner, const struct planned_run *run,
                                 const struct run_request *request, struct error *error)
{
    struct estimator_result result = {0};
    enum status status = estimator_run(request, &runner->halt, &result, error);
    if (status != STATUS_OK)
        return status;
    struct error failure;
    if (store_put_estimator(runner->store, runner->cell_id[run->cell], request, &result, &failure) == STATUS_OK)
        runs_stored(runner, 1, 0);
    else
        give_up(runner, &failure);
    estimator_result_free(&result);
    return STATUS_OK;
}

static enum status run_block(struct runner *runner, const struct planned_run *run, const struct run_request *request,
                             size_t count, enum block_layout layout, struct run_result *result, struct error *error)
{
    enum status status = block_run(request, count, layout, &runner->halt, result, error);
    if (status != STATUS_OK)
        return status;
    bool stored = true;
    for (size_t i = 0; i < count; i++) {
        struct error failure;
        if (stored && store_put_run(runner->store, runner->cell_id[run[i].cell], &request[i], &result[i], &failure) !=
                          STATUS_OK) {
            give_up(runner, &failure);
            stored = false;
        }
        if (stored)
            runs_stored(runner, 1, result[i].outcome == OUTCOME_DIVERGED);
        run_result_free(&result[i]);
    }
    return STATUS_OK;
}

static bool same_cells(const struct runner *runner, const struct job *a, const struct job *b)
{
    if (!a || a->count != b->count || a->layout != b->layout)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (runner->plan.run[a->first + i].cell != runner->plan.run[b->first + i].cell)
            return false;
    return true;
}

/* Groups of one unit, of the cells of a job. */
static enum status run_groups(struct runner *runner, struct slot *slot, const struct job *job,
                              const struct run_request *request, struct error *error)
{
    const struct planned_run *run = &runner->plan.run[job->first];
    const struct group_result *result;
    enum status status = STATUS_OK;
    if (!same_cells(runner, slot->opened, job)) {
        group_block_close(slot->group);
        slot->opened = NULL;
        status = group_block_open(request, job->count, job->layout, &slot->group, error);
        slot->opened = status == STATUS_OK ? job : NULL;
    }
    if (status == STATUS_OK)
        status = group_block_run(slot->group, request[0].replicate, sweep_unit_chains(runner->sweep, run->unit),
                                 &runner->halt, &result, error);
    for (size_t i = 0; status == STATUS_OK && i < job->count; i++) {
        struct error failure;
        if (store_put_group(runner->store, runner->cell_id[run[i].cell], &request[i], &result[i], &failure) !=
            STATUS_OK) {
            give_up(runner, &failure);
            break;
        }
        runs_stored(runner, result[i].chains, result[i].diverged);
    }
    return status;
}

static enum status run_units(struct runner *runner, struct slot *slot, const struct job *job,
                             const struct run_request *request, struct run_result *result, struct error *error)
{
    const struct planned_run *run = &runner->plan.run[job->first];
    if (job->groups)
        return run_groups(runner, slot, job, request, error);
    if (job->estimator)
        return run_estimator(runner, run, request, error);
    return run_block(runner, run, request, job->count, job->layout, result, error);
}

/* Does the runs of one job. A block that fails is tried again run by run, so that one run does not cost its neighbours.
 */
static void run_job(struct runner *runner, struct slot *slot, const struct job *job)
{
    const struct planned_run *run = &runner->plan.run[job->first];
    struct run_config *config = malloc(job->count * sizeof *config);
    struct run_request *request = malloc(job->count * sizeof *request);
    struct run_result *result = calloc(job->count, sizeof *result);
    struct error error;
    enum status status;
    if (!config || !request || !result)
        status = error_memory(&error, job->count * (sizeof *config + sizeof *request + sizeof *result), "a block");
    else
        status = jobs_resolve(runner->sweep, run, job->count, config, request, &error);
    if (status != STATUS_OK) {
        give_up(runner, &error);
    } else {
        status = run_units(runner, slot, job, request, result, &error);
        if (status != STATUS_OK && status != STATUS_INTERRUPTED && job->count == 1)
            run_failed(runner, run, &error);
        for (size_t i = 0; status != STATUS_OK && status != STATUS_INTERRUPTED && job->count > 1 && i < job->count;
             i++) {
            struct job part = *job;
            part.first += i;
            part.count = 1;
            slot->opened = NULL; /* part goes away */
            enum status alone = run_units(runner, slot, &part, &request[i], &result[i], &error);
            slot->opened = NULL;
            if (alone == STATUS_INTERRUPTED)
                break;
            if (alone != STATUS_OK)
                run_failed(runner, &run[i], &error);
        }
    }
    free(result);
    free(request);
    free(config);
}

static void take_job(struct runner *runner, const struct job *job, size_t thread)
{
    if (atomic_load(&runner->halt) || atomic_load(&runner->no_new))
        return;
    struct slot *slot = &runner->slot[thread];
    struct work_class *class = &runner->class[job->class];
    pthread_mutex_lock(&runner->mutex);
    *(job->solo ? &class->solo_waits : &class->waiting) -= job->cost;
    slot->job = job;
    slot->begin = now();
    pthread_mutex_unlock(&runner->mutex);

    run_job(runner, slot, job);

    pthread_mutex_lock(&runner->mutex);
    class->cost += job->cost;
    class->seconds += now() - slot->begin;
    slot->job = NULL;
    pthread_mutex_unlock(&runner->mutex);
}

static void *monitor(void *context)
{
    struct runner *runner = context;
    double committed = now();
    struct timespec wake;
    clock_gettime(CLOCK_MONOTONIC, &wake);
    pthread_mutex_lock(&runner->mutex);
    while (!runner->done) {
        wake.tv_nsec += (long)(1e9 * MONITOR_SECONDS);
        if (wake.tv_nsec >= 1000000000) {
            wake.tv_nsec -= 1000000000;
            wake.tv_sec++;
        }
        while (!runner->done && pthread_cond_timedwait(&runner->wake, &runner->mutex, &wake) != ETIMEDOUT)
            ;
        if (runner->done)
            break;
        struct progress picture;
        take_picture(runner, &picture);
        bool commit = runner->uncommitted && now() - committed >= COMMIT_SECONDS;
        if (commit)
            runner->uncommitted = false;
        pthread_mutex_unlock(&runner->mutex);

        if (runner->options->stop && atomic_load(runner->options->stop))
            atomic_store(&runner->halt, true);
        struct error error;
        if (commit) {
            if (store_flush(runner->store, &error) != STATUS_OK)
                give_up(runner, &error);
            committed = now();
        }
        tell(runner, &picture);
        pthread_mutex_lock(&runner->mutex);
    }
    pthread_mutex_unlock(&runner->mutex);
    return NULL;
}

static enum status run_jobs(struct runner *runner, struct error *error)
{
    if (runner->options->stop && atomic_load(runner->options->stop))
        return error_set(error, STATUS_INTERRUPTED, "interrupted");
    pthread_t thread;
    if (pthread_create(&thread, NULL, monitor, runner) != 0)
        return error_set(error, STATUS_MEMORY, "cannot start a thread");
#pragma omp parallel for num_threads(runner->threads) schedule(dynamic, 1)
    for (size_t i = 0; i < runner->jobs.packed; i++)
        take_job(runner, &runner->jobs.job[i], (size_t)omp_get_thread_num());
    for (size_t i = runner->jobs.packed; i < runner->jobs.count; i++)
        take_job(runner, &runner->jobs.job[i], 0);
    pthread_mutex_lock(&runner->mutex);
    runner->done = true;
    pthread_cond_signal(&runner->wake);
    pthread_mutex_unlock(&runner->mutex);
    pthread_join(thread, NULL);

    enum status status = store_flush(runner->store, error);
    if (status != STATUS_OK)
        return status;
    if (runner->error.status != STATUS_OK) {
        if (error)
            *error = runner->error;
        return runner->error.status;
    }
    if (atomic_load(&runner->halt))
        return error_set(error, STATUS_INTERRUPTED, "interrupted");
    return STATUS_OK;
}

enum status runner_preview(const struct sweep *sweep, const struct runner_options *options, struct preview *preview,
                           struct error *error)
{
    *preview = (struct preview){0};
    size_t cells = sweep_cells(sweep);
    int threads = options->threads > 0 ? options->threads : runner_default_threads();
    int64_t *id = malloc(cells * sizeof *id);
    size_t *first_of = malloc(cells * sizeof *first_of);
    struct plan plan = {0};
    struct job_list jobs = {0};
    enum status status = id && first_of ? STATUS_OK : error_memory(error, cells * sizeof *id, "cells");
    if (status == STATUS_OK)
        status = name_cells(sweep, id, error);
    if (status == STATUS_OK)
        status = equal_cells(id, cells, first_of, error);
    if (status == STATUS_OK)
        status = plan_make(sweep, options->shard, options->shards, first_of_its_kind, first_of, &plan, error);
    if (status == STATUS_OK)
        status = jobs_make(sweep, &plan, threads, &jobs, error);
    if (status == STATUS_OK)
        status = jobs_seconds(&jobs, threads, &preview->seconds, error);
    for (size_t i = 0; status == STATUS_OK && i < jobs.count; i++) {
        const struct job *job = &jobs.job[i];
        struct run_config config;
        status = sweep_cell(sweep, plan.run[job->first].cell, &config, error);
        preview->lanes_max = job->count > preview->lanes_max ? job->count : preview->lanes_max;
        preview->solo += job->solo;
        preview->bytes += (double)job->count * unit_bytes(&config);
    }
    for (size_t i = 0; status == STATUS_OK && i < cells; i++)
        preview->cells += first_of[i] == i;
    for (size_t i = 0; i < plan.run_count; i++)
        preview->runs += sweep_unit_chains(sweep, plan.run[i].unit);
    preview->blocks = jobs.count;
    jobs_free(&jobs);
    plan_free(&plan);
    free(first_of);
    free(id);
    return status;
}

static enum status plan_and_run(struct runner *runner, const char *settings_json, struct error *error)
{
    const struct runner_options *options = runner->options;
    size_t cells = sweep_cells(runner->sweep);
    runner->cell_id = malloc(cells * sizeof *runner->cell_id);
    runner->first_of = malloc(cells * sizeof *runner->first_of);
    runner->slot = calloc((size_t)runner->threads, sizeof *runner->slot);
    if (!runner->cell_id || !runner->first_of || !runner->slot)
        return error_memory(error, cells * (sizeof *runner->cell_id + sizeof *runner->first_of), "cells");
    enum status status = store_put_plan(runner->store, runner->sweep, settings_json, runner->cell_id, error);
    if (status == STATUS_OK)
        status = equal_cells(runner->cell_id, cells, runner->first_of, error);
    if (status == STATUS_OK)
        status = plan_make(runner->sweep, options->shard, options->shards, run_wanted, runner, &runner->plan, error);
    if (status != STATUS_OK)
        return status;
    runner->progress.runs_total = runner->progress.runs_before;
    for (size_t i = 0; i < runner->plan.run_count; i++)
        runner->progress.runs_total += sweep_unit_chains(runner->sweep, runner->plan.run[i].unit);
    if (runner->plan.run_count == 0)
        return store_flush(runner->store, error);
    enter_phase(runner, RUNNER_SOLVING);
    status = sweep_solve_references(runner->sweep, error);
    if (status == STATUS_OK)
        status = make_jobs(runner, error);
    if (status != STATUS_OK)
        return status;
    enter_phase(runner, RUNNER_RUNNING);
    return run_jobs(runner, error);
}

enum status runner_run(struct sweep *sweep, struct store *store, const char *settings_json,
                       const struct runner_options *options, struct progress *final, struct error *error)
{
    struct runner runner = {
        .sweep = sweep,
        .store = store,
        .options = options,
        .seed = sweep_seed(sweep),
        .threads = options->threads > 0 ? options->threads : runner_default_threads(),
        .progress = {.experiment = sweep_name(sweep), .phase = RUNNER_PLANNING, .seconds_left = NAN},
        .begin = now(),
    };
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&runner.mutex, NULL);
    pthread_cond_init(&runner.wake, &attributes);
    pthread_condattr_destroy(&attributes);

    enter_phase(&runner, RUNNER_PLANNING);
    enum status status = plan_and_run(&runner, settings_json, error);
    enter_phase(&runner, RUNNER_FINISHED);
    *final = runner.progress;

    pthread_cond_destroy(&runner.wake);
    pthread_mutex_destroy(&runner.mutex);
    for (int t = 0; runner.slot && t < runner.threads; t++)
        group_block_close(runner.slot[t].group);
    plan_free(&runner.plan);
    jobs_free(&runner.jobs);
    free(runner.slot);
    free(runner.first_of);
    free(runner.cell_id);
    return status;
}
