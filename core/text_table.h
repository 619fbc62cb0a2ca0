/* A text table: UTF-8, RFC 4180 (comma, quotes doubled, CRLF), numbers that round-trip. */
#ifndef SGDLAB_TEXT_TABLE_H
#define SGDLAB_TEXT_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "output.h"

struct text_table {
    struct output_file file;
    bool begun; /* the row has a field already */
};

/* Write errors show when the file is kept (output_file_keep). */
void table_text(struct text_table *table, const char *text);
void table_real(struct text_table *table, double value);
void table_real_or_blank(struct text_table *table, double value); /* NaN: blank */
void table_count(struct text_table *table, uint64_t value);
void table_blank(struct text_table *table);
void table_end(struct text_table *table);

#endif
