/* Estimator runs: exact where everything can be enumerated, the same in both layouts and on all threads, frozen where
 * they should be. What is compared with is computed from the definitions. */
#include <omp.h>

#include "estimator_scene.h"
#include "naive.h"

/* ---- enumeration ---- */

/* Step t is tuple number t of m samples, the first sample changing fastest. */
static void every_tuple(struct sampler *sampler, uint64_t first, size_t count, uint32_t *index, uint32_t *size)
{
    for (size_t s = 0; s < count; s++) {
        uint64_t code = first + s;
        size[s] = (uint32_t)sampler->batch_size;
        for (size_t k = 0; k < sampler->batch_size; k++, code /= sampler->n)
            *index++ = (uint32_t)(code % sampler->n);
    }
}

/* Step t is subset number t, subsets in the order of their bit patterns. */
static void every_subset(struct sampler *sampler, uint64_t first, size_t count, uint32_t *index, uint32_t *size)
{
    for (size_t s = 0; s < count; s++) {
        uint64_t left = first + s;
        unsigned pattern = 0;
        do {
            while ((size_t)__builtin_popcount(++pattern) != sampler->batch_size)
                ;
        } while (left--);
        size[s] = (uint32_t)sampler->batch_size;
        for (uint32_t i = 0; i < sampler->n; i++)
            if (pattern >> i & 1)
                *index++ = i;
    }
}

static const struct sampler_type tuples = {
    .method = {.name = "tuples"}, .with_replacement = true, .independent_steps = true, .draw = every_tuple};
static const struct sampler_type subsets = {
    .method = {.name = "subsets"}, .independent_steps = true, .draw = every_subset};

static void check_enumeration(const char *problem, const struct sampler_type *type, size_t m, uint64_t batches)
{
    enum { N = 6, D = 3 };
    struct scene s;
    scene_open(&s, problem, N, D);
    s.config.problem.l2 = 0.25;
    s.config.sampler = type;
    s.config.batch_size = m;
    s.config.draws = batches;
    struct exact e = exact_open(&s);
    struct estimator_result r = estimate(&s);
    double kappa = type->with_replacement ? 1.0 / (double)m : (double)(N - m) / (double)(m * (N - 1));
    cr_assert(eq(u64, r.draws, batches));
    EXPECT_CLOSE(r.kappa, kappa, 1e-15);
    EXPECT_CLOSE(r.sigma2, e.sigma2, 1e-13);
    EXPECT_CLOSE(r.predicted, kappa * e.sigma2, 1e-13);
    EXPECT_CLOSE(r.variance, kappa * e.sigma2, 1e-13);
    cr_assert(eq(sz, r.covariance_dim, D));
    for (size_t i = 0; i < D; i++)
        for (size_t k = 0; k < D; k++) {
            double scale = kappa * sqrt(e.sigma[i * D + i] * e.sigma[k * D + k]);
            cr_expect(fabs(r.covariance_predicted[i * D + k] - kappa * e.sigma[i * D + k]) <= 1e-13 * scale);
            cr_expect(fabs(r.covariance[i * D + k] - kappa * e.sigma[i * D + k]) <= 1e-13 * scale,
                      "%s %s m=%zu: covariance %zu,%zu is %.17g, not %.17g", problem, type->method.name, m, i, k,
                      r.covariance[i * D + k], kappa * e.sigma[i * D + k]);
        }
    cr_assert(eq(sz, r.directions, 4));
    for (size_t k = 0; k < r.directions; k++)
        EXPECT_CLOSE(r.direction_variance[k], r.direction_predicted[k], 1e-12);
    /* e'(kappa Sigma)^-1 e >= |e|^2 / tr(kappa Sigma) bounds every coordinate of the bias. */
    cr_assert(eq(dbl, r.bias_df, D));
    double bias = sqrt(r.bias_statistic * r.predicted / (double)batches);
    cr_expect(le(dbl, bias, 1e-14 * e.largest), "%s %s m=%zu: bias %g of %g", problem, type->method.name, m, bias,
              e.largest);
    cr_expect(ge(dbl, r.bias_p, 1 - 1e-12));
    estimator_result_free(&r);
    exact_close(&e);
    scene_close(&s);
}

Test(estimator, enumeration)
{
    static const uint64_t choose_6[] = {1, 6, 15, 20, 15};
    for (size_t p = 0; p < PROBLEMS; p++) {
        uint64_t power = 1;
        for (size_t m = 1; m <= 4; m++) {
            check_enumeration(problems[p], &tuples, m, power *= 6);
            check_enumeration(problems[p], &subsets, m, choose_6[m]);
        }
    }
}

/* ---- what is exact ---- */

/* |grad f|^2 by central differences of f, penalties included. */
Test(estimator, gradient_by_finite_differences)
{
    enum { N = 17, D = 5 };
    for (size_t p = 0; p < LINEAR_PROBLEMS; p++) {
        struct scene s;
        scene_open(&s, problems[p], N, D);
        s.data.intercept = true;
        s.config.problem.l1 = 0.2;
        s.config.problem.l2 = 0.3;
        double sum = 0;
        for (size_t j = 0; j < D; j++) {
            const double h = 1e-6, x = s.start[j];
            s.start[j] = x + h;
            double up = problem_value(&s.config.problem, s.start, NULL);
            s.start[j] = x - h;
            double down = problem_value(&s.config.problem, s.start, NULL), slope = (up - down) / (2 * h);
            s.start[j] = x;
            sum += slope * slope;
        }
        struct estimator_result r = estimate(&s);
        EXPECT_CLOSE(r.gradient_norm2, sum, 1e-8);
        estimator_result_free(&r);
        scene_close(&s);
    }
}

/* The first direction is the gradient, the others the coordinates of largest variance. */
Test(estimator, directions)
{
    enum { N = 40, D = 6 };
    struct scene s;
    scene_open(&s, "least_squares", N, D);
    s.config.problem.l2 = 0.5;
    struct exact e = exact_open(&s);
    struct estimator_result r = estimate(&s);
    double u[D], form = 0, largest = 0;
    for (size_t j = 0; j < D; j++) {
        u[j] = e.gradient[j] + 0.5 * s.start[j];
        largest = fmax(largest, e.sigma[j * D + j]);
    }
    for (size_t j = 0; j < D; j++)
        for (size_t k = 0; k < D; k++)
            form += u[j] * e.sigma[j * D + k] * u[k] / norm2_of(u, D);
    EXPECT_CLOSE(r.gradient_norm2, norm2_of(u, D), 1e-12);
    cr_assert(eq(sz, r.directions, 4));
    EXPECT_CLOSE(r.direction_predicted[0], form, 1e-12);
    EXPECT_CLOSE(r.direction_predicted[1], largest, 1e-12);
    cr_expect(gt(dbl, r.direction_predicted[1], r.direction_predicted[2]));
    cr_expect(gt(dbl, r.direction_predicted[2], r.direction_predicted[3]));
    estimator_result_free(&r);
    exact_close(&e);
    scene_close(&s);
}

/* Columns that are 0, constant in the gradient, and a sum of others take no degree of freedom. */
Test(estimator, rank)
{
    enum { N = 30, D = 9 };
    struct scene s;
    scene_open(&s, "linear_svm", N, D);
    for (size_t i = 0; i < N; i++) {
        double *row = s.data.train.value + i * s.data.train.stride;
        row[1] = 0;
        row[3] = s.data.y[i];
        row[5] = 1e5 * (row[0] - 2 * row[2]);
        row[7] = row[4] + 1e-6 * row[5];
        row[8] = row[4] - row[6];
    }
    memset(s.start, 0, D * sizeof *s.start); /* every slope is -y: column 3 of every gradient is -1 */
    static const char *const samplers[] = {"with_replacement", "subset", "reshuffle"};
    for (size_t k = 0; k < 3; k++) {
        use(&s, samplers[k], 4, 3000);
        struct estimator_result r = estimate(&s);
        cr_expect(eq(dbl, r.bias_df, D - 5));
        cr_expect(gt(dbl, r.bias_p, 1e-4), "p = %g", r.bias_p);
        estimator_result_free(&r);
    }
    scene_close(&s);
}

/* ---- layouts, bits, errors ---- */

static void expect_same_numbers(const struct estimator_result *a, const struct estimator_result *b, double relative)
{
    EXPECT_CLOSE(a->gradient_norm2, b->gradient_norm2, relative);
    EXPECT_CLOSE(a->sigma2, b->sigma2, relative);
    EXPECT_CLOSE(a->variance, b->variance, relative);
    EXPECT_CLOSE(a->variance_se, b->variance_se, relative);
    EXPECT_CLOSE(a->bias_statistic, b->bias_statistic, relative);
    cr_expect(eq(dbl, a->bias_df, b->bias_df));
    EXPECT_CLOSE(a->bias_p, b->bias_p, relative);
    cr_expect(le(dbl, fabs(a->bias_along_gradient - b->bias_along_gradient), relative));
    EXPECT_CLOSE(a->bias_along_gradient_se, b->bias_along_gradient_se, relative);
    cr_assert(eq(sz, a->directions, b->directions));
    for (size_t k = 0; k < a->directions; k++) {
        EXPECT_CLOSE(a->direction_variance[k], b->direction_variance[k], relative);
        EXPECT_CLOSE(a->direction_predicted[k], b->direction_predicted[k], relative);
        EXPECT_CLOSE(a->direction_se[k], b->direction_se[k], relative);
    }
    cr_assert(eq(sz, a->covariance_dim, b->covariance_dim));
    for (size_t i = 0; i < a->covariance_dim * a->covariance_dim; i++) {
        cr_expect(le(dbl, fabs(a->covariance[i] - b->covariance[i]), relative * a->variance));
        cr_expect(le(dbl, fabs(a->covariance_predicted[i] - b->covariance_predicted[i]), relative * a->variance));
    }
}

/* Small d; d that is tested in all coordinates, and along directions only; batches that touch few columns or most. */
Test(estimator, dense_equals_csr)
{
    static const struct {
        size_t n, d, m, keep; /* keep one entry of `keep` */
        double df;
    } shapes[] = {{50, 6, 3, 2, 6}, {400, 60, 1, 20, 60}, {400, 60, 64, 20, 60}, {300, 600, 2, 100, 4}};
    for (size_t k = 0; k < 4; k++) {
        struct scene s;
        scene_open(&s, "logistic_regression", shapes[k].n, shapes[k].d);
        struct matrix dense = s.data.train, sparse;
        const struct rng_stream stream = rng_stream(1, RNG_TEST, k, 0);
        for (size_t i = 0; i < dense.rows; i++) {
            uint64_t word[600];
            rng_words(&stream, i * dense.cols, dense.cols, word);
            for (size_t j = 0; j < dense.cols; j++)
                if (word[j] % shapes[k].keep)
                    dense.value[i * dense.stride + j] = 0;
        }
        cr_assert(matrix_to_sparse(&dense, &sparse, NULL) == STATUS_OK);
        s.config.problem.l2 = 0.1;
        for (size_t q = 0; q < RANDOM_SAMPLERS; q++) {
            use(&s, random_samplers[q], shapes[k].m, 1000);
            struct estimator_result a = estimate(&s);
            s.data.train = sparse;
            struct estimator_result b = estimate(&s);
            s.data.train = dense;
            expect_same_numbers(&b, &a, 1e-10);
            cr_expect(eq(dbl, a.bias_df, shapes[k].df));
            cr_expect(gt(dbl, a.bias_p, 1e-4));
            cr_expect(lt(dbl, a.bias_p, 1));
            cr_expect(le(dbl, fabs(a.variance - a.predicted), 5 * a.variance_se));
            estimator_result_free(&a);
            estimator_result_free(&b);
        }
        matrix_free(&sparse);
        scene_close(&s);
    }
}

/* The same bits again, and on every one of several threads at once; other replicates draw other batches. */
Test(estimator, deterministic)
{
    enum { THREADS = 4 };
    struct scene s;
    struct estimator_result result[THREADS];
    scene_open(&s, "logistic_regression", 80, 9);
    for (size_t q = 0; q < RANDOM_SAMPLERS; q++) {
        use(&s, random_samplers[q], 7, 900);
#pragma omp parallel for num_threads(THREADS)
        for (size_t t = 0; t < THREADS; t++)
            estimator_run(&s.request, NULL, &result[t], NULL);
        for (size_t t = 1; t < THREADS; t++) {
            cr_expect(memcmp(result[0].covariance, result[t].covariance, 81 * sizeof(double)) == 0);
            struct estimator_result a = result[0], b = result[t];
            a.seconds = b.seconds = 0;
            a.covariance = a.covariance_predicted = b.covariance = b.covariance_predicted = NULL;
            cr_expect(memcmp(&a, &b, sizeof a) == 0);
        }
        s.request.replicate++;
        struct estimator_result other = estimate(&s);
        cr_expect(other.variance != result[0].variance);
        cr_expect(other.sigma2 == result[0].sigma2);
        estimator_result_free(&other);
        for (size_t t = 0; t < THREADS; t++)
            estimator_result_free(&result[t]);
    }
    scene_close(&s);
}

Test(estimator, interrupted)
{
    struct scene s;
    struct estimator_result result;
    struct error error;
    atomic_bool stop = true;
    scene_open(&s, "least_squares", 20, 2);
    cr_expect(eq(int, (int)estimator_run(&s.request, &stop, &result, &error), STATUS_INTERRUPTED));
    cr_expect(result.covariance == NULL);
    scene_close(&s);
}

/* ---- where the iterate is frozen ---- */

/* f = mean (x - c_i)^2/2 in one dimension: grad f = x - mean c, which is what gradient_norm2 shows. */
static double centre(struct scene *s)
{
    double mean = 0;
    for (size_t i = 0; i < s->data.train.rows; i++) {
        s->data.train.value[i * s->data.train.stride] = 1;
        mean += s->data.y[i] / (double)s->data.train.rows;
    }
    return mean;
}

static double frozen_gradient2(const struct scene *s)
{
    struct estimator_result r = estimate(s);
    double gradient2 = r.gradient_norm2;
    estimator_result_free(&r);
    return gradient2;
}

Test(estimator, frozen_at)
{
    struct scene s;
    scene_open(&s, "least_squares", 32, 1);
    double mean = centre(&s), x = mean + 1;
    s.request.replicate = 9;
    s.config.start = (struct start){.kind = START_LIST, .list = &x};
    EXPECT_CLOSE(frozen_gradient2(&s), 1, 1e-13);

    const struct rng_stream stream = rng_stream(5, RNG_START, 0, 9);
    gsl_rng *rng = rng_gsl_open(&stream);
    double noise = gsl_ran_gaussian_ziggurat(rng, 3);
    gsl_rng_free(rng);
    s.config.at = AT_GAUSSIAN;
    s.config.at_scale = 3;
    EXPECT_CLOSE(frozen_gradient2(&s), (noise - mean) * (noise - mean), 1e-12);

    struct error error;
    struct estimator_result result;
    s.config.at = AT_OPTIMUM_GAUSSIAN;
    cr_expect(eq(int, (int)estimator_run(&s.request, NULL, &result, &error), STATUS_USAGE));
    s.reference = (struct reference){.reason = "there is none today"};
    s.config.reference = &s.reference;
    cr_expect(eq(int, (int)estimator_run(&s.request, NULL, &result, &error), STATUS_USAGE));
    cr_expect(strstr(error.message, "none today") != NULL);
    s.reference = (struct reference){.exists = true, .dim = 1, .x = &mean};
    EXPECT_CLOSE(frozen_gradient2(&s), noise * noise, 1e-12);

    s.config.at = AT_OPTIMUM;
    struct estimator_result r = estimate(&s);
    cr_expect(le(dbl, r.gradient_norm2, 1e-28));
    cr_expect(eq(dbl, r.bias_along_gradient, 0));
    cr_expect(eq(dbl, r.bias_along_gradient_se, 0));
    cr_expect(eq(sz, r.directions, 1));
    EXPECT_CLOSE(r.direction_predicted[0], r.sigma2, 1e-13);
    cr_expect(gt(dbl, r.bias_p, 1e-4));
    estimator_result_free(&r);
    scene_close(&s);
}

static void keep_last(void *context, uint64_t step, const double *x, const double *average)
{
    struct scene *s = context;
    (void)average;
    if (step == s->config.steps)
        memcpy(s->start, x, s->data.train.cols * sizeof *x);
}

/* After training: the iterate of the naive loop with the same samples; then what a run frozen there finds. */
Test(estimator, frozen_after_training)
{
    enum { D = 4 };
    static const char *const updates[] = {"sgd", "heavy_ball"};
    for (size_t k = 0; k < 2; k++)
        for (size_t workers = 1; workers <= 3; workers += 2) {
            struct scene s;
            double start[D];
            scene_open(&s, "logistic_regression", 50, D);
            memcpy(start, s.start, sizeof start);
            s.config.update = method(METHOD_UPDATE, updates[k]);
            const struct method *update = method(METHOD_UPDATE, updates[k]);
            param_defaults(update->params, update->param_count, &s.config.update_values);
            s.config.problem.l2 = 0.1;
            s.config.local_workers = workers;
            s.config.sync_every = 2;
            s.config.steps = 41;
            use(&s, "reshuffle", 4, 2000);
            s.config.start.list = start;
            s.config.at = AT_AFTER;
            struct estimator_result after = estimate(&s);
            cr_assert(naive_sgd(&s.config, 5, 0, start, keep_last, &s, NULL) == STATUS_OK);
            cr_expect(fabs(s.start[0] - start[0]) > 1e-3);
            s.config.start.list = s.start;
            s.config.at = AT_START;
            struct estimator_result at = estimate(&s);
            EXPECT_CLOSE(after.gradient_norm2, at.gradient_norm2, 1e-11);
            EXPECT_CLOSE(after.sigma2, at.sigma2, 1e-11);
            cr_expect(gt(dbl, after.bias_p, 1e-4));
            estimator_result_free(&after);
            estimator_result_free(&at);
            scene_close(&s);
        }
}

/* The rate 1/(t+1) makes x_t the mean of the t samples seen so far: drawing those again would find exactly no gradient
 * there. */
Test(estimator, draws_after_training_are_fresh)
{
    struct scene s;
    scene_open(&s, "least_squares", 32, 1);
    centre(&s);
    s.config.schedule = (struct schedule){
        .type = method(METHOD_SCHEDULE, "inverse_time"),
        .values = {.scalar = {1, 1}},
    };
    s.config.at = AT_AFTER;
    s.config.steps = 300;
    use(&s, "with_replacement", 1, 300);
    struct estimator_result r = estimate(&s);
    cr_expect(gt(dbl, fabs(r.bias_along_gradient + 1), 0.1 * r.bias_along_gradient_se));
    cr_expect(gt(dbl, r.bias_p, 1e-4));
    estimator_result_free(&r);
    scene_close(&s);
}

Test(estimator, training_that_diverges)
{
    struct scene s;
    struct estimator_result result;
    struct error error;
    scene_open(&s, "least_squares", 50, 4);
    s.config.at = AT_AFTER;
    s.config.steps = 2000;
    s.config.schedule.values.scalar[0] = 10;
    cr_expect(eq(int, (int)estimator_run(&s.request, NULL, &result, &error), STATUS_NUMERICAL));
    cr_expect(strstr(error.message, "diverges") != NULL);
    scene_close(&s);
}
