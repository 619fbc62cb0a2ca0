/* The digest of all results: SHA-256 over (key, SHA-256 of the result) in the order of keys. Runs are read in the order
 * of the file, which is sequential, and only 48 bytes a run are kept to be sorted. */
#include <endian.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

#include "store_internal.h"

enum { KEY_SIZE = 16, RUNS_AT_ONCE = 1000 };
static const char doing[] = "computing the digest";

struct entry {
    uint8_t key[KEY_SIZE], result[SHA256_DIGEST_SIZE];
};

struct digest {
    struct store *store;
    sqlite3_stmt *runs, *curves, *estimator;
    struct entry *entry;
    size_t count, capacity;
};

static void hash_count(struct sha256_ctx *hash, uint64_t value)
{
    value = htole64(value);
    sha256_update(hash, sizeof value, (const uint8_t *)&value);
}

static void hash_blob(struct sha256_ctx *hash, sqlite3_stmt *statement, int column)
{
    const void *blob = sqlite3_column_blob(statement, column);
    size_t size = (size_t)sqlite3_column_bytes(statement, column);
    hash_count(hash, size);
    if (size)
        sha256_update(hash, size, blob);
}

static void hash_real(struct sha256_ctx *hash, sqlite3_stmt *statement, int column)
{
    uint8_t blob[sizeof(double)];
    double value = store_column_real(statement, column);
    store_pack(&value, 1, blob);
    sha256_update(hash, sizeof blob, blob);
}

/* Curves but the seconds, and the estimator row: each with its number, so that a missing one is not a shifted one. */
static enum status hash_result(struct digest *digest, int64_t run, struct sha256_ctx *hash, struct error *error)
{
    bool row = true;
    enum status status = STATUS_OK;
    sqlite3_bind_int64(digest->curves, 1, run * CURVES_PER_RUN);
    sqlite3_bind_int64(digest->curves, 2, run * CURVES_PER_RUN + CURVE_SECONDS - 1);
    for (;;) {
        status = store_step(digest->store, digest->curves, doing, &row, error);
        if (!row)
            break;
        hash_count(hash, (uint64_t)(sqlite3_column_int64(digest->curves, 0) - run * CURVES_PER_RUN));
        hash_blob(hash, digest->curves, 1);
    }
    if (status != STATUS_OK)
        return status;
    sqlite3_bind_int64(digest->estimator, 1, run);
    status = store_step(digest->store, digest->estimator, doing, &row, error);
    if (!row)
        return status;
    hash_count(hash, (uint64_t)sqlite3_column_int64(digest->estimator, 0));
    for (int i = 0; i < ESTIMATOR_FIELDS; i++)
        hash_real(hash, digest->estimator, 1 + i);
    hash_blob(hash, digest->estimator, 1 + ESTIMATOR_FIELDS);
    hash_blob(hash, digest->estimator, 2 + ESTIMATOR_FIELDS);
    hash_blob(hash, digest->estimator, 3 + ESTIMATOR_FIELDS);
    sqlite3_reset(digest->estimator);
    return STATUS_OK;
}

static enum status add_run(struct digest *digest, int64_t *last, struct error *error)
{
    if (digest->count == digest->capacity) {
        size_t capacity = 2 * digest->capacity + 1024;
        struct entry *bigger = realloc(digest->entry, capacity * sizeof *bigger);
        if (!bigger)
            return error_memory(error, capacity * sizeof *bigger, "the digest");
        digest->entry = bigger;
        digest->capacity = capacity;
    }
    struct entry *entry = &digest->entry[digest->count];
    *last = sqlite3_column_int64(digest->runs, 0);
    if (sqlite3_column_bytes(digest->runs, 1) != KEY_SIZE)
        return error_at(error, STATUS_IO, digest->store->path, 0, 0, "is damaged: a run without its key");
    memcpy(entry->key, sqlite3_column_blob(digest->runs, 1), KEY_SIZE);
    struct sha256_ctx hash;
    sha256_init(&hash);
    for (int column = 2; column < 5; column++)
        hash_count(&hash, (uint64_t)sqlite3_column_int64(digest->runs, column));
    enum status status = hash_result(digest, *last, &hash, error);
    if (status != STATUS_OK)
        return status;
    sha256_digest(&hash, sizeof entry->result, entry->result);
    digest->count++;
    return STATUS_OK;
}

/* Some runs after *last; the file's lock is given back in between. */
static enum status add_some(struct digest *digest, int64_t *last, bool *more, struct error *error)
{
    sqlite3_bind_int64(digest->runs, 1, *last);
    sqlite3_bind_int(digest->runs, 2, RUNS_AT_ONCE);
    *more = false;
    for (;;) {
        bool row;
        enum status status = store_step(digest->store, digest->runs, doing, &row, error);
        if (status != STATUS_OK || !row)
            return status;
        *more = true;
        status = add_run(digest, last, error);
        if (status != STATUS_OK) {
            sqlite3_reset(digest->runs);
            return status;
        }
    }
}

static int compare_keys(const void *left, const void *right)
{
    return memcmp(((const struct entry *)left)->key, ((const struct entry *)right)->key, KEY_SIZE);
}

static void finish(struct digest *digest, char hex[65])
{
    static const char header[] = "sgdlab results 1\n";
    uint8_t total[SHA256_DIGEST_SIZE];
    struct sha256_ctx hash;
    if (digest->count)
        qsort(digest->entry, digest->count, sizeof *digest->entry, compare_keys);
    sha256_init(&hash);
    sha256_update(&hash, sizeof header - 1, (const uint8_t *)header);
    for (size_t i = 0; i < digest->count; i++) {
        sha256_update(&hash, KEY_SIZE, digest->entry[i].key);
        sha256_update(&hash, SHA256_DIGEST_SIZE, digest->entry[i].result);
    }
    sha256_digest(&hash, sizeof total, total);
    for (size_t i = 0; i < sizeof total; i++)
        snprintf(hex + 2 * i, 3, "%02x", total[i]);
}

enum status store_digest(struct store *store, char hex[65], struct error *error)
{
    struct digest digest = {.store = store};
    hex[0] = '\0';
    enum status status = store_flush(store, error);
    if (status != STATUS_OK)
        return status;
    pthread_mutex_lock(&store->lock);
    status = store_prepare(store, &digest.runs,
                           "SELECT id, key, diverged, diverged_at, points FROM run WHERE id > ?1 ORDER BY id LIMIT ?2",
                           error);
    if (status == STATUS_OK)
        status = store_prepare(store, &digest.curves,
                               "SELECT id, data FROM curve WHERE id BETWEEN ?1 AND ?2 ORDER BY id", error);
    if (status == STATUS_OK)
        status =
            store_prepare(store, &digest.estimator,
                          "SELECT draws, gradient_norm2, sigma2, kappa, predicted, variance, variance_se, "
                          "bias_statistic, bias_df, bias_p, bias_along_gradient, bias_along_gradient_se, direction, "
                          "covariance, lag FROM estimator WHERE run = ?1",
                          error);
    int64_t last = 0;
    for (bool more = status == STATUS_OK; more && status == STATUS_OK;)
        status = add_some(&digest, &last, &more, error);
    if (status == STATUS_OK)
        finish(&digest, hex);
    sqlite3_finalize(digest.runs);
    sqlite3_finalize(digest.curves);
    sqlite3_finalize(digest.estimator);
    free(digest.entry);
    pthread_mutex_unlock(&store->lock);
    return status;
}
