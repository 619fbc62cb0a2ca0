/* When does a logistic problem without penalties have no optimum? Exactly when some x separates the classes, y_i a_i.x
 * >= 0 for all i with > 0 for some (Albert and Anderson 1984, On the existence of maximum likelihood estimates in
 * logistic regression models): moving along x then lowers the loss for ever. Such an x is a proof anybody can check. */
#include <stdio.h>
#include <stdlib.h>

#include "reference_internal.h"

static void not_attained(struct candidate *candidate, bool ties)
{
    candidate->none = true;
    snprintf(candidate->reason, sizeof candidate->reason,
             "the classes are linearly separable%s and nothing is penalised: the infimum is not attained",
             ties ? " but for ties (quasi-complete separation)" : "");
}

bool separates(const struct objective *o, struct candidate *candidate)
{
    const double *x = candidate->x, norm = vector_norm(o->d, x);
    bool some = false, ties = false;
    for (size_t i = 0; i < o->n; i++) {
        long double margin = o->y[i] * linear_row_dot_long(o->a, i, x);
        double rounding = (double)o->d * 0x1p-62 * linear_row_norm(o->a, i, NULL) * norm;
        /* Exact zeros: rows that are 0, and columns that x leaves out. */
        if (margin != 0.0L && margin <= rounding)
            return false;
        some |= margin != 0.0L;
        ties |= margin == 0.0L;
    }
    if (some)
        not_attained(candidate, ties);
    return some;
}

/* y_i a_i.h >= -TIE |a_i||h| for all i, and well above for some: h separates but for ties, to rounding. */
static bool separates_with_ties(const struct objective *o, const double *h)
{
    static const double TIE = 1e-10, CLEAR = 1e-5;
    double norm = vector_norm(o->d, h);
    bool some = false;
    for (size_t i = 0; i < o->n; i++) {
        long double margin = o->y[i] * linear_row_dot_long(o->a, i, h);
        double size = linear_row_norm(o->a, i, NULL) * norm;
        if (margin < -TIE * size)
            return false;
        some |= margin > CLEAR * size;
    }
    return some;
}

enum status quasi_separates(const struct objective *o, struct candidate *candidate, struct error *error)
{
    static const double levels[] = {5.0, 10.0, 20.0};
    size_t n = o->n, d = o->d;
    enum status status = STATUS_OK;
    double *h = vector_alloc(d + n, error);
    const double *x = candidate->x;
    if (!h)
        return STATUS_MEMORY;
    double *held = h + d;
    /* Far along a separating direction the other samples' margins have grown; the tied ones (held) have not. Leave of x
     * only what does not move the tied ones at all. */
    for (size_t l = 0; status == STATUS_OK && !candidate->none && l < sizeof levels / sizeof levels[0]; l++) {
        struct null_space null = {0};
        for (size_t i = 0; i < n; i++)
            held[i] = o->y[i] * matrix_row_dot(o->a, i, x) < levels[l] ? 1.0 : 0.0;
        status = null_space_find(o->a, held, &null, error);
        for (size_t j = 0; j < d; j++)
            h[j] = x[j];
        null_space_project(&null, d, h);
        for (size_t j = 0; j < d; j++)
            h[j] = x[j] - h[j];
        if (status == STATUS_OK && null.count > 0 && separates_with_ties(o, h))
            not_attained(candidate, true);
        free(null.basis);
    }
    free(h);
    return status;
}
