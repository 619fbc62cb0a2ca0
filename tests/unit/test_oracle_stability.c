/* Stationary state, stability limits and decay of the second moment against the recursion itself, closed forms and
 * simulation of single chains. */
#include "oracle_scene.h"

enum { DIM = 5, SAMPLES = 60 };
static const double START[DIM] = {1, -1, 0.5, 2, -0.5}, KAPPAS[] = {1, 0.25, 0.02};
enum { KAPPA_COUNT = 3 };

static double limit(const struct oracle *o, double kappa)
{
    double eta_max = NAN;
    MUST(oracle_stability_limit(o, kappa, &eta_max, &error));
    return eta_max;
}

static double decay(const struct oracle *o, double kappa, double eta)
{
    double rho = NAN;
    MUST(oracle_decay(o, kappa, eta, &rho, &error));
    return rho;
}

static void steps(struct oracle_state *state, double eta, size_t count)
{
    for (size_t t = 0; t < count; t++)
        oracle_step(state, eta);
}

/* The fixed point is where the recursion stands still and where it ends; it gets there at the rate rho. */
Test(oracle_stability, fixed_point)
{
    for (size_t penalty = 0; penalty < 3; penalty++) {
        struct scene s;
        scene_open(&s, SAMPLES, DIM, 5, penalty ? 0.3 : 0, penalty == 2);
        for (size_t k = 0; k < KAPPA_COUNT; k++)
            for (double share = 0.1; share < 0.95; share += 0.4) {
                const double eta = share * limit(s.oracle, KAPPAS[k]), rho = decay(s.oracle, KAPPAS[k], eta);
                double m[DIM * DIM], before = 0, after = 0;
                struct oracle_state *state;
                MUST(oracle_fixed_point(s.oracle, KAPPAS[k], eta, m, &error));
                MUST(oracle_state_open(s.oracle, KAPPAS[k], START, false, &state, &error));

                memcpy(state->m, m, sizeof m);
                memset(state->mu, 0, DIM * sizeof *state->mu);
                oracle_step(state, eta);
                cr_expect(lt(dbl, distance(DIM * DIM, state->m, m), 1e-13));

                for (size_t j = 0; j < DIM; j++) /* from elsewhere, without the mean's own mode */
                    state->m[j * DIM + j] += 100;
                steps(state, eta, (size_t)(log(1e-4) / log(rho)));
                for (size_t j = 0; j < DIM * DIM; j++)
                    before = fmax(before, fabs(state->m[j] - m[j]));
                steps(state, eta, 10);
                for (size_t j = 0; j < DIM * DIM; j++)
                    after = fmax(after, fabs(state->m[j] - m[j]));
                EXPECT_CLOSE(pow(after / before, 0.1), rho, 0.01);
                oracle_state_close(state);

                MUST(oracle_state_open(s.oracle, KAPPAS[k], START, false, &state, &error));
                const double slowest = fmax(rho, 1 - eta * s.oracle->convexity);
                steps(state, eta, (size_t)(log(1e-18) / log(slowest)));
                cr_expect(lt(dbl, distance(DIM * DIM, state->m, m), 1e-11), "penalty %zu kappa %g share %g: %g",
                          penalty, KAPPAS[k], share, distance(DIM * DIM, state->m, m));
                oracle_state_close(state);
            }
        scene_close(&s);
    }
}

/* Leading order of the floor: eta kappa tr(C)/4. */
Test(oracle_stability, floor_at_small_rates)
{
    struct scene s;
    double m[DIM * DIM], trace = 0;
    scene_open(&s, SAMPLES, DIM, 5, 0, false);
    for (size_t j = 0; j < DIM; j++)
        trace += s.oracle->c[j * DIM + j];
    double previous = 1;
    for (double share = 0.01; share > 1e-6; share /= 10) {
        const double eta = share * limit(s.oracle, 0.5);
        double gap = 0;
        MUST(oracle_fixed_point(s.oracle, 0.5, eta, m, &error));
        for (size_t j = 0; j < DIM * DIM; j++)
            gap += 0.5 * s.oracle->h[j] * m[j];
        const double excess = gap / (0.25 * eta * 0.5 * trace) - 1;
        cr_expect(gt(dbl, excess, 0));
        cr_expect(lt(dbl, excess, previous == 1 ? 0.02 : 0.11 * previous)); /* linear in eta */
        previous = excess;
    }
    scene_close(&s);
}

/* a ~ N(0, lambda I): 2m/(lambda (m + d + 1)) for the population; a large sample is near. */
Test(oracle_stability, isotropic_gaussian)
{
    enum { POPULATION = 100000, WIDE = 4 };
    struct scene s;
    scene_data(&s, POPULATION, WIDE, 1, 0, false);
    for (size_t k = 0; k < POPULATION * s.data.train.stride; k++)
        s.data.train.value[k] *= sqrt(2);
    MUST(oracle_open(&s.problem, &s.oracle, &error));
    for (double m = 1; m < 2000; m *= 4)
        EXPECT_CLOSE(limit(s.oracle, 1 / m), 2 * m / (2 * (m + WIDE + 1)), 0.015);
    scene_close(&s);
}

/* One dimension: 2 H / ((1 - kappa) H^2 + kappa T), H = mean a^2, T = mean a^4. */
Test(oracle_stability, one_dimension)
{
    struct scene s;
    scene_open(&s, 20, 1, 1, 0, false);
    double h = 0, t = 0, c = 0, m = 0;
    for (size_t i = 0; i < 20; i++) {
        const double a2 = s.oracle->a[i] * s.oracle->a[i];
        h += a2 / 20;
        t += a2 * a2 / 20;
        c += s.oracle->residual[i] * s.oracle->residual[i] * a2 / 20;
    }
    for (size_t k = 0; k < KAPPA_COUNT; k++) {
        const double kappa = KAPPAS[k], growth = (1 - kappa) * h * h + kappa * t, eta = h / growth;
        EXPECT_CLOSE(limit(s.oracle, kappa), 2 * h / growth, 1e-13);
        EXPECT_CLOSE(decay(s.oracle, kappa, eta), 1 - 2 * eta * h + eta * eta * growth, 1e-12);
        MUST(oracle_fixed_point(s.oracle, kappa, eta, &m, &error));
        EXPECT_CLOSE(m, eta * kappa * c / (2 * h - eta * growth), 1e-13);
    }
    scene_close(&s);
}

Test(oracle_stability, the_limit)
{
    for (size_t penalty = 0; penalty < 3; penalty++) {
        struct scene s;
        scene_open(&s, SAMPLES, DIM, 5, penalty ? 0.3 : 0, penalty == 2);
        double previous = 0, m[DIM * DIM];
        for (size_t k = 0; k < KAPPA_COUNT; k++) {
            const double kappa = KAPPAS[k], eta_max = limit(s.oracle, kappa);
            cr_expect(gt(dbl, eta_max, previous)); /* less noise, larger rates */
            cr_expect(lt(dbl, eta_max, 2 / s.oracle->smoothness));
            previous = eta_max;
            EXPECT_CLOSE(decay(s.oracle, kappa, eta_max), 1.0, 1e-12);
            cr_expect(lt(dbl, decay(s.oracle, kappa, 0.999 * eta_max), 1));
            cr_expect(gt(dbl, decay(s.oracle, kappa, 1.001 * eta_max), 1));
            MUST(oracle_fixed_point(s.oracle, kappa, 0.999999 * eta_max, m, &error));
            for (size_t j = 0; j < DIM; j++)
                cr_expect(gt(dbl, m[j * DIM + j], 0));
            MUST_FAIL(oracle_fixed_point(s.oracle, kappa, 1.000001 * eta_max, m, &error), STATUS_NUMERICAL,
                      "mean-square limit");
            struct oracle_state *state;
            MUST(oracle_state_open(s.oracle, kappa, START, false, &state, &error));
            const double start = oracle_gap(state);
            while (oracle_gap(state) < 1e6 * start && state->step < 100000)
                oracle_step(state, 1.02 * eta_max);
            cr_expect(ge(dbl, oracle_gap(state), 1e6 * start));
            oracle_state_close(state);
        }
        EXPECT_CLOSE(limit(s.oracle, 0), 2 / s.oracle->smoothness, 1e-12);
        EXPECT_CLOSE(limit(s.oracle, 1e-7), 2 / s.oracle->smoothness, 1e-5);
        MUST_FAIL(oracle_fixed_point(s.oracle, 1, 0, m, &error), STATUS_USAGE, "positive");
        scene_close(&s);
    }
}

/* One dimension: the zero of E ln|1 - eta a^2| above the mean-square limit, within five standard errors of the sample
 * of products; without noise 2/L. */
Test(oracle_stability, almost_sure_limit)
{
    enum { STEPS = 200000, COUNT = 20 };
    struct scene s;
    double eta_as = NAN;
    scene_data(&s, COUNT, 1, 1, 0.2, false);
    for (size_t i = 0; i < COUNT; i++) /* 1/(a_i^2 + l2) below the limit: one zero above it */
        s.data.train.value[i * s.data.train.stride] = 1 + 0.5 * (double)i / COUNT;
    MUST(oracle_open(&s.problem, &s.oracle, &error));
    double low = limit(s.oracle, 1), high = 4 * low, slope = 0, variance = 0;
    while (high - low > 1e-12) {
        const double eta = 0.5 * (low + high);
        double mean = 0;
        slope = variance = 0;
        for (size_t i = 0; i < COUNT; i++) {
            const double curvature = s.oracle->a[i] * s.oracle->a[i] + 0.2, factor = 1 - eta * curvature;
            mean += log(fabs(factor)) / COUNT;
            slope -= curvature / factor / COUNT;
            variance += log(fabs(factor)) * log(fabs(factor)) / COUNT;
        }
        *(mean > 0 ? &high : &low) = eta;
    }
    const double se = sqrt(variance / STEPS) / slope;
    cr_assert(gt(dbl, slope, 0));
    cr_assert(lt(dbl, se, 0.005 * low));
    for (uint64_t seed = 1; seed < 4; seed++) {
        MUST(oracle_almost_sure_limit(s.oracle, 1, true, seed, STEPS, &eta_as, &error));
        EXPECT_WITHIN(eta_as, low, 5 * se);
    }
    const double again = eta_as;
    MUST(oracle_almost_sure_limit(s.oracle, 1, true, 3, STEPS, &eta_as, &error));
    cr_expect(eq(dbl, eta_as, again));
    MUST(oracle_almost_sure_limit(s.oracle, COUNT, false, 1, 100, &eta_as, &error));
    EXPECT_CLOSE(eta_as, 2 / s.oracle->smoothness, 1e-6);
    MUST_FAIL(oracle_almost_sure_limit(s.oracle, COUNT + 1, false, 1, 100, &eta_as, &error), STATUS_USAGE, "1 to 20");
    MUST_FAIL(oracle_almost_sure_limit(s.oracle, 0, true, 1, 100, &eta_as, &error), STATUS_USAGE, "1 to 20");
    MUST_FAIL(oracle_almost_sure_limit(s.oracle, 1, true, 1, 0, &eta_as, &error), STATUS_USAGE, "steps");
    scene_close(&s);
}

/* ln |e_T|/|e_0| of one plain chain without noise in b, from other random numbers. */
static double chain_growth(const struct oracle *o, size_t m, bool with_replacement, double eta, size_t count,
                           gsl_rng *rng)
{
    const size_t d = o->d;
    double v[DIM], total = 0;
    size_t index[SAMPLES];
    for (size_t j = 0; j < d; j++)
        v[j] = START[j];
    for (size_t i = 0; i < o->n; i++)
        index[i] = i;
    for (size_t t = 0; t < count; t++) {
        double product[DIM * DIM] = {0}, next[DIM] = {0}, norm = 0;
        if (!with_replacement)
            gsl_ran_shuffle(rng, index, o->n, sizeof *index);
        for (size_t k = 0; k < m; k++) {
            const size_t i = with_replacement ? gsl_rng_uniform_int(rng, o->n) : index[k];
            for (size_t p = 0; p < d * d; p++)
                product[p] += o->a[i * d + p / d] * o->a[i * d + p % d] / (double)m;
        }
        for (size_t p = 0; p < d; p++) {
            next[p] = v[p];
            for (size_t q = 0; q < d; q++)
                next[p] -= eta * product[p * d + q] * v[q];
            norm += next[p] * next[p];
        }
        total += 0.5 * log(norm);
        for (size_t p = 0; p < d; p++)
            v[p] = next[p] / sqrt(norm);
    }
    return total;
}

/* Single chains shrink below that rate and grow above it, beyond the mean-square limit. */
Test(oracle_stability, chains_around_the_almost_sure_limit)
{
    static const size_t sizes[] = {1, 4, 4};
    struct scene s;
    scene_open(&s, SAMPLES, DIM, 5, 0, false);
    gsl_rng *rng = scene_rng(3);
    for (size_t k = 0; k < 3; k++) {
        const bool with_replacement = k < 2;
        double eta_as = NAN;
        const double eta_max = limit(s.oracle, oracle_kappa(SAMPLES, sizes[k], with_replacement));
        MUST(oracle_almost_sure_limit(s.oracle, sizes[k], with_replacement, 1, 50000, &eta_as, &error));
        cr_expect(gt(dbl, eta_as, 1.02 * eta_max));
        cr_expect(lt(dbl, eta_as, 1.6 * eta_max));
        cr_expect(lt(dbl, chain_growth(s.oracle, sizes[k], with_replacement, 0.96 * eta_as, 50000, rng), 0));
        cr_expect(gt(dbl, chain_growth(s.oracle, sizes[k], with_replacement, 1.04 * eta_as, 50000, rng), 0));
    }
    gsl_rng_free(rng);
    scene_close(&s);
}
