/* Transfer operators on a grid, and the exact law of the escape from a saddle. */
#include "laws/transfer.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/update.h"
#include "model.h"

const char *landscape_obstacle(const struct run_config *c)
{
    const struct model_type *model = c->problem.type->model;
    if (!model || !model->in_region)
        return "a problem that names a region";
    if (!c->schedule.type->constant || c->schedule.warmup || strcmp(c->update->method.name, "sgd") != 0 ||
        c->clip != CLIP_NONE || c->local_workers > 1 || !c->averager->last)
        return "plain steps at a constant rate, without averaging and clipping";
    if (!c->sampler->with_replacement && !c->sampler->deterministic)
        return "batches with replacement, or all samples at each step";
    if (c->problem.l1 > 0 || c->problem.l2 > 0 || isfinite(c->problem.radius))
        return "a problem without penalties";
    return c->start.kind == START_LIST || c->start.kind == START_ZEROS ? NULL : "a start that is not random";
}

/* ---- sequences ---- */

double settling_at(const struct settling *s, uint64_t t)
{
    if (t < s->count)
        return s->value[t];
    return s->limit + (s->value[s->count - 1] - s->limit) * pow(s->ratio, (double)(t - s->count + 1));
}

double settling_sum(const struct settling *s, uint64_t t)
{
    double sum = 0;
    for (size_t i = 0; i < s->count && i < t; i++)
        sum += s->value[i];
    if (t <= s->count)
        return sum;
    const double more = (double)(t - s->count), c = s->value[s->count - 1] - s->limit;
    return sum + (s->limit > 0 ? s->limit * more : 0) + c * s->ratio * (1 - pow(s->ratio, more)) / (1 - s->ratio);
}

double settling_square(const struct settling *s, uint64_t t)
{
    double sum = 0;
    for (size_t i = 0; i < s->count && i < t; i++)
        sum += (2 * (double)i + 1) * s->value[i];
    if (t <= s->count)
        return sum;
    /* sum_{j=1}^{k} (2 (n-1+j) + 1) c r^j, n the count */
    const double r = s->ratio, k = (double)(t - s->count), c = s->value[s->count - 1], power = pow(r, k);
    const double plain = r * (1 - power) / (1 - r),
                 weighted = r * (1 - (k + 1) * power + k * power * r) / pow(1 - r, 2);
    return sum + c * ((2 * (double)s->count - 1) * plain + 2 * weighted);
}

void settling_free(struct settling *s)
{
    free(s->value);
    *s = (struct settling){0};
}

enum { VALUES_MAX = 40000, STEADY = 40 };

/* Watches a sequence until its differences (or, falling to 0, the values themselves) form a geometric one. */
struct watch {
    struct settling *out;
    bool to_zero;
    size_t steady, capacity;
    double ratio;
    bool settled;
};

static enum status watch_add(struct watch *w, double value, struct error *error)
{
    struct settling *s = w->out;
    if (s->count == w->capacity) {
        const size_t capacity = w->capacity ? 2 * w->capacity : 1024;
        double *grown = realloc(s->value, capacity * sizeof *grown);
        if (!grown)
            return error_memory(error, capacity * sizeof *grown, "probabilities of a chain");
        s->value = grown;
        w->capacity = capacity;
    }
    s->value[s->count++] = value;
    const size_t n = s->count;
    if (n < 3 || w->settled)
        return STATUS_OK;
    const double *v = s->value + n - 3;
    const double before = w->to_zero ? v[1] : v[1] - v[0], now = w->to_zero ? v[2] : v[2] - v[1];
    const bool gone = fabs(now) < 1e-15;
    const double ratio = gone || fabs(before) < 1e-15 ? 0 : now / before;
    w->steady = gone || (ratio > 0 && ratio < 1 && fabs(ratio - w->ratio) < 1e-8 * (1 - ratio)) ? w->steady + 1 : 0;
    w->ratio = ratio;
    if (w->steady < STEADY)
        return STATUS_OK;
    w->settled = true;
    s->ratio = ratio;
    s->limit = w->to_zero ? 0 : v[2] + now * ratio / (1 - ratio);
    return STATUS_OK;
}

static enum status not_settled(struct error *error)
{
    return error_set(error, STATUS_NUMERICAL, "the chain's probabilities do not settle within %d steps", VALUES_MAX);
}

/* ---- the operator ---- */

struct transfer {
    const struct problem *problem;
    size_t nodes, rows, atoms; /* rows: the nodes, then the starts */
    double eta, low, step;
    double *x;      /* [rows] */
    double *weight; /* [atoms]: of K = 0 .. m */
    uint32_t *cell; /* [rows][atoms]: where x' lies; `nodes`: outside, where everything is 0 */
    double *part;   /* [rows][atoms]: its place in that cell */
    double *inside; /* [rows][atoms]: 1 when x' lies in the region */
    double *scratch, *strip;
};

enum { STRIP = 64, STRIP_ARRAYS = 3 };

/* g_1 and g_2 at x[STRIP] in gradient[2][STRIP] */
static void two_gradients(const struct transfer *t, const double *x, double *gradient)
{
    const struct dataset *data = t->problem->data;
    for (size_t i = 0; i < 2; i++) {
        const struct batch one = {.a = &data->train, .y = data->y, .first = i, .rows = 1};
        t->problem->type->model->gradient(t->problem, &one, x, STRIP, 0, t->scratch, gradient + i * STRIP);
    }
}

/* x' of count <= STRIP points from[] in to[count][atoms]. */
static void images(const struct transfer *t, const double *from, size_t count, double *to)
{
    double *x = t->strip, *gradient = t->strip + STRIP;
    const double m = (double)(t->atoms - 1);
    for (size_t i = 0; i < STRIP; i++)
        x[i] = from[i < count ? i : 0];
    two_gradients(t, x, gradient);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < t->atoms; k++)
            to[i * t->atoms + k] =
                x[i] - t->eta * ((double)k * gradient[i] + (m - (double)k) * gradient[STRIP + i]) / m;
}

/* The region's indicator at x[count]. */
static void regions(const struct transfer *t, const double *x, size_t count, double *inside)
{
    for (size_t first = 0; first < count; first += STRIP) {
        double *at = t->strip, *is = t->strip + STRIP;
        const size_t now = count - first < STRIP ? count - first : STRIP;
        for (size_t i = 0; i < STRIP; i++)
            at[i] = x[first + (i < now ? i : 0)];
        t->problem->type->model->in_region(t->problem, at, STRIP, is);
        memcpy(inside + first, is, now * sizeof *is);
    }
}

/* The interval that the chain can reach from the starts; where it stops outside of the region, from within that. */
static enum status find_range(struct transfer *t, size_t starts, const double *start, bool stops, struct error *error)
{
    enum { ROUNDS = 2000 };
    const double far = 1e6;
    double low = INFINITY, high = -INFINITY, from[STRIP], inside[STRIP];
    double *to = calloc(STRIP * t->atoms, sizeof *to);
    if (!to)
        return error_memory(error, STRIP * t->atoms * sizeof *to, "a transfer operator");
    for (size_t i = 0; i < starts; i++) {
        low = fmin(low, start[i]);
        high = fmax(high, start[i]);
    }
    bool grows = true;
    for (size_t round = 0; round < ROUNDS && grows && high - low < far; round++) {
        double least = low, most = high;
        for (size_t i = 0; i < STRIP; i++)
            from[i] = low + (high - low) * (double)i / (STRIP - 1);
        regions(t, from, STRIP, inside);
        images(t, from, STRIP, to);
        for (size_t i = 0; i < STRIP * t->atoms; i++)
            if (!stops || inside[i / t->atoms] > 0) {
                least = fmin(least, to[i]);
                most = fmax(most, to[i]);
            }
        grows = low - least + most - high > 1e-7 * (most - least);
        low = least;
        high = most;
    }
    free(to);
    if (high - low >= far || high <= low)
        return error_set(error, STATUS_UNSUPPORTED, "the chain's iterates are not bounded, or it does not move");
    t->low = low;
    t->step = (high - low) / (double)(t->nodes - 1);
    return STATUS_OK;
}

/* Row after row: which cells the images fall into. Across the region's edge nothing is interpolated. */
static void fill_rows(struct transfer *t, const double *node_inside, bool stops)
{
    for (size_t first = 0; first < t->rows; first += STRIP) {
        const size_t count = t->rows - first < STRIP ? t->rows - first : STRIP, at = first * t->atoms;
        double *to = t->part + at;
        images(t, t->x + first, count, to);
        regions(t, to, count * t->atoms, t->inside + at);
        for (size_t i = at; i < at + count * t->atoms; i++) {
            double place = fmin(fmax((t->part[i] - t->low) / t->step, 0), (double)t->nodes - 1);
            size_t cell = (size_t)place < t->nodes - 2 ? (size_t)place : t->nodes - 2;
            place -= (double)cell;
            if (stops && node_inside[cell] > 0 && !(node_inside[cell + 1] > 0))
                place = 0;
            else if (stops && !(node_inside[cell] > 0) && node_inside[cell + 1] > 0)
                place = 1;
            if (stops && !(t->inside[i] > 0)) {
                cell = t->nodes;
                place = 0;
            }
            t->cell[i] = (uint32_t)cell;
            t->part[i] = place;
        }
    }
}

static void transfer_close(struct transfer *t)
{
    free(t->x);
    free(t->cell);
    free(t->scratch);
    *t = (struct transfer){0};
}

static enum status transfer_open(const struct problem *problem, size_t batch_size, double eta, size_t nodes,
                                 size_t starts, const double *start, bool stops, struct transfer *t,
                                 struct error *error)
{
    *t = (struct transfer){
        .problem = problem, .nodes = nodes, .rows = nodes + starts, .atoms = batch_size + 1, .eta = eta};
    if (problem->data->train.rows != 2 || problem_dim(problem) != 1)
        return error_set(error, STATUS_UNSUPPORTED, "the transfer operator is that of two samples and one coordinate");
    const size_t entries = t->rows * t->atoms;
    const size_t doubles = STRIP_ARRAYS * STRIP + problem->type->model->scratch(problem, STRIP) + 8;
    t->x = calloc(t->rows + t->atoms + 2 * entries + nodes, sizeof *t->x);
    t->cell = calloc(entries, sizeof *t->cell);
    t->scratch = aligned_alloc(64, (doubles + 7) / 8 * 8 * sizeof *t->scratch);
    if (!t->x || !t->cell || !t->scratch) {
        transfer_close(t);
        return error_memory(error, 3 * entries * sizeof *t->x, "a transfer operator");
    }
    t->weight = t->x + t->rows;
    t->part = t->weight + t->atoms;
    t->inside = t->part + entries;
    double *node_inside = t->inside + entries;
    t->strip = t->scratch + (doubles - STRIP_ARRAYS * STRIP) / 8 * 8;
    for (size_t k = 0; k < t->atoms; k++)
        t->weight[k] = gsl_ran_binomial_pdf((unsigned)k, 0.5, (unsigned)batch_size);
    const enum status status = find_range(t, starts, start, stops, error);
    if (status != STATUS_OK) {
        transfer_close(t);
        return status;
    }
    for (size_t i = 0; i < nodes; i++)
        t->x[i] = t->low + t->step * (double)i;
    memcpy(t->x + nodes, start, starts * sizeof *start);
    regions(t, t->x, nodes, node_inside);
    fill_rows(t, node_inside, stops);
    return STATUS_OK;
}

/* P(x_1 in the region), row by row. */
static void first_step(const struct transfer *t, double *u)
{
    for (size_t i = 0; i < t->rows; i++) {
        u[i] = 0;
        for (size_t k = 0; k < t->atoms; k++)
            u[i] += t->weight[k] * t->inside[i * t->atoms + k];
    }
}

/* next[rows] = P u; u has two zeros behind its nodes. */
static void apply(const struct transfer *t, const double *u, double *next)
{
    for (size_t i = 0; i < t->rows; i++) {
        double sum = 0;
        for (size_t k = 0; k < t->atoms; k++) {
            const double *at = u + t->cell[i * t->atoms + k];
            sum += t->weight[k] * (at[0] + t->part[i * t->atoms + k] * (at[1] - at[0]));
        }
        next[i] = sum;
    }
}

/* The sequences of all starts: step after step backwards in time. */
static enum status iterate(const struct transfer *t, size_t starts, struct watch *watch, struct error *error)
{
    enum status status = STATUS_OK;
    double *block = calloc(2 * (t->rows + 2), sizeof *block);
    if (!block)
        return error_memory(error, 2 * t->rows * sizeof *block, "a transfer operator");
    double *u = block, *next = u + t->rows + 2;
    first_step(t, u);
    for (size_t step = 1;; step++) {
        bool settled = true;
        for (size_t i = 0; status == STATUS_OK && i < starts; i++) {
            if (!watch[i].settled)
                status = watch_add(&watch[i], u[t->nodes + i], error);
            settled = settled && watch[i].settled;
        }
        if (status != STATUS_OK || settled)
            break;
        if (step == VALUES_MAX) {
            status = not_settled(error);
            break;
        }
        u[t->nodes] = u[t->nodes + 1] = 0;
        apply(t, u, next);
        double *swap = u;
        u = next;
        next = swap;
    }
    free(block);
    return status;
}

static enum status sequences(const struct problem *problem, size_t batch_size, double eta, size_t nodes, size_t starts,
                             const double *start, bool stops, struct settling *out, struct error *error)
{
    enum { STARTS_MAX = 8 };
    struct watch watch[STARTS_MAX] = {0};
    struct transfer t;
    memset(out, 0, starts * sizeof *out);
    if (starts > STARTS_MAX)
        return error_set(error, STATUS_UNSUPPORTED, "%zu starts; at most %d", starts, STARTS_MAX);
    enum status status = transfer_open(problem, batch_size, eta, nodes, starts, start, stops, &t, error);
    if (status != STATUS_OK)
        return status;
    double inside[STARTS_MAX];
    regions(&t, start, starts, inside);
    for (size_t i = 0; i < starts && status == STATUS_OK; i++) {
        watch[i] = (struct watch){.out = &out[i], .to_zero = stops};
        status = watch_add(&watch[i], inside[i], error);
    }
    if (status == STATUS_OK)
        status = iterate(&t, starts, watch, error);
    transfer_close(&t);
    for (size_t i = 0; status != STATUS_OK && i < starts; i++)
        settling_free(&out[i]);
    return status;
}

enum status transfer_occupancy(const struct problem *problem, size_t batch_size, double eta, size_t nodes,
                               size_t starts, const double *start, struct settling *out, struct error *error)
{
    return sequences(problem, batch_size, eta, nodes, starts, start, false, out, error);
}

enum status transfer_survival(const struct problem *problem, size_t batch_size, double eta, size_t nodes, double start,
                              struct settling *out, struct error *error)
{
    return sequences(problem, batch_size, eta, nodes, 1, &start, true, out, error);
}

/* ---- the saddle ---- */

/* P(|Z| < c) for Z in [-bound, bound] with characteristic function phi[k] at 2 pi k/period, period = 2 bound. */
static double within(double c, double bound, size_t terms, const double *phi)
{
    double sum = c / bound;
    for (size_t k = 1; k <= terms; k++)
        sum += 2 / (M_PI * (double)k) * phi[k] * sin(M_PI * (double)k * c / bound);
    return sum;
}

enum status saddle_survival(const struct problem *problem, size_t batch_size, double eta, struct settling *out,
                            struct error *error)
{
    const double *y = problem->data->y, lambda = problem->values.scalar[0], radius = problem->values.scalar[1];
    *out = (struct settling){0};
    if (strcmp(problem->type->method.name, "saddle") != 0 || problem->data->train.rows != 2 ||
        fabs(y[0] + y[1]) > 1e-12 * fabs(y[0]) || fabs(y[0]) == 0)
        return error_set(error, STATUS_UNSUPPORTED, "this escape time is that of a saddle with two opposite targets");
    const double sigma = fabs(y[0]), growth = 1 + eta * lambda, bound = sigma / lambda;
    if (radius < bound * (1 - 1e-12))
        return error_set(error, STATUS_UNSUPPORTED,
                         "noise of %g may bring back what has left the region of radius %g: this needs a radius of "
                         "at least %g",
                         sigma, radius, bound);
    /* Gaussian but for a factor: beyond exp(-40) nothing is left. Three quarters of the variance are there when the
     * first chains can leave. */
    const double m = (double)batch_size, variance = 0.75 * pow(eta * sigma, 2) / m / (growth * growth - 1);
    const size_t terms = (size_t)ceil(sqrt(2 * 40 / variance) * bound / M_PI);
    double *phi = calloc(terms + 1, sizeof *phi);
    if (!phi)
        return error_memory(error, terms * sizeof *phi, "a Fourier series");
    for (size_t k = 0; k <= terms; k++)
        phi[k] = 1;
    struct watch watch = {.out = out, .to_zero = true};
    enum status status = watch_add(&watch, 1, error);
    double scale = 1; /* growth^-t */
    for (size_t t = 1; status == STATUS_OK && !watch.settled && t < VALUES_MAX; t++) {
        scale /= growth;
        for (size_t k = 1; k <= terms; k++)
            phi[k] *= pow(cos(M_PI * (double)k / bound * eta * sigma / m * scale), m);
        const bool certain = radius * scale >= bound * (1 - scale);
        status = watch_add(&watch, certain ? 1 : within(radius * scale, bound, terms, phi), error);
    }
    free(phi);
    if (status == STATUS_OK && !watch.settled)
        status = not_settled(error);
    if (status != STATUS_OK)
        settling_free(out);
    return status;
}
