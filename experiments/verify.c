/* sgdlab verify: what theory predicts against what was measured, law by law, and whether the verdicts are those that
 * the experiments expect. */
#include <argp.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "json.h"
#include "laws/suite.h"

struct verify_arguments {
    const char *dir; /* first: command_parse_dir fills it */
    const char *law, *experiment, *data_dir;
    bool json, verbose;
};

enum { KEY_JSON = 256, KEY_DATA_DIR };

static const struct argp_option verify_options[] = {
    {"verbose", 'v', NULL, 0, "Show every check, not only the one that decides", 1},
    {"json", KEY_JSON, NULL, 0, "Print everything as JSON", 1},
    {"law", 'l', "NAME", 0, "Only this law (a name, or a number as L3)", 2},
    {"experiment", 'e', "NAME", 0, "Only this experiment (default: all)", 2},
    {"data-dir", KEY_DATA_DIR, "DIR", 0, "Look for data here first (default: where the runs found them)", 2},
    {0},
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct verify_arguments *arguments = state->input;
    switch (key) {
    case 'v':
        arguments->verbose = true;
        return 0;
    case KEY_JSON:
        arguments->json = true;
        return 0;
    case 'l':
        arguments->law = arg;
        return 0;
    case 'e':
        arguments->experiment = arg;
        return 0;
    case KEY_DATA_DIR:
        arguments->data_dir = arg;
        return 0;
    default:
        return command_parse_dir(key, arg, state);
    }
}

static const struct argp parser = {
    verify_options,
    parse_option,
    "[DIR]",
    "Hold the results in DIR (default: " DEFAULT_RESULTS ") against the laws that their experiments name: prediction, "
    "measurement, interval and verdict.\v"
    "Exit status: 0 when every verdict is the one its experiment expects (underpowered ones are told and do not "
    "count), 3 when one is not, 2 on bad usage or when results cannot be read.\n\n"
    "Example:\n"
    "  sgdlab verify results --law variance --verbose",
    NULL,
    NULL,
    NULL};

/* ---- words ---- */

/* Colour only where a person looks. */
struct look {
    const char *good, *bad, *warn, *faint, *strong, *plain;
};

static struct look choose_look(void)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    const bool colour = isatty(STDOUT_FILENO) && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
    static const struct look plain = {"", "", "", "", "", ""};
    static const struct look coloured = {"\033[32m", "\033[1;31m", "\033[33m", "\033[2m", "\033[1m", "\033[0m"};
    return colour ? coloured : plain;
}

static const char *colour_of(const struct look *look, enum agreement agreement)
{
    return agreement == AGREES_YES ? look->good : agreement == AGREES_NO ? look->bad : look->warn;
}

/* Four digits; blank where there is no number. */
static const char *number(double value, char *text, size_t size)
{
    if (isnan(value))
        snprintf(text, size, "-");
    else
        snprintf(text, size, "%.4g", value);
    return text;
}

/* The interval as people read it: in percent of the prediction for ratios, plain for differences. */
static const char *interval(const struct check *check, char *text, size_t size)
{
    const bool ratio = check->kind == CHECK_RATIO || check->kind == CHECK_BOUND || check->kind == CHECK_P_VALUE;
    double low = check->ci_low, high = check->ci_high;
    if (check->kind == CHECK_EXACT || isnan(low) || isnan(high))
        snprintf(text, size, "-");
    else if (ratio) {
        if (check->kind != CHECK_P_VALUE) {
            low = expm1(low);
            high = expm1(high);
        }
        const int digits = fmax(fabs(low), fabs(high)) < 0.0995 ? 2 : 1;
        snprintf(text, size, "%+.*f%% .. %+.*f%%", digits, 100 * low, digits, 100 * high);
    } else {
        snprintf(text, size, "%+.3g .. %+.3g", low, high);
    }
    return text;
}

/* "inconclusive: about 3 times the replicates". */
static void more_needed(const struct check *check, char *text, size_t size)
{
    const double factor = check->replicates_needed / (double)check->replicates;
    text[0] = '\0';
    if (check_agreement(check) != AGREES_UNDERPOWERED || !isfinite(factor))
        return;
    if (factor < 10)
        snprintf(text, size, ": about %.1f times the replicates", fmax(factor, 1.1));
    else
        snprintf(text, size, ": about %.2g times the replicates", factor);
}

/* ---- what to show ---- */

struct view {
    const struct verify_arguments *arguments;
    const struct suite *suite;
    struct look look;
    int title_width, experiment_width;
};

static bool law_named(const struct law_type *type, const char *name)
{
    return !name || strcmp(type->method.name, name) == 0 || strcasecmp(type->number, name) == 0;
}

static bool shown(const struct view *view, const struct suite_law *law)
{
    const char *experiment = view->arguments->experiment;
    return law_named(law->type, view->arguments->law) &&
           (!experiment || strcmp(view->suite->experiment[law->experiment].name, experiment) == 0);
}

/* An entry of an experiment that has several of one law is told by its instance. */
static const char *title_of(const struct suite_law *law, char *text, size_t size)
{
    snprintf(text, size, "%s%s%s", law->type->title, *law->instance ? ", " : "", law->instance);
    return text;
}

/* Columns on the terminal: letters, not bytes. */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static void put_padded(const char *text, int width)
{
    printf("%s%*s", text, width > width_of(text) ? width - width_of(text) : 0, "");
}

static void measure_widths(struct view *view)
{
    char text[160];
    for (size_t i = 0; i < view->suite->law_count; i++) {
        const struct suite_law *law = &view->suite->law[i];
        if (!shown(view, law))
            continue;
        const int title = width_of(title_of(law, text, sizeof text));
        const int experiment = width_of(view->suite->experiment[law->experiment].name);
        view->title_width = title > view->title_width ? title : view->title_width;
        view->experiment_width = experiment > view->experiment_width ? experiment : view->experiment_width;
    }
}

/* ---- the table ---- */

static void print_check(const struct view *view, const struct check *check)
{
    char predicted[32], measured[32], range[64], more[64];
    const enum agreement agreement = check_agreement(check);
    more_needed(check, more, sizeof more);
    printf("      %s%-12s%s %9s %9s  %-19s  ", colour_of(&view->look, agreement), verdict_name(check->verdict),
           view->look.plain, number(check->predicted, predicted, sizeof predicted),
           number(check->measured, measured, sizeof measured), interval(check, range, sizeof range));
    printf("%s; %s%s\n", check->quantity, check->instance, more);
}

static void print_wrapped(const char *text, int indent, const struct look *look)
{
    enum { LINE = 110 };
    while (*text) {
        size_t length = strlen(text), room = (size_t)(LINE - indent);
        if (length > room) {
            length = room;
            while (length > 0 && text[length] != ' ')
                length--;
            if (length == 0)
                length = room;
        }
        printf("%*s%s%.*s%s\n", indent, "", look->faint, (int)length, text, look->plain);
        text += length;
        while (*text == ' ')
            text++;
    }
}

static void print_law(const struct view *view, const struct suite_law *law)
{
    const struct look *look = &view->look;
    const char *experiment = view->suite->experiment[law->experiment].name;
    char title[160], shares[48], predicted[32], measured[32], range[64], more[64];
    title_of(law, title, sizeof title);
    printf("  %-4s", law->type->number);
    put_padded(title, view->title_width + 2);
    put_padded(experiment, view->experiment_width + 2);
    if (law->failure) {
        printf("%scould not be evaluated%s\n", look->bad, look->plain);
        print_wrapped(law->failure, 6, look);
        return;
    }
    const struct check *check = &view->suite->checks.check[law->telling];
    more_needed(check, more, sizeof more);
    snprintf(shares, sizeof shares, "%zu/%zu", law->agree[AGREES_YES], law->count);
    printf("%9s %9s %9s  %-19s  %s%s", shares, number(check->predicted, predicted, sizeof predicted),
           number(check->measured, measured, sizeof measured), interval(check, range, sizeof range),
           colour_of(look, law->agreement), verdict_name(check->verdict));
    if (law->agreement == AGREES_NO)
        printf(", NOT as expected (%s)", verdict_name(check->expected));
    else if (check->verdict != VERDICT_CONFIRMED && law->agreement == AGREES_YES)
        printf(", as expected");
    printf("%s%s\n", more, look->plain);
    if (law->agreement == AGREES_NO && !view->arguments->verbose) {
        char text[512];
        snprintf(text, sizeof text, "%s; %s", check->quantity, check->instance);
        print_wrapped(text, 6, look);
    }
    if (*law->note)
        print_wrapped(law->note, 6, look);
    for (size_t i = 0; view->arguments->verbose && i < law->count; i++)
        print_check(view, &view->suite->checks.check[law->first + i]);
}

static void print_header(const struct view *view)
{
    printf("%s  %-4s", view->look.faint, "");
    put_padded("", view->title_width + 2);
    put_padded("experiment", view->experiment_width + 2);
    printf("%9s %9s %9s  %-19s  %s%s\n", "checks", "predicted", "measured", "interval", "verdict", view->look.plain);
}

static void print_unfinished(const struct view *view)
{
    for (size_t i = 0; i < view->suite->experiment_count; i++) {
        const struct suite_experiment *e = &view->suite->experiment[i];
        const char *only = view->arguments->experiment;
        if (only && strcmp(only, e->name) != 0)
            continue;
        if (e->failure)
            printf("%s%s: %s%s\n", view->look.bad, e->name, e->failure, view->look.plain);
        else if (e->there < e->wanted)
            printf("%s%s is not finished: %" PRIu64 " of %" PRIu64 " runs are there%s%s; no verdict on its laws%s\n",
                   view->look.warn, e->name, e->there, e->wanted, e->failed ? ", some failed" : "",
                   e->failed ? " (sgdlab status)" : "", view->look.plain);
    }
}

struct tally {
    size_t laws, agree[3], failed, checks;
};

static void print_table(const struct view *view, const size_t *order, const struct tally *tally)
{
    const char *group = NULL;
    const struct suite *suite = view->suite;
    for (size_t i = 0; i < suite->law_count; i++) {
        const struct suite_law *law = &suite->law[order[i]];
        if (!shown(view, law))
            continue;
        if (!group)
            print_header(view);
        if (!group || strcmp(group, law->type->group) != 0) {
            printf("%s%s%s\n", view->look.strong, law->type->group, view->look.plain);
            group = law->type->group;
        }
        print_law(view, law);
    }
    print_unfinished(view);
    if (suite->checks.count == 0 || tally->laws == 0)
        return;
    const struct check *any = &suite->checks.check[0];
    printf("\n%zu of %zu laws as expected", tally->agree[AGREES_YES], tally->laws);
    if (tally->agree[AGREES_UNDERPOWERED])
        printf(", %s%zu underpowered%s", view->look.warn, tally->agree[AGREES_UNDERPOWERED], view->look.plain);
    if (tally->agree[AGREES_NO])
        printf(", %s%zu NOT%s", view->look.bad, tally->agree[AGREES_NO], view->look.plain);
    printf(". Each row shows the check that comes closest to another verdict%s.\n",
           view->arguments->verbose ? "" : " (all: --verbose)");
    printf("%zu checks in all: intervals at level 1 - %.2g each, so that a suite of true laws is refuted anywhere with "
           "probability below 1%%.\n",
           suite->checks.count, any->alpha);
}

/* ---- JSON ---- */

static void json_named(struct json *json, const char *key, const char *text)
{
    json_key(json, key);
    json_string(json, text);
}

static void json_number(struct json *json, const char *key, double value)
{
    json_key(json, key);
    if (isnan(value))
        json_raw(json, NULL);
    else
        json_real(json, value);
}

static void json_size(struct json *json, const char *key, uint64_t value)
{
    json_key(json, key);
    json_count(json, value);
}

static void put_check(struct json *json, const struct check *check)
{
    json_begin(json, '{');
    json_named(json, "instance", check->instance);
    json_named(json, "quantity", check->quantity);
    json_number(json, "predicted", check->predicted);
    json_number(json, "measured", check->measured);
    json_number(json, "se", check->kind == CHECK_P_VALUE ? check->effect_se : check->se);
    json_number(json, "ci_low", check->ci_low);
    json_number(json, "ci_high", check->ci_high);
    json_number(json, "margin", check->margin);
    json_number(json, "p_value", suite_p_value(check));
    json_named(json, "verdict", verdict_name(check->verdict));
    json_named(json, "expected", verdict_name(check->expected));
    json_named(json, "agrees", agreement_name(check_agreement(check)));
    json_size(json, "replicates", check->replicates);
    json_number(json, "replicates_needed", check->replicates_needed);
    json_named(json, "note", check->note);
    json_end(json, '}');
}

static void put_law(struct json *json, const struct suite *suite, const struct suite_law *law)
{
    json_begin(json, '{');
    json_named(json, "number", law->type->number);
    json_named(json, "law", law->type->method.name);
    json_named(json, "title", law->type->title);
    json_named(json, "group", law->type->group);
    json_named(json, "experiment", suite->experiment[law->experiment].name);
    json_named(json, "instance", law->instance);
    json_named(json, "expected", verdict_name(law->expected));
    json_named(json, "agrees", law->failure ? NULL : agreement_name(law->agreement));
    json_named(json, "failure", law->failure);
    json_named(json, "note", law->note);
    json_size(json, "telling", law->telling - law->first);
    json_key(json, "checks");
    json_begin(json, '[');
    for (size_t i = 0; i < law->count; i++)
        put_check(json, &suite->checks.check[law->first + i]);
    json_end(json, ']');
    json_end(json, '}');
}

static int print_json(const struct view *view, const size_t *order)
{
    const struct suite *suite = view->suite;
    struct json json = {0};
    json_begin(&json, '{');
    json_size(&json, "checks", suite->checks.count);
    json_number(&json, "alpha", suite->checks.count ? suite->checks.check[0].alpha : (double)NAN);
    json_key(&json, "laws");
    json_begin(&json, '[');
    for (size_t i = 0; i < suite->law_count; i++)
        if (shown(view, &suite->law[order[i]]))
            put_law(&json, suite, &suite->law[order[i]]);
    json_end(&json, ']');
    json_key(&json, "experiments");
    json_begin(&json, '[');
    for (size_t i = 0; i < suite->experiment_count; i++) {
        const struct suite_experiment *e = &suite->experiment[i];
        json_begin(&json, '{');
        json_named(&json, "experiment", e->name);
        json_key(&json, "finished");
        json_bool(&json, !e->failure && e->there == e->wanted);
        json_size(&json, "runs", e->there);
        json_size(&json, "planned", e->wanted);
        json_named(&json, "failure", e->failure);
        json_end(&json, '}');
    }
    json_end(&json, ']');
    json_end(&json, '}');
    char *text = json_take(&json);
    if (!text)
        return EXIT_RUN_FAILED;
    puts(text);
    free(text);
    return EXIT_FINE;
}

/* ---- the command ---- */

/* --law must name a law; --experiment an experiment of these results that has any. */
static int check_names(const struct verify_arguments *arguments, const struct suite *suite)
{
    struct error error;
    bool found = !arguments->law;
    for (size_t i = 0; !found && i < registry_count(METHOD_LAW); i++)
        found = law_named((const struct law_type *)registry_at(METHOD_LAW, i), arguments->law);
    if (!found) {
        registry_find(METHOD_LAW, arguments->law, &error);
        return command_error(&error);
    }
    found = !arguments->experiment;
    const char **name = calloc(suite->experiment_count + 1, sizeof *name);
    for (size_t i = 0; name && i < suite->experiment_count; i++) {
        name[i] = suite->experiment[i].name;
        found = found || strcmp(name[i], arguments->experiment) == 0;
    }
    int result = EXIT_FINE;
    if (!name || !found) {
        name_unknown(&error, "experiment with laws", found ? "" : arguments->experiment, name, suite->experiment_count);
        result = command_error(&error);
    }
    free(name);
    return result;
}

static struct tally count_laws(const struct view *view)
{
    struct tally tally = {0};
    const char *only = view->arguments->experiment;
    for (size_t i = 0; i < view->suite->law_count; i++) {
        const struct suite_law *law = &view->suite->law[i];
        if (!shown(view, law))
            continue;
        tally.laws++;
        tally.checks += law->count;
        if (law->failure)
            tally.failed++;
        else
            tally.agree[law->agreement]++;
    }
    for (size_t i = 0; i < view->suite->experiment_count; i++) {
        const struct suite_experiment *e = &view->suite->experiment[i];
        tally.failed += e->failure && (!only || strcmp(only, e->name) == 0);
    }
    return tally;
}

static int show(const struct verify_arguments *arguments, const struct suite *suite)
{
    struct view view = {.arguments = arguments, .suite = suite, .experiment_width = 10};
    size_t *order = calloc(suite->law_count + 1, sizeof *order);
    int result = order ? check_names(arguments, suite) : EXIT_RUN_FAILED;
    if (result == EXIT_FINE) {
        const struct tally tally = count_laws(&view);
        suite_order(suite, order);
        measure_widths(&view);
        if (arguments->json) {
            result = print_json(&view, order);
        } else if (suite->experiment_count == 0) {
            printf("No experiment in %s names laws.\n", arguments->dir);
        } else {
            view.look = choose_look();
            print_table(&view, order, &tally);
        }
        if (result == EXIT_FINE)
            result = tally.failed ? EXIT_BAD_INPUT : tally.agree[AGREES_NO] ? EXIT_VERDICT : EXIT_FINE;
    }
    free(order);
    return result;
}

int command_verify(int argc, char **argv)
{
    struct verify_arguments arguments = {.dir = DEFAULT_RESULTS};
    struct error error, close_error;
    struct store *store;
    struct suite *suite;
    argp_parse(&parser, argc, argv, 0, NULL, &arguments);
    if (store_open(arguments.dir, STORE_READ, &store, &error) != STATUS_OK)
        return command_error(&error);
    enum status status = suite_evaluate(store, arguments.data_dir, &suite, &error);
    enum status closed = store_close(store, &close_error);
    if (status != STATUS_OK)
        return command_error(&error);
    int result = closed == STATUS_OK ? show(&arguments, suite) : command_error(&close_error);
    suite_close(suite);
    return result;
}
