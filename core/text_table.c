/* Fields and rows of a text table. */
#include "text_table.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "json.h"

static void put(struct text_table *table, const char *text, size_t length)
{
    output_write(&table->file, text, length);
}

static void begin(struct text_table *table)
{
    if (table->begun)
        put(table, ",", 1);
    table->begun = true;
}

void table_text(struct text_table *table, const char *text)
{
    begin(table);
    if (!strpbrk(text, ",\"\r\n")) {
        put(table, text, strlen(text));
        return;
    }
    put(table, "\"", 1);
    for (const char *quote; (quote = strchr(text, '"')); text = quote + 1) {
        put(table, text, (size_t)(quote - text));
        put(table, "\"\"", 2);
    }
    put(table, text, strlen(text));
    put(table, "\"", 1);
}

void table_real(struct text_table *table, double value)
{
    char text[NUMBER_TEXT_MAX];
    size_t length = number_text(text, value);
    begin(table);
    put(table, text, length);
}

void table_real_or_blank(struct text_table *table, double value)
{
    if (isnan(value))
        table_blank(table);
    else
        table_real(table, value);
}

void table_count(struct text_table *table, uint64_t value)
{
    char text[24], *end = text + sizeof text, *at = end;
    do
        *--at = (char)('0' + value % 10);
    while (value /= 10);
    begin(table);
    put(table, at, (size_t)(end - at));
}

void table_blank(struct text_table *table)
{
    begin(table);
}

void table_end(struct text_table *table)
{
    put(table, "\r\n", 2);
    table->begun = false;
}
