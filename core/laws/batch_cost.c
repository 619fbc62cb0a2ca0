/* L12. What a batch costs on this machine. A step of m samples takes alpha + beta m seconds: alpha for the step itself,
 * beta for every sample. With the steps to a target S = S_inf (1 + B/m) (McCandlish et al., arXiv:1812.06162, 2018) the
 * time to it, S (alpha + beta m), is least at m = sqrt(alpha B/beta).
 *
 * Checked, by `claim`: the line (step); that some batches are almost as cheap as one sample (almost_free), which holds
 * where alpha is large, as on a GPU; that single samples are about n times cheaper than full gradients (single_sample);
 * the best batch size (best_batch); that single samples are sooner at a loose target and full batches at a tight one
 * (full_batch). Verdicts are about the machine of the runs. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "laws/batch_cost.h"

enum { CLAIM, RESIDUAL, ALMOST, ORDER, TARGET, FACTOR, EXTRA, LOOSE };
enum { CLAIM_STEP, CLAIM_ALMOST_FREE, CLAIM_SINGLE_SAMPLE, CLAIM_BEST_BATCH, CLAIM_FULL_BATCH };
static const char *const claims[] = {"step", "almost_free", "single_sample", "best_batch", "full_batch", NULL};
static const struct param params[] = {
    [CLAIM] = {.name = "claim", .kind = PARAM_CHOICE, .choices = claims, .help = "what is checked"},
    [RESIDUAL] = {.name = "residual",
                  .kind = PARAM_REAL,
                  .fallback = 0.15,
                  .min = 0,
                  .min_open = true,
                  .max = 1,
                  .help = "step: largest root mean square of the line's relative errors"},
    [ALMOST] = {.name = "almost",
                .kind = PARAM_REAL,
                .fallback = 2,
                .min = 1,
                .max = INFINITY,
                .help = "almost_free: a step that takes at most so many times as long is almost as cheap"},
    [ORDER] = {.name = "order",
               .kind = PARAM_REAL,
               .fallback = 10,
               .min = 1,
               .max = INFINITY,
               .help = "single_sample: a full gradient takes at least n over that many times as long"},
    [TARGET] = {.name = "target",
                .kind = PARAM_REAL,
                .fallback = 0.01,
                .min = 0,
                .min_open = true,
                .max = 1,
                .max_open = true,
                .help = "best_batch, full_batch: gap as a share of the first one; full_batch: the tight one"},
    [FACTOR] = {.name = "factor",
                .kind = PARAM_REAL,
                .fallback = 2,
                .min = 1,
                .min_open = true,
                .max = INFINITY,
                .help = "best_batch: the best size is within that factor of the predicted one"},
    [EXTRA] = {.name = "extra",
               .kind = PARAM_REAL,
               .fallback = 0.25,
               .min = 0,
               .min_open = true,
               .max = INFINITY,
               .help = "best_batch: the predicted size takes at most that share longer than the best"},
    [LOOSE] = {.name = "loose",
               .kind = PARAM_REAL,
               .fallback = 0.3,
               .min = 0,
               .min_open = true,
               .max = 1,
               .max_open = true,
               .help = "full_batch: the loose target"},
};

/* ---- what is measured ---- */

static double residual_of_line(const struct batch_cost *cost, const double *weight, const void *argument)
{
    (void)argument;
    return step_line(cost, weight).residual;
}

static double cost_of_step(const struct batch_cost *cost, const double *weight, const void *argument)
{
    (void)argument;
    const struct cost_line line = step_line(cost, weight);
    return line.first / line.second;
}

/* The sizes that are compared. */
struct pair {
    const struct timed_size *over, *under;
};

static double ratio_of_steps(const struct batch_cost *cost, const double *weight, const void *argument)
{
    (void)cost;
    const struct pair *pair = argument;
    return timed_median(&pair->over->step, weight) / timed_median(&pair->under->step, weight);
}

static double ratio_to_target(const struct batch_cost *cost, const double *weight, const void *argument)
{
    (void)cost;
    const struct pair *pair = argument;
    return seconds_to_target(pair->over, weight) / seconds_to_target(pair->under, weight);
}

static double best_over_predicted(const struct batch_cost *cost, const double *weight, const void *argument)
{
    (void)argument;
    return best_batch(cost, weight) / predicted_batch(cost, weight);
}

/* Of the size nearest to the predicted one over the least. */
static double extra_time(const struct batch_cost *cost, const double *weight, const void *argument)
{
    (void)argument;
    const double predicted = predicted_batch(cost, weight);
    double least = INFINITY, distance = INFINITY, there = NAN;
    for (size_t s = 0; s < cost->sizes; s++) {
        const double seconds = seconds_to_target(&cost->size[s], weight), off = fabs(log(cost->size[s].m / predicted));
        if (cost->size[s].full || !isfinite(seconds))
            continue;
        least = fmin(least, seconds);
        if (off < distance) {
            distance = off;
            there = seconds;
        }
    }
    return there / least;
}

/* ---- checks ---- */

struct law {
    struct batch_cost *cost;
    struct check_list *checks;
    struct error *error;
};

/* Completes a check of `value`, measured in `unit`, and adds it. Before the run: as if repetitions scattered by a
 * tenth. */
static enum status add(const struct law *law, struct check check, batch_cost_value *value, const void *argument,
                       double unit)
{
    const struct batch_cost *cost = law->cost;
    const struct law_cell *cell = cost->cell[0].cell;
    enum status status = STATUS_OK;
    snprintf(check.instance, sizeof check.instance, "%.40s on %.60s, d = %zu", cell->columns.problem,
             cell->config.problem.data->name, cell->columns.d);
    check.measured = check.se = NAN;
    check.replicates = cost->input->planned ? cost->input->replicates : cost->replicates;
    if (cost->input->planned)
        check.se = 0.125 / sqrt((double)check.replicates);
    if (cost->replicates >= 2) {
        check.measured = unit * value(cost, NULL, argument);
        status = batch_cost_se(cost, value, argument, check.kind != CHECK_ORDER, &check.se, law->error);
    }
    return status == STATUS_OK ? checks_add(law->checks, &check, law->error) : status;
}

static enum status check_step(const struct law *law)
{
    const struct law_input *input = law->cost->input;
    struct check check = {
        .kind = CHECK_BOUND, .predicted = input->values->scalar[RESIDUAL], .margin = input->margin_value};
    snprintf(check.quantity, sizeof check.quantity, "seconds of a step are alpha + beta m: rms relative error at most");
    enum status status = add(law, check, residual_of_line, NULL, 1);
    /* A tenth of a sample's work is the least that would be worth naming. */
    check = (struct check){.kind = CHECK_ORDER, .predicted = 0, .margin = 0.1};
    snprintf(check.quantity, sizeof check.quantity, "a step has a cost of its own: alpha/beta, in samples, above");
    return status == STATUS_OK ? add(law, check, cost_of_step, NULL, 1) : status;
}

static enum status check_almost_free(const struct law *law)
{
    const struct law_input *input = law->cost->input;
    struct pair pair = {.under = size_of(law->cost, 1)};
    enum status status = pair.under && law->cost->sizes > 1
                             ? STATUS_OK
                             : error_set(law->error, STATUS_USAGE, "this claim compares batches with m = 1");
    for (size_t s = 0; status == STATUS_OK && s < law->cost->sizes; s++) {
        struct check check = {
            .kind = CHECK_BOUND, .predicted = input->values->scalar[ALMOST], .margin = input->margin_value};
        pair.over = &law->cost->size[s];
        if (pair.over == pair.under)
            continue;
        snprintf(check.quantity, sizeof check.quantity, "%g samples are almost as cheap as one: t(%g)/t(1) at most",
                 pair.over->m, pair.over->m);
        status = add(law, check, ratio_of_steps, &pair, 1);
    }
    return status;
}

static enum status check_single_sample(const struct law *law)
{
    const struct law_input *input = law->cost->input;
    const struct timed_size *one = size_of(law->cost, 1), *all = full_size(law->cost);
    if (!one || !all)
        return error_set(law->error, STATUS_USAGE, "this claim compares m = 1 with sampling: full");
    const struct pair up = {all, one}, down = {one, all};
    struct check check = {.kind = CHECK_BOUND, .predicted = all->m, .margin = input->margin_value};
    snprintf(check.quantity, sizeof check.quantity, "full gradient over single-sample step: at most n times");
    enum status status = add(law, check, ratio_of_steps, &up, 1);
    check.predicted = input->values->scalar[ORDER] / all->m;
    snprintf(check.quantity, sizeof check.quantity, "single-sample step over full gradient: at most %g/n",
             input->values->scalar[ORDER]);
    return status == STATUS_OK ? add(law, check, ratio_of_steps, &down, 1) : status;
}

static enum status check_best_batch(const struct law *law)
{
    const struct law_input *input = law->cost->input;
    const double *value = input->values->scalar;
    batch_cost_aim(law->cost, value[TARGET], false);
    const double predicted = law->cost->replicates ? predicted_batch(law->cost, NULL) : NAN;
    struct check check = {.kind = CHECK_RATIO, .predicted = predicted, .margin = log(value[FACTOR])};
    snprintf(check.quantity, sizeof check.quantity, "batch size first at %g of the gap: sqrt(alpha B/beta)",
             value[TARGET]);
    enum status status = add(law, check, best_over_predicted, NULL, predicted);
    check.kind = CHECK_BOUND;
    check.predicted = 1 + value[EXTRA];
    check.margin = input->margin_value;
    snprintf(check.quantity, sizeof check.quantity, "time to %g of the gap at the predicted size over the least",
             value[TARGET]);
    return status == STATUS_OK ? add(law, check, extra_time, NULL, 1) : status;
}

static enum status check_full_batch(const struct law *law)
{
    const struct law_input *input = law->cost->input;
    const double loose = input->values->scalar[LOOSE], tight = input->values->scalar[TARGET];
    const struct timed_size *one = size_of(law->cost, 1), *all = full_size(law->cost);
    if (!one || !all)
        return error_set(law->error, STATUS_USAGE, "this claim compares m = 1 with sampling: full");
    const struct pair up = {all, one}, down = {one, all};
    struct check check = {.kind = CHECK_BOUND, .predicted = 1, .margin = input->margin_value};
    batch_cost_aim(law->cost, loose, false);
    snprintf(check.quantity, sizeof check.quantity, "single samples first at %g of the gap: time over full batch's",
             loose);
    enum status status = add(law, check, ratio_to_target, &down, 1);
    batch_cost_aim(law->cost, tight, true);
    snprintf(check.quantity, sizeof check.quantity, "full batch first at %g of the gap: time over single samples'",
             tight);
    return status == STATUS_OK ? add(law, check, ratio_to_target, &up, 1) : status;
}

/* ---- the law ---- */

static enum status check_claim(const struct law *law, struct law_figure *figure)
{
    struct batch_cost *cost = law->cost;
    const double *value = cost->input->values->scalar;
    const bool draw = cost->replicates > 0;
    enum status status;
    switch ((int)value[CLAIM]) {
    case CLAIM_STEP:
        status = check_step(law);
        return status == STATUS_OK && draw ? batch_cost_draw_step(cost, value[ALMOST], figure, law->error) : status;
    case CLAIM_ALMOST_FREE:
        return check_almost_free(law);
    case CLAIM_SINGLE_SAMPLE:
        return check_single_sample(law);
    case CLAIM_BEST_BATCH:
        status = check_best_batch(law);
        return status == STATUS_OK && draw ? batch_cost_draw_best(cost, value[TARGET], figure, law->error) : status;
    default:
        status = check_full_batch(law);
        return status == STATUS_OK && draw ? batch_cost_draw_full(cost, value[TARGET], figure, law->error) : status;
    }
}

static bool records_gap(const struct law_input *input)
{
    bool all = true;
    for (size_t i = 0; i < input->cell_count; i++)
        all = all && (input->cell[i].config.metrics & 1u << METRIC_GAP);
    return all;
}

static enum status evaluate(const struct law_input *input, struct check_list *checks, struct law_figure *figure,
                            struct error *error)
{
    const int claim = (int)input->values->scalar[CLAIM];
    struct law law = {.checks = checks, .error = error};
    if ((claim == CLAIM_BEST_BATCH || claim == CLAIM_FULL_BATCH) && !records_gap(input))
        return error_set(error, STATUS_USAGE, "this claim needs the metric gap");
    enum status status = input->cell_count ? batch_cost_open(input, &law.cost, error) : STATUS_OK;
    if (status == STATUS_OK && law.cost)
        status = check_claim(&law, figure);
    batch_cost_close(law.cost);
    return status;
}

const struct law_type law_batch_cost = {
    .method = {.name = "batch_cost",
               .summary = "a step takes alpha + beta m seconds; the batch first at a target is sqrt(alpha B/beta)",
               .revision = 1,
               .params = params,
               .param_count = sizeof params / sizeof *params},
    .number = "L12",
    .title = "Cost of a batch",
    .group = "Claims of the field",
    .source = "Bottou, Bousquet 2008; McCandlish et al. 2018",
    .evaluate = evaluate,
};
