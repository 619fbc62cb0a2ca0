/* Shared by the files of the exact least-squares moments: small products, and the coordinates in which an operator on
 * symmetric matrices is a symmetric matrix. */
#ifndef SGDLAB_ORACLE_INTERNAL_H
#define SGDLAB_ORACLE_INTERNAL_H

#include "laws/oracle.h"

/* out[d][d] = left right; out is neither of them. */
static inline void oracle_product(size_t d, const double *left, const double *right, double *out)
{
    for (size_t i = 0; i < d; i++) {
        double *row = out + i * d;
        for (size_t j = 0; j < d; j++)
            row[j] = 0.0;
        for (size_t k = 0; k < d; k++)
            for (size_t j = 0; j < d; j++)
                row[j] += left[i * d + k] * right[k * d + j];
    }
}

/* out[d][d] = left right' */
static inline void oracle_product_t(size_t d, const double *left, const double *right, double *out)
{
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++) {
            double sum = 0.0;
            for (size_t k = 0; k < d; k++)
                sum += left[i * d + k] * right[j * d + k];
            out[i * d + j] = sum;
        }
}

/* out[d] = matrix x */
static inline void oracle_apply(size_t d, const double *matrix, const double *x, double *out)
{
    for (size_t i = 0; i < d; i++) {
        out[i] = 0.0;
        for (size_t j = 0; j < d; j++)
            out[i] += matrix[i * d + j] * x[j];
    }
}

/* tr(x y) of symmetric x, y */
static inline double oracle_trace(size_t d, const double *x, const double *y)
{
    double sum = 0.0;
    for (size_t k = 0; k < d * d; k++)
        sum += x[k] * y[k];
    return sum;
}

/* drift[d][d] = I - eta H_2 */
static inline void oracle_drift(const struct oracle *oracle, double eta, double *drift)
{
    for (size_t k = 0; k < oracle->d * oracle->d; k++)
        drift[k] = -eta * oracle->h2[k];
    for (size_t i = 0; i < oracle->d; i++)
        drift[i * oracle->d + i] += 1.0;
}

#endif
