/* Reading the store as plain structs, for export and manifest. Each call takes the file's lock for one row and gives it
 * back, so that a sweep may go on writing; `mark` (store_mark) leaves out runs that were added after the reading began.
 */
#ifndef SGDLAB_STORE_READ_H
#define SGDLAB_STORE_READ_H

#include "estimator.h"
#include "stats.h"
#include "store.h"

/* The newest run there is. */
enum status store_mark(struct store *store, int64_t *mark, struct error *error);

struct stored_experiment {
    int64_t id;
    char *name, *question, *config;   /* config: the YAML text */
    char *settings, *axes, *figures;  /* JSON */
    uint64_t cells, replicates, seed; /* cells: positions of the product */
    uint64_t distinct;                /* cells that differ in what matters */
    int64_t planned, begun, ended;    /* milliseconds since 1970; begun and ended only by store_read_times */
};
/* By name; free with stored_experiments_free. */
enum status store_read_experiments(struct store *store, struct stored_experiment **out, size_t *count,
                                   struct error *error);
/* Fills begun and ended: of the processes that did its runs; 0: none. */
enum status store_read_times(struct store *store, struct stored_experiment *experiment, struct error *error);
void stored_experiments_free(struct stored_experiment *experiment, size_t count);

/* What its cells are: the union of the metrics that were asked, and which kinds of runs there are. */
struct experiment_kinds {
    unsigned metrics;
    bool training, estimator, moments; /* moments: training cells of which moments were kept */
};
enum status store_read_kinds(struct store *store, int64_t experiment, struct experiment_kinds *kinds,
                             struct error *error);

struct stored_reference {
    bool solved; /* false: no run of the cell was done yet */
    bool exists;
    char reason[256], method[64];
    double f, gap, smoothness, convexity;
};

/* One cell of an experiment. Start from a zeroed struct; the arrays are kept from one read to the next. */
struct stored_cell {
    int64_t id;
    uint64_t position;
    char *config; /* canonical JSON */
    enum run_kind kind;
    enum keep keep;
    unsigned metrics;
    struct cell_columns columns;
    struct stored_reference reference;
    size_t points, capacity;
    uint64_t *step, *samples;
    double *rate;
    int64_t series[3]; /* the rows that the three arrays came from */
};
/* The first cell at or after a position; *found false: none. */
enum status store_read_cell(struct store *store, int64_t experiment, uint64_t position, struct stored_cell *cell,
                            bool *found, struct error *error);
void stored_cell_free(struct stored_cell *cell);

/* One run, as stored_cell. */
struct stored_run {
    int64_t id;
    struct key key;
    uint64_t replicate, diverged_at;
    enum outcome outcome;
    double train_seconds, measure_seconds;
    size_t points, lanes;
    double *metric[METRIC_COUNT], *seconds; /* points values each; NULL: not there */
    double *buffer;
    size_t capacity; /* points that the buffer has room for */
};
/* The first run of that cell (keep: runs) and seed with at least that replicate. */
enum status store_read_run(struct store *store, int64_t mark, int64_t cell, uint64_t seed, uint64_t replicate,
                           struct stored_run *run, bool *found, struct error *error);
void stored_run_free(struct stored_run *run);

/* One group of chains, of a cell that keeps moments. As stored_cell. */
struct stored_group {
    int64_t id;
    struct key key;
    uint64_t first, chains, diverged; /* replicates first .. first + chains - 1 */
    double train_seconds, measure_seconds;
    size_t points;
    struct moments *metric[METRIC_COUNT]; /* [points] each; NULL: not there. count: chains that had not diverged */
    uint64_t *count;                      /* [points]: the same */
    struct moments *buffer;
    size_t capacity; /* points that the buffers have room for */
};
/* The first group of that cell and seed, among those of a plan of that many replicates, which begins at `first` or
 * later. */
enum status store_read_group(struct store *store, int64_t mark, int64_t cell, uint64_t seed, uint64_t replicates,
                             uint64_t first, struct stored_group *group, bool *found, struct error *error);
void stored_group_free(struct stored_group *group);

/* All of them, in the order of their replicates. */
struct stored_moments {
    size_t points, groups;
    uint64_t chains, diverged;            /* sums over the groups */
    uint64_t *group_chains;               /* [groups] */
    uint64_t *count;                      /* [groups][points]: chains that had not diverged */
    struct moments *metric[METRIC_COUNT]; /* [groups][points] each; NULL: not there */
};
/* Free with stored_moments_free. */
enum status store_read_moments(struct store *store, int64_t mark, int64_t cell, uint64_t seed, uint64_t replicates,
                               struct stored_moments *out, struct error *error);
void stored_moments_free(struct stored_moments *moments);

/* A failed run (or group: its first replicate): its replicate and reason (the caller frees it). */
enum status store_read_failure(struct store *store, int64_t cell, uint64_t seed, uint64_t replicate, uint64_t *failed,
                               char **reason, bool *found, struct error *error);

/* The estimator result of a run: free with estimator_result_free. */
enum status store_read_estimator(struct store *store, int64_t run, struct estimator_result *result,
                                 struct error *error);

/* Hands the rows of a list to `each`, columns as text, in a fixed order: sessions (started, ended, environment) and the
 * data sets of an experiment (name, checksum, n, d, n_test, nnz). */
enum status store_each_session(struct store *store, void (*each)(void *context, const char *const *column),
                               void *context, struct error *error);
enum status store_each_data(struct store *store, int64_t experiment,
                            void (*each)(void *context, const char *const *column), void *context, struct error *error);

/* Number of replicates of an experiment, whether kept as runs or in groups: finished, diverged, failed. */
struct run_counts {
    uint64_t finished, diverged, failed;
    double train_seconds, measure_seconds;
};
enum status store_count_runs(struct store *store, const struct stored_experiment *experiment, struct run_counts *counts,
                             struct error *error);

#endif
