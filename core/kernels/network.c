/* Fully connected networks z_l = a_{l-1} W_l + b_l, a_l = act(z_l), with softmax cross-entropy or half the squared
 * error on the last z: losses, gradients by backpropagation, Hessian-vector products by Pearlmutter's R-operator
 * (Neural Computation 6, 1994), all lanes at once. Coordinates: the weights of all layers, each [input][unit], then the
 * biases. Every sum has one order (inputs, units and samples as they are numbered), so a lane's bits depend on nothing
 * else. */
#include "kernels/network.h"

#include <gsl/gsl_randist.h>
#include <math.h>

#include "kernels/product.h"
#include "kernels/vmath.h"

enum { LAYERS_MAX = PARAM_LIST_MAX + 1, TILE_ROWS = 32 };

struct layer {
    size_t in, out, weight, bias; /* the first coordinate of its weights and of its biases */
};

struct network {
    size_t layers, dim, weights;
    struct layer layer[LAYERS_MAX];
    enum network_activation activation;
    enum network_loss loss;
};

static struct network network_of(const struct problem *problem)
{
    const struct param_values *values = &problem->values;
    struct network net = {
        .layers = values->list_count + 1,
        .activation = (enum network_activation)values->scalar[NETWORK_ACTIVATION],
        .loss = (enum network_loss)values->scalar[NETWORK_LOSS],
    };
    size_t in = problem->data->train.cols;
    for (size_t l = 0; l < net.layers; l++) {
        const size_t last = net.loss == NETWORK_SQUARED ? 1 : problem->data->classes;
        const size_t out = l < values->list_count ? (size_t)values->list[l] : last;
        net.layer[l] = (struct layer){.in = in, .out = out, .weight = net.weights};
        net.weights += in * out;
        in = out;
    }
    net.dim = net.weights;
    for (size_t l = 0; l < net.layers; l++) {
        net.layer[l].bias = net.dim;
        net.dim += net.layer[l].out;
    }
    return net;
}

static size_t dim(const struct problem *problem, size_t *penalized)
{
    const struct network net = network_of(problem);
    *penalized = net.weights;
    return net.dim;
}

static enum task task(const struct param_values *values)
{
    return values->scalar[NETWORK_LOSS] == (double)NETWORK_SQUARED ? TASK_REGRESSION : TASK_MULTICLASS;
}

static const char *refuse(const struct problem *problem)
{
    if (problem->data->task == TASK_MULTICLASS && problem->data->classes < 2)
        return "the samples are all of one class, and there is nothing to learn";
    return NULL;
}

/* ---- memory of one tile of rows ---- */

/* What a layer's units have for every row of a tile: entry (row, unit) at v[row * stride + unit * unit_stride]. */
struct tile {
    double *output;     /* z, then act(z) */
    double *slope;      /* act'(z) */
    double *delta;      /* d loss/dz */
    double *bend;       /* act''(z);            these four: Hessian-vector products only */
    double *back;       /* d loss/d act(z) */
    double *r_input;    /* R{z}, then R{act(z)} */
    double *r_delta;    /* R{delta} */
    double *transposed; /* one lane: W_l as [unit][input] */
};

/* One lane alone has its vectors along the units, many lanes along the lanes. */
struct work {
    bool single;
    size_t unit; /* stride of units: 1 or VL */
    size_t input_row, input_unit;
    bool shared; /* all lanes see the same rows, as plain numbers */
    double *input, *panel;
    struct tile tile[LAYERS_MAX];
    size_t stride[LAYERS_MAX]; /* of rows */
};

static size_t row_stride(size_t units, bool single)
{
    /* Strides that are powers of two would crowd a few cache sets. */
    return single ? (units + 7) / 8 * 8 : (units + 1) * VL;
}

/* Room for a row of the data as numbers or as vectors of lanes. */
static size_t input_stride(const struct layer *first)
{
    const size_t numbers = row_stride(first->in, true), vectors = row_stride(first->in, false);
    return numbers > vectors ? numbers : (vectors + 7) / 8 * 8;
}

static size_t transposed_size(const struct layer *layer)
{
    return layer->out * row_stride(layer->in, true);
}

static size_t work_size(const struct network *net, bool single)
{
    enum { ARRAYS = 7 };
    size_t size = TILE_ROWS * input_stride(&net->layer[0]) + PRODUCT_PANEL;
    for (size_t l = 0; l < net->layers; l++)
        size +=
            ARRAYS * TILE_ROWS * row_stride(net->layer[l].out, single) + (single ? transposed_size(&net->layer[l]) : 0);
    return size;
}

static size_t scratch(const struct problem *problem, size_t width)
{
    const struct network net = network_of(problem);
    size_t size = work_size(&net, width == 1);
    for (size_t l = 0; width == 1 && l < net.layers; l++) /* of a direction: Hessian-vector products */
        size += transposed_size(&net.layer[l]);
    return size;
}

static void work_open(const struct network *net, const struct batch *batch, size_t width, double *memory,
                      struct work *work)
{
    const bool single = width == 1, shared = single || batch->stride == 0;
    *work = (struct work){.single = single, .unit = single ? 1 : VL, .shared = shared};
    work->input_row = shared ? row_stride(net->layer[0].in, true) : row_stride(net->layer[0].in, false);
    work->input_unit = shared ? 1 : VL;
    double *next = memory;
#define CARVE(count) (next += (count), next - (count))
    work->panel = CARVE(PRODUCT_PANEL);
    work->input = CARVE(TILE_ROWS * input_stride(&net->layer[0]));
    for (size_t l = 0; l < net->layers; l++) {
        struct tile *tile = &work->tile[l];
        work->stride[l] = row_stride(net->layer[l].out, single);
        double **const arrays[] = {&tile->output, &tile->slope,   &tile->delta,  &tile->bend,
                                   &tile->back,   &tile->r_input, &tile->r_delta};
        for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
            *arrays[i] = CARVE(TILE_ROWS * work->stride[l]);
        if (single)
            tile->transposed = CARVE(transposed_size(&net->layer[l]));
    }
#undef CARVE
}

/* ---- products of layers ---- */

/* C (+)= A B of one vector of lanes, or of one lane alone (then the columns of B and C are contiguous). */
static void product(const struct work *w, struct factor a, struct factor b, double *c, size_t c_row, size_t c_col,
                    size_t rows, size_t columns, size_t terms, bool fresh)
{
    if (w->single)
        product_one(&a, b.v, b.row, c, c_row, rows, columns, terms, fresh);
    else
        product_lanes(&a, &b, c, c_row, c_col, rows, columns, terms, fresh, w->panel);
}

/* The outputs of the layer below layer l, or the batch's own rows: [row][unit]. */
static struct factor below(const struct work *w, size_t l)
{
    if (l == 0)
        return (struct factor){w->input, w->input_row, w->input_unit, w->shared};
    return (struct factor){w->tile[l - 1].output, w->stride[l - 1], w->unit, w->single};
}

static struct factor turned(struct factor f)
{
    return (struct factor){f.v, f.col, f.row, f.shared};
}

/* An array of layer l: [row][unit]. */
static struct factor units(const struct work *w, size_t l, const double *v)
{
    return (struct factor){v, w->stride[l], w->unit, w->single};
}

/* A layer's weights in x: [input][unit]. */
static struct factor weights(const struct layer *layer, const double *x, size_t width)
{
    return (struct factor){x + layer->weight * width, layer->out * width, width, false};
}

/* CSR rows that all lanes share: the product skips what is not stored. */
static bool skips(const struct work *w, const struct batch *batch, size_t l)
{
    return l == 0 && batch->a->sparse && w->shared;
}

static size_t row_of(const struct batch *batch, size_t lane, size_t r)
{
    return batch->index ? batch->index[lane * batch->stride + r] : batch->first + r;
}

/* out[row][unit] += rows of the batch times weights; first: number of the tile's first row. */
static void forward_sparse(const struct work *w, const struct batch *batch, size_t first, size_t rows,
                           struct factor weight, double *out, size_t columns)
{
    const struct matrix *a = batch->a;
    for (size_t r = 0; r < rows; r++) {
        const size_t i = row_of(batch, 0, first + r);
        for (size_t p = a->row[i]; p < a->row[i + 1]; p++) {
            const struct factor one = {a->value + p, 0, 0, true};
            const struct factor row = {weight.v + a->column[p] * weight.row, 0, weight.col, false};
            product(w, one, row, out + r * w->stride[0], 0, w->unit, 1, columns, 1, false);
        }
    }
}

/* gradient of the weights += rows of the batch, turned, times delta */
static void backward_sparse(const struct work *w, const struct batch *batch, size_t first, size_t rows,
                            const double *delta, const struct layer *layer, double *gradient, size_t width)
{
    const struct matrix *a = batch->a;
    for (size_t r = 0; r < rows; r++) {
        const size_t i = row_of(batch, 0, first + r);
        for (size_t p = a->row[i]; p < a->row[i + 1]; p++) {
            const struct factor one = {a->value + p, 0, 0, true};
            const struct factor row = {delta + r * w->stride[0], 0, w->unit, false};
            product(w, one, row, gradient + (layer->weight + a->column[p] * layer->out) * width, 0, width, 1,
                    layer->out, 1, false);
        }
    }
}

/* ---- forward ---- */

/* One row of each lane of the vector, side by side. */
static void gather_row(const struct matrix *a, const uint32_t *sample, size_t d, double *to)
{
    for (size_t j = 0; j < d; j += VL) {
        vd column[VL]; /* beyond d: the zero padding of the rows */
        v_columns(a->value + j, sample, a->stride, column);
        for (size_t c = 0; c < VL && j + c < d; c++)
            v_store(to + (j + c) * VL, column[c]);
    }
}

/* The tile's rows into w->input; lane: the first of the vector. */
static void load_rows(const struct work *w, const struct batch *batch, size_t first, size_t rows, size_t lane, size_t d)
{
    const struct matrix *a = batch->a;
    const size_t unit = w->input_unit;
    if (skips(w, batch, 0))
        return;
    for (size_t r = 0; r < rows; r++) {
        uint32_t sample[VL] = {0};
        double *to = w->input + r * w->input_row;
        for (size_t v = 0; v < unit; v++)
            sample[v] = (uint32_t)row_of(batch, lane + v, first + r);
        if (!a->sparse && unit == 1) {
            memcpy(to, a->value + sample[0] * a->stride, d * sizeof *to);
        } else if (!a->sparse) {
            gather_row(a, sample, d, to);
        } else {
            memset(to, 0, d * unit * sizeof *to);
            for (size_t v = 0; v < unit; v++)
                for (size_t p = a->row[sample[v]]; p < a->row[sample[v] + 1]; p++)
                    to[a->column[p] * unit + v] = a->value[p];
        }
    }
}

/* out[row][unit] = bias + input of layer l times the weights of x. */
static void affine(const struct network *net, const struct work *w, const struct batch *batch, size_t first,
                   size_t rows, size_t l, const double *x, size_t width, double *out)
{
    const struct layer *layer = &net->layer[l];
    for (size_t r = 0; r < rows; r++)
        for (size_t o = 0; o < layer->out; o++) {
            double *to = out + r * w->stride[l] + o * w->unit;
            const double *bias = x + (layer->bias + o) * width;
            if (w->single)
                *to = *bias;
            else
                v_store(to, v_load(bias));
        }
    if (skips(w, batch, l))
        forward_sparse(w, batch, first, rows, weights(layer, x, width), out, layer->out);
    else
        product(w, below(w, l), weights(layer, x, width), out, w->stride[l], w->unit, rows, layer->out, layer->in,
                false);
}

/* z -> act(z) and act'(z), vector after vector; bend not NULL: act''(z) too. The slope of relu is told by act(z). */
ALWAYS_INLINE void activate(const enum network_activation kind, double *z, double *slope, double *bend, size_t count)
{
    const vd zero = v_set1(0.0), one = v_set1(1.0), half = v_set1(0.5);
    for (size_t i = 0; i < count; i += VL) {
        const vd x = v_load(z + i);
        vd value, first = zero, second = zero;
        if (kind == ACTIVATION_RELU) {
            value = v_select(v_lt(zero, x), x, zero);
        } else if (kind == ACTIVATION_TANH) {
            value = v_tanh(x);
            first = v_fnma(value, value, one);
            second = v_mul(v_mul(v_set1(-2.0), value), first);
        } else {
            /* x (1 + tanh u)/2, u = sqrt(2/pi) (x + 0.044715 x^3) (Hendrycks and Gimpel 2016) */
            const double scale = 0x1.9884533d43651p-1, cubic = 0.044715;
            const vd x2 = v_mul(x, x);
            const vd u = v_mul(v_set1(scale), v_mul(x, v_fma(v_set1(cubic), x2, one)));
            const vd u1 = v_mul(v_set1(scale), v_fma(v_set1(3 * cubic), x2, one));
            const vd u2 = v_mul(v_set1(6 * scale * cubic), x);
            const vd t = v_tanh(u), t1 = v_fnma(t, t, one);
            const vd xt = v_mul(x, t1);
            value = v_mul(half, v_fma(x, t, x));
            first = v_mul(half, v_add(v_add(one, t), v_mul(xt, u1)));
            if (bend)
                second = v_mul(
                    half, v_add(v_mul(v_add(t1, t1), u1), v_mul(xt, v_sub(u2, v_mul(v_mul(v_add(t, t), u1), u1)))));
        }
        v_store(z + i, value);
        if (kind != ACTIVATION_RELU)
            v_store(slope + i, first);
        if (bend)
            v_store(bend + i, second);
    }
}

static void activate_layer(const struct network *net, const struct work *w, size_t l, size_t rows, bool bends)
{
    const struct tile *t = &w->tile[l];
    const size_t count = rows * w->stride[l];
    double *bend = bends ? t->bend : NULL;
    switch (net->activation) {
    case ACTIVATION_RELU:
        activate(ACTIVATION_RELU, t->output, t->slope, bend, count);
        break;
    case ACTIVATION_TANH:
        activate(ACTIVATION_TANH, t->output, t->slope, bend, count);
        break;
    case ACTIVATION_GELU:
        activate(ACTIVATION_GELU, t->output, t->slope, bend, count);
        break;
    }
}

static void forward(const struct network *net, const struct work *w, const struct batch *batch, size_t first,
                    size_t rows, size_t lane, const double *x, size_t width, bool bends)
{
    load_rows(w, batch, first, rows, lane, net->layer[0].in);
    for (size_t l = 0; l < net->layers; l++) {
        affine(net, w, batch, first, rows, l, x, width, w->tile[l].output);
        if (l + 1 < net->layers)
            activate_layer(net, w, l, rows, bends);
    }
}

/* ---- the loss ---- */

/* One row of the last layer: z [classes] of a vector of lanes -> e^{z - max} and their sum. */
static vd exponentials(const double *z, size_t classes, double *e)
{
    vd most = v_load(z), sum = v_set1(0.0);
    for (size_t c = 1; c < classes; c++)
        most = v_max(most, v_load(z + c * VL));
    for (size_t c = 0; c < classes; c++) {
        const vd value = v_exp(v_sub(v_load(z + c * VL), most));
        v_store(e + c * VL, value);
        sum = v_add(sum, value);
    }
    return sum;
}

/* The same of one lane alone: the classes lie side by side, and their array is padded to whole vectors. */
static double exponentials_one(const double *z, size_t classes, double *e)
{
    double most = z[0], sum = 0;
    for (size_t c = 1; c < classes; c++)
        most = most > z[c] ? most : z[c];
    for (size_t c = 0; c < classes; c += VL)
        v_store(e + c, v_exp(v_sub(v_load(z + c), v_set1(most))));
    for (size_t c = 0; c < classes; c++)
        sum += e[c];
    return sum;
}

/* The target of lane `lane` (the vector's first, plus v) in row r of the tile. */
static double target(const struct batch *batch, size_t lane, size_t r)
{
    return batch->y[row_of(batch, lane, r)];
}

/* delta = probabilities - one-hot target, or z - y. keep: the probabilities stay in `back`, for R{delta}. */
static void output_delta(const struct network *net, const struct work *w, const struct batch *batch, size_t first,
                         size_t rows, size_t lane, bool keep)
{
    const size_t last = net->layers - 1, classes = net->layer[last].out, stride = w->stride[last];
    const struct tile *t = &w->tile[last];
    for (size_t r = 0; r < rows; r++) {
        const double *z = t->output + r * stride;
        double *delta = t->delta + r * stride;
        if (net->loss == NETWORK_SQUARED) {
            for (size_t v = 0; v < w->unit; v++)
                delta[v] = z[v] - target(batch, lane + v, first + r);
            continue;
        }
        if (w->single) {
            const double sum = exponentials_one(z, classes, delta);
            for (size_t c = 0; c < classes; c++)
                delta[c] /= sum;
        } else {
            const vd sum = exponentials(z, classes, delta);
            for (size_t c = 0; c < classes; c++)
                v_store(delta + c * VL, v_div(v_load(delta + c * VL), sum));
        }
        if (keep)
            memcpy(t->back + r * stride, delta, stride * sizeof *delta);
        for (size_t v = 0; v < w->unit; v++)
            delta[(size_t)target(batch, lane + v, first + r) * w->unit + v] -= 1.0;
    }
}

static void loss(const struct problem *problem, const struct batch *batch, const double *x, size_t width,
                 double *memory, double *value, double *correct)
{
    const struct network net = network_of(problem);
    const size_t last = net.layers - 1, classes = net.layer[last].out;
    struct work w;
    work_open(&net, batch, width, memory, &w);
    for (size_t lane = 0; lane < width; lane += w.unit)
        for (size_t first = 0; first < batch->rows; first += TILE_ROWS) {
            const size_t rows = batch->rows - first < TILE_ROWS ? batch->rows - first : TILE_ROWS;
            forward(&net, &w, batch, first, rows, lane, x + lane, width, false);
            for (size_t r = 0; r < rows; r++) {
                const double *z = w.tile[last].output + r * w.stride[last];
                double sum[VL] __attribute__((aligned(64))) = {0};
                if (net.loss == NETWORK_CROSS_ENTROPY && w.single)
                    sum[0] = exponentials_one(z, classes, w.tile[last].delta);
                else if (net.loss == NETWORK_CROSS_ENTROPY)
                    v_store(sum, exponentials(z, classes, w.tile[last].delta));
                for (size_t v = 0; v < w.unit; v++) {
                    const double y = target(batch, lane + v, first + r);
                    if (net.loss == NETWORK_SQUARED) {
                        value[lane + v] += 0.5 * (z[v] - y) * (z[v] - y);
                        continue;
                    }
                    size_t best = 0;
                    for (size_t c = 1; c < classes; c++)
                        best = z[c * w.unit + v] > z[best * w.unit + v] ? c : best;
                    value[lane + v] += log(sum[v]) - (z[(size_t)y * w.unit + v] - z[best * w.unit + v]);
                    if (correct)
                        correct[lane + v] += best == (size_t)y ? 1.0 : 0.0;
                }
            }
        }
}

/* ---- backward ---- */

/* One lane: its weights the other way round, so that propagation has contiguous columns. */
static void transpose_weights(const struct network *net, const struct work *w, const double *x)
{
    for (size_t l = 1; w->single && l < net->layers; l++) {
        const struct layer *layer = &net->layer[l];
        const size_t stride = row_stride(layer->in, true);
        for (size_t i = 0; i < layer->in; i++)
            for (size_t o = 0; o < layer->out; o++)
                w->tile[l].transposed[o * stride + i] = x[layer->weight + i * layer->out + o];
    }
}

/* A layer's weights as [unit][input]. */
static struct factor turned_weights(const struct network *net, const struct work *w, size_t l, const double *x,
                                    size_t width)
{
    if (w->single)
        return (struct factor){w->tile[l].transposed, row_stride(net->layer[l].in, true), 1, false};
    return turned(weights(&net->layer[l], x, width));
}

/* to[i] *= by[i] of whole rows of layer l. */
static void multiply(const struct work *w, size_t l, size_t rows, const double *by, double *to)
{
    for (size_t i = 0; i < rows * w->stride[l]; i += VL)
        v_store(to + i, v_mul(v_load(to + i), v_load(by + i)));
}

/* to[i] *= act'(z) of layer l. */
static void multiply_slope(const struct network *net, const struct work *w, size_t l, size_t rows, double *to)
{
    const struct tile *t = &w->tile[l];
    const vd zero = v_set1(0.0);
    if (net->activation != ACTIVATION_RELU) {
        multiply(w, l, rows, t->slope, to);
        return;
    }
    for (size_t i = 0; i < rows * w->stride[l]; i += VL)
        v_store(to + i, v_select(v_lt(zero, v_load(t->output + i)), v_load(to + i), zero));
}

/* Deltas of all layers below the last. keep: d loss/d output stays in `back`. */
static void propagate(const struct network *net, const struct work *w, size_t rows, const double *x, size_t width,
                      bool keep)
{
    for (size_t l = net->layers - 1; l > 0; l--) {
        const struct tile *to = &w->tile[l - 1];
        product(w, units(w, l, w->tile[l].delta), turned_weights(net, w, l, x, width), to->delta, w->stride[l - 1],
                w->unit, rows, net->layer[l].in, net->layer[l].out, true);
        if (keep)
            memcpy(to->back, to->delta, rows * w->stride[l - 1] * sizeof *to->back);
        multiply_slope(net, w, l - 1, rows, to->delta);
    }
}

/* Squared norm over the units of row r of an array of layer l: [lanes of the vector]. */
static void row_norm2(const struct work *w, struct factor f, size_t count, size_t r, double *norm2)
{
    for (size_t v = 0; v < w->unit; v++) {
        double sum = 0;
        for (size_t u = 0; u < count; u++) {
            const double entry = f.v[r * f.row + u * f.col + (f.shared ? 0 : v)];
            sum = s_fma(entry, entry, sum);
        }
        norm2[v] = sum;
    }
}

static void input_norm2(const struct work *w, const struct batch *batch, size_t first, size_t r, size_t count,
                        double *norm2)
{
    const struct matrix *a = batch->a;
    if (!skips(w, batch, 0)) {
        row_norm2(w, below(w, 0), count, r, norm2);
        return;
    }
    double sum = 0;
    const size_t i = row_of(batch, 0, first + r);
    for (size_t p = a->row[i]; p < a->row[i + 1]; p++)
        sum = s_fma(a->value[p], a->value[p], sum);
    for (size_t v = 0; v < w->unit; v++)
        norm2[v] = sum;
}

/* |grad f_i|^2 of row r, without ever forming it: the gradient of a layer is an outer product. */
static void sample_norm2(const struct network *net, const struct work *w, const struct batch *batch, size_t first,
                         size_t r, double *norm2)
{
    double in[VL], out[VL];
    for (size_t v = 0; v < w->unit; v++)
        norm2[v] = 0;
    for (size_t l = 0; l < net->layers; l++) {
        if (l == 0)
            input_norm2(w, batch, first, r, net->layer[0].in, in);
        else
            row_norm2(w, below(w, l), net->layer[l].in, r, in);
        row_norm2(w, units(w, l, w->tile[l].delta), net->layer[l].out, r, out);
        for (size_t v = 0; v < w->unit; v++)
            norm2[v] += (1 + in[v]) * out[v];
    }
}

/* Scales the deltas of each sample by min(1, clip/|its gradient|). */
static void clip_samples(const struct network *net, const struct work *w, const struct batch *batch, size_t first,
                         size_t rows, double clip)
{
    for (size_t r = 0; r < rows; r++) {
        double norm2[VL];
        sample_norm2(net, w, batch, first, r, norm2);
        for (size_t v = 0; v < w->unit; v++) {
            const double bound = clip / sqrt(norm2[v]), factor = bound < 1.0 ? bound : 1.0;
            for (size_t l = 0; l < net->layers; l++)
                for (size_t u = 0; u < net->layer[l].out; u++)
                    w->tile[l].delta[r * w->stride[l] + u * w->unit + v] *= factor;
        }
    }
}

/* gradient of the biases (+)= the sum of delta over the rows */
static void add_bias(const struct work *w, size_t l, size_t rows, size_t count, const double *delta, double *gradient,
                     size_t width, bool fresh)
{
    static const double one[VL] __attribute__((aligned(64))) = {1.0};
    const struct factor ones = {one, 0, 0, true};
    product(w, ones, units(w, l, delta), gradient, 0, width, 1, count, rows, fresh);
}

/* gradient (+)= rows of the tile: outer products of layer inputs and deltas. */
static void accumulate(const struct network *net, const struct work *w, const struct batch *batch, size_t first,
                       size_t rows, double *gradient, size_t width, bool fresh)
{
    for (size_t l = 0; l < net->layers; l++) {
        const struct layer *layer = &net->layer[l];
        const double *delta = w->tile[l].delta;
        if (skips(w, batch, l))
            backward_sparse(w, batch, first, rows, delta, layer, gradient, width);
        else
            product(w, turned(below(w, l)), units(w, l, delta), gradient + layer->weight * width, layer->out * width,
                    width, layer->in, layer->out, rows, fresh);
        add_bias(w, l, rows, layer->out, delta, gradient + layer->bias * width, width, fresh);
    }
}

/* The stored entries of CSR rows are added to what is there. */
static void clear_skipped(const struct network *net, const struct work *w, const struct batch *batch, double *gradient,
                          size_t width)
{
    if (skips(w, batch, 0))
        memset(gradient + net->layer[0].weight * width, 0,
               net->layer[0].in * net->layer[0].out * width * sizeof *gradient);
}

static void gradient(const struct problem *problem, const struct batch *batch, const double *x, size_t width,
                     double clip, double *memory, double *result)
{
    const struct network net = network_of(problem);
    struct work w;
    work_open(&net, batch, width, memory, &w);
    clear_skipped(&net, &w, batch, result, width);
    transpose_weights(&net, &w, x);
    for (size_t lane = 0; lane < width; lane += w.unit)
        for (size_t first = 0; first < batch->rows; first += TILE_ROWS) {
            const size_t rows = batch->rows - first < TILE_ROWS ? batch->rows - first : TILE_ROWS;
            forward(&net, &w, batch, first, rows, lane, x + lane, width, false);
            output_delta(&net, &w, batch, first, rows, lane, false);
            propagate(&net, &w, rows, x + lane, width, false);
            if (clip > 0)
                clip_samples(&net, &w, batch, first, rows, clip);
            accumulate(&net, &w, batch, first, rows, result + lane, width, first == 0);
        }
}

static void gradient_squares(const struct problem *problem, const struct batch *batch, const double *x, size_t width,
                             double *memory, double *square)
{
    const struct network net = network_of(problem);
    struct work w;
    work_open(&net, batch, width, memory, &w);
    transpose_weights(&net, &w, x);
    for (size_t lane = 0; lane < width; lane += w.unit)
        for (size_t first = 0; first < batch->rows; first += TILE_ROWS) {
            const size_t rows = batch->rows - first < TILE_ROWS ? batch->rows - first : TILE_ROWS;
            forward(&net, &w, batch, first, rows, lane, x + lane, width, false);
            output_delta(&net, &w, batch, first, rows, lane, false);
            propagate(&net, &w, rows, x + lane, width, false);
            for (size_t r = 0; r < rows; r++) {
                double norm2[VL];
                sample_norm2(&net, &w, batch, first, r, norm2);
                for (size_t v = 0; v < w.unit; v++)
                    square[lane + v] += norm2[v];
            }
        }
}

/* ---- Hessian-vector products ---- */

/* R{z} = bias of v + R{input} W + input V, then R{act(z)} = act'(z) R{z}; the last layer keeps R{z}. R{z} of hidden
 * layers times act''(z) stays in `bend`. */
static void r_forward(const struct network *net, const struct work *w, const struct batch *batch, size_t first,
                      size_t rows, const double *x, const double *v, size_t width)
{
    for (size_t l = 0; l < net->layers; l++) {
        const struct tile *t = &w->tile[l];
        affine(net, w, batch, first, rows, l, v, width, t->r_input);
        if (l > 0)
            product(w, units(w, l - 1, w->tile[l - 1].r_input), weights(&net->layer[l], x, width), t->r_input,
                    w->stride[l], w->unit, rows, net->layer[l].out, net->layer[l].in, false);
        if (l + 1 == net->layers)
            break;
        multiply(w, l, rows, t->r_input, t->bend);
        multiply_slope(net, w, l, rows, t->r_input);
    }
}

/* R{delta} of the last layer: (diag p - p p^T) R{z}, or R{z} itself. */
static void r_output(const struct network *net, const struct work *w, size_t rows)
{
    const size_t last = net->layers - 1, classes = net->layer[last].out, stride = w->stride[last];
    const struct tile *t = &w->tile[last];
    for (size_t r = 0; r < rows; r++) {
        const double *p = t->back + r * stride, *z = t->r_input + r * stride;
        double *delta = t->r_delta + r * stride;
        for (size_t v = 0; v < w->unit; v++) {
            double mean = 0;
            for (size_t c = 0; net->loss == NETWORK_CROSS_ENTROPY && c < classes; c++)
                mean = s_fma(p[c * w->unit + v], z[c * w->unit + v], mean);
            for (size_t c = 0; c < classes; c++) {
                const size_t at = c * w->unit + v;
                delta[at] = net->loss == NETWORK_CROSS_ENTROPY ? p[at] * (z[at] - mean) : z[at];
            }
        }
    }
}

/* R{delta} of the layers below: act'(z) (R{delta} W^T + delta V^T) + act''(z) R{z} (delta W^T). */
static void r_propagate(const struct network *net, const struct work *w, const struct work *direction, size_t rows,
                        const double *x, const double *v, size_t width)
{
    for (size_t l = net->layers - 1; l > 0; l--) {
        const struct tile *from = &w->tile[l], *to = &w->tile[l - 1];
        const size_t in = net->layer[l].in, out = net->layer[l].out, stride = w->stride[l - 1];
        product(w, units(w, l, from->r_delta), turned_weights(net, w, l, x, width), to->r_delta, stride, w->unit, rows,
                in, out, true);
        product(w, units(w, l, from->delta), turned_weights(net, direction, l, v, width), to->r_delta, stride, w->unit,
                rows, in, out, false);
        multiply_slope(net, w, l - 1, rows, to->r_delta);
        for (size_t i = 0; i < rows * stride; i += VL)
            v_store(to->r_delta + i, v_fma(v_load(to->bend + i), v_load(to->back + i), v_load(to->r_delta + i)));
    }
}

/* product (+)= input R{delta} + R{input} delta */
static void r_accumulate(const struct network *net, const struct work *w, const struct batch *batch, size_t first,
                         size_t rows, double *result, size_t width, bool fresh)
{
    for (size_t l = 0; l < net->layers; l++) {
        const struct layer *layer = &net->layer[l];
        const struct tile *t = &w->tile[l];
        double *to = result + layer->weight * width;
        if (skips(w, batch, l))
            backward_sparse(w, batch, first, rows, t->r_delta, layer, result, width);
        else
            product(w, turned(below(w, l)), units(w, l, t->r_delta), to, layer->out * width, width, layer->in,
                    layer->out, rows, fresh);
        if (l > 0)
            product(w, turned(units(w, l - 1, w->tile[l - 1].r_input)), units(w, l, t->delta), to, layer->out * width,
                    width, layer->in, layer->out, rows, false);
        add_bias(w, l, rows, layer->out, t->r_delta, result + layer->bias * width, width, fresh);
    }
}

static void hessian_vector(const struct problem *problem, const struct batch *batch, const double *x, const double *v,
                           size_t width, double *memory, double *result)
{
    const struct network net = network_of(problem);
    struct work w, direction;
    work_open(&net, batch, width, memory, &w);
    direction = w;
    clear_skipped(&net, &w, batch, result, width);
    transpose_weights(&net, &w, x);
    if (w.single) { /* the same of v, behind everything else */
        double *next = memory + work_size(&net, true);
        for (size_t l = 0; l < net.layers; l++) {
            direction.tile[l].transposed = next;
            next += transposed_size(&net.layer[l]);
        }
        transpose_weights(&net, &direction, v);
    }
    for (size_t lane = 0; lane < width; lane += w.unit)
        for (size_t first = 0; first < batch->rows; first += TILE_ROWS) {
            const size_t rows = batch->rows - first < TILE_ROWS ? batch->rows - first : TILE_ROWS;
            forward(&net, &w, batch, first, rows, lane, x + lane, width, true);
            output_delta(&net, &w, batch, first, rows, lane, true);
            propagate(&net, &w, rows, x + lane, width, true);
            r_forward(&net, &w, batch, first, rows, x + lane, v + lane, width);
            r_output(&net, &w, rows);
            r_propagate(&net, &w, &direction, rows, x + lane, v + lane, width);
            r_accumulate(&net, &w, batch, first, rows, result + lane, width, first == 0);
        }
}

/* ---- start ---- */

/* Gaussian weights of variance 2/in (He et al. 2015) or 2/(in + out) (Glorot and Bengio 2010), biases zero; one draw a
 * weight, in the order of the coordinates. */
static void start(const struct problem *problem, gsl_rng *rng, double *x, size_t stride)
{
    const struct network net = network_of(problem);
    const bool he = problem->values.scalar[NETWORK_INITIALIZATION] == (double)INITIALIZATION_HE;
    for (size_t l = 0; l < net.layers; l++) {
        const struct layer *layer = &net.layer[l];
        const double deviation = sqrt(2.0 / (double)(he ? layer->in : layer->in + layer->out));
        for (size_t i = 0; i < layer->in * layer->out; i++)
            x[(layer->weight + i) * stride] = gsl_ran_gaussian_ziggurat(rng, deviation);
    }
    for (size_t i = net.weights; i < net.dim; i++)
        x[i * stride] = 0;
}

#define NETWORK_MODEL                                                                                                  \
    .task = task, .dim = dim, .refuse = refuse, .scratch = scratch, .gradient = gradient, .loss = loss,                \
    .gradient_squares = gradient_squares, .hessian_vector = hessian_vector

const struct model_type PER_ISA(network_model) = {NETWORK_MODEL, .start = start};
const struct model_type PER_ISA(softmax_model) = {NETWORK_MODEL, .softmax = true};
