/* Philox streams: naming, bulk words, and a gsl_rng over them. The words come from Random123 itself one counter at a
 * time, or from the same rounds written over eight or four counters at once (rng_philox.h), chosen at run time. */
#include "rng.h"

#include <Random123/philox.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* Part of every stream's name: never change. */
static const uint32_t stream_tag = 0x73676431; /* "sgd1" */

struct rng_stream rng_stream(uint64_t seed, enum rng_purpose purpose, uint64_t group, uint64_t replicate)
{
    /* Two chained Philox calls, as in CBC-MAC: for given other parts each part enters through a bijection, so streams
     * whose names differ in one part are never the same. */
    philox4x32_key_t key = {{(uint32_t)purpose, stream_tag}};
    philox4x32_ctr_t state = {{(uint32_t)seed, (uint32_t)(seed >> 32), (uint32_t)group, (uint32_t)(group >> 32)}};
    state = philox4x32(state, key);
    state.v[0] ^= (uint32_t)replicate;
    state.v[1] ^= (uint32_t)(replicate >> 32);
    state = philox4x32(state, key);
    return (struct rng_stream){.key = {state.v[0], state.v[1]}, .high = {state.v[2], state.v[3]}};
}

/* Words 2c and 2c+1 of each counter c = counter .. counter+count-1. */
static void words_one(const struct rng_stream *stream, uint64_t counter, size_t count, uint64_t *word)
{
    philox4x32_key_t key = {{stream->key[0], stream->key[1]}};
    for (size_t i = 0; i < count; i++) {
        uint64_t c = counter + i;
        philox4x32_ctr_t x = {{(uint32_t)c, (uint32_t)(c >> 32), stream->high[0], stream->high[1]}};
        x = philox4x32(x, key);
        word[2 * i] = x.v[0] | (uint64_t)x.v[1] << 32;
        word[2 * i + 1] = x.v[2] | (uint64_t)x.v[3] << 32;
    }
}

/* The wide forms need one instruction that C cannot say portably, the 32x32 -> 64 bit product of vector elements. */
#if defined(__x86_64__)
#define NAME(what)     what##_avx2
#define TARGET         __attribute__((target("avx2")))
#define LANES          4
#define MULTIPLY(a, b) ((vector)_mm256_mul_epu32((__m256i)(a), (__m256i)(b)))
#define IOTA           0, 1, 2, 3
#define LOWER          0, 4, 1, 5
#define UPPER          2, 6, 3, 7
#include "rng_philox.h"

#define NAME(what)     what##_avx512
#define TARGET         __attribute__((target("avx512f")))
#define LANES          8
#define MULTIPLY(a, b) ((vector)_mm512_mul_epu32((__m512i)(a), (__m512i)(b)))
#define IOTA           0, 1, 2, 3, 4, 5, 6, 7
#define LOWER          0, 8, 1, 9, 2, 10, 3, 11
#define UPPER          4, 12, 5, 13, 6, 14, 7, 15
#include "rng_philox.h"
#endif

/* The wide forms do a part from the front, none where the machine has none, and say how much. */
static size_t words_wide(const struct rng_stream *stream, uint64_t counter, size_t count, uint64_t *word)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        return words_avx512(stream, counter, count, word);
    if (__builtin_cpu_supports("avx2"))
        return words_avx2(stream, counter, count, word);
#endif
    (void)stream, (void)counter, (void)count, (void)word;
    return 0;
}

static size_t indices_wide(const uint64_t *word, size_t count, uint32_t n, uint32_t shrink, uint32_t *index)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        return indices_avx512(word, count, n, shrink, index);
    if (__builtin_cpu_supports("avx2"))
        return indices_avx2(word, count, n, shrink, index);
#endif
    (void)word, (void)count, (void)n, (void)shrink, (void)index;
    return 0;
}

/* Counters that every wide form does in one go, and the fewest for which that beats one at a time. */
enum { WIDE_GROUP = 16, WIDE_WORTH = 5 };

static void words_from(const struct rng_stream *stream, uint64_t counter, size_t count, uint64_t *word)
{
    size_t done = words_wide(stream, counter, count, word);
    uint64_t rest[2 * WIDE_GROUP];
    if (count - done >= WIDE_WORTH && count - done < WIDE_GROUP &&
        words_wide(stream, counter + done, WIDE_GROUP, rest) == WIDE_GROUP) {
        memcpy(word + 2 * done, rest, (count - done) * sizeof *rest * 2);
        done = count;
    }
    words_one(stream, counter + done, count - done, word + 2 * done);
}

void rng_words(const struct rng_stream *stream, uint64_t position, size_t count, uint64_t *word)
{
    uint64_t pair[2];
    if (count && position % 2) {
        words_one(stream, position / 2, 1, pair);
        *word++ = pair[1];
        position++;
        count--;
    }
    words_from(stream, position / 2, count / 2, word);
    if (count % 2) {
        words_one(stream, (position + count) / 2, 1, pair);
        word[count - 1] = pair[0];
    }
}

void rng_indices(const struct rng_stream *stream, uint64_t position, size_t count, uint32_t n, uint32_t shrink,
                 uint32_t *index)
{
    enum { CHUNK = 256 };
    uint64_t word[CHUNK];
    while (count) {
        size_t now = count < CHUNK ? count : CHUNK;
        rng_words(stream, position, now, word);
        for (size_t i = indices_wide(word, now, n, shrink, index); i < now; i++)
            index[i] = rng_index(word[i], n - (uint32_t)i * shrink);
        index += now;
        n -= (uint32_t)now * shrink;
        position += now;
        count -= now;
    }
}

/* ---- a gsl_rng over a stream ---- */

enum { GSL_BUFFER = 64 };

struct gsl_state {
    struct rng_stream stream;
    uint64_t position; /* of the word after the buffer */
    size_t used;       /* 32-bit halves of the buffer that were given out */
    uint64_t word[GSL_BUFFER];
};

/* GSL's seed means nothing here; seeding rewinds. */
static void gsl_rewind(void *state, unsigned long seed)
{
    struct gsl_state *s = state;
    (void)seed;
    s->position = 0;
    s->used = 2 * GSL_BUFFER;
}

static unsigned long gsl_get(void *state)
{
    struct gsl_state *s = state;
    if (s->used == 2 * GSL_BUFFER) {
        rng_words(&s->stream, s->position, GSL_BUFFER, s->word);
        s->position += GSL_BUFFER;
        s->used = 0;
    }
    size_t half = s->used++;
    return (uint32_t)(s->word[half / 2] >> (half % 2 ? 32 : 0));
}

/* Two integers to the 53 bits that a double has: [0, 1). */
static double gsl_get_double(void *state)
{
    uint64_t low = gsl_get(state), high = gsl_get(state);
    return (double)((high << 32 | low) >> 11) * 0x1p-53;
}

static const gsl_rng_type gsl_stream_type = {
    .name = "philox4x32 stream",
    .max = 0xffffffffu,
    .min = 0,
    .size = sizeof(struct gsl_state),
    .set = gsl_rewind,
    .get = gsl_get,
    .get_double = gsl_get_double,
};

gsl_rng *rng_gsl_open(const struct rng_stream *stream)
{
    gsl_rng *rng = gsl_rng_alloc(&gsl_stream_type);
    if (!rng)
        return NULL;
    struct gsl_state *state = rng->state;
    memset(state, 0, sizeof *state);
    state->stream = *stream;
    gsl_rewind(state, 0);
    return rng;
}
