/* L14. How often SGD is in the flat one of two wells. From starts in each well, after a burn-in of relaxation times of
 * the chain, the share of time in the region is what the transfer operator says (transfer.h), which depends strongly on
 * the batch: the smaller, the more time in the flat well, although it is the shallower.
 *
 * `theory: diffusion` states the stationary density exp(-2 m f/(eta sigma^2)) of the diffusion approximation, which the
 * chain refutes where steps are not small against the wells. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "laws/diffusion.h"
#include "laws/law_average.h"
#include "laws/transfer.h"
#include "stats.h"

enum { THEORY, BURN };
enum { EXACT, DIFFUSION };
static const char *const theories[] = {"exact", "diffusion", NULL};
static const struct param params[] = {
    [THEORY] = {.name = "theory",
                .kind = PARAM_CHOICE,
                .choices = theories,
                .help = "what the share of time is compared with: the chain's own law, or the diffusion's"},
    [BURN] = {.name = "burn",
              .kind = PARAM_REAL,
              .fallback = 5,
              .min = 0,
              .max = 100,
              .help = "relaxation times of the chain that are left out at the beginning"},
};

enum { STARTS_MAX = 8 };

/* The cells that differ in the start alone. */
struct row {
    size_t starts;
    const struct law_cell *cell[STARTS_MAX];
    const struct law_curve *curve[STARTS_MAX]; /* NULL before the run */
    struct settling exact[STARTS_MAX];
    double start[STARTS_MAX];
    double m, eta, relaxation; /* in steps */
    double predicted;          /* the same mean over starts and points as the measured one */
    double diffusion;
    double measured, relative;
    uint64_t chains;
};

static bool same_row(const struct row *row, const struct law_cell *cell)
{
    const struct run_config *a = &row->cell[0]->config, *b = &cell->config;
    return a->batch_size == b->batch_size && a->problem.data == b->problem.data && a->steps == b->steps &&
           !(a->schedule.values.scalar[0] < b->schedule.values.scalar[0]) &&
           !(a->schedule.values.scalar[0] > b->schedule.values.scalar[0]);
}

static enum status add_cell(const struct law_input *input, const struct law_cell *cell, struct row *row, size_t *count,
                            struct error *error)
{
    const struct run_config *config = &cell->config;
    const char *needed = landscape_obstacle(config);
    if (!needed && !config->sampler->with_replacement)
        needed = "batches with replacement";
    if (!needed && cell->diverged > 0)
        needed = "chains that do not diverge";
    if (needed)
        return error_set(error, STATUS_USAGE, "this law needs %s", needed);
    size_t r = 0;
    while (r < *count && !same_row(&row[r], cell))
        r++;
    if (r == *count)
        row[(*count)++] = (struct row){.m = (double)config->batch_size, .eta = config->schedule.values.scalar[0]};
    if (row[r].starts == STARTS_MAX)
        return error_set(error, STATUS_USAGE, "this law takes at most %d starts", STARTS_MAX);
    const size_t s = row[r].starts++;
    row[r].cell[s] = cell;
    row[r].start[s] = config->start.kind == START_LIST ? config->start.list[0] : 0;
    return law_need_curve(input, cell, METRIC_IN_REGION, &row[r].curve[s], error);
}

/* First recorded point after the burn-in. */
static size_t first_point(const struct law_input *input, const struct row *row)
{
    size_t p = 0;
    while (p < row->cell[0]->points && (double)row->cell[0]->step[p] < input->values->scalar[BURN] * row->relaxation)
        p++;
    return p;
}

/* Equal weights of the points from `first` on. */
static enum status measure(const struct law_input *input, struct row *row, size_t first, struct error *error)
{
    const size_t points = row->cell[0]->points;
    const double used = (double)(points - first), starts = (double)row->starts;
    double *weight = calloc(2 * points, sizeof *weight), variance = 0;
    if (!weight)
        return error_memory(error, 2 * points * sizeof *weight, "a law");
    double *decay = weight + points;
    enum status status = STATUS_OK;
    row->predicted = 0;
    row->measured = input->planned ? (double)NAN : 0;
    for (size_t p = first; p < points && status == STATUS_OK; p++) {
        weight[p] = 1 / used;
        decay[p - first] = (double)row->cell[0]->step[p] / row->relaxation;
        for (size_t s = 0; s < row->starts; s++)
            row->predicted += settling_at(&row->exact[s], row->cell[0]->step[p]) / used / starts;
    }
    for (size_t s = 0; s < row->starts && status == STATUS_OK && !input->planned; s++) {
        struct law_average average;
        status = law_average(row->curve[s], weight, &average, error);
        row->measured += average.value / starts;
        variance += average.se * average.se / starts / starts;
        row->chains += average.chains;
    }
    if (status == STATUS_OK && !input->planned)
        row->relative = sqrt(variance) / row->measured;
    if (status == STATUS_OK && input->planned) {
        row->chains = input->replicates * row->starts;
        row->relative = law_average_planned(points - first, decay, sqrt(1 / row->predicted - 1), (double)row->chains);
    }
    free(weight);
    return status;
}

static enum status solve(const struct law_input *input, struct row *row, struct error *error)
{
    const struct run_config *config = &row->cell[0]->config;
    enum status status = transfer_occupancy(&config->problem, config->batch_size, row->eta, TRANSFER_NODES, row->starts,
                                            row->start, row->exact, error);
    if (status != STATUS_OK)
        return status;
    for (size_t s = 0; s < row->starts; s++) /* a start whose difference from the limit is 0 from the first has none */
        row->relaxation = fmax(row->relaxation, row->exact[s].ratio > 0 ? -1 / log(row->exact[s].ratio) : 0);
    row->diffusion = diffusion_occupancy(&config->problem, config->batch_size, row->eta);
    const size_t first = first_point(input, row);
    if (first + 2 > row->cell[0]->points)
        return error_set(error, STATUS_USAGE,
                         "this law needs at least two recorded steps after a burn-in of %.0f (relaxation time %.0f)",
                         input->values->scalar[BURN] * row->relaxation, row->relaxation);
    return measure(input, row, first, error);
}

static enum status check_row(const struct law_input *input, const struct row *row, struct check_list *checks,
                             struct error *error)
{
    const bool exact = input->values->scalar[THEORY] == EXACT;
    struct check check = {.kind = CHECK_RATIO,
                          .predicted = exact ? row->predicted : row->diffusion,
                          .measured = row->measured,
                          .se = row->relative,
                          .margin = input->margin_value,
                          .replicates = row->chains,
                          .exact_theory = exact};
    snprintf(check.instance, sizeof check.instance, "m = %.0f, eta = %.3g, %zu starts", row->m, row->eta, row->starts);
    snprintf(check.quantity, sizeof check.quantity, "share of time in the flat well (relaxation: %.0f steps)",
             row->relaxation);
    return checks_add(checks, &check, error);
}

/* ---- figure ---- */

static enum status share_panel(struct law_figure *figure, const struct row *row, size_t count, struct error *error)
{
    struct panel *panel = law_figure_panel(figure, "in the long run", "batch size m", "share of time in the flat well");
    struct law_points measured = {0}, exact = {0}, diffusion = {0};
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    for (size_t i = 0; i < count; i++) {
        law_points_add(&measured, row[i].m, row[i].measured, stats_z(0.05) * row[i].relative * row[i].measured);
        law_points_add(&exact, row[i].m, row[i].exact[0].limit, 0);
        law_points_add(&diffusion, row[i].m, row[i].diffusion, 0);
    }
    panel->y_min = 0;
    panel->y_max = 1;
    enum status status = law_points_draw(&measured, panel, SERIES_POINTS, "measured, 95 % intervals", 0, error);
    if (status == STATUS_OK)
        status = law_points_draw(&exact, panel, SERIES_THEORY, "the chain's own law", 0, error);
    if (status == STATUS_OK)
        status = law_points_draw(&diffusion, panel, SERIES_THEORY, "diffusion: exp(−2 m f/(η σ²))", 1, error);
    law_points_free(&measured);
    law_points_free(&exact);
    law_points_free(&diffusion);
    return status;
}

/* How the chains get there, from all starts, at the largest batch. */
static enum status time_panel(const struct law_input *input, struct law_figure *figure, const struct row *row,
                              struct error *error)
{
    char title[120];
    snprintf(title, sizeof title, "on the way there, m = %.0f", row->m);
    struct panel *panel = law_figure_panel(figure, title, "step t", "share of chains in the flat well");
    const double burn = input->values->scalar[BURN] * row->relaxation;
    enum status status = panel ? STATUS_OK : error_memory(error, sizeof *panel, "a panel");
    for (size_t s = 0; s < row->starts && status == STATUS_OK; s++) {
        struct law_points measured = {0}, exact = {0};
        char label[80];
        snprintf(label, sizeof label, "from x_0 = %g", row->start[s]);
        for (size_t p = 0; p < row->cell[s]->points; p++) {
            const double t = (double)row->cell[s]->step[p];
            law_points_add(&measured, t, row->curve[s]->mean[p], stats_z(0.05) * row->curve[s]->se[p]);
            law_points_add(&exact, t, settling_at(&row->exact[s], row->cell[s]->step[p]), 0);
        }
        status = law_points_draw(&measured, panel, SERIES_MEASURED, label, (int)s, error);
        if (status == STATUS_OK)
            status = law_points_draw(&exact, panel, SERIES_THEORY, s == 0 ? "the chain's own law" : "", (int)s, error);
        law_points_free(&measured);
        law_points_free(&exact);
    }
    if (status != STATUS_OK)
        return status;
    panel->y_min = 0;
    panel->y_max = 1;
    return panel_series(panel, SERIES_VERTICAL, "end of the burn-in", 1, &burn, NULL, NULL, NULL, error);
}

/* ---- the law ---- */

static enum status evaluate(const struct law_input *input, struct check_list *checks, struct law_figure *figure,
                            struct error *error)
{
    size_t count = 0;
    struct row *row = calloc(input->cell_count + 1, sizeof *row);
    enum status status = row ? STATUS_OK : error_memory(error, (input->cell_count + 1) * sizeof *row, "a law");
    for (size_t i = 0; status == STATUS_OK && i < input->cell_count; i++)
        status = add_cell(input, &input->cell[i], row, &count, error);
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        status = solve(input, &row[i], error);
        if (status == STATUS_OK)
            status = check_row(input, &row[i], checks, error);
    }
    if (status == STATUS_OK && !input->planned && count > 1 && input->values->scalar[THEORY] == EXACT) {
        snprintf(figure->title, sizeof figure->title, "In which well does SGD stay?");
        status = share_panel(figure, row, count, error);
        if (status == STATUS_OK)
            status = time_panel(input, figure, &row[count - 1], error);
    }
    for (size_t i = 0; row && i < count; i++)
        for (size_t s = 0; s < row[i].starts; s++)
            settling_free(&row[i].exact[s]);
    free(row);
    return status;
}

const struct law_type law_occupancy = {
    .method = {.name = "occupancy",
               .summary =
                   "the share of time in the flat well is the chain's own, from its transfer operator: larger the "
                   "smaller the batch",
               .revision = 1,
               .params = params,
               .param_count = sizeof params / sizeof *params},
    .number = "L14",
    .title = "Flat minima: occupancy",
    .group = "Nonconvex and distributed",
    .source = "Keskar et al. 2017; Jastrzebski et al. 2017; Li, Tai, E 2017",
    .evaluate = evaluate,
};
