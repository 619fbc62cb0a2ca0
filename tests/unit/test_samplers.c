/* Samplers: the contract of every registered one (sizes, range, any step can be asked for, epochs are complete), and
 * the distribution of each kind of draw. Statistical tests use fixed seeds and fail below p = 1e-6. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <gsl/gsl_cdf.h>
#include <stdlib.h>
#include <string.h>

#include "sampler.h"

static const double p_min = 1e-6;

static const struct sampler_type *find(const char *name)
{
    const struct method *method = registry_find(METHOD_SAMPLER, name, NULL);
    cr_assert(method != NULL);
    return (const struct sampler_type *)method;
}

static struct sampler sampler_make(const struct sampler_type *type, uint32_t n, size_t m, bool keep, uint64_t replicate)
{
    struct sampler sampler = {
        .type = type,
        .n = n,
        .batch_size = m,
        .keep_last = keep,
        .stream = rng_stream(1, RNG_TEST, 0, replicate),
        .scratch = calloc(type->scratch_words ? type->scratch_words(n, m) + 1 : 1, sizeof(uint32_t)),
    };
    cr_assert(sampler.scratch != NULL);
    return sampler;
}

/* Batches of steps first .. first+count-1, in memory of exactly the promised size (for AddressSanitizer). */
struct draw {
    uint32_t *index, *size;
    size_t total;
};

static struct draw draw_steps(struct sampler *sampler, uint64_t first, size_t count)
{
    size_t max = sampler_max_batch(sampler->type, sampler->n, sampler->batch_size);
    struct draw draw = {.index = malloc(count * max * sizeof(uint32_t)), .size = malloc(count * sizeof(uint32_t))};
    cr_assert(draw.index != NULL && draw.size != NULL);
    sampler->type->draw(sampler, first, count, draw.index, draw.size);
    for (size_t s = 0; s < count; s++)
        draw.total += draw.size[s];
    return draw;
}

static void draw_free(struct draw *draw)
{
    free(draw->index);
    free(draw->size);
}

static double chi2_p(size_t cells, const size_t *seen, double expected)
{
    double chi2 = 0;
    for (size_t i = 0; i < cells; i++)
        chi2 += ((double)seen[i] - expected) * ((double)seen[i] - expected) / expected;
    return gsl_cdf_chisq_Q(chi2, (double)cells - 1);
}

/* ---- the contract, for every registered sampler ---- */

static struct criterion_test_params every_sampler(void)
{
    static size_t index[64];
    size_t count = registry_count(METHOD_SAMPLER);
    for (size_t i = 0; i < count && i < 64; i++)
        index[i] = i;
    return cr_make_param_array(size_t, index, count);
}

static const struct {
    uint32_t n;
    size_t m;
} shapes[] = {{1, 1}, {2, 1}, {7, 1}, {7, 3}, {7, 7}, {10, 5}, {600, 1}, {600, 7}, {601, 300}, {5, 9}};

enum { SHAPES = sizeof shapes / sizeof *shapes };

static bool applies(const struct sampler_type *type, size_t shape)
{
    /* A batch larger than the data is for samplers that can fill it. */
    return shapes[shape].m <= shapes[shape].n || type->with_replacement || type->deterministic;
}

ParameterizedTestParameters(samplers, contract)
{
    return every_sampler();
}

ParameterizedTest(size_t *which, samplers, contract)
{
    const struct sampler_type *type = (const struct sampler_type *)registry_at(METHOD_SAMPLER, *which);
    const char *name = type->method.name;
    cr_expect(ge(uint, type->method.revision, 1), "%s", name);
    for (size_t k = 0; k < SHAPES; k++)
        for (int keep = 0; keep <= 1; keep++) {
            if (!applies(type, k))
                continue;
            uint32_t n = shapes[k].n;
            size_t m = shapes[k].m, max = sampler_max_batch(type, n, m);
            size_t per_epoch = sampler_steps_per_epoch(type, n, m, keep), steps = 3 * per_epoch + 2;
            struct sampler sampler = sampler_make(type, n, m, keep, 0);
            struct draw draw = draw_steps(&sampler, 0, steps);
            const uint32_t *at = draw.index;
            for (size_t s = 0; s < steps; s++) {
                bool last = s % per_epoch == per_epoch - 1;
                size_t size = max;
                if (type->by_epoch && keep && last && n % max)
                    size = n % max;
                cr_assert(eq(u32, draw.size[s], (uint32_t)size), "%s n=%u m=%zu step %zu", name, n, m, s);
                for (size_t j = 0; j < size; j++)
                    cr_assert(lt(u32, *at++, n), "%s", name);
            }
            draw_free(&draw);
            free(sampler.scratch);
        }
}

/* Any step of a fresh sampler, or of one that was elsewhere, is the step of the sequence. */
ParameterizedTestParameters(samplers, seek)
{
    return every_sampler();
}

ParameterizedTest(size_t *which, samplers, seek)
{
    const struct sampler_type *type = (const struct sampler_type *)registry_at(METHOD_SAMPLER, *which);
    for (size_t k = 0; k < SHAPES; k++)
        for (int keep = 0; keep <= 1; keep++) {
            if (!applies(type, k))
                continue;
            enum { STEPS = 64 };
            uint32_t n = shapes[k].n;
            size_t m = shapes[k].m;
            struct sampler whole = sampler_make(type, n, m, keep, 5), parts = sampler_make(type, n, m, keep, 5);
            struct draw all = draw_steps(&whole, 0, STEPS);
            size_t offset[STEPS + 1] = {0};
            for (size_t s = 0; s < STEPS; s++)
                offset[s + 1] = offset[s] + all.size[s];
            /* Jumps back and forth, in stretches of 1 to 13 steps. */
            for (size_t jump = 0; jump < 40; jump++) {
                size_t first = jump * 29 % STEPS, count = 1 + jump % 13;
                if (count > STEPS - first)
                    count = STEPS - first;
                struct draw some = draw_steps(&parts, first, count);
                cr_assert(eq(sz, some.total, offset[first + count] - offset[first]));
                cr_assert(memcmp(some.index, all.index + offset[first], some.total * sizeof *some.index) == 0,
                          "%s n=%u m=%zu steps %zu + %zu", type->method.name, n, m, first, count);
                cr_assert(memcmp(some.size, all.size + first, count * sizeof *some.size) == 0);
                draw_free(&some);
            }
            draw_free(&all);
            free(whole.scratch);
            free(parts.scratch);
        }
}

/* Deterministic samplers ignore the stream; the others do not. */
ParameterizedTestParameters(samplers, stream_matters)
{
    return every_sampler();
}

ParameterizedTest(size_t *which, samplers, stream_matters)
{
    const struct sampler_type *type = (const struct sampler_type *)registry_at(METHOD_SAMPLER, *which);
    struct sampler a = sampler_make(type, 50, 10, true, 0), b = sampler_make(type, 50, 10, true, 1);
    struct draw of_a = draw_steps(&a, 0, 5), of_b = draw_steps(&b, 0, 5);
    bool same = memcmp(of_a.index, of_b.index, of_a.total * sizeof *of_a.index) == 0;
    cr_expect(eq(int, same, type->deterministic), "%s", type->method.name);
    draw_free(&of_a);
    draw_free(&of_b);
    free(a.scratch);
    free(b.scratch);
}

/* Each epoch visits each sample once; without the last batch, n - n mod m different ones. */
ParameterizedTestParameters(samplers, epochs)
{
    return every_sampler();
}

ParameterizedTest(size_t *which, samplers, epochs)
{
    const struct sampler_type *type = (const struct sampler_type *)registry_at(METHOD_SAMPLER, *which);
    enum { N = 53, M = 10, EPOCHS = 6 };
    if (type->independent_steps && !type->deterministic)
        return; /* no epochs */
    for (int keep = 0; keep <= 1; keep++) {
        struct sampler sampler = sampler_make(type, N, M, keep, 0);
        size_t per_epoch = sampler_steps_per_epoch(type, N, M, keep);
        for (size_t epoch = 0; epoch < EPOCHS; epoch++) {
            struct draw draw = draw_steps(&sampler, epoch * per_epoch, per_epoch);
            int visits[N] = {0};
            for (size_t i = 0; i < draw.total; i++)
                visits[draw.index[i]]++;
            for (size_t i = 0; i < N; i++)
                cr_assert(le(int, visits[i], 1), "%s", type->method.name);
            cr_expect(eq(sz, draw.total, type->by_epoch && !keep ? N - N % M : N), "%s", type->method.name);
            draw_free(&draw);
        }
        free(sampler.scratch);
    }
}

/* ---- lengths ---- */

Test(samplers, steps_per_epoch)
{
    const struct {
        const char *name;
        size_t n, m, keep, drop;
    } expected[] = {
        {"with_replacement", 10, 3, 4, 4},  {"with_replacement", 10, 5, 2, 2},
        {"with_replacement", 10, 25, 1, 1}, {"subset", 10, 3, 4, 4},
        {"reshuffle", 10, 3, 4, 3},         {"reshuffle", 10, 5, 2, 2},
        {"shuffle_once", 10, 4, 3, 2},      {"cyclic", 10, 10, 1, 1},
        {"cyclic", 10, 99, 1, 1},           {"full", 10, 3, 1, 1},
    };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const struct sampler_type *type = find(expected[i].name);
        cr_expect(eq(sz, sampler_steps_per_epoch(type, expected[i].n, expected[i].m, true), expected[i].keep));
        cr_expect(eq(sz, sampler_steps_per_epoch(type, expected[i].n, expected[i].m, false), expected[i].drop));
    }
    cr_expect(eq(sz, sampler_max_batch(find("with_replacement"), 10, 25), 25));
    cr_expect(eq(sz, sampler_max_batch(find("subset"), 10, 25), 10));
    cr_expect(eq(sz, sampler_max_batch(find("reshuffle"), 10, 25), 10));
    cr_expect(eq(sz, sampler_max_batch(find("reshuffle"), 10, 4), 4));
    cr_expect(eq(sz, sampler_max_batch(find("full"), 10, 4), 10));
}

/* ---- orders ---- */

Test(samplers, permutations_of_epochs)
{
    enum { N = 40 };
    struct sampler fresh = sampler_make(find("reshuffle"), N, 1, true, 3);
    struct sampler once = sampler_make(find("shuffle_once"), N, 1, true, 3);
    struct draw a = draw_steps(&fresh, 0, 2 * N), b = draw_steps(&once, 0, 2 * N);
    size_t bytes = N * sizeof(uint32_t);
    cr_expect(memcmp(a.index, a.index + N, bytes) != 0, "reshuffle takes a new permutation");
    cr_expect(memcmp(b.index, b.index + N, bytes) == 0, "shuffle_once keeps its own");
    cr_expect(memcmp(a.index, b.index, bytes) == 0, "the first epoch is common");
    draw_free(&a);
    draw_free(&b);
    free(fresh.scratch);
    free(once.scratch);
}

Test(samplers, given_order)
{
    struct sampler cyclic = sampler_make(find("cyclic"), 5, 2, true, 0),
                   full = sampler_make(find("full"), 3, 2, true, 0);
    struct draw a = draw_steps(&cyclic, 1, 3), b = draw_steps(&full, 7, 2);
    const uint32_t order_a[] = {2, 3, 4, 0, 1}, size_a[] = {2, 1, 2}, order_b[] = {0, 1, 2, 0, 1, 2};
    cr_expect(eq(sz, a.total, 5));
    cr_expect(memcmp(a.index, order_a, sizeof order_a) == 0);
    cr_expect(memcmp(a.size, size_a, sizeof size_a) == 0);
    cr_expect(eq(sz, b.total, 6));
    cr_expect(memcmp(b.index, order_b, sizeof order_b) == 0);
    draw_free(&a);
    draw_free(&b);
    free(cyclic.scratch);
    free(full.scratch);
}

/* The permutation of an epoch far away does not depend on how one gets there. */
Test(samplers, far_epoch)
{
    enum { N = 300 };
    uint64_t far = (uint64_t)N * 5000000000u;
    struct sampler a = sampler_make(find("reshuffle"), N, 1, true, 0),
                   b = sampler_make(find("reshuffle"), N, 1, true, 0);
    struct draw near = draw_steps(&a, 0, N), of_a = draw_steps(&a, far, N), of_b = draw_steps(&b, far, N);
    cr_expect(memcmp(of_a.index, of_b.index, N * sizeof(uint32_t)) == 0);
    cr_expect(memcmp(of_a.index, near.index, N * sizeof(uint32_t)) != 0);
    draw_free(&near);
    draw_free(&of_a);
    draw_free(&of_b);
    free(a.scratch);
    free(b.scratch);
}

/* ---- distributions ---- */

/* Counts the batches of one draw by the number that their indices make in base n, `as_set` with the bits of the set. */
static double batch_p(const char *name, uint32_t n, size_t m, size_t draws, bool as_set, size_t cells)
{
    struct sampler sampler = sampler_make(find(name), n, m, true, 0);
    struct draw draw = draw_steps(&sampler, 0, draws);
    size_t codes = as_set ? (size_t)1 << n : 1;
    for (size_t j = 0; j < m && !as_set; j++)
        codes *= n;
    size_t *seen = calloc(codes, sizeof *seen), found = 0;
    cr_assert(seen != NULL);
    for (size_t s = 0; s < draws; s++) {
        size_t code = 0;
        for (size_t j = 0; j < m; j++) {
            uint32_t i = draw.index[s * m + j];
            code = as_set ? code | (size_t)1 << i : code * n + i;
        }
        seen[code]++;
    }
    for (size_t code = 0; code < codes; code++)
        if (seen[code])
            seen[found++] = seen[code];
    cr_assert(eq(sz, found, cells), "%s: %zu kinds of batches, %zu expected", name, found, cells);
    double p = chi2_p(cells, seen, (double)draws / (double)cells);
    free(seen);
    draw_free(&draw);
    free(sampler.scratch);
    return p;
}

Test(samplers, with_replacement_is_uniform)
{
    cr_expect(gt(dbl, batch_p("with_replacement", 11, 1, 200000, false, 11), p_min));
    cr_expect(gt(dbl, batch_p("with_replacement", 5, 3, 200000, false, 125), p_min)); /* also independent */
    cr_expect(gt(dbl, batch_p("with_replacement", 2, 5, 200000, false, 32), p_min));  /* more draws than samples */
}

Test(samplers, subset_is_uniform)
{
    cr_expect(gt(dbl, batch_p("subset", 6, 3, 200000, true, 20), p_min));
    cr_expect(gt(dbl, batch_p("subset", 7, 2, 200000, true, 21), p_min));
    cr_expect(gt(dbl, batch_p("subset", 6, 5, 200000, true, 6), p_min));
    cr_expect(gt(dbl, batch_p("subset", 5, 3, 200000, false, 60), p_min)); /* in every order */
    cr_expect(gt(dbl, batch_p("subset", 9, 1, 200000, false, 9), p_min));
}

/* Two steps one after another: pairs of subsets are independent. */
Test(samplers, subsets_of_two_steps_are_independent)
{
    enum { N = 4, M = 2, SETS = 6, PAIRS = 100000 };
    static const size_t number[16] = {[3] = 0, [5] = 1, [6] = 2, [9] = 3, [10] = 4, [12] = 5};
    struct sampler sampler = sampler_make(find("subset"), N, M, true, 0);
    struct draw draw = draw_steps(&sampler, 0, 2 * PAIRS);
    size_t seen[SETS * SETS] = {0};
    for (size_t p = 0; p < PAIRS; p++) {
        const uint32_t *i = draw.index + p * 2 * M;
        seen[number[1u << i[0] | 1u << i[1]] * SETS + number[1u << i[2] | 1u << i[3]]]++;
    }
    cr_expect(gt(dbl, chi2_p(SETS * SETS, seen, (double)PAIRS / (SETS * SETS)), p_min));
    draw_free(&draw);
    free(sampler.scratch);
}

/* One batch of n: all 24 permutations of 4 samples, in equal shares over the epochs. */
Test(samplers, reshuffle_is_uniform)
{
    cr_expect(gt(dbl, batch_p("reshuffle", 4, 4, 200000, false, 24), p_min));
    cr_expect(gt(dbl, batch_p("reshuffle", 5, 5, 200000, false, 120), p_min));
}

/* Over replicates, shuffle_once too. */
Test(samplers, shuffle_once_is_uniform)
{
    enum { N = 4, REPLICATES = 48000 };
    size_t seen[N * N * N * N] = {0}, found = 0;
    struct sampler sampler = sampler_make(find("shuffle_once"), N, N, true, 0);
    for (uint64_t r = 0; r < REPLICATES; r++) {
        uint32_t index[N], size;
        sampler.stream = rng_stream(1, RNG_TEST, 0, r);
        memset(sampler.scratch, 0, sampler.type->scratch_words(N, N) * sizeof(uint32_t));
        sampler.type->draw(&sampler, 0, 1, index, &size);
        seen[((index[0] * N + index[1]) * N + index[2]) * N + index[3]]++;
    }
    for (size_t i = 0; i < N * N * N * N; i++)
        if (seen[i])
            seen[found++] = seen[i];
    cr_assert(eq(sz, found, 24));
    cr_expect(gt(dbl, chi2_p(24, seen, REPLICATES / 24.0), p_min));
    free(sampler.scratch);
}

/* Large n, where a chunk of exchanges ends inside the shuffle: every sample is equally often in the first tenth. */
Test(samplers, reshuffle_of_many)
{
    enum { N = 1000, M = 100, EPOCHS = 2000 };
    struct sampler sampler = sampler_make(find("reshuffle"), N, M, true, 0);
    size_t seen[N] = {0};
    for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
        struct draw draw = draw_steps(&sampler, epoch * (N / M), 1);
        for (size_t i = 0; i < M; i++)
            seen[draw.index[i]]++;
        draw_free(&draw);
    }
    /* Cells are not independent: a count has variance E p (1 - p), so chi^2 over E p (1 - p) has about N - 1 degrees.
     */
    double chi2 = 0, mean = EPOCHS * 0.1, variance = mean * 0.9;
    for (size_t i = 0; i < N; i++)
        chi2 += ((double)seen[i] - mean) * ((double)seen[i] - mean) / variance;
    cr_expect(gt(dbl, gsl_cdf_chisq_Q(chi2, N - 1), p_min));
    cr_expect(gt(dbl, gsl_cdf_chisq_P(chi2, N - 1), p_min));
    free(sampler.scratch);
}

/* subset leaves its permutation as it found it. */
Test(samplers, subset_mends_its_permutation)
{
    enum { N = 100, M = 60 };
    struct sampler sampler = sampler_make(find("subset"), N, M, true, 0);
    struct draw draw = draw_steps(&sampler, 0, 50);
    for (size_t i = 0; i < N; i++)
        cr_assert(eq(u32, sampler.scratch[i], 0));
    draw_free(&draw);
    free(sampler.scratch);
}
