/* sgdlab: finds the subcommand and hands over. To add one: a file with command_NAME, and a line in the table below. */
#include <argp.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build_info.h"
#include "command.h"
#include "engine.h"
#include "registry.h"

struct command {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
};

/* A row without a function is a heading. */
static const struct command commands[] = {
    {"Experiments", NULL, NULL},
    {"run", "run or resume experiments", command_run},
    {"status", "what is done, left, diverged, failed; time left", command_status},
    {"merge", "join the shards of a split run", command_merge},
    {"Results", NULL, NULL},
    {"export", "write text tables", command_export},
    {"plot", "draw the figures", command_plot},
    {"verify", "theory against measurement: the verdict on every law", command_verify},
    {"calibrate", "how often the verdicts are right, over many master seeds", command_calibrate},
    {"digest", "hash of all results except times", command_digest},
    {"What there is", NULL, NULL},
    {"list", "problems, samplers, schedules, updates, averagers, data sets, with parameters", command_list},
    {"data", "size, labels, constants and checksum of a data set", command_data},
    {"bench", "kernels and whole sweeps beside this machine's peak and a plain C loop", command_bench},
};
enum { COMMAND_ROWS = sizeof commands / sizeof *commands };

static void print_help(FILE *out)
{
    fputs("Usage: sgdlab COMMAND [ARGUMENT...]\n"
          "Benchmarks and convergence research for stochastic gradient descent on finite sums.\n",
          out);
    for (size_t i = 0; i < COMMAND_ROWS; i++) {
        if (commands[i].run)
            fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].summary);
        else
            fprintf(out, "\n%s:\n", commands[i].name);
    }
    fputs("\n  sgdlab COMMAND --help   options and an example     sgdlab --version\n\n"
          "Example:\n"
          "  sgdlab run experiments/sampling.yaml --profile quick && sgdlab export && sgdlab plot\n\n"
          "Exit status: 0 fine; 1 a run failed; 2 bad usage, configuration or input;\n"
          "3 a law's verdict differs from what its experiment expects; 130 interrupted.\n",
          out);
}

static void print_version(void)
{
    printf("sgdlab %s", SGDLAB_VERSION);
    if (*SGDLAB_GIT_COMMIT)
        printf(" (%s%s)", SGDLAB_GIT_COMMIT, SGDLAB_GIT_DIRTY ? ", changed" : "");
    printf("\n%s %s\nGSL %s, kernels %s (%s)\nLicense GPL-3.0-or-later\n", SGDLAB_COMPILER, SGDLAB_FLAGS, gsl_version,
           kernel_isa(), kernel_family());
}

static int unknown_command(const char *name)
{
    const char *names[COMMAND_ROWS];
    size_t count = 0;
    for (size_t i = 0; i < COMMAND_ROWS; i++)
        if (commands[i].run)
            names[count++] = commands[i].name;
    const char *nearest = nearest_name(name, names, count);
    fprintf(stderr, "sgdlab: unknown command '%s'", name);
    if (nearest)
        fprintf(stderr, "; did you mean '%s'?", nearest);
    fputs("\nCommands:", stderr);
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, " %s", names[i]);
    fputs(" (sgdlab --help)\n", stderr);
    return EXIT_BAD_INPUT;
}

static int dispatch(int argc, char **argv)
{
    static char help[] = "--help";
    if (argc < 2) {
        print_help(stderr);
        return EXIT_BAD_INPUT;
    }
    if (argc == 3 && !strcmp(argv[1], "help")) { /* help COMMAND: COMMAND --help */
        argv[1] = argv[2];
        argv[2] = help;
    }
    const char *name = argv[1];
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "-?") || !strcmp(name, "help")) {
        print_help(stdout);
        return EXIT_FINE;
    }
    if (!strcmp(name, "--version") || !strcmp(name, "-V")) {
        print_version();
        return EXIT_FINE;
    }
    for (size_t i = 0; i < COMMAND_ROWS; i++) {
        if (!commands[i].run || strcmp(name, commands[i].name))
            continue;
        char title[64];
        snprintf(title, sizeof title, "sgdlab %s", name);
        argv[1] = title;
        return commands[i].run(argc - 1, argv + 1);
    }
    return unknown_command(name);
}

int main(int argc, char **argv)
{
    gsl_set_error_handler_off();
    argp_err_exit_status = EXIT_BAD_INPUT;
    int status = dispatch(argc, argv);
    /* Text that could not be written (a full disk) must not look like success. */
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == EXIT_FINE) {
        perror("sgdlab: standard output");
        status = EXIT_RUN_FAILED;
    }
    return status;
}
