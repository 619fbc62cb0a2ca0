/* See plain_loop.h. ISA names the instruction set, as in core/kernels. */
#include "plain_loop.h"

#include <math.h>
#include <string.h>

#include "kernels/isa.h"

#define INLINE static inline __attribute__((always_inline))

/* splitmix64 (Steele, Lea, Flood, OOPSLA 2014): its state moves by one addition, so draws overlap with the step before.
 */
INLINE uint32_t draw(const struct plain_run *run, uint64_t *state, uint64_t position, const int given)
{
    if (given)
        return run->index[position];
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)(((z ^ z >> 31) >> 32) * run->a->rows >> 32);
}

INLINE double slope(double z, double y, const enum plain_loss loss)
{
    return loss == PLAIN_LOGISTIC ? -y / (1 + exp(y * z)) : z - y;
}

INLINE double combine(const double sum[8])
{
    return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

INLINE double dense_dot(const double *restrict a, const double *restrict x, size_t d)
{
    double sum[8] = {0};
    size_t j = 0;
    for (; j + 8 <= d; j += 8)
        for (size_t c = 0; c < 8; c++)
            sum[c] += a[j + c] * x[j + c];
    for (size_t c = 0; j + c < d; c++)
        sum[c] += a[j + c] * x[j + c];
    return combine(sum);
}

INLINE void dense_axpy(double alpha, const double *restrict a, double *restrict x, size_t d)
{
    for (size_t j = 0; j < d; j++)
        x[j] += alpha * a[j];
}

INLINE void dense_loop(const struct plain_run *run, const enum plain_loss loss, const int given)
{
    const size_t d = run->a->cols, stride = run->a->stride, m = run->batch_size;
    const double *value = run->a->value, *y = run->y, rate = run->rate;
    double *x = run->x, *gradient = run->gradient;
    uint64_t state = run->seed, position = 0;
    for (uint64_t t = 0; t < run->steps; t++) {
        if (m == 1) {
            const uint32_t i = draw(run, &state, position++, given);
            const double *a = value + i * stride;
            dense_axpy(-rate * slope(dense_dot(a, x, d), y[i], loss), a, x, d);
            continue;
        }
        memset(gradient, 0, d * sizeof *gradient);
        for (size_t r = 0; r < m; r++) {
            const uint32_t i = draw(run, &state, position++, given);
            const double *a = value + i * stride;
            dense_axpy(slope(dense_dot(a, x, d), y[i], loss), a, gradient, d);
        }
        dense_axpy(-rate / (double)m, gradient, x, d);
    }
}

INLINE double sparse_dot(const double *restrict a, const uint32_t *restrict column, size_t count,
                         const double *restrict x)
{
    double sum[8] = {0};
    size_t p = 0;
    for (; p + 8 <= count; p += 8)
        for (size_t c = 0; c < 8; c++)
            sum[c] += a[p + c] * x[column[p + c]];
    for (size_t c = 0; p + c < count; c++)
        sum[c] += a[p + c] * x[column[p + c]];
    return combine(sum);
}

/* Rows come in random order from beyond the second-level cache: half the time of a step goes without this. */
INLINE void prefetch_row(const struct matrix *m, const double *y, uint32_t next, uint32_t after)
{
    const size_t first = m->row[next];
    __builtin_prefetch(m->row + after);
    __builtin_prefetch(m->column + first);
    __builtin_prefetch(m->value + first);
    __builtin_prefetch(m->value + first + 8);
    __builtin_prefetch(y + next);
}

/* The iterate is scale * w, so that shrinking it by L2 costs one product (Bottou, "Stochastic gradient descent tricks",
 * 2012, section 5.1). */
INLINE void sparse_loop(const struct plain_run *run, const enum plain_loss loss, const int given)
{
    const struct matrix *m = run->a;
    const double *y = run->y, rate = run->rate, shrink = 1 - run->rate * run->l2;
    double *restrict w = run->x, scale = 1;
    uint64_t state = run->seed, last = run->steps - 1;
    uint32_t next = draw(run, &state, 0, given), after = draw(run, &state, last < 1 ? last : 1, given);
    for (uint64_t t = 0; t < run->steps; t++) {
        const uint32_t i = next;
        next = after;
        after = draw(run, &state, last < t + 2 ? last : t + 2, given);
        prefetch_row(m, y, next, after);
        const size_t first = m->row[i], count = m->row[i + 1] - first;
        const double *restrict a = m->value + first;
        const uint32_t *restrict column = m->column + first;
        const double z = scale * sparse_dot(a, column, count, w);
        scale *= shrink;
        const double step = -rate * slope(z, y[i], loss) / scale;
        for (size_t p = 0; p < count; p++)
            w[column[p]] += step * a[p];
        if (scale < 1e-9) {
            for (size_t j = 0; j < m->cols; j++)
                w[j] *= scale;
            scale = 1;
        }
    }
    for (size_t j = 0; j < m->cols; j++)
        w[j] *= scale;
}

void PER_ISA(plain_loop)(const struct plain_run *run)
{
    const int given = run->index != NULL;
    if (run->steps == 0)
        return;
    if (run->a->sparse && run->loss == PLAIN_LOGISTIC && given)
        sparse_loop(run, PLAIN_LOGISTIC, 1);
    else if (run->a->sparse && run->loss == PLAIN_LOGISTIC)
        sparse_loop(run, PLAIN_LOGISTIC, 0);
    else if (run->a->sparse && given)
        sparse_loop(run, PLAIN_LEAST_SQUARES, 1);
    else if (run->a->sparse)
        sparse_loop(run, PLAIN_LEAST_SQUARES, 0);
    else if (run->loss == PLAIN_LOGISTIC && given)
        dense_loop(run, PLAIN_LOGISTIC, 1);
    else if (run->loss == PLAIN_LOGISTIC)
        dense_loop(run, PLAIN_LOGISTIC, 0);
    else if (given)
        dense_loop(run, PLAIN_LEAST_SQUARES, 1);
    else
        dense_loop(run, PLAIN_LEAST_SQUARES, 0);
}
