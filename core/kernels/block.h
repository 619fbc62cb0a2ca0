/* The working state of one block of lanes, as the kernels see it. The engine owns and fills it; kernels allocate
 * nothing. Arrays of lanes are [coordinate][lane], 64-byte aligned; width is 1 or a multiple of 8. */
#ifndef SGDLAB_BLOCK_H
#define SGDLAB_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data/matrix.h"
#include "param.h"
#include "problem.h"

enum {
    LANE_WIDTH_MAX = 32,  /* lanes of a block, padding included */
    ROW_TILE = 64,        /* samples whose scalars are kept at once */
    UPDATE_SLOTS_MAX = 2, /* vectors of state an update rule may keep (v of heavy ball) */
};

/* What the penalties ask of a step; lanes of a block share it, with their own strengths. */
enum penalty { PENALTY_NONE, PENALTY_L2, PENALTY_L1_PROXIMAL, PENALTY_L1_SUBGRADIENT };

struct lane_block {
    /* the problem */
    const struct matrix *a;
    const double *y;
    const struct vector_loss *loss; /* linear models */
    const struct problem *problem;
    const struct model_type *model; /* NULL: a linear model */
    double *model_scratch;
    size_t dim, penalized; /* coordinates; the first `penalized` of them see the penalties */
    enum penalty penalty;  /* the L1 forms include L2 */
    bool project;
    double clip;            /* tau, 0: none */
    bool clip_sample;       /* clip each sample's loss gradient, else the batch's */
    const double *row_norm; /* |a_i|, for clip_sample */

    /* the lanes */
    size_t width;
    double *x;                      /* [dim][width] */
    double *slot[UPDATE_SLOTS_MAX]; /* [dim][width] each */
    double *param[PARAMS_MAX];      /* [width] each: the update rule's parameters */
    double *l1, *l2, *radius;       /* [width] */
    const double *penalty_mask;     /* width 1: [dim rounded up to 8], 1 where penalised, else 0 */
    size_t averages;
    double **mean; /* [averages][dim][width]: running averages */

    /* one chunk of steps */
    const uint32_t
        *index; /* the chunk's samples one after another; a stream per lane: lane k's from k * index_stride on */
    size_t index_stride;
    const uint32_t *size;           /* batch size of each step */
    const double *eta;              /* rate of step s and lane k at eta[s * eta_stride + k] */
    size_t eta_stride;              /* width, or 0 when no rate changes */
    const double *const *mean_gain; /* [averages][step]: mean += c (x - mean); 0: nothing to do */

    struct lazy_state *lazy; /* the O(nonzeros) forms on CSR data, else NULL: x, slots and means are then in their own
                              * terms until settled (update.h) */

    /* scratch */
    double *gradient; /* [dim][width]: a batch's sum where it does not fit the registers */
    double *z;        /* [ROW_TILE][width] */
    double *target;   /* [ROW_TILE], or [ROW_TILE][width] with a stream per lane */
    double *rows;     /* stream per lane: [gather_rows][dim][width] */
    size_t gather_rows;
    double *norm2, *factor; /* [width] */
};

#endif
