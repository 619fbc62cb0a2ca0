/* Exact moments of SGD on least squares: the data's moment tensors, the noise of a gradient at a random iterate, and
 * the recursion of the second moment, M+ = (I - eta H_2) M (I - eta H_2) + eta^2 kappa S(M, mu),  mu+ = (I - eta H_2)
 * mu, which is exact for every step size, because the gradient is linear in x and its noise has mean 0 given x. */
#include "laws/oracle.h"

#include <gsl/gsl_eigen.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_linalg.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "laws/oracle_internal.h"

enum {
    PAIRS_MAX = ORACLE_DIM_MAX * (ORACLE_DIM_MAX + 1) / 2,
    REFINEMENTS = 3, /* each gains at least three digits of x* at the worst condition allowed */
    SAMPLE_BLOCK = 16
};

static const double SINGULAR = 1e-13; /* ratio of the extreme eigenvalues of H_2 */

/* ---- open and close ---- */

static enum status check_problem(const struct problem *problem, struct error *error)
{
    size_t d = problem_dim(problem);
    if (!problem->type->quadratic)
        return error_set(error, STATUS_UNSUPPORTED, "exact moments exist for least squares, not for %s",
                         problem->type->method.name);
    if (problem->l1 > 0.0)
        return error_set(error, STATUS_UNSUPPORTED, "exact moments exist without an l1 penalty (l1 is %g)",
                         problem->l1);
    if (isfinite(problem->radius))
        return error_set(error, STATUS_UNSUPPORTED, "exact moments exist without a ball (radius is %g)",
                         problem->radius);
    if (d == 0 || d > ORACLE_DIM_MAX || problem->data->train.rows == 0)
        return error_set(error, STATUS_UNSUPPORTED, "exact moments need samples and 1 to %d coordinates, found %zu",
                         (int)ORACLE_DIM_MAX, d);
    return STATUS_OK;
}

/* All arrays in one block, which `a` starts. */
static bool allocate(struct oracle *o)
{
    const size_t n = o->n, d = o->d, pairs = o->pairs;
    struct {
        double **array;
        size_t count;
    } part[] = {
        {&o->a, n * d},         {&o->b, n},
        {&o->optimum, d},       {&o->residual, n},
        {&o->h, d * d},         {&o->h2, d * d},
        {&o->c, d * d},         {&o->q, d},
        {&o->third, d * pairs}, {&o->fourth, pairs * pairs},
        {&o->eigenvalue, d},    {&o->eigenvector, d * d},
    };
    size_t total = 0;
    for (size_t k = 0; k < sizeof part / sizeof *part; k++)
        total += part[k].count;
    double *block = calloc(total, sizeof *block);
    for (size_t k = 0; block && k < sizeof part / sizeof *part; k++) {
        *part[k].array = block;
        block += part[k].count;
    }
    return o->a != NULL;
}

/* H and H_2. Sums over samples run in long double: these matrices are everything that the recursions know. */
static void curvature(struct oracle *o)
{
    const size_t d = o->d;
    for (size_t j = 0; j < d; j++)
        for (size_t k = j; k < d; k++) {
            long double sum = 0.0L;
            for (size_t i = 0; i < o->n; i++)
                sum += (long double)o->a[i * d + j] * o->a[i * d + k];
            o->h[j * d + k] = o->h[k * d + j] = (double)(sum / (long double)o->n);
        }
    memcpy(o->h2, o->h, d * d * sizeof *o->h);
    for (size_t j = 0; j < o->penalized; j++)
        o->h2[j * d + j] += o->l2;
}

/* Eigenvalues and eigenvectors of H_2, and that it is not singular. */
static enum status spectrum(struct oracle *o, struct error *error)
{
    const size_t d = o->d;
    enum status status = STATUS_OK;
    gsl_eigen_symmv_workspace *workspace = gsl_eigen_symmv_alloc(d);
    double *matrix = malloc(d * d * sizeof *matrix);
    if (!workspace || !matrix) {
        status = error_memory(error, d * d * sizeof *matrix, "eigenvectors");
        goto done;
    }
    memcpy(matrix, o->h2, d * d * sizeof *matrix);
    gsl_matrix_view view = gsl_matrix_view_array(matrix, d, d);
    gsl_matrix_view vectors = gsl_matrix_view_array(o->eigenvector, d, d);
    gsl_vector_view values = gsl_vector_view_array(o->eigenvalue, d);
    if (gsl_eigen_symmv(&view.matrix, &values.vector, &vectors.matrix, workspace) != GSL_SUCCESS) {
        status = error_set(error, STATUS_NUMERICAL, "the eigenvalues of the curvature did not converge");
        goto done;
    }
    gsl_eigen_symmv_sort(&values.vector, &vectors.matrix, GSL_EIGEN_SORT_VAL_ASC);
    gsl_matrix_transpose(&vectors.matrix);
    o->convexity = o->eigenvalue[0];
    o->smoothness = o->eigenvalue[d - 1];
    if (!(o->convexity > SINGULAR * o->smoothness))
        status = error_set(error, STATUS_UNSUPPORTED,
                           "exact moments need a unique minimiser: the curvature's smallest eigenvalue is %g, its "
                           "largest %g (an l2 penalty helps)",
                           o->convexity, o->smoothness);
done:
    gsl_eigen_symmv_free(workspace);
    free(matrix);
    return status;
}

/* Residuals at x*, and mean r_i a_i - l2 D x*, which is minus the gradient, in long double. */
static void residuals(struct oracle *o, double *descent)
{
    const size_t d = o->d;
    long double sum[ORACLE_DIM_MAX] = {0.0L};
    for (size_t i = 0; i < o->n; i++) {
        long double r = o->b[i];
        for (size_t j = 0; j < d; j++)
            r -= (long double)o->a[i * d + j] * o->optimum[j];
        for (size_t j = 0; j < d; j++)
            sum[j] += r * o->a[i * d + j];
        o->residual[i] = (double)r;
    }
    for (size_t j = 0; j < d; j++) {
        long double penalty = j < o->penalized ? (long double)o->l2 * o->optimum[j] : 0.0L;
        descent[j] = (double)(sum[j] / (long double)o->n - penalty);
    }
}

/* x* from the normal equations, refined with exact-enough residuals, so that its error is of order epsilon whatever the
 * condition of H_2. */
static enum status minimise(struct oracle *o, struct error *error)
{
    const size_t d = o->d;
    double step[ORACLE_DIM_MAX];
    double *factor = malloc(d * d * sizeof *factor);
    if (!factor)
        return error_memory(error, d * d * sizeof *factor, "the minimiser");
    memcpy(factor, o->h2, d * d * sizeof *factor);
    gsl_matrix_view view = gsl_matrix_view_array(factor, d, d);
    gsl_vector_view vector = gsl_vector_view_array(step, d);
    enum status status = STATUS_OK;
    if (gsl_linalg_cholesky_decomp1(&view.matrix) != GSL_SUCCESS)
        status =
            error_set(error, STATUS_UNSUPPORTED, "exact moments need a unique minimiser: the curvature is singular");
    for (int k = 0; status == STATUS_OK && k <= REFINEMENTS; k++) {
        residuals(o, step);
        gsl_linalg_cholesky_svx(&view.matrix, &vector.vector);
        for (size_t j = 0; j < d; j++)
            o->optimum[j] += step[j];
    }
    residuals(o, step);
    for (size_t j = 0; j < o->penalized; j++)
        o->q[j] = o->l2 * o->optimum[j];
    free(factor);
    return status;
}

/* C and the third and fourth moments. Samples in blocks, so that the large array is read once a block. */
static enum status tensors(struct oracle *o, struct error *error)
{
    const size_t n = o->n, d = o->d, pairs = o->pairs;
    double *square = calloc(SAMPLE_BLOCK * pairs, sizeof *square); /* a_ik a_il over pairs, of each sample */
    if (!square)
        return error_memory(error, SAMPLE_BLOCK * pairs * sizeof *square, "moments of the data");
    for (size_t first = 0; first < n; first += SAMPLE_BLOCK) {
        const size_t count = n - first < SAMPLE_BLOCK ? n - first : SAMPLE_BLOCK;
        for (size_t i = 0; i < count; i++) {
            const double *a = o->a + (first + i) * d, r = o->residual[first + i];
            double *pair = square + i * pairs;
            for (size_t k = 0, p = 0; k < d; k++)
                for (size_t l = k; l < d; l++, p++) {
                    pair[p] = a[k] * a[l];
                    o->c[k * d + l] += r * r * pair[p] / (double)n;
                }
            for (size_t j = 0; j < d; j++)
                for (size_t p = 0; p < pairs; p++)
                    o->third[j * pairs + p] += r * a[j] * pair[p] / (double)n;
        }
        for (size_t p = 0; p < pairs; p++)
            for (size_t i = 0; i < count; i++) {
                const double *pair = square + i * pairs, weight = pair[p] / (double)n;
                double *row = o->fourth + p * pairs;
                for (size_t s = p; s < pairs; s++)
                    row[s] += weight * pair[s];
            }
    }
    for (size_t k = 0; k < d; k++)
        for (size_t l = k + 1; l < d; l++)
            o->c[l * d + k] = o->c[k * d + l];
    for (size_t p = 0; p < pairs; p++)
        for (size_t s = p + 1; s < pairs; s++)
            o->fourth[s * pairs + p] = o->fourth[p * pairs + s];
    free(square);
    return STATUS_OK;
}

enum status oracle_open(const struct problem *problem, struct oracle **out, struct error *error)
{
    *out = NULL;
    enum status status = check_problem(problem, error);
    if (status != STATUS_OK)
        return status;
    const struct matrix *train = &problem->data->train;
    const size_t n = train->rows, d = train->cols, pairs = d * (d + 1) / 2;
    struct oracle *o = malloc(sizeof *o);
    if (!o)
        return error_memory(error, sizeof *o, "exact moments");
    *o = (struct oracle){.n = n, .d = d, .penalized = problem_penalized(problem), .pairs = pairs, .l2 = problem->l2};
    if (!allocate(o)) {
        status = error_memory(error, (n + pairs) * pairs * sizeof(double), "exact moments");
        goto fail;
    }
    for (size_t i = 0; i < n; i++)
        matrix_row_axpy(train, i, 1.0, o->a + i * d);
    memcpy(o->b, problem->data->y, n * sizeof *o->b);
    curvature(o);
    if ((status = spectrum(o, error)) != STATUS_OK || (status = minimise(o, error)) != STATUS_OK ||
        (status = tensors(o, error)) != STATUS_OK)
        goto fail;
    *out = o;
    return STATUS_OK;
fail:
    oracle_close(o);
    return status;
}

void oracle_close(struct oracle *oracle)
{
    if (oracle)
        free(oracle->a);
    free(oracle);
}

double oracle_kappa(size_t n, size_t m, bool with_replacement)
{
    if (with_replacement)
        return 1.0 / (double)m;
    return m < n ? (double)(n - m) / ((double)m * (double)(n - 1)) : 0.0;
}

/* ---- noise ---- */

/* The recursions take millions of steps: compiled for each width of vectors and chosen at run time. Nothing is
 * contracted or reordered, so the numbers are the same. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(SGDLAB_SANITIZED)
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif

/* sum[count] += weight[rows] matrix[rows][count], four rows at a time: the hot loop of every recursion. */
static inline void add_rows(size_t rows, size_t count, const double *weight, const double *matrix, double *restrict sum)
{
    const size_t whole = rows / 4 * 4;
    for (size_t r = 0; r < whole; r += 4) {
        const double *a = matrix + r * count, *b = a + count, *c = b + count, *e = c + count;
        const double wa = weight[r], wb = weight[r + 1], wc = weight[r + 2], we = weight[r + 3];
        for (size_t t = 0; t < count; t++)
            sum[t] += (wa * a[t] + wb * b[t]) + (wc * c[t] + we * e[t]);
    }
    for (size_t r = whole; r < rows; r++)
        for (size_t t = 0; t < count; t++)
            sum[t] += weight[r] * matrix[r * count + t];
}

static inline __attribute__((always_inline)) void noise_of(const struct oracle *oracle, const double *m,
                                                           const double *mu, double *s, const size_t d)
{
    const size_t pairs = d * (d + 1) / 2;
    double quadratic[PAIRS_MAX]; /* mean (a'M a - 2 r a'mu) a a' */
    double weight[PAIRS_MAX], less[ORACLE_DIM_MAX];
    double half[ORACLE_DIM_MAX], mean[ORACLE_DIM_MAX], row[ORACLE_DIM_MAX];
    for (size_t k = 0, p = 0; k < d; k++)
        for (size_t l = k; l < d; l++, p++)
            weight[p] = k == l ? m[k * d + k] : 2.0 * m[k * d + l];
    for (size_t j = 0; j < d; j++)
        less[j] = -2.0 * mu[j];
    memset(quadratic, 0, pairs * sizeof *quadratic);
    add_rows(pairs, pairs, weight, oracle->fourth, quadratic);
    add_rows(d, pairs, less, oracle->third, quadratic);
    oracle_apply(d, oracle->h, mu, mean);
    for (size_t k = 0, p = 0; k < d; k++) {
        for (size_t l = 0; l < d; l++) /* row k of H M, then of H M H */
            half[l] = row[l] = 0.0;
        for (size_t j = 0; j < d; j++)
            for (size_t l = 0; l < d; l++)
                half[l] += oracle->h[k * d + j] * m[j * d + l];
        for (size_t j = 0; j < d; j++)
            for (size_t l = 0; l < d; l++)
                row[l] += half[j] * oracle->h[j * d + l];
        for (size_t l = k; l < d; l++, p++) {
            double squared_mean =
                row[l] - mean[k] * oracle->q[l] - oracle->q[k] * mean[l] + oracle->q[k] * oracle->q[l];
            s[k * d + l] = s[l * d + k] = quadratic[p] + oracle->c[k * d + l] - squared_mean;
        }
    }
}

WIDE void oracle_noise(const struct oracle *oracle, const double *m, const double *mu, double *s)
{
    noise_of(oracle, m, mu, s, oracle->d);
}

/* ---- the recursion ---- */

enum status oracle_state_open(const struct oracle *oracle, double kappa, const double *e0, bool average,
                              struct oracle_state **out, struct error *error)
{
    const size_t d = oracle->d, dd = d * d, matrices = average ? 7 : 5, count = matrices * dd + d;
    struct oracle_state *state = malloc(sizeof *state);
    double *block = calloc(count, sizeof *block);
    *out = NULL;
    if (!state || !block) {
        free(state);
        free(block);
        return error_memory(error, sizeof *state + count * sizeof *block, "the moment recursion");
    }
    *state = (struct oracle_state){.oracle = oracle,
                                   .kappa = kappa,
                                   .m = block,
                                   .scratch = block + dd,
                                   .mu = block + (matrices * dd),
                                   .p = average ? block + 5 * dd : NULL,
                                   .w = average ? block + 6 * dd : NULL};
    memcpy(state->mu, e0, d * sizeof *e0);
    for (size_t k = 0; k < d; k++)
        for (size_t l = 0; l < d; l++)
            state->m[k * d + l] = e0[k] * e0[l];
    if (average)
        memcpy(state->w, state->m, dd * sizeof *state->w);
    *out = state;
    return STATUS_OK;
}

void oracle_state_close(struct oracle_state *state)
{
    if (state)
        free(state->m);
    free(state);
}

static inline __attribute__((always_inline)) void step_of(struct oracle_state *state, double eta, const size_t d)
{
    const struct oracle *oracle = state->oracle;
    const size_t dd = d * d;
    double *drift = state->scratch, *half = drift + dd, *next = half + dd, *noise = next + dd;
    const double scale = eta * eta * state->kappa;
    oracle_drift(oracle, eta, drift);
    if (state->p) {
        for (size_t k = 0; k < dd; k++)
            half[k] = state->p[k] + state->m[k];
        oracle_product(d, half, drift, state->p);
    }
    if (state->kappa > 0.0)
        noise_of(oracle, state->m, state->mu, noise, d);
    else
        memset(noise, 0, dd * sizeof *noise);
    oracle_product(d, drift, state->m, half);
    oracle_product(d, half, drift, next);
    for (size_t k = 0; k < d; k++)
        for (size_t l = k; l < d; l++)
            state->m[k * d + l] = state->m[l * d + k] =
                0.5 * (next[k * d + l] + next[l * d + k]) + scale * noise[k * d + l];
    oracle_apply(d, drift, state->mu, half);
    memcpy(state->mu, half, d * sizeof *state->mu);
    if (state->p)
        for (size_t k = 0; k < d; k++)
            for (size_t l = 0; l < d; l++)
                state->w[k * d + l] += state->p[k * d + l] + state->p[l * d + k] + state->m[k * d + l];
    state->step++;
}

/* Loops of a known length lose half of their cost; the laws' instances have these dimensions. */
WIDE void oracle_step(struct oracle_state *state, double eta)
{
    switch (state->oracle->d) {
    case 1:
        step_of(state, eta, 1);
        break;
    case 5:
        step_of(state, eta, 5);
        break;
    case 6:
        step_of(state, eta, 6);
        break;
    case 8:
        step_of(state, eta, 8);
        break;
    default:
        step_of(state, eta, state->oracle->d);
    }
}

/* ---- what is read off ---- */

double oracle_gap(const struct oracle_state *state)
{
    return 0.5 * oracle_trace(state->oracle->d, state->oracle->h2, state->m);
}

/* Var e'Ae = 2 tr(A V A V) + 4 mu'A V A mu for e ~ N(mu, V), here A = H_2/2. */
double oracle_gap_sd(const struct oracle_state *state)
{
    const size_t d = state->oracle->d, dd = d * d;
    double *covariance = state->scratch, *product = covariance + dd, *slope = product + dd, *image = slope + dd;
    for (size_t k = 0; k < d; k++)
        for (size_t l = 0; l < d; l++)
            covariance[k * d + l] = state->m[k * d + l] - state->mu[k] * state->mu[l];
    oracle_product(d, state->oracle->h2, covariance, product);
    double variance = 0.0;
    for (size_t k = 0; k < d; k++)
        for (size_t l = 0; l < d; l++)
            variance += 0.5 * product[k * d + l] * product[l * d + k];
    oracle_apply(d, state->oracle->h2, state->mu, slope);
    oracle_apply(d, covariance, slope, image);
    for (size_t k = 0; k < d; k++)
        variance += slope[k] * image[k];
    return sqrt(fmax(variance, 0.0));
}

double oracle_distance2(const struct oracle_state *state)
{
    const size_t d = state->oracle->d;
    double sum = 0.0;
    for (size_t k = 0; k < d; k++)
        sum += state->m[k * d + k];
    return sum;
}

double oracle_averaged_gap(const struct oracle_state *state)
{
    const double count = (double)(state->step + 1);
    return 0.5 * oracle_trace(state->oracle->d, state->oracle->h2, state->w) / (count * count);
}
