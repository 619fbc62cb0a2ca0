/* Averages over chains, and points on their way into a figure. */
#include "laws/law_average.h"

#include <math.h>
#include <stdlib.h>

enum status law_need_curve(const struct law_input *input, const struct law_cell *cell, enum metric metric,
                           const struct law_curve **curve, struct error *error)
{
    *curve = input->planned ? NULL : cell->curve[metric];
    if (input->planned || *curve)
        return STATUS_OK;
    return error_set(error, STATUS_USAGE, "this law needs the metric %s, which is not recorded",
                     metric_info[metric].name);
}

/* Of one group's row. */
static double weighted_sum(const struct law_curve *curve, const double *value, const double *weight)
{
    double sum = 0;
    for (size_t p = 0; p < curve->points; p++)
        sum += weight[p] != 0 ? weight[p] * value[p] : 0;
    return sum;
}

static enum status too_few(struct error *error)
{
    return error_set(error, STATUS_USAGE,
                     "an average over time needs at least two groups of chains: more replicates, or keep: runs");
}

enum status law_average(const struct law_curve *curve, const double *weight, struct law_average *out,
                        struct error *error)
{
    size_t used = 0, last = 0;
    double square = 0, total = 0;
    for (size_t p = 0; p < curve->points; p++)
        if (weight[p] != 0) {
            used++;
            last = p;
        }
    *out = (struct law_average){.value = weighted_sum(curve, curve->mean, weight), .chains = curve->chains};
    if (used <= 1) {
        out->se = used ? fabs(weight[last]) * curve->se[last] : 0;
        out->value = used && curve->count[last] < curve->chains ? (double)NAN : out->value;
        return STATUS_OK;
    }
    if (curve->groups < 2)
        return too_few(error);
    for (size_t p = 0; p < curve->points; p++)
        if (weight[p] != 0 && curve->count[p] < curve->chains)
            out->value = NAN;
    for (size_t g = 0; g < curve->groups; g++) {
        const double chains = (double)curve->group_count[g],
                     sum = weighted_sum(curve, curve->group_mean + g * curve->points, weight);
        square += chains * (sum - out->value) * (sum - out->value);
        total += chains;
    }
    out->se = sqrt(square / (double)(curve->groups - 1) / total);
    return STATUS_OK;
}

enum status law_log_ratio(const struct law_curve *above, const struct law_curve *below, const double *weight,
                          struct law_average *out, struct error *error)
{
    struct law_average a, b;
    double square = 0, total = 0;
    if (above->groups != below->groups || above->points != below->points)
        return error_set(error, STATUS_USAGE, "cells that are compared need the same replicates and recorded points");
    if (above->groups < 2)
        return too_few(error);
    enum status status = law_average(above, weight, &a, error);
    if (status == STATUS_OK)
        status = law_average(below, weight, &b, error);
    if (status != STATUS_OK)
        return status;
    *out = (struct law_average){.value = log(a.value / b.value), .chains = above->chains};
    for (size_t g = 0; g < above->groups; g++) {
        const double chains = (double)above->group_count[g],
                     change = weighted_sum(above, above->group_mean + g * above->points, weight) / a.value -
                              weighted_sum(below, below->group_mean + g * below->points, weight) / b.value;
        square += chains * change * change;
        total += chains;
    }
    out->se = sqrt(square / (double)(above->groups - 1) / total);
    return STATUS_OK;
}

double law_average_planned(size_t points, const double *log_decay, double sd, double chains)
{
    double sum = 0;
    for (size_t p = 0; p < points; p++)
        for (size_t q = 0; q < points; q++)
            sum += exp(-fabs(log_decay[p] - log_decay[q]));
    return points ? sd * sqrt(sum / chains) / (double)points : (double)INFINITY;
}

/* ---- figures ---- */

static bool grow(double **list, size_t capacity)
{
    double *more = realloc(*list, capacity * sizeof *more);
    if (!more)
        return false;
    *list = more;
    return true;
}

void law_points_add(struct law_points *points, double x, double y, double half)
{
    if (points->count == points->capacity) {
        const size_t capacity = points->capacity ? 2 * points->capacity : 64;
        if (!grow(&points->x, capacity) || !grow(&points->y, capacity) || !grow(&points->low, capacity) ||
            !grow(&points->high, capacity)) {
            points->full = true;
            return;
        }
        points->capacity = capacity;
    }
    points->x[points->count] = x;
    points->y[points->count] = y;
    points->low[points->count] = y - half;
    points->high[points->count++] = y + half;
}

enum status law_points_draw(struct law_points *points, struct panel *panel, enum series_kind kind, const char *label,
                            int colour, struct error *error)
{
    bool bars = kind == SERIES_BAND;
    for (size_t i = 0; i < points->count && (kind == SERIES_POINTS || kind == SERIES_MEASURED); i++)
        bars = bars || points->low[i] != points->high[i];
    enum status status = STATUS_OK;
    if (points->full)
        return error_memory(error, points->capacity * sizeof(double), "the points of a figure");
    if (points->count > 0)
        status = panel_series(panel, kind, label, points->count, points->x,
                              kind == SERIES_BAND || kind == SERIES_VERTICAL ? NULL : points->y,
                              bars ? points->low : NULL, bars ? points->high : NULL, error);
    if (status == STATUS_OK && points->count > 0)
        panel->series[panel->count - 1].colour = colour;
    points->count = 0;
    return status;
}

void law_points_free(struct law_points *points)
{
    free(points->x);
    free(points->y);
    free(points->low);
    free(points->high);
}
