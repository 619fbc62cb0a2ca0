/* The certified optimum where a d x d matrix is out of reach: Newton's method with conjugate gradients, and the ball as
 * a sequence of problems without one. References: Nash and Nocedal 1991 (truncated Newton); Hebden 1973 (the secular
 * equation of the ball is nearly linear in 1/|x|). */
#include <gsl/gsl_roots.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reference_internal.h"

enum { NEWTON_MAX = 100, CG_MAX = 5000 };
/* Multiply-adds that one solve may spend on products with the data: about a minute. */
static const double WORK_MAX = 3e10;

struct newton_cg {
    const struct objective *o;
    double *gradient, *step, *trial, *residual, *direction, *product, *diagonal; /* d each */
    double *z, *curvature;                                                       /* n each */
    double work;
};

/* product := (A' diag(curvature) A + ridge) direction */
static void hessian_apply(struct newton_cg *s)
{
    const struct objective *o = s->o;
    if (o->softmax) {
        softmax_hessian_apply(o->softmax, s->direction, s->product, &s->work);
        return;
    }
    linear_product(o->a, s->direction, s->z);
    for (size_t i = 0; i < o->n; i++)
        s->z[i] *= s->curvature[i];
    linear_product_t(o->a, s->z, s->product);
    for (size_t j = 0; j < o->d; j++)
        s->product[j] += objective_ridge(o, j) * s->direction[j];
    s->work += 2.0 * (double)o->a->nnz + (double)o->d;
}

/* The Hessian of the products to come is that at x; diagonal := its diagonal. */
static void hessian_at(struct newton_cg *s, const double *x)
{
    const struct objective *o = s->o;
    if (o->softmax) {
        softmax_hessian_at(o->softmax, x, s->diagonal);
        return;
    }
    linear_product(o->a, x, s->z);
    for (size_t i = 0; i < o->n; i++)
        s->curvature[i] = o->loss->curvature(s->z[i], o->y[i]) / (double)o->n;
    linear_squares(o->a, s->curvature, s->diagonal);
    for (size_t j = 0; j < o->d; j++)
        s->diagonal[j] += objective_ridge(o, j);
}

/* step := -H^-1 gradient to |residual| <= tolerance |gradient|, preconditioned by the diagonal of H. */
static void conjugate_gradients(struct newton_cg *s, const double *x, double tolerance)
{
    const struct objective *o = s->o;
    size_t d = o->d;
    hessian_at(s, x);
    double rho = 0.0, goal = tolerance * vector_norm(d, s->gradient);
    for (size_t j = 0; j < d; j++) {
        if (!(s->diagonal[j] > 0.0))
            s->diagonal[j] = 1.0;
        s->step[j] = 0.0;
        s->residual[j] = -s->gradient[j];
        s->direction[j] = s->residual[j] / s->diagonal[j];
        rho += s->residual[j] * s->direction[j];
    }
    for (int k = 0; k < CG_MAX && s->work < WORK_MAX && vector_norm(d, s->residual) > goal; k++) {
        hessian_apply(s);
        double curvature = vector_dot(d, s->direction, s->product), next = 0.0;
        if (!(curvature > 0.0))
            break;
        for (size_t j = 0; j < d; j++) {
            s->step[j] += rho / curvature * s->direction[j];
            s->residual[j] -= rho / curvature * s->product[j];
            next += s->residual[j] * s->residual[j] / s->diagonal[j];
        }
        for (size_t j = 0; j < d; j++)
            s->direction[j] = s->residual[j] / s->diagonal[j] + next / rho * s->direction[j];
        rho = next;
    }
}

static enum status certify(struct newton_cg *s, struct candidate *candidate, struct error *error)
{
    const struct objective *o = s->o;
    if (o->softmax) {
        softmax_certificate(o->softmax, candidate);
        return STATUS_OK;
    }
    for (size_t j = 0; j < o->d; j++)
        s->diagonal[j] = 1.0;
    enum status status = certificate_gradient(o, s->diagonal, 0.0, candidate, error);
    if (status == STATUS_OK && candidate->gap > objective_goal(o, candidate->f) && !objective_bare(o))
        status = certificate_duality(o, NULL, candidate, error);
    return status;
}

static enum status newton_cg_iterate(struct newton_cg *s, struct candidate *candidate, struct error *error)
{
    const struct objective *o = s->o;
    double *x = candidate->x, f, before = INFINITY;
    for (int k = 0; k < NEWTON_MAX && s->work < WORK_MAX; k++) {
        enum status status = certificate_value(o, x, &f, s->gradient, error);
        if (status != STATUS_OK)
            return status;
        if (o->kind == LOSS_LOGISTIC && objective_bare(o) && separates(o, candidate))
            return STATUS_OK;
        double norm = vector_norm(o->d, s->gradient);
        conjugate_gradients(s, x, o->kind == LOSS_SQUARES ? 1e-8 : fmin(0.1, sqrt(norm)));
        double slope = vector_dot(o->d, s->gradient, s->step);
        bool moved = true;
        if (-slope > 1e-10 * fmax(f, o->floor)) {
            if ((status = line_search(o, s->step, f, slope, x, s->trial, &moved, error)) != STATUS_OK)
                return status;
        } else if (norm < 0.9 * before) { /* F no longer resolves the progress, the gradient does */
            for (size_t j = 0; j < o->d; j++)
                x[j] += s->step[j];
            before = norm;
        } else {
            moved = false;
        }
        if (!moved)
            break;
    }
    return certify(s, candidate, error);
}

enum status newton_cg_solve(const struct objective *o, struct candidate *candidate, struct error *error)
{
    size_t n = o->n, d = o->d;
    struct newton_cg s = {.o = o};
    double **vectors[] = {&s.gradient, &s.step, &s.trial, &s.residual, &s.direction, &s.product, &s.diagonal};
    double *next = vector_alloc(7 * d + 2 * n, error), *storage = next;
    if (!storage)
        return STATUS_MEMORY;
    for (size_t k = 0; k < 7; k++, next += d)
        *vectors[k] = next;
    s.z = next;
    s.curvature = next + n;
    snprintf(candidate->method, sizeof candidate->method, "%s",
             o->kind == LOSS_SQUARES ? "conjugate gradients" : "Newton (conjugate gradients)");
    enum status status = newton_cg_iterate(&s, candidate, error);
    free(storage);
    return status;
}
