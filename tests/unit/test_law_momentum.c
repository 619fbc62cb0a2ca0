/* The law of momentum: verdicts on runs and on planted errors; stationary ratios against the closed form in one
 * dimension. */
#include "law_verdicts.h"

static const char frozen[] =
    "kind: estimator\nat: {type: gaussian, scale: 1}\ndraws: 20000\nvelocity_steps: 12\nreplicates: 1\nbatch_size: 4\n"
    "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 64, d: 3}}\n"
    "sweep: {momentum: [0, 0.5, 0.9]}\nmargins: {value: 0.1}\nlaws: {law: momentum}\n";

Test(law_momentum, estimator)
{
    struct scene scene = open_scene();
    run_experiment(&scene, "frozen", frozen);
    struct law_results *results = read_results(&scene, "frozen");
    struct check_list checks = judge(results, 0);
    cr_assert(checks.count == 1 + 4 + 4);
    expect_all(&checks, VERDICT_CONFIRMED, "as measured");
    expect_same_plan(frozen, 0, &checks);
    /* (1-beta)/(1+beta) (1 - beta^(2t)) of plain variance at the same frozen point */
    cr_expect(fabs(checks.check[5].predicted / checks.check[0].predicted - 0.1 / 1.9 * (1 - pow(0.9, 24))) < 1e-12);
    cr_expect(fabs(checks.check[6].predicted - (1 - pow(0.9, 12))) < 1e-15);
    cr_expect(fabs(checks.check[8].predicted - pow(0.9, 10)) < 1e-15);
    checks_free(&checks);
    struct estimator_result *result = &results->cell[2].estimator[0];
    result->variance *= 0.1; /* (1 - beta) applied twice would make it 0.01 */
    result->variance_se *= 0.1;
    result->bias_along_gradient = exp(-0.5) - 1;
    result->autocorrelation[0] = 0.4; /* 5 margins */
    checks = judge(results, 0);
    for (size_t i = 0; i < checks.count; i++)
        cr_expect(checks.check[i].verdict == (i >= 5 && i <= 7 ? VERDICT_REFUTED : VERDICT_CONFIRMED), "%zu %s", i,
                  checks.check[i].quantity);
    checks_free(&checks);
    law_results_close(results);
    close_scene(&scene);
}

#define RULES "  update: [{type: sgd}, {type: heavy_ball, momentum: 0.8, dampening: 0.8}]\n"

Test(law_momentum, iterates)
{
    static const char text[] =
        "problem: {type: least_squares, data: {synthetic: mean_estimation, n: 64}, start: optimum}\n"
        "keep: moments\nreplicates: 3200\nindependent_over: [update, schedule]\nbudget: {steps: 300}\n"
        "schedule: {type: constant}\nsweep:\n  schedule.rate: [0.1, 1]\n" RULES
        "record: {points: 101, spacing: linear, metrics: [gap]}\nmargins: {value: 0.1}\n"
        "laws: [{law: momentum}, {law: momentum, iterates: as_estimator, expect: refuted, note: no}]\n";
    struct scene scene = open_scene();
    run_experiment(&scene, "iterates", text);
    struct law_results *results = read_results(&scene, "iterates");
    struct check_list checks = judge(results, 0);
    cr_assert(checks.count == 2);
    expect_all(&checks, VERDICT_CONFIRMED, "as measured");
    expect_same_plan(text, 0, &checks);
    for (int i = 0; i < 2; i++) { /* (2-h)/(2-h(1-beta)/(1+beta)); what is left of the start is below 1e-6 */
        const double h = i ? 1 : 0.1, wanted = (2 - h) / (2 - h * 0.2 / 1.8);
        cr_expect(fabs(checks.check[i].predicted - wanted) < 1e-6, "%g, %g", checks.check[i].predicted, wanted);
    }
    checks_free(&checks);
    checks = judge(results, 1);
    cr_expect(checks.count == 2 && fabs(checks.check[0].predicted - 0.2 / 1.8) < 1e-15);
    expect_all(&checks, VERDICT_REFUTED, "as the estimator");
    checks_free(&checks);
    plant(&results->cell[1], METRIC_GAP, 0, exp(0.5));
    plant(&results->cell[3], METRIC_GAP, 0, exp(-0.5));
    checks = judge(results, 0);
    expect_all(&checks, VERDICT_REFUTED, "planted");
    checks_free(&checks);
    law_results_close(results);
    close_scene(&scene);
}

Test(law_momentum, curves)
{
    static const char text[] =
        "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 64, d: 4}, start: {optimum: 1}}\n"
        "keep: moments\nreplicates: 3200\nindependent_over: [update]\nbudget: {steps: 200}\n"
        "schedule: {type: constant, rate: 0.05}\nsweep:\n" RULES
        "record: {points: 41, spacing: linear, metrics: [gap]}\nmargins: {value: 0.1}\nlaws: {law: momentum}\n";
    struct scene scene = open_scene();
    run_experiment(&scene, "curves", text);
    struct law_results *results = read_results(&scene, "curves");
    struct check_list checks = judge(results, 0);
    cr_assert(checks.count == 2 + 2 + 1);
    expect_all(&checks, VERDICT_CONFIRMED, "as measured");
    expect_same_plan(text, 0, &checks);
    checks_free(&checks);
    plant(&results->cell[0], METRIC_GAP, 0, exp(0.5));
    plant(&results->cell[1], METRIC_GAP, 0, exp(-0.5));
    checks = judge(results, 0);
    expect_all(&checks, VERDICT_REFUTED, "planted");
    checks_free(&checks);
    law_results_close(results);
    close_scene(&scene);
}
