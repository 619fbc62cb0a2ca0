/* The general path of number.h: the grammar by hand, the value by strtod_l. */
#include "data/number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *skip_digits(const char *at)
{
    while (number_digit(*at))
        at++;
    return at;
}

static bool word(const char *at, const char *name, locale_t locale, const char **end)
{
    size_t length = strlen(name);
    if (strncasecmp_l(at, name, length, locale))
        return false;
    *end = at + length;
    return true;
}

enum number_kind number_read_slowly(const char *text, locale_t locale, const char **end, double *value)
{
    const char *at = text + (*text == '-' || *text == '+');
    if (word(at, "nan", locale, end))
        return NUMBER_NAN;
    if (word(at, "infinity", locale, end) || word(at, "inf", locale, end))
        return NUMBER_INFINITE;
    const char *first = at;
    at = skip_digits(at);
    bool any = at > first;
    if (*at == '.') {
        first = ++at;
        at = skip_digits(at);
        any = any || at > first;
    }
    if (any && (*at == 'e' || *at == 'E')) {
        at += at[1] == '-' || at[1] == '+' ? 2 : 1;
        first = at;
        at = skip_digits(at);
        any = at > first;
    }
    *end = at;
    if (!any)
        return NUMBER_NONE;
    if (at - text > NUMBER_LENGTH_MAX)
        return NUMBER_LONG;
    *value = strtod_l(text, NULL, locale);
    return isfinite(*value) ? NUMBER_OK : NUMBER_RANGE;
}
