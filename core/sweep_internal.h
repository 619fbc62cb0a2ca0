/* Shared by the files of the sweep: sweep_document.c (text, profile and overrides to one tree), sweep_axes.c (the tree
 * to sections and axes, lists to options), sweep_data.c (data sets and problems, each once), sweep_cell.c (numbers of
 * one cell) and sweep.c (opening, closing, looking up). */
#ifndef SGDLAB_SWEEP_INTERNAL_H
#define SGDLAB_SWEEP_INTERNAL_H

#include "section.h"
#include "sweep.h"

enum { AXES_MAX = 32, CELLS_MAX = 10000000 };

/* The place of a key. */
struct place {
    const char *file;
    size_t line, column;
};

struct axis {
    const char *name; /* as the user wrote it */
    enum section_id section;
    const char *tail; /* the path inside the section, "": all of it */
    struct place place;
    struct yaml_node **option;
    size_t count;
    size_t stride; /* cells from one option to the next */
    size_t combination_stride;
};

/* One condition of an entry's `where:`. */
struct law_where {
    enum section_id section;
    bool *holds; /* [combinations of the section] */
};

/* One entry of `laws:` as it stands. */
struct law_said {
    struct law_entry entry;
    const struct yaml_node *node;
    struct law_where *where;
    size_t where_count;
};

/* One experiment file, merged and taken apart. */
struct document {
    struct arena arena;
    char *text;
    struct yaml_node *root;
    struct yaml_node *base[SECTION_COUNT]; /* NULL: not given at top level */
    struct axis axis[AXES_MAX];
    size_t axis_count;
    const char *name, *question;
    double replicates, seed;
    enum keep keep;
    const char **independent; /* paths, short forms resolved */
    size_t independent_count;
    char **figure; /* canonical JSON, malloc'ed */
    size_t figure_count;
    struct law_said *law;
    size_t law_count;
};

/* A section's values, one for each combination of the options of its axes. */
struct section_table {
    struct section_value *value;
    size_t count;
};

struct opened_data {
    char *key; /* canonical text of the specification */
    struct data_spec spec;
    struct dataset *data;
};

struct opened_problem {
    struct problem problem;
    struct reference *reference; /* NULL until solved */
    const struct data_spec *spec;
    const struct yaml_node *node; /* where it first stood */
    bool needs_optimum;           /* something starts or freezes at x* */
    size_t number;
};

struct kept_grid {
    uint64_t steps;
    size_t points;
    enum record_spacing spacing;
    struct record_grid grid;
};

struct sweep {
    struct document document;
    struct section_table section[SECTION_COUNT];
    char *experiment_dir;
    struct data_search search;
    size_t cells, replicates;
    uint64_t seed;
    struct opened_data **data;
    size_t data_count;
    struct opened_problem **problem;
    size_t problem_count;
    void *problem_tree, *grid_tree; /* tsearch */
};

/* Reads the file at path and applies profile and overrides. Fills document->text and root. */
enum status document_read(const char *path, const struct sweep_options *options, struct document *document,
                          struct error *error);
void document_free(struct document *document);

/* Everything else of the document from its root. */
enum status document_take_apart(struct document *document, const char *path, struct error *error);

/* sweep_axes.c. What a dotted name means: its section and the path inside; false: no such setting. */
bool axis_resolve(const char *name, enum section_id *section, const char **tail);
/* STATUS_USAGE with all that may stand there: settings, and at top level what a file says about itself. */
enum status axis_unknown(const char *name, bool top_level, const struct place *place, struct error *error);
/* The options that a value of `sweep` stands for: lists and logspace expanded, also inside mappings. */
enum status axis_expand(struct arena *arena, const char *path, struct yaml_node *node, struct yaml_node ***option,
                        size_t *count, struct error *error);
/* A copy of `node` (NULL: none) in which `value` stands at the dotted path; a scalar on the way becomes {type: scalar}
 * at the top, and gives way below. NULL: out of memory. */
struct yaml_node *node_with(struct arena *arena, const struct yaml_node *node, const char *path,
                            const struct yaml_node *value, const struct place *place);
/* The node at a dotted path, or NULL; "type" of a scalar is the scalar. */
const struct yaml_node *node_at(const struct yaml_node *node, const char *path);

/* sweep_data.c. The data set and the problem of a parsed problem section, opened now or found again; sets
 * value->problem. */
enum status sweep_open_problem(struct sweep *sweep, struct section_value *value, struct error *error);
/* From now on it is an error if that problem turns out to have no optimum. */
void sweep_need_optimum(struct sweep *sweep, const struct problem *problem);
void sweep_close_problems(struct sweep *sweep);

/* sweep_laws.c. `margins:` and `laws:`, all but `where:`; and that, once the sections are parsed. */
enum status laws_read(struct document *document, struct error *error);
enum status laws_bind(struct sweep *sweep, struct error *error);

/* `momentum: B` as an update: 0 is sgd, anything else heavy_ball. */
enum status update_of_momentum(struct arena *arena, const struct yaml_node *node, struct yaml_node **out,
                               struct error *error);
/* The combination of its axes' options that each section has in a cell. */
void sweep_combinations(const struct sweep *sweep, size_t cell, size_t combination[SECTION_COUNT]);

/* sweep_cell.c. All of a cell but its grid. */
enum status sweep_resolve(const struct sweep *sweep, size_t cell, struct run_config *out, struct error *error);

/* cell.c. Drops what has no effect: see cell_json. */
void config_canonical(struct run_config *config);

#endif
