/* Reading groups of chains: moments as they were stored, one group at a time or all of a cell. */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "group.h"
#include "store_internal.h"
#include "store_read.h"

static const char doing[] = "reading moments";

static enum status damaged(struct store *store, const char *what, struct error *error)
{
    return error_at(error, STATUS_IO, store->path, 0, 0, "is damaged: %s", what);
}

static void take_count(const unsigned char *blob, struct stored_group *group)
{
    for (size_t i = 0; i < group->points; i++) {
        uint64_t count;
        memcpy(&count, blob + i * sizeof count, sizeof count);
        group->count[i] = le64toh(count);
    }
}

/* The stored planes (means, m2, m3, m4) become moments; their counts come last. */
static void take_moments(const unsigned char *blob, size_t points, struct moments *out)
{
    const size_t plane = points * sizeof(double);
    for (size_t i = 0; i < points; i++) {
        const unsigned char *at = blob + i * sizeof(double);
        store_unpack(at, 1, &out[i].mean);
        store_unpack(at + plane, 1, &out[i].m2);
        store_unpack(at + 2 * plane, 1, &out[i].m3);
        store_unpack(at + 3 * plane, 1, &out[i].m4);
    }
}

static enum status read_curves(struct store *store, struct stored_group *group, struct error *error)
{
    enum status status =
        store_prepare(store, &store->read_curves, "SELECT id, data FROM curve WHERE id BETWEEN ?1 AND ?2", error);
    if (status != STATUS_OK)
        return status;
    sqlite3_stmt *select = store->read_curves;
    sqlite3_bind_int64(select, 1, group->id * CURVES_PER_RUN);
    sqlite3_bind_int64(select, 2, group->id * CURVES_PER_RUN + CURVE_COUNT);
    for (size_t i = 0; i < group->points; i++)
        group->count[i] = group->chains;
    for (;;) {
        bool row;
        status = store_step(store, select, doing, &row, error);
        if (status != STATUS_OK || !row)
            break;
        int64_t number = sqlite3_column_int64(select, 0) - group->id * CURVES_PER_RUN;
        bool count = number == CURVE_COUNT;
        if (!count && number >= METRIC_COUNT)
            continue; /* a metric that this program does not know yet */
        const unsigned char *blob = sqlite3_column_blob(select, 1);
        if ((size_t)sqlite3_column_bytes(select, 1) != group->points * sizeof(double) * (count ? 1 : GROUP_MOMENTS)) {
            sqlite3_reset(select);
            return damaged(store, "a curve is not as long as its group", error);
        }
        if (count) {
            take_count(blob, group);
        } else {
            group->metric[number] = group->buffer + (size_t)number * group->capacity;
            take_moments(blob, group->points, group->metric[number]);
        }
    }
    for (int metric = 0; metric < METRIC_COUNT; metric++)
        for (size_t i = 0; group->metric[metric] && i < group->points; i++)
            group->metric[metric][i].count = group->count[i];
    return status;
}

static enum status take_group(struct store *store, struct stored_group *group, struct error *error)
{
    sqlite3_stmt *select = store->read_group;
    if (sqlite3_column_bytes(select, 1) != sizeof group->key.byte)
        return damaged(store, "a group without its key", error);
    group->id = sqlite3_column_int64(select, 0);
    memcpy(group->key.byte, sqlite3_column_blob(select, 1), sizeof group->key.byte);
    group->first = (uint64_t)sqlite3_column_int64(select, 2);
    group->chains = (uint64_t)sqlite3_column_int64(select, 3);
    group->diverged = (uint64_t)sqlite3_column_int64(select, 4);
    group->points = (size_t)sqlite3_column_int64(select, 5);
    group->train_seconds = store_column_real(select, 6);
    group->measure_seconds = store_column_real(select, 7);
    memset(group->metric, 0, sizeof group->metric);
    if (group->points > (size_t)INT32_MAX / sizeof(double)) /* longer than any blob */
        return damaged(store, "the number of points of a group", error);
    if (group->points > group->capacity) {
        free(group->buffer);
        free(group->count);
        group->buffer = malloc(METRIC_COUNT * group->points * sizeof *group->buffer);
        group->count = malloc(group->points * sizeof *group->count);
        group->capacity = group->buffer && group->count ? group->points : 0;
        if (!group->capacity)
            return error_memory(error, METRIC_COUNT * group->points * sizeof *group->buffer, "the moments of a group");
    }
    return STATUS_OK;
}

enum status store_read_group(struct store *store, int64_t mark, int64_t cell, uint64_t seed, uint64_t replicates,
                             uint64_t first, struct stored_group *group, bool *found, struct error *error)
{
    *found = false;
    pthread_mutex_lock(&store->lock);
    enum status status = store_prepare(store, &store->read_group,
                                       "SELECT id, key, replicate, chains, diverged, points, train_seconds, "
                                       "measure_seconds FROM run WHERE cell = ?1 AND seed = ?2 AND replicate >= ?3 AND "
                                       "id <= ?4 AND chains = min(?5, ?6 - replicate) ORDER BY replicate LIMIT 1",
                                       error);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(store->read_group, 1, cell);
        store_bind_count(store->read_group, 2, seed);
        store_bind_count(store->read_group, 3, first);
        sqlite3_bind_int64(store->read_group, 4, mark);
        sqlite3_bind_int(store->read_group, 5, GROUP_CHAINS);
        store_bind_count(store->read_group, 6, replicates);
        status = store_step(store, store->read_group, doing, found, error);
    }
    if (*found) {
        status = take_group(store, group, error);
        sqlite3_reset(store->read_group);
        if (status == STATUS_OK && group->points > 0)
            status = read_curves(store, group, error);
    }
    pthread_mutex_unlock(&store->lock);
    return status;
}

void stored_group_free(struct stored_group *group)
{
    free(group->buffer);
    free(group->count);
    *group = (struct stored_group){0};
}

/* ---- all groups of a cell ---- */

static enum status make_room(struct stored_moments *out, const struct stored_group *group, size_t room,
                             struct error *error)
{
    uint64_t *chains = realloc(out->group_chains, room * sizeof *chains);
    if (chains)
        out->group_chains = chains;
    uint64_t *count = realloc(out->count, room * out->points * sizeof *count);
    if (count)
        out->count = count;
    bool complete = chains && count;
    for (int metric = 0; complete && metric < METRIC_COUNT; metric++) {
        if (!group->metric[metric])
            continue;
        struct moments *bigger = realloc(out->metric[metric], room * out->points * sizeof *bigger);
        complete = bigger != NULL;
        if (bigger)
            out->metric[metric] = bigger;
    }
    return complete ? STATUS_OK : error_memory(error, room * out->points * sizeof(struct moments), "moments");
}

enum status store_read_moments(struct store *store, int64_t mark, int64_t cell, uint64_t seed, uint64_t replicates,
                               struct stored_moments *out, struct error *error)
{
    struct stored_group group = {0};
    size_t room = 0;
    uint64_t next = 0;
    enum status status = STATUS_OK;
    *out = (struct stored_moments){0};
    for (;;) {
        bool found;
        status = store_read_group(store, mark, cell, seed, replicates, next, &group, &found, error);
        if (status != STATUS_OK || !found)
            break;
        if (out->groups == 0)
            out->points = group.points;
        bool same = group.points == out->points && group.points > 0;
        for (int metric = 0; metric < METRIC_COUNT; metric++)
            same = same && (out->groups == 0 || !out->metric[metric] == !group.metric[metric]);
        if (!same) {
            status = damaged(store, "the groups of a cell do not fit together", error);
            break;
        }
        if (out->groups == room) {
            room = 2 * room + 8;
            status = make_room(out, &group, room, error);
            if (status != STATUS_OK)
                break;
        }
        size_t at = out->groups * out->points;
        memcpy(out->count + at, group.count, out->points * sizeof *out->count);
        for (int metric = 0; metric < METRIC_COUNT; metric++)
            if (group.metric[metric])
                memcpy(out->metric[metric] + at, group.metric[metric], out->points * sizeof(struct moments));
        out->group_chains[out->groups++] = group.chains;
        out->chains += group.chains;
        out->diverged += group.diverged;
        next = group.first + 1;
    }
    stored_group_free(&group);
    if (status != STATUS_OK)
        stored_moments_free(out);
    return status;
}

void stored_moments_free(struct stored_moments *moments)
{
    for (int metric = 0; metric < METRIC_COUNT; metric++)
        free(moments->metric[metric]);
    free(moments->count);
    free(moments->group_chains);
    *moments = (struct stored_moments){0};
}
