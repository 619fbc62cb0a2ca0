/* L12 on made-up clocks: medians and their intervals against naive ones; planted costs of a step and a sample come
 * back, and their intervals cover them; verdicts on clocks that keep to the claims and on others. And the seconds of
 * timed runs, read back from a store. */
#include <gsl/gsl_cdf.h>

#include "law_curve_scene.h"
#include "laws/batch_cost.h"

#define PROBLEM "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 512, d: 4}}\n"
#define SIZES   "[1, 2, 4, 8, 16, 32, 64, 128, 256, 512]"
#define TIMED                                                                                                          \
    PROBLEM "timing: solo\nreplicates: 24\nbudget: {samples: 65536}\nschedule: {type: constant, rate: 0.01}\n"         \
            "sweep: {sampling: [with_replacement, full], batch_size: " SIZES "}\n"                                     \
            "record: {points: 17, spacing: linear, metrics: [gap]}\n"

/* ---- medians ---- */

enum { RUNS = 9 };

static int compare(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

Test(law_batch_cost, weights_of_a_median_are_repetitions)
{
    const struct rng_stream stream = rng_stream(3, RNG_TEST, 5, 0);
    gsl_rng *rng = rng_gsl_open(&stream);
    for (int trial = 0; trial < 500; trial++) {
        struct timed run[RUNS];
        const struct timed_list list = {RUNS, run};
        double weight[RUNS], many[4 * RUNS];
        size_t count = 0;
        for (size_t i = 0; i < RUNS; i++) {
            run[i] = (struct timed){(double)i + gsl_rng_uniform(rng), (i * 4) % RUNS};
            weight[i] = (double)gsl_rng_uniform_int(rng, 4);
        }
        for (size_t i = 0; i < RUNS; i++)
            for (int k = 0; k < (int)weight[run[i].replicate]; k++)
                many[count++] = run[i].value;
        if (count == 0)
            continue;
        qsort(many, count, sizeof *many, compare);
        cr_expect(timed_median(&list, weight) == 0.5 * (many[(count - 1) / 2] + many[count / 2]));
        for (size_t i = 0; i < RUNS; i++)
            weight[i] /= (double)count; /* shares, as the bootstrap gives them */
        cr_expect(timed_median(&list, weight) == 0.5 * (many[(count - 1) / 2] + many[count / 2]));
    }
    gsl_rng_free(rng);
}

Test(law_batch_cost, order_statistics_hold_the_median)
{
    struct timed run[60];
    gsl_set_error_handler_off();
    for (size_t i = 0; i < 60; i++)
        run[i].value = (double)(i + 1); /* its rank */
    for (unsigned n = 6; n <= 60; n++) {
        double low, high;
        timed_interval(&(struct timed_list){n, run}, &low, &high);
        const unsigned k = (unsigned)low;
        cr_expect(high == n + 1 - low);
        /* The median is outside when fewer than k, or more than n - k, values are below it. */
        cr_expect(1 - 2 * gsl_cdf_binomial_P(k - 1, 0.5, n) >= 0.95);
        cr_expect(1 - 2 * gsl_cdf_binomial_P(k, 0.5, n) < 0.95, "n = %u: ranks %u", n, k);
    }
}

/* ---- made-up clocks ---- */

struct clock {
    double alpha, beta;   /* seconds */
    double power;         /* of m */
    double noise, burden; /* relative sd; share of stretches that take three times as long */
    double s_inf, b_crit; /* steps to 0.01 of the gap, at the best rate */
    double s_power;       /* of 1/m */
};

static double steps_of(const struct clock *clock, const struct law_cell *cell, double m)
{
    /* The gap shrinks by the same factor in every step; the best rate is that of the exponent 0. */
    const double off = log(cell->config.schedule.values.scalar[0] / 0.1);
    return clock->s_inf * (1 + clock->b_crit * pow(m, -clock->s_power)) * (1 + 0.5 * off * off);
}

static struct law_curve *open_curve(const struct law_cell *cell, size_t groups)
{
    struct law_curve *curve = calloc(1, sizeof *curve);
    cr_assert_not_null(curve);
    *curve = (struct law_curve){.points = cell->points, .groups = groups, .chains = groups, .step = cell->step};
    curve->group_mean = calloc(groups * cell->points, sizeof *curve->group_mean);
    cr_assert_not_null(curve->group_mean);
    return curve;
}

static void run_clock(struct trial *t, const struct clock *clock, size_t groups)
{
    t->input.planned = false;
    for (size_t i = 0; i < t->input.cell_count; i++) {
        struct law_cell *cell = &t->input.cell[i];
        const bool full = strcmp(cell->columns.sampling, "full") == 0;
        const double m = (double)(full ? cell->columns.n : cell->columns.batch_size);
        const double step = clock->alpha + clock->beta * pow(m, clock->power), steps = steps_of(clock, cell, m);
        cell->chains = groups;
        cell->seconds = open_curve(cell, groups);
        cell->curve[METRIC_GAP] = open_curve(cell, groups);
        for (size_t r = 0; r < groups; r++) {
            double *seconds = &cell->seconds->group_mean[r * cell->points],
                   *gap = &cell->curve[METRIC_GAP]->group_mean[r * cell->points];
            const double pace = 1 + gsl_ran_gaussian(t->rng, clock->noise),
                         fast = 1 + gsl_ran_gaussian(t->rng, clock->noise);
            for (size_t p = 0; p < cell->points; p++) {
                const double burden = gsl_rng_uniform(t->rng) < clock->burden ? 3 : 1;
                if (p > 0)
                    seconds[p] = seconds[p - 1] + burden * pace * step * (double)(cell->step[p] - cell->step[p - 1]);
                gap[p] = 5 * pow(0.01, (double)cell->step[p] / (fast * steps));
            }
        }
    }
}

static void stop_clock(struct trial *t)
{
    for (size_t i = 0; i < t->input.cell_count; i++) {
        struct law_curve *both[2] = {t->input.cell[i].seconds, t->input.cell[i].curve[METRIC_GAP]};
        for (int k = 0; k < 2; k++) {
            free(both[k]->group_mean);
            free(both[k]);
        }
    }
    close_trial(t);
}

static const struct clock plain = {
    .alpha = 60e-9, .beta = 20e-9, .power = 1, .noise = 0.03, .burden = 0.2, .s_inf = 10, .b_crit = 300, .s_power = 1};

Test(law_batch_cost, planted_costs_are_covered)
{
    enum { TRIALS = 200 };
    size_t covered[2] = {0, 0};
    double mean[2] = {0, 0};
    struct error error;
    for (int trial = 0; trial < TRIALS; trial++) {
        struct trial t = open_trial(TIMED "laws: {law: batch_cost}\n", 0);
        const struct rng_stream stream = rng_stream(7, RNG_TEST, 5, (uint64_t)trial);
        struct batch_cost *cost;
        double se[2];
        gsl_rng_free(t.rng);
        t.rng = rng_gsl_open(&stream);
        run_clock(&t, &plain, 24);
        must(batch_cost_open(&t.input, &cost, &error), &error);
        must(batch_cost_line_se(cost, se, &error), &error);
        const struct cost_line line = step_line(cost, NULL);
        const double off[2] = {line.first / plain.alpha - 1, line.second / plain.beta - 1};
        const double relative[2] = {se[0] / plain.alpha, se[1] / plain.beta};
        for (int k = 0; k < 2; k++) {
            covered[k] += fabs(off[k]) < 1.96 * relative[k];
            mean[k] += off[k] / TRIALS;
            cr_expect(relative[k] > 0.0005 && relative[k] < 0.05, "%g", relative[k]);
        }
        batch_cost_close(cost);
        stop_clock(&t);
    }
    for (int k = 0; k < 2; k++) {
        cr_expect(fabs(mean[k]) < 0.004, "%g", mean[k]); /* burdens of a fifth, threefold, would add 0.4 */
        cr_expect(covered[k] >= 0.89 * TRIALS && covered[k] <= 0.995 * TRIALS, "%zu of %d", covered[k], TRIALS);
    }
}

static struct trial judge_clock(const char *text, const struct clock *clock, size_t groups)
{
    struct trial t = open_trial(text, 0);
    judge_trial(&t);
    const size_t planned = t.checks.count;
    for (size_t i = 0; i < planned; i++)
        cr_expect(isnan(t.checks.check[i].measured) && t.checks.check[i].se > 0);
    cr_expect(t.figure.count == 0);
    run_clock(&t, clock, groups);
    judge_trial(&t);
    cr_expect(t.checks.count == planned);
    return t;
}

Test(law_batch_cost, a_line_is_a_line)
{
    struct trial t = judge_clock(TIMED "laws: {law: batch_cost}\n", &plain, 24);
    expect_all(&t, VERDICT_CONFIRMED);
    cr_expect(fabs(t.checks.check[1].measured - 3) < 0.2, "%g", t.checks.check[1].measured);
    expect_figure(&t, 2);
    stop_clock(&t);

    struct clock bent = plain;
    bent.power = 1.4;
    t = judge_clock(TIMED "laws: {law: batch_cost}\n", &bent, 24);
    cr_expect(t.checks.check[0].verdict == VERDICT_REFUTED, "%g", t.checks.check[0].measured);
    stop_clock(&t);

    struct clock nothing = plain;
    nothing.alpha = 0;
    t = judge_clock(TIMED "laws: {law: batch_cost}\n", &nothing, 24);
    cr_expect(t.checks.check[0].verdict == VERDICT_CONFIRMED && t.checks.check[1].verdict != VERDICT_CONFIRMED);
    stop_clock(&t);
}

Test(law_batch_cost, cheap_samples_are_almost_free)
{
    static const char text[] = TIMED "laws: {law: batch_cost, claim: almost_free, "
                                     "where: {sampling: with_replacement, batch_size: [1, 32, 64]}}\n";
    struct trial t = judge_clock(text, &plain, 24);
    cr_expect(t.checks.count == 2);
    expect_all(&t, VERDICT_REFUTED);
    cr_expect(fabs(t.checks.check[0].measured - 8.75) < 0.5, "%g", t.checks.check[0].measured);
    stop_clock(&t);
    struct clock device = plain;
    device.alpha = 500 * device.beta;
    t = judge_clock(text, &device, 24);
    expect_all(&t, VERDICT_CONFIRMED);
    stop_clock(&t);
}

Test(law_batch_cost, single_samples_are_about_n_times_cheaper)
{
    static const char text[] = TIMED "laws: {law: batch_cost, claim: single_sample}\n";
    struct trial t = judge_clock(text, &plain, 24);
    expect_all(&t, VERDICT_CONFIRMED);
    cr_expect(fabs(t.checks.check[0].measured / (515.0 / 4) - 1) < 0.05, "%g", t.checks.check[0].measured);
    stop_clock(&t);
    struct clock device = plain;
    device.alpha = 500 * device.beta;
    t = judge_clock(text, &device, 24);
    cr_expect(t.checks.check[0].verdict == VERDICT_CONFIRMED && t.checks.check[1].verdict == VERDICT_REFUTED);
    stop_clock(&t);
}

/* ---- targets ---- */

/* Nothing else burdens the machine: recorded points are near to one another here, a burden would be in every stretch.
 */
static struct clock quiet(void)
{
    struct clock clock = plain;
    clock.burden = 0;
    return clock;
}

#define TUNED(claim)                                                                                                   \
    PROBLEM "timing: solo\nreplicates: 60\nbudget: {steps: 30*(1 + 300/m)}\n"                                          \
            "sweep:\n  sampling: [with_replacement, full]\n  batch_size: " SIZES "\n  schedule:\n"                     \
            "    - {type: constant, rate: [0.05, 0.1, 0.2]}\n"                                                         \
            "record: {points: 61, spacing: linear, metrics: [gap]}\nlaws: {law: batch_cost, target: 0.01, " claim      \
            "}\n"

Test(law_batch_cost, the_best_batch_is_predicted)
{
    static const char text[] = TUNED("claim: best_batch, margin: 0.1");
    const struct clock clock = quiet();
    struct trial t = judge_clock(text, &clock, 60);
    expect_all(&t, VERDICT_CONFIRMED);
    /* sqrt(alpha B/beta) = 30; the best rate's exponent is 0, so other rates do not matter. */
    cr_expect(fabs(t.checks.check[0].predicted / 30 - 1) < 0.1, "%g", t.checks.check[0].predicted);
    cr_expect(fabs(t.checks.check[0].measured / 30 - 1) < 0.15, "%g", t.checks.check[0].measured);
    expect_figure(&t, 2);
    struct batch_cost *cost;
    struct error error;
    must(batch_cost_open(&t.input, &cost, &error), &error);
    batch_cost_aim(cost, 0.01, false);
    cr_expect(fabs(steps_to_target(size_of(cost, 1), NULL) / 3010 - 1) < 0.03); /* the middle rate's, not another's */
    cr_expect(fabs(seconds_to_target(size_of(cost, 1), NULL) / (3010 * 80e-9) - 1) < 0.03);
    batch_cost_close(cost);
    stop_clock(&t);

    struct clock other = quiet(); /* steps fall as 1/sqrt(m): the time is least at alpha/beta = 3 */
    other.s_power = 0.5;
    other.s_inf = 1;
    t = judge_clock(text, &other, 60);
    cr_expect(t.checks.check[0].verdict == VERDICT_REFUTED, "%g, %g", t.checks.check[0].predicted,
              t.checks.check[0].measured);
    cr_expect(fabs(t.checks.check[0].measured / 3 - 1) < 0.3, "%g", t.checks.check[0].measured);
    stop_clock(&t);
}

Test(law_batch_cost, full_batches_win_at_tight_targets)
{
    /* T_1 = 301 steps of 80 ns times 10, T_full = 10 (1 + 300/512) steps of 10.3 us: a ratio of 1.5 at every target. */
    static const char text[] = TUNED("claim: full_batch, margin: 0.1");
    const struct clock clock = quiet();
    struct trial t = judge_clock(text, &clock, 60);
    cr_assert(t.checks.count == 2);
    cr_expect(t.checks.check[0].verdict == VERDICT_REFUTED && t.checks.check[1].verdict == VERDICT_CONFIRMED);
    const double steps = 10 * (1 + 300.0 / 512), ratio = 3010 * 80e-9 / (steps * (60e-9 + 512 * 20e-9));
    cr_expect(fabs(t.checks.check[0].measured / ratio - 1) < 0.05, "%g", t.checks.check[0].measured);
    cr_expect(fabs(t.checks.check[1].measured * ratio - 1) < 0.05, "%g", t.checks.check[1].measured);
    expect_figure(&t, 4);
    stop_clock(&t);
}

Test(law_batch_cost, says_what_it_needs)
{
    expect_refusal(PROBLEM "budget: {steps: 10}\nschedule: {type: constant, rate: 0.01}\n"
                           "sweep: {batch_size: [1, 2]}\nlaws: {law: batch_cost}\n",
                   "timing: solo");
    expect_refusal("timing: solo\nbudget: {steps: 10}\nschedule: {type: constant, rate: 0.01}\n"
                   "sweep:\n  problem:\n"
                   "    - {type: least_squares, data: {synthetic: gaussian_least_squares, n: 64, d: 4}}\n"
                   "    - {type: least_squares, data: {synthetic: gaussian_least_squares, n: 64, d: 5}}\n"
                   "laws: {law: batch_cost}\n",
                   "one data set");
    expect_refusal(PROBLEM "timing: solo\nbudget: {steps: 10}\nschedule: {type: constant, rate: 0.01}\n"
                           "record: {metrics: [loss]}\nlaws: {law: batch_cost, claim: best_batch}\n",
                   "gap");
    expect_refusal(PROBLEM "timing: solo\nbudget: {steps: 10}\nschedule: {type: constant, rate: 0.01}\n"
                           "laws: {law: batch_cost, claim: single_sample}\n",
                   "sampling: full");
}

/* ---- the store's seconds ---- */

#define SHORT                                                                                                          \
    PROBLEM "replicates: 3\nbudget: {samples: 2048}\nschedule: {type: constant, rate: 0.01}\n"                         \
            "sweep: {batch_size: [1, 64]}\nrecord: {points: 5, metrics: [gap]}\nlaws: {law: batch_cost}\n"

Test(law_batch_cost, sees_the_seconds_of_timed_runs)
{
    struct scene scene = open_scene();
    struct error error;
    run_experiment(&scene, "timed", SHORT "timing: solo\n");
    run_experiment(&scene, "packed", SHORT);
    struct law_results *timed = read_results(&scene, "timed"), *packed = read_results(&scene, "packed");
    cr_assert(timed->cell_count == 2 && packed->cell_count == 2);
    for (size_t i = 0; i < 2; i++) {
        const struct law_cell *cell = &timed->cell[i];
        const struct law_curve *seconds = cell->seconds;
        cr_expect_null(packed->cell[i].seconds);
        cr_assert(seconds && seconds->groups == 3 && seconds->points == cell->points);
        for (size_t r = 0; r < 3; r++)
            for (size_t p = 1; p < cell->points; p++)
                cr_expect(seconds->group_mean[r * cell->points + p] > seconds->group_mean[r * cell->points + p - 1]);
        cr_expect(seconds->mean[cell->points - 1] > 0 && seconds->mean[cell->points - 1] < 10);
    }
    /* Those that the store keeps. */
    struct stored_experiment *list;
    struct stored_cell cell = {0};
    struct stored_run run = {0};
    size_t count;
    bool found;
    int64_t mark;
    must(store_mark(scene.store, &mark, &error), &error);
    must(store_read_experiments(scene.store, &list, &count, &error), &error);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i].name, "timed") != 0)
            continue;
        must(store_read_cell(scene.store, list[i].id, 1, &cell, &found, &error), &error);
        must(store_read_run(scene.store, mark, cell.id, list[i].seed, 2, &run, &found, &error), &error);
        cr_assert(found && run.points == timed->cell[1].points);
        for (size_t p = 0; p < run.points; p++)
            cr_expect(run.seconds[p] == timed->cell[1].seconds->group_mean[2 * run.points + p]);
    }
    stored_run_free(&run);
    stored_cell_free(&cell);
    stored_experiments_free(list, count);
    law_results_close(timed);
    law_results_close(packed);
    close_scene(&scene);
}
