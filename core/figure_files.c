/* The files of a figure: its script, the style beside it, and the pictures that gnuplot makes of them. */
#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "figure_internal.h"

enum { LOG_MAX = 400 };

enum status figure_write_text(const struct output_folder *folder, const char *name, const char *text, size_t length,
                              struct error *error)
{
    struct output_file file;
    enum status status = output_file_open(folder, name, &file, error);
    if (status != STATUS_OK)
        return status;
    output_write(&file, text, length);
    return output_file_keep(&file, error);
}

/* The style lies beside the scripts, so that the folder stands alone. */
enum status figure_copy_style(const struct output_folder *folder, const char *style, struct error *error)
{
    char text[16384];
    FILE *in = style ? fopen(style, "r") : NULL;
    if (!in)
        return error_at(error, STATUS_NOT_FOUND, style, 0, 0, "cannot read the style of the figures: %s",
                        strerror(errno));
    size_t length = fread(text, 1, sizeof text, in);
    fclose(in);
    return figure_write_text(folder, "style.gp", text, length, error);
}

/* Runs gnuplot in the folder, without a shell. False: what it said is in log. */
static bool run_gnuplot(const struct output_folder *folder, const char *script, const char *format, char log[LOG_MAX])
{
    extern char **environ;
    char setting[64];
    int said[2];
    pid_t child;
    posix_spawn_file_actions_t actions;
    snprintf(setting, sizeof setting, "format='%s'", format);
    char *const argv[] = {"gnuplot", "-e", setting, (char *)(uintptr_t)script, NULL};
    if (pipe(said) != 0) {
        snprintf(log, LOG_MAX, "%s", strerror(errno));
        return false;
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addfchdir_np(&actions, folder->descriptor);
    posix_spawn_file_actions_adddup2(&actions, said[1], STDERR_FILENO);
    posix_spawn_file_actions_addclose(&actions, said[0]);
    posix_spawn_file_actions_addclose(&actions, said[1]);
    int failure = posix_spawnp(&child, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(said[1]);
    /* gnuplot repeats the command before it says what is wrong: the last line that is not empty. */
    size_t used = 0;
    bool ended = true;
    char rest[512];
    ssize_t got;
    while ((got = read(said[0], rest, sizeof rest)) > 0 || (got < 0 && errno == EINTR))
        for (ssize_t i = 0; i < got; i++) {
            if ((unsigned char)rest[i] < ' ') {
                ended = true;
                continue;
            }
            used = ended ? 0 : used;
            ended = false;
            if (used + 1 < LOG_MAX)
                log[used++] = rest[i];
        }
    log[used] = '\0';
    close(said[0]);
    if (failure) {
        snprintf(log, LOG_MAX, "cannot start gnuplot: %s", strerror(failure));
        return false;
    }
    int state;
    while (waitpid(child, &state, 0) < 0)
        if (errno != EINTR)
            return false;
    if (WIFEXITED(state) && WEXITSTATUS(state) == 0)
        return true;
    if (!used)
        snprintf(log, LOG_MAX, "gnuplot failed");
    return false;
}

/* Draws NAME.gp of the folder in each format asked for. */
static void draw_formats(const struct output_folder *folder, const char *name, const struct figure_options *options)
{
    char script[128], path[1024], log[LOG_MAX];
    snprintf(script, sizeof script, "%s.gp", name);
    for (size_t i = 0; i < options->format_count; i++) {
        bool drawn = run_gnuplot(folder, script, options->format[i], log);
        snprintf(path, sizeof path, "%s/%s%s.%s", folder->path, name,
                 strcmp(options->format[i], "tex") == 0 ? "-latex" : "", options->format[i]);
        options->told(options->context, path, drawn ? NULL : log);
    }
}

enum status figure_write(const struct output_folder *folder, const struct figure *figure, figure_script *write,
                         const struct figure_options *options, struct error *error)
{
    char *text = NULL, script[128];
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (!out)
        return error_memory(error, 4096, "a figure");
    write(out, figure);
    if (fclose(out) != 0) {
        free(text);
        return error_memory(error, length, "a figure");
    }
    snprintf(script, sizeof script, "%s.gp", figure->name);
    enum status status = figure_write_text(folder, script, text, length, error);
    free(text);
    if (status == STATUS_OK)
        draw_formats(folder, figure->name, options);
    return status;
}

enum status figure_draw(const char *dir, const char *name, const struct figure_options *options, struct error *error)
{
    struct output_folder folder;
    enum status status = output_folder_open(dir, NULL, &folder, error);
    if (status != STATUS_OK)
        return status;
    status = figure_copy_style(&folder, options->style, error);
    if (status == STATUS_OK)
        draw_formats(&folder, name, options);
    output_folder_close(&folder);
    return status;
}
