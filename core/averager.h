/* Averaging observes a trajectory: xbar_t = sum_{s<=t} w_s x_s / sum_{s<=t} w_s. It is not another run: one lane serves
 * all. */
#ifndef SGDLAB_AVERAGER_H
#define SGDLAB_AVERAGER_H

#include <stdint.h>

#include "registry.h"

struct averager_type {
    struct method method;
    bool last;          /* the iterate itself: nothing is accumulated */
    bool equal_weights; /* all weights are the same, but for zeros at the start */
    /* w_t for iterate x_t, t = 0..T: >= 0, not depending on the iterates. Zero weights at the start are allowed (tail).
     */
    double (*weight)(const struct param_values *values, uint64_t step, uint64_t horizon);
};

#endif
