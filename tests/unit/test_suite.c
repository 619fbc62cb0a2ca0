/* The suite: verdicts of true laws and of a false claim, over all experiments of a store; its tables; power. */
#include <math.h>

#include "law_scene.h"

#define FROZEN                                                                                                         \
    "kind: estimator\n"                                                                                                \
    "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 64, d: 3}}\n"                         \
    "at: {type: optimum_gaussian, scale: 1}\nindependent_over: [sampling, batch_size]\n"                               \
    "sweep: {sampling: [with_replacement, subset], batch_size: [2, 8, n/2, n]}\nmargins: {value: 0.1, slope: 0.05}\n"
#define MANY "draws: 60000\n"

/* 8 + 8 checks of L1; 7 traces, 7 directions, one of rounding and 2 slopes of L2. */
static const char both[] = FROZEN MANY "laws: [{law: variance}, {law: unbiased}]\n";
enum { UNBIASED = 8, VARIANCE = 17 };

static struct suite *evaluate(struct scene *scene)
{
    struct suite *suite;
    struct error error;
    must(suite_evaluate(scene->store, NULL, &suite, &error), &error);
    return suite;
}

Test(suite, true_laws_are_confirmed)
{
    struct scene scene = open_scene();
    run_experiment(&scene, "frozen", both);
    struct suite *suite = evaluate(&scene);
    cr_assert(suite->law_count == 2 && suite->experiment_count == 1 && suite->checks.count == UNBIASED + VARIANCE);
    cr_expect(suite->law[0].count == VARIANCE && suite->law[1].count == UNBIASED);
    for (size_t i = 0; i < 2; i++) {
        const struct suite_law *law = &suite->law[i];
        cr_expect(law->agreement == AGREES_YES && law->agree[AGREES_YES] == law->count && !law->failure);
        cr_expect(law->telling >= law->first && law->telling < law->first + law->count);
        cr_expect(law->figure.count > 0);
    }
    cr_expect_str_eq(suite->law[0].figure_name, "law_variance");
    size_t order[2], p_values = 0;
    suite_order(suite, order);
    cr_expect(order[0] == 1 && order[1] == 0); /* L1 before L2 */
    for (size_t i = 0; i < suite->checks.count; i++) {
        const struct check *check = &suite->checks.check[i];
        const double p = suite_p_value(check);
        cr_expect(fabs(check->alpha - 0.01 / (UNBIASED + VARIANCE)) < 1e-15);
        cr_expect(check->margin == 0.1 || check->margin == 0.05 || check->margin < 1e-20);
        cr_expect(isnan(p) || (p >= 0 && p <= 1));
        p_values += !isnan(p);
    }
    cr_expect(p_values == 7 + 7 + 2, "%zu", p_values); /* L1 but the whole batch, traces, slopes */
    suite_close(suite);
    close_scene(&scene);
}

Test(suite, a_false_claim_is_refuted_and_N_is_that_of_all_experiments)
{
    struct scene scene = open_scene();
    run_experiment(&scene, "frozen", both);
    run_experiment(&scene, "plain",
                   FROZEN MANY "laws:\n"
                               "  - {law: variance, correction: none, where: {sampling: subset, batch_size: n/2}}\n"
                               "  - {law: variance, correction: none, where: {sampling: subset, batch_size: n/2},\n"
                               "     expect: refuted, note: half the samples, instance: plain}\n");
    struct suite *suite = evaluate(&scene);
    cr_assert(suite->law_count == 4 && suite->checks.count == UNBIASED + VARIANCE + 4);
    const struct suite_law *wrong = &suite->law[2], *expected = &suite->law[3];
    cr_expect(wrong->agreement == AGREES_NO && wrong->agree[AGREES_NO] == 2);
    cr_expect(expected->agreement == AGREES_YES && expected->agree[AGREES_YES] == 2);
    cr_expect_str_eq(wrong->figure_name, "law_variance");
    cr_expect_str_eq(expected->figure_name, "law_variance-2");
    const struct check *check = &suite->checks.check[expected->first];
    cr_expect(check->verdict == VERDICT_REFUTED && check->expected == VERDICT_REFUTED);
    cr_expect(fabs(check->theta - log(32.0 / 63)) < 0.05, "%g", check->theta);
    cr_expect(strncmp(check->instance, "plain: ", 7) == 0);
    cr_expect_str_eq(check->note, "half the samples");
    for (size_t i = 0; i < suite->checks.count; i++)
        cr_expect(fabs(suite->checks.check[i].alpha - 0.01 / (double)suite->checks.count) < 1e-15);
    suite_close(suite);
    close_scene(&scene);
}

Test(suite, few_draws_are_underpowered_not_wrong)
{
    struct scene scene = open_scene();
    run_experiment(&scene, "frozen", FROZEN "draws: 50\nlaws: [{law: variance, where: {batch_size: [2, 8]}}]\n");
    struct suite *suite = evaluate(&scene);
    cr_assert(suite->law_count == 1);
    cr_expect(suite->law[0].agreement == AGREES_UNDERPOWERED && suite->law[0].agree[AGREES_NO] == 0);
    const struct check *check = &suite->checks.check[suite->law[0].telling];
    cr_expect(check->underpowered && check->replicates_needed > (double)check->replicates);
    suite_close(suite);
    close_scene(&scene);
}

Test(suite, what_cannot_be_evaluated_is_told)
{
    struct scene scene = open_scene();
    run_experiment(&scene, "training",
                   "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 40, d: 3}}\n"
                   "budget: {steps: 5}\nschedule: {type: constant, rate: 0.05}\nlaws: {law: variance}\n");
    run_experiment(&scene, "frozen", FROZEN "draws: 50\nreplicates: 1\nlaws: {law: variance}\n");
    plan_experiment(&scene, "frozen", FROZEN "draws: 50\nlaws: {law: variance}\n", 3);
    struct suite *suite = evaluate(&scene);
    cr_assert(suite->experiment_count == 2 && suite->law_count == 1);
    cr_expect(suite->experiment[0].wanted == 24 && suite->experiment[0].there == 8); /* unfinished: no verdict */
    cr_assert_not_null(suite->law[0].failure);
    cr_expect(strstr(suite->law[0].failure, "kind: estimator") != NULL);
    cr_expect(suite->law[0].agreement == AGREES_NO && suite->law[0].count == 0 && suite->checks.count == 0);
    suite_close(suite);
    close_scene(&scene);
}

static char *read_file(const char *dir, const char *name)
{
    char path[256], *text = NULL;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "r");
    size_t capacity = 0;
    cr_assert_not_null(file, "%s", path);
    cr_assert(getdelim(&text, &capacity, '\0', file) > 0);
    fclose(file);
    return text;
}

Test(suite, exports_tables_and_figures)
{
    static const char header[] = "experiment,law,instance,quantity,predicted,measured,se,ci_low,ci_high,margin,alpha,"
                                 "verdict,expected,agrees,replicates,note\r\n";
    struct scene scene = open_scene();
    struct error error;
    run_experiment(&scene, "frozen", both);
    struct suite *suite = evaluate(&scene);
    must(suite_export(suite, scene.dir, NULL, &error), &error);
    char *all = read_file(scene.dir, "laws.csv"), *one = read_file(scene.dir, "frozen/laws.csv");
    cr_expect(strncmp(all, header, strlen(header)) == 0);
    cr_expect_str_eq(all, one); /* there is one experiment */
    size_t lines = 0;
    for (const char *at = all; (at = strchr(at, '\n')); at++)
        lines++;
    cr_expect(lines == 1 + suite->checks.count);
    cr_expect(strstr(all, ",confirmed,confirmed,yes,60000,") != NULL);
    free(all);
    free(one);
    static const char *const files[] = {"frozen/law_variance.gp", "frozen/law_variance.csv", "frozen/law_unbiased.gp",
                                        "laws_qq.gp", "laws_qq.csv"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        free(read_file(scene.dir, files[i]));
    suite_close(suite);
    close_scene(&scene);
}

Test(suite, power_before_the_run_foretells_the_noise_after_it)
{
    struct scene scene = open_scene();
    struct suite *before, *after;
    struct error error;
    struct sweep *sweep = open_experiment("frozen", both, -1);
    must(suite_plan(&sweep, 1, &before, &error), &error);
    run_experiment(&scene, "frozen", both);
    after = evaluate(&scene);
    cr_assert(before->checks.count == after->checks.count && before->planned);
    for (size_t i = 0; i < before->checks.count; i++) {
        const struct check *a = &before->checks.check[i], *b = &after->checks.check[i];
        const double planned = a->kind == CHECK_P_VALUE ? a->effect_se : a->se;
        const double found = b->kind == CHECK_P_VALUE ? b->effect_se : b->se;
        cr_expect_str_eq(a->quantity, b->quantity);
        cr_expect(a->replicates == b->replicates);
        cr_expect(isnan(a->measured));
        if (a->kind == CHECK_EXACT)
            continue;
        cr_expect(planned > found / 2 && planned < 2 * found, "%s: %g, then %g", a->quantity, planned, found);
        cr_expect(suite_power(before, a) > 0.9);
        cr_expect(suite_replicates_needed(before, a) > 0);
    }
    suite_close(before);
    suite_close(after);
    sweep_close(sweep);
    close_scene(&scene);
}
