/* The gnuplot script of a law's figure. It draws from the text table beside it, row ranges and axes written out; every
 * text of a law passes through put_text, so nothing in it is executed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "figure_internal.h"
#include "laws/law_figure_internal.h"

enum { LINES_MAX = 12, COLOURS = 10, GREY = 8 };

/* Measures in cm: a letter and a line of the style's font, a sample in the legend, and the places around a panel. */
static const double letter = 0.165, line = 0.4, sample = 1.35, left_room = 1.95, right_room = 0.45, below_axis = 1.3,
                    row_gap = 0.3;

/* ---- words ---- */

struct lines {
    size_t count;
    char text[LINES_MAX][512];
};

static size_t letters(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

/* Splits at spaces into lines of at most `room` letters, longer words wherever a line is full. Newlines split, too. */
static void split(const char *from, double width, struct lines *out)
{
    const size_t room = (size_t)fmax(8, width / letter);
    out->count = 0;
    while (*from && out->count < LINES_MAX) {
        size_t end = 0, used = 0, space = 0;
        while (from[end] && from[end] != '\n' && (used < room || ((unsigned char)from[end] & 0xc0) == 0x80)) {
            used += ((unsigned char)from[end] & 0xc0) != 0x80;
            if (from[end] == ' ')
                space = end;
            end++;
        }
        if (from[end] && from[end] != '\n' && from[end] != ' ' && space > 0)
            end = space;
        char piece[512];
        const size_t length = end < sizeof piece ? end : sizeof piece - 1;
        memcpy(piece, from, length);
        piece[length] = '\0';
        figure_clean(out->text[out->count++], sizeof piece, piece);
        from += end + (from[end] == ' ' || from[end] == '\n');
    }
}

static size_t split_count(const char *text, double width)
{
    struct lines lines;
    split(text, width, &lines);
    return lines.count;
}

/* A gnuplot expression of one or more lines. */
static void put_split(FILE *out, const char *text, double width)
{
    struct lines lines;
    split(text, width, &lines);
    for (size_t i = 0; i < lines.count; i++) {
        fputs(i ? ".\"\\n\"." : "", out);
        put_text(out, lines.text[i]);
    }
    if (lines.count == 0)
        fputs("''", out);
}

/* ---- looks ---- */

/* How a series looks among those of its panel, and where its rows are. */
struct look {
    size_t colour;     /* 1 ..; 0: black */
    size_t dash;       /* theory lines of one measured series, and vertical lines, differ in dashes */
    bool under_theory; /* drawn wide and pale, so that the theory upon it is seen */
    bool in_key;
    size_t first_row;
};

static bool is_measured(const struct series *s)
{
    return s->kind == SERIES_POINTS || s->kind == SERIES_MEASURED || s->kind == SERIES_STEPS;
}

/* Short labels stand at their vertical line. */
static bool at_line(const struct series *s, double height)
{
    return s->kind == SERIES_VERTICAL && (double)letters(s->label) * letter < 0.6 * height;
}

static void find_looks(const struct panel *panel, double height, size_t *row, struct look *look)
{
    size_t next = 0, colour = 0, dash = 0, vertical = 0, bands = 0, measured = SIZE_MAX;
    for (size_t k = 0; k < panel->count; k++) {
        const struct series *s = &panel->series[k];
        const size_t asked = s->colour >= 0 ? (size_t)s->colour % COLOURS + 1 : 0;
        look[k] = (struct look){.in_key = s->label[0] && !at_line(s, height), .first_row = *row};
        *row += s->count;
        if (is_measured(s)) {
            colour = look[k].colour = asked ? asked : next++ % COLOURS + 1;
            measured = k;
            dash = 0;
        } else if (s->kind == SERIES_THEORY) {
            look[k].colour = asked ? asked : colour;
            look[k].dash = dash++;
            if (measured != SIZE_MAX)
                look[measured].under_theory = true;
        } else if (s->kind == SERIES_BAND) { /* what is allowed is grey; a second band needs a colour */
            look[k].colour = asked ? asked : bands++ == 0 ? GREY : next++ % COLOURS + 1;
        } else {
            look[k].colour = asked;
            look[k].dash = vertical++;
        }
    }
}

static void put_colour(FILE *out, const struct look *look, const char *shade)
{
    if (look->colour == 0)
        fputs("lc rgb 'black'", out);
    else
        fprintf(out, *shade ? "lc rgb %s(%zu)" : "lc rgb %scolour[%zu]", shade, look->colour);
}

static int symbol(const struct look *look)
{
    static const int symbols[COLOURS] = {7, 5, 9, 11, 13, 6, 4, 8, 10, 12};
    return symbols[(look->colour + COLOURS - 1) % COLOURS];
}

/* Lines and symbols of a series. */
static void put_style(FILE *out, const struct series *s, const struct look *look)
{
    static const char *const dash[][4] = {{"(13,6)", "(13,5,3,5)", "(3,5)", "(22,6)"},
                                          {"(9,6)", "(3,4)", "(12,4,3,4)", "1"},
                                          {"1", "(14,3)", "(7,3)", "(4,2)"}};
    switch (s->kind) {
    case SERIES_POINTS:
        fprintf(out, "pt %d ps %s ", symbol(look), s->count > 150 ? "0.3" : "0.6");
        break;
    case SERIES_MEASURED:
        fprintf(out, "dt 1 lw %s pt %d ps 0.55 pn %zu ", look->under_theory ? "3" : "1.3", symbol(look),
                s->count < 12 ? s->count : 8);
        break;
    case SERIES_THEORY:
        fprintf(out, "lw 1.2 dt %s ", dash[0][look->dash % 4]);
        break;
    case SERIES_BAND:
        fputs("fs transparent solid 0.2 noborder ", out);
        break;
    case SERIES_STEPS:
        fprintf(out, "lw 1.3 dt %s ", dash[2][(look->colour + 3) % 4]);
        break;
    case SERIES_VERTICAL:
        fprintf(out, "lw 1 dt %s ", dash[1][look->dash % 4]);
    }
    const bool dark = s->kind == SERIES_THEORY || s->kind == SERIES_VERTICAL;
    put_colour(out, look, dark ? "dark" : s->kind == SERIES_MEASURED && look->under_theory ? "pale" : "");
}

/* ---- layout ---- */

struct legend {
    size_t entries, rows; /* rows of text */
    size_t columns;
    double width; /* of a label's lines, cm */
};

struct scene {
    const struct law_figure *figure;
    struct look **look; /* [panel][series] */
    struct legend *key; /* [panel] */
    size_t rows, columns;
    double width, height, panel_width, panel_height, left, pitch; /* pitch: from panel to panel in a row */
    bool shared_key;                                              /* all panels have the same legend: one, below them */
};

static struct legend key_of(const struct panel *panel, const struct look *look, double width)
{
    struct legend key = {.width = width - sample};
    size_t longest = 0;
    for (size_t k = 0; k < panel->count; k++)
        if (look[k].in_key) {
            const size_t length = letters(panel->series[k].label);
            longest = length > longest ? length : longest;
            key.rows += split_count(panel->series[k].label, key.width);
            key.entries++;
        }
    key.columns = (size_t)(width / (sample + letter * (double)longest));
    key.columns = key.columns > key.entries ? key.entries : key.columns;
    if (key.columns > 1)
        key.rows = (key.entries + key.columns - 1) / key.columns;
    return key;
}

static bool same_key(const struct scene *scene, size_t p)
{
    const struct panel *a = &scene->figure->panel[0], *b = &scene->figure->panel[p];
    size_t i = 0, j = 0;
    for (;; i++, j++) {
        while (i < a->count && !scene->look[0][i].in_key)
            i++;
        while (j < b->count && !scene->look[p][j].in_key)
            j++;
        if (i == a->count || j == b->count)
            return i == a->count && j == b->count;
        const struct look *x = &scene->look[0][i], *y = &scene->look[p][j];
        if (a->series[i].kind != b->series[j].kind || strcmp(a->series[i].label, b->series[j].label) != 0 ||
            x->colour != y->colour || x->dash != y->dash)
            return false;
    }
}

enum part { TITLES, X_LABELS, LEGENDS };

/* Lines of the longest text of a kind in a row of panels. */
static size_t row_lines(const struct scene *scene, size_t row, enum part part)
{
    size_t most = 0;
    for (size_t p = row * scene->columns; p < scene->figure->count && p < (row + 1) * scene->columns; p++) {
        const struct panel *panel = &scene->figure->panel[p];
        const size_t lines = part == TITLES      ? split_count(panel->title, scene->panel_width)
                             : part == X_LABELS  ? split_count(panel->x_label, scene->panel_width)
                             : scene->shared_key ? 0
                                                 : scene->key[p].rows;
        most = lines > most ? lines : most;
    }
    return most;
}

/* From a panel's lower edge to its legend. */
static double foot_of(const struct scene *scene, size_t row)
{
    const size_t lines = row_lines(scene, row, X_LABELS);
    return below_axis + line * (lines > 1 ? (double)(lines - 1) : 0);
}

static double head_of(const struct scene *scene)
{
    return 0.3 + line * (double)split_count(scene->figure->title, scene->width - 0.6);
}

static double row_height(const struct scene *scene, size_t row)
{
    return line * (double)(row_lines(scene, row, TITLES) + row_lines(scene, row, LEGENDS)) + scene->panel_height +
           foot_of(scene, row) + row_gap;
}

static void find_layout(struct scene *scene)
{
    const size_t count = scene->figure->count;
    size_t y_lines = 1, row = 0;
    scene->columns = scene->figure->columns ? scene->figure->columns : count <= 3 ? count : count == 4 ? 2 : 3;
    scene->columns = scene->columns > count ? count : scene->columns;
    scene->rows = (count + scene->columns - 1) / scene->columns;
    scene->width = scene->columns == 1 ? 12.5 : scene->columns <= 3 ? 17.5 : 5.5 * (double)scene->columns;
    scene->panel_height = scene->columns == 1 ? (count == 1 ? 7.2 : 5.6) : scene->columns == 2 ? 5.6 : 4.6;
    for (size_t p = 0; p < count; p++) {
        const size_t lines = split_count(scene->figure->panel[p].y_label, scene->panel_height);
        y_lines = lines > y_lines ? lines : y_lines;
    }
    scene->left = left_room + line * (double)(y_lines - 1);
    scene->pitch = (scene->width - right_room + 0.15) / (double)scene->columns;
    scene->panel_width = scene->pitch - scene->left - 0.15;
    for (size_t p = 0; p < count; p++)
        find_looks(&scene->figure->panel[p], scene->panel_height, &row, scene->look[p]);
    scene->shared_key = count > 1;
    for (size_t p = 1; p < count && scene->shared_key; p++)
        scene->shared_key = same_key(scene, p);
    for (size_t p = 0; p < count; p++)
        scene->key[p] = key_of(&scene->figure->panel[p], scene->look[p],
                               scene->shared_key ? scene->width - 1.5 : scene->panel_width + scene->left - 0.6);
    scene->height = head_of(scene) + (scene->shared_key ? line * (double)scene->key[0].rows : 0);
    for (size_t r = 0; r < scene->rows; r++)
        scene->height += row_height(scene, r);
}

/* ---- parts of a panel ---- */

static void put_axis(FILE *out, char name, const struct axis *axis, double room)
{
    struct ticks ticks;
    axis_ticks(axis, room, &ticks);
    fprintf(out, "%sset logscale %c\nset %crange [%.10g:%.10g]\n", axis->log ? "" : "un", name, name, axis->low,
            axis->high);
    if (ticks.kind == TICKS_POWERS) {
        /* Without a beginning gnuplot starts where the axis does, and labels what is no power of ten as one. */
        fprintf(out, "set format %c (tex ? '$10^{%%T}$' : '10^{%%T}')\nset %ctics 1e%g,1e%g\nset m%ctics default\n",
                name, name, floor(log10(axis->low)), ticks.step, name);
        return;
    }
    fprintf(out, "set format %c '%%g'\nunset m%ctics\n", name, name);
    if (ticks.kind == TICKS_STEP) {
        fprintf(out, "set %ctics %.10g\n", name, ticks.step);
        return;
    }
    for (size_t i = 0; i < ticks.count; i++)
        fprintf(out, "%s%.10g", i ? ", " : name == 'x' ? "set xtics (" : "set ytics (", ticks.value[i]);
    if (ticks.count > 0)
        fputs(")\n", out);
}

/* The words of a panel, split, and where they stand. */
struct block {
    struct lines lines;
    struct patch patch;
    size_t crowd; /* data below them */
};

static struct block best_corner(const struct scene *scene, const struct panel *panel, const struct axis *x,
                                const struct axis *y, double room)
{
    struct block block = {.crowd = SIZE_MAX};
    size_t longest = 0;
    split(panel->text, room, &block.lines);
    for (size_t i = 0; i < block.lines.count; i++) {
        const size_t length = letters(block.lines.text[i]);
        longest = length > longest ? length : longest;
    }
    const double width = (0.4 + letter * (double)longest) / scene->panel_width,
                 height = (0.3 + line * (double)block.lines.count) / scene->panel_height;
    for (int corner = 0; corner < 4; corner++) { /* above before below, right before left */
        const bool right = corner % 2 == 0, top = corner < 2;
        const struct patch patch = {right ? 1 - width : 0, right ? 1 : width, top ? 1 - height : 0, top ? 1 : height};
        const size_t crowd = panel_crowd(panel, x, y, &patch);
        if (crowd < block.crowd) {
            block.crowd = crowd;
            block.patch = patch;
        }
    }
    return block;
}

/* The panel's text goes to a corner without data, in shorter lines if need be; where there is none, the y axis makes
 * room above the data, and an axis that is asked for leaves it on a ground of its own. */
static struct block place_text(const struct scene *scene, const struct panel *panel, const struct axis *x,
                               struct axis *y)
{
    const double room = scene->panel_width - 0.4;
    const struct block wide = best_corner(scene, panel, x, y, room);
    const struct block narrow = best_corner(scene, panel, x, y, fmax(0.5 * room, 18 * letter));
    if (wide.crowd == 0 || narrow.crowd > 0) {
        if (wide.crowd == 0 || !isnan(panel->y_max))
            return wide.crowd <= narrow.crowd ? wide : narrow;
        axis_extend(y, 1 - fmin(0.6, wide.patch.top - wide.patch.bottom));
        return best_corner(scene, panel, x, y, room);
    }
    return narrow;
}

static void put_block(FILE *out, const struct scene *scene, const struct block *block)
{
    const double inset = 0.2 / scene->panel_width;
    const bool right = block->patch.right >= 1 && block->patch.left > 0;
    for (size_t i = 0; i < block->lines.count; i++) {
        fputs("set label ", out);
        put_text(out, block->lines.text[i]);
        fprintf(out, " at graph %.4f, graph %.4f %s front noenhanced%s\n", right ? 1 - inset : inset,
                block->patch.top - (0.3 + line * (double)i) / scene->panel_height, right ? "right" : "left",
                block->crowd > 0 ? " boxed" : "");
    }
}

static bool overlap(const struct patch *a, const struct patch *b)
{
    return a->left < b->right && b->left < a->right && a->bottom < b->top && b->bottom < a->top;
}

/* Labels along vertical lines, on the side and at the end where there is room: not on data, on the text (taken[0]), nor
 * on each other. */
static void put_vertical_labels(FILE *out, const struct scene *scene, const struct panel *panel, const struct axis *x,
                                const struct axis *y, const struct patch *text)
{
    struct patch taken[16] = {*text};
    size_t count = 1;
    const double across = line / scene->panel_width;
    for (size_t k = 0; k < panel->count; k++) {
        const struct series *s = &panel->series[k];
        const double along = (0.15 + letter * (double)letters(s->label)) / scene->panel_height;
        for (size_t i = 0; at_line(s, scene->panel_height) && s->label[0] && i < s->count; i++) {
            const double at = axis_place(x, s->x[i]);
            size_t fewest = SIZE_MAX;
            struct patch best = {0};
            for (int place = 0; place < 4 && at >= 0 && at <= 1; place++) {
                const bool left = place % 2 == 0, top = place < 2;
                const struct patch patch = {left ? at - across : at + 0.1 * across,
                                            left ? at - 0.1 * across : at + across, top ? 1 - along : 0,
                                            top ? 1 : along};
                size_t crowd = panel_crowd(panel, x, y, &patch);
                for (size_t t = 0; t < count; t++)
                    crowd += overlap(&patch, &taken[t]) ? 10000 : 0;
                crowd += patch.left < 0 || patch.right > 1 ? 100000 : 0;
                if (crowd < fewest) {
                    fewest = crowd;
                    best = patch;
                }
            }
            if (fewest == SIZE_MAX)
                continue;
            if (count < sizeof taken / sizeof *taken)
                taken[count++] = best;
            fputs("set label ", out);
            put_text(out, s->label);
            fprintf(out, " at graph %.4f, graph %.4f %s rotate by 90 front noenhanced\n", (best.left + best.right) / 2,
                    best.top >= 1 ? 1 - 0.1 / scene->panel_height : 0.1 / scene->panel_height,
                    best.top >= 1 ? "right" : "left");
        }
    }
}

/* The rows of a series, up to the columns that follow x. */
static void put_rows(FILE *out, const struct series *s, const struct look *look)
{
    fprintf(out, ",\\\n  data every ::%zu::%zu using (column('x')):", look->first_row, look->first_row + s->count - 1);
}

/* A band, or the band of a measured curve. Thin edges: regions of different colours are alike in grey. */
static void put_region(FILE *out, const struct series *s, const struct look *look)
{
    put_rows(out, s, look);
    fprintf(out, "(%s):(%s) with filledcurves fs transparent solid 0.2 noborder ",
            s->low ? "seen(column('low'))" : "bottom", s->high ? "seen(column('high'))" : "top");
    put_colour(out, look, "");
    fputs(" notitle", out);
    for (int edge = 0; edge < 2; edge++)
        if (s->kind == SERIES_BAND && (edge ? s->high : s->low)) {
            put_rows(out, s, look);
            fprintf(out, "(column('%s')) with lines lw 0.5 dt 1 ", edge ? "high" : "low");
            put_colour(out, look, "");
            fputs(" notitle", out);
        }
}

static void put_series(FILE *out, const struct series *s, const struct look *look, bool bars)
{
    static const char *const columns[] = {[SERIES_POINTS] = "(column('y')) with points ",
                                          [SERIES_MEASURED] = "(column('y')) with linespoints ",
                                          [SERIES_THEORY] = "(column('y')) with lines ",
                                          [SERIES_STEPS] = "(column('y')) with histeps ",
                                          [SERIES_VERTICAL] = "(bottom):(0):(top - bottom) with vectors nohead "};
    if (s->kind == SERIES_POINTS && s->low && s->high && bars) {
        put_rows(out, s, look);
        fputs("(column('y')):(seen(column('low'))):(seen(column('high'))) with yerrorbars pt 0 lw 0.9 dt 1 ", out);
        put_colour(out, look, "");
        fputs(" notitle", out);
    }
    put_rows(out, s, look);
    fputs(columns[s->kind], out);
    put_style(out, s, look);
    fputs(" notitle", out);
}

/* Regions and vertical lines lie below curves, curves below symbols. */
static int layer_of(const struct series *s)
{
    return s->kind == SERIES_BAND || s->kind == SERIES_VERTICAL ? 0
           : s->kind == SERIES_POINTS                           ? 3
           : s->kind == SERIES_THEORY                           ? 2
                                                                : 1;
}

static void put_key_entries(FILE *out, const struct panel *panel, const struct look *look, double width)
{
    static const char *const with[] = {"points", "linespoints", "lines", "boxes", "lines", "lines"};
    for (size_t k = 0; k < panel->count; k++) {
        if (!look[k].in_key)
            continue;
        struct lines lines;
        split(panel->series[k].label, width, &lines);
        fprintf(out, ",\\\n  keyentry with %s ", with[panel->series[k].kind]);
        put_style(out, &panel->series[k], &look[k]);
        for (size_t i = 0; i < lines.count; i++) { /* the legend has no entries of two lines */
            fputs(i ? ",\\\n  keyentry with lines lt nodraw title " : " title ", out);
            put_text(out, lines.text[i]);
        }
    }
}

static void put_panel(FILE *out, const struct scene *scene, size_t p, double top)
{
    const struct panel *panel = &scene->figure->panel[p];
    const struct look *look = scene->look[p];
    const struct legend *key = &scene->key[p];
    const double left = scene->left + scene->pitch * (double)(p % scene->columns), bottom = top - scene->panel_height;
    struct axis x, y;
    struct block text = {0};
    panel_axes(panel, &x, &y);
    fprintf(out, "\nunset label\nset lmargin at screen %.4f\nset rmargin at screen %.4f\n", left / scene->width,
            (left + scene->panel_width) / scene->width);
    fprintf(out, "set bmargin at screen %.4f\nset tmargin at screen %.4f\n", bottom / scene->height,
            top / scene->height);
    if (p == 0) {
        fputs("set label ", out);
        put_split(out, scene->figure->title, scene->width - 0.6);
        fprintf(out, " at screen 0.5, screen %.4f center noenhanced\n", 1 - 0.3 / scene->height);
    }
    if (panel->text[0]) {
        text = place_text(scene, panel, &x, &y);
        put_block(out, scene, &text);
    }
    put_vertical_labels(out, scene, panel, &x, &y, &text.patch);
    fputs("set title ", out);
    put_split(out, panel->title, scene->panel_width);
    fputs(" noenhanced offset 0,-0.6\nset xlabel ", out);
    put_split(out, panel->x_label, scene->panel_width);
    fputs(" noenhanced offset 0,0.5\nset ylabel ", out);
    put_split(out, panel->y_label, scene->panel_height);
    fputs(" noenhanced\n", out);
    put_axis(out, 'x', &x, scene->panel_width / 1.1);
    put_axis(out, 'y', &y, scene->panel_height / 0.75);
    fprintf(out, "bottom = %.10g; top = %.10g\n", y.low, y.high);
    if (key->entries == 0 || (scene->shared_key && p > 0))
        fputs("unset key\n", out);
    else
        fprintf(out,
                "set key at screen %.4f, screen %.4f left top vertical maxrows %zu Left reverse samplen 2.5 "
                "noenhanced\n",
                (scene->shared_key ? 0.9 : left - scene->left + 0.5) / scene->width,
                (scene->shared_key ? line * (double)key->rows + 0.1 : bottom - foot_of(scene, p / scene->columns)) /
                    scene->height,
                key->rows);
    fputs("plot NaN notitle", out);
    for (int layer = 0; layer < 4; layer++)
        for (size_t k = 0; k < panel->count; k++) {
            const struct series *s = &panel->series[k];
            const bool region = s->kind == SERIES_BAND || (s->kind == SERIES_MEASURED && s->low && s->high);
            if (layer == 0 && region && series_drawn(s, &x, &y, s->low) && series_drawn(s, &x, &y, s->high))
                put_region(out, s, &look[k]);
            if (layer == layer_of(s) && s->kind != SERIES_BAND && series_drawn(s, &x, &y, s->y))
                put_series(out, s, &look[k], series_drawn(s, &x, &y, s->low) && series_drawn(s, &x, &y, s->high));
        }
    if (!scene->shared_key || p == 0)
        put_key_entries(out, panel, look, key->width);
    fputc('\n', out);
}

static void put_figure(FILE *out, const struct scene *scene, const char *stem)
{
    double top = scene->height - head_of(scene);
    fprintf(out,
            "# Redraw: gnuplot %s.gp   (another format: gnuplot -e \"format='pdf'\" %s.gp; svg, pdf, png, tex, dumb).\n"
            "# Reads %s.csv and style.gp beside it.\n"
            "name = '%s'; width = %.4g; height = %.4g\nload 'style.gp'\ndata = '%s.csv'\n"
            "# Bars and bands that have no place on the axis end at its edge.\n"
            "seen(v) = v < bottom ? bottom : v > top ? top : v\n"
            "set style textbox opaque noborder fillcolor rgb 0x30ffffff margins 0.3, 0.3\nset multiplot\n",
            stem, stem, stem, stem, scene->width, scene->height, stem);
    for (size_t r = 0; r < scene->rows; r++) {
        const double below_title = top - line * (double)row_lines(scene, r, TITLES);
        for (size_t p = r * scene->columns; p < scene->figure->count && p < (r + 1) * scene->columns; p++)
            put_panel(out, scene, p, below_title);
        top -= row_height(scene, r);
    }
    fputs("unset multiplot\n", out);
}

enum status law_figure_script(FILE *out, const struct law_figure *figure, const char *stem, struct error *error)
{
    size_t series = 0;
    for (size_t p = 0; p < figure->count; p++)
        series += figure->panel[p].count;
    const size_t bytes =
        figure->count * (sizeof(struct look *) + sizeof(struct legend)) + (series + 1) * sizeof(struct look);
    struct scene scene = {.figure = figure};
    scene.look = calloc(1, bytes);
    if (!scene.look)
        return error_memory(error, bytes, "a figure");
    scene.key = (struct legend *)(scene.look + figure->count);
    struct look *next = (struct look *)(scene.key + figure->count);
    for (size_t p = 0; p < figure->count; p++) {
        scene.look[p] = next;
        next += figure->panel[p].count;
    }
    find_layout(&scene);
    put_figure(out, &scene, stem);
    free(scene.look);
    return STATUS_OK;
}
