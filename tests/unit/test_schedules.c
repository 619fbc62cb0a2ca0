/* Schedules against their formulas typed again, warmup, and that the rates of a step do not depend on which other steps
 * are asked for. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <string.h>

#include "schedule.h"

enum { T = 1000 };

static struct schedule make(const char *name)
{
    const struct method *method = registry_find(METHOD_SCHEDULE, name, NULL);
    cr_assert(method != NULL);
    struct schedule schedule = {.type = (const struct schedule_type *)method};
    param_defaults(method->params, method->param_count, &schedule.values);
    schedule.values.scalar[0] = 0.25;
    return schedule;
}

static void set(struct schedule *schedule, const char *name, double value)
{
    int i = param_find(schedule->type->method.params, schedule->type->method.param_count, name);
    cr_assert(ge(int, i, 0));
    schedule->values.scalar[i] = value;
}

/* Any schedule with valid values for all its parameters. */
static struct schedule any(size_t index)
{
    struct schedule schedule = make(registry_at(METHOD_SCHEDULE, index)->name);
    for (size_t i = 1; i < schedule.type->method.param_count; i++)
        if (isnan(schedule.values.scalar[i]))
            schedule.values.scalar[i] = 70;
    return schedule;
}

static double rate_at(const struct schedule *schedule, uint64_t t)
{
    double eta;
    schedule_rates(schedule, t, 1, T, &eta);
    return eta;
}

/* ---- the contract, for every registered schedule ---- */

static struct criterion_test_params every_schedule(void)
{
    static size_t index[64];
    size_t count = registry_count(METHOD_SCHEDULE);
    for (size_t i = 0; i < count && i < 64; i++)
        index[i] = i;
    return cr_make_param_array(size_t, index, count);
}

ParameterizedTestParameters(schedules, contract)
{
    return every_schedule();
}

ParameterizedTest(size_t *which, schedules, contract)
{
    struct schedule schedule = any(*which);
    const struct schedule_type *type = schedule.type;
    const struct method *method = &type->method;
    cr_assert(method->param_count >= 1 && method->param_count <= PARAMS_MAX);
    cr_expect(strcmp(method->params[0].name, "rate") == 0 || strcmp(method->params[0].name, "c") == 0);
    cr_expect(method->params[0].required);
    cr_expect(lt(int, type->floor_param, (int)method->param_count));
    cr_expect(param_check(&method->params[0], 0, NULL) != STATUS_OK, "a rate of 0 is no rate");
    cr_expect(param_check(&method->params[0], -1, NULL) != STATUS_OK);
    cr_expect(param_check(&method->params[0], 1e-9, NULL) == STATUS_OK);

    double shape[T], other[T], pieces[T];
    type->shape(&schedule.values, 0, T, T, shape);
    for (size_t t = 0; t < T; t++) {
        cr_assert(shape[t] >= 0 && shape[t] <= 1 && (t == 0 || shape[t] <= shape[t - 1]), "%s", method->name);
        if (type->constant)
            cr_assert(ieee_ulp_eq(dbl, shape[t], 1, 0));
    }
    /* Not a function of the rate. */
    schedule.values.scalar[0] *= 3;
    type->shape(&schedule.values, 0, T, T, other);
    cr_expect(memcmp(shape, other, sizeof shape) == 0);
    /* Nor of the stretch that is asked for. */
    schedule.warmup = 33;
    schedule_rates(&schedule, 0, T, T, other);
    for (size_t t = 0, count = 1; t < T; t += count) {
        count = count % 17 + 1 < T - t ? count % 17 + 1 : T - t;
        schedule_rates(&schedule, t, count, T, pieces + t);
    }
    cr_expect(memcmp(other, pieces, sizeof other) == 0, "%s", method->name);
}

/* ---- formulas ---- */

static const uint64_t places[] = {0, 1, 2, 3, 99, 100, 101, 249, 250, 500, 700, 998, 999};
enum { PLACES = sizeof places / sizeof *places };

#define EXPECT_RATES(schedule, formula)                                                                                \
    for (size_t p = 0; p < PLACES; p++) {                                                                              \
        double t = (double)places[p];                                                                                  \
        cr_expect(ieee_ulp_eq(dbl, rate_at(schedule, places[p]), (formula), 4), "t = %g", t);                          \
    }

Test(schedules, formulas)
{
    struct schedule s = make("constant");
    EXPECT_RATES(&s, 0.25 + 0 * t);

    s = make("inverse_time");
    set(&s, "t0", 40);
    EXPECT_RATES(&s, 10 / (t + 40)); /* c = 0.25 * 40 */
    set(&s, "every", 50);
    EXPECT_RATES(&s, 10 / (floor(t / 50) + 40));

    s = make("inverse_sqrt");
    EXPECT_RATES(&s, 0.25 / sqrt(t + 1));
    set(&s, "t0", 100);
    EXPECT_RATES(&s, 0.25 / sqrt(1 + t / 100));

    s = make("fixed_horizon");
    EXPECT_RATES(&s, 0.25 / sqrt(1000) + 0 * t);

    s = make("exponential");
    set(&s, "factor", 0.5);
    set(&s, "every", 100);
    EXPECT_RATES(&s, 0.25 * exp2(-t / 100));

    s = make("linear");
    EXPECT_RATES(&s, 0.25 * (1 - t / 1000));

    s = make("polynomial");
    EXPECT_RATES(&s, 0.25 * (1 - t / 1000) * (1 - t / 1000)); /* power 2 unless said */
    set(&s, "power", 0.5);
    EXPECT_RATES(&s, 0.25 * sqrt(1 - t / 1000));
}

Test(schedules, cosine)
{
    struct schedule s = make("cosine");
    for (size_t p = 0; p < PLACES; p++) {
        double t = (double)places[p], half = cos(M_PI * t / 2000); /* (1 + cos u)/2 = cos^2(u/2) */
        cr_expect(epsilon_eq(dbl, rate_at(&s, places[p]), 0.25 * half * half, 1e-16));
    }
    set(&s, "floor", 0.05);
    cr_expect(ieee_ulp_eq(dbl, rate_at(&s, 0), 0.25, 1));
    cr_expect(epsilon_eq(dbl, rate_at(&s, T / 2), 0.15, 1e-16));
    cr_expect(epsilon_eq(dbl, rate_at(&s, T), 0.05, 1e-16));
}

Test(schedules, step)
{
    struct schedule s = make("step");
    set(&s, "factor", 0.5);
    set(&s, "every", 100);
    EXPECT_RATES(&s, 0.25 * exp2(-floor(t / 100)));

    const double breaks[] = {2, 250, 999};
    memcpy(s.values.list, breaks, sizeof breaks);
    s.values.list_count = 3;
    EXPECT_RATES(&s, t < 2 ? 0.25 : t < 250 ? 0.125 : t < 999 ? 0.0625 : 0.03125);
}

Test(schedules, warmup)
{
    struct schedule s = make("linear");
    s.warmup = 100;
    EXPECT_RATES(&s, 0.25 * (1 - t / 1000) * fmin(1, (t + 1) / 100));
    /* W = 1 and W = 0 change nothing. */
    struct schedule plain = make("linear");
    s.warmup = 1;
    for (size_t p = 0; p < PLACES; p++)
        cr_expect(ieee_ulp_eq(dbl, rate_at(&s, places[p]), rate_at(&plain, places[p]), 0));
}

Test(schedules, same_shape)
{
    struct schedule a = make("cosine"), b = make("cosine");
    b.values.scalar[0] = 7;
    cr_expect(schedule_same_shape(&a, &b), "the rate does not matter");
    b.warmup = 3;
    cr_expect(not(schedule_same_shape(&a, &b)));
    b.warmup = 0;
    set(&b, "floor", 0.01);
    cr_expect(not(schedule_same_shape(&a, &b)));
    b = make("linear");
    cr_expect(not(schedule_same_shape(&a, &b)));
    a = make("step");
    b = make("step");
    cr_expect(schedule_same_shape(&a, &b));
    set(&b, "factor", 0.3);
    cr_expect(not(schedule_same_shape(&a, &b)));
    b = a;
    a.values.list_count = b.values.list_count = 1;
    a.values.list[0] = b.values.list[0] = 5;
    cr_expect(schedule_same_shape(&a, &b));
    b.values.list[0] = 6;
    cr_expect(not(schedule_same_shape(&a, &b)));
    b.values.list_count = 0;
    cr_expect(not(schedule_same_shape(&a, &b)));
}
