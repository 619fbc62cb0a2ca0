/* Rates of convergence: curves or their pilot, tracks of points, and the checks that laws about rates have in common.
 */
#include "laws/law_rate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "laws/oracle.h"

enum { PILOT_CHAINS = LANES_MAX, RESAMPLES = 1000, STREAM = 1 };

/* ---- cells ---- */

static const char *obstacle(const struct run_config *config)
{
    const char *update = ((const struct method *)config->update)->name;
    if (config->kind != KIND_TRAINING)
        return "training runs";
    if (config->sampler->by_epoch)
        return "batches that are drawn anew at every step (with_replacement, subset, full)";
    if (config->start.kind == START_GAUSSIAN)
        return "a start that is not random";
    if (config->clip != CLIP_NONE || strcmp(update, "sgd") != 0)
        return "plain steps, without momentum and clipping";
    if (config->local_workers > 1)
        return "one worker";
    return NULL;
}

double rate_kappa(const struct law_cell *cell)
{
    const struct run_config *config = &cell->config;
    return config->sampler->deterministic
               ? 0
               : oracle_kappa(cell->columns.n, config->batch_size, config->sampler->with_replacement);
}

enum status rate_start(const struct law_cell *cell, double *x0, struct error *error)
{
    return run_start(&(struct run_request){.config = &cell->config}, x0, 1, error);
}

/* ---- pilot ---- */

static enum status pilot_alloc(struct law_curve *curve, size_t points, const uint64_t *step, struct error *error)
{
    *curve = (struct law_curve){.points = points, .groups = PILOT_CHAINS, .step = step};
    curve->mean = calloc((3 + PILOT_CHAINS) * points, sizeof *curve->mean);
    curve->count = calloc(points + PILOT_CHAINS, sizeof *curve->count);
    if (!curve->mean || !curve->count)
        return error_memory(error, (3 + PILOT_CHAINS) * points * sizeof *curve->mean, "a pilot");
    curve->variance = curve->mean + points;
    curve->se = curve->variance + points;
    curve->group_mean = curve->se + points;
    curve->group_count = curve->count + points;
    return STATUS_OK;
}

/* One metric of the pilot's chains; a chain is a group of its own. */
static void pilot_fill(const struct law_input *input, struct law_curve *curve, const struct run_result *result,
                       enum metric metric)
{
    curve->chains = input->replicates;
    for (size_t p = 0; p < curve->points; p++) {
        struct moments sum = {0};
        for (size_t r = 0; r < PILOT_CHAINS; r++) {
            const bool there = p < result[r].points;
            curve->group_count[r] = 1;
            curve->group_mean[r * curve->points + p] = there ? result[r].metric[metric][p] : (double)NAN;
            if (there)
                moments_add(&sum, result[r].metric[metric][p]);
        }
        curve->count[p] = curve->chains;
        curve->mean[p] = sum.mean;
        curve->variance[p] = sum.count > 1 ? sum.m2 / (double)(sum.count - 1) : 0;
        curve->se[p] = sqrt(curve->variance[p] / (double)input->replicates);
    }
}

/* A few chains tell the size of the noise, but nothing about the law. */
static enum status run_pilot(const struct law_input *input, const struct law_cell *cell, struct rate_curves *out,
                             struct error *error)
{
    struct run_request request[PILOT_CHAINS];
    struct run_result result[PILOT_CHAINS] = {0};
    enum status status = STATUS_OK;
    out->pilot = calloc(METRIC_COUNT, sizeof *out->pilot);
    if (!out->pilot)
        return error_memory(error, METRIC_COUNT * sizeof *out->pilot, "a pilot");
    for (size_t r = 0; r < PILOT_CHAINS; r++)
        request[r] = (struct run_request){.config = &cell->config, .seed = input->seed, .replicate = r};
    if (cell->config.problem.data->train.sparse)
        for (size_t r = 0; status == STATUS_OK && r < PILOT_CHAINS; r++)
            status = block_run(&request[r], 1, LAYOUT_AUTO, NULL, &result[r], error);
    else
        status = block_run(request, PILOT_CHAINS, LAYOUT_STREAM_PER_LANE, NULL, result, error);
    for (int m = 0; status == STATUS_OK && m < METRIC_COUNT; m++) {
        if (!result[0].metric[m])
            continue;
        status = pilot_alloc(&out->pilot[m], cell->points, cell->step, error);
        if (status == STATUS_OK)
            pilot_fill(input, &out->pilot[m], result, (enum metric)m);
        out->metric[m] = &out->pilot[m];
    }
    for (size_t r = 0; r < PILOT_CHAINS; r++)
        run_result_free(&result[r]);
    return status;
}

enum status rate_curves_open(const struct law_input *input, const struct law_cell *cell, struct rate_curves *out,
                             struct error *error)
{
    *out = (struct rate_curves){0};
    const char *needed = obstacle(&cell->config);
    if (needed)
        return error_set(error, STATUS_USAGE, "this law needs %s", needed);
    if (!cell->config.reference || !cell->config.reference->exists)
        return error_set(error, STATUS_USAGE, "this law needs a certified optimum: %s",
                         cell->config.reference ? cell->config.reference->reason : "it is not solved");
    if (input->planned)
        return run_pilot(input, cell, out, error);
    if (cell->diverged > 0)
        return error_set(error, STATUS_NUMERICAL, "%llu of %llu chains of cell %zu diverged: there is no mean gap",
                         (unsigned long long)cell->diverged, (unsigned long long)cell->chains, cell->cell);
    for (int m = 0; m < METRIC_COUNT; m++)
        out->metric[m] = cell->curve[m];
    return STATUS_OK;
}

void rate_curves_close(struct rate_curves *curves)
{
    for (int m = 0; curves->pilot && m < METRIC_COUNT; m++) {
        free(curves->pilot[m].mean);
        free(curves->pilot[m].count);
    }
    free(curves->pilot);
    *curves = (struct rate_curves){0};
}

/* ---- tracks ---- */

enum { COLUMNS = 6 };

enum status rate_track_alloc(struct rate_track *track, size_t capacity, struct error *error)
{
    *track = (struct rate_track){.capacity = capacity, .limit = NAN, .exact = true, .x_name = "T"};
    track->x = calloc(COLUMNS * capacity + 1, sizeof *track->x);
    if (!track->x)
        return error_memory(error, COLUMNS * capacity * sizeof *track->x, "the points of a law");
    track->predicted = track->x + capacity;
    track->measured = track->predicted + capacity;
    track->se = track->measured + capacity;
    track->low = track->se + capacity;
    track->high = track->low + capacity;
    return STATUS_OK;
}

void rate_track_free(struct rate_track *track)
{
    free(track->x);
    rate_curves_close(&track->curves);
    *track = (struct rate_track){0};
}

void rate_track_point(struct rate_track *track, double x, double predicted, const struct law_curve *curve, size_t p)
{
    const size_t k = track->count++;
    track->x[k] = x;
    track->predicted[k] = predicted;
    track->measured[k] = curve->mean[p];
    track->se[k] = curve->se[p];
    track->low[k] = track->high[k] = NAN;
    track->chains = k == 0 || curve->chains < track->chains ? curve->chains : track->chains;
}

/* ---- checks ---- */

static struct check start_check(const struct law_input *input, const struct rate_track *track, enum check_kind kind)
{
    struct check check = {.kind = kind, .margin = input->margin_value, .replicates = track->chains};
    snprintf(check.instance, sizeof check.instance, "%s", track->instance);
    return check;
}

static enum status check_value(const struct law_input *input, const struct rate_track *track, size_t k,
                               struct check_list *checks, struct error *error)
{
    struct check check = start_check(input, track, CHECK_RATIO);
    snprintf(check.quantity, sizeof check.quantity, "%s at %s = %.6g", track->quantity, track->x_name, track->x[k]);
    check.predicted = track->predicted[k];
    check.measured = input->planned ? (double)NAN : track->measured[k];
    check.se = track->se[k] / track->measured[k];
    check.exact_theory = track->exact && (!track->along || k == track->count - 1);
    return checks_add(checks, &check, error);
}

enum status rate_check_values(const struct law_input *input, const struct rate_track *track, size_t wanted,
                              struct check_list *checks, struct error *error)
{
    enum status status = STATUS_OK;
    size_t done = SIZE_MAX;
    for (size_t i = 0; status == STATUS_OK && track->count > 0 && i < wanted; i++) {
        const size_t k = wanted > 1 ? i * (track->count - 1) / (wanted - 1) : track->count - 1;
        if (k == done || isnan(track->predicted[k]))
            continue;
        status = check_value(input, track, k, checks, error);
        done = k;
    }
    return status;
}

enum status rate_check_level(const struct law_input *input, const struct rate_track *track, struct check_list *checks,
                             struct error *error)
{
    struct check check = start_check(input, track, CHECK_RATIO);
    double weights = 0, sum = 0;
    for (size_t k = 0; k < track->count; k++) {
        const double weight = pow(track->measured[k] / track->se[k], 2);
        weights += weight;
        sum += weight * log(track->measured[k] / track->predicted[k]);
    }
    if (!(weights > 0))
        return STATUS_OK;
    snprintf(check.quantity, sizeof check.quantity, "%s over theory, all %g..%g together", track->quantity, track->x[0],
             track->x[track->count - 1]);
    check.predicted = 1;
    check.measured = input->planned ? (double)NAN : exp(sum / weights);
    check.se = 1 / sqrt(weights);
    check.exact_theory = track->exact;
    return checks_add(checks, &check, error);
}

/* What a slope of group means needs. */
struct along {
    const struct rate_track *track;
    const double *weight;
};

static double slope_along(const double *mean, void *context)
{
    const struct along *a = context;
    double slope;
    return stats_log_slope_of(a->track->count, a->track->x, mean, a->weight, &slope, NULL) == STATUS_OK ? slope
                                                                                                        : (double)NAN;
}

/* The pilot's groups are fewer than the run's will be. */
enum status rate_bootstrap(const struct law_input *input, const struct rate_track *track,
                           double (*statistic)(const double *mean, void *context), void *context, double *se,
                           struct error *error)
{
    const struct law_curve *curve = track->along;
    const size_t count = track->count;
    double *value = malloc((count + 1) * curve->groups * sizeof *value);
    if (!value)
        return error_memory(error, (count + 1) * curve->groups * sizeof *value, "a bootstrap");
    double *chains = value + count * curve->groups;
    for (size_t g = 0; g < curve->groups; g++) {
        memcpy(value + g * count, curve->group_mean + g * curve->points + track->first, count * sizeof *value);
        chains[g] = (double)curve->group_count[g];
    }
    enum status status = stats_bootstrap(curve->groups, count, value, chains, RESAMPLES, input->seed, STREAM, statistic,
                                         context, se, error);
    if (input->planned)
        *se *= sqrt((double)curve->groups / (double)curve->chains);
    free(value);
    return status;
}

static bool known(const struct rate_track *track)
{
    bool all = true;
    for (size_t k = 0; k < track->count; k++)
        all = all && track->predicted[k] > 0;
    return all;
}

enum status rate_check_slope(const struct law_input *input, struct rate_track *track, bool bare,
                             struct check_list *checks, struct error *error)
{
    struct check check = start_check(input, track, CHECK_DIFFERENCE);
    struct slope slope;
    if (track->count < 3 || track->x[0] == track->x[track->count - 1])
        return STATUS_OK;
    double *weight = malloc(track->count * sizeof *weight);
    if (!weight)
        return error_memory(error, track->count * sizeof *weight, "a slope");
    for (size_t k = 0; k < track->count; k++)
        weight[k] = pow(track->measured[k] / track->se[k], 2);
    enum status status = stats_log_slope(track->count, track->x, track->measured, track->se, &slope, error);
    if (status == STATUS_OK && track->along)
        status = rate_bootstrap(input, track, slope_along, &(struct along){track, weight}, &slope.slope_se, error);
    double theory = NAN;
    if (status == STATUS_OK && known(track))
        status = stats_log_slope_of(track->count, track->x, track->predicted, weight, &theory, error);
    free(weight);
    if (status != STATUS_OK)
        return status;
    check.margin = input->margin_slope;
    check.predicted = bare ? track->power : theory;
    check.measured = input->planned ? (double)NAN : slope.slope;
    check.se = slope.slope_se;
    snprintf(check.quantity, sizeof check.quantity, "slope of ln %s on %g..%g", track->quantity, track->x[0],
             track->x[track->count - 1]);
    if (!bare && !input->planned && !track->along)
        snprintf(check.note, sizeof check.note, "%.4g in the limit; lack of fit: chi^2 = %.1f with %.0f df, p = %.2g",
                 track->power, slope.chi2, slope.df, slope.p);
    else if (!bare)
        snprintf(check.note, sizeof check.note, "%.4g in the limit", track->power);
    track->fitted = true;
    track->slope = slope.slope;
    track->slope_se = slope.slope_se;
    track->slope_predicted = check.predicted;
    return checks_add(checks, &check, error);
}

enum status rate_check_limit(const struct law_input *input, const struct rate_track *track, struct check_list *checks,
                             struct error *error)
{
    if (track->count == 0 || isnan(track->limit))
        return STATUS_OK;
    struct check check = start_check(input, track, CHECK_RATIO);
    const size_t k = track->count - 1;
    if (track->power == -1)
        snprintf(check.quantity, sizeof check.quantity, "(%s) %s at %.6g against its limit", track->x_name,
                 track->quantity, track->x[k]);
    else
        snprintf(check.quantity, sizeof check.quantity, "(%s)^%.3g %s at %.6g against its limit", track->x_name,
                 -track->power, track->quantity, track->x[k]);
    check.predicted = track->limit;
    check.measured = input->planned ? (double)NAN : track->measured[k] * pow(track->x[k], -track->power);
    check.se = track->se[k] / track->measured[k];
    return checks_add(checks, &check, error);
}

enum status rate_check_bounds(const struct law_input *input, const struct rate_track *track, size_t wanted,
                              struct check_list *checks, struct error *error)
{
    enum status status = STATUS_OK;
    for (size_t k = track->count > wanted ? track->count - wanted : 0; status == STATUS_OK && k < track->count; k++) {
        if (isnan(track->high[k]))
            continue;
        struct check check = start_check(input, track, CHECK_BOUND);
        snprintf(check.quantity, sizeof check.quantity, "%s at %s = %.6g, at most", track->quantity, track->x_name,
                 track->x[k]);
        check.predicted = track->high[k];
        check.measured = input->planned ? (double)NAN : track->measured[k];
        check.se = track->se[k] / track->measured[k];
        status = checks_add(checks, &check, error);
    }
    return status;
}

/* ---- figure ---- */

/* Columns of a series, each value times x^power. */
static enum status put(struct panel *panel, enum series_kind kind, const char *label, const struct rate_track *t,
                       int colour, double power, struct error *error)
{
    double *block = malloc(4 * t->count * sizeof *block);
    if (!block)
        return error_memory(error, 4 * t->count * sizeof *block, "a figure");
    double *x = block, *y = x + t->count, *low = y + t->count, *high = low + t->count;
    size_t count = 0;
    for (size_t k = 0; k < t->count; k++) {
        const double scale = pow(t->x[k], power);
        if (kind == SERIES_BAND ? isnan(t->high[k]) : kind == SERIES_THEORY && isnan(t->predicted[k]))
            continue;
        x[count] = t->x[k];
        y[count] = scale * (kind == SERIES_THEORY ? t->predicted[k] : t->measured[k]);
        low[count] = scale * (kind == SERIES_BAND ? t->low[k] : t->measured[k] - 2 * t->se[k]);
        high[count] = scale * (kind == SERIES_BAND ? t->high[k] : t->measured[k] + 2 * t->se[k]);
        if (kind == SERIES_BAND && isnan(low[count]))
            low[count] = 0;
        count++;
    }
    enum status status = STATUS_OK;
    if (count > 0)
        status = panel_series(panel, kind, label, count, x, kind == SERIES_BAND ? NULL : y,
                              kind == SERIES_THEORY ? NULL : low, kind == SERIES_THEORY ? NULL : high, error);
    if (status == STATUS_OK && count > 0 && colour >= 0)
        panel->series[panel->count - 1].colour = colour;
    free(block);
    return status;
}

/* A horizontal line where quantity x^-power goes. */
static enum status put_limit(struct panel *panel, const struct rate_track *t, const char *label, int colour,
                             struct error *error)
{
    const double x[2] = {t->x[0], t->x[t->count - 1]}, y[2] = {t->limit, t->limit};
    enum status status = panel_series(panel, SERIES_THEORY, label, 2, x, y, NULL, NULL, error);
    if (status == STATUS_OK)
        panel->series[panel->count - 1].colour = colour;
    return status;
}

static void print_slope(struct panel *panel, const struct rate_track *t)
{
    const size_t used = strlen(panel->text);
    if (t->fitted)
        snprintf(panel->text + used, sizeof panel->text - used, "%s%s:\n%.4f ± %.4f, theory %.4f", used ? "\n" : "",
                 t->label, t->slope, stats_z(0.05) * t->slope_se, t->slope_predicted);
}

static enum status rate_panel(struct law_figure *figure, const struct rate_track *track, size_t count, bool scaled,
                              const char *title, const char *x_label, const char *y_label, struct error *error)
{
    struct panel *panel = law_figure_panel(figure, title, x_label, y_label);
    if (!panel)
        return error_memory(error, sizeof *panel, "a panel");
    panel->x_log = true;
    panel->y_log = !scaled;
    enum status status = STATUS_OK;
    bool bounded = false;
    for (size_t i = 0; scaled && status == STATUS_OK && i < count; i++) {
        bool has = false;
        for (size_t k = 0; k < track[i].count; k++)
            has = has || !isnan(track[i].high[k]);
        if (!has || bounded)
            continue;
        bounded = true;
        status = put(panel, SERIES_BAND, "bounds", &track[i], -1, -track[i].power, error);
    }
    bool theory = false, limit = false;
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        const struct rate_track *t = &track[i];
        const double power = scaled ? -t->power : 0;
        if (t->count == 0)
            continue;
        status = put(panel, SERIES_POINTS, t->label, t, (int)i, power, error);
        if (status == STATUS_OK && t->predicted[0] > 0 && t->count > 1) {
            status = put(panel, SERIES_THEORY, theory ? "" : "theory", t, (int)i, power, error);
            theory = true;
        }
        if (status == STATUS_OK && scaled && !isnan(t->limit) && t->count > 1) {
            status = put_limit(panel, t, limit ? "" : "limit of theory", (int)i, error);
            limit = true;
        }
        if (!scaled)
            print_slope(panel, t);
    }
    if (scaled)
        panel->y_min = 0; /* flat is what the eye looks for */
    return status;
}

enum status rate_figure(struct law_figure *figure, const struct rate_track *track, size_t count, const char *x_label,
                        const char *scaled_label, const char *label, struct error *error)
{
    size_t drawn = 0;
    bool fitted = false;
    for (size_t i = 0; i < count; i++) {
        drawn += track[i].count >= 2 ? 1 : 0;
        fitted = fitted || track[i].fitted;
    }
    if (drawn == 0)
        return STATUS_OK;
    enum status status = rate_panel(figure, track, count, true, "against the rate", x_label, scaled_label, error);
    if (status == STATUS_OK)
        status = rate_panel(figure, track, count, false,
                            fitted ? "fitted slopes, 95% intervals" : "on logarithmic axes", x_label, label, error);
    return status;
}
