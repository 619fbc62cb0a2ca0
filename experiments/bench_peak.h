/* What this machine can do at most: the yardsticks of sgdlab bench. Compiled once per instruction set, with contraction
 * to FMA allowed. */
#ifndef BENCH_PEAK_H
#define BENCH_PEAK_H

#include <stddef.h>
#include <stdint.h>

/* `rounds` rounds of independent multiply-add chains in registers; the result depends on all of them. */
double bench_fma_portable(uint64_t rounds);
double bench_fma_avx2(uint64_t rounds);
double bench_fma_avx512(uint64_t rounds);

/* Chains per round: at least latency (4) times issue width (2), and few enough for AVX2's 16 registers. */
enum { BENCH_FMA_CHAINS = 12 };

/* a = b + 3 c, as STREAM's triad (McCalpin 1995): 24 bytes an entry, the line that a write fetches first not counted.
 */
void bench_triad_portable(double *restrict a, const double *restrict b, const double *restrict c, size_t n);
void bench_triad_avx2(double *restrict a, const double *restrict b, const double *restrict c, size_t n);
void bench_triad_avx512(double *restrict a, const double *restrict b, const double *restrict c, size_t n);

#endif
