/* The rival of the lanes: stochastic gradient descent as a good C programmer writes it for one run. Eight partial sums,
 * exp from libm, a small inline generator, plain loops for the compiler to vectorise; contraction to FMA is allowed,
 * fast-math is not. Compiled once per instruction set like the kernels, so that the widest one is what -march=native
 * gives on this CPU. */
#ifndef PLAIN_LOOP_H
#define PLAIN_LOOP_H

#include <stdint.h>

#include "data/matrix.h"

enum plain_loss { PLAIN_LOGISTIC, PLAIN_LEAST_SQUARES };

/* One run: `steps` steps of x[cols] at a constant rate, each on the mean gradient of `batch_size` samples (sparse: 1)
 * drawn with replacement. */
struct plain_run {
    const struct matrix *a;
    const double *y; /* logistic: -1 or +1 */
    enum plain_loss loss;
    size_t batch_size;
    double rate, l2; /* l2: sparse only */
    uint64_t steps;
    uint64_t seed;         /* of the loop's own generator, used when index is NULL */
    const uint32_t *index; /* else the samples of all steps, one after another */
    double *gradient;      /* [cols], scratch when batch_size > 1 */
    double *x;             /* [cols], start and end */
};

/* Dense or sparse by run->a, dispatched once. */
void plain_loop_portable(const struct plain_run *run);
void plain_loop_avx2(const struct plain_run *run);
void plain_loop_avx512(const struct plain_run *run);

#endif
