/* The certified optimum of a problem: x*, f* and a proof of how far f* can be from the true minimum. */
#ifndef SGDLAB_REFERENCE_H
#define SGDLAB_REFERENCE_H

#include "problem.h"

struct reference {
    bool exists;       /* false: no finite optimum, see reason; f and x are then not set */
    char reason[256];  /* why there is none, in words for the user */
    char method[64];   /* "normal equations (Cholesky)", "interior point (Mehrotra)", "dual coordinate descent", ... */
    double f;          /* f(x) at x: an upper bound of f* */
    double gap;        /* certified bound: f - f* <= gap (gradient norm: |g|^2/(2 mu); or duality gap) */
    double grad_norm;  /* |grad f(x)| where f is smooth (also on a ball, where it need not be 0), else NaN */
    double smoothness; /* L of f without l1: largest eigenvalue bound, INFINITY where the loss is not smooth */
    double convexity;  /* mu of f, 0 where not strongly convex */
    size_t dim;
    double *x; /* dim entries; for several minimisers the one found (least squares: the minimum-norm one) */
};

/* Goal: gap <= 1e-12 max(|f*|, tiny) for smooth problems, 1e-9 for the others. What cannot be certified (or has no
 * finite optimum) is not an error: exists is then false and reason says why. Deterministic: fixed-order code, same bits
 * for gcc and clang. The caller has switched GSL's error handler off. */
enum status reference_solve(const struct problem *problem, struct reference **out, struct error *error);
void reference_free(struct reference *reference);

/* L and mu alone (also for `sgdlab data`): extreme eigenvalues of (1/n) A'A scaled by the curvature bound, plus l2 on
 * the penalised coordinates; l1 is left out. mu of least squares is the smallest of them (beyond 500 coordinates the
 * lower bound l2, or 0 with a free intercept), of the other losses l2, or 0 with a free intercept. */
enum status problem_constants(const struct problem *problem, double *smoothness, double *convexity,
                              struct error *error);

#endif
