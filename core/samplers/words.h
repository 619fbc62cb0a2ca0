/* Reads a stretch of a random stream word by word: the words are made in bulk, and never more of them than are asked
 * for, so that a draw of one step stays cheap. */
#ifndef SGDLAB_SAMPLERS_WORDS_H
#define SGDLAB_SAMPLERS_WORDS_H

#include "rng.h"

enum { WORDS_BUFFER = 256 };

struct words {
    const struct rng_stream *stream;
    uint64_t position; /* of the next word to make */
    uint64_t left;     /* words still to make */
    size_t used, made; /* of the buffer */
    uint64_t word[WORDS_BUFFER];
};

/* Words position .. position+count-1 of the stream. The buffer is left alone: nothing reads it before it is filled. */
static inline void words_start(struct words *words, const struct rng_stream *stream, uint64_t position, uint64_t count)
{
    words->stream = stream;
    words->position = position;
    words->left = count;
    words->used = words->made = 0;
}

static inline uint64_t words_next(struct words *words)
{
    if (words->used == words->made) {
        words->made = words->left < WORDS_BUFFER ? (size_t)words->left : WORDS_BUFFER;
        words->used = 0;
        rng_words(words->stream, words->position, words->made, words->word);
        words->position += words->made;
        words->left -= words->made;
    }
    return words->word[words->used++];
}

#endif
