/* One table row per parameter. The row drives parsing, bounds checks, `sgdlab list`, the stored canonical text and the
 * documentation, so none of them can drift from the others. */
#ifndef SGDLAB_PARAM_H
#define SGDLAB_PARAM_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

enum param_kind {
    PARAM_REAL,   /* a finite number */
    PARAM_COUNT,  /* a whole number; in YAML also an expression in n and m (n/4: floors, at least 1) or, for steps,
                   * {epochs: E}
                   */
    PARAM_BOOL,   /* stored as 0 or 1 */
    PARAM_CHOICE, /* one of `choices`; stored as its index */
    PARAM_LIST,   /* a list of counts, increasing unless `any_order`; at most one such parameter in a method */
};

enum { PARAMS_MAX = 8, PARAM_LIST_MAX = 32 };

struct param {
    const char *name;
    const char *unit; /* "", "steps", "samples", ... as shown to the user */
    enum param_kind kind;
    bool required;   /* no default: must be given */
    double fallback; /* the default */
    double min, max; /* bounds, both inclusive unless the flags below say open */
    bool min_open, max_open;
    bool any_order;             /* PARAM_LIST: entries need not increase */
    const char *const *choices; /* PARAM_CHOICE: NULL-terminated */
    const char *help;           /* one line */
};

/* The values of one method's parameters, in the order of its table. */
struct param_values {
    double scalar[PARAMS_MAX];
    size_t list_count;
    double list[PARAM_LIST_MAX];
};

/* Fills the defaults (required parameters become NaN). */
void param_defaults(const struct param *params, size_t count, struct param_values *values);

/* STATUS_USAGE with the name, the value found and the bounds that hold, when value is outside them. */
enum status param_check(const struct param *param, double value, struct error *error);

/* What the row allows, in words: "a number > 0 and <= 1", "keep | drop". Both bounds left at 0, or infinite: none.
 * Returns text. */
const char *param_bounds(const struct param *param, char *text, size_t size);

/* A finite number from all of text, in any locale; false when it is anything else. */
bool number_parse(const char *text, double *value);

/* Index of name in the table, or -1. */
int param_find(const struct param *params, size_t count, const char *name);

#endif
