/* L6: the limit of averaging by another way, verdicts on true runs, on planted errors, and on the claim that averaging
 * never costs a logarithm. */
#include "laws/oracle.h"
#include "rate_scene.h"

#define HEAD "keep: moments\nmargins: {value: 0.1, slope: 0.05}\n"
#define LS                                                                                                             \
    "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 200, d: 5, condition: 2}, start: "    \
    "instance}\naveraging: uniform\nreplicates: 4480\n" HEAD
static const char constant[] = LS "schedule: {type: constant, rate: 0.12}\nbudget: {steps: 2000}\n"
                                  "record: {points: 25, metrics: [gap]}\nlaws: {law: averaging}\n";
static const char horizon[] = LS "schedule: {type: fixed_horizon, c: 1.1}\nindependent_over: [budget.steps]\n"
                                 "sweep: {budget.steps: [256, 1024, 4096]}\nrecord: {points: 2, metrics: [gap]}\n"
                                 "laws: {law: averaging}\n";
#define EDGE                                                                                                           \
    "problem: {type: least_squares, data: {synthetic: two_parabolas, left: -3.5, right: 0.5}, radius: 0.5, start: "    \
    "[0.5]}\nschedule: {type: inverse_time, c: 1, t0: 1}\nreplicates: 16000\nbudget: {steps: 1024}\n" HEAD             \
    "record: {points: 25, metrics: [gap]}\n"

static struct check_list run_and_evaluate(struct scene *scene, const char *text, struct law_results **results)
{
    size_t panels;
    *scene = open_scene();
    run_experiment(scene, "averages", text);
    *results = read_results(scene, "averages");
    struct check_list checks = evaluate_law(*results, 0, 100, &panels);
    cr_expect(panels == 2);
    expect_plan(text, &checks);
    return checks;
}

/* Three values, the limit, the slope. */
Test(averaging, a_constant_rate_is_confirmed_and_planted_errors_are_not)
{
    struct scene scene;
    struct law_results *results;
    struct check_list checks = run_and_evaluate(&scene, constant, &results);
    cr_assert(checks.count == 5);
    expect_all(&checks, VERDICT_CONFIRMED);
    checks_free(&checks);
    for (int sign = -1; sign <= 1; sign += 2) {
        tamper(results, METRIC_GAP, exp(sign * 0.5), 0, 1);
        checks = evaluate_law(results, 0, 1000, NULL);
        cr_expect(count_verdict(&checks, VERDICT_REFUTED) == 4 && checks.check[4].verdict == VERDICT_CONFIRMED);
        checks_free(&checks);
        tamper(results, METRIC_GAP, exp(-sign * 0.5), sign * 0.25, 1);
        checks = evaluate_law(results, 0, 1000, NULL);
        cr_expect(checks.check[4].verdict == VERDICT_REFUTED);
        checks_free(&checks);
        tamper(results, METRIC_GAP, 1, -sign * 0.25, 1);
    }
    law_results_close(results);
    close_scene(&scene);
}

/* The limit that the law names is where T times the recursion's gap goes; the start adds its 1/T. */
Test(averaging, the_limit_is_that_of_the_recursion)
{
    struct scene scene;
    struct law_results *results;
    struct oracle *oracle;
    struct oracle_state *state;
    struct error error;
    struct check_list checks = run_and_evaluate(&scene, constant, &results);
    double e0[5];
    for (size_t j = 0; j < 5; j++)
        e0[j] = 2 / sqrt(5);
    must(oracle_open(&results->cell[0].config.problem, &oracle, &error), &error);
    must(oracle_state_open(oracle, 1, e0, true, &state, &error), &error);
    for (int t = 0; t < 2000; t++)
        oracle_step(state, 0.12);
    cr_expect(fabs(checks.check[2].predicted / oracle_averaged_gap(state) - 1) < 1e-9);
    cr_expect(fabs(checks.check[3].predicted / (2000 * oracle_averaged_gap(state)) - 1) < 0.01, "%g, %g",
              checks.check[3].predicted, 2000 * oracle_averaged_gap(state));
    checks_free(&checks);
    oracle_state_close(state);
    oracle_close(oracle);
    law_results_close(results);
    close_scene(&scene);
}

Test(averaging, rates_of_a_fixed_horizon)
{
    struct scene scene;
    struct law_results *results;
    struct check_list checks = run_and_evaluate(&scene, horizon, &results);
    cr_assert(checks.count == 3 + 1 + 1);
    expect_all(&checks, VERDICT_CONFIRMED);
    checks_free(&checks);
    law_results_close(results);
    close_scene(&scene);
}

Test(averaging, at_the_edge_all_costs_a_logarithm)
{
    struct scene scene;
    struct law_results *results;
    struct check_list checks = run_and_evaluate(
        &scene,
        EDGE "sweep: {averaging: [last, {type: tail, fraction: 0.5}, uniform]}\n"
             "laws: [{law: averaging}, {law: averaging, claim: inverse_time, where: {averaging: uniform}},\n"
             "       {law: averaging, claim: inverse_time, where: {averaging: last}}]\n",
        &results);
    /* last: 3 values, limit, slope; tail: value, limit; uniform: 3 values, growth, slope */
    cr_assert(checks.count == 5 + 2 + 5);
    expect_all(&checks, VERDICT_CONFIRMED);
    const double walk = checks.check[3].predicted; /* lim T gap of the last iterate, r/(1 - r) with r^3 + r^2 + r = 1 */
    const double r = walk / (1 + walk);
    cr_expect(fabs(r * r * r + r * r + r - 1) < 1e-9);
    cr_expect(fabs(checks.check[6].predicted - 2 * log(2) * walk) < 1e-9);
    struct check_list all = evaluate_law(results, 1, 100, NULL), last = evaluate_law(results, 2, 100, NULL);
    cr_assert(all.count == 1 && last.count == 1);
    expect_all(&all, VERDICT_REFUTED);
    expect_all(&last, VERDICT_CONFIRMED);
    checks_free(&all);
    checks_free(&last);
    checks_free(&checks);
    law_results_close(results);
    close_scene(&scene);
}

#define SMALL                                                                                                          \
    "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 40, d: 3}}\nreplicates: 64\n"         \
    "budget: {steps: 64}\nrecord: {metrics: [gap]}\nlaws: {law: averaging}\n"

Test(averaging, other_experiments_are_refused)
{
    expect_refusal(SMALL "schedule: {type: constant, rate: 0.1}\naveraging: {type: tail, fraction: 0.5}\n",
                   STATUS_USAGE, "uniform");
    expect_refusal(SMALL "schedule: {type: constant, rate: 0.1}\naveraging: uniform\nmomentum: 0.9\n", STATUS_USAGE,
                   "plain");
    expect_refusal(
        "problem: {type: least_squares, data: {synthetic: two_parabolas, left: -3.5, right: 0.5}, radius: 0.5}\n"
        "replicates: 64\nbudget: {steps: 64}\nrecord: {metrics: [gap]}\nlaws: {law: averaging}\n"
        "schedule: {type: constant, rate: 0.1}\n",
        STATUS_USAGE, "inverse_time");
}
