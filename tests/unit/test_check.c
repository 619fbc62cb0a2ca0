/* Verdicts on checks: every kind at, inside and outside its limits, measurements that are no numbers, power against
 * simulation, and what counts as agreement. */
#include <criterion/criterion.h>
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_randist.h>
#include <math.h>

#include "laws/check.h"
#include "rng.h"
#include "stats.h"

static struct check decided(struct check check, size_t total)
{
    checks_decide(&check, 1, total);
    return check;
}

static struct check ratio(double theta, double se)
{
    return (struct check){
        .kind = CHECK_RATIO, .predicted = 3, .measured = 3 * exp(theta), .se = se, .margin = 0.02, .replicates = 1000};
}

Test(check, level_and_interval)
{
    const struct check c = decided(ratio(0.001, 0.002), 10);
    const double z = gsl_cdf_ugaussian_Pinv(1 - 0.001 / 2);
    cr_assert_float_eq(c.alpha, 0.001, 1e-18);
    cr_assert_float_eq(z, 3.29, 0.005);
    cr_assert_float_eq(c.theta, 0.001, 1e-15);
    cr_assert_float_eq(c.ci_low, 0.001 - z * 0.002, 1e-12);
    cr_assert_float_eq(c.ci_high, 0.001 + z * 0.002, 1e-12);
    /* The suite is at least the checks at hand. */
    struct check two[2] = {ratio(0, 0.001), ratio(0, 0.001)};
    checks_decide(two, 2, 0);
    cr_assert_float_eq(two[0].alpha, 0.005, 1e-18);
    cr_assert_float_eq(two[1].alpha, 0.005, 1e-18);
}

/* z se = 0.01: the interval is theta +- 0.01 and the margin 0.02. */
Test(check, two_sided_limits)
{
    const double se = 0.01 / stats_z(0.001), tiny = 1e-9;
    static const enum verdict good = VERDICT_CONFIRMED, bad = VERDICT_REFUTED, open = VERDICT_INCONCLUSIVE;
    const struct {
        double theta;
        enum verdict verdict;
    } point[] = {{0.01 - tiny, good}, {0.01 + tiny, open}, {0.03 - tiny, open}, {0.03 + tiny, bad}, {0.5, bad}};
    for (size_t i = 0; i < sizeof point / sizeof *point; i++)
        for (int sign = -1; sign <= 1; sign += 2) {
            cr_assert(decided(ratio(sign * point[i].theta, se), 10).verdict == point[i].verdict, "ratio %zu", i);
            struct check c = {.kind = CHECK_DIFFERENCE,
                              .predicted = -0.5,
                              .measured = -0.5 + sign * point[i].theta,
                              .se = se,
                              .margin = 0.02,
                              .replicates = 10};
            cr_assert(decided(c, 10).verdict == point[i].verdict, "difference %zu", i);
        }
    /* A smaller suite is less strict: z is smaller. */
    cr_assert(decided(ratio(0.01 + 1e-5, se), 9).verdict == VERDICT_CONFIRMED);
    cr_assert(decided(ratio(0.01 - 1e-5, se), 11).verdict == VERDICT_INCONCLUSIVE);
}

Test(check, bound_and_order)
{
    const double se = 0.01 / stats_z(0.001);
    struct check c = ratio(0.01 - 1e-9, se);
    c.kind = CHECK_BOUND;
    cr_assert(decided(c, 10).verdict == VERDICT_CONFIRMED);
    c.measured = 3 * exp(0.01 + 1e-9);
    cr_assert(decided(c, 10).verdict == VERDICT_INCONCLUSIVE);
    c.measured = 3 * exp(0.03 + 1e-9);
    cr_assert(decided(c, 10).verdict == VERDICT_REFUTED);
    c.measured = 1e-300; /* far below a bound is fine, and so is nothing or less */
    cr_assert(decided(c, 10).verdict == VERDICT_CONFIRMED);
    c.measured = 0;
    cr_assert(decided(c, 10).verdict == VERDICT_CONFIRMED);
    c.measured = -1;
    cr_assert(decided(c, 10).verdict == VERDICT_CONFIRMED);
    c.predicted = -2; /* no ratio */
    cr_assert(decided(c, 10).verdict == VERDICT_INCONCLUSIVE);

    struct check order = {.kind = CHECK_ORDER, .predicted = 1, .measured = 1.01 + 1e-9, .se = se, .replicates = 100};
    cr_assert(decided(order, 10).verdict == VERDICT_CONFIRMED);
    order.measured = 1.01 - 1e-9;
    cr_assert(decided(order, 10).verdict == VERDICT_INCONCLUSIVE);
    order.measured = 0.99 - 1e-9;
    cr_assert(decided(order, 10).verdict == VERDICT_REFUTED);
}

Test(check, p_value)
{
    struct check c = {.kind = CHECK_P_VALUE, .measured = 0.5, .effect = 0.004, .effect_se = 0.004, .margin = 0.02};
    struct check d = decided(c, 10); /* 0.004 + 3.29 * 0.004 = 0.01716 */
    cr_assert(d.verdict == VERDICT_CONFIRMED && d.underpowered);
    cr_assert_float_eq(d.theta, 0.004, 1e-15);
    c.effect = 0.008;
    cr_assert(decided(c, 10).verdict == VERDICT_INCONCLUSIVE);
    c.effect = 1; /* an effect alone does not refute */
    cr_assert(decided(c, 10).verdict == VERDICT_INCONCLUSIVE);
    c.effect = 0;
    c.measured = 0.00099;
    cr_assert(decided(c, 10).verdict == VERDICT_REFUTED);
    cr_assert(decided(c, 9).verdict == VERDICT_REFUTED);
    c.measured = 0.00101;
    cr_assert(decided(c, 10).verdict == VERDICT_CONFIRMED);
    cr_assert(decided(c, 9).verdict == VERDICT_REFUTED);
    c.measured = NAN;
    cr_assert(decided(c, 10).verdict == VERDICT_INCONCLUSIVE);
}

Test(check, exact)
{
    struct check c = {.kind = CHECK_EXACT, .predicted = 2, .measured = 2 + 1e-12, .margin = 1e-11, .se = 5};
    cr_assert(decided(c, 10).verdict == VERDICT_CONFIRMED);
    cr_assert(!decided(c, 10).underpowered);
    c.measured = 2 - 2e-11;
    cr_assert(decided(c, 10).verdict == VERDICT_REFUTED);
    c.measured = INFINITY;
    cr_assert(decided(c, 10).verdict == VERDICT_REFUTED);
    c.measured = NAN;
    c = decided(c, 10);
    cr_assert(c.verdict == VERDICT_INCONCLUSIVE && check_agreement(&c) == AGREES_NO);
    c = decided((struct check){.kind = CHECK_EXACT}, 10); /* 0 = 0 within 0 */
    cr_assert(c.verdict == VERDICT_CONFIRMED);
}

Test(check, no_noise)
{
    cr_assert(decided(ratio(0.0199, 0), 10).verdict == VERDICT_CONFIRMED);
    cr_assert(decided(ratio(0.0201, 0), 10).verdict == VERDICT_REFUTED);
    cr_assert(!decided(ratio(0, 0), 10).underpowered);
    cr_assert(decided(ratio(0, 0), 10).replicates_needed <= 1000);
}

/* Numbers that have no logarithm, and no numbers at all. */
Test(check, hostile_values)
{
    struct check c = ratio(0, 0.001);
    c.measured = INFINITY; /* diverged beyond doubt */
    cr_assert(decided(c, 10).verdict == VERDICT_REFUTED);
    c.se = NAN;
    cr_assert(decided(c, 10).verdict == VERDICT_INCONCLUSIVE);
    c.se = INFINITY;
    cr_assert(decided(c, 10).verdict == VERDICT_INCONCLUSIVE);
    /* -1 +- 0.1: surely negative, refuted; -1 +- 1: 3.29 - 1 may be positive and close to 3. */
    c.measured = -1;
    c.se = 0.1;
    struct check d = decided(c, 10);
    cr_assert(d.verdict == VERDICT_REFUTED && d.theta == -INFINITY && d.ci_high == -INFINITY);
    c.se = -0.1; /* standard error divided by a negative mean */
    cr_assert(decided(c, 10).verdict == VERDICT_REFUTED);
    c.se = 1.3;
    d = decided(c, 10);
    cr_assert(d.verdict == VERDICT_INCONCLUSIVE);
    cr_assert_float_eq(d.ci_high, log((1.3 * stats_z(0.001) - 1) / 3), 1e-12);
    c.measured = 0;
    c.se = 0;
    cr_assert(decided(c, 10).verdict == VERDICT_REFUTED);
    c.se = INFINITY; /* 0 +- s has se(ln) = s/0 */
    cr_assert(decided(c, 10).verdict == VERDICT_INCONCLUSIVE);
    c.se = NAN;
    cr_assert(decided(c, 10).verdict == VERDICT_INCONCLUSIVE);
    c.se = 0.001;
    c.measured = 1;
    c.predicted = 0;
    cr_assert(decided(c, 10).verdict == VERDICT_INCONCLUSIVE);
    c.measured = c.predicted = -2; /* covariances have ratios too */
    cr_assert(decided(c, 10).verdict == VERDICT_CONFIRMED);
    c.predicted = NAN;
    cr_assert(decided(c, 10).verdict == VERDICT_INCONCLUSIVE);
    c.predicted = INFINITY;
    c.measured = INFINITY;
    cr_assert(decided(c, 10).verdict == VERDICT_INCONCLUSIVE);
}

/* Before a run there is no measurement, yet what it will be able to decide is known. */
Test(check, planned)
{
    struct check c = ratio(0, 0.01);
    c.measured = NAN;
    c = decided(c, 10);
    cr_assert(c.verdict == VERDICT_INCONCLUSIVE && c.underpowered);
    cr_assert_float_eq(c.replicates_needed, 1000 * pow(2 * stats_z(0.001) * 0.01 / 0.02, 2), 1.0);
    /* With that many it is enough. */
    c.se *= sqrt(1000 / c.replicates_needed);
    c.replicates = (uint64_t)c.replicates_needed;
    c = decided(c, 10);
    cr_assert(!c.underpowered && c.replicates_needed <= (double)c.replicates + 1);
    for (int kind = CHECK_BOUND; kind <= CHECK_ORDER; kind++) {
        c = ratio(NAN, 0.01);
        c.kind = (enum check_kind)kind;
        c = decided(c, 10);
        cr_assert(c.underpowered, "a planned bound may be attained, a planned order as small as its margin");
        cr_assert_float_eq(c.replicates_needed, 1000 * pow(2 * stats_z(0.001) * 0.01 / 0.02, 2), 1.0);
        c.margin = 0;
        c = decided(c, 10);
        cr_assert(!c.underpowered && isnan(c.replicates_needed));
    }
}

Test(check, replicates_that_settle)
{
    const double z = stats_z(0.001);
    struct check c = decided(ratio(0.015, 0.002), 10);
    cr_assert(c.verdict == VERDICT_INCONCLUSIVE && !c.underpowered);
    cr_assert_float_eq(c.replicates_needed, 1000 * pow(z * 0.002 / 0.005, 2), 1.0);
    cr_assert(c.replicates_needed > 1000);
    c = decided(ratio(0.5, 0.1), 10); /* too coarse for the margin, but refuted all the same */
    cr_assert(c.verdict == VERDICT_REFUTED && c.underpowered);
    struct check order = {.kind = CHECK_ORDER, .measured = 0.1, .se = 0.05, .replicates = 100};
    order = decided(order, 10);
    cr_assert_float_eq(order.replicates_needed, 100 * pow(z * 0.05 / 0.1, 2), 1.0);
    /* That many and a few more decide, a few less do not. */
    for (int more = -3; more <= 3; more += 6) {
        struct check again = order;
        again.se = 0.05 * sqrt(100 / (order.replicates_needed + more));
        cr_assert(decided(again, 10).verdict == (more > 0 ? VERDICT_CONFIRMED : VERDICT_INCONCLUSIVE));
    }
    c = ratio(0.03, 0.01);
    c.kind = CHECK_BOUND;
    cr_assert_float_eq(decided(c, 10).replicates_needed, 1000 * pow(z * 0.01 / 0.01, 2), 1.0);
}

/* One chain has no standard error. More chains without one are a mistake that must not pass as too few. */
Test(check, agreement)
{
    struct check c = decided(ratio(0, 0.001), 10);
    cr_assert(check_agreement(&c) == AGREES_YES);
    c.expected = VERDICT_REFUTED;
    cr_assert(check_agreement(&c) == AGREES_NO);
    c = decided(ratio(0.015, 0.002), 10);
    cr_assert(check_agreement(&c) == AGREES_NO);
    c.expected = VERDICT_INCONCLUSIVE;
    cr_assert(check_agreement(&c) == AGREES_YES);
    c = decided(ratio(0.5, 0.1), 10); /* refuted while underpowered */
    cr_assert(check_agreement(&c) == AGREES_NO);
    c = decided(ratio(0.01, 0.01), 10);
    cr_assert(check_agreement(&c) == AGREES_UNDERPOWERED);
    c = decided(ratio(NAN, 0.01), 10);
    cr_assert(check_agreement(&c) == AGREES_NO);
    c = decided(ratio(0.01, NAN), 10);
    cr_assert(check_agreement(&c) == AGREES_NO);
    c = ratio(0.01, NAN);
    c.replicates = 1;
    c = decided(c, 10);
    cr_assert(check_agreement(&c) == AGREES_UNDERPOWERED);
    /* An ordering with a smallest difference of interest: ten seeds cannot tell, and say so. */
    c = decided((struct check){.kind = CHECK_ORDER, .measured = 0.002, .se = 0.002, .margin = 0.005}, 10);
    cr_assert(check_agreement(&c) == AGREES_UNDERPOWERED);
    c = decided((struct check){.kind = CHECK_ORDER, .measured = 0.0002, .se = 0.0002, .margin = 0.005}, 10);
    cr_assert(check_agreement(&c) == AGREES_NO);
}

/* check_power against simulated experiments, for every kind and several truths. Fails below p = 1e-6. */
Test(check, power)
{
    enum { EXPERIMENTS = 2000 };
    const struct rng_stream stream = rng_stream(11, RNG_TEST, 0, 0);
    gsl_rng *rng = rng_gsl_open(&stream);
    const double z = stats_z(0.001);
    static const double coarseness[] = {0.3, 0.5, 0.8, 1.2}, truth[] = {0, 0.3, 0.7, 1, -1, 1.6, -2.2};
    static const enum check_kind kinds[] = {CHECK_RATIO, CHECK_DIFFERENCE, CHECK_BOUND, CHECK_ORDER, CHECK_EXACT};
    size_t decisive = 0;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (size_t i = 0; i < sizeof coarseness / sizeof *coarseness; i++)
            for (size_t t = 0; t < sizeof truth / sizeof *truth; t++) {
                struct check c = ratio(0, 0.02 * coarseness[i] / z);
                c.kind = kinds[k];
                const double shift = 0.02 * truth[t] * 0.999;
                size_t seen[3] = {0};
                for (size_t e = 0; e < EXPERIMENTS; e++) {
                    struct check run = c;
                    const double noise = c.kind == CHECK_EXACT ? 0 : gsl_ran_gaussian(rng, c.se);
                    const bool logs = c.kind == CHECK_RATIO || c.kind == CHECK_BOUND;
                    run.measured = logs ? c.predicted * exp(shift + noise) : c.predicted + shift + noise;
                    seen[decided(run, 10).verdict]++;
                }
                double sum = 0;
                for (int v = 0; v < 3; v++) {
                    const double p = check_power(&c, 10, shift, (enum verdict)v);
                    cr_assert(p >= 0 && p <= 1);
                    sum += p;
                    decisive += p > 0.05 && p < 0.95;
                    const unsigned n = EXPERIMENTS, s = (unsigned)seen[v];
                    const double above = s ? gsl_cdf_binomial_Q(s - 1, p, n) : 1, below = gsl_cdf_binomial_P(s, p, n);
                    cr_assert(above > 1e-6 && below > 1e-6, "kind %d, z se/margin %g, truth %g: %s %zu times, power %g",
                              (int)kinds[k], coarseness[i], truth[t], verdict_name((enum verdict)v), seen[v], p);
                }
                cr_assert_float_eq(sum, 1, 1e-12);
            }
    cr_assert(decisive > 40, "the comparison must not be of zeros and ones only: %zu", decisive);
    gsl_rng_free(rng);
}

/* z se = margin/2 is where an exactly true law is confirmed with probability 1 - alpha'; at theta = +-margin it is with
 * alpha'/2. */
Test(check, power_of_the_design)
{
    struct check c = ratio(0, 0.01 / stats_z(0.001));
    cr_assert_float_eq(check_power(&c, 10, 0, VERDICT_CONFIRMED), 1 - 0.001, 1e-12);
    cr_assert_float_eq(check_power(&c, 10, 0.02, VERDICT_CONFIRMED), 0.0005, 1e-9);
    cr_assert_float_eq(check_power(&c, 10, -0.02, VERDICT_CONFIRMED), 0.0005, 1e-9);
    cr_assert(!decided(ratio(0, 0.01 / stats_z(0.001) * (1 - 1e-9)), 10).underpowered);
    cr_assert(decided(ratio(0, 0.01 / stats_z(0.001) * (1 + 1e-9)), 10).underpowered);
    c.kind = CHECK_P_VALUE;
    c.effect_se = c.se;
    cr_assert_float_eq(check_power(&c, 10, 0, VERDICT_REFUTED), 0.001, 1e-12);
    cr_assert_float_eq(check_power(&c, 10, 0, VERDICT_CONFIRMED), (1 - 0.001) * (1 - 0.001), 1e-12);
    c.kind = CHECK_RATIO;
    c.se = NAN;
    cr_assert(check_power(&c, 10, 0, VERDICT_CONFIRMED) == 0);
    cr_assert(check_power(&c, 10, 0, VERDICT_INCONCLUSIVE) == 1);
}

Test(check, list_and_names)
{
    struct check_list list = {0};
    struct error error;
    for (size_t i = 0; i < 100; i++) {
        struct check c = ratio(0, 0.001);
        c.replicates = i;
        cr_assert(checks_add(&list, &c, &error) == STATUS_OK);
    }
    cr_assert(list.count == 100);
    for (size_t i = 0; i < 100; i++)
        cr_assert(list.check[i].replicates == i && list.check[i].predicted == 3);
    checks_free(&list);
    cr_assert(list.check == NULL && list.count == 0);
    checks_free(&list);
    for (int v = 0; v < 3; v++) {
        enum verdict verdict = (enum verdict)((v + 1) % 3);
        cr_assert(verdict_parse(verdict_name((enum verdict)v), &verdict) && verdict == (enum verdict)v);
    }
    enum verdict verdict;
    cr_assert(!verdict_parse("", &verdict) && !verdict_parse("Confirmed", &verdict) &&
              !verdict_parse("refute", &verdict));
    cr_assert_str_eq(verdict_name(VERDICT_CONFIRMED), "confirmed");
    cr_assert_str_eq(verdict_name(VERDICT_REFUTED), "refuted");
    cr_assert_str_eq(agreement_name(AGREES_YES), "yes");
    cr_assert_str_eq(agreement_name(AGREES_NO), "no");
    cr_assert_str_eq(agreement_name(AGREES_UNDERPOWERED), "underpowered");
}
