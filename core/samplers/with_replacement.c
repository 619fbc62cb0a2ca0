/* Sampling with replacement: every index of every batch is drawn alone. Entry j of step t uses word t m + j. */
#include "sampler.h"

static void draw(struct sampler *sampler, uint64_t first, size_t count, uint32_t *index, uint32_t *size)
{
    size_t m = sampler->batch_size;
    rng_indices(&sampler->stream, first * m, count * m, sampler->n, 0, index);
    for (size_t s = 0; s < count; s++)
        size[s] = (uint32_t)m;
}

const struct sampler_type sampler_with_replacement = {
    .method = {.name = "with_replacement",
               .summary = "m independent uniform draws at each step; the same sample may come twice",
               .revision = 1},
    .independent_steps = true,
    .with_replacement = true,
    .draw = draw,
};
