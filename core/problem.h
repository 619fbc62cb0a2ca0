/* Problems: finite sums f(x) = (1/n) sum_i f_i(x) + (l2/2)|x|^2 + l1 |x|_1, optionally on the ball |x| <= radius.
 * Linear models have f_i(x) = phi(a_i.x, y_i): each names only its scalar loss phi, and one kernel per matrix layout
 * serves them all. Their penalties leave the intercept (the last coordinate when the data have one) alone unless
 * penalize_intercept. Other models (networks, landscapes) bring their own gradients: model.h. */
#ifndef SGDLAB_PROBLEM_H
#define SGDLAB_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>

#include "data/dataset.h"
#include "registry.h"

/* The scalar loss, written for reading: the definition, and the reference that the vector forms are tested against. */
struct scalar_loss {
    double (*value)(double z, double y); /* phi(z, y) */
    double (*slope)(double z,
                    double y); /* d phi/dz; at a kink the element of the subdifferential that the kernels use */
    double (*curvature)(double z, double y); /* d^2 phi/dz^2; NULL where phi is not twice differentiable */
    double curvature_max; /* sup of the curvature: 1 squares, 1/4 logistic, 0 linear, INFINITY not smooth */
    double slope_max;     /* sup |slope|: 1 where y = -1, +1 or a kink bounds it, else INFINITY */
};

/* The same loss on vectors of lanes (kernels/linear_loss.h makes these from two inline functions). All arrays 64-byte
 * aligned, widths and counts multiples of 8. */
struct vector_loss {
    /* z[rows][width] -> slope(z, y[row]) in place */
    void (*slope)(size_t rows, size_t width, const double *y, double *z);
    /* slope(z, y): the bits that a lane gets */
    double (*slope_one)(double z, double y);
    /* z[count] -> slope(z, y[count]) in place, entry by entry */
    void (*slope_each)(size_t count, const double *y, double *z);
    /* sum[width] += value(z[row][lane], y[row]), rows in order */
    void (*value)(size_t rows, size_t width, const double *y, const double *z, double *sum);
    /* z[count] -> value(z, y[count]) in place, entry by entry */
    void (*value_each)(size_t count, const double *y, double *z);
};

struct model_type; /* model.h */

struct problem_type {
    struct method method;
    enum task task;                   /* of the targets; see problem_task */
    const struct scalar_loss *scalar; /* linear models */
    const struct vector_loss *vector;
    const struct model_type *model; /* everything else: it brings its own gradients; NULL: a linear model */
    bool own_bias;                  /* the model has biases: the data get no intercept column */
    bool quadratic;                 /* phi = (z - y)^2 / 2: closed forms hold */
    bool needs_l1;                  /* l1 > 0 must be given (lasso) */
};

enum l1_form { L1_PROXIMAL, L1_SUBGRADIENT };

/* One objective: what a lane minimises. */
struct problem {
    const struct problem_type *type;
    struct param_values values; /* of the type's own parameters */
    const struct dataset *data; /* borrowed */
    double l1, l2;              /* >= 0 */
    double radius;              /* INFINITY: no projection */
    enum l1_form l1_form;
    bool penalize_intercept;
};

/* What the type with these parameters needs of the targets. */
enum task problem_task(const struct problem_type *type, const struct param_values *values);

/* Number of coordinates (d), and of those that the penalties see (they come first). */
size_t problem_dim(const struct problem *problem);
size_t problem_penalized(const struct problem *problem);

/* Linear models: naive, compensated-summation evaluations in double for set-up, certificates and tests (one iterate,
 * libm). x[d]; gradient[d] may be NULL. On return the value of f (penalties included) and a (sub)gradient of f. */
double problem_value(const struct problem *problem, const double *x, double *gradient);

#endif
