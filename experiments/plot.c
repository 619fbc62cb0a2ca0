/* sgdlab plot: the figures of a results directory. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "figure.h"
#include "laws/suite.h"
#include "output.h"
#include "registry.h"

struct plot_arguments {
    const char *dir; /* first: command_parse_dir fills it */
    char *formats;
    struct figure_options figure;
    size_t drawn, failed;
};

static const struct argp_option plot_options[] = {
    {"format", 'f', "LIST", 0, "svg, pdf, png, tex, dumb; separated by commas (default: svg,pdf)", 0},
    {"size", 's', "SIZE", 0, "page (17.5 cm wide, the default) or column (8.5 cm)", 0},
    {"experiment", 'e', "NAME", 0, "Only this experiment (default: all)", 0},
    {"x", 'x', "WHAT", 0, "Curves against steps, epochs, samples or seconds", 0},
    {"y", 'y', "METRIC", 0, "Curves of this recorded metric: loss, gap, grad_norm2, ...", 0},
    {0},
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct plot_arguments *arguments = state->input;
    switch (key) {
    case 'f':
        arguments->formats = arg;
        return 0;
    case 's':
        if (strcmp(arg, "column") != 0 && strcmp(arg, "page") != 0)
            argp_error(state, "--size is page or column, not '%s'", arg);
        arguments->figure.size = strcmp(arg, "column") == 0 ? FIGURE_COLUMN : FIGURE_PAGE;
        return 0;
    case 'e':
        arguments->figure.experiment = arg;
        return 0;
    case 'x':
        arguments->figure.x = arg;
        return 0;
    case 'y':
        arguments->figure.y = arg;
        return 0;
    default:
        return command_parse_dir(key, arg, state);
    }
}

static const struct argp parser = {
    plot_options,
    parse_option,
    "[DIR]",
    "Draw the figures that the experiments in DIR ask for (DIR: " DEFAULT_RESULTS "), each as "
    "DIR/EXPERIMENT/NAME.svg and .pdf beside NAME.gp, which redraws it from the text tables "
    "alone.\v"
    "Example:\n"
    "  sgdlab export && sgdlab plot --experiment sampling --format pdf --size column",
    NULL,
    NULL,
    NULL};

static void told(void *context, const char *path, const char *reason)
{
    struct plot_arguments *arguments = context;
    if (reason) {
        fprintf(stderr, "sgdlab: %s: %s\n", path, reason);
        arguments->failed++;
        return;
    }
    arguments->drawn++;
    if (!strstr(path, ".dumb"))
        printf("%s\n", path);
}

/* Where style.gp is: the source tree it was built from, or where it was installed. */
static const char *find_style(void)
{
    static const char *const place[] = {SGDLAB_SOURCE_PLOTS_DIR "/style.gp", SGDLAB_INSTALL_PLOTS_DIR "/style.gp"};
    return access(place[0], R_OK) == 0 ? place[0] : place[1];
}

static enum status draw_law(const struct plot_arguments *arguments, const struct suite *suite,
                            const struct suite_law *law, struct error *error)
{
    const char *experiment = suite->experiment[law->experiment].name;
    char folder[OUTPUT_FOLDER_MAX], path[ERROR_FILE_MAX];
    if (law->figure.count == 0 ||
        (arguments->figure.experiment && strcmp(arguments->figure.experiment, experiment) != 0))
        return STATUS_OK;
    output_folder_name(experiment, folder);
    snprintf(path, sizeof path, "%s/%s", arguments->dir, folder);
    return figure_draw(path, law->figure_name, &arguments->figure, error);
}

/* The figures of the laws are made anew from the store: a script that lies in a folder is not trusted. */
static enum status draw_laws(const struct plot_arguments *arguments, struct store *store, struct error *error)
{
    struct suite *suite;
    enum status status = suite_evaluate(store, NULL, &suite, error);
    if (status != STATUS_OK)
        return status;
    status = suite_export(suite, arguments->dir, arguments->figure.experiment, error);
    for (size_t i = 0; status == STATUS_OK && i < suite->law_count; i++)
        status = draw_law(arguments, suite, &suite->law[i], error);
    if (status == STATUS_OK && suite->has_qq && !arguments->figure.experiment)
        status = figure_draw(arguments->dir, SUITE_QQ, &arguments->figure, error);
    suite_close(suite);
    return status;
}

int command_plot(int argc, char **argv)
{
    char usual[] = "svg,pdf";
    struct plot_arguments arguments = {.dir = DEFAULT_RESULTS, .formats = usual};
    argp_parse(&parser, argc, argv, 0, NULL, &arguments);
    const char *format[FIGURE_FORMATS];
    struct error error, close_error;
    struct figure_options *figure = &arguments.figure;
    char *rest = NULL;
    for (char *word = strtok_r(arguments.formats, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        size_t i = 0;
        while (figure_formats[i] && strcmp(figure_formats[i], word) != 0)
            i++;
        if (!figure_formats[i]) {
            name_unknown(&error, "format", word, figure_formats, FIGURE_FORMATS);
            return command_error(&error);
        }
        bool again = false;
        for (size_t j = 0; j < figure->format_count; j++)
            again = again || format[j] == figure_formats[i];
        if (!again)
            format[figure->format_count++] = figure_formats[i];
    }
    figure->format = format;
    figure->style = find_style();
    figure->told = told;
    figure->context = &arguments;
    struct store *store;
    if (store_open(arguments.dir, STORE_READ, &store, &error) != STATUS_OK)
        return command_error(&error);
    enum status status = figures_draw(store, arguments.dir, figure, &error);
    if (status == STATUS_OK)
        status = draw_laws(&arguments, store, &error);
    enum status closed = store_close(store, &close_error);
    if (status != STATUS_OK)
        return command_error(&error);
    if (closed != STATUS_OK)
        return command_error(&close_error);
    return arguments.failed ? EXIT_RUN_FAILED : EXIT_FINE;
}
