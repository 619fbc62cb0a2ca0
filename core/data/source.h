/* The bytes of a data file: read whole, gunzipped when they are gzip (by magic number, whatever the name), with the
 * SHA-256 of both forms, and what identifies the file without reading it. */
#ifndef SGDLAB_SOURCE_H
#define SGDLAB_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

enum { SHA256_BYTES = 32, SHA256_HEX = 65 };

/* Equal identities mean equal contents: ctime cannot be set back by touch or cp -p, and a file that changed so recently
 * that its clock might not tell (source_identity_settled) is not trusted. */
struct source_identity {
    uint64_t device, inode, size;
    int64_t mtime_s, mtime_ns, ctime_s, ctime_ns;
};

struct source {
    struct source_identity identity;
    bool regular, stable; /* stable: the file did not change while it was read */
    char *raw;            /* raw_size bytes as they lie on disk, and a NUL */
    size_t raw_size;
    char *text; /* text_size bytes unpacked, and a NUL; the same pointer as raw for a plain file */
    size_t text_size;
    uint8_t raw_sha256[SHA256_BYTES], text_sha256[SHA256_BYTES];
};

/* false: no such file, or not a regular one. */
bool source_identify(const char *path, struct source_identity *identity);
/* Whether the file had been left alone for 2 s when asked. */
bool source_identity_settled(const struct source_identity *identity);

/* raw, raw_size, raw_sha256. STATUS_NOT_FOUND, STATUS_IO, STATUS_MEMORY. Pipes are read to their end. */
enum status source_read(const char *path, struct source *source, struct error *error);
/* text, text_size, text_sha256, after source_read. STATUS_INPUT when the gzip stream is damaged. Several members in one
 * file are one text. */
enum status source_unpack(const char *path, struct source *source, struct error *error);
void source_free(struct source *source);

void sha256_of(const void *bytes, size_t size, uint8_t digest[SHA256_BYTES]);
void sha256_hex(const uint8_t digest[SHA256_BYTES], char hex[SHA256_HEX]);

#endif
