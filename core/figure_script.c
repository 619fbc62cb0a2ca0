/* Writing the gnuplot scripts. Each reads the tables beside it, so it redraws its figure alone. */
#include <math.h>
#include <string.h>

#include "figure_internal.h"

/* Where the parts of a figure lie, in fractions of it. */
struct layout {
    size_t rows, columns;
    double width, height;            /* cm */
    double left, right, bottom, top; /* of all panels together */
    double gap_x, gap_y;
    bool key_below;
};

/* The room that the longest curve label takes beside its sample, cm. */
static double key_width(const struct figure *f)
{
    char label[LABEL_MAX];
    size_t longest = 0;
    for (size_t i = 0; i < f->cells; i++) {
        curve_label(f, &f->cell[i], label);
        longest = strlen(label) > longest ? strlen(label) : longest;
    }
    return 1.6 + 0.165 * (double)longest;
}

static struct layout layout_of(const struct figure *f, double panel_height)
{
    struct layout l = {.key_below = f->size == FIGURE_COLUMN};
    l.columns = f->size == FIGURE_COLUMN ? 1 : f->panels <= 1 ? 1 : f->panels == 2 || f->panels == 4 ? 2 : 3;
    l.rows = (f->panels + l.columns - 1) / l.columns;
    l.width = f->size == FIGURE_COLUMN ? 8.5 : 17.5;
    const double key = l.key_below ? 0.42 * (double)((f->curves + 2) / 2) + 0.3 : 0;
    const double head = f->size == FIGURE_COLUMN ? 1.5 : 1.1, foot = 1.2, between = 1.55;
    l.height = head + foot + key + panel_height * (double)l.rows + between * (double)(l.rows - 1);
    l.left = (f->size == FIGURE_COLUMN ? 1.7 : 1.75) / l.width;
    l.right = l.key_below ? 0.97 : fmax(0.45, 1 - key_width(f) / l.width);
    l.bottom = (foot + key) / l.height;
    l.top = 1 - head / l.height;
    l.gap_x = 1.45 / l.width;
    l.gap_y = between / l.height;
    return l;
}

void script_head(FILE *out, const struct figure *f, double width, double height)
{
    fprintf(out,
            "# %s of this folder's experiment. Redraw: gnuplot %s.gp   (another format: gnuplot -e \"format='pdf'\" "
            "%s.gp;\n"
            "# svg, pdf, png, tex, dumb). Reads the .csv tables and style.gp beside it.\n",
            f->type, f->name, f->name);
    fprintf(out, "name = '%s'; width = %.4g; height = %.4g\nload 'style.gp'\n", f->name, width, height);
    /* What all curves share, above them: one line, or two where one is too long. */
    char common[LABEL_MAX];
    common_label(f, common);
    const size_t room = (size_t)((width - 0.6) / 0.165);
    size_t cut = strlen(common);
    if (cut > room)
        for (cut = room; cut > 0 && strncmp(common + cut, ", ", 2) != 0; cut--)
            ;
    const bool two = cut > 0 && common[cut];
    const char *second = two ? common + cut + 2 : "";
    if (two)
        common[cut + 1] = '\0';
    const char *const line[] = {common, second};
    for (int i = 0; i < 1 + two; i++) {
        fprintf(out, "set label %d ", 1 + 2 * i); /* 1 and 3; 2 is for the panels */
        put_text(out, line[i]);
        fprintf(out, " at screen 0.5, screen %.4f center noenhanced\n", 1 - (0.3 + 0.38 * i) / height);
    }
}

static void put_panels(FILE *out, const struct layout *l)
{
    fprintf(out, "set multiplot layout %zu,%zu margins screen %.4f,%.4f,%.4f,%.4f spacing screen %.4f,%.4f\n", l->rows,
            l->columns, l->left, l->right, l->bottom, l->top, l->gap_x, l->gap_y);
}

static void put_key(FILE *out, const struct layout *l)
{
    if (l->key_below)
        fprintf(out,
                "set key at screen %.4f, screen %.4f center bottom horizontal Left reverse samplen 2.5 noenhanced "
                "maxcols 2\n",
                0.53, 0.12 / l->height);
    else
        fprintf(
            out,
            "set key at screen %.4f, screen %.4f left top vertical maxrows 40 Left reverse samplen 2.5 noenhanced\n",
            l->right + 0.015, l->top);
}

/* The first panel has the key and the line above all panels; the y axis is named in the first column. */
static void put_panel_key(FILE *out, const struct layout *l, size_t panel)
{
    if (panel == 0) {
        put_key(out, l);
        if (l->columns > 1) /* every other power: they would run into each other */
            fputs("set xtics 100\n", out);
        return;
    }
    fprintf(out, "unset key\nunset label 1\nunset label 3\nset ylabel %s\n",
            panel % l->columns == 0 ? "name_of_y" : "''");
}

static const struct figure_cell *first_of(const struct figure *f, size_t panel, size_t curve)
{
    for (size_t i = 0; i < f->cells; i++)
        if ((panel == SIZE_MAX || f->cell[i].panel == panel) && (curve == SIZE_MAX || f->cell[i].curve == curve))
            return &f->cell[i];
    return NULL;
}

static void put_title(FILE *out, const struct figure *f, size_t panel)
{
    char label[LABEL_MAX];
    panel_label(f, first_of(f, panel, SIZE_MAX), label);
    fputs("set title ", out);
    put_text(out, label);
    fputs(" noenhanced offset 0,-0.6\n", out);
}

/* The colour of a curve: a shade of one scale for values of one number, else a line type, which brings dashes and
 * points. */
static void put_colour(FILE *out, const struct figure *f, size_t curve)
{
    if (f->sequential && f->curves > 4)
        fprintf(out, "lc palette frac %.3f", (double)curve / (double)(f->curves - 1));
    else
        fprintf(out, "lt %zu", curve % 10 + 1);
}

/* Colour, dashes and points: any two of them tell curves apart. */
static void put_look(FILE *out, const struct figure *f, size_t curve)
{
    put_colour(out, f, curve);
    if (f->sequential && f->curves > 4)
        fprintf(out, " dt %d pt %d", (int[]){1, 2, 4}[curve % 3], (int[]){7, 5, 9, 11, 13}[curve % 5]);
}

static void put_curve_title(FILE *out, const struct figure *f, size_t curve)
{
    char label[LABEL_MAX];
    curve_label(f, first_of(f, SIZE_MAX, curve), label);
    fputs(" title ", out);
    put_text(out, label);
}

static void put_axis(FILE *out, const struct figure *f, char axis, const char *column, bool log)
{
    if (axis == 'y')
        fprintf(out, "name_of_y = '%s'\nset ylabel name_of_y offset 1.2,0\n", axis_words(column));
    else
        fprintf(out, "set xlabel '%s' offset 0,0.5\n", axis_words(column));
    if (log)
        fprintf(out, "set logscale %c\nset format %c (tex ? '$10^{%%T}$' : '10^{%%T}')\nset m%ctics default\n", axis,
                axis, axis);
    if (f->size == FIGURE_COLUMN && axis == 'x')
        fputs("set xtics autofreq\n", out);
}

/* Smallest positive certificate of a panel's cells: nothing below it means anything. 0: none. */
static double certificate_of(const struct figure *f, size_t panel)
{
    double largest = 0;
    for (size_t i = 0; i < f->cells; i++)
        if (f->cell[i].panel == panel && f->cell[i].has_optimum)
            largest = fmax(largest, f->cell[i].certificate);
    return largest;
}

/* Dummies that put every curve of the figure into the key of the panel that has it. */
static void put_key_entries(FILE *out, const struct figure *f)
{
    for (size_t c = 0; c < f->curves; c++) {
        fputs(",\\\n  NaN with linespoints ", out);
        put_look(out, f, c);
        put_curve_title(out, f, c);
    }
}

/* middle_of(NAME), low_of(NAME) and high_of(NAME): a metric's median and its 10% and 90% quantiles; where only moments
 * were kept, its mean and 95% confidence limits. */
static void put_statistics(FILE *out, const struct figure *f)
{
    if (f->cell[0].moments)
        fputs("# Moments were kept: means over the chains, and 1.96 standard errors of them to each side.\n"
              "middle_of(m) = column(m.'_mean')\n"
              "low_of(m) = column(m.'_mean') - 1.96*column(m.'_se')\n"
              "high_of(m) = column(m.'_mean') + 1.96*column(m.'_se')\n",
              out);
    else
        fputs("middle_of(m) = column(m.'_median')\n"
              "low_of(m) = column(m.'_q10')\nhigh_of(m) = column(m.'_q90')\n",
              out);
}

void script_curves(FILE *out, const struct figure *f)
{
    struct layout l = layout_of(f, f->size == FIGURE_COLUMN ? 5.2 : f->panels == 1 ? 7.6 : 5.6);
    script_head(out, f, l.width, l.height);
    put_axis(out, f, 'y', f->metric, axis_is_log(f->metric));
    put_axis(out, f, 'x', f->x, !f->cell[0].linear_grid);
    put_statistics(out, f);
    fprintf(out,
            "# One cell's rows; where runs have left, the mean is empty and the median of all runs stands in.\n"
            "x(c) = column('cell') == c && column('%s') >= left ? column('%s') : NaN\n"
            "least = -1e300\n"
            "seen(v) = v > least ? v : NaN\n"
            "set samples 1000\n"
            "middle(c) = column('n_diverged') > 0 ? seen(middle_of('%s')) : seen(column('%s_mean'))\n"
            "high(c) = seen(high_of('%s'))\n",
            f->x, f->x, f->metric, f->metric, f->metric);
    if (axis_is_log(f->metric))
        fprintf(out,
                "# Runs that diverge leave through the upper edge instead of squeezing the others together.\n"
                "stats 'summary.csv' using (column('n_diverged')) nooutput name 'D'\n"
                "stats 'summary.csv' using (column('step') == 0 ? middle_of('%s') : NaN) nooutput name 'S'\n"
                "if (D_max > 0 && S_max > 0) set yrange [*:30*S_max]\n",
                f->metric);
    fprintf(out, "left = %s\n",
            f->cell[0].linear_grid ? "0" : "1e-300 # a logarithmic axis has no place for the start");
    put_panels(out, &l);
    for (size_t p = 0; p < f->panels; p++) {
        const double certificate = strcmp(f->metric, "gap") == 0 ? certificate_of(f, p) : 0;
        put_title(out, f, p);
        put_panel_key(out, &l, p);
        if (axis_is_log(f->metric))
            fprintf(out, "least = %.6g # %s\n", certificate,
                    certificate > 0 ? "how well the optimum is certified" : "the axis is logarithmic");
        fprintf(out, "low(c) = low_of('%s') > least ? low_of('%s') : least\n", f->metric, f->metric);
        if (f->guides) /* through the end of the panel's first curve */
            fprintf(out,
                    "stats 'summary.csv' using (x(%llu)):(middle(0)) nooutput name 'G'\n"
                    "guide(x, p) = x > G_max_x/200 && x <= G_max_x ? 0.6*G_min_y*(G_max_x/x)**p : NaN\n",
                    (unsigned long long)first_of(f, p, SIZE_MAX)->position);
        fputs("plot \\\n", out);
        const char *separator = "";
        size_t bands = 0;
        for (size_t i = 0; i < f->cells; i++)
            bands += f->cell[i].panel == p;
        for (size_t i = 0; i < f->cells && f->replicates > 1 && bands <= 10; i++) {
            if (f->cell[i].panel != p)
                continue;
            fprintf(out, "%s  'summary.csv' using (x(%llu)):(low(0)):(high(0)) with filledcurves ", separator,
                    (unsigned long long)f->cell[i].position);
            put_colour(out, f, f->cell[i].curve);
            fputs(" fs transparent solid 0.13 noborder notitle", out);
            separator = ",\\\n";
        }
        for (size_t i = 0; i < f->cells; i++) {
            if (f->cell[i].panel != p)
                continue;
            fprintf(out, "%s  'summary.csv' using (x(%llu)):(middle(0)) with linespoints pointinterval 6 ", separator,
                    (unsigned long long)f->cell[i].position);
            put_look(out, f, f->cell[i].curve);
            fputs(" notitle", out);
            separator = ",\\\n";
        }
        for (size_t g = 0; g < FIGURE_GUIDES; g++)
            if (f->guides & 1u << g)
                fprintf(out, ",\\\n  guide(x, %s) with lines lt 7 dt %zu lw 0.7 notitle", figure_guide[g].power, g + 2);
        if (p == 0) {
            put_key_entries(out, f);
            for (size_t g = 0; g < FIGURE_GUIDES; g++)
                if (f->guides & 1u << g)
                    fprintf(out, ",\\\n  NaN with lines lt 7 dt %zu lw 0.7 title (tex ? '%s' : '%s')", g + 2,
                            figure_guide[g].tex, figure_guide[g].label);
        }
        fputs("\n", out);
    }
    fputs("unset multiplot\n", out);
}

/* The steps at which the cells end: T[cell + 1]. */
static void put_last_steps(FILE *out, const struct figure *f)
{
    fprintf(out,
            "# The last step of each cell; -1: not in this figure.\narray T[%llu]\ndo for [i=1:|T|] { T[i] = -1 }\n",
            (unsigned long long)f->last_position + 1);
    for (size_t i = 0; i < f->cells; i++)
        fprintf(out, "T[%llu] = %llu%s", (unsigned long long)f->cell[i].position + 1,
                (unsigned long long)f->cell[i].columns.steps, i % 6 == 5 || i + 1 == f->cells ? "\n" : "; ");
}

void script_final(FILE *out, const struct figure *f)
{
    struct layout l = layout_of(f, f->size == FIGURE_COLUMN ? 5.2 : f->panels == 1 ? 7.6 : 5.6);
    script_head(out, f, l.width, l.height);
    put_axis(out, f, 'y', f->metric, axis_is_log(f->metric));
    put_axis(out, f, 'x', f->x, true);
    fprintf(out, "name_of_y = 'final %s'\nset ylabel name_of_y\nset offsets graph 0.03, graph 0.03, 0, 0\n",
            axis_words(f->metric));
    put_last_steps(out, f);
    put_statistics(out, f);
    fprintf(out,
            "# The last row of each cell: cell, x, middle, lower and upper value, runs that diverged.\n"
            "last(c) = c < |T| && column('step') == T[c + 1]\n"
            "set table $L\nplot 'summary.csv' using (strcol('cell')):(column('%s')):(middle_of('%s')):(low_of('%s')):"
            "(high_of('%s')):(column('n_diverged')) with table if (last(int(column('cell'))))\nunset table\n"
            "set datafile separator whitespace\nunset datafile columnheaders\n"
            "# Of them those of a panel's curve; s lists its cells (' 0 3 17 ').\n"
            "of(s) = strstrt(s, ' '.strcol(1).' ') > 0\n",
            f->x, f->metric, f->metric, f->metric);
    for (size_t p = 0; p < f->panels; p++)
        for (size_t c = 0; c < f->curves; c++) {
            if (!first_of(f, p, c))
                continue;
            fprintf(out, "s = '");
            for (size_t i = 0; i < f->cells; i++)
                if (f->cell[i].panel == p && f->cell[i].curve == c)
                    fprintf(out, " %llu ", (unsigned long long)f->cell[i].position);
            fprintf(out, "'\nset table $P%zuC%zu\nplot $L using 2:3:4:5:6 with table if (of(s))\nunset table\n", p, c);
        }
    fputs("set datafile missing NaN\n"
          "# Cells with runs that left are open points on the upper edge.\n"
          "stayed(v) = column(5) == 0 ? v : NaN\nleft(v) = column(5) > 0 ? v : NaN\n",
          out);
    put_panels(out, &l);
    for (size_t p = 0; p < f->panels; p++) {
        put_title(out, f, p);
        put_panel_key(out, &l, p);
        fputs("top = 0; bottom = 1e300; gone = 0\nset yrange [*:*]\n", out);
        for (size_t c = 0; c < f->curves; c++)
            if (first_of(f, p, c))
                fprintf(out,
                        "do for [i=1:|$P%zuC%zu|] { if (word($P%zuC%zu[i], 5) > 0) { gone = 1 } else { top = top > "
                        "real(word($P%zuC%zu[i], 4)) ? top : real(word($P%zuC%zu[i], 4)); bottom = bottom < "
                        "real(word($P%zuC%zu[i], 3)) ? bottom : real(word($P%zuC%zu[i], 3)) } }\n",
                        p, c, p, c, p, c, p, c, p, c, p, c);
        fputs(
            "edge = top * (top / bottom)**0.14\n"
            "if (gone) { set yrange [*:edge * (top / bottom)**0.05]; set label 2 'runs diverged' at graph 0.03, first "
            "edge left offset 0,-0.8 }\nplot \\\n  (gone ? edge : NaN) with lines dt 3 lw 0.6 lc rgb '#808080' notitle",
            out);
        for (size_t c = 0; c < f->curves; c++) {
            if (!first_of(f, p, c))
                continue;
            fprintf(out, ",\\\n  $P%zuC%zu using 1:(stayed($2)):3:4 with yerrorbars lw 0.6 ps 0 ", p, c);
            put_colour(out, f, c);
            fprintf(out, " dt 1 notitle,\\\n  $P%zuC%zu using 1:(stayed($2)) with linespoints ", p, c);
            put_look(out, f, c);
            fprintf(out, " notitle,\\\n  $P%zuC%zu using 1:(left(edge)) with points ", p, c);
            put_colour(out, f, c);
            fputs(" pt 6 ps 0.7 notitle", out);
        }
        if (p == 0)
            put_key_entries(out, f);
        fputs("\n", out);
    }
    fputs("unset multiplot\n", out);
}

void script_schedule(FILE *out, const struct figure *f)
{
    struct layout l = layout_of(f, f->size == FIGURE_COLUMN ? 7.6 : 8.4);
    const double split = l.bottom + 0.6 * (l.top - l.bottom);
    script_head(out, f, l.width, l.height);
    put_axis(out, f, 'x', f->x, false);
    fputs("set format x '%g'\n", out);
    fprintf(out, "set multiplot\nset lmargin at screen %.4f\nset rmargin at screen %.4f\n", l.left, l.right);
    fprintf(out, "set bmargin at screen %.4f\nset tmargin at screen %.4f\n", split + 0.03, l.top + 0.03);
    put_key(out, &l);
    fputs("set ylabel 'learning rate' offset 1.2,0\nset logscale y\nset format y (tex ? '$10^{%T}$' : "
          "'10^{%T}')\nunset xlabel\nset format x ''\n"
          "",
          out);
    fprintf(out, "# The first run of each cell stands for all: the rate does not depend on the samples.\n"
                 "x(r) = column('run') == r ? column('epoch') : NaN\nset yrange [3e-5:*]\nplot \\\n");
    for (size_t i = 0; i < f->cells; i++) {
        fprintf(out,
                "  'points.csv' using (x(%llu)):(column('rate') > 0 ? column('rate') : NaN) with linespoints "
                "pointinterval 6 ",
                (unsigned long long)(f->cell[i].position * f->replicates));
        put_look(out, f, f->cell[i].curve);
        fputs(" notitle,\\\n", out);
    }
    fputs("  NaN notitle", out);
    put_key_entries(out, f);
    fprintf(out, "\nset bmargin at screen %.4f\nset tmargin at screen %.4f\nunset key\nunset label 1\nunset label 3\n",
            l.bottom, split - 0.03);
    put_axis(out, f, 'x', f->x, false);
    fputs("set format x '%g'\nset yrange [*:*]\n", out);
    put_axis(out, f, 'y', f->metric, axis_is_log(f->metric));
    fprintf(out, "x(c) = column('cell') == c ? column('%s') : NaN\nplot \\\n", f->x);
    for (size_t i = 0; i < f->cells; i++) {
        fprintf(out, "%s  'summary.csv' using (x(%llu)):(column('%s_median')) with linespoints pointinterval 6 ",
                i ? ",\\\n" : "", (unsigned long long)f->cell[i].position, f->metric);
        put_look(out, f, f->cell[i].curve);
        fputs(" notitle", out);
    }
    fputs("\nunset multiplot\n", out);
}

void script_variance(FILE *out, const struct figure *f)
{
    struct layout l = layout_of(f, f->size == FIGURE_COLUMN ? 6.4 : 7.8);
    l.right = l.key_below ? 0.97 : 0.68;
    const double split = l.bottom + 0.36 * (l.top - l.bottom);
    script_head(out, f, l.width, l.height);
    const unsigned long long some = f->cell[0].position;
    fprintf(out,
            "# tr Sigma at the frozen iterate (exact, one pass) and n.\n"
            "stats 'estimator.csv' using (column('cell') == %llu ? column('sigma2') : NaN) nooutput name 'S'\n"
            "stats 'estimator.csv' using (column('cell') == %llu ? column('n') : NaN) nooutput name 'N'\n"
            "sigma2 = S_max; n = N_max\n"
            "independent(m) = sigma2/m\n"
            "finite(m) = m < n ? sigma2/m*(n - m)/(n - 1) : NaN\n"
            "# Rows of one curve (s lists its cells), drawn a little aside so that they do not hide each other.\n"
            "m(s, aside) = strstrt(s, ' '.strcol('cell').' ') > 0 ? column('batch_size')*aside : NaN\n"
            "v(x) = x > 0 ? x : NaN\n",
            some, some);
    for (size_t c = 0; c < f->curves; c++) {
        fprintf(out, "curve%zu = '", c);
        for (size_t i = 0; i < f->cells; i++)
            if (f->cell[i].curve == c)
                fprintf(out, " %llu ", (unsigned long long)f->cell[i].position);
        fputs("'\n", out);
    }
    fprintf(out, "set multiplot\nset lmargin at screen %.4f\nset rmargin at screen %.4f\n", l.left, l.right);
    fprintf(out, "set bmargin at screen %.4f\nset tmargin at screen %.4f\n", split + 0.02, l.top);
    put_key(out, &l);
    fputs("set logscale x\nset xrange [0.8:1.3*n]\nset samples 2000\n"
          "set logscale y\nset format y (tex ? '$10^{%T}$' : '10^{%T}')\nset format x ''\nset yrange "
          "[sigma2/n/4:sigma2*2]\n"
          "set ylabel 'variance of the batch gradient' offset 1.2,0\nplot \\\n"
          "  independent(x) with lines lt 7 dt 1 lw 0.8 title (tex ? '$\\sigma^2/m$' : 'σ²/m'),\\\n"
          "  finite(x) with lines lt 7 dt 2 lw 0.8 title (tex ? '$\\frac{\\sigma^2}{m}\\frac{n-m}{n-1}$' : 'σ²/m · (n "
          "− m)/(n − 1)')",
          out);
    for (size_t c = 0; c < f->curves; c++) {
        fprintf(out,
                ",\\\n  'estimator.csv' using (m(curve%zu, %.3f)):(v(column('variance'))):(2*column('se')) with "
                "yerrorbars lw 0.8 ",
                c, exp(0.06 * ((double)c - 0.5 * (double)(f->curves - 1))));
        put_colour(out, f, c);
        fputs(" dt 1", out);
        put_curve_title(out, f, c);
    }
    fprintf(out, "\nset bmargin at screen %.4f\nset tmargin at screen %.4f\nunset key\nunset label 1\nunset label 3\n",
            l.bottom, split - 0.02);
    fputs("unset logscale y\nset format x (tex ? '$10^{%T}$' : '10^{%T}')\nset format y '%g'\nset yrange "
          "[-0.05:1.25]\nset ytics 0.5\n"
          "set xlabel 'batch size m' offset 0,0.5\nset ylabel 'variance · m / σ²' offset 1.2,0\n"
          "if (tex) set ylabel 'variance $\\cdot\\, m/\\sigma^2$'\nplot \\\n"
          "  independent(x)*x/sigma2 with lines lt 7 dt 1 lw 0.8 notitle,\\\n"
          "  (x < n ? finite(x)*x/sigma2 : NaN) with lines lt 7 dt 2 lw 0.8 notitle",
          out);
    for (size_t c = 0; c < f->curves; c++) {
        fprintf(out,
                ",\\\n  'estimator.csv' using (m(curve%zu, %.3f)):(column('variance')*column('batch_size')/sigma2):"
                "(2*column('se')*column('batch_size')/sigma2) with yerrorbars lw 0.8 ",
                c, exp(0.06 * ((double)c - 0.5 * (double)(f->curves - 1))));
        put_colour(out, f, c);
        fputs(" dt 1 notitle", out);
    }
    fputs("\nunset multiplot\n", out);
}
