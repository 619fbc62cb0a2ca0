/* What the tests of the exact moments share: small least-squares problems made from normal numbers, and matrices. */
#ifndef SGDLAB_TEST_ORACLE_SCENE_H
#define SGDLAB_TEST_ORACLE_SCENE_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "laws/oracle.h"
#include "rng.h"

#define MUST(call)                                                                                                     \
    do {                                                                                                               \
        struct error error = {0};                                                                                      \
        enum status must_status = (call);                                                                              \
        cr_assert(must_status == STATUS_OK, "%s: %s", #call, error.message);                                           \
    } while (0)

/* the call fills `error` and fails with this status and a message that contains the text */
#define MUST_FAIL(call, expected, text)                                                                                \
    do {                                                                                                               \
        struct error error = {0};                                                                                      \
        enum status fail_status = (call);                                                                              \
        cr_expect(fail_status == (expected) && error.status == (expected), "%s: status %d", #call, (int)fail_status);  \
        cr_expect(strstr(error.message, text) != NULL, "%s: %s", #call, error.message);                                \
    } while (0)

#define EXPECT_WITHIN(found, wanted, absolute)                                                                         \
    do {                                                                                                               \
        double found_ = (found), wanted_ = (wanted);                                                                   \
        cr_expect(fabs(found_ - wanted_) <= (absolute), "%s = %.17g, %s = %.17g", #found, found_, #wanted, wanted_);   \
    } while (0)
#define EXPECT_CLOSE(found, wanted, relative) EXPECT_WITHIN(found, wanted, (relative)*fabs(wanted))

struct scene {
    struct dataset data;
    struct problem problem;
    struct oracle *oracle;
};

static inline gsl_rng *scene_rng(uint64_t seed)
{
    const struct rng_stream stream = rng_stream(seed, RNG_TEST, 1, 0);
    gsl_rng *rng = rng_gsl_open(&stream);
    cr_assert(rng != NULL);
    return rng;
}

/* n samples a_j = sqrt(l_j) N(0, 1), l_j from 1 down to 1/spread, b = sum a_j / 2 + N(0, 1); with an intercept the last
 * column is 1 and not penalised. No oracle yet. */
static inline void scene_data(struct scene *s, size_t n, size_t d, double spread, double l2, bool intercept)
{
    gsl_rng *rng = scene_rng(17 * n + d);
    gsl_set_error_handler_off();
    memset(s, 0, sizeof *s);
    s->data.y = calloc(n, sizeof *s->data.y);
    s->data.intercept = intercept;
    cr_assert(s->data.y && matrix_alloc_dense(&s->data.train, n, d, NULL) == STATUS_OK);
    for (size_t i = 0; i < n; i++) {
        double *row = s->data.train.value + i * s->data.train.stride;
        s->data.y[i] = gsl_ran_gaussian(rng, 1);
        for (size_t j = 0; j < d; j++) {
            double scale = d > 1 ? pow(spread, -0.5 * (double)j / (double)(d - 1)) : 1;
            row[j] = intercept && j == d - 1 ? 1 : gsl_ran_gaussian(rng, scale);
            s->data.y[i] += 0.5 * row[j];
        }
    }
    gsl_rng_free(rng);
    s->problem = (struct problem){.type = (const void *)registry_find(METHOD_PROBLEM, "least_squares", NULL),
                                  .data = &s->data,
                                  .l2 = l2,
                                  .radius = INFINITY};
}

static inline void scene_open(struct scene *s, size_t n, size_t d, double spread, double l2, bool intercept)
{
    scene_data(s, n, d, spread, l2, intercept);
    MUST(oracle_open(&s->problem, &s->oracle, &error));
}

/* One dimension, a_i = 1: f_i = (x - c_i)^2/2. */
static inline void scene_mean(struct scene *s, size_t n)
{
    scene_data(s, n, 1, 1, 0, true);
    MUST(oracle_open(&s->problem, &s->oracle, &error));
}

static inline void scene_close(struct scene *s)
{
    oracle_close(s->oracle);
    matrix_free(&s->data.train);
    free(s->data.y);
}

/* max |x - y| over count entries / max |y| */
static inline double distance(size_t count, const double *x, const double *y)
{
    double gap = 0, size = 0;
    for (size_t k = 0; k < count; k++) {
        gap = fmax(gap, fabs(x[k] - y[k]));
        size = fmax(size, fabs(y[k]));
    }
    return isnan(gap) || size == 0 ? INFINITY : gap / size;
}

#endif
