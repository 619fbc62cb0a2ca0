/* Batches and permutations of epochs: see epoch.h. */
#include "samplers/epoch.h"

#include <string.h>

void epoch_draw(struct sampler *sampler, epoch_order *order, uint64_t first, size_t count, uint32_t *index,
                uint32_t *size)
{
    size_t n = sampler->n;
    size_t m = sampler_max_batch(sampler->type, n, sampler->batch_size);
    size_t per_epoch = sampler_steps_per_epoch(sampler->type, n, m, sampler->keep_last);
    uint64_t epoch = first / per_epoch;
    size_t batch = (size_t)(first % per_epoch);
    while (count) {
        /* The steps that are left of this epoch, in one piece. */
        size_t steps = count < per_epoch - batch ? count : per_epoch - batch;
        size_t from = batch * m, to = steps * m < n - from ? from + steps * m : n;
        const uint32_t *place = order(sampler, epoch);
        if (place)
            memcpy(index, place + from, (to - from) * sizeof *index);
        else
            for (size_t i = from; i < to; i++)
                index[i - from] = (uint32_t)i;
        for (size_t s = 0; s < steps; s++)
            size[s] = (uint32_t)m;
        size[steps - 1] = (uint32_t)(to - from - (steps - 1) * m);
        index += to - from;
        size += steps;
        count -= steps;
        epoch++;
        batch = 0;
    }
}

/* Scratch: number of the epoch + 1 (0: none yet) in two halves, then its permutation. */
enum { NUMBER_WORDS = 2 };

size_t epoch_permutation_words(size_t n, size_t batch_size)
{
    (void)batch_size;
    return NUMBER_WORDS + n;
}

const uint32_t *epoch_permutation(struct sampler *sampler, uint64_t epoch)
{
    uint32_t *number = sampler->scratch, *place = number + NUMBER_WORDS, n = sampler->n;
    if ((number[0] | (uint64_t)number[1] << 32) == epoch + 1)
        return place;
    for (uint32_t i = 0; i < n; i++)
        place[i] = i;
    /* Exchanges of places i = n-1 .. 1 with a place in 0 .. i, a chunk of random places at a time. */
    enum { CHUNK = 256 };
    uint32_t random[CHUNK];
    uint64_t position = epoch * n;
    for (uint32_t last = n - 1; last > 0;) {
        uint32_t now = last < CHUNK ? last : CHUNK;
        rng_indices(&sampler->stream, position, now, last + 1, 1, random);
        for (uint32_t k = 0; k < now; k++) {
            uint32_t i = last - k, j = random[k], other = place[j];
            place[j] = place[i];
            place[i] = other;
        }
        last -= now;
        position += now;
    }
    number[0] = (uint32_t)(epoch + 1);
    number[1] = (uint32_t)((epoch + 1) >> 32);
    return place;
}
