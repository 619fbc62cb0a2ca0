/* Coordinate descent for problems too large for a d x d matrix. With l1 and a smooth loss: Newton's model of the loss,
 * minimised over the coordinates in turn (Friedman, Hastie, Tibshirani 2010; Yuan, Ho, Lin 2012). For the check losses:
 * the dual, a box per sample (Hsieh et al. 2008); an intercept without a ridge is held by a proximal term whose centre
 * follows it (Rockafellar 1976), which ends at the true problem. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reference_internal.h"

enum { OUTER_MAX = 200, PASSES_MAX = 200 };
static const double WORK_MAX = 3e10; /* multiply-adds of one solve */

/* The data by columns: column j is entry[start[j] .. start[j+1]-1]. */
struct columns {
    size_t *start;
    uint32_t *sample;
    double *value;
};

static void columns_free(struct columns *columns)
{
    free(columns->start);
    free(columns->sample);
    free(columns->value);
}

static enum status columns_make(const struct matrix *a, struct columns *out, struct error *error)
{
    size_t n = a->rows, d = a->cols, nnz = a->sparse ? a->nnz : n * d;
    *out = (struct columns){.start = calloc(d + 2, sizeof *out->start),
                            .sample = calloc(nnz ? nnz : 1, sizeof *out->sample),
                            .value = calloc(nnz ? nnz : 1, sizeof *out->value)};
    if (!out->start || !out->sample || !out->value) {
        columns_free(out);
        *out = (struct columns){0};
        return error_memory(error, nnz * (sizeof *out->value + sizeof *out->sample), "the data by columns");
    }
    /* Count into start[j + 2], sum, fill with start[j + 1] as the running end of column j. */
    for (size_t k = 0; a->sparse && k < nnz; k++)
        out->start[a->column[k] + 2]++;
    for (size_t j = 0; !a->sparse && j < d; j++)
        out->start[j + 2] = n;
    for (size_t j = 2; j < d + 2; j++)
        out->start[j] += out->start[j - 1];
    for (size_t i = 0; i < n; i++) {
        size_t first = a->sparse ? a->row[i] : 0, last = a->sparse ? a->row[i + 1] : d;
        for (size_t k = first; k < last; k++) {
            size_t at = out->start[(a->sparse ? a->column[k] : k) + 1]++;
            out->sample[at] = (uint32_t)i;
            out->value[at] = a->sparse ? a->value[k] : a->value[i * a->stride + k];
        }
    }
    return STATUS_OK;
}

struct descent {
    const struct objective *o;
    struct columns columns;
    double *gradient, *step, *trial, *diagonal; /* d each */
    double *product, *curvature;                /* n each; product = A step */
    double work;
};

/* Minimises the model over coordinate j; returns the decrease it promises (times 2). */
static double descend(struct descent *s, const double *x, size_t j)
{
    const struct objective *o = s->o;
    const struct columns *c = &s->columns;
    double slope = s->gradient[j] + objective_ridge(o, j) * s->step[j], h = s->diagonal[j];
    s->work += 2.0 * (double)(c->start[j + 1] - c->start[j]) + 1.0;
    if (!(h > 0.0))
        return 0.0;
    for (size_t k = c->start[j]; k < c->start[j + 1]; k++)
        slope += s->curvature[c->sample[k]] * s->product[c->sample[k]] * c->value[k];
    double here = x[j] + s->step[j], l1 = j < o->penalized ? o->l1 : 0.0, next = here - slope / h;
    next = copysign(fmax(fabs(next) - l1 / h, 0.0), next);
    double change = next - here;
    if (change == 0.0)
        return 0.0;
    s->step[j] += change;
    for (size_t k = c->start[j]; k < c->start[j + 1]; k++)
        s->product[c->sample[k]] += change * c->value[k];
    return h * change * change;
}

/* Passes over all coordinates, and between them over those that are not 0, until a full pass promises little. */
static void minimise_model(struct descent *s, const double *x)
{
    size_t d = s->o->d;
    double first = 0.0;
    memset(s->step, 0, d * sizeof *s->step);
    memset(s->product, 0, s->o->n * sizeof *s->product);
    for (int full = 0; full < 20 && s->work < WORK_MAX; full++) {
        double promise = 0.0;
        for (size_t j = 0; j < d; j++)
            promise += descend(s, x, j);
        first = full == 0 ? promise : first;
        if (promise <= 1e-6 * first && full > 0)
            break;
        for (int pass = 0; pass < PASSES_MAX && s->work < WORK_MAX; pass++) {
            double active = 0.0;
            for (size_t j = 0; j < d; j++)
                if (x[j] + s->step[j] != 0.0)
                    active += descend(s, x, j);
            if (active <= 1e-3 * fmin(promise, 1e-3 * first))
                break;
        }
    }
}

static enum status descent_iterate(struct descent *s, struct candidate *candidate, struct error *error)
{
    const struct objective *o = s->o;
    double *x = candidate->x, best = INFINITY;
    int stalls = 0;
    for (int k = 0; k < OUTER_MAX && s->work < WORK_MAX && stalls < 10; k++) {
        double f, slope = 0.0;
        bool moved;
        enum status status = certificate_value(o, x, &f, s->gradient, error);
        candidate->gap = INFINITY;
        if (status == STATUS_OK)
            status = certificate_duality(o, NULL, candidate, error);
        if (status != STATUS_OK || candidate->gap <= 1e-3 * objective_goal(o, f))
            return status;
        stalls = candidate->gap < 0.5 * best ? 0 : stalls + 1;
        best = fmin(best, candidate->gap);
        linear_product(o->a, x, s->product);
        for (size_t i = 0; i < o->n; i++)
            s->curvature[i] = o->loss->curvature(s->product[i], o->y[i]) / (double)o->n;
        linear_squares(o->a, s->curvature, s->diagonal);
        for (size_t j = 0; j < o->d; j++)
            s->diagonal[j] += objective_ridge(o, j);
        minimise_model(s, x);
        for (size_t j = 0; j < o->d; j++) {
            slope += s->gradient[j] * s->step[j];
            if (j < o->penalized)
                slope += o->l1 * (fabs(x[j] + s->step[j]) - fabs(x[j]));
        }
        if (-slope > 1e-13 * f) {
            if ((status = line_search(o, s->step, f, slope, x, s->trial, &moved, error)) != STATUS_OK)
                return status;
        } else { /* below what F resolves: the gap judges */
            for (size_t j = 0; j < o->d; j++)
                x[j] += s->step[j];
        }
    }
    candidate->gap = INFINITY;
    return certificate_duality(o, NULL, candidate, error);
}

enum status coordinate_solve(const struct objective *o, struct candidate *candidate, struct error *error)
{
    struct descent s = {.o = o};
    double *storage = vector_alloc(4 * o->d + 2 * o->n, error);
    enum status status = storage ? columns_make(o->a, &s.columns, error) : STATUS_MEMORY;
    if (status == STATUS_OK) {
        s.gradient = storage;
        s.step = s.gradient + o->d;
        s.trial = s.step + o->d;
        s.diagonal = s.trial + o->d;
        s.product = s.diagonal + o->d;
        s.curvature = s.product + o->n;
        snprintf(candidate->method, sizeof candidate->method, "coordinate descent");
        status = descent_iterate(&s, candidate, error);
        columns_free(&s.columns);
    }
    free(storage);
    return status;
}

struct dual {
    const struct objective *o;
    double *u, *norm2, *v, *x; /* n, n, d, d: v = -A'u/n, x the primal point that v makes */
    uint32_t *order;           /* n */
    double hold, centre;       /* the proximal term of a free intercept: (hold/2) (x_F - centre)^2 */
    uint64_t bits;
    double work;
};

/* x_j = argmin of the penalties minus v_j x_j. */
static double primal_of(const struct dual *s, size_t j)
{
    const struct objective *o = s->o;
    if (j >= o->penalized)
        return o->ridge_free > 0.0 ? s->v[j] / o->ridge_free : s->centre + s->v[j] / s->hold;
    return copysign(fmax(fabs(s->v[j]) - o->l1, 0.0), s->v[j]) / o->ridge;
}

/* Moves u_i to its best place in the box (an upper bound of the curvature where l1 bends it); returns |change|. */
static double ascend(struct dual *s, size_t i)
{
    const struct objective *o = s->o;
    const struct matrix *a = o->a;
    double z = 0.0, n = (double)o->n;
    size_t first = a->sparse ? a->row[i] : i * a->stride, last = a->sparse ? a->row[i + 1] : first + a->cols;
    s->work += (double)(last - first);
    for (size_t k = first; k < last; k++)
        z += a->value[k] * s->x[a->sparse ? a->column[k] : k - first];
    if (!(s->norm2[i] > 0.0))
        return 0.0;
    double next = fmin(fmax(s->u[i] + (z - o->y[i]) * n / s->norm2[i], check_lo(o, i)), check_hi(o, i));
    double change = next - s->u[i];
    if (change == 0.0)
        return 0.0;
    s->u[i] = next;
    s->work += (double)(last - first);
    for (size_t k = first; k < last; k++) {
        size_t j = a->sparse ? a->column[k] : k - first;
        s->v[j] -= change * a->value[k] / n;
        s->x[j] = primal_of(s, j);
    }
    return fabs(change);
}

/* v and x from u, without what the updates have lost to rounding. */
static void dual_refresh(struct dual *s)
{
    linear_product_t(s->o->a, s->u, s->v);
    for (size_t j = 0; j < s->o->d; j++) {
        s->v[j] /= -(double)s->o->n;
        s->x[j] = primal_of(s, j);
    }
}

/* One pass in random order over the samples listed in order[count]. */
static double dual_pass(struct dual *s, size_t count)
{
    double moved = 0.0;
    for (size_t k = 0; k < count; k++) {
        s->bits = s->bits * 6364136223846793005u + 1442695040888963407u;
        size_t other = k + (size_t)((s->bits >> 33) % (count - k));
        uint32_t i = s->order[other];
        s->order[other] = s->order[k];
        s->order[k] = i;
        moved += ascend(s, i);
    }
    return moved;
}

static enum status dual_iterate(struct dual *s, struct candidate *candidate, struct error *error)
{
    const struct objective *o = s->o;
    bool free_intercept = o->penalized < o->d && o->ridge_free == 0.0;
    while (s->work < WORK_MAX) {
        size_t count = o->n;
        for (size_t i = 0; i < o->n; i++)
            s->order[i] = (uint32_t)i;
        double moved = dual_pass(s, count);
        count = 0; /* then only the samples that are not stuck at a bound */
        for (size_t i = 0; i < o->n; i++)
            if (s->u[i] > check_lo(o, i) && s->u[i] < check_hi(o, i))
                s->order[count++] = (uint32_t)i;
        for (int k = 0; k < PASSES_MAX && s->work < WORK_MAX && count > 0; k++)
            if (dual_pass(s, count) <= 0.01 * moved)
                break;
        dual_refresh(s);
        struct candidate trial = *candidate;
        trial.x = s->x;
        trial.gap = INFINITY;
        enum status status = certificate_duality(o, s->u, &trial, error);
        s->work += 20.0 * (double)o->a->nnz;
        if (status != STATUS_OK)
            return status;
        if (trial.gap < candidate->gap) {
            candidate->gap = trial.gap;
            candidate->f = trial.f;
            memcpy(candidate->x, s->x, o->d * sizeof *s->x);
            if (candidate->u)
                memcpy(candidate->u, s->u, o->n * sizeof *s->u);
        }
        if (candidate->gap <= 0.1 * objective_goal(o, candidate->f))
            break;
        if (free_intercept) {
            s->centre = s->x[o->d - 1];
            dual_refresh(s);
        }
    }
    return STATUS_OK;
}

enum status dual_solve(const struct objective *o, struct candidate *candidate, struct error *error)
{
    size_t n = o->n, d = o->d;
    snprintf(candidate->method, sizeof candidate->method, "dual coordinate descent");
    if (o->ridge == 0.0) {
        snprintf(candidate->reason, sizeof candidate->reason,
                 "no certificate: without l2, a loss with kinks is out of reach for %zu samples of %zu coordinates", n,
                 d);
        return STATUS_OK;
    }
    double *storage = vector_alloc(2 * n + 2 * d, error);
    uint32_t *order = calloc(n ? n : 1, sizeof *order);
    enum status status = STATUS_MEMORY;
    if (storage && order) {
        struct dual s = {.o = o,
                         .u = storage,
                         .norm2 = storage + n,
                         .v = storage + 2 * n,
                         .x = storage + 2 * n + d,
                         .order = order,
                         .hold = o->ridge,
                         .bits = 0x9e3779b97f4a7c15u};
        for (size_t i = 0; i < n; i++) {
            double norm = linear_row_norm(o->a, i, NULL);
            s.norm2[i] = norm * norm / o->ridge;
            if (d > o->penalized) /* the intercept's column is 1 */
                s.norm2[i] += 1.0 / (o->ridge_free > 0.0 ? o->ridge_free : s.hold) - 1.0 / o->ridge;
        }
        status = dual_iterate(&s, candidate, error);
    } else {
        error_memory(error, n * sizeof *order, "the dual problem");
    }
    free(storage);
    free(order);
    return status;
}
