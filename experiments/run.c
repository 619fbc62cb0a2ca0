/* sgdlab run: reads all experiments before anything starts, then runs what their results directory does not hold yet.
 */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "build_info.h"
#include "command.h"
#include "engine.h"
#include "json.h"
#include "output.h"
#include "power.h"
#include "progress.h"
#include "runner.h"

enum { THREADS_MAX = 4096, SHARDS_MAX = 1000000 };

struct run_arguments {
    const char **file, **set;
    size_t file_count, set_count;
    const char *out, *profile, *data_dir, *shard_text;
    long replicates;
    bool has_seed, dry_run, fresh, quiet, keep_going;
    uint64_t seed, threads, shard, shards;
};

/* ---- command line ---- */

enum { KEY_SHARD = 256, KEY_DRY_RUN, KEY_FRESH, KEY_DATA_DIR, KEY_REPLICATES, KEY_SEED };

static const struct argp_option run_options[] = {
    {"out", 'o', "DIR", 0, "Results directory (default: " DEFAULT_RESULTS ")", 1},
    {"profile", 'p', "NAME", 0, "Settings from the experiment's profiles: quick, full or another that it has", 1},
    {"set", 's', "KEY=V[,V...]", 0, "Override a parameter, by dotted path; several values make it a sweep axis", 1},
    {"replicates", KEY_REPLICATES, "R", 0, "Independent seeds per cell", 1},
    {"seed", KEY_SEED, "S", 0, "Master seed", 1},
    {"data-dir", KEY_DATA_DIR, "DIR", 0, "Look for data here first", 1},
    {"threads", 'j', "N", 0, "Threads (default: all cores); results do not depend on it", 2},
    {"shard", KEY_SHARD, "I/N", 0, "Only part I of N, counted from 1; join the parts with merge", 2},
    {"fresh", KEY_FRESH, NULL, 0, "Forget what is stored of these experiments and compute it again", 2},
    {"keep-going", 'k', NULL, 0, "Go on after a run that failed", 2},
    {"dry-run", KEY_DRY_RUN, NULL, 0, "Print the plan (cells, runs, blocks, time, disk) and write nothing", 2},
    {"quiet", 'q', NULL, 0, "Print errors only", 2},
    {0},
};

static void parse_shard(char *arg, struct run_arguments *arguments, struct argp_state *state)
{
    char *slash = strchr(arg, '/');
    bool good = slash != NULL;
    if (good) {
        *slash = '\0';
        good = parse_whole(slash + 1, 1, SHARDS_MAX, &arguments->shards) &&
               parse_whole(arg, 1, arguments->shards, &arguments->shard);
        *slash = '/';
    }
    if (!good)
        argp_error(state, "--shard takes I/N with whole numbers, 1 <= I <= N <= %d, found '%s'", SHARDS_MAX, arg);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct run_arguments *arguments = state->input;
    uint64_t whole;
    switch (key) {
    case 'o':
        arguments->out = arg;
        break;
    case 'p':
        arguments->profile = arg;
        break;
    case 's':
        if (!strchr(arg, '=') || *arg == '=')
            argp_error(state, "--set takes KEY=VALUE[,VALUE...], found '%s'", arg);
        arguments->set[arguments->set_count++] = arg;
        break;
    case 'j':
        if (!parse_whole(arg, 1, THREADS_MAX, &arguments->threads))
            argp_error(state, "--threads takes a whole number in 1..%d, found '%s'", THREADS_MAX, arg);
        break;
    case KEY_REPLICATES:
        if (!parse_whole(arg, 1, UINT32_MAX, &whole))
            argp_error(state, "--replicates takes a whole number in 1..%u, found '%s'", UINT32_MAX, arg);
        arguments->replicates = (long)whole;
        break;
    case KEY_SEED:
        if (!parse_whole(arg, 0, UINT64_MAX, &arguments->seed))
            argp_error(state, "--seed takes a whole number below 2^64, found '%s'", arg);
        arguments->has_seed = true;
        break;
    case KEY_SHARD:
        parse_shard(arg, arguments, state);
        arguments->shard_text = arg;
        break;
    case KEY_DATA_DIR:
        arguments->data_dir = arg;
        break;
    case KEY_DRY_RUN:
        arguments->dry_run = true;
        break;
    case KEY_FRESH:
        arguments->fresh = true;
        break;
    case 'k':
        arguments->keep_going = true;
        break;
    case 'q':
        arguments->quiet = true;
        break;
    case ARGP_KEY_ARG:
        arguments->file[arguments->file_count++] = arg;
        break;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "name at least one experiment file");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp parser = {
    run_options,
    parse_option,
    "FILE...",
    "Run the experiments in FILE..., or what is left of them.\v"
    "Runs that the results directory already holds are not computed again. Ctrl-C stops within 2 s; the same command "
    "goes on.\n\n"
    "Example:\n"
    "  sgdlab run experiments/sampling.yaml --profile quick --set batch_size=1,16",
    NULL,
    NULL,
    NULL};

/* ---- stopping ---- */

/* Signal handlers can reach nothing else. */
static atomic_bool stop_asked, can_wait;
static char *stopped_text;

static void on_signal(int number)
{
    (void)number;
    if (atomic_load(&can_wait) && !atomic_exchange(&stop_asked, true))
        return;
    /* Nothing to wait for, or asked twice. What was committed is safe: the store survives a kill. */
    if (write(STDERR_FILENO, stopped_text, strlen(stopped_text)) < 0)
        _exit(EXIT_INTERRUPTED);
    _exit(EXIT_INTERRUPTED);
}

/* A signal that was ignored from the start (nohup, a shell's background job) stays ignored. */
static void catch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, before;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
}

static void print_quoted(FILE *out, const char *word)
{
    size_t size = 4 * strlen(word) + 3;
    char *text = malloc(size);
    fputs(text ? shell_quoted(word, text, size) : word, out);
    free(text);
}

/* "sgdlab run ..." for the shell, without --fresh, which would throw away what is done. Caller frees; NULL: no memory.
 */
static char *resume_command(int argc, char **argv)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    print_quoted(out, program_invocation_name);
    fputs(" run", out);
    bool dashes = false;
    for (int i = 1; i < argc; i++) {
        size_t length = strlen(argv[i]);
        dashes = dashes || !strcmp(argv[i], "--");
        if (!dashes && length > 2 && !strncmp(argv[i], "--fresh", length)) /* argp takes abbreviations */
            continue;
        fputc(' ', out);
        print_quoted(out, argv[i]);
    }
    return fclose(out) == 0 ? text : (free(text), NULL);
}

/* ---- running ---- */

struct session {
    const struct run_arguments *arguments;
    struct sweep **sweep;
    size_t count;
    struct progress_view view;
};

static char *settings_json(const struct session *session, const struct sweep *sweep, const char *file, int threads)
{
    const struct run_arguments *arguments = session->arguments;
    struct json json = {0};
    json_begin(&json, '{');
    json_key(&json, "file");
    json_string(&json, file);
    json_key(&json, "folder"); /* where its data may lie, for those who open it again from elsewhere */
    char *path = realpath(file, NULL);
    if (path && strrchr(path, '/'))
        strrchr(path, '/')[1] = '\0';
    json_string(&json, path);
    free(path);
    json_key(&json, "profile");
    json_string(&json, arguments->profile);
    json_key(&json, "set");
    json_begin(&json, '[');
    for (size_t i = 0; i < arguments->set_count; i++)
        json_string(&json, arguments->set[i]);
    json_end(&json, ']');
    json_key(&json, "replicates");
    json_count(&json, sweep_replicates(sweep));
    json_key(&json, "seed");
    json_count(&json, sweep_seed(sweep));
    json_key(&json, "out");
    json_string(&json, arguments->out);
    json_key(&json, "data_dir");
    json_string(&json, arguments->data_dir);
    json_key(&json, "threads");
    json_count(&json, (uint64_t)threads);
    json_key(&json, "shard");
    json_string(&json, arguments->shard_text);
    json_key(&json, "fresh");
    json_bool(&json, arguments->fresh);
    json_key(&json, "keep_going");
    json_bool(&json, arguments->keep_going);
    json_end(&json, '}');
    return json_take(&json);
}

/* Every mistake in every file is told before anything runs. */
static enum status open_sweeps(struct session *session, struct error *error)
{
    const struct run_arguments *arguments = session->arguments;
    enum status worst = STATUS_OK;
    for (size_t i = 0; i < arguments->file_count; i++) {
        char folder[4096];
        const char *slash = strrchr(arguments->file[i], '/');
        snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - arguments->file[i]) + 1 : 1,
                 slash ? arguments->file[i] : ".");
        struct sweep_options sweep_options = {
            .profile = arguments->profile,
            .set = arguments->set,
            .set_count = arguments->set_count,
            .replicates = arguments->replicates,
            .has_seed = arguments->has_seed,
            .seed = arguments->seed,
            .search = {.data_dir = arguments->data_dir, .experiment_dir = folder},
        };
        struct sweep *sweep;
        enum status status = sweep_open(arguments->file[i], &sweep_options, &sweep, error);
        if (status == STATUS_OK) {
            session->sweep[i] = sweep;
            for (size_t j = 0; j < i && status == STATUS_OK; j++)
                if (session->sweep[j] && !strcmp(sweep_name(session->sweep[j]), sweep_name(sweep)))
                    status = error_at(error, STATUS_USAGE, arguments->file[i], 0, 0,
                                      "the experiment is called '%s', as the one in %s; the second would replace the "
                                      "first (give one of them another `experiment:` name)",
                                      sweep_name(sweep), arguments->file[j]);
        }
        if (status != STATUS_OK) {
            worst = status;
            command_error(error);
        }
    }
    return worst;
}

static void print_plural(FILE *out, size_t count, const char *noun)
{
    char text[64];
    fputs(counted(count, noun, text, sizeof text), out);
}

static void print_settings(const struct session *session, int threads)
{
    const struct run_arguments *arguments = session->arguments;
    printf("sgdlab %s: ", SGDLAB_VERSION);
    print_plural(stdout, session->count, "experiment");
    printf(", profile %s, ", arguments->profile ? arguments->profile : "none");
    print_plural(stdout, (size_t)threads, "thread");
    printf(", kernels %s (%s), results in %s", kernel_isa(), kernel_family(), arguments->out);
    if (arguments->shards > 1)
        printf(", shard %s", arguments->shard_text);
    putchar('\n');
    for (size_t i = 0; i < arguments->set_count; i++)
        printf("  set %s\n", arguments->set[i]);
    for (size_t i = 0; i < session->count; i++) {
        const struct sweep *sweep = session->sweep[i];
        printf("  %-16s ", sweep_name(sweep));
        print_plural(stdout, sweep_cells(sweep), "cell");
        fputs(" x ", stdout);
        print_plural(stdout, sweep_replicates(sweep), "replicate");
        printf(", seed %llu", (unsigned long long)sweep_seed(sweep));
        for (size_t axis = 0; axis < sweep_axis_count(sweep); axis++)
            printf("%s%s", axis ? " x " : "; sweeps ", sweep_axis(sweep, axis));
        putchar('\n');
    }
    fflush(stdout);
}

static int dry_run(const struct session *session, const struct runner_options *options, int threads)
{
    double seconds = 0, bytes = 0;
    size_t runs = 0;
    char text[64];
    for (size_t i = 0; i < session->count; i++) {
        struct error error;
        struct preview preview;
        if (runner_preview(session->sweep[i], options, &preview, &error) != STATUS_OK)
            return command_error(&error);
        const char *question = sweep_question(session->sweep[i]);
        printf("\n%s%s%s\n", sweep_name(session->sweep[i]), *question ? ": " : "", question);
        printf("  cells       %zu", sweep_cells(session->sweep[i]));
        if (preview.cells < sweep_cells(session->sweep[i]))
            printf(", of which %zu differ in what matters", preview.cells);
        printf("\n  replicates  %zu\n", sweep_replicates(session->sweep[i]));
        printf("  runs        %zu in ", preview.runs);
        print_plural(stdout, preview.blocks, "block");
        printf(" of at most ");
        print_plural(stdout, preview.lanes_max, "run");
        if (preview.solo)
            printf(", %zu of them timed alone", preview.solo);
        printf("\n  time        about %s\n", format_seconds(preview.seconds, text, sizeof text));
        printf("  disk        about %s\n", format_bytes(preview.bytes, text, sizeof text));
        seconds += preview.seconds;
        bytes += preview.bytes;
        runs += preview.runs;
    }
    printf("\nIn all ");
    print_plural(stdout, runs, "run");
    printf(", about %s on ", format_seconds(seconds, text, sizeof text));
    print_plural(stdout, (size_t)threads, "thread");
    printf(" and %s", format_bytes(bytes, text, sizeof text));
    printf(". Nothing was written; runs that %s holds already would be skipped.\n", session->arguments->out);
    return print_power(session->sweep, session->count);
}

static void observe(void *context, const struct progress *progress)
{
    struct session *session = context;
    /* Only blocks can be stopped in order; before them nothing is lost by leaving at once. */
    atomic_store(&can_wait, progress->phase == RUNNER_RUNNING);
    if (progress->phase == RUNNER_SOLVING && !session->view.terminal && !session->view.quiet) {
        fprintf(stderr, "%s: ", progress->experiment);
        print_plural(stderr, progress->runs_total - progress->runs_before, "run");
        fputs(" to do\n", stderr);
    }
    progress_show(&session->view, progress);
}

static void print_outcome(const struct progress *progress)
{
    char text[64];
    size_t left = progress->runs_total - progress->runs_before - progress->runs_done;
    printf("%s: ", progress->experiment);
    if (progress->runs_total == progress->runs_before) {
        printf("0 to do, ");
        print_plural(stdout, progress->runs_before, "run");
        puts(" stored");
        return;
    }
    print_plural(stdout, progress->runs_done, "run");
    printf(" done in %s", format_seconds(progress->seconds, text, sizeof text));
    if (progress->runs_before)
        printf(", %zu stored before", progress->runs_before);
    if (progress->diverged)
        printf(", %zu diverged", progress->diverged);
    if (progress->failed)
        printf(", %zu failed", progress->failed);
    if (left > progress->failed)
        printf(", %zu left", left - progress->failed);
    putchar('\n');
    fflush(stdout);
}

static int run_sweeps(struct session *session, struct store *store, const struct runner_options *options, int threads)
{
    const struct run_arguments *arguments = session->arguments;
    int worst = EXIT_FINE;
    struct error error;
    for (size_t i = 0; i < session->count; i++) {
        struct sweep *sweep = session->sweep[i];
        if (arguments->fresh && store_forget(store, sweep_name(sweep), &error) != STATUS_OK)
            return command_error(&error);
        char *settings = settings_json(session, sweep, arguments->file[i], threads);
        if (!settings) {
            error_set(&error, STATUS_MEMORY, "out of memory for the settings");
            return command_error(&error);
        }
        struct progress final;
        enum status status = runner_run(sweep, store, settings, options, &final, &error);
        free(settings);
        if (!arguments->quiet)
            print_outcome(&final);
        if (status == STATUS_INTERRUPTED)
            return EXIT_INTERRUPTED;
        if (status != STATUS_OK) {
            int told = command_error(&error);
            if (final.failed > 0) /* whatever the reason: it came up in a run, not before */
                told = EXIT_RUN_FAILED;
            worst = told > worst ? told : worst;
            if (!arguments->keep_going || status == STATUS_IO)
                return worst;
        }
        if (atomic_load(&stop_asked) && i + 1 < session->count)
            return EXIT_INTERRUPTED;
        sweep_close(sweep); /* its data are not needed any more */
        session->sweep[i] = NULL;
    }
    return worst;
}

/* After the command line: open, check, run. */
static int run_session(struct session *session, const char *resume)
{
    const struct run_arguments *arguments = session->arguments;
    struct error error;
    struct runner_options runner_options = {
        .threads = (int)arguments->threads,
        .shard = arguments->shard,
        .shards = arguments->shards,
        .keep_going = arguments->keep_going,
        .stop = &stop_asked,
        .observer = observe,
        .context = session,
    };
    int threads = arguments->threads ? (int)arguments->threads : runner_default_threads();
    enum status status = open_sweeps(session, &error);
    if (status != STATUS_OK)
        return status == STATUS_MEMORY ? EXIT_RUN_FAILED : EXIT_BAD_INPUT; /* also a file that cannot be read */
    if (!arguments->quiet || arguments->dry_run)
        print_settings(session, threads);
    if (arguments->dry_run)
        return dry_run(session, &runner_options, threads);

    struct store *store;
    if (store_open(arguments->out, STORE_CREATE, &store, &error) != STATUS_OK)
        return command_out_error(&error);
    catch_signals();
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    int result = run_sweeps(session, store, &runner_options, threads);
    /* Closing commits what is pending, and must not be cut short. */
    atomic_store(&can_wait, true);
    if (store_close(store, &error) != STATUS_OK && result != EXIT_INTERRUPTED)
        result = command_error(&error);
    clock_gettime(CLOCK_MONOTONIC, &end);
    if (result == EXIT_INTERRUPTED) {
        fputs(stopped_text, stderr);
    } else if (!arguments->quiet) {
        char text[64];
        double seconds = (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
        printf("%s after %s. Next:\n", result == EXIT_FINE ? "Done" : "Ended",
               format_seconds(seconds, text, sizeof text));
        if (result != EXIT_FINE)
            printf("  %s      # the same command goes on\n", resume);
        for (int plot = 0; plot < 2; plot++) {
            fputs("  ", stdout);
            print_quoted(stdout, program_invocation_name);
            fputs(plot ? " plot " : " export ", stdout);
            print_quoted(stdout, arguments->out);
            putchar('\n');
        }
    }
    return result;
}

int command_run(int argc, char **argv)
{
    struct run_arguments arguments = {.out = DEFAULT_RESULTS, .replicates = -1, .shard = 1, .shards = 1};
    struct session session = {.arguments = &arguments};
    char *resume = resume_command(argc, argv); /* before argp reorders the words */
    arguments.file = calloc((size_t)argc, sizeof *arguments.file);
    arguments.set = calloc((size_t)argc, sizeof *arguments.set);
    session.sweep = calloc((size_t)argc, sizeof *session.sweep);
    int result = EXIT_RUN_FAILED;
    free(stopped_text); /* of an earlier call */
    stopped_text = NULL;
    if (!resume || !arguments.file || !arguments.set || !session.sweep ||
        asprintf(&stopped_text, "\nsgdlab: interrupted. What was finished is stored; to go on:\n  %s\n", resume) < 0) {
        struct error error;
        error_set(&error, STATUS_MEMORY, "out of memory");
        return command_error(&error);
    }
    argp_parse(&parser, argc, argv, 0, NULL, &arguments);
    session.count = arguments.file_count;
    progress_open(&session.view, arguments.quiet);
    result = run_session(&session, resume);
    for (size_t i = 0; i < session.count; i++)
        if (session.sweep[i])
            sweep_close(session.sweep[i]);
    free(session.sweep);
    free(arguments.set);
    free(arguments.file);
    free(resume);
    /* stopped_text stays: a late signal may still print it. */
    return result;
}
