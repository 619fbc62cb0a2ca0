/* The listing of settings and methods that `sgdlab list` prints and the documentation is made from. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "laws/law.h"
#include "record.h"
#include "settings.h"

static const char *fallback_text(const struct param *param, char text[NUMBER_TEXT_MAX])
{
    if (param->kind == PARAM_CHOICE)
        return param->choices[(size_t)param->fallback];
    if (param->kind == PARAM_BOOL)
        return param->fallback != 0.0 ? "true" : "false";
    number_text(text, param->fallback);
    return text;
}

static void append(char *text, size_t size, const char *a, const char *b)
{
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%s%s", a, b);
}

static void describe_unit(const struct param *param, char *text, size_t size)
{
    if (!param->unit || !param->unit[0])
        return;
    append(text, size, ", in ", param->unit);
    if (strcmp(param->unit, "steps") == 0)
        append(text, size, " or as {epochs: E}", "");
}

const char *param_describe(const struct param *param, char *text, size_t size)
{
    char number[NUMBER_TEXT_MAX];
    param_bounds(param, text, size);
    describe_unit(param, text, size);
    if (param->kind == PARAM_LIST)
        append(text, size, ", default none", "");
    else if (param->required)
        append(text, size, ", must be given", "");
    else
        append(text, size, ", default ", fallback_text(param, number));
    return text;
}

const char *setting_describe(const struct setting *setting, char *text, size_t size)
{
    const char *fallback = setting->fallback_text;
    if (setting->form == FORM_PARAM && !fallback)
        return param_describe(&setting->param, text, size);
    text[0] = '\0';
    if (setting->form == FORM_PARAM) {
        param_bounds(&setting->param, text, size);
        describe_unit(&setting->param, text, size);
    } else {
        static const char *const forms[] = {
            [FORM_TEXT] = "a text",    [FORM_DATA] = "a name or a mapping", [FORM_START] = "a start",
            [FORM_METRICS] = "a list", [FORM_LIST] = "a list or a mapping",
        };
        append(text, size, forms[setting->form], "");
    }
    if (setting->param.required)
        append(text, size, ", must be given", "");
    else if (fallback)
        append(text, size, ", default ", fallback);
    return text;
}

/* ---- topics ---- */

enum { TOPIC_SETTINGS = METHOD_KIND_COUNT, TOPIC_METRICS, TOPIC_COUNT };

const char *settings_topic(size_t index)
{
    if (index < METHOD_KIND_COUNT)
        return index == METHOD_SYNTHETIC ? "synthetic" : method_kind_plural((enum method_kind)index);
    return index == TOPIC_SETTINGS ? "settings" : index == TOPIC_METRICS ? "metrics" : NULL;
}

static void list_param(FILE *out, const char *name, const char *description, const char *help)
{
    fprintf(out, "    %-20s %s%s%s\n", name, help ? help : "", help && *help ? "; " : "", description);
}

static void list_method(FILE *out, enum method_kind kind, const struct method *method)
{
    char text[512];
    fprintf(out, "  %-24s ", method->name);
    if (kind == METHOD_LAW) { /* its first member is the method */
        const struct law_type *law = (const struct law_type *)method;
        fprintf(out, "%s, %s; source: %s\n    ", law->number, law->title, law->source);
    }
    fprintf(out, "%s\n", method->summary);
    for (size_t j = 0; j < method->param_count; j++)
        list_param(out, method->params[j].name, param_describe(&method->params[j], text, sizeof text),
                   method->params[j].help);
}

static void list_setting(FILE *out, const struct setting *setting)
{
    char text[512];
    list_param(out, setting->param.name, setting_describe(setting, text, sizeof text), setting->param.help);
}

/* A setting that is a top-level key. */
static void list_key(FILE *out, const struct setting *setting)
{
    char text[512];
    fprintf(out, "  %-24s %s; %s\n", setting->param.name, setting->param.help,
            setting_describe(setting, text, sizeof text));
}

static void list_section(FILE *out, const struct section *section)
{
    if (section->single) {
        list_key(out, &section->setting[0]);
        return;
    }
    fprintf(out, "  %-24s %s", section->name, section->help);
    if (section->method >= 0) {
        fprintf(out, "; type: one of the %s, ", method_kind_plural((enum method_kind)section->method));
        fprintf(out, section->type ? "default %s" : "must be given", section->type);
    }
    fprintf(out, "\n");
    for (size_t i = 0; i < section->count; i++)
        list_setting(out, &section->setting[i]);
}

/* A listing under way: of all, or of the entries of one name. */
struct listing {
    FILE *out;
    const char *name;    /* NULL: all */
    const char *heading; /* still to be printed, before the first entry */
};

/* Is the entry wanted? Its heading is printed then. */
static bool wanted(struct listing *listing, const char *entry)
{
    if (listing->name && strcmp(listing->name, entry) != 0)
        return false;
    if (listing->heading)
        fprintf(listing->out, "%s:\n", listing->heading);
    listing->heading = NULL;
    return true;
}

static void list_settings(struct listing *listing)
{
    FILE *out = listing->out;
    for (size_t i = 0; i < META_COUNT; i++)
        if (wanted(listing, meta_at((enum meta_id)i)->param.name))
            list_key(out, meta_at((enum meta_id)i));
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        const struct section *section = section_at((enum section_id)i);
        if (wanted(listing, section->name)) {
            list_section(out, section);
            continue;
        }
        for (size_t j = 0; !section->single && j < section->count; j++)
            if (wanted(listing, section->setting[j].param.name)) {
                fprintf(out, "  in %s:\n", section->name);
                list_setting(out, &section->setting[j]);
            }
    }
    for (size_t i = 0; i < short_form_count(); i++) {
        const struct short_form *form = short_form_at(i);
        if (wanted(listing, form->name))
            fprintf(out, "  %-24s short for %s: %s\n", form->name, form->meaning, form->help);
    }
}

static void list_topic(struct listing *listing, size_t index)
{
    listing->heading = settings_topic(index);
    if (index == TOPIC_SETTINGS)
        list_settings(listing);
    for (size_t i = 0; index < METHOD_KIND_COUNT && i < registry_count((enum method_kind)index); i++) {
        const struct method *method = registry_at((enum method_kind)index, i);
        if (wanted(listing, method->name))
            list_method(listing->out, (enum method_kind)index, method);
    }
    for (size_t i = 0; index == TOPIC_METRICS && i < METRIC_COUNT; i++)
        if (wanted(listing, metric_info[i].name))
            fprintf(listing->out, "  %-24s %s: %s\n", metric_info[i].name, metric_info[i].label, metric_info[i].help);
}

/* The plural, or the same without its s. */
static bool topic_matches(const char *topic, const char *name)
{
    size_t length = strlen(topic);
    if (strcmp(topic, name) == 0)
        return true;
    return topic[length - 1] == 's' && strlen(name) == length - 1 && strncmp(topic, name, length - 1) == 0;
}

/* The entries of topics first to last, all with name NULL. */
static enum status list_topics(size_t first, size_t last, const char *name, char **text, struct error *error)
{
    size_t length;
    *text = NULL;
    struct listing listing = {.out = open_memstream(text, &length), .name = name};
    if (!listing.out)
        return error_memory(error, 0, "a listing");
    for (size_t i = first; i <= last; i++)
        list_topic(&listing, i);
    bool failed = ferror(listing.out) != 0;
    if (fclose(listing.out) == 0 && !failed)
        return STATUS_OK;
    free(*text);
    *text = NULL;
    return error_memory(error, 0, "a listing");
}

enum status settings_list(const char *topic, char **text, struct error *error)
{
    const char *names[TOPIC_COUNT];
    size_t chosen = TOPIC_COUNT;
    for (size_t i = 0; i < TOPIC_COUNT; i++) {
        names[i] = settings_topic(i);
        if (topic && topic_matches(names[i], topic))
            chosen = i;
    }
    *text = NULL;
    if (topic && chosen == TOPIC_COUNT)
        return name_unknown(error, "kind", topic, names, TOPIC_COUNT);
    return list_topics(topic ? chosen : 0, topic ? chosen : TOPIC_COUNT - 1, NULL, text, error);
}

enum status settings_look_up(const char *name, char **text, struct error *error)
{
    return list_topics(0, TOPIC_COUNT - 1, name, text, error);
}
