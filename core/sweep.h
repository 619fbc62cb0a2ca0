/* From one YAML experiment to cells: a cell is one point of the Cartesian product, resolved into a struct run_config.
 * The YAML is checked strictly (unknown key: file, line, column, the valid keys, the nearest); every value passes the
 * parameter tables. */
#ifndef SGDLAB_SWEEP_H
#define SGDLAB_SWEEP_H

#include "config.h"
#include "engine.h"
#include "laws/check.h"

struct sweep;

struct sweep_options {
    const char *text;       /* the experiment, NULL: read it from path */
    const char *profile;    /* NULL: none; a name that the file does not define is not an error for quick and full */
    const char *const *set; /* KEY=V[,V...] overrides, applied last; several values make KEY a sweep axis */
    size_t set_count;
    long replicates; /* < 0: as in the file */
    bool has_seed;
    uint64_t seed;
    struct data_search search;
};

/* Reads and checks the whole file, opens its data sets, counts cells. path names it in errors and gives the default
 * name. Data sets and references
 * are opened once each and shared by all cells. */
enum status sweep_open(const char *path, const struct sweep_options *options, struct sweep **out, struct error *error);
void sweep_close(struct sweep *sweep);

const char *sweep_name(const struct sweep *sweep); /* `experiment:`, else the file's stem */
const char *sweep_question(const struct sweep *sweep);
const char *sweep_text(const struct sweep *sweep); /* the YAML text as read */
size_t sweep_cells(const struct sweep *sweep);
size_t sweep_replicates(const struct sweep *sweep);
uint64_t sweep_seed(const struct sweep *sweep);
enum keep sweep_keep(const struct sweep *sweep);
/* The units of a cell that are planned, done, stored and keyed as one: unit u is replicate u, or under keep: moments
 * the sweep_unit_chains replicates from GROUP_CHAINS u on (the last group may be short). */
size_t sweep_units(const struct sweep *sweep);
uint64_t sweep_unit_first(const struct sweep *sweep, size_t unit);
size_t sweep_unit_chains(const struct sweep *sweep, size_t unit);
size_t sweep_figure_count(const struct sweep *sweep);
const char *sweep_figure(const struct sweep *sweep, size_t index); /* canonical JSON of one entry of `figures:` */
size_t sweep_axis_count(const struct sweep *sweep);
const char *sweep_axis(const struct sweep *sweep, size_t axis); /* dotted path: "batch_size", "schedule.rate", ... */

/* The configuration of cell 0 <= i < sweep_cells, in the order of the file (last axis fastest). Borrowed members live
 * as long as the sweep. About a microsecond: cells are resolved when needed, not stored. */
enum status sweep_cell(const struct sweep *sweep, size_t cell, struct run_config *out, struct error *error);

/* One entry of `laws:`, checked. */
struct law_type;
struct law_entry {
    const struct law_type *type;
    enum verdict expected;
    const char *note, *instance;       /* "": none */
    double margin_value, margin_slope; /* the entry's own, else those of `margins:`, else 0.02 */
    struct param_values values;        /* of the law's table */
};
size_t sweep_law_count(const struct sweep *sweep);
const struct law_entry *sweep_law(const struct sweep *sweep, size_t index);
/* Does the entry speak of that cell (`where:`)? */
bool sweep_law_applies(const struct sweep *sweep, size_t index, size_t cell);

/* Solves the references (certified optima) of all problems of the sweep that are not solved yet, in parallel. Until
 * then run_config.reference is NULL. An optimum that can't be certified is one that does not exist, with that reason.
 */
enum status sweep_solve_references(struct sweep *sweep, struct error *error);

/* The canonical text of a cell: JSON with sorted keys, numbers that round-trip, of everything that determines its
 * numbers (ignored parameters dropped; data checksum, method revisions and kernel family included; seed and replicate
 * not: a run's key always has them, also where neither sampler nor start is random). Caller frees. */
char *cell_json(const struct run_config *config);

/* Keys: the first 128 bits of SHA-256 over the canonical text; a run's key also covers seed and replicate, a group's
 * its first replicate and the number of its chains. */
struct key {
    uint8_t byte[16];
};
struct key cell_key(const char *json);
struct key run_key(struct key cell, uint64_t seed, uint64_t replicate);
struct key group_key(struct key cell, uint64_t seed, uint64_t first, uint64_t chains);

/* One cell's columns as runs.csv and summary.csv show them. */
struct cell_columns {
    char problem[128], data[128], sampling[48], schedule[64], update[48], averaging[64];
    size_t n, d, batch_size;
    double rate, momentum, l2;
    uint64_t steps;
};
void cell_columns(const struct run_config *config, struct cell_columns *out);

/* A plan: the runs still to do, packed into blocks. */
struct planned_block {
    size_t first, count; /* entries of plan.run */
    enum block_layout layout;
    double cost; /* planned_cost */
};
struct planned_run {
    uint32_t cell, unit;
};
struct plan {
    struct planned_run *run;
    size_t run_count;
    struct planned_block *block;
    size_t block_count;
    double cost;
};
/* All runs of the sweep are packed into blocks of falling cost; block after block is dealt to the shard (1-based shard
 * of shards) with the least cost so far, so that the split depends on the sweep and the number of shards alone; then
 * runs that are not wanted any more (already stored) are dropped from the blocks and empty blocks go. wanted NULL: all
 * are; it is asked once about each run. Of cells that mean the same (equal cell_json) only the first is planned. Runs
 * that share a lane (they differ in the averager alone) stand side by side. Compatible cells are found by sorting
 * signatures, never by comparing pairs: a million runs in seconds, within 100 bytes a run. */
enum status plan_make(const struct sweep *sweep, size_t shard, size_t shards,
                      bool (*wanted)(void *context, size_t cell, size_t unit), void *context, struct plan *plan,
                      struct error *error);
/* block_cost of a block with that many lanes; a group of chains runs as many blocks as it needs. */
double planned_cost(const struct sweep *sweep, const struct run_config *config, size_t lanes, enum block_layout layout,
                    size_t unit);
void plan_free(struct plan *plan);

#endif
