/* Entity scan: the distinct entities of a table, a seek each. */
#include <stdlib.h>

#include "base/check.h"
#include "base/endian.h"
#include "storage/range.h"

struct entity_scan {
    struct range range;
    entity_size_fn encoded_size;
    const void *context;
    struct buffer target; /* owned: where to seek for the next entity */
};

struct entity_scan *entity_scan_open(struct storage *storage, const struct storage_reading *reading,
                                     uint32_t table_id, struct bytes after,
                                     entity_size_fn encoded_size, const void *context)
{
    struct entity_scan *scan = calloc(1, sizeof(*scan));
    CHECK(scan != NULL && table_id < UINT32_MAX);
    scan->encoded_size = encoded_size;
    scan->context = context;
    be32_write(buffer_reserve(&scan->range.lower, TABLE_SIZE), table_id);
    buffer_added(&scan->range.lower, TABLE_SIZE);
    be32_write(buffer_reserve(&scan->range.upper, TABLE_SIZE), table_id + 1);
    buffer_added(&scan->range.upper, TABLE_SIZE);
    if (after.size > 0)
        key_append_prefix(&scan->target, table_id, after, KIND_END);
    else
        buffer_append(&scan->target, buffer_bytes(&scan->range.lower));
    range_open(&scan->range, storage, reading, FAMILY_EVENTS);
    return scan;
}

void entity_scan_close(struct entity_scan **scan)
{
    if (*scan == NULL)
        return;
    range_close(&(*scan)->range);
    buffer_fini(&(*scan)->target);
    free(*scan);
    *scan = NULL;
}

enum status entity_scan_next(struct entity_scan *scan, struct bytes *entity, struct error *err)
{
    range_seek(&scan->range, buffer_bytes(&scan->target));
    enum status status = range_status(&scan->range, err);
    if (status != STATUS_OK)
        return status;

    struct bytes key = range_key(&scan->range);
    size_t size = scan->encoded_size(scan->context, bytes_after(key, TABLE_SIZE));
    if (size == 0)
        return error_set(err, STATUS_CORRUPT, "the key of a stored event is none of its view");
    scan->target.start = scan->target.size = 0;
    buffer_append(&scan->target, bytes_of(key.data, TABLE_SIZE + size));
    buffer_append_byte(&scan->target, (char)KIND_END);
    *entity = bytes_of(buffer_bytes(&scan->target).data + TABLE_SIZE, size);
    return STATUS_OK;
}
