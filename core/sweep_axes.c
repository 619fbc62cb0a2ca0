/* Dotted names, paths into nodes, and the options that a list under `sweep` stands for. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "sweep_internal.h"

enum { OPTIONS_MAX = CELLS_MAX };

static enum status no_memory(struct error *error)
{
    return error_memory(error, 0, "the configuration");
}

/* ---- names ---- */

bool axis_resolve(const char *name, enum section_id *section, const char **tail)
{
    size_t length = strlen(name);
    if (length == 0 || name[length - 1] == '.' || strstr(name, ".."))
        return false;
    *tail = "";
    if (strcmp(name, "momentum") == 0) {
        *section = SECTION_UPDATE;
        return true;
    }
    if (strcmp(name, "data_seed") == 0)
        name = "problem.data_seed";
    size_t head = strcspn(name, ".");
    int found = section_find(name, head);
    if (found < 0)
        return false;
    *section = (enum section_id)found;
    if (name[head])
        *tail = name + head + 1;
    return true;
}

enum status axis_unknown(const char *name, bool top_level, const struct place *place, struct error *error)
{
    const char *names[SECTION_COUNT + META_COUNT + 8];
    size_t count = 0;
    for (size_t i = 0; top_level && i < META_COUNT; i++)
        names[count++] = meta_at((enum meta_id)i)->param.name;
    for (size_t i = 0; i < SECTION_COUNT; i++)
        names[count++] = section_at((enum section_id)i)->name;
    for (size_t i = 0; i < short_form_count() && i < 8; i++)
        names[count++] = short_form_at(i)->name;
    char head[80];
    snprintf(head, sizeof head, "%.*s", (int)(strcspn(name, ".") < 79 ? strcspn(name, ".") : 79), name);
    enum status status = name_unknown(error, top_level ? "key" : "setting", head, names, count);
    if (error) {
        snprintf(error->file, sizeof error->file, "%s", place->file);
        error->line = place->line;
        error->column = place->column;
    }
    return status;
}

/* ---- paths ---- */

static struct yaml_node *node_with_below(struct arena *arena, const struct yaml_node *node, const char *path,
                                         const struct yaml_node *value, const struct place *place, bool top)
{
    if (!*path)
        return (struct yaml_node *)value;
    size_t head = strcspn(path, ".");
    const char *rest = path[head] ? path + head + 1 : path + head;
    const char *key = arena_text(arena, path, head);
    struct yaml_node *copy = arena_alloc(arena, sizeof *copy);
    bool mapping = node && node->kind == YAML_MAPPING, promoted = top && node && node->kind == YAML_SCALAR;
    size_t count = mapping ? node->count : promoted ? 1 : 0;
    struct yaml_entry *entry = arena_alloc(arena, (count + 1) * sizeof *entry);
    if (!key || !copy || !entry)
        return NULL;
    *copy = (struct yaml_node){.kind = YAML_MAPPING,
                               .file = node ? node->file : place->file,
                               .line = node ? node->line : place->line,
                               .column = node ? node->column : place->column,
                               .count = count,
                               .entry = entry};
    if (mapping && count)
        memcpy(entry, node->entry, count * sizeof *entry);
    if (promoted)
        entry[0] = (struct yaml_entry){"type", node->line, node->column, (struct yaml_node *)node};
    struct yaml_entry *found = yaml_find(copy, key);
    if (!found) {
        found = &entry[copy->count++];
        *found = (struct yaml_entry){key, place->line, place->column, NULL};
    }
    found->value = node_with_below(arena, found->value, rest, value, place, false);
    return found->value ? copy : NULL;
}

struct yaml_node *node_with(struct arena *arena, const struct yaml_node *node, const char *path,
                            const struct yaml_node *value, const struct place *place)
{
    return node_with_below(arena, node, path, value, place, true);
}

const struct yaml_node *node_at(const struct yaml_node *node, const char *path)
{
    if (node && node->kind == YAML_SCALAR && strcmp(path, "type") == 0)
        return node;
    while (node && *path) {
        size_t head = strcspn(path, ".");
        const struct yaml_node *below = NULL;
        for (size_t i = 0; node->kind == YAML_MAPPING && i < node->count; i++)
            if (strlen(node->entry[i].key) == head && strncmp(node->entry[i].key, path, head) == 0)
                below = node->entry[i].value;
        node = below;
        path += head + (path[head] != '\0');
    }
    return node;
}

/* ---- options ---- */

struct options {
    struct yaml_node **node;
    size_t count, capacity;
};

static enum status add(struct options *options, struct yaml_node *node, struct error *error)
{
    if (options->count == OPTIONS_MAX)
        return yaml_error(node, STATUS_USAGE, error, "a list of more than %d values", OPTIONS_MAX);
    if (options->count == options->capacity) {
        size_t capacity = 2 * options->capacity + 8;
        struct yaml_node **bigger = realloc(options->node, capacity * sizeof(struct yaml_node *));
        if (!bigger)
            return no_memory(error);
        options->node = bigger;
        options->capacity = capacity;
    }
    options->node[options->count++] = node;
    return STATUS_OK;
}

/* {logspace: [a, b, k]} and {linspace: [a, b, k]}: k numbers from a to b, of equal ratio or equal difference. Powers of
 * ten come out as such: they are taken as 10^(exponent), and what is a whole number up to rounding becomes one. */
static enum status add_space(struct arena *arena, const struct yaml_node *space, struct options *options,
                             struct error *error)
{
    const char *name = space->entry[0].key;
    const struct yaml_node *list = space->entry[0].value;
    bool logarithmic = strcmp(name, "logspace") == 0;
    double number[3];
    bool good = list->kind == YAML_SEQUENCE && list->count == 3;
    for (size_t i = 0; good && i < 3; i++) {
        const struct yaml_node *item = list->entry[i].value;
        good = item->kind == YAML_SCALAR && !item->quoted && number_parse(item->text, &number[i]);
    }
    if (!good)
        return yaml_error(list, STATUS_USAGE, error, "%s must be [first, last, number of values]", name);
    if (logarithmic && !(number[0] > 0.0 && number[1] > 0.0))
        return yaml_error(list, STATUS_USAGE, error, "logspace goes from one number > 0 to another");
    if (!(number[2] >= 1.0 && number[2] <= OPTIONS_MAX && number[2] == floor(number[2])))
        return yaml_error(list->entry[2].value, STATUS_USAGE, error,
                          "the number of values must be a whole number >= 1");
    size_t count = (size_t)number[2];
    double from = logarithmic ? log10(number[0]) : number[0], to = logarithmic ? log10(number[1]) : number[1];
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        double share = count > 1 ? (double)i / (double)(count - 1) : 0.0, at = from + (to - from) * share;
        double value = i == 0 ? number[0] : i == count - 1 ? number[1] : logarithmic ? pow(10.0, at) : at;
        if (fabs(value) >= 1.0 && fabs(value - nearbyint(value)) <= 1e-12 * fabs(value))
            value = nearbyint(value);
        char text[NUMBER_TEXT_MAX];
        number_text(text, value);
        struct yaml_node *node = arena_alloc(arena, sizeof *node);
        if (!node)
            return no_memory(error);
        *node = (struct yaml_node){
            .kind = YAML_SCALAR, .file = space->file, .line = space->line, .column = space->column, .computed = true};
        node->text = arena_string(arena, text);
        status = node->text ? add(options, node, error) : no_memory(error);
    }
    return status;
}

static enum status expand(struct arena *arena, const char *path, struct yaml_node *node, bool top,
                          struct options *options, struct error *error);

/* Every combination of the options of a mapping's entries, the last entry fastest. */
static enum status combine(struct arena *arena, const struct yaml_node *node, const struct options *choice,
                           struct options *options, struct error *error)
{
    size_t total = 1;
    for (size_t i = 0; i < node->count; i++) {
        if (choice[i].count > OPTIONS_MAX / total)
            return yaml_error(node, STATUS_USAGE, error, "a list of more than %d values", OPTIONS_MAX);
        total *= choice[i].count;
    }
    enum status status = STATUS_OK;
    for (size_t number = 0; status == STATUS_OK && number < total; number++) {
        struct yaml_node *copy = arena_alloc(arena, sizeof *copy);
        struct yaml_entry *entry = arena_alloc(arena, node->count * sizeof *entry);
        if (!copy || !entry)
            return no_memory(error);
        *copy = *node;
        copy->entry = entry;
        for (size_t i = node->count, left = number; i-- > 0; left /= choice[i].count) {
            entry[i] = node->entry[i];
            entry[i].value = choice[i].node[left % choice[i].count];
        }
        status = add(options, copy, error);
    }
    return status;
}

static enum status expand_mapping(struct arena *arena, const char *path, struct yaml_node *node,
                                  struct options *options, struct error *error)
{
    struct options *choice = calloc(node->count + 1, sizeof *choice);
    enum status status = choice ? STATUS_OK : no_memory(error);
    bool several = false;
    for (size_t i = 0; status == STATUS_OK && i < node->count; i++) {
        size_t size = strlen(path) + strlen(node->entry[i].key) + 2;
        char *below = malloc(size);
        if (!below) {
            status = no_memory(error);
            break;
        }
        snprintf(below, size, "%s.%s", path, node->entry[i].key);
        status = expand(arena, below, node->entry[i].value, false, &choice[i], error);
        several |= choice[i].count != 1 || choice[i].node[0] != node->entry[i].value;
        free(below);
    }
    if (status == STATUS_OK)
        status = several ? combine(arena, node, choice, options, error) : add(options, node, error);
    for (size_t i = 0; choice && i < node->count; i++)
        free(choice[i].node);
    free(choice);
    return status;
}

/* top: the list under sweep itself, whose elements are the options even where one value is a list. */
static enum status expand(struct arena *arena, const char *path, struct yaml_node *node, bool top,
                          struct options *options, struct error *error)
{
    if (node->kind == YAML_SCALAR)
        return add(options, node, error);
    if (node->kind == YAML_MAPPING) {
        bool space = node->count == 1 &&
                     (strcmp(node->entry[0].key, "logspace") == 0 || strcmp(node->entry[0].key, "linspace") == 0);
        return space ? add_space(arena, node, options, error) : expand_mapping(arena, path, node, options, error);
    }
    bool lists = setting_takes_list(path), nested = false;
    for (size_t i = 0; i < node->count; i++)
        nested |= node->entry[i].value->kind == YAML_SEQUENCE;
    if (lists && !top && !nested)
        return add(options, node, error); /* one value */
    if (node->count == 0)
        return yaml_error(node, STATUS_USAGE, error, "an empty list of values for %s", path);
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < node->count; i++) {
        struct yaml_node *item = node->entry[i].value;
        if (item->kind != YAML_SEQUENCE)
            status = expand(arena, path, item, false, options, error);
        else if (lists)
            status = add(options, item, error);
        else
            status = yaml_error(item, STATUS_USAGE, error, "a list inside the list of values for %s", path);
    }
    return status;
}

enum status axis_expand(struct arena *arena, const char *path, struct yaml_node *node, struct yaml_node ***option,
                        size_t *count, struct error *error)
{
    struct options options = {0};
    enum status status = expand(arena, path, node, true, &options, error);
    if (status == STATUS_OK) {
        *count = options.count;
        *option = arena_alloc(arena, options.count * sizeof(struct yaml_node *));
        if (*option)
            memcpy(*option, options.node, options.count * sizeof(struct yaml_node *));
        else
            status = no_memory(error);
    }
    free(options.node);
    return status;
}
