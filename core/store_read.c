/* Reading rows of the store. What a file from a stranger claims is checked before it is used as a size. */
#include "store_read.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "store_internal.h"

static const char doing[] = "reading results";

/* Is this row of `run` (cell c) part of a plan of so many replicates (?3)? The last group may be short, and a short one
 * of an earlier plan stays. */
#define PLANNED_UNIT "run.chains = min(c.chains, ?3 - run.replicate)"

static enum status damaged(struct store *store, const char *what, struct error *error)
{
    return error_at(error, STATUS_IO, store->path, 0, 0, "is damaged: %s", what);
}

enum status store_mark(struct store *store, int64_t *mark, struct error *error)
{
    pthread_mutex_lock(&store->lock);
    enum status status = store_integer(store, "SELECT coalesce(max(id), 0) FROM run", mark, error);
    pthread_mutex_unlock(&store->lock);
    return status;
}

/* ---- experiments ---- */

static char *column_text(sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);
    return strdup(text ? (const char *)text : "");
}

enum status store_read_times(struct store *store, struct stored_experiment *experiment, struct error *error)
{
    pthread_mutex_lock(&store->lock);
    sqlite3_stmt *select = NULL;
    bool row = false;
    enum status status =
        store_prepare(store, &select,
                      "SELECT min(started), max(ended) FROM session WHERE id IN (SELECT run.session FROM membership m "
                      "JOIN cell c ON c.id = m.cell JOIN run ON run.cell = c.id AND run.seed = ?2 "
                      "AND " PLANNED_UNIT " WHERE m.experiment = ?1)",
                      error);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(select, 1, experiment->id);
        store_bind_count(select, 2, experiment->seed);
        store_bind_count(select, 3, experiment->replicates);
        status = store_step(store, select, doing, &row, error);
    }
    if (row) {
        experiment->begun = sqlite3_column_int64(select, 0);
        experiment->ended = sqlite3_column_int64(select, 1);
    }
    sqlite3_finalize(select);
    pthread_mutex_unlock(&store->lock);
    return status;
}

static enum status take_experiment(sqlite3_stmt *select, struct stored_experiment *experiment, struct error *error)
{
    *experiment = (struct stored_experiment){
        .id = sqlite3_column_int64(select, 0),
        .name = column_text(select, 1),
        .question = column_text(select, 2),
        .config = column_text(select, 3),
        .settings = column_text(select, 4),
        .axes = column_text(select, 5),
        .figures = column_text(select, 6),
        .cells = (uint64_t)sqlite3_column_int64(select, 7),
        .replicates = (uint64_t)sqlite3_column_int64(select, 8),
        .seed = (uint64_t)sqlite3_column_int64(select, 9),
        .planned = sqlite3_column_int64(select, 10),
        .distinct = (uint64_t)sqlite3_column_int64(select, 11),
    };
    bool complete = experiment->name && experiment->question && experiment->config && experiment->settings &&
                    experiment->axes && experiment->figures;
    return complete ? STATUS_OK : error_memory(error, 1024, "an experiment");
}

enum status store_read_experiments(struct store *store, struct stored_experiment **out, size_t *count,
                                   struct error *error)
{
    *out = NULL;
    *count = 0;
    pthread_mutex_lock(&store->lock);
    sqlite3_stmt *select = NULL;
    enum status status = store_prepare(store, &select,
                                       "SELECT id, name, question, config, settings, axes, figures, cells, replicates, "
                                       "seed, planned, (SELECT count(*) FROM membership m WHERE m.experiment = "
                                       "experiment.id) FROM experiment ORDER BY name",
                                       error);
    bool row = status == STATUS_OK;
    while (row) {
        status = store_step(store, select, doing, &row, error);
        if (!row)
            break;
        struct stored_experiment *bigger = realloc(*out, (*count + 1) * sizeof **out);
        if (!bigger) {
            status = error_memory(error, (*count + 1) * sizeof **out, "the list of experiments");
            break;
        }
        *out = bigger;
        status = take_experiment(select, &bigger[(*count)++], error);
        row = status == STATUS_OK;
    }
    sqlite3_finalize(select);
    pthread_mutex_unlock(&store->lock);
    if (status != STATUS_OK) {
        stored_experiments_free(*out, *count);
        *out = NULL;
        *count = 0;
    }
    return status;
}

void stored_experiments_free(struct stored_experiment *experiment, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(experiment[i].name);
        free(experiment[i].question);
        free(experiment[i].config);
        free(experiment[i].settings);
        free(experiment[i].axes);
        free(experiment[i].figures);
    }
    free(experiment);
}

enum status store_count_runs(struct store *store, const struct stored_experiment *experiment, struct run_counts *counts,
                             struct error *error)
{
    *counts = (struct run_counts){0};
    pthread_mutex_lock(&store->lock);
    sqlite3_stmt *runs = NULL, *failures = NULL;
    bool row = false;
    enum status status = store_prepare(store, &runs,
                                       "SELECT coalesce(sum(run.chains), 0), coalesce(sum(run.diverged), 0), "
                                       "total(run.train_seconds), total(run.measure_seconds) FROM membership m JOIN "
                                       "cell c ON c.id = m.cell JOIN run ON run.cell = c.id AND run.seed = ?2 "
                                       "AND " PLANNED_UNIT " WHERE m.experiment = ?1",
                                       error);
    if (status == STATUS_OK)
        status =
            store_prepare(store, &failures,
                          "SELECT coalesce(sum(min(c.chains, ?3 - f.replicate)), 0) FROM membership m JOIN cell c ON "
                          "c.id = m.cell JOIN failure f ON f.cell = c.id AND f.seed = ?2 AND f.replicate < ?3 WHERE "
                          "m.experiment = ?1",
                          error);
    if (status == STATUS_OK) {
        sqlite3_stmt *both[2] = {runs, failures};
        for (int i = 0; i < 2; i++) {
            sqlite3_bind_int64(both[i], 1, experiment->id);
            store_bind_count(both[i], 2, experiment->seed);
            store_bind_count(both[i], 3, experiment->replicates);
        }
        status = store_step(store, runs, doing, &row, error);
    }
    if (row) {
        counts->diverged = (uint64_t)sqlite3_column_int64(runs, 1);
        counts->finished = (uint64_t)sqlite3_column_int64(runs, 0) - counts->diverged;
        counts->train_seconds = sqlite3_column_double(runs, 2);
        counts->measure_seconds = sqlite3_column_double(runs, 3);
        sqlite3_reset(runs);
        status = store_step(store, failures, doing, &row, error);
        if (row)
            counts->failed = (uint64_t)sqlite3_column_int64(failures, 0);
    }
    sqlite3_finalize(runs);
    sqlite3_finalize(failures);
    pthread_mutex_unlock(&store->lock);
    return status;
}

enum status store_status(struct store *store, struct store_status **out, size_t *count, struct error *error)
{
    struct stored_experiment *experiment;
    *out = NULL;
    *count = 0;
    enum status status = store_flush(store, error);
    if (status == STATUS_OK)
        status = store_read_experiments(store, &experiment, count, error);
    if (status != STATUS_OK)
        return status;
    *out = calloc(*count ? *count : 1, sizeof **out);
    if (!*out)
        status = error_memory(error, *count * sizeof **out, "counts");
    for (size_t i = 0; *out && i < *count && status == STATUS_OK; i++) {
        struct run_counts counts;
        struct store_status *line = &(*out)[i];
        status = store_count_runs(store, &experiment[i], &counts, error);
        snprintf(line->name, sizeof line->name, "%s", experiment[i].name);
        line->planned = (size_t)(experiment[i].distinct * experiment[i].replicates);
        line->finished = (size_t)counts.finished;
        line->diverged = (size_t)counts.diverged;
        line->failed = (size_t)counts.failed;
        line->train_seconds = counts.train_seconds;
        line->measure_seconds = counts.measure_seconds;
    }
    stored_experiments_free(experiment, *count);
    if (status != STATUS_OK) {
        free(*out);
        *out = NULL;
        *count = 0;
    }
    return status;
}

enum status store_read_kinds(struct store *store, int64_t experiment, struct experiment_kinds *kinds,
                             struct error *error)
{
    *kinds = (struct experiment_kinds){0};
    pthread_mutex_lock(&store->lock);
    sqlite3_stmt *select = NULL;
    enum status status =
        store_prepare(store, &select,
                      "SELECT DISTINCT c.metrics, c.kind, c.chains FROM membership m JOIN cell c ON c.id = m.cell "
                      "WHERE m.experiment = ?1",
                      error);
    if (status == STATUS_OK)
        sqlite3_bind_int64(select, 1, experiment);
    bool row = status == STATUS_OK;
    while (row) {
        status = store_step(store, select, doing, &row, error);
        if (!row)
            break;
        kinds->metrics |= (unsigned)sqlite3_column_int64(select, 0);
        if (sqlite3_column_int(select, 1) == KIND_ESTIMATOR)
            kinds->estimator = true;
        else
            kinds->training = true;
        kinds->moments = kinds->moments || sqlite3_column_int(select, 2) > 1;
    }
    sqlite3_finalize(select);
    pthread_mutex_unlock(&store->lock);
    return status;
}

/* ---- lists ---- */

static enum status each_row(struct store *store, const char *sql, const int64_t *parameter,
                            void (*each)(void *context, const char *const *column), void *context, struct error *error)
{
    enum { COLUMNS_MAX = 8 };
    pthread_mutex_lock(&store->lock);
    sqlite3_stmt *select = NULL;
    enum status status = store_prepare(store, &select, sql, error);
    if (status == STATUS_OK && parameter)
        sqlite3_bind_int64(select, 1, *parameter);
    bool row = status == STATUS_OK;
    while (row) {
        status = store_step(store, select, doing, &row, error);
        if (!row)
            break;
        const char *column[COLUMNS_MAX] = {0};
        for (int i = 0; i < sqlite3_column_count(select) && i < COLUMNS_MAX; i++) {
            column[i] = (const char *)sqlite3_column_text(select, i);
            if (!column[i])
                column[i] = "";
        }
        each(context, column);
    }
    sqlite3_finalize(select);
    pthread_mutex_unlock(&store->lock);
    return status;
}

enum status store_each_session(struct store *store, void (*each)(void *context, const char *const *column),
                               void *context, struct error *error)
{
    return each_row(store, "SELECT started, ended, environment FROM session ORDER BY started, key", NULL, each, context,
                    error);
}

enum status store_each_data(struct store *store, int64_t experiment,
                            void (*each)(void *context, const char *const *column), void *context, struct error *error)
{
    return each_row(
        store,
        "SELECT name, checksum, n, d, n_test, nnz FROM data WHERE id IN (SELECT cell.data FROM membership m "
        "JOIN cell ON cell.id = m.cell WHERE m.experiment = ?1) ORDER BY name, checksum, n, d, n_test, nnz",
        &experiment, each, context, error);
}

/* ---- cells ---- */

static enum status read_series(struct store *store, int64_t row, struct stored_cell *cell, int which,
                               struct error *error)
{
    sqlite3_stmt *select = NULL;
    bool found = false;
    enum status status = store_prepare(store, &select, "SELECT data FROM series WHERE id = ?1", error);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(select, 1, row);
        status = store_step(store, select, doing, &found, error);
    }
    size_t size = found ? (size_t)sqlite3_column_bytes(select, 0) : 0, points = size / sizeof(uint64_t);
    if (status == STATUS_OK && (!found || size % sizeof(uint64_t) != 0 || (which > 0 && points != cell->points)))
        status = damaged(store, "the curves of a cell do not fit together", error);
    if (status == STATUS_OK && points > cell->capacity) {
        free(cell->step);
        free(cell->samples);
        free(cell->rate);
        cell->step = malloc(size);
        cell->samples = malloc(size);
        cell->rate = malloc(size);
        cell->capacity = cell->step && cell->samples && cell->rate ? points : 0;
        cell->series[1] = cell->series[2] = 0;
        if (!cell->capacity)
            status = error_memory(error, 3 * size, "curves of a cell");
    }
    if (status == STATUS_OK && points > 0 && cell->step && cell->samples && cell->rate) {
        const void *blob = sqlite3_column_blob(select, 0);
        if (which == 2) {
            store_unpack(blob, points, cell->rate);
        } else {
            uint64_t *out = which == 0 ? cell->step : cell->samples;
            memcpy(out, blob, size);
            for (size_t i = 0; i < points; i++)
                out[i] = le64toh(out[i]);
        }
    }
    if (status == STATUS_OK) {
        cell->points = points;
        cell->series[which] = row;
    }
    sqlite3_finalize(select);
    return status;
}

static void take_text(sqlite3_stmt *statement, int column, char *text, size_t size)
{
    const unsigned char *value = sqlite3_column_text(statement, column);
    snprintf(text, size, "%s", value ? (const char *)value : "");
}

static enum status take_cell(sqlite3_stmt *select, struct stored_cell *cell, int64_t series[3], struct error *error)
{
    struct cell_columns *columns = &cell->columns;
    struct stored_reference *reference = &cell->reference;
    free(cell->config);
    cell->position = (uint64_t)sqlite3_column_int64(select, 0);
    cell->id = sqlite3_column_int64(select, 1);
    cell->config = column_text(select, 2);
    cell->kind = sqlite3_column_int(select, 3) == KIND_ESTIMATOR ? KIND_ESTIMATOR : KIND_TRAINING;
    take_text(select, 4, columns->problem, sizeof columns->problem);
    take_text(select, 5, columns->sampling, sizeof columns->sampling);
    columns->batch_size = (size_t)sqlite3_column_int64(select, 6);
    take_text(select, 7, columns->schedule, sizeof columns->schedule);
    columns->rate = store_column_real(select, 8);
    take_text(select, 9, columns->update, sizeof columns->update);
    columns->momentum = store_column_real(select, 10);
    take_text(select, 11, columns->averaging, sizeof columns->averaging);
    columns->l2 = store_column_real(select, 12);
    columns->steps = (uint64_t)sqlite3_column_int64(select, 13);
    columns->n = (size_t)sqlite3_column_int64(select, 14);
    columns->d = (size_t)sqlite3_column_int64(select, 15);
    cell->metrics = (unsigned)sqlite3_column_int64(select, 16);
    take_text(select, 17, columns->data, sizeof columns->data);
    for (int i = 0; i < 3; i++)
        series[i] = sqlite3_column_int64(select, 18 + i);
    reference->solved = sqlite3_column_type(select, 21) != SQLITE_NULL;
    reference->exists = sqlite3_column_int(select, 21) != 0;
    take_text(select, 22, reference->reason, sizeof reference->reason);
    take_text(select, 23, reference->method, sizeof reference->method);
    reference->f = store_column_real(select, 24);
    reference->gap = store_column_real(select, 25);
    reference->smoothness = store_column_real(select, 26);
    reference->convexity = store_column_real(select, 27);
    cell->keep = sqlite3_column_int(select, 28) > 1 ? KEEP_MOMENTS : KEEP_RUNS;
    return cell->config ? STATUS_OK : error_memory(error, 1024, "the text of a cell");
}

enum status store_read_cell(struct store *store, int64_t experiment, uint64_t position, struct stored_cell *cell,
                            bool *found, struct error *error)
{
    *found = false;
    pthread_mutex_lock(&store->lock);
    enum status status = store_prepare(
        store, &store->read_cell,
        "SELECT m.position, c.id, c.config, c.kind, c.problem, c.sampling, c.batch_size, c.schedule, c.rate, "
        "c.\"update\", c.momentum, c.averaging, c.l2, c.steps, c.n, c.d, c.metrics, d.name, c.grid, c.samples, "
        "c.rates, "
        "r.found, r.reason, r.method, r.f, r.gap, r.smoothness, r.convexity, c.chains FROM membership m JOIN cell c ON "
        "c.id = "
        "m.cell JOIN data d ON d.id = c.data LEFT JOIN reference r ON r.id = c.reference WHERE m.experiment = ?1 AND "
        "m.position >= ?2 ORDER BY m.position LIMIT 1",
        error);
    int64_t series[3] = {0};
    if (status == STATUS_OK) {
        sqlite3_bind_int64(store->read_cell, 1, experiment);
        store_bind_count(store->read_cell, 2, position);
        status = store_step(store, store->read_cell, doing, found, error);
    }
    if (*found) {
        status = take_cell(store->read_cell, cell, series, error);
        sqlite3_reset(store->read_cell);
    }
    for (int i = 0; *found && i < 3 && status == STATUS_OK; i++)
        if (cell->series[i] != series[i])
            status = read_series(store, series[i], cell, i, error);
    pthread_mutex_unlock(&store->lock);
    return status;
}

void stored_cell_free(struct stored_cell *cell)
{
    free(cell->config);
    free(cell->step);
    free(cell->samples);
    free(cell->rate);
    *cell = (struct stored_cell){0};
}

/* ---- runs ---- */

static enum status read_curves(struct store *store, struct stored_run *run, struct error *error)
{
    bool row = true;
    enum status status =
        store_prepare(store, &store->read_curves, "SELECT id, data FROM curve WHERE id BETWEEN ?1 AND ?2", error);
    if (status != STATUS_OK)
        return status;
    sqlite3_bind_int64(store->read_curves, 1, run->id * CURVES_PER_RUN);
    sqlite3_bind_int64(store->read_curves, 2, run->id * CURVES_PER_RUN + CURVE_SECONDS);
    for (;;) {
        status = store_step(store, store->read_curves, doing, &row, error);
        if (!row)
            return status;
        int64_t number = sqlite3_column_int64(store->read_curves, 0) - run->id * CURVES_PER_RUN;
        if ((size_t)sqlite3_column_bytes(store->read_curves, 1) != run->points * sizeof(double)) {
            sqlite3_reset(store->read_curves);
            return damaged(store, "a curve is not as long as its run", error);
        }
        if (number != CURVE_SECONDS && number >= METRIC_COUNT)
            continue; /* a metric that this program does not know yet */
        double *curve = run->buffer + (number == CURVE_SECONDS ? METRIC_COUNT : (size_t)number) * run->capacity;
        store_unpack(sqlite3_column_blob(store->read_curves, 1), run->points, curve);
        if (number == CURVE_SECONDS)
            run->seconds = curve;
        else
            run->metric[number] = curve;
    }
}

static enum status take_run(struct store *store, struct stored_run *run, struct error *error)
{
    sqlite3_stmt *select = store->read_run;
    if (sqlite3_column_bytes(select, 1) != sizeof run->key.byte)
        return damaged(store, "a run without its key", error);
    run->id = sqlite3_column_int64(select, 0);
    memcpy(run->key.byte, sqlite3_column_blob(select, 1), sizeof run->key.byte);
    run->replicate = (uint64_t)sqlite3_column_int64(select, 2);
    run->outcome = sqlite3_column_int(select, 3) == 0 ? OUTCOME_FINISHED : OUTCOME_DIVERGED;
    run->diverged_at = (uint64_t)sqlite3_column_int64(select, 4);
    run->points = (size_t)sqlite3_column_int64(select, 5);
    run->train_seconds = store_column_real(select, 6);
    run->measure_seconds = store_column_real(select, 7);
    run->lanes = (size_t)sqlite3_column_int64(select, 8);
    run->seconds = NULL;
    memset(run->metric, 0, sizeof run->metric);
    if (run->points > (size_t)INT32_MAX / sizeof(double)) /* longer than any blob */
        return damaged(store, "the number of points of a run", error);
    if (run->points > run->capacity) {
        free(run->buffer);
        run->buffer = malloc((METRIC_COUNT + 1) * run->points * sizeof(double));
        run->capacity = run->buffer ? run->points : 0;
        if (!run->buffer)
            return error_memory(error, (METRIC_COUNT + 1) * run->points * sizeof(double), "the curves of a run");
    }
    return STATUS_OK;
}

enum status store_read_run(struct store *store, int64_t mark, int64_t cell, uint64_t seed, uint64_t replicate,
                           struct stored_run *run, bool *found, struct error *error)
{
    *found = false;
    pthread_mutex_lock(&store->lock);
    enum status status = store_prepare(store, &store->read_run,
                                       "SELECT id, key, replicate, diverged, diverged_at, points, train_seconds, "
                                       "measure_seconds, lanes FROM run WHERE cell = ?1 AND seed = ?2 AND replicate >= "
                                       "?3 AND id <= ?4 ORDER BY replicate LIMIT 1",
                                       error);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(store->read_run, 1, cell);
        store_bind_count(store->read_run, 2, seed);
        store_bind_count(store->read_run, 3, replicate);
        sqlite3_bind_int64(store->read_run, 4, mark);
        status = store_step(store, store->read_run, doing, found, error);
    }
    if (*found) {
        status = take_run(store, run, error);
        sqlite3_reset(store->read_run);
        if (status == STATUS_OK && run->points > 0)
            status = read_curves(store, run, error);
    }
    pthread_mutex_unlock(&store->lock);
    return status;
}

void stored_run_free(struct stored_run *run)
{
    free(run->buffer);
    *run = (struct stored_run){0};
}

enum status store_read_failure(struct store *store, int64_t cell, uint64_t seed, uint64_t replicate, uint64_t *failed,
                               char **reason, bool *found, struct error *error)
{
    *found = false;
    *reason = NULL;
    pthread_mutex_lock(&store->lock);
    enum status status = store_prepare(store, &store->read_failure,
                                       "SELECT replicate, reason FROM failure WHERE cell = ?1 AND seed = ?2 AND "
                                       "replicate >= ?3 ORDER BY replicate LIMIT 1",
                                       error);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(store->read_failure, 1, cell);
        store_bind_count(store->read_failure, 2, seed);
        store_bind_count(store->read_failure, 3, replicate);
        status = store_step(store, store->read_failure, doing, found, error);
    }
    if (*found) {
        *failed = (uint64_t)sqlite3_column_int64(store->read_failure, 0);
        *reason = column_text(store->read_failure, 1);
        sqlite3_reset(store->read_failure);
        if (!*reason)
            status = error_memory(error, 1024, "a reason");
    }
    pthread_mutex_unlock(&store->lock);
    return status;
}

/* ---- estimators ---- */

static enum status take_estimator(struct store *store, struct estimator_result *result, struct error *error)
{
    sqlite3_stmt *select = store->read_estimator;
    int direction = 1 + ESTIMATOR_FIELDS, covariance = direction + 1, lag = direction + 2;
    result->draws = (uint64_t)sqlite3_column_int64(select, 0);
    for (int i = 0; i < ESTIMATOR_FIELDS; i++)
        *(double *)(void *)((char *)result + estimator_field[i].offset) = store_column_real(select, 1 + i);
    size_t k = (size_t)sqlite3_column_bytes(select, direction) / (3 * sizeof(double));
    size_t entries = (size_t)sqlite3_column_bytes(select, covariance) / (2 * sizeof(double)), dim = 0;
    while (dim * dim < entries && dim <= ESTIMATOR_COVARIANCE_DIM)
        dim++;
    size_t lags = (size_t)sqlite3_column_bytes(select, lag) / (3 * sizeof(double));
    if (k > ESTIMATOR_DIRECTIONS || dim * dim != entries || lags > ESTIMATOR_LAGS)
        return damaged(store, "an estimator result", error);
    const unsigned char *blob = sqlite3_column_blob(select, direction);
    result->directions = k;
    if (k > 0) {
        store_unpack(blob, k, result->direction_variance);
        store_unpack(blob + k * sizeof(double), k, result->direction_predicted);
        store_unpack(blob + 2 * k * sizeof(double), k, result->direction_se);
    }
    blob = sqlite3_column_blob(select, lag);
    result->lags = lags;
    if (lags > 0) {
        store_unpack(blob, lags, result->autocorrelation);
        store_unpack(blob + lags * sizeof(double), lags, result->autocorrelation_predicted);
        store_unpack(blob + 2 * lags * sizeof(double), lags, result->autocorrelation_se);
    }
    if (dim == 0)
        return STATUS_OK;
    result->covariance = malloc(entries * sizeof(double));
    result->covariance_predicted = malloc(entries * sizeof(double));
    if (!result->covariance || !result->covariance_predicted)
        return error_memory(error, 2 * entries * sizeof(double), "a covariance");
    blob = sqlite3_column_blob(select, covariance);
    result->covariance_dim = dim;
    store_unpack(blob, entries, result->covariance);
    store_unpack(blob + entries * sizeof(double), entries, result->covariance_predicted);
    return STATUS_OK;
}

enum status store_read_estimator(struct store *store, int64_t run, struct estimator_result *result, struct error *error)
{
    *result = (struct estimator_result){0};
    bool row = false;
    pthread_mutex_lock(&store->lock);
    enum status status = store_prepare(
        store, &store->read_estimator,
        "SELECT draws, gradient_norm2, sigma2, kappa, predicted, variance, variance_se, bias_statistic, "
        "bias_df, bias_p, bias_along_gradient, bias_along_gradient_se, direction, covariance, lag FROM estimator "
        "WHERE run = ?1",
        error);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(store->read_estimator, 1, run);
        status = store_step(store, store->read_estimator, doing, &row, error);
        if (status == STATUS_OK && !row)
            status = damaged(store, "an estimator run without its result", error);
    }
    if (row) {
        status = take_estimator(store, result, error);
        sqlite3_reset(store->read_estimator);
    }
    pthread_mutex_unlock(&store->lock);
    if (status != STATUS_OK)
        estimator_result_free(result);
    return status;
}
