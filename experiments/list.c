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

/* The topics of settings.h, and one more. Returns their number. */
static size_t topics(const char *name[TOPICS_MAX])
{
    size_t count = 0;
    while (count + 1 < TOPICS_MAX && settings_topic(count)) {
        name[count] = settings_topic(count);
        count++;
    }
    name[count++] = "datasets";
    return count;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    const char **wanted = state->input;
    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    if (*wanted)
        argp_error(state, "one kind or name expected, found also '%s'", arg);
    *wanted = arg;
    return 0;
}

static const struct argp parser = {NULL,
                                   parse_option,
                                   "[KIND|NAME]",
                                   "Show what an experiment can use, with parameters, defaults and bounds. KIND is "
                                   "problems, samplers, schedules, updates, averagers, synthetic (data), settings, "
                                   "metrics, datasets or laws, NAME one entry of any of them; without it all are "
                                   "shown.\v"
                                   "Examples:\n"
                                   "  sgdlab list schedules\n"
                                   "  sgdlab list cosine",
                                   NULL,
                                   NULL,
                                   NULL};

static int print_dataset(const char *name)
{
    struct data_spec spec = {.name = name, .task = TASK_REGRESSION, .intercept = NO, .standardize = NO, .data_seed = 1};
    struct dataset *dataset;
    struct error error;
    if (dataset_open(&spec, NULL, &dataset, &error) != STATUS_OK)
        return command_error(&error);
    const struct matrix *x = &dataset->train;
    printf("  %-16s n = %zu, d = %zu, %s\n", name, x->rows, x->cols, x->sparse ? "sparse" : "dense");
    dataset_close(dataset);
    return EXIT_FINE;
}

static int print_datasets(void)
{
    int result = EXIT_FINE;
    puts("datasets:");
    for (const char *const *name = dataset_shipped_names(); *name; name++) {
        int printed = print_dataset(*name);
        result = printed != EXIT_FINE ? printed : result;
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
    if (settings_list(topic, &text, &error) != STATUS_OK)
        return command_error(&error);
    fputs(text, stdout);
    free(text);
    return EXIT_FINE;
}

/* The topic that a word means, also without its s; NULL: none. */
static const char *topic_of(const char *word)
{
    const char *name[TOPICS_MAX], *found = NULL;
    size_t count = topics(name), length = strlen(word);
    for (size_t i = 0; i < count; i++)
        if (length + 1 >= strlen(name[i]) && strncmp(word, name[i], length) == 0)
            found = name[i];
    return found;
}

static int unknown_name(const char *word)
{
    enum { NAMES_MAX = 256 };
    const char *name[NAMES_MAX];
    size_t kinds = topics(name), count = kinds;
    for (size_t kind = 0; kind < METHOD_KIND_COUNT; kind++)
        for (size_t i = 0; i < registry_count((enum method_kind)kind) && count < NAMES_MAX; i++)
            name[count++] = registry_at((enum method_kind)kind, i)->name;
    for (size_t i = 0; i < SECTION_COUNT && count < NAMES_MAX; i++)
        name[count++] = section_at((enum section_id)i)->name;
    for (const char *const *data = dataset_shipped_names(); *data && count < NAMES_MAX; data++)
        name[count++] = *data;
    const char *nearest = nearest_name(word, name, count);
    fprintf(stderr, "sgdlab list: nothing is called '%s'%s%s%s; the kinds are ", word, nearest ? "; nearest: '" : "",
            nearest ? nearest : "", nearest ? "'" : "");
    for (size_t i = 0; i < kinds; i++)
        fprintf(stderr, "%s%s", i ? ", " : "", name[i]);
    fputs(", and `sgdlab list` shows every name\n", stderr);
    return EXIT_BAD_INPUT;
}

/* One method, setting, metric or shipped data set, of whatever kind. */
static int print_named(const char *word)
{
    char *text;
    struct error error;
    if (settings_look_up(word, &text, &error) != STATUS_OK)
        return command_error(&error);
    fputs(text, stdout);
    bool found = *text != '\0';
    free(text);
    for (const char *const *name = dataset_shipped_names(); *name; name++)
        if (strcmp(*name, word) == 0) {
            puts("datasets:");
            return print_dataset(word);
        }
    return found ? EXIT_FINE : unknown_name(word);
}

int command_list(int argc, char **argv)
{
    const char *word = NULL, *name[TOPICS_MAX];
    argp_parse(&parser, argc, argv, 0, NULL, &word);
    const char *only = word ? topic_of(word) : NULL;
    if (word && !only)
        return print_named(word);
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
