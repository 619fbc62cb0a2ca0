/* Checks: one comparison of a measurement with a prediction, and the verdict on it.
 *
 * theta measures the disagreement: ln(measured/predicted) for values, the difference for slopes and shares. With N the
 * number of checks of the whole suite, alpha' = 0.01/N and z the two-sided normal quantile of alpha', the interval is
 * theta +- z se, and the check is confirmed when it lies inside [-margin, margin], refuted when it is disjoint from
 * that, and inconclusive otherwise. Equivalence testing after Schuirmann, J. Pharmacokinet. Biopharm. 15 (1987);
 * Bonferroni over the suite. */
#ifndef SGDLAB_CHECK_H
#define SGDLAB_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

enum verdict { VERDICT_CONFIRMED, VERDICT_REFUTED, VERDICT_INCONCLUSIVE };

enum check_kind {
    /* theta = ln(measured/predicted), se is that of theta. Not positive: theta = -inf, and |se measured| is taken as
     * the standard error of measured, so that noise around zero does not refute; prediction 0: inconclusive. */
    CHECK_RATIO,
    CHECK_DIFFERENCE, /* theta = measured - predicted: slopes, shares; se is that of measured */
    CHECK_BOUND,      /* one-sided: measured <= predicted holds; theta as in CHECK_RATIO; confirmed when the upper limit
                         is <= margin, refuted when the lower limit is > margin */
    CHECK_ORDER,   /* one-sided: measured > predicted; theta = measured - predicted; confirmed when the lower limit is
                      > 0, refuted when the upper limit is < 0 */
    CHECK_P_VALUE, /* measured is a p-value: refuted when < alpha'; else confirmed when also effect +- z effect_se
                      lies in [-margin, margin]; else inconclusive */
    CHECK_EXACT,   /* no noise: confirmed when |measured - predicted| <= margin, else refuted */
};

struct check {
    enum check_kind kind;
    char instance[160]; /* "digits, subset, m=16" */
    char quantity[96];  /* "tr Cov g", "slope of ln gap on ln T" */
    double predicted, measured, se, margin;
    double effect, effect_se; /* CHECK_P_VALUE */
    uint64_t replicates;      /* independent chains (or draws) behind measured */
    enum verdict expected;
    bool exact_theory; /* the prediction has no approximation: its z-score belongs into the QQ plot */
    char note[240];    /* why another verdict than confirmed is expected; a fit's lack-of-fit; ... */

    /* filled by checks_decide */
    double theta, ci_low, ci_high, alpha;
    enum verdict verdict;
    /* z se > margin / 2: an exactly true law might not be confirmed. One-sided kinds: that, where the check was
     * inconclusive; for them the margin is the smallest excess or difference of interest, 0: none is named. */
    bool underpowered;
    double replicates_needed; /* for z se <= margin/2, or to move the interval off the limit; NaN: not known */
};

enum agreement { AGREES_YES, AGREES_NO, AGREES_UNDERPOWERED };
/* What the column `agrees` says: yes when verdict and expectation are equal; an inconclusive check that is underpowered
 * is told and does not count, unless its measurement is NaN; no otherwise. */
enum agreement check_agreement(const struct check *check);

struct check_list {
    struct check *check;
    size_t count, capacity;
};
/* Appends a copy. */
enum status checks_add(struct check_list *list, const struct check *check, struct error *error);
void checks_free(struct check_list *list);

/* Verdicts of `count` checks among `total` of the whole suite. */
void checks_decide(struct check *check, size_t count, size_t total);

/* Probability that an exactly true law (theta = shift for another truth) comes out confirmed, refuted: normal theory.
 * CHECK_P_VALUE: shift is that of the effect, the p-value taken as uniform. */
double check_power(const struct check *check, size_t total, double shift, enum verdict verdict);

const char *verdict_name(enum verdict verdict);
const char *agreement_name(enum agreement agreement);
/* "confirmed" -> VERDICT_CONFIRMED ...; false for anything else. */
bool verdict_parse(const char *name, enum verdict *verdict);

#endif
