/* L5. O(1/T) on strongly convex problems: with eta_t = c/(t + t0) and 2 c mu > 1, (t + t0) E gap_t tends to (kappa/2)
 * sum lambda_i c^2 C_ii/(2 c lambda_i - 1), H = sum lambda_i u_i u_i' the Hessian and C the noise of the gradient at x*
 * (Chung, Ann. Math. Stat. 25, 1954; Bottou, Curtis, Nocedal, SIAM Review 60, 2018, theorem 4.7). Below that c the gap
 * falls as t^(-2 c mu) only.
 *
 * What is predicted is read off the problem. Least squares: the whole curve by the moment recursion; without noise, by
 * Gamma functions. Other smooth losses: the constant of the limit, and its exponent. Losses with kinks: the exponent.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "laws/exact_chain.h"
#include "laws/law_exact.h"
#include "laws/law_rate.h"

enum { CLAIM, FROM, POINTS };
enum { THEORY, INVERSE_TIME };
static const char *const claims[] = {"theory", "inverse_time", NULL};
static const struct param params[] = {
    [CLAIM] = {.name = "claim",
               .kind = PARAM_CHOICE,
               .choices = claims,
               .help =
                   "theory: curve, constant and exponent as they follow for this c; inverse_time: the exponent is -1, "
                   "whatever c is"},
    [FROM] = {.name = "from",
              .unit = "steps",
              .kind = PARAM_COUNT,
              .fallback = 0,
              .min = 0,
              .max = INFINITY,
              .max_open = true,
              .help = "where the window of the fits begins; 0: at T/100"},
    [POINTS] = {.name = "points",
                .kind = PARAM_COUNT,
                .fallback = 4,
                .min = 1,
                .max = 50,
                .help = "places of the window where the value is checked, the last step among them"},
};

/* One cell: its curve, and what theory says of it. */
struct row {
    const struct law_cell *cell;
    double c, t0, mu, kappa;
    bool noise_free;
    struct rate_track track;
};

/* ---- predictions ---- */

/* Noise at x* along the eigenvectors of the curvature. */
static void noise_along(const struct oracle *oracle, double *noise)
{
    const size_t d = oracle->d;
    for (size_t i = 0; i < d; i++) {
        const double *u = oracle->eigenvector + i * d;
        noise[i] = 0;
        for (size_t j = 0; j < d; j++)
            for (size_t k = 0; k < d; k++)
                noise[i] += u[j] * oracle->c[j * d + k] * u[k];
    }
}

/* Without noise every coordinate along an eigenvector goes its own way. */
static enum status noise_free_gap(const struct exact_run *run, const struct row *row, double *gap, struct error *error)
{
    const struct oracle *oracle = run->oracle;
    const size_t d = oracle->d;
    if (row->c * oracle->smoothness >= row->t0)
        return error_set(error, STATUS_USAGE, "without noise this law needs c L < t0; c L is %g",
                         row->c * oracle->smoothness);
    for (size_t p = 0; p < row->cell->points; p++) {
        gap[p] = 0;
        for (size_t i = 0; i < d; i++) {
            double e = 0;
            for (size_t j = 0; j < d; j++)
                e += oracle->eigenvector[i * d + j] * run->e0[j];
            e *= inverse_time_decay(row->c * oracle->eigenvalue[i], row->t0, (double)row->cell->step[p]);
            gap[p] += 0.5 * oracle->eigenvalue[i] * e * e;
        }
    }
    return STATUS_OK;
}

static enum status least_squares(struct row *row, double *gap, struct error *error)
{
    struct exact_run run = {0};
    double noise[ORACLE_DIM_MAX];
    enum status status = exact_run_make(&row->cell->config, &run, error);
    if (status == STATUS_OK) {
        row->mu = run.oracle->convexity;
        row->noise_free = row->kappa == 0 || run.oracle->n == 1;
        status = row->noise_free ? noise_free_gap(&run, row, gap, error)
                                 : exact_gap(&run, row->cell->points, row->cell->step, gap, NULL, error);
    }
    if (status == STATUS_OK && !row->noise_free) {
        noise_along(run.oracle, noise);
        row->track.limit = inverse_time_constant(run.oracle->d, run.oracle->eigenvalue, noise, row->c, row->kappa);
    }
    exact_run_free(&run);
    return status;
}

static enum status smooth(struct row *row, struct error *error)
{
    const struct problem *problem = &row->cell->config.problem;
    const size_t d = problem_dim(problem);
    double *block = malloc(2 * d * sizeof *block);
    if (!block)
        return error_memory(error, 2 * d * sizeof *block, "a limit");
    enum status status = curvature_and_noise(problem, row->cell->config.reference->x, block, block + d, error);
    if (status == STATUS_OK) {
        row->mu = block[0];
        row->track.limit = inverse_time_constant(d, block, block + d, row->c, row->kappa);
    }
    free(block);
    return status;
}

/* gap[points]: NaN where theory names no curve. */
static enum status predict(struct row *row, double *gap, struct error *error)
{
    const struct problem *problem = &row->cell->config.problem;
    const bool free_space = problem->l1 <= 0 && !isfinite(problem->radius);
    enum status status = STATUS_OK;
    for (size_t p = 0; p < row->cell->points; p++)
        gap[p] = NAN;
    row->track.power = -1;
    row->mu = row->cell->config.reference->convexity;
    if (problem->type->quadratic && free_space)
        status = least_squares(row, gap, error);
    else if (problem->type->scalar->curvature && free_space)
        status = smooth(row, error);
    if (status == STATUS_OK && !(row->mu > 0))
        status = error_set(error, STATUS_USAGE, "this law needs a strongly convex problem (l2 > 0 makes one)");
    if (row->noise_free || 2 * row->c * row->mu < 1)
        row->track.power = -2 * row->c * row->mu;
    return status;
}

/* ---- rows ---- */

static enum status open_row(const struct law_input *input, const struct law_cell *cell, struct row *row,
                            struct error *error)
{
    const struct schedule *schedule = &cell->config.schedule;
    if (!schedule->type || strcmp(schedule->type->method.name, "inverse_time") != 0 || schedule->warmup > 0 ||
        schedule->values.scalar[2] > 0 || !cell->config.averager->last)
        return error_set(error, STATUS_USAGE,
                         "this law needs schedule: {type: inverse_time, c: ..., t0: ...}, without warmup and `every`, "
                         "and averaging: last");
    row->cell = cell;
    row->t0 = schedule->values.scalar[1];
    row->c = schedule->values.scalar[0] * row->t0;
    row->kappa = rate_kappa(cell);
    enum status status = rate_track_alloc(&row->track, cell->points, error);
    double *gap = malloc(cell->points * sizeof *gap);
    if (status == STATUS_OK && !gap)
        status = error_memory(error, cell->points * sizeof *gap, "a curve");
    if (status == STATUS_OK)
        status = rate_curves_open(input, cell, &row->track.curves, error);
    if (status == STATUS_OK && !row->track.curves.metric[METRIC_GAP])
        status = error_set(error, STATUS_USAGE, "this law needs record.metrics with gap");
    if (status == STATUS_OK)
        status = predict(row, gap, error);
    if (status == STATUS_OK) {
        const double asked = input->values->scalar[FROM], last = (double)cell->config.steps;
        row->track.along = row->track.curves.metric[METRIC_GAP];
        while (row->track.first + 1 < cell->points &&
               (double)cell->step[row->track.first] < (asked > 0 ? asked : last / 100))
            row->track.first++;
        for (size_t p = row->track.first; p < cell->points; p++)
            rate_track_point(&row->track, (double)cell->step[p] + row->t0, gap[p], row->track.along, p);
        if (input->values->scalar[CLAIM] == INVERSE_TIME)
            row->track.power = -1;
        row->track.x_name = "t + t0";
        snprintf(row->track.label, sizeof row->track.label, "c μ = %.3g", row->c * row->mu);
        snprintf(row->track.quantity, sizeof row->track.quantity, "E gap_t");
        snprintf(row->track.instance, sizeof row->track.instance, "%.40s on %.40s, c μ = %.3g",
                 cell->config.problem.type->method.name, cell->config.problem.data->name, row->c * row->mu);
    }
    free(gap);
    return status;
}

/* ---- checks ---- */

/* Each step rounds a few times, so that t of them may be off by some t epsilon. */
static enum status check_noise_free(const struct law_input *input, struct row *row, struct check_list *checks,
                                    struct error *error)
{
    struct rate_track *t = &row->track;
    struct check check = {.kind = CHECK_EXACT, .replicates = t->chains};
    snprintf(check.instance, sizeof check.instance, "%s, no noise", t->instance);
    enum status status = STATUS_OK;
    if (input->values->scalar[CLAIM] == THEORY) {
        for (size_t k = 0; k < t->count; k++)
            check.measured = fmax(check.measured, fabs(t->measured[k] / t->predicted[k] - 1));
        check.margin = 4 * 2.220446049250313e-16 * t->x[t->count - 1];
        if (input->planned)
            check.measured = NAN;
        snprintf(check.quantity, sizeof check.quantity, "largest |gap/(Gamma formula) - 1|");
        status = checks_add(checks, &check, error);
    }
    double *weight = malloc(t->count * sizeof *weight);
    if (!weight)
        return error_memory(error, t->count * sizeof *weight, "a slope");
    for (size_t k = 0; k < t->count; k++)
        weight[k] = 1;
    if (status == STATUS_OK && t->count >= 3) {
        status = stats_log_slope_of(t->count, t->x, t->measured, weight, &t->slope, error);
        t->slope_predicted = check.predicted = t->power;
        t->fitted = true;
        check.measured = input->planned ? (double)NAN : t->slope;
        check.margin = input->margin_slope;
        snprintf(check.quantity, sizeof check.quantity, "slope of ln gap on %g..%g", t->x[0], t->x[t->count - 1]);
        if (status == STATUS_OK)
            status = checks_add(checks, &check, error);
    }
    free(weight);
    return status;
}

static enum status add_checks(const struct law_input *input, struct row *row, struct check_list *checks,
                              struct error *error)
{
    const bool theory = input->values->scalar[CLAIM] == THEORY, curve = !isnan(row->track.predicted[0]);
    if (row->noise_free)
        return check_noise_free(input, row, checks, error);
    enum status status = STATUS_OK;
    if (theory && curve)
        status = rate_check_values(input, &row->track, (size_t)input->values->scalar[POINTS], checks, error);
    if (status == STATUS_OK && theory)
        status = rate_check_limit(input, &row->track, checks, error);
    return status == STATUS_OK ? rate_check_slope(input, &row->track, !theory || !curve, checks, error) : status;
}

/* ---- the law ---- */

static enum status draw(const struct law_input *input, struct law_figure *figure, const struct row *row, size_t count,
                        struct error *error)
{
    struct rate_track *track = malloc(count * sizeof *track);
    if (!track)
        return error_memory(error, count * sizeof *track, "a figure");
    bool plain = true;
    for (size_t i = 0; i < count; i++) {
        track[i] = row[i].track;
        plain = plain && track[i].power == -1;
    }
    snprintf(figure->title, sizeof figure->title,
             "Does the gap of a strongly convex problem fall as 1/t when η = c/(t + t₀)?");
    char scaled[64];
    if (plain)
        snprintf(scaled, sizeof scaled, "gap × (t + t₀)");
    else if (count == 1)
        snprintf(scaled, sizeof scaled, "gap × (t + t₀)^%.3g", -track[0].power);
    else
        snprintf(scaled, sizeof scaled, "gap × (t + t₀)^p, p = min(1, 2cμ)");
    enum status status = rate_figure(figure, track, count, "t + t₀", scaled, "f(x_t) − f*", error);
    (void)input;
    free(track);
    return status;
}

static enum status evaluate(const struct law_input *input, struct check_list *checks, struct law_figure *figure,
                            struct error *error)
{
    const size_t count = input->cell_count;
    struct row *row = calloc(count + 1, sizeof *row);
    enum status status = row ? STATUS_OK : error_memory(error, (count + 1) * sizeof *row, "a law");
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        status = open_row(input, &input->cell[i], &row[i], error);
        if (status == STATUS_OK)
            status = add_checks(input, &row[i], checks, error);
    }
    if (status == STATUS_OK && !input->planned)
        status = draw(input, figure, row, count, error);
    for (size_t i = 0; row && i < count; i++)
        rate_track_free(&row[i].track);
    free(row);
    return status;
}

const struct law_type law_strong_rate = {
    .method = {.name = "strong_rate",
               .summary =
                   "eta_t = c/(t+t0): (t+t0) E gap -> (kappa/2) sum lambda_i c^2 C_ii/(2 c lambda_i - 1) for 2 c mu > "
                   "1, exponent 2 c mu below",
               .revision = 1,
               .params = params,
               .param_count = sizeof params / sizeof *params},
    .number = "L5",
    .title = "O(1/T), strongly convex",
    .group = "Core",
    .source = "Chung, Ann. Math. Stat. 25 (1954); Bottou, Curtis, Nocedal, SIAM Review 60 (2018), theorem 4.7",
    .evaluate = evaluate,
};
