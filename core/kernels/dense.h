/* The dense gradient kernels as inline functions on register tiles: shared by forward/backward passes (passes.c) and by
 * the fused steps of the update rules (update_loops.h). Canonical order, which every path keeps: a dot product sums
 * feature j into partial sum j mod 4 and combines (0+2)+(1+3); a batch gradient adds samples in draw order, starting
 * from zero. */
#ifndef SGDLAB_DENSE_H
#define SGDLAB_DENSE_H

#include <stddef.h>

#include "kernels/simd.h"

/* Short loops over the registers of a tile; left as loops where sanitizers would check every copy. */
#ifdef SGDLAB_SANITIZED
#define UNROLL
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

/* Calls `call` (an expression of k and nv) over lanes 0..width-1 in tiles of nv vectors; width is a multiple of 8. Wide
 * tiles hide the latency of FMA chains; AVX2 has half the registers and so gets narrow tiles. nv is a constant in each
 * expansion. */
#define FOR_LANE_TILES(width, call)                                                                                    \
    do {                                                                                                               \
        size_t k = 0;                                                                                                  \
        if (VL == 8) {                                                                                                 \
            for (; k + 32 <= (width); k += 32) {                                                                       \
                enum { nv = VL == 8 ? 4 : 1 };                                                                         \
                call;                                                                                                  \
            }                                                                                                          \
            for (; k + 16 <= (width); k += 16) {                                                                       \
                enum { nv = VL == 8 ? 2 : 1 };                                                                         \
                call;                                                                                                  \
            }                                                                                                          \
        }                                                                                                              \
        for (; k < (width); k += 8) {                                                                                  \
            enum { nv = 8 / VL };                                                                                      \
            call;                                                                                                      \
        }                                                                                                              \
    } while (0)

enum { NV_MAX = VL == 1 ? 8 : 4 };

/* z[nv*VL] = row . x for one sample; x points at lane k of coordinate 0. */
ALWAYS_INLINE void dense_forward_1(const double *row, size_t d, const double *x, size_t width, double *z, const int nv)
{
    vd sum[4][NV_MAX];
    UNROLL for (int c = 0; c < 4; c++) UNROLL for (int v = 0; v < nv; v++) sum[c][v] = v_set1(0.0);
    size_t j = 0;
    for (; j + 4 <= d; j += 4)
        UNROLL for (int c = 0; c < 4; c++)
        {
            vd a = v_set1(row[j + (size_t)c]);
            const double *xj = x + (j + (size_t)c) * width;
            UNROLL for (int v = 0; v < nv; v++) sum[c][v] = v_fma(a, v_load(xj + v * VL), sum[c][v]);
        }
    UNROLL for (int c = 0; c < 3; c++) if (j + (size_t)c < d)
    {
        vd a = v_set1(row[j + (size_t)c]);
        const double *xj = x + (j + (size_t)c) * width;
        UNROLL for (int v = 0; v < nv; v++) sum[c][v] = v_fma(a, v_load(xj + v * VL), sum[c][v]);
    }
    UNROLL for (int v = 0; v < nv; v++)
        v_store(z + v * VL, v_add(v_add(sum[0][v], sum[2][v]), v_add(sum[1][v], sum[3][v])));
}

/* Four samples at once, one partial sum after the other, so that four times nv accumulators fill the registers and each
 * load of x serves four samples: z[r*width] for r = 0..3. */
ALWAYS_INLINE void dense_forward_4(const double *const row[4], size_t d, const double *x, size_t width, double *z,
                                   const int nv)
{
    vd part[4][4][NV_MAX]; /* [chain][sample] */
    for (size_t c = 0; c < 4; c++) {
        vd sum[4][NV_MAX];
        UNROLL for (int r = 0; r < 4; r++) UNROLL for (int v = 0; v < nv; v++) sum[r][v] = v_set1(0.0);
        for (size_t j = c; j < d; j += 4) {
            vd xj[NV_MAX];
            UNROLL for (int v = 0; v < nv; v++) xj[v] = v_load(x + j * width + v * VL);
            UNROLL for (int r = 0; r < 4; r++)
            {
                vd a = v_set1(row[r][j]);
                UNROLL for (int v = 0; v < nv; v++) sum[r][v] = v_fma(a, xj[v], sum[r][v]);
            }
        }
        UNROLL for (int r = 0; r < 4; r++) UNROLL for (int v = 0; v < nv; v++) part[c][r][v] = sum[r][v];
    }
    for (size_t r = 0; r < 4; r++)
        for (int v = 0; v < nv; v++)
            v_store(z + r * width + v * VL,
                    v_add(v_add(part[0][r][v], part[2][r][v]), v_add(part[1][r][v], part[3][r][v])));
}

/* sum[c][v] += sum over rows of row[r][c] z[r][lane] for nc = 1 or 4 neighbouring features. */
ALWAYS_INLINE void dense_backward_tile(const double *const *row, size_t rows, size_t j, const double *z, size_t width,
                                       vd sum[4][NV_MAX], const int nc, const int nv)
{
    for (size_t r = 0; r < rows; r++) {
        vd zr[NV_MAX];
        UNROLL for (int v = 0; v < nv; v++) zr[v] = v_load(z + r * width + v * VL);
        UNROLL for (int c = 0; c < nc; c++)
        {
            vd a = v_set1(row[r][j + (size_t)c]);
            UNROLL for (int v = 0; v < nv; v++) sum[c][v] = v_fma(a, zr[v], sum[c][v]);
        }
    }
}

/* One lane: the four partial sums are the four entries of a vector. */
ALWAYS_INLINE double dense_dot_1(const double *row, const double *x, size_t d)
{
    double sum[4] = {0, 0, 0, 0};
    size_t j = 0;
#if defined(__AVX2__)
    __m256d s = _mm256_setzero_pd();
    for (; j + 4 <= d; j += 4)
        s = _mm256_fmadd_pd(_mm256_loadu_pd(row + j), _mm256_loadu_pd(x + j), s);
    _mm256_storeu_pd(sum, s);
#else
    for (; j + 4 <= d; j += 4)
        for (size_t c = 0; c < 4; c++)
            sum[c] = s_fma(row[j + c], x[j + c], sum[c]);
#endif
    for (size_t c = 0; j + c < d; c++)
        sum[c] = s_fma(row[j + c], x[j + c], sum[c]);
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

#endif
