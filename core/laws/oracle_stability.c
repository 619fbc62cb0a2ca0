/* Long-run behaviour of constant-rate SGD on least squares: stationary second moment, largest stable rates in mean
 * square and almost surely, and the decay. On symmetric matrices with the Frobenius inner product, in the basis E_kk,
 * (E_kl + E_lk)/sqrt 2, the second moment moves by the symmetric operator
 *   I - eta A + eta^2 G,  A = H_2(x)I + I(x)H_2,  G = H_2(x)H_2 + kappa (T - H(x)H).
 * It maps positive semidefinite matrices to such, so its spectral radius is its largest eigenvalue, and that is below 1
 * iff A - eta G is positive definite.
 * Check value: a ~ N(0, lambda I) has eta_max = 2m/(lambda (m + d + 1)). */
#include <gsl/gsl_eigen.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_linalg.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "laws/oracle_internal.h"
#include "rng.h"

/* ---- the operators ---- */

/* Entry ((k, l), (i, j)) of X -> P X Q + Q X P in that basis. */
static double sandwich(size_t d, const double *p, const double *q, size_t k, size_t l, size_t i, size_t j)
{
    const double scale = (k == l ? M_SQRT1_2 : 1.0) * (i == j ? M_SQRT1_2 : 1.0);
    return scale * (p[k * d + i] * q[l * d + j] + p[k * d + j] * q[l * d + i] + q[k * d + i] * p[l * d + j] +
                    q[k * d + j] * p[l * d + i]);
}

/* drift[pairs][pairs] = A, growth[pairs][pairs] = G. */
static void operators(const struct oracle *o, double kappa, double *drift, double *growth)
{
    const size_t d = o->d, pairs = o->pairs;
    double identity[ORACLE_DIM_MAX * ORACLE_DIM_MAX] = {0.0};
    for (size_t k = 0; k < d; k++)
        identity[k * d + k] = 1.0;
    for (size_t k = 0, row = 0; k < d; k++)
        for (size_t l = k; l < d; l++, row++)
            for (size_t i = 0, column = 0; i < d; i++)
                for (size_t j = i; j < d; j++, column++) {
                    const size_t entry = row * pairs + column;
                    const double weight = (k == l ? 1.0 : M_SQRT2) * (i == j ? 1.0 : M_SQRT2);
                    const double fourth = weight * o->fourth[entry];
                    drift[entry] = sandwich(d, o->h2, identity, k, l, i, j);
                    growth[entry] = 0.5 * sandwich(d, o->h2, o->h2, k, l, i, j) +
                                    kappa * (fourth - 0.5 * sandwich(d, o->h, o->h, k, l, i, j));
                }
}

/* A and G behind it, in one allocation that the caller frees; NULL with STATUS_MEMORY in error. */
static double *operators_open(const struct oracle *o, double kappa, struct error *error)
{
    const size_t size = o->pairs * o->pairs;
    double *drift = malloc(2 * size * sizeof *drift);
    if (drift)
        operators(o, kappa, drift, drift + size);
    else
        error_memory(error, 2 * size * sizeof *drift, "the moment operator");
    return drift;
}

static bool positive(double eta)
{
    return eta > 0.0 && isfinite(eta);
}

/* ---- mean square ---- */

enum status oracle_fixed_point(const struct oracle *oracle, double kappa, double eta, double *m, struct error *error)
{
    const size_t d = oracle->d, pairs = oracle->pairs;
    enum status status = STATUS_OK;
    if (!positive(eta))
        return error_set(error, STATUS_USAGE, "a stationary state needs a positive rate, found %g", eta);
    double *drift = operators_open(oracle, kappa, error);
    if (!drift)
        return STATUS_MEMORY;
    double *growth = drift + pairs * pairs;
    gsl_vector *solution = gsl_vector_alloc(pairs);
    if (!solution) {
        status = error_memory(error, pairs * sizeof(double), "the stationary state");
        goto done;
    }
    /* (A - eta G) M = eta kappa (C - q q') */
    for (size_t k = 0; k < pairs * pairs; k++)
        drift[k] -= eta * growth[k];
    for (size_t k = 0, p = 0; k < d; k++)
        for (size_t l = k; l < d; l++, p++) {
            double noise = oracle->c[k * d + l] - oracle->q[k] * oracle->q[l];
            gsl_vector_set(solution, p, eta * kappa * noise * (k == l ? 1.0 : M_SQRT2));
        }
    gsl_matrix_view matrix = gsl_matrix_view_array(drift, pairs, pairs);
    if (gsl_linalg_cholesky_decomp1(&matrix.matrix) != GSL_SUCCESS) {
        status = error_set(error, STATUS_NUMERICAL,
                           "no stationary second moment: the rate %g is at or above the mean-square limit", eta);
        goto done;
    }
    gsl_linalg_cholesky_svx(&matrix.matrix, solution);
    for (size_t k = 0, p = 0; k < d; k++)
        for (size_t l = k; l < d; l++, p++)
            m[k * d + l] = m[l * d + k] = gsl_vector_get(solution, p) * (k == l ? 1.0 : M_SQRT1_2);
done:
    gsl_vector_free(solution);
    free(drift);
    return status;
}

enum status oracle_stability_limit(const struct oracle *oracle, double kappa, double *eta_max, struct error *error)
{
    const size_t pairs = oracle->pairs;
    enum status status = STATUS_OK;
    double *drift = operators_open(oracle, kappa, error);
    if (!drift)
        return STATUS_MEMORY;
    double *growth = drift + pairs * pairs;
    gsl_eigen_gensymm_workspace *workspace = gsl_eigen_gensymm_alloc(pairs);
    gsl_vector *values = gsl_vector_alloc(pairs);
    if (!workspace || !values) {
        status = error_memory(error, pairs * sizeof(double), "the stability limit");
        goto done;
    }
    gsl_matrix_view a = gsl_matrix_view_array(growth, pairs, pairs), b = gsl_matrix_view_array(drift, pairs, pairs);
    if (gsl_eigen_gensymm(&a.matrix, &b.matrix, values, workspace) != GSL_SUCCESS || !positive(gsl_vector_max(values)))
        status = error_set(error, STATUS_NUMERICAL, "the eigenvalues of the stability pencil did not converge");
    else
        *eta_max = 1.0 / gsl_vector_max(values);
done:
    gsl_eigen_gensymm_free(workspace);
    gsl_vector_free(values);
    free(drift);
    return status;
}

enum status oracle_decay(const struct oracle *oracle, double kappa, double eta, double *rho, struct error *error)
{
    const size_t pairs = oracle->pairs;
    enum status status = STATUS_OK;
    double *drift = operators_open(oracle, kappa, error);
    if (!drift)
        return STATUS_MEMORY;
    double *growth = drift + pairs * pairs;
    gsl_eigen_symm_workspace *workspace = gsl_eigen_symm_alloc(pairs);
    gsl_vector *values = gsl_vector_alloc(pairs);
    if (!workspace || !values) {
        status = error_memory(error, pairs * sizeof(double), "the decay");
        goto done;
    }
    for (size_t k = 0; k < pairs * pairs; k++)
        growth[k] = eta * eta * growth[k] - eta * drift[k];
    for (size_t p = 0; p < pairs; p++)
        growth[p * pairs + p] += 1.0;
    gsl_matrix_view matrix = gsl_matrix_view_array(growth, pairs, pairs);
    if (gsl_eigen_symm(&matrix.matrix, values, workspace) != GSL_SUCCESS)
        status = error_set(error, STATUS_NUMERICAL, "the eigenvalues of the moment operator did not converge");
    else
        *rho = fmax(fabs(gsl_vector_max(values)), fabs(gsl_vector_min(values)));
done:
    gsl_eigen_symm_free(workspace);
    gsl_vector_free(values);
    free(drift);
    return status;
}

/* ---- almost surely ---- */

static const double LIMIT_TOLERANCE = 1e-6, BRACKET_RATIO = 1.05;
enum { BRACKET_MAX = 400 };

struct products {
    const struct oracle *oracle;
    struct rng_stream stream;
    size_t m, steps;
    bool with_replacement;
    uint32_t *order; /* [n]: a permutation, for subsets */
    uint32_t *draw;  /* [m] */
};

/* The batch of step t in draw[m]. */
static void draw_batch(struct products *p, size_t t)
{
    const uint32_t n = (uint32_t)p->oracle->n;
    rng_indices(&p->stream, (uint64_t)t * p->m, p->m, n, p->with_replacement ? 0 : 1, p->draw);
    if (p->with_replacement)
        return;
    for (size_t i = 0; i < p->m; i++) { /* the first m of a Fisher-Yates shuffle */
        const size_t other = i + p->draw[i];
        const uint32_t chosen = p->order[other];
        p->order[other] = p->order[i];
        p->order[i] = p->draw[i] = chosen;
    }
}

/* Top Lyapunov exponent at rate eta: the mean growth of ln |v| for v <- (I - eta (mean_B a a' + l2 D)) v. One vector is
 * the first column of the QR iteration, whose R_11 gives the top exponent; no other exponent is wanted. */
static double exponent(struct products *p, double eta)
{
    const struct oracle *o = p->oracle;
    const size_t d = o->d;
    double v[ORACLE_DIM_MAX], shift[ORACLE_DIM_MAX], total = 0.0;
    for (size_t i = 0; i < o->n; i++)
        p->order[i] = (uint32_t)i;
    for (size_t j = 0; j < d; j++) /* a part in every coordinate, and no symmetry */
        v[j] = 1.0 + (double)j / (double)d;
    for (size_t t = 0; t < p->steps; t++) {
        draw_batch(p, t);
        for (size_t j = 0; j < d; j++)
            shift[j] = j < o->penalized ? o->l2 * v[j] : 0.0;
        for (size_t i = 0; i < p->m; i++) {
            const double *a = o->a + p->draw[i] * d;
            double z = 0.0;
            for (size_t j = 0; j < d; j++)
                z += a[j] * v[j];
            z /= (double)p->m;
            for (size_t j = 0; j < d; j++)
                shift[j] += z * a[j];
        }
        double before = 0.0, after = 0.0;
        for (size_t j = 0; j < d; j++) {
            before += v[j] * v[j];
            v[j] -= eta * shift[j];
            after += v[j] * v[j];
        }
        if (after == 0.0) /* an exact hit of the optimum: no chain leaves it */
            return -INFINITY;
        total += 0.5 * log(after / before);
        const double norm = sqrt(after);
        for (size_t j = 0; j < d; j++)
            v[j] /= norm;
    }
    return total / (double)p->steps;
}

/* The first sign change above the mean-square limit, where the exponent is at most 0 (Jensen). The bracket grows
 * slowly: in one dimension the exponent falls again near every 1/a_i^2. */
static enum status bisect(struct products *p, double low, double *eta_as, struct error *error)
{
    int k = 0;
    while (exponent(p, low) > 0.0 && ++k <= BRACKET_MAX) /* by chance, in few steps */
        low /= BRACKET_RATIO;
    double high = low * BRACKET_RATIO;
    while (exponent(p, high) <= 0.0 && ++k <= BRACKET_MAX) {
        low = high;
        high *= BRACKET_RATIO;
    }
    if (k > BRACKET_MAX)
        return error_set(error, STATUS_NUMERICAL,
                         "no rate was found at which almost every chain turns from convergence "
                         "to divergence");
    while (high - low > LIMIT_TOLERANCE * high) {
        const double middle = 0.5 * (low + high);
        if (exponent(p, middle) > 0.0)
            high = middle;
        else
            low = middle;
    }
    *eta_as = 0.5 * (low + high);
    return STATUS_OK;
}

enum status oracle_almost_sure_limit(const struct oracle *oracle, size_t m, bool with_replacement, uint64_t seed,
                                     size_t steps, double *eta_as, struct error *error)
{
    double limit = 0.0;
    if (m == 0 || steps == 0 || (!with_replacement && m > oracle->n))
        return error_set(error, STATUS_USAGE, "random products need steps and batches of 1 to %zu samples", oracle->n);
    enum status status = oracle_stability_limit(oracle, oracle_kappa(oracle->n, m, with_replacement), &limit, error);
    if (status != STATUS_OK)
        return status;
    uint32_t *index = malloc((oracle->n + m) * sizeof *index);
    if (!index)
        return error_memory(error, (oracle->n + m) * sizeof *index, "random products");
    struct products products = {.oracle = oracle,
                                .stream = rng_stream(seed, RNG_LAW, 0, 0),
                                .m = m,
                                .steps = steps,
                                .with_replacement = with_replacement,
                                .order = index,
                                .draw = index + oracle->n};
    status = bisect(&products, limit, eta_as, error);
    free(index);
    return status;
}
