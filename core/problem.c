/* Naive evaluation of an objective at one iterate: for set-up, certificates and tests, never inside a step. */
#include "problem.h"

#include <math.h>
#include <string.h>

#include "model.h"

enum task problem_task(const struct problem_type *type, const struct param_values *values)
{
    return type->model && type->model->task ? type->model->task(values) : type->task;
}

size_t problem_dim(const struct problem *problem)
{
    size_t penalized;
    const struct model_type *model = problem->type->model;
    return model ? model->dim(problem, &penalized) : problem->data->train.cols;
}

size_t problem_penalized(const struct problem *problem)
{
    size_t penalized;
    if (problem->type->model) {
        problem->type->model->dim(problem, &penalized);
        return penalized;
    }
    size_t d = problem_dim(problem);
    return problem->data->intercept && !problem->penalize_intercept ? d - 1 : d;
}

/* Neumaier's compensated sum: the error does not grow with the number of terms. */
struct sum {
    double total, lost;
};

static void sum_add(struct sum *sum, double term)
{
    double total = sum->total + term;
    if (fabs(sum->total) >= fabs(term))
        sum->lost += (sum->total - total) + term;
    else
        sum->lost += (term - total) + sum->total;
    sum->total = total;
}

double problem_value(const struct problem *problem, const double *x, double *gradient)
{
    const struct matrix *a = &problem->data->train;
    const struct scalar_loss *loss = problem->type->scalar;
    size_t n = a->rows, d = a->cols, penalized = problem_penalized(problem);
    struct sum mean = {0.0, 0.0}, squares = {0.0, 0.0}, absolutes = {0.0, 0.0};
    if (gradient)
        memset(gradient, 0, d * sizeof *gradient);
    for (size_t i = 0; i < n; i++) {
        double z = matrix_row_dot(a, i, x), y = problem->data->y[i];
        sum_add(&mean, loss->value(z, y));
        if (gradient)
            matrix_row_axpy(a, i, loss->slope(z, y) / (double)n, gradient);
    }
    for (size_t j = 0; j < penalized; j++) {
        sum_add(&squares, x[j] * x[j]);
        sum_add(&absolutes, fabs(x[j]));
        if (gradient)
            gradient[j] += problem->l2 * x[j] + problem->l1 * ((x[j] > 0.0) - (x[j] < 0.0));
    }
    return (mean.total + mean.lost) / (double)n + 0.5 * problem->l2 * (squares.total + squares.lost) +
           problem->l1 * (absolutes.total + absolutes.lost);
}
