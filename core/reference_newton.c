/* Newton's method for the smooth problems without a ball, by Cholesky: damped until the quadratic phase, then repeated
 * with long double gradients (iterative refinement) until the gradient stops shrinking. Least squares is the case of
 * one step. Reference: Boyd and Vandenberghe, Convex Optimization, section 9.5. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reference_internal.h"

enum { STEPS_MAX = 200, REFINEMENTS = 6 };

enum status line_search(const struct objective *o, const double *step, double f, double slope, double *x, double *trial,
                        bool *moved, struct error *error)
{
    *moved = false;
    for (double length = 1.0; length > 1e-12 && !*moved; length *= 0.5) {
        double value;
        for (size_t j = 0; j < o->d; j++)
            trial[j] = x[j] + length * step[j];
        enum status status = certificate_value(o, trial, &value, NULL, error);
        if (status != STATUS_OK)
            return status;
        *moved = value <= f + 1e-4 * length * slope;
    }
    if (*moved)
        memcpy(x, trial, o->d * sizeof *x);
    return STATUS_OK;
}

struct newton {
    const struct objective *o;
    const struct null_space *null;
    double *hessian, *gradient, *step, *trial, *scale, *z, *weight; /* d x d, d (4), n, n */
};

/* hessian := the factor at x, scale := its diagonal; false when it is singular. */
static bool newton_factor(struct newton *s, const double *x)
{
    const struct objective *o = s->o;
    linear_product(o->a, x, s->z);
    for (size_t i = 0; i < o->n; i++)
        s->weight[i] = o->loss->curvature(s->z[i], o->y[i]) / (double)o->n;
    linear_gram(o->a, s->weight, s->hessian);
    for (size_t j = 0; j < o->d; j++)
        s->hessian[j * o->d + j] += objective_ridge(o, j);
    null_space_fill(s->null, o->d, dense_typical(o->d, s->hessian), s->hessian);
    for (size_t j = 0; j < o->d; j++)
        s->scale[j] = s->hessian[j * o->d + j];
    return dense_factor(o->d, s->hessian);
}

/* step := -hessian^-1 gradient, in the row space of the data when these have a null space. */
static void newton_direction(struct newton *s)
{
    size_t d = s->o->d;
    null_space_project(s->null, d, s->gradient);
    for (size_t j = 0; j < d; j++)
        s->step[j] = -s->gradient[j];
    dense_solve(d, s->hessian, s->step);
    null_space_project(s->null, d, s->step);
}

/* Full steps while they shrink the decrement g' H^-1 g, which also sees the flat directions that |g| does not; x keeps
 * the best point, the Hessian is that of the first. */
static enum status newton_refine(struct newton *s, double *x, struct error *error)
{
    size_t d = s->o->d;
    double f, best = INFINITY;
    memcpy(s->trial, x, d * sizeof *x);
    for (int k = 0; k < REFINEMENTS; k++) {
        enum status status = certificate_value(s->o, s->trial, &f, s->gradient, error);
        if (status != STATUS_OK)
            return status;
        newton_direction(s);
        double decrement = -vector_dot(d, s->gradient, s->step);
        if (!(decrement < best))
            break;
        best = decrement;
        memcpy(x, s->trial, d * sizeof *x);
        for (size_t j = 0; j < d; j++)
            s->trial[j] += s->step[j];
    }
    return STATUS_OK;
}

static enum status newton_iterate(struct newton *s, struct candidate *candidate, struct error *error)
{
    const struct objective *o = s->o;
    double *x = candidate->x, f;
    bool moved = true, constant = o->kind == LOSS_SQUARES; /* its Hessian */
    for (int k = 0; k < STEPS_MAX && moved; k++) {
        enum status status = certificate_value(o, x, &f, s->gradient, error);
        if (status != STATUS_OK)
            return status;
        if (o->kind == LOSS_LOGISTIC && objective_bare(o) && separates(o, candidate))
            return STATUS_OK;
        if ((k == 0 || !constant) && !newton_factor(s, x))
            break;
        newton_direction(s);
        double slope = vector_dot(o->d, s->gradient, s->step);
        if (-slope <= 1e-10 * fmax(f, o->floor)) {
            if ((status = newton_refine(s, x, error)) != STATUS_OK || (!constant && !newton_factor(s, x)))
                return status;
            double smallest = dense_smallest(o->d, s->hessian, s->scale);
            status = certificate_gradient(o, s->scale, smallest, candidate, error);
            if (status == STATUS_OK && candidate->gap > objective_goal(o, candidate->f) && !objective_bare(o))
                status = certificate_duality(o, NULL, candidate, error);
            return status;
        }
        if ((status = line_search(o, s->step, f, slope, x, s->trial, &moved, error)) != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

enum status newton_solve(const struct objective *o, const struct null_space *null, struct candidate *candidate,
                         struct error *error)
{
    size_t n = o->n, d = o->d;
    struct newton s = {.o = o, .null = null, .hessian = vector_alloc(d * d + 4 * d + 2 * n, error)};
    if (!s.hessian)
        return STATUS_MEMORY;
    s.gradient = s.hessian + d * d;
    s.step = s.gradient + d;
    s.trial = s.step + d;
    s.scale = s.trial + d;
    s.z = s.scale + d;
    s.weight = s.z + n;
    if (o->kind == LOSS_LOGISTIC)
        snprintf(candidate->method, sizeof candidate->method, "Newton (Cholesky)");
    else if (null->count > 0)
        snprintf(candidate->method, sizeof candidate->method, "normal equations, minimum norm (rank %zu of %zu)",
                 d - null->count, d);
    else
        snprintf(candidate->method, sizeof candidate->method, "normal equations (Cholesky)");
    enum status status = newton_iterate(&s, candidate, error);
    free(s.hessian);
    return status;
}
