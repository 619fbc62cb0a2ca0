/* manifest.json: program, machine, experiments, data. */
#include "manifest.h"

#include <gnu/libc-version.h>
#include <gsl/gsl_version.h>
#include <nettle/version.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <yaml.h>
#include <zlib.h>

#include "build_info.h"
#include "engine.h"
#include "json.h"
#include "store_read.h"

static void text_member(struct json *json, const char *key, const char *text)
{
    json_key(json, key);
    json_string(json, text);
}

static void count_member(struct json *json, const char *key, uint64_t value)
{
    json_key(json, key);
    json_count(json, value);
}

void manifest_cpu(char *model, size_t size)
{
    struct utsname system = {0};
    uname(&system);
    snprintf(model, size, "%s", system.machine);
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[256];
    while (file && fgets(line, sizeof line, file)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon)
            continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(model, size, "%s", colon + 1 + strspn(colon + 1, " \t"));
        break;
    }
    if (file)
        fclose(file);
}

static void libraries(struct json *json, const char *sqlite_version)
{
    char nettle[32];
    snprintf(nettle, sizeof nettle, "%d.%d", nettle_version_major(), nettle_version_minor());
    json_key(json, "libraries");
    json_begin(json, '{');
    text_member(json, "glibc", gnu_get_libc_version());
    text_member(json, "gsl", gsl_version);
    text_member(json, "libyaml", yaml_get_version_string());
    text_member(json, "nettle", nettle);
    text_member(json, "sqlite", sqlite_version);
    text_member(json, "zlib", zlibVersion());
    json_end(json, '}');
}

char *manifest_environment(const char *sqlite_version)
{
    struct json json = {0};
    struct utsname system = {0};
    char model[256], os[3 * sizeof system.sysname];
    uname(&system);
    manifest_cpu(model, sizeof model);
    snprintf(os, sizeof os, "%s %s %s", system.sysname, system.release, system.machine);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    json_begin(&json, '{');
    text_member(&json, "program", "sgdlab");
    text_member(&json, "version", SGDLAB_VERSION);
    text_member(&json, "git_commit", SGDLAB_GIT_COMMIT[0] ? SGDLAB_GIT_COMMIT : NULL);
    json_key(&json, "git_dirty");
    if (SGDLAB_GIT_COMMIT[0])
        json_bool(&json, SGDLAB_GIT_DIRTY);
    else
        json_raw(&json, NULL);
    text_member(&json, "compiler", SGDLAB_COMPILER);
    text_member(&json, "flags", SGDLAB_FLAGS);
    text_member(&json, "kernel_family", kernel_family());
    text_member(&json, "kernel_isa", kernel_isa());
    libraries(&json, sqlite_version);
    text_member(&json, "system", os);
    text_member(&json, "cpu", model);
    count_member(&json, "cores", cores > 0 ? (uint64_t)cores : 1);
    count_member(&json, "threads", (uint64_t)omp_get_max_threads());
    json_end(&json, '}');
    return json_take(&json);
}

/* ISO 8601 in UTC; null for 0. */
static void time_member(struct json *json, const char *key, int64_t milliseconds)
{
    char text[40] = "", whole[32];
    time_t seconds = (time_t)(milliseconds / 1000);
    struct tm utc;
    if (milliseconds > 0 && gmtime_r(&seconds, &utc) && strftime(whole, sizeof whole, "%Y-%m-%dT%H:%M:%S", &utc) > 0)
        snprintf(text, sizeof text, "%s.%03dZ", whole, (int)(milliseconds % 1000));
    text_member(json, key, text[0] ? text : NULL);
}

struct sessions {
    struct json *json;
    int64_t begun, ended;
};

static void session(void *context, const char *const *column)
{
    struct sessions *sessions = context;
    int64_t begun = strtoll(column[0], NULL, 10), ended = strtoll(column[1], NULL, 10);
    if (sessions->begun == 0 || begun < sessions->begun)
        sessions->begun = begun;
    if (ended > sessions->ended)
        sessions->ended = ended;
    json_begin(sessions->json, '{');
    time_member(sessions->json, "start", begun);
    time_member(sessions->json, "end", ended);
    json_key(sessions->json, "environment");
    json_raw(sessions->json, column[2]);
    json_end(sessions->json, '}');
}

static void data_set(void *context, const char *const *column)
{
    static const char *const key[] = {"name", "sha256", "n", "d", "n_test", "nonzeros"};
    struct json *json = context;
    json_begin(json, '{');
    for (int i = 0; i < 6; i++) {
        json_key(json, key[i]);
        if (i < 2)
            json_string(json, column[i]);
        else
            json_raw(json, column[i]);
    }
    json_end(json, '}');
}

static enum status experiment_member(struct store *store, struct json *json, struct stored_experiment *experiment,
                                     struct error *error)
{
    char folder[OUTPUT_FOLDER_MAX];
    struct run_counts counts;
    output_folder_name(experiment->name, folder);
    enum status status = store_count_runs(store, experiment, &counts, error);
    if (status == STATUS_OK)
        status = store_read_times(store, experiment, error);
    if (status != STATUS_OK)
        return status;
    json_begin(json, '{');
    text_member(json, "name", experiment->name);
    text_member(json, "folder", folder);
    text_member(json, "question", experiment->question);
    time_member(json, "planned", experiment->planned);
    time_member(json, "start", experiment->begun);
    time_member(json, "end", experiment->ended);
    count_member(json, "seed", experiment->seed);
    count_member(json, "replicates", experiment->replicates);
    count_member(json, "cells", experiment->cells);
    count_member(json, "distinct_cells", experiment->distinct);
    json_key(json, "runs");
    json_begin(json, '{');
    count_member(json, "planned", experiment->distinct * experiment->replicates);
    count_member(json, "finished", counts.finished);
    count_member(json, "diverged", counts.diverged);
    count_member(json, "failed", counts.failed);
    json_end(json, '}');
    json_key(json, "axes");
    json_raw(json, experiment->axes);
    json_key(json, "figures");
    json_raw(json, experiment->figures);
    json_key(json, "data");
    json_begin(json, '[');
    status = store_each_data(store, experiment->id, data_set, json, error);
    json_end(json, ']');
    json_key(json, "settings");
    json_raw(json, experiment->settings);
    text_member(json, "config", experiment->config);
    json_end(json, '}');
    return status;
}

/* Top level: the times of all processes together, the processes, the experiments. */
static enum status compose(struct store *store, struct json *json, struct error *error)
{
    char digest[65];
    enum status status = store_digest(store, digest, error);
    if (status != STATUS_OK)
        return status;
    struct stored_experiment *experiment;
    size_t count;
    status = store_read_experiments(store, &experiment, &count, error);
    if (status != STATUS_OK)
        return status;
    struct sessions sessions = {.json = json};
    json_begin(json, '{');
    text_member(json, "digest", digest);
    json_key(json, "sessions");
    json_begin(json, '[');
    status = store_each_session(store, session, &sessions, error);
    json_end(json, ']');
    time_member(json, "start", sessions.begun);
    time_member(json, "end", sessions.ended);
    json_key(json, "experiments");
    json_begin(json, '[');
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = experiment_member(store, json, &experiment[i], error);
    json_end(json, ']');
    json_end(json, '}');
    stored_experiments_free(experiment, count);
    return status;
}

enum status manifest_write(struct store *store, const struct output_folder *folder, struct error *error)
{
    struct json json = {0};
    struct output_file file;
    enum status status = compose(store, &json, error);
    char *text = json_take(&json);
    if (status == STATUS_OK)
        status =
            text ? output_file_open(folder, "manifest.json", &file, error) : error_memory(error, 1024, "the manifest");
    if (status == STATUS_OK && text) {
        output_write(&file, text, strlen(text));
        output_write(&file, "\n", 1);
        status = output_file_keep(&file, error);
    }
    free(text);
    return status;
}
