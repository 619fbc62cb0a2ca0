/* Inside the runner: from a plan to jobs, which are what threads take. Grouping and order only; no result depends on
 * it. */
#ifndef SGDLAB_RUNNER_JOBS_H
#define SGDLAB_RUNNER_JOBS_H

#include "sweep.h"

/* Some consecutive units of the plan that are done in one go: a block, part of one, or a single run. */
struct job {
    size_t first, count;
    enum block_layout layout;
    double cost;
    unsigned class; /* the runner's */
    bool solo, estimator;
    bool groups; /* the runs are groups of chains */
};

struct job_list {
    struct job *job; /* packed ones of falling cost, then solo ones, replicate by replicate */
    size_t count, packed;
};

/* Blocks whose runs must be alone become one job per run; where a plan of few blocks would leave threads idle, the
 * longest ones are halved. */
enum status jobs_make(const struct sweep *sweep, const struct plan *plan, int threads, struct job_list *list,
                      struct error *error);
void jobs_free(struct job_list *list);
/* Predicted seconds until the last job ends. */
enum status jobs_seconds(const struct job_list *list, int threads, double *seconds, struct error *error);

/* The configurations and requests of plan runs first .. first+count-1. */
enum status jobs_resolve(const struct sweep *sweep, const struct planned_run *run, size_t count,
                         struct run_config *config, struct run_request *request, struct error *error);

/* first_of[i]: the first cell with the same id as cell i. Cells that differ in nothing that matters share an id. */
enum status equal_cells(const int64_t *id, size_t cells, size_t *first_of, struct error *error);

#endif
