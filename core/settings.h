/* The table of everything an experiment may say: each row drives parsing, bounds, defaults, `sgdlab list settings` and
 * the documentation. Settings are grouped in sections, one per top-level key; a section whose `type` names a method
 * also takes that method's own parameters (registry.h). */
#ifndef SGDLAB_SETTINGS_H
#define SGDLAB_SETTINGS_H

#include "param.h"
#include "registry.h"

enum section_id {
    SECTION_PROBLEM,
    SECTION_SAMPLING,
    SECTION_BATCH_SIZE,
    SECTION_LAST_BATCH,
    SECTION_SCHEDULE,
    SECTION_UPDATE,
    SECTION_AVERAGING,
    SECTION_CLIP,
    SECTION_LOCAL,
    SECTION_BUDGET,
    SECTION_RECORD,
    SECTION_TIMING,
    SECTION_KIND,
    SECTION_AT,
    SECTION_DRAWS,
    SECTION_VELOCITY_STEPS,
    SECTION_COUNT
};

/* Numbers of the settings inside their sections; sections not listed have one setting, number 0, or none. */
enum {
    PROBLEM_DATA,
    PROBLEM_L1,
    PROBLEM_L2,
    PROBLEM_L1_FORM,
    PROBLEM_RADIUS,
    PROBLEM_INTERCEPT,
    PROBLEM_PENALIZE_INTERCEPT,
    PROBLEM_STANDARDIZE,
    PROBLEM_TEST_FRACTION,
    PROBLEM_LABEL_NOISE,
    PROBLEM_ORDER,
    PROBLEM_POSITIVE,
    PROBLEM_FORMAT,
    PROBLEM_TARGET,
    PROBLEM_DATA_SEED,
    PROBLEM_START,
    PROBLEM_SETTINGS
};
enum { SCHEDULE_WARMUP, SCHEDULE_SCALING };
enum scaling { SCALING_NONE, SCALING_LINEAR, SCALING_SQRT };
enum { CLIP_SETTING_NORM, CLIP_SETTING_EACH };
enum { LOCAL_WORKERS, LOCAL_SYNC_EVERY };
enum { BUDGET_EPOCHS, BUDGET_STEPS, BUDGET_SAMPLES };
enum { RECORD_POINTS, RECORD_SPACING, RECORD_METRICS };
enum { AT_TYPE, AT_SCALE, AT_STEPS };

/* How the value of a setting is written. */
enum setting_form {
    FORM_PARAM,   /* as its param says */
    FORM_TEXT,    /* any text */
    FORM_DATA,    /* a name, a path or {synthetic: NAME, ...} */
    FORM_START,   /* zeros | {gaussian: S} | optimum | {optimum: OFFSET} | a list */
    FORM_METRICS, /* a list of metric names; stored as a set of bits */
    FORM_LIST,    /* a list whose entries other parts check */
};

struct setting {
    struct param param;
    enum setting_form form;
    const char *fallback_text; /* the default in words, where the number of the row does not say it */
};

struct section {
    const char *name; /* the top-level key */
    int method;       /* enum method_kind of its `type`; -1: it has none */
    const char *type; /* the type when none is given; NULL: it must be */
    bool single;      /* the section is one value, setting[0], and no mapping */
    int shorthand;    /* a scalar in place of the mapping stands for this setting; -1: for `type`, if there is one */
    const struct setting *setting;
    size_t count;
    const char *help;
};

const struct section *section_at(enum section_id id);
/* -1: no such section. */
int section_find(const char *name, size_t length);

/* Top-level keys that are no section: what a file says about the experiment as a whole. Not for sweeps. */
enum meta_id {
    META_EXPERIMENT,
    META_QUESTION,
    META_REPLICATES,
    META_SEED,
    META_SWEEP,
    META_INDEPENDENT_OVER,
    META_KEEP,
    META_PROFILES,
    META_FIGURES,
    META_LAWS,
    META_MARGINS,
    META_COUNT
};
const struct setting *meta_at(enum meta_id id);
int meta_find(const char *name);

/* Short forms of settings: `momentum` (0: sgd, else heavy_ball with that momentum) and `data_seed`. */
struct short_form {
    const char *name, *meaning, *help;
};
size_t short_form_count(void);
const struct short_form *short_form_at(size_t index);

/* Sets of dotted names of which a configuration may give one; NULL-terminated, index from 0, NULL past the last. */
const char *const *exclusive_set(size_t index);

/* Does the setting of that dotted path take a list as one value (record.metrics, problem.start, schedule.breaks)? */
bool setting_takes_list(const char *path);

/* ---- what `sgdlab list` and the documentation show ---- */

/* "a number >= 0, default 0", "a whole number >= 1 in steps, must be given". Returns text. */
const char *setting_describe(const struct setting *setting, char *text, size_t size);
const char *param_describe(const struct param *param, char *text, size_t size);

/* What can be listed: "problems", "samplers", ..., "settings", "metrics"; NULL past the last. */
const char *settings_topic(size_t index);
/* The listing of one topic (also in the singular), or of all with topic NULL, as text that the caller frees. */
enum status settings_list(const char *topic, char **text, struct error *error);
/* The entries of that name in all topics (methods, settings also inside of sections, metrics); "" when there is none.
 */
enum status settings_look_up(const char *name, char **text, struct error *error);

#endif
