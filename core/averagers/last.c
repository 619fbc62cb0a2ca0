/* No averaging: the iterate itself. */
#include "averager.h"

const struct averager_type averager_last = {
    .method = {.name = "last", .summary = "no averaging: the last iterate x_t", .revision = 1},
    .last = true,
};
