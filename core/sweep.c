/* Opening a sweep: the document taken apart, its sections parsed for every combination of their axes' options, data
 * sets opened, every cell resolved once and refused if it makes no sense. */
#include "sweep.h"

#include <nettle/sha2.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "figure.h"
#include "json.h"
#include "sweep_internal.h"

/* ---- sections ---- */

static uint64_t hash_text(const char *text)
{
    struct sha256_ctx context;
    uint8_t byte[8];
    uint64_t word = 0;
    sha256_init(&context);
    sha256_update(&context, strlen(text), (const uint8_t *)text);
    sha256_digest(&context, sizeof byte, byte);
    for (size_t i = 0; i < 8; i++)
        word |= (uint64_t)byte[i] << 8 * i;
    return word;
}

/* Hash of what the section says at the paths that independent_over names: [path, value, path, value, ...] as JSON. */
static enum status hash_group(const struct document *document, enum section_id id, const struct yaml_node *node,
                              uint64_t *group, struct error *error)
{
    struct json json = {0};
    bool any = false;
    json_begin(&json, '[');
    for (size_t i = 0; i < document->independent_count; i++) {
        enum section_id section;
        const char *tail;
        if (!axis_resolve(document->independent[i], &section, &tail) || section != id)
            continue;
        const struct yaml_node *value = node_at(node, tail);
        any = true;
        json_string(&json, document->independent[i]);
        if (value)
            yaml_json(value, true, &json);
        else
            json_raw(&json, NULL);
    }
    json_end(&json, ']');
    char *text = json_take(&json);
    if (!text)
        return error_memory(error, 0, "the configuration");
    *group = any ? hash_text(text) | 1 : 0; /* never 0: that is the shared stream */
    free(text);
    return STATUS_OK;
}

/* The axes of a section, those of short paths first: an option for the whole section comes before one inside it. */
static size_t axes_of(struct document *document, enum section_id id, struct axis *axis[AXES_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < document->axis_count; i++) {
        if (document->axis[i].section != id)
            continue;
        size_t at = count++;
        for (; at > 0 && strlen(axis[at - 1]->tail) > strlen(document->axis[i].tail); at--)
            axis[at] = axis[at - 1];
        axis[at] = &document->axis[i];
    }
    return count;
}

static enum status parse_combinations(struct sweep *sweep, enum section_id id, struct error *error)
{
    struct document *document = &sweep->document;
    struct section_table *table = &sweep->section[id];
    struct axis *axis[AXES_MAX];
    size_t axes = axes_of(document, id, axis), count = 1;
    for (size_t i = 0; i < axes; i++) {
        axis[i]->combination_stride = count;
        count *= axis[i]->count; /* at most the number of cells */
    }
    table->value = calloc(count, sizeof *table->value);
    if (!table->value)
        return error_memory(error, count * sizeof *table->value, "the options of a section");
    table->count = count;
    for (size_t number = 0; number < count; number++) {
        const struct yaml_node *node = document->base[id];
        for (size_t i = 0; i < axes; i++) {
            size_t option = number / axis[i]->combination_stride % axis[i]->count;
            node = node_with(&document->arena, node, axis[i]->tail, axis[i]->option[option], &axis[i]->place);
            if (!node)
                return error_memory(error, 0, "the configuration");
        }
        struct section_value *value = &table->value[number];
        enum status status = section_parse(id, node, &document->arena, value, error);
        if (status == STATUS_OK && document->independent_count)
            status = hash_group(document, id, node, &value->group, error);
        if (status == STATUS_OK && id == SECTION_PROBLEM)
            status = sweep_open_problem(sweep, value, error);
        if (status != STATUS_OK)
            return error && !error->file[0] ? yaml_place(document->root, error) : status;
    }
    return STATUS_OK;
}

/* ---- cells ---- */

static enum status count_cells(struct sweep *sweep, struct error *error)
{
    struct document *document = &sweep->document;
    sweep->cells = 1;
    for (size_t i = document->axis_count; i-- > 0;) {
        struct axis *axis = &document->axis[i];
        axis->stride = sweep->cells;
        if (axis->count > CELLS_MAX / sweep->cells)
            return error_at(error, STATUS_USAGE, axis->place.file, axis->place.line, axis->place.column,
                            "the sweep has more than %d cells", CELLS_MAX);
        sweep->cells *= axis->count;
    }
    if ((double)sweep->cells * (double)sweep->replicates > 4e9)
        return yaml_error(document->root, STATUS_USAGE, error, "%zu cells with %zu replicates: more than 4e9 runs",
                          sweep->cells, sweep->replicates);
    return STATUS_OK;
}

static int compare_grids(const void *left, const void *right)
{
    const struct kept_grid *a = left, *b = right;
    if (a->steps != b->steps)
        return a->steps < b->steps ? -1 : 1;
    if (a->points != b->points)
        return a->points < b->points ? -1 : 1;
    return (a->spacing > b->spacing) - (a->spacing < b->spacing);
}

static const struct record_grid *find_grid(const struct sweep *sweep, const struct run_config *config)
{
    const struct kept_grid wanted = {.steps = config->steps, .points = config->points, .spacing = config->spacing};
    struct kept_grid *const *found = tfind(&wanted, &sweep->grid_tree, compare_grids);
    return found ? &(*found)->grid : NULL;
}

static enum status keep_grid(struct sweep *sweep, const struct run_config *config, struct error *error)
{
    if (find_grid(sweep, config))
        return STATUS_OK;
    struct kept_grid *kept = calloc(1, sizeof *kept);
    if (!kept)
        return error_memory(error, sizeof *kept, "the recorded steps");
    *kept = (struct kept_grid){.steps = config->steps, .points = config->points, .spacing = config->spacing};
    enum status status = record_grid_make(kept->steps, kept->points, kept->spacing, &kept->grid, error);
    if (status == STATUS_OK && !tsearch(kept, &sweep->grid_tree, compare_grids))
        status = error_memory(error, sizeof *kept, "the recorded steps");
    if (status != STATUS_OK) {
        record_grid_free(&kept->grid);
        free(kept);
    }
    return status;
}

static void free_grid(void *node)
{
    struct kept_grid *kept = node;
    record_grid_free(&kept->grid);
    free(kept);
}

/* Figures that these cells can't give are told before the night, not after it. */
static enum status check_figures(const struct sweep *sweep, const struct figure_runs *runs, struct error *error)
{
    const struct yaml_entry *figures = yaml_find(sweep->document.root, "figures");
    enum status status = STATUS_OK;
    if (!figures || yaml_is_null(figures->value))
        return STATUS_OK;
    const struct yaml_node *list = figures->value;
    if (list->kind != YAML_SEQUENCE)
        return figure_check_runs(list, runs, error);
    for (size_t i = 0; status == STATUS_OK && i < list->count; i++)
        status = figure_check_runs(list->entry[i].value, runs, error);
    return status;
}

static enum status check_cells(struct sweep *sweep, struct error *error)
{
    struct figure_runs runs = {0};
    for (size_t i = 0; i < sweep->cells; i++) {
        struct run_config config;
        enum status status = sweep_resolve(sweep, i, &config, error);
        if (status == STATUS_OK && config.kind == KIND_TRAINING)
            status = keep_grid(sweep, &config, error);
        if (status != STATUS_OK)
            return error && !error->file[0] ? yaml_place(sweep->document.root, error) : status;
        bool at_optimum = config.at == AT_OPTIMUM || config.at == AT_OPTIMUM_GAUSSIAN;
        bool from_optimum = config.start.kind == START_OPTIMUM || config.start.kind == START_INSTANCE;
        if (from_optimum || (config.kind == KIND_ESTIMATOR && at_optimum))
            sweep_need_optimum(sweep, &config.problem);
        runs.training = runs.training || config.kind == KIND_TRAINING;
        runs.estimator = runs.estimator || config.kind == KIND_ESTIMATOR;
        runs.moments = config.keep == KEEP_MOMENTS;
        runs.packed = runs.packed || config.timing == TIMING_PACKED;
        runs.metrics |= config.metrics;
    }
    return check_figures(sweep, &runs, error);
}

/* ---- open and close ---- */

static enum status set_folder(struct sweep *sweep, const char *path, const struct sweep_options *options,
                              struct error *error)
{
    const char *slash = strrchr(path, '/');
    sweep->experiment_dir = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    if (!sweep->experiment_dir)
        return error_memory(error, strlen(path), "a path");
    sweep->search = options->search;
    if (!sweep->search.experiment_dir)
        sweep->search.experiment_dir = sweep->experiment_dir;
    return STATUS_OK;
}

static enum status fill(struct sweep *sweep, const char *path, const struct sweep_options *options, struct error *error)
{
    struct document *document = &sweep->document;
    enum status status = set_folder(sweep, path, options, error);
    if (status == STATUS_OK)
        status = document_read(path, options, document, error);
    if (status == STATUS_OK)
        status = document_take_apart(document, path, error);
    if (status != STATUS_OK)
        return status;
    sweep->replicates = options->replicates >= 0 ? (size_t)options->replicates : (size_t)document->replicates;
    sweep->seed = options->has_seed ? options->seed : (uint64_t)document->seed;
    if (sweep->replicates == 0)
        return yaml_error(document->root, STATUS_USAGE, error, "replicates is 0, but must be at least 1");
    status = count_cells(sweep, error);
    for (size_t i = 0; status == STATUS_OK && i < SECTION_COUNT; i++)
        status = parse_combinations(sweep, (enum section_id)i, error);
    if (status == STATUS_OK)
        status = laws_bind(sweep, error);
    return status == STATUS_OK ? check_cells(sweep, error) : status;
}

enum status sweep_open(const char *path, const struct sweep_options *options, struct sweep **out, struct error *error)
{
    struct error local; /* places are added to errors on their way up: there must be one */
    if (!error)
        error = &local;
    *error = (struct error){0};
    *out = NULL;
    struct sweep *sweep = calloc(1, sizeof *sweep);
    if (!sweep)
        return error_memory(error, sizeof *sweep, "a sweep");
    enum status status = fill(sweep, path, options, error);
    if (status == STATUS_OK)
        *out = sweep;
    else
        sweep_close(sweep);
    return status;
}

void sweep_close(struct sweep *sweep)
{
    if (!sweep)
        return;
    sweep_close_problems(sweep);
    tdestroy(sweep->grid_tree, free_grid);
    for (size_t i = 0; i < SECTION_COUNT; i++)
        free(sweep->section[i].value);
    document_free(&sweep->document);
    free(sweep->experiment_dir);
    free(sweep);
}

enum status sweep_cell(const struct sweep *sweep, size_t cell, struct run_config *out, struct error *error)
{
    if (cell >= sweep->cells)
        return error_set(error, STATUS_USAGE, "cell %zu of %zu does not exist", cell, sweep->cells);
    enum status status = sweep_resolve(sweep, cell, out, error);
    if (status == STATUS_OK && out->kind == KIND_TRAINING)
        out->grid = find_grid(sweep, out);
    return status;
}

/* ---- what a sweep says about itself ---- */

const char *sweep_name(const struct sweep *sweep)
{
    return sweep->document.name;
}

const char *sweep_question(const struct sweep *sweep)
{
    return sweep->document.question;
}

const char *sweep_text(const struct sweep *sweep)
{
    return sweep->document.text;
}

size_t sweep_cells(const struct sweep *sweep)
{
    return sweep->cells;
}

size_t sweep_replicates(const struct sweep *sweep)
{
    return sweep->replicates;
}

uint64_t sweep_seed(const struct sweep *sweep)
{
    return sweep->seed;
}

enum keep sweep_keep(const struct sweep *sweep)
{
    return sweep->document.keep;
}

static size_t unit_size(const struct sweep *sweep)
{
    return sweep->document.keep == KEEP_MOMENTS ? GROUP_CHAINS : 1;
}

size_t sweep_units(const struct sweep *sweep)
{
    return (sweep->replicates + unit_size(sweep) - 1) / unit_size(sweep);
}

uint64_t sweep_unit_first(const struct sweep *sweep, size_t unit)
{
    return (uint64_t)unit * unit_size(sweep);
}

size_t sweep_unit_chains(const struct sweep *sweep, size_t unit)
{
    size_t left = sweep->replicates - unit * unit_size(sweep);
    return left < unit_size(sweep) ? left : unit_size(sweep);
}

size_t sweep_figure_count(const struct sweep *sweep)
{
    return sweep->document.figure_count;
}

const char *sweep_figure(const struct sweep *sweep, size_t index)
{
    return sweep->document.figure[index];
}

size_t sweep_axis_count(const struct sweep *sweep)
{
    return sweep->document.axis_count;
}

const char *sweep_axis(const struct sweep *sweep, size_t axis)
{
    return sweep->document.axis[axis].name;
}
