/* The certified optimum on the data that ship: every problem that experiments ask for is certified, and the optima
 * agree with values computed elsewhere (scikit-learn and scipy: tests/cli/optimum_peers.sh does it anew where they are
 * installed). */
#include "optimum_fixture.h"

TestSuite(optimum_data, .init = fixture_init);

static struct dataset *open_data(const char *name, const char *positive, enum task task)
{
    struct error error = {0};
    struct dataset *data;
    const struct data_spec spec = {
        .name = name, .positive = positive, .task = task, .intercept = YES, .standardize = YES, .data_seed = 1};
    const struct data_search search = {.data_dir = SGDLAB_TEST_SOURCE_DIR "/experiments/data"};
    enum status status = dataset_open(&spec, &search, &data, &error);
    cr_assert(status == STATUS_OK, "%s", error.message);
    return data;
}

struct expected {
    enum loss loss;
    double l1, l2, radius, f;
};

static void check_data(const char *name, const char *positive, enum task task, size_t count,
                       const struct expected *expected)
{
    struct dataset *data = open_data(name, positive, task);
    for (size_t k = 0; k < count; k++) {
        const struct expected *e = &expected[k];
        struct scene s = {.data = *data};
        s.problem = (struct problem){
            .type = &loss_types[e->loss], .data = &s.data, .l1 = e->l1, .l2 = e->l2, .radius = e->radius};
        const struct reference *r = scene_solve(&s);
        cr_assert(within(r->f, e->f, 1e-8 * e->f), "%s %zu: %.17g", name, k, r->f);
        reference_free(s.reference);
    }
    dataset_close(data);
}

Test(optimum_data, diabetes)
{
    static const struct expected expected[] = {
        {SQUARES, 0.0, 0.0, INFINITY, 1429.84817379337}, {SQUARES, 0.0, 0.1, INFINITY, 1517.54020610874},
        {SQUARES, 0.0, 0.0, 50.0, 7384.6716400132},      {SQUARES, 2.0, 0.0, INFINITY, 1620.59971171916},
        {SQUARES, 0.5, 0.1, INFINITY, 1563.6834525765},  {ABSOLUTE, 0.0, 0.0, INFINITY, 43.0415006858779},
        {ABSOLUTE, 0.2, 0.0, INFINITY, 57.4178640415331}};
    check_data("diabetes", NULL, TASK_REGRESSION, sizeof expected / sizeof expected[0], expected);
}

Test(optimum_data, breast_cancer)
{
    static const struct expected expected[] = {{LOGISTIC, 0.0, 1e-3, INFINITY, 0.0598279372710895},
                                               {HINGE, 0.01, 0.0, INFINITY, 0.115879707232873},
                                               {HINGE, 0.0, 0.0, INFINITY, 0.0}};
    check_data("breast_cancer", NULL, TASK_BINARY, sizeof expected / sizeof expected[0], expected);
    struct dataset *data = open_data("breast_cancer", NULL, TASK_BINARY);
    struct scene s = {.data = *data};
    s.problem = (struct problem){.type = &loss_types[LOGISTIC], .data = &s.data, .radius = INFINITY};
    scene_solve_none(&s, "linearly separable");
    reference_free(s.reference);
    dataset_close(data);
}

Test(optimum_data, heart_scale)
{
    static const struct expected expected[] = {{LOGISTIC, 0.0, 0.0, INFINITY, 0.332588448713659},
                                               {LOGISTIC, 0.0, 0.0, 1.0, 0.374837529608787},
                                               {HINGE, 0.0, 0.0, INFINITY, 0.332752084984075}};
    check_data("heart_scale", NULL, TASK_BINARY, sizeof expected / sizeof expected[0], expected);
}

/* Two constant columns and the intercept: rank 62 of 65; and one digit against the others separates but for ties. */
Test(optimum_data, digits)
{
    static const struct expected expected[] = {{SQUARES, 0.0, 0.0, INFINITY, 0.0879041539299269},
                                               {LOGISTIC, 0.0, 1e-3, INFINITY, 0.0813556428876485},
                                               {HINGE, 0.0, 1e-3, INFINITY, 0.0694243812174368},
                                               {HINGE, 0.0, 0.0, INFINITY, 0.0636841302200819}};
    check_data("digits", "8", TASK_BINARY, sizeof expected / sizeof expected[0], expected);
    struct dataset *data = open_data("digits", "8", TASK_BINARY);
    struct scene s = {.data = *data};
    s.problem = (struct problem){.type = &loss_types[LOGISTIC], .data = &s.data, .radius = INFINITY};
    scene_solve_none(&s, "quasi-complete");
    reference_free(s.reference);
    dataset_close(data);
}
