/* For the tests of laws about rates: problems and cells from the text of an experiment, a law evaluated on results that
 * may have been tampered with. */
#ifndef SGDLAB_TEST_RATE_SCENE_H
#define SGDLAB_TEST_RATE_SCENE_H

#include <math.h>

#include "law_scene.h"

/* Cell 0 of an experiment with its reference solved; the sweep stays open. */
static inline struct run_config only_cell(const char *text, struct sweep **sweep)
{
    struct run_config config;
    struct error error;
    gsl_set_error_handler_off();
    *sweep = open_experiment("cell", text, -1);
    must(sweep_solve_references(*sweep, &error), &error);
    must(sweep_cell(*sweep, 0, &config, &error), &error);
    return config;
}

/* Evaluates entry `law` of the results and decides its checks as those of a suite of `total`. */
static inline struct check_list evaluate_law(const struct law_results *results, size_t law, size_t total,
                                             size_t *panels)
{
    struct law_input input;
    struct check_list checks = {0};
    struct law_figure figure = {0};
    struct error error;
    must(law_input_make(results, law, &input, &error), &error);
    must(sweep_law(results->sweep, law)->type->evaluate(&input, &checks, &figure, &error), &error);
    checks_decide(checks.check, checks.count, total);
    if (panels)
        *panels = figure.count;
    law_figure_free(&figure);
    free(input.cell);
    return checks;
}

/* Number of checks of that verdict. */
static inline size_t count_verdict(const struct check_list *checks, enum verdict verdict)
{
    size_t count = 0;
    for (size_t i = 0; i < checks->count; i++)
        count += checks->check[i].verdict == verdict;
    return count;
}

static inline void expect_all(const struct check_list *checks, enum verdict verdict)
{
    for (size_t i = 0; i < checks->count; i++) {
        const struct check *c = &checks->check[i];
        cr_expect(c->verdict == verdict, "%s: %s, %s: %g against %g, %g .. %g", verdict_name(c->verdict), c->quantity,
                  c->instance, c->measured, c->predicted, c->ci_low, c->ci_high);
    }
}

/* Multiplies the curves of a metric by factor x^power, x = step + shift, standard errors included. */
static inline void tamper(struct law_results *results, enum metric metric, double factor, double power, double shift)
{
    for (size_t i = 0; i < results->cell_count; i++) {
        struct law_curve *curve = results->cell[i].curve[metric];
        cr_assert_not_null(curve);
        for (size_t p = 0; p < curve->points; p++) {
            const double f = factor * pow((double)curve->step[p] + shift, power);
            curve->mean[p] *= f;
            curve->se[p] *= f;
            for (size_t g = 0; g < curve->groups; g++)
                curve->group_mean[g * curve->points + p] *= f;
        }
    }
}

/* The law says STATUS_USAGE or another error, with that text. */
static inline void expect_refusal(const char *text, enum status expected, const char *words)
{
    struct law_results *results;
    struct law_input input;
    struct check_list checks = {0};
    struct law_figure figure = {0};
    struct error error = {0};
    gsl_set_error_handler_off();
    struct sweep *sweep = open_experiment("refused", text, -1);
    must(law_results_plan(sweep, &results, &error), &error);
    must(law_input_make(results, 0, &input, &error), &error);
    const enum status status = sweep_law(sweep, 0)->type->evaluate(&input, &checks, &figure, &error);
    cr_expect(status == expected && strstr(error.message, words), "%d: %s", (int)status, error.message);
    checks_free(&checks);
    law_figure_free(&figure);
    free(input.cell);
    law_results_close(results);
    sweep_close(sweep);
}

/* The plan emits the checks that the run will, without measurements, with standard errors near those found. */
static inline void expect_plan(const char *text, const struct check_list *found)
{
    struct law_results *results;
    struct error error;
    struct sweep *sweep = open_experiment("planned", text, -1);
    must(law_results_plan(sweep, &results, &error), &error);
    struct check_list planned = evaluate_law(results, 0, 100, NULL);
    cr_assert(planned.count == found->count, "%zu, %zu", planned.count, found->count);
    for (size_t i = 0; i < planned.count; i++) {
        const struct check *a = &planned.check[i], *b = &found->check[i];
        cr_expect(isnan(a->measured));
        cr_expect_str_eq(a->quantity, b->quantity);
        if (b->kind != CHECK_DIFFERENCE) /* theory's slope depends on the weights */
            cr_expect(fabs(a->predicted - b->predicted) <= 1e-12 * fabs(b->predicted));
        cr_expect(a->se >= b->se / 2 && a->se <= b->se * 2, "%s: %g, %g", a->quantity, a->se, b->se);
    }
    checks_free(&planned);
    law_results_close(results);
    sweep_close(sweep);
}

#endif
