/* Reading LIBSVM text: our reader against the way liblinear's train.c reads (a pass of fgets and strtok to count, a
 * second one with strtol and strtod to parse) and, where reader.sh prepares it, against liblinear-train itself.
 * Repetitions are interleaved, all from a warm page cache; ours includes the SHA-256 of the file. Usage: bench_reader
 * FILE [REPETITIONS [LIBRARY]]   FILE: plain LIBSVM text; LIBRARY: reader.sh's, to preload. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "data/dataset.h"
#include "data/reader.h"
#include "data/source.h"

enum { REPETITIONS_MAX = 1000, LINE_START = 1024 };

struct node {
    int index;
    double value;
};

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

static double median(double *time, size_t count)
{
    qsort(time, count, sizeof *time, compare);
    return time[count / 2];
}

/* A whole line into *line, which grows as needed. */
static char *read_line(FILE *file, char **line, size_t *size)
{
    if (!fgets(*line, (int)*size, file))
        return NULL;
    while (!strchr(*line, '\n')) {
        *size *= 2;
        *line = realloc(*line, *size);
        size_t length = strlen(*line);
        if (!fgets(*line + length, (int)(*size - length), file))
            break;
    }
    return *line;
}

/* Sum of all numbers read, so that the work is used and the readers can be compared. */
static double read_like_liblinear(const char *path)
{
    FILE *file = fopen(path, "r");
    size_t size = LINE_START, rows = 0, nodes = 0;
    char *line = malloc(size);
    if (!file || !line)
        return -1;
    while (read_line(file, &line, &size)) {
        strtok(line, " \t");
        for (char *p; (p = strtok(NULL, " \t")) && *p != '\n';)
            nodes++;
        nodes++;
        rows++;
    }
    rewind(file);
    double *label = malloc(rows * sizeof *label), sum = 0;
    struct node *node = malloc(nodes * sizeof *node), **row = malloc(rows * sizeof *row);
    size_t at = 0;
    for (size_t i = 0; label && node && row && i < rows; i++) {
        char *end;
        read_line(file, &line, &size);
        row[i] = &node[at];
        label[i] = strtod(strtok(line, " \t\n"), &end);
        for (char *index, *value; (index = strtok(NULL, ":")) && (value = strtok(NULL, " \t"));) {
            node[at].index = (int)strtol(index, &end, 10);
            node[at].value = strtod(value, &end);
            sum += node[at].index * node[at].value;
            at++;
        }
        node[at++].index = -1;
        sum += label[i];
    }
    fclose(file);
    free(line);
    free(label);
    free(node);
    free(row);
    return sum;
}

static double read_ours(const char *path)
{
    struct source source;
    struct samples samples;
    struct error error;
    double sum = 0;
    if (source_read(path, &source, &error) || source_unpack(path, &source, &error) ||
        reader_libsvm(source.text, source.text_size, path, &samples, &error)) {
        fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
    const struct matrix *x = &samples.matrix;
    for (size_t i = 0; i < x->rows; i++) {
        for (size_t k = 0; x->sparse && k < x->row[i + 1] - x->row[i]; k++)
            sum += ((double)x->column[x->row[i] + k] + 1) * x->value[x->row[i] + k];
        for (size_t j = 0; !x->sparse && j < x->cols; j++)
            sum += (double)(j + 1) * x->value[i * x->stride + j];
        sum += samples.target[i];
    }
    samples_free(&samples);
    source_free(&source);
    return sum;
}

/* Seconds between liblinear-train's fopen and fclose of the file, as the preloaded library prints them; 0: did not
 * work. */
static double time_liblinear(const char *path, const char *library)
{
    char command[4096];
    double time = 0;
    snprintf(command, sizeof command, "LD_PRELOAD='%s' liblinear-train -q '%s' /dev/null", library, path);
    FILE *output = popen(command, "r");
    if (!output)
        return 0;
    if (fscanf(output, "%lf", &time) != 1)
        time = 0;
    pclose(output);
    return time;
}

/* Opening through the cache, which the first call leaves. */
static double time_open(const char *path)
{
    struct data_spec spec = {.name = path, .task = TASK_REGRESSION, .intercept = NO, .standardize = NO};
    struct dataset *dataset;
    struct error error;
    double start = seconds();
    if (dataset_open(&spec, NULL, &dataset, &error))
        return -1;
    double time = seconds() - start;
    dataset_close(dataset);
    return time;
}

int main(int argc, char **argv)
{
    static double ours[REPETITIONS_MAX], theirs[REPETITIONS_MAX], program[REPETITIONS_MAX], opening[REPETITIONS_MAX];
    long wanted = argc > 2 ? strtol(argv[2], NULL, 10) : 11;
    if (argc < 2 || argc > 4 || wanted < 1 || wanted > REPETITIONS_MAX) {
        fprintf(stderr, "Usage: bench_reader FILE [REPETITIONS [LIBRARY]]\n");
        return 2;
    }
    size_t count = (size_t)wanted;
    const char *library = argc > 3 ? argv[3] : NULL;
    if (read_ours(argv[1]) != read_like_liblinear(argv[1])) { /* verify before timing; warms the page cache too */
        fprintf(stderr, "bench_reader: the readers do not agree on %s\n", argv[1]);
        return 1;
    }
    time_open(argv[1]);
    for (size_t i = 0; i < count; i++) {
        double start = seconds();
        read_ours(argv[1]);
        ours[i] = seconds() - start;
        start = seconds();
        read_like_liblinear(argv[1]);
        theirs[i] = seconds() - start;
        program[i] = library ? time_liblinear(argv[1], library) : 0;
        opening[i] = time_open(argv[1]);
    }
    double mine = median(ours, count), loop = median(theirs, count), real = median(program, count);
    printf("medians of %zu interleaved repetitions, ms\n", count);
    printf("  sgdlab, text                  %8.2f\n", 1e3 * mine);
    printf("  sgdlab, from its cache        %8.2f   %6.2f x as fast as its text\n", 1e3 * median(opening, count),
           mine / median(opening, count));
    printf("  fgets, strtok, strtod         %8.2f   sgdlab is %6.2f x as fast\n", 1e3 * loop, loop / mine);
    if (real > 0)
        printf("  liblinear-train's own reader  %8.2f   sgdlab is %6.2f x as fast\n", 1e3 * real, real / mine);
    else
        printf(
            "  liblinear-train's own reader  not measured: run tests/bench/reader.sh with liblinear-tools installed\n");
    return 0;
}
