/* The certified optimum of least squares and logistic regression: closed forms, ranks, separability, the ball, L and
 * mu. */
#include "optimum_fixture.h"

TestSuite(optimum_smooth, .init = fixture_init);

static double norm(size_t d, const double *x)
{
    double sum = 0.0;
    for (size_t j = 0; j < d; j++)
        sum += x[j] * x[j];
    return sqrt(sum);
}

/* The worked example: minimise ((w - 2)^2 + (2 w)^2)/4, so w = 2/5 and f = 0.8. */
Test(optimum_smooth, least_squares_by_hand)
{
    struct scene s;
    scene_open(&s, SQUARES, 2, 1, (double[]){1.0, 2.0}, (double[]){2.0, 0.0});
    const struct reference *r = scene_solve(&s);
    cr_assert(within(r->x[0], 0.4, 1 * DBL_EPSILON * fabs(0.4)));
    cr_assert(within(r->f, 0.8, 2 * DBL_EPSILON * fabs(0.8)));
    cr_assert(within(r->smoothness, 2.5, 4 * DBL_EPSILON * fabs(2.5)));
    cr_assert(within(r->convexity, 2.5, 4 * DBL_EPSILON * fabs(2.5)));
    cr_assert(r->grad_norm < 1e-15);
    s.problem.l2 = 1.5; /* (5/2 + 3/2) w = 1 */
    cr_assert(within(scene_solve(&s)->x[0], 0.25, 1 * DBL_EPSILON * fabs(0.25)));
    cr_assert(within(s.reference->smoothness, 4.0, 4 * DBL_EPSILON * fabs(4.0)));
    scene_close(&s);
}

/* n = 1: many minimisers, the one of least norm is a y/|a|^2, whatever the units of the columns. */
Test(optimum_smooth, minimum_norm)
{
    static const double rows[3][3] = {{3.0, 4.0, 0.0}, {1.0, 1000.0, 0.0}, {1e-3, 2.0, -5e3}};
    for (size_t k = 0; k < 3; k++) {
        struct scene s;
        const double *a = rows[k], square = a[0] * a[0] + a[1] * a[1] + a[2] * a[2];
        scene_open(&s, SQUARES, 1, 3, a, (double[]){2.0});
        const struct reference *r = scene_solve(&s);
        for (size_t j = 0; j < 3; j++)
            cr_assert(within(r->x[j], 2.0 * a[j] / square, 1e-13 / sqrt(square)), "%zu %zu: %.17g", k, j, r->x[j]);
        cr_assert(r->f < 1e-28);
        cr_assert(r->convexity == 0.0);
        scene_close(&s);
    }
}

/* A repeated column shares its weight; so does a multiple of it, in proportion. A column of zeros gets none. */
Test(optimum_smooth, dependent_columns)
{
    struct scene s, twice;
    scene_random(&s, SQUARES, 12, 2, false, false, 5);
    double rows[12][5];
    for (size_t i = 0; i < 12; i++) {
        const double *a = s.data.train.value + i * s.data.train.stride;
        rows[i][0] = a[0];
        rows[i][1] = a[1];
        rows[i][2] = 3.0 * a[0];
        rows[i][3] = a[1];
        rows[i][4] = 0.0;
    }
    scene_open(&twice, SQUARES, 12, 5, &rows[0][0], s.data.y);
    const struct reference *one = scene_solve(&s), *two = scene_solve(&twice);
    cr_assert(within(one->f, two->f, 16 * DBL_EPSILON * fabs(two->f)));
    cr_assert(within(two->x[0], one->x[0] / 10.0, 1e-13));
    cr_assert(within(two->x[2], one->x[0] * 0.3, 1e-13));
    cr_assert(within(two->x[1], one->x[1] / 2.0, 1e-13));
    cr_assert(within(two->x[3], one->x[1] / 2.0, 1e-13));
    cr_assert(within(two->x[4], 0.0, 1e-15));
    cr_assert(strstr(two->method, "rank 2 of 5") != NULL, "%s", two->method);
    scene_close(&s);
    scene_close(&twice);
}

Test(optimum_smooth, nothing_to_fit)
{
    struct scene s;
    scene_open(&s, SQUARES, 3, 2, (double[6]){0}, (double[]){1.0, 2.0, 3.0});
    cr_assert(within(scene_solve(&s)->f, 14.0 / 6.0, 2 * DBL_EPSILON * fabs(14.0 / 6.0)));
    cr_assert(norm(2, s.reference->x) == 0.0);
    scene_close(&s);
    scene_open(&s, SQUARES, 3, 1, (double[]){1.0, 2.0, 3.0}, (double[3]){0});
    cr_assert(scene_solve(&s)->f == 0.0);
    scene_close(&s);
}

/* Condition number 1e12 of A'A and units from 1e-6 to 1e6 do not cost the certificate. */
Test(optimum_smooth, ill_conditioned)
{
    struct scene s;
    double rows[8][2], y[8];
    for (size_t i = 0; i < 8; i++) {
        rows[i][0] = 1.0;
        rows[i][1] = 1.0 + 1e-6 * (i % 2 ? 1.0 : -1.0);
        y[i] = 2.0 * rows[i][0] - 3.0 * rows[i][1] + (i / 4 ? 0.5 : -0.5);
    }
    scene_open(&s, SQUARES, 8, 2, &rows[0][0], y);
    const struct reference *r = scene_solve(&s); /* the noise is orthogonal to both columns */
    cr_assert(within(r->x[0], 2.0, 1e-8));
    cr_assert(within(r->x[1], -3.0, 1e-8));
    cr_assert(within(r->f, 0.125, 1e-15));
    scene_close(&s);
    for (size_t i = 0; i < 8; i++) {
        rows[i][0] = 1e6 * (double)i;
        rows[i][1] = 1e-6 * (double)(i * i);
    }
    scene_open(&s, SQUARES, 8, 2, &rows[0][0], y);
    double far = scene_solve(&s)->f;
    scene_close(&s);
    for (size_t i = 0; i < 8; i++) {
        rows[i][0] *= 1e-6;
        rows[i][1] *= 1e6;
    }
    scene_open(&s, SQUARES, 8, 2, &rows[0][0], y);
    cr_assert(within(scene_solve(&s)->f, far, 1e-14));
    scene_close(&s);
}

/* A free intercept takes the mean of y; a penalised one only ybar/(1 + l2). */
Test(optimum_smooth, intercept)
{
    struct scene s;
    scene_open(&s, SQUARES, 4, 2, (double[]){1.0, 1.0, -1.0, 1.0, 2.0, 1.0, -2.0, 1.0}, (double[]){5.0, 3.0, 6.0, 2.0});
    s.data.intercept = true;
    s.problem.l2 = 0.5; /* slope: (mean of a y = 10/4) / (mean of a^2 = 10/4, + 1/2) */
    const struct reference *r = scene_solve(&s);
    cr_assert(within(r->x[0], 2.5 / 3.0, 4 * DBL_EPSILON * fabs(2.5 / 3.0)));
    cr_assert(within(r->x[1], 4.0, 4 * DBL_EPSILON * fabs(4.0)));
    cr_assert(
        within(r->convexity, 1.0, 4 * DBL_EPSILON * fabs(1.0))); /* eigenvalues 3 and 1: the intercept has no l2 */
    s.problem.penalize_intercept = true;
    cr_assert(within(scene_solve(&s)->x[1], 4.0 / 1.5, 4 * DBL_EPSILON * fabs(4.0 / 1.5)));
    cr_assert(within(s.reference->convexity, 1.5, 4 * DBL_EPSILON * fabs(1.5)));
    scene_close(&s);
}

/* Only an intercept: p of n positive gives log(p/(n-p)), and f is the entropy. */
Test(optimum_smooth, logistic_by_hand)
{
    struct scene s;
    scene_open(&s, LOGISTIC, 4, 1, (double[]){1.0, 1.0, 1.0, 1.0}, (double[]){1.0, 1.0, -1.0, 1.0});
    const struct reference *r = scene_solve(&s);
    cr_assert(within(r->x[0], log(3.0), 1e-14));
    cr_assert(within(r->f, -0.75 * log(0.75) - 0.25 * log(0.25), 1e-15));
    cr_assert(within(r->smoothness, 0.25, 2 * DBL_EPSILON * fabs(0.25)));
    scene_close(&s);
}

/* Independent of the solver: the gradient of the naive evaluation vanishes. */
Test(optimum_smooth, gradient_vanishes)
{
    for (int loss = SQUARES; loss <= LOGISTIC; loss++)
        for (uint64_t seed = 1; seed <= 20; seed++) {
            struct scene s;
            double gradient[5];
            scene_random(&s, (enum loss)loss, 60, 5, seed % 2, seed % 3 == 0, seed);
            s.problem.l2 = seed % 4 ? 1e-3 : 0.0;
            s.problem.penalize_intercept = seed % 5 == 0;
            problem_value(&s.problem, scene_solve(&s)->x, gradient);
            cr_assert(norm(5, gradient) < 1e-14, "loss %d, seed %llu: %g", loss, (unsigned long long)seed,
                      norm(5, gradient));
            cr_assert(s.reference->grad_norm < 1e-14);
            scene_close(&s);
        }
}

Test(optimum_smooth, separable)
{
    static const double rows[] = {1.0, 1.0, 2.0, 1.0, -1.0, 1.0, -0.5, 1.0}, y[] = {1.0, 1.0, -1.0, -1.0};
    struct scene s;
    scene_open(&s, LOGISTIC, 4, 2, rows, y);
    scene_solve_none(&s, "linearly separable and");
    cr_assert(s.reference->x == NULL);
    cr_assert(isfinite(s.reference->smoothness));
    s.problem.l2 = 1e-9;
    scene_solve(&s);
    s.problem.l2 = 0.0;
    s.problem.radius = 3.0;
    cr_assert(within(norm(2, scene_solve(&s)->x), 3.0, 4 * DBL_EPSILON * fabs(3.0)));
    scene_close(&s);
}

/* Separable but for two samples on the plane itself: still no optimum. One sample moved across it: there is one. */
Test(optimum_smooth, quasi_separable)
{
    double rows[] = {1.0, 1.0, 0.0, 1.0, -1.0, 1.0, 0.0, 1.0}, y[] = {1.0, 1.0, -1.0, -1.0};
    struct scene s;
    scene_open(&s, LOGISTIC, 4, 2, rows, y);
    scene_solve_none(&s, "quasi-complete");
    scene_close(&s);
    rows[2] = -0.01;
    scene_open(&s, LOGISTIC, 4, 2, rows, y);
    scene_solve(&s);
    scene_close(&s);
    /* A feature that is present only in one class, on otherwise mixed data. */
    double indicator[] = {1.0, 0.0, 1.0, -1.0, 0.0, 1.0, 2.0, 1.0, 1.0, 0.5, 0.0, 1.0, -0.5, 1.0, 1.0, 2.0, 0.0, 1.0};
    scene_open(&s, LOGISTIC, 6, 3, indicator, (double[]){1.0, 1.0, 1.0, -1.0, 1.0, -1.0});
    s.data.intercept = true;
    scene_solve_none(&s, "quasi-complete");
    scene_close(&s);
}

Test(optimum_smooth, one_class)
{
    struct scene s;
    scene_open(&s, LOGISTIC, 2, 2, (double[]){1.0, 1.0, -1.0, 1.0}, (double[]){1.0, 1.0});
    s.data.intercept = true;
    s.problem.l2 = 1.0;
    scene_solve_none(&s, "all labels are the same");
    s.problem.penalize_intercept = true;
    scene_solve(&s);
    scene_close(&s);
}

/* On the ball |x - b|^2/(2n), n = d, A = I: b pulled to the radius. */
Test(optimum_smooth, ball_by_hand)
{
    struct scene s;
    scene_open(&s, SQUARES, 2, 2, (double[]){1.0, 0.0, 0.0, 1.0}, (double[]){3.0, 4.0});
    s.problem.radius = 2.5;
    const struct reference *r = scene_solve(&s);
    cr_assert(within(r->x[0], 1.5, 1e-12));
    cr_assert(within(r->x[1], 2.0, 1e-12));
    cr_assert(within(r->f, 2.5 * 2.5 / 4.0, 1e-12));
    cr_assert(within(r->grad_norm, 1.25, 1e-12));
    s.problem.radius = 6.0; /* does not bind */
    r = scene_solve(&s);
    cr_assert(within(r->x[0], 3.0, 1e-14));
    cr_assert(r->f < 1e-28);
    scene_close(&s);
}

/* On a ball that binds the gradient points inwards along x, the intercept's coordinate included. */
Test(optimum_smooth, ball_conditions)
{
    for (int loss = SQUARES; loss <= LOGISTIC; loss++)
        for (uint64_t seed = 1; seed <= 12; seed++) {
            struct scene s;
            double gradient[4];
            scene_random(&s, (enum loss)loss, 30, 4, seed % 2, false, seed);
            s.problem.l2 = seed % 3 ? 0.0 : 0.01;
            double free_norm = norm(4, scene_solve(&s)->x);
            s.problem.radius = 0.3 * free_norm;
            const struct reference *r = scene_solve(&s);
            problem_value(&s.problem, r->x, gradient);
            double size = norm(4, gradient);
            for (size_t j = 0; j < 4; j++)
                cr_assert(within(gradient[j], -size * r->x[j] / s.problem.radius, 1e-6 * size));
            cr_assert(within(norm(4, r->x), s.problem.radius, 1e-10));
            s.problem.radius = 1.01 * free_norm;
            r = scene_solve(&s);
            cr_assert(within(norm(4, r->x), free_norm, 1e-10));
            scene_close(&s);
        }
}

/* Columns of known length, orthogonal: the eigenvalues are known. Beyond 500 columns Lanczos finds the largest. */
Test(optimum_smooth, constants)
{
    static const size_t sizes[] = {3, 40, 700};
    for (size_t k = 0; k < 3; k++) {
        size_t d = sizes[k];
        struct scene s = {.problem = {.type = &loss_types[SQUARES], .data = &s.data, .radius = INFINITY}};
        cr_assert(matrix_alloc_sparse(&s.data.train, d, d, d, &s.error) == STATUS_OK);
        for (size_t i = 0; i < d; i++) {
            s.data.train.row[i] = i;
            s.data.train.column[i] = (uint32_t)i;
            s.data.train.value[i] = sqrt((double)d * (1.0 + (double)i));
        }
        s.data.train.row[d] = d;
        double largest, smallest;
        s.problem.l2 = 0.5;
        cr_assert(problem_constants(&s.problem, &largest, &smallest, &s.error) == STATUS_OK);
        cr_assert(largest >= ((double)d + 0.5) * (1.0 - 1e-14) && largest <= ((double)d + 0.5) * (1.0 + 1e-9));
        cr_assert(within(smallest, d > 500 ? 0.5 : 1.5, 1e-12));
        s.problem.type = &loss_types[LOGISTIC];
        cr_assert(problem_constants(&s.problem, &largest, &smallest, &s.error) == STATUS_OK);
        cr_assert(within(largest, 0.25 * (double)d + 0.5, 1e-9 * (double)d));
        cr_assert(within(smallest, 0.5, 1e-15));
        s.problem.type = &loss_types[HINGE];
        cr_assert(problem_constants(&s.problem, &largest, &smallest, &s.error) == STATUS_OK);
        cr_assert(isinf(largest));
        matrix_free(&s.data.train);
    }
}
