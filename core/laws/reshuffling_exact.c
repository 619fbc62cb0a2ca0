/* Predictions of the law of reshuffling. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/update.h"
#include "laws/oracle.h"
#include "laws/reshuffling.h"

const char *const visit_order_label[VISIT_ORDERS] = {"with replacement", "reshuffled each epoch", "shuffled once",
                                                     "sorted, cyclic"};

static enum status find_order(const struct law_cell *cell, enum visit_order *order, struct error *error)
{
    static const char *const names[VISIT_ORDERS] = {"with_replacement", "reshuffle", "shuffle_once", "cyclic"};
    const char *name = cell->config.sampler->method.name;
    for (int k = 0; k < VISIT_ORDERS; k++)
        if (strcmp(name, names[k]) == 0) {
            *order = (enum visit_order)k;
            return STATUS_OK;
        }
    return error_set(error, STATUS_USAGE,
                     "this law compares the samplers with_replacement, reshuffle, shuffle_once and cyclic, not %s",
                     name);
}

/* ---- bias ---- */

enum status reshuffling_bias(size_t n, const double *a, const double *g, double eta, double *bias, double *rho,
                             struct error *error)
{
    double *mean = malloc(n * sizeof *mean); /* mean[r] of the products of r factors: e_r/C(n-1, r) */
    if (!mean)
        return error_memory(error, n * sizeof *mean, "the bias of reshuffling");
    double sum = 0;
    *rho = 1;
    for (size_t i = 0; i < n; i++) {
        size_t there = 0;
        double left = 0;
        *rho *= 1 - eta * a[i];
        memset(mean, 0, n * sizeof *mean);
        mean[0] = 1;
        for (size_t l = 0; l < n; l++) {
            if (l == i)
                continue;
            /* A random set of r among there + 1 factors holds the new one with probability r/(there + 1). */
            there++;
            for (size_t r = there; r > 0; r--) {
                const double share = (double)r / (double)there;
                mean[r] = share * (1 - eta * a[l]) * mean[r - 1] + (1 - share) * mean[r];
            }
        }
        for (size_t r = 0; r < n; r++)
            left += mean[r];
        sum -= eta / (double)n * g[i] * left;
    }
    free(mean);
    *bias = sum / (1 - *rho);
    return STATUS_OK;
}

double reshuffling_bias_slope(size_t n, const double *a, const double *g)
{
    double curvature = 0, pull = 0;
    for (size_t i = 0; i < n; i++) {
        curvature += a[i];
        pull -= a[i] * g[i];
    }
    return pull / (2 * curvature);
}

/* ---- one cell ---- */

static bool is_parabola(const struct run_config *config)
{
    return config->problem.type->quadratic && problem_dim(&config->problem) == 1;
}

/* What the formulas of one dimension suppose beyond the problem. */
static enum status check_plain(const struct run_config *config, struct error *error)
{
    const struct problem *problem = &config->problem;
    if (problem->l1 > 0 || problem->l2 > 0 || isfinite(problem->radius) || problem->data->train.sparse)
        return error_set(error, STATUS_USAGE, "the parabolas of this law have no penalty and no ball");
    if (config->batch_size != 1 || strcmp(config->update->method.name, "sgd") != 0 || config->clip != CLIP_NONE ||
        config->local_workers > 1 || strcmp(config->averager->method.name, "last") != 0)
        return error_set(
            error, STATUS_USAGE,
            "on parabolas this law speaks of batch_size: 1, update: sgd, the last iterate and no clipping");
    if (config->start.kind != START_OPTIMUM || config->start.scale != 0)
        return error_set(error, STATUS_USAGE, "on parabolas this law needs start: optimum");
    return STATUS_OK;
}

/* Rates of all epochs, one each. */
static enum status epoch_rates(const struct run_config *config, size_t n, size_t epochs, double *rate,
                               struct error *error)
{
    double first, last;
    for (size_t k = 0; k < epochs; k++) {
        schedule_rates(&config->schedule, k * n, 1, config->steps, &first);
        schedule_rates(&config->schedule, k * n + n - 1, 1, config->steps, &last);
        if (first != last)
            return error_set(error, STATUS_USAGE,
                             "this law needs one rate within an epoch (inverse_time: every: n), but epoch %zu goes "
                             "from %g to %g",
                             k + 1, first, last);
        rate[k] = first;
    }
    return STATUS_OK;
}

/* theory and log_decay at the recorded epoch ends; curve[epochs] is room. */
static enum status equal_curvature(struct visited *v, const double *rate, size_t epochs, double *curve,
                                   struct error *error)
{
    const struct law_cell *cell = v->cell;
    const double *c = cell->config.problem.data->y;
    const size_t n = (size_t)v->n;
    struct epoch_floor floor;
    const bool steady = v->order == VISIT_SHUFFLE_ONCE || v->order == VISIT_CYCLIC;
    if (steady && v->family == FAMILY_DECAY)
        return error_set(error, STATUS_USAGE, "with a falling rate this law speaks of with_replacement and reshuffle");
    oracle_epoch_floor(c, n, rate[0], &floor);
    oracle_epoch_curve(c, n, rate, epochs, 0, v->order == VISIT_WITH_REPLACEMENT ? curve : NULL,
                       v->order == VISIT_RESHUFFLE ? curve : NULL);
    const double still = v->order == VISIT_SHUFFLE_ONCE ? floor.shuffle_once : floor.cyclic;
    double decay = 0;
    for (size_t k = 0; steady && k < epochs; k++)
        curve[k] = still * pow(1 - pow(floor.rho, (double)(k + 1)), 2);
    v->limit = steady                               ? still
               : v->family == FAMILY_DECAY          ? curve[epochs - 1]
               : v->order == VISIT_WITH_REPLACEMENT ? floor.with_replacement
                                                    : floor.reshuffle;
    for (size_t p = 0, k = 0; p < cell->points; p++) {
        const size_t at = cell->step[p] / n;
        for (; k < at; k++)
            decay -= 2 * (double)n * log(fabs(1 - rate[k]));
        v->theory[p] = at ? curve[at - 1] : 0;
        v->log_decay[p] = v->order == VISIT_SHUFFLE_ONCE ? 0 : decay; /* its error is the same at every epoch's end */
        v->weight[p] = at ? 1 / v->theory[p] : 0;
    }
    v->relative_sd = M_SQRT2;
    return STATUS_OK;
}

static enum status unequal_curvature(struct visited *v, const double *a, struct error *error)
{
    const struct law_cell *cell = v->cell;
    const size_t n = (size_t)v->n;
    double *g = calloc(n, sizeof *g), rho, noise = 0, curvature = 0, total = 0;
    if (!g)
        return error_memory(error, n * sizeof *g, "the bias of reshuffling");
    for (size_t i = 0; i < n; i++) {
        g[i] = a[i] * v->optimum - cell->config.problem.data->y[i] * sqrt(a[i]);
        noise += g[i] * g[i] / v->n;
        curvature += a[i] / v->n;
    }
    enum status status = reshuffling_bias(n, a, g, v->h, &v->limit, &rho, error);
    v->slope_theory = reshuffling_bias_slope(n, a, g);
    free(g);
    for (size_t p = 0; p < cell->points; p++) {
        const double epochs = (double)cell->step[p] / v->n;
        v->theory[p] = v->limit * (1 - pow(rho, epochs));
        v->log_decay[p] = -epochs * log(rho);
        total += v->theory[p];
    }
    for (size_t p = 0; p < cell->points; p++)
        v->weight[p] = cell->step[p] ? 1 / total : 0;
    /* As at equal curvature, to leading order. */
    v->relative_sd = sqrt(noise * v->n * (v->n + 1) * pow(v->h, 3) / (24 * curvature)) / fabs(v->limit);
    return status;
}

static enum status predict(struct visited *v, double *block, size_t epochs, struct error *error)
{
    const struct run_config *config = &v->cell->config;
    const struct matrix *rows = &config->problem.data->train;
    double *rate = block, *curve = rate + epochs, *a = curve + epochs;
    bool equal = true, constant = true;
    enum status status = epoch_rates(config, (size_t)v->n, epochs, rate, error);
    if (status != STATUS_OK)
        return status;
    for (size_t k = 0; k < epochs; k++)
        constant = constant && rate[k] == rate[0];
    for (size_t i = 0; i < rows->rows; i++) {
        a[i] = rows->value[i * rows->stride] * rows->value[i * rows->stride];
        equal = equal && a[i] == 1;
    }
    v->h = rate[0];
    v->optimum = config->reference->x[0];
    v->family = !equal ? FAMILY_BIAS : constant ? FAMILY_FLOOR : FAMILY_DECAY;
    if (equal)
        return equal_curvature(v, rate, epochs, curve, error);
    if (!constant || v->order != VISIT_RESHUFFLE)
        return error_set(error, STATUS_USAGE,
                         "on parabolas of unequal curvature this law speaks of reshuffle at a constant rate");
    return unequal_curvature(v, a, error);
}

enum status visited_make(const struct law_cell *cell, struct visited *out, struct error *error)
{
    const struct run_config *config = &cell->config;
    *out = (struct visited){.cell = cell, .family = FAMILY_ORDER, .n = (double)cell->columns.n};
    if (config->kind != KIND_TRAINING)
        return error_set(error, STATUS_USAGE, "this law needs training runs, not kind: estimator");
    enum status status = find_order(cell, &out->order, error);
    if (status != STATUS_OK)
        return status;
    if (!config->reference->exists)
        return error_set(error, STATUS_USAGE, "this law needs an optimum, but %s", config->reference->reason);
    const size_t points = cell->points, n = cell->columns.n, epochs = cell->config.steps / n;
    double *room = calloc(3 * points, sizeof *room);
    if (!room)
        return error_memory(error, 3 * points * sizeof *room, "a law");
    out->theory = room;
    out->log_decay = room + points;
    out->weight = room + 2 * points;
    schedule_rates(&config->schedule, 0, 1, config->steps, &out->h);
    const size_t per_epoch = sampler_steps_per_epoch(config->sampler, n, config->batch_size, config->keep_last);
    for (size_t p = 0; p < points; p++) { /* for FAMILY_ORDER: the second half of the run */
        out->weight[p] = 2 * cell->step[p] >= config->steps ? 1 : 0;
        if (cell->step[p] % per_epoch != 0)
            return error_set(error, STATUS_USAGE, "this law looks at the ends of epochs, but step %llu is none",
                             (unsigned long long)cell->step[p]);
    }
    out->relative_sd = 0.5; /* seen on real data; log_decay is 0: as if a chain never forgot, which is cautious */
    if (!is_parabola(config))
        return STATUS_OK;
    status = check_plain(config, error);
    double *block = malloc((2 * epochs + n) * sizeof *block);
    if (status == STATUS_OK && !block)
        status = error_memory(error, (2 * epochs + n) * sizeof *block, "a law");
    if (status == STATUS_OK)
        status = predict(out, block, epochs, error);
    free(block);
    return status;
}

void visited_free(struct visited *visited)
{
    free(visited->theory); /* one allocation, the others behind it */
}
