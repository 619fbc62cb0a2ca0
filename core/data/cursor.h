/* A place in a text that is being read, and errors that name it. For the readers. */
#ifndef SGDLAB_CURSOR_H
#define SGDLAB_CURSOR_H

#include <locale.h>
#include <stdbool.h>
#include <stddef.h>

#include "data/number.h"
#include "error.h"

struct cursor {
    const char *at, *end; /* *end is NUL */
    const char *line_start;
    size_t line; /* of line_start, from 1 */
    const char *file;
    locale_t locale;
    struct error *error;
};

/* STATUS_MEMORY when there is no C locale to be had. Skips a byte order mark. */
enum status cursor_open(struct cursor *cursor, const char *text, size_t size, const char *file, struct error *error);
void cursor_close(struct cursor *cursor);

/* STATUS_INPUT at the character `where` of the current line. */
enum status cursor_fail(const struct cursor *cursor, const char *where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The error of a number_read at `text` that stopped at `stop`. */
enum status cursor_number_error(const struct cursor *cursor, enum number_kind kind, const char *text, const char *stop);

/* What stands at `where`, for messages: up to 24 characters in quotes, or "the end of the line" and the like. Returns
 * text. */
enum { CURSOR_SHOWN = 64 };
const char *cursor_show(const struct cursor *cursor, const char *where, char text[CURSOR_SHOWN]);

static inline const char *cursor_skip_blanks(const char *at)
{
    while (*at == ' ' || *at == '\t')
        at++;
    return at;
}

/* At a line's end: LF, CR LF, or the end of the text (with or without a CR before it). */
static inline bool cursor_line_ends(const struct cursor *cursor, const char *at)
{
    return *at == '\n' || (*at == '\r' && (at[1] == '\n' || at + 1 == cursor->end)) || at == cursor->end;
}

/* From a line's end to the start of the next line. */
static inline void cursor_next_line(struct cursor *cursor, const char *at)
{
    at += *at == '\r';
    if (at < cursor->end)
        at++;
    cursor->at = cursor->line_start = at;
    cursor->line++;
}

#endif
