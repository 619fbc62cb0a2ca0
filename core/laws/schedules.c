/* L7. Learning-rate schedules. On least squares every schedule's mean loss follows the exact recursion with its own
 * rates, so each can be tuned without noise, and at the best rate of each the final losses have an order: constant >
 * 1/sqrt t > steps, 1/t > linear > cosine > exponential > constant with averaged iterates. Warm-up does not help there
 * (`claim: warmup` states that it does). It must on a quartic, whose curvature falls on the way: from x_0 a constant
 * rate with eta x_0^2/2 > 1 diverges, the same rate warmed up does not. Bottou, Curtis, Nocedal, SIAM Review 60 (2018);
 * warm-up: Goyal et al., arXiv:1706.02677 (2017). */
#include <gsl/gsl_math.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "laws/law_average.h"
#include "laws/law_exact.h"
#include "stats.h"

enum { CLAIM };
enum { EXACT, WARMUP };
static const char *const claims[] = {"exact", "warmup", NULL};
static const struct param params[] = {
    [CLAIM] = {.name = "claim",
               .kind = PARAM_CHOICE,
               .choices = claims,
               .help =
                   "exact: curves, and the order of the final losses; warmup: with warm-up the final loss is lower"},
};

static const double APART = 0.1;          /* final losses nearer than this factor, in ln, are not ordered */
static const double TUNED = 1.25;         /* no rate off by this factor is better */
static const double DIVERGED = 1e3;       /* |x| of the noise-free quartic */
static const double WORTH_TELLING = 0.05; /* of ln of a final loss: for plans */

struct scheduled {
    const struct law_cell *cell;
    const struct law_curve *curve;
    bool averaged, chosen;
    double *theory;     /* [points] */
    double relative_sd; /* of one chain at the end */
    double optimal;     /* tr(H^-1 C)/(2 T), the limit of averaging */
    bool tuned;
    char name[64];
};

static double final_of(const struct scheduled *s)
{
    return s->theory[s->cell->points - 1];
}

static void name_schedule(struct scheduled *s)
{
    const struct schedule *schedule = &s->cell->config.schedule;
    const char *name = schedule->type->method.name;
    snprintf(s->name, sizeof s->name, "%.30s%s%s", name, schedule->warmup ? ", warm-up" : "",
             s->averaged ? ", averaged" : "");
}

/* ---- least squares ---- */

/* E f - f* at the recorded steps with all rates times `factor`; of the average of x_0..x_t where asked. */
static enum status exact_curve(const struct scheduled *s, const struct exact_run *run, double factor, double *gap,
                               double *relative_sd, struct error *error)
{
    const struct law_cell *cell = s->cell;
    struct oracle_state *state;
    enum status status = oracle_state_open(run->oracle, run->kappa, run->e0, s->averaged, &state, error);
    if (status != STATUS_OK)
        return status;
    for (size_t p = 0; p < cell->points; p++) {
        while (state->step < cell->step[p])
            oracle_step(state, factor * run->eta[state->step]);
        gap[p] = s->averaged ? oracle_averaged_gap(state) : oracle_gap(state);
    }
    *relative_sd = oracle_gap_sd(state) / oracle_gap(state);
    oracle_state_close(state);
    return STATUS_OK;
}

/* Neither a larger nor a smaller rate ends lower. */
static enum status find_tuned(struct scheduled *s, const struct exact_run *run, double *room, struct error *error)
{
    double sd;
    enum status status = STATUS_OK;
    s->tuned = true;
    for (int up = 0; up < 2 && status == STATUS_OK; up++) {
        status = exact_curve(s, run, up ? TUNED : 1 / TUNED, room, &sd, error);
        s->tuned = s->tuned && !(room[s->cell->points - 1] < final_of(s));
    }
    return status;
}

/* tr(H^-1 C) in the eigenbasis of H. */
static double trace_ratio(const struct oracle *oracle)
{
    const size_t d = oracle->d;
    double sum = 0;
    for (size_t i = 0; i < d; i++) {
        const double *u = oracle->eigenvector + i * d;
        double c = 0;
        for (size_t k = 0; k < d; k++)
            for (size_t l = 0; l < d; l++)
                c += u[k] * oracle->c[k * d + l] * u[l];
        sum += c / oracle->eigenvalue[i];
    }
    return sum;
}

static enum status predict(const struct law_input *input, struct scheduled *s, struct error *error)
{
    const struct law_cell *cell = s->cell;
    struct run_config config = cell->config;
    struct exact_run run = {0};
    if (s->averaged) { /* the same trajectory, looked at through its average */
        config.averager = (const void *)registry_find(METHOD_AVERAGER, "last", error);
        if (!config.averager)
            return STATUS_USAGE;
    }
    name_schedule(s);
    s->theory = malloc(2 * cell->points * sizeof *s->theory);
    if (!s->theory)
        return error_memory(error, 2 * cell->points * sizeof *s->theory, "an exact curve");
    enum status status = law_need_curve(input, cell, METRIC_GAP, &s->curve, error);
    if (status == STATUS_OK)
        status = exact_run_make(&config, &run, error);
    if (status == STATUS_OK && (run.beta != 0 || run.workers > 1))
        status = error_set(error, STATUS_USAGE, "this law speaks of plain steps");
    if (status == STATUS_OK)
        status = exact_curve(s, &run, 1, s->theory, &s->relative_sd, error);
    if (status == STATUS_OK)
        status = find_tuned(s, &run, s->theory + cell->points, error);
    if (status == STATUS_OK)
        s->optimal = run.kappa * trace_ratio(run.oracle) / (2 * (double)run.steps);
    exact_run_free(&run);
    return status;
}

/* Measured over exact at the end, and as a mean over the points before. */
static enum status check_curve(const struct law_input *input, const struct scheduled *s, double *weight,
                               struct check_list *checks, struct error *error)
{
    const size_t points = s->cell->points;
    enum status status = STATUS_OK;
    for (int end = 0; end < 2 && status == STATUS_OK; end++) {
        struct law_average mean = {.value = NAN,
                                   .se = s->relative_sd / sqrt((double)input->replicates), /* cautious before the end */
                                   .chains = input->replicates};
        size_t used = 0;
        for (size_t p = 0; p < points; p++) {
            const bool here = end ? p + 1 == points : p > 0 && p + 1 < points;
            weight[p] = here ? 1 / s->theory[p] : 0;
            used += here;
        }
        if (used == 0)
            continue;
        if (!input->planned) {
            status = law_average(s->curve, weight, &mean, error);
            mean.value /= (double)used;
            mean.se /= (double)used * mean.value;
        }
        struct check check = {.kind = CHECK_RATIO,
                              .predicted = end ? final_of(s) : 1,
                              .measured = mean.value * (end ? final_of(s) : 1),
                              .se = mean.se,
                              .margin = input->margin_value,
                              .replicates = mean.chains,
                              .exact_theory = true};
        snprintf(check.instance, sizeof check.instance, "%.40s, %.40s, eta_0 = %.4g",
                 s->cell->config.problem.data->name, s->name, s->cell->columns.rate);
        snprintf(check.quantity, sizeof check.quantity,
                 end ? "E f(x_T) - f*" : "E f(x_t) - f* over the exact recursion, mean over t < T");
        if (status == STATUS_OK)
            status = checks_add(checks, &check, error);
    }
    return status;
}

/* ln of the final loss of one over that of another is positive. */
static enum status check_order(const struct law_input *input, const struct scheduled *worse,
                               const struct scheduled *better, double *weight, struct check_list *checks,
                               struct error *error)
{
    const size_t points = worse->cell->points;
    struct law_average ratio = {.value = NAN,
                                .se = M_SQRT2 * worse->relative_sd / sqrt((double)input->replicates),
                                .chains = input->replicates};
    enum status status = STATUS_OK;
    for (size_t p = 0; p < points; p++)
        weight[p] = p + 1 == points ? 1 : 0;
    if (!input->planned)
        status = law_log_ratio(worse->curve, better->curve, weight, &ratio, error);
    struct check check = {.kind = CHECK_ORDER,
                          .measured = ratio.value,
                          .se = ratio.se,
                          .margin = WORTH_TELLING,
                          .replicates = ratio.chains};
    snprintf(check.instance, sizeof check.instance, "%.40s, %.40s over %.40s", worse->cell->config.problem.data->name,
             worse->name, better->name);
    snprintf(check.quantity, sizeof check.quantity, "ln of E f(x_T) - f*, theory %.3f",
             log(final_of(worse) / final_of(better)));
    return status == STATUS_OK ? checks_add(checks, &check, error) : status;
}

static int by_final(const void *a, const void *b)
{
    const double x = final_of(a), y = final_of(b);
    return (x > y) - (x < y);
}

/* Each schedule against the next one that theory puts APART from it. */
static enum status check_orders(const struct law_input *input, const struct scheduled *s, size_t count, double *weight,
                                struct check_list *checks, struct error *error)
{
    enum status status = STATUS_OK;
    struct check check = {.kind = CHECK_EXACT, .replicates = count};
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        size_t j = i + 1;
        while (j < count && log(final_of(&s[j]) / final_of(&s[i])) < APART)
            j++;
        check.measured += !s[i].tuned;
        if (j < count)
            status = check_order(input, &s[j], &s[i], weight, checks, error);
    }
    snprintf(check.instance, sizeof check.instance, "%.40s, %zu schedules", s[0].cell->config.problem.data->name,
             count);
    snprintf(check.quantity, sizeof check.quantity, "schedules that end lower with eta_0 times or over %g", TUNED);
    if (input->planned)
        check.measured = NAN;
    return status == STATUS_OK ? checks_add(checks, &check, error) : status;
}

static enum status check_warmup(const struct law_input *input, const struct scheduled *s, size_t count, double *weight,
                                struct check_list *checks, struct error *error)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count && status == STATUS_OK; j++) {
            const struct schedule *cold = &s[i].cell->config.schedule, *warm = &s[j].cell->config.schedule;
            if (cold->warmup == 0 && warm->warmup > 0 && cold->type == warm->type && s[i].averaged == s[j].averaged)
                status = check_order(input, &s[i], &s[j], weight, checks, error);
        }
    return status;
}

/* ---- the quartic ---- */

/* Does x <- x - eta_t a (a x)^3 leave? */
static bool leaves(const struct run_config *config)
{
    const double a = config->problem.data->train.value[0];
    double x = config->start.list[0], eta;
    for (uint64_t t = 0; t < config->steps && fabs(x) < DIVERGED; t++) {
        schedule_rates(&config->schedule, t, 1, config->steps, &eta);
        x -= eta * a * gsl_pow_3(a * x);
    }
    return !(fabs(x) < DIVERGED);
}

static double first_rate(const struct run_config *config)
{
    return config->schedule.values.scalar[0];
}

/* eta x_0^2/2, at a_i = 1: above 1 the first full step goes beyond -x_0. */
static double steepness(const struct run_config *config)
{
    return first_rate(config) * gsl_pow_2(config->start.list[0]) / 2;
}

static enum status check_share(const struct law_input *input, const struct law_cell *cell, struct check_list *checks,
                               struct error *error)
{
    const struct run_config *config = &cell->config;
    if (config->start.kind != START_LIST || problem_dim(&config->problem) != 1)
        return error_set(error, STATUS_USAGE, "on the quartic this law needs one dimension and start: [x_0]");
    const double chains = (double)(input->planned ? input->replicates : cell->chains), gone = (double)cell->diverged;
    struct check check = {.kind = CHECK_DIFFERENCE,
                          .predicted = leaves(config),
                          .measured = input->planned ? (double)NAN : gone / chains,
                          .margin = input->margin_value,
                          .replicates = (uint64_t)chains};
    /* Of a share near 0 or 1: as if one chain more of each kind had been seen. */
    check.se = sqrt((gone + 1) * (chains - gone + 1) / gsl_pow_3(chains + 2));
    snprintf(check.instance, sizeof check.instance, "quartic, eta x_0^2/2 = %.4g, warm-up %llu steps",
             steepness(config), (unsigned long long)config->schedule.warmup);
    snprintf(check.quantity, sizeof check.quantity, "share of chains that diverge");
    return checks_add(checks, &check, error);
}

static enum status draw_shares(const struct law_input *input, struct law_figure *figure, struct error *error)
{
    struct panel *panel = law_figure_panel(figure, "f = x⁴/4 with noise", "η x₀²/2", "share of chains that diverge");
    struct law_points points = {0};
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    panel->y_min = -0.05;
    panel->y_max = 1.15;
    enum status status = STATUS_OK;
    for (int warm = 0; warm < 2 && status == STATUS_OK; warm++) {
        for (size_t i = 0; i < input->cell_count; i++) {
            const struct law_cell *cell = &input->cell[i];
            double low, high;
            if ((cell->config.schedule.warmup > 0) != warm)
                continue;
            stats_wilson(cell->diverged, cell->chains, 0.05, &low, &high);
            law_points_add(&points, steepness(&cell->config) + 0.004 * warm,
                           (double)cell->diverged / (double)cell->chains, 0);
            if (points.count > 0) {
                points.low[points.count - 1] = low;
                points.high[points.count - 1] = high;
            }
        }
        status = law_points_draw(&points, panel, SERIES_POINTS, warm ? "with warm-up" : "constant rate", warm, error);
    }
    law_points_add(&points, 1, 0, 0);
    if (status == STATUS_OK)
        status = law_points_draw(&points, panel, SERIES_VERTICAL, "", -1, error);
    law_points_free(&points);
    snprintf(figure->title, sizeof figure->title, "Where must the rate be warmed up?");
    return status;
}

/* ---- figure ---- */

static enum status draw_curves(struct law_figure *figure, const struct scheduled *s, size_t count, bool warmup,
                               struct error *error)
{
    struct law_points points = {0};
    enum status status = STATUS_OK;
    struct panel *panel = law_figure_panel(figure, "mean loss", "step", "E f(x) − f*");
    snprintf(figure->title, sizeof figure->title, "%s",
             warmup ? "Does warm-up help on a quadratic, each at its best rate?"
                    : "Which schedule ends lowest, each at its best rate?");
    figure->columns = 2;
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    panel->x_log = panel->y_log = true;
    for (size_t k = count; k-- > 0 && status == STATUS_OK;) {
        const struct law_curve *curve = s[k].curve;
        const int colour = (int)(count - 1 - k);
        for (size_t p = 1; p < curve->points; p++)
            law_points_add(&points, (double)curve->step[p], curve->mean[p], 2 * curve->se[p]);
        status = law_points_draw(&points, panel, SERIES_MEASURED, s[k].name, colour, error);
        for (size_t p = 1; p < curve->points; p++)
            law_points_add(&points, (double)curve->step[p], s[k].theory[p], 0);
        if (status == STATUS_OK)
            status = law_points_draw(&points, panel, SERIES_THEORY, "", colour, error);
    }
    panel = status == STATUS_OK
                ? law_figure_panel(figure, "at the end", "rank in theory", "final loss over tr(H⁻¹C)/2T")
                : NULL;
    if (!panel) {
        law_points_free(&points);
        return status == STATUS_OK ? error_memory(error, sizeof *panel, "a panel") : status;
    }

    panel->y_min = 0;
    panel->x_min = 0.5;
    panel->x_max = (double)count + 0.5;
    for (size_t k = count; k-- > 0 && status == STATUS_OK;) {
        const size_t last = s[k].cell->points - 1;
        const double rank = (double)(count - k), scale = 1 / s[k].optimal;
        law_points_add(&points, rank, s[k].curve->mean[last] * scale, 2 * s[k].curve->se[last] * scale);
        status = law_points_draw(&points, panel, SERIES_POINTS, s[k].name, (int)(count - 1 - k), error);
        law_points_add(&points, rank - 0.35, final_of(&s[k]) * scale, 0);
        law_points_add(&points, rank + 0.35, final_of(&s[k]) * scale, 0);
        if (status == STATUS_OK)
            status = law_points_draw(&points, panel, SERIES_THEORY, "", (int)(count - 1 - k), error);
    }
    law_points_free(&points);
    return status;
}

/* ---- the law ---- */

/* Of the rates of one schedule the law takes the one that ends lowest; of averages those at constant rates. */
static size_t choose(struct scheduled *s, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool best = true;
        const double end = final_of(&s[i]);
        for (size_t j = 0; j < count && best; j++) {
            const double other = final_of(&s[j]);
            best = j == i || strcmp(s[i].name, s[j].name) != 0 || end < other || (end == other && i < j);
        }
        s[i].chosen = best;
    }
    for (size_t i = 0; i < count; i++)
        if (s[i].chosen)
            s[kept++] = s[i];
        else
            free(s[i].theory);
    return kept;
}

static enum status predict_all(const struct law_input *input, struct scheduled *s, size_t *count, struct error *error)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < input->cell_count && status == STATUS_OK; i++) {
        const struct law_cell *cell = &input->cell[i];
        const bool averaged = strcmp(cell->config.averager->method.name, "uniform") == 0;
        if (cell->points != input->cell[0].points || cell->points < 2 ||
            strcmp(cell->columns.data, input->cell[0].columns.data) != 0)
            status = error_set(error, STATUS_USAGE,
                               "this law compares schedules on one problem, recorded at the same steps");
        else if (!averaged || cell->config.schedule.type->constant) {
            s[*count].cell = cell;
            s[(*count)++].averaged = averaged;
            status = predict(input, &s[*count - 1], error);
        }
    }
    return status;
}

static enum status evaluate_quadratic(const struct law_input *input, struct check_list *checks,
                                      struct law_figure *figure, struct error *error)
{
    const bool warmup = input->values->scalar[CLAIM] == WARMUP;
    size_t count = 0;
    struct scheduled *s = calloc(input->cell_count, sizeof *s);
    double *weight = malloc((input->cell[0].points + 1) * sizeof *weight);
    enum status status = s && weight ? STATUS_OK : error_memory(error, input->cell_count * sizeof *s, "a law");
    if (status == STATUS_OK)
        status = predict_all(input, s, &count, error);
    if (status == STATUS_OK) {
        count = choose(s, count);
        qsort(s, count, sizeof *s, by_final);
    }
    for (size_t i = 0; i < count && status == STATUS_OK && !warmup; i++)
        status = check_curve(input, &s[i], weight, checks, error);
    if (status == STATUS_OK && count > 0)
        status = warmup ? check_warmup(input, s, count, weight, checks, error)
                        : check_orders(input, s, count, weight, checks, error);
    if (status == STATUS_OK && !input->planned)
        status = draw_curves(figure, s, count, warmup, error);
    for (size_t i = 0; i < count; i++)
        free(s[i].theory);
    free(s);
    free(weight);
    return status;
}

static enum status evaluate(const struct law_input *input, struct check_list *checks, struct law_figure *figure,
                            struct error *error)
{
    enum status status = STATUS_OK;
    size_t quartic = 0;
    for (size_t i = 0; i < input->cell_count; i++) {
        if (input->cell[i].config.kind != KIND_TRAINING)
            return error_set(error, STATUS_USAGE, "this law needs training runs, not kind: estimator");
        quartic += strcmp(input->cell[i].config.problem.type->method.name, "quartic") == 0;
    }
    if (quartic == 0 && input->cell_count > 0)
        return evaluate_quadratic(input, checks, figure, error);
    if (quartic < input->cell_count)
        return error_set(error, STATUS_USAGE, "least squares and the quartic belong into experiments of their own");
    for (size_t i = 0; i < quartic && status == STATUS_OK; i++)
        status = check_share(input, &input->cell[i], checks, error);
    return status == STATUS_OK && !input->planned && quartic > 0 ? draw_shares(input, figure, error) : status;
}

const struct law_type law_schedules = {
    .method = {.name = "schedules",
               .summary = "every schedule's mean loss follows the exact recursion; final losses at the best rates have "
                          "an order; warm-up is needed where the curvature falls",
               .revision = 1,
               .params = params,
               .param_count = sizeof params / sizeof *params},
    .number = "L7",
    .title = "Schedules",
    .group = "Claims of the field",
    .source = "Bottou, Curtis, Nocedal, SIAM Review 60 (2018), section 4; Goyal et al. (2017)",
    .evaluate = evaluate,
};
