/* Counter-based random streams: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2,
 * 3", SC 2011), from Random123. A stream is named by (master seed, purpose, group, replicate); its state is that name
 * and a position, so any place of any stream is reached in O(1), which is what makes results independent of threads, of
 * the split of the work and of crashes. */
#ifndef SGDLAB_RNG_H
#define SGDLAB_RNG_H

#include <gsl/gsl_rng.h>
#include <stddef.h>
#include <stdint.h>

/* What a stream is used for; streams of different purpose are independent. Numbers are stored in no file but determine
 * every result: never renumber. */
enum rng_purpose {
    RNG_SAMPLING = 1, /* which samples a step uses */
    RNG_START = 2,    /* the random start of a run */
    RNG_DATA = 3,     /* synthetic data */
    RNG_SPLIT = 4,    /* train/test split and order of samples */
    RNG_BOOTSTRAP = 5,
    RNG_TEST = 6,
    RNG_ESTIMATOR = 7, /* which epoch, and where in it, an estimator run looks at */
    RNG_LAW = 8,       /* simulations inside a prediction */
    RNG_CURVATURE = 9, /* where the search for an eigenvalue starts */
};

/* 128 bits that name a stream. */
struct rng_stream {
    uint32_t key[2];
    uint32_t high[2]; /* upper half of the counter */
};

/* The stream of (seed, purpose, group, replicate): the four are mixed by Philox itself, so nearby names give unrelated
 * streams. group separates the values of `independent_over` axes and the workers of local SGD; 0 otherwise. */
struct rng_stream rng_stream(uint64_t seed, enum rng_purpose purpose, uint64_t group, uint64_t replicate);

/* count 64-bit words of the stream from word number `position` on. Vectorised over positions; the words are those of
 * Random123's philox4x32 (tested), word 2c and 2c+1 from counter c, low half first. */
void rng_words(const struct rng_stream *stream, uint64_t position, size_t count, uint64_t *word);

/* Maps a word to 0..n-1 by its high product with n. Bias below n / 2^64. */
static inline uint32_t rng_index(uint64_t word, uint32_t n)
{
    /* (word * n) >> 64 from 32-bit halves: every product fits in 64 bits, so compilers vectorise it. */
    uint64_t low = (word & 0xffffffffu) * n, high = (word >> 32) * n;
    return (uint32_t)((high + (low >> 32)) >> 32);
}

/* The words position .. position+count-1 mapped by rng_index: index[i] to 0 .. n - i * shrink - 1, which must not be
 * empty. shrink 0 is sampling with replacement, 1 the exchanges of a Fisher-Yates shuffle. Vectorised. */
void rng_indices(const struct rng_stream *stream, uint64_t position, size_t count, uint32_t n, uint32_t shrink,
                 uint32_t *index);

/* A gsl_rng type over such a stream, for every GSL distribution: rng_gsl_open gives a generator at position 0 (NULL:
 * out of memory); free it with gsl_rng_free. Its integers are the 32-bit halves of the stream's words. gsl_rng_set is
 * not meaningful for it: the stream is the seed. */
gsl_rng *rng_gsl_open(const struct rng_stream *stream);

#endif
