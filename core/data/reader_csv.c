/* CSV text (RFC 4180) to a dense matrix. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "data/cursor.h"
#include "data/reader.h"
#include "registry.h"

/* What the first line tells. */
struct layout {
    bool header;
    size_t fields;
    char *text;        /* the header's names, one after the other, unquoted, each with a NUL */
    const char **name; /* fields of them; NULL without a header */
    size_t target;     /* field of the target, from 0 */
    size_t line;       /* of the header or first row, for messages */
};

static void layout_free(struct layout *layout)
{
    free(layout->text);
    free(layout->name);
}

/* The character after a quoted field's closing quote; *out (not NULL: enough room) gets the contents. Quoted line
 * breaks count as lines. */
static enum status read_quoted(struct cursor *cursor, const char *at, const char **stop, char **out)
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
        *(*out)++ = *p;
        if (*p == '\n') {
            cursor->line++;
            cursor->line_start = p + 1;
        }
    }
    return cursor_fail(&open, at, "found a quote that is never closed");
}

/* The end of an unquoted field: its separator, blanks before it left out. */
static enum status read_unquoted(const struct cursor *cursor, const char *at, const char **stop, char **out)
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
    memcpy(*out, at, (size_t)(p - at));
    *out += p - at;
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
static enum status split_first_line(struct cursor *cursor, struct layout *layout, char *out, const char **number,
                                    const char **other)
{
    const char *at = cursor->at, *stop = at;
    for (;;) {
        at = cursor_skip_blanks(at);
        bool quoted = *at == '"';
        layout->name[layout->fields++] = out;
        enum status status = quoted ? read_quoted(cursor, at, &stop, &out) : read_unquoted(cursor, at, &stop, &out);
        if (status)
            return status;
        *out++ = '\0';
        if (!quoted && numeric(cursor, at, stop)) {
            if (!*number)
                *number = at;
        } else if (!(quoted && numeric(cursor, at + 1, stop - 1)) && !*other) {
            *other = at;
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

/* Fills layout from the first line that is not blank, and leaves the cursor at the first row of data. */
static enum status read_layout(struct cursor *cursor, struct layout *layout)
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
    enum status status = split_first_line(cursor, layout, layout->text, &number, &other);
    if (status)
        return status;
    if (number && other) {
        char shown[CURSOR_SHOWN];
        bool empty = *other == ',' || cursor_line_ends(&first, other);
        return cursor_fail(
            &first, other,
            "found %s in a first line that also holds numbers: a row of data has only numbers, a header has none "
            "(quote names that look like numbers)",
            empty ? "an empty field" : cursor_show(&first, other, shown));
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
    static const char *const usual[] = {"y", "label", "target"};
    if (layout->fields < 2)
        return error_at(cursor->error, STATUS_INPUT, cursor->file, layout->line, 1,
                        "found one column only: a target and at least one feature are needed, separated by commas");
    if (!target) {
        for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
            if (find_name(layout, usual[i], &layout->target))
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
    char *stop;
    unsigned long long column = number_digit(*target) ? strtoull(target, &stop, 10) : 0;
    if (!number_digit(*target) || *stop || column < 1 || column > layout->fields)
        return target_missing(cursor, layout, target);
    layout->target = (size_t)column - 1;
    return STATUS_OK;
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

static enum status ragged(const struct cursor *cursor, const struct layout *layout, const char *where, size_t fields)
{
    return cursor_fail(cursor, where, "found %s %zu fields: the %s in line %zu has %zu",
                       fields < layout->fields ? "only" : "more than", fields, layout->header ? "header" : "first row",
                       layout->line, layout->fields);
}

/* One row into feature[fields - 1] and *target. */
static enum status read_row(struct cursor *cursor, const struct layout *layout, const char *at, double *feature,
                            double *target)
{
    const char *stop = at;
    for (size_t field = 0; field < layout->fields; field++) {
        if (field) {
            if (*stop != ',')
                return ragged(cursor, layout, stop, field);
            at = stop + 1;
        }
        enum status status = read_field(cursor, at, &stop, field == layout->target ? target : feature++);
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
    size_t rows = 0;
    while (cursor->at < cursor->end) {
        const char *at = cursor_skip_blanks(cursor->at);
        if (cursor_line_ends(cursor, at)) {
            cursor_next_line(cursor, at);
            continue;
        }
        enum status status =
            read_row(cursor, layout, at, samples->matrix.value + rows * samples->matrix.stride, &samples->target[rows]);
        if (status)
            return status;
        rows++;
    }
    samples->matrix.rows = rows;
    samples->matrix.nnz = rows * samples->matrix.cols;
    if (!rows)
        return cursor_fail(cursor, cursor->end, "found no samples: there is nothing after the header");
    return STATUS_OK;
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
        status = read_layout(&cursor, &layout);
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
