/* L9. Random reshuffling against sampling with replacement. On f_i = (x - c_i)^2/2 the mean squared error at epoch ends
 * is known exactly for four orders of visits (oracle.h): eta^1 with replacement, eta^3 reshuffled, eta^2 in one order
 * for all epochs, sorted worse than all; and with rates of 1/epoch it falls as 1/k^3 against 1/k. With unequal
 * curvatures reshuffling leaves a bias of order eta. On other problems the order of the errors is checked, paired
 * over seeds. Mishchenko, Khaled, Richtarik, NeurIPS 2020; Safran, Shamir, COLT 2020.
 *
 * `theory: leading` states that the gain of reshuffling is its small-rate limit 12/(n (n+1) eta^2) at every rate. */
#include "laws/reshuffling.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stats.h"

enum { THEORY };
enum { EXACT, LEADING };
static const char *const theories[] = {"exact", "leading", NULL};
static const struct param params[] = {
    [THEORY] = {.name = "theory",
                .kind = PARAM_CHOICE,
                .choices = theories,
                .help = "exact: errors at every rate; leading: the gain over sampling with replacement as for small "
                        "rates"},
};

enum { UNSEEN_DRAWS = 1000000, SLOPE_FROM = 32 };
static const double ROUNDING = 1e-9;
static const double WORTH_TELLING = 0.25; /* of ln E|x - x*|^2 between two orders: for plans */

static void name_instance(const struct visited *v, struct check *check)
{
    snprintf(check->instance, sizeof check->instance, "%.60s, n = %.0f, eta = %.4g, %.30s",
             v->cell->config.problem.data->name, v->n, v->h, v->cell->columns.sampling);
}

static const struct law_curve *curve_of(const struct visited *v)
{
    return v->cell->curve[v->family == FAMILY_BIAS ? METRIC_X1 : METRIC_DISTANCE2];
}

/* Measured over theory, averaged over epochs and chains; before the run its standard error alone. */
static enum status measure(const struct law_input *input, struct visited *v, struct error *error)
{
    const struct law_curve *curve;
    enum status status =
        law_need_curve(input, v->cell, v->family == FAMILY_BIAS ? METRIC_X1 : METRIC_DISTANCE2, &curve, error);
    if (status != STATUS_OK)
        return status;
    size_t used = 0;
    double total = 0;
    for (size_t p = 0; p < v->cell->points; p++) {
        used += v->weight[p] != 0;
        total += v->weight[p];
    }
    if (used == 0)
        return error_set(error, STATUS_USAGE, "this law needs recorded points beyond the start");
    if (input->planned) {
        const size_t skip = v->cell->points - used;
        v->mean = (struct law_average){.value = NAN, .chains = input->replicates};
        v->mean.se = law_average_planned(used, v->log_decay + skip, v->relative_sd, (double)input->replicates);
        return STATUS_OK;
    }
    status = law_average(curve, v->weight, &v->mean, error);
    if (v->family == FAMILY_BIAS) { /* the weights make 1 of the theory's sum */
        v->mean.value -= v->optimum * total;
    } else if (v->family != FAMILY_ORDER) {
        v->mean.value /= (double)used;
        v->mean.se /= (double)used;
    } else {
        v->mean.value /= total;
        v->mean.se /= total;
    }
    return status;
}

/* ---- checks ---- */

static enum status check_error(const struct law_input *input, const struct visited *v, struct check_list *checks,
                               struct error *error)
{
    struct check check = {.kind = CHECK_RATIO,
                          .predicted = v->limit,
                          .measured = v->mean.value * v->limit,
                          .se = v->mean.se / (input->planned ? 1 : v->mean.value),
                          .margin = input->margin_value,
                          .replicates = v->mean.chains,
                          .exact_theory = true};
    name_instance(v, &check);
    switch (v->family) {
    case FAMILY_FLOOR:
        snprintf(check.quantity, sizeof check.quantity, "floor of E(x - x*)^2 at epoch ends");
        break;
    case FAMILY_DECAY:
        snprintf(check.quantity, sizeof check.quantity, "E(x - x*)^2 at epoch ends, in units of the last");
        break;
    default:
        check.predicted = fabs(v->limit) / v->h;
        check.measured = fabs(check.predicted) * v->mean.value;
        check.se = v->mean.se / (input->planned ? 1 : fabs(v->mean.value));
        snprintf(check.quantity, sizeof check.quantity, "%s(E x - x*)/eta at epoch ends", v->limit < 0 ? "-" : "");
    }
    if (v->order == VISIT_CYCLIC) { /* nothing is random */
        check.kind = CHECK_EXACT;
        check.margin = ROUNDING * check.predicted;
        check.se = 0;
        check.exact_theory = false;
    }
    return checks_add(checks, &check, error);
}

/* The slope of ln MSE on ln(k + t0 - 1) over epochs that double: chains forget in between, so points are independent.
 */
static enum status check_slope(const struct law_input *input, struct visited *v, struct check_list *checks,
                               struct error *error)
{
    enum { POINTS = 32 };
    const struct law_cell *cell = v->cell;
    const struct law_curve *curve = cell->curve[METRIC_DISTANCE2];
    double x[POINTS], y[POINTS], se[POINTS], theory[POINTS], weight[POINTS], rate, last = 0;
    size_t count = 0;
    for (size_t p = 0; p < cell->points && count < POINTS; p++) {
        const double epoch = (double)cell->step[p] / v->n;
        if (epoch < SLOPE_FROM || epoch < 2 * last)
            continue;
        last = epoch;
        schedule_rates(&cell->config.schedule, cell->step[p] - 1, 1, cell->config.steps, &rate);
        x[count] = v->h / rate; /* (k + t0 - 1)/t0 */
        theory[count] = v->theory[p];
        y[count] = input->planned ? v->theory[p] : curve->mean[p];
        se[count] = input->planned ? M_SQRT2 * y[count] / sqrt((double)input->replicates) : curve->se[p];
        weight[count] = pow(y[count] / se[count], 2);
        count++;
    }
    struct slope slope;
    struct check check = {
        .kind = CHECK_DIFFERENCE, .margin = input->margin_slope, .replicates = v->mean.chains, .exact_theory = true};
    enum status status = stats_log_slope(count, x, y, se, &slope, error);
    if (status == STATUS_OK)
        status = stats_log_slope_of(count, x, theory, weight, &check.predicted, error);
    if (status != STATUS_OK)
        return status;
    name_instance(v, &check);
    snprintf(check.quantity, sizeof check.quantity, "slope of ln E(x - x*)^2 on ln(1/eta), epochs %d..%.0f", SLOPE_FROM,
             last);
    v->slope = check.measured = input->planned ? (double)NAN : slope.slope;
    v->slope_se = check.se = slope.slope_se;
    v->slope_theory = check.predicted;
    if (!input->planned)
        snprintf(check.note, sizeof check.note, "lack of fit: chi^2 = %.1f with %.0f df, p = %.2g", slope.chi2,
                 slope.df, slope.p);
    return checks_add(checks, &check, error);
}

/* The share of samples that n draws leave out, from the sampler alone. */
static enum status check_unseen(const struct law_input *input, const struct visited *v, struct check_list *checks,
                                struct error *error)
{
    const size_t n = (size_t)v->n, epochs = UNSEEN_DRAWS / n ? UNSEEN_DRAWS / n : 1;
    const struct run_config *config = &v->cell->config;
    struct sampler sampler = {.type = config->sampler,
                              .values = config->sampler_values,
                              .n = (uint32_t)n,
                              .batch_size = 1,
                              .keep_last = true,
                              .stream = rng_stream(input->seed, RNG_LAW, n, 0)};
    const size_t words = sampler.type->scratch_words ? sampler.type->scratch_words(n, 1) : 0;
    const size_t bytes = (words + 3 * n) * sizeof(uint32_t);
    uint32_t *block = calloc(1, bytes);
    if (!block)
        return error_memory(error, bytes, "the samples of an epoch");
    sampler.scratch = block;
    uint32_t *index = block + words, *size = index + n, *seen = size + n;
    struct moments unseen = {0};
    for (size_t k = 0; k < epochs && !input->planned; k++) {
        size_t different = 0;
        sampler.type->draw(&sampler, k * n, n, index, size);
        for (size_t j = 0; j < n; j++) {
            different += seen[index[j]] != k + 1;
            seen[index[j]] = (uint32_t)k + 1;
        }
        moments_add(&unseen, (double)(n - different) / v->n);
    }
    free(block);
    struct check check = {.kind = CHECK_RATIO, .margin = input->margin_value, .replicates = epochs};
    name_instance(v, &check);
    snprintf(check.quantity, sizeof check.quantity, "share of samples that n draws leave out");
    check.measured = input->planned ? (double)NAN : unseen.mean;
    if (v->order == VISIT_WITH_REPLACEMENT) {
        const double one = pow(1 - 1 / v->n, v->n), two = pow(1 - 2 / v->n, v->n); /* P(one is left out), both are */
        check.predicted = one;
        check.se = sqrt((one - one * one + (v->n - 1) * (two - one * one)) / v->n / (double)epochs) / one;
        check.exact_theory = true;
    } else {
        check.kind = CHECK_EXACT;
        check.margin = 0;
    }
    return checks_add(checks, &check, error);
}

/* ---- pairs ---- */

static bool same_setting(const struct visited *a, const struct visited *b)
{
    const struct cell_columns *x = &a->cell->columns, *y = &b->cell->columns;
    return strcmp(x->problem, y->problem) == 0 && strcmp(x->data, y->data) == 0 &&
           strcmp(x->schedule, y->schedule) == 0 && strcmp(x->update, y->update) == 0 && x->rate == y->rate &&
           x->l2 == y->l2 && x->batch_size == y->batch_size && x->momentum == y->momentum && x->steps == y->steps;
}

static const struct visited *partner(const struct visited *visited, size_t count, const struct visited *of,
                                     enum visit_order order)
{
    for (size_t i = 0; i < count; i++)
        if (visited[i].order == order && same_setting(&visited[i], of))
            return &visited[i];
    return NULL;
}

/* The larger error over the smaller one: theory says by which factor (leading) or only that it is more than 1. */
static enum status check_pair(const struct law_input *input, const struct visited *worse, const struct visited *better,
                              bool leading, struct check_list *checks, struct error *error)
{
    struct law_average ratio = {.value = NAN, .chains = input->replicates};
    enum status status = STATUS_OK;
    if (input->planned)
        ratio.se = hypot(worse->mean.se, better->mean.se);
    else
        status = law_log_ratio(curve_of(worse), curve_of(better), better->weight, &ratio, error);
    struct check check = {.kind = CHECK_ORDER,
                          .measured = ratio.value,
                          .se = ratio.se,
                          .margin = WORTH_TELLING,
                          .replicates = ratio.chains};
    snprintf(check.instance, sizeof check.instance, "%.60s, n = %.0f, n eta = %.3g",
             worse->cell->config.problem.data->name, worse->n, worse->n * worse->h);
    snprintf(check.quantity, sizeof check.quantity, "ln of E|x - x*|^2, %s over %s", visit_order_label[worse->order],
             visit_order_label[better->order]);
    if (leading) {
        check.kind = CHECK_RATIO;
        check.margin = input->margin_value;
        check.predicted = 12 / (worse->n * (worse->n + 1) * worse->h * worse->h);
        check.measured = exp(ratio.value);
        snprintf(check.quantity, sizeof check.quantity, "floor with replacement over floor reshuffled");
    }
    return status == STATUS_OK ? checks_add(checks, &check, error) : status;
}

static enum status check_pairs(const struct law_input *input, const struct visited *visited, size_t count,
                               struct check_list *checks, struct error *error)
{
    static const enum visit_order pair[][2] = {
        {VISIT_WITH_REPLACEMENT, VISIT_RESHUFFLE}, {VISIT_CYCLIC, VISIT_RESHUFFLE}, {VISIT_CYCLIC, VISIT_SHUFFLE_ONCE}};
    const bool leading = input->values->scalar[THEORY] == LEADING;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < (leading ? 1 : sizeof pair / sizeof *pair) && status == STATUS_OK; k++) {
            const struct visited *better = partner(visited, count, &visited[i], pair[k][1]);
            const bool speaks = leading ? visited[i].family == FAMILY_FLOOR : visited[i].family == FAMILY_ORDER;
            if (speaks && visited[i].order == pair[k][0] && better)
                status = check_pair(input, &visited[i], better, leading, checks, error);
        }
    return status;
}

/* ---- the law ---- */

static enum status check_cell(const struct law_input *input, struct visited *visited, size_t index,
                              struct check_list *checks, struct error *error)
{
    struct visited *v = &visited[index];
    bool first = v->order == VISIT_WITH_REPLACEMENT || v->order == VISIT_RESHUFFLE;
    if (v->family == FAMILY_ORDER)
        return STATUS_OK;
    enum status status = check_error(input, v, checks, error);
    if (status == STATUS_OK && v->family == FAMILY_DECAY)
        status = check_slope(input, v, checks, error);
    for (size_t i = 0; i < index; i++)
        first = first && (visited[i].order != v->order || visited[i].n != v->n);
    if (status == STATUS_OK && v->family == FAMILY_FLOOR && first)
        status = check_unseen(input, v, checks, error);
    return status;
}

static enum status evaluate(const struct law_input *input, struct check_list *checks, struct law_figure *figure,
                            struct error *error)
{
    const size_t count = input->cell_count;
    struct visited *visited = calloc(count + 1, sizeof *visited);
    enum status status = visited ? STATUS_OK : error_memory(error, (count + 1) * sizeof *visited, "a law");
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        status = visited_make(&input->cell[i], &visited[i], error);
        if (status == STATUS_OK)
            status = measure(input, &visited[i], error);
        if (status == STATUS_OK && input->values->scalar[THEORY] == EXACT)
            status = check_cell(input, visited, i, checks, error);
    }
    if (status == STATUS_OK)
        status = check_pairs(input, visited, count, checks, error);
    if (status == STATUS_OK && !input->planned && count > 0)
        status = reshuffling_draw(figure, visited, count, input->values->scalar[THEORY] == LEADING, error);
    for (size_t i = 0; visited && i < count; i++)
        visited_free(&visited[i]);
    free(visited);
    return status;
}

const struct law_type law_reshuffling = {
    .method = {.name = "reshuffling",
               .summary = "E(x-x*)^2 at epoch ends: s^2 eta/2 with replacement, s^2 n(n+1) eta^3/24 reshuffled, s^2 "
                          "(n+1) eta^2/12 shuffled once",
               .revision = 1,
               .params = params,
               .param_count = sizeof params / sizeof *params},
    .number = "L9",
    .title = "Reshuffling",
    .group = "Claims of the field",
    .source = "Mishchenko, Khaled, Richtarik, NeurIPS (2020), theorem 1; Safran, Shamir, COLT (2020)",
    .evaluate = evaluate,
};
