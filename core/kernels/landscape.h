/* Landscapes: nonconvex problems in a few coordinates whose samples differ in one number, the target y_i (a slope or a
 * curvature; rows are not read). A problem file defines, with p the values of its own parameters,
 *     enum { LANDSCAPE_DIM = ... };
 *     static inline vd sample_value(const double *p, const vd *x, vd y);
 *     static inline void sample_gradient(const double *p, const vd *x, vd y, vd *gradient);
 *     static inline void sample_product(const double *p, const vd *x, vd y, const vd *v, vd *product);
 *     static inline vd region(const double *p, const vd *x);       1 inside, 0 outside
 * and then includes this header, which makes `static const struct model_type landscape` from them. Whatever of them
 * does not depend on y leaves the loops over samples. */
#include "kernels/isa.h"
#include "kernels/simd.h"
#include "model.h"

enum { TARGETS_KEPT = 16 }; /* samples of all lanes whose targets are fetched at once */

/* Some targets of a batch, samples first .. first + count - 1: one each, or [sample][lane]. */
struct targets {
    size_t first, count;
    bool shared;
    const double *value;
    size_t width;
};

/* Starts before the first sample. */
static struct targets no_targets(const struct batch *batch, size_t width)
{
    return (struct targets){.shared = batch->stride == 0 || width == 1, .width = width};
}

/* The next targets of the batch; false: there are none left. scratch[TARGETS_KEPT * width] */
static bool next_targets(const struct batch *batch, double *scratch, struct targets *t)
{
    const size_t first = t->first + t->count, left = batch->rows - first;
    if (left == 0)
        return false;
    t->first = first;
    t->count = left < TARGETS_KEPT ? left : TARGETS_KEPT;
    if (!batch->index) {
        t->value = batch->y + batch->first + first;
        return true;
    }
    const uint32_t *index = batch->index + first;
    const size_t lanes = t->shared ? 1 : t->width;
    for (size_t r = 0; r < t->count; r++)
        for (size_t k = 0; k < lanes; k++)
            scratch[r * lanes + k] = batch->y[index[k * batch->stride + r]];
    t->value = scratch;
    return true;
}

ALWAYS_INLINE vd target_at(const struct targets *t, size_t r, size_t k)
{
    return t->shared ? v_set1(t->value[r]) : v_load(t->value + r * t->width + k);
}

/* VL lanes of an array [dim][width] from lane k on; a lane alone is spread over the vector. */
ALWAYS_INLINE void load_point(const double *from, size_t width, size_t k, vd *x)
{
    for (size_t j = 0; j < LANDSCAPE_DIM; j++)
        x[j] = width == 1 ? v_set1(from[j]) : v_load(from + j * width + k);
}

ALWAYS_INLINE void store_lanes(vd value, size_t width, double *to)
{
    double lane[VL] __attribute__((aligned(64)));
    if (width > 1) {
        v_store(to, value);
        return;
    }
    v_store(lane, value);
    to[0] = lane[0];
}

ALWAYS_INLINE void store_point(const vd *x, size_t width, size_t k, double *to)
{
    for (size_t j = 0; j < LANDSCAPE_DIM; j++)
        store_lanes(x[j], width, to + j * width + k);
}

ALWAYS_INLINE vd square_norm(const vd *x)
{
    vd sum = v_mul(x[0], x[0]);
    for (size_t j = 1; j < LANDSCAPE_DIM; j++)
        sum = v_fma(x[j], x[j], sum);
    return sum;
}

/* Adds these samples' gradients, clipped where asked, to sum[LANDSCAPE_DIM]. */
ALWAYS_INLINE void add_gradients(const double *p, const struct targets *t, size_t k, const vd *x, double clip, vd *sum)
{
    for (size_t r = 0; r < t->count; r++) {
        vd g[LANDSCAPE_DIM];
        sample_gradient(p, x, target_at(t, r, k), g);
        vd factor = v_set1(1.0);
        if (clip > 0)
            factor = v_min(v_div(v_set1(clip), v_sqrt(square_norm(g))), factor);
        for (size_t j = 0; j < LANDSCAPE_DIM; j++)
            sum[j] = clip > 0 ? v_fma(g[j], factor, sum[j]) : v_add(sum[j], g[j]);
    }
}

static void landscape_gradient(const struct problem *problem, const struct batch *batch, const double *x, size_t width,
                               double clip, double *scratch, double *gradient)
{
    const double *p = problem->values.scalar;
    struct targets t = no_targets(batch, width);
    for (bool first = true; next_targets(batch, scratch, &t); first = false)
        for (size_t k = 0; k < width; k += VL) {
            vd at[LANDSCAPE_DIM], sum[LANDSCAPE_DIM];
            load_point(x, width, k, at);
            for (size_t j = 0; j < LANDSCAPE_DIM; j++)
                sum[j] = v_set1(0.0);
            if (!first)
                load_point(gradient, width, k, sum);
            add_gradients(p, &t, k, at, clip, sum);
            store_point(sum, width, k, gradient);
        }
}

static void landscape_loss(const struct problem *problem, const struct batch *batch, const double *x, size_t width,
                           double *scratch, double *value, double *correct)
{
    (void)correct; /* no classes */
    const double *p = problem->values.scalar;
    struct targets t = no_targets(batch, width);
    while (next_targets(batch, scratch, &t))
        for (size_t k = 0; k < width; k += VL) {
            vd at[LANDSCAPE_DIM], sum = width == 1 ? v_set1(value[0]) : v_load(value + k);
            load_point(x, width, k, at);
            for (size_t r = 0; r < t.count; r++)
                sum = v_add(sum, sample_value(p, at, target_at(&t, r, k)));
            store_lanes(sum, width, value + k);
        }
}

static void landscape_squares(const struct problem *problem, const struct batch *batch, const double *x, size_t width,
                              double *scratch, double *square)
{
    const double *p = problem->values.scalar;
    struct targets t = no_targets(batch, width);
    while (next_targets(batch, scratch, &t))
        for (size_t k = 0; k < width; k += VL) {
            vd at[LANDSCAPE_DIM], sum = width == 1 ? v_set1(square[0]) : v_load(square + k);
            load_point(x, width, k, at);
            for (size_t r = 0; r < t.count; r++) {
                vd g[LANDSCAPE_DIM];
                sample_gradient(p, at, target_at(&t, r, k), g);
                sum = v_add(sum, square_norm(g));
            }
            store_lanes(sum, width, square + k);
        }
}

static void landscape_product(const struct problem *problem, const struct batch *batch, const double *x,
                              const double *v, size_t width, double *scratch, double *product)
{
    const double *p = problem->values.scalar;
    struct targets t = no_targets(batch, width);
    for (bool first = true; next_targets(batch, scratch, &t); first = false)
        for (size_t k = 0; k < width; k += VL) {
            vd at[LANDSCAPE_DIM], along[LANDSCAPE_DIM], sum[LANDSCAPE_DIM];
            load_point(x, width, k, at);
            load_point(v, width, k, along);
            for (size_t j = 0; j < LANDSCAPE_DIM; j++)
                sum[j] = v_set1(0.0);
            if (!first)
                load_point(product, width, k, sum);
            for (size_t r = 0; r < t.count; r++) {
                vd one[LANDSCAPE_DIM];
                sample_product(p, at, target_at(&t, r, k), along, one);
                for (size_t j = 0; j < LANDSCAPE_DIM; j++)
                    sum[j] = v_add(sum[j], one[j]);
            }
            store_point(sum, width, k, product);
        }
}

static void landscape_region(const struct problem *problem, const double *x, size_t width, double *inside)
{
    for (size_t k = 0; k < width; k += VL) {
        vd at[LANDSCAPE_DIM];
        double lane[VL] __attribute__((aligned(64)));
        load_point(x, width, k, at);
        v_store(lane, region(problem->values.scalar, at));
        memcpy(inside + k, lane, (width == 1 ? 1 : VL) * sizeof *lane); /* which need not be aligned */
    }
}

static size_t landscape_dim(const struct problem *problem, size_t *penalized)
{
    (void)problem;
    *penalized = LANDSCAPE_DIM;
    return LANDSCAPE_DIM;
}

static size_t landscape_scratch(const struct problem *problem, size_t width)
{
    (void)problem;
    return TARGETS_KEPT * width;
}

static const struct model_type landscape = {
    .dim = landscape_dim,
    .scratch = landscape_scratch,
    .gradient = landscape_gradient,
    .loss = landscape_loss,
    .gradient_squares = landscape_squares,
    .hessian_vector = landscape_product,
    .in_region = landscape_region,
};
