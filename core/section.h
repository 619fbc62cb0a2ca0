/* One section of an experiment (settings.h), read from its node into numbers and methods. What depends on the data's n
 * or on the length of an epoch is kept as `deferred` and becomes a number when a cell is resolved. */
#ifndef SGDLAB_SECTION_H
#define SGDLAB_SECTION_H

#include "config.h"
#include "expression.h"
#include "settings.h"
#include "yaml_tree.h"

enum deferred_target { DEFER_SETTING, DEFER_PARAM, DEFER_LIST };

struct deferred {
    enum deferred_target target;
    size_t index;                        /* of the setting or parameter */
    const struct param *param;           /* its row: bounds are checked again when the number is known */
    const struct expression *expression; /* in n and m; NULL: the number that stands there counts epochs */
    const struct yaml_node *node;
};

/* What a problem says in words. */
struct problem_words {
    const char *data; /* a name or a path, NULL: synthetic */
    const struct synthetic_type *synthetic;
    struct param_values values; /* of the synthetic data */
    const char *positive, *target;
    struct start start;
    size_t start_count; /* entries of a start that is a list */
};

struct section_value {
    const struct yaml_node *node; /* NULL: nothing was said, all is default */
    const struct method *method;  /* NULL: the section has none, or none was given and there is no default */
    double param[PARAMS_MAX];     /* the method's */
    size_t list_count;
    const double *list;
    double *setting;               /* one for each row of the section */
    const struct yaml_node **said; /* the node of each row that was given, else NULL */
    size_t deferred_count;
    const struct deferred *deferred;
    bool rate_is_c;              /* inverse_time given as c/(t + t0): the rate is c/t0 */
    struct problem_words *words; /* SECTION_PROBLEM */
    size_t problem;              /* SECTION_PROBLEM: its number among the sweep's problems (sweep_data.c) */
    uint64_t group;              /* hash of the values that independent_over names in this section, 0: none */
};

/* Reads node (NULL: all default) into out. Memory comes from the arena, which must live as long as node does. Errors
 * have the place of what is wrong. */
enum status section_parse(enum section_id id, const struct yaml_node *node, struct arena *arena,
                          struct section_value *out, struct error *error);

/* The place for an error about a section or one of its settings: the setting's node if it was given, else the
 * section's, else fallback. */
const struct yaml_node *section_place(const struct section_value *value, size_t setting,
                                      const struct yaml_node *fallback);

/* One value of a row that is not deferred: for settings outside of sections. */
enum status param_parse(const struct param *param, const struct yaml_node *node, double *out, struct error *error);

#endif
