/* Writing JSON (RFC 8259) into a growing text. Only writing: nothing in sgdlab reads JSON. */
#ifndef SGDLAB_JSON_H
#define SGDLAB_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Start from a zeroed struct. An allocation that fails sets `failed` and makes every later call do nothing, so that one
 * check at the end is enough. */
struct json {
    char *text; /* NUL-terminated once anything was written */
    size_t length, capacity;
    bool failed;
    bool separate; /* the next element needs a comma before it */
};

void json_begin(struct json *json, char bracket); /* '{' or '[' */
void json_end(struct json *json, char bracket);   /* '}' or ']' */
void json_key(struct json *json, const char *key);

/* Bytes of the UTF-8 sequence at text, 0 when it is not a valid one (RFC 3629: no overlong forms, no surrogates). */
size_t utf8_length(const unsigned char *text);

/* Strings become valid UTF-8: what is not is replaced by U+FFFD. NULL writes null. */
void json_string(struct json *json, const char *text);
/* Numbers round-trip. JSON has no inf and nan: they are written as the strings "inf", "-inf" and "nan". */
void json_real(struct json *json, double value);
void json_count(struct json *json, uint64_t value);
void json_bool(struct json *json, bool value);
void json_raw(struct json *json, const char *text); /* one element that is JSON already; NULL or "": null */

/* The text, which the caller frees; NULL when out of memory. The struct is empty afterwards. */
char *json_take(struct json *json);

/* Any finite double in at most this many characters, with the NUL. */
enum { NUMBER_TEXT_MAX = 32 };
/* A text that strtod reads back as the same double: short for numbers of up to 12 digits, else 17 digits; "inf",
 * "-inf", "nan". The decimal point is a point in every locale. Returns its length. */
size_t number_text(char text[NUMBER_TEXT_MAX], double value);

#endif
