/* From a store, or from a plan, to what laws see: the experiment opened again from its stored text and settings, its
 * different cells, and their results as curves over replicates. */
#ifndef SGDLAB_LAW_INPUT_H
#define SGDLAB_LAW_INPUT_H

#include "laws/law.h"
#include "store_read.h"

struct law_results {
    char *name;
    struct sweep *sweep;
    bool owns_sweep;
    struct law_cell *cell; /* the different cells, in the order of the file */
    size_t cell_count;
    uint64_t replicates, seed;
    uint64_t wanted, there, failed; /* runs of the plan; those that are stored; those that failed */
    bool planned;
};

/* The sweep as it ran, opened again from what the store keeps of it; its references are not solved. The caller closes
 * it, also after an error (NULL: there is none). Errors as below. */
enum status law_sweep_open(const struct stored_experiment *experiment, const char *data_dir, struct sweep **out,
                           struct error *error);

/* Of one experiment of a store. data_dir: where data lie if not where the run found them; NULL: there. With wanted >
 * there the experiment is not finished: curves are those of the runs that are there. STATUS_NOT_FOUND: data are
 * missing; STATUS_INPUT: data or methods are not those that the results were made with. */
enum status law_results_read(struct store *store, const struct stored_experiment *experiment, const char *data_dir,
                             struct law_results **out, struct error *error);
/* Of a sweep that has not run; it stays the caller's. Solves its references. */
enum status law_results_plan(struct sweep *sweep, struct law_results **out, struct error *error);
void law_results_close(struct law_results *results); /* NULL is fine */

/* What entry `index` of the experiment's laws sees: the cells that it speaks of. Free input->cell with free; the rest
 * is borrowed. */
enum status law_input_make(const struct law_results *results, size_t index, struct law_input *input,
                           struct error *error);

#endif
