/* L4. O(1/sqrt T) on convex problems: with a fixed horizon T and eta = c/sqrt T, the mean R_T of the gaps before step T
 * falls as 1/sqrt T, R_T <= D^2/(2 eta T) + eta G^2/2 (Nemirovski, Juditsky, Lan, Shapiro, SIAM J. Optim. 19, 2009, eq.
 * 2.20). Every budget is a cell of its own.
 *
 * What is predicted is read off the problem. Least squares: the moment recursion. Linear losses with l2 (mean
 * estimation): closed formulas. One dimension on a ball with gradients of one size: the distribution of the iterates,
 * step by step. All others: the bound alone. Linear losses on an interval also have a lower bound, which holds for any
 * algorithm that is not told the sign. */
#include <gsl/gsl_math.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "laws/exact_chain.h"
#include "laws/law_exact.h"
#include "laws/law_rate.h"

/* What theory says of one cell. */
struct prediction {
    double mean, last;             /* R_T and E gap_T; NaN: nothing */
    double mean_limit, last_limit; /* their sqrt T fold in the limit; NaN: not known */
    double low, high;              /* bounds of R_T; NaN: none */
};

enum { MEAN, LAST, TRACKS };
struct group {
    const struct law_cell *first;
    double c;
    struct rate_track track[TRACKS];
};

static double c_of(const struct law_cell *cell)
{
    return cell->config.schedule.values.scalar[0];
}

/* ---- predictions ---- */

static enum status least_squares(const struct law_cell *cell, double c, struct prediction *out, struct error *error)
{
    struct exact_run run = {0};
    struct oracle_state *state = NULL;
    enum status status = exact_run_make(&cell->config, &run, error);
    if (status == STATUS_OK)
        status = oracle_state_open(run.oracle, run.kappa, run.e0, false, &state, error);
    if (status == STATUS_OK) {
        double sum = 0, trace = 0;
        for (uint64_t t = 0; t < run.steps; t++) {
            sum += oracle_gap(state);
            oracle_step(state, run.eta[t]);
        }
        for (size_t j = 0; j < run.oracle->d; j++)
            trace += run.oracle->c[j * run.oracle->d + j];
        double distance2 = 0;
        for (size_t j = 0; j < run.oracle->d; j++)
            distance2 += gsl_pow_2(run.e0[j]);
        out->mean = sum / (double)run.steps;
        out->last = oracle_gap(state);
        out->last_limit = c * run.kappa * trace / 4;
        out->mean_limit = distance2 / (4 * c) + out->last_limit;
    }
    oracle_state_close(state);
    exact_run_free(&run);
    return status;
}

/* D^2/(2 eta T) + eta G^2/2, with or without a ball; linear losses on an interval: what no algorithm falls below. */
static void convex_bounds(const struct law_cell *cell, const double *x0, double c, struct prediction *out)
{
    const struct problem *problem = &cell->config.problem;
    const double square = gradient_square_bound(problem), root = sqrt((double)cell->config.steps);
    double distance2 = 0;
    if (!isfinite(square))
        return;
    for (size_t j = 0; j < cell->columns.d; j++)
        distance2 += gsl_pow_2(x0[j] - cell->config.reference->x[j]);
    out->high = (distance2 / (2 * c) + c * square / 2) / root;
    if (strcmp(problem->type->method.name, "linear") == 0 && cell->columns.d == 1 && isfinite(problem->radius) &&
        cell->columns.batch_size == 1)
        out->low = two_point_constant() * problem->radius * sqrt(square) / root;
}

static enum status predict(const struct law_cell *cell, double c, struct prediction *out, struct error *error)
{
    const struct problem *problem = &cell->config.problem;
    const size_t d = cell->columns.d;
    const double eta = c / sqrt((double)cell->config.steps);
    struct mean_estimation mean;
    *out = (struct prediction){NAN, NAN, NAN, NAN, NAN, NAN};
    double *x0 = calloc(d, sizeof *x0);
    if (!x0)
        return error_memory(error, d * sizeof *x0, "a start");
    enum status status = rate_start(cell, x0, error);
    if (status != STATUS_OK) {
        free(x0);
        return status;
    }
    convex_bounds(cell, x0, c, out);
    if (problem->type->quadratic && problem->l1 <= 0 && !isfinite(problem->radius)) {
        status = least_squares(cell, c, out, error);
    } else if (mean_estimation_open(problem, x0, &mean, NULL) == STATUS_OK) {
        const double kappa = rate_kappa(cell);
        mean_estimation_gaps(&mean, kappa, eta, cell->config.steps, &out->last, &out->mean);
        out->last_limit = c * kappa * mean.noise / 4;
        out->mean_limit = mean.distance2 / (4 * c) + out->last_limit;
    } else if (d == 1 && cell->columns.batch_size == 1 && !cell->config.sampler->deterministic) {
        status = lattice_gaps(problem, cell->config.reference->f, x0[0], eta, cell->config.steps, &out->last,
                              &out->mean, NULL, error);
    } else if (isnan(out->high)) {
        status = error_set(error, STATUS_USAGE,
                           "this law speaks of least squares, of linear losses with l2, and of losses of bounded slope "
                           "without penalty; not of %s",
                           cell->columns.problem);
    }
    free(x0);
    return status;
}

/* ---- groups ---- */

static bool same_group(const struct law_cell *a, const struct law_cell *b)
{
    return a->config.problem.type == b->config.problem.type && c_of(a) == c_of(b) &&
           strcmp(a->config.problem.data->name, b->config.problem.data->name) == 0 &&
           a->config.sampler == b->config.sampler && a->columns.batch_size == b->columns.batch_size;
}

static enum status open_group(const struct law_input *input, const struct law_cell *cell, struct group *group,
                              struct error *error)
{
    static const char *const quantity[TRACKS] = {"R_T", "E gap_T"};
    enum status status = STATUS_OK;
    group->first = cell;
    group->c = c_of(cell);
    for (int k = 0; status == STATUS_OK && k < TRACKS; k++) {
        struct rate_track *track = &group->track[k];
        status = rate_track_alloc(track, input->cell_count, error);
        track->power = -0.5;
        snprintf(track->quantity, sizeof track->quantity, "%s", quantity[k]);
        snprintf(track->label, sizeof track->label, "%s, c = %.4g", k == MEAN ? "running mean R_T" : "last iterate",
                 group->c);
        const size_t m = cell->columns.batch_size;
        char batch[32] = "";
        if (m > 1)
            snprintf(batch, sizeof batch, ", m = %zu", m);
        snprintf(track->instance, sizeof track->instance, "%.60s, c = %.4g%s", cell->config.problem.data->name,
                 group->c, batch);
    }
    return status;
}

static enum status add_cell(const struct law_input *input, const struct law_cell *cell, struct group *group,
                            struct error *error)
{
    static const enum metric metric[TRACKS] = {METRIC_MEAN_GAP, METRIC_GAP};
    struct prediction prediction;
    struct rate_curves curves;
    enum status status = rate_curves_open(input, cell, &curves, error);
    if (status == STATUS_OK && !curves.metric[METRIC_MEAN_GAP])
        status = error_set(error, STATUS_USAGE, "this law needs record.metrics with mean_gap, of the last iterate");
    if (status == STATUS_OK)
        status = predict(cell, group->c, &prediction, error);
    for (int k = 0; status == STATUS_OK && k < TRACKS; k++) {
        const struct law_curve *curve = curves.metric[metric[k]];
        if (!curve)
            continue;
        struct rate_track *track = &group->track[k];
        rate_track_point(track, (double)cell->config.steps, k == MEAN ? prediction.mean : prediction.last, curve,
                         curve->points - 1);
        track->limit = k == MEAN ? prediction.mean_limit : prediction.last_limit;
        if (k == MEAN) {
            track->low[track->count - 1] = prediction.low;
            track->high[track->count - 1] = prediction.high;
        }
    }
    rate_curves_close(&curves);
    return status;
}

static enum status read_cells(const struct law_input *input, struct group *group, size_t *count, struct error *error)
{
    enum status status = STATUS_OK;
    *count = 0;
    for (size_t i = 0; status == STATUS_OK && i < input->cell_count; i++) {
        const struct law_cell *cell = &input->cell[i];
        if (!cell->config.schedule.type || strcmp(cell->config.schedule.type->method.name, "fixed_horizon") != 0 ||
            cell->config.schedule.warmup > 0)
            return error_set(error, STATUS_USAGE, "this law needs schedule: {type: fixed_horizon, c: ...}");
        size_t g = 0;
        while (g < *count && !same_group(group[g].first, cell))
            g++;
        if (g == *count) {
            (*count)++;
            status = open_group(input, cell, &group[g], error);
        }
        if (status == STATUS_OK)
            status = add_cell(input, cell, &group[g], error);
    }
    return status;
}

/* ---- checks ---- */

/* No algorithm is better than the lower bound, and neither is SGD. */
static enum status check_lower(const struct law_input *input, const struct rate_track *track, struct check_list *checks,
                               struct error *error)
{
    const size_t k = track->count - 1;
    if (isnan(track->low[k]))
        return STATUS_OK;
    struct check check = {.kind = CHECK_BOUND,
                          .predicted = 1,
                          .measured = input->planned ? (double)NAN : track->low[k] / track->measured[k],
                          .se = track->se[k] / track->measured[k],
                          .margin = input->margin_value,
                          .replicates = track->chains};
    snprintf(check.instance, sizeof check.instance, "%s", track->instance);
    snprintf(check.quantity, sizeof check.quantity, "lower bound %.4g/sqrt T over R_T at T = %g, at most",
             track->low[k] * sqrt(track->x[k]), track->x[k]);
    return checks_add(checks, &check, error);
}

static enum status add_checks(const struct law_input *input, struct group *group, struct check_list *checks,
                              struct error *error)
{
    struct rate_track *mean = &group->track[MEAN], *last = &group->track[LAST];
    const bool exact = !isnan(mean->predicted[0]);
    enum status status = rate_check_values(input, mean, mean->count, checks, error);
    if (status == STATUS_OK)
        status = rate_check_bounds(input, mean, exact ? 1 : mean->count, checks, error);
    if (status == STATUS_OK)
        status = check_lower(input, mean, checks, error);
    if (status == STATUS_OK && exact)
        status = rate_check_slope(input, mean, false, checks, error);
    if (status == STATUS_OK && exact && last->count > 1) {
        status = rate_check_level(input, last, checks, error);
        if (status == STATUS_OK)
            status = rate_check_slope(input, last, false, checks, error);
    }
    return status;
}

/* ---- figure ---- */

/* A/c + B c through the bounds of the first and the last c. */
static void bound_curve(const double *c, const double *bound, size_t last, size_t count, double *x, double *y)
{
    const double down = (bound[last] * c[last] - bound[0] * c[0]) / (c[last] * c[last] - c[0] * c[0]);
    for (size_t i = 0; i < count; i++) {
        x[i] = c[0] * pow(c[last] / c[0], (double)i / (double)(count - 1));
        y[i] = (bound[0] - down * c[0]) * c[0] / x[i] + down * x[i];
    }
}

/* R_T sqrt T against c at the budget of the first cell: its smallest value is at c = D/G. */
static enum status constant_panel(struct law_figure *figure, const struct group *group, size_t count,
                                  struct error *error)
{
    enum { CURVE = 60 };
    char title[96];
    snprintf(title, sizeof title, "T = %.0f", group[0].track[MEAN].x[0]);
    struct panel *panel = law_figure_panel(figure, title, "c = η √T", "R_T √T");
    double *block = calloc(6 * count + 2 * CURVE, sizeof *block);
    if (!panel || !block) {
        free(block);
        return error_memory(error, sizeof *panel + (6 * count + 2 * CURVE) * sizeof *block, "a panel");
    }
    double *c = block, *mean = c + count, *low = mean + count, *high = low + count, *theory = high + count;
    double *bound = theory + count, *x = bound + count, *y = x + CURVE;
    size_t used = 0;
    panel->x_log = true;
    panel->y_min = 0;
    for (size_t g = 0; g < count; g++) {
        const struct rate_track *t = &group[g].track[MEAN];
        const double root = sqrt(t->x[0]);
        if (t->x[0] != group[0].track[MEAN].x[0])
            continue;
        c[used] = group[g].c;
        mean[used] = root * t->measured[0];
        low[used] = root * (t->measured[0] - 2 * t->se[0]);
        high[used] = root * (t->measured[0] + 2 * t->se[0]);
        bound[used] = root * t->high[0];
        theory[used++] = root * t->predicted[0];
    }
    enum status status = panel_series(panel, SERIES_POINTS, "measured, ± 2 s.e.", used, c, mean, low, high, error);
    if (status == STATUS_OK && bound[0] > 0) {
        bound_curve(c, bound, used - 1, CURVE, x, y);
        status = panel_series(panel, SERIES_THEORY, "bound D²/(2c) + cG²/2", CURVE, x, y, NULL, NULL, error);
    } else if (status == STATUS_OK && !isnan(theory[0])) {
        status = panel_series(panel, SERIES_THEORY, "theory", used, c, theory, NULL, NULL, error);
    }
    free(block);
    return status;
}

static enum status draw(struct law_figure *figure, const struct group *group, size_t count, struct error *error)
{
    struct rate_track *track = malloc(TRACKS * count * sizeof *track);
    if (!track)
        return error_memory(error, TRACKS * count * sizeof *track, "a figure");
    size_t curves = 0, single = 0;
    for (size_t g = 0; g < count; g++) {
        single += group[g].track[MEAN].count == 1;
        for (int k = 0; k < TRACKS; k++)
            track[curves++] = group[g].track[k];
    }
    const bool by_c = single >= 3 && single == count;
    snprintf(figure->title, sizeof figure->title, "%s",
             by_c ? "What does a wrong constant c in η = c/√T cost?"
                  : "Does the gap of a convex problem fall as 1/√T when η = c/√T?");
    enum status status = by_c ? constant_panel(figure, group, count, error)
                              : rate_figure(figure, track, curves, "budget T in steps", "gap × √T", "gap", error);
    free(track);
    return status;
}

/* ---- the law ---- */

static enum status evaluate(const struct law_input *input, struct check_list *checks, struct law_figure *figure,
                            struct error *error)
{
    size_t count = 0;
    struct group *group = calloc(input->cell_count + 1, sizeof *group);
    if (!group)
        return error_memory(error, (input->cell_count + 1) * sizeof *group, "a law");
    enum status status = read_cells(input, group, &count, error);
    for (size_t g = 0; status == STATUS_OK && g < count; g++)
        status = add_checks(input, &group[g], checks, error);
    if (status == STATUS_OK && !input->planned)
        status = draw(figure, group, count, error);
    for (size_t g = 0; g < count; g++)
        for (int k = 0; k < TRACKS; k++)
            rate_track_free(&group[g].track[k]);
    free(group);
    return status;
}

const struct law_type law_sqrt_rate = {
    .method = {.name = "sqrt_rate",
               .summary =
                   "eta = c/sqrt(T) on a convex problem: the mean gap R_T falls as 1/sqrt(T), and R_T sqrt(T) <= "
                   "D^2/(2c) + c G^2/2",
               .revision = 1},
    .number = "L4",
    .title = "O(1/sqrt T), convex",
    .group = "Core",
    .source = "Nemirovski, Juditsky, Lan, Shapiro, SIAM J. Optim. 19 (2009), eq. 2.20",
    .evaluate = evaluate,
};
