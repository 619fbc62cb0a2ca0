/* What an entry of `figures:` may say: checked when the experiment is read, and again against what was run. */
#include <string.h>

#include "figure_internal.h"
#include "registry.h"
#include "yaml_tree.h"

size_t figure_words(const struct yaml_node *node, const char *word[], size_t most)
{
    if (!node)
        return 0;
    if (node->kind == YAML_SCALAR) {
        word[0] = node->text;
        return 1;
    }
    size_t count = 0;
    for (size_t i = 0; i < node->count && count < most; i++)
        if (node->entry[i].value->kind == YAML_SCALAR)
            word[count++] = node->entry[i].value->text;
    return count;
}

enum status figure_find_type(const struct yaml_node *node, const struct figure_type **type, struct error *error)
{
    const char *names[FIGURE_TYPES];
    const struct yaml_entry *entry = yaml_find(node, "figure");
    const struct yaml_node *said = entry ? entry->value : node;
    const char *name = said->kind == YAML_SCALAR ? said->text : "";
    for (size_t i = 0; i < FIGURE_TYPES; i++) {
        names[i] = figure_type[i].name;
        if (strcmp(names[i], name) == 0) {
            *type = &figure_type[i];
            return STATUS_OK;
        }
    }
    name_unknown(error, "figure", name, names, FIGURE_TYPES);
    return yaml_place(said, error);
}

/* Those of curves: the last two belong to types of their own. */
static size_t curve_abscissae(const char *names[FIGURE_ABSCISSAE])
{
    size_t count = 0;
    for (; strcmp(figure_abscissa[count].said, "rate") != 0; count++)
        names[count] = figure_abscissa[count].said;
    return count;
}

enum status figure_find_x(const char *said, const char **column, struct error *error)
{
    const char *names[FIGURE_ABSCISSAE];
    size_t count = curve_abscissae(names);
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], said) == 0) {
            *column = figure_abscissa[i].column;
            return STATUS_OK;
        }
    return name_unknown(error, "abscissa", said, names, count);
}

enum status figure_find_metric(const char *name, unsigned metrics, struct error *error)
{
    const char *names[METRIC_COUNT];
    size_t count = 0;
    for (size_t m = 0; m < METRIC_COUNT; m++)
        if (metrics & 1u << m) {
            names[count++] = metric_info[m].name;
            if (strcmp(metric_info[m].name, name) == 0)
                return STATUS_OK;
        }
    return name_unknown(error, "recorded metric", name, names, count);
}

static enum status find_theory(const char *name, struct error *error)
{
    const char *names[FIGURE_GUIDES];
    for (size_t i = 0; i < FIGURE_GUIDES; i++) {
        names[i] = figure_guide[i].name;
        if (strcmp(names[i], name) == 0)
            return STATUS_OK;
    }
    return name_unknown(error, "theory", name, names, FIGURE_GUIDES);
}

/* One word of x, y, metric or theory. */
static enum status check_word(const struct figure_type *type, const char *key, const struct yaml_node *node,
                              const struct figure_runs *runs, struct error *error)
{
    char found[80];
    const char *column = "";
    const bool map = type->script == script_map;
    size_t word;
    if (node->kind != YAML_SCALAR)
        return yaml_error(node, STATUS_USAGE, error,
                          "%s of a figure has the entry %s, but must be a name or a list of them", key,
                          yaml_describe(node, found, sizeof found));
    enum status status = STATUS_OK;
    if (map && (strcmp(key, "x") == 0 || strcmp(key, "y") == 0))
        status = figure_map_find_axis(node->text, &word, error);
    else if (strcmp(key, "x") == 0)
        status = figure_find_x(node->text, &column, error);
    else if (strcmp(key, "y") == 0 || strcmp(key, "metric") == 0)
        status = figure_find_metric(node->text, runs ? runs->metrics : (1u << METRIC_COUNT) - 1, error);
    else
        status = find_theory(node->text, error);
    if (status != STATUS_OK)
        return yaml_place(node, error);
    if (runs && runs->packed && strcmp(column, "train_seconds_mean") == 0)
        return yaml_error(node, STATUS_USAGE, error, FIGURE_NEEDS_SOLO);
    return STATUS_OK;
}

/* The words of all keys but the type; runs NULL: nothing is known of them yet. */
static enum status check_words(const struct figure_type *type, const struct yaml_node *node,
                               const struct figure_runs *runs, struct error *error)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; node->kind == YAML_MAPPING && i < node->count; i++) {
        const struct yaml_node *value = node->entry[i].value;
        if (strcmp(node->entry[i].key, "figure") == 0)
            continue;
        if (value->kind != YAML_SEQUENCE)
            status = check_word(type, node->entry[i].key, value, runs, error);
        for (size_t j = 0; value->kind == YAML_SEQUENCE && status == STATUS_OK && j < value->count; j++)
            status = check_word(type, node->entry[i].key, value->entry[j].value, runs, error);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

/* NULL: the key goes with that type, else what it goes with. */
static const char *not_with(const struct figure_type *type, const char *key)
{
    const bool curves = type->script == script_curves, map = type->script == script_map;
    if (strcmp(key, "figure") == 0)
        return NULL;
    if (strcmp(key, "metric") == 0)
        return map ? NULL : "map";
    if (strcmp(key, "x") == 0)
        return curves || map ? NULL : "loss_vs_steps or map";
    if (strcmp(key, "y") == 0)
        return type->estimator ? "loss_vs_steps or map and those of last values" : NULL;
    return curves ? NULL : "loss_vs_steps";
}

/* The axes of a map: one abscissa, and ordinates other than it. */
static enum status check_axes(const struct yaml_node *node, struct error *error)
{
    const struct yaml_entry *x = yaml_find(node, "x"), *y = yaml_find(node, "y");
    const char *word[FIGURE_ABSCISSAE], *abscissa = x ? x->value->text : "rate";
    if (x && x->value->kind != YAML_SCALAR)
        return yaml_error(x->value, STATUS_USAGE, error, "x of a map must be one name");
    for (size_t i = figure_words(y ? y->value : NULL, word, FIGURE_ABSCISSAE); i-- > 0;)
        if (strcmp(word[i], abscissa) == 0)
            return yaml_error(y->value, STATUS_USAGE, error, "x and y of a map are both %s", abscissa);
    return STATUS_OK;
}

enum status figure_check(const struct yaml_node *node, struct error *error)
{
    static const char *const keys[] = {"figure", "x", "y", "theory", "metric"};
    enum { KEYS = sizeof keys / sizeof *keys };
    const struct figure_type *type;
    if (node->kind == YAML_MAPPING && !yaml_find(node, "figure"))
        return yaml_error(node, STATUS_USAGE, error, "a figure's mapping needs its type: {figure: loss_vs_steps, ...}");
    enum status status = figure_find_type(node, &type, error);
    for (size_t i = 0; node->kind == YAML_MAPPING && status == STATUS_OK && i < node->count; i++) {
        const char *key = node->entry[i].key;
        struct yaml_node place = *node->entry[i].value;
        place.line = node->entry[i].line;
        place.column = node->entry[i].column;
        size_t k = 0;
        while (k < KEYS && strcmp(keys[k], key) != 0)
            k++;
        if (k == KEYS) {
            name_unknown(error, "key of a figure", key, keys, KEYS);
            return yaml_place(&place, error);
        }
        const char *with = not_with(type, key);
        if (with)
            return yaml_error(&place, STATUS_USAGE, error, "%s goes with the figure %s, not with %s", key, with,
                              type->name);
    }
    if (status == STATUS_OK)
        status = check_words(type, node, NULL, error);
    return status == STATUS_OK && type->script == script_map ? check_axes(node, error) : status;
}

enum status figure_check_runs(const struct yaml_node *node, const struct figure_runs *runs, struct error *error)
{
    const struct figure_type *type;
    enum status status = figure_find_type(node, &type, error);
    if (status != STATUS_OK)
        return status;
    if (!(type->estimator ? runs->estimator : runs->training))
        return yaml_error(node, STATUS_USAGE, error, "the figure %s needs %s", type->name,
                          type->estimator ? "kind: estimator" : "kind: training");
    if (runs->moments && type->script == script_schedule)
        return yaml_error(node, STATUS_USAGE, error, FIGURE_NEEDS_RUNS);
    return check_words(type, node, runs, error);
}
