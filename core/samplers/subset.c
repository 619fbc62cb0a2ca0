/* A fresh uniform subset of m samples without replacement at every step, in O(m): the first m exchanges of a
 * Fisher-Yates shuffle (Knuth, TAOCP 2, 3rd ed., section 3.4.2) on an identity permutation that is mended afterwards.
 * Exchange j of step t uses word t m + j. */
#include "sampler.h"
#include "samplers/words.h"

static size_t scratch_words(size_t n, size_t batch_size)
{
    (void)batch_size;
    return n;
}

static void draw(struct sampler *sampler, uint64_t first, size_t count, uint32_t *index, uint32_t *size)
{
    /* Place i of the permutation is moved[i] ^ i: all zero is the identity. */
    uint32_t *moved = sampler->scratch, n = sampler->n;
    uint32_t m = (uint32_t)sampler_max_batch(sampler->type, n, sampler->batch_size);
    struct words words;
    words_start(&words, &sampler->stream, first * m, (uint64_t)count * m);
    for (size_t s = 0; s < count; s++) {
        for (uint32_t j = 0; j < m; j++) {
            uint32_t k = j + rng_index(words_next(&words), n - j);
            index[j] = moved[k] ^ k;
            moved[k] = moved[j] ^ j ^ k;
        }
        /* The places written are the k. A place below m is among the first m, and one beyond held its own number when
         * it was first taken, so it is among the indices drawn. */
        for (uint32_t j = 0; j < m; j++) {
            moved[j] = 0;
            moved[index[j]] = 0;
        }
        index += m;
        size[s] = m;
    }
}

const struct sampler_type sampler_subset = {
    .method = {.name = "subset",
               .summary = "a fresh subset of m of the n samples, without replacement, at each step",
               .revision = 1},
    .independent_steps = true,
    .scratch_words = scratch_words,
    .draw = draw,
};
