/* L10. Heavy-ball momentum and variance. At a frozen x the velocity averages gradients: Var (1 - beta) v_t = kappa
 * Sigma (1-beta)/(1+beta) (1 - beta^(2t)), with mean (1 - beta^t) grad f and autocorrelation beta^k. The iterates gain
 * almost nothing of that: at equal effective rate eta/(1-beta) their stationary variance is nearly that of plain SGD,
 * in one dimension with h = eta lambda/(1-beta) its (2-h)/(2-h(1-beta)/(1+beta)), because what the velocity averages
 * away it also repeats. Curves follow the recursion of (e, v) exactly (oracle.h). Polyak, USSR Comp. Math. 4 (1964);
 * Yuan, Ying, Sayed, JMLR 17 (2016).
 *
 * `iterates: as_estimator` states that the iterates' variance falls by (1-beta)/(1+beta), too. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "laws/law_average.h"
#include "laws/law_estimator.h"
#include "laws/law_exact.h"

enum { ITERATES };
enum { EXACT, AS_ESTIMATOR };
static const char *const claims[] = {"exact", "as_estimator", NULL};
static const struct param params[] = {
    [ITERATES] = {.name = "iterates",
                  .kind = PARAM_CHOICE,
                  .choices = claims,
                  .help = "exact: the recursion; as_estimator: their variance falls by (1-beta)/(1+beta), too"},
};

/* One cell. Estimator runs: pooled. Training runs: the exact gap at recorded steps and what it takes to average. */
struct ridden {
    const struct law_cell *cell;
    double beta, rate; /* rate: eta/(1-beta) of a velocity that adds up, the effective one */
    struct pooled_estimate pooled;
    double *theory, *log_decay;     /* [points] */
    double relative_sd, mu, lambda; /* smallest and largest curvature */
    bool at_optimum;                /* it starts there */
};

static double setting(const struct run_config *config, const char *name)
{
    const struct method *method = (const struct method *)config->update;
    const int index = param_find(method->params, method->param_count, name);
    return index < 0 ? 0 : config->update_values.scalar[index];
}

static void name_instance(const struct ridden *r, struct check *check)
{
    const struct cell_columns *c = &r->cell->columns;
    const char *data = r->cell->config.problem.data->name;
    if (r->cell->config.kind == KIND_ESTIMATOR)
        snprintf(check->instance, sizeof check->instance, "%.40s on %.60s, m = %zu, beta = %g", c->problem, data,
                 c->batch_size, r->beta);
    else
        snprintf(check->instance, sizeof check->instance, "%.60s, effective eta = %.4g, beta = %g", data, r->rate,
                 r->beta);
}

/* ---- the estimator ---- */

/* Mean over replicates of the autocorrelation at one lag. */
static void pool_lag(const struct law_cell *cell, size_t lag, double *value, double *se)
{
    double square = 0;
    *value = 0;
    for (uint64_t i = 0; i < cell->chains; i++) {
        *value += cell->estimator[i].autocorrelation[lag] / (double)cell->chains;
        square += pow(cell->estimator[i].autocorrelation_se[lag], 2);
    }
    *se = sqrt(square) / (double)cell->chains;
}

/* The first lag, and the last one whose correlation can be told from 0. */
static enum status check_lags(const struct law_input *input, const struct ridden *r, struct check_list *checks,
                              struct error *error)
{
    enum status status = STATUS_OK;
    size_t last = 0;
    for (size_t k = 0; k < ESTIMATOR_LAGS; k++)
        if (pow(r->beta, (double)estimator_lag[k]) > 0.2)
            last = k;
    for (size_t k = 0; k <= last && status == STATUS_OK; k += last ? last : 1) {
        struct check check = {.kind = CHECK_DIFFERENCE,
                              .predicted = pow(r->beta, (double)estimator_lag[k]),
                              .measured = NAN,
                              .margin = input->margin_value,
                              .replicates = r->pooled.draws,
                              .exact_theory = true};
        name_instance(r, &check);
        snprintf(check.quantity, sizeof check.quantity, "correlation of v_t and v_(t+%llu)",
                 (unsigned long long)estimator_lag[k]);
        if (input->planned) /* of a correlation, at most */
            check.se = 1 / sqrt((double)r->pooled.draws);
        else
            pool_lag(r->cell, k, &check.measured, &check.se);
        status = checks_add(checks, &check, error);
    }
    return status;
}

static enum status check_estimator(const struct law_input *input, struct ridden *r, struct check_list *checks,
                                   struct error *error)
{
    const double t = (double)r->cell->config.velocity_steps, whole = 1 - pow(r->beta, t);
    struct pooled_estimate *e = &r->pooled;
    enum status status = law_pool(input, r->cell, e, error);
    if (status != STATUS_OK)
        return status;
    if (t == 0 && r->beta > 0)
        return error_set(error, STATUS_USAGE, "this law needs velocity_steps: t, the steps of a velocity");
    struct check check = {.kind = CHECK_RATIO,
                          .predicted = e->kappa * e->sigma2,
                          .measured = e->ratio * e->kappa * e->sigma2,
                          .se = e->ratio_se / (input->planned ? 1 : e->ratio),
                          .margin = input->margin_value,
                          .replicates = e->draws,
                          .exact_theory = true};
    name_instance(r, &check);
    if (r->beta > 0)
        snprintf(check.quantity, sizeof check.quantity, "tr Cov (1 - beta) v_t, t = %g", t);
    else
        snprintf(check.quantity, sizeof check.quantity, "tr Cov g");
    status = checks_add(checks, &check, error);
    check.predicted = whole;
    check.measured = whole * (1 + e->effect);
    check.se = e->effect_se / (input->planned ? 1 : 1 + e->effect);
    snprintf(check.quantity, sizeof check.quantity, "u.E (1 - beta) v_t / |grad f|, u = grad f/|grad f|, t = %g", t);
    if (status == STATUS_OK && r->beta > 0)
        status = checks_add(checks, &check, error);
    return status == STATUS_OK && r->beta > 0 ? check_lags(input, r, checks, error) : status;
}

/* ---- iterates ---- */

static enum status ride(struct ridden *r, struct error *error)
{
    const struct law_cell *cell = r->cell;
    struct exact_run run;
    double *sd = calloc(3 * cell->points, sizeof *sd);
    if (!sd)
        return error_memory(error, 3 * cell->points * sizeof *sd, "an exact curve");
    r->theory = sd + cell->points;
    r->log_decay = sd + 2 * cell->points;
    enum status status = exact_run_make(&cell->config, &run, error);
    if (status == STATUS_OK)
        status = exact_gap(&run, cell->points, cell->step, r->theory, sd, error);
    if (status == STATUS_OK) {
        r->relative_sd = sd[cell->points - 1];
        r->mu = run.oracle->convexity;
        r->lambda = run.oracle->smoothness;
        r->at_optimum = cell->config.start.kind == START_OPTIMUM && cell->config.start.scale == 0;
        r->rate = run.eta[0] / (1 - r->beta);
        for (size_t p = 0; p < cell->points; p++)
            r->log_decay[p] = 2 * r->rate * r->mu * (double)cell->step[p];
    }
    exact_run_free(&run);
    /* theory is what is freed: move it to the front */
    memmove(sd, r->theory, 2 * cell->points * sizeof *sd);
    r->theory = sd;
    r->log_decay = sd + cell->points;
    return status;
}

/* Points of the second half of the run, where the state is stationary or nearly so, or those before. */
static bool in_window(const struct law_cell *cell, size_t p, bool late)
{
    return cell->step[p] > 0 && (2 * cell->step[p] >= cell->config.steps) == late;
}

/* The mean over points of measured/theory: 1. */
static enum status check_window(const struct law_input *input, const struct ridden *r, bool late, double *weight,
                                struct check_list *checks, struct error *error)
{
    const struct law_cell *cell = r->cell;
    size_t used = 0, first = 0;
    for (size_t p = 0; p < cell->points; p++) {
        weight[p] = in_window(cell, p, late) ? 1 / r->theory[p] : 0;
        first = used == 0 ? p : first;
        used += weight[p] != 0;
    }
    if (used == 0)
        return STATUS_OK;
    const struct law_curve *curve;
    struct law_average mean = {.value = NAN, .chains = input->replicates};
    enum status status = law_need_curve(input, cell, METRIC_GAP, &curve, error);
    if (status != STATUS_OK)
        return status;
    if (input->planned) {
        mean.se = law_average_planned(used, r->log_decay + first, r->relative_sd, (double)input->replicates);
    } else {
        status = law_average(curve, weight, &mean, error);
        mean.value /= (double)used;
        mean.se /= (double)used * mean.value;
    }
    struct check check = {.kind = CHECK_RATIO,
                          .predicted = 1,
                          .measured = mean.value,
                          .se = mean.se,
                          .margin = input->margin_value,
                          .replicates = mean.chains,
                          .exact_theory = true};
    name_instance(r, &check);
    snprintf(check.quantity, sizeof check.quantity, "E f(x) - f* over the exact recursion, %s half of the run",
             late ? "second" : "first");
    return status == STATUS_OK ? checks_add(checks, &check, error) : status;
}

static bool is_plain_partner(const struct ridden *plain, const struct ridden *of)
{
    return plain->beta == 0 && strcmp(plain->cell->columns.data, of->cell->columns.data) == 0 &&
           fabs(plain->rate / of->rate - 1) < 1e-9 && plain->cell->config.steps == of->cell->config.steps;
}

/* Stationary gap with momentum over that without, at equal effective rate. */
static enum status ratio_of(const struct law_input *input, const struct ridden *r, const struct ridden *plain,
                            double *weight, double *predicted, struct law_average *out, struct error *error)
{
    const struct law_curve *above, *below;
    const size_t points = r->cell->points;
    double with = 0, without = 0;
    size_t used = 0;
    for (size_t p = 0; p < points; p++) {
        weight[p] = in_window(r->cell, p, true) ? 1 : 0;
        with += weight[p] * r->theory[p];
        without += weight[p] * plain->theory[p];
        used += weight[p] != 0;
    }
    *predicted = with / without;
    *out = (struct law_average){.value = NAN, .chains = input->replicates};
    if (input->planned) {
        const double *decay = r->log_decay + points - used;
        out->se = M_SQRT2 * law_average_planned(used, decay, r->relative_sd, (double)input->replicates);
        return STATUS_OK;
    }
    enum status status = law_need_curve(input, r->cell, METRIC_GAP, &above, error);
    if (status == STATUS_OK)
        status = law_need_curve(input, plain->cell, METRIC_GAP, &below, error);
    return status == STATUS_OK ? law_log_ratio(above, below, weight, out, error) : status;
}

static enum status check_ratio(const struct law_input *input, const struct ridden *r, const struct ridden *plain,
                               double *weight, struct check_list *checks, struct error *error)
{
    const bool exact = input->values->scalar[ITERATES] == EXACT;
    struct law_average ratio;
    struct check check = {.kind = CHECK_RATIO, .margin = input->margin_value}; /* several ratios have one denominator:
                                                                                  not for the QQ plot */
    enum status status = ratio_of(input, r, plain, weight, &check.predicted, &ratio, error);
    if (!exact)
        check.predicted = (1 - r->beta) / (1 + r->beta);
    check.measured = exp(ratio.value);
    check.se = ratio.se;
    check.replicates = ratio.chains;
    name_instance(r, &check);
    snprintf(check.quantity, sizeof check.quantity, "stationary gap, momentum over plain");
    return status == STATUS_OK ? checks_add(checks, &check, error) : status;
}

static enum status check_iterates(const struct law_input *input, const struct ridden *ridden, size_t count,
                                  double *weight, struct check_list *checks, struct error *error)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        const struct ridden *r = &ridden[i];
        if (!r->at_optimum && input->values->scalar[ITERATES] == EXACT) {
            status = check_window(input, r, false, weight, checks, error);
            if (status == STATUS_OK)
                status = check_window(input, r, true, weight, checks, error);
        }
        for (size_t j = 0; j < count && status == STATUS_OK && r->beta > 0; j++)
            if (is_plain_partner(&ridden[j], r))
                status = check_ratio(input, r, &ridden[j], weight, checks, error);
    }
    return status;
}

/* ---- figure ---- */

enum { CURVE = 100 };

static double estimator_factor(double beta, double t)
{
    return (1 - beta) / (1 + beta) * (1 - pow(beta, 2 * t));
}

static enum status draw_estimator(struct law_figure *figure, const struct ridden *ridden, size_t count,
                                  struct law_points *points, struct error *error)
{
    struct panel *panel = law_figure_panel(figure, "variance", "momentum β", "tr Cov (1 − β)v over κσ²");
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    panel->y_min = 0;
    enum status status = STATUS_OK;
    int colour = 0;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        bool known = false;
        const char *data = ridden[i].cell->columns.data;
        for (size_t j = 0; j < i; j++)
            known = known || strcmp(ridden[j].cell->columns.data, data) == 0;
        for (size_t j = i; j < count && !known; j++)
            if (strcmp(ridden[j].cell->columns.data, data) == 0) {
                const struct ridden *r = &ridden[j];
                const double factor =
                    r->beta > 0 ? estimator_factor(r->beta, (double)r->cell->config.velocity_steps) : 1;
                law_points_add(points, r->beta + 0.008 * colour, factor * r->pooled.ratio,
                               2 * factor * r->pooled.ratio_se);
            }
        if (!known)
            status = law_points_draw(points, panel, SERIES_POINTS, ridden[i].cell->config.problem.data->name, colour++,
                                     error);
    }
    double t = 0;
    for (size_t i = 0; i < count; i++) /* without momentum there are none */
        t = fmax(t, (double)ridden[i].cell->config.velocity_steps);
    char label[80];
    for (int k = 0; k <= CURVE; k++)
        law_points_add(points, 0.99 * k / CURVE, estimator_factor(0.99 * k / CURVE, t), 0);
    snprintf(label, sizeof label, "(1 − β)/(1 + β)·(1 − β^%.0f)", 2 * t);
    if (status == STATUS_OK)
        status = law_points_draw(points, panel, SERIES_THEORY, label, -1, error);
    panel = status == STATUS_OK ? law_figure_panel(figure, "memory", "lag k", "correlation of v_t and v_{t+k}") : NULL;
    if (!panel)
        return status == STATUS_OK ? error_memory(error, sizeof *panel, "a panel") : status;
    panel->y_min = 0;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        const struct ridden *r = &ridden[i];
        if (r->beta == 0 || strcmp(r->cell->columns.data, ridden[0].cell->columns.data) != 0)
            continue;
        for (size_t k = 0; k < ESTIMATOR_LAGS; k++) {
            double value, se;
            pool_lag(r->cell, k, &value, &se);
            law_points_add(points, (double)estimator_lag[k], value, 2 * se);
        }
        snprintf(label, sizeof label, "β = %g", r->beta);
        status = law_points_draw(points, panel, SERIES_POINTS, label, colour, error);
        for (int k = 0; k <= CURVE; k++)
            law_points_add(points, 10.5 * k / CURVE, pow(r->beta, 10.5 * k / CURVE), 0);
        if (status == STATUS_OK)
            status = law_points_draw(points, panel, SERIES_THEORY, colour == 3 ? "β^k" : "", colour, error);
        colour++;
    }
    return status;
}

/* Floor with momentum over floor without, against beta; lines where one curvature rules. */
static enum status draw_ratios(const struct law_input *input, struct law_figure *figure, const struct ridden *ridden,
                               size_t count, double *weight, struct law_points *points, struct error *error)
{
    struct panel *panel = law_figure_panel(figure, "iterates, stationary", "momentum β", "momentum over plain");
    enum status status = STATUS_OK;
    int colour = 0;
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    panel->y_min = 0;
    panel->y_max = 1.1;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        const struct ridden *plain = &ridden[i];
        const double h = plain->rate * plain->lambda;
        char label[60];
        if (plain->beta != 0)
            continue;
        for (size_t j = 0; j < count && status == STATUS_OK; j++)
            if (ridden[j].beta > 0 && is_plain_partner(plain, &ridden[j])) {
                double predicted;
                struct law_average ratio;
                status = ratio_of(input, &ridden[j], plain, weight, &predicted, &ratio, error);
                law_points_add(points, ridden[j].beta, exp(ratio.value), 2 * ratio.se * exp(ratio.value));
            }
        snprintf(label, sizeof label, plain->mu == plain->lambda ? "h = %.3g" : "η = %.3g",
                 plain->mu == plain->lambda ? h : plain->rate);
        if (status == STATUS_OK)
            status = law_points_draw(points, panel, SERIES_POINTS, label, colour, error);
        for (int k = 0; k <= CURVE && plain->mu == plain->lambda; k++) {
            const double beta = (double)k / CURVE;
            law_points_add(points, beta, (2 - h) / (2 - h * (1 - beta) / (1 + beta)), 0);
        }
        if (status == STATUS_OK)
            status = law_points_draw(points, panel, SERIES_THEORY, "", colour++, error);
    }
    for (int k = 0; k <= CURVE; k++)
        law_points_add(points, (double)k / CURVE, (1 - (double)k / CURVE) / (1 + (double)k / CURVE), 0);
    return status == STATUS_OK
               ? law_points_draw(points, panel, SERIES_THEORY, "the estimator's (1 − β)/(1 + β)", 9, error)
               : status;
}

static enum status draw_curves(struct law_figure *figure, const struct ridden *ridden, size_t count,
                               struct law_points *points, struct error *error)
{
    struct panel *panel = law_figure_panel(figure, "", "step", "E f(x) − f*");
    enum status status = STATUS_OK;
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    panel->y_log = true;
    snprintf(panel->title, sizeof panel->title, "%.60s", ridden[0].cell->config.problem.data->name);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        const struct law_curve *curve = ridden[i].cell->curve[METRIC_GAP];
        char label[80];
        for (size_t p = 0; p < curve->points; p++)
            law_points_add(points, (double)curve->step[p], curve->mean[p], 2 * curve->se[p]);
        snprintf(label, sizeof label, "β = %g, effective η = %.3g", ridden[i].beta, ridden[i].rate);
        status = law_points_draw(points, panel, SERIES_MEASURED, label, (int)i, error);
        for (size_t p = 0; p < curve->points; p++)
            law_points_add(points, (double)curve->step[p], ridden[i].theory[p], 0);
        if (status == STATUS_OK)
            status = law_points_draw(points, panel, SERIES_THEORY, "", (int)i, error);
    }
    return status;
}

static enum status draw(const struct law_input *input, struct law_figure *figure, const struct ridden *ridden,
                        size_t count, double *weight, struct error *error)
{
    struct law_points points = {0};
    const bool estimator = ridden[0].cell->config.kind == KIND_ESTIMATOR;
    enum status status = STATUS_OK;
    snprintf(figure->title, sizeof figure->title, "Does momentum lower the variance%s?",
             estimator ? " of the gradient estimate" : ", at equal effective rate");
    if (estimator)
        status = draw_estimator(figure, ridden, count, &points, error);
    if (!estimator && !ridden[0].at_optimum)
        status = draw_curves(figure, ridden, count, &points, error);
    if (!estimator && ridden[0].at_optimum)
        status = draw_ratios(input, figure, ridden, count, weight, &points, error);
    law_points_free(&points);
    return status;
}

/* ---- the law ---- */

static enum status evaluate(const struct law_input *input, struct check_list *checks, struct law_figure *figure,
                            struct error *error)
{
    const size_t count = input->cell_count;
    size_t points = 1;
    for (size_t i = 0; i < count; i++)
        points = input->cell[i].points > points ? input->cell[i].points : points;
    struct ridden *ridden = calloc(count + 1, sizeof *ridden);
    double *weight = malloc(points * sizeof *weight);
    enum status status = ridden && weight ? STATUS_OK : error_memory(error, count * sizeof *ridden, "a law");
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        const struct law_cell *cell = &input->cell[i];
        ridden[i].cell = cell;
        ridden[i].beta = setting(&cell->config, "momentum");
        if (cell->config.kind != input->cell[0].config.kind ||
            (cell->config.kind == KIND_TRAINING &&
             (cell->points != points || cell->config.schedule.type->constant == false)))
            status = error_set(error, STATUS_USAGE,
                               "this law needs estimator runs, or training runs at constant rates that record alike");
        else if (cell->config.kind == KIND_ESTIMATOR)
            status = check_estimator(input, &ridden[i], checks, error);
        else
            status = ride(&ridden[i], error);
    }
    if (status == STATUS_OK && count > 0 && input->cell[0].config.kind == KIND_TRAINING)
        status = check_iterates(input, ridden, count, weight, checks, error);
    if (status == STATUS_OK && !input->planned && count > 0)
        status = draw(input, figure, ridden, count, weight, error);
    for (size_t i = 0; ridden && i < count; i++)
        free(ridden[i].theory);
    free(ridden);
    free(weight);
    return status;
}

const struct law_type law_momentum = {
    .method = {.name = "momentum",
               .summary = "Var (1-beta)v = kappa Sigma (1-beta)/(1+beta) at a frozen x; of the iterates, at equal "
                          "eta/(1-beta), the (2-h)/(2-h(1-beta)/(1+beta)) of plain SGD",
               .revision = 1,
               .params = params,
               .param_count = sizeof params / sizeof *params},
    .number = "L10",
    .title = "Momentum",
    .group = "Claims of the field",
    .source = "Polyak (1964); Yuan, Ying, Sayed, JMLR 17 (2016)",
    .evaluate = evaluate,
};
