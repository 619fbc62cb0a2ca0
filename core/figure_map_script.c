/* The gnuplot script of a map: rectangles from its table, coloured by the values; what left the scale in greys; a
 * white-edged line for the limit. */
#include <math.h>
#include <string.h>

#include "figure_map.h"

/* Measures in cm. */
static const double letter = 0.155, line = 0.42, left_room = 1.85, bar_gap = 0.2, bar_width = 0.28, bar_room = 2.0,
                    foot = 1.35, between = 1.75, legend_left = 0.5, legend_sample = 1.15;

struct scene {
    const struct figure *figure;
    const struct figure_map *map;
    size_t rows, columns;
    double width, height, panel_width, panel_height, left, pitch, top; /* top: of the first row, from below */
    double key_height;
    bool shared; /* one scale of colours */
};

/* ---- the legend: entry after entry below the panels, as many in a row as have room ---- */

enum { ENTRIES_MAX = 20, ENTRY_MAX = 160 };
enum sample { SAMPLE_NONE, SAMPLE_LINE, SAMPLE_POINT, SAMPLE_BOX, SAMPLE_ABOVE }; /* the last: another line of it */
struct entry {
    enum sample sample;
    const char *look, *mark; /* of the line or box; of the point, NULL: none */
    char text[ENTRY_MAX];
    double left, width; /* cm */
    size_t row;
};
struct legend {
    struct entry entry[ENTRIES_MAX];
    size_t count, rows;
    double room; /* cm */
};

static const char *const line_look[] = {
    [MAP_NO_LIMIT] = "",          [MAP_MEAN_SQUARE] = "dt 1",         [MAP_MOMENTUM_SQUARE] = "dt (24,4)",
    [MAP_GRADIENT] = "dt (12,5)", [MAP_HEAVY_BALL] = "dt (12,4,3,4)", [MAP_NESTEROV] = "dt (4,4)"};
/* Two greys, with and without a cross, that are lighter than the colours around them. */
#define LEFT_COLOUR    "#dcdcdc"
#define ABOVE_COLOUR   "#a6a6a6"
#define ARROW_LOOK     "pt 8 ps 0.5 lw 0.7"
#define CROSS_LOOK     "pt 2 ps 0.5 lw 0.7"
#define MARK_COLOUR    "#707070"
#define BEST_LOOK      "pt 12 ps 1.1 lw 1.2"
#define BEST_RATE_LOOK "pt 6 ps 0.5 lw 1"

static double text_width(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return letter * (double)count;
}

static void add_entry(struct legend *legend, enum sample sample, const char *look, const char *mark, const char *text)
{
    static const double gap = 0.5;
    struct entry *entry = &legend->entry[legend->count];
    *entry = (struct entry){.sample = sample, .look = look, .mark = mark};
    snprintf(entry->text, sizeof entry->text, "%s", text);
    entry->width = (sample == SAMPLE_NONE ? 0 : legend_sample) + text_width(text);
    if (legend->count > 0) {
        const struct entry *before = &entry[-1];
        entry->row = before->row;
        entry->left = before->left + before->width + gap;
        if (sample == SAMPLE_ABOVE || entry->left + entry->width > legend->room) {
            entry->row++;
            entry->left = 0;
        }
    }
    legend->count++;
    legend->rows = entry->row + 1;
}

/* Of oracle.h: H = mean a a', T = mean aa' ⊗ aa'. */
#define PENCIL "1/λ_max of ((1−κ) H⊗H + κT, H⊗I + I⊗H)"

/* The limit with its formula; shorter where there is no room. */
static void limit_words(const struct map_panel *panel, double room, char text[ENTRY_MAX])
{
    static const char *const formula[] = {
        [MAP_GRADIENT] = "2/L", [MAP_HEAVY_BALL] = "2(1+β)/L", [MAP_NESTEROV] = "2(1+β)/((1+2β)L)"};
    if (panel->limit == MAP_MEAN_SQUARE) {
        const char *kappa = panel->subset ? "κ = (n−m)/(m(n−1))" : "κ = 1/m";
        snprintf(text, ENTRY_MAX, "mean-square limit η_max = " PENCIL ", %s", kappa);
        if (legend_sample + text_width(text) > room)
            snprintf(text, ENTRY_MAX, "mean-square η_max, %s", kappa);
        return;
    }
    if (panel->limit == MAP_MOMENTUM_SQUARE) {
        snprintf(text, ENTRY_MAX, "mean-square limit: ρ(E Z⊗Z) = 1, Z: one step of (x − x*, v)");
        if (legend_sample + text_width(text) > room)
            snprintf(text, ENTRY_MAX, "mean-square limit: ρ(E Z⊗Z) = 1");
        return;
    }
    snprintf(text, ENTRY_MAX,
             panel->bound ? "%s: below it full batches descend (L bounds the curvature)"
                          : "%s: limit of full batches (L: largest curvature)",
             formula[panel->limit]);
    if (legend_sample + text_width(text) > room)
        snprintf(text, ENTRY_MAX, panel->bound ? "%s: full batches descend" : "%s: limit of full batches",
                 formula[panel->limit]);
}

static void make_legend(const struct scene *scene, struct legend *legend)
{
    const struct figure_map *map = scene->map;
    bool best = false, best_rate = false, some = false, all = false, above = false;
    char text[ENTRY_MAX];
    *legend = (struct legend){.room = scene->width - legend_left - 0.2};
    for (size_t i = 0; i < map->cells; i++) {
        const struct map_cell *cell = &map->cell[i];
        if (cell->panel < map->first || cell->panel >= map->first + map->count || !cell->drawn)
            continue;
        best = best || cell->best;
        best_rate = best_rate || cell->best_rate;
        all = all || cell->state == MAP_LEFT;
        above = above || cell->state == MAP_ABOVE;
        some = some || (cell->state == MAP_FINITE && cell->diverged > 0);
    }
    for (size_t p = map->first; p < map->first + map->count; p++) {
        bool said = !map->panel[p].limit_at;
        if (said)
            continue;
        limit_words(&map->panel[p], legend->room, text);
        for (size_t i = 0; i < legend->count; i++)
            said = said || strcmp(legend->entry[i].text, text) == 0;
        if (said)
            continue;
        add_entry(legend, SAMPLE_LINE, line_look[map->panel[p].limit], NULL, text);
        if (map->panel[p].limit == MAP_MEAN_SQUARE && !strstr(text, PENCIL))
            add_entry(legend, SAMPLE_ABOVE, NULL, NULL, PENCIL);
    }
    if (best)
        add_entry(legend, SAMPLE_POINT, NULL, BEST_LOOK, "best");
    if (best_rate)
        add_entry(legend, SAMPLE_POINT, NULL, BEST_RATE_LOOK,
                  map->word[0] == MAP_RATE ? "best of the row" : "best of the column");
    if (all)
        add_entry(legend, SAMPLE_BOX, LEFT_COLOUR, CROSS_LOOK,
                  scene->figure->cell[0].moments ? "runs diverged: no mean" : "half of the runs or more diverged");
    if (some)
        add_entry(legend, SAMPLE_BOX, LEFT_COLOUR, NULL, "from below: share that diverged");
    if (above)
        add_entry(legend, SAMPLE_BOX, ABOVE_COLOUR, ARROW_LOOK, "above 10 times the start");
    if (scene->figure->replicates > 1) {
        snprintf(text, sizeof text, "colours: %s of %llu runs", scene->figure->cell[0].moments ? "mean" : "median",
                 (unsigned long long)scene->figure->replicates);
        add_entry(legend, SAMPLE_NONE, NULL, NULL, text);
    }
}

static void put_legend(FILE *out, const struct scene *scene, const struct legend *legend)
{
    for (size_t i = 0; i < legend->count; i++) {
        const struct entry *entry = &legend->entry[i];
        const double left = (legend_left + entry->left) / scene->width,
                     right = left + (legend_sample - 0.25) / scene->width, middle = (left + right) / 2,
                     y = (scene->key_height - line * ((double)entry->row + 0.5)) / scene->height,
                     half = 0.13 / scene->height;
        if (entry->sample == SAMPLE_LINE)
            fprintf(out,
                    "set arrow from screen %.4f, screen %.4f to screen %.4f, screen %.4f nohead lw 1.3 lc rgb "
                    "'black' %s\n",
                    left, y, right, y, entry->look);
        if (entry->sample == SAMPLE_BOX)
            fprintf(out,
                    "set object rectangle from screen %.4f, screen %.4f to screen %.4f, screen %.4f fs solid "
                    "noborder fc rgb '%s'\n",
                    left, y - half, right, y + half, entry->look);
        if (entry->mark)
            fprintf(out, "set label '' at screen %.4f, screen %.4f point %s lc rgb '%s'\n", middle, y, entry->mark,
                    entry->sample == SAMPLE_BOX ? MARK_COLOUR : "black");
        fputs("set label ", out);
        put_text(out, entry->text);
        fprintf(out, " at screen %.4f, screen %.4f left noenhanced\n",
                entry->sample == SAMPLE_NONE ? left : right + 0.12 / scene->width, y);
    }
}

/* ---- layout ---- */

static void find_layout(struct scene *scene, const struct legend *legend)
{
    const bool column = scene->figure->size == FIGURE_COLUMN;
    const double bar = bar_gap + bar_width + bar_room, head = column ? 1.5 : 1.15, right = 0.15,
                 inner = scene->shared ? 1.15 : 0.75; /* from a panel or its bar to the next panel */
    const double bars = scene->shared ? 1 : (double)scene->columns;
    scene->key_height = line * (double)legend->rows + 0.15;
    scene->left = left_room;
    scene->panel_width =
        (scene->width - left_room - right - bars * bar - (double)(scene->columns - 1) * inner) / (double)scene->columns;
    scene->pitch = scene->panel_width + inner + (scene->shared ? 0 : bar);
    scene->panel_height = column ? 4.2 : scene->columns == 1 ? 6.6 : 5.0;
    scene->height = head + foot + scene->key_height + scene->panel_height * (double)scene->rows +
                    between * (double)(scene->rows - 1);
    scene->top = scene->height - head;
}

/* ---- axes ---- */

static double along(const struct map_axis *axis, double place, double room)
{
    const double low = axis->edge[0], high = axis->edge[axis->count];
    return room * (axis->spacing == MAP_LOG ? log(place / low) / log(high / low) : (place - low) / (high - low));
}

/* Powers of ten on a logarithmic axis that is long enough, if these are asked for or the values lie too close; else a
 * tick at every value that has room beside the one before. */
static void put_ticks(FILE *out, char name, const struct map_axis *axis, double room, bool powers)
{
    const double low = axis->edge[0], high = axis->edge[axis->count], decades = log10(high / low);
    double nearest = INFINITY, widest = name == 'x' ? 0 : 0.34, last = -INFINITY;
    char text[32];
    fprintf(out, "%sset logscale %c\nset %crange [%.10g:%.10g]\nunset m%ctics\n", axis->spacing == MAP_LOG ? "" : "un",
            name, name, low, high, name);
    for (size_t i = 0; i < axis->count; i++) {
        snprintf(text, sizeof text, "%.4g", axis->value[i]);
        widest = fmax(widest, name == 'x' ? text_width(text) + 0.2 : 0);
        const double at = along(axis, map_axis_place(axis, axis->value[i]), room);
        nearest = fmin(nearest, at - last);
        last = at;
    }
    if (axis->spacing == MAP_LOG && decades > 1.5 && (powers || nearest < widest)) {
        const double step = fmax(1, ceil(decades * 0.85 / room));
        fprintf(out, "set format %c (tex ? '$10^{%%T}$' : '10^{%%T}')\nset %ctics 1e%g,1e%g\nset m%ctics %s\n", name,
                name, floor(log10(low)), step, name, step > 1 ? "1" : "default");
        return;
    }
    fprintf(out, "set %ctics (", name);
    last = -INFINITY;
    for (size_t i = 0; i < axis->count; i++) {
        const double place = map_axis_place(axis, axis->value[i]), at = along(axis, place, room);
        if (at < last + widest)
            continue;
        fprintf(out, "%s'%.4g' %.10g", i ? ", " : "", axis->value[i], place);
        last = at;
    }
    fputs(")\n", out);
}

/* The scale of colours: ticks at powers of ten, or at round shares of it where it is shorter. */
static void put_scale(FILE *out, const struct scene *scene, double low, double high)
{
    if (!(high > low)) { /* one value, or none */
        low = isfinite(low) ? low : 1;
        high = scene->map->log ? low * 1.0001 : low + 1e-6;
    }
    fprintf(out, "%sset logscale cb\nset cbrange [%.10g:%.10g]\n", scene->map->log ? "" : "un", low, high);
    if (!scene->map->log) {
        fputs("set format cb '%g'\nset cbtics autofreq\n", out);
        return;
    }
    const double decades = log10(high / low);
    if (decades >= 2) {
        const double step = ceil(decades / 7);
        fprintf(out, "set format cb (tex ? '$10^{%%T}$' : '10^{%%T}')\nset cbtics 1e%g,1e%g\n",
                step * floor(log10(low) / step), step);
        return;
    }
    fputs("set cbtics (", out);
    for (int i = 0; i <= 4; i++)
        fprintf(out, "%s'%.2g' %.10g", i ? ", " : "", low * pow(high / low, 0.25 * i), low * pow(high / low, 0.25 * i));
    fputs(")\n", out);
}

/* ---- panels ---- */

/* "after 2000 steps" where all cells have the same, else about so many epochs, else at the end. */
static void budget_words(const struct scene *scene, char text[64])
{
    static const double alike = 1.25; /* whole steps make a budget of epochs a little longer for large batches */
    const struct map_cell *first = NULL;
    double least = INFINITY, most = 0;
    bool steps = true;
    for (size_t i = 0; i < scene->map->cells; i++) {
        const struct map_cell *cell = &scene->map->cell[i];
        if (!cell->drawn)
            continue;
        first = first ? first : cell;
        least = fmin(least, cell->epochs);
        most = fmax(most, cell->epochs);
        steps = steps && cell->cell->columns.steps == first->cell->columns.steps;
    }
    if (first && steps)
        snprintf(text, 64, "after %llu steps", (unsigned long long)first->cell->columns.steps);
    else if (most <= alike * least)
        snprintf(text, 64, "after %s%.3g epochs", most > 1.005 * least ? "about " : "", least);
    else
        snprintf(text, 64, "after the last step");
}

static void put_bar(FILE *out, const struct scene *scene, double left, double bottom, double height)
{
    char text[LABEL_MAX], budget[64];
    budget_words(scene, budget);
    snprintf(text, sizeof text, "%s %s", axis_words(scene->figure->metric), budget);
    fprintf(out, "set colorbox vertical user origin screen %.4f, screen %.4f size screen %.4f, screen %.4f\nset label ",
            left / scene->width, bottom / scene->height, bar_width / scene->width, height / scene->height);
    put_text(out, text);
    fprintf(out, " at screen %.4f, screen %.4f center rotate by 90 noenhanced\n",
            (left + bar_width + bar_room - 0.6) / scene->width, (bottom + height / 2) / scene->height);
}

static bool has(const struct figure_map *map, size_t panel, enum map_state state)
{
    for (size_t i = 0; i < map->cells; i++)
        if (map->cell[i].panel == panel && map->cell[i].drawn && map->cell[i].state == state)
            return true;
    return false;
}

/* Rectangles of the rows where `x` is a number, up to the column `top`. */
static void put_boxes(FILE *out, const char *x, const char *top, const char *value, const char *colour)
{
    fprintf(out,
            ",\\\n  table using (%s):(column('at_y')):(column('left')):(column('right')):(column('bottom')):"
            "(column('%s'))%s with boxxyerror fs solid noborder lc %s notitle",
            x, top, value, colour);
}

static void put_marks(FILE *out, const char *state, const char *look)
{
    fprintf(out, ",\\\n  table using (of('%s')):(column('at_y')) with points %s lc rgb '" MARK_COLOUR "' notitle",
            state, look);
}

static void put_plot(FILE *out, const struct scene *scene, size_t number)
{
    const struct figure_map *map = scene->map;
    const struct map_panel *panel = &map->panel[number];
    bool some = false, best = false, best_rate = false;
    for (size_t i = 0; i < map->cells; i++) {
        const struct map_cell *cell = &map->cell[i];
        const bool here = cell->panel == number && cell->drawn;
        some = some || (here && cell->state == MAP_FINITE && cell->diverged > 0);
        best = best || (here && cell->best);
        best_rate = best_rate || (here && cell->best_rate);
    }
    fprintf(out, "p = %zu\nplot NaN notitle", number);
    if (has(map, number, MAP_FINITE))
        put_boxes(out, "of('finite')", "top", ":(column('median'))", "palette");
    if (has(map, number, MAP_ABOVE))
        put_boxes(out, "of('above')", "top", "", "rgb '" ABOVE_COLOUR "'");
    if (has(map, number, MAP_LEFT))
        put_boxes(out, "of('left')", "top", "", "rgb '" LEFT_COLOUR "'");
    if (some)
        put_boxes(out, "column('diverged') > 0 ? of('finite') : NaN", "diverged_to", "", "rgb '" LEFT_COLOUR "'");
    if (has(map, number, MAP_ABOVE))
        put_marks(out, "above", ARROW_LOOK);
    if (has(map, number, MAP_LEFT))
        put_marks(out, "left", CROSS_LOOK);
    if (panel->limit_at)
        fprintf(
            out,
            ",\\\n  limit using (column('panel') == p ? column('at_x') : NaN):(column('at_y')) with lines dt 1 lw 3.2 "
            "lc rgb 'white' notitle,\\\n  limit using (column('panel') == p ? column('at_x') : NaN):(column('at_y')) "
            "with lines %s lw 1.3 lc rgb 'black' notitle",
            line_look[panel->limit]);
    const struct {
        bool there;
        const char *which, *solid, *open;
    } mark[] = {{best_rate, "rate", "pt 7 ps 0.5", BEST_RATE_LOOK}, {best, "panel", "pt 13 ps 1.1", BEST_LOOK}};
    for (size_t i = 0; i < 2; i++)
        if (mark[i].there)
            fprintf(out,
                    ",\\\n  table using (marked('%s')):(column('at_y')) with points %s lc rgb 'white' notitle,\\\n"
                    "  table using (marked('%s')):(column('at_y')) with points %s lc rgb 'black' notitle",
                    mark[i].which, mark[i].solid, mark[i].which, mark[i].open);
    fputs("\n", out);
}

static void whole_range(const struct figure_map *map, double *low, double *high)
{
    for (size_t p = 0; p < map->panels; p++) {
        *low = fmin(*low, map->panel[p].low);
        *high = fmax(*high, map->panel[p].high);
    }
}

/* Panels share a scale where the values are of one problem, and none of the panels would use but a part of it. */
static bool one_scale(const struct figure_map *map)
{
    static const double part = 0.6;
    double low = INFINITY, high = -INFINITY;
    whole_range(map, &low, &high);
    for (size_t p = 0; p < map->panels && map->one_problem; p++) {
        const struct map_panel *panel = &map->panel[p];
        const double whole = map->log ? log(high / low) : high - low,
                     own = map->log ? log(panel->high / panel->low) : panel->high - panel->low;
        if (panel->high >= panel->low && own < part * whole)
            return false;
    }
    return map->one_problem;
}

static void put_panel(FILE *out, const struct scene *scene, size_t index, const struct legend *legend)
{
    const struct figure_map *map = scene->map;
    const size_t number = map->first + index, row = index / scene->columns, column = index % scene->columns;
    const struct map_panel *panel = &map->panel[number];
    const double left = scene->left + scene->pitch * (double)column,
                 top = scene->top - (scene->panel_height + between) * (double)row, bottom = top - scene->panel_height;
    char title[LABEL_MAX];
    fprintf(
        out,
        "\nset lmargin at screen %.4f\nset rmargin at screen %.4f\nset bmargin at screen %.4f\nset tmargin at screen "
        "%.4f\n",
        left / scene->width, (left + scene->panel_width) / scene->width, bottom / scene->height, top / scene->height);
    panel_label(scene->figure, &panel->words, title);
    fputs("set title ", out);
    put_text(out, title);
    fputs(" noenhanced offset 0,-0.6\n", out);
    put_ticks(out, 'x', &panel->axis[0], scene->panel_width, map->word[0] == MAP_RATE);
    put_ticks(out, 'y', &panel->axis[1], scene->panel_height, map->word[1] == MAP_RATE);
    const bool last_row = index + scene->columns >= map->count;
    fputs("set xlabel ", out);
    put_text(out, last_row ? map_word[map->word[0]].label : "");
    fputs(" offset 0,0.4\nset ylabel ", out);
    put_text(out, column == 0 ? map_word[map->word[1]].label : "");
    fputs(" offset 0.2,0\n", out);
    if (index == 0)
        put_legend(out, scene, legend);
    else
        fputs("unset label\nunset arrow\nunset object\n", out);
    double low = panel->low, high = panel->high;
    if (scene->shared)
        whole_range(map, &low, &high);
    put_scale(out, scene, low, high);
    if (scene->shared && index > 0) {
        fputs("unset colorbox\n", out);
    } else if (scene->shared) {
        const double last =
            scene->top - scene->panel_height - (scene->panel_height + between) * (double)(scene->rows - 1);
        const double height = fmin(scene->top - last, 9);
        put_bar(out, scene, scene->left + scene->pitch * (double)(scene->columns - 1) + scene->panel_width + bar_gap,
                scene->top - height, height);
    } else {
        put_bar(out, scene, left + scene->panel_width + bar_gap, bottom, scene->panel_height);
    }
    put_plot(out, scene, number);
}

void script_map(FILE *out, const struct figure *f)
{
    const bool column = f->size == FIGURE_COLUMN;
    struct scene scene = {.figure = f, .map = f->map, .width = column ? 8.5 : 17.5};
    struct legend legend;
    scene.columns = column || f->panels == 1 ? 1 : 2;
    scene.rows = (f->panels + scene.columns - 1) / scene.columns;
    if (!column && scene.columns == 1)
        scene.width = 12.5;
    scene.shared = one_scale(f->map);
    make_legend(&scene, &legend);
    find_layout(&scene, &legend);
    script_head(out, f, scene.width, scene.height);
    if (f->map->note[0])
        fprintf(out, "# The mean-square limit is not drawn: %s\n", f->map->note);
    fprintf(out,
            "# %s.csv: a row for each cell: its place, how many runs diverged, the median of the last values.\n"
            "# %s-limit.csv: the largest stable rate of theory.\n"
            "table = name.'.csv'\nlimit = name.'-limit.csv'\n"
            "unset grid\nunset key\nset border 15 lw 0.8 lc rgb '#404040'\nset tics front nomirror out scale 0.6\n"
            "of(s) = column('panel') == p && strcol('state') eq s ? column('at_x') : NaN\n"
            "marked(s) = column('panel') == p && strcol('best') eq s ? column('at_x') : NaN\n"
            "set multiplot\n",
            f->name, f->name);
    for (size_t i = 0; i < f->panels; i++)
        put_panel(out, &scene, i, &legend);
    fputs("unset multiplot\n", out);
}
