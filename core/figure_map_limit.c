/* What theory says of the largest stable constant rate, for the lines in a map. On least squares with batches drawn
 * anew: the mean-square limit of oracle.h, which needs the data. Else the limits of full batches, from the L that is
 * stored with the runs (heavy ball: Polyak 1964):
 *   gradient descent 2/L, heavy ball 2 (1 + beta)/L, Nesterov 2 (1 + beta)/((1 + 2 beta) L).
 * For the last, the roots of z^2 - (1 + beta) s z + beta s, s = 1 - eta L, are inside of the unit circle for
 * s > -1/(1 + 2 beta). Where f is not quadratic L is a bound of its curvature, and so the line is one for certain. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "figure_map.h"
#include "laws/law_figure_internal.h"
#include "laws/law_input.h"
#include "laws/oracle.h"

/* Beyond it the mean-square limit takes more than about a second for each batch size. */
enum { DIM_MAX = 32 };

struct limit_finder {
    const struct figure_request *request;
    struct stored_cell cell;
    struct sweep *sweep; /* NULL: not opened yet */
    bool hopeless;       /* it could not be */
    struct oracle *oracle;
    const struct dataset *data; /* of the oracle, */
    double l2;                  /* and its penalty */
    char *note;                 /* [NOTE_MAX] */
};

static bool says(const struct stored_cell *cell, const char *key)
{
    /* In JSON a quote inside a text has a backslash before it: this is the key. */
    return strstr(cell->config, key) != NULL;
}

/* Constant rates, no clipping, one worker, no proximal step, no projection, one known curvature. */
static bool theory_speaks(const struct stored_cell *cell)
{
    const struct cell_columns *c = &cell->columns;
    const double smoothness = cell->reference.smoothness;
    return cell->reference.solved && isfinite(smoothness) && smoothness > 0 && strcmp(c->schedule, "constant") == 0 &&
           !strchr(c->problem, '(') && !says(cell, "\"clip\":") && !says(cell, "\"local\":") && c->momentum < 1;
}

/* Of the method that a panel shows; with dampening it has another name, and other limits. */
static enum map_limit limit_of(const char *update)
{
    if (strcmp(update, "sgd") == 0)
        return MAP_GRADIENT;
    if (strcmp(update, "heavy_ball") == 0)
        return MAP_HEAVY_BALL;
    return strcmp(update, "nesterov") == 0 ? MAP_NESTEROV : MAP_NO_LIMIT;
}

static double full_batch(enum map_limit limit, double beta, double smoothness)
{
    return limit == MAP_NESTEROV     ? 2 * (1 + beta) / ((1 + 2 * beta) * smoothness)
           : limit == MAP_HEAVY_BALL ? 2 * (1 + beta) / smoothness
                                     : 2 / smoothness;
}

/* ---- the mean-square limit ---- */

static bool quadratic(const struct stored_cell *cell)
{
    return strcmp(cell->columns.problem, "least_squares") == 0;
}

static bool has_mean_square(const struct stored_cell *cell)
{
    const char *sampling = cell->columns.sampling;
    return quadratic(cell) && cell->columns.d <= DIM_MAX &&
           (strcmp(sampling, "with_replacement") == 0 || strcmp(sampling, "subset") == 0);
}

/* The cell's configuration; it needs the data that the run had. */
static enum status open_config(struct limit_finder *finder, struct run_config *config, struct error *error)
{
    enum status status = STATUS_OK;
    if (!finder->sweep)
        status = law_sweep_open(finder->request->experiment, NULL, &finder->sweep, error);
    if (status == STATUS_OK)
        status = sweep_cell(finder->sweep, (size_t)finder->cell.position, config, error);
    if (status == STATUS_OK && !says(&finder->cell, config->problem.data->checksum))
        status = error_set(error, STATUS_INPUT, "the data %s are not those that the experiment ran with",
                           finder->cell.columns.data);
    return status;
}

/* Of plain steps, or of a method with momentum (its limit of full batches names it). */
static enum status mean_square(struct limit_finder *finder, enum map_limit method, double *limit, struct error *error)
{
    struct run_config config;
    enum status status = open_config(finder, &config, error);
    if (status == STATUS_OK &&
        (!finder->oracle || finder->data != config.problem.data || finder->l2 != config.problem.l2)) {
        oracle_close(finder->oracle);
        finder->oracle = NULL;
        status = oracle_open(&config.problem, &finder->oracle, error);
        finder->data = config.problem.data;
        finder->l2 = config.problem.l2;
    }
    if (status != STATUS_OK)
        return status;
    const double kappa = oracle_kappa(finder->oracle->n, config.batch_size, config.sampler->with_replacement);
    if (method == MAP_GRADIENT)
        return oracle_stability_limit(finder->oracle, kappa, limit, error);
    return oracle_momentum_limit(finder->oracle, kappa, finder->cell.columns.momentum, method == MAP_NESTEROV, limit,
                                 error);
}

/* ---- panels ---- */

/* What is not there for the map must not hide the map. */
static enum status note(struct limit_finder *finder, enum status status, const struct error *failure,
                        struct error *error)
{
    if (status == STATUS_MEMORY || status == STATUS_INTERRUPTED) {
        *error = *failure;
        return status;
    }
    finder->hopeless = true;
    figure_clean(finder->note, NOTE_MAX, failure->message);
    return STATUS_OK;
}

/* The limit for one cell. Without momentum the methods' formulas agree. */
static enum status find_limit(struct limit_finder *finder, struct map_panel *panel, double *limit, struct error *error)
{
    const struct stored_cell *cell = &finder->cell;
    const enum map_limit method = limit_of(panel->words.columns.update);
    *limit = NAN;
    if (!theory_speaks(cell))
        return STATUS_OK;
    panel->bound = panel->bound || !quadratic(cell);
    if (has_mean_square(cell) && !finder->hopeless) {
        struct error failure;
        const enum status status = mean_square(finder, method, limit, &failure);
        if (status == STATUS_OK) {
            panel->limit = method == MAP_GRADIENT ? MAP_MEAN_SQUARE : MAP_MOMENTUM_SQUARE;
            panel->subset = strcmp(cell->columns.sampling, "subset") == 0;
            return STATUS_OK;
        }
        const enum status noted = note(finder, status, &failure, error);
        if (noted != STATUS_OK)
            return noted;
    }
    *limit = full_batch(method, cell->columns.momentum, cell->reference.smoothness);
    return STATUS_OK;
}

/* Does any row's limit lie on the rate's axis? */
static bool in_sight(const struct map_panel *panel, const struct map_axis *rate, size_t rows)
{
    for (size_t i = 0; i < rows; i++) {
        const double place = map_axis_place(rate, panel->limit_at[i]);
        if (place >= rate->edge[0] && place <= rate->edge[rate->count])
            return true;
    }
    return false;
}

static enum status panel_limits(struct figure_map *map, struct limit_finder *finder, size_t number, size_t rate,
                                struct error *error)
{
    struct map_panel *panel = &map->panel[number];
    const size_t rows = panel->axis[1 - rate].count;
    enum status status = STATUS_OK;
    panel->limit_at = malloc(rows * sizeof *panel->limit_at);
    if (!panel->limit_at)
        return error_memory(error, rows * sizeof *panel->limit_at, "a limit");
    for (size_t i = 0; i < rows; i++)
        panel->limit_at[i] = NAN;
    panel->limit = limit_of(panel->words.columns.update);
    for (size_t i = 0; i < map->cells && status == STATUS_OK && panel->limit != MAP_NO_LIMIT; i++) {
        const struct map_cell *cell = &map->cell[i];
        double *limit = &panel->limit_at[rate == 0 ? cell->y : cell->x];
        bool found;
        if (cell->panel != number || !isnan(*limit))
            continue;
        status = store_read_cell(finder->request->store, finder->request->experiment->id, cell->cell->position,
                                 &finder->cell, &found, error);
        if (status == STATUS_OK && found)
            status = find_limit(finder, panel, limit, error);
    }
    if (status == STATUS_OK && !in_sight(panel, &panel->axis[rate], rows)) {
        free(panel->limit_at);
        panel->limit_at = NULL;
        panel->limit = MAP_NO_LIMIT;
    }
    return status;
}

enum status map_limits(struct figure_map *map, const struct figure_request *request, struct error *error)
{
    const size_t rate = map->word[0] == MAP_RATE ? 0 : 1;
    struct limit_finder finder = {.request = request, .note = map->note};
    enum status status = STATUS_OK;
    if (map->word[rate] != MAP_RATE)
        return STATUS_OK;
    for (size_t p = 0; p < map->panels && status == STATUS_OK; p++)
        status = panel_limits(map, &finder, p, rate, error);
    oracle_close(finder.oracle);
    sweep_close(finder.sweep);
    stored_cell_free(&finder.cell);
    return status;
}
