/* The certified optimum: which solver serves which problem, and what is told when nothing can be certified. */
#include "reference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reference_internal.h"
#include "scalar_loss.h"

static bool objective_open(const struct problem *problem, struct objective *o)
{
    const struct scalar_loss *loss = problem->type->scalar;
    *o = (struct objective){.a = &problem->data->train,
                            .y = problem->data->y,
                            .loss = loss,
                            .n = problem->data->train.rows,
                            .d = problem_dim(problem),
                            .penalized = problem_penalized(problem),
                            .l1 = problem->l1,
                            .ridge = problem->l2,
                            .ridge_free = 0.0,
                            .radius = problem->radius};
    if (loss == &scalar_loss_squares)
        o->kind = LOSS_SQUARES;
    else if (loss == &scalar_loss_logistic)
        o->kind = LOSS_LOGISTIC;
    else if (loss == &scalar_loss_hinge || loss == &scalar_loss_absolute)
        o->kind = LOSS_CHECK;
    else
        return false;
    o->classification = loss == &scalar_loss_logistic || loss == &scalar_loss_hinge;
    for (size_t i = 0; i < o->n; i++)
        o->floor += loss->value(0.0, o->y[i]) / (double)o->n;
    /* An optimum of 0 is only ever reached to rounding: 1e-9 of F(0) stands for it. */
    o->floor = fmax(1e-9 * o->floor, 1e-300);
    return true;
}

static void no_optimum(struct candidate *candidate, const char *reason)
{
    candidate->none = true;
    snprintf(candidate->reason, sizeof candidate->reason, "%s", reason);
}

/* A logistic loss whose infimum is not attained: one class with a free intercept, or separable data and no penalty. */
static enum status check_attained(const struct objective *o, struct candidate *candidate, struct error *error)
{
    if (candidate->none) {
        no_optimum(candidate,
                   "the classes are linearly separable and nothing is penalised: the infimum is not attained");
        return STATUS_OK;
    }
    if (o->kind != LOSS_LOGISTIC || !objective_bare(o) || candidate->gap <= objective_goal(o, candidate->f))
        return STATUS_OK;
    bool found;
    enum status status = quasi_separates(o, candidate->x, &found, error);
    if (status == STATUS_OK && found)
        no_optimum(candidate, "the classes are linearly separable but for ties (quasi-complete separation) and nothing "
                              "is penalised: the infimum is not attained");
    return status;
}

static bool one_class_free_intercept(const struct objective *o)
{
    if (o->kind != LOSS_LOGISTIC || o->penalized == o->d || isfinite(o->radius))
        return false;
    for (size_t i = 1; i < o->n; i++)
        if (o->y[i] != o->y[0])
            return false;
    return true;
}

static enum status solve_dense(const struct objective *o, struct candidate *candidate, struct error *error)
{
    struct null_space null = {0};
    struct objective whole = *o;
    enum status status = STATUS_OK;
    whole.radius = INFINITY;
    if (objective_bare(&whole)) {
        double *weight = vector_alloc(o->n, error);
        for (size_t i = 0; weight && i < o->n; i++)
            weight[i] = 1.0;
        status = weight ? null_space_find(o->a, weight, &null, error) : STATUS_MEMORY;
        free(weight);
    }
    bool solved = false;
    if (status == STATUS_OK && objective_smooth(o)) {
        status = newton_solve(&whole, &null, candidate, error);
        if (isinf(o->radius) || status != STATUS_OK)
            solved = true;
        else /* a ball: done when the optimum without it lies inside */
            solved = candidate->gap <= objective_goal(o, candidate->f) &&
                     vector_norm(o->d, candidate->x) <= o->radius * (1.0 - 1e-12);
    }
    if (status == STATUS_OK && !solved) {
        struct null_space none = {0};
        candidate->gap = INFINITY;
        candidate->none = false;
        status = interior_solve(o, isinf(o->radius) ? &null : &none, candidate, error);
    }
    free(null.basis);
    return status;
}

static enum status solve_large(const struct objective *o, struct candidate *candidate, struct error *error)
{
    if (isfinite(o->radius))
        return ball_solve(o, candidate, error);
    if (o->kind == LOSS_CHECK)
        return dual_solve(o, candidate, error);
    return o->l1 > 0.0 ? coordinate_solve(o, candidate, error) : newton_cg_solve(o, candidate, error);
}

static enum status solve(const struct objective *o, struct candidate *candidate, struct error *error)
{
    if (one_class_free_intercept(o)) {
        no_optimum(candidate,
                   "all labels are the same and the intercept is not penalised: the infimum is not attained");
        return STATUS_OK;
    }
    enum status status = objective_dense(o) ? solve_dense(o, candidate, error) : solve_large(o, candidate, error);
    return status == STATUS_OK ? check_attained(o, candidate, error) : status;
}

enum status reference_solve(const struct problem *problem, struct reference **out, struct error *error)
{
    struct objective o;
    struct candidate candidate = {.f = INFINITY, .gap = INFINITY, .grad_norm = NAN};
    *out = NULL;
    struct reference *reference = calloc(1, sizeof *reference);
    candidate.x = vector_alloc(problem_dim(problem), error);
    enum status status = STATUS_OK;
    if (!reference || !candidate.x) {
        status = error_memory(error, problem_dim(problem) * sizeof(double), "the certified optimum");
    } else if (!problem->type->scalar || !objective_open(problem, &o)) {
        snprintf(reference->reason, sizeof reference->reason, "no certificate: no solver knows the loss of %s",
                 problem->type->method.name);
        reference->smoothness = INFINITY;
    } else {
        status = problem_constants(problem, &reference->smoothness, &reference->convexity, error);
        if (status == STATUS_OK)
            status = solve(&o, &candidate, error);
        reference->exists = !candidate.none && candidate.gap <= objective_goal(&o, candidate.f);
        if (candidate.reason[0])
            memcpy(reference->reason, candidate.reason, sizeof reference->reason);
        else if (!reference->exists && isfinite(candidate.gap))
            snprintf(reference->reason, sizeof reference->reason,
                     "no certificate: %s proves F - F* <= %.3g for F = %.17g, more than the goal of %.3g",
                     candidate.method, candidate.gap, candidate.f, objective_goal(&o, candidate.f));
        else if (!reference->exists)
            snprintf(reference->reason, sizeof reference->reason, "no certificate: %s proves nothing here",
                     candidate.method);
    }
    if (status != STATUS_OK) {
        free(candidate.x);
        free(reference);
        return status;
    }
    reference->dim = problem_dim(problem);
    reference->grad_norm = NAN;
    if (reference->exists) {
        reference->f = candidate.f;
        reference->gap = candidate.gap;
        reference->grad_norm = candidate.grad_norm;
        reference->x = candidate.x;
        memcpy(reference->method, candidate.method, sizeof reference->method);
    } else {
        free(candidate.x);
    }
    *out = reference;
    return STATUS_OK;
}

void reference_free(struct reference *reference)
{
    if (!reference)
        return;
    free(reference->x);
    free(reference);
}
