/* Heavy ball (Polyak 1964): v = beta v + (1 - dampening) g, x -= eta v, from v = 0. */
#include "updates/momentum.h"

ALWAYS_INLINE vd apply(const vd *param, vd eta, vd g, vd x, vd *slot)
{
    slot[0] = velocity(param, g, slot[0]);
    return v_fnma(eta, slot[0], x);
}

#include "kernels/update_loops.h"

#include "kernels/lazy_linear.h"

const struct update_type PER_ISA(update_heavy_ball) = {
    .method = {.name = "heavy_ball",
               .summary = "v = beta v + (1 - dampening) g, x -= eta v, v_0 = 0 (Polyak 1964)",
               .revision = 1,
               .params = momentum_params,
               .param_count = UPDATE_PARAMS},
    .slots = UPDATE_SLOTS,
    .lazy = &lazy,
    .advance_shared = advance_shared,
    .advance_each = advance_each,
};
