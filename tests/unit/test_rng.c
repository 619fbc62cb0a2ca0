/* Streams: the words are Random123's in every code path, any place can be reached, the maps to indices and to GSL are
 * what they say, and what comes out is uniform. Statistical tests use fixed seeds and fail below p = 1e-6. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_randist.h>
#include <math.h>

#include "rng.c" /* not the header: the forms for each instruction set are private to it */

static const double p_min = 1e-6;

/* One instruction set's forms; NULL: not on this machine. */
struct form {
    const char *name;
    size_t (*words)(const struct rng_stream *, uint64_t, size_t, uint64_t *);
    size_t (*indices)(const uint64_t *, size_t, uint32_t, uint32_t, uint32_t *);
};

static size_t plain_words(const struct rng_stream *stream, uint64_t counter, size_t count, uint64_t *word)
{
    words_one(stream, counter, count, word);
    return count;
}

static size_t plain_indices(const uint64_t *word, size_t count, uint32_t n, uint32_t shrink, uint32_t *index)
{
    for (size_t i = 0; i < count; i++)
        index[i] = rng_index(word[i], n - (uint32_t)i * shrink);
    return count;
}

static size_t forms(struct form form[3])
{
    size_t count = 0;
    form[count++] = (struct form){"plain", plain_words, plain_indices};
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        form[count++] = (struct form){"avx2", words_avx2, indices_avx2};
    if (__builtin_cpu_supports("avx512f"))
        form[count++] = (struct form){"avx512", words_avx512, indices_avx512};
#endif
    return count;
}

/* Word `position` by Random123's own function. */
static uint64_t direct_word(const struct rng_stream *stream, uint64_t position)
{
    uint64_t c = position / 2;
    philox4x32_ctr_t x = {{(uint32_t)c, (uint32_t)(c >> 32), stream->high[0], stream->high[1]}};
    philox4x32_key_t key = {{stream->key[0], stream->key[1]}};
    x = philox4x32(x, key);
    return position % 2 ? x.v[2] | (uint64_t)x.v[3] << 32 : x.v[0] | (uint64_t)x.v[1] << 32;
}

static double chi2_p(size_t cells, const size_t *seen, double expected)
{
    double chi2 = 0;
    for (size_t i = 0; i < cells; i++)
        chi2 += ((double)seen[i] - expected) * ((double)seen[i] - expected) / expected;
    return gsl_cdf_chisq_Q(chi2, (double)cells - 1);
}

/* Random123's kat_vectors, philox 4x32 10: counter, key, answer. */
Test(rng, known_answers)
{
    static const uint32_t kat[][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d, 0x41c83b0e, 0xa20bc7c6,
         0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb, 0x5001e420,
         0x24126ea1},
    };
    enum { GROUP = WIDE_GROUP };
    struct form form[3];
    size_t count = forms(form);
    for (size_t k = 0; k < sizeof kat / sizeof *kat; k++)
        for (size_t f = 0; f < count; f++) {
            const uint32_t *v = kat[k];
            struct rng_stream stream = {.key = {v[4], v[5]}, .high = {v[2], v[3]}};
            uint64_t word[2 * GROUP];
            cr_assert(eq(sz, form[f].words(&stream, v[0] | (uint64_t)v[1] << 32, GROUP, word), GROUP), "%s",
                      form[f].name);
            cr_expect(eq(u64, word[0], v[6] | (uint64_t)v[7] << 32), "%s", form[f].name);
            cr_expect(eq(u64, word[1], v[8] | (uint64_t)v[9] << 32), "%s", form[f].name);
        }
}

/* Every form, over the carry from the low to the high half of the counter. */
Test(rng, forms_agree)
{
    enum { COUNT = 100 };
    struct rng_stream stream = rng_stream(7, RNG_TEST, 3, 11);
    struct form form[3];
    size_t count = forms(form);
    for (size_t f = 0; f < count; f++)
        for (size_t n = 0; n <= COUNT; n++) {
            uint64_t word[2 * COUNT], from = 0xffffffffu - 37;
            size_t done = form[f].words(&stream, from, n, word);
            cr_assert(n - done < WIDE_GROUP);
            for (size_t i = 0; i < 2 * done; i++)
                cr_assert(eq(u64, word[i], direct_word(&stream, 2 * from + i)), "%s", form[f].name);
        }
}

Test(rng, words_anywhere)
{
    enum { COUNT = 90 };
    struct rng_stream stream = rng_stream(1, RNG_TEST, 0, 0);
    uint64_t start[] = {0, 1, 2 * (uint64_t)0xffffffffu - 40, UINT64_MAX / 2 - 45};
    for (size_t s = 0; s < sizeof start / sizeof *start; s++)
        for (uint64_t shift = 0; shift < 4; shift++)
            for (size_t n = 0; n < COUNT; n++) {
                uint64_t word[COUNT + 1];
                word[n] = 12345; /* not to be touched */
                rng_words(&stream, start[s] + shift, n, word);
                for (size_t i = 0; i < n; i++)
                    cr_assert(eq(u64, word[i], direct_word(&stream, start[s] + shift + i)));
                cr_assert(eq(u64, word[n], 12345));
            }
}

/* The names of streams must mean the same for ever: stored results depend on them. */
Test(rng, stream_names_are_pinned)
{
    struct rng_stream stream = rng_stream(1, RNG_SAMPLING, 0, 0);
    uint64_t word[2];
    rng_words(&stream, 0, 2, word);
    cr_expect(eq(u64, word[0], 0x7240530dcc30dd18u));
    cr_expect(eq(u64, word[1], 0x8c28f6d69a401d9cu));
}

static int compare_streams(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct rng_stream));
}

Test(rng, streams_differ)
{
    enum { SIDE = 12, PURPOSES = 6 };
    static struct rng_stream stream[PURPOSES * SIDE * SIDE * SIDE];
    size_t count = 0;
    /* Small numbers, and large ones that differ in their upper halves only. */
    for (int purpose = 1; purpose <= PURPOSES; purpose++)
        for (uint64_t a = 0; a < SIDE; a++)
            for (uint64_t b = 0; b < SIDE; b++)
                for (uint64_t c = 0; c < SIDE; c++)
                    stream[count++] = rng_stream(a % 2 ? a << 32 : a, (enum rng_purpose)purpose, b % 2 ? b << 32 : b,
                                                 c % 2 ? c << 32 : c);
    qsort(stream, count, sizeof *stream, compare_streams);
    for (size_t i = 1; i < count; i++)
        cr_assert(compare_streams(&stream[i - 1], &stream[i]) != 0);
}

/* The words of neighbouring streams share as many bits as chance has it. */
Test(rng, neighbours_are_unrelated)
{
    enum { WORDS = 4096 };
    static uint64_t a[WORDS], b[WORDS];
    for (int what = 0; what < 3; what++) {
        struct rng_stream one = rng_stream(1, RNG_TEST, 1, 1);
        struct rng_stream other = rng_stream(1 + (what == 0), RNG_TEST, 1 + (what == 1), 1 + (what == 2));
        rng_words(&one, 0, WORDS, a);
        rng_words(&other, 0, WORDS, b);
        double differing = 0, bits = 64.0 * WORDS;
        for (size_t i = 0; i < WORDS; i++)
            differing += __builtin_popcountll(a[i] ^ b[i]);
        cr_expect(lt(dbl, fabs(differing - bits / 2) / sqrt(bits / 4), gsl_cdf_ugaussian_Qinv(p_min / 2)));
    }
}

Test(rng, index_is_the_high_product)
{
    static const uint32_t n[] = {1, 2, 3, 10, 1797, 0x7fffffff, 0x80000001, 0xffffffff};
    struct rng_stream stream = rng_stream(5, RNG_TEST, 0, 0);
    enum { WORDS = 1000 };
    uint64_t word[WORDS + 3];
    rng_words(&stream, 0, WORDS, word);
    word[WORDS] = 0;
    word[WORDS + 1] = UINT64_MAX;
    word[WORDS + 2] = 0xffffffffu;
    for (size_t k = 0; k < sizeof n / sizeof *n; k++) {
        for (size_t i = 0; i < WORDS + 3; i++)
            cr_assert(eq(u32, rng_index(word[i], n[k]), (uint32_t)(((unsigned __int128)word[i] * n[k]) >> 64)));
        cr_expect(eq(u32, rng_index(0, n[k]), 0));
        cr_expect(eq(u32, rng_index(UINT64_MAX, n[k]), n[k] - 1));
    }
}

Test(rng, indices_are_mapped_words)
{
    enum { COUNT = 700 };
    struct rng_stream stream = rng_stream(6, RNG_TEST, 0, 0);
    uint64_t word[COUNT];
    uint32_t index[COUNT];
    rng_words(&stream, 13, COUNT, word);
    for (uint32_t shrink = 0; shrink <= 1; shrink++)
        for (size_t count = 0; count <= COUNT; count = count < 40 ? count + 1 : count * 2) {
            /* Down to a bound of 1 where it shrinks. */
            uint32_t n = shrink ? (uint32_t)count : 0xfffffff0u;
            rng_indices(&stream, 13, count, n, shrink, index);
            for (size_t i = 0; i < count; i++)
                cr_assert(eq(u32, index[i], rng_index(word[i], n - (uint32_t)i * shrink)));
            struct form form[3];
            for (size_t f = 0, forms_here = forms(form); f < forms_here; f++) {
                size_t done = form[f].indices(word, count, n, shrink, index);
                cr_assert(count - done < 8);
                for (size_t i = 0; i < done; i++)
                    cr_assert(eq(u32, index[i], rng_index(word[i], n - (uint32_t)i * shrink)), "%s", form[f].name);
            }
        }
}

Test(rng, indices_are_uniform)
{
    enum { CELLS = 37, DRAWS = 370000 };
    static uint32_t index[DRAWS];
    struct rng_stream stream = rng_stream(2, RNG_TEST, 0, 0);
    rng_indices(&stream, 0, DRAWS, CELLS, 0, index);
    size_t seen[CELLS] = {0}, pair[CELLS * CELLS] = {0};
    for (size_t i = 0; i < DRAWS; i++)
        seen[index[i]]++;
    for (size_t i = 0; i < DRAWS; i += 2)
        pair[index[i] * CELLS + index[i + 1]]++;
    cr_expect(gt(dbl, chi2_p(CELLS, seen, (double)DRAWS / CELLS), p_min));
    cr_expect(gt(dbl, chi2_p(CELLS * CELLS, pair, DRAWS / 2.0 / (CELLS * CELLS)), p_min));
}

Test(rng, gsl_integers_are_halves_of_words)
{
    struct rng_stream stream = rng_stream(3, RNG_TEST, 0, 0);
    gsl_rng *rng = rng_gsl_open(&stream);
    cr_assert(rng != NULL);
    cr_expect(eq(ulong, gsl_rng_min(rng), 0));
    cr_expect(eq(ulong, gsl_rng_max(rng), 0xffffffffu));
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t word = direct_word(&stream, i);
        cr_assert(eq(ulong, gsl_rng_get(rng), (uint32_t)word));
        cr_assert(eq(ulong, gsl_rng_get(rng), word >> 32));
    }
    /* 53 bits of one word when read on even places. */
    cr_expect(ieee_ulp_eq(dbl, gsl_rng_uniform(rng), (double)(direct_word(&stream, 1000) >> 11) / 0x1p53, 0));
    gsl_rng_set(rng, 99);
    cr_expect(eq(ulong, gsl_rng_get(rng), (uint32_t)direct_word(&stream, 0)), "seeding rewinds");
    gsl_rng_free(rng);
}

Test(rng, gsl_generators_are_separate)
{
    struct rng_stream stream = rng_stream(4, RNG_TEST, 0, 0);
    gsl_rng *a = rng_gsl_open(&stream), *b = rng_gsl_open(&stream);
    cr_assert(a != NULL && b != NULL);
    for (int i = 0; i < 1001; i++)
        gsl_rng_get(a);
    gsl_rng *copy = gsl_rng_clone(a);
    cr_expect(eq(ulong, gsl_rng_get(b), (uint32_t)direct_word(&stream, 0)));
    for (int i = 0; i < 300; i++)
        cr_assert(eq(ulong, gsl_rng_get(copy), gsl_rng_get(a)));
    gsl_rng_free(a);
    gsl_rng_free(b);
    gsl_rng_free(copy);
}

/* Normal numbers through GSL: sorted into cells of equal probability. */
Test(rng, gsl_gaussian)
{
    enum { CELLS = 50, DRAWS = 100000 };
    struct rng_stream stream = rng_stream(8, RNG_TEST, 0, 0);
    gsl_rng *rng = rng_gsl_open(&stream);
    cr_assert(rng != NULL);
    size_t seen[CELLS] = {0};
    for (size_t i = 0; i < DRAWS; i++)
        seen[(size_t)(CELLS * gsl_cdf_ugaussian_P(gsl_ran_gaussian_ziggurat(rng, 1)))]++;
    cr_expect(gt(dbl, chi2_p(CELLS, seen, (double)DRAWS / CELLS), p_min));
    gsl_rng_free(rng);
}
