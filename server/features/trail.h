/* Trail: the way back in time over the events of an entity, and over whole chunks of them, where
 * whoever walks takes these.
 *
 * 1. Each event is given once: by itself, or in one chunk that was taken.
 * 2. A chunk is offered only when the next event lies in it and none of it was given before.
 *
 * Private to features/. Thread: one at a time. */
#ifndef ASOF_FEATURES_TRAIL_H
#define ASOF_FEATURES_TRAIL_H

#include "features/event.h"

enum chunk_verdict {
    CHUNK_REFUSED, /* a smaller one may do */
    CHUNK_TAKEN,
    CHUNK_LAST, /* it was taken, and no more is wanted */
};

/* Who walks. */
struct trail_walker {
    void *context;
    /* The largest level that is worth looking at, of chunks that end at end_us. */
    unsigned (*level_max)(void *context, int64_t end_us);
    enum chunk_verdict (*take)(void *context, const struct timeline_chunk *chunk);
    /* How far back events are needed, as far as is known. */
    int64_t (*oldest_us)(void *context);
};

struct trail {
    struct event_reader reader;             /* owned */
    const struct timeline_reader *timeline; /* borrowed */
    struct trail_walker walker;
    int64_t taken_from_us;   /* what lies behind this in time was given, or lies in chunks taken */
    int64_t fetched_from_us; /* the reader ends here, or TRAIL_NOT_FETCHED: at the oldest event */
    int64_t chunks_until_us; /* no chunk that was not looked at ends after this */
    bool looks_for_chunks;   /* there are enough events for it */
    struct stretch stretch;  /* of events since the last chunk */
    struct walk_report report;
};

#define TRAIL_NOT_FETCHED INT64_MIN

/* Begins at the events before before_us, which is where the timeline stands. Memory is from the
 * arena, and owned by the trail. */
void trail_init(struct trail *trail, const struct view_plan *plan,
                const struct timeline_reader *timeline, const struct trail_walker *walker,
                int64_t before_us, struct arena *arena);
void trail_fini(struct trail *trail);

/* The next event that is in no chunk that was taken; borrowed until the next call. NOT_FOUND: no
 * more, or no more is wanted. Else as event_reader_take. */
MUST_USE enum status trail_next(struct trail *trail, const struct event **event, struct error *err);

/* What it cost so far. */
const struct walk_report *trail_report(struct trail *trail);

#endif
