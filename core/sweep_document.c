/* The experiment's text to one tree: the file, the chosen profile merged over it, then --set. A change by name replaces
 * what the file says about that name, at top level or under sweep, and what excludes it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweep_internal.h"

static enum status no_memory(struct error *error)
{
    return error_memory(error, 0, "the configuration");
}

/* ---- editing the tree ---- */

static enum status append_entry(struct arena *arena, struct yaml_node *mapping, const char *key,
                                const struct place *place, struct yaml_node *value, struct error *error)
{
    struct yaml_entry *entry = arena_alloc(arena, (mapping->count + 1) * sizeof *entry);
    if (!entry)
        return no_memory(error);
    if (mapping->count)
        memcpy(entry, mapping->entry, mapping->count * sizeof *entry);
    entry[mapping->count++] = (struct yaml_entry){key, place->line, place->column, value};
    mapping->entry = entry;
    return STATUS_OK;
}

static void remove_entry(struct yaml_node *mapping, const struct yaml_entry *entry)
{
    size_t index = (size_t)(entry - mapping->entry);
    memmove(&mapping->entry[index], &mapping->entry[index + 1], (mapping->count - index - 1) * sizeof *entry);
    mapping->count--;
}

/* Is `prefix` the name itself (rest "") or a dotted beginning of it (rest: what follows)? */
static bool begins(const char *name, const char *prefix, const char **rest)
{
    size_t length = strlen(prefix);
    if (strncmp(name, prefix, length) != 0 || (name[length] && name[length] != '.'))
        return false;
    *rest = name[length] ? name + length + 1 : name + length;
    return true;
}

static void remove_at(struct yaml_node *node, const char *path)
{
    if (node->kind != YAML_MAPPING)
        return;
    for (size_t i = node->count; i-- > 0;) {
        const char *rest;
        if (!begins(path, node->entry[i].key, &rest))
            continue;
        if (*rest)
            remove_at(node->entry[i].value, rest);
        else
            remove_entry(node, &node->entry[i]);
    }
}

static struct yaml_node *sweep_node(const struct document *document)
{
    struct yaml_entry *entry = yaml_find(document->root, "sweep");
    return entry && entry->value->kind == YAML_MAPPING ? entry->value : NULL;
}

/* Removes the name and all below it from top level and sweep, and from inside of options. */
static void remove_everywhere(struct document *document, const char *name)
{
    struct yaml_node *sweep = sweep_node(document);
    remove_at(document->root, name);
    for (size_t i = sweep ? sweep->count : 0; i-- > 0;) {
        const char *rest;
        struct yaml_node *value = sweep->entry[i].value;
        if (begins(sweep->entry[i].key, name, &rest)) {
            remove_entry(sweep, &sweep->entry[i]);
        } else if (begins(name, sweep->entry[i].key, &rest)) {
            remove_at(value, rest);
            for (size_t j = 0; value->kind == YAML_SEQUENCE && j < value->count; j++)
                remove_at(value->entry[j].value, rest);
        }
    }
}

static void remove_excluded(struct document *document, const char *name)
{
    const char *const *set;
    for (size_t i = 0; (set = exclusive_set(i)); i++) {
        const char *rest;
        const char *const *member = set;
        while (*member && !begins(name, *member, &rest))
            member++;
        for (size_t j = 0; *member && set[j]; j++)
            if (&set[j] != member)
                remove_everywhere(document, set[j]);
    }
}

/* Puts the value at the path of every option of an axis. */
static enum status put_in_options(struct arena *arena, struct yaml_entry *axis, const char *path,
                                  struct yaml_node *value, const struct place *place, struct error *error)
{
    struct yaml_node *options = axis->value;
    if (options->kind != YAML_SEQUENCE) {
        axis->value = node_with(arena, options, path, value, place);
        return axis->value ? STATUS_OK : no_memory(error);
    }
    for (size_t i = 0; i < options->count; i++) {
        options->entry[i].value = node_with(arena, options->entry[i].value, path, value, place);
        if (!options->entry[i].value)
            return no_memory(error);
    }
    return STATUS_OK;
}

static const char *unshort(const char *name)
{
    return strcmp(name, "data_seed") == 0 ? "problem.data_seed" : name;
}

/* The file now says `name: value`, or sweeps it over value, whatever it said before. */
static enum status override(struct document *document, const char *name, struct yaml_node *value, bool as_axis,
                            const struct place *place, struct error *error)
{
    enum section_id section;
    const char *tail, *rest;
    bool setting = axis_resolve(name, &section, &tail);
    if (!setting && meta_find(name) < 0 && !begins(name, "margins", &rest))
        return axis_unknown(name, !as_axis, place, error);
    if (!setting && as_axis)
        return error_at(error, STATUS_USAGE, place->file, place->line, place->column, "%s can't be swept", name);
    if (setting) {
        if (strcmp(unshort(name), name) != 0)
            remove_everywhere(document, name);
        name = unshort(name);
        remove_excluded(document, name);
    }
    remove_everywhere(document, name);
    struct yaml_node *sweep = sweep_node(document);
    if (as_axis) {
        if (!sweep) {
            sweep = arena_alloc(&document->arena, sizeof *sweep);
            if (!sweep)
                return no_memory(error);
            *sweep = (struct yaml_node){
                .kind = YAML_MAPPING, .file = place->file, .line = place->line, .column = place->column};
            remove_at(document->root, "sweep");
            enum status status = append_entry(&document->arena, document->root, "sweep", place, sweep, error);
            if (status != STATUS_OK)
                return status;
        }
        return append_entry(&document->arena, sweep, name, place, value, error);
    }
    for (size_t i = 0; sweep && i < sweep->count; i++)
        if (begins(name, sweep->entry[i].key, &rest))
            return put_in_options(&document->arena, &sweep->entry[i], rest, value, place, error);
    /* In two steps: a scalar stands for a type only at the top of its section. */
    const char *key = arena_text(&document->arena, name, strcspn(name, "."));
    const struct yaml_entry *old = key ? yaml_find(document->root, key) : NULL;
    rest = name[strcspn(name, ".")] ? name + strcspn(name, ".") + 1 : "";
    value = key ? node_with(&document->arena, old ? old->value : NULL, rest, value, place) : NULL;
    document->root = value ? node_with(&document->arena, document->root, key, value, place) : NULL;
    return document->root ? STATUS_OK : no_memory(error);
}

/* ---- profiles ---- */

static const char *scalar_of(const struct yaml_node *node, const char *key)
{
    const struct yaml_entry *entry = yaml_find(node, key);
    return entry && entry->value->kind == YAML_SCALAR ? entry->value->text : NULL;
}

/* A mapping that names another method replaces the old one, with all its parameters. */
static bool another_type(const struct yaml_node *old, const struct yaml_node *new)
{
    static const char *const keys[] = {"type", "synthetic"};
    for (size_t i = 0; i < 2; i++) {
        const char *name = scalar_of(new, keys[i]), *before = scalar_of(old, keys[i]);
        if (!before && i == 0 && old->kind == YAML_SCALAR)
            before = old->text;
        if (name && (!before || strcmp(name, before) != 0))
            return true;
    }
    return false;
}

static enum status merge(struct document *document, const char *name, const struct yaml_entry *entry, const char *file,
                         struct error *error)
{
    struct yaml_node *new = entry->value, *sweep = sweep_node(document);
    const struct yaml_node *old = node_at(document->root, name);
    if (!old && sweep && yaml_find(sweep, name)) /* the options of the axis: each is changed, unless all are replaced */
        old = yaml_find(sweep, name)->value;
    struct place place = {file, entry->line, entry->column};
    bool whole = meta_find(name) >= 0 && strcmp(name, "margins") != 0; /* lists, of which one entry may stand alone */
    if (!old || whole || new->kind != YAML_MAPPING || another_type(old, new) ||
        (old->kind == YAML_SCALAR && new->count == 0))
        return override(document, name, new, false, &place, error);
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < new->count; i++) {
        size_t size = strlen(name) + strlen(new->entry[i].key) + 2;
        char *below = arena_alloc(&document->arena, size);
        if (!below)
            return no_memory(error);
        snprintf(below, size, "%s.%s", name, new->entry[i].key);
        status = merge(document, below, &new->entry[i], file, error);
    }
    return status;
}

static enum status apply_profile(struct document *document, const struct yaml_node *profile, struct error *error)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < profile->count; i++) {
        const struct yaml_entry *entry = &profile->entry[i];
        if (strcmp(entry->key, "sweep") != 0) {
            status = merge(document, entry->key, entry, profile->file, error);
            continue;
        }
        const struct yaml_node *sweep = entry->value;
        if (sweep->kind != YAML_MAPPING)
            return yaml_error(sweep, STATUS_USAGE, error, "sweep must be a mapping from settings to lists of values");
        for (size_t j = 0; status == STATUS_OK && j < sweep->count; j++) {
            struct place place = {sweep->file, sweep->entry[j].line, sweep->entry[j].column};
            status = override(document, sweep->entry[j].key, sweep->entry[j].value, true, &place, error);
        }
    }
    return status;
}

/* Every key of the top level, or of a profile, must mean something. */
static enum status check_keys(const struct yaml_node *mapping, const char *where, bool profile, struct error *error)
{
    if (mapping->kind != YAML_MAPPING)
        return yaml_error(mapping, STATUS_USAGE, error, "%s must be a mapping from names to values", where);
    for (size_t i = 0; i < mapping->count; i++) {
        const struct yaml_entry *entry = &mapping->entry[i];
        struct place place = {mapping->file, entry->line, entry->column};
        enum section_id section;
        const char *tail;
        bool setting = axis_resolve(entry->key, &section, &tail);
        if (!profile && setting && strchr(entry->key, '.'))
            return error_at(error, STATUS_USAGE, place.file, place.line, place.column,
                            "'%.80s': a dotted path may stand under sweep and in profiles; here write a mapping",
                            entry->key);
        int meta = meta_find(entry->key);
        if (!setting && (meta < 0 || (profile && (meta == META_PROFILES || meta == META_EXPERIMENT))))
            return axis_unknown(entry->key, true, &place, error);
    }
    return STATUS_OK;
}

static enum status use_profile(struct document *document, const char *chosen, struct error *error)
{
    enum { NAMES_MAX = 34 };
    static const char *const always[] = {"quick", "full"};
    const struct yaml_entry *profiles = yaml_find(document->root, "profiles");
    const struct yaml_node *found = NULL;
    const char *names[NAMES_MAX];
    size_t count = 0;
    if (profiles && profiles->value->kind != YAML_MAPPING)
        return yaml_error(profiles->value, STATUS_USAGE, error, "profiles must be a mapping from names to changes");
    for (size_t i = 0; profiles && i < profiles->value->count; i++) {
        const struct yaml_entry *entry = &profiles->value->entry[i];
        enum status status = check_keys(entry->value, "a profile", true, error);
        if (status != STATUS_OK)
            return status;
        if (count + 2 < NAMES_MAX && strcmp(entry->key, always[0]) != 0 && strcmp(entry->key, always[1]) != 0)
            names[count++] = entry->key;
        if (chosen && strcmp(entry->key, chosen) == 0)
            found = entry->value;
    }
    if (found)
        return apply_profile(document, found, error);
    if (!chosen || strcmp(chosen, always[0]) == 0 || strcmp(chosen, always[1]) == 0)
        return STATUS_OK;
    for (size_t i = 0; i < 2; i++)
        names[count++] = always[i];
    enum status status = name_unknown(error, "profile", chosen, names, count);
    return profiles ? yaml_place(profiles->value, error) : yaml_place(document->root, status ? error : NULL);
}

/* ---- --set ---- */

/* KEY=V[,V...]: the key, and the values read as a YAML list that begins where the = stands, so that columns are right.
 */
static enum status split_set(struct document *document, const char *set, char **key, const char **file,
                             struct yaml_node **list, struct error *error)
{
    const char *equals = strchr(set, '=');
    char *shown = arena_alloc(&document->arena, strlen(set) + 7);
    if (!shown)
        return no_memory(error);
    sprintf(shown, "--set %s", set);
    *file = shown;
    if (!equals || equals == set || !equals[1])
        return error_at(error, STATUS_USAGE, shown, 0, 0, "KEY=VALUE[,VALUE...] is expected");
    size_t key_length = (size_t)(equals - set), length = strlen(set) + 1;
    *key = arena_text(&document->arena, set, key_length);
    char *text = arena_alloc(&document->arena, length + 1);
    if (!*key || !text)
        return no_memory(error);
    memset(text, ' ', key_length);
    sprintf(text + key_length, "[%s]", equals + 1);
    enum status status = yaml_parse(text, length, shown, &document->arena, list, error);
    if (status == STATUS_OK && ((*list)->kind != YAML_SEQUENCE || (*list)->count == 0))
        return error_at(error, STATUS_USAGE, shown, 0, 0, "KEY=VALUE[,VALUE...] is expected");
    return status;
}

/* A text is taken as it stands, with its commas. */
static enum status set_text(struct document *document, const char *key, const char *text, const struct place *place,
                            struct error *error)
{
    struct yaml_node *node = arena_alloc(&document->arena, sizeof *node);
    if (!node)
        return no_memory(error);
    *node = (struct yaml_node){.kind = YAML_SCALAR, .file = place->file, .line = 1, .column = strlen(key) + 2};
    node->quoted = true;
    node->text = arena_string(&document->arena, text);
    return node->text ? override(document, key, node, false, place, error) : no_memory(error);
}

static enum status apply_set(struct document *document, const char *set, struct error *error)
{
    char *key = NULL;
    const char *file = NULL;
    struct yaml_node *list = NULL;
    enum status status = split_set(document, set, &key, &file, &list, error);
    if (status != STATUS_OK)
        return status;
    const struct place place = {file, 1, 1};
    int meta = meta_find(key);
    if (meta == META_SWEEP || meta == META_PROFILES)
        return error_at(error, STATUS_USAGE, file, 0, 0, "%s can't be set: name the setting itself", key);
    if (meta >= 0 && meta_at((enum meta_id)meta)->form == FORM_TEXT)
        return set_text(document, key, set + strlen(key) + 1, &place, error);
    struct yaml_node *first = list->entry[0].value;
    bool takes_list = setting_takes_list(key) || (meta >= 0 && meta_at((enum meta_id)meta)->form == FORM_LIST);
    if (takes_list) { /* one value: V,V and [V,V] mean the same, and so do 5 and [5] */
        double number;
        bool alone = list->count == 1 && (first->kind != YAML_SCALAR || !number_parse(first->text, &number));
        return override(document, key, alone ? first : list, false, &place, error);
    }
    if (list->count == 1 && first->kind == YAML_SEQUENCE)
        list = first; /* KEY=[V,V] */
    first = list->count ? list->entry[0].value : list;
    bool several = list->count != 1 || yaml_find(first, "logspace") || yaml_find(first, "linspace");
    return override(document, key, several ? list : first, several, &place, error);
}

/* ---- the file ---- */

static enum status read_text(const char *path, char **out, size_t *length, struct error *error)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return error_at(error, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, path, 0, 0, "cannot be opened: %s",
                        strerror(errno));
    char *text = malloc(YAML_TEXT_MAX + 2);
    enum status status = text ? STATUS_OK : error_memory(error, YAML_TEXT_MAX, "the configuration");
    if (text) {
        *length = fread(text, 1, YAML_TEXT_MAX + 1, file);
        text[*length] = '\0';
        if (ferror(file))
            status = error_at(error, STATUS_IO, path, 0, 0, "cannot be read: %s", strerror(errno));
        else if (*length > YAML_TEXT_MAX)
            status = error_at(error, STATUS_USAGE, path, 0, 0, "a configuration may have at most 1 MiB");
    }
    fclose(file);
    *out = text;
    return status;
}

enum status document_read(const char *path, const struct sweep_options *options, struct document *document,
                          struct error *error)
{
    size_t length = 0;
    const char *file = arena_string(&document->arena, path);
    if (!file)
        return no_memory(error);
    enum status status = STATUS_OK;
    if (!options->text)
        status = read_text(path, &document->text, &length, error);
    else if ((document->text = strdup(options->text)))
        length = strlen(document->text);
    else
        status = no_memory(error);
    if (status == STATUS_OK)
        status = yaml_parse(document->text, length, file, &document->arena, &document->root, error);
    if (status == STATUS_OK)
        status = check_keys(document->root, "an experiment", false, error);
    if (status == STATUS_OK)
        status = use_profile(document, options->profile, error);
    for (size_t i = 0; status == STATUS_OK && i < options->set_count; i++)
        status = apply_set(document, options->set[i], error);
    return status;
}

void document_free(struct document *document)
{
    for (size_t i = 0; i < document->figure_count; i++)
        free(document->figure[i]);
    free(document->text);
    arena_free(&document->arena);
    *document = (struct document){0};
}
