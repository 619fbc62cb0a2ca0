/* L13: survival probabilities against all paths, closed formulas, limits of the grid; the law on runs, on planted
 * faults and before the run. */
#include <math.h>

#include "law_curve_scene.h"
#include "laws/diffusion.h"
#include "laws/transfer.h"

/* A landscape with noise -sigma, sigma, opened from text. */
struct instance {
    struct sweep *sweep;
    struct run_config config;
};

static struct instance open_instance(const char *type, double sigma, const char *more)
{
    char text[600];
    struct law_results *results;
    struct error error;
    struct instance i;
    gsl_set_error_handler_off();
    snprintf(text, sizeof text,
             "problem: {type: %s, data: {synthetic: signs, scale: %.17g}%s}\nbudget: {steps: 10}\n"
             "schedule: {type: constant, rate: 0.1}\nrecord: {metrics: [in_region]}\nlaws: [{law: escape}]\n",
             type, sigma, more);
    i.sweep = open_experiment("instance", text, 1);
    must(law_results_plan(i.sweep, &results, &error), &error);
    i.config = results->cell[0].config;
    law_results_close(results);
    return i;
}

/* P(tau > t) for t <= steps and P(x_t in the region), over all 2^t sequences of one sample each: slope(x) is f'. */
struct paths {
    double (*slope)(double x);
    bool (*inside)(double x);
    double eta, sigma;
    size_t steps;
    double alive[24], in[24];
};

static void walk(struct paths *w, double x, size_t t, double probability, bool left)
{
    left = left || !w->inside(x);
    w->alive[t] += left ? 0 : probability;
    w->in[t] += w->inside(x) ? probability : 0;
    if (t == w->steps)
        return;
    for (int sign = -1; sign <= 1; sign += 2)
        walk(w, x - w->eta * (w->slope(x) + sign * w->sigma), t + 1, probability / 2, left);
}

static double well_slope(double x)
{
    return x * x * x - x;
}
static bool well_inside(double x)
{
    return x < 0;
}
static double ridge_slope(double x)
{
    return -x;
}
static bool ridge_inside(double x)
{
    return fabs(x) < 1;
}
static double wells_slope(double x)
{
    const double a = 4 * pow(x + 1, 2), b = pow(x - 0.6, 2) / 2 + 0.15, w = 1 / (1 + exp((a - b) / 0.1));
    return w * 8 * (x + 1) + (1 - w) * (x - 0.6);
}
static bool wells_inside(double x)
{
    return x > -0.58;
}

Test(law_escape, all_paths_of_a_well)
{
    struct paths w = {.slope = well_slope, .inside = well_inside, .eta = 0.05, .sigma = 3, .steps = 18};
    struct instance i = open_instance("double_well", 3, "");
    struct settling survival;
    struct error error;
    walk(&w, -0.3, 0, 1, false);
    must(transfer_survival(&i.config.problem, 1, w.eta, TRANSFER_NODES, -0.3, &survival, &error), &error);
    double sum = 0, square = 0;
    for (size_t t = 0; t <= w.steps; t++) {
        cr_expect(fabs(settling_at(&survival, t) - w.alive[t]) < 2e-3, "t = %zu: %g, not %g", t,
                  settling_at(&survival, t), w.alive[t]);
        cr_expect(fabs(settling_sum(&survival, t) - sum) < 5e-3 && fabs(settling_square(&survival, t) - square) < 0.1);
        sum += w.alive[t];
        square += (2 * (double)t + 1) * w.alive[t];
    }
    cr_expect(w.alive[18] < 0.8 && w.alive[18] > 0.2, "the paths leave");
    settling_free(&survival);
    sweep_close(i.sweep);
}

Test(law_escape, all_paths_of_two_wells)
{
    struct paths w = {.slope = wells_slope, .inside = wells_inside, .eta = 0.05, .sigma = 4, .steps = 18};
    struct instance i = open_instance("two_wells", 4, "");
    struct settling in[2];
    struct error error;
    const double start[] = {-0.7, 0.6};
    must(transfer_occupancy(&i.config.problem, 1, w.eta, TRANSFER_NODES, 2, start, in, &error), &error);
    for (size_t s = 0; s < 2; s++) {
        memset(w.in, 0, sizeof w.in);
        walk(&w, start[s], 0, 1, false);
        for (size_t t = 0; t <= w.steps; t++)
            cr_expect(fabs(settling_at(&in[s], t) - w.in[t]) < 2e-3, "t = %zu: %g, not %g", t, settling_at(&in[s], t),
                      w.in[t]);
    }
    cr_expect(fabs(in[0].limit - in[1].limit) < 1e-6 && fabs(in[0].ratio - in[1].ratio) < 1e-6, "one limit");
    settling_free(&in[0]);
    settling_free(&in[1]);
    sweep_close(i.sweep);
}

Test(law_escape, all_paths_of_a_saddle)
{
    struct paths w = {.slope = ridge_slope, .inside = ridge_inside, .eta = 0.06, .sigma = 1, .steps = 22};
    struct instance i = open_instance("saddle", 1, "");
    struct settling survival;
    struct error error;
    walk(&w, 0, 0, 1, false);
    must(saddle_survival(&i.config.problem, 1, w.eta, &survival, &error), &error);
    for (size_t t = 0; t <= w.steps; t++)
        cr_expect(fabs(settling_at(&survival, t) - w.alive[t]) < 1e-3, "t = %zu: %.9g, not %.9g", t,
                  settling_at(&survival, t), w.alive[t]);
    cr_expect(w.alive[11] == 1 && w.alive[22] < 0.97, "the paths leave: %g", w.alive[22]);
    settling_free(&survival);
    i.config.problem.values.scalar[1] = 0.8; /* what has left can come back */
    cr_expect(saddle_survival(&i.config.problem, 1, w.eta, &survival, &error) == STATUS_UNSUPPORTED);
    sweep_close(i.sweep);
}

/* Sums beyond the values that were computed, against the same sums of a longer sequence. */
Test(law_escape, settled_sums)
{
    double value[6], all[3000];
    struct settling s = {.count = 6, .value = value, .limit = 0.2, .ratio = 0.99};
    for (size_t t = 0; t < 3000; t++)
        all[t] = 0.2 + 0.5 * pow(0.99, (double)t);
    memcpy(value, all, sizeof value);
    const struct settling whole = {.count = 3000, .value = all, .limit = 0.2, .ratio = 0.99};
    cr_expect(fabs(settling_at(&s, 700) - all[700]) < 1e-14);
    cr_expect(fabs(settling_sum(&s, 2500) / settling_sum(&whole, 2500) - 1) < 1e-13);
    cr_expect(fabs(settling_sum(&s, 4) - (all[0] + all[1] + all[2] + all[3])) < 1e-15);
    for (size_t t = 0; t < 3000; t++)
        all[t] -= 0.2;
    memcpy(value, all, sizeof value);
    s.limit = 0;
    cr_expect(fabs(settling_square(&s, 2500) / settling_square(&whole, 2500) - 1) < 1e-12);
    cr_expect(fabs(settling_sum(&s, UINT64_MAX) / 50 - 1) < 1e-12);
}

/* The numbers of the laws, roughly, and that the grid does not matter. */
Test(law_escape, instances)
{
    static const double formula[] = {330.3, 400.0, 469.6, 539.3, 609.0, 678.6};
    static const double well[] = {148.4, 535.7, 1606, 4878, 14490};
    struct error error;
    struct settling survival;
    struct instance i = open_instance("saddle", 1, "");
    for (size_t k = 0; k < 6; k++) {
        must(saddle_survival(&i.config.problem, (size_t)1 << 2 * k, 0.01, &survival, &error), &error);
        const double mean = settling_sum(&survival, UINT64_MAX); /* whole steps: half a step more */
        cr_expect(fabs(mean - formula[k] - 0.5) < 0.15, "%g", mean);
        cr_expect(fabs(survival.ratio - 1 / 1.01) < 1e-7);
        settling_free(&survival);
    }
    sweep_close(i.sweep);
    i = open_instance("double_well", 3, "");
    for (size_t m = 1; m <= 5; m++) {
        double mean[2], squares[2];
        for (size_t fine = 0; fine < 2; fine++) {
            must(transfer_survival(&i.config.problem, m, 0.05, TRANSFER_NODES << fine, -1, &survival, &error), &error);
            mean[fine] = settling_sum(&survival, UINT64_MAX);
            squares[fine] = settling_square(&survival, UINT64_MAX);
            settling_free(&survival);
        }
        cr_expect(fabs(mean[0] / well[m - 1] - 1) < 1.5e-3 && fabs(mean[0] / mean[1] - 1) < 3e-4, "%g, %g", mean[0],
                  mean[1]);
        cr_expect(fabs(squares[0] / squares[1] - 1) < 1e-3);
    }
    cr_expect(fabs(diffusion_barrier(&i.config.problem, -1) - 0.25) < 1e-6);
    cr_expect(fabs(landscape_noise(&i.config.problem, -1) - 9) < 1e-12);
    /* far below the barrier, Kramers' formula: pi/(eta sqrt(f''(-1) |f''(0)|)) e^{2 m dV/(eta sigma^2)} */
    const double kramers = M_PI / (0.05 * sqrt(2)) * exp(2 * 40 * 0.25 / (0.05 * 9));
    cr_expect(fabs(diffusion_exit_time(&i.config.problem, 40, 0.05, -1) / kramers - 1) < 0.02);
    sweep_close(i.sweep);
}

/* ---- the law ---- */

static const char saddle_text[] =
    "problem: {type: saddle, data: {synthetic: signs}}\nkeep: moments\nreplicates: 1280\nbudget: {steps: 1400}\n"
    "schedule: {type: constant, rate: 0.01}\nindependent_over: [batch_size]\nsweep: {batch_size: [1, 4, 16]}\n"
    "record: {points: 2, metrics: [exit_time]}\nmargins: {value: 0.1, slope: 0.3}\nlaws: [{law: escape}]\n";
static const char well_text[] =
    "problem: {type: double_well, data: {synthetic: signs, scale: 3}, start: [-1]}\nkeep: moments\n"
    "replicates: 6400\nbudget: {steps: 130*m*m*m*m + 700}\nschedule: {type: constant, rate: 0.05}\n"
    "independent_over: [batch_size]\nsweep: {batch_size: [1, 2, 3]}\nrecord: {points: 2, metrics: [exit_time]}\n"
    "margins: {value: 0.13, slope: 0.2}\n"
    "laws: [{law: escape}, {law: escape, theory: diffusion, margin: 0.005, expect: refuted, note: overshoot}]\n";

/* Exponential times of the right mean, up to the last step. */
static double fault;
static void exit_times(struct trial *t, const struct law_cell *cell, size_t groups, double *value)
{
    struct settling survival;
    struct error error;
    const struct run_config *c = &cell->config;
    const bool saddle = strcmp(c->problem.type->method.name, "saddle") == 0;
    if (saddle)
        must(saddle_survival(&c->problem, c->batch_size, 0.01, &survival, &error), &error);
    else
        must(transfer_survival(&c->problem, c->batch_size, 0.05, TRANSFER_NODES, -1, &survival, &error), &error);
    const double mean = settling_sum(&survival, c->steps),
                 sd = sqrt(settling_square(&survival, c->steps) - mean * mean);
    for (size_t g = 0; g < groups * cell->points; g++)
        value[g] = fault * (mean + gsl_ran_gaussian(t->rng, sd));
    settling_free(&survival);
}

Test(law_escape, judges_made_up_results)
{
    struct trial t = open_trial(saddle_text, 0);
    expect_plan(&t, 7);
    fault = 1;
    fill_trial(&t, METRIC_EXIT_TIME, 20000, exit_times);
    judge_trial(&t);
    cr_expect(t.checks.count == 7);
    expect_all(&t, VERDICT_CONFIRMED);
    expect_figure(&t, 2);
    close_trial(&t);
    t = open_trial(saddle_text, 0);
    fault = 1.3;
    fill_trial(&t, METRIC_EXIT_TIME, 20000, exit_times);
    judge_trial(&t);
    cr_expect(count_verdicts(&t, VERDICT_REFUTED) >= 6);
    close_trial(&t);
    t = open_trial(well_text, 0);
    expect_plan(&t, 5);
    fault = 1;
    fill_trial(&t, METRIC_EXIT_TIME, 20000, exit_times);
    judge_trial(&t);
    expect_all(&t, VERDICT_CONFIRMED);
    expect_figure(&t, 2);
    close_trial(&t);
    t = open_trial(well_text, 1);
    expect_plan(&t, 3);
    fill_trial(&t, METRIC_EXIT_TIME, 20000, exit_times);
    judge_trial(&t);
    expect_all(&t, VERDICT_REFUTED);
    close_trial(&t);
}

/* The saddle as it runs; gradient descent stays for ever. */
Test(law_escape, on_runs)
{
    static const char *const texts[] = {
        saddle_text, "problem: {type: saddle, data: {synthetic: signs}}\nkeep: moments\nreplicates: 128\n"
                     "budget: {steps: 500}\nsampling: full\nschedule: {type: constant, rate: 0.01}\n"
                     "record: {points: 2, metrics: [exit_time]}\nlaws: [{law: escape}]\n"};
    for (size_t k = 0; k < 2; k++) {
        struct scene scene = open_scene();
        struct law_input input;
        struct check_list checks = {0};
        struct law_figure figure = {0};
        struct error error;
        run_experiment(&scene, "escape", texts[k]);
        struct law_results *results = read_results(&scene, "escape");
        must(law_input_make(results, 0, &input, &error), &error);
        must(sweep_law(results->sweep, 0)->type->evaluate(&input, &checks, &figure, &error), &error);
        checks_decide(checks.check, checks.count, 1000);
        cr_expect(checks.count == (k ? 1 : 7));
        for (size_t i = 0; i < checks.count; i++)
            cr_expect(checks.check[i].verdict == VERDICT_CONFIRMED, "%s: %g, %g", checks.check[i].quantity,
                      checks.check[i].predicted, checks.check[i].measured);
        checks_free(&checks);
        law_figure_free(&figure);
        free(input.cell);
        law_results_close(results);
        close_scene(&scene);
    }
}

#define REST                                                                                                           \
    "budget: {steps: 9}\nschedule: {type: constant, rate: 0.01}\nrecord: {metrics: [loss]}\nlaws: [{law: escape}]\n"

Test(law_escape, refuses)
{
    expect_refusal("problem: {type: linear, l2: 1, data: {synthetic: centres}}\n" REST, "names a region");
    expect_refusal("problem: {type: saddle, data: {synthetic: signs}, start: [0, 0.1]}\n" REST, "on the ridge");
    expect_refusal("problem: {type: saddle, data: {synthetic: signs}}\nsampling: reshuffle\n" REST, "with replacement");
    expect_refusal("problem: {type: saddle, l2: 0.1, data: {synthetic: signs}}\n" REST, "without penalties");
    expect_refusal("problem: {type: saddle, data: {synthetic: signs}}\nclip: {norm: 1}\n" REST, "clipping");
}
