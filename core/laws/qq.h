/* QQ plots of p-values against uniform. */
#ifndef SGDLAB_QQ_H
#define SGDLAB_QQ_H

#include "laws/law_figure.h"

/* Appends a panel: the p-values against what uniform ones would be, both as -log10, with a pointwise 95% band. Sorts p
 * in place. count > 0. */
enum status qq_panel(struct law_figure *figure, const char *title, double *p, size_t count, struct error *error);

#endif
