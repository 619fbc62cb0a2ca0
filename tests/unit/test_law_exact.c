/* The exact mean curve of a cell against all paths of a tiny problem: every sequence of batches is walked. */
#include "law_curve_scene.h"

enum { N = 3, D = 2, T = 3 };
#define TINY                                                                                                           \
    "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 3, d: 2, condition: 2}, start: "
#define REST "}\nbudget: {steps: 3}\nrecord: {points: 4, spacing: linear, metrics: [gap]}\nlaws: {law: loss_curve}\n"

/* How one worker walks. */
struct walk {
    const struct problem *problem;
    size_t m;    /* 1, 2; of 2 all pairs */
    bool subset; /* pairs of different samples */
    double eta[T], beta, damping;
};

static double gap_at(const struct walk *w, const double *x, double f_star)
{
    return problem_value(w->problem, x, NULL) - f_star;
}

/* One step with the batch of that number, of batches(w) equally likely ones. */
static size_t batches(const struct walk *w)
{
    return w->m == 1 ? N : w->subset ? N * (N - 1) : N * N;
}

static void step(const struct walk *w, size_t t, size_t number, double *x, double *v)
{
    size_t index[2] = {number % N, number / N};
    if (w->subset)
        index[1] = (index[0] + 1 + number / N) % N;
    double g[D] = {0};
    for (size_t k = 0; k < w->m; k++) {
        const double *a = w->problem->data->train.value + index[k] * w->problem->data->train.stride;
        const double r = a[0] * x[0] + a[1] * x[1] - w->problem->data->y[index[k]];
        for (size_t j = 0; j < D; j++)
            g[j] += r * a[j] / (double)w->m;
    }
    for (size_t j = 0; j < D; j++) {
        v[j] = w->beta * v[j] + (1 - w->damping) * g[j];
        x[j] -= w->eta[t] * v[j];
    }
}

/* Adds the gap after t..T to sum[t..T], each path with its weight. */
static void walk_on(const struct walk *w, size_t t, const double *x, const double *v, double weight, double f_star,
                    double *sum)
{
    sum[t] += weight * gap_at(w, x, f_star);
    for (size_t b = 0; t < T && b < batches(w); b++) {
        double to[D] = {x[0], x[1]}, velocity[D] = {v[0], v[1]};
        step(w, t, b, to, velocity);
        walk_on(w, t + 1, to, velocity, weight / (double)batches(w), f_star, sum);
    }
}

/* Two workers, averaged every `every` steps; the gap is that of their mean. */
static void walk_pair(const struct walk *w, size_t every, size_t t, const double *x, const double *y, double weight,
                      double f_star, double *sum)
{
    const double mean[D] = {(x[0] + y[0]) / 2, (x[1] + y[1]) / 2};
    sum[t] += weight * gap_at(w, mean, f_star);
    for (size_t b = 0; t < T && b < N * N; b++) {
        double one[D] = {x[0], x[1]}, other[D] = {y[0], y[1]}, none[D] = {0}, still[D] = {0};
        step(w, t, b % N, one, none);
        step(w, t, b / N, other, still);
        if ((t + 1) % every == 0)
            for (size_t j = 0; j < D; j++)
                one[j] = other[j] = (one[j] + other[j]) / 2;
        walk_pair(w, every, t + 1, one, other, weight / (N * N), f_star, sum);
    }
}

static void compare(const char *text, struct walk w, const double *eta, size_t every)
{
    struct trial t = open_trial(text, 0);
    struct exact_cell *cell;
    struct error error;
    must(exact_cells_open(&t.input, &cell, &error), &error);
    const struct run_config *config = &cell->cell->config;
    double x[D], none[D] = {0}, sum[T + 1] = {0};
    w.problem = &config->problem;
    memcpy(w.eta, eta, sizeof w.eta);
    must(run_start(&(struct run_request){.config = config}, x, 1, &error), &error);
    if (every)
        walk_pair(&w, every, 0, x, x, 1, config->reference->f, sum);
    else
        walk_on(&w, 0, x, none, 1, config->reference->f, sum);
    for (size_t k = 0; k <= T; k++)
        cr_expect(fabs(cell->gap[k] / sum[k] - 1) < 1e-10, "%s: t = %zu: %.17g, all paths %.17g", text, k, cell->gap[k],
                  sum[k]);
    cr_expect(sum[0] > 0.01 && fabs(sum[T] / sum[0] - 1) > 0.01); /* something moved */
    exact_cells_close(cell, t.input.cell_count);
    close_trial(&t);
}

static const double constant[T] = {0.2, 0.2, 0.2}, falling[T] = {0.3, 0.15, 0.1};
#define CONSTANT "schedule: {type: constant, rate: 0.2}\n"

Test(law_exact, mean_curves_are_those_of_all_paths)
{
    compare(TINY "{optimum: 1}" REST CONSTANT, (struct walk){.m = 1}, constant, 0);
    compare(TINY "zeros" REST "schedule: {type: inverse_time, c: 0.3, t0: 1}\n", (struct walk){.m = 1}, falling, 0);
    compare(TINY "[3, -1]" REST CONSTANT "batch_size: 2\n", (struct walk){.m = 2}, constant, 0);
    compare(TINY "instance" REST CONSTANT "sampling: subset\nbatch_size: 2\n", (struct walk){.m = 2, .subset = true},
            constant, 0);
    compare(TINY "{optimum: 1}" REST CONSTANT "update: {type: heavy_ball, momentum: 0.7}\n",
            (struct walk){.m = 1, .beta = 0.7}, constant, 0);
    compare(TINY "{optimum: 1}" REST "schedule: {type: inverse_time, c: 0.3, t0: 1}\n"
                 "update: {type: heavy_ball, momentum: 0.7, dampening: 0.6}\n",
            (struct walk){.m = 1, .beta = 0.7, .damping = 0.6}, falling, 0);
    compare(TINY "{optimum: 1}" REST CONSTANT "local: {workers: 2, sync_every: 2}\n", (struct walk){.m = 1}, constant,
            2);
    compare(TINY "{optimum: 1}" REST CONSTANT "local: {workers: 2, sync_every: 1}\n", (struct walk){.m = 1}, constant,
            1);
}

Test(law_exact, what_has_no_exact_curve_is_refused)
{
    expect_refusal(TINY "zeros" REST CONSTANT "sampling: reshuffle\n", "drawn anew");
    expect_refusal(TINY "{gaussian: 1}" REST CONSTANT, "not random");
    expect_refusal(TINY "zeros" REST CONSTANT "clip: {norm: 1, each: sample}\n", "clipping");
    expect_refusal(TINY "zeros" REST CONSTANT "averaging: uniform\n", "last iterate");
    expect_refusal(TINY "zeros" REST CONSTANT "update: {type: nesterov, momentum: 0.5}\n", "heavy-ball");
}

Test(law_exact, floor_is_where_the_recursion_ends)
{
    struct trial t =
        open_trial("problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 40, d: 3}}\n"
                   "budget: {steps: 3000}\nschedule: {type: constant, rate: 0.1}\nbatch_size: 2\n"
                   "record: {points: 3, metrics: [gap]}\nlaws: {law: loss_curve}\n",
                   0);
    struct exact_cell *cell;
    struct error error;
    double floor, small;
    must(exact_cells_open(&t.input, &cell, &error), &error);
    must(exact_floor(cell->run.oracle, 0.5, 0.1, &floor, &error), &error);
    cr_expect(fabs(cell->gap[cell->cell->points - 1] / floor - 1) < 1e-9);
    must(exact_floor(cell->run.oracle, 0.5, 1e-5, &small, &error), &error);
    cr_expect(fabs(small / exact_leading_floor(cell->run.oracle, 0.5, 1e-5) - 1) < 1e-4);
    cr_expect(exact_floor(cell->run.oracle, 0.5, 10, &small, &error) == STATUS_NUMERICAL);
    exact_cells_close(cell, t.input.cell_count);
    close_trial(&t);
}
