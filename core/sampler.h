/* Samplers: which samples each step uses. A draw is a pure function of (stream, step), so a sampler needs no saved
 * state: resuming at step t is asking for step t. */
#ifndef SGDLAB_SAMPLER_H
#define SGDLAB_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "registry.h"
#include "rng.h"

/* What a sampler works with; filled by the engine, which also owns scratch. */
struct sampler {
    const struct sampler_type *type;
    struct param_values values;
    uint32_t n;        /* samples, >= 1 */
    size_t batch_size; /* m >= 1 */
    bool keep_last;    /* epoch samplers: keep the short last batch of an epoch */
    struct rng_stream stream;
    uint32_t *scratch; /* scratch_words(n, m) uint32_t, zero at first: the sampler's own cache */
};

struct sampler_type {
    struct method method;
    bool by_epoch;          /* visits every sample once an epoch: reshuffle, shuffle_once, cyclic */
    bool independent_steps; /* batches of different steps are independent */
    bool with_replacement;  /* variance factor 1/m; otherwise (n-m)/(m(n-1)) for one batch */
    bool deterministic;     /* no random numbers at all: cyclic, full */
    size_t (*scratch_words)(size_t n, size_t batch_size); /* NULL: none */
    /* Steps first .. first+count-1: writes the sample indices of all their batches one after another to index and the
     * size of each batch to size[count]. index has room for count * max_batch entries. Steps are usually, not always,
     * asked for in order. */
    void (*draw)(struct sampler *sampler, uint64_t first, size_t count, uint32_t *index, uint32_t *size);
};

/* Steps in one epoch: ceil(n/m) or floor(n/m) for epoch samplers, n/m rounded up otherwise; full: 1. */
size_t sampler_steps_per_epoch(const struct sampler_type *type, size_t n, size_t batch_size, bool keep_last);
/* Largest batch a step can have: min(m, n) for epoch samplers and subset, n for full, m otherwise. */
size_t sampler_max_batch(const struct sampler_type *type, size_t n, size_t batch_size);

#endif
