/* The table of settings. A new setting is a row here, its number in settings.h and its use in sweep_cell.c. */
#include "settings.h"

#include <math.h>
#include <string.h>

#include "engine.h"

static const char *const l1_forms[] = {"proximal", "subgradient", NULL};
static const char *const orders[] = {"as_given", "shuffled", "sorted_by_label", NULL};
static const char *const formats[] = {"auto", "libsvm", "csv", NULL};
static const char *const last_batches[] = {"keep", "drop", NULL};
static const char *const clip_eaches[] = {"sample", "batch", NULL};
static const char *const spacings[] = {"log", "linear", NULL};
static const char *const timings[] = {"packed", "solo", NULL};
static const char *const kinds[] = {"training", "estimator", NULL};
static const char *const ats[] = {"start", "optimum", "gaussian", "after", "optimum_gaussian", NULL};
static const char *const scalings[] = {"none", "linear", "sqrt", NULL}; /* enum scaling */
static const char *const keeps[] = {"runs", "moments", NULL};

#define SEED_MOST  9007199254740992.0 /* 2^53: beyond it doubles skip whole numbers */
#define STEPS_MOST 1e15

static const char *const natural = "true for real dense data, false for synthetic and sparse";

static const struct setting problem_settings[PROBLEM_SETTINGS] = {
    [PROBLEM_DATA] = {.param = {.name = "data",
                                .required = true,
                                .help = "a shipped name, a path, or {synthetic: NAME, parameters of NAME}"},
                      .form = FORM_DATA},
    [PROBLEM_L1] = {.param = {.name = "l1",
                              .kind = PARAM_REAL,
                              .min = 0,
                              .max = INFINITY,
                              .help = "weight of the penalty l1 |x|_1"}},
    [PROBLEM_L2] = {.param = {.name = "l2",
                              .kind = PARAM_REAL,
                              .min = 0,
                              .max = INFINITY,
                              .help = "weight of the penalty (l2/2) |x|^2"}},
    [PROBLEM_L1_FORM] = {.param = {.name = "l1_form",
                                   .kind = PARAM_CHOICE,
                                   .choices = l1_forms,
                                   .help = "how a step sees l1: by soft thresholding, or by a subgradient"}},
    [PROBLEM_RADIUS] = {.param = {.name = "radius",
                                  .kind = PARAM_REAL,
                                  .fallback = INFINITY,
                                  .min = 0,
                                  .min_open = true,
                                  .max = INFINITY,
                                  .help = "project on the ball |x| <= radius after every step"},
                        .fallback_text = "none"},
    [PROBLEM_INTERCEPT] = {.param = {.name = "intercept",
                                     .kind = PARAM_BOOL,
                                     .fallback = -1,
                                     .help = "append a constant 1 to every sample"},
                           .fallback_text = natural},
    [PROBLEM_PENALIZE_INTERCEPT] = {.param = {.name = "penalize_intercept",
                                              .kind = PARAM_BOOL,
                                              .help = "let l1 and l2 see the intercept"}},
    [PROBLEM_STANDARDIZE] = {.param = {.name = "standardize",
                                       .kind = PARAM_BOOL,
                                       .fallback = -1,
                                       .help =
                                           "mean 0 and standard deviation 1 of every column, by the training samples"},
                             .fallback_text = natural},
    [PROBLEM_TEST_FRACTION] = {.param = {.name = "test_fraction",
                                         .kind = PARAM_REAL,
                                         .min = 0,
                                         .max = 1,
                                         .max_open = true,
                                         .help = "share of the samples set aside for testing, stratified by class"}},
    [PROBLEM_LABEL_NOISE] = {.param = {.name = "label_noise",
                                       .kind = PARAM_REAL,
                                       .min = 0,
                                       .max = 1,
                                       .max_open = true,
                                       .help = "share of the training labels redrawn uniformly among the other "
                                               "classes; test labels stay as they are"}},
    [PROBLEM_ORDER] = {.param = {.name = "order",
                                 .kind = PARAM_CHOICE,
                                 .choices = orders,
                                 .help = "order of the training samples: what cyclic and shuffle_once start from"}},
    [PROBLEM_POSITIVE] = {.param = {.name = "positive", .help = "the class that becomes +1, all others -1"},
                          .form = FORM_TEXT,
                          .fallback_text = "none"},
    [PROBLEM_FORMAT] = {.param = {.name = "format",
                                  .kind = PARAM_CHOICE,
                                  .choices = formats,
                                  .help = "of the file; auto: .csv and .csv.gz are CSV, anything else LIBSVM"}},
    [PROBLEM_TARGET] = {.param = {.name = "target", .help = "CSV: the target's column name, or number from 1"},
                        .form = FORM_TEXT,
                        .fallback_text = "the column y, label or target, else the last"},
    [PROBLEM_DATA_SEED] =
        {.param = {.name = "data_seed",
                   .kind = PARAM_COUNT,
                   .fallback = 1,
                   .min = 0,
                   .max = SEED_MOST,
                   .help = "seed of synthetic data, of split, label noise and order; no replicate changes it"}},
    [PROBLEM_START] =
        {.param = {.name = "start",
                   .help = "x_0: zeros | {gaussian: S} (standard deviation) | optimum | {optimum: OFFSET} (added "
                           "to every coordinate of x*) | instance (the start that the synthetic data name, from x*) "
                           "| initial (random, the problem's own) | a list of numbers"},
         .form = FORM_START,
         .fallback_text = "zeros, or initial where the problem has it"},
};

static const struct setting batch_size_settings[] = {
    {.param = {.name = "batch_size",
               .unit = "samples",
               .kind = PARAM_COUNT,
               .fallback = 1,
               .min = 1,
               .max = 4294967295.0,
               .help = "m, samples in a step; arithmetic on n (n/4) rounds down, to 1 at least; beyond n an epoch is "
                       "one step of n"}},
};
static const struct setting last_batch_settings[] = {
    {.param = {.name = "last_batch",
               .kind = PARAM_CHOICE,
               .choices = last_batches,
               .help = "the short batch at the end of an epoch (reshuffle, shuffle_once, cyclic)"}},
};
static const struct setting schedule_settings[] = {
    [SCHEDULE_WARMUP] = {.param = {.name = "warmup",
                                   .unit = "steps",
                                   .kind = PARAM_COUNT,
                                   .min = 0,
                                   .max = STEPS_MOST,
                                   .help = "multiply the rate by min(1, (t+1)/W)"}},
    [SCHEDULE_SCALING] = {.param = {.name = "scaling",
                                    .kind = PARAM_CHOICE,
                                    .choices = scalings,
                                    .help = "the rate given is that of one sample: multiply it by the batch size m "
                                            "(linear; Goyal et al. 2017) or by sqrt m"}},
};
static const struct setting clip_settings[] = {
    [CLIP_SETTING_NORM] = {.param = {.name = "norm",
                                     .kind = PARAM_REAL,
                                     .fallback = INFINITY,
                                     .min = 0,
                                     .min_open = true,
                                     .max = INFINITY,
                                     .help = "tau: a longer gradient g becomes g tau/|g|"},
                           .fallback_text = "none"},
    [CLIP_SETTING_EACH] = {.param = {.name = "each",
                                     .kind = PARAM_CHOICE,
                                     .choices = clip_eaches,
                                     .fallback = 1,
                                     .help = "clip every sample's gradient, or their mean"}},
};
static const struct setting local_settings[] = {
    [LOCAL_WORKERS] = {.param = {.name = "workers",
                                 .kind = PARAM_COUNT,
                                 .fallback = 1,
                                 .min = 1,
                                 .max = LANES_MAX,
                                 .help = "K workers, each with its own draws"}},
    [LOCAL_SYNC_EVERY] = {.param = {.name = "sync_every",
                                    .unit = "steps",
                                    .kind = PARAM_COUNT,
                                    .fallback = 1,
                                    .min = 1,
                                    .max = STEPS_MOST,
                                    .help = "H: the workers' iterates are averaged every H steps"}},
};
static const struct setting budget_settings[] = {
    [BUDGET_EPOCHS] = {.param = {.name = "epochs",
                                 .kind = PARAM_REAL,
                                 .min = 0,
                                 .min_open = true,
                                 .max = STEPS_MOST,
                                 .help = "n sample gradients make one epoch"},
                       .fallback_text = "one of the three"},
    [BUDGET_STEPS] = {.param = {.name = "steps", .kind = PARAM_COUNT, .min = 1, .max = STEPS_MOST, .help = "updates"},
                      .fallback_text = "one of the three"},
    [BUDGET_SAMPLES] =
        {.param = {.name = "samples", .kind = PARAM_COUNT, .min = 1, .max = STEPS_MOST, .help = "sample gradients"},
         .fallback_text = "one of the three"},
};
static const struct setting record_settings[] = {
    [RECORD_POINTS] = {.param = {.name = "points",
                                 .kind = PARAM_COUNT,
                                 .fallback = 60,
                                 .min = 2,
                                 .max = 1e6,
                                 .help = "recorded steps at most, the start and the end among them"}},
    [RECORD_SPACING] =
        {.param = {.name = "spacing", .kind = PARAM_CHOICE, .choices = spacings, .help = "of the recorded steps"}},
    [RECORD_METRICS] = {.param = {.name = "metrics", .help = "what is measured there: see `sgdlab list metrics`"},
                        .form = FORM_METRICS,
                        .fallback_text = "[loss, gap]"},
};
static const struct setting timing_settings[] = {
    {.param = {.name = "timing",
               .kind = PARAM_CHOICE,
               .choices = timings,
               .help = "packed: seconds are a block's time over its lanes; solo: one lane on one thread"}},
};
static const struct setting kind_settings[] = {
    {.param = {.name = "kind",
               .kind = PARAM_CHOICE,
               .choices = kinds,
               .help = "train, or study the gradient estimate at a frozen iterate"}},
};
static const struct setting at_settings[] = {
    [AT_TYPE] = {.param = {.name = "type",
                           .kind = PARAM_CHOICE,
                           .choices = ats,
                           .help = "where an estimator run freezes the iterate"}},
    [AT_SCALE] = {.param = {.name = "scale",
                            .kind = PARAM_REAL,
                            .fallback = 1,
                            .min = 0,
                            .max = INFINITY,
                            .help = "gaussian, optimum_gaussian: standard deviation of each coordinate"}},
    [AT_STEPS] = {.param = {.name = "steps",
                            .unit = "steps",
                            .kind = PARAM_COUNT,
                            .min = 0,
                            .max = STEPS_MOST,
                            .help = "after: steps of training before"}},
};
static const struct setting draws_settings[] = {
    {.param = {.name = "draws",
               .kind = PARAM_COUNT,
               .fallback = 10000,
               .min = 2,
               .max = STEPS_MOST,
               .help = "batches that an estimator run draws; arithmetic on n and m: small batches scatter more, and "
                       "5000 + 60000/m gives them their due"}},
};

static const struct setting velocity_steps_settings[] = {
    {.param = {.name = "velocity_steps",
               .unit = "steps",
               .kind = PARAM_COUNT,
               .min = 0,
               .max = 1e9,
               .help =
                   "t: study (1 - beta) v_t of heavy_ball from v_0 = 0 at the frozen iterate; 0: the batch gradient"}},
};

#define ROWS(table) .setting = (table), .count = sizeof(table) / sizeof *(table)

static const struct section sections[SECTION_COUNT] = {
    [SECTION_PROBLEM] = {"problem", METHOD_PROBLEM, .shorthand = -1, ROWS(problem_settings),
                         .help = "what is minimised: the mean loss + (l2/2)|x|^2 + l1|x|_1"},
    [SECTION_SAMPLING] = {"sampling", METHOD_SAMPLER, .type = "with_replacement", .shorthand = -1,
                          .help = "which samples a step uses"},
    [SECTION_BATCH_SIZE] = {"batch_size", -1, .single = true, ROWS(batch_size_settings), .help = "samples in a step"},
    [SECTION_LAST_BATCH] = {"last_batch", -1, .single = true, ROWS(last_batch_settings),
                            .help = "the short batch at the end of an epoch"},
    [SECTION_SCHEDULE] = {"schedule", METHOD_SCHEDULE, .shorthand = -1, ROWS(schedule_settings),
                          .help = "the learning rate at step t of T; counts may be given as {epochs: E}"},
    [SECTION_UPDATE] = {"update", METHOD_UPDATE, .type = "sgd", .shorthand = -1,
                        .help = "from the gradient to the next iterate"},
    [SECTION_AVERAGING] = {"averaging", METHOD_AVERAGER, .type = "last", .shorthand = -1,
                           .help = "which mean of the iterates is measured"},
    [SECTION_CLIP] = {"clip", -1, .shorthand = CLIP_SETTING_NORM, ROWS(clip_settings),
                      .help = "gradient clipping by norm"},
    [SECTION_LOCAL] = {"local", -1, .shorthand = -1, ROWS(local_settings), .help = "local SGD"},
    [SECTION_BUDGET] = {"budget", -1, .shorthand = -1, ROWS(budget_settings),
                        .help = "the length of a run, T: one of epochs, steps and samples"},
    [SECTION_RECORD] = {"record", -1, .shorthand = -1, ROWS(record_settings), .help = "what is recorded, and when"},
    [SECTION_TIMING] = {"timing", -1, .single = true, ROWS(timing_settings), .help = "what the seconds mean"},
    [SECTION_KIND] = {"kind", -1, .single = true, ROWS(kind_settings), .help = "training or estimator runs"},
    [SECTION_AT] = {"at", -1, .shorthand = AT_TYPE, ROWS(at_settings), .help = "estimator runs: the frozen iterate"},
    [SECTION_DRAWS] = {"draws", -1, .single = true, ROWS(draws_settings), .help = "estimator runs: batches drawn"},
    [SECTION_VELOCITY_STEPS] = {"velocity_steps", -1, .single = true, ROWS(velocity_steps_settings),
                                .help = "estimator runs: momentum's velocity in place of the gradient"},
};

static const struct setting metas[META_COUNT] = {
    [META_EXPERIMENT] = {.param = {.name = "experiment", .help = "its name"},
                         .form = FORM_TEXT,
                         .fallback_text = "the file's stem"},
    [META_QUESTION] = {.param = {.name = "question", .help = "the research question, in a sentence"},
                       .form = FORM_TEXT,
                       .fallback_text = "empty"},
    [META_REPLICATES] = {.param = {.name = "replicates",
                                   .kind = PARAM_COUNT,
                                   .fallback = 1,
                                   .min = 1,
                                   .max = 1e9,
                                   .help = "independent seeds of every cell"}},
    [META_SEED] = {.param = {.name = "seed",
                             .kind = PARAM_COUNT,
                             .fallback = 1,
                             .min = 0,
                             .max = SEED_MOST,
                             .help = "the master seed"}},
    [META_SWEEP] = {.param = {.name = "sweep",
                              .help = "settings, also by dotted path, with the list of their values; every "
                                      "combination is a cell"},
                    .form = FORM_LIST,
                    .fallback_text = "one cell"},
    [META_INDEPENDENT_OVER] = {.param = {.name = "independent_over",
                                         .help = "settings whose values get their own random "
                                                 "streams"},
                               .form = FORM_LIST,
                               .fallback_text = "none"},
    [META_KEEP] = {.param = {.name = "keep",
                             .kind = PARAM_CHOICE,
                             .choices = keeps,
                             .help = "what is stored: every run, or moments over groups of 64 replicates (many "
                                     "short chains; training, timing: packed)"}},
    [META_PROFILES] = {.param = {.name = "profiles", .help = "named sets of changes, chosen by --profile"},
                       .form = FORM_LIST,
                       .fallback_text = "none"},
    [META_FIGURES] = {.param = {.name = "figures", .help = "names, or mappings with a figure's options"},
                      .form = FORM_LIST,
                      .fallback_text = "none"},
    [META_LAWS] = {.param = {.name = "laws",
                             .help = "laws to verify: {law: NAME, expect: confirmed | refuted | inconclusive, note: "
                                     "TEXT, margin: M, slope_margin: M, instance: TEXT, where: {SETTING: VALUES}, "
                                     "parameters of NAME}"},
                   .form = FORM_LIST,
                   .fallback_text = "none"},
    [META_MARGINS] = {.param = {.name = "margins",
                                .help = "what laws may be off by and still be confirmed: {value: RELATIVE, slope: "
                                        "DIFFERENCE}"},
                      .form = FORM_LIST,
                      .fallback_text = "{value: 0.02, slope: 0.02}"},
};

static const struct short_form short_forms[] = {
    {"momentum", "update", "0 is {type: sgd}, B is {type: heavy_ball, momentum: B}"},
    {"data_seed", "problem.data_seed", "the same at top level"},
};

static const char *const exclusive_sets[][4] = {
    {"momentum", "update"},
    {"budget.epochs", "budget.steps", "budget.samples"},
    {"schedule.rate", "schedule.c"},
    {"schedule.every", "schedule.breaks"},
    {"schedule.warmup.steps", "schedule.warmup.epochs"},
};

const struct section *section_at(enum section_id id)
{
    return &sections[id];
}

int section_find(const char *name, size_t length)
{
    for (int i = 0; i < SECTION_COUNT; i++)
        if (strlen(sections[i].name) == length && strncmp(sections[i].name, name, length) == 0)
            return i;
    return -1;
}

const struct setting *meta_at(enum meta_id id)
{
    return &metas[id];
}

int meta_find(const char *name)
{
    for (int i = 0; i < META_COUNT; i++)
        if (strcmp(metas[i].param.name, name) == 0)
            return i;
    return -1;
}

size_t short_form_count(void)
{
    return sizeof short_forms / sizeof *short_forms;
}

const struct short_form *short_form_at(size_t index)
{
    return &short_forms[index];
}

const char *const *exclusive_set(size_t index)
{
    return index < sizeof exclusive_sets / sizeof *exclusive_sets ? exclusive_sets[index] : NULL;
}

static bool method_takes_list(enum method_kind kind, const char *name, size_t length)
{
    for (size_t i = 0; i < registry_count(kind); i++) {
        const struct method *method = registry_at(kind, i);
        for (size_t j = 0; j < method->param_count; j++) {
            const struct param *param = &method->params[j];
            if (param->kind == PARAM_LIST && strlen(param->name) == length && strncmp(param->name, name, length) == 0)
                return true;
        }
    }
    return false;
}

bool setting_takes_list(const char *path)
{
    size_t head = strcspn(path, ".");
    int id = section_find(path, head);
    if (id < 0 || !path[head])
        return false;
    const char *name = path + head + 1, *rest = strchr(name, '.');
    size_t length = strcspn(name, ".");
    const struct section *section = &sections[id];
    if (!rest)
        for (size_t i = 0; i < section->count; i++)
            if (strcmp(section->setting[i].param.name, name) == 0)
                return section->setting[i].form == FORM_METRICS || section->setting[i].form == FORM_START;
    if (rest && strcmp(rest, ".epochs") != 0 && strcmp(rest, ".steps") != 0)
        return false;
    return section->method >= 0 && method_takes_list((enum method_kind)section->method, name, length);
}
