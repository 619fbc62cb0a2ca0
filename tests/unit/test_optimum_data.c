/* The certified optimum on the data that ship: every problem that experiments ask for is certified, and the optima agree
 * with values computed elsewhere (scikit-learn and scipy; tests/cli/optimum_peers.sh does that anew where they are
 * installed). */
#include "optimum_fixture.h"

TestSuite(optimum_data, .init = fixture_init);

static struct dataset *open_data(const char *name, const char *positive, enum task task)
{
    struct error error = {0};
    struct dataset *data;
    const struct data_spec spec = {.name = name,
                                   .positive = positive,
                                   .task = task,
                                   .intercept = YES,
                                   .standardize = strcmp(name, "heart_scale") ? YES : NO,
                                   .data_seed = 1};
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
