/* Errors as values. Every fallible function returns an enum status and fills a struct error that the caller owns;
 * nothing in core/ prints or exits. A diverged run is an outcome (engine.h), never an error. */
#ifndef SGDLAB_ERROR_H
#define SGDLAB_ERROR_H

#include <stddef.h>

enum status {
    STATUS_OK = 0,
    STATUS_USAGE,       /* bad command line, configuration or input: exit status 2 */
    STATUS_INPUT,       /* a file that cannot be parsed: exit status 2 */
    STATUS_NOT_FOUND,   /* a file, data set or name that does not exist: exit status 2 */
    STATUS_IO,          /* reading or writing failed */
    STATUS_MEMORY,      /* an allocation failed */
    STATUS_NUMERICAL,   /* a solver could not certify its answer */
    STATUS_UNSUPPORTED, /* a valid request that this combination does not offer: exit status 2 */
    STATUS_INTERRUPTED, /* a signal asked us to stop: exit status 130 */
};

enum { ERROR_FILE_MAX = 512, ERROR_MESSAGE_MAX = 1024 };

struct error {
    enum status status;
    size_t line, column; /* 1-based; 0: not known */
    char file[ERROR_FILE_MAX];
    char message[ERROR_MESSAGE_MAX]; /* what was found and what would be valid, no trailing newline */
};

/* Fills *error (NULL is allowed) and returns status, so that `return error_set(...)` is one line. */
enum status error_set(struct error *error, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with a place. Line and column are 1-based. */
enum status error_at(struct error *error, enum status status, const char *file, size_t line, size_t column,
                     const char *format, ...) __attribute__((format(printf, 6, 7)));

/* "out of memory (N bytes for WHAT)". */
enum status error_memory(struct error *error, size_t bytes, const char *what);

/* Writes "FILE:LINE:COLUMN: message" (parts that are not known are left out) into text[size]; returns text. */
const char *error_text(const struct error *error, char *text, size_t size);

#endif
