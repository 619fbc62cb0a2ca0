/* The binary cache FILE.sgdcache beside a large text file: the parsed matrix and targets, laid out as they are used,
 * mapped into memory by later runs and shared by processes.
 *
 * What is checked, and when:
 * - always, in O(1): magic, version, byte order, size of size_t, CRC-32 of the header, the reader's options, and that
 * the shape named in the header accounts for every byte of the file;
 * - that it belongs to the source: device, inode, size, mtime and ctime are those recorded (O(1)), or else the SHA-256
 * of the source's bytes is (one pass over the source, no parsing). The times of a source that was younger than 2 s when
 * it was read are not recorded, since its clock could not show a further change;
 * - always, in one pass over the payload (of the order of 1 GB/s): its CRC-32, and that row pointers rise from 0 to
 * nnz, columns increase and are in range, values are finite. CRC-32 is against damage, not against malice, but no cache
 * can cause an access out of bounds. A cache that fails any of this is ignored and replaced. It is written to a
 * temporary file and renamed, so that readers never see half of one; where the folder cannot be written there is none,
 * silently. A CSV file whose targets are texts has none either. */
#ifndef SGDLAB_CACHE_H
#define SGDLAB_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data/reader.h"
#include "data/source.h"

enum { CACHE_TEXT_MIN = 1 << 20 }; /* bytes of text above which a cache is written */

/* A mapped cache with a sound header. */
struct cache {
    void *map;
    size_t size;
};

/* Names the options that change what a reader makes of a text. */
struct cache_options {
    bool csv;
    const char *target; /* as reader_csv's; NULL otherwise */
};

/* The cache's path for a source's, to be freed; NULL: out of memory. */
char *cache_path(const char *source_path);

/* false: none, or not a sound one. */
bool cache_open(const char *path, const struct cache_options *options, struct cache *cache);
bool cache_is_fresh(const struct cache *cache, const struct source_identity *identity);
bool cache_is_of(const struct cache *cache, const uint8_t raw_sha256[SHA256_BYTES]);
/* Checks the payload and hands the mapping over to samples (read-only; the targets are copied). Always closes the
 * cache. */
bool cache_take(struct cache *cache, struct samples *samples, uint8_t text_sha256[SHA256_BYTES]);
void cache_close(struct cache *cache);

/* Best effort: false when nothing was written. */
bool cache_save(const char *path, const struct cache_options *options, const struct source *source,
                const struct samples *samples);

#endif
