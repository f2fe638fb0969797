/* Composite: a derived view compiled: which views it reads for its features, and what of them.
 *
 *     bases      the views with values of their own (stream, batch), each once
 *     cells      features of bases that are needed, each once
 *     steps      on-demand views, computed of cells
 *     outputs    each feature of the derived view: a cell, or a result of a step
 *
 * Immutable, in the arena of its catalog. Thread: any. */
#ifndef ASOF_QUERY_COMPOSITE_H
#define ASOF_QUERY_COMPOSITE_H

#include "query/catalog.h"

struct composite_base {
    const struct readable *readable;
    bool has_all_keys;  /* its entity is that of the derived view, key by key */
    const size_t *keys; /* else: of each of its keys, which one of the derived view's it is */
};

struct composite_cell {
    uint32_t base;    /* index into bases */
    uint32_t feature; /* index into the features of that view */
};

struct composite_step {
    const struct readable *readable; /* of the on-demand view */
    const uint32_t *cells;           /* one an input of that view: index into cells */
};

struct composite_output {
    bool is_computed;
    uint32_t cell;    /* where not: index into cells */
    uint32_t step;    /* else: index into steps, */
    uint32_t feature; /* and into the features of that view */
};

struct composite {
    const struct composite_base *bases;
    size_t bases_count;
    const struct composite_cell *cells;
    size_t cells_count;
    const struct composite_step *steps;
    size_t steps_count;
    const struct composite_output *outputs; /* one a feature of the derived view */
};

/* Makes the composites of all derived views that lack nothing. */
void composites_make(struct catalog *catalog);

#endif
