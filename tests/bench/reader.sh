#!/bin/sh
# Reading w8a: sgdlab against liblinear's own reader, side by side. liblinear-train is timed from its fopen to its fclose of the
# data by a small preloaded library, which then ends it, so that no training is done.
# Usage: reader.sh BENCH_READER FILE[.gz] [REPETITIONS]   Example: reader.sh build/tests/bench_reader w8a.gz
set -eu
[ $# -ge 2 ] || {
    sed -n '2,4s/^# //p' "$0" >&2
    exit 2
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
case $2 in
*.gz) gzip -dc "$2" >"$work/data" ;;
*) cp "$2" "$work/data" ;;
esac
cat >"$work/preload.c" <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct timespec start;
static FILE *data;

FILE *fopen(const char *path, const char *mode)
{
    FILE *(*next)(const char *, const char *) = (FILE * (*)(const char *, const char *)) dlsym(RTLD_NEXT, "fopen");
    int first = !data && mode[0] == 'r';
    if (first)
        clock_gettime(CLOCK_MONOTONIC, &start);
    FILE *file = next(path, mode);
    if (first)
        data = file;
    return file;
}

int fclose(FILE *file)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    if (file == data) {
        printf("%.9f\n", (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec));
        fflush(stdout);
        _exit(0);
    }
    return ((int (*)(FILE *))dlsym(RTLD_NEXT, "fclose"))(file);
}
C
sleep 3 # so that the cache trusts the age of the copy
library=
if command -v liblinear-train >/dev/null && ${CC:-cc} -O2 -shared -fPIC -o "$work/preload.so" "$work/preload.c" -ldl; then
    library=$work/preload.so
fi
"$1" "$work/data" "${3:-11}" ${library:+"$library"}
