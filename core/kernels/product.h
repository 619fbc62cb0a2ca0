/* Products of small matrices, one for every lane: C[p][q] (+)= sum over s of A[p][s] B[s][q], terms added in the order
 * of s, each by one fma. The tiles below change speed, never that order, so a lane's bits are those of a naive loop. */
#ifndef SGDLAB_PRODUCT_H
#define SGDLAB_PRODUCT_H

#include "kernels/dense.h"

/* Entry (i, j) stands at v[i * row + j * col]: a vector of lanes, or one number that all lanes share. */
struct factor {
    const double *v;
    size_t row, col;
    bool shared;
};

enum {
    PRODUCT_P = VL == 8 ? 4 : 2, /* rows and columns of C in registers */
    PRODUCT_Q = 4,
    PRODUCT_S = 64, /* terms between two visits to C: their part of B stays in the first-level cache */
    PRODUCT_PANEL = PRODUCT_S * PRODUCT_Q * VL, /* doubles of scratch */
};

/* np rows and nq columns of C, all terms. */
ALWAYS_INLINE void product_tile(const double *a, size_t a_row, size_t a_col, const bool shared, const double *b,
                                size_t b_row, size_t b_col, double *c, size_t c_row, size_t c_col, size_t terms,
                                bool fresh, const int np, const int nq)
{
    vd sum[PRODUCT_P][PRODUCT_Q];
    UNROLL for (int p = 0; p < np; p++) UNROLL for (int q = 0; q < nq; q++) sum[p][q] =
        fresh ? v_set1(0.0) : v_load(c + (size_t)p * c_row + (size_t)q * c_col);
    for (size_t s = 0; s < terms; s++, a += a_col, b += b_row) {
        vd bq[PRODUCT_Q];
        UNROLL for (int q = 0; q < nq; q++) bq[q] = v_load(b + (size_t)q * b_col);
        UNROLL for (int p = 0; p < np; p++)
        {
            const double *at = a + (size_t)p * a_row;
            const vd ap = shared ? v_set1(*at) : v_load(at);
            UNROLL for (int q = 0; q < nq; q++) sum[p][q] = v_fma(ap, bq[q], sum[p][q]);
        }
    }
    UNROLL for (int p = 0; p < np; p++) UNROLL for (int q = 0; q < nq; q++)
        v_store(c + (size_t)p * c_row + (size_t)q * c_col, sum[p][q]);
}

/* Columns q .. q+nq-1 of C. */
ALWAYS_INLINE void product_columns(const struct factor *a, const bool shared, const double *b, size_t b_row,
                                   size_t b_col, double *c, size_t c_row, size_t c_col, size_t rows, size_t terms,
                                   bool fresh, const int nq)
{
    size_t p = 0;
    for (; p + PRODUCT_P <= rows; p += PRODUCT_P)
        product_tile(a->v + p * a->row, a->row, a->col, shared, b, b_row, b_col, c + p * c_row, c_row, c_col, terms,
                     fresh, PRODUCT_P, nq);
    for (; p < rows; p++)
        product_tile(a->v + p * a->row, a->row, a->col, shared, b, b_row, b_col, c + p * c_row, c_row, c_col, terms,
                     fresh, 1, nq);
}

/* The product of one vector of lanes: C is rows x columns, entry (p, q) at c[p * c_row + q * c_col]; fresh: C need not
 * be set, it starts from zero. panel: PRODUCT_PANEL doubles. Entries of B are often far apart in memory, at strides
 * that share few cache sets: columns that serve many rows are copied first. */
static void product_lanes(const struct factor *a, const struct factor *b, double *c, size_t c_row, size_t c_col,
                          size_t rows, size_t columns, size_t terms, bool fresh, double *panel)
{
    if (fresh && terms == 0)
        for (size_t p = 0; p < rows; p++)
            for (size_t q = 0; q < columns; q++)
                v_store(c + p * c_row + q * c_col, v_set1(0.0));
    for (size_t s = 0; s < terms; s += PRODUCT_S) {
        const size_t some = terms - s < PRODUCT_S ? terms - s : PRODUCT_S;
        const struct factor part = {a->v + s * a->col, a->row, a->col, a->shared};
        for (size_t q = 0; q < columns; q += PRODUCT_Q) {
            const size_t nq = columns - q < PRODUCT_Q ? columns - q : PRODUCT_Q;
            const double *from = b->v + s * b->row + q * b->col;
            size_t from_row = b->row, from_col = b->col;
            if (rows >= 2 * PRODUCT_P) {
                for (size_t i = 0; i < some; i++)
                    for (size_t j = 0; j < nq; j++)
                        v_store(panel + (i * PRODUCT_Q + j) * VL, v_load(from + i * from_row + j * from_col));
                from = panel;
                from_row = PRODUCT_Q * VL;
                from_col = VL;
            }
#define COLUMNS(shared, n)                                                                                             \
    product_columns(&part, shared, from, from_row, from_col, c + q * c_col, c_row, c_col, rows, some, fresh && s == 0, \
                    n)
#define EITHER(n) (a->shared ? COLUMNS(true, n) : COLUMNS(false, n))
            if (nq == 4)
                EITHER(4);
            else if (nq == 3)
                EITHER(3);
            else if (nq == 2)
                EITHER(2);
            else
                EITHER(1);
#undef EITHER
#undef COLUMNS
        }
    }
}

/* np rows of C, columns q .. q+nv*VL-1 of one lane. */
ALWAYS_INLINE void product_tile_one(const double *a, size_t a_row, size_t a_col, const double *b, size_t b_row,
                                    double *c, size_t c_row, size_t terms, bool fresh, const int np, const int nv)
{
    vd sum[4][4];
    UNROLL for (int p = 0; p < np; p++) UNROLL for (int v = 0; v < nv; v++) sum[p][v] =
        fresh ? v_set1(0.0) : v_loadu(c + (size_t)p * c_row + v * VL);
    for (size_t s = 0; s < terms; s++, a += a_col, b += b_row) {
        vd bv[4];
        UNROLL for (int v = 0; v < nv; v++) bv[v] = v_loadu(b + v * VL);
        UNROLL for (int p = 0; p < np; p++)
        {
            const vd ap = v_set1(a[(size_t)p * a_row]);
            UNROLL for (int v = 0; v < nv; v++) sum[p][v] = v_fma(ap, bv[v], sum[p][v]);
        }
    }
    UNROLL for (int p = 0; p < np; p++) UNROLL for (int v = 0; v < nv; v++)
        v_storeu(c + (size_t)p * c_row + v * VL, sum[p][v]);
}

/* The product of one lane alone, vectors along the columns, which are contiguous in B and C; a is shared. */
static void product_one(const struct factor *a, const double *b, size_t b_row, double *c, size_t c_row, size_t rows,
                        size_t columns, size_t terms, bool fresh)
{
    size_t q = 0;
#define TILES(nv)                                                                                                      \
    for (; q + (nv)*VL <= columns; q += (nv)*VL) {                                                                     \
        size_t p = 0;                                                                                                  \
        for (; p + 4 <= rows; p += 4)                                                                                  \
            product_tile_one(a->v + p * a->row, a->row, a->col, b + q, b_row, c + p * c_row + q, c_row, terms, fresh,  \
                             4, nv);                                                                                   \
        for (; p < rows; p++)                                                                                          \
            product_tile_one(a->v + p * a->row, a->row, a->col, b + q, b_row, c + p * c_row + q, c_row, terms, fresh,  \
                             1, nv);                                                                                   \
    }
    TILES(VL == 8 ? 4 : 2)
    TILES(1)
#undef TILES
    for (; q < columns; q++)
        for (size_t p = 0; p < rows; p++) {
            double sum = fresh ? 0 : c[p * c_row + q];
            for (size_t s = 0; s < terms; s++)
                sum = s_fma(a->v[p * a->row + s * a->col], b[s * b_row + q], sum);
            c[p * c_row + q] = sum;
        }
}

#endif
