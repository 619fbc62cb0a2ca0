/* Models: problems whose samples' losses are no function of one dot product. A model computes losses, gradients and
 * Hessian-vector products of all lanes at once; the update rules, schedules, averages and everything else are those of
 * the linear models. Arrays of lanes are [coordinate][lane], 64-byte aligned, width 1 or a multiple of 8. What a lane
 * gets does not depend on the lanes beside it, on the width, on the layout or on the instruction set. */
#ifndef SGDLAB_MODEL_H
#define SGDLAB_MODEL_H

#include <gsl/gsl_rng.h>

#include "problem.h"

/* Samples of a batch as the lanes see them. */
struct batch {
    const struct matrix *a;
    const double *y;       /* [a->rows] */
    const uint32_t *index; /* sample r of lane k is row index[k * stride + r]; NULL: first + r for all lanes */
    size_t stride;         /* 0: all lanes see the same samples */
    size_t first, rows;
};

struct model_type {
    /* f_i(x) = log(sum_c exp z_c) - z_y with z = a W + b, x = W [input][class] and then b, which no penalty sees:
     * convex, and with l2 the certified optimum is known. */
    bool softmax;
    enum task (*task)(const struct param_values *values); /* NULL: the type's own */
    /* Coordinates of x; the first *penalized of them see the penalties. */
    size_t (*dim)(const struct problem *problem, size_t *penalized);
    /* What is wrong with the problem on these data, or NULL: each given parameter is within its bounds by itself. */
    const char *(*refuse)(const struct problem *problem);
    /* Doubles of scratch memory that any call below needs for that many lanes, whatever the number of rows. */
    size_t (*scratch)(const struct problem *problem, size_t width);
    /* gradient[dim][width] = sum over the batch of grad f_i(x), penalties left out; with clip > 0 each sample's
     * gradient is first scaled by min(1, clip/|grad f_i|). Rows are added in order. */
    void (*gradient)(const struct problem *problem, const struct batch *batch, const double *x, size_t width,
                     double clip, double *scratch, double *gradient);
    /* value[width] += sum over the batch of f_i(x); correct[width] (NULL: not wanted) += samples whose class is the
     * predicted one. */
    void (*loss)(const struct problem *problem, const struct batch *batch, const double *x, size_t width,
                 double *scratch, double *value, double *correct);
    /* square[width] += sum over the batch of |grad f_i(x)|^2. NULL: from gradients of one sample. */
    void (*gradient_squares)(const struct problem *problem, const struct batch *batch, const double *x, size_t width,
                             double *scratch, double *square);
    /* product[dim][width] = sum over the batch of (Hessian of f_i at x) v, exact, not differenced; v [dim][width]. */
    void (*hessian_vector)(const struct problem *problem, const struct batch *batch, const double *x, const double *v,
                           size_t width, double *scratch, double *product);
    /* The model's own random start, coordinate j at x[j * stride]. NULL: it has none, and starts at zeros. */
    void (*start)(const struct problem *problem, gsl_rng *rng, double *x, size_t stride);
    /* inside[width] = 1 where the lane's x lies in the region that metrics in_region and exit_time ask about, else 0.
     * NULL: there is no such region. */
    void (*in_region)(const struct problem *problem, const double *x, size_t width, double *inside);
};

#endif
