/* The bitwise contract: a run's results are the same bits alone and beside any neighbours (also diverging ones), in any
 * order and any number, in either layout, with its averagers shared or not, and on every instruction set of a family.
 */
#include "engine_fixture.h"

enum { TRAJECTORIES = 32, OBSERVERS = 8, RUNS = TRAJECTORIES + OBSERVERS, DIM_MAX = 80 };

enum form { DENSE_SHARED, DENSE_STREAMS, SPARSE_PLAIN, SPARSE_LAZY, FORMS };
static const char *const form_name[FORMS] = {"dense, one stream", "dense, streams", "CSR, all coordinates",
                                             "CSR, lazy"};

struct scenario {
    enum form form;
    struct dataset data;
    struct record_grid grid;
    struct run_config config[RUNS];
    struct reference reference[RUNS];
    double start[RUNS][DIM_MAX];
    struct run_request request[RUNS];
    char name[300];
};

/* Everything that the lanes of a block share. */
static struct run_config draw_shared(struct scenario *s, const struct kernel_set *set, gsl_rng *rng, size_t problem)
{
    struct run_config c = plain_config(set, &s->data, &s->grid);
    const size_t batch[] = {1, 1, 2, 5, 64, 70, 150};
    c.problem.type = set->problem[problem];
    c.problem.values = fixture_values(c.problem.type);
    if (c.problem.type->model && c.problem.type->model->in_region)
        c.metrics |= 1u << METRIC_IN_REGION | 1u << METRIC_EXIT_TIME;
    c.problem.penalize_intercept = pick(rng, 2);
    c.problem.l1_form = s->form != SPARSE_LAZY && pick(rng, 2) ? L1_SUBGRADIENT : L1_PROXIMAL;
    c.sampler = (const struct sampler_type *)registry_at(METHOD_SAMPLER, pick(rng, registry_count(METHOD_SAMPLER)));
    param_defaults(c.sampler->method.params, c.sampler->method.param_count, &c.sampler_values);
    c.batch_size = batch[pick(rng, 7)];
    if (!c.sampler->with_replacement && c.batch_size > s->data.train.rows)
        c.batch_size = s->data.train.rows;
    c.update = set->update[pick(rng, set->update_count)];
    c.clip = pick(rng, 3) ? CLIP_NONE : CLIP_SAMPLE;
    if (s->form != SPARSE_LAZY && pick(rng, 4) == 0)
        c.clip = CLIP_BATCH;
    c.clip_norm = c.clip == CLIP_NONE ? 0 : 0.3;
    return c;
}

/* What a lane has of its own. Every fifth one overflows, some at once. */
static void draw_own(struct scenario *s, gsl_rng *rng, size_t i, bool l1, bool l2, bool ball)
{
    struct run_config *c = &s->config[i];
    const bool sgd = c->update->method.param_count == 0, lazy = s->form == SPARSE_LAZY;
    const double decay[] = {1e-3, 0.1, 0.5, 1.0, 1.5};
    double rate = 0.02 + 0.2 * gsl_rng_uniform(rng);
    if (i % 5 == 4)
        rate *= pow(10, 2 + (double)pick(rng, 150));
    random_schedule(rng, sgd || !lazy ? pick(rng, 30) : 0, rate, c->steps, &c->schedule);
    if (!sgd) {
        c->update_values.scalar[0] = gsl_rng_uniform(rng) * 0.95;
        c->update_values.scalar[1] = pick(rng, 2) ? gsl_rng_uniform(rng) : 0;
        if (lazy)
            c->schedule.warmup = 0;
    }
    c->problem.l1 = l1 ? 0.2 * pow(gsl_rng_uniform(rng), 3) : 0;
    c->problem.l2 = l2 ? decay[pick(rng, 5)] / (lazy ? rate : 1) * (i % 5 == 4 ? 0.1 : 1) : 0;
    c->problem.radius = ball ? 0.2 + gsl_rng_uniform(rng) : INFINITY;
    c->start.kind = (enum start_kind)pick(rng, 4);
    c->start.scale = 0.5;
    if (c->start.kind == START_LIST && problem_dim(&c->problem) > DIM_MAX)
        c->start.kind = START_GAUSSIAN;
    for (size_t j = 0; j < problem_dim(&c->problem) && j < DIM_MAX; j++)
        s->start[i][j] = gsl_ran_gaussian(rng, 0.7);
    c->start.list = s->start[i];
}

static void draw_averager(gsl_rng *rng, struct run_config *c)
{
    const char *const name[] = {"last", "uniform", "tail", "polynomial"};
    const bool any = c->update->method.param_count == 0 || !c->problem.data->train.sparse;
    const size_t which = pick(rng, any ? 4 : 3);
    set_averager(name[which], which == 2 ? 0.3 + 0.2 * (double)pick(rng, 3) : (double)(1 + pick(rng, 2)), c);
}

static void scenario_open(struct scenario *s, const struct kernel_set *set, enum form form, uint64_t seed)
{
    gsl_rng *rng = fixture_rng(seed);
    memset(s, 0, sizeof *s);
    s->form = form;
    size_t problem = seed % set->problem_count;
    while (form == SPARSE_LAZY && set->problem[problem]->model)
        problem = (problem + 1) % set->problem_count;
    const struct problem_type *type = set->problem[problem];
    const struct param_values values = fixture_values(type);
    const bool sparse = form >= SPARSE_PLAIN, l1 = pick(rng, 3) == 0 || type->needs_l1;
    const bool l2 = pick(rng, 3) > 0, ball = form != SPARSE_LAZY && pick(rng, 5) == 0;
    struct shape shape = {.task = problem_task(type, &values)};
    shape.n = 60 + pick(rng, 40); /* one draw a statement: the order within one is the compiler's choice */
    shape.d = sparse ? 50 + pick(rng, 30) : 2 + pick(rng, 34);
    shape.test_n = pick(rng, 2) ? 11 : 0;
    shape.nonzeros = sparse ? 1 + pick(rng, 9) : 0;
    shape.intercept = pick(rng, 2);
    fixture_data(shape, seed, &s->data);
    const uint64_t steps = 100 + pick(rng, 400);
    MUST(record_grid_make(steps, 2 + pick(rng, 12), SPACING_LOG, &s->grid, ERROR));
    struct run_config shared = draw_shared(s, set, rng, problem);
    if (seed % 2)
        shared.metrics |= 1u << METRIC_MEAN_GAP;
    if (form == SPARSE_LAZY && shared.update->method.param_count && l1)
        shared.update = set->update[0];
    if (form == SPARSE_PLAIN && shared.clip != CLIP_BATCH) { /* never lazy */
        shared.clip = CLIP_BATCH;
        shared.clip_norm = 1e10;
    }
    for (size_t i = 0; i < RUNS; i++) {
        const size_t twin = (i - TRAJECTORIES) * 3;
        s->config[i] = i < TRAJECTORIES ? shared : s->config[twin];
        if (i < TRAJECTORIES) {
            draw_own(s, rng, i, l1, l2, ball);
            fixture_reference(&s->config[i].problem, seed + i, &s->reference[i]);
            /* some are not solved: their neighbours' quadratic form is not theirs */
            if (s->config[i].start.kind == START_OPTIMUM || i % 7 != 3)
                s->config[i].reference = &s->reference[i];
        }
        draw_averager(rng, &s->config[i]);
        s->request[i] = (struct run_request){&s->config[i], seed, 0};
        if (form == DENSE_STREAMS)
            s->request[i].replicate = (i < TRAJECTORIES ? i : twin) % 11;
        cr_assert(config_is_lazy(&s->config[i]) == (form == SPARSE_LAZY));
    }
    snprintf(s->name, sizeof s->name, "seed %llu %s %s %s %s m=%zu clip %d n=%zu d=%zu%s%s%s", (unsigned long long)seed,
             form_name[form], shared.problem.type->method.name, shared.update->method.name, shared.sampler->method.name,
             shared.batch_size, (int)shared.clip, shape.n, shape.d, l1 ? " l1" : "", l2 ? " l2" : "",
             ball ? " ball" : "");
    gsl_rng_free(rng);
}

static void scenario_close(struct scenario *s)
{
    for (size_t i = 0; i < TRAJECTORIES; i++)
        free(s->reference[i].x);
    record_grid_free(&s->grid);
    fixture_data_free(&s->data);
}

static void run_alone(const struct scenario *s, enum block_layout layout, struct run_result *result)
{
    for (size_t i = 0; i < RUNS; i++)
        MUST(block_run(&s->request[i], 1, layout, NULL, &result[i], ERROR));
}

/* The runs in that order, `size` to a block. */
static void check_packing(const struct scenario *s, const size_t *order, size_t size, enum block_layout layout,
                          const struct run_result *alone)
{
    char difference[200];
    for (size_t first = 0; first < RUNS; first += size) {
        struct run_request request[RUNS];
        struct run_result result[RUNS];
        const size_t count = size < RUNS - first ? size : RUNS - first;
        for (size_t i = 0; i < count; i++) {
            request[i] = s->request[order[first + i]];
            cr_assert(block_compatible(&request[0], &request[i], layout), "%s", s->name);
        }
        MUST(block_run(request, count, layout, NULL, result, ERROR));
        for (size_t i = 0; i < count; i++)
            cr_expect(same_bits(&alone[order[first + i]], &result[i], difference, sizeof difference),
                      "%s: run %zu alone and among %zu, layout %d: %s", s->name, order[first + i], count, (int)layout,
                      difference);
        results_free(result, count);
    }
}

static void shuffle(gsl_rng *rng, size_t *order)
{
    for (size_t i = 0; i < RUNS; i++)
        order[i] = i;
    gsl_ran_shuffle(rng, order, RUNS, sizeof *order);
}

static void check_form(enum form form, size_t scenarios)
{
#ifdef SGDLAB_SANITIZED
    scenarios /= 4; /* many times slower, and there to see memory, not bits */
#endif
    const size_t sizes[] = {2, 3, 8, 9, 17, 25, RUNS};
    const struct kernel_set *set[3];
    const size_t sets = kernels_available(set);
    gsl_rng *rng = fixture_rng(99 + form);
    size_t diverged = 0, finished = 0;
    for (size_t k = 0; k < scenarios; k++) {
        struct run_result first[RUNS];
        for (size_t i = 0; i < sets; i++) {
            struct scenario s;
            struct run_result alone[RUNS];
            size_t order[RUNS];
            char difference[200];
            use_kernels(set[i]);
            scenario_open(&s, set[i], form, 1000 * form + k);
            run_alone(&s, LAYOUT_AUTO, alone);
            for (size_t p = 0; p < 3; p++) {
                shuffle(rng, order);
                check_packing(&s, order, p == 0 ? RUNS : sizes[pick(rng, 7)],
                              form == DENSE_STREAMS ? LAYOUT_STREAM_PER_LANE : LAYOUT_SHARED_STREAM, alone);
                if (form == DENSE_SHARED)
                    check_packing(&s, order, sizes[pick(rng, 7)], LAYOUT_STREAM_PER_LANE, alone);
            }
            for (size_t r = 0; r < RUNS; r++) {
                diverged += alone[r].outcome == OUTCOME_DIVERGED;
                finished += alone[r].outcome == OUTCOME_FINISHED;
                if (i > 0 && strcmp(set[i]->family, set[0]->family) == 0)
                    cr_expect(same_bits(&first[r], &alone[r], difference, sizeof difference),
                              "%s: run %zu, %s and %s: %s", s.name, r, set[0]->name, set[i]->name, difference);
            }
            if (i == 0)
                memcpy(first, alone, sizeof first);
            else
                results_free(alone, RUNS);
            scenario_close(&s);
        }
        results_free(first, RUNS);
    }
    cr_expect(diverged * 20 > finished && finished > diverged, "%zu left, %zu finished", diverged, finished);
    gsl_rng_free(rng);
}

Test(bitwise, dense_one_stream)
{
    check_form(DENSE_SHARED, 10);
}

Test(bitwise, dense_stream_per_lane)
{
    check_form(DENSE_STREAMS, 10);
}

Test(bitwise, sparse_all_coordinates)
{
    check_form(SPARSE_PLAIN, 8);
}

Test(bitwise, sparse_lazy)
{
    check_form(SPARSE_LAZY, 16);
}

/* Local SGD: the instruction sets of a family agree. */
Test(bitwise, local_sgd)
{
    const struct kernel_set *set[3];
    const size_t sets = kernels_available(set);
    for (size_t k = 0; k < 12; k++) {
        struct run_result result[3];
        struct dataset data;
        struct record_grid grid;
        char difference[200];
        fixture_data((struct shape){.n = 50, .d = 13, .nonzeros = k % 2 ? 4 : 0, .task = TASK_BINARY}, k, &data);
        MUST(record_grid_make(200, 9, SPACING_LOG, &grid, ERROR));
        for (size_t i = 0; i < sets; i++) {
            use_kernels(set[i]);
            struct run_config c = plain_config(set[i], &data, &grid);
            c.local_workers = 2 + 3 * (k % 4);
            c.sync_every = 1 + 4 * (k % 3);
            c.problem.l2 = 0.01;
            set_update(set[i], k % 3 ? "heavy_ball" : "nesterov", 0.8, 0, &c);
            struct run_request request = {&c, k, 0};
            MUST(block_run(&request, 1, LAYOUT_AUTO, NULL, &result[i], ERROR));
            if (strcmp(set[i]->family, set[0]->family) == 0)
                cr_expect(same_bits(&result[0], &result[i], difference, sizeof difference), "case %zu, %s: %s", k,
                          set[i]->name, difference);
        }
        results_free(result, sets);
        record_grid_free(&grid);
        fixture_data_free(&data);
    }
}

/* What the tests above rest on: a changed bit is seen. */
Test(bitwise, comparison_sees_one_bit)
{
    struct scenario s;
    struct run_result a, b;
    char difference[200];
    use_kernels(kernels_active());
    scenario_open(&s, kernels_active(), DENSE_SHARED, 1);
    MUST(block_run(&s.request[0], 1, LAYOUT_AUTO, NULL, &a, ERROR));
    MUST(block_run(&s.request[0], 1, LAYOUT_AUTO, NULL, &b, ERROR));
    cr_expect(same_bits(&a, &b, difference, sizeof difference));
    double *last = &b.metric[METRIC_NORM2][b.points - 1];
    *last = nextafter(*last, INFINITY);
    cr_expect(!same_bits(&a, &b, difference, sizeof difference));
    s.request[0].seed++;
    run_result_free(&b);
    MUST(block_run(&s.request[0], 1, LAYOUT_AUTO, NULL, &b, ERROR));
    cr_expect(!same_bits(&a, &b, difference, sizeof difference), "another seed");
    run_result_free(&a);
    run_result_free(&b);
    scenario_close(&s);
}
