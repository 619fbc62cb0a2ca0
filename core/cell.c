/* A cell in words: canonical JSON, keys, and the columns of the text tables. */
#include <math.h>
#include <nettle/sha2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "estimator.h"
#include "json.h"
#include "sweep_internal.h"

static const struct method *update_method(const struct run_config *config)
{
    return (const struct method *)config->update; /* its first member */
}

/* ---- what has no effect is dropped ---- */

/* Momentum 0 without dampening is plain SGD, whatever the rule. */
static void canonical_update(struct run_config *config)
{
    const struct method *method = update_method(config);
    int momentum = param_find(method->params, method->param_count, "momentum");
    int dampening = param_find(method->params, method->param_count, "dampening");
    if (momentum < 0 || config->update_values.scalar[momentum] != 0.0 ||
        (dampening >= 0 && config->update_values.scalar[dampening] != 0.0))
        return;
    const struct method *sgd = registry_find(METHOD_UPDATE, "sgd", NULL);
    if (sgd) {
        config->update = (const struct update_type *)sgd;
        param_defaults(sgd->params, sgd->param_count, &config->update_values);
    }
}

static void canonical_sampling(struct run_config *config)
{
    const struct sampler_type *type = config->sampler;
    size_t n = config->problem.data->train.rows;
    if (type->deterministic && !type->by_epoch)
        config->batch_size = n; /* full */
    if (type->by_epoch && config->keep_last && config->batch_size > n)
        config->batch_size = n;
    if (!type->by_epoch || n % config->batch_size == 0)
        config->keep_last = true; /* there is no short batch */
}

/* What an estimator run does not look at. */
static void canonical_estimator(struct run_config *config)
{
    const struct method *averager = registry_find(METHOD_AVERAGER, "last", NULL);
    if (config->at != AT_GAUSSIAN && config->at != AT_OPTIMUM_GAUSSIAN)
        config->at_scale = 0.0;
    config->metrics = 0;
    config->points = 0;
    config->spacing = SPACING_LOG;
    config->timing = TIMING_PACKED;
    if (averager) {
        config->averager = (const struct averager_type *)averager;
        param_defaults(averager->params, averager->param_count, &config->averager_values);
    }
    if (config_momentum(config) == 0.0)
        config->velocity_steps = 0; /* its velocity is the gradient */
    if (config->at == AT_AFTER)
        return;
    const struct method *update = registry_find(METHOD_UPDATE, "sgd", NULL);
    if (update && !config->velocity_steps) {
        config->update = (const struct update_type *)update;
        param_defaults(update->params, update->param_count, &config->update_values);
    }
    config->steps = 0;
    config->schedule = (struct schedule){0};
    config->clip = CLIP_NONE;
    config->clip_norm = 0.0;
    config->local_workers = config->sync_every = 1;
    if (config->at != AT_START)
        config->start = (struct start){0};
}

void config_canonical(struct run_config *config)
{
    struct problem *problem = &config->problem;
    canonical_sampling(config);
    canonical_update(config);
    if (problem->l1 == 0.0)
        problem->l1_form = L1_PROXIMAL;
    if (!problem->data->intercept || (problem->l1 == 0.0 && problem->l2 == 0.0))
        problem->penalize_intercept = false;
    if (config->schedule.warmup <= 1)
        config->schedule.warmup = 0; /* min(1, (t+1)/1) is 1 */
    if (config->clip == CLIP_NONE)
        config->clip_norm = 0.0;
    if (config->local_workers <= 1)
        config->local_workers = config->sync_every = 1;
    if (config->start.kind == START_GAUSSIAN && config->start.scale == 0.0)
        config->start.kind = START_ZEROS;
    if (config->kind == KIND_ESTIMATOR)
        canonical_estimator(config);
}

/* ---- canonical JSON: keys in alphabetical order, by hand where they are known, sorted where they are not ---- */

struct member {
    const char *key;
    double number;
    const char *word; /* not NULL: in place of the number */
    const double *list;
    size_t count;
};

enum { MEMBERS_MAX = PARAMS_MAX + 3 };

static int compare_members(const void *left, const void *right)
{
    return strcmp(((const struct member *)left)->key, ((const struct member *)right)->key);
}

/* The parameters of a method; returns how many. An optional number that is 0, like its default, is left out: dampening,
 * floor. */
static size_t value_members(const struct method *method, const struct param_values *values, struct member *member)
{
    size_t count = 0;
    for (size_t i = 0; i < method->param_count; i++) {
        const struct param *param = &method->params[i];
        double value = values->scalar[i];
        if (param->kind == PARAM_LIST) {
            if (values->list_count)
                member[count++] = (struct member){param->name, 0.0, NULL, values->list, values->list_count};
        } else {
            bool number = param->kind == PARAM_REAL || param->kind == PARAM_COUNT;
            if (number && !param->required && param->fallback == 0.0 && value == 0.0)
                continue;
            const char *word = param->kind == PARAM_CHOICE ? param->choices[(size_t)value] : NULL;
            if (param->kind == PARAM_BOOL)
                word = value != 0.0 ? "true" : "false";
            member[count++] = (struct member){param->name, value, word, NULL, 0};
        }
    }
    return count;
}

static void members_json(struct json *json, struct member *member, size_t count)
{
    qsort(member, count, sizeof *member, compare_members);
    json_begin(json, '{');
    for (size_t i = 0; i < count; i++) {
        json_key(json, member[i].key);
        if (member[i].list) {
            json_begin(json, '[');
            for (size_t j = 0; j < member[i].count; j++)
                json_real(json, member[i].list[j]);
            json_end(json, ']');
        } else if (member[i].word) {
            json_string(json, member[i].word);
        } else {
            json_real(json, member[i].number);
        }
    }
    json_end(json, '}');
}

/* {parameters, "revision", "type"} and one member more, NULL: none. */
static void method_json(struct json *json, const struct method *method, const struct param_values *values,
                        const struct member *extra)
{
    struct member member[MEMBERS_MAX];
    size_t count = value_members(method, values, member);
    member[count++] = (struct member){"revision", (double)method->revision, NULL, NULL, 0};
    member[count++] = (struct member){"type", 0.0, method->name, NULL, 0};
    if (extra)
        member[count++] = *extra;
    members_json(json, member, count);
}

static void key_word(struct json *json, const char *key, const char *word)
{
    json_key(json, key);
    json_string(json, word);
}

static void key_real(struct json *json, const char *key, double value)
{
    json_key(json, key);
    json_real(json, value);
}

static void key_count(struct json *json, const char *key, uint64_t value)
{
    json_key(json, key);
    json_count(json, value);
}

static const char *choice(enum section_id section, size_t setting, size_t value)
{
    return section_at(section)->setting[setting].param.choices[value];
}

static bool data_seeded(const struct data_spec *spec)
{
    return spec->synthetic || spec->test_fraction > 0.0 || spec->label_noise > 0.0 || spec->order == ORDER_SHUFFLED;
}

/* What the numbers of the data depend on: the checksum of the file, and how it was prepared. Its name and path are not
 * part of it. */
static void data_json(struct json *json, const struct run_config *config)
{
    const struct dataset *data = config->problem.data;
    const struct data_spec *spec = config->data_spec;
    json_begin(json, '{');
    key_word(json, "checksum", data->checksum);
    if (spec && data_seeded(spec))
        key_count(json, "data_seed", spec->data_seed);
    if (spec && spec->format != FORMAT_AUTO)
        key_word(json, "format", choice(SECTION_PROBLEM, PROBLEM_FORMAT, spec->format));
    json_key(json, "intercept");
    json_bool(json, data->intercept);
    if (spec && spec->label_noise > 0.0)
        key_real(json, "label_noise", spec->label_noise);
    if (spec && spec->order != ORDER_AS_GIVEN)
        key_word(json, "order", choice(SECTION_PROBLEM, PROBLEM_ORDER, spec->order));
    if (spec && spec->positive)
        key_word(json, "positive", spec->positive);
    json_key(json, "standardize");
    json_bool(json, data->standardized);
    if (spec && spec->synthetic) {
        json_key(json, "synthetic");
        method_json(json, &spec->synthetic->method, &spec->values, NULL);
    }
    if (spec && spec->target)
        key_word(json, "target", spec->target);
    if (spec && spec->test_fraction > 0.0)
        key_real(json, "test_fraction", spec->test_fraction);
    json_end(json, '}');
}

static void estimator_json(struct json *json, const struct run_config *config)
{
    json_begin(json, '{');
    key_word(json, "at", choice(SECTION_AT, AT_TYPE, config->at));
    key_count(json, "draws", config->draws);
    if (config->at == AT_GAUSSIAN || config->at == AT_OPTIMUM_GAUSSIAN)
        key_real(json, "scale", config->at_scale);
    if (config->velocity_steps)
        key_count(json, "velocity_steps", config->velocity_steps);
    json_end(json, '}');
}

static void problem_json(struct json *json, const struct problem *problem)
{
    json_begin(json, '{');
    key_real(json, "l1", problem->l1);
    if (problem->l1_form != L1_PROXIMAL)
        key_word(json, "l1_form", choice(SECTION_PROBLEM, PROBLEM_L1_FORM, problem->l1_form));
    key_real(json, "l2", problem->l2);
    if (problem->type->method.param_count) {
        struct member member[MEMBERS_MAX];
        json_key(json, "parameters");
        members_json(json, member, value_members(&problem->type->method, &problem->values, member));
    }
    if (problem->penalize_intercept) {
        json_key(json, "penalize_intercept");
        json_bool(json, true);
    }
    if (isfinite(problem->radius))
        key_real(json, "radius", problem->radius);
    key_count(json, "revision", problem->type->method.revision);
    key_word(json, "type", problem->type->method.name);
    json_end(json, '}');
}

static void record_json(struct json *json, const struct run_config *config)
{
    json_begin(json, '{');
    json_key(json, "metrics");
    json_begin(json, '[');
    for (size_t i = 0; i < METRIC_COUNT; i++)
        if (config->metrics & 1u << i)
            json_string(json, metric_info[i].name);
    json_end(json, ']');
    key_count(json, "points", config->points);
    key_word(json, "spacing", choice(SECTION_RECORD, RECORD_SPACING, config->spacing));
    json_end(json, '}');
}

static void start_json(struct json *json, const struct run_config *config)
{
    const struct start *start = &config->start;
    static const char *const word[] = {
        [START_ZEROS] = "zeros", [START_INSTANCE] = "instance", [START_INITIAL] = "initial"};
    if (start->kind == START_ZEROS || start->kind == START_INSTANCE || start->kind == START_INITIAL) {
        json_string(json, word[start->kind]);
    } else if (start->kind == START_LIST) {
        json_begin(json, '[');
        for (size_t i = 0; i < problem_dim(&config->problem); i++)
            json_real(json, start->list[i]);
        json_end(json, ']');
    } else {
        json_begin(json, '{');
        key_real(json, start->kind == START_GAUSSIAN ? "gaussian" : "optimum", start->scale);
        json_end(json, '}');
    }
}

char *cell_json(const struct run_config *given)
{
    struct run_config canonical = *given;
    const struct run_config *config = &canonical;
    config_canonical(&canonical);
    bool training = config->kind == KIND_TRAINING, trains = training || config->at == AT_AFTER;
    struct json json = {0};
    json_begin(&json, '{');
    if (training) {
        json_key(&json, "averaging");
        method_json(&json, &config->averager->method, &config->averager_values, NULL);
    }
    key_count(&json, "batch_size", config->batch_size);
    if (config->clip != CLIP_NONE) {
        json_key(&json, "clip");
        json_begin(&json, '{');
        key_word(&json, "each", choice(SECTION_CLIP, CLIP_SETTING_EACH, config->clip == CLIP_SAMPLE ? 0 : 1));
        key_real(&json, "norm", config->clip_norm);
        json_end(&json, '}');
    }
    json_key(&json, "data");
    data_json(&json, config);
    if (!training) {
        json_key(&json, "estimator");
        estimator_json(&json, config);
    }
    if (config->keep == KEEP_MOMENTS) {
        json_key(&json, "keep");
        json_begin(&json, '{');
        key_count(&json, "group", GROUP_CHAINS);
        key_word(&json, "type", meta_at(META_KEEP)->param.choices[KEEP_MOMENTS]);
        json_end(&json, '}');
    }
    key_word(&json, "kernel", kernel_family());
    if (!config->keep_last)
        key_word(&json, "last_batch", choice(SECTION_LAST_BATCH, 0, 1));
    if (config->local_workers > 1) {
        json_key(&json, "local");
        json_begin(&json, '{');
        key_count(&json, "sync_every", config->sync_every);
        key_count(&json, "workers", config->local_workers);
        json_end(&json, '}');
    }
    json_key(&json, "problem");
    problem_json(&json, &config->problem);
    if (training) {
        json_key(&json, "record");
        record_json(&json, config);
    }
    json_key(&json, "sampling");
    method_json(&json, &config->sampler->method, &config->sampler_values, NULL);
    if (trains) {
        const struct member warmup = {"warmup", (double)config->schedule.warmup, NULL, NULL, 0};
        json_key(&json, "schedule");
        method_json(&json, &config->schedule.type->method, &config->schedule.values,
                    config->schedule.warmup ? &warmup : NULL);
    }
    if (trains || config->at == AT_START) {
        json_key(&json, "start");
        start_json(&json, config);
    }
    if (trains)
        key_count(&json, "steps", config->steps);
    if (config->stream_group) {
        char group[24];
        snprintf(group, sizeof group, "%016llx", (unsigned long long)config->stream_group);
        key_word(&json, "stream_group", group);
    }
    if (config->timing == TIMING_SOLO)
        key_word(&json, "timing", choice(SECTION_TIMING, 0, TIMING_SOLO));
    if (trains || config->velocity_steps) {
        json_key(&json, "update");
        method_json(&json, update_method(config), &config->update_values, NULL);
    }
    json_end(&json, '}');
    return json_take(&json);
}

/* ---- keys ---- */

static struct key hash(size_t length, const uint8_t *bytes)
{
    struct sha256_ctx context;
    struct key key;
    sha256_init(&context);
    sha256_update(&context, length, bytes);
    sha256_digest(&context, sizeof key.byte, key.byte);
    return key;
}

struct key cell_key(const char *json)
{
    return hash(strlen(json), (const uint8_t *)json);
}

/* The cell's key and some numbers, little-endian on every machine. */
static struct key key_with(struct key cell, const uint64_t *number, size_t count)
{
    enum { NUMBERS_MAX = 3 };
    uint8_t bytes[sizeof cell.byte + NUMBERS_MAX * sizeof *number];
    memcpy(bytes, cell.byte, sizeof cell.byte);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < 8; j++)
            bytes[sizeof cell.byte + 8 * i + j] = (uint8_t)(number[i] >> 8 * j);
    return hash(sizeof cell.byte + count * sizeof *number, bytes);
}

struct key run_key(struct key cell, uint64_t seed, uint64_t replicate)
{
    return key_with(cell, (const uint64_t[]){seed, replicate}, 2);
}

struct key group_key(struct key cell, uint64_t seed, uint64_t first, uint64_t chains)
{
    return key_with(cell, (const uint64_t[]){seed, first, chains}, 3);
}

/* ---- columns ---- */

struct words {
    char *text;
    size_t used, size;
    bool open; /* a ( was written */
};

static void put(struct words *words, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct words *words, const char *format, ...)
{
    va_list args;
    if (words->used >= words->size)
        return;
    va_start(args, format);
    words->used += (size_t)vsnprintf(words->text + words->used, words->size - words->used, format, args);
    va_end(args);
}

static void put_number(struct words *words, const char *name, double value)
{
    char number[NUMBER_TEXT_MAX];
    number_text(number, value);
    put(words, "%s%s=%s", words->open ? ";" : "(", name, number);
    words->open = true;
}

static void put_close(struct words *words)
{
    if (words->open)
        put(words, ")");
}

/* "name(param=value;...)": parameters other than their defaults, from number `first` on, without the one called
 * `left_out` (which has a column of its own). */
static void put_method(struct words *words, const struct method *method, const struct param_values *values,
                       size_t first, const char *left_out)
{
    put(words, "%s", method->name);
    for (size_t i = first; i < method->param_count; i++) {
        const struct param *param = &method->params[i];
        if (strcmp(param->name, left_out) == 0)
            continue;
        if (param->kind == PARAM_LIST) {
            for (size_t j = 0; j < values->list_count; j++) { /* hidden=64-32 */
                char number[NUMBER_TEXT_MAX];
                number_text(number, values->list[j]);
                if (j == 0)
                    put_number(words, param->name, values->list[j]);
                else
                    put(words, "-%s", number);
            }
        } else if (param->kind == PARAM_CHOICE && values->scalar[i] != param->fallback) {
            put(words, "%s%s=%s", words->open ? ";" : "(", param->name, param->choices[(size_t)values->scalar[i]]);
            words->open = true;
        } else if (param->required || values->scalar[i] != param->fallback) {
            put_number(words, param->name, values->scalar[i]);
        }
    }
}

void cell_columns(const struct run_config *given, struct cell_columns *out)
{
    struct run_config canonical = *given;
    const struct run_config *config = &canonical;
    config_canonical(&canonical);
    const struct problem *problem = &config->problem;
    const struct method *update = update_method(config);
    *out = (struct cell_columns){.n = problem->data->train.rows,
                                 .d = problem_dim(problem),
                                 .batch_size = config->batch_size,
                                 .l2 = problem->l2,
                                 .steps = config->steps};
    struct words words = {out->problem, 0, sizeof out->problem, false};
    put_method(&words, &problem->type->method, &problem->values, 0, "");
    if (problem->l1 > 0.0)
        put_number(&words, "l1", problem->l1);
    if (isfinite(problem->radius))
        put_number(&words, "radius", problem->radius);
    put_close(&words);

    words = (struct words){out->data, 0, sizeof out->data, false};
    const struct data_spec *spec = config->data_spec;
    if (spec && spec->synthetic)
        put_method(&words, &spec->synthetic->method, &spec->values, 0, "");
    else
        put(&words, "%s", problem->data->name ? problem->data->name : "");
    if (spec && spec->order != ORDER_AS_GIVEN) {
        put(&words, "%sorder=%s", words.open ? ";" : "(", choice(SECTION_PROBLEM, PROBLEM_ORDER, spec->order));
        words.open = true;
    }
    if (spec && spec->label_noise > 0.0)
        put_number(&words, "label_noise", spec->label_noise);
    if (spec && data_seeded(spec) && spec->data_seed != 1)
        put_number(&words, "data_seed", (double)spec->data_seed);
    put_close(&words);

    words = (struct words){out->sampling, 0, sizeof out->sampling, false};
    put_method(&words, &config->sampler->method, &config->sampler_values, 0, "");
    put_close(&words);

    if (config->schedule.type) {
        words = (struct words){out->schedule, 0, sizeof out->schedule, false};
        put_method(&words, &config->schedule.type->method, &config->schedule.values, 1, "");
        if (config->schedule.warmup)
            put_number(&words, "warmup", (double)config->schedule.warmup);
        put_close(&words);
        out->rate = config->schedule.values.scalar[0];
    }
    words = (struct words){out->update, 0, sizeof out->update, false};
    put_method(&words, update, &config->update_values, 0, "momentum");
    put_close(&words);
    int momentum = param_find(update->params, update->param_count, "momentum");
    out->momentum = momentum >= 0 ? config->update_values.scalar[momentum] : 0.0;

    words = (struct words){out->averaging, 0, sizeof out->averaging, false};
    put_method(&words, &config->averager->method, &config->averager_values, 0, "");
    put_close(&words);
}
