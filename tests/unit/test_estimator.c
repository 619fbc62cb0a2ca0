/* Estimator runs: exact where everything can be enumerated, within five standard errors where it is drawn, and caught
 * where a sampler is made to be wrong. What is compared with is computed here from the definitions. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <float.h>
#include <gsl/gsl_randist.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "estimator.h"
#include "naive.h"

/* ---- a run on small data ---- */

struct scene {
    struct dataset data;
    struct reference reference;
    struct run_config config;
    struct run_request request;
    double *start;
};

static const void *method(enum method_kind kind, const char *name)
{
    const struct method *found = registry_find(kind, name, NULL);
    cr_assert(found != NULL);
    return found;
}

/* Data of normal numbers with labels that suit the problem, frozen at a normal start. */
static void scene_open(struct scene *s, const char *problem, size_t n, size_t d)
{
    const struct rng_stream stream = rng_stream(11, RNG_TEST, n, d);
    gsl_rng *rng = rng_gsl_open(&stream);
    memset(s, 0, sizeof *s);
    s->config = (struct run_config){
        .kind = KIND_ESTIMATOR,
        .problem = {.type = method(METHOD_PROBLEM, problem), .data = &s->data, .radius = INFINITY},
        .start = {.kind = START_LIST},
        .sampler = method(METHOD_SAMPLER, "with_replacement"),
        .batch_size = 1,
        .keep_last = true,
        .schedule = {.type = method(METHOD_SCHEDULE, "constant"), .values = {.scalar = {0.1}}},
        .update = method(METHOD_UPDATE, "sgd"),
        .averager = method(METHOD_AVERAGER, "last"),
        .local_workers = 1,
        .sync_every = 1,
        .draws = 1000,
    };
    s->request = (struct run_request){.config = &s->config, .seed = 5};
    s->start = calloc(d, sizeof *s->start);
    s->data.y = calloc(n, sizeof *s->data.y);
    cr_assert(rng && s->start && s->data.y && matrix_alloc_dense(&s->data.train, n, d, NULL) == STATUS_OK);
    const bool classes = s->config.problem.type->task == TASK_BINARY;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < d; j++)
            s->data.train.value[i * s->data.train.stride + j] = gsl_ran_gaussian(rng, 1) + 0.3;
        double y = gsl_ran_gaussian(rng, 2);
        s->data.y[i] = classes ? (y > 0 ? 1 : -1) : y;
    }
    for (size_t j = 0; j < d; j++)
        s->start[j] = gsl_ran_gaussian(rng, 0.5);
    s->config.start.list = s->start;
    gsl_rng_free(rng);
}

static void scene_close(struct scene *s)
{
    matrix_free(&s->data.train);
    free(s->data.y);
    free(s->start);
}

static void use(struct scene *s, const char *sampler, size_t m, uint64_t draws)
{
    s->config.sampler = method(METHOD_SAMPLER, sampler);
    s->config.batch_size = m;
    s->config.draws = draws;
}

static struct estimator_result estimate(const struct scene *s)
{
    struct estimator_result result;
    struct error error = {0};
    enum status status = estimator_run(&s->request, NULL, &result, &error);
    cr_assert(eq(int, (int)status, STATUS_OK), "%s", error.message);
    return result;
}

/* ---- the same from the definitions ---- */

/* g[d] = gradient of the loss of sample i at the start. */
static void sample_gradient(const struct scene *s, size_t i, double *g)
{
    const struct matrix *a = &s->data.train;
    double slope = s->config.problem.type->scalar->slope(matrix_row_dot(a, i, s->start), s->data.y[i]);
    memset(g, 0, a->cols * sizeof *g);
    matrix_row_axpy(a, i, slope, g);
}

struct exact {
    double *gradient, *sigma, sigma2, largest; /* mean loss gradient, covariance, its trace, max |g_i| */
};

static struct exact exact_open(const struct scene *s)
{
    const size_t n = s->data.train.rows, d = s->data.train.cols;
    struct exact e = {.gradient = calloc(d, sizeof(double)), .sigma = calloc(d * d, sizeof(double))};
    double *g = calloc(d, sizeof *g);
    for (size_t i = 0; i < n; i++) {
        double norm2 = 0;
        sample_gradient(s, i, g);
        for (size_t j = 0; j < d; j++) {
            e.gradient[j] += g[j] / (double)n;
            norm2 += g[j] * g[j];
        }
        e.largest = fmax(e.largest, sqrt(norm2));
    }
    for (size_t i = 0; i < n; i++) {
        sample_gradient(s, i, g);
        for (size_t j = 0; j < d; j++)
            for (size_t k = 0; k < d; k++)
                e.sigma[j * d + k] += (g[j] - e.gradient[j]) * (g[k] - e.gradient[k]) / (double)n;
    }
    for (size_t j = 0; j < d; j++)
        e.sigma2 += e.sigma[j * d + j];
    free(g);
    return e;
}

static void exact_close(struct exact *e)
{
    free(e->gradient);
    free(e->sigma);
}

static double norm2_of(const double *v, size_t d)
{
    double sum = 0;
    for (size_t j = 0; j < d; j++)
        sum += v[j] * v[j];
    return sum;
}

#define EXPECT_CLOSE(a, b, relative)                                                                                   \
    do {                                                                                                               \
        double a_ = (a), b_ = (b);                                                                                     \
        cr_expect(fabs(a_ - b_) <= (relative)*fabs(b_), "%s = %.17g, %s = %.17g", #a, a_, #b, b_);                     \
    } while (0)

static const char *const problems[] = {"least_squares", "logistic_regression", "linear_svm", "lasso",
                                       "least_absolute_deviations"};
enum { PROBLEMS = sizeof problems / sizeof *problems };

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
    for (size_t p = 0; p < PROBLEMS; p++) {
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
    enum { N = 30, D = 7 };
    struct scene s;
    scene_open(&s, "linear_svm", N, D);
    for (size_t i = 0; i < N; i++) {
        double *row = s.data.train.value + i * s.data.train.stride;
        row[1] = 0;
        row[3] = s.data.y[i];
        row[5] = 1e5 * (row[0] - 2 * row[2]);
    }
    memset(s.start, 0, D * sizeof *s.start); /* every slope is -y: column 3 of every gradient is -1 */
    static const char *const samplers[] = {"with_replacement", "subset", "reshuffle"};
    for (size_t k = 0; k < 3; k++) {
        use(&s, samplers[k], 4, 3000);
        struct estimator_result r = estimate(&s);
        cr_expect(eq(dbl, r.bias_df, D - 3));
        cr_expect(gt(dbl, r.bias_p, 1e-4), "p = %g", r.bias_p);
        estimator_result_free(&r);
    }
    scene_close(&s);
}

/* ---- draws ---- */

static const char *const random_samplers[] = {"with_replacement", "subset", "reshuffle", "shuffle_once"};
enum { RANDOM_SAMPLERS = sizeof random_samplers / sizeof *random_samplers };

/* All quantities within five standard errors, which are small: a batch size that is off by one would show. */
Test(estimator, monte_carlo)
{
    enum { N = 60, D = 4, DRAWS = 20000 };
    static const size_t sizes[] = {1, 4, 17, N / 2};
    for (size_t p = 0; p < PROBLEMS; p++)
        for (size_t q = 0; q < RANDOM_SAMPLERS; q++) {
            struct scene s;
            scene_open(&s, problems[p], N, D);
            for (size_t k = 0; k < 4; k++) {
                use(&s, random_samplers[q], sizes[k], DRAWS);
                struct estimator_result r = estimate(&s);
                double m = (double)sizes[k], kappa = q ? (N - m) / (m * (N - 1)) : 1 / m;
                EXPECT_CLOSE(r.kappa, kappa, 1e-15);
                cr_expect(lt(dbl, r.variance_se, 0.02 * r.predicted));
                cr_expect(gt(dbl, r.variance_se, 0.001 * r.predicted));
                cr_expect(le(dbl, fabs(r.variance - r.predicted), 5 * r.variance_se), "%s %s m=%zu: %g, not %g+-%g",
                          problems[p], random_samplers[q], sizes[k], r.variance, r.predicted, r.variance_se);
                for (size_t i = 0; i < r.directions; i++)
                    cr_expect(le(dbl, fabs(r.direction_variance[i] - r.direction_predicted[i]), 5 * r.direction_se[i]));
                cr_expect(le(dbl, fabs(r.bias_along_gradient), 5 * r.bias_along_gradient_se));
                double se = sqrt(r.direction_predicted[0] / DRAWS / r.gradient_norm2);
                EXPECT_CLOSE(r.bias_along_gradient_se, se, 0.05);
                cr_expect(gt(dbl, r.bias_p, 1e-5), "%s %s m=%zu: p = %g", problems[p], random_samplers[q], sizes[k],
                          r.bias_p);
                estimator_result_free(&r);
            }
            scene_close(&s);
        }
}

static int compare_reals(const void *left, const void *right)
{
    const double *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

/* p-values of independent replicates are uniform: Kolmogorov's distance beyond 1.95/sqrt(N) has probability 1e-3. With
 * one order for all draws, shuffle_once at m = n/2 would see two batches only. */
Test(estimator, p_values_are_uniform)
{
    enum { N = 40, D = 3, REPLICATES = 400 };
    for (size_t q = 0; q < RANDOM_SAMPLERS; q++) {
        struct scene s;
        double p[REPLICATES], distance = 0;
        scene_open(&s, "logistic_regression", N, D);
        use(&s, random_samplers[q], q == 1 ? 3 : N / 2, 400);
        for (size_t k = 0; k < REPLICATES; k++) {
            s.request.replicate = k;
            struct estimator_result r = estimate(&s);
            p[k] = r.bias_p;
            estimator_result_free(&r);
        }
        qsort(p, REPLICATES, sizeof *p, compare_reals);
        for (size_t k = 0; k < REPLICATES; k++)
            distance = fmax(distance, fmax(p[k] - (double)k / REPLICATES, (double)(k + 1) / REPLICATES - p[k]));
        cr_expect(lt(dbl, distance, 1.95 / sqrt(REPLICATES)), "%s: %g", random_samplers[q], distance);
        scene_close(&s);
    }
}

/* sigma^2 = 16: standard deviations 4, 2, 1 for m = 1, 4, 16. */
Test(estimator, sixteen)
{
    enum { N = 1000 };
    static const size_t sizes[] = {1, 4, 16};
    static const double deviations[] = {4, 2, 1};
    struct scene s;
    double squares = 0;
    scene_open(&s, "least_squares", N, 1);
    for (size_t i = 0; i < N; i++) {
        s.data.train.value[i * s.data.train.stride] = 1;
        s.data.y[i] = (double)i - (N - 1) / 2.0;
        squares += s.data.y[i] * s.data.y[i] / N;
    }
    for (size_t i = 0; i < N; i++)
        s.data.y[i] *= 4 / sqrt(squares);
    for (size_t k = 0; k < 3; k++) {
        use(&s, "with_replacement", sizes[k], 40000);
        struct estimator_result r = estimate(&s);
        EXPECT_CLOSE(sqrt(r.predicted), deviations[k], 1e-12);
        EXPECT_CLOSE(sqrt(r.variance), deviations[k], 0.02);
        cr_expect(le(dbl, fabs(r.variance - r.predicted), 5 * r.variance_se));
        estimator_result_free(&r);
        use(&s, "subset", sizes[k], 40000);
        r = estimate(&s);
        double finite = deviations[k] * sqrt((double)(N - sizes[k]) / (N - 1));
        EXPECT_CLOSE(sqrt(r.predicted), finite, 1e-12);
        EXPECT_CLOSE(sqrt(r.variance), finite, 0.02);
        estimator_result_free(&r);
    }
    scene_close(&s);
}

/* A batch of all n has no variance and no bias, to rounding. */
Test(estimator, whole_batches)
{
    enum { N = 97, D = 5 };
    static const char *const samplers[] = {"subset", "reshuffle", "shuffle_once", "cyclic", "full"};
    struct scene s;
    scene_open(&s, "logistic_regression", N, D);
    for (size_t k = 0; k < 5; k++)
        for (size_t m = N; m <= 2 * N; m += N) {
            use(&s, samplers[k], m, 500);
            struct estimator_result r = estimate(&s);
            cr_expect(eq(u64, r.draws, k == 4 ? 1 : 500));
            cr_expect(all(eq(dbl, r.kappa, 0), eq(dbl, r.predicted, 0)));
            cr_expect(le(dbl, r.variance, 1e-28 * r.sigma2), "%s: %g", samplers[k], r.variance);
            cr_expect(all(eq(dbl, r.bias_statistic, 0), eq(dbl, r.bias_df, 0), eq(dbl, r.bias_p, 1)));
            cr_expect(le(dbl, fabs(r.bias_along_gradient), 1e-14));
            cr_expect(gt(dbl, r.sigma2, 0.1));
            estimator_result_free(&r);
        }
    scene_close(&s);
}

/* The batches of cyclic are not random: there is no p-value. On sorted samples their variance is not kappa sigma^2. */
Test(estimator, cyclic)
{
    enum { N = 64 };
    struct scene s;
    scene_open(&s, "least_squares", N, 1);
    for (size_t i = 0; i < N; i++) {
        s.data.train.value[i * s.data.train.stride] = 1;
        s.data.y[i] = (double)i;
    }
    use(&s, "cyclic", 16, 4000);
    struct estimator_result r = estimate(&s);
    cr_expect(isnan(r.bias_p) != 0);
    /* Means of the four batches: 7.5, 23.5, 39.5, 55.5 around 31.5. */
    double exact = (24.0 * 24 + 8 * 8) / 2;
    cr_expect(le(dbl, fabs(r.variance - exact), 5 * r.variance_se));
    cr_expect(gt(dbl, r.variance, 10 * r.predicted));
    estimator_result_free(&r);
    scene_close(&s);
}

/* ---- batches of one epoch ---- */

static struct sampler open_sampler(const struct scene *s, uint64_t replicate)
{
    const struct sampler_type *type = s->config.sampler;
    size_t words = type->scratch_words ? type->scratch_words(s->data.train.rows, s->config.batch_size) : 0;
    struct sampler sampler = {
        .type = type,
        .n = (uint32_t)s->data.train.rows,
        .batch_size = s->config.batch_size,
        .keep_last = true,
        .stream = rng_stream(3, RNG_TEST, 0, replicate),
        .scratch = calloc(words + 1, sizeof(uint32_t)),
    };
    cr_assert(sampler.scratch != NULL);
    return sampler;
}

/* Two disjoint batches of an epoch at the same iterate: covariance -Sigma/(n-1). */
Test(estimator, batches_of_an_epoch_repel)
{
    enum { N = 12, D = 3, M = 4, EPOCHS = 40000 };
    static const char *const samplers[] = {"reshuffle", "shuffle_once"};
    for (size_t q = 0; q < 2; q++) {
        struct scene s;
        scene_open(&s, "logistic_regression", N, D);
        use(&s, samplers[q], M, 1);
        struct exact e = exact_open(&s);
        double sum[D * D] = {0}, squares[D * D] = {0}, scratch[D], g[N / M][D];
        uint32_t index[N], size[N / M];
        for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
            struct sampler sampler = open_sampler(&s, epoch);
            sampler.type->draw(&sampler, 0, N / M, index, size);
            for (size_t b = 0; b < N / M; b++)
                naive_loss_gradient(&s.config.problem, CLIP_NONE, 0, index + b * M, M, s.start, g[b], scratch);
            for (size_t j = 0; j < D; j++)
                for (size_t k = 0; k < D; k++) {
                    double product = (g[0][j] - e.gradient[j]) * (g[2][k] - e.gradient[k]);
                    sum[j * D + k] += product / EPOCHS;
                    squares[j * D + k] += product * product / EPOCHS;
                }
            free(sampler.scratch);
        }
        for (size_t j = 0; j < D * D; j++) {
            double predicted = -e.sigma[j] / (N - 1), se = sqrt((squares[j] - sum[j] * sum[j]) / EPOCHS);
            cr_expect(le(dbl, fabs(sum[j] - predicted), 5 * se), "%s: %g, not %g+-%g", samplers[q], sum[j], predicted,
                      se);
            cr_expect(j % (D + 1) != 0 || -predicted > 8 * se); /* 0 would be seen */
        }
        exact_close(&e);
        scene_close(&s);
    }
}

/* The size-weighted mean of an epoch's batches is the full gradient, the short last one included. */
Test(estimator, an_epoch_is_the_full_gradient)
{
    enum { N = 23, D = 4, M = 5, BATCHES = 5 };
    static const char *const samplers[] = {"reshuffle", "shuffle_once", "cyclic"};
    struct scene s;
    scene_open(&s, "least_squares", N, D);
    struct exact e = exact_open(&s);
    for (size_t q = 0; q < 3; q++)
        for (uint64_t epoch = 0; epoch < 20; epoch++) {
            use(&s, samplers[q], M, 1);
            struct sampler sampler = open_sampler(&s, 0);
            double mean[D] = {0}, g[D], scratch[D];
            uint32_t index[N], size[BATCHES], *at = index;
            sampler.type->draw(&sampler, epoch * BATCHES, BATCHES, index, size);
            for (size_t b = 0; b < BATCHES; at += size[b++]) {
                naive_loss_gradient(&s.config.problem, CLIP_NONE, 0, at, size[b], s.start, g, scratch);
                for (size_t j = 0; j < D; j++)
                    mean[j] += g[j] * size[b] / N;
            }
            for (size_t j = 0; j < D; j++)
                cr_expect(le(dbl, fabs(mean[j] - e.gradient[j]), 1e-14 * e.largest));
            free(sampler.scratch);
        }
    exact_close(&e);
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
            cr_expect(all(gt(dbl, a.bias_p, 1e-4), lt(dbl, a.bias_p, 1)));
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
    cr_expect(all(eq(dbl, r.bias_along_gradient, 0), eq(dbl, r.bias_along_gradient_se, 0)));
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

/* ---- negative controls: samplers that are wrong on purpose ---- */

/* Never the last of the n samples. */
static void all_but_last(struct sampler *sampler, uint64_t first, size_t count, uint32_t *index, uint32_t *size)
{
    rng_indices(&sampler->stream, first * sampler->batch_size, count * sampler->batch_size, sampler->n - 1, 0, index);
    for (size_t s = 0; s < count; s++)
        size[s] = (uint32_t)sampler->batch_size;
}

/* The first sample instead of the last one, in a batch of all n. */
static void one_twice(struct sampler *sampler, uint64_t first, size_t count, uint32_t *index, uint32_t *size)
{
    (void)first;
    for (size_t s = 0; s < count; s++) {
        size[s] = sampler->n;
        for (uint32_t i = 0; i < sampler->n; i++)
            *index++ = i + 1 < sampler->n ? i : 0;
    }
}

/* One sample m times: unbiased, but the variance does not fall with m. */
static void repeated(struct sampler *sampler, uint64_t first, size_t count, uint32_t *index, uint32_t *size)
{
    for (size_t s = 0; s < count; s++) {
        rng_indices(&sampler->stream, first + s, 1, sampler->n, 0, index);
        for (size_t k = 1; k < sampler->batch_size; k++)
            index[k] = index[0];
        index += sampler->batch_size;
        size[s] = (uint32_t)sampler->batch_size;
    }
}

static const struct sampler_type missing = {
    .method = {.name = "missing"}, .with_replacement = true, .independent_steps = true, .draw = all_but_last};
static const struct sampler_type doubled = {
    .method = {.name = "doubled"}, .independent_steps = true, .draw = one_twice};
static const struct sampler_type clumped = {
    .method = {.name = "clumped"}, .with_replacement = true, .independent_steps = true, .draw = repeated};

Test(estimator, a_missing_sample_is_caught)
{
    for (size_t p = 0; p < PROBLEMS; p++) {
        struct scene s;
        scene_open(&s, problems[p], 8, 2);
        use(&s, "with_replacement", 4, 20000);
        struct estimator_result right = estimate(&s);
        s.config.sampler = &missing;
        struct estimator_result wrong = estimate(&s);
        cr_expect(gt(dbl, right.bias_p, 1e-4), "%s: p = %g", problems[p], right.bias_p);
        cr_expect(lt(dbl, wrong.bias_p, 1e-10), "%s: p = %g", problems[p], wrong.bias_p);
        estimator_result_free(&right);
        estimator_result_free(&wrong);
        scene_close(&s);
    }
}

Test(estimator, a_wrong_whole_batch_is_caught)
{
    struct scene s;
    scene_open(&s, "logistic_regression", 1000, 3);
    use(&s, "subset", 1000, 10);
    s.config.sampler = &doubled;
    struct estimator_result r = estimate(&s);
    cr_expect(isinf(r.bias_statistic) != 0);
    cr_expect(all(eq(dbl, r.bias_p, 0), eq(dbl, r.bias_df, 0)));
    estimator_result_free(&r);
    scene_close(&s);
}

Test(estimator, a_wrong_variance_is_caught)
{
    struct scene s;
    scene_open(&s, "least_squares", 100, 3);
    use(&s, "with_replacement", 2, 20000);
    s.config.sampler = &clumped;
    struct estimator_result r = estimate(&s);
    EXPECT_CLOSE(r.variance, 2 * r.predicted, 0.1);
    cr_expect(gt(dbl, r.variance - r.predicted, 20 * r.variance_se));
    estimator_result_free(&r);
    scene_close(&s);
}
