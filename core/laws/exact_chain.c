/* Expected gaps of problems that the moment recursion does not speak of: closed formulas, and distributions on lattices
 * moved on step by step. */
#include "laws/exact_chain.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_eigen.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_math.h>
#include <gsl/gsl_min.h>
#include <gsl/gsl_sf_gamma.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double NEGLIGIBLE = 1e-25; /* a probability that is dropped */
static const double KINK_SHARE = 1e-4;  /* of the iterates that may sit on a kink, where rounding decides the slope */

/* ---- mean estimation ---- */

enum status mean_estimation_open(const struct problem *problem, const double *x0, struct mean_estimation *out,
                                 struct error *error)
{
    const struct matrix *a = &problem->data->train;
    const size_t n = a->rows, d = a->cols;
    if (strcmp(problem->type->method.name, "linear") != 0 || !(problem->l2 > 0) || problem->l1 > 0 ||
        isfinite(problem->radius) || problem_penalized(problem) != d)
        return error_set(error, STATUS_UNSUPPORTED,
                         "mean estimation is the problem linear with l2 > 0 on all coordinates, without l1 and ball");
    double *mean = calloc(2 * d, sizeof *mean);
    if (!mean)
        return error_memory(error, 2 * d * sizeof *mean, "mean estimation");
    double *row = mean + d;
    *out = (struct mean_estimation){.l2 = problem->l2};
    for (size_t i = 0; i < n; i++)
        matrix_row_axpy(a, i, problem->data->y[i] / (double)n, mean);
    for (size_t i = 0; i < n; i++) {
        memset(row, 0, d * sizeof *row);
        matrix_row_axpy(a, i, problem->data->y[i], row);
        for (size_t j = 0; j < d; j++)
            out->noise += gsl_pow_2(row[j] - mean[j]) / (double)n;
    }
    for (size_t j = 0; j < d; j++)
        out->distance2 += gsl_pow_2(x0[j] + mean[j] / problem->l2);
    free(mean);
    return STATUS_OK;
}

void mean_estimation_gaps(const struct mean_estimation *m, double kappa, double eta, uint64_t steps, double *last,
                          double *mean)
{
    const double rate = eta * m->l2, rho = gsl_pow_2(1 - rate), t = (double)steps;
    const double floor = 0.5 * eta * kappa * m->noise / (2 - rate), excess = 0.5 * m->l2 * m->distance2 - floor;
    const double left = rho > 0 ? exp(t * log(rho)) : 0;
    *last = floor + excess * left;
    *mean = floor + excess * (1 - left) / ((1 - rho) * t);
}

/* ---- the textbook bound ---- */

double gradient_square_bound(const struct problem *problem)
{
    const struct matrix *a = &problem->data->train;
    /* the slope of a linear loss is y itself */
    const bool linear = strcmp(problem->type->method.name, "linear") == 0;
    const double slope = problem->type->scalar ? problem->type->scalar->slope_max : INFINITY;
    if (problem->l1 > 0 || problem->l2 > 0 || (!linear && !isfinite(slope)))
        return INFINITY;
    double *row = malloc(a->cols * sizeof *row), sum = 0;
    if (!row)
        return NAN;
    for (size_t i = 0; i < a->rows; i++) {
        memset(row, 0, a->cols * sizeof *row);
        matrix_row_axpy(a, i, linear ? problem->data->y[i] : slope, row);
        for (size_t j = 0; j < a->cols; j++)
            sum += row[j] * row[j] / (double)a->rows;
    }
    free(row);
    return sum;
}

/* ---- lattices ---- */

/* Points base + k h strictly inside the ball; those of the families that start at an end of the ball include the end.
 * An iterate that the projection puts on an end goes on from there. */
enum { FROM_START, FROM_LOW, FROM_HIGH, FAMILIES };
struct family {
    double base;
    long first, last; /* k */
    size_t offset;    /* state of k = first */
    long low, high;   /* k that can have mass; low > high: none */
};
struct state {
    double up, down, gap, x; /* probabilities of a move by h */
    bool kink;               /* within rounding of one */
};
struct lattice {
    double h, radius;
    struct family family[FAMILIES];
    size_t count;
    struct state *state;
    double *mass, *next;
};

static double slope_of(const struct problem *problem, size_t i, double x)
{
    const struct matrix *a = &problem->data->train;
    const double row = matrix_row_dot(a, i, &(double){1});
    return row * problem->type->scalar->slope(row * x, problem->data->y[i]);
}

/* The size that all slopes at x share, 0: they do not. */
static double common_slope(const struct problem *problem, double x)
{
    double size = 0;
    for (size_t i = 0; i < problem->data->train.rows; i++) {
        const double s = fabs(slope_of(problem, i, x));
        if (s > 0 && size > 0 && fabs(s - size) > 1e-12 * size)
            return 0;
        size = fmax(size, s);
    }
    return size;
}

/* Shares of samples that move the iterate up and down from x. */
static bool moves(const struct problem *problem, double x, double size, double *up, double *down)
{
    const double n = (double)problem->data->train.rows;
    *up = *down = 0;
    for (size_t i = 0; i < problem->data->train.rows; i++) {
        const double s = slope_of(problem, i, x);
        if (s != 0 && fabs(fabs(s) - size) > 1e-12 * size)
            return false;
        *up += (s < 0) / n;
        *down += (s > 0) / n;
    }
    return true;
}

/* Fills the states of a family. */
static enum status fill_family(const struct problem *problem, double f_star, double size, const struct lattice *l,
                               const struct family *family, struct error *error)
{
    for (long k = family->first; k <= family->last; k++) {
        struct state *s = &l->state[family->offset + (size_t)(k - family->first)];
        double up, down;
        s->x = family->base + (double)k * l->h;
        s->gap = problem_value(problem, &s->x, NULL) - f_star;
        if (!moves(problem, s->x, size, &s->up, &s->down))
            return error_set(error, STATUS_UNSUPPORTED, "the exact chain needs sample gradients of one size; x = %g",
                             s->x);
        for (int side = -1; side <= 1; side += 2)
            if (fabs(s->x) < l->radius * (1 - 1e-9))
                s->kink = s->kink || !moves(problem, s->x + side * 1e-9 * l->h, size, &up, &down) || up != s->up ||
                          down != s->down;
    }
    return STATUS_OK;
}

static enum status lattice_open(const struct problem *problem, double f_star, double start, double eta,
                                struct lattice *l, struct error *error)
{
    *l = (struct lattice){.radius = problem->radius};
    if (problem_dim(problem) != 1 || !isfinite(problem->radius) || problem->l1 > 0 || problem->l2 > 0 ||
        !problem->type->scalar || fabs(start) > problem->radius)
        return error_set(error, STATUS_UNSUPPORTED,
                         "the exact chain needs one dimension, a ball with the start in it, and no penalty");
    const double size = common_slope(problem, start), r = problem->radius;
    l->h = eta * size;
    if (!(l->h > 0) || !(2 * r / l->h < LATTICE_MAX / FAMILIES))
        return error_set(error, STATUS_UNSUPPORTED,
                         "the exact chain needs sample gradients of one size and a ball of less than %d steps",
                         LATTICE_MAX / FAMILIES);
    const double base[FAMILIES] = {start, -r, r}, slack = 1e-9;
    for (int f = 0; f < FAMILIES; f++) {
        struct family *family = &l->family[f];
        *family = (struct family){.base = base[f], .offset = l->count, .low = 1, .high = 0};
        family->first = f == FROM_LOW ? 0 : (long)floor((-r - base[f]) / l->h + slack) + 1;
        family->last = f == FROM_HIGH ? 0 : (long)ceil((r - base[f]) / l->h - slack) - 1;
        if (family->last >= family->first)
            l->count += (size_t)(family->last - family->first) + 1;
    }
    l->state = calloc(l->count, sizeof *l->state);
    l->mass = calloc(2 * l->count, sizeof *l->mass);
    if (!l->state || !l->mass)
        return error_memory(error, l->count * sizeof *l->state, "an exact chain");
    l->next = l->mass + l->count;
    enum status status = STATUS_OK;
    for (int f = 0; status == STATUS_OK && f < FAMILIES; f++)
        status = fill_family(problem, f_star, size, l, &l->family[f], error);
    return status;
}

/* Adds mass to point k of a family, or to the end of the ball that it lies on or beyond. */
static void put(struct lattice *l, int f, long k, double mass)
{
    if (mass == 0)
        return;
    if (k < l->family[f].first || k > l->family[f].last) {
        f = k < l->family[f].first ? FROM_LOW : FROM_HIGH;
        k = 0;
    }
    struct family *family = &l->family[f];
    l->next[family->offset + (size_t)(k - family->first)] += mass;
    const bool none = family->low > family->high;
    family->low = none || k < family->low ? k : family->low;
    family->high = none || k > family->high ? k : family->high;
}

static void lattice_step(struct lattice *l)
{
    struct family before[FAMILIES];
    memcpy(before, l->family, sizeof before);
    for (int f = 0; f < FAMILIES; f++) {
        l->family[f].low = 1;
        l->family[f].high = 0;
    }
    for (int f = 0; f < FAMILIES; f++)
        for (long k = before[f].low; k <= before[f].high; k++) {
            const size_t index = before[f].offset + (size_t)(k - before[f].first);
            const struct state *s = &l->state[index];
            const double mass = l->mass[index];
            l->mass[index] = 0;
            if (mass < NEGLIGIBLE)
                continue;
            put(l, f, k + 1, mass * s->up);
            put(l, f, k - 1, mass * s->down);
            put(l, f, k, mass * (1 - s->up - s->down));
        }
    double *empty = l->mass;
    l->mass = l->next;
    l->next = empty;
}

static double expected_gap(const struct lattice *l, double *square, double *kinks)
{
    double gap = 0, on_kinks = 0;
    *square = 0;
    for (int f = 0; f < FAMILIES; f++)
        for (long k = l->family[f].low; k <= l->family[f].high; k++) {
            const size_t index = l->family[f].offset + (size_t)(k - l->family[f].first);
            gap += l->mass[index] * l->state[index].gap;
            *square += l->mass[index] * gsl_pow_2(l->state[index].x);
            on_kinks += l->state[index].kink ? l->mass[index] : 0;
        }
    *kinks = fmax(*kinks, on_kinks);
    return gap;
}

enum status lattice_gaps(const struct problem *problem, double f_star, double start, double eta, uint64_t steps,
                         double *last, double *mean, double *square, struct error *error)
{
    struct lattice l;
    enum status status = lattice_open(problem, f_star, start, eta, &l, error);
    if (status == STATUS_OK) {
        double *const block = l.mass, unused = 0, *x2 = square ? square : &unused, sum = 0, kinks = 0;
        const bool low = start <= -problem->radius, high = start >= problem->radius;
        put(&l, low ? FROM_LOW : high ? FROM_HIGH : FROM_START, 0, 1);
        double *first = l.next;
        l.next = l.mass;
        l.mass = first;
        for (uint64_t t = 0; t < steps; t++) {
            sum += expected_gap(&l, x2, &kinks);
            lattice_step(&l);
        }
        *last = expected_gap(&l, x2, &kinks);
        *mean = steps > 0 ? sum / (double)steps : *last;
        l.mass = block;
        if (kinks > KINK_SHARE)
            status = error_set(error, STATUS_UNSUPPORTED,
                               "the iterates meet a kink of f, where rounding decides: choose a start off the lattice");
    }
    free(l.mass);
    free(l.state);
    return status;
}

/* ---- the walk that averaging pays a logarithm for ---- */

/* P(y), E[S; y], E[S^2; y] of S = sum of w_s (x_s - x*). */
struct walk {
    size_t size, used; /* states, those with mass */
    double *p, *s, *s2, *next;
};

/* The whole numbers r + b_i, and f'(x*). */
static enum status walk_steps(const struct problem *problem, double start, long *step, double *slope,
                              struct error *error)
{
    const struct matrix *a = &problem->data->train;
    const double r = problem->radius;
    double mean = 0;
    bool fine = problem->type->quadratic && problem_dim(problem) == 1 && isfinite(r) && problem->l1 <= 0 &&
                problem->l2 <= 0 && fabs(start) <= r;
    for (size_t i = 0; fine && i < a->rows; i++) {
        const double move = r + problem->data->y[i];
        step[i] = lround(move);
        fine = matrix_row_dot(a, i, &(double){1}) == 1 && fabs(move - (double)step[i]) < 1e-12 && move <= 2 * r &&
               fabs(move) < 1000;
        mean += problem->data->y[i] / (double)a->rows;
    }
    *slope = -r - mean;
    if (!fine || !(*slope > 0))
        return error_set(error, STATUS_UNSUPPORTED,
                         "this walk needs f_i = (x - b_i)^2/2 on [-r, r] with its minimum at -r, and r + b_i whole and "
                         "at most 2 r");
    return STATUS_OK;
}

/* Step `t` (from 1) with equal chances of all moves; weight: of x_t in the average. */
static void walk_step(struct walk *w, const long *move, size_t count, uint64_t t, double weight)
{
    double *p = w->next, *s = p + w->size, *s2 = s + w->size;
    size_t used = 0;
    memset(w->next, 0, 3 * w->size * sizeof *w->next);
    for (size_t y = 0; y < w->used; y++) {
        if (w->p[y] < NEGLIGIBLE)
            continue;
        for (size_t i = 0; i < count; i++) {
            const long to = (long)y + move[i];
            const size_t at = to > 0 ? (size_t)to : 0;
            if (at >= w->size)
                continue; /* its probability is below what is kept */
            p[at] += w->p[y] / (double)count;
            s[at] += w->s[y] / (double)count;
            s2[at] += w->s2[y] / (double)count;
            used = at + 1 > used ? at + 1 : used;
        }
    }
    for (size_t y = 0; y < used; y++) {
        const double term = weight * (double)y / (double)t;
        s2[y] += term * (2 * s[y] + term * p[y]);
        s[y] += term * p[y];
    }
    w->next = w->p;
    w->p = p;
    w->s = s;
    w->s2 = s2;
    w->used = used;
}

/* f = slope z + z^2/2 above its minimum, z = x - x*; of the average, or of the last iterate while nothing is averaged.
 */
static double walk_gap(const struct walk *w, double slope, double total, uint64_t t, double z0)
{
    double z = 0, z2 = 0;
    for (size_t y = 0; y < w->used; y++) {
        const double last = t > 0 ? (double)y / (double)t : z0;
        z += total > 0 ? w->s[y] / total : w->p[y] * last;
        z2 += total > 0 ? w->s2[y] / (total * total) : w->p[y] * last * last;
    }
    return slope * z + z2 / 2;
}

enum status walk_gaps(const struct problem *problem, double start, const struct averager_type *averager,
                      const struct param_values *values, uint64_t horizon, size_t points, const uint64_t *step,
                      double *gap, double *drift, struct error *error)
{
    enum { STATES = 4096 };
    const size_t count = problem->data->train.rows;
    long *move = malloc(count * sizeof *move);
    double *block = calloc(6 * STATES, sizeof *block), slope = 0;
    enum status status = STATUS_OK;
    if (!move || !block)
        status = error_memory(error, 6 * STATES * sizeof *block, "a walk");
    else
        status = walk_steps(problem, start, move, &slope, error);
    if (status == STATUS_OK) {
        struct walk w = {.size = STATES,
                         .used = 1,
                         .p = block,
                         .s = block + STATES,
                         .s2 = block + 2 * STATES,
                         .next = block + 3 * STATES};
        const double z0 = start + problem->radius, weight = averager->last ? 0 : averager->weight(values, 0, horizon);
        double total = weight;
        w.p[0] = 1;
        w.s[0] = weight * z0;
        w.s2[0] = w.s[0] * w.s[0];
        for (uint64_t t = 0, at = 0; at < points; t++) {
            if (t > 0) {
                const double next = averager->last ? 0 : averager->weight(values, t, horizon);
                walk_step(&w, move, count, t, next);
                total += next;
            }
            for (; at < points && step[at] == t; at++)
                gap[at] = walk_gap(&w, slope, total, t, z0);
        }
        if (drift) {
            *drift = 0;
            for (size_t y = 0; y < w.used; y++)
                *drift += slope * (double)y * w.p[y];
        }
    }
    free(block);
    free(move);
    return status;
}

/* ---- limits ---- */

enum status curvature_and_noise(const struct problem *problem, const double *x, double *lambda, double *noise,
                                struct error *error)
{
    const struct matrix *a = &problem->data->train;
    const struct scalar_loss *loss = problem->type->scalar;
    const size_t n = a->rows, d = a->cols, penalized = problem_penalized(problem);
    if (!loss || !loss->curvature || problem->l1 > 0 || isfinite(problem->radius))
        return error_set(error, STATUS_UNSUPPORTED,
                         "curvature needs a twice differentiable loss of a linear model, without l1 and ball");
    enum status status = STATUS_OK;
    double *block = calloc(3 * d * d + 2 * d, sizeof *block);
    gsl_eigen_symmv_workspace *workspace = gsl_eigen_symmv_alloc(d);
    if (!block || !workspace) {
        status = error_memory(error, (3 * d * d + 2 * d) * sizeof *block, "a Hessian");
        goto done;
    }
    double *h = block, *c = h + d * d, *u = c + d * d, *row = u + d * d, *mean = row + d;
    for (size_t i = 0; i < n; i++) {
        memset(row, 0, d * sizeof *row);
        matrix_row_axpy(a, i, 1, row);
        const double z = matrix_row_dot(a, i, x), y = problem->data->y[i], s = loss->slope(z, y);
        const double bend = loss->curvature(z, y);
        for (size_t j = 0; j < d; j++) {
            mean[j] += s * row[j] / (double)n;
            for (size_t k = 0; k < d; k++) {
                h[j * d + k] += bend * row[j] * row[k] / (double)n;
                c[j * d + k] += s * s * row[j] * row[k] / (double)n;
            }
        }
    }
    for (size_t j = 0; j < d; j++)
        for (size_t k = 0; k < d; k++)
            c[j * d + k] -= mean[j] * mean[k];
    for (size_t j = 0; j < penalized; j++)
        h[j * d + j] += problem->l2;
    gsl_matrix_view hessian = gsl_matrix_view_array(h, d, d), vectors = gsl_matrix_view_array(u, d, d);
    gsl_vector_view values = gsl_vector_view_array(lambda, d);
    if (gsl_eigen_symmv(&hessian.matrix, &values.vector, &vectors.matrix, workspace) != GSL_SUCCESS) {
        status = error_set(error, STATUS_NUMERICAL, "the eigenvalues of the Hessian did not converge");
        goto done;
    }
    gsl_eigen_symmv_sort(&values.vector, &vectors.matrix, GSL_EIGEN_SORT_VAL_ASC);
    for (size_t i = 0; i < d; i++) {
        noise[i] = 0;
        for (size_t j = 0; j < d; j++)
            for (size_t k = 0; k < d; k++)
                noise[i] += u[j * d + i] * c[j * d + k] * u[k * d + i];
    }
done:
    gsl_eigen_symmv_free(workspace);
    free(block);
    return status;
}

double inverse_time_constant(size_t d, const double *lambda, const double *noise, double c, double kappa)
{
    double sum = 0;
    for (size_t i = 0; i < d; i++) {
        if (!(2 * c * lambda[i] > 1))
            return NAN;
        sum += lambda[i] * c * c * noise[i] / (2 * c * lambda[i] - 1);
    }
    return kappa * sum / 2;
}

/* By Beta functions, Gamma(N - a)/Gamma(N) = B(N - a, a)/Gamma(a): differences of ln Gamma at large N have lost their
 * digits. */
double inverse_time_decay(double c_lambda, double t0, double t)
{
    return exp(gsl_sf_lnbeta(t + t0 - c_lambda, c_lambda) - gsl_sf_lnbeta(t0 - c_lambda, c_lambda));
}

static double two_point(double a, void *unused)
{
    (void)unused;
    return -2 * a * gsl_cdf_ugaussian_Q(a);
}

double two_point_constant(void)
{
    gsl_function f = {.function = two_point};
    double best = 0.75;
    gsl_min_fminimizer *minimizer = gsl_min_fminimizer_alloc(gsl_min_fminimizer_brent);
    if (minimizer && gsl_min_fminimizer_set(minimizer, &f, best, 0.1, 3) == GSL_SUCCESS) {
        for (int i = 0; i < 100; i++)
            if (gsl_min_fminimizer_iterate(minimizer) != GSL_SUCCESS)
                break;
        best = gsl_min_fminimizer_x_minimum(minimizer);
    }
    gsl_min_fminimizer_free(minimizer);
    return -two_point(best, NULL);
}
