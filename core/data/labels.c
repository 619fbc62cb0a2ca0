/* Finding the classes among the labels, and mapping them to targets. */
#include "data/labels.h"

#include <stdio.h>
#include <string.h>

#include "json.h"

enum { LISTED_MAX = 16, LIST_SIZE = 512 };

const char *label_name(const struct dataset *dataset, size_t k, char text[LABEL_TEXT_SIZE])
{
    if (dataset->label_text)
        snprintf(text, LABEL_TEXT_SIZE, "%s", dataset->label_text[k]);
    else
        number_text(text, dataset->label[k]);
    return text;
}

/* First position whose label is not below value. */
static size_t position(const struct dataset *dataset, double value)
{
    size_t low = 0, high = dataset->label_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (dataset->label[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static enum status find_classes(const char *source, size_t count, const double *target, struct dataset *dataset,
                                struct error *error)
{
    dataset->label_count = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = position(dataset, target[i]), after = dataset->label_count - at;
        if (after && dataset->label[at] == target[i]) {
            dataset->label_samples[at]++;
            continue;
        }
        if (dataset->label_count == LABELS_MAX)
            return error_set(error, STATUS_USAGE,
                             "%s has more than %d different targets: a classification problem needs classes; is this a "
                             "regression data set, or the wrong target column?",
                             source, LABELS_MAX);
        memmove(&dataset->label[at + 1], &dataset->label[at], after * sizeof dataset->label[0]);
        memmove(&dataset->label_samples[at + 1], &dataset->label_samples[at], after * sizeof dataset->label_samples[0]);
        dataset->label[at] = target[i] + 0.0; /* -0 becomes 0 */
        dataset->label_samples[at] = 1;
        dataset->label_count++;
    }
    return STATUS_OK;
}

/* "0 (178 samples), 1 (182), ..." */
static const char *list_classes(const struct dataset *dataset, char list[LIST_SIZE])
{
    char name[LABEL_TEXT_SIZE];
    size_t used = 0;
    list[0] = '\0';
    for (size_t k = 0; k < dataset->label_count && used < LIST_SIZE; k++) {
        if (k == LISTED_MAX) {
            snprintf(list + used, LIST_SIZE - used, ", ... (%zu in all)", dataset->label_count);
            break;
        }
        used += (size_t)snprintf(list + used, LIST_SIZE - used, "%s%s (%zu%s)", k ? ", " : "",
                                 label_name(dataset, k, name), dataset->label_samples[k], k ? "" : " samples");
    }
    return list;
}

static enum status find_positive(const char *positive, const char *source, const struct dataset *dataset, size_t *class,
                                 struct error *error)
{
    char list[LIST_SIZE];
    double value;
    for (*class = 0; dataset->label_text && *class < dataset->label_count; ++*class)
        if (!strcmp(dataset->label_text[*class], positive))
            return STATUS_OK;
    if (!dataset->label_text && number_parse(positive, &value)) {
        *class = position(dataset, value);
        if (*class < dataset->label_count && dataset->label[*class] == value)
            return STATUS_OK;
    }
    return error_set(error, STATUS_USAGE, "positive: '%.40s' is not a class of %s, which are %s", positive, source,
                     list_classes(dataset, list));
}

/* Fills label_value for two classes. */
static enum status assign_binary(const char *positive, const char *source, struct dataset *dataset, struct error *error)
{
    char list[LIST_SIZE];
    size_t plus = 1;
    if (!positive && dataset->label_count > 2)
        return error_set(
            error, STATUS_USAGE,
            "%s has %zu classes, %s, and the problem needs two: add positive: CLASS to set one against the rest",
            source, dataset->label_count, list_classes(dataset, list));
    enum status status = positive ? find_positive(positive, source, dataset, &plus, error) : STATUS_OK;
    if (status)
        return status;
    for (size_t k = 0; k < dataset->label_count; k++)
        dataset->label_value[k] = k == plus ? 1 : -1;
    dataset->classes = 2;
    return STATUS_OK;
}

enum status labels_map(const struct data_spec *spec, const char *source, size_t count, double *target,
                       struct dataset *dataset, struct error *error)
{
    char list[LIST_SIZE];
    if (spec->positive && spec->task != TASK_BINARY)
        return error_set(error, STATUS_USAGE, "positive: is for two-class problems only; remove it");
    if (spec->task == TASK_REGRESSION)
        return STATUS_OK;
    enum status status = find_classes(source, count, target, dataset, error);
    if (status)
        return status;
    if (dataset->label_count < 2)
        return error_set(error, STATUS_USAGE, "%s has one class only, %s: there is nothing to classify", source,
                         list_classes(dataset, list));
    if (spec->task == TASK_BINARY) {
        status = assign_binary(spec->positive, source, dataset, error);
        if (status)
            return status;
    } else {
        for (size_t k = 0; k < dataset->label_count; k++)
            dataset->label_value[k] = (double)k;
        dataset->classes = dataset->label_count;
    }
    for (size_t i = 0; i < count; i++)
        target[i] = dataset->label_value[position(dataset, target[i])];
    return STATUS_OK;
}
