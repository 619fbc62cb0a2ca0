/* From a name to prepared numbers: shipped data, search order, labels, split, order, standardising, intercept. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "data/dataset.h"
#include "data/labels.h"
#include "data/source.h"

static struct error error;
static char folder[] = "dataset.XXXXXX"; /* of this test's files; each test is a process of its own */
static char path[256];

static void setup(void)
{
    cr_assert(mkdtemp(folder) != NULL);
}

static void teardown(void)
{
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_assert(system(command) == 0);
}

/* Writes FOLDER/name and leaves its path in `path`. */
static const char *write_bytes(const char *name, const void *bytes, size_t size)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    cr_assert(file && fwrite(bytes, 1, size, file) == size && !fclose(file));
    return path;
}

static const char *write_text(const char *name, const char *text)
{
    return write_bytes(name, text, strlen(text));
}

static struct data_spec spec_for(const char *name, enum task task)
{
    return (struct data_spec){.name = name, .task = task, .intercept = UNSET, .standardize = UNSET, .data_seed = 1};
}

/* As the file says: no intercept, not standardised. */
static struct data_spec plain_spec(const char *name, enum task task)
{
    struct data_spec spec = spec_for(name, task);
    spec.intercept = spec.standardize = NO;
    return spec;
}

static struct dataset *open_spec(const struct data_spec *spec)
{
    struct dataset *dataset;
    error = (struct error){0};
    enum status status = dataset_open(spec, NULL, &dataset, &error);
    cr_assert(status == STATUS_OK, "status %d: %s", (int)status, error.message);
    return dataset;
}

static void expect_error(const struct data_spec *spec, enum status expected, const char *words)
{
    struct dataset *dataset;
    error = (struct error){0};
    enum status status = dataset_open(spec, NULL, &dataset, &error);
    cr_expect(status == expected && dataset == NULL, "status %d: %s", (int)status, error.message);
    cr_expect(strstr(error.message, words) != NULL, "'%s' is not in: %s", words, error.message);
}

static double at(const struct matrix *x, size_t i, size_t j)
{
    if (!x->sparse)
        return x->value[i * x->stride + j];
    for (size_t k = x->row[i]; k < x->row[i + 1]; k++)
        if (x->column[k] == j)
            return x->value[k];
    return 0;
}

TestSuite(dataset, .init = setup, .fini = teardown);

Test(dataset, shipped_files_are_those_of_SHA256SUMS)
{
    FILE *sums = fopen(SGDLAB_TEST_SOURCE_DIR "/experiments/data/SHA256SUMS", "r");
    char hex[SHA256_HEX], found[SHA256_HEX], name[100], file[600];
    size_t count = 0, names = 0;
    cr_assert(sums != NULL);
    while (fscanf(sums, "%64s %99s", hex, name) == 2) {
        struct source source;
        snprintf(file, sizeof file, "%s/experiments/data/%s", SGDLAB_TEST_SOURCE_DIR, name);
        cr_assert(source_read(file, &source, &error) == STATUS_OK);
        sha256_hex(source.raw_sha256, found);
        cr_expect(!strcmp(hex, found), "%s has changed", name);
        source_free(&source);
        count++;
    }
    fclose(sums);
    while (dataset_shipped_names()[names])
        names++;
    cr_expect(count == names && names == 4);
}

static void expect_shape(const char *name, enum task task, size_t rows, size_t cols, size_t classes,
                         const char *checksum)
{
    struct data_spec spec = spec_for(name, task);
    struct dataset *dataset = open_spec(&spec);
    cr_expect(!strcmp(dataset->name, name) && !strcmp(dataset->checksum, checksum), "%s: %s", name, dataset->checksum);
    cr_expect(dataset->train.rows == rows && dataset->train.cols == cols + 1 && !dataset->train.sparse);
    cr_expect(dataset->label_count == classes && dataset->intercept && dataset->standardized && !dataset->synthetic);
    cr_expect(dataset->test.rows == 0 && dataset->truth == NULL && dataset->start == NULL);
    dataset_close(dataset);
}

Test(dataset, shipped_sets_open_by_name)
{
    expect_shape("breast_cancer", TASK_BINARY, 569, 30, 2,
                 "43584b3806cc61afce3c9b3158dd8e56bc7fd734507f95639126fcd572dc7233");
    expect_shape("digits", TASK_MULTICLASS, 1797, 64, 10,
                 "7a93e51f73dadeb4429b4fc0718b334d12864332b906bdf44f9da7599a7e0e01");
    expect_shape("diabetes", TASK_REGRESSION, 442, 10, 0,
                 "f5060bc32176d2f47695065d12478e468fac452a515ffc00fce404de6e94a4d2");
    expect_shape("heart_scale", TASK_BINARY, 270, 13, 2,
                 "5defa0a4c4c5bdaf3f55ae3828310252e8565c13ee37ce279e0b86d82e7f4ce9");
}

Test(dataset, shipped_numbers_are_the_sources)
{
    struct data_spec spec = plain_spec("breast_cancer", TASK_BINARY);
    struct dataset *dataset = open_spec(&spec);
    cr_expect(at(&dataset->train, 0, 0) == 17.99 && at(&dataset->train, 0, 29) == 0.1189 && dataset->y[0] == -1);
    cr_expect(dataset->label[0] == 0 && dataset->label_value[0] == -1 && dataset->label_samples[0] == 212);
    cr_expect(dataset->label[1] == 1 && dataset->label_value[1] == 1 && dataset->label_samples[1] == 357);
    cr_expect(dataset->train.cols == 30 && !dataset->standardized && dataset->mean == NULL && dataset->classes == 2);
    dataset_close(dataset);
    spec = plain_spec("diabetes", TASK_REGRESSION);
    dataset = open_spec(&spec);
    cr_expect(at(&dataset->train, 0, 2) == 32.1 && dataset->y[0] == 151 && dataset->y[441] == 57);
    dataset_close(dataset);
}

/* Mean 0 and mean square 1 of every column but the constant ones (digits has three), from naive sums. */
Test(dataset, standardised_columns)
{
    struct data_spec spec = spec_for("digits", TASK_MULTICLASS);
    struct dataset *dataset = open_spec(&spec);
    const struct matrix *x = &dataset->train;
    size_t constant = 0;
    for (size_t j = 0; j < 64; j++) {
        double sum = 0, square = 0;
        for (size_t i = 0; i < x->rows; i++) {
            sum += at(x, i, j);
            square += at(x, i, j) * at(x, i, j);
        }
        cr_expect(fabs(sum / 1797) < 1e-13, "column %zu", j);
        if (square == 0) {
            constant++;
            cr_expect(dataset->scale[j] == 1);
        } else {
            cr_expect(fabs(square / 1797 - 1) < 1e-12, "column %zu", j);
        }
    }
    cr_expect(constant == 3);
    cr_expect(dataset->mean[64] == 0 && dataset->scale[64] == 1);
    for (size_t i = 0; i < x->rows; i++)
        cr_expect(at(x, i, 64) == 1);
    dataset_close(dataset);
}

/* Population moments by hand: column a = 1, 3 has mean 2 and sd 1; b is constant but not a binary fraction; the test
 * part is not in the moments. */
Test(dataset, standardising_by_hand)
{
    struct data_spec spec =
        spec_for(write_text("d.csv", "a,b,y\n1,0.1,5\n3,0.1,7\n1,0.1,5\n3,0.1,7\n1,0.1,5\n3,0.1,7\n"), TASK_REGRESSION);
    struct dataset *dataset = open_spec(&spec);
    cr_assert(dataset->train.rows == 6 && dataset->train.cols == 3);
    cr_expect(dataset->mean[0] == 2 && dataset->scale[0] == 1 && dataset->mean[1] == 0.1 && dataset->scale[1] == 1);
    for (size_t i = 0; i < 6; i++)
        cr_expect(at(&dataset->train, i, 0) == (i % 2 ? 1 : -1) && at(&dataset->train, i, 1) == 0 &&
                  dataset->y[i] == (i % 2 ? 7 : 5));
    dataset_close(dataset);

    /* The split's test part, wherever it lies, is moved and scaled by the training part's numbers. */
    spec.name = write_text("e.csv", "a,y\n1,1\n2,2\n4,3\n8,4\n16,5\n32,6\n");
    spec.test_fraction = 0.34;
    dataset = open_spec(&spec);
    cr_assert(dataset->train.rows == 4 && dataset->test.rows == 2);
    double sum = 0, square = 0;
    for (size_t i = 0; i < 4; i++)
        sum += exp2(dataset->y[i] - 1) / 4;
    for (size_t i = 0; i < 4; i++)
        square += pow(exp2(dataset->y[i] - 1) - sum, 2) / 4;
    cr_expect(fabs(dataset->mean[0] - sum) < 1e-14 && fabs(dataset->scale[0] - sqrt(square)) < 1e-13);
    for (size_t i = 0; i < 2; i++)
        cr_expect(fabs(at(&dataset->test, i, 0) - (exp2(dataset->test_y[i] - 1) - sum) / sqrt(square)) < 1e-13);
    dataset_close(dataset);

    spec = spec_for(write_text("f.csv", "a,y\n1e308,1\n1.1e308,2\n1.2e308,2\n"), TASK_REGRESSION);
    expect_error(&spec, STATUS_INPUT, "overflows");
}

/* Sparse: divided by the root mean square over all samples, zeros kept; the intercept is a stored entry. */
Test(dataset, sparse_data_are_only_scaled)
{
    struct data_spec spec = spec_for(write_text("s", "1 1:3 40:2\n-1 1:4\n1 7:0.5\n-1 7:0.5\n"), TASK_BINARY);
    struct dataset *dataset = open_spec(&spec);
    cr_expect(dataset->train.sparse && !dataset->standardized && !dataset->intercept && dataset->train.cols == 40);
    dataset_close(dataset);
    spec.standardize = spec.intercept = YES;
    dataset = open_spec(&spec);
    cr_assert(dataset->train.sparse && dataset->train.cols == 41 && dataset->train.nnz == 9);
    cr_expect(dataset->scale[0] == 2.5 && dataset->scale[39] == 1 && fabs(dataset->scale[6] - sqrt(0.125)) < 1e-16);
    cr_expect(dataset->scale[1] == 1 && dataset->mean[0] == 0 && dataset->scale[40] == 1);
    cr_expect(at(&dataset->train, 0, 0) == 3 / 2.5 && at(&dataset->train, 1, 0) == 4 / 2.5 &&
              at(&dataset->train, 0, 39) == 2);
    cr_expect(fabs(at(&dataset->train, 3, 6) - sqrt(2)) < 1e-15);
    for (size_t i = 0; i < 4; i++)
        cr_expect(at(&dataset->train, i, 40) == 1);
    dataset_close(dataset);
}

struct mapping {
    const char *text;
    double label[2];
};

Test(dataset, two_classes_become_minus_and_plus_one)
{
    static const struct mapping mapping[] = {{"0,9,0\n1,9,1\n2,9,1\n", {0, 1}},
                                             {"0,9,-1\n1,9,1\n2,9,1\n", {-1, 1}},
                                             {"0,9,1\n1,9,2\n2,9,2\n", {1, 2}},
                                             {"0,9,-7.5\n1,9,3e9\n2,9,3e9\n", {-7.5, 3e9}}};
    for (size_t k = 0; k < 4; k++) {
        struct data_spec spec = plain_spec(write_text("m.csv", mapping[k].text), TASK_BINARY);
        struct dataset *dataset = open_spec(&spec);
        cr_expect(dataset->y[0] == -1 && dataset->y[1] == 1 && dataset->y[2] == 1);
        cr_expect(dataset->label[0] == mapping[k].label[0] && dataset->label[1] == mapping[k].label[1]);
        cr_expect(dataset->label_samples[0] == 1 && dataset->label_samples[1] == 2 && dataset->classes == 2);
        dataset_close(dataset);
    }
}

Test(dataset, classes_in_words)
{
    struct data_spec spec = plain_spec(write_text("w.csv", "0,yes\n1,no\n2,maybe\n3,no\n"), TASK_MULTICLASS);
    struct dataset *dataset = open_spec(&spec);
    static const double class[] = {2, 1, 0, 1}, yes[] = {1, -1, -1, -1};
    char name[LABEL_TEXT_SIZE];
    cr_expect(!memcmp(dataset->y, class, sizeof class) && dataset->classes == 3);
    cr_expect_str_eq(label_name(dataset, 0, name), "maybe");
    cr_expect_str_eq(label_name(dataset, 2, name), "yes");
    cr_expect(dataset->label_samples[1] == 2 && dataset->label_value[2] == 2);
    dataset_close(dataset);

    spec.task = TASK_BINARY;
    expect_error(&spec, STATUS_USAGE, "3 classes, maybe (1 samples), no (2), yes (1)");
    spec.positive = "y";
    expect_error(&spec, STATUS_USAGE, "'y' is not a class");
    spec.positive = "yes";
    dataset = open_spec(&spec);
    cr_expect(!memcmp(dataset->y, yes, sizeof yes) && dataset->classes == 2);
    dataset_close(dataset);

    spec.positive = NULL;
    spec.task = TASK_REGRESSION;
    expect_error(&spec, STATUS_INPUT, "text as target");
    cr_expect(error.line == 1 && error.column == 3);

    spec = plain_spec(write_text("w.csv", "0,M\n1,B\n2,M\n"), TASK_BINARY);
    dataset = open_spec(&spec);
    static const double larger[] = {1, -1, 1};
    cr_expect(!memcmp(dataset->y, larger, sizeof larger));
    dataset_close(dataset);
}

Test(dataset, more_classes_need_a_positive_one)
{
    struct data_spec spec = plain_spec(write_text("m.csv", "0,3\n1,1\n2,2\n3,1\n"), TASK_BINARY);
    expect_error(&spec, STATUS_USAGE, "3 classes, 1 (2 samples), 2 (1), 3 (1)");
    cr_expect(strstr(error.message, "positive:") != NULL);
    spec.positive = "4";
    expect_error(&spec, STATUS_USAGE, "'4' is not a class");
    spec.positive = "2x";
    expect_error(&spec, STATUS_USAGE, "is not a class");
    spec.positive = "2.0";
    struct dataset *dataset = open_spec(&spec);
    static const double y[] = {-1, -1, 1, -1};
    cr_expect(!memcmp(dataset->y, y, sizeof y));
    cr_expect(dataset->label_count == 3 && dataset->label_value[1] == 1 && dataset->label_value[2] == -1 &&
              dataset->classes == 2);
    dataset_close(dataset);

    spec.positive = NULL;
    spec.task = TASK_MULTICLASS;
    dataset = open_spec(&spec);
    static const double class[] = {2, 0, 1, 0};
    cr_expect(!memcmp(dataset->y, class, sizeof class) && dataset->classes == 3);
    dataset_close(dataset);
    spec.positive = "1";
    expect_error(&spec, STATUS_USAGE, "two-class problems only");

    spec.positive = NULL;
    spec.task = TASK_REGRESSION;
    dataset = open_spec(&spec);
    static const double raw[] = {3, 1, 2, 1};
    cr_expect(!memcmp(dataset->y, raw, sizeof raw) && dataset->label_count == 0 && dataset->classes == 0);
    dataset_close(dataset);

    spec = plain_spec(write_text("one.csv", "0,5\n1,5\n"), TASK_BINARY);
    expect_error(&spec, STATUS_USAGE, "one class only, 5 (2 samples)");
    char many[4000] = "";
    for (int i = 0; i < 300; i++)
        sprintf(many + strlen(many), "%d,%d\n", i, 1000 - i);
    spec = plain_spec(write_text("many.csv", many), TASK_MULTICLASS);
    expect_error(&spec, STATUS_USAGE, "more than 256");
}

/* Rows i = 0..59 with feature i and label i % 3 == 0 (20 of them). */
static const char *sixty(void)
{
    char text[2000] = "";
    for (int i = 0; i < 60; i++)
        sprintf(text + strlen(text), "%d,0,%d\n", i, i % 3 == 0);
    return write_text("sixty.csv", text);
}

Test(dataset, split_is_stratified_disjoint_and_seeded)
{
    struct data_spec spec = plain_spec(sixty(), TASK_BINARY);
    size_t used[2][60] = {{0}}, different = 0;
    spec.test_fraction = 0.25;
    for (size_t seed = 0; seed < 2; seed++) {
        spec.data_seed = 5 + seed;
        struct dataset *dataset = open_spec(&spec), *again = open_spec(&spec);
        cr_assert(dataset->train.rows == 45 && dataset->test.rows == 15);
        cr_expect(!memcmp(dataset->test_y, again->test_y, 15 * sizeof(double)));
        size_t positive = 0, seen[60] = {0};
        for (size_t i = 0; i < 15; i++) {
            size_t id = (size_t)at(&dataset->test, i, 0);
            cr_expect(at(&again->test, i, 0) == (double)id);
            cr_expect(dataset->test_y[i] == (id % 3 == 0 ? 1 : -1));
            cr_expect(i == 0 || at(&dataset->test, i - 1, 0) < (double)id);
            positive += dataset->test_y[i] > 0;
            seen[id]++;
            used[seed][id] = 1;
        }
        for (size_t i = 0; i < 45; i++) {
            size_t id = (size_t)at(&dataset->train, i, 0);
            cr_expect(dataset->y[i] == (id % 3 == 0 ? 1 : -1));
            cr_expect(i == 0 || at(&dataset->train, i - 1, 0) < (double)id);
            seen[id]++;
        }
        for (size_t id = 0; id < 60; id++)
            cr_expect(seen[id] == 1);
        cr_expect(positive == 5);
        dataset_close(dataset);
        dataset_close(again);
    }
    for (size_t id = 0; id < 60; id++)
        different += used[0][id] != used[1][id];
    cr_expect(different > 5);
}

/* Every sample is in the test part equally often: 200 seeds, probability 1/4; 60 binomial counts within 5 sd of 50. */
Test(dataset, split_is_uniform)
{
    struct data_spec spec = plain_spec(sixty(), TASK_REGRESSION);
    size_t count[60] = {0};
    spec.test_fraction = 0.25;
    for (spec.data_seed = 0; spec.data_seed < 200; spec.data_seed++) {
        struct dataset *dataset = open_spec(&spec);
        for (size_t i = 0; i < dataset->test.rows; i++)
            count[(size_t)at(&dataset->test, i, 0)]++;
        dataset_close(dataset);
    }
    for (size_t id = 0; id < 60; id++)
        cr_expect(fabs((double)count[id] - 50) < 5 * sqrt(200 * 0.25 * 0.75), "sample %zu: %zu times", id, count[id]);
}

Test(dataset, split_rounds_and_keeps_every_class)
{
    struct data_spec spec =
        plain_spec(write_text("r.csv", "0,1\n1,2\n2,2\n3,3\n4,3\n5,3\n6,3\n7,3\n8,3\n9,3\n"), TASK_MULTICLASS);
    spec.test_fraction = 0.5; /* class sizes 1, 2, 7: shares 0.5, 1, 3.5; the first class keeps its one sample */
    struct dataset *dataset = open_spec(&spec);
    size_t test[3] = {0};
    cr_assert(dataset->test.rows == 5);
    for (size_t i = 0; i < 5; i++)
        test[(size_t)dataset->test_y[i]]++;
    cr_expect(test[0] == 0 && test[1] == 1 && test[2] == 4);
    dataset_close(dataset);
    spec.test_fraction = 0.04;
    expect_error(&spec, STATUS_USAGE, "leaves no test samples");
    spec.test_fraction = 0.96;
    expect_error(&spec, STATUS_USAGE, "leaves no training samples");
    spec.test_fraction = 1;
    expect_error(&spec, STATUS_USAGE, "below 1");
    spec.test_fraction = NAN;
    expect_error(&spec, STATUS_USAGE, "below 1");
}

/* Rows i = 0..599 with feature i and label i % 3. */
static const char *six_hundred(void)
{
    static char text[12000];
    text[0] = '\0';
    for (int i = 0; i < 600; i++)
        sprintf(text + strlen(text), "%d,0,%d\n", i, i % 3);
    return write_text("six_hundred.csv", text);
}

Test(dataset, label_noise_redraws_training_labels)
{
    struct data_spec spec = plain_spec(six_hundred(), TASK_MULTICLASS);
    spec.test_fraction = 0.2;
    struct dataset *clean = open_spec(&spec);
    size_t moved[3][3] = {{0}}, wrong[2][600] = {{0}}, different = 0;
    spec.label_noise = 0.25;
    for (size_t seed = 0; seed < 2; seed++) {
        spec.data_seed = seed + 1;
        struct dataset *noisy = open_spec(&spec), *again = open_spec(&spec);
        cr_assert(noisy->train.rows == 480 && noisy->test.rows == 120);
        size_t count = 0;
        for (size_t i = 0; i < 480; i++) {
            const size_t id = (size_t)at(&noisy->train, i, 0), truth = id % 3, label = (size_t)noisy->y[i];
            cr_expect(noisy->y[i] == again->y[i] && noisy->y[i] == (double)label && label < 3);
            cr_expect(seed == 1 || at(&clean->train, i, 0) == (double)id); /* the split is that without noise */
            wrong[seed][id] = label != truth;
            moved[truth][label]++;
            count += label != truth;
        }
        cr_expect(count == 120, "%zu", count);
        for (size_t i = 0; i < 120; i++)
            cr_expect(noisy->test_y[i] == (double)((size_t)at(&noisy->test, i, 0) % 3));
        cr_expect(noisy->label_samples[0] == 200 && noisy->classes == 3);
        dataset_close(noisy);
        dataset_close(again);
    }
    /* 240 redrawn labels, 6 equal chances: 40 each, binomial standard deviation 5.8 */
    for (size_t k = 0; k < 3; k++)
        for (size_t l = 0; l < 3; l++)
            cr_expect(k == l || fabs((double)moved[k][l] - 40) < 5 * 5.8, "%zu to %zu: %zu", k, l, moved[k][l]);
    for (size_t id = 0; id < 600; id++)
        different += wrong[0][id] != wrong[1][id];
    cr_expect(different > 100);
    dataset_close(clean);
}

/* Which labels are wrong does not depend on the order; without a test part all samples are for training. */
Test(dataset, label_noise_and_order)
{
    struct data_spec spec = plain_spec(six_hundred(), TASK_BINARY);
    spec.positive = "2";
    spec.label_noise = 0.1;
    double label[600];
    size_t count = 0;
    struct dataset *dataset = open_spec(&spec);
    cr_assert(dataset->train.rows == 600);
    for (size_t i = 0; i < 600; i++) {
        const size_t id = (size_t)at(&dataset->train, i, 0);
        cr_expect(id == i && fabs(dataset->y[i]) == 1);
        label[id] = dataset->y[i];
        count += label[id] != (id % 3 == 2 ? 1 : -1);
    }
    cr_expect(count == 60, "%zu", count);
    dataset_close(dataset);
    static const enum data_order orders[] = {ORDER_SHUFFLED, ORDER_SORTED_BY_LABEL};
    for (size_t k = 0; k < 2; k++) {
        spec.order = orders[k];
        dataset = open_spec(&spec);
        for (size_t i = 0; i < 600; i++) {
            cr_expect(dataset->y[i] == label[(size_t)at(&dataset->train, i, 0)]);
            cr_expect(k == 0 || i == 0 || dataset->y[i - 1] <= dataset->y[i]);
        }
        dataset_close(dataset);
    }
}

Test(dataset, label_noise_refusals)
{
    struct data_spec spec = plain_spec(six_hundred(), TASK_REGRESSION);
    spec.label_noise = 0.1;
    expect_error(&spec, STATUS_USAGE, "regression problem has none");
    spec.task = TASK_MULTICLASS;
    spec.label_noise = 1;
    expect_error(&spec, STATUS_USAGE, "label_noise is 1");
    spec.label_noise = NAN;
    expect_error(&spec, STATUS_USAGE, "label_noise is");
    spec = plain_spec(write_text("one_class.csv", "0,5\n1,5\n"), TASK_MULTICLASS);
    spec.label_noise = 0.5;
    expect_error(&spec, STATUS_USAGE, "");
}

Test(dataset, order_of_samples)
{
    struct data_spec spec = plain_spec(sixty(), TASK_BINARY);
    spec.order = ORDER_SORTED_BY_LABEL;
    struct dataset *dataset = open_spec(&spec);
    for (size_t i = 1; i < 60; i++) {
        cr_expect(dataset->y[i - 1] <= dataset->y[i]);
        cr_expect(dataset->y[i - 1] < dataset->y[i] || at(&dataset->train, i - 1, 0) < at(&dataset->train, i, 0));
    }
    dataset_close(dataset);
    spec.order = ORDER_SHUFFLED;
    dataset = open_spec(&spec);
    struct dataset *again = open_spec(&spec);
    size_t seen[60] = {0}, moved = 0;
    for (size_t i = 0; i < 60; i++) {
        size_t id = (size_t)at(&dataset->train, i, 0);
        cr_expect(dataset->y[i] == (id % 3 == 0 ? 1 : -1) && at(&again->train, i, 0) == (double)id);
        seen[id]++;
        moved += id != i;
    }
    for (size_t id = 0; id < 60; id++)
        cr_expect(seen[id] == 1);
    cr_expect(moved > 45);
    dataset_close(dataset);
    dataset_close(again);
}

Test(dataset, gzip_is_told_by_its_bytes)
{
    const char *text = "1 1:2 2:3\n-1 1:4 2:5\n1 1:1 2:1\n";
    struct data_spec spec = plain_spec(write_text("plain", text), TASK_BINARY);
    struct dataset *plain = open_spec(&spec);
    snprintf(path, sizeof path, "%s/packed", folder);
    for (size_t part = 0; part < 2; part++) { /* two members, one text */
        gzFile file = gzopen(path, part ? "ab" : "wb");
        cr_assert(file && gzwrite(file, text + part * 15, part ? (unsigned)strlen(text) - 15 : 15) > 0 &&
                  gzclose(file) == Z_OK);
    }
    spec.name = path;
    struct dataset *packed = open_spec(&spec);
    cr_expect(!strcmp(plain->checksum, packed->checksum) && packed->train.rows == 3 && packed->train.cols == 2);
    for (size_t i = 0; i < 3; i++)
        cr_expect(at(&plain->train, i, 0) == at(&packed->train, i, 0) &&
                  at(&plain->train, i, 1) == at(&packed->train, i, 1));
    dataset_close(plain);
    dataset_close(packed);

    struct source source;
    cr_assert(source_read(path, &source, &error) == STATUS_OK);
    char *bytes = source.raw;
    size_t size = source.raw_size;
    for (size_t cut = 3; cut < size; cut++) {
        spec.name = write_bytes("cut", bytes, cut);
        struct dataset *dataset;
        enum status status = dataset_open(&spec, NULL, &dataset, &error);
        cr_expect(status == STATUS_INPUT || (status == STATUS_OK && dataset->train.rows < 3), "cut at %zu", cut);
        dataset_close(dataset);
    }
    bytes[size - 6] ^= 1; /* the checksum in the last member's trailer */
    spec.name = write_bytes("flipped", bytes, size);
    expect_error(&spec, STATUS_INPUT, "damaged");
    source_free(&source);
}

Test(dataset, places_are_searched_in_order)
{
    char data_dir[300], experiment_dir[300], environment[300], file[400];
    snprintf(data_dir, sizeof data_dir, "%s/a", folder);
    snprintf(environment, sizeof environment, "%s/b", folder);
    snprintf(experiment_dir, sizeof experiment_dir, "%s/c", folder);
    const char *const dirs[] = {data_dir, environment, experiment_dir};
    struct data_search search = {.data_dir = data_dir, .experiment_dir = experiment_dir};
    struct data_spec spec = plain_spec("digits", TASK_REGRESSION);
    struct dataset *dataset;
    for (size_t i = 0; i < 3; i++) {
        cr_assert(!mkdir(dirs[i], 0777));
        snprintf(file, sizeof file, "%s/digits.csv", dirs[i] + strlen(folder) + 1);
        char text[30];
        sprintf(text, "0,1\n1,%zu\n", i);
        write_text(file, text);
    }
    cr_assert(!setenv("SGDLAB_DATA", environment, 1));
    for (size_t i = 0; i <= 3; i++) { /* the last: the source tree's */
        cr_assert(dataset_open(&spec, &search, &dataset, &error) == STATUS_OK);
        cr_expect(i == 3 ? dataset->train.rows == 1797 : dataset->y[1] == (double)i, "place %zu: %s", i, dataset->path);
        dataset_close(dataset);
        if (i < 3) {
            snprintf(file, sizeof file, "%s/digits.csv", dirs[i]);
            cr_assert(!unlink(file));
        }
    }
    /* A path as given is not hidden by a shipped name. */
    write_text("digits", "0 1:1\n1 1:2\n");
    cr_assert(!chdir(folder));
    cr_assert(dataset_open(&spec, NULL, &dataset, &error) == STATUS_OK);
    cr_expect(dataset->train.rows == 2);
    dataset_close(dataset);
    cr_assert(!chdir(".."));
}

Test(dataset, names_that_are_not_there)
{
    struct data_spec spec = spec_for("brest_cancer", TASK_BINARY);
    expect_error(&spec, STATUS_NOT_FOUND, "nearest: 'breast_cancer'");
    cr_expect(strstr(error.message, SGDLAB_TEST_SOURCE_DIR "/experiments/data") != NULL);
    spec.name = "news20";
    expect_error(&spec, STATUS_NOT_FOUND, "fetch.sh news20");
    spec.name = "/nowhere/at/all";
    expect_error(&spec, STATUS_NOT_FOUND, "/nowhere/at/all");
    spec.name = folder;
    expect_error(&spec, STATUS_NOT_FOUND, folder);
    spec.name = "";
    expect_error(&spec, STATUS_USAGE, "empty");
    spec.name = NULL;
    expect_error(&spec, STATUS_USAGE, "no data");
    spec = spec_for("heart_scale", TASK_BINARY);
    spec.target = "y";
    expect_error(&spec, STATUS_USAGE, "target: is for CSV");
}

Test(dataset, format_overrides_the_name)
{
    struct data_spec spec = plain_spec(write_text("a.csv", "1 1:2 2:3\n2 1:4\n"), TASK_REGRESSION);
    spec.format = FORMAT_LIBSVM;
    struct dataset *dataset = open_spec(&spec);
    cr_expect(dataset->train.rows == 2 && dataset->y[1] == 2 && !strcmp(dataset->name, "a"));
    dataset_close(dataset);
    spec.name = write_text("a.txt", "1,2,3\n4,5,6\n");
    spec.format = FORMAT_CSV;
    spec.target = "1";
    dataset = open_spec(&spec);
    cr_expect(dataset->y[1] == 4 && at(&dataset->train, 1, 1) == 6);
    dataset_close(dataset);
    spec.name = write_text("bad.csv", "1,2\n3,x\n");
    spec.target = NULL;
    expect_error(&spec, STATUS_INPUT, "'x'");
    cr_expect(error.line == 2 && error.column == 3 && !strcmp(error.file, path));
}
