/* Synthetic data: that the numbers have the distributions their descriptors promise, in closed form or within 5
 * standard errors, and that they depend on parameters and seed alone. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/dataset.h"

#define SYNTHETIC(name) extern const struct synthetic_type synthetic_##name;
#include "registry_list.h"
#undef SYNTHETIC

static const struct synthetic_type *const types[] = {
#define SYNTHETIC(name) &synthetic_##name,
#include "registry_list.h"
#undef SYNTHETIC
};
enum { TYPES = sizeof types / sizeof types[0] };

static struct error error;

/* Defaults, and up to four parameters by name. */
struct setting {
    const char *name;
    double value;
};

static struct data_spec spec_for(const struct synthetic_type *type, const struct setting *setting)
{
    struct data_spec spec = {
        .synthetic = type, .task = type->task, .intercept = UNSET, .standardize = UNSET, .data_seed = 1};
    for (size_t k = 0; k < type->method.param_count; k++) {
        spec.values.scalar[k] = type->method.params[k].fallback;
        for (size_t s = 0; setting && s < 4 && setting[s].name; s++)
            if (!strcmp(setting[s].name, type->method.params[k].name))
                spec.values.scalar[k] = setting[s].value;
    }
    return spec;
}

static struct dataset *open_spec(const struct data_spec *spec)
{
    struct dataset *dataset;
    enum status status = dataset_open(spec, NULL, &dataset, &error);
    cr_assert(status == STATUS_OK, "%s", error.message);
    return dataset;
}

static struct dataset *open_type(const struct synthetic_type *type, const struct setting *setting)
{
    struct data_spec spec = spec_for(type, setting);
    return open_spec(&spec);
}

static double at(const struct dataset *dataset, size_t i, size_t j)
{
    return dataset->train.value[i * dataset->train.stride + j];
}

Test(synthetic, parameter_tables_are_sound)
{
    for (size_t t = 0; t < TYPES; t++) {
        const struct method *method = &types[t]->method;
        cr_expect(method->param_count <= PARAMS_MAX && method->revision > 0 && method->summary[0]);
        for (size_t k = 0; k < method->param_count; k++) {
            const struct param *p = &method->params[k];
            cr_expect(p->name && p->help && p->unit && !p->required, "%s", method->name);
            cr_expect(p->min < p->max && p->fallback >= p->min && p->fallback <= p->max, "%s %s", method->name,
                      p->name);
            for (size_t other = 0; other < k; other++)
                cr_expect(strcmp(p->name, method->params[other].name) != 0);
        }
    }
}

Test(synthetic, numbers_depend_on_the_seed_and_nothing_else)
{
    for (size_t t = 0; t < TYPES; t++) {
        struct data_spec spec = spec_for(types[t], NULL);
        struct dataset *first = open_spec(&spec), *again = open_spec(&spec);
        spec.data_seed = 2;
        struct dataset *other = open_spec(&spec);
        const char *name = types[t]->method.name;
        size_t n = first->train.rows;
        bool random = strcmp(name, "six_parabolas") && strcmp(name, "absolute_deviations") &&
                      strcmp(name, "two_parabolas") && strcmp(name, "signs") && strcmp(name, "outlier");
        cr_expect(first->synthetic && !first->intercept && !first->standardized && !strcmp(first->name, name));
        cr_expect(!strcmp(first->checksum, again->checksum) &&
                      random == (strcmp(first->checksum, other->checksum) != 0),
                  "%s", name);
        bool targets = random && strcmp(name, "centres") != 0; /* its targets are all -1 */
        cr_expect(!memcmp(first->y, again->y, n * sizeof(double)), "%s", name);
        cr_expect(targets == (memcmp(first->y, other->y, n * sizeof(double)) != 0), "%s", name);
        dataset_close(first);
        dataset_close(again);
        dataset_close(other);
    }
}

Test(synthetic, least_squares_has_the_moments_it_names)
{
    enum { COUNT = 40000, WIDTH = 4 };
    struct dataset *dataset =
        open_type(&synthetic_gaussian_least_squares,
                  (struct setting[4]){{"n", COUNT}, {"d", WIDTH}, {"condition", 27}, {"noise", 0.5}});
    double moment[WIDTH][WIDTH] = {{0}}, noise = 0, cross[WIDTH] = {0};
    cr_assert(dataset->train.rows == COUNT && dataset->train.cols == WIDTH && !dataset->train.sparse);
    for (size_t i = 0; i < COUNT; i++) {
        double residual = dataset->y[i] - matrix_row_dot(&dataset->train, i, dataset->truth);
        noise += residual * residual / COUNT;
        for (size_t j = 0; j < WIDTH; j++) {
            cross[j] += residual * at(dataset, i, j) / COUNT;
            for (size_t k = 0; k < WIDTH; k++)
                moment[j][k] += at(dataset, i, j) * at(dataset, i, k) / COUNT;
        }
    }
    static const double variance[WIDTH] = {1, 1. / 3, 1. / 9, 1. / 27};
    double root = sqrt(COUNT);
    for (size_t j = 0; j < WIDTH; j++) {
        for (size_t k = 0; k < WIDTH; k++) {
            double scale = sqrt(variance[j] * variance[k]), expected = j == k ? variance[j] : 0;
            cr_expect(fabs(moment[j][k] - expected) < 5 * scale * (j == k ? sqrt(2) : 1) / root, "%zu %zu", j, k);
        }
        cr_expect(fabs(cross[j]) < 5 * 0.5 * sqrt(variance[j]) / root);
        cr_expect(fabs(dataset->truth[j]) > 1e-3 && fabs(dataset->truth[j]) < 5);
        cr_expect(dataset->start[j] == 1); /* 2 / sqrt 4 */
    }
    cr_expect(fabs(noise - 0.25) < 5 * 0.25 * sqrt(2) / root);
    dataset_close(dataset);
    dataset = open_type(&synthetic_gaussian_least_squares, (struct setting[4]){{"d", 8}, {"start_entry", 1}});
    cr_expect(dataset->start[0] == 1 && dataset->start[7] == 1);
    dataset_close(dataset);
    dataset = open_type(&synthetic_gaussian_least_squares, (struct setting[4]){{"n", 20}, {"d", 40}, {"noise", 0}});
    for (size_t i = 0; i < 20; i++)
        cr_expect(dataset->y[i] == matrix_row_dot(&dataset->train, i, dataset->truth));
    dataset_close(dataset);
}

/* Score of the labels at the truth: sum (y01 - p) over its standard deviation, alone and weighted by the margin. */
static void expect_calibrated(const struct dataset *dataset, double flip)
{
    double score = 0, slope = 0, variance = 0, slope_variance = 0;
    for (size_t i = 0; i < dataset->train.rows; i++) {
        double z = matrix_row_dot(&dataset->train, i, dataset->truth), p = 1 / (1 + exp(-z));
        p = p * (1 - flip) + (1 - p) * flip;
        double surprise = (dataset->y[i] > 0) - p;
        score += surprise;
        slope += surprise * z;
        variance += p * (1 - p);
        slope_variance += p * (1 - p) * z * z;
    }
    cr_expect(fabs(score) < 5 * sqrt(variance));
    cr_expect(fabs(slope) < 5 * sqrt(slope_variance));
    cr_expect(dataset->classes == 2 && dataset->label_count == 2);
}

Test(synthetic, logistic_labels_follow_their_probabilities)
{
    struct dataset *dataset = open_type(&synthetic_logistic_model, (struct setting[4]){{"n", 20000}, {"scale", 3}});
    double norm2 = 0;
    for (size_t j = 0; j < 10; j++)
        norm2 += dataset->truth[j] * dataset->truth[j];
    cr_expect(fabs(norm2 - 9) < 1e-13 && dataset->start == NULL);
    expect_calibrated(dataset, 0);
    dataset_close(dataset);
    dataset = open_type(&synthetic_sparse_logistic, (struct setting[4]){{"n", 20000}, {"d", 500}, {"noise", 0.1}});
    expect_calibrated(dataset, 0.1);
    dataset_close(dataset);
}

/* nnz entries a row, at distinct increasing columns, every column equally often, mean |a|^2 = 1. */
static void expect_design(size_t n, size_t d, size_t nnz)
{
    struct dataset *dataset =
        open_type(&synthetic_sparse_least_squares,
                  (struct setting[4]){{"n", (double)n}, {"d", (double)d}, {"nnz", (double)nnz}, {"noise", 0.1}});
    const struct matrix *x = &dataset->train;
    double *count = calloc(d, sizeof *count), norm2 = 0, noise = 0, chi2 = 0, share = (double)nnz / (double)d;
    cr_assert(count && x->sparse && x->rows == n && x->cols == d && x->nnz == n * nnz);
    for (size_t i = 0; i < n; i++) {
        cr_assert(x->row[i + 1] - x->row[i] == nnz);
        for (size_t k = x->row[i]; k < x->row[i + 1]; k++) {
            cr_assert(x->column[k] < d && (k == x->row[i] || x->column[k - 1] < x->column[k]));
            count[x->column[k]]++;
            norm2 += x->value[k] * x->value[k] / (double)n;
        }
        noise += pow(dataset->y[i] - matrix_row_dot(x, i, dataset->truth), 2) / (double)n;
    }
    cr_expect(fabs(norm2 - 1) < 5 * sqrt(2 / ((double)nnz * (double)n)));
    cr_expect(fabs(noise - 0.01) < 5 * 0.01 * sqrt(2 / (double)n));
    for (size_t j = 0; share < 1 && j < d; j++)
        chi2 += pow(count[j] - (double)n * share, 2) / ((double)n * share * (1 - share));
    cr_expect(share == 1 || fabs(chi2 - (double)d) < 5 * sqrt(2 * (double)d), "%zu %zu: chi2 %g", d, nnz, chi2);
    free(count);
    dataset_close(dataset);
}

Test(synthetic, sparse_rows_are_uniform_draws)
{
    expect_design(5000, 100, 1);
    expect_design(5000, 100, 10);
    expect_design(5000, 100, 50); /* the last by redrawing */
    expect_design(5000, 100, 60); /* by gsl_ran_choose */
    expect_design(1000, 20, 20);
    expect_design(2, 1, 1);
    expect_design(20000, 1000000, 20);
    struct data_spec spec = spec_for(&synthetic_sparse_logistic, (struct setting[4]){{"d", 5}, {"nnz", 6}});
    struct dataset *dataset;
    cr_expect(dataset_open(&spec, NULL, &dataset, &error) == STATUS_USAGE && dataset == NULL);
}

Test(synthetic, mean_estimation_is_centred_and_scaled)
{
    struct dataset *dataset = open_type(&synthetic_mean_estimation, (struct setting[4]){{"n", 37}, {"sigma", 3}});
    double mean = 0, square = 0;
    for (size_t i = 0; i < 37; i++) {
        cr_expect(at(dataset, i, 0) == 1);
        mean += dataset->y[i] / 37;
        square += dataset->y[i] * dataset->y[i] / 37;
    }
    cr_expect(fabs(mean) < 1e-15 && fabs(square - 9) < 1e-13 && dataset->truth[0] == 0 && dataset->start[0] == 1);
    dataset_close(dataset);
}

Test(synthetic, centres_are_centred_and_scaled)
{
    struct dataset *dataset =
        open_type(&synthetic_centres, (struct setting[4]){{"n", 41}, {"d", 3}, {"sigma", 2}, {"start_norm", 3}});
    double mean[3] = {0}, square = 0, cross = 0;
    for (size_t i = 0; i < 41; i++) {
        cr_expect(dataset->y[i] == -1);
        cross += at(dataset, i, 0) * at(dataset, i, 1) / 41;
        for (size_t j = 0; j < 3; j++) {
            mean[j] += at(dataset, i, j) / 41;
            square += at(dataset, i, j) * at(dataset, i, j) / 41;
        }
    }
    for (size_t j = 0; j < 3; j++)
        cr_expect(fabs(mean[j]) < 1e-15 && fabs(dataset->start[j] - sqrt(3)) < 1e-15 && dataset->truth[j] == 0);
    cr_expect(fabs(square - 4) < 1e-13 && fabs(cross) > 1e-6 && fabs(cross) < 1.5, "columns are different draws");
    dataset_close(dataset);
}

Test(synthetic, two_parabolas_and_signs)
{
    struct dataset *dataset = open_type(&synthetic_two_parabolas, (struct setting[4]){{"left", -3.5}, {"right", 0.5}});
    cr_expect(dataset->train.rows == 2 && at(dataset, 0, 0) == 1 && at(dataset, 1, 0) == 1);
    cr_expect(dataset->y[0] == -3.5 && dataset->y[1] == 0.5 && dataset->truth[0] == -1.5);
    dataset_close(dataset);
    for (size_t n = 1; n < 40; n += 7) {
        double sum = 0, positive = 0;
        dataset = open_type(&synthetic_signs, (struct setting[4]){{"n", (double)n}, {"excess", 1}, {"scale", 0.5}});
        cr_assert(dataset->train.rows == n && dataset->train.cols == 1);
        for (size_t i = 0; i < n; i++) {
            cr_expect(fabs(dataset->y[i]) == 0.5 && at(dataset, i, 0) == 1);
            sum += dataset->y[i];
            positive += dataset->y[i] > 0;
        }
        cr_expect((size_t)positive == n / 2 + 1 && sum == 0.5 * (2 * positive - (double)n));
        dataset_close(dataset);
    }
    struct data_spec spec = spec_for(&synthetic_signs, (struct setting[4]){{"n", 3}, {"excess", 3}});
    cr_expect(dataset_open(&spec, NULL, &dataset, &error) == STATUS_USAGE && strstr(error.message, "excess"));
}

/* P(y = 1 | a) = Phi(a.w / noise). */
Test(synthetic, probit_labels_follow_their_probabilities)
{
    enum { COUNT = 20000 };
    struct dataset *dataset = open_type(&synthetic_probit_model, (struct setting[4]){{"n", COUNT}, {"noise", 1}});
    double score = 0, slope = 0, variance = 0, slope_variance = 0, moment[3][3] = {{0}};
    cr_assert(dataset->train.rows == COUNT && dataset->train.cols == 3 && dataset->classes == 2);
    cr_expect(dataset->truth[0] == 1 && dataset->truth[1] == -1 && dataset->truth[2] == 0.5);
    for (size_t i = 0; i < COUNT; i++) {
        double z = at(dataset, i, 0) - at(dataset, i, 1) + 0.5 * at(dataset, i, 2), p = 0.5 * erfc(-z / sqrt(2));
        double surprise = (dataset->y[i] > 0) - p;
        score += surprise;
        slope += surprise * z;
        variance += p * (1 - p);
        slope_variance += p * (1 - p) * z * z;
        for (size_t j = 0; j < 3; j++)
            for (size_t k = 0; k < 3; k++)
                moment[j][k] += at(dataset, i, j) * at(dataset, i, k) / COUNT;
    }
    cr_expect(fabs(score) < 5 * sqrt(variance) && fabs(slope) < 5 * sqrt(slope_variance));
    for (size_t j = 0; j < 3; j++)
        for (size_t k = 0; k < 3; k++)
            cr_expect(fabs(moment[j][k] - (j == k)) < 5 * sqrt((j == k ? 2.0 : 1.0) / COUNT));
    dataset_close(dataset);
    dataset = open_type(&synthetic_probit_model, (struct setting[4]){{"n", 200}, {"noise", 0}});
    for (size_t i = 0; i < 200; i++)
        cr_expect(dataset->y[i] * matrix_row_dot(&dataset->train, i, dataset->truth) > 0);
    dataset_close(dataset);
}

/* Centre, curvature and the law's start from the stored row and target. */
Test(synthetic, parabolas_are_where_they_should_be)
{
    struct dataset *dataset = open_type(&synthetic_weighted_parabolas, NULL);
    double slope = 0, highest = -1, mean = 0;
    for (size_t i = 0; i < 40; i++) {
        double row = at(dataset, i, 0), a = row * row, c = dataset->y[i] / row;
        cr_expect(a >= 0.5 - 1e-15 && a <= 2 + 1e-15 && c >= -1 && c <= 1);
        slope += a * (dataset->truth[0] - c);
        highest = fmax(highest, c);
        mean += a / 40;
    }
    cr_expect(fabs(slope) < 1e-13);
    cr_expect(fabs(mean - 1.25) < 5 * 1.5 / sqrt(12 * 40));
    cr_expect(fabs(dataset->truth[0] + dataset->start[0] - highest - 5) < 1e-14);
    dataset_close(dataset);

    static const double centre[3][4] = {{-0.75, -0.25, 0.25, 0.75}, {-1, -1. / 3, 1. / 3, 1}, {0, 0, 0, 10}};
    for (size_t s = 0; s < 3; s++) {
        dataset = open_type(&synthetic_weighted_parabolas,
                            (struct setting[4]){{"n", 4}, {"low", 1}, {"high", 1}, {"spacing", (double)s + 1}});
        for (size_t i = 0; i < 4; i++)
            cr_expect(at(dataset, i, 0) == 1 && fabs(dataset->y[i] - centre[s][i]) < 1e-15);
        cr_expect(fabs(dataset->truth[0] - (s == 2 ? 2.5 : 0)) < 1e-15);
        dataset_close(dataset);
    }
    struct data_spec spec = spec_for(&synthetic_weighted_parabolas, (struct setting[4]){{"low", 3}});
    cr_expect(dataset_open(&spec, NULL, &dataset, &error) == STATUS_USAGE);
}

/* The bias that reshuffling keeps is (eta/2) H^-1 mean(|a_i|^2 r_i a_i): -0.08041 eta on this instance. */
Test(synthetic, six_parabolas_have_the_known_bias)
{
    struct dataset *dataset = open_type(&synthetic_six_parabolas, NULL);
    double curvature = 0, moment = 0;
    cr_assert(dataset->train.rows == 6);
    for (size_t i = 0; i < 6; i++) {
        double a = at(dataset, i, 0);
        curvature += a * a;
        moment += a * a * (dataset->y[i] - a * dataset->truth[0]) * a;
    }
    cr_expect(fabs(moment / (2 * curvature) + 0.08041) < 5e-6, "%.8f", moment / (2 * curvature));
    cr_expect(dataset->start[0] == 1);
    dataset_close(dataset);
}

/* f(x) = |x|/2 + B/2 on [-B, B]. */
Test(synthetic, absolute_deviations)
{
    struct dataset *dataset = open_type(&synthetic_absolute_deviations, (struct setting[4]){{"B", 3}});
    cr_assert(dataset->train.rows == 4 && dataset->train.cols == 1);
    for (double x = -3; x <= 3; x += 0.25) {
        double f = 0;
        for (size_t i = 0; i < 4; i++)
            f += fabs(at(dataset, i, 0) * x - dataset->y[i]) / 4;
        cr_expect(f == fabs(x) / 2 + 1.5, "x = %g", x);
    }
    dataset_close(dataset);
}

/* Standardised data with an intercept have the same margins at the carried truth; without one there is no such
 * parameter. */
Test(synthetic, truth_follows_the_coordinates)
{
    struct data_spec spec =
        spec_for(&synthetic_gaussian_least_squares, (struct setting[4]){{"n", 50}, {"d", 3}, {"noise", 0}});
    spec.intercept = spec.standardize = YES;
    spec.test_fraction = 0.2;
    spec.order = ORDER_SHUFFLED;
    struct dataset *dataset = open_spec(&spec);
    cr_assert(dataset->train.cols == 4 && dataset->train.rows == 40 && dataset->truth != NULL);
    for (size_t i = 0; i < 40; i++)
        cr_expect(fabs(matrix_row_dot(&dataset->train, i, dataset->truth) - dataset->y[i]) < 1e-13);
    for (size_t i = 0; i < 10; i++)
        cr_expect(fabs(matrix_row_dot(&dataset->test, i, dataset->truth) - dataset->test_y[i]) < 1e-13);
    cr_expect(dataset->start[3] == 0 && fabs(dataset->start[1] - 2 / sqrt(3) * dataset->scale[1]) < 1e-15);
    dataset_close(dataset);
    spec.intercept = NO;
    dataset = open_spec(&spec);
    cr_expect(dataset->truth == NULL && dataset->train.cols == 3);
    dataset_close(dataset);
    spec.standardize = NO;
    spec.task = TASK_BINARY;
    cr_expect(dataset_open(&spec, NULL, &dataset, &error) == STATUS_UNSUPPORTED);
    cr_expect(strstr(error.message, "logistic_model") != NULL);
}

/* The numbers themselves, on glibc with x86-64's libm: a change of them needs a new revision of the generator. */
Test(synthetic, golden_checksums)
{
    static const char *const golden[][2] = {
        {"gaussian_least_squares", "7e7c2dc422ed2380"},
        {"logistic_model", "58bbb927ec23c5ee"},
        {"sparse_logistic", "448e829613b29828"},
        {"sparse_least_squares", "83876983d9c3e746"},
        {"mean_estimation", "152a2c955325a376"},
        {"weighted_parabolas", "d9d1000844c11df8"},
        {"six_parabolas", "798613abae17070e"},
        {"absolute_deviations", "99d15a93d63dca8a"},
        {"centres", "1f51ee11be1537d2"},
        {"two_parabolas", "580c0128ebf87c29"},
        {"signs", "acb2c022a62c8386"},
        {"probit_model", "1ccc7aeafeb094a4"},
        {"outlier", "4007a01d9eb3b639"},
    };
    cr_assert(sizeof golden / sizeof golden[0] == TYPES);
    for (size_t t = 0; t < TYPES; t++) {
        struct dataset *dataset = open_type(types[t], NULL);
        cr_expect(!strcmp(golden[t][0], dataset->name) && !strncmp(golden[t][1], dataset->checksum, 16), "%s: %.16s",
                  dataset->name, dataset->checksum);
        dataset_close(dataset);
    }
}
