/* Landscapes: values, gradients and regions against the formulas as they are written on paper, and whole runs against
 * the recursion one step at a time (test_models.c has what every model must do). */
#include "engine_fixture.h"
#include "model.h"
#include "sweep_fixture.h"

enum { WIDTH = 8, POINTS = 400 };

/* What paper says of sample y at (x, x2): value, gradient, inside of the region. */
struct paper {
    double value, gradient[2], inside;
};

static struct paper saddle(const double *p, const double *x, double y)
{
    return (struct paper){
        x[0] * x[0] / 2 - p[0] * x[1] * x[1] / 2 + y * x[1], {x[0], -p[0] * x[1] + y}, fabs(x[1]) < p[1]};
}

static struct paper double_well(const double *p, const double *x, double y)
{
    (void)p;
    return (struct paper){pow(x[0], 4) / 4 - x[0] * x[0] / 2 + y * x[0], {pow(x[0], 3) - x[0] + y}, x[0] < 0};
}

static struct paper flat_and_sharp(const double *p, const double *x, double y)
{
    const double sharp = y * x[0] * x[0] / 2, flat = p[0] * (x[0] - 3) * (x[0] - 3) / 2;
    return (struct paper){fmin(sharp, flat), {sharp < flat ? y * x[0] : p[0] * (x[0] - 3)}, fabs(x[0]) < p[1]};
}

static struct paper two_wells(const double *p, const double *x, double y)
{
    const double a = 4 * pow(x[0] + 1, 2), b = pow(x[0] - 0.6, 2) / 2 + 0.15, t = p[0], low = fmin(a, b);
    const double left = exp((low - a) / t), right = exp((low - b) / t);
    return (struct paper){low - t * log(left + right) + y * x[0],
                          {(left * 8 * (x[0] + 1) + right * (x[0] - 0.6)) / (left + right) + y},
                          x[0] > -0.58};
}

static const struct {
    const char *name;
    struct paper (*paper)(const double *p, const double *x, double y);
    double p[2], reach; /* parameters; points lie within this */
} cases[] = {
    {"saddle", saddle, {1, 1}, 2},
    {"saddle", saddle, {0.3, 0.5}, 2},
    {"double_well", double_well, {0}, 2},
    {"flat_and_sharp", flat_and_sharp, {1, 0.1}, 4},
    {"flat_and_sharp", flat_and_sharp, {0.4, 0.7}, 4},
    {"two_wells", two_wells, {0.1}, 3},
    {"two_wells", two_wells, {0.02}, 3},
    {"two_wells", two_wells, {3}, 3},
};
enum { CASES = sizeof cases / sizeof *cases };

static const struct problem_type *type_of(const struct kernel_set *set, const char *name)
{
    const struct problem_type *type = NULL;
    for (size_t i = 0; i < set->problem_count; i++)
        if (strcmp(set->problem[i]->method.name, name) == 0)
            type = set->problem[i];
    cr_assert(type != NULL);
    return type;
}

Test(landscapes, formulas)
{
    const struct kernel_set *set[3];
    const size_t sets = kernels_available(set);
    double *memory = aligned_alloc(64, 8192);
    cr_assert(memory != NULL);
    double *x = memory, *g = x + 2 * WIDTH, *value = g + 2 * WIDTH, *inside = value + WIDTH, *scratch = inside + WIDTH;
    gsl_rng *rng = fixture_rng(1);
    for (size_t c = 0; c < CASES * sets; c++) {
        const struct problem_type *type = type_of(set[c / CASES], cases[c % CASES].name);
        const double *p = cases[c % CASES].p;
        double y;
        struct dataset data = {.y = &y, .train = {.rows = 1, .cols = 1}};
        struct problem problem = {.type = type, .data = &data, .radius = INFINITY};
        const struct batch one = {.a = &data.train, .y = &y, .rows = 1};
        const size_t dim = problem_dim(&problem);
        memcpy(problem.values.scalar, p, 2 * sizeof *p);
        for (size_t i = 0; i < POINTS; i++) {
            y = fabs(gsl_ran_gaussian(rng, 3));
            for (size_t k = 0; k < dim * WIDTH; k++)
                x[k] = cases[c % CASES].reach * (2 * gsl_rng_uniform(rng) - 1);
            memset(value, 0, WIDTH * sizeof *value);
            type->model->loss(&problem, &one, x, WIDTH, scratch, value, NULL);
            type->model->gradient(&problem, &one, x, WIDTH, 0, scratch, g);
            type->model->in_region(&problem, x, WIDTH, inside);
            for (size_t k = 0; k < WIDTH; k++) {
                const double at[2] = {x[k], dim > 1 ? x[WIDTH + k] : 0};
                const struct paper want = cases[c % CASES].paper(p, at, y);
                cr_expect(fabs(value[k] - want.value) <= 1e-13 * (10 + fabs(want.value)), "%s at %g: %.17g, not %.17g",
                          type->method.name, at[0], value[k], want.value);
                for (size_t j = 0; j < dim; j++)
                    cr_expect(fabs(g[j * WIDTH + k] - want.gradient[j]) <= 1e-12 * (10 + fabs(want.gradient[j])),
                              "%s at %g: %.17g, not %.17g", type->method.name, at[0], g[j * WIDTH + k],
                              want.gradient[j]);
                cr_expect(inside[k] == want.inside, "%s at %g, %g", type->method.name, at[0], at[1]);
            }
        }
    }
    gsl_rng_free(rng);
    free(memory);
}

/* What is not a number is in no region. */
Test(landscapes, nowhere)
{
    double x[2 * WIDTH] __attribute__((aligned(64))), inside[WIDTH] __attribute__((aligned(64)));
    for (size_t k = 0; k < 2 * WIDTH; k++)
        x[k] = NAN;
    for (size_t c = 0; c < CASES; c++) {
        struct problem problem = {.type = type_of(kernels_active(), cases[c].name)};
        memcpy(problem.values.scalar, cases[c].p, 2 * sizeof(double));
        problem.type->model->in_region(&problem, x, WIDTH, inside);
        for (size_t k = 0; k < WIDTH; k++)
            cr_expect(inside[k] == 0, "%s", cases[c].name);
    }
}

/* Runs against the recursion: final x, region and exit time, where rounding cannot tip the outcome. */
static void check_run(const char *text, struct paper (*paper)(const double *p, const double *x, double y))
{
    struct sweep *sweep = must_open(text);
    struct run_config config = cell_of(sweep, 0);
    const struct problem *problem = &config.problem;
    const size_t dim = problem_dim(problem), m = config.batch_size;
    for (uint64_t replicate = 0; replicate < 12; replicate++) {
        struct run_request request = {.config = &config, .seed = 5, .replicate = replicate};
        struct run_result result;
        struct sampler sampler = {.type = config.sampler, .n = (uint32_t)problem->data->train.rows, .batch_size = m};
        struct error error;
        double x[2] = {0};
        uint64_t left = UINT64_MAX, at = 0;
        uint32_t index[64], size;
        size_t p = 0;
        cr_assert(block_run(&request, 1, LAYOUT_AUTO, NULL, &result, &error) == STATUS_OK, "%s", error.message);
        sampler.stream = rng_stream(5, RNG_SAMPLING, config.stream_group, replicate);
        for (size_t j = 0; j < dim && config.start.kind == START_LIST; j++)
            x[j] = config.start.list[j];
        for (; p < config.grid->count; p++) {
            for (; at < config.grid->step[p]; at++) {
                if (left == UINT64_MAX && !(paper(problem->values.scalar, x, 0).inside > 0))
                    left = at;
                double g[2] = {0};
                sampler.type->draw(&sampler, at, 1, index, &size);
                for (size_t r = 0; r < m; r++)
                    for (size_t j = 0; j < dim; j++)
                        g[j] += paper(problem->values.scalar, x, problem->data->y[index[r]]).gradient[j] / (double)m;
                for (size_t j = 0; j < dim; j++)
                    x[j] -= config.schedule.values.scalar[0] * g[j];
            }
            const double inside = paper(problem->values.scalar, x, 0).inside;
            if (left == UINT64_MAX && !(inside > 0))
                left = at;
            cr_expect(fabs(result.metric[METRIC_X1][p] - x[0]) < 1e-9, "%s: %g, not %g", text,
                      result.metric[METRIC_X1][p], x[0]);
            cr_expect(result.metric[METRIC_IN_REGION][p] == inside, "%s", text);
            cr_expect(result.metric[METRIC_EXIT_TIME][p] == (double)(left < at ? left : at), "%s: %g, not %g", text,
                      result.metric[METRIC_EXIT_TIME][p], (double)(left < at ? left : at));
        }
        cr_expect(result.points == p && result.metric[METRIC_GAP] == NULL, "no certified optimum, no gap");
        run_result_free(&result);
    }
    sweep_close(sweep);
}

#define RUN                                                                                                            \
    "schedule: {type: constant, rate: 0.05}\nrecord: {points: 9, spacing: linear, metrics: [x1, in_region, "           \
    "exit_time]}\n"

Test(landscapes, runs_equal_the_recursion)
{
    check_run("problem: {type: double_well, data: {synthetic: signs, scale: 3}, start: [-1]}\nbudget: {steps: 300}\n"
              "batch_size: 2\n" RUN,
              double_well);
    check_run("problem: {type: two_wells, data: {synthetic: signs, scale: 4}, start: [0.6]}\nbudget: {steps: 200}\n"
              "batch_size: 1\n" RUN,
              two_wells);
    check_run("problem: {type: flat_and_sharp, data: {synthetic: outlier}, start: [0.05]}\nbudget: {steps: 60}\n"
              "batch_size: 3\n" RUN,
              flat_and_sharp);
    check_run("problem: {type: saddle, data: {synthetic: signs}, start: [0.5, 0]}\nbudget: {steps: 120}\n"
              "batch_size: 4\n" RUN,
              saddle);
}

Test(landscapes, outlier_targets)
{
    struct sweep *sweep = must_open("problem: {type: flat_and_sharp, data: {synthetic: outlier, n: 7, value: 2.5}}\n"
                                    "budget: {steps: 1}\n" RUN);
    const struct dataset *data = cell_of(sweep, 0).problem.data;
    cr_expect(data->train.rows == 7 && data->train.cols == 1);
    for (size_t i = 0; i < 7; i++)
        cr_expect(data->y[i] == (i == 6 ? 2.5 : 0) && data->train.value[i * data->train.stride] == 1);
    sweep_close(sweep);
}
