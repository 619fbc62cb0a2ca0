/* Parameter tables, method lists, names and numbers. */
#include <criterion/criterion.h>
#include <locale.h>
#include <math.h>
#include <string.h>

#include "param.h"
#include "registry.h"
#include "settings.h"

static const char *const colours[] = {"red", "green", NULL};
static const struct param table[] = {
    {.name = "rate", .kind = PARAM_REAL, .required = true, .min = 0, .min_open = true, .max = INFINITY},
    {.name = "beta", .kind = PARAM_REAL, .fallback = 0.5, .min = 0, .max = 1, .max_open = true},
    {.name = "every", .kind = PARAM_COUNT, .fallback = 3, .min = 1, .max = 10},
    {.name = "free", .kind = PARAM_REAL, .fallback = -2},
    {.name = "colour", .kind = PARAM_CHOICE, .fallback = 1, .choices = colours},
    {.name = "flag", .kind = PARAM_BOOL},
};
enum { RATE, BETA, EVERY, FREE, COLOUR, FLAG, ROWS };

Test(param, defaults)
{
    struct param_values values;
    param_defaults(table, ROWS, &values);
    cr_expect(isnan(values.scalar[RATE]), "required: no default");
    cr_expect_eq(values.scalar[BETA], 0.5);
    cr_expect_eq(values.scalar[FREE], -2.0);
    cr_expect_eq(values.scalar[COLOUR], 1.0);
    cr_expect_eq(values.list_count, 0);
}

Test(param, bounds_are_checked_and_told)
{
    static const struct {
        int row;
        double value;
        bool good;
    } cases[] = {
        {RATE, 1e-300, true}, {RATE, 0, false},    {RATE, INFINITY, false}, {RATE, NAN, false}, {BETA, 0, true},
        {BETA, 1, false},     {BETA, 0.999, true}, {EVERY, 1, true},        {EVERY, 10, true},  {EVERY, 11, false},
        {EVERY, 0, false},    {EVERY, 2.5, false}, {FREE, -1e300, true},    {FREE, NAN, false}, {COLOUR, 1, true},
        {COLOUR, 2, false},   {COLOUR, -1, false}, {FLAG, 1, true},         {FLAG, 2, false},   {COLOUR, 0.5, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error error = {0};
        enum status status = param_check(&table[cases[i].row], cases[i].value, &error);
        cr_expect_eq(status, cases[i].good ? STATUS_OK : STATUS_USAGE, "%s = %g", table[cases[i].row].name,
                     cases[i].value);
        if (!cases[i].good)
            cr_expect(strstr(error.message, table[cases[i].row].name), "%s", error.message);
    }
    char text[200];
    cr_expect_str_eq(param_bounds(&table[RATE], text, sizeof text), "a number > 0");
    cr_expect_str_eq(param_bounds(&table[BETA], text, sizeof text), "a number >= 0 and < 1");
    cr_expect_str_eq(param_bounds(&table[EVERY], text, sizeof text), "a whole number >= 1 and <= 10");
    cr_expect_str_eq(param_bounds(&table[FREE], text, sizeof text), "a number");
    cr_expect_str_eq(param_bounds(&table[COLOUR], text, sizeof text), "red | green");
    cr_expect_str_eq(param_describe(&table[BETA], text, sizeof text), "a number >= 0 and < 1, default 0.5");
    cr_expect_str_eq(param_describe(&table[RATE], text, sizeof text), "a number > 0, must be given");
    struct error error = {0};
    param_check(&table[BETA], -0.25, &error);
    cr_expect_str_eq(error.message, "beta is -0.25, but must be a number >= 0 and < 1");
}

Test(param, find)
{
    cr_expect_eq(param_find(table, ROWS, "every"), EVERY);
    cr_expect_eq(param_find(table, ROWS, "ever"), -1);
    cr_expect_eq(param_find(NULL, 0, "x"), -1);
}

Test(param, numbers)
{
    double value;
    static const char *const bad[] = {"", "abc", "1x", "nan", "inf", "1e999", "--1", "0x10", "1,5", "1 ", " 1", "e5"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(number_parse(bad[i], &value), "'%s'", bad[i]);
    cr_expect(number_parse("1.0e-3", &value) && value == 1e-3);
    cr_expect(number_parse("-2", &value) && value == -2.0);
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8")) /* a comma there, where installed; a point always here */
        cr_expect(number_parse("0.5", &value) && value == 0.5);
}

Test(registry, names_are_unique_and_found)
{
    for (int kind = 0; kind < METHOD_KIND_COUNT; kind++) {
        cr_expect_gt(registry_count((enum method_kind)kind), 0);
        for (size_t i = 0; i < registry_count((enum method_kind)kind); i++) {
            const struct method *method = registry_at((enum method_kind)kind, i);
            cr_expect_eq(registry_find((enum method_kind)kind, method->name, NULL), method);
            cr_expect_geq(method->revision, 1);
            cr_expect_leq(method->param_count, PARAMS_MAX);
            cr_expect(method->summary && *method->summary, "%s says nothing", method->name);
        }
    }
}

/* Every row of every method must be usable: bounds in order, the default inside them, at most one list. */
Test(registry, tables_are_sound)
{
    for (int kind = 0; kind < METHOD_KIND_COUNT; kind++) {
        for (size_t i = 0; i < registry_count((enum method_kind)kind); i++) {
            const struct method *method = registry_at((enum method_kind)kind, i);
            size_t lists = 0;
            for (size_t j = 0; j < method->param_count; j++) {
                const struct param *param = &method->params[j];
                struct error error = {0};
                cr_expect(param->help && *param->help, "%s.%s has no help", method->name, param->name);
                cr_expect_eq(param_find(method->params, method->param_count, param->name), (int)j);
                lists += param->kind == PARAM_LIST;
                if (param->kind != PARAM_LIST && !param->required)
                    cr_expect_eq(param_check(param, param->fallback, &error), STATUS_OK, "%s.%s: %s", method->name,
                                 param->name, error.message);
                if (param->kind == PARAM_REAL || param->kind == PARAM_COUNT)
                    cr_expect(param->min < param->max, "%s.%s", method->name, param->name);
            }
            cr_expect_leq(lists, 1);
        }
    }
}

Test(registry, unknown_name_tells_valid_and_nearest)
{
    struct error error = {0};
    cr_expect_null(registry_find(METHOD_SAMPLER, "reshufle", &error));
    cr_expect_eq(error.status, STATUS_USAGE);
    cr_expect(strstr(error.message, "unknown sampler 'reshufle' (did you mean 'reshuffle'?)"), "%s", error.message);
    cr_expect(strstr(error.message, "with_replacement, subset, reshuffle"), "%s", error.message);
    cr_expect_null(registry_find(METHOD_UPDATE, "adamw_unlike_anything", &error));
    cr_expect(!strstr(error.message, "did you mean"), "%s", error.message);
}

Test(registry, nearest_name_counts_edits)
{
    static const char *const names[] = {"constant", "cosine", "step", "linear"};
    cr_expect_str_eq(nearest_name("cosnie", names, 4), "cosine", "a transposition costs 1");
    cr_expect_str_eq(nearest_name("stp", names, 4), "step");
    cr_expect_str_eq(nearest_name("linera", names, 4), "linear");
    cr_expect_null(nearest_name("abcdefgh", names, 4));
    cr_expect_null(nearest_name("ab", names, 2));
    cr_expect_null(nearest_name("", NULL, 0));
    char longer[200];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    cr_expect_null(nearest_name(longer, names, 4));
}

Test(settings, listing_shows_every_row)
{
    char *text;
    cr_assert_eq(settings_list(NULL, &text, NULL), STATUS_OK);
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        const struct section *section = section_at((enum section_id)i);
        cr_expect(strstr(text, section->name), "%s", section->name);
        for (size_t j = 0; j < section->count; j++)
            cr_expect(strstr(text, section->setting[j].param.help), "%s.%s", section->name,
                      section->setting[j].param.name);
    }
    for (int kind = 0; kind < METHOD_KIND_COUNT; kind++)
        for (size_t i = 0; i < registry_count((enum method_kind)kind); i++)
            cr_expect(strstr(text, registry_at((enum method_kind)kind, i)->summary));
    free(text);
    cr_assert_eq(settings_list("sampler", &text, NULL), STATUS_OK);
    cr_expect(strstr(text, "reshuffle") && !strstr(text, "cosine"));
    free(text);
    cr_assert_eq(settings_list("settings", &text, NULL), STATUS_OK);
    const char *batch = strstr(text, section_at(SECTION_BATCH_SIZE)->setting[0].param.help);
    cr_expect(batch && !strstr(batch + 1, section_at(SECTION_BATCH_SIZE)->setting[0].param.help), "once is enough");
    free(text);
    struct error error = {0};
    cr_expect_eq(settings_list("samplrs", &text, &error), STATUS_USAGE);
    cr_expect(strstr(error.message, "did you mean 'samplers'?"), "%s", error.message);
    cr_expect_null(text);
}

Test(settings, one_name_across_kinds)
{
    char *text;
    /* A sampler, a problem's setting and a metric; two averagers and schedules share the name polynomial. */
    cr_assert_eq(settings_look_up("reshuffle", &text, NULL), STATUS_OK);
    cr_expect(strstr(text, "samplers:\n  reshuffle") == text && !strstr(text, "cyclic"), "%s", text);
    free(text);
    cr_assert_eq(settings_look_up("l2", &text, NULL), STATUS_OK);
    cr_expect(strstr(text, "in problem:") && strstr(text, "(l2/2)"), "%s", text);
    free(text);
    cr_assert_eq(settings_look_up("polynomial", &text, NULL), STATUS_OK);
    cr_expect(strstr(text, "schedules:") && strstr(text, "averagers:"), "%s", text);
    free(text);
    cr_assert_eq(settings_look_up("gap", &text, NULL), STATUS_OK);
    cr_expect(strstr(text, "metrics:\n  gap") == text, "%s", text);
    free(text);
    cr_assert_eq(settings_look_up("samplers", &text, NULL), STATUS_OK);
    cr_expect_str_eq(text, "");
    free(text);
}

Test(settings, rows_are_sound)
{
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        const struct section *section = section_at((enum section_id)i);
        cr_expect_eq(section_find(section->name, strlen(section->name)), (int)i);
        cr_expect_eq(meta_find(section->name), -1);
        for (size_t j = 0; j < section->count; j++) {
            const struct setting *setting = &section->setting[j];
            struct error error = {0};
            bool plain = setting->form == FORM_PARAM && !setting->fallback_text;
            if (plain)
                cr_expect_eq(param_check(&setting->param, setting->param.fallback, &error), STATUS_OK, "%s: %s",
                             section->name, error.message);
        }
    }
    cr_expect(setting_takes_list("record.metrics"));
    cr_expect(setting_takes_list("schedule.breaks"));
    cr_expect(setting_takes_list("schedule.breaks.epochs"));
    cr_expect(setting_takes_list("problem.start"));
    cr_expect_not(setting_takes_list("schedule.rate"));
    cr_expect_not(setting_takes_list("batch_size"));
}
