/* Edges: the newest events of one entity, all of them from some time on, kept in memory, so that a
 * row that an event made stale is evaluated without the disk.
 *
 *     times           i64 an event, oldest first
 *     ends            u16 an event: where its row ends in the bytes; it begins where the identity
 * ends identity sizes  u16 an event entity          encoded, see entity.h bytes           of each
 * event its identity and its row
 *
 * 1. Events are in the order of their keys in the store: by time, then identity; each key once.
 * 2. No event of the store at or after since_us is missing. Who changes the store holds that
 * (hot.h).
 *
 * Thread: immutable but for is_used; any number of readers. */
#ifndef ASOF_STORAGE_EDGES_H
#define ASOF_STORAGE_EDGES_H

#include <stdatomic.h>

#include "features/features.h"

enum {
    EDGES_EVENTS_MAX = 64,
    EDGES_BYTES_MAX =
        8 * 1024, /* of identities and rows: all is copied with each event that comes */
};

struct edges {
    int64_t since_us;
    uint16_t count;
    uint16_t entity_size;
    uint16_t bytes_size;
    _Atomic bool is_used; /* read since the hand of the clock came by */
    char packed[];
};

/* Edges before they are packed. */
struct edges_draft {
    int64_t since_us;
    struct timeline_event
        events[EDGES_EVENTS_MAX]; /* oldest first; what they point at is borrowed */
    size_t count;
    size_t bytes_size; /* of their identities and rows */
};

/* Appends an event behind those of the draft. false: these are too many or too large. */
MUST_USE bool edges_draft_add(struct edges_draft *draft, const struct timeline_event *event);

/* Leaves in draft the events of edges together with those that were put into the store since, which
 * are in the order of their keys; of the same key the latter count. Events before since_us are left
 * out. All is borrowed. false: these are too many or too large. */
MUST_USE bool edges_merge(const struct edges *edges, const struct timeline_event *events,
                          size_t count, struct edges_draft *draft);

/* The bytes of packed edges; packs into edges, which has that many. */
size_t edges_size(struct bytes entity, const struct edges_draft *draft);
void edges_pack(struct edges *edges, struct bytes entity, const struct edges_draft *draft);

/* Borrowed from the edges. */
struct bytes edges_entity(const struct edges *edges);

/* A way back over edges, as timeline_open_within gives one over the store. */
struct edges_cursor {
    const struct edges *edges; /* borrowed */
    size_t left;               /* events that lie before the cursor */
    int64_t oldest_us;         /* events before it are not given, nor missed */
    int64_t end_us;            /* the same, until the next seek or fetch */
    int64_t next_us; /* the time of the oldest event after T, INT64_MAX where there is none */
};

/* Begins at the newest event at or before t_us. */
void edges_cursor_start(struct edges_cursor *cursor, const struct edges *edges, int64_t t_us,
                        int64_t oldest_us);

/* Reads by the cursor, borrowed. It says AGAIN, without a text, where an event from before since_us
 * may be due: the store has to be read. */
struct timeline_reader edges_reader_of(struct edges_cursor *cursor);

#endif
