/* The metrics' names and the grids of recorded steps. */
#include "record.h"

#include <math.h>
#include <stdlib.h>

const struct metric_info metric_info[METRIC_COUNT] = {
    [METRIC_LOSS] = {"loss", "f(x)", "the objective f, penalties included", true},
    [METRIC_GAP] = {"gap", "f(x) - f*", "f above its certified minimum; absent where no finite optimum exists", true},
    [METRIC_GRAD_NORM2] = {"grad_norm2", "|grad f(x)|^2",
                           "squared norm of the gradient (a subgradient where f is not smooth)", true},
    [METRIC_DISTANCE2] = {"distance2", "|x - x*|^2", "squared distance from the minimiser", true},
    [METRIC_NORM2] = {"norm2", "|x|^2", "squared norm of the iterate", true},
    [METRIC_TEST_LOSS] = {"test_loss", "test loss", "mean loss on the test split, without penalties", true},
    [METRIC_TEST_ACCURACY] = {"test_accuracy", "test accuracy", "share of the test split with the right class", false},
    [METRIC_ACCURACY] = {"accuracy", "training accuracy", "share of the training samples with the right class", false},
    [METRIC_MEAN_GAP] = {"mean_gap", "mean of f(x_s) - f*, s < t",
                         "mean of the gaps before step t, measured at every step: a pass over the samples each, O(d^2) "
                         "where f is quadratic; averaging: last only",
                         true},
    [METRIC_X1] = {"x1", "x_1", "the first coordinate of the iterate", false},
    [METRIC_SHARPNESS] = {"sharpness", "largest eigenvalue of the Hessian",
                          "largest eigenvalue of the Hessian of f, by Lanczos iteration to 1e-3 relative", true},
    [METRIC_NOISE_SCALE] = {"noise_scale", "tr Sigma / |grad f(x)|^2",
                            "the batch size at which noise and gradient are of one size: sum of the variances of the "
                            "samples' gradients over |grad f|^2",
                            true},
    [METRIC_IN_REGION] = {"in_region", "share inside of the region",
                          "1 while the iterate lies in the region that the problem names, else 0", false},
    [METRIC_EXIT_TIME] = {"exit_time", "steps inside of the region",
                          "steps before the iterate first left the region that the problem names, at most t", true},
};

/* Step number i of last+1 equally spaced ones, rounded, in whole numbers. Both factors of a product stay below 2^32 or
 * the quotient: no overflow. */
static uint64_t linear_step(uint64_t horizon, uint64_t last, uint64_t i)
{
    return horizon / last * i + (horizon % last * i + last / 2) / last;
}

/* The next step on the way from `from` >= 1 to the horizon in `left` steps of equal ratio, but at least one further and
 * leaving room for the others. Taking the ratio anew at each step makes up for those that the whole numbers stretch. */
static uint64_t log_step(uint64_t horizon, uint64_t from, uint64_t left)
{
    double ratio = pow((double)horizon / (double)from, 1 / (double)left);
    uint64_t next = (uint64_t)llround((double)from * ratio), room = horizon - (left - 1);
    if (next <= from)
        next = from + 1;
    return next < room ? next : room;
}

enum status record_grid_make(uint64_t horizon, size_t points, enum record_spacing spacing, struct record_grid *grid,
                             struct error *error)
{
    *grid = (struct record_grid){0};
    if (points < 2 || points > UINT32_MAX)
        return error_set(error, STATUS_USAGE, "%zu recorded points; between 2 and %u are possible", points, UINT32_MAX);
    uint64_t last = horizon < points - 1 ? horizon : points - 1;
    grid->step = malloc(((size_t)last + 1) * sizeof *grid->step);
    if (!grid->step)
        return error_memory(error, ((size_t)last + 1) * sizeof *grid->step, "the recorded steps");
    grid->count = (size_t)last + 1;
    grid->step[0] = 0;
    for (uint64_t i = 1; i <= last; i++) {
        if (i == last)
            grid->step[i] = horizon;
        else if (spacing == SPACING_LINEAR)
            grid->step[i] = linear_step(horizon, last, i);
        else
            grid->step[i] = i == 1 ? 1 : log_step(horizon, grid->step[i - 1], last - (i - 1));
    }
    return STATUS_OK;
}

void record_grid_free(struct record_grid *grid)
{
    free(grid->step);
    *grid = (struct record_grid){0};
}
