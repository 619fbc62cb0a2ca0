/* Estimator runs of momentum: velocities at a frozen iterate. (1 - beta) v_t is a weighted mean of t batch gradients,
 * weights (1 - beta) beta^(t-s), which gives its moments in closed form: see estimator.h. */
#include <string.h>

#include "estimator_internal.h"
#include "kernels/update.h"

double config_momentum(const struct run_config *config)
{
    const struct method *method = &config->update->method;
    int momentum = param_find(method->params, method->param_count, "momentum");
    return momentum < 0 ? 0 : config->update_values.scalar[momentum];
}

enum { CHUNK_DRAWS = 256 }; /* draws in one partial sum */

/* Batches of consecutive steps, drawn by the chunk. */
struct batches {
    struct sampler *sampler;
    uint32_t *index, *size, *at; /* at: the first index of the next batch */
    size_t chunk, left;          /* steps drawn at once; drawn and not yet used */
    uint64_t next;               /* step that is drawn next */
};

static const uint32_t *next_batch(struct batches *b, size_t *rows)
{
    if (!b->left) {
        b->sampler->type->draw(b->sampler, b->next, b->chunk, b->index, b->size);
        b->next += b->chunk;
        b->left = b->chunk;
        b->at = b->index;
    }
    *rows = b->size[b->chunk - b->left--];
    const uint32_t *batch = b->at;
    b->at += *rows;
    return batch;
}

/* v = beta v + g_B */
static void advance(struct estimator *e, struct batches *batches)
{
    size_t rows;
    const uint32_t *index = next_batch(batches, &rows);
    estimator_batch(e, index, rows);
    for (size_t j = 0; j < e->d; j++)
        e->velocity[j] = e->beta * e->velocity[j] + e->sum[j] / (double)rows;
}

/* deviation[d] := (1 - beta) v less its expectation */
static void take_deviation(const struct estimator *e, double mean, double *deviation)
{
    for (size_t j = 0; j < e->d; j++)
        deviation[j] = (1 - e->beta) * e->velocity[j] - mean * e->gradient[j];
}

enum status estimator_draw_velocities(struct estimator *e, uint64_t draws, uint64_t first, struct sampler *sampler,
                                      uint32_t *index, uint32_t *size, size_t chunk, const atomic_bool *stop)
{
    const uint64_t steps = e->request->config->velocity_steps;
    struct batches batches = {.sampler = sampler, .index = index, .size = size, .chunk = chunk, .next = first};
    double *later = e->velocity + e->padded;
    while (e->draws < draws) {
        if (stop && atomic_load_explicit(stop, memory_order_relaxed))
            return STATUS_INTERRUPTED;
        memset(e->velocity, 0, e->padded * sizeof *e->velocity);
        for (uint64_t s = 0; s < steps; s++)
            advance(e, &batches);
        take_deviation(e, e->mean, e->deviation);
        double square = 0, power = 1, remaining = 1 - e->mean; /* beta^k, beta^(t+k) */
        for (size_t j = 0; j < e->d; j++)
            square += e->deviation[j] * e->deviation[j];
        const double inverse_count = 1.0 / (double)(e->draws + 1);
        for (uint64_t k = 1, lag = 0; lag < ESTIMATOR_LAGS; k++) {
            advance(e, &batches);
            power *= e->beta;
            remaining *= e->beta;
            if (k != estimator_lag[lag])
                continue;
            double product = 0;
            take_deviation(e, 1 - remaining, later);
            for (size_t j = 0; j < e->d; j++)
                product += e->deviation[j] * later[j];
            add_value(&e->lag[lag++], product - power * square, inverse_count);
        }
        estimator_add(e);
        if (e->draws % CHUNK_DRAWS == 0 || e->draws == draws)
            estimator_end_chunk(e);
    }
    return STATUS_OK;
}
