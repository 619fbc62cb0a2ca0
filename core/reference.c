/* The certified optimum: which solver serves which problem, and what is told when nothing can be certified. */
#include "reference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "reference_internal.h"
#include "scalar_loss.h"

static const double HESSIAN_COST_MAX = 3e8; /* multiply-adds */

/* false: a loss that no solver here knows. */
static bool objective_open(const struct problem *problem, struct objective *o)
{
    const struct scalar_loss *loss = problem->type->scalar;
    if (!loss)
        return false;
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
    if (o->penalized == 0) /* a lone intercept */
        o->l1 = o->ridge = 0.0;
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
    /* An optimum of 0 is only reached to rounding, which is linear in the residuals for the kinked losses and quadratic
     * for the others: this part of F(0) stands for it. */
    o->floor = fmax((o->kind == LOSS_CHECK ? 1e-6 : 1e-9) * o->floor, 1e-300);
    return true;
}

/* A bare logistic problem that Newton could not certify: has it an optimum at all? */
static enum status check_attained(const struct objective *o, struct candidate *candidate, struct error *error)
{
    if (o->kind != LOSS_LOGISTIC || candidate->none || !objective_dense(o) ||
        candidate->gap <= objective_goal(o, candidate->f))
        return STATUS_OK;
    return quasi_separates(o, candidate, error);
}

/* A logistic loss with labels of one class and a free intercept: that runs away, whatever the penalties hold. */
static bool one_class(const struct objective *o, struct candidate *candidate)
{
    if (o->kind != LOSS_LOGISTIC || o->penalized == o->d)
        return false;
    for (size_t i = 1; i < o->n; i++)
        if (o->y[i] != o->y[0])
            return false;
    candidate->none = true;
    snprintf(candidate->reason, sizeof candidate->reason,
             "all labels are the same and the intercept is not penalised: the infimum is not attained");
    return true;
}

enum status solve_penalized(const struct objective *o, struct candidate *candidate, struct error *error)
{
    const struct null_space none = {0};
    if (objective_smooth(o) && linear_gram_cost(o->a) > HESSIAN_COST_MAX) {
        /* Conjugate gradients are mostly faster than such a Hessian; where they are not good enough they are a start.
         */
        enum status status = newton_cg_solve(o, candidate, error);
        if (status != STATUS_OK || !objective_dense(o) || candidate->gap <= objective_goal(o, candidate->f))
            return status;
    }
    if (objective_dense(o))
        return objective_smooth(o) ? newton_solve(o, &none, candidate, error)
                                   : interior_solve(o, &none, candidate, error);
    if (o->kind == LOSS_CHECK)
        return dual_solve(o, candidate, error);
    return o->l1 > 0.0 ? coordinate_solve(o, candidate, error) : newton_cg_solve(o, candidate, error);
}

static enum status solve_bare(const struct objective *o, const struct null_space *null, struct candidate *candidate,
                              struct error *error)
{
    if (!objective_smooth(o))
        return interior_solve(o, null, candidate, error);
    enum status status = newton_solve(o, null, candidate, error);
    return status == STATUS_OK ? check_attained(o, candidate, error) : status;
}

/* Of several minimisers of least squares the one of least norm: x off the null space, whose basis is first made
 * orthonormal where the columns had been scaled. */
static enum status minimum_norm(const struct objective *o, struct null_space *null, const int *exponent,
                                struct candidate *candidate, struct error *error)
{
    size_t d = o->d;
    for (size_t r = 0; r < null->count; r++) {
        struct null_space before = {.count = r, .basis = null->basis};
        double *basis = null->basis + r * d;
        for (size_t j = 0; j < d; j++)
            basis[j] = ldexp(basis[j], -exponent[j]);
        for (int twice = 0; twice < 2; twice++) {
            null_space_project(&before, d, basis);
            double norm = vector_norm(d, basis);
            for (size_t j = 0; j < d; j++)
                basis[j] /= norm;
        }
    }
    null_space_project(null, d, candidate->x);
    null_space_project(null, d, candidate->x); /* the first time may cancel most of x */
    double f = candidate->f;
    enum status status = certificate_value(o, candidate->x, &candidate->f, NULL, error);
    candidate->gap += fmax(candidate->f - f, 0.0) + 0x1p-52 * fabs(candidate->f);
    return status;
}

/* Bare problems are solved with columns of norm about sqrt(n), so that ranks and curvatures mean something whatever the
 * units of the data. The scales are powers of two: not a bit of the problem changes. */
static enum status solve_scaled(const struct objective *o, struct candidate *candidate, struct error *error)
{
    size_t d = o->d;
    struct matrix scaled = {0};
    struct null_space null = {0};
    struct objective inner = *o;
    int *exponent = calloc(d ? d : 1, sizeof *exponent);
    double *weight = vector_alloc(o->n + d, error);
    enum status status = STATUS_MEMORY;
    if (!exponent || !weight) {
        error_memory(error, d * sizeof *exponent, "scales of columns");
    } else {
        double *norm2 = weight + o->n;
        for (size_t i = 0; i < o->n; i++)
            weight[i] = 1.0 / (double)o->n;
        linear_squares(o->a, weight, norm2);
        for (size_t j = 0; j < d; j++)
            exponent[j] = norm2[j] > 0.0 ? (int)lround(0.5 * log2(norm2[j])) : 0;
        status = linear_scale(o->a, exponent, &scaled, error);
    }
    if (status == STATUS_OK) {
        inner.a = &scaled;
        status = null_space_find(&scaled, weight, &null, error);
    }
    if (status == STATUS_OK)
        status = solve_bare(&inner, &null, candidate, error);
    for (size_t j = 0; status == STATUS_OK && j < d; j++)
        candidate->x[j] = ldexp(candidate->x[j], -exponent[j]);
    if (status == STATUS_OK && o->kind == LOSS_SQUARES && null.count > 0)
        status = minimum_norm(o, &null, exponent, candidate, error);
    free(null.basis);
    free(exponent);
    free(weight);
    matrix_free(&scaled);
    return status;
}

static enum status solve(const struct objective *o, struct candidate *candidate, struct error *error)
{
    struct objective whole = *o; /* without the ball */
    enum status status = STATUS_OK;
    whole.radius = INFINITY;
    if (objective_bare(&whole) && objective_dense(&whole))
        status = solve_scaled(&whole, candidate, error);
    else if (!one_class(&whole, candidate))
        status = solve_penalized(&whole, candidate, error);
    bool solved = !candidate->none && candidate->gap <= objective_goal(o, candidate->f);
    if (status == STATUS_OK && isfinite(o->radius) &&
        !(solved && vector_norm(o->d, candidate->x) <= o->radius * (1.0 - 1e-12))) {
        candidate->none = false;
        candidate->reason[0] = '\0';
        status = ball_solve(o, solved ? candidate->f - candidate->gap : 0.0, candidate, error);
    }
    if (status != STATUS_OK || candidate->none)
        return status;
    /* The gradient of F itself, ball or not, at the x that is handed out. */
    candidate->grad_norm = NAN;
    double *gradient = objective_smooth(o) ? vector_alloc(o->d, error) : NULL;
    if (gradient) {
        double f;
        status = certificate_value(o, candidate->x, &f, gradient, error);
        candidate->grad_norm = vector_norm(o->d, gradient);
        free(gradient);
    } else if (objective_smooth(o)) {
        status = STATUS_MEMORY;
    }
    return status;
}

/* Moves what was found into the reference: x (else it stays the candidate's) or the reason why there is none. */
static void report(struct candidate *candidate, double goal, struct reference *out)
{
    out->exists = !candidate->none && isfinite(candidate->f) && candidate->gap <= goal;
    if (out->exists) {
        out->f = candidate->f;
        out->gap = candidate->gap;
        out->grad_norm = candidate->grad_norm;
        out->x = candidate->x;
        candidate->x = NULL;
        memcpy(out->method, candidate->method, sizeof out->method);
    } else if (candidate->reason[0]) {
        memcpy(out->reason, candidate->reason, sizeof out->reason);
    } else if (isfinite(candidate->gap)) {
        snprintf(out->reason, sizeof out->reason,
                 "no certificate: %s proves f - f* <= %.3g for f = %.17g, more than the goal of %.3g",
                 candidate->method, candidate->gap, candidate->f, goal);
    } else {
        snprintf(out->reason, sizeof out->reason, "no certificate: %s proves nothing here", candidate->method);
    }
}

enum status reference_solve(const struct problem *problem, struct reference **out, struct error *error)
{
    struct objective o;
    struct reference *reference = calloc(1, sizeof *reference);
    *out = NULL;
    if (!reference)
        return error_memory(error, sizeof *reference, "the certified optimum");
    reference->dim = problem_dim(problem);
    reference->grad_norm = NAN;
    const struct model_type *model = problem->type->model;
    enum status status = problem_constants(problem, &reference->smoothness, &reference->convexity, error);
    const bool closed = closed_serves(problem), softmax = softmax_serves(problem);
    if (status == STATUS_OK && model && !softmax) {
        snprintf(reference->reason, sizeof reference->reason, "no certificate: %s %s", problem->type->method.name,
                 model->softmax ? "is certified with l2, and without l1 and a radius" : "is not known to be convex");
    } else if (status == STATUS_OK && !closed && !softmax && !objective_open(problem, &o)) {
        snprintf(reference->reason, sizeof reference->reason, "no certificate: no solver knows the loss of %s%s",
                 problem->type->method.name,
                 problem->type->scalar == &scalar_loss_quartic ? " in more than one dimension" : "");
    } else if (status == STATUS_OK) {
        struct candidate candidate = {
            .x = vector_alloc(reference->dim, error), .f = INFINITY, .gap = INFINITY, .grad_norm = NAN};
        double goal = 0.0;
        status = candidate.x ? STATUS_OK : STATUS_MEMORY;
        if (status == STATUS_OK)
            status = closed    ? closed_solve(problem, &candidate, &goal, error)
                     : softmax ? softmax_solve(problem, &candidate, &goal, error)
                               : solve(&o, &candidate, error);
        if (status == STATUS_OK)
            report(&candidate, closed || softmax ? goal : objective_goal(&o, candidate.f), reference);
        free(candidate.x);
    }
    if (status == STATUS_OK)
        *out = reference;
    else
        reference_free(reference);
    return status;
}

void reference_free(struct reference *reference)
{
    if (!reference)
        return;
    free(reference->x);
    free(reference);
}
