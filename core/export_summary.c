/* summary.csv: what the replicates of a cell have in common at each recorded step. */
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "export_internal.h"

enum { SECONDS = METRIC_COUNT, COLUMNS_MAX };

/* The numbers of the columns that this experiment has: metrics, then seconds. */
static size_t list_columns(const struct exporter *exporter, int column[COLUMNS_MAX])
{
    size_t count = 0;
    for (int metric = 0; metric < METRIC_COUNT; metric++)
        if (exporter->kinds.metrics >> metric & 1)
            column[count++] = metric;
    column[count++] = SECONDS;
    return count;
}

static void raw(struct text_table *table, const char *text)
{
    output_write(&table->file, text, strlen(text));
}

void export_summary_header(struct exporter *exporter)
{
    static const char *const statistic[] = {"_mean", "_se", "_median", "_q10", "_q90"};
    struct text_table *table = &exporter->summary;
    int column[COLUMNS_MAX];
    size_t columns = list_columns(exporter, column);
    raw(table, CELL_HEADER ",step,epoch,samples,n_runs,n_diverged");
    for (size_t c = 0; c < columns; c++)
        for (size_t s = 0; s < sizeof statistic / sizeof *statistic; s++) {
            raw(table, ",");
            raw(table, column[c] == SECONDS ? "train_seconds" : metric_info[column[c]].name);
            raw(table, statistic[s]);
        }
    table_end(table);
}

double export_quantile(const double *value, size_t count, double share)
{
    double position = share * (double)(count - 1);
    size_t below = (size_t)floor(position);
    if (below + 1 < count && isinf(value[below + 1])) /* interpolating would give 0 * infinity = NaN */
        return position > (double)below ? value[below + 1] : value[below];
    return gsl_stats_quantile_from_sorted_data(value, 1, count, share);
}

static void put_statistics(struct text_table *table, double *value, size_t count)
{
    gsl_sort(value, 1, count);
    if (isinf(value[count - 1])) {
        table_blank(table);
        table_blank(table);
    } else {
        double mean = gsl_stats_mean(value, 1, count);
        table_real(table, mean);
        if (count > 1)
            table_real(table, gsl_stats_sd_m(value, 1, count, mean) / sqrt((double)count));
        else
            table_blank(table);
    }
    table_real(table, export_quantile(value, count, 0.5));
    table_real(table, export_quantile(value, count, 0.1));
    table_real(table, export_quantile(value, count, 0.9));
}

/* One stretch of recorded points of all runs of the cell. */
struct stretch {
    size_t first, points, runs, columns;
    int column[COLUMNS_MAX];
    bool defined[COLUMNS_MAX]; /* some run has that metric */
};

static double *values_at(const struct exporter *exporter, const struct stretch *stretch, size_t column, size_t point)
{
    return exporter->value + (column * stretch->points + point) * stretch->runs;
}

/* A run that has left by then, or shows no number, counts as +infinity. */
static void take_run(struct exporter *exporter, struct stretch *stretch, size_t index, size_t *diverged)
{
    const struct stored_run *run = &exporter->run;
    for (size_t c = 0; c < stretch->columns; c++) {
        const double *curve = stretch->column[c] == SECONDS ? run->seconds : run->metric[stretch->column[c]];
        stretch->defined[c] = stretch->defined[c] || curve;
        for (size_t p = 0; p < stretch->points; p++) {
            size_t point = stretch->first + p;
            double value = curve && point < run->points ? curve[point] : (double)INFINITY;
            values_at(exporter, stretch, c, p)[index] = isfinite(value) ? value : (double)INFINITY;
        }
    }
    for (size_t p = 0; p < stretch->points; p++)
        diverged[p] += stretch->first + p >= run->points;
}

void export_summary_point(struct exporter *exporter, size_t point, uint64_t runs, uint64_t diverged)
{
    struct text_table *table = &exporter->summary;
    const struct stored_cell *cell = &exporter->cell;
    export_cell_columns(table, exporter);
    table_count(table, cell->step[point]);
    table_real(table, (double)cell->samples[point] / (double)cell->columns.n);
    table_count(table, cell->samples[point]);
    table_count(table, runs);
    table_count(table, diverged);
}

static void put_rows(struct exporter *exporter, const struct stretch *stretch, const size_t *diverged)
{
    struct text_table *table = &exporter->summary;
    for (size_t p = 0; p < stretch->points; p++) {
        export_summary_point(exporter, stretch->first + p, stretch->runs, diverged[p]);
        for (size_t c = 0; c < stretch->columns; c++) {
            if (stretch->defined[c])
                put_statistics(table, values_at(exporter, stretch, c, p), stretch->runs);
            else
                for (int blank = 0; blank < 5; blank++)
                    table_blank(table);
        }
        table_end(table);
    }
}

static enum status read_stretch(struct exporter *exporter, struct stretch *stretch, size_t *diverged,
                                struct error *error)
{
    const struct stored_experiment *experiment = exporter->experiment;
    uint64_t replicate = 0;
    for (size_t index = 0; index < stretch->runs; index++) {
        bool found;
        enum status status = store_read_run(exporter->store, exporter->mark, exporter->cell.id, experiment->seed,
                                            replicate, &exporter->run, &found, error);
        if (status != STATUS_OK)
            return status;
        if (!found)
            return error_set(error, STATUS_IO, "runs of experiment '%s' went away during the export", experiment->name);
        take_run(exporter, stretch, index, diverged);
        replicate = exporter->run.replicate + 1;
    }
    return STATUS_OK;
}

enum status export_summary(struct exporter *exporter, size_t runs, struct error *error)
{
    struct stretch stretch = {.runs = runs};
    size_t points = exporter->cell.points;
    if (runs == 0 || points == 0)
        return STATUS_OK;
    stretch.columns = list_columns(exporter, stretch.column);
    size_t at_once = exporter->values_at_once / (runs * stretch.columns);
    at_once = at_once < 1 ? 1 : at_once > points ? points : at_once;
    size_t needed = at_once * runs * stretch.columns;
    if (needed > exporter->value_capacity) {
        free(exporter->value);
        exporter->value = malloc(needed * sizeof(double));
        exporter->value_capacity = exporter->value ? needed : 0;
    }
    size_t *diverged = malloc(at_once * sizeof *diverged);
    if (!exporter->value || !diverged) {
        free(diverged);
        return error_memory(error, needed * sizeof(double), "the values of a cell");
    }
    enum status status = STATUS_OK;
    for (size_t first = 0; first < points && status == STATUS_OK; first += at_once) {
        stretch.first = first;
        stretch.points = points - first < at_once ? points - first : at_once;
        memset(stretch.defined, 0, sizeof stretch.defined);
        memset(diverged, 0, at_once * sizeof *diverged);
        status = read_stretch(exporter, &stretch, diverged, error);
        if (status == STATUS_OK)
            put_rows(exporter, &stretch, diverged);
    }
    free(diverged);
    return status;
}
