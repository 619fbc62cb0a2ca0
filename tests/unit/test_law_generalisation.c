/* L15 on planted accuracies, losses and curvatures: pairing, units of replication, tuning on the other half, verdicts;
 * and once from runs to verdicts. */
#include "law_curve_scene.h"

#define NETWORK "problem: {type: mlp, data: digits, hidden: [4], test_fraction: 0.5}\nschedule: {type: constant}\n"
#define RECORD  "record: {points: 5, spacing: linear, metrics: [test_loss, test_accuracy, sharpness]}\n"
#define BATCHES "batch_size: [8, 128]"
#define MARGIN  "margins: {value: 0.005}\n"

enum { SPLITS = 12, REPLICATES = 4 };
#define SPLIT_AXIS "data_seed: {linspace: [1, 12, 12]}"
#define TWELVE(law)                                                                                                    \
    NETWORK RECORD MARGIN "replicates: 4\nbudget: {epochs: 8}\nsweep: {" BATCHES                                       \
                          ", schedule.rate: [0.1, 0.2, 0.4], " SPLIT_AXIS "}\nlaws: {law: generalisation" law "}\n"

static double planted; /* what m = 8 has more than m = 128 */

static double rate_of(const struct law_cell *cell)
{
    return cell->config.schedule.values.scalar[0];
}

static size_t split_of(const struct law_cell *cell)
{
    return (size_t)cell->config.data_spec->data_seed - 1;
}

/* m = 8 is best at 0.1, m = 128 at 0.4; splits differ by 1%, which pairs do not see; runs by 0.2%. */
static void accuracies(struct trial *t, const struct law_cell *cell, size_t groups, double *value)
{
    const bool small = cell->config.batch_size == 8;
    const double steps_off = fabs(log2(rate_of(cell) / (small ? 0.1 : 0.4)));
    for (size_t g = 0; g < groups; g++)
        for (size_t p = 0; p < cell->points; p++)
            value[g * cell->points + p] = 0.95 + (small ? planted : 0) - 0.02 * steps_off +
                                          0.01 * sin(7.0 * (double)split_of(cell)) + gsl_ran_gaussian(t->rng, 0.002);
}

/* Mean and standard error over splits of the difference at the best rates, by hand. */
static void by_hand(const struct trial *t, double *mean, double *se)
{
    double difference[SPLITS] = {0}, square = 0;
    *mean = 0;
    for (size_t i = 0; i < t->input.cell_count; i++) {
        const struct law_cell *cell = &t->input.cell[i];
        const bool small = cell->config.batch_size == 8;
        if (fabs(rate_of(cell) - (small ? 0.1 : 0.4)) > 1e-9)
            continue;
        const struct law_curve *c = cell->curve[METRIC_TEST_ACCURACY];
        for (size_t g = 0; g < REPLICATES; g++)
            difference[split_of(cell)] += (small ? 1 : -1) * c->group_mean[(g + 1) * c->points - 1] / REPLICATES;
    }
    for (size_t s = 0; s < SPLITS; s++)
        *mean += difference[s] / SPLITS;
    for (size_t s = 0; s < SPLITS; s++)
        square += (difference[s] - *mean) * (difference[s] - *mean);
    *se = sqrt(square / (SPLITS - 1) / SPLITS);
}

Test(law_generalisation, planted_differences_at_tuned_rates)
{
    static const double plant[] = {0, 0.02, -0.02};
    static const enum verdict verdict[] = {VERDICT_CONFIRMED, VERDICT_REFUTED, VERDICT_REFUTED};
    for (size_t i = 0; i < 3; i++) {
        struct trial t = open_trial(TWELVE(""), 0);
        double mean, se;
        planted = plant[i];
        fill_trial(&t, METRIC_TEST_ACCURACY, REPLICATES, accuracies);
        judge_trial(&t);
        by_hand(&t, &mean, &se);
        cr_assert(t.checks.count == 1);
        const struct check *c = &t.checks.check[0];
        cr_expect(fabs(c->measured - mean) < 1e-12 && fabs(c->se - se) < 1e-12, "%g +- %g, by hand %g +- %g",
                  c->measured, c->se, mean, se);
        cr_expect(se < 0.001 && fabs(mean - plant[i]) < 5 * se);
        cr_expect(c->verdict == verdict[i] && !c->underpowered, "%s", verdict_name(c->verdict));
        cr_expect(c->replicates == SPLITS * REPLICATES);
        cr_expect_str_eq(c->note, "eta 0.1 (m = 8); 0.4 (m = 128)");
        cr_expect(strstr(c->instance, "8 epochs") != NULL, "%s", c->instance);
        expect_figure(&t, 3);
        close_trial(&t);
    }
}

/* Each half of the splits has another best rate for m = 8. Chosen on the other half, neither gets its own best; m = 128
 * is 0.90 at all rates. */
static void best_elsewhere(struct trial *t, const struct law_cell *cell, size_t groups, double *value)
{
    (void)t;
    const bool first = split_of(cell) < SPLITS / 2, low = rate_of(cell) < 0.15;
    const double small = rate_of(cell) > 0.3 ? 0.5 : first == low ? 0.95 : 0.90;
    for (size_t i = 0; i < groups * cell->points; i++)
        value[i] = cell->config.batch_size == 8 ? small : 0.90;
}

Test(law_generalisation, rates_are_chosen_on_other_splits)
{
    struct trial t = open_trial(TWELVE(""), 0);
    fill_trial(&t, METRIC_TEST_ACCURACY, REPLICATES, best_elsewhere);
    judge_trial(&t);
    cr_expect(fabs(t.checks.check[0].measured) < 1e-12, "%g", t.checks.check[0].measured);
    cr_expect(strncmp(t.checks.check[0].note, "eta 0.2, 0.1 (m = 8);", 21) == 0, "%s", t.checks.check[0].note);
    close_trial(&t);
}

#define ONE_SPLIT(law, metrics)                                                                                        \
    NETWORK MARGIN "record: {points: 5, spacing: linear, metrics: [" metrics "]}\n"                                    \
                   "replicates: 10\nbudget: {steps: 40}\nsweep: {" BATCHES ", schedule.rate: [0.1, 0.2]}\n"            \
                   "laws: {law: generalisation, equal: steps" law "}\n"

/* Replicate g of m = 8 at rate 0.1: 0.9 + 0.001 g; of m = 128: 0.9, but for the last, which diverged. */
static void one_diverged(struct trial *t, const struct law_cell *cell, size_t groups, double *value)
{
    (void)t;
    const bool small = cell->config.batch_size == 8;
    for (size_t g = 0; g < groups; g++)
        for (size_t p = 0; p < cell->points; p++)
            value[g * cell->points + p] = small ? 0.9 + 0.001 * (double)g : g + 1 < groups ? 0.9 : (double)NAN;
}

Test(law_generalisation, one_split_is_paired_by_replicates)
{
    struct trial t = open_trial(ONE_SPLIT(", rates: same", "test_accuracy"), 0);
    expect_plan(&t, 2);
    fill_trial(&t, METRIC_TEST_ACCURACY, 10, one_diverged);
    judge_trial(&t);
    cr_assert(t.checks.count == 2); /* a check for each rate */
    double mean = 0, square = 0, difference[10];
    for (size_t g = 0; g < 10; g++) {
        difference[g] = g < 9 ? 0.001 * (double)g : 0.909;
        mean += difference[g] / 10;
    }
    for (size_t g = 0; g < 10; g++)
        square += (difference[g] - mean) * (difference[g] - mean);
    for (size_t i = 0; i < 2; i++) {
        const struct check *c = &t.checks.check[i];
        cr_expect(fabs(c->measured - mean) < 1e-12 && fabs(c->se - sqrt(square / 90)) < 1e-12, "%g, %g", c->measured,
                  mean);
        cr_expect(c->underpowered && c->verdict == VERDICT_INCONCLUSIVE);
        cr_expect(strstr(c->instance, "40 steps") != NULL, "%s", c->instance);
    }
    expect_figure(&t, 1);
    close_trial(&t);
}

static void curvatures(struct trial *t, const struct law_cell *cell, size_t groups, double *value)
{
    for (size_t i = 0; i < groups * cell->points; i++)
        value[i] = (cell->config.batch_size == 8 ? 1 : exp(planted)) * exp(gsl_ran_gaussian(t->rng, 0.02));
}

Test(law_generalisation, planted_curvatures)
{
    static const double plant[] = {0.5, -0.5, 0};
    static const enum verdict verdict[] = {VERDICT_CONFIRMED, VERDICT_REFUTED, VERDICT_INCONCLUSIVE};
    for (size_t i = 0; i < 3; i++) {
        struct trial t =
            open_trial(ONE_SPLIT(", claim: sharper, rates: same, margin: 0.1", "test_accuracy, sharpness"), 0);
        planted = plant[i];
        expect_plan(&t, 2);
        fill_trial(&t, METRIC_SHARPNESS, 10, curvatures);
        judge_trial(&t);
        expect_all(&t, verdict[i]);
        cr_expect(fabs(t.checks.check[0].measured - plant[i]) < 0.05);
        close_trial(&t);
    }
}

/* Lowest at point 2 of 5 for one half of the replicates, at point 3 for the other; each half is looked at where the
 * other is lowest. */
static void losses(struct trial *t, const struct law_cell *cell, size_t groups, double *value)
{
    static const double curve[2][5] = {{2, 1, 0.5, 0.6, 0.8}, {2, 1, 0.6, 0.4, 0.8}};
    for (size_t g = 0; g < groups; g++)
        for (size_t p = 0; p < cell->points; p++)
            value[g * cell->points + p] = curve[2 * g >= groups][p] * exp(p > 0 ? gsl_ran_gaussian(t->rng, 0.001) : 0);
}

Test(law_generalisation, planted_overfitting)
{
    struct trial t = open_trial(ONE_SPLIT(", claim: overfits", "test_accuracy, test_loss"), 0);
    expect_plan(&t, 4);
    fill_trial(&t, METRIC_TEST_LOSS, 10, losses);
    judge_trial(&t);
    expect_all(&t, VERDICT_CONFIRMED);
    /* first half at point 3: 0.8/0.6; second at point 2: 0.8/0.6 */
    for (size_t i = 0; i < t.checks.count; i++)
        cr_expect(fabs(t.checks.check[i].measured - log(0.8 / 0.6)) < 0.002, "%g", t.checks.check[i].measured);
    expect_figure(&t, 1);
    close_trial(&t);
}

static void about_973(struct trial *t, const struct law_cell *cell, size_t groups, double *value)
{
    for (size_t i = 0; i < groups * cell->points; i++)
        value[i] = 0.973 + gsl_ran_gaussian(t->rng, 0.001);
}

Test(law_generalisation, accuracy_that_is_reached)
{
    static const char *const text[] = {ONE_SPLIT(", claim: reaches", "test_accuracy"),
                                       ONE_SPLIT(", claim: reaches, accuracy: 0.976", "test_accuracy")};
    for (size_t i = 0; i < 2; i++) {
        struct trial t = open_trial(text[i], 0);
        expect_plan(&t, 4);
        fill_trial(&t, METRIC_TEST_ACCURACY, 10, about_973);
        judge_trial(&t);
        expect_all(&t, i == 0 ? VERDICT_CONFIRMED : VERDICT_REFUTED);
        expect_figure(&t, 1);
        close_trial(&t);
    }
}

/* Of two budgets each entry compares what it says, and leaves the rest alone. */
Test(law_generalisation, equal_epochs_and_equal_steps)
{
    static const char text[] =
        NETWORK MARGIN "replicates: 10\nsampling: reshuffle\nsweep: {schedule.rate: [0.1], " BATCHES
                       ", budget: [{steps: 900}, {epochs: 9}]}\nrecord: {points: 3, metrics: [test_accuracy]}\n"
                       "laws: [{law: generalisation}, {law: generalisation, equal: steps}]\n";
    static const char *const instance[] = {"9 epochs", "900 steps"};
    for (size_t entry = 0; entry < 2; entry++) {
        struct trial t = open_trial(text, entry);
        expect_plan(&t, 1);
        fill_trial(&t, METRIC_TEST_ACCURACY, 10, about_973);
        judge_trial(&t);
        cr_expect(t.checks.count == 1 && strstr(t.checks.check[0].instance, instance[entry]) != NULL, "%s",
                  t.checks.check[0].instance);
        expect_figure(&t, 3);
        close_trial(&t);
    }
}

/* `where` finds lists that are equal. */
Test(law_generalisation, of_some_networks_only)
{
    struct trial t =
        open_trial("problem: {type: mlp, data: digits, test_fraction: 0.5}\nbudget: {steps: 9}\n"
                   "schedule: {type: constant, rate: 0.1}\nsweep: {problem.hidden: [[4], [5], [4, 5], [6]], " BATCHES
                   "}\nrecord: {metrics: [test_accuracy]}\nlaws: {law: generalisation, equal: "
                   "steps, where: {problem.hidden: [[4, 5], [6]]}}\n",
                   0);
    cr_expect(t.input.cell_count == 4);
    for (size_t i = 0; i < t.input.cell_count; i++) {
        const struct param_values *values = &t.input.cell[i].config.problem.values;
        cr_expect(values->list_count == 2 || values->list[0] == 6);
    }
    expect_plan(&t, 2);
    close_trial(&t);
}

Test(law_generalisation, refusals)
{
    expect_refusal(NETWORK "replicates: 2\nbudget: {steps: 9}\nbatch_size: 8\nsweep: {schedule.rate: [0.1]}\n" RECORD
                           "laws: {law: generalisation}\n",
                   "no two here");
    expect_refusal(NETWORK "replicates: 2\nbudget: {steps: 9}\nsweep: {schedule.rate: [0.1], " BATCHES "}\n"
                           "record: {metrics: [test_loss]}\nlaws: {law: generalisation}\n",
                   "needs the metric test_accuracy");
    expect_refusal(NETWORK "replicates: 2\nbudget: {steps: 9}\nsweep: {schedule.rate: [0.1], " BATCHES "}\n"
                           "record: {metrics: [test_accuracy]}\nlaws: {law: generalisation, claim: sharper}\n",
                   "needs the metric sharpness");
    expect_refusal(NETWORK "replicates: 64\nkeep: moments\nbudget: {steps: 9}\nsweep: {schedule.rate: [0.1], " BATCHES
                           "}\nrecord: {metrics: [test_accuracy]}\nlaws: {law: generalisation}\n",
                   "keep: runs");
}

/* Accuracies of real runs, read back and paired. */
Test(law_generalisation, from_runs_to_checks)
{
    static const char text[] =
        NETWORK MARGIN "record: {points: 3, spacing: linear, metrics: [test_loss, test_accuracy, sharpness]}\n"
                       "replicates: 2\nbudget: {epochs: 2}\nindependent_over: [data_seed]\n"
                       "sweep: {" BATCHES ", schedule.rate: [0.1, 0.3], data_seed: [1, 2, 3]}\n"
                       "laws: [{law: generalisation, rates: same}, {law: generalisation, claim: sharper}]\n";
    struct scene scene = open_scene();
    struct error error;
    run_experiment(&scene, "small", text);
    struct law_results *results = read_results(&scene, "small");
    for (size_t entry = 0; entry < 2; entry++) {
        struct law_input input;
        struct law_figure figure = {0};
        struct check_list checks = {0};
        must(law_input_make(results, entry, &input, &error), &error);
        must(sweep_law(results->sweep, entry)->type->evaluate(&input, &checks, &figure, &error), &error);
        cr_expect(checks.count == (entry == 0 ? 2 : 1) && figure.count == (entry == 0 ? 2 : 5));
        for (size_t i = 0; i < checks.count; i++)
            cr_expect(isfinite(checks.check[i].measured) && checks.check[i].se > 0 && checks.check[i].replicates == 6);
        if (entry == 0) { /* m = 8 has 16 times the steps in two epochs: it is far ahead at equal rates */
            double mean = 0;
            for (size_t i = 0; i < input.cell_count; i++) {
                const struct law_cell *cell = &input.cell[i];
                if (rate_of(cell) < 0.2)
                    mean += (cell->config.batch_size == 8 ? 1 : -1) * cell->curve[METRIC_TEST_ACCURACY]->mean[2] / 3;
            }
            cr_expect(fabs(checks.check[0].measured - mean) < 1e-12 && mean > 0.1, "%g, %g", checks.check[0].measured,
                      mean);
        }
        checks_free(&checks);
        law_figure_free(&figure);
        free(input.cell);
    }
    law_results_close(results);
    close_scene(&scene);
}
