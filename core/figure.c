/* Which figures an experiment gets: reads the plan from the store, sorts cells into panels and curves, writes scripts,
 * runs gnuplot. */
#include "figure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "figure_internal.h"
#include "yaml_tree.h"

enum { CURVES_WANTED = 9, CELLS_MAX = 4000 };

const char *const figure_formats[FIGURE_FORMATS + 1] = {"svg", "pdf", "png", "tex", "dumb", NULL};

const struct figure_guide figure_guide[FIGURE_GUIDES] = {
    {"1/sqrt(t)", "0.5", "slope of O(1/√t)", "slope of $O(1/\\sqrt t)$"},
    {"1/t", "1", "slope of O(1/t)", "slope of $O(1/t)$"},
    {"1/t^2", "2", "slope of O(1/t²)", "slope of $O(1/t^2)$"},
};

static const char *const curve_x[] = {"step", "epoch", "samples", "train_seconds_mean", NULL};
static const char *const rate_x[] = {"rate", NULL}, *const batch_x[] = {"batch_size", NULL},
                         *const epoch_x[] = {"epoch", NULL};

const struct figure_type figure_type[FIGURE_TYPES] = {
    {"loss_vs_steps", script_curves, curve_x, 2, -1, false, false},
    {"learning_rate", script_final, rate_x, 1, TRAIT_RATE, false, false},
    {"batch_size", script_final, batch_x, 1, TRAIT_BATCH, false, false},
    {"schedule", script_schedule, epoch_x, 1, -1, false, true},
    {"variance_vs_m", script_variance, batch_x, 1, TRAIT_BATCH, true, true},
    {"map", script_map, rate_x, 1, TRAIT_RATE, false, false},
};

const struct figure_abscissa figure_abscissa[FIGURE_ABSCISSAE] = {
    {"steps", "step", "steps"},
    {"epochs", "epoch", "epochs"},
    {"samples", "samples", "sample gradients"},
    {"seconds", "train_seconds_mean", "training time (s)"},
    {"rate", "rate", "learning rate"},
    {"batch_size", "batch_size", "batch size m"},
};

const char *axis_words(const char *column)
{
    for (size_t i = 0; i < FIGURE_ABSCISSAE; i++)
        if (strcmp(figure_abscissa[i].column, column) == 0)
            return figure_abscissa[i].axis;
    for (size_t m = 0; m < METRIC_COUNT; m++)
        if (strcmp(metric_info[m].name, column) == 0)
            return metric_info[m].label;
    return column;
}

bool axis_is_log(const char *column)
{
    for (size_t m = 0; m < METRIC_COUNT; m++)
        if (strcmp(metric_info[m].name, column) == 0)
            return metric_info[m].log_axis;
    return true;
}

/* ---- cells ---- */

static enum status read_cells(struct figure_request *r, struct error *error)
{
    struct stored_cell cell = {0};
    size_t capacity = 0;
    enum status status = STATUS_OK;
    for (uint64_t position = 0;; position++) {
        bool found;
        status = store_read_cell(r->store, r->experiment->id, position, &cell, &found, error);
        if (status != STATUS_OK || !found)
            break;
        position = cell.position;
        if (r->cells == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            struct figure_cell *more = realloc(r->cell, capacity * sizeof *more);
            if (!more) {
                status = error_memory(error, capacity * sizeof *more, "the cells of a figure");
                break;
            }
            r->cell = more;
        }
        r->cell[r->cells++] = (struct figure_cell){
            .id = cell.id,
            .position = cell.position,
            .columns = cell.columns,
            .has_optimum = cell.reference.solved && cell.reference.exists,
            .certificate = cell.reference.gap,
            .moments = cell.keep == KEEP_MOMENTS,
            /* Log-spaced grids begin with steps 0, 1. */
            .linear_grid = cell.points > 2 && cell.step[1] > 1,
        };
        r->metrics |= cell.metrics;
        r->estimator = cell.kind == KIND_ESTIMATOR;
        /* In JSON a quote inside a text has a backslash before it: this is the key. */
        r->moments = r->moments || cell.keep == KEEP_MOMENTS;
        r->packed = r->packed || !strstr(cell.config, "\"timing\":\"solo\"");
    }
    stored_cell_free(&cell);
    return status;
}

/* Texts, each once, in the order of their first appearance. */
struct words {
    char (*text)[LABEL_MAX];
    size_t count;
};

/* The number of a text, which is added when it is new and there is room for `most` of them. */
static size_t word_number(struct words *words, const char *text, size_t most)
{
    size_t i = 0;
    while (i < words->count && strcmp(words->text[i], text) != 0)
        i++;
    if (i == words->count && i < most)
        snprintf(words->text[words->count++], LABEL_MAX, "%s", text);
    return i;
}

/* Different values of a trait, CURVES_MAX + 1 standing for more. */
static size_t distinct(const struct figure *f, enum trait trait)
{
    char text[LABEL_MAX], found[CURVES_MAX + 1][LABEL_MAX];
    struct words words = {.text = found};
    for (size_t i = 0; i < f->cells; i++) {
        trait_text(&f->cell[i], trait, text);
        if (text[0] || trait != TRAIT_SAMPLING) /* full batches are told by their size */
            word_number(&words, text, CURVES_MAX + 1);
    }
    return words.count;
}

/* Curves in the fullest panel. */
static enum status most_curves(const struct figure *f, size_t *most, struct error *error)
{
    bool *seen = calloc(f->panels * f->curves, sizeof *seen);
    size_t *curves = calloc(f->panels, sizeof *curves);
    *most = 0;
    for (size_t i = 0; seen && curves && i < f->cells; i++) {
        bool *here = &seen[f->cell[i].panel * f->curves + f->cell[i].curve];
        size_t now = curves[f->cell[i].panel] += !*here;
        *here = true;
        *most = now > *most ? now : *most;
    }
    enum status status = seen && curves ? STATUS_OK : error_memory(error, f->panels * f->curves, "a figure");
    free(seen);
    free(curves);
    return status;
}

/* Numbers panels and curves in the order of the cells. */
static enum status number_cells(struct figure *f, size_t *most, struct error *error)
{
    char label[LABEL_MAX];
    struct words panels = {.text = malloc(f->cells * sizeof *panels.text)};
    struct words curves = {.text = malloc(f->cells * sizeof *curves.text)};
    bool room = panels.text && curves.text;
    for (size_t i = 0; room && i < f->cells; i++) {
        panel_label(f, &f->cell[i], label);
        f->cell[i].panel = word_number(&panels, label, f->cells);
        curve_label(f, &f->cell[i], label);
        f->cell[i].curve = word_number(&curves, label, f->cells);
    }
    f->panels = panels.count;
    f->curves = curves.count;
    free(panels.text);
    free(curves.text);
    return room ? most_curves(f, most, error) : error_memory(error, 2 * f->cells * LABEL_MAX, "the words of a figure");
}

static bool constant_in_panels(const struct figure *f, enum trait trait)
{
    char text[LABEL_MAX], other[LABEL_MAX];
    for (size_t i = 0; i < f->cells; i++)
        for (size_t j = 0; j < i; j++) {
            if (f->cell[i].panel != f->cell[j].panel)
                continue;
            trait_text(&f->cell[i], trait, text);
            trait_text(&f->cell[j], trait, other);
            if (strcmp(text, other) != 0)
                return false;
            break; /* the first of the panel stands for all before */
        }
    return true;
}

/* Leaves out of the words what tells nothing: one batch size beside full batches, parameters of schedules with
 * different names. */
static void shorten(struct figure *f)
{
    size_t batch = 0;
    bool one_batch = true;
    const size_t whole = distinct(f, TRAIT_SCHEDULE);
    for (size_t i = 0; i < f->cells; i++) {
        f->cell[i].short_schedule = true;
        if (strcmp(f->cell[i].columns.sampling, "full") == 0)
            continue;
        one_batch = one_batch && (batch == 0 || batch == f->cell[i].columns.batch_size);
        batch = f->cell[i].columns.batch_size;
    }
    const bool shorter = distinct(f, TRAIT_SCHEDULE) == whole;
    for (size_t i = 0; i < f->cells; i++) {
        f->cell[i].short_schedule = shorter;
        f->cell[i].one_batch = one_batch;
    }
}

/* Problems and data have panels of their own; further traits, the ones with the fewest values first, while a panel has
 * too many curves and one more trait is left to tell them. */
static enum status arrange(struct figure *f, const struct figure_type *type, struct error *error)
{
    size_t most;
    shorten(f);
    for (int t = 0; t < TRAIT_COUNT; t++) {
        f->varies[t] = distinct(f, (enum trait)t) > 1;
        f->facet[t] = t == TRAIT_PROBLEM || t == TRAIT_DATA;
    }
    /* The trait on the abscissa tells nothing apart; a frozen iterate has no rate and no steps. */
    if (type->x_trait >= 0) {
        f->varies[type->x_trait] = false;
        f->silent[type->x_trait] = true;
    }
    for (int t = TRAIT_SCHEDULE; type->estimator && t <= TRAIT_AVERAGING; t++)
        f->silent[t] = true;
    enum status status;
    while ((status = number_cells(f, &most, error)) == STATUS_OK && most > CURVES_WANTED) {
        int best = -1, left = 0;
        size_t fewest = SIZE_MAX;
        for (int t = 0; t < TRAIT_COUNT; t++) {
            if (!f->varies[t] || f->facet[t])
                continue;
            left++;
            size_t values = distinct(f, (enum trait)t);
            if (values < fewest) {
                fewest = values;
                best = t;
            }
        }
        if (left < 2)
            break;
        f->facet[best] = true;
    }
    if (status != STATUS_OK)
        return status;
    /* What is the same all over each panel is said above it. */
    for (int t = 0; t < TRAIT_COUNT; t++)
        f->facet[t] = f->facet[t] || (f->varies[t] && constant_in_panels(f, (enum trait)t));
    status = number_cells(f, &most, error);
    int told = 0, number = 0;
    for (int t = 0; t < TRAIT_COUNT; t++)
        if (f->varies[t] && !f->facet[t]) {
            told++;
            number += t == TRAIT_RATE || t == TRAIT_BATCH || t == TRAIT_L2;
        }
    f->sequential = told == 1 && number == 1;
    return status;
}

/* ---- from an entry of `figures:` to figures ---- */

static const char *default_metric(const struct figure_request *r)
{
    bool optimum = false;
    for (size_t i = 0; i < r->cells; i++)
        optimum = optimum || r->cell[i].has_optimum;
    return optimum && r->metrics & 1u << METRIC_GAP ? "gap" : "loss";
}

void figure_set_name(struct figure *f, const char *stem, const char *suffix, size_t page)
{
    char number[24] = "";
    if (page > 0)
        snprintf(number, sizeof number, "-%zu", page + 1);
    snprintf(f->name, sizeof f->name, "%s%s%s%s", stem, suffix[0] ? "-" : "", suffix, number);
    for (char *c = f->name; *c; c++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", *c))
            *c = '_';
}

/* One figure type with one metric against one abscissa, as many pages as its panels need. */
static enum status draw_pages(const struct figure_request *r, const struct figure_type *type, const char *metric,
                              const char *x, unsigned guides, struct error *error)
{
    struct figure all = {
        .experiment = r->experiment->name,
        .question = r->experiment->question,
        .type = type->name,
        .metric = metric,
        .x = x,
        .replicates = r->experiment->replicates,
        .last_position = r->cell[r->cells - 1].position,
        .size = r->options->size,
        .guides = guides,
        .cells = r->cells,
    };
    struct figure_cell *cells = malloc(2 * r->cells * sizeof *cells);
    if (!cells)
        return error_memory(error, 2 * r->cells * sizeof *cells, "the cells of a figure");
    memcpy(cells, r->cell, r->cells * sizeof *cells);
    all.cell = cells;
    enum status status = arrange(&all, type, error);
    const size_t step = type->alone ? 1 : PANELS_PER_FIGURE;
    if (status == STATUS_OK && all.curves > CURVES_MAX) {
        char reason[160];
        snprintf(reason, sizeof reason,
                 "%zu curves are too many to tell apart; sweep less, or make a figure of final values", all.curves);
        r->options->told(r->options->context, type->name, reason);
        free(cells);
        return STATUS_OK;
    }
    for (size_t first = 0; first < all.panels && status == STATUS_OK; first += step) {
        struct figure page = all;
        page.cell = cells + r->cells;
        page.cells = 0;
        page.panels = all.panels - first < step ? all.panels - first : step;
        for (size_t i = 0; i < all.cells; i++)
            if (all.cell[i].panel >= first && all.cell[i].panel < first + step) {
                page.cell[page.cells] = all.cell[i];
                page.cell[page.cells++].panel -= first;
            }
        char stem[64], suffix[LABEL_MAX] = "";
        snprintf(stem, sizeof stem, "%s", strcmp(type->name, "loss_vs_steps") == 0 ? metric : type->name);
        if (strcmp(type->name, "loss_vs_steps") == 0) {
            for (size_t i = 0; i < FIGURE_ABSCISSAE; i++)
                if (strcmp(figure_abscissa[i].column, x) == 0)
                    snprintf(stem, sizeof stem, "%s_vs_%s", metric, figure_abscissa[i].said);
        } else if (type->alone && all.panels > 1) {
            panel_label(&page, &page.cell[0], suffix);
        }
        figure_set_name(&page, stem, suffix, type->alone ? 0 : first / step);
        if (type->alone)
            /* What tells the files apart is said above each. */
            for (int t = 0; t < TRAIT_COUNT; t++)
                page.varies[t] = page.varies[t] && !page.facet[t];
        status = figure_write(r->folder, &page, type->script, r->options, error);
    }
    free(cells);
    return status;
}

static enum status draw_entry(const struct figure_request *r, const struct yaml_node *node, struct error *error)
{
    const struct figure_type *type;
    enum status status = figure_find_type(node, &type, error);
    const bool map = status == STATUS_OK && type->script == script_map;
    const struct yaml_entry *x_said = yaml_find(node, "x"), *axis_said = map ? yaml_find(node, "y") : NULL,
                            *y_said = yaml_find(node, map ? "metric" : "y");
    if (status == STATUS_OK && type->estimator != r->estimator)
        status = error_set(error, STATUS_USAGE, "experiment '%s': the figure %s needs %s", r->experiment->name,
                           type->name, type->estimator ? "kind: estimator" : "training runs");
    if (status == STATUS_OK && r->moments && type->script == script_schedule)
        status = error_set(error, STATUS_USAGE, "experiment '%s': " FIGURE_NEEDS_RUNS, r->experiment->name);
    if (status != STATUS_OK)
        return status;
    const char *x[FIGURE_ABSCISSAE], *y[METRIC_COUNT];
    size_t xs = figure_words(x_said ? x_said->value : NULL, x, FIGURE_ABSCISSAE),
           ys = figure_words(y_said ? y_said->value : NULL, y, METRIC_COUNT);
    const char *abscissa = xs > 0 ? x[0] : "rate"; /* of a map */
    if (r->options->x) {
        x[0] = r->options->x;
        xs = 1;
    }
    if (r->options->y) {
        y[0] = r->options->y;
        ys = 1;
    }
    if (type->x != curve_x)
        xs = 0; /* their abscissa is what they are for */
    for (size_t i = 0; i < xs && status == STATUS_OK; i++)
        status = figure_find_x(x[i], &x[i], error);
    if (xs == 0)
        for (xs = 0; xs < type->x_default; xs++)
            x[xs] = type->x[xs];
    if (ys == 0 || r->estimator)
        y[ys = 0, ys++] = r->estimator ? "variance" : default_metric(r);
    const char *theory[FIGURE_GUIDES];
    const struct yaml_entry *theory_said = yaml_find(node, "theory");
    unsigned guides = 0;
    for (size_t i = figure_words(theory_said ? theory_said->value : NULL, theory, FIGURE_GUIDES); i-- > 0;)
        for (size_t g = 0; g < FIGURE_GUIDES; g++)
            guides |= strcmp(figure_guide[g].name, theory[i]) == 0 ? 1u << g : 0u;
    const char *axis[FIGURE_ABSCISSAE];
    const size_t axes = figure_words(axis_said ? axis_said->value : NULL, axis, FIGURE_ABSCISSAE);
    for (size_t j = 0; j < ys && status == STATUS_OK; j++) {
        if (!r->estimator)
            status = figure_find_metric(y[j], r->metrics, error);
        if (map && status == STATUS_OK) {
            status = figure_map_draw(r, abscissa, axis, axes, y[j], error);
            continue;
        }
        for (size_t i = 0; i < xs && status == STATUS_OK; i++) {
            if (r->packed && strcmp(x[i], "train_seconds_mean") == 0)
                status = error_set(error, STATUS_USAGE, "experiment '%s': " FIGURE_NEEDS_SOLO, r->experiment->name);
            else
                status = draw_pages(r, type, y[j], x[i], guides, error);
        }
    }
    return status;
}

static enum status draw_experiment(struct store *store, const char *dir, const struct stored_experiment *experiment,
                                   const struct figure_options *options, struct error *error)
{
    char folder_name[OUTPUT_FOLDER_MAX];
    struct output_folder folder;
    struct arena arena = {0};
    struct yaml_node *list = NULL;
    struct figure_request r = {.store = store, .experiment = experiment, .options = options, .folder = &folder};
    enum status status = read_cells(&r, error);
    if (status == STATUS_OK && (r.cells == 0 || r.cells > CELLS_MAX)) {
        char reason[96];
        snprintf(reason, sizeof reason, "%zu cells: %s", r.cells,
                 r.cells ? "too many for a figure" : "nothing to draw");
        options->told(options->context, experiment->name, reason);
        free(r.cell);
        return STATUS_OK;
    }
    output_folder_name(experiment->name, folder_name);
    if (status == STATUS_OK)
        status = output_folder_open(dir, folder_name, &folder, error);
    if (status != STATUS_OK) {
        free(r.cell);
        return status;
    }
    if (faccessat(folder.descriptor, r.estimator ? "estimator.csv" : "summary.csv", R_OK, 0) != 0) {
        char quoted[ERROR_FILE_MAX];
        status =
            error_at(error, STATUS_NOT_FOUND, folder.path, 0, 0, "no text tables to draw from; first: sgdlab export %s",
                     shell_quoted(dir, quoted, sizeof quoted));
    }
    if (status == STATUS_OK)
        status = figure_copy_style(&folder, options->style, error);
    if (status == STATUS_OK)
        status = yaml_parse(experiment->figures, strlen(experiment->figures), "figures", &arena, &list, error);
    for (size_t i = 0; status == STATUS_OK && list->kind == YAML_SEQUENCE && i < list->count; i++)
        status = draw_entry(&r, list->entry[i].value, error);
    arena_free(&arena);
    output_folder_close(&folder);
    free(r.cell);
    return status;
}

enum status figures_draw(struct store *store, const char *dir, const struct figure_options *options,
                         struct error *error)
{
    struct stored_experiment *list;
    size_t count;
    bool found = false;
    enum status status = store_read_experiments(store, &list, &count, error);
    if (status != STATUS_OK)
        return status;
    const char **names = calloc(count + 1, sizeof *names);
    if (!names)
        status = error_memory(error, count * sizeof *names, "names");
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        names[i] = list[i].name;
        if (options->experiment && strcmp(options->experiment, list[i].name) != 0)
            continue;
        found = true;
        status = draw_experiment(store, dir, &list[i], options, error);
    }
    if (status == STATUS_OK && options->experiment && !found)
        status = name_unknown(error, "experiment", options->experiment, names, count);
    free(names);
    stored_experiments_free(list, count);
    return status;
}
