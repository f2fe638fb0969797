/* Batch rows: beside its writes, an entity of a batch view has the row of all of them, so that a
 * read of now is one look-up. What a batch writes of the entity is taken into that row when the
 * batch is written, together with it.
 *
 * Private to storage/. Thread: the writer's. */
#ifndef ASOF_STORAGE_BATCH_ROWS_H
#define ASOF_STORAGE_BATCH_ROWS_H

#include "storage/range.h"
#include "storage/sorted_puts.h"

/* Tables of batch views, each once. Zero is valid and empty. */
struct written_tables {
    uint32_t *tables; /* owned */
    size_t count;
    size_t capacity;
};

void written_tables_fini(struct written_tables *written);
void written_tables_add(struct written_tables *written, uint32_t table_id);

/* Puts the rows of all entities of these tables that the puts, which are sorted, have writes of.
 * IO, CORRUPT, UNAVAILABLE: a row can't be read. */
MUST_USE enum status batch_rows_update(struct batch *batch, struct storage *storage,
                                       const struct written_tables *written,
                                       const struct sorted_puts *puts, struct error *err);

#endif
