/* Inside sgdlab bench. A row is one thing to be timed; rows are repeated in turn, each right after its yardstick (the
 * FMA peak of its instruction set) and near its rival (the plain loop on the same work), because a machine's speed
 * drifts: ratios are taken within a repetition, and then their median. */
#ifndef BENCH_H
#define BENCH_H

#include "engine.h"
#include "json.h"
#include "kernels/isa.h"

struct plain_run;

enum { BENCH_REPETITIONS_MAX = 101, BENCH_ROWS_MAX = 64 };

struct bench_settings {
    size_t repetitions;
    double seconds;   /* at least, for one repetition of one row */
    const char *only; /* rows whose title holds this text; NULL: all */
    bool quick;
};

/* What one instruction set has to offer: kernels, peak, and the plain loop compiled for it. */
struct bench_isa {
    const struct kernel_set *kernels;
    void (*plain_loop)(const struct plain_run *run);
    double (*fma)(uint64_t rounds);
    void (*triad)(double *restrict a, const double *restrict b, const double *restrict c, size_t n);
    double fma_flops; /* per round */
    uint64_t fma_rounds;
    size_t peaks;
    double *peak; /* flops per second, one entry for each time it was measured */
};

struct bench_work {
    const char *name;
    const struct dataset *data;
    const char *problem;
    double l2, rate;           /* rate of the last lane; the others' are below it */
    size_t batch_size, hidden; /* hidden: units of a network's one hidden layer */
    enum block_layout layout;
};

struct bench_row {
    const struct bench_work *work; /* NULL: none */
    const char *name, *unit;       /* what is counted: "sample gradients", ... */
    struct bench_isa *isa;
    bool plain; /* the rival itself */
    size_t lanes;
    double units;            /* counted per step */
    double flops, bytes;     /* per unit: useful arithmetic, and data that must be read; 0: not looked at */
    struct bench_row *rival; /* NULL: none */
    /* Takes `steps` steps and tells how long they took. */
    enum status (*run)(const struct bench_row *row, uint64_t steps, double *seconds, struct error *error);
    uint64_t steps; /* so many take the time asked for */
    double rate[BENCH_REPETITIONS_MAX], of_peak[BENCH_REPETITIONS_MAX], of_rival[BENCH_REPETITIONS_MAX];
};

struct bench_rows {
    struct bench_isa isa[3];
    size_t isas;
    struct bench_isa *active;                            /* what the program uses, as $SGDLAB_KERNEL had it */
    struct dataset *digits, *classes, *sparse, *squares; /* classes: digits with all ten */
    bool synthetic_sparse;                               /* w8a was not found */
    struct bench_work work[8];
    size_t works;
    struct bench_row row[BENCH_ROWS_MAX];
    size_t rows;
    struct bench_row program_kernel; /* where the experiment of bench_program.c spends its time; not in the list */
};

/* bench_rows.c: data and rows, each checked against the plain loop or a naive evaluation before anything is timed. */
enum status bench_rows_open(struct bench_rows *rows, const struct bench_settings *settings, struct error *error);
void bench_rows_close(struct bench_rows *rows);
/* "dense logistic, digits, m=1; 32 lanes; avx512" */
const char *bench_row_title(const struct bench_row *row, char *text, size_t size);

/* bench_measure.c */
struct bench_spread {
    double median, min, max;
};
double bench_now(void);
struct bench_spread bench_spread(const double *value, size_t count);
/* Finds row->steps. */
enum status bench_calibrate(struct bench_row *row, const struct bench_settings *settings, struct error *error);
/* Units per second, now. */
enum status bench_rate(const struct bench_row *row, double *rate, struct error *error);
/* Calibrates all rows and fills their rates and ratios; bandwidth[repetitions] in bytes per second. */
enum status bench_measure(struct bench_rows *rows, const struct bench_settings *settings, double *bandwidth,
                          size_t *triad_bytes, struct error *error);

/* What this machine itself gains from a second processor: two multiply-add loops at once against one after the other. 2
 * at most; less where the processors share a core or its clock. */
double bench_two_processors(const struct bench_isa *isa);

/* bench_program.c: the whole program, as processes of its own from start to end. */
enum { BENCH_PLANS = 2, BENCH_STORES = 2 };
struct bench_programs {
    bool has_sweep, has_plan, has_store;
    struct { /* one sweep, stored */
        size_t runs, epochs, points;
        double gradients;
        struct bench_spread seconds, rate, kernel_rate, of_kernel; /* one thread */
        double training, measuring;                                /* shares of that time */
        bool two;                                                  /* there is a second processor */
        struct bench_spread two_seconds, speedup, machine_speedup;
    } sweep;
    struct { /* a large sweep, planned, of which hardly anything is run */
        size_t cells, replicates;
        double seconds, memory, bytes;
    } plan[BENCH_PLANS];
    struct { /* tiny runs, stored */
        size_t runs, points;
        double seconds, bytes;
    } store[BENCH_STORES];
};
enum status bench_programs(struct bench_rows *rows, const struct bench_settings *settings, struct bench_programs *out,
                           struct error *error);

#endif
