/* What follows from a sampler's kind alone: the length of an epoch and the largest batch. */
#include "sampler.h"

static size_t ceil_div(size_t a, size_t b)
{
    return a / b + (a % b != 0);
}

/* The only sampler that ignores the batch size. */
static bool is_full(const struct sampler_type *type)
{
    return type->deterministic && !type->by_epoch;
}

size_t sampler_steps_per_epoch(const struct sampler_type *type, size_t n, size_t batch_size, bool keep_last)
{
    if (is_full(type))
        return 1;
    /* A batch larger than the data is the data once, so an epoch always has a step. */
    size_t m = type->by_epoch && batch_size > n ? n : batch_size;
    return type->by_epoch && !keep_last ? n / m : ceil_div(n, m);
}

size_t sampler_max_batch(const struct sampler_type *type, size_t n, size_t batch_size)
{
    if (is_full(type))
        return n;
    return !type->with_replacement && batch_size > n ? n : batch_size;
}
