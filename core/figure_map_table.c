/* The tables of a map, beside its script: a row for each cell, and the points of the limits. */
#include <math.h>

#include "figure_map.h"
#include "text_table.h"

static void put_header(struct text_table *table, const char *const *column, size_t count)
{
    for (size_t i = 0; i < count; i++)
        table_text(table, column[i]);
    table_end(table);
}

static void put_cell(struct text_table *table, const struct figure_map *map, const struct map_cell *cell)
{
    static const char *const states[] = {"finite", "above", "left"};
    const struct map_panel *panel = &map->panel[cell->panel];
    const struct map_axis *x = &panel->axis[0], *y = &panel->axis[1];
    const double low = y->edge[cell->y], high = y->edge[cell->y + 1],
                 share = cell->state == MAP_LEFT ? 1 : (double)cell->diverged / (double)cell->runs;
    table_count(table, cell->panel);
    table_count(table, cell->cell->position);
    table_real(table, x->value[cell->x]);
    table_real(table, y->value[cell->y]);
    table_count(table, cell->runs);
    table_count(table, cell->diverged);
    table_real_or_blank(table, isfinite(cell->last) ? cell->last : (double)NAN);
    table_text(table, states[cell->state]);
    table_text(table, cell->best ? "panel" : cell->best_rate ? "rate" : "no");
    table_real(table, map_axis_place(x, x->value[cell->x]));
    table_real(table, map_axis_place(y, y->value[cell->y]));
    table_real(table, x->edge[cell->x]);
    table_real(table, x->edge[cell->x + 1]);
    table_real(table, low);
    table_real(table, high);
    table_real(table, y->spacing == MAP_LOG ? low * pow(high / low, share) : low + share * (high - low));
    table_end(table);
}

enum status map_write_cells(const struct figure_map *map, const struct output_folder *folder, const char *stem,
                            struct error *error)
{
    static const char *const columns[] = {"panel",  "cell",   "x",    "y",          "runs", "diverged",
                                          "median", "state",  "best", "at_x",       "at_y", "left",
                                          "right",  "bottom", "top",  "diverged_to"};
    char name[128];
    struct text_table table = {0};
    snprintf(name, sizeof name, "%s.csv", stem);
    enum status status = output_file_open(folder, name, &table.file, error);
    if (status != STATUS_OK)
        return status;
    put_header(&table, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < map->cells; i++)
        if (map->cell[i].drawn && map->cell[i].panel >= map->first && map->cell[i].panel < map->first + map->count)
            put_cell(&table, map, &map->cell[i]);
    return output_file_keep(&table.file, error);
}

/* A point at the middle of every row (or column), one at each end of the axis. */
static void put_limit(struct text_table *table, const struct figure_map *map, size_t number)
{
    const struct map_panel *panel = &map->panel[number];
    const size_t rate = map->word[0] == MAP_RATE ? 0 : 1, other = 1 - rate;
    const struct map_axis *along = &panel->axis[other];
    for (size_t i = 0; i < along->count + 2; i++) {
        const size_t row = i == 0 ? 0 : i > along->count ? along->count - 1 : i - 1;
        const double place = i == 0             ? along->edge[0]
                             : i > along->count ? along->edge[along->count]
                                                : map_axis_place(along, along->value[row]);
        const double limit = map_axis_place(&panel->axis[rate], panel->limit_at[row]);
        if (!isfinite(limit))
            continue;
        table_count(table, number);
        table_real(table, along->value[row]);
        table_real(table, panel->limit_at[row]);
        table_real(table, rate == 0 ? limit : place);
        table_real(table, rate == 0 ? place : limit);
        table_end(table);
    }
}

enum status map_write_limits(const struct figure_map *map, struct output_folder *folder, const char *stem,
                             struct error *error)
{
    static const char *const columns[] = {"panel", "at", "limit", "at_x", "at_y"};
    char name[128];
    struct text_table table = {0};
    bool any = false;
    snprintf(name, sizeof name, "%s-limit.csv", stem);
    for (size_t p = map->first; p < map->first + map->count; p++)
        any = any || map->panel[p].limit_at;
    if (!any) {
        output_folder_remove(folder, name);
        return STATUS_OK;
    }
    enum status status = output_file_open(folder, name, &table.file, error);
    if (status != STATUS_OK)
        return status;
    put_header(&table, columns, sizeof columns / sizeof *columns);
    for (size_t p = map->first; p < map->first + map->count; p++)
        if (map->panel[p].limit_at)
            put_limit(&table, map, p);
    return output_file_keep(&table.file, error);
}
