/* CSV text (RFC 4180) to a dense matrix. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/cursor.h"
#include "data/reader.h"
#include "registry.h"

/* What the first line tells. */
struct layout {
    bool header;
    size_t fields;
    char *text;                 /* the header's names, one after the other, unquoted, each with a NUL */
    const char **name;          /* fields of them; NULL without a header */
    size_t target;              /* field of the target, from 0 */
    size_t others, other_field; /* of the first line: fields that are no numbers, and the first of them */
    size_t line;                /* of the header or first row, for messages */
};

static void layout_free(struct layout *layout)
{
    free(layout->text);
    free(layout->name);
}

/* Room for a field's contents; what does not fit is left out. */
struct room {
    char *at, *end;
};

static void put(struct room *out, char c)
{
    if (out->at < out->end)
        *out->at++ = c;
}

/* The character after a quoted field's closing quote; out gets the contents. Quoted line breaks count as lines. */
static enum status read_quoted(struct cursor *cursor, const char *at, const char **stop, struct room *out)
{
    struct cursor open = *cursor; /* where the quote stands, for its error */
    for (const char *p = at + 1; p < cursor->end; p++) {
        if (*p == '"' && p[1] == '"') {
            p++;
        } else if (*p == '"') {
            *stop = p + 1;
            return STATUS_OK;
        } else if (*p == '\0') {
            return cursor_fail(cursor, p, "found a NUL byte: this is not a text file");
        }
        put(out, *p);
        if (*p == '\n') {
            cursor->line++;
            cursor->line_start = p + 1;
        }
    }
    return cursor_fail(&open, at, "found a quote that is never closed");
}

/* The end of an unquoted field: its separator, blanks before it left out. */
static enum status read_unquoted(const struct cursor *cursor, const char *at, const char **stop, struct room *out)
{
    const char *p = at;
    for (; *p != ',' && !cursor_line_ends(cursor, p); p++) {
        if (*p == '"')
            return cursor_fail(cursor, p,
                               "found a quote inside a field: quote the whole field and double the quotes in it");
        if (*p == '\0')
            return cursor_fail(cursor, p, "found a NUL byte: this is not a text file");
    }
    *stop = p;
    while (p > at && (p[-1] == ' ' || p[-1] == '\t'))
        p--;
    while (at < p)
        put(out, *at++);
    return STATUS_OK;
}

/* Whether an unquoted field means a number, also one that is not allowed. */
static bool numeric(const struct cursor *cursor, const char *at, const char *stop)
{
    const char *end;
    double value;
    enum number_kind kind = number_read(at, cursor->locale, &end, &value);
    return kind != NUMBER_NONE && cursor_skip_blanks(end) >= stop;
}

/* The first line that is not blank, split into names (also when they are numbers). Leaves the cursor after it. *number
 * and *other: the first unquoted field that is a number, the first field that is not; NULL when there is none. */
static enum status split_first_line(struct cursor *cursor, struct layout *layout, struct room out, const char **number,
                                    const char **other)
{
    const char *at = cursor->at, *stop = at;
    for (;;) {
        at = cursor_skip_blanks(at);
        bool quoted = *at == '"';
        layout->name[layout->fields++] = out.at;
        enum status status = quoted ? read_quoted(cursor, at, &stop, &out) : read_unquoted(cursor, at, &stop, &out);
        if (status)
            return status;
        put(&out, '\0');
        if (!quoted && numeric(cursor, at, stop)) {
            if (!*number)
                *number = at;
        } else if (!(quoted && numeric(cursor, at + 1, stop - 1))) {
            if (layout->others++ == 0) {
                *other = at;
                layout->other_field = layout->fields - 1;
            }
        }
        at = cursor_skip_blanks(stop);
        if (cursor_line_ends(cursor, at))
            break;
        if (*at != ',') {
            char shown[CURSOR_SHOWN];
            return cursor_fail(cursor, at, "found %s after a quoted field, which a comma must follow",
                               cursor_show(cursor, at, shown));
        }
        at++;
    }
    cursor_next_line(cursor, at);
    return STATUS_OK;
}

static const char *const usual_targets[] = {"y", "label", "target"};
enum { USUAL_TARGETS = sizeof usual_targets / sizeof *usual_targets };

/* A target given as the number of a column, from 1. */
static bool target_number(const char *target, size_t fields, size_t *field)
{
    char *stop;
    unsigned long long column = number_digit(*target) ? strtoull(target, &stop, 10) : 0;
    if (!number_digit(*target) || *stop || column < 1 || column > fields)
        return false;
    *field = (size_t)column - 1;
    return true;
}

/* Is a first line of numbers and others a sample whose target is a class in words, with nothing else that is no number?
 * The name of a target is more likely from a header whose other names are numbers. */
static bool sample_with_class(const struct layout *layout, const char *target)
{
    size_t field = layout->fields - 1;
    if (layout->others != 1 || (target && !target_number(target, layout->fields, &field)))
        return false;
    for (size_t i = 0; i < USUAL_TARGETS; i++)
        if (!strcmp(layout->name[field], usual_targets[i]))
            return false;
    return layout->other_field == field && *layout->name[field];
}

#define MIXTURE                                                                                                        \
    "found %s in a first line that also holds numbers: a row of data has only numbers, but for a target in words "     \
    "(target: COLUMN, else the last); a header has none (quote names that look like numbers)"

/* Fills layout from the first line that is not blank, and leaves the cursor at the first row of data. */
static enum status read_layout(struct cursor *cursor, const char *target, struct layout *layout)
{
    for (;;) {
        const char *at = cursor_skip_blanks(cursor->at);
        if (at == cursor->end)
            return cursor_fail(cursor, at, "found no samples: the file is empty");
        if (!cursor_line_ends(cursor, at))
            break;
        cursor_next_line(cursor, at);
    }
    size_t size = 0, fields = 1;
    bool quoted = false;
    for (const char *p = cursor->at; p < cursor->end && (quoted || *p != '\n'); p++, size++) {
        quoted ^= *p == '"';
        fields += *p == ',';
    }
    struct cursor first = *cursor;
    layout->line = cursor->line;
    layout->text = malloc(size + fields + 1);
    layout->name = malloc(fields * sizeof *layout->name);
    if (!layout->text || !layout->name)
        return error_memory(cursor->error, size + fields * sizeof *layout->name, "the header");
    const char *number = NULL, *other = NULL;
    struct room room = {layout->text, layout->text + size + fields + 1};
    enum status status = split_first_line(cursor, layout, room, &number, &other);
    if (status)
        return status;
    if (number && other && !sample_with_class(layout, target)) {
        char shown[CURSOR_SHOWN];
        bool empty = *other == ',' || cursor_line_ends(&first, other);
        return cursor_fail(&first, other, MIXTURE, empty ? "an empty field" : cursor_show(&first, other, shown));
    }
    layout->header = !number && other;
    if (!layout->header)
        *cursor = first;
    return STATUS_OK;
}

static enum status target_missing(const struct cursor *cursor, const struct layout *layout, const char *target)
{
    if (!layout->header)
        return error_at(cursor->error, STATUS_USAGE, cursor->file, layout->line, 1,
                        "there is no header, so the target must be the number of a column, 1 to %zu, not '%s'",
                        layout->fields, target);
    const char *near = nearest_name(target, layout->name, layout->fields);
    return error_at(cursor->error, STATUS_USAGE, cursor->file, layout->line, 1,
                    "no column '%s'%s%s%s; the first is '%s', the last '%s', and numbers 1 to %zu also name columns",
                    target, near ? "; nearest: '" : "", near ? near : "", near ? "'" : "", layout->name[0],
                    layout->name[layout->fields - 1], layout->fields);
}

static bool find_name(const struct layout *layout, const char *name, size_t *field)
{
    for (size_t i = 0; layout->header && i < layout->fields; i++) {
        if (!strcmp(layout->name[i], name)) {
            *field = i;
            return true;
        }
    }
    return false;
}

static enum status choose_target(const struct cursor *cursor, struct layout *layout, const char *target)
{
    if (layout->fields < 2)
        return error_at(cursor->error, STATUS_INPUT, cursor->file, layout->line, 1,
                        "found one column only: a target and at least one feature are needed, separated by commas");
    if (!target) {
        for (size_t i = 0; i < USUAL_TARGETS; i++)
            if (find_name(layout, usual_targets[i], &layout->target))
                return STATUS_OK;
        layout->target = layout->fields - 1;
        return STATUS_OK;
    }
    if (find_name(layout, target, &layout->target)) {
        for (size_t i = layout->target + 1; i < layout->fields; i++)
            if (!strcmp(layout->name[i], target))
                return error_at(cursor->error, STATUS_USAGE, cursor->file, layout->line, 1,
                                "columns %zu and %zu are both named '%s': give the target's number", layout->target + 1,
                                i + 1, target);
        return STATUS_OK;
    }
    return target_number(target, layout->fields, &layout->target) ? STATUS_OK : target_missing(cursor, layout, target);
}

/* One number, quoted or not, blanks around it skipped; *stop is the separator or the line's end. */
static enum status read_field(const struct cursor *cursor, const char *at, const char **stop, double *value)
{
    char shown[CURSOR_SHOWN];
    at = cursor_skip_blanks(at);
    if (*at == ',' || cursor_line_ends(cursor, at))
        return cursor_fail(cursor, at, "found an empty field: missing values are not allowed");
    bool quoted = *at == '"';
    if (quoted)
        at = cursor_skip_blanks(at + 1);
    enum number_kind kind = number_read(at, cursor->locale, stop, value);
    if (kind)
        return cursor_number_error(cursor, kind, at, *stop);
    *stop = cursor_skip_blanks(*stop);
    if (quoted && **stop == '"')
        *stop = cursor_skip_blanks(*stop + 1);
    else if (quoted)
        return cursor_fail(cursor, *stop, "found %s where a closing quote belongs", cursor_show(cursor, *stop, shown));
    if (**stop != ',' && !cursor_line_ends(cursor, *stop))
        return cursor_fail(cursor, *stop, "found %s after a number, which a comma must follow",
                           cursor_show(cursor, *stop, shown));
    return STATUS_OK;
}

/* Does the field hold a text, neither a number nor nothing? */
static bool holds_text(const struct cursor *cursor, const char *at)
{
    const char *end;
    double value;
    at = cursor_skip_blanks(at);
    if (*at == ',' || cursor_line_ends(cursor, at))
        return false;
    if (*at == '"')
        at = cursor_skip_blanks(at + 1);
    if (number_read(at, cursor->locale, &end, &value) == NUMBER_NONE)
        return *at != '"'; /* "": nothing */
    end = cursor_skip_blanks(end);
    return *end != ',' && *end != '"' && !cursor_line_ends(cursor, end);
}

/* The number of a text among samples->text, where it is added when it is new. */
static enum status number_text_class(const struct cursor *cursor, const char *at, const char *text,
                                     struct samples *samples, double *value)
{
    size_t k = 0;
    while (k < samples->texts && strcmp(samples->text[k], text) != 0)
        k++;
    if (k == LABELS_MAX)
        return cursor_fail(cursor, at, "found a text as target that differs from %d before: these are no classes",
                           LABELS_MAX);
    if (k == samples->texts)
        strcpy(samples->text[samples->texts++], text);
    *value = (double)k;
    return STATUS_OK;
}

/* A target that is a class in words. */
static enum status read_class(struct cursor *cursor, const struct layout *layout, const char *at, const char **stop,
                              struct samples *samples, double *value)
{
    char text[LABEL_TEXT_SIZE], shown[CURSOR_SHOWN];
    struct room out = {text, text + sizeof text};
    at = cursor_skip_blanks(at);
    if (!holds_text(cursor, at)) {
        enum status status = read_field(cursor, at, stop, value);
        if (status)
            return status;
        if (layout->header || samples->matrix.rows != 1)
            return cursor_fail(cursor, at, "found the number %s among targets that are texts, such as '%s' in line %zu",
                               cursor_show(cursor, at, shown), samples->text[0], samples->text_line);
        snprintf(shown, sizeof shown, "'%.24s'", samples->text[0]);
        return error_at(cursor->error, STATUS_INPUT, cursor->file, samples->text_line, samples->text_column, MIXTURE,
                        shown); /* the first line is more likely half a header */
    }
    struct cursor open = *cursor;
    enum status status = *at == '"' ? read_quoted(cursor, at, stop, &out) : read_unquoted(cursor, at, stop, &out);
    if (status)
        return status;
    bool fits = out.at < out.end;
    for (const char *c = text; c < out.at; c++)
        fits = fits && (unsigned char)*c >= ' ';
    if (!fits)
        return cursor_fail(&open, at, "found a class that is longer than %d bytes or holds control characters",
                           LABEL_TEXT_SIZE - 1);
    *out.at = '\0';
    *stop = cursor_skip_blanks(*stop);
    if (**stop != ',' && !cursor_line_ends(cursor, *stop))
        return cursor_fail(cursor, *stop, "found %s after a quoted field, which a comma must follow",
                           cursor_show(cursor, *stop, shown));
    return number_text_class(&open, at, text, samples, value);
}

/* The first sample's decides what all targets are. */
static enum status read_target(struct cursor *cursor, const struct layout *layout, const char *at, const char **stop,
                               struct samples *samples, double *value)
{
    if (samples->matrix.rows == 0 && holds_text(cursor, at)) {
        samples->text = malloc(LABELS_MAX * sizeof *samples->text);
        if (!samples->text)
            return error_memory(cursor->error, LABELS_MAX * sizeof *samples->text, "the classes");
        samples->text_line = cursor->line;
        samples->text_column = (size_t)(cursor_skip_blanks(at) - cursor->line_start) + 1;
    }
    return samples->text ? read_class(cursor, layout, at, stop, samples, value) : read_field(cursor, at, stop, value);
}

static int compare_texts(const void *left, const void *right)
{
    return strcmp(left, right);
}

/* The texts ascending, and the targets' numbers with them. */
static enum status sort_texts(struct samples *samples, struct error *error)
{
    double place[LABELS_MAX];
    char(*sorted)[LABEL_TEXT_SIZE] = malloc(LABELS_MAX * sizeof *sorted);
    if (!sorted)
        return error_memory(error, LABELS_MAX * sizeof *sorted, "the classes");
    memcpy(sorted, samples->text, samples->texts * sizeof *sorted);
    qsort(sorted, samples->texts, sizeof *sorted, compare_texts);
    for (size_t k = 0; k < samples->texts; k++)
        for (size_t i = 0; i < samples->texts; i++)
            if (!strcmp(samples->text[k], sorted[i]))
                place[k] = (double)i;
    for (size_t i = 0; i < samples->matrix.rows; i++)
        samples->target[i] = place[(size_t)samples->target[i]];
    free(samples->text);
    samples->text = sorted;
    return STATUS_OK;
}

static enum status ragged(const struct cursor *cursor, const struct layout *layout, const char *where, size_t fields)
{
    return cursor_fail(cursor, where, "found %s %zu fields: the %s in line %zu has %zu",
                       fields < layout->fields ? "only" : "more than", fields, layout->header ? "header" : "first row",
                       layout->line, layout->fields);
}

/* One row into samples, which has room for it. */
static enum status read_row(struct cursor *cursor, const struct layout *layout, const char *at, struct samples *samples)
{
    const char *stop = at;
    struct matrix *matrix = &samples->matrix;
    double *feature = matrix->value + matrix->rows * matrix->stride, *target = samples->target + matrix->rows;
    for (size_t field = 0; field < layout->fields; field++) {
        if (field) {
            if (*stop != ',')
                return ragged(cursor, layout, stop, field);
            at = stop + 1;
        }
        enum status status = field == layout->target ? read_target(cursor, layout, at, &stop, samples, target)
                                                     : read_field(cursor, at, &stop, feature++);
        if (status)
            return status;
    }
    if (*stop == ',')
        return ragged(cursor, layout, stop, layout->fields);
    cursor_next_line(cursor, stop);
    return STATUS_OK;
}

static enum status read_rows(struct cursor *cursor, const struct layout *layout, struct samples *samples)
{
    samples->matrix.rows = 0;
    while (cursor->at < cursor->end) {
        const char *at = cursor_skip_blanks(cursor->at);
        if (cursor_line_ends(cursor, at)) {
            cursor_next_line(cursor, at);
            continue;
        }
        enum status status = read_row(cursor, layout, at, samples);
        if (status)
            return status;
        samples->matrix.rows++;
    }
    samples->matrix.nnz = samples->matrix.rows * samples->matrix.cols;
    if (!samples->matrix.rows)
        return cursor_fail(cursor, cursor->end, "found no samples: there is nothing after the header");
    return samples->text ? sort_texts(samples, cursor->error) : STATUS_OK;
}

/* Room for the rows that the rest of the text can hold: each takes fields - 1 commas and its line's end. */
static enum status alloc_rows(const struct cursor *cursor, const struct layout *layout, struct samples *samples)
{
    size_t size = (size_t)(cursor->end - cursor->at), lines = 1, commas = 0;
    for (size_t i = 0; i < size; i++)
        lines += cursor->at[i] == '\n';
    for (size_t i = 0; i < size; i++)
        commas += cursor->at[i] == ',';
    size_t rows = commas / (layout->fields - 1) + 1;
    rows = rows < lines ? rows : lines;
    enum status status = matrix_alloc_dense(&samples->matrix, rows, layout->fields - 1, cursor->error);
    if (!status && !(samples->target = calloc(rows, sizeof *samples->target)))
        status = error_memory(cursor->error, rows * sizeof *samples->target, "the targets");
    return status;
}

enum status reader_csv(const char *text, size_t size, const char *file, const char *target, struct samples *samples,
                       struct error *error)
{
    struct cursor cursor;
    struct layout layout = {0};
    *samples = (struct samples){0};
    enum status status = cursor_open(&cursor, text, size, file, error);
    if (!status)
        status = read_layout(&cursor, target, &layout);
    if (!status)
        status = choose_target(&cursor, &layout, target);
    if (!status)
        status = alloc_rows(&cursor, &layout, samples);
    if (!status)
        status = read_rows(&cursor, &layout, samples);
    layout_free(&layout);
    cursor_close(&cursor);
    if (status)
        samples_free(samples);
    return status;
}
