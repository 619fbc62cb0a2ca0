/* Where things lie in a panel of a law's figure: the ends of its axes, their marks, and where there is room for words.
 */
#include <math.h>

#include "laws/law_figure_internal.h"

/* ---- axes ---- */

static double forward(const struct axis *axis, double value)
{
    return axis->log ? log10(value) : value;
}

static double backward(const struct axis *axis, double value)
{
    return axis->log ? pow(10, value) : value;
}

/* gnuplot's numbers end where those of C do: axes stay far from there. */
static const double largest = 1e250;

static bool drawable(const struct axis *axis, double value)
{
    return fabs(value) <= largest && (!axis->log || value >= 1 / largest);
}

double axis_place(const struct axis *axis, double value)
{
    if (!drawable(axis, value))
        return NAN;
    const double low = forward(axis, axis->low);
    return (forward(axis, value) - low) / (forward(axis, axis->high) - low);
}

void axis_extend(struct axis *axis, double share)
{
    const double low = forward(axis, axis->low);
    axis->high = fmin(backward(axis, low + (forward(axis, axis->high) - low) / share), 1e10 * largest);
}

bool series_drawn(const struct series *series, const struct axis *x, const struct axis *y, const double *value)
{
    for (size_t i = 0; i < series->count; i++)
        if (drawable(x, series->x[i]) && series->x[i] >= x->low && series->x[i] <= x->high &&
            (!value || drawable(y, value[i])))
            return true;
    return false;
}

static void include(struct axis *axis, double value)
{
    if (!drawable(axis, value))
        return;
    axis->low = fmin(axis->low, value);
    axis->high = fmax(axis->high, value);
}

/* From what is to be seen to what is drawn: a margin, an end that was asked for, never an empty range. */
static void finish(struct axis *axis, double low, double high)
{
    if (!(axis->low <= axis->high)) { /* nothing to draw */
        axis->low = axis->log ? 0.1 : 0;
        axis->high = 1;
    }
    double a = forward(axis, axis->low), b = forward(axis, axis->high);
    double margin = 0.04 * (b - a);
    if (!(margin > 1e-9 * fmax(fabs(a), fabs(b)))) /* one value, but for rounding */
        margin = axis->log ? 0.3 : a != 0 ? 0.1 * fabs(a) : 1;
    const bool from_zero = !axis->log && a >= 0 && a - margin <= 0;
    axis->low = from_zero ? 0 : backward(axis, a - margin);
    axis->high = backward(axis, b + margin);
    if (drawable(axis, low) && !(low >= axis->high && !(low < high)))
        axis->low = low;
    if (drawable(axis, high) && high > axis->low)
        axis->high = high;
}

/* Half the distance to the neighbour: bins reach beyond their centres. */
static double half_bin(const struct series *s, size_t i)
{
    if (s->kind != SERIES_STEPS || s->count < 2)
        return 0;
    return 0.5 * fabs(i > 0 ? s->x[i] - s->x[i - 1] : s->x[1] - s->x[0]);
}

void panel_axes(const struct panel *panel, struct axis *x, struct axis *y)
{
    *x = (struct axis){.low = INFINITY, .high = -INFINITY, .log = panel->x_log};
    *y = (struct axis){.low = INFINITY, .high = -INFINITY, .log = panel->y_log};
    for (size_t k = 0; k < panel->count; k++) {
        const struct series *s = &panel->series[k];
        for (size_t i = 0; i < s->count; i++) {
            include(x, s->x[i] - half_bin(s, i));
            include(x, s->x[i] + half_bin(s, i));
        }
    }
    finish(x, panel->x_min, panel->x_max);
    for (size_t k = 0; k < panel->count; k++) {
        const struct series *s = &panel->series[k];
        for (size_t i = 0; i < s->count; i++) {
            if (!(s->x[i] >= x->low && s->x[i] <= x->high) || s->kind == SERIES_VERTICAL)
                continue;
            if (s->y)
                include(y, s->y[i]);
            if (s->low)
                include(y, s->low[i]);
            if (s->high)
                include(y, s->high[i]);
            if (s->kind == SERIES_STEPS)
                include(y, 0);
        }
    }
    finish(y, panel->y_min, panel->y_max);
}

/* ---- room for words ---- */

static size_t inside(const struct patch *patch, double x, double y)
{
    return x >= patch->left && x <= patch->right && y >= patch->bottom && y <= patch->top;
}

/* Points of the straight line from (x0, y0) to (x1, y1) in the patch, 1/50 of the panel apart. */
static size_t line_crowd(const struct patch *patch, double x0, double y0, double x1, double y1)
{
    const double length = hypot(x1 - x0, y1 - y0);
    if (!isfinite(length))
        return 0;
    const int steps = (int)fmin(500, ceil(50 * length));
    size_t count = 0;
    for (int i = 1; i <= steps; i++)
        count += inside(patch, x0 + (x1 - x0) * i / steps, y0 + (y1 - y0) * i / steps);
    return count;
}

size_t panel_crowd(const struct panel *panel, const struct axis *x, const struct axis *y, const struct patch *patch)
{
    size_t count = 0;
    for (size_t k = 0; k < panel->count; k++) {
        const struct series *s = &panel->series[k];
        const double *const edge[] = {s->y, s->low, s->high};
        for (size_t i = 0; i < s->count; i++) {
            const double at = axis_place(x, s->x[i]), before = i > 0 ? axis_place(x, s->x[i - 1]) : NAN;
            if (s->kind == SERIES_VERTICAL)
                count += line_crowd(patch, at, 0, at, 1);
            if (s->kind == SERIES_POINTS && s->low && s->high)
                count += line_crowd(patch, at, fmax(0, axis_place(y, s->low[i])), at, axis_place(y, s->high[i]));
            for (size_t e = 0; e < 3; e++) {
                if (!edge[e])
                    continue;
                const double here = axis_place(y, edge[e][i]);
                count += inside(patch, at, here);
                if (s->kind != SERIES_POINTS && i > 0)
                    count += line_crowd(patch, before, axis_place(y, edge[e][i - 1]), at, here);
            }
        }
    }
    return count;
}

/* ---- marks ---- */

/* 1, 2 or 5 times a power of ten, at least `least`. */
static double round_step(double least)
{
    const double power = pow(10, floor(log10(least)));
    const double times = least / power;
    return power * (times <= 1 ? 1 : times <= 2 ? 2 : times <= 5 ? 5 : 10);
}

static double multiples(double step, double low, double high)
{
    return floor(high / step) - ceil(low / step) + 1;
}

/* The given parts of every power of ten on the axis; their count also where it is more than is kept. */
static size_t list_parts(const struct axis *axis, const double *part, size_t parts, struct ticks *ticks)
{
    size_t found = 0;
    ticks->count = 0;
    for (double exponent = floor(log10(axis->low)); exponent <= log10(axis->high); exponent++)
        for (size_t i = 0; i < parts; i++) {
            const double value = part[i] * pow(10, exponent);
            if (value < axis->low || value > axis->high)
                continue;
            if (found++ < sizeof ticks->value / sizeof *ticks->value)
                ticks->value[ticks->count++] = value;
        }
    return found;
}

void axis_ticks(const struct axis *axis, double room, struct ticks *ticks)
{
    enum { MOST = sizeof ticks->value / sizeof *ticks->value };
    const double low = forward(axis, axis->low), high = forward(axis, axis->high), decades = axis->log ? high - low : 0;
    room = fmin(fmax(room, 2), MOST - 4);
    if (decades >= 2) {
        *ticks = (struct ticks){.kind = TICKS_POWERS, .step = ceil(decades / room)};
        while (ticks->step > 1 && multiples(ticks->step, low, high) < 2)
            ticks->step--;
        return;
    }
    *ticks = (struct ticks){.kind = TICKS_STEP, .step = round_step((axis->high - axis->low) / room)};
    if (multiples(ticks->step, axis->low, axis->high) < 2)
        ticks->step = round_step(0.39 * ticks->step); /* the next smaller one */
    if (!axis->log)
        return;
    ticks->kind = TICKS_LIST;
    if (decades >= 0.9) {
        if ((double)list_parts(axis, (const double[]){1, 2, 5}, 3, ticks) > room + 1)
            list_parts(axis, (const double[]){1, 3}, 2, ticks);
        return;
    }
    for (double k = ceil(axis->low / ticks->step); k * ticks->step <= axis->high && ticks->count < MOST; k++)
        ticks->value[ticks->count++] = k * ticks->step;
}
