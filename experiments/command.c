/* What the subcommands share: errors to exit statuses, numbers from and to text. */
#include "command.h"

#include <argp.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int command_error(const struct error *error)
{
    char text[ERROR_FILE_MAX + ERROR_MESSAGE_MAX + 64];
    fprintf(stderr, "sgdlab: %s\n", error_text(error, text, sizeof text));
    switch (error->status) {
    case STATUS_OK:
        return EXIT_FINE;
    case STATUS_USAGE:
    case STATUS_INPUT:
    case STATUS_NOT_FOUND:
    case STATUS_UNSUPPORTED:
        return EXIT_BAD_INPUT;
    case STATUS_INTERRUPTED:
        return EXIT_INTERRUPTED;
    case STATUS_IO:
    case STATUS_MEMORY:
    case STATUS_NUMERICAL:
        break;
    }
    return EXIT_RUN_FAILED;
}

int command_out_error(const struct error *error)
{
    const int status = command_error(error);
    return error->status == STATUS_IO ? EXIT_BAD_INPUT : status;
}

int command_parse_dir(int key, char *arg, struct argp_state *state)
{
    const char **dir = state->input;
    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    if (state->arg_num > 0)
        argp_error(state, "one directory expected, found also '%s'", arg);
    *dir = arg;
    return 0;
}

bool parse_whole(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    if (*text < '0' || *text > '9') /* strtoull takes blanks and signs */
        return false;
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || *end || value < min || value > max)
        return false;
    *out = value;
    return true;
}

const char *counted(size_t count, const char *noun, char *text, size_t size)
{
    snprintf(text, size, "%zu %s%s", count, noun, count == 1 ? "" : "s");
    return text;
}

const char *format_seconds(double seconds, char *text, size_t size)
{
    double whole = round(seconds);
    if (!(seconds < 3e9))
        snprintf(text, size, "more than a century");
    else if (seconds < 0.001)
        snprintf(text, size, "%.1f ms", 1e3 * fmax(seconds, 0));
    else if (seconds < 1)
        snprintf(text, size, "%.2f s", seconds);
    else if (seconds < 9.95)
        snprintf(text, size, "%.1f s", seconds);
    else if (whole < 60)
        snprintf(text, size, "%.0f s", whole);
    else if (whole < 3600)
        snprintf(text, size, "%.0f min %02.0f s", floor(whole / 60), fmod(whole, 60));
    else if (whole < 86400)
        snprintf(text, size, "%.0f h %02.0f min", floor(whole / 3600), floor(fmod(whole, 3600) / 60));
    else
        snprintf(text, size, "%.0f d %02.0f h", floor(whole / 86400), floor(fmod(whole, 86400) / 3600));
    return text;
}

const char *format_bytes(double bytes, char *text, size_t size)
{
    static const char unit[][3] = {"B", "kB", "MB", "GB", "TB", "PB"};
    size_t power = 0;
    while (bytes >= 999.5 && power + 1 < sizeof unit / sizeof *unit) {
        bytes /= 1000;
        power++;
    }
    snprintf(text, size, power && bytes < 9.95 ? "%.1f %s" : "%.0f %s", bytes, unit[power]);
    return text;
}
