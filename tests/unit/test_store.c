/* The store: what is put comes back bit for bit, once; plans, failures, references; files that are not ours. */
#include <omp.h>
#include <sys/stat.h>

#include "store_read.h"
#include "store_scene.h"

static size_t read_bytes(const char *path, char *bytes, size_t size)
{
    FILE *file = fopen(path, "rb");
    cr_assert(file != NULL);
    size_t count = fread(bytes, 1, size, file);
    fclose(file);
    return count;
}

/* ---- opening ---- */

Test(store_open, makes_the_directory_and_opens_again)
{
    char dir[32], nested[64];
    scene_dir(dir);
    snprintf(nested, sizeof nested, "%s/a/b", dir);
    int64_t id;
    struct scene_plan plan = {.name = "first", .cells = 1, .replicates = 1, .seed = 1};
    struct store *store = scene_open(nested);
    scene_register(store, &plan, &id);
    scene_put(store, id, 0, 1, 0);
    scene_close(store);
    store = scene_open(nested);
    cr_expect(store_has_run(store, id, 1, 0, 1));
    scene_close(store);
    scene_remove(dir);
}

Test(store_open, missing_results_are_not_made_by_a_reader)
{
    char dir[32], path[64];
    struct store *store;
    struct error error;
    scene_dir(dir);
    cr_expect(store_open(dir, STORE_READ, &store, &error) == STATUS_NOT_FOUND);
    cr_expect(strstr(error.message, "sgdlab.db"));
    snprintf(path, sizeof path, "%s/sgdlab.db", dir);
    cr_expect(access(path, F_OK) != 0);
    cr_expect(store_open("no/such/dir", STORE_READ, &store, &error) == STATUS_NOT_FOUND);
    scene_remove(dir);
}

Test(store_open, foreign_files_are_refused_and_left_alone)
{
    static const char text[] = "Dear diary, this is not a database, and it is longer than a header of SQLite would be. "
                               "It shall stay as it is whatever a program thinks of it.\n";
    char dir[32], path[64], after[512];
    struct store *store;
    struct error error;
    scene_dir(dir);
    snprintf(path, sizeof path, "%s/sgdlab.db", dir);
    write_bytes(path, 0, text, sizeof text);
    cr_expect(store_open(dir, STORE_CREATE, &store, &error) == STATUS_INPUT);
    cr_expect(strstr(error.message, "not an SQLite database"), "%s", error.message);
    cr_expect(read_bytes(path, after, sizeof after) == sizeof text && memcmp(after, text, sizeof text) == 0);
    cr_assert(unlink(path) == 0);

    sqlite3 *db; /* a database of another program that set no application id */
    cr_assert(sqlite3_open(path, &db) == SQLITE_OK);
    cr_assert(sqlite3_exec(db, "CREATE TABLE recipes (dish TEXT)", NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_close(db);
    cr_expect(store_open(dir, STORE_CREATE, &store, &error) == STATUS_INPUT);
    cr_expect(strstr(error.message, "another program"), "%s", error.message);
    cr_expect(store_open(dir, STORE_READ, &store, &error) == STATUS_INPUT);
    scene_remove(dir);
}

Test(store_open, newer_schema_is_refused)
{
    char dir[32], path[64];
    unsigned char version[4] = {0, 0, 0, STORE_VERSION + 1}; /* user_version: big-endian at byte 60 */
    struct store *store;
    struct error error;
    scene_dir(dir);
    scene_close(scene_open(dir));
    snprintf(path, sizeof path, "%s/sgdlab.db", dir);
    write_bytes(path, 60, version, sizeof version);
    cr_expect(store_open(dir, STORE_CREATE, &store, &error) == STATUS_INPUT);
    cr_expect(strstr(error.message, "newer"), "%s", error.message);
    cr_expect(strstr(error.file, "sgdlab.db"));
    scene_remove(dir);
}

Test(store_open, says_when_it_cannot_write)
{
    char dir[32], nested[64];
    struct store *store;
    struct error error;
    scene_dir(dir);
    snprintf(nested, sizeof nested, "%s/file/below", dir);
    char path[64];
    snprintf(path, sizeof path, "%s/file", dir);
    write_bytes(path, 0, "x", 1);
    cr_expect(store_open(nested, STORE_CREATE, &store, &error) == STATUS_IO, "a file where a directory should be");
    scene_close(scene_open(dir));
    if (geteuid() == 0) {
        scene_remove(dir);
        cr_skip_test("root may write into read-only directories");
    }
    cr_assert(chmod(dir, 0555) == 0);
    cr_expect(store_open(dir, STORE_CREATE, &store, &error) == STATUS_IO);
    cr_expect(strstr(error.message, "read-only"), "%s", error.message);
    cr_assert(chmod(dir, 0755) == 0);
    scene_remove(dir);
}

/* ---- runs ---- */

Test(store_run, comes_back_bit_for_bit)
{
    static const double hard[SCENE_POINTS] = {-0.0, 5e-324, 1.7976931348623157e308, INFINITY, 0.1};
    char dir[32];
    int64_t id, mark;
    bool found;
    struct error error;
    scene_dir(dir);
    struct store *store = scene_open(dir);
    struct scene_plan plan = {.name = "bits", .cells = 1, .replicates = 3, .seed = UINT64_MAX};
    struct run_config config = {.kind = KIND_TRAINING};
    struct run_request request = {.config = &config, .seed = plan.seed, .replicate = 2};
    struct scene_result scene;
    struct stored_run run = {0};
    scene_register(store, &plan, &id);
    scene_result(&scene, 0, 2, SCENE_POINTS);
    memcpy(scene.loss, hard, sizeof hard);
    scene.gap[3] = (double)NAN;
    must(store_put_run(store, id, &request, &scene.result, &error), &error);
    must(store_flush(store, &error), &error);
    must(store_mark(store, &mark, &error), &error);
    must(store_read_run(store, mark, id, plan.seed, 0, &run, &found, &error), &error);
    cr_assert(found && run.replicate == 2 && run.points == SCENE_POINTS && run.outcome == OUTCOME_FINISHED);
    cr_expect(memcmp(run.metric[METRIC_LOSS], hard, sizeof hard) == 0);
    cr_expect(memcmp(run.metric[METRIC_GAP], scene.gap, sizeof scene.gap) == 0);
    cr_expect(memcmp(run.seconds, scene.seconds, sizeof scene.seconds) == 0);
    cr_expect(run.metric[METRIC_GRAD_NORM2] == NULL, "what was not asked is not there");
    cr_expect(run.train_seconds == 0.25 && run.measure_seconds == 0.125 && run.lanes == 8);
    must(store_read_run(store, mark, id, plan.seed, 3, &run, &found, &error), &error);
    cr_expect(!found);
    stored_run_free(&run);
    scene_close(store);
    scene_remove(dir);
}

Test(store_run, is_known_at_once_and_only_it)
{
    char dir[32];
    int64_t id[2];
    scene_dir(dir);
    struct store *store = scene_open(dir);
    struct scene_plan plan = {.name = "known", .cells = 2, .replicates = 4, .seed = 7};
    scene_register(store, &plan, id);
    cr_expect(!store_has_run(store, id[0], 7, 1, 1));
    scene_put(store, id[0], 0, 7, 1);
    cr_expect(store_has_run(store, id[0], 7, 1, 1), "queued, not committed yet");
    cr_expect(!store_has_run(store, id[0], 7, 0, 1));
    cr_expect(!store_has_run(store, id[0], 8, 1, 1));
    cr_expect(!store_has_run(store, id[1], 7, 1, 1));
    scene_put(store, id[1], 1, 8, 1);
    cr_expect(store_has_run(store, id[1], 8, 1, 1), "of another seed than the list in memory");
    cr_expect(store_has_run(store, id[0], 7, 1, 1));
    scene_close(store);
    scene_remove(dir);
}

Test(store_run, is_stored_once_and_a_different_one_is_refused)
{
    char dir[32], before[65], after[65];
    int64_t id;
    struct error error;
    scene_dir(dir);
    struct store *store = scene_open(dir);
    struct scene_plan plan = {.name = "once", .cells = 1, .replicates = 2, .seed = 1};
    scene_register(store, &plan, &id);
    scene_put(store, id, 0, 1, 0);
    digest_of(store, before);
    scene_put(store, id, 0, 1, 0);
    must(store_flush(store, &error), &error);
    cr_expect(count_rows(store, "run") == 1);
    cr_expect(count_rows(store, "curve") == 3, "two metrics and seconds");

    must(scene_put_points(store, id, 1, 1, 0, SCENE_POINTS, &error), &error); /* the numbers of cell 1 */
    scene_put(store, id, 0, 1, 1);                                            /* an honest one behind it */
    cr_expect(store_flush(store, &error) == STATUS_INPUT);
    cr_expect(strstr(error.message, "another result"), "%s", error.message);
    cr_expect(count_rows(store, "run") == 2, "the honest one is in");
    must(store_flush(store, &error), &error);
    scene_close(store);

    store = scene_open(dir);
    digest_of(store, after);
    cr_expect_str_neq(before, after);
    scene_close(store);
    scene_remove(dir);
}

Test(store_run, of_an_unknown_cell_is_an_error)
{
    char dir[32];
    struct error error;
    scene_dir(dir);
    struct store *store = scene_open(dir);
    must(scene_put_points(store, 99, 0, 1, 0, SCENE_POINTS, &error), &error);
    cr_expect(store_flush(store, &error) == STATUS_USAGE);
    scene_close(store);
    scene_remove(dir);
}

Test(store_run, threads_may_put_at_once)
{
    enum { CELLS = 8, REPLICATES = 250 };
    char dir[32], other[32], parallel[65], serial[65];
    int64_t id[CELLS], order[CELLS];
    int failures = 0;
    scene_dir(dir);
    scene_dir(other);
    struct store *store = scene_open(dir);
    struct scene_plan plan = {.name = "many", .cells = CELLS, .replicates = REPLICATES, .seed = 1};
    scene_register(store, &plan, id);
#pragma omp parallel for num_threads(4) schedule(dynamic, 3) reduction(+ : failures)
    for (int i = 0; i < CELLS * REPLICATES; i++) {
        struct error error;
        failures += scene_put_points(store, id[i % CELLS], (uint64_t)(i % CELLS), 1, (uint64_t)(i / CELLS),
                                     SCENE_POINTS, &error) != STATUS_OK;
        if (i % 97 == 0)
            failures += store_flush(store, &error) != STATUS_OK;
    }
    cr_assert(failures == 0);
    digest_of(store, parallel);
    cr_expect(status_of(store, "many").finished == CELLS * REPLICATES);
    scene_close(store);
    store = scene_open(other);
    scene_register(store, &plan, order);
    for (uint64_t i = CELLS * REPLICATES; i-- > 0;)
        scene_put(store, order[i % CELLS], i % CELLS, 1, i / CELLS);
    digest_of(store, serial);
    cr_expect_str_eq(parallel, serial);
    scene_close(store);
    scene_remove(dir);
    scene_remove(other);
}

/* ---- plans, failures, references ---- */

Test(store_plan, equal_cells_are_one_and_plans_are_replaced)
{
    char dir[32];
    int64_t first[4], again[6], other[2];
    struct error error;
    scene_dir(dir);
    struct store *store = scene_open(dir);
    struct scene_plan plan = {.name = "plan", .cells = 4, .replicates = 3, .seed = 1, .twins = 2};
    scene_register(store, &plan, first);
    cr_expect(first[2] == first[3] && first[1] != first[2] && first[0] != first[1]);
    cr_expect(status_of(store, "plan").planned == 9, "three different cells");
    scene_put(store, first[0], 0, 1, 0);
    scene_put(store, first[1], 1, 1, 0);

    struct scene_plan shared = {.name = "other", .first = 1, .cells = 2, .replicates = 1, .seed = 1};
    scene_register(store, &shared, other);
    cr_expect(other[0] == first[1]);
    cr_expect(status_of(store, "other").finished == 1, "the run serves both");

    plan = (struct scene_plan){.name = "plan", .first = 1, .cells = 6, .replicates = 1, .seed = 1};
    scene_register(store, &plan, again);
    cr_expect(again[0] == first[1]);
    cr_expect(status_of(store, "plan").planned == 6);
    cr_expect(status_of(store, "plan").finished == 1, "cell 0 is not asked for any more");
    cr_expect(store_has_run(store, first[0], 1, 0, 1), "its run stays");

    must(store_forget(store, "other", &error), &error);
    must(store_forget(store, "nobody", &error), &error);
    cr_expect(!store_has_run(store, first[1], 1, 0, 1));
    cr_expect(store_has_run(store, first[0], 1, 0, 1));
    cr_expect(count_rows(store, "experiment") == 1 && count_rows(store, "run") == 1 && count_rows(store, "curve") == 3);
    scene_close(store);
    scene_remove(dir);
}

Test(store_plan, shared_curves_are_stored_once)
{
    enum { CELLS = 100 };
    char dir[32];
    int64_t id[CELLS];
    scene_dir(dir);
    struct store *store = scene_open(dir);
    struct scene_plan plan = {.name = "plan", .cells = CELLS, .replicates = 1, .seed = 1};
    scene_register(store, &plan, id);
    scene_register(store, &plan, id);
    cr_expect(count_rows(store, "series") == 3);
    cr_expect(count_rows(store, "data") == 1);
    cr_expect(count_rows(store, "cell") == CELLS && count_rows(store, "membership") == CELLS);
    cr_expect(count_rows(store, "session") == 1);
    scene_close(store);
    scene_remove(dir);
}

Test(store_plan, a_plan_that_fails_leaves_the_old_one)
{
    char dir[32];
    int64_t id[8];
    struct error error;
    scene_dir(dir);
    struct store *store = scene_open(dir);
    struct scene_plan plan = {.name = "plan", .cells = 2, .replicates = 5, .seed = 1};
    scene_register(store, &plan, id);
    struct plan_source broken = {.name = "plan",
                                 .question = "",
                                 .config = "",
                                 .settings = "null",
                                 .axes = "[]",
                                 .figures = "[]",
                                 .cells = 8,
                                 .replicates = 1,
                                 .cell = scene_cell,
                                 .context = &plan};
    cr_assert(sqlite3_exec(store->db, "PRAGMA max_page_count = 1", NULL, NULL, NULL) == SQLITE_OK);
    plan.first = 1000;
    size_t planned = 10;
    enum status status = STATUS_OK;
    for (int i = 0; i < 100 && status == STATUS_OK; i++, plan.first += 8) { /* until the file would have to grow */
        status = store_put_plan_source(store, &broken, id, &error);
        planned = status == STATUS_OK ? 8 : planned;
    }
    cr_expect(status == STATUS_IO && strstr(error.message, "disk is full"), "%s", error.message);
    cr_expect(status_of(store, "plan").planned == planned, "the last one that went well");
    scene_close(store);
    scene_remove(dir);
}

Test(store_failure, is_told_and_goes_when_the_run_is_done)
{
    char dir[32], *reason;
    int64_t id;
    uint64_t replicate;
    bool found;
    struct error error;
    scene_dir(dir);
    struct store *store = scene_open(dir);
    struct scene_plan plan = {.name = "fail", .cells = 1, .replicates = 4, .seed = 1};
    scene_register(store, &plan, &id);
    must(store_put_failure(store, id, 1, 2, 1, "out of memory", &error), &error);
    must(store_put_failure(store, id, 1, 2, 1, "still out of memory", &error), &error);
    cr_expect(status_of(store, "fail").failed == 1);
    cr_expect(!store_has_run(store, id, 1, 2, 1), "a failed run is to be done again");
    must(store_read_failure(store, id, 1, 0, &replicate, &reason, &found, &error), &error);
    cr_assert(found && replicate == 2);
    cr_expect_str_eq(reason, "still out of memory");
    free(reason);
    scene_put(store, id, 0, 1, 2);
    must(store_put_failure(store, id, 1, 2, 1, "too late: it is done", &error), &error);
    cr_expect(status_of(store, "fail").failed == 0);
    cr_expect(status_of(store, "fail").finished == 1);
    scene_close(store);
    scene_remove(dir);
}

Test(store_reference, comes_with_the_plan_or_with_the_first_result)
{
    char dir[32];
    int64_t id[2];
    bool found;
    struct error error;
    struct reference solved = {.exists = true, .f = 0.5, .gap = 1e-13, .smoothness = 4.0, .convexity = 0.25};
    struct reference none = {.exists = false, .smoothness = INFINITY, .f = 123.0};
    strcpy(solved.method, "Newton");
    strcpy(none.reason, "the data are separable");
    scene_dir(dir);
    struct store *store = scene_open(dir);
    struct scene_plan plan = {.name = "optimum", .cells = 2, .replicates = 1, .seed = 1};
    scene_register(store, &plan, id);
    struct stored_cell cell = {0};
    struct stored_experiment *experiment;
    size_t count;
    must(store_read_experiments(store, &experiment, &count, &error), &error);
    must(store_read_cell(store, experiment->id, 0, &cell, &found, &error), &error);
    cr_expect(found && !cell.reference.solved);
    cr_expect(cell.points == SCENE_POINTS && memcmp(cell.rate, scene_rate, sizeof scene_rate) == 0 &&
              memcmp(cell.step, scene_step, sizeof scene_step) == 0 &&
              memcmp(cell.samples, scene_samples, sizeof scene_samples) == 0);

    struct run_config config = {.kind = KIND_TRAINING, .reference = &solved};
    struct run_request request = {.config = &config, .seed = 1, .replicate = 0};
    struct scene_result scene;
    scene_result(&scene, 0, 0, SCENE_POINTS);
    must(store_put_run(store, id[0], &request, &scene.result, &error), &error);
    memset(&solved, 0x55, sizeof solved); /* nothing of it may be used after the put */
    must(store_flush(store, &error), &error);
    must(store_read_cell(store, experiment->id, 0, &cell, &found, &error), &error);
    cr_expect(cell.reference.solved && cell.reference.exists && cell.reference.f == 0.5 &&
              cell.reference.gap == 1e-13 && cell.reference.smoothness == 4.0 && cell.reference.convexity == 0.25);
    cr_expect_str_eq(cell.reference.method, "Newton");

    plan.reference = &none;
    scene_register(store, &plan, id);
    must(store_read_cell(store, experiment->id, 1, &cell, &found, &error), &error);
    cr_expect(cell.position == 1 && cell.reference.solved && !cell.reference.exists && isnan(cell.reference.f) &&
              isinf(cell.reference.smoothness));
    cr_expect_str_eq(cell.reference.reason, "the data are separable");
    cr_expect(count_rows(store, "reference") == 2);
    stored_cell_free(&cell);
    stored_experiments_free(experiment, count);
    scene_close(store);
    scene_remove(dir);
}

/* ---- estimators ---- */

static void scene_estimator(struct estimator_result *result, double covariance[2][4])
{
    *result = (struct estimator_result){
        .draws = 1000,
        .gradient_norm2 = 1.0 / 3.0,
        .sigma2 = 16.0,
        .kappa = 0.25,
        .predicted = 4.0,
        .variance = 4.1,
        .variance_se = 0.05,
        .bias_statistic = 2.5,
        .bias_df = 2.0,
        .bias_p = 0.2865,
        .bias_along_gradient = -0.01,
        .bias_along_gradient_se = (double)NAN,
        .directions = 2,
        .direction_variance = {1.5, 2.5},
        .direction_predicted = {1.25, 2.75},
        .direction_se = {0.1, 0.2},
        .lags = 3,
        .autocorrelation = {0.9, 0.82, 0.6},
        .autocorrelation_predicted = {0.9, 0.81, 0.59},
        .autocorrelation_se = {0.01, 0.02, 0.03},
        .covariance_dim = 2,
        .covariance = covariance[0],
        .covariance_predicted = covariance[1],
        .seconds = 0.75,
    };
}

Test(store_estimator, comes_back_and_is_in_the_digest)
{
    char dir[32], first[65], second[65];
    int64_t id, mark;
    bool found;
    struct error error;
    double covariance[2][4] = {{2.0, -0.5, -0.5, 2.0}, {2.1, -0.4, -0.4, 1.9}};
    struct estimator_result result, back;
    struct stored_run run = {0};
    scene_dir(dir);
    struct store *store = scene_open(dir);
    struct scene_plan plan = {.name = "noise", .cells = 1, .replicates = 2, .seed = 1, .kind = KIND_ESTIMATOR};
    struct run_config config = {.kind = KIND_ESTIMATOR};
    struct run_request request = {.config = &config, .seed = 1, .replicate = 1};
    scene_register(store, &plan, &id);
    scene_estimator(&result, covariance);
    must(store_put_estimator(store, id, &request, &result, &error), &error);
    cr_expect(store_has_run(store, id, 1, 1, 1));
    must(store_mark(store, &mark, &error), &error);
    must(store_read_run(store, mark, id, 1, 0, &run, &found, &error), &error);
    cr_assert(found && run.points == 0 && run.train_seconds == 0.75);
    must(store_read_estimator(store, run.id, &back, &error), &error);
    cr_expect(back.draws == 1000 && back.gradient_norm2 == 1.0 / 3.0 && back.sigma2 == 16.0 && back.kappa == 0.25 &&
              back.predicted == 4.0 && back.variance == 4.1 && back.variance_se == 0.05 && back.bias_statistic == 2.5 &&
              back.bias_df == 2.0 && back.bias_p == 0.2865 && back.bias_along_gradient == -0.01 &&
              isnan(back.bias_along_gradient_se));
    cr_expect(back.directions == 2 && back.direction_variance[1] == 2.5 && back.direction_predicted[0] == 1.25 &&
              back.direction_se[1] == 0.2);
    cr_expect(back.lags == 3 && back.autocorrelation[2] == 0.6 && back.autocorrelation_predicted[1] == 0.81 &&
              back.autocorrelation_se[2] == 0.03);
    cr_expect(back.covariance_dim == 2 && memcmp(back.covariance, covariance[0], sizeof covariance[0]) == 0 &&
              memcmp(back.covariance_predicted, covariance[1], sizeof covariance[1]) == 0);
    estimator_result_free(&back);
    stored_run_free(&run);
    digest_of(store, first);
    scene_close(store);

    for (int change = 0; change < 4; change++) { /* the seconds do not count, the numbers do */
        char other[32];
        scene_dir(other);
        store = scene_open(other);
        scene_register(store, &plan, &id);
        scene_estimator(&result, covariance);
        result.seconds += 1.0;
        if (change == 1)
            result.variance = nextafter(result.variance, 5.0);
        if (change == 2)
            result.autocorrelation_se[2] = nextafter(result.autocorrelation_se[2], 5.0);
        if (change == 3)
            covariance[1][3] = nextafter(covariance[1][3], 5.0);
        must(store_put_estimator(store, id, &request, &result, &error), &error);
        digest_of(store, second);
        cr_expect((strcmp(first, second) == 0) == (change == 0), "change %d", change);
        scene_close(store);
        scene_remove(other);
    }
    scene_remove(dir);
}

/* ---- samples ---- */

Test(store_samples, agree_with_what_samplers_draw)
{
    enum { N = 10, STEPS = 40 };
    struct dataset data = {.train = {.rows = N, .cols = 1}};
    for (size_t s = 0; s < registry_count(METHOD_SAMPLER); s++) {
        const struct sampler_type *type = (const struct sampler_type *)registry_at(METHOD_SAMPLER, s);
        for (size_t m = 1; m <= N + 2; m++)
            for (int keep = 0; keep < 2; keep++) {
                struct run_config config = {
                    .problem.data = &data, .sampler = type, .batch_size = m, .keep_last = keep, .local_workers = 1};
                struct sampler sampler = {.type = type, .n = N, .batch_size = m, .keep_last = keep};
                uint32_t index[STEPS * (N + 2)], size[STEPS];
                size_t words = type->scratch_words ? type->scratch_words(N, m) : 0;
                sampler.stream = rng_stream(1, RNG_TEST, 0, 0);
                param_defaults(type->method.params, type->method.param_count, &sampler.values);
                sampler.scratch = calloc(words + 1, sizeof *sampler.scratch);
                cr_assert(sampler.scratch != NULL);
                type->draw(&sampler, 0, STEPS, index, size);
                uint64_t used = 0;
                for (uint64_t t = 0; t < STEPS; t++) {
                    cr_expect(samples_used(&config, t) == used, "%s m=%zu keep=%d t=%llu: %llu, drawn %llu",
                              type->method.name, m, keep, (unsigned long long)t,
                              (unsigned long long)samples_used(&config, t), (unsigned long long)used);
                    used += size[t];
                }
                free(sampler.scratch);
            }
    }
    struct run_config local = {.problem.data = &data,
                               .sampler = (const struct sampler_type *)registry_at(METHOD_SAMPLER, 0),
                               .batch_size = 2,
                               .local_workers = 3};
    cr_expect(samples_used(&local, 5) == 5 * 2 * 3);
}
