/* Is the mean of the batch gradients the gradient? With e its deviation over R draws, T = R e' (kappa Sigma)^+ e is
 * chi^2 with rank(Sigma) degrees of freedom (Hotelling's statistic with a known covariance).
 *
 * Sigma is scaled to a correlation matrix first, so that the rank does not depend on the units of the columns; e lies
 * in the range of Sigma, where T is the same for every generalised inverse. Outside that range e must be 0 to rounding.
 */
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_eigen.h>
#include <math.h>
#include <stdlib.h>

#include "estimator_internal.h"

static const double RANK_TOLERANCE = 1e-10; /* eigenvalues of the correlation matrix below this times its size are 0 */
static const double LEAK = 10; /* standard deviations allowed to a direction that is null up to that tolerance */

/* One projection of the gradients. */
struct component {
    double mean, rounding, deviation; /* of the draws' mean from the gradient; its rounding error; sqrt of Sigma_jj */
    size_t at;                        /* row of sigma */
};

struct test {
    double statistic;
    size_t rank;
    bool impossible; /* e is not 0 where Sigma says that it is */
};

/* The projections that vary; those that do not must be 0 to rounding. */
static size_t take_components(const struct estimator *e, const double *mean, struct component *component,
                              struct test *test)
{
    size_t count = 0;
    for (size_t k = 0; k < e->bias_dim; k++) {
        struct component c = {.at = k};
        if (e->bias_full) {
            c.mean = mean[k];
            c.rounding = e->rounding[k];
        } else if (along_gradient(e, k)) {
            for (size_t j = 0; j < e->d; j++) {
                c.mean += e->unit[j] * mean[j];
                c.rounding += fabs(e->unit[j]) * e->rounding[j];
            }
        } else {
            c.mean = mean[e->column[k]];
            c.rounding = e->rounding[e->column[k]];
        }
        c.deviation = sqrt(e->sigma[k * e->bias_dim + k]);
        if (e->kappa > 0 && c.deviation > c.rounding)
            component[count++] = c;
        else if (!(fabs(c.mean) <= c.rounding))
            test->impossible = true;
    }
    return count;
}

static void take_eigenpair(const struct estimator *e, const struct component *component, size_t count, double value,
                           const gsl_matrix *vector, size_t which, struct test *test)
{
    const double tolerance = RANK_TOLERANCE * (double)count, draws = (double)e->draws;
    double projection = 0, rounding = 0;
    for (size_t j = 0; j < count; j++) {
        double v = gsl_matrix_get(vector, j, which) / component[j].deviation;
        projection += v * component[j].mean;
        rounding += fabs(v) * component[j].rounding;
    }
    if (value > tolerance) {
        test->statistic += draws * projection * projection / (e->kappa * value);
        test->rank++;
    } else if (!(fabs(projection) <= rounding + LEAK * sqrt(e->kappa * tolerance / draws))) {
        test->impossible = true;
    }
}

static enum status whiten(const struct estimator *e, const struct component *component, size_t count, struct test *test,
                          struct error *error)
{
    gsl_matrix *correlation = gsl_matrix_alloc(count, count), *vector = gsl_matrix_alloc(count, count);
    gsl_vector *value = gsl_vector_alloc(count);
    gsl_eigen_symmv_workspace *workspace = gsl_eigen_symmv_alloc(count);
    enum status status = STATUS_OK;
    if (correlation && vector && value && workspace) {
        for (size_t i = 0; i < count; i++)
            for (size_t k = 0; k < count; k++)
                gsl_matrix_set(correlation, i, k,
                               e->sigma[component[i].at * e->bias_dim + component[k].at] / component[i].deviation /
                                   component[k].deviation);
        gsl_eigen_symmv(correlation, value, vector, workspace);
        for (size_t k = 0; k < count; k++)
            take_eigenpair(e, component, count, gsl_vector_get(value, k), vector, k, test);
    } else {
        status = error_memory(error, 2 * count * count * sizeof(double), "the test of the bias");
    }
    gsl_eigen_symmv_free(workspace);
    gsl_vector_free(value);
    gsl_matrix_free(vector);
    gsl_matrix_free(correlation);
    return status;
}

enum status estimator_bias(const struct estimator *e, const double *mean, struct estimator_result *result,
                           struct error *error)
{
    const struct sampler_type *sampler = e->request->config->sampler;
    struct test test = {0};
    struct component *component = malloc((e->bias_dim + 1) * sizeof *component);
    if (!component)
        return error_memory(error, e->bias_dim * sizeof *component, "the test of the bias");
    size_t count = take_components(e, mean, component, &test);
    enum status status = count ? whiten(e, component, count, &test, error) : STATUS_OK;
    free(component);
    result->bias_df = (double)test.rank;
    result->bias_statistic = test.impossible ? INFINITY : test.statistic;
    if (sampler->deterministic && e->kappa > 0)
        result->bias_p = NAN;
    else if (test.impossible)
        result->bias_p = 0;
    else
        result->bias_p = test.rank ? gsl_cdf_chisq_Q(test.statistic, result->bias_df) : 1;
    return status;
}
