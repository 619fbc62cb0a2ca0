/* The JSON writer: its strings survive a reader, its numbers round-trip in every locale. */
#include <locale.h>

#include "json.h"
#include "store_scene.h"

Test(json, strings_survive_a_reader)
{
    static const char *const text[] = {"",
                                       "plain",
                                       "quote \" backslash \\ slash /",
                                       "tab\tline\nreturn\rbell\a",
                                       "\x01\x1f\x7f",
                                       "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
                                       "</script>"};
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        struct json json = {0};
        char value[128];
        json_begin(&json, '{');
        json_key(&json, "a");
        json_begin(&json, '[');
        json_count(&json, 1);
        json_string(&json, text[i]);
        json_end(&json, ']');
        json_key(&json, text[i]);
        json_bool(&json, true);
        json_end(&json, '}');
        char *whole = json_take(&json);
        json_at(whole, "$.a[1]", value, sizeof value);
        cr_expect_str_eq(value, text[i], "%s", whole);
        free(whole);
    }
}

Test(json, what_is_not_utf8_is_replaced)
{
    static const struct {
        const char *bad;
        size_t replaced;
    } cases[] = {{"\x80", 1},     {"\xc0\xaf", 2}, {"\xed\xa0\x80", 3}, {"\xf5\x80\x80\x80", 4},
                 {"\xe2\x82", 2}, {"\xff", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json json = {0};
        char expected[32] = "\"";
        for (size_t k = 0; k < cases[i].replaced; k++)
            strcat(expected, "\xef\xbf\xbd");
        strcat(expected, "\"");
        json_string(&json, cases[i].bad);
        char *text = json_take(&json);
        cr_expect_str_eq(text, expected, "case %zu", i);
        free(text);
    }
}

static void expect_round_trip(double value)
{
    char text[NUMBER_TEXT_MAX];
    size_t length = number_text(text, value);
    setlocale(LC_ALL, "C");
    double back = strtod(text, NULL);
    cr_expect(length == strlen(text) && length < NUMBER_TEXT_MAX);
    cr_expect(memcmp(&back, &value, sizeof value) == 0, "%a became %s", value, text);
}

Test(json, numbers_round_trip)
{
    char text[NUMBER_TEXT_MAX];
    expect_round_trip(0.1);
    expect_round_trip(-0.0);
    expect_round_trip(1.0 / 3.0);
    expect_round_trip(5e-324);
    expect_round_trip(-1.7976931348623157e308);
    for (uint64_t i = 0; i < 20000; i++) {
        uint64_t bits =
            (uint64_t)(scene_value(i, 1, 2, 3) * 0x1p53) << 11 ^ (uint64_t)(scene_value(i, 4, 5, 6) * 0x1p53);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value))
            expect_round_trip(value);
    }
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0.1, "0.1"},          {5.0, "5"},      {1e-3, "0.001"},      {0.3, "0.3"},
                 {-2.5e-7, "-2.5e-07"}, {1e22, "1e+22"}, {1234.56, "1234.56"}, {1e300, "1e+300"},
                 {1e-300, "1e-300"},    {0.0, "0"},      {-INFINITY, "-inf"},  {1.0 / 3.0, "0.33333333333333331"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        number_text(text, cases[i].value);
        cr_expect_str_eq(text, cases[i].text, "no more digits than it takes");
    }
}

Test(json, numbers_do_not_depend_on_the_locale)
{
    static const char *const locale[] = {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8", "ps_AF.UTF-8"};
    char text[NUMBER_TEXT_MAX];
    for (size_t i = 0; i < sizeof locale / sizeof *locale; i++) {
        if (!setlocale(LC_ALL, locale[i]))
            continue;
        cr_assert(localeconv()->decimal_point[0] != '.');
        number_text(text, 1.0 / 3.0);
        cr_expect_str_eq(text, "0.33333333333333331");
        return;
    }
    cr_skip_test("no locale with another decimal point is installed");
}
