/* From the shape of a schedule to its learning rates. */
#include "schedule.h"

void schedule_rates(const struct schedule *schedule, uint64_t first, size_t count, uint64_t horizon, double *eta)
{
    const struct schedule_type *type = schedule->type;
    double rate = schedule->values.scalar[0];
    double floor = type->floor_param < 0 ? 0 : schedule->values.scalar[type->floor_param];
    type->shape(&schedule->values, first, count, horizon, eta);
    for (size_t i = 0; i < count; i++)
        eta[i] = floor + (rate - floor) * eta[i];
    /* Beyond the warmup its factor is 1: nothing is left to do. */
    for (size_t i = 0; i < count && first + i + 1 < schedule->warmup; i++)
        eta[i] *= (double)(first + i + 1) / (double)schedule->warmup;
}

bool schedule_same_shape(const struct schedule *a, const struct schedule *b)
{
    if (a->type != b->type || a->warmup != b->warmup || a->values.list_count != b->values.list_count)
        return false;
    for (size_t i = 1; i < a->type->method.param_count; i++)
        if (a->values.scalar[i] != b->values.scalar[i] && a->type->method.params[i].kind != PARAM_LIST)
            return false;
    for (size_t i = 0; i < a->values.list_count; i++)
        if (a->values.list[i] != b->values.list[i])
            return false;
    return true;
}
