/* The binary cache: used when it fits, ignored and replaced when anything about it is wrong. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "data/cache.c" /* not the header: the tests forge headers */
#include "data/dataset.h"

static struct error error;
static char folder[] = "cache.XXXXXX", path[64], beside[80];

static void setup(void)
{
    cr_assert(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/large", folder);
    snprintf(beside, sizeof beside, "%s/large.sgdcache", folder);
}

static void teardown(void)
{
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_assert(system(command) == 0);
}

TestSuite(cache, .init = setup, .fini = teardown);

/* LIBSVM text above 1 MiB: `rows` rows of 3 of 50 columns, values that depend on `salt`. */
static void write_sparse(int salt)
{
    FILE *file = fopen(path, "w");
    cr_assert(file != NULL);
    for (int i = 0; i < 50000; i++)
        fprintf(file, "%d %d:%d.5 %d:0.%06d %d:1\n", i % 2, 1 + i % 10, i % 7 + salt, 20 + i % 10, i + 1, 40 + i % 11);
    cr_assert(!fclose(file));
}

/* Makes file times old enough to be trusted. */
static void settle(void)
{
    static const struct timespec nap = {.tv_sec = 3, .tv_nsec = 100000000};
    nanosleep(&nap, NULL);
}

static struct dataset *open_path(const char *target)
{
    struct data_spec spec = {
        .name = path, .task = TASK_REGRESSION, .intercept = UNSET, .standardize = UNSET, .target = target};
    struct dataset *dataset;
    if (target)
        spec.format = FORMAT_CSV;
    enum status status = dataset_open(&spec, NULL, &dataset, &error);
    cr_assert(status == STATUS_OK, "%s", error.message);
    return dataset;
}

static bool exists(const char *name)
{
    return !access(name, F_OK);
}

static bool same(const struct dataset *a, const struct dataset *b)
{
    const struct matrix *x = &a->train, *z = &b->train;
    if (x->rows != z->rows || x->cols != z->cols || x->nnz != z->nnz || x->sparse != z->sparse ||
        x->stride != z->stride || strcmp(a->checksum, b->checksum) || memcmp(a->y, b->y, x->rows * sizeof *a->y))
        return false;
    if (!x->sparse)
        return !memcmp(x->value, z->value, x->rows * x->stride * sizeof *x->value);
    return !memcmp(x->value, z->value, x->nnz * sizeof *x->value) &&
           !memcmp(x->column, z->column, x->nnz * sizeof *x->column) &&
           !memcmp(x->row, z->row, (x->rows + 1) * sizeof *x->row);
}

static char *read_bytes(const char *name, size_t *size)
{
    struct source source;
    cr_assert(source_read(name, &source, &error) == STATUS_OK);
    *size = source.raw_size;
    return source.raw;
}

static void write_bytes(const char *name, const char *bytes, size_t size)
{
    FILE *file = fopen(name, "wb");
    cr_assert(file && fwrite(bytes, 1, size, file) == size && !fclose(file));
}

Test(cache, second_opening_maps_the_same_numbers)
{
    write_sparse(0);
    struct dataset *parsed = open_path(NULL);
    cr_assert(exists(beside));
    cr_expect(parsed->train.map == NULL);
    struct dataset *mapped = open_path(NULL);
    cr_expect(mapped->train.map != NULL);
    cr_expect((uintptr_t)mapped->train.value % 64 == 0 && (uintptr_t)mapped->train.column % 64 == 0);
    cr_expect(same(parsed, mapped));
    dataset_close(mapped);
    /* What is changed for a run is a copy. */
    struct data_spec spec = {
        .name = path, .task = TASK_BINARY, .intercept = YES, .standardize = YES, .test_fraction = 0.5};
    struct dataset *prepared;
    cr_assert(dataset_open(&spec, NULL, &prepared, &error) == STATUS_OK);
    cr_expect(prepared->train.map == NULL && prepared->train.rows == 25000);
    dataset_close(prepared);
    spec = (struct data_spec){.name = path, .task = TASK_BINARY, .intercept = NO, .standardize = YES};
    cr_assert(dataset_open(&spec, NULL, &prepared, &error) == STATUS_OK);
    dataset_close(prepared);
    mapped = open_path(NULL);
    cr_expect(mapped->train.map != NULL && same(parsed, mapped));
    dataset_close(mapped);
    dataset_close(parsed);
}

Test(cache, small_texts_have_none)
{
    write_bytes(path, "1 1:1\n2 2:1\n3 5:1\n", 18);
    dataset_close(open_path(NULL));
    cr_expect(!exists(beside));
}

Test(cache, size_counts_unpacked)
{
    write_sparse(0);
    size_t size;
    char *text = read_bytes(path, &size);
    gzFile file = gzopen(path, "wb");
    cr_assert(file && gzwrite(file, text, (unsigned)size) == (int)size && gzclose(file) == Z_OK);
    struct dataset *parsed = open_path(NULL), *mapped = open_path(NULL);
    struct stat packed;
    cr_assert(!stat(path, &packed) && packed.st_size < CACHE_TEXT_MIN);
    cr_expect(mapped->train.map != NULL && same(parsed, mapped));
    free(text);
    dataset_close(parsed);
    dataset_close(mapped);
}

Test(cache, follows_its_source)
{
    write_sparse(0);
    dataset_close(open_path(NULL)); /* a source this young: the cache does not record its times */
    struct source_identity identity;
    struct cache cache;
    struct cache_options options = {0};
    cr_assert(source_identify(path, &identity) && cache_open(beside, &options, &cache));
    cr_expect(!cache_is_fresh(&cache, &identity));
    cache_close(&cache);
    write_sparse(1); /* same size, perhaps the same times */
    struct dataset *dataset = open_path(NULL);
    cr_expect(dataset->train.map == NULL && dataset->train.value[0] == 1.5);
    dataset_close(dataset);
    dataset = open_path(NULL);
    cr_expect(dataset->train.map != NULL && dataset->train.value[0] == 1.5);
    dataset_close(dataset);

    settle();
    cr_assert(!unlink(beside));
    dataset_close(open_path(NULL));
    cr_assert(source_identify(path, &identity) && cache_open(beside, &options, &cache));
    cr_expect(cache_is_fresh(&cache, &identity));
    cache_close(&cache);
    /* Other contents under the old mtime and size: ctime tells. */
    struct stat before;
    cr_assert(!stat(path, &before));
    write_sparse(2);
    struct timespec times[2] = {before.st_atim, before.st_mtim};
    cr_assert(!utimensat(AT_FDCWD, path, times, 0));
    dataset = open_path(NULL);
    cr_expect(dataset->train.map == NULL && dataset->train.value[0] == 2.5);
    dataset_close(dataset);
    /* Touched, contents unchanged: still good. */
    cr_assert(!utimensat(AT_FDCWD, path, NULL, 0));
    dataset = open_path(NULL);
    cr_expect(dataset->train.map != NULL && dataset->train.value[0] == 2.5);
    dataset_close(dataset);
}

Test(cache, knows_the_options_of_the_reader)
{
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 100000; i++)
        fprintf(file, "%d.25,%d,%d\n", i, 2 * i, 3 * i);
    fclose(file);
    struct dataset *third = open_path("3"), *first = open_path("1"), *again = open_path("1");
    cr_expect(first->train.cols == 3 && third->y[1] == 3 && first->y[1] == 1.25 && first->train.map == NULL);
    cr_expect(again->y[1] == 1.25 && same(first, again));
    /* Dense, prepared from the mapping: mean and scale as from the text. */
    cr_expect(!memcmp(first->mean, again->mean, 3 * sizeof(double)) &&
              !memcmp(first->scale, again->scale, 3 * sizeof(double)));
    dataset_close(first);
    dataset_close(third);
    dataset_close(again);
}

Test(cache, damaged_ones_are_ignored_and_replaced)
{
    size_t size;
    write_sparse(0);
    struct dataset *parsed = open_path(NULL);
    char *good = read_bytes(beside, &size);
    size_t header = sizeof(struct header);
    /* Every byte of the header, bytes of every section, the ends. */
    for (size_t k = 0; k < header + 40; k++) {
        size_t at = k < header ? k : header + (size - header - 1) / 39 * (k - header);
        good[at] ^= (char)(1 << k % 8);
        write_bytes(beside, good, size);
        good[at] ^= (char)(1 << k % 8);
        struct dataset *dataset = open_path(NULL);
        bool identity = at >= offsetof(struct header, identity) && at < offsetof(struct header, raw_sha256);
        cr_expect(dataset->train.map == NULL, "byte %zu%s", at, identity ? " (identity)" : "");
        cr_assert(same(parsed, dataset), "byte %zu", at);
        dataset_close(dataset);
    }
    for (size_t cut = 0; cut < size; cut += cut < 300 ? 50 : size / 10) {
        write_bytes(beside, good, cut);
        struct dataset *dataset = open_path(NULL);
        cr_expect(dataset->train.map == NULL && same(parsed, dataset), "cut at %zu", cut);
        dataset_close(dataset);
    }
    struct dataset *dataset = open_path(NULL); /* the last opening wrote a good one */
    cr_expect(dataset->train.map != NULL && same(parsed, dataset));
    dataset_close(dataset);
    dataset_close(parsed);
    free(good);
}

/* Writes bytes with checksums that fit, as someone who knows the format would. */
static void forge(char *bytes, size_t size)
{
    struct header header;
    memcpy(&header, bytes, sizeof header);
    header.payload_crc = crc_of(bytes + sizeof header, size - sizeof header);
    header.header_crc = crc_of(&header, offsetof(struct header, header_crc));
    memcpy(bytes, &header, sizeof header);
    write_bytes(beside, bytes, size);
}

static void expect_ignored(const struct dataset *parsed, const char *what)
{
    struct dataset *dataset = open_path(NULL);
    cr_expect(dataset->train.map == NULL, "%s", what);
    cr_expect(same(parsed, dataset), "%s", what);
    dataset_close(dataset);
}

Test(cache, hostile_ones_reach_nothing_out_of_bounds)
{
    size_t size;
    write_sparse(0);
    struct dataset *parsed = open_path(NULL);
    char *good = read_bytes(beside, &size), *bytes = malloc(size);
    struct header header;
    struct sections sections;
    memcpy(&header, good, sizeof header);
    cr_assert(bytes && find_sections(&header, &sections));

    memcpy(bytes, good, size);
    forge(bytes, size); /* the forger's tools work */
    struct dataset *dataset = open_path(NULL);
    cr_assert(dataset->train.map != NULL);
    dataset_close(dataset);

    static const uint32_t column = UINT32_MAX;
    memcpy(bytes + sections.column + 40, &column, sizeof column);
    forge(bytes, size);
    expect_ignored(parsed, "column out of range");

    static const uint64_t rows[] = {UINT64_MAX, 1, 1 << 30};
    for (size_t k = 0; k < 3; k++) {
        memcpy(bytes, good, size);
        memcpy(bytes + sections.row + 8 * (k == 1 ? 0 : 77), &rows[k], sizeof rows[k]);
        forge(bytes, size);
        expect_ignored(parsed, "row pointers");
    }

    static const double nan = __builtin_nan("");
    memcpy(bytes, good, size);
    memcpy(bytes + sections.value + 800, &nan, sizeof nan);
    forge(bytes, size);
    expect_ignored(parsed, "NaN among the values");
    memcpy(bytes, good, size);
    memcpy(bytes + sections.target, &nan, sizeof nan);
    forge(bytes, size);
    expect_ignored(parsed, "NaN among the targets");

    /* Shapes that do not add up to the file's size, also by overflow. */
    static const uint64_t sizes[] = {0, 1, UINT32_MAX, 1ULL << 32, 1ULL << 61, UINT64_MAX};
    static const size_t fields[] = {offsetof(struct header, rows), offsetof(struct header, cols),
                                    offsetof(struct header, nnz)};
    for (size_t f = 0; f < 3; f++) {
        for (size_t k = 0; k < 6; k++) {
            if (fields[f] == offsetof(struct header, cols) && sizes[k] == UINT32_MAX)
                continue; /* a wider matrix with the same entries is sound */
            memcpy(bytes, good, size);
            memcpy(bytes + fields[f], &sizes[k], sizeof sizes[k]);
            forge(bytes, size);
            expect_ignored(parsed, "shape");
        }
    }
    memcpy(bytes, good, size);
    bytes[offsetof(struct header, sparse)] = 0;
    forge(bytes, size);
    expect_ignored(parsed, "dense");
    dataset_close(parsed);
    free(good);
    free(bytes);
}

/* Where no cache can be written, reading goes on without a word. */
Test(cache, is_not_needed)
{
    write_sparse(0);
    cr_assert(!mkdir(beside, 0777)); /* also stops root */
    struct dataset *first = open_path(NULL), *second = open_path(NULL);
    cr_expect(first->train.map == NULL && second->train.map == NULL && same(first, second));
    dataset_close(first);
    dataset_close(second);
    char command[200];
    snprintf(command, sizeof command, "test \"$(ls -A '%s' | sort | tr '\\n' ' ')\" = 'large large.sgdcache '", folder);
    cr_expect(system(command) == 0, "temporary files are left");
}

Test(cache, w8a_from_text_and_from_cache)
{
    const char *extra = getenv("SGDLAB_EXTRA_DATA");
    char file[600], command[1400];
    if (!extra)
        cr_skip_test("SGDLAB_EXTRA_DATA does not name a folder with w8a.gz");
    snprintf(file, sizeof file, "%s/w8a.gz", extra);
    if (!exists(file))
        cr_skip_test("no w8a.gz in SGDLAB_EXTRA_DATA");
    snprintf(command, sizeof command, "cp '%s' '%s'", file, path);
    cr_assert(system(command) == 0);
    struct dataset *parsed = open_path(NULL), *mapped = open_path(NULL);
    cr_expect(parsed->train.rows == 49749 && parsed->train.cols == 300 && parsed->train.nnz == 579586 &&
              parsed->train.sparse);
    cr_expect(!strcmp(parsed->checksum, "6a9fa8fd5f524303240a5db07d4b3d4a51e8b7b4b20a914105d8e3e8c81640f2"));
    cr_expect(mapped->train.map != NULL && same(parsed, mapped));
    dataset_close(parsed);
    dataset_close(mapped);
}
