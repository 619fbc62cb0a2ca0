/* The law of schedules: verdicts on runs and on planted errors, its choice of rates, and the quartic's shares. */
#include "law_verdicts.h"

static const char text[] =
    "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 64, d: 4, condition: 10}, "
    "start: {optimum: 1}}\nkeep: moments\nreplicates: 3200\nbudget: {steps: 400}\nindependent_over: [schedule]\n"
    "sweep:\n  schedule:\n"
    "    - {type: constant, rate: 0.0464}\n    - {type: constant, rate: 0.2}\n"
    "    - {type: inverse_time, t0: 30, rate: 0.3}\n    - {type: cosine, rate: 0.1}\n"
    "  averaging: [last, uniform]\nrecord: {points: 12, spacing: log, metrics: [gap]}\nmargins: {value: 0.1}\n"
    "laws: {law: schedules}\n";

static size_t count_kind(const struct check_list *checks, enum check_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < checks->count; i++)
        count += checks->check[i].kind == kind;
    return count;
}

Test(law_schedules, verdicts)
{
    struct scene scene = open_scene();
    run_experiment(&scene, "schedules", text);
    struct law_results *results = read_results(&scene, "schedules");
    struct check_list checks = judge(results, 0);
    cr_expect(count_kind(&checks, CHECK_RATIO) == 8); /* the better constant rate, the better average, the other two */
    cr_expect(count_kind(&checks, CHECK_EXACT) == 1 && count_kind(&checks, CHECK_ORDER) >= 2);
    for (size_t i = 0; i < checks.count; i++)
        cr_expect(checks.check[i].kind == CHECK_EXACT || checks.check[i].verdict == VERDICT_CONFIRMED, "%s, %s: %g",
                  checks.check[i].instance, checks.check[i].quantity, checks.check[i].measured);
    expect_same_plan(text, 0, &checks);
    checks_free(&checks);
    for (size_t i = 0; i < results->cell_count; i++)
        plant(&results->cell[i], METRIC_GAP, 0, exp(0.5));
    checks = judge(results, 0);
    for (size_t i = 0; i < checks.count; i++)
        if (checks.check[i].kind == CHECK_RATIO)
            cr_expect(checks.check[i].verdict == VERDICT_REFUTED, "%s", checks.check[i].quantity);
    checks_free(&checks);
    law_results_close(results);
    close_scene(&scene);
}

/* In one dimension with a constant rate the average of x_0..x_t has a closed form without noise: sum rho^s. */
Test(law_schedules, predictions)
{
    static const char one[] =
        "problem: {type: least_squares, data: {synthetic: weighted_parabolas, n: 1, low: 1, high: "
        "1, spacing: ends}, start: {optimum: 1}}\nreplicates: 2\nbudget: {steps: 20}\n"
        "schedule: {type: constant, rate: 0.1}\nsweep: {averaging: [last, uniform]}\n"
        "record: {points: 21, spacing: linear, metrics: [gap]}\nlaws: {law: schedules}\n";
    struct error error;
    struct law_results *results;
    gsl_set_error_handler_off();
    struct sweep *sweep = open_experiment("one", one, -1);
    must(law_results_plan(sweep, &results, &error), &error);
    struct check_list checks = judge(results, 0);
    const double last = pow(0.9, 40) / 2, mean = (1 - pow(0.9, 21)) / 0.1 / 21;
    size_t found = 0;
    for (size_t i = 0; i < checks.count; i++) {
        const struct check *check = &checks.check[i];
        if (strcmp(check->quantity, "E f(x_T) - f*") != 0)
            continue;
        const double wanted = strstr(check->instance, "averaged") ? mean * mean / 2 : last;
        cr_expect(fabs(check->predicted - wanted) < 1e-12 * wanted, "%s: %g, %g", check->instance, check->predicted,
                  wanted);
        found++;
    }
    cr_expect(found == 2);
    checks_free(&checks);
    law_results_close(results);
    sweep_close(sweep);
}

Test(law_schedules, warmup_and_quartic)
{
    static const char warm[] =
        "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 64, d: 4, condition: 10}, "
        "start: {optimum: 1}}\nkeep: moments\nreplicates: 3200\nbudget: {steps: 400}\n"
        "sweep: {schedule: [{type: cosine, rate: 0.1}, {type: cosine, rate: 0.1, warmup: {steps: 100}}]}\n"
        "record: {points: 4, metrics: [gap]}\n"
        "laws: {law: schedules, claim: warmup, expect: refuted, note: no}\n";
    static const char quartic[] =
        "problem: {type: quartic, data: {synthetic: signs, scale: 0.1}, start: [3]}\nkeep: moments\nreplicates: 640\n"
        "budget: {steps: 200}\nschedule: {type: constant}\nmargins: {value: 0.1}\n"
        "sweep: {schedule.rate: [0.22, 0.2245], schedule.warmup: [0, 50]}\n"
        "record: {points: 3, metrics: [loss]}\nlaws: {law: schedules}\n";
    struct scene scene = open_scene();
    run_experiment(&scene, "warm", warm);
    struct law_results *results = read_results(&scene, "warm");
    struct check_list checks = judge(results, 0);
    cr_expect(checks.count == 1);
    expect_all(&checks, VERDICT_REFUTED, "warm-up");
    checks_free(&checks);
    law_results_close(results);

    run_experiment(&scene, "quartic", quartic);
    results = read_results(&scene, "quartic");
    checks = judge(results, 0);
    cr_assert(checks.count == 4);
    expect_all(&checks, VERDICT_CONFIRMED, "quartic");
    expect_same_plan(quartic, 0, &checks);
    const double wanted[] = {0, 0, 1, 0};
    for (size_t i = 0; i < 4; i++)
        cr_expect(checks.check[i].predicted == wanted[i]);
    checks_free(&checks);
    results->cell[0].diverged = results->cell[0].chains / 2; /* 5 margins */
    checks = judge(results, 0);
    cr_expect(checks.check[0].verdict == VERDICT_REFUTED && checks.check[1].verdict == VERDICT_CONFIRMED);
    checks_free(&checks);
    law_results_close(results);
    close_scene(&scene);
}
