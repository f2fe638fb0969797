/* What an entity has one of, beside its events: what was folded of them, and the row of a batch
 * view's writes. */
#include "storage/range.h"

void batch_put_base(struct batch *batch, struct storage *storage, uint32_t table_id,
                    struct bytes entity, struct bytes base)
{
    struct buffer key = {0};
    key_append_prefix(&key, table_id, entity, KIND_BASE);
    batch_put(batch, storage, FAMILY_EVENTS, buffer_bytes(&key), base);
    buffer_fini(&key);
}

void batch_delete_base(struct batch *batch, struct storage *storage, uint32_t table_id,
                       struct bytes entity)
{
    struct buffer key = {0};
    key_append_prefix(&key, table_id, entity, KIND_BASE);
    batch_delete(batch, storage, FAMILY_EVENTS, buffer_bytes(&key));
    buffer_fini(&key);
}

enum status storage_get_batch_row(struct storage *storage, const struct storage_reading *reading,
                                  uint32_t table_id, struct bytes entity, struct buffer *row,
                                  struct error *err)
{
    return storage_get_kind(storage, reading, table_id, entity, KIND_ROW, row, err);
}

enum status storage_scan_rows(struct storage *storage, struct bytes prefix, storage_row_fn take,
                              void *context, struct error *err)
{
    const struct storage_reading read_newest = {0};
    return storage_scan_rows_of(storage, &read_newest, prefix, take, context, err);
}
