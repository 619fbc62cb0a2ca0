/* Estimator runs of momentum: all sequences of batches enumerated, a naive recursion on the sampler's own draws, and
 * many draws against the closed forms. */
#include "estimator_scene.h"

enum { LAST_LAG = 10 };

static void use_momentum(struct scene *s, double beta, uint64_t steps)
{
    s->config.update = method(METHOD_UPDATE, "heavy_ball");
    s->config.update_values.scalar[0] = beta;
    s->config.velocity_steps = steps;
}

/* Draw r is sequence number r of t single samples, the first changing fastest, and what follows does not matter. */
static void every_sequence(struct sampler *sampler, uint64_t first, size_t count, uint32_t *index, uint32_t *size)
{
    const uint64_t period = (uint64_t)sampler->values.scalar[0] + LAST_LAG;
    for (size_t s = 0; s < count; s++) {
        uint64_t code = (first + s) / period;
        for (uint64_t k = (first + s) % period; k > 0; k--)
            code /= sampler->n;
        *index++ = (uint32_t)(code % sampler->n);
        size[s] = 1;
    }
}

static const struct sampler_type sequences = {
    .method = {.name = "sequences"}, .with_replacement = true, .independent_steps = true, .draw = every_sequence};

Test(estimator_velocity, enumeration)
{
    enum { N = 3, D = 2, STEPS = 5, SEQUENCES = 243 };
    static const double betas[] = {0.3, 0.9};
    for (size_t p = 0; p < PROBLEMS; p++)
        for (size_t b = 0; b < 2; b++) {
            struct scene s;
            const double beta = betas[b], kappa = (1 - beta) / (1 + beta) * (1 - pow(beta, 2 * STEPS));
            scene_open(&s, problems[p], N, D);
            s.config.problem.l2 = 0.25;
            s.config.sampler = &sequences;
            s.config.sampler_values.scalar[0] = STEPS;
            s.config.draws = SEQUENCES;
            use_momentum(&s, beta, STEPS);
            struct exact e = exact_open(&s);
            struct estimator_result r = estimate(&s);
            cr_assert(eq(u64, r.draws, SEQUENCES));
            EXPECT_CLOSE(r.kappa, kappa, 1e-14);
            EXPECT_CLOSE(r.predicted, kappa * e.sigma2, 1e-13);
            EXPECT_CLOSE(r.variance, kappa * e.sigma2, 1e-12);
            for (size_t i = 0; i < D * D; i++) {
                double scale = kappa * e.sigma2;
                cr_expect(fabs(r.covariance[i] - kappa * e.sigma[i]) <= 1e-13 * scale);
                cr_expect(fabs(r.covariance_predicted[i] - kappa * e.sigma[i]) <= 1e-13 * scale);
            }
            for (size_t k = 0; k < r.directions; k++)
                cr_expect(fabs(r.direction_variance[k] - r.direction_predicted[k]) <= 1e-12 * r.predicted);
            /* The mean is (1 - beta^t) grad f. */
            cr_expect(fabs(r.bias_along_gradient) <= 1e-13 * (1 + e.largest / sqrt(r.gradient_norm2)), "%s: %g",
                      problems[p], r.bias_along_gradient);
            cr_expect(sqrt(fmax(r.bias_statistic, 0) * r.predicted / SEQUENCES) <= 1e-13 * e.largest, "%s: %g",
                      problems[p], r.bias_statistic);
            estimator_result_free(&r);
            exact_close(&e);
            scene_close(&s);
        }
}

/* The whole result of a few draws from its definition. */
Test(estimator_velocity, equals_naive)
{
    enum { N = 12, D = 3, STEPS = 4, DRAWS = 7, M = 3, PERIOD = STEPS + LAST_LAG };
    static const char *const samplers[] = {"with_replacement", "subset"};
    const double beta = 0.7;
    for (size_t q = 0; q < 2; q++) {
        struct scene s;
        uint32_t index[PERIOD * M], size[PERIOD], scratch[N] = {0};
        scene_open(&s, "logistic_regression", N, D);
        use(&s, samplers[q], M, DRAWS);
        use_momentum(&s, beta, STEPS);
        struct exact e = exact_open(&s);
        struct estimator_result r = estimate(&s);
        struct sampler sampler = {.type = s.config.sampler,
                                  .n = N,
                                  .batch_size = M,
                                  .keep_last = true,
                                  .stream = rng_stream(s.request.seed, RNG_SAMPLING, 0, 0),
                                  .scratch = scratch};
        double variance = 0, product[LAST_LAG + 1] = {0};
        for (size_t draw = 0; draw < DRAWS; draw++) {
            double v[D] = {0}, held[D] = {0}, g[D];
            sampler.type->draw(&sampler, draw * PERIOD, PERIOD, index, size);
            for (size_t step = 1; step <= PERIOD; step++) {
                double deviation[D];
                for (size_t j = 0; j < D; j++)
                    v[j] *= beta;
                for (size_t k = 0; k < M; k++) {
                    sample_gradient(&s, index[(step - 1) * M + k], g);
                    for (size_t j = 0; j < D; j++)
                        v[j] += g[j] / M;
                }
                for (size_t j = 0; j < D; j++)
                    deviation[j] = (1 - beta) * v[j] - (1 - pow(beta, (double)step)) * e.gradient[j];
                if (step == STEPS)
                    memcpy(held, deviation, sizeof held);
                for (size_t j = 0; j < D && step >= STEPS; j++)
                    product[step - STEPS] += held[j] * deviation[j] / DRAWS;
            }
            variance += norm2_of(held, D) / DRAWS;
        }
        EXPECT_CLOSE(r.variance, variance, 1e-12);
        cr_assert(r.lags == ESTIMATOR_LAGS && estimator_lag[ESTIMATOR_LAGS - 1] == LAST_LAG);
        for (size_t k = 0; k < r.lags; k++) {
            cr_expect(fabs(r.autocorrelation[k] - product[estimator_lag[k]] / variance) < 1e-12);
            EXPECT_CLOSE(r.autocorrelation_predicted[k], pow(beta, (double)estimator_lag[k]), 1e-14);
        }
        estimator_result_free(&r);
        exact_close(&e);
        scene_close(&s);
    }
}

Test(estimator_velocity, monte_carlo)
{
    static const uint64_t steps[] = {1, 3, 25};
    for (size_t q = 0; q < 2; q++)
        for (size_t k = 0; k < 3; k++) {
            struct scene s;
            scene_open(&s, "least_squares", 20, 3);
            use(&s, q ? "subset" : "with_replacement", 4, 20000);
            use_momentum(&s, 0.8, steps[k]);
            struct estimator_result r = estimate(&s);
            cr_expect(fabs(r.variance - r.predicted) < 4.5 * r.variance_se, "t = %zu: %g +- %g, not %g",
                      (size_t)steps[k], r.variance, r.variance_se, r.predicted);
            cr_expect(r.variance_se < 0.02 * r.predicted && r.bias_p > 1e-5 && r.bias_df == 3);
            cr_expect(fabs(r.bias_along_gradient) < 4.5 * r.bias_along_gradient_se);
            for (size_t l = 0; l < r.lags; l++) {
                double miss = r.autocorrelation[l] - r.autocorrelation_predicted[l];
                cr_expect(fabs(miss) < 4.5 * r.autocorrelation_se[l] && r.autocorrelation_se[l] < 0.01,
                          "lag %zu: %g +- %g", (size_t)estimator_lag[l], miss, r.autocorrelation_se[l]);
            }
            estimator_result_free(&r);
            scene_close(&s);
        }
}

/* Momentum of one step is the batch gradient times 1 - beta; all samples at each step: no variance, the mean exact. */
Test(estimator_velocity, ends)
{
    struct scene s;
    scene_open(&s, "linear_svm", 15, 4);
    use(&s, "full", 15, 100);
    use_momentum(&s, 0.9, 6);
    struct estimator_result r = estimate(&s);
    cr_expect(r.draws == 1 && r.predicted == 0 && r.variance < 1e-28 && r.bias_p == 1);
    estimator_result_free(&r);
    use(&s, "with_replacement", 2, 500);
    use_momentum(&s, 0.5, 1);
    struct exact e = exact_open(&s);
    r = estimate(&s);
    EXPECT_CLOSE(r.predicted, 0.25 * e.sigma2 / 2, 1e-13);
    estimator_result_free(&r);
    exact_close(&e);
    scene_close(&s);
}

/* CSR data, where batch gradients alone would take the sparse way. */
Test(estimator_velocity, sparse)
{
    enum { N = 30, D = 40 };
    struct scene s;
    struct matrix sparse;
    scene_open(&s, "least_squares", N, D);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < D; j++)
            if ((7 * i + j) % 13)
                s.data.train.value[i * s.data.train.stride + j] = 0;
    use(&s, "with_replacement", 1, 300);
    use_momentum(&s, 0.6, 5);
    struct estimator_result dense = estimate(&s);
    cr_assert(matrix_to_sparse(&s.data.train, &sparse, NULL) == STATUS_OK);
    matrix_free(&s.data.train);
    s.data.train = sparse;
    struct estimator_result r = estimate(&s);
    EXPECT_CLOSE(r.variance, dense.variance, 1e-12);
    EXPECT_CLOSE(r.bias_statistic, dense.bias_statistic, 1e-9);
    EXPECT_CLOSE(r.autocorrelation[0], dense.autocorrelation[0], 1e-9);
    estimator_result_free(&dense);
    estimator_result_free(&r);
    scene_close(&s);
}
