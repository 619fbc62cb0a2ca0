/* Curvature against what it is defined as: the eigenvalues of the whole Hessian, differences of gradients, the
 * gradients of the samples one by one; and the metrics that a run records of it. */
#include <gsl/gsl_eigen.h>
#include <gsl/gsl_sort_vector.h>

#include "curvature.h"
#include "engine.h"
#include "estimator_scene.h"
#include "model.h"

static struct error error;

#define MUST(call) cr_assert(eq(int, (int)(call), STATUS_OK), "%s", error.message)

/* ---- scenes ---- */

/* The start of the scene, with room for vectors, and the curvature there. */
struct view {
    struct problem *problem;
    struct curvature *curvature;
    size_t d;
    double *x, *v, *product;
};

static double *aligned(size_t d)
{
    double *v = aligned_alloc(64, (d + 8) / 8 * 8 * sizeof *v);
    cr_assert(v != NULL);
    return memset(v, 0, (d + 8) / 8 * 8 * sizeof *v);
}

static struct view view_open(struct scene *s)
{
    struct view w = {.problem = &s->config.problem, .d = problem_dim(&s->config.problem)};
    w.x = aligned(w.d);
    w.v = aligned(w.d);
    w.product = aligned(w.d);
    memcpy(w.x, s->start, w.d * sizeof *w.x);
    MUST(curvature_open(w.problem, curvature_defined(w.problem), &w.curvature, &error));
    curvature_at(w.curvature, w.problem, w.x, 1);
    return w;
}

static void view_close(struct view *w)
{
    curvature_close(w->curvature);
    free(w->x);
    free(w->v);
    free(w->product);
}

static void make_sparse(struct scene *s)
{
    struct matrix sparse;
    MUST(matrix_to_sparse(&s->data.train, &sparse, &error));
    matrix_free(&s->data.train);
    s->data.train = sparse;
}

/* ---- from the definitions ---- */

/* grad f_i, penalties left out. */
static void gradient_of(const struct problem *p, size_t i, const double *x, double *g)
{
    const struct matrix *a = &p->data->train;
    const double y = p->data->y[i];
    if (p->type->model) { /* the neuron */
        neuron_sample(a, i, y, x, g, NULL, NULL);
        return;
    }
    memset(g, 0, a->cols * sizeof *g);
    matrix_row_axpy(a, i, p->type->scalar->slope(matrix_row_dot(a, i, x), y), g);
}

/* h[d][d] of f, penalties included: linear models by their formula, models column by column from products. */
static gsl_matrix *hessian_of(struct view *w)
{
    gsl_matrix *h = gsl_matrix_calloc(w->d, w->d);
    const struct problem *p = w->problem;
    const struct matrix *a = &p->data->train;
    for (size_t i = 0; !p->type->model && i < a->rows; i++) {
        double *row = calloc(w->d, sizeof *row);
        matrix_row_axpy(a, i, 1, row);
        const double c = p->type->scalar->curvature(matrix_row_dot(a, i, w->x), p->data->y[i]) / (double)a->rows;
        for (size_t j = 0; j < w->d; j++)
            for (size_t k = 0; k < w->d; k++)
                *gsl_matrix_ptr(h, j, k) += c * row[j] * row[k];
        free(row);
    }
    for (size_t j = 0; p->type->model && j < w->d; j++) {
        memset(w->v, 0, w->d * sizeof *w->v);
        w->v[j] = 1;
        curvature_product(w->curvature, w->v, w->product);
        for (size_t k = 0; k < w->d; k++)
            gsl_matrix_set(h, k, j, w->product[k]);
    }
    for (size_t j = 0; !p->type->model && j < problem_penalized(p); j++)
        *gsl_matrix_ptr(h, j, j) += p->l2;
    return h;
}

/* The largest eigenvalue; the gap to the next one unless NULL. */
static double largest_of(const gsl_matrix *h, double *gap)
{
    const size_t d = h->size1;
    gsl_matrix *copy = gsl_matrix_alloc(d, d);
    gsl_vector *value = gsl_vector_alloc(d);
    gsl_eigen_symm_workspace *workspace = gsl_eigen_symm_alloc(d);
    gsl_matrix_memcpy(copy, h);
    gsl_eigen_symm(copy, value, workspace);
    gsl_sort_vector(value);
    const double largest = gsl_vector_get(value, d - 1);
    if (gap)
        *gap = d > 1 ? largest - gsl_vector_get(value, d - 2) : INFINITY;
    gsl_eigen_symm_free(workspace);
    gsl_vector_free(value);
    gsl_matrix_free(copy);
    return largest;
}

/* tr Sigma/|grad f|^2, two passes. */
static double noise_scale_of(struct view *w)
{
    const struct problem *p = w->problem;
    const size_t n = p->data->train.rows;
    double *mean = calloc(w->d, sizeof *mean), *g = calloc(w->d, sizeof *g), trace = 0, norm2 = 0;
    for (size_t i = 0; i < n; i++) {
        gradient_of(p, i, w->x, g);
        for (size_t j = 0; j < w->d; j++)
            mean[j] += g[j] / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        gradient_of(p, i, w->x, g);
        for (size_t j = 0; j < w->d; j++)
            trace += (g[j] - mean[j]) * (g[j] - mean[j]) / (double)n;
    }
    for (size_t j = 0; j < w->d; j++) {
        double total = mean[j];
        if (j < problem_penalized(p))
            total += p->l2 * w->x[j] + p->l1 * ((w->x[j] > 0) - (w->x[j] < 0));
        norm2 += total * total;
    }
    free(mean);
    free(g);
    return trace / norm2;
}

/* ---- the largest eigenvalue ---- */

/* The value is a Rayleigh quotient, so not above; the stop at a residual r promises an error of at most r, and of
 * r^2/gap. */
static void check_largest(struct view *w, const char *what)
{
    gsl_matrix *h = hessian_of(w);
    double gap, want = largest_of(h, &gap), got = curvature_largest(w->curvature);
    const double residual = CURVATURE_TOLERANCE * fabs(want), rounding = 1e-13 * fabs(want);
    cr_expect(got <= want + rounding && got >= want - fmin(residual, residual * residual / gap) - rounding,
              "%s: %.17g, but the eigenvalue is %.17g (gap %g)", what, got, want, gap);
    const double again = curvature_largest(w->curvature);
    cr_expect(memcmp(&got, &again, sizeof got) == 0, "%s", what);
    gsl_matrix_free(h);
}

Test(curvature, largest_eigenvalue_of_linear_models)
{
    static const size_t dims[] = {1, 2, 7, 30, 90};
    static const char *const smooth[] = {"least_squares", "logistic_regression", "quartic", "linear"};
    for (size_t p = 0; p < 4; p++)
        for (size_t k = 0; k < 5; k++)
            for (int variant = 0; variant < 8; variant++) {
                struct scene s;
                char what[80];
                scene_open(&s, smooth[p], 60, dims[k]);
                s.data.intercept = variant & 1;
                s.config.problem.l2 = variant & 2 ? 0.3 : 0;
                s.config.problem.l1 = variant & 4 ? 0.2 : 0; /* is no part of the Hessian */
                struct view dense = view_open(&s);
                snprintf(what, sizeof what, "%s d=%zu variant %d", smooth[p], dims[k], variant);
                check_largest(&dense, what);
                const double value = curvature_largest(dense.curvature);
                make_sparse(&s);
                struct view sparse = view_open(&s);
                cr_expect(fabs(curvature_largest(sparse.curvature) - value) <= 1e-9 * value, "%s, CSR", what);
                view_close(&dense);
                view_close(&sparse);
                scene_close(&s);
            }
}

/* Least squares on n = d rows sqrt(d lambda_j) e_j: the Hessian is diag(lambda). */
static double of_diagonal(const double *lambda, size_t d)
{
    struct scene s;
    scene_open(&s, "least_squares", d, d);
    memset(s.data.train.value, 0, d * s.data.train.stride * sizeof(double));
    for (size_t j = 0; j < d; j++)
        s.data.train.value[j * s.data.train.stride + j] = sqrt((double)d * lambda[j]);
    make_sparse(&s);
    struct view w = view_open(&s);
    const double value = curvature_largest(w.curvature);
    view_close(&w);
    scene_close(&s);
    return value;
}

Test(curvature, known_eigenvalues)
{
    enum { D = 700 };
    double lambda[D];
    for (size_t j = 0; j < D; j++) /* one direction among many: a start sees little of it */
        lambda[j] = j == 300 ? 1.01 : 1;
    EXPECT_CLOSE(of_diagonal(lambda, D), 1.01, 1e-9);
    for (size_t j = 0; j < D; j++)
        lambda[j] = pow(0.9, (double)j);
    EXPECT_CLOSE(of_diagonal(lambda, D), 1.0, 1e-4);
    for (size_t j = 0; j < D; j++) /* no gap to speak of: several bases */
        lambda[j] = (double)(j + 1);
    EXPECT_CLOSE(of_diagonal(lambda, D), (double)D, 1e-3);
    for (size_t j = 0; j < D; j++)
        lambda[j] = 2;
    EXPECT_CLOSE(of_diagonal(lambda, D), 2.0, 1e-13);
    memset(lambda, 0, sizeof lambda);
    cr_expect(of_diagonal(lambda, D) == 0);
}

/* A landscape of known Hessian diag(1, -lambda): largest, not largest in size; with l2 on top where it is penalised. */
Test(curvature, saddle)
{
    struct scene s;
    scene_open(&s, "saddle", 4, 2);
    s.config.problem.values.scalar[0] = 40;
    struct view w = view_open(&s);
    EXPECT_CLOSE(curvature_largest(w.curvature), 1.0, 1e-13);
    view_close(&w);
    scene_close(&s);
}

Test(curvature, largest_eigenvalue_of_a_model)
{
    static const size_t dims[] = {1, 5, 12, 80};
    for (size_t k = 0; k < 4; k++) {
        struct scene s;
        scene_open(&s, "neuron", 50, dims[k] + 1);
        s.config.problem.l2 = 0.1;
        struct view w = view_open(&s);
        check_largest(&w, "neuron");
        view_close(&w);
        scene_close(&s);
    }
}

Test(curvature, not_finite)
{
    struct scene s;
    scene_open(&s, "quartic", 20, 12);
    s.start[3] = 1e200;
    struct view w = view_open(&s);
    cr_expect(isnan(curvature_largest(w.curvature)));
    view_close(&w);
    scene_close(&s);
}

/* ---- products ---- */

/* (grad f(x + h v) - grad f(x - h v))/(2 h), penalties included. */
static void check_differences(struct scene *s)
{
    struct view w = view_open(s);
    const struct problem *p = w.problem;
    const size_t n = p->data->train.rows, d = w.d;
    const double h = 1e-5;
    double *g = calloc(3 * d, sizeof *g), size = 0;
    double *at = g + d, *difference = at + d;
    for (size_t j = 0; j < d; j++)
        w.v[j] = sin((double)(3 * j + 1));
    curvature_product(w.curvature, w.v, w.product);
    for (int side = -1; side <= 1; side += 2) {
        for (size_t j = 0; j < d; j++)
            at[j] = w.x[j] + side * h * w.v[j];
        for (size_t i = 0; i < n; i++) {
            gradient_of(p, i, at, g);
            for (size_t j = 0; j < d; j++)
                difference[j] += side * g[j] / (double)n / (2 * h);
        }
        for (size_t j = 0; j < problem_penalized(p); j++)
            difference[j] += side * p->l2 * at[j] / (2 * h);
    }
    for (size_t j = 0; j < d; j++)
        size = fmax(size, fabs(difference[j]));
    for (size_t j = 0; j < d; j++)
        cr_expect(fabs(w.product[j] - difference[j]) <= 1e-8 * size, "%s: %zu of %zu: %.12g, by differences %.12g",
                  p->type->method.name, j, d, w.product[j], difference[j]);
    free(g);
    view_close(&w);
}

Test(curvature, products_against_differences)
{
    static const char *const smooth[] = {"least_squares", "logistic_regression", "quartic", "linear", "neuron"};
    for (size_t k = 0; k < 5; k++) {
        struct scene s;
        scene_open(&s, smooth[k], 31, 9);
        s.config.problem.l2 = 0.3;
        s.data.intercept = true;
        check_differences(&s);
        make_sparse(&s);
        check_differences(&s);
        scene_close(&s);
    }
}

Test(curvature, defined)
{
    struct scene s;
    for (size_t p = 0; p < PROBLEMS; p++) {
        scene_open(&s, problems[p], 4, 2);
        const bool kinks = !strcmp(problems[p], "linear_svm") || !strcmp(problems[p], "least_absolute_deviations");
        cr_expect(curvature_defined(&s.config.problem) == !kinks, "%s", problems[p]);
        scene_close(&s);
    }
    scene_open(&s, "neuron", 4, 2);
    s.config.problem.type = &bare_neuron_type;
    cr_expect(curvature_defined(&s.config.problem) == false);
    scene_close(&s);
}

/* ---- the noise scale ---- */

Test(curvature, noise_scale)
{
    for (size_t p = 0; p <= PROBLEMS; p++)
        for (int variant = 0; variant < 8; variant++) {
            struct scene s;
            scene_open(&s, p < PROBLEMS ? problems[p] : "neuron", 70, 6);
            if (p == PROBLEMS)
                s.config.problem.type = &bare_neuron_type;
            s.data.intercept = variant & 1;
            s.config.problem.l2 = variant & 2 ? 0.3 : 0;
            s.config.problem.l1 = variant & 4 ? 0.2 : 0;
            for (size_t i = 0; i < 70; i++) /* a column that most rows leave out */
                s.data.train.value[i * s.data.train.stride + 2] *= i % 5 == 0;
            struct view dense = view_open(&s);
            EXPECT_CLOSE(curvature_noise_scale(dense.curvature), noise_scale_of(&dense), 1e-11);
            make_sparse(&s);
            struct view sparse = view_open(&s);
            EXPECT_CLOSE(curvature_noise_scale(sparse.curvature), noise_scale_of(&dense), 1e-11);
            view_close(&dense);
            view_close(&sparse);
            scene_close(&s);
        }
}

/* grad f_i = x - c_i: 25/n sum (c_i - c)^2 over (x - c)^2 in numbers; and nothing cancels where the noise is small. */
Test(curvature, noise_scale_by_hand)
{
    struct scene s;
    scene_open(&s, "least_squares", 4, 1);
    for (size_t i = 0; i < 4; i++)
        s.data.train.value[i * s.data.train.stride] = 1;
    memcpy(s.data.y, (double[]){1, 3, 5, 7}, 4 * sizeof(double));
    s.start[0] = 6;
    struct view w = view_open(&s);
    EXPECT_CLOSE(curvature_noise_scale(w.curvature), 5.0 / 4, 1e-15);
    w.x[0] = 4; /* the mean */
    curvature_at(w.curvature, w.problem, w.x, 1);
    cr_expect(isinf(curvature_noise_scale(w.curvature)));
    w.x[0] = 4 + 0x1p30;
    curvature_at(w.curvature, w.problem, w.x, 1);
    EXPECT_CLOSE(curvature_noise_scale(w.curvature), 5 * 0x1p-60, 1e-15);
    memcpy(s.data.y, (double[]){4, 4, 4, 4}, 4 * sizeof(double));
    w.x[0] = 4;
    curvature_at(w.curvature, w.problem, w.x, 1);
    cr_expect(curvature_noise_scale(w.curvature) == 0);
    view_close(&w);
    scene_close(&s);
}

/* ---- networks ---- */

/* A network on 40 rows of 5 numbers in 3 classes, two hidden layers unless it is a softmax regression. */
static void network_open(struct scene *s, const char *problem, double activation)
{
    struct problem *p = &s->config.problem;
    scene_open(s, "least_squares", 40, 5);
    p->type = method(METHOD_PROBLEM, problem);
    p->l2 = 0.05;
    s->data.task = TASK_MULTICLASS;
    s->data.classes = 3;
    for (size_t i = 0; i < 40; i++)
        s->data.y[i] = (double)(i * i % 3);
    if (strcmp(problem, "mlp") == 0) {
        p->values.list_count = 2;
        p->values.list[0] = 4;
        p->values.list[1] = 3;
        p->values.scalar[1] = activation;
    }
    const size_t d = problem_dim(p);
    s->start = realloc(s->start, d * sizeof *s->start);
    cr_assert(s->start != NULL);
    for (size_t j = 0; j < d; j++)
        s->start[j] = 0.6 * sin((double)(j * j + 1));
    s->config.start.list = s->start;
}

/* sum of the gradients of rows first .. first + rows - 1 */
static void rows_gradient(const struct problem *p, const double *x, size_t first, size_t rows, double *g)
{
    const struct batch batch = {.a = &p->data->train, .y = p->data->y, .first = first, .rows = rows};
    double *scratch = aligned(p->type->model->scratch(p, 1));
    p->type->model->gradient(p, &batch, x, 1, 0, scratch, g);
    free(scratch);
}

/* The Hessian column by column from differences of gradients, made symmetric. */
static double largest_by_differences(struct view *w)
{
    const double h = 1e-5;
    gsl_matrix *hessian = gsl_matrix_calloc(w->d, w->d);
    double *at = aligned(w->d);
    for (size_t j = 0; j < w->d; j++)
        for (int side = -1; side <= 1; side += 2) {
            memcpy(at, w->x, w->d * sizeof *at);
            at[j] += side * h;
            rows_gradient(w->problem, at, 0, 40, w->product);
            for (size_t k = 0; k < w->d; k++) {
                const double g = side * w->product[k] / 40 / (2 * h);
                *gsl_matrix_ptr(hessian, j, k) += g / 2;
                *gsl_matrix_ptr(hessian, k, j) += g / 2;
            }
        }
    for (size_t j = 0; j < problem_penalized(w->problem); j++)
        *gsl_matrix_ptr(hessian, j, j) += w->problem->l2;
    const double largest = largest_of(hessian, NULL);
    free(at);
    gsl_matrix_free(hessian);
    return largest;
}

static double noise_scale_by_rows(struct view *w)
{
    double *mean = aligned(w->d), trace = 0, norm2 = 0;
    rows_gradient(w->problem, w->x, 0, 40, mean);
    for (size_t i = 0; i < 40; i++) {
        rows_gradient(w->problem, w->x, i, 1, w->product);
        for (size_t j = 0; j < w->d; j++)
            trace += pow(w->product[j] - mean[j] / 40, 2) / 40;
    }
    for (size_t j = 0; j < w->d; j++)
        norm2 += pow(mean[j] / 40 + (j < problem_penalized(w->problem) ? w->problem->l2 * w->x[j] : 0), 2);
    free(mean);
    return trace / norm2;
}

Test(curvature, networks)
{
    for (int k = 0; k < 8; k++) {
        struct scene s;
        network_open(&s, k < 6 ? "mlp" : "softmax_regression", k / 2 % 3);
        if (k % 2)
            make_sparse(&s);
        struct view w = view_open(&s);
        EXPECT_CLOSE(curvature_largest(w.curvature), largest_by_differences(&w), 1e-5);
        EXPECT_CLOSE(curvature_noise_scale(w.curvature), noise_scale_by_rows(&w), 1e-11);
        check_largest(&w, "network");
        view_close(&w);
        scene_close(&s);
    }
}

/* L1 and L2 read estimator runs: what these take for exact, from gradients row by row; their draws unbiased. */
Test(curvature, estimators_of_networks)
{
    for (int k = 0; k < 2; k++) {
        struct scene s;
        network_open(&s, k ? "softmax_regression" : "mlp", 1);
        use(&s, "subset", 8, 4000);
        struct view w = view_open(&s);
        struct estimator_result r = estimate(&s);
        EXPECT_CLOSE(r.sigma2 / r.gradient_norm2, noise_scale_by_rows(&w), 1e-11);
        EXPECT_CLOSE(r.kappa, 32.0 / (8 * 39), 1e-15);
        cr_expect(fabs(r.variance - r.predicted) <= 4.5 * r.variance_se, "%g, not %g", r.variance, r.predicted);
        cr_expect(r.bias_p > 1e-5 && r.bias_df > 10, "p = %g, df = %g", r.bias_p, r.bias_df);
        estimator_result_free(&r);
        view_close(&w);
        scene_close(&s);
    }
}

/* ---- as metrics ---- */

enum { CURVATURE_METRICS = 1u << METRIC_SHARPNESS | 1u << METRIC_NOISE_SCALE };

/* What run k of `count` records at its last step, against the curvature of its last iterate. */
static void check_run(const struct run_request *request, const struct run_result *result, const char *what)
{
    const struct run_config *c = request->config;
    const size_t d = problem_dim(&c->problem), last = c->grid->count - 1;
    struct curvature *curvature;
    double *x = aligned(d);
    cr_assert(result->outcome == OUTCOME_FINISHED && result->points == c->grid->count, "%s", what);
    MUST(run_last_iterate(request, NULL, x, &error));
    MUST(curvature_open(&c->problem, true, &curvature, &error));
    curvature_at(curvature, &c->problem, x, 1);
    const double sharpness = curvature_largest(curvature), noise = curvature_noise_scale(curvature);
    cr_expect(memcmp(&result->metric[METRIC_SHARPNESS][last], &sharpness, sizeof sharpness) == 0,
              "%s: sharpness %.17g, not %.17g", what, result->metric[METRIC_SHARPNESS][last], sharpness);
    cr_expect(memcmp(&result->metric[METRIC_NOISE_SCALE][last], &noise, sizeof noise) == 0,
              "%s: noise scale %.17g, not %.17g", what, result->metric[METRIC_NOISE_SCALE][last], noise);
    cr_expect(sharpness > 0 && noise > 0);
    curvature_close(curvature);
    free(x);
}

/* Lanes of several rates and penalties beside each other, and each alone, bit by bit. */
Test(curvature, metrics_of_lanes)
{
    enum { LANES = 11 };
    static const char *const names[] = {"least_squares", "logistic_regression", "neuron"};
    for (size_t p = 0; p < 3; p++) {
        struct scene s;
        struct record_grid grid;
        struct run_config config[LANES];
        struct run_request request[LANES];
        struct run_result result[LANES], alone;
        scene_open(&s, names[p], 40, 10);
        MUST(record_grid_make(25, 4, SPACING_LINEAR, &grid, &error));
        for (size_t k = 0; k < LANES; k++) {
            config[k] = s.config;
            config[k].kind = KIND_TRAINING;
            config[k].steps = 25;
            config[k].grid = &grid;
            config[k].metrics = CURVATURE_METRICS;
            config[k].problem.l2 = 0.01 * (double)(k + 1);
            config[k].schedule.values.scalar[0] = 0.002 * (double)(k + 1);
            request[k] = (struct run_request){.config = &config[k], .seed = 5};
        }
        MUST(block_run(request, LANES, LAYOUT_AUTO, NULL, result, &error));
        for (size_t k = 0; k < LANES; k++) {
            check_run(&request[k], &result[k], names[p]);
            MUST(block_run(&request[k], 1, LAYOUT_AUTO, NULL, &alone, &error));
            for (size_t i = 0; i < grid.count; i++)
                for (int m = METRIC_SHARPNESS; m <= METRIC_NOISE_SCALE; m++)
                    cr_expect(memcmp(&alone.metric[m][i], &result[k].metric[m][i], sizeof(double)) == 0,
                              "%s, lane %zu, %s at point %zu", names[p], k, metric_info[m].name, i);
            run_result_free(&alone);
            run_result_free(&result[k]);
        }
        record_grid_free(&grid);
        scene_close(&s);
    }
}

/* Of the workers' mean, which is what run_last_iterate gives. */
Test(curvature, metrics_of_local_sgd)
{
    struct scene s;
    struct record_grid grid;
    struct run_result result;
    scene_open(&s, "logistic_regression", 40, 10);
    MUST(record_grid_make(25, 4, SPACING_LINEAR, &grid, &error));
    s.config.kind = KIND_TRAINING;
    s.config.steps = 25;
    s.config.grid = &grid;
    s.config.metrics = CURVATURE_METRICS;
    s.config.local_workers = 5;
    s.config.sync_every = 10;
    MUST(block_run(&s.request, 1, LAYOUT_AUTO, NULL, &result, &error));
    check_run(&s.request, &result, "local SGD");
    run_result_free(&result);
    record_grid_free(&grid);
    scene_close(&s);
}

/* A hinge has no Hessian; the scatter of its subgradients is defined. */
Test(curvature, metrics_with_kinks)
{
    struct scene s;
    struct record_grid grid;
    struct run_result result;
    scene_open(&s, "linear_svm", 20, 3);
    MUST(record_grid_make(5, 2, SPACING_LINEAR, &grid, &error));
    s.config.kind = KIND_TRAINING;
    s.config.steps = 5;
    s.config.grid = &grid;
    s.config.metrics = CURVATURE_METRICS;
    MUST(block_run(&s.request, 1, LAYOUT_AUTO, NULL, &result, &error));
    cr_expect(result.metric[METRIC_SHARPNESS] == NULL && result.metric[METRIC_NOISE_SCALE] != NULL);
    run_result_free(&result);
    record_grid_free(&grid);
    scene_close(&s);
}
