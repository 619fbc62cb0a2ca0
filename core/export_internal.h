/* What the files of the export share. */
#ifndef SGDLAB_EXPORT_INTERNAL_H
#define SGDLAB_EXPORT_INTERNAL_H

#include "store_read.h"
#include "text_table.h"

/* The export of one experiment. */
struct exporter {
    struct store *store;
    const struct stored_experiment *experiment;
    struct experiment_kinds kinds;
    int64_t mark;
    struct text_table runs, points, moments, summary, estimator, covariance, references;
    bool any_covariance;
    struct stored_cell cell;
    struct stored_run run;
    struct stored_group group;
    double *value; /* summary: [column][point][run] of a stretch of points */
    size_t value_capacity, values_at_once;
};

/* store_export with a bound on the values that a summary holds in memory: a cell with more is read in stretches of
 * points. */
enum status export_tables(struct store *store, const char *dir, const char *experiment, size_t values_at_once,
                          struct error *error);

/* experiment, cell, ..., l2: what runs.csv and summary.csv say about a cell. */
#define CELL_HEADER "experiment,cell,problem,data,n,d,sampling,batch_size,schedule,rate,update,momentum,averaging,l2"
void export_cell_columns(struct text_table *table, const struct exporter *exporter);

/* Header rows and the rows of the exporter's cell; `runs` of them are in the store. */
void export_summary_header(struct exporter *exporter);
enum status export_summary(struct exporter *exporter, size_t runs, struct error *error);
/* What begins a row of summary.csv: the cell, the recorded point, how many runs there are and have diverged by then. */
void export_summary_point(struct exporter *exporter, size_t point, uint64_t runs, uint64_t diverged);

/* export_moments.c: moments.csv and the rows of summary.csv of a cell that keeps moments. */
void export_moments_header(struct exporter *exporter);
enum status export_moments(struct exporter *exporter, struct error *error);

/* value[count], sorted, may end in +infinity; 0 <= share <= 1. Type 7 of Hyndman and Fan, "Sample quantiles in
 * statistical packages" (1996), as gsl_stats_quantile_from_sorted_data, but right where infinities begin. */
double export_quantile(const double *value, size_t count, double share);

#endif
