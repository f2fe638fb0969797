#include "storage/forward.h"

#include <stdlib.h>

#include "base/check.h"
#include "storage/range.h"

struct forward {
    struct range range;
    struct storage_reading reading; /* borrows the snapshot */
    struct storage *storage;
    uint32_t table_id;
    struct buffer key;  /* owned: [table][entity][kind] of the events, and where to seek */
    size_t prefix_size; /* of key, without a time */
    struct buffer base; /* owned: of the entity */
    bool is_at_event;   /* the iterator stands on the event that was given last */
};

struct forward *forward_open(struct storage *storage, const struct storage_reading *reading,
                             uint32_t table_id)
{
    struct forward *forward = calloc(1, sizeof(*forward));
    CHECK(forward != NULL && table_id < UINT32_MAX);
    forward->storage = storage;
    forward->reading = *reading;
    forward->reading.is_passing = true;
    forward->table_id = table_id;
    key_append_prefix(&forward->range.lower, table_id, (struct bytes){0}, KIND_EVENT);
    key_append_prefix(&forward->range.upper, table_id + 1, (struct bytes){0}, KIND_EVENT);
    forward->range.lower.size -= KIND_SIZE;
    forward->range.upper.size -= KIND_SIZE;
    range_open(&forward->range, storage, &forward->reading, FAMILY_EVENTS);
    return forward;
}

void forward_close(struct forward **forward)
{
    if (*forward == NULL)
        return;
    range_close(&(*forward)->range);
    buffer_fini(&(*forward)->key);
    buffer_fini(&(*forward)->base);
    free(*forward);
    *forward = NULL;
}

/* Reads what was folded, and moves from_us behind it. */
static enum status read_base(struct forward *forward, struct bytes entity, int64_t *from_us,
                             struct error *err)
{
    enum status status = storage_get_kind(forward->storage, &forward->reading, forward->table_id,
                                          entity, KIND_BASE, &forward->base, err);
    if (status != STATUS_OK)
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    if (forward->base.size < TIME_SIZE)
        return error_set(err, STATUS_CORRUPT, "what was folded of an entity is too short");
    int64_t folded_us = be64_read_signed(buffer_bytes(&forward->base).data);
    if (folded_us >= *from_us && folded_us < INT64_MAX)
        *from_us = folded_us + 1;
    return STATUS_OK;
}

enum status forward_seek(struct forward *forward, struct bytes entity, int64_t from_us,
                         bool has_base, struct bytes *base, struct error *err)
{
    enum status status = STATUS_OK;
    forward->base.start = forward->base.size = 0;
    if (has_base)
        status = read_base(forward, entity, &from_us, err);
    if (status != STATUS_OK)
        return status;
    forward->key.start = forward->key.size = 0;
    key_append_prefix(&forward->key, forward->table_id, entity, KIND_EVENT);
    forward->prefix_size = forward->key.size;
    key_append_time(&forward->key, from_us);
    range_seek(&forward->range, buffer_bytes(&forward->key));
    forward->is_at_event = false;
    *base = buffer_bytes(&forward->base);
    return STATUS_OK;
}

enum status forward_next(void *context, struct timeline_event *event, struct error *err)
{
    struct forward *forward = context;
    if (forward->is_at_event)
        range_next(&forward->range);
    forward->is_at_event = false;
    enum status status = range_status(&forward->range, err);
    if (status != STATUS_OK)
        return status;
    struct bytes key = range_key(&forward->range);
    struct bytes prefix = bytes_of(buffer_bytes(&forward->key).data, forward->prefix_size);
    if (!bytes_start_with(key, prefix))
        return STATUS_NOT_FOUND;
    struct bytes tail = bytes_after(key, prefix.size);
    if (tail.size < TIME_SIZE)
        return error_set(err, STATUS_CORRUPT, "the key of a stored event is too short");
    forward->is_at_event = true;
    *event = (struct timeline_event){.time_us = be64_read_signed(tail.data),
                                     .identity = bytes_after(tail, TIME_SIZE),
                                     .row = range_value(&forward->range)};
    return STATUS_OK;
}
