/* What sgdlab bench times: the lanes, the plain loop, full passes and random numbers, on shipped data. Flops are
 * counted as useful arithmetic on matrix entries alone: 4 for each entry of a sample's row, lane and sample gradient (2
 * for the dot product, 2 for the update), 2 in a full pass; in a network likewise for its weights. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../tests/bench/plain_loop.h"
#include "bench.h"
#include "bench_peak.h"

enum { SEED = 1, CHECK_STEPS_PLAIN = 300 };
static const double agreement = 1e-9; /* largest relative difference between two ways to the same numbers */

/* The registry and the engine read this at every call. */
static void use_kernels(const struct bench_row *row)
{
    setenv("SGDLAB_KERNEL", row->isa->kernels->name, 1);
}

/* ---- lanes ---- */

/* A block as the runner would make it: lanes of different rates, or of different replicates with a stream each. */
struct lanes {
    struct run_config config[LANES_MAX];
    struct run_request request[LANES_MAX];
    struct run_result result[LANES_MAX];
    struct record_grid grid;
};

static enum status lanes_open(struct lanes *lanes, const struct bench_row *row, uint64_t steps, unsigned metrics,
                              struct error *error)
{
    const struct bench_work *work = row->work;
    use_kernels(row);
    const struct method *problem = registry_find(METHOD_PROBLEM, work->problem, error);
    const struct method *sampler = registry_find(METHOD_SAMPLER, "with_replacement", error);
    const struct method *schedule = registry_find(METHOD_SCHEDULE, "constant", error);
    const struct method *update = registry_find(METHOD_UPDATE, "sgd", error);
    const struct method *averager = registry_find(METHOD_AVERAGER, "last", error);
    memset(lanes, 0, sizeof *lanes);
    if (!problem || !sampler || !schedule || !update || !averager)
        return error->status;
    enum status status = record_grid_make(steps, 2, SPACING_LINEAR, &lanes->grid, error);
    for (size_t k = 0; k < row->lanes && !status; k++) {
        struct run_config *c = &lanes->config[k];
        *c = (struct run_config){
            .problem = {.type = (const struct problem_type *)problem,
                        .data = work->data,
                        .l2 = work->l2,
                        .radius = INFINITY,
                        .penalize_intercept = true},
            .sampler = (const struct sampler_type *)sampler,
            .batch_size = work->batch_size,
            .keep_last = true,
            .schedule = {.type = (const struct schedule_type *)schedule},
            .update = (const struct update_type *)update,
            .averager = (const struct averager_type *)averager,
            .local_workers = 1,
            .sync_every = 1,
            .steps = steps,
            .grid = &lanes->grid,
            .points = lanes->grid.count,
            .spacing = SPACING_LINEAR,
            .metrics = metrics,
        };
        param_defaults(update->params, update->param_count, &c->update_values);
        if (work->hidden) {
            const struct method *method = &c->problem.type->method;
            param_defaults(method->params, method->param_count, &c->problem.values);
            c->problem.values.list_count = 1;
            c->problem.values.list[0] = (double)work->hidden;
            c->start.kind = START_INITIAL;
        }
        c->schedule.values.scalar[0] = work->rate * (double)(k + 1) / (double)row->lanes;
        lanes->request[k] = (struct run_request){
            .config = c, .seed = SEED, .replicate = work->layout == LAYOUT_STREAM_PER_LANE ? k : 0};
    }
    return status;
}

static void lanes_close(struct lanes *lanes, const struct bench_row *row)
{
    for (size_t k = 0; k < row->lanes; k++)
        run_result_free(&lanes->result[k]);
    record_grid_free(&lanes->grid);
}

/* Drawing, rates and steps; not the set-up of the block and not its two recorded points. */
static enum status run_lanes(const struct bench_row *row, uint64_t steps, double *seconds, struct error *error)
{
    struct lanes lanes;
    enum status status = lanes_open(&lanes, row, steps, 1u << METRIC_NORM2, error);
    if (!status)
        status = block_run(lanes.request, row->lanes, row->work->layout, NULL, lanes.result, error);
    *seconds = 0;
    for (size_t k = 0; k < row->lanes && !status; k++) {
        *seconds += lanes.result[k].train_seconds;
        if (lanes.result[k].outcome != OUTCOME_FINISHED)
            status = error_set(error, STATUS_NUMERICAL, "%s: lane %zu diverged", row->work->name, k);
    }
    lanes_close(&lanes, row);
    return status;
}

/* ---- the plain loop ---- */

static enum status plain_open(struct plain_run *run, const struct bench_work *work, double rate, uint64_t steps,
                              struct error *error)
{
    const struct matrix *a = &work->data->train;
    *run = (struct plain_run){
        .a = a,
        .y = work->data->y,
        .loss = strcmp(work->problem, "least_squares") == 0 ? PLAIN_LEAST_SQUARES : PLAIN_LOGISTIC,
        .batch_size = work->batch_size,
        .rate = rate,
        .l2 = work->l2,
        .steps = steps,
        .seed = SEED,
    };
    run->x = aligned_alloc(64, matrix_stride(a->cols) * sizeof *run->x);
    run->gradient = aligned_alloc(64, matrix_stride(a->cols) * sizeof *run->gradient);
    if (!run->x || !run->gradient)
        return error_memory(error, 2 * a->cols * sizeof *run->x, "a plain run");
    memset(run->x, 0, matrix_stride(a->cols) * sizeof *run->x);
    return STATUS_OK;
}

static void plain_close(struct plain_run *run)
{
    free(run->x);
    free(run->gradient);
}

static enum status run_plain(const struct bench_row *row, uint64_t steps, double *seconds, struct error *error)
{
    struct plain_run run;
    enum status status = plain_open(&run, row->work, row->work->rate, steps, error);
    double start = bench_now();
    if (!status)
        row->isa->plain_loop(&run);
    *seconds = bench_now() - start;
    plain_close(&run);
    return status;
}

/* The plain loop on the samples of lane k gives the `optimum` of that lane, so that the recorded squared distance to it
 * is how far the two end from each other. */
static enum status check_lanes(const struct bench_row *row, struct error *error)
{
    struct lanes lanes;
    struct reference reference[LANES_MAX];
    struct plain_run run[LANES_MAX] = {0};
    const size_t n = row->work->data->train.rows, d = row->work->data->train.cols, m = row->work->batch_size;
    uint32_t *index = malloc(CHECK_STEPS_PLAIN * m * sizeof *index);
    enum status status = lanes_open(&lanes, row, CHECK_STEPS_PLAIN, 1u << METRIC_DISTANCE2 | 1u << METRIC_NORM2, error);
    if (!index && !status)
        status = error_memory(error, CHECK_STEPS_PLAIN * m * sizeof *index, "checking a kernel");
    for (size_t k = 0; k < row->lanes && !status; k++) {
        struct run_config *c = &lanes.config[k];
        const struct rng_stream stream = rng_stream(SEED, RNG_SAMPLING, 0, lanes.request[k].replicate);
        rng_indices(&stream, 0, CHECK_STEPS_PLAIN * m, (uint32_t)n, 0, index);
        status = plain_open(&run[k], row->work, c->schedule.values.scalar[0], CHECK_STEPS_PLAIN, error);
        if (status)
            break;
        run[k].index = index;
        row->isa->plain_loop(&run[k]);
        reference[k] = (struct reference){.exists = true, .dim = d, .x = run[k].x};
        c->reference = &reference[k];
    }
    if (!status)
        status = block_run(lanes.request, row->lanes, row->work->layout, NULL, lanes.result, error);
    for (size_t k = 0; k < row->lanes && !status; k++) {
        const struct run_result *r = &lanes.result[k];
        const size_t last = r->points - 1;
        const double norm = sqrt(r->metric[METRIC_NORM2][last]), off = sqrt(r->metric[METRIC_DISTANCE2][last]);
        if (!(norm > 0) || !(off <= agreement * norm))
            status = error_set(error, STATUS_NUMERICAL,
                               "%s, %s kernels: lane %zu of %zu is %.3g away from the plain loop, at norm %.3g",
                               row->work->name, row->isa->kernels->name, k, row->lanes, off, norm);
    }
    for (size_t k = 0; k < row->lanes; k++)
        plain_close(&run[k]);
    free(index);
    lanes_close(&lanes, row);
    return status;
}

/* ---- full passes ---- */

struct pass {
    const struct problem_type *type;
    double *x, *scratch, *sum; /* [d][lanes], [FULL_PASS_ROWS][lanes], [lanes] */
};

static enum status pass_open(struct pass *pass, const struct bench_row *row, struct error *error)
{
    const size_t d = row->work->data->train.cols, count = (d + FULL_PASS_ROWS + 1) * row->lanes;
    use_kernels(row);
    pass->x = NULL;
    pass->type = (const struct problem_type *)registry_find(METHOD_PROBLEM, row->work->problem, error);
    if (!pass->type)
        return error->status;
    pass->x = aligned_alloc(64, count * sizeof *pass->x);
    if (!pass->x)
        return error_memory(error, count * sizeof *pass->x, "a full pass");
    pass->scratch = pass->x + d * row->lanes;
    pass->sum = pass->scratch + FULL_PASS_ROWS * row->lanes;
    for (size_t i = 0; i < d * row->lanes; i++)
        pass->x[i] = 0.1 * sin((double)i);
    return STATUS_OK;
}

static enum status run_pass(const struct bench_row *row, uint64_t steps, double *seconds, struct error *error)
{
    struct pass pass;
    const struct dataset *data = row->work->data;
    enum status status = pass_open(&pass, row, error);
    if (status)
        return status;
    double start = bench_now();
    for (uint64_t s = 0; s < steps; s++)
        row->isa->kernels->full_loss(&data->train, data->y, pass.type->vector, pass.x, row->lanes, pass.scratch,
                                     pass.sum, NULL);
    *seconds = bench_now() - start;
    free(pass.x);
    return STATUS_OK;
}

static enum status check_pass(const struct bench_row *row, struct error *error)
{
    struct pass pass;
    const struct dataset *data = row->work->data;
    const size_t n = data->train.rows, d = data->train.cols;
    double *x = calloc(matrix_stride(d), sizeof *x);
    if (!x)
        return error_memory(error, d * sizeof *x, "a full pass");
    enum status status = pass_open(&pass, row, error);
    if (!status)
        row->isa->kernels->full_loss(&data->train, data->y, pass.type->vector, pass.x, row->lanes, pass.scratch,
                                     pass.sum, NULL);
    for (size_t k = 0; k < row->lanes && !status; k++) {
        const struct problem problem = {.type = pass.type, .data = data, .radius = INFINITY};
        for (size_t j = 0; j < d; j++)
            x[j] = pass.x[j * row->lanes + k];
        const double naive = problem_value(&problem, x, NULL), ours = pass.sum[k] / (double)n;
        if (!(fabs(ours - naive) <= agreement * naive))
            status = error_set(error, STATUS_NUMERICAL, "%s, %s kernels: lane %zu gives %.17g instead of %.17g",
                               row->name, row->isa->kernels->name, k, ours, naive);
    }
    free(pass.x);
    free(x);
    return status;
}

/* ---- random numbers ---- */

/* row->units indices at a time, as the engine asks for them. */
static enum status run_indices(const struct bench_row *row, uint64_t steps, double *seconds, struct error *error)
{
    enum { MOST = 4096, N = 1797 };
    uint32_t index[MOST];
    const size_t count = (size_t)row->units;
    const struct rng_stream stream = rng_stream(SEED, RNG_TEST, 0, 0);
    (void)error;
    double start = bench_now();
    for (uint64_t s = 0; s < steps; s++)
        rng_indices(&stream, s * count, count, N, 0, index);
    *seconds = bench_now() - start;
    return STATUS_OK;
}

/* ---- the list ---- */

static const struct {
    const char *name;
    void (*plain_loop)(const struct plain_run *run);
    double (*fma)(uint64_t rounds);
    void (*triad)(double *restrict a, const double *restrict b, const double *restrict c, size_t n);
    double vector; /* doubles in a vector */
} compiled[] = {
#ifdef SGDLAB_X86
    {"avx512", plain_loop_avx512, bench_fma_avx512, bench_triad_avx512, 8},
    {"avx2", plain_loop_avx2, bench_fma_avx2, bench_triad_avx2, 4},
#endif
    {"portable", plain_loop_portable, bench_fma_portable, bench_triad_portable, 2},
};

/* Those that this CPU runs; portable ones, which are there for CPUs without FMA, only where there are no others or the
 * user chose them. */
static void find_isas(struct bench_rows *rows)
{
    const struct kernel_set *set[3];
    const size_t count = kernels_available(set);
    for (size_t i = 0; i < count; i++)
        for (size_t c = 0; c < sizeof compiled / sizeof *compiled; c++)
            if (strcmp(set[i]->name, compiled[c].name) == 0 &&
                (i + 1 < count || count == 1 || set[i] == kernels_active()))
                rows->isa[rows->isas++] = (struct bench_isa){
                    .kernels = set[i],
                    .plain_loop = compiled[c].plain_loop,
                    .fma = compiled[c].fma,
                    .triad = compiled[c].triad,
                    .fma_flops = 2 * BENCH_FMA_CHAINS * compiled[c].vector,
                };
    rows->active = &rows->isa[0];
    for (size_t i = 0; i < rows->isas; i++)
        if (rows->isa[i].kernels == kernels_active())
            rows->active = &rows->isa[i];
}

static enum status open_synthetic(const char *name, const char *const *key, const double *value, size_t count,
                                  enum task task, struct dataset **out, struct error *error)
{
    const struct method *method = registry_find(METHOD_SYNTHETIC, name, error);
    if (!method)
        return error->status;
    struct data_spec spec = {.synthetic = (const struct synthetic_type *)method,
                             .task = task,
                             .intercept = NO,
                             .standardize = NO,
                             .data_seed = SEED};
    param_defaults(method->params, method->param_count, &spec.values);
    for (size_t i = 0; i < count; i++) {
        int at = param_find(method->params, method->param_count, key[i]);
        if (at < 0)
            return error_set(error, STATUS_USAGE, "%s has no parameter %s", name, key[i]);
        spec.values.scalar[at] = value[i];
    }
    return dataset_open(&spec, NULL, out, error);
}

static enum status open_data(struct bench_rows *rows, struct error *error)
{
    const struct data_spec digits = {
        .name = "digits", .task = TASK_BINARY, .positive = "8", .intercept = NO, .standardize = YES, .data_seed = SEED};
    const struct data_spec classes = {
        .name = "digits", .task = TASK_MULTICLASS, .intercept = NO, .standardize = YES, .data_seed = SEED};
    const struct data_spec w8a = {
        .name = "w8a", .task = TASK_BINARY, .intercept = NO, .standardize = NO, .data_seed = SEED};
    enum status status = dataset_open(&digits, NULL, &rows->digits, error);
    if (!status)
        status = dataset_open(&classes, NULL, &rows->classes, error);
    if (!status)
        status = open_synthetic("gaussian_least_squares", (const char *const[]){"n", "d"}, (const double[]){256, 8}, 2,
                                TASK_REGRESSION, &rows->squares, error);
    if (status)
        return status;
    status = dataset_open(&w8a, NULL, &rows->sparse, error);
    rows->synthetic_sparse = status == STATUS_NOT_FOUND;
    if (rows->synthetic_sparse)
        status = open_synthetic("sparse_logistic", (const char *const[]){"n", "d", "nnz"},
                                (const double[]){49749, 300, 12}, 3, TASK_BINARY, &rows->sparse, error);
    return status;
}

/* The row in the list, or NULL: not wanted, or no room. */
static struct bench_row *add(struct bench_rows *rows, const struct bench_settings *settings, struct bench_row row)
{
    char title[128];
    if (row.work) {
        const struct matrix *a = &row.work->data->train;
        const double entries = (double)a->nnz / (double)a->rows;
        row.name = row.name ? row.name : row.work->name;
        row.flops = row.flops * entries;
        /* A shared row is read once for all lanes. */
        const double each = row.work->layout == LAYOUT_STREAM_PER_LANE ? 1 : (double)row.lanes;
        row.bytes = (entries * (a->sparse ? 12 : 8) + 8) / each;
    }
    bench_row_title(&row, title, sizeof title);
    if (rows->rows == BENCH_ROWS_MAX || (settings->only && !row.plain && !strstr(title, settings->only)))
        return NULL;
    rows->row[rows->rows] = row;
    return &rows->row[rows->rows++];
}

/* The plain loop, and lanes beside it. */
static void add_lanes(struct bench_rows *rows, const struct bench_settings *settings, const struct bench_work *work,
                      const size_t *lanes, size_t count)
{
    const size_t first = rows->rows;
    const double batch = (double)work->batch_size;
    struct bench_row row = {.work = work,
                            .unit = "sample gradients",
                            .flops = 4,
                            .isa = &rows->isa[0],
                            .plain = true,
                            .lanes = 1,
                            .units = batch,
                            .run = run_plain};
    struct bench_row *rival = add(rows, settings, row);
    row.plain = false;
    row.rival = rival;
    row.run = run_lanes;
    for (size_t i = 0; i < rows->isas; i++)
        for (size_t l = 0; l < count; l++) {
            row.isa = &rows->isa[i];
            row.lanes = lanes[l];
            row.units = batch * (double)lanes[l];
            add(rows, settings, row);
        }
    if (rows->rows == first + 1) /* nothing to compare it with */
        rows->rows = first;
}

/* Lanes of one network; its rival is another program (tests/bench/peers.sh). Forward 2 flops for each weight, backward
 * 2 for its gradient and, but in the first layer, 2 to propagate. */
static void add_networks(struct bench_rows *rows, const struct bench_settings *settings, const struct bench_work *work)
{
    static const size_t lanes[] = {1, 16, 32};
    const double d = (double)work->data->train.cols, classes = (double)work->data->classes, h = (double)work->hidden;
    for (size_t i = 0; i < rows->isas; i++)
        for (size_t l = 0; l < sizeof lanes / sizeof *lanes; l++)
            add(rows, settings,
                (struct bench_row){.work = work,
                                   .unit = "sample gradients",
                                   .flops = (4 * d * h + 6 * h * classes) / d,
                                   .isa = &rows->isa[i],
                                   .lanes = lanes[l],
                                   .units = (double)work->batch_size * (double)lanes[l],
                                   .run = run_lanes});
}

static struct bench_work *add_work(struct bench_rows *rows, struct bench_work work)
{
    rows->work[rows->works] = work;
    return &rows->work[rows->works++];
}

static void add_all(struct bench_rows *rows, const struct bench_settings *settings)
{
    static const size_t several[] = {1, 8, 16, 32}, some[] = {1, 8, 32}, most[] = {32};
    struct bench_work *work, dense = {.name = "dense logistic, digits, m=1",
                                      .data = rows->digits,
                                      .problem = "logistic_regression",
                                      .rate = 0.02,
                                      .batch_size = 1,
                                      .layout = LAYOUT_SHARED_STREAM};
    work = add_work(rows, dense);
    add_lanes(rows, settings, work, several, 4);
    for (size_t i = 0; i < rows->isas; i++)
        add(rows, settings,
            (struct bench_row){.work = work,
                               .name = "full loss, logistic, digits",
                               .unit = "sample losses",
                               .flops = 2,
                               .isa = &rows->isa[i],
                               .lanes = 32,
                               .units = 32 * (double)rows->digits->train.rows,
                               .run = run_pass});
    dense.name = "dense logistic, digits, m=32";
    dense.batch_size = 32;
    add_lanes(rows, settings, add_work(rows, dense), most, 1);
    dense.name = "dense logistic + L2, digits, m=1";
    dense.batch_size = 1;
    dense.l2 = 1e-3; /* as the experiment of bench_program.c */
    rows->program_kernel = (struct bench_row){.work = add_work(rows, dense),
                                              .name = dense.name,
                                              .isa = rows->active,
                                              .lanes = 32,
                                              .units = 32,
                                              .run = run_lanes};
    work = add_work(rows, (struct bench_work){.name = rows->synthetic_sparse ? "sparse logistic + L2, synthetic, m=1"
                                                                             : "sparse logistic + L2, w8a, m=1",
                                              .data = rows->sparse,
                                              .problem = "logistic_regression",
                                              .l2 = 1e-4,
                                              .rate = 0.1,
                                              .batch_size = 1,
                                              .layout = LAYOUT_SHARED_STREAM});
    add_lanes(rows, settings, work, some, 3);
    work = add_work(rows, (struct bench_work){.name = "least squares, 256 x 8, m=1, own streams",
                                              .data = rows->squares,
                                              .problem = "least_squares",
                                              .rate = 0.02,
                                              .batch_size = 1,
                                              .layout = LAYOUT_STREAM_PER_LANE});
    add_lanes(rows, settings, work, most, 1);
    work = add_work(rows, (struct bench_work){.name = "network 64-32-10, digits, m=32",
                                              .data = rows->classes,
                                              .problem = "mlp",
                                              .hidden = 32,
                                              .rate = 0.05,
                                              .batch_size = 32,
                                              .layout = LAYOUT_SHARED_STREAM});
    add_networks(rows, settings, work);
    struct bench_row indices = {.name = "random indices, 64 at a time",
                                .unit = "indices",
                                .isa = &rows->isa[0],
                                .units = 64,
                                .run = run_indices};
    add(rows, settings, indices);
    indices.name = "random indices, 4096 at a time";
    indices.units = 4096;
    add(rows, settings, indices);
}

const char *bench_row_title(const struct bench_row *row, char *text, size_t size)
{
    if (row->plain)
        snprintf(text, size, "%s; plain C", row->name);
    else if (row->lanes)
        snprintf(text, size, "%s; %zu lane%s; %s", row->name, row->lanes, row->lanes == 1 ? "" : "s",
                 row->isa->kernels->name);
    else
        snprintf(text, size, "%s", row->name);
    return text;
}

enum status bench_rows_open(struct bench_rows *rows, const struct bench_settings *settings, struct error *error)
{
    memset(rows, 0, sizeof *rows);
    find_isas(rows);
    enum status status = open_data(rows, error);
    if (!status)
        add_all(rows, settings);
    for (size_t i = 0; i < rows->rows && !status; i++) {
        const struct bench_row *row = &rows->row[i];
        if (row->run == run_lanes && row->rival)
            status = check_lanes(row, error);
        else if (row->run == run_pass)
            status = check_pass(row, error);
    }
    return status;
}

void bench_rows_close(struct bench_rows *rows)
{
    for (size_t i = 0; i < rows->isas; i++)
        free(rows->isa[i].peak);
    dataset_close(rows->digits);
    dataset_close(rows->classes);
    dataset_close(rows->sparse);
    dataset_close(rows->squares);
}
