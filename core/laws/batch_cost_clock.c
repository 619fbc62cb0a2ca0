/* Seconds of a step and to a target, from timed runs: medians, the lines through them, the bootstrap. */
#include <float.h>
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_fit.h>
#include <gsl/gsl_linalg.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "laws/batch_cost.h"
#include "stats.h"

enum { RESAMPLES = 400, STRETCH_STEPS = 64, STRETCH_SAMPLES = 4096 };

/* ---- lists ---- */

static int compare_timed(const void *left, const void *right)
{
    const struct timed *a = left, *b = right;
    return (a->value > b->value) - (a->value < b->value);
}

double timed_median(const struct timed_list *list, const double *weight)
{
    double total = 0, sum = 0;
    for (size_t i = 0; i < list->count; i++)
        total += weight ? weight[list->run[i].replicate] : 1;
    if (!(total > 0))
        return NAN;
    for (size_t i = 0; i < list->count; i++) {
        const double w = weight ? weight[list->run[i].replicate] : 1;
        sum += w;
        if (w == 0 || sum < 0.5 * total * (1 - 1e-12))
            continue;
        size_t next = i + 1; /* half on either side: the middle of the two */
        while (next < list->count && weight && weight[list->run[next].replicate] == 0)
            next++;
        const bool between = sum <= 0.5 * total * (1 + 1e-12) && next < list->count;
        return between ? 0.5 * (list->run[i].value + list->run[next].value) : list->run[i].value;
    }
    return NAN;
}

void timed_interval(const struct timed_list *list, double *low, double *high)
{
    if (list->count == 0) {
        *low = *high = NAN;
        return;
    }
    size_t rank = 0; /* the number below the median is binomial(count, 1/2) */
    while (rank + 1 < (list->count + 1) / 2 && gsl_cdf_binomial_P((unsigned)rank, 0.5, (unsigned)list->count) <= 0.025)
        rank++;
    rank -= rank > 0;
    *low = list->run[rank].value;
    *high = list->run[list->count - 1 - rank].value;
}

/* ---- cells ---- */

static bool is_full(const struct law_cell *cell)
{
    return strcmp(cell->config.sampler->method.name, "full") == 0;
}

static double batch_of(const struct law_cell *cell)
{
    return (double)(is_full(cell) ? cell->columns.n : cell->columns.batch_size);
}

static int compare_cells(const void *left, const void *right)
{
    const struct law_cell *a = ((const struct timed_cell *)left)->cell, *b = ((const struct timed_cell *)right)->cell;
    const bool full_a = is_full(a), full_b = is_full(b);
    if (full_a != full_b)
        return full_a ? 1 : -1;
    const double m_a = batch_of(a), m_b = batch_of(b);
    if (m_a != m_b)
        return m_a < m_b ? -1 : 1;
    return (a->cell > b->cell) - (a->cell < b->cell);
}

static enum status check_cells(const struct law_input *input, struct error *error)
{
    const struct law_cell *drawn = NULL;
    for (size_t i = 0; i < input->cell_count; i++) {
        const struct law_cell *cell = &input->cell[i], *first = &input->cell[0];
        if (cell->config.kind != KIND_TRAINING || cell->config.timing != TIMING_SOLO)
            return error_set(error, STATUS_USAGE,
                             "this law is about seconds: it needs training runs with timing: solo");
        if (strcmp(cell->columns.problem, first->columns.problem) != 0 ||
            strcmp(cell->columns.data, first->columns.data) != 0)
            return error_set(error, STATUS_USAGE,
                             "this law compares batch sizes on one problem and one data set; its where: picks them");
        if (is_full(cell))
            continue;
        drawn = drawn ? drawn : cell;
        if (strcmp(cell->columns.sampling, drawn->columns.sampling) != 0)
            return error_set(error, STATUS_USAGE, "this law compares batches drawn in one way; its where: picks it");
    }
    return STATUS_OK;
}

/* Repetitions that every cell has. */
static size_t count_replicates(const struct law_input *input)
{
    size_t most = SIZE_MAX;
    for (size_t i = 0; i < input->cell_count; i++) {
        const struct law_curve *seconds = input->cell[i].seconds;
        const size_t here = seconds ? seconds->groups : 0;
        most = here < most ? here : most;
    }
    return input->planned || input->cell_count == 0 ? 0 : most;
}

static int compare_numbers(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* The median over stretches between recorded points. Samples are drawn for some steps at once: a stretch is long enough
 * to hold its share of that. */
static double seconds_of_step(const struct law_cell *cell, size_t replicate, double *scratch)
{
    const double *t = &cell->seconds->group_mean[replicate * cell->points];
    const double m = batch_of(cell);
    size_t count = 0, from = 0, p;
    for (p = 1; p < cell->points && isfinite(t[p]); p++) {
        const double steps = (double)(cell->step[p] - cell->step[from]);
        if (steps < STRETCH_STEPS && m * steps < STRETCH_SAMPLES)
            continue;
        scratch[count++] = (t[p] - t[from]) / steps;
        from = p;
    }
    if (count == 0) /* a short run is one stretch */
        return p > 1 ? t[p - 1] / (double)cell->step[p - 1] : (double)NAN;
    qsort(scratch, count, sizeof *scratch, compare_numbers);
    return 0.5 * (scratch[(count - 1) / 2] + scratch[count / 2]);
}

static enum status time_steps(struct batch_cost *cost, struct error *error)
{
    size_t points = 0;
    for (size_t i = 0; i < cost->input->cell_count; i++)
        points = cost->input->cell[i].points > points ? cost->input->cell[i].points : points;
    double *scratch = malloc((points + 1) * sizeof *scratch);
    if (!scratch)
        return error_memory(error, points * sizeof *scratch, "times of steps");
    for (size_t s = 0; s < cost->sizes; s++) {
        struct timed_list *step = &cost->size[s].step;
        for (size_t i = 0; i < cost->size[s].cells * cost->replicates; i++) {
            const struct timed_cell *c = &cost->size[s].cell[i / cost->replicates];
            const size_t r = i % cost->replicates;
            c->pace[r] = seconds_of_step(c->cell, r, scratch);
            if (isfinite(c->pace[r]))
                step->run[step->count++] = (struct timed){c->pace[r], r};
        }
        qsort(step->run, step->count, sizeof *step->run, compare_timed);
    }
    free(scratch);
    return STATUS_OK;
}

/* Sizes are stretches of the sorted cells. The buffer holds the steps of all cells, then the two lists of each. */
static enum status arrange(struct batch_cost *cost, struct error *error)
{
    const size_t count = cost->input->cell_count, runs = cost->replicates;
    struct timed_cell *cell = cost->cell = calloc(count + 1, sizeof *cell);
    cost->size = calloc(count + 1, sizeof *cost->size);
    cost->buffer = malloc((3 * count * runs + 1) * sizeof *cost->buffer);
    cost->pace = malloc((count * runs + 1) * sizeof *cost->pace);
    if (!cell || !cost->size || !cost->buffer || !cost->pace)
        return error_memory(error, (3 * count * runs + 1) * sizeof *cost->buffer, "times");
    for (size_t i = 0; i < count; i++)
        cell[i].cell = &cost->input->cell[i];
    qsort(cell, count, sizeof *cell, compare_cells);
    for (size_t i = 0; i < count; i++) {
        const double m = batch_of(cell[i].cell);
        const bool full = is_full(cell[i].cell);
        struct timed_size *size = &cost->size[cost->sizes];
        if (cost->sizes > 0 && size[-1].m == m && size[-1].full == full) {
            size--;
        } else {
            *size = (struct timed_size){.m = m, .full = full, .cell = &cell[i], .step.run = &cost->buffer[i * runs]};
            cost->sizes++;
        }
        if (cost->sizes > BATCH_SIZES_MAX)
            return error_set(error, STATUS_USAGE, "this law takes up to %d batch sizes", BATCH_SIZES_MAX);
        size->cells++;
        cell[i].steps.run = &cost->buffer[(count + 2 * i) * runs];
        cell[i].seconds.run = cell[i].steps.run + runs;
        cell[i].pace = &cost->pace[i * runs];
    }
    return STATUS_OK;
}

enum status batch_cost_open(const struct law_input *input, struct batch_cost **out, struct error *error)
{
    struct batch_cost *cost = calloc(1, sizeof *cost);
    *out = NULL;
    if (!cost)
        return error_memory(error, sizeof *cost, "a law");
    *cost = (struct batch_cost){.input = input, .replicates = count_replicates(input)};
    enum status status = check_cells(input, error);
    if (status == STATUS_OK)
        status = arrange(cost, error);
    if (status == STATUS_OK)
        status = time_steps(cost, error);
    if (status == STATUS_OK)
        *out = cost;
    else
        batch_cost_close(cost);
    return status;
}

void batch_cost_close(struct batch_cost *cost)
{
    if (!cost)
        return;
    free(cost->cell);
    free(cost->size);
    free(cost->buffer);
    free(cost->pace);
    free(cost);
}

const struct timed_size *size_of(const struct batch_cost *cost, double m)
{
    for (size_t s = 0; s < cost->sizes; s++)
        if (cost->size[s].m == m && !cost->size[s].full)
            return &cost->size[s];
    return NULL;
}

const struct timed_size *full_size(const struct batch_cost *cost)
{
    return cost->sizes > 0 && cost->size[cost->sizes - 1].full ? &cost->size[cost->sizes - 1] : NULL;
}

/* ---- the target ---- */

/* The seconds are those at the run's own pace, which interruptions on the way do not touch. */
static void aim_run(struct timed_cell *c, size_t replicate, double share, bool at_least)
{
    const struct law_cell *cell = c->cell;
    const double *gap = &cell->curve[METRIC_GAP]->group_mean[replicate * cell->points];
    const double goal = share * gap[0], pace = c->pace[replicate];
    double steps = INFINITY, seconds = INFINITY;
    size_t p = 1;
    while (p < cell->points && gap[p] > goal)
        p++;
    if (p < cell->points && gap[p] <= goal) {
        const double part = log(gap[p - 1] / goal) / log(gap[p - 1] / fmax(gap[p], DBL_MIN));
        steps = (double)cell->step[p - 1] + part * (double)(cell->step[p] - cell->step[p - 1]);
        seconds = steps * pace;
    } else if (p == cell->points && at_least) {
        seconds = (double)cell->step[p - 1] * pace;
    }
    c->steps.run[c->steps.count++] = (struct timed){steps, replicate};
    c->seconds.run[c->seconds.count++] = (struct timed){seconds, replicate};
}

void batch_cost_aim(struct batch_cost *cost, double share, bool at_least)
{
    for (size_t i = 0; i < cost->input->cell_count; i++) {
        struct timed_cell *c = &cost->cell[i];
        c->steps.count = c->seconds.count = 0;
        for (size_t r = 0; c->cell->curve[METRIC_GAP] && r < cost->replicates; r++)
            aim_run(c, r, share, at_least);
        qsort(c->steps.run, c->steps.count, sizeof *c->steps.run, compare_timed);
        qsort(c->seconds.run, c->seconds.count, sizeof *c->seconds.run, compare_timed);
    }
}

const struct timed_cell *fastest_cell(const struct timed_size *size, const double *weight)
{
    const struct timed_cell *best = NULL;
    double least = INFINITY;
    for (size_t c = 0; c < size->cells; c++) {
        const double seconds = timed_median(&size->cell[c].seconds, weight);
        if (!best || seconds < least) {
            best = &size->cell[c];
            least = seconds;
        }
    }
    return best;
}

double seconds_to_target(const struct timed_size *size, const double *weight)
{
    return timed_median(&fastest_cell(size, weight)->seconds, weight);
}

double steps_to_target(const struct timed_size *size, const double *weight)
{
    double least = INFINITY;
    for (size_t c = 0; c < size->cells; c++)
        least = fmin(least, timed_median(&size->cell[c].steps, weight));
    return least;
}

/* ---- lines ---- */

static struct cost_line relative_line(size_t count, const double *x, const double *y)
{
    struct cost_line line = {NAN, NAN, NAN};
    double weight[BATCH_SIZES_MAX], cov00, cov01, cov11, chi2;
    if (count < 3)
        return line;
    for (size_t i = 0; i < count; i++)
        weight[i] = 1 / (y[i] * y[i]);
    gsl_fit_wlinear(x, 1, weight, 1, y, 1, count, &line.first, &line.second, &cov00, &cov01, &cov11, &chi2);
    line.residual = sqrt(chi2 / (double)count);
    return line;
}

struct cost_line step_line(const struct batch_cost *cost, const double *weight)
{
    double x[BATCH_SIZES_MAX], y[BATCH_SIZES_MAX];
    size_t count = 0;
    for (size_t s = 0; s < cost->sizes; s++) {
        const double seconds = timed_median(&cost->size[s].step, weight);
        if (cost->size[s].full || !(seconds > 0))
            continue;
        x[count] = cost->size[s].m;
        y[count++] = seconds;
    }
    return relative_line(count, x, y);
}

struct cost_line target_line(const struct batch_cost *cost, const double *weight)
{
    double x[BATCH_SIZES_MAX], y[BATCH_SIZES_MAX];
    size_t count = 0;
    for (size_t s = 0; s < cost->sizes; s++) {
        const double steps = steps_to_target(&cost->size[s], weight);
        if (cost->size[s].full || !isfinite(steps) || steps <= 0)
            continue;
        x[count] = 1 / cost->size[s].m;
        y[count++] = steps;
    }
    return relative_line(count, x, y);
}

double predicted_batch(const struct batch_cost *cost, const double *weight)
{
    const struct cost_line step = step_line(cost, weight), target = target_line(cost, weight);
    return sqrt(step.first / step.second * target.second / target.first);
}

/* Abscissa of the least of the parabola through the points up to a factor 8 from the lowest, by least squares: the
 * curve is flat there, so its lowest point alone says little. */
static double vertex(size_t count, const double *x, const double *y, size_t lowest)
{
    double design[3 * BATCH_SIZES_MAX], value[BATCH_SIZES_MAX], c[3], tau[3], residual[BATCH_SIZES_MAX];
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        const double off = x[i] - x[lowest];
        if (fabs(off) > log(8) + 1e-9)
            continue;
        design[3 * used] = 1;
        design[3 * used + 1] = off;
        design[3 * used + 2] = off * off;
        value[used++] = y[i];
    }
    if (used < 3)
        return x[lowest];
    gsl_matrix_view a = gsl_matrix_view_array(design, used, 3);
    gsl_vector_view b = gsl_vector_view_array(value, used), t = gsl_vector_view_array(tau, 3),
                    solution = gsl_vector_view_array(c, 3), rest = gsl_vector_view_array(residual, used);
    if (gsl_linalg_QR_decomp(&a.matrix, &t.vector) ||
        gsl_linalg_QR_lssolve(&a.matrix, &t.vector, &b.vector, &solution.vector, &rest.vector) || !(c[2] > 0))
        return x[lowest];
    return fmin(fmax(x[lowest] - 0.5 * c[1] / c[2], x[0]), x[count - 1]);
}

double best_batch(const struct batch_cost *cost, const double *weight)
{
    double x[BATCH_SIZES_MAX], y[BATCH_SIZES_MAX];
    size_t count = 0, best = 0;
    for (size_t s = 0; s < cost->sizes; s++) {
        const double seconds = seconds_to_target(&cost->size[s], weight);
        if (cost->size[s].full || !isfinite(seconds))
            continue;
        x[count] = log(cost->size[s].m);
        y[count] = log(seconds);
        best = y[count] < y[best] ? count : best;
        count++;
    }
    if (count == 0)
        return NAN;
    return exp(vertex(count, x, y, best));
}

/* ---- the bootstrap ---- */

struct resampled {
    const struct batch_cost *cost;
    batch_cost_value *value;
    const void *argument;
    bool relative;
};

/* mean[r] is the share of repetition r. */
static double resample(const double *mean, void *context)
{
    const struct resampled *r = context;
    const double value = r->value(r->cost, mean, r->argument);
    return r->relative ? log(value) : value;
}

enum status batch_cost_se(const struct batch_cost *cost, batch_cost_value *value, const void *argument, bool relative,
                          double *se, struct error *error)
{
    const size_t count = cost->replicates;
    struct resampled resampled = {cost, value, argument, relative};
    double *unit = calloc(count * count + 1, sizeof *unit);
    if (!unit)
        return error_memory(error, count * count * sizeof *unit, "a bootstrap");
    for (size_t r = 0; r < count; r++)
        unit[r * count + r] = 1; /* means of indicators: how often each was drawn */
    enum status status =
        stats_bootstrap(count, count, unit, NULL, RESAMPLES, cost->input->seed, 12, resample, &resampled, se, error);
    free(unit);
    return status;
}

static double first_of_line(const struct batch_cost *cost, const double *weight, const void *argument)
{
    (void)argument;
    return step_line(cost, weight).first;
}

static double second_of_line(const struct batch_cost *cost, const double *weight, const void *argument)
{
    (void)argument;
    return step_line(cost, weight).second;
}

enum status batch_cost_line_se(const struct batch_cost *cost, double se[2], struct error *error)
{
    enum status status = batch_cost_se(cost, first_of_line, NULL, false, &se[0], error);
    return status == STATUS_OK ? batch_cost_se(cost, second_of_line, NULL, false, &se[1], error) : status;
}
