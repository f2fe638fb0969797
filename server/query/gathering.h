/* Gathering: the entities of a stream view one after the other, each with its events in memory, in
 * one pass over the table: a read of each by itself costs two seeks and an iterator.
 *
 * Private to query/. Thread: one. */
#ifndef ASOF_QUERY_GATHERING_H
#define ASOF_QUERY_GATHERING_H

#include "query/query.h"

struct gathering;

/* Of each entity the events within the bounds. The version is borrowed. Owned by the caller. */
struct gathering *gathering_open(struct storage *storage, const struct storage_reading *reading,
                                 const struct view_version *version,
                                 const struct timeline_bounds *bounds);
void gathering_close(struct gathering **gathering);

/* Goes to the next entity, which is borrowed until the next step. *is_whole: its events could be
 * gathered; else there are too many of them, and they are to be read another way. NOT_FOUND: no
 * more entities. IO, CORRUPT: err. */
MUST_USE enum status gathering_next(struct gathering *gathering, struct bytes *entity,
                                    bool *is_whole, struct error *err);

/* The events of that entity; borrowed until the next step. */
struct timeline_reader gathering_reader(struct gathering *gathering);

#endif
