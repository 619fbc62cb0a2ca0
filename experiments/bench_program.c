/* sgdlab as its users run it, against its own kernels: this program started anew on small experiments in a temporary
 * folder, timed from outside. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
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
    double seconds, memory;     /* wall time of the process; its largest resident set in bytes */
    double bytes;               /* of its store */
    double training, measuring; /* seconds, summed over the runs */
};

/* ---- signals: the temporary folder must not be left behind ---- */

/* A signal handler can reach nothing else. */
static atomic_bool stop_asked;

static void on_signal(int number)
{
    (void)number;
    atomic_store(&stop_asked, true);
}

enum { SIGNALS = 3 };
static const int signals[SIGNALS] = {SIGINT, SIGTERM, SIGHUP};

/* Those that were ignored from the start stay so. */
static void catch_signals(struct sigaction before[SIGNALS])
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < SIGNALS; i++)
        if (sigaction(signals[i], NULL, &before[i]) == 0 && before[i].sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
}

static void release_signals(const struct sigaction before[SIGNALS])
{
    for (size_t i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &before[i], NULL);
}

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
        return error_set(error, STATUS_IO, "no temporary folder %s (TMPDIR says where): %s", place->folder,
                         strerror(errno));
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

/* What a child wrote to standard error decides only when it failed: told to go on, it would name a folder that is gone.
 */
static enum status wait_for(pid_t child, const char *messages, struct usage *usage, struct error *error)
{
    struct rusage resources;
    int state;
    while (wait4(child, &state, 0, &resources) < 0) {
        if (errno != EINTR)
            return error_set(error, STATUS_IO, "waiting for sgdlab run: %s", strerror(errno));
        if (atomic_load(&stop_asked))
            kill(child, SIGTERM); /* it stops in order */
    }
    usage->memory = 1024.0 * (double)resources.ru_maxrss;
    if (WIFEXITED(state) && WEXITSTATUS(state) == EXIT_FINE)
        return STATUS_OK;
    if (atomic_load(&stop_asked) || (WIFEXITED(state) && WEXITSTATUS(state) == EXIT_INTERRUPTED))
        return error_set(error, STATUS_INTERRUPTED, "interrupted");
    char text[512] = "";
    FILE *file = fopen(messages, "r");
    text[file ? fread(text, 1, sizeof text - 1, file) : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    if (file)
        fclose(file);
    return error_set(error, STATUS_IO, "sgdlab run ended with %s %d: %s", WIFEXITED(state) ? "status" : "signal",
                     WIFEXITED(state) ? WEXITSTATUS(state) : WTERMSIG(state), text);
}

/* Runs this program with these arguments (NULL-terminated, [0] is its name), its output thrown away. */
static enum status run_program(const struct place *place, const char *const *argument, struct usage *usage,
                               struct error *error)
{
    posix_spawn_file_actions_t actions;
    pid_t child;
    char messages[PATH_SIZE];
    snprintf(messages, sizeof messages, "%s/messages", place->folder);
    int failure = posix_spawn_file_actions_init(&actions);
    if (failure)
        return error_set(error, STATUS_MEMORY, "starting %s: %s", place->program, strerror(failure));
    failure = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (!failure)
        failure =
            posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, messages, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const double start = bench_now();
    if (!failure)
        failure = posix_spawn(&child, place->program, &actions, NULL, (char *const *)argument, environ);
    enum status status = failure ? error_set(error, STATUS_IO, "starting %s: %s", place->program, strerror(failure))
                                 : wait_for(child, messages, usage, error);
    usage->seconds = bench_now() - start;
    posix_spawn_file_actions_destroy(&actions);
    return status;
}

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

static double stored_bytes(const char *out)
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

/* `sgdlab run` of this part of this experiment, and what its store holds; the results are removed. */
static enum status run_experiment(const struct place *place, const char *yaml, const char *shard, int threads,
                                  struct usage *usage, struct error *error)
{
    char path[PATH_SIZE], out[PATH_SIZE], count[16];
    snprintf(path, sizeof path, "%s/bench.yaml", place->folder);
    snprintf(out, sizeof out, "%s/out", place->folder);
    snprintf(count, sizeof count, "%d", threads);
    const char *argument[] = {"sgdlab", "run",       path,  "--out",   out, "--shard",
                              shard,    "--threads", count, "--quiet", NULL};
    enum status status = write_text(path, yaml, error);
    if (!status)
        status = run_program(place, argument, usage, error);
    if (!status) {
        usage->bytes = stored_bytes(out);
        status = stored_seconds(out, &usage->training, &usage->measuring, error);
    }
    remove_all(out);
    return status;
}

/* ---- what is run ---- */

static enum status bench_sweep(struct bench_rows *rows, const struct bench_settings *settings,
                               const struct place *place, struct bench_programs *result, struct error *error)
{
    const size_t rates = 32, replicates = settings->quick ? 2 : 8, epochs = settings->quick ? 10 : 100, points = 60;
    const size_t repetitions = settings->repetitions;
    struct {
        double seconds[BENCH_REPETITIONS_MAX], rate[BENCH_REPETITIONS_MAX], kernel[BENCH_REPETITIONS_MAX],
            share[BENCH_REPETITIONS_MAX], training[BENCH_REPETITIONS_MAX], measuring[BENCH_REPETITIONS_MAX],
            two[BENCH_REPETITIONS_MAX], speedup[BENCH_REPETITIONS_MAX], machine[BENCH_REPETITIONS_MAX];
    } each;
    char yaml[1024];
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
        struct usage one, two = {0};
        double before = 0, after = 0;
        status = bench_rate(&rows->program_kernel, &before, error); /* also selects the kernels for the process */
        if (!status)
            status = run_experiment(place, yaml, "1/1", 1, &one, error);
        if (!status)
            status = bench_rate(&rows->program_kernel, &after, error);
        if (!status && atomic_load(&stop_asked))
            status = error_set(error, STATUS_INTERRUPTED, "interrupted");
        if (!status && result->sweep.two)
            status = run_experiment(place, yaml, "1/1", 2, &two, error);
        if (status)
            return status;
        each.machine[r] = result->sweep.two ? bench_two_processors(rows->active) : 0;
        each.seconds[r] = one.seconds;
        each.rate[r] = result->sweep.gradients / one.seconds;
        each.kernel[r] = 0.5 * (before + after);
        each.share[r] = each.rate[r] / each.kernel[r];
        each.training[r] = one.training / one.seconds;
        each.measuring[r] = one.measuring / one.seconds;
        each.two[r] = two.seconds;
        each.speedup[r] = two.seconds > 0 ? one.seconds / two.seconds : 0;
    }
    result->sweep.seconds = bench_spread(each.seconds, repetitions);
    result->sweep.rate = bench_spread(each.rate, repetitions);
    result->sweep.kernel_rate = bench_spread(each.kernel, repetitions);
    result->sweep.of_kernel = bench_spread(each.share, repetitions);
    result->sweep.training = bench_spread(each.training, repetitions).median;
    result->sweep.measuring = bench_spread(each.measuring, repetitions).median;
    result->sweep.two_seconds = bench_spread(each.two, repetitions);
    result->sweep.speedup = bench_spread(each.speedup, repetitions);
    result->sweep.machine_speedup = bench_spread(each.machine, repetitions);
    return status;
}

/* ---- plans and the store ---- */

/* The same number of runs as a few cells with many replicates, and as many cells of one run: all are planned and the
 * plan is stored, but only a small shard of the runs is done. */
static enum status bench_plan(struct bench_rows *rows, const struct bench_settings *settings, const struct place *place,
                              struct bench_programs *result, struct error *error)
{
    const size_t runs = settings->quick ? 10000 : 1000000, root = settings->quick ? 100 : 1000;
    const size_t cells[BENCH_PLANS] = {root, runs};
    (void)rows;
    result->has_plan = true;
    for (size_t i = 0; i < BENCH_PLANS; i++) {
        char yaml[1024];
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
        enum status status = run_experiment(place, yaml, settings->quick ? "1/100" : "1/1000", 1, &usage, error);
        if (status)
            return status;
        result->plan[i].cells = cells[i];
        result->plan[i].replicates = runs / cells[i];
        result->plan[i].seconds = usage.seconds;
        result->plan[i].memory = usage.memory;
        result->plan[i].bytes = usage.bytes;
    }
    return STATUS_OK;
}

static enum status bench_store(struct bench_rows *rows, const struct bench_settings *settings,
                               const struct place *place, struct bench_programs *result, struct error *error)
{
    const size_t cells = 100, points = 20,
                 replicates[BENCH_STORES] = {settings->quick ? 2 : 50, settings->quick ? 8 : 200};
    (void)rows;
    result->has_store = true;
    for (size_t i = 0; i < BENCH_STORES; i++) {
        char yaml[1024];
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
        enum status status = run_experiment(place, yaml, "1/1", 1, &usage, error);
        if (status)
            return status;
        result->store[i].runs = cells * replicates[i];
        result->store[i].points = points;
        result->store[i].seconds = usage.seconds;
        result->store[i].bytes = usage.bytes;
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
    struct sigaction before[SIGNALS];
    enum status status = place_open(&place, error);
    memset(out, 0, sizeof *out);
    if (status)
        return status;
    catch_signals(before);
    for (size_t i = 0; i < sizeof parts / sizeof *parts && !status; i++)
        if (!settings->only || strstr(parts[i].title, settings->only))
            status = parts[i].measure(rows, settings, &place, out, error);
    remove_all(place.folder);
    release_signals(before);
    return status;
}
