/* The bits of every method's results. When one of them changes, results stored under the old key would be mixed with
 * new ones: raise the method's `revision` and write its new line here; the failing test prints it. */
#include <nettle/sha2.h>

#include "sweep_fixture.h"

struct golden {
    enum method_kind kind;
    const char *name;
    unsigned revision;
    const char *digest; /* the first 64 bits of SHA-256 over the curves, on the "fma" kernels */
};

static const struct golden golden[] = {
    {METHOD_PROBLEM, "least_squares", 2, "c1eb83e9db2de2e2"},
    {METHOD_PROBLEM, "logistic_regression", 2, "ebd732b81b20f3e2"},
    {METHOD_PROBLEM, "linear_svm", 1, "76e47938336dcf33"},
    {METHOD_PROBLEM, "lasso", 2, "182364785cee66d9"},
    {METHOD_PROBLEM, "least_absolute_deviations", 1, "0c7da7bcf218704f"},
    {METHOD_PROBLEM, "linear", 1, "0ab4d71125ba2c46"},
    {METHOD_PROBLEM, "quartic", 1, "6fca9066ea942d4a"},
    {METHOD_PROBLEM, "softmax_regression", 1, "e2d08798b6c7c9f7"},
    {METHOD_PROBLEM, "mlp", 1, "875bba14f15b830b"},
    {METHOD_PROBLEM, "saddle", 1, "9af5dd94868efe91"},
    {METHOD_PROBLEM, "double_well", 1, "dd04115af23f753c"},
    {METHOD_PROBLEM, "flat_and_sharp", 1, "2b234dd828748d13"},
    {METHOD_PROBLEM, "two_wells", 1, "a040c0b82ebd9f86"},
    {METHOD_SAMPLER, "with_replacement", 1, "c1eb83e9db2de2e2"},
    {METHOD_SAMPLER, "subset", 1, "9e91d1a56b02e77e"},
    {METHOD_SAMPLER, "reshuffle", 1, "4ea02e797f19b060"},
    {METHOD_SAMPLER, "shuffle_once", 1, "9a88878d23f10afe"},
    {METHOD_SAMPLER, "cyclic", 1, "17141d7666d882ed"},
    {METHOD_SAMPLER, "full", 1, "6665dcc0aa0863a2"},
    {METHOD_SCHEDULE, "constant", 1, "83129093a457db2d"},
    {METHOD_SCHEDULE, "inverse_time", 1, "b65e77dc1cd62cd5"},
    {METHOD_SCHEDULE, "inverse_sqrt", 1, "df03d640cc131195"},
    {METHOD_SCHEDULE, "fixed_horizon", 1, "fe0e0761ccb0cb7f"},
    {METHOD_SCHEDULE, "step", 1, "f0b1a8784bd130f6"},
    {METHOD_SCHEDULE, "exponential", 1, "28f81b09c4731e4d"},
    {METHOD_SCHEDULE, "linear", 1, "6184c09dcdb70bc9"},
    {METHOD_SCHEDULE, "polynomial", 1, "de31a57b4c632f77"},
    {METHOD_SCHEDULE, "cosine", 1, "87fdc9b5eecb5c61"},
    {METHOD_UPDATE, "sgd", 1, "c1eb83e9db2de2e2"},
    {METHOD_UPDATE, "heavy_ball", 1, "c7f1d3741326259d"},
    {METHOD_UPDATE, "nesterov", 1, "20a0aea81f874c0a"},
    {METHOD_AVERAGER, "last", 1, "c1eb83e9db2de2e2"},
    {METHOD_AVERAGER, "uniform", 1, "0395abd181d67ba6"},
    {METHOD_AVERAGER, "tail", 1, "c8c19c5251b2f7ea"},
    {METHOD_AVERAGER, "polynomial", 1, "472852d6414daa96"},
};
#define GOLDEN (sizeof golden / sizeof golden[0])

/* What differs from the base experiment so that a method is used. */
static void text_with(enum method_kind kind, const char *name, char *text, size_t size)
{
    const char *data = "{synthetic: gaussian_least_squares, n: 26, d: 11}", *more = "";
    const char *problem = "least_squares", *sampler = "with_replacement", *update = "sgd", *averager = "last";
    char schedule[160] = "{type: constant, rate: 0.05}";
    switch (kind) {
    case METHOD_PROBLEM:
        problem = name;
        switch (((const struct problem_type *)registry_find(METHOD_PROBLEM, name, NULL))->task) {
        case TASK_BINARY:
            data = "{synthetic: logistic_model, n: 26, d: 11}";
            break;
        case TASK_MULTICLASS:
            data = "digits";
            break;
        case TASK_REGRESSION:
            break;
        }
        if (strcmp(name, "lasso") == 0)
            more = ", l1: 0.01";
        if (strcmp(name, "mlp") == 0)
            more = ", hidden: [7, 5]";
        break;
    case METHOD_SAMPLER:
        sampler = name;
        break;
    case METHOD_SCHEDULE: {
        const struct schedule_type *type = (const struct schedule_type *)registry_find(METHOD_SCHEDULE, name, NULL);
        int length = snprintf(schedule, sizeof schedule, "{type: %s", name);
        for (size_t i = 0; i < type->method.param_count; i++) /* every required parameter, and a rate */
            if (type->method.params[i].required || strcmp(type->method.params[i].name, "rate") == 0)
                length +=
                    snprintf(schedule + length, sizeof schedule - (size_t)length, ", %s: %s",
                             type->method.params[i].name, type->method.params[i].kind == PARAM_COUNT ? "7" : "0.5");
        snprintf(schedule + length, sizeof schedule - (size_t)length, "%s}",
                 strcmp(name, "step") == 0 ? ", every: 20" : "");
        break;
    }
    case METHOD_UPDATE:
        update = name;
        break;
    case METHOD_AVERAGER:
        averager = name;
        break;
    default:
        cr_assert(0);
    }
    const bool momentum = strcmp(update, "sgd") != 0;
    snprintf(text, size,
             "problem: {type: %s, data: %s, l2: 0.1, start: {gaussian: 0.5}%s}\nbudget: {steps: 75}\n"
             "sampling: %s\nbatch_size: 3\nschedule: %s\nupdate: {type: %s%s}\naveraging: %s\nreplicates: 2\n"
             "record: {points: 9, metrics: [loss, grad_norm2, norm2]}\n",
             problem, data, more, sampler, schedule, update, momentum ? ", momentum: 0.8" : "", averager);
}

static void digest_of(const char *text, char hex[17])
{
    struct sweep *sweep = must_open(text);
    struct run_config config = cell_of(sweep, 0);
    struct sha256_ctx sha;
    uint8_t hash[SHA256_DIGEST_SIZE];
    sha256_init(&sha);
    for (uint64_t replicate = 0; replicate < 2; replicate++) {
        struct run_request request = {.config = &config, .seed = 3, .replicate = replicate};
        struct run_result result;
        struct error error;
        cr_assert(block_run(&request, 1, LAYOUT_AUTO, NULL, &result, &error) == STATUS_OK, "%s", error.message);
        for (size_t m = 0; m < METRIC_COUNT; m++)
            if (result.metric[m])
                sha256_update(&sha, result.points * sizeof(double), (const uint8_t *)result.metric[m]);
        run_result_free(&result);
    }
    sha256_digest(&sha, sizeof hash, hash);
    for (size_t i = 0; i < 8; i++)
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    sweep_close(sweep);
}

static const struct golden *find(enum method_kind kind, const char *name)
{
    for (size_t i = 0; i < GOLDEN; i++)
        if (golden[i].kind == kind && strcmp(golden[i].name, name) == 0)
            return &golden[i];
    return NULL;
}

Test(golden, bits_change_only_with_a_revision)
{
    static const enum method_kind kinds[] = {METHOD_PROBLEM, METHOD_SAMPLER, METHOD_SCHEDULE, METHOD_UPDATE,
                                             METHOD_AVERAGER};
    static const char *const words[] = {"METHOD_PROBLEM", "METHOD_SAMPLER", "METHOD_SCHEDULE", "METHOD_UPDATE",
                                        "METHOD_AVERAGER"};
    size_t methods = 0;
    if (strcmp(kernel_family(), "fma") != 0)
        cr_skip_test("the written digests are those of processors with fused multiply-add");
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (size_t i = 0; i < registry_count(kinds[k]); i++) {
            const struct method *method = registry_at(kinds[k], i);
            const struct golden *line = find(kinds[k], method->name);
            char text[1000], hex[17];
            text_with(kinds[k], method->name, text, sizeof text);
            digest_of(text, hex);
            methods++;
            cr_expect(line && line->revision == method->revision && strcmp(line->digest, hex) == 0,
                      "%s %s: its bits are not those of revision %u; the line above, after its revision was "
                      "raised:\n    {%s, \"%s\", %u, \"%s\"},",
                      method_kind_name(kinds[k]), method->name, method->revision, words[k], method->name,
                      line && line->revision == method->revision ? method->revision + 1 : method->revision, hex);
        }
    cr_expect_eq(methods, GOLDEN, "%zu lines for %zu methods", GOLDEN, methods);
}
