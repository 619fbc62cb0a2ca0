/* libyaml's events to a tree. The event interface gives line and column of everything; what the program does not allow
 * is refused here, before anything looks at the contents. */
#include "yaml_tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "json.h"
#include "param.h"

struct reader {
    yaml_parser_t parser;
    const char *file, *text;
    struct arena *arena;
    struct error *error;
};

static enum status fail(struct reader *reader, yaml_mark_t mark, const char *message)
{
    return error_at(reader->error, STATUS_USAGE, reader->file, mark.line + 1, mark.column + 1, "%s", message);
}

static enum status no_memory(struct reader *reader)
{
    return error_memory(reader->error, 0, "the configuration");
}

/* Errors of the reader (encoding, control characters) come with an offset only. */
static yaml_mark_t mark_of_offset(const char *text, size_t offset)
{
    yaml_mark_t mark = {.index = offset};
    for (size_t i = 0; i < offset; i++) {
        if (text[i] == '\n') {
            mark.line++;
            mark.column = 0;
        } else if (((unsigned char)text[i] & 0xc0) != 0x80) {
            mark.column++;
        }
    }
    return mark;
}

static enum status parser_failed(struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    char message[256];
    const char *problem = parser->problem ? parser->problem : "cannot be read";
    if (parser->error == YAML_MEMORY_ERROR)
        return no_memory(reader);
    if (parser->error == YAML_READER_ERROR) {
        snprintf(message, sizeof message, "not valid YAML: %s", problem);
        return fail(reader, mark_of_offset(reader->text, parser->problem_offset), message);
    }
    snprintf(message, sizeof message, "not valid YAML: %s%s%s", problem, parser->context ? ", " : "",
             parser->context ? parser->context : "");
    return fail(reader, parser->problem_mark, message);
}

static enum status next_event(struct reader *reader, yaml_event_t *event)
{
    if (!yaml_parser_parse(&reader->parser, event))
        return parser_failed(reader);
    const char *message = NULL;
    const yaml_char_t *anchor = NULL, *tag = NULL;
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        message = "an alias (*name) is not allowed here: write the value out";
        break;
    case YAML_SCALAR_EVENT:
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
        if (strlen((const char *)event->data.scalar.value) != event->data.scalar.length)
            message = "a NUL character inside a value";
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
        break;
    default:
        break;
    }
    if (anchor)
        message = "an anchor (&name) is not allowed here";
    if (tag)
        message = "a tag (!type) is not allowed here";
    if (!message)
        return STATUS_OK;
    yaml_mark_t mark = event->start_mark;
    yaml_event_delete(event);
    return fail(reader, mark, message);
}

struct entries {
    struct yaml_entry *entry;
    size_t count, capacity;
};

static struct yaml_entry *grow(struct entries *entries)
{
    if (entries->count == entries->capacity) {
        size_t capacity = 2 * entries->capacity + 8;
        struct yaml_entry *bigger = realloc(entries->entry, capacity * sizeof *bigger);
        if (!bigger)
            return NULL;
        entries->entry = bigger;
        entries->capacity = capacity;
    }
    struct yaml_entry *entry = &entries->entry[entries->count++];
    *entry = (struct yaml_entry){0};
    return entry;
}

static int compare_keys(const void *left, const void *right)
{
    const struct yaml_entry *a = left, *b = right;
    int order = strcmp(a->key, b->key);
    if (order)
        return order;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    return (a->column > b->column) - (a->column < b->column);
}

/* Sorts a copy, so that a million keys take no square of a million comparisons. */
static enum status check_duplicates(struct reader *reader, const struct entries *entries)
{
    if (entries->count < 2)
        return STATUS_OK;
    struct yaml_entry *sorted = malloc(entries->count * sizeof *sorted);
    if (!sorted)
        return no_memory(reader);
    memcpy(sorted, entries->entry, entries->count * sizeof *sorted);
    qsort(sorted, entries->count, sizeof *sorted, compare_keys);
    enum status status = STATUS_OK;
    for (size_t i = 1; status == STATUS_OK && i < entries->count; i++)
        if (strcmp(sorted[i - 1].key, sorted[i].key) == 0)
            status = error_at(reader->error, STATUS_USAGE, reader->file, sorted[i].line, sorted[i].column,
                              "the key '%.80s' stands here a second time (first in line %zu)", sorted[i].key,
                              sorted[i - 1].line);
    free(sorted);
    return status;
}

static enum status read_node(struct reader *reader, yaml_event_t *event, size_t depth, struct yaml_node **out);

/* The key of a mapping's next entry; *end: there is none. */
static enum status read_key(struct reader *reader, struct entries *entries, struct yaml_entry **out, bool *end)
{
    yaml_event_t event;
    enum status status = next_event(reader, &event);
    if (status != STATUS_OK)
        return status;
    yaml_mark_t mark = event.start_mark;
    *end = event.type == YAML_MAPPING_END_EVENT;
    if (!*end && event.type != YAML_SCALAR_EVENT) {
        status = fail(reader, mark, "a key must be one word, not a list or a mapping");
    } else if (!*end) {
        struct yaml_entry *entry = grow(entries);
        char *key = arena_text(reader->arena, (const char *)event.data.scalar.value, event.data.scalar.length);
        if (entry && key)
            *entry = (struct yaml_entry){.key = key, .line = mark.line + 1, .column = mark.column + 1};
        else
            status = no_memory(reader);
        *out = entry;
    }
    yaml_event_delete(&event);
    return status;
}

static enum status read_children(struct reader *reader, struct yaml_node *node, size_t depth, struct entries *entries)
{
    for (;;) {
        struct yaml_entry *entry = NULL;
        enum status status = STATUS_OK;
        if (node->kind == YAML_MAPPING) {
            bool end;
            status = read_key(reader, entries, &entry, &end);
            if (status != STATUS_OK || end)
                return status;
        }
        yaml_event_t event;
        status = next_event(reader, &event);
        if (status != STATUS_OK)
            return status;
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return STATUS_OK;
        }
        struct yaml_node *value;
        status = read_node(reader, &event, depth + 1, &value);
        if (status != STATUS_OK)
            return status;
        if (!entry && !(entry = grow(entries)))
            return no_memory(reader);
        entry->value = value;
    }
}

/* Takes the event over. */
static enum status read_node(struct reader *reader, yaml_event_t *event, size_t depth, struct yaml_node **out)
{
    yaml_mark_t mark = event->start_mark;
    struct yaml_node *node = arena_alloc(reader->arena, sizeof *node);
    enum status status = node ? STATUS_OK : no_memory(reader);
    if (status == STATUS_OK) {
        *node = (struct yaml_node){.file = reader->file, .line = mark.line + 1, .column = mark.column + 1};
        if (event->type == YAML_SCALAR_EVENT) {
            node->kind = YAML_SCALAR;
            node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
            node->text = arena_text(reader->arena, (const char *)event->data.scalar.value, event->data.scalar.length);
            if (!node->text)
                status = no_memory(reader);
        } else {
            node->kind = event->type == YAML_MAPPING_START_EVENT ? YAML_MAPPING : YAML_SEQUENCE;
        }
    }
    yaml_event_delete(event);
    *out = node;
    if (status != STATUS_OK || node->kind == YAML_SCALAR)
        return status;
    if (depth >= YAML_DEPTH_MAX)
        return fail(reader, mark, "nested more than 64 levels deep");

    struct entries entries = {0};
    status = read_children(reader, node, depth, &entries);
    if (status == STATUS_OK && node->kind == YAML_MAPPING)
        status = check_duplicates(reader, &entries);
    if (status == STATUS_OK && entries.count) {
        node->count = entries.count;
        node->entry = arena_alloc(reader->arena, entries.count * sizeof *node->entry);
        if (node->entry)
            memcpy(node->entry, entries.entry, entries.count * sizeof *node->entry);
        else
            status = no_memory(reader);
    }
    free(entries.entry);
    return status;
}

static enum status read_document(struct reader *reader, struct yaml_node **out)
{
    yaml_event_t event;
    enum status status;
    do { /* stream start and document start */
        status = next_event(reader, &event);
        if (status != STATUS_OK)
            return status;
        if (event.type == YAML_STREAM_END_EVENT) {
            yaml_event_delete(&event);
            return error_at(reader->error, STATUS_USAGE, reader->file, 1, 1, "the file is empty");
        }
        if (event.type == YAML_DOCUMENT_START_EVENT || event.type == YAML_STREAM_START_EVENT)
            yaml_event_delete(&event);
        else
            break;
    } while (true);
    status = read_node(reader, &event, 0, out);
    while (status == STATUS_OK) { /* the ends, and nothing after them */
        status = next_event(reader, &event);
        if (status != STATUS_OK)
            break;
        yaml_event_type_t type = event.type;
        yaml_mark_t mark = event.start_mark;
        yaml_event_delete(&event);
        if (type == YAML_STREAM_END_EVENT)
            break;
        if (type == YAML_DOCUMENT_START_EVENT)
            status = fail(reader, mark, "a second document starts here: one file is one experiment");
    }
    return status;
}

enum status yaml_parse(const char *text, size_t length, const char *file, struct arena *arena, struct yaml_node **out,
                       struct error *error)
{
    if (length > YAML_TEXT_MAX)
        return error_at(error, STATUS_USAGE, file, 0, 0, "%zu bytes: a configuration may have at most 1 MiB", length);
    if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* the byte order mark of some editors */
        text += 3;
        length -= 3;
    }
    struct reader reader = {.file = file, .text = text, .arena = arena, .error = error};
    if (!yaml_parser_initialize(&reader.parser))
        return no_memory(&reader);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, length);
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    enum status status = read_document(&reader, out);
    yaml_parser_delete(&reader.parser);
    return status;
}

struct yaml_entry *yaml_find(const struct yaml_node *node, const char *key)
{
    if (!node || node->kind != YAML_MAPPING)
        return NULL;
    for (size_t i = 0; i < node->count; i++)
        if (strcmp(node->entry[i].key, key) == 0)
            return &node->entry[i];
    return NULL;
}

enum status yaml_error(const struct yaml_node *node, enum status status, struct error *error, const char *format, ...)
{
    char message[ERROR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return error_at(error, status, node->file, node->line, node->column, "%s", message);
}

enum status yaml_place(const struct yaml_node *node, struct error *error)
{
    if (!error)
        return STATUS_USAGE;
    if (!error->file[0]) {
        snprintf(error->file, sizeof error->file, "%s", node->file);
        error->line = node->line;
        error->column = node->column;
    }
    return error->status;
}

const char *yaml_describe(const struct yaml_node *node, char *text, size_t size)
{
    if (node->kind == YAML_SEQUENCE)
        snprintf(text, size, "a list");
    else if (node->kind == YAML_MAPPING)
        snprintf(text, size, "a mapping");
    else if (yaml_is_null(node))
        snprintf(text, size, "nothing");
    else
        snprintf(text, size, "'%.60s'", node->text);
    return text;
}

bool yaml_is_null(const struct yaml_node *node)
{
    return node->kind == YAML_SCALAR && !node->quoted &&
           (!node->text[0] || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0);
}

static int compare_names(const void *left, const void *right)
{
    const struct yaml_entry *const *a = left, *const *b = right;
    return strcmp((*a)->key, (*b)->key);
}

static void mapping_json(const struct yaml_node *node, bool sorted, struct json *json)
{
    const struct yaml_entry **order = malloc((node->count + 1) * sizeof *order);
    if (!order) {
        json->failed = true;
        return;
    }
    for (size_t i = 0; i < node->count; i++)
        order[i] = &node->entry[i];
    if (sorted)
        qsort(order, node->count, sizeof *order, compare_names);
    json_begin(json, '{');
    for (size_t i = 0; i < node->count; i++) {
        json_key(json, order[i]->key);
        yaml_json(order[i]->value, sorted, json);
    }
    json_end(json, '}');
    free(order);
}

void yaml_json(const struct yaml_node *node, bool sorted, struct json *json)
{
    double value;
    if (node->kind == YAML_MAPPING) {
        mapping_json(node, sorted, json);
    } else if (node->kind == YAML_SEQUENCE) {
        json_begin(json, '[');
        for (size_t i = 0; i < node->count; i++)
            yaml_json(node->entry[i].value, sorted, json);
        json_end(json, ']');
    } else if (yaml_is_null(node)) {
        json_raw(json, NULL);
    } else if (!node->quoted && number_parse(node->text, &value)) {
        json_real(json, value);
    } else if (!node->quoted && (strcmp(node->text, "true") == 0 || strcmp(node->text, "false") == 0)) {
        json_bool(json, node->text[0] == 't');
    } else {
        json_string(json, node->text);
    }
}
