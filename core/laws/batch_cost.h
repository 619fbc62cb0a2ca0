/* Shared by the files of the law about what a batch costs: clock, checks, figures. Times come from runs with timing:
 * solo, whose repetitions are interleaved: replicate by replicate, all cells in turn. A disturbance of the machine only
 * ever adds time, and to few of the many short stretches; so every time is a median, of a run over the stretches
 * between its recorded points, of a cell over its runs. */
#ifndef SGDLAB_LAWS_BATCH_COST_H
#define SGDLAB_LAWS_BATCH_COST_H

#include "laws/law.h"

enum { BATCH_SIZES_MAX = 64 };

/* A number of one run. */
struct timed {
    double value;
    size_t replicate;
};
/* Of several runs, in rising order. */
struct timed_list {
    size_t count;
    struct timed *run;
};

/* One cell: how long its steps are, and how long it takes to the target. */
struct timed_cell {
    const struct law_cell *cell;
    double *pace;                     /* [replicates]: seconds of a step */
    struct timed_list steps, seconds; /* until the gap is the target; INFINITY: never */
};

/* All cells of one batch size: they differ in the rate. */
struct timed_size {
    double m;
    bool full; /* all samples in their order, not m drawn ones */
    size_t cells;
    const struct timed_cell *cell;
    struct timed_list step; /* seconds of a step */
};

struct batch_cost {
    const struct law_input *input;
    size_t sizes, replicates; /* replicates: 0 before the run */
    struct timed_size *size;  /* of rising m, all samples in their order last */
    struct timed_cell *cell;  /* in that order */
    struct timed *buffer;
    double *pace;
};

/* Sorts the input's cells by batch size and times their steps. STATUS_USAGE: no timing: solo; cells of several
 * problems, data or ways of sampling. Free with batch_cost_close. */
enum status batch_cost_open(const struct law_input *input, struct batch_cost **out, struct error *error);
void batch_cost_close(struct batch_cost *cost); /* NULL is fine */
/* Steps and seconds of every run until its gap is `share` of the first one, between recorded points by its logarithm.
 * Seconds are steps times the run's own time of a step. at_least: where a run does not get there they are those of all
 * its steps, a lower limit. */
void batch_cost_aim(struct batch_cost *cost, double share, bool at_least);

/* weight[replicates]: how often each repetition counts, NULL: once, in all that follows. */
double timed_median(const struct timed_list *list, const double *weight);
/* Order statistics that hold the median with 95%, whatever the distribution: binomial ranks. */
void timed_interval(const struct timed_list *list, double *low, double *high);

/* The best rate's medians; NaN without cells. */
const struct timed_cell *fastest_cell(const struct timed_size *size, const double *weight);
double steps_to_target(const struct timed_size *size, const double *weight);
double seconds_to_target(const struct timed_size *size, const double *weight);

/* y = first + second x by least squares of the relative errors; residual: their root mean square. The drawn batches
 * alone: seconds of a step on m, alpha + beta m; steps to the target on 1/m, S_inf + S_inf B/m. NaN: fewer than three
 * points. */
struct cost_line {
    double first, second, residual;
};
struct cost_line step_line(const struct batch_cost *cost, const double *weight);
struct cost_line target_line(const struct batch_cost *cost, const double *weight);

/* The drawn batch size that is at the target first: the vertex of a parabola, in logarithms, through the times of the
 * best one and its neighbours up to a factor 8. And what the lines say: sqrt(alpha B/beta). */
double best_batch(const struct batch_cost *cost, const double *weight);
double predicted_batch(const struct batch_cost *cost, const double *weight);

/* NULL: there is none. */
const struct timed_size *size_of(const struct batch_cost *cost, double m);
const struct timed_size *full_size(const struct batch_cost *cost);

/* What a check measures, from weighted repetitions; its standard error by the bootstrap over repetitions, which draws
 * whole ones, all cells of a repetition together. */
typedef double batch_cost_value(const struct batch_cost *cost, const double *weight, const void *argument);
enum status batch_cost_se(const struct batch_cost *cost, batch_cost_value *value, const void *argument, bool relative,
                          double *se, struct error *error);

/* Of alpha and beta. */
enum status batch_cost_line_se(const struct batch_cost *cost, double se[2], struct error *error);

enum status batch_cost_draw_step(const struct batch_cost *cost, double almost, struct law_figure *figure,
                                 struct error *error);
enum status batch_cost_draw_best(const struct batch_cost *cost, double share, struct law_figure *figure,
                                 struct error *error);
/* Down to that share of the gap. Aims anew. */
enum status batch_cost_draw_full(struct batch_cost *cost, double tight, struct law_figure *figure, struct error *error);

#endif
