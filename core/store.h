/* The store: one SQLite file (DIR/sgdlab.db) per results directory; the only part that knows SQL. A run is identified
 * by its key (sweep.h), so it is never stored twice. Membership of runs in experiments is a table: the same run may
 * serve several. */
#ifndef SGDLAB_STORE_H
#define SGDLAB_STORE_H

#include "engine.h"
#include "sweep.h"

struct store;

enum store_mode { STORE_CREATE, STORE_READ };

/* STORE_CREATE makes DIR and the file when missing. Errors say what is safe: a foreign database, a newer schema, a
 * read-only directory, a file locked by another process. */
enum status store_open(const char *dir, enum store_mode mode, struct store **out, struct error *error);
/* Commits what is pending. */
enum status store_close(struct store *store, struct error *error);

/* Registers an experiment and its plan (cells in order, replicates, seed, axes, figures, settings as JSON), replacing
 * the last plan of that name; runs stay. Fills cell_id[sweep_cells]. */
enum status store_put_plan(struct store *store, const struct sweep *sweep, const char *settings_json, int64_t *cell_id,
                           struct error *error);

/* Is the run (finished or diverged; chains = 1), or the group of `chains` replicates that begins there, in the store? A
 * search in memory: the runs of one seed are read at the first call. */
bool store_has_run(struct store *store, int64_t cell_id, uint64_t seed, uint64_t replicate, uint64_t chains);

/* Queues one result (copied; nothing of request and result is used afterwards); thread-safe. A put commits what is
 * older than 0.25 s; who may be long without a put calls store_flush every 0.5 s. What an error left uncommitted is
 * kept and tried again by the next put or flush. */
enum status store_put_run(struct store *store, int64_t cell_id, const struct run_request *request,
                          const struct run_result *result, struct error *error);
/* The same for a group of a cell that keeps moments; the request names its first replicate. */
struct group_result;
enum status store_put_group(struct store *store, int64_t cell_id, const struct run_request *request,
                            const struct group_result *result, struct error *error);
/* A run or group (as store_has_run) that could not be done: its reason. Retried by the next `run`. */
enum status store_put_failure(struct store *store, int64_t cell_id, uint64_t seed, uint64_t replicate, uint64_t chains,
                              const char *reason, struct error *error);
enum status store_flush(struct store *store, struct error *error);

/* Estimator results: one row per cell and replicate, see estimator.h. */
struct estimator_result;
enum status store_put_estimator(struct store *store, int64_t cell_id, const struct run_request *request,
                                const struct estimator_result *result, struct error *error);

/* Deletes the plan of that experiment and the runs, failures and estimator results of its cells (also where another
 * experiment shares them: they are computed again with the same numbers). An unknown name is fine. */
enum status store_forget(struct store *store, const char *experiment, struct error *error);

/* Joins the runs, cells and plans of the database in `from` into this store. Idempotent and order-free; two different
 * results for one key are an error that names it. */
enum status store_merge(struct store *store, const char *from, struct error *error);

/* SHA-256 (hex) over all results except times, in key order: independent of the order in which runs were done. */
enum status store_digest(struct store *store, char hex[65], struct error *error);

/* Writes the text tables of every experiment of the last plan below DIR/<experiment>/ and DIR/manifest.json. experiment
 * NULL: all. */
enum status store_export(struct store *store, const char *dir, const char *experiment, struct error *error);

/* Counts for `sgdlab status`: of replicates, also where they are kept in groups. */
struct store_status {
    char name[128];
    size_t planned, finished, diverged, failed;
    double train_seconds, measure_seconds;
};
enum status store_status(struct store *store, struct store_status **out, size_t *count, struct error *error);

#endif
