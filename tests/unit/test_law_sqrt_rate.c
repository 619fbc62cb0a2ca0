/* L4: predictions against the textbook's asymptotics, verdicts on true runs, on planted errors, and on a wrong
 * constant. */
#include "laws/oracle.h"
#include "rate_scene.h"
#include "stats.h"

#define HEAD                                                                                                           \
    "schedule: {type: fixed_horizon, c: 1}\nkeep: moments\nmargins: {value: 0.1, slope: 0.05}\n"                       \
    "record: {points: 2, metrics: [gap, mean_gap]}\nlaws: {law: sqrt_rate}\n"
#define BUDGETS "independent_over: [budget.steps]\nsweep: {budget.steps: [64, 256, 1024]}\n"

static const char mean_estimation[] =
    "problem: {type: linear, l2: 1, data: {synthetic: centres}, start: {optimum: 0.5}}\nreplicates: 3200\n" HEAD
        BUDGETS;
static const char least_squares[] = "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 200, "
                                    "d: 5, condition: 2}, start: instance}\nreplicates: 3200\n" HEAD BUDGETS;
static const char two_point[] =
    "problem: {type: linear, radius: 1, data: {synthetic: signs, excess: 1}, start: zeros}\nreplicates: 6400\n"
    "budget: {steps: n*n/4}\nindependent_over: [problem.data.n]\nsweep: {problem.data.n: [8, 16, 32]}\n" HEAD;
static const char hinge[] =
    "problem: {type: linear_svm, radius: 2, data: {synthetic: logistic_model, n: 60, d: 3}}\nreplicates: 640\n" HEAD
        BUDGETS;

static struct law_results *run_and_read(struct scene *scene, const char *text)
{
    run_experiment(scene, "rates", text);
    return read_results(scene, "rates");
}

static void expect_true_law(const char *text, size_t count, size_t panels)
{
    struct scene scene = open_scene();
    struct law_results *results = run_and_read(&scene, text);
    size_t drawn;
    struct check_list checks = evaluate_law(results, 0, 100, &drawn);
    cr_expect(checks.count == count && drawn == panels, "%zu checks, %zu panels", checks.count, drawn);
    expect_all(&checks, VERDICT_CONFIRMED);
    expect_plan(text, &checks);
    checks_free(&checks);
    law_results_close(results);
    close_scene(&scene);
}

/* Values of R_T, their slope; level and slope of the last iterate; bounds where there are some. */
Test(sqrt_rate, mean_estimation_is_confirmed)
{
    expect_true_law(mean_estimation, 3 + 1 + 2, 2);
}

Test(sqrt_rate, least_squares_is_confirmed)
{
    expect_true_law(least_squares, 3 + 1 + 2, 2);
}

Test(sqrt_rate, the_two_point_problem_lies_between_its_bounds)
{
    expect_true_law(two_point, 3 + 1 + 2 + 2, 2);
}

Test(sqrt_rate, the_bound_alone_holds_elsewhere)
{
    expect_true_law(hinge, 3, 2);
}

/* R_T sqrt T -> D^2/(4 c) + c tr(C)/4 and c tr(C)/4, at a budget where they are near. */
Test(sqrt_rate, least_squares_tends_to_its_constants)
{
    struct sweep *sweep;
    struct law_results *results;
    struct oracle *oracle;
    struct error error;
    gsl_set_error_handler_off();
    sweep = open_experiment("limit",
                            "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 200, d: 5, "
                            "condition: 2}, start: instance}\nreplicates: 32\nbudget: {steps: 100000}\n" HEAD,
                            -1);
    must(law_results_plan(sweep, &results, &error), &error);
    must(oracle_open(&results->cell[0].config.problem, &oracle, &error), &error);
    struct check_list checks = evaluate_law(results, 0, 10, NULL);
    double trace = 0;
    for (size_t j = 0; j < 5; j++)
        trace += oracle->c[6 * j];
    cr_assert(checks.count == 1);
    cr_expect(fabs(checks.check[0].predicted * sqrt(100000) / (4 / 4.0 + trace / 4) - 1) < 0.02, "%g",
              checks.check[0].predicted);
    checks_free(&checks);
    oracle_close(oracle);
    law_results_close(results);
    sweep_close(sweep);
}

/* 5 margins beside the truth: all of R_T's values, and the bound's when it is above. */
Test(sqrt_rate, planted_values_are_refuted)
{
    struct scene scene = open_scene();
    struct law_results *results = run_and_read(&scene, mean_estimation);
    for (int sign = -1; sign <= 1; sign += 2) {
        tamper(results, METRIC_MEAN_GAP, exp(sign * 0.5), 0, 1);
        tamper(results, METRIC_GAP, exp(sign * 0.5), 0, 1);
        struct check_list checks = evaluate_law(results, 0, 1000, NULL);
        cr_expect(count_verdict(&checks, VERDICT_REFUTED) == 4); /* 3 values, 1 level; slopes are as before */
        cr_expect(count_verdict(&checks, VERDICT_CONFIRMED) == 2);
        checks_free(&checks);
        tamper(results, METRIC_MEAN_GAP, exp(-sign * 0.5), 0, 1);
        tamper(results, METRIC_GAP, exp(-sign * 0.5), 0, 1);
    }
    law_results_close(results);
    close_scene(&scene);
}

Test(sqrt_rate, planted_slopes_are_refuted)
{
    struct scene scene = open_scene();
    struct law_results *results = run_and_read(&scene, mean_estimation);
    tamper(results, METRIC_MEAN_GAP, 1, 0.25, 1);
    tamper(results, METRIC_GAP, 1, -0.25, 1);
    struct check_list checks = evaluate_law(results, 0, 1000, NULL);
    size_t slopes = 0;
    for (size_t i = 0; i < checks.count; i++)
        if (checks.check[i].kind == CHECK_DIFFERENCE) {
            cr_expect(checks.check[i].verdict == VERDICT_REFUTED);
            slopes++;
        }
    cr_expect(slopes == 2);
    checks_free(&checks);
    law_results_close(results);
    close_scene(&scene);
}

Test(sqrt_rate, broken_bounds_are_refuted)
{
    struct scene scene = open_scene();
    struct law_results *results = run_and_read(&scene, two_point);
    tamper(results, METRIC_MEAN_GAP, 3, 0, 1); /* above 1/sqrt T */
    struct check_list above = evaluate_law(results, 0, 1000, NULL);
    tamper(results, METRIC_MEAN_GAP, 1.0 / 9, 0, 1); /* better than any algorithm */
    struct check_list below = evaluate_law(results, 0, 1000, NULL);
    size_t bounds = 0;
    for (size_t i = 0; i < above.count; i++)
        if (above.check[i].kind == CHECK_BOUND) {
            const bool lower = strstr(above.check[i].quantity, "lower") != NULL;
            cr_expect(above.check[i].verdict == (lower ? VERDICT_CONFIRMED : VERDICT_REFUTED));
            cr_expect(below.check[i].verdict == (lower ? VERDICT_REFUTED : VERDICT_CONFIRMED));
            bounds++;
        }
    cr_expect(bounds == 2);
    checks_free(&above);
    checks_free(&below);
    law_results_close(results);
    close_scene(&scene);
}

/* One budget, several constants: no slopes, the figure is against c. */
Test(sqrt_rate, the_choice_of_c)
{
    expect_true_law(
        "problem: {type: least_absolute_deviations, data: {synthetic: absolute_deviations}, radius: 2, start: "
        "[1.001]}\n"
        "keep: moments\nreplicates: 1280\nmargins: {value: 0.1}\nbudget: {steps: 1024}\nindependent_over: [schedule]\n"
        "sweep: {schedule: [{type: fixed_horizon, c: [0.5, 1, 2]}]}\nrecord: {points: 2, metrics: [gap, mean_gap]}\n"
        "laws: {law: sqrt_rate}\n",
        3 + 3, 1);
}

#define LS     "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 40, d: 3}}\nreplicates: 64\n"
#define RECORD "record: {points: 2, metrics: [gap, mean_gap]}\nlaws: {law: sqrt_rate}\n"

Test(sqrt_rate, other_experiments_are_refused)
{
    expect_refusal(LS "budget: {steps: 64}\nschedule: {type: constant, rate: 0.1}\n" RECORD, STATUS_USAGE,
                   "fixed_horizon");
    expect_refusal(LS "budget: {steps: 64}\nschedule: {type: fixed_horizon, c: 1}\nlaws: {law: sqrt_rate}\n",
                   STATUS_USAGE, "mean_gap");
    expect_refusal(LS "budget: {steps: 64}\nsampling: reshuffle\nschedule: {type: fixed_horizon, c: 1}\n" RECORD,
                   STATUS_USAGE, "anew");
    expect_refusal(LS "budget: {steps: 64}\nmomentum: 0.9\nschedule: {type: fixed_horizon, c: 1}\n" RECORD,
                   STATUS_USAGE, "plain steps");
    expect_refusal("problem: {type: logistic_regression, l2: 0.1, data: {synthetic: logistic_model, n: 40, d: 3}}\n"
                   "replicates: 64\nbudget: {steps: 64}\nschedule: {type: fixed_horizon, c: 1}\n" RECORD,
                   STATUS_USAGE, "bounded slope");
}
