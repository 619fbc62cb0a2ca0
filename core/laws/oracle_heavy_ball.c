/* Exact moments of the heavy ball (Polyak 1964) on least squares. With z = (e, v), A = [[I - eta H_2, -eta beta I],
 * [H_2, beta I]] and J = [-eta I; I]:  N+ = A N A' + kappa J S(N_ee, E e) J',  E z+ = A E z. */
#include <stdlib.h>
#include <string.h>

#include "laws/oracle_internal.h"

enum status oracle_heavy_ball_open(const struct oracle *oracle, double kappa, double beta, const double *e0,
                                   struct oracle_heavy_ball **out, struct error *error)
{
    const size_t d = oracle->d, size = 4 * d * d, count = 3 * size + 2 * d + 2 * d * d;
    struct oracle_heavy_ball *state = malloc(sizeof *state);
    double *block = calloc(count, sizeof *block);
    *out = NULL;
    if (!state || !block) {
        free(state);
        free(block);
        return error_memory(error, sizeof *state + count * sizeof *block, "the moment recursion");
    }
    *state = (struct oracle_heavy_ball){.oracle = oracle,
                                        .kappa = kappa,
                                        .beta = beta,
                                        .n = block,
                                        .mean = block + size,
                                        .scratch = block + size + 2 * d};
    memcpy(state->mean, e0, d * sizeof *e0);
    for (size_t k = 0; k < d; k++)
        for (size_t l = 0; l < d; l++)
            state->n[k * 2 * d + l] = e0[k] * e0[l];
    *out = state;
    return STATUS_OK;
}

void oracle_heavy_ball_close(struct oracle_heavy_ball *state)
{
    if (state)
        free(state->n);
    free(state);
}

void oracle_heavy_ball_step(struct oracle_heavy_ball *state, double eta)
{
    const struct oracle *oracle = state->oracle;
    const size_t d = oracle->d, two = 2 * d, size = two * two;
    double *a = state->scratch, *half = a + size, *moment = half + size, *noise = moment + d * d;
    for (size_t k = 0; k < d; k++)
        for (size_t l = 0; l < d; l++) {
            const double h = oracle->h2[k * d + l], one = k == l ? 1.0 : 0.0;
            a[k * two + l] = one - eta * h;
            a[k * two + d + l] = -eta * state->beta * one;
            a[(d + k) * two + l] = h;
            a[(d + k) * two + d + l] = state->beta * one;
            moment[k * d + l] = state->n[k * two + l];
        }
    oracle_noise(oracle, moment, state->mean, noise);
    oracle_product(two, a, state->n, half);
    oracle_product_t(two, half, a, state->n);
    for (size_t k = 0; k < d; k++)
        for (size_t l = 0; l < d; l++) {
            const double s = state->kappa * noise[k * d + l];
            state->n[k * two + l] += eta * eta * s;
            state->n[k * two + d + l] -= eta * s;
            state->n[(d + k) * two + l] -= eta * s;
            state->n[(d + k) * two + d + l] += s;
        }
    oracle_apply(two, a, state->mean, half);
    memcpy(state->mean, half, two * sizeof *half);
}

double oracle_heavy_ball_gap(const struct oracle_heavy_ball *state)
{
    const size_t d = state->oracle->d;
    double sum = 0.0;
    for (size_t k = 0; k < d; k++)
        for (size_t l = 0; l < d; l++)
            sum += state->oracle->h2[k * d + l] * state->n[k * 2 * d + l];
    return 0.5 * sum;
}
