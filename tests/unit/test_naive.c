/* The naive reference itself: the tutorial's worked numbers, and each part of a step on examples small enough for
 * paper. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <string.h>

#include "kernels/update.h"
#include "naive.h"
#include "scalar_loss.h"

/* ---- a run on a handful of numbers ---- */

enum { STEPS_MAX = 16, DIM_MAX = 4 };

/* Uses the samples listed in its parameters, one a step. */
static void scripted_draw(struct sampler *sampler, uint64_t first, size_t count, uint32_t *index, uint32_t *size)
{
    for (size_t s = 0; s < count; s++) {
        index[s] = (uint32_t)sampler->values.list[first + s];
        size[s] = 1;
    }
}

static const struct sampler_type scripted = {.method = {.name = "scripted"}, .draw = scripted_draw};
static const struct problem_type squares = {.method = {.name = "squares"}, .scalar = &scalar_loss_squares};

static const struct param momentum_params[] = {{.name = "momentum"}, {.name = "dampening"}};
static const struct update_type sgd = {.method = {.name = "sgd"}};
static const struct update_type heavy_ball = {
    .method = {.name = "heavy_ball", .params = momentum_params, .param_count = 2}};
static const struct update_type nesterov = {
    .method = {.name = "nesterov", .params = momentum_params, .param_count = 2}};

static const void *method(enum method_kind kind, const char *name)
{
    const struct method *found = registry_find(kind, name, NULL);
    cr_assert(found != NULL);
    return found;
}

/* Data, and what was seen of a run. */
struct example {
    struct dataset data;
    double value[16], y[8];
    struct run_config config;
    double x[STEPS_MAX + 1][DIM_MAX], average[STEPS_MAX + 1][DIM_MAX];
};

static void example_open(struct example *e, size_t n, size_t d, const double *a, const double *y)
{
    memset(e, 0, sizeof *e);
    memcpy(e->value, a, n * d * sizeof *a);
    memcpy(e->y, y, n * sizeof *y);
    e->data.train = (struct matrix){.rows = n, .cols = d, .nnz = n * d, .stride = d, .value = e->value};
    e->data.y = e->y;
    e->config = (struct run_config){
        .problem = {.type = &squares, .data = &e->data, .radius = INFINITY},
        .sampler = method(METHOD_SAMPLER, "full"),
        .batch_size = n,
        .keep_last = true,
        .schedule = {.type = method(METHOD_SCHEDULE, "constant"), .values = {.scalar = {0.1}}},
        .update = &sgd,
        .averager = method(METHOD_AVERAGER, "last"),
        .local_workers = 1,
        .sync_every = 1,
        .steps = 3,
    };
}

static void watch(void *context, uint64_t step, const double *x, const double *average)
{
    struct example *e = context;
    memcpy(e->x[step], x, e->data.train.cols * sizeof *x);
    memcpy(e->average[step], average, e->data.train.cols * sizeof *average);
}

static void run(struct example *e, const double *start)
{
    cr_assert(naive_sgd(&e->config, 1, 0, start, watch, e, NULL) == STATUS_OK);
}

static void script(struct example *e, size_t steps, const double *samples)
{
    e->config.sampler = &scripted;
    e->config.batch_size = 1;
    e->config.steps = steps;
    memcpy(e->config.sampler_values.list, samples, steps * sizeof *samples);
}

#define NEAR(actual, expected) cr_expect(epsilon_eq(dbl, (actual), (expected), 1e-14))

static const double tutorial_a[] = {1, 2}, tutorial_y[] = {2, 0}, zero[DIM_MAX] = {0};

/* ---- the tutorial ---- */

Test(naive, tutorial_steps)
{
    struct example e;
    example_open(&e, 2, 1, tutorial_a, tutorial_y);
    script(&e, 3, (const double[]){0, 1, 0});
    run(&e, zero);
    NEAR(e.x[0][0], 0);
    NEAR(e.x[1][0], 0.2);
    NEAR(e.x[2][0], 0.12);
    NEAR(e.x[3][0], 0.308);
}

Test(naive, tutorial_full_gradient)
{
    struct example e;
    example_open(&e, 2, 1, tutorial_a, tutorial_y);
    double w = 0.12, g, scratch, by_value;
    naive_loss_gradient(&e.config.problem, CLIP_NONE, 0, (const uint32_t[]){0, 1}, 2, &w, &g, &scratch);
    NEAR(g, -0.70);
    problem_value(&e.config.problem, &w, &by_value);
    NEAR(by_value, -0.70);
    e.config.steps = 1;
    run(&e, &w);
    NEAR(e.x[1][0], 0.19);
}

Test(naive, tutorial_batch)
{
    struct example e;
    example_open(&e, 2, 1, (const double[]){1, 3}, (const double[]){2, 1});
    double g, scratch;
    naive_loss_gradient(&e.config.problem, CLIP_NONE, 0, (const uint32_t[]){0, 1}, 2, zero, &g, &scratch);
    NEAR(g, -2.5);
    e.config.steps = 1;
    run(&e, zero);
    NEAR(e.x[1][0], 2.5 * 0.1);
}

/* ---- the parts of a step ---- */

/* One sample a = 1, y = 0: the gradient is x itself. */
static void scalar_example(struct example *e, const struct update_type *update, double beta, double dampening)
{
    example_open(e, 1, 1, (const double[]){1}, zero);
    e->config.update = update;
    e->config.update_values.scalar[0] = beta;
    e->config.update_values.scalar[1] = dampening;
    e->config.schedule.values.scalar[0] = 0.5;
}

Test(naive, heavy_ball)
{
    struct example e;
    scalar_example(&e, &heavy_ball, 0.5, 0);
    run(&e, (const double[]){8});
    NEAR(e.x[1][0], 4);  /* v = 8 */
    NEAR(e.x[2][0], 0);  /* v = 4 + 4 */
    NEAR(e.x[3][0], -2); /* v = 4 + 0 */
    scalar_example(&e, &heavy_ball, 0.5, 0.25);
    run(&e, (const double[]){8});
    NEAR(e.x[1][0], 5);     /* v = 0.75 * 8, the first step too */
    NEAR(e.x[2][0], 1.625); /* v = 3 + 3.75 */
}

Test(naive, nesterov)
{
    struct example e;
    scalar_example(&e, &nesterov, 0.5, 0);
    run(&e, (const double[]){8});
    NEAR(e.x[1][0], 2);    /* v = 8, g + beta v = 12 */
    NEAR(e.x[2][0], -0.5); /* v = 4 + 2, g + beta v = 5 */
    scalar_example(&e, &nesterov, 0.5, 0.25);
    run(&e, (const double[]){8});
    NEAR(e.x[1][0], 2.5); /* v = 6, g + beta v = 11 */
}

Test(naive, l2_and_intercept)
{
    struct example e;
    /* d = 2, the second column is the intercept. Residual at (1, 1): 1 + 1 - 2 = 0, so only the penalty moves x. */
    example_open(&e, 1, 2, (const double[]){1, 1}, (const double[]){2});
    e.data.intercept = true;
    e.config.problem.l2 = 2;
    e.config.steps = 1;
    run(&e, (const double[]){1, 1});
    NEAR(e.x[1][0], 0.8);
    NEAR(e.x[1][1], 1);
    e.config.problem.penalize_intercept = true;
    run(&e, (const double[]){1, 1});
    NEAR(e.x[1][1], 0.8);
}

Test(naive, l1_forms)
{
    struct example e;
    /* Zero data: nothing but the penalty acts. */
    example_open(&e, 1, 4, zero, zero);
    const double start[] = {1, -1, 0.05, 0};
    e.config.problem.l1 = 2;
    e.config.steps = 1;
    run(&e, start); /* soft threshold 0.2 */
    NEAR(e.x[1][0], 0.8);
    NEAR(e.x[1][1], -0.8);
    cr_expect(ieee_ulp_eq(dbl, e.x[1][2], 0, 0));
    cr_expect(ieee_ulp_eq(dbl, e.x[1][3], 0, 0));
    e.config.problem.l1_form = L1_SUBGRADIENT;
    run(&e, start);
    NEAR(e.x[1][0], 0.8);
    NEAR(e.x[1][1], -0.8);
    NEAR(e.x[1][2], -0.15);
    cr_expect(ieee_ulp_eq(dbl, e.x[1][3], 0, 0));
}

Test(naive, projection)
{
    struct example e;
    /* Residual -50 at 0: the step alone goes to (15, 20), length 25. */
    example_open(&e, 1, 2, (const double[]){3, 4}, (const double[]){50});
    e.config.problem.radius = 10;
    e.config.steps = 1;
    run(&e, zero);
    NEAR(e.x[1][0], 6);
    NEAR(e.x[1][1], 8);
    e.config.problem.radius = 26;
    run(&e, zero);
    NEAR(e.x[1][0], 15);
}

Test(naive, clipping)
{
    struct example e;
    /* Gradients at 0: -(3, 4), length 5, and -(0, 1); mean -(1.5, 2.5). */
    example_open(&e, 2, 2, (const double[]){3, 4, 0, 1}, (const double[]){1, 1});
    const uint32_t both[] = {0, 1};
    double g[2], scratch[2];
    naive_loss_gradient(&e.config.problem, CLIP_NONE, 0, both, 2, zero, g, scratch);
    NEAR(g[0], -1.5);
    NEAR(g[1], -2.5);
    naive_loss_gradient(&e.config.problem, CLIP_SAMPLE, 2, both, 2, zero, g, scratch);
    NEAR(g[0], -0.6); /* (1.2 + 0)/2 */
    NEAR(g[1], -1.3); /* (1.6 + 1)/2 */
    naive_loss_gradient(&e.config.problem, CLIP_BATCH, 2, both, 2, zero, g, scratch);
    NEAR(g[0], -1.5 * 2 / sqrt(8.5));
    NEAR(g[1], -2.5 * 2 / sqrt(8.5));
    naive_loss_gradient(&e.config.problem, CLIP_BATCH, 3, both, 2, zero, g, scratch);
    NEAR(g[1], -2.5);
    /* The penalty is added after clipping. */
    e.config.clip = CLIP_BATCH;
    e.config.clip_norm = 1e-3;
    e.config.problem.l2 = 1;
    e.config.steps = 1;
    run(&e, (const double[]){100, 0});
    cr_expect(epsilon_eq(dbl, e.x[1][0], 90, 2e-4));
}

Test(naive, averages)
{
    struct example e;
    example_open(&e, 2, 1, tutorial_a, tutorial_y);
    script(&e, 3, (const double[]){0, 1, 0}); /* 0, 0.2, 0.12, 0.308 */
    run(&e, zero);
    NEAR(e.average[2][0], 0.12);
    e.config.averager = method(METHOD_AVERAGER, "uniform");
    run(&e, zero);
    NEAR(e.average[0][0], 0);
    NEAR(e.average[1][0], 0.1);
    NEAR(e.average[3][0], 0.628 / 4);
    e.config.averager = method(METHOD_AVERAGER, "tail");
    e.config.averager_values.scalar[0] = 0.5; /* from t = 1.5, that is 2, on */
    run(&e, zero);
    NEAR(e.average[1][0], 0.2);
    NEAR(e.average[2][0], 0.12);
    NEAR(e.average[3][0], 0.428 / 2);
    e.config.averager = method(METHOD_AVERAGER, "polynomial");
    e.config.averager_values.scalar[0] = 1; /* weights 1, 2, 3, 4 */
    run(&e, zero);
    NEAR(e.average[3][0], (0.4 + 0.36 + 1.232) / 10);
}

/* Two workers on the same deterministic batches are one; on their own streams they meet at their mean. */
Test(naive, local_sgd)
{
    struct example one, two;
    example_open(&one, 2, 1, tutorial_a, tutorial_y);
    example_open(&two, 2, 1, tutorial_a, tutorial_y);
    two.config.local_workers = 2;
    two.config.sync_every = 2;
    run(&one, zero);
    run(&two, zero);
    NEAR(two.x[3][0], one.x[3][0]);

    const uint64_t steps = 8;
    struct example worker[2];
    for (size_t k = 0; k < 2; k++) {
        example_open(&worker[k], 2, 1, tutorial_a, tutorial_y);
        worker[k].config.sampler = method(METHOD_SAMPLER, "with_replacement");
        worker[k].config.batch_size = 1;
        worker[k].config.steps = steps;
        worker[k].config.stream_group = 5 ^ (uint64_t)k << 48;
        run(&worker[k], zero);
    }
    two.config = worker[0].config;
    two.config.problem.data = &two.data;
    two.config.local_workers = 2;
    two.config.sync_every = steps; /* never before the end */
    run(&two, zero);
    for (size_t t = 0; t <= steps; t++)
        NEAR(two.x[t][0], (worker[0].x[t][0] + worker[1].x[t][0]) / 2);
    two.config.sync_every = 1;
    two.config.update = &heavy_ball;
    two.config.update_values.scalar[0] = 0.5;
    run(&two, zero);
    /* A batch of two a step, drawn by the two workers: as mini-batch heavy ball by hand. */
    struct sampler sampler[2];
    for (size_t k = 0; k < 2; k++)
        sampler[k] = (struct sampler){.type = two.config.sampler,
                                      .n = 2,
                                      .batch_size = 1,
                                      .stream = rng_stream(1, RNG_SAMPLING, 5 ^ (uint64_t)k << 48, 0)};
    double w = 0, v = 0;
    for (uint64_t t = 0; t < steps; t++) {
        double g = 0;
        for (size_t k = 0; k < 2; k++) {
            uint32_t i, size;
            sampler[k].type->draw(&sampler[k], t, 1, &i, &size);
            g += (tutorial_a[i] * w - tutorial_y[i]) * tutorial_a[i] / 2;
        }
        v = 0.5 * v + g;
        w -= 0.1 * v;
        NEAR(two.x[t + 1][0], w);
    }
}

Test(naive, dense_equals_sparse)
{
    struct example dense, sparse;
    const double a[] = {1, 0, 2, 0, 0, 3, 4, 0, 0}, y[] = {1, -1, 2};
    example_open(&dense, 3, 3, a, y);
    example_open(&sparse, 3, 3, a, y);
    double value[] = {1, 2, 3, 4};
    uint32_t column[] = {0, 2, 2, 0};
    size_t row[] = {0, 2, 3, 4};
    sparse.data.train =
        (struct matrix){.rows = 3, .cols = 3, .sparse = true, .nnz = 4, .value = value, .column = column, .row = row};
    struct example *both[] = {&dense, &sparse};
    for (size_t k = 0; k < 2; k++) {
        struct run_config *config = &both[k]->config;
        config->sampler = method(METHOD_SAMPLER, "reshuffle");
        config->batch_size = 2;
        config->steps = STEPS_MAX;
        config->update = &heavy_ball;
        config->update_values.scalar[0] = 0.9;
        config->problem.l1 = 0.01;
        config->problem.l2 = 0.1;
        run(both[k], (const double[]){1, 1, 1});
    }
    for (size_t t = 0; t <= STEPS_MAX; t++)
        for (size_t j = 0; j < 3; j++)
            NEAR(sparse.x[t][j], dense.x[t][j]);
    cr_expect(ne(dbl, dense.x[STEPS_MAX][1], 1), "the penalties reach a column without entries");
}

Test(naive, unknown_rule)
{
    struct example e;
    struct error error;
    const struct update_type other = {.method = {.name = "adam"}};
    example_open(&e, 2, 1, tutorial_a, tutorial_y);
    e.config.update = &other;
    cr_expect(naive_sgd(&e.config, 1, 0, zero, watch, &e, &error) == STATUS_UNSUPPORTED);
    cr_expect(strstr(error.message, "adam") != NULL);
}
