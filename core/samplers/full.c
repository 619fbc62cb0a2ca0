/* Full batch: all n samples at every step, in the order of the data: gradient descent. The batch size is ignored. */
#include "sampler.h"

static void draw(struct sampler *sampler, uint64_t first, size_t count, uint32_t *index, uint32_t *size)
{
    (void)first;
    for (size_t s = 0; s < count; s++) {
        for (uint32_t i = 0; i < sampler->n; i++)
            *index++ = i;
        size[s] = sampler->n;
    }
}

const struct sampler_type sampler_full = {
    .method = {.name = "full", .summary = "all n samples at each step: gradient descent", .revision = 1},
    .independent_steps = true,
    .deterministic = true,
    .draw = draw,
};
