/* The law of the region of confusion: predictions against direct computations, verdicts on runs and on planted errors.
 */
#include "law_verdicts.h"
#include "laws/confusion.h"
#include "laws/oracle.h"

static const char text[] =
    "keep: runs\nreplicates: 400\nindependent_over: [problem, schedule]\nbudget: {steps: 200}\n"
    "schedule: {type: constant}\nsweep:\n  problem:\n"
    "    - {type: least_squares, data: {synthetic: weighted_parabolas, n: 40}, start: instance}\n"
    "    - {type: least_squares, data: {synthetic: two_parabolas}}\n"
    "  schedule.rate: [0.5, 0.6666666666666666]\n"
    "record: {points: 201, spacing: linear, metrics: [x1]}\nmargins: {value: 0.1}\n"
    "laws: [{law: region_of_confusion}, {law: region_of_confusion, beyond: true, expect: refuted, note: overshoots}]\n";

Test(law_confusion, predictions)
{
    struct error error;
    struct law_results *results;
    gsl_set_error_handler_off();
    struct sweep *sweep = open_experiment("plan", text, 2);
    must(law_results_plan(sweep, &results, &error), &error);
    for (size_t i = 0; i < results->cell_count; i++) {
        struct confusion k;
        struct oracle *oracle;
        double fixed, rho;
        must(confusion_open(&results->cell[i], &k, &error), &error);
        must(oracle_open(&results->cell[i].config.problem, &oracle, &error), &error);
        must(oracle_fixed_point(oracle, 1, k.eta, &fixed, &error), &error);
        must(oracle_decay(oracle, 1, k.eta, &rho, &error), &error);
        cr_expect(fabs(k.second_moment - fixed) < 1e-12 * fixed, "%g, %g", k.second_moment, fixed);
        cr_expect(fabs(k.decay - rho) < 1e-12 && fabs(k.optimum - oracle->optimum[0]) < 1e-12);
        cr_expect(k.pair == (i >= 2));
        cr_expect(confusion_agreement(&k, k.right + 0.01) == 1 && confusion_agreement(&k, k.left - 10) == 1);
        const double inside = confusion_agreement(&k, k.left + 0.3 * (k.right - k.left));
        cr_expect(inside < 1 && inside >= 0.5);
        oracle_close(oracle);
        confusion_close(&k);
    }
    struct confusion k;
    must(confusion_open(&results->cell[2], &k, &error), &error); /* c = -1, 1 */
    uint64_t exits;
    cr_expect(confusion_violations(&k, (double[]){3, 2, 1, 0.5, -1}, 5, &exits) == 0 && exits == 0);
    cr_expect(confusion_violations(&k, (double[]){3, 3, -3, 0, 1.1, 0}, 6, &exits) == 3 && exits == 1);
    confusion_close(&k);
    law_results_close(results);
    sweep_close(sweep);
}

Test(law_confusion, verdicts)
{
    struct scene scene = open_scene();
    run_experiment(&scene, "confusion", text);
    struct law_results *results = read_results(&scene, "confusion");
    struct check_list checks = judge(results, 0);
    cr_expect(checks.count == 8);
    expect_all(&checks, VERDICT_CONFIRMED, "as measured");
    expect_same_plan(text, 0, &checks);
    checks_free(&checks);
    checks = judge(results, 1);
    cr_expect(checks.count == 1);
    expect_all(&checks, VERDICT_REFUTED, "beyond");
    checks_free(&checks);
    for (size_t i = 0; i < results->cell_count; i++) { /* second moments off by 5 margins; centres stay */
        struct confusion k;
        struct error error;
        must(confusion_open(&results->cell[i], &k, &error), &error);
        plant(&results->cell[i], METRIC_X1, k.optimum, exp(0.25));
        confusion_close(&k);
    }
    checks = judge(results, 0);
    for (size_t i = 0; i < checks.count; i++) {
        const struct check *check = &checks.check[i];
        const bool stays = strstr(check->quantity, "agrees") || strstr(check->quantity, "1/3");
        cr_expect(check->verdict == (stays ? VERDICT_CONFIRMED : VERDICT_REFUTED), "%s", check->quantity);
    }
    checks_free(&checks);
    plant(&results->cell[3], METRIC_X1, 0, 0.5); /* into the middle third */
    checks = judge(results, 0);
    cr_expect(checks.check[checks.count - 1].verdict == VERDICT_REFUTED);
    checks_free(&checks);
    law_results_close(results);
    close_scene(&scene);
}
