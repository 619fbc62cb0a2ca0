/* L3, where chains diverge: shares on both sides of the limits. */
#include "law_curve_scene.h"

/* One coordinate, f_i'' = 0.5, 2, 1, 1.5, 0.7, 1.8. */
static const double curvature[6] = {0.5, 2, 1, 1.5, 0.7, 1.8};

#define PARABOLAS(laws)                                                                                                \
    "problem: {type: least_squares, data: {synthetic: six_parabolas}, start: {optimum: 1}}\n"                          \
    "budget: {steps: 300}\nreplicates: 400\n"                                                                          \
    "sweep: {schedule: [{type: constant, rate: [1.2, 1.5, 1.8, 2.1, 2.4, 2.7, 9]}]}\nrecord: {points: 20, metrics: "   \
    "[gap]}\nlaws: " laws

/* Where the mean of ln|1 - eta f_i''| is 0: beyond 2, where it is minus infinity, and below 3. */
static double limit(void)
{
    double low = 2, high = 3;
    while (high - low > 1e-12) {
        const double eta = 0.5 * (low + high);
        double product = 1;
        for (size_t i = 0; i < 6; i++)
            product *= fabs(1 - eta * curvature[i]);
        if (product > 1)
            high = eta;
        else
            low = eta;
    }
    return low;
}

static double switch_at; /* chains leave at rates above */

static void shares(struct trial *t, const struct law_cell *cell, size_t groups, double *value)
{
    const bool leaves = cell->columns.rate > switch_at;
    (void)t;
    for (size_t g = 0; g < groups; g++)
        for (size_t p = 0; p < cell->points; p++) { /* a few do otherwise; half of those that leave are stopped early */
            const bool far = leaves == (g % 40 != 0) && p > 10;
            value[g * cell->points + p] = far ? (g % 2 ? (double)NAN : 1e12) : 1;
        }
}

Test(law_divergence, the_switch_is_at_the_almost_sure_limit)
{
    struct trial t = open_trial(PARABOLAS("{law: divergence, margin: 0.15}\n"), 0);
    const size_t expected = 5; /* 2.1 is too near to the limit, 9 too far */
    struct exact_run run;
    struct error error;
    double eta_max, eta_as, sum = 0, squares = 0;
    for (size_t i = 0; i < 6; i++) {
        sum += curvature[i];
        squares += curvature[i] * curvature[i];
    }
    must(exact_run_make(&t.input.cell[0].config, &run, &error), &error);
    must(oracle_stability_limit(run.oracle, 1, &eta_max, &error), &error);
    must(oracle_almost_sure_limit(run.oracle, 1, true, 1, 60000, &eta_as, &error), &error);
    cr_expect(fabs(eta_max / (2 * sum / squares) - 1) < 1e-12 && fabs(eta_as / limit() - 1) < 0.01, "%g, %g", eta_max,
              eta_as);
    exact_run_free(&run);
    expect_plan(&t, expected);
    switch_at = limit();
    fill_trial(&t, METRIC_GAP, 400, shares);
    judge_trial(&t);
    cr_expect(t.checks.count == expected);
    expect_all(&t, VERDICT_CONFIRMED);
    for (size_t i = 0; i < t.checks.count; i++) {
        const struct check *c = &t.checks.check[i];
        cr_expect(c->predicted == (i < 3 ? 0 : 1) && fabs(c->measured - (i < 3 ? 0.025 : 0.975)) < 1e-12, "%g",
                  c->measured);
    }
    expect_figure(&t, 2);
    close_trial(&t);
}

Test(law_divergence, a_switch_elsewhere_is_refuted)
{
    struct trial t = open_trial(PARABOLAS("{law: divergence, margin: 0.15}\n"), 0);
    switch_at = 1.336;
    fill_trial(&t, METRIC_GAP, 400, shares);
    judge_trial(&t);
    cr_expect(count_verdicts(&t, VERDICT_REFUTED) == 2 && count_verdicts(&t, VERDICT_CONFIRMED) == 3);
    close_trial(&t);
    t = open_trial(PARABOLAS("{law: divergence, margin: 0.15, limit: mean_square}\n"), 0);
    switch_at = limit(); /* the truth refutes the claim at the rates in between */
    fill_trial(&t, METRIC_GAP, 400, shares);
    judge_trial(&t);
    cr_expect(count_verdicts(&t, VERDICT_REFUTED) == 3 && t.checks.count == 6);
    close_trial(&t);
}

/* The real chains. In one dimension the switch is wide: at 0.84 of the limit a quarter has left. */
Test(law_divergence, real_chains_switch_there)
{
    struct scene scene = open_scene();
    struct suite *suite;
    struct error error;
    run_experiment(&scene, "shares", PARABOLAS("{law: divergence, margin: 0.5, clearance: 0.1}\n"));
    must(suite_evaluate(scene.store, NULL, &suite, &error), &error);
    cr_assert(suite->law_count == 1 && suite->law[0].count == 5);
    cr_expect(suite->law[0].agree[AGREES_YES] == 5);
    suite_close(suite);
    close_scene(&scene);
}

Test(law_divergence, counts_single_chains)
{
    expect_refusal(PARABOLAS("{law: divergence}\nkeep: moments\n"), "keep: runs");
}
