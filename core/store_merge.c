/* Joining another store into this one, in one transaction. Rows meet by what they are (hashes, keys), never by their
 * numbers, so that the order of merges does not matter and a second merge changes nothing. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store_internal.h"

static const char doing[] = "merging";

/* Two results for one key: the same trajectory was computed by programs that differ. */
static const char conflict_sql[] =
    "SELECT lower(hex(s.key)), c.problem, c.sampling, s.seed, s.replicate FROM source.run s JOIN main.run t ON t.key = "
    "s.key JOIN source.cell c ON c.id = s.cell WHERE s.diverged IS NOT t.diverged OR s.diverged_at IS NOT "
    "t.diverged_at "
    "OR "
    "s.points IS NOT t.points "
    "OR (SELECT count(*) FROM source.curve WHERE id BETWEEN 64 * s.id AND 64 * s.id + 62) <> "
    "   (SELECT count(*) FROM main.curve WHERE id BETWEEN 64 * t.id AND 64 * t.id + 62) "
    "OR EXISTS (SELECT 1 FROM source.curve a WHERE a.id BETWEEN 64 * s.id AND 64 * s.id + 62 AND a.data IS NOT "
    "   (SELECT b.data FROM main.curve b WHERE b.id = a.id + 64 * (t.id - s.id))) "
    "OR EXISTS (SELECT 1 FROM source.estimator a LEFT JOIN main.estimator b ON b.run = t.id WHERE a.run = s.id AND "
    "   (b.run IS NULL OR a.draws IS NOT b.draws OR a.gradient_norm2 IS NOT b.gradient_norm2 OR a.sigma2 IS NOT "
    "b.sigma2 "
    "   OR a.kappa IS NOT b.kappa OR a.predicted IS NOT b.predicted OR a.variance IS NOT b.variance OR a.variance_se "
    "IS "
    "   NOT b.variance_se OR a.bias_statistic IS NOT b.bias_statistic OR a.bias_df IS NOT b.bias_df OR a.bias_p IS NOT "
    "   b.bias_p OR a.bias_along_gradient IS NOT b.bias_along_gradient OR a.bias_along_gradient_se IS NOT "
    "   b.bias_along_gradient_se OR a.direction IS NOT b.direction OR a.covariance IS NOT b.covariance OR a.lag IS NOT "
    "b.lag)) LIMIT 1";
_Static_assert(CURVES_PER_RUN == 64 && CURVE_SECONDS == 63, "the numbers in the statements of this file");

/* In this order. A reference that this store lacks is taken; where both have one they were certified for the same
 * objective, and this store's stays. :first is the largest run.id before. */
static const char *const merge_sql[] = {
    "INSERT INTO main.session (key, started, ended, environment) SELECT key, started, ended, environment FROM "
    "source.session WHERE true ON CONFLICT (key) DO UPDATE SET ended = max(ended, excluded.ended)",

    "INSERT INTO main.series (hash, data) SELECT hash, data FROM source.series WHERE true ON CONFLICT DO NOTHING",

    "INSERT INTO main.data (name, checksum, n, d, n_test, nnz) SELECT name, checksum, n, d, n_test, nnz FROM "
    "source.data "
    "WHERE true ON CONFLICT DO NOTHING",

    "INSERT INTO main.reference (hash, found, reason, method, f, gap, smoothness, convexity) SELECT hash, found, "
    "reason, "
    "method, f, gap, smoothness, convexity FROM source.reference WHERE true ON CONFLICT DO NOTHING",

    "INSERT INTO main.cell (key, config, kind, chains, problem, sampling, batch_size, schedule, rate, \"update\", "
    "momentum, "
    "averaging, l2, steps, n, d, metrics, data, reference, grid, samples, rates) SELECT c.key, c.config, c.kind, "
    "c.chains, "
    "c.problem, c.sampling, c.batch_size, c.schedule, c.rate, c.\"update\", c.momentum, c.averaging, c.l2, c.steps, "
    "c.n, "
    "c.d, c.metrics, "
    "(SELECT t.id FROM main.data t JOIN source.data s ON (t.checksum, t.name, t.n, t.d, t.n_test, t.nnz) = "
    "(s.checksum, "
    "s.name, s.n, s.d, s.n_test, s.nnz) WHERE s.id = c.data), "
    "(SELECT t.id FROM main.reference t JOIN source.reference s ON t.hash = s.hash WHERE s.id = c.reference), "
    "(SELECT t.id FROM main.series t JOIN source.series s ON t.hash = s.hash WHERE s.id = c.grid), "
    "(SELECT t.id FROM main.series t JOIN source.series s ON t.hash = s.hash WHERE s.id = c.samples), "
    "(SELECT t.id FROM main.series t JOIN source.series s ON t.hash = s.hash WHERE s.id = c.rates) "
    "FROM source.cell c WHERE true ORDER BY c.id ON CONFLICT (key) DO UPDATE SET reference = coalesce(reference, "
    "excluded.reference)",

    "INSERT INTO main.run (key, cell, seed, replicate, chains, diverged, diverged_at, points, train_seconds, "
    "measure_seconds, lanes, session) SELECT s.key, t.id, s.seed, s.replicate, s.chains, s.diverged, s.diverged_at, "
    "s.points, s.train_seconds, "
    "s.measure_seconds, s.lanes, (SELECT a.id FROM main.session a JOIN source.session b ON a.key = b.key WHERE b.id = "
    "s.session) FROM source.run s JOIN source.cell c ON c.id = s.cell JOIN main.cell t ON t.key = c.key WHERE true "
    "ORDER "
    "BY s.id ON CONFLICT (key) DO NOTHING",

    "INSERT INTO main.curve (id, data) SELECT a.id + 64 * (t.id - s.id), a.data FROM main.run t JOIN source.run s ON "
    "s.key = t.key JOIN source.curve a ON a.id BETWEEN 64 * s.id AND 64 * s.id + 63 WHERE t.id > :first",

    "INSERT INTO main.estimator SELECT t.id, e.draws, e.gradient_norm2, e.sigma2, e.kappa, e.predicted, e.variance, "
    "e.variance_se, e.bias_statistic, e.bias_df, e.bias_p, e.bias_along_gradient, e.bias_along_gradient_se, "
    "e.direction, "
    "e.covariance, e.lag FROM main.run t JOIN source.run s ON s.key = t.key JOIN source.estimator e ON e.run = s.id "
    "WHERE "
    "t.id "
    "> :first",

    "INSERT INTO main.failure (cell, seed, replicate, failed, reason) SELECT t.id, s.seed, s.replicate, s.failed, "
    "s.reason FROM source.failure s JOIN source.cell c ON c.id = s.cell JOIN main.cell t ON t.key = c.key WHERE true "
    "ON "
    "CONFLICT DO UPDATE SET failed = excluded.failed, reason = excluded.reason WHERE (excluded.failed, "
    "excluded.reason) > "
    "(failed, reason)",

    "DELETE FROM main.failure WHERE EXISTS (SELECT 1 FROM main.run r WHERE (r.cell, r.seed, r.replicate) = "
    "(failure.cell, "
    "failure.seed, failure.replicate))",

    /* Plans: the later one wins; its hash decides where times are equal. */
    "DELETE FROM main.membership WHERE experiment IN (SELECT t.id FROM main.experiment t JOIN source.experiment s ON "
    "s.name = t.name WHERE (s.planned, s.plan_hash) > (t.planned, t.plan_hash))",

    "INSERT INTO main.experiment (name, question, config, settings, axes, figures, cells, replicates, seed, planned, "
    "plan_hash) SELECT name, question, config, settings, axes, figures, cells, replicates, seed, planned, plan_hash "
    "FROM "
    "source.experiment WHERE true ON CONFLICT (name) DO UPDATE SET question = excluded.question, config = "
    "excluded.config, settings = excluded.settings, axes = excluded.axes, figures = excluded.figures, cells = "
    "excluded.cells, replicates = excluded.replicates, seed = excluded.seed, planned = excluded.planned, plan_hash = "
    "excluded.plan_hash WHERE (excluded.planned, excluded.plan_hash) > (planned, plan_hash)",

    "INSERT INTO main.membership (experiment, position, cell) SELECT t.id, m.position, c.id FROM source.membership m "
    "JOIN "
    "source.experiment s ON s.id = m.experiment JOIN main.experiment t ON t.name = s.name AND t.plan_hash = "
    "s.plan_hash "
    "JOIN source.cell a ON a.id = m.cell JOIN main.cell c ON c.key = a.key WHERE true ON CONFLICT DO NOTHING",
};

static enum status find_conflict(struct store *store, const char *from, struct error *error)
{
    sqlite3_stmt *select = NULL;
    bool row = false;
    enum status status = store_prepare(store, &select, conflict_sql, error);
    if (status == STATUS_OK)
        status = store_step(store, select, doing, &row, error);
    if (row)
        status =
            error_at(error, STATUS_INPUT, from, 0, 0,
                     "holds another result for run %s (%s, %s, seed %llu, replicate %llu) than %s. Nothing was "
                     "merged. Runs are deterministic: was one of the two made by a changed program?",
                     (const char *)sqlite3_column_text(select, 0), (const char *)sqlite3_column_text(select, 1),
                     (const char *)sqlite3_column_text(select, 2), (unsigned long long)sqlite3_column_int64(select, 3),
                     (unsigned long long)sqlite3_column_int64(select, 4), store->path);
    sqlite3_finalize(select);
    return status;
}

static enum status copy_rows(struct store *store, struct error *error)
{
    int64_t first;
    enum status status = store_integer(store, "SELECT coalesce(max(id), 0) FROM main.run", &first, error);
    for (size_t i = 0; i < sizeof merge_sql / sizeof *merge_sql && status == STATUS_OK; i++) {
        sqlite3_stmt *statement = NULL;
        status = store_prepare(store, &statement, merge_sql[i], error);
        if (status == STATUS_OK && sqlite3_bind_parameter_count(statement) > 0)
            sqlite3_bind_int64(statement, 1, first);
        if (status == STATUS_OK)
            status = store_run(store, statement, doing, error);
        sqlite3_finalize(statement);
    }
    return status;
}

/* Errors here are the source's own, whatever file the connection names. */
static enum status attach(struct store *store, const char *path, struct error *error)
{
    sqlite3_stmt *statement = NULL;
    enum status status = store_prepare(store, &statement, "ATTACH DATABASE ?1 AS source", error);
    if (status == STATUS_OK) {
        store_bind_text(statement, 1, path);
        status = store_run(store, statement, doing, error);
    }
    sqlite3_finalize(statement);
    if (status == STATUS_OK)
        status = store_check_identity(store, "source", path, NULL, error);
    if (status != STATUS_OK && error)
        snprintf(error->file, sizeof error->file, "%s", path);
    return status;
}

static enum status merge_attached(struct store *store, const char *path, struct error *error)
{
    enum status status = store_begin(store, doing, error);
    if (status != STATUS_OK)
        return status;
    status = find_conflict(store, path, error);
    if (status == STATUS_OK)
        status = copy_rows(store, error);
    return store_end(store, status, doing, error);
}

enum status store_merge(struct store *store, const char *from, struct error *error)
{
    struct stat here, there;
    enum status status = store_flush(store, error);
    if (status != STATUS_OK)
        return status;
    char *path = store_database_path(from);
    if (!path)
        return error_memory(error, strlen(from), "a path");
    if (stat(path, &there) != 0) {
        status = error_at(error, STATUS_NOT_FOUND, from, 0, 0, "no results here (sgdlab.db)");
    } else if (stat(store->path, &here) == 0 && here.st_dev == there.st_dev && here.st_ino == there.st_ino) {
        status = error_at(error, STATUS_USAGE, from, 0, 0, "is the results directory that is merged into");
    } else {
        pthread_mutex_lock(&store->lock);
        store->known.complete = false;
        status = attach(store, path, error);
        if (status == STATUS_OK)
            status = merge_attached(store, path, error);
        sqlite3_exec(store->db, "DETACH DATABASE source", NULL, NULL, NULL); /* refused where nothing was attached */
        pthread_mutex_unlock(&store->lock);
    }
    free(path);
    return status;
}
