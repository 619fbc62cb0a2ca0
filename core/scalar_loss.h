/* The scalar losses phi(z, y) of the linear models, z = a.x: written for reading, with libm. The kernels' vector forms
 * and the certified optimum both answer to these. */
#ifndef SGDLAB_SCALAR_LOSS_H
#define SGDLAB_SCALAR_LOSS_H

#include "problem.h"

extern const struct scalar_loss scalar_loss_squares;  /* (z - y)^2 / 2 */
extern const struct scalar_loss scalar_loss_logistic; /* log(1 + exp(-y z)), y = -1 or +1 */
extern const struct scalar_loss scalar_loss_hinge;    /* max(0, 1 - y z), y = -1 or +1; slope 0 at y z = 1 */
extern const struct scalar_loss scalar_loss_absolute; /* |z - y|; slope 0 at z = y */
extern const struct scalar_loss scalar_loss_linear;   /* y z */
extern const struct scalar_loss scalar_loss_quartic;  /* z^4 / 4 + y z */

#endif
