/* What the samplers that go through the data epoch by epoch share: cutting an order of the samples into batches, and
 * random permutations. */
#ifndef SGDLAB_SAMPLERS_EPOCH_H
#define SGDLAB_SAMPLERS_EPOCH_H

#include "sampler.h"

/* The order in which an epoch visits the samples: n indices, or NULL for 0, 1, ..., n-1. */
typedef const uint32_t *epoch_order(struct sampler *sampler, uint64_t epoch);

/* A sampler's draw, given the order of each epoch: batch b is entries b m .. b m + m - 1 of it. */
void epoch_draw(struct sampler *sampler, epoch_order *order, uint64_t first, size_t count, uint32_t *index,
                uint32_t *size);

/* The permutation of that epoch, kept in the sampler's scratch until another is asked for: Fisher-Yates from the
 * identity with the words from position epoch * n on, hence a function of stream and epoch alone. Knuth, TAOCP 2, 3rd
 * ed., section 3.4.2, algorithm P. */
const uint32_t *epoch_permutation(struct sampler *sampler, uint64_t epoch);
/* The scratch that takes. */
size_t epoch_permutation_words(size_t n, size_t batch_size);

#endif
