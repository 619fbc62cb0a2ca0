/* Running groups of chains and taking their moments. */
#include "group.h"

#include <stdlib.h>
#include <string.h>

#include "engine_block.h"

struct group_block {
    size_t cells, points;
    enum block_layout layout;
    struct run_config *config;   /* [cells] */
    struct run_request *request; /* [LANES_MAX][cells]: chains beside each other, of each all cells */
    struct run_result *run;      /* the same; metrics point into value */
    double *value;               /* [cells][metrics][GROUP_CHAINS][points]: what the chains recorded */
    size_t *left;                /* [cells][GROUP_CHAINS]: points of each chain, up to its divergence */
    struct group_result *result; /* [cells] */
    struct block block;
    size_t abreast; /* chains that the open block runs beside each other; 0: none is open */
};

/* Two passes over the chains, all points of a chain side by side: the mean, as a shift from the first chain that is
 * there (equal values then have no spread at all), and the powers of the deviations from it. */
static void reduce(const double *value, const size_t *left, size_t chains, size_t points, const uint64_t *count,
                   double *mean)
{
    double *m2 = mean + points, *m3 = m2 + points, *m4 = m3 + points, *first = m2;
    memset(mean, 0, GROUP_MOMENTS * points * sizeof *mean);
    for (size_t c = 0, known = 0; c < chains; c++)
        for (; known < left[c]; known++)
            first[known] = value[c * points + known];
    for (size_t c = 0; c < chains; c++)
        for (size_t p = 0; p < left[c]; p++)
            mean[p] += value[c * points + p] - first[p];
    for (size_t p = 0; p < points; p++)
        mean[p] = count[p] ? first[p] + mean[p] / (double)count[p] : 0;
    memset(m2, 0, points * sizeof *m2);
    for (size_t c = 0; c < chains; c++)
        for (size_t p = 0; p < left[c]; p++) {
            const double e = value[c * points + p] - mean[p], square = e * e;
            m2[p] += square;
            m3[p] += square * e;
            m4[p] += square * square;
        }
}

/* ---- opening ---- */

static size_t metrics_asked(const struct group_block *g)
{
    return (size_t)__builtin_popcount(g->config[0].metrics);
}

/* Where the values of a metric of a cell lie. */
static double *values_of(const struct group_block *g, size_t cell, enum metric metric)
{
    const size_t before = (size_t)__builtin_popcount(g->config[0].metrics & ((1u << metric) - 1));
    return g->value + (cell * metrics_asked(g) + before) * GROUP_CHAINS * g->points;
}

enum status group_block_open(const struct run_request *request, size_t count, enum block_layout layout,
                             struct group_block **out, struct error *error)
{
    *out = NULL;
    struct group_block *g = calloc(1, sizeof *g);
    if (!g)
        return error_memory(error, sizeof *g, "a group of chains");
    const size_t runs = LANES_MAX * count;
    g->cells = count;
    g->points = request[0].config->grid->count;
    g->layout = layout;
    g->config = malloc(count * sizeof *g->config);
    g->request = malloc(runs * sizeof *g->request);
    g->run = malloc(runs * sizeof *g->run);
    g->left = malloc(count * GROUP_CHAINS * sizeof *g->left);
    g->result = calloc(count, sizeof *g->result);
    bool complete = g->config && g->request && g->run && g->left && g->result;
    for (size_t i = 0; complete && i < count; i++)
        g->config[i] = *request[i].config;
    for (size_t i = 0; complete && i < runs; i++)
        g->request[i] = (struct run_request){.config = &g->config[i % count], .seed = request[0].seed};
    size_t values = complete ? count * metrics_asked(g) * GROUP_CHAINS * g->points : 0;
    g->value = malloc((values ? values : 1) * sizeof *g->value);
    complete = complete && g->value;
    for (size_t i = 0; complete && i < count; i++) {
        g->result[i].count = malloc(g->points * sizeof *g->result[i].count);
        complete = g->result[i].count != NULL;
    }
    if (!complete) {
        group_block_close(g);
        return error_memory(error, runs * sizeof *g->run + values * sizeof *g->value, "a group of chains");
    }
    *out = g;
    return STATUS_OK;
}

void group_block_close(struct group_block *g)
{
    if (!g)
        return;
    if (g->abreast)
        block_close(&g->block);
    for (size_t i = 0; g->result && i < g->cells; i++) {
        for (int m = 0; m < METRIC_COUNT; m++)
            free(g->result[i].metric[m]);
        free(g->result[i].count);
    }
    free(g->result);
    free(g->value);
    free(g->left);
    free(g->run);
    free(g->request);
    free(g->config);
    free(g);
}

/* ---- running ---- */

/* A block for so many chains beside each other, and for the moments of what it records. */
static enum status open_block(struct group_block *g, size_t abreast, struct error *error)
{
    if (g->abreast)
        block_close(&g->block);
    g->abreast = abreast;
    memset(g->run, 0, abreast * g->cells * sizeof *g->run);
    enum status status = block_open(&g->block, g->request, abreast * g->cells, g->layout, g->run, error);
    for (size_t i = 0; i < g->cells && status == STATUS_OK; i++)
        for (int m = 0; m < METRIC_COUNT && status == STATUS_OK; m++) {
            double **moments = &g->result[i].metric[m];
            if (*moments || !block_defines(&g->block, i, (enum metric)m))
                continue;
            *moments = malloc(GROUP_MOMENTS * g->points * sizeof **moments);
            if (!*moments)
                status = error_memory(error, GROUP_MOMENTS * g->points * sizeof **moments, "moments");
        }
    return status;
}

/* Chains at .. at+count-1 of the group, beside each other. */
static enum status run_chains(struct group_block *g, uint64_t first, size_t at, size_t count, const atomic_bool *stop,
                              struct error *error)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count * g->cells; i++)
        g->request[i].replicate = first + at + i / g->cells;
    if (g->abreast != count)
        status = open_block(g, count, error);
    for (size_t i = 0; i < count * g->cells && status == STATUS_OK; i++)
        for (int m = 0; m < METRIC_COUNT; m++)
            if (g->result[i % g->cells].metric[m])
                g->run[i].metric[m] = values_of(g, i % g->cells, (enum metric)m) + (at + i / g->cells) * g->points;
    if (status == STATUS_OK)
        status = block_begin(&g->block, error);
    if (status == STATUS_OK)
        status = block_advance(&g->block, stop);
    if (status == STATUS_INTERRUPTED)
        error_set(error, status, "interrupted");
    if (status != STATUS_OK)
        return status;
    block_finish(&g->block);
    for (size_t i = 0; i < count * g->cells; i++) {
        const struct run_result *run = &g->run[i];
        struct group_result *result = &g->result[i % g->cells];
        g->left[i % g->cells * GROUP_CHAINS + at + i / g->cells] = run->points;
        if (run->outcome == OUTCOME_DIVERGED && (!result->diverged++ || run->diverged_at < result->diverged_at))
            result->diverged_at = run->diverged_at;
        result->train_seconds += g->block.train_seconds / (double)(count * g->cells);
        result->lanes = run->lanes > result->lanes ? run->lanes : result->lanes;
    }
    return STATUS_OK;
}

static void take_moments(struct group_block *g, size_t cell, size_t chains)
{
    struct group_result *result = &g->result[cell];
    const size_t *left = g->left + cell * GROUP_CHAINS;
    for (size_t p = 0; p < g->points; p++)
        result->count[p] = chains;
    for (size_t c = 0; c < chains && result->diverged; c++)
        for (size_t p = left[c]; p < g->points; p++)
            result->count[p]--;
    for (int m = 0; m < METRIC_COUNT; m++)
        if (result->metric[m])
            reduce(values_of(g, cell, (enum metric)m), left, chains, g->points, result->count, result->metric[m]);
}

enum status group_block_run(struct group_block *g, uint64_t first, size_t chains, const atomic_bool *stop,
                            const struct group_result **out, struct error *error)
{
    const size_t most = g->layout == LAYOUT_STREAM_PER_LANE ? LANES_MAX : 1;
    for (size_t i = 0; i < g->cells; i++) {
        struct group_result *result = &g->result[i];
        result->chains = chains;
        result->points = g->points;
        result->diverged = result->diverged_at = result->lanes = 0;
        result->train_seconds = 0;
    }
    enum status status = STATUS_OK;
    for (size_t at = 0, count; at < chains && status == STATUS_OK; at += count) {
        count = chains - at < most ? chains - at : most;
        status = run_chains(g, first, at, count, stop, error);
    }
    for (size_t i = 0; i < g->cells && status == STATUS_OK; i++)
        take_moments(g, i, chains);
    *out = g->result;
    return status;
}
