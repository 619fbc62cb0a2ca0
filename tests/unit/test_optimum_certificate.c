/* The proofs themselves, away from the optimum where they have something to say: a bound on f(x) - f* must hold at any
 * x and for any dual variables, and must not be idle near the optimum. */
#include "optimum_fixture.h"
#include "reference_internal.h"

TestSuite(optimum_certificate, .init = fixture_init);

static struct objective objective_of(const struct scene *s, enum loss loss)
{
    size_t penalized = problem_penalized(&s->problem);
    return (struct objective){.a = &s->data.train,
                              .y = s->data.y,
                              .loss = s->problem.type->scalar,
                              .kind = loss == SQUARES    ? LOSS_SQUARES
                                      : loss == LOGISTIC ? LOSS_LOGISTIC
                                                         : LOSS_CHECK,
                              .classification = loss == LOGISTIC || loss == HINGE,
                              .n = s->data.train.rows,
                              .d = s->data.train.cols,
                              .penalized = penalized,
                              .l1 = s->problem.l1,
                              .ridge = s->problem.l2,
                              .radius = s->problem.radius,
                              .floor = 1e-9};
}

/* Both classes at least once, so that a free intercept is held. */
static void open_random(struct scene *s, enum loss loss, uint64_t seed)
{
    scene_random(s, loss, 12, 4, true, false, seed);
    if (loss == LOGISTIC || loss == HINGE) {
        s->data.y[0] = 1.0;
        s->data.y[1] = -1.0;
    }
}

Test(optimum_certificate, duality_holds_everywhere)
{
    static const double penalties[][3] = {{0.0, 0.1, INFINITY}, {0.05, 0.0, INFINITY}, {0.05, 0.1, INFINITY},
                                          {0.0, 0.0, 0.5},      {0.05, 0.0, 0.5},      {0.02, 0.01, 2.0}};
    size_t finite = 0, tight = 0, near = 0;
    for (uint64_t k = 0; k < LOSSES * 6 * 20; k++) {
        struct scene s;
        enum loss loss = (enum loss)(k % LOSSES);
        const double *penalty = penalties[k / LOSSES % 6];
        double x[4], u[12];
        uint64_t state = k;
        open_random(&s, loss, k + 1);
        s.problem.l1 = penalty[0];
        s.problem.l2 = penalty[1];
        s.problem.radius = penalty[2];
        s.problem.penalize_intercept = k % 5 == 0;
        const struct reference *r = scene_solve(&s);
        struct objective o = objective_of(&s, loss);
        for (int probe = 0; probe < 40; probe++) {
            double scale = pow(10.0, -(double)(probe % 8));
            struct candidate candidate = {.x = x, .gap = INFINITY};
            for (size_t j = 0; j < 4; j++)
                x[j] = r->x[j] + scale * random_next(&state);
            pull_into_ball(&o, x);
            for (size_t i = 0; i < 12 && o.kind == LOSS_CHECK; i++)
                u[i] = check_lo(&o, i) + 0.5 * (1.0 + random_next(&state)) * (check_hi(&o, i) - check_lo(&o, i));
            cr_assert(certificate_duality(&o, u, &candidate, &s.error) == STATUS_OK);
            double above = problem_value(&s.problem, x, NULL) - r->f;
            cr_assert(candidate.gap >= above - 1e-14 * r->f, "%llu: %g proved, but %g above", (unsigned long long)k,
                      candidate.gap, above);
            finite += isfinite(candidate.gap) ? 1 : 0;
            if (o.kind != LOSS_CHECK && scale <= 1e-4) { /* slopes at x are good dual variables for a smooth loss */
                near++;
                tight += candidate.gap < 1e3 * scale;
            }
        }
        scene_close(&s);
    }
    cr_assert(finite == LOSSES * 6 * 20 * 40);
    cr_assert(near > 0 && tight == near, "%zu of %zu", tight, near);
}

/* Bare check losses: the solver's dual variables, and x and u disturbed. */
Test(optimum_certificate, bare_check_losses)
{
    size_t proved = 0;
    for (uint64_t k = 0; k < 60; k++) {
        struct scene s;
        enum loss loss = k % 2 ? HINGE : ABSOLUTE;
        double x[4], best[4], u[12], moved[12];
        uint64_t state = k;
        struct null_space null = {0};
        open_random(&s, loss, k + 1);
        struct objective o = objective_of(&s, loss);
        struct candidate solved = {.x = best, .u = u, .gap = INFINITY};
        memset(best, 0, sizeof best);
        cr_assert(interior_solve(&o, &null, &solved, &s.error) == STATUS_OK);
        const struct reference *r = scene_solve(&s);
        for (int probe = 0; probe < 60; probe++) {
            double scale = pow(10.0, -(double)(5 + probe % 10));
            struct candidate candidate = {.x = x, .gap = INFINITY};
            for (size_t j = 0; j < 4; j++)
                x[j] = best[j] + scale * random_next(&state);
            for (size_t i = 0; i < 12; i++)
                moved[i] = fmin(fmax(u[i] + scale * random_next(&state), check_lo(&o, i)), check_hi(&o, i));
            cr_assert(certificate_duality(&o, moved, &candidate, &s.error) == STATUS_OK);
            double above = problem_value(&s.problem, x, NULL) - r->f;
            cr_assert(candidate.gap >= above - 1e-15, "%llu: %g proved, but %g above", (unsigned long long)k,
                      candidate.gap, above);
            proved += candidate.gap < 1e-6;
        }
        scene_close(&s);
    }
    cr_assert(proved > 60 * 30);
}

/* |g|^2/(2 mu), and the self-concordant form for logistic regression without penalties. */
Test(optimum_certificate, gradient_bounds)
{
    size_t proved = 0;
    for (uint64_t k = 0; k < 60; k++) {
        struct scene s;
        enum loss loss = k % 2 ? LOGISTIC : SQUARES;
        double x[4], hessian[16], weight[40], scale[4];
        uint64_t state = k;
        scene_random(&s, loss, 40, 4, true, false, k + 1);
        struct objective o = objective_of(&s, loss);
        const struct reference *r = scene_solve(&s);
        for (int probe = 0; probe < 30; probe++) {
            double size = pow(10.0, -(double)(probe % 8));
            struct candidate candidate = {.x = x, .gap = INFINITY};
            for (size_t j = 0; j < 4; j++)
                x[j] = r->x[j] + size * random_next(&state);
            for (size_t i = 0; i < 40; i++)
                weight[i] = o.loss->curvature(matrix_row_dot(o.a, i, x), o.y[i]) / 40.0;
            linear_gram(o.a, weight, hessian);
            for (size_t j = 0; j < 4; j++)
                scale[j] = hessian[5 * j];
            cr_assert(dense_factor(4, hessian));
            double smallest = dense_smallest(4, hessian, scale);
            cr_assert(smallest > 0.0 && smallest < 0.5); /* a unit diagonal: at most 1, and halved */
            cr_assert(certificate_gradient(&o, scale, smallest, &candidate, &s.error) == STATUS_OK);
            double above = problem_value(&s.problem, x, NULL) - r->f;
            cr_assert(candidate.gap >= above - 1e-14 * r->f, "%llu: %g proved, but %g above", (unsigned long long)k,
                      candidate.gap, above);
            proved += size <= 1e-4 && candidate.gap < 1e4 * size * size;
        }
        scene_close(&s);
    }
    cr_assert(proved == 60 * 14, "%zu", proved); /* 14 of 30 probes have size <= 1e-4 */
}
