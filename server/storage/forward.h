/* Forward: the events of entities of one table, each from its oldest on: one cursor for all of
 * them, cheapest in the order of their keys.
 *
 * It keeps what a cursor keeps, see storage.h. Thread: one at a time. */
#ifndef ASOF_STORAGE_FORWARD_H
#define ASOF_STORAGE_FORWARD_H

#include "storage/storage.h"

struct forward;

/* Reads what reading says, a snapshot; borrowed. What it reads is not kept in memory for others.
 * Owned by the caller. */
struct forward *forward_open(struct storage *storage, const struct storage_reading *reading,
                             uint32_t table_id);
void forward_close(struct forward **forward);

/* Goes to the entity's first event from from_us on that was not folded. Where has_base says that
 * there may be something folded, base is that, borrowed until the next seek; else empty.
 * UNAVAILABLE, IO, CORRUPT: err. */
MUST_USE enum status forward_seek(struct forward *forward, struct bytes entity, int64_t from_us,
                                  bool has_base, struct bytes *base, struct error *err);

/* Steps to the next newer event; its bytes are borrowed until the next step. NOT_FOUND: no more.
 * forward is a struct forward. Else as forward_seek. */
MUST_USE enum status forward_next(void *forward, struct timeline_event *event, struct error *err);

#endif
