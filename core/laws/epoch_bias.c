/* L1's known deviation. Within a reshuffled epoch a sample gradient is not unbiased at the iterate where it is taken:
 * the samples that led there will not come again. With bias_k the mean over orders pi of grad f_{pi(k)}(x_k) - grad
 * f(x_k), bias_0 = 0, and to first order in eta, bias_k = k eta/(n-1) mean (H_i - H) grad f_i(x_0): the correction
 * behind the analyses of Haochen and Sra 2019 and Rajput, Gupta and Papailiopoulos 2020. For n <= 9 all orders are
 * enumerated.
 *
 * Measured on the runs, least squares in one dimension, from E x_t inside the first epoch: a step says E grad f_{pi(k)}
 * = (E x_k - E x_{k+1})/eta, and E grad f(x_k) = h (E x_k - x*). All together, at the end of the epoch, x* + (1 - eta
 * h)^n (x_0 - x*) - E x_n = eta sum_k (1 - eta h)^(n-1-k) bias_k, where the noise of the steps has cancelled but for
 * eta^2.
 *
 * `claim: enumerated` holds that sum against all orders, `first_order` the formula against all orders, and `unbiased`
 * says of each k that there is no bias. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "laws/gradient_study.h"
#include "laws/law_average.h"
#include "stats.h"

enum { CLAIM };
enum { ENUMERATED, FIRST_ORDER, UNBIASED };
static const char *const claims[] = {"enumerated", "first_order", "unbiased", NULL};
static const struct param params[] = {
    [CLAIM] = {.name = "claim",
               .kind = PARAM_CHOICE,
               .choices = claims,
               .help = "enumerated: the bias is that of all orders; first_order: the formula is; unbiased: it is 0"},
};

struct scene {
    const struct law_cell *cell;
    size_t n;
    double x0, optimum, h, eta; /* h: second derivative of f */
    double bias[BIAS_SAMPLES_MAX], slope;
    double scatter; /* sd of grad f_i - grad f at the start, for plans */
};

/* ---- one cell ---- */

static const char *obstacle(const struct law_cell *cell)
{
    const struct run_config *c = &cell->config;
    const size_t n = c->problem.data->train.rows;
    if (c->kind != KIND_TRAINING || strcmp(c->sampler->method.name, "reshuffle") != 0 || c->batch_size != 1)
        return "single samples by reshuffling";
    if (strcmp(((const struct method *)c->update)->name, "sgd") != 0 || c->local_workers > 1 || c->clip != CLIP_NONE ||
        !c->averager->last || !c->schedule.type->constant || c->schedule.warmup)
        return "plain steps at a constant rate";
    if (problem_dim(&c->problem) != 1 || !c->problem.type->quadratic || c->problem.l1 > 0 || c->problem.l2 > 0 ||
        isfinite(c->problem.radius) || c->start.kind == START_GAUSSIAN)
        return "least squares in one dimension without penalties and radius, and a start that is not random";
    if (n > BIAS_SAMPLES_MAX)
        return "few samples, so that all their orders can be tried";
    if (!(c->metrics & 1u << METRIC_X1) || cell->points <= n || cell->step[n] != n)
        return "the metric x1, recorded at each step of the first epoch";
    return NULL;
}

static enum status scene_open(const struct law_cell *cell, struct scene *s, struct error *error)
{
    const struct run_config *c = &cell->config;
    const struct matrix *a = &c->problem.data->train;
    const char *needed = obstacle(cell);
    *s = (struct scene){.cell = cell, .n = a->rows};
    if (needed)
        return error_set(error, STATUS_USAGE, "the law of the bias within an epoch needs %s", needed);
    const double one = 1, n = (double)s->n;
    double target = 0, square = 0;
    schedule_rates(&c->schedule, 0, 1, c->steps, &s->eta);
    enum status status = run_start(&(struct run_request){.config = c}, &s->x0, 1, error);
    for (size_t i = 0; i < s->n; i++) {
        const double ai = matrix_row_dot(a, i, &one);
        s->h += ai * ai / n;
        target += ai * c->problem.data->y[i] / n;
    }
    s->optimum = target / s->h;
    for (size_t i = 0; i < s->n; i++) {
        const double ai = matrix_row_dot(a, i, &one);
        square += pow(ai * (ai * s->x0 - c->problem.data->y[i]) - s->h * (s->x0 - s->optimum), 2) / n;
    }
    s->scatter = sqrt(square);
    if (status == STATUS_OK)
        status = gradient_study_epoch_bias(&c->problem, &s->x0, s->eta, s->bias, error);
    if (status == STATUS_OK)
        status = gradient_study_bias_slope(&c->problem, &s->x0, s->eta, &s->slope, error);
    return status;
}

/* bias_k from the runs: linear in E x_k and E x_{k+1}. */
static enum status measure(const struct law_input *input, const struct scene *s, size_t k, struct law_average *out,
                           struct error *error)
{
    *out = (struct law_average){NAN, s->scatter / sqrt((double)input->replicates), input->replicates};
    if (input->planned)
        return STATUS_OK;
    double *weight = calloc(s->cell->points, sizeof *weight);
    if (!weight)
        return error_memory(error, s->cell->points * sizeof *weight, "a mean");
    weight[k] = 1 / s->eta - s->h;
    weight[k + 1] = -1 / s->eta;
    const enum status status = law_average(s->cell->curve[METRIC_X1], weight, out, error);
    out->value += s->h * s->optimum;
    free(weight);
    return status;
}

/* sum_k (1 - eta h)^(n-1-k) bias_k */
static double enumerated_sum(const struct scene *s)
{
    double sum = 0;
    for (size_t k = 0; k < s->n; k++)
        sum = (1 - s->eta * s->h) * sum + s->bias[k];
    return sum;
}

/* Mean of (x_n - centre)^2 over the orders of the samples that are left, n - k of them, from x_k = x. */
static double spread(const struct scene *s, unsigned used, size_t k, double x, double centre)
{
    const struct dataset *data = s->cell->config.problem.data;
    const double one = 1;
    double sum = 0;
    if (k == s->n)
        return (x - centre) * (x - centre);
    for (size_t i = 0; i < s->n; i++) {
        if (used >> i & 1)
            continue;
        const double a = matrix_row_dot(&data->train, i, &one);
        sum += spread(s, used | 1U << i, k + 1, x - s->eta * a * (a * x - data->y[i]), centre);
    }
    return sum / (double)(s->n - k);
}

/* ---- checks ---- */

static void label(const struct scene *s, struct check *check)
{
    snprintf(check->instance, sizeof check->instance, "%.60s, eta = %g", s->cell->config.problem.data->name, s->eta);
}

static enum status check_sum(const struct law_input *input, const struct scene *s, struct check_list *checks,
                             struct error *error)
{
    const double path = s->optimum + pow(1 - s->eta * s->h, (double)s->n) * (s->x0 - s->optimum);
    struct check check = {.kind = CHECK_RATIO,
                          .predicted = enumerated_sum(s),
                          .measured = NAN,
                          .margin = input->margin_value,
                          .replicates = input->replicates,
                          .exact_theory = true};
    label(s, &check);
    snprintf(check.quantity, sizeof check.quantity, "sum of (1 - eta h)^(n-1-k) E[grad f_pi(k) - grad f](x_k)");
    if (input->planned) {
        const double end = path - s->eta * check.predicted;
        check.se = sqrt(spread(s, 0, 0, s->x0, end) / (double)input->replicates) / s->eta / fabs(check.predicted);
    } else {
        const struct law_curve *x = s->cell->curve[METRIC_X1];
        check.measured = (path - x->mean[s->n]) / s->eta;
        check.se = x->se[s->n] / s->eta / fabs(check.measured);
        check.replicates = x->chains;
    }
    return checks_add(checks, &check, error);
}

static enum status check_formula(const struct law_input *input, const struct scene *s, size_t k,
                                 struct check_list *checks, struct error *error)
{
    struct check check = {.kind = CHECK_RATIO, /* nothing random: the runs are not looked at */
                          .predicted = s->slope * (double)k,
                          .measured = s->bias[k],
                          .margin = input->margin_value};
    label(s, &check);
    snprintf(check.quantity, sizeof check.quantity, "mean bias over all %zu! orders, k = %zu", s->n, k);
    return checks_add(checks, &check, error);
}

static enum status check_unbiased(const struct law_input *input, const struct scene *s, size_t k,
                                  struct check_list *checks, struct error *error)
{
    const double gradient = s->h * (s->x0 - s->optimum);
    struct law_average bias;
    enum status status = measure(input, s, k, &bias, error);
    if (status != STATUS_OK)
        return status;
    struct check check = {.kind = CHECK_P_VALUE,
                          .predicted = NAN,
                          .measured = input->planned ? (double)NAN : stats_normal_p(bias.value / bias.se),
                          .effect = bias.value / gradient,
                          .effect_se = bias.se / fabs(gradient),
                          .se = bias.se / fabs(gradient),
                          .margin = input->margin_value,
                          .replicates = bias.chains};
    label(s, &check);
    snprintf(check.quantity, sizeof check.quantity, "p of E grad f_pi(k)(x_k) = E grad f(x_k), k = %zu", k);
    return checks_add(checks, &check, error);
}

static enum status add_checks(const struct law_input *input, const struct scene *s, struct check_list *checks,
                              struct error *error)
{
    const size_t claim = (size_t)input->values->scalar[CLAIM];
    enum status status = STATUS_OK;
    if (claim == ENUMERATED)
        return check_sum(input, s, checks, error);
    for (size_t k = 1; status == STATUS_OK && k < s->n; k += 2)
        status = (claim == FIRST_ORDER ? check_formula : check_unbiased)(input, s, k, checks, error);
    return status;
}

/* ---- figure ---- */

static enum status draw_cell(const struct law_input *input, const struct scene *s, struct panel *panel,
                             struct law_points *points, int colour, struct error *error)
{
    char name[60];
    enum status status = STATUS_OK;
    for (size_t k = 0; status == STATUS_OK && k < s->n; k++) {
        struct law_average bias;
        status = measure(input, s, k, &bias, error);
        if (2 * bias.se < fabs(s->bias[1])) /* else it would be noise alone */
            law_points_add(points, (double)k, bias.value / s->eta, 2 * bias.se / s->eta);
    }
    if (status == STATUS_OK)
        status = law_points_draw(points, panel, SERIES_POINTS, "measured", colour, error);
    for (size_t k = 0; k < s->n; k++)
        law_points_add(points, (double)k, s->bias[k] / s->eta, 0);
    snprintf(name, sizeof name, "all orders, η = %g", s->eta);
    return status == STATUS_OK ? law_points_draw(points, panel, SERIES_THEORY, name, colour, error) : status;
}

static enum status draw(const struct law_input *input, struct law_figure *figure, const struct scene *scene,
                        struct error *error)
{
    struct law_points points = {0};
    snprintf(figure->title, sizeof figure->title, "Is a sample gradient unbiased inside a reshuffled epoch?");
    struct panel *panel = law_figure_panel(figure, "", "samples k taken before", "E[g_{π(k)} − ∇f](x_k)/η");
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < input->cell_count; i++)
        status = draw_cell(input, &scene[i], panel, &points, (int)i, error);
    for (size_t k = 0; k < scene[0].n; k++)
        law_points_add(&points, (double)k, (double)k * scene[0].slope / scene[0].eta, 0);
    if (status == STATUS_OK)
        status = law_points_draw(&points, panel, SERIES_THEORY, "first order: k mean[(H_i − H)g_i]/(n − 1)",
                                 (int)input->cell_count, error);
    panel->x_min = -0.3;
    panel->x_max = (double)scene[0].n - 0.7;
    law_points_free(&points);
    return status;
}

/* ---- the law ---- */

static enum status evaluate(const struct law_input *input, struct check_list *checks, struct law_figure *figure,
                            struct error *error)
{
    struct scene *scene = calloc(input->cell_count + 1, sizeof *scene);
    enum status status =
        scene ? STATUS_OK : error_memory(error, (input->cell_count + 1) * sizeof *scene, "the cells of a law");
    for (size_t i = 0; status == STATUS_OK && i < input->cell_count; i++) {
        status = scene_open(&input->cell[i], &scene[i], error);
        if (status == STATUS_OK)
            status = add_checks(input, &scene[i], checks, error);
    }
    if (status == STATUS_OK && !input->planned && input->cell_count > 0)
        status = draw(input, figure, scene, error);
    free(scene);
    return status;
}

const struct law_type law_epoch_bias = {
    .method = {.name = "epoch_bias",
               .summary =
                   "inside a reshuffled epoch E[grad f_pi(k) - grad f](x_k) = k eta/(n-1) mean[(H_i - H) g_i], not 0",
               .revision = 1,
               .params = params,
               .param_count = sizeof params / sizeof *params},
    .number = "L1",
    .title = "Bias within an epoch",
    .group = "Core",
    .source = "Haochen and Sra 2019; Rajput, Gupta, Papailiopoulos 2020",
    .evaluate = evaluate,
};
