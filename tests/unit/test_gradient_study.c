/* The study of gradients inside an epoch: against enumeration of all batches and orders, closed forms, and with faults
 * that it must see. */
#include "estimator_scene.h"
#include "laws/gradient_study.h"

static struct error error;

static struct epoch_sampling sampling_of(const char *name, size_t m)
{
    return (struct epoch_sampling){
        .type = method(METHOD_SAMPLER, name), .batch_size = m, .keep_last = true, .seed = 3, .group = 0};
}

static struct epoch_study study_of(const struct scene *s, const struct epoch_sampling *sampling, uint64_t epochs)
{
    struct epoch_study study;
    enum status status = gradient_study_epochs(&s->config.problem, s->start, sampling, epochs, &study, &error);
    cr_assert(status == STATUS_OK, "%s", error.message);
    return study;
}

Test(gradient_study, batches_of_an_epoch)
{
    static const char *const names[] = {"reshuffle", "shuffle_once"};
    static const size_t sizes[] = {1, 3, 4, 5};
    for (size_t p = 0; p < PROBLEMS; p++) {
        struct scene s;
        scene_open(&s, problems[p], 9, 2);
        s.config.problem.l2 = 0.5;
        struct exact e = exact_open(&s);
        double norm2 = 0, along = 0;
        for (size_t j = 0; j < 2; j++) {
            e.gradient[j] += j < problem_penalized(&s.config.problem) ? 0.5 * s.start[j] : 0;
            norm2 += e.gradient[j] * e.gradient[j];
        }
        for (size_t j = 0; j < 4; j++)
            along += e.gradient[j / 2] * e.sigma[j] * e.gradient[j % 2] / norm2;
        for (size_t k = 0; k < 8; k++) {
            const struct epoch_sampling sampling = sampling_of(names[k % 2], sizes[k / 2]);
            struct epoch_study study = study_of(&s, &sampling, 20000);
            EXPECT_CLOSE(study.covariance_predicted, -e.sigma2 / 8, 1e-12);
            EXPECT_CLOSE(study.along_predicted, -along / 8, 1e-12);
            cr_expect(study.batches == (9 + sizes[k / 2] - 1) / sizes[k / 2]);
            cr_expect(fabs(study.covariance - study.covariance_predicted) < 4.5 * study.covariance_se,
                      "%s %s m=%zu: %g +- %g, not %g", problems[p], names[k % 2], sizes[k / 2], study.covariance,
                      study.covariance_se, study.covariance_predicted);
            cr_expect(fabs(study.along - study.along_predicted) < 4.5 * study.along_se);
            cr_expect(study.covariance_se < 0.2 * fabs(study.covariance_predicted));
            cr_expect(study.deviation <= study.rounding && study.rounding < 1e-13 * e.largest * 9);
        }
        exact_close(&e);
        scene_close(&s);
    }
}

/* Two halves of an even number of samples deviate by opposite vectors. */
Test(gradient_study, halves)
{
    struct scene s;
    scene_open(&s, "least_squares", 10, 3);
    const struct epoch_sampling sampling = sampling_of("cyclic", 5);
    struct epoch_study study = study_of(&s, &sampling, 2);
    double a[3] = {0}, b[3] = {0}, g[3], product = 0;
    for (size_t i = 0; i < 10; i++) {
        sample_gradient(&s, i, g);
        for (size_t j = 0; j < 3; j++)
            *(i < 5 ? &a[j] : &b[j]) += g[j] / 5;
    }
    for (size_t j = 0; j < 3; j++)
        product -= (a[j] - b[j]) * (a[j] - b[j]) / 4;
    EXPECT_CLOSE(study.covariance, product, 1e-12);
    cr_expect(study.covariance_se == 0);
    const struct epoch_sampling whole = sampling_of("reshuffle", 10);
    study = study_of(&s, &whole, 2);
    cr_expect(study.batches == 1 && isnan(study.covariance) && study.deviation <= study.rounding);
    scene_close(&s);
}

/* An epoch without its short last batch, and a sampler that is not by epoch. */
Test(gradient_study, faults)
{
    struct scene s;
    struct epoch_study study;
    scene_open(&s, "logistic_regression", 10, 3);
    struct epoch_sampling sampling = sampling_of("reshuffle", 4);
    sampling.keep_last = false;
    study = study_of(&s, &sampling, 3);
    cr_expect(study.batches == 2 && study.deviation > 1e6 * study.rounding);
    sampling = sampling_of("with_replacement", 4);
    cr_expect(gradient_study_epochs(&s.config.problem, s.start, &sampling, 3, &study, &error) == STATUS_USAGE);
    sampling = sampling_of("reshuffle", 4);
    s.config.problem.l1 = 1;
    cr_expect(gradient_study_epochs(&s.config.problem, s.start, &sampling, 3, &study, &error) == STATUS_UNSUPPORTED);
    scene_close(&s);
}

/* All batches of six samples, by counting and by drawing; and samplers that leave some out or prefer some. */
Test(gradient_study, all_batches)
{
    static const struct {
        const char *sampler;
        size_t m, batches;
    } cases[] = {{"with_replacement", 1, 6}, {"with_replacement", 4, 1296},
                 {"subset", 1, 6},           {"subset", 3, 20},
                 {"subset", 4, 15},          {"subset", 6, 1},
                 {"reshuffle", 2, 15},       {"shuffle_once", 5, 6}};
    for (size_t p = 0; p < PROBLEMS; p++) {
        struct scene s;
        scene_open(&s, problems[p], 6, 2);
        s.config.problem.l2 = 0.5;
        for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
            const struct epoch_sampling sampling = sampling_of(cases[k].sampler, cases[k].m);
            struct batch_study study;
            cr_assert(gradient_study_batches(&s.config.problem, s.start, &sampling, &study, &error) == STATUS_OK);
            cr_expect(study.wanted == cases[k].batches && study.batches == study.wanted, "%s m=%zu: %zu batches",
                      cases[k].sampler, cases[k].m, study.batches);
            cr_expect(study.bias <= 1e-14 * study.largest && study.largest > 0.1);
            cr_expect(study.df == (double)study.wanted - 1);
            cr_expect(fabs(study.chi2 - study.df) <= 4.5 * sqrt(2 * study.df), "chi^2 = %g, df = %g", study.chi2,
                      study.df);
        }
        scene_close(&s);
    }
}

/* Samples 0 .. n-2 alone. */
static void draw_without_the_last(struct sampler *sampler, uint64_t first, size_t count, uint32_t *index,
                                  uint32_t *size)
{
    struct sampler fewer = *sampler;
    fewer.n--;
    ((const struct sampler_type *)method(METHOD_SAMPLER, "with_replacement"))->draw(&fewer, first, count, index, size);
}

/* Every batch is possible, but the first sample comes too often. */
static void draw_the_first_too_often(struct sampler *sampler, uint64_t first, size_t count, uint32_t *index,
                                     uint32_t *size)
{
    uint64_t word;
    ((const struct sampler_type *)method(METHOD_SAMPLER, "with_replacement"))->draw(sampler, first, count, index, size);
    rng_words(&sampler->stream, first + 1000, 1, &word);
    if (word % 4 == 0)
        index[0] = 0;
}

Test(gradient_study, faults_of_samplers)
{
    struct scene s;
    struct batch_study study;
    scene_open(&s, "least_squares", 6, 2);
    struct epoch_sampling sampling = sampling_of("with_replacement", 2);
    struct sampler_type type = *sampling.type;
    sampling.type = &type;
    type.draw = draw_without_the_last;
    cr_assert(gradient_study_batches(&s.config.problem, s.start, &sampling, &study, &error) == STATUS_OK);
    cr_expect(study.batches == 25 && study.wanted == 36 && study.bias > 1e-3 * study.largest);
    type.draw = draw_the_first_too_often;
    cr_assert(gradient_study_batches(&s.config.problem, s.start, &sampling, &study, &error) == STATUS_OK);
    cr_expect(study.batches == 36 && study.chi2 > study.df + 10 * sqrt(2 * study.df), "%g", study.chi2);
    scene_close(&s);
    scene_open(&s, "least_squares", 13, 2);
    sampling = sampling_of("subset", 2);
    cr_expect(gradient_study_batches(&s.config.problem, s.start, &sampling, &study, &error) == STATUS_UNSUPPORTED);
    cr_expect(gradient_study_countable(sampling.type, 6000, 1) == false);
    scene_close(&s);
}

/* The six parabolas as rows. */
static void six_open(struct scene *s)
{
    static const double a[] = {.5, 2, 1, 1.5, .7, 1.8}, c[] = {1, -1, .3, .8, -.6, .2};
    double weight = 0, moment = 0;
    scene_open(s, "least_squares", 6, 1);
    for (size_t i = 0; i < 6; i++) {
        s->data.train.value[i * s->data.train.stride] = sqrt(a[i]);
        s->data.y[i] = sqrt(a[i]) * c[i];
        weight += a[i];
        moment += a[i] * c[i];
    }
    s->start[0] = moment / weight + 1;
}

/* x after the order's first k samples, by the loop that anybody would write; next permutation in lexicographic order.
 */
static bool next_order(unsigned *order, size_t n)
{
    size_t i = n - 1, j = i;
    while (i > 0 && order[i - 1] >= order[i])
        i--;
    if (i == 0)
        return false;
    while (order[j] <= order[i - 1])
        j--;
    unsigned swap = order[i - 1];
    order[i - 1] = order[j];
    order[j] = swap;
    for (size_t k = 0; k < (n - i) / 2; k++) {
        swap = order[i + k];
        order[i + k] = order[n - 1 - k];
        order[n - 1 - k] = swap;
    }
    return true;
}

Test(gradient_study, bias_along_an_epoch)
{
    static const double a[] = {.5, 2, 1, 1.5, .7, 1.8}, c[] = {1, -1, .3, .8, -.6, .2}, eta = 0.01;
    struct scene s;
    unsigned order[] = {0, 1, 2, 3, 4, 5};
    double bias[6], expected[6] = {0}, sampled[6], se[6], slope, mean = 0, centre = 0;
    size_t orders = 0;
    six_open(&s);
    for (size_t i = 0; i < 6; i++) {
        mean += a[i] / 6;
        centre += a[i] * c[i] / 6;
    }
    do {
        double x = s.start[0];
        for (size_t k = 0; k < 6; k++) {
            double g = a[order[k]] * (x - c[order[k]]);
            expected[k] += g - (mean * x - centre);
            x -= eta * g;
        }
        orders++;
    } while (next_order(order, 6));
    cr_assert(orders == 720);
    cr_assert(gradient_study_epoch_bias(&s.config.problem, s.start, eta, bias, &error) == STATUS_OK);
    cr_assert(gradient_study_bias_slope(&s.config.problem, s.start, eta, &slope, &error) == STATUS_OK);
    const struct epoch_sampling sampling = sampling_of("reshuffle", 1);
    cr_assert(gradient_study_epoch_bias_sampled(&s.config.problem, s.start, eta, &sampling, 200000, sampled, se,
                                                &error) == STATUS_OK);
    for (size_t k = 0; k < 6; k++) {
        cr_expect(fabs(bias[k] - expected[k] / 720) < 1e-15, "%zu: %.17g, not %.17g", k, bias[k], expected[k] / 720);
        cr_expect(fabs(sampled[k] - bias[k]) < 4.5 * se[k], "%zu: %g +- %g", k, sampled[k], se[k]);
    }
    cr_expect(fabs(bias[0]) < 1e-16);
    EXPECT_CLOSE(bias[1], slope, 1e-12);        /* exact where a single quadratic step is taken */
    EXPECT_CLOSE(bias[5] / slope, 4.813, 1e-3); /* higher orders of eta: 0.004913 against 0.005102 */
    double small[6];
    cr_assert(gradient_study_epoch_bias(&s.config.problem, s.start, 1e-6, small, &error) == STATUS_OK);
    EXPECT_CLOSE(small[5], 5 * slope * (1e-6 / eta), 1e-4); /* slope is proportional to eta */
    scene_close(&s);
}

Test(gradient_study, too_many_orders)
{
    struct scene s;
    double bias[20];
    scene_open(&s, "linear_svm", 10, 2);
    cr_expect(gradient_study_epoch_bias(&s.config.problem, s.start, 0.1, bias, &error) == STATUS_UNSUPPORTED);
    cr_expect(gradient_study_bias_slope(&s.config.problem, s.start, 0.1, bias, &error) == STATUS_UNSUPPORTED);
    struct epoch_sampling sampling = sampling_of("reshuffle", 2);
    cr_expect(gradient_study_epoch_bias_sampled(&s.config.problem, s.start, 0.1, &sampling, 2, bias, bias, &error) ==
              STATUS_USAGE);
    scene_close(&s);
}
