/* What the files of the store share: the connection, statements, errors. Only they include this, and with it sqlite3.h.
 *
 * The journal is SQLite's rollback journal (DELETE), synchronous=EXTRA, not a write-ahead log: a WAL needs memory
 * shared by all readers and writers, which network file systems do not give, and results directories lie on these and
 * are read
 * (`sgdlab status`) from other nodes; and between transactions the store is one file, safe to copy. What a WAL would
 * give, readers that never block the writer, is had by short transactions on both sides: the writer collects results
 * and commits them in a transaction well below half a second; readers take one cell or run at a time and release the
 * lock. */
#ifndef SGDLAB_STORE_INTERNAL_H
#define SGDLAB_STORE_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>

#include "store.h"

enum {
    STORE_APPLICATION_ID = 0x5347444c, /* "SGDL" at byte 68 of the file */
    STORE_VERSION = 2,
    CURVES_PER_RUN = 64, /* curve.id = CURVES_PER_RUN * run.id + number */
    CURVE_SECONDS = CURVES_PER_RUN - 1,
    CURVE_COUNT = CURVES_PER_RUN - 2, /* of a group: chains that had not diverged */
};
_Static_assert((int)METRIC_COUNT <= (int)CURVE_COUNT, "curve numbers");

struct pending;

struct known_run {
    int64_t cell;
    uint64_t replicate, chains;
};

struct store {
    sqlite3 *db;
    char *dir, *path;
    enum store_mode mode;
    int patience; /* milliseconds to wait for another process's lock */

    pthread_mutex_t lock; /* the connection, the statements and what follows */
    int64_t session;      /* this process's row; 0: not written yet */
    int64_t kept_session; /* the same, committed */
    struct {
        int64_t id;
        uint8_t key[16];
        bool has_reference;
    } cell; /* the last one that the writer looked up; id 0: none */
    struct {
        bool loaded, complete; /* complete: nothing was committed here since */
        uint64_t seed;
        size_t count, capacity, misses;
        struct known_run *run; /* by cell and replicate */
    } known;                   /* the runs of one seed, for store_has_run */
    sqlite3_stmt *has_run, *find_cell, *find_run, *find_curve, *put_run, *put_curve, *put_estimator, *put_failure,
        *drop_failure;
    sqlite3_stmt *touch_session, *read_cell, *read_run, *read_group, *read_curves, *read_failure, *read_estimator;

    pthread_mutex_t queue_lock; /* what follows; taken after `lock` where both are held */
    struct pending *first, **last;
    size_t queue_bytes;
    int64_t oldest;             /* when first was queued, monotonic milliseconds */
    uint64_t *reference_queued; /* bit per cell id: its reference is in the queue or the store */
    size_t reference_words;
};

/* Turns the connection's last error into words: what happened, what is safe, what to do. */
enum status store_sql_error(struct store *store, const char *doing, struct error *error);

/* Prepares *statement once; it is finalised by store_close. */
enum status store_prepare(struct store *store, sqlite3_stmt **statement, const char *sql, struct error *error);
/* The next row: *row tells whether there is one. After the last row and after an error the statement is reset, so that
 * no lock is held; whoever stops before that resets it. */
enum status store_step(struct store *store, sqlite3_stmt *statement, const char *doing, bool *row, struct error *error);
/* A statement without rows. */
enum status store_run(struct store *store, sqlite3_stmt *statement, const char *doing, struct error *error);
enum status store_exec(struct store *store, const char *sql, const char *doing, struct error *error);
/* The integer that one query without parameters gives. */
enum status store_integer(struct store *store, const char *sql, int64_t *value, struct error *error);

/* BEGIN IMMEDIATE. store_end commits when status is STATUS_OK, else rolls back; a commit that fails rolls back too. */
enum status store_begin(struct store *store, const char *doing, struct error *error);
enum status store_end(struct store *store, enum status status, const char *doing, struct error *error);

/* Checks that the attached database `schema` ("main", "source") is ours and of this version; *empty: it has no tables
 * at all, NULL: an error. */
enum status store_check_identity(struct store *store, const char *schema, const char *path, bool *empty,
                                 struct error *error);
/* DIR or a database file -> the path of the database, which never begins with "file:" or "-". Caller frees. */
char *store_database_path(const char *dir_or_file);

/* The row of this process, written at its first transaction and brought up to date by each later one. */
enum status store_touch_session(struct store *store, struct error *error);

int64_t store_clock(void);     /* milliseconds since 1970 */
int64_t store_monotonic(void); /* milliseconds, for ages */

/* Doubles to and from little-endian blobs. */
void store_pack(const double *value, size_t count, void *blob);
void store_unpack(const void *blob, size_t count, double *value);

/* Binding by position (from 1); text and blobs are borrowed until the statement is reset. NaN becomes NULL. */
void store_bind_text(sqlite3_stmt *statement, int column, const char *text);
void store_bind_count(sqlite3_stmt *statement, int column, uint64_t value);
void store_bind_blob(sqlite3_stmt *statement, int column, const void *data, size_t size);
/* NULL becomes NaN. */
double store_column_real(sqlite3_stmt *statement, int column);

/* Commits everything that was queued when this began. The caller holds `lock`. */
enum status store_drain(struct store *store, struct error *error);
/* Frees what is queued and not committed. */
void store_forget_queue(struct store *store);

/* The row of that reference, added when it is new. */
enum status store_reference_row(struct store *store, const struct reference *reference, int64_t *id,
                                struct error *error);

/* Estimator results: the scalar columns after `draws`, in the order of the table. */
struct estimator_field {
    const char *name;
    size_t offset; /* in struct estimator_result */
};
enum { ESTIMATOR_FIELDS = 11 };
extern const struct estimator_field estimator_field[ESTIMATOR_FIELDS];

#endif
