/* A small world for the tests of the store and its tables: a plan of toy cells and results that are functions of their
 * names, so that any of them can be made again for comparison. */
#ifndef SGDLAB_TEST_STORE_SCENE_H
#define SGDLAB_TEST_STORE_SCENE_H

#include <criterion/criterion.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "estimator.h"
#include "store_internal.h"
#include "store_plan.h"

enum { SCENE_POINTS = 5, SCENE_N = 10, SCENE_D = 3 };
static const uint64_t scene_step[SCENE_POINTS] = {0, 1, 3, 7, 20};
static const uint64_t scene_samples[SCENE_POINTS] = {0, 4, 12, 28, 80};
static const double scene_rate[SCENE_POINTS] = {0.1, 0.05, 0.025, 0.0125, 1e-3};
static const unsigned scene_metrics = 1u << METRIC_LOSS | 1u << METRIC_GAP;

/* A plan whose cell i has the text of cell `first + i`, `cells` of them; every cell from number `twins` on is the same.
 */
struct scene_plan {
    const char *name;
    size_t first, cells, replicates, twins;
    uint64_t seed;
    enum run_kind kind;
    const struct reference *reference;
    char json[96];
};

static inline void must(enum status status, const struct error *error)
{
    char text[2048];
    cr_assert(status == STATUS_OK, "%s", error_text(error, text, sizeof text));
}

static inline enum status scene_cell(void *context, size_t index, struct plan_cell *cell, struct error *error)
{
    (void)error;
    struct scene_plan *plan = context;
    size_t number = plan->first + (plan->twins && index > plan->twins ? plan->twins : index);
    snprintf(plan->json, sizeof plan->json, "{\"cell\":%zu,\"problem\":\"least_squares\"}", number);
    *cell = (struct plan_cell){
        .json = plan->json,
        .kind = plan->kind,
        .metrics = plan->kind == KIND_TRAINING ? scene_metrics : 0,
        .columns = {.problem = "least_squares",
                    .data = "toy, \"quoted\"",
                    .sampling = "subset",
                    .schedule = "inverse_time",
                    .update = "sgd",
                    .averaging = "last",
                    .n = SCENE_N,
                    .d = SCENE_D,
                    .batch_size = 4,
                    .rate = 0.1 + (double)number,
                    .l2 = 1e-3,
                    .steps = 20},
        .data_checksum = "00ff",
        .data_nnz = SCENE_N * SCENE_D,
        .reference = plan->reference,
        .points = plan->kind == KIND_TRAINING ? SCENE_POINTS : 0,
        .step = scene_step,
        .samples = scene_samples,
        .rate = scene_rate,
    };
    return STATUS_OK;
}

static inline void scene_register(struct store *store, struct scene_plan *plan, int64_t *cell_id)
{
    struct error error;
    struct plan_source source = {
        .name = plan->name,
        .question = "Does it keep what it is given?",
        .config = "question: Does it keep what it is given?\n",
        .settings = "{\"threads\":2}",
        .axes = "[\"batch_size\"]",
        .figures = "[]",
        .cells = plan->cells,
        .replicates = plan->replicates,
        .seed = plan->seed,
        .cell = scene_cell,
        .context = plan,
    };
    must(store_put_plan_source(store, &source, cell_id, &error), &error);
}

/* A number in (0, 1) for any four names, with all 53 bits in use. */
static inline double scene_value(uint64_t cell, uint64_t replicate, uint64_t what, uint64_t point)
{
    uint64_t x = cell * 0x9e3779b97f4a7c15u + replicate * 0xbf58476d1ce4e5b9u + what * 0x94d049bb133111ebu + point + 1;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    x ^= x >> 31;
    return ((double)(x >> 11) + 0.5) * 0x1p-53;
}

struct scene_result {
    struct run_result result;
    double loss[SCENE_POINTS], gap[SCENE_POINTS], seconds[SCENE_POINTS];
};

/* The result of that run; points < SCENE_POINTS: it diverged after them. */
static inline void scene_result(struct scene_result *scene, uint64_t cell, uint64_t replicate, size_t points)
{
    *scene = (struct scene_result){0};
    for (size_t i = 0; i < points; i++) {
        scene->loss[i] = scene_value(cell, replicate, METRIC_LOSS, i);
        scene->gap[i] = scene_value(cell, replicate, METRIC_GAP, i);
        scene->seconds[i] = (double)i * 1e-3;
    }
    scene->result = (struct run_result){
        .outcome = points < SCENE_POINTS ? OUTCOME_DIVERGED : OUTCOME_FINISHED,
        .diverged_at = points < SCENE_POINTS ? scene_step[points] : 0,
        .points = points,
        .seconds = scene->seconds,
        .train_seconds = 0.25,
        .measure_seconds = 0.125,
        .lanes = 8,
    };
    scene->result.metric[METRIC_LOSS] = scene->loss;
    scene->result.metric[METRIC_GAP] = scene->gap;
}

static inline enum status scene_put_points(struct store *store, int64_t cell_id, uint64_t cell, uint64_t seed,
                                           uint64_t replicate, size_t points, struct error *error)
{
    struct scene_result scene;
    struct run_config config = {.kind = KIND_TRAINING};
    struct run_request request = {.config = &config, .seed = seed, .replicate = replicate};
    scene_result(&scene, cell, replicate, points);
    return store_put_run(store, cell_id, &request, &scene.result, error);
}

static inline void scene_put(struct store *store, int64_t cell_id, uint64_t cell, uint64_t seed, uint64_t replicate)
{
    struct error error;
    must(scene_put_points(store, cell_id, cell, seed, replicate, SCENE_POINTS, &error), &error);
}

/* An empty directory of its own, below the test's scratch directory. */
static inline void scene_dir(char dir[32])
{
    strcpy(dir, "store_XXXXXX");
    cr_assert(mkdtemp(dir) != NULL);
}

static inline void scene_remove(const char *dir)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf -- '%s'", dir);
    cr_assert(system(command) == 0);
}

static inline struct store *scene_open(const char *dir)
{
    struct store *store;
    struct error error;
    must(store_open(dir, STORE_CREATE, &store, &error), &error);
    return store;
}

static inline void scene_close(struct store *store)
{
    struct error error;
    must(store_close(store, &error), &error);
}

static inline void digest_of(struct store *store, char hex[65])
{
    struct error error;
    must(store_digest(store, hex, &error), &error);
    cr_assert(strlen(hex) == 64);
}

static inline struct store_status status_of(struct store *store, const char *name)
{
    struct store_status *list, found = {0};
    struct error error;
    size_t count;
    must(store_status(store, &list, &count, &error), &error);
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].name, name) == 0)
            found = list[i];
    free(list);
    cr_assert_str_eq(found.name, name);
    return found;
}

static inline int64_t count_rows(struct store *store, const char *table)
{
    char sql[64];
    int64_t count;
    struct error error;
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
    must(store_integer(store, sql, &count, &error), &error);
    return count;
}

static inline void write_bytes(const char *path, long offset, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "r+b");
    if (!file)
        file = fopen(path, "w+b");
    cr_assert(file && fseek(file, offset, SEEK_SET) == 0 && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

/* What SQLite's JSON reader makes of json at path; "" where there is nothing. */
static inline void json_at(const char *json, const char *path, char *value, size_t size)
{
    sqlite3 *db;
    sqlite3_stmt *statement;
    cr_assert(sqlite3_open(":memory:", &db) == SQLITE_OK);
    cr_assert(sqlite3_prepare_v2(db, "SELECT json_extract(?1, ?2)", -1, &statement, NULL) == SQLITE_OK);
    sqlite3_bind_text(statement, 1, json, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, path, -1, SQLITE_STATIC);
    cr_assert(sqlite3_step(statement) == SQLITE_ROW, "%s", sqlite3_errmsg(db));
    const char *text = (const char *)sqlite3_column_text(statement, 0);
    snprintf(value, size, "%s", text ? text : "");
    sqlite3_finalize(statement);
    sqlite3_close(db);
}

#endif
