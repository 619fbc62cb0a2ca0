/* For the tests of laws: an experiment is run, the law judges it, then errors are planted into what was measured. */
#ifndef SGDLAB_TEST_LAW_VERDICTS_H
#define SGDLAB_TEST_LAW_VERDICTS_H

#include <math.h>

#include "law_scene.h"

/* The checks of one entry of the experiment's laws, decided among themselves. */
static inline struct check_list judge(const struct law_results *results, size_t entry)
{
    struct law_input input;
    struct law_figure figure = {0};
    struct check_list checks = {0};
    struct error error;
    must(law_input_make(results, entry, &input, &error), &error);
    must(sweep_law(results->sweep, entry)->type->evaluate(&input, &checks, &figure, &error), &error);
    cr_expect(results->planned == (figure.count == 0));
    checks_decide(checks.check, checks.count, checks.count);
    law_figure_free(&figure);
    free(input.cell);
    return checks;
}

/* Moves the metric of one cell: v -> about + factor (v - about). */
static inline void plant(struct law_cell *cell, enum metric metric, double about, double factor)
{
    struct law_curve *curve = cell->curve[metric];
    cr_assert_not_null(curve);
    for (size_t p = 0; p < curve->points; p++) {
        curve->mean[p] = about + factor * (curve->mean[p] - about);
        curve->se[p] *= factor;
        curve->variance[p] *= factor * factor;
    }
    for (size_t i = 0; i < curve->groups * curve->points; i++)
        curve->group_mean[i] = about + factor * (curve->group_mean[i] - about);
}

static inline void expect_all(const struct check_list *checks, enum verdict verdict, const char *what)
{
    cr_expect(checks->count > 0);
    for (size_t i = 0; i < checks->count; i++)
        cr_expect(checks->check[i].verdict == verdict, "%s: %s, %s: %s (%g against %g, se %g)", what,
                  checks->check[i].instance, checks->check[i].quantity, verdict_name(checks->check[i].verdict),
                  checks->check[i].measured, checks->check[i].predicted, checks->check[i].se);
}

/* The plan of the same text has the same checks, without measurements and with standard errors like the real ones. */
static inline void expect_same_plan(const char *text, size_t entry, const struct check_list *measured)
{
    struct error error;
    struct law_results *results;
    struct sweep *sweep = open_experiment("planned", text, -1);
    must(law_results_plan(sweep, &results, &error), &error);
    struct check_list planned = judge(results, entry);
    cr_assert(planned.count == measured->count);
    for (size_t i = 0; i < planned.count; i++) {
        const struct check *a = &planned.check[i], *b = &measured->check[i];
        cr_expect_str_eq(a->instance, b->instance);
        cr_expect(a->kind == b->kind && a->margin == b->margin);
        /* a slope's prediction has the weights of the measurements */
        cr_expect(fabs(a->predicted - b->predicted) <=
                  (strstr(b->quantity, "slope") ? 1e-3 : 1e-12) * fabs(b->predicted));
        cr_expect(isnan(a->measured) || a->kind == CHECK_EXACT);
        if (b->se > 0)
            cr_expect(a->se < 6 * b->se && a->se > b->se / 6, "%s: se %g planned, %g measured", a->quantity, a->se,
                      b->se);
    }
    checks_free(&planned);
    law_results_close(results);
    sweep_close(sweep);
}

#endif
