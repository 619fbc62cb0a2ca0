/* sgdlab export: the text tables of a results directory. */
#include <argp.h>
#include <stdio.h>

#include "command.h"
#include "laws/suite.h"
#include "store.h"

struct export_arguments {
    const char *dir; /* first: command_parse_dir fills it */
    const char *experiment;
};

static const struct argp_option export_options[] = {
    {"experiment", 'e', "NAME", 0, "Only this experiment (default: all)", 0},
    {0},
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct export_arguments *arguments = state->input;
    if (key == 'e') {
        arguments->experiment = arg;
        return 0;
    }
    return command_parse_dir(key, arg, state);
}

static const struct argp parser = {export_options,
                                   parse_option,
                                   "[DIR]",
                                   "Write runs.csv, points.csv, summary.csv and estimator.csv of each experiment to "
                                   "DIR/EXPERIMENT/, and DIR/manifest.json (DIR: " DEFAULT_RESULTS ").\v"
                                   "Example:\n"
                                   "  sgdlab export results --experiment sampling",
                                   NULL,
                                   NULL,
                                   NULL};

int command_export(int argc, char **argv)
{
    struct export_arguments arguments = {.dir = DEFAULT_RESULTS};
    argp_parse(&parser, argc, argv, 0, NULL, &arguments);
    struct error error;
    struct store *store;
    if (store_open(arguments.dir, STORE_READ, &store, &error) != STATUS_OK)
        return command_error(&error);
    struct suite *suite = NULL;
    enum status status = store_export(store, arguments.dir, arguments.experiment, &error);
    if (status == STATUS_OK)
        status = suite_evaluate(store, NULL, &suite, &error);
    if (status == STATUS_OK)
        status = suite_export(suite, arguments.dir, arguments.experiment, &error);
    for (size_t i = 0; suite && i < suite->experiment_count; i++)
        if (suite->experiment[i].failure)
            fprintf(stderr, "sgdlab: no verdicts on %s: %s\n", suite->experiment[i].name, suite->experiment[i].failure);
    suite_close(suite);
    struct error close_error;
    enum status closed = store_close(store, &close_error);
    if (status != STATUS_OK)
        return command_error(&error);
    if (closed != STATUS_OK)
        return command_error(&close_error);
    printf("Tables are in %s/%s/\n", arguments.dir, arguments.experiment ? arguments.experiment : "<experiment>");
    return EXIT_FINE;
}
