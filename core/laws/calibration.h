/* How often the verdicts themselves are right: the same suite of laws under many master seeds, counted. */
#ifndef SGDLAB_CALIBRATION_H
#define SGDLAB_CALIBRATION_H

#include <stdio.h>

#include "laws/suite.h"

/* What calibration keeps of one check: enough to judge it again with an error planted. */
struct calibration_check {
    char law[48];
    enum check_kind kind;
    bool exact_theory;
    enum verdict verdict, expected;
    enum agreement agreement;
    double theta, se, margin, p_value; /* as in struct check; p_value NaN without exact theory */
};

enum { CALIBRATION_HASH = 65 };

struct calibration {
    size_t suites, unexpected, underpowered; /* suites; with a verdict other than expected; with only untold ones */
    size_t checks;                           /* of one suite, which all must have */
    char repeats[CALIBRATION_HASH];          /* hash in hex of the experiments and their profile */
    uint64_t *seed;                          /* [suites] */
    struct calibration_check *check;         /* [suites][checks] */
    size_t suite_capacity;
};

/* Adds one suite's checks. STATUS_USAGE when it has another number of checks than those before, or a law that could not
 * be evaluated. */
enum status calibration_add(struct calibration *calibration, uint64_t seed, const struct suite *suite,
                            struct error *error);
void calibration_free(struct calibration *calibration);

/* The first line of the file, one suite as lines of text, and all of them back: numbers round-trip. A last suite that
 * is not whole is dropped. STATUS_INPUT with the line of what is not understood, or where the file is of other
 * experiments than calibration->repeats. */
enum status calibration_write_head(const struct calibration *calibration, FILE *file, struct error *error);
enum status calibration_write(const struct calibration *calibration, size_t suite, FILE *file, struct error *error);
enum status calibration_read(struct calibration *calibration, FILE *file, const char *path, struct error *error);
bool calibration_has(const struct calibration *calibration, uint64_t seed);

/* A share k/n with its 95 % Wilson interval. */
struct calibration_share {
    uint64_t k, n;
    double low, high;
};

struct calibration_report {
    struct calibration_share unexpected;       /* suites with any verdict other than expected; goal <= 1 % */
    struct calibration_share cover95, cover99; /* exact two-sided checks whose 95 % (99 %) interval holds theta = 0 */
    double uniformity_d, uniformity_p;         /* Kolmogorov-Smirnov of the exact checks' p-values, all suites pooled */
    struct calibration_share at_margin;        /* "confirmed" with theta moved to +margin or -margin; <= alpha'/2 */
    struct calibration_share planted;          /* "refuted" with theta moved by +-5 margins: power */
    struct calibration_share confirmed;        /* exact checks as they are: confirmed */
    struct calibration_share falsely_refuted;  /* exact checks as they are: refuted */
};
/* law NULL: all. Two-sided checks with exact theory that are expected to be confirmed. STATUS_NUMERICAL: there is no
 * such check. */
enum status calibration_report(const struct calibration *calibration, const char *law,
                               struct calibration_report *report, struct error *error);

#endif
