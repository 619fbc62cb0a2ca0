/* The lists of methods, and look-up by name. A method is a const descriptor at the foot of its own file; adding one is
 * that file plus one line in registry_list.h. */
#ifndef SGDLAB_REGISTRY_H
#define SGDLAB_REGISTRY_H

#include <stddef.h>

#include "error.h"
#include "param.h"

/* First member of every descriptor (struct problem_type, sampler_type, ...), so that the lists can be walked alike. */
struct method {
    const char *name;
    const char *summary;        /* one line: what it does, with its formula and source */
    unsigned revision;          /* raised whenever the numbers this method produces change: part of every run's key */
    const struct param *params; /* its table, NULL when it has none */
    size_t param_count;
};

enum method_kind {
    METHOD_PROBLEM,
    METHOD_SAMPLER,
    METHOD_SCHEDULE,
    METHOD_UPDATE,
    METHOD_AVERAGER,
    METHOD_SYNTHETIC,
    METHOD_LAW,
    METHOD_KIND_COUNT
};

/* "problem", "sampler", ...; plural as in `sgdlab list problems`. */
const char *method_kind_name(enum method_kind kind);
const char *method_kind_plural(enum method_kind kind);

size_t registry_count(enum method_kind kind);
const struct method *registry_at(enum method_kind kind, size_t index);

/* The method of that name, or NULL with STATUS_USAGE in error: what was found, the valid names, the nearest one. */
const struct method *registry_find(enum method_kind kind, const char *name, struct error *error);

/* STATUS_USAGE: "unknown WHAT 'NAME' (did you mean 'NEAREST'?); valid: ...". */
enum status name_unknown(struct error *error, const char *what, const char *name, const char *const *names,
                         size_t count);

/* The nearest of count names by edit distance (insertions, deletions, substitutions, transpositions; each costs 1), or
 * NULL when none is within a third of the name's length (at least 2). */
const char *nearest_name(const char *name, const char *const *names, size_t count);

#endif
