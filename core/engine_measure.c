/* What is measured at a recorded step, for all lanes at once. */
#include "engine_block.h"

#include <math.h>
#include <string.h>

/* (l2/2) |x_p|^2 + l1 |x_p|_1 of one lane, x_p the penalised coordinates. */
static double penalty_value(const struct block *b, const double *x, size_t lane)
{
    const struct lane_block *l = &b->lanes;
    double square = 0, absolute = 0;
    for (size_t j = 0; j < l->penalized; j++) {
        double v = x[j * b->measure_width + lane];
        square += v * v;
        absolute += fabs(v);
    }
    return 0.5 * l->l2[lane] * square + l->l1[lane] * absolute;
}

/* |g + l2 x_p + l1 sign(x_p)|^2 of one lane, from the sum of the sample gradients. */
static double gradient_norm2(const struct block *b, const double *x, size_t lane)
{
    const struct lane_block *l = &b->lanes;
    const double inverse = 1.0 / (double)l->a->rows;
    double sum = 0;
    for (size_t j = 0; j < l->dim; j++) {
        double v = x[j * b->measure_width + lane], g = b->measured_gradient[j * b->measure_width + lane] * inverse;
        if (j < l->penalized)
            g += l->l2[lane] * v + l->l1[lane] * (double)((v > 0) - (v < 0));
        sum += g * g;
    }
    return sum;
}

static double distance2(const struct block *b, const double *x, const double *from, size_t lane)
{
    double sum = 0;
    for (size_t j = 0; j < b->lanes.dim; j++) {
        double e = x[j * b->measure_width + lane] - (from ? from[j * b->measure_width + lane] : 0);
        sum += e * e;
    }
    return sum;
}

/* Writes value(run's lane) into metric m of every active run that watches this observer. */
static void put(struct block *b, size_t observer, enum metric m, const double *value)
{
    for (size_t i = 0; i < b->runs; i++)
        if (b->observer_of[i] == observer && !b->retired[b->lane_of[i]] && b->result[i].metric[m])
            b->result[i].metric[m][b->point] = value[b->lane_of[i]];
}

/* loss, gap and grad_norm2 of a training iterate x [dim][measure_width]. */
static void measure_training(struct block *b, const double *x, size_t observer, unsigned wanted)
{
    const struct lane_block *l = &b->lanes;
    const size_t width = b->measure_width;
    double gap[LANES_MAX], loss[LANES_MAX], norm[LANES_MAX];
    if (b->h) {
        b->kernels->quadratic(b->h, b->h_stride, l->dim, l->penalized, l->l2, b->optimum, x, width,
                              b->measured_gradient, b->form, b->grad2);
        for (size_t k = 0; k < b->trajectories; k++)
            if (b->has_optimum[k]) {
                gap[k] = 0.5 * b->form[k];
                loss[k] = b->lane_request[k]->config->reference->f + gap[k];
                norm[k] = b->grad2[k];
            }
    }
    if (!b->all_quadratic && wanted & (1u << METRIC_LOSS | 1u << METRIC_GAP | 1u << METRIC_ACCURACY)) {
        bool classes = wanted & 1u << METRIC_ACCURACY;
        b->kernels->full_loss(l->a, l->y, l->loss, x, width, b->pass_scratch, b->sum, classes ? b->correct : NULL);
        for (size_t k = 0; k < b->trajectories; k++) {
            b->correct[k] /= (double)l->a->rows;
            if (b->h && b->has_optimum[k])
                continue;
            loss[k] = b->sum[k] / (double)l->a->rows + penalty_value(b, x, k);
            gap[k] = b->has_optimum[k] ? loss[k] - b->lane_request[k]->config->reference->f : 0;
        }
        if (classes)
            put(b, observer, METRIC_ACCURACY, b->correct);
    }
    if (!b->all_quadratic && wanted & 1u << METRIC_GRAD_NORM2) {
        b->kernels->full_gradient(l->a, l->y, l->loss, x, width, b->pass_scratch, b->measured_gradient);
        for (size_t k = 0; k < b->trajectories; k++)
            if (!b->h || !b->has_optimum[k])
                norm[k] = gradient_norm2(b, x, k);
    }
    if (wanted & 1u << METRIC_LOSS)
        put(b, observer, METRIC_LOSS, loss);
    if (wanted & 1u << METRIC_GAP)
        put(b, observer, METRIC_GAP, gap);
    if (wanted & 1u << METRIC_GRAD_NORM2)
        put(b, observer, METRIC_GRAD_NORM2, norm);
}

static void measure(struct block *b, const double *x, size_t observer)
{
    const struct run_config *first = b->request[0].config;
    const struct dataset *data = first->problem.data;
    const unsigned wanted = first->metrics;
    double value[LANES_MAX];
    if (wanted & (1u << METRIC_LOSS | 1u << METRIC_GAP | 1u << METRIC_ACCURACY | 1u << METRIC_GRAD_NORM2))
        measure_training(b, x, observer, wanted);
    if (wanted & 1u << METRIC_DISTANCE2) {
        for (size_t k = 0; k < b->trajectories; k++)
            value[k] = distance2(b, x, b->optimum, k);
        put(b, observer, METRIC_DISTANCE2, value);
    }
    if (wanted & 1u << METRIC_NORM2) {
        for (size_t k = 0; k < b->trajectories; k++)
            value[k] = distance2(b, x, NULL, k);
        put(b, observer, METRIC_NORM2, value);
    }
    if (data->test.rows && wanted & (1u << METRIC_TEST_LOSS | 1u << METRIC_TEST_ACCURACY)) {
        b->kernels->full_loss(&data->test, data->test_y, b->lanes.loss, x, b->measure_width, b->pass_scratch, b->sum,
                              b->correct);
        for (size_t k = 0; k < b->trajectories; k++) {
            b->sum[k] /= (double)data->test.rows;
            b->correct[k] /= (double)data->test.rows;
        }
        put(b, observer, METRIC_TEST_LOSS, b->sum);
        put(b, observer, METRIC_TEST_ACCURACY, b->correct);
    }
}

/* The iterate to measure: the lanes as they are, or the mean of local SGD's workers. */
static const double *measured(struct block *b, const double *x)
{
    if (b->workers == 1)
        return x;
    for (size_t j = 0; j < b->lanes.dim; j++) {
        double sum = 0;
        for (size_t k = 0; k < b->workers; k++)
            sum += x[j * b->lanes.width + k];
        b->worker_mean[j] = sum / (double)b->workers;
    }
    return b->worker_mean;
}

void block_record(struct block *b)
{
    bool last = false;
    for (size_t i = 0; i < b->runs; i++)
        last = last || b->observer_of[i] == NO_OBSERVER;
    if (last)
        measure(b, measured(b, b->lanes.x), NO_OBSERVER);
    for (size_t o = 0; o < b->observers; o++)
        measure(b, measured(b, b->lanes.mean[o]), o);
    for (size_t i = 0; i < b->runs; i++)
        if (!b->retired[b->lane_of[i]]) {
            b->result[i].seconds[b->point] = b->train_seconds / (double)b->trajectories;
            b->result[i].points = b->point + 1;
        }
    b->point++;
}
