/* L16: curves of local SGD, the ratio to averaging every step, and that H = 1 is one large batch. */
#include "law_curve_scene.h"

#define LOCAL                                                                                                          \
    "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 64, d: 3}, start: {optimum: 1}}\n"    \
    "budget: {steps: 128}\nschedule: {type: constant, rate: 0.1}\nreplicates: 4000\n"                                  \
    "sweep: {local: [{workers: 4, sync_every: [1, 8, 128]}]}\nrecord: {points: 20, metrics: [gap]}\n"                  \
    "independent_over: [local]\nlaws: {law: local_sgd}\n"
enum { CHECKS = 3 * 3 + 1 + 1 };

Test(law_local_sgd, exact_curves_are_confirmed)
{
    struct trial t = open_trial(LOCAL, 0);
    expect_plan(&t, CHECKS);
    trial_fault = 0;
    trial_spread = 0.1;
    fill_trial(&t, METRIC_GAP, 4000, exact_gaps);
    judge_trial(&t);
    cr_expect(t.checks.count == CHECKS);
    expect_all(&t, VERDICT_CONFIRMED);
    expect_figure(&t, 2);
    close_trial(&t);
}

/* Against a plain run with batches of 4, and one worker of which four make the mean. */
Test(law_local_sgd, the_ends_are_known)
{
    struct trial t = open_trial(LOCAL, 0);
    struct exact_run run;
    struct error error;
    double gap[3], alone, noise_free;
    const uint64_t last[1] = {128};
    for (size_t i = 0; i < 3; i++) {
        must(exact_run_make(&t.input.cell[i].config, &run, &error), &error);
        must(exact_gap(&run, 1, last, &gap[i], NULL, &error), &error);
        if (i < 2)
            exact_run_free(&run);
    }
    run.workers = run.sync_every = 1;
    must(exact_gap(&run, 1, last, &alone, NULL, &error), &error);
    run.kappa = 0;
    must(exact_gap(&run, 1, last, &noise_free, NULL, &error), &error);
    cr_expect(fabs(gap[2] / (alone / 4 + 0.75 * noise_free) - 1) < 1e-12);
    run.kappa = 0.25;
    must(exact_gap(&run, 1, last, &alone, NULL, &error), &error);
    cr_expect(fabs(gap[0] / alone - 1) < 1e-12);
    cr_expect(gap[0] < gap[1] && gap[1] < gap[2]);
    exact_run_free(&run);
    judge_trial(&t);
    size_t ratios = 0;
    for (size_t i = 0; i < t.checks.count; i++)
        if (strstr(t.checks.check[i].quantity, "averaging every step")) {
            cr_expect(fabs(t.checks.check[i].predicted / (gap[2] / gap[0]) - 1) < 1e-12);
            ratios++;
        }
    cr_expect(ratios == 1);
    close_trial(&t);
}

/* As if the workers were never averaged less than every step: the true curve of H = 1 in the place of the others. */
static void always_averaged(struct trial *t, const struct law_cell *cell, size_t groups, double *value)
{
    (void)cell;
    exact_gaps(t, &t->input.cell[0], groups, value);
}

Test(law_local_sgd, faults_are_refuted)
{
    struct trial t = open_trial(LOCAL, 0);
    trial_fault = 5 * 0.02;
    trial_spread = 0.1;
    fill_trial(&t, METRIC_GAP, 4000, exact_gaps);
    judge_trial(&t);
    cr_expect(count_verdicts(&t, VERDICT_REFUTED) == 9); /* the ratio, and what needs no runs, stay */
    close_trial(&t);
    t = open_trial(LOCAL, 0);
    trial_fault = 0;
    fill_trial(&t, METRIC_GAP, 4000, always_averaged);
    judge_trial(&t);
    const struct check *ratio = &t.checks.check[t.checks.count - 1];
    cr_expect(strstr(ratio->quantity, "averaging every step") && ratio->verdict == VERDICT_REFUTED, "%g",
              ratio->predicted);
    close_trial(&t);
}

Test(law_local_sgd, needs_workers)
{
    expect_refusal("problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 64, d: 3}}\n"
                   "budget: {steps: 10}\nschedule: {type: constant, rate: 0.1}\nrecord: {metrics: [gap]}\n"
                   "laws: {law: local_sgd}\n",
                   "workers above 1");
}
