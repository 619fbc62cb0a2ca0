/* Inside estimator runs: what is known exactly at the frozen iterate (estimator_exact.c), what is accumulated over
 * draws (estimator.c), and the test of the bias (estimator_bias.c). All gradients here are those of the loss alone: the
 * penalties add the same vector to g_B and to grad f, and drop out of their difference. */
#ifndef SGDLAB_ESTIMATOR_INTERNAL_H
#define SGDLAB_ESTIMATOR_INTERNAL_H

#include "estimator.h"
#include "kernels/isa.h"

enum { BIAS_DIM = 256 };

struct moments {
    double mean, squares; /* of count values: their mean and sum of squared deviations from it */
};

struct estimator {
    const struct run_request *request;
    const struct kernel_set *kernels;
    const struct matrix *a;
    size_t n, d, batch, padded; /* samples, coordinates, m, d in whole vectors */
    double kappa;

    /* exact, at the frozen iterate */
    double *x;               /* [padded] */
    double *slope;           /* [n]: grad f_i = slope_i a_i */
    double *gradient;        /* [padded]: mean of the grad f_i */
    double *unit;            /* [padded]: grad f/|grad f|, penalties included; 0 when grad f is 0 to rounding */
    double *variance;        /* [d]: diagonal of Sigma */
    double *rounding;        /* [d]: bound of the rounding error of mean g_B - grad f */
    double norm, norm2;      /* |grad f|, penalties included; norm is 0 when it is 0 to rounding */
    double gradient2, along; /* |gradient|^2, unit.gradient */
    double sigma2;           /* tr Sigma */
    size_t directions;       /* the first is `unit` if norm > 0, the others coordinates */
    size_t column[ESTIMATOR_DIRECTIONS];
    double direction_variance[ESTIMATOR_DIRECTIONS];
    bool bias_full;  /* the bias is tested in all coordinates, else along the directions */
    size_t bias_dim; /* d or directions */
    double *sigma;   /* [bias_dim][bias_dim]: covariance of those projections of grad f_i */

    /* over draws */
    uint64_t draws;
    double *z, *sum;      /* [m] slopes of a batch; [padded] its gradient, unscaled */
    double *deviation;    /* [padded]: g_B - gradient */
    double *total, *part; /* [d]: sum of deviations over touched draws: all, and those of this chunk */
    double *hits;         /* [d]: draws that touched the column; NULL when every draw counts for all */
    uint64_t *stamp;      /* [d]: the last draw that touched the column, from 1 */
    uint32_t *touched;    /* [d] */
    struct moments square, projection, direction[ESTIMATOR_DIRECTIONS];
    double *covariance; /* [d][d] sums, lower triangle; NULL: d is too large */
};

static inline bool along_gradient(const struct estimator *e, size_t direction)
{
    return direction == 0 && e->norm > 0;
}

/* estimator_exact.c: from x, slope.. to sigma2, directions and sigma. e->sigma is allocated by malloc. */
enum status estimator_exact(struct estimator *e, struct error *error);

/* estimator_bias.c: the statistic and its degrees of freedom and p-value, from the mean deviation. */
enum status estimator_bias(const struct estimator *e, const double *mean, struct estimator_result *result,
                           struct error *error);

#endif
