/* The data sets and problems of a sweep: each distinct one is opened, and its optimum solved, once. */
#include <math.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "model.h"
#include "sweep_internal.h"

/* The parameters of the problem's type. */
static struct param_values type_values(const struct section_value *value)
{
    struct param_values values = {.list_count = value->list_count};
    memcpy(values.scalar, value->param, value->method->param_count * sizeof *values.scalar);
    if (value->list_count)
        memcpy(values.list, value->list, value->list_count * sizeof *values.list);
    return values;
}

static void make_spec(const struct section_value *value, const struct param_values *values, struct data_spec *spec)
{
    const struct problem_type *type = (const struct problem_type *)value->method;
    const struct problem_words *words = value->words;
    const double *setting = value->setting;
    *spec = (struct data_spec){
        .name = words->data,
        .synthetic = words->synthetic,
        .values = words->values,
        .task = problem_task(type, values),
        .format = (enum data_format)setting[PROBLEM_FORMAT],
        .target = words->target,
        .positive = words->positive,
        .intercept = type->own_bias ? NO : (enum tristate)setting[PROBLEM_INTERCEPT],
        .standardize = (enum tristate)setting[PROBLEM_STANDARDIZE],
        .test_fraction = setting[PROBLEM_TEST_FRACTION],
        .label_noise = setting[PROBLEM_LABEL_NOISE],
        .order = (enum data_order)setting[PROBLEM_ORDER],
        .data_seed = (uint64_t)setting[PROBLEM_DATA_SEED],
    };
}

/* A text that two specifications share when they are the same. */
static char *spec_key(const struct data_spec *spec)
{
    struct json json = {0};
    json_begin(&json, '[');
    json_string(&json, spec->name);
    json_string(&json, spec->synthetic ? spec->synthetic->method.name : NULL);
    for (size_t i = 0; spec->synthetic && i < spec->synthetic->method.param_count; i++)
        json_real(&json, spec->values.scalar[i]);
    json_count(&json, (uint64_t)spec->task);
    json_count(&json, (uint64_t)spec->format);
    json_string(&json, spec->target);
    json_string(&json, spec->positive);
    json_real(&json, (double)spec->intercept);
    json_real(&json, (double)spec->standardize);
    json_real(&json, spec->test_fraction);
    json_real(&json, spec->label_noise);
    json_count(&json, (uint64_t)spec->order);
    json_count(&json, spec->data_seed);
    json_end(&json, ']');
    return json_take(&json);
}

static enum status no_memory(struct error *error)
{
    return error_memory(error, 0, "a data set");
}

/* The list with room for one more pointer, NULL when out of memory. It grows whenever count is a power of two. */
static void *grown(void *list, size_t count)
{
    return (count & (count - 1)) == 0 ? realloc(list, (2 * count + 1) * sizeof(void *)) : list;
}

static enum status find_data(struct sweep *sweep, const struct section_value *value, const struct param_values *values,
                             struct opened_data **out, struct error *error)
{
    struct data_spec spec;
    make_spec(value, values, &spec);
    char *key = spec_key(&spec);
    if (!key)
        return no_memory(error);
    for (size_t i = sweep->data_count; i-- > 0;) {
        if (strcmp(sweep->data[i]->key, key) == 0) {
            *out = sweep->data[i];
            free(key);
            return STATUS_OK;
        }
    }
    struct opened_data *data = calloc(1, sizeof *data);
    struct opened_data **list = data ? grown(sweep->data, sweep->data_count) : NULL;
    if (!list) {
        free(data);
        free(key);
        return no_memory(error);
    }
    sweep->data = list;
    *data = (struct opened_data){.key = key, .spec = spec};
    sweep->data[sweep->data_count++] = data;
    *out = data;
    if (dataset_open(&data->spec, &sweep->search, &data->data, error) == STATUS_OK)
        return STATUS_OK;
    if (error && error->file[0])
        return error->status; /* a place in the data's own file says more */
    return yaml_place(section_place(value, PROBLEM_DATA, sweep->document.root), error);
}

static int compare_problems(const void *left, const void *right)
{
    const struct problem *a = &((const struct opened_problem *)left)->problem;
    const struct problem *b = &((const struct opened_problem *)right)->problem;
    const double x[] = {a->l2, a->l1, a->radius, (double)a->l1_form, (double)a->penalize_intercept};
    const double y[] = {b->l2, b->l1, b->radius, (double)b->l1_form, (double)b->penalize_intercept};
    if (a->type != b->type)
        return (uintptr_t)a->type < (uintptr_t)b->type ? -1 : 1;
    if (a->data != b->data)
        return (uintptr_t)a->data < (uintptr_t)b->data ? -1 : 1;
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    for (size_t i = 0; i < a->type->method.param_count; i++)
        if (a->values.scalar[i] != b->values.scalar[i])
            return a->values.scalar[i] < b->values.scalar[i] ? -1 : 1;
    if (a->values.list_count != b->values.list_count)
        return a->values.list_count < b->values.list_count ? -1 : 1;
    for (size_t i = 0; i < a->values.list_count; i++)
        if (a->values.list[i] != b->values.list[i])
            return a->values.list[i] < b->values.list[i] ? -1 : 1;
    return 0;
}

static enum status check_problem(const struct sweep *sweep, const struct section_value *value,
                                 const struct problem *problem, struct error *error)
{
    const struct problem_type *type = problem->type;
    const struct model_type *model = type->model;
    const struct dataset *data = problem->data;
    const struct problem_words *words = value->words;
    const char *reason = model && model->refuse ? model->refuse(problem) : NULL;
    if (reason)
        return yaml_error(section_place(value, PROBLEM_DATA, sweep->document.root), STATUS_USAGE, error, "%s on %s: %s",
                          type->method.name, data->name, reason);
    if (type->own_bias && value->setting[PROBLEM_INTERCEPT] == (double)YES)
        return yaml_error(section_place(value, PROBLEM_INTERCEPT, sweep->document.root), STATUS_USAGE, error,
                          "%s has biases of its own: leave intercept out", type->method.name);
    if (words->start.kind == START_INITIAL && !(model && model->start))
        return yaml_error(section_place(value, PROBLEM_START, sweep->document.root), STATUS_USAGE, error,
                          "start: initial, but %s has no random start of its own", type->method.name);
    if (type->needs_l1 && !(value->setting[PROBLEM_L1] > 0.0))
        return yaml_error(section_place(value, PROBLEM_L1, sweep->document.root), STATUS_USAGE, error,
                          "%s needs l1 > 0: without it, it is least_squares", type->method.name);
    if (words->start.kind == START_LIST && words->start_count != problem_dim(problem))
        return yaml_error(section_place(value, PROBLEM_START, sweep->document.root), STATUS_USAGE, error,
                          "start has %zu entries, but %s has %zu coordinates%s", words->start_count, data->name,
                          problem_dim(problem), data->intercept ? ", the intercept among them" : "");
    if (words->start.kind == START_INSTANCE && !data->start)
        return yaml_error(section_place(value, PROBLEM_START, sweep->document.root), STATUS_USAGE, error,
                          "start: instance, but %s names no start; the synthetic data of the laws do, such as "
                          "mean_estimation; valid for all: zeros, {gaussian: S}, optimum, {optimum: OFFSET} or a list",
                          data->name);
    return STATUS_OK;
}

enum status sweep_open_problem(struct sweep *sweep, struct section_value *value, struct error *error)
{
    const struct yaml_node *place = section_place(value, PROBLEM_DATA, sweep->document.root);
    if (!value->method)
        return yaml_error(place, STATUS_USAGE, error,
                          "problem is missing: give a type and data, as problem: {type: "
                          "logistic_regression, data: breast_cancer}");
    if (!value->words->data && !value->words->synthetic)
        return yaml_error(place, STATUS_USAGE, error,
                          "problem needs data: a shipped name, a path, or {synthetic: "
                          "NAME, ...}");
    struct opened_data *data = NULL;
    const struct param_values values = type_values(value);
    enum status status = find_data(sweep, value, &values, &data, error);
    if (status != STATUS_OK)
        return status;
    const double *setting = value->setting;
    bool penalty = setting[PROBLEM_L1] > 0.0 || setting[PROBLEM_L2] > 0.0;
    struct opened_problem wanted = {
        .problem = {.type = (const struct problem_type *)value->method,
                    .values = values,
                    .data = data->data,
                    .l1 = setting[PROBLEM_L1],
                    .l2 = setting[PROBLEM_L2],
                    .radius = setting[PROBLEM_RADIUS],
                    .l1_form = setting[PROBLEM_L1] > 0.0 ? (enum l1_form)setting[PROBLEM_L1_FORM] : L1_PROXIMAL,
                    .penalize_intercept =
                        penalty && data->data->intercept && setting[PROBLEM_PENALIZE_INTERCEPT] != 0.0},
        .spec = &data->spec,
        .node = place,
        .number = sweep->problem_count,
    };
    const struct model_type *model = wanted.problem.type->model;
    if (model && model->start && !value->said[PROBLEM_START])
        value->words->start.kind = START_INITIAL;
    status = check_problem(sweep, value, &wanted.problem, error);
    if (status != STATUS_OK)
        return status;
    struct opened_problem *problem;
    struct opened_problem **found = (struct opened_problem **)tfind(&wanted, &sweep->problem_tree, compare_problems);
    if (found) {
        problem = *found;
    } else {
        problem = malloc(sizeof *problem);
        struct opened_problem **list = problem ? grown(sweep->problem, sweep->problem_count) : NULL;
        if (!list) {
            free(problem);
            return no_memory(error);
        }
        sweep->problem = list;
        *problem = wanted;
        sweep->problem[sweep->problem_count++] = problem;
        if (!tsearch(problem, &sweep->problem_tree, compare_problems))
            return no_memory(error);
    }
    value->problem = problem->number;
    return STATUS_OK;
}

void sweep_need_optimum(struct sweep *sweep, const struct problem *problem)
{
    const struct opened_problem wanted = {.problem = *problem};
    struct opened_problem **found = (struct opened_problem **)tfind(&wanted, &sweep->problem_tree, compare_problems);
    if (found)
        (*found)->needs_optimum = true;
}

static void keep_node(void *node)
{
    (void)node;
}

void sweep_close_problems(struct sweep *sweep)
{
    tdestroy(sweep->problem_tree, keep_node);
    for (size_t i = 0; i < sweep->problem_count; i++) {
        reference_free(sweep->problem[i]->reference);
        free(sweep->problem[i]);
    }
    for (size_t i = 0; i < sweep->data_count; i++) {
        dataset_close(sweep->data[i]->data);
        free(sweep->data[i]->key);
        free(sweep->data[i]);
    }
    free(sweep->problem);
    free(sweep->data);
}

/* An optimum that can't be certified is treated like one that does not exist: gap is absent, and the reason is told. */
static enum status solve(struct opened_problem *problem, struct error *error)
{
    struct error failure = {0};
    enum status status = reference_solve(&problem->problem, &problem->reference, &failure);
    if (status == STATUS_NUMERICAL) {
        problem->reference = calloc(1, sizeof *problem->reference);
        if (!problem->reference)
            return no_memory(error);
        snprintf(problem->reference->reason, sizeof problem->reference->reason,
                 "the optimum can't be certified: %.200s", failure.message);
        status = STATUS_OK;
    }
    if (status == STATUS_OK && problem->needs_optimum && !problem->reference->exists)
        return yaml_error(problem->node, STATUS_UNSUPPORTED, error,
                          "something starts or freezes at the optimum (or near it), but there is none: %s",
                          problem->reference->reason);
    if (status != STATUS_OK && error) {
        *error = failure;
        yaml_place(problem->node, error);
    }
    return status;
}

enum status sweep_solve_references(struct sweep *sweep, struct error *error)
{
    enum status first = STATUS_OK;
    size_t count = sweep->problem_count;
#pragma omp parallel for schedule(dynamic, 1)
    for (size_t i = 0; i < count; i++) {
        struct error failure;
        bool needed;
#pragma omp critical(sweep_references)
        needed = first == STATUS_OK && !sweep->problem[i]->reference;
        enum status status = needed ? solve(sweep->problem[i], &failure) : STATUS_OK;
        if (status == STATUS_OK)
            continue;
#pragma omp critical(sweep_references)
        if (first == STATUS_OK) {
            first = status;
            if (error)
                *error = failure;
        }
    }
    return first;
}
