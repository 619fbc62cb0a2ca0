/* Exact gaps beyond least squares against other ways to the same numbers: all paths, step by step recursions, long
 * products, finite differences. */
#include "laws/exact_chain.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_poly.h>

#include "laws/oracle.h"
#include "rate_scene.h"

#define EXPECT_CLOSE(found, wanted, relative)                                                                          \
    do {                                                                                                               \
        const double found_ = (found), wanted_ = (wanted);                                                             \
        cr_expect(fabs(found_ - wanted_) <= (relative)*fabs(wanted_), "%s = %.17g, %s = %.17g", #found, found_,        \
                  #wanted, wanted_);                                                                                   \
    } while (0)

#define RUN "budget: {steps: 10}\nschedule: {type: fixed_horizon, c: 1}\n"

/* ---- mean estimation ---- */

Test(exact_chain, mean_estimation_is_its_recursion)
{
    enum { T = 37 };
    struct sweep *sweep;
    struct run_config config =
        only_cell("problem: {type: linear, l2: 0.7, data: {synthetic: centres, n: 9, d: 3, sigma: 2}}\n" RUN, &sweep);
    const struct matrix *a = &config.problem.data->train;
    const double x0[3] = {0.4, -1, 2}, kappa = 0.3, eta = 0.2;
    struct mean_estimation m;
    struct error error;
    must(mean_estimation_open(&config.problem, x0, &m, &error), &error);
    EXPECT_CLOSE(m.noise, 4, 1e-12); /* centres of mean 0, so x* = 0 */
    EXPECT_CLOSE(m.distance2, 0.16 + 1 + 4, 1e-12);
    /* e+ = (1 - eta l2) e - eta noise, coordinate by coordinate */
    double square = 5.16, sum = 0, variance = 0;
    for (size_t i = 0; i < a->rows; i++)
        for (size_t j = 0; j < a->cols; j++)
            variance += pow(a->value[i * a->stride + j], 2) / (double)a->rows;
    for (int t = 0; t < T; t++) {
        sum += 0.35 * square;
        square = pow(1 - eta * 0.7, 2) * square + eta * eta * kappa * variance;
    }
    double last, mean;
    mean_estimation_gaps(&m, kappa, eta, T, &last, &mean);
    EXPECT_CLOSE(last, 0.35 * square, 1e-12);
    EXPECT_CLOSE(mean, sum / T, 1e-12);
    cr_expect(mean_estimation_open(
                  &(struct problem){.type = config.problem.type, .data = config.problem.data, .l2 = 1, .radius = 1}, x0,
                  &m, &error) == STATUS_UNSUPPORTED);
    sweep_close(sweep);
}

/* ---- lattices ---- */

/* Sums of the gap before and after `left` steps, and of x^2 after them, over all n^left paths, each with weight 1. */
static void all_paths(const struct problem *p, double f_star, double x, double eta, int left, double *before,
                      double *after, double *square)
{
    const double gap = problem_value(p, &x, NULL) - f_star;
    const size_t n = p->data->train.rows;
    if (left == 0) {
        *after += gap;
        *square += x * x;
        return;
    }
    *before += gap * pow((double)n, left);
    for (size_t i = 0; i < n; i++) {
        const double a = p->data->train.value[i * p->data->train.stride];
        const double next = x - eta * a * p->type->scalar->slope(a * x, p->data->y[i]);
        all_paths(p, f_star, fmin(fmax(next, -p->radius), p->radius), eta, left - 1, before, after, square);
    }
}

static void expect_all_paths(const char *text, double start, double eta, int steps)
{
    struct sweep *sweep;
    struct run_config config = only_cell(text, &sweep);
    double before = 0, after = 0, square = 0, last, mean, x2;
    const double paths = pow((double)config.problem.data->train.rows, steps);
    struct error error;
    all_paths(&config.problem, config.reference->f, start, eta, steps, &before, &after, &square);
    must(lattice_gaps(&config.problem, config.reference->f, start, eta, (uint64_t)steps, &last, &mean, &x2, &error),
         &error);
    EXPECT_CLOSE(last, after / paths, 1e-11);
    EXPECT_CLOSE(mean, before / (paths * steps), 1e-11);
    EXPECT_CLOSE(x2, square / paths, 1e-11);
    sweep_close(sweep);
}

#define DEVIATIONS "problem: {type: least_absolute_deviations, data: {synthetic: absolute_deviations, B: 2}, radius: "
#define SIGNS(n)                                                                                                       \
    "problem: {type: linear, radius: 1, data: {synthetic: signs, n: " #n ", excess: 1}, start: zeros}\n" RUN

Test(exact_chain, lattices_are_all_paths)
{
    expect_all_paths(DEVIATIONS "2, start: [1]}\n" RUN, 1.001, 0.25, 8);
    expect_all_paths(DEVIATIONS "2, start: [1]}\n" RUN, -0.7, 0.31, 8);    /* around the kink at 0 */
    expect_all_paths(DEVIATIONS "0.9, start: [0.5]}\n" RUN, 0.5, 0.37, 8); /* the ball is off the lattice */
    expect_all_paths(DEVIATIONS "2, start: [1]}\n" RUN, 2, 0.3, 7);        /* from its end */
    expect_all_paths(SIGNS(4), 0, 0.25, 8);
    expect_all_paths(SIGNS(6), 0, 0.3, 7);
    expect_all_paths(SIGNS(6), -1, 0.4, 6);
}

/* R_T = (D^2 - E x_T^2)/(2 eta T) + eta/2 where the gap is slope times distance and the ball is never met. */
Test(exact_chain, absolute_deviations_meet_the_bound)
{
    struct sweep *sweep;
    struct run_config config = only_cell(DEVIATIONS "2, start: [1]}\n" RUN, &sweep);
    struct error error;
    for (int power = 8; power <= 12; power += 2) {
        const uint64_t steps = (uint64_t)1 << power;
        const double eta = 1 / sqrt((double)steps), d = 1.001;
        double last, mean, square;
        must(lattice_gaps(&config.problem, config.reference->f, d, eta, steps, &last, &mean, &square, &error), &error);
        EXPECT_CLOSE(mean, (d * d - square) / (2 * eta * (double)steps) + eta / 2, 1e-6);
        double next;
        must(lattice_gaps(&config.problem, config.reference->f, d, eta, steps + 1, &next, &mean, NULL, &error), &error);
        if (power == 12) /* stationary: E|x| = eta, whatever the offset, over even and odd steps together */
            EXPECT_CLOSE((last + next) / 2, eta / 2, 1e-6);
    }
    sweep_close(sweep);
}

Test(exact_chain, lattices_that_cannot_be_are_refused)
{
    struct sweep *sweep;
    struct run_config config = only_cell(DEVIATIONS "2, start: [1]}\n" RUN, &sweep);
    struct problem problem = config.problem;
    double last, mean;
    struct error error = {0};
    cr_expect(lattice_gaps(&problem, 1, 1, 0.25, 100, &last, &mean, NULL, &error) == STATUS_UNSUPPORTED);
    cr_expect(strstr(error.message, "kink") != NULL, "%s", error.message);
    cr_expect(lattice_gaps(&problem, 1, 1.001, 1e-9, 100, &last, &mean, NULL, &error) == STATUS_UNSUPPORTED);
    problem.radius = INFINITY;
    cr_expect(lattice_gaps(&problem, 1, 1.001, 0.25, 100, &last, &mean, NULL, &error) == STATUS_UNSUPPORTED);
    sweep_close(sweep);
}

/* ---- the walk ---- */

#define EDGE                                                                                                           \
    "problem: {type: least_squares, data: {synthetic: two_parabolas, left: -3.5, right: 0.5}, radius: 0.5, start: "    \
    "[0.3]}\nbudget: {steps: 12}\nschedule: {type: inverse_time, c: 1, t0: 1}\n"
enum { WALK = 12 };

/* All 2^12 paths from x = 0.3, by the plain algorithm; gap[t] of the average with the averager's weights. */
static void walk_paths(const struct run_config *config, double *gap)
{
    const struct problem *p = &config->problem;
    for (size_t path = 0; path < 1u << WALK; path++) {
        double x = 0.3, sum = 0, total = 0;
        for (uint64_t t = 0; t <= WALK; t++) {
            if (t > 0) {
                x -= (x - p->data->y[path >> (t - 1) & 1]) / (double)t;
                x = fmin(fmax(x, -p->radius), p->radius);
            }
            const bool last = config->averager->last;
            const double weight = last ? 0 : config->averager->weight(&config->averager_values, t, WALK);
            sum += weight * x;
            total += weight;
            const double at = total == 0 ? x : sum / total;
            gap[t] += (problem_value(p, &at, NULL) - config->reference->f) / (1u << WALK);
        }
    }
}

static void expect_walk(const char *averaging)
{
    char text[400];
    struct sweep *sweep;
    struct error error;
    double expected[WALK + 1] = {0}, found[WALK + 1];
    uint64_t step[WALK + 1];
    snprintf(text, sizeof text, "%saveraging: %s\n", EDGE, averaging);
    struct run_config config = only_cell(text, &sweep);
    for (uint64_t t = 0; t <= WALK; t++)
        step[t] = t;
    walk_paths(&config, expected);
    must(walk_gaps(&config.problem, 0.3, config.averager, &config.averager_values, WALK, WALK + 1, step, found, NULL,
                   &error),
         &error);
    for (size_t t = 0; t <= WALK; t++)
        EXPECT_CLOSE(found[t], expected[t], 1e-12);
    sweep_close(sweep);
}

Test(exact_chain, walks_are_all_paths)
{
    expect_walk("last");
    expect_walk("uniform");
    expect_walk("{type: tail, fraction: 0.5}");
    expect_walk("{type: polynomial, exponent: 3}");
}

Test(exact_chain, the_walk_tends_to_its_stationary_mean)
{
    struct sweep *sweep;
    struct error error;
    struct run_config config = only_cell(EDGE, &sweep);
    const uint64_t step = 20000;
    double gap, drift, root[3] = {0};
    must(
        walk_gaps(&config.problem, 0.3, config.averager, &config.averager_values, step, 1, &step, &gap, &drift, &error),
        &error);
    cr_assert(gsl_poly_solve_cubic(1, 1, -1, &root[0], &root[1], &root[2]) == 1); /* r^3 + r^2 + r = 1 */
    EXPECT_CLOSE(drift, root[0] / (1 - root[0]), 1e-9);
    EXPECT_CLOSE(gap * (double)step, drift, 1e-3);
    struct problem moved = config.problem;
    moved.radius = 0.7;
    cr_expect(walk_gaps(&moved, 0.3, config.averager, &config.averager_values, step, 1, &step, &gap, &drift, &error) ==
              STATUS_UNSUPPORTED);
    sweep_close(sweep);
}

/* ---- limits ---- */

Test(exact_chain, curvature_and_noise_of_least_squares_are_the_oracles)
{
    struct sweep *sweep;
    struct error error;
    struct oracle *oracle;
    struct run_config config = only_cell(
        "problem: {type: least_squares, l2: 0.1, data: {synthetic: gaussian_least_squares, n: 50, d: 4}}\n" RUN,
        &sweep);
    double lambda[4], noise[4];
    must(oracle_open(&config.problem, &oracle, &error), &error);
    must(curvature_and_noise(&config.problem, config.reference->x, lambda, noise, &error), &error);
    for (size_t i = 0; i < 4; i++) {
        const double *u = oracle->eigenvector + 4 * i;
        double expected = 0;
        for (size_t j = 0; j < 4; j++)
            for (size_t k = 0; k < 4; k++)
                expected += u[j] * (oracle->c[4 * j + k] - oracle->q[j] * oracle->q[k]) * u[k];
        EXPECT_CLOSE(lambda[i], oracle->eigenvalue[i], 1e-10);
        EXPECT_CLOSE(noise[i], expected, 1e-9);
    }
    oracle_close(oracle);
    sweep_close(sweep);
}

/* Traces, by differences of the gradient and by gradients of single samples. */
Test(exact_chain, curvature_and_noise_of_the_logistic_loss)
{
    enum { D = 3, N = 40 };
    struct sweep *sweep;
    struct error error;
    struct run_config config = only_cell(
        "problem: {type: logistic_regression, l2: 0.1, data: {synthetic: logistic_model, n: 40, d: 3}}\n" RUN, &sweep);
    const struct problem *p = &config.problem;
    double lambda[D], noise[D], x[D] = {0.3, -0.5, 0.2}, up[D], down[D], trace = 0, spread = 0, mean[D] = {0};
    cr_assert(p->data->train.rows == N && p->data->train.cols == D);
    must(curvature_and_noise(p, x, lambda, noise, &error), &error);
    for (size_t j = 0; j < D; j++) {
        const double h = 1e-5, at = x[j];
        x[j] = at + h;
        problem_value(p, x, up);
        x[j] = at - h;
        problem_value(p, x, down);
        x[j] = at;
        trace += (up[j] - down[j]) / (2 * h);
    }
    for (size_t i = 0; i < N; i++) {
        const double *row = p->data->train.value + i * p->data->train.stride;
        const double z = row[0] * x[0] + row[1] * x[1] + row[2] * x[2],
                     s = -p->data->y[i] / (1 + exp(p->data->y[i] * z));
        for (size_t j = 0; j < D; j++) {
            mean[j] += s * row[j] / N;
            spread += s * s * row[j] * row[j] / N;
        }
    }
    spread -= mean[0] * mean[0] + mean[1] * mean[1] + mean[2] * mean[2];
    EXPECT_CLOSE(lambda[0] + lambda[1] + lambda[2], trace, 1e-7);
    EXPECT_CLOSE(noise[0] + noise[1] + noise[2], spread, 1e-10);
    cr_expect(lambda[0] >= 0.1);
    sweep_close(sweep);
}

Test(exact_chain, the_constant_is_where_the_recursion_goes)
{
    const double lambda[2] = {0.5, 1.3}, noise[2] = {2, 0.7}, c = 3, t0 = 12, kappa = 0.25;
    double m[2] = {1, 1};
    const int steps = 200000;
    for (int t = 0; t < steps; t++)
        for (int i = 0; i < 2; i++) {
            const double eta = c / (t + t0);
            m[i] = pow(1 - eta * lambda[i], 2) * m[i] + eta * eta * kappa * noise[i];
        }
    const double gap = (lambda[0] * m[0] + lambda[1] * m[1]) / 2;
    EXPECT_CLOSE(inverse_time_constant(2, lambda, noise, c, kappa), (steps + t0) * gap, 1e-4);
    cr_expect(isnan(inverse_time_constant(2, lambda, noise, 0.9, kappa))); /* 2 c mu < 1 */
}

Test(exact_chain, decay_is_the_product)
{
    const double a[] = {0.2, 1.7, 0.9}, t0[] = {1, 5, 31};
    for (size_t i = 0; i < 3; i++)
        for (int steps = 1; steps <= 1000000; steps *= 10) {
            long double product = 1;
            for (int j = 0; j < steps; j++)
                product *= 1 - (long double)a[i] / (j + (long double)t0[i]);
            EXPECT_CLOSE(inverse_time_decay(a[i], t0[i], steps), (double)product, 2e-14);
        }
}

Test(exact_chain, no_other_sign_test_is_worse)
{
    double best = 0;
    for (double a = 1e-4; a < 5; a += 1e-4)
        best = fmax(best, 2 * a * gsl_cdf_ugaussian_P(-a));
    EXPECT_CLOSE(two_point_constant(), best, 1e-7);
    cr_expect(two_point_constant() >= best);
}

Test(exact_chain, gradient_bounds)
{
    struct sweep *sweep;
    struct run_config config = only_cell(
        "problem: {type: linear_svm, radius: 2, data: {synthetic: logistic_model, n: 30, d: 3}}\n" RUN, &sweep);
    double sum = 0;
    for (size_t i = 0; i < 30; i++)
        for (size_t j = 0; j < 3; j++)
            sum += pow(config.problem.data->train.value[i * config.problem.data->train.stride + j], 2) / 30;
    EXPECT_CLOSE(gradient_square_bound(&config.problem), sum, 1e-12);
    struct problem penalized = config.problem;
    penalized.l2 = 1;
    cr_expect(isinf(gradient_square_bound(&penalized)));
    sweep_close(sweep);
    config = only_cell("problem: {type: linear, radius: 1, data: {synthetic: signs, n: 4, scale: 3}}\n" RUN, &sweep);
    EXPECT_CLOSE(gradient_square_bound(&config.problem), 9, 1e-12);
    sweep_close(sweep);
    config = only_cell("problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 30, d: 3}}\n" RUN,
                       &sweep);
    cr_expect(isinf(gradient_square_bound(&config.problem)));
    sweep_close(sweep);
}
