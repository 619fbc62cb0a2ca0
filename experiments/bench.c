/* sgdlab bench: the kernels and the whole program against what this machine can do at most and against a plain C loop,
 * all in one run. */
#include <argp.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "build_info.h"
#include "command.h"
#include "manifest.h"

enum { KEY_JSON = 256, KEY_QUICK, KEY_ONLY, KEY_REPETITIONS };

struct bench_arguments {
    struct bench_settings settings;
    uint64_t repetitions;
    bool json;
};

static const struct argp_option bench_options[] = {
    {"json", KEY_JSON, NULL, 0, "Print JSON instead of tables", 1},
    {"quick", KEY_QUICK, NULL, 0, "A few seconds: shows that all works, its numbers mean little", 1},
    {"only", KEY_ONLY, "TEXT", 0,
     "Only rows whose title holds TEXT, such as 'sparse', '32 lanes', 'whole program', 'plan' or 'store'", 1},
    {"repetitions", KEY_REPETITIONS, "R", 0, "Repetitions of everything (default: 7, quick: 3)", 1},
    {0},
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct bench_arguments *arguments = state->input;
    switch (key) {
    case KEY_JSON:
        arguments->json = true;
        break;
    case KEY_QUICK:
        arguments->settings.quick = true;
        break;
    case KEY_ONLY:
        arguments->settings.only = arg;
        break;
    case KEY_REPETITIONS:
        if (!parse_whole(arg, 1, BENCH_REPETITIONS_MAX, &arguments->repetitions))
            argp_error(state, "--repetitions takes a whole number in 1..%d, found '%s'", BENCH_REPETITIONS_MAX, arg);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp parser = {
    bench_options,
    parse_option,
    NULL,
    "Measure the kernels, beside this machine's multiply-add peak and memory bandwidth and a plain one-run C loop, and "
    "the whole program beside its kernels. Takes about a minute; leave the machine alone meanwhile.\v"
    "The sparse rows use w8a where it is found (SGDLAB_DATA names a folder), else synthetic data of its shape.\n\n"
    "Example:\n"
    "  sgdlab bench --only 'dense logistic'",
    NULL,
    NULL,
    NULL};

struct benchmark {
    const struct bench_settings *settings;
    struct bench_rows rows;
    size_t triad_bytes;
    double bandwidth[BENCH_REPETITIONS_MAX];
    struct bench_programs programs;
};

/* ---- tables ---- */

enum { NUMBER_TEXT = 32, SPREAD_TEXT = 3 * NUMBER_TEXT + 8 };

/* Three figures, no exponent: 0.853, 21.5, 148, 1234. */
static const char *short_number(double value, char text[NUMBER_TEXT])
{
    snprintf(text, NUMBER_TEXT, "%.*f", value >= 99.95 ? 0 : value >= 9.995 ? 1 : value >= 0.9995 ? 2 : 3, value);
    return text;
}

static const char *spread_text(const struct bench_spread *spread, double unit, char text[SPREAD_TEXT])
{
    char median[NUMBER_TEXT], min[NUMBER_TEXT], max[NUMBER_TEXT];
    snprintf(text, SPREAD_TEXT, "%s (%s-%s)", short_number(spread->median / unit, median),
             short_number(spread->min / unit, min), short_number(spread->max / unit, max));
    return text;
}

static void print_machine(const struct benchmark *bench)
{
    char text[256];
    const struct bench_settings *settings = bench->settings;
    manifest_cpu(text, sizeof text);
    printf("sgdlab %s on %s, %ld processors; %s\n", SGDLAB_VERSION, text, sysconf(_SC_NPROCESSORS_ONLN),
           SGDLAB_COMPILER);
    printf("Medians (smallest-largest) of %zu repetitions of at least %.0f ms each, in turn; doubles, one thread.\n",
           settings->repetitions, 1e3 * settings->seconds);
}

static double of_bandwidth(const struct benchmark *bench, const struct bench_row *row)
{
    const size_t repetitions = bench->settings->repetitions;
    return bench_spread(row->rate, repetitions).median * row->bytes /
           bench_spread(bench->bandwidth, repetitions).median;
}

static void print_row(const struct benchmark *bench, const struct bench_row *row)
{
    const size_t repetitions = bench->settings->repetitions;
    char text[SPREAD_TEXT], lanes[32] = "", number[NUMBER_TEXT];
    const struct bench_spread rate = bench_spread(row->rate, repetitions);
    if (row->lanes)
        snprintf(lanes, sizeof lanes, "%zu", row->lanes);
    printf("%-39s %-8s %5s  %-22s %7s", row->name,
           row->plain   ? "plain C"
           : row->lanes ? row->isa->kernels->name
                        : "",
           lanes, spread_text(&rate, 1e6, text), short_number(1e9 / rate.median, number));
    if (row->flops > 0)
        printf("  %5.1f %%", 100 * bench_spread(row->of_peak, repetitions).median);
    if (row->bytes > 0)
        printf("  %5.1f %%", 100 * of_bandwidth(bench, row));
    if (row->rival) {
        const struct bench_spread ratio = bench_spread(row->of_rival, repetitions);
        printf("  %s", spread_text(&ratio, 1, text));
    }
    putchar('\n');
}

static void print_peaks(const struct benchmark *bench)
{
    char text[SPREAD_TEXT], bytes[32];
    putchar('\n');
    for (size_t i = 0; i < bench->rows.isas; i++) {
        const struct bench_isa *isa = &bench->rows.isa[i];
        const struct bench_spread peak = bench_spread(isa->peak, isa->peaks);
        printf("Multiply-add peak, %-8s  %s GFLOP/s\n", isa->kernels->name, spread_text(&peak, 1e9, text));
    }
    const struct bench_spread bandwidth = bench_spread(bench->bandwidth, bench->settings->repetitions);
    printf("Memory bandwidth, triad      %s GB/s on %s\n", spread_text(&bandwidth, 1e9, text),
           format_bytes((double)bench->triad_bytes, bytes, sizeof bytes));
}

static void print_rows(const struct benchmark *bench)
{
    if (!bench->rows.rows)
        return;
    printf("\n%-39s %-8s %5s  %-22s %7s  %7s  %7s  %s\n", "work", "code", "lanes", "million/s", "ns", "of peak",
           "of mem.", "x plain C");
    for (size_t i = 0; i < bench->rows.rows; i++)
        print_row(bench, &bench->rows.row[i]);
    puts("\nCounted are sample gradients (lanes x steps x m), sample losses or indices; drawing samples is in the "
         "time.\n"
         "Of peak: 4 flops for each entry of a sample's row (2 for the dot product, 2 for the update; 2 in a full "
         "loss),\n"
         "in a network 4 for each weight of the first layer and 6 for each of the others,\n"
         "against the peak of the same vectors, measured just before. Of mem.: bytes of the rows, read once for all\n"
         "lanes, against the triad (these data fit the caches). Plain C: one run, 8 partial sums, libm exp, as -O3\n"
         "-march=native builds it. Each row with a rival was checked against it to 1e-9 on the same samples.");
    if (bench->rows.synthetic_sparse)
        puts("The sparse data are synthetic, 49749 x 300 with 12 entries a row, because w8a was not found "
             "(SGDLAB_DATA).");
}

static void print_programs(const struct bench_programs *p)
{
    char text[SPREAD_TEXT], other[SPREAD_TEXT];
    if (p->has_sweep) {
        printf("\nWhole program: digits, %zu runs x %zu epochs, m=1, l2, %zu recorded points of loss and gap, stored\n",
               p->sweep.runs, p->sweep.epochs, p->sweep.points);
        printf("  one thread    %s s, %s million sample gradients/s\n", spread_text(&p->sweep.seconds, 1, text),
               spread_text(&p->sweep.rate, 1e6, other));
        printf("  of its kernel %s %% of %s million/s\n", spread_text(&p->sweep.of_kernel, 0.01, text),
               spread_text(&p->sweep.kernel_rate, 1e6, other));
        printf("  its time      %.1f %% training, %.1f %% measuring, %.1f %% all else\n", 100 * p->sweep.training,
               100 * p->sweep.measuring, 100 * (1 - p->sweep.training - p->sweep.measuring));
        if (p->sweep.two) {
            printf("  two threads   %s s, %s x as fast\n", spread_text(&p->sweep.two_seconds, 1, text),
                   spread_text(&p->sweep.speedup, 1, other));
            printf("  the machine   %s x: two multiply-add loops at once against one after the other\n",
                   spread_text(&p->sweep.machine_speedup, 1, text));
        } else {
            puts("  two threads   not measured: there is one processor");
        }
    }
    if (p->has_plan) {
        puts("\nPlanning, from the start of the program to its end (a small shard of the runs is done)");
        for (size_t i = 0; i < BENCH_PLANS; i++) {
            char stored[32];
            printf("  %7zu cells x %5zu replicates  %s, %s of memory, %s stored\n", p->plan[i].cells,
                   p->plan[i].replicates, format_seconds(p->plan[i].seconds, text, sizeof text),
                   format_bytes(p->plan[i].memory, other, sizeof other),
                   format_bytes(p->plan[i].bytes, stored, sizeof stored));
        }
    }
    if (p->has_store) {
        printf("\nStore, runs of %zu points and 2 metrics\n", p->store[0].points);
        for (size_t i = 0; i < BENCH_STORES; i++)
            printf("  %7zu runs  %s, %s, %.0f bytes a run\n", p->store[i].runs,
                   format_bytes(p->store[i].bytes, text, sizeof text),
                   format_seconds(p->store[i].seconds, other, sizeof other),
                   p->store[i].bytes / (double)p->store[i].runs);
    }
    fflush(stdout);
}

/* ---- JSON ---- */

static void json_member(struct json *json, const char *key, double value)
{
    json_key(json, key);
    json_real(json, value);
}

static void json_spread(struct json *json, const char *key, const struct bench_spread *spread)
{
    json_key(json, key);
    json_begin(json, '{');
    json_member(json, "median", spread->median);
    json_member(json, "min", spread->min);
    json_member(json, "max", spread->max);
    json_end(json, '}');
}

static void json_values(struct json *json, const char *key, const double *value, size_t count)
{
    const struct bench_spread spread = bench_spread(value, count);
    json_spread(json, key, &spread);
}

static void json_row(struct json *json, const struct benchmark *bench, const struct bench_row *row)
{
    const size_t repetitions = bench->settings->repetitions;
    char title[128];
    json_begin(json, '{');
    json_key(json, "title");
    json_string(json, bench_row_title(row, title, sizeof title));
    json_key(json, "work");
    json_string(json, row->name);
    json_key(json, "unit");
    json_string(json, row->unit);
    json_key(json, "code");
    json_string(json, row->plain ? "plain" : row->isa->kernels->name);
    json_key(json, "lanes");
    json_count(json, row->lanes);
    json_values(json, "per_second", row->rate, repetitions);
    if (row->flops > 0) {
        json_member(json, "flops_each", row->flops);
        json_values(json, "of_peak", row->of_peak, repetitions);
    }
    if (row->bytes > 0) {
        json_member(json, "bytes_each", row->bytes);
        json_member(json, "of_bandwidth", of_bandwidth(bench, row));
    }
    if (row->rival)
        json_values(json, "of_plain", row->of_rival, repetitions);
    json_end(json, '}');
}

static void json_programs(struct json *json, const struct bench_programs *p)
{
    if (p->has_sweep) {
        json_key(json, "sweep");
        json_begin(json, '{');
        json_member(json, "runs", (double)p->sweep.runs);
        json_member(json, "epochs", (double)p->sweep.epochs);
        json_member(json, "points", (double)p->sweep.points);
        json_member(json, "sample_gradients", p->sweep.gradients);
        json_spread(json, "seconds", &p->sweep.seconds);
        json_spread(json, "per_second", &p->sweep.rate);
        json_spread(json, "kernel_per_second", &p->sweep.kernel_rate);
        json_spread(json, "of_kernel", &p->sweep.of_kernel);
        json_member(json, "training_share", p->sweep.training);
        json_member(json, "measuring_share", p->sweep.measuring);
        if (p->sweep.two) {
            json_spread(json, "two_threads_seconds", &p->sweep.two_seconds);
            json_spread(json, "two_threads_speedup", &p->sweep.speedup);
            json_spread(json, "machine_speedup", &p->sweep.machine_speedup);
        }
        json_end(json, '}');
    }
    if (p->has_plan) {
        json_key(json, "plan");
        json_begin(json, '[');
        for (size_t i = 0; i < BENCH_PLANS; i++) {
            json_begin(json, '{');
            json_member(json, "cells", (double)p->plan[i].cells);
            json_member(json, "replicates", (double)p->plan[i].replicates);
            json_member(json, "seconds", p->plan[i].seconds);
            json_member(json, "memory_bytes", p->plan[i].memory);
            json_member(json, "stored_bytes", p->plan[i].bytes);
            json_end(json, '}');
        }
        json_end(json, ']');
    }
    if (p->has_store) {
        json_key(json, "store");
        json_begin(json, '[');
        for (size_t i = 0; i < BENCH_STORES; i++) {
            json_begin(json, '{');
            json_member(json, "runs", (double)p->store[i].runs);
            json_member(json, "points", (double)p->store[i].points);
            json_member(json, "seconds", p->store[i].seconds);
            json_member(json, "bytes", p->store[i].bytes);
            json_member(json, "bytes_per_run", p->store[i].bytes / (double)p->store[i].runs);
            json_end(json, '}');
        }
        json_end(json, ']');
    }
}

static enum status print_json(const struct benchmark *bench, struct error *error)
{
    struct json json = {0};
    char *environment = manifest_environment(NULL);
    json_begin(&json, '{');
    json_key(&json, "environment");
    json_raw(&json, environment);
    json_member(&json, "repetitions", (double)bench->settings->repetitions);
    json_member(&json, "least_seconds", bench->settings->seconds);
    json_key(&json, "quick");
    json_bool(&json, bench->settings->quick);
    json_key(&json, "peak_flops");
    json_begin(&json, '{');
    for (size_t i = 0; i < bench->rows.isas; i++)
        json_values(&json, bench->rows.isa[i].kernels->name, bench->rows.isa[i].peak, bench->rows.isa[i].peaks);
    json_end(&json, '}');
    json_values(&json, "triad_bytes_per_second", bench->bandwidth, bench->settings->repetitions);
    json_member(&json, "triad_bytes", (double)bench->triad_bytes);
    json_key(&json, "sparse_data");
    json_string(&json, bench->rows.synthetic_sparse ? "synthetic" : "w8a");
    json_key(&json, "rows");
    json_begin(&json, '[');
    for (size_t i = 0; i < bench->rows.rows; i++)
        json_row(&json, bench, &bench->rows.row[i]);
    json_end(&json, ']');
    json_programs(&json, &bench->programs);
    json_end(&json, '}');
    char *text = json_take(&json);
    if (text)
        puts(text);
    free(environment);
    free(text);
    return text ? STATUS_OK : error_set(error, STATUS_MEMORY, "out of memory for the results");
}

int command_bench(int argc, char **argv)
{
    struct bench_arguments arguments = {0};
    struct error error = {0};
    struct benchmark *bench = calloc(1, sizeof *bench);
    argp_parse(&parser, argc, argv, 0, NULL, &arguments);
    struct bench_settings *settings = &arguments.settings;
    settings->seconds = settings->quick ? 0.002 : 0.05;
    settings->repetitions = arguments.repetitions ? (size_t)arguments.repetitions : settings->quick ? 3 : 7;
    if (!bench) {
        error_memory(&error, sizeof *bench, "the results");
        return command_error(&error);
    }
    bench->settings = settings;
    enum status status = bench_rows_open(&bench->rows, settings, &error);
    /* Programs first: the kernel counts this process's largest memory as that of a process it starts, and measuring
     * bandwidth takes much. */
    if (!status && !arguments.json)
        print_machine(bench);
    if (!status)
        status = bench_programs(&bench->rows, settings, &bench->programs, &error);
    if (!status && !arguments.json)
        print_programs(&bench->programs);
    if (!status && !bench->rows.rows && !bench->programs.has_sweep && !bench->programs.has_plan &&
        !bench->programs.has_store)
        status = error_set(&error, STATUS_USAGE, "no row's title holds '%s' (sgdlab bench --quick shows them all)",
                           settings->only);
    if (!status)
        status = bench_measure(&bench->rows, settings, bench->bandwidth, &bench->triad_bytes, &error);
    if (!status && arguments.json)
        status = print_json(bench, &error);
    if (!status && !arguments.json) {
        print_peaks(bench);
        print_rows(bench);
    }
    bench_rows_close(&bench->rows);
    free(bench);
    return status ? command_error(&error) : EXIT_FINE;
}
