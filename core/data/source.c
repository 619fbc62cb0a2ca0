/* Reading whole files, plain or gzip, and naming their contents by SHA-256. */
#include "data/source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <nettle/base16.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

void sha256_of(const void *bytes, size_t size, uint8_t digest[SHA256_BYTES])
{
    struct sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, size, bytes);
    sha256_digest(&context, SHA256_BYTES, digest);
}

void sha256_hex(const uint8_t digest[SHA256_BYTES], char hex[SHA256_HEX])
{
    base16_encode_update(hex, SHA256_BYTES, digest);
    hex[SHA256_HEX - 1] = '\0';
}

static struct source_identity identity_of(const struct stat *stat)
{
    return (struct source_identity){.device = (uint64_t)stat->st_dev,
                                    .inode = (uint64_t)stat->st_ino,
                                    .size = (uint64_t)stat->st_size,
                                    .mtime_s = stat->st_mtim.tv_sec,
                                    .mtime_ns = stat->st_mtim.tv_nsec,
                                    .ctime_s = stat->st_ctim.tv_sec,
                                    .ctime_ns = stat->st_ctim.tv_nsec};
}

bool source_identify(const char *path, struct source_identity *identity)
{
    struct stat found;
    if (stat(path, &found) || !S_ISREG(found.st_mode))
        return false;
    *identity = identity_of(&found);
    return true;
}

bool source_identity_settled(const struct source_identity *identity)
{
    struct timespec now;
    int64_t last = identity->mtime_s > identity->ctime_s ? identity->mtime_s : identity->ctime_s;
    return !clock_gettime(CLOCK_REALTIME, &now) && now.tv_sec > last + 2;
}

/* Appends what fd gives, up to its end. *capacity bytes are allocated, one of them is kept for the NUL. */
static enum status read_all(int fd, const char *path, char **bytes, size_t *size, size_t capacity, struct error *error)
{
    for (;;) {
        if (*size + 1 >= capacity) {
            capacity *= 2;
            char *larger = realloc(*bytes, capacity);
            if (!larger)
                return error_memory(error, capacity, path);
            *bytes = larger;
        }
        ssize_t got = read(fd, *bytes + *size, capacity - *size - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set(error, STATUS_IO, "cannot read %s: %s", path, strerror(errno));
        if (got == 0)
            break;
        *size += (size_t)got;
    }
    (*bytes)[*size] = '\0';
    return STATUS_OK;
}

enum status source_read(const char *path, struct source *source, struct error *error)
{
    struct stat before, after;
    *source = (struct source){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(error, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, "cannot open %s: %s", path,
                         strerror(errno));
    enum status status = STATUS_OK;
    if (fstat(fd, &before))
        status = error_set(error, STATUS_IO, "cannot read %s: %s", path, strerror(errno));
    else if (S_ISDIR(before.st_mode))
        status = error_set(error, STATUS_IO, "%s is a directory; a data set is a file", path);
    if (!status) {
        source->regular = S_ISREG(before.st_mode);
        source->identity = identity_of(&before);
        size_t capacity = (source->regular && before.st_size > 0 ? (size_t)before.st_size : 1 << 16) + 2;
        source->raw = malloc(capacity);
        status = source->raw ? read_all(fd, path, &source->raw, &source->raw_size, capacity, error)
                             : error_memory(error, capacity, path);
    }
    if (!status) {
        struct source_identity last;
        source->stable = source->regular && !fstat(fd, &after) &&
                         (last = identity_of(&after), !memcmp(&last, &source->identity, sizeof last)) &&
                         source->raw_size == source->identity.size;
        sha256_of(source->raw, source->raw_size, source->raw_sha256);
    }
    close(fd);
    if (status)
        source_free(source);
    return status;
}

/* Inflates into source->text, growing it as needed. */
static enum status inflate_all(z_stream *stream, const char *path, struct source *source, struct error *error)
{
    size_t capacity = source->raw_size * 4 + 64, left = source->raw_size;
    source->text = malloc(capacity);
    if (!source->text)
        return error_memory(error, capacity, path);
    stream->next_in = (unsigned char *)source->raw;
    for (;;) {
        if (capacity - source->text_size < 2) {
            capacity *= 2;
            char *larger = realloc(source->text, capacity);
            if (!larger)
                return error_memory(error, capacity, path);
            source->text = larger;
        }
        size_t room = capacity - source->text_size - 1;
        uInt in = left < INT_MAX ? (uInt)left : INT_MAX, out = room < INT_MAX ? (uInt)room : INT_MAX;
        stream->avail_in = in;
        stream->avail_out = out;
        stream->next_out = (unsigned char *)source->text + source->text_size;
        int result = inflate(stream, Z_NO_FLUSH);
        left -= in - stream->avail_in;
        source->text_size += out - stream->avail_out;
        if (result == Z_STREAM_END) {
            while (left && !*stream->next_in) { /* zero padding, as tape blocks leave it */
                left--;
                stream->next_in++;
            }
            if (!left)
                break;
            if (inflateReset(stream) != Z_OK)
                return error_memory(error, sizeof *stream, path);
        } else if (result == Z_MEM_ERROR) {
            return error_memory(error, sizeof *stream, path);
        } else if (result == Z_BUF_ERROR && !left) {
            return error_set(error, STATUS_INPUT, "%s: the gzip file is cut off", path);
        } else if (result != Z_OK && result != Z_BUF_ERROR) {
            return error_set(error, STATUS_INPUT, "%s: the gzip file is damaged at byte %zu: %s", path,
                             source->raw_size - left, stream->msg ? stream->msg : "no gzip data");
        }
    }
    source->text[source->text_size] = '\0';
    return STATUS_OK;
}

enum status source_unpack(const char *path, struct source *source, struct error *error)
{
    if (source->raw_size < 2 || (unsigned char)source->raw[0] != 0x1f || (unsigned char)source->raw[1] != 0x8b) {
        source->text = source->raw;
        source->text_size = source->raw_size;
        memcpy(source->text_sha256, source->raw_sha256, SHA256_BYTES);
        return STATUS_OK;
    }
    z_stream stream = {0};
    enum { GZIP_ONLY = 16 };
    if (inflateInit2(&stream, MAX_WBITS + GZIP_ONLY) != Z_OK)
        return error_memory(error, sizeof stream, path);
    enum status status = inflate_all(&stream, path, source, error);
    inflateEnd(&stream);
    if (!status)
        sha256_of(source->text, source->text_size, source->text_sha256);
    return status;
}

void source_free(struct source *source)
{
    if (source->text != source->raw)
        free(source->text);
    free(source->raw);
    *source = (struct source){0};
}
