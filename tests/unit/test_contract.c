/* The contract of every registered method, whatever it is called: a new one is tested here from the moment it has its
 * line in registry_list.h. Each kind's own tests (test_samplers.c, test_engine.c, ...) look closer. */
#include "engine_fixture.h"
#include <gsl/gsl_cdf.h>

#include "sweep.h"

enum { ROWS = 24, STEPS = 40, LANES = 5 };

/* ---- linear problems: the gradient is that of the value, on both storages (models: test_models.c) ---- */

Test(contract, gradients_by_finite_differences)
{
    static const double h = 1e-6;
    for (size_t p = 0; p < registry_count(METHOD_PROBLEM); p++)
        for (int sparse = 0; sparse < 2; sparse++) {
            const struct problem_type *type = (const struct problem_type *)registry_at(METHOD_PROBLEM, p);
            struct dataset data;
            if (type->model)
                continue;
            fixture_data((struct shape){.n = ROWS, .d = 6, .nonzeros = sparse ? 3 : 0, .task = type->task}, 17 + p,
                         &data);
            struct problem problem = {.type = type, .data = &data, .l1 = 0.3, .l2 = 0.2, .radius = INFINITY};
            gsl_rng *rng = fixture_rng(5 + p);
            double x[6], gradient[6];
            for (size_t j = 0; j < 6; j++)
                x[j] = gsl_ran_gaussian(rng, 0.7); /* no kink is within h of it */
            problem_value(&problem, x, gradient);
            for (size_t j = 0; j < 6; j++) {
                const double at = x[j];
                x[j] = at + h;
                const double up = problem_value(&problem, x, NULL);
                x[j] = at - h;
                const double slope = (up - problem_value(&problem, x, NULL)) / (2 * h);
                x[j] = at;
                cr_expect(fabs(gradient[j] - slope) <= 1e-8 * fmax(1, fabs(slope)),
                          "%s, %s: coordinate %zu: %g, not %g", type->method.name, sparse ? "CSR" : "dense", j,
                          gradient[j], slope);
            }
            gsl_rng_free(rng);
            fixture_data_free(&data);
        }
}

/* ---- samplers: a batch's mean is unbiased ---- */

/* Every sample has the same expected weight in the mean of a batch, at a uniform position of an epoch (of which all are
 * enumerated; n is a multiple of m, so that no batch is short). What is random is drawn from many streams. */
Test(contract, samplers_are_unbiased)
{
    enum { N = 6, STREAMS = 6000 };
    for (size_t q = 0; q < registry_count(METHOD_SAMPLER); q++)
        for (size_t m = 1; m <= 3; m++) {
            const struct sampler_type *type = (const struct sampler_type *)registry_at(METHOD_SAMPLER, q);
            const size_t most = sampler_max_batch(type, N, m);
            const size_t positions = type->by_epoch ? sampler_steps_per_epoch(type, N, m, true) : 1;
            uint32_t *scratch = zeroed(type->scratch_words ? type->scratch_words(N, m) + 1 : 1, sizeof *scratch);
            uint32_t index[N * N], size[N];
            double weight[N] = {0}, square = 0, chi2 = 0;
            cr_assert(most * positions <= N * N && positions <= N);
            for (uint64_t stream = 0; stream < STREAMS; stream++) {
                struct sampler sampler = {.type = type, .n = N, .batch_size = m, .keep_last = true, .scratch = scratch};
                sampler.stream = rng_stream(3, RNG_TEST, m, stream);
                param_defaults(type->method.params, type->method.param_count, &sampler.values);
                type->draw(&sampler, 0, positions, index, size);
                const uint32_t *entry = index;
                for (size_t s = 0; s < positions; s++)
                    for (uint32_t i = 0; i < size[s]; i++)
                        weight[*entry++] += 1.0 / size[s] / (double)positions;
            }
            for (size_t i = 0; i < N; i++) {
                const double deviation = weight[i] - (double)STREAMS / N;
                square = fmax(square, deviation * deviation);
                chi2 += deviation * deviation / ((double)STREAMS / N) * (double)m;
            }
            if (type->by_epoch || type->deterministic)
                cr_expect(square <= 1e-16 * STREAMS * STREAMS, "%s, m = %zu: an epoch's weights differ by %g",
                          type->method.name, m, sqrt(square));
            else /* not above that of independent draws: less where a batch has no sample twice */
                cr_expect(gsl_cdf_chisq_Q(chi2, N - 1) > 1e-6, "%s, m = %zu: chi^2 = %g", type->method.name, m, chi2);
            free(scratch);
        }
}

/* ---- runs: lanes, storages ---- */

static const char *problem_name(const struct run_config *c)
{
    return c->problem.type->method.name;
}

/* Lane k of a block, with the schedule that is next in turn. */
static void draw_lane(gsl_rng *rng, size_t k, size_t turn, struct run_config *c)
{
    random_schedule(rng, turn, 0.01 * (double)(k + 1), STEPS, &c->schedule);
    c->start = (struct start){.kind = START_GAUSSIAN, .scale = 0.1 * (double)(k + 1)};
}

/* K lanes are K single runs, bit for bit; and on sparse data the same numbers as on the same data stored dense. */
static void check_runs(const struct kernel_set *set, size_t problem, const struct sampler_type *sampler, size_t update,
                       const struct averager_type *averager, size_t turn)
{
    const struct problem_type *type = set->problem[problem];
    struct dataset sparse, dense;
    struct record_grid grid;
    struct run_config config[LANES], stored_dense[LANES];
    struct run_request request[LANES];
    struct run_result together[LANES], alone, on_dense;
    gsl_rng *rng = fixture_rng(turn);
    const struct param_values values = fixture_values(type);
    fixture_data((struct shape){.n = ROWS, .d = 9, .nonzeros = 4, .task = problem_task(type, &values)}, 1000 + turn,
                 &sparse);
    fixture_densify(&sparse, &dense);
    MUST(record_grid_make(STEPS, 8, SPACING_LOG, &grid, ERROR));
    for (size_t k = 0; k < LANES; k++) {
        config[k] = plain_config(set, &sparse, &grid);
        config[k].problem.type = type;
        config[k].problem.values = values;
        config[k].problem.l1 = type->needs_l1 ? 0.01 : 0;
        config[k].problem.l2 = 0.05;
        config[k].sampler = sampler;
        param_defaults(sampler->method.params, sampler->method.param_count, &config[k].sampler_values);
        config[k].batch_size = turn % 3 ? 4 : 1;
        config[k].update = set->update[update];
        param_defaults(set->update[update]->method.params, set->update[update]->method.param_count,
                       &config[k].update_values);
        config[k].averager = averager;
        param_defaults(averager->method.params, averager->method.param_count, &config[k].averager_values);
        config[k].metrics = 1u << METRIC_LOSS | 1u << METRIC_GRAD_NORM2 | 1u << METRIC_NORM2;
        config[k].reference = NULL;
        config[k].steps = STEPS;
        draw_lane(rng, k, turn, &config[k]);
        request[k] = (struct run_request){&config[k], turn, 0};
        if (k && !block_compatible(&request[0], &request[k], LAYOUT_SHARED_STREAM)) {
            config[k].schedule = config[0].schedule; /* one has a lazy form and the other none: only rates differ */
            config[k].schedule.values.scalar[0] *= 0.5;
            cr_assert(block_compatible(&request[0], &request[k], LAYOUT_SHARED_STREAM));
        }
        stored_dense[k] = config[k];
        stored_dense[k].problem.data = &dense;
    }
    MUST(block_run(request, LANES, LAYOUT_SHARED_STREAM, NULL, together, ERROR));
    for (size_t k = 0; k < LANES; k++) {
        const struct run_request on = {&stored_dense[k], turn, 0};
        char difference[200];
        MUST(block_run(&request[k], 1, LAYOUT_AUTO, NULL, &alone, ERROR));
        MUST(block_run(&on, 1, LAYOUT_AUTO, NULL, &on_dense, ERROR));
        cr_expect(same_bits(&together[k], &alone, difference, sizeof difference), "%s %s %s %s, lane %zu: %s",
                  problem_name(&config[k]), sampler->method.name, config[k].update->method.name, averager->method.name,
                  k, difference);
        cr_assert(on_dense.points == alone.points && alone.outcome == OUTCOME_FINISHED, "%s %s",
                  problem_name(&config[k]), config[k].update->method.name);
        for (size_t i = 0; i < alone.points; i++)
            cr_expect(fabs(on_dense.metric[METRIC_LOSS][i] - alone.metric[METRIC_LOSS][i]) <=
                          1e-11 * fmax(1, fabs(alone.metric[METRIC_LOSS][i])),
                      "%s %s %s %s: the loss at point %zu is %.17g on CSR and %.17g on dense data",
                      problem_name(&config[k]), sampler->method.name, config[k].update->method.name,
                      averager->method.name, i, alone.metric[METRIC_LOSS][i], on_dense.metric[METRIC_LOSS][i]);
        run_result_free(&alone);
        run_result_free(&on_dense);
    }
    results_free(together, LANES);
    record_grid_free(&grid);
    matrix_free(&dense.train);
    if (dense.test.rows)
        matrix_free(&dense.test);
    free(dense.y);
    free(dense.test_y);
    fixture_data_free(&sparse);
    gsl_rng_free(rng);
}

Test(contract, lanes_and_storages_agree)
{
    const struct kernel_set *set[3];
    const size_t sets = kernels_available(set);
    size_t turn = 0, model_turn = 0;
    for (size_t q = 0; q < registry_count(METHOD_SAMPLER); q++)
        for (size_t u = 0; u < set[0]->update_count; u++)
            for (size_t a = 0; a < registry_count(METHOD_AVERAGER); a++)
                for (size_t p = 0; p < set[0]->problem_count; p++) {
                    size_t *next = set[0]->problem[p]->model ? &model_turn : &turn;
                    const struct kernel_set *kernels = set[*next % sets];
                    use_kernels(kernels);
                    check_runs(kernels, p, (const struct sampler_type *)registry_at(METHOD_SAMPLER, q), u,
                               (const struct averager_type *)registry_at(METHOD_AVERAGER, a), (*next)++);
                }
}

/* ---- parameters out of bounds are refused with a message ---- */

static void put_value(char *text, size_t size, const struct param *param, double value)
{
    size_t used = strlen(text);
    if (param->kind == PARAM_LIST)
        snprintf(text + used, size - used, ", %s: [%.17g]", param->name, value);
    else
        snprintf(text + used, size - used, ", %s: %.17g", param->name, value);
}

/* An experiment that gives one parameter of a method this word (NULL: none), and the required ones a good value. */
static void write_experiment(enum method_kind kind, const struct method *method, const struct param *given,
                             const char *word, char *text, size_t size)
{
    static const char *const section[] = {[METHOD_SAMPLER] = "sampling",
                                          [METHOD_SCHEDULE] = "schedule",
                                          [METHOD_UPDATE] = "update",
                                          [METHOD_AVERAGER] = "averaging"};
    char values[600] = "";
    for (size_t i = 0; i < method->param_count; i++) {
        const struct param *param = &method->params[i];
        size_t used = strlen(values);
        if (param == given)
            snprintf(values + used, sizeof values - used, param->kind == PARAM_LIST ? ", %s: [%s]" : ", %s: %s",
                     param->name, word);
        else if (param->required && param->kind != PARAM_LIST)
            put_value(values, sizeof values, param, param->min + 1 < param->max ? param->min + 1 : param->max / 2);
    }
    const bool data = kind == METHOD_SYNTHETIC, schedule = kind == METHOD_SCHEDULE;
    const bool classes = data && ((const struct synthetic_type *)method)->task == TASK_BINARY;
    snprintf(text, size, "problem: {type: %s, data: {synthetic: %s%s}}\nbudget: {steps: 9}\n%s%s%s%s%s%s",
             classes ? "logistic_regression" : "least_squares", data ? method->name : "mean_estimation",
             data ? values : "", schedule ? "" : "schedule: {type: constant, rate: 0.1}\n", data ? "" : section[kind],
             data ? "" : ": {type: ", data ? "" : method->name, data ? "" : values, data ? "" : "}\n");
}

static void expect_refused(enum method_kind kind, const struct method *method, const struct param *param,
                           const char *word)
{
    char text[1200];
    struct error error = {0};
    struct sweep *sweep;
    const struct sweep_options options = {.replicates = -1};
    write_experiment(kind, method, param, word, text, sizeof text);
    FILE *file = fopen("bounds.yaml", "w");
    cr_assert(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
    const enum status status = sweep_open("bounds.yaml", &options, &sweep, &error);
    cr_expect_eq(status, STATUS_USAGE, "%s takes %s: %s\n%s", method->name, param->name, word, error.message);
    cr_expect(error.line > 0 && error.column > 0 && strstr(error.message, param->name), "%s\n%s", error.message, text);
    sweep_close(sweep);
}

Test(contract, values_out_of_bounds_are_refused)
{
    static const enum method_kind kinds[] = {METHOD_SAMPLER, METHOD_SCHEDULE, METHOD_UPDATE, METHOD_AVERAGER,
                                             METHOD_SYNTHETIC};
    size_t tried = 0;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (size_t i = 0; i < registry_count(kinds[k]); i++) {
            const struct method *method = registry_at(kinds[k], i);
            for (size_t j = 0; j < method->param_count; j++) {
                const struct param *param = &method->params[j];
                const bool number = param->kind != PARAM_BOOL && param->kind != PARAM_CHOICE;
                char below[40], above[40];
                /* At an open bound, or the next number outside of a closed one. */
                snprintf(below, sizeof below, "%.17g", param->min_open ? param->min : param->min - 1);
                snprintf(above, sizeof above, "%.17g", param->max_open ? param->max : param->max + 1);
                expect_refused(kinds[k], method, param, "no_such_word");
                if (number && isfinite(param->min))
                    expect_refused(kinds[k], method, param, below);
                if (number && isfinite(param->max) && param->max + 1 > param->max)
                    expect_refused(kinds[k], method, param, above);
                tried++;
            }
        }
    cr_expect(tried > 20);
}
