/* `laws:` and `margins:`: which laws an experiment is to be held against, of which of its cells each entry speaks, and
 * what is expected. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "laws/law.h"
#include "sweep_internal.h"

static const struct param margin_rows[] = {
    {.name = "value", .kind = PARAM_REAL, .fallback = 0.02, .min = 0, .min_open = true, .max = 10},
    {.name = "slope", .kind = PARAM_REAL, .fallback = 0.02, .min = 0, .min_open = true, .max = 10},
};
static const struct param own_margins[] = {
    {.name = "margin", .kind = PARAM_REAL, .fallback = NAN, .min = 0, .min_open = true, .max = 10},
    {.name = "slope_margin", .kind = PARAM_REAL, .fallback = NAN, .min = 0, .min_open = true, .max = 10},
};

static enum status no_memory(struct error *error)
{
    return error_memory(error, 0, "the laws of an experiment");
}

/* "unknown WHAT ..." at the place of the key. */
static enum status unknown_key(const struct yaml_node *mapping, size_t index, const char *what,
                               const char *const *names, size_t count, struct error *error)
{
    const struct yaml_entry *entry = &mapping->entry[index];
    enum status status = name_unknown(error, what, entry->key, names, count);
    if (error) {
        snprintf(error->file, sizeof error->file, "%s", entry->value->file);
        error->line = entry->line;
        error->column = entry->column;
    }
    return status;
}

/* ---- margins ---- */

static enum status read_margins(const struct document *document, double margin[2], struct error *error)
{
    static const char *const names[] = {"value", "slope"};
    const struct yaml_entry *entry = yaml_find(document->root, "margins");
    const struct yaml_node *node = entry ? entry->value : NULL;
    char found[80];
    for (size_t i = 0; i < 2; i++)
        margin[i] = margin_rows[i].fallback;
    if (!node)
        return STATUS_OK;
    if (node->kind != YAML_MAPPING)
        return yaml_error(node, STATUS_USAGE, error, "margins is %s, but must be {value: RELATIVE, slope: DIFFERENCE}",
                          yaml_describe(node, found, sizeof found));
    for (size_t i = 0; i < node->count; i++) {
        int row = param_find(margin_rows, 2, node->entry[i].key);
        if (row < 0)
            return unknown_key(node, i, "key of margins", names, 2, error);
        enum status status = param_parse(&margin_rows[row], node->entry[i].value, &margin[row], error);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

/* ---- entries ---- */

enum entry_key { KEY_LAW, KEY_EXPECT, KEY_NOTE, KEY_MARGIN, KEY_SLOPE_MARGIN, KEY_INSTANCE, KEY_WHERE, KEY_COUNT };
static const char *const entry_keys[KEY_COUNT] = {"law",          "expect",   "note", "margin",
                                                  "slope_margin", "instance", "where"};

static enum status read_text(const char *name, const struct yaml_node *node, const char **out, struct error *error)
{
    char found[80];
    if (node->kind != YAML_SCALAR || yaml_is_null(node) || !node->text[0])
        return yaml_error(node, STATUS_USAGE, error, "%s is %s, but must be a text", name,
                          yaml_describe(node, found, sizeof found));
    *out = node->text;
    return STATUS_OK;
}

static enum status read_expected(const struct yaml_node *node, enum verdict *out, struct error *error)
{
    const char *const names[] = {verdict_name(VERDICT_CONFIRMED), verdict_name(VERDICT_REFUTED),
                                 verdict_name(VERDICT_INCONCLUSIVE)};
    const char *text = "";
    enum status status = read_text("expect", node, &text, error);
    if (status != STATUS_OK || verdict_parse(text, out))
        return status;
    name_unknown(error, "verdict", text, names, sizeof names / sizeof *names);
    return yaml_place(node, error);
}

static enum status read_parameter(struct law_said *said, size_t index, struct error *error)
{
    const struct method *method = &said->entry.type->method;
    const struct yaml_entry *entry = &said->node->entry[index];
    int row = param_find(method->params, method->param_count, entry->key);
    if (row >= 0)
        return param_parse(&method->params[row], entry->value, &said->entry.values.scalar[row], error);
    const char *names[KEY_COUNT + PARAMS_MAX];
    char what[100];
    memcpy(names, entry_keys, sizeof entry_keys);
    for (size_t i = 0; i < method->param_count; i++)
        names[KEY_COUNT + i] = method->params[i].name;
    snprintf(what, sizeof what, "key of the law %.60s:", method->name);
    return unknown_key(said->node, index, what, names, KEY_COUNT + method->param_count, error);
}

static enum status read_key(struct law_said *said, size_t index, struct error *error)
{
    const struct yaml_entry *at = &said->node->entry[index];
    struct law_entry *entry = &said->entry;
    size_t key = 0;
    while (key < KEY_COUNT && strcmp(entry_keys[key], at->key) != 0)
        key++;
    switch (key) {
    case KEY_LAW:
    case KEY_WHERE: /* laws_bind */
        return STATUS_OK;
    case KEY_EXPECT:
        return read_expected(at->value, &entry->expected, error);
    case KEY_NOTE:
        return read_text(at->key, at->value, &entry->note, error);
    case KEY_INSTANCE:
        return read_text(at->key, at->value, &entry->instance, error);
    case KEY_MARGIN:
        return param_parse(&own_margins[0], at->value, &entry->margin_value, error);
    case KEY_SLOPE_MARGIN:
        return param_parse(&own_margins[1], at->value, &entry->margin_slope, error);
    default:
        return read_parameter(said, index, error);
    }
}

static enum status check_entry(const struct law_said *said, struct error *error)
{
    const struct law_entry *entry = &said->entry;
    const struct method *method = &entry->type->method;
    char bounds[256];
    if (entry->expected != VERDICT_CONFIRMED && !*entry->note)
        return yaml_error(yaml_find(said->node, "expect")->value, STATUS_USAGE, error,
                          "a law that is expected to be %s needs a note that says why: note: TEXT",
                          verdict_name(entry->expected));
    for (size_t i = 0; i < method->param_count; i++)
        if (method->params[i].required && isnan(entry->values.scalar[i]))
            return yaml_error(said->node, STATUS_USAGE, error, "the law %s needs %s: %s (%s)", method->name,
                              method->params[i].name, method->params[i].help,
                              param_bounds(&method->params[i], bounds, sizeof bounds));
    return STATUS_OK;
}

static enum status read_entry(const struct yaml_node *node, const double margin[2], struct law_said *said,
                              struct error *error)
{
    const struct yaml_entry *law = yaml_find(node, "law");
    char found[80];
    if (!law || law->value->kind != YAML_SCALAR || yaml_is_null(law->value))
        return yaml_error(node, STATUS_USAGE, error, "an entry of laws must be {law: NAME, ...}, but is %s",
                          node->kind == YAML_MAPPING ? "a mapping without a law's name"
                                                     : yaml_describe(node, found, sizeof found));
    const struct method *method = registry_find(METHOD_LAW, law->value->text, error);
    if (!method)
        return yaml_place(law->value, error);
    *said = (struct law_said){.node = node,
                              .entry = {.type = (const struct law_type *)method,
                                        .note = "",
                                        .instance = "",
                                        .margin_value = margin[0],
                                        .margin_slope = margin[1]}};
    param_defaults(method->params, method->param_count, &said->entry.values);
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < node->count; i++)
        status = read_key(said, i, error);
    return status == STATUS_OK ? check_entry(said, error) : status;
}

enum status laws_read(struct document *document, struct error *error)
{
    const struct yaml_entry *laws = yaml_find(document->root, "laws");
    struct yaml_node *node = laws ? laws->value : NULL;
    double margin[2];
    enum status status = read_margins(document, margin, error);
    if (status != STATUS_OK || !node || yaml_is_null(node))
        return status;
    const struct yaml_entry alone = {.value = node};
    const struct yaml_entry *entry = node->kind == YAML_SEQUENCE ? node->entry : &alone;
    const size_t count = node->kind == YAML_SEQUENCE ? node->count : 1;
    document->law = arena_alloc(&document->arena, (count + 1) * sizeof *document->law);
    if (!document->law)
        return no_memory(error);
    document->law_count = count;
    for (size_t i = 0; status == STATUS_OK && i < count; i++)
        status = read_entry(entry[i].value, margin, &document->law[i], error);
    return status;
}

/* ---- where ---- */

static bool same_scalar(const struct yaml_node *a, const struct yaml_node *b)
{
    double x, y;
    if (!a->quoted && !b->quoted && number_parse(a->text, &x) && number_parse(b->text, &y))
        return fabs(x - y) <= 1e-9 * fabs(x); /* logspace makes values that nobody types */
    return strcmp(a->text, b->text) == 0;
}

/* Is `node` what was asked for? A name stands for a mapping of that type, and a mapping for all that have its entries;
 * lists must be equal: where: {problem.hidden: [[64], [64, 32]]}. */
static bool fits(const struct yaml_node *wanted, const struct yaml_node *node)
{
    static const char *const heads[] = {"type", "synthetic"};
    if (!node || (wanted->kind == YAML_SEQUENCE) != (node->kind == YAML_SEQUENCE))
        return false;
    if (wanted->kind == YAML_SEQUENCE) {
        bool same = wanted->count == node->count;
        for (size_t i = 0; i < wanted->count && same; i++)
            same = fits(wanted->entry[i].value, node->entry[i].value);
        return same;
    }
    if (wanted->kind == YAML_SCALAR && node->kind == YAML_SCALAR)
        return same_scalar(wanted, node);
    if (wanted->kind == YAML_SCALAR || node->kind == YAML_SCALAR) {
        const struct yaml_node *mapping = wanted->kind == YAML_MAPPING ? wanted : node;
        const struct yaml_node *name = wanted->kind == YAML_MAPPING ? node : wanted;
        if (mapping == wanted && mapping->count != 1)
            return false;
        for (size_t i = 0; i < 2; i++) {
            const struct yaml_entry *entry = yaml_find(mapping, heads[i]);
            if (entry && fits(name, entry->value))
                return true;
        }
        return false;
    }
    for (size_t i = 0; i < wanted->count; i++) {
        const struct yaml_entry *entry = yaml_find(node, wanted->entry[i].key);
        if (!entry || !fits(wanted->entry[i].value, entry->value))
            return false;
    }
    return true;
}

/* What a section says at the path; without a word, the name of its method. */
static const struct yaml_node *said_at(const struct section_value *value, const char *tail, struct yaml_node *scratch)
{
    const struct yaml_node *node = node_at(value->node, tail);
    if (node || !value->method || (*tail && strcmp(tail, "type") != 0))
        return node;
    *scratch = (struct yaml_node){.kind = YAML_SCALAR, .text = value->method->name};
    return scratch;
}

/* "unknown value", with those there are. */
static enum status no_such_value(const struct section_table *table, const char *name, const char *tail,
                                 const struct yaml_node *wanted, struct error *error)
{
    char list[400] = "";
    size_t used = 0;
    char *last = NULL;
    for (size_t i = 0; i < table->count && used < sizeof list; i++) {
        struct yaml_node scratch;
        const struct yaml_node *node = said_at(&table->value[i], tail, &scratch);
        struct json json = {0};
        if (!node)
            continue;
        yaml_json(node, false, &json);
        char *text = json_take(&json);
        if (text && !(last && strcmp(last, text) == 0))
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", text);
        free(last);
        last = text;
    }
    free(last);
    return yaml_error(wanted, STATUS_USAGE, error, "where: no cell has %s as asked here; there are: %s", name,
                      *list ? list : "only defaults");
}

static enum status bind_condition(struct sweep *sweep, const struct yaml_node *where, size_t index,
                                  struct law_where *out, struct error *error)
{
    const struct yaml_entry *entry = &where->entry[index];
    struct arena *arena = &sweep->document.arena;
    const struct place place = {where->file, entry->line, entry->column};
    const char *tail;
    if (!axis_resolve(entry->key, &out->section, &tail))
        return axis_unknown(entry->key, false, &place, error);
    const struct section_table *table = &sweep->section[out->section];
    const struct yaml_entry alone = {.value = entry->value};
    const bool several = entry->value->kind == YAML_SEQUENCE;
    const struct yaml_entry *value = several ? entry->value->entry : &alone;
    bool any = false;
    out->holds = arena_alloc(arena, table->count * sizeof *out->holds);
    if (!out->holds)
        return no_memory(error);
    for (size_t i = 0; i < (several ? entry->value->count : 1); i++) {
        struct yaml_node *wanted = value[i].value;
        if (strcmp(entry->key, "momentum") == 0) {
            enum status status = update_of_momentum(arena, wanted, &wanted, error);
            if (status != STATUS_OK)
                return status;
        }
        for (size_t c = 0; c < table->count; c++) {
            struct yaml_node scratch;
            if (fits(wanted, said_at(&table->value[c], tail, &scratch)))
                out->holds[c] = any = true;
        }
    }
    return any ? STATUS_OK : no_such_value(table, entry->key, tail, entry->value, error);
}

static enum status bind_entry(struct sweep *sweep, size_t index, struct error *error)
{
    struct law_said *said = &sweep->document.law[index];
    const struct yaml_entry *entry = yaml_find(said->node, "where");
    const struct yaml_node *where = entry ? entry->value : NULL;
    if (!where)
        return STATUS_OK;
    if (where->kind != YAML_MAPPING)
        return yaml_error(where, STATUS_USAGE, error,
                          "where must be a mapping from settings to values: {sampling: subset}");
    said->where = arena_alloc(&sweep->document.arena, (where->count + 1) * sizeof *said->where);
    if (!said->where)
        return no_memory(error);
    for (size_t i = 0; i < where->count; i++) {
        enum status status = bind_condition(sweep, where, i, &said->where[i], error);
        if (status != STATUS_OK)
            return status;
        said->where_count = i + 1;
    }
    for (size_t cell = 0; cell < sweep->cells; cell++)
        if (sweep_law_applies(sweep, index, cell))
            return STATUS_OK;
    return yaml_error(where, STATUS_USAGE, error, "where: no cell meets all these conditions");
}

enum status laws_bind(struct sweep *sweep, struct error *error)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < sweep->document.law_count; i++)
        status = bind_entry(sweep, i, error);
    return status;
}

size_t sweep_law_count(const struct sweep *sweep)
{
    return sweep->document.law_count;
}

const struct law_entry *sweep_law(const struct sweep *sweep, size_t index)
{
    return &sweep->document.law[index].entry;
}

bool sweep_law_applies(const struct sweep *sweep, size_t index, size_t cell)
{
    const struct law_said *said = &sweep->document.law[index];
    size_t combination[SECTION_COUNT];
    sweep_combinations(sweep, cell, combination);
    for (size_t i = 0; i < said->where_count; i++)
        if (!said->where[i].holds[combination[said->where[i].section]])
            return false;
    return true;
}
