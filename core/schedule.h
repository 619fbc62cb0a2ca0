/* Learning-rate schedules. The rate at step t (from 0) of T is  floor + (rate - floor) * shape(t, T), times the warmup
 * factor min(1, (t+1)/W). `rate` is r, or c for fixed_horizon and the c/(t+t0) form of inverse_time. */
#ifndef SGDLAB_SCHEDULE_H
#define SGDLAB_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

#include "registry.h"

struct schedule_type {
    struct method method; /* params[0] is always the rate (name "rate" or "c") */
    /* Fills shape[count] for steps first ... ; T is the budget in steps. Must not depend on the rate, so that lanes
     * that differ in rate alone share it. */
    void (*shape)(const struct param_values *values, uint64_t first, size_t count, uint64_t horizon, double *shape);
    int floor_param; /* index of the parameter that is the floor of the rate, -1: none */
    bool constant;   /* shape is 1 at every step */
    /* What parameters that are in bounds one by one lack together, in words ("needs ..."); NULL: nothing. May be NULL.
     */
    const char *(*missing)(const struct param_values *values);
};

struct schedule {
    const struct schedule_type *type;
    struct param_values values;
    uint64_t warmup; /* W in steps, 0: none */
};

/* eta of steps first .. first+count-1. */
void schedule_rates(const struct schedule *schedule, uint64_t first, size_t count, uint64_t horizon, double *eta);
/* Do two schedules share their shape and warmup (differ at most in the rate)? */
bool schedule_same_shape(const struct schedule *a, const struct schedule *b);

#endif
