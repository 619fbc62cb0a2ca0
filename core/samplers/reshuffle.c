/* Random reshuffling: a new permutation of the samples in each epoch, the first one too. */
#include "samplers/epoch.h"

static void draw(struct sampler *sampler, uint64_t first, size_t count, uint32_t *index, uint32_t *size)
{
    epoch_draw(sampler, epoch_permutation, first, count, index, size);
}

const struct sampler_type sampler_reshuffle = {
    .method = {.name = "reshuffle",
               .summary = "every sample once an epoch, in a new random order each epoch",
               .revision = 1},
    .by_epoch = true,
    .scratch_words = epoch_permutation_words,
    .draw = draw,
};
