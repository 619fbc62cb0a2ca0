/* What laws see: the entries of `laws:` and the cells they speak of; curves read back from a store against the runs
 * themselves; plans. */
#include <math.h>

#include "law_scene.h"
#include "sweep_fixture.h"

/* ---- laws: ---- */

#define FROZEN                                                                                                         \
    "kind: estimator\n"                                                                                                \
    "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 40, d: 3}}\n"                         \
    "draws: 500\n"                                                                                                     \
    "sweep: {sampling: [with_replacement, subset], batch_size: [1, 4, n/2, n]}\n"

Test(laws, mistakes_have_their_place)
{
    EXPECT_ERROR(5, 14, FROZEN "laws: [{law: varience}]\n", "unknown law 'varience'", "did you mean 'variance'",
                 "unbiased");
    EXPECT_ERROR(5, 23, FROZEN "laws: {law: variance, corection: none}\n", "corection", "did you mean 'correction'",
                 "slope_margin", "where");
    EXPECT_ERROR(5, 35, FROZEN "laws: {law: variance, correction: nome}\n", "did you mean 'none'");
    EXPECT_ERROR(5, 31, FROZEN "laws: {law: variance, expect: confirm}\n", "unknown verdict 'confirm'", "refuted");
    EXPECT_ERROR(5, 31, FROZEN "laws: {law: variance, expect: refuted}\n", "needs a note");
    EXPECT_ERROR(5, 31, FROZEN "laws: {law: variance, margin: 0}\n", "margin is 0", "> 0");
    EXPECT_ERROR(5, 30, FROZEN "laws: {law: variance, where: [1]}\n", "where must be a mapping");
    EXPECT_ERROR(5, 31, FROZEN "laws: {law: variance, where: {bach_size: 1}}\n", "did you mean 'batch_size'");
    EXPECT_ERROR(5, 43, FROZEN "laws: {law: variance, where: {batch_size: 5}}\n", "no cell has batch_size", "n/2");
    EXPECT_ERROR(5, 18, FROZEN "margins: {value: -1}\n", "value");
    EXPECT_ERROR(5, 11, FROZEN "margins: {slop: 1}\n", "did you mean 'slope'");
    EXPECT_ERROR(5, 8, FROZEN "laws: [unbiased]\n", "{law: NAME", "'unbiased'");
    EXPECT_ERROR(5, 7, FROZEN "laws: {expect: confirmed}\n", "without a law's name");
}

Test(laws, margins_come_from_the_entry_then_the_experiment)
{
    static const char text[] = FROZEN "margins: {value: 0.1}\nlaws: [{law: unbiased}, {law: variance, margin: 0.3, "
                                      "slope_margin: 0.4, correction: none, instance: abc}]\n"
                                      "profiles: {quick: {margins: {slope: 0.07}}}\n";
    struct sweep *sweep = must_open(text);
    const struct law_entry *a = sweep_law(sweep, 0), *b = sweep_law(sweep, 1);
    cr_expect(sweep_law_count(sweep) == 2);
    cr_expect(a->margin_value == 0.1 && a->margin_slope == 0.02 && a->expected == VERDICT_CONFIRMED);
    cr_expect(b->margin_value == 0.3 && b->margin_slope == 0.4 && b->values.scalar[0] == 1);
    cr_expect_str_eq(b->instance, "abc");
    sweep_close(sweep);
    sweep = must_open_with(text, &(struct sweep_options){.profile = "quick", .replicates = -1});
    a = sweep_law(sweep, 0);
    cr_expect(a->margin_value == 0.1 && a->margin_slope == 0.07);
    sweep_close(sweep);
    sweep = must_open_set(text, WORDS("margins.value=0.5"));
    cr_expect(sweep_law(sweep, 0)->margin_value == 0.5 && sweep_law(sweep, 1)->margin_value == 0.3);
    sweep_close(sweep);
}

/* The entry's cells among those of the sweep, as a string of 0 and 1. */
static void expect_cells(const char *text, const char *expected)
{
    struct sweep *sweep = must_open(text);
    char found[64] = "";
    for (size_t i = 0; i < sweep_cells(sweep); i++)
        found[i] = sweep_law_applies(sweep, 0, i) ? '1' : '0';
    cr_expect_str_eq(found, expected, "%s: %s", found, text);
    sweep_close(sweep);
}

Test(laws, where_picks_cells)
{
    expect_cells(FROZEN "laws: {law: variance}\n", "11111111");
    expect_cells(FROZEN "laws: {law: variance, where: {sampling: subset}}\n", "00001111");
    expect_cells(FROZEN "laws: {law: variance, where: {sampling: {type: subset}, batch_size: [4, n]}}\n", "00000101");
    expect_cells(FROZEN "laws: {law: variance, where: {problem.data: gaussian_least_squares}}\n", "11111111");
    expect_cells("problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 40, d: 3}}\n"
                 "budget: {steps: 5}\nsweep:\n  momentum: [0, 0.9]\n  schedule:\n"
                 "    - {type: constant, rate: {logspace: [1.0e-3, 1.0e-1, 3]}}\n    - {type: cosine, rate: 0.5}\n"
                 "laws: {law: variance, where: {momentum: 0.90, schedule.rate: [0.01, 0.5]}}\n",
                 "00000101");
    expect_cells("budget: {steps: 5}\nschedule: {type: constant, rate: 0.1}\nsweep:\n  problem:\n"
                 "    - {type: least_squares, data: diabetes}\n"
                 "    - {type: least_squares, data: {synthetic: gaussian_least_squares, n: 40, d: 3}}\n"
                 "    - {type: least_squares, data: {synthetic: gaussian_least_squares, n: 50, d: 3}}\n"
                 "laws: {law: variance, where: {problem.data: {n: 50}}}\n",
                 "001");
}

/* ---- curves ---- */

#define CHAINS                                                                                                         \
    "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 40, d: 3}}\n"                         \
    "seed: 5\nbudget: {steps: 40}\nreplicates: 70\n"                                                                   \
    "sweep:\n  sampling: [with_replacement, full]\n  batch_size: [1, 4]\n"                                             \
    "schedule: {type: constant, rate: 0.05}\n"                                                                         \
    "record: {points: 6, metrics: [gap, norm2]}\nlaws: {law: variance}\n"
enum { REPLICATES = 70, DIFFERENT = 3 };

/* Two passes over the runs themselves, made anew. */
static void expect_curve(const struct law_cell *cell, enum metric metric)
{
    const struct law_curve *curve = cell->curve[metric];
    struct run_result *run = calloc(REPLICATES, sizeof *run);
    struct error error;
    cr_assert_not_null(curve);
    for (size_t r = 0; r < REPLICATES; r++) {
        const struct run_request request = {.config = &cell->config, .seed = 5, .replicate = r};
        must(block_run(&request, 1, LAYOUT_AUTO, NULL, &run[r], &error), &error);
    }
    cr_assert(curve->points == cell->points && curve->chains == REPLICATES);
    for (size_t p = 0; p < curve->points; p++) {
        double sum = 0, squares = 0, grouped = 0;
        for (size_t r = 0; r < REPLICATES; r++)
            sum += run[r].metric[metric][p] / REPLICATES;
        for (size_t r = 0; r < REPLICATES; r++)
            squares += pow(run[r].metric[metric][p] - sum, 2) / (REPLICATES - 1);
        for (size_t g = 0; g < curve->groups; g++)
            grouped += curve->group_mean[g * curve->points + p] * (double)curve->group_count[g] / REPLICATES;
        cr_expect(curve->step[p] == cell->config.grid->step[p] && curve->count[p] == REPLICATES);
        cr_expect(fabs(curve->mean[p] - sum) <= 1e-12 * fabs(sum));
        cr_expect(fabs(grouped - sum) <= 1e-12 * fabs(sum));
        cr_expect(fabs(curve->variance[p] - squares) <= 1e-9 * squares + 1e-28 * sum * sum); /* full: rounding */
        cr_expect(fabs(curve->se[p] - sqrt(squares / REPLICATES)) <= 1e-9 * curve->se[p] + 1e-14 * sum);
    }
    for (size_t r = 0; r < REPLICATES; r++)
        run_result_free(&run[r]);
    free(run);
}

static void expect_results(const char *text, bool moments, size_t groups)
{
    struct scene scene = open_scene();
    run_experiment(&scene, "chains", text);
    struct law_results *results = read_results(&scene, "chains");
    struct law_input input;
    struct error error;
    cr_assert(results->cell_count == DIFFERENT); /* full is the same for both batch sizes */
    cr_expect(results->wanted == DIFFERENT * REPLICATES && results->there == results->wanted && !results->failed);
    must(law_input_make(results, 0, &input, &error), &error);
    cr_assert(input.cell_count == DIFFERENT && !input.planned && input.replicates == REPLICATES && input.seed == 5);
    for (size_t i = 0; i < input.cell_count; i++) {
        const struct law_cell *cell = &input.cell[i];
        cr_expect(cell->chains == REPLICATES && cell->diverged == 0 && cell->moments == moments);
        cr_assert(cell->config.reference && cell->config.reference->exists);
        cr_expect_null(cell->curve[METRIC_LOSS]);
        cr_assert_not_null(cell->curve[METRIC_GAP]);
        cr_expect(cell->curve[METRIC_GAP]->groups == groups);
        expect_curve(cell, METRIC_GAP);
        expect_curve(cell, METRIC_NORM2);
    }
    cr_expect_str_eq(input.cell[2].columns.sampling, "full");
    free(input.cell);
    law_results_close(results);
    close_scene(&scene);
}

Test(law_input, reads_runs)
{
    expect_results(CHAINS, false, REPLICATES);
}

Test(law_input, reads_groups)
{
    expect_results(CHAINS "keep: moments\n", true, 2);
}

Test(law_input, diverged_chains_are_counted_where_they_are)
{
    struct scene scene = open_scene();
    run_experiment(&scene, "chains",
                   "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 40, d: 3}}\n"
                   "budget: {steps: 300}\nreplicates: 20\nschedule: {type: constant, rate: 0.95}\n"
                   "record: {points: 20, metrics: [gap]}\nlaws: {law: variance}\n");
    struct law_results *results = read_results(&scene, "chains");
    const struct law_cell *cell = &results->cell[0];
    const struct law_curve *curve = cell->curve[METRIC_GAP];
    cr_assert(cell->diverged > 0 && cell->diverged < 20 && cell->chains == 20, "%d", (int)cell->diverged);
    cr_expect(curve->count[0] == 20 && curve->count[curve->points - 1] == 20 - cell->diverged);
    for (size_t p = 1; p < curve->points; p++)
        cr_expect(curve->count[p] <= curve->count[p - 1]);
    law_results_close(results);
    close_scene(&scene);
}

Test(law_input, unfinished_is_seen)
{
    struct scene scene = open_scene();
    run_experiment(&scene, "chains", CHAINS);
    plan_experiment(&scene, "chains", CHAINS, REPLICATES + 5);
    struct law_results *results = read_results(&scene, "chains");
    cr_expect(results->wanted == DIFFERENT * (REPLICATES + 5) && results->there == DIFFERENT * REPLICATES);
    law_results_close(results);
    close_scene(&scene);
}

Test(law_input, a_changed_experiment_is_refused)
{
    struct scene scene = open_scene();
    struct stored_experiment *list;
    struct law_results *results;
    struct error error = {0};
    size_t count;
    run_experiment(&scene, "chains", CHAINS);
    must(store_read_experiments(scene.store, &list, &count, &error), &error);
    char *seed = strstr(list[0].config, "n: 40");
    memcpy(seed, "n: 41", 5);
    cr_expect(law_results_read(scene.store, &list[0], NULL, &results, &error) == STATUS_INPUT);
    cr_expect_null(results);
    cr_expect(strstr(error.message, "'chains'") != NULL, "%s", error.message);
    stored_experiments_free(list, count);
    close_scene(&scene);
}

Test(law_input, plans_have_cells_and_no_curves)
{
    struct law_results *results;
    struct law_input input;
    struct error error;
    gsl_set_error_handler_off();
    struct sweep *sweep = open_experiment("chains", CHAINS, 11);
    must(law_results_plan(sweep, &results, &error), &error);
    must(law_input_make(results, 0, &input, &error), &error);
    cr_expect(input.planned && input.cell_count == DIFFERENT && input.replicates == 11);
    for (size_t i = 0; i < input.cell_count; i++) {
        cr_expect_null(input.cell[i].curve[METRIC_GAP]);
        cr_expect(input.cell[i].chains == 0 && input.cell[i].config.reference->exists);
    }
    free(input.cell);
    law_results_close(results);
    sweep_close(sweep);
}
