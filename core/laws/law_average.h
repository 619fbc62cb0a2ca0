/* Averages of measured curves over recorded points and chains, with the standard error between groups of chains: points
 * along one chain are not independent, chains are. And the points of a figure's series while they are collected. */
#ifndef SGDLAB_LAW_AVERAGE_H
#define SGDLAB_LAW_AVERAGE_H

#include "laws/law.h"

/* The curve of a metric that the law needs, or STATUS_USAGE: not recorded. NULL before the run. */
enum status law_need_curve(const struct law_input *input, const struct law_cell *cell, enum metric metric,
                           const struct law_curve **curve, struct error *error);

struct law_average {
    double value, se;
    uint64_t chains;
};
/* sum_p weight[p] E y_p over the points of nonzero weight. One such point: its standard error is that of the chains;
 * several: the scatter of the groups' sums about their mean, weighted by the groups' chains. A point where a chain had
 * diverged makes the value NaN. STATUS_USAGE: fewer than two groups for several points. */
enum status law_average(const struct law_curve *curve, const double *weight, struct law_average *out,
                        struct error *error);
/* ln of the ratio of two such sums with the same weights, over groups that are paired when the cells share streams. */
enum status law_log_ratio(const struct law_curve *above, const struct law_curve *below, const double *weight,
                          struct law_average *out, struct error *error);

/* Before the run: the standard error, relative, of the mean of y_p/E y_p over points and chains, where each y has
 * relative standard deviation `sd` and log_decay[p] grows so that points p < q have correlation
 * exp(log_decay[p] - log_decay[q]). */
double law_average_planned(size_t points, const double *log_decay, double sd, double chains);

struct law_points {
    double *x, *y, *low, *high;
    size_t count, capacity;
    bool full; /* an allocation failed: law_points_draw tells */
};
void law_points_add(struct law_points *points, double x, double y, double half);
/* Adds them to the panel and forgets them; none: nothing. Symbols get bars y -+ half, measured curves a band, unless
 * all are 0. */
enum status law_points_draw(struct law_points *points, struct panel *panel, enum series_kind kind, const char *label,
                            int colour, struct error *error);
void law_points_free(struct law_points *points);

#endif
