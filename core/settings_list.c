/* The listing of settings and methods that `sgdlab list` prints and the documentation is made from. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
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

static void list_methods(FILE *out, enum method_kind kind)
{
    char text[512];
    for (size_t i = 0; i < registry_count(kind); i++) {
        const struct method *method = registry_at(kind, i);
        fprintf(out, "  %-24s %s\n", method->name, method->summary);
        for (size_t j = 0; j < method->param_count; j++)
            list_param(out, method->params[j].name, param_describe(&method->params[j], text, sizeof text),
                       method->params[j].help);
    }
}

static void list_section(FILE *out, const struct section *section)
{
    char text[512];
    fprintf(out, "  %-24s %s", section->name, section->help);
    if (section->method >= 0) {
        fprintf(out, "; type: one of the %s, ", method_kind_plural((enum method_kind)section->method));
        fprintf(out, section->type ? "default %s" : "must be given", section->type);
    }
    fprintf(out, "\n");
    for (size_t i = 0; i < section->count; i++) {
        const struct setting *setting = &section->setting[i];
        const char *name = section->single ? "" : setting->param.name;
        list_param(out, name, setting_describe(setting, text, sizeof text), setting->param.help);
    }
}

static void list_settings(FILE *out)
{
    char text[512];
    for (size_t i = 0; i < META_COUNT; i++) {
        const struct setting *setting = meta_at((enum meta_id)i);
        fprintf(out, "  %-24s %s; %s\n", setting->param.name, setting->param.help,
                setting_describe(setting, text, sizeof text));
    }
    for (size_t i = 0; i < SECTION_COUNT; i++)
        list_section(out, section_at((enum section_id)i));
    for (size_t i = 0; i < short_form_count(); i++) {
        const struct short_form *form = short_form_at(i);
        fprintf(out, "  %-24s short for %s: %s\n", form->name, form->meaning, form->help);
    }
}

static void list_topic(FILE *out, size_t index)
{
    fprintf(out, "%s:\n", settings_topic(index));
    if (index < METHOD_KIND_COUNT)
        list_methods(out, (enum method_kind)index);
    else if (index == TOPIC_SETTINGS)
        list_settings(out);
    else
        for (size_t i = 0; i < METRIC_COUNT; i++)
            fprintf(out, "  %-24s %s: %s\n", metric_info[i].name, metric_info[i].label, metric_info[i].help);
}

/* The plural, or the same without its s. */
static bool topic_matches(const char *topic, const char *name)
{
    size_t length = strlen(topic);
    if (strcmp(topic, name) == 0)
        return true;
    return topic[length - 1] == 's' && strlen(name) == length - 1 && strncmp(topic, name, length - 1) == 0;
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
    size_t length;
    FILE *out = open_memstream(text, &length);
    if (!out)
        return error_memory(error, 0, "a listing");
    for (size_t i = 0; i < TOPIC_COUNT; i++)
        if (!topic || i == chosen)
            list_topic(out, i);
    bool failed = ferror(out) != 0;
    if (fclose(out) == 0 && !failed)
        return STATUS_OK;
    free(*text);
    *text = NULL;
    return error_memory(error, 0, "a listing");
}
