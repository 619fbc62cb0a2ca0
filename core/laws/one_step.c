/* L8. The best rate of one step: with G = grad f(x), eta_inf = |G|^2/(G'H G) and B = tr(H Sigma)/(G'H G), the expected
 * loss after one step from x is least at eta_opt = eta_inf/(1 + kappa B) (McCandlish et al., arXiv:1812.06162, 2018,
 * eq. 2.6), so the useful rate grows with the batch size only up to about B.
 *
 * Measured from one-step runs: on least squares the loss after the step is a parabola in the rate whose value at 0 is
 * known, so two rates on the same batches give it, eta_opt = slope/curvature. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "laws/law_exact.h"
#include "stats.h"

/* Gap after a step of rate eta: gap_0 - slope eta + curvature eta^2/2, for the mean over chains. */
struct parabola {
    double slope, curvature;
};

/* From gaps at two rates. */
static struct parabola through(double gap_0, const double *eta, const double *gap)
{
    const double fall[2] = {(gap_0 - gap[0]) / eta[0], (gap_0 - gap[1]) / eta[1]};
    const double curvature = 2 * (fall[0] - fall[1]) / (eta[1] - eta[0]);
    return (struct parabola){.slope = fall[0] + 0.5 * curvature * eta[0], .curvature = curvature};
}

/* G'G and G'H G of the start, tr(H Sigma). */
struct shape {
    double gradient2, curvature, noise;
};

static struct shape look_at(const struct exact_run *run, double *gradient, double *sigma, double *moment)
{
    const struct oracle *o = run->oracle;
    const size_t d = o->d;
    struct shape out = {0};
    for (size_t k = 0; k < d; k++) {
        gradient[k] = 0;
        for (size_t l = 0; l < d; l++) {
            gradient[k] += o->h2[k * d + l] * run->e0[l];
            moment[k * d + l] = run->e0[k] * run->e0[l];
        }
    }
    oracle_noise(o, moment, run->e0, sigma); /* Sigma at the start, which is not random */
    for (size_t k = 0; k < d; k++) {
        out.gradient2 += gradient[k] * gradient[k];
        for (size_t l = 0; l < d; l++) {
            out.curvature += gradient[k] * o->h2[k * d + l] * gradient[l];
            out.noise += o->h2[k * d + l] * sigma[k * d + l];
        }
    }
    return out;
}

/* Two cells that differ in the rate alone. */
struct row {
    const struct exact_cell *cell[2];
    double m, eta_inf, b, predicted;
    double measured, se; /* se: relative */
    uint64_t chains;
};

static bool pair_up(const struct exact_cell *a, const struct exact_cell *b)
{
    bool same = a->cell->config.problem.data == b->cell->config.problem.data && a->run.oracle->d == b->run.oracle->d &&
                a->cell->columns.batch_size == b->cell->columns.batch_size &&
                a->cell->config.sampler == b->cell->config.sampler && a->run.eta[0] != b->run.eta[0];
    for (size_t j = 0; same && j < a->run.oracle->d; j++)
        same = a->run.e0[j] == b->run.e0[j];
    return same;
}

static enum status predict(struct row *row, struct error *error)
{
    const struct exact_run *run = &row->cell[0]->run;
    const size_t d = run->oracle->d;
    double *block = malloc((d + 2 * d * d) * sizeof *block);
    if (!block)
        return error_memory(error, (d + 2 * d * d) * sizeof *block, "the noise at the start");
    const struct shape start = look_at(run, block, block + d, block + d + d * d);
    row->eta_inf = start.gradient2 / start.curvature;
    row->b = start.noise / start.curvature;
    row->predicted = row->eta_inf / (1 + run->kappa * row->b);
    free(block);
    return STATUS_OK;
}

/* The spread of slope - eta_opt curvature over groups is that of their ratio, to first order. */
static void measure(const struct law_input *input, struct row *row)
{
    const struct law_curve *curve[2] = {row->cell[0]->measured, row->cell[1]->measured};
    const double eta[2] = {row->cell[0]->run.eta[0], row->cell[1]->run.eta[0]}, gap_0 = row->cell[0]->gap[0];
    const size_t points = row->cell[0]->cell->points, last = points - 1;
    row->chains = input->replicates;
    row->measured = NAN;
    row->se = row->cell[1]->relative_sd[last] * row->cell[1]->gap[last] /
              (eta[1] * through(gap_0, eta, (double[]){row->cell[0]->gap[last], row->cell[1]->gap[last]}).slope *
               sqrt((double)input->replicates));
    if (input->planned)
        return;
    const struct parabola mean = through(gap_0, eta, (double[]){curve[0]->mean[last], curve[1]->mean[last]});
    struct moments spread = {0};
    row->chains = curve[0]->chains;
    row->measured = mean.slope / mean.curvature;
    for (size_t g = 0; g < curve[0]->groups; g++) {
        const double gap[2] = {curve[0]->group_mean[g * points + last], curve[1]->group_mean[g * points + last]};
        const struct parabola own = through(gap_0, eta, gap);
        moments_add(&spread, own.slope / mean.slope - own.curvature / mean.curvature);
    }
    const double groups = (double)spread.count;
    row->se = sqrt((spread.m2 / (groups - 1) + spread.mean * spread.mean) / groups);
}

static enum status make_row(const struct law_input *input, const struct exact_cell *a, const struct exact_cell *b,
                            struct row *row, struct error *error)
{
    *row = (struct row){.cell = {a, b}, .m = (double)a->cell->columns.batch_size};
    if (a->run.steps != 1 || a->run.beta > 0 || a->run.workers > 1 || a->gap[0] == 0 ||
        a->cell->config.stream_group != b->cell->config.stream_group)
        return error_set(error, STATUS_USAGE,
                         "this law needs budget.steps: 1, plain steps, a start that is not x*, and the same batches at "
                         "all rates (schedule not in independent_over)");
    const enum status status = predict(row, error);
    if (status == STATUS_OK)
        measure(input, row);
    return status;
}

/* ---- checks ---- */

static enum status add_check(const struct law_input *input, const struct row *row, struct check_list *checks,
                             struct error *error)
{
    struct check check = {
        .kind = CHECK_RATIO,
        .predicted = row->predicted,
        .measured = row->measured,
        .se = row->se,
        .margin = input->margin_value,
        .replicates = row->chains,
        .exact_theory = true,
    };
    char cell[120];
    snprintf(check.instance, sizeof check.instance, "%s, B = %.3g",
             exact_instance(row->cell[0]->cell, cell, sizeof cell), row->b);
    snprintf(check.quantity, sizeof check.quantity, "best rate of one step, eta_inf/(1 + kappa B)");
    return checks_add(checks, &check, error);
}

/* ---- figure ---- */

enum { LINE = 60 };

static enum status draw(struct law_figure *figure, const struct row *row, size_t count, struct error *error)
{
    double x[LINE], best[LINE], linear[LINE], most = 1;
    double *block = malloc(4 * count * sizeof *block);
    struct panel *panel = law_figure_panel(figure, "", "batch size m", "best rate η of one step");
    if (!panel || !block) {
        free(block);
        return error_memory(error, 4 * count * sizeof *block, "a panel");
    }
    double *m = block, *rate = m + count, *low = rate + count, *high = low + count;
    snprintf(figure->title, sizeof figure->title, "How does the best rate of one step grow with the batch size?");
    panel->x_log = panel->y_log = true;
    for (size_t i = 0; i < count; i++) {
        m[i] = row[i].m;
        rate[i] = row[i].measured;
        low[i] = rate[i] * (1 - 2 * row[i].se);
        high[i] = rate[i] * (1 + 2 * row[i].se);
        most = fmax(most, row[i].m);
    }
    for (size_t k = 0; k < LINE; k++) { /* with replacement */
        x[k] = pow(1.5 * most, (double)k / (LINE - 1));
        best[k] = row[0].eta_inf / (1 + row[0].b / x[k]);
        linear[k] = row[0].eta_inf * x[k] / (1 + row[0].b);
    }
    snprintf(panel->text, sizeof panel->text, "η_inf = %.3g\nB = %.3g", row[0].eta_inf, row[0].b);
    panel->y_max = 2 * row[0].eta_inf;
    enum status status =
        panel_series(panel, SERIES_POINTS, "measured, ± 2 standard errors", count, m, rate, low, high, error);
    if (status == STATUS_OK)
        status = panel_series(panel, SERIES_THEORY, "η_inf/(1 + B/m)", LINE, x, best, NULL, NULL, error);
    if (status == STATUS_OK)
        status = panel_series(panel, SERIES_THEORY, "proportional to m", LINE, x, linear, NULL, NULL, error);
    free(block);
    return status;
}

/* ---- the law ---- */

static enum status evaluate(const struct law_input *input, struct check_list *checks, struct law_figure *figure,
                            struct error *error)
{
    const size_t count = input->cell_count;
    size_t used = 0;
    struct exact_cell *cell = NULL;
    struct row *row = calloc(count + 1, sizeof *row);
    enum status status =
        row ? exact_cells_open(input, &cell, error) : error_memory(error, (count + 1) * sizeof *row, "a law");
    for (size_t i = 0; status == STATUS_OK && i < count; i++)
        for (size_t j = i + 1; status == STATUS_OK && j < count; j++) {
            if (!pair_up(&cell[i], &cell[j]))
                continue;
            if (used == count)
                status = error_set(error, STATUS_USAGE, "this law needs two rates of each batch size");
            else
                status = make_row(input, &cell[i], &cell[j], &row[used], error);
            if (status == STATUS_OK)
                status = add_check(input, &row[used++], checks, error);
        }
    if (status == STATUS_OK && !input->planned && used > 0)
        status = draw(figure, row, used, error);
    exact_cells_close(cell, count);
    free(row);
    return status;
}

const struct law_type law_one_step = {
    .method = {.name = "one_step",
               .summary = "one step lowers E f most at eta = |G|^2/(G'HG)/(1 + kappa B), B = tr(H Sigma)/(G'HG)",
               .revision = 1},
    .number = "L8",
    .title = "Best rate of one step",
    .group = "Claims of the field",
    .source = "McCandlish et al. 2018, eq. 2.6",
    .evaluate = evaluate,
};
