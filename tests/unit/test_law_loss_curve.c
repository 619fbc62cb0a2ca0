/* L3, the mean curve: what the law says about exact curves with noise, and about curves with a planted fault. */
#include "law_curve_scene.h"

#define CURVES                                                                                                         \
    "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 64, d: 4}, start: instance}\n"        \
    "budget: {steps: 200}\nschedule: {type: constant, rate: 0.05}\nreplicates: 4000\n"                                 \
    "sweep: {batch_size: [1, 8]}\nrecord: {points: 30, metrics: [gap]}\nlaws: {law: loss_curve}\n"
enum { CHECKS = 2 * 5 };

Test(law_loss_curve, exact_curves_are_confirmed)
{
    struct trial t = open_trial(CURVES, 0);
    expect_plan(&t, CHECKS);
    trial_fault = 0;
    trial_spread = 0.1;
    fill_trial(&t, METRIC_GAP, 4000, exact_gaps);
    judge_trial(&t);
    cr_expect(t.checks.count == CHECKS);
    expect_all(&t, VERDICT_CONFIRMED);
    size_t in_qq = 0;
    for (size_t i = 0; i < t.checks.count; i++)
        in_qq += t.checks.check[i].exact_theory;
    cr_expect(in_qq == 2); /* one point of each path */
    expect_figure(&t, 2);
    close_trial(&t);
}

Test(law_loss_curve, a_shift_of_five_margins_is_refuted)
{
    for (int sign = -1; sign <= 1; sign += 2) {
        struct trial t = open_trial(CURVES, 0);
        trial_fault = sign * 5 * 0.02;
        trial_spread = 0.1;
        fill_trial(&t, METRIC_GAP, 4000, exact_gaps);
        judge_trial(&t);
        expect_all(&t, VERDICT_REFUTED);
        close_trial(&t);
    }
}

/* A start that is not that of the configuration shows at t = 0 without noise, however small. */
Test(law_loss_curve, a_start_that_is_not_fresh_is_refuted)
{
    struct trial t = open_trial(CURVES, 0);
    trial_fault = 1e-6;
    trial_spread = 0.1;
    fill_trial(&t, METRIC_GAP, 4000, exact_gaps);
    judge_trial(&t);
    cr_expect(count_verdicts(&t, VERDICT_REFUTED) == 2);
    close_trial(&t);
}

/* The mean over chains that are left is not the mean. */
static void some_diverged(struct trial *t, const struct law_cell *cell, size_t groups, double *value)
{
    exact_gaps(t, cell, groups, value);
    value[cell->points - 1] = NAN;
}

Test(law_loss_curve, diverged_chains_refute)
{
    struct trial t = open_trial(CURVES, 0);
    trial_fault = 0;
    trial_spread = 0.1;
    fill_trial(&t, METRIC_GAP, 4000, some_diverged);
    judge_trial(&t);
    cr_expect(count_verdicts(&t, VERDICT_REFUTED) == 2);
    close_trial(&t);
}

/* The same through the program: runs, moments, store. */
Test(law_loss_curve, real_chains_are_confirmed)
{
    struct scene scene = open_scene();
    struct suite *suite;
    struct error error;
    run_experiment(&scene, "curves", CURVES "keep: moments\nmargins: {value: 0.2}\nindependent_over: [batch_size]\n");
    must(suite_evaluate(scene.store, NULL, &suite, &error), &error);
    cr_assert(suite->law_count == 1 && suite->law[0].count == CHECKS);
    cr_expect(suite->law[0].agreement == AGREES_YES);
    suite_close(suite);
    close_scene(&scene);
}

Test(law_loss_curve, needs_gaps)
{
    expect_refusal("problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 64, d: 4}}\n"
                   "budget: {steps: 20}\nschedule: {type: constant, rate: 0.05}\nrecord: {metrics: [loss]}\n"
                   "laws: {law: loss_curve}\n",
                   "gap");
}
