/* For the tests of laws about mean curves: what a law says about made-up results, exact ones with noise or with a
 * fault.
 */
#ifndef SGDLAB_TEST_LAW_CURVE_SCENE_H
#define SGDLAB_TEST_LAW_CURVE_SCENE_H

#include <gsl/gsl_randist.h>
#include <math.h>

#include "law_scene.h"
#include "laws/law_exact.h"
#include "laws/law_input.h"

/* One entry of an experiment's laws, judged. Results come from `fill`, which gives the curve of one cell and metric. */
struct trial {
    struct sweep *sweep;
    struct law_results *results;
    struct law_input input;
    const struct law_type *law;
    struct check_list checks;
    struct law_figure figure;
    struct law_curve *curve; /* [cells] */
    gsl_rng *rng;
};

static inline struct trial open_trial(const char *text, size_t entry)
{
    struct trial t = {.sweep = open_experiment("trial", text, -1)};
    struct error error;
    const struct rng_stream stream = rng_stream(1, RNG_TEST, 5, 0);
    gsl_set_error_handler_off();
    t.rng = rng_gsl_open(&stream);
    must(law_results_plan(t.sweep, &t.results, &error), &error);
    must(law_input_make(t.results, entry, &t.input, &error), &error);
    t.law = sweep_law(t.sweep, entry)->type;
    t.curve = calloc(t.input.cell_count, sizeof *t.curve);
    cr_assert(t.rng && t.curve && t.input.cell_count > 0);
    return t;
}

/* Results for every cell: value[groups][points] of one metric; each group counts as one chain. */
static inline void fill_trial(struct trial *t, enum metric metric, size_t groups,
                              void (*fill)(struct trial *t, const struct law_cell *cell, size_t groups, double *value))
{
    t->input.planned = false;
    for (size_t i = 0; i < t->input.cell_count; i++) {
        struct law_cell *cell = &t->input.cell[i];
        struct law_curve *c = &t->curve[i];
        const size_t points = cell->points;
        *c = (struct law_curve){.points = points, .groups = groups, .chains = groups, .step = cell->step};
        c->count = calloc(points, sizeof *c->count);
        c->mean = calloc(3 * points, sizeof *c->mean);
        c->variance = c->mean + points;
        c->se = c->variance + points;
        c->group_mean = calloc(groups * points, sizeof *c->group_mean);
        c->group_count = calloc(groups, sizeof *c->group_count);
        cr_assert(c->count && c->mean && c->group_mean && c->group_count);
        fill(t, cell, groups, c->group_mean);
        for (size_t p = 0; p < points; p++) {
            struct moments m = {0};
            for (size_t g = 0; g < groups; g++)
                if (!isnan(c->group_mean[g * points + p]))
                    moments_add(&m, c->group_mean[g * points + p]);
            c->count[p] = m.count;
            c->mean[p] = m.mean;
            c->variance[p] = m.m2 / (double)(m.count - 1);
            c->se[p] = sqrt(c->variance[p] / (double)m.count);
        }
        cell->chains = groups;
        cell->curve[metric] = c;
    }
}

static inline enum status try_trial(struct trial *t, struct error *error)
{
    t->checks.count = 0;
    law_figure_free(&t->figure);
    t->figure = (struct law_figure){0};
    const enum status status = t->law->evaluate(&t->input, &t->checks, &t->figure, error);
    checks_decide(t->checks.check, t->checks.count, 1000); /* as in the whole suite */
    return status;
}

static inline void judge_trial(struct trial *t)
{
    struct error error;
    must(try_trial(t, &error), &error);
    cr_assert(t->checks.count > 0);
}

static inline void close_trial(struct trial *t)
{
    for (size_t i = 0; i < t->input.cell_count; i++) {
        free(t->curve[i].count);
        free(t->curve[i].mean);
        free(t->curve[i].group_mean);
        free(t->curve[i].group_count);
    }
    free(t->curve);
    checks_free(&t->checks);
    law_figure_free(&t->figure);
    free(t->input.cell);
    gsl_rng_free(t->rng);
    law_results_close(t->results);
    sweep_close(t->sweep);
}

static inline size_t count_verdicts(const struct trial *t, enum verdict verdict)
{
    size_t count = 0;
    for (size_t i = 0; i < t->checks.count; i++)
        count += t->checks.check[i].verdict == verdict;
    return count;
}

static inline void expect_all(const struct trial *t, enum verdict verdict)
{
    for (size_t i = 0; i < t->checks.count; i++) {
        const struct check *c = &t->checks.check[i];
        cr_expect(c->verdict == verdict, "%s; %s: %s, predicted %g, measured %g, se %g", c->quantity, c->instance,
                  verdict_name(c->verdict), c->predicted, c->measured, c->se);
    }
}

/* Before the run: as many checks, without measurements, with the standard errors to expect; nothing is drawn. */
static inline void expect_plan(struct trial *t, size_t checks)
{
    judge_trial(t);
    cr_expect(t->checks.count == checks && t->figure.count == 0, "%zu", t->checks.count);
    for (size_t i = 0; i < t->checks.count; i++) {
        const struct check *c = &t->checks.check[i];
        cr_expect(isfinite(c->predicted), "%s", c->instance);
        cr_expect(c->kind == CHECK_EXACT ||
                      (isnan(c->measured) && c->se > 0 && isfinite(c->se) && c->replicates == t->input.replicates),
                  "%s: se %g", c->instance, c->se);
    }
}

/* The figure has panels with finite values, and is written. */
static inline void expect_figure(const struct trial *t, size_t panels)
{
    struct error error;
    cr_expect(t->figure.count == panels, "%zu", t->figure.count);
    for (size_t p = 0; p < t->figure.count; p++)
        cr_expect(t->figure.panel[p].count > 0);
    must(law_figure_write(&t->figure, ".", t->law->method.name, &error), &error);
}

static inline void expect_refusal(const char *text, const char *reason)
{
    struct trial t = open_trial(text, 0);
    struct error error = {0};
    cr_expect(try_trial(&t, &error) == STATUS_USAGE);
    cr_expect(strstr(error.message, reason) != NULL, "%s", error.message);
    close_trial(&t);
}

/* ---- gaps that are exact on average ---- */

static double trial_fault, trial_spread; /* every mean is off by the factor exp(fault); relative sd of a group */

static inline void exact_gaps(struct trial *t, const struct law_cell *cell, size_t groups, double *value)
{
    struct exact_run run;
    struct error error;
    double *gap = calloc(cell->points, sizeof *gap);
    must(exact_run_make(&cell->config, &run, &error), &error);
    must(exact_gap(&run, cell->points, cell->step, gap, NULL, &error), &error);
    for (size_t g = 0; g < groups; g++)
        for (size_t p = 0; p < cell->points; p++) {
            const double noise = cell->step[p] ? gsl_ran_gaussian(t->rng, trial_spread) : 0;
            value[g * cell->points + p] = gap[p] * exp(trial_fault) * (1 + noise);
        }
    free(gap);
    exact_run_free(&run);
}

#endif
