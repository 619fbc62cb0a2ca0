/* Registering a plan: cells, what they share (curves, data, references), and who asks for them. */
#include "store_plan.h"

#include <endian.h>
#include <math.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

#include "store_internal.h"

static const char doing[] = "registering the plan";

/* Curves, data and references are shared by most cells that follow each other: the last row met is remembered. */
struct memory {
    void *bytes;
    size_t size, capacity;
    int64_t row; /* 0: none */
};

struct writer {
    struct store *store;
    sqlite3_stmt *find_series, *put_series, *find_data, *put_data, *find_cell, *put_cell, *set_reference, *put_member;
    struct memory grid, samples, rates;
    const struct reference *reference; /* the last one met */
    int64_t reference_row;
    struct sha256_ctx plan_hash;
};

static void sha256(const void *data, size_t size, uint8_t digest[SHA256_DIGEST_SIZE])
{
    struct sha256_ctx hash;
    sha256_init(&hash);
    sha256_update(&hash, size, data);
    sha256_digest(&hash, SHA256_DIGEST_SIZE, digest);
}

/* Looks a row up and, when it is not there, adds it: both statements are bound already. */
static enum status find_or_put(struct store *store, sqlite3_stmt *find, sqlite3_stmt *put, int64_t *row,
                               struct error *error)
{
    bool found = false;
    enum status status = store_step(store, find, doing, &found, error);
    if (found) {
        *row = sqlite3_column_int64(find, 0);
        sqlite3_reset(find);
    }
    if (status != STATUS_OK || found)
        return status;
    status = store_run(store, put, doing, error);
    *row = sqlite3_last_insert_rowid(store->db);
    return status;
}

static enum status series_row(struct writer *writer, struct memory *memory, const void *bytes, size_t size,
                              int64_t *row, struct error *error)
{
    if (memory->row && memory->size == size && (size == 0 || memcmp(memory->bytes, bytes, size) == 0)) {
        *row = memory->row;
        return STATUS_OK;
    }
    enum status status =
        store_prepare(writer->store, &writer->find_series, "SELECT id FROM series WHERE hash = ?1", error);
    if (status == STATUS_OK)
        status =
            store_prepare(writer->store, &writer->put_series, "INSERT INTO series (hash, data) VALUES (?1, ?2)", error);
    if (status != STATUS_OK)
        return status;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256(bytes, size, digest);
    store_bind_blob(writer->find_series, 1, digest, sizeof digest);
    store_bind_blob(writer->put_series, 1, digest, sizeof digest);
    store_bind_blob(writer->put_series, 2, bytes, size);
    status = find_or_put(writer->store, writer->find_series, writer->put_series, row, error);
    if (status != STATUS_OK)
        return status;
    if (memory->capacity < size) {
        void *bigger = realloc(memory->bytes, size);
        if (!bigger)
            return error_memory(error, size, "a curve");
        memory->bytes = bigger;
        memory->capacity = size;
    }
    if (size)
        memcpy(memory->bytes, bytes, size);
    memory->size = size;
    memory->row = *row;
    return STATUS_OK;
}

/* The three curves of a cell in the byte order of the store. */
static enum status curve_rows(struct writer *writer, const struct plan_cell *cell, int64_t row[3], struct error *error)
{
    size_t size = cell->points * sizeof(uint64_t);
    uint64_t *bytes = malloc(size ? size : 1);
    if (!bytes)
        return error_memory(error, size, "a curve");
    for (size_t i = 0; i < cell->points; i++)
        bytes[i] = htole64(cell->step[i]);
    enum status status = series_row(writer, &writer->grid, bytes, size, &row[0], error);
    for (size_t i = 0; i < cell->points; i++)
        bytes[i] = htole64(cell->samples[i]);
    if (status == STATUS_OK)
        status = series_row(writer, &writer->samples, bytes, size, &row[1], error);
    store_pack(cell->rate, cell->points, bytes);
    if (status == STATUS_OK)
        status = series_row(writer, &writer->rates, bytes, size, &row[2], error);
    free(bytes);
    return status;
}

static enum status data_row(struct writer *writer, const struct plan_cell *cell, int64_t *row, struct error *error)
{
    enum status status =
        store_prepare(writer->store, &writer->find_data,
                      "SELECT id FROM data WHERE checksum = ?1 AND name = ?2 AND n = ?3 AND d = ?4 AND "
                      "n_test = ?5 AND nnz = ?6",
                      error);
    if (status == STATUS_OK)
        status = store_prepare(writer->store, &writer->put_data,
                               "INSERT INTO data (checksum, name, n, d, n_test, nnz) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                               error);
    if (status != STATUS_OK)
        return status;
    sqlite3_stmt *both[2] = {writer->find_data, writer->put_data};
    for (int i = 0; i < 2; i++) {
        store_bind_text(both[i], 1, cell->data_checksum);
        store_bind_text(both[i], 2, cell->columns.data);
        store_bind_count(both[i], 3, cell->columns.n);
        store_bind_count(both[i], 4, cell->columns.d);
        store_bind_count(both[i], 5, cell->data_test);
        store_bind_count(both[i], 6, cell->data_nnz);
    }
    return find_or_put(writer->store, both[0], both[1], row, error);
}

enum status store_reference_row(struct store *store, const struct reference *reference, int64_t *id,
                                struct error *error)
{
    /* f and the gap mean nothing without an optimum, and are then whatever the solver left. */
    double number[4] = {reference->exists ? reference->f : (double)NAN,
                        reference->exists ? reference->gap : (double)NAN, reference->smoothness, reference->convexity};
    unsigned char packed[sizeof number];
    uint8_t digest[SHA256_DIGEST_SIZE], found = reference->exists;
    const char *reason = reference->exists ? "" : reference->reason;
    struct sha256_ctx hash;
    store_pack(number, 4, packed);
    sha256_init(&hash);
    sha256_update(&hash, 1, &found);
    sha256_update(&hash, sizeof packed, packed);
    sha256_update(&hash, strlen(reason) + 1, (const uint8_t *)reason);
    sha256_update(&hash, strlen(reference->method) + 1, (const uint8_t *)reference->method);
    sha256_digest(&hash, sizeof digest, digest);

    sqlite3_stmt *find = NULL, *put = NULL;
    enum status status = store_prepare(store, &find, "SELECT id FROM reference WHERE hash = ?1", error);
    if (status == STATUS_OK)
        status = store_prepare(store, &put,
                               "INSERT INTO reference (hash, found, reason, method, f, gap, smoothness, convexity) "
                               "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                               error);
    if (status == STATUS_OK) {
        store_bind_blob(find, 1, digest, sizeof digest);
        store_bind_blob(put, 1, digest, sizeof digest);
        sqlite3_bind_int(put, 2, found);
        store_bind_text(put, 3, reason);
        store_bind_text(put, 4, reference->method);
        for (int i = 0; i < 4; i++)
            sqlite3_bind_double(put, 5 + i, number[i]);
        status = find_or_put(store, find, put, id, error);
    }
    sqlite3_finalize(find);
    sqlite3_finalize(put);
    return status;
}

static enum status put_cell(struct writer *writer, const struct plan_cell *cell, const struct key *key, int64_t *id,
                            struct error *error)
{
    struct store *store = writer->store;
    const struct cell_columns *columns = &cell->columns;
    int64_t data = 0, curve[3] = {0};
    enum status status = data_row(writer, cell, &data, error);
    if (status == STATUS_OK)
        status = curve_rows(writer, cell, curve, error);
    if (status == STATUS_OK)
        status =
            store_prepare(store, &writer->put_cell,
                          "INSERT INTO cell (key, config, kind, problem, sampling, batch_size, schedule, rate, "
                          "\"update\", momentum, averaging, l2, steps, n, d, metrics, data, reference, grid, samples, "
                          "rates, chains) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, "
                          "?16, ?17, ?18, ?19, ?20, ?21, ?22)",
                          error);
    if (status != STATUS_OK)
        return status;
    sqlite3_stmt *put = writer->put_cell;
    store_bind_blob(put, 1, key->byte, sizeof key->byte);
    store_bind_text(put, 2, cell->json);
    sqlite3_bind_int(put, 3, (int)cell->kind);
    store_bind_text(put, 4, columns->problem);
    store_bind_text(put, 5, columns->sampling);
    store_bind_count(put, 6, columns->batch_size);
    store_bind_text(put, 7, columns->schedule);
    sqlite3_bind_double(put, 8, columns->rate);
    store_bind_text(put, 9, columns->update);
    sqlite3_bind_double(put, 10, columns->momentum);
    store_bind_text(put, 11, columns->averaging);
    sqlite3_bind_double(put, 12, columns->l2);
    store_bind_count(put, 13, columns->steps);
    store_bind_count(put, 14, columns->n);
    store_bind_count(put, 15, columns->d);
    store_bind_count(put, 16, cell->metrics);
    sqlite3_bind_int64(put, 17, data);
    sqlite3_bind_null(put, 18); /* set by the caller */
    for (int i = 0; i < 3; i++)
        sqlite3_bind_int64(put, 19 + i, curve[i]);
    sqlite3_bind_int(put, 22, cell->keep == KEEP_MOMENTS ? GROUP_CHAINS : 1);
    status = store_run(store, put, doing, error);
    *id = sqlite3_last_insert_rowid(store->db);
    return status;
}

static enum status set_reference(struct writer *writer, int64_t cell, const struct reference *reference,
                                 struct error *error)
{
    enum status status = STATUS_OK;
    if (reference != writer->reference) {
        status = store_reference_row(writer->store, reference, &writer->reference_row, error);
        writer->reference = status == STATUS_OK ? reference : NULL;
    }
    if (status == STATUS_OK)
        status =
            store_prepare(writer->store, &writer->set_reference, "UPDATE cell SET reference = ?1 WHERE id = ?2", error);
    if (status != STATUS_OK)
        return status;
    sqlite3_bind_int64(writer->set_reference, 1, writer->reference_row);
    sqlite3_bind_int64(writer->set_reference, 2, cell);
    return store_run(writer->store, writer->set_reference, doing, error);
}

static enum status register_cell(struct writer *writer, const struct plan_cell *cell, int64_t *id, struct error *error)
{
    struct key key = cell_key(cell->json);
    sha256_update(&writer->plan_hash, sizeof key.byte, key.byte);
    enum status status =
        store_prepare(writer->store, &writer->find_cell, "SELECT id, reference FROM cell WHERE key = ?1", error);
    if (status != STATUS_OK)
        return status;
    bool found = false, has_reference = false;
    store_bind_blob(writer->find_cell, 1, key.byte, sizeof key.byte);
    status = store_step(writer->store, writer->find_cell, doing, &found, error);
    if (found) {
        *id = sqlite3_column_int64(writer->find_cell, 0);
        has_reference = sqlite3_column_type(writer->find_cell, 1) != SQLITE_NULL;
        sqlite3_reset(writer->find_cell);
    } else if (status == STATUS_OK) {
        status = put_cell(writer, cell, &key, id, error);
    }
    if (status == STATUS_OK && cell->reference && !has_reference)
        status = set_reference(writer, *id, cell->reference, error);
    return status;
}

static void hash_text(struct sha256_ctx *hash, const char *text)
{
    sha256_update(hash, strlen(text) + 1, (const uint8_t *)text);
}

static void hash_count(struct sha256_ctx *hash, uint64_t value)
{
    value = htole64(value);
    sha256_update(hash, sizeof value, (const uint8_t *)&value);
}

/* The row of the experiment, its hash still missing; the members of its last plan go. */
static enum status put_experiment(struct writer *writer, const struct plan_source *source, int64_t *id,
                                  struct error *error)
{
    sqlite3_stmt *put = NULL, *clear = NULL;
    bool row = false;
    enum status status = store_prepare(
        writer->store, &put,
        "INSERT INTO experiment (name, question, config, settings, axes, figures, cells, replicates, seed, planned, "
        "plan_hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, x'') ON CONFLICT (name) DO UPDATE SET question = "
        "excluded.question, config = excluded.config, settings = excluded.settings, axes = excluded.axes, figures = "
        "excluded.figures, cells = excluded.cells, replicates = excluded.replicates, seed = excluded.seed, planned = "
        "excluded.planned RETURNING id",
        error);
    if (status == STATUS_OK)
        status = store_prepare(writer->store, &clear, "DELETE FROM membership WHERE experiment = ?1", error);
    if (status == STATUS_OK) {
        const char *text[] = {source->name,     source->question, source->config,
                              source->settings, source->axes,     source->figures};
        sha256_init(&writer->plan_hash);
        for (int i = 0; i < 6; i++) {
            store_bind_text(put, i + 1, text[i]);
            hash_text(&writer->plan_hash, text[i]);
        }
        store_bind_count(put, 7, source->cells);
        store_bind_count(put, 8, source->replicates);
        store_bind_count(put, 9, source->seed);
        sqlite3_bind_int64(put, 10, store_clock());
        hash_count(&writer->plan_hash, source->replicates);
        hash_count(&writer->plan_hash, source->seed);
        status = store_step(writer->store, put, doing, &row, error);
    }
    if (row) {
        *id = sqlite3_column_int64(put, 0);
        sqlite3_reset(put);
        sqlite3_bind_int64(clear, 1, *id);
        status = store_run(writer->store, clear, doing, error);
    }
    sqlite3_finalize(put);
    sqlite3_finalize(clear);
    return status;
}

static enum status put_members(struct writer *writer, const struct plan_source *source, int64_t experiment,
                               int64_t *cell_id, struct error *error)
{
    /* A cell that the experiment has met before stays at its first position. */
    enum status status = store_prepare(writer->store, &writer->put_member,
                                       "INSERT INTO membership (experiment, position, cell) VALUES (?1, ?2, ?3) ON "
                                       "CONFLICT DO NOTHING",
                                       error);
    for (size_t i = 0; i < source->cells && status == STATUS_OK; i++) {
        struct plan_cell cell = {0};
        status = source->cell(source->context, i, &cell, error);
        if (status == STATUS_OK)
            status = register_cell(writer, &cell, &cell_id[i], error);
        if (status != STATUS_OK)
            break;
        sqlite3_bind_int64(writer->put_member, 1, experiment);
        store_bind_count(writer->put_member, 2, i);
        sqlite3_bind_int64(writer->put_member, 3, cell_id[i]);
        status = store_run(writer->store, writer->put_member, doing, error);
    }
    return status;
}

static enum status put_plan_hash(struct writer *writer, int64_t experiment, struct error *error)
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    sqlite3_stmt *update = NULL;
    sha256_digest(&writer->plan_hash, sizeof digest, digest);
    enum status status =
        store_prepare(writer->store, &update, "UPDATE experiment SET plan_hash = ?1 WHERE id = ?2", error);
    if (status == STATUS_OK) {
        store_bind_blob(update, 1, digest, sizeof digest);
        sqlite3_bind_int64(update, 2, experiment);
        status = store_run(writer->store, update, doing, error);
    }
    sqlite3_finalize(update);
    return status;
}

/* One transaction: a plan is there as a whole or not at all. */
enum status store_put_plan_source(struct store *store, const struct plan_source *source, int64_t *cell_id,
                                  struct error *error)
{
    struct writer writer = {.store = store};
    int64_t experiment = 0;
    pthread_mutex_lock(&store->lock);
    enum status status = store_begin(store, doing, error);
    if (status == STATUS_OK) {
        status = store_touch_session(store, error);
        if (status == STATUS_OK)
            status = put_experiment(&writer, source, &experiment, error);
        if (status == STATUS_OK)
            status = put_members(&writer, source, experiment, cell_id, error);
        if (status == STATUS_OK)
            status = put_plan_hash(&writer, experiment, error);
        status = store_end(store, status, doing, error);
    }
    sqlite3_stmt *statement[8] = {writer.find_series, writer.put_series, writer.find_data,     writer.put_data,
                                  writer.find_cell,   writer.put_cell,   writer.set_reference, writer.put_member};
    for (int i = 0; i < 8; i++)
        sqlite3_finalize(statement[i]);
    free(writer.grid.bytes);
    free(writer.samples.bytes);
    free(writer.rates.bytes);
    pthread_mutex_unlock(&store->lock);
    return status;
}

/* ---- forgetting ---- */

static const char forgetting[] = "forgetting an experiment";

/* The curves of all runs of the experiment's cells: by ranges of their numbers, never by a scan of that table. */
static enum status forget_curves(struct store *store, int64_t experiment, struct error *error)
{
    sqlite3_stmt *select = NULL, *drop = NULL;
    bool row = false;
    enum status status =
        store_prepare(store, &select,
                      "SELECT run.id FROM membership m JOIN run ON run.cell = m.cell WHERE m.experiment "
                      "= ?1",
                      error);
    if (status == STATUS_OK)
        status = store_prepare(store, &drop, "DELETE FROM curve WHERE id BETWEEN ?1 AND ?2", error);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(select, 1, experiment);
        status = store_step(store, select, forgetting, &row, error);
    }
    while (row && status == STATUS_OK) {
        int64_t run = sqlite3_column_int64(select, 0);
        sqlite3_bind_int64(drop, 1, run * CURVES_PER_RUN);
        sqlite3_bind_int64(drop, 2, run * CURVES_PER_RUN + CURVE_SECONDS);
        status = store_run(store, drop, forgetting, error);
        if (status == STATUS_OK)
            status = store_step(store, select, forgetting, &row, error);
    }
    sqlite3_finalize(select);
    sqlite3_finalize(drop);
    return status;
}

static enum status forget_rows(struct store *store, int64_t experiment, struct error *error)
{
    static const char *const drop[] = {
        ("DELETE FROM estimator WHERE run IN (SELECT run.id FROM membership m JOIN run ON run.cell = m.cell "
         "WHERE m.experiment = ?1)"),
        "DELETE FROM run WHERE cell IN (SELECT cell FROM membership WHERE experiment = ?1)",
        "DELETE FROM failure WHERE cell IN (SELECT cell FROM membership WHERE experiment = ?1)",
        "DELETE FROM membership WHERE experiment = ?1",
        "DELETE FROM experiment WHERE id = ?1",
    };
    enum status status = forget_curves(store, experiment, error);
    for (size_t i = 0; i < sizeof drop / sizeof *drop && status == STATUS_OK; i++) {
        sqlite3_stmt *statement = NULL;
        status = store_prepare(store, &statement, drop[i], error);
        if (status == STATUS_OK) {
            sqlite3_bind_int64(statement, 1, experiment);
            status = store_run(store, statement, forgetting, error);
        }
        sqlite3_finalize(statement);
    }
    return status;
}

enum status store_forget(struct store *store, const char *experiment, struct error *error)
{
    sqlite3_stmt *find = NULL;
    bool row = false;
    enum status status = store_flush(store, error);
    if (status != STATUS_OK)
        return status;
    pthread_mutex_lock(&store->lock);
    status = store_begin(store, forgetting, error);
    if (status == STATUS_OK) {
        status = store_prepare(store, &find, "SELECT id FROM experiment WHERE name = ?1", error);
        if (status == STATUS_OK) {
            store_bind_text(find, 1, experiment);
            status = store_step(store, find, forgetting, &row, error);
        }
        int64_t id = row ? sqlite3_column_int64(find, 0) : 0;
        sqlite3_finalize(find);
        if (row)
            status = forget_rows(store, id, error);
        status = store_end(store, status, forgetting, error);
    }
    store->known.loaded = false;
    pthread_mutex_unlock(&store->lock);
    return status;
}
