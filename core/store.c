/* The store: opening, closing, and the one place where SQLite's errors become ours. */
#include "store_internal.h"

#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "manifest.h"
#include "output.h"
#include "schema_sql.h"

enum { PATIENCE = 20000, CACHE_KIBIBYTES = 65536 };

int64_t store_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t store_monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void store_pack(const double *value, size_t count, void *blob)
{
    unsigned char *out = blob;
    for (size_t i = 0; i < count; i++) {
        uint64_t bits;
        memcpy(&bits, &value[i], sizeof bits);
        bits = htole64(bits);
        memcpy(out + i * sizeof bits, &bits, sizeof bits);
    }
}

void store_unpack(const void *blob, size_t count, double *value)
{
    const unsigned char *in = blob;
    for (size_t i = 0; i < count; i++) {
        uint64_t bits;
        memcpy(&bits, in + i * sizeof bits, sizeof bits);
        bits = le64toh(bits);
        memcpy(&value[i], &bits, sizeof bits);
    }
}

/* ---- errors ---- */

enum status store_sql_error(struct store *store, const char *doing, struct error *error)
{
    int code = store->db ? sqlite3_extended_errcode(store->db) : SQLITE_NOMEM;
    const char *path = store->path;
    switch (code & 0xff) {
    case SQLITE_FULL:
        return error_at(error, STATUS_IO, path, 0, 0,
                        "the disk is full (%s). Results committed before are safe; free some space and run the same "
                        "command again: it goes on where this one stopped",
                        doing);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return error_at(error, STATUS_IO, path, 0, 0,
                        "locked by another process for more than %g s (%s). Committed results are safe; run the same "
                        "command again when the other process has finished",
                        store->patience / 1000.0, doing);
    case SQLITE_READONLY:
        return error_at(error, STATUS_IO, path, 0, 0,
                        "cannot be written (%s): the file or its directory is read-only, or a journal of an "
                        "interrupted run lies beside it and must be rolled back by someone who may write. Stored "
                        "results are safe",
                        doing);
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
        return error_at(error, STATUS_IO, path, 0, 0,
                        "cannot open the database or its journal (%s): %s. Check the permissions of the file and of "
                        "its directory",
                        doing,
                        sqlite3_system_errno(store->db) ? strerror(sqlite3_system_errno(store->db))
                                                        : sqlite3_errmsg(store->db));
    case SQLITE_NOTADB:
        return error_at(error, STATUS_INPUT, path, 0, 0,
                        "is not a store of sgdlab (not an SQLite database); it was not changed. Choose another results "
                        "directory");
    case SQLITE_CORRUPT:
        return error_at(error, STATUS_IO, path, 0, 0,
                        "is damaged (%s: %s). Keep a copy; `sqlite3 sgdlab.db .recover` may save most of it, and what "
                        "is missing is computed again by the next run",
                        doing, sqlite3_errmsg(store->db));
    case SQLITE_NOMEM:
        return error_set(error, STATUS_MEMORY, "out of memory (%s)", doing);
    default:
        return error_at(error, STATUS_IO, path, 0, 0, "%s (%s; SQLite code %d%s%s). Results committed before are safe",
                        sqlite3_errmsg(store->db), doing, code, sqlite3_system_errno(store->db) ? ", " : "",
                        sqlite3_system_errno(store->db) ? strerror(sqlite3_system_errno(store->db)) : "");
    }
}

/* ---- statements ---- */

enum status store_prepare(struct store *store, sqlite3_stmt **statement, const char *sql, struct error *error)
{
    if (*statement)
        return STATUS_OK;
    if (sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL) != SQLITE_OK)
        return store_sql_error(store, "reading its tables", error);
    return STATUS_OK;
}

enum status store_step(struct store *store, sqlite3_stmt *statement, const char *doing, bool *row, struct error *error)
{
    int code = sqlite3_step(statement);
    *row = code == SQLITE_ROW;
    if (*row)
        return STATUS_OK;
    enum status status = code == SQLITE_DONE ? STATUS_OK : store_sql_error(store, doing, error);
    sqlite3_reset(statement);
    return status;
}

enum status store_run(struct store *store, sqlite3_stmt *statement, const char *doing, struct error *error)
{
    bool row;
    enum status status = store_step(store, statement, doing, &row, error);
    if (row)
        sqlite3_reset(statement);
    return status;
}

enum status store_exec(struct store *store, const char *sql, const char *doing, struct error *error)
{
    if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return store_sql_error(store, doing, error);
    return STATUS_OK;
}

enum status store_integer(struct store *store, const char *sql, int64_t *value, struct error *error)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    enum status status = store_prepare(store, &statement, sql, error);
    if (status == STATUS_OK)
        status = store_step(store, statement, "reading", &row, error);
    *value = row ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    return status;
}

enum status store_begin(struct store *store, const char *doing, struct error *error)
{
    return store_exec(store, "BEGIN IMMEDIATE", doing, error);
}

enum status store_end(struct store *store, enum status status, const char *doing, struct error *error)
{
    if (status == STATUS_OK)
        status = store_exec(store, "COMMIT", doing, error);
    if (status != STATUS_OK) {
        /* After some errors SQLite has rolled back by itself; the second time is then refused and does no harm. */
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
        store->session = store->kept_session;
        store->cell.id = 0;
    }
    store->kept_session = store->session;
    return status;
}

void store_bind_text(sqlite3_stmt *statement, int column, const char *text)
{
    sqlite3_bind_text(statement, column, text, -1, SQLITE_STATIC);
}

void store_bind_count(sqlite3_stmt *statement, int column, uint64_t value)
{
    sqlite3_bind_int64(statement, column, (sqlite3_int64)value);
}

void store_bind_blob(sqlite3_stmt *statement, int column, const void *data, size_t size)
{
    sqlite3_bind_blob64(statement, column, size ? data : "", size, SQLITE_STATIC);
}

double store_column_real(sqlite3_stmt *statement, int column)
{
    return sqlite3_column_type(statement, column) == SQLITE_NULL ? (double)NAN
                                                                 : sqlite3_column_double(statement, column);
}

/* ---- this process ---- */

enum status store_touch_session(struct store *store, struct error *error)
{
    enum status status;
    if (store->session) {
        status = store_prepare(store, &store->touch_session, "UPDATE session SET ended = ?1 WHERE id = ?2", error);
        if (status != STATUS_OK)
            return status;
        sqlite3_bind_int64(store->touch_session, 1, store_clock());
        sqlite3_bind_int64(store->touch_session, 2, store->session);
        return store_run(store, store->touch_session, "noting the time", error);
    }
    struct {
        char host[HOST_NAME_MAX + 1];
        int64_t pid;
        struct timespec now;
    } name;
    memset(&name, 0, sizeof name); /* padding included */
    gethostname(name.host, sizeof name.host - 1);
    name.pid = getpid();
    clock_gettime(CLOCK_REALTIME, &name.now);
    struct sha256_ctx hash;
    uint8_t key[16];
    sha256_init(&hash);
    sha256_update(&hash, sizeof name, (const uint8_t *)&name);
    sha256_digest(&hash, sizeof key, key);

    char *environment = manifest_environment(sqlite3_libversion());
    if (!environment)
        return error_memory(error, 1024, "the description of this program");
    sqlite3_stmt *insert = NULL;
    status = store_prepare(store, &insert,
                           "INSERT INTO session (key, started, ended, environment) VALUES (?1, ?2, ?2, ?3)", error);
    if (status == STATUS_OK) {
        store_bind_blob(insert, 1, key, sizeof key);
        sqlite3_bind_int64(insert, 2, store_clock());
        store_bind_text(insert, 3, environment);
        status = store_run(store, insert, "noting program and machine", error);
        store->session = sqlite3_last_insert_rowid(store->db);
    }
    sqlite3_finalize(insert);
    free(environment);
    return status;
}

/* ---- opening ---- */

enum status store_check_identity(struct store *store, const char *schema, const char *path, bool *empty,
                                 struct error *error)
{
    char sql[128];
    int64_t application = 0, version = 0, tables = 0;
    sqlite3_snprintf(sizeof sql, sql, "PRAGMA \"%w\".application_id", schema);
    enum status status = store_integer(store, sql, &application, error);
    sqlite3_snprintf(sizeof sql, sql, "PRAGMA \"%w\".user_version", schema);
    if (status == STATUS_OK)
        status = store_integer(store, sql, &version, error);
    sqlite3_snprintf(sizeof sql, sql, "SELECT count(*) FROM \"%w\".sqlite_schema", schema);
    if (status == STATUS_OK)
        status = store_integer(store, sql, &tables, error);
    if (status != STATUS_OK)
        return status;
    if (empty)
        *empty = application == 0 && version == 0 && tables == 0;
    if (empty && *empty)
        return STATUS_OK;
    if (application != STORE_APPLICATION_ID)
        return error_at(error, STATUS_INPUT, path, 0, 0,
                        "is a database of another program (application id %lld, a store of sgdlab has %d); it was not "
                        "changed. Choose another results directory",
                        (long long)application, STORE_APPLICATION_ID);
    if (version != STORE_VERSION)
        return error_at(error, STATUS_INPUT, path, 0, 0,
                        "was written by %s version of sgdlab (schema %lld, this program knows %d); it was not changed",
                        version > STORE_VERSION ? "a newer" : "an older", (long long)version, STORE_VERSION);
    return STATUS_OK;
}

char *store_database_path(const char *dir_or_file)
{
    struct stat info;
    bool is_file = stat(dir_or_file, &info) == 0 && S_ISREG(info.st_mode);
    const char *before = dir_or_file[0] == '/' || dir_or_file[0] == '.' ? "" : "./",
               *after = is_file ? "" : "/sgdlab.db";
    size_t size = strlen(before) + strlen(dir_or_file) + strlen(after) + 1;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s%s%s", before, dir_or_file, after);
    return path;
}

/* Two processes may do this at once: the second finds the tables of the first. */
static enum status make_tables(struct store *store, struct error *error)
{
    static const char doing[] = "making the tables";
    enum status status = store_begin(store, doing, error);
    if (status != STATUS_OK)
        return status;
    bool empty = false;
    status = store_check_identity(store, "main", store->path, &empty, error);
    char *identity =
        sqlite3_mprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", STORE_APPLICATION_ID, STORE_VERSION);
    if (!identity)
        status = error_memory(error, 64, "a statement");
    if (status == STATUS_OK && empty)
        status = store_exec(store, schema_sql, doing, error);
    /* Also in a store that is there already: a real write shows before the first run whether results can be kept. */
    if (status == STATUS_OK)
        status = store_exec(store, identity, doing, error);
    sqlite3_free(identity);
    return store_end(store, status, doing, error);
}

static enum status open_database(struct store *store, struct error *error)
{
    static const char doing[] = "opening";
    /* Also a reader opens for writing where it may: it has to roll back the journal of a run that was killed. */
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (store->mode == STORE_CREATE ? SQLITE_OPEN_CREATE : 0);
    if (sqlite3_open_v2(store->path, &store->db, flags, NULL) != SQLITE_OK)
        return store_sql_error(store, doing, error);
    sqlite3_extended_result_codes(store->db, 1);
    sqlite3_busy_timeout(store->db, store->patience);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *)NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, (int *)NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, (int *)NULL);

    bool empty = false;
    enum status status =
        store_check_identity(store, "main", store->path, store->mode == STORE_CREATE ? &empty : NULL, error);
    if (status != STATUS_OK)
        return status;
    char pragmas[160];
    snprintf(pragmas, sizeof pragmas, "PRAGMA cache_size = -%d; PRAGMA synchronous = EXTRA; PRAGMA query_only = %d",
             CACHE_KIBIBYTES, store->mode == STORE_READ);
    status = store_exec(store, pragmas, doing, error);
    if (status != STATUS_OK || store->mode == STORE_READ)
        return status;
    if (sqlite3_db_readonly(store->db, "main") == 1 || access(store->dir, W_OK | X_OK) != 0)
        return error_at(error, STATUS_IO, store->path, 0, 0,
                        "cannot be written: the file or its directory is read-only. Stored results are safe; choose "
                        "another directory with --out");
    return make_tables(store, error);
}

enum status store_open(const char *dir, enum store_mode mode, struct store **out, struct error *error)
{
    *out = NULL;
    struct stat info;
    if (mode == STORE_CREATE) {
        enum status status = output_make_directories(dir, error);
        if (status != STATUS_OK)
            return status;
    } else if (stat(dir, &info) != 0) {
        return error_at(error, STATUS_NOT_FOUND, dir, 0, 0, "no such results directory (%s)", strerror(errno));
    }
    struct store *store = calloc(1, sizeof *store);
    if (!store)
        return error_memory(error, sizeof *store, "the store");
    store->mode = mode;
    store->patience = PATIENCE;
    store->last = &store->first;
    pthread_mutex_init(&store->lock, NULL); /* cannot fail with default attributes */
    pthread_mutex_init(&store->queue_lock, NULL);
    store->dir = strdup(dir);
    store->path = store_database_path(dir);
    enum status status = STATUS_OK;
    if (!store->dir || !store->path)
        status = error_memory(error, strlen(dir), "a path");
    else if (mode == STORE_READ && stat(store->path, &info) != 0)
        status = error_at(error, STATUS_NOT_FOUND, dir, 0, 0,
                          "no results here: %s (sgdlab.db). `sgdlab run FILE --out DIR` makes a results directory",
                          strerror(errno));
    if (status == STATUS_OK)
        status = open_database(store, error);
    if (status != STATUS_OK) {
        store_close(store, NULL);
        return status;
    }
    *out = store;
    return STATUS_OK;
}

enum status store_close(struct store *store, struct error *error)
{
    if (!store)
        return STATUS_OK;
    enum status status = store_flush(store, error);
    store_forget_queue(store); /* after an error: what could not be committed */
    if (store->db) {
        sqlite3_stmt *statement;
        while ((statement = sqlite3_next_stmt(store->db, NULL)))
            sqlite3_finalize(statement);
        sqlite3_close(store->db);
    }
    pthread_mutex_destroy(&store->queue_lock);
    pthread_mutex_destroy(&store->lock);
    free(store->known.run);
    free(store->path);
    free(store->dir);
    free(store);
    return status;
}
