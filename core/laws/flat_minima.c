/* L14. Which minima SGD can stay in. Near the minimum at 0 of f_i = min(a_i x^2, flat (x-3)^2)/2 a step multiplies x by
 * 1 - eta a_B, a_B the batch's mean curvature. E x^2 stays bounded iff (1 - eta abar)^2 + eta^2 Var(a)/m < 1; almost
 * every chain stays iff E ln|1 - eta a_B| < 0, which is the weaker condition (Wu, Ma, E, NeurIPS 2018; Ma and Ying,
 * NeurIPS 2021). Gradient descent sees abar alone. Judged are the first step's E x_1^2/x_0^2 and the share of chains
 * that are near 0 at the end. A minimum whose factor is within 1e-6 of the limit is not judged.
 *
 * `limit: mean_square` states that chains leave where E x^2 grows, which rates between the limits refute. */
#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "laws/law_average.h"
#include "laws/transfer.h"
#include "stats.h"

enum { LIMIT };
enum { ALMOST_SURE, MEAN_SQUARE };
static const char *const limits[] = {"almost_sure", "mean_square", NULL};
static const struct param params[] = {
    [LIMIT] = {.name = "limit",
               .kind = PARAM_CHOICE,
               .choices = limits,
               .help = "which condition the share of chains that stay is held against"},
};

static const double ON_LIMIT = 1e-6;

/* The curvatures take two values: a share p of them is high. */
struct curvatures {
    double low, high, p, mean, variance;
};

struct row {
    const struct law_cell *cell;
    const struct law_curve *inside, *square; /* of in_region, norm2; NULL before the run */
    struct curvatures a;
    double m, eta, start;
    double growth;   /* E x_1^2/x_0^2 */
    double exponent; /* E ln|1 - eta a_B| */
    double share;    /* of chains that stay */
};

/* ---- theory ---- */

static enum status find_curvatures(const struct dataset *data, struct curvatures *a, struct error *error)
{
    const size_t n = data->train.rows;
    size_t high = 0;
    *a = (struct curvatures){.low = INFINITY, .high = -INFINITY};
    for (size_t i = 0; i < n; i++) {
        a->low = fmin(a->low, data->y[i]);
        a->high = fmax(a->high, data->y[i]);
    }
    for (size_t i = 0; i < n; i++) {
        const bool is_high = data->y[i] >= a->high;
        if (!is_high && data->y[i] > a->low)
            return error_set(error, STATUS_UNSUPPORTED, "this law needs curvatures of two different values");
        high += is_high;
    }
    a->p = (double)high / (double)n;
    a->mean = a->p * a->high + (1 - a->p) * a->low;
    a->variance = a->p * (1 - a->p) * pow(a->high - a->low, 2);
    return STATUS_OK;
}

static double growth_at(const struct curvatures *a, double eta, double m)
{
    return pow(1 - eta * a->mean, 2) + eta * eta * a->variance / m;
}

/* -INFINITY where a batch can put x at 0. */
static double exponent_at(const struct curvatures *a, double eta, size_t m)
{
    double sum = 0;
    for (size_t k = 0; k <= m; k++) {
        const double share = (double)k / (double)m, weight = gsl_ran_binomial_pdf((unsigned)k, a->p, (unsigned)m);
        const double factor = fabs(1 - eta * (share * a->high + (1 - share) * a->low));
        if (factor < 1e-12 && weight > 0)
            return -INFINITY;
        sum += weight > 0 ? weight * log(factor) : 0;
    }
    return sum;
}

static enum status make_row(const struct law_input *input, const struct law_cell *cell, struct row *row,
                            struct error *error)
{
    const struct run_config *config = &cell->config;
    const char *needed = landscape_obstacle(config);
    if (!needed && strcmp(config->problem.type->method.name, "flat_and_sharp") != 0)
        needed = "the problem flat_and_sharp";
    if (!needed && !config->sampler->with_replacement)
        needed = "batches with replacement";
    if (!needed && (config->start.kind != START_LIST || !(fabs(config->start.list[0]) > 0)))
        needed = "a start next to 0";
    if (needed)
        return error_set(error, STATUS_USAGE, "this law needs %s", needed);
    *row = (struct row){.cell = cell,
                        .m = (double)config->batch_size,
                        .eta = config->schedule.values.scalar[0],
                        .start = config->start.list[0],
                        .share = NAN};
    enum status status = find_curvatures(config->problem.data, &row->a, error);
    if (status == STATUS_OK)
        status = law_need_curve(input, cell, METRIC_IN_REGION, &row->inside, error);
    if (status == STATUS_OK)
        status = law_need_curve(input, cell, METRIC_NORM2, &row->square, error);
    if (status != STATUS_OK)
        return status;
    if (cell->points < 3 || cell->step[1] != 1)
        return error_set(error, STATUS_USAGE, "this law needs the first step recorded: spacing: log");
    row->growth = growth_at(&row->a, row->eta, row->m);
    row->exponent = exponent_at(&row->a, row->eta, config->batch_size);
    if (row->inside)
        row->share = row->inside->mean[row->inside->points - 1];
    return STATUS_OK;
}

/* ---- checks ---- */

static struct check new_check(const struct law_input *input, const struct row *row, enum check_kind kind)
{
    struct check check = {.kind = kind,
                          .margin = input->margin_value,
                          .replicates = input->planned ? input->replicates : row->cell->chains};
    snprintf(check.instance, sizeof check.instance, "m = %.0f, eta = %.4g", row->m, row->eta);
    return check;
}

static double chains(const struct law_input *input, const struct row *row)
{
    return (double)(input->planned ? input->replicates : row->cell->chains);
}

/* Wilson's, which is not 0 where none or all stay. */
static double share_se(const struct law_input *input, const struct row *row)
{
    double low, high;
    const double n = chains(input, row), share = input->planned ? 0 : row->share;
    stats_wilson((uint64_t)llround(share * n), (uint64_t)n, 0.05, &low, &high);
    return (high - low) / 2 / stats_z(0.05);
}

static enum status check_share(const struct law_input *input, const struct row *row, struct check_list *checks,
                               struct error *error)
{
    const bool strong = input->values->scalar[LIMIT] == ALMOST_SURE;
    const double beyond = strong ? row->exponent : log(row->growth);
    if (fabs(beyond) < ON_LIMIT)
        return STATUS_OK;
    struct check check = new_check(input, row, CHECK_DIFFERENCE);
    check.predicted = beyond > 0 ? 0 : 1;
    check.measured = row->share;
    check.se = share_se(input, row);
    snprintf(check.quantity, sizeof check.quantity, "share near 0 after %llu steps; %s = %.3g",
             (unsigned long long)row->cell->config.steps, strong ? "E ln|1 - eta a|" : "E x_1^2/x_0^2",
             strong ? row->exponent : row->growth);
    return checks_add(checks, &check, error);
}

static enum status check_growth(const struct law_input *input, const struct row *row, struct check_list *checks,
                                struct error *error)
{
    struct check check = new_check(input, row, CHECK_RATIO);
    check.predicted = row->growth;
    check.measured = NAN;
    check.exact_theory = true;
    if (row->square) {
        check.measured = row->square->mean[1] / (row->start * row->start);
        check.se = row->square->se[1] / row->square->mean[1];
    } else {
        double fourth = 0;
        const size_t m = row->cell->config.batch_size;
        for (size_t k = 0; k <= m; k++) {
            const double share = (double)k / (double)m;
            fourth += gsl_ran_binomial_pdf((unsigned)k, row->a.p, (unsigned)m) *
                      pow(1 - row->eta * (share * row->a.high + (1 - share) * row->a.low), 4);
        }
        check.se = sqrt((fourth / (row->growth * row->growth) - 1) / chains(input, row));
    }
    snprintf(check.quantity, sizeof check.quantity, "E x_1^2/x_0^2");
    return checks_add(checks, &check, error);
}

/* ---- figure ---- */

/* The batch sizes at which the two conditions begin to hold; the exponent is joined linearly between whole m. */
static double mean_square_batch(const struct row *row)
{
    return row->eta * row->a.variance / (row->a.mean * (2 - row->eta * row->a.mean));
}

static double almost_sure_batch(const struct row *row)
{
    enum { BATCH_MAX = 256 };
    double before = exponent_at(&row->a, row->eta, 1);
    for (size_t m = 2; m <= BATCH_MAX && before > 0; m++) {
        const double now = exponent_at(&row->a, row->eta, m);
        if (now < 0)
            return (double)m - (isinf(now) ? 0 : now / (now - before));
        before = now;
    }
    return NAN;
}

static enum status put_limits(struct panel *panel, const struct row *row, struct error *error)
{
    const double square = mean_square_batch(row), sure = almost_sure_batch(row);
    char label[120];
    snprintf(label, sizeof label, "mean-square limit, m = %.3g", square);
    enum status status = panel_series(panel, SERIES_VERTICAL, label, 1, &square, NULL, NULL, NULL, error);
    if (status == STATUS_OK)
        panel->series[panel->count - 1].colour = 1;
    snprintf(label, sizeof label, "almost-sure limit, m = %.3g", sure);
    if (status == STATUS_OK && !isnan(sure)) {
        status = panel_series(panel, SERIES_VERTICAL, label, 1, &sure, NULL, NULL, NULL, error);
        if (status == STATUS_OK)
            panel->series[panel->count - 1].colour = 2;
    }
    return status;
}

static enum status share_panel(const struct law_input *input, struct law_figure *figure, const struct row *row,
                               size_t count, struct error *error)
{
    struct panel *panel =
        law_figure_panel(figure, "do chains stay in the sharp minimum?", "batch size m", "share that stays");
    double *block = calloc(4 * count, sizeof *block);
    if (!panel || !block) {
        free(block);
        return error_memory(error, sizeof *panel, "a panel");
    }
    double *x = block, *y = x + count, *low = y + count, *high = low + count;
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (row[i].eta > row[0].eta || row[i].eta < row[0].eta)
            continue;
        const double n = chains(input, &row[i]);
        x[used] = row[i].m;
        y[used] = row[i].share;
        stats_wilson((uint64_t)llround(y[used] * n), (uint64_t)n, 0.05, &low[used], &high[used]);
        used++;
    }
    panel->y_min = -0.03;
    panel->y_max = 1.03;
    snprintf(panel->text, sizeof panel->text, "η = %.3g, %.0f chains each\n95 %% Wilson intervals", row[0].eta,
             chains(input, row));
    enum status status = panel_series(panel, SERIES_POINTS, "measured", used, x, y, low, high, error);
    free(block);
    return status == STATUS_OK ? put_limits(panel, &row[0], error) : status;
}

static enum status theory_panel(struct law_figure *figure, const struct row *row, size_t count, struct error *error)
{
    struct panel *panel = law_figure_panel(figure, "both conditions", "batch size m", "growth rate of a step");
    struct law_points square = {0}, sure = {0}, measured = {0};
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    double last = row[0].m;
    for (size_t i = 0; i < count; i++)
        last = fmax(last, row[i].m);
    for (double m = 1; m <= last; m++) {
        const double exponent = exponent_at(&row[0].a, row[0].eta, (size_t)m);
        law_points_add(&square, m, log(growth_at(&row[0].a, row[0].eta, m)) / 2, 0);
        if (isfinite(exponent)) /* the others lie below */
            law_points_add(&sure, m, exponent, 0);
    }
    for (size_t i = 0; i < count; i++)
        if (row[i].square && !(row[i].eta > row[0].eta || row[i].eta < row[0].eta)) {
            const double value = row[i].square->mean[1] / (row[i].start * row[i].start);
            law_points_add(&measured, row[i].m, log(value) / 2,
                           stats_z(0.05) * row[i].square->se[1] / row[i].square->mean[1] / 2);
        }
    const double x[] = {1, last}, y[] = {0, 0};
    enum status status =
        law_points_draw(&measured, panel, SERIES_POINTS, "measured: ln(E x_1²/x_0²)/2, 95 % intervals", 1, error);
    if (status == STATUS_OK)
        status = law_points_draw(&square, panel, SERIES_THEORY, "mean square: ln(E (1 − η a)²)/2", 1, error);
    if (status == STATUS_OK)
        status = law_points_draw(&sure, panel, SERIES_THEORY, "almost sure: E ln|1 − η a|", 2, error);
    if (status == STATUS_OK)
        status = panel_series(panel, SERIES_THEORY, "", 2, x, y, NULL, NULL, error);
    law_points_free(&square);
    law_points_free(&sure);
    law_points_free(&measured);
    return status;
}

/* ---- the law ---- */

static enum status evaluate(const struct law_input *input, struct check_list *checks, struct law_figure *figure,
                            struct error *error)
{
    const size_t count = input->cell_count;
    struct row *row = calloc(count + 1, sizeof *row);
    enum status status = row ? STATUS_OK : error_memory(error, (count + 1) * sizeof *row, "a law");
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        status = make_row(input, &input->cell[i], &row[i], error);
        if (status == STATUS_OK)
            status = check_share(input, &row[i], checks, error);
        if (status == STATUS_OK && input->values->scalar[LIMIT] == ALMOST_SURE)
            status = check_growth(input, &row[i], checks, error);
    }
    if (status == STATUS_OK && !input->planned && count > 1) {
        snprintf(figure->title, sizeof figure->title, "Which minima can SGD stay in?");
        status = share_panel(input, figure, row, count, error);
        if (status == STATUS_OK)
            status = theory_panel(figure, row, count, error);
    }
    free(row);
    return status;
}

const struct law_type law_flat_minima = {
    .method = {.name = "flat_minima",
               .summary = "E x^2 near a minimum is multiplied by (1 - eta abar)^2 + eta^2 Var(a)/m a step; chains stay "
                          "iff E ln|1 - eta a_B| < 0",
               .revision = 1,
               .params = params,
               .param_count = sizeof params / sizeof *params},
    .number = "L14",
    .title = "Flat minima: stability",
    .group = "Nonconvex and distributed",
    .source = "Wu, Ma, E 2018; Ma, Ying 2021",
    .evaluate = evaluate,
};
