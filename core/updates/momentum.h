/* What heavy ball and Nesterov momentum share: their parameters. */
#ifndef SGDLAB_MOMENTUM_H
#define SGDLAB_MOMENTUM_H

#include "kernels/simd.h"
#include "kernels/update.h"

enum { BETA, DAMPENING, UPDATE_PARAMS, UPDATE_SLOTS = 1, UPDATE_IS_PLAIN = 0 };

static const struct param momentum_params[UPDATE_PARAMS] = {
    [BETA] = {.name = "momentum",
              .kind = PARAM_REAL,
              .fallback = 0.9,
              .min = 0,
              .max = 1,
              .max_open = true,
              .help = "beta: share of the last step that is kept"},
    [DAMPENING] = {.name = "dampening",
                   .kind = PARAM_REAL,
                   .fallback = 0,
                   .min = 0,
                   .max = 1,
                   .max_open = true,
                   .help = "the gradient enters v with factor 1 - dampening"},
};

/* v = beta v + (1 - dampening) g */
ALWAYS_INLINE vd velocity(const vd *param, vd g, vd v)
{
    return v_fma(param[BETA], v, v_mul(v_sub(v_set1(1.0), param[DAMPENING]), g));
}

#endif
