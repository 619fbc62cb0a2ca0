/* What the generators of data/synthetic*.c share. Each draws from the stream (data_seed, RNG_DATA, 0, 0) through GSL's
 * distributions, in the order that its comment states, so its numbers depend on its parameters and the seed alone. */
#ifndef SGDLAB_SYNTHETIC_H
#define SGDLAB_SYNTHETIC_H

#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <stdint.h>

#include "data/dataset.h"

enum { SYNTHETIC_ROWS_MAX = 100000000, SYNTHETIC_COLS_MAX = 10000000 };

/* dataset->train zeroed and dense of n x d, y of n, truth of d and, when start_too, start of d entries; a generator. On
 * failure dataset_close frees what there is and *rng is NULL. */
enum status synthetic_open(struct dataset *dataset, size_t n, size_t d, bool start_too, uint64_t seed, gsl_rng **rng,
                           struct error *error);
/* The same with a CSR matrix of `row_entries` in each row. */
enum status synthetic_open_sparse(struct dataset *dataset, size_t n, size_t d, size_t row_entries, uint64_t seed,
                                  gsl_rng **rng, struct error *error);

/* -1 or +1: +1 with probability 1 / (1 + exp(-z)). */
double synthetic_logistic_label(gsl_rng *rng, double z);

#endif
