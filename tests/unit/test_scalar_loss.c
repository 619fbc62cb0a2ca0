/* The scalar losses: definition, slope against finite differences, curvature against the slope, extremes; and the naive
 * value and gradient of a whole problem. */
#include "optimum_fixture.h"

TestSuite(scalar_loss, .init = fixture_init);

Test(scalar_loss, known_values)
{
    cr_assert(scalar_loss_squares.value(3.0, 1.0) == 2.0);
    cr_assert(scalar_loss_hinge.value(0.25, -1.0) == 1.25);
    cr_assert(scalar_loss_hinge.value(2.0, 1.0) == 0.0);
    cr_assert(scalar_loss_absolute.value(-1.0, 2.0) == 3.0);
    cr_assert(scalar_loss_linear.value(3.0, -0.5) == -1.5 && scalar_loss_linear.slope(3.0, -0.5) == -0.5);
    cr_assert(scalar_loss_quartic.value(2.0, 0.5) == 5.0 && scalar_loss_quartic.slope(2.0, 0.5) == 8.5);
    cr_assert(within(scalar_loss_logistic.value(0.0, 1.0), log(2.0), 2 * DBL_EPSILON * fabs(log(2.0))));
    cr_assert(
        within(scalar_loss_logistic.value(log(3.0), 1.0), log(4.0 / 3.0), 8 * DBL_EPSILON * fabs(log(4.0 / 3.0))));
    cr_assert(within(scalar_loss_logistic.slope(log(3.0), 1.0), -0.25, 4 * DBL_EPSILON * fabs(-0.25)));
    cr_assert(within(scalar_loss_logistic.curvature(log(3.0), -1.0), 0.1875, 4 * DBL_EPSILON * fabs(0.1875)));
}

Test(scalar_loss, finite_differences)
{
    static const double h = 1e-5;
    for (int loss = 0; loss < ALL_LOSSES; loss++) {
        const struct scalar_loss *phi = loss_types[loss].scalar;
        for (double y = -1.0; y <= 1.0; y += 2.0)
            for (double z = -4.05; z < 4.0; z += 0.3) { /* never on a kink */
                double slope = (phi->value(z + h, y) - phi->value(z - h, y)) / (2.0 * h);
                cr_assert(within(phi->slope(z, y), slope, 1e-9 * fmax(1.0, fabs(slope))), "loss %d at %g, %g", loss, z,
                          y);
                cr_assert(fabs(phi->slope(z, y)) <= phi->slope_max);
                if (!phi->curvature)
                    continue;
                double curvature = (phi->slope(z + h, y) - phi->slope(z - h, y)) / (2.0 * h);
                cr_assert(within(phi->curvature(z, y), curvature, 1e-9 * fmax(1.0, curvature)), "loss %d at %g, %g",
                          loss, z, y);
                cr_assert(phi->curvature(z, y) <= phi->curvature_max);
            }
    }
}

Test(scalar_loss, kinks)
{
    cr_assert(scalar_loss_hinge.slope(1.0, 1.0) == 0.0);
    cr_assert(scalar_loss_hinge.slope(nextafter(1.0, 0.0), 1.0) == -1.0);
    cr_assert(scalar_loss_hinge.slope(nextafter(-1.0, 0.0), -1.0) == 1.0);
    cr_assert(scalar_loss_absolute.slope(2.0, 2.0) == 0.0);
    cr_assert(scalar_loss_absolute.slope(nextafter(2.0, 3.0), 2.0) == 1.0);
    cr_assert(scalar_loss_hinge.curvature == NULL && scalar_loss_absolute.curvature == NULL);
}

/* Nothing overflows, and tiny losses keep their digits: log(1 + e^-m) = e^-m to first order. */
Test(scalar_loss, logistic_extremes)
{
    cr_assert(scalar_loss_logistic.value(-1e300, 1.0) == 1e300);
    cr_assert(scalar_loss_logistic.value(1e300, 1.0) == 0.0);
    cr_assert(scalar_loss_logistic.slope(-1e300, 1.0) == -1.0);
    cr_assert(scalar_loss_logistic.slope(1e300, 1.0) == 0.0);
    cr_assert(within(scalar_loss_logistic.value(50.0, 1.0), exp(-50.0), 4 * DBL_EPSILON * fabs(exp(-50.0))));
    cr_assert(within(scalar_loss_logistic.slope(-50.0, -1.0), exp(-50.0), 4 * DBL_EPSILON * fabs(exp(-50.0))));
    cr_assert(within(scalar_loss_logistic.curvature(-50.0, 1.0), exp(-50.0), 4 * DBL_EPSILON * fabs(exp(-50.0))));
}

/* (w x - y)^2/2 on (1,2), (2,0): at w = 0.12 the full gradient is ((0.12 - 2) 1 + (0.24 - 0) 2)/2 = -0.70. */
Test(problem_value, worked_example, .init = fixture_init)
{
    struct scene s;
    double gradient, w = 0.12;
    scene_open(&s, SQUARES, 2, 1, (double[]){1.0, 2.0}, (double[]){2.0, 0.0});
    double value = problem_value(&s.problem, &w, &gradient);
    cr_assert(
        within(value, 0.25 * (1.88 * 1.88 + 0.24 * 0.24), 4 * DBL_EPSILON * fabs(0.25 * (1.88 * 1.88 + 0.24 * 0.24))));
    cr_assert(within(gradient, -0.70, 4 * DBL_EPSILON * fabs(-0.70)));
    scene_close(&s);
}

Test(problem_value, penalties_and_gradient, .init = fixture_init)
{
    static const double h = 1e-6;
    for (int loss = 0; loss < ALL_LOSSES; loss++)
        for (int penalize = 0; penalize <= 1; penalize++) {
            struct scene s;
            double x[4] = {0.3, -0.7, 0.0, 1.1}, gradient[4];
            scene_random(&s, (enum loss)loss, 7, 4, true, false, 11);
            s.problem.penalize_intercept = penalize;
            cr_assert(problem_penalized(&s.problem) == (penalize ? 4U : 3U));
            double plain = problem_value(&s.problem, x, NULL);
            s.problem.l1 = 0.5;
            s.problem.l2 = 0.25;
            double squares = 0.09 + 0.49 + (penalize ? 1.21 : 0.0), absolutes = 1.0 + (penalize ? 1.1 : 0.0);
            double value = problem_value(&s.problem, x, gradient);
            cr_assert(within(value, plain + 0.125 * squares + 0.5 * absolutes, 1e-14));
            for (size_t j = 0; j < 4; j++) {
                double at = x[j];
                x[j] = at + h;
                double up = problem_value(&s.problem, x, NULL);
                x[j] = at - h;
                double down = problem_value(&s.problem, x, NULL);
                x[j] = at;
                cr_assert(within(gradient[j], (up - down) / (2.0 * h), 1e-8), "loss %d, coordinate %zu", loss, j);
            }
            scene_close(&s);
        }
}
