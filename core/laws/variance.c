/* L2. The variance of the batch gradient at a frozen x: Cov g = kappa Sigma, Sigma = (1/n) sum (grad f_i - grad f)(grad
 * f_i - grad f)', kappa = 1/m with replacement and (n-m)/(m(n-1)) for a subset (Cochran, Sampling Techniques, 1977, eq.
 * 2.9 and 2.20). Checked are the trace, the variance along fixed directions, and the slope of the trace over m.
 *
 * `correction: none` states the plain sigma^2/m for both samplers, which a subset refutes at large m. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "laws/law_estimator.h"
#include "stats.h"

enum { CORRECTION };
enum { FINITE, NONE };
static const char *const corrections[] = {"finite", "none", NULL};
static const struct param params[] = {
    [CORRECTION] = {.name = "correction",
                    .kind = PARAM_CHOICE,
                    .choices = corrections,
                    .help = "finite: the factor (n-m)/(n-1) of a subset; none: sigma^2/m for every sampler"},
};

static const double ROUNDING = 1e-24; /* of |g - grad f|^2, relative, in a mean over all n */

/* One cell, ready for checks and figure. */
struct row {
    const struct law_cell *cell;
    struct pooled_estimate e;
    double m, n, kappa; /* the law's kappa */
};

static bool by_subset(const struct row *row)
{
    return !row->cell->config.sampler->with_replacement;
}

/* ---- checks ---- */

static enum status add_checks(const struct law_input *input, const struct row *row, struct check_list *checks,
                              struct error *error)
{
    const struct pooled_estimate *e = &row->e;
    struct check check = {.kind = CHECK_RATIO, .replicates = e->draws, .margin = input->margin_value};
    law_cell_label(row->cell, check.instance, sizeof check.instance);
    snprintf(check.quantity, sizeof check.quantity, "tr Cov g");
    if (row->kappa == 0) {
        check.kind = CHECK_EXACT;
        check.measured = e->leak;
        check.margin = ROUNDING;
        snprintf(check.quantity, sizeof check.quantity, "tr Cov g of a batch of all n, relative");
        return checks_add(checks, &check, error);
    }
    check.exact_theory = input->values->scalar[CORRECTION] == FINITE;
    check.predicted = row->kappa * e->sigma2;
    check.measured = e->kappa > 0 ? e->ratio * e->kappa * e->sigma2 : e->variance;
    check.se = e->kappa > 0 ? e->ratio_se / (isnan(e->ratio) ? 1 : e->ratio) : 0;
    enum status status = checks_add(checks, &check, error);
    if (status != STATUS_OK || !(e->along_se > 0) || e->kappa == 0)
        return status;
    check.predicted = 1;
    check.measured = e->along * e->kappa / row->kappa;
    check.se = e->along_se / (isnan(e->along) ? 1 : e->along);
    check.exact_theory = false; /* exact, but it goes with the trace: one of the two is enough for a QQ plot */
    snprintf(check.quantity, sizeof check.quantity, "Var(u.g)/(kappa u.Sigma u), u = grad f/|grad f|");
    return checks_add(checks, &check, error);
}

static bool same_curve(const struct row *a, const struct row *b)
{
    const struct cell_columns *x = &a->cell->columns, *y = &b->cell->columns;
    return strcmp(x->problem, y->problem) == 0 && strcmp(x->data, y->data) == 0 && x->l2 == y->l2 &&
           a->cell->config.sampler == b->cell->config.sampler;
}

/* The slope of ln V on ln m over the batch sizes of one problem and sampler, from row `first` on. */
static enum status add_slope(const struct law_input *input, const struct row *row, size_t count, size_t first,
                             struct check_list *checks, struct error *error)
{
    double *block = malloc(5 * count * sizeof *block);
    if (!block)
        return error_memory(error, 5 * count * sizeof *block, "a slope");
    double *m = block, *v = m + count, *se = v + count, *theory = se + count, *weight = theory + count;
    struct check check = {.kind = CHECK_DIFFERENCE, .margin = input->margin_slope, .exact_theory = true};
    size_t points = 0;
    for (size_t i = first; i < count; i++) {
        if (!same_curve(&row[first], &row[i]) || row[i].kappa == 0)
            continue;
        const double ratio = isnan(row[i].e.ratio) ? 1 : row[i].e.ratio; /* planned */
        m[points] = row[i].m;
        v[points] = row[i].kappa * ratio;
        se[points] = row[i].kappa * row[i].e.ratio_se;
        theory[points] = row[i].kappa;
        weight[points] = pow(v[points] / se[points], 2);
        check.replicates =
            check.replicates == 0 || row[i].e.draws < check.replicates ? row[i].e.draws : check.replicates;
        points++;
    }
    enum status status = STATUS_OK;
    if (points >= 3) {
        struct slope slope;
        status = stats_log_slope(points, m, v, se, &slope, error);
        if (status == STATUS_OK)
            status = stats_log_slope_of(points, m, theory, weight, &check.predicted, error);
        const struct cell_columns *c = &row[first].cell->columns;
        snprintf(check.instance, sizeof check.instance, "%.36s on %.48s, %.24s, m = %g..%g", c->problem, c->data,
                 c->sampling, m[0], m[points - 1]);
        snprintf(check.quantity, sizeof check.quantity, "slope of ln tr Cov g on ln m");
        check.measured = input->planned ? (double)NAN : slope.slope;
        check.se = slope.slope_se;
        if (!input->planned && !by_subset(&row[first])) /* a subset's curve is no power law */
            snprintf(check.note, sizeof check.note, "lack of fit: chi^2 = %.1f with %.0f df, p = %.2g", slope.chi2,
                     slope.df, slope.p);
        if (status == STATUS_OK)
            status = checks_add(checks, &check, error);
    }
    free(block);
    return status;
}

/* ---- figure ---- */

struct points {
    double *x, *y, *low, *high;
    size_t count;
};

static void add_point(struct points *points, double x, double y, double half)
{
    points->x[points->count] = x;
    points->y[points->count] = y;
    points->low[points->count] = y - half;
    points->high[points->count++] = y + half;
}

static enum status put(struct panel *panel, enum series_kind kind, const char *label, int colour,
                       const struct points *points, struct error *error)
{
    const bool bars = kind == SERIES_POINTS;
    if (points->count == 0)
        return STATUS_OK;
    enum status status = panel_series(panel, kind, label, points->count, points->x, points->y,
                                      bars ? points->low : NULL, bars ? points->high : NULL, error);
    if (status == STATUS_OK)
        panel->series[panel->count - 1].colour = colour;
    return status;
}

enum { WITH, SUBSET, SAMPLERS, CURVE = 120 };
static const char *const sampler_label[SAMPLERS] = {"with replacement", "without replacement"};

/* Lines of theory for n samples: scaled(m) = V m/sigma^2, else V. */
static enum status put_theory(struct panel *panel, double n, bool share, bool scaled, struct points *points,
                              struct error *error)
{
    enum status status = STATUS_OK;
    for (int sampler = WITH; status == STATUS_OK && sampler < SAMPLERS; sampler++) {
        points->count = 0;
        for (int i = 0; i < CURVE; i++) {
            double m = pow(n, (double)i / (CURVE - 1));
            const double factor = sampler == SUBSET ? (n - m) / (n - 1) : 1;
            if (!scaled && factor <= 0)
                continue;
            add_point(points, share ? m / n : m, scaled ? factor : factor / m, 0);
        }
        status = put(panel, SERIES_THEORY,
                     sampler == SUBSET ? (scaled ? "(n − m)/(n − 1)" : "(n − m)/(m(n − 1))") : (scaled ? "1" : "1/m"),
                     sampler, points, error);
    }
    return status;
}

/* V/sigma^2 of the first problem against m, or V m/sigma^2 of all against m/n. */
static enum status variance_panel(struct law_figure *figure, const struct row *row, size_t count, bool all,
                                  struct points *points, struct error *error)
{
    char title[160];
    double most = row[0].n;
    snprintf(title, sizeof title, all ? "all problems" : "%.50s, n = %.0f", row[0].cell->columns.problem, row[0].n);
    struct panel *panel =
        law_figure_panel(figure, title, all ? "m/n" : "batch size m", all ? "V m/σ²" : "V/σ², V = E|g − ∇f|²");
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    panel->x_log = true;
    panel->y_log = !all;
    for (size_t i = 0; all && i < count; i++)
        most = fmax(most, row[i].n);
    enum status status = STATUS_OK;
    for (int sampler = WITH; status == STATUS_OK && sampler < SAMPLERS; sampler++) {
        points->count = 0;
        for (size_t i = 0; i < count; i++) {
            const struct cell_columns *c = &row[i].cell->columns, *first = &row[0].cell->columns;
            const bool here = strcmp(c->problem, first->problem) == 0 && strcmp(c->data, first->data) == 0;
            const double scale = all ? row[i].m : 1, kappa = row[i].e.kappa;
            if (by_subset(&row[i]) != (sampler == SUBSET) || (!all && !here) || !(kappa > 0))
                continue;
            add_point(points, all ? row[i].m / row[i].n : row[i].m, row[i].e.ratio * kappa * scale,
                      2 * row[i].e.ratio_se * kappa * scale);
        }
        status = put(panel, SERIES_POINTS, sampler_label[sampler], sampler, points, error);
    }
    return status == STATUS_OK ? put_theory(panel, most, all, all, points, error) : status;
}

static enum status ratio_panel(const struct law_input *input, struct law_figure *figure, const struct row *row,
                               size_t count, struct points *points, struct error *error)
{
    struct panel *panel = law_figure_panel(figure, "over prediction", "batch size m",
                                           input->values->scalar[CORRECTION] == FINITE ? "V/(κσ²)" : "V m/σ²");
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    panel->x_log = true;
    double to = 1;
    for (size_t i = 0; i < count; i++)
        to = fmax(to, row[i].m);
    const double x[2] = {0.8, 1.25 * to}, low[2] = {exp(-input->margin_value), exp(-input->margin_value)},
                 high[2] = {exp(input->margin_value), exp(input->margin_value)}, one[2] = {1, 1};
    enum status status = panel_series(panel, SERIES_BAND, "margin", 2, x, NULL, low, high, error);
    if (status == STATUS_OK)
        status = panel_series(panel, SERIES_THEORY, "", 2, x, one, NULL, NULL, error);
    for (int sampler = WITH; status == STATUS_OK && sampler < SAMPLERS; sampler++) {
        points->count = 0;
        for (size_t i = 0; i < count; i++)
            if (by_subset(&row[i]) == (sampler == SUBSET) && row[i].e.kappa > 0)
                add_point(points, row[i].m * pow(1.25, (double)(i % 11) / 10 - 0.5), /* side by side */
                          row[i].e.ratio * row[i].e.kappa / row[i].kappa,
                          2 * row[i].e.ratio_se * row[i].e.kappa / row[i].kappa);
        status = put(panel, SERIES_POINTS, sampler_label[sampler], sampler, points, error);
    }
    return status;
}

static enum status draw(const struct law_input *input, struct law_figure *figure, const struct row *row, size_t count,
                        struct error *error)
{
    const size_t room = count > CURVE ? count : CURVE;
    double *block = malloc(4 * room * sizeof *block);
    if (!block)
        return error_memory(error, 4 * room * sizeof *block, "the figure of a law");
    struct points points = {.x = block, .y = block + room, .low = block + 2 * room, .high = block + 3 * room};
    snprintf(figure->title, sizeof figure->title, "Does the variance of a batch gradient fall as %s?",
             input->values->scalar[CORRECTION] == FINITE ? "κσ²" : "σ²/m");
    enum status status = variance_panel(figure, row, count, false, &points, error);
    if (status == STATUS_OK)
        status = variance_panel(figure, row, count, true, &points, error);
    if (status == STATUS_OK)
        status = ratio_panel(input, figure, row, count, &points, error);
    free(block);
    return status;
}

/* ---- the law ---- */

static enum status evaluate(const struct law_input *input, struct check_list *checks, struct law_figure *figure,
                            struct error *error)
{
    const size_t count = input->cell_count;
    const bool finite = input->values->scalar[CORRECTION] == FINITE;
    struct row *row = calloc(count + 1, sizeof *row);
    enum status status = row ? STATUS_OK : error_memory(error, (count + 1) * sizeof *row, "a law");
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        const struct law_cell *cell = &input->cell[i];
        row[i].cell = cell;
        row[i].n = (double)cell->columns.n;
        row[i].m = fmin((double)cell->columns.batch_size, cell->config.sampler->with_replacement ? INFINITY : row[i].n);
        status = law_pool(input, cell, &row[i].e, error);
        row[i].kappa = finite ? row[i].e.kappa : 1 / row[i].m;
        if (status == STATUS_OK)
            status = add_checks(input, &row[i], checks, error);
    }
    for (size_t i = 0; status == STATUS_OK && finite && i < count; i++) {
        bool first = true;
        for (size_t j = 0; j < i && first; j++)
            first = !same_curve(&row[j], &row[i]);
        if (first)
            status = add_slope(input, row, count, i, checks, error);
    }
    if (status == STATUS_OK && !input->planned && count > 0)
        status = draw(input, figure, row, count, error);
    free(row);
    return status;
}

const struct law_type law_variance = {
    .method = {.name = "variance",
               .summary =
                   "Cov g_B = kappa Sigma at a frozen x: sigma^2/m with replacement, times (n-m)/(n-1) by subset",
               .revision = 1,
               .params = params,
               .param_count = sizeof params / sizeof *params},
    .number = "L2",
    .title = "Variance over batch size",
    .group = "Core",
    .source = "Cochran, Sampling Techniques (1977), eq. 2.9, 2.20",
    .evaluate = evaluate,
};
