/* Places in a text and the errors that name them. */
#include "data/cursor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum status cursor_open(struct cursor *cursor, const char *text, size_t size, const char *file, struct error *error)
{
    const char *start = text;
    if (size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
        start += 3;
    *cursor =
        (struct cursor){.at = start, .end = text + size, .line_start = start, .line = 1, .file = file, .error = error};
    cursor->locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!cursor->locale)
        return error_memory(error, 0, "the C locale");
    return STATUS_OK;
}

void cursor_close(struct cursor *cursor)
{
    if (cursor->locale)
        freelocale(cursor->locale);
    cursor->locale = (locale_t)0;
}

enum status cursor_fail(const struct cursor *cursor, const char *where, const char *format, ...)
{
    char message[ERROR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return error_at(cursor->error, STATUS_INPUT, cursor->file, cursor->line, (size_t)(where - cursor->line_start) + 1,
                    "%s", message);
}

const char *cursor_show(const struct cursor *cursor, const char *where, char text[CURSOR_SHOWN])
{
    enum { WIDTH = 24 };
    if (where == cursor->end)
        return strcpy(text, "the end of the file");
    if (cursor_line_ends(cursor, where))
        return strcpy(text, "the end of the line");
    if (*where == '\0')
        return strcpy(text, "a NUL byte");
    if (*where == ' ' || *where == '\t')
        return strcpy(text, "a blank");
    if ((unsigned char)*where < 32 || *where == 127) {
        snprintf(text, CURSOR_SHOWN, "byte 0x%02x", (unsigned)(unsigned char)*where);
        return text;
    }
    /* Up to the next separator, but at least the character itself; other bytes (UTF-8) pass through. */
    int length = 1;
    while (length < WIDTH && (unsigned char)where[length] > 32 && where[length] != 127 && where[length] != ',')
        length++;
    bool more = length == WIDTH && (unsigned char)where[length] > 32 && where[length] != ',';
    while (more && length > 1 && ((unsigned char)where[length] & 0xc0) == 0x80)
        length--; /* never half a UTF-8 character */
    snprintf(text, CURSOR_SHOWN, "'%.*s%s'", length, where, more ? "..." : "");
    return text;
}

enum status cursor_number_error(const struct cursor *cursor, enum number_kind kind, const char *text, const char *stop)
{
    char shown[CURSOR_SHOWN];
    switch (kind) {
    case NUMBER_NAN:
        return cursor_fail(cursor, text, "found %s: missing values (NaN) are not allowed, only finite numbers",
                           cursor_show(cursor, text, shown));
    case NUMBER_INFINITE:
        return cursor_fail(cursor, text, "found %s: infinity is not allowed, only finite numbers",
                           cursor_show(cursor, text, shown));
    case NUMBER_RANGE:
        return cursor_fail(cursor, text, "found %s: beyond the largest double, 1.797e308 (infinity is not allowed)",
                           cursor_show(cursor, text, shown));
    case NUMBER_LONG:
        return cursor_fail(cursor, text, "found a number of %td characters, at most %d are allowed", stop - text,
                           NUMBER_LENGTH_MAX);
    case NUMBER_NONE:
    case NUMBER_OK:
        break;
    }
    return cursor_fail(cursor, stop, "found %s where a number belongs", cursor_show(cursor, stop, shown));
}
