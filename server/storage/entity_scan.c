/* Scans: the distinct entities of a table, a seek each, and its events from the oldest on. */
#include <stdlib.h>

#include "base/check.h"
#include "base/endian.h"
#include "storage/range.h"

/* Bounds the range to one table. */
static void range_set_table(struct range *range, uint32_t table_id)
{
    CHECK(table_id < UINT32_MAX);
    be32_write(buffer_reserve(&range->lower, TABLE_SIZE), table_id);
    buffer_added(&range->lower, TABLE_SIZE);
    be32_write(buffer_reserve(&range->upper, TABLE_SIZE), table_id + 1);
    buffer_added(&range->upper, TABLE_SIZE);
}

static void buffer_set(struct buffer *buffer, struct bytes bytes)
{
    buffer->start = buffer->size = 0;
    buffer_append(buffer, bytes);
}

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
    CHECK(scan != NULL);
    scan->encoded_size = encoded_size;
    scan->context = context;
    range_set_table(&scan->range, table_id);
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
    buffer_set(&scan->target, bytes_of(key.data, TABLE_SIZE + size));
    buffer_append_byte(&scan->target, (char)KIND_END);
    *entity = bytes_of(buffer_bytes(&scan->target).data + TABLE_SIZE, size);
    return STATUS_OK;
}

/* ---- events from the oldest on ---- */

struct event_scan {
    struct range range;
    entity_size_fn encoded_size;
    const void *context;
    struct buffer key;  /* owned: of the event that was given last, or where to begin */
    size_t entity_size; /* of that event's entity */
    bool is_placed;     /* the iterator stands on the event that was given last */
};

struct event_scan *event_scan_open(struct storage *storage, const struct storage_reading *reading,
                                   uint32_t table_id, struct bytes from,
                                   entity_size_fn encoded_size, const void *context)
{
    struct event_scan *scan = calloc(1, sizeof(*scan));
    CHECK(scan != NULL);
    scan->encoded_size = encoded_size;
    scan->context = context;
    range_set_table(&scan->range, table_id);
    buffer_append(&scan->key, from.size > 0 ? from : buffer_bytes(&scan->range.lower));
    range_open(&scan->range, storage, reading, FAMILY_EVENTS);
    range_seek(&scan->range, buffer_bytes(&scan->key));
    return scan;
}

void event_scan_close(struct event_scan **scan)
{
    if (*scan == NULL)
        return;
    range_close(&(*scan)->range);
    buffer_fini(&(*scan)->key);
    free(*scan);
    *scan = NULL;
}

void event_scan_skip_entity(struct event_scan *scan)
{
    CHECK(scan->is_placed);
    scan->key.size = TABLE_SIZE + scan->entity_size;
    buffer_append_byte(&scan->key, (char)KIND_END);
    range_seek(&scan->range, buffer_bytes(&scan->key));
    scan->is_placed = false;
}

struct bytes event_scan_position(const struct event_scan *scan)
{
    return buffer_bytes(&scan->key);
}

/* Passes over what else lies in front of the base of the entity at hand. */
static void event_scan_seek_base(struct event_scan *scan)
{
    scan->key.size = TABLE_SIZE + scan->entity_size;
    buffer_append_byte(&scan->key, (char)KIND_BASE);
    range_seek(&scan->range, buffer_bytes(&scan->key));
}

/* Takes the key at hand apart. AGAIN: it is neither an event nor a base, and was passed over. */
static enum status event_scan_take(struct event_scan *scan, struct scanned_event *event,
                                   struct error *err)
{
    struct bytes key = range_key(&scan->range);
    size_t size = scan->encoded_size(scan->context, bytes_after(key, TABLE_SIZE));
    if (size == 0 || key.size < TABLE_SIZE + size + KIND_SIZE)
        return error_set(err, STATUS_CORRUPT, "the key of a stored event is none of its view");
    buffer_set(&scan->key, key);
    scan->entity_size = size;
    struct bytes kept = buffer_bytes(&scan->key);
    struct bytes tail = bytes_after(kept, TABLE_SIZE + size + KIND_SIZE);
    unsigned kind = (unsigned char)tail.data[-KIND_SIZE];
    *event = (struct scanned_event){.entity = bytes_of(kept.data + TABLE_SIZE, size),
                                    .is_base = kind == KIND_BASE,
                                    .row = range_value(&scan->range)};
    if (kind == KIND_BASE)
        return STATUS_OK;
    if (kind != KIND_EVENT) {
        if (kind < KIND_BASE)
            event_scan_seek_base(scan);
        else
            event_scan_skip_entity(scan);
        return STATUS_AGAIN;
    }
    if (tail.size < TIME_SIZE)
        return error_set(err, STATUS_CORRUPT, "the key of a stored event is too short");
    event->time_us = be64_read_signed(tail.data);
    event->identity = bytes_after(tail, TIME_SIZE);
    return STATUS_OK;
}

enum status event_scan_next(struct event_scan *scan, struct scanned_event *event, struct error *err)
{
    enum status status;
    if (scan->is_placed)
        range_next(&scan->range);
    while ((status = range_status(&scan->range, err)) == STATUS_OK) {
        scan->is_placed = true;
        status = event_scan_take(scan, event, err);
        if (status != STATUS_AGAIN)
            return status;
    }
    scan->is_placed = false;
    return status;
}
