/* Exact mean curve of local SGD on least squares: K workers with independent batches, averaged every few steps. Q is
 * the second moment across two workers, whose noises are independent: Q+ = (I - eta H_2) Q (I - eta H_2). The mean of
 * the workers has M/K + (1 - 1/K) Q, and at a synchronisation both M and Q become that. */
#include <stdlib.h>
#include <string.h>

#include "laws/oracle_internal.h"

enum status oracle_local_sgd(const struct oracle *oracle, double kappa, size_t workers, uint64_t sync_every,
                             const double *e0, const double *eta, uint64_t steps, double *gap, struct error *error)
{
    const size_t d = oracle->d, dd = d * d;
    struct oracle_state *worker;
    if (workers == 0 || sync_every == 0)
        return error_set(error, STATUS_USAGE, "local SGD needs at least 1 worker and 1 step between averages");
    enum status status = oracle_state_open(oracle, kappa, e0, false, &worker, error);
    if (status != STATUS_OK)
        return status;
    double *across = malloc(4 * dd * sizeof *across);
    if (!across) {
        oracle_state_close(worker);
        return error_memory(error, 4 * dd * sizeof *across, "the moment recursion");
    }
    double *drift = across + dd, *half = drift + dd, *mean = half + dd;
    const double share = 1.0 / (double)workers;
    memcpy(across, worker->m, dd * sizeof *across);
    gap[0] = oracle_gap(worker);
    for (uint64_t t = 0; t < steps; t++) {
        oracle_step(worker, eta[t]);
        oracle_drift(oracle, eta[t], drift);
        oracle_product(d, drift, across, half);
        oracle_product_t(d, half, drift, across);
        for (size_t k = 0; k < dd; k++)
            mean[k] = share * worker->m[k] + (1.0 - share) * across[k];
        gap[t + 1] = 0.5 * oracle_trace(d, oracle->h2, mean);
        if ((t + 1) % sync_every == 0) {
            memcpy(worker->m, mean, dd * sizeof *mean);
            memcpy(across, mean, dd * sizeof *mean);
        }
    }
    free(across);
    oracle_state_close(worker);
    return STATUS_OK;
}
