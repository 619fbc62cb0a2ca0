/* Split, label noise, order, standardising and intercept. */
#include "data/prepare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rng.h"

enum { WORDS = 256, GROUP_SPLIT = 0, GROUP_ORDER = 1, GROUP_NOISE = 2 };

/* Uniform indices from a stream, fetched by the block. */
struct draws {
    struct rng_stream stream;
    uint64_t position;
    size_t left;
    uint64_t word[WORDS];
};

static uint32_t draw_index(struct draws *draws, size_t n)
{
    if (!draws->left) {
        rng_words(&draws->stream, draws->position, WORDS, draws->word);
        draws->position += WORDS;
        draws->left = WORDS;
    }
    return rng_index(draws->word[WORDS - draws->left--], (uint32_t)n);
}

/* The first `count` places of index[n] become a uniform draw without replacement (Fisher-Yates). */
static void draw_subset(struct draws *draws, uint32_t *index, size_t n, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t j = i + draw_index(draws, n - i);
        uint32_t swapped = index[i];
        index[i] = index[j];
        index[j] = swapped;
    }
}

/* Shares `total` among classes in proportion to size[k], by largest remainder, at most size[k] - 1 each. */
static void share_out(const size_t *size, size_t classes, double fraction, size_t total, size_t *share)
{
    double remainder[LABELS_MAX];
    size_t given = 0;
    for (size_t k = 0; k < classes; k++) {
        double exact = fraction * (double)size[k];
        share[k] = (size_t)exact < size[k] ? (size_t)exact : size[k] - (size[k] > 0);
        remainder[k] = share[k] + 1 < size[k] ? exact - (double)share[k] : -1;
        given += share[k];
    }
    while (given < total) {
        size_t best = 0;
        for (size_t k = 1; k < classes; k++)
            if (remainder[k] > remainder[best])
                best = k;
        if (classes == 0 || remainder[best] < 0)
            break;
        share[best]++;
        given++;
        remainder[best] = -1;
    }
}

/* Marks the samples of the test part. */
static enum status choose_test(const struct data_spec *spec, const struct samples *samples, size_t classes,
                               bool *in_test, struct error *error)
{
    size_t n = samples->matrix.rows, total = (size_t)(spec->test_fraction * (double)n + 0.5);
    if (total == 0 || total >= n)
        return error_set(error, STATUS_USAGE, "test_fraction %g of %zu samples leaves no %s samples",
                         spec->test_fraction, n, total ? "training" : "test");
    size_t groups = spec->task == TASK_REGRESSION ? 1 : classes, start[LABELS_MAX + 1] = {0}, size[LABELS_MAX] = {0},
           share[LABELS_MAX] = {0}, filled[LABELS_MAX] = {0};
    uint32_t *member = malloc(n * sizeof *member); /* samples class by class */
    if (!member)
        return error_memory(error, n * sizeof *member, "the split");
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < n; i++) {
            double y = samples->target[i];
            size_t k = spec->task == TASK_REGRESSION ? 0 : spec->task == TASK_BINARY ? y > 0 : (size_t)y;
            if (pass == 0)
                size[k]++;
            else
                member[start[k] + filled[k]++] = (uint32_t)i;
        }
        for (size_t k = 0; pass == 0 && k < groups; k++)
            start[k + 1] = start[k] + size[k];
    }
    share_out(size, groups, spec->test_fraction, total, share);
    struct draws draws = {.stream = rng_stream(spec->data_seed, RNG_SPLIT, GROUP_SPLIT, 0)};
    for (size_t k = 0; k < groups; k++) {
        draw_subset(&draws, member + start[k], size[k], share[k]);
        for (size_t i = 0; i < share[k]; i++)
            in_test[member[start[k] + i]] = true;
    }
    free(member);
    return STATUS_OK;
}

/* Gives wrong labels to some of the training samples index[0 .. train). */
static enum status spoil_labels(const struct data_spec *spec, size_t classes, const uint32_t *index, size_t train,
                                double *target, struct error *error)
{
    const size_t count = (size_t)(spec->label_noise * (double)train + 0.5);
    if (spec->task == TASK_REGRESSION)
        return error_set(error, STATUS_USAGE, "label_noise draws other classes, and a regression problem has none");
    if (classes < 2)
        return error_set(error, STATUS_USAGE, "label_noise needs another class to draw: there is only one");
    uint32_t *chosen = malloc(train * sizeof *chosen);
    if (!chosen)
        return error_memory(error, train * sizeof *chosen, "label noise");
    memcpy(chosen, index, train * sizeof *chosen);
    struct draws draws = {.stream = rng_stream(spec->data_seed, RNG_SPLIT, GROUP_NOISE, 0)};
    draw_subset(&draws, chosen, train, count);
    for (size_t i = 0; i < count; i++) {
        double *y = &target[chosen[i]];
        const double other = draw_index(&draws, classes - 1);
        *y = spec->task == TASK_BINARY ? -*y : other + (other >= *y);
    }
    free(chosen);
    return STATUS_OK;
}

struct keyed {
    double key;
    uint32_t index;
};

static int compare_keyed(const void *left, const void *right)
{
    const struct keyed *a = left, *b = right;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static enum status sort_by_target(const double *target, uint32_t *index, size_t count, struct error *error)
{
    struct keyed *keyed = malloc(count * sizeof *keyed);
    if (!keyed)
        return error_memory(error, count * sizeof *keyed, "sorting by label");
    for (size_t i = 0; i < count; i++)
        keyed[i] = (struct keyed){target[index[i]], index[i]};
    qsort(keyed, count, sizeof *keyed, compare_keyed);
    for (size_t i = 0; i < count; i++)
        index[i] = keyed[i].index;
    free(keyed);
    return STATUS_OK;
}

/* index: *train training samples in the order wanted, then the test samples. Label noise goes into the targets. */
static enum status choose_rows(const struct data_spec *spec, struct samples *samples, size_t classes, uint32_t *index,
                               size_t *train, struct error *error)
{
    size_t n = samples->matrix.rows, test = n;
    bool *in_test = calloc(n, sizeof *in_test);
    if (!in_test)
        return error_memory(error, n * sizeof *in_test, "the split");
    enum status status = spec->test_fraction > 0 ? choose_test(spec, samples, classes, in_test, error) : STATUS_OK;
    *train = 0;
    for (size_t i = 0; i < n; i++)
        if (!in_test[i])
            index[(*train)++] = (uint32_t)i;
    for (size_t i = n; i-- > 0;)
        if (in_test[i])
            index[--test] = (uint32_t)i;
    free(in_test);
    if (!status && spec->label_noise > 0)
        status = spoil_labels(spec, classes, index, *train, samples->target, error);
    if (!status && spec->order == ORDER_SORTED_BY_LABEL) {
        status = sort_by_target(samples->target, index, *train, error);
    } else if (!status && spec->order == ORDER_SHUFFLED) {
        struct draws draws = {.stream = rng_stream(spec->data_seed, RNG_SPLIT, GROUP_ORDER, 0)};
        draw_subset(&draws, index, *train, *train);
    }
    return status;
}

static enum status gather_targets(const double *target, const uint32_t *index, size_t count, double **out,
                                  struct error *error)
{
    *out = malloc((count ? count : 1) * sizeof **out);
    if (!*out)
        return error_memory(error, count * sizeof **out, "the targets");
    for (size_t i = 0; i < count; i++)
        (*out)[i] = target[index[i]];
    return STATUS_OK;
}

/* mean[j] and scale[j] of the first d columns of a dense matrix. lowest and highest are room for d numbers each: a
 * constant column is told by them, since the rounded mean of n equal numbers need not be that number. */
static void moments_dense(const struct matrix *x, size_t d, double *mean, double *scale, double *lowest,
                          double *highest)
{
    double n = (double)x->rows;
    memcpy(lowest, x->value, d * sizeof *lowest);
    memcpy(highest, x->value, d * sizeof *highest);
    for (size_t i = 0; i < x->rows; i++) {
        const double *row = x->value + i * x->stride;
        for (size_t j = 0; j < d; j++) {
            mean[j] += row[j];
            lowest[j] = row[j] < lowest[j] ? row[j] : lowest[j];
            highest[j] = row[j] > highest[j] ? row[j] : highest[j];
        }
    }
    for (size_t j = 0; j < d; j++)
        mean[j] = lowest[j] == highest[j] ? lowest[j] : mean[j] / n;
    for (size_t i = 0; i < x->rows; i++) {
        const double *row = x->value + i * x->stride;
        for (size_t j = 0; j < d; j++)
            scale[j] += (row[j] - mean[j]) * (row[j] - mean[j]);
    }
    for (size_t j = 0; j < d; j++)
        scale[j] = lowest[j] == highest[j] || scale[j] == 0 ? 1 : sqrt(scale[j] / n);
}

static void moments_sparse(const struct matrix *x, size_t d, double *scale)
{
    double n = (double)x->rows;
    for (size_t i = 0; i < x->rows; i++)
        for (size_t k = x->row[i]; k < x->row[i + 1]; k++)
            if (x->column[k] < d)
                scale[x->column[k]] += x->value[k] * x->value[k];
    for (size_t j = 0; j < d; j++)
        scale[j] = scale[j] == 0 ? 1 : sqrt(scale[j] / n);
}

static void apply(struct matrix *x, size_t d, const double *mean, const double *scale)
{
    for (size_t i = 0; i < x->rows; i++) {
        if (x->sparse) {
            for (size_t k = x->row[i]; k < x->row[i + 1]; k++)
                if (x->column[k] < d)
                    x->value[k] /= scale[x->column[k]];
        } else {
            double *row = x->value + i * x->stride;
            for (size_t j = 0; j < d; j++)
                row[j] = (row[j] - mean[j]) / scale[j];
        }
    }
}

/* Standardises the first d columns of both parts. The intercept's mean and scale stay 0 and 1. */
static enum status standardize(struct dataset *dataset, size_t d, struct error *error)
{
    size_t cols = dataset->train.cols;
    dataset->mean = calloc(cols, sizeof *dataset->mean);
    dataset->scale = calloc(cols, sizeof *dataset->scale);
    double *range = calloc(dataset->train.sparse ? 1 : 2 * d, sizeof *range);
    if (!dataset->mean || !dataset->scale || !range) {
        free(range);
        return error_memory(error, 4 * cols * sizeof *range, "standardising");
    }
    if (dataset->train.sparse)
        moments_sparse(&dataset->train, d, dataset->scale);
    else
        moments_dense(&dataset->train, d, dataset->mean, dataset->scale, range, range + d);
    free(range);
    for (size_t j = 0; j < d; j++)
        if (!isfinite(dataset->mean[j]) || !isfinite(dataset->scale[j]))
            return error_set(error, STATUS_INPUT, "feature %zu of %s is too large to standardise: its %s overflows",
                             j + 1, dataset->name, isfinite(dataset->mean[j]) ? "variance" : "mean");
    if (cols > d)
        dataset->scale[d] = 1;
    apply(&dataset->train, d, dataset->mean, dataset->scale);
    apply(&dataset->test, d, dataset->mean, dataset->scale);
    dataset->standardized = true;
    return STATUS_OK;
}

/* Carries a parameter (of d entries) to the coordinates after standardising, where a.w becomes sum (w_j scale_j) z_j +
 * w.mean. A difference of parameters has no business with the mean: pass NULL. */
static enum status carry(double **parameter, size_t d, const struct dataset *dataset, const double *mean,
                         struct error *error)
{
    if (!*parameter)
        return STATUS_OK;
    double *carried = calloc(dataset->train.cols, sizeof *carried), shift = 0;
    if (!carried)
        return error_memory(error, dataset->train.cols * sizeof *carried, "the true parameter");
    for (size_t j = 0; j < d; j++) {
        carried[j] = (*parameter)[j] * (dataset->scale ? dataset->scale[j] : 1);
        shift += mean ? mean[j] * (*parameter)[j] : 0;
    }
    free(*parameter);
    *parameter = carried;
    if (dataset->intercept) {
        carried[d] = shift;
    } else if (shift != 0) { /* there is no such parameter without an intercept */
        free(carried);
        *parameter = NULL;
    }
    return STATUS_OK;
}

enum status prepare(const struct data_spec *spec, struct samples *samples, struct dataset *dataset, struct error *error)
{
    size_t n = samples->matrix.rows, d = samples->matrix.cols, train = n;
    bool natural = !dataset->synthetic && !samples->matrix.sparse;
    bool scaled = spec->standardize == UNSET ? natural : spec->standardize == YES;
    dataset->intercept = spec->intercept == UNSET ? natural : spec->intercept == YES;
    bool moved = spec->test_fraction > 0 || spec->label_noise > 0 || spec->order != ORDER_AS_GIVEN;
    if (!(spec->test_fraction >= 0 && spec->test_fraction < 1))
        return error_set(error, STATUS_USAGE, "test_fraction is %g; it must be at least 0 and below 1",
                         spec->test_fraction);
    if (!(spec->label_noise >= 0 && spec->label_noise < 1))
        return error_set(error, STATUS_USAGE, "label_noise is %g; it must be at least 0 and below 1",
                         spec->label_noise);
    enum status status = STATUS_OK;
    if (moved) {
        uint32_t *index = malloc(n * sizeof *index);
        if (!index)
            return error_memory(error, n * sizeof *index, "the split");
        status = choose_rows(spec, samples, dataset->classes, index, &train, error);
        if (!status)
            status = matrix_gather(&samples->matrix, index, train, dataset->intercept, &dataset->train, error);
        if (!status)
            status =
                matrix_gather(&samples->matrix, index + train, n - train, dataset->intercept, &dataset->test, error);
        if (!status)
            status = gather_targets(samples->target, index, train, &dataset->y, error);
        if (!status)
            status = gather_targets(samples->target, index + train, n - train, &dataset->test_y, error);
        free(index);
    } else {
        if (dataset->intercept || (scaled && samples->matrix.map)) { /* a mapping is read-only */
            status = matrix_gather(&samples->matrix, NULL, n, dataset->intercept, &dataset->train, error);
        } else {
            dataset->train = samples->matrix;
            samples->matrix = (struct matrix){0};
        }
        dataset->y = samples->target;
        samples->target = NULL;
    }
    samples_free(samples);
    if (!status && scaled)
        status = standardize(dataset, d, error);
    if (!status)
        status = carry(&dataset->truth, d, dataset, dataset->mean, error);
    if (!status)
        status = carry(&dataset->start, d, dataset, NULL, error);
    return status;
}
