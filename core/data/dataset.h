/* From a name, a path or a generator to the numbers a problem runs on: read, map labels, split, order, standardise, add
 * the intercept. Everything is deterministic in the spec. */
#ifndef SGDLAB_DATASET_H
#define SGDLAB_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data/reader.h"
#include "registry.h"

enum task { TASK_REGRESSION, TASK_BINARY, TASK_MULTICLASS };
enum data_format { FORMAT_AUTO, FORMAT_LIBSVM, FORMAT_CSV };
enum data_order { ORDER_AS_GIVEN, ORDER_SHUFFLED, ORDER_SORTED_BY_LABEL };
enum tristate { UNSET = -1, NO = 0, YES = 1 };

/* What the user asked for. Strings are borrowed and must outlive the call. */
struct data_spec {
    const char *name;                       /* a shipped name or a path; NULL: synthetic */
    const struct synthetic_type *synthetic; /* generator, NULL: from a file */
    struct param_values values;             /* its parameters */
    enum task task;                         /* what the problem needs of the targets */
    enum data_format format;
    const char *target;   /* CSV: column name or 1-based number; NULL: y, label, target, else the last */
    const char *positive; /* the class that becomes +1, all others -1; NULL: none */
    enum tristate intercept, standardize; /* UNSET: yes for real dense data, no for synthetic and sparse */
    double test_fraction;  /* [0, 1): rounded to samples, stratified by class for TASK_BINARY / MULTICLASS */
    double label_noise;    /* [0, 1): this share of the training labels is wrong; classes only (prepare.h) */
    enum data_order order; /* of the training samples */
    uint64_t data_seed;    /* synthetic data, split, label noise and order; independent of replicates */
};

/* Prepared data. The last column of both matrices is the constant 1 when intercept is true. */
struct dataset {
    char *name;          /* stem shown to the user: breast_cancer, w8a, gaussian_least_squares */
    char *path;          /* the file that was read, NULL for synthetic data */
    struct matrix train; /* n x d, d includes the intercept column */
    double *y;           /* n targets; TASK_BINARY: -1 or +1; TASK_MULTICLASS: 0 .. classes-1 */
    struct matrix test;  /* rows = 0 when test_fraction is 0 */
    double *test_y;
    bool intercept, standardized, synthetic;
    enum task task;
    size_t classes;
    size_t label_count;                  /* distinct labels as found in the file (classification) */
    double label[LABELS_MAX];            /* label as found, ascending; 0, 1, ... where labels are texts */
    char (*label_text)[LABEL_TEXT_SIZE]; /* the texts of the labels, ascending bytewise; NULL: they are numbers */
    double label_value[LABELS_MAX];      /* what it became */
    size_t label_samples[LABELS_MAX];    /* of both parts together, before label noise */
    double *mean, *scale; /* what standardising subtracted and divided by, d entries; NULL when not standardised */
    double *truth;        /* synthetic data: the parameter the targets were made from, d entries, else NULL */
    double *start;        /* synthetic data: the start that its law names, as x_0 - x*, d entries, else NULL */
    char checksum[65];    /* SHA-256 in hex of the source file (unpacked text), or of the generator's parameters and
                             numbers */
};

/* Where data are looked for, in this order: data_dir, $SGDLAB_DATA, the experiment file's folder, the source tree's
 * experiments/data, the install prefix. Any member may be NULL. A name is tried as given, then with .csv, .csv.gz,
 * .libsvm, .libsvm.gz, .gz. A shipped name never hides a path that exists as given. */
struct data_search {
    const char *data_dir, *experiment_dir;
};

/* STATUS_NOT_FOUND (where was looked, the nearest name), STATUS_INPUT with a place (reader.h), STATUS_USAGE (labels.h,
 * prepare.h), STATUS_UNSUPPORTED, STATUS_IO, STATUS_MEMORY; *out is NULL then. Text files above 1 MiB leave a cache
 * beside them (cache.h). */
enum status dataset_open(const struct data_spec *spec, const struct data_search *search, struct dataset **out,
                         struct error *error);
void dataset_close(struct dataset *dataset); /* NULL is fine */

/* Names that always work, and names that experiments/data/fetch.sh downloads. NULL-terminated. */
const char *const *dataset_shipped_names(void);
const char *const *dataset_fetchable_names(void);

/* Synthetic generators: the descriptor at the foot of each file in data/synthetic*.c. */
struct synthetic_type {
    struct method method;
    enum task task;
    /* Fills train, y, truth, start (where the law names one) of an otherwise zero dataset. */
    enum status (*generate)(const struct param_values *values, uint64_t seed, struct dataset *dataset,
                            struct error *error);
};

#endif
