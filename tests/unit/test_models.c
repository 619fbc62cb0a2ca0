/* The contract of every registered model (model.h), whatever it is called: gradients are those of the loss, products
 * those of the gradient, sums run over samples, and a lane's bits depend on nothing but its own numbers. */
#include "engine_fixture.h"
#include "model.h"

enum { ROWS = 37, COLS = 6, BATCH = 21, WIDTH_MAX = 32 };
static const size_t widths[] = {1, 8, 24, 32};
enum { WIDTHS = sizeof widths / sizeof *widths };

struct scene {
    const struct kernel_set *set;
    struct dataset dense, sparse;
    struct problem problem;
    const struct model_type *model;
    size_t dim;
    double *x, *v;                   /* [dim][WIDTH_MAX] */
    uint32_t index[WIDTH_MAX * 100]; /* BATCH samples of lane k from 100 k on */
    double *scratch;
};

static double *lanes_alloc(size_t count)
{
    double *memory = aligned_alloc(64, (count + 8) / 8 * 64);
    cr_assert(memory != NULL);
    memset(memory, 0, (count + 8) / 8 * 64);
    return memory;
}

static void open_scene(struct scene *s, const struct kernel_set *set, const struct problem_type *type)
{
    gsl_rng *rng = fixture_rng(11);
    const struct param_values values = fixture_values(type);
    *s = (struct scene){.set = set, .model = type->model};
    const enum task task = problem_task(type, &values);
    fixture_data((struct shape){.n = ROWS, .d = COLS, .nonzeros = 3, .task = task}, 3, &s->sparse);
    fixture_densify(&s->sparse, &s->dense);
    s->problem = (struct problem){.type = type, .values = values, .data = &s->dense, .radius = INFINITY};
    const char *reason = s->model->refuse ? s->model->refuse(&s->problem) : NULL;
    cr_assert(reason == NULL, "%s: %s", type->method.name, reason);
    s->dim = problem_dim(&s->problem);
    s->x = lanes_alloc(s->dim * WIDTH_MAX);
    s->v = lanes_alloc(s->dim * WIDTH_MAX);
    for (size_t k = 0; k < WIDTH_MAX; k++) {
        if (s->model->start)
            s->model->start(&s->problem, rng, s->x + k, WIDTH_MAX);
        for (size_t j = 0; j < s->dim; j++) {
            s->x[j * WIDTH_MAX + k] += gsl_ran_gaussian(rng, s->model->start ? 0.1 : 0.8);
            s->v[j * WIDTH_MAX + k] = gsl_ran_gaussian(rng, 1);
        }
        for (size_t r = 0; r < BATCH; r++)
            s->index[100 * k + r] = (uint32_t)pick(rng, ROWS);
    }
    const size_t alone = s->model->scratch(&s->problem, 1), together = s->model->scratch(&s->problem, WIDTH_MAX);
    s->scratch = lanes_alloc(alone > together ? alone : together);
    gsl_rng_free(rng);
}

static void close_scene(struct scene *s)
{
    matrix_free(&s->dense.train);
    free(s->dense.y);
    free(s->dense.test_y);
    fixture_data_free(&s->sparse);
    free(s->x);
    free(s->v);
    free(s->scratch);
}

static const char *name_of(const struct scene *s)
{
    return s->problem.type->method.name;
}

/* Each problem with a model, of each instruction set. */
static void each_model(void (*check)(struct scene *s))
{
    const struct kernel_set *set[3];
    const size_t sets = kernels_available(set);
    size_t models = 0;
    for (size_t i = 0; i < sets; i++)
        for (size_t p = 0; p < set[i]->problem_count; p++) {
            struct scene s;
            if (!set[i]->problem[p]->model)
                continue;
            open_scene(&s, set[i], set[i]->problem[p]);
            check(&s);
            close_scene(&s);
            models++;
        }
    cr_assert(models >= 4 * sets);
}

static struct batch all_rows(const struct dataset *data)
{
    return (struct batch){.a = &data->train, .y = data->y, .rows = ROWS};
}

static double loss_at(const struct scene *s, const struct batch *batch, const double *x)
{
    double *value = lanes_alloc(1);
    s->model->loss(&s->problem, batch, x, 1, s->scratch, value, NULL);
    const double sum = value[0];
    free(value);
    return sum;
}

/* Lane k alone: its own x and v, [dim]. */
static void take_lane(const struct scene *s, size_t k, double *x, double *v)
{
    for (size_t j = 0; j < s->dim; j++) {
        x[j] = s->x[j * WIDTH_MAX + k];
        v[j] = s->v[j * WIDTH_MAX + k];
    }
}

static void check_derivatives(struct scene *s)
{
    static const double h = 1e-6;
    const struct batch all = all_rows(&s->dense);
    double *x = lanes_alloc(s->dim), *v = lanes_alloc(s->dim), *g = lanes_alloc(s->dim), *up = lanes_alloc(s->dim),
           *down = lanes_alloc(s->dim), *product = lanes_alloc(s->dim);
    for (size_t k = 0; k < 4; k++) {
        take_lane(s, k, x, v);
        s->model->gradient(&s->problem, &all, x, 1, 0, s->scratch, g);
        s->model->hessian_vector(&s->problem, &all, x, v, 1, s->scratch, product);
        for (size_t j = 0; j < s->dim; j += 1 + s->dim / 40) {
            const double at = x[j];
            x[j] = at + h;
            const double above = loss_at(s, &all, x);
            x[j] = at - h;
            const double slope = (above - loss_at(s, &all, x)) / (2 * h);
            x[j] = at;
            cr_expect(fabs(g[j] - slope) <= 1e-6 * fmax(ROWS, fabs(slope)), "%s %s: gradient %zu is %g, not %g",
                      name_of(s), s->set->name, j, g[j], slope);
        }
        for (size_t j = 0; j < s->dim; j++)
            x[j] += h * v[j];
        s->model->gradient(&s->problem, &all, x, 1, 0, s->scratch, up);
        for (size_t j = 0; j < s->dim; j++)
            x[j] -= 2 * h * v[j];
        s->model->gradient(&s->problem, &all, x, 1, 0, s->scratch, down);
        for (size_t j = 0; j < s->dim; j++) {
            const double difference = (up[j] - down[j]) / (2 * h);
            cr_expect(fabs(product[j] - difference) <= 1e-6 * fmax(ROWS, fabs(difference)),
                      "%s %s: (H v)_%zu is %g, not %g", name_of(s), s->set->name, j, product[j], difference);
        }
    }
    free(x);
    free(v);
    free(g);
    free(up);
    free(down);
    free(product);
}

Test(models, derivatives_by_finite_differences)
{
    each_model(check_derivatives);
}

/* A batch is the sum of its samples: losses, gradients, clipped gradients, their squares; on both storages. */
static void check_sums(struct scene *s)
{
    static const double clip = 0.7;
    double *x = lanes_alloc(s->dim), *v = lanes_alloc(s->dim), *g = lanes_alloc(s->dim), *one = lanes_alloc(s->dim),
           *sum = lanes_alloc(s->dim), *clipped = lanes_alloc(s->dim), *square = lanes_alloc(1);
    for (int sparse = 0; sparse < 2; sparse++) {
        const struct dataset *data = sparse ? &s->sparse : &s->dense;
        const struct batch all = all_rows(data);
        double loss = 0, squares = 0;
        memset(sum, 0, s->dim * sizeof *sum);
        memset(clipped, 0, s->dim * sizeof *clipped);
        s->problem.data = data;
        take_lane(s, 5, x, v);
        for (size_t i = 0; i < ROWS; i++) {
            const struct batch single = {.a = &data->train, .y = data->y, .first = i, .rows = 1};
            double norm2 = 0;
            loss += loss_at(s, &single, x);
            s->model->gradient(&s->problem, &single, x, 1, 0, s->scratch, one);
            for (size_t j = 0; j < s->dim; j++)
                norm2 += one[j] * one[j];
            for (size_t j = 0; j < s->dim; j++) {
                sum[j] += one[j];
                clipped[j] += one[j] * fmin(1, clip / sqrt(norm2));
            }
            squares += norm2;
        }
        cr_expect(fabs(loss_at(s, &all, x) - loss) <= 1e-12 * fmax(1, fabs(loss)), "%s: %g", name_of(s), loss);
        s->model->gradient(&s->problem, &all, x, 1, 0, s->scratch, g);
        for (size_t j = 0; j < s->dim; j++)
            cr_expect(fabs(g[j] - sum[j]) <= 1e-12 * fmax(ROWS, fabs(sum[j])), "%s: %g, not %g", name_of(s), g[j],
                      sum[j]);
        s->model->gradient(&s->problem, &all, x, 1, clip, s->scratch, g);
        for (size_t j = 0; j < s->dim; j++)
            cr_expect(fabs(g[j] - clipped[j]) <= 1e-12 * ROWS, "%s: clipped %g, not %g", name_of(s), g[j], clipped[j]);
        square[0] = 1;
        if (s->model->gradient_squares)
            s->model->gradient_squares(&s->problem, &all, x, 1, s->scratch, square);
        else
            square[0] += squares;
        cr_expect(fabs(square[0] - 1 - squares) <= 1e-12 * fmax(1, squares), "%s: %g, not %g", name_of(s),
                  square[0] - 1, squares);
    }
    free(x);
    free(v);
    free(g);
    free(one);
    free(sum);
    free(clipped);
    free(square);
}

Test(models, batches_are_sums_on_both_storages)
{
    each_model(check_sums);
}

/* Everything that a model computes for lanes first .. first + width - 1, lane k's numbers at out[k * values]. */
static void evaluate(const struct scene *s, const struct batch *batch, size_t first, size_t width, double *out)
{
    const size_t d = s->dim, values = 3 * d + 3;
    double *x = lanes_alloc(d * width), *v = lanes_alloc(d * width), *g = lanes_alloc(d * width),
           *clipped = lanes_alloc(d * width), *product = lanes_alloc(d * width), *number = lanes_alloc(3 * WIDTH_MAX),
           *scratch = lanes_alloc(s->model->scratch(&s->problem, width));
    for (size_t j = 0; j < d; j++)
        for (size_t k = 0; k < width; k++) {
            x[j * width + k] = s->x[j * WIDTH_MAX + first + k];
            v[j * width + k] = s->v[j * WIDTH_MAX + first + k];
        }
    s->model->gradient(&s->problem, batch, x, width, 0, scratch, g);
    s->model->gradient(&s->problem, batch, x, width, 0.5, scratch, clipped);
    s->model->hessian_vector(&s->problem, batch, x, v, width, scratch, product);
    s->model->loss(&s->problem, batch, x, width, scratch, number, NULL);
    if (s->model->gradient_squares)
        s->model->gradient_squares(&s->problem, batch, x, width, scratch, number + WIDTH_MAX);
    if (s->model->in_region)
        s->model->in_region(&s->problem, x, width, number + 2 * WIDTH_MAX);
    for (size_t k = 0; k < width; k++) {
        double *to = out + (first + k) * values;
        for (size_t j = 0; j < d; j++) {
            to[3 * j] = g[j * width + k];
            to[3 * j + 1] = clipped[j * width + k];
            to[3 * j + 2] = product[j * width + k];
        }
        for (size_t q = 0; q < 3; q++)
            to[3 * d + q] = number[q * WIDTH_MAX + k];
    }
    free(x);
    free(v);
    free(g);
    free(clipped);
    free(product);
    free(number);
    free(scratch);
}

/* All lanes in blocks of `width` (the last begins so that it is full), each with its own samples or all with those of
 * lane 0. */
static void evaluate_all(const struct scene *s, size_t width, bool each, double *out)
{
    for (size_t done = 0; done < WIDTH_MAX; done += width) {
        const size_t first = done + width <= WIDTH_MAX ? done : WIDTH_MAX - width;
        const struct batch batch = {.a = &s->problem.data->train,
                                    .y = s->problem.data->y,
                                    .index = s->index + (each ? 100 * first : 0),
                                    .stride = each ? 100 : 0,
                                    .rows = BATCH};
        evaluate(s, &batch, first, width, out);
    }
}

static void check_bits(struct scene *s)
{
    const size_t count = WIDTH_MAX * (3 * s->dim + 3);
    double *want = lanes_alloc(count), *got = lanes_alloc(count);
    for (int each = 0; each < 2; each++) {
        evaluate_all(s, WIDTH_MAX, each, want);
        for (size_t w = 0; w < WIDTHS; w++) {
            evaluate_all(s, widths[w], each, got);
            cr_expect(memcmp(want, got, count * sizeof *got) == 0, "%s %s: width %zu, %s", name_of(s), s->set->name,
                      widths[w], each ? "own samples" : "shared samples");
        }
    }
    /* the same samples by number, in a row, and as every lane's own */
    uint32_t rows[WIDTH_MAX * BATCH];
    for (size_t i = 0; i < WIDTH_MAX * BATCH; i++)
        rows[i] = (uint32_t)(5 + i % BATCH);
    const struct batch plain = {.a = &s->dense.train, .y = s->dense.y, .first = 5, .rows = BATCH};
    struct batch numbered = {.a = &s->dense.train, .y = s->dense.y, .index = rows, .rows = BATCH};
    evaluate(s, &plain, 0, WIDTH_MAX, want);
    evaluate(s, &numbered, 0, WIDTH_MAX, got);
    cr_expect(memcmp(want, got, count * sizeof *got) == 0, "%s %s: rows by number", name_of(s), s->set->name);
    numbered.stride = BATCH;
    evaluate(s, &numbered, 0, WIDTH_MAX, got);
    cr_expect(memcmp(want, got, count * sizeof *got) == 0, "%s %s: own rows", name_of(s), s->set->name);
    free(want);
    free(got);
}

Test(models, lanes_do_not_depend_on_width_and_layout)
{
    each_model(check_bits);
}

Test(models, instruction_sets_agree)
{
    const struct kernel_set *set[3];
    const size_t sets = kernels_available(set);
    for (size_t p = 0; p < set[0]->problem_count; p++)
        for (size_t i = 1; i < sets && set[0]->problem[p]->model; i++) {
            struct scene a, b;
            if (strcmp(set[i]->family, set[0]->family) != 0)
                continue;
            open_scene(&a, set[0], set[0]->problem[p]);
            open_scene(&b, set[i], set[i]->problem[p]);
            const size_t count = WIDTH_MAX * (3 * a.dim + 3);
            double *want = lanes_alloc(count), *got = lanes_alloc(count);
            evaluate_all(&a, WIDTH_MAX, true, want);
            evaluate_all(&b, 8, true, got);
            cr_expect(memcmp(want, got, count * sizeof *got) == 0, "%s: %s and %s", name_of(&a), set[0]->name,
                      set[i]->name);
            free(want);
            free(got);
            close_scene(&a);
            close_scene(&b);
        }
}

/* Local SGD steps many lanes and measures one, the mean of the workers: memory must serve both (AddressSanitizer). One
 * sample data set makes all workers the same run. */
static void check_local(struct scene *s)
{
    struct record_grid grid;
    struct run_result result[2];
    struct dataset one = s->dense;
    one.train.rows = 1;
    MUST(record_grid_make(20, 5, SPACING_LINEAR, &grid, ERROR));
    use_kernels(s->set);
    for (size_t workers = 1; workers <= 3; workers += 2) {
        struct run_config c = plain_config(s->set, &one, &grid);
        c.problem.type = s->problem.type;
        c.problem.values = s->problem.values;
        c.start.kind = s->model->start ? START_INITIAL : START_ZEROS;
        c.metrics = 1u << METRIC_LOSS | 1u << METRIC_NORM2 | 1u << METRIC_GRAD_NORM2;
        c.schedule.values.scalar[0] = 0.01;
        c.local_workers = workers;
        c.sync_every = workers == 1 ? 1 : 4;
        struct run_request request = {&c, 5, 0};
        MUST(block_run(&request, 1, LAYOUT_AUTO, NULL, &result[workers / 2], ERROR));
    }
    for (size_t t = 0; t < grid.count; t++)
        for (int m = METRIC_LOSS; m <= METRIC_NORM2; m++)
            if (result[0].metric[m])
                cr_expect(fabs(result[0].metric[m][t] - result[1].metric[m][t]) <=
                              1e-12 * fmax(1, fabs(result[0].metric[m][t])),
                          "%s: %s at point %zu: %.17g alone, %.17g of three workers", name_of(s), metric_info[m].name,
                          t, result[0].metric[m][t], result[1].metric[m][t]);
    for (size_t i = 0; i < 2; i++)
        run_result_free(&result[i]);
    record_grid_free(&grid);
}

Test(models, local_sgd_of_equal_workers_is_one_run)
{
    each_model(check_local);
}
