/* The digest sees results and nothing else; merging shards gives the whole, in any order and any number of times. */
#include "store_scene.h"

/* ---- digest ---- */

enum change { NOTHING, TIMES, ONE_BIT, OUTCOME, MISSING_RUN, MISSING_METRIC, CHANGES };

static void digest_with(enum change change, bool backwards, size_t flush_every, char hex[65])
{
    enum { CELLS = 3, REPLICATES = 7, RUNS = CELLS * REPLICATES };
    char dir[32];
    int64_t id[CELLS];
    struct error error;
    scene_dir(dir);
    struct store *store = scene_open(dir);
    struct scene_plan plan = {.name = "digest", .cells = CELLS, .replicates = REPLICATES, .seed = 3};
    scene_register(store, &plan, id);
    for (uint64_t i = 0; i < RUNS; i++) {
        uint64_t number = backwards ? RUNS - 1 - i : i, cell = number % CELLS, replicate = number / CELLS;
        bool chosen = cell == 1 && replicate == 5;
        struct run_config config = {.kind = KIND_TRAINING};
        struct run_request request = {.config = &config, .seed = 3, .replicate = replicate};
        struct scene_result scene;
        scene_result(&scene, cell, replicate, chosen && change == OUTCOME ? SCENE_POINTS - 1 : SCENE_POINTS);
        if (change == TIMES) {
            scene.result.train_seconds *= 2.0;
            scene.result.lanes = 1;
            scene.seconds[2] = 99.0;
        }
        if (chosen && change == ONE_BIT)
            scene.gap[4] = nextafter(scene.gap[4], 2.0);
        if (chosen && change == MISSING_METRIC)
            scene.result.metric[METRIC_GAP] = NULL;
        if (!(chosen && change == MISSING_RUN))
            must(store_put_run(store, id[cell], &request, &scene.result, &error), &error);
        if (flush_every && i % flush_every == 0)
            must(store_flush(store, &error), &error);
    }
    digest_of(store, hex);
    scene_close(store);
    scene_remove(dir);
}

Test(store_digest, sees_results_and_nothing_else)
{
    char plain[65], changed[65];
    digest_with(NOTHING, false, 0, plain);
    digest_with(NOTHING, true, 2, changed);
    cr_expect_str_eq(plain, changed, "neither order nor transactions count");
    for (enum change change = TIMES; change < CHANGES; change++) {
        digest_with(change, true, 5, changed);
        cr_expect((strcmp(plain, changed) == 0) == (change == TIMES), "change %d", (int)change);
    }
}

/* ---- merging ---- */

enum { SHARDS = 3, SHARD_CELLS = 4, SHARD_REPLICATES = 5 };

static void fill_shard(const char *dir, int shard)
{
    int64_t id[SHARD_CELLS];
    struct error error;
    struct store *store = scene_open(dir);
    struct scene_plan plan = {.name = "shards", .cells = SHARD_CELLS, .replicates = SHARD_REPLICATES, .seed = 1};
    if (shard == 1) { /* row numbers differ between the stores */
        struct scene_plan before = {.name = "before", .first = 2, .cells = 2, .replicates = 1, .seed = 1};
        scene_register(store, &before, id);
    }
    scene_register(store, &plan, id);
    for (uint64_t i = 0; i < SHARD_CELLS * SHARD_REPLICATES; i++)
        if (shard < 0 || (int)(i % SHARDS) == shard || i == 7) /* run 7 was done by all */
            scene_put(store, id[i % SHARD_CELLS], i % SHARD_CELLS, 1, i / SHARD_CELLS);
    if (shard == 0)
        must(store_put_failure(store, id[1], 1, 0, 1, "done by another shard", &error), &error);
    scene_close(store);
}

Test(store_merge, of_shards_is_the_whole_in_any_order_and_any_number_of_times)
{
    static const int order[2][5] = {{0, 1, 2, 0, 2}, {2, 1, 0, 1, 1}};
    char whole[32], shard[SHARDS][32], merged[32], expected[65], hex[65];
    struct error error;
    scene_dir(whole);
    fill_shard(whole, -1);
    for (int i = 0; i < SHARDS; i++) {
        scene_dir(shard[i]);
        fill_shard(shard[i], i);
    }
    struct store *store = scene_open(whole);
    digest_of(store, expected);
    scene_close(store);
    for (int trial = 0; trial < 2; trial++) {
        scene_dir(merged);
        store = scene_open(merged);
        for (int i = 0; i < 5; i++)
            must(store_merge(store, shard[order[trial][i]], &error), &error);
        digest_of(store, hex);
        cr_expect_str_eq(hex, expected);
        struct store_status status = status_of(store, "shards");
        cr_expect(status.planned == SHARD_CELLS * SHARD_REPLICATES && status.finished == status.planned);
        cr_expect(status.failed == 0, "a failure goes when another shard has done the run");
        cr_expect(status_of(store, "before").planned == 2);
        cr_expect(count_rows(store, "run") == SHARD_CELLS * SHARD_REPLICATES);
        cr_expect(count_rows(store, "curve") == 3 * SHARD_CELLS * SHARD_REPLICATES);
        cr_expect(count_rows(store, "cell") == SHARD_CELLS && count_rows(store, "session") == SHARDS);
        cr_expect(count_rows(store, "membership") == SHARD_CELLS + 2);
        scene_close(store);
        scene_remove(merged);
    }
    scene_remove(whole);
    for (int i = 0; i < SHARDS; i++)
        scene_remove(shard[i]);
}

Test(store_merge, later_plan_wins_either_way)
{
    char a[32], b[32];
    int64_t id[3];
    struct error error;
    for (int way = 0; way < 2; way++) {
        scene_dir(a);
        scene_dir(b);
        struct store *store = scene_open(a);
        struct scene_plan old = {.name = "plan", .cells = 2, .replicates = 2, .seed = 1};
        scene_register(store, &old, id);
        scene_close(store);
        usleep(5000); /* plans are timed in milliseconds */
        store = scene_open(b);
        struct scene_plan new = {.name = "plan", .first = 1, .cells = 3, .replicates = 7, .seed = 1};
        scene_register(store, &new, id);
        scene_close(store);
        store = scene_open(way ? a : b);
        must(store_merge(store, way ? b : a, &error), &error);
        cr_expect(status_of(store, "plan").planned == 21, "way %d", way);
        scene_close(store);
        scene_remove(a);
        scene_remove(b);
    }
}

Test(store_merge, refuses_what_does_not_fit)
{
    char a[32], b[32], before[65], after[65];
    int64_t id[2];
    struct error error;
    scene_dir(a);
    scene_dir(b);
    struct store *store = scene_open(b);
    struct scene_plan plan = {.name = "conflict", .cells = 2, .replicates = 2, .seed = 1};
    scene_register(store, &plan, id);
    scene_put(store, id[0], 0, 1, 0);
    must(scene_put_points(store, id[1], 0, 1, 1, SCENE_POINTS, &error), &error); /* the numbers of cell 0 */
    scene_close(store);
    store = scene_open(a);
    scene_register(store, &plan, id);
    scene_put(store, id[1], 1, 1, 1);
    digest_of(store, before);
    cr_expect(store_merge(store, b, &error) == STATUS_INPUT);
    cr_expect(strstr(error.message, "replicate 1") && strstr(error.message, "Nothing was merged"), "%s", error.message);
    digest_of(store, after);
    cr_expect_str_eq(before, after, "also the run that did fit is left out");

    cr_expect(store_merge(store, a, &error) == STATUS_USAGE);
    cr_expect(store_merge(store, "nowhere", &error) == STATUS_NOT_FOUND);
    char path[64];
    snprintf(path, sizeof path, "%s/sgdlab.db", b);
    write_bytes(path, 0, "this was a database", 19);
    cr_expect(store_merge(store, b, &error) == STATUS_INPUT);
    cr_expect(strstr(error.file, b), "it names the source: %s", error.file);
    scene_put(store, id[0], 0, 1, 1); /* and the store still works */
    must(store_flush(store, &error), &error);
    scene_close(store);
    scene_remove(a);
    scene_remove(b);
}
