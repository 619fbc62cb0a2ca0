/* Update rules: from gradient to iterate. A rule is one inline function on one vector of lanes; update_loops.h builds
 * its loops, fused with the gradient kernels, so a new rule runs at full speed. */
#ifndef SGDLAB_UPDATE_H
#define SGDLAB_UPDATE_H

#include "kernels/block.h"
#include "registry.h"

/* A form of the step that costs O(nonzeros of the batch) on CSR data: untouched coordinates are brought up to date, in
 * closed form, when they are next needed. width is a multiple of 8. */
struct lazy_type {
    bool any_schedule; /* else: constant rates only */
    bool l1;           /* the proximal form of l1 */
    bool any_weights;  /* averages of any weights, else only of equal ones */
    /* Doubles of memory that state needs for the block, and its set-up in zeroed memory. window: steps between
     * settlings. */
    size_t (*memory)(const struct lane_block *block, size_t window);
    void (*open)(struct lane_block *block, size_t window, double *memory);
    void (*advance)(struct lane_block *block, size_t count); /* count never crosses the end of a window */
    /* Brings every coordinate up to date: x, slots and means hold their true values, and a new window begins. */
    void (*settle)(struct lane_block *block);
    /* The squared norm over the coordinates of a sample of the last step, the largest of its samples, per lane: never
     * more than that of the whole iterate. */
    void (*touched_norm2)(const struct lane_block *block, double *norm2);
};

struct update_type {
    struct method method;
    size_t slots;                 /* state vectors, zero at the start */
    const struct lazy_type *lazy; /* NULL: CSR data take the dense form, O(d) a step */
    /* `count` steps of the chunk described by the block, rows shared by all lanes (dense or CSR). */
    void (*advance_shared)(struct lane_block *block, size_t count);
    /* The same with a sample per lane (dense matrix, width a multiple of 8). */
    void (*advance_each)(struct lane_block *block, size_t count);
};

#endif
