/* Nothing committed is lost when the disk is full, the file is locked or the process is killed. */
#include <signal.h>
#include <sys/wait.h>

#include "store_scene.h"

Test(store_hazard, full_disk_loses_nothing_committed_and_recovers)
{
    enum { RUNS = 400 };
    char dir[32], alone[65], hex[65], other[32];
    int64_t id;
    struct error error;
    scene_dir(dir);
    struct store *store = scene_open(dir);
    struct scene_plan plan = {.name = "full", .cells = 1, .replicates = RUNS, .seed = 1};
    scene_register(store, &plan, &id);
    for (uint64_t i = 0; i < RUNS / 2; i++)
        scene_put(store, id, 0, 1, i);
    must(store_flush(store, &error), &error);
    cr_assert(sqlite3_exec(store->db, "PRAGMA max_page_count = 1", NULL, NULL, NULL) == SQLITE_OK); /* no growth */
    enum status status = STATUS_OK;
    for (uint64_t i = RUNS / 2; i < RUNS; i++) {
        enum status put = scene_put_points(store, id, 0, 1, i, SCENE_POINTS, &error);
        status = put == STATUS_OK ? status : put;
    }
    if (status == STATUS_OK)
        status = store_flush(store, &error);
    cr_expect(status == STATUS_IO);
    cr_expect(strstr(error.message, "disk is full") && strstr(error.message, "safe"), "%s", error.message);
    cr_expect(count_rows(store, "run") == RUNS / 2, "what was committed, no half transaction");
    cr_assert(sqlite3_exec(store->db, "PRAGMA max_page_count = 1000000", NULL, NULL, NULL) == SQLITE_OK);
    must(store_flush(store, &error), &error); /* space was freed */
    digest_of(store, hex);
    scene_close(store);

    scene_dir(other);
    store = scene_open(other);
    scene_register(store, &plan, &id);
    for (uint64_t i = 0; i < RUNS; i++)
        scene_put(store, id, 0, 1, i);
    digest_of(store, alone);
    cr_expect_str_eq(hex, alone);
    scene_close(store);
    scene_remove(dir);
    scene_remove(other);
}

Test(store_hazard, locked_by_another_process)
{
    char dir[32], path[64];
    int64_t id;
    sqlite3 *other;
    struct error error;
    scene_dir(dir);
    struct store *store = scene_open(dir);
    struct scene_plan plan = {.name = "locked", .cells = 1, .replicates = 2, .seed = 1};
    scene_register(store, &plan, &id);
    store->patience = 50;
    sqlite3_busy_timeout(store->db, store->patience);
    snprintf(path, sizeof path, "%s/sgdlab.db", dir);
    cr_assert(sqlite3_open(path, &other) == SQLITE_OK);
    cr_assert(sqlite3_exec(other, "BEGIN EXCLUSIVE", NULL, NULL, NULL) == SQLITE_OK);
    scene_put(store, id, 0, 1, 0);
    cr_expect(store_flush(store, &error) == STATUS_IO);
    cr_expect(strstr(error.message, "locked by another process"), "%s", error.message);
    cr_assert(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_close(other);
    must(store_flush(store, &error), &error);
    cr_expect(store_has_run(store, id, 1, 0, 1), "nothing queued was lost");
    scene_close(store);
    scene_remove(dir);
}

Test(store_hazard, reader_sees_a_running_sweep)
{
    char dir[32];
    int64_t id;
    struct store *reader;
    struct error error;
    scene_dir(dir);
    struct store *store = scene_open(dir);
    struct scene_plan plan = {.name = "live", .cells = 1, .replicates = 3, .seed = 1};
    scene_register(store, &plan, &id);
    must(store_open(dir, STORE_READ, &reader, &error), &error);
    for (uint64_t i = 0; i < 3; i++) {
        scene_put(store, id, 0, 1, i);
        must(store_flush(store, &error), &error);
        cr_expect(status_of(reader, "live").finished == i + 1);
    }
    cr_expect(scene_put_points(reader, id, 0, 1, 0, SCENE_POINTS, &error) == STATUS_USAGE, "a reader does not write");
    scene_close(reader);
    scene_close(store);
    scene_remove(dir);
}

/* A process is killed while it writes, again and again; each next one finds all that was flushed before. */
Test(store_hazard, killed_writers_lose_only_what_was_not_committed, .timeout = 60)
{
    enum { KILLS = 12, RUNS = 4000 };
    char dir[32];
    scene_dir(dir);
    size_t before = 0;
    for (int kill_number = 0; kill_number < KILLS; kill_number++) {
        int pipe_end[2];
        cr_assert(pipe(pipe_end) == 0);
        pid_t child = fork();
        cr_assert(child >= 0);
        if (child == 0) {
            int64_t id;
            struct error error;
            struct store *store = scene_open(dir);
            struct scene_plan plan = {.name = "killed", .cells = 1, .replicates = RUNS, .seed = 1};
            scene_register(store, &plan, &id);
            for (uint64_t i = 0; i < RUNS; i++) {
                if (store_has_run(store, id, 1, i, 1))
                    continue;
                scene_put(store, id, 0, 1, i);
                if (i % 10 == 9 && (store_flush(store, &error) != STATUS_OK || write(pipe_end[1], "x", 1) != 1))
                    _exit(1);
            }
            _exit(0);
        }
        close(pipe_end[1]);
        char mark;
        for (int flushed = 0; flushed < 2 + kill_number % 3; flushed++)
            cr_assert(read(pipe_end[0], &mark, 1) == 1, "the child reports %d flushes", flushed);
        usleep((useconds_t)(kill_number * 700)); /* anywhere in what it does next */
        kill(child, SIGKILL);
        cr_assert(waitpid(child, NULL, 0) == child);
        close(pipe_end[0]);
        struct store *store = scene_open(dir);
        size_t now = status_of(store, "killed").finished;
        cr_expect(now >= before + (size_t)(2 + kill_number % 3) * 10 - 9, "%zu after %zu", now, before);
        cr_expect(count_rows(store, "curve") == 3 * (int64_t)now, "no half run");
        before = now;
        scene_close(store);
    }
    struct store *store = scene_open(dir);
    int64_t broken;
    struct error error;
    must(store_integer(store, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'", &broken,
                       &error),
         &error);
    cr_expect(broken == 0);
    scene_close(store);
    scene_remove(dir);
}
