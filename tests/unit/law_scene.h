/* For the tests of the laws' framework: experiments from texts, run into a store of their own. */
#ifndef SGDLAB_TEST_LAW_SCENE_H
#define SGDLAB_TEST_LAW_SCENE_H

#include <criterion/criterion.h>
#include <gsl/gsl_errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "laws/suite.h"
#include "runner.h"

struct scene {
    char dir[64];
    struct store *store;
};

static inline void must(enum status status, const struct error *error)
{
    char text[2048];
    cr_assert(status == STATUS_OK, "%s", error_text(error, text, sizeof text));
}

static inline struct scene open_scene(void)
{
    struct scene scene = {.dir = "laws_XXXXXX"};
    struct error error;
    gsl_set_error_handler_off();
    cr_assert(mkdtemp(scene.dir) != NULL);
    must(store_open(scene.dir, STORE_CREATE, &scene.store, &error), &error);
    return scene;
}

static inline void close_scene(struct scene *scene)
{
    struct error error;
    char command[128];
    must(store_close(scene->store, &error), &error);
    snprintf(command, sizeof command, "rm -rf %s", scene->dir);
    cr_assert(system(command) == 0);
}

static inline struct sweep *open_experiment(const char *name, const char *text, long replicates)
{
    char path[64];
    struct sweep *sweep;
    struct error error;
    snprintf(path, sizeof path, "%s.yaml", name);
    must(sweep_open(path, &(struct sweep_options){.text = text, .replicates = replicates}, &sweep, &error), &error);
    return sweep;
}

/* Runs it with the text's replicates. */
static inline void run_experiment(struct scene *scene, const char *name, const char *text)
{
    struct runner_options options = {.threads = 2, .shard = 1, .shards = 1};
    struct progress final;
    struct error error;
    struct sweep *sweep = open_experiment(name, text, -1);
    must(runner_run(sweep, scene->store, "{}", &options, &final, &error), &error);
    sweep_close(sweep);
}

/* Registers the plan alone. */
static inline void plan_experiment(struct scene *scene, const char *name, const char *text, long replicates)
{
    struct error error;
    struct sweep *sweep = open_experiment(name, text, replicates);
    int64_t *id = malloc(sweep_cells(sweep) * sizeof *id);
    cr_assert_not_null(id);
    must(store_put_plan(scene->store, sweep, "{}", id, &error), &error);
    free(id);
    sweep_close(sweep);
}

static inline struct law_results *read_results(struct scene *scene, const char *name)
{
    struct stored_experiment *list;
    struct law_results *results = NULL;
    size_t count;
    struct error error;
    must(store_read_experiments(scene->store, &list, &count, &error), &error);
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].name, name) == 0)
            must(law_results_read(scene->store, &list[i], NULL, &results, &error), &error);
    stored_experiments_free(list, count);
    cr_assert_not_null(results);
    return results;
}

#endif
