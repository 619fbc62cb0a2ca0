/* The written-out gradients of a model, and what is made of them. That estimator runs and studies of gradients serve
 * models is tested with theirs, on a neuron beside the linear models. */
#include "estimator_scene.h"
#include "sample_gradients.h"

static struct error error;

Test(sample_gradients, rows)
{
    struct scene s;
    struct matrix written;
    double g[8];
    scene_open(&s, "neuron", 23, 6);
    cr_assert(eq(int, (int)sample_gradients_write(&s.config.problem, s.start, &written, &error), STATUS_OK));
    cr_assert(written.rows == 23 && written.cols == 6 && written.sparse == false);
    for (size_t i = 0; i < 23; i++) {
        sample_gradient(&s, i, g);
        g[6] = g[7] = 0; /* the padding that vector kernels read */
        cr_expect(memcmp(written.value + i * written.stride, g, sizeof g) == 0, "row %zu", i);
    }
    matrix_free(&written);
    scene_close(&s);
}

static size_t wide_dim(const struct problem *problem, size_t *penalized)
{
    (void)problem;
    return *penalized = 100000;
}

/* 2000 samples in 100000 coordinates are 1.5 GiB: told before anything is allocated. */
Test(sample_gradients, too_large)
{
    struct model_type wide = neuron_model;
    struct problem_type type = neuron_type;
    struct scene s;
    struct estimator_result result;
    scene_open(&s, "neuron", 2000, 2);
    wide.dim = wide_dim;
    type.model = &wide;
    s.config.problem.type = &type;
    s.config.start.kind = START_ZEROS;
    cr_assert(eq(int, (int)estimator_run(&s.request, NULL, &result, &error), STATUS_UNSUPPORTED));
    cr_expect(strstr(error.message, "2000 samples") != NULL && strstr(error.message, "1.5 GiB") != NULL, "%s",
              error.message);
    scene_close(&s);
}

Test(sample_gradients, moments)
{
    enum { N = 40, D = 5 };
    struct scene s;
    double slope[N], mean[D], variance[D], sum[D], stored[D];
    scene_open(&s, "least_squares", N, D);
    struct matrix *a = &s.data.train, sparse;
    for (size_t i = 0; i < N; i++) {
        slope[i] = sin((double)i) + 1e6; /* far from their spread */
        for (size_t j = 0; j < D; j++)
            a->value[i * a->stride + j] = j == 2 ? (i % 7 == 0) : j == 4 ? 1 : a->value[i * a->stride + j];
    }
    cr_assert(eq(int, (int)matrix_to_sparse(a, &sparse, &error), STATUS_OK));
    for (int k = 0; k < 2; k++) {
        for (size_t j = 0; j < D; j++) {
            mean[j] = 0;
            for (size_t i = 0; i < N; i++)
                mean[j] += slope[i] * a->value[i * a->stride + j] / N;
        }
        sample_gradients_moments(k ? &sparse : a, slope, mean, variance, sum, stored);
        for (size_t j = 0; j < D; j++) {
            double want = 0, size = 0;
            for (size_t i = 0; i < N; i++) {
                const double g = slope[i] * a->value[i * a->stride + j];
                want += (g - mean[j]) * (g - mean[j]) / N;
                size += fabs(g);
            }
            EXPECT_CLOSE(variance[j], want, 1e-13);
            EXPECT_CLOSE(sum[j], size, 1e-13);
        }
    }
    EXPECT_CLOSE(variance[4], 0.5, 0.05); /* of the sines: nothing is lost to the large mean */
    matrix_free(&sparse);
    scene_close(&s);
}
