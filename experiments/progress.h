/* Shows where a run stands, on stderr: a bar that is redrawn on a terminal, a plain line every 30 s elsewhere. */
#ifndef SGDLAB_PROGRESS_H
#define SGDLAB_PROGRESS_H

#include <stdbool.h>

#include "runner.h"

struct progress_view {
    bool quiet, terminal, colour;
    bool drawn;        /* a bar stands in the current line */
    double next_plain; /* seconds of the experiment at which the next plain line is due */
};

/* Looks at the terminal, $TERM and $NO_COLOR. quiet: shows nothing. */
void progress_open(struct progress_view *view, bool quiet);
/* A runner's observer; context is the view. */
void progress_show(void *view, const struct progress *progress);
/* Removes the bar, so that other text can be printed. */
void progress_clear(struct progress_view *view);

#endif
