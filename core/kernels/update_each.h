/* The second layout of update_loops.h, which includes this once for each rule (hence no guard): every lane has its own
 * samples. */

/* Clips slopes z[rows][width] of the lanes' own samples where asked. */
static void clip_each(const struct lane_block *b, const uint32_t *index, size_t rows)
{
    if (!(b->clip > 0 && b->clip_sample))
        return;
    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < b->width; k++) {
            double *z = b->z + r * b->width + k;
            double bound = b->clip / (fabs(*z) * b->row_norm[index[k * b->index_stride + r]]);
            *z *= bound < 1.0 ? bound : 1.0;
        }
}

/* Dot products of eight lanes with their own samples: z[8] and the targets y[8]; keeps the rows in gathered[d][width].
 */
ALWAYS_INLINE void gather_dot(const struct lane_block *b, const uint32_t *index, size_t k, double *gathered, double *z,
                              double *y)
{
    enum { NV = 8 / VL };
    uint32_t sample[8];
    for (size_t q = 0; q < 8; q++)
        sample[q] = index[(k + q) * b->index_stride];
    const size_t width = b->width, d = b->dim, stride = b->a->stride;
    const double *value = b->a->value;
    UNROLL for (int v = 0; v < NV; v++)
    {
        const double *x = b->x + k + (size_t)(v * VL);
        vd sum[4];
        UNROLL for (int c = 0; c < 4; c++) sum[c] = v_set1(0.0);
        for (size_t j = 0; j < d; j += VL) {
            vd column[VL]; /* beyond d: the zero padding of the rows */
            v_columns(value + j, sample + v * VL, stride, column);
            UNROLL for (size_t c = 0; c < VL; c++)
            {
                if (j + c < d) {
                    const size_t chain = VL == 1 ? j & 3 : c & 3;
                    v_store(gathered + (j + c) * width + v * VL, column[c]);
                    sum[chain] = v_fma(column[c], v_load(x + (j + c) * width), sum[chain]);
                }
            }
        }
        v_store(z + v * VL, v_add(v_add(sum[0], sum[2]), v_add(sum[1], sum[3])));
    }
    for (int q = 0; q < 8; q++) /* a gather of eight is slower than eight loads */
        y[q] = b->y[sample[q]];
}

/* Slopes z[rows][width] of all lanes' own samples, whose rows end up in b->rows[rows][d][width]. All lanes' products
 * first, then all slopes: the lanes' chains overlap. */
static void each_slopes(struct lane_block *b, const uint32_t *index, size_t rows)
{
    const size_t width = b->width;
    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < width; k += 8)
            gather_dot(b, index + r, k, b->rows + r * b->dim * width + k, b->z + r * width + k,
                       b->target + r * width + k);
    b->loss->slope_each(rows * width, b->target, b->z);
    clip_each(b, index, rows);
}

/* The step of coordinates j0 .. j1-1 of lanes k .. k+nv*VL-1 from the gathered rows of a whole batch. */
ALWAYS_INLINE void each_range(struct lane_block *b, size_t rows, const double *eta, size_t j0, size_t j1, size_t k,
                              enum penalty penalty, bool direct, const int nv)
{
    const size_t width = b->width, d = b->dim;
    const double *gathered = b->rows + k, *z = b->z + k;
    struct lane_tile t;
    load_tile(b, eta, k, penalty, &t, nv);
    if (rows == 1) {
        vd z0[NV_MAX];
        UNROLL for (int v = 0; v < nv; v++) z0[v] = v_load(z + v * VL);
        for (size_t j = j0; j < j1; j++)
            UNROLL for (int v = 0; v < nv; v++) apply_one(
                &t, v, j * width + k + (size_t)(v * VL), v_load(gathered + j * width + v * VL), z0[v], penalty, direct);
        return;
    }
    const vd inverse = v_set1(1.0 / (double)rows);
    for (size_t j = j0; j < j1; j++) {
        vd sum[NV_MAX];
        UNROLL for (int v = 0; v < nv; v++) sum[v] = v_set1(0.0);
        for (size_t r = 0; r < rows; r++)
            UNROLL for (int v = 0; v < nv; v++) sum[v] =
                v_fma(v_load(gathered + (r * d + j) * width + v * VL), v_load(z + r * width + v * VL), sum[v]);
        UNROLL for (int v = 0; v < nv; v++)
            apply_at(&t, v, j * width + k + (size_t)(v * VL), v_mul(sum[v], inverse), penalty);
    }
}

/* The step of all lanes from a batch whose rows are all gathered. */
static void each_fused(struct lane_block *b, size_t rows, const double *eta)
{
#define RANGE(from, to, penalty, direct)                                                                               \
    FOR_LANE_TILES(b->width, each_range(b, rows, eta, from, to, k, penalty, direct, nv))
    switch (b->penalty) {
    case PENALTY_NONE:
        RANGE(0, b->dim, PENALTY_NONE, true);
        return;
    case PENALTY_L2:
        RANGE(0, b->penalized, PENALTY_L2, false);
        break;
    case PENALTY_L1_PROXIMAL:
        RANGE(0, b->penalized, PENALTY_L1_PROXIMAL, false);
        break;
    case PENALTY_L1_SUBGRADIENT:
        RANGE(0, b->penalized, PENALTY_L1_SUBGRADIENT, false);
        break;
    }
    if (b->penalized < b->dim)
        RANGE(b->penalized, b->dim, PENALTY_NONE, false);
#undef RANGE
}

/* A batch too large for that: its gradient, sample after sample, in memory. */
static void each_stored(struct lane_block *b, const uint32_t *index, size_t rows)
{
    const size_t width = b->width, d = b->dim;
    memset(b->gradient, 0, d * width * sizeof *b->gradient);
    for (size_t r = 0; r < rows; r++) {
        each_slopes(b, index + r, 1);
        for (size_t j = 0; j < d; j++)
            for (size_t k = 0; k < width; k += VL) {
                double *g = b->gradient + j * width + k;
                v_store(g, v_fma(v_load(b->rows + j * width + k), v_load(b->z + k), v_load(g)));
            }
    }
}

/* The same on CSR data, where rows of different lanes have nothing in common to gather: lane by lane, into the
 * gradient. */
static void each_sparse(struct lane_block *b, const uint32_t *index, size_t rows)
{
    const struct matrix *a = b->a;
    const size_t width = b->width;
    memset(b->gradient, 0, b->dim * width * sizeof *b->gradient);
    for (size_t r = 0; r < rows; r++) {
        for (size_t k = 0; k < width; k++) {
            const uint32_t sample = index[k * b->index_stride + r];
            const size_t start = a->row[sample], entries = a->row[sample + 1] - start;
            double sum[4] = {0, 0, 0, 0};
            for (size_t p = 0; p < entries; p++)
                sum[p & 3] = s_fma(a->value[start + p], b->x[a->column[start + p] * width + k], sum[p & 3]);
            b->z[k] = (sum[0] + sum[2]) + (sum[1] + sum[3]);
            b->target[k] = b->y[sample];
        }
        b->loss->slope_each(width, b->target, b->z);
        clip_each(b, index + r, 1);
        for (size_t k = 0; k < width; k++) {
            const uint32_t sample = index[k * b->index_stride + r];
            for (size_t p = a->row[sample]; p < a->row[sample + 1]; p++) {
                double *g = b->gradient + a->column[p] * width + k;
                *g = s_fma(a->value[p], b->z[k], *g);
            }
        }
    }
}

static void advance_each(struct lane_block *b, size_t count)
{
    if (b->model) {
        advance_model(b, count, b->index_stride);
        return;
    }
#if defined(__AVX2__)
    if (UPDATE_IS_PLAIN && short_rows_advance(b, count))
        return;
#endif
    const bool clip_batch = b->clip > 0 && !b->clip_sample;
    const size_t keep = b->gather_rows;
    const uint32_t *index = b->index;
    for (size_t s = 0; s < count; s++) {
        const size_t rows = b->size[s];
        const double *eta = b->eta + s * b->eta_stride;
        const bool stored = b->a->sparse || clip_batch || rows > keep;
        if (!stored) {
            each_slopes(b, index, rows);
            each_fused(b, rows, eta);
        } else {
            if (b->a->sparse)
                each_sparse(b, index, rows);
            else
                each_stored(b, index, rows);
            const double inverse = 1.0 / (double)rows;
            if (clip_batch)
                batch_clip(b, inverse);
            apply_stored(b, eta, inverse, clip_batch);
        }
        finish_step(b, s);
        index += rows;
    }
}
