/* L2, batches that share no sample. Two of one epoch, frozen at x, lean against each other: with d_A, d_B their
 * deviations from grad f, E d_A d_B' = -Sigma/(n-1) whatever their sizes (Cochran, Sampling Techniques, 1977, sec. 2.3,
 * for two disjoint simple random samples). All of one epoch together are the full gradient: their mean, weighted by
 * size, is grad f to rounding. An epoch that drops its short last batch breaks that (`claim: mean` refutes it).
 *
 * `draws` of the experiment are the epochs; they are drawn here, through the sampler, not by the runs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "laws/gradient_study.h"
#include "laws/law_estimator.h"

enum { CLAIM };
enum { BOTH, COVARIANCE, MEAN };
static const char *const claims[] = {"both", "covariance", "mean", NULL};
static const struct param params[] = {
    [CLAIM] = {.name = "claim",
               .kind = PARAM_CHOICE,
               .choices = claims,
               .help = "covariance: of two batches; mean: of all of an epoch, weighted by size"},
};

enum { PILOT_EPOCHS = 300 };

static enum status study(const struct law_input *input, const struct law_cell *cell, uint64_t epochs,
                         struct epoch_study *out, struct error *error)
{
    const struct run_config *c = &cell->config;
    const struct epoch_sampling sampling = {.type = c->sampler,
                                            .values = c->sampler_values,
                                            .batch_size = c->batch_size,
                                            .keep_last = c->keep_last,
                                            .seed = input->seed,
                                            .group = c->stream_group};
    if (c->kind != KIND_ESTIMATOR || c->sampler->deterministic)
        return error_set(error, STATUS_USAGE, "this law needs kind: estimator and random epochs (reshuffle, ...)");
    double *x = law_frozen_point(input, cell, error);
    if (!x)
        return error ? error->status : STATUS_MEMORY;
    enum status status = gradient_study_epochs(&c->problem, x, &sampling, epochs, out, error);
    free(x);
    return status;
}

/* Negative numbers have no logarithm: both sides change their sign. */
static enum status add_covariance(const struct law_input *input, const struct law_cell *cell,
                                  const struct epoch_study *s, uint64_t epochs, struct check_list *checks,
                                  struct error *error)
{
    const double share = input->planned ? sqrt((double)s->epochs / (double)epochs) : 1;
    const double measured = input->planned ? s->covariance_predicted : s->covariance;
    const double along = input->planned ? s->along_predicted : s->along;
    struct check check = {.kind = CHECK_RATIO,
                          .replicates = epochs,
                          .margin = input->margin_value,
                          .exact_theory = true,
                          .predicted = -s->covariance_predicted,
                          .measured = input->planned ? (double)NAN : -measured,
                          .se = share * s->covariance_se / fabs(measured)};
    law_cell_label(cell, check.instance, sizeof check.instance);
    snprintf(check.quantity, sizeof check.quantity, "-E d_A.d_B of two batches of an epoch");
    enum status status = checks_add(checks, &check, error);
    if (status != STATUS_OK || s->along_predicted == 0)
        return status;
    check.exact_theory = false; /* exact, but it goes with the other */
    check.predicted = -s->along_predicted;
    check.measured = input->planned ? (double)NAN : -along;
    check.se = share * s->along_se / fabs(along);
    snprintf(check.quantity, sizeof check.quantity, "-E (u.d_A)(u.d_B), u = grad f/|grad f|");
    return checks_add(checks, &check, error);
}

static enum status add_mean(const struct law_input *input, const struct law_cell *cell, const struct epoch_study *s,
                            struct check_list *checks, struct error *error)
{
    struct check check = {.kind = CHECK_EXACT, .replicates = s->epochs, .margin = 1};
    law_cell_label(cell, check.instance, sizeof check.instance);
    check.measured = input->planned ? (double)NAN : s->deviation / s->rounding;
    snprintf(check.quantity, sizeof check.quantity, "weighted mean of an epoch - grad f, over what rounding explains");
    return checks_add(checks, &check, error);
}

/* Covariances over theory, against the share of the samples that the two batches take. */
static enum status draw(struct law_figure *figure, size_t count, const double *share, const double *ratio,
                        const double *low, const double *high, struct error *error)
{
    snprintf(figure->title, sizeof figure->title, "Do batches of one epoch lean against each other?");
    struct panel *panel = law_figure_panel(figure, "two batches of one epoch", "share m/n of the samples in a batch",
                                           "E d_A·d_B over −tr Σ/(n − 1)");
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    const double x[2] = {0, 1}, one[2] = {1, 1}, zero[2] = {0, 0};
    panel->x_min = 0;
    panel->x_max = 1;
    panel->y_min = -0.1;
    panel->y_max = 1.2;
    enum status status =
        panel_series(panel, SERIES_POINTS, "measured, ± 2 standard errors", count, share, ratio, low, high, error);
    if (status == STATUS_OK)
        status = panel_series(panel, SERIES_THEORY, "−Σ/(n − 1)", 2, x, one, NULL, NULL, error);
    if (status == STATUS_OK)
        status = panel_series(panel, SERIES_THEORY, "independent batches", 2, x, zero, NULL, NULL, error);
    return status;
}

static enum status evaluate(const struct law_input *input, struct check_list *checks, struct law_figure *figure,
                            struct error *error)
{
    const double claim = input->values->scalar[CLAIM];
    double *block = malloc(4 * (input->cell_count + 1) * sizeof *block);
    if (!block)
        return error_memory(error, 4 * (input->cell_count + 1) * sizeof *block, "the figure of a law");
    double *share = block, *ratio = share + input->cell_count, *low = ratio + input->cell_count,
           *high = low + input->cell_count;
    size_t drawn = 0;
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < input->cell_count; i++) {
        const struct law_cell *cell = &input->cell[i];
        const uint64_t epochs = cell->config.draws * input->replicates;
        struct epoch_study s;
        status = study(input, cell, input->planned || claim == MEAN ? PILOT_EPOCHS : epochs, &s, error);
        if (status == STATUS_OK && claim != MEAN && s.batches > 1)
            status = add_covariance(input, cell, &s, epochs, checks, error);
        if (status == STATUS_OK && claim != COVARIANCE)
            status = add_mean(input, cell, &s, checks, error);
        if (status != STATUS_OK || input->planned || claim == MEAN || s.batches < 2)
            continue;
        share[drawn] = (double)cell->columns.batch_size / (double)cell->columns.n;
        ratio[drawn] = s.covariance / s.covariance_predicted;
        low[drawn] = ratio[drawn] - 2 * s.covariance_se / fabs(s.covariance_predicted);
        high[drawn] = 2 * ratio[drawn] - low[drawn];
        drawn++;
    }
    if (status == STATUS_OK && drawn > 0)
        status = draw(figure, drawn, share, ratio, low, high, error);
    free(block);
    return status;
}

const struct law_type law_epoch_batches = {
    .method = {.name = "epoch_batches",
               .summary = "batches A, B of one epoch at a frozen x: Cov(g_A, g_B) = -Sigma/(n-1); all, weighted by "
                          "size, are grad f",
               .revision = 1,
               .params = params,
               .param_count = sizeof params / sizeof *params},
    .number = "L2",
    .title = "Batches of one epoch",
    .group = "Core",
    .source = "Cochran, Sampling Techniques (1977), sec. 2.3",
    .evaluate = evaluate,
};
