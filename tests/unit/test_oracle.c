/* The exact moments of SGD on least squares against the average over all possible paths of tiny problems, against their
 * definitions as means over samples, and against closed forms. */
#include "oracle_scene.h"

/* ---- all paths ---- */

enum { N = 3, D = 2, T = 4, BATCHES_MAX = 9 };

static const double RATES[T] = {0.3, 0.1, 0.45, 0.2}, BETA = 0.6;

/* All batches that a step can have, equally likely. */
struct batches {
    size_t m, count, index[BATCHES_MAX][N];
    bool with_replacement;
};

static const struct batches BATCHES[] = {
    {1, 3, {{0}, {1}, {2}}, true},
    {2, 9, {{0, 0}, {0, 1}, {0, 2}, {1, 0}, {1, 1}, {1, 2}, {2, 0}, {2, 1}, {2, 2}}, true},
    {1, 3, {{0}, {1}, {2}}, false},
    {2, 3, {{0, 1}, {0, 2}, {1, 2}}, false},
    {3, 1, {{0, 1, 2}}, false},
};
enum { BATCH_KINDS = sizeof BATCHES / sizeof *BATCHES };

/* The three penalties: none, everywhere, everywhere but on the intercept. */
static void tiny(struct scene *s, size_t penalty)
{
    scene_open(s, N, D, 2, penalty ? 0.3 : 0, penalty == 2);
}

/* The minimiser by Cramer's rule. */
static void minimiser(const struct problem *p, double *x)
{
    double zero[D] = {0}, unit[D] = {0}, g[D], column[D][D];
    problem_value(p, zero, g);
    for (size_t j = 0; j < D; j++) {
        unit[j] = 1;
        problem_value(p, unit, column[j]);
        unit[j] = 0;
        for (size_t k = 0; k < D; k++)
            column[j][k] -= g[k];
    }
    double det = column[0][0] * column[1][1] - column[0][1] * column[1][0];
    x[0] = (-g[0] * column[1][1] + g[1] * column[1][0]) / det;
    x[1] = (-g[1] * column[0][0] + g[0] * column[0][1]) / det;
}

/* g = the gradient of f_B + penalty at x, from the definition. */
static void batch_gradient(const struct problem *p, const size_t *index, size_t m, const double *x, double *g)
{
    for (size_t j = 0; j < D; j++)
        g[j] = j < problem_penalized(p) ? p->l2 * x[j] : 0;
    for (size_t k = 0; k < m; k++) {
        const double slope = matrix_row_dot(&p->data->train, index[k], x) - p->data->y[index[k]];
        matrix_row_axpy(&p->data->train, index[k], slope / (double)m, g);
    }
}

/* Means over paths at every t. */
struct means {
    long double mean[T + 1][D], second[T + 1][D * D], gap[T + 1], gap_average[T + 1], gap_ball[T + 1];
};

static void average_paths(const struct problem *p, const struct batches *b, const double *optimum, const double *e0,
                          struct means *out)
{
    size_t paths = 1;
    const double lowest = problem_value(p, optimum, NULL);
    memset(out, 0, sizeof *out);
    for (size_t t = 0; t < T; t++)
        paths *= b->count;
    for (size_t path = 0; path < paths; path++) {
        double x[D], ball[D], v[D] = {0}, sum[D] = {0}, mean[D], g[D];
        for (size_t j = 0; j < D; j++)
            x[j] = ball[j] = optimum[j] + e0[j];
        size_t rest = path;
        for (size_t t = 0; t <= T; t++) {
            for (size_t j = 0; j < D; j++) {
                sum[j] += x[j];
                mean[j] = sum[j] / (double)(t + 1);
                out->mean[t][j] += (x[j] - optimum[j]) / (long double)paths;
                for (size_t k = 0; k < D; k++)
                    out->second[t][j * D + k] += (x[j] - optimum[j]) * (x[k] - optimum[k]) / (long double)paths;
            }
            out->gap[t] += (problem_value(p, x, NULL) - lowest) / (long double)paths;
            out->gap_average[t] += (problem_value(p, mean, NULL) - lowest) / (long double)paths;
            out->gap_ball[t] += (problem_value(p, ball, NULL) - lowest) / (long double)paths;
            if (t == T)
                break;
            const size_t *index = b->index[rest % b->count];
            rest /= b->count;
            batch_gradient(p, index, b->m, x, g);
            for (size_t j = 0; j < D; j++)
                x[j] -= RATES[t] * g[j];
            batch_gradient(p, index, b->m, ball, g);
            for (size_t j = 0; j < D; j++) {
                v[j] = BETA * v[j] + g[j];
                ball[j] -= RATES[t] * v[j];
            }
        }
    }
}

static const double E0[D] = {1.5, -0.7};

Test(oracle, all_paths)
{
    for (size_t penalty = 0; penalty < 3; penalty++) {
        struct scene s;
        double x[D];
        tiny(&s, penalty);
        minimiser(&s.problem, x);
        cr_expect(lt(dbl, distance(D, s.oracle->optimum, x), 1e-14));
        for (size_t k = 0; k < BATCH_KINDS; k++) {
            const struct batches *b = &BATCHES[k];
            const double kappa = oracle_kappa(N, b->m, b->with_replacement);
            struct means truth;
            struct oracle_state *state;
            struct oracle_heavy_ball *ball;
            average_paths(&s.problem, b, x, E0, &truth);
            MUST(oracle_state_open(s.oracle, kappa, E0, true, &state, &error));
            MUST(oracle_heavy_ball_open(s.oracle, kappa, BETA, E0, &ball, &error));
            for (size_t t = 0; t <= T; t++) {
                for (size_t j = 0; j < D; j++) {
                    EXPECT_WITHIN(state->mu[j], (double)truth.mean[t][j], 2e-14);
                    for (size_t l = 0; l < D; l++)
                        EXPECT_WITHIN(state->m[j * D + l], (double)truth.second[t][j * D + l], 1e-13);
                }
                EXPECT_CLOSE(oracle_gap(state), (double)truth.gap[t], 1e-13);
                EXPECT_CLOSE(oracle_averaged_gap(state), (double)truth.gap_average[t], 1e-13);
                EXPECT_CLOSE(oracle_heavy_ball_gap(ball), (double)truth.gap_ball[t], 1e-13);
                EXPECT_CLOSE(oracle_distance2(state), (double)(truth.second[t][0] + truth.second[t][D + 1]), 1e-13);
                cr_expect(eq(u64, state->step, t));
                if (t < T) {
                    oracle_step(state, RATES[t]);
                    oracle_heavy_ball_step(ball, RATES[t]);
                }
            }
            oracle_state_close(state);
            oracle_heavy_ball_close(ball);
        }
        scene_close(&s);
    }
}

/* Two workers, every pair of index paths. */
static void average_local(const struct problem *p, const struct batches *b, size_t sync, const double *optimum,
                          long double *gap)
{
    enum { WORKERS = 2 };
    size_t paths = 1;
    const double lowest = problem_value(p, optimum, NULL);
    for (size_t t = 0; t < T * WORKERS; t++)
        paths *= b->count;
    for (size_t t = 0; t <= T; t++)
        gap[t] = 0;
    for (size_t path = 0; path < paths; path++) {
        double x[WORKERS][D], mean[D], g[D];
        size_t rest = path;
        for (size_t w = 0; w < WORKERS; w++)
            for (size_t j = 0; j < D; j++)
                x[w][j] = optimum[j] + E0[j];
        for (size_t t = 0; t <= T; t++) {
            for (size_t j = 0; j < D; j++)
                mean[j] = (x[0][j] + x[1][j]) / WORKERS;
            gap[t] += (problem_value(p, mean, NULL) - lowest) / (long double)paths;
            for (size_t w = 0; t < T && w < WORKERS; w++) {
                if (t > 0 && t % sync == 0)
                    memcpy(x[w], mean, sizeof mean);
                batch_gradient(p, b->index[rest % b->count], b->m, x[w], g);
                rest /= b->count;
                for (size_t j = 0; j < D; j++)
                    x[w][j] -= RATES[t] * g[j];
            }
        }
    }
}

Test(oracle, all_paths_of_two_workers)
{
    static const size_t kinds[] = {0, 3}, syncs[] = {1, 2, 3, 100};
    for (size_t penalty = 0; penalty < 3; penalty += 2)
        for (size_t k = 0; k < 2; k++)
            for (size_t q = 0; q < 4; q++) {
                const struct batches *b = &BATCHES[kinds[k]];
                struct scene s;
                long double truth[T + 1];
                double x[D], gap[T + 1];
                tiny(&s, penalty);
                minimiser(&s.problem, x);
                average_local(&s.problem, b, syncs[q], x, truth);
                MUST(oracle_local_sgd(s.oracle, oracle_kappa(N, b->m, b->with_replacement), 2, syncs[q], E0, RATES, T,
                                      gap, &error));
                for (size_t t = 0; t <= T; t++)
                    EXPECT_CLOSE(gap[t], (double)truth[t], 1e-13);
                scene_close(&s);
            }
}

/* ---- definitions ---- */

/* S(M, mu) as a mean over samples of the covariance that it is. */
static void noise_by_samples(const struct oracle *o, const double *m, const double *mu, double *s)
{
    const size_t d = o->d;
    double mean[ORACLE_DIM_MAX] = {0};
    long double *sum = calloc(d * d, sizeof *sum), *squared = calloc(d * d, sizeof *squared);
    cr_assert(sum && squared);
    for (size_t i = 0; i < o->n; i++) {
        const double *a = o->a + i * d, r = o->residual[i];
        double form = r * r, along = 0;
        for (size_t j = 0; j < d; j++) {
            along += a[j] * mu[j];
            for (size_t k = 0; k < d; k++)
                form += a[j] * m[j * d + k] * a[k];
        }
        form -= 2 * r * along;
        for (size_t j = 0; j < d; j++) {
            mean[j] += (along - r) * a[j] / (double)o->n;
            for (size_t k = 0; k < d; k++)
                sum[j * d + k] += form * a[j] * a[k] / (double)o->n;
        }
    }
    /* E (H e - q)(H e - q)' = H (M - mu mu') H + mean mean' */
    for (size_t j = 0; j < d; j++)
        for (size_t k = 0; k < d; k++) {
            squared[j * d + k] = mean[j] * mean[k];
            for (size_t p = 0; p < d; p++)
                for (size_t q = 0; q < d; q++)
                    squared[j * d + k] += o->h[j * d + p] * (m[p * d + q] - mu[p] * mu[q]) * o->h[q * d + k];
            s[j * d + k] = (double)(sum[j * d + k] - squared[j * d + k]);
        }
    free(sum);
    free(squared);
}

static void random_moments(size_t d, double *m, double *mu)
{
    gsl_rng *rng = scene_rng(d);
    for (size_t j = 0; j < d; j++) {
        mu[j] = gsl_ran_gaussian(rng, 1);
        for (size_t k = 0; k <= j; k++)
            m[j * d + k] = m[k * d + j] = gsl_ran_gaussian(rng, 1);
    }
    gsl_rng_free(rng);
}

Test(oracle, noise_is_the_mean_over_samples)
{
    static const size_t dims[] = {1, 2, 5, 8, 20};
    for (size_t k = 0; k < 5; k++)
        for (size_t penalty = 0; penalty < 3; penalty++) {
            const size_t d = dims[k];
            double m[20 * 20], mu[20], s[20 * 20], wanted[20 * 20];
            struct scene scene;
            scene_open(&scene, 45, d, 10, penalty ? 0.2 : 0, penalty == 2);
            random_moments(d, m, mu);
            oracle_noise(scene.oracle, m, mu, s);
            noise_by_samples(scene.oracle, m, mu, wanted);
            cr_expect(lt(dbl, distance(d * d, s, wanted), 1e-13), "d=%zu: %g", d, distance(d * d, s, wanted));
            memset(mu, 0, sizeof mu);
            memset(m, 0, sizeof m);
            oracle_noise(scene.oracle, m, mu, s); /* at x*: C - q q' */
            for (size_t p = 0; p < d; p++)
                for (size_t q = 0; q < d; q++)
                    wanted[p * d + q] = scene.oracle->c[p * d + q] - scene.oracle->q[p] * scene.oracle->q[q];
            cr_expect(lt(dbl, distance(d * d, s, wanted), 1e-14));
            scene_close(&scene);
        }
}

/* The recursion from its definition, with the noise by samples. */
Test(oracle, recursion_by_samples)
{
    enum { DIM = 8, STEPS = 40 };
    struct scene scene;
    struct oracle_state *state;
    double m[DIM * DIM], next[DIM * DIM], s[DIM * DIM], mu[DIM], e0[DIM], drift[DIM][DIM], kappa = 0.25;
    scene_open(&scene, 60, DIM, 10, 0.1, true);
    for (size_t j = 0; j < DIM; j++)
        mu[j] = e0[j] = 1.0 + 0.1 * (double)j;
    for (size_t j = 0; j < DIM; j++)
        for (size_t k = 0; k < DIM; k++)
            m[j * DIM + k] = e0[j] * e0[k];
    MUST(oracle_state_open(scene.oracle, kappa, e0, false, &state, &error));
    for (size_t t = 0; t < STEPS; t++) {
        const double eta = 0.2 / (1.0 + 0.1 * (double)t);
        double moved[DIM] = {0};
        noise_by_samples(scene.oracle, m, mu, s);
        for (size_t j = 0; j < DIM; j++)
            for (size_t k = 0; k < DIM; k++) {
                drift[j][k] = (j == k ? 1 : 0) - eta * scene.oracle->h2[j * DIM + k];
                moved[j] += drift[j][k] * mu[k];
            }
        for (size_t j = 0; j < DIM; j++)
            for (size_t k = 0; k < DIM; k++) {
                next[j * DIM + k] = eta * eta * kappa * s[j * DIM + k];
                for (size_t p = 0; p < DIM; p++)
                    for (size_t q = 0; q < DIM; q++)
                        next[j * DIM + k] += drift[j][p] * m[p * DIM + q] * drift[k][q];
            }
        memcpy(m, next, sizeof m);
        memcpy(mu, moved, sizeof mu);
        oracle_step(state, eta);
        cr_expect(lt(dbl, distance(DIM * DIM, state->m, m), 1e-12));
        cr_expect(lt(dbl, distance(DIM, state->mu, mu), 1e-12));
    }
    oracle_state_close(state);
    scene_close(&scene);
}

Test(oracle, parts)
{
    enum { DIM = 6 };
    struct scene s;
    struct oracle *sparse;
    struct matrix csr, dense;
    scene_open(&s, 30, DIM, 10, 0.1, true);
    const struct oracle *o = s.oracle;
    for (size_t j = 0; j < DIM; j++) /* H_2 = sum lambda u u', ascending */
        for (size_t k = 0; k < DIM; k++) {
            double sum = 0, dot = 0;
            for (size_t i = 0; i < DIM; i++) {
                sum += o->eigenvalue[i] * o->eigenvector[i * DIM + j] * o->eigenvector[i * DIM + k];
                dot += o->eigenvector[j * DIM + i] * o->eigenvector[k * DIM + i];
            }
            EXPECT_WITHIN(sum, o->h2[j * DIM + k], 1e-14 * o->smoothness);
            EXPECT_WITHIN(dot, j == k ? 1 : 0, 1e-14);
        }
    for (size_t j = 1; j < DIM; j++)
        cr_expect(le(dbl, o->eigenvalue[j - 1], o->eigenvalue[j]));
    cr_expect(eq(dbl, o->smoothness, o->eigenvalue[DIM - 1]));
    cr_expect(eq(dbl, o->convexity, o->eigenvalue[0]));
    double g[DIM], mean[DIM] = {0};
    problem_value(&s.problem, o->optimum, g);
    for (size_t i = 0; i < o->n; i++)
        for (size_t j = 0; j < DIM; j++)
            mean[j] += o->residual[i] * o->a[i * DIM + j] / (double)o->n;
    for (size_t j = 0; j < DIM; j++) {
        EXPECT_WITHIN(g[j], 0, 1e-14);
        EXPECT_WITHIN(o->q[j], mean[j], 1e-14);
    }
    cr_expect(eq(dbl, o->q[DIM - 1], 0));
    MUST(matrix_to_sparse(&s.data.train, &csr, &error));
    dense = s.data.train;
    s.data.train = csr;
    MUST(oracle_open(&s.problem, &sparse, &error));
    cr_expect(eq(dbl, distance(o->pairs * o->pairs, sparse->fourth, o->fourth), 0));
    cr_expect(eq(dbl, distance(DIM, sparse->optimum, o->optimum), 0));
    oracle_close(sparse);
    matrix_free(&csr);
    s.data.train = dense;
    scene_close(&s);
}

/* x* of ill-conditioned data is right to rounding: the residuals are orthogonal to the columns. */
Test(oracle, ill_conditioned_minimiser)
{
    enum { DIM = 5 };
    struct scene s;
    scene_open(&s, 40, DIM, 1e10, 0, false);
    for (size_t j = 0; j < DIM; j++) {
        long double sum = 0, size = 0;
        for (size_t i = 0; i < s.oracle->n; i++) {
            sum += (long double)s.oracle->residual[i] * s.oracle->a[i * DIM + j];
            size += fabsl((long double)s.oracle->residual[i] * s.oracle->a[i * DIM + j]);
        }
        cr_expect(lt(dbl, (double)fabsl(sum / size), 1e-15));
    }
    scene_close(&s);
}

/* The variance of a quadratic of a Gaussian is that of a three-point rule, exact up to degree 5 in each coordinate. */
Test(oracle, gap_sd)
{
    struct scene s;
    struct oracle_state *state;
    tiny(&s, 1);
    MUST(oracle_state_open(s.oracle, 1, E0, false, &state, &error));
    cr_expect(eq(dbl, oracle_gap_sd(state), 0));
    for (size_t t = 0; t < T; t++) {
        oracle_step(state, RATES[t]);
        const double *m = state->m, *mu = state->mu, *h = s.oracle->h2;
        double l00 = sqrt(m[0] - mu[0] * mu[0]), l10 = (m[1] - mu[0] * mu[1]) / l00;
        double l11 = sqrt(m[3] - mu[1] * mu[1] - l10 * l10), first = 0, second = 0;
        for (int i = -1; i <= 1; i++)
            for (int j = -1; j <= 1; j++) {
                double weight = (i ? 1.0 / 6 : 2.0 / 3) * (j ? 1.0 / 6 : 2.0 / 3);
                double x = mu[0] + l00 * i * sqrt(3), y = mu[1] + (l10 * i + l11 * j) * sqrt(3);
                double f = 0.5 * (h[0] * x * x + 2 * h[1] * x * y + h[3] * y * y);
                first += weight * f;
                second += weight * f * f;
            }
        EXPECT_CLOSE(oracle_gap(state), first, 1e-13);
        EXPECT_CLOSE(oracle_gap_sd(state), sqrt(second - first * first), 1e-12);
    }
    oracle_state_close(state);
    scene_close(&s);
}

/* ---- closed forms ---- */

Test(oracle, kappa)
{
    cr_expect(eq(dbl, oracle_kappa(10, 4, true), 0.25));
    cr_expect(eq(dbl, oracle_kappa(10, 20, true), 0.05));
    EXPECT_CLOSE(oracle_kappa(10, 4, false), 6.0 / 36, 1e-15);
    cr_expect(eq(dbl, oracle_kappa(10, 1, false), 1));
    cr_expect(eq(dbl, oracle_kappa(10, 10, false), 0));
    cr_expect(eq(dbl, oracle_kappa(1, 1, false), 0));
}

/* f_i = (x - c_i)^2/2: gap_t = [eta kappa sigma^2 (1 - rho^t)/(2 - eta) + D^2 rho^t]/2, rho = (1-eta)^2; and with
 * eta = 1/(t+1) from any start sigma^2/(2T). */
Test(oracle, mean_estimation)
{
    struct scene s;
    struct oracle_state *constant, *decreasing;
    const double e0 = 2, eta = 0.07, kappa = 0.3;
    scene_mean(&s, 25);
    const double sigma2 = s.oracle->c[0];
    MUST(oracle_state_open(s.oracle, kappa, &e0, false, &constant, &error));
    MUST(oracle_state_open(s.oracle, 1, &e0, false, &decreasing, &error));
    for (size_t t = 1; t <= 200; t++) {
        oracle_step(constant, eta);
        oracle_step(decreasing, 1 / (double)t);
        const double rest = pow(1 - eta, 2 * (double)t);
        EXPECT_CLOSE(oracle_gap(constant), 0.5 * (eta * kappa * sigma2 * (1 - rest) / (2 - eta) + e0 * e0 * rest),
                     1e-13);
        EXPECT_CLOSE(oracle_gap(decreasing), sigma2 / (2 * (double)t), 1e-13);
    }
    oracle_state_close(constant);
    oracle_state_close(decreasing);
    scene_close(&s);
}

/* Stationary variance eta sigma^2 (1+beta)/((1-beta) lambda (2(1+beta) - eta lambda)), and no momentum is plain SGD. */
Test(oracle, heavy_ball)
{
    static const double betas[] = {0, 0.5, 0.9};
    struct scene s, wide;
    const double e0 = 0.5, start[] = {1, -1, 0.5};
    scene_mean(&s, 25);
    for (size_t k = 0; k < 3; k++) {
        const double beta = betas[k], eta = 0.3 * (1 - beta), sigma2 = s.oracle->c[0];
        struct oracle_heavy_ball *ball;
        MUST(oracle_heavy_ball_open(s.oracle, 1, beta, &e0, &ball, &error));
        for (size_t t = 0; t < 2000; t++)
            oracle_heavy_ball_step(ball, eta);
        EXPECT_CLOSE(ball->n[0], eta * sigma2 * (1 + beta) / ((1 - beta) * (2 * (1 + beta) - eta)), 1e-12);
        oracle_heavy_ball_close(ball);
    }
    scene_close(&s);
    scene_open(&wide, 40, 3, 5, 0.1, false);
    struct oracle_heavy_ball *ball;
    struct oracle_state *plain;
    MUST(oracle_heavy_ball_open(wide.oracle, 0.5, 0, start, &ball, &error));
    MUST(oracle_state_open(wide.oracle, 0.5, start, false, &plain, &error));
    for (size_t t = 0; t < 100; t++) {
        EXPECT_CLOSE(oracle_heavy_ball_gap(ball), oracle_gap(plain), 1e-13);
        oracle_heavy_ball_step(ball, 0.1);
        oracle_step(plain, 0.1);
    }
    oracle_heavy_ball_close(ball);
    oracle_state_close(plain);
    scene_close(&wide);
}

/* One worker is plain SGD, and K workers that average at every step are one with K times the batch. */
Test(oracle, local_sgd_limits)
{
    enum { STEPS = 100 };
    struct scene s;
    const double start[] = {1, -1, 0.5};
    double eta[STEPS], one[STEPS + 1], eight[STEPS + 1], rare[STEPS + 1];
    struct oracle_state *plain, *batch;
    scene_open(&s, 40, 3, 5, 0, false);
    for (size_t t = 0; t < STEPS; t++)
        eta[t] = 0.3 / (1 + 0.02 * (double)t);
    MUST(oracle_local_sgd(s.oracle, 1, 1, 7, start, eta, STEPS, one, &error));
    MUST(oracle_local_sgd(s.oracle, 1, 8, 1, start, eta, STEPS, eight, &error));
    MUST(oracle_local_sgd(s.oracle, 1, 8, STEPS, start, eta, STEPS, rare, &error));
    MUST(oracle_state_open(s.oracle, 1, start, false, &plain, &error));
    MUST(oracle_state_open(s.oracle, 1.0 / 8, start, false, &batch, &error));
    for (size_t t = 0; t <= STEPS; t++) {
        EXPECT_CLOSE(one[t], oracle_gap(plain), 1e-13);
        EXPECT_CLOSE(eight[t], oracle_gap(batch), 1e-13);
        if (t > 1)
            cr_expect(gt(dbl, rare[t], eight[t]));
        if (t < STEPS) {
            oracle_step(plain, eta[t]);
            oracle_step(batch, eta[t]);
        }
    }
    oracle_state_close(plain);
    oracle_state_close(batch);
    scene_close(&s);
}

/* ---- errors ---- */

Test(oracle, what_it_does_not_do)
{
    struct scene s;
    struct oracle *o = NULL;
    double gap[1];
    const double start[3] = {0};
    scene_open(&s, 10, 3, 5, 0, false);
    struct problem p = s.problem;
    p.l1 = 0.1;
    MUST_FAIL(oracle_open(&p, &o, &error), STATUS_UNSUPPORTED, "l1");
    p = s.problem;
    p.radius = 3;
    MUST_FAIL(oracle_open(&p, &o, &error), STATUS_UNSUPPORTED, "radius");
    p = s.problem;
    p.type = (const void *)registry_find(METHOD_PROBLEM, "logistic_regression", NULL);
    MUST_FAIL(oracle_open(&p, &o, &error), STATUS_UNSUPPORTED, "logistic_regression");
    MUST_FAIL(oracle_local_sgd(s.oracle, 1, 0, 1, start, start, 0, gap, &error), STATUS_USAGE, "worker");
    MUST_FAIL(oracle_local_sgd(s.oracle, 1, 1, 0, start, start, 0, gap, &error), STATUS_USAGE, "worker");
    cr_expect(o == NULL);
    scene_close(&s);

    scene_data(&s, 10, 3, 5, 0, false); /* two equal columns; a penalty makes the minimiser unique */
    for (size_t i = 0; i < 10; i++)
        s.data.train.value[i * s.data.train.stride + 2] = s.data.train.value[i * s.data.train.stride];
    MUST_FAIL(oracle_open(&s.problem, &o, &error), STATUS_UNSUPPORTED, "unique");
    s.problem.l2 = 0.1;
    MUST(oracle_open(&s.problem, &s.oracle, &error));
    EXPECT_CLOSE(s.oracle->optimum[0], s.oracle->optimum[2], 1e-13);
    scene_close(&s);

    scene_data(&s, 3, 4, 5, 0, false); /* fewer samples than coordinates */
    MUST_FAIL(oracle_open(&s.problem, &o, &error), STATUS_UNSUPPORTED, "unique");
    scene_close(&s);
    scene_data(&s, 100, ORACLE_DIM_MAX + 1, 5, 0, false);
    MUST_FAIL(oracle_open(&s.problem, &o, &error), STATUS_UNSUPPORTED, "coordinates");
    scene_close(&s);
    oracle_close(NULL);
    oracle_state_close(NULL);
    oracle_heavy_ball_close(NULL);
}
