/* The certified optimum of linear and quartic losses: values by hand, optimality conditions, and where there is none.
 */
#include "optimum_fixture.h"

TestSuite(optimum_closed, .init = fixture_init);

/* As scene_solve, without its assumption that f >= 0. */
static const struct reference *solve(struct scene *s)
{
    reference_free(s->reference);
    enum status status = reference_solve(&s->problem, &s->reference, &s->error);
    cr_assert(status == STATUS_OK, "%s", s->error.message);
    const struct reference *r = s->reference;
    cr_assert(r->exists, "%s", r->reason);
    cr_assert(r->gap >= 0.0 && within(r->f, problem_value(&s->problem, r->x, NULL), 1e-14 * fmax(1.0, fabs(r->f))));
    return r;
}

/* No step of this size in random directions, kept inside the ball, is better by more than the certificate allows. */
static void expect_minimum(struct scene *s, uint64_t seed)
{
    const struct reference *r = s->reference;
    uint64_t state = seed;
    double at[8];
    for (int k = 0; k < 3000; k++) {
        double size = pow(10.0, -6.0 * (k % 7) / 6.0), norm2 = 0.0;
        for (size_t j = 0; j < r->dim; j++) {
            at[j] = r->x[j] + size * random_next(&state);
            norm2 += at[j] * at[j];
        }
        double scale = fmin(1.0, s->problem.radius / sqrt(norm2));
        for (size_t j = 0; j < r->dim; j++)
            at[j] *= scale;
        double f = problem_value(&s->problem, at, NULL);
        cr_assert(f >= r->f - r->gap - 1e-14 * fmax(1.0, fabs(r->f)), "%.17g below %.17g", f, r->f);
    }
}

/* f_i = |x|^2/2 - c_i.x: x* is the mean of the c_i. */
Test(optimum_closed, mean_estimation)
{
    struct scene s;
    scene_open(&s, LINEAR, 4, 2, (double[]){1.0, 0.0, 3.0, 1.0, -1.0, 2.0, 5.0, 5.0},
               (double[]){-1.0, -1.0, -1.0, -1.0});
    s.problem.l2 = 1.0;
    const struct reference *r = solve(&s);
    cr_assert(r->x[0] == 2.0 && r->x[1] == 2.0 && r->f == -4.0 && r->gap <= 4e-12 && r->grad_norm == 0.0);
    cr_assert(r->smoothness == 1.0 && r->convexity == 1.0);
    s.problem.l2 = 4.0;
    cr_assert(solve(&s)->x[0] == 0.5);
    s.problem.radius = 0.25; /* on the sphere, in the direction of the mean */
    cr_assert(within(solve(&s)->x[0], 0.25 / sqrt(2.0), 1e-16) && s.reference->x[0] == s.reference->x[1]);
    s.problem.l1 = 1.0; /* thresholds 2 to 1 */
    s.problem.radius = INFINITY;
    cr_assert(solve(&s)->x[0] == 0.25 && s.reference->x[1] == 0.25);
    s.problem.l1 = 3.0;
    cr_assert(solve(&s)->x[0] == 0.0 && s.reference->f == 0.0);
    scene_close(&s);
    /* Centres whose mean is 0 to rounding alone. */
    scene_open(&s, LINEAR, 3, 1, (double[]){0.1, 0.2, -0.30000000000000004}, (double[]){-1.0, -1.0, -1.0});
    s.problem.l2 = 1.0;
    cr_assert(fabs(solve(&s)->x[0]) < 1e-16 && fabs(s.reference->f) < 1e-32);
    scene_close(&s);
}

/* f = (s/sqrt T) x on [-1, 1]. */
Test(optimum_closed, two_points)
{
    struct scene s;
    scene_open(&s, LINEAR, 4, 1, (double[]){1.0, 1.0, 1.0, 1.0}, (double[]){1.0, 1.0, 1.0, -1.0});
    s.problem.radius = 1.0;
    const struct reference *r = solve(&s);
    cr_assert(r->x[0] == -1.0 && r->f == -0.5 && r->smoothness == 0.0 && r->grad_norm == 0.5);
    s.problem.radius = INFINITY;
    scene_solve_none(&s, "no lower bound");
    s.data.y[0] = -1.0; /* flat: every point is a minimiser */
    cr_assert(solve(&s)->x[0] == 0.0 && s.reference->f == 0.0 && s.reference->gap == 0.0);
    s.problem.radius = 1.0;
    cr_assert(solve(&s)->x[0] == 0.0);
    scene_close(&s);
}

/* A free intercept: only the ball can hold it, by a multiplier that no formula gives. */
Test(optimum_closed, intercept)
{
    struct scene s;
    scene_random(&s, LINEAR, 9, 4, true, false, 3);
    s.problem.l2 = 0.5;
    scene_solve_none(&s, "no lower bound");
    for (double radius = 0.1; radius < 20.0; radius *= 3.0)
        for (double l1 = 0.0; l1 < 0.3; l1 += 0.2) {
            double norm2 = 0.0;
            s.problem.radius = radius;
            s.problem.l1 = l1;
            const struct reference *r = solve(&s);
            for (size_t j = 0; j < 4; j++)
                norm2 += r->x[j] * r->x[j];
            cr_assert(within(sqrt(norm2), radius, 1e-12 * radius) && sqrt(norm2) <= radius * (1.0 + 1e-15));
            expect_minimum(&s, 7);
        }
    scene_close(&s);
}

Test(optimum_closed, quartic)
{
    struct scene s;
    scene_open(&s, QUARTIC, 2, 1, (double[]){1.0, 1.0}, (double[]){0.1, -0.1});
    const struct reference *r = solve(&s);
    cr_assert(r->x[0] == 0.0 && r->f == 0.0 && r->grad_norm == 0.0 && isinf(r->smoothness));
    s.data.y[0] = -15.9; /* x^3 = 8 */
    cr_assert(within(solve(&s)->x[0], 2.0, 1e-15) && within(s.reference->f, -12.0, 1e-14));
    cr_assert(s.reference->gap <= 12e-12);
    s.problem.radius = 1.5;
    cr_assert(solve(&s)->x[0] == 1.5);
    s.problem.radius = INFINITY;
    s.problem.l2 = 3.0; /* x^3 + 3 x = 14 */
    s.data.y[0] = -27.9;
    cr_assert(within(solve(&s)->x[0], 2.0, 1e-15));
    s.problem.l1 = 10.0; /* x^3 + 3 x = 4 */
    cr_assert(within(solve(&s)->x[0], 1.0, 1e-15));
    s.problem.l1 = 14.0;
    cr_assert(solve(&s)->x[0] == 0.0);
    scene_close(&s);
    for (uint64_t seed = 1; seed < 30; seed++) { /* rows of any size */
        scene_random(&s, QUARTIC, 7, 1, false, false, seed);
        s.problem.l2 = seed % 3 == 0 ? 0.7 : 0.0;
        s.problem.radius = seed % 4 == 0 ? 0.3 : INFINITY;
        solve(&s);
        expect_minimum(&s, seed);
        scene_close(&s);
    }
    scene_random(&s, QUARTIC, 7, 2, false, false, 1);
    scene_solve_none(&s, "more than one dimension");
    scene_close(&s);
}
