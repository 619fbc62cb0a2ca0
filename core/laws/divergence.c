/* L3. Where single chains diverge. Above the mean-square limit eta_max the mean of f - f* on least squares grows
 * without bound, yet almost every chain stays: the share that leaves switches from 0 to 1 at eta_as, the zero of the
 * top Lyapunov exponent of the products of I - eta mean_B a a' (oracle.h; Furstenberg and Kesten, Ann. Math. Stat. 31,
 * 1960). A chain has left when a recorded gap exceeds 1e6 gap_0. Near the limit the switch is not sharp in finite time:
 * rates within `clearance` of it are drawn and not judged.
 *
 * `limit: mean_square` states that chains diverge above eta_max, which the rates in between refute. */
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "laws/law_exact.h"
#include "stats.h"

enum { LIMIT, CLEARANCE };
enum { ALMOST_SURE, MEAN_SQUARE };
static const char *const limits[] = {"almost_sure", "mean_square", NULL};
static const struct param params[] = {
    [LIMIT] = {.name = "limit",
               .kind = PARAM_CHOICE,
               .choices = limits,
               .help = "where the share of chains that leave switches from 0 to 1"},
    [CLEARANCE] = {.name = "clearance",
                   .kind = PARAM_REAL,
                   .fallback = 0.06,
                   .min = 0,
                   .max = 1,
                   .help = "rates nearer to the limit than this share of it are not judged"},
};

static const double FAR = 1e6;                   /* times gap_0: has left */
static const double LOWEST = 0.8, HIGHEST = 1.5; /* of eta_max, of eta_as: other rates are of no interest */
/* Products behind eta_as: enough for one percent. */
enum { PRODUCTS = 60000, PRODUCTS_MIN = 8000, PRODUCTS_SEED = 1 };

struct row {
    const struct exact_cell *cell;
    double eta, eta_max, eta_as;
    uint64_t chains, left;
};

static bool same_batches(const struct row *a, const struct row *b)
{
    return a->cell->cell->columns.batch_size == b->cell->cell->columns.batch_size &&
           a->cell->cell->config.sampler == b->cell->cell->config.sampler &&
           a->cell->cell->config.problem.data == b->cell->cell->config.problem.data;
}

static enum status find_limits(struct row *row, size_t index, struct error *error)
{
    struct row *now = &row[index];
    const struct run_config *config = &now->cell->cell->config;
    const struct oracle *oracle = now->cell->run.oracle;
    for (size_t j = 0; j < index; j++)
        if (same_batches(&row[j], now)) {
            now->eta_max = row[j].eta_max;
            now->eta_as = row[j].eta_as;
            return STATUS_OK;
        }
    const size_t spread = PRODUCTS / config->batch_size;
    enum status status = oracle_stability_limit(oracle, now->cell->run.kappa, &now->eta_max, error);
    if (status == STATUS_OK)
        status = oracle_almost_sure_limit(oracle, config->batch_size, config->sampler->with_replacement, PRODUCTS_SEED,
                                          spread > PRODUCTS_MIN ? spread : PRODUCTS_MIN, &now->eta_as, error);
    return status;
}

static void count_left(struct row *row)
{
    const struct law_curve *curve = row->cell->measured;
    for (size_t g = 0; curve && g < curve->groups; g++) {
        bool left = false;
        for (size_t p = 0; p < curve->points && !left; p++)
            left = !(curve->group_mean[g * curve->points + p] <= FAR * row->cell->gap[0]); /* NaN: stopped far away */
        row->left += left;
        row->chains++;
    }
}

static enum status make_row(const struct law_input *input, const struct exact_cell *cell, struct row *row, size_t index,
                            struct error *error)
{
    row[index].cell = cell;
    if (!cell->cell->config.schedule.type->constant || cell->run.beta > 0 || cell->run.workers > 1 ||
        cell->run.kappa == 0 || cell->gap[0] == 0)
        return error_set(error, STATUS_USAGE,
                         "this law speaks of plain steps with a constant rate, random batches, from outside x*");
    if (cell->cell->moments)
        return error_set(error, STATUS_USAGE, "this law counts single chains: it needs keep: runs");
    row[index].eta = cell->run.eta[0];
    const enum status status = find_limits(row, index, error);
    if (!input->planned)
        count_left(&row[index]);
    return status;
}

static bool of_interest(const struct row *row)
{
    return row->eta >= LOWEST * row->eta_max && row->eta <= HIGHEST * row->eta_as;
}

/* ---- checks ---- */

static enum status add_check(const struct law_input *input, const struct row *row, struct check_list *checks,
                             struct error *error)
{
    const bool strong = input->values->scalar[LIMIT] == ALMOST_SURE;
    const double limit = strong ? row->eta_as : row->eta_max;
    if (fabs(row->eta / limit - 1) < input->values->scalar[CLEARANCE] && strong)
        return STATUS_OK;
    const double n = (double)(input->planned ? input->replicates : row->chains);
    const double share = input->planned ? 0.05 : (double)row->left / n;
    struct check check = {
        .kind = CHECK_DIFFERENCE,
        .predicted = row->eta > limit ? 1 : 0,
        .measured = input->planned ? (double)NAN : share,
        .se = sqrt(share * (1 - share) / n + 0.25 / (n * n)), /* Wilson's, not 0 where none or all have left */
        .margin = input->margin_value,
        .replicates = (uint64_t)n,
    };
    char cell[120];
    snprintf(check.instance, sizeof check.instance, "%s, rate %.2f eta_max = %.2f eta_as",
             exact_instance(row->cell->cell, cell, sizeof cell), row->eta / row->eta_max, row->eta / row->eta_as);
    snprintf(check.quantity, sizeof check.quantity, "share of chains beyond 1e6 gap_0 in %llu steps",
             (unsigned long long)row->cell->run.steps);
    return checks_add(checks, &check, error);
}

/* ---- figure ---- */

static enum status put_vertical(struct panel *panel, const char *label, int colour, double x, struct error *error)
{
    const enum status status = panel_series(panel, SERIES_VERTICAL, label, 1, &x, NULL, NULL, NULL, error);
    if (status == STATUS_OK)
        panel->series[panel->count - 1].colour = colour;
    return status;
}

/* Shares of one batch size, in the order of the rates, and both limits in its colour. */
static enum status put_shares(struct panel *panel, const struct row *row, size_t count, size_t first, int colour,
                              struct error *error)
{
    double *block = malloc(4 * count * sizeof *block);
    char label[120], cell[100];
    if (!block)
        return error_memory(error, 4 * count * sizeof *block, "the points of a figure");
    double *x = block, *y = x + count, *low = y + count, *high = low + count;
    size_t used = 0;
    for (size_t i = first; i < count; i++) {
        if (!same_batches(&row[first], &row[i]) || !of_interest(&row[i]))
            continue;
        x[used] = row[i].eta / row[i].eta_max;
        y[used] = (double)row[i].left / (double)row[i].chains;
        stats_wilson(row[i].left, row[i].chains, 0.05, &low[used], &high[used]);
        used++;
    }
    snprintf(label, sizeof label, "%s: η_max = %.3g, η_as = %.3g",
             exact_label(row[first].cell->cell, cell, sizeof cell), row[first].eta_max, row[first].eta_as);
    enum status status = panel_series(panel, SERIES_MEASURED, label, used, x, y, low, high, error);
    if (status == STATUS_OK)
        panel->series[panel->count - 1].colour = colour;
    free(block);
    if (status == STATUS_OK)
        status = put_vertical(panel, "", colour, row[first].eta_as / row[first].eta_max, error);
    return status;
}

static enum status share_panel(struct law_figure *figure, const struct row *row, size_t count, struct error *error)
{
    struct panel *panel =
        law_figure_panel(figure, "share of chains that leave", "η/η_max", "share beyond 10⁶ of the first gap");
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    panel->y_min = -0.03;
    panel->y_max = 1.03;
    snprintf(panel->text, sizeof panel->text, "%llu chains each\n95 %% Wilson intervals",
             (unsigned long long)row[0].chains);
    enum status status = put_vertical(panel, "mean-square limit η_max", -1, 1, error);
    int colour = 0;
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        bool first = of_interest(&row[i]);
        for (size_t j = 0; j < i && first; j++)
            first = !(same_batches(&row[j], &row[i]) && of_interest(&row[j]));
        if (first)
            status = put_shares(panel, row, count, i, colour++, error);
    }
    if (status == STATUS_OK) /* one entry for all the coloured lines */
        status = put_vertical(panel, "almost-sure limits η_as, in the colours of the curves", 0,
                              row[0].eta_as / row[0].eta_max, error);
    return status;
}

/* Between the limits: what the mean does and what chains do. */
static enum status between_panel(struct law_figure *figure, const struct row *row, struct error *error)
{
    const struct law_curve *curve = row->cell->measured;
    const size_t points = curve->points, groups = curve->groups;
    char title[160], cell[100];
    snprintf(title, sizeof title, "%s, η = %.2f η_max", exact_label(row->cell->cell, cell, sizeof cell),
             row->eta / row->eta_max);
    struct panel *panel = law_figure_panel(figure, title, "step t", "f(x_t) − f*");
    double *block = malloc((5 * points + groups) * sizeof *block);
    if (!panel || !block) {
        free(block);
        return error_memory(error, (5 * points + groups) * sizeof *block, "a panel");
    }
    double *x = block, *middle = x + points, *low = middle + points, *high = low + points, *exact = high + points,
           *value = exact + points;
    size_t used = 0;
    panel->x_log = panel->y_log = true;
    panel->y_max = 10 * FAR * row->cell->gap[0]; /* the mean goes on */
    snprintf(panel->text, sizeof panel->text, "the mean reaches %.0e", row->cell->gap[points - 1]);
    for (size_t p = 0; p < points; p++) {
        if (curve->step[p] == 0)
            continue;
        for (size_t g = 0; g < groups; g++) {
            const double gap = curve->group_mean[g * points + p];
            value[g] = isnan(gap) ? INFINITY : gap;
        }
        gsl_sort(value, 1, groups);
        x[used] = (double)curve->step[p];
        middle[used] = gsl_stats_quantile_from_sorted_data(value, 1, groups, 0.5);
        low[used] = gsl_stats_quantile_from_sorted_data(value, 1, groups, 0.05);
        high[used] = gsl_stats_quantile_from_sorted_data(value, 1, groups, 0.95);
        panel->y_min = used == 0 ? 0.3 * low[used] : fmin(panel->y_min, 0.3 * low[used]);
        exact[used++] = row->cell->gap[p];
    }
    enum status status = panel_series(panel, SERIES_MEASURED, "median of the chains, and 5 to 95 % of them", used, x,
                                      middle, low, high, error);
    if (status == STATUS_OK)
        status = panel_series(panel, SERIES_THEORY, "exact mean", used, x, exact, NULL, NULL, error);
    free(block);
    return status;
}

static enum status draw(struct law_figure *figure, const struct row *row, size_t count, struct error *error)
{
    snprintf(figure->title, sizeof figure->title, "Where do single chains diverge?");
    enum status status = share_panel(figure, row, count, error);
    size_t best = count; /* the largest rate of those between the limits, of the first batch size */
    for (size_t i = 0; i < count; i++)
        if (row[i].eta > row[i].eta_max && row[i].eta < 0.95 * row[i].eta_as &&
            (best == count || (same_batches(&row[i], &row[best]) && row[i].eta > row[best].eta)))
            best = i;
    if (status == STATUS_OK && best < count)
        status = between_panel(figure, &row[best], error);
    return status;
}

/* ---- the law ---- */

static enum status evaluate(const struct law_input *input, struct check_list *checks, struct law_figure *figure,
                            struct error *error)
{
    const size_t count = input->cell_count;
    struct exact_cell *cell = NULL;
    struct row *row = calloc(count + 1, sizeof *row);
    enum status status =
        row ? exact_cells_open(input, &cell, error) : error_memory(error, (count + 1) * sizeof *row, "a law");
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        status = make_row(input, &cell[i], row, i, error);
        if (status == STATUS_OK && of_interest(&row[i]))
            status = add_check(input, &row[i], checks, error);
    }
    if (status == STATUS_OK && !input->planned && count > 0)
        status = draw(figure, row, count, error);
    exact_cells_close(cell, count);
    free(row);
    return status;
}

const struct law_type law_divergence = {
    .method = {.name = "divergence",
               .summary =
                   "chains leave at eta_as, where the exponent of prod (I - eta mean_B a a') is 0, not at eta_max",
               .revision = 1,
               .params = params,
               .param_count = sizeof params / sizeof *params},
    .number = "L3",
    .title = "Where chains diverge",
    .group = "Core",
    .source = "Furstenberg and Kesten 1960; Kesten 1973",
    .evaluate = evaluate,
};
