/* Canonical texts and keys: what means the same has the same key, what does not has another, and none ever changes. */
#include <ctype.h>

#include "sweep_fixture.h"

/* The canonical text of the only cell of BASE and more; freed by the caller. */
static char *json_of(const char *text)
{
    struct sweep *sweep = must_open(text);
    cr_assert_eq(sweep_cells(sweep), 1, "%s", text);
    struct run_config config = cell_of(sweep, 0);
    char *json = cell_json(&config);
    cr_assert_not_null(json);
    sweep_close(sweep);
    return json;
}

static bool same(const char *a, const char *b)
{
    char *left = json_of(a), *right = json_of(b);
    bool equal = strcmp(left, right) == 0;
    struct key x = cell_key(left), y = cell_key(right);
    cr_expect_eq(memcmp(&x, &y, sizeof x) == 0, equal);
    free(left);
    free(right);
    return equal;
}

#define EXPECT_SAME(a, b)      cr_expect(same(a, b), "differ:\n%s\n%s", a, b)
#define EXPECT_DIFFERENT(a, b) cr_expect(!same(a, b), "same:\n%s\n%s", a, b)
#define LS(more)               "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 100, d: 4}" more "}\n"
#define RUN                    "budget: {steps: 50}\nschedule: {type: constant, rate: 0.1}\n"

Test(key, what_has_no_effect_is_dropped)
{
    EXPECT_SAME(BASE "sampling: full\nbatch_size: 1\n", BASE "sampling: full\nbatch_size: n/4\n");
    EXPECT_SAME(BASE "sampling: full\nlast_batch: drop\n", BASE "sampling: full\n");
    EXPECT_SAME(BASE "last_batch: drop\n", BASE);
    EXPECT_SAME(BASE "sampling: reshuffle\nbatch_size: 20\nlast_batch: drop\n",
                BASE "sampling: reshuffle\nbatch_size: 20\n");
    EXPECT_SAME(BASE "sampling: reshuffle\nbatch_size: 100\n", BASE "sampling: reshuffle\nbatch_size: 1000\n");
    EXPECT_SAME(BASE "momentum: 0\n", BASE);
    EXPECT_SAME(BASE "update: {type: heavy_ball, momentum: 0}\n", BASE "update: sgd\n");
    EXPECT_SAME(BASE "update: {type: nesterov, momentum: 0}\n", BASE "update: sgd\n");
    EXPECT_SAME(BASE "update: {type: heavy_ball, momentum: 0.9, dampening: 0}\n", BASE "momentum: 0.9\n");
    EXPECT_SAME(NO_SCHEDULE "schedule: {type: constant, rate: 0.1, warmup: {steps: 0}}\n", BASE);
    EXPECT_SAME(NO_SCHEDULE "schedule: {type: constant, rate: 0.1, warmup: 1}\n", BASE);
    EXPECT_SAME(BASE "clip: none\n", BASE);
    EXPECT_SAME(BASE "clip: {norm: none, each: sample}\n", BASE);
    EXPECT_SAME(BASE "local: {workers: 1, sync_every: 9}\n", BASE);
    EXPECT_SAME(LS(", l1_form: subgradient") RUN, BASE);
    EXPECT_SAME(LS(", penalize_intercept: true, l2: 1") RUN, LS(", l2: 1") RUN);
    EXPECT_SAME(LS(", intercept: true, penalize_intercept: true") RUN, LS(", intercept: true") RUN);
    EXPECT_SAME(LS(", start: {gaussian: 0}") RUN, BASE);
    EXPECT_SAME(LS(", radius: none") RUN, BASE);
    EXPECT_SAME(BASE "record: {metrics: [gap, loss]}\n", BASE "record: {metrics: [loss, gap]}\n");
    EXPECT_SAME(BASE "experiment: x\nquestion: y\nreplicates: 3\nseed: 9\nfigures: [schedule]\n", BASE);
    EXPECT_SAME(BASE "averaging: {type: tail, fraction: 0.5}\n", BASE "averaging: tail\n");
    EXPECT_SAME(NO_SCHEDULE "schedule: {type: inverse_time, c: 3, t0: 10}\n",
                NO_SCHEDULE "schedule: {type: inverse_time, rate: 0.3, t0: 10}\n");
}

Test(key, the_way_of_writing_does_not_matter)
{
    EXPECT_SAME(PROBLEM "budget: {epochs: 0.5}\nschedule: {rate: 1.0e-1, type: constant}\n", BASE);
    EXPECT_SAME(PROBLEM "budget: {samples: 50}\nschedule: {type: constant, rate: .1}\n", BASE);
    EXPECT_SAME(BASE "batch_size: n/4\n", BASE "batch_size: 25\n");
    EXPECT_SAME(BASE "batch_size: n/4\n", BASE "sweep:\n  batch_size: [25]\n");
    EXPECT_SAME(BASE "sweep:\n  momentum: [0.9]\n", BASE "sweep:\n  update: [{type: heavy_ball, momentum: 0.9}]\n");
    EXPECT_SAME(NO_SCHEDULE "sweep:\n  schedule: {type: constant, rate: {logspace: [0.1, 1, 1]}}\n", BASE);
}

Test(key, what_has_an_effect_is_kept)
{
    static const char *const others[] = {
        BASE "batch_size: 2\n",
        BASE "sampling: reshuffle\n",
        BASE "sampling: subset\n",
        BASE "sampling: reshuffle\nbatch_size: 30\n",
        BASE "sampling: reshuffle\nbatch_size: 30\nlast_batch: drop\n",
        BASE "sampling: full\n",
        BASE "momentum: 0.9\n",
        BASE "update: {type: nesterov, momentum: 0.9}\n",
        BASE "update: {type: heavy_ball, momentum: 0.9, dampening: 0.1}\n",
        BASE "update: {type: heavy_ball, momentum: 0, dampening: 0.1}\n",
        BASE "averaging: uniform\n",
        BASE "averaging: tail\n",
        BASE "averaging: {type: tail, fraction: 0.25}\n",
        BASE "clip: {norm: 1, each: sample}\n",
        BASE "clip: {norm: 1}\n",
        BASE "clip: {norm: 2}\n",
        BASE "local: {workers: 2}\n",
        BASE "local: {workers: 2, sync_every: 3}\n",
        BASE "record: {points: 10}\n",
        BASE "record: {spacing: linear}\n",
        BASE "record: {metrics: [loss]}\n",
        BASE "timing: solo\n",
        BASE "independent_over: [batch_size]\n",
        BASE "data_seed: 2\n",
        PROBLEM "budget: {steps: 51}\nschedule: {type: constant, rate: 0.1}\n",
        NO_SCHEDULE "schedule: {type: constant, rate: 0.1, warmup: 2}\n",
        NO_SCHEDULE "schedule: {type: constant, rate: 0.10000000000000002}\n",
        NO_SCHEDULE "schedule: {type: linear, rate: 0.1}\n",
        NO_SCHEDULE "schedule: {type: step, rate: 0.1, breaks: [3]}\n",
        NO_SCHEDULE "schedule: {type: step, rate: 0.1, breaks: [3, 4]}\n",
        LS(", l2: 1") RUN,
        LS(", l1: 1") RUN,
        LS(", l1: 1, l1_form: subgradient") RUN,
        LS(", radius: 1") RUN,
        LS(", intercept: true") RUN,
        LS(", intercept: true, l2: 1") RUN,
        LS(", intercept: true, penalize_intercept: true, l2: 1") RUN,
        LS(", standardize: true") RUN,
        LS(", test_fraction: 0.2") RUN,
        LS(", test_fraction: 0.2, data_seed: 2") RUN,
        LS(", order: shuffled") RUN,
        LS(", order: sorted_by_label") RUN,
        LS(", start: {gaussian: 1}") RUN,
        LS(", start: optimum") RUN,
        LS(", start: {optimum: 1}") RUN,
        LS(", start: [1, 2, 3, 4]") RUN,
        "problem: {type: least_absolute_deviations, data: {synthetic: gaussian_least_squares, n: 100, d: 4}}\n" RUN,
        BASE "kind: estimator\n",
        BASE "kind: estimator\ndraws: 20\n",
        BASE "kind: estimator\nat: {type: gaussian, scale: 2}\n",
        BASE "kind: estimator\nat: {type: after, steps: 2}\n",
        BASE,
    };
    enum { COUNT = sizeof others / sizeof *others };
    char *json[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        json[i] = json_of(others[i]);
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < i; j++)
            cr_expect_str_neq(json[i], json[j], "same:\n%s\n%s", others[i], others[j]);
    for (size_t i = 0; i < COUNT; i++)
        free(json[i]);
}

Test(key, an_estimator_ignores_training)
{
    EXPECT_SAME(BASE "kind: estimator\n", PROBLEM "kind: estimator\nrecord: {points: 9}\naveraging: uniform\n");
    EXPECT_SAME(BASE "kind: estimator\nat: start\n", BASE "kind: estimator\nmomentum: 0.5\n");
    EXPECT_DIFFERENT(BASE "kind: estimator\nat: {type: after, steps: 9}\n",
                     BASE "kind: estimator\nat: {type: after, steps: 9}\nmomentum: 0.5\n");
}

/* Keys of every object, at every level, in alphabetical order: a reader of this one text form is enough. */
static const char *check_sorted(const char *at)
{
    char last[100] = "", key[100];
    bool object = *at == '{';
    for (at++; *at != '}' && *at != ']';) {
        if (object) {
            cr_assert_eq(sscanf(at, "\"%99[^\"]\":", key), 1, "%s", at);
            cr_expect_lt(strcmp(last, key), 0, "%s after %s", key, last);
            strcpy(last, key);
            at += strlen(key) + 3;
        }
        if (*at == '{' || *at == '[')
            at = check_sorted(at);
        else
            at += *at == '"' ? strcspn(at + 1, "\"") + 2 : strcspn(at, ",]}");
        at += *at == ',';
    }
    return at + 1;
}

Test(key, keys_are_sorted)
{
    char *json =
        json_of("problem: {type: lasso, data: {synthetic: gaussian_least_squares, n: 50, noise: 0.5}, l1: 0.1,\n"
                "  l1_form: subgradient, radius: 4, intercept: true, penalize_intercept: yes, standardize: true,\n"
                "  test_fraction: 0.2, order: shuffled, start: {gaussian: 0.3}}\n"
                "budget: {steps: 1000}\nsampling: reshuffle\nbatch_size: 16\nlast_batch: drop\n"
                "schedule: {type: step, rate: 0.5, factor: 0.2, breaks: [100, 200], warmup: {steps: 20}}\n"
                "update: {type: heavy_ball, momentum: 0.8, dampening: 0.1}\naveraging: {type: tail, fraction: "
                "0.25}\nclip: {norm: 2, each: sample}\nlocal: {workers: 4, sync_every: 8}\ntiming: solo\n"
                "independent_over: [batch_size]\n");
    const char *end = check_sorted(json);
    cr_expect_eq(*end, '\0');
    cr_expect(strstr(json, "\"breaks\":[100,200]"), "%s", json);
    free(json);
}

/* Same file, other name: the same run. */
Test(key, a_file_is_its_contents)
{
    static const char rest[] = ", l2: 0.5}\nbudget: {steps: 5}\nschedule: {type: constant, rate: 0.1}\n";
    char a[300], b[300];
    write_file("first.csv", "a,y\n1,2\n2,1\n4,4\n");
    write_file("second.csv", "a,y\n1,2\n2,1\n4,4\n");
    snprintf(a, sizeof a, "problem: {type: least_squares, data: first.csv%s", rest);
    snprintf(b, sizeof b, "problem: {type: least_squares, data: second.csv%s", rest);
    EXPECT_SAME(a, b);
    snprintf(b, sizeof b, "problem: {type: least_squares, data: second.csv, data_seed: 7%s", rest);
    EXPECT_SAME(a, b); /* nothing is random about these data */
    write_file("second.csv", "a,y\n1,2\n2,1\n4,5\n");
    EXPECT_DIFFERENT(a, b);
    unlink("first.csv");
    unlink("second.csv");
}

static const char *hex(struct key key, char text[33])
{
    for (size_t i = 0; i < sizeof key.byte; i++)
        sprintf(text + 2 * i, "%02x", key.byte[i]);
    return text;
}

/* The text and the keys of two cells, written out. If they change, every stored result is orphaned: raise a revision of
 * what changed its numbers instead of editing these. */
Test(key, golden)
{
    char text[33];
    struct key fixed = cell_key("{}");
    cr_expect_str_eq(hex(fixed, text), "44136fa355b3678a1146ad16f7e8649e"); /* sha256sum of the two bytes */
    cr_expect_str_eq(hex(run_key(fixed, 1, 0), text), "48ec6ee63f8bf17d13a0c0ffbbe43484", "%s", text);
    cr_expect_str_eq(hex(run_key(fixed, UINT64_MAX, 258), text), "9582643bb954f5b43213b604ed6ee8c7", "%s", text);

    write_file("golden.csv", "a,b,y\n1,2,0.5\n2,1,1\n3,5,2\n4,4,0\n");
    char *json = json_of("problem: {type: least_squares, data: golden.csv, l2: 1e-3, test_fraction: 0.25}\n"
                         "budget: {epochs: 10}\nsampling: reshuffle\nbatch_size: 2\nmomentum: 0.9\naveraging: tail\n"
                         "schedule: {type: cosine, rate: 0.3, warmup: 5}\nrecord: {metrics: [loss, test_loss]}\n");
    unlink("golden.csv");
    char expected[2000];
    snprintf(
        expected, sizeof expected,
        "{\"averaging\":{\"fraction\":0.5,\"revision\":1,\"type\":\"tail\"},\"batch_size\":2,\"data\":{\"checksum\":"
        "\"9be5e03419575570e6a66edc860373b299694ecc65b9e9e7dd7bb9718a6ff844\",\"data_seed\":1,\"intercept\":true,"
        "\"standardize\":true,\"test_fraction\":0.25},\"kernel\":\"%s\",\"problem\":{\"l1\":0,\"l2\":0.001,"
        "\"revision\":2,\"type\":\"least_squares\"},\"record\":{\"metrics\":[\"loss\",\"test_loss\"],\"points\":60,"
        "\"spacing\":\"log\"},\"sampling\":{\"revision\":1,\"type\":\"reshuffle\"},\"schedule\":{\"rate\":0.3,"
        "\"revision\":1,\"type\":\"cosine\",\"warmup\":5},\"start\":\"zeros\",\"steps\":20,\"update\":{\"momentum\":0."
        "9,"
        "\"revision\":1,\"type\":\"heavy_ball\"}}",
        kernel_family());
    cr_expect_str_eq(json, expected, "%s", json);
    if (strcmp(kernel_family(), "fma") == 0)
        cr_expect_str_eq(hex(cell_key(json), text), "338202d4ef3b92184bf80ec18fd1c62e", "%s", text);
    free(json);
}

Test(key, runs_differ_by_seed_and_replicate)
{
    struct key cell = cell_key("x"), other = cell_key("y");
    struct key keys[] = {run_key(cell, 1, 0),  run_key(cell, 0, 1),   run_key(cell, 1, 1),
                         run_key(other, 1, 0), run_key(cell, 256, 0), cell};
    for (size_t i = 0; i < 6; i++)
        for (size_t j = 0; j < i; j++)
            cr_expect_neq(memcmp(&keys[i], &keys[j], sizeof cell), 0);
}

Test(key, columns)
{
    struct sweep *sweep = must_open(
        "problem: {type: lasso, data: {synthetic: gaussian_least_squares, n: 50, d: 3, noise: 0.5}, l1: 0.1, l2: 2,\n"
        "  order: shuffled, data_seed: 4}\nbudget: {steps: 1000}\nsampling: reshuffle\nbatch_size: 16\n"
        "schedule: {type: step, rate: 0.5, factor: 0.2, breaks: [100, 200], warmup: {steps: 20}}\n"
        "update: {type: heavy_ball, momentum: 0.8, dampening: 0.1}\naveraging: {type: tail, fraction: 0.25}\n");
    struct run_config config = cell_of(sweep, 0);
    struct cell_columns c;
    cell_columns(&config, &c);
    cr_expect_str_eq(c.problem, "lasso(l1=0.1)");
    cr_expect_str_eq(c.data, "gaussian_least_squares(n=50;d=3;noise=0.5;order=shuffled;data_seed=4)");
    cr_expect_str_eq(c.sampling, "reshuffle");
    cr_expect_str_eq(c.schedule, "step(factor=0.2;breaks=100-200;warmup=20)");
    cr_expect_str_eq(c.update, "heavy_ball(dampening=0.1)");
    cr_expect_str_eq(c.averaging, "tail(fraction=0.25)");
    cr_expect(c.n == 50 && c.d == 3 && c.batch_size == 16 && c.steps == 1000);
    cr_expect(c.rate == 0.5 && c.momentum == 0.8 && c.l2 == 2.0);
    sweep_close(sweep);
    sweep = must_open(BASE);
    config = cell_of(sweep, 0);
    cell_columns(&config, &c);
    cr_expect_str_eq(c.problem, "least_squares");
    cr_expect_str_eq(c.data, "gaussian_least_squares(n=100;d=4)");
    cr_expect_str_eq(c.schedule, "constant");
    cr_expect_str_eq(c.update, "sgd");
    cr_expect_str_eq(c.averaging, "last");
    cr_expect_eq(c.momentum, 0.0);
    sweep_close(sweep);
}
