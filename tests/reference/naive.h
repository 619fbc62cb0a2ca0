/* SGD on one run, written for reading: plain loops, libm, double, everything from its definition. The reference that
 * the engine is compared with; slow on purpose, O(d) a step even on sparse data. */
#ifndef SGDLAB_TESTS_NAIVE_H
#define SGDLAB_TESTS_NAIVE_H

#include "config.h"
#include "error.h"

/* g[d] = mean over the batch of slope(a_i.x, y_i) a_i, without penalties. Clipping by tau: `sample` scales each term by
 * min(1, tau / |term|) before the mean, `batch` scales the mean likewise. scratch[d]. */
void naive_loss_gradient(const struct problem *problem, enum clip_each clip, double tau, const uint32_t *index,
                         size_t size, const double *x, double *g, double *scratch);

/* Sees x_t and xbar_t (d entries each) at t = 0 .. T. */
typedef void naive_observer(void *context, uint64_t step, const double *x, const double *average);

/* Runs config->steps steps from start[d]. One step: the loss gradient as above; + l2 x, and + l1 sign(x) in the
 * subgradient form, on penalised coordinates; the update rule, whose v starts from 0 (PyTorch's first step ignores
 * dampening, ours does not); the proximal step of l1; the projection on the ball. In local SGD every worker does that
 * with its own x, v and stream of samples (stream group config->stream_group ^ worker << 48), and after each
 * sync_every-th step all x become their mean, and so do all v; x_t is the workers' mean at every t. Errors: memory, an
 * unknown update rule. */
enum status naive_sgd(const struct run_config *config, uint64_t seed, uint64_t replicate, const double *start,
                      naive_observer *observe, void *context, struct error *error);

#endif
