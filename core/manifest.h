/* manifest.json: what made the results of a directory, so that they can be made again. */
#ifndef SGDLAB_MANIFEST_H
#define SGDLAB_MANIFEST_H

#include "output.h"
#include "store.h"

/* This program and this machine as a JSON object: version, git commit, compiler, flags, kernels, versions of the
 * libraries in use, operating system, CPU, cores, threads. Caller frees; NULL: out of memory. */
char *manifest_environment(const char *sqlite_version);

/* The processor's name as the kernel tells it; its architecture where it does not. */
void manifest_cpu(char *model, size_t size);

/* Writes manifest.json: the processes that made the results, and for every experiment its text, settings, data
 * checksums, counts and times; and the digest of all results. */
enum status manifest_write(struct store *store, const struct output_folder *folder, struct error *error);

#endif
