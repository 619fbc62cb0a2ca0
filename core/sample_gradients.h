/* The gradients of all samples at one iterate: grad f_i = slope_i times a row of a matrix, penalties left out. For a
 * linear model that is the data matrix; any other model's gradients are written out as the rows of a dense one, slopes
 * 1, so that whatever studies the gradients of linear models serves all of them. */
#ifndef SGDLAB_SAMPLE_GRADIENTS_H
#define SGDLAB_SAMPLE_GRADIENTS_H

#include "problem.h"

/* What the written-out gradients of a model may take. */
#define SAMPLE_GRADIENTS_BYTES_MAX (1024.0 * 1024.0 * 1024.0)

/* Models only: out := n x d matrix, row i = grad f_i(x), x[d]. Freed by matrix_free. STATUS_UNSUPPORTED when it would
 * exceed SAMPLE_GRADIENTS_BYTES_MAX; STATUS_MEMORY. */
enum status sample_gradients_write(const struct problem *problem, const double *x, struct matrix *out,
                                   struct error *error);

/* Of the gradients slope_i a_i with the given mean[d]: the variance[d] of each coordinate (divisor n) and the sum[d] of
 * its absolute values. Deviations are squared, never raw values, so that nothing cancels; sums run in the order of the
 * samples. stored[d] is scratch. */
void sample_gradients_moments(const struct matrix *a, const double *slope, const double *mean, double *variance,
                              double *sum, double *stored);

#endif
