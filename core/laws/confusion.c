/* L11. The region of confusion. For parabolas f_i = a_i (x - c_i)^2/2, a_i > 0, all sample gradients agree in sign with
 * the full one outside R = [min c_i, max c_i], so that SGD is as good as gradient descent there; with eta max a_i <= 1
 * every step from outside comes strictly nearer to R, and nothing leaves R again. Inside, the iterates become
 * stationary with E(x - x*)^2 = eta mean(a_i^2 (x* - c_i)^2)/(2 mean a_i - eta mean a_i^2). Two parabolas at -1 and 1
 * show that their distribution need not be smooth: eta = 1/2 makes it uniform on R, eta = 2/3 puts it on a Cantor set
 * (Diaconis, Freedman, SIAM Review 41 (1999), section 2). The name is Bertsekas's, Optimization for Machine Learning
 * (2011), chapter 4.
 *
 * `beyond: true` states that R is absorbing also where eta max a_i > 1. */
#include "laws/confusion.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "laws/law_average.h"
#include "stats.h"

enum { BEYOND };
static const struct param params[] = {
    [BEYOND] = {.name = "beyond",
                .kind = PARAM_BOOL,
                .help = "state that R is absorbing where eta max a_i > 1, and nothing else"},
};

enum { BINS = 16, OUTSIDE = 400 };
static const double SETTLED = 1e-9; /* relative, of the second moment when the second half of a run begins */
static const double ROUNDING = 1e-12;

/* ---- predictions ---- */

enum status confusion_open(const struct law_cell *cell, struct confusion *out, struct error *error)
{
    const struct run_config *config = &cell->config;
    const struct problem *problem = &config->problem;
    const struct matrix *rows = &problem->data->train;
    *out = (struct confusion){.cell = cell, .n = rows->rows, .left = INFINITY, .right = -INFINITY};
    if (config->kind != KIND_TRAINING || !problem->type->quadratic || rows->sparse || problem_dim(problem) != 1 ||
        problem->l1 > 0 || problem->l2 > 0 || isfinite(problem->radius) || config->batch_size != 1 ||
        !config->sampler->with_replacement || config->keep != KEEP_RUNS || !config->schedule.type->constant ||
        config->schedule.warmup)
        return error_set(error, STATUS_USAGE,
                         "this law needs training runs on one-dimensional least squares: batch_size 1 with "
                         "replacement, a constant rate, keep: runs, no penalty");
    for (size_t p = 0; p < cell->points; p++)
        if (cell->step[p] != p)
            return error_set(error, STATUS_USAGE,
                             "this law follows every step: record {points: steps + 1, spacing: "
                             "linear}");
    out->a = malloc(2 * out->n * sizeof *out->a);
    if (!out->a)
        return error_memory(error, 2 * out->n * sizeof *out->a, "parabolas");
    out->c = out->a + out->n;
    double curvature = 0, square = 0, moment = 0, pull = 0;
    for (size_t i = 0; i < out->n; i++) {
        const double row = rows->value[i * rows->stride];
        out->a[i] = row * row;
        out->c[i] = problem->data->y[i] / row;
        out->left = fmin(out->left, out->c[i]);
        out->right = fmax(out->right, out->c[i]);
        out->steepest = fmax(out->steepest, out->a[i]);
        curvature += out->a[i] / (double)out->n;
        square += out->a[i] * out->a[i] / (double)out->n;
        moment += out->a[i] * out->c[i] / (double)out->n;
    }
    schedule_rates(&config->schedule, 0, 1, config->steps, &out->eta);
    out->optimum = moment / curvature;
    for (size_t i = 0; i < out->n; i++)
        pull += pow(out->a[i] * (out->optimum - out->c[i]), 2) / (double)out->n;
    out->second_moment = out->eta * pull / (2 * curvature - out->eta * square);
    out->decay = 1 - 2 * out->eta * curvature + out->eta * out->eta * square;
    out->pair = out->n == 2 && out->a[0] == 1 && out->a[1] == 1;
    if (!(out->decay < 1))
        return error_set(error, STATUS_USAGE, "this law needs a rate below the mean-square limit, and %g is not",
                         out->eta);
    return STATUS_OK;
}

void confusion_close(struct confusion *confusion)
{
    free(confusion->a);
}

double confusion_agreement(const struct confusion *k, double x)
{
    double slope = 0, agree = 0;
    for (size_t i = 0; i < k->n; i++)
        slope += k->a[i] * (x - k->c[i]);
    for (size_t i = 0; i < k->n; i++)
        agree += (x > k->c[i]) - (x < k->c[i]) == (slope > 0) - (slope < 0);
    return agree / (double)k->n;
}

static double distance_to(const struct confusion *k, double x)
{
    return fmax(0, fmax(k->left - x, x - k->right));
}

uint64_t confusion_violations(const struct confusion *k, const double *x, size_t points, uint64_t *exits)
{
    uint64_t count = 0;
    *exits = 0;
    for (size_t p = 0; p + 1 < points; p++) {
        const double here = distance_to(k, x[p]), next = distance_to(k, x[p + 1]);
        *exits += here == 0 && next > 0;
        count += here > 0 ? next >= here : next > 0;
    }
    return count;
}

/* ---- measurements ---- */

static const double *chain(const struct law_curve *curve, size_t index)
{
    return curve->group_mean + index * curve->points;
}

/* Mean over chains of a chain's mean over the second half of its steps. */
static struct law_average second_half(const struct law_curve *curve, double (*value)(double x, const void *context),
                                      const void *context)
{
    struct moments moments = {0};
    for (size_t g = 0; g < curve->groups; g++) {
        const double *x = chain(curve, g);
        struct moments time = {0};
        for (size_t p = curve->points / 2; p < curve->points; p++)
            moments_add(&time, value(x[p], context));
        moments_add(&moments, time.mean);
    }
    const double chains = (double)moments.count;
    return (struct law_average){
        .value = moments.mean, .se = sqrt(moments.m2 / (chains - 1) / chains), .chains = moments.count};
}

static double square_error(double x, const void *context)
{
    return pow(x - *(const double *)context, 2);
}

/* Is x in the middle third of R? */
static double in_middle(double x, const void *context)
{
    const struct confusion *k = context;
    const double middle = (k->left + k->right) / 2, sixth = (k->right - k->left) / 6;
    return fabs(x - middle) < sixth * (1 - ROUNDING);
}

/* ---- checks ---- */

static struct check new_check(const struct law_input *input, const struct confusion *k, enum check_kind kind)
{
    struct check check = {.kind = kind, .replicates = input->planned ? input->replicates : k->cell->chains};
    snprintf(check.instance, sizeof check.instance, "%zu parabolas, eta = %.4g, eta max a = %.3g", k->n, k->eta,
             k->eta * k->steepest);
    return check;
}

/* Far and near, on both sides: the smallest share of samples that agree. */
static enum status check_agreement_outside(const struct law_input *input, const struct confusion *k,
                                           struct check_list *checks, struct error *error)
{
    struct check check = new_check(input, k, CHECK_EXACT);
    const double width = k->right - k->left;
    check.predicted = check.measured = 1;
    for (int i = 0; i < OUTSIDE; i++) {
        const double away = width * pow(10, -6 + 8.0 * i / OUTSIDE);
        check.measured = fmin(check.measured, confusion_agreement(k, k->left - away));
        check.measured = fmin(check.measured, confusion_agreement(k, k->right + away));
    }
    snprintf(check.quantity, sizeof check.quantity, "least share of samples whose gradient agrees in sign, outside R");
    return checks_add(checks, &check, error);
}

static enum status check_absorbing(const struct law_input *input, const struct confusion *k, bool beyond,
                                   struct check_list *checks, struct error *error)
{
    const struct law_curve *curve = k->cell->curve[METRIC_X1];
    struct check check = new_check(input, k, CHECK_EXACT);
    check.measured = input->planned ? (double)NAN : 0;
    for (size_t g = 0; !input->planned && g < curve->groups; g++) {
        uint64_t exits;
        const uint64_t wrong = confusion_violations(k, chain(curve, g), curve->points, &exits);
        check.measured += (double)(beyond ? exits : wrong);
    }
    snprintf(check.quantity, sizeof check.quantity,
             beyond ? "steps that leave R" : "steps that leave R, or do not come nearer from outside");
    return checks_add(checks, &check, error);
}

/* The start is forgotten: of its square decay^t is left, of its mean (1 - eta mean a)^t, which is smaller. */
static enum status check_moment(const struct law_input *input, const struct confusion *k, struct check_list *checks,
                                struct error *error)
{
    struct law_average moment = {.value = NAN};
    double start;
    enum status status = run_start(&(struct run_request){.config = &k->cell->config}, &start, 1, error);
    if (status != STATUS_OK)
        return status;
    start = pow(start - k->optimum, 2) + k->second_moment;
    if (start * pow(k->decay, 0.5 * (double)(k->cell->points / 2)) > SETTLED * k->second_moment)
        return error_set(error, STATUS_USAGE, "this law needs more steps: half of %llu are not enough to settle",
                         (unsigned long long)k->cell->config.steps);
    struct check check = new_check(input, k, CHECK_RATIO);
    check.predicted = k->second_moment;
    check.margin = input->margin_value;
    check.exact_theory = true;
    if (input->planned) /* as if Gaussian */
        check.se = sqrt(2 / (double)check.replicates * (1 + k->decay) / (1 - k->decay) /
                        (double)(k->cell->points - k->cell->points / 2));
    else
        moment = second_half(k->cell->curve[METRIC_X1], square_error, &k->optimum);
    check.measured = moment.value;
    if (!input->planned)
        check.se = moment.se / moment.value;
    snprintf(check.quantity, sizeof check.quantity, "stationary E(x - x*)^2");
    return checks_add(checks, &check, error);
}

/* Pearson's test of the last iterates against the uniform distribution on R, and the share in its middle third over
 * all later steps. */
static enum status check_uniform(const struct law_input *input, const struct confusion *k, struct check_list *checks,
                                 struct error *error)
{
    struct check check = new_check(input, k, CHECK_P_VALUE);
    check.margin = input->margin_value;
    check.exact_theory = true;
    check.measured = check.effect = NAN;
    check.effect_se = sqrt(4 / ((double)check.replicates * (double)(k->cell->points / 2)));
    if (!input->planned) {
        const struct law_curve *curve = k->cell->curve[METRIC_X1];
        const struct law_average middle = second_half(curve, in_middle, k);
        double seen[BINS] = {0}, chi2 = 0;
        for (size_t g = 0; g < curve->groups; g++) {
            const double place = (chain(curve, g)[curve->points - 1] - k->left) / (k->right - k->left) * BINS;
            seen[place < 0 ? 0 : place >= BINS ? BINS - 1 : (size_t)place]++;
        }
        const double wanted = (double)curve->groups / BINS;
        for (int b = 0; b < BINS; b++)
            chi2 += pow(seen[b] - wanted, 2) / wanted;
        check.measured = stats_chi2_p(chi2, BINS - 1);
        check.effect = 3 * middle.value - 1;
        check.effect_se = 3 * middle.se;
    }
    snprintf(check.quantity, sizeof check.quantity, "p of uniformity on R (%d bins); effect: share in the middle third",
             BINS);
    return checks_add(checks, &check, error);
}

static enum status check_cantor(const struct law_input *input, const struct confusion *k, struct check_list *checks,
                                struct error *error)
{
    struct check check = new_check(input, k, CHECK_EXACT);
    check.measured = input->planned ? (double)NAN : second_half(k->cell->curve[METRIC_X1], in_middle, k).value;
    snprintf(check.quantity, sizeof check.quantity, "P(|x| < 1/3), the middle third of R");
    return checks_add(checks, &check, error);
}

static enum status check_cell(const struct law_input *input, const struct confusion *k, bool first,
                              struct check_list *checks, struct error *error)
{
    const bool gentle = k->eta * k->steepest <= 1;
    const struct law_curve *curve;
    enum status status = law_need_curve(input, k->cell, METRIC_X1, &curve, error);
    if (status == STATUS_OK && curve && (k->cell->diverged > 0 || curve->groups < 2))
        status = error_set(error, STATUS_USAGE, "this law needs at least two runs, and none that diverges");
    if (status == STATUS_OK && input->values->scalar[BEYOND] != 0)
        return gentle ? STATUS_OK : check_absorbing(input, k, true, checks, error);
    if (status == STATUS_OK && first && !k->pair)
        status = check_agreement_outside(input, k, checks, error);
    if (status == STATUS_OK && gentle && !k->pair)
        status = check_absorbing(input, k, false, checks, error);
    if (status == STATUS_OK)
        status = check_moment(input, k, checks, error);
    if (status == STATUS_OK && k->pair && fabs(k->eta - 1.0 / 2) < ROUNDING)
        status = check_uniform(input, k, checks, error);
    if (status == STATUS_OK && k->pair && fabs(k->eta - 2.0 / 3) < ROUNDING)
        status = check_cantor(input, k, checks, error);
    return status;
}

/* ---- the law ---- */

static enum status evaluate(const struct law_input *input, struct check_list *checks, struct law_figure *figure,
                            struct error *error)
{
    const size_t count = input->cell_count;
    struct confusion *confusion = calloc(count + 1, sizeof *confusion);
    enum status status = confusion ? STATUS_OK : error_memory(error, count * sizeof *confusion, "a law");
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        bool first = true;
        status = confusion_open(&input->cell[i], &confusion[i], error);
        for (size_t j = 0; j < i; j++)
            first = first && strcmp(input->cell[j].columns.data, input->cell[i].columns.data) != 0;
        if (status == STATUS_OK)
            status = check_cell(input, &confusion[i], first, checks, error);
    }
    if (status == STATUS_OK && !input->planned && count > 0)
        status = confusion_draw(figure, confusion, count, error);
    for (size_t i = 0; confusion && i < count; i++)
        confusion_close(&confusion[i]);
    free(confusion);
    return status;
}

const struct law_type law_region_of_confusion = {
    .method = {.name = "region_of_confusion",
               .summary = "outside R = [min c, max c] all samples agree and steps come nearer; inside E(x-x*)^2 = eta "
                          "mean(a^2(x*-c)^2)/(2 mean a - eta mean a^2)",
               .revision = 1,
               .params = params,
               .param_count = sizeof params / sizeof *params},
    .number = "L11",
    .title = "Region of confusion",
    .group = "Claims of the field",
    .source = "Bertsekas (2011), chapter 4; Diaconis, Freedman, SIAM Review 41 (1999)",
    .evaluate = evaluate,
};
