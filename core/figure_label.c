/* Words in figures: what a curve and a panel are called. */
#include <ctype.h>
#include <string.h>

#include "figure_internal.h"

static void spaced(char *text)
{
    for (char *c = text; *c; c++)
        if (*c == '_')
            *c = ' ';
        else if (*c == ';')
            *c = ',';
}

void trait_text(const struct figure_cell *cell, enum trait trait, char text[LABEL_MAX])
{
    const struct cell_columns *c = &cell->columns;
    const bool full = strcmp(c->sampling, "full") == 0;
    text[0] = '\0';
    switch (trait) {
    case TRAIT_PROBLEM:
        snprintf(text, LABEL_MAX, "%s", c->problem);
        spaced(text);
        break;
    case TRAIT_DATA:
        snprintf(text, LABEL_MAX, "%s", c->data);
        if (!strpbrk(c->data, "/\\'\"`$<|")) /* a name; paths and worse are shown as they are */
            spaced(text);
        break;
    case TRAIT_SAMPLING:
        if (!full)
            snprintf(text, LABEL_MAX, "%s", c->sampling);
        spaced(text);
        break;
    case TRAIT_BATCH:
        if (full)
            snprintf(text, LABEL_MAX, "full batch");
        else if (!cell->one_batch)
            snprintf(text, LABEL_MAX, c->batch_size == c->n ? "m = n = %zu" : "m = %zu", c->batch_size);
        break;
    case TRAIT_SCHEDULE:
        snprintf(text, LABEL_MAX, "%.*s", (int)(cell->short_schedule ? strcspn(c->schedule, "(") : strlen(c->schedule)),
                 c->schedule);
        spaced(text);
        break;
    case TRAIT_RATE:
        snprintf(text, LABEL_MAX, strcmp(c->schedule, "fixed_horizon") == 0 ? "c = %.2g" : "rate %.2g", c->rate);
        break;
    case TRAIT_UPDATE:
        if (c->momentum > 0)
            snprintf(text, LABEL_MAX, "%s %g", c->update, c->momentum);
        else
            snprintf(text, LABEL_MAX, "%s", strcmp(c->update, "sgd") == 0 ? "plain SGD" : c->update);
        spaced(text);
        break;
    case TRAIT_AVERAGING:
        snprintf(text, LABEL_MAX, "%s%s", c->averaging, strcmp(c->averaging, "last") == 0 ? " iterate" : " average");
        spaced(text);
        break;
    case TRAIT_L2:
        snprintf(text, LABEL_MAX, "l2 = %g", c->l2);
        break;
    case TRAIT_COUNT:
        break;
    }
}

static void append(char text[LABEL_MAX], const char *separator, const char *more)
{
    size_t used = strlen(text);
    if (*more)
        snprintf(text + used, LABEL_MAX - used, "%s%s", used ? separator : "", more);
}

static void join(const struct figure *figure, const struct figure_cell *cell, bool facet, char text[LABEL_MAX])
{
    char word[LABEL_MAX];
    text[0] = '\0';
    for (int t = 0; t < TRAIT_COUNT; t++)
        if (figure->varies[t] && figure->facet[t] == facet) {
            trait_text(cell, (enum trait)t, word);
            append(text, ", ", word);
        }
}

void curve_label(const struct figure *figure, const struct figure_cell *cell, char text[LABEL_MAX])
{
    join(figure, cell, false, text);
    if (!text[0])
        snprintf(text, LABEL_MAX, "mean over runs");
}

void panel_label(const struct figure *figure, const struct figure_cell *cell, char text[LABEL_MAX])
{
    join(figure, cell, true, text);
}

void common_label(const struct figure *figure, char text[LABEL_MAX])
{
    char word[LABEL_MAX];
    text[0] = '\0';
    for (int t = 0; t < TRAIT_COUNT; t++) {
        const struct cell_columns *c = &figure->cell[0].columns;
        const bool said = t == TRAIT_L2 ? c->l2 > 0 : t == TRAIT_AVERAGING ? strcmp(c->averaging, "last") != 0 : true;
        const bool varies = figure->varies[t] && !(t == TRAIT_BATCH && figure->cell[0].one_batch);
        if (varies || figure->silent[t] || !said)
            continue;
        /* The rate means little where the schedules differ. */
        if (t == TRAIT_RATE && figure->varies[TRAIT_SCHEDULE])
            continue;
        word[0] = '\0';
        for (size_t i = 0; i < figure->cells && !word[0]; i++) { /* full batches say no batch size, and no sampling */
            struct figure_cell whole = figure->cell[i];
            whole.one_batch = false;
            if (t == TRAIT_BATCH && strcmp(whole.columns.sampling, "full") == 0 && figure->varies[t])
                continue;
            trait_text(&whole, (enum trait)t, word);
        }
        append(text, t == TRAIT_DATA ? " on " : ", ", word);
    }
}

/* Characters that TeX's fonts have in mathematics only. */
static const char *const mathematics[][2] = {
    {"α", "\\alpha"}, {"β", "\\beta"},   {"γ", "\\gamma"},  {"δ", "\\delta"}, {"η", "\\eta"},   {"θ", "\\theta"},
    {"κ", "\\kappa"}, {"λ", "\\lambda"}, {"μ", "\\mu"},     {"ν", "\\nu"},    {"ρ", "\\rho"},   {"σ", "\\sigma"},
    {"τ", "\\tau"},   {"χ", "\\chi"},    {"Δ", "\\Delta"},  {"Σ", "\\Sigma"}, {"∇", "\\nabla"}, {"∞", "\\infty"},
    {"√", "\\surd"},  {"·", "\\cdot"},   {"×", "\\times"},  {"±", "\\pm"},    {"−", "-"},       {"≤", "\\le"},
    {"≥", "\\ge"},    {"≈", "\\approx"}, {"∝", "\\propto"}, {"→", "\\to"},    {"⁻", "^-"},      {"¹", "^1"},
    {"²", "^2"},      {"³", "^3"},       {"⊗", "\\otimes"},
};

/* The entry of `mathematics` that text begins with; NULL: none. */
static const char *const *mathematics_at(const char *text)
{
    for (size_t i = 0; i < sizeof mathematics / sizeof *mathematics; i++)
        if (strncmp(text, mathematics[i][0], strlen(mathematics[i][0])) == 0)
            return mathematics[i];
    return NULL;
}

static void put_quoted(FILE *out, const char *text, bool tex)
{
    /* gnuplot ends a string at a doubled quote that opens it. */
    size_t opening = strspn(text, "'");
    for (size_t i = 0; i < opening; i++)
        fputs("\"'\".", out);
    text += opening;
    fputc('\'', out);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        const char *const *sign = tex ? mathematics_at((const char *)c) : NULL;
        if (sign) {
            fprintf(out, "$%s$", sign[1]);
            c += strlen(sign[0]) - 1;
        } else if (*c < 0x20 || *c == 0x7f)
            fputc(' ', out);
        else if (*c == '\'')
            fputs("''", out);
        else if (tex && strchr("#$%&_{}", *c))
            fprintf(out, "\\%c", *c);
        else if (tex && strchr("\\^~<>", *c)) /* no escape of one character: shown by its code */
            fprintf(out, "\\char%d{}", *c);
        else
            fputc(*c, out);
    }
    fputc('\'', out);
}

void put_text(FILE *out, const char *text)
{
    bool plain = !strpbrk(text, "#$%&_{}\\^~<>");
    for (const char *c = text; *c && plain; c++)
        plain = !mathematics_at(c);
    if (plain) {
        put_quoted(out, text, false);
        return;
    }
    fputs("(tex ? ", out);
    put_quoted(out, text, true);
    fputs(" : ", out);
    put_quoted(out, text, false);
    fputc(')', out);
}
