/* The scalar losses of the linear models: value, slope and curvature, stable for every finite argument. */
#include "scalar_loss.h"

#include <math.h>

static double squares_value(double z, double y)
{
    double r = z - y;
    return 0.5 * r * r;
}

static double squares_slope(double z, double y)
{
    return z - y;
}

static double squares_curvature(double z, double y)
{
    (void)z;
    (void)y;
    return 1.0;
}

const struct scalar_loss scalar_loss_squares = {
    .value = squares_value,
    .slope = squares_slope,
    .curvature = squares_curvature,
    .curvature_max = 1.0,
    .slope_max = INFINITY,
};

/* log(1 + exp(-m)) with the exponential never above 1, so that nothing overflows and small values keep their digits. */
static double logistic_value(double z, double y)
{
    double margin = y * z;
    return fmax(-margin, 0.0) + log1p(exp(-fabs(margin)));
}

/* -y / (1 + exp(y z)), by the tail that does not cancel. */
static double logistic_slope(double z, double y)
{
    double margin = y * z, tail = exp(-fabs(margin));
    return -y * ((margin >= 0.0 ? tail : 1.0) / (1.0 + tail));
}

/* s (1 - s) with s = 1 / (1 + exp(y z)); even in the margin. */
static double logistic_curvature(double z, double y)
{
    double tail = exp(-fabs(y * z));
    return tail / ((1.0 + tail) * (1.0 + tail));
}

const struct scalar_loss scalar_loss_logistic = {
    .value = logistic_value,
    .slope = logistic_slope,
    .curvature = logistic_curvature,
    .curvature_max = 0.25,
    .slope_max = 1.0,
};

static double hinge_value(double z, double y)
{
    return fmax(0.0, 1.0 - y * z);
}

static double hinge_slope(double z, double y)
{
    return y * z < 1.0 ? -y : 0.0;
}

const struct scalar_loss scalar_loss_hinge = {
    .value = hinge_value,
    .slope = hinge_slope,
    .curvature = NULL,
    .curvature_max = INFINITY,
    .slope_max = 1.0,
};

static double absolute_value(double z, double y)
{
    return fabs(z - y);
}

static double absolute_slope(double z, double y)
{
    return (z > y) - (z < y);
}

const struct scalar_loss scalar_loss_absolute = {
    .value = absolute_value,
    .slope = absolute_slope,
    .curvature = NULL,
    .curvature_max = INFINITY,
    .slope_max = 1.0,
};

static double linear_value(double z, double y)
{
    return y * z;
}

static double linear_slope(double z, double y)
{
    (void)z;
    return y;
}

static double linear_curvature(double z, double y)
{
    (void)z;
    (void)y;
    return 0.0;
}

const struct scalar_loss scalar_loss_linear = {
    .value = linear_value,
    .slope = linear_slope,
    .curvature = linear_curvature,
    .curvature_max = 0.0,
    .slope_max = INFINITY,
};

static double quartic_value(double z, double y)
{
    double square = z * z;
    return 0.25 * (square * square) + y * z;
}

static double quartic_slope(double z, double y)
{
    return z * z * z + y;
}

static double quartic_curvature(double z, double y)
{
    (void)y;
    return 3.0 * z * z;
}

const struct scalar_loss scalar_loss_quartic = {
    .value = quartic_value,
    .slope = quartic_slope,
    .curvature = quartic_curvature,
    .curvature_max = INFINITY,
    .slope_max = INFINITY,
};
