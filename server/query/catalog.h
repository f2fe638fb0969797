/* Catalog: what can be read at a moment: a snapshot of the definitions, with a compiled plan and a
 * clock for each version. Immutable. The board is where all readers find the one in force.
 *
 * A catalog that was taken from the board is good as long as its reader holds its epoch.
 *
 * Thread: create and publish, the one that owns the board; look, any reader within its epoch. */
#ifndef ASOF_QUERY_CATALOG_H
#define ASOF_QUERY_CATALOG_H

#include "base/arena.h"
#include "base/epoch.h"
#include "base/status.h"
#include "model/source_time.h"
#include "registry/registry.h"

struct composite;
struct view_plan;

/* A version that can be read. */
struct readable {
    const struct view *view;            /* borrowed from the snapshot */
    const struct view_version *version; /* the same */
    struct view_plan *plan;             /* owned by the catalog; NULL of a derived view */
    enum source_clock clock;
    const struct source_time *time;    /* borrowed from the stream; NULL of a derived view */
    const struct composite *composite; /* of a derived view that lacks nothing, else NULL */
};

struct catalog {
    uint64_t number;                 /* no other catalog of the board has it */
    const struct registry *registry; /* borrowed */
    struct readable *readables;      /* owned; one a version of each view, by view and number */
    size_t readables_count;
    struct arena *arena; /* owned: composites */
};

/* Where the time of the source is; it outlives the catalog. */
typedef const struct source_time *(*find_time_fn)(void *context, struct bytes source);

struct catalog_board;

/* epoch is borrowed. Owned by the caller, destroyed behind its readers. */
struct catalog_board *catalog_board_create(struct epoch *epoch);
void catalog_board_destroy(struct catalog_board **board);

/* Makes a catalog of the snapshot the one in force, and returns when no reader holds the one before
 * it; the snapshot of that may be freed then. This one is borrowed until the next call. */
void catalog_publish(struct catalog_board *board, const struct registry *registry,
                     find_time_fn find_time, void *context);

/* The one in force; never NULL behind the first publish. */
const struct catalog *catalog_look(const struct catalog_board *board);

/* The plan and the clock of a version of this catalog. */
const struct readable *catalog_find(const struct catalog *catalog,
                                    const struct view_version *version);

#endif
