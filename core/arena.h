/* Memory that is freed all at once: for trees whose parts live and die together. */
#ifndef SGDLAB_ARENA_H
#define SGDLAB_ARENA_H

#include <stddef.h>

struct arena_chunk;
struct arena {
    struct arena_chunk *last;
};

/* Zeroed memory, aligned for any type; NULL when out of memory. */
void *arena_alloc(struct arena *arena, size_t size);
/* Copies, or NULL. */
char *arena_string(struct arena *arena, const char *text);
char *arena_text(struct arena *arena, const char *text, size_t length);
void arena_free(struct arena *arena);

#endif
