/* The steps of many short chains (short_rows.c); there is one form, for CPUs with AVX2. */
#ifndef SGDLAB_SHORT_ROWS_H
#define SGDLAB_SHORT_ROWS_H

#include "kernels/block.h"

/* Does the chunk's steps x -= eta g and returns true when they have that form: one sample each from dense rows of at
 * most 8 columns, no penalty, clipping, ball or average. */
bool short_rows_advance(struct lane_block *block, size_t count);

#endif
