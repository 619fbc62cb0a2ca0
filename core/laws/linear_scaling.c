/* L8. The linear scaling rule: with a rate of eta_1 m and equal numbers of samples, batches of m reach the loss of
 * single samples, up to a batch size (Goyal et al., arXiv:1706.02677, 2017). On least squares the ratio of mean gaps is
 * that of the exact recursions, with and without momentum; it leaves 1 long before eta_1 m meets the mean-square limit
 * of m, where the mean diverges.
 *
 * Checked: the ratio at every batch size below that limit; that it is within `within` of 1 where theory says so, and
 * beyond where theory says so; and that the mean grows above the limit. */
#include <gsl/gsl_fit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "laws/law_exact.h"

enum { WITHIN, TARGET };
static const struct param params[] = {
    [WITHIN] = {.name = "within",
                .kind = PARAM_REAL,
                .fallback = 0.05,
                .min = 0,
                .min_open = true,
                .max = 1,
                .help = "the rule holds where the gap is larger by at most this share"},
    [TARGET] = {.name = "target",
                .kind = PARAM_REAL,
                .fallback = 0.03,
                .min = 0,
                .min_open = true,
                .max = 1,
                .help = "gap, as a share of the first one, to which steps are counted in the figure"},
};

struct row {
    const struct exact_cell *cell, *base; /* base: m = 1 of the same family */
    double m, rate, limit;                /* rate: effective, eta/(1 - beta); limit: mean-square, of plain steps */
    size_t last;
};

static bool same_family(const struct exact_cell *a, const struct exact_cell *b)
{
    return a->cell->config.problem.data == b->cell->config.problem.data && a->run.beta == b->run.beta &&
           a->cell->config.sampler == b->cell->config.sampler;
}

static bool diverges(const struct row *row)
{
    return row->cell->run.beta == 0 && row->rate >= row->limit;
}

static double exact_ratio(const struct row *row)
{
    return row->cell->gap[row->last] / row->base->gap[row->base->cell->points - 1];
}

static double measured_ratio(const struct row *row)
{
    return exact_cell_mean(row->cell, row->last) / exact_cell_mean(row->base, row->base->cell->points - 1);
}

static double ratio_se(const struct law_input *input, const struct row *row)
{
    return hypot(exact_cell_se(input, row->cell, row->last),
                 exact_cell_se(input, row->base, row->base->cell->points - 1));
}

static enum status make_row(const struct law_input *input, const struct exact_cell *all, size_t index, struct row *row,
                            struct error *error)
{
    const struct exact_cell *c = &all[index];
    *row = (struct row){.cell = c, .m = (double)c->cell->columns.batch_size, .last = c->cell->points - 1};
    row->rate = c->run.eta[0] / (1 - c->run.beta);
    for (size_t i = 0; i < input->cell_count; i++)
        if (same_family(&all[i], c) && all[i].cell->columns.batch_size == 1)
            row->base = &all[i];
    const double unit = row->base ? row->base->run.eta[0] / (1 - c->run.beta) : 0;
    const uint64_t samples = c->run.steps * c->cell->columns.batch_size;
    if (!row->base || samples != row->base->run.steps || fabs(row->rate / (unit * row->m) - 1) > 1e-9 ||
        !c->cell->config.schedule.type->constant)
        return error_set(error, STATUS_USAGE,
                         "this law compares batch sizes, m = 1 among them, at equal samples (budget.samples) with a "
                         "constant rate proportional to m (schedule.scaling: linear)");
    return oracle_stability_limit(c->run.oracle, c->run.kappa, &row->limit, error);
}

/* ---- checks ---- */

/* What must be large is checked by its inverse, which must be small: a bound has a margin, an order has none. */
static enum status add_checks(const struct law_input *input, const struct row *row, struct check_list *checks,
                              struct error *error)
{
    const double edge = 1 + input->values->scalar[WITHIN];
    struct check check = exact_cell_check(input, row->cell, row->last);
    char cell[120];
    snprintf(check.instance, sizeof check.instance, "%s, rate %.3g = %.2g eta_max(m)",
             exact_instance(row->cell->cell, cell, sizeof cell), row->rate, row->rate / row->limit);
    if (diverges(row)) {
        check.kind = CHECK_BOUND;
        check.predicted = 1;
        check.measured = row->cell->gap[0] / exact_cell_mean(row->cell, row->last);
        snprintf(check.quantity, sizeof check.quantity,
                 "above eta_max(m) the mean grows: first gap over the last at most 1");
        return checks_add(checks, &check, error);
    }
    check.predicted = exact_ratio(row);
    check.measured = measured_ratio(row);
    check.se = ratio_se(input, row);
    snprintf(check.quantity, sizeof check.quantity, "gap over that of m = 1, equal samples");
    enum status status = checks_add(checks, &check, error);
    check.kind = CHECK_BOUND;
    if (check.predicted <= edge) {
        check.predicted = edge;
        snprintf(check.quantity, sizeof check.quantity, "the rule holds: gap over that of m = 1 at most %g", edge);
    } else {
        check.predicted = 1 / edge;
        check.measured = 1 / check.measured;
        snprintf(check.quantity, sizeof check.quantity, "the rule fails: gap of m = 1 over this one at most 1/%g",
                 edge);
    }
    return status == STATUS_OK ? checks_add(checks, &check, error) : status;
}

/* ---- steps to a target with the best rate of each batch size, by the recursion ---- */

enum { RATES = 12, STEPS_MAX = 20000, SIZES_MAX = 32 };
static const double RATE_RATIO = 0.82;

/* Steps until the exact gap is at most `goal`, between two steps by its logarithm; INFINITY: not within `most`. */
static enum status steps_to(const struct oracle *oracle, const double *e0, double kappa, double eta, double goal,
                            double most, double *steps, struct error *error)
{
    struct oracle_state *state;
    enum status status = oracle_state_open(oracle, kappa, e0, false, &state, error);
    if (status != STATUS_OK)
        return status;
    double before = oracle_gap(state), now = before;
    while (now > goal && (double)state->step < most) {
        before = now;
        oracle_step(state, eta);
        now = oracle_gap(state);
    }
    *steps = now <= goal ? (double)state->step - 1 + log(before / goal) / log(before / now) : INFINITY;
    oracle_state_close(state);
    return STATUS_OK;
}

struct tuned {
    size_t count;
    double m[SIZES_MAX], rate[SIZES_MAX], steps[SIZES_MAX];
    double s_inf, s_inf_se, b_crit, b_crit_se, residual; /* S = s_inf (1 + b_crit/m), weights 1/S^2 */
};

/* The rate at which the floor is the goal, or nearly the limit. */
static enum status largest_useful(const struct row *row, double goal, double *top, struct error *error)
{
    double low = 0, high = 0.98 * row->limit;
    enum status status = STATUS_OK;
    for (int k = 0; status == STATUS_OK && k < 30; k++) { /* the first try is the upper end */
        const double eta = k ? 0.5 * (low + high) : high;
        double gap;
        status = exact_floor(row->cell->run.oracle, row->cell->run.kappa, eta, &gap, error);
        if (gap < goal)
            low = eta;
        else
            high = eta;
    }
    *top = low;
    return status;
}

/* The best of log-spaced rates, and a parabola through it and its neighbours. */
static enum status tune(const struct row *row, double goal, double *rate, double *best, struct error *error)
{
    double steps[RATES] = {0}, eta[RATES] = {0}, top;
    size_t at = 0;
    enum status status = largest_useful(row, goal, &top, error);
    *best = STEPS_MAX;
    for (size_t k = 0; status == STATUS_OK && k < RATES; k++) {
        const size_t now = (k + RATES / 4) % RATES; /* from a good guess on: what takes longer is cut short */
        eta[now] = 0.97 * top * pow(RATE_RATIO, (double)now);
        status = steps_to(row->cell->run.oracle, row->cell->run.e0, row->cell->run.kappa, eta[now], goal, 1.5 * *best,
                          &steps[now], error);
        if (status == STATUS_OK && steps[now] < *best) {
            *best = steps[now];
            at = now;
        }
    }
    *rate = eta[at];
    if (status == STATUS_OK && at > 0 && at + 1 < RATES && isfinite(steps[at - 1]) && isfinite(steps[at + 1])) {
        const double left = steps[at - 1] - steps[at], right = steps[at + 1] - steps[at];
        const double shift = 0.5 * (left - right) / (left + right);
        *rate *= pow(RATE_RATIO, shift);
        *best -= 0.25 * (left - right) * shift;
    }
    return status;
}

static enum status tune_all(const struct row *row, size_t count, double share, struct tuned *out, struct error *error)
{
    enum status status = STATUS_OK;
    double x[SIZES_MAX], weight[SIZES_MAX], intercept, slope, var_i, cov, var_s, chi2;
    out->count = 0;
    for (size_t i = 0; status == STATUS_OK && i < count && out->count < SIZES_MAX; i++) {
        if (row[i].cell->run.beta > 0)
            continue;
        const size_t k = out->count;
        out->m[k] = row[i].m;
        status = tune(&row[i], share * row[i].cell->gap[0], &out->rate[k], &out->steps[k], error);
        x[k] = 1 / row[i].m;
        weight[k] = 1 / (out->steps[k] * out->steps[k]);
        out->count += out->steps[k] < STEPS_MAX;
    }
    if (status != STATUS_OK || out->count < 3)
        return status;
    gsl_fit_wlinear(x, 1, weight, 1, out->steps, 1, out->count, &intercept, &slope, &var_i, &cov, &var_s, &chi2);
    const double scale = chi2 / (double)(out->count - 2); /* the scatter tells the errors: the points have none */
    out->s_inf = intercept;
    out->s_inf_se = sqrt(var_i * scale);
    out->b_crit = slope / intercept;
    out->b_crit_se =
        out->b_crit *
        sqrt(scale * (var_i / (intercept * intercept) + var_s / (slope * slope) - 2 * cov / (intercept * slope)));
    out->residual = sqrt(chi2 / (double)out->count);
    return STATUS_OK;
}

/* ---- figure ---- */

/* The batch size at which eta_1 m meets the limit of m, with replacement. */
static enum status find_break(const struct row *row, double *m, struct error *error)
{
    const double unit = row->rate / row->m;
    double low = 1, high = 1e6;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && high / low > 1.0001) {
        const double middle = sqrt(low * high);
        double limit = 0;
        status = oracle_stability_limit(row->cell->run.oracle, 1 / middle, &limit, error);
        if (unit * middle < limit)
            low = middle;
        else
            high = middle;
    }
    *m = low;
    return status;
}

static enum status put_family(const struct law_input *input, struct panel *panel, const struct row *row, size_t count,
                              size_t first, struct error *error)
{
    double *block = malloc(5 * count * sizeof *block);
    char label[80];
    if (!block)
        return error_memory(error, 5 * count * sizeof *block, "the points of a figure");
    double *m = block, *ratio = m + count, *low = ratio + count, *high = low + count, *exact = high + count;
    size_t used = 0;
    for (size_t i = first; i < count; i++) {
        if (!same_family(row[first].cell, row[i].cell))
            continue;
        const double half = row[i].cell == row[i].base ? 0 : 2 * ratio_se(input, &row[i]);
        m[used] = row[i].m;
        ratio[used] = measured_ratio(&row[i]);
        low[used] = ratio[used] * (1 - half);
        high[used] = ratio[used] * (1 + half);
        exact[used++] = exact_ratio(&row[i]);
    }
    if (row[first].cell->run.beta > 0)
        snprintf(label, sizeof label, "momentum %g", row[first].cell->run.beta);
    else
        snprintf(label, sizeof label, "plain steps");
    enum status status = panel_series(panel, SERIES_POINTS, label, used, m, ratio, low, high, error);
    if (status == STATUS_OK)
        status = panel_series(panel, SERIES_THEORY, first ? "" : "exact recursion", used, m, exact, NULL, NULL, error);
    free(block);
    return status;
}

static enum status ratio_panel(const struct law_input *input, struct law_figure *figure, const struct row *row,
                               size_t count, double limit, struct error *error)
{
    char label[80];
    const double within = input->values->scalar[WITHIN], most = row[count - 1].m;
    const double x[2] = {0.8, 1.25 * most}, low[2] = {1 / (1 + within), 1 / (1 + within)},
                 high[2] = {1 + within, 1 + within};
    struct panel *panel = law_figure_panel(figure, "equal samples", "batch size m", "mean gap over that of m = 1");
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    panel->x_log = panel->y_log = true;
    panel->y_min = 0.8;
    panel->y_max = 20; /* what diverges leaves the frame */
    snprintf(label, sizeof label, "within %g %%", 100 * within);
    enum status status = panel_series(panel, SERIES_BAND, label, 2, x, NULL, low, high, error);
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        bool first = true;
        for (size_t j = 0; j < i && first; j++)
            first = !same_family(row[j].cell, row[i].cell);
        if (first)
            status = put_family(input, panel, row, count, i, error);
    }
    snprintf(label, sizeof label, "η₁ m = η_max: m = %.0f", limit);
    if (status == STATUS_OK && limit < 2 * most)
        status = panel_series(panel, SERIES_VERTICAL, label, 1, &limit, NULL, NULL, NULL, error);
    return status;
}

static enum status rate_panel(struct law_figure *figure, const struct row *row, size_t count, const struct tuned *tuned,
                              struct error *error)
{
    struct panel *panel = law_figure_panel(figure, "rates", "batch size m", "rate");
    double scaled[SIZES_MAX], limit[SIZES_MAX], m[SIZES_MAX];
    size_t used = 0;
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    panel->x_log = panel->y_log = true;
    for (size_t i = 0; i < count && used < SIZES_MAX; i++) {
        if (row[i].cell->run.beta > 0)
            continue;
        m[used] = row[i].m;
        scaled[used] = row[i].rate;
        limit[used++] = row[i].limit;
    }
    enum status status = panel_series(panel, SERIES_POINTS, "fewest steps to a target", tuned->count, tuned->m,
                                      tuned->rate, NULL, NULL, error);
    if (status == STATUS_OK)
        panel->series[panel->count - 1].colour = 2;
    if (status == STATUS_OK)
        status = panel_series(panel, SERIES_THEORY, "scaled, η₁ m", used, m, scaled, NULL, NULL, error);
    if (status == STATUS_OK)
        panel->series[panel->count - 1].colour = 0;
    if (status == STATUS_OK)
        status = panel_series(panel, SERIES_THEORY, "limit η_max(m)", used, m, limit, NULL, NULL, error);
    if (status == STATUS_OK)
        panel->series[panel->count - 1].colour = 6;
    return status;
}

static enum status steps_panel(struct law_figure *figure, double share, const struct tuned *tuned, struct error *error)
{
    struct panel *panel = law_figure_panel(figure, "steps to a target", "batch size m", "steps S");
    double fit[SIZES_MAX];
    char label[100];
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    panel->x_log = panel->y_log = true;
    for (size_t k = 0; k < tuned->count; k++)
        fit[k] = tuned->s_inf * (1 + tuned->b_crit / tuned->m[k]);
    snprintf(panel->text, sizeof panel->text, "S∞ = %.2g ± %.1g\nB = %.3g ± %.1g\nresidual %.1f %%", tuned->s_inf,
             2 * tuned->s_inf_se, tuned->b_crit, 2 * tuned->b_crit_se, 100 * tuned->residual);
    snprintf(label, sizeof label, "best rate, to %g of the first gap", share);
    enum status status =
        panel_series(panel, SERIES_POINTS, label, tuned->count, tuned->m, tuned->steps, NULL, NULL, error);
    if (status == STATUS_OK)
        panel->series[panel->count - 1].colour = 2;
    if (status == STATUS_OK)
        status =
            panel_series(panel, SERIES_THEORY, "fitted: S∞ (1 + B/m)", tuned->count, tuned->m, fit, NULL, NULL, error);
    return status;
}

static enum status draw(const struct law_input *input, struct law_figure *figure, const struct row *row, size_t count,
                        struct error *error)
{
    struct tuned tuned = {0};
    double limit = 0;
    const double share = input->values->scalar[TARGET];
    snprintf(figure->title, sizeof figure->title, "How far does a rate proportional to the batch size carry?");
    enum status status = find_break(&row[0], &limit, error);
    if (status == STATUS_OK)
        status = tune_all(row, count, share, &tuned, error);
    if (status == STATUS_OK)
        status = ratio_panel(input, figure, row, count, limit, error);
    if (status == STATUS_OK && tuned.count >= 3)
        status = rate_panel(figure, row, count, &tuned, error);
    if (status == STATUS_OK && tuned.count >= 3)
        status = steps_panel(figure, share, &tuned, error);
    return status;
}

/* ---- the law ---- */

static enum status evaluate(const struct law_input *input, struct check_list *checks, struct law_figure *figure,
                            struct error *error)
{
    const size_t count = input->cell_count;
    struct exact_cell *cell = NULL;
    struct row *row = calloc(count + 1, sizeof *row);
    enum status status =
        row ? exact_cells_open(input, &cell, error) : error_memory(error, (count + 1) * sizeof *row, "a law");
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        status = make_row(input, cell, i, &row[i], error);
        if (status == STATUS_OK && row[i].cell != row[i].base)
            status = add_checks(input, &row[i], checks, error);
    }
    if (status == STATUS_OK && !input->planned && count > 0)
        status = draw(input, figure, row, count, error);
    exact_cells_close(cell, count);
    free(row);
    return status;
}

const struct law_type law_linear_scaling = {
    .method = {.name = "linear_scaling",
               .summary = "rate eta_1 m, equal samples: the gap's ratio to m = 1 is that of the exact recursions",
               .revision = 1,
               .params = params,
               .param_count = sizeof params / sizeof *params},
    .number = "L8",
    .title = "Linear scaling",
    .group = "Claims of the field",
    .source = "Goyal et al. 2017; McCandlish et al. 2018; exact second moments",
    .evaluate = evaluate,
};
