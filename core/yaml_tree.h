/* YAML text to a tree of nodes, each with its place. A strict subset of YAML 1.1: one document, no aliases, anchors or
 * tags, no duplicate keys, keys are scalars, depth at most 64, at most 1 MiB. */
#ifndef SGDLAB_YAML_TREE_H
#define SGDLAB_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "error.h"

enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

enum { YAML_TEXT_MAX = 1 << 20, YAML_DEPTH_MAX = 64 };

struct yaml_node;
struct yaml_entry {
    const char *key;     /* NULL in a sequence */
    size_t line, column; /* of the key */
    struct yaml_node *value;
};

struct yaml_node {
    enum yaml_kind kind;
    const char *file; /* for errors */
    size_t line, column;
    const char *text;         /* scalars */
    bool quoted;              /* scalars: in quotes, so text and never a number */
    bool computed;            /* scalars: made by logspace or linspace; counts are then rounded */
    size_t count;             /* mappings and sequences */
    struct yaml_entry *entry; /* count of them */
};

/* Parses text[length]. Everything lies in the arena; file is borrowed. An empty text is an error. */
enum status yaml_parse(const char *text, size_t length, const char *file, struct arena *arena, struct yaml_node **out,
                       struct error *error);

/* The entry of that key in a mapping, or NULL (also for NULL and for nodes that are no mapping). */
struct yaml_entry *yaml_find(const struct yaml_node *node, const char *key);

/* An error at a node; the same for the place of a key. */
enum status yaml_error(const struct yaml_node *node, enum status status, struct error *error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Gives an error that has no place yet the node's. Returns error->status. */
enum status yaml_place(const struct yaml_node *node, struct error *error);

/* "a list", "a mapping", "'text'": for messages. Returns text. */
const char *yaml_describe(const struct yaml_node *node, char *text, size_t size);

/* Does the plain scalar read as null (empty, ~ or null)? */
bool yaml_is_null(const struct yaml_node *node);

/* The tree as JSON: plain numbers as numbers in their canonical text, true and false as such, null; all else strings.
 * Keys sorted when asked. */
struct json;
void yaml_json(const struct yaml_node *node, bool sorted, struct json *json);

#endif
