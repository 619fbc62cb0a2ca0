/* Readers of LIBSVM and CSV text: what they accept, and the place and wording of every error. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/number.h"
#include "data/reader.h"
#include "rng.h"

static struct error error;

static enum status libsvm(const char *text, struct samples *samples)
{
    error = (struct error){0};
    return reader_libsvm(text, strlen(text), "file", samples, &error);
}

static enum status csv(const char *text, const char *target, struct samples *samples)
{
    error = (struct error){0};
    return reader_csv(text, strlen(text), "file", target, samples, &error);
}

/* A text that must be refused at a place with words in its message. */
struct bad {
    const char *text;
    size_t size;
    size_t line, column;
    const char *words;
};
#define BAD(text, line, column, words)                                                                                 \
    {                                                                                                                  \
        text, sizeof(text) - 1, line, column, words                                                                    \
    }

static void expect_refused(const struct bad *bad, enum status status, struct samples *samples)
{
    char message[ERROR_FILE_MAX + ERROR_MESSAGE_MAX];
    error_text(&error, message, sizeof message);
    cr_expect(status == STATUS_INPUT, "'%s' gave status %d", bad->text, (int)status);
    cr_expect(error.line == bad->line && error.column == bad->column, "'%s' gave %s", bad->text, message);
    cr_expect(strstr(error.message, bad->words), "'%s' gave %s without '%s'", bad->text, message, bad->words);
    cr_expect(samples->matrix.value == NULL && samples->target == NULL);
    samples_free(samples);
}

#define LONG_100 "1111111111222222222233333333334444444444555555555566666666667777777777888888888899999999990000000000"
#define LONG_401 LONG_100 LONG_100 LONG_100 LONG_100 "1"

Test(reader, libsvm_errors_name_the_place)
{
    static const struct bad bad[] = {
        BAD("", 1, 1, "empty"),
        BAD("\n\n", 3, 1, "empty"),
        BAD("# only a comment\n", 2, 1, "empty"),
        BAD("1\n-1\n", 3, 1, "no features"),
        BAD("1 1:2\n1 0:3\n", 2, 3, "index 0"),
        BAD("1 1:2 3:1 2:5", 1, 11, "index 2 after a larger one"),
        BAD("1 1:2\n-1 3:1 3:5", 2, 8, "index 3 a second time"),
        BAD("1 1:nan", 1, 5, "NaN"),
        BAD("1 1:-NaN 2:1", 1, 5, "NaN"),
        BAD("1 1:inf", 1, 5, "infinity"),
        BAD("1 1:+Infinity", 1, 5, "infinity"),
        BAD("1 1:1e999", 1, 5, "largest double"),
        BAD("nan 1:1", 1, 1, "NaN"),
        BAD("-inf 1:1", 1, 1, "infinity"),
        BAD("1:1 2:1", 1, 1, "missing label"),
        BAD("1 1:1\n  1:1 2:1", 2, 3, "missing label"),
        BAD(":1", 1, 1, "label"),
        BAD("1 1:2 junk", 1, 7, "'junk'"),
        BAD("abc 1:1", 1, 1, "'abc'"),
        BAD("1,2 1:1", 1, 2, "',2'"),
        BAD("1 1:2x 2:1", 1, 6, "'x'"),
        BAD("1 1:0x10", 1, 6, "'x10'"),
        BAD("1 1: 2:1", 1, 5, "a blank"),
        BAD("1 1:\n", 1, 5, "the end of the line"),
        BAD("1 1:", 1, 5, "the end of the file"),
        BAD("1 1", 1, 4, "':'"),
        BAD("1 5 3:1", 1, 4, "':'"),
        BAD("1 -3:1", 1, 3, "negative"),
        BAD("1 :1", 1, 3, "INDEX:VALUE"),
        BAD("1 1.5:1", 1, 4, "':'"),
        BAD("1 1:.", 1, 6, "number"),
        BAD("1 1:1e", 1, 7, "number"),
        BAD("1 1:1e+ 2:1", 1, 8, "number"),
        BAD("1 1:--1", 1, 6, "number"),
        BAD("1 4294967295:1", 1, 3, "4294967294"),
        BAD("1 99999999999999999999999999:1", 1, 3, "4294967294"),
        BAD("1 qid:3 1:2", 1, 3, "qid"),
        BAD("1 1:" LONG_401, 1, 5, "401 characters"),
        BAD(LONG_401 " 1:1", 1, 1, "401 characters"),
        BAD("1 1:1\r2:2", 1, 6, "0x0d"),
        BAD("1 1:1\n1\0 1:1", 2, 2, "NUL"),
        BAD("1 1:1\n1 1:\0", 2, 5, "NUL"),
        BAD("1 1:1 \0", 1, 7, "NUL"),
        BAD("1 1:1 # x\0y\n", 1, 10, "NUL"),
        BAD("\0", 1, 1, "NUL"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct samples samples;
        error = (struct error){0};
        expect_refused(&bad[i], reader_libsvm(bad[i].text, bad[i].size, "file", &samples, &error), &samples);
    }
}

Test(reader, csv_errors_name_the_place)
{
    static const struct bad bad[] = {
        BAD("", 1, 1, "empty"),
        BAD(" \r\n\t\n", 3, 1, "empty"),
        BAD("a,b\n", 2, 1, "after the header"),
        BAD("1\n2\n", 1, 1, "one column"),
        BAD("1,2\n3\n", 2, 2, "only 1 fields"),
        BAD("1,2\n3,4,5\n", 2, 4, "more than 2 fields"),
        BAD("a,b,c\n1,2,3\n\n1,2\n", 4, 4, "the header in line 1 has 3"),
        BAD("1,2\n3,\n", 2, 3, "empty field"),
        BAD("1,2\n,4\n", 2, 1, "empty field"),
        BAD("1,,2\n", 1, 3, "empty field"),
        BAD("1,2\n3,nan\n", 2, 3, "NaN"),
        BAD("1,nan\n3,4\n", 1, 3, "NaN"),
        BAD("1,2\n-inf,4\n", 2, 1, "infinity"),
        BAD("1,2\n3,1e400\n", 2, 3, "largest double"),
        BAD("1,2\n3,four\n", 2, 3, "'four'"),
        BAD("1,2\n3,4x\n", 2, 4, "'x'"),
        BAD("1,2\n3 3,4\n", 2, 3, "'3'"),
        BAD("1,2\n3;4\n", 2, 2, "';4'"),
        BAD("1,b\n3,4\n", 1, 3, "first line that also holds numbers"),
        BAD("a,2\n3,4\n", 1, 1, "first line that also holds numbers"),
        BAD("1,2,y\n3,4,M\n", 1, 5, "'y' in a first line"),
        BAD("1,M,2\n3,B,4\n", 1, 3, "'M' in a first line"),
        BAD("1,M,B\n3,B,M\n", 1, 3, "'M' in a first line"),
        BAD("a,b\n1,M\n2,3\n", 3, 3, "number '3' among targets that are texts, such as 'M' in line 2"),
        BAD("a,b\n1,M\n2,\"3\"\n", 3, 3, "among targets that are texts"),
        BAD("a,b\n1,M\n2,nan\n", 3, 3, "NaN"),
        BAD("a,b\n1,M\n2,\n", 3, 3, "empty field"),
        BAD("a,b\n1,2\n2,M\n", 3, 3, "'M' where a number belongs"),
        BAD("a,b\nM,2\n2,1\n", 2, 1, "'M' where a number belongs"),
        BAD("a,b\n1,M\n2," LONG_100 "x\n", 3, 3, "longer than 100 bytes"),
        BAD("a,b\n1,\"M\nN\"\n", 2, 3, "control characters"),
        BAD("a,b\n1,\"M\"x\n", 2, 6, "'x' after a quoted field"),
        BAD("a,b\n1,\"M\n", 2, 3, "never closed"),
        BAD("\"a,b\n1,2\n", 1, 1, "never closed"),
        BAD("\"a\"x,b\n1,2\n", 1, 4, "'x'"),
        BAD("a\"b,c\n1,2\n", 1, 2, "quote inside"),
        BAD("1,2\n\"3,4\n", 2, 3, "closing quote"),
        BAD("1,2\n3," LONG_401 "\n", 2, 3, "401 characters"),
        BAD("1,2\n3,\0\n", 2, 3, "NUL"),
        BAD("a,\0b\n3,4\n", 1, 3, "NUL"),
        BAD("1,2\n3\0,4\n", 2, 2, "NUL"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct samples samples;
        error = (struct error){0};
        expect_refused(&bad[i], reader_csv(bad[i].text, bad[i].size, "file", NULL, &samples, &error), &samples);
    }
}

Test(reader, libsvm_reads_what_is_written)
{
    struct samples samples;
    /* Byte order mark, CR LF, blank lines, comments, trailing blanks, tabs, no last line end, a written zero. */
    cr_assert(libsvm("\xef\xbb\xbf+1 2:0.5 7:-3e2 \r\n\n# comment 1:nan\n  -1\t1:1\t10:4294967296# tail\n\n3 # no "
                     "features\n0.25 5:0 20:.5",
                     &samples) == STATUS_OK);
    const struct matrix *x = &samples.matrix;
    static const double label[] = {1, -1, 3, 0.25}, value[] = {0.5, -300, 1, 4294967296, 0.5};
    static const size_t row[] = {0, 2, 4, 4, 5};
    static const uint32_t column[] = {1, 6, 0, 9, 19};
    cr_assert(x->sparse);
    cr_assert(x->rows == 4 && x->cols == 20 && x->nnz == 5);
    cr_expect(!memcmp(samples.target, label, sizeof label));
    cr_expect(!memcmp(x->value, value, sizeof value));
    cr_expect(!memcmp(x->column, column, sizeof column));
    cr_expect(!memcmp(x->row, row, sizeof row));
    samples_free(&samples);
}

static void expect_dense(const struct matrix *x, size_t rows, size_t cols, const double value[rows][cols])
{
    cr_assert(!x->sparse && x->rows == rows && x->cols == cols && x->nnz == rows * cols);
    for (size_t i = 0; i < rows; i++)
        cr_expect(!memcmp(x->value + i * x->stride, value[i], sizeof value[i]), "row %zu", i);
}

Test(reader, libsvm_is_dense_where_that_is_smaller)
{
    struct samples samples;
    cr_assert(libsvm("1 1:1 2:2 3:3\n2 1:4 3:5\n", &samples) == STATUS_OK); /* 5 * 12 >= 6 * 8 */
    static const double value[2][3] = {{1, 2, 3}, {4, 0, 5}};
    cr_assert(!samples.matrix.sparse);
    expect_dense(&samples.matrix, 2, 3, value);
    samples_free(&samples);
    cr_assert(libsvm("1 1:1\n2 3:5\n3 2:1", &samples) == STATUS_OK); /* 3 * 12 < 9 * 8 */
    cr_expect(samples.matrix.sparse);
    samples_free(&samples);
}

Test(reader, libsvm_takes_the_largest_index_without_the_memory)
{
    struct samples samples;
    cr_assert(libsvm("1 4294967294:2\n-1 1:1\n", &samples) == STATUS_OK);
    cr_assert(samples.matrix.sparse);
    cr_expect(samples.matrix.cols == 4294967294);
    cr_expect(samples.matrix.column[0] == 4294967293);
    samples_free(&samples);
}

Test(reader, csv_reads_what_is_written)
{
    struct samples samples;
    static const double value[2][2] = {{1, 2.5}, {-4, 1e-3}};
    static const double target[] = {3, 5};
    /* The default target goes by name, wherever it stands; blanks, quotes and CR LF are fine. */
    cr_assert(csv("\xef\xbb\xbf\"a \"\"x\"\", b\", label ,c\r\n 1 ,3,2.5\t\r\n\r\n\"-4\",5,+1e-3", NULL, &samples) ==
              STATUS_OK);
    expect_dense(&samples.matrix, 2, 2, value);
    cr_expect(!memcmp(samples.target, target, sizeof target));
    samples_free(&samples);
}

/* The first row of "...\n1,2,3\n": which column became the target. */
static double target_of(const char *text, const char *target)
{
    struct samples samples;
    enum status status = csv(text, target, &samples);
    double found = status ? -1 : samples.target[0];
    samples_free(&samples);
    return found;
}

Test(reader, csv_target_column)
{
    cr_expect(target_of("1,2,3\n", NULL) == 3);
    cr_expect(target_of("a,b,c\n1,2,3\n", NULL) == 3);
    cr_expect(target_of("a,target,c\n1,2,3\n", NULL) == 2);
    cr_expect(target_of("target,label,c\n1,2,3\n", NULL) == 2);
    cr_expect(target_of("target,label,y\n1,2,3\n", NULL) == 3);
    cr_expect(target_of("a,b,c\n1,2,3\n", "b") == 2);
    cr_expect(target_of("a,b,c\n1,2,3\n", "1") == 1);
    cr_expect(target_of("\"3\",b,c\n1,2,3\n", "3") == 1); /* a name goes first */
    cr_expect(target_of("1,2,3\n", "2") == 2);
    cr_expect(target_of("\"x\ny\",b,c\n1,2,3\n", "x\ny") == 1);
    cr_expect(target_of("\"1\",\"2\",\"3\"\n", NULL) == 3); /* quoted numbers are data */

    struct samples samples;
    cr_expect(csv("1,2,3\n", "b", &samples) == STATUS_USAGE);
    cr_expect(strstr(error.message, "no header") != NULL);
    cr_expect(csv("alpha,beta,c\n1,2,3\n", "bete", &samples) == STATUS_USAGE);
    cr_expect(strstr(error.message, "'beta'") != NULL, "%s", error.message);
    cr_expect(csv("a,b,c\n1,2,3\n", "4", &samples) == STATUS_USAGE);
    cr_expect(csv("a,b,c\n1,2,3\n", "0", &samples) == STATUS_USAGE);
    cr_expect(csv("a,b,c\n1,2,3\n", "2x", &samples) == STATUS_USAGE);
    cr_expect(csv("a,b,b\n1,2,3\n", "b", &samples) == STATUS_USAGE);
    cr_expect(strstr(error.message, "both") != NULL);
}

/* Line numbers go on counting after a header with a line break in it. */
Test(reader, csv_counts_lines_inside_quotes)
{
    struct samples samples;
    cr_expect(csv("\"a\nb\",c\n1,2\n3,x\n", NULL, &samples) == STATUS_INPUT);
    cr_expect(error.line == 4 && error.column == 3);
}

/* Numbers of every shape that a generator can think of. */
static int random_number(uint64_t word, uint64_t other, char *text)
{
    static const char *const sign[] = {"", "", "-", "+"};
    double bits;
    uint64_t pattern = other & ~(1ULL << 63);
    memcpy(&bits, &pattern, sizeof bits);
    if (!isfinite(bits))
        bits = 1;
    const char *s = sign[word & 3];
    unsigned long long digits = other >> (word >> 4) % 64;
    int exponent = (int)((word >> 12) % 60) - 30, wide = (int)((word >> 12) % 700) - 350;
    switch ((word >> 32) % 8) {
    case 0:
        return sprintf(text, "%s%llu", s, digits);
    case 1:
        return sprintf(text, "%s%.17g", s, bits);
    case 2:
        return sprintf(text, "%s%llu.%llu", s, digits >> 20, digits & 0xfffff);
    case 3:
        return sprintf(text, "%s%llue%d", s, digits, exponent);
    case 4:
        return sprintf(text, "%s.%llu", s, digits);
    case 5:
        return sprintf(text, "%s%llu.E%+d", s, digits, wide);
    case 6:
        return sprintf(text, "%s000%llu.%07llu00e%03d", s, digits >> 30, digits & 0xffff, exponent);
    default:
        return sprintf(text, "%s%.*f", s, (int)((word >> 40) % 12), (double)digits / 1e6);
    }
}

Test(reader, numbers_equal_strtod_bit_for_bit)
{
    enum { COUNT = 300000 };
    uint64_t word[2 * 1000];
    struct rng_stream stream = rng_stream(11, RNG_TEST, 0, 0);
    locale_t locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    size_t finite = 0;
    for (size_t i = 0; i < COUNT; i++) {
        char text[512], *end;
        const char *stop;
        double value = 0;
        if (i % 1000 == 0)
            rng_words(&stream, 2 * i, 2000, word);
        random_number(word[2 * (i % 1000)], word[2 * (i % 1000) + 1], text);
        strcat(text, i % 2 ? " " : ":");
        double expected = strtod_l(text, &end, locale);
        enum number_kind kind = number_read(text, locale, &stop, &value);
        cr_assert(kind == (isfinite(expected) ? NUMBER_OK : NUMBER_RANGE), "'%s'", text);
        cr_assert(stop == end, "'%s'", text);
        cr_assert(kind || !memcmp(&value, &expected, sizeof value), "'%s': %a is not %a", text, value, expected);
        finite += kind == NUMBER_OK;
    }
    cr_expect(finite > COUNT * 9 / 10);
    freelocale(locale);
}

/* Values on the borders of the fast path: 2^53 and its neighbours, 19 and 20 digits, 10^22 and 10^23, halves of an ulp.
 */
Test(reader, numbers_at_the_borders_of_the_fast_path)
{
    static const char *const text[] = {"9007199254740992",
                                       "9007199254740993",
                                       "9007199254740991e22",
                                       "9007199254740991e23",
                                       "9007199254740992e-22",
                                       "9007199254740992e-23",
                                       "1e22",
                                       "1e23",
                                       "1e-22",
                                       "1e-23",
                                       "9999999999999999999",
                                       "10000000000000000000",
                                       "18446744073709551616",
                                       "18446744073709551617",
                                       "0.30000000000000004",
                                       "0.3",
                                       "2.2250738585072011e-308",
                                       "2.2250738585072014e-308",
                                       "4.9406564584124654e-324",
                                       "2.4703282292062327e-324",
                                       "1.7976931348623157e308",
                                       "0",
                                       "-0",
                                       "0e99",
                                       "0.0000000000000000000000000000001",
                                       "123456789012345678",
                                       "1e0000000005",
                                       "1e-0000000005",
                                       "5e-324",
                                       "1e9999",
                                       "1e-9999",
                                       "1e-99999999999999999999"};
    locale_t locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++) {
        const char *stop;
        double value = 0, expected = strtod_l(text[i], NULL, locale);
        enum number_kind kind = number_read(text[i], locale, &stop, &value);
        cr_expect(*stop == '\0');
        cr_expect(kind == (isfinite(expected) ? NUMBER_OK : NUMBER_RANGE) &&
                      (kind || !memcmp(&value, &expected, sizeof value)),
                  "'%s': %a is not %a", text[i], value, expected);
    }
    freelocale(locale);
}

/* Any bytes at all: cut and altered copies of a good text are either read or refused with a place inside the text. */
static void mangle(const char *good, enum status (*read)(const char *, size_t, struct samples *))
{
    static const char alphabet[] = "\n\r\t ,:#\"0919.e-+nif\x80\xef"; /* its NUL too */
    size_t size = strlen(good);
    char *text = malloc(size + 1);
    uint64_t word[3];
    struct rng_stream stream = rng_stream(13, RNG_TEST, 0, 0);
    for (uint64_t round = 0; round < 20000; round++) {
        struct samples samples;
        rng_words(&stream, 3 * round, 3, word);
        size_t length = word[0] % 4 ? size : word[0] / 4 % (size + 1);
        memcpy(text, good, size);
        text[length] = '\0';
        for (size_t k = 0; length && k <= word[1] % 3; k++)
            text[(word[1] >> (10 * k + 2)) % length] = alphabet[(word[2] >> 8 * k) % sizeof alphabet];
        error = (struct error){0};
        enum status status = read(text, length, &samples);
        cr_assert(status == STATUS_OK || status == STATUS_INPUT || status == STATUS_USAGE);
        if (status == STATUS_INPUT)
            cr_assert(error.line >= 1 && error.line <= length + 1 && error.column >= 1 && error.column <= length + 1);
        samples_free(&samples);
    }
    free(text);
}

static enum status read_libsvm(const char *text, size_t size, struct samples *samples)
{
    return reader_libsvm(text, size, "file", samples, &error);
}

static enum status read_csv(const char *text, size_t size, struct samples *samples)
{
    return reader_csv(text, size, "file", NULL, samples, &error);
}

Test(reader, mangled_text_is_read_or_refused)
{
    mangle("+1 1:0.5 3:-2e1 9:1 # c\r\n-1 2:1 4:inf\n\n1 7:0.1 8:0\n", read_libsvm);
    mangle("a,\"b \"\"q\"\"\",label\r\n1,2.5,0\n\n-3,\"4\",1\n5e1,.6,0", read_csv);
}

/* Classes in words: numbered in the order of their bytes, whatever the order of the samples. */
Test(reader, csv_targets_that_are_texts)
{
    static const struct {
        const char *text, *target;
    } same[] = {
        {"a,kind\n1,M\n2,\"B\"\n3, b \n4,M\n", NULL}, /* a header */
        {"1,M\n2,B\n3,b\n4,M\n", NULL},               /* none */
        {"M,1\nB,2\nb,3\nM,4\n", "1"},                /* a first column that is named */
        {"kind,a\nM,1\nB,2\nb,3\nM,4\n", "kind"},
    };
    static const double target[] = {1, 0, 2, 1};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        struct samples samples;
        cr_assert_eq(csv(same[i].text, same[i].target, &samples), STATUS_OK, "%s: %s", same[i].text, error.message);
        cr_assert(samples.matrix.rows == 4 && samples.matrix.cols == 1 && samples.texts == 3);
        cr_expect(!memcmp(samples.target, target, sizeof target), "%s", same[i].text);
        cr_expect_str_eq(samples.text[0], "B");
        cr_expect_str_eq(samples.text[1], "M");
        cr_expect_str_eq(samples.text[2], "b");
        for (size_t row = 0; row < 4; row++)
            cr_expect_eq(samples.matrix.value[row * samples.matrix.stride], (double)row + 1);
        samples_free(&samples);
    }
    struct samples samples;
    cr_assert_eq(csv("a,y\n1,\"x \"\"q\"\", z\"\n2,M\n", NULL, &samples), STATUS_OK, "%s", error.message);
    cr_expect_str_eq(samples.text[1], "x \"q\", z");
    samples_free(&samples);
    char many[LABELS_MAX * 12 + 40] = "a,y\n";
    for (int i = 0; i <= LABELS_MAX; i++)
        sprintf(many + strlen(many), "1,t%d\n", i);
    cr_expect_eq(csv(many, NULL, &samples), STATUS_INPUT);
    cr_expect(error.line == LABELS_MAX + 2 && strstr(error.message, "256"), "%zu: %s", error.line, error.message);
}
