/* The figure map: axes, panels and their cells, states, the best, lines of theory, all read back from the tables that
 * the scripts draw from; values and divergences are given by a store made for it. Pictures: tests/cli/plot_map.sh. */
#include "export_internal.h"
#include "figure_map.h"
#include "store_scene.h"
#include "yaml_tree.h"

/* ---- axes ---- */

static struct map_axis axis_of(const double *value, size_t count)
{
    struct map_axis axis = {.count = count, .value = malloc(count * sizeof *value)};
    struct error error;
    cr_assert(axis.value != NULL);
    memcpy(axis.value, value, count * sizeof *value);
    must(map_axis_make(&axis, &error), &error);
    for (size_t i = 0; i < axis.count; i++) { /* each value lies inside of its own edges, and the edges join up */
        const double place = map_axis_place(&axis, axis.value[i]);
        cr_expect(axis.edge[i] < place && place < axis.edge[i + 1], "value %g", axis.value[i]);
    }
    return axis;
}

static void axis_free(struct map_axis *axis)
{
    free(axis->value);
    free(axis->edge);
}

static bool close_to(double a, double b)
{
    return fabs(a - b) <= 1e-12 * fabs(b);
}

Test(figure_map, axes_find_their_spacing)
{
    struct map_axis axis = axis_of((double[]){1, 0.01, 0.1, 0.1, 1}, 5); /* sorted, each once */
    cr_assert_eq(axis.count, 3);
    cr_expect_eq(axis.spacing, MAP_LOG);
    cr_expect(close_to(axis.edge[1], sqrt(1e-3)) && close_to(axis.edge[2], sqrt(0.1)), "halfway in logarithms");
    cr_expect(close_to(axis.edge[0], 0.01 / sqrt(10)) && close_to(axis.edge[3], sqrt(10)), "as far beyond the ends");
    axis_free(&axis);

    axis = axis_of((double[]){0, 0.3, 0.6, 0.9}, 4);
    cr_expect_eq(axis.spacing, MAP_LINEAR);
    cr_expect(close_to(axis.edge[0], -0.15) && close_to(axis.edge[4], 1.05) && close_to(axis.edge[2], 0.45));
    axis_free(&axis);

    axis = axis_of((double[]){1, 2, 4, 8, 16, 64, 442}, 7); /* the last gap is larger, and that is all right */
    cr_expect_eq(axis.spacing, MAP_LOG);
    axis_free(&axis);

    axis = axis_of((double[]){0, 0.5, 0.9, 0.99, 0.999}, 5); /* neither */
    cr_assert_eq(axis.spacing, MAP_ORDINAL);
    cr_expect_eq(map_axis_place(&axis, 0.9), 2);
    cr_expect(close_to(map_axis_place(&axis, 0.7), 1.5));
    cr_expect(isnan(map_axis_place(&axis, 0.9999)));
    cr_expect_eq(axis.edge[0], -0.5);
    cr_expect_eq(axis.edge[5], 4.5);
    axis_free(&axis);

    axis = axis_of((double[]){0}, 1);
    axis_free(&axis);
    axis = axis_of((double[]){0.5}, 1);
    axis_free(&axis);
}

/* ---- what an entry may say ---- */

static enum status check_entry(const char *text, struct error *error)
{
    struct arena arena = {0};
    struct yaml_node *node;
    must(yaml_parse(text, strlen(text), "figures", &arena, &node, error), error);
    enum status status = figure_check(node, error);
    arena_free(&arena);
    return status;
}

#define EXPECT_REFUSED(text, words)                                                                                    \
    do {                                                                                                               \
        struct error error_ = {0};                                                                                     \
        cr_expect(check_entry(text, &error_) == STATUS_USAGE, "%s", text);                                             \
        cr_expect(strstr(error_.message, words) != NULL, "%s: %s", text, error_.message);                              \
        cr_expect(error_.line == 1 && error_.column > 0, "%s: no place", text);                                        \
    } while (0)

Test(figure_map, entries)
{
    struct error error;
    must(check_entry("map", &error), &error);
    must(check_entry("{figure: map, x: rate, y: [batch_size, momentum], metric: [gap, loss]}", &error), &error);
    must(check_entry("{figure: map, x: momentum, y: rate}", &error), &error);
    EXPECT_REFUSED("{figure: map, y: bath_size}", "did you mean 'batch_size'?");
    EXPECT_REFUSED("{figure: map, x: steps}", "axis of a map 'steps'");
    EXPECT_REFUSED("{figure: map, y: rate}", "x and y of a map are both rate");
    EXPECT_REFUSED("{figure: map, x: l2, y: [momentum, l2]}", "x and y of a map are both l2");
    EXPECT_REFUSED("{figure: map, x: [rate, l2]}", "x of a map must be one name");
    EXPECT_REFUSED("{figure: map, metric: gaps}", "did you mean 'gap'?");
    EXPECT_REFUSED("{figure: map, theory: 1/t}", "theory goes with the figure loss_vs_steps, not with map");
    EXPECT_REFUSED("{figure: loss_vs_steps, metric: gap}", "metric goes with the figure map");
    EXPECT_REFUSED("{figure: learning_rate, x: steps}", "x goes with the figure loss_vs_steps");
}

/* ---- a world of cells ---- */

enum { RUNS = 4, CELLS_MAX = 40 };
static const double L = 2.5;

/* One cell and its runs: the gaps at the end; 0: the run diverges. */
struct toy {
    const char *problem, *sampling, *update, *extra;
    double rate, momentum;
    size_t batch_size;
    double gap[RUNS];
};
struct world {
    const struct toy *toy;
    size_t cells;
    struct reference reference;
    char json[128];
};

static enum status toy_cell(void *context, size_t index, struct plan_cell *cell, struct error *error)
{
    (void)error;
    struct world *world = context;
    const struct toy *toy = &world->toy[index];
    snprintf(world->json, sizeof world->json, "{\"cell\":%zu%s}", index, toy->extra ? toy->extra : "");
    *cell = (struct plan_cell){
        .json = world->json,
        .kind = KIND_TRAINING,
        .metrics = 1u << METRIC_GAP,
        .columns = {.schedule = "constant",
                    .averaging = "last",
                    .data = "toy",
                    .n = SCENE_N,
                    .d = SCENE_D,
                    .batch_size = toy->batch_size,
                    .rate = toy->rate,
                    .momentum = toy->momentum,
                    .steps = 20},
        .data_checksum = "00ff",
        .data_nnz = SCENE_N * SCENE_D,
        .reference = &world->reference,
        .points = SCENE_POINTS,
        .step = scene_step,
        .samples = scene_samples,
        .rate = scene_rate,
    };
    snprintf(cell->columns.problem, sizeof cell->columns.problem, "%s", toy->problem);
    snprintf(cell->columns.sampling, sizeof cell->columns.sampling, "%s", toy->sampling);
    snprintf(cell->columns.update, sizeof cell->columns.update, "%s", toy->update);
    return STATUS_OK;
}

static void put_runs(struct store *store, const int64_t *id, const struct toy *toy, size_t cells)
{
    struct error error;
    struct run_config config = {.kind = KIND_TRAINING};
    for (size_t i = 0; i < cells; i++)
        for (uint64_t r = 0; r < RUNS; r++) {
            struct scene_result scene;
            const bool diverges = toy[i].gap[r] == 0;
            scene_result(&scene, i, r, diverges ? 3 : SCENE_POINTS);
            scene.result.metric[METRIC_LOSS] = NULL;
            scene.gap[0] = 8; /* the start */
            if (!diverges)
                scene.gap[SCENE_POINTS - 1] = toy[i].gap[r];
            struct run_request request = {.config = &config, .seed = 5, .replicate = r};
            must(store_put_run(store, id[i], &request, &scene.result, &error), &error);
        }
}

struct told {
    int count;
    char reason[200];
};

static void hear(void *context, const char *path, const char *reason)
{
    (void)path;
    struct told *told = context;
    told->count++;
    snprintf(told->reason, sizeof told->reason, "%s", reason ? reason : "");
}

/* Exports and draws (scripts and tables alone) a figure of these cells into dir. */
static void draw(const char dir[32], const struct toy *toy, size_t cells, const char *figures, struct told *told)
{
    struct error error;
    struct world world = {.toy = toy, .cells = cells};
    world.reference = (struct reference){.exists = true, .method = "made up", .gap = 1e-3, .smoothness = L};
    struct store *store = scene_open(dir);
    struct plan_source source = {.name = "toy",
                                 .question = "What does a map show?",
                                 .config = "",
                                 .settings = "{\"file\":null}",
                                 .axes = "[]",
                                 .figures = figures,
                                 .cells = cells,
                                 .replicates = RUNS,
                                 .seed = 5,
                                 .cell = toy_cell,
                                 .context = &world};
    int64_t id[CELLS_MAX];
    must(store_put_plan_source(store, &source, id, &error), &error);
    put_runs(store, id, toy, cells);
    must(store_export(store, dir, NULL, &error), &error);
    *told = (struct told){0};
    const struct figure_options options = {
        .style = SGDLAB_TEST_SOURCE_DIR "/plots/style.gp", .told = hear, .context = told};
    must(figures_draw(store, dir, &options, &error), &error);
    scene_close(store);
}

/* ---- its tables ---- */

struct row {
    char state[12], best[12];
    double panel, cell, x, y, runs, diverged, median, left, right, bottom, top, diverged_to;
};

/* Rows of a table of numbers and words without quotes; *value[columns] as text. */
static size_t read_table(const char *path, const char *const *column, size_t columns, char (*value)[8][32], size_t most)
{
    char line[512], *header[24], *rest = NULL;
    size_t headers = 0, rows = 0, at[8];
    FILE *file = fopen(path, "r");
    cr_assert(file != NULL, "%s", path);
    cr_assert(fgets(line, sizeof line, file) != NULL);
    for (char *word = strtok_r(line, ",\r\n", &rest); word; word = strtok_r(NULL, ",\r\n", &rest))
        header[headers++] = word;
    for (size_t c = 0; c < columns; c++) {
        for (at[c] = 0; at[c] < headers && strcmp(header[at[c]], column[c]) != 0; at[c]++)
            ;
        cr_assert(at[c] < headers, "no column %s", column[c]);
    }
    for (; fgets(line, sizeof line, file); rows++) {
        cr_assert(rows < most);
        char *field = line;
        for (size_t f = 0; f < headers; f++) {
            const size_t length = strcspn(field, ",\r\n");
            for (size_t c = 0; c < columns; c++)
                if (at[c] == f)
                    snprintf(value[rows][c], 32, "%.*s", (int)length, field);
            field += length + (field[length] == ',');
        }
    }
    fclose(file);
    return rows;
}

static size_t read_map(const char *dir, const char *stem, struct row row[CELLS_MAX])
{
    static const char *const names[][8] = {{"panel", "cell", "x", "y", "runs", "diverged", "median", "state"},
                                           {"best", "left", "right", "bottom", "top", "diverged_to"}};
    static char value[2][CELLS_MAX][8][32];
    char path[128];
    snprintf(path, sizeof path, "%s/toy/%s.csv", dir, stem);
    const size_t rows = read_table(path, names[0], 8, value[0], CELLS_MAX);
    cr_assert_eq(read_table(path, names[1], 6, value[1], CELLS_MAX), rows);
    for (size_t i = 0; i < rows; i++) {
        char(*a)[32] = value[0][i], (*b)[32] = value[1][i];
        row[i] = (struct row){.panel = atof(a[0]),
                              .cell = atof(a[1]),
                              .x = atof(a[2]),
                              .y = atof(a[3]),
                              .runs = atof(a[4]),
                              .diverged = atof(a[5]),
                              .median = *a[6] ? atof(a[6]) : (double)NAN,
                              .left = atof(b[1]),
                              .right = atof(b[2]),
                              .bottom = atof(b[3]),
                              .top = atof(b[4]),
                              .diverged_to = atof(b[5])};
        snprintf(row[i].state, sizeof row[i].state, "%.11s", a[7]);
        snprintf(row[i].best, sizeof row[i].best, "%.11s", b[0]);
    }
    return rows;
}

static const struct row *row_at(const struct row *row, size_t rows, double panel, double x, double y)
{
    const struct row *found = NULL;
    for (size_t i = 0; i < rows; i++)
        if (row[i].panel == panel && row[i].x == x && row[i].y == y) {
            cr_expect(found == NULL, "one row for each place");
            found = &row[i];
        }
    cr_assert(found != NULL, "no row at %g, %g of panel %g", x, y, panel);
    return found;
}

/* The limits that a table has for a panel, by the value of the other axis; -1: none. */
static double limit_at(const char *dir, const char *stem, double panel, double at)
{
    static const char *const names[] = {"panel", "at", "limit"};
    static char value[CELLS_MAX][8][32];
    char path[128];
    snprintf(path, sizeof path, "%s/toy/%s-limit.csv", dir, stem);
    if (access(path, R_OK) != 0)
        return -1;
    const size_t rows = read_table(path, names, 3, value, CELLS_MAX);
    for (size_t i = 0; i < rows; i++)
        if (atof(value[i][0]) == panel && atof(value[i][1]) == at)
            return atof(value[i][2]);
    return -1;
}

static bool script_has(const char *dir, const char *stem, const char *text)
{
    char path[128], line[2048];
    bool found = false;
    snprintf(path, sizeof path, "%s/toy/%s.gp", dir, stem);
    FILE *file = fopen(path, "r");
    cr_assert(file != NULL, "%s", path);
    while (fgets(line, sizeof line, file))
        found = found || strstr(line, text) != NULL;
    fclose(file);
    return found;
}

/* ---- tests ---- */

#define SUBSET "logistic_regression", "subset", "sgd", NULL

Test(figure_map, cells_tell_what_became_of_their_runs)
{
    static const struct toy toy[] = {
        {SUBSET, 0.1, 0, 1, {4, 1, 2, 3}},          {SUBSET, 1, 0, 1, {0.25, 0.5, 0.5, 0.75}},
        {SUBSET, 10, 0, 1, {0, 5, 6, 7}}, /* one of four left: 5, 6, 7, inf has the median 6.5 */
        {SUBSET, 0.1, 0, 4, {2, 2, 2, 2}},          {SUBSET, 1, 0, 4, {1e-5, 1e-6, 1e-5, 1e-5}}, /* f* is less sure */
        {SUBSET, 10, 0, 4, {90, 81, 81, 90}},                                                    /* more than 10 x 8 */
        {SUBSET, 0.1, 0, 16, {0.5, 0.5, 0.5, 0.5}}, {SUBSET, 1, 0, 16, {0, 0, 1, 1}}, /* half: no finite median */
        {SUBSET, 10, 0, 16, {0, 0, 0, 0}},
    };
    char dir[32];
    struct told told;
    struct row row[CELLS_MAX];
    scene_dir(dir);
    draw(dir, toy, 9, "[\"map\"]", &told);
    cr_expect_eq(told.count, 0, "%s", told.reason);
    const size_t rows = read_map(dir, "map_gap_rate_batch_size", row);
    cr_assert_eq(rows, 9);
    const struct row *r = row_at(row, rows, 0, 0.1, 1);
    cr_expect_eq(r->median, 2.5);
    cr_expect_eq(r->cell, 0);
    cr_expect_eq(r->runs, RUNS);
    cr_expect_eq(r->diverged, 0);
    cr_expect_str_eq(r->state, "finite");
    cr_expect_eq(r->diverged_to, r->bottom, "no grey");
    cr_expect(close_to(r->left, 0.1 / sqrt(10)) && close_to(r->right, sqrt(0.1)));
    cr_expect(close_to(r->bottom, 0.5) && close_to(r->top, 2));
    cr_expect_str_eq(r->best, "no");
    cr_expect_str_eq(row_at(row, rows, 0, 1, 1)->best, "rate");
    r = row_at(row, rows, 0, 10, 1);
    cr_expect_eq(r->diverged, 1);
    cr_expect_eq(r->median, 6.5);
    cr_expect_str_eq(r->state, "finite");
    cr_expect(close_to(r->diverged_to, 0.5 * pow(4, 0.25)), "a quarter of the height");
    r = row_at(row, rows, 0, 1, 4);
    cr_expect_eq(r->median, 1e-3, "not below the certificate");
    cr_expect_str_eq(r->best, "panel");
    r = row_at(row, rows, 0, 10, 4);
    cr_expect_str_eq(r->state, "above");
    cr_expect_eq(r->diverged, 0);
    for (double rate = 1; rate <= 10; rate *= 10) {
        r = row_at(row, rows, 0, rate, 16);
        cr_expect_str_eq(r->state, "left");
        cr_expect(isnan(r->median), "no number stands for infinity");
        cr_expect_eq(r->diverged_to, r->top);
    }
    cr_expect_str_eq(row_at(row, rows, 0, 0.1, 16)->best, "rate", "the only one left");
    /* Theory: L bounds the curvature of a logistic loss. */
    cr_expect(close_to(limit_at(dir, "map_gap_rate_batch_size", 0, 4), 2 / L));
    cr_expect(script_has(dir, "map_gap_rate_batch_size", "2/L: below it full batches descend"));
    cr_expect(script_has(dir, "map_gap_rate_batch_size", "share that diverged"));
    cr_expect(script_has(dir, "map_gap_rate_batch_size", "half of the runs or more diverged"));
    cr_expect(script_has(dir, "map_gap_rate_batch_size", "cbrange [0.001:6.5]"));
    scene_remove(dir);
}

#define METHOD(update) "least_squares", "full", update, NULL

/* Momentum 0 is plain SGD whatever the method was called: it is the lowest row of both panels. */
Test(figure_map, momentum_zero_is_in_every_panel)
{
    static const struct toy toy[] = {
        {METHOD("sgd"), 0.5, 0, 10, {1, 1, 1, 1}},          {METHOD("sgd"), 5, 0, 10, {2, 2, 2, 2}},
        {METHOD("heavy_ball"), 0.5, 0.5, 10, {3, 3, 3, 3}}, {METHOD("heavy_ball"), 5, 0.5, 10, {4, 4, 4, 4}},
        {METHOD("nesterov"), 0.5, 0.5, 10, {5, 5, 5, 5}},   {METHOD("nesterov"), 5, 0.5, 10, {6, 6, 6, 6}},
    };
    char dir[32];
    struct told told;
    struct row row[CELLS_MAX];
    scene_dir(dir);
    draw(dir, toy, 6, "[{\"figure\":\"map\",\"y\":\"momentum\",\"metric\":\"gap\"}]", &told);
    cr_expect_eq(told.count, 0, "%s", told.reason);
    const char *stem = "map_gap_rate_momentum";
    const size_t rows = read_map(dir, stem, row);
    cr_assert_eq(rows, 8);
    for (double panel = 0; panel < 2; panel++) {
        cr_expect_eq(row_at(row, rows, panel, 0.5, 0)->median, 1);
        cr_expect_eq(row_at(row, rows, panel, 5, 0)->median, 2);
        cr_expect_eq(row_at(row, rows, panel, 0.5, 0.5)->median, 3 + 2 * panel);
        cr_expect(close_to(limit_at(dir, stem, panel, 0), 2 / L));
    }
    cr_expect(close_to(limit_at(dir, stem, 0, 0.5), 3 / L), "2 (1 + 1/2)/L");
    cr_expect(close_to(limit_at(dir, stem, 1, 0.5), 1.5 / L), "2 (1 + 1/2)/(2 L)");
    cr_expect(script_has(dir, stem, "heavy ball") && script_has(dir, stem, "nesterov"));
    scene_remove(dir);
}

#define SAMPLED(sampling) "least_squares", sampling, "sgd", NULL

/* A full batch is the row m = n of every sampler. What cannot be had for the mean-square limit (here: the experiment
 * cannot be read again) gives way to 2/L. */
Test(figure_map, full_batches_and_lost_experiments)
{
    static const struct toy toy[] = {
        {SAMPLED("subset"), 0.1, 0, 2, {1, 1, 1, 1}},           {SAMPLED("subset"), 1, 0, 2, {2, 2, 2, 2}},
        {SAMPLED("with_replacement"), 0.1, 0, 2, {3, 3, 3, 3}}, {SAMPLED("with_replacement"), 1, 0, 2, {4, 4, 4, 4}},
        {SAMPLED("full"), 0.1, 0, SCENE_N, {5, 5, 5, 5}},       {SAMPLED("full"), 1, 0, SCENE_N, {6, 6, 6, 6}},
    };
    char dir[32];
    struct told told;
    struct row row[CELLS_MAX];
    scene_dir(dir);
    draw(dir, toy, 6, "[{\"figure\":\"map\",\"x\":\"batch_size\",\"y\":\"rate\"}]", &told);
    cr_expect_eq(told.count, 0, "%s", told.reason);
    const char *stem = "map_gap_batch_size_rate";
    const size_t rows = read_map(dir, stem, row);
    cr_assert_eq(rows, 8);
    for (double panel = 0; panel < 2; panel++) {
        cr_expect_eq(row_at(row, rows, panel, 2, 0.1)->median, 1 + 2 * panel);
        cr_expect_eq(row_at(row, rows, panel, SCENE_N, 1)->median, 6);
        cr_expect(close_to(limit_at(dir, stem, panel, 2), 2 / L));
    }
    cr_expect(script_has(dir, stem, "# The mean-square limit is not drawn"));
    cr_expect(script_has(dir, stem, "2/L: limit of full batches"));
    scene_remove(dir);
}

/* Where theory says nothing there is no line; a figure without one leaves no old table behind. */
Test(figure_map, no_line_without_theory)
{
    static const struct toy toy[] = {
        {"least_squares", "full", "heavy_ball(dampening=0.1)", NULL, 0.1, 0.5, 10, {1, 1, 1, 1}},
        {"least_squares", "full", "heavy_ball(dampening=0.1)", NULL, 1, 0.9, 10, {2, 2, 2, 2}},
        {"least_squares", "full", "heavy_ball", ",\"clip\":{}", 0.1, 0.5, 10, {1, 1, 1, 1}},
        {"least_squares", "full", "heavy_ball", ",\"clip\":{}", 1, 0.9, 10, {2, 2, 2, 2}},
        {"lasso(l1=0.1)", "full", "heavy_ball", NULL, 0.1, 0.5, 10, {1, 1, 1, 1}},
        {"lasso(l1=0.1)", "full", "heavy_ball", NULL, 1, 0.9, 10, {2, 2, 2, 2}},
    };
    char dir[32];
    struct told told;
    struct row row[CELLS_MAX];
    scene_dir(dir);
    draw(dir, toy, 6, "[\"map\"]", &told);
    cr_assert_eq(read_map(dir, "map_gap_rate_momentum", row), 6);
    for (double panel = 0; panel < 3; panel++)
        cr_expect_eq(limit_at(dir, "map_gap_rate_momentum", panel, 0.5), -1);
    scene_remove(dir);
}

Test(figure_map, says_what_cannot_be_drawn)
{
    static const struct toy one_batch[] = {{SUBSET, 0.1, 0, 4, {1, 1, 1, 1}}, {SUBSET, 1, 0, 4, {1, 1, 1, 1}}};
    static const struct toy twins[] = {{SUBSET, 0.1, 0, 4, {1, 1, 1, 1}},
                                       {SUBSET, 1, 0, 2, {1, 1, 1, 1}},
                                       {"logistic_regression", "subset", "sgd", ",\"clip\":{}", 1, 0, 2, {2, 2, 2, 2}}};
    char dir[32];
    struct told told;
    scene_dir(dir);
    draw(dir, one_batch, 2, "[{\"figure\":\"map\",\"y\":\"batch_size\"}]", &told);
    cr_expect_eq(told.count, 1);
    cr_expect(strstr(told.reason, "batch_size has one") != NULL, "%s", told.reason);
    scene_remove(dir);
    scene_dir(dir);
    draw(dir, twins, 3, "[\"map\"]", &told);
    cr_expect_eq(told.count, 1);
    cr_expect(strstr(told.reason, "cells 1 and 2 have one place") != NULL, "%s", told.reason);
    scene_remove(dir);
}
