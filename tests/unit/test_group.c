/* Groups of chains: the moments of the very runs that single blocks make, in any layout, beside any neighbours and
 * however often a block is used again; the same through runner and store. */
#include <gsl/gsl_statistics_double.h>

#include "engine_fixture.h"
#include "group.h"
#include "runner.h"
#include "stats.h"
#include "store_read.h"
#include "sweep_fixture.h"

enum { CELLS_MAX = 12 };

/* Moments by their definition, of the chains that had not diverged, in the order of the chains. */
static struct moments moments_of(const double *value, size_t count)
{
    struct moments m = {.count = count};
    double shift = 0;
    for (size_t i = 0; i < count; i++)
        shift += value[i] - value[0];
    m.mean = count ? value[0] + shift / (double)count : 0;
    for (size_t i = 0; i < count; i++) {
        const double e = value[i] - m.mean, square = e * e;
        m.m2 += square;
        m.m3 += square * e;
        m.m4 += square * square;
    }
    return m;
}

static bool same_double(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

/* One cell's group against the single runs of its chains. */
static void check_group(const struct run_request *request, uint64_t first, size_t chains,
                        const struct group_result *got, const char *what)
{
    struct run_result run[GROUP_CHAINS] = {0};
    struct run_request own = *request;
    uint64_t diverged = 0, diverged_at = UINT64_MAX;
    for (size_t c = 0; c < chains; c++) {
        own.replicate = first + c;
        MUST(block_run(&own, 1, LAYOUT_AUTO, NULL, &run[c], ERROR));
        if (run[c].outcome == OUTCOME_DIVERGED) {
            diverged++;
            diverged_at = run[c].diverged_at < diverged_at ? run[c].diverged_at : diverged_at;
        }
    }
    cr_expect(got->chains == chains && got->diverged == diverged, "%s: %llu of %llu diverged", what,
              (unsigned long long)got->diverged, (unsigned long long)got->chains);
    cr_expect(!diverged || got->diverged_at == diverged_at, "%s", what);
    cr_assert(got->points == request->config->grid->count, "%s", what);
    for (int m = 0; m < METRIC_COUNT; m++) {
        cr_assert(!got->metric[m] == !run[0].metric[m], "%s: %s", what, metric_info[m].name);
        for (size_t p = 0; got->metric[m] && p < got->points; p++) {
            double value[GROUP_CHAINS];
            size_t count = 0;
            for (size_t c = 0; c < chains; c++)
                if (p < run[c].points)
                    value[count++] = run[c].metric[m][p];
            const struct moments want = moments_of(value, count);
            const double *at = got->metric[m] + p;
            const size_t plane = got->points;
            cr_assert(got->count[p] == count, "%s: %zu chains at point %zu", what, count, p);
            cr_assert(same_double(at[0], want.mean) && same_double(at[plane], want.m2) &&
                          same_double(at[2 * plane], want.m3) && same_double(at[3 * plane], want.m4),
                      "%s: %s at point %zu: mean %.17g, by hand %.17g; m2 %.17g, %.17g", what, metric_info[m].name, p,
                      at[0], want.mean, at[plane], want.m2);
            if (count > 1 && want.m2 > 0)
                cr_assert(fabs(gsl_stats_variance(value, 1, count) * (double)(count - 1) - want.m2) <=
                              1e-12 * (want.m2 + want.mean * want.mean),
                          "%s: variance", what);
        }
    }
    results_free(run, chains);
}

struct cells {
    struct dataset data;
    struct record_grid grid;
    struct reference reference;
    size_t count;
    struct run_config config[CELLS_MAX];
    struct run_request request[CELLS_MAX];
};

/* Cells that differ in their rates; the last of each four diverges for some replicates or all. */
static void cells_open(struct cells *s, struct shape shape, size_t count, double diverging)
{
    const struct kernel_set *set = kernels_active();
    memset(s, 0, sizeof *s);
    fixture_data(shape, 5, &s->data);
    MUST(record_grid_make(90, 9, SPACING_LOG, &s->grid, ERROR));
    s->count = count;
    for (size_t i = 0; i < count; i++) {
        struct run_config *c = &s->config[i];
        *c = plain_config(set, &s->data, &s->grid);
        c->keep = KEEP_MOMENTS;
        c->start = (struct start){.kind = START_GAUSSIAN, .scale = 0.5};
        c->schedule.values.scalar[0] = i % 4 == 3 ? diverging : 0.05 * (double)(1 + i);
        if (i == 0)
            fixture_reference(&c->problem, 5, &s->reference);
        c->reference = &s->reference;
        s->request[i] = (struct run_request){.config = c, .seed = 77};
    }
}

static void cells_close(struct cells *s)
{
    free(s->reference.x);
    record_grid_free(&s->grid);
    fixture_data_free(&s->data);
}

/* Several groups from one block, a short one between, the first one twice. */
static void check_cells(struct cells *s, enum block_layout layout, const char *what)
{
    static const struct {
        uint64_t first;
        size_t chains;
    } group[] = {{0, 64}, {128, 64}, {192, 37}, {256, 1}, {64, 32}, {0, 64}};
    struct group_block *block;
    MUST(group_block_open(s->request, s->count, layout, &block, ERROR));
    for (size_t g = 0; g < sizeof group / sizeof *group; g++) {
        const struct group_result *result;
        char name[128];
        MUST(group_block_run(block, group[g].first, group[g].chains, NULL, &result, ERROR));
        for (size_t i = 0; i < s->count; i++) {
            snprintf(name, sizeof name, "%s, cell %zu, group %zu", what, i, g);
            check_group(&s->request[i], group[g].first, group[g].chains, &result[i], name);
        }
    }
    group_block_close(block);
}

static const struct shape small = {.n = 40, .d = 5, .task = TASK_REGRESSION};

Test(group, chains_beside_each_other)
{
    struct cells s;
    cells_open(&s, small, 1, 0);
    check_cells(&s, LAYOUT_STREAM_PER_LANE, "streams");
    s.config[0].sampler = method_named(METHOD_SAMPLER, "reshuffle");
    s.config[0].batch_size = 3;
    check_cells(&s, LAYOUT_STREAM_PER_LANE, "streams, reshuffle");
    cells_close(&s);
}

Test(group, averagers_share_the_chains)
{
    struct cells s;
    cells_open(&s, small, 3, 0);
    for (size_t i = 1; i < 3; i++) {
        s.config[i] = s.config[0];
        set_averager(i == 1 ? "uniform" : "tail", 0.5, &s.config[i]);
    }
    check_cells(&s, LAYOUT_STREAM_PER_LANE, "averagers, streams");
    check_cells(&s, LAYOUT_SHARED_STREAM, "averagers, one stream");
    cells_close(&s);
}

/* Rates at which some chains leave, and all. */
Test(group, diverged_chains)
{
    for (int all = 0; all < 2; all++) {
        struct cells s;
        const struct group_result *result;
        struct group_block *block;
        cells_open(&s, small, 4, all ? 1e3 : 2.9);
        s.config[0] = s.config[3];
        s.count = 1;
        check_cells(&s, LAYOUT_STREAM_PER_LANE, "diverging, streams");
        MUST(group_block_open(s.request, 1, LAYOUT_STREAM_PER_LANE, &block, ERROR));
        MUST(group_block_run(block, 0, 64, NULL, &result, ERROR));
        cr_expect(all ? result->diverged == 64 : result->diverged > 0 && result->diverged < 64, "%llu diverged",
                  (unsigned long long)result->diverged);
        cr_expect(!all || (result->count[8] == 0 && same_double(result->metric[METRIC_LOSS][8], 0)));
        group_block_close(block);
        cells_close(&s);
    }
}

Test(group, cells_over_one_stream)
{
    struct cells s;
    cells_open(&s, small, CELLS_MAX, 2.9);
    check_cells(&s, LAYOUT_SHARED_STREAM, "one stream");
    cells_close(&s);
}

Test(group, sparse_and_lazy)
{
    struct cells s;
    struct shape shape = small;
    shape.d = 30;
    shape.nonzeros = 4;
    cells_open(&s, shape, 5, 40);
    cr_assert(config_is_lazy(&s.config[0]));
    check_cells(&s, LAYOUT_SHARED_STREAM, "lazy");
    cells_close(&s);
}

Test(group, momentum_and_mean_gap)
{
    struct cells s;
    cells_open(&s, small, 2, 0);
    for (size_t i = 0; i < 2; i++) {
        set_update(kernels_active(), "heavy_ball", 0.5, 0, &s.config[i]);
        s.config[i].metrics |= 1u << METRIC_MEAN_GAP;
    }
    check_cells(&s, LAYOUT_SHARED_STREAM, "heavy ball, one stream");
    s.count = 1;
    check_cells(&s, LAYOUT_STREAM_PER_LANE, "heavy ball, streams");
    cells_close(&s);
}

Test(group, workers_of_local_sgd)
{
    struct cells s;
    cells_open(&s, small, 1, 0);
    s.config[0].local_workers = 3;
    s.config[0].sync_every = 4;
    check_cells(&s, LAYOUT_AUTO, "local SGD");
    cells_close(&s);
}

Test(group, stops_when_asked)
{
    struct cells s;
    struct group_block *block;
    const struct group_result *result;
    struct error error;
    atomic_bool stop = true;
    cells_open(&s, small, 1, 0);
    MUST(group_block_open(s.request, 1, LAYOUT_STREAM_PER_LANE, &block, ERROR));
    cr_expect(group_block_run(block, 0, 64, &stop, &result, &error) == STATUS_INTERRUPTED);
    atomic_store(&stop, false);
    MUST(group_block_run(block, 0, 64, &stop, &result, ERROR));
    check_group(&s.request[0], 0, 64, result, "after a stop");
    group_block_close(block);
    cells_close(&s);
}

/* ---- runner and store ---- */

#define SMALL_SWEEP                                                                                                    \
    "experiment: small\n" NO_SCHEDULE "record: {points: 7, metrics: [loss, gap, x1]}\n"                                \
    "sweep:\n  batch_size: [1, 4]\n  averaging: [last, uniform]\n"                                                     \
    "  schedule: {type: constant, rate: [0.05, 0.1, 3]}\n"

struct place {
    char dir[32];
    struct store *store;
};

static struct place place_open(void)
{
    struct place place = {.dir = "group_XXXXXX"};
    cr_assert(mkdtemp(place.dir) != NULL);
    MUST(store_open(place.dir, STORE_CREATE, &place.store, ERROR));
    return place;
}

static void place_close(struct place *place)
{
    char command[64];
    MUST(store_close(place->store, ERROR));
    snprintf(command, sizeof command, "rm -rf -- '%s'", place->dir);
    cr_assert(system(command) == 0);
}

static struct progress run_sweep(struct place *place, const char *keep, long replicates, struct runner_options options)
{
    const char *set[] = {keep};
    struct sweep_options open = {.replicates = replicates, .set = set, .set_count = 1};
    struct sweep *sweep = must_open_with(SMALL_SWEEP, &open);
    struct progress final;
    if (options.shards == 0)
        options.shard = options.shards = 1;
    MUST(runner_run(sweep, place->store, "{}", &options, &final, ERROR));
    sweep_close(sweep);
    return final;
}

static void check_stored_cell(struct place *runs, struct place *moments, int64_t cell_of_runs,
                              const struct stored_cell *cell, uint64_t replicates, int64_t mark[2])
{
    struct stored_moments got;
    struct stored_run run = {0};
    MUST(store_read_moments(moments->store, mark[1], cell->id, 1, replicates, &got, ERROR));
    cr_assert(got.points == cell->points && got.groups == (replicates + GROUP_CHAINS - 1) / GROUP_CHAINS);
    cr_assert_eq(got.chains, replicates);
    uint64_t diverged = 0;
    for (size_t g = 0; g < got.groups; g++) {
        const uint64_t first = g * GROUP_CHAINS;
        const size_t chains = replicates - first < GROUP_CHAINS ? replicates - first : GROUP_CHAINS;
        double *value = zeroed(METRIC_COUNT * got.points * GROUP_CHAINS, sizeof *value);
        size_t *count = zeroed(got.points, sizeof *count);
        cr_assert_eq(got.group_chains[g], chains);
        for (uint64_t r = first; r < first + chains; r++) {
            bool found;
            MUST(store_read_run(runs->store, mark[0], cell_of_runs, 1, r, &run, &found, ERROR));
            cr_assert(found && run.replicate == r);
            diverged += run.outcome == OUTCOME_DIVERGED;
            for (size_t p = 0; p < run.points; p++, count[p - 1]++)
                for (int m = 0; m < METRIC_COUNT; m++)
                    if (run.metric[m])
                        value[((size_t)m * got.points + p) * GROUP_CHAINS + count[p]] = run.metric[m][p];
        }
        for (int m = 0; m < METRIC_COUNT; m++) {
            cr_assert(!got.metric[m] == !run.metric[m]);
            for (size_t p = 0; got.metric[m] && p < got.points; p++) {
                const struct moments *at = &got.metric[m][g * got.points + p];
                const struct moments want = moments_of(value + ((size_t)m * got.points + p) * GROUP_CHAINS, count[p]);
                cr_assert(at->count == want.count && got.count[g * got.points + p] == want.count);
                cr_assert(same_double(at->mean, want.mean) && same_double(at->m2, want.m2) &&
                              same_double(at->m3, want.m3) && same_double(at->m4, want.m4),
                          "%s of group %zu, point %zu", metric_info[m].name, g, p);
            }
        }
        free(count);
        free(value);
    }
    cr_assert_eq(got.diverged, diverged);
    stored_moments_free(&got);
    stored_run_free(&run);
}

Test(group, stored_moments_are_those_of_stored_runs)
{
    enum { REPLICATES = 150 };
    struct place runs = place_open(), moments = place_open();
    struct progress a = run_sweep(&runs, "keep=runs", REPLICATES, (struct runner_options){.threads = 2});
    struct progress b = run_sweep(&moments, "keep=moments", REPLICATES, (struct runner_options){.threads = 2});
    cr_expect(a.runs_done == b.runs_done && b.runs_done == 12 * REPLICATES, "progress counts chains");
    cr_expect(a.diverged == b.diverged && b.diverged > 0);

    struct stored_experiment *list[2];
    size_t count;
    int64_t mark[2];
    MUST(store_read_experiments(runs.store, &list[0], &count, ERROR));
    MUST(store_read_experiments(moments.store, &list[1], &count, ERROR));
    MUST(store_mark(runs.store, &mark[0], ERROR));
    MUST(store_mark(moments.store, &mark[1], ERROR));
    struct stored_cell cell[2] = {{0}, {0}};
    for (uint64_t position = 0; position < 12; position++) {
        for (int i = 0; i < 2; i++) {
            bool found;
            struct place *place = i ? &moments : &runs;
            MUST(store_read_cell(place->store, list[i]->id, position, &cell[i], &found, ERROR));
            cr_assert(found && cell[i].position == position);
            cr_expect_eq(cell[i].keep, i ? KEEP_MOMENTS : KEEP_RUNS);
        }
        check_stored_cell(&runs, &moments, cell[0].id, &cell[1], REPLICATES, mark);
    }
    struct run_counts counts;
    MUST(store_count_runs(moments.store, list[1], &counts, ERROR));
    cr_expect(counts.finished + counts.diverged == 12 * REPLICATES && counts.diverged == b.diverged);
    for (int i = 0; i < 2; i++) {
        stored_cell_free(&cell[i]);
        stored_experiments_free(list[i], 1);
    }
    place_close(&runs);
    place_close(&moments);
}

/* A plan of more replicates takes the full groups over and does the short one again, as a full one. */
Test(group, more_replicates_keep_full_groups)
{
    struct place place = place_open(), fresh = place_open();
    struct runner_options options = {.threads = 1};
    cr_expect_eq(run_sweep(&place, "keep=moments", 100, options).runs_done, 1200);
    struct progress final = run_sweep(&place, "keep=moments", 200, options);
    cr_expect_eq(final.runs_before, 12 * 64);
    cr_expect_eq(final.runs_done, 12 * 136);
    run_sweep(&fresh, "keep=moments", 200, options);

    struct stored_experiment *list[2];
    size_t count;
    int64_t mark[2];
    MUST(store_mark(place.store, &mark[0], ERROR));
    MUST(store_mark(fresh.store, &mark[1], ERROR));
    MUST(store_read_experiments(place.store, &list[0], &count, ERROR));
    MUST(store_read_experiments(fresh.store, &list[1], &count, ERROR));
    struct run_counts counts;
    MUST(store_count_runs(place.store, list[0], &counts, ERROR));
    cr_expect_eq(counts.finished + counts.diverged, 2400, "the short groups of the first plan do not count");
    struct stored_cell cell[2] = {{0}, {0}};
    struct stored_moments moments[2];
    for (int i = 0; i < 2; i++) {
        bool found;
        struct store *store = i ? fresh.store : place.store;
        MUST(store_read_cell(store, list[i]->id, 3, &cell[i], &found, ERROR));
        MUST(store_read_moments(store, mark[i], cell[i].id, 1, 200, &moments[i], ERROR));
    }
    cr_assert(moments[0].groups == 4 && moments[1].groups == 4 && moments[0].group_chains[1] == 64);
    cr_expect(memcmp(moments[0].metric[METRIC_GAP], moments[1].metric[METRIC_GAP],
                     4 * moments[0].points * sizeof(struct moments)) == 0);
    /* And back: the short group is there still. */
    cr_expect_eq(run_sweep(&place, "keep=moments", 100, options).runs_done, 0);
    for (int i = 0; i < 2; i++) {
        stored_moments_free(&moments[i]);
        stored_cell_free(&cell[i]);
        stored_experiments_free(list[i], 1);
    }
    place_close(&place);
    place_close(&fresh);
}

Test(group, threads_and_shards_do_not_matter)
{
    struct place one = place_open(), two = place_open(), part[3], joined = place_open();
    char digest[3][65];
    run_sweep(&one, "keep=moments", 300, (struct runner_options){.threads = 1});
    run_sweep(&two, "keep=moments", 300, (struct runner_options){.threads = 2});
    MUST(store_digest(one.store, digest[0], ERROR));
    MUST(store_digest(two.store, digest[1], ERROR));
    cr_expect_str_eq(digest[0], digest[1]);
    for (size_t i = 0; i < 3; i++) {
        part[i] = place_open();
        struct runner_options options = {.threads = 1, .shard = i + 1, .shards = 3};
        cr_expect_lt(run_sweep(&part[i], "keep=moments", 300, options).runs_done, 12 * 300);
        MUST(store_merge(joined.store, part[i].dir, ERROR));
        MUST(store_merge(joined.store, part[i].dir, ERROR));
    }
    MUST(store_digest(joined.store, digest[2], ERROR));
    cr_expect_str_eq(digest[0], digest[2]);
    cr_expect_eq(run_sweep(&joined, "keep=moments", 300, (struct runner_options){.threads = 1}).runs_done, 0);
    place_close(&one);
    place_close(&two);
    place_close(&joined);
    for (size_t i = 0; i < 3; i++)
        place_close(&part[i]);
}

Test(group, keys_tell_what_is_kept)
{
    struct sweep *runs = must_open(BASE), *moments = must_open(BASE "keep: moments\n");
    struct run_config a = cell_of(runs, 0), b = cell_of(moments, 0);
    char *first = cell_json(&a), *second = cell_json(&b);
    cr_expect(strstr(first, "keep") == NULL);
    cr_expect(strstr(second, "\"keep\":{\"group\":64,\"type\":\"moments\"}") != NULL, "%s", second);
    struct key cell = cell_key(second), full = group_key(cell, 1, 64, 64), brief = group_key(cell, 1, 64, 36);
    cr_expect(memcmp(&full, &brief, sizeof full) != 0, "a short group is not the full one");
    free(first);
    free(second);
    sweep_close(runs);
    sweep_close(moments);
}
