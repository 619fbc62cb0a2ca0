/* Figures of laws: the table holds the data, the script draws from it alone, every kind and every degenerate panel can
 * be drawn, and hostile words stay words. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "figure.h"
#include "laws/law_figure.h"
#include "laws/law_figure_internal.h"

static struct error error;

static char *read_all(const char *name)
{
    FILE *in = fopen(name, "rb");
    cr_assert(in, "%s", name);
    char *text = calloc(1, 1 << 20);
    const size_t length = fread(text, 1, (1 << 20) - 1, in);
    cr_assert(length < (1 << 20) - 1);
    fclose(in);
    return text;
}

static bool exists(const char *name)
{
    struct stat status;
    return stat(name, &status) == 0 && status.st_size > 0;
}

static bool have_gnuplot(void)
{
    if (system("command -v gnuplot >/dev/null 2>&1") == 0)
        return true;
    cr_skip("gnuplot is not installed");
    return false;
}

struct drawn {
    size_t good;
    char reason[512];
};

static void told(void *context, const char *path, const char *reason)
{
    struct drawn *drawn = context;
    drawn->good += !reason && exists(path);
    if (reason)
        snprintf(drawn->reason, sizeof drawn->reason, "%s: %s", path, reason);
}

/* Writes the figure and draws it in every format that leaves a file. */
static void draw(const struct law_figure *figure, const char *stem)
{
    static const char *const format[] = {"svg", "pdf", "png", "tex"};
    struct drawn drawn = {0};
    const struct figure_options options = {.format = format,
                                           .format_count = 4,
                                           .style = SGDLAB_TEST_SOURCE_DIR "/plots/style.gp",
                                           .told = told,
                                           .context = &drawn};
    cr_assert(law_figure_write(figure, ".", stem, &error) == STATUS_OK, "%s", error.message);
    if (!have_gnuplot())
        return;
    cr_assert(figure_draw(".", stem, &options, &error) == STATUS_OK, "%s", error.message);
    cr_assert(drawn.good == 4, "%zu of 4 drawn; %s", drawn.good, drawn.reason);
}

static void add(struct panel *panel, enum series_kind kind, const char *label, size_t count, const double *x,
                const double *y, const double *low, const double *high)
{
    cr_assert(panel_series(panel, kind, label, count, x, y, low, high, &error) == STATUS_OK, "%s", error.message);
}

Test(law_figure, table)
{
    struct law_figure figure = {0};
    double x[] = {1, 2, 4}, y[] = {0.1, NAN, -INFINITY}, low[] = {0, 1, 1e-300}, high[] = {1. / 3, 2, 3};
    struct panel *panel = law_figure_panel(&figure, "p", "x", "y");
    cr_assert(isnan(panel->x_min) && isnan(panel->y_max) && !panel->x_log);
    add(panel, SERIES_POINTS, "a, \"b\"\nc", 3, x, y, low, high);
    add(panel, SERIES_VERTICAL, "limit", 1, x, NULL, NULL, NULL);
    panel = law_figure_panel(&figure, "q", "x", "y");
    add(panel, SERIES_BAND, "", 2, x, NULL, low, high);
    x[0] = 7; /* copies were taken */
    cr_assert(law_figure_write(&figure, ".", "table", &error) == STATUS_OK);
    char *text = read_all("table.csv");
    cr_assert_str_eq(text, "panel,series,kind,x,y,low,high,label\r\n"
                           "0,0,points,1,0.1,0,0.33333333333333331,\"a, \"\"b\"\" c\"\r\n"
                           "0,0,points,2,,1,2,\"a, \"\"b\"\" c\"\r\n"
                           "0,0,points,4,,1e-300,3,\"a, \"\"b\"\" c\"\r\n"
                           "0,1,vertical,1,,,,limit\r\n"
                           "1,0,band,1,,0,0.33333333333333331,\r\n"
                           "1,0,band,2,,1,2,\r\n");
    free(text);
    text = read_all("table.gp");
    cr_assert(strstr(text, "every ::0::2") && strstr(text, "every ::3::3") && strstr(text, "every ::4::5"));
    cr_assert(!strstr(text, "summary.csv"));
    free(text);
    law_figure_free(&figure);
    cr_assert(figure.count == 0 && !figure.panel);
    law_figure_free(&figure);
}

Test(law_figure, misuse)
{
    struct law_figure figure = {0};
    static const double x[] = {1};
    cr_assert(law_figure_write(&figure, ".", "empty", &error) == STATUS_USAGE);
    struct panel *panel = law_figure_panel(&figure, "p", "x", "y");
    cr_assert(panel_series(panel, SERIES_POINTS, "a", 1, x, NULL, NULL, NULL, &error) == STATUS_USAGE);
    cr_assert(panel_series(panel, SERIES_POINTS, "a", 1, NULL, x, NULL, NULL, &error) == STATUS_USAGE);
    cr_assert(panel_series(panel, SERIES_BAND, "a", 1, x, x, NULL, NULL, &error) == STATUS_USAGE);
    cr_assert(panel->count == 0);
    static const char *const bad[] = {"",
                                      "../up",
                                      "a b",
                                      "a'b",
                                      "-x",
                                      "a.b",
                                      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert(law_figure_write(&figure, ".", bad[i], &error) == STATUS_USAGE, "%s", bad[i]);
    law_figure_free(&figure);
}

/* Every kind in panels of every scale and number of columns. */
Test(law_figure, every_kind)
{
    enum { COUNT = 30 };
    double x[COUNT], y[COUNT], low[COUNT], high[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        x[i] = pow(1.3, (double)i);
        y[i] = 3 / sqrt(x[i]);
        low[i] = 0.9 * y[i];
        high[i] = 1.1 * y[i];
    }
    for (size_t panels = 1; panels <= 7; panels += 2) {
        struct law_figure figure = {.columns = panels == 5 ? 2 : 0, .title = "everything: η ≤ 2/L"};
        for (size_t p = 0; p < panels; p++) {
            struct panel *panel = law_figure_panel(&figure, "a title", "steps", "gap");
            panel->x_log = p % 2;
            panel->y_log = p / 2 % 2;
            snprintf(panel->text, sizeof panel->text, "slope −0.5\nseen −0.501 ± 0.002");
            add(panel, SERIES_BAND, "bound", COUNT, x, NULL, NULL, high);
            add(panel, SERIES_MEASURED, "mean", COUNT, x, y, low, high);
            add(panel, SERIES_THEORY, "exact", COUNT, x, y, NULL, NULL);
            add(panel, SERIES_THEORY, "leading order", COUNT, x, low, NULL, NULL);
            add(panel, SERIES_POINTS, "p", 5, x, y, low, high);
            add(panel, SERIES_STEPS, "histogram", 8, x, y, NULL, NULL);
            add(panel, SERIES_VERTICAL, "η_max", 2, x + 3, NULL, NULL, NULL);
        }
        char stem[16];
        snprintf(stem, sizeof stem, "every%zu", panels);
        draw(&figure, stem);
        law_figure_free(&figure);
    }
    if (!exists("every1.svg"))
        return;
    char *text = read_all("every1.svg");
    static const char *const said[] = {"everything: η ≤ 2/L",
                                       "a title",
                                       "steps",
                                       "gap",
                                       "bound",
                                       "mean",
                                       "exact",
                                       "leading order",
                                       "histogram",
                                       "η_max",
                                       "slope −0.5",
                                       "seen −0.501 ± 0.002"};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        cr_assert(strstr(text, said[i]), "the picture says '%s'", said[i]);
    free(text);
    /* What is drawn comes from the table: without it nothing is, with other numbers another picture. */
    char *before = read_all("every1.svg");
    cr_assert(system("gnuplot every1.gp") == 0);
    text = read_all("every1.svg");
    cr_assert_str_eq(text, before);
    free(text);
    cr_assert(system("sed -i 's/^0,4,points,1,3,/0,4,points,1,2,/' every1.csv && gnuplot every1.gp") == 0);
    text = read_all("every1.svg");
    cr_assert(strcmp(text, before) != 0);
    free(text);
    free(before);
}

/* Nothing, one value, no positive value, gaps, infinities. */
Test(law_figure, degenerate_panels)
{
    struct law_figure figure = {0};
    double x[] = {0, 1, 2, 3}, negative[] = {-1, -2, -3, -4}, gaps[] = {NAN, 1, INFINITY, 2}, same[] = {5, 5, 5, 5},
           none[] = {NAN, NAN, NAN, NAN}, huge[] = {1e300, 1e-300, 1e308, 1};
    law_figure_panel(&figure, "empty", "", "");
    for (int scale = 0; scale < 4; scale++) {
        const double *const y[] = {negative, gaps, same, none, huge};
        for (size_t i = 0; i < 5; i++) {
            struct panel *panel = law_figure_panel(&figure, "", "x", "y");
            panel->x_log = scale % 2;
            panel->y_log = scale / 2;
            snprintf(panel->text, sizeof panel->text, "text");
            panel->y_max = i == 3 ? -1 : NAN; /* no range for a logarithmic axis */
            add(panel, SERIES_POINTS, "p", 4, x, y[i], y[i], y[i]);
            add(panel, SERIES_MEASURED, "m", 4, x, y[i], none, y[i]);
            add(panel, SERIES_STEPS, "s", 4, x, y[i], NULL, NULL);
            add(panel, SERIES_VERTICAL, "v", 4, y[i], NULL, NULL, NULL);
            add(panel, SERIES_BAND, "b", 4, y[i], NULL, y[i], NULL);
            add(panel, SERIES_THEORY, "nothing", 0, NULL, NULL, NULL, NULL);
        }
    }
    draw(&figure, "degenerate");
    law_figure_free(&figure);
    struct panel *panel = law_figure_panel(&figure, "", "x", "y");
    panel->x_log = panel->y_log = true;
    add(panel, SERIES_POINTS, "one", 1, (const double[]){3}, (const double[]){1e-5}, (const double[]){-1},
        (const double[]){2});
    struct axis across, up;
    panel_axes(panel, &across, &up);
    cr_assert(across.low > 0 && across.low < 3 && across.high > 3);
    cr_assert(up.low > 0 && up.low < 1e-5 && up.high > 2);
    draw(&figure, "one");
    law_figure_free(&figure);
}

Test(law_figure, hostile_words)
{
    static const char *const words[] = {"'.system('touch pwned').'",
                                        "`touch pwned`",
                                        "\"; system('touch pwned'); \"",
                                        "'''",
                                        "'",
                                        "\\\\\n#{@x}$_^%~<b>&",
                                        "\xff\xc3(",
                                        "%s%n%d",
                                        "{/=99 x}",
                                        ""};
    static const double x[] = {1, 2, 3}, y[] = {3, 1, 2};
    struct law_figure figure = {0};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct panel *panel = law_figure_panel(&figure, words[i], words[i], words[i]);
        snprintf(panel->text, sizeof panel->text, "%s\n%s", words[i], words[i]);
        add(panel, SERIES_MEASURED, words[i], 3, x, y, y, y);
        add(panel, SERIES_VERTICAL, words[i], 1, x, NULL, NULL, NULL);
        snprintf(figure.title, sizeof figure.title, "%s%s", words[0], words[i]);
    }
    draw(&figure, "hostile");
    law_figure_free(&figure);
    cr_assert(!exists("pwned") && access("pwned", F_OK) != 0);
    if (!exists("hostile.svg"))
        return;
    char *text = read_all("hostile.svg");
    cr_assert(strstr(text, "`touch pwned`") && strstr(text, "%s%n%d") && strstr(text, "{/=99 x}") &&
              strstr(text, "$_^%~&lt;b"));
    cr_assert(!strstr(text, "<b>")); /* an element of the picture */
    free(text);
}

/* Words go where no data are: the panel is full but for its lower left. */
Test(law_figure, room_for_words)
{
    enum { COUNT = 50 };
    double x[COUNT], y[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        x[i] = (double)i / (COUNT - 1);
        y[i] = x[i] < 0.3 ? 1 : 1 - (x[i] - 0.3) / 0.7;
    }
    struct law_figure figure = {0};
    struct panel *panel = law_figure_panel(&figure, "", "x", "y");
    add(panel, SERIES_THEORY, "", COUNT, x, y, NULL, NULL);
    struct axis across, up;
    panel_axes(panel, &across, &up);
    cr_assert_float_eq(axis_place(&across, across.low), 0, 1e-12);
    cr_assert_float_eq(axis_place(&across, across.high), 1, 1e-12);
    const struct patch lower_left = {0, 0.4, 0, 0.4}, upper_left = {0, 0.4, 0.6, 1}, lower_right = {0.6, 1, 0, 0.4};
    cr_assert(panel_crowd(panel, &across, &up, &lower_left) == 0);
    cr_assert(panel_crowd(panel, &across, &up, &upper_left) > 10);
    cr_assert(panel_crowd(panel, &across, &up, &lower_right) > 10);
    /* A line between two far points is seen as well as one of many. */
    const struct patch middle = {0.4, 0.6, 0.4, 0.6};
    add(panel, SERIES_MEASURED, "", 2, (const double[]){0, 1}, (const double[]){0, 1}, NULL, NULL);
    cr_assert(panel_crowd(panel, &across, &up, &middle) > 5);
    struct axis taller = up;
    axis_extend(&taller, 0.5);
    cr_assert_float_eq(axis_place(&taller, up.high), 0.5, 1e-12);
    struct axis log_axis = {1, 100, true};
    axis_extend(&log_axis, 0.5);
    cr_assert_float_eq(log_axis.high, 1e4, 1e-8);
    cr_assert(isnan(axis_place(&log_axis, 0)) && isnan(axis_place(&log_axis, -1)));
    law_figure_free(&figure);
}

/* At least two marks on every axis, at most about as many as there is room for. */
Test(law_figure, ticks)
{
    static const double lows[] = {1e-9, 0.97, 1, 3, 1000};
    static const double factors[] = {1.02, 1.3, 3, 9, 50, 1e3, 1e12};
    for (size_t i = 0; i < 5; i++)
        for (size_t k = 0; k < 7; k++)
            for (double room = 3; room < 9; room += 2)
                for (int log = 0; log < 2; log++) {
                    const struct axis axis = {lows[i], lows[i] * factors[k], log};
                    struct ticks ticks;
                    axis_ticks(&axis, room, &ticks);
                    double count = (double)ticks.count;
                    if (ticks.kind == TICKS_STEP)
                        count = floor(axis.high / ticks.step) - ceil(axis.low / ticks.step) + 1;
                    if (ticks.kind == TICKS_POWERS)
                        count = floor(log10(axis.high) / ticks.step) - ceil(log10(axis.low) / ticks.step) + 1;
                    cr_assert(count >= 2 && count <= room + 2, "%g .. %g, %d: %g marks for %g", axis.low, axis.high,
                              log, count, room);
                    for (size_t t = 0; t < ticks.count; t++)
                        cr_assert(ticks.value[t] >= axis.low && ticks.value[t] <= axis.high);
                }
}
