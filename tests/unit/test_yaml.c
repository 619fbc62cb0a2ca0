/* The YAML subset: trees with places, and everything that is refused. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "yaml_tree.h"

static struct arena arena;

static void close_arena(void)
{
    arena_free(&arena);
}

TestSuite(yaml, .fini = close_arena);

static struct yaml_node *parse(const char *text)
{
    struct yaml_node *node = NULL;
    struct error error = {0};
    cr_assert_eq(yaml_parse(text, strlen(text), "f.yaml", &arena, &node, &error), STATUS_OK, "%s: %s", text,
                 error.message);
    return node;
}

Test(yaml, every_node_has_its_place)
{
    struct yaml_node *root = parse("a: 1\nbc:\n  - x\n  - {d: 'two'}\n");
    cr_assert_eq(root->kind, YAML_MAPPING);
    cr_expect_eq(root->count, 2);
    struct yaml_entry *a = yaml_find(root, "a"), *bc = yaml_find(root, "bc");
    cr_expect(a->line == 1 && a->column == 1 && a->value->line == 1 && a->value->column == 4);
    cr_expect(bc->line == 2 && bc->column == 1 && bc->value->kind == YAML_SEQUENCE);
    struct yaml_node *x = bc->value->entry[0].value, *inner = bc->value->entry[1].value;
    cr_expect(x->line == 3 && x->column == 5);
    cr_expect_str_eq(x->text, "x");
    cr_expect(inner->line == 4 && inner->column == 5 && inner->entry[0].line == 4 && inner->entry[0].column == 6);
    cr_expect(inner->entry[0].value->quoted);
    cr_expect_not(x->quoted);
    cr_expect_null(yaml_find(root, "b"));
    cr_expect_str_eq(root->file, "f.yaml");
}

Test(yaml, columns_count_characters)
{
    struct yaml_node *root = parse("\"\xc3\xa9\xc3\xa9\": [1, x]\n");
    cr_expect_eq(root->entry[0].value->column, 7, "%zu", root->entry[0].value->column);
}

Test(yaml, byte_order_mark_and_carriage_returns)
{
    struct yaml_node *root = parse("\xef\xbb\xbf"
                                   "a: 1\r\nb: x\r\n");
    cr_expect_eq(root->count, 2);
    cr_expect_str_eq(root->entry[0].key, "a");
    cr_expect_str_eq(root->entry[1].value->text, "x");
    cr_expect(root->entry[1].line == 2 && root->entry[0].column == 1);
}

Test(yaml, json)
{
    struct json json = {0};
    yaml_json(parse("{b: [1.0, 1e-3, '2', true, null, ~, text], a: {z: 1, y: .5}}"), true, &json);
    char *text = json_take(&json);
    cr_expect_str_eq(text, "{\"a\":{\"y\":0.5,\"z\":1},\"b\":[1,0.001,\"2\",true,null,null,\"text\"]}");
    free(text);
}

struct refusal {
    const char *text;
    size_t line, column;
    const char *word;
};

Test(yaml, refusals_have_a_place)
{
    static const struct refusal cases[] = {
        {"a: 1\nb: *x\n", 2, 4, "alias"},
        {"a: &x 1\n", 1, 4, "anchor"},
        {"a: &x [1]\n", 1, 4, "anchor"},
        {"a: &x {b: 1}\n", 1, 4, "anchor"},
        {"a: !int 1\n", 1, 4, "tag"},
        {"a: !!set {b: 1}\n", 1, 4, "tag"},
        {"a: ! [b]\n", 1, 4, "tag"},
        {"a: 1\nb: 2\na: 3\n", 3, 1, "'a' stands here a second time (first in line 1)"},
        {"a: {c: 1, b: 2, c: 3}\n", 1, 17, "'c' stands here a second time"},
        {"a: 1\n---\nb: 2\n", 2, 1, "second document"},
        {"a: 1\n...\n---\nb: 2\n", 3, 1, "second document"},
        {"? [a, b]\n: 1\n", 1, 3, "a key must be one word"},
        {"", 1, 1, "empty"},
        {"# nothing\n", 1, 1, "empty"},
        {"a: [1, 2\nb: 3\n", 2, 2, "not valid YAML"},
        {"a: 1\n  b: 2\n", 2, 4, "not valid YAML"},
        {"a: \"x\n", 2, 1, "not valid YAML"},
        {"a: \"\\0\"\n", 1, 4, "NUL"},
        {"a: 1\nb: \xff\n", 2, 4, "not valid YAML"},
        {"a: 1\nb: \x01\n", 2, 4, "not valid YAML"},
        {"\t a: 1\n", 1, 1, "not valid YAML"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct yaml_node *node;
        struct error error = {0};
        enum status status = yaml_parse(cases[i].text, strlen(cases[i].text), "f.yaml", &arena, &node, &error);
        cr_expect_eq(status, STATUS_USAGE, "'%s' passed", cases[i].text);
        cr_expect(error.line == cases[i].line && error.column == cases[i].column, "'%s': %zu:%zu %s", cases[i].text,
                  error.line, error.column, error.message);
        cr_expect(strstr(error.message, cases[i].word), "'%s': %s", cases[i].text, error.message);
    }
}

static enum status parse_nested(size_t depth, struct error *error)
{
    char text[512] = "";
    for (size_t i = 0; i < depth; i++)
        strcat(text, "[");
    for (size_t i = 0; i < depth; i++)
        strcat(text, "]");
    struct yaml_node *node;
    return yaml_parse(text, strlen(text), "f.yaml", &arena, &node, error);
}

Test(yaml, depth_is_limited)
{
    struct error error = {0};
    cr_expect_eq(parse_nested(YAML_DEPTH_MAX, &error), STATUS_OK, "%s", error.message);
    cr_expect_eq(parse_nested(YAML_DEPTH_MAX + 1, &error), STATUS_USAGE);
    cr_expect_eq(error.column, 65);
    cr_expect(strstr(error.message, "64 levels"), "%s", error.message);
    cr_expect_eq(parse_nested(200, &error), STATUS_USAGE);
}

Test(yaml, size_is_limited)
{
    size_t length = YAML_TEXT_MAX + 1;
    char *text = malloc(length + 1);
    memset(text, ' ', length);
    text[0] = 'a';
    struct yaml_node *node;
    struct error error = {0};
    cr_expect_eq(yaml_parse(text, length, "f.yaml", &arena, &node, &error), STATUS_USAGE);
    cr_expect(strstr(error.message, "1 MiB"), "%s", error.message);
    cr_expect_eq(yaml_parse(text, length - 1, "f.yaml", &arena, &node, &error), STATUS_OK, "%s", error.message);
    free(text);
}

/* A MiB of keys is read in the time of sorting them, not of comparing all pairs. */
Test(yaml, many_keys, .timeout = 20)
{
    char *text = malloc(YAML_TEXT_MAX), *at = text;
    for (size_t i = 0; at < text + YAML_TEXT_MAX - 20; i++)
        at += sprintf(at, "k%zu: 1\n", i);
    struct yaml_node *node;
    struct error error = {0};
    cr_expect_eq(yaml_parse(text, (size_t)(at - text), "f.yaml", &arena, &node, &error), STATUS_OK, "%s",
                 error.message);
    cr_expect_gt(node->count, 90000);
    free(text);
}

/* Any prefix of a valid text, and any single changed byte, is read or refused, and never more than that. */
Test(yaml, damaged_texts)
{
    static const char text[] = "a: {b: [1, 'two', \"three\"], c: |\n   x\n}\n? d\n: - e\n# end\n";
    char copy[sizeof text];
    size_t good = 0, tried = 0;
    for (size_t i = 0; i < sizeof text; i++) {
        for (int byte = -1; byte < 256; byte += 5) {
            memcpy(copy, text, sizeof text);
            size_t length = byte < 0 ? i : sizeof text - 1;
            if (byte >= 0)
                copy[i < sizeof text - 1 ? i : 0] = (char)byte;
            struct arena one = {0};
            struct yaml_node *node;
            struct error error = {0};
            enum status status = yaml_parse(copy, length, "f.yaml", &one, &node, &error);
            cr_expect(status == STATUS_OK || (status == STATUS_USAGE && error.line && error.message[0]));
            good += status == STATUS_OK;
            tried++;
            arena_free(&one);
        }
    }
    cr_expect(good > 0 && good < tried);
}
