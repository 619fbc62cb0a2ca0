/* LIBSVM (SVMlight) text to CSR in one pass over exactly bounded arrays. */
#include <stdlib.h>
#include <string.h>

#include "data/cursor.h"
#include "data/reader.h"

enum { SHORTEST_ENTRY = 4 }; /* " 1:1" */
static const uint64_t INDEX_MAX = UINT32_MAX - 1;

void samples_free(struct samples *samples)
{
    matrix_free(&samples->matrix);
    free(samples->target);
    free(samples->text);
    samples->target = NULL;
    samples->text = NULL;
}

static bool line_ends(const struct cursor *cursor, const char *at)
{
    return *at == '#' || cursor_line_ends(cursor, at);
}

/* Skips a comment, then the line's end. */
static enum status end_line(struct cursor *cursor, const char *at)
{
    if (*at == '#') {
        const char *stop = memchr(at, '\n', (size_t)(cursor->end - at));
        if (!stop)
            stop = cursor->end;
        const char *nul = memchr(at, '\0', (size_t)(stop - at));
        if (nul)
            return cursor_fail(cursor, nul, "found a NUL byte: this is not a text file");
        at = stop;
    }
    cursor_next_line(cursor, at);
    return STATUS_OK;
}

/* Reads the label at `at`; *stop is the character after it. */
static enum status read_label(const struct cursor *cursor, const char *at, const char **stop, double *label)
{
    char shown[CURSOR_SHOWN];
    enum number_kind kind = number_read(at, cursor->locale, stop, label);
    if (kind == NUMBER_NONE && *at == ':')
        return cursor_fail(cursor, at, "found ':' where the label belongs");
    if (kind)
        return cursor_number_error(cursor, kind, at, *stop);
    if (**stop == ':')
        return cursor_fail(cursor, at, "missing label: the line starts with the feature %s",
                           cursor_show(cursor, at, shown));
    if (**stop != ' ' && **stop != '\t' && !line_ends(cursor, *stop))
        return cursor_fail(cursor, *stop, "found %s after the label, which a blank must follow",
                           cursor_show(cursor, *stop, shown));
    return STATUS_OK;
}

/* The error for an index at `at` that does not read as DIGITS ':' (stop is where it went wrong). */
static enum status index_error(const struct cursor *cursor, const char *at, const char *stop)
{
    char shown[CURSOR_SHOWN];
    if (!strncmp(at, "qid:", 4))
        return cursor_fail(cursor, at, "qid: is for ranking problems, which sgdlab does not have");
    if (stop == at && *at == '-')
        return cursor_fail(cursor, at, "found the negative index %s: indices start at 1",
                           cursor_show(cursor, at, shown));
    if (stop == at)
        return cursor_fail(cursor, at, "found %s where INDEX:VALUE belongs", cursor_show(cursor, at, shown));
    return cursor_fail(cursor, stop, "found %s where a ':' must follow the index", cursor_show(cursor, stop, shown));
}

static enum status index_order_error(const struct cursor *cursor, const char *at, uint64_t index, uint64_t last)
{
    char shown[CURSOR_SHOWN];
    if (index > INDEX_MAX)
        return cursor_fail(cursor, at, "found index %s: the largest allowed is %llu", cursor_show(cursor, at, shown),
                           (unsigned long long)INDEX_MAX);
    if (index == 0)
        return cursor_fail(cursor, at, "found index 0: indices start at 1");
    return cursor_fail(cursor, at, "found index %llu %s: indices must increase within a line",
                       (unsigned long long)index, index == last ? "a second time" : "after a larger one");
}

/* The features of one line into entries *nnz and on of the matrix, whose cols becomes the largest index seen. */
static enum status read_features(struct cursor *cursor, const char *at, struct matrix *matrix, size_t *nnz)
{
    uint64_t last = 0;
    size_t entry = *nnz;
    const char *stop;
    char shown[CURSOR_SHOWN];
    for (;;) {
        at = cursor_skip_blanks(at);
        if (line_ends(cursor, at))
            break;
        uint64_t index = 0;
        for (stop = at; number_digit(*stop); stop++)
            if (index <= INDEX_MAX) /* stays above it, without wrapping */
                index = 10 * index + (uint64_t)(*stop - '0');
        if (stop == at || *stop != ':')
            return index_error(cursor, at, stop);
        if (index <= last || index > INDEX_MAX)
            return index_order_error(cursor, at, index, last);
        last = index;
        at = stop + 1;
        double value;
        enum number_kind kind = number_read(at, cursor->locale, &stop, &value);
        if (kind)
            return cursor_number_error(cursor, kind, at, stop);
        at = stop;
        if (*at != ' ' && *at != '\t' && !line_ends(cursor, at))
            return cursor_fail(cursor, at, "found %s after a value, which a blank must follow",
                               cursor_show(cursor, at, shown));
        matrix->value[entry] = value;
        matrix->column[entry] = (uint32_t)(index - 1);
        entry += value != 0;
    }
    *nnz = entry;
    if (last > matrix->cols)
        matrix->cols = last;
    return end_line(cursor, at);
}

static enum status read_lines(struct cursor *cursor, struct samples *samples)
{
    struct matrix *matrix = &samples->matrix;
    size_t rows = 0, nnz = 0;
    while (cursor->at < cursor->end) {
        const char *at = cursor_skip_blanks(cursor->at), *stop;
        enum status status;
        if (line_ends(cursor, at)) {
            status = end_line(cursor, at);
        } else {
            status = read_label(cursor, at, &stop, &samples->target[rows]);
            if (!status)
                status = read_features(cursor, stop, matrix, &nnz);
            matrix->row[++rows] = nnz;
        }
        if (status)
            return status;
    }
    matrix->rows = rows;
    matrix->nnz = nnz;
    if (!rows)
        return cursor_fail(cursor, cursor->end, "found no samples: the file is empty");
    if (!matrix->cols)
        return cursor_fail(cursor, cursor->end, "found no features: every line holds a label only");
    return STATUS_OK;
}

/* Keeps whichever form is smaller. */
static enum status choose_layout(struct matrix *matrix, struct error *error)
{
    size_t dense_bytes, sparse_bytes = matrix->nnz * (sizeof(double) + sizeof(uint32_t));
    if (__builtin_mul_overflow(matrix->rows * sizeof(double), matrix->cols, &dense_bytes) || sparse_bytes < dense_bytes)
        return STATUS_OK;
    struct matrix dense;
    enum status status = matrix_to_dense(matrix, &dense, error);
    if (status)
        return status;
    matrix_free(matrix);
    *matrix = dense;
    return STATUS_OK;
}

enum status reader_libsvm(const char *text, size_t size, const char *file, struct samples *samples, struct error *error)
{
    *samples = (struct samples){0};
    /* Bounds, so that nothing is moved or checked while reading. A row takes two characters, its line's end included,
     * an entry four and a colon. */
    size_t lines = 1, colons = 0;
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    for (size_t i = 0; i < size; i++)
        colons += text[i] == ':';
    size_t rows = lines < size / 2 + 1 ? lines : size / 2 + 1;
    size_t nnz =
        (colons < size / SHORTEST_ENTRY ? colons : size / SHORTEST_ENTRY) + 1; /* 1: a zero is written, then dropped */

    struct cursor cursor;
    enum status status = cursor_open(&cursor, text, size, file, error);
    if (!status)
        status = matrix_alloc_sparse(&samples->matrix, rows, 0, nnz, error);
    if (!status && !(samples->target = calloc(rows, sizeof *samples->target)))
        status = error_memory(error, rows * sizeof *samples->target, "the labels");
    if (!status)
        status = read_lines(&cursor, samples);
    if (!status)
        status = choose_layout(&samples->matrix, error);
    cursor_close(&cursor);
    if (status)
        samples_free(samples);
    return status;
}
