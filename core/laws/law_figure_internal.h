/* Inside a law's figure: its data and files (law_figure.c), where things lie (law_figure_place.c) and its script
 * (law_figure_script.c). */
#ifndef SGDLAB_LAW_FIGURE_INTERNAL_H
#define SGDLAB_LAW_FIGURE_INTERNAL_H

#include <stdio.h>

#include "laws/law_figure.h"

/* One line of valid UTF-8: control characters become spaces, bytes that are no character '?'. */
void figure_clean(char *out, size_t size, const char *text);

enum status law_figure_script(FILE *out, const struct law_figure *figure, const char *stem, struct error *error);

/* One axis as it is drawn. On a logarithmic one everything happens on logarithms. */
struct axis {
    double low, high;
    bool log;
};
/* The axes that hold everything in the panel, with a margin; where nothing can be drawn, some axes all the same. */
void panel_axes(const struct panel *panel, struct axis *x, struct axis *y);
/* Where a value lies: 0 at the axis' low end, 1 at its high end; NaN when it has no place. */
double axis_place(const struct axis *axis, double value);
/* Enlarges the axis at its high end, so that what filled it fills `share` of it. */
void axis_extend(struct axis *axis, double share);

/* Does any of the values (NULL: x alone counts) have a place on the axes? gnuplot warns of rows that draw nothing. */
bool series_drawn(const struct series *series, const struct axis *x, const struct axis *y, const double *value);

/* A rectangle inside a panel, in shares of it. */
struct patch {
    double left, right, bottom, top;
};
/* How much of the panel's data lies in the patch: a count of points on symbols, lines, bars and edges of bands. */
size_t panel_crowd(const struct panel *panel, const struct axis *x, const struct axis *y, const struct patch *patch);

/* Marks on an axis: at least 2, at most about `room` of them. */
struct ticks {
    enum { TICKS_STEP, TICKS_LIST, TICKS_POWERS } kind;
    double step;      /* TICKS_STEP: distance; TICKS_POWERS: exponents between two */
    double value[24]; /* TICKS_LIST */
    size_t count;
};
void axis_ticks(const struct axis *axis, double room, struct ticks *ticks);

#endif
