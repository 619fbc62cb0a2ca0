/* The suite: all laws of all experiments of a results directory (or of sweeps that have not run), judged together,
 * since the level of a verdict depends on the number of all checks. */
#ifndef SGDLAB_SUITE_H
#define SGDLAB_SUITE_H

#include "laws/law_input.h"

/* One entry of an experiment's `laws:`. */
struct suite_law {
    const struct law_type *type;
    size_t experiment; /* number in suite->experiment */
    enum verdict expected;
    char *note, *instance; /* "": none */
    size_t first, count;   /* its checks */
    struct law_figure figure;
    char figure_name[80]; /* file name without ending: law_NAME, law_NAME-2, ... */
    char *failure;        /* why it could not be evaluated; NULL: it was */

    size_t agree[3]; /* number of checks for each enum agreement */
    /* Over its checks: no where one disagrees, else underpowered where one is, else yes. Without a check: no. */
    enum agreement agreement;
    size_t telling; /* the check that decides: it disagrees most, or came closest to doing so */
};

struct suite_experiment {
    char *name;
    size_t laws;
    uint64_t wanted, there, failed; /* runs */
    char *failure;                  /* why its results could not be read; NULL: they were */
};

struct suite {
    struct suite_experiment *experiment; /* those that name laws, by name */
    size_t experiment_count;
    struct suite_law *law; /* of finished experiments, in the order of experiments and entries */
    size_t law_count;
    struct check_list checks; /* of all laws, decided */
    bool planned;
    bool has_qq; /* some check has exact theory: there is a QQ plot */
};
#define SUITE_QQ "laws_qq" /* its file name without ending */

/* Evaluates all laws of a store. What is wrong with one experiment or law is told by its `failure`; experiments that
 * are not finished have no entries in law. data_dir as in law_input.h. */
enum status suite_evaluate(struct store *store, const char *data_dir, struct suite **out, struct error *error);
/* Before the run: checks have standard errors but no measurements. */
enum status suite_plan(struct sweep *const *sweep, size_t count, struct suite **out, struct error *error);
void suite_close(struct suite *suite); /* NULL is fine */

/* Entry numbers in the order of a table for people: by group and number of the law, then by experiment.
 * order[law_count].
 */
void suite_order(const struct suite *suite, size_t *order);

/* Planned suites: the probability that a check is confirmed if the law is exactly true, and the replicates with which
 * it would nearly always be. */
double suite_power(const struct suite *suite, const struct check *check);
double suite_replicates_needed(const struct suite *suite, const struct check *check);

/* p-value of a check whose prediction is exact, NaN for others. */
double suite_p_value(const struct check *check);

/* Writes DIR/laws.csv and DIR/<experiment>/laws.csv, the laws' figures and the QQ plot of all exact checks (SUITE_QQ).
 * experiment NULL: all. */
enum status suite_export(const struct suite *suite, const char *dir, const char *experiment, struct error *error);
/* The QQ plot alone; without has_qq it has no panel. */
enum status suite_qq(const struct suite *suite, struct law_figure *figure, struct error *error);

#endif
