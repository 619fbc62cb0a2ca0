/* Philox4x32-10 over LANES counters at once, and the map of LANES words to indices; rng.c includes this once per
 * instruction set, after defining the macros, hence no include guard. */

/* Words 2c and 2c+1 of counters c = counter ..., in whole groups; returns how many counters were done. Each 32-bit
 * number lies in the low half of a 64-bit element; the high half is whatever the last product left there, and nothing
 * reads it: the products take low halves only. */
TARGET static size_t NAME(words)(const struct rng_stream *stream, uint64_t counter, size_t count, uint64_t *word)
{
    typedef uint64_t vector __attribute__((vector_size(8 * LANES)));
    /* Independent vectors in flight, to hide the latency of the product. */
    enum { UNROLL = 2, GROUP = UNROLL * LANES };
    const vector zero = {0}, low = zero + 0xffffffffu, iota = {IOTA};
    const vector m0 = zero + PHILOX_M4x32_0, m1 = zero + PHILOX_M4x32_1;
    size_t done = 0;
    for (; count - done >= GROUP; done += GROUP) {
        vector x0[UNROLL], x1[UNROLL], x2[UNROLL], x3[UNROLL];
#pragma GCC unroll 2
        for (size_t u = 0; u < UNROLL; u++) {
            vector c = iota + (counter + done + u * LANES);
            x0[u] = c;
            x1[u] = c >> 32;
            x2[u] = zero + stream->high[0];
            x3[u] = zero + stream->high[1];
        }
        vector k0 = zero + stream->key[0], k1 = zero + stream->key[1];
#pragma GCC unroll 10
        for (size_t round = 0; round < philox4x32_rounds; round++) {
#pragma GCC unroll 2
            for (size_t u = 0; u < UNROLL; u++) {
                vector p0 = MULTIPLY(x0[u], m0), p1 = MULTIPLY(x2[u], m1);
                x0[u] = p1 >> 32 ^ x1[u] ^ k0;
                x2[u] = p0 >> 32 ^ x3[u] ^ k1;
                x1[u] = p1;
                x3[u] = p0;
            }
            k0 += PHILOX_W32_0;
            k1 += PHILOX_W32_1;
        }
#pragma GCC unroll 2
        for (size_t u = 0; u < UNROLL; u++) {
            vector first = (x0[u] & low) | x1[u] << 32, second = (x2[u] & low) | x3[u] << 32;
            vector lower = __builtin_shufflevector(first, second, LOWER);
            vector upper = __builtin_shufflevector(first, second, UPPER);
            uint64_t *out = word + 2 * (done + u * LANES);
            memcpy(out, &lower, sizeof lower);
            memcpy(out + LANES, &upper, sizeof upper);
        }
    }
    return done;
}

/* index[i] = rng_index(word[i], n - i * shrink), in whole vectors; returns how many were done. */
TARGET static size_t NAME(indices)(const uint64_t *word, size_t count, uint32_t n, uint32_t shrink, uint32_t *index)
{
    typedef uint64_t vector __attribute__((vector_size(8 * LANES)));
    typedef uint32_t half_vector __attribute__((vector_size(4 * LANES)));
    const vector zero = {0}, iota = {IOTA};
    vector bound = zero + n - MULTIPLY(iota, zero + shrink);
    size_t done = 0;
    for (; count - done >= LANES; done += LANES) {
        vector w;
        memcpy(&w, word + done, sizeof w);
        vector product = MULTIPLY(w >> 32, bound) + (MULTIPLY(w, bound) >> 32);
        half_vector result = __builtin_convertvector(product >> 32, half_vector);
        memcpy(index + done, &result, sizeof result);
        bound -= (uint64_t)shrink * LANES;
    }
    return done;
}

#undef NAME
#undef TARGET
#undef LANES
#undef MULTIPLY
#undef IOTA
#undef LOWER
#undef UPPER
