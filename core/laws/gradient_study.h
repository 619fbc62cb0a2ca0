/* What batch gradients do inside one epoch at a frozen iterate, and what reshuffling does to their mean along the way:
 * computed by calling the sampler and from the definitions, without the engine. l2 is part of the gradients, l1, a ball
 * and clipping are not supported (STATUS_UNSUPPORTED). */
#ifndef SGDLAB_GRADIENT_STUDY_H
#define SGDLAB_GRADIENT_STUDY_H

#include "problem.h"
#include "sampler.h"

/* How the batches of an epoch are drawn. */
struct epoch_sampling {
    const struct sampler_type *type; /* by epoch, else STATUS_USAGE (but gradient_study_batches takes any) */
    struct param_values values;
    size_t batch_size;
    bool keep_last;
    uint64_t seed; /* epoch k of the study is the first epoch of the stream (seed, RNG_LAW, group, k) */
    uint64_t group;
};

/* With d_A, d_B the deviations from grad f of the first two batches of an epoch, which share no sample: E d_A.d_B =
 * -tr Sigma/(n-1), Sigma = (1/n) sum (grad f_i - grad f)(grad f_i - grad f)', whatever their sizes; along u = grad
 * f/|grad f|, -u'Sigma u/(n-1). And the mean of all batches of an epoch, weighted by size, is grad f to rounding. */
struct epoch_study {
    uint64_t epochs;
    size_t batches; /* of one epoch; with fewer than two there is no product: covariance is NaN */
    double covariance, covariance_se, covariance_predicted; /* mean of d_A.d_B over epochs */
    double along, along_se, along_predicted;                /* of (u.d_A)(u.d_B); 0 where grad f = 0 */
    double deviation; /* largest |weighted mean - grad f| over epochs (Euclidean norm) */
    double rounding;  /* what rounding can make of that: beyond it a batch is missing or weighs too much */
};
/* x[d], d the problem's dimension. */
enum status gradient_study_epochs(const struct problem *problem, const double *x, const struct epoch_sampling *sampling,
                                  uint64_t epochs, struct epoch_study *out, struct error *error);

/* All batches that a sampler draws on a few samples. It is asked for them until none can be missing any more; then the
 * mean of their gradients, each counted once, is grad f to rounding if they are those they should be: the n^m ordered
 * ones with replacement, else the n!/(m!(n-m)!) sets. That they come equally often is a chi^2 test. */
struct batch_study {
    size_t batches, wanted; /* that were drawn; that there should be */
    uint64_t draws;
    double bias;     /* |mean of their gradients - grad f|, largest coordinate */
    double largest;  /* largest coordinate of any grad f_i */
    double chi2, df; /* of the frequencies of the wanted batches */
};
/* Batches of full size (an epoch's first, each epoch from a stream of its own). STATUS_UNSUPPORTED: more than 12
 * samples or 5000 batches. */
enum status gradient_study_batches(const struct problem *problem, const double *x,
                                   const struct epoch_sampling *sampling, struct batch_study *out, struct error *error);
bool gradient_study_countable(const struct sampler_type *type, size_t n, size_t batch_size);

/* Plain SGD with rate eta and one sample a step from x[d] through an order pi of the samples: bias[k][d], k < n, is the
 * mean over orders of grad f_{pi(k)}(x_k) - grad f(x_k): 0 for k = 0 and, to first order in eta, k times
 * gradient_study_bias_slope. Exact, over all n! orders: n <= 9, and linear models (STATUS_UNSUPPORTED). */
enum { BIAS_SAMPLES_MAX = 9 };
enum status gradient_study_epoch_bias(const struct problem *problem, const double *x, double eta, double *bias,
                                      struct error *error);
/* The same as a mean over epochs of the sampler (batch size 1), with its standard error se[k][d]. */
enum status gradient_study_epoch_bias_sampled(const struct problem *problem, const double *x, double eta,
                                              const struct epoch_sampling *sampling, uint64_t epochs, double *bias,
                                              double *se, struct error *error);
/* slope[d] = eta/(n-1) mean of (H_i - H) grad f_i at x, H_i the Hessian of f_i. Twice differentiable losses only. */
enum status gradient_study_bias_slope(const struct problem *problem, const double *x, double eta, double *slope,
                                      struct error *error);

#endif
