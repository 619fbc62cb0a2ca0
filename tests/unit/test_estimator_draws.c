/* Estimator runs over random batches: within five standard errors of the exact covariance, p-values uniform, the laws
 * of batches of one epoch, and samplers that are wrong on purpose caught. Fixed seeds. */
#include "estimator_scene.h"
#include "naive.h"

/* ---- draws ---- */

/* All quantities within five standard errors, which are small: a batch size that is off by one would show. */
Test(estimator_draws, monte_carlo)
{
    enum { N = 60, D = 4, DRAWS = 20000 };
    static const size_t sizes[] = {1, 4, 17, N / 2};
    for (size_t p = 0; p < PROBLEMS; p++)
        for (size_t q = 0; q < RANDOM_SAMPLERS; q++) {
            struct scene s;
            scene_open(&s, problems[p], N, D);
            for (size_t k = 0; k < 4; k++) {
                use(&s, random_samplers[q], sizes[k], DRAWS);
                struct estimator_result r = estimate(&s);
                double m = (double)sizes[k], kappa = q ? (N - m) / (m * (N - 1)) : 1 / m;
                EXPECT_CLOSE(r.kappa, kappa, 1e-15);
                cr_expect(lt(dbl, r.variance_se, 0.02 * r.predicted));
                cr_expect(gt(dbl, r.variance_se, 0.001 * r.predicted));
                cr_expect(le(dbl, fabs(r.variance - r.predicted), 5 * r.variance_se), "%s %s m=%zu: %g, not %g+-%g",
                          problems[p], random_samplers[q], sizes[k], r.variance, r.predicted, r.variance_se);
                for (size_t i = 0; i < r.directions; i++)
                    cr_expect(le(dbl, fabs(r.direction_variance[i] - r.direction_predicted[i]), 5 * r.direction_se[i]));
                cr_expect(le(dbl, fabs(r.bias_along_gradient), 5 * r.bias_along_gradient_se));
                double se = sqrt(r.direction_predicted[0] / DRAWS / r.gradient_norm2);
                EXPECT_CLOSE(r.bias_along_gradient_se, se, 0.05);
                cr_expect(gt(dbl, r.bias_p, 1e-5), "%s %s m=%zu: p = %g", problems[p], random_samplers[q], sizes[k],
                          r.bias_p);
                estimator_result_free(&r);
            }
            scene_close(&s);
        }
}

static int compare_reals(const void *left, const void *right)
{
    const double *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

/* p-values of independent replicates are uniform: Kolmogorov's distance beyond 1.95/sqrt(N) has probability 1e-3. With
 * one order for all draws, shuffle_once at m = n/2 would see two batches only. */
Test(estimator_draws, p_values_are_uniform)
{
    enum { N = 40, D = 3, REPLICATES = 400 };
    for (size_t q = 0; q < RANDOM_SAMPLERS; q++) {
        struct scene s;
        double p[REPLICATES], distance = 0;
        scene_open(&s, "logistic_regression", N, D);
        use(&s, random_samplers[q], q == 1 ? 3 : N / 2, 400);
        for (size_t k = 0; k < REPLICATES; k++) {
            s.request.replicate = k;
            struct estimator_result r = estimate(&s);
            p[k] = r.bias_p;
            estimator_result_free(&r);
        }
        qsort(p, REPLICATES, sizeof *p, compare_reals);
        for (size_t k = 0; k < REPLICATES; k++)
            distance = fmax(distance, fmax(p[k] - (double)k / REPLICATES, (double)(k + 1) / REPLICATES - p[k]));
        cr_expect(lt(dbl, distance, 1.95 / sqrt(REPLICATES)), "%s: %g", random_samplers[q], distance);
        scene_close(&s);
    }
}

/* sigma^2 = 16: standard deviations 4, 2, 1 for m = 1, 4, 16. */
Test(estimator_draws, sixteen)
{
    enum { N = 1000 };
    static const size_t sizes[] = {1, 4, 16};
    static const double deviations[] = {4, 2, 1};
    struct scene s;
    double squares = 0;
    scene_open(&s, "least_squares", N, 1);
    for (size_t i = 0; i < N; i++) {
        s.data.train.value[i * s.data.train.stride] = 1;
        s.data.y[i] = (double)i - (N - 1) / 2.0;
        squares += s.data.y[i] * s.data.y[i] / N;
    }
    for (size_t i = 0; i < N; i++)
        s.data.y[i] *= 4 / sqrt(squares);
    for (size_t k = 0; k < 3; k++) {
        use(&s, "with_replacement", sizes[k], 40000);
        struct estimator_result r = estimate(&s);
        EXPECT_CLOSE(sqrt(r.predicted), deviations[k], 1e-12);
        EXPECT_CLOSE(sqrt(r.variance), deviations[k], 0.02);
        cr_expect(le(dbl, fabs(r.variance - r.predicted), 5 * r.variance_se));
        estimator_result_free(&r);
        use(&s, "subset", sizes[k], 40000);
        r = estimate(&s);
        double finite = deviations[k] * sqrt((double)(N - sizes[k]) / (N - 1));
        EXPECT_CLOSE(sqrt(r.predicted), finite, 1e-12);
        EXPECT_CLOSE(sqrt(r.variance), finite, 0.02);
        estimator_result_free(&r);
    }
    scene_close(&s);
}

/* A batch of all n has no variance and no bias, to rounding. */
Test(estimator_draws, whole_batches)
{
    enum { N = 97, D = 5 };
    static const char *const samplers[] = {"subset", "reshuffle", "shuffle_once", "cyclic", "full"};
    struct scene s;
    scene_open(&s, "logistic_regression", N, D);
    for (size_t k = 0; k < 5; k++)
        for (size_t m = N; m <= 2 * N; m += N) {
            use(&s, samplers[k], m, 500);
            struct estimator_result r = estimate(&s);
            cr_expect(eq(u64, r.draws, k == 4 ? 1 : 500));
            cr_expect(eq(dbl, r.kappa, 0));
            cr_expect(eq(dbl, r.predicted, 0));
            cr_expect(le(dbl, r.variance, 1e-28 * r.sigma2), "%s: %g", samplers[k], r.variance);
            cr_expect(eq(dbl, r.bias_statistic, 0));
            cr_expect(eq(dbl, r.bias_df, 0));
            cr_expect(eq(dbl, r.bias_p, 1));
            cr_expect(le(dbl, fabs(r.bias_along_gradient), 1e-14));
            cr_expect(gt(dbl, r.sigma2, 0.1));
            estimator_result_free(&r);
        }
    scene_close(&s);
}

/* The batches of cyclic are not random: there is no p-value. On sorted samples their variance is not kappa sigma^2. */
Test(estimator_draws, cyclic)
{
    enum { N = 64 };
    struct scene s;
    scene_open(&s, "least_squares", N, 1);
    for (size_t i = 0; i < N; i++) {
        s.data.train.value[i * s.data.train.stride] = 1;
        s.data.y[i] = (double)i;
    }
    use(&s, "cyclic", 16, 4000);
    struct estimator_result r = estimate(&s);
    cr_expect(isnan(r.bias_p) != 0);
    /* Means of the four batches: 7.5, 23.5, 39.5, 55.5 around 31.5. */
    double exact = (24.0 * 24 + 8 * 8) / 2;
    cr_expect(le(dbl, fabs(r.variance - exact), 5 * r.variance_se));
    cr_expect(gt(dbl, r.variance, 10 * r.predicted));
    estimator_result_free(&r);
    scene_close(&s);
}

/* ---- batches of one epoch ---- */

static struct sampler open_sampler(const struct scene *s, uint64_t replicate)
{
    const struct sampler_type *type = s->config.sampler;
    size_t words = type->scratch_words ? type->scratch_words(s->data.train.rows, s->config.batch_size) : 0;
    struct sampler sampler = {
        .type = type,
        .n = (uint32_t)s->data.train.rows,
        .batch_size = s->config.batch_size,
        .keep_last = true,
        .stream = rng_stream(3, RNG_TEST, 0, replicate),
        .scratch = calloc(words + 1, sizeof(uint32_t)),
    };
    cr_assert(sampler.scratch != NULL);
    return sampler;
}

/* Two disjoint batches of an epoch at the same iterate: covariance -Sigma/(n-1). */
Test(estimator_draws, batches_of_an_epoch_repel)
{
    enum { N = 12, D = 3, M = 4, EPOCHS = 40000 };
    static const char *const samplers[] = {"reshuffle", "shuffle_once"};
    for (size_t q = 0; q < 2; q++) {
        struct scene s;
        scene_open(&s, "logistic_regression", N, D);
        use(&s, samplers[q], M, 1);
        struct exact e = exact_open(&s);
        double sum[D * D] = {0}, squares[D * D] = {0}, scratch[D], g[N / M][D];
        uint32_t index[N], size[N / M];
        for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
            struct sampler sampler = open_sampler(&s, epoch);
            sampler.type->draw(&sampler, 0, N / M, index, size);
            for (size_t b = 0; b < N / M; b++)
                naive_loss_gradient(&s.config.problem, CLIP_NONE, 0, index + b * M, M, s.start, g[b], scratch);
            for (size_t j = 0; j < D; j++)
                for (size_t k = 0; k < D; k++) {
                    double product = (g[0][j] - e.gradient[j]) * (g[2][k] - e.gradient[k]);
                    sum[j * D + k] += product / EPOCHS;
                    squares[j * D + k] += product * product / EPOCHS;
                }
            free(sampler.scratch);
        }
        for (size_t j = 0; j < D * D; j++) {
            double predicted = -e.sigma[j] / (N - 1), se = sqrt((squares[j] - sum[j] * sum[j]) / EPOCHS);
            cr_expect(le(dbl, fabs(sum[j] - predicted), 5 * se), "%s: %g, not %g+-%g", samplers[q], sum[j], predicted,
                      se);
            cr_expect(j % (D + 1) != 0 || -predicted > 8 * se); /* 0 would be seen */
        }
        exact_close(&e);
        scene_close(&s);
    }
}

/* The size-weighted mean of an epoch's batches is the full gradient, the short last one included. */
Test(estimator_draws, an_epoch_is_the_full_gradient)
{
    enum { N = 23, D = 4, M = 5, BATCHES = 5 };
    static const char *const samplers[] = {"reshuffle", "shuffle_once", "cyclic"};
    struct scene s;
    scene_open(&s, "least_squares", N, D);
    struct exact e = exact_open(&s);
    for (size_t q = 0; q < 3; q++)
        for (uint64_t epoch = 0; epoch < 20; epoch++) {
            use(&s, samplers[q], M, 1);
            struct sampler sampler = open_sampler(&s, 0);
            double mean[D] = {0}, g[D], scratch[D];
            uint32_t index[N], size[BATCHES], *at = index;
            sampler.type->draw(&sampler, epoch * BATCHES, BATCHES, index, size);
            for (size_t b = 0; b < BATCHES; at += size[b++]) {
                naive_loss_gradient(&s.config.problem, CLIP_NONE, 0, at, size[b], s.start, g, scratch);
                for (size_t j = 0; j < D; j++)
                    mean[j] += g[j] * size[b] / N;
            }
            for (size_t j = 0; j < D; j++)
                cr_expect(le(dbl, fabs(mean[j] - e.gradient[j]), 1e-14 * e.largest));
            free(sampler.scratch);
        }
    exact_close(&e);
    scene_close(&s);
}

/* ---- negative controls: samplers that are wrong on purpose ---- */

/* Never the last of the n samples. */
static void all_but_last(struct sampler *sampler, uint64_t first, size_t count, uint32_t *index, uint32_t *size)
{
    rng_indices(&sampler->stream, first * sampler->batch_size, count * sampler->batch_size, sampler->n - 1, 0, index);
    for (size_t s = 0; s < count; s++)
        size[s] = (uint32_t)sampler->batch_size;
}

/* The first sample instead of the last one, in a batch of all n. */
static void one_twice(struct sampler *sampler, uint64_t first, size_t count, uint32_t *index, uint32_t *size)
{
    (void)first;
    for (size_t s = 0; s < count; s++) {
        size[s] = sampler->n;
        for (uint32_t i = 0; i < sampler->n; i++)
            *index++ = i + 1 < sampler->n ? i : 0;
    }
}

/* One sample m times: unbiased, but the variance does not fall with m. */
static void repeated(struct sampler *sampler, uint64_t first, size_t count, uint32_t *index, uint32_t *size)
{
    for (size_t s = 0; s < count; s++) {
        rng_indices(&sampler->stream, first + s, 1, sampler->n, 0, index);
        for (size_t k = 1; k < sampler->batch_size; k++)
            index[k] = index[0];
        index += sampler->batch_size;
        size[s] = (uint32_t)sampler->batch_size;
    }
}

static const struct sampler_type missing = {
    .method = {.name = "missing"}, .with_replacement = true, .independent_steps = true, .draw = all_but_last};
static const struct sampler_type doubled = {
    .method = {.name = "doubled"}, .independent_steps = true, .draw = one_twice};
static const struct sampler_type clumped = {
    .method = {.name = "clumped"}, .with_replacement = true, .independent_steps = true, .draw = repeated};

Test(estimator_draws, a_missing_sample_is_caught)
{
    for (size_t p = 0; p < PROBLEMS; p++) {
        struct scene s;
        scene_open(&s, problems[p], 8, 2);
        use(&s, "with_replacement", 4, 20000);
        struct estimator_result right = estimate(&s);
        s.config.sampler = &missing;
        struct estimator_result wrong = estimate(&s);
        cr_expect(gt(dbl, right.bias_p, 1e-4), "%s: p = %g", problems[p], right.bias_p);
        cr_expect(lt(dbl, wrong.bias_p, 1e-10), "%s: p = %g", problems[p], wrong.bias_p);
        estimator_result_free(&right);
        estimator_result_free(&wrong);
        scene_close(&s);
    }
}

Test(estimator_draws, a_wrong_whole_batch_is_caught)
{
    struct scene s;
    scene_open(&s, "logistic_regression", 1000, 3);
    use(&s, "subset", 1000, 10);
    s.config.sampler = &doubled;
    struct estimator_result r = estimate(&s);
    cr_expect(isinf(r.bias_statistic) != 0);
    cr_expect(eq(dbl, r.bias_p, 0));
    cr_expect(eq(dbl, r.bias_df, 0));
    estimator_result_free(&r);
    scene_close(&s);
}

Test(estimator_draws, a_wrong_variance_is_caught)
{
    struct scene s;
    scene_open(&s, "least_squares", 100, 3);
    use(&s, "with_replacement", 2, 20000);
    s.config.sampler = &clumped;
    struct estimator_result r = estimate(&s);
    EXPECT_CLOSE(r.variance, 2 * r.predicted, 0.1);
    cr_expect(gt(dbl, r.variance - r.predicted, 20 * r.variance_se));
    estimator_result_free(&r);
    scene_close(&s);
}
