/* Which steps are recorded, and what is measured there. */
#ifndef SGDLAB_RECORD_H
#define SGDLAB_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

/* In the order of the columns of points.csv. New ones go to the end: the numbers are stored. */
enum metric {
    METRIC_LOSS,          /* f(x), penalties included */
    METRIC_GAP,           /* f(x) - f*; absent without a finite optimum */
    METRIC_GRAD_NORM2,    /* |grad f(x)|^2 (a subgradient where f is not smooth) */
    METRIC_DISTANCE2,     /* |x - x*|^2 */
    METRIC_NORM2,         /* |x|^2 */
    METRIC_TEST_LOSS,     /* mean loss on the test split, no penalty */
    METRIC_TEST_ACCURACY, /* share of test samples with the right sign (classification) */
    METRIC_ACCURACY,      /* the same on the training samples */
    METRIC_MEAN_GAP, /* mean of f(x_s) - f* over the steps s < t (at t = 0: that of x_0), of the last iterates: measured
                        at every step, O(d^2) where f is quadratic, a pass over all samples elsewhere; absent as
                        the gap is, and where an average is asked for */
    METRIC_X1,       /* the first coordinate of x */
    METRIC_SHARPNESS,   /* largest eigenvalue of the Hessian of f (curvature.h) */
    METRIC_NOISE_SCALE, /* tr Sigma / |grad f|^2, the simple noise scale (McCandlish et al. 2018, eq. 2.9) */
    METRIC_IN_REGION,   /* 1 while x lies in the region that a landscape names, else 0 */
    METRIC_EXIT_TIME,   /* steps before x first left that region, at most t; looked at after every step */
    METRIC_COUNT
};

struct metric_info {
    const char *name;  /* column name */
    const char *label; /* for axes: "f(x) - f*" */
    const char *help;
    bool log_axis;
};
extern const struct metric_info metric_info[METRIC_COUNT];

enum record_spacing { SPACING_LOG, SPACING_LINEAR };

/* The recorded steps, increasing, from 0 to the horizon, both included. */
struct record_grid {
    size_t count;
    uint64_t *step;
};

/* At most `points` distinct steps of 0..horizon (fewer when the horizon is short): 0, then log- or linearly spaced,
 * then the horizon. points >= 2. */
enum status record_grid_make(uint64_t horizon, size_t points, enum record_spacing spacing, struct record_grid *grid,
                             struct error *error);
void record_grid_free(struct record_grid *grid);

#endif
