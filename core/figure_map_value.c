/* The values of a map: medians over the runs, read from the store, and what is seen of them: states and the best. */
#include <gsl/gsl_sort.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "export_internal.h"
#include "figure_map.h"

/* Which metrics have a best value. */
static const enum metric small_is_best[] = {METRIC_LOSS,      METRIC_GAP,       METRIC_GRAD_NORM2,
                                            METRIC_DISTANCE2, METRIC_TEST_LOSS, METRIC_MEAN_GAP};
static const enum metric large_is_best[] = {METRIC_TEST_ACCURACY, METRIC_ACCURACY};

/* The medians of one cell, from the store. */
struct cell_reader {
    const struct figure_request *request;
    int64_t mark;
    struct stored_cell cell;
    struct stored_run run;
    double *first, *last; /* [replicates] */
};

static enum status read_runs(struct cell_reader *reader, enum metric metric, struct map_cell *out, struct error *error)
{
    const struct stored_experiment *experiment = reader->request->experiment;
    const struct stored_run *run = &reader->run;
    size_t count = 0, known = 0;
    for (uint64_t next = 0; count < experiment->replicates; next = run->replicate + 1) {
        bool found;
        enum status status = store_read_run(reader->request->store, reader->mark, reader->cell.id, experiment->seed,
                                            next, &reader->run, &found, error);
        if (status != STATUS_OK)
            return status;
        if (!found || run->replicate >= experiment->replicates)
            break;
        const double *curve = run->metric[metric];
        const bool whole = run->points == reader->cell.points;
        out->diverged += !whole;
        known += curve != NULL;
        const double first = curve && run->points ? curve[0] : (double)INFINITY,
                     last = curve && whole ? curve[run->points - 1] : (double)INFINITY;
        reader->first[count] = isfinite(first) ? first : (double)INFINITY;
        reader->last[count++] = isfinite(last) ? last : (double)INFINITY;
    }
    out->runs = count;
    out->drawn = known > 0 || (count > 0 && out->diverged == count);
    if (count == 0)
        return STATUS_OK;
    gsl_sort(reader->first, 1, count);
    gsl_sort(reader->last, 1, count);
    out->first = export_quantile(reader->first, count, 0.5);
    out->last = export_quantile(reader->last, count, 0.5);
    return STATUS_OK;
}

/* Means, as in summary.csv only where no chain has left. */
static enum status read_moments(struct cell_reader *reader, enum metric metric, struct map_cell *out,
                                struct error *error)
{
    const struct stored_experiment *experiment = reader->request->experiment;
    struct stored_moments all;
    struct moments first = {0}, last = {0};
    enum status status = store_read_moments(reader->request->store, reader->mark, reader->cell.id, experiment->seed,
                                            experiment->replicates, &all, error);
    if (status != STATUS_OK)
        return status;
    for (size_t g = 0; g < all.groups && all.metric[metric]; g++) {
        moments_merge(&first, &all.metric[metric][g * all.points]);
        moments_merge(&last, &all.metric[metric][(g + 1) * all.points - 1]);
    }
    out->runs = all.chains;
    out->diverged = all.diverged;
    out->drawn = all.groups > 0 && all.metric[metric];
    out->first = first.count ? first.mean : (double)INFINITY;
    out->last = last.count == all.chains && isfinite(last.mean) ? last.mean : (double)INFINITY;
    stored_moments_free(&all);
    return STATUS_OK;
}

/* Cells of several panels are read once. */
static enum status read_cell(struct cell_reader *reader, struct figure_map *map, size_t index, struct error *error)
{
    struct map_cell *out = &map->cell[index];
    bool found;
    for (size_t i = 0; i < index; i++)
        if (map->cell[i].cell == out->cell) {
            const struct map_cell at = *out;
            *out = map->cell[i];
            out->panel = at.panel;
            out->x = at.x;
            out->y = at.y;
            return STATUS_OK;
        }
    enum status status = store_read_cell(reader->request->store, reader->request->experiment->id, out->cell->position,
                                         &reader->cell, &found, error);
    if (status != STATUS_OK || !found || reader->cell.points == 0)
        return status;
    out->epochs = (double)reader->cell.samples[reader->cell.points - 1] / (double)out->cell->columns.n;
    return out->cell->moments ? read_moments(reader, map->metric, out, error)
                              : read_runs(reader, map->metric, out, error);
}

static enum status read_values(struct figure_map *map, const struct figure_request *request, struct error *error)
{
    struct cell_reader reader = {.request = request};
    const size_t replicates = (size_t)request->experiment->replicates;
    reader.first = malloc(2 * replicates * sizeof *reader.first);
    if (!reader.first)
        return error_memory(error, 2 * replicates * sizeof *reader.first, "the values of a cell");
    reader.last = reader.first + replicates;
    enum status status = store_mark(request->store, &reader.mark, error);
    for (size_t i = 0; i < map->cells && status == STATUS_OK; i++)
        status = read_cell(&reader, map, i, error);
    stored_cell_free(&reader.cell);
    stored_run_free(&reader.run);
    free(reader.first);
    return status;
}

/* ---- what is seen of them ---- */

/* A gap below the certificate of f* means nothing, and a logarithm wants something above 0. */
static void raise_to_floor(struct figure_map *map)
{
    double least = INFINITY;
    for (size_t i = 0; i < map->cells; i++) {
        struct map_cell *cell = &map->cell[i];
        if (map->metric == METRIC_GAP && cell->drawn && cell->cell->has_optimum)
            cell->last = fmax(cell->last, cell->cell->certificate);
        if (cell->drawn && cell->last > 0)
            least = fmin(least, cell->last);
    }
    for (size_t i = 0; i < map->cells && map->log; i++)
        map->cell[i].last = fmax(map->cell[i].last, least);
}

static void find_states(struct figure_map *map)
{
    for (size_t p = 0; p < map->panels; p++) {
        map->panel[p].low = INFINITY;
        map->panel[p].high = -INFINITY;
    }
    for (size_t i = 0; i < map->cells; i++) {
        struct map_cell *cell = &map->cell[i];
        struct map_panel *panel = &map->panel[cell->panel];
        if (!cell->drawn)
            continue;
        cell->state = !isfinite(cell->last)                                                               ? MAP_LEFT
                      : map->log && map->minimum && cell->first > 0 && cell->last > MAP_FAR * cell->first ? MAP_ABOVE
                                                                                                          : MAP_FINITE;
        if (cell->state != MAP_FINITE)
            continue;
        panel->low = fmin(panel->low, cell->last);
        panel->high = fmax(panel->high, cell->last);
    }
}

static bool better(const struct figure_map *map, const struct map_cell *a, const struct map_cell *b)
{
    return !b || (map->minimum ? a->last < b->last : a->last > b->last);
}

/* The best of those that `beside` has in common with it: the panel, or the panel and the line of one rate axis. */
static void mark_best(struct figure_map *map)
{
    const int rate = map->word[0] == MAP_RATE ? 0 : map->word[1] == MAP_RATE ? 1 : -1;
    for (size_t i = 0; i < map->cells && (map->minimum || map->maximum); i++) {
        struct map_cell *cell = &map->cell[i];
        if (!cell->drawn || cell->state != MAP_FINITE)
            continue;
        cell->best = cell->best_rate = true;
        for (size_t j = 0; j < map->cells; j++) {
            const struct map_cell *other = &map->cell[j];
            if (j == i || other->panel != cell->panel || !other->drawn || other->state != MAP_FINITE)
                continue;
            /* Of equal ones the first is marked. */
            const bool beaten = better(map, other, cell) || (j < i && other->last == cell->last);
            cell->best = cell->best && !beaten;
            if (rate == 0 ? other->y == cell->y : other->x == cell->x)
                cell->best_rate = cell->best_rate && !beaten;
        }
        cell->best_rate = cell->best_rate && !cell->best && rate >= 0;
    }
}

static bool one_problem(const struct figure_map *map)
{
    for (size_t p = 1; p < map->panels; p++) {
        const struct cell_columns *a = &map->panel[0].words.columns, *b = &map->panel[p].words.columns;
        if (strcmp(a->problem, b->problem) != 0 || strcmp(a->data, b->data) != 0)
            return false;
    }
    return true;
}

static int compare_cells(const void *left, const void *right)
{
    const struct map_cell *a = left, *b = right;
    if (a->panel != b->panel)
        return a->panel < b->panel ? -1 : 1;
    if (a->y != b->y)
        return a->y < b->y ? -1 : 1;
    return (a->x > b->x) - (a->x < b->x);
}

enum status map_values(struct figure_map *map, const struct figure_request *request, struct error *error)
{
    for (size_t i = 0; i < sizeof small_is_best / sizeof *small_is_best; i++)
        map->minimum = map->minimum || small_is_best[i] == map->metric;
    for (size_t i = 0; i < sizeof large_is_best / sizeof *large_is_best; i++)
        map->maximum = map->maximum || large_is_best[i] == map->metric;
    map->log = metric_info[map->metric].log_axis;
    enum status status = read_values(map, request, error);
    if (status != STATUS_OK)
        return status;
    raise_to_floor(map);
    qsort(map->cell, map->cells, sizeof *map->cell, compare_cells);
    find_states(map);
    mark_best(map);
    map->one_problem = one_problem(map);
    return STATUS_OK;
}
