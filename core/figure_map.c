/* The figure map: sorts cells into panels with two axes, and these into pages. */
#include "figure_map.h"

#include <gsl/gsl_sort.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "registry.h"

enum { PANELS_PER_COLUMN = 3 };

const struct map_word map_word[MAP_AXES] = {
    [MAP_RATE] = {"rate", "learning rate η", TRAIT_RATE},
    [MAP_BATCH] = {"batch_size", "batch size m", TRAIT_BATCH},
    [MAP_MOMENTUM] = {"momentum", "momentum β", TRAIT_UPDATE},
    [MAP_L2] = {"l2", "l2", TRAIT_L2},
};

double map_number(const struct cell_columns *columns, size_t word)
{
    switch (word) {
    case MAP_RATE:
        return columns->rate;
    case MAP_BATCH:
        return (double)columns->batch_size;
    case MAP_MOMENTUM:
        return columns->momentum;
    default:
        return columns->l2;
    }
}

enum status figure_map_find_axis(const char *said, size_t *word, struct error *error)
{
    const char *names[MAP_AXES];
    for (size_t i = 0; i < MAP_AXES; i++) {
        names[i] = map_word[i].said;
        if (strcmp(names[i], said) == 0) {
            *word = i;
            return STATUS_OK;
        }
    }
    return name_unknown(error, "axis of a map", said, names, MAP_AXES);
}

/* ---- axes ---- */

/* Largest over smallest distance of neighbours: 1 where they are evenly spaced. INFINITY for logarithms of 0. */
static double unevenness(const struct map_axis *axis, bool logarithmic)
{
    double least = INFINITY, most = 0;
    if (logarithmic && axis->value[0] <= 0)
        return INFINITY;
    for (size_t i = 0; i + 1 < axis->count; i++) {
        const double a = axis->value[i], b = axis->value[i + 1], gap = logarithmic ? log(b / a) : b - a;
        least = fmin(least, gap);
        most = fmax(most, gap);
    }
    return most / least;
}

static enum map_spacing spacing_of(const struct map_axis *axis)
{
    static const double most = 6, wide = 4; /* tolerable; a ratio of which two values ask for logarithms */
    if (axis->count < 3)
        return axis->value[0] > 0 && axis->value[axis->count - 1] >= wide * axis->value[0] ? MAP_LOG : MAP_LINEAR;
    const double even = unevenness(axis, false), logarithmic = unevenness(axis, true);
    if (fmin(even, logarithmic) > most)
        return MAP_ORDINAL;
    return logarithmic < even ? MAP_LOG : MAP_LINEAR;
}

enum status map_axis_make(struct map_axis *axis, struct error *error)
{
    size_t count = 0;
    gsl_sort(axis->value, 1, axis->count);
    for (size_t i = 0; i < axis->count; i++)
        if (count == 0 || axis->value[i] > axis->value[count - 1])
            axis->value[count++] = axis->value[i];
    axis->count = count;
    axis->spacing = spacing_of(axis);
    axis->edge = malloc((count + 1) * sizeof *axis->edge);
    if (!axis->edge)
        return error_memory(error, (count + 1) * sizeof *axis->edge, "the axis of a figure");
    const bool logarithmic = axis->spacing == MAP_LOG;
    for (size_t i = 0; i <= count; i++) {
        if (axis->spacing == MAP_ORDINAL || count == 1) {
            const double middle = axis->spacing == MAP_ORDINAL ? (double)i : axis->value[0];
            const double half = axis->spacing == MAP_ORDINAL ? 0.5 : axis->value[0] != 0 ? 0.5 * middle : 0.5;
            axis->edge[i] = axis->spacing == MAP_ORDINAL ? middle - half : middle + (i ? half : -half);
            continue;
        }
        /* Halfway between neighbours; at the ends as far beyond the value as the other edge is before it. */
        const size_t at = i == 0 ? 0 : i == count ? count - 2 : i - 1;
        const double a = axis->value[at], b = axis->value[at + 1];
        const double share = i == 0 ? -0.5 : i == count ? 1.5 : 0.5;
        axis->edge[i] = logarithmic ? a * pow(b / a, share) : a + share * (b - a);
    }
    return STATUS_OK;
}

double map_axis_place(const struct map_axis *axis, double value)
{
    if (axis->spacing != MAP_ORDINAL)
        return value;
    for (size_t i = 0; i < axis->count; i++) {
        if (value == axis->value[i])
            return (double)i;
        if (i + 1 < axis->count && value > axis->value[i] && value < axis->value[i + 1])
            return (double)i + (value - axis->value[i]) / (axis->value[i + 1] - axis->value[i]);
    }
    return NAN;
}

static size_t axis_index(const struct map_axis *axis, double value)
{
    size_t i = 0;
    while (i + 1 < axis->count && axis->value[i] != value)
        i++;
    return i;
}

/* ---- panels ---- */

/* The words of a cell, those of an axis aside. */
typedef char cell_words[TRAIT_COUNT][LABEL_MAX];

struct arrangement {
    struct figure_map *map;
    const struct figure_request *request;
    cell_words *words; /* of each of the request's cells */
    size_t *leader;    /* of each panel: the cell that made it */
    bool varies[TRAIT_COUNT];
};

static bool on_axis(const struct figure_map *map, size_t word)
{
    return map->word[0] == word || map->word[1] == word;
}

static bool silent(const struct figure_map *map, int trait)
{
    for (size_t w = 0; w < MAP_AXES; w++)
        if (on_axis(map, w) && (int)map_word[w].trait == trait)
            return true;
    return false;
}

/* Momentum 0 is every method's lowest row, a full batch every sampler's highest. */
static bool joins(const struct figure_map *map, const struct figure_cell *cell, int trait)
{
    return (trait == TRAIT_UPDATE && on_axis(map, MAP_MOMENTUM) && strcmp(cell->columns.update, "sgd") == 0) ||
           (trait == TRAIT_SAMPLING && on_axis(map, MAP_BATCH) && strcmp(cell->columns.sampling, "full") == 0);
}

static bool joins_others(const struct figure_map *map, const struct figure_cell *cell)
{
    return joins(map, cell, TRAIT_UPDATE) || joins(map, cell, TRAIT_SAMPLING);
}

static void find_words(const struct figure_map *map, const struct figure_cell *cell, cell_words *words)
{
    struct figure_cell whole = *cell;
    whole.one_batch = false;
    if (on_axis(map, MAP_MOMENTUM))
        whole.columns.momentum = 0; /* the method's name alone */
    for (int t = 0; t < TRAIT_COUNT; t++) {
        (*words)[t][0] = '\0';
        if (!silent(map, t) || t == TRAIT_UPDATE)
            trait_text(&whole, (enum trait)t, (*words)[t]);
    }
}

static bool same_panel(const struct arrangement *a, size_t cell, size_t leader)
{
    for (int t = 0; t < TRAIT_COUNT; t++)
        if (strcmp(a->words[cell][t], a->words[leader][t]) != 0 && !joins(a->map, &a->request->cell[cell], t))
            return false;
    return true;
}

/* Adds the cell to a panel. *twin: there is another one at its place. */
static void add_cell(const struct arrangement *a, size_t number, size_t panel, const struct figure_cell **twin)
{
    struct figure_map *map = a->map;
    const struct figure_cell *cell = &a->request->cell[number];
    *twin = NULL;
    for (size_t i = 0; i < map->cells && !*twin; i++) {
        const struct cell_columns *other = &map->cell[i].cell->columns;
        if (map->cell[i].panel == panel &&
            map_number(other, map->word[0]) == map_number(&cell->columns, map->word[0]) &&
            map_number(other, map->word[1]) == map_number(&cell->columns, map->word[1]))
            *twin = map->cell[i].cell;
    }
    if (!*twin)
        map->cell[map->cells++] = (struct map_cell){.cell = cell, .panel = panel};
}

static size_t new_panel(struct arrangement *a, size_t leader)
{
    struct map_panel *panel = &a->map->panel[a->map->panels];
    panel->words = a->request->cell[leader];
    panel->words.one_batch = false;
    if (on_axis(a->map, MAP_MOMENTUM))
        panel->words.columns.momentum = 0;
    a->leader[a->map->panels] = leader;
    return a->map->panels++;
}

/* First the cells of one panel each, then those that join others. False, with the reason: two cells have one place. */
static bool fill_panels(struct arrangement *a, char reason[160])
{
    struct figure_map *map = a->map;
    const struct figure_cell *twin;
    for (int joining = 0; joining < 2; joining++)
        for (size_t i = 0; i < a->request->cells; i++) {
            const struct figure_cell *cell = &a->request->cell[i];
            bool placed = false;
            if (joins_others(map, cell) != (bool)joining)
                continue;
            for (size_t p = 0; p < map->panels; p++) {
                if ((placed && !joining) || !same_panel(a, i, a->leader[p]))
                    continue;
                add_cell(a, i, p, &twin);
                placed = true;
                if (!joining && twin && twin->id != cell->id) {
                    snprintf(reason, 160,
                             "cells %llu and %llu have one place: they differ in a setting that has no panels",
                             (unsigned long long)twin->position, (unsigned long long)cell->position);
                    return false;
                }
            }
            if (!placed)
                add_cell(a, i, new_panel(a, i), &twin);
        }
    return true;
}

static enum status make_axes(struct figure_map *map, struct error *error)
{
    for (size_t p = 0; p < map->panels; p++)
        for (size_t k = 0; k < 2; k++) {
            struct map_axis *axis = &map->panel[p].axis[k];
            axis->value = malloc(map->cells * sizeof *axis->value);
            if (!axis->value)
                return error_memory(error, map->cells * sizeof *axis->value, "the axis of a figure");
            for (size_t i = 0; i < map->cells; i++)
                if (map->cell[i].panel == p)
                    axis->value[axis->count++] = map_number(&map->cell[i].cell->columns, map->word[k]);
            enum status status = map_axis_make(axis, error);
            if (status != STATUS_OK)
                return status;
        }
    for (size_t i = 0; i < map->cells; i++) {
        struct map_cell *cell = &map->cell[i];
        cell->x = axis_index(&map->panel[cell->panel].axis[0], map_number(&cell->cell->columns, map->word[0]));
        cell->y = axis_index(&map->panel[cell->panel].axis[1], map_number(&cell->cell->columns, map->word[1]));
    }
    return STATUS_OK;
}

/* How many values the number has among the cells. */
static size_t axis_values(const struct figure_request *request, size_t word)
{
    size_t count = 0;
    for (size_t i = 0; i < request->cells; i++) {
        bool first = true;
        for (size_t j = 0; j < i && first; j++)
            first = map_number(&request->cell[j].columns, word) != map_number(&request->cell[i].columns, word);
        count += first;
    }
    return count;
}

static enum status arrange(struct arrangement *a, char reason[160], struct error *error)
{
    const size_t cells = a->request->cells;
    struct figure_map *map = a->map;
    a->words = malloc(cells * sizeof *a->words);
    a->leader = malloc(cells * sizeof *a->leader);
    map->panel = calloc(cells, sizeof *map->panel);
    if (!a->words || !a->leader || !map->panel)
        return error_memory(error, cells * sizeof *a->words, "the panels of a figure");
    size_t joining = 0;
    for (size_t i = 0; i < cells; i++) {
        find_words(map, &a->request->cell[i], &a->words[i]);
        joining += joins_others(map, &a->request->cell[i]);
    }
    /* A cell that joins others may be in all their panels. */
    const size_t most = cells + joining * (cells - joining);
    map->cell = calloc(most ? most : 1, sizeof *map->cell);
    if (!map->cell)
        return error_memory(error, most * sizeof *map->cell, "the cells of a figure");
    if (!fill_panels(a, reason))
        return STATUS_OK;
    for (int t = 0; t < TRAIT_COUNT; t++)
        for (size_t p = 1; p < map->panels; p++)
            a->varies[t] = a->varies[t] || strcmp(a->words[a->leader[p]][t], a->words[a->leader[0]][t]) != 0;
    return make_axes(map, error);
}

/* ---- figures ---- */

static void free_map(struct figure_map *map)
{
    for (size_t p = 0; p < map->panels; p++) {
        free(map->panel[p].limit_at);
        for (size_t k = 0; k < 2; k++) {
            free(map->panel[p].axis[k].value);
            free(map->panel[p].axis[k].edge);
        }
    }
    free(map->panel);
    free(map->cell);
}

static enum status draw_pages(struct arrangement *a, struct error *error)
{
    const struct figure_request *request = a->request;
    struct figure_map *map = a->map;
    char stem[64];
    struct figure page = {
        .experiment = request->experiment->name,
        .question = request->experiment->question,
        .type = "map",
        .metric = metric_info[map->metric].name,
        .x = map_word[map->word[0]].said,
        .replicates = request->experiment->replicates,
        .size = request->options->size,
        .cell = request->cell,
        .cells = request->cells,
        .map = map,
    };
    for (int t = 0; t < TRAIT_COUNT; t++) {
        /* The method is not said by the momentum: it is always above the panel. */
        page.varies[t] = a->varies[t] || (t == TRAIT_UPDATE && on_axis(map, MAP_MOMENTUM));
        page.facet[t] = page.varies[t];
        page.silent[t] = silent(map, t);
    }
    snprintf(stem, sizeof stem, "map_%s_%s_%s", page.metric, page.x, map_word[map->word[1]].said);
    enum status status = STATUS_OK;
    const size_t most = page.size == FIGURE_COLUMN ? PANELS_PER_COLUMN : PANELS_PER_FIGURE,
                 pages = (map->panels + most - 1) / most, each = (map->panels + pages - 1) / pages;
    for (map->first = 0; map->first < map->panels && status == STATUS_OK; map->first += each) {
        const size_t left = map->panels - map->first;
        map->count = left < each ? left : each;
        page.panels = map->count;
        figure_set_name(&page, stem, "", map->first / each);
        status = map_write_cells(map, request->folder, page.name, error);
        if (status == STATUS_OK)
            status = map_write_limits(map, request->folder, page.name, error);
        if (status == STATUS_OK)
            status = figure_write(request->folder, &page, script_map, request->options, error);
    }
    return status;
}

static enum status draw_one(const struct figure_request *request, size_t x, size_t y, enum metric metric,
                            struct error *error)
{
    struct figure_map map = {.word = {x, y}, .metric = metric};
    struct arrangement a = {.map = &map, .request = request};
    char reason[160] = "";
    enum status status = STATUS_OK;
    for (size_t k = 0; k < 2 && !*reason; k++)
        if (axis_values(request, map.word[k]) < 2)
            snprintf(reason, sizeof reason, "a map over %s and %s needs several values of both; %s has one",
                     map_word[x].said, map_word[y].said, map_word[map.word[k]].said);
    if (!*reason)
        status = arrange(&a, reason, error);
    if (status == STATUS_OK && !*reason) {
        status = map_values(&map, request, error);
        if (status == STATUS_OK)
            status = map_limits(&map, request, error);
        if (status == STATUS_OK)
            status = draw_pages(&a, error);
    }
    if (status == STATUS_OK && *reason)
        request->options->told(request->options->context, "map", reason);
    free(a.words);
    free(a.leader);
    free_map(&map);
    return status;
}

enum status figure_map_draw(const struct figure_request *request, const char *x, const char *const *y, size_t ys,
                            const char *metric, struct error *error)
{
    size_t abscissa = MAP_RATE, ordinate = MAP_RATE;
    int number = 0;
    while (strcmp(metric_info[number].name, metric) != 0)
        number++;
    enum status status = figure_map_find_axis(x, &abscissa, error);
    if (status != STATUS_OK)
        return status;
    if (ys == 0) { /* what has most values */
        size_t most = 0;
        for (size_t word = 0; word < MAP_AXES; word++) {
            const size_t values = word == abscissa ? 0 : axis_values(request, word);
            ordinate = values > most ? word : ordinate;
            most = values > most ? values : most;
        }
        return draw_one(request, abscissa, ordinate, (enum metric)number, error);
    }
    for (size_t i = 0; i < ys && status == STATUS_OK; i++) {
        status = figure_map_find_axis(y[i], &ordinate, error);
        if (status == STATUS_OK)
            status = draw_one(request, abscissa, ordinate, (enum metric)number, error);
    }
    return status;
}
