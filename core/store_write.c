/* Writing results: runs are packed and queued by the threads that made them and committed in short transactions. What
 * a failed transaction held stays queued, so that the next flush tries again. */
#include "store_internal.h"

#include <endian.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "estimator.h"
#include "group.h"

enum {
    AGE_MAX = 250,         /* milliseconds in the queue before a put commits */
    TRANSACTION_MAX = 300, /* milliseconds of one transaction */
    QUEUE_SOFT = 8 << 20,  /* bytes: commit, unless another thread does */
    QUEUE_HARD = 64 << 20, /* bytes: wait until there is room */
};
static const char doing[] = "storing results";

enum pending_kind { PENDING_RUN, PENDING_GROUP, PENDING_ESTIMATOR, PENDING_FAILURE };

/* One queued result, in one allocation. data: RUN, GROUP: one packed curve per bit of `curves`, in order, each as long
 * as curve_size says; ESTIMATOR: 3 * directions doubles, then 2 * covariance_dim^2, then 3 * lags; FAILURE: the reason.
 */
struct pending {
    struct pending *next;
    enum pending_kind kind;
    int64_t cell;
    uint64_t seed, replicate, chains, diverged;
    struct reference *reference; /* NULL, or a copy without x: the cell's, for the first result of a cell */
    uint64_t diverged_at, points, curves;
    double train_seconds, measure_seconds;
    size_t lanes;
    struct estimator_result estimator; /* scalars only */
    size_t size;                       /* of data */
    _Alignas(double) unsigned char data[];
};

const struct estimator_field estimator_field[ESTIMATOR_FIELDS] = {
#define FIELD(member)                                                                                                  \
    {                                                                                                                  \
#member, offsetof(struct estimator_result, member)                                                             \
    }
    FIELD(gradient_norm2),
    FIELD(sigma2),
    FIELD(kappa),
    FIELD(predicted),
    FIELD(variance),
    FIELD(variance_se),
    FIELD(bias_statistic),
    FIELD(bias_df),
    FIELD(bias_p),
    FIELD(bias_along_gradient),
    FIELD(bias_along_gradient_se),
#undef FIELD
};

static size_t curve_size(const struct pending *pending, int number)
{
    bool moments = pending->kind == PENDING_GROUP && number < METRIC_COUNT;
    return pending->points * sizeof(double) * (moments ? GROUP_MOMENTS : 1);
}

static void free_pending(struct pending *pending)
{
    free(pending->reference);
    free(pending);
}

void store_forget_queue(struct store *store)
{
    while (store->first) {
        struct pending *next = store->first->next;
        free_pending(store->first);
        store->first = next;
    }
    store->last = &store->first;
    store->queue_bytes = 0;
    free(store->reference_queued);
    store->reference_queued = NULL;
    store->reference_words = 0;
}

/* ---- from the queue to the database ---- */

static enum status find_cell(struct store *store, int64_t cell, struct error *error)
{
    if (store->cell.id == cell)
        return STATUS_OK;
    bool row = false;
    enum status status =
        store_prepare(store, &store->find_cell, "SELECT key, reference FROM cell WHERE id = ?1", error);
    if (status != STATUS_OK)
        return status;
    sqlite3_bind_int64(store->find_cell, 1, cell);
    status = store_step(store, store->find_cell, doing, &row, error);
    if (status != STATUS_OK)
        return status;
    if (!row || sqlite3_column_bytes(store->find_cell, 0) != sizeof store->cell.key) {
        if (row)
            sqlite3_reset(store->find_cell);
        return error_at(error, STATUS_USAGE, store->path, 0, 0, "a result for cell %lld, which is not in the store",
                        (long long)cell);
    }
    store->cell.id = cell;
    memcpy(store->cell.key, sqlite3_column_blob(store->find_cell, 0), sizeof store->cell.key);
    store->cell.has_reference = sqlite3_column_type(store->find_cell, 1) != SQLITE_NULL;
    sqlite3_reset(store->find_cell);
    return STATUS_OK;
}

/* A run knows its cell's reference, which had not been solved when the plan was registered. */
static enum status write_reference(struct store *store, const struct reference *reference, struct error *error)
{
    if (!reference || store->cell.has_reference)
        return STATUS_OK;
    int64_t row;
    sqlite3_stmt *update = NULL;
    enum status status = store_reference_row(store, reference, &row, error);
    if (status == STATUS_OK)
        status = store_prepare(store, &update, "UPDATE cell SET reference = ?1 WHERE id = ?2", error);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(update, 1, row);
        sqlite3_bind_int64(update, 2, store->cell.id);
        status = store_run(store, update, doing, error);
        store->cell.has_reference = status == STATUS_OK;
    }
    sqlite3_finalize(update);
    return status;
}

static enum status same_curves(struct store *store, const struct pending *pending, int64_t run, bool *same,
                               struct error *error)
{
    enum status status = store_prepare(store, &store->find_curve, "SELECT data FROM curve WHERE id = ?1", error);
    const unsigned char *data = pending->data;
    for (int number = 0; number < CURVE_SECONDS && status == STATUS_OK; number++) {
        bool row = false, has = pending->curves >> number & 1;
        size_t size = curve_size(pending, number);
        sqlite3_bind_int64(store->find_curve, 1, run * CURVES_PER_RUN + number);
        status = store_step(store, store->find_curve, doing, &row, error);
        if (row != has)
            *same = false;
        else if (row)
            *same = *same && (size_t)sqlite3_column_bytes(store->find_curve, 0) == size &&
                    (size == 0 || memcmp(sqlite3_column_blob(store->find_curve, 0), data, size) == 0);
        if (row)
            sqlite3_reset(store->find_curve);
        data += has ? size : 0;
    }
    return status;
}

/* The run is in the store already (another process had the same work): fine when it is the same result. */
static enum status compare_run(struct store *store, const struct pending *pending, const uint8_t key[16],
                               struct error *error)
{
    bool row = false;
    enum status status =
        store_prepare(store, &store->find_run,
                      "SELECT id, diverged, coalesce(diverged_at, 0), points FROM run WHERE key = ?1", error);
    if (status != STATUS_OK)
        return status;
    store_bind_blob(store->find_run, 1, key, 16);
    status = store_step(store, store->find_run, doing, &row, error);
    if (status != STATUS_OK || !row)
        return status;
    int64_t run = sqlite3_column_int64(store->find_run, 0);
    bool same = (uint64_t)sqlite3_column_int64(store->find_run, 1) == pending->diverged &&
                (uint64_t)sqlite3_column_int64(store->find_run, 2) == pending->diverged_at &&
                (uint64_t)sqlite3_column_int64(store->find_run, 3) == pending->points;
    sqlite3_reset(store->find_run);
    if (same && pending->kind != PENDING_ESTIMATOR)
        status = same_curves(store, pending, run, &same, error);
    if (status != STATUS_OK || same)
        return status;
    return error_at(error, STATUS_INPUT, store->path, 0, 0,
                    "another result is stored for the same run (cell %lld, seed %llu, replicate %llu); the stored one "
                    "was kept. Runs are deterministic: was one of the two made by a changed program?",
                    (long long)pending->cell, (unsigned long long)pending->seed,
                    (unsigned long long)pending->replicate);
}

static enum status write_curves(struct store *store, const struct pending *pending, int64_t run, struct error *error)
{
    enum status status = store_prepare(store, &store->put_curve, "INSERT INTO curve (id, data) VALUES (?1, ?2)", error);
    const unsigned char *data = pending->data;
    for (int number = 0; number < CURVES_PER_RUN && status == STATUS_OK; number++) {
        if (!(pending->curves >> number & 1))
            continue;
        size_t size = curve_size(pending, number);
        sqlite3_bind_int64(store->put_curve, 1, run * CURVES_PER_RUN + number);
        store_bind_blob(store->put_curve, 2, data, size);
        status = store_run(store, store->put_curve, doing, error);
        data += size;
    }
    return status;
}

static enum status write_estimator(struct store *store, const struct pending *pending, int64_t run, struct error *error)
{
    const struct estimator_result *result = &pending->estimator;
    enum status status = store_prepare(
        store, &store->put_estimator,
        "INSERT INTO estimator (run, draws, gradient_norm2, sigma2, kappa, predicted, variance, "
        "variance_se, bias_statistic, bias_df, bias_p, bias_along_gradient, bias_along_gradient_se, "
        "direction, covariance, lag) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        error);
    if (status != STATUS_OK)
        return status;
    sqlite3_stmt *put = store->put_estimator;
    sqlite3_bind_int64(put, 1, run);
    store_bind_count(put, 2, result->draws);
    for (int i = 0; i < ESTIMATOR_FIELDS; i++)
        sqlite3_bind_double(put, 3 + i,
                            *(const double *)(const void *)((const char *)result + estimator_field[i].offset));
    size_t directions = 3 * result->directions * sizeof(double);
    store_bind_blob(put, 3 + ESTIMATOR_FIELDS, pending->data, directions);
    size_t lags = 3 * result->lags * sizeof(double), rest = pending->size - directions;
    store_bind_blob(put, 4 + ESTIMATOR_FIELDS, pending->data + directions, rest - lags);
    store_bind_blob(put, 5 + ESTIMATOR_FIELDS, pending->data + pending->size - lags, lags);
    return store_run(store, put, doing, error);
}

static enum status write_done(struct store *store, const struct pending *pending, struct error *error)
{
    enum status status = store_prepare(
        store, &store->put_run,
        "INSERT INTO run (key, cell, seed, replicate, chains, diverged, diverged_at, points, train_seconds, "
        "measure_seconds, lanes, session) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT DO "
        "NOTHING",
        error);
    if (status == STATUS_OK)
        status = store_prepare(store, &store->drop_failure,
                               "DELETE FROM failure WHERE cell = ?1 AND seed = ?2 AND replicate = ?3", error);
    if (status != STATUS_OK)
        return status;
    struct key cell, key;
    memcpy(cell.byte, store->cell.key, sizeof cell.byte);
    key = pending->kind == PENDING_GROUP ? group_key(cell, pending->seed, pending->replicate, pending->chains)
                                         : run_key(cell, pending->seed, pending->replicate);

    sqlite3_stmt *put = store->put_run;
    store_bind_blob(put, 1, key.byte, sizeof key.byte);
    sqlite3_bind_int64(put, 2, pending->cell);
    store_bind_count(put, 3, pending->seed);
    store_bind_count(put, 4, pending->replicate);
    store_bind_count(put, 5, pending->chains);
    store_bind_count(put, 6, pending->diverged);
    if (pending->diverged)
        store_bind_count(put, 7, pending->diverged_at);
    else
        sqlite3_bind_null(put, 7);
    store_bind_count(put, 8, pending->points);
    sqlite3_bind_double(put, 9, pending->train_seconds);
    sqlite3_bind_double(put, 10, pending->measure_seconds);
    store_bind_count(put, 11, pending->lanes);
    sqlite3_bind_int64(put, 12, store->session);
    status = store_run(store, put, doing, error);
    if (status != STATUS_OK)
        return status;
    if (sqlite3_changes(store->db) == 0)
        return compare_run(store, pending, key.byte, error);
    int64_t run = sqlite3_last_insert_rowid(store->db);
    status = pending->kind == PENDING_ESTIMATOR ? write_estimator(store, pending, run, error)
                                                : write_curves(store, pending, run, error);
    if (status != STATUS_OK)
        return status;
    sqlite3_bind_int64(store->drop_failure, 1, pending->cell);
    store_bind_count(store->drop_failure, 2, pending->seed);
    store_bind_count(store->drop_failure, 3, pending->replicate);
    return store_run(store, store->drop_failure, doing, error);
}

static enum status write_failure(struct store *store, const struct pending *pending, struct error *error)
{
    enum status status = store_prepare(
        store, &store->put_failure,
        "INSERT INTO failure (cell, seed, replicate, failed, reason) SELECT ?1, ?2, ?3, ?4, ?5 WHERE NOT "
        "EXISTS (SELECT 1 FROM run WHERE cell = ?1 AND seed = ?2 AND replicate = ?3 AND chains = ?6) ON CONFLICT DO "
        "UPDATE SET failed = excluded.failed, reason = excluded.reason",
        error);
    if (status != STATUS_OK)
        return status;
    sqlite3_bind_int64(store->put_failure, 1, pending->cell);
    store_bind_count(store->put_failure, 2, pending->seed);
    store_bind_count(store->put_failure, 3, pending->replicate);
    sqlite3_bind_int64(store->put_failure, 4, store_clock());
    store_bind_text(store->put_failure, 5, (const char *)pending->data);
    store_bind_count(store->put_failure, 6, pending->chains);
    return store_run(store, store->put_failure, doing, error);
}

static enum status write_pending(struct store *store, const struct pending *pending, struct error *error)
{
    enum status status = find_cell(store, pending->cell, error);
    if (status == STATUS_OK)
        status = write_reference(store, pending->reference, error);
    if (status != STATUS_OK)
        return status;
    return pending->kind == PENDING_FAILURE ? write_failure(store, pending, error) : write_done(store, pending, error);
}

/* One transaction: as many entries from *list as it has time for. Entries that can never be stored (a conflicting
 * result) are dropped and told in *refused; *list then begins after the last one that was committed. */
static enum status write_some(struct store *store, struct pending **list, struct error *refused, struct error *error)
{
    enum status status = store_begin(store, doing, error);
    if (status != STATUS_OK)
        return status;
    int64_t began = store_monotonic();
    status = store_touch_session(store, error);
    struct pending *at = *list;
    struct error conflict = {.status = STATUS_OK};
    while (at && status == STATUS_OK && store_monotonic() - began < TRANSACTION_MAX) {
        status = write_pending(store, at, error);
        if (status == STATUS_USAGE || status == STATUS_INPUT) {
            if (error)
                conflict = *error;
            else
                conflict.status = status;
            status = STATUS_OK;
        }
        at = at->next;
    }
    status = store_end(store, status, doing, error);
    if (status != STATUS_OK)
        return status;
    while (*list != at) {
        struct pending *next = (*list)->next;
        free_pending(*list);
        *list = next;
    }
    if (conflict.status != STATUS_OK && refused->status == STATUS_OK)
        *refused = conflict;
    return STATUS_OK;
}

enum status store_drain(struct store *store, struct error *error)
{
    pthread_mutex_lock(&store->queue_lock);
    struct pending *list = store->first, **last = store->last;
    size_t bytes = store->queue_bytes;
    store->first = NULL;
    store->last = &store->first;
    store->queue_bytes = 0;
    pthread_mutex_unlock(&store->queue_lock);

    struct error refused = {.status = STATUS_OK};
    enum status status = STATUS_OK;
    if (list) {
        store->known.complete = false;
        store->known.misses = 0;
    }
    while (list && status == STATUS_OK)
        status = write_some(store, &list, &refused, error);

    if (list) { /* back to the front, for the next try */
        pthread_mutex_lock(&store->queue_lock);
        *last = store->first;
        if (!store->first)
            store->last = last;
        store->first = list;
        store->queue_bytes += bytes; /* an upper bound is enough */
        pthread_mutex_unlock(&store->queue_lock);
    } else if (refused.status != STATUS_OK) {
        if (error)
            *error = refused;
        status = refused.status;
    }
    return status;
}

enum status store_flush(struct store *store, struct error *error)
{
    pthread_mutex_lock(&store->lock);
    enum status status = store_drain(store, error);
    pthread_mutex_unlock(&store->lock);
    return status;
}

/* ---- into the queue ---- */

/* Marks the cell's reference as known; true when it was not. A lost mark (no memory) costs only time. */
static bool first_reference(struct store *store, int64_t cell)
{
    size_t word = (size_t)cell / 64;
    uint64_t bit = 1ull << (cell % 64);
    if (word >= store->reference_words) {
        size_t words = 2 * word + 64;
        uint64_t *bits = realloc(store->reference_queued, words * sizeof *bits);
        if (!bits)
            return true;
        memset(bits + store->reference_words, 0, (words - store->reference_words) * sizeof *bits);
        store->reference_queued = bits;
        store->reference_words = words;
    }
    bool first = !(store->reference_queued[word] & bit);
    store->reference_queued[word] |= bit;
    return first;
}

static enum status enqueue(struct store *store, struct pending *pending, const struct reference *reference,
                           struct error *error)
{
    if (store->mode == STORE_READ || pending->cell <= 0) {
        free_pending(pending);
        return error_at(error, STATUS_USAGE, store->path, 0, 0, "the store was opened for reading, or no such cell");
    }
    pthread_mutex_lock(&store->queue_lock);
    if (reference && first_reference(store, pending->cell)) {
        pending->reference = malloc(sizeof *reference);
        if (pending->reference) { /* else: written by the plan of the next run */
            *pending->reference = *reference;
            pending->reference->x = NULL;
        }
    }
    int64_t now = store_monotonic();
    if (!store->first)
        store->oldest = now;
    *store->last = pending;
    store->last = &pending->next;
    store->queue_bytes += sizeof *pending + pending->size;
    bool due = now - store->oldest >= AGE_MAX || store->queue_bytes >= QUEUE_SOFT;
    bool full = store->queue_bytes >= QUEUE_HARD;
    pthread_mutex_unlock(&store->queue_lock);
    if (full)
        return store_flush(store, error);
    if (!due || pthread_mutex_trylock(&store->lock) != 0)
        return STATUS_OK;
    enum status status = store_drain(store, error);
    pthread_mutex_unlock(&store->lock);
    return status;
}

static struct pending *make_pending(enum pending_kind kind, int64_t cell, uint64_t seed, uint64_t replicate,
                                    size_t size, struct error *error)
{
    struct pending *pending = calloc(1, sizeof *pending + size);
    if (!pending) {
        error_memory(error, sizeof *pending + size, "a result");
        return NULL;
    }
    pending->kind = kind;
    pending->cell = cell;
    pending->seed = seed;
    pending->replicate = replicate;
    pending->chains = 1;
    pending->size = size;
    return pending;
}

enum status store_put_run(struct store *store, int64_t cell_id, const struct run_request *request,
                          const struct run_result *result, struct error *error)
{
    uint64_t curves = result->seconds ? 1ull << CURVE_SECONDS : 0;
    for (int metric = 0; metric < METRIC_COUNT; metric++)
        if (result->metric[metric])
            curves |= 1ull << metric;
    size_t values = (size_t)__builtin_popcountll(curves) * result->points;
    struct pending *pending =
        make_pending(PENDING_RUN, cell_id, request->seed, request->replicate, values * sizeof(double), error);
    if (!pending)
        return STATUS_MEMORY;
    pending->diverged = result->outcome == OUTCOME_DIVERGED;
    pending->diverged_at = pending->diverged ? result->diverged_at : 0;
    pending->points = result->points;
    pending->curves = curves;
    pending->train_seconds = result->train_seconds;
    pending->measure_seconds = result->measure_seconds;
    pending->lanes = result->lanes;
    unsigned char *data = pending->data;
    for (int number = 0; number < CURVES_PER_RUN; number++) {
        if (!(curves >> number & 1))
            continue;
        store_pack(number == CURVE_SECONDS ? result->seconds : result->metric[number], result->points, data);
        data += result->points * sizeof(double);
    }
    return enqueue(store, pending, request->config->reference, error);
}

enum status store_put_group(struct store *store, int64_t cell_id, const struct run_request *request,
                            const struct group_result *result, struct error *error)
{
    const size_t points = result->points;
    /* Where no chain diverged the counts say nothing. */
    uint64_t curves = result->diverged ? 1ull << CURVE_COUNT : 0;
    size_t values = result->diverged ? points : 0;
    for (int metric = 0; metric < METRIC_COUNT; metric++)
        if (result->metric[metric]) {
            curves |= 1ull << metric;
            values += GROUP_MOMENTS * points;
        }
    struct pending *pending =
        make_pending(PENDING_GROUP, cell_id, request->seed, request->replicate, values * sizeof(double), error);
    if (!pending)
        return STATUS_MEMORY;
    pending->chains = result->chains;
    pending->diverged = result->diverged;
    pending->diverged_at = result->diverged ? result->diverged_at : 0;
    pending->points = points;
    pending->curves = curves;
    pending->train_seconds = result->train_seconds;
    pending->measure_seconds = (double)NAN;
    pending->lanes = result->lanes;
    unsigned char *data = pending->data;
    for (int metric = 0; metric < METRIC_COUNT; metric++)
        if (result->metric[metric]) {
            store_pack(result->metric[metric], GROUP_MOMENTS * points, data);
            data += curve_size(pending, metric);
        }
    if (result->diverged)
        for (size_t i = 0; i < points; i++) {
            uint64_t count = htole64(result->count[i]);
            memcpy(data + i * sizeof count, &count, sizeof count);
        }
    return enqueue(store, pending, request->config->reference, error);
}

enum status store_put_estimator(struct store *store, int64_t cell_id, const struct run_request *request,
                                const struct estimator_result *result, struct error *error)
{
    size_t entries = result->covariance_dim * result->covariance_dim, k = result->directions;
    struct pending *pending = make_pending(PENDING_ESTIMATOR, cell_id, request->seed, request->replicate,
                                           (3 * k + 2 * entries + 3 * result->lags) * sizeof(double), error);
    if (!pending)
        return STATUS_MEMORY;
    pending->train_seconds = result->seconds;
    pending->lanes = 1;
    pending->estimator = *result;
    pending->estimator.covariance = pending->estimator.covariance_predicted = NULL;
    unsigned char *data = pending->data;
    store_pack(result->direction_variance, k, data);
    store_pack(result->direction_predicted, k, data + k * sizeof(double));
    store_pack(result->direction_se, k, data + 2 * k * sizeof(double));
    data += 3 * k * sizeof(double);
    if (entries) {
        store_pack(result->covariance, entries, data);
        store_pack(result->covariance_predicted, entries, data + entries * sizeof(double));
    }
    data += 2 * entries * sizeof(double);
    store_pack(result->autocorrelation, result->lags, data);
    store_pack(result->autocorrelation_predicted, result->lags, data + result->lags * sizeof(double));
    store_pack(result->autocorrelation_se, result->lags, data + 2 * result->lags * sizeof(double));
    return enqueue(store, pending, request->config->reference, error);
}

enum status store_put_failure(struct store *store, int64_t cell_id, uint64_t seed, uint64_t replicate, uint64_t chains,
                              const char *reason, struct error *error)
{
    size_t size = strlen(reason) + 1;
    struct pending *pending = make_pending(PENDING_FAILURE, cell_id, seed, replicate, size, error);
    if (!pending)
        return STATUS_MEMORY;
    pending->chains = chains;
    memcpy(pending->data, reason, size);
    return enqueue(store, pending, NULL, error);
}
