/* sgdlab digest: one hash over all results but the times. */
#include <argp.h>
#include <stdio.h>

#include "command.h"
#include "store.h"

static const struct argp parser = {
    NULL,
    command_parse_dir,
    "[DIR]",
    "Print the SHA-256 of all results in DIR (default: " DEFAULT_RESULTS ") except times.\v"
    "Two directories with the same digest hold the same numbers, bit for bit, however the "
    "work was split or interrupted.\n\n"
    "Example:\n"
    "  sgdlab digest results",
    NULL,
    NULL,
    NULL};

int command_digest(int argc, char **argv)
{
    const char *dir = DEFAULT_RESULTS;
    argp_parse(&parser, argc, argv, 0, NULL, &dir);
    struct error error, close_error;
    struct store *store;
    char hex[65];
    if (store_open(dir, STORE_READ, &store, &error) != STATUS_OK)
        return command_error(&error);
    enum status status = store_digest(store, hex, &error);
    enum status closed = store_close(store, &close_error);
    if (status != STATUS_OK)
        return command_error(&error);
    if (closed != STATUS_OK)
        return command_error(&close_error);
    puts(hex);
    return EXIT_FINE;
}
