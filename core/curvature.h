/* What the second derivatives and the scatter of the gradients say at one iterate: exact products with the Hessian of
 * f, its largest eigenvalue, and the simple noise scale. One iterate at a time, in width 1: what a lane gets does not
 * depend on the lanes beside it. The Hessian is that of the smooth part of f: penalties by l2 are in it, l1 and a ball
 * are not. */
#ifndef SGDLAB_CURVATURE_H
#define SGDLAB_CURVATURE_H

#include "problem.h"

/* Relative residual at which the eigenvalue iteration stops: |H v - t v| <= CURVATURE_TOLERANCE |t|, |v| = 1. */
#define CURVATURE_TOLERANCE 1e-3

/* f has a Hessian: its loss is twice differentiable, or the model computes products with it. */
bool curvature_defined(const struct problem *problem);

/* Memory for problems of this type, parameters and data, whatever their penalties. eigenvalues: curvature_largest will
 * be called (curvature_defined must hold). */
struct curvature;
enum status curvature_open(const struct problem *problem, bool eigenvalues, struct curvature **out,
                           struct error *error);
void curvature_close(struct curvature *curvature); /* also NULL */

/* Everything below is about this problem at this iterate, coordinate j at x[j * stride]. problem is borrowed. */
void curvature_at(struct curvature *curvature, const struct problem *problem, const double *x, size_t stride);

/* product[d] = Hessian v, exact. Both arrays are 64-byte aligned and have room for d rounded up to a multiple of 8. */
void curvature_product(struct curvature *curvature, const double *v, double *product);

/* The largest (not: largest in size) eigenvalue of the Hessian, by the Lanczos iteration with full reorthogonalisation
 * (Golub and Van Loan, Matrix Computations, 4th ed., sec. 10.3), from a start that is the same for all. The value t is
 * a Rayleigh quotient, so a lower bound, and some eigenvalue lies within its residual, see CURVATURE_TOLERANCE; to a
 * gap of delta between the first two its error is at most residual^2/delta. At most d products for small d; NaN where
 * the residual does not come down in some hundreds of them, or is not finite. */
double curvature_largest(struct curvature *curvature);

/* tr Sigma / |grad f|^2 with Sigma = (1/n) sum (grad f_i - grad f)(grad f_i - grad f)': the simple noise scale
 * (McCandlish, Kaplan, Amodei et al. 2018, An empirical model of large-batch training, eq. 2.9). f has its penalties in
 * the denominator (the sign of x for l1); they drop out of Sigma. 0 where Sigma is 0, else INFINITY at a stationary
 * point. */
double curvature_noise_scale(struct curvature *curvature);

#endif
