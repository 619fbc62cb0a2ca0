/* Opening an experiment again from what the store keeps of it, and reading its results. */
#include "laws/law_input.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runner_jobs.h"
#include "stats.h"
#include "yaml_tree.h"

/* ---- the experiment ---- */

static const char *text_of(const struct yaml_node *settings, const char *key)
{
    const struct yaml_entry *entry = yaml_find(settings, key);
    return entry && entry->value->kind == YAML_SCALAR && !yaml_is_null(entry->value) ? entry->value->text : NULL;
}

/* The settings are JSON of our own making, which is YAML. */
enum status law_sweep_open(const struct stored_experiment *experiment, const char *data_dir, struct sweep **out,
                           struct error *error)
{
    struct arena arena = {0};
    struct yaml_node *settings = NULL;
    *out = NULL;
    enum status status =
        yaml_parse(experiment->settings, strlen(experiment->settings), "stored settings", &arena, &settings, error);
    const struct yaml_entry *entry = status == STATUS_OK ? yaml_find(settings, "set") : NULL;
    const size_t set_count = entry && entry->value->kind == YAML_SEQUENCE ? entry->value->count : 0;
    const char **set = calloc(set_count + 1, sizeof *set);
    if (status == STATUS_OK && !set)
        status = error_memory(error, set_count * sizeof *set, "the settings of an experiment");
    if (status == STATUS_OK) {
        for (size_t i = 0; i < set_count; i++)
            set[i] = entry->value->entry[i].value->text;
        const char *file = text_of(settings, "file");
        const struct sweep_options options = {
            .text = experiment->config,
            .profile = text_of(settings, "profile"),
            .set = set,
            .set_count = set_count,
            .replicates = (long)experiment->replicates,
            .has_seed = true,
            .seed = experiment->seed,
            .search = {.data_dir = data_dir ? data_dir : text_of(settings, "data_dir"),
                       .experiment_dir = text_of(settings, "folder")},
        };
        status = sweep_open(file ? file : experiment->name, &options, out, error);
    }
    free(set);
    arena_free(&arena);
    if (status == STATUS_OK && sweep_cells(*out) != experiment->cells)
        status = error_set(error, STATUS_INPUT,
                           "experiment '%s' has %zu cells, but %zu when it ran: data or program are others now",
                           experiment->name, sweep_cells(*out), (size_t)experiment->cells);
    return status;
}

static enum status add_cell(struct law_results *results, size_t number, struct law_cell **out, struct error *error)
{
    const size_t count = results->cell_count;
    if ((count & (count - 1)) == 0) { /* grows whenever count is a power of two */
        struct law_cell *more = realloc(results->cell, (2 * count + 1) * sizeof *more);
        if (!more)
            return error_memory(error, (2 * count + 1) * sizeof *more, "the cells of an experiment");
        results->cell = more;
    }
    struct law_cell *cell = &results->cell[count];
    *cell = (struct law_cell){.cell = number};
    enum status status = sweep_cell(results->sweep, number, &cell->config, error);
    if (status != STATUS_OK)
        return status;
    cell_columns(&cell->config, &cell->columns);
    cell->moments = cell->config.keep == KEEP_MOMENTS;
    if (cell->config.grid) {
        cell->step = cell->config.grid->step;
        cell->points = cell->config.grid->count;
    }
    results->cell_count++;
    *out = cell;
    return STATUS_OK;
}

/* Is the cell, as it resolves now, the one that ran? */
static enum status check_same(const struct law_results *results, const struct law_cell *cell,
                              const struct stored_cell *stored, struct error *error)
{
    const struct cell_columns *a = &cell->columns, *b = &stored->columns;
    if (!strstr(stored->config, cell->config.problem.data->checksum))
        return error_set(error, STATUS_INPUT,
                         "experiment '%s': the data %s are not those that it ran with (another checksum)",
                         results->name, a->data);
    if (strcmp(a->problem, b->problem) != 0 || strcmp(a->sampling, b->sampling) != 0 || a->n != b->n || a->d != b->d ||
        a->batch_size != b->batch_size || a->steps != b->steps || cell->points != stored->points ||
        cell->config.kind != stored->kind ||
        (cell->points && memcmp(cell->step, stored->step, cell->points * sizeof *cell->step) != 0))
        return error_set(error, STATUS_INPUT,
                         "experiment '%s': cell %zu is not the one that ran; this version of sgdlab reads the "
                         "experiment otherwise: run it again",
                         results->name, cell->cell);
    return STATUS_OK;
}

/* ---- results ---- */

static void free_curve(struct law_curve *curve)
{
    if (!curve)
        return;
    free(curve->count);
    free(curve->mean);
    free(curve->variance);
    free(curve->se);
    free(curve->group_mean);
    free(curve->group_count);
    free(curve);
}

/* The curves of a cell by number: the metrics, then the seconds. */
enum { SECONDS = METRIC_COUNT, CURVES };

static struct law_curve **curve_of(struct law_cell *cell, size_t number)
{
    return number == SECONDS ? &cell->seconds : &cell->curve[number];
}

static enum status open_curve(struct law_cell *cell, size_t number, size_t groups, struct error *error)
{
    struct law_curve *curve = calloc(1, sizeof *curve);
    if (!curve)
        return error_memory(error, sizeof *curve, "a curve");
    *curve_of(cell, number) = curve;
    const size_t points = cell->points, room = points ? points : 1, rows = groups ? groups : 1;
    curve->points = points;
    curve->step = cell->step;
    curve->count = calloc(room, sizeof *curve->count);
    curve->mean = calloc(room, sizeof *curve->mean);
    curve->variance = calloc(room, sizeof *curve->variance);
    curve->se = calloc(room, sizeof *curve->se);
    curve->group_mean = malloc(rows * room * sizeof *curve->group_mean);
    curve->group_count = calloc(rows, sizeof *curve->group_count);
    if (!curve->count || !curve->mean || !curve->variance || !curve->se || !curve->group_mean || !curve->group_count)
        return error_memory(error, rows * room * sizeof *curve->group_mean, "a curve");
    return STATUS_OK;
}

/* The next row of group_mean. */
static void add_group(struct law_curve *curve, struct moments *total, const struct moments *group, size_t points,
                      uint64_t chains)
{
    double *row = &curve->group_mean[curve->groups * curve->points];
    for (size_t p = 0; p < curve->points; p++) {
        const bool there = p < points && group[p].count > 0;
        row[p] = there ? group[p].mean : (double)NAN;
        if (there)
            moments_merge(&total[p], &group[p]);
    }
    curve->group_count[curve->groups++] = chains;
    curve->chains += chains;
}

/* One run is a group of one. */
static void add_run(struct law_curve *curve, struct moments *total, const double *value, size_t points)
{
    double *row = &curve->group_mean[curve->groups * curve->points];
    for (size_t p = 0; p < curve->points; p++) {
        const bool there = p < points && isfinite(value[p]);
        row[p] = there ? value[p] : (double)NAN;
        if (there)
            moments_add(&total[p], value[p]);
    }
    curve->group_count[curve->groups++] = 1;
    curve->chains++;
}

static void close_curve(struct law_curve *curve, const struct moments *total)
{
    for (size_t p = 0; p < curve->points; p++) {
        const double count = (double)total[p].count;
        curve->count[p] = total[p].count;
        curve->mean[p] = count > 0 ? total[p].mean : (double)NAN;
        curve->variance[p] = count > 1 ? total[p].m2 / (count - 1) : (double)NAN;
        curve->se[p] = sqrt(curve->variance[p] / count);
    }
}

struct reader {
    struct store *store;
    const struct stored_experiment *experiment;
    int64_t mark;
    struct stored_cell cell;
    struct stored_run run;
    struct stored_group group;
    struct moments *total[CURVES]; /* [points] of the cell that is read */
};

static enum status need_curve(struct reader *reader, struct law_cell *cell, size_t number, struct error *error)
{
    const size_t replicates = (size_t)reader->experiment->replicates;
    if (*curve_of(cell, number))
        return STATUS_OK;
    reader->total[number] = calloc(cell->points, sizeof *reader->total[number]);
    if (!reader->total[number])
        return error_memory(error, cell->points * sizeof *reader->total[number], "the moments of a curve");
    return open_curve(cell, number, cell->moments ? (replicates + GROUP_CHAINS - 1) / GROUP_CHAINS : replicates, error);
}

static enum status take_run(struct reader *reader, struct law_cell *cell, struct error *error)
{
    const struct stored_run *run = &reader->run;
    cell->diverged += run->outcome == OUTCOME_DIVERGED;
    if (cell->config.kind == KIND_ESTIMATOR)
        return store_read_estimator(reader->store, run->id, &cell->estimator[cell->chains++], error);
    for (size_t c = 0; c < CURVES; c++) {
        const double *value = c < SECONDS ? run->metric[c] : cell->config.timing == TIMING_SOLO ? run->seconds : NULL;
        if (!value)
            continue;
        enum status status = need_curve(reader, cell, c, error);
        if (status != STATUS_OK)
            return status;
        add_run(*curve_of(cell, c), reader->total[c], value, run->points);
    }
    cell->chains++;
    return STATUS_OK;
}

static enum status read_runs(struct reader *reader, struct law_cell *cell, struct error *error)
{
    const struct stored_experiment *experiment = reader->experiment;
    enum status status = STATUS_OK;
    if (cell->config.kind == KIND_ESTIMATOR) {
        cell->estimator = calloc((size_t)experiment->replicates, sizeof *cell->estimator);
        if (!cell->estimator)
            return error_memory(error, (size_t)experiment->replicates * sizeof *cell->estimator, "estimator results");
    }
    for (uint64_t next = 0; status == STATUS_OK; next = reader->run.replicate + 1) {
        bool found;
        status = store_read_run(reader->store, reader->mark, reader->cell.id, experiment->seed, next, &reader->run,
                                &found, error);
        if (status != STATUS_OK || !found || reader->run.replicate >= experiment->replicates)
            break;
        status = take_run(reader, cell, error);
    }
    return status;
}

static enum status read_groups(struct reader *reader, struct law_cell *cell, struct error *error)
{
    const struct stored_experiment *experiment = reader->experiment;
    const struct stored_group *group = &reader->group;
    enum status status = STATUS_OK;
    for (uint64_t next = 0; status == STATUS_OK; next = group->first + 1) {
        bool found;
        status = store_read_group(reader->store, reader->mark, reader->cell.id, experiment->seed,
                                  experiment->replicates, next, &reader->group, &found, error);
        if (status != STATUS_OK || !found)
            break;
        cell->chains += group->chains;
        cell->diverged += group->diverged;
        for (size_t m = 0; status == STATUS_OK && m < METRIC_COUNT; m++) {
            if (!group->metric[m])
                continue;
            status = need_curve(reader, cell, m, error);
            if (status == STATUS_OK)
                add_group(cell->curve[m], reader->total[m], group->metric[m], group->points, group->chains);
        }
    }
    return status;
}

static enum status read_results(struct reader *reader, struct law_cell *cell, struct error *error)
{
    memset(reader->total, 0, sizeof reader->total);
    enum status status = cell->moments ? read_groups(reader, cell, error) : read_runs(reader, cell, error);
    for (size_t c = 0; c < CURVES; c++) {
        if (status == STATUS_OK && *curve_of(cell, c))
            close_curve(*curve_of(cell, c), reader->total[c]);
        free(reader->total[c]);
    }
    return status;
}

static enum status count_failures(struct reader *reader, struct law_results *results, struct error *error)
{
    const struct stored_experiment *experiment = reader->experiment;
    bool found = true;
    enum status status = STATUS_OK;
    for (uint64_t next = 0, failed = 0; found; next = failed + 1) {
        char *reason = NULL;
        status =
            store_read_failure(reader->store, reader->cell.id, experiment->seed, next, &failed, &reason, &found, error);
        free(reason);
        if (status != STATUS_OK)
            break;
        results->failed += found && failed < experiment->replicates;
    }
    return status;
}

static enum status read_cells(struct reader *reader, struct law_results *results, struct error *error)
{
    enum status status = STATUS_OK;
    for (uint64_t position = 0; status == STATUS_OK; position = reader->cell.position + 1) {
        bool found;
        struct law_cell *cell = NULL;
        status = store_read_cell(reader->store, reader->experiment->id, position, &reader->cell, &found, error);
        if (status != STATUS_OK || !found)
            break;
        status = add_cell(results, (size_t)reader->cell.position, &cell, error);
        if (status == STATUS_OK)
            status = check_same(results, cell, &reader->cell, error);
        if (status == STATUS_OK)
            status = read_results(reader, cell, error);
        if (status == STATUS_OK)
            status = count_failures(reader, results, error);
        if (status == STATUS_OK) {
            results->wanted += results->replicates;
            results->there += cell->chains;
        }
    }
    return status;
}

static enum status fill(struct law_results *results, struct reader *reader, const char *data_dir, struct error *error)
{
    const struct stored_experiment *experiment = reader->experiment;
    results->replicates = experiment->replicates;
    results->seed = experiment->seed;
    results->owns_sweep = true;
    results->name = strdup(experiment->name);
    if (!results->name)
        return error_memory(error, strlen(experiment->name), "a name");
    enum status status = law_sweep_open(experiment, data_dir, &results->sweep, error);
    if (status == STATUS_OK && sweep_law_count(results->sweep) == 0)
        return STATUS_OK; /* nothing to look at */
    if (status == STATUS_OK)
        status = sweep_solve_references(results->sweep, error);
    if (status == STATUS_OK)
        status = store_mark(reader->store, &reader->mark, error);
    return status == STATUS_OK ? read_cells(reader, results, error) : status;
}

enum status law_results_read(struct store *store, const struct stored_experiment *experiment, const char *data_dir,
                             struct law_results **out, struct error *error)
{
    struct reader reader = {.store = store, .experiment = experiment};
    struct law_results *results = calloc(1, sizeof *results);
    *out = NULL;
    if (!results)
        return error_memory(error, sizeof *results, "the results of an experiment");
    enum status status = fill(results, &reader, data_dir, error);
    stored_cell_free(&reader.cell);
    stored_run_free(&reader.run);
    stored_group_free(&reader.group);
    if (status == STATUS_OK)
        *out = results;
    else
        law_results_close(results);
    return status;
}

/* ---- a plan ---- */

static enum status plan_cells(struct law_results *results, struct error *error)
{
    const size_t cells = sweep_cells(results->sweep);
    int64_t *id = malloc(cells * sizeof *id);
    size_t *first_of = malloc(cells * sizeof *first_of);
    enum status status =
        id && first_of ? STATUS_OK : error_memory(error, cells * (sizeof *id + sizeof *first_of), "the list of cells");
    for (size_t i = 0; status == STATUS_OK && i < cells; i++) {
        struct run_config config;
        status = sweep_cell(results->sweep, i, &config, error);
        char *json = status == STATUS_OK ? cell_json(&config) : NULL;
        if (status == STATUS_OK && !json)
            status = error_memory(error, 1024, "the text of a cell");
        if (status != STATUS_OK)
            break;
        struct key key = cell_key(json);
        memcpy(&id[i], key.byte, sizeof id[i]);
        free(json);
    }
    if (status == STATUS_OK)
        status = equal_cells(id, cells, first_of, error);
    for (size_t i = 0; status == STATUS_OK && i < cells; i++) {
        struct law_cell *cell;
        if (first_of[i] == i)
            status = add_cell(results, i, &cell, error);
    }
    free(id);
    free(first_of);
    return status;
}

enum status law_results_plan(struct sweep *sweep, struct law_results **out, struct error *error)
{
    struct law_results *results = calloc(1, sizeof *results);
    *out = NULL;
    if (!results)
        return error_memory(error, sizeof *results, "the plan of an experiment");
    *results = (struct law_results){
        .name = strdup(sweep_name(sweep)),
        .sweep = sweep,
        .replicates = sweep_replicates(sweep),
        .seed = sweep_seed(sweep),
        .planned = true,
    };
    enum status status = results->name ? STATUS_OK : error_memory(error, 100, "a name");
    if (status == STATUS_OK && sweep_law_count(sweep) > 0) {
        status = sweep_solve_references(sweep, error);
        if (status == STATUS_OK)
            status = plan_cells(results, error);
    }
    if (status == STATUS_OK)
        *out = results;
    else
        law_results_close(results);
    return status;
}

void law_results_close(struct law_results *results)
{
    if (!results)
        return;
    for (size_t i = 0; i < results->cell_count; i++) {
        struct law_cell *cell = &results->cell[i];
        for (size_t c = 0; c < CURVES; c++)
            free_curve(*curve_of(cell, c));
        for (uint64_t r = 0; cell->estimator && r < cell->chains; r++)
            estimator_result_free(&cell->estimator[r]);
        free(cell->estimator);
    }
    free(results->cell);
    free(results->name);
    if (results->owns_sweep)
        sweep_close(results->sweep);
    free(results);
}

/* ---- what one entry sees ---- */

enum status law_input_make(const struct law_results *results, size_t index, struct law_input *input,
                           struct error *error)
{
    const struct law_entry *entry = sweep_law(results->sweep, index);
    *input = (struct law_input){
        .experiment = results->name,
        .sweep = results->sweep,
        .cell = malloc((results->cell_count + 1) * sizeof *input->cell),
        .values = &entry->values,
        .replicates = results->replicates,
        .seed = results->seed,
        .planned = results->planned,
        .margin_value = entry->margin_value,
        .margin_slope = entry->margin_slope,
    };
    if (!input->cell)
        return error_memory(error, results->cell_count * sizeof *input->cell, "the cells of a law");
    for (size_t i = 0; i < results->cell_count; i++)
        if (sweep_law_applies(results->sweep, index, results->cell[i].cell))
            input->cell[input->cell_count++] = results->cell[i];
    return STATUS_OK;
}
