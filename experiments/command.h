/* What the subcommands of sgdlab share. A subcommand is one file with one function, command_NAME, and one line in the
 * table of main.c; argv[0] is "sgdlab NAME", so that argp's messages name it. */
#ifndef SGDLAB_COMMAND_H
#define SGDLAB_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

/* Exit statuses; scripts rely on them. */
enum {
    EXIT_FINE = 0,
    EXIT_RUN_FAILED = 1, /* a run failed, or reading or writing did */
    EXIT_BAD_INPUT = 2,  /* usage, configuration or data */
    EXIT_VERDICT = 3,    /* a law's verdict is other than its experiment expects */
    EXIT_INTERRUPTED = 130,
};

#define DEFAULT_RESULTS "results"

int command_run(int argc, char **argv);
int command_status(int argc, char **argv);
int command_export(int argc, char **argv);
int command_plot(int argc, char **argv);
int command_merge(int argc, char **argv);
int command_verify(int argc, char **argv);
int command_calibrate(int argc, char **argv);
int command_digest(int argc, char **argv);
int command_list(int argc, char **argv);
int command_data(int argc, char **argv);
int command_bench(int argc, char **argv);

/* Prints "sgdlab: FILE:LINE:COLUMN: message" to stderr and returns the exit status that belongs to error->status. */
int command_error(const struct error *error);
/* The same for a place of results that cannot be opened for writing, found before anything ran: bad usage. */
int command_out_error(const struct error *error);

/* The argp parser of commands whose only argument is [DIR]; input is a const char ** that holds the default, or a
 * struct whose first member that is. More than one argument is a usage error. */
struct argp_state;
int command_parse_dir(int key, char *arg, struct argp_state *state);

/* A whole number in min..max from all of text; false when it is anything else. */
bool parse_whole(const char *text, uint64_t min, uint64_t max, uint64_t *out);

/* "1 run", "2 runs": a number with its noun, into text[size]; returns text. */
const char *counted(size_t count, const char *noun, char *text, size_t size);
/* "0.40 s", "12 s", "3 min 20 s", "2 h 05 min", "4 d 03 h". */
const char *format_seconds(double seconds, char *text, size_t size);
/* "812 B", "4.2 kB", "1.3 GB". */
const char *format_bytes(double bytes, char *text, size_t size);

#endif
