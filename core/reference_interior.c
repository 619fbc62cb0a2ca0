/* Mehrotra's predictor-corrector interior-point method for the problems with kinks, without a ball, by Cholesky.
 * Absolute and hinge losses and the l1 penalty are all of one form, max over lo <= u <= hi of u (z - kink), so one list
 * of "rows" (the samples, then the coordinates under l1) serves them all: with z - kink = p - q the conditions of
 * optimality are grad S(x) + B'u = 0,   p (hi - u) = 0,   q (u - lo) = 0, S the smooth part; each product is driven to
 * a falling mu. Eliminating p, q, u leaves a d x d system a step. References: Mehrotra 1992; Portnoy and Koenker 1997
 * for the check losses. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reference_internal.h"

enum { STEPS_MAX = 120, STALLS_MAX = 3 };

struct interior {
    const struct objective *o;
    const struct null_space *null;
    size_t checks, rows; /* rows: checks (n or 0) samples, then the coordinates under l1 (penalized or 0) */
    /* rows entries each. up = hi - u and down = u - lo are kept apart from u, which could not hold their last digits.
     * miss: B x - kink - (p - q); theta: p/up + q/down; e: du = (B dx + e) / theta; c1, c2: right-hand sides */
    double *lo, *hi, *p, *q, *u, *up, *down, *miss, *db, *dp, *dq, *du, *theta, *e, *c1, *c2;
    double *best_up, *best_down;            /* those of the best candidate */
    double *x, *dx, *rhs, *smooth, *matrix; /* d each, d x d */
    double *z, *weight, *best_u;            /* n each */
    double first_mu, first_residual;
    double *storage;
};

static enum status interior_alloc(struct interior *s, struct error *error)
{
    const struct objective *o = s->o;
    double **by_row[] = {&s->lo, &s->hi, &s->p,  &s->q,     &s->u, &s->up, &s->down, &s->miss,    &s->db,
                         &s->dp, &s->dq, &s->du, &s->theta, &s->e, &s->c1, &s->c2,   &s->best_up, &s->best_down};
    double **by_dim[] = {&s->x, &s->dx, &s->rhs, &s->smooth}, **by_sample[] = {&s->z, &s->weight, &s->best_u};
    size_t row_arrays = sizeof by_row / sizeof by_row[0];
    double *next = vector_alloc(row_arrays * s->rows + 4 * o->d + 3 * o->n + o->d * o->d, error);
    if (!next)
        return STATUS_MEMORY;
    s->storage = next;
    for (size_t k = 0; k < row_arrays; k++, next += s->rows)
        *by_row[k] = next;
    for (size_t k = 0; k < 4; k++, next += o->d)
        *by_dim[k] = next;
    for (size_t k = 0; k < 3; k++, next += o->n)
        *by_sample[k] = next;
    s->matrix = next;
    return STATUS_OK;
}

/* out[rows] = B x; B is the data over the identity. */
static void rows_product(const struct interior *s, const double *x, double *out)
{
    if (s->checks > 0)
        linear_product(s->o->a, x, out);
    for (size_t k = s->checks; k < s->rows; k++)
        out[k] = x[k - s->checks];
}

/* out[d] += sign B'u. */
static void rows_add(const struct interior *s, const double *u, double sign, double *out)
{
    for (size_t k = 0; k < s->checks; k++)
        matrix_row_axpy(s->o->a, k, sign * u[k], out);
    for (size_t k = s->checks; k < s->rows; k++)
        out[k - s->checks] += sign * u[k];
}

static void interior_start(struct interior *s)
{
    const struct objective *o = s->o;
    double n = (double)o->n, size = 0.0, at_zero = 0.0;
    for (size_t i = 0; i < o->n; i++) {
        size += fabs(o->y[i]) / n;
        at_zero += o->loss->value(0.0, o->y[i]) / n;
    }
    size = size > 0.0 ? size : 1.0;
    at_zero = at_zero > 0.0 ? at_zero : 1.0;
    for (size_t k = 0; k < s->rows; k++) {
        bool sample = k < s->checks;
        double away = sample ? size : at_zero / (o->l1 * (double)o->penalized);
        s->lo[k] = sample ? check_lo(o, k) / n : -o->l1;
        s->hi[k] = sample ? check_hi(o, k) / n : o->l1;
        s->up[k] = s->down[k] = 0.5 * (s->hi[k] - s->lo[k]);
        double start = sample ? -o->y[k] : 0.0;
        s->p[k] = fmax(start, 0.0) + away;
        s->q[k] = fmax(-start, 0.0) + away;
    }
}

/* The mean product, mu. */
static double interior_mu(const struct interior *s)
{
    double sum = 0.0;
    for (size_t k = 0; k < s->rows; k++)
        sum += s->p[k] * s->up[k] + s->q[k] * s->down[k];
    return sum / (2.0 * (double)s->rows);
}

/* The system's matrix at x, factored, the gradient of S in `smooth`; false when singular.
 */
static bool interior_factor(struct interior *s)
{
    const struct objective *o = s->o;
    size_t d = o->d;
    double n = (double)o->n;
    linear_product(o->a, s->x, s->z);
    memset(s->smooth, 0, d * sizeof *s->smooth);
    for (size_t k = 0; k < s->rows; k++) {
        s->theta[k] = s->p[k] / s->up[k] + s->q[k] / s->down[k];
        s->u[k] = s->up[k] < s->down[k] ? s->hi[k] - s->up[k] : s->lo[k] + s->down[k];
        double product = k < s->checks ? s->z[k] - o->y[k] : s->x[k - s->checks];
        s->miss[k] = product - (s->p[k] - s->q[k]);
    }
    for (size_t i = 0; i < o->n; i++) {
        if (s->checks > 0) {
            s->weight[i] = 1.0 / s->theta[i];
        } else {
            s->weight[i] = o->loss->curvature(s->z[i], o->y[i]) / n;
            matrix_row_axpy(o->a, i, o->loss->slope(s->z[i], o->y[i]) / n, s->smooth);
        }
    }
    linear_gram(o->a, s->weight, s->matrix);
    for (size_t j = 0; j < d; j++) {
        double ridge = objective_ridge(o, j);
        s->smooth[j] += ridge * s->x[j];
        s->matrix[j * d + j] += ridge;
        if (s->rows > s->checks && j < o->penalized)
            s->matrix[j * d + j] += 1.0 / s->theta[s->checks + j];
    }
    null_space_fill(s->null, d, dense_typical(d, s->matrix), s->matrix);
    /* A few units in the last place keep the factor alive when the last directions sink below rounding. */
    for (size_t j = 0; j < d; j++)
        s->matrix[j * d + j] *= 1.0 + 1e-15;
    return dense_factor(d, s->matrix);
}

/* The Newton direction for the right-hand sides c1, c2. */
static void interior_direction(struct interior *s)
{
    const struct objective *o = s->o;
    size_t d = o->d;
    for (size_t k = 0; k < s->rows; k++) {
        s->e[k] = s->miss[k] - s->c1[k] / s->up[k] + s->c2[k] / s->down[k];
        s->du[k] = s->e[k] / s->theta[k];
    }
    for (size_t j = 0; j < d; j++)
        s->dx[j] = -s->smooth[j];
    rows_add(s, s->u, -1.0, s->dx);
    rows_add(s, s->du, -1.0, s->dx);
    null_space_project(s->null, d, s->dx);
    dense_solve(d, s->matrix, s->dx);
    null_space_project(s->null, d, s->dx);
    rows_product(s, s->dx, s->db);
    for (size_t k = 0; k < s->rows; k++) {
        s->du[k] = (s->db[k] + s->e[k]) / s->theta[k];
        s->dp[k] = (s->c1[k] + s->p[k] * s->du[k]) / s->up[k];
        s->dq[k] = (s->c2[k] - s->q[k] * s->du[k]) / s->down[k];
    }
}

/* The longest step that keeps value + step * change >= 0. */
static double shorten(double step, double value, double change)
{
    return value + step * change < 0.0 ? -value / change : step;
}

static double interior_length(const struct interior *s)
{
    double step = 1.0;
    for (size_t k = 0; k < s->rows; k++) {
        step = shorten(step, s->p[k], s->dp[k]);
        step = shorten(step, s->q[k], s->dq[k]);
        step = shorten(step, s->up[k], -s->du[k]);
        step = shorten(step, s->down[k], s->du[k]);
    }
    return step;
}

/* Right-hand sides for products `target`, with (second = 1) or without the second-order terms of the last direction. */
static void interior_aim(struct interior *s, double target, double second)
{
    for (size_t k = 0; k < s->rows; k++) {
        s->c1[k] = target - s->p[k] * s->up[k] + second * s->dp[k] * s->du[k];
        s->c2[k] = target - s->q[k] * s->down[k] - second * s->dq[k] * s->du[k];
    }
}

static void interior_move(struct interior *s, double step)
{
    for (size_t k = 0; k < s->rows; k++) {
        s->p[k] += step * s->dp[k];
        s->q[k] += step * s->dq[k];
        s->up[k] -= step * s->du[k];
        s->down[k] += step * s->du[k];
    }
    for (size_t j = 0; j < s->o->d; j++)
        s->x[j] += step * s->dx[j];
}

/* mu after a step, without taking it. */
static double interior_mu_after(const struct interior *s, double step)
{
    double sum = 0.0;
    for (size_t k = 0; k < s->rows; k++)
        sum += (s->p[k] + step * s->dp[k]) * (s->up[k] - step * s->du[k]) +
               (s->q[k] + step * s->dq[k]) * (s->down[k] + step * s->du[k]);
    return sum / (2.0 * (double)s->rows);
}

/* |grad S(x) + B'u| */
static double interior_residual(const struct interior *s)
{
    memcpy(s->rhs, s->smooth, s->o->d * sizeof *s->rhs);
    rows_add(s, s->u, 1.0, s->rhs);
    return vector_norm(s->o->d, s->rhs);
}

static void interior_step(struct interior *s)
{
    const struct objective *o = s->o;
    double mu = interior_mu(s);
    interior_aim(s, 0.0, 0.0);
    interior_direction(s);
    double ratio = interior_mu_after(s, interior_length(s)) / mu;
    /* Short steps (logistic loss) shrink mu faster than the residual; then mu waits, or the path is lost. */
    if (o->kind == LOSS_LOGISTIC && interior_residual(s) / s->first_residual > 1e3 * mu / s->first_mu)
        ratio = 1.0;
    interior_aim(s, ratio * ratio * ratio * mu, 1.0);
    interior_direction(s);
    double step = fmin(1.0, 0.995 * interior_length(s));
    if (o->kind == LOSS_LOGISTIC) {
        /* Within |change of z| <= 2 the curvature that the step was made with still says something. */
        double reach = 0.0;
        linear_product(o->a, s->dx, s->z);
        for (size_t i = 0; i < o->n; i++)
            reach = fmax(reach, fabs(s->z[i]));
        step = fmin(step, 2.0 / fmax(reach, 1e-300));
    }
    interior_move(s, step);
}

/* sum_i u_i = 0 is what an intercept without a ridge asks of the dual variables u[n]; rounding is spread over those
 * that have room in their box. */
static void centre_duals(const struct objective *o, double *u)
{
    for (int twice = 0; twice < 2; twice++) {
        long double excess = 0.0L, room = 0.0L;
        for (size_t i = 0; i < o->n; i++) {
            excess += u[i];
            room += fmin(u[i] - check_lo(o, i), check_hi(o, i) - u[i]);
        }
        if (!(fabsl(excess) < 1e-3L * room))
            return;
        for (size_t i = 0; i < o->n; i++)
            u[i] -= (double)(excess / room) * fmin(u[i] - check_lo(o, i), check_hi(o, i) - u[i]);
    }
}

/* Tries x with the current dual variables; keeps it when it proves more, or as much but for `allowance`. */
static enum status interior_try(struct interior *s, const double *x, double allowance, struct candidate *best,
                                struct error *error)
{
    const struct objective *o = s->o;
    struct candidate trial = *best;
    enum status status = STATUS_OK;
    trial.gap = INFINITY;
    trial.x = s->dx;
    memcpy(trial.x, x, o->d * sizeof *x);
    for (size_t i = 0; i < s->checks; i++)
        s->weight[i] = fmin(fmax((double)o->n * s->u[i], check_lo(o, i)), check_hi(o, i));
    if (s->checks > 0 && o->penalized < o->d && o->ridge_free == 0.0)
        centre_duals(o, s->weight);
    status = certificate_duality(o, s->weight, &trial, error);
    if (status == STATUS_OK && (trial.gap < best->gap + allowance || !isfinite(best->f))) {
        memcpy(best->x, trial.x, o->d * sizeof *x);
        memcpy(s->best_u, s->weight, s->checks * sizeof *s->best_u);
        memcpy(s->best_up, s->up, s->rows * sizeof *s->best_up);
        memcpy(s->best_down, s->down, s->rows * sizeof *s->best_down);
        best->gap = trial.gap;
        best->f = trial.f;
    }
    return status;
}

/* Newton's method on the support of s->x with the signs held: what is left of l1 there is linear. Smooth losses only.
 */
static enum status interior_support(struct interior *s, struct error *error)
{
    const struct objective *o = s->o;
    size_t d = o->d;
    double f;
    for (int k = 0; k < 3; k++) {
        enum status status = certificate_value(o, s->x, &f, s->rhs, error);
        if (status != STATUS_OK)
            return status;
        linear_product(o->a, s->x, s->z);
        for (size_t i = 0; i < o->n; i++)
            s->weight[i] = o->loss->curvature(s->z[i], o->y[i]) / (double)o->n;
        linear_gram(o->a, s->weight, s->matrix);
        for (size_t j = 0; j < d; j++) {
            s->matrix[j * d + j] += objective_ridge(o, j);
            if (j < o->penalized)
                s->rhs[j] += copysign(o->l1, s->x[j]);
            if (s->x[j] != 0.0)
                continue;
            s->rhs[j] = 0.0;
            for (size_t l = 0; l < d; l++)
                s->matrix[j * d + l] = s->matrix[l * d + j] = 0.0;
            s->matrix[j * d + j] = 1.0;
        }
        if (!dense_factor(d, s->matrix))
            return STATUS_OK;
        dense_solve(d, s->matrix, s->rhs);
        for (size_t j = 0; j < d; j++)
            s->x[j] -= s->rhs[j];
    }
    return STATUS_OK;
}

/* Coordinates that l1 clearly holds at 0 (their u well inside its box, x small) become 0. */
static enum status interior_snap(struct interior *s, struct candidate *best, struct error *error)
{
    const struct objective *o = s->o;
    double largest = 1e-6 * best->f / o->l1; /* |x|_1 <= F(x) / l1; all of x may be 0 */
    enum status status = STATUS_OK;
    for (size_t j = 0; j < o->penalized; j++)
        largest = fmax(largest, fabs(best->x[j]));
    memcpy(s->x, best->x, o->d * sizeof *s->x);
    for (size_t i = 0; i < s->checks; i++)
        s->u[i] = s->best_u[i] / (double)o->n;
    for (size_t k = s->checks; k < s->rows; k++)
        if (fmin(s->best_up[k], s->best_down[k]) > 1e-6 * o->l1 && fabs(s->x[k - s->checks]) < 1e-6 * largest)
            s->x[k - s->checks] = 0.0;
    if (s->checks == 0)
        status = interior_support(s, error);
    return status == STATUS_OK ? interior_try(s, s->x, 1e-3 * objective_goal(o, best->f), best, error) : status;
}

/* Bare check losses: the vertex. u near a bound moves onto it; x moves to where the other samples (the
 * basis) are on their kinks, and their u by the least that makes A'u = 0. */
static enum status interior_vertex(struct interior *s, struct candidate *best, struct error *error)
{
    const struct objective *o = s->o;
    size_t d = o->d;
    double n = (double)o->n;
    struct null_space null = {0};
    for (size_t i = 0; i < o->n; i++) {
        double nearest = fmin(s->best_up[i], s->best_down[i]);
        s->weight[i] = nearest * n > 1e-6 ? 1.0 : 0.0;
        s->u[i] = s->best_u[i] / n;
        if (s->weight[i] == 0.0)
            s->u[i] = s->best_up[i] < s->best_down[i] ? s->hi[i] : s->lo[i];
    }
    enum status status = null_space_find(o->a, s->weight, &null, error);
    linear_gram(o->a, s->weight, s->matrix);
    null_space_fill(&null, d, dense_typical(d, s->matrix), s->matrix);
    if (status != STATUS_OK || !dense_factor(d, s->matrix))
        goto done;
    /* From the part of x that the basis leaves free; 0 when there is none, so that a vertex at 0 is found exactly. */
    memcpy(s->x, best->x, d * sizeof *s->x);
    null_space_project(&null, d, s->x);
    for (size_t j = 0; j < d; j++)
        s->x[j] = best->x[j] - s->x[j];
    for (int k = 0; k < 2; k++) { /* twice: the second time corrects the first one's rounding */
        linear_product(o->a, s->x, s->z);
        for (size_t i = 0; i < o->n; i++)
            s->z[i] = s->weight[i] * (o->y[i] - s->z[i]);
        linear_product_t(o->a, s->z, s->dx);
        dense_solve(d, s->matrix, s->dx);
        linear_product_t(o->a, s->u, s->rhs);
        dense_solve(d, s->matrix, s->rhs);
        linear_product(o->a, s->rhs, s->z);
        for (size_t i = 0; i < o->n; i++)
            s->u[i] -= s->weight[i] * s->z[i];
        for (size_t j = 0; j < d; j++)
            s->x[j] += s->dx[j];
    }
    status = interior_try(s, s->x, 1e-3 * objective_goal(o, best->f), best, error);
done:
    free(null.basis);
    return status;
}

static enum status interior_iterate(struct interior *s, struct candidate *best, struct error *error)
{
    const struct objective *o = s->o;
    enum status status = STATUS_OK;
    double products = 2.0 * (double)s->rows;
    int stalls = 0;
    for (int k = 0; k < STEPS_MAX && stalls < STALLS_MAX && interior_factor(s); k++) {
        double mu = interior_mu(s), value = best->gap;
        if (!isfinite(mu))
            break;
        if (k == 0) {
            s->first_mu = mu;
            s->first_residual = fmax(interior_residual(s), 1e-300);
        }
        if (k == 0 || products * mu < 1e-3 * fmax(fabs(best->f), o->floor) || k % 10 == 0) {
            if ((status = interior_try(s, s->x, 0.0, best, error)) != STATUS_OK)
                return status;
            if (best->gap <= 1e-14 * fmax(fabs(best->f), o->floor))
                break;
            stalls = best->gap < 0.9 * value || products * mu > 1e-9 * fmax(fabs(best->f), o->floor) ? 0 : stalls + 1;
        }
        interior_step(s);
    }
    return status;
}

enum status interior_solve(const struct objective *o, const struct null_space *null, struct candidate *candidate,
                           struct error *error)
{
    size_t checks = o->kind == LOSS_CHECK ? o->n : 0;
    struct interior s = {.o = o, .null = null, .checks = checks, .rows = checks + (o->l1 > 0.0 ? o->penalized : 0)};
    enum status status = interior_alloc(&s, error);
    if (status != STATUS_OK)
        return status;
    snprintf(candidate->method, sizeof candidate->method, "interior point (Mehrotra)");
    candidate->f = INFINITY;
    interior_start(&s);
    status = interior_iterate(&s, candidate, error);
    if (status == STATUS_OK && s.rows > s.checks)
        status = interior_snap(&s, candidate, error);
    else if (status == STATUS_OK && objective_bare(o))
        status = interior_vertex(&s, candidate, error);
    if (candidate->u)
        memcpy(candidate->u, s.best_u, checks * sizeof *s.best_u);
    free(s.storage);
    return status;
}
