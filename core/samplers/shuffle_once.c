/* Shuffle once: one random permutation, the same in every epoch. It is the permutation that reshuffle uses in its first
 * epoch, so that the two differ only from the second epoch on. */
#include "samplers/epoch.h"

static const uint32_t *order(struct sampler *sampler, uint64_t epoch)
{
    (void)epoch;
    return epoch_permutation(sampler, 0);
}

static void draw(struct sampler *sampler, uint64_t first, size_t count, uint32_t *index, uint32_t *size)
{
    epoch_draw(sampler, order, first, count, index, size);
}

const struct sampler_type sampler_shuffle_once = {
    .method = {.name = "shuffle_once",
               .summary = "every sample once an epoch, in one random order for all epochs",
               .revision = 1},
    .by_epoch = true,
    .scratch_words = epoch_permutation_words,
    .draw = draw,
};
