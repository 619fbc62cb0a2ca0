/* How a block ends before its budget: interrupted, or refused. */
#include <signal.h>
#include <sys/time.h>
#include <time.h>

#include "engine_fixture.h"

/* ---- interruption ---- */

static atomic_bool stop_flag;

static void on_alarm(int signal)
{
    (void)signal;
    atomic_store(&stop_flag, true);
}

static double clock_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A budget of years ends soon after the flag rises, in every form of the step, and leaves nothing allocated (the
 * sanitizers look). */
Test(engine, interruption)
{
    const struct kernel_set *set = kernels_active();
    for (int form = 0; form < 5; form++) {
        struct dataset data;
        struct run_result result[2];
        struct error error = {0};
        uint64_t steps[] = {0, UINT64_C(1) << 50};
        const struct record_grid grid = {.count = 2, .step = steps};
        fixture_data((struct shape){.n = 200, .d = 30, .nonzeros = form >= 3 ? 4 : 0}, 1, &data);
        struct run_config c = plain_config(set, &data, &grid);
        set_update(set, form == 4 ? "heavy_ball" : "sgd", 0.5, 0, &c);
        set_averager("uniform", 0, &c);
        c.problem.l2 = 0.01;
        if (form == 2)
            c.sampler = method_named(METHOD_SAMPLER, "full");
        struct run_config other = c;
        other.schedule.values.scalar[0] = 0.01;
        struct run_request request[] = {{&c, 1, 0}, {&other, 1, 0}};
        cr_assert(config_is_lazy(&c) == (form >= 3));
        atomic_store(&stop_flag, false);
        cr_assert(signal(SIGALRM, on_alarm) != SIG_ERR);
        cr_assert(setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {.tv_usec = 50000}}, NULL) == 0);
        double start = clock_seconds();
        enum status status =
            block_run(request, 2, form == 1 ? LAYOUT_STREAM_PER_LANE : LAYOUT_AUTO, &stop_flag, result, &error);
        double seconds = clock_seconds() - start;
        cr_expect(status == STATUS_INTERRUPTED && error.status == STATUS_INTERRUPTED, "form %d: status %d", form,
                  (int)status);
        cr_expect(seconds < 1.5, "form %d stopped after %.2f s", form, seconds);
        for (size_t k = 0; k < 2; k++) {
            cr_expect(result[k].seconds == NULL && result[k].points == 0, "no results");
            for (int m = 0; m < METRIC_COUNT; m++)
                cr_expect(result[k].metric[m] == NULL);
        }
        /* and at once when it is already up */
        cr_expect(block_run(request, 2, LAYOUT_AUTO, &stop_flag, result, &error) == STATUS_INTERRUPTED);
        fixture_data_free(&data);
    }
}

/* Counts the samples whose slopes were asked for, and interrupts at the first. */
static atomic_size_t slopes_taken;
static const struct vector_loss *real_loss;

static void counted_slope(size_t rows, size_t width, const double *y, double *z)
{
    atomic_fetch_add(&slopes_taken, rows);
    atomic_store(&stop_flag, true);
    real_loss->slope(rows, width, y, z);
}

/* Full batches of many lanes are long steps: not one more of them after the flag has risen. */
Test(engine, interruption_of_long_steps)
{
    const struct kernel_set *set = kernels_active();
    struct dataset data;
    struct record_grid grid;
    struct run_config config[LANES_MAX];
    struct run_request request[LANES_MAX];
    struct run_result result[LANES_MAX];
    struct error error = {0};
    fixture_data((struct shape){.n = 20000, .d = 30}, 1, &data);
    MUST(record_grid_make(100, 2, SPACING_LINEAR, &grid, ERROR));
    struct problem_type counting = *plain_config(set, &data, &grid).problem.type;
    struct vector_loss loss = *counting.vector;
    real_loss = counting.vector;
    loss.slope = counted_slope;
    counting.vector = &loss;
    for (size_t k = 0; k < LANES_MAX; k++) {
        config[k] = plain_config(set, &data, &grid);
        config[k].problem.type = &counting;
        config[k].sampler = method_named(METHOD_SAMPLER, "full");
        config[k].metrics = 1u << METRIC_NORM2;
        config[k].schedule.values.scalar[0] = 0.01 * (double)(k + 1);
        request[k] = (struct run_request){&config[k], 1, 0};
    }
    atomic_store(&stop_flag, false);
    cr_expect(block_run(request, LANES_MAX, LAYOUT_AUTO, &stop_flag, result, &error) == STATUS_INTERRUPTED);
    cr_expect(atomic_load(&slopes_taken) == 20000, "%zu samples, one step has 20000", atomic_load(&slopes_taken));
    record_grid_free(&grid);
    fixture_data_free(&data);
}

/* ---- requests that cannot be met ---- */

Test(engine, errors)
{
    const struct kernel_set *set = kernels_active();
    struct dataset dense, sparse;
    struct record_grid grid;
    struct run_result result[LANES_MAX + 1];
    struct error error = {0};
    fixture_data((struct shape){.n = 20, .d = 3}, 1, &dense);
    fixture_data((struct shape){.n = 20, .d = 3, .nonzeros = 2}, 1, &sparse);
    MUST(record_grid_make(10, 3, SPACING_LINEAR, &grid, ERROR));
    struct run_config on_dense = plain_config(set, &dense, &grid), on_sparse = plain_config(set, &sparse, &grid);
    struct run_request request[LANES_MAX + 1] = {{&on_dense, 1, 0}, {&on_dense, 1, 1}};
#define REFUSED(count, layout, expected)                                                                               \
    do {                                                                                                               \
        error = (struct error){0};                                                                                     \
        cr_expect(block_run(request, count, layout, NULL, result, &error) == (expected));                              \
        cr_expect(error.status == (expected) && error.message[0]);                                                     \
        cr_expect(result[0].seconds == NULL && result[0].metric[METRIC_LOSS] == NULL);                                 \
    } while (0)
    REFUSED(2, LAYOUT_SHARED_STREAM, STATUS_UNSUPPORTED); /* two streams */
    request[0].config = &on_sparse;
    REFUSED(1, LAYOUT_STREAM_PER_LANE, STATUS_UNSUPPORTED);
    request[0].config = &on_dense;
    on_dense.start.kind = START_OPTIMUM;
    REFUSED(1, LAYOUT_AUTO, STATUS_USAGE); /* not solved */
    struct reference none = {.reason = "separable"};
    on_dense.reference = &none;
    REFUSED(1, LAYOUT_AUTO, STATUS_USAGE);
    cr_expect(strstr(error.message, "separable") != NULL);
    on_dense.start.kind = START_ZEROS;
    on_dense.local_workers = LANES_MAX + 1;
    REFUSED(1, LAYOUT_AUTO, STATUS_USAGE);
    on_dense.local_workers = 1;
    for (size_t k = 0; k <= LANES_MAX; k++)
        request[k] = (struct run_request){&on_dense, 1, k};
    REFUSED(LANES_MAX + 1, LAYOUT_STREAM_PER_LANE, STATUS_UNSUPPORTED);
    MUST(block_run(request, LANES_MAX, LAYOUT_STREAM_PER_LANE, NULL, result, ERROR));
    /* A problem without an optimum has no gap and no distance from it. */
    cr_expect(result[0].metric[METRIC_GAP] == NULL && result[0].metric[METRIC_DISTANCE2] == NULL);
    cr_expect(result[0].metric[METRIC_LOSS] != NULL && result[0].metric[METRIC_ACCURACY] == NULL);
    cr_expect(result[0].lanes == LANES_MAX && result[0].points == 3);
    results_free(result, LANES_MAX);
    record_grid_free(&grid);
    fixture_data_free(&dense);
    fixture_data_free(&sparse);
}
