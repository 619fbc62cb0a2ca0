/* The text tables of every experiment, streamed cell by cell and run by run: memory does not grow with the number of
 * runs. results/README.md says what each column means. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "export_internal.h"
#include "manifest.h"
#include "registry.h"

enum { VALUES_AT_ONCE = 8 << 20 }; /* 64 MiB of doubles */

static const char *const table_name[] = {"runs.csv",      "points.csv",     "moments.csv",   "summary.csv",
                                         "estimator.csv", "covariance.csv", "references.csv"};
enum { RUNS, POINTS, MOMENTS, SUMMARY, ESTIMATOR, COVARIANCE, REFERENCES, TABLES };

static struct text_table *table_at(struct exporter *exporter, int index)
{
    struct text_table *const table[] = {&exporter->runs,      &exporter->points,    &exporter->moments,
                                        &exporter->summary,   &exporter->estimator, &exporter->covariance,
                                        &exporter->references};
    return table[index];
}

static void header(struct text_table *table, const char *text)
{
    output_write(&table->file, text, strlen(text));
}

static void put_headers(struct exporter *exporter)
{
    header(&exporter->runs, "run," CELL_HEADER ",replicate,seed,status,steps,diverged_at,train_seconds,measure_seconds,"
                            "lanes,loss,gap,config,key,reason\r\n");
    header(&exporter->references,
           "experiment,cell,problem,data,f_star,certificate,method,reason,smoothness,convexity\r\n");
    if (exporter->kinds.training) {
        header(&exporter->points, "run,step,epoch,samples,train_seconds,rate");
        for (int metric = 0; metric < METRIC_COUNT; metric++)
            if (exporter->kinds.metrics >> metric & 1) {
                header(&exporter->points, ",");
                header(&exporter->points, metric_info[metric].name);
            }
        table_end(&exporter->points);
        export_summary_header(exporter);
    }
    if (exporter->kinds.moments)
        export_moments_header(exporter);
    if (exporter->kinds.estimator) {
        header(
            &exporter->estimator,
            "experiment,problem,data,sampling,batch_size,draws,bias_statistic,p_value,variance,se,predicted_variance,"
            "run,cell,replicate,n,d,l2,bias_df,sigma2,kappa,gradient_norm2,bias_along_gradient,bias_along_gradient_se,"
            "seconds");
        for (int i = 1; i <= ESTIMATOR_DIRECTIONS; i++) {
            char text[96];
            snprintf(text, sizeof text, ",direction%d_variance,direction%d_predicted,direction%d_se", i, i, i);
            header(&exporter->estimator, text);
        }
        for (size_t i = 0; i < ESTIMATOR_LAGS; i++) {
            char text[120];
            snprintf(text, sizeof text, ",autocorrelation%1$d,autocorrelation%1$d_predicted,autocorrelation%1$d_se",
                     (int)estimator_lag[i]);
            header(&exporter->estimator, text);
        }
        header(&exporter->estimator, ",momentum");
        table_end(&exporter->estimator);
        header(&exporter->covariance, "run,row,column,covariance,predicted\r\n");
    }
}

void export_cell_columns(struct text_table *table, const struct exporter *exporter)
{
    const struct cell_columns *columns = &exporter->cell.columns;
    table_text(table, exporter->experiment->name);
    table_count(table, exporter->cell.position);
    table_text(table, columns->problem);
    table_text(table, columns->data);
    table_count(table, columns->n);
    table_count(table, columns->d);
    table_text(table, columns->sampling);
    table_count(table, columns->batch_size);
    table_text(table, columns->schedule);
    table_real_or_blank(table, columns->rate);
    table_text(table, columns->update);
    table_real_or_blank(table, columns->momentum);
    table_text(table, columns->averaging);
    table_real_or_blank(table, columns->l2);
}

static uint64_t run_number(const struct exporter *exporter, uint64_t replicate)
{
    return exporter->cell.position * exporter->experiment->replicates + replicate;
}

/* The cell's text with the two members that make it a run. */
static void put_config(struct exporter *exporter, uint64_t replicate)
{
    char *config = exporter->cell.config, *text, *brace = strrchr(config, '}');
    int written = asprintf(&text, "%.*s%s\"replicate\":%llu,\"seed\":%llu}", brace ? (int)(brace - config) : 0, config,
                           brace && brace > config + 1 ? "," : "", (unsigned long long)replicate,
                           (unsigned long long)exporter->experiment->seed);
    table_text(&exporter->runs, written >= 0 ? text : "");
    if (written >= 0)
        free(text);
}

/* The last value of a metric; a run that left has none: +infinity. */
static void put_last(struct exporter *exporter, enum metric metric)
{
    const struct stored_run *run = &exporter->run;
    if (!run->metric[metric])
        table_blank(&exporter->runs);
    else
        table_real(&exporter->runs,
                   run->outcome == OUTCOME_DIVERGED ? (double)INFINITY : run->metric[metric][run->points - 1]);
}

static void put_run(struct exporter *exporter)
{
    const struct stored_run *run = &exporter->run;
    struct text_table *table = &exporter->runs;
    table_count(table, run_number(exporter, run->replicate));
    export_cell_columns(table, exporter);
    table_count(table, run->replicate);
    table_count(table, exporter->experiment->seed);
    table_text(table, run->outcome == OUTCOME_DIVERGED ? "diverged" : "finished");
    table_count(table, exporter->cell.columns.steps);
    if (run->outcome == OUTCOME_DIVERGED)
        table_count(table, run->diverged_at);
    else
        table_blank(table);
    table_real_or_blank(table, run->train_seconds);
    table_real_or_blank(table, run->measure_seconds);
    table_count(table, run->lanes);
    put_last(exporter, METRIC_LOSS);
    put_last(exporter, METRIC_GAP);
    put_config(exporter, run->replicate);
    char key[2 * sizeof run->key.byte + 1];
    for (size_t i = 0; i < sizeof run->key.byte; i++)
        snprintf(key + 2 * i, 3, "%02x", run->key.byte[i]);
    table_text(table, key);
    table_blank(table);
    table_end(table);
}

static void put_failed(struct exporter *exporter, uint64_t replicate, const char *reason)
{
    struct text_table *table = &exporter->runs;
    table_count(table, run_number(exporter, replicate));
    export_cell_columns(table, exporter);
    table_count(table, replicate);
    table_count(table, exporter->experiment->seed);
    table_text(table, "failed");
    table_count(table, exporter->cell.columns.steps);
    for (int blank = 0; blank < 6; blank++) /* diverged_at ... gap */
        table_blank(table);
    put_config(exporter, replicate);
    table_blank(table);
    table_text(table, reason);
    table_end(table);
}

static enum status put_points(struct exporter *exporter, struct error *error)
{
    const struct stored_run *run = &exporter->run;
    const struct stored_cell *cell = &exporter->cell;
    struct text_table *table = &exporter->points;
    if (run->points > cell->points)
        return error_set(error, STATUS_IO, "experiment '%s', cell %llu: a run with more points than its grid has",
                         exporter->experiment->name, (unsigned long long)cell->position);
    for (size_t i = 0; i < run->points; i++) {
        table_count(table, run_number(exporter, run->replicate));
        table_count(table, cell->step[i]);
        table_real(table, (double)cell->samples[i] / (double)cell->columns.n);
        table_count(table, cell->samples[i]);
        if (run->seconds)
            table_real(table, run->seconds[i]);
        else
            table_blank(table);
        table_real(table, cell->rate[i]);
        for (int metric = 0; metric < METRIC_COUNT; metric++) {
            if (!(exporter->kinds.metrics >> metric & 1))
                continue;
            if (run->metric[metric])
                table_real(table, run->metric[metric][i]);
            else
                table_blank(table);
        }
        table_end(table);
    }
    return STATUS_OK;
}

static void put_covariance(struct exporter *exporter, const struct estimator_result *result)
{
    struct text_table *table = &exporter->covariance;
    size_t dim = result->covariance_dim;
    for (size_t i = 0; i < dim * dim; i++) {
        table_count(table, run_number(exporter, exporter->run.replicate));
        table_count(table, i / dim);
        table_count(table, i % dim);
        table_real(table, result->covariance[i]);
        table_real(table, result->covariance_predicted[i]);
        table_end(table);
        exporter->any_covariance = true;
    }
}

static enum status put_estimator(struct exporter *exporter, struct error *error)
{
    const struct cell_columns *columns = &exporter->cell.columns;
    struct text_table *table = &exporter->estimator;
    struct estimator_result result;
    enum status status = store_read_estimator(exporter->store, exporter->run.id, &result, error);
    if (status != STATUS_OK)
        return status;
    table_text(table, exporter->experiment->name);
    table_text(table, columns->problem);
    table_text(table, columns->data);
    table_text(table, columns->sampling);
    table_count(table, columns->batch_size);
    table_count(table, result.draws);
    table_real_or_blank(table, result.bias_statistic);
    table_real_or_blank(table, result.bias_p);
    table_real_or_blank(table, result.variance);
    table_real_or_blank(table, result.variance_se);
    table_real_or_blank(table, result.predicted);
    table_count(table, run_number(exporter, exporter->run.replicate));
    table_count(table, exporter->cell.position);
    table_count(table, exporter->run.replicate);
    table_count(table, columns->n);
    table_count(table, columns->d);
    table_real_or_blank(table, columns->l2);
    table_real_or_blank(table, result.bias_df);
    table_real_or_blank(table, result.sigma2);
    table_real_or_blank(table, result.kappa);
    table_real_or_blank(table, result.gradient_norm2);
    table_real_or_blank(table, result.bias_along_gradient);
    table_real_or_blank(table, result.bias_along_gradient_se);
    table_real_or_blank(table, exporter->run.train_seconds);
    for (size_t i = 0; i < ESTIMATOR_DIRECTIONS; i++) {
        bool there = i < result.directions;
        table_real_or_blank(table, there ? result.direction_variance[i] : (double)NAN);
        table_real_or_blank(table, there ? result.direction_predicted[i] : (double)NAN);
        table_real_or_blank(table, there ? result.direction_se[i] : (double)NAN);
    }
    for (size_t i = 0; i < ESTIMATOR_LAGS; i++) {
        bool there = i < result.lags;
        table_real_or_blank(table, there ? result.autocorrelation[i] : (double)NAN);
        table_real_or_blank(table, there ? result.autocorrelation_predicted[i] : (double)NAN);
        table_real_or_blank(table, there ? result.autocorrelation_se[i] : (double)NAN);
    }
    table_real_or_blank(table, columns->momentum);
    table_end(table);
    put_covariance(exporter, &result);
    estimator_result_free(&result);
    return STATUS_OK;
}

static void put_reference(struct exporter *exporter)
{
    const struct stored_reference *reference = &exporter->cell.reference;
    struct text_table *table = &exporter->references;
    table_text(table, exporter->experiment->name);
    table_count(table, exporter->cell.position);
    table_text(table, exporter->cell.columns.problem);
    table_text(table, exporter->cell.columns.data);
    bool exists = reference->solved && reference->exists;
    table_real_or_blank(table, exists ? reference->f : (double)NAN);
    table_real_or_blank(table, exists ? reference->gap : (double)NAN);
    table_text(table, reference->solved ? reference->method : "");
    table_text(table, reference->solved ? reference->reason : "no run of this cell has been done");
    table_real_or_blank(table, reference->solved ? reference->smoothness : (double)NAN);
    table_real_or_blank(table, reference->solved ? reference->convexity : (double)NAN);
    table_end(table);
}

/* Failed runs between two replicates that are there: [from, to). */
static enum status put_failures(struct exporter *exporter, uint64_t from, uint64_t to, struct error *error)
{
    for (;;) {
        uint64_t replicate;
        char *reason;
        bool found;
        enum status status = store_read_failure(exporter->store, exporter->cell.id, exporter->experiment->seed, from,
                                                &replicate, &reason, &found, error);
        if (status == STATUS_OK && found && replicate < to) {
            put_failed(exporter, replicate, reason);
            from = replicate + 1;
        } else {
            found = false;
        }
        free(reason);
        if (!found)
            return status;
    }
}

static enum status put_cell(struct exporter *exporter, struct error *error)
{
    const struct stored_experiment *experiment = exporter->experiment;
    uint64_t next = 0;
    size_t runs = 0;
    enum status status = STATUS_OK;
    put_reference(exporter);
    if (exporter->cell.keep == KEEP_MOMENTS) {
        status = put_failures(exporter, 0, experiment->replicates, error);
        return status == STATUS_OK ? export_moments(exporter, error) : status;
    }
    while (status == STATUS_OK) {
        bool found;
        status = store_read_run(exporter->store, exporter->mark, exporter->cell.id, experiment->seed, next,
                                &exporter->run, &found, error);
        if (status != STATUS_OK)
            return status;
        found = found && exporter->run.replicate < experiment->replicates;
        uint64_t replicate = found ? exporter->run.replicate : experiment->replicates;
        status = put_failures(exporter, next, replicate, error);
        if (!found || status != STATUS_OK)
            break;
        put_run(exporter);
        runs++;
        status = exporter->cell.kind == KIND_ESTIMATOR ? put_estimator(exporter, error) : put_points(exporter, error);
        next = replicate + 1;
    }
    return status == STATUS_OK ? export_summary(exporter, runs, error) : status;
}

/* A plan keeps runs or moments, all cells alike. runs.csv and references.csv are always there; the others where the
 * experiment has such runs. */
static bool table_wanted(const struct exporter *exporter, int table)
{
    switch (table) {
    case POINTS:
        return exporter->kinds.training && !exporter->kinds.moments;
    case MOMENTS:
        return exporter->kinds.moments;
    case SUMMARY:
        return exporter->kinds.training;
    case ESTIMATOR:
        return exporter->kinds.estimator;
    case COVARIANCE:
        return exporter->any_covariance;
    default:
        return true;
    }
}

static enum status write_tables(struct exporter *exporter, struct error *error)
{
    enum status status = STATUS_OK;
    uint64_t position = 0;
    put_headers(exporter);
    for (;;) {
        bool found;
        status = store_read_cell(exporter->store, exporter->experiment->id, position, &exporter->cell, &found, error);
        if (status != STATUS_OK || !found)
            return status;
        status = put_cell(exporter, error);
        if (status != STATUS_OK)
            return status;
        position = exporter->cell.position + 1;
    }
}

static enum status export_experiment(struct store *store, const char *dir, int64_t mark,
                                     const struct stored_experiment *experiment, size_t values_at_once,
                                     struct error *error)
{
    struct exporter exporter = {
        .store = store, .experiment = experiment, .mark = mark, .values_at_once = values_at_once};
    char name[OUTPUT_FOLDER_MAX];
    struct output_folder folder;
    output_folder_name(experiment->name, name);
    enum status status = store_read_kinds(store, experiment->id, &exporter.kinds, error);
    if (status == STATUS_OK)
        status = output_folder_open(dir, name, &folder, error);
    if (status != STATUS_OK)
        return status;
    int opened = 0;
    while (opened < TABLES && status == STATUS_OK) {
        status = output_file_open(&folder, table_name[opened], &table_at(&exporter, opened)->file, error);
        opened += status == STATUS_OK;
    }
    if (status == STATUS_OK)
        status = write_tables(&exporter, error);
    for (int i = 0; i < opened; i++) {
        struct output_file *file = &table_at(&exporter, i)->file;
        if (status == STATUS_OK && table_wanted(&exporter, i)) {
            status = output_file_keep(file, error);
        } else {
            output_file_drop(file);
            if (status == STATUS_OK)
                output_folder_remove(&folder, table_name[i]);
        }
    }
    output_folder_close(&folder);
    stored_cell_free(&exporter.cell);
    stored_run_free(&exporter.run);
    stored_group_free(&exporter.group);
    free(exporter.value);
    return status;
}

static enum status no_such_experiment(const char *wanted, const struct stored_experiment *experiment, size_t count,
                                      struct error *error)
{
    const char **name = malloc((count ? count : 1) * sizeof *name);
    for (size_t i = 0; name && i < count; i++)
        name[i] = experiment[i].name;
    const char *nearest = name ? nearest_name(wanted, name, count) : NULL;
    enum status status =
        error_set(error, STATUS_NOT_FOUND, "no experiment '%s' in these results (%zu others)%s%s%s", wanted, count,
                  nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    free(name);
    return status;
}

static enum status write_manifest(struct store *store, const char *dir, struct error *error)
{
    struct output_folder folder;
    enum status status = output_folder_open(dir, NULL, &folder, error);
    if (status != STATUS_OK)
        return status;
    status = manifest_write(store, &folder, error);
    output_folder_close(&folder);
    return status;
}

enum status export_tables(struct store *store, const char *dir, const char *experiment, size_t values_at_once,
                          struct error *error)
{
    struct stored_experiment *list;
    size_t count, exported = 0;
    int64_t mark;
    enum status status = store_flush(store, error);
    if (status == STATUS_OK)
        status = store_mark(store, &mark, error);
    if (status == STATUS_OK)
        status = output_make_directories(dir, error);
    if (status == STATUS_OK)
        status = store_read_experiments(store, &list, &count, error);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        if (experiment && strcmp(experiment, list[i].name) != 0)
            continue;
        status = export_experiment(store, dir, mark, &list[i], values_at_once, error);
        exported++;
    }
    if (status == STATUS_OK && experiment && exported == 0)
        status = no_such_experiment(experiment, list, count, error);
    stored_experiments_free(list, count);
    return status == STATUS_OK ? write_manifest(store, dir, error) : status;
}

enum status store_export(struct store *store, const char *dir, const char *experiment, struct error *error)
{
    return export_tables(store, dir, experiment, VALUES_AT_ONCE, error);
}
