/* From samples as read or generated to the matrices a problem runs on: split, order, standardise, intercept.
 *
 * Split: the test part has round(test_fraction * n) samples; for classification each class gives its share, rounded by
 * largest remainder (ties to the smaller class), and keeps at least one training sample. Drawn with rng stream
 * (data_seed, RNG_SPLIT, group 0); both parts stay in the given order. Order shuffled: group 1 of that stream.
 * sorted_by_label is stable.
 *
 * Label noise: round(label_noise * training samples) of them, drawn without replacement by group 2 of that stream, get
 * a label drawn uniformly among the other classes; which ones does not depend on the order wanted. Sorting is by the
 * labels that training sees. The test part stays as it is.
 *
 * Standardising subtracts the mean and divides by the population standard deviation (divisor n) of the training
 * samples' columns; a constant column is divided by 1, so it becomes 0. Sparse matrices keep their zeros: columns are
 * divided by their root mean square over all n samples, zeros included (the standard deviation about 0), and an empty
 * column by 1. The test part gets the training part's numbers. Targets are untouched. Sums run over samples in their
 * order, one column independent of the next, so that the bits depend on nothing but the data.
 *
 * The intercept is a last column of ones, added after standardising (CSR: a stored entry). */
#ifndef SGDLAB_PREPARE_H
#define SGDLAB_PREPARE_H

#include "data/dataset.h"
#include "data/reader.h"

/* Consumes samples, whose targets are already those of spec->task (labels.h), into dataset->train, y, test, test_y,
 * mean, scale, intercept and standardized. truth and start, d entries in the coordinates of samples, are carried to the
 * new coordinates. On failure what was filled is left for dataset_close. STATUS_USAGE when the split leaves a part
 * empty or there are no other classes to draw from, STATUS_INPUT when a column overflows. */
enum status prepare(const struct data_spec *spec, struct samples *samples, struct dataset *dataset,
                    struct error *error);

#endif
