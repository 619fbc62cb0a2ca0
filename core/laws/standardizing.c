/* L17. What standardising the features buys: on the same data the condition number falls and the largest stable rate
 * rises, both known before a run. Least squares; eta_max is the mean-square limit of the pencil (oracle.h), and held
 * against the rate at which the spectral radius of the second moment's recursion passes 1, found by bisection of that
 * other eigenvalue problem. Below eta_max no chain diverges and the mean gap is that of the exact recursion; well above
 * the almost sure limit all do. LeCun, Bottou, Orr, Mueller, Efficient BackProp (1998), section 5.3. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "laws/law_average.h"
#include "laws/law_exact.h"

enum { PRODUCTS = 4000 };             /* behind the almost sure limit */
static const double CLOSE = 1e-6;     /* of computed limits and constants, relative */
static const double WELL_ABOVE = 1.5; /* times the almost sure limit: 1e8 |x_0| is reached soon */

/* One data set, standardised or as it is. */
struct side {
    const struct law_cell *cell; /* the first one with these data */
    double limit, sure;          /* mean-square and almost sure */
    double condition;
};

static const struct dataset *data_of(const struct law_cell *cell)
{
    return cell->config.problem.data;
}

static bool same_side(const struct law_cell *a, const struct law_cell *b)
{
    return data_of(a)->standardized == data_of(b)->standardized && strcmp(data_of(a)->name, data_of(b)->name) == 0;
}

/* The certified constants of the reference solver. */
static double certified_condition(const struct law_cell *cell)
{
    return cell->config.reference->smoothness / cell->config.reference->convexity;
}

static void label(const struct law_cell *cell, char *text, size_t size)
{
    snprintf(text, size, "%.60s, %s", data_of(cell)->name, data_of(cell)->standardized ? "standardised" : "as it is");
}

/* ---- constants ---- */

/* The rate where the spectral radius passes 1, near `limit`. */
static enum status crossing(const struct oracle *oracle, double kappa, double limit, double *rate, struct error *error)
{
    double low = 0.5 * limit, high = 2 * limit, rho;
    while (high - low > 1e-9 * limit) {
        const double middle = 0.5 * (low + high);
        const enum status status = oracle_decay(oracle, kappa, middle, &rho, error);
        if (status != STATUS_OK)
            return status;
        *(rho > 1 ? &high : &low) = middle;
    }
    *rate = 0.5 * (low + high);
    return STATUS_OK;
}

static enum status check_exact(const char *quantity, const struct law_cell *cell, double predicted, double measured,
                               struct check_list *checks, struct error *error)
{
    struct check check = {
        .kind = CHECK_EXACT, .predicted = predicted, .measured = measured, .margin = CLOSE * fabs(predicted)};
    label(cell, check.instance, sizeof check.instance);
    snprintf(check.quantity, sizeof check.quantity, "%s", quantity);
    return checks_add(checks, &check, error);
}

static enum status measure_side(const struct exact_cell *cell, struct side *side, struct check_list *checks,
                                struct error *error)
{
    const struct oracle *oracle = cell->run.oracle;
    const struct run_config *config = &cell->cell->config;
    double rate = NAN;
    *side = (struct side){.cell = cell->cell, .condition = oracle->smoothness / oracle->convexity};
    if (cell->run.beta > 0 || cell->run.workers > 1 || !config->schedule.type->constant || config->schedule.warmup ||
        !config->reference->exists)
        return error_set(error, STATUS_USAGE, "the law of standardising needs plain steps at a constant rate");
    enum status status = oracle_stability_limit(oracle, cell->run.kappa, &side->limit, error);
    if (status == STATUS_OK)
        status = crossing(oracle, cell->run.kappa, side->limit, &rate, error);
    if (status == STATUS_OK)
        status = oracle_almost_sure_limit(oracle, config->batch_size, config->sampler->with_replacement, 1, PRODUCTS,
                                          &side->sure, error);
    if (status == STATUS_OK)
        status = check_exact("eta_max: crossing of the spectral radius against the pencil", cell->cell, side->limit,
                             rate, checks, error);
    if (status == STATUS_OK)
        status = check_exact("condition number: reference against oracle", cell->cell, side->condition,
                             certified_condition(cell->cell), checks, error);
    return status;
}

/* ---- runs ---- */

/* The share of chains that diverged, shrunk a little so that none and all have a standard error, too (Agresti and Coull
 * 1998). */
static enum status check_share(const struct law_input *input, const struct law_cell *cell, double predicted,
                               struct check_list *checks, struct error *error)
{
    const double n = (double)(input->planned ? input->replicates : cell->chains), k = (double)cell->diverged;
    const double shrunk = ((input->planned ? predicted * n : k) + 2) / (n + 4);
    struct check check = {.kind = CHECK_DIFFERENCE,
                          .predicted = predicted,
                          .measured = input->planned ? (double)NAN : k / n,
                          .se = sqrt(shrunk * (1 - shrunk) / (n + 4)),
                          .margin = input->margin_value,
                          .replicates = (uint64_t)n};
    label(cell, check.instance, sizeof check.instance);
    snprintf(check.quantity, sizeof check.quantity, "share of chains that diverge, eta = %.3g", cell->columns.rate);
    return checks_add(checks, &check, error);
}

static enum status check_run(const struct law_input *input, const struct exact_cell *cell, const struct side *side,
                             struct check_list *checks, struct error *error)
{
    const double rate = cell->cell->columns.rate;
    const size_t last = cell->cell->points - 1;
    if (rate > WELL_ABOVE * side->sure)
        return check_share(input, cell->cell, 1, checks, error);
    if (rate >= side->limit)
        return STATUS_OK;
    enum status status = check_share(input, cell->cell, 0, checks, error);
    struct check check = exact_cell_check(input, cell, last);
    label(cell->cell, check.instance, sizeof check.instance);
    snprintf(check.quantity, sizeof check.quantity, "E gap at t = %llu, eta = %.3g",
             (unsigned long long)cell->cell->step[last], rate);
    check.exact_theory = true;
    return status == STATUS_OK ? checks_add(checks, &check, error) : status;
}

/* ---- both sides ---- */

static enum status check_gain(const struct side *raw, const struct side *ready, struct check_list *checks,
                              struct error *error)
{
    struct check check = {.kind = CHECK_BOUND, .margin = CLOSE};
    snprintf(check.instance, sizeof check.instance, "%.60s, standardised against as it is", data_of(raw->cell)->name);
    check.predicted = raw->condition;
    check.measured = ready->condition;
    snprintf(check.quantity, sizeof check.quantity, "condition number after <= before");
    enum status status = checks_add(checks, &check, error);
    check.predicted = 1 / raw->limit;
    check.measured = 1 / ready->limit;
    snprintf(check.quantity, sizeof check.quantity, "1/eta_max after <= before");
    return status == STATUS_OK ? checks_add(checks, &check, error) : status;
}

/* ---- figure ---- */

static const char *side_name(const struct side *side)
{
    return data_of(side->cell)->standardized ? "standardised" : "as it is";
}

static enum status draw_limits(const struct law_input *input, struct law_figure *figure, const struct side *side,
                               size_t sides, struct law_points *points, struct error *error)
{
    struct panel *panel = law_figure_panel(figure, "rates", "rate η", "share of chains that diverge");
    enum status status = STATUS_OK;
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    panel->x_log = true;
    panel->y_min = -0.05;
    panel->y_max = 1.05;
    for (size_t s = 0; s < sides && status == STATUS_OK; s++) {
        char name[160];
        for (size_t i = 0; i < input->cell_count; i++)
            if (same_side(side[s].cell, &input->cell[i]))
                law_points_add(points, input->cell[i].columns.rate,
                               (double)input->cell[i].diverged / (double)input->cell[i].chains, 0);
        snprintf(name, sizeof name, "%.60s, %s: condition %.3g", data_of(side[s].cell)->name, side_name(&side[s]),
                 side[s].condition);
        status = law_points_draw(points, panel, SERIES_POINTS, name, (int)s, error);
        law_points_add(points, side[s].limit, 0, 0);
        snprintf(name, sizeof name, "η_{max} = %.2g", side[s].limit);
        if (status == STATUS_OK)
            status = law_points_draw(points, panel, SERIES_VERTICAL, name, (int)s, error);
    }
    return status;
}

static enum status draw_curves(const struct law_input *input, struct law_figure *figure, const struct exact_cell *cells,
                               const struct side *side, size_t sides, struct law_points *points, struct error *error)
{
    struct panel *panel = law_figure_panel(figure, "rates that are stable", "step t", "f(x_t) − f*");
    enum status status = STATUS_OK;
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    panel->x_log = panel->y_log = true;
    for (size_t i = 0; i < input->cell_count && status == STATUS_OK; i++) {
        const struct law_cell *cell = cells[i].cell;
        const struct law_curve *curve = cell->curve[METRIC_GAP];
        char name[160];
        size_t s = 0;
        while (s + 1 < sides && !same_side(side[s].cell, cell))
            s++;
        if (cell->columns.rate >= side[s].limit)
            continue;
        for (size_t p = 1; p < cell->points; p++)
            law_points_add(points, (double)cell->step[p], curve->mean[p], 2 * curve->se[p]);
        snprintf(name, sizeof name, "%s, η = %.2g", side_name(&side[s]), cell->columns.rate);
        status = law_points_draw(points, panel, SERIES_MEASURED, name, (int)i, error);
        for (size_t p = 1; p < cell->points; p++)
            law_points_add(points, (double)cell->step[p], cells[i].gap[p], 0);
        if (status == STATUS_OK)
            status = law_points_draw(points, panel, SERIES_THEORY, "", (int)i, error);
    }
    return status;
}

/* ---- the law ---- */

/* side[]: the different data of the cells. */
static enum status check_all(const struct law_input *input, const struct exact_cell *cells, struct side *side,
                             size_t *sides, struct check_list *checks, struct error *error)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < input->cell_count; i++) {
        size_t s = 0;
        while (s < *sides && !same_side(side[s].cell, cells[i].cell))
            s++;
        if (s == *sides)
            status = measure_side(&cells[i], &side[(*sides)++], checks, error);
        if (status == STATUS_OK)
            status = check_run(input, &cells[i], &side[s], checks, error);
    }
    for (size_t r = 0; status == STATUS_OK && r < *sides; r++)
        for (size_t s = 0; status == STATUS_OK && s < *sides; s++)
            if (!data_of(side[r].cell)->standardized && data_of(side[s].cell)->standardized &&
                strcmp(data_of(side[r].cell)->name, data_of(side[s].cell)->name) == 0)
                status = check_gain(&side[r], &side[s], checks, error);
    return status;
}

static enum status evaluate(const struct law_input *input, struct check_list *checks, struct law_figure *figure,
                            struct error *error)
{
    struct law_points points = {0};
    struct exact_cell *cells;
    size_t sides = 0;
    enum status status = exact_cells_open(input, &cells, error);
    if (status != STATUS_OK)
        return status;
    struct side *side = calloc(input->cell_count + 1, sizeof *side);
    status = side ? check_all(input, cells, side, &sides, checks, error)
                  : error_memory(error, (input->cell_count + 1) * sizeof *side, "the data of a law");
    if (status == STATUS_OK && !input->planned && sides > 0) {
        snprintf(figure->title, sizeof figure->title, "What does standardising the features buy?");
        status = draw_limits(input, figure, side, sides, &points, error);
        if (status == STATUS_OK)
            status = draw_curves(input, figure, cells, side, sides, &points, error);
    }
    law_points_free(&points);
    exact_cells_close(cells, input->cell_count);
    free(side);
    return status;
}

const struct law_type law_standardizing = {
    .method = {.name = "standardizing",
               .summary = "condition number and eta_max of least squares, features standardised or as they are",
               .revision = 1},
    .number = "L17",
    .title = "Standardising",
    .group = "Nonconvex and distributed",
    .source = "LeCun, Bottou, Orr, Mueller 1998, section 5.3",
    .evaluate = evaluate,
};
