/* The figure of the law of reshuffling: the error of the four orders of visits against the rate and against epochs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "laws/oracle.h"
#include "laws/reshuffling.h"

enum { CURVE = 80, PANELS_MAX = 6 };

static bool same_data(const struct visited *a, const struct visited *b)
{
    return strcmp(a->cell->columns.problem, b->cell->columns.problem) == 0 &&
           strcmp(a->cell->columns.data, b->cell->columns.data) == 0;
}

static struct panel *new_panel(struct law_figure *figure, const char *title, const char *x, const char *y,
                               struct error *error)
{
    struct panel *panel = law_figure_panel(figure, title, x, y);
    if (panel)
        panel->x_log = panel->y_log = true;
    else
        error_memory(error, sizeof *panel, "a panel");
    return panel;
}

static double floor_of(const struct epoch_floor *floor, enum visit_order order)
{
    const double value[VISIT_ORDERS] = {floor->with_replacement, floor->reshuffle, floor->shuffle_once, floor->cyclic};
    return value[order];
}

/* Errors of the cells with the data of `of` against the rate, with the floors as lines where they are known. */
static enum status against_rate(struct law_figure *figure, const struct visited *visited, size_t count,
                                const struct visited *of, struct law_points *points, struct error *error)
{
    char title[160];
    const bool exact = of->family == FAMILY_FLOOR;
    snprintf(title, sizeof title, "%.40s, n = %.0f", exact ? "parabolas" : of->cell->config.problem.data->name, of->n);
    struct panel *panel =
        new_panel(figure, title, "learning rate η", exact ? "E(x − x*)², stationary" : "E|x − x*|²", error);
    if (!panel)
        return STATUS_MEMORY;
    double low = INFINITY, high = 0;
    for (size_t i = 0; i < count; i++) {
        low = fmin(low, visited[i].h);
        high = fmax(high, visited[i].h);
    }
    enum status status = STATUS_OK;
    for (int order = 0; order < VISIT_ORDERS && status == STATUS_OK; order++) {
        for (size_t i = 0; i < count; i++) {
            const struct visited *v = &visited[i];
            const double scale = v->family == FAMILY_FLOOR ? v->limit : 1;
            if ((int)v->order == order && same_data(v, of))
                law_points_add(points, v->h, v->mean.value * scale, 2 * v->mean.se * scale);
        }
        if (points->count == 0)
            continue;
        status = law_points_draw(points, panel, exact ? SERIES_POINTS : SERIES_MEASURED, visit_order_label[order],
                                 order, error);
        for (int k = 0; exact && k < CURVE; k++) {
            struct epoch_floor floor;
            const double h = low / 1.3 * pow(1.69 * high / low, k / (CURVE - 1.0));
            oracle_epoch_floor(of->cell->config.problem.data->y, (size_t)of->n, h, &floor);
            law_points_add(points, h, floor_of(&floor, (enum visit_order)order), 0);
        }
        if (status == STATUS_OK)
            status = law_points_draw(points, panel, SERIES_THEORY, "", order, error);
    }
    return status;
}

/* The error of the setting of `of` against epochs. */
static enum status against_epochs(struct law_figure *figure, const struct visited *visited, size_t count,
                                  const struct visited *of, struct law_points *points, struct error *error)
{
    char title[160];
    if (of->family == FAMILY_DECAY)
        snprintf(title, sizeof title, "parabolas, n = %.0f, η = %.3g/(epoch + %.0f)", of->n,
                 of->h * of->cell->config.schedule.values.scalar[1], of->cell->config.schedule.values.scalar[1] - 1);
    else
        snprintf(title, sizeof title, "at η = %.3g", of->h);
    struct panel *panel = new_panel(figure, title, "epochs", "E|x − x*|²", error);
    if (!panel)
        return STATUS_MEMORY;
    panel->x_log = of->family == FAMILY_DECAY;
    enum status status = STATUS_OK;
    for (int order = 0; order < VISIT_ORDERS && status == STATUS_OK; order++) {
        const struct visited *v = NULL;
        for (size_t i = 0; i < count && !v; i++)
            if ((int)visited[i].order == order && same_data(&visited[i], of) && visited[i].h == of->h)
                v = &visited[i];
        if (!v)
            continue;
        const struct law_curve *curve = v->cell->curve[METRIC_DISTANCE2];
        const double n = v->n / (double)v->cell->columns.batch_size;
        for (size_t p = 0; p < curve->points; p++)
            if (curve->step[p] > 0)
                law_points_add(points, (double)curve->step[p] / n, curve->mean[p], 2 * curve->se[p]);
        status = law_points_draw(points, panel, SERIES_MEASURED, visit_order_label[order], order, error);
        for (size_t p = 0; v->family != FAMILY_ORDER && p < curve->points; p++)
            if (curve->step[p] > 0)
                law_points_add(points, (double)curve->step[p] / n, v->theory[p], 0);
        if (v->family == FAMILY_DECAY) {
            const size_t used = strlen(panel->text);
            snprintf(panel->text + used, sizeof panel->text - used, "%sslope %.3f ± %.3f, theory %.3f: %s",
                     used ? "\n" : "", v->slope, 2 * v->slope_se, v->slope_theory, visit_order_label[order]);
        }
        if (status == STATUS_OK)
            status = law_points_draw(points, panel, SERIES_THEORY, "", order, error);
    }
    return status;
}

/* Error with replacement over error reshuffled against n eta, with its limit for small rates. */
static enum status gain_panel(struct law_figure *figure, const struct visited *visited, size_t count,
                              struct law_points *points, struct error *error)
{
    struct panel *panel = new_panel(figure, "the gain fades", "n η", "with replacement over reshuffled", error);
    if (!panel)
        return STATUS_MEMORY;
    double low = INFINITY, high = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++)
            if (visited[i].order == VISIT_WITH_REPLACEMENT && visited[j].order == VISIT_RESHUFFLE &&
                visited[i].h == visited[j].h && same_data(&visited[i], &visited[j])) {
                const struct visited *a = &visited[i], *b = &visited[j];
                const double gain = a->mean.value * a->limit / (b->mean.value * b->limit);
                law_points_add(points, a->n * a->h, gain,
                               2 * gain * hypot(a->mean.se / a->mean.value, b->mean.se / b->mean.value));
                low = fmin(low, a->h);
                high = fmax(high, a->h);
            }
    enum status status = law_points_draw(points, panel, SERIES_POINTS, "measured", 4, error);
    const struct visited *of = &visited[0];
    for (int leading = 0; leading < 2 && status == STATUS_OK; leading++) {
        for (int k = 0; k < CURVE; k++) {
            struct epoch_floor floor;
            const double h = low / 1.3 * pow(1.69 * high / low, k / (CURVE - 1.0));
            oracle_epoch_floor(of->cell->config.problem.data->y, (size_t)of->n, h, &floor);
            law_points_add(points, of->n * h,
                           leading ? 12 / (of->n * (of->n + 1) * h * h) : floor.with_replacement / floor.reshuffle, 0);
        }
        status = law_points_draw(points, panel, SERIES_THEORY, leading ? "12/(n(n + 1)η²)" : "exact", leading ? -1 : 4,
                                 error);
    }
    return status;
}

static enum status bias_panels(struct law_figure *figure, const struct visited *visited, size_t count,
                               struct law_points *points, struct error *error)
{
    struct panel *panel =
        new_panel(figure, "unequal parabolas, reshuffled", "learning rate η", "(E x − x*)/η at epoch ends", error);
    if (!panel)
        return STATUS_MEMORY;
    panel->y_log = false;
    panel->y_min = fmin(0, 1.2 * visited[0].slope_theory);
    panel->y_max = fmax(0, 1.2 * visited[0].slope_theory);
    for (size_t i = 0; i < count; i++)
        law_points_add(points, visited[i].h, visited[i].mean.value * visited[i].limit / visited[i].h,
                       2 * visited[i].mean.se * fabs(visited[i].limit) / visited[i].h);
    enum status status = law_points_draw(points, panel, SERIES_POINTS, "measured", 0, error);
    for (size_t i = 0; i < count; i++)
        law_points_add(points, visited[i].h, visited[i].limit / visited[i].h, 0);
    if (status == STATUS_OK)
        status = law_points_draw(points, panel, SERIES_THEORY, "exact", 0, error);
    for (size_t i = 0; i < count; i++)
        law_points_add(points, visited[i].h, visited[i].slope_theory, 0);
    if (status == STATUS_OK)
        status = law_points_draw(points, panel, SERIES_THEORY, "first order in η", -1, error);
    panel = status == STATUS_OK ? new_panel(figure, "", "epochs", "(E x − x*)/η", error) : NULL;
    if (!panel)
        return status == STATUS_OK ? STATUS_MEMORY : status;
    panel->x_log = panel->y_log = false;
    snprintf(panel->title, sizeof panel->title, "the way there");
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        const struct visited *v = &visited[i];
        const struct law_curve *curve = v->cell->curve[METRIC_X1];
        char label[40];
        snprintf(label, sizeof label, "η = %g", v->h);
        for (size_t p = 0; p < curve->points; p++)
            law_points_add(points, (double)curve->step[p] / v->n, (curve->mean[p] - v->optimum) / v->h,
                           2 * curve->se[p] / v->h);
        status = law_points_draw(points, panel, SERIES_MEASURED, label, (int)i, error);
        for (size_t p = 0; p < curve->points; p++)
            law_points_add(points, (double)curve->step[p] / v->n, v->theory[p] / v->h, 0);
        if (status == STATUS_OK)
            status = law_points_draw(points, panel, SERIES_THEORY, "", (int)i, error);
    }
    return status;
}

/* One cell of each different data set, at the rate in the middle. */
static size_t find_data(const struct visited *visited, size_t count, const struct visited **found)
{
    size_t kinds = 0;
    for (size_t i = 0; i < count && kinds < PANELS_MAX; i++) {
        bool known = false;
        size_t rates = 0, rank = 0;
        for (size_t k = 0; k < kinds; k++)
            known = known || same_data(found[k], &visited[i]);
        if (known)
            continue;
        for (size_t j = i; j < count; j++)
            rates += same_data(&visited[j], &visited[i]) && visited[j].order == visited[i].order;
        found[kinds] = &visited[i];
        for (size_t j = i; j < count; j++)
            if (same_data(&visited[j], &visited[i]) && visited[j].order == visited[i].order &&
                rank++ == (rates - 1) / 2)
                found[kinds] = &visited[j];
        kinds++;
    }
    return kinds;
}

enum status reshuffling_draw(struct law_figure *figure, const struct visited *visited, size_t count, bool gain_alone,
                             struct error *error)
{
    const struct visited *data[PANELS_MAX];
    const size_t kinds = find_data(visited, count, data);
    const bool bias = visited[0].family == FAMILY_BIAS, floors = visited[0].family == FAMILY_FLOOR;
    struct law_points points = {0};
    enum status status = STATUS_OK;
    snprintf(figure->title, sizeof figure->title, "%s",
             gain_alone ? "Is the gain of reshuffling that of small rates?"
             : bias     ? "What bias does reshuffling leave?"
                        : "How much closer to the optimum does reshuffling stay?");
    if (bias)
        status = bias_panels(figure, visited, count, &points, error);
    for (size_t k = 0; !bias && !gain_alone && k < kinds && status == STATUS_OK; k++) {
        if (data[k]->family != FAMILY_DECAY)
            status = against_rate(figure, visited, count, data[k], &points, error);
        if (status == STATUS_OK)
            status = against_epochs(figure, visited, count, data[k], &points, error);
    }
    if (status == STATUS_OK && floors)
        status = gain_panel(figure, visited, count, &points, error);
    if (figure->count % 2 == 0)
        figure->columns = 2;
    law_points_free(&points);
    return status;
}
