/* sgdlab status: how far the experiments of a results directory are; also while they run. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "runner.h"

static const struct argp parser = {NULL,
                                   command_parse_dir,
                                   "[DIR]",
                                   "Show, for each experiment of DIR (default: " DEFAULT_RESULTS
                                   "), the runs that are planned, done, diverged, failed and left.\v"
                                   "Diverged runs are done: divergence is a result. Failed ones are tried again by the "
                                   "next `sgdlab run`.\n\n"
                                   "Example:\n"
                                   "  sgdlab status results",
                                   NULL,
                                   NULL,
                                   NULL};

static void print_row(const struct store_status *row, int width)
{
    char text[64] = "-";
    size_t done = row->finished + row->diverged, left = row->planned > done ? row->planned - done : 0;
    double each = done ? (row->train_seconds + row->measure_seconds) / (double)done : 0;
    if (left == 0)
        snprintf(text, sizeof text, "done");
    else if (done)
        format_seconds(each * (double)left / runner_default_threads(), text, sizeof text);
    printf("%-*s %9zu %9zu %9zu %9zu %9zu  %s\n", width, row->name, row->planned, done, row->diverged, row->failed,
           left, text);
}

int command_status(int argc, char **argv)
{
    const char *dir = DEFAULT_RESULTS;
    argp_parse(&parser, argc, argv, 0, NULL, &dir);
    struct error error;
    struct store *store;
    struct store_status *row = NULL, total = {.name = "all"};
    size_t count;
    if (store_open(dir, STORE_READ, &store, &error) != STATUS_OK)
        return command_error(&error);
    enum status status = store_status(store, &row, &count, &error);
    struct error close_error;
    enum status closed = store_close(store, &close_error);
    if (status != STATUS_OK)
        return command_error(&error);
    int width = (int)strlen("experiment");
    for (size_t i = 0; i < count; i++)
        if ((int)strlen(row[i].name) > width)
            width = (int)strlen(row[i].name);
    printf("%-*s %9s %9s %9s %9s %9s  %s\n", width, "experiment", "planned", "done", "diverged", "failed", "left",
           "time left");
    for (size_t i = 0; i < count; i++) {
        print_row(&row[i], width);
        total.planned += row[i].planned;
        total.finished += row[i].finished;
        total.diverged += row[i].diverged;
        total.failed += row[i].failed;
        total.train_seconds += row[i].train_seconds;
        total.measure_seconds += row[i].measure_seconds;
    }
    if (count > 1)
        print_row(&total, width);
    free(row);
    return closed == STATUS_OK ? EXIT_FINE : command_error(&close_error);
}
