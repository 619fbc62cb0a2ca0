/* L6. Averaging: on least squares the mean of all iterates has T E gap -> (kappa/2) tr(H^-1 S_inf), S_inf the noise of
 * a gradient at the stationary iterate, whatever the constant rate (Polyak and Juditsky, SIAM J. Control Optim. 30,
 * 1992; Bach and Moulines, NIPS 2013); where the minimum lies at the edge of a ball, averaging all iterates costs a
 * factor of ln T against the last iterate or the mean of the last part (Rakhlin, Shamir, Sridharan, ICML 2012).
 *
 * Predicted are the gaps at finite T: on least squares by the moment recursion with all its cross terms, on the
 * interval by the exact distribution of a walk. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "laws/exact_chain.h"
#include "laws/law_exact.h"
#include "laws/law_rate.h"

enum { CLAIM, FROM, POINTS };
enum { THEORY, INVERSE_TIME };
static const char *const claims[] = {"theory", "inverse_time", NULL};
static const struct param params[] = {
    [CLAIM] = {.name = "claim",
               .kind = PARAM_CHOICE,
               .choices = claims,
               .help = "theory: the gaps and slopes that follow for this average; inverse_time: the gap falls as 1/T"},
    [FROM] = {.name = "from",
              .unit = "steps",
              .kind = PARAM_COUNT,
              .fallback = 0,
              .min = 0,
              .max = INFINITY,
              .max_open = true,
              .help = "where the window of the fits along a curve begins; 0: at T/100"},
    [POINTS] = {.name = "points",
                .kind = PARAM_COUNT,
                .fallback = 3,
                .min = 1,
                .max = 50,
                .help = "places of the window where the value is checked, the last step among them"},
};

/* One curve; under fixed_horizon, one point for each budget. */
struct row {
    const struct law_cell *cell;
    bool horizon;  /* the rate depends on the budget */
    bool walk;     /* on the interval; else least squares in free space */
    double finite; /* T gap at the last point, to leading orders: limit and what is left of the start; NaN: not known */
    double growth; /* of T gap per ln T in the limit; NaN: none */
    struct rate_track track;
};

/* ---- predictions ---- */

/* x' H^-1 y of all pairs that make tr(H^-1 S) and e'H^-1 e, from H's eigenvectors. */
static double inverse_trace(const struct oracle *oracle, const double *s)
{
    const size_t d = oracle->d;
    double sum = 0;
    for (size_t i = 0; i < d; i++) {
        const double *u = oracle->eigenvector + i * d;
        for (size_t j = 0; j < d; j++)
            for (size_t k = 0; k < d; k++)
                sum += u[j] * s[j * d + k] * u[k] / oracle->eigenvalue[i];
    }
    return sum;
}

/* Limits of T gap of the mean of all iterates, with the first order of the start. */
static enum status uniform_limit(const struct exact_run *run, struct row *row, struct error *error)
{
    const struct oracle *oracle = run->oracle;
    const size_t d = oracle->d;
    double *m = calloc(3 * d * d + d, sizeof *m);
    if (!m)
        return error_memory(error, (3 * d * d + d) * sizeof *m, "a limit");
    double *s = m + d * d, *start = s + d * d, *zero = start + d * d;
    const double eta = run->eta[0], steps = (double)run->steps;
    enum status status = STATUS_OK;
    for (size_t j = 0; j < d; j++)
        for (size_t k = 0; k < d; k++)
            start[j * d + k] = run->e0[j] * run->e0[k];
    if (row->horizon) { /* eta -> 0: what noise there is, is that at x* */
        row->track.limit =
            (inverse_trace(oracle, start) / (eta * eta * steps) + run->kappa * inverse_trace(oracle, oracle->c)) / 2;
        row->finite = row->track.limit;
    } else {
        status = oracle_fixed_point(oracle, run->kappa, eta, m, error);
        if (status == STATUS_OK) {
            oracle_noise(oracle, m, zero, s);
            row->track.limit = run->kappa * inverse_trace(oracle, s) / 2;
            row->finite = row->track.limit + inverse_trace(oracle, start) / (2 * eta * eta * steps);
        }
    }
    free(m);
    return status;
}

static enum status least_squares(struct row *row, const struct law_cell *cell, double *gap, struct error *error)
{
    struct run_config config = cell->config;
    struct exact_run run = {0};
    struct oracle_state *state = NULL;
    const char *average = cell->config.averager->method.name;
    if (strcmp(average, "uniform") != 0)
        return error_set(error, STATUS_USAGE, "on least squares this law needs averaging: uniform, not %s", average);
    /* the recursion sees the iterates; what is averaged is its own affair */
    config.averager = (const struct averager_type *)registry_find(METHOD_AVERAGER, "last", error);
    enum status status = config.averager ? exact_run_make(&config, &run, error) : STATUS_USAGE;
    if (status == STATUS_OK)
        status = oracle_state_open(run.oracle, run.kappa, run.e0, true, &state, error);
    for (size_t p = 0; status == STATUS_OK && p < cell->points; p++) {
        while (state->step < cell->step[p])
            oracle_step(state, run.eta[state->step]);
        gap[p] = oracle_averaged_gap(state);
    }
    if (status == STATUS_OK && (row->horizon || cell->config.schedule.type->constant))
        status = uniform_limit(&run, row, error);
    oracle_state_close(state);
    exact_run_free(&run);
    return status;
}

static enum status walk(struct row *row, const struct law_cell *cell, double *gap, struct error *error)
{
    const struct run_config *config = &cell->config;
    const struct averager_type *averager = config->averager;
    const double *rate = config->schedule.values.scalar;
    double start, drift;
    if (strcmp(config->schedule.type->method.name, "inverse_time") != 0 || rate[0] != 1 || rate[1] != 1 ||
        rate[2] > 0 || config->schedule.warmup > 0 || cell->columns.batch_size != 1 || config->sampler->deterministic)
        return error_set(error, STATUS_USAGE,
                         "on a ball this law needs schedule: {type: inverse_time, c: 1, t0: 1} and batch_size: 1");
    enum status status = rate_start(cell, &start, error);
    if (status == STATUS_OK)
        status = walk_gaps(&config->problem, start, averager, &config->averager_values, config->steps, cell->points,
                           cell->step, gap, &drift, error);
    if (status != STATUS_OK)
        return status;
    row->walk = true;
    if (averager->last) {
        row->track.limit = row->finite = drift;
    } else if (strcmp(averager->method.name, "tail") == 0 && config->averager_values.scalar[0] < 1) {
        const double fraction = config->averager_values.scalar[0];
        row->track.limit = row->finite =
            -drift * log1p(-fraction) / fraction; /* mean of drift/t over the tail, times T */
    } else if (strcmp(averager->method.name, "uniform") == 0) {
        row->growth = drift;
    }
    return STATUS_OK;
}

/* ---- rows ---- */

static bool same_row(const struct row *row, const struct law_cell *cell)
{
    const struct cell_columns *a = &row->cell->columns, *b = &cell->columns;
    return row->horizon && strcmp(cell->config.schedule.type->method.name, "fixed_horizon") == 0 &&
           a->rate == b->rate && strcmp(a->problem, b->problem) == 0 && strcmp(a->data, b->data) == 0 &&
           a->batch_size == b->batch_size && strcmp(a->averaging, b->averaging) == 0 &&
           row->cell->config.sampler == cell->config.sampler;
}

static void label_average(const struct run_config *config, char *text, size_t size)
{
    const char *name = config->averager->method.name;
    if (strcmp(name, "tail") == 0)
        snprintf(text, size, "mean of the last %g%%", 100 * config->averager_values.scalar[0]);
    else
        snprintf(text, size, "%s",
                 config->averager->last         ? "last iterate"
                 : strcmp(name, "uniform") == 0 ? "mean of all"
                                                : name);
}

static enum status begin_row(const struct law_input *input, const struct law_cell *cell, struct row *row,
                             struct error *error)
{
    const struct cell_columns *c = &cell->columns;
    *row = (struct row){.cell = cell, .finite = NAN, .growth = NAN};
    row->horizon = strcmp(cell->config.schedule.type->method.name, "fixed_horizon") == 0;
    const size_t capacity = row->horizon ? input->cell_count : cell->points;
    enum status status = rate_track_alloc(&row->track, capacity, error);
    row->track.power = -1;
    const bool constant = cell->config.schedule.type->constant;
    char average[48];
    label_average(&cell->config, average, sizeof average);
    if (constant)
        snprintf(row->track.label, sizeof row->track.label, "%s, η = %.4g", average, c->rate);
    else
        snprintf(row->track.label, sizeof row->track.label, "%s", average);
    snprintf(row->track.quantity, sizeof row->track.quantity, "E gap");
    snprintf(row->track.instance, sizeof row->track.instance, "%.40s, %.30s, %s = %.4g",
             cell->config.problem.data->name, c->averaging, constant ? "η" : "c", c->rate);
    return status;
}

/* The points of a cell: all of the window, of a tail average or under fixed_horizon the last one. */
static enum status add_points(const struct law_input *input, const struct law_cell *cell, const double *gap,
                              struct row *row, struct error *error)
{
    struct rate_curves curves;
    enum status status = rate_curves_open(input, cell, &curves, error);
    if (status == STATUS_OK && !curves.metric[METRIC_GAP])
        status = error_set(error, STATUS_USAGE, "this law needs record.metrics with gap");
    if (status != STATUS_OK || row->horizon) {
        if (status == STATUS_OK)
            rate_track_point(&row->track, (double)cell->config.steps, gap[cell->points - 1], curves.metric[METRIC_GAP],
                             cell->points - 1);
        rate_curves_close(&curves);
        return status;
    }
    const double asked = input->values->scalar[FROM], last = (double)cell->config.steps;
    const double from = strcmp(cell->config.averager->method.name, "tail") == 0 ? last : asked > 0 ? asked : last / 100;
    row->track.curves = curves;
    row->track.along = curves.metric[METRIC_GAP];
    while (row->track.first + 1 < cell->points && (double)cell->step[row->track.first] < from)
        row->track.first++;
    for (size_t p = row->track.first; p < cell->points; p++)
        rate_track_point(&row->track, (double)cell->step[p], gap[p], row->track.along, p);
    return STATUS_OK;
}

static enum status read_cells(const struct law_input *input, struct row *row, size_t *count, struct error *error)
{
    enum status status = STATUS_OK;
    *count = 0;
    for (size_t i = 0; status == STATUS_OK && i < input->cell_count; i++) {
        const struct law_cell *cell = &input->cell[i];
        if (cell->config.kind != KIND_TRAINING)
            return error_set(error, STATUS_USAGE, "this law needs training runs");
        size_t r = 0;
        while (r < *count && !same_row(&row[r], cell))
            r++;
        if (r == *count)
            status = begin_row(input, cell, &row[(*count)++], error);
        double *gap = malloc(cell->points * sizeof *gap);
        if (status == STATUS_OK && !gap)
            status = error_memory(error, cell->points * sizeof *gap, "a curve");
        if (status == STATUS_OK)
            status = isfinite(cell->config.problem.radius) ? walk(&row[r], cell, gap, error)
                                                           : least_squares(&row[r], cell, gap, error);
        if (status == STATUS_OK)
            status = add_points(input, cell, gap, &row[r], error);
        free(gap);
    }
    return status;
}

/* ---- checks ---- */

/* Growth of T gap per unit of ln T between the ends of the track. */
static double growth(const double *mean, void *context)
{
    const struct rate_track *t = context;
    const size_t last = t->count - 1;
    return (t->x[last] * mean[last] - t->x[0] * mean[0]) / log(t->x[last] / t->x[0]);
}

static enum status check_growth(const struct law_input *input, struct row *row, struct check_list *checks,
                                struct error *error)
{
    struct rate_track *t = &row->track;
    if (isnan(row->growth) || t->count < 2)
        return STATUS_OK;
    struct check check = {.kind = CHECK_RATIO, .margin = input->margin_value, .replicates = t->chains};
    snprintf(check.instance, sizeof check.instance, "%s", t->instance);
    snprintf(check.quantity, sizeof check.quantity, "growth of T E gap per ln T on %g..%g", t->x[0],
             t->x[t->count - 1]);
    snprintf(check.note, sizeof check.note, "%.4g in the limit", row->growth);
    const double measured = growth(t->measured, t);
    enum status status = rate_bootstrap(input, t, growth, t, &check.se, error);
    check.predicted = growth(t->predicted, t);
    check.measured = input->planned ? (double)NAN : measured;
    check.se /= measured;
    return status == STATUS_OK ? checks_add(checks, &check, error) : status;
}

static enum status check_finite(const struct law_input *input, const struct row *row, struct check_list *checks,
                                struct error *error)
{
    const struct rate_track *t = &row->track;
    const size_t k = t->count - 1;
    if (isnan(row->finite))
        return STATUS_OK;
    struct check check = {.kind = CHECK_RATIO, .margin = input->margin_value, .replicates = t->chains};
    snprintf(check.instance, sizeof check.instance, "%s", t->instance);
    snprintf(check.quantity, sizeof check.quantity, "T E gap at T = %g, its limit%s", t->x[k],
             row->walk || row->horizon ? "" : " and the start's 1/T");
    check.predicted = row->finite;
    check.measured = input->planned ? (double)NAN : t->measured[k] * t->x[k];
    check.se = t->se[k] / t->measured[k];
    return checks_add(checks, &check, error);
}

static enum status add_checks(const struct law_input *input, struct row *row, struct check_list *checks,
                              struct error *error)
{
    const bool bare = input->values->scalar[CLAIM] == INVERSE_TIME;
    enum status status = STATUS_OK;
    if (!bare) {
        const size_t wanted = row->horizon ? row->track.count : (size_t)input->values->scalar[POINTS];
        status = rate_check_values(input, &row->track, wanted, checks, error);
        if (status == STATUS_OK)
            status = check_finite(input, row, checks, error);
        if (status == STATUS_OK)
            status = check_growth(input, row, checks, error);
    }
    return status == STATUS_OK ? rate_check_slope(input, &row->track, bare, checks, error) : status;
}

/* ---- the law ---- */

static enum status draw(struct law_figure *figure, const struct row *row, size_t count, struct error *error)
{
    struct rate_track *track = malloc(count * sizeof *track);
    if (!track)
        return error_memory(error, count * sizeof *track, "a figure");
    bool walks = true;
    for (size_t i = 0; i < count; i++) {
        track[i] = row[i].track;
        walks = walks && row[i].walk;
    }
    snprintf(figure->title, sizeof figure->title, "%s",
             walks ? "Where does averaging cost a factor of ln T?"
                   : "Does the gap of the averaged iterate fall as 1/T?");
    enum status status = rate_figure(figure, track, count, "steps T", "gap × T", "gap", error);
    free(track);
    return status;
}

static enum status evaluate(const struct law_input *input, struct check_list *checks, struct law_figure *figure,
                            struct error *error)
{
    size_t count = 0;
    struct row *row = calloc(input->cell_count + 1, sizeof *row);
    if (!row)
        return error_memory(error, (input->cell_count + 1) * sizeof *row, "a law");
    enum status status = read_cells(input, row, &count, error);
    for (size_t i = 0; status == STATUS_OK && i < count; i++)
        status = add_checks(input, &row[i], checks, error);
    if (status == STATUS_OK && !input->planned)
        status = draw(figure, row, count, error);
    for (size_t i = 0; i < count; i++)
        rate_track_free(&row[i].track);
    free(row);
    return status;
}

const struct law_type law_averaging = {
    .method = {.name = "averaging",
               .summary =
                   "the mean of all iterates on least squares: T E gap -> (kappa/2) tr(H^-1 S_inf); at the edge of a "
                   "ball it costs a factor ln T",
               .revision = 1,
               .params = params,
               .param_count = sizeof params / sizeof *params},
    .number = "L6",
    .title = "Averaging",
    .group = "Claims of the field",
    .source = "Polyak, Juditsky, SIAM J. Control Optim. 30 (1992); Rakhlin, Shamir, Sridharan, ICML 2012",
    .evaluate = evaluate,
};
