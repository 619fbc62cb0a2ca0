/* From YAML to cells: what a file says and what the cells then are. Errors: test_sweep_errors.c. */
#include <math.h>

#include "laws/law.h"
#include "sweep_fixture.h"

Test(sweep, defaults)
{
    struct sweep *sweep = must_open(BASE);
    cr_expect_eq(sweep_cells(sweep), 1);
    cr_expect_eq(sweep_replicates(sweep), 1);
    cr_expect_eq(sweep_seed(sweep), 1);
    cr_expect_str_eq(sweep_question(sweep), "");
    cr_expect_str_eq(sweep_text(sweep), BASE);
    cr_expect_eq(sweep_axis_count(sweep), 0);
    struct run_config c = cell_of(sweep, 0);
    cr_expect_eq(c.kind, KIND_TRAINING);
    cr_expect_str_eq(c.problem.type->method.name, "least_squares");
    cr_expect(c.problem.l1 == 0.0 && c.problem.l2 == 0.0 && isinf(c.problem.radius));
    cr_expect_eq(c.problem.data->train.rows, 100);
    cr_expect_eq(c.problem.data->train.cols, 4);
    cr_expect_not(c.problem.data->intercept);
    cr_expect_eq(c.start.kind, START_ZEROS);
    cr_expect_str_eq(c.sampler->method.name, "with_replacement");
    cr_expect_eq(c.batch_size, 1);
    cr_expect(c.keep_last);
    cr_expect_str_eq(c.schedule.type->method.name, "constant");
    cr_expect_eq(c.schedule.values.scalar[0], 0.1);
    cr_expect_eq(c.schedule.warmup, 0);
    cr_expect_str_eq(update_name(&c), "sgd");
    cr_expect_eq(c.clip, CLIP_NONE);
    cr_expect_str_eq(c.averager->method.name, "last");
    cr_expect(c.local_workers == 1 && c.sync_every == 1);
    cr_expect_eq(c.steps, 50);
    cr_expect_eq(c.metrics, 1u << METRIC_LOSS | 1u << METRIC_GAP);
    cr_expect_eq(c.points, 60);
    cr_expect_eq(c.spacing, SPACING_LOG);
    cr_assert_not_null(c.grid);
    cr_expect(c.grid->count == 51 && c.grid->step[0] == 0 && c.grid->step[50] == 50);
    cr_expect_eq(c.timing, TIMING_PACKED);
    cr_expect_eq(c.stream_group, 0);
    cr_expect_null(c.reference);
    struct error error;
    cr_expect_eq(sweep_cell(sweep, 1, &c, &error), STATUS_USAGE);
    sweep_close(sweep);
    sweep_close(NULL);
}

Test(sweep, everything_said)
{
    struct sweep *sweep =
        must_open("experiment: my-run\nquestion: Why?\nreplicates: 7\nseed: 42\ndata_seed: 3\n"
                  "problem: {type: lasso, data: {synthetic: gaussian_least_squares, n: 50, d: 3, noise: 0.5}, l1: "
                  "1e-2, l2: 0.5,\n"
                  "  l1_form: subgradient, radius: 4, intercept: true, penalize_intercept: yes, standardize: true,\n"
                  "  test_fraction: 0.2, order: shuffled, start: {gaussian: 0.3}}\n"
                  "budget: {steps: 1000}\nsampling: {type: reshuffle}\nbatch_size: 16\nlast_batch: drop\n"
                  "schedule: {type: step, rate: 0.5, factor: 0.2, breaks: [100, 200], warmup: {steps: 20}}\n"
                  "update: {type: heavy_ball, momentum: 0.8, dampening: 0.1}\naveraging: {type: tail, fraction: 0.25}\n"
                  "clip: {norm: 2, each: sample}\nlocal: {workers: 4, sync_every: 8}\n"
                  "record: {points: 11, spacing: linear, metrics: [gap, test_loss, norm2]}\ntiming: solo\nkeep: runs\n"
                  "figures: [loss_vs_steps, {y: gap, figure: loss_vs_steps, x: [steps, samples]}]\nlaws:\n  - {law: "
                  "unbiased, expect: confirmed}\n");
    cr_expect_str_eq(sweep_name(sweep), "my-run");
    cr_expect_str_eq(sweep_question(sweep), "Why?");
    cr_expect_eq(sweep_replicates(sweep), 7);
    cr_expect_eq(sweep_seed(sweep), 42);
    cr_expect_eq(sweep_figure_count(sweep), 2);
    cr_expect_str_eq(sweep_figure(sweep, 0), "\"loss_vs_steps\"");
    cr_expect_str_eq(sweep_figure(sweep, 1),
                     "{\"figure\":\"loss_vs_steps\",\"x\":[\"steps\",\"samples\"],\"y\":\"gap\"}");
    cr_expect_eq(sweep_law_count(sweep), 1);
    cr_expect_str_eq(sweep_law(sweep, 0)->type->method.name, "unbiased");
    struct run_config c = cell_of(sweep, 0);
    cr_expect(c.problem.l1 == 0.01 && c.problem.l2 == 0.5 && c.problem.radius == 4.0);
    cr_expect_eq(c.problem.l1_form, L1_SUBGRADIENT);
    cr_expect(c.problem.penalize_intercept && c.problem.data->intercept && c.problem.data->standardized);
    cr_expect(c.problem.data->train.rows == 40 && c.problem.data->test.rows == 10 && c.problem.data->train.cols == 4);
    cr_expect(c.data_spec->data_seed == 3 && c.data_spec->order == ORDER_SHUFFLED);
    cr_expect(c.start.kind == START_GAUSSIAN && c.start.scale == 0.3);
    cr_expect(c.batch_size == 16 && !c.keep_last);
    cr_expect(c.schedule.values.list_count == 2 && c.schedule.values.list[1] == 200.0 && c.schedule.warmup == 20);
    cr_expect_str_eq(update_name(&c), "heavy_ball");
    cr_expect(c.update_values.scalar[0] == 0.8 && c.update_values.scalar[1] == 0.1);
    cr_expect_str_eq(c.averager->method.name, "tail");
    cr_expect_eq(c.averager_values.scalar[0], 0.25);
    cr_expect(c.clip == CLIP_SAMPLE && c.clip_norm == 2.0);
    cr_expect(c.local_workers == 4 && c.sync_every == 8);
    cr_expect(c.points == 11 && c.spacing == SPACING_LINEAR && c.grid->count == 11 && c.grid->step[1] == 100);
    cr_expect_eq(c.metrics, 1u << METRIC_GAP | 1u << METRIC_TEST_LOSS | 1u << METRIC_NORM2);
    cr_expect_eq(c.timing, TIMING_SOLO);
    sweep_close(sweep);
}

/* The example of the interface: 3 x 3 x 8 x 2 x 2 cells, the last axis fastest. */
Test(sweep, product_in_the_order_of_the_file)
{
    struct sweep *sweep = must_open(PROBLEM "replicates: 20\nbudget: {epochs: 20}\n"
                                            "sweep:\n"
                                            "  sampling: [with_replacement, reshuffle, shuffle_once]\n"
                                            "  batch_size: [1, 16, n/4]\n"
                                            "  schedule:\n"
                                            "    - {type: constant, rate: {logspace: [1e-3, 1, 7]}}\n"
                                            "    - {type: cosine, rate: 0.5, warmup: {steps: 100}}\n"
                                            "  momentum: [0, 0.9]\n"
                                            "  averaging: [last, uniform]\n");
    cr_expect_eq(sweep_cells(sweep), 3 * 3 * 8 * 2 * 2);
    cr_expect_eq(sweep_axis_count(sweep), 5);
    cr_expect_str_eq(sweep_axis(sweep, 0), "sampling");
    cr_expect_str_eq(sweep_axis(sweep, 3), "momentum");
    static const char *const samplers[] = {"with_replacement", "reshuffle", "shuffle_once"};
    static const size_t sizes[] = {1, 16, 25};
    static const double rates[] = {1e-3, 0.0031622776601683793, 0.01, 0.031622776601683791,
                                   0.1,  0.31622776601683794,   1,    0.5};
    for (size_t i = 0; i < sweep_cells(sweep); i++) {
        struct run_config c = cell_of(sweep, i);
        cr_expect_str_eq(c.sampler->method.name, samplers[i / 96]);
        cr_expect_eq(c.batch_size, sizes[i / 32 % 3]);
        cr_expect_float_eq(c.schedule.values.scalar[0], rates[i / 4 % 8], 4e-16, "%.17g", c.schedule.values.scalar[0]);
        cr_expect_eq(c.schedule.warmup, i / 4 % 8 == 7 ? 100 : 0);
        cr_expect_str_eq(update_name(&c), i / 2 % 2 ? "heavy_ball" : "sgd");
        if (i / 2 % 2)
            cr_expect_eq(c.update_values.scalar[0], 0.9);
        cr_expect_str_eq(c.averager->method.name, i % 2 ? "uniform" : "last");
    }
    /* Powers of ten are exact. */
    cr_expect_eq(cell_of(sweep, 8).schedule.values.scalar[0], 0.01);
    cr_expect_eq(cell_of(sweep, 16).schedule.values.scalar[0], 0.1);
    sweep_close(sweep);
}

Test(sweep, lists_inside_mappings_expand)
{
    struct sweep *sweep =
        must_open(NO_SCHEDULE "sweep:\n  schedule:\n"
                              "  - {type: step, rate: [0.1, 0.3], factor: [0.5, 0.2], breaks: [10, 20]}\n"
                              "  - {type: [linear, inverse_sqrt], rate: 0.7}\n"
                              "  - {type: step, rate: 1, breaks: [[5], [6, 7]]}\n"
                              "  - {type: constant, rate: 2, warmup: {steps: [3, 4]}}\n"
                              "  record.metrics: [loss, [gap, loss]]\n");
    static const struct {
        const char *type;
        double rate, factor;
        size_t breaks;
        uint64_t warmup;
    } expected[] = {{"step", 0.1, 0.5, 2, 0}, {"step", 0.1, 0.2, 2, 0}, {"step", 0.3, 0.5, 2, 0},
                    {"step", 0.3, 0.2, 2, 0}, {"linear", 0.7, 0, 0, 0}, {"inverse_sqrt", 0.7, 0, 0, 0},
                    {"step", 1, 0.1, 1, 0},   {"step", 1, 0.1, 2, 0},   {"constant", 2, 0, 0, 3},
                    {"constant", 2, 0, 0, 4}};
    size_t count = sizeof expected / sizeof *expected;
    cr_assert_eq(sweep_cells(sweep), 2 * count);
    for (size_t i = 0; i < 2 * count; i++) {
        struct run_config c = cell_of(sweep, i);
        cr_expect_str_eq(c.schedule.type->method.name, expected[i / 2].type, "cell %zu", i);
        cr_expect_eq(c.schedule.values.scalar[0], expected[i / 2].rate);
        if (strcmp(expected[i / 2].type, "step") == 0)
            cr_expect_eq(c.schedule.values.scalar[1], expected[i / 2].factor);
        cr_expect_eq(c.schedule.values.list_count, expected[i / 2].breaks);
        cr_expect_eq(c.schedule.warmup, expected[i / 2].warmup);
        cr_expect_eq(c.metrics, i % 2 ? 1u << METRIC_LOSS | 1u << METRIC_GAP : 1u << METRIC_LOSS);
    }
    sweep_close(sweep);
}

Test(sweep, spaces)
{
    struct sweep *sweep = must_open(BASE "sweep:\n  batch_size: {logspace: [1, 64, 7]}\n"
                                         "  problem.l2: [{linspace: [0, 1, 5]}, 7]\n");
    cr_assert_eq(sweep_cells(sweep), 42);
    static const double l2[] = {0, 0.25, 0.5, 0.75, 1, 7};
    for (size_t i = 0; i < 42; i++) {
        struct run_config c = cell_of(sweep, i);
        cr_expect_eq(c.batch_size, (size_t)1 << i / 6);
        cr_expect_eq(c.problem.l2, l2[i % 6]);
    }
    sweep_close(sweep);
    /* Counts between whole numbers are rounded. */
    sweep = must_open(BASE "sweep:\n  batch_size: {logspace: [1, 100, 4]}\n");
    static const size_t sizes[] = {1, 5, 22, 100};
    for (size_t i = 0; i < 4; i++)
        cr_expect_eq(cell_of(sweep, i).batch_size, sizes[i]);
    sweep_close(sweep);
    sweep = must_open(NO_SCHEDULE "sweep:\n  schedule: {type: constant, rate: {logspace: [2, 3, 1]}}\n");
    cr_expect_eq(sweep_cells(sweep), 1);
    cr_expect_eq(cell_of(sweep, 0).schedule.values.scalar[0], 2.0);
    sweep_close(sweep);
}

Test(sweep, dotted_paths)
{
    struct sweep *sweep =
        must_open("problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 100}}\n"
                  "schedule: constant\nupdate: nesterov\n"
                  "sweep:\n  schedule.rate: [0.1, 0.2]\n  budget.epochs: [1, 2]\n  update.momentum: [0.5, 0.9]\n"
                  "  problem.data.d: [3, 5]\n  record.points: [5, 9]\n  clip.norm: [none, 1]\n  local.workers: [1, 2]\n"
                  "  problem.start: [zeros, optimum, {optimum: [1, 2]}]\n");
    cr_assert_eq(sweep_cells(sweep), 128 * 4);
    struct run_config first = cell_of(sweep, 0), last = cell_of(sweep, 511);
    cr_expect(first.schedule.values.scalar[0] == 0.1 && last.schedule.values.scalar[0] == 0.2);
    cr_expect(first.steps == 100 && last.steps == 200);
    cr_expect_str_eq(update_name(&last), "nesterov");
    cr_expect(first.update_values.scalar[0] == 0.5 && last.update_values.scalar[0] == 0.9);
    cr_expect(first.problem.data->train.cols == 3 && last.problem.data->train.cols == 5);
    cr_expect(first.grid->count == 5 && last.grid->count == 9);
    cr_expect(first.clip == CLIP_NONE && last.clip == CLIP_BATCH && last.clip_norm == 1.0);
    cr_expect(first.local_workers == 1 && last.local_workers == 2);
    cr_expect_eq(first.start.kind, START_ZEROS);
    cr_expect(cell_of(sweep, 1).start.kind == START_OPTIMUM && cell_of(sweep, 1).start.scale == 0.0);
    cr_expect(cell_of(sweep, 2).start.kind == START_OPTIMUM && cell_of(sweep, 2).start.scale == 1.0);
    cr_expect(last.start.kind == START_OPTIMUM && last.start.scale == 2.0);
    sweep_close(sweep);
}

/* A whole section and paths inside it may be swept together. */
Test(sweep, section_and_path)
{
    struct sweep *sweep = must_open(NO_SCHEDULE "sweep:\n  schedule.rate: [0.1, 0.2]\n"
                                                "  schedule: [constant, {type: cosine, floor: 0.01}]\n");
    cr_assert_eq(sweep_cells(sweep), 4);
    static const char *const types[] = {"constant", "cosine", "constant", "cosine"};
    for (size_t i = 0; i < 4; i++) {
        struct run_config c = cell_of(sweep, i);
        cr_expect_str_eq(c.schedule.type->method.name, types[i]);
        cr_expect_eq(c.schedule.values.scalar[0], i < 2 ? 0.1 : 0.2);
    }
    sweep_close(sweep);
}

static uint64_t steps_of(const char *budget, const char *sampling, const char *batch)
{
    char text[1000];
    snprintf(text, sizeof text,
             "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 10, d: 2}}\n"
             "schedule: {type: constant, rate: 0.1}\nbudget: {%s}\nsampling: %s\n%s",
             budget, sampling, batch);
    struct sweep *sweep = must_open(text);
    uint64_t steps = cell_of(sweep, 0).steps;
    sweep_close(sweep);
    return steps;
}

Test(sweep, budgets_become_steps)
{
    static const struct {
        const char *budget, *sampling, *batch;
        uint64_t steps;
    } cases[] = {
        {"epochs: 3", "with_replacement", "batch_size: 4\n", 8}, /* ceil(30/4) */
        {"epochs: 3", "subset", "batch_size: 4\n", 8},
        {"epochs: 3", "reshuffle", "batch_size: 4\n", 9}, /* 3 ceil(10/4) */
        {"epochs: 3", "shuffle_once", "batch_size: 4\nlast_batch: drop\n", 6},
        {"epochs: 3", "cyclic", "batch_size: 4\n", 9},
        {"epochs: 3", "full", "batch_size: 4\n", 3},
        {"epochs: 0.5", "reshuffle", "batch_size: 1\n", 5},
        {"epochs: 0.3", "with_replacement", "", 3},
        {"epochs: 2", "reshuffle", "batch_size: 100\n", 2},
        {"steps: 17", "reshuffle", "batch_size: 4\n", 17},
        {"steps: 10*n", "reshuffle", "batch_size: 4\n", 100},
        {"samples: 30", "with_replacement", "batch_size: 4\n", 8},
        {"samples: 30", "reshuffle", "batch_size: 4\n", 8},
        {"samples: 30", "full", "", 3},
        {"samples: 31", "full", "", 4},
        {"epochs: 3", "with_replacement", "batch_size: 40\n", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(steps_of(cases[i].budget, cases[i].sampling, cases[i].batch), cases[i].steps, "%s %s %s: %llu",
                     cases[i].budget, cases[i].sampling, cases[i].batch,
                     (unsigned long long)steps_of(cases[i].budget, cases[i].sampling, cases[i].batch));
}

Test(sweep, counts_in_epochs)
{
    struct sweep *sweep = must_open(PROBLEM "budget: {epochs: 10}\nbatch_size: 8\n"
                                            "sweep:\n  sampling: [with_replacement, reshuffle]\n  schedule:\n"
                                            "  - {type: step, rate: 1, every: {epochs: 2}, warmup: {epochs: 1}}\n"
                                            "  - {type: step, rate: 1, breaks: {epochs: [1, 2.5]}, warmup: 7}\n"
                                            "  - {type: inverse_time, c: 6, t0: {epochs: 1}}\n"
                                            "  - {type: inverse_time, c: 6, t0: n/2}\n");
    /* 100/8 = 12.5 steps an epoch with replacement, 13 when reshuffled. */
    static const double every[] = {25, 26}, first[] = {13, 13}, second[] = {32, 33}, t0[] = {13, 13};
    static const uint64_t warmup[] = {13, 13};
    for (size_t i = 0; i < 2; i++) {
        struct run_config a = cell_of(sweep, 4 * i), b = cell_of(sweep, 4 * i + 1), c = cell_of(sweep, 4 * i + 2),
                          d = cell_of(sweep, 4 * i + 3);
        cr_expect_eq(a.schedule.values.scalar[2], every[i], "%g", a.schedule.values.scalar[2]);
        cr_expect_eq(a.schedule.warmup, warmup[i]);
        cr_expect(b.schedule.values.list[0] == first[i] && b.schedule.values.list[1] == second[i], "%g %g",
                  b.schedule.values.list[0], b.schedule.values.list[1]);
        cr_expect_eq(b.schedule.warmup, 7);
        cr_expect_eq(c.schedule.values.scalar[1], t0[i]);
        cr_expect_float_eq(c.schedule.values.scalar[0], 6.0 / 13.0, 1e-15);
        cr_expect_eq(d.schedule.values.scalar[1], 50.0);
        cr_expect_eq(d.schedule.values.scalar[0], 6.0 / 50.0);
    }
    sweep_close(sweep);
}

Test(sweep, start_as_a_list)
{
    struct sweep *sweep = must_open(
        "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 9, d: 2}, start: [1, -2.5]}\n"
        "budget: {steps: 5}\nschedule: {type: constant, rate: 0.1}\n");
    struct run_config c = cell_of(sweep, 0);
    cr_expect(c.start.kind == START_LIST && c.start.list[0] == 1.0 && c.start.list[1] == -2.5);
    sweep_close(sweep);
}

Test(sweep, estimator)
{
    struct sweep *sweep = must_open(PROBLEM "kind: estimator\nsweep:\n  batch_size: [1, n]\n"
                                            "  sampling: [with_replacement, subset]\n"
                                            "  at: [start, {type: gaussian, scale: 2}]\n  draws: [100, 200]\n");
    cr_assert_eq(sweep_cells(sweep), 16);
    struct run_config first = cell_of(sweep, 0), last = cell_of(sweep, 15);
    cr_expect(first.kind == KIND_ESTIMATOR && first.at == AT_START && first.draws == 100 && first.batch_size == 1);
    cr_expect(last.at == AT_GAUSSIAN && last.at_scale == 2.0 && last.draws == 200 && last.batch_size == 100);
    sweep_close(sweep);
    sweep = must_open(BASE "kind: estimator\nat: {type: after, steps: 30}\n");
    struct run_config after = cell_of(sweep, 0);
    cr_expect(after.at == AT_AFTER && after.steps == 30 && after.schedule.values.scalar[0] == 0.1);
    sweep_close(sweep);
}

/* m is the size of the batches that are drawn: with full, all n. */
Test(sweep, counts_in_m)
{
    struct sweep *sweep = must_open(PROBLEM "kind: estimator\ndraws: 50 + 600/m\nsweep:\n  batch_size: [1, 7, n/4]\n"
                                            "  sampling: [subset, full]\n");
    static const uint64_t draws[] = {650, 56, 135, 56, 74, 56};
    for (size_t i = 0; i < 6; i++)
        cr_expect_eq(cell_of(sweep, i).draws, draws[i], "cell %zu: %ju draws", i, (uintmax_t)cell_of(sweep, i).draws);
    sweep_close(sweep);
    sweep = must_open(PROBLEM "budget: {steps: 4*n/m}\nschedule: {type: constant, rate: 0.1, warmup: m}\n"
                              "sweep: {batch_size: [2, 200]}\n");
    cr_expect_eq(cell_of(sweep, 0).steps, 200);
    cr_expect_eq(cell_of(sweep, 1).steps, 2);
    cr_expect_eq(cell_of(sweep, 1).schedule.warmup, 200);
    sweep_close(sweep);
}

Test(sweep, independent_streams)
{
    struct sweep *sweep = must_open(BASE "sweep:\n  batch_size: [1, 2]\n  problem.l2: [0, 1]\n"
                                         "independent_over: [batch_size]\n");
    uint64_t group[4];
    for (size_t i = 0; i < 4; i++)
        group[i] = cell_of(sweep, i).stream_group;
    cr_expect(group[0] == group[1] && group[2] == group[3] && group[0] != group[2] && group[0] && group[2]);
    sweep_close(sweep);
    /* A value keeps its stream when the others of its axis go, however the number is written. */
    sweep = must_open(BASE "batch_size: 2.0\nindependent_over: batch_size\n");
    cr_expect_eq(cell_of(sweep, 0).stream_group, group[2]);
    sweep_close(sweep);
    sweep =
        must_open(NO_SCHEDULE "sweep:\n  schedule: [{type: constant, rate: [0.1, 0.2]}, {type: linear, rate: 0.1}]\n"
                              "independent_over: [schedule.rate, momentum]\n");
    for (size_t i = 0; i < 3; i++)
        group[i] = cell_of(sweep, i).stream_group;
    cr_expect(group[0] == group[2] && group[0] != group[1]);
    sweep_close(sweep);
}

Test(sweep, data_sets_and_problems_are_shared)
{
    struct sweep *sweep = must_open(BASE "sweep:\n  problem.l2: [0.1, 1]\n  batch_size: [1, 2]\n");
    cr_expect_eq(cell_of(sweep, 0).problem.data, cell_of(sweep, 3).problem.data);
    struct error error = {0};
    cr_assert_eq(sweep_solve_references(sweep, &error), STATUS_OK, "%s", error.message);
    struct run_config a = cell_of(sweep, 0), b = cell_of(sweep, 1), c = cell_of(sweep, 2);
    cr_assert_not_null(a.reference);
    cr_expect_eq(a.reference, b.reference);
    cr_expect_neq(a.reference, c.reference);
    cr_expect(a.reference->exists && a.reference->f < c.reference->f);
    sweep_close(sweep);
}

/* Separable data without l2: gap will be absent, and whatever needs x* is refused where it is asked for. */
Test(sweep, no_optimum)
{
    static const char rest[] = "budget: {steps: 5}\nschedule: {type: constant, rate: 0.1}\n";
    char text[400];
    write_file("separable.csv", "a,y\n1,0\n2,0\n4,1\n5,1\n");
    struct error error = {0};
    snprintf(text, sizeof text, "problem: {type: logistic_regression, data: separable.csv}\n%s", rest);
    struct sweep *sweep = must_open(text);
    cr_assert_eq(sweep_solve_references(sweep, &error), STATUS_OK, "%s", error.message);
    struct run_config config = cell_of(sweep, 0);
    cr_assert_not_null(config.reference);
    cr_expect(!config.reference->exists && config.reference->reason[0]);
    sweep_close(sweep);
    snprintf(text, sizeof text, "problem: {type: logistic_regression, data: separable.csv, start: optimum}\n%s", rest);
    sweep = must_open(text);
    cr_expect_eq(sweep_solve_references(sweep, &error), STATUS_UNSUPPORTED);
    cr_expect(error.line == 1 && error.column == 44, "%zu:%zu", error.line, error.column);
    cr_expect(strstr(error.message, "there is none"), "%s", error.message);
    sweep_close(sweep);
    snprintf(text, sizeof text, "problem: {type: logistic_regression, data: separable.csv}\nkind: estimator\nat: %s\n",
             "{type: optimum_gaussian, scale: 0.1}");
    sweep = must_open(text);
    cr_expect_eq(cell_of(sweep, 0).at, AT_OPTIMUM_GAUSSIAN);
    cr_expect_eq(sweep_solve_references(sweep, &error), STATUS_UNSUPPORTED);
    sweep_close(sweep);
    unlink("separable.csv");
}

/* ---- profiles and --set ---- */

#define PROFILED                                                                                                       \
    PROBLEM "replicates: 20\nbudget: {epochs: 200}\nsweep:\n  batch_size: [1, 16]\n"                                   \
            "  schedule: [{type: constant, rate: [0.1, 0.2]}]\nrecord: {points: 30, metrics: [loss]}\n"                \
            "profiles:\n  quick: {replicates: 4, budget: {steps: 20}, record: {points: 5}}\n"                          \
            "  one: {batch_size: 4, sweep: {problem.l2: [0, 1, 2]}}\n"                                                 \
            "  other: {sweep: {schedule: [{type: linear, rate: 3}]}, problem: {l2: 0.5}}\n"                            \
            "  inside: {schedule: {rate: 9}}\n"                                                                        \
            "  replaced: {schedule: {type: cosine, rate: 8}}\n"                                                        \
            "  smaller: {problem: {data: {n: 50}}}\n"

static struct sweep *open_profile(const char *profile)
{
    struct sweep_options options = {.replicates = -1, .profile = profile};
    return must_open_with(PROFILED, &options);
}

Test(sweep, profiles)
{
    struct sweep *sweep = open_profile(NULL);
    cr_expect(sweep_replicates(sweep) == 20 && sweep_cells(sweep) == 4 && cell_of(sweep, 0).steps == 20000);
    sweep_close(sweep);

    sweep = open_profile("quick"); /* steps take the place of epochs; metrics stay */
    struct run_config c = cell_of(sweep, 0);
    cr_expect(sweep_replicates(sweep) == 4 && c.steps == 20 && c.points == 5 && c.metrics == 1u << METRIC_LOSS);
    sweep_close(sweep);

    sweep = open_profile("full"); /* not defined: as it is */
    cr_expect_eq(sweep_replicates(sweep), 20);
    sweep_close(sweep);

    sweep = open_profile("one"); /* an axis becomes one value, another axis joins */
    cr_expect_eq(sweep_cells(sweep), 6);
    cr_expect(cell_of(sweep, 0).batch_size == 4 && cell_of(sweep, 5).batch_size == 4);
    cr_expect_eq(cell_of(sweep, 5).problem.l2, 2.0);
    sweep_close(sweep);

    sweep = open_profile("other");
    c = cell_of(sweep, 1);
    cr_expect_eq(sweep_cells(sweep), 2);
    cr_expect_str_eq(c.schedule.type->method.name, "linear");
    cr_expect_eq(c.problem.l2, 0.5);
    sweep_close(sweep);

    sweep = open_profile("inside"); /* reaches into the options of an axis */
    cr_expect_eq(sweep_cells(sweep), 2);
    cr_expect_eq(cell_of(sweep, 0).schedule.values.scalar[0], 9.0);
    sweep_close(sweep);

    sweep = open_profile("replaced");
    c = cell_of(sweep, 0);
    cr_expect_eq(sweep_cells(sweep), 2);
    cr_expect_str_eq(c.schedule.type->method.name, "cosine");
    sweep_close(sweep);

    sweep = open_profile("smaller");
    c = cell_of(sweep, 0);
    cr_expect(c.problem.data->train.rows == 50 && c.problem.data->train.cols == 4);
    sweep_close(sweep);
}

Test(sweep, set)
{
    struct sweep *sweep = must_open_set(PROFILED, WORDS("batch_size=n/2", "problem.l2=0.25", "replicates=3",
                                                        "schedule.rate=0.5", "question=so, what", "budget.steps=9"));
    struct run_config c = cell_of(sweep, 0);
    cr_expect_eq(sweep_cells(sweep), 1);
    cr_expect(c.batch_size == 50 && c.problem.l2 == 0.25 && c.schedule.values.scalar[0] == 0.5 && c.steps == 9);
    cr_expect_eq(sweep_replicates(sweep), 3);
    sweep_close(sweep);

    sweep = must_open_set(PROFILED, WORDS("schedule.rate=1,2,3", "batch_size=2,4", "momentum=0,0.5,0.9",
                                          "record.metrics=gap,norm2", "figures=schedule,learning_rate"));
    cr_expect_eq(sweep_cells(sweep), 18);
    c = cell_of(sweep, 17);
    cr_expect(c.batch_size == 4 && c.schedule.values.scalar[0] == 3.0 && c.update_values.scalar[0] == 0.9);
    cr_expect_eq(c.metrics, 1u << METRIC_GAP | 1u << METRIC_NORM2);
    cr_expect_eq(sweep_figure_count(sweep), 2);
    sweep_close(sweep);

    sweep = must_open_set(BASE "update: {type: nesterov, momentum: 0.3}\n",
                          WORDS("momentum=0.7", "schedule={type: linear, rate: 4}", "data_seed=5", "sampling=reshuffle",
                                "averaging={type: tail, fraction: 0.1},last", "batch_size={logspace: [1, 100, 3]}"));
    cr_expect_eq(sweep_cells(sweep), 6);
    c = cell_of(sweep, 5);
    cr_expect_str_eq(update_name(&c), "heavy_ball");
    cr_expect_str_eq(c.schedule.type->method.name, "linear");
    cr_expect_str_eq(c.sampler->method.name, "reshuffle");
    cr_expect(c.data_spec->data_seed == 5 && c.batch_size == 100 && c.averager_values.scalar[0] == 0.0);
    sweep_close(sweep);

    /* What is set later wins, and update takes the place of momentum. */
    sweep = must_open_set(BASE "momentum: 0.5\n", WORDS("momentum=0.7", "update=nesterov", "update.momentum=0.2"));
    c = cell_of(sweep, 0);
    cr_expect_str_eq(update_name(&c), "nesterov");
    cr_expect_eq(c.update_values.scalar[0], 0.2);
    sweep_close(sweep);

    /* seed and replicates of the command line win over everything. */
    struct sweep_options options = {.replicates = 6, .has_seed = true, .seed = UINT64_MAX};
    sweep = must_open_with(PROFILED, &options);
    cr_expect(sweep_replicates(sweep) == 6 && sweep_seed(sweep) == UINT64_MAX);
    sweep_close(sweep);
}

/* Real data: an intercept and standardising by default, labels as asked. */
Test(sweep, problems_from_files)
{
    write_file("three.csv", "a,b,kind\n1,2,0\n2,1,1\n3,5,2\n4,4,0\n5,7,1\n6,1,2\n");
    write_file("plain.csv", "a,b,y\n1,2,0.5\n2,1,1\n3,5,2\n4,4,0\n");
    struct sweep *sweep =
        must_open("problem: {type: logistic_regression, data: three.csv, target: kind, positive: 2, intercept: false}\n"
                  "budget: {steps: 5}\nschedule: {type: constant, rate: 0.1}\n");
    struct run_config c = cell_of(sweep, 0);
    cr_expect(c.problem.data->train.rows == 6 && c.problem.data->train.cols == 2);
    cr_expect(c.problem.data->y[2] == 1.0 && c.problem.data->y[0] == -1.0);
    sweep_close(sweep);
    sweep = must_open("problem: {type: least_squares, data: plain.csv}\n"
                      "budget: {steps: 5}\nschedule: {type: constant, rate: 0.1}\n");
    c = cell_of(sweep, 0);
    cr_expect(c.problem.data->intercept && c.problem.data->standardized && c.problem.data->train.cols == 3);
    sweep_close(sweep);
    unlink("three.csv");
    unlink("plain.csv");
}
