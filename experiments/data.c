/* sgdlab data: what a data set is, as the problems see it, or its numbers as CSV. */
#include <argp.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "data/dataset.h"
#include "data/labels.h"
#include "json.h"
#include "problem.h"
#include "reference.h"

enum {
    KEY_STANDARDIZE = 256,
    KEY_INTERCEPT,
    KEY_DATA_DIR,
    KEY_DATA_SEED,
    KEY_TEST,
    KEY_NOISE,
    KEY_L2,
    KEY_FORMAT,
    KEY_CSV
};
enum { CLASSES_GUESSED_MAX = 32 }; /* more different labels than this are taken for real targets */

struct data_arguments {
    struct data_spec spec;
    const char *data_dir;
    const char **setting; /* KEY=V of a synthetic generator */
    size_t setting_count;
    bool has_task, csv;
    double l2;
};

static const struct argp_option data_options[] = {
    {"csv", KEY_CSV, NULL, 0, "Write X and y as CSV to standard output instead", 1},
    {"task", 't', "TASK", 0, "regression, binary or multiclass (default: by the labels)", 2},
    {"set", 's', "KEY=V", 0, "Parameter of a synthetic generator", 2},
    {"target", 'y', "COLUMN", 0, "CSV: name or number of the target column", 2},
    {"positive", 'P', "CLASS", 0, "This class becomes +1, all others -1", 2},
    {"format", KEY_FORMAT, "FORMAT", 0, "libsvm or csv (default: by the file's name)", 2},
    {"standardize", KEY_STANDARDIZE, "yes|no", 0, "Mean 0 and standard deviation 1 (default: real dense data)", 2},
    {"intercept", KEY_INTERCEPT, "yes|no", 0, "A column of ones (default: real dense data)", 2},
    {"order", 'o', "ORDER", 0, "as_given, shuffled or sorted_by_label", 2},
    {"test-fraction", KEY_TEST, "F", 0, "Leave out this share for testing, 0 <= F < 1", 2},
    {"label-noise", KEY_NOISE, "F", 0, "Redraw this share of the training labels among the other classes, 0 <= F < 1",
     2},
    {"data-seed", KEY_DATA_SEED, "S", 0, "Seed of synthetic data, split, label noise and order (default: 1)", 2},
    {"data-dir", KEY_DATA_DIR, "DIR", 0, "Look for data here first", 2},
    {"l2", KEY_L2, "L2", 0, "Strength of the l2 penalty in L and mu (default: 0)", 2},
    {0},
};

/* Index of arg among the names, or a usage error. */
static int choose(const char *arg, const char *option, const char *const names[], struct argp_state *state)
{
    char valid[128] = "";
    for (int i = 0; names[i]; i++) {
        if (!strcmp(arg, names[i]))
            return i;
        size_t used = strlen(valid);
        snprintf(valid + used, sizeof valid - used, "%s%s", i ? ", " : "", names[i]);
    }
    argp_error(state, "--%s takes %s, found '%s'", option, valid, arg);
    return 0;
}

static const char *const tasks[] = {
    [TASK_REGRESSION] = "regression", [TASK_BINARY] = "binary", [TASK_MULTICLASS] = "multiclass", NULL};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    static const char *const formats[] = {
        [FORMAT_AUTO] = "auto", [FORMAT_LIBSVM] = "libsvm", [FORMAT_CSV] = "csv", NULL};
    static const char *const orders[] = {[ORDER_AS_GIVEN] = "as_given",
                                         [ORDER_SHUFFLED] = "shuffled",
                                         [ORDER_SORTED_BY_LABEL] = "sorted_by_label",
                                         NULL};
    static const char *const answers[] = {[NO] = "no", [YES] = "yes", NULL};
    struct data_arguments *arguments = state->input;
    struct data_spec *spec = &arguments->spec;
    switch (key) {
    case KEY_CSV:
        arguments->csv = true;
        break;
    case 't':
        spec->task = (enum task)choose(arg, "task", tasks, state);
        arguments->has_task = true;
        break;
    case 's':
        if (!strchr(arg, '=') || *arg == '=')
            argp_error(state, "--set takes KEY=VALUE, found '%s'", arg);
        arguments->setting[arguments->setting_count++] = arg;
        break;
    case 'y':
        spec->target = arg;
        break;
    case 'P':
        spec->positive = arg;
        spec->task = TASK_BINARY;
        arguments->has_task = true;
        break;
    case KEY_FORMAT:
        spec->format = (enum data_format)choose(arg, "format", formats, state);
        break;
    case KEY_STANDARDIZE:
        spec->standardize = (enum tristate)choose(arg, "standardize", answers, state);
        break;
    case KEY_INTERCEPT:
        spec->intercept = (enum tristate)choose(arg, "intercept", answers, state);
        break;
    case 'o':
        spec->order = (enum data_order)choose(arg, "order", orders, state);
        break;
    case KEY_TEST:
        if (!number_parse(arg, &spec->test_fraction) || !(spec->test_fraction >= 0 && spec->test_fraction < 1))
            argp_error(state, "--test-fraction takes a number >= 0 and < 1, found '%s'", arg);
        break;
    case KEY_NOISE:
        if (!number_parse(arg, &spec->label_noise) || !(spec->label_noise >= 0 && spec->label_noise < 1))
            argp_error(state, "--label-noise takes a number >= 0 and < 1, found '%s'", arg);
        break;
    case KEY_DATA_SEED:
        if (!parse_whole(arg, 0, UINT64_MAX, &spec->data_seed))
            argp_error(state, "--data-seed takes a whole number below 2^64, found '%s'", arg);
        break;
    case KEY_DATA_DIR:
        arguments->data_dir = arg;
        break;
    case KEY_L2:
        if (!number_parse(arg, &arguments->l2) || arguments->l2 < 0)
            argp_error(state, "--l2 takes a number >= 0, found '%s'", arg);
        break;
    case ARGP_KEY_ARG:
        if (spec->name)
            argp_error(state, "one data set expected, found also '%s'", arg);
        spec->name = arg;
        break;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "name a data set, a file or a synthetic generator");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp parser = {
    data_options,
    parse_option,
    "NAME|FILE",
    "Describe a data set: n, d, nonzeros, labels and what they become, condition number, "
    "L and mu of the problems that fit it, checksum.\v"
    "Examples:\n"
    "  sgdlab data breast_cancer --l2 1e-3\n"
    "  sgdlab data gaussian_least_squares --set n=100 --csv > data.csv",
    NULL,
    NULL,
    NULL};

/* ---- opening ---- */

static enum status unknown_parameter(const struct method *generator, const char *name, struct error *error)
{
    const char *names[PARAMS_MAX];
    char what[100];
    for (size_t i = 0; i < generator->param_count; i++)
        names[i] = generator->params[i].name;
    snprintf(what, sizeof what, "parameter of %.60s", generator->name);
    return name_unknown(error, what, name, names, generator->param_count);
}

/* A generator's name makes the data synthetic; its parameters come from --set. */
static enum status find_generator(struct data_arguments *arguments, struct error *error)
{
    struct data_spec *spec = &arguments->spec;
    const struct method *found = NULL;
    for (size_t i = 0; i < registry_count(METHOD_SYNTHETIC); i++)
        if (!strcmp(registry_at(METHOD_SYNTHETIC, i)->name, spec->name))
            found = registry_at(METHOD_SYNTHETIC, i);
    if (!found)
        return arguments->setting_count == 0
                   ? STATUS_OK
                   : error_set(error, STATUS_USAGE,
                               "--set is for synthetic generators (sgdlab list synthetic), and '%s' is none",
                               spec->name);
    spec->synthetic = (const struct synthetic_type *)found; /* method is its first member */
    spec->name = NULL;
    param_defaults(found->params, found->param_count, &spec->values);
    for (size_t i = 0; i < arguments->setting_count; i++) {
        char name[64];
        const char *text = strchr(arguments->setting[i], '=') + 1;
        snprintf(name, sizeof name, "%.*s", (int)(text - 1 - arguments->setting[i]), arguments->setting[i]);
        int index = param_find(found->params, found->param_count, name);
        if (index < 0)
            return unknown_parameter(found, name, error);
        if (!number_parse(text, &spec->values.scalar[index]))
            return error_set(error, STATUS_USAGE, "--set %s: '%s' is not a number", name, text);
        enum status status = param_check(&found->params[index], spec->values.scalar[index], error);
        if (status != STATUS_OK)
            return status;
    }
    for (size_t i = 0; i < found->param_count; i++)
        if (isnan(spec->values.scalar[i]))
            return error_set(error, STATUS_USAGE, "%s needs --set %s=VALUE", found->name, found->params[i].name);
    if (!arguments->has_task)
        spec->task = spec->synthetic->task;
    arguments->has_task = true;
    return STATUS_OK;
}

/* Few different whole numbers are classes. */
static enum task guess_task(const struct dataset *dataset)
{
    double seen[CLASSES_GUESSED_MAX];
    size_t count = 0;
    for (size_t i = 0; i < dataset->train.rows; i++) {
        size_t at = 0;
        while (at < count && seen[at] != dataset->y[i])
            at++;
        if (at < count)
            continue;
        if (count == CLASSES_GUESSED_MAX || dataset->y[i] != floor(dataset->y[i]))
            return TASK_REGRESSION;
        seen[count++] = dataset->y[i];
    }
    return count == 2 ? TASK_BINARY : count > 2 ? TASK_MULTICLASS : TASK_REGRESSION;
}

static enum status open_data(struct data_arguments *arguments, struct dataset **dataset, struct error *error)
{
    struct data_search search = {.data_dir = arguments->data_dir};
    enum status status = find_generator(arguments, error);
    if (status == STATUS_OK && !arguments->has_task) {
        struct data_spec raw = arguments->spec;
        struct error no_classes;
        raw.task = TASK_REGRESSION;
        raw.test_fraction = raw.label_noise = 0;
        status = dataset_open(&raw, &search, dataset, error);
        if (status == STATUS_OK) {
            arguments->spec.task = guess_task(*dataset);
            dataset_close(*dataset);
        } else if (status == STATUS_INPUT) { /* perhaps of targets that are texts */
            raw.task = TASK_MULTICLASS;
            if (dataset_open(&raw, &search, dataset, &no_classes) == STATUS_OK) {
                arguments->spec.task = (*dataset)->classes == 2 ? TASK_BINARY : TASK_MULTICLASS;
                dataset_close(*dataset);
                status = STATUS_OK;
            }
        }
    }
    return status == STATUS_OK ? dataset_open(&arguments->spec, &search, dataset, error) : status;
}

/* ---- showing ---- */

static void print_csv(const struct dataset *dataset)
{
    const struct matrix *x = &dataset->train;
    size_t features = x->cols - dataset->intercept;
    char number[NUMBER_TEXT_MAX];
    for (size_t j = 0; j < features; j++)
        printf("x%zu,", j + 1);
    puts(dataset->intercept ? "intercept,y" : "y");
    for (size_t i = 0; i < x->rows; i++) {
        size_t entry = x->sparse ? x->row[i] : 0;
        for (size_t j = 0; j < x->cols; j++) {
            double value = 0;
            if (!x->sparse)
                value = x->value[i * x->stride + j];
            else if (entry < x->row[i + 1] && x->column[entry] == j)
                value = x->value[entry++];
            number_text(number, value);
            fputs(number, stdout);
            putchar(',');
        }
        number_text(number, dataset->y[i]);
        puts(number);
    }
}

static void print_labels(const struct dataset *dataset)
{
    char label[LABEL_TEXT_SIZE], value[NUMBER_TEXT_MAX], samples[40];
    for (size_t i = 0; i < dataset->label_count; i++) {
        number_text(value, dataset->label_value[i]);
        printf("%-14s%s -> %s: %s\n", i ? "" : "labels", label_name(dataset, i, label), value,
               counted(dataset->label_samples[i], "sample", samples, sizeof samples));
    }
}

static void print_targets(const struct dataset *dataset)
{
    double low = INFINITY, high = -INFINITY, sum = 0;
    for (size_t i = 0; i < dataset->train.rows; i++) {
        low = fmin(low, dataset->y[i]);
        high = fmax(high, dataset->y[i]);
        sum += dataset->y[i];
    }
    printf("targets       real, %g to %g, mean %g\n", low, high, sum / (double)dataset->train.rows);
}

/* The problems that take several classes; none of them has an L. */
static void print_multiclass(void)
{
    const char *separator = ":";
    printf("\nproblems for several classes");
    for (size_t i = 0; i < registry_count(METHOD_PROBLEM); i++) {
        const struct problem_type *type = (const struct problem_type *)registry_at(METHOD_PROBLEM, i);
        if (type->task == TASK_MULTICLASS) {
            printf("%s %s", separator, type->method.name);
            separator = ",";
        }
    }
    puts("; --positive CLASS makes two classes of them");
}

/* L and mu of every problem that can use these data. */
static enum status print_constants(const struct dataset *dataset, double l2, struct error *error)
{
    double largest, smallest;
    for (size_t i = 0; i < registry_count(METHOD_PROBLEM); i++) {
        const struct problem_type *type = (const struct problem_type *)registry_at(METHOD_PROBLEM, i);
        if (!type->quadratic)
            continue;
        struct problem squares = {.type = type, .data = dataset, .radius = INFINITY};
        enum status status = problem_constants(&squares, &largest, &smallest, error);
        if (status != STATUS_OK)
            return status;
        if (smallest > 0)
            printf("condition     %g", largest / smallest);
        else
            printf("condition     infinite: columns depend on each other");
        printf(" (eigenvalues of X'X/n: %.6g to %.6g)\n", smallest, largest);
        break;
    }
    if (dataset->task == TASK_MULTICLASS) {
        print_multiclass();
        return STATUS_OK;
    }
    printf("\n%-28s %14s %14s   (l2 = %g; no gradient descent step above 2/L is stable)\n", "problem", "L", "mu", l2);
    for (size_t i = 0; i < registry_count(METHOD_PROBLEM); i++) {
        const struct problem_type *type = (const struct problem_type *)registry_at(METHOD_PROBLEM, i);
        if (type->task != dataset->task)
            continue;
        struct problem problem = {.type = type, .data = dataset, .l2 = l2, .radius = INFINITY};
        double smoothness, convexity;
        enum status status = problem_constants(&problem, &smoothness, &convexity, error);
        if (status != STATUS_OK)
            return status;
        if (isfinite(smoothness))
            printf("%-28s %14.6g %14.6g\n", type->method.name, smoothness, convexity);
        else
            printf("%-28s %14s %14.6g\n", type->method.name, "not smooth", convexity);
    }
    return STATUS_OK;
}

static enum status print_data(const struct dataset *dataset, double label_noise, double l2, struct error *error)
{
    const struct matrix *x = &dataset->train;
    char text[64];
    printf("%s", dataset->name);
    printf(dataset->path ? " (%s)\n" : " (synthetic)\n", dataset->path);
    printf("n             %zu", x->rows);
    if (dataset->test.rows)
        printf(" (and %zu for testing)", dataset->test.rows);
    printf("\nd             %zu%s\n", x->cols, dataset->intercept ? " with the intercept" : "");
    printf("nonzeros      ");
    size_t nonzero = 0;
    for (size_t i = 0; i < x->rows; i++) {
        const double *row = x->value + (x->sparse ? x->row[i] : i * x->stride);
        size_t length = x->sparse ? x->row[i + 1] - x->row[i] : x->cols;
        for (size_t j = 0; j < length; j++)
            nonzero += row[j] != 0;
    }
    double size = (double)x->rows * (double)x->cols;
    double bytes = x->sparse ? 12.0 * (double)x->nnz : 8.0 * (double)x->rows * (double)x->stride;
    printf("%zu, density %.4g, stored %s in %s\n", nonzero, (double)nonzero / size, x->sparse ? "sparse" : "dense",
           format_bytes(bytes, text, sizeof text));
    printf("standardized  %s\n", dataset->standardized ? "yes" : "no");
    printf("task          %s\n", tasks[dataset->task]);
    if (dataset->label_count)
        print_labels(dataset);
    else
        print_targets(dataset);
    if (label_noise > 0)
        printf("label noise   %g of the training labels\n", label_noise);
    printf("checksum      %s\n", dataset->checksum);
    return print_constants(dataset, l2, error);
}

int command_data(int argc, char **argv)
{
    struct data_arguments arguments = {.spec = {.intercept = UNSET, .standardize = UNSET, .data_seed = 1},
                                       .setting = calloc((size_t)argc, sizeof *arguments.setting)};
    struct error error;
    if (!arguments.setting) {
        error_memory(&error, (size_t)argc * sizeof *arguments.setting, "the command line");
        return command_error(&error);
    }
    argp_parse(&parser, argc, argv, 0, NULL, &arguments);
    struct dataset *dataset = NULL;
    enum status status = open_data(&arguments, &dataset, &error);
    if (status == STATUS_OK && arguments.csv)
        print_csv(dataset);
    else if (status == STATUS_OK)
        status = print_data(dataset, arguments.spec.label_noise, arguments.l2, &error);
    dataset_close(dataset);
    free(arguments.setting);
    return status == STATUS_OK ? EXIT_FINE : command_error(&error);
}
