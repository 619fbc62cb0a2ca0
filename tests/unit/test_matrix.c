/* Dense and CSR matrices: the same numbers in both layouts, row selection, shapes that must be refused. */
#include <criterion/criterion.h>
#include <string.h>

#include "data/matrix.h"
#include "rng.h"

static struct error error;

/* rows x cols with about a third of the entries, from whole numbers so that sums are exact. */
static struct matrix sample_matrix(size_t rows, size_t cols)
{
    struct matrix matrix;
    uint64_t word[1000];
    struct rng_stream stream = rng_stream(7, RNG_TEST, 0, 0);
    cr_assert(rows * cols <= 1000);
    rng_words(&stream, 0, rows * cols, word);
    cr_assert(matrix_alloc_dense(&matrix, rows, cols, &error) == STATUS_OK);
    for (size_t k = 0; k < rows * cols; k++)
        matrix.value[k / cols * matrix.stride + k % cols] = word[k] % 3 == 0 ? (double)(word[k] >> 40) : 0;
    return matrix;
}

static double entry(const struct matrix *matrix, size_t i, size_t j)
{
    if (!matrix->sparse)
        return matrix->value[i * matrix->stride + j];
    for (size_t k = matrix->row[i]; k < matrix->row[i + 1]; k++)
        if (matrix->column[k] == j)
            return matrix->value[k];
    return 0;
}

static void expect_same(const struct matrix *a, const struct matrix *b)
{
    cr_assert(a->rows == b->rows && a->cols == b->cols);
    for (size_t i = 0; i < a->rows; i++)
        for (size_t j = 0; j < a->cols; j++)
            cr_assert(entry(a, i, j) == entry(b, i, j), "row %zu, column %zu", i, j);
}

Test(matrix, storage_is_zeroed_and_aligned)
{
    struct matrix dense, sparse;
    cr_assert(matrix_alloc_dense(&dense, 3, 5, &error) == STATUS_OK);
    cr_assert(matrix_alloc_sparse(&sparse, 3, 5, 4, &error) == STATUS_OK);
    cr_expect((uintptr_t)dense.value % 64 == 0);
    cr_expect((uintptr_t)sparse.value % 64 == 0 && (uintptr_t)sparse.column % 64 == 0 &&
              (uintptr_t)sparse.row % 64 == 0);
    for (size_t k = 0; k < 24; k++) /* the padding too */
        cr_expect(dense.value[k] == 0);
    for (size_t i = 0; i <= 3; i++)
        cr_expect(sparse.row[i] == 0);
    cr_expect(dense.nnz == 15 && dense.stride == 8 && sparse.nnz == 4 && sparse.stride == 0);
    matrix_free(&dense);
    matrix_free(&sparse);
    matrix_free(&dense); /* twice is fine */
    cr_expect(dense.value == NULL && dense.rows == 0);
}

Test(matrix, round_trip_between_layouts)
{
    struct matrix dense = sample_matrix(20, 30), sparse, again, copy;
    size_t nonzero = 0;
    for (size_t k = 0; k < 600; k++)
        nonzero += entry(&dense, k / 30, k % 30) != 0;
    cr_assert(nonzero > 100 && nonzero < 300);
    cr_assert(matrix_to_sparse(&dense, &sparse, &error) == STATUS_OK);
    cr_assert(sparse.sparse && !dense.sparse);
    cr_expect(sparse.nnz == nonzero);
    expect_same(&dense, &sparse);
    for (size_t i = 0; i < 20; i++)
        for (size_t k = sparse.row[i] + 1; k < sparse.row[i + 1]; k++)
            cr_expect(sparse.column[k - 1] < sparse.column[k]);
    cr_assert(matrix_to_dense(&sparse, &again, &error) == STATUS_OK);
    expect_same(&dense, &again);
    cr_assert(matrix_to_sparse(&sparse, &copy, &error) == STATUS_OK);
    cr_expect(copy.value != sparse.value);
    expect_same(&sparse, &copy);
    matrix_free(&dense);
    matrix_free(&sparse);
    matrix_free(&again);
    matrix_free(&copy);
}

Test(matrix, dot_and_axpy_agree_with_the_definition)
{
    struct matrix layout[2] = {sample_matrix(7, 11)};
    double x[11], y[11], expected[11];
    cr_assert(matrix_to_sparse(&layout[0], &layout[1], &error) == STATUS_OK);
    for (size_t j = 0; j < 11; j++)
        x[j] = (double)j - 4;
    for (int which = 0; which < 2; which++) {
        for (size_t i = 0; i < 7; i++) {
            double sum = 0;
            for (size_t j = 0; j < 11; j++) {
                sum += entry(&layout[0], i, j) * x[j];
                y[j] = (double)j;
                expected[j] = (double)j + 3 * entry(&layout[0], i, j);
            }
            matrix_row_axpy(&layout[which], i, 3, y);
            cr_expect(matrix_row_dot(&layout[which], i, x) == sum);
            cr_expect(!memcmp(y, expected, sizeof y));
        }
    }
    matrix_free(&layout[0]);
    matrix_free(&layout[1]);
}

Test(matrix, rows_are_taken_in_the_order_asked)
{
    static const uint32_t index[] = {4, 0, 4, 6};
    struct matrix source[2] = {sample_matrix(7, 11)}, taken, ones;
    cr_assert(matrix_to_sparse(&source[0], &source[1], &error) == STATUS_OK);
    for (int which = 0; which < 2; which++) {
        cr_assert(matrix_take_rows(&source[which], index, 4, &taken, &error) == STATUS_OK);
        cr_assert(matrix_gather(&source[which], index, 4, true, &ones, &error) == STATUS_OK);
        cr_expect(taken.sparse == source[which].sparse && ones.sparse == source[which].sparse);
        cr_assert(taken.rows == 4 && taken.cols == 11 && ones.cols == 12);
        for (size_t i = 0; i < 4; i++) {
            for (size_t j = 0; j < 11; j++) {
                cr_expect(entry(&taken, i, j) == entry(&source[0], index[i], j));
                cr_expect(entry(&ones, i, j) == entry(&source[0], index[i], j));
            }
            cr_expect(entry(&ones, i, 11) == 1);
        }
        cr_expect(ones.nnz == taken.nnz + 4);
        matrix_free(&taken);
        matrix_free(&ones);
    }
    cr_assert(matrix_take_rows(&source[1], index, 0, &taken, &error) == STATUS_OK);
    cr_expect(taken.rows == 0 && taken.nnz == 0);
    matrix_free(&taken);
    matrix_free(&source[0]);
    matrix_free(&source[1]);
}

Test(matrix, absurd_shapes_are_errors)
{
    struct matrix matrix, wide, dense;
    cr_expect(matrix_alloc_dense(&matrix, 1000000000, 4000000000, &error) == STATUS_MEMORY);
    cr_expect(matrix.value == NULL);
    cr_expect(matrix_alloc_dense(&matrix, SIZE_MAX, 2, &error) == STATUS_UNSUPPORTED);
    cr_expect(matrix_alloc_sparse(&matrix, 1, (size_t)1 << 32, 1, &error) == STATUS_UNSUPPORTED);
    cr_expect(matrix_alloc_sparse(&matrix, 1, 1, SIZE_MAX / 4, &error) == STATUS_MEMORY);
    cr_expect(matrix.value == NULL && matrix.row == NULL);
    /* A tiny sparse matrix whose dense form is huge. */
    cr_assert(matrix_alloc_sparse(&wide, 1000, 4294967294, 1, &error) == STATUS_OK);
    cr_expect(matrix_to_dense(&wide, &dense, &error) == STATUS_MEMORY);
    cr_expect(strstr(error.message, "memory") != NULL);
    matrix_free(&wide);
}
