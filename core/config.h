/* A resolved configuration: everything that determines one cell of a sweep, ready for the engine. sweep.h makes these
 * from YAML; nothing here is text any more. */
#ifndef SGDLAB_CONFIG_H
#define SGDLAB_CONFIG_H

#include "averager.h"
#include "problem.h"
#include "record.h"
#include "reference.h"
#include "sampler.h"
#include "schedule.h"

struct update_type; /* kernels/update.h */

enum start_kind { START_ZEROS, START_GAUSSIAN, START_OPTIMUM, START_LIST, START_INSTANCE, START_INITIAL };
struct start {
    enum start_kind kind;
    /* START_INITIAL: the model's own random start (model.h) */
    double scale;       /* gaussian: standard deviation of each coordinate; optimum: added to every coordinate of x*;
                           instance: x* + the data's own start (dataset.h), no scale */
    const double *list; /* list: d values, borrowed */
};

enum clip_each { CLIP_NONE, CLIP_SAMPLE, CLIP_BATCH };
enum run_kind { KIND_TRAINING, KIND_ESTIMATOR };
enum timing { TIMING_PACKED, TIMING_SOLO };

/* What is stored: every run, or moments over groups of GROUP_CHAINS consecutive replicates (group.h). */
enum keep { KEEP_RUNS, KEEP_MOMENTS };
enum { GROUP_CHAINS = 64 };

/* Where an estimator run freezes the iterate. */
enum at_kind {
    AT_START,
    AT_OPTIMUM,
    AT_GAUSSIAN,         /* at_scale N(0, I) */
    AT_AFTER,            /* after `steps` training steps of this very configuration */
    AT_OPTIMUM_GAUSSIAN, /* x* + at_scale N(0, I) */
};

struct run_config {
    enum run_kind kind;
    struct problem problem;
    const struct data_spec *data_spec; /* how problem.data was prepared; borrowed; NULL: not known (tests) */
    const struct reference *reference; /* borrowed; NULL until solved; ->exists may be false */
    struct start start;
    const struct sampler_type *sampler;
    struct param_values sampler_values;
    size_t batch_size; /* m */
    bool keep_last;
    struct schedule schedule;
    const struct update_type *update;
    struct param_values update_values;
    double clip_norm; /* tau */
    enum clip_each clip;
    const struct averager_type *averager;
    struct param_values averager_values;
    size_t local_workers, sync_every; /* 1, 1: no local SGD */
    uint64_t steps;                   /* T */
    const struct record_grid *grid;   /* borrowed; made from steps, points and spacing */
    size_t points;
    enum record_spacing spacing;
    unsigned metrics; /* bits 1u << METRIC_... */
    enum timing timing;
    enum keep keep;
    uint64_t stream_group; /* rng group: hash of the values of the independent_over axes, 0: shared */
    /* estimator runs */
    enum at_kind at;
    double at_scale;
    uint64_t draws;
    uint64_t
        velocity_steps; /* t > 0: (1 - beta) v_t is studied, beta the momentum of `update`; 0: the batch gradient */
};

#endif
