/* The law of reshuffling: its predictions against all orders, and its verdicts on runs and on planted errors. */
#include "law_verdicts.h"
#include "laws/reshuffling.h"

/* The next order of 0..n-1, lexicographically; false after the last. */
static bool next_order(size_t n, size_t *order)
{
    size_t k = n - 1, l = k;
    while (k > 0 && order[k - 1] > order[k])
        k--;
    if (k == 0)
        return false;
    while (order[l] < order[k - 1])
        l--;
    size_t swap = order[k - 1];
    order[k - 1] = order[l];
    order[l] = swap;
    for (size_t p = k, q = n - 1; p < q; p++, q--) {
        swap = order[p];
        order[p] = order[q];
        order[q] = swap;
    }
    return true;
}

/* e after an epoch of SGD on a_i (x - c_i)^2/2 in that order. */
static double epoch(size_t n, const double *a, const double *c, const size_t *order, double eta, double optimum,
                    double e)
{
    double x = optimum + e;
    for (size_t j = 0; j < n; j++)
        x -= eta * a[order[j]] * (x - c[order[j]]);
    return x - optimum;
}

Test(law_reshuffling, bias_over_all_orders)
{
    static const double a[] = {.5, 2, 1, 1.5, .7, 1.8}, c[] = {1, -1, .3, .8, -.6, .2}, rates[] = {0.005, 0.1, 0.4};
    for (size_t n = 2; n <= 6; n++) {
        double top = 0, bottom = 0, g[6], pull = 0;
        for (size_t i = 0; i < n; i++) {
            top += a[i] * c[i];
            bottom += a[i];
        }
        const double optimum = top / bottom;
        for (size_t i = 0; i < n; i++) {
            g[i] = a[i] * (optimum - c[i]);
            pull += a[i] * a[i] * (c[i] - optimum); /* |a|^2 r a with rows sqrt(a_i) */
        }
        for (size_t k = 0; k < 3; k++) {
            size_t order[6] = {0, 1, 2, 3, 4, 5}, count = 0;
            double shift = 0, keep = 0, bias, rho;
            struct error error;
            do {
                const double moved = epoch(n, a, c, order, rates[k], optimum, 0);
                shift += moved;
                keep += epoch(n, a, c, order, rates[k], optimum, 1) - moved;
                count++;
            } while (next_order(n, order));
            must(reshuffling_bias(n, a, g, rates[k], &bias, &rho, &error), &error);
            const double wanted = shift / (double)count / (1 - keep / (double)count);
            cr_expect(fabs(bias - wanted) < 1e-13 / rates[k], "n = %zu: %g, %g", n, bias, wanted);
            cr_expect(fabs(rho - keep / (double)count) < 1e-13);
        }
        double bias, rho;
        struct error error;
        must(reshuffling_bias(n, a, g, 1e-6, &bias, &rho, &error), &error);
        cr_expect(fabs(reshuffling_bias_slope(n, a, g) - pull / bottom / 2) < 1e-14);
        cr_expect(fabs(bias / 1e-6 - pull / bottom / 2) < 1e-5 * fabs(pull / bottom));
    }
}

#define PARABOLAS(n)                                                                                                   \
    "problem: {type: least_squares, data: {synthetic: weighted_parabolas, n: " #n                                      \
    ", low: 1, high: 1, spacing: even}, start: optimum}\nkeep: moments\nmargins: {value: 0.1, slope: 0.1}\n"

/* Errors at the first epochs' ends from the optimum, over all orders of five samples. */
Test(law_reshuffling, errors_over_all_orders)
{
    static const char text[] = PARABOLAS(5) "schedule: {type: constant, rate: 0.3}\nbudget: {epochs: 3}\n"
                                            "sweep: {sampling: [reshuffle, shuffle_once, cyclic, with_replacement]}\n"
                                            "record: {points: 4, spacing: linear, metrics: [distance2]}\n"
                                            "laws: {law: reshuffling}\n";
    struct error error;
    struct law_results *results;
    gsl_set_error_handler_off();
    struct sweep *sweep = open_experiment("five", text, 1);
    must(law_results_plan(sweep, &results, &error), &error);
    static const double a[] = {1, 1, 1, 1, 1}, c[] = {-0.8, -0.4, 0, 0.4, 0.8};
    double mean = 0, square = 0, once[4] = {0}, independent = 0;
    for (size_t k = 1; k <= 3; k++) {
        size_t order[] = {0, 1, 2, 3, 4}, count = 0;
        double shift = 0, shift2 = 0, rho = pow(0.7, 5);
        once[k] = 0;
        do {
            double e = 0, s = epoch(5, a, c, order, 0.3, 0, 0);
            for (size_t j = 0; j < k; j++)
                e = epoch(5, a, c, order, 0.3, 0, e);
            once[k] += e * e;
            shift += s;
            shift2 += s * s;
            count++;
        } while (next_order(5, order));
        once[k] /= (double)count;
        square = rho * rho * square + 2 * rho * mean * shift / (double)count + shift2 / (double)count;
        mean = rho * mean + shift / (double)count;
        for (size_t j = 0; j < 5; j++)
            independent = 0.49 * independent + 0.09 * 0.32; /* mean c^2 = 0.32 */
        double e = 0;
        for (size_t j = 0; j < k; j++)
            e = epoch(5, a, c, (size_t[]){0, 1, 2, 3, 4}, 0.3, 0, e);
        const double wanted[] = {square, once[k], e * e, independent};
        for (size_t cell = 0; cell < 4; cell++) {
            struct visited visited;
            must(visited_make(&results->cell[cell], &visited, &error), &error);
            cr_expect(visited.family == FAMILY_FLOOR);
            cr_expect(fabs(visited.theory[k] - wanted[cell]) < 1e-12 * wanted[cell], "cell %zu, epoch %zu: %g, %g",
                      cell, k, visited.theory[k], wanted[cell]);
            visited_free(&visited);
        }
    }
    law_results_close(results);
    sweep_close(sweep);
}

Test(law_reshuffling, verdicts_on_floors)
{
    static const char text[] =
        PARABOLAS(10) "replicates: 12800\nschedule: {type: constant}\nbudget: {epochs: 8}\n"
                      "independent_over: [sampling, schedule]\n"
                      "sweep: {sampling: [with_replacement, reshuffle, shuffle_once, cyclic], "
                      "schedule.rate: [0.02, 0.3]}\n"
                      "record: {points: 9, spacing: linear, metrics: [distance2]}\n"
                      "laws:\n  - {law: reshuffling}\n  - {law: reshuffling, theory: leading, where: {schedule.rate: "
                      "0.3}, expect: refuted, note: large}\n";
    struct scene scene = open_scene();
    run_experiment(&scene, "floors", text);
    struct law_results *results = read_results(&scene, "floors");
    struct check_list checks = judge(results, 0);
    cr_expect(checks.count == 8 + 2);
    expect_all(&checks, VERDICT_CONFIRMED, "as measured");
    expect_same_plan(text, 0, &checks);
    checks_free(&checks);
    checks = judge(results, 1);
    cr_expect(checks.count == 1);
    expect_all(&checks, VERDICT_REFUTED, "leading order at n eta = 3");
    checks_free(&checks);
    for (size_t i = 0; i < results->cell_count; i++)
        plant(&results->cell[i], METRIC_DISTANCE2, 0, exp(i % 2 ? 0.5 : -0.5)); /* 5 margins */
    checks = judge(results, 0);
    for (size_t i = 0; i < checks.count; i++)
        cr_expect(checks.check[i].verdict ==
                      (strstr(checks.check[i].quantity, "share") ? VERDICT_CONFIRMED : VERDICT_REFUTED),
                  "%s", checks.check[i].quantity);
    checks_free(&checks);
    law_results_close(results);
    close_scene(&scene);
}

Test(law_reshuffling, verdicts_on_decay_and_bias)
{
    static const char decay[] =
        PARABOLAS(10) "replicates: 3200\nschedule: {type: inverse_time, c: 0.4, t0: 9, every: 10}\n"
                      "budget: {epochs: 512}\nindependent_over: [sampling]\n"
                      "sweep: {sampling: [with_replacement, reshuffle]}\n"
                      "record: {points: 65, spacing: linear, metrics: [distance2]}\n"
                      "laws: {law: reshuffling}\n";
    static const char bias[] = "problem: {type: least_squares, data: {synthetic: six_parabolas}, start: optimum}\n"
                               "keep: moments\nmargins: {value: 0.1}\nreplicates: 3200\nsampling: reshuffle\n"
                               "schedule: {type: constant, rate: 0.05}\nbudget: {epochs: 100}\n"
                               "record: {points: 51, spacing: linear, metrics: [x1]}\nlaws: {law: reshuffling}\n";
    struct scene scene = open_scene();
    run_experiment(&scene, "decay", decay);
    struct law_results *results = read_results(&scene, "decay");
    struct check_list checks = judge(results, 0);
    cr_expect(checks.count == 4);
    expect_all(&checks, VERDICT_CONFIRMED, "decay");
    cr_expect(fabs(checks.check[1].predicted + 1) < 0.02 && fabs(checks.check[3].predicted + 3) < 0.03);
    expect_same_plan(decay, 0, &checks);
    checks_free(&checks);
    /* the slope of an error that falls by a power more, -1/2 */
    struct law_curve *curve = results->cell[1].curve[METRIC_DISTANCE2];
    for (size_t p = 1; p < curve->points; p++) {
        curve->mean[p] *= pow((double)curve->step[p], -0.5);
        curve->se[p] *= pow((double)curve->step[p], -0.5);
    }
    checks = judge(results, 0);
    cr_expect(checks.check[1].verdict == VERDICT_CONFIRMED && checks.check[3].verdict == VERDICT_REFUTED);
    checks_free(&checks);
    law_results_close(results);

    run_experiment(&scene, "bias", bias);
    results = read_results(&scene, "bias");
    checks = judge(results, 0);
    cr_expect(checks.count == 1);
    expect_all(&checks, VERDICT_CONFIRMED, "bias");
    expect_same_plan(bias, 0, &checks);
    checks_free(&checks);
    for (int k = 0; k < 2; k++) { /* none at all, then one of the other sign */
        plant(&results->cell[0], METRIC_X1, results->cell[0].config.reference->x[0], k ? -1e3 : 1e-3);
        checks = judge(results, 0);
        expect_all(&checks, VERDICT_REFUTED, "no bias");
        checks_free(&checks);
    }
    law_results_close(results);
    close_scene(&scene);
}

Test(law_reshuffling, orders_on_other_problems)
{
    static const char text[] =
        "problem: {type: logistic_regression, data: breast_cancer, l2: 0.1, start: optimum, order: sorted_by_label}\n"
        "replicates: 40\nschedule: {type: constant, rate: 0.003}\nbudget: {epochs: 20}\n"
        "sweep: {sampling: [with_replacement, reshuffle, shuffle_once, cyclic]}\n"
        "record: {points: 21, spacing: linear, metrics: [distance2]}\nlaws: {law: reshuffling}\n";
    struct scene scene = open_scene();
    run_experiment(&scene, "orders", text);
    struct law_results *results = read_results(&scene, "orders");
    struct check_list checks = judge(results, 0);
    cr_expect(checks.count == 3);
    expect_all(&checks, VERDICT_CONFIRMED, "orders");
    expect_same_plan(text, 0, &checks);
    checks_free(&checks);
    plant(&results->cell[1], METRIC_DISTANCE2, 0, 1e4); /* reshuffling made worst */
    checks = judge(results, 0);
    cr_expect(checks.check[0].verdict == VERDICT_REFUTED && checks.check[1].verdict == VERDICT_REFUTED);
    cr_expect(checks.check[2].verdict == VERDICT_CONFIRMED);
    checks_free(&checks);
    law_results_close(results);
    close_scene(&scene);
}
