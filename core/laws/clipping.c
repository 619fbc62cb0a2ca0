/* L17. What clipping costs: with g_i min(1, tau/|g_i|) in place of the sample gradient g_i the step is biased, and the
 * iterates settle elsewhere. Both are exact in one pass over the samples.
 *
 * First step, any linear model: with c = mean clip(g_i) and q = mean |clip(g_i)|^2 at x_0, E |x_1 - x*|^2 = |x_0 -
 * x*|^2
 * - 2 eta (x_0 - x*).c + eta^2 q, which gives (x_0 - x*).c, the pull towards x*, from measured distances.
 * Later, least squares in one dimension: while no sample changes between clipped and not, the mean force is linear, s
 * (x
 * - x_c), so E x_t - x_c = (1 - eta s)^t (x_0 - x_c).
 *
 * `claim: unbiased` states both without clipping: c = grad f, and E x_t -> x*. Gorbunov et al. 2020 and Chen, Wu and
 * Hong 2020 bound the bias. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "laws/law_average.h"

enum { CLAIM };
enum { CLIPPED, UNBIASED };
static const char *const claims[] = {"clipped", "unbiased", NULL};
static const struct param params[] = {
    [CLAIM] = {.name = "claim",
               .kind = PARAM_CHOICE,
               .choices = claims,
               .help =
                   "clipped: mean clip(g_i) drives the iterates; unbiased: grad f does, as if nothing were clipped"},
};

/* ---- one pass over the samples ---- */

/* What the first step does, with samples clipped at tau (INFINITY: not). */
struct first_step {
    double pull;     /* (x_0 - x*).mean clip(g_i) */
    double norm2;    /* mean |clip(g_i)|^2 */
    double pull_sd;  /* of one chain's measurement of the pull */
    double distance; /* |x_0 - x*|^2 */
};

struct scene {
    const struct problem *problem;
    size_t n, d;
    const double *optimum;
    double *x0, *error, *step; /* [d]: start, x_0 - x*, scratch */
    double eta, tau;           /* rate of the first step */
};

static double dot(size_t d, const double *x, const double *y)
{
    double sum = 0;
    for (size_t j = 0; j < d; j++)
        sum += x[j] * y[j];
    return sum;
}

/* step[d] := the gradient of sample i at the start; its loss part is clipped, a penalty is not. */
static void sample_step(const struct scene *s, size_t i, double tau)
{
    const struct matrix *a = &s->problem->data->train;
    const double slope = s->problem->type->scalar->slope(matrix_row_dot(a, i, s->x0), s->problem->data->y[i]);
    memset(s->step, 0, s->d * sizeof *s->step);
    matrix_row_axpy(a, i, slope, s->step);
    const double norm = sqrt(dot(s->d, s->step, s->step));
    for (size_t j = 0; norm > tau && j < s->d; j++)
        s->step[j] *= tau / norm;
    for (size_t j = 0; j < problem_penalized(s->problem); j++)
        s->step[j] += s->problem->l2 * s->x0[j];
}

static struct first_step one_pass(const struct scene *s, double tau)
{
    struct first_step sum = {.distance = dot(s->d, s->error, s->error)};
    const double n = (double)s->n;
    double square = 0;
    for (size_t i = 0; i < s->n; i++) {
        sample_step(s, i, tau);
        const double pull = dot(s->d, s->error, s->step), norm2 = dot(s->d, s->step, s->step);
        const double measured = pull - s->eta * norm2 / 2; /* what one chain's distance tells of the pull */
        sum.pull += pull / n;
        sum.norm2 += norm2 / n;
        square += measured * measured / n;
    }
    sum.pull_sd = sqrt(fmax(square - pow(sum.pull - s->eta * sum.norm2 / 2, 2), 0));
    return sum;
}

/* The mean path in one dimension. exact: no sample changes sides between the start and x_c. */
struct mean_path {
    double centre, slope, sd; /* x_c, s, stationary standard deviation */
    bool exact;
};

static struct mean_path path_of(const struct scene *s, double tau)
{
    struct mean_path path = {.exact = true};
    const struct matrix *a = &s->problem->data->train;
    const double *y = s->problem->data->y, one = 1, n = (double)s->n;
    double constant = 0, square = 0;
    for (size_t i = 0; i < s->n; i++) {
        const double ai = matrix_row_dot(a, i, &one), g = ai * (ai * s->x0[0] - y[i]);
        if (fabs(g) > tau) {
            constant -= copysign(tau, g) / n;
        } else {
            path.slope += ai * ai / n;
            constant += ai * y[i] / n;
        }
    }
    path.centre = constant / path.slope;
    for (size_t i = 0; i < s->n; i++) {
        const double ai = matrix_row_dot(a, i, &one), from = ai * (ai * s->x0[0] - y[i]),
                     to = ai * (ai * path.centre - y[i]);
        path.exact = path.exact && (fabs(from) > tau ? fabs(to) > tau && from * to > 0 : fabs(to) <= tau);
        square += pow(fmin(fabs(to), tau), 2) / n;
    }
    path.sd = sqrt(s->eta * square / (2 * path.slope - s->eta * path.slope));
    return path;
}

/* ---- cells ---- */

static const char *obstacle(const struct law_cell *cell)
{
    const struct run_config *c = &cell->config;
    if (c->kind != KIND_TRAINING || c->clip != CLIP_SAMPLE || c->batch_size != 1 || !c->sampler->with_replacement)
        return "clip: {norm: TAU, each: sample} and single samples with replacement";
    if (strcmp(((const struct method *)c->update)->name, "sgd") != 0 || c->local_workers > 1 || !c->averager->last ||
        !c->schedule.type->constant || c->schedule.warmup)
        return "plain steps at a constant rate";
    if (!c->problem.type->scalar || c->problem.l1 > 0 || isfinite(c->problem.radius) || c->start.kind == START_GAUSSIAN)
        return "a linear model without l1 and radius, and a start that is not random";
    if (!c->reference->exists)
        return "a problem with an optimum";
    if (!(c->metrics & 1u << METRIC_DISTANCE2) || !(c->metrics & 1u << METRIC_X1) || cell->points < 2 ||
        cell->step[1] != 1)
        return "the metrics distance2 and x1, recorded at step 1 too";
    return NULL;
}

static enum status scene_open(const struct law_cell *cell, struct scene *s, struct error *error)
{
    const struct run_config *c = &cell->config;
    const char *needed = obstacle(cell);
    *s = (struct scene){.problem = &c->problem};
    if (needed)
        return error_set(error, STATUS_USAGE, "the law of clipping needs %s", needed);
    s->n = c->problem.data->train.rows;
    s->d = problem_dim(&c->problem);
    s->optimum = c->reference->x;
    s->tau = c->clip_norm;
    s->x0 = calloc(3 * s->d, sizeof *s->x0);
    if (!s->x0)
        return error_memory(error, 3 * s->d * sizeof *s->x0, "the start of a run");
    s->error = s->x0 + s->d;
    s->step = s->error + s->d;
    schedule_rates(&c->schedule, 0, 1, c->steps, &s->eta);
    enum status status = run_start(&(struct run_request){.config = c}, s->x0, 1, error);
    for (size_t j = 0; j < s->d; j++)
        s->error[j] = s->x0[j] - s->optimum[j];
    return status;
}

static void scene_close(struct scene *s)
{
    free(s->x0);
}

static bool has_path(const struct scene *s)
{
    return s->d == 1 && s->problem->type->quadratic && !(s->problem->l2 > 0);
}

/* The measured pull and its standard error. */
static double measured_pull(const struct scene *s, const struct law_cell *cell, double *se)
{
    const struct law_curve *curve = cell->curve[METRIC_DISTANCE2];
    const struct first_step exact = one_pass(s, s->tau);
    *se = curve->se[1] / (2 * s->eta);
    return (exact.distance + s->eta * s->eta * exact.norm2 - curve->mean[1]) / (2 * s->eta);
}

static double path_at(const struct scene *s, const struct mean_path *path, uint64_t t)
{
    return path->centre + pow(1 - s->eta * path->slope, (double)t) * (s->x0[0] - path->centre);
}

/* ---- checks ---- */

static void label(const struct law_cell *cell, char *text, size_t size)
{
    snprintf(text, size, "%.60s, tau = %g", cell->config.problem.data->name, cell->config.clip_norm);
}

static enum status check_pull(const struct law_input *input, const struct law_cell *cell, const struct scene *s,
                              double tau, struct check_list *checks, struct error *error)
{
    const struct first_step theory = one_pass(s, tau);
    struct check check = {.kind = CHECK_RATIO,
                          .predicted = theory.pull,
                          .measured = NAN,
                          .se = theory.pull_sd / fabs(theory.pull) / sqrt((double)input->replicates),
                          .margin = input->margin_value,
                          .replicates = input->replicates,
                          .exact_theory = input->values->scalar[CLAIM] == CLIPPED};
    label(cell, check.instance, sizeof check.instance);
    snprintf(check.quantity, sizeof check.quantity, "(x_0 - x*).E g, g the first step");
    if (!input->planned) {
        check.measured = measured_pull(s, cell, &check.se);
        check.se /= fabs(check.measured);
        check.replicates = cell->chains;
    }
    return checks_add(checks, &check, error);
}

static enum status check_path(const struct law_input *input, const struct law_cell *cell, const struct scene *s,
                              double tau, struct check_list *checks, struct error *error)
{
    const struct mean_path path = path_of(s, tau);
    const size_t last = cell->points - 1;
    if (!path.exact)
        return STATUS_OK;
    const double predicted = path_at(s, &path, cell->step[last]);
    struct check check = {.kind = CHECK_RATIO,
                          .predicted = predicted,
                          .measured = NAN,
                          .se = path.sd / fabs(predicted) / sqrt((double)input->replicates),
                          .margin = input->margin_value,
                          .replicates = input->replicates,
                          .exact_theory = input->values->scalar[CLAIM] == CLIPPED};
    label(cell, check.instance, sizeof check.instance);
    snprintf(check.quantity, sizeof check.quantity, "E x_t, t = %llu", (unsigned long long)cell->step[last]);
    if (!input->planned) {
        const struct law_curve *curve = cell->curve[METRIC_X1];
        check.measured = curve->count[last] < curve->chains ? (double)INFINITY : curve->mean[last];
        check.se = curve->se[last] / fabs(check.measured);
        check.replicates = cell->chains;
    }
    return checks_add(checks, &check, error);
}

/* ---- figure ---- */

enum { CURVE = 80 };

static bool same_data(const struct law_cell *a, const struct law_cell *b)
{
    return strcmp(a->columns.data, b->columns.data) == 0 && strcmp(a->columns.problem, b->columns.problem) == 0;
}

static bool first_of_data(const struct law_input *input, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (same_data(&input->cell[j], &input->cell[i]))
            return false;
    return true;
}

/* All cells on the data of cell `first`: the share of the pull that is left, or with `path` where the mean settles. */
static enum status put_data(const struct law_input *input, size_t first, bool path, struct panel *panel,
                            struct law_points *points, int colour, struct error *error)
{
    enum status status = STATUS_OK;
    double low = INFINITY, high = 0;
    struct scene s;
    char name[60];
    for (size_t i = first; status == STATUS_OK && i < input->cell_count; i++) {
        const struct law_cell *cell = &input->cell[i];
        if (!same_data(&input->cell[first], cell))
            continue;
        status = scene_open(cell, &s, error);
        if (status == STATUS_OK && path) {
            const struct law_curve *x = cell->curve[METRIC_X1];
            law_points_add(points, s.tau, x->mean[cell->points - 1], 2 * x->se[cell->points - 1]);
        } else if (status == STATUS_OK) {
            double se, pull = measured_pull(&s, cell, &se), whole = one_pass(&s, INFINITY).pull;
            law_points_add(points, s.tau, pull / whole, 2 * se / fabs(whole));
        }
        low = fmin(low, s.tau / 1.5);
        high = fmax(high, s.tau * 1.5);
        scene_close(&s);
    }
    snprintf(name, sizeof name, "%.50s", input->cell[first].config.problem.data->name);
    if (status == STATUS_OK)
        status = law_points_draw(points, panel, SERIES_POINTS, path ? "measured" : name, colour, error);
    if (status == STATUS_OK)
        status = scene_open(&input->cell[first], &s, error);
    if (status != STATUS_OK)
        return status;
    for (int k = 0; k < CURVE; k++) {
        const double tau = low * pow(high / low, (double)k / (CURVE - 1));
        const struct mean_path mean = path ? path_of(&s, tau) : (struct mean_path){0};
        if (!path)
            law_points_add(points, tau, one_pass(&s, tau).pull / one_pass(&s, INFINITY).pull, 0);
        else if (mean.exact)
            law_points_add(points, tau, mean.centre, 0);
    }
    status = law_points_draw(points, panel, SERIES_THEORY, path ? "mean clip(g_i) = 0" : "", colour, error);
    if (status == STATUS_OK && path) {
        law_points_add(points, low, s.optimum[0], 0);
        law_points_add(points, high, s.optimum[0], 0);
        status = law_points_draw(points, panel, SERIES_THEORY, "x*", colour + 1, error);
    }
    scene_close(&s);
    return status;
}

/* E x_t of every threshold that clips, along the way. */
static enum status put_times(const struct law_input *input, size_t first, struct panel *panel,
                             struct law_points *points, struct error *error)
{
    enum status status = STATUS_OK;
    char name[60];
    for (size_t i = first; status == STATUS_OK && i < input->cell_count; i++) {
        const struct law_cell *cell = &input->cell[i];
        const struct law_curve *x = cell->curve[METRIC_X1];
        struct scene s;
        if (!same_data(&input->cell[first], cell))
            continue;
        status = scene_open(cell, &s, error);
        const struct mean_path path = status == STATUS_OK ? path_of(&s, s.tau) : (struct mean_path){0};
        if (path.exact) {
            for (size_t p = 1; p < cell->points; p++)
                law_points_add(points, (double)cell->step[p], x->mean[p], 2 * x->se[p]);
            snprintf(name, sizeof name, "τ = %g", s.tau);
            status = law_points_draw(points, panel, SERIES_MEASURED, name, -1, error);
            for (size_t p = 1; p < cell->points; p++)
                law_points_add(points, (double)cell->step[p], path_at(&s, &path, cell->step[p]), 0);
            if (status == STATUS_OK)
                status = law_points_draw(points, panel, SERIES_THEORY, "", -1, error);
        }
        scene_close(&s);
    }
    return status;
}

static enum status path_panels(const struct law_input *input, size_t first, struct law_figure *figure,
                               struct law_points *points, struct error *error)
{
    struct panel *panel = law_figure_panel(figure, "where the mean settles", "threshold τ", "E x_t at the last step");
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    panel->x_log = true;
    enum status status = put_data(input, first, true, panel, points, 0, error);
    if (status != STATUS_OK)
        return status;
    panel = law_figure_panel(figure, "on the way there", "step t", "E x_t");
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    panel->x_log = panel->y_log = true;
    return put_times(input, first, panel, points, error);
}

static enum status draw(const struct law_input *input, struct law_figure *figure, struct law_points *points,
                        struct error *error)
{
    snprintf(figure->title, sizeof figure->title, "What does clipping cost?");
    struct panel *panel = law_figure_panel(figure, "the first step", "threshold τ", "share of the pull left");
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    panel->x_log = true;
    panel->y_min = 0;
    enum status status = STATUS_OK;
    int colour = 0;
    for (size_t i = 0; status == STATUS_OK && i < input->cell_count; i++)
        if (first_of_data(input, i))
            status = put_data(input, i, false, panel, points, colour++, error);
    for (size_t i = 0; status == STATUS_OK && i < input->cell_count; i++) {
        struct scene s;
        if (!first_of_data(input, i))
            continue;
        status = scene_open(&input->cell[i], &s, error);
        const bool path = status == STATUS_OK && has_path(&s);
        scene_close(&s);
        if (path)
            return path_panels(input, i, figure, points, error);
    }
    return status;
}

/* ---- the law ---- */

static enum status evaluate(const struct law_input *input, struct check_list *checks, struct law_figure *figure,
                            struct error *error)
{
    enum status status = STATUS_OK;
    struct law_points points = {0};
    for (size_t i = 0; status == STATUS_OK && i < input->cell_count; i++) {
        const struct law_cell *cell = &input->cell[i];
        struct scene s;
        status = scene_open(cell, &s, error);
        const double tau = input->values->scalar[CLAIM] == CLIPPED ? s.tau : INFINITY;
        if (status == STATUS_OK)
            status = check_pull(input, cell, &s, tau, checks, error);
        if (status == STATUS_OK && has_path(&s))
            status = check_path(input, cell, &s, tau, checks, error);
        scene_close(&s);
    }
    if (status == STATUS_OK && !input->planned && input->cell_count > 0)
        status = draw(input, figure, &points, error);
    law_points_free(&points);
    return status;
}

const struct law_type law_clipping = {
    .method = {.name = "clipping",
               .summary = "E g = mean clip(g_i), exact in one pass; E x_t - x_c = (1 - eta s)^t (x_0 - x_c)",
               .revision = 1,
               .params = params,
               .param_count = sizeof params / sizeof *params},
    .number = "L17",
    .title = "Clipping bias",
    .group = "Nonconvex and distributed",
    .source = "Chen, Wu, Hong 2020; Gorbunov, Danilova, Gasnikov 2020",
    .evaluate = evaluate,
};
