/* The certified optimum of softmax regression with l2 on the weights: Newton with conjugate gradients
 * (reference_newton_cg.c), whose products run through the model, and a proof by duality in long double, which trusts
 * neither. x = W [input][class], then b.
 *
 * With p_i = softmax(z_i) + delta_i, any delta_i that sums to 0 over the classes and leaves p_i >= 0, and V = (1/n)
 * sum_i a_i (p_i - e_y)', Fenchel's duality gives, if also sum_i (p_i - e_y) = 0 (the biases are free),
 *   F(x) - F* <= (1/n) sum_i KL(p_i || softmax(z_i)) + |V + l2 W|^2 / (2 l2).
 * At delta = 0 the sum over i is n times the biases' gradient g_b, all but 0. It is made 0 by moving t_c = n |g_bc|
 * from or to class c, the other end being one class r, in the one sample i(c) where both have most mass; q is the least
 * mass in use. Then KL <= chi^2 makes the first term at most 2 (sum_c t_c)^2 / (q n), and V moves by at most sum_c
 * sqrt(2) |g_bc| |a_i(c)|: both terms are of second order in the gradient. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "curvature.h"
#include "model.h"
#include "reference.h"
#include "reference_internal.h"

struct softmax {
    const struct problem *problem;
    const struct matrix *a;
    size_t n, features, classes, d;
    struct curvature *curvature;
    double *v, *product; /* d, aligned */
    long double *z, *p;  /* classes each */
    long double *sum;    /* d */
};

bool softmax_serves(const struct problem *problem)
{
    const struct model_type *model = problem->type->model;
    return model && model->softmax && problem->l2 > 0.0 && problem->l1 == 0.0 && isinf(problem->radius);
}

/* z and p of sample i; returns its loss. */
static long double sample(struct softmax *s, const double *x, size_t i)
{
    const double *value;
    const uint32_t *column;
    const size_t count = matrix_row(s->a, i, &value, &column), classes = s->classes;
    for (size_t c = 0; c < classes; c++)
        s->z[c] = x[s->features * classes + c];
    for (size_t k = 0; k < count; k++) {
        const double *w = x + (column ? column[k] : k) * classes;
        for (size_t c = 0; c < classes; c++)
            s->z[c] += (long double)value[k] * w[c];
    }
    long double most = s->z[0];
    for (size_t c = 1; c < classes; c++)
        most = fmaxl(most, s->z[c]);
    long double sum = s->p[0] = expl(s->z[0] - most);
    for (size_t c = 1; c < classes; c++)
        sum += s->p[c] = expl(s->z[c] - most);
    for (size_t c = 0; c < classes; c++)
        s->p[c] /= sum;
    return most + logl(sum) - s->z[(size_t)s->problem->data->y[i]];
}

/* sum[d] := the gradient, unless gradient is false; returns F(x). */
static long double evaluate(struct softmax *s, const double *x, bool gradient)
{
    const size_t classes = s->classes, weights = s->features * classes;
    const long double n = (long double)s->n, l2 = s->problem->l2;
    long double loss = 0.0L, squares = 0.0L;
    for (size_t j = 0; j < s->d; j++)
        s->sum[j] = 0.0L;
    for (size_t i = 0; i < s->n; i++) {
        loss += sample(s, x, i);
        if (!gradient)
            continue;
        const double *value;
        const uint32_t *column;
        const size_t count = matrix_row(s->a, i, &value, &column);
        s->p[(size_t)s->problem->data->y[i]] -= 1.0L;
        for (size_t k = 0; k < count; k++)
            for (size_t c = 0; c < classes; c++)
                s->sum[(column ? column[k] : k) * classes + c] += value[k] * s->p[c];
        for (size_t c = 0; c < classes; c++)
            s->sum[weights + c] += s->p[c];
    }
    for (size_t j = 0; j < s->d; j++)
        s->sum[j] /= n;
    for (size_t j = 0; j < weights; j++) {
        s->sum[j] += l2 * x[j];
        squares += (long double)x[j] * x[j];
    }
    return loss / n + 0.5L * l2 * squares;
}

void softmax_value(struct softmax *s, const double *x, double *value, double *gradient)
{
    *value = (double)evaluate(s, x, gradient != NULL);
    for (size_t j = 0; gradient && j < s->d; j++)
        gradient[j] = (double)s->sum[j];
}

/* ---- the Hessian ---- */

void softmax_hessian_at(struct softmax *s, const double *x, double *diagonal)
{
    const size_t classes = s->classes, weights = s->features * classes;
    curvature_at(s->curvature, s->problem, x, 1);
    for (size_t j = 0; j < s->d; j++)
        diagonal[j] = j < weights ? s->problem->l2 : 0.0;
    for (size_t i = 0; i < s->n; i++) {
        const double *value;
        const uint32_t *column;
        const size_t count = matrix_row(s->a, i, &value, &column);
        sample(s, x, i);
        for (size_t c = 0; c < classes; c++) {
            const double curvature = (double)(s->p[c] * (1.0L - s->p[c])) / (double)s->n;
            for (size_t k = 0; k < count; k++)
                diagonal[(column ? column[k] : k) * classes + c] += curvature * value[k] * value[k];
            diagonal[weights + c] += curvature;
        }
    }
}

void softmax_hessian_apply(struct softmax *s, const double *v, double *product, double *work)
{
    memcpy(s->v, v, s->d * sizeof *v);
    curvature_product(s->curvature, s->v, s->product);
    memcpy(product, s->product, s->d * sizeof *product);
    *work += 4.0 * (double)s->a->nnz * (double)s->classes + (double)s->d;
}

enum status softmax_smoothness(const struct problem *problem, double *smoothness, struct error *error)
{
    static const struct scalar_loss half = {.curvature_max = 0.5};
    static const struct problem_type type = {.scalar = &half};
    struct dataset data = {.intercept = true};
    struct problem linear = *problem;
    double convexity;
    enum status status =
        matrix_gather(&problem->data->train, NULL, problem->data->train.rows, true, &data.train, error);
    linear.type = &type;
    linear.data = &data;
    linear.penalize_intercept = false;
    if (status == STATUS_OK)
        status = problem_constants(&linear, smoothness, &convexity, error);
    matrix_free(&data.train);
    return status;
}

/* ---- the certificate ---- */

/* What the sums of evaluate() may have lost: of an entry of the biases' gradient, of |that of the weights|, and of the
 * value (whose own sum over the samples comes on top). A z of size `size` (its terms' absolute values summed up) errs
 * by (features + 2) 2^-64 of that, its p by twice as much and a few units of its own; a sum of n terms by n 2^-64 of
 * theirs. */
struct rounding {
    long double bias, weights, value;
};

static struct rounding rounding_of(const struct softmax *s, const double *x)
{
    const size_t classes = s->classes, weights = s->features * classes;
    const long double n = (long double)s->n;
    struct rounding r = {0};
    double largest_bias = 0.0, norm2 = 0.0;
    for (size_t c = 0; c < classes; c++)
        largest_bias = fmax(largest_bias, fabs(x[weights + c]));
    for (size_t j = 0; j < weights; j++)
        norm2 += x[j] * x[j];
    for (size_t i = 0; i < s->n; i++) {
        const double *value;
        const uint32_t *column;
        const size_t count = matrix_row(s->a, i, &value, &column);
        double size = largest_bias, a2 = 0.0;
        for (size_t k = 0; k < count; k++) {
            double largest = 0.0;
            for (size_t c = 0; c < classes; c++)
                largest = fmax(largest, fabs(x[(column ? column[k] : k) * classes + c]));
            size += fabs(value[k]) * largest;
            a2 += value[k] * value[k];
        }
        const long double z = ((long double)s->features + (long double)classes + 8.0L) * 0x1p-62L * (1.0L + size);
        r.bias += (z + n * 0x1p-62L) / n;
        r.weights += (z + n * 0x1p-62L) / n * sqrtl((long double)classes * a2);
        r.value += z / n;
    }
    r.weights += 0x1p-60L * s->problem->l2 * sqrtl(norm2);
    r.value += (long double)weights * 0x1p-62L * s->problem->l2 * norm2;
    return r;
}

/* The class whose p (1 - p) is largest on the whole: the one to move mass to and from. */
static size_t most_open(struct softmax *s, const double *x, long double *openness)
{
    for (size_t c = 0; c < s->classes; c++)
        openness[c] = 0.0L;
    for (size_t i = 0; i < s->n; i++) {
        sample(s, x, i);
        for (size_t c = 0; c < s->classes; c++)
            openness[c] += s->p[c] * (1.0L - s->p[c]);
    }
    size_t best = 0;
    for (size_t c = 1; c < s->classes; c++)
        best = openness[c] > openness[best] ? c : best;
    return best;
}

/* least := q, and reach := the largest |a_i(c)|. best[classes] is scratch. */
static void find_room(struct softmax *s, const double *x, size_t other, long double *best, double *norm,
                      long double *least, double *reach)
{
    *least = 1.0L;
    *reach = 0.0;
    for (size_t c = 0; c < s->classes; c++)
        best[c] = 0.0L;
    for (size_t i = 0; i < s->n; i++) {
        sample(s, x, i);
        for (size_t c = 0; c < s->classes; c++) {
            const long double room = fminl(s->p[c], s->p[other]);
            if (c != other && room > best[c]) {
                best[c] = room;
                norm[c] = linear_row_norm(s->a, i, NULL);
            }
        }
    }
    for (size_t c = 0; c < s->classes; c++)
        if (c != other) {
            *least = fminl(*least, best[c]);
            *reach = fmax(*reach, norm[c]);
        }
    *least *= 1.0L - 1e-9L;
    *reach *= 1.0 + 1e-9;
}

void softmax_certificate(struct softmax *s, struct candidate *candidate)
{
    const double *x = candidate->x;
    const size_t weights = s->features * s->classes;
    const long double n = (long double)s->n, l2 = s->problem->l2;
    const struct rounding rounding = rounding_of(s, x);
    long double squares = 0.0L, moved = 0.0L, least;
    double reach;
    const long double f = evaluate(s, x, true);
    for (size_t j = 0; j < weights; j++)
        squares += s->sum[j] * s->sum[j];
    for (size_t c = 0; c < s->classes; c++)
        moved += fabsl(s->sum[weights + c]) + rounding.bias;
    candidate->f = (double)f;
    /* s->sum and the vectors of the products are free from here on. */
    const size_t other = most_open(s, x, s->sum);
    find_room(s, x, other, s->sum, s->v, &least, &reach);
    if (!(n * moved <= least))
        return;
    const long double g = sqrtl(squares) * (1.0L + 1e-15L) + rounding.weights + sqrtl(2.0L) * moved * reach;
    long double gap = 2.0L * n * moved * moved / least + g * g / (2.0L * l2) + rounding.value + n * 0x1p-62L * f;
    gap = fminl(gap * (1.0L + 1e-12L), f) + 0x1p-52L * fabsl(f); /* F >= 0; f was rounded to double */
    candidate->gap = fmin(candidate->gap, (double)gap);
}

/* ---- the solver ---- */

/* Without a sample of some class its bias runs away. */
static bool class_missing(const struct softmax *s, struct candidate *candidate, struct error *error,
                          enum status *status)
{
    size_t *members = calloc(s->classes, sizeof *members);
    if (!members) {
        *status = error_memory(error, s->classes * sizeof *members, "the certified optimum");
        return true;
    }
    for (size_t i = 0; i < s->n; i++)
        members[(size_t)s->problem->data->y[i]]++;
    for (size_t c = 0; c < s->classes && !candidate->none; c++)
        if (members[c] == 0) {
            candidate->none = true;
            snprintf(candidate->reason, sizeof candidate->reason,
                     "class %zu has no training samples and the biases are not penalised: the infimum is not attained",
                     c);
        }
    free(members);
    return candidate->none;
}

static enum status open(struct softmax *s, struct error *error)
{
    const size_t padded = matrix_stride(s->d);
    s->v = aligned_alloc(64, 2 * padded * sizeof *s->v);
    s->sum = calloc(s->d + 2 * s->classes, sizeof *s->sum);
    if (!s->v || !s->sum)
        return error_memory(error, 3 * s->d * sizeof *s->sum, "the certified optimum");
    memset(s->v, 0, 2 * padded * sizeof *s->v);
    s->product = s->v + padded;
    s->z = s->sum + s->d;
    s->p = s->z + s->classes;
    return curvature_open(s->problem, false, &s->curvature, error);
}

enum status softmax_solve(const struct problem *problem, struct candidate *candidate, double *goal, struct error *error)
{
    struct softmax s = {.problem = problem,
                        .a = &problem->data->train,
                        .n = problem->data->train.rows,
                        .features = problem->data->train.cols,
                        .classes = problem->data->classes,
                        .d = problem_dim(problem)};
    const struct objective o = {.kind = LOSS_SOFTMAX,
                                .softmax = &s,
                                .n = s.n,
                                .d = s.d,
                                .penalized = problem_penalized(problem),
                                .ridge = problem->l2,
                                .radius = INFINITY,
                                .floor = 1e-9 * log((double)s.classes)};
    enum status status = open(&s, error);
    if (status == STATUS_OK && !class_missing(&s, candidate, error, &status))
        status = newton_cg_solve(&o, candidate, error);
    if (status == STATUS_OK && !candidate->none) {
        double f;
        softmax_value(&s, candidate->x, &f, s.product);
        candidate->grad_norm = vector_norm(s.d, s.product);
    }
    *goal = objective_goal(&o, candidate->f);
    curvature_close(s.curvature);
    free(s.v);
    free(s.sum);
    return status;
}
