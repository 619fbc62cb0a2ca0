/* L3, the noise floor: time averages around the fixed point, with noise and with a planted fault; the window after
 * burn-in; where leading order ends. */
#include "law_curve_scene.h"

#define FLOORS(laws)                                                                                                   \
    "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 64, d: 4}, start: optimum}\n"         \
    "budget: {steps: 12000}\nreplicates: 400\n"                                                                        \
    "sweep: {schedule: [{type: constant, rate: [0.02, 0.15]}]}\nrecord: {points: 41, spacing: linear, metrics: "       \
    "[mean_gap]}\nlaws: " laws

enum { STEPS = 12000, SPACING = 300 };

/* Gaps are 0 in the first half of the run and at the floor in the second. */
static void floors(struct trial *t, const struct law_cell *cell, size_t groups, double *value)
{
    struct exact_run run;
    struct error error;
    double floor;
    must(exact_run_make(&cell->config, &run, &error), &error);
    must(exact_floor(run.oracle, run.kappa, run.eta[0], &floor, &error), &error);
    for (size_t g = 0; g < groups; g++) {
        const double own = floor * exp(trial_fault) * (1 + gsl_ran_gaussian(t->rng, trial_spread));
        for (size_t p = 1; p < cell->points; p++) {
            const double share = (double)cell->step[p] / (double)run.steps;
            value[g * cell->points + p] = share < 0.5 ? 0 : own * (share - 0.5) / share;
        }
    }
    exact_run_free(&run);
}

/* Gaps are 0 up to the first recorded step, which is burn-in, and at the floor from then on. */
static void constant_floors(struct trial *t, const struct law_cell *cell, size_t groups, double *value)
{
    struct exact_run run;
    struct error error;
    double floor;
    must(exact_run_make(&cell->config, &run, &error), &error);
    must(exact_floor(run.oracle, run.kappa, run.eta[0], &floor, &error), &error);
    for (size_t g = 0; g < groups; g++) {
        const double own = floor * exp(trial_fault) * (1 + gsl_ran_gaussian(t->rng, trial_spread));
        for (size_t p = 1; p < cell->points; p++)
            value[g * cell->points + p] = own * (double)(cell->step[p] - cell->step[1]) / (double)cell->step[p];
    }
    exact_run_free(&run);
}

Test(law_floor, exact_floors_are_confirmed_and_shifted_ones_refuted)
{
    struct trial t = open_trial(FLOORS("{law: floor}\n"), 0);
    expect_plan(&t, 2);
    trial_fault = 0;
    trial_spread = 0.04;
    fill_trial(&t, METRIC_MEAN_GAP, 400, constant_floors);
    judge_trial(&t);
    expect_all(&t, VERDICT_CONFIRMED);
    expect_figure(&t, 2);
    close_trial(&t);
    for (int sign = -1; sign <= 1; sign += 2) {
        t = open_trial(FLOORS("{law: floor}\n"), 0);
        trial_fault = sign * 5 * 0.02;
        fill_trial(&t, METRIC_MEAN_GAP, 400, constant_floors);
        judge_trial(&t);
        expect_all(&t, VERDICT_REFUTED);
        close_trial(&t);
    }
}

/* The window begins at the first recorded step after burn-in, no earlier and no later: it sees that much of the zeros.
 */
Test(law_floor, the_window_is_after_burn_in)
{
    struct trial t = open_trial(FLOORS("{law: floor}\n"), 0);
    trial_fault = 0;
    trial_spread = 0.04;
    fill_trial(&t, METRIC_MEAN_GAP, 400, floors);
    judge_trial(&t);
    cr_assert(t.checks.count == 2);
    for (size_t i = 0; i < 2; i++) {
        const struct check *c = &t.checks.check[i];
        const struct law_cell *cell = &t.input.cell[i];
        struct exact_run run;
        struct error error;
        double rho;
        must(exact_run_make(&cell->config, &run, &error), &error);
        must(oracle_decay(run.oracle, run.kappa, run.eta[0], &rho, &error), &error);
        double from = 0; /* the first recorded step with rho^t < 1e-3 */
        while (pow(rho, from) > 1e-3)
            from += SPACING;
        cr_expect(from > 0 && from < STEPS / 2);
        const double seen = STEPS / 2 / (STEPS - from);
        cr_expect(fabs(c->measured / (seen * c->predicted) - 1) < 0.01, "rate %g: %g, %g of %g", run.eta[0],
                  c->measured, seen, c->predicted);
        exact_run_free(&run);
    }
    close_trial(&t);
}

Test(law_floor, leading_order_ends)
{
    struct trial t = open_trial(FLOORS("{law: floor, prediction: leading}\n"), 0);
    trial_fault = 0;
    trial_spread = 0.01;
    fill_trial(&t, METRIC_MEAN_GAP, 400, constant_floors);
    judge_trial(&t);
    struct exact_run run;
    struct error error;
    must(exact_run_make(&t.input.cell[1].config, &run, &error), &error);
    double trace = 0;
    for (size_t i = 0; i < run.oracle->n; i++)
        for (size_t j = 0; j < run.oracle->d; j++)
            trace += pow(run.oracle->residual[i] * run.oracle->a[i * run.oracle->d + j], 2) / (double)run.oracle->n;
    cr_expect(fabs(t.checks.check[1].predicted / (0.15 * trace / 4) - 1) < 1e-12);
    cr_expect(t.checks.check[1].verdict == VERDICT_REFUTED && t.checks.check[1].theta > 0.1);
    cr_expect(t.checks.check[0].theta < 0.2 * t.checks.check[1].theta && !t.checks.check[0].exact_theory);
    exact_run_free(&run);
    close_trial(&t);
}

Test(law_floor, needs_long_runs_of_single_chains)
{
    expect_refusal("problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 64, d: 4}, start: "
                   "optimum}\nbudget: {steps: 100}\nschedule: {type: constant, rate: 0.005}\n"
                   "record: {points: 11, spacing: linear, metrics: [mean_gap]}\nlaws: {law: floor}\n",
                   "to forget the start");
    expect_refusal(FLOORS("{law: floor}\nkeep: moments\n"), "keep: runs");
    expect_refusal("problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 64, d: 4}}\n"
                   "budget: {steps: 100}\nschedule: {type: cosine, rate: 0.05}\nrecord: {metrics: [mean_gap]}\n"
                   "laws: {law: floor}\n",
                   "constant rate");
}
