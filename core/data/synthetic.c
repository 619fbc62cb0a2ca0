/* Allocation and draws that the generators share. */
#include "data/synthetic.h"

#include <math.h>
#include <stdlib.h>

#include "rng.h"

/* y, truth, start and the generator. */
static enum status open_vectors(struct dataset *dataset, bool start_too, uint64_t seed, gsl_rng **rng,
                                struct error *error)
{
    size_t n = dataset->train.rows, d = dataset->train.cols;
    struct rng_stream stream = rng_stream(seed, RNG_DATA, 0, 0);
    dataset->y = calloc(n, sizeof *dataset->y);
    dataset->truth = calloc(d, sizeof *dataset->truth);
    dataset->start = start_too ? calloc(d, sizeof *dataset->start) : NULL;
    if (!dataset->y || !dataset->truth || (start_too && !dataset->start))
        return error_memory(error, (n + 2 * d) * sizeof(double), "synthetic data");
    if (!rng)
        return STATUS_OK;
    *rng = rng_gsl_open(&stream);
    return *rng ? STATUS_OK : error_memory(error, 0, "a random stream");
}

enum status synthetic_open(struct dataset *dataset, size_t n, size_t d, bool start_too, uint64_t seed, gsl_rng **rng,
                           struct error *error)
{
    if (rng)
        *rng = NULL;
    enum status status = matrix_alloc_dense(&dataset->train, n, d, error);
    return status ? status : open_vectors(dataset, start_too, seed, rng, error);
}

enum status synthetic_open_sparse(struct dataset *dataset, size_t n, size_t d, size_t row_entries, uint64_t seed,
                                  gsl_rng **rng, struct error *error)
{
    *rng = NULL;
    if (row_entries > d)
        return error_set(error, STATUS_USAGE, "nnz is %zu: a row of d = %zu columns cannot hold more than that",
                         row_entries, d);
    enum status status = matrix_alloc_sparse(&dataset->train, n, d, n * row_entries, error);
    return status ? status : open_vectors(dataset, false, seed, rng, error);
}

double synthetic_logistic_label(gsl_rng *rng, double z)
{
    return gsl_rng_uniform(rng) < 1 / (1 + exp(-z)) ? 1 : -1;
}
