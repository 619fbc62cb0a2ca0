/* A vector of VL doubles and the few operations that the kernels use, for the instruction set this object is compiled
 * for. Every operation rounds exactly as its scalar IEEE counterpart, so the width changes speed, never bits. */
#ifndef SGDLAB_SIMD_H
#define SGDLAB_SIMD_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))

#if defined(__AVX512F__) && defined(__AVX512DQ__)
#include <immintrin.h>
#define SIMD_FMA 1
enum { VL = 8 };
typedef __m512d vd;
typedef __mmask8 vm;
ALWAYS_INLINE vd v_load(const double *p)
{
    return _mm512_load_pd(p);
}
ALWAYS_INLINE vd v_loadu(const double *p)
{
    return _mm512_loadu_pd(p);
}
ALWAYS_INLINE void v_store(double *p, vd a)
{
    _mm512_store_pd(p, a);
}
ALWAYS_INLINE void v_storeu(double *p, vd a)
{
    _mm512_storeu_pd(p, a);
}
ALWAYS_INLINE vd v_set1(double a)
{
    return _mm512_set1_pd(a);
}
ALWAYS_INLINE vd v_add(vd a, vd b)
{
    return _mm512_add_pd(a, b);
}
ALWAYS_INLINE vd v_sub(vd a, vd b)
{
    return _mm512_sub_pd(a, b);
}
ALWAYS_INLINE vd v_mul(vd a, vd b)
{
    return _mm512_mul_pd(a, b);
}
ALWAYS_INLINE vd v_div(vd a, vd b)
{
    return _mm512_div_pd(a, b);
}
ALWAYS_INLINE vd v_sqrt(vd a)
{
    return _mm512_sqrt_pd(a);
}
ALWAYS_INLINE vd v_fma(vd a, vd b, vd c)
{
    return _mm512_fmadd_pd(a, b, c);
}
ALWAYS_INLINE vd v_fnma(vd a, vd b, vd c)
{
    return _mm512_fnmadd_pd(a, b, c);
}
ALWAYS_INLINE vd v_max(vd a, vd b)
{
    return _mm512_max_pd(a, b);
}
ALWAYS_INLINE vd v_min(vd a, vd b)
{
    return _mm512_min_pd(a, b);
}
ALWAYS_INLINE vd v_abs(vd a)
{
    return _mm512_abs_pd(a);
}
ALWAYS_INLINE vm v_lt(vd a, vd b)
{
    return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ);
}
ALWAYS_INLINE vd v_select(vm m, vd yes, vd no)
{
    return _mm512_mask_blend_pd(m, no, yes);
}
/* a * 2^k, where t = k + 1.5 * 2^52 as v_exp makes it; a and the result are normal */
ALWAYS_INLINE vd v_scale2(vd a, vd t)
{
    __m512i shift = _mm512_slli_epi64(_mm512_castpd_si512(t), 52);
    return _mm512_castsi512_pd(_mm512_add_epi64(_mm512_castpd_si512(a), shift));
}
/* column[c] = base[index[i] * stride + c] of i = 0 .. VL-1: loads VL entries from each of VL rows and transposes. */
ALWAYS_INLINE void v_columns(const double *base, const uint32_t *index, size_t stride, vd column[VL])
{
    vd a[8], b[8];
    for (int i = 0; i < 8; i += 2) {
        vd even = _mm512_loadu_pd(base + index[i] * stride), odd = _mm512_loadu_pd(base + index[i + 1] * stride);
        a[i] = _mm512_unpacklo_pd(even, odd);
        a[i + 1] = _mm512_unpackhi_pd(even, odd);
    }
    for (int i = 0; i < 8; i += 4)
        for (int h = 0; h < 2; h++) {
            b[i + h] = _mm512_shuffle_f64x2(a[i + h], a[i + h + 2], 0x88);
            b[i + h + 2] = _mm512_shuffle_f64x2(a[i + h], a[i + h + 2], 0xdd);
        }
    for (int h = 0; h < 2; h++) {
        column[h] = _mm512_shuffle_f64x2(b[h], b[h + 4], 0x88);
        column[h + 4] = _mm512_shuffle_f64x2(b[h], b[h + 4], 0xdd);
        column[h + 2] = _mm512_shuffle_f64x2(b[h + 2], b[h + 6], 0x88);
        column[h + 6] = _mm512_shuffle_f64x2(b[h + 2], b[h + 6], 0xdd);
    }
}

#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define SIMD_FMA 1
enum { VL = 4 };
typedef __m256d vd;
typedef __m256d vm;
ALWAYS_INLINE vd v_load(const double *p)
{
    return _mm256_load_pd(p);
}
ALWAYS_INLINE vd v_loadu(const double *p)
{
    return _mm256_loadu_pd(p);
}
ALWAYS_INLINE void v_store(double *p, vd a)
{
    _mm256_store_pd(p, a);
}
ALWAYS_INLINE void v_storeu(double *p, vd a)
{
    _mm256_storeu_pd(p, a);
}
ALWAYS_INLINE vd v_set1(double a)
{
    return _mm256_set1_pd(a);
}
ALWAYS_INLINE vd v_add(vd a, vd b)
{
    return _mm256_add_pd(a, b);
}
ALWAYS_INLINE vd v_sub(vd a, vd b)
{
    return _mm256_sub_pd(a, b);
}
ALWAYS_INLINE vd v_mul(vd a, vd b)
{
    return _mm256_mul_pd(a, b);
}
ALWAYS_INLINE vd v_div(vd a, vd b)
{
    return _mm256_div_pd(a, b);
}
ALWAYS_INLINE vd v_sqrt(vd a)
{
    return _mm256_sqrt_pd(a);
}
ALWAYS_INLINE vd v_fma(vd a, vd b, vd c)
{
    return _mm256_fmadd_pd(a, b, c);
}
ALWAYS_INLINE vd v_fnma(vd a, vd b, vd c)
{
    return _mm256_fnmadd_pd(a, b, c);
}
ALWAYS_INLINE vd v_max(vd a, vd b)
{
    return _mm256_max_pd(a, b);
}
ALWAYS_INLINE vd v_min(vd a, vd b)
{
    return _mm256_min_pd(a, b);
}
ALWAYS_INLINE vd v_abs(vd a)
{
    return _mm256_andnot_pd(_mm256_set1_pd(-0.0), a);
}
ALWAYS_INLINE vm v_lt(vd a, vd b)
{
    return _mm256_cmp_pd(a, b, _CMP_LT_OQ);
}
ALWAYS_INLINE vd v_select(vm m, vd yes, vd no)
{
    return _mm256_blendv_pd(no, yes, m);
}
ALWAYS_INLINE vd v_scale2(vd a, vd t)
{
    __m256i shift = _mm256_slli_epi64(_mm256_castpd_si256(t), 52);
    return _mm256_castsi256_pd(_mm256_add_epi64(_mm256_castpd_si256(a), shift));
}
ALWAYS_INLINE void v_columns(const double *base, const uint32_t *index, size_t stride, vd column[VL])
{
    vd r0 = _mm256_loadu_pd(base + index[0] * stride), r1 = _mm256_loadu_pd(base + index[1] * stride);
    vd r2 = _mm256_loadu_pd(base + index[2] * stride), r3 = _mm256_loadu_pd(base + index[3] * stride);
    vd a = _mm256_unpacklo_pd(r0, r1), b = _mm256_unpackhi_pd(r0, r1);
    vd c = _mm256_unpacklo_pd(r2, r3), d = _mm256_unpackhi_pd(r2, r3);
    column[0] = _mm256_permute2f128_pd(a, c, 0x20);
    column[1] = _mm256_permute2f128_pd(b, d, 0x20);
    column[2] = _mm256_permute2f128_pd(a, c, 0x31);
    column[3] = _mm256_permute2f128_pd(b, d, 0x31);
}

#else
/* Plain C: one double at a time; compilers may still vectorise the loops around it. Without FMA hardware a*b+c is
 * rounded twice (calling fma() would be an order of magnitude slower): the "muladd" family. */
#if defined(__FMA__) || defined(__FP_FAST_FMA)
#define SIMD_FMA 1
#else
#define SIMD_FMA 0
#endif
enum { VL = 1 };
typedef double vd;
typedef int vm;
ALWAYS_INLINE vd v_load(const double *p)
{
    return *p;
}
ALWAYS_INLINE vd v_loadu(const double *p)
{
    return *p;
}
ALWAYS_INLINE void v_store(double *p, vd a)
{
    *p = a;
}
ALWAYS_INLINE void v_storeu(double *p, vd a)
{
    *p = a;
}
ALWAYS_INLINE vd v_set1(double a)
{
    return a;
}
ALWAYS_INLINE vd v_add(vd a, vd b)
{
    return a + b;
}
ALWAYS_INLINE vd v_sub(vd a, vd b)
{
    return a - b;
}
ALWAYS_INLINE vd v_mul(vd a, vd b)
{
    return a * b;
}
ALWAYS_INLINE vd v_div(vd a, vd b)
{
    return a / b;
}
ALWAYS_INLINE vd v_sqrt(vd a)
{
    return sqrt(a);
}
#if SIMD_FMA
ALWAYS_INLINE vd v_fma(vd a, vd b, vd c)
{
    return fma(a, b, c);
}
ALWAYS_INLINE vd v_fnma(vd a, vd b, vd c)
{
    return fma(-a, b, c);
}
#else
ALWAYS_INLINE vd v_fma(vd a, vd b, vd c)
{
    return a * b + c;
}
ALWAYS_INLINE vd v_fnma(vd a, vd b, vd c)
{
    return c - a * b;
}
#endif
ALWAYS_INLINE vd v_max(vd a, vd b)
{
    return a > b ? a : b;
}
ALWAYS_INLINE vd v_min(vd a, vd b)
{
    return a < b ? a : b;
}
ALWAYS_INLINE vd v_abs(vd a)
{
    return fabs(a);
}
ALWAYS_INLINE vm v_lt(vd a, vd b)
{
    return a < b;
}
ALWAYS_INLINE vd v_select(vm m, vd yes, vd no)
{
    return m ? yes : no;
}
ALWAYS_INLINE vd v_scale2(vd a, vd t)
{
    uint64_t bits, shift;
    memcpy(&bits, &a, sizeof bits);
    memcpy(&shift, &t, sizeof shift);
    bits += shift << 52;
    memcpy(&a, &bits, sizeof bits);
    return a;
}
ALWAYS_INLINE void v_columns(const double *base, const uint32_t *index, size_t stride, vd column[VL])
{
    column[0] = base[index[0] * stride];
}

#endif

/* One double, rounded like a lane of v_fma. */
ALWAYS_INLINE double s_fma(double a, double b, double c)
{
#if SIMD_FMA
    return fma(a, b, c);
#else
    return a * b + c;
#endif
}

#endif
