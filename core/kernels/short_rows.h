/* Plain steps of one sample each where every lane has its own samples and rows are short (d <= 8): the laws' thousands
 * of chains. Turning each lane's row into columns of lanes costs more than the step, so here lanes keep their iterates
 * as rows too: the products come out by rows, and only the four partial sums of each lane are turned. Every number is
 * made as in update_each.h, which includes this. */
#if defined(__AVX512F__) || defined(__AVX2__)
enum { SHORT_DIM = 8, SHORT_UNITS = 4 };

/* Half h (coordinates 4h .. 4h+3) of VL rows of 8 lies in SHORT_UNITS vectors: two rows each, or one. */
ALWAYS_INLINE vd short_load(const double *const *row, int unit, size_t h)
{
#if defined(__AVX512F__)
    __m512d low = _mm512_castpd256_pd512(_mm256_load_pd(row[2 * unit] + 4 * h));
    return _mm512_insertf64x4(low, _mm256_load_pd(row[2 * unit + 1] + 4 * h), 1);
#else
    return _mm256_load_pd(row[unit] + 4 * h);
#endif
}

/* (0+2)+(1+3) of the partial sums 0..3 of each row, in the order of the lanes. */
ALWAYS_INLINE vd short_combine(const vd *sum)
{
#if defined(__AVX512F__)
    __m512d a = _mm512_add_pd(_mm512_shuffle_f64x2(sum[0], sum[1], 0x88), _mm512_shuffle_f64x2(sum[0], sum[1], 0xdd));
    __m512d b = _mm512_add_pd(_mm512_shuffle_f64x2(sum[2], sum[3], 0x88), _mm512_shuffle_f64x2(sum[2], sum[3], 0xdd));
    __m512d z = _mm512_add_pd(_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b)); /* lanes 0 4 1 5 2 6 3 7 */
    return _mm512_permutexvar_pd(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), z);
#else
    __m256d a =
        _mm256_add_pd(_mm256_permute2f128_pd(sum[0], sum[1], 0x20), _mm256_permute2f128_pd(sum[0], sum[1], 0x31));
    __m256d b =
        _mm256_add_pd(_mm256_permute2f128_pd(sum[2], sum[3], 0x20), _mm256_permute2f128_pd(sum[2], sum[3], 0x31));
    __m256d z = _mm256_add_pd(_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b)); /* lanes 0 2 1 3 */
    return _mm256_permute4x64_pd(z, 0xd8);
#endif
}

/* One number a lane, spread over the rows of a unit. */
ALWAYS_INLINE vd short_spread(vd lanes, int unit)
{
#if defined(__AVX512F__)
    return _mm512_permutexvar_pd(
        _mm512_add_epi64(_mm512_setr_epi64(0, 0, 0, 0, 1, 1, 1, 1), _mm512_set1_epi64(2 * unit)), lanes);
#else
    return unit < 2 ? (unit ? _mm256_permute4x64_pd(lanes, 0x55) : _mm256_permute4x64_pd(lanes, 0x00))
                    : (unit == 2 ? _mm256_permute4x64_pd(lanes, 0xaa) : _mm256_permute4x64_pd(lanes, 0xff));
#endif
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

/* Does the chunk's steps and returns true when they have that form. */
static bool advance_short(struct lane_block *b, size_t count)
{
    if (!UPDATE_IS_PLAIN || b->a->sparse || b->a->stride != SHORT_DIM || b->penalty != PENALTY_NONE || b->clip > 0 ||
        b->project || b->averages || b->width > LANE_WIDTH_MAX)
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
#else
static bool advance_short(struct lane_block *b, size_t count)
{
    (void)b, (void)count;
    return false;
}
#endif
