/* Sorting cells into set-ups, batch sizes, rates and splits; results by unit; tuning. */
#include <gsl/gsl_math.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "laws/generalisation.h"
#include "stats.h"

/* The canonical text of a cell as if on split 1; setup: and as if batch size, rate and steps were 1. */
static char *identity_of(const struct run_config *given, bool setup)
{
    struct run_config config = *given;
    struct data_spec spec = {0};
    if (given->data_spec) {
        spec = *given->data_spec;
        spec.data_seed = 1;
        config.data_spec = &spec;
    }
    config.stream_group = 0;
    if (setup) {
        config.batch_size = 1;
        config.schedule.values.scalar[0] = 1;
        config.steps = 1;
    }
    return cell_json(&config);
}

static enum status no_memory(size_t bytes, struct error *error)
{
    return error_memory(error, bytes, "a law");
}

/* Its number; a new one where there is none like it. */
static enum status find_setup(struct study *study, const struct run_config *config, struct arm *arm,
                              struct error *error)
{
    char *text = identity_of(config, true);
    if (!text)
        return no_memory(1024, error);
    for (arm->setup = 0; arm->setup < study->setups; arm->setup++) {
        const struct setup *setup = &study->setup[arm->setup];
        const bool equal = study->equal_steps ? setup->steps == arm->steps
                                              : fabs(setup->epochs - arm->epochs) <= fmax(setup->pass, arm->pass);
        if (equal && strcmp(setup->identity, text) == 0) {
            free(text);
            return STATUS_OK;
        }
    }
    study->setup[study->setups++] = (struct setup){text, arm->steps, arm->pass, arm->epochs};
    return STATUS_OK;
}

static enum status add_arm(struct study *study, const struct law_cell *cell, char *identity, struct error *error)
{
    const struct run_config *config = &cell->config;
    const size_t n = config->problem.data->train.rows, room = study->input->cell_count;
    const size_t per_epoch = sampler_steps_per_epoch(config->sampler, n, config->batch_size, config->keep_last);
    struct arm *arm = &study->arm[study->arms++];
    *arm = (struct arm){
        .identity = identity,
        .batch_size = config->batch_size,
        .rate = config->schedule.values.scalar[0],
        .steps = config->steps,
        .split = calloc(room, sizeof *arm->split),
    };
    arm->pass = config->sampler->by_epoch ? 1 / (double)per_epoch : (double)config->batch_size / (double)n;
    arm->epochs = (double)config->steps * arm->pass;
    return arm->split ? find_setup(study, config, arm, error) : no_memory(room * sizeof *arm->split, error);
}

static enum status add_cell(struct study *study, const struct law_cell *cell, struct error *error)
{
    if (cell->config.kind != KIND_TRAINING)
        return error_set(error, STATUS_USAGE, "this law needs training runs");
    if (cell->config.keep == KEEP_MOMENTS)
        return error_set(error, STATUS_USAGE, "this law pairs runs, so it needs keep: runs");
    if (!(cell->config.metrics & 1u << METRIC_TEST_ACCURACY))
        return error_set(error, STATUS_USAGE, "this law needs the metric test_accuracy, which is not recorded");
    char *identity = identity_of(&cell->config, false);
    if (!identity)
        return no_memory(1024, error);
    size_t a = 0;
    while (a < study->arms && strcmp(study->arm[a].identity, identity) != 0)
        a++;
    if (a < study->arms)
        free(identity);
    enum status status = a < study->arms ? STATUS_OK : add_arm(study, cell, identity, error);
    if (status == STATUS_OK)
        study->arm[a].split[study->arm[a].splits++] = cell;
    return status;
}

static int compare_arms(const void *left, const void *right)
{
    const struct arm *a = left, *b = right;
    if (a->setup != b->setup)
        return a->setup < b->setup ? -1 : 1;
    if (a->batch_size != b->batch_size)
        return a->batch_size < b->batch_size ? -1 : 1;
    return a->rate < b->rate ? -1 : a->rate > b->rate;
}

/* Pairs: the same splits and replicates everywhere. */
static enum status check_pairs(struct study *study, struct error *error)
{
    const struct arm *first = &study->arm[0];
    const struct law_input *input = study->input;
    study->splits = first->splits;
    study->replicates = input->planned ? (size_t)input->replicates : (size_t)first->split[0]->chains;
    for (size_t a = 0; a < study->arms; a++) {
        const struct arm *arm = &study->arm[a];
        bool same = arm->splits == first->splits;
        for (size_t s = 0; s < arm->splits && same; s++) {
            const struct data_spec *x = arm->split[s]->config.data_spec, *y = first->split[s]->config.data_spec;
            same = !x || !y || x->data_seed == y->data_seed;
            same = same && (input->planned || arm->split[s]->chains == study->replicates);
        }
        if (!same)
            return error_set(error, STATUS_USAGE,
                             "this law pairs runs: every batch size and rate needs the same data_seeds and replicates");
    }
    study->units = study->splits > 1 ? study->splits : study->replicates;
    return study->units > 0 ? STATUS_OK : error_set(error, STATUS_USAGE, "this law needs finished runs");
}

enum status study_open(const struct law_input *input, bool equal_steps, struct study *study, struct error *error)
{
    const size_t count = input->cell_count;
    enum status status = STATUS_OK;
    *study = (struct study){.input = input,
                            .equal_steps = equal_steps,
                            .arm = calloc(count + 1, sizeof *study->arm),
                            .setup = calloc(count + 1, sizeof *study->setup)};
    if (!study->arm || !study->setup)
        status = no_memory((count + 1) * sizeof *study->arm, error);
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = add_cell(study, &input->cell[i], error);
    if (status == STATUS_OK && study->arms == 0)
        status = error_set(error, STATUS_USAGE, "this law needs cells");
    if (status != STATUS_OK)
        return status;
    qsort(study->arm, study->arms, sizeof *study->arm, compare_arms);
    return check_pairs(study, error);
}

void study_close(struct study *study)
{
    for (size_t a = 0; a < study->arms; a++) {
        free(study->arm[a].identity);
        free(study->arm[a].split);
    }
    for (size_t s = 0; s < study->setups; s++)
        free(study->setup[s].identity);
    free(study->arm);
    free(study->setup);
    *study = (struct study){0};
}

struct rates study_next(const struct study *study, size_t setup, size_t above)
{
    struct rates rates = {0};
    for (size_t a = 0; a < study->arms; a++) {
        const struct arm *arm = &study->arm[a];
        if (arm->setup != setup || arm->batch_size <= above)
            continue;
        if (rates.count > 0 && arm->batch_size != rates.arm->batch_size)
            break;
        if (rates.count++ == 0)
            rates.arm = arm;
    }
    return rates;
}

/* ---- results ---- */

size_t study_points(const struct study *study)
{
    return study->arm[0].split[0]->points;
}

bool study_has(const struct study *study, enum metric metric)
{
    const struct law_cell *cell = study->arm[0].split[0];
    return study->input->planned ? (cell->config.metrics & 1u << metric) != 0 : cell->curve[metric] != NULL;
}

static double run_value(const struct law_cell *cell, enum metric metric, size_t replicate, size_t point)
{
    const struct law_curve *curve = cell->curve[metric];
    if (!curve || replicate >= curve->groups || point >= curve->points)
        return NAN;
    const double value = curve->group_mean[replicate * curve->points + point];
    if (metric == METRIC_TEST_ACCURACY && isnan(value))
        return 0;
    return metric == METRIC_SHARPNESS ? log(value) : value;
}

double study_value(const struct study *study, const struct arm *arm, enum metric metric, size_t unit, size_t point)
{
    if (study->splits == 1)
        return run_value(arm->split[0], metric, unit, point);
    double sum = 0;
    for (size_t r = 0; r < study->replicates; r++)
        sum += run_value(arm->split[unit], metric, r, point);
    return sum / (double)study->replicates;
}

double choice_value(const struct study *study, const struct choice *choice, enum metric metric, size_t unit,
                    size_t point)
{
    return study_value(study, choice->arm[study_half(study, unit)], metric, unit, point);
}

struct estimate estimate_of(const double *value, size_t count)
{
    double sum = 0, square = 0;
    for (size_t i = 0; i < count; i++)
        sum += value[i];
    const double mean = sum / (double)count;
    for (size_t i = 0; i < count; i++)
        square += gsl_pow_2(value[i] - mean);
    const double n = (double)count;
    return (struct estimate){mean, count > 1 ? sqrt(square / (n - 1) / n) : (double)NAN};
}

/* ---- tuning ---- */

size_t study_half(const struct study *study, size_t unit)
{
    return 2 * unit >= study->units;
}

struct choice study_tune(const struct study *study, const struct rates *rates)
{
    struct choice choice = {{rates->arm, rates->arm}};
    for (size_t half = 0; half < 2 && !study->input->planned; half++) {
        double best = -1;
        for (size_t a = 0; a < rates->count; a++) {
            double sum = 0;
            for (size_t unit = 0; unit < study->units; unit++)
                if (study_half(study, unit) != half)
                    sum += study_value(study, &rates->arm[a], METRIC_TEST_ACCURACY, unit, study_points(study) - 1);
            if (sum > best) {
                best = sum;
                choice.arm[half] = &rates->arm[a];
            }
        }
    }
    return choice;
}
