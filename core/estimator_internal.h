/* Inside estimator runs: what is known exactly at the frozen iterate (estimator_exact.c), what is accumulated over
 * draws (estimator.c, of velocities estimator_velocity.c), and the test of the bias (estimator_bias.c). All gradients
 * here are those of the loss alone: the penalties add the same vector to g_B and to grad f, and drop out of their
 * difference. */
#ifndef SGDLAB_ESTIMATOR_INTERNAL_H
#define SGDLAB_ESTIMATOR_INTERNAL_H

#include "estimator.h"
#include "kernels/isa.h"

enum { BIAS_DIM = 256 };

struct mean_square {
    double mean, squares; /* of count values: their mean and sum of squared deviations from it */
};

struct estimator {
    const struct run_request *request;
    const struct kernel_set *kernels;
    const struct matrix *a; /* the training data; of other models than linear ones `written`, all samples' gradients */
    struct matrix written;
    size_t n, d, batch, padded; /* samples, coordinates, m, d in whole vectors */
    double kappa;               /* variance factor of what is studied: a batch gradient or a velocity */
    double beta,
        mean; /* velocities: momentum; what is studied has mean * grad f for its expectation: 1 - beta^t, or 1 */

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
    struct mean_square square, projection, direction[ESTIMATOR_DIRECTIONS];
    double *covariance;                     /* [d][d] sums, lower triangle; NULL: d is too large */
    double *velocity;                       /* [padded]: v; NULL: batch gradients are studied */
    struct mean_square lag[ESTIMATOR_LAGS]; /* of d_t.d_{t+k} - beta^k |d_t|^2, d = (1-beta) v less its expectation */
};

static inline bool along_gradient(const struct estimator *e, size_t direction)
{
    return direction == 0 && e->norm > 0;
}

static inline void add_value(struct mean_square *moments, double value, double inverse_count)
{
    double deviation = value - moments->mean;
    moments->mean += deviation * inverse_count;
    moments->squares += deviation * (value - moments->mean);
}

/* Standard error of the mean of those values. */
double estimator_standard_error(const struct mean_square *moments, uint64_t count);

/* estimator.c: e->sum[padded] := rows times the gradient of a batch; the deviation in e->deviation[d] counts as a draw.
 */
void estimator_batch(struct estimator *e, const uint32_t *index, size_t rows);
void estimator_add(struct estimator *e);
/* Sums of a chunk are added to the total at its end, so that rounding errors do not grow with the draws. */
void estimator_end_chunk(struct estimator *e);

/* estimator_velocity.c: `draws` velocities from steps first, first + 1, ... of the sampler; index and size hold `chunk`
 * steps. STATUS_INTERRUPTED soon after *stop. */
enum status estimator_draw_velocities(struct estimator *e, uint64_t draws, uint64_t first, struct sampler *sampler,
                                      uint32_t *index, uint32_t *size, size_t chunk, const atomic_bool *stop);

/* estimator_exact.c: from x, slope.. to sigma2, directions and sigma. e->sigma is allocated by malloc. */
enum status estimator_exact(struct estimator *e, struct error *error);

/* estimator_bias.c: the statistic and its degrees of freedom and p-value, from the mean deviation. */
enum status estimator_bias(const struct estimator *e, const double *mean, struct estimator_result *result,
                           struct error *error);

#endif
