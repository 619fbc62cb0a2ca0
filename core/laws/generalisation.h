/* Shared by the files of the law about generalisation: runs on several splits of the data, by set-up, batch size and
 * rate; their results by unit of replication; and rates that are chosen on one half of the units for the other. */
#ifndef SGDLAB_LAWS_GENERALISATION_H
#define SGDLAB_LAWS_GENERALISATION_H

#include "laws/law.h"

/* Cells that differ in the split of the data alone. */
struct arm {
    char *identity; /* the cell's canonical text without the split */
    size_t setup;   /* its number */
    size_t batch_size;
    double rate;
    double pass, epochs; /* epochs of one step, and of the whole run */
    uint64_t steps;
    const struct law_cell **split; /* [study.splits] */
    size_t splits;
};

/* Neighbours in study.arm: of one set-up and batch size. */
struct rates {
    const struct arm *arm;
    size_t count;
};

/* Which arm stands for a batch size: for the first half of the units, for the second. */
struct choice {
    const struct arm *arm[2];
};

/* Arms that differ in batch size and rate alone: either at equal steps, or at equal epochs up to whole steps. */
struct setup {
    char *identity; /* without batch size, rate and steps */
    uint64_t steps; /* of its first arm */
    double pass, epochs;
};

struct study {
    const struct law_input *input;
    bool equal_steps;    /* otherwise set-ups have equal epochs */
    struct arm *arm;     /* by set-up, batch size, rate */
    struct setup *setup; /* [setups] */
    size_t arms, setups;
    size_t splits, replicates;
    /* What is independent: the splits, each a mean over its replicates; or, where there is one split, the replicates.
     * Splits of the same samples overlap, so intervals speak of this data set, split anew and trained anew. */
    size_t units;
};

/* STATUS_USAGE: not training runs, keep: moments, splits or replicates that are not there for all. */
enum status study_open(const struct law_input *input, bool equal_steps, struct study *study, struct error *error);
void study_close(struct study *study);

/* The arms of the set-up with the smallest batch size above `above`; count 0: none. */
struct rates study_next(const struct study *study, size_t setup, size_t above);

/* A unit's result at a recorded point: the mean over its replicates; of the logarithm for METRIC_SHARPNESS. A run that
 * diverged has accuracy 0. NaN: not known. */
double study_value(const struct study *study, const struct arm *arm, enum metric metric, size_t unit, size_t point);
double choice_value(const struct study *study, const struct choice *choice, enum metric metric, size_t unit,
                    size_t point);
size_t study_points(const struct study *study);
bool study_has(const struct study *study, enum metric metric);

/* Half of a unit: 0 or 1. */
size_t study_half(const struct study *study, size_t unit);
/* For each half the rate with the best mean final test accuracy in the other half. Before the run, the first. */
struct choice study_tune(const struct study *study, const struct rates *rates);

/* Mean and standard error of `count` numbers; the error is NaN for fewer than two. */
struct estimate {
    double mean, se;
};
struct estimate estimate_of(const double *value, size_t count);

/* pairs: only set-ups of several batch sizes; tuned: batch sizes at their tuned rates, else every arm; reached: a level
 * of accuracy, NaN: none. */
enum status generalisation_draw(const struct study *study, bool pairs, bool tuned, double reached,
                                struct law_figure *figure, struct error *error);

#endif
