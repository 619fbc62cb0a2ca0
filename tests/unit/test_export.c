/* Text tables and manifest: read back by a strict RFC 4180 reader, numbers compared bit for bit, statistics against
 * plain formulas; hostile names. */
#include <sys/stat.h>

#include "export_internal.h"
#include "output.h"
#include "store_scene.h"

/* ---- a strict reader ---- */

enum { FIELDS_MAX = 64 };

struct csv {
    char *text, *at;
    size_t fields;
    char *field[FIELDS_MAX]; /* of the current row, unquoted in place */
    char *header[FIELDS_MAX];
    size_t header_fields;
};

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    cr_assert(file != NULL, "%s", path);
    cr_assert(fseek(file, 0, SEEK_END) == 0);
    long size = ftell(file);
    rewind(file);
    char *text = malloc((size_t)size + 1);
    cr_assert(text && fread(text, 1, (size_t)size, file) == (size_t)size);
    text[size] = '\0';
    fclose(file);
    return text;
}

static bool csv_row(struct csv *csv)
{
    csv->fields = 0;
    if (!*csv->at)
        return false;
    for (;;) {
        cr_assert(csv->fields < FIELDS_MAX);
        char *in = csv->at, *out = csv->at;
        csv->field[csv->fields++] = out;
        if (*in == '"') {
            for (in++; *in != '"' || in[1] == '"'; in++) {
                cr_assert(*in != '\0', "an open quote");
                in += *in == '"';
                *out++ = *in;
            }
            in++;
        } else {
            while (*in && !strchr(",\r\n\"", *in))
                *out++ = *in++;
        }
        char end = *in;
        cr_assert(end == ',' || (end == '\r' && in[1] == '\n'), "a field ends in a comma or CRLF");
        csv->at = in + (end == ',' ? 1 : 2);
        *out = '\0';
        if (end == '\r')
            break;
    }
    cr_assert(csv->header_fields == 0 || csv->fields == csv->header_fields, "as many fields as the header has");
    return true;
}

static void csv_open(struct csv *csv, const char *dir, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    *csv = (struct csv){.text = read_text(path)};
    csv->at = csv->text;
    cr_assert(csv_row(csv));
    memcpy(csv->header, csv->field, sizeof csv->field);
    csv->header_fields = csv->fields;
}

static const char *csv_text(const struct csv *csv, const char *column)
{
    for (size_t i = 0; i < csv->header_fields; i++)
        if (strcmp(csv->header[i], column) == 0)
            return csv->field[i];
    cr_assert_fail("no column %s", column);
    return "";
}

/* A blank is NaN. */
static double csv_real(const struct csv *csv, const char *column)
{
    const char *text = csv_text(csv, column);
    char *end;
    double value = strtod(text, &end);
    cr_assert(*end == '\0', "%s is %s", column, text);
    return *text ? value : (double)NAN;
}

static void csv_check_header(const struct csv *csv, const char *expected)
{
    char joined[2048] = "";
    for (size_t i = 0; i < csv->header_fields; i++) {
        strcat(joined, i ? "," : "");
        strcat(joined, csv->header[i]);
    }
    cr_expect(strncmp(joined, expected, strlen(expected)) == 0, "%s does not begin with %s", joined, expected);
}

/* ---- a store with everything in it ---- */

enum { CELLS = 2, REPLICATES = 6, SEED = 5 };

/* Cell 1: replicate 4 diverged after 3 points, replicate 5 failed; cell 0: replicate 3 is not done yet. */
static size_t points_of(uint64_t cell, uint64_t replicate)
{
    return cell == 1 && replicate == 4 ? 3 : SCENE_POINTS;
}

static bool is_done(uint64_t cell, uint64_t replicate)
{
    return !(cell == 1 && replicate == 5) && !(cell == 0 && replicate == 3);
}

static void fill(struct store *store, const char *name)
{
    int64_t id[CELLS];
    struct error error;
    struct scene_plan plan = {.name = name, .cells = CELLS, .replicates = REPLICATES, .seed = SEED};
    scene_register(store, &plan, id);
    for (uint64_t cell = 0; cell < CELLS; cell++)
        for (uint64_t replicate = 0; replicate < REPLICATES; replicate++)
            if (is_done(cell, replicate))
                must(scene_put_points(store, id[cell], cell, SEED, replicate, points_of(cell, replicate), &error),
                     &error);
    must(store_put_failure(store, id[1], SEED, 5, 1, "no memory, \"sorry\"\nreally", &error), &error);
    scene_put(store, id[0], 0, SEED + 1, 0); /* of another seed: not of this plan */
    scene_put(store, id[0], 0, SEED, REPLICATES + 3);
}

static void export_to(struct store *store, const char *dir)
{
    struct error error;
    must(store_export(store, dir, NULL, &error), &error);
}

Test(export_runs, every_run_of_the_plan_has_its_row)
{
    char dir[32], folder[64];
    struct csv csv;
    size_t rows = 0;
    scene_dir(dir);
    struct store *store = scene_open(dir);
    fill(store, "toy");
    export_to(store, dir);
    scene_close(store);
    snprintf(folder, sizeof folder, "%s/toy", dir);
    csv_open(&csv, folder, "runs.csv");
    csv_check_header(&csv, "run,experiment,cell,problem,data,n,d,sampling,batch_size,schedule,rate,update,momentum,"
                           "averaging,l2,replicate,seed,status,steps,diverged_at,train_seconds,measure_seconds,lanes,"
                           "loss,gap,config");
    for (uint64_t cell = 0; cell < CELLS; cell++)
        for (uint64_t replicate = 0; replicate < REPLICATES; replicate++) {
            if (cell == 0 && replicate == 3)
                continue;
            cr_assert(csv_row(&csv));
            rows++;
            bool failed = !is_done(cell, replicate), diverged = points_of(cell, replicate) < SCENE_POINTS;
            cr_expect(csv_real(&csv, "run") == (double)(cell * REPLICATES + replicate));
            cr_expect(csv_real(&csv, "cell") == (double)cell && csv_real(&csv, "replicate") == (double)replicate);
            cr_expect_str_eq(csv_text(&csv, "data"), "toy, \"quoted\"");
            cr_expect_str_eq(csv_text(&csv, "status"), failed ? "failed" : diverged ? "diverged" : "finished");
            cr_expect(csv_real(&csv, "rate") == 0.1 + (double)cell && csv_real(&csv, "seed") == SEED);
            cr_expect_str_eq(csv_text(&csv, "reason"), failed ? "no memory, \"sorry\"\nreally" : "");
            char config[128];
            snprintf(config, sizeof config, "{\"cell\":%d,\"problem\":\"least_squares\",\"replicate\":%d,\"seed\":%d}",
                     (int)cell, (int)replicate, SEED);
            cr_expect_str_eq(csv_text(&csv, "config"), config);
            double loss = csv_real(&csv, "loss");
            if (failed)
                cr_expect(isnan(loss) && isnan(csv_real(&csv, "lanes")));
            else if (diverged)
                cr_expect(isinf(loss) && csv_real(&csv, "diverged_at") == (double)scene_step[3]);
            else
                cr_expect(loss == scene_value(cell, replicate, METRIC_LOSS, SCENE_POINTS - 1) &&
                          csv_real(&csv, "gap") == scene_value(cell, replicate, METRIC_GAP, SCENE_POINTS - 1) &&
                          csv_real(&csv, "train_seconds") == 0.25 && isnan(csv_real(&csv, "diverged_at")));
        }
    cr_expect(!csv_row(&csv));
    cr_expect(rows == CELLS * REPLICATES - 1);
    free(csv.text);
    scene_remove(dir);
}

Test(export_points, every_recorded_number_round_trips)
{
    char dir[32], folder[64];
    struct csv csv;
    scene_dir(dir);
    struct store *store = scene_open(dir);
    fill(store, "toy");
    export_to(store, dir);
    scene_close(store);
    snprintf(folder, sizeof folder, "%s/toy", dir);
    csv_open(&csv, folder, "points.csv");
    csv_check_header(&csv, "run,step,epoch,samples,train_seconds,rate,loss,gap");
    for (uint64_t cell = 0; cell < CELLS; cell++)
        for (uint64_t replicate = 0; replicate < REPLICATES; replicate++)
            for (size_t p = 0; is_done(cell, replicate) && p < points_of(cell, replicate); p++) {
                cr_assert(csv_row(&csv));
                cr_expect(csv_real(&csv, "run") == (double)(cell * REPLICATES + replicate));
                cr_expect(csv_real(&csv, "step") == (double)scene_step[p]);
                cr_expect(csv_real(&csv, "samples") == (double)scene_samples[p]);
                cr_expect(csv_real(&csv, "epoch") == (double)scene_samples[p] / SCENE_N);
                cr_expect(csv_real(&csv, "rate") == scene_rate[p]);
                cr_expect(csv_real(&csv, "train_seconds") == (double)p * 1e-3);
                cr_expect(csv_real(&csv, "loss") == scene_value(cell, replicate, METRIC_LOSS, p));
                cr_expect(csv_real(&csv, "gap") == scene_value(cell, replicate, METRIC_GAP, p));
            }
    cr_expect(!csv_row(&csv));
    free(csv.text);
    scene_remove(dir);
}

/* ---- summary ---- */

static int compare_reals(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Position share (n - 1), linear in between. */
static double naive_quantile(const double *sorted, size_t n, double share)
{
    double position = share * (double)(n - 1), part = position - floor(position);
    size_t below = (size_t)position;
    return part > 0.0 ? sorted[below] + part * (sorted[below + 1] - sorted[below]) : sorted[below];
}

static void expect_close(double found, double expected, const char *what)
{
    cr_expect(fabs(found - expected) <= 1e-14 * fabs(expected), "%s: %.17g, not %.17g", what, found, expected);
}

static void check_summary_row(const struct csv *csv, uint64_t cell, size_t p)
{
    double value[REPLICATES], sum = 0.0, squares = 0.0;
    size_t n = 0, diverged = 0;
    for (uint64_t replicate = 0; replicate < REPLICATES; replicate++) {
        if (!is_done(cell, replicate))
            continue;
        bool left = p >= points_of(cell, replicate);
        diverged += left;
        value[n++] = left ? (double)INFINITY : scene_value(cell, replicate, METRIC_GAP, p);
    }
    for (size_t i = 0; i < n; i++)
        sum += value[i];
    for (size_t i = 0; i < n; i++)
        squares += (value[i] - sum / (double)n) * (value[i] - sum / (double)n);
    qsort(value, n, sizeof *value, compare_reals);
    cr_expect(csv_real(csv, "n_runs") == (double)n && csv_real(csv, "n_diverged") == (double)diverged);
    cr_expect(csv_real(csv, "step") == (double)scene_step[p] && csv_real(csv, "cell") == (double)cell);
    if (diverged) {
        cr_expect_str_empty(csv_text(csv, "gap_mean"));
        cr_expect_str_empty(csv_text(csv, "gap_se"));
        cr_expect(isinf(csv_real(csv, "gap_q90")), "one of five is beyond: 0.9 * 4 lies in the last gap");
    } else {
        expect_close(csv_real(csv, "gap_mean"), sum / (double)n, "mean");
        expect_close(csv_real(csv, "gap_se"), sqrt(squares / (double)(n - 1) / (double)n), "se");
        expect_close(csv_real(csv, "gap_q90"), naive_quantile(value, n, 0.9), "q90");
    }
    expect_close(csv_real(csv, "gap_median"), naive_quantile(value, n, 0.5), "median");
    expect_close(csv_real(csv, "gap_q10"), naive_quantile(value, n, 0.1), "q10");
}

Test(export_summary, agrees_with_plain_formulas)
{
    char dir[32], folder[64];
    struct csv csv;
    scene_dir(dir);
    struct store *store = scene_open(dir);
    fill(store, "toy");
    export_to(store, dir);
    scene_close(store);
    snprintf(folder, sizeof folder, "%s/toy", dir);
    csv_open(&csv, folder, "summary.csv");
    csv_check_header(&csv,
                     "experiment,cell,problem,data,n,d,sampling,batch_size,schedule,rate,update,momentum,averaging,"
                     "l2,step,epoch,samples,n_runs,n_diverged,loss_mean,loss_se,loss_median,loss_q10,loss_q90,"
                     "gap_mean,gap_se,gap_median,gap_q10,gap_q90,train_seconds_mean");
    for (uint64_t cell = 0; cell < CELLS; cell++)
        for (size_t p = 0; p < SCENE_POINTS; p++) {
            cr_assert(csv_row(&csv));
            check_summary_row(&csv, cell, p);
        }
    cr_expect(!csv_row(&csv));
    free(csv.text);
    scene_remove(dir);
}

Test(export_summary, is_the_same_when_read_in_stretches)
{
    char dir[32], path[64];
    struct error error;
    scene_dir(dir);
    struct store *store = scene_open(dir);
    fill(store, "toy");
    snprintf(path, sizeof path, "%s/toy/summary.csv", dir);
    export_to(store, dir);
    char *whole = read_text(path);
    for (size_t values = 1; values < 100; values += 31) { /* 1 to 5 points at once */
        must(export_tables(store, dir, "toy", values, &error), &error);
        char *parts = read_text(path);
        cr_expect_str_eq(parts, whole);
        free(parts);
    }
    free(whole);
    scene_close(store);
    scene_remove(dir);
}

Test(export_summary, one_run_has_no_standard_error)
{
    char dir[32], folder[64];
    int64_t id;
    struct csv csv;
    scene_dir(dir);
    struct store *store = scene_open(dir);
    struct scene_plan plan = {.name = "one", .cells = 1, .replicates = 3, .seed = 1};
    scene_register(store, &plan, &id);
    scene_put(store, id, 0, 1, 2);
    export_to(store, dir);
    scene_close(store);
    snprintf(folder, sizeof folder, "%s/one", dir);
    csv_open(&csv, folder, "summary.csv");
    cr_assert(csv_row(&csv));
    double value = scene_value(0, 2, METRIC_LOSS, 0);
    cr_expect(csv_real(&csv, "loss_mean") == value && csv_real(&csv, "loss_median") == value &&
              csv_real(&csv, "loss_q10") == value && csv_real(&csv, "loss_q90") == value);
    cr_expect_str_empty(csv_text(&csv, "loss_se"));
    free(csv.text);
    scene_remove(dir);
}

Test(export_summary, quantiles_next_to_infinity)
{
    const double value[] = {1.0, 2.0, 4.0, INFINITY, INFINITY}; /* positions 0 to 4 */
    cr_expect(export_quantile(value, 5, 0.5) == 4.0, "exactly the last finite one, not 0 * infinity");
    cr_expect(export_quantile(value, 5, 0.25) == 2.0);
    cr_expect(export_quantile(value, 5, 0.125) == 1.5);
    cr_expect(isinf(export_quantile(value, 5, 0.51)));
    cr_expect(isinf(export_quantile(value, 5, 1.0)));
    cr_expect(export_quantile(value, 1, 0.9) == 1.0);
    cr_expect(isinf(export_quantile(value + 3, 2, 0.1)));
}

/* ---- estimators, references ---- */

Test(export_estimator, has_its_tables_and_no_others)
{
    char dir[32], folder[64], path[96];
    int64_t id;
    struct csv csv;
    struct error error;
    double covariance[] = {2.0, -0.5, -0.5, 2.0}, predicted[] = {2.1, -0.4, -0.4, 1.9};
    struct estimator_result result = {.draws = 1000,
                                      .bias_statistic = 2.5,
                                      .bias_p = 0.1,
                                      .variance = 4.1,
                                      .variance_se = 0.05,
                                      .predicted = 4.0,
                                      .directions = 1,
                                      .direction_variance = {1.5},
                                      .covariance_dim = 2,
                                      .covariance = covariance,
                                      .covariance_predicted = predicted};
    struct run_config config = {.kind = KIND_ESTIMATOR};
    struct run_request request = {.config = &config, .seed = 1, .replicate = 0};
    struct reference reference = {.exists = true, .f = 0.1, .gap = 1e-13, .smoothness = INFINITY};
    strcpy(reference.method, "dual, with \"commas\"");
    scene_dir(dir);
    struct store *store = scene_open(dir);
    struct scene_plan plan = {.name = "noise", .cells = 1, .replicates = 1, .seed = 1, .kind = KIND_ESTIMATOR};
    plan.reference = &reference;
    scene_register(store, &plan, &id);
    must(store_put_estimator(store, id, &request, &result, &error), &error);
    snprintf(folder, sizeof folder, "%s/noise", dir);
    cr_assert(mkdir(folder, 0777) == 0);
    snprintf(path, sizeof path, "%s/points.csv", folder);
    FILE *stale = fopen(path, "w");
    cr_assert(stale && fclose(stale) == 0);
    export_to(store, dir);
    scene_close(store);
    cr_expect(access(path, F_OK) != 0, "a table of an earlier plan goes");

    csv_open(&csv, folder, "estimator.csv");
    csv_check_header(&csv, "experiment,problem,data,sampling,batch_size,draws,bias_statistic,p_value,variance,se,"
                           "predicted_variance");
    cr_assert(csv_row(&csv));
    cr_expect(csv_real(&csv, "draws") == 1000.0 && csv_real(&csv, "bias_statistic") == 2.5 &&
              csv_real(&csv, "p_value") == 0.1 && csv_real(&csv, "variance") == 4.1 && csv_real(&csv, "se") == 0.05 &&
              csv_real(&csv, "predicted_variance") == 4.0 && csv_real(&csv, "direction1_variance") == 1.5 &&
              isnan(csv_real(&csv, "direction2_variance")));
    cr_expect(!csv_row(&csv));
    free(csv.text);

    csv_open(&csv, folder, "covariance.csv");
    for (size_t i = 0; i < 4; i++) {
        cr_assert(csv_row(&csv));
        cr_expect(csv_real(&csv, "row") == (double)(i / 2) && csv_real(&csv, "column") == (double)(i % 2) &&
                  csv_real(&csv, "covariance") == covariance[i] && csv_real(&csv, "predicted") == predicted[i]);
    }
    free(csv.text);

    csv_open(&csv, folder, "references.csv");
    csv_check_header(&csv, "experiment,cell,problem,data,f_star,certificate,method,reason,smoothness,convexity");
    cr_assert(csv_row(&csv));
    cr_expect(csv_real(&csv, "f_star") == 0.1 && csv_real(&csv, "certificate") == 1e-13);
    cr_expect_str_eq(csv_text(&csv, "method"), "dual, with \"commas\"");
    cr_expect_str_eq(csv_text(&csv, "smoothness"), "inf");
    free(csv.text);
    scene_remove(dir);
}

/* ---- names, folders, files ---- */

Test(export_folder, hostile_experiment_stays_in_the_results)
{
    static const char name[] = "../escape, \"`$(touch gone)`\"\n<b>";
    char dir[32], folder[OUTPUT_FOLDER_MAX], path[160];
    struct csv csv;
    scene_dir(dir);
    struct store *store = scene_open(dir);
    fill(store, name);
    export_to(store, dir);
    scene_close(store);
    output_folder_name(name, folder);
    snprintf(path, sizeof path, "%s/%s", dir, folder);
    csv_open(&csv, path, "runs.csv");
    cr_assert(csv_row(&csv));
    cr_expect_str_eq(csv_text(&csv, "experiment"), name);
    free(csv.text);
    cr_expect(access("escape", F_OK) != 0);
    scene_remove(dir);
}

Test(export_folder, links_are_not_followed)
{
    char dir[32], outside[32], path[64], target[64];
    struct error error;
    scene_dir(dir);
    scene_dir(outside);
    struct store *store = scene_open(dir);
    fill(store, "toy");
    snprintf(path, sizeof path, "%s/toy", dir);
    snprintf(target, sizeof target, "../%s", outside);
    cr_assert(symlink(target, path) == 0);
    cr_expect(store_export(store, dir, NULL, &error) == STATUS_IO);
    cr_expect(strstr(error.message, "symbolic link"), "%s", error.message);
    snprintf(path, sizeof path, "%s/runs.csv", outside);
    cr_expect(access(path, F_OK) != 0);

    snprintf(path, sizeof path, "%s/toy", dir); /* a link in the place of a table is replaced, not written through */
    cr_assert(unlink(path) == 0 && mkdir(path, 0777) == 0);
    snprintf(path, sizeof path, "%s/toy/runs.csv", dir);
    snprintf(target, sizeof target, "../../%s/precious", outside);
    cr_assert(symlink(target, path) == 0);
    export_to(store, dir);
    snprintf(path, sizeof path, "%s/precious", outside);
    cr_expect(access(path, F_OK) != 0);
    scene_close(store);
    scene_remove(dir);
    scene_remove(outside);
}

Test(export_files, a_failed_export_leaves_the_old_tables)
{
    char dir[32], path[64];
    struct error error;
    scene_dir(dir);
    struct store *store = scene_open(dir);
    fill(store, "toy");
    snprintf(path, sizeof path, "%s/toy", dir);
    cr_assert(mkdir(path, 0777) == 0);
    snprintf(path, sizeof path, "%s/toy/.runs.csv.part", dir); /* cannot be replaced by a file */
    cr_assert(mkdir(path, 0777) == 0);
    cr_expect(store_export(store, dir, NULL, &error) == STATUS_IO);
    cr_assert(rmdir(path) == 0);
    export_to(store, dir);
    snprintf(path, sizeof path, "%s/toy/runs.csv", dir);
    char *before = read_text(path);
    export_to(store, dir);
    char *after = read_text(path);
    cr_expect_str_eq(before, after, "exporting twice gives the same bytes");
    snprintf(path, sizeof path, "%s/toy/.runs.csv.part", dir);
    cr_expect(access(path, F_OK) != 0);
    free(before);
    free(after);
    scene_close(store);
    scene_remove(dir);
}

Test(export_files, one_experiment_by_name)
{
    char dir[32], path[64];
    struct error error;
    scene_dir(dir);
    struct store *store = scene_open(dir);
    fill(store, "sampling");
    fill(store, "schedules");
    cr_expect(store_export(store, dir, "samplign", &error) == STATUS_NOT_FOUND);
    cr_expect(strstr(error.message, "'sampling'"), "%s", error.message);
    must(store_export(store, dir, "sampling", &error), &error);
    snprintf(path, sizeof path, "%s/schedules", dir);
    cr_expect(access(path, F_OK) != 0);
    snprintf(path, sizeof path, "%s/sampling/runs.csv", dir);
    cr_expect(access(path, F_OK) == 0);
    scene_close(store);
    scene_remove(dir);
}

/* ---- manifest ---- */

Test(manifest, names_program_machine_experiment_and_data)
{
    static const char *const there[] = {
        "$.sessions[0].environment.version",
        "$.sessions[0].environment.compiler",
        "$.sessions[0].environment.flags",
        "$.sessions[0].environment.libraries.gsl",
        "$.sessions[0].environment.libraries.sqlite",
        "$.sessions[0].environment.cpu",
        "$.sessions[0].environment.threads",
        "$.sessions[0].environment.kernel_family",
        "$.start",
        "$.end",
        "$.experiments[0].start",
        "$.experiments[0].planned",
    };
    char dir[32], path[64], value[256], digest[65];
    struct error error;
    scene_dir(dir);
    struct store *store = scene_open(dir);
    fill(store, "toy");
    export_to(store, dir);
    must(store_digest(store, digest, &error), &error);
    scene_close(store);
    snprintf(path, sizeof path, "%s/manifest.json", dir);
    char *text = read_text(path);
    for (size_t i = 0; i < sizeof there / sizeof *there; i++) {
        json_at(text, there[i], value, sizeof value);
        cr_expect(value[0], "%s", there[i]);
    }
    static const char *const expected[][2] = {
        {"$.experiments[0].name", "toy"},
        {"$.experiments[0].folder", "toy"},
        {"$.experiments[0].config", "question: Does it keep what it is given?\n"},
        {"$.experiments[0].settings.threads", "2"},
        {"$.experiments[0].axes[0]", "batch_size"},
        {"$.experiments[0].data[0].sha256", "00ff"},
        {"$.experiments[0].data[0].name", "toy, \"quoted\""},
        {"$.experiments[0].runs.planned", "12"},
        {"$.experiments[0].runs.finished", "9"},
        {"$.experiments[0].runs.diverged", "1"},
        {"$.experiments[0].runs.failed", "1"},
    };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        json_at(text, expected[i][0], value, sizeof value);
        cr_expect_str_eq(value, expected[i][1], "%s", expected[i][0]);
    }
    json_at(text, "$.digest", value, sizeof value);
    cr_expect_str_eq(value, digest);
    json_at(text, "$.start", value, sizeof value);
    cr_expect(strlen(value) == 24 && value[10] == 'T' && value[23] == 'Z', "%s", value);
    free(text);
    scene_remove(dir);
}
