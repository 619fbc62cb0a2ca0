/* The loops of one update rule, fused with the gradient kernels. A rule's file defines
 *     enum { UPDATE_PARAMS = .., UPDATE_SLOTS = .., UPDATE_IS_PLAIN = 0 };   (1: apply is x - eta g and no more)
 *     ALWAYS_INLINE vd apply(const vd *param, vd eta, vd g, vd x, vd *slot);      // returns the new x
 * and then includes this header, which defines advance_shared and advance_each for its descriptor.
 *
 * One step, in this order for every path (g is a mean over the batch; penalties see penalised coordinates only):
 *
 *   1. g = (sum_i slope_i a_i) / b, each slope_i first scaled by min(1, tau/|g_i|) where samples are clipped;
 *      g scaled likewise where batches are
 *   2. g += l2 x, and g += l1 sign(x) in the subgradient form
 *   3. x = apply(eta, g, x)
 *   4. x = soft(x, eta l1) in the proximal form
 *   5. x = x min(1, radius/|x|)
 *   6. mean += c (x - mean) for each average
 */
#include "kernels/block.h"
#include "kernels/dense.h"
#include "kernels/isa.h"
#include "kernels/short_rows.h"
#include "kernels/sparse.h"
#include "model.h"

enum { PARAM_SPACE = UPDATE_PARAMS > 0 ? UPDATE_PARAMS : 1, SLOT_SPACE = UPDATE_SLOTS > 0 ? UPDATE_SLOTS : 1 };

/* This object's own passes.c, called without a pointer. */
extern const struct kernel_set PER_ISA(kernels);

/* What a tile of nv vectors of lanes needs in registers. The pointers are copies: vector stores may alias anything, so
 * the compiler would reload those in the block after every store. */
struct lane_tile {
    double *x, *slot[SLOT_SPACE];
    vd eta[NV_MAX], l1[NV_MAX], l2[NV_MAX], param[NV_MAX][PARAM_SPACE];
};

ALWAYS_INLINE void load_tile(const struct lane_block *b, const double *eta, size_t k, enum penalty penalty,
                             struct lane_tile *tile, const int nv)
{
    tile->x = b->x;
    for (int q = 0; q < UPDATE_SLOTS; q++)
        tile->slot[q] = b->slot[q];
    UNROLL for (int v = 0; v < nv; v++)
    {
        size_t lane = k + (size_t)(v * VL);
        tile->eta[v] = v_load(eta + lane);
        tile->l2[v] = penalty >= PENALTY_L2 ? v_load(b->l2 + lane) : v_set1(0.0);
        tile->l1[v] = penalty >= PENALTY_L1_PROXIMAL ? v_load(b->l1 + lane) : v_set1(0.0);
        for (int q = 0; q < UPDATE_PARAMS; q++)
            tile->param[v][q] = v_load(b->param[q] + lane);
    }
}

/* The new iterate of one vector of coordinates from its mean loss gradient g: vector v of the tile, coordinate and lane
 * at `at`. */
ALWAYS_INLINE vd apply_at(const struct lane_tile *t, int v, size_t at, vd g, enum penalty penalty)
{
    vd x = v_load(t->x + at), slot[SLOT_SPACE];
    for (int s = 0; s < UPDATE_SLOTS; s++)
        slot[s] = v_load(t->slot[s] + at);
    const vd zero = v_set1(0.0);
    if (penalty >= PENALTY_L2)
        g = v_fma(t->l2[v], x, g);
    if (penalty == PENALTY_L1_SUBGRADIENT) {
        vd sign = v_select(v_lt(x, zero), v_sub(zero, t->l1[v]), v_select(v_lt(zero, x), t->l1[v], zero));
        g = v_add(g, sign);
    }
    x = apply(t->param[v], t->eta[v], g, x, slot);
    if (penalty == PENALTY_L1_PROXIMAL) {
        vd threshold = v_mul(t->eta[v], t->l1[v]);
        x = v_sub(x, v_max(v_min(x, threshold), v_sub(zero, threshold)));
    }
    for (int s = 0; s < UPDATE_SLOTS; s++)
        v_store(t->slot[s] + at, slot[s]);
    v_store(t->x + at, x);
    return x;
}

/* The same for a batch of one sample, whose gradient is slope * entry. Where the rule is x - eta g and nothing is added
 * to g (direct), x - (eta slope) entry saves a multiplication a coordinate and a rounding. */
ALWAYS_INLINE vd apply_one(const struct lane_tile *t, int v, size_t at, vd entry, vd slope, enum penalty penalty,
                           bool direct)
{
    if (!UPDATE_IS_PLAIN || !direct)
        return apply_at(t, v, at, v_mul(entry, slope), penalty);
    vd x = v_fnma(entry, v_mul(t->eta[v], slope), v_load(t->x + at));
    v_store(t->x + at, x);
    return x;
}

/* Gradient and step of coordinates j0 .. j1-1 for lanes k .. k+nv*VL-1: the sums never leave the registers. */
ALWAYS_INLINE void fused_range(struct lane_block *b, const double *const *row, size_t rows, const double *eta,
                               size_t j0, size_t j1, size_t k, enum penalty penalty, bool direct, const int nv)
{
    struct lane_tile t;
    load_tile(b, eta, k, penalty, &t, nv);
    const size_t width = b->width;
    const double *z = b->z + k;
    if (rows == 1) {
        vd zr[NV_MAX];
        UNROLL for (int v = 0; v < nv; v++) zr[v] = v_load(z + v * VL);
        const double *only = row[0];
        for (size_t j = j0; j < j1; j++) {
            vd a = v_set1(only[j]);
            UNROLL for (int v = 0; v < nv; v++)
                apply_one(&t, v, j * width + k + (size_t)(v * VL), a, zr[v], penalty, direct);
        }
        return;
    }
    const vd inverse = v_set1(1.0 / (double)rows);
    size_t j = j0;
    for (; j + 4 <= j1; j += 4) {
        vd sum[4][NV_MAX];
        UNROLL for (int c = 0; c < 4; c++) UNROLL for (int v = 0; v < nv; v++) sum[c][v] = v_set1(0.0);
        dense_backward_tile(row, rows, j, z, width, sum, 4, nv);
        UNROLL for (int c = 0; c < 4; c++) UNROLL for (int v = 0; v < nv; v++)
            apply_at(&t, v, (j + (size_t)c) * width + k + (size_t)(v * VL), v_mul(sum[c][v], inverse), penalty);
    }
    for (; j < j1; j++) {
        vd sum[4][NV_MAX];
        UNROLL for (int v = 0; v < nv; v++) sum[0][v] = v_set1(0.0);
        dense_backward_tile(row, rows, j, z, width, sum, 1, nv);
        UNROLL for (int v = 0; v < nv; v++)
            apply_at(&t, v, j * width + k + (size_t)(v * VL), v_mul(sum[0][v], inverse), penalty);
    }
}

static void fused_lanes(struct lane_block *b, const double *const *row, size_t rows, const double *eta)
{
#define RANGE(penalty) FOR_LANE_TILES(b->width, fused_range(b, row, rows, eta, 0, b->penalized, k, penalty, false, nv))
    switch (b->penalty) {
    case PENALTY_NONE:
        FOR_LANE_TILES(b->width, fused_range(b, row, rows, eta, 0, b->dim, k, PENALTY_NONE, true, nv));
        return;
    case PENALTY_L2:
        RANGE(PENALTY_L2);
        break;
    case PENALTY_L1_PROXIMAL:
        RANGE(PENALTY_L1_PROXIMAL);
        break;
    case PENALTY_L1_SUBGRADIENT:
        RANGE(PENALTY_L1_SUBGRADIENT);
        break;
    }
#undef RANGE
    if (b->penalized < b->dim)
        FOR_LANE_TILES(b->width, fused_range(b, row, rows, eta, b->penalized, b->dim, k, PENALTY_NONE, false, nv));
}

/* One lane: vectors run over coordinates instead. Rows, x and slots are padded with zeros to whole vectors, and a mask
 * switches the penalties off where they do not apply. */
ALWAYS_INLINE void load_single(const struct lane_block *b, const double *eta, struct lane_tile *t)
{
    t->x = b->x;
    for (int q = 0; q < UPDATE_SLOTS; q++)
        t->slot[q] = b->slot[q];
    for (int q = 0; q < UPDATE_PARAMS; q++)
        t->param[0][q] = v_set1(b->param[q][0]);
    t->eta[0] = v_set1(eta[0]);
    t->l1[0] = t->l2[0] = v_set1(0.0);
}

ALWAYS_INLINE void apply_single(struct lane_tile *t, const double *mask, vd l1, vd l2, size_t j, vd g,
                                enum penalty penalty)
{
    if (penalty != PENALTY_NONE) {
        vd on = v_load(mask + j);
        t->l1[0] = v_mul(on, l1);
        t->l2[0] = v_mul(on, l2);
    }
    apply_at(t, 0, j, g, penalty);
}

ALWAYS_INLINE void fused_single(struct lane_block *b, const double *const *row, size_t rows, const double *eta,
                                enum penalty penalty)
{
    struct lane_tile t;
    load_single(b, eta, &t);
    const vd l1 = v_set1(b->l1[0]), l2 = v_set1(b->l2[0]), inverse = v_set1(1.0 / (double)rows);
    const double *z = b->z, *mask = b->penalty_mask;
    const size_t d = b->dim;
    if (rows == 1) {
        const double *only = row[0];
        const vd z0 = v_set1(z[0]);
        for (size_t j = 0; j < d; j += VL)
            if (UPDATE_IS_PLAIN && penalty == PENALTY_NONE)
                apply_one(&t, 0, j, v_load(only + j), z0, penalty, true);
            else
                apply_single(&t, mask, l1, l2, j, v_mul(v_load(only + j), z0), penalty);
        return;
    }
    for (size_t j = 0; j < d; j += VL) {
        vd sum = v_set1(0.0);
        for (size_t r = 0; r < rows; r++)
            sum = v_fma(v_load(row[r] + j), v_set1(z[r]), sum);
        apply_single(&t, mask, l1, l2, j, v_mul(sum, inverse), penalty);
    }
}

/* The step from a gradient in memory: gradient[dim][width] (a sum), inverse batch size, factor[width] of batch
 * clipping. */
ALWAYS_INLINE void stored_tile(struct lane_block *b, const double *eta, size_t j0, size_t j1, double inverse,
                               bool clipped, size_t k, enum penalty penalty, const int nv)
{
    const size_t width = b->width;
    const double *gradient = b->gradient;
    const vd mean = v_set1(inverse);
    struct lane_tile t;
    vd factor[NV_MAX];
    load_tile(b, eta, k, penalty, &t, nv);
    for (int v = 0; v < nv; v++)
        factor[v] = clipped ? v_load(b->factor + k + v * VL) : v_set1(1.0);
    for (size_t j = j0; j < j1; j++)
        UNROLL for (int v = 0; v < nv; v++)
        {
            const size_t at = j * width + k + (size_t)(v * VL);
            vd g = v_mul(v_load(gradient + at), mean);
            if (clipped)
                g = v_mul(g, factor[v]);
            apply_at(&t, v, at, g, penalty);
        }
}

ALWAYS_INLINE void stored_range(struct lane_block *b, const double *eta, size_t j0, size_t j1, double inverse,
                                bool clipped, enum penalty penalty)
{
    FOR_LANE_TILES(b->width, stored_tile(b, eta, j0, j1, inverse, clipped, k, penalty, nv));
}

ALWAYS_INLINE void stored_single(struct lane_block *b, const double *eta, double inverse, bool clipped,
                                 enum penalty penalty)
{
    struct lane_tile t;
    load_single(b, eta, &t);
    const vd l1 = v_set1(b->l1[0]), l2 = v_set1(b->l2[0]);
    const double *gradient = b->gradient, *mask = b->penalty_mask;
    for (size_t j = 0; j < b->dim; j += VL) {
        vd g = v_mul(v_load(gradient + j), v_set1(inverse));
        if (clipped)
            g = v_mul(g, v_set1(b->factor[0]));
        apply_single(&t, mask, l1, l2, j, g, penalty);
    }
}

static void apply_stored(struct lane_block *b, const double *eta, double inverse, bool clipped)
{
#define RANGE(penalty)                                                                                                 \
    do {                                                                                                               \
        if (b->width == 1)                                                                                             \
            stored_single(b, eta, inverse, clipped, penalty);                                                          \
        else                                                                                                           \
            stored_range(b, eta, 0, b->penalized, inverse, clipped, penalty);                                          \
    } while (0)
    switch (b->penalty) {
    case PENALTY_NONE:
        RANGE(PENALTY_NONE);
        break;
    case PENALTY_L2:
        RANGE(PENALTY_L2);
        break;
    case PENALTY_L1_PROXIMAL:
        RANGE(PENALTY_L1_PROXIMAL);
        break;
    case PENALTY_L1_SUBGRADIENT:
        RANGE(PENALTY_L1_SUBGRADIENT);
        break;
    }
#undef RANGE
    if (b->width > 1 && b->penalized < b->dim)
        stored_range(b, eta, b->penalized, b->dim, inverse, clipped, PENALTY_NONE);
}

/* One coordinate of a step of one sample and its share in the next sample's dot product. */
ALWAYS_INLINE void chain_at(const struct lane_tile *t, size_t at, double entry, double next, const vd *slope, vd *sum,
                            enum penalty penalty, bool direct, const int nv)
{
    const vd a = v_set1(entry), following = v_set1(next);
    UNROLL for (int v = 0; v < nv; v++)
    {
        vd x = apply_one(t, v, at + (size_t)(v * VL), a, slope[v], penalty, direct);
        sum[v] = v_fma(following, x, sum[v]);
    }
}

/* The step of one sample and, in the same pass, the dot product of the next one with the new iterate: x is loaded once.
 * Every number is made as in fused_range and dense_forward_1. */
ALWAYS_INLINE void chain_range(struct lane_block *b, const double *row, const double *next, const double *eta, size_t k,
                               enum penalty penalty, bool direct, const int nv)
{
    struct lane_tile t;
    load_tile(b, eta, k, penalty, &t, nv);
    const size_t width = b->width, d = b->dim, penalized = direct ? d : b->penalized;
    double *z = b->z + k;
    vd slope[NV_MAX], sum[4][NV_MAX];
    UNROLL for (int v = 0; v < nv; v++) slope[v] = v_load(z + v * VL);
    UNROLL for (int c = 0; c < 4; c++) UNROLL for (int v = 0; v < nv; v++) sum[c][v] = v_set1(0.0);
    size_t j = 0;
    for (; j + 4 <= penalized; j += 4)
        UNROLL for (size_t c = 0; c < 4; c++)
            chain_at(&t, (j + c) * width + k, row[j + c], next[j + c], slope, sum[c], penalty, direct, nv);
    for (; j < d; j += 4)
        UNROLL for (size_t c = 0; c < 4; c++) if (j + c < penalized)
            chain_at(&t, (j + c) * width + k, row[j + c], next[j + c], slope, sum[c], penalty, direct, nv);
    else if (j + c < d)
        chain_at(&t, (j + c) * width + k, row[j + c], next[j + c], slope, sum[c], PENALTY_NONE, direct, nv);
    UNROLL for (int v = 0; v < nv; v++)
        v_store(z + v * VL, v_add(v_add(sum[0][v], sum[2][v]), v_add(sum[1][v], sum[3][v])));
}

static void chain_lanes(struct lane_block *b, const double *row, const double *next, const double *eta)
{
    switch (b->penalty) {
    case PENALTY_NONE:
        FOR_LANE_TILES(b->width, chain_range(b, row, next, eta, k, PENALTY_NONE, true, nv));
        break;
    case PENALTY_L2:
        FOR_LANE_TILES(b->width, chain_range(b, row, next, eta, k, PENALTY_L2, false, nv));
        break;
    case PENALTY_L1_PROXIMAL:
        FOR_LANE_TILES(b->width, chain_range(b, row, next, eta, k, PENALTY_L1_PROXIMAL, false, nv));
        break;
    case PENALTY_L1_SUBGRADIENT:
        FOR_LANE_TILES(b->width, chain_range(b, row, next, eta, k, PENALTY_L1_SUBGRADIENT, false, nv));
        break;
    }
}

static void fused_step(struct lane_block *b, const double *const *row, size_t rows, const double *eta)
{
    if (b->width > 1) {
        fused_lanes(b, row, rows, eta);
        return;
    }
    switch (b->penalty) {
    case PENALTY_NONE:
        fused_single(b, row, rows, eta, PENALTY_NONE);
        break;
    case PENALTY_L2:
        fused_single(b, row, rows, eta, PENALTY_L2);
        break;
    case PENALTY_L1_PROXIMAL:
        fused_single(b, row, rows, eta, PENALTY_L1_PROXIMAL);
        break;
    case PENALTY_L1_SUBGRADIENT:
        fused_single(b, row, rows, eta, PENALTY_L1_SUBGRADIENT);
        break;
    }
}

/* z[rows][width] -> slopes, clipped sample by sample where asked. */
static void slopes(struct lane_block *b, const uint32_t *index, size_t rows)
{
    const bool one = b->width == 1 && rows == 1;
    for (size_t r = 0; r < rows && !one; r++)
        b->target[r] = b->y[index[r]];
    if (one)
        b->z[0] = b->loss->slope_one(b->z[0], b->y[index[0]]);
    else if (b->width == 1)
        b->loss->slope_each((rows + 7) / 8 * 8, b->target, b->z);
    else
        b->loss->slope(rows, b->width, b->target, b->z);
    if (b->clip > 0 && b->clip_sample)
        for (size_t r = 0; r < rows; r++)
            for (size_t k = 0; k < b->width; k++) {
                double *z = b->z + r * b->width + k;
                double bound = b->clip / (fabs(*z) * b->row_norm[index[r]]);
                *z *= bound < 1.0 ? bound : 1.0;
            }
}

/* What follows a step: projection on the ball, running averages. */
static void finish_step(struct lane_block *b, size_t step)
{
    if (b->project) {
        PER_ISA(kernels).norm2(b->x, b->dim, b->width, b->norm2);
        for (size_t k = 0; k < b->width; k++) {
            double norm = sqrt(b->norm2[k]);
            b->factor[k] = norm > b->radius[k] ? b->radius[k] / norm : 1.0;
        }
        PER_ISA(kernels).scale(b->factor, b->dim, b->width, b->x);
    }
    for (size_t q = 0; q < b->averages; q++)
        if (b->mean_gain[q][step] > 0)
            PER_ISA(kernels).average(b->mean_gain[q][step], b->x, b->dim, b->width, b->mean[q]);
}

/* min(1, tau/|g|) of the mean batch gradient, per lane. */
static void batch_clip(struct lane_block *b, double inverse)
{
    PER_ISA(kernels).norm2(b->gradient, b->dim, b->width, b->norm2);
    for (size_t k = 0; k < b->width; k++) {
        double bound = b->clip / (sqrt(b->norm2[k]) * inverse);
        b->factor[k] = bound < 1.0 ? bound : 1.0;
    }
}

/* Models bring the gradient of a whole batch. stride: of the lanes' own samples, 0 when they share them. */
static void advance_model(struct lane_block *b, size_t count, size_t stride)
{
    const bool clip_batch = b->clip > 0 && !b->clip_sample;
    struct batch batch = {.a = b->a, .y = b->y, .index = b->index, .stride = stride};
    for (size_t s = 0; s < count; s++) {
        batch.rows = b->size[s];
        const double inverse = 1.0 / (double)batch.rows;
        b->model->gradient(b->problem, &batch, b->x, b->width, b->clip_sample ? b->clip : 0, b->model_scratch,
                           b->gradient);
        if (clip_batch)
            batch_clip(b, inverse);
        apply_stored(b, b->eta + s * b->eta_stride, inverse, clip_batch);
        finish_step(b, s);
        batch.index += batch.rows;
    }
}

static void advance_shared(struct lane_block *b, size_t count)
{
    if (b->model) {
        advance_model(b, count, 0);
        return;
    }
    const struct matrix *a = b->a;
    const bool clip_batch = b->clip > 0 && !b->clip_sample;
    const size_t gradient_size = b->width == 1 ? (b->dim + 7) / 8 * 8 : b->dim * b->width;
    const uint32_t *index = b->index;
    /* Steps of one sample each, with nothing to do to the whole iterate between them, hand on their dot products. */
    const bool chain = !a->sparse && !clip_batch && !b->project && b->width > 1;
    bool forwarded = false; /* z holds this step's dot product already */
    for (size_t s = 0; s < count; s++) {
        const size_t rows = b->size[s];
        const double *eta = b->eta + s * b->eta_stride;
        if (chain && rows == 1) {
            const double *row = a->value + index[0] * a->stride;
            if (!forwarded)
                PER_ISA(kernels).forward(a, index, 0, 1, b->x, b->width, b->z);
            slopes(b, index, 1);
            forwarded = s + 1 < count && b->size[s + 1] == 1;
            if (forwarded)
                chain_lanes(b, row, a->value + index[1] * a->stride, eta);
            else
                fused_step(b, &row, 1, eta);
        } else if (!a->sparse && rows <= ROW_TILE && !clip_batch) {
            const double *row[ROW_TILE];
            for (size_t r = 0; r < rows; r++)
                row[r] = a->value + index[r] * a->stride;
            PER_ISA(kernels).forward(a, index, 0, rows, b->x, b->width, b->z);
            slopes(b, index, rows);
            fused_step(b, row, rows, eta);
        } else {
            memset(b->gradient, 0, gradient_size * sizeof *b->gradient);
            for (size_t first = 0; first < rows; first += ROW_TILE) {
                size_t tile = rows - first < ROW_TILE ? rows - first : ROW_TILE;
                PER_ISA(kernels).forward(a, index + first, 0, tile, b->x, b->width, b->z);
                slopes(b, index + first, tile);
                PER_ISA(kernels).backward(a, index + first, 0, tile, b->z, b->width, b->gradient);
            }
            const double inverse = 1.0 / (double)rows;
            if (clip_batch)
                batch_clip(b, inverse);
            apply_stored(b, eta, inverse, clip_batch);
        }
        finish_step(b, s);
        index += rows;
    }
}

#include "kernels/update_each.h"
