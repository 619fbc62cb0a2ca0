/* Optima in closed form, of losses that are not bounded below and so have no place among the general solvers: linear
 * functions, held by l2 or the ball, and quartics in one dimension. With g = mean of y_i a_i,
 *   linear:  F(x) = g.x + (l2/2)|x_P|^2 + l1|x_P|_1, on |x| <= radius: x_j = -t_j/(ridge_j + lambda), t = g after soft
 *            thresholding by l1, lambda >= 0 the multiplier of the ball;
 *   quartic: F(x) = A x^4/4 + g x + (l2/2) x^2 + l1|x|, A = mean a_i^4: |x| is the root u >= 0 of A u^3 + l2 u =
 *            max(|g| - l1, 0), or the radius where that is smaller, on the side of -g.
 * Certificates are evaluated in long double, the rounding of g included. */
#include <stdio.h>
#include <stdlib.h>

#include "reference_internal.h"
#include "scalar_loss.h"

/* Parts of a problem that its minimiser depends on. */
struct closed {
    const struct problem *problem;
    size_t n, d, penalized;
    double l1, ridge;
    long double *mean, *slack; /* [d]: g and a bound of its rounding error */
    double size;               /* mean |y_i||a_i|: what g would be if nothing cancelled */
};

static double ridge_at(const struct closed *c, size_t j)
{
    return j < c->penalized ? c->ridge : 0.0;
}

/* |g_j| less l1 */
static long double threshold(const struct closed *c, size_t j)
{
    return fmaxl(fabsl(c->mean[j]) - (j < c->penalized ? c->l1 : 0.0), 0.0L);
}

static enum status closed_open(const struct problem *problem, struct closed *c, struct error *error)
{
    const struct matrix *a = &problem->data->train;
    *c = (struct closed){.problem = problem, .n = a->rows, .d = a->cols, .penalized = problem_penalized(problem)};
    c->l1 = c->penalized ? problem->l1 : 0.0;
    c->ridge = c->penalized ? problem->l2 : 0.0;
    c->mean = calloc(2 * c->d + c->n + 1, sizeof *c->mean);
    if (!c->mean)
        return error_memory(error, (2 * c->d + c->n) * sizeof *c->mean, "an optimum in closed form");
    c->slack = c->mean + c->d;
    long double *y = c->slack + c->d;
    for (size_t i = 0; i < c->n; i++) {
        y[i] = problem->data->y[i];
        c->size += fabs(problem->data->y[i]) * linear_row_norm(a, i, NULL) / (double)c->n;
    }
    return linear_mean_long(a, y, c->mean, c->slack, error);
}

/* ---- linear ---- */

/* |t_P|^2/(ridge + lambda)^2 + |t_F|^2/lambda^2 = radius^2 by bisection between 0 and |t|/radius, an upper bound. */
static long double multiplier(const struct closed *c, long double held2, long double free2)
{
    const long double radius = c->problem->radius;
    long double low = 0.0L, high = sqrtl(held2 + free2) / radius;
    if (c->ridge == 0.0 || high == 0.0L)
        return high;
    if (free2 == 0.0L)
        return fmaxl(high - c->ridge, 0.0L);
    for (int k = 0; k < 200; k++) {
        long double middle = 0.5L * (low + high), p = c->ridge + middle;
        *(held2 / (p * p) + free2 / (middle * middle) > radius * radius ? &low : &high) = middle;
    }
    return high;
}

/* x and what is proved of it: F(x) - F* <= sum of R_j(x_j) + R_j*(-g_j) + g_j x_j over the coordinates + lambda
 * (radius^2
 * - |x|^2)/2, R_j the penalties with ridge_j + lambda for ridge_j; and what the rounding of g may add to that. */
static void solve_linear(const struct closed *c, struct candidate *candidate)
{
    const struct problem *problem = c->problem;
    double *x = candidate->x;
    long double held2 = 0.0L, free2 = 0.0L, norm2 = 0.0L, gap = 0.0L, f = 0.0L;
    bool bounded = isfinite(problem->radius);
    for (size_t j = 0; j < c->d; j++) {
        long double t = threshold(c, j);
        *(j < c->penalized ? &held2 : &free2) += t * t;
    }
    snprintf(candidate->method, sizeof candidate->method, "closed form (linear)");
    if (!bounded && ((c->ridge == 0.0 && held2 > 0.0L) || free2 > 0.0L)) {
        candidate->none = true;
        snprintf(candidate->reason, sizeof candidate->reason,
                 "a linear function whose mean slope is not 0, and neither l2 nor a radius holds x: no lower bound");
        return;
    }
    const long double lambda = bounded ? multiplier(c, held2, free2) : 0.0L;
    for (size_t j = 0; j < c->d; j++) {
        long double hold = ridge_at(c, j) + lambda;
        x[j] = hold > 0.0L ? (double)copysignl(threshold(c, j) / hold, -c->mean[j]) : 0.0;
    }
    pull_into_ball(&(struct objective){.d = c->d, .radius = problem->radius}, x);
    for (size_t j = 0; j < c->d; j++) {
        long double hold = ridge_at(c, j) + lambda, t = copysignl(threshold(c, j), -c->mean[j]), size = fabsl(x[j]);
        long double l1 = j < c->penalized ? c->l1 : 0.0, miss = hold * x[j] - t;
        long double reach = bounded ? problem->radius : hold > 0.0L ? (fabsl(t) + c->slack[j]) / hold : 0.0L;
        norm2 += size * size;
        f += c->mean[j] * x[j] + 0.5L * ridge_at(c, j) * size * size + l1 * size;
        gap += hold > 0.0L ? miss * miss / (2.0L * hold) : 0.0L;
        gap += fmaxl(l1 * size + x[j] * (c->mean[j] + t), 0.0L) + c->slack[j] * (size + reach);
    }
    if (bounded)
        gap += 0.5L * lambda * fmaxl((long double)problem->radius * problem->radius - norm2, 0.0L);
    candidate->f = (double)f;
    candidate->gap = (double)gap + 0x1p-52 * fabs(candidate->f);
}

/* What stands for a minimum that is 0 to rounding (which is linear in g): a part of the depth that slopes of this size
 * can reach. */
static double linear_floor(const struct closed *c)
{
    double reach = c->problem->radius;
    if (c->ridge > 0.0)
        reach = fmin(reach, 0.5 * c->size / c->ridge);
    return isfinite(reach) ? 1e-6 * c->size * reach : 0.0;
}

/* ---- quartic ---- */

/* The root u >= 0 of A u^3 + ridge u = target, which is 0 or more: Newton's method from above, where it falls until
 * rounding stops it. */
static long double cubic_root(long double a, long double ridge, long double target)
{
    if (target <= 0.0L)
        return 0.0L;
    long double u = INFINITY, next = fminl(cbrtl(target / a), ridge > 0.0L ? target / ridge : INFINITY);
    for (int k = 0; k < 200 && next < u; k++) {
        u = next;
        next = u - ((a * u * u + ridge) * u - target) / (3.0L * a * u * u + ridge);
    }
    return u;
}

/* F(x) - F* <= h^2 / m: h the slope at x, m a lower bound of the curvature from |x|/2 on, where the slope still points
 * outwards. At x = 0 and on the sphere the slope may point the way that is barred. */
static void solve_quartic(const struct closed *c, struct candidate *candidate)
{
    const struct matrix *a = &c->problem->data->train;
    const long double ridge = ridge_at(c, 0), target = threshold(c, 0), slack = c->slack[0];
    long double fourth = 0.0L, radius = c->problem->radius;
    for (size_t i = 0; i < c->n; i++) {
        long double row = linear_row_dot_long(a, i, (const double[]){1.0});
        fourth += row * row * row * row / (long double)c->n;
    }
    snprintf(candidate->method, sizeof candidate->method, "closed form (quartic)");
    if (!(fourth > 0.0L)) {
        candidate->none = true;
        snprintf(candidate->reason, sizeof candidate->reason, "no sample holds x: all of them are 0");
        return;
    }
    double u = (double)fminl(cubic_root(fourth, ridge, target), radius);
    long double slope = (fourth * u * u + ridge) * u - target, half = 0.5L * u;
    long double rounding = slack + 0x1p-62L * (long double)(c->n + 8) * ((fourth * u * u + ridge) * u + target);
    candidate->x[0] = (double)copysignl(u, -c->mean[0]);
    candidate->f = (double)(0.25L * fourth * u * u * u * u + 0.5L * ridge * u * u - target * u);
    if (!(u > 0.0)) /* the minimiser is no further than the rounding of g can push it */
        candidate->gap = (double)(slack * cbrtl(slack / fourth));
    else if (u >= radius && slope + rounding <= 0.0L)
        candidate->gap = 0.0;
    else if ((fourth * half * half + ridge) * half < target - rounding)
        candidate->gap = (double)(powl(fabsl(slope) + rounding, 2.0L) / (3.0L * fourth * half * half + ridge));
    candidate->gap += 0x1p-52 * fabs(candidate->f);
}

static double quartic_floor(const struct closed *c, size_t n)
{
    double fourth = 0.0;
    for (size_t i = 0; i < n; i++)
        fourth += pow(linear_row_norm(&c->problem->data->train, i, NULL), 4.0) / (double)n;
    return fourth > 0.0 ? 1e-9 * c->size * cbrt(c->size / fourth) : 0.0;
}

/* ---- */

bool closed_serves(const struct problem *problem)
{
    const struct scalar_loss *loss = problem->type->scalar;
    return loss == &scalar_loss_linear || (loss == &scalar_loss_quartic && problem_dim(problem) == 1);
}

enum status closed_solve(const struct problem *problem, struct candidate *candidate, double *goal, struct error *error)
{
    struct closed c;
    enum status status = closed_open(problem, &c, error);
    if (status == STATUS_OK) {
        bool linear = problem->type->scalar == &scalar_loss_linear;
        if (linear)
            solve_linear(&c, candidate);
        else
            solve_quartic(&c, candidate);
        double floor = linear ? linear_floor(&c) : quartic_floor(&c, c.n);
        *goal = (c.l1 > 0.0 ? 1e-9 : 1e-12) * fmax(fabs(candidate->f), fmax(floor, 1e-300));
    }
    double *gradient = status == STATUS_OK && c.l1 == 0.0 && !candidate->none ? vector_alloc(c.d, error) : NULL;
    if (gradient) {
        problem_value(problem, candidate->x, gradient);
        candidate->grad_norm = vector_norm(c.d, gradient);
        free(gradient);
    } else if (status == STATUS_OK && c.l1 == 0.0 && !candidate->none) {
        status = STATUS_MEMORY;
    }
    free(c.mean);
    return status;
}
