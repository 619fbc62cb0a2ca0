/* Inside the figures: what figure.c (which figure, which cells), figure_label.c (words) and figure_script.c (gnuplot)
 * share. */
#ifndef SGDLAB_FIGURE_INTERNAL_H
#define SGDLAB_FIGURE_INTERNAL_H

#include <stdio.h>

#include "figure.h"
#include "output.h"
#include "store_read.h"

/* What a curve can be told by. */
enum trait {
    TRAIT_PROBLEM,
    TRAIT_DATA,
    TRAIT_SAMPLING,
    TRAIT_BATCH,
    TRAIT_SCHEDULE,
    TRAIT_RATE,
    TRAIT_UPDATE,
    TRAIT_AVERAGING,
    TRAIT_L2,
    TRAIT_COUNT
};

struct figure_cell {
    int64_t id; /* cells that mean the same have the same */
    uint64_t position;
    struct cell_columns columns;
    bool has_optimum;
    double certificate;
    bool moments;        /* only means and standard errors are there: no quantiles, no single runs */
    bool linear_grid;    /* recorded steps are spaced linearly */
    bool one_batch;      /* all cells but full batches have this batch size: it need not be said */
    bool short_schedule; /* the schedule's name is enough to tell it */
    size_t panel, curve;
};

enum { LABEL_MAX = 256, CURVES_MAX = 64, PANELS_PER_FIGURE = 6 };

/* Slopes of theory that a figure of curves may show: t^-power. */
enum { FIGURE_GUIDES = 3 };
struct figure_guide {
    const char *name, *power, *label, *tex;
};
extern const struct figure_guide figure_guide[FIGURE_GUIDES];

/* One figure as it is written: cells of one page, each with its panel and curve. */
struct figure {
    const char *experiment, *question, *folder;
    const char *type;       /* loss_vs_steps, ... */
    const char *metric, *x; /* columns */
    char name[96];          /* file name without ending */
    struct figure_cell *cell;
    size_t cells, panels, curves;
    uint64_t replicates, last_position;
    bool varies[TRAIT_COUNT]; /* among the cells of the experiment */
    bool silent[TRAIT_COUNT]; /* on the abscissa, or without meaning here */
    bool facet[TRAIT_COUNT];  /* told by the panel, not by the curve */
    bool sequential;          /* curves are values of one number, in order */
    unsigned guides;          /* bits 1u << number of a figure_guide */
    enum figure_size size;
    const struct figure_map *map; /* of the figure map, else NULL */
};

/* The experiment that is drawn. */
struct figure_request {
    struct store *store;
    const struct stored_experiment *experiment;
    const struct figure_options *options;
    struct output_folder *folder;
    struct figure_cell *cell;
    size_t cells;
    unsigned metrics;
    bool estimator;
    bool packed; /* seconds of some runs are their share of a block's */
    bool moments;
};

/* The trait's value, for comparing and for people. */
void trait_text(const struct figure_cell *cell, enum trait trait, char text[LABEL_MAX]);
/* What tells a curve from the others of its panel; what tells a panel; what all cells have in common. */
void curve_label(const struct figure *figure, const struct figure_cell *cell, char text[LABEL_MAX]);
void panel_label(const struct figure *figure, const struct figure_cell *cell, char text[LABEL_MAX]);
void common_label(const struct figure *figure, char text[LABEL_MAX]);

/* A gnuplot expression for a text shown as it is: single quotes, doubled inside, control characters as spaces; another
 * form where TeX would read it. Nothing in it is executed. */
void put_text(FILE *out, const char *text);

/* The figure's file name: of letters, digits, _ and -. page from 0. */
void figure_set_name(struct figure *figure, const char *stem, const char *suffix, size_t page);

/* Writes a script. */
typedef void figure_script(FILE *out, const struct figure *figure);
/* NAME.gp into the folder and each format that is asked for; options->told hears of every picture. */
enum status figure_write(const struct output_folder *folder, const struct figure *figure, figure_script *write,
                         const struct figure_options *options, struct error *error);
/* A text file of the folder, whole or not at all. */
enum status figure_write_text(const struct output_folder *folder, const char *name, const char *text, size_t length,
                              struct error *error);
/* The style lies beside the scripts, so that the folder stands alone. */
enum status figure_copy_style(const struct output_folder *folder, const char *style, struct error *error);

/* ---- what an entry of `figures:` may say ---- */

struct figure_type {
    const char *name;
    figure_script *script;
    const char *const *x; /* the abscissae it is drawn against, columns of the tables; the first ones by default */
    size_t x_default;
    int x_trait; /* the trait on the abscissa, -1: none */
    bool estimator;
    bool alone; /* a file for each panel */
};
enum { FIGURE_TYPES = 6, FIGURE_ABSCISSAE = 6 };
extern const struct figure_type figure_type[FIGURE_TYPES];

/* Words a user may say for the columns of the abscissa. */
struct figure_abscissa {
    const char *said, *column, *axis;
};
extern const struct figure_abscissa figure_abscissa[FIGURE_ABSCISSAE];

#define FIGURE_NEEDS_SOLO                                                                                              \
    "a figure against seconds needs timing: solo; with timing: packed a run's seconds are its share of a block's"

#define FIGURE_NEEDS_RUNS                                                                                              \
    "the figure schedule shows rates of single runs, which keep: moments does not store; keep: runs does"

/* figure_check.c. A scalar or a list of scalars as strings; count of them, 0 for NULL. */
size_t figure_words(const struct yaml_node *node, const char *word[], size_t most);
/* The type that a node of `figures:` names, else STATUS_USAGE with the types there are. */
enum status figure_find_type(const struct yaml_node *node, const struct figure_type **type, struct error *error);
/* The column of steps, epochs, samples or seconds. */
enum status figure_find_x(const char *said, const char **column, struct error *error);
/* STATUS_USAGE unless that is one of the recorded metrics (bits). */
enum status figure_find_metric(const char *name, unsigned metrics, struct error *error);

/* The scripts. */
void script_curves(FILE *out, const struct figure *figure);
void script_final(FILE *out, const struct figure *figure); /* last value against rate or batch size */
void script_variance(FILE *out, const struct figure *figure);
void script_schedule(FILE *out, const struct figure *figure);
/* How every script begins: name, size in cm, style, and what all curves share, above the panels. */
void script_head(FILE *out, const struct figure *figure, double width, double height);

/* figure_map.c. The figure map is no script alone: it has a table of its own, and lines of theory. x and y are words
 * of figure_map_find_axis, y NULL: all that vary. */
enum status figure_map_draw(const struct figure_request *request, const char *x, const char *const *y, size_t ys,
                            const char *metric, struct error *error);
enum status figure_map_find_axis(const char *said, size_t *word, struct error *error);
void script_map(FILE *out, const struct figure *figure);

/* The words for a column of the tables on an axis. */
const char *axis_words(const char *column);
bool axis_is_log(const char *column);

#endif
