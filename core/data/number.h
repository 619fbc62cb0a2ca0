/* Decimal text to the nearest double, exactly as strtod in the C locale does, without its cost in the common case: up
 * to 19 digits whose value is at most 2^53, times or over a power of ten up to 10^22, are two exact doubles and one
 * correctly rounded operation (Clinger, "How to read floating point numbers accurately", PLDI 1990). Anything else goes
 * to strtod_l. */
#ifndef SGDLAB_NUMBER_H
#define SGDLAB_NUMBER_H

#include <float.h>
#include <locale.h>
#include <stdbool.h>
#include <stdint.h>

enum { NUMBER_LENGTH_MAX = 400 }; /* characters of one number; also bounds the time spent on it */

enum number_kind {
    NUMBER_OK,
    NUMBER_NONE,     /* no number starts here; *end is the offending character */
    NUMBER_NAN,      /* nan in any case, with a sign or not */
    NUMBER_INFINITE, /* inf or infinity, likewise */
    NUMBER_RANGE,    /* finite text, larger than the largest double */
    NUMBER_LONG,     /* more than NUMBER_LENGTH_MAX characters */
};

/* Reads [+-] digits [. digits] [e [+-] digits] (at least one digit before the e) at text, which a NUL must end
 * somewhere. *end is the first character that is not part of the number. locale: from newlocale(LC_ALL_MASK, "C", 0).
 */
enum number_kind number_read_slowly(const char *text, locale_t locale, const char **end, double *value);

static inline bool number_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* The same, fast where it can be. */
static inline enum number_kind number_read(const char *text, locale_t locale, const char **end, double *value)
{
    static const double power[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                   1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const char *at = text + (*text == '-' || *text == '+'), *first = at;
    uint64_t digits = 0; /* wraps above 19 digits, which are then read slowly */
    for (; number_digit(*at); at++)
        digits = 10 * digits + (uint64_t)(*at - '0');
    long count = at - first, exponent = 0;
    if (*at == '.') {
        const char *fraction = ++at;
        for (; number_digit(*at); at++)
            digits = 10 * digits + (uint64_t)(*at - '0');
        exponent = fraction - at;
        count -= exponent;
    }
    if ((*at == 'e' || *at == 'E') && count) {
        at++;
        bool negative = *at == '-';
        at += negative || *at == '+';
        const char *power_digits = at;
        long written = 0;
        for (; number_digit(*at) && at - power_digits < 4; at++)
            written = 10 * written + (*at - '0');
        if (at == power_digits || number_digit(*at))
            return number_read_slowly(text, locale, end, value); /* 1e, 1e+ and 1e12345 */
        exponent += negative ? -written : written;
    }
    /* FLT_EVAL_METHOD: where doubles are computed in wider registers the one operation would be rounded twice. */
    if (FLT_EVAL_METHOD != 0 || count < 1 || count > 19 || digits > (1ULL << 53) || exponent < -22 || exponent > 22)
        return number_read_slowly(text, locale, end, value);
    double magnitude = (double)digits;
    magnitude = exponent < 0 ? magnitude / power[-exponent] : magnitude * power[exponent];
    *value = *text == '-' ? -magnitude : magnitude;
    *end = at;
    return NUMBER_OK;
}

#endif
