/* sgdlab list: every method, setting and data set by name, read off the same tables that check experiments. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "data/dataset.h"
#include "registry.h"
#include "settings.h"

enum { TOPICS_MAX = 32 };

/* The topics of settings.h, and two more. Returns their number. */
static size_t topics(const char *name[TOPICS_MAX])
{
    size_t count = 0;
    while (count + 2 < TOPICS_MAX && settings_topic(count)) {
        name[count] = settings_topic(count);
        count++;
    }
    name[count++] = "datasets";
    name[count++] = "laws";
    return count;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    const char **only = state->input, *name[TOPICS_MAX];
    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    if (*only)
        argp_error(state, "one kind expected, found also '%s'", arg);
    size_t count = topics(name), given = strlen(arg);
    for (size_t i = 0; i < count; i++)
        if (given + 1 >= strlen(name[i]) && strncmp(arg, name[i], given) == 0) /* also without its s */
            *only = name[i];
    if (*only)
        return 0;
    char valid[TOPICS_MAX * 32];
    size_t used = 0;
    for (size_t i = 0; i < count && used < sizeof valid; i++)
        used += (size_t)snprintf(valid + used, sizeof valid - used, "%s%s", i ? ", " : "", name[i]);
    const char *nearest = nearest_name(arg, name, count);
    argp_error(state, "unknown kind '%s'%s%s%s; there are %s", arg, nearest ? "; nearest: '" : "",
               nearest ? nearest : "", nearest ? "'" : "", valid);
    return 0;
}

static const struct argp parser = {NULL,
                                   parse_option,
                                   "[KIND]",
                                   "Show what an experiment can use, with parameters, defaults and bounds. KIND is "
                                   "problems, samplers, schedules, updates, averagers, synthetic (data), settings, "
                                   "metrics, datasets or laws; without it all are shown.\v"
                                   "Example:\n"
                                   "  sgdlab list schedules",
                                   NULL,
                                   NULL,
                                   NULL};

static int print_datasets(void)
{
    int result = EXIT_FINE;
    puts("datasets:");
    for (const char *const *name = dataset_shipped_names(); *name; name++) {
        struct data_spec spec = {
            .name = *name, .task = TASK_REGRESSION, .intercept = NO, .standardize = NO, .data_seed = 1};
        struct dataset *dataset;
        struct error error;
        if (dataset_open(&spec, NULL, &dataset, &error) != STATUS_OK) {
            result = command_error(&error);
            continue;
        }
        const struct matrix *x = &dataset->train;
        printf("  %-16s n = %zu, d = %zu, %s\n", *name, x->rows, x->cols, x->sparse ? "sparse" : "dense");
        dataset_close(dataset);
    }
    fputs("  To be fetched (experiments/data/fetch.sh NAME):", stdout);
    for (const char *const *name = dataset_fetchable_names(); *name; name++)
        printf(" %s", *name);
    puts("\n  Or any LIBSVM or CSV file, plain or gzip, by its path. More of one: sgdlab data NAME");
    return result;
}

static int print_topic(const char *topic)
{
    char *text;
    struct error error;
    if (strcmp(topic, "datasets") == 0)
        return print_datasets();
    if (strcmp(topic, "laws") == 0) {
        puts("laws:\n  none yet");
        return EXIT_FINE;
    }
    if (settings_list(topic, &text, &error) != STATUS_OK)
        return command_error(&error);
    fputs(text, stdout);
    free(text);
    return EXIT_FINE;
}

int command_list(int argc, char **argv)
{
    const char *only = NULL, *name[TOPICS_MAX];
    argp_parse(&parser, argc, argv, 0, NULL, &only);
    size_t count = topics(name);
    int result = EXIT_FINE;
    for (size_t i = 0; i < count && result == EXIT_FINE; i++) {
        if (only && strcmp(only, name[i]) != 0)
            continue;
        if (!only && i)
            putchar('\n');
        result = print_topic(name[i]);
    }
    return result;
}
