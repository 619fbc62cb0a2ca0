/* The kernels of every instruction set against naive loops: vector losses over the whole range of their arguments,
 * passes over rows for all widths and odd shapes, dense and CSR, and the same bits within a family. */
#include <float.h>

#include "engine_fixture.h"

enum { WIDTHS = 5, WIDTH_MAX = 32, ROWS_MAX = 70 };
static const size_t widths[WIDTHS] = {1, 8, 16, 24, 32};

/* Aligned and zeroed, as the engine's own arrays are. */
static double *lanes_alloc(size_t count)
{
    const size_t bytes = (count * sizeof(double) + 63) / 64 * 64 + 64;
    double *memory = aligned_alloc(64, bytes);
    cr_assert(memory != NULL);
    return memset(memory, 0, bytes);
}

/* ---- losses ---- */

/* Arguments of every size and sign: the extremes, and steps through each binade in between. */
static size_t arguments(double *z)
{
    const double extreme[] = {0, -0.0, DBL_MIN, 4.9e-324, 1e-310, DBL_EPSILON, 1, 0.5, 2, 36, 37, 40, 700, 1e3};
    size_t count = 0;
    for (size_t i = 0; i < sizeof extreme / sizeof *extreme; i++) {
        z[count++] = extreme[i];
        z[count++] = -extreme[i];
    }
    gsl_rng *rng = fixture_rng(1);
    for (int e = -40; e < 10; e++)
        for (size_t i = 0; i < 80; i++) {
            double magnitude = ldexp(1 + gsl_rng_uniform(rng), e);
            z[count++] = i % 2 ? -magnitude : magnitude;
        }
    gsl_rng_free(rng);
    while (count % 8)
        z[count++] = 0.25;
    return count;
}

/* Two roundings of the vector form and one of libm around a relative error of 1.5 ulp; absolute below what the largest
 * exponent of the vector form leaves: e^-700. */
static bool close_to(double got, double want, double ulps)
{
    return fabs(got - want) <= ulps * DBL_EPSILON * fabs(want) + 1e-303;
}

/* Slopes and values of arguments z and target y, in all four forms, against the scalar loss. */
static void check_loss(const struct kernel_set *set, const struct problem_type *type, const double *z, size_t count,
                       double y)
{
    const char *name = type->method.name;
    double *slope = lanes_alloc(count), *value = lanes_alloc(count), *targets = lanes_alloc(count);
    for (size_t i = 0; i < count; i++)
        targets[i] = y;
    memcpy(slope, z, count * sizeof *z);
    memcpy(value, z, count * sizeof *z);
    type->vector->slope_each(count, targets, slope);
    type->vector->value_each(count, targets, value);
    /* 1 - y z may cancel, in the hinge and in squares; both sides do the same operations, so the error is one of the
     * last place all the same. */
    for (size_t i = 0; i < count; i++) {
        double want_slope = type->scalar->slope(z[i], y), want_value = type->scalar->value(z[i], y);
        cr_expect(close_to(slope[i], want_slope, 4), "%s %s slope(%.17g, %g) = %.17g, scalar %.17g", set->name, name,
                  z[i], y, slope[i], want_slope);
        cr_expect(close_to(value[i], want_value, 4), "%s %s value(%.17g, %g) = %.17g, scalar %.17g", set->name, name,
                  z[i], y, value[i], want_value);
    }
    for (size_t i = 0; i < count; i++) {
        double one = type->vector->slope_one(z[i], y);
        cr_expect(memcmp(&one, &slope[i], sizeof one) == 0, "%s %s slope_one(%.17g, %g)", set->name, name, z[i], y);
    }
    for (size_t w = 1; w < WIDTHS; w++) {
        const size_t width = widths[w], rows = count / width;
        double *rows_slope = lanes_alloc(count), *sum = lanes_alloc(width), *want = lanes_alloc(width);
        memcpy(rows_slope, z, count * sizeof *z);
        type->vector->slope(rows, width, targets, rows_slope);
        for (size_t k = 0; k < width; k++)
            sum[k] = want[k] = (double)k;
        type->vector->value(rows, width, targets, z, sum);
        for (size_t i = 0; i < rows * width; i++)
            want[i % width] += value[i];
        cr_expect(memcmp(rows_slope, slope, rows * width * sizeof *slope) == 0, "%s %s slope at width %zu", set->name,
                  name, width);
        cr_expect(memcmp(sum, want, width * sizeof *sum) == 0, "%s %s value at width %zu", set->name, name, width);
        free(rows_slope);
        free(sum);
        free(want);
    }
    free(slope);
    free(value);
    free(targets);
}

Test(kernels, losses_equal_scalar_forms)
{
    const struct kernel_set *set[3];
    const size_t sets = kernels_available(set);
    double *z = lanes_alloc(8192);
    const size_t count = arguments(z);
    for (size_t i = 0; i < sets; i++)
        for (size_t p = 0; p < set[i]->problem_count; p++) {
            if (set[i]->problem[p]->model)
                continue;
            const bool classes = set[i]->problem[p]->task != TASK_REGRESSION;
            const double target[2][4] = {{0, 1, -0.37, 250}, {1, -1, 1, -1}};
            for (size_t t = 0; t < (classes ? 2 : 4); t++)
                check_loss(set[i], set[i]->problem[p], z, count, target[classes][t]);
        }
    free(z);
}

/* exp and log(1 + e) alone, seen through the logistic loss where nothing else rounds: the value at z = |z| y is log(1 +
 * e^-|z|), whose leading term is e^-|z| for large |z|. */
Test(kernels, logistic_is_accurate)
{
    const struct kernel_set *set[3];
    const size_t sets = kernels_available(set);
    for (size_t i = 0; i < sets; i++) {
        const struct vector_loss *loss = NULL;
        for (size_t p = 0; p < set[i]->problem_count; p++)
            if (strcmp(set[i]->problem[p]->method.name, "logistic_regression") == 0)
                loss = set[i]->problem[p]->vector;
        cr_assert(loss != NULL);
        double worst = 0, at = 0, *y = lanes_alloc(8), *z = lanes_alloc(8);
        for (size_t q = 0; q < 8; q++)
            y[q] = 1;
        for (double x = 0; x < 690; x += x < 2 ? 1.0 / 4096 : 0.0137) {
            for (size_t q = 0; q < 8; q++)
                z[q] = x;
            /* cppcheck-suppress nullPointer ; the cr_assert above ends the test */
            loss->value_each(8, y, z);
            long double want = log1pl(expl(-(long double)x));
            double error = (double)fabsl((z[0] - want) / want) / DBL_EPSILON;
            if (error > worst) {
                worst = error;
                at = x;
            }
            for (size_t q = 1; q < 8; q++)
                cr_assert(z[q] == z[0]);
        }
        /* mul+add rounds each product, so its argument reduction is a little less exact */
        cr_expect(worst < (set[i]->family[0] == 'f' ? 2 : 3), "%s: %.2f ulp at %.17g", set[i]->name, worst, at);
        free(y);
        free(z);
    }
}

/* ---- passes over rows ---- */

struct pass {
    struct dataset data;
    size_t d, rows, width;
    double *x, *z, *gradient;
    uint32_t index[ROWS_MAX];
};

/* n = 75 rows of d columns; CSR: some rows empty, some full. */
static void pass_open(struct pass *p, size_t d, size_t rows, size_t width, bool sparse)
{
    gsl_rng *rng = fixture_rng(d * 100 + rows);
    struct shape shape = {.n = 75, .d = d};
    *p = (struct pass){.d = d, .rows = rows, .width = width};
    fixture_data(shape, d + 1000 * rows, &p->data);
    if (sparse) {
        struct matrix *dense = &p->data.train, as_sparse;
        for (size_t i = 0; i < 75; i++)
            for (size_t j = 0; j < d; j++)
                if (i % 7 == 3 || (i % 7 && pick(rng, 3)))
                    dense->value[i * dense->stride + j] = 0;
        MUST(matrix_to_sparse(dense, &as_sparse, ERROR));
        matrix_free(dense);
        *dense = as_sparse;
    }
    for (size_t r = 0; r < rows; r++)
        p->index[r] = (uint32_t)pick(rng, 75); /* with repetitions */
    p->x = lanes_alloc((d + 8) * width);
    p->z = lanes_alloc((ROWS_MAX + 8) * width);
    p->gradient = lanes_alloc((d + 8) * width);
    for (size_t i = 0; i < d * width; i++) {
        p->x[i] = gsl_ran_gaussian(rng, 1);
        p->gradient[i] = gsl_ran_gaussian(rng, 1);
    }
    gsl_rng_free(rng);
}

static void pass_close(struct pass *p)
{
    fixture_data_free(&p->data);
    free(p->x);
    free(p->z);
    free(p->gradient);
}

/* Sums of some hundred terms of order one. */
#define NEAR(got, want) (fabs((got) - (want)) <= 1e-13 * (1 + fabs(want)))

static void lane_of(const struct pass *p, const double *v, size_t k, double *out)
{
    for (size_t j = 0; j < p->d; j++)
        out[j] = v[j * p->width + k];
}

/* forward and backward of listed and of consecutive rows. */
static void check_passes(const struct kernel_set *set, size_t d, size_t rows, size_t width, bool sparse)
{
    struct pass p;
    char what[120];
    double *x = lanes_alloc(d), *g = lanes_alloc(d);
    snprintf(what, sizeof what, "%s %s d=%zu rows=%zu width=%zu", set->name, sparse ? "CSR" : "dense", d, rows, width);
    for (int listed = 0; listed < 2; listed++) {
        pass_open(&p, d, rows, width, sparse);
        const size_t first = 75 - rows;
        double *before = lanes_alloc(d * width);
        memcpy(before, p.gradient, d * width * sizeof *before);
        set->forward(&p.data.train, listed ? p.index : NULL, first, rows, p.x, width, p.z);
        for (size_t k = 0; k < width; k++) {
            lane_of(&p, p.x, k, x);
            for (size_t r = 0; r < rows; r++) {
                double want = matrix_row_dot(&p.data.train, listed ? p.index[r] : first + r, x);
                cr_expect(NEAR(p.z[r * width + k], want), "%s forward, row %zu lane %zu: %.17g, naive %.17g", what, r,
                          k, p.z[r * width + k], want);
            }
        }
        set->backward(&p.data.train, listed ? p.index : NULL, first, rows, p.z, width, p.gradient);
        for (size_t k = 0; k < width; k++) {
            lane_of(&p, before, k, g);
            for (size_t r = 0; r < rows; r++)
                matrix_row_axpy(&p.data.train, listed ? p.index[r] : first + r, p.z[r * width + k], g);
            for (size_t j = 0; j < d; j++)
                cr_expect(NEAR(p.gradient[j * width + k], g[j]),
                          "%s backward, coordinate %zu lane %zu: %.17g, naive %.17g", what, j, k,
                          p.gradient[j * width + k], g[j]);
        }
        for (size_t i = d * width; i < (width == 1 ? d : (d + 8) * width); i++)
            cr_expect(!(fabs(p.gradient[i]) > 0), "%s writes behind the gradient", what);
        free(before);
        pass_close(&p);
    }
    free(x);
    free(g);
}

static const size_t dims[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 33, 65};
enum { DIMS = sizeof dims / sizeof *dims };

static void all_passes(bool sparse)
{
    const struct kernel_set *set[3];
    const size_t sets = kernels_available(set), rows[] = {1, 2, 3, 4, 5, 7, 8, 15, 63, 64, 65, 70};
    for (size_t i = 0; i < sets; i++)
        for (size_t d = 0; d < DIMS; d++)
            for (size_t r = 0; r < 12; r++)
                for (size_t w = 0; w < WIDTHS; w++)
                    if ((d + r + w) % 2 == 0 || rows[r] <= 5)
                        check_passes(set[i], dims[d], rows[r], widths[w], sparse);
}

Test(kernels, dense_passes)
{
    all_passes(false);
}

Test(kernels, sparse_passes)
{
    all_passes(true);
}

/* ---- whole-data passes and vector operations ---- */

static void check_full(const struct kernel_set *set, size_t problem, size_t d, size_t width, bool sparse)
{
    struct pass p;
    char what[160];
    const struct problem_type *type = set->problem[problem];
    double *x = lanes_alloc(d), *g = lanes_alloc(d), *scratch = lanes_alloc(FULL_PASS_ROWS * width),
           *sum = lanes_alloc(width), *correct = lanes_alloc(width), *again = lanes_alloc(width);
    pass_open(&p, d, 1, width, sparse);
    const struct matrix *a = &p.data.train;
    if (type->task != TASK_REGRESSION)
        for (size_t i = 0; i < a->rows; i++)
            p.data.y[i] = p.data.y[i] > 0 ? 1 : -1;
    snprintf(what, sizeof what, "%s %s %s d=%zu width=%zu", set->name, type->method.name, sparse ? "CSR" : "dense", d,
             width);
    for (size_t k = 0; k < width; k++) /* overwritten, not added to */
        sum[k] = correct[k] = 77;
    set->full_loss(a, p.data.y, type->vector, p.x, width, scratch, sum, correct);
    set->full_loss(a, p.data.y, type->vector, p.x, width, scratch, again, NULL);
    set->full_gradient(a, p.data.y, type->vector, p.x, width, scratch, p.gradient);
    cr_expect(memcmp(sum, again, width * sizeof *sum) == 0, "%s: loss with and without counting", what);
    for (size_t k = 0; k < width; k++) {
        double value = 0, right = 0;
        lane_of(&p, p.x, k, x);
        memset(g, 0, d * sizeof *g);
        for (size_t i = 0; i < a->rows; i++) {
            double z = matrix_row_dot(a, i, x);
            value += type->scalar->value(z, p.data.y[i]);
            right += z * p.data.y[i] > 0;
            matrix_row_axpy(a, i, type->scalar->slope(z, p.data.y[i]), g);
        }
        cr_expect(NEAR(sum[k], value), "%s loss, lane %zu: %.17g, naive %.17g", what, k, sum[k], value);
        cr_expect(fabs(correct[k] - right) < 0.5, "%s, lane %zu: %g right, naive %g", what, k, correct[k], right);
        for (size_t j = 0; j < d; j++)
            cr_expect(NEAR(p.gradient[j * width + k], g[j]), "%s gradient, coordinate %zu lane %zu", what, j, k);
    }
    pass_close(&p);
    free(x);
    free(g);
    free(scratch);
    free(sum);
    free(correct);
    free(again);
}

Test(kernels, full_loss_and_gradient)
{
    const struct kernel_set *set[3];
    const size_t sets = kernels_available(set);
    for (size_t i = 0; i < sets; i++)
        for (size_t q = 0; q < set[i]->problem_count; q++)
            for (size_t d = 0; d < DIMS && !set[i]->problem[q]->model; d++)
                for (size_t w = 0; w < WIDTHS; w++)
                    check_full(set[i], q, dims[d], widths[w], (q + d + w) % 3 == 0);
}

/* (1/n) A'A, and the quadratic form with it, for every lane. */
static void check_quadratic(const struct kernel_set *set, size_t d, size_t width)
{
    struct pass p;
    pass_open(&p, d, 1, width, false);
    const size_t stride = (d + 7) / 8 * 8, penalized = d > 1 ? d - 1 : d;
    const struct matrix *a = &p.data.train;
    double *h = lanes_alloc(stride * stride), *l2 = lanes_alloc(width), *optimum = lanes_alloc((d + 8) * width),
           *scratch = lanes_alloc((d + 8) * width), *form = lanes_alloc(width), *grad2 = lanes_alloc(width);
    set->gram(a, h, stride);
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++) {
            double want = 0;
            for (size_t r = 0; r < a->rows; r++)
                want += a->value[r * a->stride + i] * a->value[r * a->stride + j];
            cr_expect(NEAR(h[i * stride + j], want / (double)a->rows), "%s gram(%zu, %zu) of d=%zu", set->name, i, j,
                      d);
        }
    for (size_t k = 0; k < width; k++)
        l2[k] = 0.1 * (double)(k % 5);
    memcpy(optimum, p.gradient, d * width * sizeof *optimum);
    set->quadratic(h, stride, d, penalized, l2, optimum, p.x, width, scratch, form, grad2);
    for (size_t k = 0; k < width; k++) {
        double want_form = 0, want_grad2 = 0;
        for (size_t i = 0; i < d; i++) {
            double e = p.x[i * width + k] - optimum[i * width + k], g = i < penalized ? l2[k] * e : 0;
            for (size_t j = 0; j < d; j++)
                g += h[i * stride + j] * (p.x[j * width + k] - optimum[j * width + k]);
            want_form += e * g;
            want_grad2 += g * g;
        }
        cr_expect(NEAR(form[k], want_form) && NEAR(grad2[k], want_grad2),
                  "%s quadratic d=%zu width=%zu lane %zu: %.17g, %.17g", set->name, d, width, k, form[k], want_form);
    }
    free(h);
    free(l2);
    free(optimum);
    free(scratch);
    free(form);
    free(grad2);
    pass_close(&p);
}

static void check_vectors(const struct kernel_set *set, size_t d, size_t width)
{
    struct pass p;
    pass_open(&p, d, 1, width, false);
    double *norm2 = lanes_alloc(width), *mean = lanes_alloc((d + 8) * width), *factor = lanes_alloc(width);
    memcpy(mean, p.gradient, d * width * sizeof *mean);
    set->norm2(p.x, d, width, norm2);
    for (size_t k = 0; k < width; k++) {
        double want = 0;
        for (size_t j = 0; j < d; j++)
            want += p.x[j * width + k] * p.x[j * width + k];
        cr_expect(NEAR(norm2[k], want), "%s norm2 d=%zu width=%zu lane %zu", set->name, d, width, k);
        factor[k] = 1.0 / (double)(k + 3);
    }
    set->average(0.3, p.x, d, width, mean);
    for (size_t i = 0; i < d * width; i++)
        cr_expect(NEAR(mean[i], 0.7 * p.gradient[i] + 0.3 * p.x[i]), "%s average d=%zu width=%zu", set->name, d, width);
    set->average(1, p.x, d, width, mean);
    cr_expect(fabs(mean[d * width]) <= 0, "%s average writes behind", set->name);
    for (size_t i = 0; i < d * width; i++)
        cr_expect(NEAR(mean[i], p.x[i]), "%s average with gain 1", set->name);
    memcpy(mean, p.gradient, d * width * sizeof *mean);
    set->scale(factor, d, width, p.gradient);
    for (size_t i = 0; i < d * width; i++)
        cr_expect(NEAR(p.gradient[i], mean[i] / (double)(i % width + 3)), "%s scale d=%zu width=%zu", set->name, d,
                  width);
    /* eta = (floor + span shape) warmup */
    double *eta = lanes_alloc(3 * width), *floor = lanes_alloc(width);
    for (size_t k = 0; k < width; k++)
        floor[k] = 0.01 * (double)k;
    set->rates(3, width, floor, factor, (const double[]){1, 0.5, 0.25}, (const double[]){0.5, 1, 1}, eta);
    for (size_t k = 0; k < width; k++) {
        cr_expect(NEAR(eta[k], (floor[k] + factor[k]) * 0.5), "%s rates", set->name);
        cr_expect(NEAR(eta[width + k], floor[k] + factor[k] * 0.5), "%s rates", set->name);
        cr_expect(NEAR(eta[2 * width + k], floor[k] + factor[k] * 0.25), "%s rates", set->name);
    }
    free(eta);
    free(floor);
    free(norm2);
    free(mean);
    free(factor);
    pass_close(&p);
}

Test(kernels, vectors_and_quadratic)
{
    const struct kernel_set *set[3];
    const size_t sets = kernels_available(set);
    for (size_t i = 0; i < sets; i++)
        for (size_t d = 0; d < DIMS; d++)
            for (size_t w = 0; w < WIDTHS; w++) {
                check_quadratic(set[i], dims[d], widths[w]);
                check_vectors(set[i], dims[d], widths[w]);
            }
}

/* ---- the same bits ---- */

/* Everything that a kernel set computes from one input, one after the other. */
static size_t outputs(const struct kernel_set *set, size_t d, size_t width, bool sparse, double *out)
{
    struct pass p;
    size_t count = 0;
    pass_open(&p, d, 70, width, sparse);
    const struct matrix *a = &p.data.train;
    const size_t stride = (d + 7) / 8 * 8;
    double *scratch = lanes_alloc((FULL_PASS_ROWS + d + 8) * width), *h = lanes_alloc(stride * stride),
           *l2 = lanes_alloc(width), *zero = lanes_alloc((d + 8) * width);
    set->forward(a, p.index, 0, 70, p.x, width, p.z);
    memcpy(out + count, p.z, 70 * width * sizeof *out);
    count += 70 * width;
    set->backward(a, p.index, 0, 70, p.z, width, p.gradient);
    memcpy(out + count, p.gradient, d * width * sizeof *out);
    count += d * width;
    for (size_t q = 0; q < set->problem_count; q++) {
        if (set->problem[q]->model)
            continue;
        set->full_loss(a, p.data.y, set->problem[q]->vector, p.x, width, scratch, out + count, out + count + width);
        count += (2 * width + 7) / 8 * 8;
        set->full_gradient(a, p.data.y, set->problem[q]->vector, p.x, width, scratch, p.gradient);
        memcpy(out + count, p.gradient, d * width * sizeof *out);
        count += (d * width + 7) / 8 * 8;
    }
    set->norm2(p.x, d, width, out + (count = (count + 7) / 8 * 8));
    count += (width + 7) / 8 * 8;
    set->average(0.37, p.x, d, width, p.gradient);
    memcpy(out + count, p.gradient, d * width * sizeof *out);
    count += (d * width + 7) / 8 * 8;
    if (!sparse) {
        set->gram(a, h, stride);
        for (size_t k = 0; k < width; k++)
            l2[k] = 0.1;
        set->quadratic(h, stride, d, d, l2, zero, p.x, width, scratch, out + count, out + count + (width + 7) / 8 * 8);
        count += 2 * ((width + 7) / 8 * 8);
        memcpy(out + count, h, stride * stride * sizeof *out);
        count += stride * stride;
    }
    free(scratch);
    free(h);
    free(l2);
    free(zero);
    pass_close(&p);
    return count;
}

/* One family, one result: AVX-512 and AVX2; mul+add is close to both and on its own. */
Test(kernels, families_agree_bit_for_bit)
{
    enum { OUTPUTS = 40000 };
    const struct kernel_set *set[3];
    const size_t sets = kernels_available(set);
    double *first = lanes_alloc(OUTPUTS), *other = lanes_alloc(OUTPUTS);
    size_t compared = 0;
    for (size_t d = 0; d < DIMS; d++)
        for (size_t w = 0; w < WIDTHS; w++)
            for (int sparse = 0; sparse < 2; sparse++)
                for (size_t i = 0; i < sets; i++) {
                    memset(i ? other : first, 0, OUTPUTS * sizeof *first);
                    const size_t count = outputs(set[i], dims[d], widths[w], sparse, i ? other : first);
                    cr_assert(count <= OUTPUTS);
                    if (i == 0)
                        continue;
                    const bool family = strcmp(set[i]->family, set[0]->family) == 0;
                    compared += family;
                    size_t unequal = 0;
                    for (size_t q = 0; q < count; q++)
                        unequal += family ? memcmp(&first[q], &other[q], sizeof *first) != 0
                                          : !(fabs(first[q] - other[q]) <= 1e-12 * (1 + fabs(first[q])));
                    cr_expect(unequal == 0, "%s and %s, %s d=%zu width=%zu: %zu of %zu numbers differ", set[0]->name,
                              set[i]->name, sparse ? "CSR" : "dense", dims[d], widths[w], unequal, count);
                }
    free(first);
    free(other);
    if (sets > 1 && !compared)
        cr_skip_test("this CPU runs one kernel set of each family");
}

/* A lane of any width has the bits of a lane alone. */
Test(kernels, widths_agree_bit_for_bit)
{
    const struct kernel_set *set[3];
    const size_t sets = kernels_available(set);
    for (size_t i = 0; i < sets; i++)
        for (size_t d = 0; d < DIMS; d++)
            for (size_t w = 1; w < WIDTHS; w++)
                for (int sparse = 0; sparse < 2; sparse++) {
                    struct pass wide, one;
                    const size_t width = widths[w];
                    pass_open(&wide, dims[d], 70, width, sparse);
                    pass_open(&one, dims[d], 70, 1, sparse);
                    double *g = lanes_alloc(dims[d]), *before = lanes_alloc(dims[d] * width);
                    memcpy(before, wide.gradient, dims[d] * width * sizeof *before);
                    set[i]->forward(&wide.data.train, wide.index, 0, 70, wide.x, width, wide.z);
                    set[i]->backward(&wide.data.train, wide.index, 0, 70, wide.z, width, wide.gradient);
                    for (size_t k = 0; k < width; k++) {
                        bool same = true;
                        memset(one.gradient, 0, (dims[d] + 8) * sizeof *one.gradient);
                        lane_of(&wide, wide.x, k, one.x);
                        lane_of(&wide, before, k, one.gradient);
                        set[i]->forward(&one.data.train, one.index, 0, 70, one.x, 1, one.z);
                        set[i]->backward(&one.data.train, one.index, 0, 70, one.z, 1, one.gradient);
                        lane_of(&wide, wide.gradient, k, g);
                        for (size_t r = 0; r < 70; r++)
                            same = same && memcmp(&one.z[r], &wide.z[r * width + k], sizeof(double)) == 0;
                        same = same && memcmp(g, one.gradient, dims[d] * sizeof *g) == 0;
                        cr_expect(same, "%s %s d=%zu: lane %zu of %zu and a lane alone", set[i]->name,
                                  sparse ? "CSR" : "dense", dims[d], k, width);
                    }
                    free(before);
                    free(g);
                    pass_close(&wide);
                    pass_close(&one);
                }
}
