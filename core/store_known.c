/* Which runs and groups are in the store: what planning asks about each of them. */
#include <stdlib.h>

#include "store_internal.h"

enum { LOOKUPS_MAX = 1000 }; /* single look-ups before the list of stored runs is read anew */

/* All runs of one seed, in one pass over the index: a look-up by SQL takes and gives back a file lock each time. */
static enum status load_known(struct store *store, uint64_t seed, struct error *error)
{
    static const char sql[] =
        "SELECT cell, replicate, chains FROM run WHERE seed = ?1 ORDER BY cell, replicate, chains";
    sqlite3_stmt *select = NULL;
    enum status status = store_prepare(store, &select, sql, error);
    bool row = status == STATUS_OK;
    store->known.loaded = false;
    store->known.count = store->known.misses = 0;
    store_bind_count(select, 1, seed);
    while (row) {
        status = store_step(store, select, "looking up runs", &row, error);
        if (!row)
            break;
        if (store->known.count == store->known.capacity) {
            size_t capacity = 2 * store->known.capacity + 1024;
            struct known_run *run = realloc(store->known.run, capacity * sizeof *run);
            if (!run) {
                status = error_memory(error, capacity * sizeof *run, "the list of stored runs");
                break;
            }
            store->known.run = run;
            store->known.capacity = capacity;
        }
        store->known.run[store->known.count++] = (struct known_run){
            sqlite3_column_int64(select, 0),
            (uint64_t)sqlite3_column_int64(select, 1),
            (uint64_t)sqlite3_column_int64(select, 2),
        };
    }
    sqlite3_finalize(select);
    store->known.loaded = store->known.complete = status == STATUS_OK;
    store->known.seed = seed;
    return status;
}

static int compare_known(const void *left, const void *right)
{
    const struct known_run *a = left, *b = right;
    if (a->cell != b->cell)
        return a->cell < b->cell ? -1 : 1;
    if (a->replicate != b->replicate)
        return a->replicate < b->replicate ? -1 : 1;
    return (a->chains > b->chains) - (a->chains < b->chains);
}

static bool is_stored(struct store *store, const struct known_run *run, uint64_t seed)
{
    bool row = false;
    if (store_prepare(store, &store->has_run,
                      "SELECT 1 FROM run WHERE cell = ?1 AND seed = ?2 AND replicate = ?3 AND chains = ?4",
                      NULL) != STATUS_OK)
        return false;
    sqlite3_bind_int64(store->has_run, 1, run->cell);
    store_bind_count(store->has_run, 2, seed);
    store_bind_count(store->has_run, 3, run->replicate);
    store_bind_count(store->has_run, 4, run->chains);
    store_step(store, store->has_run, "looking up a run", &row, NULL);
    if (row)
        sqlite3_reset(store->has_run);
    return row;
}

bool store_has_run(struct store *store, int64_t cell_id, uint64_t seed, uint64_t replicate, uint64_t chains)
{
    struct known_run run = {cell_id, replicate, chains};
    bool found = false;
    pthread_mutex_lock(&store->lock);
    store_drain(store, NULL); /* when it fails, the next put or flush says so */
    bool loaded = store->known.loaded && store->known.seed == seed;
    if (!loaded || (!store->known.complete && ++store->known.misses > LOOKUPS_MAX))
        loaded = load_known(store, seed, NULL) == STATUS_OK;
    if (loaded && store->known.count)
        found = bsearch(&run, store->known.run, store->known.count, sizeof run, compare_known) != NULL;
    if (!found && !(loaded && store->known.complete))
        found = is_stored(store, &run, seed);
    pthread_mutex_unlock(&store->lock);
    return found;
}
