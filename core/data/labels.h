/* From the labels in a file to the targets of a classification problem. */
#ifndef SGDLAB_LABELS_H
#define SGDLAB_LABELS_H

#include <stddef.h>

#include "data/dataset.h"

/* Maps target[count] in place for spec->task and fills classes, label_count, label, label_value and label_samples of
 * dataset. TASK_BINARY: the smaller of two labels becomes -1 and the larger +1; with spec->positive that label becomes
 * +1 and all others -1. TASK_MULTICLASS: the labels in ascending order become 0, 1, ... TASK_REGRESSION: untouched.
 * Where dataset->label_text is set, targets are indices into it, and the labels those texts. STATUS_USAGE, naming the
 * classes found, when the labels do not fit the task. source: the data's name, for messages. */
enum status labels_map(const struct data_spec *spec, const char *source, size_t count, double *target,
                       struct dataset *dataset, struct error *error);

/* Label k of a data set as the file has it. Returns text. */
const char *label_name(const struct dataset *dataset, size_t k, char text[LABEL_TEXT_SIZE]);

#endif
