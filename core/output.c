/* Writing below a results directory. Files are opened relative to a held folder, without following links. */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_KEPT = 80, BUFFER_BYTES = 1 << 18 };

static enum status failed(struct error *error, const char *path, const char *doing)
{
    int reason = errno;
    return error_at(error, STATUS_IO, path, 0, 0, "cannot %s: %s%s", doing, strerror(reason),
                    reason == ENOSPC || reason == EDQUOT
                        ? "; stored results are not touched by this, export again when there is space"
                        : "");
}

const char *shell_quoted(const char *word, char *text, size_t size)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,/:@%";
    if (*word && strspn(word, plain) == strlen(word)) {
        snprintf(text, size, "%s", word);
        return text;
    }
    size_t used = (size_t)snprintf(text, size, "'");
    for (; *word && used < size; word++)
        used += (size_t)snprintf(text + used, size - used, *word == '\'' ? "'\\''" : "%c", *word);
    if (used < size)
        snprintf(text + used, size - used, "'");
    return text;
}

enum status output_make_directories(const char *path, struct error *error)
{
    char *copy = strdup(path);
    if (!copy)
        return error_memory(error, strlen(path), "a path");
    enum status status = STATUS_OK;
    for (char *slash = *copy ? copy : NULL; slash && status == STATUS_OK;) {
        slash = strchr(slash + 1, '/'); /* from the second character: "/" itself is there */
        if (slash)
            *slash = '\0';
        struct stat info;
        if (mkdir(copy, 0777) != 0) {
            int reason = errno;
            if (stat(copy, &info) != 0 || !S_ISDIR(info.st_mode)) {
                errno = reason;
                status = failed(error, copy, "make this directory");
            }
        }
        if (slash)
            *slash = '/';
    }
    free(copy);
    return status;
}

void output_folder_name(const char *experiment, char folder[OUTPUT_FOLDER_MAX])
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    size_t length = strlen(experiment);
    bool same = length > 0 && length <= NAME_KEPT && experiment[0] != '-' && strspn(experiment, plain) == length;
    size_t kept = 0;
    for (; kept < length && kept < NAME_KEPT; kept++)
        folder[kept] = strchr(plain, experiment[kept]) ? experiment[kept] : '_';
    folder[kept] = '\0';
    if (same)
        return;
    struct sha256_ctx hash;
    uint8_t digest[4];
    sha256_init(&hash);
    sha256_update(&hash, length, (const uint8_t *)experiment);
    sha256_digest(&hash, sizeof digest, digest);
    snprintf(folder + kept, OUTPUT_FOLDER_MAX - kept, "-%02x%02x%02x%02x", digest[0], digest[1], digest[2], digest[3]);
    if (folder[0] == '-')
        folder[0] = '_';
}

enum status output_folder_open(const char *dir, const char *name, struct output_folder *folder, struct error *error)
{
    folder->descriptor = -1;
    snprintf(folder->path, sizeof folder->path, "%s%s%s", dir, name ? "/" : "", name ? name : "");
    int descriptor = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor >= 0 && name) {
        int parent = descriptor;
        if (mkdirat(parent, name, 0777) != 0 && errno != EEXIST) {
            enum status status = failed(error, folder->path, "make this directory");
            close(parent);
            return status;
        }
        descriptor = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int reason = errno;
        close(parent);
        errno = reason;
    }
    if (descriptor < 0)
        return failed(error, folder->path,
                      "open this directory (a symbolic link or a file in its place is not accepted)");
    flock(descriptor,
          LOCK_EX); /* where a file system has no locks, only two exports at once could disturb each other */
    folder->descriptor = descriptor;
    return STATUS_OK;
}

void output_folder_close(struct output_folder *folder)
{
    if (folder->descriptor >= 0)
        close(folder->descriptor);
    folder->descriptor = -1;
}

void output_folder_remove(struct output_folder *folder, const char *name)
{
    unlinkat(folder->descriptor, name, 0);
}

enum status output_file_open(const struct output_folder *folder, const char *name, struct output_file *file,
                             struct error *error)
{
    *file = (struct output_file){.folder = folder};
    snprintf(file->name, sizeof file->name, "%s", name);
    snprintf(file->partial, sizeof file->partial, ".%s.part", name);
    unlinkat(folder->descriptor, file->partial, 0); /* left by an export that was killed */
    file->descriptor = openat(folder->descriptor, file->partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file->descriptor < 0)
        return failed(error, folder->path, "write here");
    file->buffer = malloc(BUFFER_BYTES);
    if (!file->buffer) {
        output_file_drop(file);
        return error_memory(error, BUFFER_BYTES, "a write buffer");
    }
    return STATUS_OK;
}

static void flush(struct output_file *file)
{
    for (size_t at = 0; at < file->used && !file->failure;) {
        ssize_t written = write(file->descriptor, file->buffer + at, file->used - at);
        if (written >= 0)
            at += (size_t)written;
        else if (errno != EINTR)
            file->failure = errno;
    }
    file->used = 0;
}

void output_write(struct output_file *file, const char *text, size_t length)
{
    while (length > 0) {
        size_t room = BUFFER_BYTES - file->used, part = length < room ? length : room;
        memcpy(file->buffer + file->used, text, part);
        file->used += part;
        text += part;
        length -= part;
        if (file->used == BUFFER_BYTES)
            flush(file);
    }
}

static void close_file(struct output_file *file)
{
    if (file->descriptor >= 0)
        close(file->descriptor);
    file->descriptor = -1;
    free(file->buffer);
    file->buffer = NULL;
}

void output_file_drop(struct output_file *file)
{
    if (file->descriptor >= 0)
        unlinkat(file->folder->descriptor, file->partial, 0);
    close_file(file);
}

enum status output_file_keep(struct output_file *file, struct error *error)
{
    int directory = file->folder->descriptor;
    flush(file);
    if (!file->failure &&
        (fdatasync(file->descriptor) != 0 || renameat(directory, file->partial, directory, file->name) != 0))
        file->failure = errno;
    if (file->failure) {
        char doing[80];
        snprintf(doing, sizeof doing, "write %s", file->name);
        output_file_drop(file);
        errno = file->failure;
        return failed(error, file->folder->path, doing);
    }
    close_file(file);
    return STATUS_OK;
}
