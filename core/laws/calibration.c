/* Counting verdicts over many suites. */
#include "laws/calibration.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats.h"

static const double INTERVAL_LEVEL = 0.05; /* of the shares' own intervals */
static const double PLANTED_MARGINS = 5;   /* where negative controls are tested */
static const double NOISE = 1e-9;          /* of the margin: a smaller standard error is rounding, not statistics */

void calibration_free(struct calibration *calibration)
{
    free(calibration->seed);
    free(calibration->check);
    *calibration = (struct calibration){0};
}

bool calibration_has(const struct calibration *calibration, uint64_t seed)
{
    for (size_t i = 0; i < calibration->suites; i++)
        if (calibration->seed[i] == seed)
            return true;
    return false;
}

/* Room for one more suite of `checks`; returns its first check, NULL with error. */
static struct calibration_check *make_room(struct calibration *c, size_t checks, struct error *error)
{
    if (c->suites > 0 && checks != c->checks) {
        error_set(error, STATUS_USAGE, "this suite has %zu checks, those before %zu: calibration repeats one suite",
                  checks, c->checks);
        return NULL;
    }
    if (c->suites == c->suite_capacity) {
        const size_t capacity = c->suite_capacity ? 2 * c->suite_capacity : 64;
        uint64_t *seed = realloc(c->seed, capacity * sizeof *seed);
        if (seed)
            c->seed = seed;
        struct calibration_check *check = realloc(c->check, capacity * checks * sizeof *check);
        if (check)
            c->check = check;
        if (!seed || !check) {
            error_memory(error, capacity * checks * sizeof *check, "a calibration");
            return NULL;
        }
        c->suite_capacity = capacity;
    }
    c->checks = checks;
    return c->check + c->suites * checks;
}

/* The suite that make_room gave is complete. */
static void count_suite(struct calibration *c, uint64_t seed)
{
    bool agreement[3] = {false, false, false};
    for (size_t i = 0; i < c->checks; i++)
        agreement[c->check[c->suites * c->checks + i].agreement] = true;
    c->unexpected += agreement[AGREES_NO];
    c->underpowered += !agreement[AGREES_NO] && agreement[AGREES_UNDERPOWERED];
    c->seed[c->suites++] = seed;
}

enum status calibration_add(struct calibration *calibration, uint64_t seed, const struct suite *suite,
                            struct error *error)
{
    for (size_t i = 0; i < suite->experiment_count; i++)
        if (suite->experiment[i].failure || suite->experiment[i].there < suite->experiment[i].wanted)
            return error_set(error, STATUS_USAGE, "experiment %s: %s", suite->experiment[i].name,
                             suite->experiment[i].failure ? suite->experiment[i].failure : "is not finished");
    for (size_t i = 0; i < suite->law_count; i++)
        if (suite->law[i].failure)
            return error_set(error, STATUS_USAGE, "law %s: %s", suite->law[i].type->method.name, suite->law[i].failure);
    if (suite->checks.count == 0)
        return error_set(error, STATUS_USAGE, "these experiments name no laws");
    struct calibration_check *check = make_room(calibration, suite->checks.count, error);
    if (!check)
        return error ? error->status : STATUS_MEMORY;
    for (size_t l = 0; l < suite->law_count; l++)
        for (size_t i = suite->law[l].first; i < suite->law[l].first + suite->law[l].count; i++) {
            const struct check *from = &suite->checks.check[i];
            check[i] = (struct calibration_check){
                .kind = from->kind,
                .exact_theory = from->exact_theory,
                .verdict = from->verdict,
                .expected = from->expected,
                .agreement = check_agreement(from),
                .theta = from->theta,
                .se = from->kind == CHECK_P_VALUE ? from->effect_se : from->se,
                .margin = from->margin,
                .p_value = suite_p_value(from),
            };
            snprintf(check[i].law, sizeof check[i].law, "%s", suite->law[l].type->method.name);
        }
    count_suite(calibration, seed);
    return STATUS_OK;
}

/* ---- text ---- */

enum status calibration_write_head(const struct calibration *c, FILE *file, struct error *error)
{
    if (fprintf(file, "calibration of %s\n", c->repeats) < 0 || fflush(file) != 0)
        return error_set(error, STATUS_IO, "cannot write the calibration's checks");
    return STATUS_OK;
}

enum status calibration_write(const struct calibration *c, size_t suite, FILE *file, struct error *error)
{
    fprintf(file, "suite %" PRIu64 " %zu\n", c->seed[suite], c->checks);
    for (size_t i = 0; i < c->checks; i++) {
        const struct calibration_check *k = &c->check[suite * c->checks + i];
        fprintf(file, "%s %d %d %d %d %d %.17g %.17g %.17g %.17g\n", k->law, (int)k->kind, k->exact_theory,
                (int)k->verdict, (int)k->expected, (int)k->agreement, k->theta, k->se, k->margin, k->p_value);
    }
    fprintf(file, "end\n");
    if (fflush(file) != 0 || ferror(file))
        return error_set(error, STATUS_IO, "cannot write the calibration's checks");
    return STATUS_OK;
}

static bool parse_check(const char *line, struct calibration_check *check)
{
    int kind, exact, verdict, expected, agreement, used = 0;
    if (sscanf(line, "%47s %d %d %d %d %d %lf %lf %lf %lf %n", check->law, &kind, &exact, &verdict, &expected,
               &agreement, &check->theta, &check->se, &check->margin, &check->p_value, &used) != 10 ||
        line[used] != '\0' || kind < 0 || kind > CHECK_EXACT || verdict < 0 || verdict > VERDICT_INCONCLUSIVE ||
        expected < 0 || expected > VERDICT_INCONCLUSIVE || agreement < 0 || agreement > AGREES_UNDERPOWERED)
        return false;
    check->kind = (enum check_kind)kind;
    check->exact_theory = exact;
    check->verdict = (enum verdict)verdict;
    check->expected = (enum verdict)expected;
    check->agreement = (enum agreement)agreement;
    return true;
}

enum status calibration_read(struct calibration *c, FILE *file, const char *path, struct error *error)
{
    char line[512], repeats[CALIBRATION_HASH];
    if (!fgets(line, sizeof line, file) || !strchr(line, '\n'))
        return STATUS_OK; /* cut off by a crash */
    if (sscanf(line, "calibration of %64s", repeats) != 1)
        return error_at(error, STATUS_INPUT, path, 1, 1, "expected 'calibration of HASH'");
    const bool same = strcmp(repeats, c->repeats) == 0;
    for (unsigned number = 2; fgets(line, sizeof line, file); number++) {
        if (!same)
            return error_at(error, STATUS_INPUT, path, 1, 1,
                            "these checks are of other experiments, or of another profile; name another --out");
        uint64_t seed;
        size_t checks;
        if (sscanf(line, "suite %" SCNu64 " %zu", &seed, &checks) != 2 || checks == 0 || checks > 1000000)
            return error_at(error, STATUS_INPUT, path, number, 1, "expected 'suite SEED CHECKS'");
        struct calibration_check *check = make_room(c, checks, error);
        if (!check)
            return error ? error->status : STATUS_MEMORY;
        size_t found = 0;
        bool whole = false;
        for (; fgets(line, sizeof line, file); found++) {
            number++;
            if (strcmp(line, "end\n") == 0) {
                whole = true;
                break;
            }
            if (found == checks || !parse_check(line, &check[found])) {
                if (!strchr(line, '\n')) /* cut off by a crash */
                    return STATUS_OK;
                return error_at(error, STATUS_INPUT, path, number, 1, "this is not a check of a calibration");
            }
        }
        if (!whole || found != checks)
            return STATUS_OK; /* the last suite was cut off */
        count_suite(c, seed);
    }
    return STATUS_OK;
}

/* ---- the report ---- */

static void close_share(struct calibration_share *share)
{
    stats_wilson(share->k, share->n, INTERVAL_LEVEL, &share->low, &share->high);
}

static void count(struct calibration_share *share, bool hit)
{
    share->k += hit;
    share->n++;
}

/* The verdict on a check whose theta is moved to theta + shift. */
static enum verdict verdict_at(const struct calibration_check *check, double shift, size_t total)
{
    struct check moved = {
        .kind = CHECK_DIFFERENCE, .measured = check->theta + shift, .se = check->se, .margin = check->margin};
    checks_decide(&moved, 1, total);
    return moved.verdict;
}

enum status calibration_report(const struct calibration *c, const char *law, struct calibration_report *report,
                               struct error *error)
{
    *report = (struct calibration_report){0};
    double *p = malloc((c->suites * c->checks + 1) * sizeof *p);
    size_t p_count = 0;
    if (!p)
        return error_memory(error, c->suites * c->checks * sizeof *p, "a calibration");
    const double z95 = stats_z(0.05), z99 = stats_z(0.01);
    for (size_t s = 0; s < c->suites; s++) {
        bool unexpected = false;
        for (size_t i = 0; i < c->checks; i++) {
            const struct calibration_check *k = &c->check[s * c->checks + i];
            if (law && strcmp(law, k->law) != 0)
                continue;
            unexpected = unexpected || k->agreement == AGREES_NO;
            if (isfinite(k->p_value))
                p[p_count++] = k->p_value;
            const bool two_sided = k->kind != CHECK_BOUND && k->kind != CHECK_ORDER && k->kind != CHECK_EXACT;
            if (!k->exact_theory || !two_sided || k->expected != VERDICT_CONFIRMED || !(k->se > NOISE * k->margin) ||
                !isfinite(k->theta))
                continue;
            count(&report->cover95, fabs(k->theta) <= z95 * k->se);
            count(&report->cover99, fabs(k->theta) <= z99 * k->se);
            count(&report->confirmed, k->verdict == VERDICT_CONFIRMED);
            count(&report->falsely_refuted, k->verdict == VERDICT_REFUTED);
            for (int sign = -1; sign <= 1; sign += 2) {
                count(&report->at_margin, verdict_at(k, sign * k->margin, c->checks) == VERDICT_CONFIRMED);
                count(&report->planted,
                      verdict_at(k, sign * PLANTED_MARGINS * k->margin, c->checks) == VERDICT_REFUTED);
            }
        }
        count(&report->unexpected, unexpected);
    }
    const bool any = report->cover95.n > 0;
    report->uniformity_d = report->uniformity_p = NAN;
    if (p_count > 0)
        stats_uniformity(p, p_count, &report->uniformity_d, &report->uniformity_p);
    free(p);
    struct calibration_share *const shares[] = {&report->unexpected,     &report->cover95, &report->cover99,
                                                &report->at_margin,      &report->planted, &report->confirmed,
                                                &report->falsely_refuted};
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        if (shares[i]->n > 0)
            close_share(shares[i]);
    return any ? STATUS_OK
               : error_set(error, STATUS_NUMERICAL, "no two-sided check with an exact prediction to calibrate with");
}
