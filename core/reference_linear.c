/* Linear algebra of the certified optimum: products with the data in one fixed order (the same bits from every
 * compiler), Cholesky and eigenvalues by GSL with its own gslcblas, and the null space of the data. */
#include <gsl/gsl_eigen.h>
#include <gsl/gsl_linalg.h>
#include <stdlib.h>
#include <string.h>

#include "reference_internal.h"

/* An eigenvalue of A'A/n below this fraction of the largest counts as 0: rounding of the sums leaves about 1e-15. */
static const double NULL_TOLERANCE = 1e-13;

/* Beyond these the matrix-free solvers take over; bare problems may need the eigenvectors of the data, which cost more.
 */
enum { DENSE_DIM_MAX = 2000, BARE_DIM_MAX = 1000 };
static const double DENSE_COST_MAX = 2e10;

bool objective_dense(const struct objective *o)
{
    return o->d <= (objective_bare(o) ? BARE_DIM_MAX : DENSE_DIM_MAX) && linear_gram_cost(o->a) <= DENSE_COST_MAX;
}

double *vector_alloc(size_t count, struct error *error)
{
    double *vector = calloc(count ? count : 1, sizeof *vector);
    if (!vector)
        error_memory(error, count * sizeof *vector, "the certified optimum");
    return vector;
}

double vector_dot(size_t count, const double *x, const double *y)
{
    double part[4] = {0.0, 0.0, 0.0, 0.0};
    size_t j = 0;
    for (; j + 4 <= count; j += 4)
        for (size_t k = 0; k < 4; k++)
            part[k] += x[j + k] * y[j + k];
    for (size_t k = 0; j + k < count; k++)
        part[k] += x[j + k] * y[j + k];
    return (part[0] + part[2]) + (part[1] + part[3]);
}

double vector_norm(size_t count, const double *x)
{
    return sqrt(vector_dot(count, x, x));
}

void linear_product(const struct matrix *a, const double *x, double *z)
{
    for (size_t i = 0; i < a->rows; i++) {
        if (!a->sparse) {
            z[i] = vector_dot(a->cols, a->value + i * a->stride, x);
            continue;
        }
        double sum = 0.0;
        for (size_t k = a->row[i]; k < a->row[i + 1]; k++)
            sum += a->value[k] * x[a->column[k]];
        z[i] = sum;
    }
}

void linear_product_t(const struct matrix *a, const double *u, double *v)
{
    memset(v, 0, a->cols * sizeof *v);
    for (size_t i = 0; i < a->rows; i++)
        matrix_row_axpy(a, i, u[i], v);
}

/* The lower triangle. Four rows at a time: one pass over h serves four times the arithmetic. */
static void gram_dense(const struct matrix *a, const double *w, double *restrict h)
{
    size_t d = a->cols, i = 0;
    for (; i + 4 <= a->rows; i += 4) {
        const double *v0 = a->value + i * a->stride, *v1 = v0 + a->stride, *v2 = v1 + a->stride, *v3 = v2 + a->stride;
        for (size_t j = 0; j < d; j++) {
            double *restrict row = h + j * d;
            double s0 = w[i] * v0[j], s1 = w[i + 1] * v1[j], s2 = w[i + 2] * v2[j], s3 = w[i + 3] * v3[j];
            for (size_t k = 0; k <= j; k++)
                row[k] += (s0 * v0[k] + s1 * v1[k]) + (s2 * v2[k] + s3 * v3[k]);
        }
    }
    for (; i < a->rows; i++) {
        const double *value = a->value + i * a->stride;
        for (size_t j = 0; j < d; j++)
            for (size_t k = 0; k <= j; k++)
                h[j * d + k] += w[i] * value[j] * value[k];
    }
}

static void gram_sparse(const struct matrix *a, const double *w, double *h)
{
    for (size_t i = 0; i < a->rows; i++)
        for (size_t k = a->row[i]; k < a->row[i + 1]; k++) {
            double *row = h + a->column[k] * a->cols, scaled = w[i] * a->value[k];
            for (size_t l = a->row[i]; l <= k; l++)
                row[a->column[l]] += scaled * a->value[l];
        }
}

void linear_gram(const struct matrix *a, const double *w, double *h)
{
    size_t d = a->cols;
    memset(h, 0, d * d * sizeof *h);
    (a->sparse ? gram_sparse : gram_dense)(a, w, h);
    for (size_t j = 0; j < d; j++)
        for (size_t k = 0; k < j; k++)
            h[k * d + j] = h[j * d + k];
}

double linear_gram_cost(const struct matrix *a)
{
    double d = (double)a->cols, cost = d * d;
    if (!a->sparse)
        return cost + 0.5 * (double)a->rows * d * d;
    for (size_t i = 0; i < a->rows; i++) {
        double entries = (double)(a->row[i + 1] - a->row[i]);
        cost += 0.5 * entries * entries;
    }
    return cost;
}

void linear_squares(const struct matrix *a, const double *w, double *v)
{
    memset(v, 0, a->cols * sizeof *v);
    for (size_t i = 0; i < a->rows; i++) {
        if (a->sparse) {
            for (size_t k = a->row[i]; k < a->row[i + 1]; k++)
                v[a->column[k]] += w[i] * a->value[k] * a->value[k];
        } else {
            const double *value = a->value + i * a->stride;
            for (size_t j = 0; j < a->cols; j++)
                v[j] += w[i] * value[j] * value[j];
        }
    }
}

double linear_row_norm(const struct matrix *a, size_t i, const double *scale)
{
    size_t first = a->sparse ? a->row[i] : i * a->stride, last = a->sparse ? a->row[i + 1] : first + a->cols;
    double sum = 0.0;
    for (size_t k = first; k < last; k++)
        sum += a->value[k] * a->value[k] / (scale ? scale[a->sparse ? a->column[k] : k - first] : 1.0);
    return sqrt(sum);
}

long double linear_row_dot_long(const struct matrix *a, size_t i, const double *x)
{
    long double sum = 0.0L;
    if (a->sparse) {
        for (size_t k = a->row[i]; k < a->row[i + 1]; k++)
            sum += (long double)a->value[k] * x[a->column[k]];
    } else {
        const double *value = a->value + i * a->stride;
        for (size_t j = 0; j < a->cols; j++)
            sum += (long double)value[j] * x[j];
    }
    return sum;
}

enum status linear_scale(const struct matrix *a, const int *exponent, struct matrix *out, struct error *error)
{
    enum status status = a->sparse ? matrix_alloc_sparse(out, a->rows, a->cols, a->nnz, error)
                                   : matrix_alloc_dense(out, a->rows, a->cols, error);
    if (status != STATUS_OK)
        return status;
    if (a->sparse) {
        memcpy(out->row, a->row, (a->rows + 1) * sizeof *a->row);
        memcpy(out->column, a->column, a->nnz * sizeof *a->column);
        for (size_t k = 0; k < a->nnz; k++)
            out->value[k] = ldexp(a->value[k], -exponent[a->column[k]]);
    } else {
        for (size_t i = 0; i < a->rows; i++)
            for (size_t j = 0; j < a->cols; j++)
                out->value[i * out->stride + j] = ldexp(a->value[i * a->stride + j], -exponent[j]);
    }
    return STATUS_OK;
}

/* One step of Neumaier's sum; size collects |terms| for the error bound. */
static void accumulate(long double term, long double *total, long double *lost, long double *size)
{
    long double sum = *total + term;
    *lost += fabsl(*total) >= fabsl(term) ? (*total - sum) + term : (term - sum) + *total;
    *total = sum;
    *size += fabsl(term);
}

enum status linear_mean_long(const struct matrix *a, const long double *u, long double *v, long double *slack,
                             struct error *error)
{
    size_t d = a->cols;
    long double *lost = calloc(d ? d : 1, sizeof *lost), n = (long double)a->rows;
    if (!lost)
        return error_memory(error, d * sizeof *lost, "the certified optimum");
    for (size_t j = 0; j < d; j++)
        v[j] = slack[j] = 0.0L;
    for (size_t i = 0; i < a->rows; i++) {
        if (u[i] == 0.0L)
            continue;
        if (a->sparse) {
            for (size_t k = a->row[i]; k < a->row[i + 1]; k++) {
                size_t j = a->column[k];
                accumulate(u[i] * a->value[k], &v[j], &lost[j], &slack[j]);
            }
        } else {
            const double *value = a->value + i * a->stride;
            for (size_t j = 0; j < d; j++)
                accumulate(u[i] * value[j], &v[j], &lost[j], &slack[j]);
        }
    }
    /* A product rounds by 2^-64 of itself; what the compensation loses is of second order. */
    for (size_t j = 0; j < d; j++) {
        v[j] = (v[j] + lost[j]) / n;
        slack[j] *= 0x1p-62L / n;
    }
    free(lost);
    return STATUS_OK;
}

bool dense_factor(size_t d, double *h)
{
    gsl_matrix_view view = gsl_matrix_view_array(h, d, d);
    return gsl_linalg_cholesky_decomp1(&view.matrix) == GSL_SUCCESS;
}

void dense_solve(size_t d, const double *factor, double *x)
{
    gsl_matrix_const_view view = gsl_matrix_const_view_array(factor, d, d);
    gsl_vector_view vector = gsl_vector_view_array(x, d);
    gsl_linalg_cholesky_svx(&view.matrix, &vector.vector);
}

double dense_typical(size_t d, const double *h)
{
    double trace = 0.0;
    for (size_t j = 0; j < d; j++)
        trace += h[j * d + j];
    return trace > 0.0 ? trace / (double)d : 1.0;
}

double dense_smallest(size_t d, double *factor, const double *scale)
{
    gsl_matrix_view view = gsl_matrix_view_array(factor, d, d);
    double trace = 0.0;
    gsl_linalg_cholesky_invert(&view.matrix);
    for (size_t j = 0; j < d; j++)
        trace += scale[j] * factor[j * d + j];
    return 0.5 / trace > (double)d * (double)d * 0x1p-52 ? 0.5 / trace : 0.0;
}

enum status null_space_find(const struct matrix *a, const double *weight, struct null_space *out, struct error *error)
{
    size_t d = a->cols;
    enum status status = STATUS_OK;
    *out = (struct null_space){0};
    double *gram = vector_alloc(2 * d * d + d, error);
    if (!gram)
        return STATUS_MEMORY;
    double *vectors = gram + d * d, *values = vectors + d * d;
    linear_gram(a, weight, gram);
    for (size_t j = 0; j < d; j++)
        values[j] = dense_typical(d, gram);
    /* Most data have full rank, which the Cholesky factor shows at a tenth of the cost of the eigenvectors. */
    memcpy(vectors, gram, d * d * sizeof *gram);
    if (dense_factor(d, vectors) && dense_smallest(d, vectors, values) > NULL_TOLERANCE * (double)d)
        goto done;
    gsl_eigen_symmv_workspace *eigen = gsl_eigen_symmv_alloc(d);
    if (!eigen) {
        status = error_memory(error, d * sizeof(double), "eigenvectors");
        goto done;
    }
    gsl_matrix_view matrix = gsl_matrix_view_array(gram, d, d), columns = gsl_matrix_view_array(vectors, d, d);
    gsl_vector_view spectrum = gsl_vector_view_array(values, d);
    gsl_eigen_symmv(&matrix.matrix, &spectrum.vector, &columns.matrix, eigen);
    gsl_eigen_symmv_free(eigen);
    double largest = 0.0;
    for (size_t k = 0; k < d; k++) {
        largest = fmax(largest, values[k]);
        if (!(values[k] == values[k]))
            status = error_set(error, STATUS_NUMERICAL, "the eigenvalues of the data did not converge");
    }
    for (size_t k = 0; k < d; k++)
        out->count += values[k] <= NULL_TOLERANCE * largest;
    if (status != STATUS_OK || out->count == 0)
        goto done;
    if (!(out->basis = vector_alloc(out->count * d, error))) {
        status = STATUS_MEMORY;
        goto done;
    }
    size_t row = 0;
    for (size_t k = 0; k < d; k++) {
        if (values[k] > NULL_TOLERANCE * largest)
            continue;
        for (size_t j = 0; j < d; j++)
            out->basis[row * d + j] = vectors[j * d + k];
        row++;
    }
done:
    free(gram);
    return status;
}

void null_space_fill(const struct null_space *null, size_t d, double weight, double *h)
{
    for (size_t r = 0; r < null->count; r++) {
        const double *basis = null->basis + r * d;
        for (size_t j = 0; j < d; j++)
            for (size_t k = 0; k < d; k++)
                h[j * d + k] += weight * basis[j] * basis[k];
    }
}

void null_space_project(const struct null_space *null, size_t d, double *x)
{
    for (size_t r = 0; r < null->count; r++) {
        const double *basis = null->basis + r * d;
        double component = vector_dot(d, basis, x);
        for (size_t j = 0; j < d; j++)
            x[j] -= component * basis[j];
    }
}
