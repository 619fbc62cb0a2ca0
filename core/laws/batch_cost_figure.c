/* Figures of what a batch costs: times of steps, steps and seconds to a target, and which batch gets how far in how
 * many steps, epochs, seconds. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "laws/batch_cost.h"

enum { CURVE_POINTS = 60, SHARES = 24 };

static const double nano = 1e9;

/* Log-spaced from the least to the largest size. */
static void spread(const struct batch_cost *cost, double x[CURVE_POINTS])
{
    const double low = log(cost->size[0].m), high = log(cost->size[cost->sizes - 1].m);
    for (size_t i = 0; i < CURVE_POINTS; i++)
        x[i] = exp(low + (high - low) * (double)i / (CURVE_POINTS - 1));
}

static enum status add_panel(struct law_figure *figure, const char *title, const char *x, const char *y,
                             struct panel **panel, struct error *error)
{
    *panel = law_figure_panel(figure, title, x, y);
    if (!*panel)
        return error_memory(error, sizeof **panel, "a panel");
    (*panel)->x_log = (*panel)->y_log = true;
    return STATUS_OK;
}

/* A number of each size, with its interval. */
typedef const struct timed_list *size_list(const struct timed_size *size);

static const struct timed_list *step_list(const struct timed_size *size)
{
    return &size->step;
}

static const struct timed_list *seconds_list(const struct timed_size *size)
{
    return &fastest_cell(size, NULL)->seconds;
}

static const struct timed_list *steps_list(const struct timed_size *size)
{
    const struct timed_cell *best = &size->cell[0];
    for (size_t c = 1; c < size->cells; c++)
        if (timed_median(&size->cell[c].steps, NULL) < timed_median(&best->steps, NULL))
            best = &size->cell[c];
    return &best->steps;
}

/* Medians of drawn or of full batches, times unit, over m^power. */
static enum status put_sizes(const struct batch_cost *cost, struct panel *panel, const char *label, bool full,
                             size_list *list, double unit, double power, struct error *error)
{
    double x[BATCH_SIZES_MAX], y[BATCH_SIZES_MAX], low[BATCH_SIZES_MAX], high[BATCH_SIZES_MAX];
    size_t count = 0;
    for (size_t s = 0; s < cost->sizes; s++) {
        const struct timed_size *size = &cost->size[s];
        const double median = timed_median(list(size), NULL), scale = unit / pow(size->m, power);
        if (size->full != full || !isfinite(median))
            continue;
        timed_interval(list(size), &low[count], &high[count]);
        x[count] = size->m;
        y[count] = scale * median;
        low[count] *= scale;
        high[count] = isfinite(high[count]) ? scale * high[count] : y[count];
        count++;
    }
    if (count == 0)
        return STATUS_OK;
    enum status status = panel_series(panel, SERIES_POINTS, label, count, x, y, low, high, error);
    if (status == STATUS_OK)
        panel->series[panel->count - 1].colour = full ? 2 : 0;
    return status;
}

static enum status put_line(struct panel *panel, const char *label, size_t count, const double *x, const double *y,
                            int colour, struct error *error)
{
    enum status status = panel_series(panel, SERIES_THEORY, label, count, x, y, NULL, NULL, error);
    if (status == STATUS_OK)
        panel->series[panel->count - 1].colour = colour;
    return status;
}

/* ---- steps ---- */

static enum status sample_panel(const struct batch_cost *cost, struct law_figure *figure, const struct cost_line *line,
                                struct error *error)
{
    struct panel *panel;
    double x[CURVE_POINTS], y[CURVE_POINTS], se[2] = {0, 0};
    enum status status = add_panel(figure, "a sample", "batch size m", "time per sample (ns)", &panel, error);
    spread(cost, x);
    for (size_t i = 0; i < CURVE_POINTS; i++)
        y[i] = nano * (line->first / x[i] + line->second);
    if (status == STATUS_OK)
        status = put_sizes(cost, panel, "m drawn samples", false, step_list, nano, 1, error);
    if (status == STATUS_OK)
        status = put_line(panel, "α/m + β", CURVE_POINTS, x, y, 0, error);
    if (status == STATUS_OK)
        status = put_sizes(cost, panel, "all samples in order", true, step_list, nano, 1, error);
    if (status == STATUS_OK && cost->replicates >= 2)
        status = batch_cost_line_se(cost, se, error);
    if (status == STATUS_OK)
        snprintf(panel->text, sizeof panel->text, "α = %.3g ± %.1g ns\nβ = %.3g ± %.1g ns\nresidual %.1f %%",
                 nano * line->first, 2 * nano * se[0], nano * line->second, 2 * nano * se[1], 100 * line->residual);
    return status;
}

static enum status step_panel(const struct batch_cost *cost, struct law_figure *figure, const struct cost_line *line,
                              double almost, struct error *error)
{
    struct panel *panel;
    double x[CURVE_POINTS], y[CURVE_POINTS], times[CURVE_POINTS];
    const struct timed_size *one = size_of(cost, 1);
    const double unit = one ? 1 / timed_median(&one->step, NULL) : (double)NAN;
    enum status status = STATUS_OK;
    if (!isfinite(unit))
        return STATUS_OK;
    spread(cost, x);
    for (size_t i = 0; i < CURVE_POINTS; i++) {
        y[i] = unit * (line->first + line->second * x[i]);
        times[i] = x[i];
    }
    const double ends[2] = {x[0], x[CURVE_POINTS - 1]}, low[2] = {1, 1}, high[2] = {almost, almost};
    char label[60];
    snprintf(label, sizeof label, "almost as cheap: up to %g", almost);
    status = add_panel(figure, "a step", "batch size m", "time per step over that of m = 1", &panel, error);
    if (status == STATUS_OK)
        status = panel_series(panel, SERIES_BAND, label, 2, ends, NULL, low, high, error);
    if (status == STATUS_OK)
        status = put_sizes(cost, panel, "m drawn samples", false, step_list, unit, 0, error);
    if (status == STATUS_OK)
        status = put_line(panel, "α + βm", CURVE_POINTS, x, y, 0, error);
    if (status == STATUS_OK)
        status = put_sizes(cost, panel, "all samples in order", true, step_list, unit, 0, error);
    return status == STATUS_OK ? put_line(panel, "m times", CURVE_POINTS, x, times, 6, error) : status;
}

enum status batch_cost_draw_step(const struct batch_cost *cost, double almost, struct law_figure *figure,
                                 struct error *error)
{
    const struct cost_line line = step_line(cost, NULL);
    snprintf(figure->title, sizeof figure->title, "What does a batch cost on this machine?");
    enum status status = sample_panel(cost, figure, &line, error);
    return status == STATUS_OK ? step_panel(cost, figure, &line, almost, error) : status;
}

/* ---- the best batch ---- */

static enum status put_vertical(struct panel *panel, const char *name, double x, int colour, struct error *error)
{
    char label[60];
    snprintf(label, sizeof label, "%s: m = %.0f", name, x);
    enum status status =
        isfinite(x) ? panel_series(panel, SERIES_VERTICAL, label, 1, &x, NULL, NULL, NULL, error) : STATUS_OK;
    if (status == STATUS_OK && isfinite(x))
        panel->series[panel->count - 1].colour = colour;
    return status;
}

enum status batch_cost_draw_best(const struct batch_cost *cost, double share, struct law_figure *figure,
                                 struct error *error)
{
    const struct cost_line step = step_line(cost, NULL), target = target_line(cost, NULL);
    struct panel *panel;
    double x[CURVE_POINTS], steps[CURVE_POINTS], seconds[CURVE_POINTS];
    char title[100];
    snprintf(figure->title, sizeof figure->title, "Which batch size is first at a target?");
    spread(cost, x);
    for (size_t i = 0; i < CURVE_POINTS; i++) {
        steps[i] = target.first + target.second / x[i];
        seconds[i] = 1e3 * steps[i] * (step.first + step.second * x[i]);
    }
    snprintf(title, sizeof title, "steps to %g of the gap, best rate", share);
    enum status status = add_panel(figure, title, "batch size m", "steps S", &panel, error);
    if (status == STATUS_OK)
        status = put_sizes(cost, panel, "m drawn samples", false, steps_list, 1, 0, error);
    if (status == STATUS_OK)
        status = put_line(panel, "fitted: S∞ (1 + B/m)", CURVE_POINTS, x, steps, 0, error);
    if (status == STATUS_OK)
        status = put_sizes(cost, panel, "all samples in order", true, steps_list, 1, 0, error);
    if (status == STATUS_OK)
        snprintf(panel->text, sizeof panel->text, "S∞ = %.3g\nB = %.3g\nresidual %.0f %%", target.first,
                 target.second / target.first, 100 * target.residual);
    snprintf(title, sizeof title, "time to %g of the gap, best rate", share);
    if (status == STATUS_OK)
        status = add_panel(figure, title, "batch size m", "training time (ms)", &panel, error);
    if (status == STATUS_OK)
        status = put_sizes(cost, panel, "m drawn samples", false, seconds_list, 1e3, 0, error);
    if (status == STATUS_OK)
        status = put_line(panel, "S∞ (1 + B/m) (α + βm)", CURVE_POINTS, x, seconds, 0, error);
    if (status == STATUS_OK)
        status = put_sizes(cost, panel, "all samples in order", true, seconds_list, 1e3, 0, error);
    if (status == STATUS_OK)
        status = put_vertical(panel, "√(αB/β)", predicted_batch(cost, NULL), 6, error);
    return status == STATUS_OK ? put_vertical(panel, "measured", best_batch(cost, NULL), 0, error) : status;
}

/* ---- full batch against single samples ---- */

/* Of each size, at each share of the gap: steps, epochs and seconds until it, with the best rate. */
struct progress {
    double share[SHARES], seconds[BATCH_SIZES_MAX][SHARES], steps[BATCH_SIZES_MAX][SHARES],
        epochs[BATCH_SIZES_MAX][SHARES];
};

static void measure_progress(struct batch_cost *cost, double tight, struct progress *p)
{
    const double n = (double)cost->cell[0].cell->columns.n;
    for (size_t k = 0; k < SHARES; k++) {
        p->share[k] = pow(tight, (double)(k + 1) / SHARES);
        batch_cost_aim(cost, p->share[k], false);
        for (size_t s = 0; s < cost->sizes; s++) {
            p->seconds[s][k] = 1e3 * seconds_to_target(&cost->size[s], NULL);
            p->steps[s][k] = steps_to_target(&cost->size[s], NULL);
            p->epochs[s][k] = p->steps[s][k] * cost->size[s].m / n;
        }
    }
}

static enum status progress_panel(const struct batch_cost *cost, struct law_figure *figure, const char *title,
                                  const char *axis, const struct progress *p, double value[BATCH_SIZES_MAX][SHARES],
                                  struct error *error)
{
    struct panel *panel;
    char label[60];
    enum status status = add_panel(figure, title, axis, "gap over the first one", &panel, error);
    if (status == STATUS_OK && value == p->steps)
        panel->x_min = 1; /* before that all are where they began */
    for (size_t s = 0; status == STATUS_OK && s < cost->sizes; s++) {
        size_t count = 0;
        while (count < SHARES && isfinite(value[s][count]))
            count++;
        if (cost->size[s].full)
            snprintf(label, sizeof label, "full batch, n = %.0f", cost->size[s].m);
        else
            snprintf(label, sizeof label, "m = %.0f", cost->size[s].m);
        if (count > 0)
            status = panel_series(panel, SERIES_MEASURED, label, count, value[s], p->share, NULL, NULL, error);
    }
    return status;
}

/* A step of the full batch takes time in proportion to n, its number of steps hardly depends on n, nor does the time
 * of single samples: so for a target the full batch is first up to n T_1/T_n samples. */
static enum status size_panel(const struct batch_cost *cost, struct law_figure *figure, const struct progress *p,
                              size_t one, struct error *error)
{
    const size_t all = cost->sizes - 1;
    const double n = cost->size[all].m;
    struct panel *panel;
    double x[SHARES], y[SHARES];
    size_t count = 0;
    enum status status = add_panel(figure, "full batch or single samples", "gap over the first one",
                                   "samples n: full batch first below", &panel, error);
    for (size_t k = SHARES; k-- > 0;)
        if (isfinite(p->seconds[one][k]) && isfinite(p->seconds[all][k])) {
            x[count] = p->share[k];
            y[count++] = n * p->seconds[one][k] / p->seconds[all][k];
        }
    if (status != STATUS_OK || count == 0)
        return status;
    const double ends[2] = {x[0], x[count - 1]}, here[2] = {n, n};
    status = put_line(panel, "these data", 2, ends, here, 6, error);
    if (status == STATUS_OK)
        status = panel_series(panel, SERIES_MEASURED, "n T₁/Tₙ", count, x, y, NULL, NULL, error);
    for (size_t k = 0; k + 1 < count && !panel->text[0]; k++)
        if (y[k] >= n && y[k + 1] < n) {
            const double part = log(y[k] / n) / log(y[k] / y[k + 1]);
            snprintf(panel->text, sizeof panel->text, "full batch first\nbelow %.2g of the gap",
                     exp(log(x[k]) + part * log(x[k + 1] / x[k])));
        }
    return status;
}

enum status batch_cost_draw_full(struct batch_cost *cost, double tight, struct law_figure *figure, struct error *error)
{
    struct progress *p = malloc(sizeof *p);
    if (!p)
        return error_memory(error, sizeof *p, "a figure");
    snprintf(figure->title, sizeof figure->title, "Single samples, mini-batches or all: which gets how far how soon?");
    measure_progress(cost, tight, p);
    enum status status = progress_panel(cost, figure, "steps", "steps", p, p->steps, error);
    if (status == STATUS_OK)
        status = progress_panel(cost, figure, "epochs", "epochs", p, p->epochs, error);
    if (status == STATUS_OK)
        status = progress_panel(cost, figure, "seconds", "training time (ms)", p, p->seconds, error);
    for (size_t s = 0; status == STATUS_OK && s < cost->sizes; s++)
        if (cost->size[s].m == 1 && !cost->size[s].full && full_size(cost))
            status = size_panel(cost, figure, p, s, error);
    free(p);
    return status;
}
