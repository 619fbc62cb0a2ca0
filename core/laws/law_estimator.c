/* Replicates of estimator runs put together. */
#include "laws/law_estimator.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stats.h"

enum { PILOT_DRAWS = 300 };

const char *law_cell_label(const struct law_cell *cell, char *text, size_t size)
{
    const struct cell_columns *c = &cell->columns;
    snprintf(text, size, "%s on %s, %s, m = %zu", c->problem, c->data, c->sampling, c->batch_size);
    return text;
}

double *law_frozen_point(const struct law_input *input, const struct law_cell *cell, struct error *error)
{
    const struct run_request request = {.config = &cell->config, .seed = input->seed};
    const size_t d = problem_dim(&cell->config.problem);
    double *x = calloc(d, sizeof *x);
    if (!x) {
        error_memory(error, d * sizeof *x, "an iterate");
    } else if (estimator_point(&request, NULL, x, error) != STATUS_OK) {
        free(x);
        return NULL;
    }
    return x;
}

/* Adds one replicate to the sums. */
static void add(struct pooled_estimate *sum, const struct estimator_result *r)
{
    const double scale = r->sigma2 + r->gradient_norm2;
    if (r->bias_along_gradient_se > 0 && r->direction_predicted[0] > 0) { /* the first direction is the gradient */
        sum->along += r->direction_variance[0] / r->direction_predicted[0];
        sum->along_se += pow(r->direction_se[0] / r->direction_predicted[0], 2);
    }
    sum->draws += r->draws;
    sum->kappa = r->kappa;
    sum->sigma2 += r->sigma2;
    sum->variance += r->variance;
    if (r->predicted > 0) {
        sum->ratio += r->variance / r->predicted;
        sum->ratio_se += pow(r->variance_se / r->predicted, 2);
    }
    sum->leak = fmax(sum->leak, scale > 0 ? r->variance / scale : r->variance);
    sum->chi2 += r->bias_statistic;
    sum->df += r->bias_df;
    sum->effect += r->bias_along_gradient;
    sum->effect_se += pow(r->bias_along_gradient_se, 2);
}

/* From sums over replicates to means and their standard errors. */
static void close(struct pooled_estimate *sum, double replicates)
{
    sum->sigma2 /= replicates;
    sum->variance /= replicates;
    sum->ratio = sum->kappa > 0 ? sum->ratio / replicates : (double)NAN;
    sum->ratio_se = sqrt(sum->ratio_se) / replicates;
    sum->along = sum->along_se > 0 ? sum->along / replicates : (double)NAN;
    sum->along_se = sqrt(sum->along_se) / replicates;
    sum->effect /= replicates;
    sum->effect_se = sqrt(sum->effect_se) / replicates;
    sum->p = isinf(sum->chi2) ? 0 : stats_chi2_p(sum->chi2, sum->df);
}

/* A few draws tell the size of the noise, but nothing about the law. */
static enum status pilot(const struct law_input *input, const struct law_cell *cell, struct pooled_estimate *out,
                         struct error *error)
{
    struct run_config config = cell->config;
    const uint64_t planned = config.draws;
    const struct run_request request = {.config = &config, .seed = input->seed};
    struct estimator_result result;
    if (config.draws > PILOT_DRAWS)
        config.draws = PILOT_DRAWS;
    enum status status = estimator_run(&request, NULL, &result, error);
    if (status != STATUS_OK)
        return status;
    const double share = sqrt((double)config.draws / ((double)planned * (double)input->replicates));
    add(out, &result);
    close(out, 1);
    estimator_result_free(&result);
    out->draws = planned * input->replicates;
    out->ratio_se *= share;
    out->along_se *= share;
    out->effect_se *= share;
    out->variance = out->ratio = out->along = out->leak = out->chi2 = out->p = out->effect = NAN;
    return STATUS_OK;
}

enum status law_pool(const struct law_input *input, const struct law_cell *cell, struct pooled_estimate *out,
                     struct error *error)
{
    const struct sampler_type *sampler = cell->config.sampler;
    *out = (struct pooled_estimate){0};
    if (cell->config.kind != KIND_ESTIMATOR)
        return error_set(error, STATUS_USAGE, "this law needs kind: estimator");
    if (sampler->deterministic && sampler->by_epoch)
        return error_set(error, STATUS_USAGE, "this law speaks of random batches, but those of %s are not",
                         sampler->method.name);
    if (input->planned)
        return pilot(input, cell, out, error);
    for (uint64_t r = 0; r < cell->chains; r++)
        add(out, &cell->estimator[r]);
    close(out, (double)cell->chains);
    return STATUS_OK;
}
