/* Readers of LIBSVM and CSV text. Linear in time and memory, strict: what is not a finite number where one belongs is
 * an error with file, line and column (1-based, in bytes; the column of the offending character).
 *
 * Common to both: lines end in LF or CR LF; blank lines and blanks around numbers do not count; a UTF-8 byte order mark
 * at the start is skipped; numbers are read as strtod does in the C locale, whatever the process's locale (number.h).
 *
 * LIBSVM: LABEL INDEX:VALUE INDEX:VALUE ... with indices from 1 to 2^32-2, increasing; a '#' starts a comment up to the
 * end of the line. The number of columns is the largest index found. Written zeros are not stored. The matrix is CSR,
 * or dense where that is the smaller form: 12 bytes * nonzeros >= 8 bytes * rows * columns (about two thirds full).
 *
 * CSV: comma-separated, RFC 4180 quotes, one row per sample, dense. The first line is a header if none of its unquoted
 * fields is a number, and data if all of its fields are, or all but a target column of texts; another mixture is an
 * error. Every column but the target is a feature. The target column holds numbers, or classes as texts if the first
 * sample's is no number: then every one of them must be a text. */
#ifndef SGDLAB_READER_H
#define SGDLAB_READER_H

#include <stddef.h>

#include "data/matrix.h"
#include "error.h"

enum { LABELS_MAX = 256, LABEL_TEXT_SIZE = 101 }; /* classes; bytes of one in words, with its NUL */

/* Features and raw targets as found in a file. */
struct samples {
    struct matrix matrix;
    double *target;                /* matrix.rows of them; indices into text where classes are texts */
    char (*text)[LABEL_TEXT_SIZE]; /* the classes, ascending bytewise, each once; NULL: the targets are numbers */
    size_t texts;
    size_t text_line, text_column; /* where the first one stands */
};

void samples_free(struct samples *samples); /* also of an all-zero struct */

/* text[0..size-1] and a NUL at text[size]. file is the name used in errors. STATUS_INPUT, STATUS_MEMORY. */
enum status reader_libsvm(const char *text, size_t size, const char *file, struct samples *samples,
                          struct error *error);

/* target: name of the column that holds the targets or its number from 1 (a name goes first); NULL: the column named y,
 * label or target (the first of these names that is there), else the last. Also STATUS_USAGE for a target that is not
 * there. */
enum status reader_csv(const char *text, size_t size, const char *file, const char *target, struct samples *samples,
                       struct error *error);

#endif
