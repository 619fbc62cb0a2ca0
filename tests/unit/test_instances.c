/* The instances that the laws name, written as experiments: each opens, has the optimum that its law states, and runs
 * as its closed form says. */
#include <math.h>

#include "engine.h"
#include "estimator.h"
#include "sweep_fixture.h"

#define WITHIN(a, b, tolerance)                                                                                        \
    cr_expect(fabs((a) - (b)) <= (tolerance), "%s = %.17g, not %.17g", #a, (double)(a), (double)(b))

static struct sweep *solved(const char *text)
{
    struct sweep *sweep = must_open(text);
    struct error error;
    cr_assert_eq(sweep_solve_references(sweep, &error), STATUS_OK, "%s", error.message);
    return sweep;
}

/* The run of a cell: metric values are in result. */
static struct run_config run(const struct sweep *sweep, size_t cell, uint64_t replicate, struct run_result *result)
{
    struct error error;
    struct run_config config = cell_of(sweep, cell);
    struct record_grid grid;
    cr_assert_eq(record_grid_make(config.steps, config.points, config.spacing, &grid, &error), STATUS_OK);
    config.grid = &grid;
    const struct run_request request = {.config = &config, .seed = 1, .replicate = replicate};
    cr_assert_eq(block_run(&request, 1, LAYOUT_AUTO, NULL, result, &error), STATUS_OK, "%s", error.message);
    record_grid_free(&grid);
    config.grid = NULL;
    return config;
}

/* f_i = |x - c_i|^2/2 in four dimensions: f* = 0, gap |x|^2/2, and a full step of rate 1 goes to the mean. */
Test(instances, mean_estimation)
{
    struct sweep *sweep =
        solved("problem: {type: linear, l2: 1, data: {synthetic: centres, n: 64, d: 4}, start: instance}\n"
               "budget: {steps: 200}\nschedule: {type: fixed_horizon, c: 1}\n"
               "record: {points: 201, spacing: linear, metrics: [gap, norm2, distance2]}\n"
               "sweep: {sampling: [with_replacement, full]}\n");
    struct run_result result;
    struct run_config config = run(sweep, 0, 0, &result);
    cr_assert(config.reference->exists && fabs(config.reference->f) < 1e-30);
    WITHIN(result.metric[METRIC_NORM2][0], 1, 1e-14);
    for (size_t p = 0; p < result.points; p++) {
        WITHIN(result.metric[METRIC_GAP][p], result.metric[METRIC_NORM2][p] / 2, 1e-15);
        WITHIN(result.metric[METRIC_DISTANCE2][p], result.metric[METRIC_NORM2][p], 1e-15);
    }
    run_result_free(&result);
    run(sweep, 1, 0, &result); /* without noise the distance shrinks by 1 - eta */
    WITHIN(result.metric[METRIC_NORM2][200], pow(1 - 1 / sqrt(200), 400), 1e-14);
    run_result_free(&result);
    sweep_close(sweep);
}

/* T = n^2/4 from one setting; x walks on multiples of 1/sqrt T in [-1, 1]. */
Test(instances, two_points)
{
    struct sweep *sweep =
        solved("problem: {type: linear, radius: 1, data: {synthetic: signs, excess: 1}}\nbudget: {steps: n*n/4}\n"
               "schedule: {type: fixed_horizon, c: 1}\nsweep: {problem.data.n: [32, 64, 128]}\n"
               "record: {points: 2000, spacing: linear, metrics: [gap, norm2]}\n");
    static const uint64_t horizon[] = {256, 1024, 4096};
    for (size_t k = 0; k < 3; k++) {
        struct run_result result;
        struct run_config config = run(sweep, k, 0, &result);
        double root = sqrt((double)horizon[k]);
        cr_assert_eq(config.steps, horizon[k]);
        WITHIN(config.reference->f, -1 / root, 1e-17);
        WITHIN(config.reference->x[0], -1, 0);
        double largest = 0;
        for (size_t p = 0; p < result.points; p++) {
            double x = root * sqrt(result.metric[METRIC_NORM2][p]);
            WITHIN(x, nearbyint(x), 1e-9);
            largest = fmax(largest, x / root);
            WITHIN(fabs(result.metric[METRIC_GAP][p] * root - 1), x / root, 1e-12);
        }
        cr_expect(largest <= 1 && largest > 0.2);
        run_result_free(&result);
    }
    sweep_close(sweep);
}

/* |x| <= 2, off the lattice by 1.001: 2 eta sum |x_t|/2 = D^2 - x_T^2 + eta^2 T in expectation, path by path the walk
 * stays on 1.001 + eta Z and never meets a kink. */
Test(instances, absolute_deviations)
{
    struct sweep *sweep =
        solved("problem: {type: least_absolute_deviations, data: {synthetic: absolute_deviations, B: 2},\n"
               "  radius: 2, start: [1.001]}\nbudget: {steps: 4096}\nschedule: {type: fixed_horizon, c: 1}\n"
               "record: {points: 4097, spacing: linear, metrics: [gap, norm2]}\n");
    struct run_result result;
    struct run_config config = run(sweep, 0, 3, &result);
    WITHIN(config.reference->f, 1, 1e-9);
    for (size_t p = 0; p < result.points; p++) {
        double x = sqrt(result.metric[METRIC_NORM2][p]), up = 64 * (x - 1.001), down = 64 * (x + 1.001);
        cr_expect(fabs(up - nearbyint(up)) < 1e-9 || fabs(down - nearbyint(down)) < 1e-9);
        WITHIN(result.metric[METRIC_GAP][p], x / 2, 2e-9);
    }
    run_result_free(&result);
    sweep_close(sweep);
}

/* f = x^2/10 without noise, eta = 1/t: x_N = Gamma(N - 0.2) / (Gamma(0.8) Gamma(N)), x_1 = 1. */
Test(instances, too_slow_a_rate)
{
    struct sweep *sweep = solved("problem: {type: least_squares, start: [1],\n"
                                 "  data: {synthetic: weighted_parabolas, n: 1, low: 0.2, high: 0.2, spacing: ends}}\n"
                                 "budget: {steps: 10000}\nschedule: {type: inverse_time, c: 1, t0: 1}\n"
                                 "record: {points: 5, metrics: [distance2]}\n");
    struct run_result result;
    run(sweep, 0, 0, &result);
    double n = 10001;
    WITHIN(sqrt(result.metric[METRIC_DISTANCE2][result.points - 1]), exp(lgamma(n - 0.2) - lgamma(0.8) - lgamma(n)),
           1e-11);
    run_result_free(&result);
    sweep_close(sweep);
}

/* A step of the hinge with l2 = lambda and rate 1/(lambda t) is Pegasos': (1 - 1/t) x + [z.x < 1] z/(lambda t). */
Test(instances, pegasos)
{
    enum { STEPS = 300 };
    struct sweep *sweep = must_open("problem: {type: linear_svm, data: {synthetic: probit_model, n: 500}, l2: 0.1}\n"
                                    "budget: {steps: 300}\nschedule: {type: inverse_time, c: 10, t0: 1}\n"
                                    "record: {points: 301, spacing: linear, metrics: [norm2]}\n");
    struct run_result result;
    struct run_config config = run(sweep, 0, 2, &result);
    const struct dataset *data = config.problem.data;
    struct sampler sampler = {
        .type = config.sampler, .n = 500, .batch_size = 1, .stream = rng_stream(1, RNG_SAMPLING, 0, 2)};
    uint32_t index[STEPS], size[STEPS];
    sampler.type->draw(&sampler, 0, STEPS, index, size);
    double x[3] = {0};
    for (size_t t = 1; t <= STEPS; t++) {
        const double *a = data->train.value + index[t - 1] * data->train.stride, y = data->y[index[t - 1]];
        bool inside = y * (a[0] * x[0] + a[1] * x[1] + a[2] * x[2]) < 1;
        for (size_t j = 0; j < 3; j++)
            x[j] = (1 - 1 / (double)t) * x[j] + (inside ? y * a[j] / (0.1 * (double)t) : 0);
        double norm2 = x[0] * x[0] + x[1] * x[1] + x[2] * x[2];
        WITHIN(result.metric[METRIC_NORM2][t], norm2, 1e-11 * (1 + norm2));
    }
    run_result_free(&result);
    sweep_close(sweep);
}

/* x^2/2 + x on [0, 1] shifted by 1/2: the minimum lies on the boundary, 2.5 in the shifted form. */
Test(instances, interval)
{
    struct sweep *sweep =
        solved("problem: {type: least_squares, data: {synthetic: two_parabolas, left: -3.5, right: 0.5},\n"
               "  radius: 0.5, start: [0.5]}\nbudget: {steps: 2000}\n"
               "schedule: {type: inverse_time, c: 1, t0: 1}\nrecord: {points: 20, metrics: [gap]}\n");
    struct run_result result;
    struct run_config config = run(sweep, 0, 0, &result);
    WITHIN(config.reference->f, 2.5, 1e-12);
    WITHIN(config.reference->x[0], -0.5, 1e-12);
    WITHIN(result.metric[METRIC_GAP][0], 1.5, 1e-12); /* x^2/2 + x at 1 */
    cr_expect(result.metric[METRIC_GAP][result.points - 1] < 0.05);
    run_result_free(&result);
    sweep_close(sweep);
}

/* f = x^4/4: at eta x_0^2/2 = 0.99 all converge, at 1.01 all diverge, and with warmup none. */
Test(instances, warmup_on_a_quartic)
{
    struct sweep *sweep = solved("problem: {type: quartic, data: {synthetic: signs, scale: 0.1}, start: [3]}\n"
                                 "budget: {steps: 400}\nsweep:\n  schedule:\n"
                                 "  - {type: constant, rate: [0.22, 0.2244444444444444], warmup: {steps: [0, 50]}}\n"
                                 "record: {points: 5, metrics: [gap]}\n");
    static const enum outcome expected[] = {OUTCOME_FINISHED, OUTCOME_FINISHED, OUTCOME_DIVERGED, OUTCOME_FINISHED};
    cr_assert_eq(sweep_cells(sweep), 4);
    for (size_t cell = 0; cell < 4; cell++)
        for (uint64_t replicate = 0; replicate < 50; replicate++) {
            struct run_result result;
            run(sweep, cell, replicate, &result);
            cr_expect_eq(result.outcome, expected[cell], "cell %zu, replicate %zu", cell, (size_t)replicate);
            if (expected[cell] == OUTCOME_FINISHED)
                cr_expect(result.metric[METRIC_GAP][result.points - 1] < 0.1);
            run_result_free(&result);
        }
    sweep_close(sweep);
}

/* The rate of one sample, scaled with the batch. */
Test(instances, rates_scale_with_the_batch)
{
    static const char text[] =
        "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 100, d: 3}}\n"
        "budget: {samples: 4096}\nsweep:\n  batch_size: [1, 16, 128]\n"
        "  schedule.scaling: [none, linear, sqrt]\n%s";
    char filled[600];
    snprintf(filled, sizeof filled, text, "schedule: {type: cosine, rate: 0.01, floor: 0.001}\n");
    struct sweep *sweep = must_open(filled);
    static const double factor[] = {1, 1, 1, 1, 16, 4, 1, 128, 11.313708498984761};
    for (size_t i = 0; i < 9; i++) {
        struct run_config c = cell_of(sweep, i);
        WITHIN(c.schedule.values.scalar[0], 0.01 * factor[i], 1e-16);
        WITHIN(c.schedule.values.scalar[1], 0.001 * factor[i], 1e-16);
        cr_expect_eq(c.steps, 4096 / c.batch_size);
    }
    sweep_close(sweep);
    snprintf(filled, sizeof filled, text, "sampling: reshuffle\nschedule: {type: inverse_time, c: 0.2, t0: 10}\n");
    sweep = must_open(filled);
    WITHIN(cell_of(sweep, 4).schedule.values.scalar[0], 0.02 * 16, 1e-16);
    WITHIN(cell_of(sweep, 7).schedule.values.scalar[0], 0.02 * 100,
           1e-16); /* an epoch sampler's batch has n samples at most */
    sweep_close(sweep);
}

/* h = theta/(n (k + 8)) in epoch k = 1, 2, ... */
Test(instances, one_rate_an_epoch)
{
    struct sweep *sweep = must_open("problem: {type: least_squares, start: optimum,\n"
                                    "  data: {synthetic: weighted_parabolas, n: 20, low: 1, high: 1, spacing: even}}\n"
                                    "sampling: reshuffle\nbudget: {epochs: 64}\n"
                                    "schedule: {type: inverse_time, c: 0.2, t0: 9, every: {epochs: 1}}\n"
                                    "record: {points: 65, spacing: linear, metrics: [distance2]}\n");
    struct run_config c = cell_of(sweep, 0);
    for (uint64_t t = 0; t < c.steps; t += 7) {
        double eta;
        schedule_rates(&c.schedule, t, 1, c.steps, &eta);
        WITHIN(eta, 4.0 / (20 * ((double)(t / 20) + 1 + 8)), 1e-16);
    }
    sweep_close(sweep);
}

static char *json_of(const char *text)
{
    struct sweep *sweep = must_open(text);
    struct run_config config = cell_of(sweep, 0);
    char *json = cell_json(&config);
    cr_assert_not_null(json);
    sweep_close(sweep);
    return json;
}

static void expect_same(const char *a, const char *b, bool same)
{
    char *left = json_of(a), *right = json_of(b);
    cr_expect((strcmp(left, right) == 0) == same, "%s\n%s", left, right);
    free(left);
    free(right);
}

#define FROZEN BASE "kind: estimator\nat: start\n"

/* What an estimator's key says of momentum. */
Test(instances, velocity)
{
    char *json = json_of(FROZEN "momentum: 0.9\nvelocity_steps: 20\n");
    cr_expect(strstr(json, "\"estimator\":{\"at\":\"start\",\"draws\":10000,\"velocity_steps\":20}"), "%s", json);
    cr_expect(strstr(json, "\"update\":{\"momentum\":0.9,\"revision\":1,\"type\":\"heavy_ball\"}"), "%s", json);
    cr_expect(!strstr(json, "schedule"));
    free(json);
    expect_same(FROZEN "momentum: 0.9\nvelocity_steps: 20\n", FROZEN "momentum: 0.9\nvelocity_steps: 21\n", false);
    expect_same(FROZEN "momentum: 0.9\nvelocity_steps: 20\n", FROZEN "momentum: 0.8\nvelocity_steps: 20\n", false);
    expect_same(FROZEN "momentum: 0\nvelocity_steps: 20\n", FROZEN, true); /* its velocity is the gradient */
    expect_same(FROZEN "momentum: 0.9\nvelocity_steps: 0\n", FROZEN, true);
    EXPECT_ERROR(4, 17, BASE "velocity_steps: 3\n", "velocity_steps goes with kind: estimator");
    EXPECT_ERROR(7, 17, FROZEN "sampling: reshuffle\nvelocity_steps: 3\n", "independent from step to step",
                 "reshuffle");
    EXPECT_ERROR(7, 17, FROZEN "update: {type: nesterov, momentum: 0.5}\nvelocity_steps: 3\n",
                 "heavy_ball, not nesterov");
    EXPECT_ERROR(7, 17, FROZEN "update: {type: heavy_ball, momentum: 0.5, dampening: 0.5}\nvelocity_steps: 3\n",
                 "dampening must be 0");
}
