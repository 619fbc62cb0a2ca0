/* Writing below a results directory: safe folder names, files that appear whole or not at all. Symbolic links in a
 * results directory (it may come from a stranger) are never followed out of it. */
#ifndef SGDLAB_OUTPUT_H
#define SGDLAB_OUTPUT_H

#include <stddef.h>

#include "error.h"

/* The word as a shell wants it: as it is, or in single quotes. Fits in 4 strlen(word) + 3 bytes, else cut off. Returns
 * text. */
const char *shell_quoted(const char *word, char *text, size_t size);

/* mkdir -p. */
enum status output_make_directories(const char *path, struct error *error);

enum { OUTPUT_FOLDER_MAX = 96 };
/* The folder of an experiment: the name itself when it is made of A-Z a-z 0-9 _ - only, does not start with -, and is
 * short; else these characters of it and a hash of the name. Never a path, never a file's name, different for different
 * names. */
void output_folder_name(const char *experiment, char folder[OUTPUT_FOLDER_MAX]);

/* A folder that is held open and locked against a second writer (flock) until it is closed. */
struct output_folder {
    int descriptor;
    char path[ERROR_FILE_MAX]; /* for messages */
};
/* DIR itself (name NULL) or DIR/name, made when missing. */
enum status output_folder_open(const char *dir, const char *name, struct output_folder *folder, struct error *error);
void output_folder_close(struct output_folder *folder);
/* Removes a file of an earlier export; nothing happens when there is none. */
void output_folder_remove(struct output_folder *folder, const char *name);

/* A file that is written beside its place and moved there when it is complete and on disk. */
struct output_file {
    const struct output_folder *folder;
    char name[64], partial[72];
    int descriptor; /* < 0: not open */
    int failure;    /* errno of the first write that failed; told by output_file_keep */
    char *buffer;
    size_t used;
};
enum status output_file_open(const struct output_folder *folder, const char *name, struct output_file *file,
                             struct error *error);
void output_write(struct output_file *file, const char *text, size_t length);
enum status output_file_keep(struct output_file *file, struct error *error); /* closes */
void output_file_drop(struct output_file *file);                             /* closes; the old file stays */

#endif
