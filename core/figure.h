/* Figures of a results directory: for each entry of an experiment's `figures:` a gnuplot script beside the text tables,
 * which draws from them alone, and the pictures that gnuplot makes of it. */
#ifndef SGDLAB_FIGURE_H
#define SGDLAB_FIGURE_H

#include "store.h"

enum figure_size { FIGURE_PAGE, FIGURE_COLUMN }; /* 17.5 cm and 8.5 cm wide */

struct figure_options {
    const char *const *format; /* svg, pdf, png, tex, dumb */
    size_t format_count;
    enum figure_size size;
    const char *x, *y;      /* NULL: as the experiment says; else for figures of curves */
    const char *experiment; /* NULL: all */
    const char *style;      /* path of style.gp */
    /* Told of every picture made, and of figures that could not be: reason, else NULL. */
    void (*told)(void *context, const char *path, const char *reason);
    void *context;
};

/* Is a node of an experiment's `figures:` a figure that can be drawn: a type's name, or a mapping {figure: TYPE, x:,
 * y:, theory:} of known words? Errors have the place in the file. Called when the experiment is read, not when the
 * night is over. */
struct yaml_node;
enum status figure_check(const struct yaml_node *node, struct error *error);

/* What the runs of an experiment are, as far as its figures depend on it. */
struct figure_runs {
    bool training, estimator; /* there are such cells */
    bool packed;              /* some cell has timing: packed */
    bool moments;             /* keep: moments: single runs are not stored */
    unsigned metrics;         /* recorded by some cell */
};
/* Can a figure that passed figure_check be drawn from such runs: kind, recorded metrics, timing, what is kept?
 * Likewise. */
enum status figure_check_runs(const struct yaml_node *node, const struct figure_runs *runs, struct error *error);

/* The formats there are, NULL-terminated. */
enum { FIGURE_FORMATS = 5 };
extern const char *const figure_formats[FIGURE_FORMATS + 1];

/* Draws from the exported tables in dir (STATUS_NOT_FOUND, with the command to use, where they are missing). */
enum status figures_draw(struct store *store, const char *dir, const struct figure_options *options,
                         struct error *error);

/* Draws DIR/NAME.gp in each format asked for, style.gp beside it. Only for scripts that this program has just written:
 * one that lies in a folder may be a stranger's program. */
enum status figure_draw(const char *dir, const char *name, const struct figure_options *options, struct error *error);

#endif
