/* L15. Where SGD ends on least squares with fewer samples than coordinates: every step adds rows of A, so the part of x
 * outside their span stays that of the start, and what is left converges. From x_0, whatever the batches, x_t -> x_mn +
 * P x_0: x_mn = A^+ b the interpolant of least norm, P the projection on the null space of A. From 0 that is x_mn
 * itself; `claim: minimum_norm` states it for every start. Zhang et al., ICLR 2017, section 5.
 *
 * How fast: with e_t = x_t - x_mn - P x_0, a step on one sample takes eta (2 - eta |a_i|^2)(a_i.e)^2 from |e|^2, and
 * one on a batch no less than the mean over its samples. With batches drawn anew, E |e_t|^2 <= q^t |e_0|^2 for every m,
 * q = 1 - eta (2 - eta max |a_i|^2) mu, mu the smallest eigenvalue of A'A/n that is not 0 (Strohmer and Vershynin, J.
 * Fourier Anal. Appl. 15, 2009). The law asks for as many steps as that needs. `claim: rate` holds E |e_t|^2 against
 * the exact recursion (oracle.h) in coordinates of the span. */
#include <gsl/gsl_linalg.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "laws/law_rate.h"
#include "laws/oracle.h"

enum { CLAIM, TOLERANCE };
enum { FROM_START, MINIMUM_NORM, RATE };
static const char *const claims[] = {"from_start", "minimum_norm", "rate", NULL};
static const struct param params[] = {
    [CLAIM] = {.name = "claim",
               .kind = PARAM_CHOICE,
               .choices = claims,
               .help = "from_start: x_T is x_mn + P x_0; minimum_norm: it is x_mn, whatever the start; rate: E |e_t|^2 "
                       "on the way"},
    [TOLERANCE] = {.name = "tolerance",
                   .kind = PARAM_REAL,
                   .fallback = 1e-9,
                   .min = 1e-12,
                   .max = 0.1,
                   .help = "largest error of |x_T - x_mn|^2 and |x_T|^2, as a part of |x_mn|^2"},
};

static const double CLOSE = 1e-9;  /* of the reference to x_mn, relative */
static const double MISSED = 1e-6; /* chance, at most, that a run has not arrived after the steps that are asked for */

/* What theory says of one cell. */
struct scene {
    const struct law_cell *cell;
    size_t n, d, runs;
    gsl_matrix *span, *v;   /* A' = span S v': [d][n], whose columns span the rows, and [n][n] */
    gsl_vector *singular;   /* [n] */
    double *x_mn, *e0;      /* [d]; e_0 of run 0 along the columns of span, [n] */
    double norm2;           /* |x_mn|^2 */
    double *start2, *null2; /* [runs]: |e_0|^2 and |P x_0|^2 */
    double sample_max, q, eta;
};

static void scene_close(struct scene *s)
{
    gsl_matrix_free(s->span);
    gsl_matrix_free(s->v);
    gsl_vector_free(s->singular);
    free(s->x_mn);
    free(s->start2);
    *s = (struct scene){0};
}

static double norm2(size_t d, const double *x)
{
    double sum = 0;
    for (size_t j = 0; j < d; j++)
        sum += x[j] * x[j];
    return sum;
}

/* ---- the interpolant ---- */

/* x_mn = span S^-1 v' b. */
static enum status interpolate(struct scene *s, struct error *error)
{
    const double *b = s->cell->config.problem.data->y;
    if (!(gsl_vector_get(s->singular, s->n - 1) > 1e-7 * gsl_vector_get(s->singular, 0)))
        return error_set(error, STATUS_USAGE, "this law needs samples that are linearly independent");
    for (size_t k = 0; k < s->n; k++) {
        double part = 0;
        for (size_t i = 0; i < s->n; i++)
            part += gsl_matrix_get(s->v, i, k) * b[i];
        for (size_t j = 0; j < s->d; j++)
            s->x_mn[j] += part / gsl_vector_get(s->singular, k) * gsl_matrix_get(s->span, j, k);
    }
    s->norm2 = norm2(s->d, s->x_mn);
    return STATUS_OK;
}

/* The samples become columns. */
static void load_samples(struct scene *s, double *row)
{
    const struct matrix *a = &s->cell->config.problem.data->train;
    for (size_t i = 0; i < s->n; i++) {
        memset(row, 0, s->d * sizeof *row);
        matrix_row_axpy(a, i, 1, row);
        for (size_t j = 0; j < s->d; j++)
            gsl_matrix_set(s->span, j, i, row[j]);
        s->sample_max = fmax(s->sample_max, norm2(s->d, row));
    }
}

static enum status solve(struct scene *s, struct error *error)
{
    const size_t room = 2 * s->d + s->n;
    s->span = gsl_matrix_alloc(s->d, s->n);
    s->v = gsl_matrix_alloc(s->n, s->n);
    s->singular = gsl_vector_alloc(s->n);
    s->x_mn = calloc(room, sizeof *s->x_mn);
    if (!s->span || !s->v || !s->singular || !s->x_mn)
        return error_memory(error, (s->n * (s->n + s->d) + room) * sizeof *s->x_mn, "a singular value decomposition");
    s->e0 = s->x_mn + s->d;
    load_samples(s, s->e0 + s->n);
    if (gsl_linalg_SV_decomp_jacobi(s->span, s->v, s->singular) != GSL_SUCCESS)
        return error_set(error, STATUS_NUMERICAL, "the singular value decomposition of the samples failed");
    return interpolate(s, error);
}

/* Curvature along column k of span. */
static double curvature(const struct scene *s, size_t k)
{
    return pow(gsl_vector_get(s->singular, k), 2) / (double)s->n;
}

/* ---- one cell ---- */

static const char *obstacle(const struct law_cell *cell, bool rate)
{
    const struct run_config *c = &cell->config;
    const unsigned needed = 1u << METRIC_DISTANCE2 | (rate ? 0 : 1u << METRIC_NORM2);
    if (c->kind != KIND_TRAINING || !c->problem.type->quadratic || c->problem.l1 > 0 || c->problem.l2 > 0 ||
        isfinite(c->problem.radius) || c->problem.data->train.rows >= problem_dim(&c->problem))
        return "least squares without penalties and radius, with fewer samples than coordinates";
    if (strcmp(((const struct method *)c->update)->name, "sgd") != 0 || c->local_workers > 1 || !c->averager->last ||
        c->clip != CLIP_NONE || !c->schedule.type->constant || c->schedule.warmup)
        return "plain steps at a constant rate";
    if ((c->metrics & needed) != needed || cell->points < 3)
        return rate ? "the metric distance2 at three points or more" : "the metrics distance2 and norm2";
    if (rate && (!c->sampler->independent_steps || c->sampler->deterministic || c->start.kind == START_GAUSSIAN))
        return "batches drawn anew and a start that is not random, to know the rate";
    if (!rate && c->keep != KEEP_RUNS)
        return "keep: runs";
    if (!c->reference->exists)
        return "a problem with an optimum";
    return NULL;
}

/* |P x_0|^2 and |e_0|^2 of every run; starts that are not random are all the same. */
static enum status place_starts(struct scene *s, uint64_t seed, struct error *error)
{
    double *x = malloc(s->d * sizeof *x);
    if (!x)
        return error_memory(error, s->d * sizeof *x, "a start");
    enum status status = STATUS_OK;
    for (size_t r = 0; status == STATUS_OK && r < s->runs; r++) {
        if (r > 0 && s->cell->config.start.kind != START_GAUSSIAN) {
            s->start2[r] = s->start2[0];
            s->null2[r] = s->null2[0];
            continue;
        }
        status =
            run_start(&(struct run_request){.config = &s->cell->config, .seed = seed, .replicate = r}, x, 1, error);
        for (size_t k = 0; status == STATUS_OK && k < s->n; k++) {
            double held = 0, goal = 0;
            for (size_t j = 0; j < s->d; j++) {
                held += gsl_matrix_get(s->span, j, k) * x[j];
                goal += gsl_matrix_get(s->span, j, k) * s->x_mn[j];
            }
            for (size_t j = 0; j < s->d; j++)
                x[j] -= held * gsl_matrix_get(s->span, j, k);
            s->start2[r] += (held - goal) * (held - goal);
            if (r == 0)
                s->e0[k] = held - goal;
        }
        s->null2[r] = norm2(s->d, x);
    }
    free(x);
    return status;
}

/* The bound of Markov's inequality for the worst run: |e_T| <= tolerance |x_mn|/4. */
static enum status enough_steps(const struct scene *s, double tolerance, struct error *error)
{
    double worst = 0;
    for (size_t r = 0; r < s->runs; r++)
        worst = fmax(worst, s->start2[r]);
    const double goal = pow(tolerance / 4, 2) * s->norm2 * MISSED / (double)s->runs,
                 needed = ceil(log(goal / worst) / log(s->q));
    if (worst > goal && (double)s->cell->config.steps < needed)
        return error_set(error, STATUS_USAGE,
                         "this law needs %.0f steps at rate %g: so many are enough for tolerance %g in all of %zu runs",
                         needed, s->eta, tolerance, s->runs);
    return STATUS_OK;
}

static enum status scene_open(const struct law_input *input, const struct law_cell *cell, struct scene *s,
                              struct error *error)
{
    const struct run_config *c = &cell->config;
    const struct law_curve *curve = cell->curve[METRIC_DISTANCE2];
    const bool rate = input->values->scalar[CLAIM] == RATE;
    const char *needed = obstacle(cell, rate);
    *s = (struct scene){.cell = cell};
    if (needed)
        return error_set(error, STATUS_USAGE, "the law of the minimum norm needs %s", needed);
    s->n = c->problem.data->train.rows;
    s->d = problem_dim(&c->problem);
    s->runs = input->planned ? (size_t)input->replicates : curve->groups;
    if (c->start.kind == START_GAUSSIAN && s->runs != input->replicates)
        return error_set(error, STATUS_USAGE, "with random starts this law needs all %llu runs; %zu are there",
                         (unsigned long long)input->replicates, s->runs);
    if (s->runs < 2)
        return error_set(error, STATUS_USAGE, "this law needs two replicates or more");
    schedule_rates(&c->schedule, 0, 1, c->steps, &s->eta);
    s->start2 = calloc(2 * s->runs, sizeof *s->start2);
    if (!s->start2)
        return error_memory(error, 2 * s->runs * sizeof *s->start2, "the starts of runs");
    s->null2 = s->start2 + s->runs;
    enum status status = solve(s, error);
    if (status != STATUS_OK)
        return status;
    if (s->eta * s->sample_max >= 2)
        return error_set(error, STATUS_USAGE, "this law needs a rate below 2/max |a_i|^2, which is %g",
                         2 / s->sample_max);
    double away = 0;
    for (size_t j = 0; j < s->d; j++)
        away += pow(c->reference->x[j] - s->x_mn[j], 2);
    if (away > CLOSE * CLOSE * s->norm2)
        return error_set(error, STATUS_NUMERICAL,
                         "the certified optimum is not the one of least norm: %g of |x_mn| away",
                         sqrt(away / s->norm2));
    s->q = 1 - s->eta * (2 - s->eta * s->sample_max) * curvature(s, s->n - 1);
    status = place_starts(s, input->seed, error);
    return status == STATUS_OK && !rate ? enough_steps(s, input->values->scalar[TOLERANCE], error) : status;
}

/* ---- checks ---- */

static bool starts_in_span(const struct scene *s)
{
    for (size_t r = 0; r < s->runs; r++)
        if (s->null2[r] > CLOSE * CLOSE * s->norm2)
            return false;
    return true;
}

static void label(const struct scene *s, char *text, size_t size)
{
    snprintf(text, size, "%s, %s, m = %zu", starts_in_span(s) ? "from the span of the rows" : "from elsewhere",
             ((const struct method *)s->cell->config.sampler)->name, s->cell->config.batch_size);
}

/* The worst run; one that diverged is infinitely far. */
static double worst_error(const struct scene *s, bool from_start)
{
    const struct law_curve *away = s->cell->curve[METRIC_DISTANCE2], *size = s->cell->curve[METRIC_NORM2];
    const size_t last = away->points - 1;
    double worst = 0;
    for (size_t r = 0; r < s->runs; r++) {
        const double kept = from_start ? s->null2[r] : 0;
        const double one = fabs(away->group_mean[r * away->points + last] - kept),
                     two = fabs(size->group_mean[r * size->points + last] - s->norm2 - kept);
        worst = isnan(one) || isnan(two) ? (double)INFINITY : fmax(worst, fmax(one, two) / s->norm2);
    }
    return worst;
}

static enum status check_end(const struct law_input *input, const struct scene *s, struct check_list *checks,
                             struct error *error)
{
    const bool from_start = input->values->scalar[CLAIM] == FROM_START;
    struct check check = {.kind = CHECK_EXACT,
                          .measured = input->planned ? (double)NAN : worst_error(s, from_start),
                          .margin = input->values->scalar[TOLERANCE],
                          .replicates = s->runs};
    label(s, check.instance, sizeof check.instance);
    snprintf(check.quantity, sizeof check.quantity, "largest error of |x_T - x_mn|^2 and |x_T|^2, / |x_mn|^2");
    return checks_add(checks, &check, error);
}

/* ---- the rate ---- */

/* E |e_t|^2 at the recorded points. */
static enum status recursion(const struct scene *s, double *mean, struct error *error)
{
    const size_t n = s->n;
    struct dataset data = {.y = s->cell->config.problem.data->y};
    struct problem problem = s->cell->config.problem;
    struct oracle *oracle = NULL;
    struct oracle_state *state = NULL;
    problem.data = &data;
    enum status status = matrix_alloc_dense(&data.train, n, n, error);
    for (size_t i = 0; status == STATUS_OK && i < n; i++)
        for (size_t k = 0; k < n; k++)
            data.train.value[i * data.train.stride + k] = gsl_vector_get(s->singular, k) * gsl_matrix_get(s->v, i, k);
    if (status == STATUS_OK)
        status = oracle_open(&problem, &oracle, error);
    if (status == STATUS_OK)
        status = oracle_state_open(oracle, rate_kappa(s->cell), s->e0, false, &state, error);
    for (size_t p = 0; status == STATUS_OK && p < s->cell->points; p++) {
        while (state->step < s->cell->step[p])
            oracle_step(state, s->eta);
        mean[p] = oracle_distance2(state);
    }
    oracle_state_close(state);
    oracle_close(oracle);
    matrix_free(&data.train);
    return status;
}

/* Half way and at the end; the curve is a pilot's before the run. */
static enum status check_rate(const struct law_input *input, const struct scene *s, const double *mean,
                              const struct law_curve *curve, struct check_list *checks, struct error *error)
{
    const size_t last = s->cell->points - 1, place[] = {last / 2, last};
    enum status status = STATUS_OK;
    for (size_t k = 0; status == STATUS_OK && k < 2; k++) {
        const size_t p = place[k];
        const double measured = curve->mean[p] - s->null2[0];
        struct check check = {.kind = CHECK_RATIO,
                              .predicted = mean[p],
                              .measured = input->planned ? (double)NAN : measured,
                              .se = curve->se[p] / measured,
                              .margin = input->margin_value,
                              .replicates = curve->chains,
                              .exact_theory = p == last};
        label(s, check.instance, sizeof check.instance);
        snprintf(check.quantity, sizeof check.quantity, "E |e_t|^2, t = %llu", (unsigned long long)s->cell->step[p]);
        status = checks_add(checks, &check, error);
    }
    return status;
}

/* ---- figures ---- */

/* By sampler, and apart what starts outside the span: its distance does not vanish. */
static bool same_panel(const struct scene *a, const struct scene *b)
{
    return a->cell->config.sampler == b->cell->config.sampler && starts_in_span(a) == starts_in_span(b);
}

static struct panel *open_panel(const struct scene *s, struct law_figure *figure, const char *y_label,
                                struct error *error)
{
    char title[96];
    snprintf(title, sizeof title, "%s, %s", ((const struct method *)s->cell->config.sampler)->name,
             starts_in_span(s) ? "from the span of the rows" : "from elsewhere");
    struct panel *panel = law_figure_panel(figure, title, "step t", y_label);
    if (!panel)
        error_memory(error, sizeof *panel, "a panel");
    return panel;
}

static void name_batch(const struct scene *s, char *text, size_t size)
{
    snprintf(text, size, "m = %zu", s->cell->config.batch_size);
}

/* Root mean square of |x_t - x_mn| over runs, relative to |P x_0| or to |x_mn|, with the nearest and the farthest. */
static enum status draw_distance(const struct scene *s, bool to_null, struct panel *panel, double *block,
                                 struct error *error)
{
    const struct law_curve *curve = s->cell->curve[METRIC_DISTANCE2];
    double *x = block, *y = x + curve->points, *low = y + curve->points, *high = low + curve->points;
    char name[40];
    for (size_t p = 0; p < curve->points; p++) {
        double nearest = INFINITY, farthest = 0, sum = 0;
        for (size_t r = 0; r < s->runs; r++) {
            const double square = curve->group_mean[r * curve->points + p] / (to_null ? s->null2[r] : s->norm2);
            nearest = fmin(nearest, square);
            farthest = fmax(farthest, square);
            sum += square;
        }
        x[p] = (double)s->cell->step[p];
        y[p] = sqrt(sum / (double)s->runs);
        low[p] = sqrt(nearest);
        high[p] = sqrt(farthest);
    }
    name_batch(s, name, sizeof name);
    return panel_series(panel, SERIES_MEASURED, name, curve->points, x, y, low, high, error);
}

/* Full gradients, and the bound of batches drawn anew, as far as rounding lets the runs follow. */
static enum status draw_decay(const struct scene *s, struct panel *panel, double *block, struct error *error)
{
    const size_t points = s->cell->points;
    double *x = block, *y = x + points, *bound = y + points;
    size_t count = 0, bounded = 0;
    for (size_t p = 0; p < points; p++) {
        const double t = (double)s->cell->step[p];
        double square = 0;
        for (size_t k = 0; k < s->n; k++)
            square += pow(s->e0[k], 2) * pow(1 - s->eta * curvature(s, k), 2 * t);
        x[p] = t;
        y[p] = sqrt(square / s->norm2);
        bound[p] = sqrt(s->start2[0] * pow(s->q, t) / s->norm2);
        count += y[p] > 1e-16;
        bounded += bound[p] > 1e-16;
    }
    enum status status = panel_series(panel, SERIES_THEORY, "full gradients, exact", count, x, y, NULL, NULL, error);
    if (status == STATUS_OK && s->cell->config.sampler->independent_steps)
        status = panel_series(panel, SERIES_THEORY, "bound √q^t, every m", bounded, x, bound, NULL, NULL, error);
    return status;
}

static enum status draw_end(const struct law_input *input, const struct scene *scene, size_t first, double *block,
                            struct law_figure *figure, struct error *error)
{
    const struct scene *s = &scene[first];
    const bool to_null = input->values->scalar[CLAIM] == FROM_START && !starts_in_span(s);
    struct panel *panel = open_panel(s, figure, to_null ? "|x_t − x_mn| / |P x₀|" : "|x_t − x_mn| / |x_mn|", error);
    if (!panel)
        return STATUS_MEMORY;
    panel->y_log = !to_null;
    if (to_null)
        panel->x_max = fmin(ceil(log(1e-3) / log(s->q)), (double)s->cell->config.steps);
    enum status status = STATUS_OK;
    for (size_t i = first; status == STATUS_OK && i < input->cell_count; i++)
        if (same_panel(s, &scene[i]))
            status = draw_distance(&scene[i], to_null, panel, block, error);
    return status == STATUS_OK && starts_in_span(s) ? draw_decay(s, panel, block, error) : status;
}

static enum status draw_rate(const struct law_input *input, const struct scene *scene, double *const *mean,
                             size_t first, double *block, struct law_figure *figure, struct error *error)
{
    struct panel *panel = open_panel(&scene[first], figure, "E |e_t|² / |e₀|²", error);
    if (!panel)
        return STATUS_MEMORY;
    panel->y_log = true;
    enum status status = STATUS_OK;
    for (size_t i = first; status == STATUS_OK && i < input->cell_count; i++) {
        const struct scene *s = &scene[i];
        const struct law_curve *curve = s->cell->curve[METRIC_DISTANCE2];
        double *x = block, *y = x + curve->points, *low = y + curve->points, *high = low + curve->points;
        char name[40];
        if (!same_panel(&scene[first], s))
            continue;
        for (size_t p = 0; p < curve->points; p++) {
            x[p] = (double)curve->step[p];
            y[p] = (curve->mean[p] - s->null2[0]) / s->start2[0];
            low[p] = y[p] - 2 * curve->se[p] / s->start2[0];
            high[p] = y[p] + 2 * curve->se[p] / s->start2[0];
        }
        name_batch(s, name, sizeof name);
        status = panel_series(panel, SERIES_POINTS, name, curve->points, x, y, low, high, error);
        for (size_t p = 0; p < curve->points; p++)
            y[p] = mean[i][p] / s->start2[0];
        if (status == STATUS_OK)
            status = panel_series(panel, SERIES_THEORY, "", curve->points, x, y, NULL, NULL, error);
    }
    return status;
}

static enum status draw(const struct law_input *input, const struct scene *scene, double *const *mean,
                        struct law_figure *figure, struct error *error)
{
    const bool rate = input->values->scalar[CLAIM] == RATE;
    size_t longest = 1;
    for (size_t i = 0; i < input->cell_count; i++)
        longest = scene[i].cell->points > longest ? scene[i].cell->points : longest;
    double *block = malloc(4 * longest * sizeof *block);
    if (!block)
        return error_memory(error, 4 * longest * sizeof *block, "a figure");
    enum status status = STATUS_OK;
    snprintf(figure->title, sizeof figure->title, "%s",
             rate ? "How fast does SGD interpolate?"
                  : "Does SGD find the interpolant of least norm, whatever the batch?");
    for (size_t i = 0; status == STATUS_OK && i < input->cell_count; i++) {
        bool first = true;
        for (size_t j = 0; j < i; j++)
            first = first && !same_panel(&scene[j], &scene[i]);
        if (first)
            status = rate ? draw_rate(input, scene, mean, i, block, figure, error)
                          : draw_end(input, scene, i, block, figure, error);
    }
    free(block);
    return status;
}

/* ---- the law ---- */

static enum status judge_rate(const struct law_input *input, const struct scene *s, double **mean,
                              struct check_list *checks, struct error *error)
{
    struct rate_curves curves;
    *mean = malloc(s->cell->points * sizeof **mean);
    if (!*mean)
        return error_memory(error, s->cell->points * sizeof **mean, "a curve");
    enum status status = recursion(s, *mean, error);
    if (status != STATUS_OK)
        return status;
    status = rate_curves_open(input, s->cell, &curves, error);
    if (status == STATUS_OK)
        status = check_rate(input, s, *mean, curves.metric[METRIC_DISTANCE2], checks, error);
    rate_curves_close(&curves);
    return status;
}

static enum status evaluate(const struct law_input *input, struct check_list *checks, struct law_figure *figure,
                            struct error *error)
{
    const size_t count = input->cell_count;
    struct scene *scene = calloc(count + 1, sizeof *scene);
    double **mean = calloc(count + 1, sizeof *mean); /* of the recursion, for each cell */
    enum status status =
        scene && mean ? STATUS_OK : error_memory(error, (count + 1) * (sizeof *scene + sizeof *mean), "a law");
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        status = scene_open(input, &input->cell[i], &scene[i], error);
        if (status == STATUS_OK)
            status = input->values->scalar[CLAIM] == RATE ? judge_rate(input, &scene[i], &mean[i], checks, error)
                                                          : check_end(input, &scene[i], checks, error);
    }
    if (status == STATUS_OK && !input->planned)
        status = draw(input, scene, mean, figure, error);
    for (size_t i = 0; scene && mean && i < count; i++) {
        scene_close(&scene[i]);
        free(mean[i]);
    }
    free(scene);
    free(mean);
    return status;
}

const struct law_type law_minimum_norm = {
    .method = {.name = "minimum_norm",
               .summary =
                   "least squares, n < d: x_t -> A^+ b + P x_0 for every m, E |e_t|^2 <= q^t |e_0|^2, q = 1 - eta "
                   "(2 - eta max |a_i|^2) mu",
               .revision = 1,
               .params = params,
               .param_count = sizeof params / sizeof *params},
    .number = "L15",
    .title = "Least norm from 0",
    .group = "Nonconvex and distributed",
    .source = "Zhang et al., ICLR 2017, section 5; Strohmer, Vershynin, J. Fourier Anal. Appl. 15 (2009)",
    .evaluate = evaluate,
};
