/* What the law about generalisation draws: accuracy against rate, differences between batch sizes, sharpness, and test
 * loss and accuracy on the way. Intervals are 95% ones by Student's t over units. */
#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "laws/generalisation.h"
#include "laws/law_average.h"

struct drawing {
    const struct study *study;
    struct law_figure *figure;
    double *value; /* [units] */
    bool pairs;    /* only set-ups of several batch sizes are drawn */
    bool tuned;    /* curves are of the tuned rates, else of every arm */
    size_t setups; /* that are drawn */
    double reached;
    size_t last;
    struct error *error;
};

/* Half the width of the interval. */
static double half_width(const struct drawing *d, double se)
{
    const double units = (double)d->study->units;
    return units > 1 ? gsl_cdf_tdist_Qinv(0.025, units - 1) * se : 0;
}

static struct estimate of_choice(const struct drawing *d, const struct choice *choice, enum metric metric, size_t point)
{
    for (size_t unit = 0; unit < d->study->units; unit++)
        d->value[unit] = choice_value(d->study, choice, metric, unit, point);
    return estimate_of(d->value, d->study->units);
}

static struct panel *new_panel(struct drawing *d, const char *title, const char *x, const char *y)
{
    struct panel *panel = law_figure_panel(d->figure, title, x, y);
    if (!panel)
        error_memory(d->error, sizeof *panel, "a panel");
    return panel;
}

static void label_setup(const struct drawing *d, const struct arm *arm, char *text, size_t size)
{
    text[0] = '\0';
    if (d->setups > 1)
        snprintf(text, size, "%.60s, ", arm->split[0]->columns.problem);
}

/* The first rates of a set-up; none of one that is not drawn. */
static struct rates first_rates(const struct drawing *d, size_t setup)
{
    const struct rates first = study_next(d->study, setup, 0);
    if (d->pairs && study_next(d->study, setup, first.arm->batch_size).count == 0)
        return (struct rates){0};
    return first;
}

/* ---- against the rate ---- */

static enum status rate_panel(struct drawing *d)
{
    const struct study *study = d->study;
    struct law_points points = {0};
    enum status status = STATUS_OK;
    int colour = 0;
    struct panel *panel = new_panel(d, "accuracy at the end, by rate", "learning rate η", "test accuracy");
    if (!panel)
        return STATUS_MEMORY;
    panel->x_log = true;
    for (size_t s = 0; s < study->setups; s++)
        for (struct rates r = first_rates(d, s); r.count > 0 && status == STATUS_OK;
             r = study_next(study, s, r.arm->batch_size)) {
            char label[120], setup[80];
            for (size_t a = 0; a < r.count; a++) {
                const struct choice alone = {{&r.arm[a], &r.arm[a]}};
                const struct estimate e = of_choice(d, &alone, METRIC_TEST_ACCURACY, d->last);
                if (e.mean > 0) /* 0: all diverged */
                    law_points_add(&points, r.arm[a].rate, e.mean, half_width(d, e.se));
            }
            label_setup(d, r.arm, setup, sizeof setup);
            snprintf(label, sizeof label, "%sm = %zu", setup, r.arm->batch_size);
            status = law_points_draw(&points, panel, SERIES_MEASURED, label, colour++, d->error);
        }
    law_points_free(&points);
    return status;
}

/* ---- between batch sizes ---- */

/* Differences of accuracy to the smallest batch, with the margin. */
static enum status difference_panel(struct drawing *d)
{
    const struct study *study = d->study;
    const double margin = 100 * study->input->margin_value;
    struct law_points points = {0};
    struct panel *panel = new_panel(d, "paired differences", "batch size m", "difference of test accuracy (%)");
    if (!panel)
        return STATUS_MEMORY;
    double low = INFINITY, high = 0;
    enum status status = STATUS_OK;
    panel->x_log = true;
    for (size_t s = 0; s < study->setups && status == STATUS_OK; s++) {
        char label[120], setup[80];
        const struct rates small = first_rates(d, s);
        if (small.count == 0)
            continue;
        const struct choice base = study_tune(study, &small);
        for (struct rates r = study_next(study, s, small.arm->batch_size); r.count > 0;
             r = study_next(study, s, r.arm->batch_size)) {
            const struct choice choice = study_tune(study, &r);
            for (size_t unit = 0; unit < study->units; unit++)
                d->value[unit] = choice_value(study, &base, METRIC_TEST_ACCURACY, unit, d->last) -
                                 choice_value(study, &choice, METRIC_TEST_ACCURACY, unit, d->last);
            const struct estimate e = estimate_of(d->value, study->units);
            const double m = (double)r.arm->batch_size;
            law_points_add(&points, m, 100 * e.mean, 100 * half_width(d, e.se));
            low = fmin(low, m / 2);
            high = fmax(high, m * 2);
        }
        label_setup(d, small.arm, setup, sizeof setup);
        snprintf(label, sizeof label, "%sm = %zu less m", setup, small.arm->batch_size);
        status = law_points_draw(&points, panel, SERIES_POINTS, label, (int)s, d->error);
    }
    law_points_free(&points);
    panel->x_min = low;
    panel->x_max = high;
    snprintf(panel->text, sizeof panel->text, "%zu pairs", study->splits * study->replicates);
    const double x[] = {low, high}, below[] = {-margin, -margin}, above[] = {margin, margin}, zero[] = {0, 0};
    if (status == STATUS_OK)
        status = panel_series(panel, SERIES_BAND, "margin", 2, x, NULL, below, above, d->error);
    return status == STATUS_OK ? panel_series(panel, SERIES_THEORY, "", 2, x, zero, NULL, NULL, d->error) : status;
}

static enum status sharpness_panel(struct drawing *d)
{
    const struct study *study = d->study;
    struct law_points points = {0};
    enum status status = STATUS_OK;
    if (!study_has(study, METRIC_SHARPNESS))
        return STATUS_OK;
    struct panel *panel = new_panel(d, "sharpness at the end", "batch size m", "ln of the top Hessian eigenvalue");
    if (!panel)
        return STATUS_MEMORY;
    panel->x_log = true;
    for (size_t s = 0; s < study->setups && status == STATUS_OK; s++) {
        char label[120], setup[80];
        for (struct rates r = first_rates(d, s); r.count > 0; r = study_next(study, s, r.arm->batch_size)) {
            const struct choice choice = study_tune(study, &r);
            const struct estimate e = of_choice(d, &choice, METRIC_SHARPNESS, d->last);
            if (isfinite(e.mean))
                law_points_add(&points, (double)r.arm->batch_size, e.mean, half_width(d, e.se));
        }
        label_setup(d, study_next(study, s, 0).arm, setup, sizeof setup);
        snprintf(label, sizeof label, "%smean over splits and seeds", setup);
        status = law_points_draw(&points, panel, SERIES_MEASURED, label, (int)s, d->error);
    }
    law_points_free(&points);
    return status;
}

/* ---- on the way ---- */

static enum status curve(struct drawing *d, struct panel *panel, const struct choice *choice, enum metric metric,
                         const char *label, int colour)
{
    const struct arm *arm = choice->arm[0];
    struct law_points points = {0};
    for (size_t p = 1; p <= d->last; p++) {
        const struct estimate e = of_choice(d, choice, metric, p);
        const double epoch = (double)arm->split[0]->step[p] * arm->pass;
        if (isfinite(e.mean))
            law_points_add(&points, epoch, e.mean, half_width(d, e.se));
    }
    const enum status status = law_points_draw(&points, panel, SERIES_MEASURED, label, colour, d->error);
    law_points_free(&points);
    return status;
}

static enum status curve_panel(struct drawing *d, enum metric metric, const char *title, const char *y)
{
    const struct study *study = d->study;
    enum status status = STATUS_OK;
    int colour = 0;
    if (!study_has(study, metric) || d->last < 2)
        return STATUS_OK;
    struct panel *panel = new_panel(d, title, "epochs", y);
    if (!panel)
        return STATUS_MEMORY;
    panel->x_log = true;
    panel->y_log = metric == METRIC_TEST_LOSS;
    for (size_t s = 0; s < study->setups; s++)
        for (struct rates r = first_rates(d, s); r.count > 0; r = study_next(study, s, r.arm->batch_size))
            for (size_t a = 0; a < (d->tuned ? 1 : r.count) && status == STATUS_OK; a++) {
                const struct choice choice = d->tuned ? study_tune(study, &r) : (struct choice){{&r.arm[a], &r.arm[a]}};
                char label[120], setup[80], rate[48] = "tuned η";
                if (choice.arm[0] == choice.arm[1])
                    snprintf(rate, sizeof rate, "η = %.3g", choice.arm[0]->rate);
                label_setup(d, r.arm, setup, sizeof setup);
                snprintf(label, sizeof label, "%sm = %zu, %s", setup, r.arm->batch_size, rate);
                status = curve(d, panel, &choice, metric, label, colour++);
            }
    const struct arm *first = &study->arm[0];
    if (status == STATUS_OK && metric == METRIC_TEST_ACCURACY && !isnan(d->reached)) {
        const double x[] = {(double)first->split[0]->step[1] * first->pass, first->epochs},
                     level[] = {d->reached, d->reached};
        status = panel_series(panel, SERIES_THEORY, "", 2, x, level, NULL, NULL, d->error);
        panel->x_min = fmin(0.5, first->epochs / 2);
        panel->y_min = d->reached - 0.05;
        panel->y_max = 1;
    }
    return status;
}

enum status generalisation_draw(const struct study *study, bool pairs, bool tuned, double reached,
                                struct law_figure *figure, struct error *error)
{
    struct drawing d = {.study = study,
                        .figure = figure,
                        .value = calloc(study->units, sizeof *d.value),
                        .pairs = pairs,
                        .tuned = tuned,
                        .reached = reached,
                        .last = study_points(study) - 1,
                        .error = error};
    enum status status = d.value ? STATUS_OK : error_memory(error, study->units * sizeof *d.value, "a figure");
    snprintf(figure->title, sizeof figure->title, "%s",
             tuned ? "Do small batches generalise better?" : "What is learnt on the way?");
    figure->columns = 2;
    for (size_t s = 0; s < study->setups; s++)
        d.setups += first_rates(&d, s).count > 0;
    if (status == STATUS_OK && tuned)
        status = rate_panel(&d);
    if (status == STATUS_OK && tuned)
        status = difference_panel(&d);
    if (status == STATUS_OK && tuned)
        status = sharpness_panel(&d);
    if (status == STATUS_OK)
        status = curve_panel(&d, METRIC_TEST_LOSS, "test loss on the way", "test loss");
    if (status == STATUS_OK)
        status = curve_panel(&d, METRIC_TEST_ACCURACY, "test accuracy on the way", "test accuracy");
    free(d.value);
    return status;
}
