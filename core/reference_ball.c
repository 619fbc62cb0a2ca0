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
    bool done;                     /* best is certified, or something failed */
    enum status status;
    struct error *error;
};

/* 1/radius - 1/|x(lambda)|, falling in lambda; 0 when done, which ends the search. */
static double secular(double lambda, void *params)
{
    struct secular *s = params;
    struct objective shifted = *s->o;
    if (s->done)
        return 0.0;
    shifted.radius = INFINITY;
    shifted.ridge += lambda;
    shifted.ridge_free += lambda;
    s->inner.gap = INFINITY;
    s->status = solve_penalized(&shifted, &s->inner, s->error);
    if (s->status == STATUS_OK) {
        memcpy(s->best->x, s->inner.x, s->o->d * sizeof *s->best->x);
        pull_into_ball(s->o, s->best->x);
        s->best->gap = INFINITY;
        s->status = certificate_duality(s->o, s->inner.u, s->best, s->error);
    }
    s->done = s->status != STATUS_OK || s->best->gap <= objective_goal(s->o, s->best->f);
    return s->done ? 0.0 : 1.0 / s->o->radius - 1.0 / fmax(vector_norm(s->o->d, s->inner.x), 1e-300);
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
    gsl_function function = {.function = secular, .params = s};
    gsl_root_fsolver *solver = gsl_root_fsolver_alloc(gsl_root_fsolver_brent);
    if (!solver)
        return error_memory(s->error, sizeof(double), "a root search");
    gsl_root_fsolver_set(solver, &function, low, high);
    for (int k = 0; k < ROOT_MAX && !s->done; k++)
        if (gsl_root_fsolver_iterate(solver) != 0)
            break;
    gsl_root_fsolver_free(solver);
    return s->status;
}

enum status ball_solve(const struct objective *o, struct candidate *candidate, struct error *error)
{
    double *storage = vector_alloc(o->d + o->n, error);
    if (!storage)
        return STATUS_MEMORY;
    struct secular s = {.o = o, .best = candidate, .error = error};
    s.inner.x = storage;
    s.inner.u = storage + o->d;
    enum status status = ball_search(&s, largest_multiplier(o, &s));
    snprintf(candidate->method, sizeof candidate->method, "%.48s, secular", s.inner.method);
    free(storage);
    return s.status == STATUS_OK ? status : s.status;
}
