/* sgdlab calibrate: the suite of laws under many master seeds, and how often its verdicts are right. */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "data/source.h"
#include "laws/calibration.h"

struct calibrate_arguments {
    char **file;
    size_t file_count;
    const char *out, *profile, *threads;
    uint64_t seeds, first_seed;
};

enum { KEY_OUT = 256, KEY_PROFILE, KEY_SEEDS, KEY_FIRST, KEY_THREADS };

static const struct argp_option options[] = {
    {"out", KEY_OUT, "DIR", 0, "Where checks are kept (default: calibration)", 1},
    {"seeds", KEY_SEEDS, "N", 0, "Master seeds (default: 20)", 1},
    {"first-seed", KEY_FIRST, "S", 0, "The first of them (default: 1000)", 1},
    {"profile", KEY_PROFILE, "NAME", 0, "Profile of the experiments (default: calibration)", 1},
    {"threads", KEY_THREADS, "N", 0, "Threads (default: all cores)", 1},
    {0},
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct calibrate_arguments *arguments = state->input;
    switch (key) {
    case KEY_OUT:
        arguments->out = arg;
        return 0;
    case KEY_PROFILE:
        arguments->profile = arg;
        return 0;
    case KEY_THREADS:
        arguments->threads = arg;
        return 0;
    case KEY_SEEDS:
        if (!parse_whole(arg, 1, 1000000, &arguments->seeds))
            argp_error(state, "--seeds is a whole number from 1 to 1000000, not '%s'", arg);
        return 0;
    case KEY_FIRST:
        if (!parse_whole(arg, 0, UINT64_C(1) << 52, &arguments->first_seed))
            argp_error(state, "--first-seed is a whole number from 0 to 2^52, not '%s'", arg);
        return 0;
    case ARGP_KEY_ARG:
        arguments->file[arguments->file_count++] = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "name the experiments whose laws are to be calibrated");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    options,
    parse_option,
    "FILE...",
    "Run the laws of the experiments FILE... under many master seeds and report how often their verdicts are right: "
    "suites with an unexpected verdict, coverage of intervals, uniformity of p-values, verdicts at the margin and "
    "under "
    "planted errors.\v"
    "Every suite's checks are kept in DIR/checks.txt; the same command goes on where it was stopped, and more --seeds "
    "add to it.\n\n"
    "Example:\n"
    "  sgdlab calibrate experiments/law_*.yaml --seeds 500",
    NULL,
    NULL,
    NULL};

/* What calibration works with. */
struct session {
    const struct calibrate_arguments *arguments;
    struct calibration calibration;
    char *checks, *fresh, *work; /* DIR/checks.txt, the same being written, DIR/work */
    FILE *file;
    int folder; /* held with a lock: two would take each other's store away */
};

/* What is repeated: the experiments' files, byte for byte, and the profile. */
static enum status hash_experiments(const struct calibrate_arguments *arguments, char hash[CALIBRATION_HASH],
                                    struct error *error)
{
    const size_t count = arguments->file_count, profile = strlen(arguments->profile);
    unsigned char *all = malloc(count * SHA256_BYTES + profile);
    uint8_t digest[SHA256_BYTES];
    enum status status = all ? STATUS_OK : error_memory(error, count * SHA256_BYTES, "a calibration");
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        struct source source = {0};
        status = source_read(arguments->file[i], &source, error);
        memcpy(all + i * SHA256_BYTES, source.raw_sha256, SHA256_BYTES);
        source_free(&source);
    }
    if (status == STATUS_OK) {
        memcpy(all + count * SHA256_BYTES, arguments->profile, profile);
        sha256_of(all, count * SHA256_BYTES + profile, digest);
        sha256_hex(digest, hash);
    }
    free(all);
    return status;
}

/* Reads the suites of earlier calls and opens their file for more. A file whose last suite was cut off is written
 * anew. */
static enum status open_checks(struct session *session, struct error *error)
{
    session->folder = open(session->arguments->out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (session->folder < 0)
        return error_set(error, STATUS_IO, "cannot open %s: %s", session->arguments->out, strerror(errno));
    if (flock(session->folder, LOCK_EX | LOCK_NB) != 0)
        return error_set(error, STATUS_USAGE, "another sgdlab calibrate works in %s", session->arguments->out);
    FILE *old = fopen(session->checks, "r");
    if (!old && errno != ENOENT)
        return error_set(error, STATUS_IO, "cannot read %s: %s", session->checks, strerror(errno));
    enum status status = hash_experiments(session->arguments, session->calibration.repeats, error);
    if (old && status == STATUS_OK)
        status = calibration_read(&session->calibration, old, session->checks, error);
    if (old)
        fclose(old);
    if (status != STATUS_OK)
        return status;
    session->file = fopen(session->fresh, "w");
    if (!session->file)
        return error_set(error, STATUS_IO, "cannot write %s: %s", session->fresh, strerror(errno));
    status = calibration_write_head(&session->calibration, session->file, error);
    for (size_t i = 0; status == STATUS_OK && i < session->calibration.suites; i++)
        status = calibration_write(&session->calibration, i, session->file, error);
    if (status == STATUS_OK && rename(session->fresh, session->checks) != 0)
        status = error_set(error, STATUS_IO, "cannot write %s: %s", session->checks, strerror(errno));
    return status;
}

/* sgdlab run FILE... --profile P --seed S --out DIR/work --fresh --quiet: what anyone would type. */
static int run_suite(const struct session *session, uint64_t seed)
{
    const struct calibrate_arguments *arguments = session->arguments;
    char number[32], name[] = "sgdlab run";
    char profile[] = "--profile", seed_option[] = "--seed", out[] = "--out", fresh[] = "--fresh", quiet[] = "--quiet",
         threads[] = "--threads";
    char **argv = calloc(arguments->file_count + 16, sizeof *argv);
    if (!argv) {
        struct error error;
        error_set(&error, STATUS_MEMORY, "out of memory");
        return command_error(&error);
    }
    int argc = 0;
    snprintf(number, sizeof number, "%" PRIu64, seed);
    argv[argc++] = name;
    for (size_t i = 0; i < arguments->file_count; i++)
        argv[argc++] = arguments->file[i];
    argv[argc++] = profile;
    argv[argc++] = (char *)arguments->profile;
    argv[argc++] = seed_option;
    argv[argc++] = number;
    argv[argc++] = out;
    argv[argc++] = session->work;
    argv[argc++] = fresh;
    argv[argc++] = quiet;
    if (arguments->threads) {
        argv[argc++] = threads;
        argv[argc++] = (char *)arguments->threads;
    }
    int result = command_run(argc, argv);
    free(argv);
    return result;
}

static enum status keep_suite(struct session *session, uint64_t seed, struct error *error)
{
    struct store *store;
    struct suite *suite = NULL;
    struct error ignored;
    enum status status = store_open(session->work, STORE_READ, &store, error);
    if (status != STATUS_OK)
        return status;
    status = suite_evaluate(store, NULL, &suite, error);
    if (status == STATUS_OK)
        status = calibration_add(&session->calibration, seed, suite, error);
    if (status == STATUS_OK)
        status = calibration_write(&session->calibration, session->calibration.suites - 1, session->file, error);
    suite_close(suite);
    store_close(store, &ignored);
    return status;
}

static void forget_work(const struct session *session)
{
    char path[4096];
    static const char *const files[] = {"sgdlab.db", "sgdlab.db-journal"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (snprintf(path, sizeof path, "%s/%s", session->work, files[i]) < (int)sizeof path)
            unlink(path);
}

static int run_seeds(struct session *session)
{
    const struct calibrate_arguments *arguments = session->arguments;
    struct timespec begin, now;
    char left[64];
    size_t done = 0;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (uint64_t i = 0; i < arguments->seeds; i++) {
        const uint64_t seed = arguments->first_seed + i;
        struct error error;
        if (calibration_has(&session->calibration, seed))
            continue;
        forget_work(session);
        const int result = run_suite(session, seed);
        if (result != EXIT_FINE)
            return result;
        if (keep_suite(session, seed, &error) != STATUS_OK)
            return command_error(&error);
        clock_gettime(CLOCK_MONOTONIC, &now);
        const double seconds = (double)(now.tv_sec - begin.tv_sec) + 1e-9 * (double)(now.tv_nsec - begin.tv_nsec);
        done++;
        fprintf(stderr, "seed %" PRIu64 ": %zu of %" PRIu64 " suites, %zu with an unexpected verdict, %s left\n", seed,
                session->calibration.suites, arguments->seeds, session->calibration.unexpected,
                format_seconds(seconds / (double)done * (double)(arguments->seeds - i - 1), left, sizeof left));
    }
    forget_work(session);
    return EXIT_FINE;
}

/* ---- the report ---- */

static void print_share(const char *what, const struct calibration_share *share, const char *goal)
{
    if (share->n == 0)
        return;
    char counts[48];
    snprintf(counts, sizeof counts, "%" PRIu64 " of %" PRIu64, share->k, share->n);
    printf("  %-52s %18s  %7.3f %%  (%.3f .. %.3f)  %s\n", what, counts, 100.0 * (double)share->k / (double)share->n,
           100 * share->low, 100 * share->high, goal);
}

static int print_report(const struct calibration *calibration)
{
    struct calibration_report report;
    struct error error;
    char goal[64];
    if (calibration_report(calibration, NULL, &report, &error) != STATUS_OK)
        return command_error(&error);
    printf("%zu suites of %zu checks, each under its own master seed\n", calibration->suites, calibration->checks);
    printf("  %-52s %18s  %9s  %s\n", "", "", "share", "(95 % Wilson interval)  goal");
    print_share("suites with a verdict other than expected", &report.unexpected, "<= 1 %");
    print_share("exact checks whose 95 % interval holds the truth", &report.cover95, "94 .. 96 %");
    print_share("exact checks whose 99 % interval holds the truth", &report.cover99, "98 .. 100 %");
    print_share("exact checks that are refuted", &report.falsely_refuted, "<= 0.01 a suite");
    print_share("exact checks that are confirmed", &report.confirmed, "");
    snprintf(goal, sizeof goal, "<= %.4f %%", 100 * 0.01 / (double)calibration->checks / 2);
    print_share("confirmed with the truth at the margin", &report.at_margin, goal);
    print_share("refuted with the truth at 5 margins", &report.planted, "power");
    if (isfinite(report.uniformity_d))
        printf("  p-values of the exact checks against uniform (Kolmogorov-Smirnov): D = %.4f, p = %.3f\n",
               report.uniformity_d, report.uniformity_p);
    printf("\n  %-24s %10s %10s %10s %12s\n", "law", "95 %", "99 %", "confirmed", "unexpected");
    for (size_t i = 0; i < registry_count(METHOD_LAW); i++) {
        const char *name = registry_at(METHOD_LAW, i)->name;
        if (calibration_report(calibration, name, &report, NULL) != STATUS_OK)
            continue; /* no exact check of it in these suites */
        printf("  %-24s %8.2f %% %8.2f %% %8.2f %% %10.2f %%\n", name,
               100.0 * (double)report.cover95.k / (double)report.cover95.n,
               100.0 * (double)report.cover99.k / (double)report.cover99.n,
               100.0 * (double)report.confirmed.k / (double)report.confirmed.n,
               100.0 * (double)report.unexpected.k / (double)report.unexpected.n);
    }
    return EXIT_FINE;
}

int command_calibrate(int argc, char **argv)
{
    struct calibrate_arguments arguments = {
        .out = "calibration", .profile = "calibration", .seeds = 20, .first_seed = 1000};
    struct session session = {.arguments = &arguments, .folder = -1};
    struct error error;
    int result = EXIT_FINE;
    arguments.file = calloc((size_t)argc, sizeof *arguments.file);
    if (!arguments.file) {
        error_set(&error, STATUS_MEMORY, "out of memory");
        return command_error(&error);
    }
    argp_parse(&parser, argc, argv, 0, NULL, &arguments);
    if ((mkdir(arguments.out, 0777) != 0 && errno != EEXIST)) {
        error_set(&error, STATUS_IO, "cannot make %s: %s", arguments.out, strerror(errno));
        result = command_out_error(&error);
    } else if (asprintf(&session.checks, "%s/checks.txt", arguments.out) < 0 ||
               asprintf(&session.fresh, "%s/checks.txt.new", arguments.out) < 0 ||
               asprintf(&session.work, "%s/work", arguments.out) < 0) {
        error_set(&error, STATUS_MEMORY, "out of memory");
        result = command_error(&error);
    } else if (open_checks(&session, &error) != STATUS_OK) {
        result = command_error(&error);
    } else {
        result = run_seeds(&session);
        if (session.calibration.suites > 0) {
            const int told = print_report(&session.calibration);
            result = result == EXIT_FINE ? told : result;
        }
    }
    if (session.file)
        fclose(session.file);
    if (session.folder >= 0)
        close(session.folder);
    calibration_free(&session.calibration);
    free(session.checks);
    free(session.fresh);
    free(session.work);
    free(arguments.file);
    return result;
}
