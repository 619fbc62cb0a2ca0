/* A data matrix, dense or CSR, behind one struct. Read-only once built; shared by all threads. */
#ifndef SGDLAB_MATRIX_H
#define SGDLAB_MATRIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct matrix {
    size_t rows, cols; /* both < 2^32 */
    bool sparse;
    size_t nnz;       /* stored entries (dense: rows * cols) */
    double *value;    /* dense: row i starts at value + i * stride; CSR: the stored entries, row after row */
    size_t stride;    /* dense: doubles from one row to the next, a multiple of 8; the padding is zero; 0 when sparse */
    uint32_t *column; /* CSR: 0-based column of each entry, increasing within a row; NULL when dense */
    size_t *row;      /* CSR: entries of row i are row[i] .. row[i+1]-1; rows + 1 of them; NULL when dense */
    void *map;        /* not NULL: the arrays lie in a mapped file, unmapped by matrix_free */
    size_t map_size;
};

/* Stride of a dense matrix: whole cache lines a row, so that vector kernels may read the zero padding behind the last
 * column. */
static inline size_t matrix_stride(size_t cols)
{
    return (cols + 7) / 8 * 8;
}

/* Zeroed storage, 64-byte aligned. STATUS_MEMORY also when one array is larger than this machine's memory, so that an
 * absurd shape is an error and not an out-of-memory kill. cols and rows of a sparse matrix may be lowered after the
 * fact. */
enum status matrix_alloc_dense(struct matrix *matrix, size_t rows, size_t cols, struct error *error);
enum status matrix_alloc_sparse(struct matrix *matrix, size_t rows, size_t cols, size_t nnz, struct error *error);
/* Any state that alloc can leave behind, also all-zero. */
void matrix_free(struct matrix *matrix);

/* The rows index[0..count-1] of source, in that order, as a new matrix of the same layout. */
enum status matrix_take_rows(const struct matrix *source, const uint32_t *index, size_t count, struct matrix *out,
                             struct error *error);
/* The same with a column of ones appended when ones is true (CSR: an explicit last entry of each row). index NULL: the
 * first count rows. */
enum status matrix_gather(const struct matrix *source, const uint32_t *index, size_t count, bool ones,
                          struct matrix *out, struct error *error);
/* The same numbers in the other layout; zeros are not stored in the sparse one. */
enum status matrix_to_dense(const struct matrix *source, struct matrix *out, struct error *error);
enum status matrix_to_sparse(const struct matrix *source, struct matrix *out, struct error *error);

/* The stored entries of row i, and how many: value[p] in column column[p], or in column p when column is NULL. */
static inline size_t matrix_row(const struct matrix *matrix, size_t i, const double **value, const uint32_t **column)
{
    const size_t start = matrix->sparse ? matrix->row[i] : i * matrix->stride;
    *value = matrix->value + start;
    *column = matrix->sparse ? matrix->column + start : NULL;
    return matrix->sparse ? matrix->row[i + 1] - start : matrix->cols;
}

/* Dot product of row i with x[cols]; in the canonical order of the kernels it is not: for checks and set-up only. */
double matrix_row_dot(const struct matrix *matrix, size_t i, const double *x);
/* y[cols] += alpha * row i. */
void matrix_row_axpy(const struct matrix *matrix, size_t i, double alpha, double *y);

#endif
