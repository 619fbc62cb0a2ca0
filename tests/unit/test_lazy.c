/* The steps on sparse data that cost O(nonzeros) (kernels/lazy_scaled.h, lazy_linear.h) against the naive SGD, which
 * moves every coordinate at every step: runs much longer than a window, strong and weak decay, soft thresholds,
 * averages of all kinds, many records and few; and against the dense form on the same numbers. */
#include "engine_fixture.h"

/* Closed forms sum a few thousand numbers in another order than the steps do. */
#define TOLERANCE 1e-10

struct lazy_case {
    const char *update;
    double momentum, dampening;
    double rate, decay, l1; /* decay: rate * l2 */
    size_t schedule;        /* number in the registry */
    const char *averager;
    double averager_value;
    size_t n, d, nonzeros, batch, points;
    uint64_t steps, seed;
    bool intercept, penalize_intercept, classes, clip;
    enum record_spacing spacing;
    bool diverges;
};

static void name_case(const struct lazy_case *k, char *text, size_t size)
{
    snprintf(text, size,
             "%s beta %.3g dampening %.3g rate %.3g decay %.4g l1 %.3g %s %s(%.3g) n=%zu d=%zu nonzeros %zu m=%zu "
             "T=%llu points %zu%s%s%s%s seed %llu",
             k->update, k->momentum, k->dampening, k->rate, k->decay, k->l1,
             registry_at(METHOD_SCHEDULE, k->schedule)->name, k->averager, k->averager_value, k->n, k->d, k->nonzeros,
             k->batch, (unsigned long long)k->steps, k->points, k->intercept ? " intercept" : "",
             k->intercept && k->penalize_intercept ? " penalised" : "", k->classes ? " logistic" : "",
             k->clip ? " clipped" : "", (unsigned long long)k->seed);
}

static struct run_config case_config(const struct lazy_case *k, const struct kernel_set *set,
                                     const struct dataset *data, const struct record_grid *grid)
{
    struct run_config c = plain_config(set, data, grid);
    gsl_rng *rng = fixture_rng(k->seed);
    c.problem.l2 = k->decay / k->rate;
    c.problem.l1 = k->l1;
    c.problem.penalize_intercept = k->penalize_intercept;
    c.batch_size = k->batch;
    random_schedule(rng, k->schedule, k->rate, k->steps, &c.schedule);
    if (k->schedule == 0)
        c.schedule.warmup = 0;
    set_update(set, k->update, k->momentum, k->dampening, &c);
    set_averager(k->averager, k->averager_value, &c);
    c.start = (struct start){.kind = START_GAUSSIAN, .scale = 0.3};
    c.clip = k->clip ? CLIP_SAMPLE : CLIP_NONE;
    c.clip_norm = k->clip ? 0.4 : 0;
    /* Shares of right classes jump where a forgotten coordinate is 1e-90 and not 0. */
    c.metrics &= ~(1u << METRIC_ACCURACY | 1u << METRIC_TEST_ACCURACY);
    gsl_rng_free(rng);
    return c;
}

static void check_case(const struct lazy_case *k, const struct kernel_set *set)
{
#ifdef SGDLAB_SANITIZED
    if (k->seed % 3) /* many times slower, and there to see memory */
        return;
#endif
    struct dataset data;
    struct record_grid grid;
    struct reference reference;
    struct run_result result;
    char what[400];
    const struct shape shape = {.n = k->n,
                                .d = k->d,
                                .test_n = 9,
                                .nonzeros = k->nonzeros,
                                .intercept = k->intercept,
                                .task = k->classes ? TASK_BINARY : TASK_REGRESSION};
    use_kernels(set);
    fixture_data(shape, k->seed, &data);
    MUST(record_grid_make(k->steps, k->points, k->spacing, &grid, ERROR));
    struct run_config c = case_config(k, set, &data, &grid);
    fixture_reference(&c.problem, k->seed, &reference);
    c.reference = &reference;
    struct run_request request = {&c, k->seed, 0};
    name_case(k, what, sizeof what);
    cr_assert(config_is_lazy(&c), "%s", what);
    MUST(block_run(&request, 1, LAYOUT_AUTO, NULL, &result, ERROR));
    cr_expect((result.outcome == OUTCOME_DIVERGED) == k->diverges, "%s: outcome %d", what, (int)result.outcome);
    if (!k->diverges)
        check_result(&request, &result, TOLERANCE, what);
    run_result_free(&result);
    free(reference.x);
    record_grid_free(&grid);
    fixture_data_free(&data);
}

static const struct {
    const char *name;
    double value;
} averagers[] = {{"last", 0}, {"uniform", 0}, {"tail", 0.5}, {"tail", 0.03}, {"polynomial", 3}, {"polynomial", 0.5}};
enum { AVERAGERS = sizeof averagers / sizeof *averagers, LINEAR_AVERAGERS = 4 };

static struct lazy_case plain_case(size_t averager, uint64_t seed)
{
    return (struct lazy_case){
        .update = "sgd",
        .rate = 0.3,
        .averager = averagers[averager].name,
        .averager_value = averagers[averager].value,
        .n = 80,
        .d = 400,
        .nonzeros = 3,
        .batch = 1,
        .points = 3,
        .steps = 600,
        .seed = seed,
    };
}

/* ---- plain SGD ---- */

/* Decays per step from none to beyond sign changes, soft thresholds from none to nearly everything, each average. */
static void decays(double decay)
{
    const double l1[] = {0, 1e-4, 0.003, 0.05, 0.5};
    const struct kernel_set *set[3];
    const size_t sets = kernels_available(set);
    for (size_t a = 0; a < AVERAGERS; a++)
        for (size_t l = 0; l < 5; l++)
            for (size_t v = 0; v < 2; v++) {
                struct lazy_case k = plain_case(a, 100 * a + 10 * l + v);
                k.decay = decay;
                k.l1 = l1[l];
                k.points = v ? 40 : 2;
                k.intercept = v;
                k.classes = (a + l + v) % 2;
                k.batch = 1 + 3 * ((a + l) % 2);
                check_case(&k, set[(a + l + v) % sets]);
            }
}

Test(lazy, sgd_without_decay)
{
    decays(0);
}

Test(lazy, sgd_with_weak_decay)
{
    decays(1e-4);
    decays(3e-3);
}

Test(lazy, sgd_with_decay)
{
    decays(0.03);
    decays(0.5);
}

Test(lazy, sgd_forgets_at_once)
{
    decays(0.999);
    decays(1.0);
}

Test(lazy, sgd_changes_sign)
{
    decays(1.5);
    decays(1.97);
}

/* rate l2 > 2: the decay itself grows. Zeros stay zeros under a threshold that no slope exceeds. */
Test(lazy, sgd_growing_decay)
{
    for (size_t a = 0; a < AVERAGERS; a++) {
        struct lazy_case k = plain_case(a, a);
        k.decay = 3;
        k.diverges = true;
        check_case(&k, kernels_active());
    }
    struct dataset data;
    struct record_grid grid;
    struct run_result result;
    fixture_data((struct shape){.n = 80, .d = 8000, .nonzeros = 2}, 3, &data);
    MUST(record_grid_make(3000, 2, SPACING_LINEAR, &grid, ERROR));
    struct run_config c = plain_config(kernels_active(), &data, &grid);
    c.problem.l2 = 30; /* factor -2: 2^2600 within a window of 2688 steps */
    c.problem.l1 = 100;
    struct run_request request = {&c, 3, 0};
    cr_assert(config_is_lazy(&c));
    MUST(block_run(&request, 1, LAYOUT_AUTO, NULL, &result, ERROR));
    cr_expect(result.outcome == OUTCOME_FINISHED, "left at %llu", (unsigned long long)result.diverged_at);
    cr_expect(result.points == 2 && result.metric[METRIC_NORM2][1] == 0, "x stays 0");
    run_result_free(&result);
    record_grid_free(&grid);
    fixture_data_free(&data);
}

/* The first rates of c/(t + t0) with c = 1/l2 (Shalev-Shwartz et al.): the very first step forgets the start. */
Test(lazy, sgd_pegasos)
{
    for (size_t a = 0; a < AVERAGERS; a++)
        for (size_t t0 = 1; t0 <= 2; t0++) {
            struct dataset data;
            struct record_grid grid;
            struct run_result result;
            char what[100];
            fixture_data((struct shape){.n = 100, .d = 500, .nonzeros = 4, .task = TASK_BINARY}, a, &data);
            MUST(record_grid_make(1500, 4, SPACING_LOG, &grid, ERROR));
            struct run_config c = plain_config(kernels_active(), &data, &grid);
            c.problem.type = kernels_active()->problem[2];
            c.problem.l2 = 0.05;
            c.schedule = (struct schedule){.type = method_named(METHOD_SCHEDULE, "inverse_time"),
                                           .values.scalar = {20.0 / (double)t0, (double)t0}};
            c.start = (struct start){.kind = START_GAUSSIAN, .scale = 1};
            c.metrics &= ~(1u << METRIC_ACCURACY);
            set_averager(averagers[a].name, averagers[a].value, &c);
            struct run_request request = {&c, a, 0};
            MUST(block_run(&request, 1, LAYOUT_AUTO, NULL, &result, ERROR));
            snprintf(what, sizeof what, "Pegasos t0 = %zu, %s(%g)", t0, averagers[a].name, averagers[a].value);
            check_result(&request, &result, TOLERANCE, what);
            run_result_free(&result);
            record_grid_free(&grid);
            fixture_data_free(&data);
        }
}

/* Everything else in random combinations. */
Test(lazy, sgd_combinations)
{
    const double l1[] = {0, 0, 0.001, 0.02}, decay[] = {0, 1e-3, 0.01, 0.2};
    const size_t batch[] = {1, 1, 2, 7, 90}, points[] = {2, 3, 30, 300};
    const struct kernel_set *set[3];
    const size_t sets = kernels_available(set);
    gsl_rng *rng = fixture_rng(4);
    for (size_t i = 0; i < 120; i++) {
        struct lazy_case k = plain_case(pick(rng, AVERAGERS), i);
        k.schedule = pick(rng, registry_count(METHOD_SCHEDULE));
        k.l1 = l1[pick(rng, 4)];
        k.decay = decay[pick(rng, 4)];
        k.rate = 0.05 + 0.4 * gsl_rng_uniform(rng);
        k.batch = batch[pick(rng, 5)];
        k.steps = 300 + pick(rng, 900);
        k.d = 20 + pick(rng, 600);
        k.points = points[pick(rng, 4)];
        k.spacing = pick(rng, 2) ? SPACING_LOG : SPACING_LINEAR;
        k.intercept = pick(rng, 2);
        k.penalize_intercept = pick(rng, 2);
        k.classes = pick(rng, 2);
        k.clip = pick(rng, 4) == 0;
        check_case(&k, set[i % sets]);
    }
    gsl_rng_free(rng);
}

/* Windows of more than a thousand steps. */
Test(lazy, sgd_long_windows)
{
    for (size_t a = 0; a < AVERAGERS; a++) {
        struct lazy_case k = plain_case(a, 50 + a);
        k.d = 4000;
        k.steps = 2500;
        k.n = 300;
        k.l1 = a % 2 ? 0.002 : 0;
        k.decay = a % 3 ? 1e-3 : 0.02;
        k.intercept = true;
        check_case(&k, kernels_active());
    }
}

/* ---- momentum ---- */

Test(lazy, momentum)
{
    const double decay[] = {0, 1e-3, 0.05, 0.5, 1.0, 1.5}, beta[] = {0, 0.5, 0.9, 0.99};
    const struct kernel_set *set[3];
    const size_t sets = kernels_available(set);
    for (size_t u = 0; u < 2; u++)
        for (size_t d = 0; d < 6; d++)
            for (size_t b = 0; b < 4; b++)
                for (size_t v = 0; v < 2; v++) {
                    struct lazy_case k = plain_case((d + b + v) % LINEAR_AVERAGERS, 40 * d + 10 * b + v);
                    k.update = u ? "nesterov" : "heavy_ball";
                    k.momentum = beta[b];
                    k.dampening = v ? 0.4 : 0;
                    k.rate = 0.3 * (1 - beta[b]);
                    /* within the bounds of stability 2 (1 + beta) and 2 (1 + beta) / (1 + 2 beta) */
                    k.decay = fmin(decay[d], u ? 1.2 : 3);
                    k.points = v ? 25 : 2;
                    k.intercept = (b + v) % 2;
                    k.penalize_intercept = b % 3 == 0;
                    k.classes = (u + d) % 2;
                    k.batch = 1 + 4 * (d % 2);
                    check_case(&k, set[(d + b + v) % sets]);
                }
}

/* 2 (1 + beta) is where the untouched coordinates of heavy ball start to grow. */
Test(lazy, momentum_stability)
{
    for (int v = 0; v < 2; v++) {
        struct lazy_case k = plain_case(1, 3);
        k.update = "heavy_ball";
        k.momentum = 0.5;
        k.decay = v ? 3.2 : 2.9;
        k.diverges = v;
        check_case(&k, kernels_active());
    }
}

Test(lazy, momentum_combinations)
{
    const size_t batch[] = {1, 1, 2, 7, 90}, points[] = {2, 3, 30, 300};
    const struct kernel_set *set[3];
    const size_t sets = kernels_available(set);
    gsl_rng *rng = fixture_rng(5);
    for (size_t i = 0; i < 80; i++) {
        struct lazy_case k = plain_case(pick(rng, LINEAR_AVERAGERS), i);
        k.update = pick(rng, 2) ? "heavy_ball" : "nesterov";
        k.momentum = 0.95 * gsl_rng_uniform(rng);
        k.dampening = pick(rng, 2) ? 0.7 * gsl_rng_uniform(rng) : 0;
        k.rate = 0.4 * gsl_rng_uniform(rng) * (1 - k.momentum);
        k.decay = pick(rng, 3) ? pow(10, -4 * gsl_rng_uniform(rng)) : 0;
        k.batch = batch[pick(rng, 5)];
        k.steps = 200 + pick(rng, 900);
        k.d = 20 + pick(rng, i % 8 ? 600 : 4000);
        k.points = points[pick(rng, 4)];
        k.spacing = pick(rng, 2) ? SPACING_LOG : SPACING_LINEAR;
        k.intercept = pick(rng, 2);
        k.penalize_intercept = pick(rng, 2);
        k.classes = pick(rng, 2);
        k.clip = pick(rng, 4) == 0;
        check_case(&k, set[i % sets]);
    }
    gsl_rng_free(rng);
}

/* ---- against the dense form ---- */

/* The same numbers stored dense take the other path: nothing of the lazy forms, everything else the same. */
Test(lazy, equals_dense_storage)
{
    const struct kernel_set *set = kernels_active();
    for (size_t i = 0; i < 24; i++) {
        struct lazy_case k = plain_case(i % (i % 3 ? LINEAR_AVERAGERS : AVERAGERS), i);
        struct dataset sparse, dense;
        struct record_grid grid;
        struct run_result result[2];
        char what[400];
        k.update = i % 3 == 0 ? "sgd" : i % 3 == 1 ? "heavy_ball" : "nesterov";
        k.momentum = 0.8;
        k.rate = 0.1;
        k.decay = i % 2 ? 0.01 : 0.4;
        k.l1 = i % 6 == 0 ? 0.01 : 0;
        k.batch = 1 + i % 5;
        k.intercept = true;
        fixture_data((struct shape){.n = 80, .d = 90, .nonzeros = 5, .intercept = true}, i, &sparse);
        fixture_densify(&sparse, &dense);
        MUST(record_grid_make(k.steps, 20, SPACING_LOG, &grid, ERROR));
        for (int stored = 0; stored < 2; stored++) {
            struct run_config c = case_config(&k, set, stored ? &dense : &sparse, &grid);
            struct run_request request = {&c, 1, 2};
            cr_assert(config_is_lazy(&c) == !stored);
            MUST(block_run(&request, 1, LAYOUT_AUTO, NULL, &result[stored], ERROR));
        }
        name_case(&k, what, sizeof what);
        cr_assert(result[0].points == grid.count && result[1].points == grid.count);
        for (int m = METRIC_LOSS; m <= METRIC_NORM2; m++)
            for (size_t p = 0; result[0].metric[m] && p < grid.count; p++)
                cr_expect(fabs(result[0].metric[m][p] - result[1].metric[m][p]) <=
                              TOLERANCE * (1 + result[1].metric[m][p]),
                          "%s: %s at point %zu is %.17g, dense %.17g", what, metric_info[m].name, p,
                          result[0].metric[m][p], result[1].metric[m][p]);
        results_free(result, 2);
        record_grid_free(&grid);
        fixture_data_free(&sparse);
        fixture_data_free(&dense);
    }
}

/* Which runs have a lazy form, as the interfaces promise it. */
Test(lazy, who_is_lazy)
{
    const struct kernel_set *set = kernels_active();
    struct dataset sparse, dense;
    const struct record_grid grid = {.count = 2, .step = (uint64_t[]){0, 100}};
    fixture_data((struct shape){.n = 30, .d = 50, .nonzeros = 5}, 1, &sparse);
    fixture_densify(&sparse, &dense);
    for (size_t u = 0; u < set->update_count; u++)
        for (size_t s = 0; s < registry_count(METHOD_SCHEDULE); s++)
            for (size_t a = 0; a < AVERAGERS; a++)
                for (int l1 = 0; l1 < 3; l1++) {
                    struct run_config c = plain_config(set, &sparse, &grid);
                    const bool sgd = strcmp(set->update[u]->method.name, "sgd") == 0, constant = s == 0;
                    c.update = set->update[u];
                    c.schedule.type = (const struct schedule_type *)registry_at(METHOD_SCHEDULE, s);
                    c.problem.l2 = 0.1;
                    c.problem.l1 = l1 ? 0.1 : 0;
                    c.problem.l1_form = l1 == 2 ? L1_SUBGRADIENT : L1_PROXIMAL;
                    set_averager(averagers[a].name, averagers[a].value, &c);
                    const bool expected = l1 != 2 && (sgd || (constant && !l1 && a < LINEAR_AVERAGERS));
                    cr_expect(config_is_lazy(&c) == expected, "%s %s %s l1 %d", c.update->method.name,
                              c.schedule.type->method.name, averagers[a].name, l1);
                    c.problem.data = &dense;
                    cr_expect(!config_is_lazy(&c));
                }
    cr_expect(strcmp(registry_at(METHOD_SCHEDULE, 0)->name, "constant") == 0);
    fixture_data_free(&sparse);
    fixture_data_free(&dense);
}

/* ---- leaving ---- */

/* Between the ends of windows only the coordinates just moved are looked at: a lane may be seen to leave later than the
 * naive one, by no more than a window, and never before. */
Test(lazy, divergence)
{
    enum { WINDOW = 256 };
    const char *const update[] = {"sgd", "heavy_ball", "nesterov"};
    size_t at_once = 0;
    for (size_t i = 0; i < 45; i++) {
        struct lazy_case k = plain_case(i % LINEAR_AVERAGERS, i);
        struct dataset data;
        struct record_grid grid;
        struct run_result result;
        struct expected e;
        char what[400];
        k.update = update[i % 3];
        k.momentum = 0.5;
        k.rate = pow(10, 1 + (double)(i % 5) * 2);
        k.decay = i % 2 ? 0 : 1e-3;
        k.l1 = i % 6 == 0 ? 0.01 : 0;
        k.batch = 1 + i % 4;
        k.points = 2 + i % 20;
        k.steps = 2000;
        fixture_data((struct shape){.n = 60, .d = 300, .nonzeros = 5}, i, &data);
        MUST(record_grid_make(k.steps, k.points, SPACING_LOG, &grid, ERROR));
        struct run_config c = case_config(&k, kernels_active(), &data, &grid);
        struct run_request request = {&c, i, 0};
        expect_run(&request, &e);
        MUST(block_run(&request, 1, LAYOUT_AUTO, NULL, &result, ERROR));
        name_case(&k, what, sizeof what);
        cr_assert(e.left, "%s: naive stays", what);
        cr_expect(result.outcome == OUTCOME_DIVERGED, "%s: finished", what);
        cr_expect(result.diverged_at >= e.left_at && result.diverged_at <= e.left_at + WINDOW, "%s: %llu, naive %llu",
                  what, (unsigned long long)result.diverged_at, (unsigned long long)e.left_at);
        at_once += result.diverged_at == e.left_at;
        expected_free(&e);
        run_result_free(&result);
        record_grid_free(&grid);
        fixture_data_free(&data);
    }
    cr_expect(at_once >= 30, "%zu of 45 seen at once", at_once);
}

/* An iterate of size 3e7 has not left, however many samples of a batch touch its one large coordinate. */
Test(lazy, large_iterates_stay)
{
    for (int momentum = 0; momentum < 2; momentum++) {
        struct dataset data;
        struct record_grid grid;
        struct run_result result;
        fixture_data((struct shape){.n = 80, .d = 60, .nonzeros = 2, .intercept = true}, 1, &data);
        for (size_t i = 0; i < 80; i++)
            data.y[i] = 3e7;
        MUST(record_grid_make(200, 2, SPACING_LINEAR, &grid, ERROR));
        struct run_config c = plain_config(kernels_active(), &data, &grid);
        c.batch_size = 70;
        set_update(kernels_active(), momentum ? "heavy_ball" : "sgd", 0.5, 0, &c);
        struct run_request request = {&c, 1, 0};
        cr_assert(config_is_lazy(&c));
        MUST(block_run(&request, 1, LAYOUT_AUTO, NULL, &result, ERROR));
        check_result(&request, &result, TOLERANCE, "targets of 3e7");
        cr_expect(result.outcome == OUTCOME_FINISHED && sqrt(result.metric[METRIC_NORM2][1]) > 2e7);
        run_result_free(&result);
        record_grid_free(&grid);
        fixture_data_free(&data);
    }
}
