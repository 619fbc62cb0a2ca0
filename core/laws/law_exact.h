/* What laws about training runs on least squares share: the exact moments of what one cell ran. */
#ifndef SGDLAB_LAW_EXACT_H
#define SGDLAB_LAW_EXACT_H

#include "laws/law.h"
#include "laws/oracle.h"

/* A cell in the terms of the recursions: any schedule, plain or heavy-ball steps, one worker or several. */
struct exact_run {
    struct oracle *oracle;
    double kappa;   /* of one worker's batch */
    double beta;    /* heavy ball; 0: plain steps */
    size_t workers; /* local SGD; 1: none */
    uint64_t sync_every, steps;
    double *e0, *eta; /* x_0 - x* [d]; [steps], with a dampened gradient the rate times 1 - dampening */
};
/* STATUS_USAGE: samples by epoch, a random start, clipping, averaging, Nesterov's momentum, local SGD with momentum;
 * STATUS_UNSUPPORTED: no oracle of the problem (oracle_open). Free with exact_run_free, also after a failure. */
enum status exact_run_make(const struct run_config *config, struct exact_run *out, struct error *error);
void exact_run_free(struct exact_run *run); /* all-zero is fine */

/* E f(x_t) - f* at increasing steps of the run. relative_sd[points] (or NULL): that of one chain's gap if its error is
 * Gaussian, for plans. Local SGD: of the workers' mean, relative_sd that of one worker with batches of all. */
enum status exact_gap(const struct exact_run *run, size_t points, const uint64_t *step, double *gap,
                      double *relative_sd, struct error *error);
/* Mean gap of the stationary state of plain steps of rate eta and batches of variance factor kappa; and its leading
 * order eta kappa tr(C)/4. STATUS_NUMERICAL: at or above the mean-square limit. */
enum status exact_floor(const struct oracle *oracle, double kappa, double eta, double *gap, struct error *error);
double exact_leading_floor(const struct oracle *oracle, double kappa, double eta);

/* The cells of a law side by side. */
struct exact_cell {
    const struct law_cell *cell;
    struct exact_run run;
    double *gap, *relative_sd;        /* [cell->points], exact */
    const struct law_curve *measured; /* of METRIC_GAP; NULL before the run */
};
/* All of the input's cells; STATUS_USAGE as exact_run_make and where the gap is not recorded. Free with
 * exact_cells_close. */
enum status exact_cells_open(const struct law_input *input, struct exact_cell **out, struct error *error);
void exact_cells_close(struct exact_cell *cell, size_t count); /* NULL is fine */

/* Mean gap at recorded point p, infinite when chains had diverged, NaN before the run; its relative standard error. */
double exact_cell_mean(const struct exact_cell *cell, size_t p);
double exact_cell_se(const struct law_input *input, const struct exact_cell *cell, size_t p);
/* A CHECK_RATIO of that mean with the exact one: all but instance, quantity and exact_theory. */
struct check exact_cell_check(const struct law_input *input, const struct exact_cell *cell, size_t p);

/* "subset, m = 16, momentum 0.9": sampler where it is a subset, batch size, momentum where there is any. With the
 * name of the data before it: exact_instance. Both return text. */
const char *exact_label(const struct law_cell *cell, char *text, size_t size);
const char *exact_instance(const struct law_cell *cell, char *text, size_t size);
/* Number of the recorded step nearest to t > 0 on a logarithmic scale. */
size_t exact_point_near(const struct law_cell *cell, double t);

#endif
