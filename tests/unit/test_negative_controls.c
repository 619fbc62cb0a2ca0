/* Faults that programs like this one have had, planted one by one: the law that should catch it must say refuted, and
 * confirmed without the fault, at margins that the fault exceeds several times. */
#include "control_scene.h"
#include "laws/gradient_study.h"
#include "samplers/epoch.h"

extern const struct sampler_type sampler_with_replacement, sampler_subset, sampler_reshuffle, sampler_shuffle_once;

/* A sampler that passes for another one. */
static struct sampler_type disguise(const struct sampler_type *as,
                                    void (*draw)(struct sampler *, uint64_t, size_t, uint32_t *, uint32_t *))
{
    struct sampler_type type = *as;
    type.draw = draw;
    type.scratch_words = epoch_permutation_words; /* enough for all */
    return type;
}

static void use(struct run_config *run, struct sampler_type *type, const struct sampler_type *as,
                void (*draw)(struct sampler *, uint64_t, size_t, uint32_t *, uint32_t *))
{
    *type = disguise(as, draw);
    run->sampler = type;
}

/* ---- L1 ---- */

#define EIGHT                                                                                                          \
    "kind: estimator\nat: {type: optimum_gaussian, scale: 1}\nbatch_size: 4\ndraws: 400000\nmargins: {value: 0.05}\n"  \
    "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 8, d: 2}}\n"

static void draw_all_but_last(struct sampler *s, uint64_t first, size_t count, uint32_t *index, uint32_t *size)
{
    const size_t m = s->batch_size;
    rng_indices(&s->stream, first * m, count * m, s->n - 1, 0, index);
    for (size_t b = 0; b < count; b++)
        size[b] = (uint32_t)m;
}

static void never_the_last(struct run_config *run)
{
    static struct sampler_type type;
    use(run, &type, run->sampler, draw_all_but_last);
}

Test(negative_controls, the_last_sample_is_never_drawn)
{
    expect_control("index from n-1 of n", (struct control){.text = EIGHT "laws: {law: unbiased}\n",
                                                           .quantity = "p of the mean gradient",
                                                           .fault = never_the_last});
}

/* The mean of m samples of one dimension, by hand; at fault divided by m + 1. */
static void means_by_hand(struct law_cell *cell, const struct run_config *run, const struct control *control)
{
    const struct rng_stream stream = rng_stream(control->seed, RNG_TEST, 1, 0);
    gsl_rng *rng = rng_gsl_open(&stream);
    const struct matrix *a = &run->problem.data->train;
    const size_t n = a->rows, m = run->batch_size;
    const double divisor = (double)m + (control->faulty ? 1 : 0), one = 1;
    double *g = zeroed(n, sizeof *g), x, gradient = 0, sigma2 = 0;
    struct moments mean = {0}, square = {0};
    struct error error;
    cr_assert_not_null(rng);
    must(run_start(&(struct run_request){.config = run}, &x, 1, &error), &error);
    for (size_t i = 0; i < n; i++) {
        g[i] = matrix_row_dot(a, i, &one) * (matrix_row_dot(a, i, &x) - run->problem.data->y[i]);
        gradient += g[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++)
        sigma2 += pow(g[i] - gradient, 2) / (double)n;
    for (uint64_t r = 0; r < run->draws; r++) {
        double sum = 0;
        for (size_t k = 0; k < m; k++)
            sum += g[gsl_rng_uniform_int(rng, n)];
        moments_add(&mean, sum / divisor);
        moments_add(&square, pow(sum / divisor - gradient, 2));
    }
    const double draws = (double)run->draws, kappa = 1 / (double)m;
    cell->estimator = zeroed(1, sizeof *cell->estimator);
    cell->estimator[0] = (struct estimator_result){
        .draws = run->draws,
        .gradient_norm2 = gradient * gradient,
        .sigma2 = sigma2,
        .kappa = kappa,
        .predicted = kappa * sigma2,
        .variance = square.mean,
        .variance_se = sqrt(square.m2 / draws / draws),
        .bias_statistic = draws * pow(mean.mean - gradient, 2) / (kappa * sigma2),
        .bias_df = 1,
        .bias_along_gradient = mean.mean / gradient - 1,
        .bias_along_gradient_se = sqrt(mean.m2 / draws / draws) / fabs(gradient),
    };
    cell->chains = 1;
    free(g);
    gsl_rng_free(rng);
}

Test(negative_controls, division_by_one_more)
{
    expect_control("division by m+1",
                   (struct control){.text = "kind: estimator\nat: {type: start}\nbatch_size: 16\ndraws: 100000\n"
                                            "problem: {type: least_squares, start: {optimum: 1},\n"
                                            "  data: {synthetic: mean_estimation, n: 64}}\nlaws: {law: unbiased}\n",
                                    .quantity = "p of the mean gradient",
                                    .simulate = means_by_hand,
                                    .faulty = true});
}

/* ---- L2 ---- */

#define HALF(sampling)                                                                                                 \
    "kind: estimator\nat: {type: optimum_gaussian, scale: 1}\nbatch_size: n/2\ndraws: 200000\nsampling: " sampling     \
    "\n"                                                                                                               \
    "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 64, d: 4}}\nmargins: {value: 0.05}\n" \
    "laws: {law: variance}\n"

static void independent_draws(struct run_config *run)
{
    static struct sampler_type type;
    use(run, &type, run->sampler, sampler_with_replacement.draw);
}

/* Samples drawn one by one where a subset is meant: sigma^2/m without the factor (n-m)/(n-1). */
Test(negative_controls, subsets_that_repeat_samples)
{
    expect_control("plain sigma^2/m for subsets",
                   (struct control){.text = HALF("subset"), .quantity = "tr Cov g", .fault = independent_draws});
}

static void draw_blocks(struct sampler *s, uint64_t first, size_t count, uint32_t *index, uint32_t *size)
{
    for (uint64_t t = first; t < first + count; t++) {
        for (size_t j = 0; j < s->batch_size; j++) {
            const uint64_t place = t * s->batch_size + j;
            *index++ = epoch_permutation(s, place / s->n)[place % s->n];
        }
        *size++ = (uint32_t)s->batch_size;
    }
}

static void blocks_of_a_permutation(struct run_config *run)
{
    static struct sampler_type type;
    use(run, &type, run->sampler, draw_blocks);
}

Test(negative_controls, batches_that_are_blocks_of_a_permutation)
{
    expect_control(
        "contiguous blocks of a permutation, m = n/2",
        (struct control){.text = HALF("with_replacement"), .quantity = "tr Cov g", .fault = blocks_of_a_permutation});
}

static void draw_without_the_short_batch(struct sampler *s, uint64_t first, size_t count, uint32_t *index,
                                         uint32_t *size)
{
    sampler_reshuffle.draw(s, first, count, index, size);
    for (size_t b = 0; b < count; b++)
        size[b] = size[b] < s->batch_size ? 0 : size[b];
}

/* The size-weighted mean of an epoch's batches is the full gradient to rounding. */
static struct check epoch_identity(const struct sampler_type *type, const struct sweep *sweep)
{
    struct run_config config;
    struct epoch_study study;
    struct error error;
    double x[4] = {0.5, -1, 2, 0.25};
    must(sweep_cell(sweep, 0, &config, &error), &error);
    const struct epoch_sampling sampling = {.type = type, .batch_size = 10, .keep_last = true, .seed = 1};
    must(gradient_study_epochs(&config.problem, x, &sampling, 100, &study, &error), &error);
    struct check check = {
        .kind = CHECK_EXACT, .predicted = 0, .measured = study.deviation, .margin = study.rounding, .replicates = 100};
    checks_decide(&check, 1, SUITE_CHECKS);
    return check;
}

Test(negative_controls, the_short_batch_is_dropped)
{
    const struct sampler_type faulty = disguise(&sampler_reshuffle, draw_without_the_short_batch);
    struct sweep *sweep;
    struct error error;
    gsl_set_error_handler_off();
    must(sweep_open("control.yaml", &(struct sweep_options){.text = HALF("subset"), .replicates = -1}, &sweep, &error),
         &error);
    const struct check bad = epoch_identity(&faulty, sweep), good = epoch_identity(&sampler_reshuffle, sweep);
    cr_expect(bad.verdict == VERDICT_REFUTED, "%g", bad.measured);
    cr_expect(good.verdict == VERDICT_CONFIRMED, "%g", good.measured);
    cr_log_info("the short batch is dropped | |mean - grad f| %g, rounding %g; without: %g\n", bad.measured, bad.margin,
                good.measured);
    sweep_close(sweep);
}

/* ---- L3 ---- */

#define CURVE                                                                                                          \
    "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 256, d: 8, condition: 10},\n"         \
    "  start: "
#define FAR "{optimum: 7.0710678118654755}}\n"

static void rate_3_percent_high(struct run_config *run)
{
    run->schedule.values.scalar[0] *= 1.03;
}

Test(negative_controls, the_rate_is_3_percent_off)
{
    expect_control("rate 3 % high, far start",
                   (struct control){.text = CURVE FAR "replicates: 40000\nbudget: {steps: 320}\n"
                                                      "schedule: {type: constant, rate: 0.0446737}\n"
                                                      "record: {points: 2, metrics: [gap]}\n"
                                                      "laws: {law: loss_curve, points: 1, margin: 0.015}\n",
                                    .quantity = "E gap at t = 320",
                                    .fault = rate_3_percent_high});
}

/* Replicates one after another; at fault each starts where the one before ended. */
static void chains_by_hand(struct law_cell *cell, const struct run_config *run, const struct control *control)
{
    const size_t d = problem_dim(&run->problem);
    struct moments *total = zeroed(cell->points, sizeof *total), *one = zeroed(cell->points, sizeof *one);
    double *x = zeroed(d, sizeof *x);
    struct run_config config = *run;
    struct error error;
    cell->curve[METRIC_GAP] = curve_open(cell, (size_t)control->replicates);
    for (uint64_t r = 0; r < control->replicates; r++) {
        const struct run_request request = {.config = &config, .seed = control->seed, .replicate = r};
        struct run_result result;
        must(block_run(&request, 1, LAYOUT_AUTO, NULL, &result, &error), &error);
        for (size_t p = 0; p < cell->points; p++)
            one[p] = (struct moments){.count = 1, .mean = result.metric[METRIC_GAP][p]};
        curve_add(cell->curve[METRIC_GAP], total, one);
        run_result_free(&result);
        if (control->faulty) {
            must(run_last_iterate(&request, NULL, x, &error), &error);
            config.start = (struct start){.kind = START_LIST, .list = x};
        }
    }
    curve_finish(cell->curve[METRIC_GAP], total);
    cell->chains = control->replicates;
    free(x);
    free(one);
    free(total);
}

Test(negative_controls, a_warm_start_leaks)
{
    expect_control("warm start leaks between replicates",
                   (struct control){.text = CURVE "instance}\nreplicates: 3000\nbudget: {steps: 20}\n"
                                                  "schedule: {type: constant, rate: 0.0446737}\n"
                                                  "record: {points: 2, metrics: [gap]}\nmargins: {value: 0.1}\n"
                                                  "laws: {law: loss_curve, points: 1}\n",
                                    .quantity = "at t = 0",
                                    .simulate = chains_by_hand,
                                    .faulty = true});
}

static void one_step_late(struct run_config *run)
{
    const struct method *method = &run->schedule.type->method;
    const int t0 = param_find(method->params, method->param_count, "t0");
    cr_assert(t0 >= 0 && fabs(run->schedule.values.scalar[t0] - 1) < 1e-15);
    run->schedule.values.scalar[0] /= 2; /* the first rate: 1/(t + 2) in place of 1/(t + 1) */
    run->schedule.values.scalar[t0] = 2;
}

/* With eta_t = 1/(t+1) the iterate is the mean of the samples drawn: E gap = sigma^2/(2T). */
Test(negative_controls, the_schedule_is_one_step_late)
{
    expect_control("schedule shifted by one",
                   (struct control){.text = "problem: {type: least_squares, data: {synthetic: mean_estimation, n: 64},"
                                            " start: {optimum: 1}}\nreplicates: 400000\nbudget: {steps: 8}\n"
                                            "schedule: {type: inverse_time, c: 1, t0: 1}\n"
                                            "record: {points: 9, spacing: linear, metrics: [gap]}\n"
                                            "laws: {law: loss_curve, points: 3}\n",
                                    .quantity = "E gap at t",
                                    .fault = one_step_late});
}

/* ---- L9 ---- */

#define ORDERS(sampling)                                                                                               \
    "problem: {type: least_squares, start: optimum,\n"                                                                 \
    "  data: {synthetic: weighted_parabolas, n: 50, low: 1, high: 1, spacing: even}}\n"                                \
    "sampling: " sampling "\nreplicates: 20000\nbudget: {epochs: 10}\nschedule: {type: constant, rate: 0.01}\n"        \
    "record: {points: 11, spacing: linear, metrics: [distance2]}\nmargins: {value: 0.1}\nlaws: {law: reshuffling}\n"

static void the_first_order_for_ever(struct run_config *run)
{
    static struct sampler_type type;
    use(run, &type, run->sampler, sampler_shuffle_once.draw);
}

Test(negative_controls, never_reshuffled)
{
    expect_control(
        "never reshuffled",
        (struct control){.text = ORDERS("reshuffle"), .quantity = "floor", .fault = the_first_order_for_ever});
}

Test(negative_controls, single_samples_from_a_permutation)
{
    expect_control(
        "contiguous blocks of a permutation, m = 1",
        (struct control){.text = ORDERS("with_replacement"), .quantity = "floor", .fault = blocks_of_a_permutation});
}

/* ---- L10 ---- */

static void dampened_twice(struct run_config *run)
{
    run->schedule.values.scalar[0] *= 0.1; /* beta = 0.9; the update rule has (1 - beta) already */
}

Test(negative_controls, dampening_twice)
{
    expect_control(
        "(1 - beta) applied twice",
        (struct control){.text = "problem: {type: least_squares, start: {optimum: 1},\n"
                                 "  data: {synthetic: gaussian_least_squares, n: 256, d: 6, condition: 10}}\n"
                                 "replicates: 12800\nbudget: {steps: 200}\nmargins: {value: 0.1}\n"
                                 "update: {type: heavy_ball, momentum: 0.9, dampening: 0.9}\n"
                                 "schedule: {type: constant, rate: 0.0515289}\n"
                                 "record: {points: 21, spacing: linear, metrics: [gap]}\nlaws: {law: momentum}\n",
                         .quantity = "E f(x) - f*",
                         .fault = dampened_twice});
}
