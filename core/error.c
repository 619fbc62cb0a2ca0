/* Filling and showing struct error. */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void put(struct error *error, enum status status, const char *file, size_t line, size_t column,
                const char *format, va_list args)
{
    if (!error)
        return;
    error->status = status;
    error->line = line;
    error->column = column;
    snprintf(error->file, sizeof error->file, "%s", file ? file : "");
    vsnprintf(error->message, sizeof error->message, format, args);
}

enum status error_set(struct error *error, enum status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put(error, status, NULL, 0, 0, format, args);
    va_end(args);
    return status;
}

enum status error_at(struct error *error, enum status status, const char *file, size_t line, size_t column,
                     const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put(error, status, file, line, column, format, args);
    va_end(args);
    return status;
}

enum status error_memory(struct error *error, size_t bytes, const char *what)
{
    return error_set(error, STATUS_MEMORY, "out of memory (%zu bytes for %s)", bytes, what);
}

const char *error_text(const struct error *error, char *text, size_t size)
{
    if (error->file[0] && error->line && error->column)
        snprintf(text, size, "%s:%zu:%zu: %s", error->file, error->line, error->column, error->message);
    else if (error->file[0] && error->line)
        snprintf(text, size, "%s:%zu: %s", error->file, error->line, error->message);
    else if (error->file[0])
        snprintf(text, size, "%s: %s", error->file, error->message);
    else
        snprintf(text, size, "%s", error->message);
    return text;
}
