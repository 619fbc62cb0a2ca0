/* Grids of recorded steps, and the table of metrics. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <string.h>

#include "record.h"

static struct record_grid make(uint64_t horizon, size_t points, enum record_spacing spacing)
{
    struct record_grid grid;
    cr_assert(record_grid_make(horizon, points, spacing, &grid, NULL) == STATUS_OK);
    return grid;
}

static void expect_steps(uint64_t horizon, size_t points, enum record_spacing spacing, size_t count,
                         const uint64_t *step)
{
    struct record_grid grid = make(horizon, points, spacing);
    cr_assert(eq(sz, grid.count, count));
    for (size_t i = 0; i < count; i++)
        cr_expect(eq(u64, grid.step[i], step[i]), "horizon %lu place %zu", horizon, i);
    record_grid_free(&grid);
    cr_expect(eq(ptr, grid.step, NULL));
}

#define STEPS(...)                                                                                                     \
    sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), (const uint64_t[])                                           \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }

Test(record, known_grids)
{
    expect_steps(1000, 5, SPACING_LOG, STEPS(0, 1, 10, 100, 1000));
    expect_steps(1024, 12, SPACING_LOG, STEPS(0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024));
    expect_steps(100, 5, SPACING_LINEAR, STEPS(0, 25, 50, 75, 100));
    expect_steps(10, 4, SPACING_LINEAR, STEPS(0, 3, 7, 10));
    expect_steps(3, 60, SPACING_LOG, STEPS(0, 1, 2, 3));
    expect_steps(3, 60, SPACING_LINEAR, STEPS(0, 1, 2, 3));
    expect_steps(3, 4, SPACING_LOG, STEPS(0, 1, 2, 3));
    expect_steps(77, 2, SPACING_LOG, STEPS(0, 77));
    expect_steps(77, 2, SPACING_LINEAR, STEPS(0, 77));
    expect_steps(0, 60, SPACING_LOG, STEPS(0));
    expect_steps(1, 60, SPACING_LINEAR, STEPS(0, 1));
}

/* Exactly min(points, horizon + 1) steps, increasing, both ends included. */
Test(record, every_grid)
{
    static const uint64_t horizons[] = {1, 2, 5, 59, 60, 61, 100, 1000, 12345, 1000000, 1000000000, 1000000000000000};
    for (size_t h = 0; h < sizeof horizons / sizeof *horizons; h++)
        for (size_t points = 2; points < 200; points += points < 20 ? 1 : 13)
            for (int spacing = SPACING_LOG; spacing <= SPACING_LINEAR; spacing++) {
                struct record_grid grid = make(horizons[h], points, (enum record_spacing)spacing);
                cr_assert(eq(sz, grid.count, horizons[h] + 1 < points ? (size_t)horizons[h] + 1 : points));
                cr_assert(eq(u64, grid.step[0], 0));
                cr_assert(eq(u64, grid.step[grid.count - 1], horizons[h]));
                for (size_t i = 1; i < grid.count; i++)
                    cr_assert(lt(u64, grid.step[i - 1], grid.step[i]));
                if (spacing == SPACING_LINEAR)
                    for (size_t i = 0; i < grid.count; i++) {
                        double exact = (double)horizons[h] * (double)i / (double)(grid.count - 1);
                        cr_assert(le(dbl, fabs((double)grid.step[i] - exact), 0.5 + 1e-15 * (double)horizons[h]));
                    }
                record_grid_free(&grid);
            }
}

/* Where rounding does not matter any more, the steps have equal ratios. */
Test(record, log_ratio)
{
    struct record_grid grid = make(1000000000, 60, SPACING_LOG);
    double ratio = (double)grid.step[59] / (double)grid.step[58];
    for (size_t i = 30; i < 60; i++)
        cr_expect(epsilon_eq(dbl, (double)grid.step[i] / (double)grid.step[i - 1] / ratio, 1, 2e-3));
    cr_expect(lt(dbl, ratio, pow(1e9, 1.0 / 58) + 0.01));
    record_grid_free(&grid);
}

Test(record, too_few_points)
{
    struct record_grid grid;
    struct error error;
    cr_expect(record_grid_make(10, 1, SPACING_LOG, &grid, &error) == STATUS_USAGE);
    cr_expect(strstr(error.message, "1 recorded points") != NULL);
    cr_expect(eq(ptr, grid.step, NULL));
}

Test(record, metrics_are_named)
{
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        cr_assert(metric_info[i].name && metric_info[i].label && metric_info[i].help);
        for (size_t j = 0; j < i; j++)
            cr_expect(strcmp(metric_info[i].name, metric_info[j].name) != 0);
    }
    cr_expect(strcmp(metric_info[METRIC_GRAD_NORM2].name, "grad_norm2") == 0);
    cr_expect(strcmp(metric_info[METRIC_TEST_ACCURACY].name, "test_accuracy") == 0);
}
