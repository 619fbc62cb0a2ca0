/* L16. Local SGD: K workers take steps of their own and are averaged every H of them. On least squares the mean of f -
 * f* at the workers' mean is that of the exact recursion, whose part across two workers has no noise (oracle.h; Stich,
 * ICLR 2019, bounds it). H = 1 is one worker with batches of K times the size. What rare averaging costs at the last
 * step is checked as a ratio to every-step averaging.
 *
 * Points of one path are not independent: the last one of a cell stands for it among the p-values. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "laws/law_exact.h"

enum { POINTS };
static const struct param params[] = {
    [POINTS] = {.name = "points",
                .kind = PARAM_COUNT,
                .fallback = 3,
                .min = 1,
                .max = 50,
                .help = "steps at which a curve is checked, log-spaced up to the last"},
};

static const double SAME = 1e-10; /* of two recursions, relative */

/* Cells that differ in H alone. */
static bool same_family(const struct exact_cell *a, const struct exact_cell *b)
{
    return a->cell->config.problem.data == b->cell->config.problem.data && a->run.workers == b->run.workers &&
           a->cell->columns.rate == b->cell->columns.rate && a->cell->columns.batch_size == b->cell->columns.batch_size;
}

static size_t last_point(const struct exact_cell *c)
{
    return c->cell->points - 1;
}

/* The member of c's family that is averaged at every step; NULL: none. */
static const struct exact_cell *every_step(const struct exact_cell *all, size_t count, const struct exact_cell *c)
{
    for (size_t i = 0; i < count; i++)
        if (same_family(&all[i], c) && all[i].run.sync_every == 1)
            return &all[i];
    return NULL;
}

/* ---- checks ---- */

static void name(const struct exact_cell *c, struct check *check)
{
    snprintf(check->instance, sizeof check->instance, "%.60s, %zu workers, H = %llu, rate %.3g", c->cell->columns.data,
             c->run.workers, (unsigned long long)c->run.sync_every, c->cell->columns.rate);
}

static enum status add_points(const struct law_input *input, const struct exact_cell *c, struct check_list *checks,
                              struct error *error)
{
    const size_t wanted = (size_t)input->values->scalar[POINTS];
    enum status status = STATUS_OK;
    for (size_t k = 1, done = 0; status == STATUS_OK && k <= wanted; k++) {
        const size_t p = k == wanted ? last_point(c)
                                     : exact_point_near(c->cell, pow((double)c->run.steps, (double)k / (double)wanted));
        if (p <= done)
            continue;
        struct check check = exact_cell_check(input, c, p);
        check.exact_theory = k == wanted;
        name(c, &check);
        snprintf(check.quantity, sizeof check.quantity, "E gap of the workers' mean at t = %llu",
                 (unsigned long long)c->cell->step[p]);
        status = checks_add(checks, &check, error);
        done = p;
    }
    return status;
}

/* The two recursions agree, and so the measured curve that was held against one is held against both. */
static enum status add_batch(const struct exact_cell *c, struct check_list *checks, struct error *error)
{
    struct exact_run batch = c->run; /* borrows all of it */
    double gap;
    batch.workers = batch.sync_every = 1;
    batch.kappa /= (double)c->run.workers;
    enum status status = exact_gap(&batch, 1, &c->cell->step[last_point(c)], &gap, NULL, error);
    struct check check = {.kind = CHECK_EXACT, .predicted = 1, .margin = SAME};
    check.measured = c->gap[last_point(c)] / gap;
    name(c, &check);
    snprintf(check.quantity, sizeof check.quantity, "exact gap over that of one worker with %zu times the batch",
             c->run.workers);
    return status == STATUS_OK ? checks_add(checks, &check, error) : status;
}

static double ratio_se(const struct law_input *input, const struct exact_cell *c, const struct exact_cell *base)
{
    return hypot(exact_cell_se(input, c, last_point(c)), exact_cell_se(input, base, last_point(base)));
}

static enum status add_ratio(const struct law_input *input, const struct exact_cell *c, const struct exact_cell *base,
                             struct check_list *checks, struct error *error)
{
    struct check check = exact_cell_check(input, c, last_point(c));
    check.predicted /= base->gap[last_point(base)];
    check.measured /= exact_cell_mean(base, last_point(base));
    check.se = ratio_se(input, c, base);
    name(c, &check);
    snprintf(check.quantity, sizeof check.quantity, "gap over that of averaging every step");
    return checks_add(checks, &check, error);
}

static enum status add_checks(const struct law_input *input, const struct exact_cell *all, const struct exact_cell *c,
                              struct check_list *checks, struct error *error)
{
    const struct exact_cell *base = every_step(all, input->cell_count, c);
    bool rarest = c != base;
    for (size_t i = 0; i < input->cell_count; i++)
        rarest = rarest && !(same_family(&all[i], c) && all[i].run.sync_every > c->run.sync_every);
    enum status status = add_points(input, c, checks, error);
    if (status == STATUS_OK && c == base && c->cell->config.sampler->with_replacement)
        status = add_batch(c, checks, error);
    if (status == STATUS_OK && rarest && base)
        status = add_ratio(input, c, base, checks, error);
    return status;
}

/* ---- figure: the gap against averages made, for each rate; what rare averaging costs ---- */

static enum status put_curve(const struct law_input *input, struct panel *panel, const struct exact_cell *c, bool named,
                             struct error *error)
{
    const size_t points = c->cell->points;
    double *block = malloc(5 * points * sizeof *block);
    char label[60];
    if (!block)
        return error_memory(error, 5 * points * sizeof *block, "the points of a figure");
    double *x = block, *mean = x + points, *low = mean + points, *high = low + points, *exact = high + points;
    size_t used = 0;
    for (size_t p = 0; p < points; p++) {
        if (c->cell->step[p] == 0)
            continue;
        x[used] = (double)c->cell->step[p] / (double)c->run.sync_every;
        mean[used] = exact_cell_mean(c, p);
        low[used] = mean[used] * (1 - 2 * exact_cell_se(input, c, p));
        high[used] = mean[used] * (1 + 2 * exact_cell_se(input, c, p));
        exact[used++] = c->gap[p];
    }
    snprintf(label, sizeof label, "H = %llu", (unsigned long long)c->run.sync_every);
    enum status status = panel_series(panel, SERIES_MEASURED, label, used, x, mean, low, high, error);
    if (status == STATUS_OK)
        status = panel_series(panel, SERIES_THEORY, named ? "exact recursion" : "", used, x, exact, NULL, NULL, error);
    free(block);
    return status;
}

static enum status curve_panel(const struct law_input *input, struct law_figure *figure, const struct exact_cell *all,
                               size_t first, struct error *error)
{
    char title[160];
    snprintf(title, sizeof title, "%zu workers, η = %.3g", all[first].run.workers, all[first].cell->columns.rate);
    struct panel *panel = law_figure_panel(figure, title, "averages made, t/H", "f − f* at the workers' mean");
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    panel->x_log = panel->y_log = true;
    enum status status = STATUS_OK;
    size_t last = first;
    for (size_t i = first; i < input->cell_count; i++)
        last = same_family(&all[first], &all[i]) ? i : last;
    for (size_t i = first; status == STATUS_OK && i <= last; i++)
        if (same_family(&all[first], &all[i]))
            status = put_curve(input, panel, &all[i], i == last, error);
    return status;
}

static enum status put_cost(const struct law_input *input, struct panel *panel, const struct exact_cell *all,
                            size_t first, struct error *error)
{
    const size_t count = input->cell_count;
    const struct exact_cell *base = every_step(all, count, &all[first]);
    double *block = malloc(5 * count * sizeof *block);
    char label[60];
    if (!block)
        return error_memory(error, 5 * count * sizeof *block, "the points of a figure");
    double *h = block, *ratio = h + count, *low = ratio + count, *high = low + count, *exact = high + count;
    size_t used = 0;
    for (size_t i = first; base && i < count; i++) {
        if (!same_family(&all[first], &all[i]) || &all[i] == base)
            continue;
        const double half = 2 * ratio_se(input, &all[i], base);
        h[used] = (double)all[i].run.sync_every;
        ratio[used] = exact_cell_mean(&all[i], last_point(&all[i])) / exact_cell_mean(base, last_point(base));
        low[used] = ratio[used] * (1 - half);
        high[used] = ratio[used] * (1 + half);
        exact[used++] = all[i].gap[last_point(&all[i])] / base->gap[last_point(base)];
    }
    snprintf(label, sizeof label, "η = %.3g", all[first].cell->columns.rate);
    enum status status = panel_series(panel, SERIES_POINTS, label, used, h, ratio, low, high, error);
    if (status == STATUS_OK)
        status = panel_series(panel, SERIES_THEORY, first ? "" : "exact recursion", used, h, exact, NULL, NULL, error);
    free(block);
    return status;
}

static bool first_of_family(const struct exact_cell *all, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (same_family(&all[j], &all[i]))
            return false;
    return true;
}

static enum status draw(const struct law_input *input, struct law_figure *figure, const struct exact_cell *all,
                        struct error *error)
{
    const size_t count = input->cell_count;
    enum status status = STATUS_OK;
    snprintf(figure->title, sizeof figure->title, "What do rare averages of the workers cost?");
    for (size_t i = 0; status == STATUS_OK && i < count; i++)
        if (first_of_family(all, i))
            status = curve_panel(input, figure, all, i, error);
    struct panel *panel = status == STATUS_OK ? law_figure_panel(figure, "cost at the last step",
                                                                 "steps between averages H", "gap over that of H = 1")
                                              : NULL;
    if (status == STATUS_OK && !panel)
        return error_memory(error, sizeof *panel, "a panel");
    if (panel) {
        panel->x_log = true;
        snprintf(panel->text, sizeof panel->text, "means of %llu chains", (unsigned long long)all[0].measured->chains);
    }
    for (size_t i = 0; status == STATUS_OK && i < count; i++)
        if (first_of_family(all, i))
            status = put_cost(input, panel, all, i, error);
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
        status = cell[i].run.workers > 1
                     ? add_checks(input, cell, &cell[i], checks, error)
                     : error_set(error, STATUS_USAGE, "this law speaks of local SGD: it needs local.workers above 1");
    if (status == STATUS_OK && !input->planned && input->cell_count > 0)
        status = draw(input, figure, cell, error);
    exact_cells_close(cell, input->cell_count);
    return status;
}

const struct law_type law_local_sgd = {
    .method = {.name = "local_sgd",
               .summary = "E gap of the workers' mean is tr(H [M/K + (1 - 1/K) Q])/2, M within a worker, Q across two",
               .revision = 1,
               .params = params,
               .param_count = sizeof params / sizeof *params},
    .number = "L16",
    .title = "Local SGD",
    .group = "Nonconvex and distributed",
    .source = "exact second moments; Stich 2019",
    .evaluate = evaluate,
};
