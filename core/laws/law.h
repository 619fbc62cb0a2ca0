/* Laws: claims of the theory as executable checks. A law looks at the results of one experiment, computes what theory
 * predicts for them, and emits checks (check.h) and one figure (law_figure.h). It reads nothing else and prints
 * nothing. A law is one file in laws/ and one line in registry_list.h. */
#ifndef SGDLAB_LAW_H
#define SGDLAB_LAW_H

#include "config.h"
#include "estimator.h"
#include "laws/check.h"
#include "laws/law_figure.h"
#include "registry.h"
#include "sweep.h"

/* One metric of one cell at its recorded steps, over replicates that did not diverge. A group is the unit of
 * replication in bootstraps: 64 chains under `keep: moments`, one run under `keep: runs`. */
struct law_curve {
    size_t points, groups;
    uint64_t chains;         /* replicates behind it, diverged ones included */
    const uint64_t *step;    /* [points] */
    uint64_t *count;         /* [points]: chains that had not diverged */
    double *mean, *variance; /* [points]: over chains; variance has divisor count - 1 */
    double *se;              /* [points]: of the mean */
    double *group_mean;      /* [groups][points]; NaN where all chains of the group had diverged */
    uint64_t *group_count;   /* [groups]: chains of each group */
};

/* One cell of the experiment with its results. */
struct law_cell {
    size_t cell;              /* number in the sweep */
    struct run_config config; /* resolved, reference solved */
    struct cell_columns columns;
    uint64_t chains, diverged; /* 0 chains: nothing there yet */
    bool moments;              /* keep: moments */
    const uint64_t *step;      /* [points]: recorded steps */
    size_t points;
    struct law_curve *curve[METRIC_COUNT]; /* NULL: not recorded */
    struct law_curve *seconds;          /* timing: solo: training seconds up to each point, a run a group; else NULL */
    struct estimator_result *estimator; /* [chains] under kind: estimator, one for each replicate; else NULL */
};

struct law_input {
    const char *experiment;
    struct sweep *sweep;
    struct law_cell *cell;
    size_t cell_count;                 /* different cells, in the order of the file */
    const struct param_values *values; /* of the law's own table */
    uint64_t replicates, seed;         /* asked for; the seed serves bootstraps (RNG_BOOTSTRAP) */
    /* Before the run: curves and estimators are all NULL. The law then emits the same checks with measured = NaN and
     * the standard error that it expects for `replicates`, for the power table of --dry-run. */
    bool planned;
    double margin_value, margin_slope; /* delta: of the experiment, or 0.02 and 0.02 */
};

struct law_type {
    struct method method; /* summary: the claim in one line, with its formula */
    const char *number;   /* "L3" */
    const char *title;    /* "Loss against steps" */
    const char *group;    /* heading in the verdict table: "Core", "Claims of the field", ... */
    const char *source;   /* paper, equation */
    /* Emits checks and draws. STATUS_USAGE: the experiment is not one that this law speaks of (says what it needs). */
    enum status (*evaluate)(const struct law_input *input, struct check_list *checks, struct law_figure *figure,
                            struct error *error);
};

#endif
