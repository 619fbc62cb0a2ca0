/* The certified optimum on a ball: the problems F + (lambda/2) |x|^2 without it, lambda searched until |x(lambda)| =
 * radius. Reference: Hebden 1973, the secular equation is nearly linear in 1/|x|. */
#include <gsl/gsl_roots.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reference_internal.h"

enum { ROOT_MAX = 60 };

struct secular {
    const struct objective *o;
    struct candidate inner, *best; /* inner: x(lambda) and u; best: pulled into the ball, with the proof for o itself */
    double *pulled;                /* d */
    double lower;                  /* a proved lower bound of F without the ball */
    double lambda[2], value[2];    /* the last two evaluations: Brent asks for its bracket again */
    bool done;                     /* best is certified, or something failed */
    enum status status;
    struct error *error;
};

/* x(lambda), pulled into the ball and judged; the better one becomes s->best. */
static enum status shifted_solve(struct secular *s, double lambda)
{
    struct objective shifted = *s->o;
    struct candidate trial = {.x = s->pulled, .gap = INFINITY};
    shifted.radius = INFINITY;
    shifted.ridge += lambda;
    shifted.ridge_free += lambda;
    s->inner.gap = INFINITY;
    enum status status = solve_penalized(&shifted, &s->inner, s->error);
    if (status != STATUS_OK)
        return status;
    memcpy(s->pulled, s->inner.x, s->o->d * sizeof *s->pulled);
    pull_into_ball(s->o, s->pulled);
    status = certificate_duality(s->o, s->inner.u, &trial, s->error);
    trial.gap = fmin(trial.gap, fmax(trial.f - s->lower, 0.0) + 0x1p-51 * fabs(trial.f));
    if (status == STATUS_OK && trial.gap < s->best->gap) {
        memcpy(s->best->x, s->pulled, s->o->d * sizeof *s->pulled);
        s->best->f = trial.f;
        s->best->gap = trial.gap;
    }
    return status;
}

/* 1/radius - 1/|x(lambda)|, falling in lambda; 0 when done, which ends the search. */
static double secular(double lambda, void *params)
{
    struct secular *s = params;
    if (s->done)
        return 0.0;
    for (int k = 0; k < 2; k++)
        if (lambda == s->lambda[k])
            return s->value[k];
    s->status = shifted_solve(s, lambda);
    s->done = s->status != STATUS_OK || s->best->gap <= objective_goal(s->o, s->best->f);
    s->lambda[0] = s->lambda[1];
    s->value[0] = s->value[1];
    s->lambda[1] = lambda;
    s->value[1] = s->done ? 0.0 : 1.0 / s->o->radius - 1.0 / fmax(vector_norm(s->o->d, s->inner.x), 1e-300);
    return s->value[1];
}

/* |grad F(0)| (without l1) over the radius: at this lambda x(lambda) lies inside the ball. */
static double largest_multiplier(const struct objective *o, struct secular *s)
{
    double *v = s->inner.x;
    for (size_t i = 0; i < o->n; i++)
        s->inner.u[i] = o->loss->slope(0.0, o->y[i]) / (double)o->n;
    linear_product_t(o->a, s->inner.u, v);
    double multiplier = fmax(vector_norm(o->d, v) / o->radius, o->floor / (o->radius * o->radius));
    memset(v, 0, o->d * sizeof *v);
    return multiplier;
}

/* From the multiplier that is too large down by tens (each solution starts the next), then Brent's root search. */
static enum status ball_search(struct secular *s, double high)
{
    double low = high, value = -1.0;
    for (int k = 0; k < 14 && value < 0.0; k++) {
        high = low;
        low *= 0.1;
        value = secular(low, s);
    }
    if (s->done || value < 0.0)
        return s->status;
    gsl_function root = {.function = secular, .params = s};
    gsl_root_fsolver *solver = gsl_root_fsolver_alloc(gsl_root_fsolver_brent);
    if (!solver)
        return error_memory(s->error, sizeof(double), "a root search");
    gsl_root_fsolver_set(solver, &root, low, high);
    for (int k = 0; k < ROOT_MAX && !s->done; k++)
        if (gsl_root_fsolver_iterate(solver) != 0)
            break;
    gsl_root_fsolver_free(solver);
    return s->status;
}

enum status ball_solve(const struct objective *o, double lower, struct candidate *candidate, struct error *error)
{
    double *storage = vector_alloc(2 * o->d + o->n, error);
    if (!storage)
        return STATUS_MEMORY;
    struct secular s = {.o = o, .best = candidate, .lower = lower, .error = error};
    s.inner.x = storage;
    s.pulled = storage + o->d;
    s.inner.u = storage + 2 * o->d;
    candidate->gap = INFINITY;
    enum status status = ball_search(&s, largest_multiplier(o, &s));
    snprintf(candidate->method, sizeof candidate->method, "%.48s, secular", s.inner.method);
    free(storage);
    return status;
}
