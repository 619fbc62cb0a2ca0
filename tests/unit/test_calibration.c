/* Calibration: shares counted from suites whose checks are drawn from known distributions, the text that keeps them,
 * and what is refused. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <gsl/gsl_randist.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "laws/calibration.h"
#include "rng.h"
#include "stats.h"

enum { CHECKS = 40 };

extern const struct law_type law_variance;

/* A suite of exact checks whose theta is true noise of `spread` times the stated standard error around `shift`. */
static void add_suite(struct calibration *calibration, uint64_t seed, double shift, double spread, double se)
{
    struct rng_stream stream = rng_stream(7, RNG_TEST, 0, seed);
    gsl_rng *rng = rng_gsl_open(&stream);
    struct suite_experiment experiment = {.name = (char *)"e"};
    struct suite_law law = {.type = &law_variance, .count = CHECKS};
    struct suite suite = {.experiment = &experiment, .experiment_count = 1, .law = &law, .law_count = 1};
    for (size_t i = 0; i < CHECKS; i++) {
        struct check check = {.kind = CHECK_DIFFERENCE,
                              .measured = shift + spread * se * gsl_ran_gaussian(rng, 1),
                              .se = se,
                              .margin = 1,
                              .replicates = 100,
                              .exact_theory = true};
        cr_assert(checks_add(&suite.checks, &check, NULL) == STATUS_OK);
    }
    checks_decide(suite.checks.check, CHECKS, CHECKS);
    cr_assert(calibration_add(calibration, seed, &suite, NULL) == STATUS_OK);
    checks_free(&suite.checks);
    gsl_rng_free(rng);
}

static struct calibration_report report_of(double shift, double spread, double se)
{
    struct calibration calibration = {0};
    struct calibration_report report;
    for (uint64_t seed = 0; seed < 250; seed++)
        add_suite(&calibration, seed, shift, spread, se);
    cr_assert(calibration_report(&calibration, NULL, &report, NULL) == STATUS_OK);
    calibration_free(&calibration);
    return report;
}

static double share(const struct calibration_share *s)
{
    return (double)s->k / (double)s->n;
}

Test(calibration, true_laws_cover_as_they_say)
{
    struct calibration_report r = report_of(0, 1, 0.05);
    cr_expect(eq(u64, r.cover95.n, 250 * CHECKS));
    cr_expect(r.cover95.low < 0.95 && 0.95 < r.cover95.high, "%g", share(&r.cover95));
    cr_expect(r.cover99.low < 0.99 && 0.99 < r.cover99.high, "%g", share(&r.cover99));
    cr_expect(r.uniformity_p > 1e-3, "%g", r.uniformity_p);
    cr_expect(eq(u64, r.unexpected.k, 0));
    cr_expect(eq(u64, r.falsely_refuted.k, 0));
    cr_expect(eq(u64, r.confirmed.k, r.confirmed.n));
    cr_expect(eq(u64, r.planted.k, r.planted.n));
    /* Half of alpha' = 0.01/40 of 20000 checks at the margin: 2.5 expected. */
    cr_expect(r.at_margin.k <= 10, "%g", share(&r.at_margin));
}

Test(calibration, wrong_standard_errors_show)
{
    struct calibration_report r = report_of(0, 1.3, 0.05);
    cr_expect(r.cover95.high < 0.9, "%g", share(&r.cover95));
    cr_expect(r.uniformity_p < 1e-6);
}

Test(calibration, a_wrong_law_is_unexpected)
{
    struct calibration_report r = report_of(5, 1, 0.05);
    cr_expect(eq(u64, r.unexpected.k, 250));
    cr_expect(eq(u64, r.falsely_refuted.k, r.falsely_refuted.n));
}

Test(calibration, underpowered_checks_are_told)
{
    struct calibration calibration = {0};
    add_suite(&calibration, 1, 0, 1, 0.5);
    cr_expect(eq(sz, calibration.underpowered, 1));
    cr_expect(eq(sz, calibration.unexpected, 0));
    calibration_free(&calibration);
}

/* What has no noise but rounding says nothing about intervals. */
Test(calibration, checks_without_noise_do_not_count)
{
    struct calibration calibration = {0};
    struct calibration_report report;
    add_suite(&calibration, 1, 0, 1, 0.05);
    add_suite(&calibration, 2, 0, 1, 1e-17);
    cr_assert(calibration_report(&calibration, NULL, &report, NULL) == STATUS_OK);
    cr_expect(eq(u64, report.cover95.n, CHECKS));
    cr_expect(eq(u64, report.at_margin.n, 2 * CHECKS));
    cr_expect(report.at_margin.k <= 2);
    calibration_free(&calibration);
}

static FILE *written(const struct calibration *calibration)
{
    FILE *file = tmpfile();
    cr_assert(file != NULL);
    cr_assert(calibration_write_head(calibration, file, NULL) == STATUS_OK);
    for (size_t i = 0; i < calibration->suites; i++)
        cr_assert(calibration_write(calibration, i, file, NULL) == STATUS_OK);
    return file;
}

Test(calibration, text_round_trips_and_a_cut_off_suite_is_dropped)
{
    struct calibration before = {.repeats = "a1"}, after = {.repeats = "a1"};
    for (uint64_t seed = 5; seed < 8; seed++)
        add_suite(&before, seed, 0.1, 1, 0.05);
    before.check[3].p_value = NAN;
    FILE *file = written(&before);
    const long size = ftell(file);
    rewind(file);
    cr_assert(calibration_read(&after, file, "checks.txt", NULL) == STATUS_OK);
    cr_assert(eq(sz, after.suites, 3));
    cr_expect(calibration_has(&after, 7) && !calibration_has(&after, 8));
    cr_expect(isnan(after.check[3].p_value));
    for (size_t i = 0; i < 3 * CHECKS; i++) {
        cr_expect(after.check[i].theta == before.check[i].theta && after.check[i].se == before.check[i].se);
        cr_expect(eq(int, (int)after.check[i].verdict, (int)before.check[i].verdict));
        cr_expect(eq(str, after.check[i].law, (char *)"variance"));
    }
    for (long keep = size - 1; keep > size - 3000; keep -= 37) {
        cr_assert(ftruncate(fileno(file), keep) == 0);
        struct calibration cut = {.repeats = "a1"};
        rewind(file);
        cr_assert(calibration_read(&cut, file, "checks.txt", NULL) == STATUS_OK);
        cr_expect(eq(sz, cut.suites, 2), "%zu suites at %ld of %ld bytes", cut.suites, keep, size);
        calibration_free(&cut);
    }
    fclose(file);
    calibration_free(&before);
    calibration_free(&after);
}

Test(calibration, foreign_text_is_told_with_its_line)
{
    struct calibration calibration = {.repeats = "a1"};
    struct error error;
    FILE *file = tmpfile();
    cr_assert(file != NULL);
    fputs("calibration of a1\nsuite 1 1\nvariance 0 1 0 0 0 0.1 x 1 0.5\nend\n", file);
    rewind(file);
    cr_expect(calibration_read(&calibration, file, "checks.txt", &error) == STATUS_INPUT);
    cr_expect(eq(sz, error.line, 3));
    rewind(file);
    strcpy(calibration.repeats, "b2");
    cr_expect(calibration_read(&calibration, file, "checks.txt", &error) == STATUS_INPUT);
    cr_expect(eq(sz, error.line, 1));
    calibration_free(&calibration);
    fclose(file);
}

Test(calibration, suites_of_another_size_are_refused)
{
    struct calibration calibration = {0};
    struct suite_experiment experiment = {.name = (char *)"e"};
    struct suite_law law = {.type = &law_variance, .count = 1};
    struct suite suite = {.experiment = &experiment, .experiment_count = 1, .law = &law, .law_count = 1};
    struct check check = {.kind = CHECK_EXACT};
    struct error error;
    add_suite(&calibration, 1, 0, 1, 0.05);
    cr_assert(checks_add(&suite.checks, &check, NULL) == STATUS_OK);
    cr_expect(calibration_add(&calibration, 2, &suite, &error) == STATUS_USAGE);
    experiment.wanted = 2;
    cr_expect(calibration_add(&calibration, 2, &suite, &error) == STATUS_USAGE);
    cr_expect(eq(sz, calibration.suites, 1));
    checks_free(&suite.checks);
    calibration_free(&calibration);
}
