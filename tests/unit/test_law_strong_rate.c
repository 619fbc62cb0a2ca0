/* L5: the exponents that follow for small and large c, verdicts on true runs, on planted errors and on the plain 1/T
 * claim. */
#include "rate_scene.h"
#include "stats.h"

#define HEAD "keep: moments\nmargins: {value: 0.1, slope: 0.05}\nrecord: {points: 30, metrics: [gap]}\n"
#define STRONG                                                                                                         \
    "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 200, d: 5, condition: 2}, start: "    \
    "instance}\nschedule: {type: inverse_time, c: 5, t0: 31}\nreplicates: 4480\nbudget: {steps: 3000}\n" HEAD
#define SLOW                                                                                                           \
    "problem: {type: least_squares, data: {synthetic: mean_estimation}, start: {optimum: 1}}\n"                        \
    "schedule: {type: inverse_time, c: 0.2, t0: 1}\nreplicates: 4480\nbudget: {steps: 1000}\n" HEAD
#define SILENT                                                                                                         \
    "problem: {type: least_squares, data: {synthetic: weighted_parabolas, n: 1, low: 0.2, high: 0.2, spacing: ends}, " \
    "start: [1]}\nschedule: {type: inverse_time, c: 1, t0: 1}\nreplicates: 1\nbudget: {steps: 20000}\n"                \
    "margins: {slope: 0.02}\nrecord: {points: 30, metrics: [gap]}\n"

struct opened {
    struct scene scene;
    struct law_results *results;
};

static struct opened run(const char *text)
{
    struct opened opened = {.scene = open_scene()};
    run_experiment(&opened.scene, "rates", text);
    opened.results = read_results(&opened.scene, "rates");
    return opened;
}

static void done(struct opened *opened)
{
    law_results_close(opened->results);
    close_scene(&opened->scene);
}

/* Four values, the limit, the slope. */
Test(strong_rate, least_squares_is_confirmed)
{
    const char text[] = STRONG "laws: {law: strong_rate}\n";
    struct opened o = run(text);
    size_t panels;
    struct check_list checks = evaluate_law(o.results, 0, 100, &panels);
    cr_assert(checks.count == 6 && panels == 2);
    expect_all(&checks, VERDICT_CONFIRMED);
    cr_expect(checks.check[5].kind == CHECK_DIFFERENCE && checks.check[5].predicted < -1);
    expect_plan(text, &checks);
    checks_free(&checks);
    done(&o);
}

Test(strong_rate, planted_errors_are_refuted)
{
    struct opened o = run(STRONG "laws: {law: strong_rate}\n");
    for (int sign = -1; sign <= 1; sign += 2) {
        tamper(o.results, METRIC_GAP, exp(sign * 0.5), 0, 31);
        struct check_list checks = evaluate_law(o.results, 0, 1000, NULL);
        cr_expect(count_verdict(&checks, VERDICT_REFUTED) == 5 && checks.check[5].verdict == VERDICT_CONFIRMED);
        checks_free(&checks);
        tamper(o.results, METRIC_GAP, exp(-sign * 0.5), sign * 0.25, 31);
        checks = evaluate_law(o.results, 0, 1000, NULL);
        cr_expect(checks.check[5].verdict == VERDICT_REFUTED);
        checks_free(&checks);
        tamper(o.results, METRIC_GAP, 1, -sign * 0.25, 31);
    }
    done(&o);
}

/* m+ = (1 - eta)^2 m + eta^2 and its exponent on the window, in plain arithmetic. */
static double slow_slope(const struct law_curve *curve)
{
    double x[64], y[64], weight[64], m = 1, slope;
    size_t count = 0;
    struct error error;
    for (uint64_t t = 0, p = 0; p < curve->points; t++) {
        while (p < curve->points && curve->step[p] == t) {
            if (t >= 10) {
                x[count] = (double)t + 1;
                y[count] = m / 2;
                weight[count++] = pow(curve->mean[p] / curve->se[p], 2);
            }
            p++;
        }
        const double eta = 0.2 / ((double)t + 1);
        m = pow(1 - eta, 2) * m + eta * eta;
    }
    must(stats_log_slope_of(count, x, y, weight, &slope, &error), &error);
    return slope;
}

Test(strong_rate, a_small_c_is_slow)
{
    struct opened o = run(SLOW "laws: [{law: strong_rate}, {law: strong_rate, claim: inverse_time}]\n");
    struct check_list theory = evaluate_law(o.results, 0, 100, NULL), plain = evaluate_law(o.results, 1, 100, NULL);
    cr_assert(theory.count == 5 && plain.count == 1); /* no limit of gap/t^-1 */
    expect_all(&theory, VERDICT_CONFIRMED);
    expect_all(&plain, VERDICT_REFUTED);
    cr_expect(fabs(theory.check[4].predicted - slow_slope(o.results->cell[0].curve[METRIC_GAP])) < 1e-9);
    cr_expect(fabs(theory.check[4].predicted + 0.4) < 0.005);
    cr_expect(plain.check[0].predicted == -1);
    checks_free(&theory);
    checks_free(&plain);
    done(&o);
}

Test(strong_rate, without_noise_it_is_exact)
{
    struct opened o = run(SILENT "laws: [{law: strong_rate}, {law: strong_rate, claim: inverse_time}]\n");
    struct check_list theory = evaluate_law(o.results, 0, 100, NULL), plain = evaluate_law(o.results, 1, 100, NULL);
    cr_assert(theory.count == 2 && plain.count == 1);
    cr_expect(theory.check[0].kind == CHECK_EXACT && theory.check[0].margin < 1e-10);
    expect_all(&theory, VERDICT_CONFIRMED);
    expect_all(&plain, VERDICT_REFUTED);
    checks_free(&theory);
    tamper(o.results, METRIC_GAP, 1 + 1e-9, 0, 1);
    theory = evaluate_law(o.results, 0, 100, NULL);
    cr_expect(theory.check[0].verdict == VERDICT_REFUTED);
    checks_free(&theory);
    checks_free(&plain);
    done(&o);
}

/* Where theory names no curve: the constant and the exponent of smooth losses, the exponent of others. */
Test(strong_rate, other_losses_have_limits)
{
    const char smooth[] =
        "problem: {type: logistic_regression, l2: 0.1, data: {synthetic: logistic_model, n: 50, d: 2}, "
        "start: optimum}\nschedule: {type: inverse_time, c: 20, t0: 65}\nreplicates: 12800\n"
        "budget: {steps: 10000}\n" HEAD "laws: {law: strong_rate, from: 2000}\n";
    struct opened o = run(smooth);
    struct check_list checks = evaluate_law(o.results, 0, 100, NULL);
    cr_assert(checks.count == 2);
    expect_all(&checks, VERDICT_CONFIRMED);
    expect_plan(smooth, &checks);
    tamper(o.results, METRIC_GAP, exp(-0.5), 0, 65);
    checks_free(&checks);
    checks = evaluate_law(o.results, 0, 1000, NULL);
    cr_expect(checks.check[0].verdict == VERDICT_REFUTED && checks.check[1].verdict == VERDICT_CONFIRMED);
    checks_free(&checks);
    done(&o);
}

#define LS "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 40, d: 3}}\nreplicates: 64\n"

Test(strong_rate, other_experiments_are_refused)
{
    expect_refusal(LS "budget: {steps: 64}\nschedule: {type: constant, rate: 0.1}\nlaws: {law: strong_rate}\n",
                   STATUS_USAGE, "inverse_time");
    expect_refusal(LS "budget: {steps: 64}\naveraging: uniform\nschedule: {type: inverse_time, c: 1, t0: 5}\n"
                      "laws: {law: strong_rate}\n",
                   STATUS_USAGE, "averaging: last");
    expect_refusal(LS "budget: {steps: 64}\nschedule: {type: inverse_time, c: 1, t0: 5}\n"
                      "record: {metrics: [loss]}\nlaws: {law: strong_rate}\n",
                   STATUS_USAGE, "gap");
    expect_refusal("problem: {type: linear_svm, radius: 1, data: {synthetic: logistic_model, n: 40, d: 3}}\n"
                   "replicates: 64\nbudget: {steps: 64}\nschedule: {type: inverse_time, c: 1, t0: 5}\n"
                   "laws: {law: strong_rate}\n",
                   STATUS_USAGE, "strongly convex");
}
