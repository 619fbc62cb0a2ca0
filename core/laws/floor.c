/* L3. The noise floor: with a constant rate below the mean-square limit, the stationary mean of f - f* on least squares
 * is tr(H M)/2, M the fixed point of the exact recursion (oracle.h). `prediction: leading` states eta kappa tr(C)/4
 * instead: proportional to eta and to 1/m, which holds at small rates alone.
 *
 * One chain's time average over the steps after burn-in is the replicate. Burn-in ends at the first recorded step where
 * what the start left is below 1e-3 of the floor, by the spectral radius of the recursion and of the mean. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "laws/law_exact.h"
#include "stats.h"

enum { PREDICTION };
enum { EXACT, LEADING };
static const char *const predictions[] = {"exact", "leading", NULL};
static const struct param params[] = {
    [PREDICTION] = {.name = "prediction",
                    .kind = PARAM_CHOICE,
                    .choices = predictions,
                    .help = "exact: fixed point of the recursion; leading: eta kappa tr(C)/4"},
};

static const double LEFT = 1e-3; /* of the floor, at the end of burn-in */

/* One cell: floors of theory, and what was measured. */
struct row {
    const struct law_cell *cell;
    struct exact_run run;
    double eta, exact, leading, limit; /* limit: mean-square */
    size_t burn;                       /* recorded point where the window begins */
    double mean, se;                   /* se: relative */
    uint64_t chains;
};

/* ---- the window ---- */

static double start_gap(const struct exact_run *run)
{
    const struct oracle *o = run->oracle;
    double sum = 0;
    for (size_t k = 0; k < o->d; k++)
        for (size_t l = 0; l < o->d; l++)
            sum += 0.5 * run->e0[k] * o->h2[k * o->d + l] * run->e0[l];
    return sum;
}

static enum status find_burn_in(struct row *row, struct error *error)
{
    const struct law_cell *cell = row->cell;
    double rho;
    enum status status = oracle_decay(row->run.oracle, row->run.kappa, row->eta, &rho, error);
    if (status != STATUS_OK)
        return status;
    const double start = start_gap(&row->run) / row->exact; /* at x*: 0 to rounding, and the mean's own mode is gone */
    const double slowest = start < LEFT ? rho : fmax(rho, 1 - row->eta * row->run.oracle->convexity);
    const double steps = log(LEFT / fmax(1, start)) / log(slowest);
    for (row->burn = 0; row->burn < cell->points && (double)cell->step[row->burn] < steps;)
        row->burn++;
    if (row->burn + 1 >= cell->points)
        return error_set(error, STATUS_USAGE,
                         "rate %g needs %.0f steps to forget the start, and more to average over, but there are %llu",
                         row->eta, steps, (unsigned long long)row->run.steps);
    return STATUS_OK;
}

/* Mean of f - f* over the window, from the running means at its ends. */
static double window_mean(const struct row *row, const double *running)
{
    const size_t last = row->cell->points - 1;
    const double from = (double)row->cell->step[row->burn], to = (double)row->cell->step[last];
    return (to * running[last] - from * running[row->burn]) / (to - from);
}

static void measure(const struct law_input *input, struct row *row)
{
    const struct law_curve *curve = row->cell->curve[METRIC_MEAN_GAP];
    const double window = (double)(row->run.steps - row->cell->step[row->burn]);
    struct moments m = {0};
    double trace = 0;
    for (size_t j = 0; j < row->run.oracle->d; j++)
        trace += row->run.oracle->eigenvalue[j];
    row->mean = NAN;
    row->se = sqrt(2 / (row->eta * trace * window * (double)input->replicates)); /* of modes with equal variances */
    row->chains = input->replicates;
    if (input->planned)
        return;
    for (size_t g = 0; g < curve->groups; g++)
        moments_add(&m, window_mean(row, &curve->group_mean[g * curve->points]));
    row->mean = m.mean;
    row->se = sqrt(m.m2 / (double)(m.count - 1) / (double)m.count) / m.mean;
    row->chains = m.count;
}

static enum status make_row(const struct law_input *input, const struct law_cell *cell, struct row *row,
                            struct error *error)
{
    row->cell = cell;
    if (cell->moments || !(cell->config.metrics & (1u << METRIC_MEAN_GAP)) ||
        (!input->planned && !cell->curve[METRIC_MEAN_GAP]))
        return error_set(error, STATUS_USAGE,
                         "the floor is measured by time averages of single chains: it needs record.metrics with "
                         "mean_gap, and keep: runs");
    enum status status = exact_run_make(&cell->config, &row->run, error);
    if (status != STATUS_OK)
        return status;
    if (!cell->config.schedule.type->constant || cell->config.schedule.warmup || row->run.beta > 0 ||
        row->run.workers > 1 || row->run.kappa == 0)
        return error_set(error, STATUS_USAGE,
                         "the floor is that of plain steps with a constant rate, one worker and random batches");
    const struct oracle *oracle = row->run.oracle;
    row->eta = row->run.eta[0];
    row->leading = exact_leading_floor(oracle, row->run.kappa, row->eta);
    status = exact_floor(oracle, row->run.kappa, row->eta, &row->exact, error);
    if (status == STATUS_OK)
        status = oracle_stability_limit(oracle, row->run.kappa, &row->limit, error);
    if (status == STATUS_OK)
        status = find_burn_in(row, error);
    if (status == STATUS_OK)
        measure(input, row);
    return status;
}

/* ---- checks ---- */

static enum status add_check(const struct law_input *input, const struct row *row, struct check_list *checks,
                             struct error *error)
{
    const bool exact = input->values->scalar[PREDICTION] == EXACT;
    struct check check = {
        .kind = CHECK_RATIO,
        .predicted = exact ? row->exact : row->leading,
        .measured = row->mean,
        .se = row->se,
        .margin = input->margin_value,
        .replicates = row->chains,
        .exact_theory = exact,
    };
    char cell[120];
    snprintf(check.instance, sizeof check.instance, "%s, rate %.3g = %.3g eta_max",
             exact_instance(row->cell, cell, sizeof cell), row->eta, row->eta / row->limit);
    snprintf(check.quantity, sizeof check.quantity, exact ? "noise floor tr(H M)/2" : "noise floor eta kappa tr(C)/4");
    return checks_add(checks, &check, error);
}

/* ---- figure: against the rate, or against the batch size where there is one rate ---- */

enum { LINE = 60 };

struct view {
    bool by_batch;
    bool over; /* divided by the leading order */
};

static bool same_line(const struct view *view, const struct row *a, const struct row *b)
{
    return view->by_batch || (a->cell->columns.batch_size == b->cell->columns.batch_size &&
                              a->cell->config.sampler == b->cell->config.sampler);
}

static double place(const struct view *view, const struct row *row)
{
    return view->by_batch ? (double)row->cell->columns.batch_size : row->eta;
}

static enum status put_points(struct panel *panel, const struct view *view, const struct row *row, size_t count,
                              size_t first, struct error *error)
{
    char label[120], cell[120];
    double *block = malloc(4 * count * sizeof *block);
    if (!block)
        return error_memory(error, 4 * count * sizeof *block, "the points of a figure");
    double *x = block, *y = x + count, *low = y + count, *high = low + count;
    size_t used = 0;
    for (size_t i = first; i < count; i++) {
        if (!same_line(view, &row[first], &row[i]))
            continue;
        const double scale = view->over ? row[i].leading : 1, mean = row[i].mean / scale;
        x[used] = place(view, &row[i]);
        y[used] = mean;
        low[used] = mean * (1 - 2 * row[i].se);
        high[used++] = mean * (1 + 2 * row[i].se);
    }
    if (view->by_batch)
        snprintf(label, sizeof label, "η = %.3g", row[first].eta);
    else
        snprintf(label, sizeof label, "%s", exact_label(row[first].cell, cell, sizeof cell));
    const enum status status = panel_series(panel, SERIES_POINTS, label, used, x, y, low, high, error);
    free(block);
    return status;
}

/* Both predictions along the axis, to a little beyond the points and below the limit. */
static enum status put_theory(struct panel *panel, const struct view *view, const struct row *row, size_t count,
                              size_t first, struct error *error)
{
    double low = INFINITY, high = 0, x[LINE], exact[LINE], leading[LINE];
    enum status status = STATUS_OK;
    for (size_t i = first; i < count; i++)
        if (same_line(view, &row[first], &row[i])) {
            low = fmin(low, place(view, &row[i]) / 1.3);
            high = fmax(high, place(view, &row[i]) * 1.3);
        }
    high = view->by_batch ? high : fmin(high, 0.9 * row[first].limit);
    for (size_t k = 0; status == STATUS_OK && k < LINE; k++) {
        x[k] = low * pow(high / low, (double)k / (LINE - 1));
        const double eta = view->by_batch ? row[first].eta : x[k];
        const double kappa = view->by_batch ? row[first].run.kappa * (double)row[first].cell->columns.batch_size / x[k]
                                            : row[first].run.kappa;
        leading[k] = exact_leading_floor(row[first].run.oracle, kappa, eta);
        status = exact_floor(row[first].run.oracle, kappa, eta, &exact[k], error);
        if (view->over) {
            exact[k] /= leading[k];
            leading[k] = 1;
        }
    }
    if (status == STATUS_OK)
        status = panel_series(panel, SERIES_THEORY, "fixed point of the recursion", LINE, x, exact, NULL, NULL, error);
    if (status == STATUS_OK)
        status = panel_series(panel, SERIES_THEORY, "leading order, η tr(C)/(4m)", LINE, x, leading, NULL, NULL, error);
    return status;
}

static enum status floor_panel(const struct law_input *input, struct law_figure *figure, const struct view *view,
                               const struct row *row, size_t count, struct error *error)
{
    struct panel *panel = law_figure_panel(figure, view->over ? "over the leading order" : "the floor",
                                           view->by_batch ? "batch size m" : "rate η",
                                           view->over ? "floor/(η tr(C)/(4m))" : "stationary mean of f(x) − f*");
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    panel->x_log = true;
    panel->y_log = !view->over;
    if (!view->over)
        snprintf(panel->text, sizeof panel->text, "time averages of %llu chains", (unsigned long long)row[0].chains);
    enum status status = STATUS_OK;
    if (view->over) {
        double x[2] = {INFINITY, 0};
        for (size_t i = 0; i < count; i++) {
            x[0] = fmin(x[0], place(view, &row[i]) / 1.3);
            x[1] = fmax(x[1], place(view, &row[i]) * 1.3);
        }
        const double low[2] = {exp(-input->margin_value), exp(-input->margin_value)},
                     high[2] = {exp(input->margin_value), exp(input->margin_value)};
        status = panel_series(panel, SERIES_BAND, "within the margin", 2, x, NULL, low, high, error);
    }
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        bool first = true;
        for (size_t j = 0; j < i && first; j++)
            first = !same_line(view, &row[j], &row[i]);
        if (!first)
            continue;
        status = put_points(panel, view, row, count, i, error);
        if (status == STATUS_OK)
            status = put_theory(panel, view, row, count, i, error);
    }
    return status;
}

static enum status draw(const struct law_input *input, struct law_figure *figure, const struct row *row, size_t count,
                        struct error *error)
{
    struct view view = {.by_batch = true};
    for (size_t i = 1; i < count; i++)
        view.by_batch = view.by_batch && row[i].eta == row[0].eta;
    snprintf(figure->title, sizeof figure->title, "Is the noise floor proportional to %s?",
             view.by_batch ? "1/m" : "the rate");
    enum status status = floor_panel(input, figure, &view, row, count, error);
    view.over = true;
    if (status == STATUS_OK)
        status = floor_panel(input, figure, &view, row, count, error);
    return status;
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
            status = add_check(input, &row[i], checks, error);
    }
    if (status == STATUS_OK && !input->planned && count > 0)
        status = draw(input, figure, row, count, error);
    for (size_t i = 0; row && i < count; i++)
        exact_run_free(&row[i].run);
    free(row);
    return status;
}

const struct law_type law_floor = {
    .method = {.name = "floor",
               .summary =
                   "constant rate: the stationary E f - f* is tr(H M)/2 at the fixed point, about eta kappa tr(C)/4",
               .revision = 1,
               .params = params,
               .param_count = sizeof params / sizeof *params},
    .number = "L3",
    .title = "The noise floor",
    .group = "Core",
    .source = "fixed point of the second moment; Pflug 1986; Bottou, Curtis and Nocedal 2018, Theorem 4.6",
    .evaluate = evaluate,
};
