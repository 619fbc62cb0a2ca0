/* Finding a data set, reading it (through its cache), and preparing it. */
#include "data/dataset.h"

#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "data/cache.h"
#include "data/labels.h"
#include "data/prepare.h"
#include "data/reader.h"
#include "data/source.h"

#ifndef SGDLAB_SOURCE_DATA_DIR
#define SGDLAB_SOURCE_DATA_DIR NULL
#endif
#ifndef SGDLAB_INSTALL_DATA_DIR
#define SGDLAB_INSTALL_DATA_DIR NULL
#endif

enum { PATH_SIZE = 4096, PLACES = 6 };

static const char *const shipped[] = {"breast_cancer", "diabetes", "digits", "heart_scale", NULL};
static const char *const fetchable[] = {"a9a", "covtype", "news20", "rcv1", "real-sim", "w8a", NULL};

const char *const *dataset_shipped_names(void)
{
    return shipped;
}

const char *const *dataset_fetchable_names(void)
{
    return fetchable;
}

static size_t length_of(const char *const *names)
{
    size_t count = 0;
    while (names[count])
        count++;
    return count;
}

static bool listed(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (!strcmp(name, *names))
            return true;
    return false;
}

/* DIR/NAME + suffix is there and can be read as a stream (directories cannot). dir NULL: NAME as it is. */
static bool try_path(const char *dir, const char *name, const char *suffix, char path[PATH_SIZE])
{
    struct stat found;
    int length = snprintf(path, PATH_SIZE, "%s%s%s%s", dir ? dir : "", dir ? "/" : "", name, suffix);
    return length > 0 && length < PATH_SIZE && !stat(path, &found) && !S_ISDIR(found.st_mode);
}

static bool try_suffixes(const char *dir, const char *name, char path[PATH_SIZE])
{
    static const char *const suffix[] = {"", ".csv", ".csv.gz", ".libsvm", ".libsvm.gz", ".gz"};
    for (size_t i = 0; i < sizeof suffix / sizeof suffix[0]; i++)
        if (try_path(dir, name, suffix[i], path))
            return true;
    return false;
}

enum { LIST_SIZE = ERROR_MESSAGE_MAX / 2 };

/* "a, b, c" of the names that are neither NULL nor empty. */
static const char *join(const char *const *names, size_t count, char list[LIST_SIZE])
{
    size_t used = 0;
    list[0] = '\0';
    for (size_t i = 0; i < count && used < LIST_SIZE; i++)
        if (names[i] && *names[i])
            used += (size_t)snprintf(list + used, LIST_SIZE - used, "%s%s", used ? ", " : "", names[i]);
    return list;
}

static enum status not_found(const char *name, const char *const *place, size_t places, struct error *error)
{
    char looked[LIST_SIZE], ship[LIST_SIZE];
    join(place, places, looked);
    if (listed(name, fetchable))
        return error_set(error, STATUS_NOT_FOUND,
                         "no data set '%s' in %s; it does not ship, but `experiments/data/fetch.sh %s` downloads it",
                         name, looked, name);
    const char *near = nearest_name(name, shipped, length_of(shipped));
    if (!near)
        near = nearest_name(name, fetchable, length_of(fetchable));
    return error_set(
        error, STATUS_NOT_FOUND,
        "no data set '%.200s'%s%s%s; shipped: %s; looked (as given, and with .csv, .csv.gz, .libsvm, .libsvm.gz, "
        ".gz) in %s",
        name, near ? "; nearest: '" : "", near ? near : "", near ? "'" : "", join(shipped, length_of(shipped), ship),
        looked);
}

/* Places the user named go first, then the working directory (as given only, unless the name has a folder in it), then
 * what ships: a shipped name never hides a path that exists. */
static enum status find_file(const char *name, const struct data_search *search, char path[PATH_SIZE],
                             struct error *error)
{
    const char *place[PLACES] = {
        search ? search->data_dir : NULL, getenv("SGDLAB_DATA"),  search ? search->experiment_dir : NULL,
        "the working directory",          SGDLAB_SOURCE_DATA_DIR, SGDLAB_INSTALL_DATA_DIR};
    enum { HERE = 3 };
    if (!*name)
        return error_set(error, STATUS_USAGE, "the name of the data set is empty");
    if (*name == '/') {
        if (try_suffixes(NULL, name, path))
            return STATUS_OK;
        return error_set(error, STATUS_NOT_FOUND,
                         "no file %s (nor with .csv, .csv.gz, .libsvm, .libsvm.gz or .gz appended)", name);
    }
    for (size_t i = 0; i < PLACES; i++) {
        if (i == HERE) {
            if (strchr(name, '/') ? try_suffixes(NULL, name, path) : try_path(NULL, name, "", path))
                return STATUS_OK;
        } else if (place[i] && *place[i] && try_suffixes(place[i], name, path)) {
            return STATUS_OK;
        }
    }
    return not_found(name, place, PLACES, error);
}

static bool ends_with(const char *text, size_t length, const char *suffix)
{
    size_t size = strlen(suffix);
    return length > size && !strncasecmp(text + length - size, suffix, size);
}

/* Length of the path's stem, from its last slash: without .gz, then without a format's suffix. *csv: the suffix says
 * CSV. */
static size_t stem_length(const char *base, bool *csv)
{
    static const char *const suffix[] = {".csv", ".libsvm", ".svm", ".txt"};
    size_t length = strlen(base);
    *csv = false;
    if (ends_with(base, length, ".gz"))
        length -= strlen(".gz");
    for (size_t i = 0; i < sizeof suffix / sizeof suffix[0]; i++) {
        if (ends_with(base, length, suffix[i])) {
            *csv = i == 0;
            return length - strlen(suffix[i]);
        }
    }
    return length;
}

/* Parses the text, and leaves a cache beside a large file. */
static enum status parse(const char *path, const char *cache, const struct cache_options *options,
                         struct source *source, struct samples *samples, struct error *error)
{
    enum status status = source_unpack(path, source, error);
    if (status)
        return status;
    status = options->csv ? reader_csv(source->text, source->text_size, path, options->target, samples, error)
                          : reader_libsvm(source->text, source->text_size, path, samples, error);
    if (!status && source->regular && source->text_size > CACHE_TEXT_MIN && !samples->text)
        cache_save(cache, options, source, samples);
    return status;
}

static enum status read_file(const char *path, const struct cache_options *options, struct samples *samples,
                             uint8_t text_sha256[SHA256_BYTES], struct error *error)
{
    struct source_identity identity;
    struct cache cache = {0};
    struct source source = {0};
    char *beside = cache_path(path);
    if (!beside)
        return error_memory(error, strlen(path), "a path");
    bool cached = source_identify(path, &identity) && cache_open(beside, options, &cache), taken = false;
    if (cached && cache_is_fresh(&cache, &identity))
        taken = cache_take(&cache, samples, text_sha256);
    enum status status = STATUS_OK;
    if (!taken) {
        status = source_read(path, &source, error);
        if (!status && cache.map && cache_is_of(&cache, source.raw_sha256))
            taken = cache_take(&cache, samples, text_sha256);
        if (!status && !taken) {
            status = parse(path, beside, options, &source, samples, error);
            memcpy(text_sha256, source.text_sha256, SHA256_BYTES);
        }
    }
    cache_close(&cache);
    source_free(&source);
    free(beside);
    return status;
}

static enum status open_file(const struct data_spec *spec, const struct data_search *search, struct samples *samples,
                             struct dataset *dataset, struct error *error)
{
    char path[PATH_SIZE];
    uint8_t digest[SHA256_BYTES];
    enum status status = find_file(spec->name, search, path, error);
    if (status)
        return status;
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    bool csv;
    size_t length = stem_length(base, &csv);
    if (spec->format != FORMAT_AUTO)
        csv = spec->format == FORMAT_CSV;
    if (spec->target && !csv)
        return error_set(error, STATUS_USAGE,
                         "target: is for CSV; %s is read as LIBSVM, whose label comes first in a line", path);
    dataset->path = strdup(path);
    dataset->name = strndup(base, length);
    if (!dataset->path || !dataset->name)
        return error_memory(error, strlen(path), "a path");
    status = read_file(path, &(struct cache_options){.csv = csv, .target = spec->target}, samples, digest, error);
    if (status)
        return status;
    sha256_hex(digest, dataset->checksum);
    if (samples->text && spec->task == TASK_REGRESSION)
        return error_at(
            error, STATUS_INPUT, path, samples->text_line, samples->text_column,
            "found a text as target, but the targets of a regression problem are numbers (texts are classes)");
    dataset->label_text = samples->text;
    samples->text = NULL;
    return STATUS_OK;
}

/* SHA-256 of a generator's name, revision, parameters and numbers, in this machine's byte order (little-endian wherever
 * results are compared). The seed is in the numbers, where it is used at all. */
static void synthetic_checksum(const struct data_spec *spec, struct dataset *dataset)
{
    const struct method *method = &spec->synthetic->method;
    const struct matrix *x = &dataset->train;
    struct sha256_ctx context;
    uint8_t digest[SHA256_BYTES];
    uint64_t number[] = {method->revision, x->rows, x->cols, x->nnz};
    sha256_init(&context);
    sha256_update(&context, strlen(method->name), (const uint8_t *)method->name);
    sha256_update(&context, sizeof number, (const uint8_t *)number);
    sha256_update(&context, method->param_count * sizeof(double), (const uint8_t *)spec->values.scalar);
    if (!x->sparse) {
        for (size_t i = 0; i < x->rows; i++)
            sha256_update(&context, x->cols * sizeof(double), (const uint8_t *)(x->value + i * x->stride));
    } else {
        sha256_update(&context, x->nnz * sizeof(double), (const uint8_t *)x->value);
        sha256_update(&context, x->nnz * sizeof(uint32_t), (const uint8_t *)x->column);
        for (size_t i = 0; i <= x->rows; i++) {
            uint64_t row = x->row[i];
            sha256_update(&context, sizeof row, (const uint8_t *)&row);
        }
    }
    sha256_update(&context, x->rows * sizeof(double), (const uint8_t *)dataset->y);
    sha256_digest(&context, SHA256_BYTES, digest);
    sha256_hex(digest, dataset->checksum);
}

static enum status open_synthetic(const struct data_spec *spec, struct samples *samples, struct dataset *dataset,
                                  struct error *error)
{
    const struct synthetic_type *type = spec->synthetic;
    dataset->synthetic = true;
    if (spec->task != TASK_REGRESSION && type->task == TASK_REGRESSION)
        return error_set(error, STATUS_UNSUPPORTED,
                         "synthetic data %s have real targets, but the problem needs classes; logistic_model and "
                         "sparse_logistic have two",
                         type->method.name);
    dataset->name = strdup(type->method.name);
    if (!dataset->name)
        return error_memory(error, strlen(type->method.name), "a name");
    enum status status = type->generate(&spec->values, spec->data_seed, dataset, error);
    if (status)
        return status;
    synthetic_checksum(spec, dataset);
    samples->matrix = dataset->train;
    samples->target = dataset->y;
    dataset->train = (struct matrix){0};
    dataset->y = NULL;
    return STATUS_OK;
}

enum status dataset_open(const struct data_spec *spec, const struct data_search *search, struct dataset **out,
                         struct error *error)
{
    struct samples samples = {0};
    *out = NULL;
    if (!spec->synthetic && !spec->name)
        return error_set(error, STATUS_USAGE, "no data: give the name of a data set, a path or a synthetic generator");
    struct dataset *dataset = calloc(1, sizeof *dataset);
    if (!dataset)
        return error_memory(error, sizeof *dataset, "a data set");
    dataset->task = spec->task;
    enum status status = spec->synthetic ? open_synthetic(spec, &samples, dataset, error)
                                         : open_file(spec, search, &samples, dataset, error);
    if (!status)
        status = labels_map(spec, dataset->path ? dataset->path : dataset->name, samples.matrix.rows, samples.target,
                            dataset, error);
    if (!status)
        status = prepare(spec, &samples, dataset, error);
    samples_free(&samples);
    if (status) {
        dataset_close(dataset);
        return status;
    }
    *out = dataset;
    return STATUS_OK;
}

void dataset_close(struct dataset *dataset)
{
    if (!dataset)
        return;
    matrix_free(&dataset->train);
    matrix_free(&dataset->test);
    free(dataset->y);
    free(dataset->test_y);
    free(dataset->mean);
    free(dataset->scale);
    free(dataset->truth);
    free(dataset->start);
    free(dataset->label_text);
    free(dataset->name);
    free(dataset->path);
    free(dataset);
}
