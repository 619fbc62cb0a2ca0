/* Parameter tables: defaults, bounds and their wording. */
#include "param.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/number.h"
#include "json.h"

void param_defaults(const struct param *params, size_t count, struct param_values *values)
{
    *values = (struct param_values){0};
    for (size_t i = 0; i < count && i < PARAMS_MAX; i++)
        values->scalar[i] = params[i].required && params[i].kind != PARAM_LIST ? NAN : params[i].fallback;
}

int param_find(const struct param *params, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(params[i].name, name) == 0)
            return (int)i;
    return -1;
}

bool number_parse(const char *text, double *value)
{
    const char *end;
    locale_t locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!locale)
        return false;
    enum number_kind kind = number_read(text, locale, &end, value);
    freelocale(locale);
    return kind == NUMBER_OK && *end == '\0';
}

/* No bounds: the row leaves both at 0, or at infinity. */
static bool bounded_below(const struct param *param)
{
    return isfinite(param->min) && !(param->min == 0.0 && param->max == 0.0);
}

static bool bounded_above(const struct param *param)
{
    return isfinite(param->max) && !(param->min == 0.0 && param->max == 0.0);
}

const char *param_bounds(const struct param *param, char *text, size_t size)
{
    char low[NUMBER_TEXT_MAX], high[NUMBER_TEXT_MAX];
    number_text(low, param->min);
    number_text(high, param->max);
    const char *above = param->min_open ? ">" : ">=", *below = param->max_open ? "<" : "<=";
    size_t used = 0;
    text[0] = '\0';
    switch (param->kind) {
    case PARAM_BOOL:
        snprintf(text, size, "true or false");
        return text;
    case PARAM_CHOICE:
        for (size_t i = 0; param->choices[i] && used < size; i++)
            used += (size_t)snprintf(text + used, size - used, "%s%s", i ? " | " : "", param->choices[i]);
        return text;
    case PARAM_REAL:
        used = (size_t)snprintf(text, size, "a number");
        break;
    case PARAM_COUNT:
        used = (size_t)snprintf(text, size, "a whole number");
        break;
    case PARAM_LIST:
        used = (size_t)snprintf(text, size, "%s list of whole numbers", param->any_order ? "a" : "an increasing");
        break;
    }
    if (bounded_below(param) && used < size)
        used += (size_t)snprintf(text + used, size - used, " %s %s", above, low);
    if (bounded_above(param) && used < size)
        snprintf(text + used, size - used, "%s %s %s", bounded_below(param) ? " and" : "", below, high);
    return text;
}

/* The wording of a value: a choice by its name. */
static const char *value_text(const struct param *param, double value, char text[NUMBER_TEXT_MAX])
{
    if (param->kind == PARAM_BOOL)
        return value != 0.0 ? "true" : "false";
    number_text(text, value);
    return text;
}

enum status param_check(const struct param *param, double value, struct error *error)
{
    bool good;
    if (param->kind == PARAM_CHOICE) {
        size_t count = 0;
        while (param->choices[count])
            count++;
        good = value >= 0.0 && value < (double)count && value == floor(value);
    } else if (param->kind == PARAM_BOOL) {
        good = value == 0.0 || value == 1.0;
    } else {
        good = isfinite(value) || (param->kind == PARAM_REAL && value == param->fallback && isinf(value));
        if (param->kind != PARAM_REAL)
            good = good && value == floor(value);
        if (bounded_below(param))
            good = good && (param->min_open ? value > param->min : value >= param->min);
        if (bounded_above(param))
            good = good && (param->max_open ? value < param->max : value <= param->max);
    }
    if (good)
        return STATUS_OK;
    char bounds[256], number[NUMBER_TEXT_MAX];
    return error_set(error, STATUS_USAGE, "%s is %s, but must be %s", param->name, value_text(param, value, number),
                     param_bounds(param, bounds, sizeof bounds));
}
