/* A small problem for the tests of estimator runs, and what they find computed from the definitions. */
#ifndef SGDLAB_TEST_ESTIMATOR_SCENE_H
#define SGDLAB_TEST_ESTIMATOR_SCENE_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "estimator.h"
#include "neuron_model.h"

/* ---- a run on small data ---- */

struct scene {
    struct dataset data;
    struct reference reference;
    struct run_config config;
    struct run_request request;
    double *start;
};

static inline const void *method(enum method_kind kind, const char *name)
{
    const struct method *found = registry_find(kind, name, NULL);
    cr_assert(found != NULL);
    return found;
}

/* Data of normal numbers with labels that suit the problem, frozen at a normal start in d coordinates. */
static inline void scene_open(struct scene *s, const char *problem, size_t n, size_t d)
{
    const bool neuron = strcmp(problem, "neuron") == 0; /* it has one coordinate more than its data */
    const size_t cols = neuron ? d - 1 : d;
    const struct rng_stream stream = rng_stream(11, RNG_TEST, n, d);
    gsl_rng *rng = rng_gsl_open(&stream);
    memset(s, 0, sizeof *s);
    s->config = (struct run_config){
        .kind = KIND_ESTIMATOR,
        .problem = {.type = neuron ? &neuron_type : method(METHOD_PROBLEM, problem),
                    .data = &s->data,
                    .radius = INFINITY},
        .start = {.kind = START_LIST},
        .sampler = method(METHOD_SAMPLER, "with_replacement"),
        .batch_size = 1,
        .keep_last = true,
        .schedule = {.type = method(METHOD_SCHEDULE, "constant"), .values = {.scalar = {0.1}}},
        .update = method(METHOD_UPDATE, "sgd"),
        .averager = method(METHOD_AVERAGER, "last"),
        .local_workers = 1,
        .sync_every = 1,
        .draws = 1000,
    };
    s->request = (struct run_request){.config = &s->config, .seed = 5};
    s->start = calloc(d, sizeof *s->start);
    s->data.y = calloc(n, sizeof *s->data.y);
    cr_assert(rng && s->start && s->data.y && matrix_alloc_dense(&s->data.train, n, cols, NULL) == STATUS_OK);
    const bool classes = s->config.problem.type->task == TASK_BINARY;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < cols; j++)
            s->data.train.value[i * s->data.train.stride + j] = gsl_ran_gaussian(rng, 1) + 0.3;
        double y = gsl_ran_gaussian(rng, 2);
        s->data.y[i] = classes ? (y > 0 ? 1 : -1) : y;
    }
    for (size_t j = 0; j < d; j++)
        s->start[j] = gsl_ran_gaussian(rng, 0.5);
    s->config.start.list = s->start;
    gsl_rng_free(rng);
}

static inline void scene_close(struct scene *s)
{
    matrix_free(&s->data.train);
    free(s->data.y);
    free(s->start);
}

static inline void use(struct scene *s, const char *sampler, size_t m, uint64_t draws)
{
    s->config.sampler = method(METHOD_SAMPLER, sampler);
    s->config.batch_size = m;
    s->config.draws = draws;
}

static inline struct estimator_result estimate(const struct scene *s)
{
    struct estimator_result result;
    struct error error = {0};
    enum status status = estimator_run(&s->request, NULL, &result, &error);
    cr_assert(eq(int, (int)status, STATUS_OK), "%s", error.message);
    return result;
}

/* ---- the same from the definitions ---- */

/* g[d] = gradient of the loss of sample i at the start. */
static inline void sample_gradient(const struct scene *s, size_t i, double *g)
{
    const struct matrix *a = &s->data.train;
    if (s->config.problem.type->model) {
        neuron_sample(a, i, s->data.y[i], s->start, g, NULL, NULL);
        return;
    }
    double slope = s->config.problem.type->scalar->slope(matrix_row_dot(a, i, s->start), s->data.y[i]);
    memset(g, 0, a->cols * sizeof *g);
    matrix_row_axpy(a, i, slope, g);
}

struct exact {
    double *gradient, *sigma, sigma2, largest; /* mean loss gradient, covariance, its trace, max |g_i| */
};

static inline struct exact exact_open(const struct scene *s)
{
    const size_t n = s->data.train.rows, d = problem_dim(&s->config.problem);
    struct exact e = {.gradient = calloc(d, sizeof(double)), .sigma = calloc(d * d, sizeof(double))};
    double *g = calloc(d, sizeof *g);
    for (size_t i = 0; i < n; i++) {
        double norm2 = 0;
        sample_gradient(s, i, g);
        for (size_t j = 0; j < d; j++) {
            e.gradient[j] += g[j] / (double)n;
            norm2 += g[j] * g[j];
        }
        e.largest = fmax(e.largest, sqrt(norm2));
    }
    for (size_t i = 0; i < n; i++) {
        sample_gradient(s, i, g);
        for (size_t j = 0; j < d; j++)
            for (size_t k = 0; k < d; k++)
                e.sigma[j * d + k] += (g[j] - e.gradient[j]) * (g[k] - e.gradient[k]) / (double)n;
    }
    for (size_t j = 0; j < d; j++)
        e.sigma2 += e.sigma[j * d + j];
    free(g);
    return e;
}

static inline void exact_close(struct exact *e)
{
    free(e->gradient);
    free(e->sigma);
}

static inline double norm2_of(const double *v, size_t d)
{
    double sum = 0;
    for (size_t j = 0; j < d; j++)
        sum += v[j] * v[j];
    return sum;
}

#define EXPECT_CLOSE(a, b, relative)                                                                                   \
    do {                                                                                                               \
        double a_ = (a), b_ = (b);                                                                                     \
        cr_expect(fabs(a_ - b_) <= (relative)*fabs(b_), "%s = %.17g, %s = %.17g", #a, a_, #b, b_);                     \
    } while (0)

static const char *const problems[] = {
    "least_squares", "logistic_regression", "linear_svm", "lasso", "least_absolute_deviations", "linear", "quartic",
    "neuron"};
enum { PROBLEMS = sizeof problems / sizeof *problems, LINEAR_PROBLEMS = PROBLEMS - 1 };

static const char *const random_samplers[] = {"with_replacement", "subset", "reshuffle", "shuffle_once"};
enum { RANDOM_SAMPLERS = sizeof random_samplers / sizeof *random_samplers };

#endif
