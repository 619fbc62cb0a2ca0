/* Storage of data matrices: allocation, row selection, conversion between dense and CSR. */
#include "data/matrix.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ALIGNMENT = 64 };

static enum status too_large(size_t count, size_t size, const char *what, struct error *error)
{
    return error_set(error, STATUS_MEMORY, "%s: %zu entries of %zu bytes are more than this machine's memory", what,
                     count, size);
}

static enum status zeroed(size_t count, size_t size, const char *what, void **out, struct error *error)
{
    size_t bytes;
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2)
        return too_large(count, size, what, error);
    if (pages > 0 && page > 0 && bytes / (size_t)page > (size_t)pages)
        return too_large(count, size, what, error);
    bytes = (bytes / ALIGNMENT + 1) * ALIGNMENT; /* never zero */
    *out = aligned_alloc(ALIGNMENT, bytes);
    if (!*out)
        return error_memory(error, bytes, what);
    memset(*out, 0, bytes);
    return STATUS_OK;
}

static enum status check_shape(size_t rows, size_t cols, struct error *error)
{
    if (rows > UINT32_MAX || cols > UINT32_MAX)
        return error_set(error, STATUS_UNSUPPORTED, "a matrix of %zu x %zu: rows and columns must be below 2^32", rows,
                         cols);
    return STATUS_OK;
}

enum status matrix_alloc_dense(struct matrix *matrix, size_t rows, size_t cols, struct error *error)
{
    void *value;
    *matrix = (struct matrix){0};
    enum status status = check_shape(rows, cols, error);
    if (status)
        return status;
    size_t count, stride = matrix_stride(cols);
    if (__builtin_mul_overflow(rows, stride, &count))
        count = SIZE_MAX;
    status = zeroed(count, sizeof(double), "a dense matrix", &value, error);
    if (status)
        return status;
    *matrix = (struct matrix){.rows = rows, .cols = cols, .nnz = rows * cols, .value = value, .stride = stride};
    return STATUS_OK;
}

enum status matrix_alloc_sparse(struct matrix *matrix, size_t rows, size_t cols, size_t nnz, struct error *error)
{
    void *value = NULL, *column = NULL, *row = NULL;
    *matrix = (struct matrix){0};
    enum status status = check_shape(rows, cols, error);
    if (!status)
        status = zeroed(nnz, sizeof(double), "the values of a sparse matrix", &value, error);
    if (!status)
        status = zeroed(nnz, sizeof(uint32_t), "the columns of a sparse matrix", &column, error);
    if (!status)
        status = zeroed(rows + 1, sizeof(size_t), "the rows of a sparse matrix", &row, error);
    if (status) {
        free(value);
        free(column);
        return status;
    }
    *matrix = (struct matrix){
        .rows = rows, .cols = cols, .sparse = true, .nnz = nnz, .value = value, .column = column, .row = row};
    return STATUS_OK;
}

void matrix_free(struct matrix *matrix)
{
    if (matrix->map) {
        munmap(matrix->map, matrix->map_size);
    } else {
        free(matrix->value);
        free(matrix->column);
        free(matrix->row);
    }
    *matrix = (struct matrix){0};
}

static inline size_t source_row(const uint32_t *index, size_t i)
{
    return index ? index[i] : i;
}

static enum status gather_dense(const struct matrix *source, const uint32_t *index, size_t count, bool ones,
                                struct matrix *out, struct error *error)
{
    enum status status = matrix_alloc_dense(out, count, source->cols + ones, error);
    if (status)
        return status;
    for (size_t i = 0; i < count; i++) {
        double *to = out->value + i * out->stride;
        memcpy(to, source->value + source_row(index, i) * source->stride, source->cols * sizeof *to);
        if (ones)
            to[source->cols] = 1;
    }
    return STATUS_OK;
}

static enum status gather_sparse(const struct matrix *source, const uint32_t *index, size_t count, bool ones,
                                 struct matrix *out, struct error *error)
{
    size_t nnz = 0;
    for (size_t i = 0; i < count; i++) {
        size_t from = source_row(index, i);
        nnz += source->row[from + 1] - source->row[from] + ones;
    }
    enum status status = matrix_alloc_sparse(out, count, source->cols + ones, nnz, error);
    if (status)
        return status;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        size_t from = source_row(index, i), first = source->row[from], entries = source->row[from + 1] - first;
        memcpy(out->value + at, source->value + first, entries * sizeof *out->value);
        memcpy(out->column + at, source->column + first, entries * sizeof *out->column);
        at += entries;
        if (ones) {
            out->value[at] = 1;
            out->column[at++] = (uint32_t)source->cols;
        }
        out->row[i + 1] = at;
    }
    return STATUS_OK;
}

enum status matrix_gather(const struct matrix *source, const uint32_t *index, size_t count, bool ones,
                          struct matrix *out, struct error *error)
{
    return (source->sparse ? gather_sparse : gather_dense)(source, index, count, ones, out, error);
}

enum status matrix_take_rows(const struct matrix *source, const uint32_t *index, size_t count, struct matrix *out,
                             struct error *error)
{
    return matrix_gather(source, index, count, false, out, error);
}

enum status matrix_to_dense(const struct matrix *source, struct matrix *out, struct error *error)
{
    if (!source->sparse)
        return matrix_gather(source, NULL, source->rows, false, out, error);
    enum status status = matrix_alloc_dense(out, source->rows, source->cols, error);
    if (status)
        return status;
    for (size_t i = 0; i < source->rows; i++)
        for (size_t k = source->row[i]; k < source->row[i + 1]; k++)
            out->value[i * out->stride + source->column[k]] = source->value[k];
    return STATUS_OK;
}

enum status matrix_to_sparse(const struct matrix *source, struct matrix *out, struct error *error)
{
    if (source->sparse)
        return matrix_gather(source, NULL, source->rows, false, out, error);
    size_t nnz = 0;
    for (size_t i = 0; i < source->rows; i++)
        for (size_t j = 0; j < source->cols; j++)
            nnz += source->value[i * source->stride + j] != 0;
    enum status status = matrix_alloc_sparse(out, source->rows, source->cols, nnz, error);
    if (status)
        return status;
    size_t at = 0;
    for (size_t i = 0; i < source->rows; i++) {
        for (size_t j = 0; j < source->cols; j++) {
            double value = source->value[i * source->stride + j];
            if (value != 0) {
                out->value[at] = value;
                out->column[at++] = (uint32_t)j;
            }
        }
        out->row[i + 1] = at;
    }
    return STATUS_OK;
}

double matrix_row_dot(const struct matrix *matrix, size_t i, const double *x)
{
    double sum = 0;
    if (matrix->sparse) {
        for (size_t k = matrix->row[i]; k < matrix->row[i + 1]; k++)
            sum += matrix->value[k] * x[matrix->column[k]];
    } else {
        const double *value = matrix->value + i * matrix->stride;
        for (size_t j = 0; j < matrix->cols; j++)
            sum += value[j] * x[j];
    }
    return sum;
}

void matrix_row_axpy(const struct matrix *matrix, size_t i, double alpha, double *y)
{
    if (matrix->sparse) {
        for (size_t k = matrix->row[i]; k < matrix->row[i + 1]; k++)
            y[matrix->column[k]] += alpha * matrix->value[k];
    } else {
        const double *value = matrix->value + i * matrix->stride;
        for (size_t j = 0; j < matrix->cols; j++)
            y[j] += alpha * value[j];
    }
}
