/* Verdicts: intervals of the disagreement against the margin, what a check can decide at all, and whether it came out
 * as expected. */
#include "laws/check.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats.h"

static const double suite_level = 0.01; /* chance of any false alarm in a suite whose laws are all true */

static const char *const verdict_names[] = {"confirmed", "refuted", "inconclusive"};
static const char *const agreement_names[] = {"yes", "no", "underpowered"};

const char *verdict_name(enum verdict verdict)
{
    return verdict_names[verdict];
}

const char *agreement_name(enum agreement agreement)
{
    return agreement_names[agreement];
}

bool verdict_parse(const char *name, enum verdict *verdict)
{
    for (size_t i = 0; i < sizeof verdict_names / sizeof *verdict_names; i++)
        if (strcmp(name, verdict_names[i]) == 0) {
            *verdict = (enum verdict)i;
            return true;
        }
    return false;
}

enum status checks_add(struct check_list *list, const struct check *check, struct error *error)
{
    if (list->count == list->capacity) {
        const size_t capacity = list->capacity ? 2 * list->capacity : 32;
        struct check *more = realloc(list->check, capacity * sizeof *more);
        if (!more)
            return error_memory(error, capacity * sizeof *more, "the checks of a law");
        list->check = more;
        list->capacity = capacity;
    }
    list->check[list->count++] = *check;
    return STATUS_OK;
}

void checks_free(struct check_list *list)
{
    free(list->check);
    *list = (struct check_list){0};
}

static bool one_sided(const struct check *c)
{
    return c->kind == CHECK_BOUND || c->kind == CHECK_ORDER;
}

/* The standard error behind the interval. */
static double se_of(const struct check *c)
{
    return c->kind == CHECK_P_VALUE ? c->effect_se : c->kind == CHECK_EXACT ? 0 : c->se;
}

/* theta and its interval on the logarithmic scale. A ratio that is not positive has no logarithm: theta is then -inf,
 * and the interval is that of the ratio itself, ratio +- z |se ratio|, with its upper limit in logarithms, -inf when
 * that is not positive either. So a mean of the wrong sign refutes only as far as its noise allows. A prediction of
 * zero, or a negative one for a bound, has no ratio: NaN, inconclusive. */
static void log_interval(struct check *c, double z)
{
    const double ratio = c->measured / c->predicted;
    if (c->predicted == 0 || (c->kind == CHECK_BOUND && c->predicted < 0)) {
        c->theta = c->ci_low = c->ci_high = NAN;
    } else if (ratio > 0) {
        c->theta = log(ratio);
        c->ci_low = c->theta - z * c->se;
        c->ci_high = c->theta + z * c->se;
    } else if (isnan(ratio)) {
        c->theta = c->ci_low = c->ci_high = NAN;
    } else {
        const double high = ratio + z * fabs(c->se * ratio);
        c->theta = -INFINITY;
        c->ci_low = isnan(high) ? NAN : -INFINITY;
        c->ci_high = high > 0 ? log(high) : c->ci_low;
    }
}

static void set_interval(struct check *c, double z)
{
    if (c->kind == CHECK_RATIO || c->kind == CHECK_BOUND) {
        log_interval(c, z);
        return;
    }
    const double se = se_of(c);
    c->theta = c->kind == CHECK_P_VALUE ? c->effect : c->measured - c->predicted;
    c->ci_low = c->theta - z * se;
    c->ci_high = c->theta + z * se;
}

/* Comparisons with NaN are false, so whatever is not known ends as inconclusive. */
static enum verdict judge(const struct check *c)
{
    bool confirmed, refuted;
    switch (c->kind) {
    case CHECK_BOUND:
        confirmed = c->ci_high <= c->margin;
        refuted = c->ci_low > c->margin;
        break;
    case CHECK_ORDER:
        confirmed = c->ci_low > 0;
        refuted = c->ci_high < 0;
        break;
    case CHECK_P_VALUE:
        refuted = c->measured < c->alpha;
        confirmed = c->measured >= c->alpha && c->ci_low >= -c->margin && c->ci_high <= c->margin;
        break;
    default:
        confirmed = c->ci_low >= -c->margin && c->ci_high <= c->margin;
        refuted = c->ci_low > c->margin || c->ci_high < -c->margin;
    }
    return confirmed ? VERDICT_CONFIRMED : refuted ? VERDICT_REFUTED : VERDICT_INCONCLUSIVE;
}

/* Standard errors fall with the square root of the replicates. */
static double replicates_for(const struct check *c, double z, double half_width)
{
    const double factor = z * se_of(c) / half_width;
    return factor > 0 ? ceil(factor * factor * (double)c->replicates) : isnan(factor) ? NAN : (double)c->replicates;
}

static void set_power(struct check *c, double z)
{
    const double se = se_of(c);
    /* One chain has no standard error; more chains without one are an error of the law, which must show. */
    const bool coarse = isnan(se) ? c->replicates < 2 : z * se > c->margin / 2;
    double distance = c->margin / 2;
    if (one_sided(c)) {
        c->underpowered = coarse && c->margin > 0 && c->verdict == VERDICT_INCONCLUSIVE;
        if (isfinite(c->theta))
            distance = fabs(c->theta - (c->kind == CHECK_BOUND ? c->margin : 0));
        else if (c->margin <= 0)
            distance = NAN;
    } else {
        c->underpowered = coarse;
        if (!coarse && c->verdict == VERDICT_INCONCLUSIVE && isfinite(c->theta))
            distance = fabs(fabs(c->theta) - c->margin);
    }
    c->replicates_needed = replicates_for(c, z, distance);
}

static double level_of(size_t total)
{
    return suite_level / (double)(total > 0 ? total : 1);
}

void checks_decide(struct check *check, size_t count, size_t total)
{
    const double alpha = level_of(total > count ? total : count);
    const double z = stats_z(alpha);
    for (size_t i = 0; i < count; i++) {
        check[i].alpha = alpha;
        set_interval(&check[i], z);
        check[i].verdict = judge(&check[i]);
        set_power(&check[i], z);
    }
}

enum agreement check_agreement(const struct check *check)
{
    if (check->verdict == check->expected)
        return AGREES_YES;
    /* A measurement that is no number is a failure, however coarse it would have been. */
    const bool told = check->verdict == VERDICT_INCONCLUSIVE && check->underpowered && !isnan(check->theta);
    return told ? AGREES_UNDERPOWERED : AGREES_NO;
}

/* P(theta < x) of an estimate around shift. */
static double below(double x, double shift, double se)
{
    if (se == 0)
        return shift < x;
    return gsl_cdf_ugaussian_P((x - shift) / se);
}

/* P(theta > x), without the cancellation of 1 - below. */
static double above(double x, double shift, double se)
{
    if (se == 0)
        return shift > x;
    return gsl_cdf_ugaussian_Q((x - shift) / se);
}

double check_power(const struct check *check, size_t total, double shift, enum verdict verdict)
{
    const double alpha = level_of(total), z = stats_z(alpha), se = se_of(check), margin = check->margin;
    if (!isfinite(se))
        return verdict == VERDICT_INCONCLUSIVE;
    const double room = margin - z * se; /* where theta may lie for the interval to be inside */
    double confirmed, refuted;
    if (check->kind == CHECK_BOUND) {
        confirmed = 1 - above(room, shift, se);
        refuted = above(margin + z * se, shift, se);
    } else if (check->kind == CHECK_ORDER) {
        confirmed = above(z * se, shift, se);
        refuted = below(-z * se, shift, se);
    } else {
        confirmed = room < 0 ? 0 : fmax(0, 1 - above(room, shift, se) - below(-room, shift, se));
        refuted = above(margin + z * se, shift, se) + below(-margin - z * se, shift, se);
        if (check->kind == CHECK_P_VALUE) { /* the p-value of a true law is uniform; the effect alone refutes nothing */
            confirmed *= 1 - alpha;
            refuted = alpha;
        }
    }
    switch (verdict) {
    case VERDICT_CONFIRMED:
        return confirmed;
    case VERDICT_REFUTED:
        return refuted;
    default:
        return fmax(0, 1 - confirmed - refuted);
    }
}
