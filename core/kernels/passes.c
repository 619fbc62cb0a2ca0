/* Passes over many rows at a frozen iterate, the few whole-vector operations of a block, and the table of this object's
 * kernels. */
#include "kernels/dense.h"
#include "kernels/isa.h"
#include "kernels/sparse.h"
#include "kernels/update.h"

static inline size_t row_at(const uint32_t *index, size_t first, size_t r)
{
    return index ? index[r] : first + r;
}

static void forward(const struct matrix *a, const uint32_t *index, size_t first, size_t rows, const double *x,
                    size_t width, double *z)
{
    if (a->sparse) {
        for (size_t r = 0; r < rows; r++) {
            size_t i = row_at(index, first, r), start = a->row[i], count = a->row[i + 1] - start;
            const double *value = a->value + start;
            const uint32_t *column = a->column + start;
            if (width == 1)
                z[r] = sparse_dot_1(value, column, count, x);
            else
                FOR_LANE_TILES(width, sparse_forward_1(value, column, count, x + k, width, z + r * width + k, nv));
        }
        return;
    }
    if (width == 1) {
        for (size_t r = 0; r < rows; r++)
            z[r] = dense_dot_1(a->value + row_at(index, first, r) * a->stride, x, a->cols);
        return;
    }
    size_t r = 0;
    for (; r + 4 <= rows; r += 4) {
        const double *row[4];
        for (size_t q = 0; q < 4; q++)
            row[q] = a->value + row_at(index, first, r + q) * a->stride;
        FOR_LANE_TILES(width, dense_forward_4(row, a->cols, x + k, width, z + r * width + k, nv));
    }
    for (; r < rows; r++) {
        const double *row = a->value + row_at(index, first, r) * a->stride;
        FOR_LANE_TILES(width, dense_forward_1(row, a->cols, x + k, width, z + r * width + k, nv));
    }
}

ALWAYS_INLINE void backward_lanes(const double *const *row, size_t rows, size_t d, const double *z, size_t width,
                                  double *gradient, const int nv)
{
    size_t j = 0;
    for (; j + 4 <= d; j += 4) {
        vd sum[4][NV_MAX];
        UNROLL for (int c = 0; c < 4; c++) UNROLL for (int v = 0; v < nv; v++) sum[c][v] =
            v_load(gradient + (j + (size_t)c) * width + v * VL);
        dense_backward_tile(row, rows, j, z, width, sum, 4, nv);
        UNROLL for (int c = 0; c < 4; c++) UNROLL for (int v = 0; v < nv; v++)
            v_store(gradient + (j + (size_t)c) * width + v * VL, sum[c][v]);
    }
    for (; j < d; j++) {
        vd sum[4][NV_MAX];
        UNROLL for (int v = 0; v < nv; v++) sum[0][v] = v_load(gradient + j * width + v * VL);
        dense_backward_tile(row, rows, j, z, width, sum, 1, nv);
        UNROLL for (int v = 0; v < nv; v++) v_store(gradient + j * width + v * VL, sum[0][v]);
    }
}

static void backward(const struct matrix *a, const uint32_t *index, size_t first, size_t rows, const double *z,
                     size_t width, double *gradient)
{
    if (a->sparse) {
        for (size_t r = 0; r < rows; r++) {
            size_t i = row_at(index, first, r), start = a->row[i], count = a->row[i + 1] - start;
            const double *value = a->value + start;
            const uint32_t *column = a->column + start;
            if (width == 1)
                for (size_t p = 0; p < count; p++)
                    gradient[column[p]] = s_fma(value[p], z[r], gradient[column[p]]);
            else
                FOR_LANE_TILES(width,
                               sparse_backward_1(value, column, count, z + r * width + k, width, gradient + k, nv));
        }
        return;
    }
    for (size_t done = 0; done < rows; done += FULL_PASS_ROWS) {
        size_t count = rows - done < FULL_PASS_ROWS ? rows - done : FULL_PASS_ROWS;
        const double *row[FULL_PASS_ROWS];
        for (size_t r = 0; r < count; r++)
            row[r] = a->value + row_at(index, first, done + r) * a->stride;
        if (width == 1) {
            /* Entry by entry over features; rows are padded with zeros to whole vectors, and so is the gradient. */
            for (size_t j = 0; j < a->cols; j += VL) {
                vd sum = v_load(gradient + j);
                for (size_t r = 0; r < count; r++)
                    sum = v_fma(v_load(row[r] + j), v_set1(z[done + r]), sum);
                v_store(gradient + j, sum);
            }
            continue;
        }
        FOR_LANE_TILES(width, backward_lanes(row, count, a->cols, z + done * width + k, width, gradient + k, nv));
    }
}

static void full_loss(const struct matrix *a, const double *y, const struct vector_loss *loss, const double *x,
                      size_t width, double *scratch, double *sum, double *correct)
{
    /* Sums of 64 rows first, then the sum of those: the rounding error grows with n/64 + 64 instead of n. */
    double part[64] __attribute__((aligned(64))), padded_y[FULL_PASS_ROWS] __attribute__((aligned(64)));
    for (size_t k = 0; k < width; k++) {
        sum[k] = 0;
        if (correct)
            correct[k] = 0;
    }
    for (size_t first = 0; first < a->rows; first += FULL_PASS_ROWS) {
        size_t rows = a->rows - first < FULL_PASS_ROWS ? a->rows - first : FULL_PASS_ROWS;
        forward(a, NULL, first, rows, x, width, scratch);
        if (correct)
            for (size_t r = 0; r < rows; r++)
                for (size_t k = 0; k < width; k++)
                    correct[k] += scratch[r * width + k] * y[first + r] > 0 ? 1.0 : 0.0;
        for (size_t k = 0; k < width; k++)
            part[k] = 0;
        if (width == 1) {
            memset(padded_y, 0, sizeof padded_y);
            memcpy(padded_y, y + first, rows * sizeof *y);
            loss->value_each((rows + 7) / 8 * 8, padded_y, scratch);
            for (size_t r = 0; r < rows; r++)
                part[0] += scratch[r];
        } else {
            loss->value(rows, width, y + first, scratch, part);
        }
        for (size_t k = 0; k < width; k++)
            sum[k] += part[k];
    }
}

static void full_gradient(const struct matrix *a, const double *y, const struct vector_loss *loss, const double *x,
                          size_t width, double *scratch, double *gradient)
{
    double padded_y[FULL_PASS_ROWS] __attribute__((aligned(64)));
    memset(gradient, 0, (width == 1 ? (a->cols + 7) / 8 * 8 : a->cols * width) * sizeof *gradient);
    for (size_t first = 0; first < a->rows; first += FULL_PASS_ROWS) {
        size_t rows = a->rows - first < FULL_PASS_ROWS ? a->rows - first : FULL_PASS_ROWS;
        forward(a, NULL, first, rows, x, width, scratch);
        if (width == 1) {
            memset(padded_y, 0, sizeof padded_y);
            memcpy(padded_y, y + first, rows * sizeof *y);
            loss->slope_each((rows + 7) / 8 * 8, padded_y, scratch);
        } else {
            loss->slope(rows, width, y + first, scratch);
        }
        backward(a, NULL, first, rows, scratch, width, gradient);
    }
}

static void norm2(const double *x, size_t d, size_t width, double *result)
{
    /* Four partial sums as in the dot product, so that one lane alone does not wait for every addition. */
    if (width == 1) {
        result[0] = dense_dot_1(x, x, d);
        return;
    }
    for (size_t k = 0; k < width; k += VL) {
        vd sum[4] = {v_set1(0.0), v_set1(0.0), v_set1(0.0), v_set1(0.0)};
        for (size_t j = 0; j < d; j += 4)
            UNROLL for (size_t c = 0; c < 4; c++) if (j + c < d)
            {
                vd a = v_load(x + (j + c) * width + k);
                sum[c] = v_fma(a, a, sum[c]);
            }
        v_store(result + k, v_add(v_add(sum[0], sum[2]), v_add(sum[1], sum[3])));
    }
}

static void gram(const struct matrix *a, double *h, size_t stride)
{
    memset(h, 0, a->cols * stride * sizeof *h);
    for (size_t i = 0; i < a->rows; i++) {
        const double *row = a->value + i * a->stride;
        for (size_t j = 0; j < a->cols; j++) {
            vd aij = v_set1(row[j]);
            for (size_t k = 0; k < stride; k += VL)
                v_store(h + j * stride + k, v_fma(aij, v_load(row + k), v_load(h + j * stride + k)));
        }
    }
    for (size_t j = 0; j < a->cols * stride; j++)
        h[j] /= (double)a->rows;
}

/* Takes coordinate i of He, He_i = product, into the two sums. */
ALWAYS_INLINE void quadratic_add(vd e, vd product, const double *l2, bool penalized, vd *form, vd *grad2)
{
    const vd g = penalized ? v_fma(v_load(l2), e, product) : product;
    *form = v_fma(e, g, *form);
    *grad2 = v_fma(g, g, *grad2);
}

/* One tile of lanes, four coordinates of He at a time; each is summed over j in order. */
ALWAYS_INLINE void quadratic_lanes(const double *h, size_t stride, size_t d, size_t penalized, const double *l2,
                                   const double *e, size_t width, double *form, double *grad2, const int nv)
{
    enum { ROWS = 4 };
    vd sum_form[NV_MAX], sum_grad2[NV_MAX];
    UNROLL for (int v = 0; v < nv; v++) sum_form[v] = sum_grad2[v] = v_set1(0.0);
    for (size_t i = 0; i < d; i += ROWS) { /* rows beyond d are zero */
        vd product[ROWS][NV_MAX];
        UNROLL for (int q = 0; q < ROWS; q++) UNROLL for (int v = 0; v < nv; v++) product[q][v] = v_set1(0.0);
        for (size_t j = 0; j < d; j++) {
            vd ej[NV_MAX];
            UNROLL for (int v = 0; v < nv; v++) ej[v] = v_load(e + j * width + v * VL);
            UNROLL for (int q = 0; q < ROWS; q++)
            {
                const vd hij = v_set1(h[j * stride + i + (size_t)q]);
                UNROLL for (int v = 0; v < nv; v++) product[q][v] = v_fma(hij, ej[v], product[q][v]);
            }
        }
        UNROLL for (int q = 0; q < ROWS; q++) if (i + (size_t)q < d) UNROLL for (int v = 0; v < nv; v++)
            quadratic_add(v_load(e + (i + (size_t)q) * width + v * VL), product[q][v], l2 + v * VL,
                          i + (size_t)q < penalized, &sum_form[v], &sum_grad2[v]);
    }
    UNROLL for (int v = 0; v < nv; v++)
    {
        v_store(form + v * VL, sum_form[v]);
        v_store(grad2 + v * VL, sum_grad2[v]);
    }
}

/* One lane: as many coordinates of He at a time as a vector has. */
static void quadratic_one(const double *h, size_t stride, size_t d, size_t penalized, double l2, const double *e,
                          double *form, double *grad2)
{
    *form = *grad2 = 0;
    for (size_t i = 0; i < d; i += VL) {
        double product[VL] __attribute__((aligned(64)));
        vd sum = v_set1(0.0);
        for (size_t j = 0; j < d; j++)
            sum = v_fma(v_load(h + j * stride + i), v_set1(e[j]), sum);
        v_store(product, sum);
        for (size_t q = 0; q < VL && i + q < d; q++) {
            const double g = i + q < penalized ? s_fma(l2, e[i + q], product[q]) : product[q];
            *form = s_fma(e[i + q], g, *form);
            *grad2 = s_fma(g, g, *grad2);
        }
    }
}

static void quadratic(const double *h, size_t stride, size_t d, size_t penalized, const double *l2,
                      const double *optimum, const double *x, size_t width, double *scratch, double *form,
                      double *grad2)
{
    for (size_t j = 0; j < d * width; j++)
        scratch[j] = x[j] - optimum[j];
    if (width == 1)
        quadratic_one(h, stride, d, penalized, l2[0], scratch, form, grad2);
    else
        FOR_LANE_TILES(width,
                       quadratic_lanes(h, stride, d, penalized, l2 + k, scratch + k, width, form + k, grad2 + k, nv));
}

static void average(double c, const double *x, size_t d, size_t width, double *mean)
{
    vd gain = v_set1(c);
    size_t count = d * width, whole = count / VL * VL;
    for (size_t i = 0; i < whole; i += VL) {
        vd m = v_load(mean + i);
        v_store(mean + i, v_fma(gain, v_sub(v_load(x + i), m), m));
    }
    for (size_t i = whole; i < count; i++)
        mean[i] = s_fma(c, x[i] - mean[i], mean[i]);
}

static void rates(size_t count, size_t width, const double *floor, const double *span, const double *shape,
                  const double *warmup, double *eta)
{
    for (size_t s = 0; s < count; s++)
        for (size_t k = 0; k < width; k++)
            eta[s * width + k] = (floor[k] + span[k] * shape[s]) * warmup[s];
}

static void scale(const double *factor, size_t d, size_t width, double *x)
{
    for (size_t j = 0; j < d; j++)
        for (size_t k = 0; k < width; k++)
            x[j * width + k] *= factor[k];
}

#define PROBLEM(name) extern const struct problem_type PER_ISA(problem_##name);
#define UPDATE(name)  extern const struct update_type PER_ISA(update_##name);
#include "registry_list.h"
#undef PROBLEM
#undef UPDATE

static const struct problem_type *const problems[] = {
#define PROBLEM(name) &PER_ISA(problem_##name),
#include "registry_list.h"
#undef PROBLEM
};
static const struct update_type *const updates[] = {
#define UPDATE(name) &PER_ISA(update_##name),
#include "registry_list.h"
#undef UPDATE
};

#define STRING2(x) #x
#define STRING(x)  STRING2(x)

const struct kernel_set PER_ISA(kernels) = {
    .name = STRING(ISA),
    .family = SIMD_FMA ? "fma" : "muladd",
    .problem = problems,
    .problem_count = sizeof problems / sizeof *problems,
    .update = updates,
    .update_count = sizeof updates / sizeof *updates,
    .forward = forward,
    .backward = backward,
    .full_loss = full_loss,
    .full_gradient = full_gradient,
    .gram = gram,
    .quadratic = quadratic,
    .norm2 = norm2,
    .average = average,
    .rates = rates,
    .scale = scale,
};
