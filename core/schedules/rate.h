/* The first row of a schedule's table. */
#ifndef SGDLAB_SCHEDULES_RATE_H
#define SGDLAB_SCHEDULES_RATE_H

#include <math.h>

#include "schedule.h"

#define RATE_PARAM(name_text, help_text)                                                                               \
    {                                                                                                                  \
        .name = (name_text), .unit = "", .kind = PARAM_REAL, .required = true, .min = 0, .max = INFINITY,              \
        .min_open = true, .max_open = true, .help = (help_text)                                                        \
    }

#define PARAM_COUNT_OF(params) (sizeof(params) / sizeof *(params))

#endif
