/* The merged tree taken apart: what stands at top level, the axes of the sweep, and what the file says about itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "figure.h"
#include "json.h"
#include "sweep_internal.h"

static enum status no_memory(struct error *error)
{
    return error_memory(error, 0, "the configuration");
}

static struct yaml_node *top_level(const struct document *document, const char *key)
{
    struct yaml_entry *entry = yaml_find(document->root, key);
    return entry ? entry->value : NULL;
}

enum status update_of_momentum(struct arena *arena, const struct yaml_node *node, struct yaml_node **out,
                               struct error *error)
{
    static const struct param momentum = {.name = "momentum", .kind = PARAM_REAL, .min = 0, .max = 1, .max_open = true};
    double value;
    enum status status = param_parse(&momentum, node, &value, error);
    if (status != STATUS_OK)
        return status;
    struct yaml_node *update = arena_alloc(arena, sizeof *update), *type = arena_alloc(arena, sizeof *type);
    struct yaml_entry *entry = arena_alloc(arena, 2 * sizeof *entry);
    if (!update || !type || !entry)
        return no_memory(error);
    *type = *update = (struct yaml_node){.file = node->file, .line = node->line, .column = node->column};
    type->text = value == 0.0 ? "sgd" : "heavy_ball";
    update->kind = YAML_MAPPING;
    update->count = value == 0.0 ? 1 : 2;
    update->entry = entry;
    entry[0] = (struct yaml_entry){"type", node->line, node->column, type};
    entry[1] = (struct yaml_entry){"momentum", node->line, node->column, (struct yaml_node *)node};
    *out = update;
    return STATUS_OK;
}

/* ---- top level ---- */

static enum status take_base(struct document *document, struct error *error)
{
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        struct yaml_node *node = top_level(document, section_at((enum section_id)i)->name);
        if (node && yaml_is_null(node))
            return yaml_error(node, STATUS_USAGE, error, "%s has no value", section_at((enum section_id)i)->name);
        document->base[i] = node;
    }
    const struct yaml_entry *momentum = yaml_find(document->root, "momentum");
    const struct yaml_entry *seed = yaml_find(document->root, "data_seed");
    if (momentum && document->base[SECTION_UPDATE])
        return error_at(error, STATUS_USAGE, document->root->file, momentum->line, momentum->column,
                        "momentum and update exclude each other: momentum is short for update");
    if (momentum) {
        enum status status =
            update_of_momentum(&document->arena, momentum->value, &document->base[SECTION_UPDATE], error);
        if (status != STATUS_OK)
            return status;
    }
    if (seed && node_at(document->base[SECTION_PROBLEM], "data_seed"))
        return error_at(error, STATUS_USAGE, document->root->file, seed->line, seed->column,
                        "data_seed stands both here and in problem");
    if (seed) {
        struct place place = {document->root->file, seed->line, seed->column};
        document->base[SECTION_PROBLEM] =
            node_with(&document->arena, document->base[SECTION_PROBLEM], "data_seed", seed->value, &place);
        if (!document->base[SECTION_PROBLEM])
            return no_memory(error);
    }
    return STATUS_OK;
}

/* ---- axes ---- */

static bool same_or_below(const char *path, const char *prefix, const char **rest)
{
    size_t length = strlen(prefix);
    if (length && (strncmp(path, prefix, length) != 0 || (path[length] && path[length] != '.')))
        return false;
    *rest = path + length + (length && path[length] == '.');
    return true;
}

/* Two axes, or an axis and the top level, that decide the same setting. */
static enum status check_conflicts(const struct document *document, const struct axis *axis, struct error *error)
{
    const struct yaml_node *base = document->base[axis->section];
    const struct yaml_node *there = *axis->tail ? node_at(base, axis->tail) : base;
    const char *said = section_at(axis->section)->name; /* what stands there */
    if (axis->section == SECTION_UPDATE && yaml_find(document->root, "momentum"))
        said = "momentum";
    if (there && (strcmp(axis->name, "momentum") == 0) != (strcmp(said, "momentum") == 0))
        return error_at(error, STATUS_USAGE, axis->place.file, axis->place.line, axis->place.column,
                        "%s under sweep and %s at top level (line %zu) exclude each other: momentum is short for "
                        "update; give one",
                        axis->name, said, there->line);
    if (there)
        return error_at(error, STATUS_USAGE, axis->place.file, axis->place.line, axis->place.column,
                        "%s stands both under sweep and at top level (line %zu): give it once", axis->name,
                        there->line);
    for (const struct axis *other = document->axis; other < axis; other++) {
        const char *rest;
        if (other->section != axis->section)
            continue;
        const struct axis *outer = other, *inner = axis;
        if (!same_or_below(inner->tail, outer->tail, &rest)) {
            outer = axis, inner = other;
            if (!same_or_below(inner->tail, outer->tail, &rest))
                continue;
        }
        bool both = !*rest || strcmp(outer->name, "momentum") == 0;
        for (size_t i = 0; !both && i < outer->count; i++)
            both = node_at(outer->option[i], rest) != NULL;
        if (both)
            return error_at(error, STATUS_USAGE, axis->place.file, axis->place.line, axis->place.column,
                            "%s and %s decide the same setting: give it once", axis->name, other->name);
    }
    return STATUS_OK;
}

static enum status take_axis(struct document *document, const struct yaml_node *sweep, const struct yaml_entry *entry,
                             struct error *error)
{
    struct place place = {sweep->file, entry->line, entry->column};
    if (document->axis_count == AXES_MAX)
        return error_at(error, STATUS_USAGE, place.file, place.line, place.column, "more than %d settings are swept",
                        AXES_MAX);
    struct axis *axis = &document->axis[document->axis_count];
    *axis = (struct axis){.name = entry->key, .place = place};
    if (meta_find(entry->key) >= 0)
        return error_at(error, STATUS_USAGE, place.file, place.line, place.column, "%s can't be swept", entry->key);
    if (!axis_resolve(entry->key, &axis->section, &axis->tail))
        return axis_unknown(entry->key, false, &place, error);
    if (yaml_is_null(entry->value))
        return yaml_error(entry->value, STATUS_USAGE, error, "%s needs a list of values", entry->key);
    enum status status = axis_expand(&document->arena, entry->key, entry->value, &axis->option, &axis->count, error);
    for (size_t i = 0; status == STATUS_OK && strcmp(entry->key, "momentum") == 0 && i < axis->count; i++)
        status = update_of_momentum(&document->arena, axis->option[i], &axis->option[i], error);
    if (status == STATUS_OK)
        status = check_conflicts(document, axis, error);
    document->axis_count++;
    return status;
}

static enum status take_axes(struct document *document, struct error *error)
{
    const struct yaml_node *sweep = top_level(document, "sweep");
    if (!sweep || yaml_is_null(sweep))
        return STATUS_OK;
    if (sweep->kind != YAML_MAPPING)
        return yaml_error(sweep, STATUS_USAGE, error, "sweep must be a mapping from settings to lists of values");
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < sweep->count; i++)
        status = take_axis(document, sweep, &sweep->entry[i], error);
    return status;
}

/* ---- what the file says about itself ---- */

static enum status take_text(const struct document *document, enum meta_id id, const char **out, struct error *error)
{
    const char *key = meta_at(id)->param.name;
    const struct yaml_node *node = top_level(document, key);
    char found[80];
    if (!node)
        return STATUS_OK;
    if (node->kind != YAML_SCALAR || yaml_is_null(node))
        return yaml_error(node, STATUS_USAGE, error, "%s is %s, but must be a text", key,
                          yaml_describe(node, found, sizeof found));
    *out = node->text;
    return STATUS_OK;
}

static enum status take_number(const struct document *document, enum meta_id id, double *out, struct error *error)
{
    const struct param *param = &meta_at(id)->param;
    const struct yaml_node *node = top_level(document, param->name);
    *out = param->fallback;
    return node ? param_parse(param, node, out, error) : STATUS_OK;
}

/* The name becomes a folder's name. */
static enum status take_name(struct document *document, const char *path, struct error *error)
{
    const char *base = strrchr(path, '/');
    base = base ? base + 1 : path;
    const char *dot = strrchr(base, '.');
    document->name = arena_text(&document->arena, base, dot && dot != base ? (size_t)(dot - base) : strlen(base));
    if (!document->name)
        return no_memory(error);
    enum status status = take_text(document, META_EXPERIMENT, &document->name, error);
    const struct yaml_node *node = top_level(document, "experiment");
    if (status == STATUS_OK && node &&
        (!node->text[0] || node->text[0] == '.' || strpbrk(node->text, "/\\\n") || strlen(node->text) > 100))
        return yaml_error(node, STATUS_USAGE, error,
                          "'%.60s' can't name a folder: no slashes, no dot at the start, at most 100 characters",
                          node->text);
    return status;
}

static char *canonical_json(const struct yaml_node *node)
{
    struct json json = {0};
    yaml_json(node, true, &json);
    return json_take(&json);
}

/* Names or mappings, kept as JSON. */
static enum status take_figures(struct document *document, struct error *error)
{
    struct yaml_node *node = top_level(document, "figures");
    if (!node || yaml_is_null(node))
        return STATUS_OK;
    const struct yaml_entry alone = {.value = node};
    const struct yaml_entry *entry = node->kind == YAML_SEQUENCE ? node->entry : &alone;
    size_t total = node->kind == YAML_SEQUENCE ? node->count : 1;
    document->figure = arena_alloc(&document->arena, (total + 1) * sizeof(char *));
    if (!document->figure)
        return no_memory(error);
    for (size_t i = 0; i < total; i++) {
        const struct yaml_node *item = entry[i].value;
        char found[80];
        if (item->kind == YAML_SEQUENCE || yaml_is_null(item))
            return yaml_error(item, STATUS_USAGE, error, "an entry of figures must be a name or a mapping, but is %s",
                              yaml_describe(item, found, sizeof found));
        enum status status = figure_check(item, error);
        if (status != STATUS_OK)
            return status;
        document->figure[i] = canonical_json(item);
        if (!document->figure[i])
            return no_memory(error);
        document->figure_count = i + 1;
    }
    return STATUS_OK;
}

static enum status take_independent(struct document *document, struct error *error)
{
    struct yaml_node *node = top_level(document, "independent_over");
    if (!node || yaml_is_null(node))
        return STATUS_OK;
    const struct yaml_entry alone = {.value = node};
    const struct yaml_entry *entry = node->kind == YAML_SEQUENCE ? node->entry : &alone;
    size_t total = node->kind == YAML_SEQUENCE ? node->count : 1;
    document->independent = arena_alloc(&document->arena, total * sizeof(char *));
    if (!document->independent)
        return no_memory(error);
    for (size_t i = 0; i < total; i++) {
        const struct yaml_node *item = entry[i].value;
        struct place place = {item->file, item->line, item->column};
        enum section_id section;
        const char *tail;
        char found[80];
        if (item->kind != YAML_SCALAR)
            return yaml_error(item, STATUS_USAGE, error, "independent_over names settings, but here is %s",
                              yaml_describe(item, found, sizeof found));
        if (!axis_resolve(item->text, &section, &tail))
            return axis_unknown(item->text, false, &place, error);
        document->independent[document->independent_count++] = item->text;
    }
    return STATUS_OK;
}

enum status document_take_apart(struct document *document, const char *path, struct error *error)
{
    double keep;
    document->question = "";
    enum status status = take_name(document, path, error);
    if (status == STATUS_OK)
        status = take_text(document, META_QUESTION, &document->question, error);
    if (status == STATUS_OK)
        status = take_number(document, META_REPLICATES, &document->replicates, error);
    if (status == STATUS_OK)
        status = take_number(document, META_SEED, &document->seed, error);
    if (status == STATUS_OK)
        status = take_number(document, META_KEEP, &keep, error);
    if (status != STATUS_OK)
        return status;
    document->keep = (enum keep)keep;
    status = take_independent(document, error);
    if (status == STATUS_OK)
        status = take_figures(document, error);
    if (status == STATUS_OK)
        status = laws_read(document, error);
    if (status == STATUS_OK)
        status = take_base(document, error);
    return status == STATUS_OK ? take_axes(document, error) : status;
}
