/* The mean-square limit with momentum: without momentum it is the limit of plain steps; the moment recursion of heavy
 * ball decays below it and grows above; for single samples it is where the spectral radius of E Z (x) Z, summed over
 * the samples, is 1, for both forms; without noise it is the limit of the mean. */
#include <gsl/gsl_complex_math.h>
#include <gsl/gsl_eigen.h>

#include "oracle_scene.h"

enum { DIM = 4, SAMPLES = 30 };
static const double KAPPAS[] = {1, 0.25, 0.02}, BETAS[] = {0.3, 0.9};

static double limit_of(const struct oracle *o, double kappa, double beta, bool nesterov)
{
    double eta_max = NAN;
    MUST(oracle_momentum_limit(o, kappa, beta, nesterov, &eta_max, &error));
    return eta_max;
}

Test(oracle_momentum, without_momentum_it_is_the_plain_limit)
{
    for (size_t penalty = 0; penalty < 3; penalty++) {
        struct scene s;
        scene_open(&s, SAMPLES, DIM, 5, penalty ? 0.3 : 0, penalty == 2);
        for (size_t k = 0; k < 3; k++) {
            double plain = NAN;
            MUST(oracle_stability_limit(s.oracle, KAPPAS[k], &plain, &error));
            EXPECT_CLOSE(limit_of(s.oracle, KAPPAS[k], 0, false), plain, 1e-8);
            EXPECT_CLOSE(limit_of(s.oracle, KAPPAS[k], 0, true), plain, 1e-8);
        }
        scene_close(&s);
    }
}

Test(oracle_momentum, without_noise_it_is_the_limit_of_the_mean)
{
    struct scene s;
    scene_open(&s, SAMPLES, DIM, 5, 0, false);
    for (size_t b = 0; b < 2; b++) {
        const double beta = BETAS[b], full = 2 * (1 + beta) / s.oracle->smoothness;
        EXPECT_CLOSE(limit_of(s.oracle, 0, beta, false), full, 1e-12);
        EXPECT_CLOSE(limit_of(s.oracle, 0, beta, true), full / (1 + 2 * beta), 1e-12);
        cr_expect(limit_of(s.oracle, 0.02, beta, false) < full, "noise takes some of it");
    }
    scene_close(&s);
}

/* From far away the constant part of the noise does not matter. */
static double gap_after(const struct oracle *o, double kappa, double beta, double eta, size_t steps)
{
    static const double start[DIM] = {1e6, -1e6, 5e5, 2e6};
    struct oracle_heavy_ball *state;
    MUST(oracle_heavy_ball_open(o, kappa, beta, start, &state, &error));
    const double first = oracle_heavy_ball_gap(state);
    for (size_t t = 0; t < steps && oracle_heavy_ball_gap(state) < 1e9 * first; t++) /* before it overflows */
        oracle_heavy_ball_step(state, eta);
    const double last = oracle_heavy_ball_gap(state);
    oracle_heavy_ball_close(state);
    return last / first;
}

Test(oracle_momentum, the_recursion_of_heavy_ball_turns_there)
{
    for (size_t penalty = 0; penalty < 2; penalty++) {
        struct scene s;
        scene_open(&s, SAMPLES, DIM, 5, penalty ? 0.3 : 0, false);
        for (size_t k = 0; k < 3; k++)
            for (size_t b = 0; b < 2; b++) {
                const double eta_max = limit_of(s.oracle, KAPPAS[k], BETAS[b], false);
                cr_expect(gap_after(s.oracle, KAPPAS[k], BETAS[b], 0.97 * eta_max, 10000) < 1e-3, "kappa %g, beta %g",
                          KAPPAS[k], BETAS[b]);
                cr_expect(gap_after(s.oracle, KAPPAS[k], BETAS[b], 1.03 * eta_max, 10000) > 1e3);
            }
        scene_close(&s);
    }
}

/* Spectral radius of the mean over the samples of Z_i (x) Z_i, written out. */
static double naive_radius(const struct oracle *o, double beta, bool nesterov, double eta)
{
    enum { TWO = 2 * DIM, ALL = TWO * TWO };
    const double a = nesterov ? eta * (1 + beta) : eta, b = nesterov ? eta * beta * beta : eta * beta;
    gsl_matrix *sum = gsl_matrix_calloc(ALL, ALL);
    for (size_t i = 0; i < o->n; i++) {
        double z[TWO][TWO] = {{0}};
        for (size_t k = 0; k < DIM; k++) {
            z[k][k] = 1;
            z[k][DIM + k] = -b;
            z[DIM + k][DIM + k] = beta;
            for (size_t l = 0; l < DIM; l++) {
                z[k][l] -= a * o->a[i * DIM + k] * o->a[i * DIM + l];
                z[DIM + k][l] += o->a[i * DIM + k] * o->a[i * DIM + l];
            }
        }
        for (size_t r = 0; r < ALL; r++)
            for (size_t c = 0; c < ALL; c++)
                *gsl_matrix_ptr(sum, r, c) += z[r / TWO][c / TWO] * z[r % TWO][c % TWO] / (double)o->n;
    }
    gsl_vector_complex *value = gsl_vector_complex_alloc(ALL);
    gsl_eigen_nonsymm_workspace *workspace = gsl_eigen_nonsymm_alloc(ALL);
    cr_assert(gsl_eigen_nonsymm(sum, value, workspace) == GSL_SUCCESS);
    double largest = 0;
    for (size_t k = 0; k < ALL; k++)
        largest = fmax(largest, gsl_complex_abs(gsl_vector_complex_get(value, k)));
    gsl_eigen_nonsymm_free(workspace);
    gsl_vector_complex_free(value);
    gsl_matrix_free(sum);
    return largest;
}

Test(oracle_momentum, single_samples_by_enumeration)
{
    struct scene s;
    scene_open(&s, SAMPLES, DIM, 5, 0, false);
    for (size_t b = 0; b < 2; b++)
        for (int nesterov = 0; nesterov < 2; nesterov++) {
            const double eta_max = limit_of(s.oracle, 1, BETAS[b], nesterov);
            EXPECT_WITHIN(naive_radius(s.oracle, BETAS[b], nesterov, eta_max), 1, 1e-7);
            cr_expect(naive_radius(s.oracle, BETAS[b], nesterov, 0.95 * eta_max) < 1 - 1e-4);
        }
    scene_close(&s);
}
