/* The CSR kernels as inline functions. A stored entry touches `width` neighbouring numbers of x: one cache line serves
 * eight lanes. Canonical order: stored entry number p of a row goes to partial sum p mod 4, combined (0+2)+(1+3). */
#ifndef SGDLAB_SPARSE_H
#define SGDLAB_SPARSE_H

#include "data/matrix.h"
#include "kernels/dense.h"

ALWAYS_INLINE void sparse_forward_1(const double *value, const uint32_t *column, size_t count, const double *x,
                                    size_t width, double *z, const int nv)
{
    vd sum[4][NV_MAX];
    UNROLL for (int c = 0; c < 4; c++) UNROLL for (int v = 0; v < nv; v++) sum[c][v] = v_set1(0.0);
    size_t p = 0;
    for (; p + 4 <= count; p += 4)
        UNROLL for (int c = 0; c < 4; c++)
        {
            vd a = v_set1(value[p + (size_t)c]);
            const double *xj = x + column[p + (size_t)c] * width;
            UNROLL for (int v = 0; v < nv; v++) sum[c][v] = v_fma(a, v_load(xj + v * VL), sum[c][v]);
        }
    UNROLL for (int c = 0; c < 3; c++) if (p + (size_t)c < count)
    {
        vd a = v_set1(value[p + (size_t)c]);
        const double *xj = x + column[p + (size_t)c] * width;
        UNROLL for (int v = 0; v < nv; v++) sum[c][v] = v_fma(a, v_load(xj + v * VL), sum[c][v]);
    }
    UNROLL for (int v = 0; v < nv; v++)
        v_store(z + v * VL, v_add(v_add(sum[0][v], sum[2][v]), v_add(sum[1][v], sum[3][v])));
}

ALWAYS_INLINE double sparse_dot_1(const double *value, const uint32_t *column, size_t count, const double *x)
{
    double sum[4] = {0, 0, 0, 0};
    size_t p = 0;
    for (; p + 4 <= count; p += 4)
        UNROLL for (size_t c = 0; c < 4; c++) sum[c] = s_fma(value[p + c], x[column[p + c]], sum[c]);
    for (size_t c = 0; p + c < count; c++)
        sum[c] = s_fma(value[p + c], x[column[p + c]], sum[c]);
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

/* x[column][lanes] += value z for every stored entry. */
ALWAYS_INLINE void sparse_backward_1(const double *value, const uint32_t *column, size_t count, const double *z,
                                     size_t width, double *x, const int nv)
{
    vd zv[NV_MAX];
    UNROLL for (int v = 0; v < nv; v++) zv[v] = v_load(z + v * VL);
    for (size_t p = 0; p < count; p++) {
        vd a = v_set1(value[p]);
        double *xj = x + column[p] * width;
        UNROLL for (int v = 0; v < nv; v++) v_store(xj + v * VL, v_fma(a, zv[v], v_load(xj + v * VL)));
    }
}

/* sum[lanes] += (scale x)^2 for one coordinate; scale NULL: 1. */
ALWAYS_INLINE void sparse_add_square(const double *x, const double *scale, size_t width, double *sum)
{
    for (size_t k = 0; k < width; k += VL) {
        vd v = v_load(x + k);
        if (scale)
            v = v_mul(v, v_load(scale + k));
        v_store(sum + k, v_fma(v, v, v_load(sum + k)));
    }
}

/* norm2[lanes] = the largest of the batch's rows' sums of x^2 over their own coordinates; the first `penalized` ones
 * are scale x (NULL: x). sum: scratch [lanes]. */
static inline void sparse_touched_norm2(const struct matrix *a, const uint32_t *batch, size_t rows, const double *x,
                                        size_t width, size_t penalized, const double *scale, double *sum, double *norm2)
{
    memset(norm2, 0, width * sizeof *norm2);
    for (size_t r = 0; r < rows; r++) {
        memset(sum, 0, width * sizeof *sum);
        for (size_t p = a->row[batch[r]]; p < a->row[batch[r] + 1]; p++)
            sparse_add_square(x + a->column[p] * width, a->column[p] < penalized ? scale : NULL, width, sum);
        for (size_t k = 0; k < width; k++)
            if (!(sum[k] <= norm2[k]) && !isnan(norm2[k])) /* NaN comes in and stays */
                norm2[k] = sum[k];
    }
}

#endif
