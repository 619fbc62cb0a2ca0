/* The mean-square limit of steps with momentum on least squares. With z = (e, v) one step is
 *   e+ = e - a g - b v,  v+ = beta v + g;  heavy ball a = eta, b = eta beta;  Nesterov a = eta (1 + beta), b = eta
 * beta^2 (v = beta v + g, x -= eta (g + beta v)), and E z z' obeys X+ = A X A' + kappa J S(X_ee) J', J = (-a I, I), S
 * the linear part of oracle_noise. In the eigenbasis of H_2 the deterministic part falls into blocks of two: with A_i =
 * [[1 - a l_i, -b], [l_i, beta]] a source s_ij leaves G_ij s_ij in e e', G_ij the ee entry of the solution of Y = A_i Y
 * A_j' + (-a, 1)(-a, 1)'. So the mean square stays bounded as long as the positive operator P -> kappa G o S(P) has
 * spectral radius < 1. G grows with eta without bound up to the limit of the mean, 2 (1 + beta)/L or 2 (1 + beta)/((1 +
 * 2 beta) L): bisection. At beta = 0 this is 1/lambda_max of oracle_stability_limit. */
#include <gsl/gsl_linalg.h>
#include <math.h>
#include <stdlib.h>

#include "laws/oracle_internal.h"

enum { ROUNDS_MAX = 2000, HALVINGS = 45 };
static const double SETTLED = 1e-11;

struct momentum_operator {
    const struct oracle *oracle;
    double kappa, beta;
    bool nesterov;
    double *gain;            /* G [d][d] */
    double *p, *noise;       /* [d][d], in the eigenbasis and not */
    double *base, *zero;     /* S(0) [d][d]; [d] */
    double *basis;           /* [d][d]: columns are eigenvectors */
    double *scratch, *other; /* [d][d] */
};

/* G_ij; NaN where there is none. */
static double gain_of(const struct momentum_operator *op, double eta, size_t i, size_t j)
{
    const double beta = op->beta, a = op->nesterov ? eta * (1 + beta) : eta,
                 b = op->nesterov ? eta * beta * beta : eta * beta;
    const double l[] = {op->oracle->eigenvalue[i], op->oracle->eigenvalue[j]};
    double block[2][2][2], matrix[16], solution[4] = {a * a, -a, -a, 1};
    for (size_t k = 0; k < 2; k++) {
        block[k][0][0] = 1 - a * l[k];
        block[k][0][1] = -b;
        block[k][1][0] = l[k];
        block[k][1][1] = beta;
    }
    for (size_t row = 0; row < 4; row++)
        for (size_t column = 0; column < 4; column++)
            matrix[row * 4 + column] = (row == column) - block[0][row / 2][column / 2] * block[1][row % 2][column % 2];
    gsl_matrix_view left = gsl_matrix_view_array(matrix, 4, 4);
    gsl_vector_view right = gsl_vector_view_array(solution, 4);
    return gsl_linalg_HH_svx(&left.matrix, &right.vector) == GSL_SUCCESS ? solution[0] : (double)NAN;
}

/* p <- kappa G o S(p); its trace. */
static double apply(struct momentum_operator *op)
{
    const size_t d = op->oracle->d;
    double trace = 0;
    oracle_product(d, op->basis, op->p, op->scratch);
    oracle_product_t(d, op->scratch, op->basis, op->other);
    oracle_noise(op->oracle, op->other, op->zero, op->noise);
    for (size_t k = 0; k < d * d; k++)
        op->noise[k] -= op->base[k];
    oracle_product(d, op->oracle->eigenvector, op->noise, op->scratch);
    oracle_product_t(d, op->scratch, op->oracle->eigenvector, op->p);
    for (size_t k = 0; k < d * d; k++)
        op->p[k] *= op->kappa * op->gain[k];
    for (size_t i = 0; i < d; i++)
        trace += op->p[i * d + i];
    return trace;
}

/* The spectral radius, by power iteration from I: the leading eigenvector is a positive matrix. */
static double radius(struct momentum_operator *op, double eta)
{
    const size_t d = op->oracle->d;
    double now = 0;
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++) {
            op->gain[i * d + j] = j < i ? op->gain[j * d + i] : gain_of(op, eta, i, j);
            op->p[i * d + j] = i == j ? 1 / (double)d : 0;
        }
    for (size_t round = 0; round < ROUNDS_MAX; round++) {
        const double before = now;
        now = apply(op);
        if (!(now > 0) || fabs(now - before) <= SETTLED * now)
            break;
        for (size_t k = 0; k < d * d; k++)
            op->p[k] /= now;
    }
    return now;
}

enum status oracle_momentum_limit(const struct oracle *oracle, double kappa, double beta, bool nesterov,
                                  double *eta_max, struct error *error)
{
    const size_t d = oracle->d, dd = d * d;
    double low = 0, high = 2 * (1 + beta) / ((nesterov ? 1 + 2 * beta : 1) * oracle->smoothness);
    double *block = calloc(7 * dd + d, sizeof *block);
    if (!block)
        return error_memory(error, (7 * dd + d) * sizeof *block, "the stability limit");
    struct momentum_operator op = {.oracle = oracle,
                                   .kappa = kappa,
                                   .beta = beta,
                                   .nesterov = nesterov,
                                   .gain = block,
                                   .p = block + dd,
                                   .noise = block + 2 * dd,
                                   .base = block + 3 * dd,
                                   .basis = block + 4 * dd,
                                   .scratch = block + 5 * dd,
                                   .other = block + 6 * dd,
                                   .zero = block + 7 * dd};
    oracle_noise(oracle, op.other, op.zero, op.base);
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++)
            op.basis[j * d + i] = oracle->eigenvector[i * d + j];
    for (size_t halving = 0; halving < HALVINGS && kappa > 0; halving++) {
        const double middle = (low + high) / 2;
        *(radius(&op, middle) < 1 ? &low : &high) = middle;
    }
    free(block);
    *eta_max = high;
    return STATUS_OK;
}
