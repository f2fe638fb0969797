/* Partials: what the storage remembers of the partials of entities beside their rows: how far they
 * may reach, so that an event put before that deletes those that cover it, and which are wanted.
 *
 * 1. A partial that covers an event of a batch is deleted in that batch, unless it was built from
 * that event: so who reads sees both, or neither.
 * 2. What is remembered never says less than what is stored: it is written with the partials
 * ("seal/TABLE": the latest end of a chunk i64 BE, levels u16 BE), and kept when a write fails. In
 * memory it is finer: by slots that entities fall into by hash, for what was built since the start.
 * 3. Wanting is a hint: it is dropped when too many are wanted.
 *
 * Private to storage/. Thread: wants, any; the rest, the writer's. */
#ifndef ASOF_STORAGE_PARTIALS_H
#define ASOF_STORAGE_PARTIALS_H

#include "storage/storage.h"

struct partials;

/* Owned by the caller. */
struct partials *partials_create(void);
void partials_destroy(struct partials **partials);

/* Notes an event that is put into a batch. Appends the levels that have partials which may cover it
 * as bits; wants partials of an entity that got many events, or one such. */
uint32_t partials_note_event(struct storage *storage, uint32_t table_id, struct bytes entity,
                             int64_t time_us);

/* The levels that partials of the table ever had, as bits. */
uint32_t partials_levels(struct storage *storage, uint32_t table_id);

/* What the storage has of them. */
struct partials *storage_partials(struct storage *storage);

#endif
