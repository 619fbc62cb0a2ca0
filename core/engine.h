/* The engine: one block of lanes, K trajectories that advance together. Owns all memory; nothing allocates inside a
 * step. A lane's result is bitwise the same whatever lanes sit beside it and in either layout. */
#ifndef SGDLAB_ENGINE_H
#define SGDLAB_ENGINE_H

#include <stdatomic.h>

#include "config.h"

enum outcome { OUTCOME_FINISHED, OUTCOME_DIVERGED }; /* stored data, never an error */

/* One run = one trajectory seen by one averager. */
struct run_request {
    const struct run_config *config;
    uint64_t seed, replicate;
};

struct run_result {
    enum outcome outcome;
    uint64_t diverged_at;         /* the step at which the lane was seen to have left; valid when diverged */
    size_t points;                /* recorded points, up to the divergence */
    double *metric[METRIC_COUNT]; /* points values each; NULL: not asked, or not defined for this problem */
    double *seconds;              /* training seconds up to each point: block time / active lanes */
    double train_seconds, measure_seconds;
    size_t lanes; /* lanes that were active in its block at the start */
};

enum block_layout {
    LAYOUT_AUTO,
    LAYOUT_SHARED_STREAM,   /* all lanes see one index stream: same seed, replicate and stream group */
    LAYOUT_STREAM_PER_LANE, /* rows gathered: dense data, any seeds and replicates */
};

enum { LANES_MAX = 32 };

/* Can these two runs be lanes of one block in that layout? They must share problem type, data, sampler, batch size,
 * budget, record grid, metrics, update rule and clipping kind; they may differ in rates, schedule, update parameters,
 * l1, l2, radius strength, start and averager. */
bool block_compatible(const struct run_request *a, const struct run_request *b, enum block_layout layout);
/* Do two runs follow the same trajectory (differ at most in the averager)? They then share a lane. */
bool block_same_trajectory(const struct run_request *a, const struct run_request *b);

/* Runs `count` runs that are pairwise compatible and have at most LANES_MAX different trajectories, and fills
 * result[count] (free each with run_result_free). *stop is looked at between steps: when it becomes true the call
 * returns STATUS_INTERRUPTED and no results. */
enum status block_run(const struct run_request *request, size_t count, enum block_layout layout,
                      const atomic_bool *stop, struct run_result *result, struct error *error);
void run_result_free(struct run_result *result);

/* The start of a run: coordinate j goes to x[j * stride]. STATUS_USAGE when it starts from an optimum that does not
 * exist. */
enum status run_start(const struct run_request *request, double *x, size_t stride, struct error *error);
/* The iterate x[d] of a run after its last step, config->steps (local SGD: the mean of the workers). Nothing is
 * recorded: config->grid and metrics may be unset. STATUS_NUMERICAL when it diverges before. */
enum status run_last_iterate(const struct run_request *request, const atomic_bool *stop, double *x,
                             struct error *error);

/* Does the run take a form of the step that costs O(nonzeros of the batch) on CSR data (kernels/update.h)? A function
 * of the configuration alone, never of the lanes beside it. */
bool config_is_lazy(const struct run_config *config);

/* Predicted cost of a block in seconds on this machine class (arithmetic and memory model), for balancing and time
 * left; only ratios matter. */
double block_cost(const struct run_config *config, size_t lanes);

/* "fma" or "muladd": part of every key, because the bits differ between the two. */
const char *kernel_family(void);
/* "avx512", "avx2" or "portable": not part of the key; $SGDLAB_KERNEL chooses. */
const char *kernel_isa(void);

#endif
