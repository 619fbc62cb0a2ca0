/* The runner: what it tells, what it skips, how it stops; and its jobs. Whole-program tests (tests/cli) cover threads,
 * shards and signals. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner.h"
#include "runner_jobs.h"

static const char experiment[] =
    "question: Does the runner work?\n"
    "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 64, d: 3}}\n"
    "replicates: 3\n"
    "budget: {steps: 50}\n"
    "sweep:\n"
    "  sampling: [with_replacement, full]\n"
    "  batch_size: [1, 4]\n"
    "schedule: {type: constant, rate: 0.05}\n"
    "record: {points: 5, metrics: [loss, gap]}\n";
/* full does not look at the batch size: 4 cells, of which 3 are different. */
enum { CELLS = 4, DIFFERENT = 3, REPLICATES = 3 };

struct scene {
    char dir[64];
    struct sweep *sweep;
    struct store *store;
};

static void must(enum status status, const struct error *error)
{
    cr_assert(status == STATUS_OK, "%s", error->message);
}

static struct scene open_scene(void)
{
    struct scene scene = {.dir = "runner_XXXXXX"};
    struct error error;
    char path[128];
    cr_assert(mkdtemp(scene.dir) != NULL);
    snprintf(path, sizeof path, "%s/scene.yaml", scene.dir);
    FILE *file = fopen(path, "w");
    cr_assert(file && fputs(experiment, file) >= 0);
    cr_assert(fclose(file) == 0);
    must(sweep_open(path, &(struct sweep_options){.replicates = -1}, &scene.sweep, &error), &error);
    must(store_open(scene.dir, STORE_CREATE, &scene.store, &error), &error);
    return scene;
}

static void close_scene(struct scene *scene)
{
    struct error error;
    char command[128];
    must(store_close(scene->store, &error), &error);
    sweep_close(scene->sweep);
    snprintf(command, sizeof command, "rm -rf %s", scene->dir);
    cr_assert(system(command) == 0);
}

struct witness {
    size_t calls;
    enum runner_phase phase;
    bool backwards;
    size_t total;
};

static void watch(void *context, const struct progress *progress)
{
    struct witness *witness = context;
    witness->backwards = witness->backwards || (witness->calls && progress->phase < witness->phase);
    witness->phase = progress->phase;
    witness->total = progress->runs_total;
    witness->calls++;
}

Test(runner, does_each_run_once)
{
    struct scene scene = open_scene();
    struct witness witness = {0};
    struct runner_options options = {.threads = 2, .shard = 1, .shards = 1, .observer = watch, .context = &witness};
    struct progress final;
    struct error error;
    cr_assert(sweep_cells(scene.sweep) == CELLS);
    must(runner_run(scene.sweep, scene.store, "{}", &options, &final, &error), &error);
    cr_expect(final.runs_total == DIFFERENT * REPLICATES);
    cr_expect(final.runs_before == 0);
    cr_expect(final.runs_done == DIFFERENT * REPLICATES);
    cr_expect(final.failed == 0);
    cr_expect(!witness.backwards);
    cr_expect(witness.phase == RUNNER_FINISHED);
    cr_expect(witness.calls >= 4, "planning, solving, running and finished are told");
    cr_expect(witness.total == DIFFERENT * REPLICATES);

    must(runner_run(scene.sweep, scene.store, "{}", &options, &final, &error), &error);
    cr_expect(final.runs_before == DIFFERENT * REPLICATES);
    cr_expect(final.runs_done == 0);
    close_scene(&scene);
}

Test(runner, shards_are_parts_of_the_whole)
{
    struct scene scene = open_scene();
    struct progress final;
    struct error error;
    size_t done = 0;
    for (size_t shard = 1; shard <= 2; shard++) {
        struct runner_options options = {.threads = 1, .shard = shard, .shards = 2};
        must(runner_run(scene.sweep, scene.store, "{}", &options, &final, &error), &error);
        cr_expect(final.runs_done < DIFFERENT * REPLICATES, "shard %zu has %zu", shard, final.runs_done);
        cr_expect(final.runs_before == 0, "the other shard's runs are not this one's");
        done += final.runs_done;
    }
    cr_expect(done == DIFFERENT * REPLICATES);
    close_scene(&scene);
}

Test(runner, stops_when_asked)
{
    struct scene scene = open_scene();
    atomic_bool stop = true;
    struct runner_options options = {.threads = 1, .shard = 1, .shards = 1, .stop = &stop};
    struct progress final;
    struct error error;
    cr_expect(runner_run(scene.sweep, scene.store, "{}", &options, &final, &error) == STATUS_INTERRUPTED);
    cr_expect(final.runs_done == 0);
    atomic_store(&stop, false);
    must(runner_run(scene.sweep, scene.store, "{}", &options, &final, &error), &error);
    cr_expect(final.runs_done == DIFFERENT * REPLICATES);
    close_scene(&scene);
}

Test(runner, preview_counts_what_a_run_does)
{
    struct scene scene = open_scene();
    struct runner_options options = {.threads = 2, .shard = 1, .shards = 1};
    struct preview preview;
    struct error error;
    must(runner_preview(scene.sweep, &options, &preview, &error), &error);
    cr_expect(preview.cells == DIFFERENT);
    cr_expect(preview.runs == DIFFERENT * REPLICATES);
    cr_expect(preview.blocks >= 2 && preview.blocks <= DIFFERENT * REPLICATES);
    cr_expect(preview.seconds > 0 && preview.bytes > 0);
    close_scene(&scene);
}

Test(jobs, equal_cells_are_found)
{
    const int64_t id[] = {7, 3, 7, 9, 3, 7};
    const size_t expected[] = {0, 1, 0, 3, 1, 0};
    size_t first_of[6];
    struct error error;
    must(equal_cells(id, 6, first_of, &error), &error);
    for (size_t i = 0; i < 6; i++)
        cr_expect(first_of[i] == expected[i]);
}

Test(jobs, seconds_are_those_of_the_busiest_thread)
{
    /* Two threads take 5, 4, 3, 3: 5 + 3 against 4 + 3; then 2 alone. */
    struct job job[] = {{.cost = 5}, {.cost = 4}, {.cost = 3}, {.cost = 3}, {.cost = 2, .solo = true}};
    struct job_list list = {.job = job, .count = 5, .packed = 4};
    struct error error;
    double seconds;
    must(jobs_seconds(&list, 2, &seconds, &error), &error);
    cr_expect(seconds == 10.0);
    must(jobs_seconds(&list, 1, &seconds, &error), &error);
    cr_expect(seconds == 17.0);
}
