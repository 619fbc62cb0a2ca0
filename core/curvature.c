/* See the header. The products run through the kernels of the active instruction set in width 1; what is done with
 * them, by GSL's own BLAS, does not depend on it. */
#include "curvature.h"

#include <float.h>
#include <gsl/gsl_blas.h>
#include <gsl/gsl_eigen.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/isa.h"
#include "model.h"
#include "rng.h"
#include "sample_gradients.h"

enum {
    BASIS_MAX = 64,   /* Lanczos vectors before a restart from the best Ritz vector */
    BASIS_MIN = 16,   /* ... also where they take more than BASIS_DOUBLES */
    LOOK_FIRST = 8,   /* products before the residual is believed: few may miss eigenvalues of few directions */
    LOOK_EVERY = 4,   /* products from one look at the residual to the next */
    RESTARTS_MAX = 16 /* ... and runs of a full basis at most */
};
static const size_t BASIS_DOUBLES = 8 << 20;

struct curvature {
    const struct kernel_set *kernels;
    const struct problem *problem;
    size_t n, d, padded, penalized;
    double *memory;
    double *x;              /* [padded] */
    double *z, *weight;     /* linear models, [n]: scratch; phi'' / n */
    double *model_scratch;  /* other models */
    double *one, *mean;     /* [padded] each: scratch */
    double *variance, *sum; /* [padded] each */

    /* eigenvalues */
    size_t basis_max;
    double *basis;                          /* [basis_max][padded] */
    double *work;                           /* [padded] */
    double *coefficient;                    /* [basis_max] */
    double *alpha, *beta;                   /* [basis_max]: diagonal, and below it, of the tridiagonal matrix */
    double *tridiagonal, *vectors, *values; /* [basis_max^2], [basis_max^2], [basis_max] */
    gsl_eigen_symmv_workspace *eigen[BASIS_MAX + 1]; /* for each size */
};

bool curvature_defined(const struct problem *problem)
{
    const struct problem_type *type = problem->type;
    return type->model ? type->model->hessian_vector != NULL : type->scalar->curvature != NULL;
}

/* ---- memory ---- */

static double *carve(double **next, size_t count)
{
    double *piece = *next;
    *next += matrix_stride(count);
    return piece;
}

static enum status open_eigen(struct curvature *c, struct error *error)
{
    for (size_t size = 1; size <= c->basis_max; size++) {
        c->eigen[size] = gsl_eigen_symmv_alloc(size);
        if (!c->eigen[size])
            return error_memory(error, size * 4 * sizeof(double), "eigenvalues");
    }
    return STATUS_OK;
}

enum status curvature_open(const struct problem *problem, bool eigenvalues, struct curvature **out, struct error *error)
{
    const struct model_type *model = problem->type->model;
    struct curvature *c = calloc(1, sizeof *c);
    *out = NULL;
    if (!c)
        return error_memory(error, sizeof *c, "the curvature");
    const size_t n = c->n = problem->data->train.rows, d = c->d = problem_dim(problem);
    c->kernels = kernels_active();
    c->padded = matrix_stride(d);
    c->penalized = problem_penalized(problem);
    if (eigenvalues) {
        const size_t fit = BASIS_DOUBLES / c->padded, most = fit < BASIS_MIN ? BASIS_MIN : fit;
        c->basis_max = most < BASIS_MAX ? most : BASIS_MAX;
        c->basis_max = c->basis_max < d ? c->basis_max : d;
    }
    const size_t k = c->basis_max, data = model ? model->scratch(problem, 1) : 2 * matrix_stride(n);
    const size_t doubles = (k + 6) * c->padded + matrix_stride(data) + 2 * matrix_stride(k * k) + 4 * matrix_stride(k);
    c->memory = aligned_alloc(64, doubles * sizeof(double));
    enum status status =
        c->memory ? open_eigen(c, error) : error_memory(error, doubles * sizeof(double), "the curvature");
    if (status) {
        curvature_close(c);
        return status;
    }
    double *next = memset(c->memory, 0, doubles * sizeof(double));
    c->x = carve(&next, d);
    c->one = carve(&next, d);
    c->mean = carve(&next, d);
    c->variance = carve(&next, d);
    c->sum = carve(&next, d);
    c->work = carve(&next, d);
    c->basis = carve(&next, k * c->padded);
    c->tridiagonal = carve(&next, k * k);
    c->vectors = carve(&next, k * k);
    c->values = carve(&next, k);
    c->coefficient = carve(&next, k);
    c->alpha = carve(&next, k);
    c->beta = carve(&next, k);
    if (model) {
        c->model_scratch = next;
    } else {
        c->z = carve(&next, n);
        c->weight = carve(&next, n);
    }
    *out = c;
    return STATUS_OK;
}

void curvature_close(struct curvature *c)
{
    if (!c)
        return;
    for (size_t size = 1; size <= c->basis_max; size++)
        if (c->eigen[size])
            gsl_eigen_symmv_free(c->eigen[size]);
    free(c->memory);
    free(c);
}

/* ---- products ---- */

void curvature_at(struct curvature *c, const struct problem *problem, const double *x, size_t stride)
{
    c->problem = problem;
    for (size_t j = 0; j < c->d; j++)
        c->x[j] = x[j * stride];
    if (problem->type->model || !problem->type->scalar->curvature)
        return;
    c->kernels->forward(&problem->data->train, NULL, 0, c->n, c->x, 1, c->z);
    for (size_t i = 0; i < c->n; i++)
        c->weight[i] = problem->type->scalar->curvature(c->z[i], problem->data->y[i]) / (double)c->n;
}

static struct batch all_samples(const struct curvature *c)
{
    return (struct batch){.a = &c->problem->data->train, .y = c->problem->data->y, .rows = c->n};
}

void curvature_product(struct curvature *c, const double *v, double *product)
{
    const struct problem *problem = c->problem;
    const struct matrix *a = &problem->data->train;
    const struct model_type *model = problem->type->model;
    if (model) {
        const struct batch all = all_samples(c);
        model->hessian_vector(problem, &all, c->x, v, 1, c->model_scratch, product);
        for (size_t j = 0; j < c->d; j++)
            product[j] /= (double)c->n;
    } else {
        c->kernels->forward(a, NULL, 0, c->n, v, 1, c->z);
        for (size_t i = 0; i < c->n; i++)
            c->z[i] *= c->weight[i];
        memset(product, 0, c->padded * sizeof *product);
        c->kernels->backward(a, NULL, 0, c->n, c->z, 1, product);
    }
    for (size_t j = 0; j < c->penalized; j++)
        product[j] += problem->l2 * v[j];
}

/* ---- the largest eigenvalue ---- */

/* v[d] := v / |v| */
static void normalize(double *v, size_t d)
{
    gsl_vector_view view = gsl_vector_view_array(v, d);
    gsl_vector_scale(&view.vector, 1 / gsl_blas_dnrm2(&view.vector));
}

/* The same start for every iterate of every run: uniform numbers, which no data are orthogonal to. */
static void begin(struct curvature *c)
{
    const struct rng_stream stream = rng_stream(0, RNG_CURVATURE, 0, 0);
    uint64_t word[64];
    for (size_t first = 0; first < c->d; first += 64) {
        const size_t count = c->d - first < 64 ? c->d - first : 64;
        rng_words(&stream, first, count, word);
        for (size_t j = 0; j < count; j++)
            c->basis[first + j] = (double)(word[j] >> 11) * 0x1p-52 - 1;
    }
    normalize(c->basis, c->d);
}

/* work -= its projection on the first `size` vectors, twice: once leaves what rounding makes of a large projection
 * (Parlett, The Symmetric Eigenvalue Problem, sec. 6.9). Returns the part along the last of them. */
static double orthogonalize(struct curvature *c, size_t size)
{
    gsl_matrix_view basis = gsl_matrix_view_array_with_tda(c->basis, size, c->d, c->padded);
    gsl_vector_view work = gsl_vector_view_array(c->work, c->d);
    gsl_vector_view coefficient = gsl_vector_view_array(c->coefficient, size);
    double along = 0;
    for (int pass = 0; pass < 2; pass++) {
        gsl_blas_dgemv(CblasNoTrans, 1, &basis.matrix, &work.vector, 0, &coefficient.vector);
        gsl_blas_dgemv(CblasTrans, -1, &basis.matrix, &coefficient.vector, 1, &work.vector);
        along += c->coefficient[size - 1];
    }
    return along;
}

/* The largest eigenvalue of the leading size x size part; its eigenvector in coefficient[]. */
static double largest_ritz(struct curvature *c, size_t size)
{
    gsl_matrix_view matrix = gsl_matrix_view_array(c->tridiagonal, size, size);
    gsl_matrix_view vectors = gsl_matrix_view_array(c->vectors, size, size);
    gsl_vector_view values = gsl_vector_view_array(c->values, size);
    gsl_matrix_set_zero(&matrix.matrix);
    for (size_t j = 0; j < size; j++) {
        gsl_matrix_set(&matrix.matrix, j, j, c->alpha[j]);
        if (j + 1 < size)
            gsl_matrix_set(&matrix.matrix, j + 1, j, c->beta[j]);
    }
    gsl_eigen_symmv(&matrix.matrix, &values.vector, &vectors.matrix, c->eigen[size]);
    const size_t best = gsl_vector_max_index(&values.vector);
    for (size_t j = 0; j < size; j++)
        c->coefficient[j] = gsl_matrix_get(&vectors.matrix, j, best);
    return c->values[best];
}

/* basis[0] := the Ritz vector with these coefficients. */
static void restart(struct curvature *c, size_t size)
{
    gsl_matrix_view basis = gsl_matrix_view_array_with_tda(c->basis, size, c->d, c->padded);
    gsl_vector_view work = gsl_vector_view_array(c->work, c->d);
    gsl_vector_view coefficient = gsl_vector_view_array(c->coefficient, size);
    gsl_blas_dgemv(CblasTrans, 1, &basis.matrix, &coefficient.vector, 0, &work.vector);
    memcpy(c->basis, c->work, c->d * sizeof *c->basis);
    normalize(c->basis, c->d);
}

/* Builds a basis from its first vector on. true: *value is final. */
static bool lanczos(struct curvature *c, double *value)
{
    double scale = 0; /* about |Hessian| */
    for (size_t size = 1;; size++) {
        const bool full = size == c->basis_max;
        double *last = c->basis + (size - 1) * c->padded;
        curvature_product(c, last, c->work);
        c->alpha[size - 1] = orthogonalize(c, size);
        gsl_vector_view work = gsl_vector_view_array(c->work, c->d);
        const double beta = c->beta[size - 1] = gsl_blas_dnrm2(&work.vector);
        scale = fmax(scale, fabs(c->alpha[size - 1]) + beta);
        if (!isfinite(scale) || !isfinite(beta)) {
            *value = NAN;
            return true;
        }
        const double rounding = 16 * DBL_EPSILON * (double)size * scale;
        const bool exhausted = size == c->d || beta <= rounding; /* the Krylov space holds its own image */
        if (exhausted || full || (size >= LOOK_FIRST && size % LOOK_EVERY == 0)) {
            *value = largest_ritz(c, size);
            const double residual = beta * fabs(c->coefficient[size - 1]);
            if (exhausted || residual <= fmax(CURVATURE_TOLERANCE * fabs(*value), rounding))
                return true;
            if (full) {
                restart(c, size);
                return false;
            }
        }
        for (size_t j = 0; j < c->d; j++)
            last[c->padded + j] = c->work[j] / beta;
    }
}

double curvature_largest(struct curvature *c)
{
    double value;
    begin(c);
    for (int k = 0; k < RESTARTS_MAX; k++)
        if (lanczos(c, &value))
            return value;
    return NAN;
}

/* ---- the scatter of the gradients ---- */

/* mean := that of the samples' gradients; returns tr Sigma. */
static double scatter_linear(struct curvature *c)
{
    const struct problem *problem = c->problem;
    const struct matrix *a = &problem->data->train;
    double y[FULL_PASS_ROWS] __attribute__((aligned(64))) = {0}, trace = 0;
    c->kernels->forward(a, NULL, 0, c->n, c->x, 1, c->z);
    for (size_t first = 0; first < c->n; first += FULL_PASS_ROWS) {
        const size_t rows = c->n - first < FULL_PASS_ROWS ? c->n - first : FULL_PASS_ROWS;
        memcpy(y, problem->data->y + first, rows * sizeof *y);
        problem->type->vector->slope_each(matrix_stride(rows), y, c->z + first);
    }
    memset(c->mean, 0, c->padded * sizeof *c->mean);
    c->kernels->backward(a, NULL, 0, c->n, c->z, 1, c->mean);
    for (size_t j = 0; j < c->d; j++)
        c->mean[j] /= (double)c->n;
    sample_gradients_moments(a, c->z, c->mean, c->variance, c->sum, c->one);
    for (size_t j = 0; j < c->d; j++)
        trace += c->variance[j];
    return trace;
}

/* |grad f_i - grad f|^2, summed up. */
static double sum_of_deviations(struct curvature *c, const struct model_type *model)
{
    struct batch one = all_samples(c);
    double sum = 0;
    for (one.rows = 1; one.first < c->n; one.first++) {
        model->gradient(c->problem, &one, c->x, 1, 0, c->model_scratch, c->one);
        for (size_t j = 0; j < c->d; j++)
            sum += (c->one[j] - c->mean[j]) * (c->one[j] - c->mean[j]);
    }
    return sum;
}

/* Where squares are given, Sigma is their mean less |grad f|^2: good to rounding unless the noise is all but gone. */
static double scatter_model(struct curvature *c, const struct model_type *model)
{
    const struct batch all = all_samples(c);
    double square = 0, norm2 = 0;
    model->gradient(c->problem, &all, c->x, 1, 0, c->model_scratch, c->mean);
    for (size_t j = 0; j < c->d; j++) {
        c->mean[j] /= (double)c->n;
        norm2 += c->mean[j] * c->mean[j];
    }
    if (!model->gradient_squares)
        return sum_of_deviations(c, model) / (double)c->n;
    model->gradient_squares(c->problem, &all, c->x, 1, c->model_scratch, &square);
    return fmax(square / (double)c->n - norm2, 0);
}

double curvature_noise_scale(struct curvature *c)
{
    const struct problem *problem = c->problem;
    const struct model_type *model = problem->type->model;
    const double trace = model ? scatter_model(c, model) : scatter_linear(c);
    double norm2 = 0;
    for (size_t j = 0; j < c->d; j++) {
        const double x = c->x[j];
        double g = c->mean[j];
        if (j < c->penalized)
            g += problem->l2 * x + problem->l1 * (double)((x > 0) - (x < 0));
        norm2 += g * g;
    }
    return trace == 0 ? 0 : trace / norm2;
}
