/* The certified optimum of problems with kinks (hinge, absolute, l1): by hand, by enumerating vertices, by optimality
 * conditions, and by probing around it; every combination of loss, penalties, ball and intercept. */
#include "optimum_fixture.h"

TestSuite(optimum_kinks, .init = fixture_init);

/* Two samples at 0 between -B and B: the median 0, and f = B/2, to the last bit. */
Test(optimum_kinks, median_is_exact)
{
    static const double bounds[] = {1.0, 3.0, 0.1, 1e6};
    for (size_t k = 0; k < 4; k++) {
        struct scene s;
        double b = bounds[k];
        scene_open(&s, ABSOLUTE, 4, 1, (double[]){1.0, 1.0, 1.0, 1.0}, (double[]){-b, b, 0.0, 0.0});
        const struct reference *r = scene_solve(&s);
        cr_assert(r->x[0] == 0.0, "%g", r->x[0]);
        cr_assert(r->f == 0.5 * b);
        cr_assert(isinf(r->smoothness));
        cr_assert(r->convexity == 0.0);
        cr_assert(isnan(r->grad_norm));
        scene_close(&s);
    }
}

Test(optimum_kinks, weighted_median)
{
    struct scene s; /* slopes -5, -3, -1, 3, 5 over 5: the kink 2/4 of the heaviest sample */
    scene_open(&s, ABSOLUTE, 4, 1, (double[]){1.0, 1.0, 2.0, 4.0}, (double[]){-3.0, 1.0, 0.5, 2.0});
    const struct reference *r = scene_solve(&s);
    cr_assert(within(r->x[0], 0.5, 1e-15), "%.17g", r->x[0]);
    cr_assert(within(r->f, (3.5 + 0.5 + 0.5 + 0.0) / 4.0, 1e-15));
    scene_close(&s);
}

/* A median that is not unique, data fitted exactly, a single sample: still certified. */
Test(optimum_kinks, degenerate_medians)
{
    struct scene s;
    scene_open(&s, ABSOLUTE, 2, 1, (double[]){1.0, 1.0}, (double[]){-1.0, 3.0});
    cr_assert(within(scene_solve(&s)->f, 2.0, 1e-15));
    cr_assert(s.reference->x[0] >= -1.0 && s.reference->x[0] <= 3.0);
    scene_close(&s);
    scene_open(&s, ABSOLUTE, 1, 3, (double[]){1.0, 2.0, 3.0}, (double[]){5.0});
    cr_assert(within(scene_solve(&s)->f, 0.0, 1e-14));
    scene_close(&s);
    scene_open(&s, ABSOLUTE, 3, 2, (double[]){1.0, 2.0, 2.0, 4.0, 3.0, 6.0}, (double[]){1.0, 2.0, 9.0});
    cr_assert(within(scene_solve(&s)->f, 2.0 * 1.5 / 3.0 + 1.0, 1e-14)); /* along (1,2): t = 3 against 1, 1 */
    scene_close(&s);
}

/* One sample, y = a = 1: x = min(1, 1/l2). */
Test(optimum_kinks, hinge_by_hand)
{
    struct scene s;
    scene_open(&s, HINGE, 1, 1, (double[]){1.0}, (double[]){1.0});
    s.problem.l2 = 0.5;
    cr_assert(within(scene_solve(&s)->x[0], 1.0, 1e-9));
    cr_assert(within(s.reference->f, 0.25, 1e-12));
    cr_assert(s.reference->convexity == 0.5);
    s.problem.l2 = 2.0;
    cr_assert(within(scene_solve(&s)->x[0], 0.5, 1e-9));
    cr_assert(within(s.reference->f, 0.75, 1e-12));
    s.problem.l2 = 0.0;
    cr_assert(scene_solve(&s)->f == 0.0);
    cr_assert(s.reference->gap == 0.0);
    s.problem.radius = 0.25;
    cr_assert(within(scene_solve(&s)->f, 0.75, 1e-9));
    cr_assert(within(s.reference->x[0], 0.25, 1e-9));
    scene_close(&s);
}

/* Orthogonal columns of length sqrt(n): the lasso is soft thresholding of a_j.y/n. */
Test(optimum_kinks, lasso_by_hand)
{
    static const double y[] = {4.0, 1.0, -1.0, 2.0};
    struct scene s;
    scene_open(&s, SQUARES, 4, 3, (double[]){1, 1, 1, 1, -1, 1, 1, 1, -1, 1, -1, -1}, y);
    double shrunk[3], target[3] = {0};
    for (size_t j = 0; j < 3; j++) {
        for (size_t i = 0; i < 4; i++)
            target[j] += s.data.train.value[i * s.data.train.stride + j] * y[i] / 4.0;
        shrunk[j] = copysign(fmax(fabs(target[j]) - 0.6, 0.0), target[j]);
    }
    s.problem.l1 = 0.6;
    const struct reference *r = scene_solve(&s);
    cr_assert(within(r->f, problem_value(&s.problem, shrunk, NULL), 1e-14));
    for (size_t j = 0; j < 3; j++)
        cr_assert(within(r->x[j], shrunk[j], 1e-12) && (shrunk[j] != 0.0 || r->x[j] == 0.0), "%zu", j);
    cr_assert(isnan(r->grad_norm));
    cr_assert(within(r->smoothness, 1.0, 1e-14));
    scene_close(&s);
}

/* Least value over all points where two of the lines "sample on its kink" (and with l1 "coordinate 0") meet. */
static double best_vertex(const struct scene *s)
{
    const struct matrix *a = &s->data.train;
    double line[32][3], best = INFINITY;
    size_t lines = 0;
    for (size_t i = 0; i < a->rows; i++, lines++)
        memcpy(line[lines], (double[]){a->value[i * a->stride], a->value[i * a->stride + 1], s->data.y[i]},
               sizeof line[0]);
    for (size_t j = 0; j < 2 && s->problem.l1 > 0.0; j++, lines++)
        memcpy(line[lines], (double[]){j == 0, j == 1, 0.0}, sizeof line[0]);
    for (size_t p = 0; p < lines; p++)
        for (size_t q = 0; q < p; q++) {
            double det = line[p][0] * line[q][1] - line[p][1] * line[q][0];
            if (fabs(det) < 1e-9)
                continue;
            double x[2] = {(line[p][2] * line[q][1] - line[p][1] * line[q][2]) / det,
                           (line[p][0] * line[q][2] - line[p][2] * line[q][0]) / det};
            best = fmin(best, problem_value(&s->problem, x, NULL));
        }
    return best;
}

Test(optimum_kinks, vertices_enumerated)
{
    for (int loss = HINGE; loss <= ABSOLUTE; loss++)
        for (uint64_t seed = 1; seed <= 40; seed++) {
            struct scene s;
            scene_random(&s, (enum loss)loss, 5 + seed % 9, 2, seed % 2, false, seed);
            s.problem.l1 = seed % 3 ? 0.0 : 0.03;
            s.problem.penalize_intercept = true;
            double best = best_vertex(&s);
            const struct reference *r = scene_solve(&s);
            cr_assert(within(r->f, best, 1e-13 + 1e-9 * (s.problem.l1 > 0.0) * best), "loss %d seed %llu: %.17g %.17g",
                      loss, (unsigned long long)seed, r->f, best);
            scene_close(&s);
        }
}

/* |g_j| <= l1 where x_j = 0, g_j = -l1 sign(x_j) elsewhere, g the naive gradient of the smooth part; the free intercept
 * has g = 0. */
Test(optimum_kinks, l1_conditions)
{
    size_t zeros = 0;
    for (int loss = SQUARES; loss <= LOGISTIC; loss++)
        for (uint64_t seed = 1; seed <= 20; seed++) {
            struct scene s;
            double gradient[6];
            scene_random(&s, (enum loss)loss, 40, 6, true, seed % 4 == 0, seed);
            s.problem.l2 = seed % 2 ? 0.0 : 0.02;
            s.problem.l1 = 0.05;
            const struct reference *r = scene_solve(&s);
            s.problem.l1 = 0.0;
            problem_value(&s.problem, r->x, gradient);
            for (size_t j = 0; j < 5; j++) {
                zeros += r->x[j] == 0.0;
                if (r->x[j] == 0.0)
                    cr_assert(fabs(gradient[j]) <= 0.05 * (1.0 + 1e-12), "seed %llu loss %d coordinate %zu: %g",
                              (unsigned long long)seed, loss, j, gradient[j]);
                else
                    cr_assert(within(gradient[j], -copysign(0.05, r->x[j]), 1e-10),
                              "seed %llu loss %d coordinate %zu: %g at %g", (unsigned long long)seed, loss, j,
                              gradient[j], r->x[j]);
            }
            cr_assert(within(gradient[5], 0.0, 1e-12));
            s.problem.l1 = 10.0; /* too much for any coordinate */
            r = scene_solve(&s);
            for (size_t j = 0; j < 5; j++)
                cr_assert(fabs(r->x[j]) < 1e-9);
            scene_close(&s);
        }
    cr_assert(zeros > 20 && zeros < 180); /* of 200: both conditions were met */
}

/* Every combination; around each optimum no point is better than the certificate allows. */
Test(optimum_kinks, probed_all_round)
{
    static const double strengths[] = {0.0, 1e-3, 0.3}, radii[] = {INFINITY, 0.4, 5.0};
    unsigned certified = 0, without = 0;
    for (unsigned k = 0; k < LOSSES * 3 * 3 * 3 * 8; k++) {
        struct scene s;
        enum loss loss = (enum loss)(k % LOSSES);
        unsigned rest = k / LOSSES;
        size_t d = 1 + rest % 5;
        scene_random(&s, loss, 6 + rest % 7, d, rest / 27 % 2, rest / 54 % 2, k + 1);
        s.problem.l1 = strengths[rest % 3];
        s.problem.l2 = strengths[rest / 3 % 3];
        s.problem.radius = radii[rest / 9 % 3];
        s.problem.penalize_intercept = rest / 108 % 2;
        cr_assert(reference_solve(&s.problem, &s.reference, &s.error) == STATUS_OK);
        if (!s.reference->exists) {
            bool bare = s.problem.l1 + s.problem.l2 == 0.0 && isinf(s.problem.radius);
            cr_assert(loss == LOGISTIC || (loss == HINGE && bare), "%u: %s", k, s.reference->reason);
            without++;
            scene_close(&s);
            continue;
        }
        const struct reference *r = scene_solve(&s);
        uint64_t state = k;
        for (unsigned probe = 0; probe < 300; probe++) {
            double x[5], scale = pow(10.0, -(double)(probe % 7)), norm2 = 0.0;
            for (size_t j = 0; j < d; j++) {
                x[j] = r->x[j] + scale * random_next(&state);
                norm2 += x[j] * x[j];
            }
            for (size_t j = 0; j < d && sqrt(norm2) > s.problem.radius; j++)
                x[j] *= s.problem.radius / sqrt(norm2);
            double value = problem_value(&s.problem, x, NULL);
            cr_assert(value >= r->f - r->gap - 1e-14 * r->f, "%u: %.17g below %.17g", k, value, r->f);
        }
        certified++;
        scene_close(&s);
    }
    cr_assert(certified > 20 * without, "%u certified, %u not", certified, without);
}
