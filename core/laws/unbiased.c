/* L1. The batch gradient is unbiased: E g = grad f at any frozen x, for every m, with replacement and by subset.
 *
 * With e the deviation of the mean of R draws from grad f, R e' (kappa Sigma)^+ e is chi^2 with rank(Sigma) degrees of
 * freedom (Hotelling's statistic with a known covariance; Robbins and Monro, Ann. Math. Statist. 22 (1951), need the
 * unbiasedness). Its p-value must not be small, and the mean along grad f must be grad f within the margin. A subset of
 * all n has no noise: e is 0 to rounding. With a handful of samples all batches that the sampler draws are tried: their
 * mean is grad f to rounding, and each comes equally often. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "laws/gradient_study.h"
#include "laws/law_estimator.h"
#include "laws/qq.h"
#include "stats.h"

static const double ROUNDING = 1e-14; /* of the mean over all batches, in units of the largest |grad f_i| */

struct marks {
    double *m, *effect, *low, *high, *p;
    size_t count; /* p: of those with noise, the same cells */
};

static enum status add_check(const struct law_input *input, const struct law_cell *cell,
                             const struct pooled_estimate *e, struct check_list *checks, struct error *error)
{
    struct check check = {.replicates = e->draws, .predicted = NAN};
    law_cell_label(cell, check.instance, sizeof check.instance);
    if (e->kappa > 0) {
        check.kind = CHECK_P_VALUE;
        check.measured = e->p;
        check.effect = e->effect;
        check.effect_se = e->effect_se;
        check.se = e->effect_se;
        check.margin = input->margin_value;
        check.exact_theory = true;
        snprintf(check.quantity, sizeof check.quantity, "p of the mean gradient, chi^2 with %.0f df", e->df);
    } else { /* law_estimator tells a bias beyond rounding by an infinite statistic */
        check.kind = CHECK_EXACT;
        check.predicted = 0;
        check.measured = e->chi2;
        check.margin = input->margin_value;
        snprintf(check.quantity, sizeof check.quantity, "bias of a batch of all n beyond rounding");
    }
    return checks_add(checks, &check, error);
}

/* Where all batches can be tried. */
static enum status add_enumeration(const struct law_input *input, const struct law_cell *cell,
                                   struct check_list *checks, struct error *error)
{
    const struct run_config *c = &cell->config;
    const struct epoch_sampling sampling = {.type = c->sampler,
                                            .values = c->sampler_values,
                                            .batch_size = c->batch_size,
                                            .keep_last = c->keep_last,
                                            .seed = input->seed,
                                            .group = c->stream_group};
    if (!gradient_study_countable(c->sampler, cell->columns.n, c->batch_size) || c->problem.l1 > 0 ||
        isfinite(c->problem.radius))
        return STATUS_OK;
    double *x = law_frozen_point(input, cell, error);
    struct batch_study study;
    if (!x)
        return error ? error->status : STATUS_MEMORY;
    enum status status = gradient_study_batches(&c->problem, x, &sampling, &study, error);
    free(x);
    if (status != STATUS_OK)
        return status;
    struct check check = {.kind = CHECK_EXACT, .replicates = study.draws, .margin = ROUNDING};
    law_cell_label(cell, check.instance, sizeof check.instance);
    snprintf(check.quantity, sizeof check.quantity, "bias over all %zu batches, in units of max |grad f_i|",
             study.wanted);
    check.measured = study.batches == study.wanted ? study.bias / study.largest : INFINITY;
    check.measured = input->planned ? (double)NAN : check.measured;
    status = checks_add(checks, &check, error);
    if (status != STATUS_OK || study.wanted == 1)
        return status;
    check.kind = CHECK_P_VALUE;
    check.predicted = NAN;
    check.measured = input->planned ? (double)NAN : stats_chi2_p(study.chi2, study.df);
    check.margin = input->margin_value;
    check.exact_theory = true;
    snprintf(check.quantity, sizeof check.quantity, "p of equal frequencies, chi^2 with %.0f df", study.df);
    return checks_add(checks, &check, error);
}

static enum status draw(const struct law_input *input, const struct marks *marks, struct law_figure *figure,
                        struct error *error)
{
    snprintf(figure->title, sizeof figure->title, "Is the batch gradient unbiased?");
    enum status status = qq_panel(figure, "bias in all coordinates", marks->p, marks->count, error);
    if (status != STATUS_OK)
        return status;
    struct panel *panel =
        law_figure_panel(figure, "bias along the gradient", "batch size m", "u·(mean g)/|∇f| − 1, u = ∇f/|∇f|");
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    char margin[60];
    panel->x_log = true;
    double from = INFINITY, to = 0, most = 0;
    for (size_t i = 0; i < marks->count; i++) {
        from = fmin(from, marks->m[i] / 1.3);
        to = fmax(to, marks->m[i] * 1.3);
        most = fmax(most, fmax(fabs(marks->low[i]), fabs(marks->high[i])));
    }
    panel->y_max = 1.2 * most; /* the noise, which a wide margin would hide */
    panel->y_min = -panel->y_max;
    snprintf(margin, sizeof margin, "within the margin, ±%g", input->margin_value);
    const double x[2] = {from, to}, zero[2] = {0, 0};
    const double low[2] = {-input->margin_value, -input->margin_value},
                 high[2] = {input->margin_value, input->margin_value};
    status = panel_series(panel, SERIES_BAND, margin, 2, x, NULL, low, high, error);
    if (status == STATUS_OK)
        status = panel_series(panel, SERIES_THEORY, "unbiased", 2, x, zero, NULL, NULL, error);
    if (status == STATUS_OK)
        status = panel_series(panel, SERIES_POINTS, "measured, ± 2 standard errors", marks->count, marks->m,
                              marks->effect, marks->low, marks->high, error);
    return status;
}

static enum status evaluate(const struct law_input *input, struct check_list *checks, struct law_figure *figure,
                            struct error *error)
{
    const size_t room = input->cell_count + 1;
    double *block = malloc(5 * room * sizeof *block);
    struct marks marks = {.m = block};
    enum status status = block ? STATUS_OK : error_memory(error, 5 * room * sizeof *block, "the figure of a law");
    if (block) {
        marks.effect = block + room;
        marks.low = block + 2 * room;
        marks.high = block + 3 * room;
        marks.p = block + 4 * room;
    }
    for (size_t i = 0; status == STATUS_OK && i < input->cell_count; i++) {
        const struct law_cell *cell = &input->cell[i];
        struct pooled_estimate e;
        status = law_pool(input, cell, &e, error);
        if (status == STATUS_OK)
            status = add_check(input, cell, &e, checks, error);
        if (status == STATUS_OK)
            status = add_enumeration(input, cell, checks, error);
        if (status != STATUS_OK || input->planned || !(e.kappa > 0))
            continue;
        /* Sizes of the same m stand beside each other, not on top of each other. */
        const double shift = pow(1.25, (double)(i % 11) / 10 - 0.5);
        marks.m[marks.count] = (double)cell->columns.batch_size * shift;
        marks.effect[marks.count] = e.effect;
        marks.low[marks.count] = e.effect - 2 * e.effect_se;
        marks.high[marks.count] = e.effect + 2 * e.effect_se;
        marks.p[marks.count++] = e.p;
    }
    if (status == STATUS_OK && marks.count > 1)
        status = draw(input, &marks, figure, error);
    free(block);
    return status;
}

const struct law_type law_unbiased = {
    .method = {.name = "unbiased",
               .summary = "E g_B = grad f at a frozen x: R e'(kappa Sigma)^+ e ~ chi^2, e = mean of R draws - grad f",
               .revision = 1},
    .number = "L1",
    .title = "Unbiased batch gradients",
    .group = "Core",
    .source = "Robbins and Monro 1951; Hotelling 1931",
    .evaluate = evaluate,
};
