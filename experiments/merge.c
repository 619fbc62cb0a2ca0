/* sgdlab merge: joins the results of shards. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "command.h"
#include "store.h"

struct merge_arguments {
    const char **dir; /* the target, then the sources */
    size_t count;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct merge_arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        arguments->dir[arguments->count++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (arguments->count < 2)
            argp_error(state, "a target and at least one source expected");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    NULL,
    parse_option,
    "DIR FROM...",
    "Add the runs and experiments of the results directories FROM... to DIR, which is made "
    "when missing.\v"
    "The order does not matter, and merging twice changes nothing. Two different results "
    "for the same run are an error.\n\n"
    "Example:\n"
    "  sgdlab run experiments/sampling.yaml --shard 1/2 --out part1\n"
    "  sgdlab run experiments/sampling.yaml --shard 2/2 --out part2\n"
    "  sgdlab merge results part1 part2",
    NULL,
    NULL,
    NULL};

/* All sources must be readable stores, and other than the target, before the first is touched. */
static enum status check_sources(const struct merge_arguments *arguments, struct error *error)
{
    struct stat target, source;
    bool target_there = stat(arguments->dir[0], &target) == 0;
    for (size_t i = 1; i < arguments->count; i++) {
        const char *from = arguments->dir[i];
        struct store *store;
        enum status status = store_open(from, STORE_READ, &store, error);
        if (status == STATUS_OK)
            status = store_close(store, error);
        if (status != STATUS_OK)
            return status;
        if (target_there && stat(from, &source) == 0 && source.st_dev == target.st_dev &&
            source.st_ino == target.st_ino)
            return error_set(error, STATUS_USAGE, "%s: cannot be merged into itself", from);
    }
    return STATUS_OK;
}

static enum status merge_all(const struct merge_arguments *arguments, struct error *error)
{
    enum status status = check_sources(arguments, error);
    if (status != STATUS_OK)
        return status;
    struct store *store;
    status = store_open(arguments->dir[0], STORE_CREATE, &store, error);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 1; i < arguments->count && status == STATUS_OK; i++)
        status = store_merge(store, arguments->dir[i], error);
    struct error close_error;
    enum status closed = store_close(store, &close_error);
    if (status == STATUS_OK && closed != STATUS_OK) {
        *error = close_error;
        status = closed;
    }
    return status;
}

int command_merge(int argc, char **argv)
{
    struct merge_arguments arguments = {.dir = calloc((size_t)argc, sizeof *arguments.dir)};
    struct error error;
    if (!arguments.dir) {
        error_memory(&error, (size_t)argc * sizeof *arguments.dir, "the command line");
        return command_error(&error);
    }
    argp_parse(&parser, argc, argv, 0, NULL, &arguments);
    int result = EXIT_FINE;
    if (merge_all(&arguments, &error) != STATUS_OK) {
        result = command_error(&error);
    } else {
        char text[64];
        printf("Merged %s into %s\n", counted(arguments.count - 1, "store", text, sizeof text), arguments.dir[0]);
    }
    free(arguments.dir);
    return result;
}
