/* The figure of the region of confusion: parabolas, agreement of signs, trajectories, stationary histograms. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "laws/confusion.h"
#include "laws/law_average.h"

enum { CURVE = 300, SHOWN = 8, CHAINS = 3, STEPS = 40, BINS = 81, GREY = 7, FULL = 0, ABOVE = 4 };

/* R as a vertical stripe above `bottom`. */
static enum status put_region(struct panel *panel, const struct confusion *k, double bottom, double top,
                              struct error *error)
{
    const double x[2] = {k->left, k->right}, low[2] = {bottom, bottom}, high[2] = {top, top};
    return panel_series(panel, SERIES_BAND, "R = [min c, max c]", 2, x, NULL, low, high, error);
}

static enum status draw_parabolas(struct law_figure *figure, const struct confusion *k, struct law_points *points,
                                  struct error *error)
{
    struct panel *panel = law_figure_panel(figure, "some of the parabolas", "x", "f_i(x), f(x)");
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    panel->x_min = k->left - 1.25;
    panel->x_max = k->right + 1.25;
    panel->y_min = 0;
    panel->y_max = 1.5;
    enum status status = put_region(panel, k, 0, 1.5, error);
    for (size_t s = 0; s < SHOWN && s < k->n; s++) { /* one line, whose way from one to the next lies above the panel */
        const size_t i = s * k->n / SHOWN;
        const double reach = sqrt(2 * ABOVE / k->a[i]);
        for (int j = 0; j <= CURVE; j++) {
            const double away = reach * (2.0 * j / CURVE - 1);
            law_points_add(points, k->c[i] + away, k->a[i] * away * away / 2, 0);
        }
    }
    if (status == STATUS_OK)
        status = law_points_draw(points, panel, SERIES_THEORY, "samples", GREY, error);
    for (int j = 0; j <= CURVE; j++) {
        const double x = panel->x_min + (panel->x_max - panel->x_min) * j / CURVE;
        double sum = 0;
        for (size_t i = 0; i < k->n; i++)
            sum += k->a[i] * pow(x - k->c[i], 2) / 2 / (double)k->n;
        law_points_add(points, x, sum, 0);
    }
    if (status == STATUS_OK)
        status = law_points_draw(points, panel, SERIES_MEASURED, "mean of all", FULL, error);
    return status;
}

static enum status draw_agreement(struct law_figure *figure, const struct confusion *k, struct law_points *points,
                                  struct error *error)
{
    struct panel *panel = law_figure_panel(figure, "signs of gradients", "x", "share that agrees with f′");
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    panel->x_min = k->left - 1.25;
    panel->x_max = k->right + 1.25;
    panel->y_min = 0.2;
    panel->y_max = 1.1;
    enum status status = put_region(panel, k, 0.2, 1.1, error);
    for (int j = 0; j <= CURVE; j++) {
        const double x = panel->x_min + (panel->x_max - panel->x_min) * (j + 0.5) / (CURVE + 1);
        law_points_add(points, x, confusion_agreement(k, x), 0);
    }
    return status == STATUS_OK ? law_points_draw(points, panel, SERIES_THEORY, "exact", FULL, error) : status;
}

static enum status draw_trajectories(struct law_figure *figure, const struct confusion *k, struct law_points *points,
                                     struct error *error)
{
    const struct law_curve *curve = k->cell->curve[METRIC_X1];
    const size_t shown = curve->points < STEPS + 1 ? curve->points : STEPS + 1;
    char title[80];
    snprintf(title, sizeof title, "runs at η = %.3g", k->eta);
    struct panel *panel = law_figure_panel(figure, title, "step", "x");
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    const double x[2] = {0, (double)shown - 1}, low[2] = {k->left, k->left}, high[2] = {k->right, k->right};
    enum status status = panel_series(panel, SERIES_BAND, "R = [min c, max c]", 2, x, NULL, low, high, error);
    for (size_t g = 0; g < CHAINS && g < curve->groups && status == STATUS_OK; g++) {
        for (size_t p = 0; p < shown; p++)
            law_points_add(points, (double)p, curve->group_mean[g * curve->points + p], 0);
        status = law_points_draw(points, panel, SERIES_MEASURED, "", (int)g, error);
    }
    return status;
}

/* Density of the iterates of all later steps, in ternary cells, so that a Cantor set shows. */
static enum status draw_histogram(struct law_figure *figure, const struct confusion *k, struct law_points *points,
                                  struct error *error)
{
    const struct law_curve *curve = k->cell->curve[METRIC_X1];
    const double width = k->right - k->left;
    double seen[BINS] = {0}, total = 0;
    char title[80];
    snprintf(title, sizeof title, "two parabolas, η = %.3g", k->eta);
    struct panel *panel = law_figure_panel(figure, title, "x", "density, stationary");
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    for (size_t g = 0; g < curve->groups; g++)
        for (size_t p = curve->points / 2; p < curve->points; p++) {
            const double place = (curve->group_mean[g * curve->points + p] - k->left) / width * BINS;
            seen[place < 0 ? 0 : place >= BINS ? BINS - 1 : (size_t)place]++;
            total++;
        }
    for (int b = 0; b < BINS; b++)
        law_points_add(points, k->left + width * (b + 0.5) / BINS, seen[b] / total * BINS / width, 0);
    panel->y_min = 0;
    panel->x_min = k->left - 0.05 * width;
    panel->x_max = k->right + 0.05 * width;
    return law_points_draw(points, panel, SERIES_STEPS, "", FULL, error);
}

enum status confusion_draw(struct law_figure *figure, const struct confusion *confusion, size_t count,
                           struct error *error)
{
    struct law_points points = {0};
    const struct confusion *region = NULL;
    enum status status = STATUS_OK;
    snprintf(figure->title, sizeof figure->title,
             "Where do samples agree on the direction, and what happens where not?");
    for (size_t i = 0; i < count; i++) /* the smallest rate shows the absorbing region */
        if (!confusion[i].pair && (!region || confusion[i].eta < region->eta))
            region = &confusion[i];
    if (region)
        status = draw_parabolas(figure, region, &points, error);
    if (region && status == STATUS_OK)
        status = draw_agreement(figure, region, &points, error);
    if (region && status == STATUS_OK)
        status = draw_trajectories(figure, region, &points, error);
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        if (confusion[i].pair)
            status = draw_histogram(figure, &confusion[i], &points, error);
    figure->columns = figure->count > 3 ? 3 : 0;
    law_points_free(&points);
    return status;
}
