/* Writing JSON: brackets and commas, escapes, numbers. */
#include "json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void append(struct json *json, const char *text, size_t length)
{
    if (json->failed)
        return;
    if (json->capacity - json->length <= length) { /* < would leave no room for the NUL */
        size_t capacity = 2 * json->capacity + length + 64;
        char *bigger = realloc(json->text, capacity);
        if (!bigger) {
            json->failed = true;
            return;
        }
        json->text = bigger;
        json->capacity = capacity;
    }
    memcpy(json->text + json->length, text, length);
    json->length += length;
    json->text[json->length] = '\0';
}

static void element(struct json *json)
{
    if (json->separate)
        append(json, ",", 1);
    json->separate = true;
}

void json_begin(struct json *json, char bracket)
{
    element(json);
    append(json, &bracket, 1);
    json->separate = false;
}

void json_end(struct json *json, char bracket)
{
    append(json, &bracket, 1);
    json->separate = true;
}

size_t utf8_length(const unsigned char *text)
{
    unsigned char first = text[0], low = 0x80, high = 0xbf;
    size_t length = 0;
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf)
        length = 2;
    else if (first >= 0xe0 && first <= 0xef)
        length = 3;
    else if (first >= 0xf0 && first <= 0xf4)
        length = 4;
    if (first == 0xe0)
        low = 0xa0;
    else if (first == 0xed)
        high = 0x9f;
    else if (first == 0xf0)
        low = 0x90;
    else if (first == 0xf4)
        high = 0x8f;
    for (size_t i = 1; i < length; i++) { /* a NUL is outside every range, so this never reads past the end */
        if (text[i] < low || text[i] > high)
            return 0;
        low = 0x80;
        high = 0xbf;
    }
    return length;
}

static void quoted(struct json *json, const char *text)
{
    append(json, "\"", 1);
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        size_t length = utf8_length(at);
        if (length == 0) {
            append(json, "\xef\xbf\xbd", 3);
            at++;
            continue;
        }
        if (*at == '"' || *at == '\\') {
            char escaped[2] = {'\\', (char)*at};
            append(json, escaped, 2);
        } else if (*at == '\n') {
            append(json, "\\n", 2);
        } else if (*at < 0x20 || *at == 0x7f) {
            char escaped[8];
            append(json, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned)*at));
        } else {
            append(json, (const char *)at, length);
        }
        at += length;
    }
    append(json, "\"", 1);
}

void json_key(struct json *json, const char *key)
{
    element(json);
    quoted(json, key);
    append(json, ":", 1);
    json->separate = false;
}

void json_string(struct json *json, const char *text)
{
    if (!text) {
        json_raw(json, NULL);
        return;
    }
    element(json);
    quoted(json, text);
}

void json_real(struct json *json, double value)
{
    char text[NUMBER_TEXT_MAX];
    size_t length = number_text(text, value);
    element(json);
    if (isfinite(value))
        append(json, text, length);
    else
        quoted(json, text);
}

void json_count(struct json *json, uint64_t value)
{
    char text[24];
    element(json);
    append(json, text, (size_t)snprintf(text, sizeof text, "%" PRIu64, value));
}

void json_bool(struct json *json, bool value)
{
    json_raw(json, value ? "true" : "false");
}

void json_raw(struct json *json, const char *text)
{
    if (!text || !*text)
        text = "null";
    element(json);
    append(json, text, strlen(text));
}

char *json_take(struct json *json)
{
    char *text = json->text;
    if (json->failed) {
        free(text);
        text = NULL;
    }
    *json = (struct json){0};
    return text;
}

/* The decimal point of a locale may be several bytes; whatever is not part of a number becomes one point. */
static size_t to_point(char *text)
{
    size_t length = 0;
    for (const char *at = text; *at; at++) {
        if (strchr("0123456789+-e", *at))
            text[length++] = *at;
        else if (length == 0 || text[length - 1] != '.')
            text[length++] = '.';
    }
    text[length] = '\0';
    return length;
}

/* Is it worth looking for a short text? Measured numbers have none, and trying 15 digits first would cost more than
 * twice the time of a large table. Scaled to 12 digits a short number is whole, but for rounding; an infinity or NaN
 * from scaling counts as yes. */
static bool may_be_short(double value)
{
    double scaled = fabs(value) * pow(10.0, 11.0 - floor(log10(fabs(value))));
    return !(fabs(scaled - rint(scaled)) > 0.01);
}

size_t number_text(char text[NUMBER_TEXT_MAX], double value)
{
    if (isnan(value))
        return (size_t)snprintf(text, NUMBER_TEXT_MAX, "nan");
    if (isinf(value))
        return (size_t)snprintf(text, NUMBER_TEXT_MAX, value > 0.0 ? "inf" : "-inf");
    bool found = false;
    if (may_be_short(value)) {
        snprintf(text, NUMBER_TEXT_MAX, "%.15g", value);
        found = strtod(text, NULL) == value; /* printf and strtod share the locale */
    }
    if (!found)
        snprintf(text, NUMBER_TEXT_MAX, "%.17g", value);
    return to_point(text);
}
