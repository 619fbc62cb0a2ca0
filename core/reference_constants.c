/* Smoothness and strong convexity of a problem: extreme eigenvalues of c A'A/n + ridge, c the loss's curvature bound.
 * Up to EIGEN_DIM_MAX coordinates all eigenvalues by GSL; beyond, Lanczos for the largest. */
#include <gsl/gsl_eigen.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "reference.h"
#include "reference_internal.h"

enum { EIGEN_DIM_MAX = 500, LANCZOS_MAX = 400, LANCZOS_CHECK = 20 };
static const double EIGEN_COST_MAX = 3e9, LANCZOS_TOLERANCE = 1e-10;

/* c A'A/n + l2 on the penalised coordinates. */
struct gram_operator {
    const struct matrix *a;
    double scale, l2;
    size_t penalized;
    double *z; /* n */
};

static void operator_apply(const struct gram_operator *op, const double *x, double *out)
{
    linear_product(op->a, x, op->z);
    for (size_t i = 0; i < op->a->rows; i++)
        op->z[i] *= op->scale;
    linear_product_t(op->a, op->z, out);
    for (size_t j = 0; j < op->penalized; j++)
        out[j] += op->l2 * x[j];
}

static enum status extremes_dense(const struct gram_operator *op, double *smallest, double *largest,
                                  struct error *error)
{
    size_t n = op->a->rows, d = op->a->cols;
    double *h = vector_alloc(d * d + d, error);
    gsl_eigen_symm_workspace *eigen = gsl_eigen_symm_alloc(d);
    enum status status = STATUS_OK;
    if (!h || !eigen) {
        status = error_memory(error, d * d * sizeof *h, "eigenvalues");
    } else {
        double *values = h + d * d;
        for (size_t i = 0; i < n; i++)
            op->z[i] = op->scale;
        linear_gram(op->a, op->z, h);
        for (size_t j = 0; j < op->penalized; j++)
            h[j * d + j] += op->l2;
        gsl_matrix_view matrix = gsl_matrix_view_array(h, d, d);
        gsl_vector_view spectrum = gsl_vector_view_array(values, d);
        gsl_eigen_symm(&matrix.matrix, &spectrum.vector, eigen);
        *smallest = INFINITY;
        *largest = 0.0;
        for (size_t j = 0; j < d; j++) {
            *smallest = fmin(*smallest, values[j]);
            *largest = fmax(*largest, values[j]);
        }
        /* What rounding alone can leave of a zero eigenvalue is a zero. */
        if (*smallest < (double)d * 0x1p-52 * *largest)
            *smallest = 0.0;
    }
    if (eigen)
        gsl_eigen_symm_free(eigen);
    free(h);
    return status;
}

/* The largest eigenvalue of the k x k tridiagonal matrix and the last entry of its eigenvector. */
static enum status tridiagonal_top(size_t k, const double *diagonal, const double *beside, double *value, double *last,
                                   struct error *error)
{
    gsl_matrix *matrix = gsl_matrix_calloc(k, k), *vectors = gsl_matrix_alloc(k, k);
    gsl_vector *values = gsl_vector_alloc(k);
    gsl_eigen_symmv_workspace *eigen = gsl_eigen_symmv_alloc(k);
    enum status status = STATUS_OK;
    if (!matrix || !vectors || !values || !eigen) {
        status = error_memory(error, 2 * k * k * sizeof(double), "eigenvalues");
    } else {
        for (size_t j = 0; j < k; j++) {
            gsl_matrix_set(matrix, j, j, diagonal[j]);
            if (j + 1 < k) {
                gsl_matrix_set(matrix, j + 1, j, beside[j]);
                gsl_matrix_set(matrix, j, j + 1, beside[j]);
            }
        }
        gsl_eigen_symmv(matrix, values, vectors, eigen);
        size_t top = gsl_vector_max_index(values);
        *value = gsl_vector_get(values, top);
        *last = gsl_matrix_get(vectors, k - 1, top);
    }
    gsl_matrix_free(matrix);
    gsl_matrix_free(vectors);
    gsl_vector_free(values);
    if (eigen)
        gsl_eigen_symmv_free(eigen);
    return status;
}

/* Lanczos without reorthogonalisation: enough for the largest eigenvalue. Residual beta |last| bounds its error, and is
 * added so that the result errs upwards. */
static enum status largest_lanczos(const struct gram_operator *op, double *largest, struct error *error)
{
    size_t d = op->a->cols;
    double *v = vector_alloc(3 * d + (size_t)2 * LANCZOS_MAX, error);
    if (!v)
        return STATUS_MEMORY;
    double *before = v + d, *next = before + d, *diagonal = next + d, *beside = diagonal + LANCZOS_MAX, beta = 0.0;
    enum status status = STATUS_OK;
    uint64_t bits = 0x9e3779b97f4a7c15u;
    for (size_t j = 0; j < d; j++) { /* a start without structure: signs from a linear congruential generator */
        bits = bits * 6364136223846793005u + 1442695040888963407u;
        v[j] = (bits >> 63 ? 1.0 : -1.0) / sqrt((double)d);
    }
    *largest = 0.0;
    for (size_t k = 0; k < LANCZOS_MAX && status == STATUS_OK; k++) {
        operator_apply(op, v, next);
        diagonal[k] = vector_dot(d, v, next);
        for (size_t j = 0; j < d; j++)
            next[j] -= diagonal[k] * v[j] + beta * before[j];
        beside[k] = beta = vector_norm(d, next);
        bool invariant = beta <= 1e-14 * fabs(diagonal[0]);
        if (invariant || (k + 1) % LANCZOS_CHECK == 0) {
            double value = 0.0, last = 0.0;
            status = tridiagonal_top(k + 1, diagonal, beside, &value, &last, error);
            if (status == STATUS_OK)
                *largest = value + beta * fabs(last);
            if (status != STATUS_OK || invariant || beta * fabs(last) <= LANCZOS_TOLERANCE * value)
                break;
        }
        for (size_t j = 0; j < d; j++) {
            before[j] = v[j];
            v[j] = next[j] / beta;
        }
    }
    *largest *= 1.0 + LANCZOS_TOLERANCE;
    free(v);
    return status;
}

enum status problem_constants(const struct problem *problem, double *smoothness, double *convexity, struct error *error)
{
    const struct matrix *a = &problem->data->train;
    const struct scalar_loss *loss = problem->type->scalar;
    const struct model_type *model = problem->type->model;
    if (model) {
        *smoothness = INFINITY;
        *convexity = 0.0;
        return model->softmax ? softmax_smoothness(problem, smoothness, error) : STATUS_OK;
    }
    size_t d = a->cols, penalized = problem_penalized(problem);
    double ridge = penalized == d ? problem->l2 : 0.0;
    *smoothness = INFINITY;
    *convexity = ridge;
    if (!loss || !isfinite(loss->curvature_max))
        return STATUS_OK;
    struct gram_operator op = {.a = a,
                               .scale = loss->curvature_max / (double)a->rows,
                               .l2 = problem->l2,
                               .penalized = penalized,
                               .z = vector_alloc(a->rows, error)};
    if (!op.z)
        return STATUS_MEMORY;
    enum status status;
    if (d <= EIGEN_DIM_MAX && linear_gram_cost(a) <= EIGEN_COST_MAX) {
        double smallest = 0.0;
        status = extremes_dense(&op, &smallest, smoothness, error);
        if (problem->type->quadratic)
            *convexity = fmax(ridge, a->rows < d && problem->l2 == 0.0 ? 0.0 : smallest);
    } else {
        status = largest_lanczos(&op, smoothness, error);
    }
    free(op.z);
    return status;
}
