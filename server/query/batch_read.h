/* Batch read: the answer of a batch view, from the row of all writes of its entity, or, where some
 * of them lie behind T, from the writes.
 *
 * Private to query/. Thread: any. */
#ifndef ASOF_QUERY_BATCH_READ_H
#define ASOF_QUERY_BATCH_READ_H

#include "query/query.h"

/* Answers the question; next_us, where not NULL: the time of the next write behind T, INT64_MAX:
 * there is none. AGAIN: it would have to wait for the disk. UNAVAILABLE, IO, CORRUPT: err. */
MUST_USE enum status batch_read(struct storage *storage, const struct storage_reading *reading,
                                const struct target *target, const struct question *question,
                                struct arena *arena, struct answer *answer, int64_t *next_us,
                                struct error *err);

#endif
