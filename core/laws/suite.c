/* Evaluating all laws of a results directory, and judging them together. */
#include "laws/suite.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats.h"

/* ---- collecting ---- */

static enum status no_memory(struct error *error)
{
    return error_memory(error, 0, "the laws");
}

/* What is wrong with one experiment must not hide the others: all but a lack of memory becomes its failure. */
static enum status note_failure(enum status status, const struct error *failure, char **text, struct error *error)
{
    char line[ERROR_FILE_MAX + ERROR_MESSAGE_MAX + 64];
    if (status == STATUS_OK)
        return STATUS_OK;
    if (status == STATUS_MEMORY || status == STATUS_INTERRUPTED) {
        if (error)
            *error = *failure;
        return status;
    }
    *text = strdup(error_text(failure, line, sizeof line));
    return *text ? STATUS_OK : no_memory(error);
}

/* The framework's part of a check. */
static void complete_check(struct check *check, const struct law_entry *entry)
{
    check->expected = entry->expected;
    if (*entry->instance) {
        char text[sizeof check->instance];
        memcpy(text, check->instance, sizeof text);
        snprintf(check->instance, sizeof check->instance, "%.60s%s%.97s", entry->instance, *text ? ": " : "", text);
    }
    if (*entry->note) {
        char text[sizeof check->note];
        memcpy(text, check->note, sizeof text);
        snprintf(check->note, sizeof check->note, "%.160s%s%.76s", entry->note, *text ? "; " : "", text);
    }
}

static void name_figure(const struct suite *suite, struct suite_law *law)
{
    size_t same = 1;
    for (size_t i = 0; i < suite->law_count; i++)
        same += suite->law[i].experiment == law->experiment && suite->law[i].type == law->type;
    int length = snprintf(law->figure_name, sizeof law->figure_name, "law_%.60s", law->type->method.name);
    if (same > 1)
        snprintf(law->figure_name + length, sizeof law->figure_name - (size_t)length, "-%zu", same);
}

static enum status evaluate_entry(struct suite *suite, const struct law_results *results, size_t index,
                                  struct error *error)
{
    const struct law_entry *entry = sweep_law(results->sweep, index);
    struct suite_law *more = realloc(suite->law, (suite->law_count + 1) * sizeof *more);
    if (!more)
        return no_memory(error);
    suite->law = more;
    struct suite_law *law = &suite->law[suite->law_count];
    *law = (struct suite_law){
        .type = entry->type,
        .experiment = suite->experiment_count - 1,
        .expected = entry->expected,
        .note = strdup(entry->note),
        .instance = strdup(entry->instance),
        .first = suite->checks.count,
    };
    name_figure(suite, law);
    suite->law_count++;
    if (!law->note || !law->instance)
        return no_memory(error);
    struct law_input input;
    struct error failure = {0};
    enum status status = law_input_make(results, index, &input, error);
    if (status != STATUS_OK)
        return status;
    status = law->type->evaluate(&input, &suite->checks, &law->figure, &failure);
    free(input.cell);
    if (status == STATUS_OK && suite->checks.count == law->first)
        status = error_set(&failure, STATUS_USAGE, "the law %s finds nothing in '%s' that it speaks of",
                           law->type->method.name, results->name);
    if (status != STATUS_OK) { /* half a law is none */
        suite->checks.count = law->first;
        law_figure_free(&law->figure);
        law->figure = (struct law_figure){0};
        return note_failure(status, &failure, &law->failure, error);
    }
    law->count = suite->checks.count - law->first;
    for (size_t i = 0; i < law->count; i++)
        complete_check(&suite->checks.check[law->first + i], entry);
    return STATUS_OK;
}

static enum status add_experiment(struct suite *suite, const char *name, struct suite_experiment **out,
                                  struct error *error)
{
    struct suite_experiment *more = realloc(suite->experiment, (suite->experiment_count + 1) * sizeof *more);
    if (!more)
        return no_memory(error);
    suite->experiment = more;
    *out = &suite->experiment[suite->experiment_count++];
    **out = (struct suite_experiment){.name = strdup(name)};
    return (*out)->name ? STATUS_OK : no_memory(error);
}

static enum status add_results(struct suite *suite, const struct law_results *results, struct error *error)
{
    struct suite_experiment *experiment = &suite->experiment[suite->experiment_count - 1];
    enum status status = STATUS_OK;
    experiment->laws = sweep_law_count(results->sweep);
    experiment->wanted = results->wanted;
    experiment->there = results->there;
    experiment->failed = results->failed;
    if (results->there < results->wanted)
        return STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < experiment->laws; i++)
        status = evaluate_entry(suite, results, i, error);
    return status;
}

/* Does the text name laws at all? Cheaper than opening the experiment, and does not need its data. */
static bool names_laws(const struct stored_experiment *experiment)
{
    return strstr(experiment->config, "laws") || strstr(experiment->settings, "laws");
}

static enum status evaluate_experiment(struct suite *suite, struct store *store, const char *data_dir,
                                       const struct stored_experiment *stored, struct error *error)
{
    struct suite_experiment *experiment = NULL;
    struct law_results *results = NULL;
    struct error failure = {0};
    if (!names_laws(stored))
        return STATUS_OK;
    enum status status = law_results_read(store, stored, data_dir, &results, &failure);
    if (status == STATUS_OK && sweep_law_count(results->sweep) == 0) {
        law_results_close(results);
        return STATUS_OK;
    }
    enum status added = add_experiment(suite, stored->name, &experiment, error);
    if (added != STATUS_OK || status != STATUS_OK) {
        if (status == STATUS_OK)
            law_results_close(results);
        return added != STATUS_OK ? added : note_failure(status, &failure, &experiment->failure, error);
    }
    status = add_results(suite, results, error);
    law_results_close(results);
    return status;
}

/* ---- verdicts of whole laws ---- */

/* How far a check is from the verdict that is expected: above 1 it did not get it. Infinite where it is no number. */
static double strain(const struct check *check)
{
    const double low = fabs(check->ci_low), high = fabs(check->ci_high);
    double far = 0;
    if (isnan(check->theta) || isnan(check->ci_low) || isnan(check->ci_high))
        return INFINITY;
    switch (check->kind) {
    case CHECK_P_VALUE:
        far = check->measured < check->alpha ? INFINITY : fmax(low, high) / check->margin;
        break;
    case CHECK_BOUND: /* only the upper limit counts; a margin of 0 leaves no room to measure it by */
        far = check->margin > 0 ? 1 + (check->ci_high - check->margin) / check->margin : 1 + check->ci_high;
        break;
    case CHECK_ORDER:
        far = check->ci_low > 0 ? check->theta / (check->theta + check->ci_low) : 1 - check->ci_low;
        break;
    case CHECK_EXACT:
    case CHECK_RATIO:
    case CHECK_DIFFERENCE:
        far = fmax(low, high) == 0 ? 0 : fmax(low, high) / check->margin;
        break;
    }
    if (check->expected == VERDICT_REFUTED) { /* the nearer end of the interval must be far */
        const bool one_side = check->ci_low > 0 || check->ci_high < 0;
        far = one_side ? fmin(low, high) / check->margin : 0;
        return far > 0 ? 1 / far : INFINITY;
    }
    return far;
}

static int rank_of(enum agreement agreement)
{
    return agreement == AGREES_NO ? 2 : agreement == AGREES_UNDERPOWERED ? 1 : 0;
}

static void judge_law(const struct suite *suite, struct suite_law *law)
{
    double most = -INFINITY;
    law->agreement = law->count ? AGREES_YES : AGREES_NO;
    law->telling = law->first;
    for (size_t i = law->first; i < law->first + law->count; i++) {
        const struct check *check = &suite->checks.check[i];
        const enum agreement agreement = check_agreement(check);
        const double tension = strain(check);
        law->agree[agreement]++;
        const bool worse = rank_of(agreement) > rank_of(law->agreement);
        if (worse || (rank_of(agreement) == rank_of(law->agreement) && tension > most)) {
            law->agreement = agreement;
            law->telling = i;
            most = tension;
        }
    }
}

static void judge(struct suite *suite)
{
    checks_decide(suite->checks.check, suite->checks.count, suite->checks.count);
    for (size_t i = 0; i < suite->law_count; i++)
        judge_law(suite, &suite->law[i]);
    for (size_t i = 0; i < suite->checks.count; i++)
        suite->has_qq = suite->has_qq || isfinite(suite_p_value(&suite->checks.check[i]));
}

static enum status finish(struct suite *suite, enum status status, struct suite **out)
{
    if (status == STATUS_OK) {
        judge(suite);
        *out = suite;
    } else {
        suite_close(suite);
    }
    return status;
}

enum status suite_evaluate(struct store *store, const char *data_dir, struct suite **out, struct error *error)
{
    struct stored_experiment *experiment = NULL;
    size_t count = 0;
    struct suite *suite = calloc(1, sizeof *suite);
    *out = NULL;
    if (!suite)
        return no_memory(error);
    enum status status = store_read_experiments(store, &experiment, &count, error);
    for (size_t i = 0; status == STATUS_OK && i < count; i++)
        status = evaluate_experiment(suite, store, data_dir, &experiment[i], error);
    stored_experiments_free(experiment, count);
    return finish(suite, status, out);
}

enum status suite_plan(struct sweep *const *sweep, size_t count, struct suite **out, struct error *error)
{
    struct suite *suite = calloc(1, sizeof *suite);
    enum status status = STATUS_OK;
    *out = NULL;
    if (!suite)
        return no_memory(error);
    suite->planned = true;
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        struct suite_experiment *experiment;
        struct law_results *results;
        if (sweep_law_count(sweep[i]) == 0)
            continue;
        status = law_results_plan(sweep[i], &results, error);
        if (status != STATUS_OK)
            break;
        status = add_experiment(suite, sweep_name(sweep[i]), &experiment, error);
        if (status == STATUS_OK)
            status = add_results(suite, results, error);
        law_results_close(results);
    }
    return finish(suite, status, out);
}

void suite_close(struct suite *suite)
{
    if (!suite)
        return;
    for (size_t i = 0; i < suite->law_count; i++) {
        law_figure_free(&suite->law[i].figure);
        free(suite->law[i].note);
        free(suite->law[i].instance);
        free(suite->law[i].failure);
    }
    for (size_t i = 0; i < suite->experiment_count; i++) {
        free(suite->experiment[i].name);
        free(suite->experiment[i].failure);
    }
    free(suite->law);
    free(suite->experiment);
    checks_free(&suite->checks);
    free(suite);
}

/* ---- order ---- */

static size_t law_number(const struct law_type *type)
{
    size_t i = 0;
    while (i < registry_count(METHOD_LAW) && registry_at(METHOD_LAW, i) != &type->method)
        i++;
    return i;
}

/* The first law of a group stands for it. */
static size_t group_number(const struct law_type *type)
{
    for (size_t i = 0; i < registry_count(METHOD_LAW); i++)
        if (strcmp(((const struct law_type *)registry_at(METHOD_LAW, i))->group, type->group) == 0)
            return i;
    return SIZE_MAX;
}

static bool comes_before(const struct suite *suite, size_t a, size_t b)
{
    const struct suite_law *left = &suite->law[a], *right = &suite->law[b];
    const size_t keys[2][3] = {{group_number(left->type), law_number(left->type), a},
                               {group_number(right->type), law_number(right->type), b}};
    for (size_t i = 0; i < 3; i++)
        if (keys[0][i] != keys[1][i])
            return keys[0][i] < keys[1][i];
    return false;
}

void suite_order(const struct suite *suite, size_t *order)
{
    for (size_t i = 0; i < suite->law_count; i++) {
        size_t at = i;
        for (; at > 0 && comes_before(suite, i, order[at - 1]); at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
}

/* ---- power and p-values ---- */

double suite_power(const struct suite *suite, const struct check *check)
{
    /* An ordering is no null hypothesis of zero: its margin is the smallest difference that matters. */
    const double shift = check->kind == CHECK_ORDER ? check->margin : 0;
    return check_power(check, suite->checks.count, shift, VERDICT_CONFIRMED);
}

double suite_replicates_needed(const struct suite *suite, const struct check *check)
{
    const double z = suite->checks.count ? stats_z(0.01 / (double)suite->checks.count) : 0;
    const double se = check->kind == CHECK_P_VALUE ? check->effect_se : check->se;
    if (check->kind == CHECK_EXACT || !(se > 0))
        return (double)check->replicates; /* nothing is random */
    const double share = 2 * z * se / check->margin;
    return ceil(share * share * (double)check->replicates);
}

double suite_p_value(const struct check *check)
{
    if (!check->exact_theory)
        return NAN;
    if (check->kind == CHECK_P_VALUE)
        return check->measured;
    if ((check->kind == CHECK_RATIO || check->kind == CHECK_DIFFERENCE) && check->se > 0 && isfinite(check->theta))
        return stats_normal_p(check->theta / check->se);
    return NAN;
}
