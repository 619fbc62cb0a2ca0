/* Floors of sampling by epochs against the average over all orders, and the energy identity on simulated paths of every
 * sampler. */
#include "oracle_scene.h"
#include "sampler.h"

/* ---- all orders ---- */

enum { ORDERS_MAX = 720 };

/* e after one epoch in this order from e0, by its steps. */
static double epoch(const double *c, const size_t *order, size_t n, double h, double e)
{
    for (size_t k = 0; k < n; k++)
        e -= h * (e - c[order[k]]);
    return e;
}

/* The drift part of every order's epoch: e -> rho e + shift. Returns their number. */
static size_t all_shifts(const double *c, size_t n, double h, double *shift)
{
    size_t order[6] = {0, 1, 2, 3, 4, 5}, count = 0;
    for (;;) {
        shift[count++] = epoch(c, order, n, h, 0);
        size_t k = n - 1, l = k; /* the next permutation */
        while (k > 0 && order[k - 1] > order[k])
            k--;
        if (k == 0)
            return count;
        while (order[l] < order[k - 1])
            l--;
        size_t swap = order[k - 1];
        order[k - 1] = order[l];
        order[l] = swap;
        for (size_t p = k, q = n - 1; p < q; p++, q--) {
            swap = order[p];
            order[p] = order[q];
            order[q] = swap;
        }
    }
}

/* c centred, and what the call gets: the same moved away from 0. */
static void centres(size_t n, double *c, double *moved)
{
    static const double raw[] = {0.3, -1.2, 0.8, 2.0, -0.4, 0.9};
    double mean = 0;
    for (size_t i = 0; i < n; i++)
        mean += raw[i] / (double)n;
    for (size_t i = 0; i < n; i++) {
        c[i] = raw[i] - mean;
        moved[i] = raw[i] + 5;
    }
}

Test(oracle_epoch, floors_over_all_orders)
{
    enum { EPOCHS = 3000 };
    static const double rates[] = {0.01, 0.2, 0.9, 1, 1.3};
    for (size_t n = 4; n <= 6; n++)
        for (size_t k = 0; k < 5; k++) {
            const double h = rates[k];
            double c[6], moved[6], shift[ORDERS_MAX], rho = 1, once = 0, independent = 4, mean = 0, square = 4;
            struct epoch_floor found = {0};
            centres(n, c, moved);
            const size_t count = all_shifts(c, n, h, shift);
            cr_assert(eq(sz, count, n == 4 ? 24 : n == 5 ? 120 : 720));
            for (size_t i = 0; i < n; i++)
                rho *= 1 - h;
            for (size_t p = 0; p < count; p++) {
                double e = 0;
                for (size_t t = 0; t < EPOCHS; t++)
                    e = rho * e + shift[p];
                once += e * e / (double)count;
                if (p == 0) { /* the given order comes first */
                    oracle_epoch_floor(moved, n, h, &found);
                    EXPECT_CLOSE(found.cyclic, e * e, 1e-11);
                }
            }
            for (size_t t = 0; t < EPOCHS; t++) {
                double next_mean = 0, next_square = 0;
                for (size_t p = 0; p < count; p++) {
                    next_mean += (rho * mean + shift[p]) / (double)count;
                    next_square +=
                        (rho * rho * square + 2 * rho * mean * shift[p] + shift[p] * shift[p]) / (double)count;
                }
                mean = next_mean;
                square = next_square;
            }
            for (size_t t = 0; t < EPOCHS * n; t++) {
                double next = 0;
                for (size_t i = 0; i < n; i++)
                    next += ((1 - h) * (1 - h) * independent + h * h * c[i] * c[i]) / (double)n;
                independent = next;
            }
            EXPECT_CLOSE(found.reshuffle, square, 1e-11);
            EXPECT_CLOSE(found.shuffle_once, once, 1e-11);
            EXPECT_CLOSE(found.with_replacement, independent, 1e-11);
            EXPECT_WITHIN(found.rho, rho, 1e-15);
        }
}

Test(oracle_epoch, curves_over_all_orders)
{
    enum { EPOCHS = 6, COUNT = 5 };
    static const double h[EPOCHS] = {0.5, 0.4, 0.1, 0.3, 1.2, 0.05};
    double c[6], moved[6], shift[ORDERS_MAX], with_replacement[EPOCHS], reshuffle[EPOCHS];
    const double e0 = 1.7;
    double mean = e0, square = e0 * e0, independent = square;
    centres(COUNT, c, moved);
    oracle_epoch_curve(moved, COUNT, h, EPOCHS, e0, with_replacement, reshuffle);
    for (size_t k = 0; k < EPOCHS; k++) {
        const size_t count = all_shifts(c, COUNT, h[k], shift);
        const double rho = pow(1 - h[k], COUNT);
        double next_mean = 0, next_square = 0;
        for (size_t p = 0; p < count; p++) {
            next_mean += (rho * mean + shift[p]) / (double)count;
            next_square += (rho * rho * square + 2 * rho * mean * shift[p] + shift[p] * shift[p]) / (double)count;
        }
        mean = next_mean;
        square = next_square;
        EXPECT_CLOSE(reshuffle[k], square, 1e-13);
        for (size_t t = 0; t < COUNT; t++) {
            double next = 0;
            for (size_t i = 0; i < COUNT; i++)
                next += ((1 - h[k]) * (1 - h[k]) * independent + h[k] * h[k] * c[i] * c[i]) / COUNT;
            independent = next;
        }
        EXPECT_CLOSE(with_replacement[k], independent, 1e-13);
    }
    double alone[EPOCHS];
    oracle_epoch_curve(moved, COUNT, h, EPOCHS, e0, NULL, alone);
    cr_expect(eq(dbl, distance(EPOCHS, alone, reshuffle), 0));
    oracle_epoch_curve(moved, COUNT, h, EPOCHS, e0, alone, NULL);
    cr_expect(eq(dbl, distance(EPOCHS, alone, with_replacement), 0));
}

/* The evenly spaced instance: its four floors in three digits (from an independent computation), their leading orders,
 * and the floor as the end of the curve. */
Test(oracle_epoch, evenly_spaced)
{
    enum { COUNT = 50, EPOCHS = 400 };
    double c[COUNT], h[EPOCHS], with_replacement[EPOCHS], reshuffle[EPOCHS], s2 = 0;
    struct epoch_floor f;
    for (size_t j = 0; j < COUNT; j++) {
        c[j] = (2 * (double)j + 1) / COUNT - 1;
        s2 += c[j] * c[j] / COUNT;
    }
    oracle_epoch_floor(c, COUNT, 0.01, &f);
    EXPECT_WITHIN(f.with_replacement, 1.674e-3, 5e-7);
    EXPECT_WITHIN(f.reshuffle, 3.505e-5, 5e-9);
    EXPECT_WITHIN(f.shuffle_once, 1.424e-4, 5e-8);
    EXPECT_WITHIN(f.cyclic, 6.950e-3, 5e-7);
    for (size_t k = 0; k < EPOCHS; k++)
        h[k] = 0.01;
    oracle_epoch_curve(c, COUNT, h, EPOCHS, 0, with_replacement, reshuffle);
    for (size_t k = 0; k < EPOCHS; k++) { /* from x* */
        const double reached = 1 - pow(f.rho, 2.0 * (double)(k + 1));
        EXPECT_CLOSE(with_replacement[k], f.with_replacement * reached, 1e-12);
        EXPECT_CLOSE(reshuffle[k], f.reshuffle * reached, 1e-12);
    }
    const double small = 1e-7, n = COUNT;
    oracle_epoch_floor(c, COUNT, small, &f);
    EXPECT_CLOSE(f.with_replacement, s2 * small / 2, 1e-5);
    EXPECT_CLOSE(f.reshuffle, s2 * n * (n + 1) * pow(small, 3) / 24, 1e-5);
    EXPECT_CLOSE(f.shuffle_once, s2 * (n + 1) * small * small / 12, 1e-5);
    EXPECT_CLOSE(f.cyclic, s2 * small * small * n * n / 12, 1e-3);
    oracle_epoch_floor(c, 1, 0.1, &f); /* one sample has no noise */
    cr_expect(eq(dbl, f.with_replacement, 0));
    cr_expect(eq(dbl, f.reshuffle, 0));
    cr_expect(eq(dbl, f.cyclic, 0));
}

/* h = theta/(n (k+8)): (k+8)^3 n/s^2 MSE -> theta^4 (n+1)/(12 n (2 theta - 3)) reshuffled, (k+8) n/s^2 MSE ->
 * theta^2/(2 theta - 1) with replacement. */
Test(oracle_epoch, decreasing_rates)
{
    enum { COUNT = 20, EPOCHS = 20000 };
    static double h[EPOCHS], with_replacement[EPOCHS], reshuffle[EPOCHS];
    const double theta = 4, n = COUNT;
    double c[COUNT], s2 = 0;
    for (size_t j = 0; j < COUNT; j++) {
        c[j] = (2 * (double)j + 1) / COUNT - 1;
        s2 += c[j] * c[j] / COUNT;
    }
    for (size_t k = 0; k < EPOCHS; k++)
        h[k] = theta / (n * (double)(k + 1 + 8));
    oracle_epoch_curve(c, COUNT, h, EPOCHS, 1, with_replacement, reshuffle);
    const double scale = EPOCHS + 8;
    EXPECT_CLOSE(pow(scale, 3) * n / s2 * reshuffle[EPOCHS - 1], pow(theta, 4) * (n + 1) / (12 * n * (2 * theta - 3)),
                 1e-3);
    EXPECT_CLOSE(scale * n / s2 * with_replacement[EPOCHS - 1], theta * theta / (2 * theta - 1), 1e-3);
}

/* ---- the energy identity ---- */

/* 2 eta sum <g_t, x_t - x*> = |x_0-x*|^2 - |x_T-x*|^2 + eta^2 sum |g_t|^2 on each path of each sampler, for g_t
 * computed from the batch; and with grad f(x_t) for g_t it fails on a path. */
Test(oracle_epoch, energy_identity)
{
    enum { COUNT = 30, DIM = 3, STEPS = 60, BATCH = 4 };
    struct scene s;
    scene_open(&s, COUNT, DIM, 5, 0.2, true);
    const struct matrix *a = &s.data.train;
    for (size_t q = 0; q < registry_count(METHOD_SAMPLER); q++) {
        const struct sampler_type *type = (const void *)registry_at(METHOD_SAMPLER, q);
        struct sampler sampler = {
            .type = type, .n = COUNT, .batch_size = BATCH, .keep_last = true, .stream = rng_stream(9, RNG_TEST, q, 0)};
        const size_t words = type->scratch_words ? type->scratch_words(COUNT, BATCH) : 0;
        sampler.scratch = calloc(words + 1, sizeof(uint32_t));
        cr_assert(sampler.scratch != NULL);
        const double eta = 0.1;
        double x[DIM] = {1, -2, 0.5}, inner = 0, inner_full = 0, squares = 0, first = 0, last = 0;
        for (size_t j = 0; j < DIM; j++)
            first += pow(x[j] - s.oracle->optimum[j], 2);
        for (size_t t = 0; t < STEPS; t++) {
            uint32_t index[COUNT], size;
            double g[DIM], full[DIM];
            type->draw(&sampler, t, 1, index, &size);
            problem_value(&s.problem, x, full);
            for (size_t j = 0; j < DIM; j++)
                g[j] = j < problem_penalized(&s.problem) ? s.problem.l2 * x[j] : 0;
            for (size_t k = 0; k < size; k++)
                matrix_row_axpy(a, index[k], (matrix_row_dot(a, index[k], x) - s.data.y[index[k]]) / size, g);
            for (size_t j = 0; j < DIM; j++) {
                inner += g[j] * (x[j] - s.oracle->optimum[j]);
                inner_full += full[j] * (x[j] - s.oracle->optimum[j]);
                squares += g[j] * g[j];
            }
            for (size_t j = 0; j < DIM; j++)
                x[j] -= eta * g[j];
        }
        for (size_t j = 0; j < DIM; j++)
            last += pow(x[j] - s.oracle->optimum[j], 2);
        const double energy = first - last + eta * eta * squares;
        EXPECT_CLOSE(2 * eta * inner, energy, 1e-13);
        if (strcmp(type->method.name, "full") != 0)
            cr_expect(gt(dbl, fabs(2 * eta * inner_full - energy), 1e-4 * energy), "%s", type->method.name);
        free(sampler.scratch);
    }
    scene_close(&s);
}
