/* Cyclic (incremental gradient): the samples in the order in which the data give them, epoch after epoch. */
#include "samplers/epoch.h"

static const uint32_t *order(struct sampler *sampler, uint64_t epoch)
{
    (void)sampler, (void)epoch;
    return NULL;
}

static void draw(struct sampler *sampler, uint64_t first, size_t count, uint32_t *index, uint32_t *size)
{
    epoch_draw(sampler, order, first, count, index, size);
}

const struct sampler_type sampler_cyclic = {
    .method = {.name = "cyclic", .summary = "every sample once an epoch, in the order of the data", .revision = 1},
    .by_epoch = true,
    .deterministic = true,
    .draw = draw,
};
