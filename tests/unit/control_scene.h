/* Negative controls: an experiment whose law sees what the text says, while what runs is changed by a fault. */
#ifndef SGDLAB_TEST_CONTROL_SCENE_H
#define SGDLAB_TEST_CONTROL_SCENE_H

#include <criterion/criterion.h>
#include <gsl/gsl_errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "group.h"
#include "laws/law_input.h"
#include "stats.h"

/* Verdicts are those of a suite of so many checks. */
enum { SUITE_CHECKS = 1000 };

struct control {
    const char *text;                      /* one experiment with one law */
    const char *quantity;                  /* the checks that must catch the fault have this in their quantity */
    void (*fault)(struct run_config *run); /* changes what runs; NULL: nothing */
    /* fills the cell's results; NULL: the program's own way */
    void (*simulate)(struct law_cell *cell, const struct run_config *run, const struct control *control);
    bool faulty;               /* for simulate */
    uint64_t seed, replicates; /* of the text */
};

static inline void must(enum status status, const struct error *error)
{
    char text[2048];
    cr_assert(status == STATUS_OK, "%s", error_text(error, text, sizeof text));
}

static inline void *zeroed(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    cr_assert_not_null(memory);
    return memory;
}

/* ---- results of a cell ---- */

static inline struct law_curve *curve_open(const struct law_cell *cell, size_t groups)
{
    struct law_curve *curve = zeroed(1, sizeof *curve);
    *curve = (struct law_curve){.points = cell->points, .step = cell->step};
    curve->count = zeroed(cell->points, sizeof *curve->count);
    curve->mean = zeroed(cell->points, sizeof *curve->mean);
    curve->variance = zeroed(cell->points, sizeof *curve->variance);
    curve->se = zeroed(cell->points, sizeof *curve->se);
    curve->group_mean = zeroed(groups * cell->points, sizeof *curve->group_mean);
    curve->group_count = zeroed(groups, sizeof *curve->group_count);
    return curve;
}

static inline void curve_add(struct law_curve *curve, struct moments *total, const struct moments *group)
{
    for (size_t p = 0; p < curve->points; p++) {
        curve->group_mean[curve->groups * curve->points + p] = group[p].mean;
        moments_merge(&total[p], &group[p]);
    }
    curve->group_count[curve->groups++] = group[0].count;
    curve->chains += group[0].count;
}

static inline void curve_finish(struct law_curve *curve, const struct moments *total)
{
    for (size_t p = 0; p < curve->points; p++) {
        const double count = (double)total[p].count;
        curve->count[p] = total[p].count;
        curve->mean[p] = total[p].mean;
        curve->variance[p] = total[p].m2 / (count - 1);
        curve->se[p] = sqrt(curve->variance[p] / count);
    }
}

/* Chains of a training cell, in groups as under keep: moments. */
static inline void run_chains(struct law_cell *cell, const struct run_config *run, uint64_t seed, uint64_t replicates)
{
    const struct run_request request = {.config = run, .seed = seed};
    const size_t groups = (size_t)(replicates + GROUP_CHAINS - 1) / GROUP_CHAINS, points = cell->points;
    struct moments *total[METRIC_COUNT] = {0}, *group = zeroed(points, sizeof *group);
    struct group_block *block;
    const struct group_result *result;
    struct error error;
    must(group_block_open(&request, 1, LAYOUT_STREAM_PER_LANE, &block, &error), &error);
    for (uint64_t first = 0; first < replicates; first += GROUP_CHAINS) {
        const uint64_t left = replicates - first, chains = left < GROUP_CHAINS ? left : GROUP_CHAINS;
        must(group_block_run(block, first, chains, NULL, &result, &error), &error);
        cr_assert(result->diverged == 0);
        for (size_t m = 0; m < METRIC_COUNT; m++) {
            const double *value = result->metric[m];
            if (!value)
                continue;
            if (!total[m]) {
                total[m] = zeroed(points, sizeof *total[m]);
                cell->curve[m] = curve_open(cell, groups);
            }
            for (size_t p = 0; p < points; p++)
                group[p] = (struct moments){result->count[p], value[p], value[points + p], value[2 * points + p],
                                            value[3 * points + p]};
            curve_add(cell->curve[m], total[m], group);
        }
        cell->chains += chains;
    }
    for (size_t m = 0; m < METRIC_COUNT; m++)
        if (cell->curve[m])
            curve_finish(cell->curve[m], total[m]);
    for (size_t m = 0; m < METRIC_COUNT; m++)
        free(total[m]);
    free(group);
    group_block_close(block);
}

static inline void run_estimator(struct law_cell *cell, const struct run_config *run, uint64_t seed)
{
    const struct run_request request = {.config = run, .seed = seed};
    struct error error;
    cell->estimator = zeroed(1, sizeof *cell->estimator);
    must(estimator_run(&request, NULL, cell->estimator, &error), &error);
    cell->chains = 1;
}

/* ---- verdicts ---- */

struct tally {
    size_t checks, caught, confirmed, told; /* checks that the control names; refuted, confirmed; confirmed of all */
    size_t all;
    uint64_t replicates;
    struct check check; /* the first that the control names */
};

static inline struct tally judge(const struct control *control)
{
    struct law_results *results;
    struct law_input input;
    struct check_list checks = {0};
    struct law_figure figure = {0};
    struct tally tally = {0};
    struct error error;
    gsl_set_error_handler_off();
    struct sweep *sweep;
    must(sweep_open("control.yaml", &(struct sweep_options){.text = control->text, .replicates = -1}, &sweep, &error),
         &error);
    must(law_results_plan(sweep, &results, &error), &error);
    for (size_t i = 0; i < results->cell_count; i++) {
        struct law_cell *cell = &results->cell[i];
        struct run_config run = cell->config;
        struct control at = *control;
        at.seed = results->seed;
        at.replicates = results->replicates;
        if (control->fault)
            control->fault(&run);
        if (control->simulate)
            control->simulate(cell, &run, &at);
        else if (run.kind == KIND_ESTIMATOR)
            run_estimator(cell, &run, results->seed);
        else
            run_chains(cell, &run, results->seed, results->replicates);
    }
    results->planned = false;
    must(law_input_make(results, 0, &input, &error), &error);
    must(sweep_law(sweep, 0)->type->evaluate(&input, &checks, &figure, &error), &error);
    checks_decide(checks.check, checks.count, SUITE_CHECKS);
    for (size_t i = 0; i < checks.count; i++) {
        const struct check *check = &checks.check[i];
        tally.told += check->verdict == VERDICT_CONFIRMED;
        tally.all++;
        if (!strstr(check->quantity, control->quantity))
            continue;
        if (tally.checks++ == 0)
            tally.check = *check;
        tally.caught += check->verdict == VERDICT_REFUTED;
        tally.confirmed += check->verdict == VERDICT_CONFIRMED;
    }
    law_figure_free(&figure);
    checks_free(&checks);
    free(input.cell);
    law_results_close(results);
    sweep_close(sweep);
    return tally;
}

/* The fault is caught by all checks that the control names; without it every check of the law is confirmed. */
static inline void expect_control(const char *name, struct control control)
{
    const struct tally bad = judge(&control);
    control.fault = NULL;
    control.faulty = false;
    const struct tally good = judge(&control);
    cr_expect(bad.checks > 0 && bad.caught == bad.checks, "%s: %zu of %zu checks refuted; %s: theta %g, [%g, %g]", name,
              bad.caught, bad.checks, bad.check.quantity, bad.check.theta, bad.check.ci_low, bad.check.ci_high);
    cr_expect(good.told == good.all, "%s, without the fault: %zu of %zu checks confirmed; %s: theta %g, [%g, %g]", name,
              good.told, good.all, good.check.quantity, good.check.theta, good.check.ci_low, good.check.ci_high);
    cr_log_info("%s | %s, %s | %llu | %.4g, predicted %.4g | %zu of %zu refuted | without: %zu of %zu confirmed\n",
                name, bad.check.instance, bad.check.quantity, (unsigned long long)bad.check.replicates,
                bad.check.measured, bad.check.predicted, bad.caught, bad.checks, good.told, good.all);
}

#endif
