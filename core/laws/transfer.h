/* The transfer operator of constant-rate SGD in one dimension on two samples: with K of the m samples of a batch the
 * first one, binomial, x' = x - eta (K g_1(x) + (m-K) g_2(x))/m. (P u)(x) = E u(x') on a fine grid, linear in between:
 * probabilities of where the chain is after t steps, and of whether it has left the problem's region by then. */
#ifndef SGDLAB_TRANSFER_H
#define SGDLAB_TRANSFER_H

#include "config.h"

/* What laws about landscapes need of a run: plain steps at a constant rate, batches with replacement, the last
 * iterates, one worker, no clipping, no penalties, a problem with a region, a start that is not random; NULL: it is
 * all that. */
const char *landscape_obstacle(const struct run_config *config);

/* A sequence p_0, p_1, ... of probabilities that in the end is limit + c ratio^t: its values until then. */
struct settling {
    size_t count;  /* values that were computed */
    double *value; /* [count] */
    double limit, ratio;
};
double settling_at(const struct settling *s, uint64_t t);
double settling_sum(const struct settling *s, uint64_t t); /* p_0 + ... + p_{t-1}; t may be UINT64_MAX: all */
/* sum over s < t of (2 s + 1) p_s: the second moment of a waiting time whose survival this is; limit is 0. */
double settling_square(const struct settling *s, uint64_t t);
void settling_free(struct settling *s); /* all-zero is fine */

enum { TRANSFER_NODES = 16384 }; /* enough for four digits on the laws' landscapes (tested) */

/* P(x_t in the region | x_0 = start[i]). STATUS_UNSUPPORTED: more than two samples or one coordinate, or a chain that
 * may go to infinity; STATUS_NUMERICAL: it does not settle. Free each with settling_free. */
enum status transfer_occupancy(const struct problem *problem, size_t batch_size, double eta, size_t nodes,
                               size_t starts, const double *start, struct settling *out, struct error *error);
/* P(tau > t | x_0 = start), tau the first step outside of the region, in which start lies: p_t falls to 0 like
 * ratio^t. */
enum status transfer_survival(const struct problem *problem, size_t batch_size, double eta, size_t nodes, double start,
                              struct settling *out, struct error *error);

/* The same for problem `saddle` with targets -sigma, sigma, from the ridge: y_t = (1 + eta lambda)^t Z_t with Z_t a sum
 * of independent terms, and what has reached |y| >= r >= sigma/lambda does not come back, so P(tau > t) = P(|Z_t| <
 * r (1 + eta lambda)^-t), from the Fourier series of Z_t's law (its characteristic function is a product of cosines).
 */
enum status saddle_survival(const struct problem *problem, size_t batch_size, double eta, struct settling *out,
                            struct error *error);

#endif
