/* Timing rows in turn, each beside its yardstick. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

struct bench_spread bench_spread(const double *value, size_t count)
{
    double *sorted = malloc((count ? count : 1) * sizeof *sorted);
    if (!sorted || !count) {
        free(sorted);
        return (struct bench_spread){0};
    }
    memcpy(sorted, value, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare);
    struct bench_spread spread = {
        .median = 0.5 * (sorted[(count - 1) / 2] + sorted[count / 2]), .min = sorted[0], .max = sorted[count - 1]};
    free(sorted);
    return spread;
}

/* How many of something to do next, when `done` took `seconds`, so that it will take `wanted`. */
static uint64_t enlarge(uint64_t done, double seconds, double wanted)
{
    double factor = seconds > 0 ? 1.1 * wanted / seconds : 64;
    factor = factor < 2 ? 2 : factor > 64 ? 64 : factor;
    return (uint64_t)((double)done * factor);
}

enum status bench_calibrate(struct bench_row *row, const struct bench_settings *settings, struct error *error)
{
    double seconds;
    for (row->steps = 64;; row->steps = enlarge(row->steps, seconds, settings->seconds)) {
        enum status status = row->run(row, row->steps, &seconds, error);
        if (status || seconds >= settings->seconds)
            return status;
    }
}

enum status bench_rate(const struct bench_row *row, double *rate, struct error *error)
{
    double seconds;
    enum status status = row->run(row, row->steps, &seconds, error);
    *rate = (double)row->steps * row->units / seconds;
    return status;
}

static double peak(const struct bench_isa *isa, double *seconds)
{
    double start = bench_now();
    isa->fma(isa->fma_rounds);
    *seconds = bench_now() - start;
    return isa->fma_flops * (double)isa->fma_rounds / *seconds;
}

double bench_two_processors(const struct bench_isa *isa)
{
    const uint64_t rounds = 10000000;
    double one = 0, two = 0;
    for (int warm = 0; warm < 2; warm++) { /* the first time starts the second thread */
        double start = bench_now();
        isa->fma(rounds);
        one = bench_now() - start;
        start = bench_now();
#pragma omp parallel num_threads(2)
        isa->fma(rounds);
        two = bench_now() - start;
    }
    return 2 * one / two;
}

static void calibrate_peak(struct bench_isa *isa, double wanted)
{
    double seconds;
    for (isa->fma_rounds = 1000;; isa->fma_rounds = enlarge(isa->fma_rounds, seconds, wanted)) {
        peak(isa, &seconds);
        if (seconds >= wanted)
            return;
    }
}

/* ---- memory ---- */

struct triad {
    size_t count; /* doubles in each of the three arrays */
    double *memory;
};

/* Arrays as large as the last cache together, each, within an eighth of the machine's memory. */
static enum status triad_open(struct triad *triad, const struct bench_settings *settings, struct error *error)
{
    const size_t least = (size_t)32 << 20;
    long cache = sysconf(_SC_LEVEL3_CACHE_SIZE), pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    size_t bytes = cache > 0 && (size_t)cache > least ? (size_t)cache : least;
    size_t most = pages > 0 && page > 0 ? (size_t)pages / 24 * (size_t)page : bytes;
    if (settings->quick)
        bytes = least / 8;
    bytes = bytes < most ? bytes : most;
    triad->count = bytes / sizeof *triad->memory / 8 * 8;
    triad->memory = aligned_alloc(64, 3 * triad->count * sizeof *triad->memory);
    if (!triad->memory)
        return error_memory(error, 3 * triad->count * sizeof *triad->memory, "measuring memory bandwidth");
    for (size_t i = 0; i < 3 * triad->count; i++)
        triad->memory[i] = 1;
    return STATUS_OK;
}

/* Bytes per second. */
static double triad_run(const struct triad *triad, const struct bench_isa *isa, double wanted)
{
    double *a = triad->memory, *b = a + triad->count, *c = b + triad->count, seconds, start = bench_now();
    size_t passes = 0;
    do {
        isa->triad(a, b, c, triad->count);
        passes++;
    } while ((seconds = bench_now() - start) < wanted);
    return (double)(passes * 3 * triad->count * sizeof *a) / seconds;
}

/* ---- all rows ---- */

static enum status repeat(struct bench_rows *rows, size_t r, struct error *error)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < rows->rows && !status; i++) {
        struct bench_row *row = &rows->row[i];
        double seconds, now = peak(row->isa, &seconds);
        row->isa->peak[row->isa->peaks++] = now;
        status = bench_rate(row, &row->rate[r], error);
        row->of_peak[r] = row->rate[r] * row->flops / now;
        row->of_rival[r] = row->rival ? row->rate[r] / row->rival->rate[r] : 0; /* rivals stand above */
    }
    return status;
}

enum status bench_measure(struct bench_rows *rows, const struct bench_settings *settings, double *bandwidth,
                          size_t *triad_bytes, struct error *error)
{
    struct triad triad = {0};
    enum status status = triad_open(&triad, settings, error);
    for (size_t i = 0; i < rows->isas && !status; i++) {
        struct bench_isa *isa = &rows->isa[i];
        isa->peak = calloc(settings->repetitions * (rows->rows + 1), sizeof *isa->peak);
        if (!isa->peak)
            status = error_memory(error, settings->repetitions * rows->rows * sizeof *isa->peak, "peaks");
        else
            calibrate_peak(isa, 0.3 * settings->seconds);
    }
    for (size_t i = 0; i < rows->rows && !status; i++)
        status = bench_calibrate(&rows->row[i], settings, error);
    for (size_t r = 0; r < settings->repetitions && !status; r++) {
        bandwidth[r] = triad_run(&triad, &rows->isa[0], settings->seconds);
        for (size_t i = 0; i < rows->isas; i++) { /* also those of which --only leaves no row */
            double seconds;
            rows->isa[i].peak[rows->isa[i].peaks++] = peak(&rows->isa[i], &seconds);
        }
        status = repeat(rows, r, error);
    }
    *triad_bytes = 3 * triad.count * sizeof *triad.memory;
    free(triad.memory);
    return status;
}
