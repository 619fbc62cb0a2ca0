/* What laws about rates of convergence share: a gap measured at several budgets, or along the steps of one run, against
 * what theory says of it; its values, its slope on logarithmic axes, its limit, and the figure of all of them. */
#ifndef SGDLAB_LAW_RATE_H
#define SGDLAB_LAW_RATE_H

#include "laws/law.h"
#include "stats.h"

/* A cell's curves: those of the results, or before the run those of a pilot of a few chains, whose standard errors are
 * scaled to the replicates that are planned. */
struct rate_curves {
    const struct law_curve *metric[METRIC_COUNT]; /* NULL: not recorded */
    struct law_curve *pilot;                      /* [METRIC_COUNT]; NULL: not a plan */
};
/* STATUS_USAGE: no plain SGD with batches drawn anew at every step from a fixed start (what laws about rates speak of);
 * STATUS_NUMERICAL: chains diverged, so that the mean of the others is none. Free with rate_curves_close, also after a
 * failure. */
enum status rate_curves_open(const struct law_input *input, const struct law_cell *cell, struct rate_curves *out,
                             struct error *error);
void rate_curves_close(struct rate_curves *curves);

/* The start [d] of the cell's runs, and kappa of its batches. */
enum status rate_start(const struct law_cell *cell, double *x0, struct error *error);
double rate_kappa(const struct law_cell *cell);

/* A quantity that falls like limit_constant x^power. Its points are of independent runs (one for each budget), or
 * `along` one curve, whose points hang together: slopes then come from the bootstrap over groups. */
struct rate_track {
    char instance[128]; /* "signs, c = 1, m = 1" */
    char quantity[40];  /* "E gap_T", "R_T" */
    char label[96];     /* what tells it from the other tracks of a figure: "last", "η = 0.04" */
    const char *x_name; /* "T", "t + t0" */
    size_t count, capacity;
    double *x;                     /* the budget T, or t + t0 */
    double *predicted;             /* NaN: theory says nothing of this point */
    double *measured, *se;         /* before the run: the pilot's */
    double *low, *high;            /* bounds of theory; NaN: none */
    uint64_t chains;               /* behind each point, the fewest */
    bool exact;                    /* the predictions have no approximation */
    double power;                  /* of x, in the limit: -1/2, -1, -2 c mu */
    double limit;                  /* lim quantity x^-power; NaN: not known */
    struct rate_curves curves;     /* along: owned by the track */
    const struct law_curve *along; /* NULL: independent points */
    size_t first;                  /* along: recorded point of the track's first */

    /* rate_check_slope leaves here what was fitted, for the figure; fitted: there is something */
    bool fitted;
    double slope, slope_se, slope_predicted;
};
enum status rate_track_alloc(struct rate_track *track, size_t capacity, struct error *error);
void rate_track_free(struct rate_track *track);
/* Appends recorded point p of the curve; bounds are NaN at first. */
void rate_track_point(struct rate_track *track, double x, double predicted, const struct law_curve *curve, size_t p);

/* ---- checks; before the run measured is NaN ---- */

/* Values at about `wanted` points spread over the track, the last among them, which alone stands for a curve among the
 * p-values. */
enum status rate_check_values(const struct law_input *input, const struct rate_track *track, size_t wanted,
                              struct check_list *checks, struct error *error);
/* Independent points: the weighted mean of ln(measured/predicted) over all of them, as one check. */
enum status rate_check_level(const struct law_input *input, const struct rate_track *track, struct check_list *checks,
                             struct error *error);
/* The slope of ln quantity on ln x: against theory's on the same points with the same weights, or `bare` against the
 * power that the track names (also where theory names no values). Needs 3 points of different x, else does nothing. */
enum status rate_check_slope(const struct law_input *input, struct rate_track *track, bool bare,
                             struct check_list *checks, struct error *error);
/* quantity x^-power at the last point against its limit; none where that is not known. */
enum status rate_check_limit(const struct law_input *input, const struct rate_track *track, struct check_list *checks,
                             struct error *error);
/* Upper bounds at the last `wanted` points that have one. */
enum status rate_check_bounds(const struct law_input *input, const struct rate_track *track, size_t wanted,
                              struct check_list *checks, struct error *error);

/* Standard error of a statistic of the means at the track's points, by the bootstrap over the groups of `along`. */
enum status rate_bootstrap(const struct law_input *input, const struct rate_track *track,
                           double (*statistic)(const double *mean, void *context), void *context, double *se,
                           struct error *error);

/* ---- figure ---- */

/* Two panels: quantity x^-power against x with bounds shaded, and quantity against x with fitted slopes and their 95%
 * intervals. Nothing is drawn when no track has two points. */
enum status rate_figure(struct law_figure *figure, const struct rate_track *track, size_t count, const char *x_label,
                        const char *scaled_label, const char *label, struct error *error);

#endif
