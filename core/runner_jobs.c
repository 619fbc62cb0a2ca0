/* Jobs, see runner_jobs.h. */
#include "runner_jobs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SPLIT_LANES_MIN = 16 }; /* a block of fewer lanes is not worth halving: a vector unit takes 8 at once */

struct cell_entry {
    int64_t id;
    size_t cell;
};

static int compare_entries(const void *left, const void *right)
{
    const struct cell_entry *a = left, *b = right;
    if (a->id != b->id)
        return a->id < b->id ? -1 : 1;
    return (a->cell > b->cell) - (a->cell < b->cell);
}

enum status equal_cells(const int64_t *id, size_t cells, size_t *first_of, struct error *error)
{
    struct cell_entry *entry = malloc(cells * sizeof *entry);
    if (!entry)
        return error_memory(error, cells * sizeof *entry, "the list of cells");
    for (size_t i = 0; i < cells; i++)
        entry[i] = (struct cell_entry){id[i], i};
    qsort(entry, cells, sizeof *entry, compare_entries);
    for (size_t i = 0, first = 0; i < cells; i++) {
        if (entry[i].id != entry[first].id)
            first = i;
        first_of[entry[i].cell] = entry[first].cell;
    }
    free(entry);
    return STATUS_OK;
}

/* The ties make the order that of the plan. Solo jobs go replicate by replicate, so that what disturbs the machine for
 * a while disturbs all cells alike. */
static int compare_jobs(const void *left, const void *right, void *context)
{
    const struct job *a = left, *b = right;
    const struct planned_run *run = context;
    if (a->solo != b->solo)
        return a->solo ? 1 : -1;
    if (a->solo && run[a->first].unit != run[b->first].unit)
        return run[a->first].unit < run[b->first].unit ? -1 : 1;
    if (!a->solo && a->cost != b->cost)
        return a->cost > b->cost ? -1 : 1;
    return (a->first > b->first) - (a->first < b->first);
}

/* When threads take the jobs in order, each as soon as it is free: the time at which the last one ends. */
static double makespan(const struct job *job, size_t count, double *busy_until, size_t threads)
{
    double last = 0;
    memset(busy_until, 0, threads * sizeof *busy_until);
    for (size_t i = 0; i < count; i++) {
        size_t next = 0;
        for (size_t t = 1; t < threads; t++)
            if (busy_until[t] < busy_until[next])
                next = t;
        busy_until[next] += job[i].cost;
        last = fmax(last, busy_until[next]);
    }
    return last;
}

enum status jobs_resolve(const struct sweep *sweep, const struct planned_run *run, size_t count,
                         struct run_config *config, struct run_request *request, struct error *error)
{
    for (size_t i = 0; i < count; i++) {
        enum status status = sweep_cell(sweep, run[i].cell, &config[i], error);
        if (status != STATUS_OK)
            return status;
        request[i] = (struct run_request){
            .config = &config[i], .seed = sweep_seed(sweep), .replicate = sweep_unit_first(sweep, run[i].unit)};
    }
    return STATUS_OK;
}

/* Cuts a job in two near its middle, between two trajectories. cut is false when it has too few lanes. */
static enum status halve(const struct sweep *sweep, const struct planned_run *run, const struct job *job,
                         struct job half[2], bool *cut, struct error *error)
{
    *cut = false;
    if (job->estimator || job->count < SPLIT_LANES_MIN)
        return STATUS_OK;
    struct run_config *config = malloc(job->count * sizeof *config);
    struct run_request *request = malloc(job->count * sizeof *request);
    enum status status = !config || !request
                             ? error_memory(error, job->count * sizeof *config, "a block of runs")
                             : jobs_resolve(sweep, run + job->first, job->count, config, request, error);
    if (status == STATUS_OK) {
        size_t lanes = 1, before = 0, at = 0;
        for (size_t i = 1; i < job->count; i++) {
            if (block_same_trajectory(&request[i - 1], &request[i]))
                continue;
            if (!at && 2 * i >= job->count) {
                at = i;
                before = lanes;
            }
            lanes++;
        }
        if (at && lanes >= SPLIT_LANES_MIN) {
            half[0] = half[1] = *job;
            half[0].count = at;
            half[0].cost = planned_cost(sweep, &config[0], before, job->layout, run[job->first].unit);
            half[1].first += at;
            half[1].count -= at;
            half[1].cost = planned_cost(sweep, &config[at], lanes - before, job->layout, run[job->first + at].unit);
            *cut = true;
        }
    }
    free(request);
    free(config);
    return status;
}

/* Halves the longest packed job as long as the last one then ends earlier. */
static enum status balance(const struct sweep *sweep, struct planned_run *run, size_t threads, struct job_list *list,
                           struct error *error)
{
    size_t most = 4 * threads, count = list->packed;
    if (threads == 1 || count == 0 || count >= most)
        return STATUS_OK;
    double *busy_until = malloc(threads * sizeof *busy_until);
    struct job *kept = malloc(most * sizeof *kept), *tried = malloc(most * sizeof *tried);
    bool room = busy_until && kept && tried;
    enum status status = room ? STATUS_OK : error_memory(error, 2 * most * sizeof *kept, "balancing");
    double shortest = 0;
    if (room) {
        memcpy(kept, list->job, count * sizeof *kept);
        shortest = makespan(kept, count, busy_until, threads);
    }
    bool cut = true;
    while (status == STATUS_OK && cut && count < most) {
        struct job half[2];
        status = halve(sweep, run, &kept[0], half, &cut, error);
        if (status != STATUS_OK || !cut)
            break;
        memcpy(tried, kept, count * sizeof *kept);
        tried[0] = half[0];
        tried[count] = half[1];
        qsort_r(tried, count + 1, sizeof *tried, compare_jobs, run);
        double shorter = makespan(tried, count + 1, busy_until, threads);
        cut = shorter < 0.97 * shortest; /* narrow blocks are slower: they must pay */
        if (cut) {
            memcpy(kept, tried, ++count * sizeof *kept);
            shortest = shorter;
        }
    }
    if (status == STATUS_OK && count > list->packed) {
        size_t solo = list->count - list->packed;
        struct job *grown = realloc(list->job, (count + solo) * sizeof *grown);
        if (grown) {
            memmove(grown + count, grown + list->packed, solo * sizeof *grown);
            memcpy(grown, kept, count * sizeof *grown);
            *list = (struct job_list){grown, count + solo, count};
        } else {
            status = error_memory(error, (count + solo) * sizeof *grown, "jobs");
        }
    }
    free(tried);
    free(kept);
    free(busy_until);
    return status;
}

/* One job per block, or per run where they must be alone; list->job NULL: only counts. */
static enum status add_jobs(const struct sweep *sweep, const struct plan *plan, struct job_list *list,
                            struct error *error)
{
    list->count = list->packed = 0;
    for (size_t i = 0; i < plan->block_count; i++) {
        const struct planned_block *block = &plan->block[i];
        struct run_config config;
        enum status status = sweep_cell(sweep, plan->run[block->first].cell, &config, error);
        if (status != STATUS_OK)
            return status;
        /* The lanes of local SGD are its workers; the engine arranges them. */
        struct job job = {.layout = config.local_workers > 1 ? LAYOUT_AUTO : block->layout,
                          .solo = config.timing == TIMING_SOLO,
                          .estimator = config.kind == KIND_ESTIMATOR,
                          .groups = config.keep == KEEP_MOMENTS};
        size_t parts = job.solo || job.estimator ? block->count : 1;
        job.count = block->count / parts;
        job.cost = block->cost / (double)parts;
        for (size_t part = 0; part < parts; part++) {
            job.first = block->first + part;
            if (list->job)
                list->job[list->count] = job;
            list->count++;
            list->packed += !job.solo;
        }
    }
    return STATUS_OK;
}

enum status jobs_make(const struct sweep *sweep, const struct plan *plan, int threads, struct job_list *list,
                      struct error *error)
{
    *list = (struct job_list){0};
    enum status status = add_jobs(sweep, plan, list, error);
    if (status != STATUS_OK || list->count == 0)
        return status;
    list->job = malloc(list->count * sizeof *list->job);
    if (!list->job)
        return error_memory(error, list->count * sizeof *list->job, "jobs");
    status = add_jobs(sweep, plan, list, error);
    if (status != STATUS_OK)
        return status;
    qsort_r(list->job, list->count, sizeof *list->job, compare_jobs, plan->run);
    return balance(sweep, plan->run, (size_t)threads, list, error);
}

void jobs_free(struct job_list *list)
{
    free(list->job);
    *list = (struct job_list){0};
}

enum status jobs_seconds(const struct job_list *list, int threads, double *seconds, struct error *error)
{
    double *busy_until = malloc((size_t)threads * sizeof *busy_until);
    if (!busy_until)
        return error_memory(error, (size_t)threads * sizeof *busy_until, "threads");
    *seconds = makespan(list->job, list->packed, busy_until, (size_t)threads);
    for (size_t i = list->packed; i < list->count; i++)
        *seconds += list->job[i].cost;
    free(busy_until);
    return STATUS_OK;
}
