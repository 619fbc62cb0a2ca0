/* The power table of a dry run. */
#ifndef SGDLAB_POWER_H
#define SGDLAB_POWER_H

#include "sweep.h"

/* Prints, for every law that these sweeps name, what it could decide; nothing when they name none. Returns an exit
 * status. */
int print_power(struct sweep *const *sweep, size_t count);

#endif
