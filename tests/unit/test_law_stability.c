/* The stability checklist and the bias within an epoch: predictions against naive computations, faults that the laws
 * must see, and experiments that they do not speak of. */
#include "control_scene.h"
#include "sampler.h"

extern const struct sampler_type sampler_with_replacement;

/* ---- plans: predictions without runs ---- */

struct planned {
    struct sweep *sweep;
    struct law_results *results;
    struct check_list checks;
};

static enum status evaluate_plan(const char *text, struct planned *p, struct error *error)
{
    struct law_input input;
    struct law_figure figure = {0};
    *p = (struct planned){0};
    gsl_set_error_handler_off();
    must(sweep_open("plan.yaml", &(struct sweep_options){.text = text, .replicates = -1}, &p->sweep, error), error);
    must(law_results_plan(p->sweep, &p->results, error), error);
    must(law_input_make(p->results, 0, &input, error), error);
    const enum status status = sweep_law(p->sweep, 0)->type->evaluate(&input, &p->checks, &figure, error);
    cr_expect(figure.count == 0);
    law_figure_free(&figure);
    free(input.cell);
    return status;
}

static void plan_close(struct planned *p)
{
    checks_free(&p->checks);
    law_results_close(p->results);
    sweep_close(p->sweep);
}

static struct planned plan(const char *text)
{
    struct planned p;
    struct error error;
    must(evaluate_plan(text, &p, &error), &error);
    for (size_t i = 0; i < p.checks.count; i++)
        cr_expect(isnan(p.checks.check[i].measured) || p.checks.check[i].replicates == 0); /* nothing ran */
    return p;
}

static const struct check *find(const struct planned *p, const char *quantity, const char *instance)
{
    for (size_t i = 0; i < p->checks.count; i++)
        if (strstr(p->checks.check[i].quantity, quantity) && strstr(p->checks.check[i].instance, instance))
            return &p->checks.check[i];
    cr_assert(false, "no check of '%s' at '%s'", quantity, instance);
    return NULL;
}

static void expect_close(double found, double wanted, double relative, const char *what)
{
    cr_expect(fabs(found - wanted) <= relative * fabs(wanted), "%s: %.15g, not %.15g", what, found, wanted);
}

/* ---- clipping ---- */

#define OUTLIER                                                                                                        \
    "problem: {type: least_squares, data: {synthetic: weighted_parabolas, n: 5, low: 1, high: 1, spacing: outlier}}\n" \
    "batch_size: 1\nreplicates: 40000\nbudget: {steps: 60}\nschedule: {type: constant, rate: 0.1}\n"                   \
    "record: {points: 12, spacing: log, metrics: [distance2, x1]}\nmargins: {value: 0.1}\n"

Test(clipping, four_at_zero_and_one_at_ten)
{
    struct planned p = plan(OUTLIER "sweep: {clip: {norm: [1, 3], each: sample}}\nlaws: {law: clipping}\n");
    cr_expect(p.checks.count == 4);
    for (int tau = 1; tau <= 3; tau += 2) { /* force (4/5) x - tau/5; x_0 - x* = -2 */
        const char *at = tau == 1 ? "tau = 1" : "tau = 3";
        expect_close(find(&p, "E x_t", at)->predicted, tau / 4.0 * (1 - pow(1 - 0.08, 60)), 1e-12, at);
        expect_close(find(&p, "(x_0 - x*)", at)->predicted, 0.4 * tau, 1e-12, at);
        /* one sample of five moves, by eta tau: measured pull 2 tau - eta tau^2/2 with probability 1/5 */
        const double jump = 2 * tau - 0.05 * tau * tau;
        expect_close(find(&p, "(x_0 - x*)", at)->se, jump * sqrt(0.16) / (0.4 * tau) / 200, 1e-9, at);
    }
    plan_close(&p);
    p = plan(OUTLIER "clip: {norm: 1, each: sample}\nlaws: {law: clipping, claim: unbiased}\n");
    expect_close(find(&p, "E x_t", "")->predicted, 2 * (1 - pow(0.9, 60)), 1e-12, "x*");
    expect_close(find(&p, "(x_0 - x*)", "")->predicted, 4, 1e-12, "pull");
    plan_close(&p);
}

Test(clipping, one_pass_in_several_dimensions)
{
    struct planned p = plan("problem: {type: logistic_regression, l2: 0.3, start: [1, -2, 0.5],\n"
                            "  data: {synthetic: logistic_model, n: 30, d: 3}}\nbatch_size: 1\nbudget: {steps: 2}\n"
                            "schedule: {type: constant, rate: 0.1}\nclip: {norm: 0.5, each: sample}\n"
                            "record: {points: 3, spacing: linear, metrics: [distance2, x1]}\nlaws: {law: clipping}\n");
    const struct run_config *c = &p.results->cell[0].config;
    const double x[3] = {1, -2, 0.5}, *star = c->reference->x;
    double pull = 0;
    size_t clipped = 0;
    for (size_t i = 0; i < 30; i++) {
        double a[3] = {0}, z = 0, norm = 0, y = c->problem.data->y[i];
        matrix_row_axpy(&c->problem.data->train, i, 1, a);
        for (size_t j = 0; j < 3; j++) {
            z += a[j] * x[j];
            norm += a[j] * a[j];
        }
        const double slope = -y / (1 + exp(y * z)), size = fabs(slope) * sqrt(norm);
        clipped += size > 0.5;
        for (size_t j = 0; j < 3; j++)
            pull += (x[j] - star[j]) * (slope * a[j] * fmin(1, 0.5 / size) + 0.3 * x[j]) / 30;
    }
    cr_assert(p.checks.count == 1 && clipped > 5 && clipped < 25);
    expect_close(p.checks.check[0].predicted, pull, 1e-12, "pull");
    plan_close(&p);
}

static void no_clipping(struct run_config *run)
{
    run->clip = CLIP_NONE;
}

static void wider_clipping(struct run_config *run)
{
    run->clip_norm *= 1.3;
}

Test(clipping, sees_steps_that_are_not_clipped_so)
{
    expect_control("no clipping", (struct control){.text = OUTLIER "clip: {norm: 1, each: sample}\n"
                                                                   "laws: {law: clipping}\n",
                                                   .quantity = "",
                                                   .fault = no_clipping});
    expect_control("another threshold", (struct control){.text = OUTLIER "clip: {norm: 1, each: sample}\n"
                                                                         "laws: {law: clipping}\n",
                                                         .quantity = "",
                                                         .fault = wider_clipping});
}

/* ---- penalty ---- */

#define RIDGE                                                                                                          \
    "problem: {type: least_squares, l2: 0.5, data: {synthetic: gaussian_least_squares, n: 64, d: 4, condition: 5}}\n"  \
    "batch_size: 1\nreplicates: 12800\nbudget: {steps: 80}\nschedule: {type: constant, rate: 0.03}\n"                  \
    "record: {points: 12, spacing: log, metrics: [gap, x1]}\nmargins: {value: 0.1}\nlaws: {law: penalty}\n"

/* x <- x - eta (grad f + l2 x) from 0 */
static double descend(const struct run_config *c, double l2, uint64_t steps, double eta)
{
    double x[4] = {0};
    struct problem problem = c->problem;
    problem.l2 = l2;
    for (uint64_t t = 0; t < steps; t++) {
        double g[4];
        problem_value(&problem, x, g);
        for (size_t j = 0; j < 4; j++)
            x[j] -= eta * g[j];
    }
    return x[0];
}

Test(penalty, moves_the_minimum_and_the_mean)
{
    struct planned p = plan(RIDGE);
    const struct run_config *c = &p.results->cell[0].config;
    const double star = descend(c, 0, 3000, 0.5), there = descend(c, 0.5, 80, 0.03); /* the mean path is a descent */
    expect_close(find(&p, "|E x_t - x*|", "")->predicted, fabs(there - star), 1e-9, "shift of the mean");
    const struct check *optimum = find(&p, "certified", "");
    cr_expect(optimum->kind == CHECK_EXACT && optimum->measured < 1e-10 && optimum->margin < 1e-7);
    plan_close(&p);
}

static void more_penalty(struct run_config *run)
{
    run->problem.l2 *= 1.5;
}

Test(penalty, sees_another_one)
{
    expect_control("another penalty",
                   (struct control){.text = RIDGE, .quantity = "|E x_t - x*|", .fault = more_penalty});
}

/* ---- standardising ---- */

#define FEATURES                                                                                                       \
    "problem: {type: least_squares, data: diabetes}\nsweep: {problem.standardize: [true, false]}\n"                    \
    "batch_size: 1\nreplicates: 2560\nbudget: {steps: 300}\nschedule: {type: constant, rate: 0.03}\n"                  \
    "record: {points: 12, spacing: log, metrics: [gap]}\nmargins: {value: 0.1}\nlaws: {law: standardizing}\n"

Test(standardizing, constants)
{
    struct planned p = plan(FEATURES);
    const struct check *better = find(&p, "condition number after", "");
    for (size_t i = 0; i < 2; i++) { /* the reference solver's constants */
        const struct reference *r = p.results->cell[i].config.reference;
        expect_close(i == 0 ? better->measured : better->predicted, r->smoothness / r->convexity, 1e-6, "condition");
    }
    cr_expect(better->predicted > 1000 * better->measured);
    checks_decide(p.checks.check, p.checks.count, SUITE_CHECKS);
    for (size_t i = 0; i < p.checks.count; i++)
        cr_expect(p.checks.check[i].verdict == VERDICT_CONFIRMED || isnan(p.checks.check[i].measured), "%s",
                  p.checks.check[i].quantity);
    cr_expect(find(&p, "share of chains", "standardised")->predicted == 0);
    cr_expect(find(&p, "share of chains", "as it is")->predicted == 1);
    plan_close(&p);
}

static void slower(struct run_config *run)
{
    run->schedule.values.scalar[0] *= 0.5;
}

Test(standardizing, sees_another_rate)
{
    expect_control("half the rate", (struct control){.text = "problem: {type: least_squares, data: diabetes}\n"
                                                             "batch_size: 1\nreplicates: 6400\nbudget: {steps: 60}\n"
                                                             "schedule: {type: constant, rate: 0.03}\n"
                                                             "record: {points: 12, metrics: [gap]}\n"
                                                             "margins: {value: 0.1}\nlaws: {law: standardizing}\n",
                                                     .quantity = "E gap",
                                                     .fault = slower});
}

/* ---- bias within an epoch ---- */

#define EPOCH(rate)                                                                                                    \
    "problem: {type: least_squares, data: {synthetic: six_parabolas}, start: {optimum: 1}}\nsampling: reshuffle\n"     \
    "batch_size: 1\nreplicates: 200000\nbudget: {epochs: 1}\nschedule: {type: constant, rate: " rate "}\n"             \
    "record: {points: 7, spacing: linear, metrics: [x1]}\nmargins: {value: 0.1}\nlaws: {law: epoch_bias}\n"

/* Sum of x_n over the orders of what is left. */
static double sum_of_ends(const struct dataset *data, unsigned used, double x, double eta)
{
    double sum = 0;
    const double one = 1;
    if (used == (1U << data->train.rows) - 1)
        return x;
    for (size_t i = 0; i < data->train.rows; i++) {
        const double a = matrix_row_dot(&data->train, i, &one);
        if (!(used >> i & 1))
            sum += sum_of_ends(data, used | 1U << i, x - eta * a * (a * x - data->y[i]), eta);
    }
    return sum;
}

Test(epoch_bias, is_what_keeps_the_end_from_the_descent)
{
    struct planned p = plan(EPOCH("0.1"));
    const struct run_config *c = &p.results->cell[0].config;
    double x = c->reference->x[0] + 1, g;
    const double end = sum_of_ends(c->problem.data, 0, x, 0.1) / 720;
    for (int t = 0; t < 6; t++) {
        problem_value(&c->problem, &x, &g);
        x -= 0.1 * g;
    }
    cr_assert(p.checks.count == 1);
    expect_close(p.checks.check[0].predicted, (x - end) / 0.1, 1e-9, "sum of biases");
    plan_close(&p);
}

static void fresh_draws(struct run_config *run)
{
    static struct sampler_type type;
    type = *run->sampler;
    type.draw = sampler_with_replacement.draw;
    run->sampler = &type;
}

Test(epoch_bias, is_not_there_with_replacement)
{
    expect_control("fresh draws for an epoch",
                   (struct control){.text = EPOCH("0.1"), .quantity = "sum of", .fault = fresh_draws});
}

/* ---- experiments that the laws do not speak of ---- */

static void expect_refusal(const char *text, const char *words)
{
    struct planned p;
    struct error error = {0};
    cr_expect(evaluate_plan(text, &p, &error) == STATUS_USAGE);
    cr_expect(strstr(error.message, words) != NULL, "%s", error.message);
    plan_close(&p);
}

Test(stability, refusals)
{
    expect_refusal(OUTLIER "laws: {law: clipping}\n", "each: sample");
    expect_refusal(OUTLIER "clip: {norm: 1, each: batch}\nlaws: {law: clipping}\n", "each: sample");
    expect_refusal(OUTLIER "clip: {norm: 1, each: sample}\nmomentum: 0.5\nlaws: {law: clipping}\n", "plain steps");
    expect_refusal(OUTLIER "laws: {law: penalty}\n", "gap");
    expect_refusal(OUTLIER "laws: {law: standardizing}\n", "gap");
    expect_refusal(OUTLIER "laws: {law: epoch_bias}\n", "reshuffling");
    expect_refusal("problem: {type: least_squares, data: {synthetic: mean_estimation, n: 40}}\nsampling: reshuffle\n"
                   "batch_size: 1\nbudget: {epochs: 1}\nschedule: {type: constant, rate: 0.1}\n"
                   "record: {points: 41, spacing: linear, metrics: [x1]}\nlaws: {law: epoch_bias}\n",
                   "few samples");
}
