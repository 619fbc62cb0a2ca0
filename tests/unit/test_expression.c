/* Arithmetic on n and m. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "expression.h"

static double value_of(const char *text, double n, double m)
{
    struct expression expression;
    struct error error = {0};
    cr_assert_eq(expression_parse(text, &expression, NULL, &error), STATUS_OK, "'%s': %s", text, error.message);
    return expression_value(&expression, n, m);
}

Test(expression, values)
{
    static const struct {
        const char *text;
        double value; /* for n = 100, m = 8 */
    } cases[] = {
        {"7", 7},         {"n", 100},         {"n/4", 25},   {"n / 3", 100.0 / 3}, {"2*n+1", 201}, {"2*(n+1)", 202},
        {"10-3-2", 5},    {"100/10/5", 2},    {"1+2*3", 7},  {"(1+2)*3", 9},       {"-n+101", 1},  {"--3", 3},
        {"n*n/n", 100},   {" n * 0.29 ", 29}, {"2*-3", -6},  {"((((n))))", 100},   {"1e2", 100},   {"n/(2*(1+1))", 25},
        {"n-n", 0},       {".5*n", 50},       {"8/2*4", 16}, {"3 - (1 - 1)", 3},   {"m", 8},       {"n/m", 12.5},
        {"(n-m)*2", 184}, {"50+m*m", 114},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_float_eq(value_of(cases[i].text, 100, 8), cases[i].value, 1e-12, "%s = %g", cases[i].text,
                           value_of(cases[i].text, 100, 8));
}

Test(expression, counts_round_down_to_one_at_least)
{
    static const struct {
        const char *text;
        double n, count;
    } cases[] = {
        {"n/4", 10, 2},   {"n/4", 3, 1}, {"n/3", 100, 33}, {"0.29*n", 100, 29},
        {"n*0.1", 30, 3}, {"n-n", 5, 1}, {"-n", 5, 1},     {"n", 1, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct expression expression;
        expression_parse(cases[i].text, &expression, NULL, NULL);
        cr_expect_eq(expression_count(&expression, cases[i].n, 1), cases[i].count, "%s for n = %g", cases[i].text,
                     cases[i].n);
    }
    struct expression zero;
    expression_parse("n/(n-n)", &zero, NULL, NULL);
    cr_expect(isnan(expression_count(&zero, 5, 1)));
}

Test(expression, flags)
{
    struct expression expression;
    expression_parse("12", &expression, NULL, NULL);
    cr_expect(expression.literal && !expression.uses_n);
    expression_parse("12+0", &expression, NULL, NULL);
    cr_expect(!expression.literal && !expression.uses_n);
    expression_parse("n", &expression, NULL, NULL);
    cr_expect(!expression.literal && expression.uses_n && !expression.uses_m);
    expression_parse("m", &expression, NULL, NULL);
    cr_expect(!expression.literal && !expression.uses_n && expression.uses_m);
}

Test(expression, errors_have_an_offset)
{
    static const struct {
        const char *text;
        size_t offset;
    } cases[] = {
        {"", 0},    {"n/", 2},    {"n//4", 2}, {"(n", 2},  {"n)", 1},   {"n 4", 2},    {"4n", 1},
        {"k/4", 0}, {"n^2", 1},   {"1.e", 0},  {"nan", 0}, {"n4", 0},   {"n/4abc", 3}, {"*n", 0},
        {"()", 1},  {"1e999", 0}, {"n_1", 0},  {"2*", 2},  {"n/4;", 3}, {"0x10", 1},   {"sqrt(n)", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct expression expression;
        struct error error = {0};
        size_t offset = 99;
        cr_expect_eq(expression_parse(cases[i].text, &expression, &offset, &error), STATUS_USAGE, "'%s' passed",
                     cases[i].text);
        cr_expect_eq(offset, cases[i].offset, "'%s': offset %zu, %s", cases[i].text, offset, error.message);
        cr_expect(strstr(error.message, "arithmetic on n"), "%s", error.message);
    }
}

Test(expression, length_and_depth_are_limited)
{
    char text[4096] = "1";
    struct expression expression;
    for (size_t i = 0; i < 15; i++)
        strcat(text, "+1");
    cr_expect_eq(expression_parse(text, &expression, NULL, NULL), STATUS_OK);
    strcat(text, "+1");
    cr_expect_eq(expression_parse(text, &expression, NULL, NULL), STATUS_USAGE);
    memset(text, '(', 4000);
    text[4000] = '\0';
    cr_expect_eq(expression_parse(text, &expression, NULL, NULL), STATUS_USAGE);
    memset(text, '-', 4000);
    cr_expect_eq(expression_parse(text, &expression, NULL, NULL), STATUS_USAGE);
}
