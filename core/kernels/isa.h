/* Everything in kernels/, problems/ and updates/ is compiled once per instruction set (CMakeLists.txt: ISA = portable,
 * avx2, avx512) and collected in one struct kernel_set each; the best one that this CPU runs is chosen at start. All of
 * them follow one canonical order of operations, so the bits do not depend on the choice within a family (fma or
 * muladd). */
#ifndef SGDLAB_ISA_H
#define SGDLAB_ISA_H

#include <stddef.h>
#include <stdint.h>

#include "problem.h"

/* PER_ISA(x) is x_avx2 in the AVX2 objects, and so on: symbols of different objects never clash. */
#define ISA_JOIN2(name, isa) name##_##isa
#define ISA_JOIN(name, isa)  ISA_JOIN2(name, isa)
#define PER_ISA(name)        ISA_JOIN(name, ISA)

struct update_type;
struct lane_block;

struct kernel_set {
    const char *name;   /* "avx512", "avx2", "portable" */
    const char *family; /* "fma" or "muladd" */
    const struct problem_type *const *problem;
    size_t problem_count;
    const struct update_type *const *update;
    size_t update_count;

    /* z[rows][width] = A[index[r]] . x for every lane; index NULL: rows first, first+1, ... x is [d][width]; width 1 or
     * a multiple of 8. The canonical dot product: feature (dense) or stored entry (CSR) number j goes to partial sum j
     * mod 4, combined (0+2)+(1+3). */
    void (*forward)(const struct matrix *a, const uint32_t *index, size_t first, size_t rows, const double *x,
                    size_t width, double *z);
    /* gradient[d][width] += sum over rows of z[r][lane] A[index[r]], rows in order. */
    void (*backward)(const struct matrix *a, const uint32_t *index, size_t first, size_t rows, const double *z,
                     size_t width, double *gradient);
    /* sum[lane] = sum over all rows of phi(a_i.x, y_i); correct[lane] (NULL: not wanted) = rows with y_i z > 0.
     * scratch: FULL_PASS_ROWS * width doubles. */
    void (*full_loss)(const struct matrix *a, const double *y, const struct vector_loss *loss, const double *x,
                      size_t width, double *scratch, double *sum, double *correct);
    /* gradient[d][width] = sum over all rows of slope(a_i.x, y_i) a_i. */
    void (*full_gradient)(const struct matrix *a, const double *y, const struct vector_loss *loss, const double *x,
                          size_t width, double *scratch, double *gradient);
    /* h[d][stride] = (1/n) A'A of a dense matrix; stride = d rounded up to 8. */
    void (*gram)(const struct matrix *a, double *h, size_t stride);
    /* form[lane] = e'He + l2 |e_p|^2 and grad2[lane] = |He + l2 e_p|^2 for e = x - optimum, e_p its penalised part:
     * twice the gap and the squared gradient of a quadratic, free of cancellation. optimum, scratch [d][width]. */
    void (*quadratic)(const double *h, size_t stride, size_t d, size_t penalized, const double *l2,
                      const double *optimum, const double *x, size_t width, double *scratch, double *form,
                      double *grad2);
    /* norm2[lane] = sum over j < d of x[j][lane]^2. */
    void (*norm2)(const double *x, size_t d, size_t width, double *norm2);
    /* mean[d][width] += c (x - mean) */
    void (*average)(double c, const double *x, size_t d, size_t width, double *mean);
    /* eta[s][lane] = (floor[lane] + span[lane] shape[s]) warmup[s] */
    void (*rates)(size_t count, size_t width, const double *floor, const double *span, const double *shape,
                  const double *warmup, double *eta);
    /* x[j][lane] *= factor[lane] */
    void (*scale)(const double *factor, size_t d, size_t width, double *x);
};

enum { FULL_PASS_ROWS = 64 };

/* The set in use: the widest that this CPU runs, or the one that $SGDLAB_KERNEL names (kernel_select.c). */
const struct kernel_set *kernels_active(void);
/* All sets compiled in that this CPU runs: for tests and benchmarks. */
size_t kernels_available(const struct kernel_set *set[3]);

#endif
