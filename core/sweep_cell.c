/* One cell's settings to the numbers of a run: counts in n, m and in epochs become steps, and what makes no sense
 * together is refused. Called once for every cell when a sweep is opened, and again whenever a cell is needed. */
#include <math.h>
#include <string.h>

#include "curvature.h"
#include "model.h"
#include "sweep_internal.h"

struct resolving {
    const struct sweep *sweep;
    const struct section_value *value[SECTION_COUNT];
    struct run_config *out;
    size_t n;
    struct error *error;
};

static const struct yaml_node *place_of(const struct resolving *r, enum section_id id, size_t setting)
{
    return section_place(r->value[id], setting, r->sweep->document.root);
}

/* Sampler, batch size and last_batch are known by now. */
static double steps_of_epochs(const struct resolving *r, double epochs)
{
    const struct run_config *out = r->out;
    double per_epoch = (double)r->n / (double)out->batch_size;
    if (out->sampler->by_epoch)
        per_epoch = (double)sampler_steps_per_epoch(out->sampler, r->n, out->batch_size, out->keep_last);
    double steps = epochs * per_epoch;
    return ceil(steps * (1.0 - 1e-12)); /* 0.1 * 30 must not become 4 */
}

static enum status resolve_list(const struct resolving *r, const struct deferred *deferred, struct param_values *values)
{
    for (size_t i = 0; i < values->list_count; i++) {
        values->list[i] = steps_of_epochs(r, values->list[i]);
        if (param_check(deferred->param, values->list[i], r->error) != STATUS_OK)
            return yaml_place(deferred->node, r->error);
        if (i > 0 && values->list[i] <= values->list[i - 1])
            return yaml_error(deferred->node, STATUS_USAGE, r->error,
                              "%s must increase, but two entries are the same number of steps", deferred->param->name);
    }
    return STATUS_OK;
}

/* A batch size is read before m is known. */
static enum status resolve_expression(const struct resolving *r, const struct deferred *deferred, double *out)
{
    const struct run_config *config = r->out;
    if (deferred->expression->uses_m && config->batch_size == 0)
        return yaml_error(deferred->node, STATUS_USAGE, r->error,
                          "%s is '%.60s', but m is the batch size: use a number, or arithmetic on n",
                          deferred->param->name, deferred->node->text);
    const double m = (double)(config->batch_size ? sampler_max_batch(config->sampler, r->n, config->batch_size) : 0);
    *out = expression_count(deferred->expression, (double)r->n, m);
    return STATUS_OK;
}

/* The section's numbers with all that was deferred. setting: a copy of count numbers, NULL: none wanted; values: the
 * method's, NULL: likewise. */
static enum status resolve_numbers(const struct resolving *r, enum section_id id, double *setting,
                                   struct param_values *values)
{
    const struct section_value *value = r->value[id];
    if (setting)
        memcpy(setting, value->setting, section_at(id)->count * sizeof *setting);
    if (values) {
        *values = (struct param_values){.list_count = value->list_count};
        if (value->method)
            memcpy(values->scalar, value->param, value->method->param_count * sizeof *values->scalar);
        if (value->list_count)
            memcpy(values->list, value->list, value->list_count * sizeof *values->list);
    }
    for (size_t i = 0; i < value->deferred_count; i++) {
        const struct deferred *deferred = &value->deferred[i];
        enum status status = STATUS_OK;
        if (deferred->target == DEFER_LIST) {
            if (values)
                status = resolve_list(r, deferred, values);
        } else {
            double *at = deferred->target == DEFER_SETTING ? setting : values ? values->scalar : NULL;
            if (!at)
                continue;
            at += deferred->index;
            if (deferred->expression)
                status = resolve_expression(r, deferred, at);
            else
                *at = steps_of_epochs(r, *at);
            if (status == STATUS_OK && param_check(deferred->param, *at, r->error) != STATUS_OK)
                status = yaml_place(deferred->node, r->error);
        }
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

static enum status resolve_problem(struct resolving *r)
{
    const struct section_value *value = r->value[SECTION_PROBLEM];
    const struct opened_problem *problem = r->sweep->problem[value->problem];
    struct run_config *out = r->out;
    out->problem = problem->problem;
    out->data_spec = problem->spec;
    out->reference = problem->reference;
    out->start = value->words->start;
    r->n = out->problem.data->train.rows;
    return STATUS_OK;
}

static enum status resolve_sampling(struct resolving *r)
{
    struct run_config *out = r->out;
    double m;
    out->sampler = (const struct sampler_type *)r->value[SECTION_SAMPLING]->method;
    out->keep_last = r->value[SECTION_LAST_BATCH]->setting[0] == 0.0;
    enum status status = resolve_numbers(r, SECTION_BATCH_SIZE, &m, NULL);
    if (status != STATUS_OK)
        return status;
    out->batch_size = (size_t)m;
    const struct sampler_type *type = out->sampler;
    bool subset = !type->by_epoch && !type->with_replacement && !type->deterministic;
    bool empty = type->by_epoch && !out->keep_last;
    if (out->batch_size > r->n && (subset || empty))
        return yaml_error(place_of(r, SECTION_BATCH_SIZE, 0), STATUS_USAGE, r->error,
                          "batch_size is %zu, but %s %s n = %zu samples of %s", out->batch_size, type->method.name,
                          subset ? "draws without replacement from the"
                                 : "with last_batch: drop needs a full batch of the",
                          r->n, out->problem.data->name);
    if (type->deterministic && !type->by_epoch)
        out->batch_size = r->n; /* full */
    return resolve_numbers(r, SECTION_SAMPLING, NULL, &out->sampler_values);
}

static enum status resolve_budget(struct resolving *r, double *steps)
{
    const struct section_value *value = r->value[SECTION_BUDGET];
    double budget[BUDGET_SAMPLES + 1];
    enum status status = resolve_numbers(r, SECTION_BUDGET, budget, NULL);
    if (status != STATUS_OK)
        return status;
    if (value->said[BUDGET_EPOCHS])
        *steps = steps_of_epochs(r, budget[BUDGET_EPOCHS]);
    else if (value->said[BUDGET_STEPS])
        *steps = budget[BUDGET_STEPS];
    else if (value->said[BUDGET_SAMPLES])
        *steps = ceil(budget[BUDGET_SAMPLES] / (double)r->out->batch_size);
    else
        return yaml_error(place_of(r, SECTION_BUDGET, BUDGET_EPOCHS), STATUS_USAGE, r->error,
                          "budget is missing: give one of epochs, steps and samples, as budget: {epochs: 10}");
    if (*steps > 1e15)
        return yaml_error(value->node, STATUS_USAGE, r->error, "the budget makes %g steps, at most 1e15 are possible",
                          *steps);
    return STATUS_OK;
}

static enum status resolve_schedule(struct resolving *r)
{
    const struct section_value *value = r->value[SECTION_SCHEDULE];
    struct schedule *schedule = &r->out->schedule;
    double setting[SCHEDULE_SCALING + 1];
    if (!value->method)
        return yaml_error(place_of(r, SECTION_SCHEDULE, SCHEDULE_WARMUP), STATUS_USAGE, r->error,
                          "schedule is missing: give a type and a rate, as schedule: {type: constant, rate: 0.1}");
    enum status status = resolve_numbers(r, SECTION_SCHEDULE, setting, &schedule->values);
    if (status != STATUS_OK)
        return status;
    schedule->type = (const struct schedule_type *)value->method;
    const char *missing = schedule->type->missing ? schedule->type->missing(&schedule->values) : NULL;
    if (missing)
        return yaml_error(value->node, STATUS_USAGE, r->error, "schedule %s %s", value->method->name, missing);
    schedule->warmup = (uint64_t)setting[SCHEDULE_WARMUP];
    if (value->rate_is_c) {
        int t0 = param_find(value->method->params, value->method->param_count, "t0");
        schedule->values.scalar[0] /= schedule->values.scalar[t0];
    }
    double m = (double)sampler_max_batch(r->out->sampler, r->n, r->out->batch_size);
    enum scaling scaling = (enum scaling)setting[SCHEDULE_SCALING];
    double factor = scaling == SCALING_LINEAR ? m : scaling == SCALING_SQRT ? sqrt(m) : 1.0;
    schedule->values.scalar[0] *= factor;
    if (schedule->type->floor_param >= 0)
        schedule->values.scalar[schedule->type->floor_param] *= factor;
    return STATUS_OK;
}

static enum status resolve_step(struct resolving *r)
{
    struct run_config *out = r->out;
    double local[LOCAL_SYNC_EVERY + 1], clip[CLIP_SETTING_EACH + 1];
    out->update = (const struct update_type *)r->value[SECTION_UPDATE]->method;
    out->averager = (const struct averager_type *)r->value[SECTION_AVERAGING]->method;
    enum status status = resolve_numbers(r, SECTION_UPDATE, NULL, &out->update_values);
    if (status == STATUS_OK)
        status = resolve_numbers(r, SECTION_AVERAGING, NULL, &out->averager_values);
    if (status == STATUS_OK)
        status = resolve_numbers(r, SECTION_CLIP, clip, NULL);
    if (status == STATUS_OK)
        status = resolve_numbers(r, SECTION_LOCAL, local, NULL);
    if (status != STATUS_OK)
        return status;
    if (isfinite(clip[CLIP_SETTING_NORM])) {
        out->clip = clip[CLIP_SETTING_EACH] == 0.0 ? CLIP_SAMPLE : CLIP_BATCH;
        out->clip_norm = clip[CLIP_SETTING_NORM];
    } else if (r->value[SECTION_CLIP]->said[CLIP_SETTING_EACH] && !r->value[SECTION_CLIP]->said[CLIP_SETTING_NORM]) {
        return yaml_error(r->value[SECTION_CLIP]->node, STATUS_USAGE, r->error,
                          "clip needs norm: the longest gradient that passes unchanged");
    }
    out->local_workers = (size_t)local[LOCAL_WORKERS];
    out->sync_every = (size_t)local[LOCAL_SYNC_EVERY];
    return STATUS_OK;
}

static enum status resolve_record(struct resolving *r)
{
    struct run_config *out = r->out;
    const struct dataset *data = out->problem.data;
    double record[RECORD_METRICS + 1];
    enum status status = resolve_numbers(r, SECTION_RECORD, record, NULL);
    if (status != STATUS_OK)
        return status;
    out->points = (size_t)record[RECORD_POINTS];
    out->spacing = (enum record_spacing)record[RECORD_SPACING];
    out->metrics = (unsigned)record[RECORD_METRICS];
    static const unsigned test = 1u << METRIC_TEST_LOSS | 1u << METRIC_TEST_ACCURACY;
    static const unsigned classes = 1u << METRIC_TEST_ACCURACY | 1u << METRIC_ACCURACY;
    const struct yaml_node *place = place_of(r, SECTION_RECORD, RECORD_METRICS);
    if ((out->metrics & test) && data->test.rows == 0)
        return yaml_error(
            place, STATUS_USAGE, r->error,
            "the metric %s needs test samples, but %s has none: give problem a test_fraction > 0",
            metric_info[out->metrics & 1u << METRIC_TEST_LOSS ? METRIC_TEST_LOSS : METRIC_TEST_ACCURACY].name,
            data->name);
    if (out->metrics & 1u << METRIC_MEAN_GAP && !out->averager->last)
        return yaml_error(place, STATUS_USAGE, r->error,
                          "the metric %s is a mean over the last iterates, so it goes with averaging: last, not %s",
                          metric_info[METRIC_MEAN_GAP].name, out->averager->method.name);
    const struct model_type *model = out->problem.type->model;
    static const unsigned region = 1u << METRIC_IN_REGION | 1u << METRIC_EXIT_TIME;
    if ((out->metrics & region) && !(model && model->in_region))
        return yaml_error(place, STATUS_USAGE, r->error,
                          "the metric %s needs a problem that names a region, which %s does not",
                          metric_info[out->metrics & 1u << METRIC_EXIT_TIME ? METRIC_EXIT_TIME : METRIC_IN_REGION].name,
                          out->problem.type->method.name);
    if (out->metrics & 1u << METRIC_SHARPNESS && !curvature_defined(&out->problem))
        return yaml_error(
            place, STATUS_USAGE, r->error,
            "the metric %s is an eigenvalue of the Hessian, but the loss of %s is not twice differentiable",
            metric_info[METRIC_SHARPNESS].name, out->problem.type->method.name);
    if (out->metrics & 1u << METRIC_EXIT_TIME && !out->averager->last)
        return yaml_error(place, STATUS_USAGE, r->error,
                          "the metric %s follows the last iterates, so it goes with averaging: last, not %s",
                          metric_info[METRIC_EXIT_TIME].name, out->averager->method.name);
    if ((out->metrics & classes) && data->task == TASK_REGRESSION)
        return yaml_error(
            place, STATUS_USAGE, r->error, "the metric %s needs classes, but %s is a regression problem",
            metric_info[out->metrics & 1u << METRIC_ACCURACY ? METRIC_ACCURACY : METRIC_TEST_ACCURACY].name,
            out->problem.type->method.name);
    return STATUS_OK;
}

/* The velocity's moments are known for v = beta v + g and independent batches; plain sgd is momentum 0. */
static enum status check_velocity(const struct resolving *r)
{
    const struct run_config *config = r->out;
    const struct method *update = r->value[SECTION_UPDATE]->method;
    int dampening = param_find(update->params, update->param_count, "dampening");
    if (!config->sampler->independent_steps)
        return yaml_error(
            place_of(r, SECTION_VELOCITY_STEPS, 0), STATUS_USAGE, r->error,
            "velocity_steps needs batches that are independent from step to step, and those of %s are not: "
            "use with_replacement or subset",
            config->sampler->method.name);
    if (strcmp(update->name, "sgd") != 0 && strcmp(update->name, "heavy_ball") != 0)
        return yaml_error(place_of(r, SECTION_VELOCITY_STEPS, 0), STATUS_USAGE, r->error,
                          "velocity_steps studies the velocity of heavy_ball, not %s, which steps along another vector",
                          update->name);
    if (dampening >= 0 && config->update_values.scalar[dampening] != 0.0)
        return yaml_error(place_of(r, SECTION_VELOCITY_STEPS, 0), STATUS_USAGE, r->error,
                          "velocity_steps studies (1 - momentum) v with v = momentum v + g: dampening must be 0");
    return STATUS_OK;
}

static enum status resolve_estimator(struct resolving *r)
{
    struct run_config *out = r->out;
    double at[AT_STEPS + 1], draws, velocity_steps;
    enum status status = resolve_numbers(r, SECTION_AT, at, NULL);
    if (status == STATUS_OK)
        status = resolve_numbers(r, SECTION_DRAWS, &draws, NULL);
    if (status == STATUS_OK)
        status = resolve_numbers(r, SECTION_VELOCITY_STEPS, &velocity_steps, NULL);
    if (status == STATUS_OK && velocity_steps > 0.0)
        status = check_velocity(r);
    if (status != STATUS_OK)
        return status;
    const struct section_value *value = r->value[SECTION_AT];
    out->at = (enum at_kind)at[AT_TYPE];
    out->at_scale = at[AT_SCALE];
    out->draws = (uint64_t)draws;
    out->velocity_steps = (uint64_t)velocity_steps;
    if (value->said[AT_STEPS] && out->at != AT_AFTER)
        return yaml_error(value->said[AT_STEPS], STATUS_USAGE, r->error, "steps goes with type: after");
    if (value->said[AT_SCALE] && out->at != AT_GAUSSIAN && out->at != AT_OPTIMUM_GAUSSIAN)
        return yaml_error(value->said[AT_SCALE], STATUS_USAGE, r->error,
                          "scale goes with type: gaussian or optimum_gaussian");
    if (out->at != AT_AFTER)
        return STATUS_OK;
    if (!value->said[AT_STEPS])
        return yaml_error(value->node, STATUS_USAGE, r->error,
                          "type: after needs steps, as at: {type: after, steps: 100}");
    out->steps = (uint64_t)at[AT_STEPS];
    return resolve_schedule(r);
}

static enum status resolve_training(struct resolving *r)
{
    static const enum section_id only_estimators[] = {SECTION_AT, SECTION_DRAWS, SECTION_VELOCITY_STEPS};
    for (size_t i = 0; i < sizeof only_estimators / sizeof *only_estimators; i++)
        if (r->value[only_estimators[i]]->node)
            return yaml_error(r->value[only_estimators[i]]->node, STATUS_USAGE, r->error,
                              "%s goes with kind: estimator", section_at(only_estimators[i])->name);
    double steps = 0.0;
    enum status status = resolve_budget(r, &steps);
    if (status != STATUS_OK)
        return status;
    r->out->steps = (uint64_t)steps;
    status = resolve_schedule(r);
    return status == STATUS_OK ? resolve_record(r) : status;
}

/* Moments are of many short chains: nothing to keep of an estimator, no honest time of a single run. */
static enum status check_moments(const struct resolving *r)
{
    if (r->out->kind == KIND_ESTIMATOR)
        return yaml_error(place_of(r, SECTION_KIND, 0), STATUS_USAGE, r->error,
                          "keep: moments has nothing to keep of kind: estimator, whose results are moments already; "
                          "use keep: runs");
    if (r->out->timing == TIMING_SOLO)
        return yaml_error(place_of(r, SECTION_TIMING, 0), STATUS_USAGE, r->error,
                          "keep: moments keeps no times of single runs, which timing: solo is for; use keep: runs");
    return STATUS_OK;
}

/* The bits of the streams' group must never change: they are part of what determines a run. */
static uint64_t combine_groups(const struct resolving *r)
{
    uint64_t group = 0;
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        if (!r->value[i]->group)
            continue;
        group = (group ^ r->value[i]->group) * 0x9e3779b97f4a7c15u;
        group ^= group >> 29;
    }
    return group;
}

void sweep_combinations(const struct sweep *sweep, size_t cell, size_t combination[SECTION_COUNT])
{
    const struct document *document = &sweep->document;
    memset(combination, 0, SECTION_COUNT * sizeof *combination);
    for (size_t i = 0; i < document->axis_count; i++) {
        const struct axis *axis = &document->axis[i];
        combination[axis->section] += cell / axis->stride % axis->count * axis->combination_stride;
    }
}

enum status sweep_resolve(const struct sweep *sweep, size_t cell, struct run_config *out, struct error *error)
{
    struct resolving r = {.sweep = sweep, .out = out, .error = error};
    size_t combination[SECTION_COUNT];
    sweep_combinations(sweep, cell, combination);
    for (size_t i = 0; i < SECTION_COUNT; i++)
        r.value[i] = &sweep->section[i].value[combination[i]];
    *out = (struct run_config){.kind = (enum run_kind)r.value[SECTION_KIND]->setting[0],
                               .timing = (enum timing)r.value[SECTION_TIMING]->setting[0],
                               .keep = sweep->document.keep,
                               .stream_group = combine_groups(&r)};
    enum status status = resolve_problem(&r);
    if (status == STATUS_OK)
        status = resolve_sampling(&r);
    if (status == STATUS_OK)
        status = resolve_step(&r);
    if (status == STATUS_OK)
        status = out->kind == KIND_ESTIMATOR ? resolve_estimator(&r) : resolve_training(&r);
    if (status == STATUS_OK && out->keep == KEEP_MOMENTS)
        status = check_moments(&r);
    if (status == STATUS_OK)
        config_canonical(out);
    return status;
}
