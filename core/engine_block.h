/* Inside the engine: the state of one block, shared by engine.c (stepping), engine_open.c (set-up), engine_measure.c
 * (recording) and group.c (block after block of the same cells). */
#ifndef SGDLAB_ENGINE_BLOCK_H
#define SGDLAB_ENGINE_BLOCK_H

#include "engine.h"
#include "kernels/isa.h"
#include "kernels/update.h"

enum {
    DRAW_STEPS = 64,     /* steps whose samples and rates are made at once */
    DRAW_INDICES = 4096, /* at most so many samples of one stream at once (one step at least) */
    CHECK_STEPS = 16,    /* divergence is looked for at multiples of this step */
    SINK_POINTS = 64,    /* recorded points that are collected before they go to the results */
};

/* An averager that some run of the block asks for. */
struct observer {
    const struct averager_type *type;
    const struct param_values *values;
    double weight; /* sum of w_s, s <= t */
};

/* Lanes whose schedules share one shape. */
struct shape_group {
    const struct schedule *schedule;
    size_t count, *lane;
};

struct allocation {
    struct allocation *next;
};

struct block {
    const struct kernel_set *kernels;
    const struct update_type *update;
    struct lane_block lanes;
    bool each;              /* a stream per lane */
    uint64_t step, horizon; /* iterate number, T */
    uint64_t checked;       /* step at which lanes that left were looked for last */

    /* runs, lanes and streams */
    size_t runs;
    const struct run_request *request;
    struct run_result *result;
    size_t *lane_of;                         /* [runs] */
    size_t *observer_of;                     /* [runs], NO_OBSERVER: the last iterate */
    bool reads_last;                         /* some run does */
    size_t trajectories;                     /* lanes in use, the first of `width` */
    const struct run_request **lane_request; /* [trajectories] */
    bool *retired;                           /* [trajectories] */
    size_t active;
    size_t workers, sync_every; /* local SGD: all lanes are workers of one run; 1, 1 otherwise */
    bool is_lazy;
    size_t window, in_window; /* lazy forms: steps between settlings, and since the last */
    double *lazy_memory;
    size_t lazy_doubles;
    struct sampler *sampler; /* one, or one for each lane */
    size_t samplers, max_batch, draw_steps;
    size_t scratch_words;   /* of each sampler */
    uint32_t *index, *size; /* chunk buffers: [samplers][index_stride], [draw_steps] */
    size_t index_stride;
    uint64_t drawn_from, drawn_until; /* steps whose samples and rates the buffers hold */
    const uint32_t *next_index;       /* of the next step */
    double *limit2;                   /* [width]: squared norm beyond which a lane has left */

    /* rates */
    struct shape_group *group;
    size_t groups;
    bool constant_rates;
    double *rate_floor, *rate_span, *eta, *shape, *warmup;

    /* averages */
    struct observer *observer;
    size_t observers;
    double **gain; /* [observers][DRAW_STEPS] */

    /* recording */
    size_t point, sunk;         /* points recorded, and of these handed to the results */
    double *sink[METRIC_COUNT]; /* [observers + 1][SINK_POINTS][width]: the last iterate is the last; NULL: not asked */
    bool timed;                 /* times are wanted point by point, else train_seconds is all there is */
    double train_seconds, measure_seconds;
    size_t measure_width; /* lanes of the measured iterates: width, or 1 for the mean of local SGD's workers */
    bool *has_optimum;    /* [trajectories] */
    double *f_star;       /* [trajectories]; 0 without an optimum */
    double *gap_sum;      /* [trajectories]: of the gaps before this step; NULL: mean_gap is not asked */
    bool all_quadratic;   /* h serves every lane, else full passes serve those without an optimum, or all */
    uint64_t *exit_time;  /* [trajectories]: the step at which it left the region, or NOT_LEFT; NULL: not asked */
    double *h, *optimum;  /* [dim][stride] (NULL: no quadratic form), [dim][width] */
    size_t h_stride;
    double *pass_scratch, *measured_gradient, *worker_mean; /* [FULL_PASS_ROWS][width], [dim][width], [dim][8] */
    double *sum, *part, *correct, *form, *grad2;            /* [width] */
    struct curvature *curvature;                            /* NULL: neither sharpness nor noise_scale is asked */

    struct allocation *allocations;
};

#define NOT_LEFT    UINT64_MAX
#define NO_OBSERVER SIZE_MAX /* in observer_of */

/* engine_open.c: memory and what does not depend on seed and replicate. request[count] and result[count] are used until
 * block_close; where block_defines a metric, result[i].metric[] has room for all points, or is NULL: not wanted. */
enum status block_open(struct block *block, const struct run_request *request, size_t count, enum block_layout layout,
                       struct run_result *result, struct error *error);
void block_close(struct block *block);
bool block_defines(const struct block *block, size_t run, enum metric metric);
/* To step 0 of the requests as they are now: streams, starts and results. They may have got other seeds and replicates
 * since block_open, in the same pattern. */
enum status block_begin(struct block *block, struct error *error);

/* engine.c: from block_begin to the end. STATUS_INTERRUPTED: *stop became true (error is not set). */
enum status block_advance(struct block *block, const atomic_bool *stop);
/* Fills what is left of the results. */
void block_finish(struct block *block);

/* engine_measure.c: records every active run at the current step. block_sink hands what was recorded to the results. */
void block_record(struct block *block);
void block_sink(struct block *block);
/* Adds the gaps of the current iterates to gap_sum. */
void block_add_gap(struct block *block);
/* Looks which of the current iterates are the first outside of the region. */
void block_note_exits(struct block *block);

#endif
