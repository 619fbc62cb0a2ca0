/* sgdlab as its users run it, against its own kernels: this program started anew on small experiments in a temporary
 * folder, timed from outside. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "command.h"
#include "store.h"

extern char **environ;

enum { PATH_SIZE = 4096 };

struct place {
    char program[PATH_SIZE], folder[PATH_SIZE / 2];
};

struct usage {
    double seconds, memory; /* wall time; largest resident set in bytes */
};

/* ---- processes and files ---- */

static enum status place_open(struct place *place, struct error *error)
{
    const char *temporary = getenv("TMPDIR");
    ssize_t length = readlink("/proc/self/exe", place->program, sizeof place->program - 1);
    if (length < 0)
        return error_set(error, STATUS_IO, "/proc/self/exe: %s", strerror(errno));
    place->program[length] = '\0';
    int needed = snprintf(place->folder, sizeof place->folder, "%s/sgdlab-bench-XXXXXX",
                          temporary && *temporary ? temporary : "/tmp");
    if (needed < 0 || (size_t)needed >= sizeof place->folder || !mkdtemp(place->folder))
        return error_set(error, STATUS_IO, "no temporary folder (TMPDIR): %s", strerror(errno));
    return STATUS_OK;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

static void remove_all(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static enum status write_text(const char *path, const char *text, struct error *error)
{
    FILE *file = fopen(path, "w");
    bool good = file && fputs(text, file) >= 0;
    if (file)
        good = fclose(file) == 0 && good;
    return good ? STATUS_OK : error_set(error, STATUS_IO, "%s: %s", path, strerror(errno));
}

/* Ctrl-C reaches the child too, which then stops in order; this program must live to remove its folder. */
static enum status wait_for(pid_t child, const char *what, struct usage *usage, struct error *error)
{
    struct rusage resources;
    int state;
    while (wait4(child, &state, 0, &resources) < 0)
        if (errno != EINTR)
            return error_set(error, STATUS_IO, "waiting for %s: %s", what, strerror(errno));
    usage->memory = 1024.0 * (double)resources.ru_maxrss;
    if (WIFEXITED(state) && WEXITSTATUS(state) == EXIT_FINE)
        return STATUS_OK;
    if ((WIFEXITED(state) && WEXITSTATUS(state) == EXIT_INTERRUPTED) ||
        (WIFSIGNALED(state) && WTERMSIG(state) == SIGINT))
        return error_set(error, STATUS_INTERRUPTED, "interrupted");
    return error_set(error, STATUS_IO, "%s ended with %s %d", what, WIFEXITED(state) ? "status" : "signal",
                     WIFEXITED(state) ? WEXITSTATUS(state) : WTERMSIG(state));
}

/* Runs this program with these arguments (NULL-terminated, [0] is its name), its output thrown away. */
static enum status run_program(const struct place *place, const char *const *argument, struct usage *usage,
                               struct error *error)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t defaults;
    pid_t child;
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGINT);
    int failure = posix_spawn_file_actions_init(&actions);
    if (failure)
        return error_set(error, STATUS_MEMORY, "starting %s: %s", place->program, strerror(failure));
    failure = posix_spawnattr_init(&attributes);
    if (failure) {
        posix_spawn_file_actions_destroy(&actions);
        return error_set(error, STATUS_MEMORY, "starting %s: %s", place->program, strerror(failure));
    }
    sigaction(SIGINT, &ignore, &before);
    failure = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (!failure && before.sa_handler != SIG_IGN) {
        posix_spawnattr_setsigdefault(&attributes, &defaults);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    }
    const double start = bench_now();
    if (!failure)
        failure = posix_spawn(&child, place->program, &actions, &attributes, (char *const *)argument, environ);
    enum status status = failure ? error_set(error, STATUS_IO, "starting %s: %s", place->program, strerror(failure))
                                 : wait_for(child, "sgdlab run", usage, error);
    usage->seconds = bench_now() - start;
    sigaction(SIGINT, &before, NULL);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return status;
}

/* `sgdlab run` of this experiment into FOLDER/out; the caller removes that. */
static enum status run_experiment(const struct place *place, const char *yaml, int threads, bool dry,
                                  char out[PATH_SIZE], struct usage *usage, struct error *error)
{
    char path[PATH_SIZE], count[16];
    snprintf(path, sizeof path, "%s/bench.yaml", place->folder);
    snprintf(out, PATH_SIZE, "%s/out", place->folder);
    snprintf(count, sizeof count, "%d", threads);
    const char *argument[] = {"sgdlab", "run", path, "--out", out, "--threads", count, dry ? "--dry-run" : "--quiet",
                              NULL};
    enum status status = write_text(path, yaml, error);
    return status ? status : run_program(place, argument, usage, error);
}

/* ---- the sweep ---- */

/* Training and measuring seconds of all runs in the store. */
static enum status stored_seconds(const char *out, double *training, double *measuring, struct error *error)
{
    struct store *store;
    struct store_status *line = NULL;
    size_t count = 0;
    enum status status = store_open(out, STORE_READ, &store, error);
    if (status)
        return status;
    status = store_status(store, &line, &count, error);
    *training = *measuring = 0;
    for (size_t i = 0; i < count && !status; i++) {
        *training += line[i].train_seconds;
        *measuring += line[i].measure_seconds;
    }
    free(line);
    enum status closing = store_close(store, status ? NULL : error);
    return status ? status : closing;
}

static enum status bench_sweep(struct bench_rows *rows, const struct bench_settings *settings,
                               const struct place *place, struct bench_programs *result, struct error *error)
{
    const size_t rates = 32, replicates = settings->quick ? 2 : 8, epochs = settings->quick ? 10 : 100, points = 60;
    const size_t repetitions = settings->repetitions;
    double seconds[BENCH_REPETITIONS_MAX], two[BENCH_REPETITIONS_MAX], rate[BENCH_REPETITIONS_MAX],
        speedup[BENCH_REPETITIONS_MAX], share[BENCH_REPETITIONS_MAX], kernel[BENCH_REPETITIONS_MAX], training = 0,
                                                                                                     measuring = 0;
    char yaml[1024], out[PATH_SIZE];
    snprintf(yaml, sizeof yaml,
             "question: How much of the kernels' speed is left in a whole sweep?\n"
             "problem: {type: logistic_regression, data: digits, positive: 8, intercept: false, l2: 1.0e-3}\n"
             "replicates: %zu\n"
             "budget: {epochs: %zu}\n"
             "sampling: with_replacement\n"
             "batch_size: 1\n"
             "sweep:\n"
             "  schedule:\n"
             "    - {type: constant, rate: {logspace: [1.0e-4, 2.0e-2, %zu]}}\n"
             "record: {points: %zu, spacing: log, metrics: [loss, gap]}\n",
             replicates, epochs, rates, points);
    result->has_sweep = true;
    result->sweep.runs = rates * replicates;
    result->sweep.epochs = epochs;
    result->sweep.points = points;
    result->sweep.gradients = (double)(rates * replicates * epochs * rows->digits->train.rows);
    result->sweep.two = sysconf(_SC_NPROCESSORS_ONLN) > 1;
    enum status status = bench_calibrate(&rows->program_kernel, settings, error);
    for (size_t r = 0; r < repetitions && !status; r++) {
        struct usage usage;
        double before = 0, after = 0;
        status = bench_rate(&rows->program_kernel, &before, error); /* also selects the kernels for the process */
        if (!status)
            status = run_experiment(place, yaml, 1, false, out, &usage, error);
        if (!status)
            status = stored_seconds(out, &training, &measuring, error);
        remove_all(out);
        if (status)
            break;
        seconds[r] = usage.seconds;
        status = bench_rate(&rows->program_kernel, &after, error);
        kernel[r] = 0.5 * (before + after);
        rate[r] = result->sweep.gradients / seconds[r];
        share[r] = rate[r] / kernel[r];
        if (status || !result->sweep.two)
            continue;
        status = run_experiment(place, yaml, 2, false, out, &usage, error);
        remove_all(out);
        two[r] = usage.seconds;
        speedup[r] = seconds[r] / two[r];
    }
    if (status)
        return status;
    result->sweep.training = training / seconds[repetitions - 1];
    result->sweep.measuring = measuring / seconds[repetitions - 1];
    result->sweep.seconds = bench_spread(seconds, repetitions);
    result->sweep.rate = bench_spread(rate, repetitions);
    result->sweep.kernel_rate = bench_spread(kernel, repetitions);
    result->sweep.of_kernel = bench_spread(share, repetitions);
    if (result->sweep.two) {
        result->sweep.two_seconds = bench_spread(two, repetitions);
        result->sweep.speedup = bench_spread(speedup, repetitions);
    }
    return STATUS_OK;
}

/* ---- plans and the store ---- */

/* The same number of runs as a few cells with many replicates, and as many cells of one run. */
static enum status bench_plan(struct bench_rows *rows, const struct bench_settings *settings, const struct place *place,
                              struct bench_programs *result, struct error *error)
{
    const size_t runs = settings->quick ? 10000 : 1000000, root = settings->quick ? 100 : 1000;
    const size_t cells[BENCH_PLANS] = {root, runs};
    (void)rows;
    result->has_plan = true;
    for (size_t i = 0; i < BENCH_PLANS; i++) {
        char yaml[1024], out[PATH_SIZE];
        struct usage usage;
        snprintf(yaml, sizeof yaml,
                 "question: How long does a plan take?\n"
                 "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 64, d: 4}}\n"
                 "replicates: %zu\n"
                 "budget: {steps: 100}\n"
                 "sweep:\n"
                 "  batch_size: [1, 2]\n"
                 "  schedule:\n"
                 "    - {type: constant, rate: {logspace: [1.0e-4, 1.0e-1, %zu]}}\n"
                 "record: {points: 10}\n",
                 runs / cells[i], cells[i] / 2);
        enum status status = run_experiment(place, yaml, 1, true, out, &usage, error);
        if (status)
            return status;
        result->plan[i].cells = cells[i];
        result->plan[i].replicates = runs / cells[i];
        result->plan[i].seconds = usage.seconds;
        result->plan[i].memory = usage.memory;
    }
    return STATUS_OK;
}

static double folder_bytes(const char *out)
{
    static const char *const names[] = {"sgdlab.db", "sgdlab.db-wal"};
    double bytes = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[PATH_SIZE + 16];
        struct stat found;
        snprintf(path, sizeof path, "%s/%s", out, names[i]);
        if (stat(path, &found) == 0)
            bytes += (double)found.st_size;
    }
    return bytes;
}

static enum status bench_store(struct bench_rows *rows, const struct bench_settings *settings,
                               const struct place *place, struct bench_programs *result, struct error *error)
{
    const size_t cells = 100, points = 20,
                 replicates[BENCH_STORES] = {settings->quick ? 2 : 50, settings->quick ? 8 : 200};
    (void)rows;
    result->has_store = true;
    for (size_t i = 0; i < BENCH_STORES; i++) {
        char yaml[1024], out[PATH_SIZE];
        struct usage usage;
        snprintf(yaml, sizeof yaml,
                 "question: How much does a stored run take?\n"
                 "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 64, d: 4}}\n"
                 "replicates: %zu\n"
                 "budget: {steps: 100}\n"
                 "sweep:\n"
                 "  schedule:\n"
                 "    - {type: constant, rate: {logspace: [1.0e-4, 1.0e-1, %zu]}}\n"
                 "record: {points: %zu, spacing: log, metrics: [loss, gap]}\n",
                 replicates[i], cells, points);
        enum status status = run_experiment(place, yaml, 1, false, out, &usage, error);
        result->store[i].runs = cells * replicates[i];
        result->store[i].points = points;
        result->store[i].seconds = usage.seconds;
        result->store[i].bytes = folder_bytes(out);
        remove_all(out);
        if (status)
            return status;
    }
    return STATUS_OK;
}

enum status bench_programs(struct bench_rows *rows, const struct bench_settings *settings, struct bench_programs *out,
                           struct error *error)
{
    static const struct {
        const char *title;
        enum status (*measure)(struct bench_rows *rows, const struct bench_settings *settings,
                               const struct place *place, struct bench_programs *result, struct error *error);
    } parts[] = {{"whole program", bench_sweep}, {"plan", bench_plan}, {"store", bench_store}};
    struct place place;
    enum status status = place_open(&place, error);
    memset(out, 0, sizeof *out);
    if (status)
        return status;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && !status; i++)
        if (!settings->only || strstr(parts[i].title, settings->only))
            status = parts[i].measure(rows, settings, &place, out, error);
    remove_all(place.folder);
    return status;
}
