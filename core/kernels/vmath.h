/* exp and log(1+e) on vectors, from IEEE operations in a fixed order: the same bits on every instruction set of a
 * family. Errors below 2 ulp (tested against libm over the whole range that the losses use). */
#ifndef SGDLAB_VMATH_H
#define SGDLAB_VMATH_H

#include "kernels/simd.h"

/* e^x for |x| <= 700 (clamped). x = k ln2 + r, |r| <= ln2/2, e^r = 1 + r + r^2 g(r), g
 * interpolated at ten Chebyshev nodes: relative error 1.6e-17 with these rounded coefficients. Short chains, because
 * one lane alone waits for them. */
ALWAYS_INLINE vd v_exp(vd x)
{
    const vd magic = v_set1(0x1.8p52);
    x = v_max(v_min(x, v_set1(700.0)), v_set1(-700.0));
    vd t = v_fma(x, v_set1(0x1.71547652b82fep0), magic);
    vd k = v_sub(t, magic);
    vd r = v_fnma(k, v_set1(0x1.62e42fefa3800p-1), x); /* k * high part is exact: it has 11 trailing zero bits */
    r = v_fnma(k, v_set1(0x1.ef35793c76730p-45), r);
    vd r2 = v_mul(r, r), r4 = v_mul(r2, r2);
    vd p01 = v_add(v_set1(1.0), r);
    vd p23 = v_fma(r, v_set1(0x1.5555555555556p-3), v_set1(0x1.0000000000001p-1));
    vd p45 = v_fma(r, v_set1(0x1.11111111109b3p-7), v_set1(0x1.5555555553d63p-5));
    vd p67 = v_fma(r, v_set1(0x1.a01a01a7c41d5p-13), v_set1(0x1.6c16c1788bd90p-10));
    vd p89 = v_fma(r, v_set1(0x1.71de0dae63bb3p-19), v_set1(0x1.a019b90d2ae7ap-16));
    vd pab = v_fma(r, v_set1(0x1.af38a9b0ec855p-26), v_set1(0x1.289185613a3d6p-22));
    vd q03 = v_fma(r2, p23, p01), q47 = v_fma(r2, p67, p45), q8b = v_fma(r2, pab, p89);
    return v_scale2(v_fma(r4, v_fma(r4, q8b, q47), q03), t);
}

/* tanh x: x + x^3 P(x^2)/Q(x^2) below 0.625 (the rational form of the Cephes library), 1 - 2/(e^{2|x|} + 1) with x's
 * sign beyond. */
ALWAYS_INLINE vd v_tanh(vd x)
{
    const vd one = v_set1(1.0), size = v_abs(x), w = v_mul(x, x);
    vd p = v_fma(w, v_set1(-9.64399179425052238628e-1), v_set1(-9.92877231001918586564e1));
    p = v_fma(w, p, v_set1(-1.61468768441708447952e3));
    vd q = v_fma(w, v_add(w, v_set1(1.12811678491632931402e2)), v_set1(2.23548839060100448583e3));
    q = v_fma(w, q, v_set1(4.84406305325125486048e3));
    const vd near = v_fma(v_mul(x, w), v_div(p, q), x);
    const vd far = v_sub(one, v_div(v_set1(2.0), v_add(v_exp(v_add(size, size)), one)));
    return v_select(v_lt(size, v_set1(0.625)), near, v_select(v_lt(x, v_set1(0.0)), v_sub(v_set1(0.0), far), far));
}

/* log(1+e) for 0 <= e <= 1, accurate relative to the result also for tiny e. */
ALWAYS_INLINE vd v_log1p_unit(vd e)
{
    /* Above sqrt(2)-1 use log(1+e) = ln2 + log(1 + (e-1)/2), so that |f| <= 0.415; log(1+f) = 2 atanh(f/(2+f)). */
    vm high = v_lt(v_set1(0x1.a827999fcef32p-2), e);
    vd f = v_select(high, v_mul(v_sub(e, v_set1(1.0)), v_set1(0.5)), e);
    vd s = v_div(f, v_add(v_set1(2.0), f));
    vd w = v_mul(s, s), w2 = v_mul(w, w), w4 = v_mul(w2, w2);
    vd p01 = v_fma(w, v_set1(2.0 / 5), v_set1(2.0 / 3));
    vd p23 = v_fma(w, v_set1(2.0 / 9), v_set1(2.0 / 7));
    vd p45 = v_fma(w, v_set1(2.0 / 13), v_set1(2.0 / 11));
    vd p67 = v_fma(w, v_set1(2.0 / 17), v_set1(2.0 / 15));
    vd p89 = v_fma(w, v_set1(2.0 / 21), v_set1(2.0 / 19));
    vd low = v_fma(w2, p23, p01), mid = v_fma(w2, p67, p45);
    vd poly = v_fma(w4, v_fma(w4, p89, mid), low);
    /* 2 s = f - s f exactly in real arithmetic; the form f - s (f - w poly) keeps the leading term exact */
    vd small = v_fnma(s, v_fnma(w, poly, f), f);
    return v_select(high, v_add(v_set1(0x1.62e42fefa39efp-1), small), small);
}

#endif
