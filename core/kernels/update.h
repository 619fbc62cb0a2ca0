/* Update rules: from gradient to iterate. A rule is one inline function on one vector of lanes; update_loops.h builds
 * its loops, fused with the gradient kernels, so a new rule runs at full speed. */
#ifndef SGDLAB_UPDATE_H
#define SGDLAB_UPDATE_H

#include "kernels/block.h"
#include "registry.h"

struct update_type {
    struct method method;
    size_t slots; /* state vectors, zero at the start */
    /* Every rule here is linear in (x, slots, g), which the lazy forms on sparse data use: for an untouched coordinate
     * g = l2 x. false: the rule always takes the dense form. */
    bool linear;
    /* `count` steps of the chunk described by the block, rows shared by all lanes (dense or CSR). */
    void (*advance_shared)(struct lane_block *block, size_t count);
    /* The same with a sample per lane (dense matrix, width a multiple of 8). */
    void (*advance_each)(struct lane_block *block, size_t count);
};

#endif
