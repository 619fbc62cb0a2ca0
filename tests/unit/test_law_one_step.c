/* L8, the best rate of one step: the formula against the losses of all batches, measured parabolas with noise and with
 * a planted fault. */
#include "law_curve_scene.h"

#define STEP                                                                                                           \
    "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 40, d: 3}, start: instance}\n"        \
    "budget: {steps: 1}\nreplicates: 4000\nindependent_over: [batch_size]\n"                                           \
    "sweep: {schedule: [{type: constant, rate: [0.1, 0.8]}], batch_size: [1, 10]}\nrecord: {points: 2, metrics: "      \
    "[gap]}\n"                                                                                                         \
    "laws: {law: one_step}\n"

/* Mean loss after a step with one sample, over all of them. */
static double mean_loss(const struct problem *problem, const double *x, double eta)
{
    const struct matrix *a = &problem->data->train;
    double sum = 0;
    for (size_t i = 0; i < a->rows; i++) {
        double to[3], r = -problem->data->y[i];
        for (size_t j = 0; j < 3; j++)
            r += a->value[i * a->stride + j] * x[j];
        for (size_t j = 0; j < 3; j++)
            to[j] = x[j] - eta * r * a->value[i * a->stride + j];
        sum += problem_value(problem, to, NULL) / (double)a->rows;
    }
    return sum;
}

/* The parabola in eta of exact gaps, with a slope that differs from group to group. */
static void parabolas(struct trial *t, const struct law_cell *cell, size_t groups, double *value)
{
    struct exact_run run;
    struct error error;
    double gap[2];
    const uint64_t step[2] = {0, 1};
    must(exact_run_make(&cell->config, &run, &error), &error);
    must(exact_gap(&run, 2, step, gap, NULL, &error), &error);
    gsl_rng *rng = gsl_rng_clone(t->rng); /* the same batches at all rates */
    cr_assert_not_null(rng);
    for (size_t g = 0; g < groups; g++) {
        value[2 * g] = gap[0];
        value[2 * g + 1] = gap[1] - run.eta[0] * (trial_fault + gsl_ran_gaussian(rng, trial_spread));
    }
    gsl_rng_free(rng);
    exact_run_free(&run);
}

Test(law_one_step, the_formula_is_the_minimum_over_all_batches)
{
    struct trial t = open_trial(STEP, 0);
    expect_plan(&t, 2);
    const struct run_config *config = &t.input.cell[0].config;
    double x[3], loss[3];
    struct error error;
    must(run_start(&(struct run_request){.config = config}, x, 1, &error), &error);
    for (size_t k = 0; k < 3; k++)
        loss[k] = mean_loss(&config->problem, x, 0.2 * (double)k);
    const double slope = (4 * loss[1] - 3 * loss[0] - loss[2]) / 0.4,
                 curvature = (loss[2] - 2 * loss[1] + loss[0]) / 0.04;
    cr_expect(fabs(t.checks.check[0].predicted / (-slope / curvature) - 1) < 1e-10, "%g, %g",
              t.checks.check[0].predicted, -slope / curvature);
    cr_expect(t.checks.check[1].predicted > 2 * t.checks.check[0].predicted);
    close_trial(&t);
}

Test(law_one_step, exact_parabolas_are_confirmed_and_others_refuted)
{
    struct trial t = open_trial(STEP, 0);
    trial_fault = 0;
    trial_spread = 0.05;
    fill_trial(&t, METRIC_GAP, 4000, parabolas);
    judge_trial(&t);
    expect_all(&t, VERDICT_CONFIRMED);
    for (size_t i = 0; i < t.checks.count; i++)
        cr_expect(fabs(t.checks.check[i].theta) < 4.5 * t.checks.check[i].se && t.checks.check[i].se < 0.01);
    expect_figure(&t, 1);
    close_trial(&t);
    t = open_trial(STEP, 0);
    struct exact_run run;
    struct error error;
    must(exact_run_make(&t.input.cell[0].config, &run, &error), &error);
    double gradient2 = 0;
    for (size_t k = 0; k < 3; k++) {
        double g = 0;
        for (size_t l = 0; l < 3; l++)
            g += run.oracle->h[k * 3 + l] * run.e0[l];
        gradient2 += g * g;
    }
    trial_fault = expm1(5 * 0.02) * gradient2; /* the slope, and so the best rate, is larger by 5 margins */
    fill_trial(&t, METRIC_GAP, 4000, parabolas);
    judge_trial(&t);
    expect_all(&t, VERDICT_REFUTED);
    for (size_t i = 0; i < t.checks.count; i++)
        cr_expect(fabs(t.checks.check[i].theta - 0.1) < 4.5 * t.checks.check[i].se);
    exact_run_free(&run);
    close_trial(&t);
}

Test(law_one_step, needs_one_step_on_the_same_batches)
{
    expect_refusal("problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 40, d: 3}}\n"
                   "budget: {steps: 2}\nsweep: {schedule: [{type: constant, rate: [0.1, 0.2]}]}\n"
                   "record: {metrics: [gap]}\nlaws: {law: one_step}\n",
                   "steps: 1");
    expect_refusal("problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 40, d: 3}}\n"
                   "budget: {steps: 1}\nsweep: {schedule: [{type: constant, rate: [0.1, 0.2]}]}\n"
                   "independent_over: [schedule]\nrecord: {metrics: [gap]}\nlaws: {law: one_step}\n",
                   "same batches");
}
