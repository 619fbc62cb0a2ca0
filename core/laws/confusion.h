/* Shared by the files of the law of the region of confusion. */
#ifndef SGDLAB_LAWS_CONFUSION_H
#define SGDLAB_LAWS_CONFUSION_H

#include "laws/law.h"

/* Parabolas a_i (x - c_i)^2/2 of a cell, and what theory says of SGD on them. */
struct confusion {
    const struct law_cell *cell;
    size_t n;
    double *a, *c;      /* [n] */
    double left, right; /* R */
    double steepest;    /* max a_i */
    double eta, optimum;
    double second_moment; /* stationary E(x - x*)^2 */
    double decay;         /* of the second moment, a step */
    bool pair;            /* two parabolas of curvature 1 */
};
/* STATUS_USAGE: not such a cell. Close also after a failure. */
enum status confusion_open(const struct law_cell *cell, struct confusion *out, struct error *error);
void confusion_close(struct confusion *confusion);

/* Share of samples whose gradient at x has the sign of the full one. */
double confusion_agreement(const struct confusion *confusion, double x);
/* Steps of the chain x[points] that leave R (exits) or start outside and do not come strictly nearer. */
uint64_t confusion_violations(const struct confusion *confusion, const double *x, size_t points, uint64_t *exits);

enum status confusion_draw(struct law_figure *figure, const struct confusion *confusion, size_t count,
                           struct error *error);

#endif
