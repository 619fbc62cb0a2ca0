/* Groups: consecutive replicates ("chains") of a cell, run together and reduced to moments at every recorded point
 * (`keep: moments`). A chain has the bits of the single run of that replicate, and the sums are taken in the order of
 * the replicates, so a group's numbers do not depend on layout or neighbours. */
#ifndef SGDLAB_GROUP_H
#define SGDLAB_GROUP_H

#include "engine.h"

enum { GROUP_MOMENTS = 4 }; /* mean, m2, m3, m4: as in struct moments (stats.h) */

struct group_result {
    uint64_t chains, diverged;
    uint64_t diverged_at; /* the step at which the first one was seen to have left; valid when diverged > 0 */
    size_t points;
    uint64_t *count;              /* [points]: chains that had not diverged */
    double *metric[METRIC_COUNT]; /* [GROUP_MOMENTS][points] over those chains, 0 where none is left; NULL: not asked,
                                     or not defined for this problem */
    double train_seconds;         /* of all chains together, measuring included: it is too short to be told apart */
    size_t lanes;                 /* of its blocks */
};

/* A block that is opened once and runs group after group. */
struct group_block;

/* request[count]: cells that can share a block (block_compatible), all with the same seed; their replicates do not
 * matter. With LAYOUT_SHARED_STREAM the lanes of a block are the cells' trajectories and each chain is a block; with
 * LAYOUT_STREAM_PER_LANE chains lie beside each other, LANES_MAX at a time. LAYOUT_AUTO: local SGD, whose lanes are its
 * workers. Configurations are copied; what they borrow must live on. */
enum status group_block_open(const struct run_request *request, size_t count, enum block_layout layout,
                             struct group_block **out, struct error *error);
/* Runs chains first .. first+chains-1 (at most GROUP_CHAINS) of every cell. (*result)[count] are valid until the next
 * call. *stop as for block_run. */
enum status group_block_run(struct group_block *block, uint64_t first, size_t chains, const atomic_bool *stop,
                            const struct group_result **result, struct error *error);
void group_block_close(struct group_block *block);

#endif
