/* The lists of methods, made from registry_list.h, and look-up by name. */
#include "registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "averager.h"
#include "data/dataset.h"
#include "kernels/isa.h"
#include "laws/law.h"
#include "sampler.h"
#include "schedule.h"

#define SAMPLER(name)   extern const struct sampler_type sampler_##name;
#define SCHEDULE(name)  extern const struct schedule_type schedule_##name;
#define AVERAGER(name)  extern const struct averager_type averager_##name;
#define SYNTHETIC(name) extern const struct synthetic_type synthetic_##name;
#define LAW(name)       extern const struct law_type law_##name;
#include "registry_list.h"
#undef SAMPLER
#undef SCHEDULE
#undef AVERAGER
#undef SYNTHETIC
#undef LAW

static const struct method *const samplers[] = {
#define SAMPLER(name) &sampler_##name.method,
#include "registry_list.h"
#undef SAMPLER
};
static const struct method *const schedules[] = {
#define SCHEDULE(name) &schedule_##name.method,
#include "registry_list.h"
#undef SCHEDULE
};
static const struct method *const averagers[] = {
#define AVERAGER(name) &averager_##name.method,
#include "registry_list.h"
#undef AVERAGER
};
static const struct method *const synthetics[] = {
#define SYNTHETIC(name) &synthetic_##name.method,
#include "registry_list.h"
#undef SYNTHETIC
};
static const struct method *const laws[] = {
#define LAW(name) &law_##name.method,
#include "registry_list.h"
#undef LAW
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Problems and updates are compiled once per instruction set: their lists are those of the kernels in use. */
static const struct {
    const char *name, *plural;
    const struct method *const *list; /* NULL: from the kernels in use */
    size_t count;
} kinds[METHOD_KIND_COUNT] = {
    [METHOD_PROBLEM] = {"problem", "problems", NULL, 0},
    [METHOD_SAMPLER] = {"sampler", "samplers", samplers, COUNT(samplers)},
    [METHOD_SCHEDULE] = {"schedule", "schedules", schedules, COUNT(schedules)},
    [METHOD_UPDATE] = {"update", "updates", NULL, 0},
    [METHOD_AVERAGER] = {"averager", "averagers", averagers, COUNT(averagers)},
    [METHOD_SYNTHETIC] = {"synthetic data set", "synthetic data sets", synthetics, COUNT(synthetics)},
    [METHOD_LAW] = {"law", "laws", laws, COUNT(laws)},
};

const char *method_kind_name(enum method_kind kind)
{
    return kinds[kind].name;
}

const char *method_kind_plural(enum method_kind kind)
{
    return kinds[kind].plural;
}

size_t registry_count(enum method_kind kind)
{
    if (kind == METHOD_PROBLEM)
        return kernels_active()->problem_count;
    if (kind == METHOD_UPDATE)
        return kernels_active()->update_count;
    return kinds[kind].count;
}

const struct method *registry_at(enum method_kind kind, size_t index)
{
    if (kind == METHOD_PROBLEM)
        return &kernels_active()->problem[index]->method;
    if (kind == METHOD_UPDATE) /* its first member is struct method */
        return (const struct method *)kernels_active()->update[index];
    return kinds[kind].list[index];
}

const struct method *registry_find(enum method_kind kind, const char *name, struct error *error)
{
    enum { NAMES_MAX = 128 };
    const char *names[NAMES_MAX];
    size_t count = registry_count(kind);
    for (size_t i = 0; i < count; i++) {
        const struct method *method = registry_at(kind, i);
        if (strcmp(method->name, name) == 0)
            return method;
        if (i < NAMES_MAX)
            names[i] = method->name;
    }
    name_unknown(error, kinds[kind].name, name, names, count < NAMES_MAX ? count : NAMES_MAX);
    return NULL;
}

enum status name_unknown(struct error *error, const char *what, const char *name, const char *const *names,
                         size_t count)
{
    char list[ERROR_MESSAGE_MAX] = "";
    size_t used = 0;
    for (size_t i = 0; i < count && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
    const char *nearest = nearest_name(name, names, count);
    if (count == 0)
        return error_set(error, STATUS_USAGE, "unknown %s '%.80s'", what, name);
    if (nearest)
        return error_set(error, STATUS_USAGE, "unknown %s '%.80s' (did you mean '%s'?); valid: %s", what, name, nearest,
                         list);
    return error_set(error, STATUS_USAGE, "unknown %s '%.80s'; valid: %s", what, name, list);
}

/* ---- the nearest name ---- */

enum { NAME_MAX_COMPARED = 64 };

static size_t min2(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment: like Levenshtein's distance, and swapping two neighbours costs 1. Three rows suffice. */
static size_t edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t rows[3][NAME_MAX_COMPARED + 1], *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_length; j++)
        last[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t substitute = last[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = min2(substitute, min2(last[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = min2(row[j], before[j - 2] + 1);
        }
        size_t *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[b_length];
}

const char *nearest_name(const char *name, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t length = strlen(name), limit = length / 3 > 2 ? length / 3 : 2, least = limit + 1;
    if (length > NAME_MAX_COMPARED)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t other = strlen(names[i]);
        if (other > NAME_MAX_COMPARED)
            continue;
        size_t distance = edit_distance(name, length, names[i], other);
        if (distance < least) {
            least = distance;
            best = names[i];
        }
    }
    return best;
}
