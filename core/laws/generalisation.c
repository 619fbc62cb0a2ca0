/* L15. Small batches against large ones, by test accuracy. There is no theorem: whether large batches generalise worse
 * (Keskar et al., ICLR 2017) depends on the set-up, on how rates are chosen and on what is held equal, epochs or steps
 * (Hoffer et al., NIPS 2017; Shallue et al., JMLR 20, 2019). So what is checked is a difference in one set-up, on pairs
 * of runs that share the split, the start and the seed, with the rate of each batch size tuned: those of each half of
 * the pairs by the other half. Beside it: which minimum is sharper, by the top Hessian eigenvalue; where more passes
 * overfit; and what accuracy is reached at all. Verdicts hold for the set-up that they name. */
#include "laws/generalisation.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { CLAIM, EQUAL, RATES, ACCURACY };
enum { NO_DIFFERENCE, SHARPER, OVERFITS, REACHES };
enum { EPOCHS, STEPS };
enum { TUNED, SAME };
static const char *const claims[] = {"no_difference", "sharper", "overfits", "reaches", NULL};
static const char *const budgets[] = {"epochs", "steps", NULL};
static const char *const rate_choices[] = {"tuned", "same", NULL};
static const struct param params[] = {
    [CLAIM] = {.name = "claim",
               .kind = PARAM_CHOICE,
               .choices = claims,
               .help =
                   "no_difference: final test accuracies of batch sizes are equal; sharper: larger batches end where "
                   "the top Hessian eigenvalue is larger; overfits: the test loss rises again; reaches: mean final "
                   "test accuracy above `accuracy`"},
    [EQUAL] = {.name = "equal",
               .kind = PARAM_CHOICE,
               .choices = budgets,
               .help = "what the batch sizes that are compared have equal: passes over the data, or updates"},
    [RATES] = {.name = "rates",
               .kind = PARAM_CHOICE,
               .choices = rate_choices,
               .help = "tuned: each batch size at its best rate; same: at equal rates"},
    [ACCURACY] = {.name = "accuracy", .kind = PARAM_REAL, .fallback = 0.97, .min = 0, .max = 1, .help = "of reaches"},
};

/* For plans: standard deviations of one pair on the digits. */
static const double PAIR_SD[] = {[NO_DIFFERENCE] = 0.008, [SHARPER] = 0.25, [OVERFITS] = 0.1, [REACHES] = 0.006};

static size_t claim_of(const struct study *study)
{
    return (size_t)study->input->values->scalar[CLAIM];
}

/* ---- words ---- */

static void name_instance(const struct study *study, const struct arm *arm, struct check *check)
{
    const struct law_cell *cell = arm->split[0];
    const struct data_spec *spec = cell->config.data_spec;
    char noise[40] = "", budget[48];
    if (spec && spec->label_noise > 0)
        snprintf(noise, sizeof noise, ", %g%% wrong labels", 100 * spec->label_noise);
    if (study->equal_steps)
        snprintf(budget, sizeof budget, "%llu steps", (unsigned long long)arm->steps);
    else
        snprintf(budget, sizeof budget, "%.3g epochs", arm->epochs);
    snprintf(check->instance, sizeof check->instance, "%.48s, %.40s%s, %s", cell->columns.problem,
             cell->config.problem.data->name, noise, budget);
}

/* "eta 0.05, 0.1 (m = 8); ...": what each half got. */
static void name_rates(const struct choice *small, const struct choice *large, struct check *check)
{
    const struct choice *choice[] = {small, large};
    size_t used = 0;
    for (size_t i = 0; i < 2; i++) {
        const struct arm *const *arm = choice[i]->arm;
        used +=
            (size_t)snprintf(check->note + used, sizeof check->note - used, "%s%.3g", i ? "; " : "eta ", arm[0]->rate);
        if (arm[1] != arm[0])
            used += (size_t)snprintf(check->note + used, sizeof check->note - used, ", %.3g", arm[1]->rate);
        used += (size_t)snprintf(check->note + used, sizeof check->note - used, " (m = %zu)", arm[0]->batch_size);
    }
}

/* ---- checks ---- */

static struct check new_check(const struct study *study, enum check_kind kind, const struct arm *arm)
{
    struct check check = {
        .kind = kind, .margin = study->input->margin_value, .replicates = study->splits * study->replicates};
    name_instance(study, arm, &check);
    return check;
}

/* measured and se, from one number for each unit; before the run from what is known of the digits. */
static enum status add_check(const struct study *study, struct check *check, const double *value,
                             struct check_list *checks, struct error *error)
{
    if (study->input->planned) {
        check->measured = NAN;
        check->se = PAIR_SD[claim_of(study)] / sqrt((double)check->replicates);
    } else {
        const struct estimate estimate = estimate_of(value, study->units);
        check->measured = estimate.mean;
        check->se = estimate.se;
    }
    return checks_add(checks, check, error);
}

static enum status compare(const struct study *study, const struct choice *small, const struct choice *large,
                           double *value, struct check_list *checks, struct error *error)
{
    const bool sharper = claim_of(study) == SHARPER, tuned = study->input->values->scalar[RATES] == TUNED;
    const enum metric metric = sharper ? METRIC_SHARPNESS : METRIC_TEST_ACCURACY;
    const size_t last = study_points(study) - 1, m = small->arm[0]->batch_size, more = large->arm[0]->batch_size;
    struct check check = new_check(study, sharper ? CHECK_ORDER : CHECK_DIFFERENCE, small->arm[0]);
    char rate[40] = "tuned rates";
    if (!tuned)
        snprintf(rate, sizeof rate, "eta = %.3g", small->arm[0]->rate);
    if (sharper)
        snprintf(check.quantity, sizeof check.quantity, "ln of sharpness, m = %zu over m = %zu, %s", more, m, rate);
    else
        snprintf(check.quantity, sizeof check.quantity, "test accuracy, m = %zu less m = %zu, %s", m, more, rate);
    for (size_t unit = 0; unit < study->units && !study->input->planned; unit++) {
        const double difference =
            choice_value(study, small, metric, unit, last) - choice_value(study, large, metric, unit, last);
        value[unit] = sharper ? -difference : difference;
    }
    if (tuned && !study->input->planned)
        name_rates(small, large, &check);
    return add_check(study, &check, value, checks, error);
}

/* Every batch size of a set-up against its smallest one; of a set-up with one batch size there is nothing to say. */
static enum status compare_setup(const struct study *study, size_t setup, double *value, struct check_list *checks,
                                 struct error *error)
{
    const struct rates small = study_next(study, setup, 0);
    struct rates large = study_next(study, setup, small.arm->batch_size);
    enum status status = STATUS_OK;
    for (; large.count > 0; large = study_next(study, setup, large.arm->batch_size)) {
        if (study->input->values->scalar[RATES] == TUNED) {
            const struct choice a = study_tune(study, &small), b = study_tune(study, &large);
            status = compare(study, &a, &b, value, checks, error);
        }
        for (size_t i = 0; i < small.count && study->input->values->scalar[RATES] == SAME; i++)
            for (size_t j = 0; j < large.count && status == STATUS_OK; j++)
                if (fabs(small.arm[i].rate - large.arm[j].rate) <= 1e-9 * small.arm[i].rate) {
                    const struct choice a = {{&small.arm[i], &small.arm[i]}}, b = {{&large.arm[j], &large.arm[j]}};
                    status = compare(study, &a, &b, value, checks, error);
                }
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

/* The recorded point after the start where the mean test loss of the other half is smallest. */
static size_t lowest_point(const struct study *study, const struct arm *arm, size_t half)
{
    size_t lowest = 1;
    double least = INFINITY;
    for (size_t p = 1; p < study_points(study); p++) {
        double sum = 0;
        for (size_t unit = 0; unit < study->units; unit++)
            if (study_half(study, unit) != half)
                sum += study_value(study, arm, METRIC_TEST_LOSS, unit, p);
        if (sum < least) {
            least = sum;
            lowest = p;
        }
    }
    return lowest;
}

static enum status check_overfitting(const struct study *study, const struct arm *arm, double *value,
                                     struct check_list *checks, struct error *error)
{
    const size_t last = study_points(study) - 1;
    if (!study_has(study, METRIC_TEST_LOSS) || last < 2)
        return error_set(error, STATUS_USAGE,
                         "this claim needs the metric test_loss at three recorded points at least");
    struct check check = new_check(study, CHECK_ORDER, arm);
    snprintf(check.quantity, sizeof check.quantity, "ln of final over least test loss, m = %zu, eta = %.3g",
             arm->batch_size, arm->rate);
    if (!study->input->planned) {
        const size_t lowest[] = {lowest_point(study, arm, 0), lowest_point(study, arm, 1)};
        for (size_t unit = 0; unit < study->units; unit++) {
            const double least = study_value(study, arm, METRIC_TEST_LOSS, unit, lowest[study_half(study, unit)]);
            value[unit] = log(study_value(study, arm, METRIC_TEST_LOSS, unit, last) / least);
        }
        snprintf(check.note, sizeof check.note, "least after %.3g and %.3g epochs",
                 (double)arm->split[0]->step[lowest[0]] * arm->pass,
                 (double)arm->split[0]->step[lowest[1]] * arm->pass);
    }
    return add_check(study, &check, value, checks, error);
}

static enum status check_accuracy(const struct study *study, const struct arm *arm, double *value,
                                  struct check_list *checks, struct error *error)
{
    struct check check = new_check(study, CHECK_ORDER, arm);
    check.predicted = study->input->values->scalar[ACCURACY];
    snprintf(check.quantity, sizeof check.quantity, "mean final test accuracy, m = %zu, eta = %.3g", arm->batch_size,
             arm->rate);
    for (size_t unit = 0; unit < study->units && !study->input->planned; unit++)
        value[unit] = study_value(study, arm, METRIC_TEST_ACCURACY, unit, study_points(study) - 1);
    return add_check(study, &check, value, checks, error);
}

static enum status check_all(const struct study *study, double *value, struct check_list *checks, struct error *error)
{
    const size_t claim = claim_of(study), before = checks->count;
    enum status status = STATUS_OK;
    if (claim == SHARPER && !study_has(study, METRIC_SHARPNESS))
        return error_set(error, STATUS_USAGE, "this claim needs the metric sharpness, which is not recorded");
    for (size_t s = 0; s < study->setups && status == STATUS_OK && (claim == NO_DIFFERENCE || claim == SHARPER); s++)
        status = compare_setup(study, s, value, checks, error);
    for (size_t a = 0; a < study->arms && status == STATUS_OK; a++)
        if (claim == OVERFITS)
            status = check_overfitting(study, &study->arm[a], value, checks, error);
        else if (claim == REACHES)
            status = check_accuracy(study, &study->arm[a], value, checks, error);
    if (status == STATUS_OK && checks->count == before)
        return error_set(error, STATUS_USAGE, "this law compares batch sizes at equal %s%s, and there are no two here",
                         budgets[study->equal_steps ? STEPS : EPOCHS],
                         study->input->values->scalar[RATES] == SAME ? " and rates" : "");
    return status;
}

static enum status evaluate(const struct law_input *input, struct check_list *checks, struct law_figure *figure,
                            struct error *error)
{
    struct study study;
    enum status status = study_open(input, input->values->scalar[EQUAL] == STEPS, &study, error);
    double *value = status == STATUS_OK ? calloc(study.units, sizeof *value) : NULL;
    if (status == STATUS_OK && !value)
        status = error_memory(error, study.units * sizeof *value, "a law");
    if (status == STATUS_OK)
        status = check_all(&study, value, checks, error);
    if (status == STATUS_OK && !input->planned) {
        const bool pairs = claim_of(&study) == NO_DIFFERENCE || claim_of(&study) == SHARPER;
        const bool reaches = claim_of(&study) == REACHES;
        status = generalisation_draw(&study, pairs, pairs && input->values->scalar[RATES] == TUNED,
                                     reaches ? input->values->scalar[ACCURACY] : (double)NAN, figure, error);
    }
    free(value);
    study_close(&study);
    return status;
}

const struct law_type law_generalisation = {
    .method = {.name = "generalisation",
               .summary =
                   "no theorem: final test accuracy of small less large batches, paired, at equal epochs or steps "
                   "with tuned rates; sharpness beside it",
               .revision = 1,
               .params = params,
               .param_count = sizeof params / sizeof *params},
    .number = "L15",
    .title = "Generalisation",
    .group = "Nonconvex and distributed",
    .source = "Keskar et al., ICLR 2017; Hoffer et al., NIPS 2017; Shallue et al., JMLR 20 (2019)",
    .evaluate = evaluate,
};
