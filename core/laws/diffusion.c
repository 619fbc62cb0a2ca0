/* The diffusion approximation, by sums on a grid. */
#include "laws/diffusion.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "model.h"

static const double STEP = 1e-4;    /* of the sums */
static const double NOTHING = -40;  /* exponents below do not count */
static const double DISTANCE = 100; /* as far as anything is looked for */

/* One call of the model at a point, which must lie at a 64-byte boundary with its results. */
struct point {
    const struct problem *problem;
    const struct model_type *model;
    double *x, *out, *scratch;
};

static bool point_open(const struct problem *problem, struct point *p)
{
    const size_t scratch = problem->type->model->scratch(problem, 1);
    *p = (struct point){.problem = problem, .model = problem->type->model};
    p->x = aligned_alloc(64, ((2 * 8 + scratch) * sizeof(double) + 63) / 64 * 64);
    if (!p->x)
        return false;
    p->out = p->x + 8;
    p->scratch = p->x + 16;
    return true;
}

static double value_at(const struct point *p, double x)
{
    const struct dataset *data = p->problem->data;
    const struct batch all = {.a = &data->train, .y = data->y, .rows = data->train.rows};
    p->x[0] = x;
    p->out[0] = 0;
    p->model->loss(p->problem, &all, p->x, 1, p->scratch, p->out, NULL);
    return p->out[0] / (double)data->train.rows;
}

static bool inside_at(const struct point *p, double x)
{
    p->x[0] = x;
    p->model->in_region(p->problem, p->x, 1, p->out);
    return p->out[0] > 0;
}

double landscape_noise(const struct problem *problem, double x)
{
    struct point p;
    if (!point_open(problem, &p))
        return NAN;
    const struct dataset *data = problem->data;
    const size_t n = data->train.rows;
    double sum = 0, square = 0;
    p.x[0] = x;
    for (size_t i = 0; i < n; i++) {
        const struct batch one = {.a = &data->train, .y = data->y, .first = i, .rows = 1};
        p.model->gradient(problem, &one, p.x, 1, 0, p.scratch, p.out);
        sum += p.out[0];
        square += p.out[0] * p.out[0];
    }
    free(p.x);
    return (square - sum * sum / (double)n) / (double)n;
}

/* 2 m/(eta sigma^2) */
static double coldness(const struct problem *problem, size_t batch_size, double eta, double x)
{
    return 2 * (double)batch_size / (eta * landscape_noise(problem, x));
}

/* Where the region above `start` ends, and the largest value on the way. NaN: nowhere. */
static double region_end(const struct point *p, double start, double *highest)
{
    *highest = value_at(p, start);
    for (double x = start; x < start + DISTANCE; x += STEP) {
        if (!inside_at(p, x))
            return x;
        *highest = fmax(*highest, value_at(p, x));
    }
    return NAN;
}

double diffusion_barrier(const struct problem *problem, double start)
{
    struct point p;
    double highest;
    if (!point_open(problem, &p))
        return NAN;
    const double end = region_end(&p, start, &highest), from = value_at(&p, start);
    free(p.x);
    return isnan(end) ? NAN : highest - from;
}

/* u(start) = b/eta int_start^end e^{b f(y)} int_-inf^y e^{-b f(z)} dz dy, b = 2 m/(eta sigma^2): the solution of eta
 * sigma^2/(2 m) u'' - f' u' = -1/eta with u(end) = 0. f is taken relative to its highest value on the way. */
double diffusion_exit_time(const struct problem *problem, size_t batch_size, double eta, double start)
{
    struct point p;
    double highest, inner = 0, outer = 0, weight_before = 0, term_before = 0;
    const double b = coldness(problem, batch_size, eta, start);
    if (!point_open(problem, &p))
        return NAN;
    const double end = region_end(&p, start, &highest), from = value_at(&p, start);
    double low = start;
    while (low > start - DISTANCE && -b * (value_at(&p, low) - from) > NOTHING)
        low -= STEP;
    const size_t count = isnan(end) ? 0 : (size_t)ceil((end - low) / STEP);
    const double h = (end - low) / (double)count;
    for (size_t i = 0; i <= count && count > 0; i++) {
        const double x = low + h * (double)i, f = b * (value_at(&p, x) - highest), weight = exp(-f);
        inner += i > 0 ? h * (weight + weight_before) / 2 : 0;
        const double term = x >= start ? exp(f) * inner : 0;
        outer += x - h >= start ? h * (term + term_before) / 2 : 0;
        weight_before = weight;
        term_before = term;
    }
    free(p.x);
    return count > 0 ? b / eta * outer : NAN;
}

double diffusion_occupancy(const struct problem *problem, size_t batch_size, double eta)
{
    struct point p;
    double inside = 0, all = 0, lowest = INFINITY;
    const double b = coldness(problem, batch_size, eta, 0);
    if (!point_open(problem, &p))
        return NAN;
    const long half = (long)(DISTANCE / 10 / STEP);
    for (long i = -half; i <= half; i++)
        lowest = fmin(lowest, value_at(&p, STEP * (double)i));
    for (long i = -half; i <= half; i++) {
        const double x = STEP * (double)i, weight = exp(-b * (value_at(&p, x) - lowest));
        all += weight;
        inside += inside_at(&p, x) ? weight : 0;
    }
    free(p.x);
    return inside / all;
}
