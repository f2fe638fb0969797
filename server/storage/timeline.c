/* Timeline: one entity's events, newest first, and the partials that are kept of them. One iterator
 * goes over both, so that they are of one moment; they lie beside each other. */
#include <stdlib.h>

#include "base/check.h"
#include "base/endian.h"
#include "storage/range.h"

enum place {
    PLACE_AWAY,  /* anywhere; key says where the events go on: before it */
    PLACE_EVENT, /* on the event that was given last */
    PLACE_NEXT,  /* on the event that is given next */
};

struct timeline {
    struct range range;
    struct buffer key;    /* owned: [table][entity][kind]... of a place to go to */
    struct buffer target; /* owned: the same, of a chunk */
    size_t entity_size;   /* of a key: table and entity */
    int64_t t_us;         /* at first, events at or before this are given */
    enum place place;
};

/* Sets key to the first possible one of the kind and time. */
static void set_key(struct timeline *timeline, unsigned kind, int64_t time_us)
{
    timeline->key.size = timeline->entity_size;
    buffer_append_byte(&timeline->key, (char)kind);
    key_append_time(&timeline->key, time_us);
}

struct timeline *timeline_open(struct storage *storage, const struct storage_reading *reading,
                               uint32_t table_id, struct bytes entity, int64_t t_us)
{
    struct timeline *timeline = calloc(1, sizeof(*timeline));
    CHECK(timeline != NULL && t_us < INT64_MAX);
    key_append_prefix(&timeline->range.lower, table_id, entity, KIND_EVENT);
    key_append_prefix(&timeline->range.upper, table_id, entity, KIND_PARTIAL + 1);
    buffer_append(&timeline->key, buffer_bytes(&timeline->range.lower));
    timeline->entity_size = timeline->key.size - KIND_SIZE;
    timeline->t_us = t_us;
    set_key(timeline, KIND_EVENT, t_us + 1);
    range_open(&timeline->range, storage, reading, FAMILY_EVENTS);
    return timeline;
}

void timeline_close(struct timeline **timeline)
{
    if (*timeline == NULL)
        return;
    range_close(&(*timeline)->range);
    buffer_fini(&(*timeline)->key);
    buffer_fini(&(*timeline)->target);
    free(*timeline);
    *timeline = NULL;
}

/* What the key at hand has behind table and entity. CORRUPT: too little. */
static enum status tail_of_key(const struct timeline *timeline, struct bytes *tail,
                               struct error *err)
{
    *tail = bytes_after(range_key(&timeline->range), timeline->entity_size);
    if (tail->size < KIND_SIZE + TIME_SIZE)
        return error_set(err, STATUS_CORRUPT, "the key of a stored event is too short");
    return STATUS_OK;
}

/* The event at hand. NOT_FOUND: there is none. */
static enum status event_here(struct timeline *timeline, struct timeline_event *event,
                              struct error *err)
{
    struct bytes tail;
    enum status status = range_status(&timeline->range, err);
    if (status == STATUS_OK)
        status = tail_of_key(timeline, &tail, err);
    if (status != STATUS_OK)
        return status;
    if (tail.data[0] != KIND_EVENT)
        return STATUS_NOT_FOUND;
    event->time_us = be64_read_signed(tail.data + KIND_SIZE);
    event->identity = bytes_after(tail, KIND_SIZE + TIME_SIZE);
    event->row = range_value(&timeline->range);
    return STATUS_OK;
}

/* Moves to the event that is given next. */
static void go_back(struct timeline *timeline)
{
    if (timeline->place == PLACE_EVENT)
        range_back(&timeline->range);
    if (timeline->place != PLACE_AWAY)
        return;
    struct bytes key = buffer_bytes(&timeline->key);
    range_seek_for_prev(&timeline->range, key);
    if (range_status(&timeline->range, NULL) == STATUS_OK &&
        bytes_equal(range_key(&timeline->range), key))
        range_back(&timeline->range);
}

enum status timeline_back(void *context, struct timeline_event *event, struct error *err)
{
    struct timeline *timeline = context;
    go_back(timeline);
    timeline->place = PLACE_EVENT;
    return event_here(timeline, event, err);
}

void timeline_seek(void *context, int64_t before_us)
{
    struct timeline *timeline = context;
    set_key(timeline, KIND_EVENT, before_us);
    timeline->place = PLACE_AWAY;
}

enum status timeline_next_us(struct timeline *timeline, int64_t *next_us, struct error *err)
{
    struct timeline_event event;
    *next_us = INT64_MAX;
    timeline_seek(timeline, INT64_MAX);
    go_back(timeline);
    timeline->place = PLACE_NEXT;
    enum status status = event_here(timeline, &event, err);
    if (status != STATUS_OK || event.time_us <= timeline->t_us)
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    timeline_seek(timeline, timeline->t_us + 1);
    range_seek(&timeline->range, buffer_bytes(&timeline->key));
    status = event_here(timeline, &event, err);
    if (status == STATUS_OK)
        *next_us = event.time_us;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* ---- chunks ---- */

/* The chunk at hand. NOT_FOUND: there is none. */
static enum status chunk_here(struct timeline *timeline, struct timeline_chunk *chunk,
                              struct error *err)
{
    struct bytes tail;
    enum status status = range_status(&timeline->range, err);
    if (status == STATUS_OK)
        status = tail_of_key(timeline, &tail, err);
    if (status != STATUS_OK)
        return status;
    if (tail.data[0] != KIND_PARTIAL)
        return STATUS_NOT_FOUND;
    if (tail.size != KIND_SIZE + TIME_SIZE + LEVEL_SIZE ||
        (unsigned char)tail.data[KIND_SIZE + TIME_SIZE] >= CHUNK_LEVELS)
        return error_set(err, STATUS_CORRUPT, "the key of a stored partial has a wrong size");
    chunk->end_us = be64_read_signed(tail.data + KIND_SIZE);
    chunk->level = (unsigned char)tail.data[KIND_SIZE + TIME_SIZE];
    chunk->partial = range_value(&timeline->range);
    return STATUS_OK;
}

/* Remembers where the events go on. */
static void leave_events(struct timeline *timeline)
{
    if (timeline->place == PLACE_EVENT) {
        bool is_at_event = range_status(&timeline->range, NULL) == STATUS_OK;
        timeline->key.size = 0;
        buffer_append(&timeline->key, is_at_event ? range_key(&timeline->range)
                                                  : buffer_bytes(&timeline->range.lower));
    }
    timeline->place = PLACE_AWAY;
}

enum status timeline_chunk_seek(void *context, int64_t end_us, unsigned level_max,
                                struct timeline_chunk *chunk, struct error *err)
{
    struct timeline *timeline = context;
    struct buffer *target = &timeline->target;
    leave_events(timeline);
    target->size = 0;
    buffer_append(target, bytes_of(buffer_bytes(&timeline->key).data, timeline->entity_size));
    buffer_append_byte(target, (char)KIND_PARTIAL);
    key_append_time(target, end_us);
    buffer_append_byte(target, (char)level_max);
    range_seek_for_prev(&timeline->range, buffer_bytes(target));
    return chunk_here(timeline, chunk, err);
}

enum status timeline_chunk_back(void *context, struct timeline_chunk *chunk, struct error *err)
{
    struct timeline *timeline = context;
    CHECK(timeline->place == PLACE_AWAY);
    range_back(&timeline->range);
    return chunk_here(timeline, chunk, err);
}

struct timeline_reader timeline_reader_of(struct timeline *timeline)
{
    return (struct timeline_reader){.timeline = timeline,
                                    .back = timeline_back,
                                    .seek = timeline_seek,
                                    .chunk_seek = timeline_chunk_seek,
                                    .chunk_back = timeline_chunk_back};
}
