/* Plain stochastic gradient descent: x -= eta g (Robbins & Monro 1951). */
#include "kernels/simd.h"
#include "kernels/update.h"

enum { UPDATE_PARAMS = 0, UPDATE_SLOTS = 0, UPDATE_IS_PLAIN = 1 };

ALWAYS_INLINE vd apply(const vd *param, vd eta, vd g, vd x, vd *slot)
{
    (void)param, (void)slot;
    return v_fnma(eta, g, x);
}

#include "kernels/update_loops.h"

#include "kernels/lazy_scaled.h"

const struct update_type PER_ISA(update_sgd) = {
    .method = {.name = "sgd", .summary = "x -= eta g (Robbins & Monro 1951)", .revision = 1},
    .slots = UPDATE_SLOTS,
    .lazy = &lazy,
    .advance_shared = advance_shared,
    .advance_each = advance_each,
};
