/* Proofs of F(x) - F* <= gap, evaluated in long double so that their rounding is far below what they prove.
 *
 * Duality. For any u, with v = -A'u/n (Fenchel; Rockafellar, Convex Analysis, section 31),
 *   F(x) - F* <= (1/n) sum_i [phi(z_i) + phi*(u_i) - u_i z_i] + [R(x) + R*(v) - v.x],      z = A x,
 * R the penalties. Every bracket is >= 0 and is summed in a form without cancellation. With u_i = phi'(z_i) the losses'
 * bracket is 0, so a smooth loss needs no dual variables. Per coordinate, with t = sign(v) max(|v| - l1, 0):
 *   R*(v) = t^2 / (2 ridge)         where ridge > 0
 *         = X |t|                   where only a bound |x*_j| <= X is known (coordinates without a ridge), which prices
 *                                   the rounding of v instead of asking for v = 0 exactly
 *   on the ball: the least over lambda >= 0 of t^2 / (2 (ridge + lambda)) + lambda radius^2 / 2; any lambda is valid.
 * The bounds X come from F(x*) <= F(x): see penalized_bound and free_bound.
 *
 * Bare problems (no penalty, no ball) have no X. For the check losses the rows E whose u_i lies inside the box by m_i >
 * 0 hold x: perturbing u_i by c m_i sign(a_i.h) in phi >= u (z - y) gives, for every h and 0 <= c <= 1, F(x + h) >=
 * F(x) - (bracket of the losses) - (c/n) sum_E m_i |z_i - y_i| + c kappa |h_E| - v.h, kappa = the smallest nonzero
 * singular value of diag(m) A_E / n, h_E the part of h in the row space of A_E. When the rows with u_i != 0, of which v
 * is made, lie in that space, v.h = v.h_E and c = |v| / kappa <= 1 proves the gap. For the absolute loss |A (x* - x)|_1
 * / n <= 2 F(x) bounds |x* - x| as well. */
#include <stdlib.h>

#include "reference_internal.h"

static long double loss_long(const struct objective *o, long double z, double y)
{
    long double margin = y * z, r = z - y;
    if (o->kind == LOSS_SQUARES)
        return 0.5L * r * r;
    if (o->kind == LOSS_LOGISTIC)
        return fmaxl(-margin, 0.0L) + log1pl(expl(-fabsl(margin)));
    return o->classification ? fmaxl(0.0L, 1.0L - margin) : fabsl(r);
}

/* Smooth losses only. */
static long double slope_long(const struct objective *o, long double z, double y)
{
    if (o->kind == LOSS_SQUARES)
        return z - y;
    long double margin = y * z, tail = expl(-fabsl(margin));
    return -y * ((margin >= 0.0L ? tail : 1.0L) / (1.0L + tail));
}

/* F(x). z[n] receives A x. */
static long double value_long(const struct objective *o, const double *x, long double *z)
{
    long double mean = 0.0L, penalty = 0.0L;
    for (size_t i = 0; i < o->n; i++) {
        z[i] = linear_row_dot_long(o->a, i, x);
        mean += loss_long(o, z[i], o->y[i]);
    }
    for (size_t j = 0; j < o->d; j++) {
        penalty += 0.5L * objective_ridge(o, j) * x[j] * x[j];
        if (j < o->penalized)
            penalty += (long double)o->l1 * fabsl((long double)x[j]);
    }
    return mean / (long double)o->n + penalty;
}

void pull_into_ball(const struct objective *o, double *x)
{
    long double norm2 = 0.0L, radius2 = (long double)o->radius * o->radius;
    if (isinf(o->radius))
        return;
    for (size_t j = 0; j < o->d; j++)
        norm2 += (long double)x[j] * x[j];
    long double factor = norm2 > radius2 ? sqrtl(radius2 / norm2) : 1.0L;
    while (norm2 > radius2) {
        norm2 = 0.0L;
        for (size_t j = 0; j < o->d; j++) {
            x[j] = (double)(x[j] * factor);
            norm2 += (long double)x[j] * x[j];
        }
        factor = 1.0L - 0x1p-53L;
    }
}

static long double *long_alloc(size_t count, struct error *error)
{
    long double *vector = calloc(count ? count : 1, sizeof *vector);
    if (!vector)
        error_memory(error, count * sizeof *vector, "a certificate");
    return vector;
}

enum status certificate_value(const struct objective *o, const double *x, double *value, double *gradient,
                              struct error *error)
{
    size_t n = o->n, d = o->d;
    if (o->softmax) {
        softmax_value(o->softmax, x, value, gradient);
        return STATUS_OK;
    }
    long double *z = long_alloc(n + 2 * d, error);
    if (!z)
        return STATUS_MEMORY;
    long double *v = z + n;
    enum status status = STATUS_OK;
    *value = (double)value_long(o, x, z);
    if (gradient) {
        for (size_t i = 0; i < n; i++)
            z[i] = slope_long(o, z[i], o->y[i]);
        status = linear_mean_long(o->a, z, v, v + d, error);
        for (size_t j = 0; j < d; j++)
            gradient[j] = (double)(v[j] + (long double)objective_ridge(o, j) * x[j]);
    }
    free(z);
    return status;
}

/* |x*_P| from F(x*) <= f: every loss is >= 0. Also a bound of |x*_P|_1 where only l1 holds x*. */
static double penalized_bound(const struct objective *o, double f)
{
    double bound = o->radius;
    if (o->ridge > 0.0)
        bound = fmin(bound, sqrt(2.0 * f / o->ridge));
    if (o->l1 > 0.0)
        bound = fmin(bound, f / o->l1);
    return bound * (1.0 + 1e-12);
}

/* |x*_F| of an intercept without penalty, from the mean loss f at most. Logistic and hinge: phi >= -y z, so the mean of
 * -y z over one class of n_c samples is at most f n / n_c. Absolute: the mean of |z - y| is at most f; squares: at most
 * sqrt(2 f). INFINITY when a class is missing. mean[d] is overwritten. */
static double free_bound(const struct objective *o, double f, double *mean)
{
    double bound = 0.0, rho = penalized_bound(o, f);
    for (int side = -1; side <= 1; side += 2) {
        double members = 0.0, target = 0.0;
        for (size_t j = 0; j < o->d; j++)
            mean[j] = 0.0;
        for (size_t i = 0; i < o->n; i++)
            if (!o->classification || o->y[i] == side) {
                members += 1.0;
                target += o->y[i];
                matrix_row_axpy(o->a, i, 1.0, mean);
            }
        if (members == 0.0)
            return INFINITY;
        double reach = vector_norm(o->penalized, mean) / members * rho;
        if (o->classification)
            reach += f * (double)o->n / members;
        else
            reach += fabs(target / members) + (o->kind == LOSS_SQUARES ? sqrt(2.0 * f) : f);
        bound = fmax(bound, reach);
    }
    return fmin(bound, o->radius) * (1.0 + 1e-12);
}

/* The multiplier of the ball: the zero of the falling function sum t_P^2/(ridge + lambda)^2 + t_F^2/(ridge_free +
 * lambda)^2 - radius^2, or 0 when it is negative throughout. */
static long double ball_multiplier(const struct objective *o, long double squares, long double squares_free)
{
    long double low = 0.0L, high = sqrtl(squares + squares_free) / o->radius;
    if (high == 0.0L)
        return 0.0L;
    for (int k = 0; k < 200; k++) {
        long double middle = 0.5L * (low + high), p = o->ridge + middle, q = o->ridge_free + middle;
        if (squares / (p * p) + squares_free / (q * q) > (long double)o->radius * o->radius)
            low = middle;
        else
            high = middle;
    }
    return high;
}

/* The penalties' bracket R(x) + R*(v) - v.x. f: F(x). */
static long double penalty_gap(const struct objective *o, const double *x, const long double *v,
                               const long double *slack, double f, double *scratch)
{
    long double total = 0.0L, squares = 0.0L, squares_free = 0.0L, norm2 = 0.0L, worst = 0.0L;
    double x_free = 0.0;
    for (size_t j = 0; j < o->d; j++) {
        long double t = fmaxl(fabsl(v[j]) - (j < o->penalized ? o->l1 : 0.0), 0.0L) + slack[j];
        *(j < o->penalized ? &squares : &squares_free) += t * t;
        norm2 += (long double)x[j] * x[j];
    }
    long double lambda = 0.0L;
    if (isfinite(o->radius)) {
        lambda = ball_multiplier(o, squares, squares_free);
        total = 0.5L * lambda * fmaxl((long double)o->radius * o->radius - norm2, 0.0L);
    }
    for (size_t j = 0; j < o->d; j++) {
        double l1 = j < o->penalized ? o->l1 : 0.0;
        long double t = copysignl(fmaxl(fabsl(v[j]) - l1, 0.0L), v[j]), hold = objective_ridge(o, j) + lambda;
        long double rest = l1 * fabsl((long double)x[j]) - x[j] * (v[j] - t);
        if (hold > 0.0L) {
            long double miss = fabsl(hold * x[j] - t) + slack[j];
            total += miss * miss / (2.0L * hold) + fmaxl(rest, 0.0L) + slack[j] * fabsl((long double)x[j]);
        } else {
            if (j < o->penalized)
                worst = fmaxl(worst, fabsl(t) + slack[j]);
            else
                x_free = (double)(fabsl(t) + slack[j]);
            total += fmaxl(rest, 0.0L) + fabsl(x[j] * t) + slack[j] * fabsl((long double)x[j]);
        }
    }
    if (worst > 0.0L)
        total += worst * penalized_bound(o, f);
    if (x_free > 0.0)
        total += (long double)x_free * free_bound(o, f, scratch);
    return total;
}

/* Smallest singular value of diag(sqrt(weight)) A on the complement of null (a lower bound; 0: none). h[d][d] scratch.
 */
static double smallest_singular(const struct objective *o, const struct null_space *null, const double *weight,
                                double *h, double *scale)
{
    linear_gram(o->a, weight, h);
    double typical = dense_typical(o->d, h);
    null_space_fill(null, o->d, typical, h);
    for (size_t j = 0; j < o->d; j++)
        scale[j] = typical;
    return dense_factor(o->d, h) ? sqrt(dense_smallest(o->d, h, scale) * typical) : 0.0;
}

/* The rows with u_i != 0 are orthogonal to null, to rounding. */
static bool duals_avoid(const struct objective *o, const double *u, const struct null_space *null)
{
    for (size_t i = 0; i < o->n && null->count > 0; i++)
        for (size_t r = 0; r < null->count && u[i] != 0.0; r++)
            if (fabs(matrix_row_dot(o->a, i, null->basis + r * o->d)) > 1e-9 * linear_row_norm(o->a, i, NULL))
                return false;
    return true;
}

/* Bare check losses, see the head of the file. losses: their bracket; residual: |v|. INFINITY when nothing is proved.
 */
static enum status bare_gap(const struct objective *o, const double *u, const long double *z, long double losses,
                            long double residual, double f, long double *gap, struct error *error)
{
    size_t n = o->n, d = o->d;
    struct null_space inner = {0}, whole = {0};
    double *weight = vector_alloc(2 * n + d * d + d, error);
    if (!weight)
        return STATUS_MEMORY;
    double *inside = weight + n, *h = inside + n, *scale = h + d * d;
    long double held = 0.0L;
    for (size_t i = 0; i < n; i++) {
        inside[i] = fmin(u[i] - check_lo(o, i), check_hi(o, i) - u[i]);
        inside[i] = inside[i] > 1e-6 ? inside[i] : 0.0;
        held += inside[i] * fabsl(z[i] - o->y[i]) / (long double)n;
        weight[i] = inside[i] > 0.0 ? 1.0 : 0.0;
    }
    enum status status = null_space_find(o->a, weight, &inner, error);
    if (status == STATUS_OK && inner.count < d && duals_avoid(o, u, &inner)) {
        for (size_t i = 0; i < n; i++)
            weight[i] = inside[i] * inside[i];
        double kappa = smallest_singular(o, &inner, weight, h, scale) / (double)n;
        if (kappa > 0.0 && residual <= kappa)
            *gap = losses + residual / kappa * held;
    }
    if (status == STATUS_OK && !o->classification) {
        for (size_t i = 0; i < n; i++)
            weight[i] = 1.0;
        status = null_space_find(o->a, weight, &whole, error);
        double sigma = status == STATUS_OK ? smallest_singular(o, &whole, weight, h, scale) : 0.0;
        if (sigma > 0.0)
            *gap = fminl(*gap, losses + residual * 2.0L * (long double)n * f / sigma);
    }
    free(inner.basis);
    free(whole.basis);
    free(weight);
    return status;
}

enum status certificate_duality(const struct objective *o, const double *u, struct candidate *candidate,
                                struct error *error)
{
    size_t n = o->n, d = o->d;
    const double *x = candidate->x;
    long double *z = long_alloc(2 * n + 2 * d, error);
    double *scratch = vector_alloc(d, error);
    enum status status = STATUS_MEMORY;
    if (!z || !scratch)
        goto done;
    long double *dual = z + n, *v = dual + n, *slack = v + d, f = value_long(o, x, z), gap = 0.0L;
    for (size_t i = 0; i < n; i++) {
        dual[i] = o->kind == LOSS_CHECK ? (long double)u[i] : slope_long(o, z[i], o->y[i]);
        if (o->kind == LOSS_CHECK)
            gap += fmaxl(loss_long(o, z[i], o->y[i]) - dual[i] * (z[i] - o->y[i]), 0.0L);
    }
    gap /= (long double)n;
    if ((status = linear_mean_long(o->a, dual, v, slack, error)) != STATUS_OK)
        goto done;
    for (size_t j = 0; j < d; j++)
        v[j] = -v[j];
    candidate->f = (double)f;
    if (!objective_bare(o)) {
        gap += penalty_gap(o, x, v, slack, (double)f, scratch);
    } else if (o->kind == LOSS_CHECK) {
        long double residual = 0.0L;
        for (size_t j = 0; j < d; j++)
            residual += (fabsl(v[j]) + slack[j]) * (fabsl(v[j]) + slack[j]);
        long double losses = gap;
        gap = INFINITY;
        /* The proof costs eigenvectors: not before it can succeed, nor where they are out of reach. */
        if (losses <= 100.0 * objective_goal(o, (double)f) && objective_dense(o))
            status = bare_gap(o, u, z, losses, sqrtl(residual), (double)f, &gap, error);
    } else {
        gap = INFINITY;
    }
    /* F >= 0; then what the sums above and the rounding of f to double may have lost. */
    gap = fminl(gap, f) + 0x1p-52L * fabsl(f);
    candidate->gap = fmin(candidate->gap, (double)gap);
done:
    free(z);
    free(scratch);
    return status;
}

/* Logistic: the third derivative along h is at most |a_i.h| <= R |h| times the second (Bach 2010, Self-concordant
 * analysis for logistic regression, eq. 2), so with m the curvature at x, F(x + h) >= F(x) - |g||h| + m |h|^2
 * psi(R|h|), psi(c) = (exp(-c) + c - 1) / c^2 >= 0.41 for c <= 1/2. With rho = 4 |g| / m and R rho <= 1/2 this is above
 * F(x) on the sphere |h| = rho: a minimiser lies inside, and F(x) - F* <= |g|^2 / (4 psi m) <= |g|^2 / m. */
enum status certificate_gradient(const struct objective *o, const double *scale, double curvature,
                                 struct candidate *candidate, struct error *error)
{
    size_t d = o->d;
    double *gradient = vector_alloc(d, error);
    if (!gradient)
        return STATUS_MEMORY;
    enum status status = certificate_value(o, candidate->x, &candidate->f, gradient, error);
    double largest = 0.0, squares = 0.0, gap = INFINITY;
    for (size_t i = 0; i < o->n; i++) {
        double norm = linear_row_norm(o->a, i, scale);
        largest = fmax(largest, norm);
        squares += norm * norm / (double)o->n;
    }
    double norm2 = 0.0, x2 = 0.0, plain2 = vector_dot(d, gradient, gradient);
    for (size_t j = 0; j < d; j++) {
        norm2 += gradient[j] * gradient[j] / scale[j];
        x2 += candidate->x[j] * candidate->x[j] * scale[j];
    }
    /* Rounding: of z by at most d 2^-64 |a_i||x|, which reaches the gradient through the curvature; of the sums. */
    double rounding = o->loss->curvature_max * (double)d * 0x1p-63 * squares * sqrt(x2);
    double norm = sqrt(norm2) * (1.0 + 1e-12) + rounding;
    double ridge = o->penalized < d ? fmin(o->ridge, o->ridge_free) : o->ridge, top = 0.0;
    for (size_t j = 0; j < d; j++)
        top = fmax(top, scale[j]);
    if (o->kind == LOSS_SQUARES && curvature > 0.0)
        gap = norm * norm / (2.0 * curvature);
    else if (curvature > 0.0 && 8.0 * largest * norm <= curvature)
        gap = norm * norm / curvature;
    if (ridge > 0.0) { /* everywhere at least this curved, whatever the loss */
        double plain = sqrt(plain2) * (1.0 + 1e-12) + rounding * sqrt(top);
        gap = fmin(gap, plain * plain / (2.0 * ridge));
    }
    gap = fmin(gap, candidate->f) + 0x1p-52 * fabs(candidate->f); /* F >= 0; f was rounded to double */
    candidate->gap = fmin(candidate->gap, gap);
    free(gradient);
    return status;
}
