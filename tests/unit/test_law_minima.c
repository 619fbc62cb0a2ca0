/* L14: stability of the sharp minimum and time in the flat one; predictions by other ways, verdicts on runs, on planted
 * faults, before the run. */
#include <math.h>

#include "law_curve_scene.h"
#include "laws/diffusion.h"
#include "laws/transfer.h"

static const char stable_text[] =
    "problem: {type: flat_and_sharp, data: {synthetic: outlier}, start: [0.001]}\nkeep: moments\nreplicates: 6400\n"
    "budget: {steps: 600}\nschedule: {type: constant}\nindependent_over: [batch_size, schedule]\n"
    "sweep:\n  schedule.rate: [0.5, 0.52]\n  batch_size: [1, 2, 3, 4]\n"
    "record: {points: 20, spacing: log, metrics: [norm2, in_region]}\nmargins: {value: 0.25}\n"
    "laws:\n  - {law: flat_minima, where: {schedule.rate: 0.5}}\n"
    "  - {law: flat_minima, limit: mean_square, where: {schedule.rate: 0.52, batch_size: 3}, expect: refuted, note: "
    "few}\n"
    "  - {law: flat_minima, limit: mean_square, where: {schedule.rate: 0.5}}\n";
static const char occupancy_text[] =
    "problem: {type: two_wells, data: {synthetic: signs, scale: 4}}\nkeep: moments\nreplicates: 1280\n"
    "budget: {steps: 1100*m*m*m}\nschedule: {type: constant, rate: 0.05}\nindependent_over: [batch_size, problem]\n"
    "sweep:\n  problem.start: [[-1], [0.6]]\n  batch_size: [1, 2]\n"
    "record: {points: 60, spacing: linear, metrics: [in_region]}\nmargins: {value: 0.15}\n"
    "laws: [{law: occupancy}, {law: occupancy, theory: diffusion, margin: 0.02, expect: refuted, note: coarse}]\n";

static struct law_results *run(struct scene *scene, const char *text)
{
    *scene = open_scene();
    run_experiment(scene, "minima", text);
    return read_results(scene, "minima");
}

static struct check_list judge(const struct law_results *results, size_t entry, size_t panels)
{
    struct law_input input;
    struct check_list checks = {0};
    struct law_figure figure = {0};
    struct error error;
    must(law_input_make(results, entry, &input, &error), &error);
    must(sweep_law(results->sweep, entry)->type->evaluate(&input, &checks, &figure, &error), &error);
    checks_decide(checks.check, checks.count, 1000);
    cr_expect(figure.count == panels, "%zu panels", figure.count);
    if (panels > 0)
        must(law_figure_write(&figure, ".", "minima", &error), &error);
    law_figure_free(&figure);
    free(input.cell);
    return checks;
}

static void expect_verdicts(const struct check_list *checks, size_t count, enum verdict verdict)
{
    cr_expect(checks->count == count, "%zu", checks->count);
    for (size_t i = 0; i < checks->count; i++)
        cr_expect(checks->check[i].verdict == verdict, "%s; %s: %s, predicted %g, measured %g",
                  checks->check[i].quantity, checks->check[i].instance, verdict_name(checks->check[i].verdict),
                  checks->check[i].predicted, checks->check[i].measured);
}

/* Every batch of m out of ten, by counting in base ten. */
static void enumerate(size_t m, double eta, double *growth, double *exponent)
{
    size_t all = 1;
    *growth = *exponent = 0;
    for (size_t i = 0; i < m; i++)
        all *= 10;
    for (size_t batch = 0; batch < all; batch++) {
        double sum = 0;
        for (size_t rest = batch, i = 0; i < m; i++, rest /= 10)
            sum += rest % 10 == 9 ? 10 : 0;
        const double factor = fabs(1 - eta * sum / (double)m);
        *growth += factor * factor / (double)all;
        *exponent += log(factor) / (double)all;
    }
}

Test(law_minima, stability)
{
    static const double growths[] = {2.5, 1.375, 1.0, 0.8125}, exponents[] = {0.139, 0.087, -0.074, -0.381};
    struct scene scene;
    struct law_results *results = run(&scene, stable_text);
    struct check_list checks = judge(results, 0, 2);
    expect_verdicts(&checks, 8, VERDICT_CONFIRMED);
    for (size_t m = 1; m <= 4; m++) {
        double growth, exponent;
        char says[80];
        const struct check *share = &checks.check[2 * m - 2], *square = &checks.check[2 * m - 1];
        enumerate(m, 0.5, &growth, &exponent);
        cr_expect(fabs(growth - growths[m - 1]) < 1e-9 && fabs(exponent - exponents[m - 1]) < 6e-4);
        cr_expect(fabs(square->predicted - growth) < 1e-12 && square->exact_theory);
        cr_expect(share->predicted == (exponent < 0 ? 1 : 0));
        snprintf(says, sizeof says, "= %.3g", exponent);
        cr_expect(strstr(share->quantity, says) != NULL, "%s, not %s", share->quantity, says);
    }
    checks_free(&checks);
    checks = judge(results, 1, 0);
    expect_verdicts(&checks, 1, VERDICT_REFUTED);
    checks_free(&checks);
    checks = judge(results, 2, 2); /* m = 3 lies on the limit: not judged */
    expect_verdicts(&checks, 3, VERDICT_CONFIRMED);
    checks_free(&checks);
    for (size_t i = 0; i < results->cell_count; i++) {
        struct law_curve *square = results->cell[i].curve[METRIC_NORM2], *in = results->cell[i].curve[METRIC_IN_REGION];
        square->mean[1] *= exp(1.25); /* five margins */
        in->mean[in->points - 1] = 0.5;
    }
    checks = judge(results, 0, 2);
    expect_verdicts(&checks, 8, VERDICT_REFUTED);
    checks_free(&checks);
    law_results_close(results);
    close_scene(&scene);
    struct trial t = open_trial(stable_text, 0);
    expect_plan(&t, 8);
    close_trial(&t);
}

Test(law_minima, occupancy)
{
    static const double flat[] = {0.543, 0.349, 0.191}, diffusion[] = {0.660, 0.572, 0.479};
    static const double relaxation[] = {98, 554, 2910}, start[] = {-1, 0.6};
    struct scene scene;
    struct error error;
    struct law_results *results = run(&scene, occupancy_text);
    struct check_list checks = judge(results, 0, 2);
    expect_verdicts(&checks, 2, VERDICT_CONFIRMED);
    const struct problem *problem = &results->cell[0].config.problem;
    for (size_t m = 1; m <= 3; m++) {
        struct settling in[2], fine[2];
        must(transfer_occupancy(problem, m, 0.05, TRANSFER_NODES, 2, start, in, &error), &error);
        must(transfer_occupancy(problem, m, 0.05, 2 * TRANSFER_NODES, 2, start, fine, &error), &error);
        cr_expect(fabs(in[0].limit - flat[m - 1]) < 6e-4 && fabs(in[1].limit - flat[m - 1]) < 6e-4, "%g", in[0].limit);
        cr_expect(fabs(-1 / log(in[0].ratio) / relaxation[m - 1] - 1) < 0.015, "%g", -1 / log(in[0].ratio));
        cr_expect(fabs(in[0].limit - fine[0].limit) < 3e-5);
        const double stationary = diffusion_occupancy(problem, m, 0.05);
        cr_expect(fabs(stationary - diffusion[m - 1]) < 6e-4, "%g", stationary);
        if (m <= 2) /* both starts are five relaxation times away from the limit, on both sides */
            cr_expect(fabs(checks.check[m - 1].predicted - in[0].limit) < 5e-3);
        for (size_t s = 0; s < 2; s++) {
            settling_free(&in[s]);
            settling_free(&fine[s]);
        }
    }
    checks_free(&checks);
    checks = judge(results, 1, 0);
    expect_verdicts(&checks, 2, VERDICT_REFUTED);
    checks_free(&checks);
    for (size_t i = 0; i < results->cell_count; i++) {
        struct law_curve *in = results->cell[i].curve[METRIC_IN_REGION];
        for (size_t k = 0; k < in->groups * in->points; k++)
            in->group_mean[k] *= exp(-0.75);
        for (size_t k = 0; k < in->points; k++)
            in->mean[k] *= exp(-0.75);
    }
    checks = judge(results, 0, 2);
    expect_verdicts(&checks, 2, VERDICT_REFUTED);
    checks_free(&checks);
    law_results_close(results);
    close_scene(&scene);
    struct trial t = open_trial(occupancy_text, 0);
    judge_trial(&t);
    cr_expect(t.checks.count == 2 && t.figure.count == 0);
    for (size_t i = 0; i < 2; i++)
        cr_expect(isnan(t.checks.check[i].measured) && t.checks.check[i].se > 0 &&
                  t.checks.check[i].replicates == 2 * t.input.replicates);
    close_trial(&t);
}

#define REST "budget: {steps: 20}\nschedule: {type: constant, rate: 0.05}\n"

Test(law_minima, refuses)
{
    expect_refusal("problem: {type: two_wells, data: {synthetic: signs}, start: [1]}\n" REST
                   "record: {metrics: [in_region, norm2]}\nlaws: [{law: flat_minima}]\n",
                   "flat_and_sharp");
    expect_refusal("problem: {type: flat_and_sharp, data: {synthetic: outlier}}\n" REST
                   "record: {metrics: [in_region, norm2]}\nlaws: [{law: flat_minima}]\n",
                   "next to 0");
    expect_refusal("problem: {type: two_wells, data: {synthetic: signs, scale: 4}, start: [-1]}\n" REST
                   "record: {metrics: [in_region]}\nlaws: [{law: occupancy}]\n",
                   "burn-in");
}
