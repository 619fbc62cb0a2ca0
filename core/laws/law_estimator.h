/* What laws about estimator runs share: the replicates of a cell put together, and a pilot where nothing ran yet. */
#ifndef SGDLAB_LAW_ESTIMATOR_H
#define SGDLAB_LAW_ESTIMATOR_H

#include "laws/law.h"

/* The replicates of one cell. Before the run all measurements are NaN; the standard errors come from a small pilot and
 * are those of the draws that are planned. */
struct pooled_estimate {
    uint64_t draws;          /* of all replicates */
    double kappa;            /* 0: the batch is the whole, nothing is random */
    double sigma2, variance; /* tr Sigma and the measured tr Cov g, means over replicates (their iterates differ) */
    double ratio, ratio_se;  /* tr Cov g / (kappa tr Sigma); NaN for kappa = 0 */
    double along, along_se;  /* the same of Var(u.g), u = grad f/|grad f|; NaN and 0 where grad f = 0 or has no noise */
    double leak;             /* largest tr Cov g / (tr Sigma + |grad f|^2): rounding, where kappa = 0 */
    double chi2, df, p;      /* bias statistics add up over replicates */
    double effect, effect_se; /* u.(mean g)/|grad f| - 1, u = grad f/|grad f| */
};

/* STATUS_USAGE: the cell is no estimator run, or its sampler has no random batches (cyclic). */
enum status law_pool(const struct law_input *input, const struct law_cell *cell, struct pooled_estimate *out,
                     struct error *error);

/* Where the first replicate of a cell is frozen: x[d], to be freed. NULL: error is set. */
double *law_frozen_point(const struct law_input *input, const struct law_cell *cell, struct error *error);

/* "least_squares on digits, subset, m = 16" into text[size]; returns text. */
const char *law_cell_label(const struct law_cell *cell, char *text, size_t size);

#endif
