/* The binary cache of parsed text: layout, checks, mapping, atomic writing. */
#include "data/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { CACHE_VERSION = 1, BYTE_ORDER_MARK = 0x01020304, SECTION_ALIGNMENT = 64 };

/* The file: this header, then the sections targets, row pointers (CSR), columns (CSR), values, each at a multiple of 64
 * bytes with zeros between them. */
struct header {
    char magic[8];
    uint32_t version, byte_order, size_bytes, sparse, csv, has_target;
    uint64_t rows, cols, nnz;
    struct source_identity identity;
    uint8_t raw_sha256[SHA256_BYTES], text_sha256[SHA256_BYTES], target_sha256[SHA256_BYTES];
    uint32_t payload_crc, header_crc; /* header_crc: of all bytes before it */
};

static const char MAGIC[8] = "SGDCACHE";

/* Where each section starts; end is the size of the file. */
struct sections {
    size_t target, row, column, value, end;
    size_t stride, values; /* of a dense matrix, and stored doubles of either */
};

static bool place(size_t *end, size_t count, size_t size, size_t *start)
{
    size_t bytes, aligned;
    if (__builtin_add_overflow(*end, SECTION_ALIGNMENT - 1, &aligned) || __builtin_mul_overflow(count, size, &bytes))
        return false;
    *start = aligned / SECTION_ALIGNMENT * SECTION_ALIGNMENT;
    return !__builtin_add_overflow(*start, bytes, end);
}

static bool find_sections(const struct header *header, struct sections *sections)
{
    size_t end = sizeof *header;
    if (header->rows > UINT32_MAX || header->cols > UINT32_MAX || header->sparse > 1)
        return false;
    sections->stride = header->sparse ? 0 : matrix_stride(header->cols);
    sections->values = header->nnz;
    if (!header->sparse && (header->nnz != header->rows * header->cols || /* both factors are below 2^32 */
                            __builtin_mul_overflow(header->rows, sections->stride, &sections->values)))
        return false;
    bool fits = place(&end, header->rows, sizeof(double), &sections->target) &&
                place(&end, header->sparse ? header->rows + 1 : 0, sizeof(size_t), &sections->row) &&
                place(&end, header->sparse ? header->nnz : 0, sizeof(uint32_t), &sections->column) &&
                place(&end, sections->values, sizeof(double), &sections->value);
    sections->end = end;
    return fits;
}

static uint32_t crc_of(const void *bytes, size_t size)
{
    return (uint32_t)crc32_z(crc32_z(0, NULL, 0), bytes, size);
}

static void target_digest(const struct cache_options *options, uint8_t digest[SHA256_BYTES])
{
    const char *target = options->target ? options->target : "";
    sha256_of(target, strlen(target), digest);
}

/* The header as a value: a mapping may be of any alignment a hostile file system gives. */
static struct header header_of(const struct cache *cache)
{
    struct header header;
    memcpy(&header, cache->map, sizeof header);
    return header;
}

static bool header_sound(const struct header *header, size_t file_size, const struct cache_options *options)
{
    uint8_t digest[SHA256_BYTES];
    struct sections sections;
    target_digest(options, digest);
    return !memcmp(header->magic, MAGIC, sizeof MAGIC) && header->version == CACHE_VERSION &&
           header->byte_order == BYTE_ORDER_MARK && header->size_bytes == sizeof(size_t) &&
           header->header_crc == crc_of(header, offsetof(struct header, header_crc)) && header->csv == options->csv &&
           header->has_target == (options->target != NULL) && !memcmp(header->target_sha256, digest, sizeof digest) &&
           find_sections(header, &sections) && sections.end == file_size;
}

char *cache_path(const char *source_path)
{
    char *path;
    return asprintf(&path, "%s.sgdcache", source_path) < 0 ? NULL : path;
}

bool cache_open(const char *path, const struct cache_options *options, struct cache *cache)
{
    struct stat stat;
    *cache = (struct cache){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    if (!fstat(fd, &stat) && S_ISREG(stat.st_mode) && stat.st_size > (off_t)sizeof(struct header)) {
        cache->size = (size_t)stat.st_size;
        cache->map = mmap(NULL, cache->size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (cache->map == MAP_FAILED)
            cache->map = NULL;
    }
    close(fd);
    if (!cache->map)
        return false;
    struct header header = header_of(cache);
    if (header_sound(&header, cache->size, options))
        return true;
    cache_close(cache);
    return false;
}

void cache_close(struct cache *cache)
{
    if (cache->map)
        munmap(cache->map, cache->size);
    *cache = (struct cache){0};
}

bool cache_is_fresh(const struct cache *cache, const struct source_identity *identity)
{
    struct header header = header_of(cache);
    return !memcmp(&header.identity, identity, sizeof *identity);
}

bool cache_is_of(const struct cache *cache, const uint8_t raw_sha256[SHA256_BYTES])
{
    struct header header = header_of(cache);
    return !memcmp(header.raw_sha256, raw_sha256, SHA256_BYTES);
}

static bool all_finite(const double *value, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(value[i]))
            return false;
    return true;
}

/* Row pointers rise from 0 to nnz; columns increase within each row and are below cols. */
static bool structure_sound(const struct matrix *matrix)
{
    if (matrix->row[0] != 0 || matrix->row[matrix->rows] != matrix->nnz)
        return false;
    for (size_t i = 0; i < matrix->rows; i++)
        if (matrix->row[i] > matrix->row[i + 1] || matrix->row[i + 1] > matrix->nnz)
            return false;
    for (size_t i = 0; i < matrix->rows; i++) {
        for (size_t k = matrix->row[i]; k < matrix->row[i + 1]; k++)
            if (matrix->column[k] >= matrix->cols || (k > matrix->row[i] && matrix->column[k - 1] >= matrix->column[k]))
                return false;
    }
    return true;
}

static bool padding_sound(const struct matrix *matrix)
{
    for (size_t i = 0; i < matrix->rows; i++)
        for (size_t j = matrix->cols; j < matrix->stride; j++)
            if (matrix->value[i * matrix->stride + j] != 0)
                return false;
    return true;
}

bool cache_take(struct cache *cache, struct samples *samples, uint8_t text_sha256[SHA256_BYTES])
{
    struct header header = header_of(cache);
    struct sections sections;
    char *base = cache->map;
    *samples = (struct samples){0};
    if (!find_sections(&header, &sections) || sections.end != cache->size || header.rows == 0 || header.cols == 0 ||
        header.payload_crc != crc_of(base + sizeof header, cache->size - sizeof header))
        goto damaged;
    struct matrix matrix = {.rows = header.rows,
                            .cols = header.cols,
                            .sparse = header.sparse,
                            .nnz = header.nnz,
                            .value = (double *)(void *)(base + sections.value),
                            .stride = sections.stride,
                            .map = cache->map,
                            .map_size = cache->size};
    if (matrix.sparse) {
        matrix.row = (size_t *)(void *)(base + sections.row);
        matrix.column = (uint32_t *)(void *)(base + sections.column);
    }
    const double *target = (const double *)(const void *)(base + sections.target);
    if (!(matrix.sparse ? structure_sound(&matrix) : padding_sound(&matrix)) ||
        !all_finite(matrix.value, sections.values) || !all_finite(target, matrix.rows))
        goto damaged;
    samples->target = malloc(matrix.rows * sizeof *target);
    if (!samples->target)
        goto damaged;
    memcpy(samples->target, target, matrix.rows * sizeof *target);
    memcpy(text_sha256, header.text_sha256, SHA256_BYTES);
    samples->matrix = matrix;
    *cache = (struct cache){0};
    return true;
damaged:
    cache_close(cache);
    return false;
}

/* Appends to the payload: bytes, running CRC and position in the file. */
struct writer {
    int fd;
    size_t at;
    uint32_t crc;
    bool failed;
};

static bool write_all(int fd, const char *bytes, size_t size)
{
    while (size) {
        ssize_t written = write(fd, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes += written;
        size -= (size_t)written;
    }
    return true;
}

static void append(struct writer *writer, const void *bytes, size_t size)
{
    writer->failed = writer->failed || !write_all(writer->fd, bytes, size);
    writer->crc = (uint32_t)crc32_z(writer->crc, bytes, size);
    writer->at += size;
}

static void append_section(struct writer *writer, size_t start, const void *bytes, size_t size)
{
    static const char zeros[SECTION_ALIGNMENT];
    append(writer, zeros, start - writer->at);
    if (size) /* crc32_z takes NULL for a request to start anew */
        append(writer, bytes, size);
}

static bool write_file(int fd, struct header *header, const struct sections *sections, const struct samples *samples)
{
    const struct matrix *matrix = &samples->matrix;
    struct writer writer = {.fd = fd, .at = sizeof *header, .crc = (uint32_t)crc32_z(0, NULL, 0)};
    if (lseek(fd, (off_t)sizeof *header, SEEK_SET) < 0)
        return false;
    append_section(&writer, sections->target, samples->target, matrix->rows * sizeof(double));
    append_section(&writer, sections->row, matrix->row, matrix->sparse ? (matrix->rows + 1) * sizeof(size_t) : 0);
    append_section(&writer, sections->column, matrix->column, matrix->sparse ? matrix->nnz * sizeof(uint32_t) : 0);
    append_section(&writer, sections->value, matrix->value, sections->values * sizeof(double));
    header->payload_crc = writer.crc;
    header->header_crc = crc_of(header, offsetof(struct header, header_crc));
    return !writer.failed && lseek(fd, 0, SEEK_SET) == 0 && write_all(fd, (const char *)header, sizeof *header);
}

bool cache_save(const char *path, const struct cache_options *options, const struct source *source,
                const struct samples *samples)
{
    const struct matrix *matrix = &samples->matrix;
    struct header header;
    memset(&header, 0, sizeof header); /* padding too: it is written and hashed */
    memcpy(header.magic, MAGIC, sizeof MAGIC);
    header.version = CACHE_VERSION;
    header.byte_order = BYTE_ORDER_MARK;
    header.size_bytes = sizeof(size_t);
    header.sparse = matrix->sparse;
    header.csv = options->csv;
    header.has_target = options->target != NULL;
    header.rows = matrix->rows;
    header.cols = matrix->cols;
    header.nnz = matrix->nnz;
    if (source->stable && source_identity_settled(&source->identity))
        header.identity = source->identity;
    memcpy(header.raw_sha256, source->raw_sha256, SHA256_BYTES);
    memcpy(header.text_sha256, source->text_sha256, SHA256_BYTES);
    target_digest(options, header.target_sha256);
    struct sections sections;
    char *temporary = NULL;
    if (!find_sections(&header, &sections) || asprintf(&temporary, "%s.%ld.tmp", path, (long)getpid()) < 0)
        return false;
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    bool saved = false;
    if (fd >= 0) {
        saved = write_file(fd, &header, &sections, samples);
        saved = !close(fd) && saved && !rename(temporary, path);
        if (!saved)
            unlink(temporary);
    }
    free(temporary);
    return saved;
}
