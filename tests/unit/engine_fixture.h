/* What the tests of the engine share: small data sets without ties, configurations of any kind, what a run should have
 * recorded by the naive reference (reference/naive.h), and comparisons that name what differs. */
#ifndef SGDLAB_TESTS_ENGINE_FIXTURE_H
#define SGDLAB_TESTS_ENGINE_FIXTURE_H

#include <criterion/criterion.h>
#include <gsl/gsl_linalg.h>
#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "kernels/isa.h"
#include "kernels/update.h"
#include "model.h"
#include "naive.h"

/* But mean_gap, which makes every step a measured one; regions are of landscapes, curvature has its own tests. */
enum { ALL_METRICS = ((1u << (METRIC_X1 + 1)) - 1) & ~(1u << METRIC_MEAN_GAP) };

#define MUST(call)                                                                                                     \
    do {                                                                                                               \
        struct error must_error = {0};                                                                                 \
        enum status must_status = (call);                                                                              \
        cr_assert(must_status == STATUS_OK, "%s: %s", #call, must_error.message);                                      \
    } while (0)
/* the struct error that a call inside MUST fills */
#define ERROR (&must_error)

/* ---- random numbers, data ---- */

static inline gsl_rng *fixture_rng(uint64_t seed)
{
    struct rng_stream stream = rng_stream(seed, RNG_TEST, 0, 0);
    gsl_rng *rng = rng_gsl_open(&stream);
    cr_assert(rng != NULL);
    return rng;
}

static inline size_t pick(gsl_rng *rng, size_t count)
{
    return gsl_rng_uniform_int(rng, count);
}

static inline const void *method_named(enum method_kind kind, const char *name)
{
    struct error error = {0};
    const struct method *found = registry_find(kind, name, &error);
    cr_assert(found != NULL, "%s", error.message);
    return found;
}

static inline void *zeroed(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    cr_assert(memory != NULL);
    return memory;
}

/* d counts the intercept column; nonzeros a row without it, 0: dense. Every eleventh sparse row has none. */
struct shape {
    size_t n, d, test_n, nonzeros;
    bool intercept;
    enum task task;
};

static inline void fixture_matrix(struct shape s, size_t n, gsl_rng *rng, struct matrix *a)
{
    const size_t free_columns = s.intercept ? s.d - 1 : s.d;
    if (!s.nonzeros) {
        MUST(matrix_alloc_dense(a, n, s.d, ERROR));
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < s.d; j++)
                a->value[i * a->stride + j] = j < free_columns ? gsl_ran_gaussian(rng, 1 / sqrt((double)s.d)) : 1;
        return;
    }
    const size_t each = s.nonzeros + (s.intercept ? 1 : 0);
    MUST(matrix_alloc_sparse(a, n, s.d, n * each, ERROR));
    size_t p = 0;
    for (size_t i = 0; i < n; i++) {
        size_t left = i % 11 == 5 ? 0 : s.nonzeros;
        for (size_t j = 0; j < free_columns && left; j++)
            if (gsl_rng_uniform(rng) * (double)(free_columns - j) < (double)left) {
                a->column[p] = (uint32_t)j;
                a->value[p++] = gsl_ran_gaussian(rng, 1 / sqrt((double)each));
                left--;
            }
        if (s.intercept) {
            a->column[p] = (uint32_t)free_columns;
            a->value[p++] = 1;
        }
        a->row[i + 1] = p;
    }
    a->nnz = p;
}

/* Targets of a noisy linear model: never on a kink of a loss at any simple point. */
static inline double *fixture_targets(const struct matrix *a, const double *truth, enum task task, gsl_rng *rng)
{
    double *y = zeroed(a->rows, sizeof *y);
    for (size_t i = 0; i < a->rows; i++) {
        y[i] = matrix_row_dot(a, i, truth) + gsl_ran_gaussian(rng, 0.3);
        if (task == TASK_BINARY)
            y[i] = y[i] > 0 ? 1 : -1;
        if (task == TASK_MULTICLASS)
            y[i] = y[i] < -0.5 ? 0 : y[i] < 0.5 ? 1 : 2;
    }
    return y;
}

static inline void fixture_data(struct shape s, uint64_t seed, struct dataset *data)
{
    gsl_rng *rng = fixture_rng(seed);
    *data = (struct dataset){.intercept = s.intercept, .task = s.task, .classes = s.task == TASK_MULTICLASS ? 3 : 2};
    double *truth = zeroed(s.d, sizeof *truth);
    for (size_t j = 0; j < s.d; j++)
        truth[j] = gsl_ran_gaussian(rng, 1);
    fixture_matrix(s, s.n, rng, &data->train);
    data->y = fixture_targets(&data->train, truth, s.task, rng);
    if (s.test_n) {
        fixture_matrix(s, s.test_n, rng, &data->test);
        data->test_y = fixture_targets(&data->test, truth, s.task, rng);
    }
    free(truth);
    gsl_rng_free(rng);
}

static inline void fixture_data_free(struct dataset *data)
{
    matrix_free(&data->train);
    matrix_free(&data->test);
    free(data->y);
    free(data->test_y);
}

/* The same numbers stored dense. */
static inline void fixture_densify(const struct dataset *sparse, struct dataset *dense)
{
    *dense = *sparse;
    MUST(matrix_to_dense(&sparse->train, &dense->train, ERROR));
    if (sparse->test.rows)
        MUST(matrix_to_dense(&sparse->test, &dense->test, ERROR));
    dense->y = zeroed(sparse->train.rows, sizeof *dense->y);
    memcpy(dense->y, sparse->y, sparse->train.rows * sizeof *dense->y);
    dense->test_y = zeroed(sparse->test.rows, sizeof *dense->test_y);
    if (sparse->test.rows)
        memcpy(dense->test_y, sparse->test_y, sparse->test.rows * sizeof *dense->test_y);
}

/* ---- problems ---- */

/* A problem's own parameters: the defaults, and two entries where there is a list (hidden layers). */
static inline struct param_values fixture_values(const struct problem_type *type)
{
    const struct method *method = &type->method;
    struct param_values values = {0};
    param_defaults(method->params, method->param_count, &values);
    for (size_t i = 0; i < method->param_count; i++)
        if (method->params[i].kind == PARAM_LIST) {
            values.list_count = 2;
            values.list[0] = 5;
            values.list[1] = 4;
        }
    return values;
}

/* ---- references ---- */

/* f(x) without penalties, of models too. */
static inline double fixture_value(const struct problem *problem, const double *x)
{
    const struct model_type *model = problem->type->model;
    if (!model)
        return problem_value(problem, x, NULL);
    const struct dataset *data = problem->data;
    const struct batch all = {.a = &data->train, .y = data->y, .rows = data->train.rows};
    const size_t d = problem_dim(problem), doubles = (d + 7) / 8 * 8 + 8 + model->scratch(problem, 1);
    double *at = aligned_alloc(64, (doubles + 7) / 8 * 64);
    cr_assert(at != NULL);
    double *value = at + (d + 7) / 8 * 8;
    memcpy(at, x, d * sizeof *x);
    value[0] = 0;
    model->loss(problem, &all, at, 1, value + 8, value, NULL);
    const double mean = value[0] / (double)data->train.rows;
    free(at);
    return mean;
}

/* The metrics need some f* and x*; only where the engine uses the quadratic form must they be the optimum: there they
 * come from the normal equations, elsewhere from the generator. */
static inline void fixture_reference(const struct problem *problem, uint64_t seed, struct reference *reference)
{
    const size_t d = problem_dim(problem), n = problem->data->train.rows;
    gsl_rng *rng = fixture_rng(seed ^ 0xabcdef);
    *reference = (struct reference){.exists = true, .dim = d, .x = zeroed(d, sizeof(double))};
    for (size_t j = 0; j < d; j++)
        reference->x[j] = gsl_ran_gaussian(rng, 1);
    gsl_rng_free(rng);
    if (problem->type->quadratic && !(problem->l1 > 0) && !isfinite(problem->radius) && d <= n &&
        !problem->data->train.sparse) {
        gsl_matrix *h = gsl_matrix_calloc(d, d);
        gsl_vector *b = gsl_vector_calloc(d), *x = gsl_vector_calloc(d);
        double *row = zeroed(d, sizeof *row);
        for (size_t i = 0; i < n; i++) {
            memset(row, 0, d * sizeof *row);
            matrix_row_axpy(&problem->data->train, i, 1, row);
            for (size_t j = 0; j < d; j++) {
                *gsl_vector_ptr(b, j) += row[j] * problem->data->y[i] / (double)n;
                for (size_t k = 0; k < d; k++)
                    *gsl_matrix_ptr(h, j, k) += row[j] * row[k] / (double)n;
            }
        }
        for (size_t j = 0; j < problem_penalized(problem); j++)
            *gsl_matrix_ptr(h, j, j) += problem->l2;
        gsl_linalg_cholesky_decomp1(h);
        gsl_linalg_cholesky_solve(h, b, x);
        memcpy(reference->x, x->data, d * sizeof *reference->x);
        free(row);
        gsl_vector_free(x);
        gsl_vector_free(b);
        gsl_matrix_free(h);
    }
    reference->f = fixture_value(problem, reference->x);
}

/* ---- what a run should record ---- */

struct expected {
    const struct run_config *config;
    const struct record_grid *grid;
    size_t points;
    double *metric[METRIC_COUNT]; /* [grid->count] each, of the average where one is asked for; NaN: jumps there */
    double kink;                  /* smallest distance of the iterates from a jump of the step */
    double limit2;                /* squared norm beyond which a lane has left */
    double gap_sum;               /* of the gaps before this step, if they are asked for */
    bool left;
    uint64_t left_at; /* a step at which the engine looks: multiples of 16, recorded steps */
    bool *moved;      /* [d]: has this coordinate of the iterate ever left zero? */
};

static inline double mean_loss(const struct problem_type *type, const struct matrix *a, const double *y,
                               const double *x, double *accuracy)
{
    double sum = 0, right = 0;
    for (size_t i = 0; i < a->rows; i++) {
        double z = matrix_row_dot(a, i, x);
        sum += type->scalar->value(z, y[i]);
        right += z * y[i] > 0;
    }
    *accuracy = right / (double)a->rows;
    return sum / (double)a->rows;
}

/* Runs that differ in rounding alone may part where a step or a subgradient jumps: everything compared must be further
 * from there than the rounding errors, some 1e-14. */
#define KINK 1e-11

/* Distance of x from the points at which a step is not a continuous function of it. */
static inline double kink_distance(const struct problem *p, const double *x)
{
    double nearest = INFINITY;
    const char *name = p->type->method.name;
    const bool hinge = strcmp(name, "linear_svm") == 0, absolute = strcmp(name, "least_absolute_deviations") == 0;
    for (size_t i = 0; (hinge || absolute) && i < p->data->train.rows; i++) {
        double z = matrix_row_dot(&p->data->train, i, x), y = p->data->y[i];
        nearest = fmin(nearest, fabs(hinge ? 1 - y * z : z - y));
    }
    if (p->l1 > 0 && p->l1_form == L1_SUBGRADIENT)
        for (size_t j = 0; j < problem_penalized(p); j++)
            if (x[j] < 0 || x[j] > 0)
                nearest = fmin(nearest, fabs(x[j]));
    return nearest;
}

static inline void expect_step(void *context, uint64_t step, const double *iterate, const double *average)
{
    struct expected *e = context;
    const struct run_config *c = e->config;
    const size_t d = problem_dim(&c->problem);
    const double *x = c->averager->last ? iterate : average;
    double norm2 = 0;
    for (size_t j = 0; j < d; j++) {
        norm2 += iterate[j] * iterate[j];
        e->moved[j] = e->moved[j] || fabs(iterate[j]) > 0;
    }
    const bool recorded = e->points < e->grid->count && e->grid->step[e->points] == step;
    if ((recorded || step % 16 == 0) && !e->left && !(norm2 <= e->limit2)) {
        e->left = true;
        e->left_at = step;
    }
    if (e->left)
        return;
    const bool mean_gap = c->metrics & 1u << METRIC_MEAN_GAP;
    const double gap = mean_gap ? problem_value(&c->problem, iterate, NULL) - (c->reference ? c->reference->f : 0) : 0;
    const double before = step ? e->gap_sum / (double)step : gap;
    e->gap_sum += gap;
    if (c->local_workers <= 1)
        e->kink = fmin(e->kink, kink_distance(&c->problem, iterate));
    if (!recorded)
        return;
    const size_t at = e->points++;
    double *gradient = zeroed(d, sizeof *gradient), grad2 = 0, distance2 = 0, x2 = 0, accuracy, test_accuracy = 0;
    const struct dataset *data = c->problem.data;
    e->metric[METRIC_LOSS][at] = problem_value(&c->problem, x, gradient);
    for (size_t j = 0; j < d; j++) {
        const double star = c->reference ? c->reference->x[j] : 0;
        grad2 += gradient[j] * gradient[j];
        x2 += x[j] * x[j];
        distance2 += (x[j] - star) * (x[j] - star);
    }
    free(gradient);
    /* Averages can cancel to nothing in one order of summation and almost nothing in another. */
    bool jumps = kink_distance(&c->problem, x) < KINK;
    for (size_t j = 0; j < d; j++)
        jumps = jumps || (c->problem.l1 > 0 && x != iterate && e->moved[j] && fabs(x[j]) < KINK);
    if (jumps)
        grad2 = NAN;
    e->metric[METRIC_GAP][at] = e->metric[METRIC_LOSS][at] - (c->reference ? c->reference->f : 0);
    e->metric[METRIC_GRAD_NORM2][at] = grad2;
    e->metric[METRIC_DISTANCE2][at] = distance2;
    e->metric[METRIC_NORM2][at] = x2;
    e->metric[METRIC_MEAN_GAP][at] = before;
    e->metric[METRIC_X1][at] = x[0];
    mean_loss(c->problem.type, &data->train, data->y, x, &accuracy);
    e->metric[METRIC_ACCURACY][at] = accuracy;
    if (data->test.rows)
        e->metric[METRIC_TEST_LOSS][at] = mean_loss(c->problem.type, &data->test, data->test_y, x, &test_accuracy);
    e->metric[METRIC_TEST_ACCURACY][at] = test_accuracy;
}

/* The start of a run, from its definition. start[d]. */
static inline void fixture_start(const struct run_request *request, double *start)
{
    const struct run_config *c = request->config;
    const size_t d = problem_dim(&c->problem);
    struct rng_stream stream = rng_stream(request->seed, RNG_START, c->stream_group, request->replicate);
    gsl_rng *rng = rng_gsl_open(&stream);
    cr_assert(rng != NULL);
    for (size_t j = 0; j < d; j++) {
        start[j] = 0;
        if (c->start.kind == START_LIST)
            start[j] = c->start.list[j];
        if (c->start.kind == START_GAUSSIAN)
            start[j] = gsl_ran_gaussian_ziggurat(rng, c->start.scale);
        if (c->start.kind == START_OPTIMUM)
            start[j] = c->reference->x[j] + c->start.scale;
    }
    gsl_rng_free(rng);
}

static inline void expect_run(const struct run_request *request, struct expected *e)
{
    const struct run_config *c = request->config;
    const size_t d = problem_dim(&c->problem);
    *e = (struct expected){.config = c, .grid = c->grid, .kink = INFINITY, .moved = zeroed(d, sizeof(bool))};
    for (int m = 0; m < METRIC_COUNT; m++)
        e->metric[m] = zeroed(c->grid->count, sizeof(double));
    double *start = zeroed(d, sizeof *start), start2 = 0, star2 = 0;
    fixture_start(request, start);
    for (size_t j = 0; j < d; j++) {
        start2 += start[j] * start[j];
        star2 += c->reference ? c->reference->x[j] * c->reference->x[j] : 0;
    }
    e->limit2 = 1e16 * fmax(fmax(start2, star2), 1);
    MUST(naive_sgd(c, request->seed, request->replicate, start, expect_step, e, ERROR));
    free(start);
}

static inline void expected_free(struct expected *e)
{
    for (int m = 0; m < METRIC_COUNT; m++)
        free(e->metric[m]);
    free(e->moved);
}

/* Is the metric there for that problem? */
static inline bool metric_defined(const struct run_config *c, enum metric m)
{
    const bool classes = c->problem.type->task != TASK_REGRESSION, test = c->problem.data->test.rows > 0;
    switch (m) {
    case METRIC_GAP:
    case METRIC_DISTANCE2:
        return c->reference && c->reference->exists;
    case METRIC_MEAN_GAP:
        return c->reference && c->reference->exists && c->averager->last;
    case METRIC_TEST_LOSS:
        return test;
    case METRIC_ACCURACY:
        return classes;
    case METRIC_TEST_ACCURACY:
        return classes && test;
    default:
        return true;
    }
}

/* Largest deviation of the recorded metrics from the expected ones, in units of their own size. The floor of a size is
 * what its parts amount to: a gap is a difference of losses, the squared norms are of vectors of order one. */
static inline double deviation(const struct run_result *r, const struct expected *e, enum metric *where, size_t *point)
{
    double worst = 0;
    for (int m = 0; m < METRIC_COUNT; m++) {
        if (!r->metric[m])
            continue;
        for (size_t i = 0; i < r->points && i < e->points; i++) {
            double want = e->metric[m][i], floor = 1e-2;
            if (isnan(want))
                continue;
            if (m == METRIC_GAP || m == METRIC_MEAN_GAP)
                floor = fabs(e->metric[METRIC_LOSS][i]);
            double off = fabs(r->metric[m][i] - want) / fmax(fabs(want), floor);
            if (!(off <= worst)) {
                worst = isnan(off) ? INFINITY : off;
                *where = (enum metric)m;
                *point = i;
            }
        }
    }
    return worst;
}

/* Compares one result with the naive run: outcome, points, every metric. what names the combination. */
static inline void check_result(const struct run_request *request, const struct run_result *r, double tolerance,
                                const char *what)
{
    struct expected e;
    expect_run(request, &e);
    for (int m = 0; m < METRIC_COUNT; m++)
        cr_expect((r->metric[m] != NULL) ==
                      (metric_defined(request->config, (enum metric)m) && request->config->metrics & 1u << m),
                  "%s: metric %s", what, metric_info[m].name);
    cr_expect((r->outcome == OUTCOME_DIVERGED) == e.left, "%s: outcome %d, but naive %s", what, (int)r->outcome,
              e.left ? "left" : "did not leave");
    if (e.left)
        cr_expect(r->diverged_at == e.left_at, "%s: diverged at %llu, naive at %llu", what,
                  (unsigned long long)r->diverged_at, (unsigned long long)e.left_at);
    cr_expect(r->points == e.points, "%s: %zu points of %zu", what, r->points, e.points);
    enum metric where = METRIC_LOSS;
    size_t at = 0;
    double off = deviation(r, &e, &where, &at);
    cr_expect(off <= tolerance, "%s: %s at step %llu is %.17g, naive %.17g (%.3g off)", what, metric_info[where].name,
              (unsigned long long)e.grid->step[at], r->metric[where][at], e.metric[where][at], off);
    cr_expect(!(e.kink < KINK), "%s: an iterate is %g from a kink: choose another seed", what, e.kink);
    expected_free(&e);
}

/* ---- configurations ---- */

/* A plain run on `data` with the kernels `set`: least squares or logistic, constant rate, one sample a step. */
static inline struct run_config plain_config(const struct kernel_set *set, const struct dataset *data,
                                             const struct record_grid *grid)
{
    const struct problem_type *type = NULL;
    const char *wanted = data->task == TASK_REGRESSION ? "least_squares" : "logistic_regression";
    for (size_t i = 0; i < set->problem_count; i++)
        if (strcmp(set->problem[i]->method.name, wanted) == 0)
            type = set->problem[i];
    return (struct run_config){
        .problem = {.type = type, .data = data, .radius = INFINITY},
        .sampler = method_named(METHOD_SAMPLER, "with_replacement"),
        .batch_size = 1,
        .keep_last = true,
        .schedule = {.type = method_named(METHOD_SCHEDULE, "constant"), .values = {.scalar = {0.1}}},
        .update = set->update[0],
        .averager = method_named(METHOD_AVERAGER, "last"),
        .local_workers = 1,
        .sync_every = 1,
        .steps = grid->step[grid->count - 1],
        .grid = grid,
        .metrics = ALL_METRICS,
    };
}

/* The update rule of that name in the set, with its momentum and dampening. */
static inline void set_update(const struct kernel_set *set, const char *name, double momentum, double dampening,
                              struct run_config *c)
{
    for (size_t i = 0; i < set->update_count; i++)
        if (strcmp(set->update[i]->method.name, name) == 0)
            c->update = set->update[i];
    cr_assert(strcmp(c->update->method.name, name) == 0);
    c->update_values = (struct param_values){0};
    if (c->update->method.param_count) {
        c->update_values.scalar[0] = momentum;
        c->update_values.scalar[1] = dampening;
    }
}

/* A random schedule with this rate; every shape, floors and breaks, warmup for one in three. */
static inline void random_schedule(gsl_rng *rng, size_t which, double rate, uint64_t steps, struct schedule *schedule)
{
    const struct method *method = registry_at(METHOD_SCHEDULE, which % registry_count(METHOD_SCHEDULE));
    *schedule = (struct schedule){.type = (const struct schedule_type *)method};
    param_defaults(method->params, method->param_count, &schedule->values);
    for (size_t i = 1; i < method->param_count; i++) {
        double *value = &schedule->values.scalar[i];
        const char *name = method->params[i].name;
        if (strcmp(name, "floor") == 0)
            *value = rate * gsl_rng_uniform(rng) * 0.5;
        else if (strcmp(name, "factor") == 0)
            *value = 0.5;
        else if (strcmp(name, "every") == 0)
            *value = (double)(3 + pick(rng, 50));
        else if (strcmp(name, "t0") == 0)
            *value = (double)(1 + pick(rng, 40));
        else if (strcmp(name, "power") == 0)
            *value = 0.5 + 2 * gsl_rng_uniform(rng);
        else if (method->params[i].kind == PARAM_LIST && pick(rng, 2)) {
            schedule->values.list_count = 2;
            schedule->values.list[0] = (double)(1 + pick(rng, steps / 2));
            schedule->values.list[1] = schedule->values.list[0] + 1 + (double)pick(rng, steps / 2);
        }
    }
    schedule->values.scalar[0] = strcmp(method->name, "fixed_horizon") == 0 ? rate * sqrt((double)steps) : rate;
    if (pick(rng, 3) == 0)
        schedule->warmup = 1 + pick(rng, steps);
}

static inline void set_averager(const char *name, double value, struct run_config *c)
{
    c->averager = method_named(METHOD_AVERAGER, name);
    c->averager_values = (struct param_values){0};
    if (c->averager->method.param_count)
        c->averager_values.scalar[0] = value;
}

/* Uses the kernels of this set from here on. */
static inline void use_kernels(const struct kernel_set *set)
{
    cr_assert(setenv("SGDLAB_KERNEL", set->name, 1) == 0);
    cr_assert(kernels_active() == set);
}

static inline void results_free(struct run_result *result, size_t count)
{
    for (size_t i = 0; i < count; i++)
        run_result_free(&result[i]);
}

/* Are two results of the same run the same, bit for bit? false names the first difference in text. */
static inline bool same_bits(const struct run_result *a, const struct run_result *b, char *text, size_t size)
{
    if (a->outcome != b->outcome || a->points != b->points ||
        (a->outcome == OUTCOME_DIVERGED && a->diverged_at != b->diverged_at)) {
        snprintf(text, size, "outcome %d at %llu with %zu points, and %d at %llu with %zu", (int)a->outcome,
                 (unsigned long long)a->diverged_at, a->points, (int)b->outcome, (unsigned long long)b->diverged_at,
                 b->points);
        return false;
    }
    for (int m = 0; m < METRIC_COUNT; m++) {
        if (!a->metric[m] != !b->metric[m]) {
            snprintf(text, size, "%s in one only", metric_info[m].name);
            return false;
        }
        for (size_t i = 0; a->metric[m] && i < a->points; i++)
            if (memcmp(&a->metric[m][i], &b->metric[m][i], sizeof(double)) != 0) {
                snprintf(text, size, "%s at point %zu: %.17g and %.17g", metric_info[m].name, i, a->metric[m][i],
                         b->metric[m][i]);
                return false;
            }
    }
    return true;
}

#endif
