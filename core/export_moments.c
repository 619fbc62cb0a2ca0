/* The tables of cells that keep moments: moments.csv, a row per group and recorded point, and their part of
 * summary.csv. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "export_internal.h"

static void raw(struct text_table *table, const char *text)
{
    output_write(&table->file, text, strlen(text));
}

void export_moments_header(struct exporter *exporter)
{
    static const char *const moment[] = {"_mean", "_m2", "_m3", "_m4"};
    struct text_table *table = &exporter->moments;
    raw(table, CELL_HEADER ",step,epoch,samples,group,chains,count");
    for (int metric = 0; metric < METRIC_COUNT; metric++)
        for (size_t i = 0; exporter->kinds.metrics >> metric & 1 && i < sizeof moment / sizeof *moment; i++) {
            raw(table, ",");
            raw(table, metric_info[metric].name);
            raw(table, moment[i]);
        }
    table_end(table);
}

static void put_group(struct exporter *exporter)
{
    const struct stored_group *group = &exporter->group;
    const struct stored_cell *cell = &exporter->cell;
    struct text_table *table = &exporter->moments;
    for (size_t p = 0; p < group->points; p++) {
        export_cell_columns(table, exporter);
        table_count(table, cell->step[p]);
        table_real(table, (double)cell->samples[p] / (double)cell->columns.n);
        table_count(table, cell->samples[p]);
        table_count(table, group->first / GROUP_CHAINS);
        table_count(table, group->chains);
        table_count(table, group->count[p]);
        for (int metric = 0; metric < METRIC_COUNT; metric++) {
            if (!(exporter->kinds.metrics >> metric & 1))
                continue;
            const struct moments *m = group->metric[metric] && group->count[p] ? &group->metric[metric][p] : NULL;
            const double value[] = {m ? m->mean : (double)NAN, m ? m->m2 : (double)NAN, m ? m->m3 : (double)NAN,
                                    m ? m->m4 : (double)NAN};
            for (size_t i = 0; i < sizeof value / sizeof *value; i++)
                table_real_or_blank(table, value[i]);
        }
        table_end(table);
    }
}

/* Mean and standard error over all chains; blank where one has left or shows no number, as in the other rows. */
static void put_statistics(struct text_table *table, const struct moments *moments, uint64_t chains)
{
    const double n = (double)moments->count;
    const bool whole = moments->count == chains && isfinite(moments->mean);
    table_real_or_blank(table, whole ? moments->mean : (double)NAN);
    table_real_or_blank(table, whole && moments->count > 1 ? sqrt(moments->m2 / (n - 1) / n) : (double)NAN);
    for (int quantile = 0; quantile < 3; quantile++)
        table_blank(table);
}

static void put_summary(struct exporter *exporter, const struct moments *total, const uint64_t *count, uint64_t chains)
{
    struct text_table *table = &exporter->summary;
    const size_t points = exporter->cell.points;
    for (size_t p = 0; p < points; p++) {
        export_summary_point(exporter, p, chains, chains - count[p]);
        for (int metric = 0; metric < METRIC_COUNT; metric++)
            if (exporter->kinds.metrics >> metric & 1)
                put_statistics(table, &total[(size_t)metric * points + p], chains);
        for (int seconds = 0; seconds < 5; seconds++)
            table_blank(table);
        table_end(table);
    }
}

enum status export_moments(struct exporter *exporter, struct error *error)
{
    const struct stored_experiment *experiment = exporter->experiment;
    const struct stored_group *group = &exporter->group;
    const size_t points = exporter->cell.points;
    struct moments *total = calloc(METRIC_COUNT * points, sizeof *total);
    uint64_t *count = calloc(points, sizeof *count), chains = 0, next = 0;
    enum status status = total && count
                             ? STATUS_OK
                             : error_memory(error, METRIC_COUNT * points * sizeof *total, "the moments of a cell");
    while (status == STATUS_OK) {
        bool found;
        status = store_read_group(exporter->store, exporter->mark, exporter->cell.id, experiment->seed,
                                  experiment->replicates, next, &exporter->group, &found, error);
        if (status != STATUS_OK || !found)
            break;
        if (group->points != points) {
            status = error_set(error, STATUS_IO, "experiment '%s', cell %llu: a group with other points than its grid",
                               experiment->name, (unsigned long long)exporter->cell.position);
            break;
        }
        put_group(exporter);
        for (int metric = 0; metric < METRIC_COUNT; metric++)
            for (size_t p = 0; group->metric[metric] && p < points; p++)
                moments_merge(&total[(size_t)metric * points + p], &group->metric[metric][p]);
        for (size_t p = 0; p < points; p++)
            count[p] += group->count[p];
        chains += group->chains;
        next = group->first + 1;
    }
    if (status == STATUS_OK && chains > 0)
        put_summary(exporter, total, count, chains);
    free(count);
    free(total);
    return status;
}
