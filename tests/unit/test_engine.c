/* The engine against the naive SGD: every problem with every penalty, update rule, sampler, schedule, averager, kind of
 * clipping, layout and storage, in random combinations; local SGD, the tutorial's numbers, divergence. */
#include "engine_fixture.h"

/* Both sides round differently, by about 1e-16 a step and operation; the steps below are (nearly) non-expansive, so
 * that runs of some hundred steps end a few 1e-14 apart, while any mistake in a formula shows in the leading digits. */
#define TOLERANCE 1e-11

/* ---- every combination ---- */

enum penalty_kind {
    PLAIN,
    RIDGE,
    PROXIMAL,
    PROXIMAL_RIDGE,
    SUBGRADIENT,
    SUBGRADIENT_RIDGE,
    BALL,
    BALL_RIDGE,
    BALL_PROXIMAL,
    PENALTY_KINDS
};
enum { LANES = 9 };

struct scene {
    struct dataset data;
    struct record_grid grid;
    enum block_layout layout;
    size_t lanes;
    struct run_config config[LANES];
    struct reference reference[LANES];
    double start[LANES][64];
    struct run_request request[LANES];
    char name[256];
};

static void draw_problem(gsl_rng *rng, enum penalty_kind kind, struct problem *p)
{
    const bool l1 = kind == PROXIMAL || kind == PROXIMAL_RIDGE || kind == SUBGRADIENT || kind == SUBGRADIENT_RIDGE ||
                    kind == BALL_PROXIMAL;
    const bool l2 = kind == RIDGE || kind == PROXIMAL_RIDGE || kind == SUBGRADIENT_RIDGE || kind == BALL_RIDGE;
    p->l1 = l1 ? 0.01 + 0.05 * gsl_rng_uniform(rng) : 0;
    p->l2 = l2 ? 0.01 + 0.3 * gsl_rng_uniform(rng) : 0;
    p->l1_form = kind == SUBGRADIENT || kind == SUBGRADIENT_RIDGE ? L1_SUBGRADIENT : L1_PROXIMAL;
    p->radius = kind >= BALL ? 0.3 + gsl_rng_uniform(rng) : INFINITY;
}

/* What lanes of one block may differ in. */
static void draw_lane(gsl_rng *rng, struct scene *s, size_t k, enum penalty_kind kind)
{
    struct run_config *c = &s->config[k];
    const struct matrix *a = &s->data.train;
    double largest = 0;
    for (size_t i = 0; i < a->rows; i++) {
        double *row = zeroed(a->cols, sizeof *row), sum = 0;
        matrix_row_axpy(a, i, 1, row);
        for (size_t j = 0; j < a->cols; j++)
            sum += row[j] * row[j];
        largest = fmax(largest, sum);
        free(row);
    }
    draw_problem(rng, kind, &c->problem);
    double momentum = 0, rate = (0.1 + 0.9 * gsl_rng_uniform(rng)) / (largest + c->problem.l2);
    if (c->update->method.param_count) {
        momentum = c->update_values.scalar[0] = 0.3 + 0.6 * gsl_rng_uniform(rng);
        c->update_values.scalar[1] = pick(rng, 2) ? 0.8 * gsl_rng_uniform(rng) : 0;
    }
    random_schedule(rng, pick(rng, 2) ? 0 : pick(rng, 100), rate * (1 - momentum), c->steps, &c->schedule);
    const char *const averagers[] = {"last", "uniform", "tail", "polynomial"};
    const size_t averager = pick(rng, 4);
    set_averager(averagers[averager], averager == 2 ? 0.1 + 0.8 * gsl_rng_uniform(rng) : (double)(1 + pick(rng, 4)), c);
    c->start.kind = (enum start_kind)pick(rng, 4);
    c->start.scale = 0.5;
    for (size_t j = 0; j < a->cols; j++)
        s->start[k][j] = gsl_ran_gaussian(rng, 0.5);
    c->start.list = s->start[k];
    fixture_reference(&c->problem, s->request[k].seed + k, &s->reference[k]);
    /* Without a reference there is no gap, and no start from the optimum. */
    if (pick(rng, 4) || c->start.kind == START_OPTIMUM)
        c->reference = &s->reference[k];
}

static void draw_block(gsl_rng *rng, const struct kernel_set *set, size_t problem, struct scene *s)
{
    struct run_config *c = &s->config[0];
    const size_t batch[] = {1, 1, 3, 7, 64, 70, s->data.train.rows};
    *c = plain_config(set, &s->data, &s->grid);
    c->problem.type = set->problem[problem];
    c->problem.penalize_intercept = pick(rng, 2);
    c->sampler = (const struct sampler_type *)registry_at(METHOD_SAMPLER, pick(rng, registry_count(METHOD_SAMPLER)));
    param_defaults(c->sampler->method.params, c->sampler->method.param_count, &c->sampler_values);
    c->batch_size = batch[pick(rng, 7)];
    if (!c->sampler->with_replacement && c->batch_size > s->data.train.rows)
        c->batch_size = s->data.train.rows;
    c->keep_last = pick(rng, 2);
    c->clip = pick(rng, 2) ? CLIP_NONE : pick(rng, 2) ? CLIP_SAMPLE : CLIP_BATCH;
    c->clip_norm = c->clip == CLIP_NONE ? 0 : 0.1 + 0.5 * gsl_rng_uniform(rng);
    s->layout = s->data.train.sparse || pick(rng, 2) ? LAYOUT_SHARED_STREAM : LAYOUT_STREAM_PER_LANE;
    if (pick(rng, 3) == 0)
        s->layout = LAYOUT_AUTO;
}

static void scene_open(struct scene *s, const struct kernel_set *set, size_t problem, enum penalty_kind kind,
                       size_t update, bool sparse, uint64_t seed)
{
    gsl_rng *rng = fixture_rng(seed);
    const size_t n[] = {50, 70, 131}, lanes[] = {1, 1, 2, LANES};
    struct shape shape = {.nonzeros = sparse ? 5 : 0};
    memset(s, 0, sizeof *s);
    shape.n = n[pick(rng, 3)]; /* one draw a statement: the order within one is the compiler's choice */
    shape.d = sparse ? 40 : 1 + pick(rng, 12);
    shape.task = set->problem[problem]->task;
    shape.intercept = shape.d > 1 && pick(rng, 2);
    shape.test_n = pick(rng, 2) ? 23 : 0;
    fixture_data(shape, seed, &s->data);
    const uint64_t steps = 100 + pick(rng, 120);
    MUST(record_grid_make(steps, 14, pick(rng, 2) ? SPACING_LOG : SPACING_LINEAR, &s->grid, ERROR));
    s->lanes = lanes[pick(rng, 4)];
    draw_block(rng, set, problem, s);
    s->config[0].update = set->update[update];
    if (seed % 2)
        s->config[0].metrics |= 1u << METRIC_MEAN_GAP;
    for (size_t k = 0; k < s->lanes; k++) {
        s->config[k] = s->config[0];
        s->config[k].reference = NULL;
        s->request[k] = (struct run_request){&s->config[k], seed, 0};
        if (s->layout == LAYOUT_STREAM_PER_LANE)
            s->request[k].replicate = k / 2;
        draw_lane(rng, s, k, kind);
        if (k && !block_compatible(&s->request[0], &s->request[k], s->layout)) {
            /* One lane has a lazy form, the other none: they differ in the rate alone. */
            s->config[k].schedule = s->config[0].schedule;
            s->config[k].schedule.values.scalar[0] *= 0.5;
            s->config[k].averager = s->config[0].averager;
            s->config[k].averager_values = s->config[0].averager_values;
            cr_assert(block_compatible(&s->request[0], &s->request[k], s->layout));
        }
    }
    const struct run_config *c = &s->config[0];
    snprintf(s->name, sizeof s->name,
             "seed %llu %s %s penalty %d %s %s m=%zu %s clip %d layout %d n=%zu d=%zu %zu lanes%s",
             (unsigned long long)seed, set->name, c->problem.type->method.name, (int)kind, c->update->method.name,
             c->sampler->method.name, c->batch_size, sparse ? "CSR" : "dense", (int)c->clip, (int)s->layout, shape.n,
             shape.d, s->lanes, config_is_lazy(c) ? " lazy" : "");
    gsl_rng_free(rng);
}

static void scene_close(struct scene *s)
{
    for (size_t k = 0; k < s->lanes; k++)
        free(s->reference[k].x);
    record_grid_free(&s->grid);
    fixture_data_free(&s->data);
}

/* One test for each problem; the update rules, penalties and storages in it in all combinations, the rest drawn. Kernel
 * sets take turns. */
static void combinations(size_t problem)
{
    enum { REPEATS = 3 };
    const struct kernel_set *set[3];
    const size_t sets = kernels_available(set);
    uint64_t seed = 1000 * (problem + 1);
    size_t blocks = 0, lazy = 0;
    for (int kind = 0; kind < PENALTY_KINDS; kind++)
        for (size_t update = 0; update < set[0]->update_count; update++)
            for (int sparse = 0; sparse < 2; sparse++)
                for (int repeat = 0; repeat < REPEATS; repeat++) {
                    struct scene s;
                    struct run_result result[LANES];
                    seed++;
                    const struct kernel_set *kernels = set[seed % sets];
                    use_kernels(kernels);
                    if (kernels->problem[problem]->needs_l1 &&
                        (kind == PLAIN || kind == RIDGE || kind == BALL || kind == BALL_RIDGE))
                        continue;
                    scene_open(&s, kernels, problem, (enum penalty_kind)kind, update, sparse, seed);
                    MUST(block_run(s.request, s.lanes, s.layout, NULL, result, ERROR));
                    for (size_t k = 0; k < s.lanes; k++) {
                        char what[400];
                        snprintf(what, sizeof what, "%s; lane %zu %s warmup %llu %s start %d", s.name, k,
                                 s.config[k].schedule.type->method.name,
                                 (unsigned long long)s.config[k].schedule.warmup, s.config[k].averager->method.name,
                                 (int)s.config[k].start.kind);
                        check_result(&s.request[k], &result[k], TOLERANCE, what);
                    }
                    blocks++;
                    lazy += config_is_lazy(&s.config[0]);
                    results_free(result, s.lanes);
                    scene_close(&s);
                }
    cr_expect(blocks >= 90 && lazy >= 4, "%zu blocks, %zu of them lazy", blocks, lazy);
}

Test(engine, least_squares_equals_naive)
{
    combinations(0);
}

Test(engine, logistic_regression_equals_naive)
{
    combinations(1);
}

Test(engine, linear_svm_equals_naive)
{
    combinations(2);
}

Test(engine, lasso_equals_naive)
{
    combinations(3);
}

Test(engine, least_absolute_deviations_equals_naive)
{
    combinations(4);
}

Test(engine, linear_equals_naive)
{
    combinations(5);
}

Test(engine, quartic_equals_naive)
{
    combinations(6);
}

Test(engine, combinations_cover_all_problems)
{
    size_t linear = 0;
    for (size_t p = 0; p < registry_count(METHOD_PROBLEM); p++)
        linear += !((const struct problem_type *)registry_at(METHOD_PROBLEM, p))->model;
    cr_expect(linear == 7, "a linear problem without a test above");
}

/* ---- local SGD ---- */

static void local_run(const struct kernel_set *set, size_t problem, bool sparse, const char *update, size_t workers,
                      size_t every, const char *averager, size_t batch)
{
    struct dataset data;
    struct record_grid grid;
    struct reference reference;
    struct run_result result;
    char what[200];
    use_kernels(set);
    const struct shape shape = {
        .n = 60, .d = 7, .nonzeros = sparse ? 3 : 0, .intercept = true, .task = set->problem[problem]->task};
    fixture_data(shape, 77, &data);
    MUST(record_grid_make(150, 11, SPACING_LINEAR, &grid, ERROR));
    struct run_config c = plain_config(set, &data, &grid);
    c.problem.type = set->problem[problem];
    c.problem.l2 = 0.05;
    c.batch_size = batch;
    c.start = (struct start){.kind = START_GAUSSIAN, .scale = 1};
    c.clip = batch > 1 ? CLIP_SAMPLE : CLIP_NONE;
    c.clip_norm = 0.5;
    c.local_workers = workers;
    c.sync_every = every;
    set_update(set, update, 0.7, 0.2, &c);
    set_averager(averager, 0.5, &c);
    fixture_reference(&c.problem, 5, &reference);
    c.reference = &reference;
    struct run_request request = {&c, 9, 4};
    MUST(block_run(&request, 1, LAYOUT_AUTO, NULL, &result, ERROR));
    snprintf(what, sizeof what, "%s local SGD on %s %s: %zu workers, sync_every %zu, %s, %s, m=%zu", set->name,
             sparse ? "CSR" : "dense", c.problem.type->method.name, workers, every, update, averager, batch);
    check_result(&request, &result, TOLERANCE, what);
    run_result_free(&result);
    free(reference.x);
    record_grid_free(&grid);
    fixture_data_free(&data);
}

Test(engine, local_sgd_equals_naive)
{
    const char *const update[] = {"sgd", "heavy_ball", "nesterov"}, *const averager[] = {"last", "uniform", "tail"};
    const size_t workers[] = {2, 3, 8, 9, 32}, every[] = {1, 3, 16, 1000};
    const struct kernel_set *set[3];
    const size_t sets = kernels_available(set);
    for (size_t w = 0; w < 5; w++)
        for (size_t e = 0; e < 4; e++)
            for (size_t u = 0; u < 3; u++)
                for (int sparse = 0; sparse < 2; sparse++)
                    local_run(set[(w + e + u) % sets], (w + u) % 2, sparse, update[u], workers[w], every[e],
                              averager[(w + e) % 3], 1 + 4 * (e % 2));
}

/* With a synchronisation at every step, sgd is one run on the workers' batches together. */
Test(engine, local_sgd_is_one_large_batch)
{
    enum { WORKERS = 4, STEPS = 80 };
    const struct kernel_set *set = kernels_active();
    struct dataset data;
    struct record_grid grid;
    struct run_result result;
    fixture_data((struct shape){.n = 40, .d = 5}, 3, &data);
    MUST(record_grid_make(STEPS, STEPS + 1, SPACING_LINEAR, &grid, ERROR));
    struct run_config c = plain_config(set, &data, &grid);
    c.batch_size = 2;
    c.local_workers = WORKERS;
    c.stream_group = 12345;
    struct run_request request = {&c, 1, 2};
    MUST(block_run(&request, 1, LAYOUT_AUTO, NULL, &result, ERROR));
    double x[5] = {0};
    for (uint64_t t = 0; t <= STEPS; t++) {
        double norm2 = 0, gradient[5] = {0};
        for (size_t j = 0; j < 5; j++)
            norm2 += x[j] * x[j];
        cr_assert(fabs(result.metric[METRIC_NORM2][t] - norm2) <= 1e-13 * (1 + norm2),
                  "step %llu: %.17g, by hand %.17g", (unsigned long long)t, result.metric[METRIC_NORM2][t], norm2);
        for (uint64_t k = 0; k < WORKERS; k++) {
            uint32_t index[2], size;
            struct sampler sampler = {
                .type = c.sampler, .n = 40, .batch_size = 2, .stream = rng_stream(1, RNG_SAMPLING, 12345 ^ k << 48, 2)};
            sampler.type->draw(&sampler, t, 1, index, &size);
            for (size_t i = 0; i < size; i++)
                matrix_row_axpy(&data.train, index[i],
                                (matrix_row_dot(&data.train, index[i], x) - data.y[index[i]]) / (2 * WORKERS),
                                gradient);
        }
        for (size_t j = 0; j < 5; j++)
            x[j] -= 0.1 * gradient[j];
    }
    run_result_free(&result);
    record_grid_free(&grid);
    fixture_data_free(&data);
}

/* ---- numbers known beforehand ---- */

/* Data (1, 2) and (2, 0), one weight, no intercept. */
static void tutorial_data(struct dataset *data)
{
    *data = (struct dataset){.task = TASK_REGRESSION, .y = zeroed(2, sizeof(double))};
    MUST(matrix_alloc_dense(&data->train, 2, 1, ERROR));
    data->train.value[0] = 1;
    data->train.value[data->train.stride] = 2;
    data->y[0] = 2;
}

Test(engine, tutorial)
{
    const struct kernel_set *set[3];
    const size_t sets = kernels_available(set);
    for (size_t i = 0; i < sets; i++)
        for (int layout = LAYOUT_SHARED_STREAM; layout <= LAYOUT_STREAM_PER_LANE; layout++) {
            struct dataset data;
            struct record_grid grid;
            struct run_result result;
            tutorial_data(&data);
            use_kernels(set[i]);
            MUST(record_grid_make(3, 4, SPACING_LINEAR, &grid, ERROR));
            struct run_config c = plain_config(set[i], &data, &grid);
            c.sampler = method_named(METHOD_SAMPLER, "cyclic");
            struct run_request request = {&c, 1, 0};
            MUST(block_run(&request, 1, (enum block_layout)layout, NULL, &result, ERROR));
            const double w[] = {0, 0.2, 0.12, 0.308};
            for (size_t t = 0; t < 4; t++) {
                double loss = ((w[t] - 2) * (w[t] - 2) + 4 * w[t] * w[t]) / 4, gradient = (w[t] - 2 + 4 * w[t]) / 2;
                cr_expect(fabs(result.metric[METRIC_NORM2][t] - w[t] * w[t]) < 1e-15, "%s w_%zu", set[i]->name, t);
                cr_expect(fabs(result.metric[METRIC_LOSS][t] - loss) < 1e-14, "%s loss at w_%zu", set[i]->name, t);
                cr_expect(fabs(result.metric[METRIC_GRAD_NORM2][t] - gradient * gradient) < 1e-14);
            }
            cr_expect(fabs(result.metric[METRIC_GRAD_NORM2][2] - 0.49) < 1e-14, "full gradient -0.70 at 0.12");
            run_result_free(&result);
            /* one full step from 0.12 ends at 0.19 */
            record_grid_free(&grid);
            MUST(record_grid_make(1, 2, SPACING_LINEAR, &grid, ERROR));
            c.sampler = method_named(METHOD_SAMPLER, "full");
            c.steps = 1;
            c.start = (struct start){.kind = START_LIST, .list = (const double[]){0.12}};
            MUST(block_run(&request, 1, (enum block_layout)layout, NULL, &result, ERROR));
            cr_expect(fabs(sqrt(result.metric[METRIC_NORM2][1]) - 0.19) < 1e-15);
            run_result_free(&result);
            record_grid_free(&grid);
            fixture_data_free(&data);
        }
}

/* The quadratic form keeps its digits where f(x) - f* has none: gap and gradient of a start 1e-9 beside the optimum. */
Test(engine, gap_without_cancellation)
{
    struct dataset data;
    struct record_grid grid;
    struct run_result result;
    struct reference reference;
    fixture_data((struct shape){.n = 90, .d = 9, .intercept = true}, 21, &data);
    MUST(record_grid_make(1, 2, SPACING_LINEAR, &grid, ERROR));
    struct run_config c = plain_config(kernels_active(), &data, &grid);
    c.problem.l2 = 0.1;
    fixture_reference(&c.problem, 1, &reference);
    c.reference = &reference;
    c.start = (struct start){.kind = START_OPTIMUM, .scale = 1e-9};
    struct run_request request = {&c, 1, 0};
    MUST(block_run(&request, 1, LAYOUT_AUTO, NULL, &result, ERROR));
    double form = 0, e[9], *he = zeroed(9, sizeof *he), grad2 = 0;
    for (size_t j = 0; j < 9; j++)
        e[j] = (reference.x[j] + 1e-9) - reference.x[j];
    for (size_t i = 0; i < 90; i++)
        matrix_row_axpy(&data.train, i, matrix_row_dot(&data.train, i, e) / 90, he);
    for (size_t j = 0; j < 9; j++) {
        he[j] += j < 8 ? 0.1 * e[j] : 0;
        form += e[j] * he[j];
        grad2 += he[j] * he[j];
    }
    cr_expect(fabs(result.metric[METRIC_GAP][0] - form / 2) < 1e-12 * form, "gap %.17g, form %.17g",
              result.metric[METRIC_GAP][0], form / 2);
    cr_expect(fabs(result.metric[METRIC_GRAD_NORM2][0] - grad2) < 1e-12 * grad2);
    free(he);
    free(reference.x);
    run_result_free(&result);
    record_grid_free(&grid);
    fixture_data_free(&data);
}

/* The start of a run, and its end without any record. */
Test(engine, first_and_last_iterate)
{
    const struct kernel_set *set = kernels_active();
    for (int form = 0; form < 4; form++) { /* dense, lazy, local SGD, diverging */
        struct dataset data;
        struct record_grid grid;
        struct run_result result;
        struct error error = {0};
        double start[18], own[6], x[6], norm2 = 0;
        fixture_data((struct shape){.n = 50, .d = 6, .nonzeros = form == 1 ? 2 : 0}, 8, &data);
        MUST(record_grid_make(77, 2, SPACING_LOG, &grid, ERROR));
        struct run_config c = plain_config(set, &data, &grid);
        c.start = (struct start){.kind = START_GAUSSIAN, .scale = 2};
        c.problem.l2 = 0.1;
        c.local_workers = form == 2 ? 3 : 1;
        if (form == 3)
            c.schedule.values.scalar[0] = 100;
        struct run_request request = {&c, 5, 6};
        fixture_start(&request, own);
        MUST(run_start(&request, start, 3, ERROR));
        for (size_t j = 0; j < 6; j++)
            cr_expect(memcmp(&own[j], &start[3 * j], sizeof(double)) == 0, "x_0[%zu]", j);
        MUST(block_run(&request, 1, LAYOUT_AUTO, NULL, &result, ERROR));
        enum status status = run_last_iterate(&request, NULL, x, &error);
        cr_expect(status == (form == 3 ? STATUS_NUMERICAL : STATUS_OK), "form %d: %s", form, error.message);
        cr_expect((form == 3) == (result.outcome == OUTCOME_DIVERGED));
        for (size_t j = 0; j < 6; j++)
            norm2 += x[j] * x[j];
        cr_expect(status || fabs(norm2 - result.metric[METRIC_NORM2][1]) <= 1e-14 * norm2, "form %d", form);
        run_result_free(&result);
        record_grid_free(&grid);
        fixture_data_free(&data);
    }
}

/* ---- divergence ---- */

/* Rates beyond 2/L: the lane is gone at the step at which the naive iterate first stands beyond the limit where the
 * engine looks, in every layout, and its points end before. */
Test(engine, divergence)
{
    const struct kernel_set *set = kernels_active();
    size_t left = 0;
    for (size_t k = 0; k < 60; k++) {
        struct dataset data;
        struct record_grid grid;
        struct run_result result;
        struct reference reference;
        char what[160];
        const bool sparse = k % 3 == 2;
        fixture_data((struct shape){.n = 50, .d = 6, .nonzeros = sparse ? 5 : 0}, k, &data);
        MUST(record_grid_make(300 + k, 2 + k, SPACING_LOG, &grid, ERROR));
        struct run_config c = plain_config(set, &data, &grid);
        c.batch_size = 1 + k % 2 * 4;
        c.schedule.values.scalar[0] = pow(10, (double)(k % 20) / 2);
        c.start = (struct start){.kind = START_GAUSSIAN, .scale = k % 4 == 0 ? 1e6 : 0.1};
        /* the dense form of CSR data: the lazy ones look at fewer coordinates, and have their own test */
        if (sparse) {
            c.clip = CLIP_BATCH;
            c.clip_norm = 1e200;
        }
        set_update(set, k % 2 ? "sgd" : "heavy_ball", 0.5, 0, &c);
        fixture_reference(&c.problem, k, &reference);
        if (k % 5)
            c.reference = &reference;
        struct run_request request = {&c, k, 0};
        MUST(block_run(&request, 1, k % 3 == 1 ? LAYOUT_STREAM_PER_LANE : LAYOUT_AUTO, NULL, &result, ERROR));
        struct expected e;
        expect_run(&request, &e);
        snprintf(what, sizeof what, "case %zu, rate %g", k, c.schedule.values.scalar[0]);
        cr_expect((result.outcome == OUTCOME_DIVERGED) == e.left, "%s: outcome %d", what, (int)result.outcome);
        cr_expect(result.outcome == OUTCOME_FINISHED || result.diverged_at == e.left_at, "%s: left at %llu, naive %llu",
                  what, (unsigned long long)result.diverged_at, (unsigned long long)e.left_at);
        cr_expect(result.points == e.points, "%s: %zu points, naive %zu", what, result.points, e.points);
        left += e.left;
        expected_free(&e);
        run_result_free(&result);
        free(reference.x);
        record_grid_free(&grid);
        fixture_data_free(&data);
    }
    cr_expect(left >= 20 && left <= 55, "%zu of 60 left", left);
}
