/* L13. How long noise takes to leave a saddle, and a well. On the ridge of a saddle gradient descent stays for ever;
 * SGD leaves after E tau = [ln(2 lambda m r^2 (1 + eta lambda/2)/(eta sigma^2)) + gamma + ln 2]/(2 ln(1 + eta lambda))
 * steps and half a step, logarithmic in the batch. Out of a well E tau is exponential in m: ln E tau has a slope near
 * 2 dV/(eta sigma^2). Both are judged against the exact law of the chain (transfer.h), with what is cut off at the last
 * step T taken into account: E min(tau, T).
 *
 * `theory: diffusion` states the mean exit time of the diffusion approximation, which the chain refutes: its steps
 * overshoot the barrier. */
#include <gsl/gsl_fit.h>
#include <gsl/gsl_math.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "laws/diffusion.h"
#include "laws/law_average.h"
#include "laws/transfer.h"
#include "stats.h"

enum { THEORY };
enum { EXACT, DIFFUSION };
static const char *const theories[] = {"exact", "diffusion", NULL};
static const struct param params[] = {
    [THEORY] = {.name = "theory",
                .kind = PARAM_CHOICE,
                .choices = theories,
                .help = "what the escape times are compared with: the chain's own law, or the diffusion's"},
};

struct row {
    const struct law_cell *cell;
    const struct law_curve *curve; /* NULL before the run */
    bool saddle, descent;          /* descent: all samples at each step */
    double m, eta, steps;
    double cut, mean, sd;      /* exact: E min(tau, T), E tau, sd of min(tau, T) */
    double limit;              /* E tau of the closed formula, or of the diffusion */
    double measured, relative; /* mean of min(tau, T), its relative standard error */
};

/* ---- theory ---- */

/* gamma + ln 2 = -E ln Z^2 of a standard normal: the start of the growth is Gaussian. */
static double saddle_formula(const struct row *row)
{
    const double *p = row->cell->config.problem.values.scalar, lambda = p[0], radius = p[1];
    const double sigma = row->cell->config.problem.data->y[0];
    const double growth = 1 + row->eta * lambda / 2, ratio = 2 * lambda * row->m * radius * radius * growth;
    return (log(ratio / (row->eta * sigma * sigma)) + M_EULER + M_LN2) / (2 * log1p(row->eta * lambda));
}

static bool starts_at_zero(const struct run_config *config)
{
    for (size_t j = 0; config->start.kind == START_LIST && j < problem_dim(&config->problem); j++)
        if (config->start.list[j] < 0 || config->start.list[j] > 0)
            return false;
    return true;
}

static enum status solve(struct row *row, struct error *error)
{
    const struct run_config *config = &row->cell->config;
    const uint64_t steps = config->steps;
    struct settling survival;
    double start;
    enum status status = STATUS_OK;
    if (row->saddle) {
        status = saddle_survival(&config->problem, config->batch_size, row->eta, &survival, error);
        row->limit = saddle_formula(row);
    } else {
        start = config->start.kind == START_LIST ? config->start.list[0] : 0;
        status =
            transfer_survival(&config->problem, config->batch_size, row->eta, TRANSFER_NODES, start, &survival, error);
        if (status == STATUS_OK)
            row->limit = diffusion_exit_time(&config->problem, config->batch_size, row->eta, start);
    }
    if (status != STATUS_OK)
        return status;
    row->cut = settling_sum(&survival, steps);
    row->mean = settling_sum(&survival, UINT64_MAX);
    row->sd = sqrt(settling_square(&survival, steps) - row->cut * row->cut);
    settling_free(&survival);
    return STATUS_OK;
}

static enum status make_row(const struct law_input *input, const struct law_cell *cell, struct row *row,
                            struct error *error)
{
    const struct run_config *config = &cell->config;
    const char *needed = landscape_obstacle(config);
    if (needed)
        return error_set(error, STATUS_USAGE, "this law needs %s", needed);
    *row = (struct row){.cell = cell,
                        .saddle = strcmp(config->problem.type->method.name, "saddle") == 0,
                        .descent = config->sampler->deterministic,
                        .m = (double)config->batch_size,
                        .eta = config->schedule.values.scalar[0],
                        .steps = (double)config->steps,
                        .measured = NAN};
    if ((row->saddle && !starts_at_zero(config)) || (row->descent && !row->saddle))
        return error_set(error, STATUS_USAGE,
                         "on a saddle this law speaks of runs that start on the ridge, at 0, and "
                         "only there of gradient descent");
    enum status status = law_need_curve(input, cell, METRIC_EXIT_TIME, &row->curve, error);
    if (status == STATUS_OK && row->curve && (cell->diverged > 0 || row->curve->groups < 2))
        status = error_set(error, STATUS_USAGE,
                           "this law needs at least two groups of chains, and none that diverges: fewer steps");
    if (status == STATUS_OK && !row->descent)
        status = solve(row, error);
    if (status != STATUS_OK)
        return status;
    row->relative = row->sd / row->cut / sqrt((double)input->replicates);
    if (row->curve) {
        const size_t last = row->curve->points - 1;
        row->measured = row->curve->mean[last];
        row->relative = row->curve->se[last] / row->measured;
    }
    return STATUS_OK;
}

/* ---- checks ---- */

static struct check new_check(const struct law_input *input, const struct row *row, enum check_kind kind)
{
    struct check check = {.kind = kind,
                          .measured = row->measured,
                          .margin = input->margin_value,
                          .se = row->relative,
                          .replicates = input->planned ? input->replicates : row->cell->chains};
    snprintf(check.instance, sizeof check.instance, "%s, %s = %zu", row->cell->config.problem.type->method.name,
             row->descent ? "gradient descent, n" : "m",
             row->descent ? row->cell->config.problem.data->train.rows : row->cell->config.batch_size);
    return check;
}

/* E tau from the same chains: what they would go on for after T is small, and known from theory. */
static enum status check_limit(const struct law_input *input, const struct row *row, struct check_list *checks,
                               struct error *error)
{
    struct check check = new_check(input, row, CHECK_RATIO);
    check.predicted = row->limit;
    check.measured += row->mean - row->cut;
    snprintf(check.quantity, sizeof check.quantity,
             row->saddle ? "E tau, against the logarithmic formula" : "E tau, against the diffusion");
    return checks_add(checks, &check, error);
}

static enum status check_row(const struct law_input *input, const struct row *row, struct check_list *checks,
                             struct error *error)
{
    if (input->values->scalar[THEORY] == DIFFUSION)
        return row->saddle ? STATUS_OK : check_limit(input, row, checks, error);
    struct check check = new_check(input, row, row->descent ? CHECK_EXACT : CHECK_RATIO);
    check.predicted = row->descent ? row->steps : row->cut;
    check.exact_theory = !row->descent;
    if (row->descent) {
        check.margin = check.se = 0;
        snprintf(check.quantity, sizeof check.quantity, "mean of min(tau, T), T = %.0f: never leaves", row->steps);
    } else {
        snprintf(check.quantity, sizeof check.quantity, "E min(tau, T), T = %.0f", row->steps);
    }
    const enum status status = checks_add(checks, &check, error);
    return status != STATUS_OK || row->descent || !row->saddle ? status : check_limit(input, row, checks, error);
}

/* Weighted line through E tau against ln m (saddle), or ln E tau against m, from m = 2 on (well). */
struct line {
    size_t count;
    double slope, se, predicted; /* of the same weights */
};

static enum status fit(const struct row *row, size_t count, bool saddle, struct line *line, struct error *error)
{
    double *block = calloc(4 * count + 1, sizeof *block);
    if (!block)
        return error_memory(error, 4 * count * sizeof *block, "a fit");
    double *x = block, *y = x + count, *theory = y + count, *weight = theory + count, c0, c00, c01, chi2;
    *line = (struct line){0};
    for (size_t i = 0; i < count; i++) {
        if (row[i].descent || row[i].saddle != saddle || (!saddle && row[i].m < 2))
            continue;
        const size_t k = line->count++;
        const double measured = row[i].curve ? row[i].measured : row[i].cut;
        x[k] = saddle ? log(row[i].m) : row[i].m;
        y[k] = saddle ? measured : log(measured);
        theory[k] = saddle ? row[i].cut : log(row[i].cut);
        weight[k] = 1 / pow(row[i].relative * (saddle ? measured : 1), 2);
    }
    double square;
    if (line->count >= 2) {
        gsl_fit_wlinear(x, 1, weight, 1, theory, 1, line->count, &c0, &line->predicted, &c00, &c01, &square, &chi2);
        gsl_fit_wlinear(x, 1, weight, 1, y, 1, line->count, &c0, &line->slope, &c00, &c01, &square, &chi2);
        line->se = sqrt(square);
    }
    free(block);
    return STATUS_OK;
}

static enum status check_slope(const struct law_input *input, const struct row *row, const struct line *line,
                               double predicted, const char *what, bool exact, struct check_list *checks,
                               struct error *error)
{
    struct check check = new_check(input, row, row->saddle ? CHECK_RATIO : CHECK_DIFFERENCE);
    check.predicted = predicted;
    check.measured = input->planned ? (double)NAN : line->slope;
    check.se = row->saddle ? line->se / line->slope : line->se;
    check.margin = input->margin_slope;
    check.exact_theory = exact;
    snprintf(check.instance, sizeof check.instance, "%s, %zu batch sizes", row->cell->config.problem.type->method.name,
             line->count);
    snprintf(check.quantity, sizeof check.quantity, "%s", what);
    return checks_add(checks, &check, error);
}

/* The cells must differ in the batch alone. */
static enum status check_slopes(const struct law_input *input, const struct row *row, size_t count, bool saddle,
                                struct check_list *checks, struct error *error)
{
    struct line line;
    const struct row *any = NULL;
    for (size_t i = 0; i < count; i++) {
        if (row[i].descent || row[i].saddle != saddle)
            continue;
        if (any && (row[i].eta > any->eta || row[i].eta < any->eta ||
                    row[i].cell->config.problem.data != any->cell->config.problem.data))
            return STATUS_OK;
        any = &row[i];
    }
    enum status status = fit(row, count, saddle, &line, error);
    if (status != STATUS_OK || line.count < 2)
        return status;
    const struct problem *problem = &any->cell->config.problem;
    if (saddle)
        return check_slope(input, any, &line, 1 / (2 * log1p(any->eta * problem->values.scalar[0])),
                           "slope of E tau on ln m: 1/(2 ln(1 + eta lambda))", false, checks, error);
    const double start = any->cell->config.start.kind == START_LIST ? any->cell->config.start.list[0] : 0;
    status = check_slope(input, any, &line, line.predicted, "slope of ln E tau on m, m >= 2", false, checks, error);
    if (status == STATUS_OK)
        status = check_slope(input, any, &line,
                             2 * diffusion_barrier(problem, start) / (any->eta * landscape_noise(problem, start)),
                             "slope of ln E tau on m, m >= 2, against 2 dV/(eta sigma^2)", false, checks, error);
    return status;
}

/* ---- figure ---- */

enum curve { MEASURED, CHAIN, LIMIT, RELATIVE };

static enum status put_points(struct panel *panel, const struct row *row, size_t count, bool saddle, enum curve which,
                              const char *label, int colour, struct error *error)
{
    static const enum series_kind kind[] = {SERIES_POINTS, SERIES_THEORY, SERIES_THEORY, SERIES_POINTS};
    struct law_points points = {0};
    for (size_t i = 0; i < count; i++) {
        const struct row *r = &row[i];
        if (r->descent || r->saddle != saddle)
            continue;
        const double measured = r->measured + r->mean - r->cut, half = stats_z(0.05) * r->relative;
        switch (which) {
        case MEASURED:
            law_points_add(&points, r->m, measured, half * r->measured);
            break;
        case CHAIN:
            law_points_add(&points, r->m, r->mean, 0);
            break;
        case LIMIT:
            law_points_add(&points, r->m, r->limit, 0);
            break;
        case RELATIVE:
            law_points_add(&points, r->m, r->measured / r->cut, half);
            break;
        }
    }
    const enum status status = law_points_draw(&points, panel, kind[which], label, colour, error);
    law_points_free(&points);
    return status;
}

static enum status draw(struct law_figure *figure, const struct row *row, size_t count, bool saddle,
                        struct error *error)
{
    struct line line;
    size_t there = 0;
    for (size_t i = 0; i < count; i++)
        there += !row[i].descent && row[i].saddle == saddle;
    if (there < 2)
        return STATUS_OK;
    enum status status = fit(row, count, saddle, &line, error);
    if (status != STATUS_OK)
        return status;
    snprintf(figure->title, sizeof figure->title,
             saddle ? "How long does it take to leave a saddle?" : "How long does it take to leave a well?");
    struct panel *panel = law_figure_panel(figure, saddle ? "logarithmic in the batch" : "exponential in the batch",
                                           "batch size m", "mean escape time, steps");
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    panel->x_log = saddle;
    panel->y_log = !saddle;
    if (line.count >= 2)
        snprintf(panel->text, sizeof panel->text,
                 saddle ? "slope on ln m: %.2f ± %.2f\nchain: %.2f"
                        : "slope of ln E τ on m ≥ 2:\n%.3f ± %.3f\nchain: %.3f",
                 line.slope, stats_z(0.05) * line.se, line.predicted);
    status = put_points(panel, row, count, saddle, MEASURED, "measured, 95 % intervals", 0, error);
    if (status == STATUS_OK)
        status = put_points(panel, row, count, saddle, CHAIN, "the chain's own law", 0, error);
    if (status == STATUS_OK)
        status = put_points(panel, row, count, saddle, LIMIT, saddle ? "closed formula" : "diffusion", 1, error);
    panel = status == STATUS_OK ? law_figure_panel(figure, "measured over the chain's own law", "batch size m",
                                                   "ratio of mean escape times")
                                : NULL;
    if (status == STATUS_OK && !panel)
        status = error_memory(error, sizeof *panel, "a panel");
    if (status != STATUS_OK)
        return status;
    panel->x_log = saddle;
    status = put_points(panel, row, count, saddle, RELATIVE, "measured, 95 % intervals", 0, error);
    const double x[] = {row[0].m, row[count - 1].m}, y[] = {1, 1};
    return status == STATUS_OK ? panel_series(panel, SERIES_THEORY, "equal", 2, x, y, NULL, NULL, error) : status;
}

/* ---- the law ---- */

static enum status evaluate(const struct law_input *input, struct check_list *checks, struct law_figure *figure,
                            struct error *error)
{
    const size_t count = input->cell_count;
    struct row *row = calloc(count + 1, sizeof *row);
    enum status status = row ? STATUS_OK : error_memory(error, (count + 1) * sizeof *row, "a law");
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        status = make_row(input, &input->cell[i], &row[i], error);
        if (status == STATUS_OK)
            status = check_row(input, &row[i], checks, error);
    }
    for (int saddle = 0; saddle < 2 && input->values->scalar[THEORY] == EXACT; saddle++) {
        if (status == STATUS_OK)
            status = check_slopes(input, row, count, saddle, checks, error);
        if (status == STATUS_OK && !input->planned && figure->count == 0)
            status = draw(figure, row, count, saddle, error);
    }
    free(row);
    return status;
}

const struct law_type law_escape = {
    .method = {.name = "escape",
               .summary =
                   "SGD leaves a saddle after ln(2 lambda m r^2/(eta sigma^2))/(2 eta lambda) steps or so, a well "
                   "after exp(2 m dV/(eta sigma^2)) or so, as the chain's own law says",
               .revision = 1,
               .params = params,
               .param_count = sizeof params / sizeof *params},
    .number = "L13",
    .title = "Escape",
    .group = "Nonconvex and distributed",
    .source = "Kramers 1940; Ge, Huang, Jin, Yuan 2015; Li, Tai, E 2017",
    .evaluate = evaluate,
};
