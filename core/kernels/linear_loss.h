/* The vector form of a scalar loss. A problem file defines
 *     static inline vd loss_slope(vd z, vd y);   static inline vd loss_value(vd z, vd y);
 * and then includes this header, which makes `static const struct vector_loss vector_loss` from them. */
#include "kernels/isa.h"
#include "kernels/simd.h"

static void slope_rows(size_t rows, size_t width, const double *y, double *z)
{
    for (size_t r = 0; r < rows; r++) {
        vd target = v_set1(y[r]);
        for (size_t k = 0; k < width; k += VL)
            v_store(z + r * width + k, loss_slope(v_load(z + r * width + k), target));
    }
}

/* One number: spread over a vector, because a vector load right after the store of one double would wait for it. */
static double slope_one(double z, double y)
{
    double slope[VL] __attribute__((aligned(64)));
    v_store(slope, loss_slope(v_set1(z), v_set1(y)));
    return slope[0];
}

static void slope_each(size_t count, const double *y, double *z)
{
    for (size_t k = 0; k < count; k += VL)
        v_store(z + k, loss_slope(v_load(z + k), v_load(y + k)));
}

static void value_rows(size_t rows, size_t width, const double *y, const double *z, double *sum)
{
    for (size_t k = 0; k < width; k += VL) {
        vd total = v_load(sum + k);
        for (size_t r = 0; r < rows; r++)
            total = v_add(total, loss_value(v_load(z + r * width + k), v_set1(y[r])));
        v_store(sum + k, total);
    }
}

static void value_each(size_t count, const double *y, double *z)
{
    for (size_t k = 0; k < count; k += VL)
        v_store(z + k, loss_value(v_load(z + k), v_load(y + k)));
}

static const struct vector_loss vector_loss = {.slope = slope_rows,
                                               .slope_one = slope_one,
                                               .slope_each = slope_each,
                                               .value = value_rows,
                                               .value_each = value_each};
