/* The certified optimum of softmax regression: against the logistic one, which two classes are, against the gradient
 * from the definitions, and where there is none. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reference.h"
#include "registry.h"
#include "rng.h"

struct scene {
    struct dataset data;
    struct problem problem;
    struct reference *reference;
    struct error error;
};

static const struct problem_type *type_named(const char *name)
{
    const struct method *found = registry_find(METHOD_PROBLEM, name, NULL);
    cr_assert(found != NULL);
    return (const struct problem_type *)found;
}

/* Random rows; classes drawn with odds that depend on them. */
static void scene_open(struct scene *s, size_t n, size_t d, size_t classes)
{
    struct rng_stream stream = rng_stream(3, RNG_TEST, n, d);
    uint64_t *word = malloc(n * (d + 1) * sizeof *word);
    memset(s, 0, sizeof *s);
    s->data = (struct dataset){.task = TASK_MULTICLASS, .classes = classes, .y = calloc(n, sizeof(double))};
    cr_assert(word && s->data.y && matrix_alloc_dense(&s->data.train, n, d, NULL) == STATUS_OK);
    rng_words(&stream, 0, n * (d + 1), word);
    for (size_t i = 0; i < n; i++) {
        double *row = s->data.train.value + i * s->data.train.stride;
        for (size_t j = 0; j < d; j++)
            row[j] = (double)(word[i * (d + 1) + j] >> 11) * 0x1p-51 - 2;
        const double drawn = (double)(word[i * (d + 1) + d] >> 11) * 0x1p-53;
        s->data.y[i] = floor(fmin(fmax(drawn + 0.2 * row[0], 0), 0.999) * (double)classes);
    }
    s->problem =
        (struct problem){.type = type_named("softmax_regression"), .data = &s->data, .l2 = 0.05, .radius = INFINITY};
    free(word);
}

static void scene_close(struct scene *s)
{
    reference_free(s->reference);
    matrix_free(&s->data.train);
    free(s->data.y);
}

static void solve(struct scene *s)
{
    reference_free(s->reference);
    enum status status = reference_solve(&s->problem, &s->reference, &s->error);
    cr_assert(status == STATUS_OK, "%s", s->error.message);
}

static const struct reference *must_exist(struct scene *s)
{
    solve(s);
    const struct reference *r = s->reference;
    cr_assert(r->exists, "%s", r->reason);
    cr_assert(r->dim == problem_dim(&s->problem));
    cr_assert(r->gap >= 0 && r->gap <= 1e-12 * r->f, "gap %g of f = %g", r->gap, r->f);
    return r;
}

/* F and its gradient [features + 1][classes], as they are defined. */
static double value_of(const struct scene *s, const double *x, double *gradient)
{
    const struct matrix *a = &s->data.train;
    const size_t classes = s->data.classes, d = a->cols, dim = (d + 1) * classes;
    double loss = 0, z[16], squares = 0;
    memset(gradient, 0, dim * sizeof *gradient);
    for (size_t i = 0; i < a->rows; i++) {
        double sum = 0;
        double *row = calloc(d + 1, sizeof *row);
        matrix_row_axpy(a, i, 1, row);
        row[d] = 1;
        for (size_t c = 0; c < classes; c++) {
            z[c] = 0;
            for (size_t j = 0; j <= d; j++)
                z[c] += row[j] * x[j * classes + c];
            sum += exp(z[c]);
        }
        // cppcheck-suppress invalidFunctionArg ; there are classes
        loss += (log(sum) - z[(size_t)s->data.y[i]]) / (double)a->rows;
        for (size_t c = 0; c < classes; c++)
            for (size_t j = 0; j <= d; j++)
                gradient[j * classes + c] += (exp(z[c]) / sum - ((double)c == s->data.y[i])) * row[j] / (double)a->rows;
        free(row);
    }
    for (size_t j = 0; j < d * classes; j++) {
        squares += x[j] * x[j];
        gradient[j] += s->problem.l2 * x[j];
    }
    return loss + 0.5 * s->problem.l2 * squares;
}

static double norm_of(const double *v, size_t count)
{
    double sum = 0;
    for (size_t j = 0; j < count; j++)
        sum += v[j] * v[j];
    return sqrt(sum);
}

Test(optimum_softmax, stationary)
{
    static const size_t classes[] = {2, 3, 10};
    static const double l2[] = {1e-4, 0.05, 3};
    for (size_t k = 0; k < 3; k++)
        for (size_t q = 0; q < 3; q++) {
            struct scene s;
            double gradient[130];
            scene_open(&s, 300, 12, classes[k]);
            s.problem.l2 = l2[q];
            const struct reference *r = must_exist(&s);
            const double f = value_of(&s, r->x, gradient), norm = norm_of(gradient, r->dim);
            cr_expect(fabs(f - r->f) <= 1e-14 * f, "%.17g, by the definition %.17g", r->f, f);
            cr_expect(norm <= 1e-9 && r->grad_norm <= 1e-9, "|grad f| = %g, said to be %g", norm, r->grad_norm);
            cr_expect(r->convexity == 0 && r->smoothness > l2[q] && isfinite(r->smoothness));
            scene_close(&s);
        }
}

/* Two solvers, two certificates, one problem: neither may contradict the other. */
Test(optimum_softmax, two_classes_are_logistic)
{
    for (size_t k = 0; k < 4; k++) {
        struct scene s, logistic = {0};
        scene_open(&s, 200, 7, 2);
        s.problem.l2 = pow(10, -(double)k);
        const struct reference *r = must_exist(&s);
        /* w = W_1 - W_0; |W|^2 = |w|^2/2 when the two are opposite. */
        logistic.data = s.data;
        logistic.data.y = calloc(200, sizeof(double));
        cr_assert(matrix_gather(&s.data.train, NULL, 200, true, &logistic.data.train, NULL) == STATUS_OK);
        logistic.data.task = TASK_BINARY;
        logistic.data.intercept = true;
        for (size_t i = 0; i < 200; i++)
            logistic.data.y[i] = s.data.y[i] > 0 ? 1 : -1;
        logistic.problem = s.problem;
        logistic.problem.type = type_named("logistic_regression");
        logistic.problem.data = &logistic.data;
        logistic.problem.l2 = s.problem.l2 / 2;
        solve(&logistic);
        const struct reference *l = logistic.reference;
        cr_assert(l->exists, "%s", l->reason);
        cr_expect(r->f - r->gap <= l->f && l->f - l->gap <= r->f, "softmax %.17g - %g, logistic %.17g - %g", r->f,
                  r->gap, l->f, l->gap);
        for (size_t j = 0; j < 8; j++)
            cr_expect(fabs(r->x[2 * j + 1] - r->x[2 * j] - l->x[j]) <= 1e-7, "coordinate %zu", j);
        scene_close(&s);
        scene_close(&logistic);
    }
}

/* The largest eigenvalue of the Hessian at 0, (1/C) (I - J/C) kron (a a' mean), is 1/C of that of the data: the bound
 * of 1/2 is attained up to rounding for two classes. */
Test(optimum_softmax, smoothness)
{
    struct scene s;
    scene_open(&s, 50, 1, 2);
    for (size_t i = 0; i < 50; i++)
        s.data.train.value[i * s.data.train.stride] = i % 2 ? 3 : -3;
    solve(&s);
    cr_expect(fabs(s.reference->smoothness - (0.5 * 9 + s.problem.l2)) <= 1e-12, "%.17g", s.reference->smoothness);
    scene_close(&s);
}

Test(optimum_softmax, layouts)
{
    struct scene s;
    struct matrix sparse;
    scene_open(&s, 150, 9, 4);
    for (size_t i = 0; i < 150; i++)
        for (size_t j = 0; j < 9; j++)
            s.data.train.value[i * s.data.train.stride + j] *= (i + j) % 3 == 0;
    const double f = must_exist(&s)->f;
    cr_assert(matrix_to_sparse(&s.data.train, &sparse, NULL) == STATUS_OK);
    matrix_free(&s.data.train);
    s.data.train = sparse;
    cr_expect(fabs(must_exist(&s)->f - f) <= 1e-15 * f + s.reference->gap);
    scene_close(&s);
}

static void expect_none(struct scene *s, const char *reason)
{
    solve(s);
    cr_expect(!s->reference->exists && strstr(s->reference->reason, reason) != NULL, "%s", s->reference->reason);
}

Test(optimum_softmax, none)
{
    struct scene s;
    scene_open(&s, 60, 3, 3);
    s.problem.l2 = 0;
    expect_none(&s, "certified with l2");
    s.problem.l2 = 0.1;
    s.problem.l1 = 0.1;
    expect_none(&s, "certified with l2, and without l1");
    s.problem.l1 = 0;
    s.problem.radius = 1;
    expect_none(&s, "a radius");
    s.problem.radius = INFINITY;
    s.data.classes = 4;
    expect_none(&s, "class 3 has no training samples");
    scene_close(&s);
}
