/* Progress on stderr, see progress.h. */
#include "progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "command.h"

enum { BAR_MAX = 40, BAR_MIN = 8 };
static const double PLAIN_SECONDS = 30;

void progress_open(struct progress_view *view, bool quiet)
{
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
    bool capable = isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") != 0;
    *view = (struct progress_view){.quiet = quiet, .terminal = capable, .colour = !no_color || !*no_color};
}

void progress_clear(struct progress_view *view)
{
    if (view->drawn)
        fputs("\r\033[K", stderr);
    view->drawn = false;
}

static size_t terminal_width(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* "123/480 runs  45/s  32 s left  3 diverged" */
static void describe(const struct progress *progress, char *text, size_t size)
{
    char left[64] = "", clock[48], odd[96] = "";
    if (isfinite(progress->seconds_left))
        snprintf(left, sizeof left, "  %s left", format_seconds(progress->seconds_left, clock, sizeof clock));
    size_t used = 0;
    if (progress->diverged)
        used = (size_t)snprintf(odd, sizeof odd, "  %zu diverged", progress->diverged);
    if (progress->failed)
        snprintf(odd + used, sizeof odd - used, "  %zu failed", progress->failed);
    double rate = progress->seconds > 0 ? (double)progress->runs_done / progress->seconds : 0;
    snprintf(text, size, "%zu/%zu runs  %.*f/s  %s%s%s", progress->runs_before + progress->runs_done,
             progress->runs_total, rate < 10 ? 1 : 0, rate, format_seconds(progress->seconds, clock, sizeof clock),
             left, odd);
}

static void draw_bar(struct progress_view *view, const struct progress *progress, const char *text)
{
    double share = 0;
    if (progress->runs_total)
        share = (double)(progress->runs_before + progress->runs_done) / (double)progress->runs_total;
    size_t width = terminal_width(), name = strlen(progress->experiment), rest = name + strlen(text) + 5;
    size_t bar = width > rest ? width - rest : 0;
    if (bar > BAR_MAX)
        bar = BAR_MAX;
    char line[1024], *end = line;
    *end = '\0';
    if (bar >= BAR_MIN) {
        size_t full = (size_t)(share * (double)bar + 0.5);
        *end++ = '[';
        if (view->colour)
            end = stpcpy(end, "\033[32m");
        memset(end, '#', full);
        end += full;
        if (view->colour)
            end = stpcpy(end, "\033[0m");
        memset(end, '.', bar - full);
        end = stpcpy(end + bar - full, "] ");
    }
    /* A line that wraps could not be taken back. */
    size_t room =
        width > name + 2 + (bar >= BAR_MIN ? bar + 3 : 0) ? width - name - 2 - (bar >= BAR_MIN ? bar + 3 : 0) : 0;
    fprintf(stderr, "\r%.*s %s%.*s\033[K", (int)width - 1, progress->experiment, line, (int)room, text);
    fflush(stderr);
    view->drawn = true;
}

void progress_show(void *context, const struct progress *progress)
{
    struct progress_view *view = context;
    if (view->quiet)
        return;
    char text[256];
    switch (progress->phase) {
    case RUNNER_PLANNING:
        view->next_plain = PLAIN_SECONDS;
        snprintf(text, sizeof text, "planning");
        break;
    case RUNNER_SOLVING:
        snprintf(text, sizeof text, "%zu runs to do; solving for the certified optimum",
                 progress->runs_total - progress->runs_before);
        break;
    case RUNNER_RUNNING:
        describe(progress, text, sizeof text);
        break;
    case RUNNER_FINISHED:
        progress_clear(view);
        return;
    }
    if (view->terminal) {
        draw_bar(view, progress, text);
    } else if (progress->phase == RUNNER_RUNNING && progress->seconds >= view->next_plain) {
        fprintf(stderr, "%s: %s\n", progress->experiment, text);
        view->next_plain = progress->seconds + PLAIN_SECONDS;
    }
}
