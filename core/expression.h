/* Arithmetic on n, the number of training samples, and m, the samples in a step, where a configuration asks for a
 * count: numbers, n, m, + - * / and parentheses. Parsed once, evaluated for every data set and batch size. */
#ifndef SGDLAB_EXPRESSION_H
#define SGDLAB_EXPRESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

enum { EXPRESSION_STEPS_MAX = 32 };

struct expression {
    size_t count;
    struct {
        char action; /* '#' push number, 'n' push n, 'm' push m, + - * / on the two on top, '~' negate */
        double number;
    } step[EXPRESSION_STEPS_MAX];
    bool uses_n, uses_m;
    bool literal; /* nothing but one number */
};

/* STATUS_USAGE says what is wrong; *offset (0-based, may be NULL) is the character where. */
enum status expression_parse(const char *text, struct expression *out, size_t *offset, struct error *error);

/* The value in doubles: not finite after a division by zero. */
double expression_value(const struct expression *expression, double n, double m);

/* The value as a count: rounded down (within 1e-12, so that 0.29*n is 29 for n = 100), at least 1. NaN where the value
 * is not finite. */
double expression_count(const struct expression *expression, double n, double m);

#endif
