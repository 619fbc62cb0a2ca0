/* Recursive descent to reverse Polish notation, and its evaluation. */
#include "expression.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "data/number.h"

enum { DEPTH_MAX = 16 };

struct parser {
    const char *start, *at;
    size_t depth;
    struct expression *out;
    struct error *error;
    locale_t locale;
};

static bool parse_sum(struct parser *parser);

static bool fail(struct parser *parser, const char *message)
{
    error_set(parser->error, STATUS_USAGE,
              "'%.60s' is no count: %s (a count is a whole number or arithmetic on n and m: "
              "numbers, n, m, + - * / and parentheses)",
              parser->start, message);
    return false;
}

static bool emit(struct parser *parser, char action, double number)
{
    struct expression *out = parser->out;
    if (out->count == EXPRESSION_STEPS_MAX)
        return fail(parser, "too long");
    out->step[out->count].action = action;
    out->step[out->count++].number = number;
    return true;
}

static char next(struct parser *parser)
{
    while (*parser->at == ' ' || *parser->at == '\t')
        parser->at++;
    return *parser->at;
}

static bool parse_atom(struct parser *parser)
{
    char c = next(parser);
    if (c == '-') {
        parser->at++;
        if (++parser->depth > DEPTH_MAX)
            return fail(parser, "nested too deeply");
        bool good = parse_atom(parser) && emit(parser, '~', 0.0);
        parser->depth--;
        return good;
    }
    if ((c == 'n' || c == 'm') && !isalnum((unsigned char)parser->at[1]) && parser->at[1] != '_') {
        parser->at++;
        *(c == 'n' ? &parser->out->uses_n : &parser->out->uses_m) = true;
        return emit(parser, c, 0.0);
    }
    if (c == '(') {
        if (++parser->depth > DEPTH_MAX)
            return fail(parser, "nested too deeply");
        parser->at++;
        if (!parse_sum(parser))
            return false;
        if (next(parser) != ')')
            return fail(parser, "a ) is missing");
        parser->at++;
        parser->depth--;
        return true;
    }
    if (number_digit(c) || c == '.') {
        double value;
        const char *end;
        enum number_kind kind = number_read(parser->at, parser->locale, &end, &value);
        if (kind != NUMBER_OK)
            return fail(parser, "a number that can't be read");
        parser->at = end;
        return emit(parser, '#', value);
    }
    return fail(parser, c ? "a number, n, m or ( is expected" : "it ends too early");
}

/* product: two levels of left-associative operators share this loop. */
static bool parse_chain(struct parser *parser, bool (*operand)(struct parser *), const char *actions)
{
    if (!operand(parser))
        return false;
    for (char c = next(parser); c && strchr(actions, c); c = next(parser)) {
        parser->at++;
        if (!operand(parser) || !emit(parser, c, 0.0))
            return false;
    }
    return true;
}

static bool parse_product(struct parser *parser)
{
    return parse_chain(parser, parse_atom, "*/");
}

static bool parse_sum(struct parser *parser)
{
    return parse_chain(parser, parse_product, "+-");
}

enum status expression_parse(const char *text, struct expression *out, size_t *offset, struct error *error)
{
    struct parser parser = {.start = text, .at = text, .out = out, .error = error};
    parser.locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    *out = (struct expression){0};
    if (!parser.locale)
        return error_set(error, STATUS_MEMORY, "out of memory (the C locale)");
    bool good = parse_sum(&parser);
    if (good && next(&parser))
        good = fail(&parser, "an operator is expected");
    freelocale(parser.locale);
    if (offset)
        *offset = (size_t)(parser.at - text);
    out->literal = out->count == 1 && !out->uses_n && !out->uses_m;
    return good ? STATUS_OK : STATUS_USAGE;
}

double expression_value(const struct expression *expression, double n, double m)
{
    double stack[EXPRESSION_STEPS_MAX] = {0}; /* so that no steps at all are 0 */
    size_t top = 0;
    for (size_t i = 0; i < expression->count; i++) {
        char action = expression->step[i].action;
        if (action == '#' || action == 'n' || action == 'm') {
            stack[top++] = action == 'n' ? n : action == 'm' ? m : expression->step[i].number;
            continue;
        }
        if (action == '~') {
            stack[top - 1] = -stack[top - 1];
            continue;
        }
        double right = stack[--top], *left = &stack[top - 1];
        *left = action == '+'   ? *left + right
                : action == '-' ? *left - right
                : action == '*' ? *left * right
                                : *left / right;
    }
    return stack[0];
}

double expression_count(const struct expression *expression, double n, double m)
{
    double value = expression_value(expression, n, m);
    if (!isfinite(value))
        return NAN;
    return fmax(floor(value + 1e-12 * fabs(value)), 1.0);
}
