/* What the diffusion approximation says of constant-rate SGD in one dimension: with noise of variance sigma^2 per
 * sample, dx = -f'(x) ds + sqrt(eta sigma^2/m) dW with s = eta t (Li, Tai, E, ICML 2017), whose stationary density is
 * exp(-2 m f/(eta sigma^2)). Laws state how far that is from the chain itself. */
#ifndef SGDLAB_DIFFUSION_H
#define SGDLAB_DIFFUSION_H

#include "problem.h"

/* The variance of the sample gradients at x; NaN: no memory. */
double landscape_noise(const struct problem *problem, double x);

/* Mean number of steps to the upper end of the region, for a region that is unbounded below: Gardiner, Handbook of
 * Stochastic Methods (2004), section 5.2. NaN: no such end within 100 of the start. */
double diffusion_exit_time(const struct problem *problem, size_t batch_size, double eta, double start);
/* Height of the barrier that is crossed on that way: max of f between start and the end, minus f(start). */
double diffusion_barrier(const struct problem *problem, double start);
/* Stationary probability of the region. */
double diffusion_occupancy(const struct problem *problem, size_t batch_size, double eta);

#endif
