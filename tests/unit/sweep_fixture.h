/* For the tests of the configuration: an experiment from a text, the place of an error, a small problem. */
#ifndef SWEEP_FIXTURE_H
#define SWEEP_FIXTURE_H

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sweep.h"

/* n = 100, d = 4, no intercept. */
#define PROBLEM "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 100, d: 4}}\n"
/* Everything that must be there; a sweep may follow. */
#define BASE        PROBLEM "budget: {steps: 50}\nschedule: {type: constant, rate: 0.1}\n"
#define NO_SCHEDULE PROBLEM "budget: {steps: 50}\n"

static inline void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file, "%s", path);
    fputs(text, file);
    fclose(file);
}

static inline enum status open_text(const char *text, const struct sweep_options *options, struct sweep **out,
                                    struct error *error)
{
    static const struct sweep_options none = {.replicates = -1};
    char path[64];
    snprintf(path, sizeof path, "e%ld.yaml", (long)getpid());
    write_file(path, text);
    enum status status = sweep_open(path, options ? options : &none, out, error);
    unlink(path);
    return status;
}

static inline struct sweep *must_open_with(const char *text, const struct sweep_options *options)
{
    struct sweep *sweep;
    struct error error = {0};
    char shown[2048];
    enum status status = open_text(text, options, &sweep, &error);
    cr_assert_eq(status, STATUS_OK, "%s", error_text(&error, shown, sizeof shown));
    return sweep;
}

static inline struct sweep *must_open(const char *text)
{
    return must_open_with(text, NULL);
}

/* Opens with --set arguments, NULL-terminated. */
static inline struct sweep *must_open_set(const char *text, const char *const *set)
{
    struct sweep_options options = {.replicates = -1, .set = set};
    while (set[options.set_count])
        options.set_count++;
    return must_open_with(text, &options);
}

/* The error has this place, and its message contains each of the words (NULL-terminated). */
static inline void expect_error_with(const struct sweep_options *options, enum status status, size_t line,
                                     size_t column, const char *text, const char *const *words)
{
    struct sweep *sweep;
    struct error error = {0};
    char shown[2048];
    enum status got = open_text(text, options, &sweep, &error);
    error_text(&error, shown, sizeof shown);
    cr_expect_eq(got, status, "status %d for\n%s\n%s", got, text, shown);
    cr_expect_null(sweep);
    cr_expect(error.line == line && error.column == column, "expected %zu:%zu, got %s for\n%s", line, column, shown,
              text);
    for (; *words; words++)
        cr_expect(strstr(error.message, *words), "'%s' is not in: %s", *words, shown);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define EXPECT_ERROR(line, column, text, ...)                                                                          \
    expect_error_with(NULL, STATUS_USAGE, line, column, text, WORDS(__VA_ARGS__))

static inline struct run_config cell_of(const struct sweep *sweep, size_t cell)
{
    struct run_config config;
    struct error error = {0};
    cr_assert_eq(sweep_cell(sweep, cell, &config, &error), STATUS_OK, "%s", error.message);
    return config;
}

static inline const char *update_name(const struct run_config *config)
{
    return ((const struct method *)config->update)->name;
}

#endif
