/* The plan: which runs share a block. Cells are grouped by signatures; runs that differ in the averager alone share a
 * lane; lanes fill blocks, over one index stream where a replicate has enough of them, else with a stream each. */
#include <math.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "signature.h"
#include "sweep.h"

enum {
    VECTOR = 8,        /* lanes of one vector register: widths are multiples of it where possible */
    AVERAGES_MAX = 32, /* different averages that one block can keep */
};

/* One cell. The signatures order cells into groups inside groups; `first_` is the first cell of each group, so that the
 * order of the plan does not depend on the signatures' bits. */
struct planned_cell {
    struct signature streams, block, trajectory, averager;
    uint32_t first_streams, first_block, first_trajectory, cell;
};

struct planning {
    const struct sweep *sweep;
    struct planned_cell *entry;
    size_t entry_count, units;
    size_t most; /* lanes of a block */
    struct planned_run *run;
    bool *starts; /* does a lane begin with this run? */
    size_t run_count;
    struct planned_block *block;
    size_t block_count, block_room;
    struct error *error;
};

static int compare_signatures(const void *left, const void *right)
{
    const struct planned_cell *a = left, *b = right;
    int order = signature_compare(&a->streams, &b->streams);
    if (!order)
        order = signature_compare(&a->block, &b->block);
    if (!order)
        order = signature_compare(&a->trajectory, &b->trajectory);
    if (!order)
        order = signature_compare(&a->averager, &b->averager);
    return order ? order : (a->cell > b->cell) - (a->cell < b->cell);
}

static int compare_firsts(const void *left, const void *right)
{
    const struct planned_cell *a = left, *b = right;
    if (a->first_streams != b->first_streams)
        return a->first_streams < b->first_streams ? -1 : 1;
    if (a->first_block != b->first_block)
        return a->first_block < b->first_block ? -1 : 1;
    if (a->first_trajectory != b->first_trajectory)
        return a->first_trajectory < b->first_trajectory ? -1 : 1;
    return (a->cell > b->cell) - (a->cell < b->cell);
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* The first cell of every group, walking backwards so that a group's first entry collects the least, then forwards. */
static void find_firsts(struct planned_cell *entry, size_t count)
{
    for (size_t i = count; i-- > 0;) {
        struct planned_cell *e = &entry[i];
        e->first_streams = e->first_block = e->first_trajectory = e->cell;
        if (i + 1 == count || signature_compare(&e->streams, &e[1].streams) != 0)
            continue;
        e->first_streams = least(e->cell, e[1].first_streams);
        if (signature_compare(&e->block, &e[1].block) != 0)
            continue;
        e->first_block = least(e->cell, e[1].first_block);
        if (signature_compare(&e->trajectory, &e[1].trajectory) == 0)
            e->first_trajectory = least(e->cell, e[1].first_trajectory);
    }
    for (size_t i = 1; i < count; i++) {
        struct planned_cell *e = &entry[i], *before = &entry[i - 1];
        if (signature_compare(&e->streams, &before->streams) != 0)
            continue;
        e->first_streams = before->first_streams;
        if (signature_compare(&e->block, &before->block) != 0)
            continue;
        e->first_block = before->first_block;
        if (signature_compare(&e->trajectory, &before->trajectory) == 0)
            e->first_trajectory = before->first_trajectory;
    }
}

static int compare_averagers(const void *left, const void *right)
{
    return signature_compare(&((const struct planned_cell *)left)->averager,
                             &((const struct planned_cell *)right)->averager);
}

static void keep_node(void *node)
{
    (void)node;
}

/* Averages are numbered as they come; those beyond what one block can keep go to blocks of their own. first_streams
 * holds the number meanwhile. */
static enum status part_averages(struct planned_cell *entry, size_t count, struct error *error)
{
    void *tree = NULL;
    uint32_t known = 0;
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        struct planned_cell **found = tsearch(&entry[i], &tree, compare_averagers);
        if (!found) {
            status = error_memory(error, count * sizeof *entry, "a plan");
            break;
        }
        if (*found == &entry[i])
            entry[i].first_streams = known++;
        uint64_t part = (*found)->first_streams / AVERAGES_MAX;
        entry[i].streams.word[0] ^= part;
        entry[i].block.word[0] ^= part;
    }
    tdestroy(tree, keep_node);
    return status;
}

/* Sorted into groups, each run once. */
static enum status group_cells(struct planning *planning)
{
    size_t cells = sweep_cells(planning->sweep);
    struct planned_cell *entry = malloc(cells * sizeof *entry);
    if (!entry)
        return error_memory(planning->error, cells * sizeof *entry, "a plan");
    planning->entry = entry;
    for (size_t i = 0; i < cells; i++) {
        struct run_config config;
        enum status status = sweep_cell(planning->sweep, i, &config, planning->error);
        if (status != STATUS_OK)
            return status;
        entry[i] = (struct planned_cell){.streams = signature_block(&config, LAYOUT_STREAM_PER_LANE),
                                         .block = signature_block(&config, LAYOUT_SHARED_STREAM),
                                         .trajectory = signature_trajectory(&config),
                                         .averager = signature_averager(&config),
                                         .cell = (uint32_t)i};
    }
    enum status status = part_averages(entry, cells, planning->error);
    if (status != STATUS_OK)
        return status;
    qsort(entry, cells, sizeof *entry, compare_signatures);
    size_t count = 0;
    for (size_t i = 0; i < cells; i++)
        if (count == 0 || signature_compare(&entry[i].trajectory, &entry[count - 1].trajectory) != 0 ||
            signature_compare(&entry[i].averager, &entry[count - 1].averager) != 0)
            entry[count++] = entry[i];
    find_firsts(entry, count);
    qsort(entry, count, sizeof *entry, compare_firsts);
    planning->entry_count = count;
    return STATUS_OK;
}

/* ---- blocks ---- */

double planned_cost(const struct sweep *sweep, const struct run_config *config, size_t lanes, enum block_layout layout,
                    size_t unit)
{
    if (config->keep == KEEP_RUNS)
        return block_cost(config, lanes);
    const size_t chains = sweep_unit_chains(sweep, unit);
    if (layout != LAYOUT_STREAM_PER_LANE)
        return block_cost(config, lanes) * (double)chains;
    const size_t width = chains < LANES_MAX ? chains : LANES_MAX;
    return block_cost(config, width) * ceil((double)chains / (double)width);
}

static enum status open_block(struct planning *planning, enum block_layout layout, double cost)
{
    if (planning->block_count == planning->block_room) {
        size_t room = 2 * planning->block_room + 64;
        struct planned_block *bigger = realloc(planning->block, room * sizeof *bigger);
        if (!bigger)
            return error_memory(planning->error, room * sizeof *bigger, "a plan");
        planning->block = bigger;
        planning->block_room = room;
    }
    planning->block[planning->block_count++] =
        (struct planned_block){.first = planning->run_count, .layout = layout, .cost = cost};
    return STATUS_OK;
}

/* One lane joins the last block: the cells of one trajectory. */
static void put_lane(struct planning *planning, const struct planned_cell *entry, size_t cells, size_t unit)
{
    for (size_t i = 0; i < cells; i++) {
        planning->starts[planning->run_count] = i == 0;
        planning->run[planning->run_count++] = (struct planned_run){entry[i].cell, (uint32_t)unit};
        planning->block[planning->block_count - 1].count++;
    }
}

static size_t trajectory_length(const struct planned_cell *entry, size_t count)
{
    size_t length = 1;
    while (length < count && entry[length].first_trajectory == entry[0].first_trajectory)
        length++;
    return length;
}

/* Lanes put one after another into blocks of even width, in whole vectors. */
struct packing {
    size_t lanes, blocks, vectors, block, left;
    enum block_layout layout;
    const struct run_config *config;
    size_t unit; /* of the first lane */
};

static struct packing pack(const struct planning *planning, size_t lanes, enum block_layout layout,
                           const struct run_config *config, size_t unit)
{
    return (struct packing){.lanes = lanes,
                            .blocks = (lanes + planning->most - 1) / planning->most,
                            .vectors = (lanes + VECTOR - 1) / VECTOR,
                            .layout = layout,
                            .config = config,
                            .unit = unit};
}

static enum status next_lane(struct planning *planning, struct packing *packing)
{
    if (packing->left == 0) {
        size_t vectors = packing->vectors / packing->blocks + (packing->block < packing->vectors % packing->blocks);
        size_t width = vectors * VECTOR < packing->lanes ? vectors * VECTOR : packing->lanes;
        packing->block++;
        packing->left = width;
        packing->lanes -= width;
        double cost = planned_cost(planning->sweep, packing->config, width, packing->layout, packing->unit);
        enum status status = open_block(planning, packing->layout, cost);
        if (status != STATUS_OK)
            return status;
    }
    packing->left--;
    return STATUS_OK;
}

/* All lanes of a unit over one index stream (of a group: chain after chain). */
static enum status plan_shared(struct planning *planning, const struct planned_cell *entry, size_t count, size_t lanes,
                               const struct run_config *config)
{
    for (size_t unit = 0; unit < planning->units; unit++) {
        struct packing packing = pack(planning, lanes, LAYOUT_SHARED_STREAM, config, unit);
        for (size_t i = 0, length; i < count; i += length) {
            length = trajectory_length(&entry[i], count - i);
            enum status status = next_lane(planning, &packing);
            if (status != STATUS_OK)
                return status;
            put_lane(planning, &entry[i], length, unit);
        }
    }
    return STATUS_OK;
}

/* Groups whose chains are the lanes, a stream each: a trajectory has a block to itself. */
static enum status plan_chains(struct planning *planning, const struct planned_cell *entry, size_t count,
                               const struct run_config *config)
{
    for (size_t unit = 0; unit < planning->units; unit++) {
        for (size_t i = 0, length; i < count; i += length) {
            length = trajectory_length(&entry[i], count - i);
            double cost = planned_cost(planning->sweep, config, 1, LAYOUT_STREAM_PER_LANE, unit);
            enum status status = open_block(planning, LAYOUT_STREAM_PER_LANE, cost);
            if (status != STATUS_OK)
                return status;
            put_lane(planning, &entry[i], length, unit);
        }
    }
    return STATUS_OK;
}

/* Lanes of any replicate and stream group, a stream each. */
static enum status plan_streams(struct planning *planning, const struct planned_cell *entry, size_t count,
                                struct packing *packing)
{
    for (size_t unit = 0; unit < planning->units; unit++) {
        for (size_t i = 0, length; i < count; i += length) {
            length = trajectory_length(&entry[i], count - i);
            enum status status = next_lane(planning, packing);
            if (status != STATUS_OK)
                return status;
            put_lane(planning, &entry[i], length, unit);
        }
    }
    return STATUS_OK;
}

static enum status plan_alone(struct planning *planning, const struct planned_cell *entry, size_t count,
                              const struct run_config *config)
{
    for (size_t unit = 0; unit < planning->units; unit++) {
        for (size_t i = 0; i < count; i++) {
            double cost = planned_cost(planning->sweep, config, 1, LAYOUT_SHARED_STREAM, unit);
            enum status status = open_block(planning, LAYOUT_SHARED_STREAM, cost);
            if (status != STATUS_OK)
                return status;
            put_lane(planning, &entry[i], 1, unit);
        }
    }
    return STATUS_OK;
}

/* Cells of one block group, and how many different trajectories they have. */
static size_t block_group(const struct planned_cell *entry, size_t count, size_t *lanes)
{
    size_t length = 0;
    for (*lanes = 0; length < count && entry[length].first_block == entry[0].first_block; ++*lanes)
        length += trajectory_length(&entry[length], count - length);
    return length;
}

/* Cells that may share a block if every lane has its own stream; they fall into groups that may share one stream. */
static enum status plan_group(struct planning *planning, const struct planned_cell *entry, size_t count)
{
    struct run_config config;
    enum status status = sweep_cell(planning->sweep, entry[0].cell, &config, planning->error);
    if (status != STATUS_OK)
        return status;
    if (signature_alone(&config))
        return plan_alone(planning, entry, count, &config);
    /* Groups with too few lanes to fill a vector are pooled, if rows may be gathered and the pool fills one. */
    const bool streams = signature_streams(&config), chains = config.keep == KEEP_MOMENTS;
    size_t pooled = 0, lanes, length;
    for (size_t i = 0; i < count && streams; i += length) {
        length = block_group(&entry[i], count - i, &lanes);
        pooled += lanes < VECTOR ? lanes * planning->units : 0;
    }
    struct packing packing = pack(planning, pooled, LAYOUT_STREAM_PER_LANE, &config, 0);
    for (size_t i = 0; status == STATUS_OK && i < count; i += length) {
        length = block_group(&entry[i], count - i, &lanes);
        if (chains && streams && lanes < VECTOR)
            status = plan_chains(planning, &entry[i], length, &config);
        else if (!chains && lanes < VECTOR && pooled >= VECTOR)
            status = plan_streams(planning, &entry[i], length, &packing);
        else
            status = plan_shared(planning, &entry[i], length, lanes, &config);
    }
    return status;
}

static enum status plan_blocks(struct planning *planning, size_t most)
{
    planning->most = most;
    planning->run_count = planning->block_count = 0;
    enum status status = STATUS_OK;
    for (size_t i = 0, length; status == STATUS_OK && i < planning->entry_count; i += length) {
        length = 1;
        while (i + length < planning->entry_count &&
               planning->entry[i + length].first_streams == planning->entry[i].first_streams)
            length++;
        status = plan_group(planning, &planning->entry[i], length);
    }
    return status;
}

/* ---- shards and what is still wanted ---- */

static int compare_costs(const void *left, const void *right)
{
    const struct planned_block *a = left, *b = right;
    if (a->cost != b->cost)
        return a->cost > b->cost ? -1 : 1;
    return (a->first > b->first) - (a->first < b->first);
}

/* Each block goes to the shard with the least cost so far; blocks of other shards lose their runs. */
static enum status deal(struct planning *planning, size_t shard, size_t shards)
{
    if (shards <= 1)
        return STATUS_OK;
    double *cost = calloc(shards, sizeof *cost);
    if (!cost)
        return error_memory(planning->error, shards * sizeof *cost, "shards");
    for (size_t i = 0; i < planning->block_count; i++) {
        size_t to = 0;
        for (size_t j = 1; j < shards; j++)
            if (cost[j] < cost[to])
                to = j;
        cost[to] += planning->block[i].cost;
        if (to != shard - 1)
            planning->block[i].count = 0;
    }
    free(cost);
    return STATUS_OK;
}

/* The blocks' wanted runs, in the order of the blocks. */
static enum status gather(struct planning *planning, bool (*wanted)(void *, size_t, size_t), void *context,
                          struct plan *plan)
{
    size_t room = 0;
    for (size_t i = 0; i < planning->block_count; i++)
        room += planning->block[i].count;
    plan->run = malloc((room + 1) * sizeof *plan->run);
    if (!plan->run)
        return error_memory(planning->error, room * sizeof *plan->run, "a plan");
    plan->block = planning->block;
    planning->block = NULL;
    for (size_t i = 0; i < planning->block_count; i++) {
        struct planned_block block = plan->block[i];
        size_t first = plan->run_count, lanes = 0, before = 0;
        bool counted = false;
        for (size_t j = block.first; j < block.first + block.count; j++) {
            const struct planned_run *run = &planning->run[j];
            before += planning->starts[j];
            counted &= !planning->starts[j];
            if (wanted && !wanted(context, run->cell, run->unit))
                continue;
            lanes += !counted;
            counted = true;
            plan->run[plan->run_count++] = *run;
        }
        if (plan->run_count == first)
            continue;
        if (lanes < before) {
            struct run_config config;
            enum status status = sweep_cell(planning->sweep, plan->run[first].cell, &config, planning->error);
            if (status != STATUS_OK)
                return status;
            block.cost = planned_cost(planning->sweep, &config, lanes, block.layout, plan->run[first].unit);
        }
        block.first = first;
        block.count = plan->run_count - first;
        plan->cost += block.cost;
        plan->block[plan->block_count++] = block;
    }
    return STATUS_OK;
}

enum status plan_make(const struct sweep *sweep, size_t shard, size_t shards,
                      bool (*wanted)(void *context, size_t cell, size_t unit), void *context, struct plan *plan,
                      struct error *error)
{
    struct planning planning = {.sweep = sweep, .units = sweep_units(sweep), .error = error};
    *plan = (struct plan){0};
    if (shard < 1 || shard > shards)
        return error_set(error, STATUS_USAGE, "shard %zu of %zu does not exist: shards count from 1", shard, shards);
    enum status status = group_cells(&planning);
    if (status == STATUS_OK) {
        size_t runs = planning.entry_count * planning.units;
        planning.run = malloc(runs * sizeof *planning.run);
        planning.starts = malloc(runs * sizeof *planning.starts);
        if (!planning.run || !planning.starts)
            status = error_memory(error, runs * (sizeof *planning.run + 1), "a plan");
    }
    if (status == STATUS_OK)
        status = plan_blocks(&planning, LANES_MAX);
    /* Too few blocks to deal evenly: narrower ones. */
    for (size_t most = LANES_MAX / 2;
         status == STATUS_OK && shards > 1 && planning.block_count < 4 * shards && most >= VECTOR; most /= 2)
        status = plan_blocks(&planning, most);
    free(planning.entry);
    if (status == STATUS_OK) {
        qsort(planning.block, planning.block_count, sizeof *planning.block, compare_costs);
        status = deal(&planning, shard, shards);
    }
    if (status == STATUS_OK)
        status = gather(&planning, wanted, context, plan);
    free(planning.block);
    free(planning.starts);
    free(planning.run);
    if (status != STATUS_OK)
        plan_free(plan);
    return status;
}

void plan_free(struct plan *plan)
{
    free(plan->run);
    free(plan->block);
    *plan = (struct plan){0};
}
