/* The runner: OpenMP over the blocks of a plan, one writer, progress, resume, stop. */
#ifndef SGDLAB_RUNNER_H
#define SGDLAB_RUNNER_H

#include "store.h"

enum runner_phase { RUNNER_PLANNING, RUNNER_SOLVING, RUNNER_RUNNING, RUNNER_FINISHED };

/* A picture of where a run stands, handed to the observer whenever the phase changes and ten times a second while
 * running. */
struct progress {
    const char *experiment;
    enum runner_phase phase;
    /* Replicates, also where they are done in groups. before: found in the store; done: by this call */
    size_t runs_total, runs_before, runs_done, diverged, failed;
    double seconds;      /* since the start of this experiment; while running: since the first block */
    double seconds_left; /* from the cost done and left; NaN until it can be trusted */
};

struct runner_options {
    int threads;             /* <= 0: all cores */
    size_t shard, shards;    /* 1-based; 1/1: everything */
    bool keep_going;         /* go on after a failed run */
    const atomic_bool *stop; /* becomes true: leave within 2 s; looked at in the phase RUNNER_RUNNING */
    /* NULL: none. Called from another thread than runner_run's while running, but never twice at once. */
    void (*observer)(void *context, const struct progress *progress);
    void *context;
};

/* The number of threads that `threads` <= 0 stands for: all cores of this process, or $OMP_NUM_THREADS. */
int runner_default_threads(void);

/* What a run of the whole sweep (of this shard) would be, whatever is stored. */
struct preview {
    size_t cells; /* different ones */
    size_t runs, blocks,
        lanes_max;  /* runs: replicates, as in struct progress; lanes_max: cells and replicates of a block */
    size_t solo;    /* of the blocks: timed alone */
    double seconds; /* predicted */
    double bytes;   /* of results, about */
};
enum status runner_preview(const struct sweep *sweep, const struct runner_options *options, struct preview *preview,
                           struct error *error);

/* Runs everything of the sweep that the store does not hold yet and flushes the store. Results do not depend on
 * threads, shards or what was there before. STATUS_INTERRUPTED when *stop became true; what was finished stays. A run
 * that fails is stored with its reason and makes this call return that status at its end: at once (running blocks
 * finish), or after all others with keep_going. *final is filled in every case. */
enum status runner_run(struct sweep *sweep, struct store *store, const char *settings_json,
                       const struct runner_options *options, struct progress *final, struct error *error);

#endif
