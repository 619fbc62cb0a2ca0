/* See bench_peak.h. ISA names the instruction set, as in core/kernels. */
#include "bench_peak.h"

#include "kernels/isa.h"

#if defined(__AVX512F__)
enum { VECTOR_BYTES = 64 };
#elif defined(__AVX2__)
enum { VECTOR_BYTES = 32 };
#else
enum { VECTOR_BYTES = 16 };
#endif

typedef double vector __attribute__((vector_size(VECTOR_BYTES)));

double PER_ISA(bench_fma)(uint64_t rounds)
{
    vector chain[BENCH_FMA_CHAINS], factor = (vector){0} + 0.999, term = (vector){0} + 0.001, sum = {0};
    for (int i = 0; i < BENCH_FMA_CHAINS; i++)
        chain[i] = (vector){0} + (double)i;
    for (uint64_t r = 0; r < rounds; r++) {
#pragma GCC unroll 12
        for (int i = 0; i < BENCH_FMA_CHAINS; i++)
            chain[i] = chain[i] * factor + term;
    }
    for (int i = 0; i < BENCH_FMA_CHAINS; i++)
        sum += chain[i];
    return sum[0];
}

void PER_ISA(bench_triad)(double *restrict a, const double *restrict b, const double *restrict c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        a[i] = b[i] + 3 * c[i];
}
