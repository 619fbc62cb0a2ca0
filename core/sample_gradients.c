/* See the header. */
#include "sample_gradients.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

static enum status too_large(const struct problem *problem, double bytes, struct error *error)
{
    return error_set(
        error, STATUS_UNSUPPORTED,
        "the gradients of all %zu samples of %s in %zu coordinates take %.1f GiB at once, more than %g GiB: "
        "use fewer samples or a smaller model",
        problem->data->train.rows, problem->type->method.name, problem_dim(problem), bytes / 0x1p30,
        SAMPLE_GRADIENTS_BYTES_MAX / 0x1p30);
}

enum status sample_gradients_write(const struct problem *problem, const double *x, struct matrix *out,
                                   struct error *error)
{
    const struct model_type *model = problem->type->model;
    const struct matrix *a = &problem->data->train;
    const size_t d = problem_dim(problem);
    const double bytes = (double)a->rows * (double)matrix_stride(d) * sizeof(double);
    *out = (struct matrix){0};
    if (bytes > SAMPLE_GRADIENTS_BYTES_MAX)
        return too_large(problem, bytes, error);
    const size_t doubles = matrix_stride(d) + matrix_stride(model->scratch(problem, 1));
    double *at = aligned_alloc(64, doubles * sizeof *at);
    if (!at)
        return error_memory(error, doubles * sizeof *at, "the gradients of the samples");
    double *scratch = (double *)memset(at, 0, doubles * sizeof *at) + matrix_stride(d);
    memcpy(at, x, d * sizeof *x);
    enum status status = matrix_alloc_dense(out, a->rows, d, error);
    for (size_t i = 0; !status && i < a->rows; i++) {
        const struct batch one = {.a = a, .y = problem->data->y, .first = i, .rows = 1};
        double *row = out->value + i * out->stride;
        model->gradient(problem, &one, at, 1, 0, scratch, row);
        memset(row + d, 0, (out->stride - d) * sizeof *row);
    }
    free(at);
    return status;
}

void sample_gradients_moments(const struct matrix *a, const double *slope, const double *mean, double *variance,
                              double *sum, double *stored)
{
    const size_t d = a->cols;
    const double n = (double)a->rows;
    memset(variance, 0, d * sizeof *variance);
    memset(sum, 0, d * sizeof *sum);
    memset(stored, 0, d * sizeof *stored);
    for (size_t i = 0; i < a->rows; i++) {
        const double *value;
        const uint32_t *column;
        const size_t count = matrix_row(a, i, &value, &column);
        for (size_t p = 0; p < count; p++) {
            const size_t j = column ? column[p] : p;
            const double g = slope[i] * value[p], deviation = g - mean[j];
            variance[j] += deviation * deviation;
            sum[j] += fabs(g);
            stored[j]++;
        }
    }
    for (size_t j = 0; j < d; j++)
        variance[j] = (variance[j] + (n - stored[j]) * mean[j] * mean[j]) / n;
}
