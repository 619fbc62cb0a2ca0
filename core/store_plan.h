/* What the store keeps of an experiment's plan, as plain structs: a sweep is turned into these (store_sweep.c), and a
 * test can make them without one. */
#ifndef SGDLAB_STORE_PLAN_H
#define SGDLAB_STORE_PLAN_H

#include "store.h"

struct plan_cell {
    const char *json; /* canonical text */
    enum run_kind kind;
    enum keep keep;
    unsigned metrics;
    struct cell_columns columns;
    const char *data_checksum;
    size_t data_test, data_nnz;
    const struct reference *reference; /* NULL: not solved yet */
    size_t points;                     /* recorded ones; entries of the three curves below, 0 for estimator runs */
    const uint64_t *step;
    const uint64_t *samples; /* sample gradients used before that step */
    const double *rate;      /* learning rate of that step */
};

struct plan_source {
    const char *name, *question, *config;  /* config: the YAML text */
    const char *settings, *axes, *figures; /* JSON */
    size_t cells, replicates;
    uint64_t seed;
    /* Fills *cell, 0 <= index < cells; what it points to lives until the next call. */
    enum status (*cell)(void *context, size_t index, struct plan_cell *cell, struct error *error);
    void *context;
};

enum status store_put_plan_source(struct store *store, const struct plan_source *source, int64_t *cell_id,
                                  struct error *error);

/* Sample gradients that a run of this configuration has used before step `step`: over all workers of local SGD. */
uint64_t samples_used(const struct run_config *config, uint64_t step);

#endif
