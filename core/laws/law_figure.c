/* A law's figure as data, and its files: the text table and the script beside it. */
#include "laws/law_figure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "figure_internal.h"
#include "json.h"
#include "laws/law_figure_internal.h"
#include "text_table.h"

enum { STEM_MAX = 56 };

/* Room for one more after count elements: capacities are the powers of two. */
static void *grown(void *list, size_t count, size_t size)
{
    if (count & (count - 1))
        return list;
    return realloc(list, (count ? 2 * count : 1) * size);
}

void figure_clean(char *out, size_t size, const char *text)
{
    size_t used = 0;
    for (size_t length = 1; *text; text += length) {
        length = utf8_length((const unsigned char *)text);
        if (used + (length ? length : 1) >= size)
            break;
        if (length == 0) {
            out[used++] = '?';
            length = 1;
        } else if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            out[used++] = ' ';
        } else {
            memcpy(out + used, text, length);
            used += length;
        }
    }
    out[used] = '\0';
}

struct panel *law_figure_panel(struct law_figure *figure, const char *title, const char *x_label, const char *y_label)
{
    struct panel *panel = grown(figure->panel, figure->count, sizeof *panel);
    if (!panel)
        return NULL;
    figure->panel = panel;
    panel += figure->count++;
    *panel = (struct panel){.x_min = NAN, .x_max = NAN, .y_min = NAN, .y_max = NAN};
    snprintf(panel->title, sizeof panel->title, "%s", title);
    snprintf(panel->x_label, sizeof panel->x_label, "%s", x_label);
    snprintf(panel->y_label, sizeof panel->y_label, "%s", y_label);
    return panel;
}

static void series_free(struct series *series)
{
    free(series->x); /* one allocation, the other arrays behind it */
}

enum status panel_series(struct panel *panel, enum series_kind kind, const char *label, size_t count, const double *x,
                         const double *y, const double *low, const double *high, struct error *error)
{
    const bool lacks_y = kind == SERIES_BAND ? !low && !high : kind != SERIES_VERTICAL && !y;
    if (count > 0 && (!x || lacks_y))
        return error_set(error, STATUS_USAGE, "series '%s' of the panel '%s' lacks %s", label, panel->title,
                         x ? "values" : "x");
    struct series *series = grown(panel->series, panel->count, sizeof *series);
    if (!series)
        return error_memory(error, 2 * panel->count * sizeof *series, "the series of a figure");
    panel->series = series;
    series += panel->count;
    *series = (struct series){.kind = kind, .count = count, .colour = -1};
    figure_clean(series->label, sizeof series->label, label);
    const double *const from[] = {x, y, low, high};
    double **const to[] = {&series->x, &series->y, &series->low, &series->high};
    const size_t bytes = 4 * count * sizeof(double);
    double *value = malloc(bytes ? bytes : 1);
    if (!value)
        return error_memory(error, bytes, "the values of a series");
    series->x = value;
    for (size_t i = 0; i < 4 && count > 0; i++)
        if (from[i]) {
            *to[i] = value + i * count;
            memcpy(*to[i], from[i], count * sizeof *value);
        }
    panel->count++;
    return STATUS_OK;
}

void law_figure_free(struct law_figure *figure)
{
    for (size_t p = 0; p < figure->count; p++) {
        for (size_t s = 0; s < figure->panel[p].count; s++)
            series_free(&figure->panel[p].series[s]);
        free(figure->panel[p].series);
    }
    free(figure->panel);
    *figure = (struct law_figure){0};
}

/* ---- files ---- */

/* gnuplot has no infinities: what is not finite is a gap. */
static void put_value(struct text_table *table, const double *value, size_t i)
{
    table_real_or_blank(table, value && isfinite(value[i]) ? value[i] : NAN);
}

/* The label is last: gnuplot does not know doubled quotes, and columns after one would move. */
static enum status write_table(const struct law_figure *figure, const struct output_folder *folder, const char *name,
                               struct error *error)
{
    static const char *const kinds[] = {"points", "measured", "theory", "band", "steps", "vertical"};
    static const char *const columns[] = {"panel", "series", "kind", "x", "y", "low", "high", "label"};
    struct text_table table = {0};
    enum status status = output_file_open(folder, name, &table.file, error);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        table_text(&table, columns[i]);
    table_end(&table);
    for (size_t p = 0; p < figure->count; p++)
        for (size_t s = 0; s < figure->panel[p].count; s++) {
            const struct series *series = &figure->panel[p].series[s];
            for (size_t i = 0; i < series->count; i++) {
                table_count(&table, p);
                table_count(&table, s);
                table_text(&table, kinds[series->kind]);
                put_value(&table, series->x, i);
                put_value(&table, series->y, i);
                put_value(&table, series->low, i);
                put_value(&table, series->high, i);
                table_text(&table, series->label);
                table_end(&table);
            }
        }
    return output_file_keep(&table.file, error);
}

static enum status write_script(const struct law_figure *figure, const struct output_folder *folder, const char *stem,
                                const char *name, struct error *error)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (!out)
        return error_memory(error, 4096, "a figure");
    enum status status = law_figure_script(out, figure, stem, error);
    if (fclose(out) != 0 && status == STATUS_OK)
        status = error_memory(error, length, "a figure");
    if (status == STATUS_OK)
        status = figure_write_text(folder, name, text, length, error);
    free(text);
    return status;
}

enum status law_figure_write(const struct law_figure *figure, const char *dir, const char *stem, struct error *error)
{
    char name[STEM_MAX + 8];
    struct output_folder folder;
    const size_t length = strlen(stem);
    if (length == 0 || length > STEM_MAX ||
        strspn(stem, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != length || *stem == '-')
        return error_set(error, STATUS_USAGE,
                         "'%s' is no name for a figure: letters, digits, _ and -, at most %d of them", stem, STEM_MAX);
    if (figure->count == 0)
        return error_set(error, STATUS_USAGE, "the figure %s has no panels", stem);
    enum status status = output_folder_open(dir, NULL, &folder, error);
    if (status != STATUS_OK)
        return status;
    snprintf(name, sizeof name, "%s.csv", stem);
    status = write_table(figure, &folder, name, error);
    snprintf(name, sizeof name, "%s.gp", stem);
    if (status == STATUS_OK)
        status = write_script(figure, &folder, stem, name, error);
    output_folder_close(&folder);
    return status;
}
