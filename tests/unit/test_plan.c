/* Plans: every run once, in blocks whose runs may share one, of good widths; shards; resuming; a million runs. */
#include <math.h>
#include <sys/resource.h>
#include <time.h>

#include "signature.h"
#include "sweep_fixture.h"

static struct plan must_plan(const struct sweep *sweep, size_t shard, size_t shards)
{
    struct plan plan;
    struct error error = {0};
    cr_assert_eq(plan_make(sweep, shard, shards, NULL, NULL, &plan, &error), STATUS_OK, "%s", error.message);
    return plan;
}

/* Checks a plan against the definitions, pair by pair; returns the largest number of lanes. Marks runs in seen. */
static size_t check_plan(const struct sweep *sweep, const struct plan *plan, unsigned char *seen)
{
    size_t most = 0, next = 0, units = sweep_units(sweep);
    double total = 0, last = INFINITY;
    struct run_config *config = malloc((plan->run_count + 1) * sizeof *config);
    struct run_request *request = malloc((plan->run_count + 1) * sizeof *request);
    for (size_t i = 0; i < plan->run_count; i++) {
        config[i] = cell_of(sweep, plan->run[i].cell);
        request[i] = (struct run_request){&config[i], sweep_seed(sweep), sweep_unit_first(sweep, plan->run[i].unit)};
        seen[plan->run[i].cell * units + plan->run[i].unit]++;
    }
    for (size_t b = 0; b < plan->block_count; b++) {
        const struct planned_block *block = &plan->block[b];
        const struct run_request *r = request + block->first;
        cr_expect_eq(block->first, next, "blocks lie side by side");
        cr_expect_gt(block->count, 0);
        next += block->count;
        size_t lanes = 1;
        for (size_t i = 1; i < block->count; i++) {
            lanes += !block_same_trajectory(&r[i - 1], &r[i]);
            for (size_t j = 0; j < i; j++)
                cr_expect(block_compatible(&r[i], &r[j], block->layout), "runs %zu and %zu of block %zu", i, j, b);
        }
        cr_expect_leq(lanes, LANES_MAX);
        most = lanes > most ? lanes : most;
        const double cost = planned_cost(sweep, r->config, lanes, block->layout, plan->run[block->first].unit);
        cr_expect_float_eq(block->cost, cost, 1e-12);
        cr_expect(r->config->keep == KEEP_MOMENTS || cost == block_cost(r->config, lanes));
        cr_expect_leq(block->cost, last);
        last = block->cost;
        total += block->cost;
    }
    cr_expect_eq(next, plan->run_count);
    cr_expect_float_eq(plan->cost, total, 1e-9);
    free(request);
    free(config);
    return most;
}

/* Widths of the blocks of a plan in order, as text: "32 32 16"; s marks a stream per lane. */
static void expect_blocks(const char *text, const char *expected)
{
    struct sweep *sweep = must_open(text);
    struct plan plan = must_plan(sweep, 1, 1);
    unsigned char *seen = calloc(sweep_cells(sweep) * sweep_units(sweep), 1);
    check_plan(sweep, &plan, seen);
    char widths[1000] = "";
    for (size_t i = 0; i < plan.block_count; i++)
        sprintf(widths + strlen(widths), "%s%zu%s", i ? " " : "", plan.block[i].count,
                plan.block[i].layout == LAYOUT_STREAM_PER_LANE ? "s" : "");
    cr_expect_str_eq(widths, expected, "%s\n%s", widths, text);
    cr_expect_eq(plan.run_count, sweep_cells(sweep) * sweep_units(sweep));
    for (size_t i = 0; i < plan.run_count; i++)
        cr_expect_eq(seen[i], 1);
    free(seen);
    plan_free(&plan);
    sweep_close(sweep);
}

#define RATES(count) "sweep:\n  schedule: {type: constant, rate: {linspace: [0.1, 1, " #count "]}}\n"
#define WIDE                                                                                                           \
    "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 80, d: 65}}\nbudget: {steps: 5}\n"

Test(plan, widths)
{
    expect_blocks(BASE, "1");
    expect_blocks(NO_SCHEDULE RATES(8), "8");
    expect_blocks(NO_SCHEDULE RATES(32), "32");
    expect_blocks(NO_SCHEDULE RATES(33), "24 9");
    expect_blocks(NO_SCHEDULE RATES(64), "32 32");
    expect_blocks(NO_SCHEDULE RATES(72), "24 24 24");
    expect_blocks(NO_SCHEDULE RATES(20) "replicates: 3\n", "20 20 20");
    /* Too few lanes a replicate: lanes of several replicates, a stream each. */
    expect_blocks(BASE "replicates: 7\n", "1 1 1 1 1 1 1");
    expect_blocks(BASE "replicates: 8\n", "8s");
    expect_blocks(BASE "replicates: 100\n", "32s 24s 24s 20s");
    expect_blocks(NO_SCHEDULE RATES(7) "replicates: 2\n", "14s");
    /* Not where rows are too long to gather. */
    expect_blocks(WIDE RATES(7) "replicates: 3\n", "7 7 7");
    /* Different batch sizes never share a block. */
    expect_blocks(NO_SCHEDULE RATES(8) "  batch_size: [1, 2]\n", "8 8");
    /* Streams of their own: pooled like replicates. */
    expect_blocks(NO_SCHEDULE RATES(8) "independent_over: [schedule.rate]\n", "8s");
    expect_blocks(NO_SCHEDULE RATES(8) "independent_over: [batch_size]\nreplicates: 2\n", "8 8");
    /* Alone by their nature. */
    expect_blocks(NO_SCHEDULE RATES(3) "timing: solo\n", "1 1 1");
    expect_blocks(NO_SCHEDULE RATES(2) "local: {workers: 2}\nreplicates: 2\n", "1 1 1 1");
    expect_blocks(PROBLEM "kind: estimator\nreplicates: 3\n", "1 1 1");
}

/* Groups: a trajectory has its chains as lanes, enough cells share a stream; 70 replicates are two groups. */
Test(plan, groups_of_chains)
{
    expect_blocks(BASE "replicates: 70\nkeep: moments\n", "1s 1s");
    expect_blocks(NO_SCHEDULE RATES(3) "replicates: 64\nkeep: moments\n", "1s 1s 1s");
    expect_blocks(NO_SCHEDULE RATES(2) "  averaging: [last, uniform, tail]\nreplicates: 64\nkeep: moments\n", "3s 3s");
    expect_blocks(NO_SCHEDULE RATES(8) "replicates: 70\nkeep: moments\n", "8 8");
    expect_blocks(NO_SCHEDULE RATES(40) "replicates: 10\nkeep: moments\n", "24 16");
    expect_blocks(WIDE RATES(3) "replicates: 70\nkeep: moments\n", "3 3");
    expect_blocks(NO_SCHEDULE RATES(2) "local: {workers: 2}\nreplicates: 65\nkeep: moments\n", "1 1 1 1");
    struct sweep *sweep = must_open(BASE "replicates: 70\nkeep: moments\n");
    cr_expect_eq(sweep_units(sweep), 2);
    cr_expect_eq(sweep_unit_first(sweep, 1), 64);
    cr_expect(sweep_unit_chains(sweep, 0) == 64 && sweep_unit_chains(sweep, 1) == 6);
    sweep_close(sweep);
}

/* 32 trajectories with 3 averagers each are one block of 96 runs. */
Test(plan, averagers_share_lanes)
{
    expect_blocks(NO_SCHEDULE RATES(32) "  averaging: [last, uniform, tail]\n", "96");
    expect_blocks(NO_SCHEDULE RATES(4) "  averaging: [last, uniform]\nreplicates: 4\n", "32s");
    struct sweep *sweep = must_open(NO_SCHEDULE RATES(32) "  averaging: [last, uniform, tail]\n");
    unsigned char seen[96] = {0};
    struct plan plan = must_plan(sweep, 1, 1);
    cr_expect_eq(check_plan(sweep, &plan, seen), 32);
    plan_free(&plan);
    sweep_close(sweep);
}

/* A block keeps 32 averages: 40 of them need two blocks. */
Test(plan, many_averages)
{
    expect_blocks(NO_SCHEDULE RATES(8) "  averaging: [{type: tail, fraction: {linspace: [0.1, 1, 40]}}]\n", "256 64");
}

/* On sparse data momentum has a fast form for constant rates only: such lanes keep to themselves. */
Test(plan, forms_of_a_step_do_not_mix)
{
    struct sweep *sweep = must_open(
        "problem: {type: logistic_regression, data: {synthetic: sparse_logistic}, l2: 0.1}\nbudget: {steps: 5}\n"
        "momentum: 0.9\nsweep:\n  schedule: [{type: constant, rate: [0.1, 0.2]}, {type: linear, rate: [0.1, 0.2]}]\n");
    struct run_config config[4];
    bool lazy[4];
    for (size_t i = 0; i < 4; i++) {
        config[i] = cell_of(sweep, i);
        lazy[i] = config_is_lazy(&config[i]);
    }
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < i; j++) {
            struct run_request a = {&config[i], 1, 0}, b = {&config[j], 1, 0};
            cr_expect_eq(block_compatible(&a, &b, LAYOUT_SHARED_STREAM), lazy[i] == lazy[j], "%zu and %zu", i, j);
            cr_expect_not(block_compatible(&a, &b, LAYOUT_STREAM_PER_LANE), "sparse");
        }
    }
    cr_expect_neq(lazy[0], lazy[2], "the case is a real one");
    sweep_close(sweep);
}

/* `full` with five batch sizes is one run, and so are momentum 0 and sgd. */
Test(plan, equal_cells_are_planned_once)
{
    struct sweep *sweep = must_open(BASE "sampling: full\nreplicates: 2\nsweep:\n  batch_size: [1, 2, 4, 8, 16]\n"
                                         "  averaging: [last, uniform, last]\n");
    struct plan plan = must_plan(sweep, 1, 1);
    cr_expect_eq(sweep_cells(sweep), 15);
    cr_assert_eq(plan.run_count, 4);
    for (size_t i = 0; i < 4; i++)
        cr_expect_lt(plan.run[i].cell, 2, "the first of equal cells");
    plan_free(&plan);
    sweep_close(sweep);
}

/* Cells are the same run for the plan if and only if their canonical texts are equal. */
Test(plan, agrees_with_keys)
{
    struct sweep *sweep = must_open(
        PROBLEM "budget: {steps: 40}\nsweep:\n  sampling: [full, reshuffle, subset]\n  batch_size: [1, 50, 100]\n"
                "  last_batch: [keep, drop]\n  update: [sgd, {type: heavy_ball, momentum: [0, 0.5]}]\n"
                "  averaging: [last, tail, {type: tail, fraction: 0.5}]\n"
                "  schedule: [{type: constant, rate: 0.1, warmup: [0, 1, 2]}]\n  clip: [none, 1]\n");
    struct plan plan = must_plan(sweep, 1, 1);
    size_t cells = sweep_cells(sweep), distinct = 0;
    char **json = malloc(cells * sizeof *json);
    bool *planned = calloc(cells, sizeof *planned);
    for (size_t i = 0; i < plan.run_count; i++)
        planned[plan.run[i].cell] = true;
    for (size_t i = 0; i < cells; i++) {
        struct run_config config = cell_of(sweep, i);
        json[i] = cell_json(&config);
        bool first = true;
        for (size_t j = 0; j < i && first; j++)
            first = strcmp(json[i], json[j]) != 0;
        distinct += first;
        cr_expect_eq(planned[i], first, "cell %zu", i);
    }
    cr_expect_eq(plan.run_count, distinct);
    cr_expect(distinct > 1 && distinct < cells);
    for (size_t i = 0; i < cells; i++)
        free(json[i]);
    free(planned);
    free(json);
    plan_free(&plan);
    sweep_close(sweep);
}

static const char *const mixed =
    PROBLEM "replicates: 5\nsweep:\n  sampling: [with_replacement, reshuffle]\n  batch_size: [1, 4, 64]\n"
            "  budget.steps: [10, 1000]\n  schedule: {type: constant, rate: {logspace: [0.001, 1, 11]}}\n"
            "  averaging: [last, uniform]\n";

Test(plan, shards_make_the_whole)
{
    struct sweep *sweep = must_open(mixed);
    size_t runs = sweep_cells(sweep) * sweep_replicates(sweep), shards[] = {1, 2, 3, 7, 1000};
    for (size_t s = 0; s < sizeof shards / sizeof *shards; s++) {
        unsigned char *seen = calloc(runs, 1);
        double least = INFINITY, most = 0, largest = 0;
        for (size_t i = 1; i <= shards[s]; i++) {
            struct plan plan = must_plan(sweep, i, shards[s]);
            check_plan(sweep, &plan, seen);
            least = plan.cost < least ? plan.cost : least;
            most = plan.cost > most ? plan.cost : most;
            if (plan.block_count && plan.block[0].cost > largest)
                largest = plan.block[0].cost;
            plan_free(&plan);
        }
        for (size_t i = 0; i < runs; i++)
            cr_expect_eq(seen[i], 1, "run %zu of %zu shards", i, shards[s]);
        cr_expect(most - least <= largest * 1.000001, "%zu shards: %g to %g", shards[s], least, most);
        free(seen);
    }
    struct plan plan;
    struct error error;
    cr_expect_eq(plan_make(sweep, 0, 2, NULL, NULL, &plan, &error), STATUS_USAGE);
    cr_expect_eq(plan_make(sweep, 3, 2, NULL, NULL, &plan, &error), STATUS_USAGE);
    sweep_close(sweep);
}

struct asking {
    size_t asked;
    unsigned every;
};

static bool wanted_sometimes(void *context, size_t cell, size_t replicate)
{
    struct asking *asking = context;
    asking->asked++;
    return (cell * 31 + replicate * 17) % asking->every == 0;
}

static bool wanted_never(void *context, size_t cell, size_t replicate)
{
    (void)context, (void)cell, (void)replicate;
    return false;
}

Test(plan, stored_runs_are_left_out)
{
    struct sweep *sweep = must_open(mixed);
    size_t runs = sweep_cells(sweep) * sweep_replicates(sweep), left = 0;
    struct asking asking = {.every = 3};
    struct plan plan;
    struct error error;
    cr_assert_eq(plan_make(sweep, 1, 1, wanted_sometimes, &asking, &plan, &error), STATUS_OK);
    cr_expect_eq(asking.asked, runs, "asked once about each");
    unsigned char *seen = calloc(runs, 1);
    check_plan(sweep, &plan, seen);
    for (size_t i = 0; i < runs; i++) {
        bool want = wanted_sometimes(&asking, i / 5, i % 5);
        left += want;
        cr_expect_eq(seen[i], want);
    }
    cr_expect_eq(plan.run_count, left);
    free(seen);
    plan_free(&plan);
    cr_assert_eq(plan_make(sweep, 1, 1, wanted_never, NULL, &plan, &error), STATUS_OK);
    cr_expect(plan.run_count == 0 && plan.block_count == 0 && plan.cost == 0.0);
    plan_free(&plan);
    sweep_close(sweep);
}

/* The same file gives the same plan, whatever addresses its objects have. */
Test(plan, repeatable)
{
    struct sweep *a = must_open(mixed);
    void *hole = malloc(100000);
    struct sweep *b = must_open(mixed);
    struct plan x = must_plan(a, 2, 3), y = must_plan(b, 2, 3);
    cr_assert_eq(x.run_count, y.run_count);
    cr_expect_eq(memcmp(x.run, y.run, x.run_count * sizeof *x.run), 0);
    cr_expect_eq(x.block_count, y.block_count);
    plan_free(&x);
    plan_free(&y);
    sweep_close(a);
    sweep_close(b);
    free(hole);
}

Test(plan, compatibility_by_layout)
{
    struct sweep *sweep = must_open(BASE "sweep:\n  problem.l2: [0, 1, 2]\n  averaging: [last, uniform]\n");
    struct run_config config[6];
    for (size_t i = 0; i < 6; i++)
        config[i] = cell_of(sweep, i);
    struct run_request a = {&config[2], 1, 0}, b = {&config[4], 1, 0}, c = {&config[4], 1, 1}, d = {&config[4], 2, 0},
                       none = {&config[0], 1, 0}, averaged = {&config[3], 1, 0};
    cr_expect(block_compatible(&a, &b, LAYOUT_SHARED_STREAM));
    cr_expect(block_compatible(&a, &b, LAYOUT_STREAM_PER_LANE));
    cr_expect_not(block_compatible(&a, &c, LAYOUT_SHARED_STREAM));
    cr_expect_not(block_compatible(&a, &d, LAYOUT_SHARED_STREAM));
    cr_expect(block_compatible(&a, &c, LAYOUT_STREAM_PER_LANE));
    cr_expect(block_compatible(&a, &d, LAYOUT_AUTO));
    cr_expect_not(block_compatible(&a, &none, LAYOUT_SHARED_STREAM), "no l2 at all beside l2");
    cr_expect(block_same_trajectory(&a, &averaged));
    cr_expect_not(block_same_trajectory(&a, &b));
    cr_expect_not(block_same_trajectory(&b, &c));
    sweep_close(sweep);
}

Test(plan, costs_grow_with_the_work)
{
    struct sweep *sweep = must_open(PROBLEM "schedule: {type: constant, rate: 0.1}\nsweep:\n"
                                            "  budget.steps: [1000, 2000]\n  batch_size: [1, 50]\n");
    struct run_config small = cell_of(sweep, 0), batch = cell_of(sweep, 1), longer = cell_of(sweep, 2);
    cr_expect_gt(block_cost(&small, 1), 0.0);
    cr_expect_gt(block_cost(&longer, 8), block_cost(&small, 8));
    cr_expect_gt(block_cost(&batch, 8), block_cost(&small, 8));
    cr_expect_gt(block_cost(&small, 32), block_cost(&small, 8));
    cr_expect_lt(block_cost(&small, 32), 4 * block_cost(&small, 8) + 1e-12);
    cr_expect_lt(block_cost(&small, 8), 8 * block_cost(&small, 1));
    sweep_close(sweep);
}

static double seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void plan_many(const char *text, size_t cells, size_t replicates)
{
    double begin = seconds();
    struct sweep *sweep = must_open(text);
    double opened = seconds();
    cr_assert_eq(sweep_cells(sweep), cells);
    struct plan plan = must_plan(sweep, 1, 1);
    double planned = seconds();
    cr_expect_eq(plan.run_count, cells * replicates);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double megabytes = (double)usage.ru_maxrss / 1024.0;
    fprintf(stderr, "%zu cells x %zu: opened in %.2f s, planned in %.2f s, %zu blocks, %.0f MB\n", cells, replicates,
            opened - begin, planned - opened, plan.block_count, megabytes);
#ifndef __SANITIZE_ADDRESS__
    cr_expect_lt(planned - begin, 10.0);
    cr_expect_lt(megabytes, 500.0);
#endif
    plan_free(&plan);
    sweep_close(sweep);
}

#define AXES(rates, l2)                                                                                                \
    "sweep:\n  schedule: {type: constant, rate: {logspace: [0.001, 1, " #rates "]}}\n"                                 \
    "  problem.l2: {linspace: [0.1, 1, " #l2 "]}\n  batch_size: [1, 2, 4, 8, 16, 32, 50, 64, 80, 100]\n"

Test(plan, ten_thousand_cells, .timeout = 200)
{
    plan_many(NO_SCHEDULE "replicates: 100\n" AXES(100, 10), 10000, 100);
}

Test(plan, hundred_thousand_cells, .timeout = 200)
{
    plan_many(NO_SCHEDULE "replicates: 10\n" AXES(1000, 10), 100000, 10);
}

Test(plan, a_million_cells, .timeout = 200)
{
    plan_many(NO_SCHEDULE AXES(10000, 10), 1000000, 1);
}
