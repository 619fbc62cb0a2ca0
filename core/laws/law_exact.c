/* From a cell of an experiment to the recursions of the exact oracle. */
#include "laws/law_exact.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what the cell ran ---- */

static const char *obstacle(const struct run_config *config)
{
    const char *update = ((const struct method *)config->update)->name;
    if (config->kind != KIND_TRAINING)
        return "training runs";
    if (config->sampler->by_epoch)
        return "batches that are drawn anew at every step (with_replacement, subset, full)";
    if (config->start.kind == START_GAUSSIAN)
        return "a start that is not random";
    if (config->clip != CLIP_NONE)
        return "steps without clipping";
    if (!config->averager->last)
        return "the last iterate, not an average";
    if (strcmp(update, "sgd") != 0 && strcmp(update, "heavy_ball") != 0)
        return "plain or heavy-ball steps";
    if (config->local_workers > 1 && strcmp(update, "sgd") != 0)
        return "local SGD without momentum";
    return NULL;
}

static double update_value(const struct run_config *config, const char *name)
{
    const struct method *method = (const struct method *)config->update;
    const int index = param_find(method->params, method->param_count, name);
    return index < 0 ? 0 : config->update_values.scalar[index];
}

static double kappa_of(const struct run_config *config, size_t n)
{
    if (config->sampler->deterministic)
        return 0;
    return oracle_kappa(n, config->batch_size, config->sampler->with_replacement);
}

enum status exact_run_make(const struct run_config *config, struct exact_run *out, struct error *error)
{
    *out = (struct exact_run){0};
    const char *needed = obstacle(config);
    if (needed)
        return error_set(error, STATUS_USAGE, "this law needs %s", needed);
    enum status status = oracle_open(&config->problem, &out->oracle, error);
    if (status != STATUS_OK)
        return status;
    const size_t d = out->oracle->d;
    out->kappa = kappa_of(config, out->oracle->n);
    out->beta = update_value(config, "momentum");
    out->workers = config->local_workers;
    out->sync_every = config->sync_every;
    out->steps = config->steps;
    out->e0 = calloc(d, sizeof *out->e0);
    out->eta = calloc((size_t)config->steps + 1, sizeof *out->eta);
    if (!out->e0 || !out->eta)
        return error_memory(error, (d + (size_t)config->steps + 1) * sizeof *out->eta, "the rates of a run");
    status = run_start(&(struct run_request){.config = config}, out->e0, 1, error);
    for (size_t j = 0; j < d; j++)
        out->e0[j] -= out->oracle->optimum[j];
    /* v = beta v + (1 - c) g is (1 - c) times the velocity of the recursion. */
    schedule_rates(&config->schedule, 0, (size_t)config->steps, config->steps, out->eta);
    for (uint64_t t = 0; t < config->steps; t++)
        out->eta[t] *= 1 - update_value(config, "dampening");
    return status;
}

void exact_run_free(struct exact_run *run)
{
    oracle_close(run->oracle);
    free(run->e0);
    free(run->eta);
    *run = (struct exact_run){0};
}

/* ---- curves ---- */

static enum status plain_gap(const struct exact_run *run, double kappa, size_t points, const uint64_t *step,
                             double *gap, double *relative_sd, struct error *error)
{
    struct oracle_state *state;
    enum status status = oracle_state_open(run->oracle, kappa, run->e0, false, &state, error);
    if (status != STATUS_OK)
        return status;
    for (size_t p = 0; p < points; p++) {
        while (state->step < step[p])
            oracle_step(state, run->eta[state->step]);
        const double mean = oracle_gap(state);
        if (gap)
            gap[p] = mean;
        if (relative_sd)
            relative_sd[p] = mean > 0 ? oracle_gap_sd(state) / mean : 0;
    }
    oracle_state_close(state);
    return STATUS_OK;
}

/* The spread of e alone is that of a plain state with the same moments. */
static double heavy_ball_sd(const struct oracle_heavy_ball *from, struct oracle_state *state)
{
    const size_t d = from->oracle->d;
    for (size_t k = 0; k < d; k++) {
        state->mu[k] = from->mean[k];
        for (size_t l = 0; l < d; l++)
            state->m[k * d + l] = from->n[k * 2 * d + l];
    }
    return oracle_gap_sd(state);
}

static enum status heavy_ball_gap(const struct exact_run *run, size_t points, const uint64_t *step, double *gap,
                                  double *relative_sd, struct error *error)
{
    struct oracle_heavy_ball *ball = NULL;
    struct oracle_state *state = NULL;
    enum status status = oracle_heavy_ball_open(run->oracle, run->kappa, run->beta, run->e0, &ball, error);
    if (status == STATUS_OK)
        status = oracle_state_open(run->oracle, run->kappa, run->e0, false, &state, error);
    for (size_t p = 0, t = 0; status == STATUS_OK && p < points; p++) {
        for (; t < step[p]; t++)
            oracle_heavy_ball_step(ball, run->eta[t]);
        gap[p] = oracle_heavy_ball_gap(ball);
        if (relative_sd)
            relative_sd[p] = gap[p] > 0 ? heavy_ball_sd(ball, state) / gap[p] : 0;
    }
    oracle_state_close(state);
    oracle_heavy_ball_close(ball);
    return status;
}

static enum status local_gap(const struct exact_run *run, size_t points, const uint64_t *step, double *gap,
                             double *relative_sd, struct error *error)
{
    double *all = malloc(((size_t)run->steps + 1) * sizeof *all);
    if (!all)
        return error_memory(error, ((size_t)run->steps + 1) * sizeof *all, "a curve");
    enum status status = oracle_local_sgd(run->oracle, run->kappa, run->workers, run->sync_every, run->e0, run->eta,
                                          run->steps, all, error);
    for (size_t p = 0; status == STATUS_OK && p < points; p++)
        gap[p] = all[step[p]];
    free(all);
    if (status == STATUS_OK && relative_sd)
        status = plain_gap(run, run->kappa / (double)run->workers, points, step, NULL, relative_sd, error);
    return status;
}

enum status exact_gap(const struct exact_run *run, size_t points, const uint64_t *step, double *gap,
                      double *relative_sd, struct error *error)
{
    if (run->workers > 1)
        return local_gap(run, points, step, gap, relative_sd, error);
    if (run->beta > 0)
        return heavy_ball_gap(run, points, step, gap, relative_sd, error);
    return plain_gap(run, run->kappa, points, step, gap, relative_sd, error);
}

enum status exact_floor(const struct oracle *oracle, double kappa, double eta, double *gap, struct error *error)
{
    const size_t d = oracle->d;
    double *m = malloc(d * d * sizeof *m);
    if (!m)
        return error_memory(error, d * d * sizeof *m, "the stationary state");
    const enum status status = oracle_fixed_point(oracle, kappa, eta, m, error);
    *gap = 0;
    for (size_t k = 0; status == STATUS_OK && k < d * d; k++)
        *gap += 0.5 * oracle->h2[k] * m[k];
    free(m);
    return status;
}

double exact_leading_floor(const struct oracle *oracle, double kappa, double eta)
{
    double trace = 0;
    for (size_t j = 0; j < oracle->d; j++)
        trace += oracle->c[j * oracle->d + j];
    return 0.25 * eta * kappa * trace;
}

/* ---- cells ---- */

const char *exact_label(const struct law_cell *cell, char *text, size_t size)
{
    const struct cell_columns *c = &cell->columns;
    const bool subset = !cell->config.sampler->with_replacement && !cell->config.sampler->deterministic;
    char momentum[40] = "";
    if (c->momentum > 0)
        snprintf(momentum, sizeof momentum, ", momentum %g", c->momentum);
    snprintf(text, size, "%sm = %zu%s", subset ? "subset, " : "", c->batch_size, momentum);
    return text;
}

const char *exact_instance(const struct law_cell *cell, char *text, size_t size)
{
    char label[100];
    snprintf(text, size, "%s, %s", cell->columns.data, exact_label(cell, label, sizeof label));
    return text;
}

size_t exact_point_near(const struct law_cell *cell, double t)
{
    size_t best = 0;
    double nearest = INFINITY;
    for (size_t p = 0; t > 0 && p < cell->points; p++) {
        const double far = cell->step[p] ? fabs(log((double)cell->step[p] / t)) : INFINITY;
        if (far < nearest) {
            nearest = far;
            best = p;
        }
    }
    return best;
}

static enum status open_cell(const struct law_input *input, const struct law_cell *cell, struct exact_cell *out,
                             struct error *error)
{
    out->cell = cell;
    out->measured = cell->curve[METRIC_GAP];
    if (!(cell->config.metrics & (1u << METRIC_GAP)) || (!input->planned && !out->measured))
        return error_set(error, STATUS_USAGE, "this law needs record.metrics with gap");
    out->gap = calloc(2 * cell->points + 1, sizeof *out->gap);
    if (!out->gap)
        return error_memory(error, 2 * cell->points * sizeof *out->gap, "a curve");
    out->relative_sd = out->gap + cell->points;
    enum status status = exact_run_make(&cell->config, &out->run, error);
    if (status == STATUS_OK)
        status = exact_gap(&out->run, cell->points, cell->step, out->gap, out->relative_sd, error);
    return status;
}

enum status exact_cells_open(const struct law_input *input, struct exact_cell **out, struct error *error)
{
    enum status status = STATUS_OK;
    *out = calloc(input->cell_count + 1, sizeof **out);
    if (!*out)
        return error_memory(error, (input->cell_count + 1) * sizeof **out, "the cells of a law");
    for (size_t i = 0; status == STATUS_OK && i < input->cell_count; i++)
        status = open_cell(input, &input->cell[i], &(*out)[i], error);
    if (status != STATUS_OK) {
        exact_cells_close(*out, input->cell_count);
        *out = NULL;
    }
    return status;
}

void exact_cells_close(struct exact_cell *cell, size_t count)
{
    for (size_t i = 0; cell && i < count; i++) {
        exact_run_free(&cell[i].run);
        free(cell[i].gap);
    }
    free(cell);
}

double exact_cell_mean(const struct exact_cell *cell, size_t p)
{
    const struct law_curve *curve = cell->measured;
    if (!curve)
        return NAN;
    return curve->count[p] < curve->chains ? INFINITY : curve->mean[p]; /* a mean without the diverged is none */
}

double exact_cell_se(const struct law_input *input, const struct exact_cell *cell, size_t p)
{
    if (!cell->measured)
        return cell->relative_sd[p] / sqrt((double)input->replicates);
    return cell->measured->se[p] / cell->measured->mean[p];
}

struct check exact_cell_check(const struct law_input *input, const struct exact_cell *cell, size_t p)
{
    return (struct check){
        .kind = CHECK_RATIO,
        .predicted = cell->gap[p],
        .measured = exact_cell_mean(cell, p),
        .se = exact_cell_se(input, cell, p),
        .margin = input->margin_value,
        .replicates = cell->measured ? cell->measured->chains : input->replicates,
    };
}
