/* What is measured at a recorded step, for all lanes at once. */
#include "curvature.h"
#include "engine_block.h"
#include "model.h"

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

/* The place of an observer's metric at a point that is not sunk yet: [width]. */
static double *sink_at(const struct block *b, size_t observer, enum metric m, size_t point)
{
    const size_t o = observer == NO_OBSERVER ? b->observers : observer;
    return b->sink[m] + (o * SINK_POINTS + point - b->sunk) * b->lanes.width;
}

/* Keeps metric m of all lanes as this observer sees them. */
static void put(struct block *b, size_t observer, enum metric m, const double *value)
{
    if (b->sink[m])
        memcpy(sink_at(b, observer, m, b->point), value, b->trajectories * sizeof *value);
}

void block_sink(struct block *b)
{
    for (size_t i = 0; i < b->runs; i++) {
        const size_t lane = b->lane_of[i], end = b->retired[lane] ? b->result[i].points : b->point;
        for (int m = 0; m < METRIC_COUNT && b->sunk < end; m++) {
            double *out = b->result[i].metric[m];
            if (!out)
                continue;
            const double *value = sink_at(b, b->observer_of[i], (enum metric)m, b->sunk) + lane;
            for (size_t p = b->sunk; p < end; p++, value += b->lanes.width)
                out[p] = *value;
        }
    }
    b->sunk = b->point;
}

/* loss and gap of the lanes that have the quadratic form, at x [dim][measure_width]; |grad f|^2 is then in b->grad2. */
static void quadratic_values(struct block *b, const double *x, double *loss, double *gap)
{
    const struct lane_block *l = &b->lanes;
    if (!b->h)
        return;
    b->kernels->quadratic(b->h, b->h_stride, l->dim, l->penalized, l->l2, b->optimum, x, b->measure_width,
                          b->measured_gradient, b->form, b->grad2);
    for (size_t k = 0; k < b->trajectories; k++) {
        gap[k] = 0.5 * b->form[k];
        loss[k] = b->f_star[k] + gap[k];
    }
}

/* Sums over all rows, FULL_PASS_ROWS at a time and then the sums of those: of the losses, and (correct not NULL) of the
 * right predictions. */
static void full_loss(const struct block *b, const struct matrix *a, const double *y, const double *x, double *sum,
                      double *correct)
{
    const struct lane_block *l = &b->lanes;
    if (!l->model) {
        b->kernels->full_loss(a, y, l->loss, x, b->measure_width, b->pass_scratch, sum, correct);
        return;
    }
    const size_t bytes = b->measure_width * sizeof *sum;
    memset(sum, 0, bytes);
    if (correct)
        memset(correct, 0, bytes);
    for (size_t first = 0; first < a->rows; first += FULL_PASS_ROWS) {
        const size_t left = a->rows - first;
        const struct batch batch = {
            .a = a, .y = y, .first = first, .rows = left < FULL_PASS_ROWS ? left : FULL_PASS_ROWS};
        memset(b->part, 0, bytes);
        l->model->loss(l->problem, &batch, x, b->measure_width, l->model_scratch, b->part, correct);
        for (size_t k = 0; k < b->measure_width; k++)
            sum[k] += b->part[k];
    }
}

/* The sum of the gradients of all training samples, in b->measured_gradient. */
static void full_gradient(const struct block *b, const double *x)
{
    const struct lane_block *l = &b->lanes;
    if (!l->model) {
        b->kernels->full_gradient(l->a, l->y, l->loss, x, b->measure_width, b->pass_scratch, b->measured_gradient);
        return;
    }
    const struct batch all = {.a = l->a, .y = l->y, .rows = l->a->rows};
    l->model->gradient(l->problem, &all, x, b->measure_width, 0, l->model_scratch, b->measured_gradient);
}

/* The same of the other lanes, by a pass over all samples, and, unless NULL, the accuracy of all. */
static void pass_values(struct block *b, const double *x, double *accuracy, double *loss, double *gap)
{
    const struct lane_block *l = &b->lanes;
    const double rows = (double)l->a->rows;
    double value[LANES_MAX];
    if (b->all_quadratic)
        return;
    full_loss(b, l->a, l->y, x, b->sum, accuracy);
    for (size_t k = 0; accuracy && k < b->trajectories; k++)
        accuracy[k] /= rows;
    for (size_t k = 0; k < b->trajectories; k++)
        value[k] = b->sum[k] / rows;
    for (size_t k = 0; l->penalty != PENALTY_NONE && k < b->trajectories; k++)
        value[k] += penalty_value(b, x, k);
    for (size_t k = 0; k < b->trajectories; k++) {
        if (b->h && b->has_optimum[k])
            continue;
        loss[k] = value[k];
        gap[k] = value[k] - b->f_star[k];
    }
}

/* loss, gap, grad_norm2 and accuracy of a training iterate x. */
static void measure_training(struct block *b, const double *x, size_t observer, unsigned wanted)
{
    double gap[LANES_MAX], loss[LANES_MAX], norm[LANES_MAX];
    quadratic_values(b, x, loss, gap);
    if (wanted & (1u << METRIC_LOSS | 1u << METRIC_GAP | 1u << METRIC_ACCURACY))
        pass_values(b, x, wanted & 1u << METRIC_ACCURACY ? b->correct : NULL, loss, gap);
    if (b->h)
        memcpy(norm, b->grad2, b->trajectories * sizeof *norm);
    if (!b->all_quadratic && wanted & 1u << METRIC_GRAD_NORM2) {
        full_gradient(b, x);
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
    if (wanted & 1u << METRIC_ACCURACY)
        put(b, observer, METRIC_ACCURACY, b->correct);
}

/* Lane by lane, each as if it were alone. */
static void measure_curvature(struct block *b, const double *x, size_t observer)
{
    double sharpness[LANES_MAX] = {0}, noise[LANES_MAX] = {0};
    for (size_t k = 0; k < b->trajectories; k++) {
        const struct problem *problem = &b->lane_request[k]->config->problem;
        if (b->retired[k])
            continue;
        curvature_at(b->curvature, problem, x + k, b->measure_width);
        if (b->sink[METRIC_SHARPNESS] && curvature_defined(problem))
            sharpness[k] = curvature_largest(b->curvature);
        if (b->sink[METRIC_NOISE_SCALE])
            noise[k] = curvature_noise_scale(b->curvature);
    }
    put(b, observer, METRIC_SHARPNESS, sharpness);
    put(b, observer, METRIC_NOISE_SCALE, noise);
}

static void measure(struct block *b, const double *x, size_t observer)
{
    const struct run_config *first = b->request[0].config;
    const struct dataset *data = first->problem.data;
    const unsigned wanted = first->metrics;
    double value[LANES_MAX] __attribute__((aligned(64)));
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
    if (wanted & 1u << METRIC_X1)
        put(b, observer, METRIC_X1, x);
    if (wanted & 1u << METRIC_IN_REGION && b->lanes.model && b->lanes.model->in_region) {
        b->lanes.model->in_region(b->lanes.problem, x, b->measure_width, value);
        put(b, observer, METRIC_IN_REGION, value);
    }
    if (b->curvature)
        measure_curvature(b, x, observer);
    if (data->test.rows && wanted & (1u << METRIC_TEST_LOSS | 1u << METRIC_TEST_ACCURACY)) {
        full_loss(b, &data->test, data->test_y, x, b->sum, b->correct);
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

void block_add_gap(struct block *b)
{
    double gap[LANES_MAX], loss[LANES_MAX];
    const double *x = measured(b, b->lanes.x);
    quadratic_values(b, x, loss, gap);
    pass_values(b, x, NULL, loss, gap);
    for (size_t k = 0; k < b->trajectories; k++)
        b->gap_sum[k] += gap[k];
}

void block_note_exits(struct block *b)
{
    double inside[LANES_MAX] __attribute__((aligned(64)));
    const struct lane_block *l = &b->lanes;
    l->model->in_region(l->problem, measured(b, l->x), b->measure_width, inside);
    for (size_t k = 0; k < b->trajectories; k++)
        if (b->exit_time[k] == NOT_LEFT && inside[k] == 0)
            b->exit_time[k] = b->step;
}

/* Steps before the iterate first left the region, as far as they are known. */
static void measure_exits(struct block *b)
{
    double value[LANES_MAX];
    block_note_exits(b);
    for (size_t k = 0; k < b->trajectories; k++)
        value[k] = (double)(b->exit_time[k] < b->step ? b->exit_time[k] : b->step);
    put(b, NO_OBSERVER, METRIC_EXIT_TIME, value);
}

/* The mean of the gaps before this step; at step 0 the gap itself. */
static void measure_mean_gap(struct block *b)
{
    double mean[LANES_MAX];
    if (b->step == 0)
        block_add_gap(b);
    const double steps = b->step == 0 ? 1 : (double)b->step;
    for (size_t k = 0; k < b->trajectories; k++)
        mean[k] = b->gap_sum[k] / steps;
    put(b, NO_OBSERVER, METRIC_MEAN_GAP, mean);
    if (b->step == 0)
        memset(b->gap_sum, 0, b->trajectories * sizeof *b->gap_sum);
}

void block_record(struct block *b)
{
    if (b->point - b->sunk == SINK_POINTS)
        block_sink(b);
    if (b->reads_last)
        measure(b, measured(b, b->lanes.x), NO_OBSERVER);
    if (b->reads_last && b->gap_sum)
        measure_mean_gap(b);
    if (b->reads_last && b->exit_time)
        measure_exits(b);
    for (size_t o = 0; o < b->observers; o++)
        measure(b, measured(b, b->lanes.mean[o]), o);
    for (size_t i = 0; b->timed && i < b->runs; i++)
        if (!b->retired[b->lane_of[i]])
            b->result[i].seconds[b->point] = b->train_seconds / (double)b->trajectories;
    b->point++;
}
