/* A law's figure as data: panels of series. The law fills it; export writes it as one text table and one stand-alone
 * gnuplot script beside it, in the style of plots/style.gp. */
#ifndef SGDLAB_LAW_FIGURE_H
#define SGDLAB_LAW_FIGURE_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

enum series_kind {
    SERIES_POINTS,   /* symbols, with error bars low..high where given */
    SERIES_MEASURED, /* a measured curve: solid line, with a band low..high where given */
    SERIES_THEORY,   /* dashed line in the colour of the measured series before it, or black */
    SERIES_BAND,     /* shaded region low..high alone: bounds */
    SERIES_STEPS,    /* histogram outline */
    SERIES_VERTICAL, /* vertical lines at x, labelled */
};

struct series {
    enum series_kind kind;
    char label[120]; /* legend; "" : none */
    size_t count;
    double *x, *y, *low, *high; /* count values each; low, high may be NULL; y NULL for bands and vertical lines */
    int colour;                 /* index of style.gp's palette, < 0: automatic */
};

struct panel {
    char title[160], x_label[96], y_label[96];
    bool x_log, y_log;
    double x_min, x_max, y_min, y_max; /* NaN: automatic */
    char text[400];                    /* printed inside: fitted slopes with intervals; lines split at \n */
    struct series *series;
    size_t count;
};

struct law_figure {
    char title[200];
    size_t columns; /* panels side by side; 0: chosen from their number */
    struct panel *panel;
    size_t count;
};

/* Appends an empty panel and returns it (valid until the next panel is added); NULL: out of memory. */
struct panel *law_figure_panel(struct law_figure *figure, const char *title, const char *x_label, const char *y_label);
/* Appends a series of copies of the arrays (y, low, high may be NULL as above). */
enum status panel_series(struct panel *panel, enum series_kind kind, const char *label, size_t count, const double *x,
                         const double *y, const double *low, const double *high, struct error *error);
void law_figure_free(struct law_figure *figure);

/* Writes DIR/STEM.csv, DIR/STEM.gp; formats are drawn by the plot command like any other figure's. */
enum status law_figure_write(const struct law_figure *figure, const char *dir, const char *stem, struct error *error);

#endif
