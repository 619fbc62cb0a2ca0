/* Plain steps of one sample each where every lane has its own samples and rows are short (d <= 8): the laws' thousands
 * of chains. Turning each lane's row into columns of lanes costs more than the step, so here lanes keep their iterates
 * as rows too: the products come out by rows, and only the four partial sums of each lane are turned. Every number is
 * made as in update_each.h. Vectors of four serve AVX-512 too: they need fewer shuffles across a register. */
#include "kernels/short_rows.h"
#include "kernels/dense.h"

#if defined(__AVX2__) && !defined(__AVX512F__)
enum { SHORT_DIM = 8, SHORT_UNITS = 4 };

/* Half h (coordinates 4h .. 4h+3) of VL rows of 8 lies in SHORT_UNITS vectors: two rows each, or one. */
ALWAYS_INLINE vd short_load(const double *const *row, int unit, size_t h)
{
    return _mm256_load_pd(row[unit] + 4 * h);
}

/* (0+2)+(1+3) of the partial sums 0..3 of each row, in the order of the lanes. */
ALWAYS_INLINE vd short_combine(const vd *sum)
{
    __m256d a =
        _mm256_add_pd(_mm256_permute2f128_pd(sum[0], sum[1], 0x20), _mm256_permute2f128_pd(sum[0], sum[1], 0x31));
    __m256d b =
        _mm256_add_pd(_mm256_permute2f128_pd(sum[2], sum[3], 0x20), _mm256_permute2f128_pd(sum[2], sum[3], 0x31));
    __m256d z = _mm256_add_pd(_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b)); /* lanes 0 2 1 3 */
    return _mm256_permute4x64_pd(z, 0xd8);
}

/* One number a lane, spread over the rows of a unit. */
ALWAYS_INLINE vd short_spread(vd lanes, int unit)
{
    return unit < 2 ? (unit ? _mm256_permute4x64_pd(lanes, 0x55) : _mm256_permute4x64_pd(lanes, 0x00))
                    : (unit == 2 ? _mm256_permute4x64_pd(lanes, 0xaa) : _mm256_permute4x64_pd(lanes, 0xff));
}

/* x[d][width] to rows, or back: x[group][unit][half][VL], where a vector of VL holds the rows of its unit */
static void short_turn(struct lane_block *b, double *rows, bool back)
{
    enum { PER_UNIT = VL / SHORT_UNITS };
    for (size_t first = 0; first < b->dim; first += 4) {
        const size_t end = b->dim - first < 4 ? b->dim - first : 4;
        for (size_t k = 0; k < b->width; k++) {
            double *at = rows + (k / PER_UNIT * 2 + first / 4) * VL + k % PER_UNIT * 4;
            double *x = b->x + first * b->width + k;
            for (size_t j = 0; j < end; j++) {
                if (back)
                    x[j * b->width] = at[j];
                else
                    at[j] = x[j * b->width];
            }
        }
    }
}

/* Where the rows of step s lie, and their targets. */
ALWAYS_INLINE void short_find(const struct lane_block *b, size_t s, const double **row, double *y)
{
    const uint32_t *index = b->index + s;
    const double *value = b->a->value, *targets = b->y;
    for (size_t k = 0; k < b->width; k++) {
        const uint32_t sample = index[k * b->index_stride];
        row[k] = value + sample * (size_t)SHORT_DIM;
        y[k] = targets[sample];
    }
}

ALWAYS_INLINE void short_steps(struct lane_block *b, size_t count, double *rows, const size_t halves)
{
    const size_t width = b->width;
    /* Found one step ahead: a vector load right after eight single stores would wait for them to reach the cache. */
    const double *found[2][LANE_WIDTH_MAX];
    double *z = b->z, *target[2] = {b->target, b->target + width};
    short_find(b, 0, found[0], target[0]);
    for (size_t s = 0; s < count; s++) {
        const double *eta = b->eta + s * b->eta_stride, *const *row = found[s % 2];
        if (s + 1 < count)
            short_find(b, s + 1, found[(s + 1) % 2], target[(s + 1) % 2]);
        for (size_t k = 0; k < width; k += VL) {
            const double *x = rows + k * SHORT_DIM;
            vd sum[SHORT_UNITS];
            UNROLL for (int u = 0; u < SHORT_UNITS; u++)
            {
                sum[u] = v_fma(short_load(row + k, u, 0), v_load(x + 2 * u * VL), v_set1(0.0));
                if (halves > 1)
                    sum[u] = v_fma(short_load(row + k, u, 1), v_load(x + (2 * u + 1) * VL), sum[u]);
            }
            v_store(z + k, short_combine(sum));
        }
        b->loss->slope_each(width, target[s % 2], z);
        for (size_t k = 0; k < width; k += VL) {
            double *x = rows + k * SHORT_DIM;
            const vd step = v_mul(v_load(eta + k), v_load(z + k));
            UNROLL for (int u = 0; u < SHORT_UNITS; u++)
            {
                const vd weight = short_spread(step, u);
                UNROLL for (size_t h = 0; h < halves; h++)
                {
                    double *at = x + (2 * (size_t)u + h) * VL;
                    v_store(at, v_fnma(short_load(row + k, u, h), weight, v_load(at)));
                }
            }
        }
    }
}

bool short_rows_advance(struct lane_block *b, size_t count)
{
    if (b->a->sparse || b->a->stride != SHORT_DIM || b->penalty != PENALTY_NONE || b->clip > 0 || b->project ||
        b->averages || b->width > LANE_WIDTH_MAX)
        return false;
    for (size_t s = 0; s < count; s++)
        if (b->size[s] != 1)
            return false;
    double rows[LANE_WIDTH_MAX * SHORT_DIM] __attribute__((aligned(64)));
    memset(rows, 0, b->width * SHORT_DIM * sizeof *rows);
    short_turn(b, rows, false);
    if (b->dim <= 4)
        short_steps(b, count, rows, 1);
    else
        short_steps(b, count, rows, 2);
    short_turn(b, rows, true);
    return true;
}
#endif
