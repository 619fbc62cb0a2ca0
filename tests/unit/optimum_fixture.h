/* Small problems for the tests of the certified optimum: data given row by row, one descriptor per loss, random numbers
 * that are the same everywhere. */
#ifndef SGDLAB_OPTIMUM_FIXTURE_H
#define SGDLAB_OPTIMUM_FIXTURE_H

#include <criterion/criterion.h>
#include <float.h>
#include <gsl/gsl_errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reference.h"
#include "scalar_loss.h"

/* LOSSES: those of the general solvers, >= 0. */
enum loss { SQUARES, LOGISTIC, HINGE, ABSOLUTE, LOSSES, LINEAR = LOSSES, QUARTIC, ALL_LOSSES };

static const struct problem_type loss_types[ALL_LOSSES] = {
    [SQUARES] = {.method = {.name = "squares"}, .scalar = &scalar_loss_squares, .quadratic = true},
    [LOGISTIC] = {.method = {.name = "logistic"}, .scalar = &scalar_loss_logistic, .task = TASK_BINARY},
    [HINGE] = {.method = {.name = "hinge"}, .scalar = &scalar_loss_hinge, .task = TASK_BINARY},
    [ABSOLUTE] = {.method = {.name = "absolute"}, .scalar = &scalar_loss_absolute},
    [LINEAR] = {.method = {.name = "linear"}, .scalar = &scalar_loss_linear},
    [QUARTIC] = {.method = {.name = "quartic"}, .scalar = &scalar_loss_quartic},
};

struct scene {
    struct dataset data;
    struct problem problem;
    struct reference *reference;
    struct error error;
};

/* For numbers; a NaN is never within anything. */
static inline bool within(double a, double b, double tolerance)
{
    return fabs(a - b) <= tolerance;
}

static inline void fixture_init(void)
{
    gsl_set_error_handler_off();
}

/* rows[n][d] and y[n] are copied. */
static inline void scene_open(struct scene *s, enum loss loss, size_t n, size_t d, const double *rows, const double *y)
{
    memset(s, 0, sizeof *s);
    cr_assert(matrix_alloc_dense(&s->data.train, n, d, &s->error) == STATUS_OK);
    for (size_t i = 0; i < n; i++)
        memcpy(s->data.train.value + i * s->data.train.stride, rows + i * d, d * sizeof *rows);
    s->data.y = malloc(n * sizeof *y);
    cr_assert(s->data.y != NULL);
    memcpy(s->data.y, y, n * sizeof *y);
    s->problem = (struct problem){.type = &loss_types[loss], .data = &s->data, .radius = INFINITY};
}

static inline void scene_close(struct scene *s)
{
    reference_free(s->reference);
    matrix_free(&s->data.train);
    free(s->data.y);
}

/* Solves; an optimum must exist, be certified to the goal, and its f be that of the naive evaluation. */
static inline const struct reference *scene_solve(struct scene *s)
{
    reference_free(s->reference);
    enum status status = reference_solve(&s->problem, &s->reference, &s->error);
    cr_assert(status == STATUS_OK, "%s", s->error.message);
    const struct reference *r = s->reference;
    cr_assert(r->exists, "%s: %s", s->problem.type->method.name, r->reason);
    cr_assert(r->dim == problem_dim(&s->problem));
    cr_assert(r->gap >= 0.0);
    bool smooth = s->problem.type->scalar->curvature && s->problem.l1 == 0.0;
    double scale = 0.0, norm2 = 0.0;
    for (size_t i = 0; i < s->data.train.rows; i++)
        scale += s->problem.type->scalar->value(0.0, s->data.y[i]) / (double)s->data.train.rows;
    /* 1e-6: what stands for an optimum of 0 */
    cr_assert(r->gap <= (smooth ? 1e-12 : 1e-9) * fmax(r->f, 1e-6 * scale), "gap %g of f %g", r->gap, r->f);
    cr_assert(within(r->f, problem_value(&s->problem, r->x, NULL), 1e-13 * fmax(scale, r->f)));
    for (size_t j = 0; j < r->dim; j++)
        norm2 += r->x[j] * r->x[j];
    cr_assert(sqrt(norm2) <= s->problem.radius * (1.0 + 1e-15));
    return r;
}

/* Solves; there must be no optimum, for a reason that holds this text. */
static inline void scene_solve_none(struct scene *s, const char *reason)
{
    reference_free(s->reference);
    enum status status = reference_solve(&s->problem, &s->reference, &s->error);
    cr_assert(status == STATUS_OK, "%s", s->error.message);
    cr_assert(!s->reference->exists, "f = %.17g, gap %g", s->reference->f, s->reference->gap);
    cr_assert(strstr(s->reference->reason, reason) != NULL, "%s", s->reference->reason);
}

/* Uniform in (-1, 1): Knuth's MMIX generator. */
static inline double random_next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) * 0x1p-52 - 1.0;
}

/* Random data: y = -1, +1 for the classifiers; integers when coarse, which makes ties and dependent columns. */
static inline void scene_random(struct scene *s, enum loss loss, size_t n, size_t d, bool intercept, bool coarse,
                                uint64_t seed)
{
    double *rows = calloc(n * d, sizeof *rows), *y = calloc(n, sizeof *y);
    uint64_t state = seed;
    cr_assert(rows && y);
    for (size_t i = 0; i < n * d; i++)
        rows[i] = coarse ? round(2.0 * random_next(&state)) : random_next(&state);
    for (size_t i = 0; i < n; i++) {
        double value = 3.0 * random_next(&state);
        y[i] = loss == LOGISTIC || loss == HINGE ? copysign(1.0, value) : coarse ? round(value) : value;
        if (intercept)
            rows[i * d + d - 1] = 1.0;
    }
    scene_open(s, loss, n, d, rows, y);
    s->data.intercept = intercept;
    free(rows);
    free(y);
}

#endif
