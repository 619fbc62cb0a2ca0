/* The matrix-free solvers. Small problems embedded in many columns of zeros must give the optimum that the dense
 * solvers find without these; and a problem that is really sparse. */
#include "optimum_fixture.h"

enum { WIDE = 2101 }; /* beyond the dense solvers */

TestSuite(optimum_large, .init = fixture_init);

/* The same samples as CSR, column j moved to 300 j; an intercept stays last. */
static void widen(const struct scene *small, struct scene *wide)
{
    const struct matrix *a = &small->data.train;
    struct matrix *b = &wide->data.train;
    *wide = *small;
    wide->reference = NULL;
    wide->problem.data = &wide->data;
    *b = (struct matrix){0};
    cr_assert(matrix_alloc_sparse(b, a->rows, WIDE, a->nnz, &wide->error) == STATUS_OK);
    wide->data.y = malloc(a->rows * sizeof *wide->data.y);
    cr_assert(wide->data.y != NULL);
    memcpy(wide->data.y, small->data.y, a->rows * sizeof *wide->data.y);
    for (size_t i = 0, k = 0; i < a->rows; i++) {
        b->row[i] = k;
        for (size_t j = 0; j < a->cols; j++, k++) {
            b->column[k] = small->data.intercept && j + 1 == a->cols ? WIDE - 1 : (uint32_t)(300 * j);
            b->value[k] = a->value[i * a->stride + j];
        }
        b->row[i + 1] = k;
    }
}

static void check_same(struct scene *small, const char *method)
{
    struct scene wide;
    widen(small, &wide);
    const struct reference *one = scene_solve(small), *other = scene_solve(&wide);
    double rounding = 4.0 * DBL_EPSILON * one->f;
    cr_assert(within(one->f, other->f, fmax(one->gap, other->gap) + rounding), "%s: %.17g %.17g", method, one->f,
              other->f);
    cr_assert(strstr(other->method, method) != NULL, "%s", other->method);
    scene_close(&wide);
}

Test(optimum_large, agrees_with_dense)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        for (int loss = 0; loss < LOSSES; loss++) {
            struct scene s;
            bool kinked = loss == HINGE || loss == ABSOLUTE;
            scene_random(&s, (enum loss)loss, 40, 6, seed % 2, false, seed);
            s.problem.penalize_intercept = seed % 3 == 0;
            s.problem.l2 = 0.02;
            check_same(&s, kinked ? "dual coordinate descent" : "conjugate gradients");
            s.problem.l1 = 0.03;
            check_same(&s, kinked ? "dual coordinate descent" : "coordinate descent");
            double norm2 = 0.0;
            for (size_t j = 0; j < 6; j++)
                norm2 += s.reference->x[j] * s.reference->x[j];
            s.problem.radius = 0.5 * sqrt(norm2);
            if (s.problem.radius > 0.0)
                check_same(&s, "secular");
            s.problem.l1 = 0.0;
            s.problem.radius = 0.1;
            check_same(&s, "secular");
            s.problem.radius = INFINITY;
            s.problem.l2 = 0.0;
            s.problem.l1 = 0.03;
            if (!kinked)
                check_same(&s, "coordinate descent");
            scene_close(&s);
        }
    }
}

Test(optimum_large, what_it_cannot_do_is_told)
{
    struct scene s, wide;
    scene_random(&s, ABSOLUTE, 20, 3, false, false, 3);
    widen(&s, &wide);
    scene_solve_none(&wide, "without l2");
    scene_close(&s);
    scene_close(&wide);
}

/* More coordinates than samples: least squares is fitted exactly, logistic regression separates. */
Test(optimum_large, wide_and_bare)
{
    enum { n = 30, each = 7, d = 5000 };
    struct scene s = {.problem = {.type = &loss_types[SQUARES], .data = &s.data, .radius = INFINITY}};
    uint64_t state = 9;
    cr_assert(matrix_alloc_sparse(&s.data.train, n, d, n * each, &s.error) == STATUS_OK);
    s.data.y = malloc(n * sizeof *s.data.y);
    cr_assert(s.data.y != NULL);
    for (size_t i = 0; i < n; i++) {
        s.data.train.row[i + 1] = (i + 1) * each;
        s.data.y[i] = copysign(1.0, random_next(&state));
        for (size_t k = 0; k < each; k++) {
            s.data.train.column[i * each + k] =
                (uint32_t)(k * (d / each) + (size_t)(350.0 * (1.0 + random_next(&state))));
            s.data.train.value[i * each + k] = random_next(&state);
        }
    }
    cr_assert(scene_solve(&s)->f < 1e-24);
    s.problem.type = &loss_types[LOGISTIC];
    scene_solve_none(&s, "linearly separable");
    s.problem.l2 = 1e-3;
    double gradient[d], sum = 0.0;
    problem_value(&s.problem, scene_solve(&s)->x, gradient);
    for (size_t j = 0; j < d; j++)
        sum += gradient[j] * gradient[j];
    cr_assert(sqrt(sum) < 1e-14, "%g", sqrt(sum));
    scene_close(&s);
}
