/* Nesterov momentum in the form of PyTorch: v = beta v + (1 - dampening) g, x -= eta (g + beta v), from v = 0 (PyTorch
 * leaves the dampening out of its very first step; we do not). */
#include "updates/momentum.h"

ALWAYS_INLINE vd apply(const vd *param, vd eta, vd g, vd x, vd *slot)
{
    slot[0] = velocity(param, g, slot[0]);
    return v_fnma(eta, v_fma(param[BETA], slot[0], g), x);
}

#include "kernels/update_loops.h"

#include "kernels/lazy_linear.h"

const struct update_type PER_ISA(update_nesterov) = {
    .method = {.name = "nesterov",
               .summary =
                   "v = beta v + (1 - dampening) g, x -= eta (g + beta v), v_0 = 0 (Sutskever et al. 2013, as PyTorch)",
               .revision = 1,
               .params = momentum_params,
               .param_count = UPDATE_PARAMS},
    .slots = UPDATE_SLOTS,
    .lazy = &lazy,
    .advance_shared = advance_shared,
    .advance_each = advance_each,
};
