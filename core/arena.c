/* Memory in chunks that grow, freed all at once. */
#include "arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct arena_chunk {
    struct arena_chunk *before;
    size_t used, size;
    alignas(max_align_t) unsigned char byte[];
};

enum { CHUNK_FIRST = 4096, CHUNK_MOST = 1 << 20 };

void *arena_alloc(struct arena *arena, size_t size)
{
    struct arena_chunk *chunk = arena->last;
    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
    if (!chunk || chunk->size - chunk->used < size) {
        size_t capacity = !chunk ? CHUNK_FIRST : chunk->size < CHUNK_MOST ? 2 * chunk->size : CHUNK_MOST;
        if (capacity < size)
            capacity = size;
        chunk = calloc(1, sizeof *chunk + capacity);
        if (!chunk)
            return NULL;
        *chunk = (struct arena_chunk){.before = arena->last, .size = capacity};
        arena->last = chunk;
    }
    void *memory = chunk->byte + chunk->used;
    chunk->used += size;
    return memory;
}

char *arena_text(struct arena *arena, const char *text, size_t length)
{
    char *copy = arena_alloc(arena, length + 1);
    if (copy)
        memcpy(copy, text, length);
    return copy;
}

char *arena_string(struct arena *arena, const char *text)
{
    return arena_text(arena, text, strlen(text));
}

void arena_free(struct arena *arena)
{
    while (arena->last) {
        struct arena_chunk *chunk = arena->last;
        arena->last = chunk->before;
        free(chunk);
    }
}
