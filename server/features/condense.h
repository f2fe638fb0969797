/* Condense: makes the partials of an entity's chunks, from the newest back, in steps of bounded
 * work.
 *
 * What lies in one piece of events is made from these, all levels at once. A chunk that is larger,
 * or that a border between pieces cuts, is made from the partials in it, once there are those.
 *
 * 1. Only what the timeline shows at a step goes into what that step makes: between steps it may
 * change, as long as partials of chunks that change are deleted then.
 * 2. Chunks with fewer than CHUNK_EVENTS_MIN events have no partial.
 *
 * Thread: one at a time. */
#ifndef ASOF_FEATURES_CONDENSE_H
#define ASOF_FEATURES_CONDENSE_H

#include "features/chunk.h"
#include "features/features.h"

enum {
    CONDENSE_EVENTS_MAX = 2000,        /* of one step, */
    CONDENSE_CHUNK_EVENTS_MAX = 20000, /* unless so many lie in one of the smallest chunks; with
                                          more, it and what lies around it has no partial */
    CONDENSE_PARTIAL_SIZE_MAX = 256 * 1024, /* larger ones are not kept */
};

/* The state between steps; plain data. */
struct condense {
    int64_t from_us;     /* chunks that end after this are made, and those that it cuts */
    int64_t position_us; /* what lies at or behind this in time is done */
    int64_t closed_us;   /* no chunk that ends after this is made */
    /* The end of a chunk of each level that a border cut and that is still to be made, or
     * CONDENSE_NO_CUT. */
    int64_t cut_ends_us[CHUNK_LEVELS];
    bool has_all_cuts; /* from_us has cut, too */
};

#define CONDENSE_NO_CUT INT64_MIN

/* Begins with chunks between from_us (CONDENSE_FROM_BEGINNING: all before) and to_us, in an entity
 * whose chunks up to closed_us take no more events but late ones. */
void condense_start(struct condense *condense, int64_t from_us, int64_t to_us, int64_t closed_us);

#define CONDENSE_FROM_BEGINNING INT64_MIN

bool condense_is_done(const struct condense *condense);

/* A partial that was made; borrowed for the call. */
typedef void (*condense_emit_fn)(void *context, const struct timeline_chunk *chunk);

/* Makes some of the chunks from the entity's timeline, of which the partials emitted by the steps
 * before are part. CORRUPT: a row is not one of the view. Else what the timeline says. */
MUST_USE enum status condense_step(struct condense *condense, const struct view_plan *plan,
                                   const struct timeline_reader *timeline, struct arena *arena,
                                   condense_emit_fn emit, void *context, struct error *err);

#endif
