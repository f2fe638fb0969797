/* Event sort: many events of one table, in any order, become sorted files, which the database takes
 * in at once. What does not fit into the memory allowed is written to runs beside them, and merged.
 *
 *     event_sort_create    the writer's thread
 *     event_sort_add ...   any one thread, as often as there are events
 *     event_sort_finish    the same
 *     event_sort_ingest    the writer's thread, until it does not say AGAIN
 *
 * 1. Until event_sort_ingest nothing of it is to be seen.
 * 2. An event whose key is there already replaces it, as batch_put_event: the same event changes
 * nothing.
 * 3. Partials that cover the events are deleted by the files themselves. So from create to the end
 * of ingest the table must be given no partials.
 *
 * Thread: one at a time, as above. */
#ifndef ASOF_STORAGE_EVENT_SORT_H
#define ASOF_STORAGE_EVENT_SORT_H

#include "storage/storage.h"

enum { EVENT_SORT_RUNS_MAX = 512 }; /* of one sort: so much times the memory allowed */

struct event_sort;

struct event_sort_options {
    uint32_t table_id;
    const char *directory; /* on the disk of the database; copied */
    const char *name;      /* what files begin with, of no other sort there; copied */
    size_t memory_bytes;   /* about */
};

/* Owned by the caller. */
struct event_sort *event_sort_create(struct storage *storage,
                                     const struct event_sort_options *options);

/* Removes its files that were not taken in. Accepts NULL and leaves NULL behind. */
void event_sort_destroy(struct event_sort **sort);

/* Adds an event; everything is copied. IO, UNAVAILABLE: the disk. LIMIT: more than runs can hold.
 */
MUST_USE enum status event_sort_add(struct event_sort *sort, struct bytes entity, int64_t time_us,
                                    struct bytes identity, struct bytes row, struct error *err);

/* Writes the files. Then nothing may be added. IO, UNAVAILABLE, CORRUPT: err. */
MUST_USE enum status event_sort_finish(struct event_sort *sort, struct error *err);

/* Takes in some of the files. AGAIN: there are more, or it would make reads or writes wait: to be
 * called again a moment later. UNAVAILABLE, IO: err, as storage_ingest. */
MUST_USE enum status event_sort_ingest(struct event_sort *sort, struct error *err);

#endif
