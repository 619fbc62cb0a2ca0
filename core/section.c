/* Reading a section: its own settings by their rows, then the parameters of its method by theirs. */
#include "section.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "json.h"

enum { NAMES_MAX = PROBLEM_SETTINGS + PARAMS_MAX + 2, DEFERRED_MAX = PROBLEM_SETTINGS + PARAMS_MAX };

struct reading {
    const struct section *section;
    struct arena *arena;
    struct section_value *out;
    struct deferred deferred[DEFERRED_MAX];
    size_t deferred_count;
    struct error *error;
};

/* Where a value goes, in case it can't be known yet. */
struct slot {
    enum deferred_target target;
    size_t index;
};

static enum status no_memory(struct error *error)
{
    return error_memory(error, 0, "the configuration");
}

static enum status wrong_form(const struct param *param, const struct yaml_node *node, struct error *error)
{
    char found[80], bounds[256];
    yaml_describe(node, found, sizeof found);
    param_bounds(param, bounds, sizeof bounds);
    bool several = node->kind == YAML_SEQUENCE || yaml_find(node, "logspace") || yaml_find(node, "linspace");
    const char *hint = "";
    if (several && param->kind != PARAM_LIST)
        hint = "; several values belong under sweep";
    else if (node->kind == YAML_MAPPING && param->kind == PARAM_COUNT)
        hint = ", or {steps: S} or {epochs: E} where it counts steps";
    else if (node->kind == YAML_MAPPING && param->kind == PARAM_REAL)
        hint = "; in a sweep also {logspace: [from, to, count]} or {linspace: [from, to, count]}";
    return yaml_error(node, STATUS_USAGE, error, "%s is %s, but must be %s%s", param->name, found, bounds, hint);
}

static enum status checked(const struct param *param, double value, const struct yaml_node *node, struct error *error)
{
    if (param_check(param, value, error) == STATUS_OK)
        return STATUS_OK;
    return yaml_place(node, error);
}

static enum status defer(struct reading *reading, struct slot slot, const struct param *param,
                         const struct expression *expression, const struct yaml_node *node)
{
    reading->deferred[reading->deferred_count++] = (struct deferred){
        .target = slot.target, .index = slot.index, .param = param, .expression = expression, .node = node};
    return STATUS_OK;
}

/* A count: a whole number, or arithmetic; with n or m in it the value is deferred if `reading` allows, else refused. */
static enum status parse_count(struct reading *reading, const struct param *param, const struct yaml_node *node,
                               struct slot slot, double *out, struct error *error)
{
    if (node->quoted)
        return wrong_form(param, node, error);
    if (number_parse(node->text, out)) {
        if (node->computed)
            *out = nearbyint(*out);
        return checked(param, *out, node, error);
    }
    struct expression expression;
    size_t offset;
    if (yaml_is_null(node))
        return wrong_form(param, node, error);
    if (expression_parse(node->text, &expression, &offset, error) != STATUS_OK) {
        char reason[ERROR_MESSAGE_MAX];
        if (error)
            snprintf(reason, sizeof reason, "%s", error->message);
        return error_at(error, STATUS_USAGE, node->file, node->line, node->column + offset, "%s: %s", param->name,
                        error ? reason : "");
    }
    if (!expression.uses_n && !expression.uses_m) {
        *out = expression_count(&expression, 1.0, 1.0);
        return checked(param, *out, node, error);
    }
    if (!reading)
        return yaml_error(node, STATUS_USAGE, error, "%s is '%.60s', but %c is not known here: give a number",
                          param->name, node->text, expression.uses_n ? 'n' : 'm');
    struct expression *kept = arena_alloc(reading->arena, sizeof *kept);
    if (!kept)
        return no_memory(error);
    *kept = expression;
    return defer(reading, slot, param, kept, node);
}

static enum status parse_word(const struct param *param, const struct yaml_node *node, double *out, struct error *error)
{
    static const char *const truth[] = {"false", "true", "no", "yes", "off", "on", NULL};
    const char *const *words = param->kind == PARAM_BOOL ? truth : param->choices;
    size_t count = 0;
    for (; words[count]; count++) {
        if (strcmp(words[count], node->text) == 0) {
            *out = param->kind == PARAM_BOOL ? (double)(count % 2) : (double)count;
            return STATUS_OK;
        }
    }
    const char *nearest = nearest_name(node->text, words, count);
    if (!nearest)
        return wrong_form(param, node, error);
    char bounds[256];
    return yaml_error(node, STATUS_USAGE, error, "%s is '%.60s' (did you mean '%s'?), but must be %s", param->name,
                      node->text, nearest, param_bounds(param, bounds, sizeof bounds));
}

/* {epochs: E} or {steps: W} in place of a count of steps: the node of the number, and which of the two. */
static const struct yaml_node *counted_node(const struct param *param, const struct yaml_node *node, bool *epochs)
{
    *epochs = false;
    if (node->kind != YAML_MAPPING || node->count != 1 || !param->unit || strcmp(param->unit, "steps") != 0)
        return node;
    *epochs = strcmp(node->entry[0].key, "epochs") == 0;
    return *epochs || strcmp(node->entry[0].key, "steps") == 0 ? node->entry[0].value : node;
}

static enum status parse_number(struct reading *reading, const struct param *param, const struct yaml_node *node,
                                struct slot slot, double *out, struct error *error)
{
    bool epochs = false;
    if (reading)
        node = counted_node(param, node, &epochs);
    if (node->kind != YAML_SCALAR)
        return wrong_form(param, node, error);
    if (param->kind == PARAM_BOOL || param->kind == PARAM_CHOICE)
        return parse_word(param, node, out, error);
    if (epochs) {
        if (node->quoted || !number_parse(node->text, out) || *out < 0.0)
            return yaml_error(node, STATUS_USAGE, error, "%s is '%.60s' epochs, but must be a number >= 0", param->name,
                              node->text);
        return defer(reading, slot, param, NULL, node);
    }
    if (param->kind == PARAM_COUNT)
        return parse_count(reading, param, node, slot, out, error);
    if (isinf(param->fallback) && strcmp(node->text, "none") == 0) {
        *out = param->fallback;
        return STATUS_OK;
    }
    if (node->quoted || !number_parse(node->text, out))
        return wrong_form(param, node, error);
    return checked(param, *out, node, error);
}

enum status param_parse(const struct param *param, const struct yaml_node *node, double *out, struct error *error)
{
    return parse_number(NULL, param, node, (struct slot){DEFER_SETTING, 0}, out, error);
}

/* A list parameter of a method. */
static enum status parse_list(struct reading *reading, const struct param *param, const struct yaml_node *node,
                              size_t index)
{
    struct error *error = reading->error;
    bool epochs;
    node = counted_node(param, node, &epochs);
    if (node->kind == YAML_SEQUENCE && node->count == 0)
        return yaml_error(node, STATUS_USAGE, error, "%s is an empty list: leave it out if there are none",
                          param->name);
    if (node->kind != YAML_SEQUENCE)
        return wrong_form(param, node, error);
    if (node->count > PARAM_LIST_MAX)
        return yaml_error(node, STATUS_USAGE, error, "%s has %zu entries, at most %d are possible", param->name,
                          node->count, PARAM_LIST_MAX);
    double *list = arena_alloc(reading->arena, node->count * sizeof *list);
    if (!list)
        return no_memory(error);
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *item = node->entry[i].value;
        char found[80];
        if (item->kind != YAML_SCALAR || item->quoted || !number_parse(item->text, &list[i]))
            return yaml_error(item, STATUS_USAGE, error, "%s has the entry %s, but must be %s list of %s", param->name,
                              yaml_describe(item, found, sizeof found), param->any_order ? "a" : "an increasing",
                              epochs ? "numbers" : "whole numbers");
        enum status status = epochs ? STATUS_OK : checked(param, list[i], item, error);
        if (status != STATUS_OK)
            return status;
        if (i > 0 && !param->any_order && list[i] <= list[i - 1])
            return yaml_error(item, STATUS_USAGE, error, "%s must increase, but %.60s follows %.60s", param->name,
                              item->text, node->entry[i - 1].value->text);
    }
    reading->out->list = list;
    reading->out->list_count = node->count;
    return epochs ? defer(reading, (struct slot){DEFER_LIST, index}, param, NULL, node) : STATUS_OK;
}

/* ---- values in their own forms ---- */

static enum status parse_text(const struct param *param, const struct yaml_node *node, const char **out,
                              struct error *error)
{
    char found[80];
    if (node->kind != YAML_SCALAR || yaml_is_null(node))
        return yaml_error(node, STATUS_USAGE, error, "%s is %s, but must be a text", param->name,
                          yaml_describe(node, found, sizeof found));
    *out = node->text;
    return STATUS_OK;
}

static enum status unknown_key(const struct yaml_entry *entry, const char *what, const char *const *names, size_t count,
                               struct error *error)
{
    enum status status = name_unknown(error, what, entry->key, names, count);
    if (error) {
        snprintf(error->file, sizeof error->file, "%s", entry->value->file); /* --set may have put it there */
        error->line = entry->line;
        error->column = entry->column;
    }
    return status;
}

/* The method that `node` names. */
static enum status find_method(enum method_kind kind, const struct yaml_node *node, const struct method **out,
                               struct error *error)
{
    char found[80];
    if (node->kind != YAML_SCALAR || yaml_is_null(node))
        return yaml_error(node, STATUS_USAGE, error, "the type of a %s is a name, but here is %s",
                          method_kind_name(kind), yaml_describe(node, found, sizeof found));
    *out = registry_find(kind, node->text, error);
    return *out ? STATUS_OK : yaml_place(node, error);
}

static enum status check_required(const struct method *method, const double *value, const struct yaml_node *node,
                                  struct error *error)
{
    for (size_t i = 0; i < method->param_count; i++) {
        const struct param *param = &method->params[i];
        if (param->kind == PARAM_LIST || !param->required || !isnan(value[i]))
            continue;
        char bounds[256];
        return yaml_error(node, STATUS_USAGE, error, "%s needs %s: %s (%s)", method->name, param->name, param->help,
                          param_bounds(param, bounds, sizeof bounds));
    }
    return STATUS_OK;
}

static enum status parse_data(const struct yaml_node *node, struct problem_words *words, struct error *error)
{
    if (node->kind == YAML_SCALAR && !yaml_is_null(node)) {
        words->data = node->text;
        return STATUS_OK;
    }
    const struct yaml_entry *name = yaml_find(node, "synthetic");
    char found[80];
    if (!name)
        return yaml_error(node, STATUS_USAGE, error,
                          "data is %s, but must be a shipped name, a path, or {synthetic: NAME, ...}",
                          yaml_describe(node, found, sizeof found));
    const struct method *method;
    enum status status = find_method(METHOD_SYNTHETIC, name->value, &method, error);
    if (status != STATUS_OK)
        return status;
    words->synthetic = (const struct synthetic_type *)method;
    param_defaults(method->params, method->param_count, &words->values);
    for (size_t i = 0; status == STATUS_OK && i < node->count; i++) {
        const struct yaml_entry *entry = &node->entry[i];
        int index = param_find(method->params, method->param_count, entry->key);
        if (index >= 0) {
            status = param_parse(&method->params[index], entry->value, &words->values.scalar[index], error);
        } else if (strcmp(entry->key, "synthetic") != 0) {
            const char *names[PARAMS_MAX + 1] = {"synthetic"};
            for (size_t j = 0; j < method->param_count; j++)
                names[j + 1] = method->params[j].name;
            char what[100];
            snprintf(what, sizeof what, "key of the synthetic data %.60s:", method->name);
            status = unknown_key(entry, what, names, method->param_count + 1, error);
        }
    }
    return status == STATUS_OK ? check_required(method, words->values.scalar, node, error) : status;
}

static enum status parse_start(struct reading *reading, const struct yaml_node *node)
{
    static const char form[] =
        "zeros, {gaussian: S}, optimum, {optimum: OFFSET}, instance, initial or a list of numbers";
    static const struct {
        const char *word;
        enum start_kind kind;
    } alone[] = {
        {"zeros", START_ZEROS}, {"optimum", START_OPTIMUM}, {"instance", START_INSTANCE}, {"initial", START_INITIAL}};
    static const struct param gaussian = {.name = "gaussian", .kind = PARAM_REAL, .min = 0, .max = INFINITY};
    static const struct param offset = {.name = "optimum", .kind = PARAM_REAL};
    struct problem_words *words = reading->out->words;
    struct error *error = reading->error;
    char found[80];
    for (size_t i = 0; node->kind == YAML_SCALAR && i < sizeof alone / sizeof *alone; i++)
        if (strcmp(node->text, alone[i].word) == 0) {
            words->start.kind = alone[i].kind;
            return STATUS_OK;
        }
    if (node->kind == YAML_MAPPING && node->count == 1 && yaml_find(node, "gaussian")) {
        words->start.kind = START_GAUSSIAN;
        return param_parse(&gaussian, node->entry[0].value, &words->start.scale, error);
    }
    if (node->kind == YAML_MAPPING && node->count == 1 && yaml_find(node, "optimum")) {
        words->start.kind = START_OPTIMUM;
        return param_parse(&offset, node->entry[0].value, &words->start.scale, error);
    }
    if (node->kind != YAML_SEQUENCE || node->count == 0)
        return yaml_error(node, STATUS_USAGE, error, "start is %s, but must be %s",
                          yaml_describe(node, found, sizeof found), form);
    double *list = arena_alloc(reading->arena, node->count * sizeof *list);
    if (!list)
        return no_memory(error);
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *item = node->entry[i].value;
        if (item->kind != YAML_SCALAR || item->quoted || !number_parse(item->text, &list[i]))
            return yaml_error(item, STATUS_USAGE, error, "start has the entry %s, but must be %s",
                              yaml_describe(item, found, sizeof found), form);
    }
    words->start = (struct start){.kind = START_LIST, .list = list};
    words->start_count = node->count;
    return STATUS_OK;
}

static enum status parse_metrics(const struct yaml_node *node, double *out, struct error *error)
{
    const struct yaml_entry alone = {.value = (struct yaml_node *)node};
    const struct yaml_entry *entry = node->kind == YAML_SEQUENCE ? node->entry : &alone;
    size_t count = node->kind == YAML_SEQUENCE ? node->count : 1;
    const char *names[METRIC_COUNT];
    unsigned set = 0;
    for (size_t i = 0; i < METRIC_COUNT; i++)
        names[i] = metric_info[i].name;
    for (size_t i = 0; i < count; i++) {
        const struct yaml_node *item = entry[i].value;
        size_t metric = 0;
        while (item->kind == YAML_SCALAR && metric < METRIC_COUNT && strcmp(names[metric], item->text) != 0)
            metric++;
        char found[80];
        if (item->kind != YAML_SCALAR)
            return yaml_error(item, STATUS_USAGE, error, "metrics has the entry %s, but must be a list of names",
                              yaml_describe(item, found, sizeof found));
        if (metric == METRIC_COUNT) {
            name_unknown(error, "metric", item->text, names, METRIC_COUNT);
            return yaml_place(item, error);
        }
        if (set & 1u << metric)
            return yaml_error(item, STATUS_USAGE, error, "the metric %s stands here a second time", item->text);
        set |= 1u << metric;
    }
    if (set == 0)
        return yaml_error(node, STATUS_USAGE, error, "metrics is empty: name one at least, such as loss");
    *out = (double)set;
    return STATUS_OK;
}

/* ---- the section ---- */

static enum status parse_setting(struct reading *reading, size_t index, const struct yaml_node *node)
{
    const struct setting *setting = &reading->section->setting[index];
    struct section_value *out = reading->out;
    out->said[index] = node;
    switch (setting->form) {
    case FORM_PARAM:
        return parse_number(out->words ? NULL : reading, &setting->param, node, (struct slot){DEFER_SETTING, index},
                            &out->setting[index], reading->error);
    case FORM_TEXT:
        return parse_text(&setting->param, node,
                          index == PROBLEM_POSITIVE ? &out->words->positive : &out->words->target, reading->error);
    case FORM_DATA:
        return parse_data(node, out->words, reading->error);
    case FORM_START:
        return parse_start(reading, node);
    case FORM_METRICS:
        return parse_metrics(node, &out->setting[index], reading->error);
    case FORM_LIST:
        break;
    }
    return STATUS_OK;
}

/* A schedule that decays as t0/(t + t0) may be given by c = r t0. */
static bool takes_c(const struct method *method)
{
    return method && param_find(method->params, method->param_count, "rate") == 0 &&
           param_find(method->params, method->param_count, "t0") > 0;
}

static enum status unknown_setting(const struct reading *reading, const struct yaml_entry *entry)
{
    const struct section *section = reading->section;
    const struct method *method = reading->out->method;
    const char *names[NAMES_MAX];
    size_t count = 0;
    if (section->method >= 0)
        names[count++] = "type";
    for (size_t i = 0; method && i < method->param_count; i++)
        names[count++] = method->params[i].name;
    if (section->method == METHOD_SCHEDULE && takes_c(method))
        names[count++] = "c";
    for (size_t i = 0; i < section->count; i++)
        names[count++] = section->setting[i].param.name;
    char what[100];
    snprintf(what, sizeof what, "key of %s%s%.60s:", section->name, method ? " " : "", method ? method->name : "");
    return unknown_key(entry, what, names, count, reading->error);
}

/* The place is that of the member that stands later. */
static enum status check_exclusive(const struct reading *reading, const struct yaml_node *node)
{
    const char *const *set;
    size_t length = strlen(reading->section->name);
    for (size_t i = 0; (set = exclusive_set(i)); i++) {
        const char *seen = NULL;
        for (size_t j = 0; j < node->count; j++) {
            const struct yaml_entry *entry = &node->entry[j];
            bool member = false;
            for (size_t k = 0; set[k]; k++)
                member |= strncmp(set[k], reading->section->name, length) == 0 && set[k][length] == '.' &&
                          strcmp(set[k] + length + 1, entry->key) == 0;
            if (member && seen)
                return error_at(reading->error, STATUS_USAGE, entry->value->file, entry->line, entry->column,
                                "%s and %s exclude each other: give one", seen, entry->key);
            if (member)
                seen = entry->key;
        }
    }
    return STATUS_OK;
}

static enum status parse_entry(struct reading *reading, const struct yaml_entry *entry)
{
    const struct section *section = reading->section;
    struct section_value *out = reading->out;
    const struct method *method = out->method;
    for (size_t i = 0; i < section->count; i++)
        if (strcmp(section->setting[i].param.name, entry->key) == 0)
            return parse_setting(reading, i, entry->value);
    int index = method ? param_find(method->params, method->param_count, entry->key) : -1;
    if (index < 0 && section->method == METHOD_SCHEDULE && takes_c(method) && strcmp(entry->key, "c") == 0) {
        out->rate_is_c = true;
        index = 0;
    }
    if (index < 0)
        return unknown_setting(reading, entry);
    const struct param *param = &method->params[index];
    if (param->kind == PARAM_LIST)
        return parse_list(reading, param, entry->value, (size_t)index);
    out->param[index] = 0.0; /* given, if perhaps deferred */
    return parse_number(out->words ? NULL : reading, param, entry->value, (struct slot){DEFER_PARAM, (size_t)index},
                        &out->param[index], reading->error); /* a problem comes before its n is known */
}

static enum status parse_mapping(struct reading *reading, const struct yaml_node *node)
{
    const struct section *section = reading->section;
    struct section_value *out = reading->out;
    char found[80];
    if (node->kind != YAML_MAPPING) {
        bool several = node->kind == YAML_SEQUENCE;
        return yaml_error(node, STATUS_USAGE, reading->error, "%s is %s, but must be a mapping%s%s", section->name,
                          yaml_describe(node, found, sizeof found),
                          section->method >= 0 ? " or the name of a type" : "",
                          several ? "; several values belong under sweep" : "");
    }
    enum status status = check_exclusive(reading, node);
    for (size_t i = 0; status == STATUS_OK && i < node->count; i++)
        if (section->method < 0 || strcmp(node->entry[i].key, "type") != 0)
            status = parse_entry(reading, &node->entry[i]);
    if (status == STATUS_OK && out->method)
        status = check_required(out->method, out->param, node, reading->error);
    return status;
}

static enum status parse_type(struct reading *reading, const struct yaml_node *node)
{
    const struct section *section = reading->section;
    const struct yaml_entry *entry = yaml_find(node, "type");
    const struct yaml_node *name = entry ? entry->value : node && node->kind == YAML_SCALAR ? node : NULL;
    if (section->method < 0)
        return STATUS_OK;
    enum method_kind kind = (enum method_kind)section->method;
    struct section_value *out = reading->out;
    enum status status = STATUS_OK;
    if (name) {
        status = find_method(kind, name, &out->method, reading->error);
    } else if (section->type) {
        out->method = registry_find(kind, section->type, reading->error);
        status = out->method ? STATUS_OK : STATUS_USAGE;
    } else if (node && node->kind == YAML_MAPPING) {
        return yaml_error(node, STATUS_USAGE, reading->error, "%s needs a type: the name of a %s", section->name,
                          method_kind_name(kind));
    }
    if (status == STATUS_OK && out->method) {
        struct param_values values;
        param_defaults(out->method->params, out->method->param_count, &values);
        memcpy(out->param, values.scalar, sizeof out->param);
    }
    return status;
}

static enum status prepare(struct reading *reading, enum section_id id, const struct yaml_node *node)
{
    const struct section *section = reading->section;
    struct section_value *out = reading->out;
    *out = (struct section_value){.node = node};
    out->setting = arena_alloc(reading->arena, section->count * sizeof *out->setting);
    out->said = arena_alloc(reading->arena, section->count * sizeof *out->said);
    if (!out->setting || !out->said)
        return no_memory(reading->error);
    for (size_t i = 0; i < section->count; i++)
        out->setting[i] = section->setting[i].param.fallback;
    if (id == SECTION_RECORD)
        out->setting[RECORD_METRICS] = 1u << METRIC_LOSS | 1u << METRIC_GAP;
    if (id == SECTION_PROBLEM && !(out->words = arena_alloc(reading->arena, sizeof *out->words)))
        return no_memory(reading->error);
    return STATUS_OK;
}

enum status section_parse(enum section_id id, const struct yaml_node *node, struct arena *arena,
                          struct section_value *out, struct error *error)
{
    struct reading reading = {.section = section_at(id), .arena = arena, .out = out, .error = error};
    const struct section *section = reading.section;
    enum status status = prepare(&reading, id, node);
    if (status == STATUS_OK)
        status = parse_type(&reading, node);
    if (status != STATUS_OK || !node)
        return status;
    if (section->single)
        status = parse_setting(&reading, 0, node);
    else if (node->kind == YAML_SCALAR && !yaml_is_null(node) && section->method < 0 && section->shorthand >= 0)
        status = parse_setting(&reading, (size_t)section->shorthand, node);
    else if (node->kind == YAML_SCALAR && section->method >= 0)
        status = check_required(out->method, out->param, node, error);
    else
        status = parse_mapping(&reading, node);
    if (status != STATUS_OK || reading.deferred_count == 0)
        return status;
    struct deferred *deferred = arena_alloc(arena, reading.deferred_count * sizeof *deferred);
    if (!deferred)
        return no_memory(error);
    memcpy(deferred, reading.deferred, reading.deferred_count * sizeof *deferred);
    out->deferred = deferred;
    out->deferred_count = reading.deferred_count;
    return STATUS_OK;
}

const struct yaml_node *section_place(const struct section_value *value, size_t setting,
                                      const struct yaml_node *fallback)
{
    if (value->node && setting < PROBLEM_SETTINGS && value->said && value->said[setting])
        return value->said[setting];
    return value->node ? value->node : fallback;
}
