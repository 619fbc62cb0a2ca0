/* From a sweep to what the store keeps of it: canonical texts, columns, and the curves that do not depend on a run. */
#include <stdlib.h>

#include "json.h"
#include "store_plan.h"

struct context {
    const struct sweep *sweep;
    char *json; /* of the cell handed out last */
    uint64_t *samples;
    double *rate;
    size_t capacity; /* points that samples and rate have room for */
};

uint64_t samples_used(const struct run_config *config, uint64_t step)
{
    size_t n = config->problem.data->train.rows;
    const struct sampler_type *sampler = config->sampler;
    uint64_t batch = sampler_max_batch(sampler, n, config->batch_size), samples = step * batch;
    if (sampler->by_epoch && config->keep_last) { /* the last batch of an epoch may be short */
        uint64_t steps = sampler_steps_per_epoch(sampler, n, config->batch_size, true);
        uint64_t begun = step % steps * batch; /* less than n: the short batch is the last one */
        samples = step / steps * n + begun;
    }
    return config->local_workers > 1 ? samples * config->local_workers : samples;
}

static enum status make_room(struct context *context, size_t points, struct error *error)
{
    if (points <= context->capacity)
        return STATUS_OK;
    free(context->samples);
    free(context->rate);
    context->samples = malloc(points * sizeof *context->samples);
    context->rate = malloc(points * sizeof *context->rate);
    context->capacity = context->samples && context->rate ? points : 0;
    return context->capacity ? STATUS_OK : error_memory(error, 2 * points * sizeof(double), "curves of a cell");
}

static enum status describe_cell(void *argument, size_t index, struct plan_cell *cell, struct error *error)
{
    struct context *context = argument;
    struct run_config config;
    enum status status = sweep_cell(context->sweep, index, &config, error);
    if (status != STATUS_OK)
        return status;
    size_t points = config.kind == KIND_TRAINING && config.grid ? config.grid->count : 0;
    status = make_room(context, points, error);
    if (status != STATUS_OK)
        return status;
    free(context->json);
    context->json = cell_json(&config);
    if (!context->json)
        return error_memory(error, 1024, "the text of a cell");
    for (size_t i = 0; i < points; i++) {
        uint64_t step = config.grid->step[i];
        context->samples[i] = samples_used(&config, step);
        schedule_rates(&config.schedule, step, 1, config.steps, &context->rate[i]);
    }
    const struct dataset *data = config.problem.data;
    *cell = (struct plan_cell){
        .json = context->json,
        .kind = config.kind,
        .keep = config.keep,
        .metrics = config.kind == KIND_TRAINING ? config.metrics : 0,
        .data_checksum = data->checksum,
        .data_test = data->test.rows,
        .data_nnz = data->train.nnz,
        .reference = config.reference,
        .points = points,
        .step = points ? config.grid->step : NULL,
        .samples = context->samples,
        .rate = context->rate,
    };
    cell_columns(&config, &cell->columns);
    return STATUS_OK;
}

enum status store_put_plan(struct store *store, const struct sweep *sweep, const char *settings_json, int64_t *cell_id,
                           struct error *error)
{
    struct json axes = {0}, figures = {0};
    json_begin(&axes, '[');
    for (size_t i = 0; i < sweep_axis_count(sweep); i++)
        json_string(&axes, sweep_axis(sweep, i));
    json_end(&axes, ']');
    json_begin(&figures, '[');
    for (size_t i = 0; i < sweep_figure_count(sweep); i++)
        json_raw(&figures, sweep_figure(sweep, i));
    json_end(&figures, ']');
    char *axes_text = json_take(&axes), *figures_text = json_take(&figures);
    enum status status;
    if (axes_text && figures_text) {
        struct context context = {.sweep = sweep};
        const char *question = sweep_question(sweep);
        struct plan_source source = {
            .name = sweep_name(sweep),
            .question = question ? question : "",
            .config = sweep_text(sweep),
            .settings = settings_json && *settings_json ? settings_json : "null",
            .axes = axes_text,
            .figures = figures_text,
            .cells = sweep_cells(sweep),
            .replicates = sweep_replicates(sweep),
            .seed = sweep_seed(sweep),
            .cell = describe_cell,
            .context = &context,
        };
        status = store_put_plan_source(store, &source, cell_id, error);
        free(context.json);
        free(context.samples);
        free(context.rate);
    } else {
        status = error_memory(error, 1024, "the plan");
    }
    free(axes_text);
    free(figures_text);
    return status;
}
