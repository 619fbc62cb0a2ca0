/* L3. Loss against steps: with batches drawn anew at every step, the mean of f(x_t) - f* on least squares is that of
 * the exact recursion of E e e' (oracle.h), for every batch size, rate and schedule, momentum and local SGD included.
 *
 * Checked at log-spaced steps, the last among them; at t = 0 without noise, which a start that is not fresh would fail.
 * Points of one path are not independent: the last one of a cell stands for it among the p-values. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "laws/law_exact.h"

enum { POINTS, RATIO_POINTS = 12 };
static const struct param params[] = {
    [POINTS] = {.name = "points",
                .kind = PARAM_COUNT,
                .fallback = 4,
                .min = 1,
                .max = 50,
                .help = "steps at which a curve is checked, log-spaced up to the last, beside t = 0"},
};

static const double ROUNDING = 1e-9; /* of gap_0, relative: the optimum is certified to about 1e-12 */

static void rate_label(const struct exact_cell *c, char *text, size_t size)
{
    char cell[120];
    snprintf(text, size, "%s, rate %.3g", exact_instance(c->cell, cell, sizeof cell), c->cell->columns.rate);
}

/* ---- checks ---- */

static enum status add_checks(const struct law_input *input, const struct exact_cell *c, struct check_list *checks,
                              struct error *error)
{
    const size_t wanted = (size_t)input->values->scalar[POINTS];
    struct check start = exact_cell_check(input, c, 0);
    start.kind = CHECK_EXACT;
    start.predicted = 1;
    start.measured /= c->gap[0];
    start.se = 0;
    start.margin = ROUNDING;
    rate_label(c, start.instance, sizeof start.instance);
    snprintf(start.quantity, sizeof start.quantity, "gap/gap_0 at t = 0");
    enum status status = c->gap[0] > 0 ? checks_add(checks, &start, error) : STATUS_OK;
    size_t done = 0;
    for (size_t k = 1; status == STATUS_OK && k <= wanted; k++) {
        const size_t p = k == wanted ? c->cell->points - 1
                                     : exact_point_near(c->cell, pow((double)c->run.steps, (double)k / (double)wanted));
        if (p <= done)
            continue;
        struct check check = exact_cell_check(input, c, p);
        check.exact_theory = k == wanted;
        rate_label(c, check.instance, sizeof check.instance);
        snprintf(check.quantity, sizeof check.quantity, "E gap at t = %llu", (unsigned long long)c->cell->step[p]);
        status = checks_add(checks, &check, error);
        done = p;
    }
    return status;
}

/* ---- figure: curves above, measured over exact below; one column for each problem and rate ---- */

static bool same_panel(const struct exact_cell *a, const struct exact_cell *b)
{
    const struct cell_columns *x = &a->cell->columns, *y = &b->cell->columns;
    return strcmp(x->data, y->data) == 0 && x->rate == y->rate && strcmp(x->schedule, y->schedule) == 0;
}

static bool first_of_panel(const struct exact_cell *c, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (same_panel(&c[j], &c[i]))
            return false;
    return true;
}

struct line {
    double *x, *exact, *mean, *low, *high;
    size_t count;
};

/* Points t > 0 of a cell; over: divided by the exact mean. */
static void trace(const struct law_input *input, const struct exact_cell *c, bool over, struct line *line)
{
    line->count = 0;
    for (size_t p = 0; p < c->cell->points; p++) {
        if (c->cell->step[p] == 0)
            continue;
        const size_t k = line->count++;
        const double scale = over ? c->gap[p] : 1, mean = exact_cell_mean(c, p) / scale;
        const double half = 2 * exact_cell_se(input, c, p) * mean;
        line->x[k] = (double)c->cell->step[p];
        line->exact[k] = c->gap[p] / scale;
        line->mean[k] = mean;
        line->low[k] = mean - half;
        line->high[k] = mean + half;
    }
}

/* A few points of many, the last among them. */
static void thin_out(struct line *line)
{
    const size_t every = line->count / RATIO_POINTS + 1;
    size_t kept = 0;
    for (size_t k = (line->count - 1) % every; k < line->count; k += every, kept++) {
        line->x[kept] = line->x[k];
        line->mean[kept] = line->mean[k];
        line->low[kept] = line->low[k];
        line->high[kept] = line->high[k];
    }
    line->count = kept;
}

static enum status curve_panel(const struct law_input *input, struct law_figure *figure, const struct exact_cell *c,
                               size_t first, struct line *line, struct error *error)
{
    char text[160];
    const char *data = c[first].cell->columns.data; /* without the generator's parameters */
    snprintf(text, sizeof text, "%.*s, η = %.3g", (int)strcspn(data, "("), data, c[first].cell->columns.rate);
    struct panel *panel = law_figure_panel(figure, text, "step t", "f(x_t) − f*");
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    snprintf(panel->text, sizeof panel->text, "means of %llu chains", (unsigned long long)c[first].measured->chains);
    panel->x_log = panel->y_log = true;
    enum status status = STATUS_OK;
    size_t last = first;
    for (size_t i = first; i < input->cell_count; i++)
        last = same_panel(&c[first], &c[i]) ? i : last;
    for (size_t i = first; status == STATUS_OK && i <= last; i++) {
        if (!same_panel(&c[first], &c[i]))
            continue;
        trace(input, &c[i], false, line);
        status = panel_series(panel, SERIES_MEASURED, exact_label(c[i].cell, text, sizeof text), line->count, line->x,
                              line->mean, line->low, line->high, error);
        if (status == STATUS_OK)
            status = panel_series(panel, SERIES_THEORY, i == last ? "exact recursion" : "", line->count, line->x,
                                  line->exact, NULL, NULL, error);
    }
    return status;
}

static enum status ratio_panel(const struct law_input *input, struct law_figure *figure, const struct exact_cell *c,
                               size_t first, struct line *line, struct error *error)
{
    struct panel *panel = law_figure_panel(figure, "", "step t", "measured mean/exact mean");
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    char margin[60];
    panel->x_log = true;
    const double x[2] = {1, (double)c[first].run.steps}, one[2] = {1, 1};
    const double low[2] = {exp(-input->margin_value), exp(-input->margin_value)},
                 high[2] = {exp(input->margin_value), exp(input->margin_value)};
    snprintf(margin, sizeof margin, "within the margin, ±%g %%", 100 * input->margin_value);
    enum status status = panel_series(panel, SERIES_BAND, margin, 2, x, NULL, low, high, error);
    if (status == STATUS_OK)
        status = panel_series(panel, SERIES_THEORY, "", 2, x, one, NULL, NULL, error);
    double most = 0;
    for (size_t i = first, side = 0; status == STATUS_OK && i < input->cell_count; i++) {
        if (!same_panel(&c[first], &c[i]))
            continue;
        trace(input, &c[i], true, line);
        thin_out(line);
        for (size_t k = 0; k < line->count; k++) {
            line->x[k] *= pow(1.03, (double)(side % 8) - 3.5); /* beside each other */
            most = fmax(most, fmax(fabs(line->low[k] - 1), fabs(line->high[k] - 1)));
        }
        side++;
        status = panel_series(panel, SERIES_POINTS, "", line->count, line->x, line->mean, line->low, line->high, error);
    }
    if (isfinite(most)) { /* the noise, which a wide margin would hide */
        panel->y_min = 1 - 1.3 * most;
        panel->y_max = 1 + 1.3 * most;
    }
    return status;
}

static enum status draw(const struct law_input *input, struct law_figure *figure, const struct exact_cell *c,
                        struct error *error)
{
    size_t room = 1;
    for (size_t i = 0; i < input->cell_count; i++)
        room = c[i].cell->points > room ? c[i].cell->points : room;
    double *block = malloc(5 * room * sizeof *block);
    if (!block)
        return error_memory(error, 5 * room * sizeof *block, "the figure of a law");
    struct line line = {block, block + room, block + 2 * room, block + 3 * room, block + 4 * room, 0};
    enum status status = STATUS_OK;
    snprintf(figure->title, sizeof figure->title, "Is the mean loss curve that of the exact recursion?");
    for (int over = 0; over < 2; over++)
        for (size_t i = 0; status == STATUS_OK && i < input->cell_count; i++) {
            if (!first_of_panel(c, i))
                continue;
            figure->columns += over ? 0 : 1;
            status = (over ? ratio_panel : curve_panel)(input, figure, c, i, &line, error);
        }
    free(block);
    return status;
}

/* ---- the law ---- */

static enum status evaluate(const struct law_input *input, struct check_list *checks, struct law_figure *figure,
                            struct error *error)
{
    struct exact_cell *cell;
    enum status status = exact_cells_open(input, &cell, error);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; status == STATUS_OK && i < input->cell_count; i++)
        status = add_checks(input, &cell[i], checks, error);
    if (status == STATUS_OK && !input->planned)
        status = draw(input, figure, cell, error);
    exact_cells_close(cell, input->cell_count);
    return status;
}

const struct law_type law_loss_curve = {
    .method = {.name = "loss_curve",
               .summary =
                   "E f(x_t) - f* = tr(H M_t)/2 on least squares, M+ = (I - eta H) M (I - eta H) + eta^2 kappa S",
               .revision = 1,
               .params = params,
               .param_count = sizeof params / sizeof *params},
    .number = "L3",
    .title = "Loss against steps",
    .group = "Core",
    .source = "exact second moments; Bach and Moulines 2013, Defossez and Bach 2015",
    .evaluate = evaluate,
};
