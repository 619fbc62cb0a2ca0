/* Signatures of configurations: equal 128-bit numbers for equal meaning, so that a million runs are packed by sorting
 * and never by comparing pairs. They live inside one process: nothing of them is stored. */
#ifndef SGDLAB_SIGNATURE_H
#define SGDLAB_SIGNATURE_H

#include "engine.h"

struct signature {
    uint64_t word[2];
};

int signature_compare(const struct signature *a, const struct signature *b);

/* What the lanes of one block have in common (see block_compatible), but for seed and replicate. With a stream per lane
 * the stream group may differ. */
struct signature signature_block(const struct run_config *config, enum block_layout layout);
/* Everything but the averager, seed and replicate. Configurations must be canonical, as sweep_cell gives them. */
struct signature signature_trajectory(const struct run_config *config);
/* The averager alone: with the trajectory's signature it names the whole run. */
struct signature signature_averager(const struct run_config *config);

/* May its rows be gathered for a stream per lane: dense, not wide, one worker? */
bool signature_streams(const struct run_config *config);
/* Must it be alone in its block: timed solo, an estimator, local SGD? */
bool signature_alone(const struct run_config *config);

#endif
