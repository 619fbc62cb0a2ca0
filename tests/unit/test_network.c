/* Networks against a naive one written for reading, for every activation, loss, depth, layout, width and instruction
 * set; derivatives against differences; and a lane's bits whatever stands beside it. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/isa.h"
#include "kernels/network.h"
#include "model.h"
#include "rng.h"

enum { N = 71, D = 13, CLASSES = 5, ROWS = 45, WIDTH_MAX = 32, DIM_MAX = 1500 };

struct scene {
    struct dataset dense, sparse;
    struct problem problem; /* of the dense data */
    const struct kernel_set *set[3];
    size_t sets;
    gsl_rng *rng;
};

static const struct problem_type *type_of(const struct kernel_set *set, const char *name)
{
    for (size_t i = 0; i < set->problem_count; i++)
        if (strcmp(set->problem[i]->method.name, name) == 0)
            return set->problem[i];
    cr_fatal("no problem %s", name);
}

static void open_scene(struct scene *s, uint64_t seed)
{
    const struct rng_stream stream = rng_stream(seed, RNG_TEST, 0, 0);
    *s = (struct scene){.rng = rng_gsl_open(&stream)};
    s->sets = kernels_available(s->set);
    s->dense = (struct dataset){.name = (char *)"made", .task = TASK_MULTICLASS, .classes = CLASSES};
    cr_assert(matrix_alloc_dense(&s->dense.train, N, D, NULL) == STATUS_OK);
    s->dense.y = calloc(N, sizeof(double));
    for (size_t i = 0; i < N; i++) {
        s->dense.y[i] = (double)gsl_rng_uniform_int(s->rng, CLASSES);
        for (size_t j = 0; j < D; j++)
            if (gsl_rng_uniform(s->rng) < 0.6)
                s->dense.train.value[i * s->dense.train.stride + j] = gsl_ran_gaussian(s->rng, 1);
    }
    s->sparse = s->dense;
    cr_assert(matrix_to_sparse(&s->dense.train, &s->sparse.train, NULL) == STATUS_OK);
    s->problem.data = &s->dense;
    s->problem.radius = INFINITY;
}

static void close_scene(struct scene *s)
{
    matrix_free(&s->dense.train);
    matrix_free(&s->sparse.train);
    free(s->dense.y);
    gsl_rng_free(s->rng);
}

static void shape(struct scene *s, size_t layers, const double *units, enum network_activation activation,
                  enum network_loss loss)
{
    struct param_values *values = &s->problem.values;
    *values = (struct param_values){.list_count = layers};
    for (size_t l = 0; l < layers; l++)
        values->list[l] = units[l];
    values->scalar[NETWORK_ACTIVATION] = activation;
    values->scalar[NETWORK_LOSS] = loss;
    s->problem.type = type_of(s->set[0], "mlp");
    s->dense.task = s->sparse.task = loss == NETWORK_SQUARED ? TASK_REGRESSION : TASK_MULTICLASS;
}

static const struct {
    size_t layers;
    double units[3];
    enum network_activation activation;
    enum network_loss loss;
} shapes[] = {
    {0, {0}, ACTIVATION_RELU, NETWORK_CROSS_ENTROPY},         {1, {9}, ACTIVATION_RELU, NETWORK_CROSS_ENTROPY},
    {1, {16}, ACTIVATION_TANH, NETWORK_CROSS_ENTROPY},        {2, {7, 10}, ACTIVATION_GELU, NETWORK_CROSS_ENTROPY},
    {3, {8, 1, 3}, ACTIVATION_TANH, NETWORK_SQUARED},         {2, {33, 4}, ACTIVATION_RELU, NETWORK_SQUARED},
    {3, {12, 11, 6}, ACTIVATION_GELU, NETWORK_CROSS_ENTROPY}, {0, {0}, ACTIVATION_RELU, NETWORK_SQUARED},
    {1, {65}, ACTIVATION_RELU, NETWORK_CROSS_ENTROPY},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static void shape_number(struct scene *s, size_t i)
{
    shape(s, shapes[i].layers, shapes[i].units, shapes[i].activation, shapes[i].loss);
}

/* ---- the naive network ---- */

static double act(enum network_activation kind, double z)
{
    if (kind == ACTIVATION_RELU)
        return z > 0 ? z : 0;
    if (kind == ACTIVATION_TANH)
        return tanh(z);
    return 0.5 * z * (1 + tanh(sqrt(2 / M_PI) * (z + 0.044715 * z * z * z)));
}

static double act_slope(enum network_activation kind, double z)
{
    if (kind == ACTIVATION_RELU)
        return z > 0;
    if (kind == ACTIVATION_TANH)
        return 1 - tanh(z) * tanh(z);
    const double c = sqrt(2 / M_PI), t = tanh(c * (z + 0.044715 * z * z * z));
    return 0.5 * (1 + t) + 0.5 * z * (1 - t * t) * c * (1 + 3 * 0.044715 * z * z);
}

/* The loss of sample i at x, and (gradient not NULL) its gradient, added. */
static double naive(const struct problem *p, size_t i, const double *x, double *gradient)
{
    enum { UNITS = 80, LAYERS = 5 };
    const enum network_activation kind = (enum network_activation)p->values.scalar[NETWORK_ACTIVATION];
    const bool squared = p->values.scalar[NETWORK_LOSS] == NETWORK_SQUARED;
    const size_t layers = p->values.list_count + 1;
    double a[LAYERS][UNITS] = {{0}}, z[LAYERS][UNITS], delta[LAYERS][UNITS], loss;
    size_t size[LAYERS + 1] = {D}, weight[LAYERS], bias[LAYERS], next = 0;
    for (size_t l = 0; l < layers; l++) {
        size[l + 1] = l < p->values.list_count ? (size_t)p->values.list[l] : squared ? 1 : CLASSES;
        weight[l] = next;
        next += size[l] * size[l + 1];
    }
    for (size_t l = 0; l < layers; l++) {
        bias[l] = next;
        next += size[l + 1];
    }
    cr_assert(next <= DIM_MAX);
    for (size_t j = 0; j < D; j++)
        a[0][j] = p->data->train.value[i * p->data->train.stride + j];
    for (size_t l = 0; l < layers; l++)
        for (size_t o = 0; o < size[l + 1]; o++) {
            z[l][o] = x[bias[l] + o];
            for (size_t j = 0; j < size[l]; j++)
                z[l][o] += a[l][j] * x[weight[l] + j * size[l + 1] + o];
            if (l + 1 < layers)
                a[l + 1][o] = act(kind, z[l][o]);
        }
    const double *out = z[layers - 1], y = p->data->y[i];
    if (squared) {
        loss = 0.5 * (out[0] - y) * (out[0] - y);
        delta[layers - 1][0] = out[0] - y;
    } else {
        double sum = 0;
        for (size_t c = 0; c < CLASSES; c++)
            sum += exp(out[c]);
        for (size_t c = 0; c < CLASSES; c++)
            delta[layers - 1][c] = exp(out[c]) / sum - (c == (size_t)y);
        loss = log(sum) - out[(size_t)y];
    }
    for (size_t l = layers - 1; gradient && l + 1 > 0; l--) {
        for (size_t o = 0; o < size[l + 1]; o++) {
            gradient[bias[l] + o] += delta[l][o];
            for (size_t j = 0; j < size[l]; j++)
                gradient[weight[l] + j * size[l + 1] + o] += a[l][j] * delta[l][o];
        }
        for (size_t j = 0; l > 0 && j < size[l]; j++) {
            delta[l - 1][j] = 0;
            for (size_t o = 0; o < size[l + 1]; o++)
                delta[l - 1][j] += delta[l][o] * x[weight[l] + j * size[l + 1] + o];
            delta[l - 1][j] *= act_slope(kind, z[l - 1][j]);
        }
    }
    return loss;
}

/* ---- calls ---- */

static void *room(size_t doubles)
{
    void *memory = aligned_alloc(64, (doubles * sizeof(double) + 63) / 64 * 64);
    cr_assert(memory != NULL);
    return memset(memory, 0x7f, doubles * sizeof(double)); /* large numbers: nothing may be taken for zero */
}

struct call {
    const struct kernel_set *set;
    bool sparse, each;
    size_t width, rows;
    double clip;
};

enum what { GRADIENT, LOSS, SQUARES, PRODUCT };

/* The result of one call, [dim or 1][width]: lane k is at x + k * DIM_MAX and, with a stream of its own, has the
 * samples index + k * ROWS. */
static double *run(struct scene *s, const struct call *c, enum what what, const double *x, const double *v,
                   const uint32_t *index)
{
    struct problem problem = s->problem;
    problem.data = c->sparse ? &s->sparse : &s->dense;
    problem.type = type_of(c->set, "mlp");
    const struct model_type *model = problem.type->model;
    size_t penalized;
    const size_t dim = model->dim(&problem, &penalized), width = c->width;
    const struct batch batch = {
        .a = &problem.data->train, .y = problem.data->y, .index = index, .stride = c->each ? ROWS : 0, .rows = c->rows};
    double *lanes = room(dim * width), *along = room(dim * width), *scratch = room(model->scratch(&problem, width));
    double *result = room((dim + 1) * width);
    for (size_t k = 0; k < width; k++)
        for (size_t j = 0; j < dim; j++) {
            lanes[j * width + k] = x[k * DIM_MAX + j];
            along[j * width + k] = v ? v[k * DIM_MAX + j] : 0;
        }
    if (what == GRADIENT) {
        model->gradient(&problem, &batch, lanes, width, c->clip, scratch, result);
    } else if (what == PRODUCT) {
        model->hessian_vector(&problem, &batch, lanes, along, width, scratch, result);
    } else {
        memset(result, 0, 2 * width * sizeof *result);
        if (what == LOSS)
            model->loss(&problem, &batch, lanes, width, scratch, result, result + width);
        else
            model->gradient_squares(&problem, &batch, lanes, width, scratch, result);
    }
    free(lanes);
    free(along);
    free(scratch);
    return result;
}

static size_t dim_of(const struct scene *s)
{
    return problem_dim(&s->problem);
}

struct numbers {
    double *x, *v;
    uint32_t *index;
};

static struct numbers draw(struct scene *s)
{
    struct numbers d = {room(WIDTH_MAX * DIM_MAX), room(WIDTH_MAX * DIM_MAX),
                        malloc(WIDTH_MAX * ROWS * sizeof(uint32_t))};
    for (size_t i = 0; i < WIDTH_MAX * DIM_MAX; i++) {
        d.x[i] = gsl_ran_gaussian(s->rng, 0.4);
        d.v[i] = gsl_ran_gaussian(s->rng, 1);
    }
    for (size_t i = 0; i < WIDTH_MAX * ROWS; i++)
        d.index[i] = (uint32_t)gsl_rng_uniform_int(s->rng, N);
    return d;
}

static void forget(struct numbers *d)
{
    free(d->x);
    free(d->v);
    free(d->index);
}

/* ---- tests ---- */

Test(network, equals_the_naive_one)
{
    struct scene s;
    open_scene(&s, 11);
    struct numbers d = draw(&s);
    for (size_t shape = 0; shape < SHAPES; shape++)
        for (size_t t = 0; t < s.sets; t++) {
            shape_number(&s, shape);
            const struct call call = {.set = s.set[t], .width = 8, .rows = ROWS};
            const size_t dim = dim_of(&s);
            double *gradient = run(&s, &call, GRADIENT, d.x, NULL, d.index);
            double *loss = run(&s, &call, LOSS, d.x, NULL, d.index);
            double *squares = run(&s, &call, SQUARES, d.x, NULL, d.index);
            for (size_t k = 0; k < 8; k++) {
                double want[DIM_MAX] = {0}, one[DIM_MAX], value = 0, square = 0, worst = 0, size = 0;
                for (size_t r = 0; r < ROWS; r++) {
                    memset(one, 0, sizeof one);
                    value += naive(&s.problem, d.index[r], d.x + k * DIM_MAX, one);
                    for (size_t j = 0; j < dim; j++) {
                        want[j] += one[j];
                        square += one[j] * one[j];
                    }
                }
                for (size_t j = 0; j < dim; j++) {
                    worst = fmax(worst, fabs(want[j] - gradient[j * 8 + k]));
                    size = fmax(size, fabs(want[j]));
                }
                cr_expect(size > 0.1 && worst <= 1e-13 * size, "shape %zu %s lane %zu: %g of %g", shape, s.set[t]->name,
                          k, worst, size);
                cr_expect(fabs(loss[k] - value) <= 1e-13 * value, "loss %.17g, naive %.17g", loss[k], value);
                cr_expect(fabs(squares[k] - square) <= 1e-12 * square, "squares %.17g, naive %.17g", squares[k],
                          square);
            }
            free(gradient);
            free(loss);
            free(squares);
        }
    forget(&d);
    close_scene(&s);
}

Test(network, counts_the_right_predictions)
{
    struct scene s;
    open_scene(&s, 12);
    shape_number(&s, 0);
    struct numbers d = draw(&s);
    const struct call call = {.set = s.set[0], .width = 8, .rows = ROWS};
    double *loss = run(&s, &call, LOSS, d.x, NULL, d.index);
    for (size_t k = 0; k < 8; k++) {
        const double *x = d.x + k * DIM_MAX;
        double right = 0;
        for (size_t r = 0; r < ROWS; r++) {
            size_t best = 0;
            double most = -INFINITY;
            for (size_t c = 0; c < CLASSES; c++) {
                double z = x[D * CLASSES + c];
                for (size_t j = 0; j < D; j++)
                    z += s.dense.train.value[d.index[r] * s.dense.train.stride + j] * x[j * CLASSES + c];
                if (z > most) {
                    most = z;
                    best = c;
                }
            }
            right += best == (size_t)s.dense.y[d.index[r]];
        }
        cr_expect(eq(dbl, loss[8 + k], right));
        cr_expect(right > 0 && right < ROWS);
    }
    free(loss);
    forget(&d);
    close_scene(&s);
}

/* Every way to compute a lane gives the bits of one lane alone on dense rows, on all sets of a family. */
Test(network, bits_do_not_depend_on_the_company)
{
    static const size_t widths[] = {1, 8, 16, 24, 32};
    struct scene s;
    open_scene(&s, 13);
    struct numbers d = draw(&s);
    for (size_t shape = 0; shape < SHAPES; shape++) {
        shape_number(&s, shape);
        const size_t dim = dim_of(&s);
        for (size_t combination = 0; combination < s.sets * 5 * 4; combination++) {
            const size_t form = combination % 4;
            const struct call call = {.set = s.set[combination / 20],
                                      .sparse = form & 1,
                                      .each = form >> 1,
                                      .width = widths[combination / 4 % 5],
                                      .rows = shape % 2 ? ROWS : 7,
                                      .clip = shape % 3 == 1 ? 0.5 : 0};
            const bool family = strcmp(call.set->family, s.set[0]->family) == 0;
            const struct call alone = {
                .set = family ? s.set[0] : call.set, .width = 1, .rows = call.rows, .clip = call.clip};
            double *many[4], *one;
            for (int what = 0; what < 4; what++)
                many[what] = run(&s, &call, (enum what)what, d.x, d.v, d.index);
            for (size_t k = 0; k<call.width; k += call.width> 1 ? call.width - 1 : 1)
                for (int what = 0; what < 4; what++) {
                    one = run(&s, &alone, (enum what)what, d.x + k * DIM_MAX, d.v + k * DIM_MAX,
                              d.index + (call.each ? k * ROWS : 0));
                    const size_t count = what == GRADIENT || what == PRODUCT ? dim : 1;
                    size_t off = 0;
                    for (size_t j = 0; j < count; j++)
                        off += one[j] != many[what][j * call.width + k];
                    cr_expect(off == 0, "shape %zu %s width %zu %s%s lane %zu result %d: %zu of %zu differ", shape,
                              call.set->name, call.width, call.sparse ? "sparse " : "", call.each ? "each" : "shared",
                              k, what, off, count);
                    free(one);
                }
            for (int what = 0; what < 4; what++)
                free(many[what]);
        }
    }
    forget(&d);
    close_scene(&s);
}

Test(network, hessian_vector_product_is_the_derivative_of_the_gradient)
{
    struct scene s;
    open_scene(&s, 14);
    struct numbers d = draw(&s);
    const double h = 1e-5;
    for (size_t shape = 0; shape < SHAPES; shape++) {
        shape_number(&s, shape);
        const size_t dim = dim_of(&s);
        const struct call call = {.set = s.set[0], .width = 1, .rows = ROWS};
        double *x = room(2 * DIM_MAX), *up, *down, *product, *back, worst = 0, size = 0, left = 0, right = 0;
        product = run(&s, &call, PRODUCT, d.x, d.v, d.index);
        back = run(&s, &call, PRODUCT, d.x, d.v + DIM_MAX, d.index);
        memcpy(x, d.x, DIM_MAX * sizeof *x);
        for (size_t j = 0; j < dim; j++)
            x[j] = d.x[j] + h * d.v[j];
        up = run(&s, &call, GRADIENT, x, NULL, d.index);
        for (size_t j = 0; j < dim; j++)
            x[j] = d.x[j] - h * d.v[j];
        down = run(&s, &call, GRADIENT, x, NULL, d.index);
        /* relu has kinks: its Hessian is that of the linear pieces, and differences may cross one */
        const bool kinks = shapes[shape].layers && shapes[shape].activation == ACTIVATION_RELU;
        for (size_t j = 0; j < dim; j++) {
            const double want = (up[j] - down[j]) / (2 * h);
            worst = fmax(worst, fabs(want - product[j]));
            size = fmax(size, fabs(want));
            left += d.v[DIM_MAX + j] * product[j];
            right += d.v[j] * back[j];
        }
        cr_expect(size > 0.1);
        cr_expect(kinks || worst <= 1e-7 * size, "shape %zu: %g of %g", shape, worst, size);
        cr_expect(fabs(left - right) <= 1e-12 * fmax(fabs(left), size), "not symmetric: u'Hv %.17g, v'Hu %.17g", left,
                  right);
        free(x);
        free(up);
        free(down);
        free(product);
        free(back);
    }
    forget(&d);
    close_scene(&s);
}

/* The Hessian of relu networks by a second, independent way: tanh is checked above, and the code differs in act alone;
 * here the product against differences at a point where no unit is near its kink. */
Test(network, hessian_vector_product_of_relu_away_from_kinks)
{
    struct scene s;
    open_scene(&s, 15);
    struct numbers d = draw(&s);
    const double h = 1e-9;
    shape_number(&s, 1);
    const size_t dim = dim_of(&s);
    const struct call call = {.set = s.set[0], .width = 1, .rows = 3};
    double *x = room(DIM_MAX);
    double *product = run(&s, &call, PRODUCT, d.x, d.v, d.index), *at = run(&s, &call, GRADIENT, d.x, NULL, d.index);
    for (size_t j = 0; j < dim; j++)
        x[j] = d.x[j] + h * d.v[j];
    double *up = run(&s, &call, GRADIENT, x, NULL, d.index), worst = 0, size = 0;
    for (size_t j = 0; j < dim; j++) {
        worst = fmax(worst, fabs((up[j] - at[j]) / h - product[j]));
        size = fmax(size, fabs(product[j]));
    }
    cr_expect(size > 0.1 && worst <= 1e-5 * size, "%g of %g", worst, size);
    free(x);
    free(product);
    free(at);
    free(up);
    forget(&d);
    close_scene(&s);
}

Test(network, clips_each_sample)
{
    struct scene s;
    open_scene(&s, 16);
    struct numbers d = draw(&s);
    const double clip = 1.5;
    for (size_t shape = 0; shape < SHAPES; shape++) {
        shape_number(&s, shape);
        const size_t dim = dim_of(&s);
        const struct call call = {.set = s.set[0], .width = 8, .rows = ROWS, .clip = clip};
        double *gradient = run(&s, &call, GRADIENT, d.x, NULL, d.index), want[DIM_MAX] = {0}, one[DIM_MAX];
        size_t clipped = 0;
        for (size_t r = 0; r < ROWS; r++) {
            double norm2 = 0;
            memset(one, 0, sizeof one);
            naive(&s.problem, d.index[r], d.x, one);
            for (size_t j = 0; j < dim; j++)
                norm2 += one[j] * one[j];
            clipped += sqrt(norm2) > clip;
            for (size_t j = 0; j < dim; j++)
                want[j] += one[j] * fmin(1, clip / sqrt(norm2));
        }
        cr_expect(clipped > 0);
        for (size_t j = 0; j < dim; j++)
            cr_expect(fabs(gradient[j * 8] - want[j]) <= 1e-12, "shape %zu coordinate %zu: %g, naive %g", shape, j,
                      gradient[j * 8], want[j]);
        free(gradient);
    }
    forget(&d);
    close_scene(&s);
}

Test(network, starts_have_the_stated_variance)
{
    struct scene s;
    open_scene(&s, 17);
    const double units[] = {60, 20};
    double x[DIM_MAX * 4];
    for (int glorot = 0; glorot < 2; glorot++) {
        shape(&s, 2, units, ACTIVATION_TANH, NETWORK_CROSS_ENTROPY);
        s.problem.values.scalar[NETWORK_INITIALIZATION] = glorot;
        s.problem.type->model->start(&s.problem, s.rng, x, 2);
        const size_t in[] = {D, 60, 20}, out[] = {60, 20, CLASSES};
        size_t at = 0;
        for (size_t l = 0; l < 3; l++) {
            double square = 0;
            const size_t count = in[l] * out[l];
            for (size_t i = 0; i < count; i++, at++)
                square += x[2 * at] * x[2 * at] / (double)count;
            const double want = 2.0 / (double)(glorot ? in[l] + out[l] : in[l]);
            cr_expect(fabs(square / want - 1) < 5 * sqrt(2.0 / (double)count), "layer %zu: %g, not %g", l, square,
                      want);
        }
        for (; at < dim_of(&s); at++)
            cr_expect(x[2 * at] == 0);
    }
    close_scene(&s);
}
