/* L17. What an L2 penalty costs: with (l2/2)|x|^2 least squares has its minimum at x_2, and x_2 - x* = -l2 (H + l2
 * D)^-1 D x* (Hoerl and Kennard 1970; D the identity on what is penalised). The mean of the iterates goes there, E x_t
 * - x_2 = prod (I - eta_s (H + l2 D)) (x_0 - x_2), and the whole curve is that of the exact recursion (oracle.h). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "laws/law_average.h"
#include "laws/law_exact.h"

enum { POINTS = 3 };              /* of each curve */
static const double CLOSE = 1e-8; /* of a certified optimum, relative to the shift */

struct scene {
    const struct exact_cell *cell;
    const struct oracle *oracle; /* with the penalty */
    size_t d;
    double *plain, *shift; /* [d]: x* without it; x_2 - x* by the formula */
    double scatter;        /* stationary sd of the first coordinate at the last rate */
};

static double dot(size_t d, const double *x, const double *y)
{
    double sum = 0;
    for (size_t j = 0; j < d; j++)
        sum += x[j] * y[j];
    return sum;
}

/* shift[d] := -l2 (H + l2 D)^-1 D x*, H and its penalised eigenvectors from the oracle. */
static void formula(const struct oracle *o, const double *plain, double *shift)
{
    memset(shift, 0, o->d * sizeof *shift);
    for (size_t i = 0; i < o->d; i++) {
        const double *u = o->eigenvector + i * o->d;
        const double share = -o->l2 * dot(o->penalized, u, plain) / o->eigenvalue[i];
        for (size_t j = 0; j < o->d; j++)
            shift[j] += share * u[j];
    }
}

static enum status scene_open(const struct exact_cell *cell, struct scene *s, struct error *error)
{
    const struct run_config *config = &cell->cell->config;
    struct problem problem = config->problem;
    struct oracle *without = NULL;
    const size_t d = cell->run.oracle->d;
    *s = (struct scene){.cell = cell, .oracle = cell->run.oracle, .d = d};
    if (!config->reference->exists || cell->run.beta > 0 || cell->run.workers > 1)
        return error_set(error, STATUS_USAGE, "the law of the penalty needs plain steps");
    if (!(config->metrics & 1u << METRIC_X1))
        return error_set(error, STATUS_USAGE, "the law of the penalty needs the metrics gap and x1");
    s->plain = calloc(2 * d + d * d, sizeof *s->plain);
    if (!s->plain)
        return error_memory(error, (2 * d + d * d) * sizeof *s->plain, "the optimum without a penalty");
    s->shift = s->plain + d;
    problem.l2 = 0;
    enum status status = oracle_open(&problem, &without, error);
    if (status == STATUS_OK) {
        double *m = s->shift + d;
        memcpy(s->plain, without->optimum, d * sizeof *s->plain);
        formula(s->oracle, s->plain, s->shift);
        status = oracle_fixed_point(s->oracle, cell->run.kappa, cell->run.eta[cell->run.steps - 1], m, error);
        s->scatter = sqrt(m[0]);
    }
    oracle_close(without);
    return status;
}

static void scene_close(struct scene *s)
{
    free(s->plain);
}

/* E x_t, first coordinate, at the recorded points: mean[points]. */
static void mean_path(const struct scene *s, double *mean)
{
    const struct oracle *o = s->oracle;
    const struct exact_run *run = &s->cell->run;
    const struct law_cell *cell = s->cell->cell;
    for (size_t p = 0; p < cell->points; p++)
        mean[p] = s->plain[0] + s->shift[0];
    for (size_t i = 0; i < s->d; i++) {
        const double *u = o->eigenvector + i * s->d;
        double part = u[0] * dot(s->d, u, run->e0);
        for (uint64_t t = 0, p = 0; p < cell->points; p++) {
            for (; t < cell->step[p]; t++)
                part *= 1 - run->eta[t] * o->eigenvalue[i];
            mean[p] += part;
        }
    }
}

/* ---- checks ---- */

static void label(const struct scene *s, struct check *check)
{
    const struct run_config *config = &s->cell->cell->config;
    snprintf(check->instance, sizeof check->instance, "%.60s, l2 = %g", config->problem.data->name, config->problem.l2);
}

static enum status check_optimum(const struct scene *s, struct check_list *checks, struct error *error)
{
    const double *found = s->cell->cell->config.reference->x;
    double off = 0;
    for (size_t j = 0; j < s->d; j++)
        off += pow(found[j] - s->plain[j] - s->shift[j], 2);
    struct check check = {
        .kind = CHECK_EXACT, .predicted = 0, .measured = sqrt(off / dot(s->d, s->shift, s->shift)), .margin = CLOSE};
    label(s, &check);
    snprintf(check.quantity, sizeof check.quantity, "|x_2 - (x* - l2 (H + l2 D)^-1 D x*)|/|x_2 - x*|, x_2 certified");
    return checks_add(checks, &check, error);
}

static enum status check_curve(const struct law_input *input, const struct scene *s, struct check_list *checks,
                               struct error *error)
{
    enum status status = STATUS_OK;
    for (size_t k = 1, done = 0; status == STATUS_OK && k <= POINTS; k++) {
        const size_t p = exact_point_near(s->cell->cell, pow((double)s->cell->run.steps, (double)k / POINTS));
        struct check check = exact_cell_check(input, s->cell, p);
        check.exact_theory = k == POINTS;
        label(s, &check);
        snprintf(check.quantity, sizeof check.quantity, "E gap at t = %llu",
                 (unsigned long long)s->cell->cell->step[p]);
        if (p > done)
            status = checks_add(checks, &check, error);
        done = p;
    }
    return status;
}

/* Where the shift of the first coordinate is at least one chain's scatter: else it would take too many of them. */
static enum status check_mean(const struct law_input *input, const struct scene *s, struct check_list *checks,
                              struct error *error)
{
    const struct law_cell *cell = s->cell->cell;
    const size_t last = cell->points - 1;
    double *mean = calloc(cell->points, sizeof *mean);
    if (!mean)
        return error_memory(error, cell->points * sizeof *mean, "a mean path");
    mean_path(s, mean);
    const double shift = mean[last] - s->plain[0];
    free(mean);
    if (fabs(shift) < s->scatter)
        return STATUS_OK;
    struct check check = {.kind = CHECK_RATIO,
                          .predicted = fabs(shift),
                          .measured = NAN,
                          .se = s->scatter / fabs(shift) / sqrt((double)input->replicates),
                          .margin = input->margin_value,
                          .replicates = input->replicates,
                          .exact_theory = true};
    label(s, &check);
    snprintf(check.quantity, sizeof check.quantity, "|E x_t - x*|, first coordinate, t = %llu",
             (unsigned long long)cell->step[last]);
    if (!input->planned) {
        const struct law_curve *x = cell->curve[METRIC_X1];
        check.measured = (x->mean[last] - s->plain[0]) * copysign(1, shift);
        check.se = x->se[last] / fabs(check.measured);
        check.replicates = cell->chains;
    }
    return checks_add(checks, &check, error);
}

/* ---- figure ---- */

enum { CURVE = 60 };

static bool same_data(const struct exact_cell *a, const struct exact_cell *b)
{
    return strcmp(a->cell->columns.data, b->cell->columns.data) == 0;
}

/* |x_2 - x*|/|x*| against l2, formula and certified optima. */
static enum status shift_series(const struct law_input *input, const struct exact_cell *cells, size_t first,
                                struct panel *panel, struct law_points *points, int colour, struct error *error)
{
    enum status status = STATUS_OK;
    double low = INFINITY, high = 0;
    char name[60];
    struct scene s = {0};
    for (size_t i = first; status == STATUS_OK && i < input->cell_count; i++) {
        if (!same_data(&cells[first], &cells[i]))
            continue;
        scene_close(&s);
        status = scene_open(&cells[i], &s, error);
        const double *found = cells[i].cell->config.reference->x, l2 = cells[i].cell->columns.l2;
        double off = 0;
        for (size_t j = 0; status == STATUS_OK && j < s.d; j++)
            off += pow(found[j] - s.plain[j], 2);
        if (status == STATUS_OK)
            law_points_add(points, l2, sqrt(off / dot(s.d, s.plain, s.plain)), 0);
        low = fmin(low, l2 / 3);
        high = fmax(high, l2 * 3);
    }
    snprintf(name, sizeof name, "%.50s", cells[first].cell->config.problem.data->name);
    if (status == STATUS_OK)
        status = law_points_draw(points, panel, SERIES_POINTS, name, colour, error);
    for (int k = 0; status == STATUS_OK && k < CURVE; k++) {
        struct problem problem = cells[first].cell->config.problem;
        struct oracle *o;
        problem.l2 = low * pow(high / low, (double)k / (CURVE - 1));
        status = oracle_open(&problem, &o, error);
        if (status != STATUS_OK)
            break;
        formula(o, s.plain, s.shift);
        law_points_add(points, problem.l2, sqrt(dot(s.d, s.shift, s.shift) / dot(s.d, s.plain, s.plain)), 0);
        oracle_close(o);
    }
    scene_close(&s);
    return status == STATUS_OK ? law_points_draw(points, panel, SERIES_THEORY, "", colour, error) : status;
}

/* Gaps, or means of the first coordinate, against t on the data of cell `first`. */
static enum status curve_panel(const struct law_input *input, const struct exact_cell *cells, bool mean,
                               struct law_figure *figure, struct law_points *points, struct error *error)
{
    char text[80];
    snprintf(text, sizeof text, "%.70s", cells[0].cell->config.problem.data->name);
    struct panel *panel = law_figure_panel(figure, text, "step t", mean ? "E x_t, first coordinate" : "f(x_t) − f*");
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    panel->x_log = true;
    panel->y_log = !mean;
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < input->cell_count; i++) {
        const struct law_cell *cell = cells[i].cell;
        const struct law_curve *curve = cell->curve[mean ? METRIC_X1 : METRIC_GAP];
        struct scene s;
        if (!same_data(&cells[0], &cells[i]))
            continue;
        status = scene_open(&cells[i], &s, error);
        double *theory = calloc(cell->points, sizeof *theory);
        if (status == STATUS_OK && !theory)
            status = error_memory(error, cell->points * sizeof *theory, "a mean path");
        if (status == STATUS_OK && mean)
            mean_path(&s, theory);
        for (size_t p = 1; status == STATUS_OK && p < cell->points; p++)
            law_points_add(points, (double)cell->step[p], curve->mean[p], 2 * curve->se[p]);
        snprintf(text, sizeof text, "l2 = %g", cell->columns.l2);
        if (status == STATUS_OK)
            status = law_points_draw(points, panel, SERIES_MEASURED, text, (int)i, error);
        for (size_t p = 1; status == STATUS_OK && p < cell->points; p++)
            law_points_add(points, (double)cell->step[p], mean ? theory[p] : cells[i].gap[p], 0);
        if (status == STATUS_OK)
            status = law_points_draw(points, panel, SERIES_THEORY, "", (int)i, error);
        free(theory);
        scene_close(&s);
    }
    return status;
}

static enum status draw(const struct law_input *input, struct law_figure *figure, const struct exact_cell *cells,
                        struct law_points *points, struct error *error)
{
    snprintf(figure->title, sizeof figure->title, "How far does an L2 penalty move the minimum, and the iterates?");
    struct panel *panel = law_figure_panel(figure, "the minimum", "l2", "|x₂ − x*|/|x*|");
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    panel->x_log = panel->y_log = true;
    enum status status = STATUS_OK;
    int colour = 0;
    for (size_t i = 0; status == STATUS_OK && i < input->cell_count; i++) {
        bool first = true;
        for (size_t j = 0; j < i && first; j++)
            first = !same_data(&cells[j], &cells[i]);
        if (first)
            status = shift_series(input, cells, i, panel, points, colour++, error);
    }
    for (int mean = 1; status == STATUS_OK && mean >= 0; mean--)
        status = curve_panel(input, cells, mean, figure, points, error);
    return status;
}

/* ---- the law ---- */

static enum status evaluate(const struct law_input *input, struct check_list *checks, struct law_figure *figure,
                            struct error *error)
{
    struct exact_cell *cells;
    struct law_points points = {0};
    enum status status = exact_cells_open(input, &cells, error);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; status == STATUS_OK && i < input->cell_count; i++) {
        struct scene s;
        status = scene_open(&cells[i], &s, error);
        if (status == STATUS_OK && s.oracle->l2 > 0)
            status = check_optimum(&s, checks, error);
        if (status == STATUS_OK)
            status = check_curve(input, &s, checks, error);
        if (status == STATUS_OK && s.oracle->l2 > 0)
            status = check_mean(input, &s, checks, error);
        scene_close(&s);
    }
    if (status == STATUS_OK && !input->planned && input->cell_count > 0)
        status = draw(input, figure, cells, &points, error);
    law_points_free(&points);
    exact_cells_close(cells, input->cell_count);
    return status;
}

const struct law_type law_penalty = {
    .method = {.name = "penalty",
               .summary = "x_2 - x* = -l2 (H + l2 D)^-1 D x*; E x_t goes to x_2, its gap by the exact recursion",
               .revision = 1},
    .number = "L17",
    .title = "Shift by an L2 penalty",
    .group = "Nonconvex and distributed",
    .source = "Hoerl and Kennard 1970",
    .evaluate = evaluate,
};
