/* L15: where interpolating runs end, and how fast, against projections and recursions computed here in another way. */
#include <gsl/gsl_eigen.h>
#include <gsl/gsl_linalg.h>

#include "engine.h"
#include "rate_scene.h"

enum { N = 3, D = 8, RUNS = 4 };
#define DATA "data: {synthetic: gaussian_least_squares, n: 3, d: 8, condition: 1, noise: 0}"
#define RATE "schedule: {type: constant, rate: 0.0565}\n"
#define CELLS                                                                                                          \
    "problem: {type: least_squares, " DATA "}\n" RATE                                                                  \
    "budget: {steps: 2000}\nreplicates: 4\nindependent_over: [problem, sampling, batch_size]\n"                        \
    "sweep: {problem.start: [zeros, {gaussian: 1}], sampling: [with_replacement, subset, reshuffle], "                 \
    "batch_size: [1, 2, n]}\nrecord: {points: 21, spacing: linear, metrics: [distance2, norm2]}\n"                     \
    "laws: [{law: minimum_norm}, {law: minimum_norm, claim: minimum_norm, where: {problem.start: zeros}}, "            \
    "{law: minimum_norm, claim: minimum_norm, where: {problem.start: {gaussian: 1}}}]\n"
#define WAY                                                                                                            \
    "keep: moments\nbudget: {steps: 40}\nreplicates: 6400\nindependent_over: [sampling, batch_size]\n"                 \
    "sweep: {sampling: [with_replacement, subset], batch_size: [1, 2]}\nmargins: {value: 0.1}\n"                       \
    "record: {points: 5, spacing: linear, metrics: [distance2]}\nlaws: {law: minimum_norm, claim: rate}\n" RATE

static const double *row_of(const struct dataset *data, size_t i)
{
    return data->train.value + i * data->train.stride;
}

static void gram(const struct dataset *data, gsl_matrix *g)
{
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < N; k++) {
            double sum = 0;
            for (size_t j = 0; j < D; j++)
                sum += row_of(data, i)[j] * row_of(data, k)[j];
            gsl_matrix_set(g, i, k, sum);
        }
}

/* x moved to A x = b along the rows: x + A'(A A')^-1 (b - A x). From 0: the interpolant of least norm; with b = 0: the
 * projection on the null space. */
static void interpolate(const struct dataset *data, bool homogeneous, double *x)
{
    gsl_matrix *g = gsl_matrix_alloc(N, N);
    gsl_permutation *order = gsl_permutation_alloc(N);
    gsl_vector *u = gsl_vector_alloc(N);
    int sign;
    gram(data, g);
    for (size_t i = 0; i < N; i++) {
        double miss = homogeneous ? 0 : data->y[i];
        for (size_t j = 0; j < D; j++)
            miss -= row_of(data, i)[j] * x[j];
        gsl_vector_set(u, i, miss);
    }
    gsl_linalg_LU_decomp(g, order, &sign);
    gsl_linalg_LU_svx(g, order, u);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < D; j++)
            x[j] += gsl_vector_get(u, i) * row_of(data, i)[j];
    gsl_matrix_free(g);
    gsl_vector_free(u);
    gsl_permutation_free(order);
}

static double square(const double *x)
{
    double sum = 0;
    for (size_t j = 0; j < D; j++)
        sum += x[j] * x[j];
    return sum;
}

struct opened {
    struct scene scene;
    struct law_results *results;
};

static struct opened run(const char *text)
{
    struct opened o = {.scene = open_scene()};
    run_experiment(&o.scene, "least", text);
    o.results = read_results(&o.scene, "least");
    return o;
}

static void done(struct opened *o)
{
    law_results_close(o->results);
    close_scene(&o->scene);
}

/* Every run of every sampler and batch size, at its last step: near x_mn from 0, and as far from it as the null space
 * keeps it from elsewhere. */
Test(law_minimum_norm, runs_end_where_it_says)
{
    struct opened o = run(CELLS);
    size_t panels;
    struct check_list ends = evaluate_law(o.results, 0, 1000, &panels);
    cr_assert(ends.count == 18 && o.results->cell_count == 18 && panels == 6);
    expect_all(&ends, VERDICT_CONFIRMED);
    for (size_t i = 0; i < o.results->cell_count; i++) {
        const struct law_cell *cell = &o.results->cell[i];
        const struct dataset *data = cell->config.problem.data;
        const struct law_curve *away = cell->curve[METRIC_DISTANCE2], *size = cell->curve[METRIC_NORM2];
        double least[D] = {0};
        struct error error;
        interpolate(data, false, least);
        cr_expect(ends.check[i].kind == CHECK_EXACT && ends.check[i].margin == 1e-9);
        for (size_t r = 0; r < RUNS; r++) {
            const struct run_request request = {.config = &cell->config, .seed = o.results->seed, .replicate = r};
            double kept[D];
            must(run_start(&request, kept, 1, &error), &error);
            interpolate(data, true, kept);
            cr_expect((square(kept) > 0.1) == (cell->config.start.kind == START_GAUSSIAN));
            cr_expect(fabs(away->group_mean[r * 21 + 20] - square(kept)) < 1e-12 * square(least));
            cr_expect(fabs(size->group_mean[r * 21 + 20] - square(kept) - square(least)) < 1e-12 * square(least));
        }
    }
    checks_free(&ends);
    done(&o);
}

/* One run of the first cell moved by 1e-8 |x_mn|^2, in the distance or in the norm, up or down; or diverged. */
Test(law_minimum_norm, one_wrong_run_refutes)
{
    struct opened o = run(CELLS);
    double least[D] = {0};
    interpolate(o.results->cell[0].config.problem.data, false, least);
    const double shift[] = {1e-8 * square(least), -1e-8 * square(least), NAN};
    const enum metric metric[] = {METRIC_DISTANCE2, METRIC_NORM2};
    for (size_t m = 0; m < 2; m++)
        for (size_t k = 0; k < 3; k++) {
            double *value = &o.results->cell[0].curve[metric[m]]->group_mean[2 * 21 + 20], before = *value;
            *value += shift[k];
            struct check_list ends = evaluate_law(o.results, 0, 1000, NULL);
            cr_expect(ends.check[0].verdict == VERDICT_REFUTED && count_verdict(&ends, VERDICT_REFUTED) == 1);
            checks_free(&ends);
            *value = before;
        }
    done(&o);
}

/* From 0 the plain claim holds, from elsewhere it does not. */
Test(law_minimum_norm, other_starts_end_elsewhere)
{
    struct opened o = run(CELLS);
    struct check_list zeros = evaluate_law(o.results, 1, 1000, NULL), random = evaluate_law(o.results, 2, 1000, NULL);
    cr_assert(zeros.count == 9 && random.count == 9);
    expect_all(&zeros, VERDICT_CONFIRMED);
    expect_all(&random, VERDICT_REFUTED);
    checks_free(&zeros);
    checks_free(&random);
    done(&o);
}

/* The plan names the same checks and measures nothing. */
Test(law_minimum_norm, the_plan_has_the_same_checks)
{
    struct law_results *results;
    struct error error;
    gsl_set_error_handler_off();
    struct sweep *sweep = open_experiment("planned", CELLS, -1);
    must(law_results_plan(sweep, &results, &error), &error);
    size_t panels;
    struct check_list planned = evaluate_law(results, 0, 1000, &panels);
    cr_expect(planned.count == 18 && panels == 0);
    for (size_t i = 0; i < planned.count; i++)
        cr_expect(isnan(planned.check[i].measured) && planned.check[i].margin == 1e-9);
    checks_free(&planned);
    law_results_close(results);
    sweep_close(sweep);
}

/* m[D][D] -> mean over the batches of (I - eta S) m (I - eta S), S the mean of a a' over the batch: all pairs of
 * samples for m = 2, ordered with replacement and different ones without. */
static void naive_step(const struct dataset *data, size_t size, bool replaced, double eta, double m[D][D])
{
    double next[D][D] = {{0}}, batches = 0;
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < (size == 1 ? 1 : N); k++) {
            const double *a = row_of(data, i), *b = row_of(data, size == 1 ? i : k);
            double s[D][D], half[D][D] = {{0}};
            if (size == 2 && !replaced && i == k)
                continue;
            for (size_t p = 0; p < D; p++)
                for (size_t q = 0; q < D; q++)
                    s[p][q] = (p == q) - eta * (a[p] * a[q] + b[p] * b[q]) / 2;
            for (size_t p = 0; p < D; p++)
                for (size_t q = 0; q < D; q++)
                    for (size_t r = 0; r < D; r++)
                        half[p][q] += s[p][r] * m[r][q];
            for (size_t p = 0; p < D; p++)
                for (size_t q = 0; q < D; q++)
                    for (size_t r = 0; r < D; r++)
                        next[p][q] += half[p][r] * s[r][q];
            batches++;
        }
    for (size_t p = 0; p < D; p++)
        for (size_t q = 0; q < D; q++)
            m[p][q] = next[p][q] / batches;
}

static void expect_way(const char *text, double offset)
{
    struct opened o = run(text);
    struct check_list checks = evaluate_law(o.results, 0, 1000, NULL);
    cr_assert(checks.count == 8 && o.results->cell_count == 4);
    expect_all(&checks, VERDICT_CONFIRMED);
    for (size_t i = 0; i < 4; i++) {
        const struct run_config *config = &o.results->cell[i].config;
        double e[D], m[D][D], kept[D];
        for (size_t j = 0; j < D; j++)
            e[j] = kept[j] = offset;
        interpolate(config->problem.data, false, e); /* x_mn + P x_0 */
        interpolate(config->problem.data, true, kept);
        for (size_t p = 0; p < D; p++)
            for (size_t q = 0; q < D; q++)
                m[p][q] = (offset - e[p]) * (offset - e[q]);
        for (size_t t = 1; t <= 40; t++) {
            naive_step(config->problem.data, config->batch_size, config->sampler->with_replacement, 0.0565, m);
            double trace = 0;
            for (size_t j = 0; j < D; j++)
                trace += m[j][j];
            if (t == 20 || t == 40)
                cr_expect(fabs(checks.check[2 * i + (t == 40)].predicted / trace - 1) < 1e-10, "%g, %g",
                          checks.check[2 * i + (t == 40)].predicted, trace);
        }
        cr_expect(checks.check[2 * i + 1].exact_theory && !checks.check[2 * i].exact_theory);
    }
    expect_plan(text, &checks);
    checks_free(&checks);
    done(&o);
}

Test(law_minimum_norm, the_way_there_is_exact)
{
    expect_way("problem: {type: least_squares, " DATA ", start: zeros}\n" WAY, 0);
    expect_way("problem: {type: least_squares, " DATA ", start: [2, 2, 2, 2, 2, 2, 2, 2]}\n" WAY, 2);
}

Test(law_minimum_norm, another_rate_refutes)
{
    struct opened o = run("problem: {type: least_squares, " DATA "}\n" WAY);
    for (int sign = -1; sign <= 1; sign += 2) {
        tamper(o.results, METRIC_DISTANCE2, exp(sign * 0.5), 0, 1);
        struct check_list checks = evaluate_law(o.results, 0, 1000, NULL);
        expect_all(&checks, VERDICT_REFUTED);
        checks_free(&checks);
        tamper(o.results, METRIC_DISTANCE2, exp(-sign * 0.5), 0, 1);
    }
    done(&o);
}

/* The number of steps from the eigenvalues of A A'. */
Test(law_minimum_norm, too_few_steps_are_refused)
{
    const char head[] = "problem: {type: least_squares, " DATA "}\n" RATE "replicates: 4\nsampling: with_replacement\n"
                        "record: {points: 5, metrics: [distance2, norm2]}\nlaws: {law: minimum_norm}\n";
    char text[1024], words[64];
    struct sweep *sweep;
    snprintf(text, sizeof text, "%sbudget: {steps: 100}\n", head);
    const struct run_config config = only_cell(text, &sweep);
    const struct dataset *data = config.problem.data;
    gsl_matrix *g = gsl_matrix_alloc(N, N);
    gsl_vector *value = gsl_vector_alloc(N);
    gsl_eigen_symm_workspace *room = gsl_eigen_symm_alloc(N);
    double longest = 0;
    gram(data, g);
    for (size_t i = 0; i < N; i++)
        longest = fmax(longest, square(row_of(data, i)));
    gsl_eigen_symm(g, value, room);
    const double q = 1 - 0.0565 * (2 - 0.0565 * longest) * gsl_vector_min(value) / N,
                 steps = ceil(log(1e-18 / 16 * 1e-6 / RUNS) / log(q));
    gsl_eigen_symm_free(room);
    gsl_matrix_free(g);
    gsl_vector_free(value);
    sweep_close(sweep);
    snprintf(words, sizeof words, "needs %.0f steps", steps);
    cr_expect(steps > 1000 && steps < 2000, "%g", steps);
    expect_refusal(text, STATUS_USAGE, words);
}

#define TAIL "replicates: 4\nrecord: {points: 5, metrics: [distance2, norm2]}\nlaws: {law: minimum_norm}\n"
#define MANY "budget: {steps: 2000}\n"

Test(law_minimum_norm, other_experiments_are_refused)
{
    expect_refusal(
        "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 8, d: 8}}\n" RATE MANY TAIL,
        STATUS_USAGE, "fewer samples than coordinates");
    expect_refusal("problem: {type: least_squares, l2: 0.1, " DATA "}\n" RATE MANY TAIL, STATUS_USAGE,
                   "without penalties");
    expect_refusal("problem: {type: least_squares, " DATA "}\nmomentum: 0.5\n" RATE MANY TAIL, STATUS_USAGE,
                   "plain steps");
    expect_refusal("problem: {type: least_squares, " DATA "}\nkeep: moments\n" RATE MANY TAIL, STATUS_USAGE,
                   "keep: runs");
    expect_refusal("problem: {type: least_squares, " DATA "}\nschedule: {type: constant, rate: 0.2}\n" MANY TAIL,
                   STATUS_USAGE, "rate below 2/max");
    expect_refusal("problem: {type: least_squares, " DATA "}\nreplicates: 4\nrecord: {metrics: [distance2]}\n" RATE MANY
                   "laws: {law: minimum_norm}\n",
                   STATUS_USAGE, "norm2");
    expect_refusal("problem: {type: least_squares, " DATA ", start: {gaussian: 1}}\nreplicates: 4\n" RATE MANY
                   "record: {metrics: [distance2]}\nlaws: {law: minimum_norm, claim: rate}\n",
                   STATUS_USAGE, "not random");
    expect_refusal("problem: {type: least_squares, " DATA "}\nsampling: reshuffle\nreplicates: 4\n" RATE MANY
                   "record: {metrics: [distance2]}\nlaws: {law: minimum_norm, claim: rate}\n",
                   STATUS_USAGE, "drawn anew");
}
