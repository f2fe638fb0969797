/* Timeline: one entity's events, newest first, and the partials that are kept of them. One iterator
 * goes over both, so that they are of one moment; they lie beside each other. A base is read first,
 * as deleted events before it must not be walked over. */
#include <stdlib.h>

#include "base/check.h"
#include "base/endian.h"
#include "storage/range.h"

enum { FETCH_BYTES_MAX = 1024 * 1024 /* of identities and rows, but for the last */ };

enum place {
    PLACE_AWAY,    /* anywhere; key says where the events go on: before it */
    PLACE_EVENT,   /* on the event that was given last */
    PLACE_FETCHED, /* anywhere; events that were fetched are given, and key is behind them */
};

/* An event that was fetched. */
struct fetched {
    int64_t time_us;
    uint32_t offset; /* of its identity in bytes; the row stands behind it */
    uint32_t identity_size;
    uint32_t row_size;
};

struct timeline {
    struct range range;
    struct storage_snapshot *snapshot; /* owned; where there may be a base and no other snapshot */
    struct buffer base;                /* owned */
    enum status base_status;           /* of reading the base */
    struct error *base_err;            /* owned; where that failed */
    struct buffer key;                 /* owned: [table][entity][kind]... of a place to go to */
    struct buffer target;              /* owned: the same, of a chunk */
    size_t entity_size;                /* of a key: table and entity */
    int64_t t_us;                      /* at first, events at or before this are given */
    enum place place;
    struct buffer bytes; /* owned: identities and rows that were fetched */
    struct buffer
        fetched; /* owned: struct fetched, oldest first; fetched_count are still to be given */
    size_t fetched_count;
    bool is_fetched_to_base; /* the base is given behind them */
    int64_t first_us;        /* events before this are not in the range */
    int64_t fetched_from_us; /* of the last fetch: events before it were left */
    bool is_fetched_from_t;  /* it gave all events from t_us to there */
    bool knows_next;         /* next_us is known */
    int64_t next_us;         /* the time of the event behind t_us, INT64_MAX: there is none */
};

/* Sets a key of the timeline to the first possible one of the kind and time. */
static void set_key_of(const struct timeline *timeline, struct buffer *key, unsigned kind,
                       int64_t time_us)
{
    key->size = 0;
    buffer_append(key, bytes_of(buffer_bytes(&timeline->range.lower).data, timeline->entity_size));
    buffer_append_byte(key, (char)kind);
    key_append_time(key, time_us);
}

static void set_key(struct timeline *timeline, unsigned kind, int64_t time_us)
{
    set_key_of(timeline, &timeline->key, kind, time_us);
}

static void set_target(struct timeline *timeline, unsigned kind, int64_t time_us)
{
    set_key_of(timeline, &timeline->target, kind, time_us);
}

static void read_base(struct timeline *timeline, struct storage *storage,
                      const struct storage_reading *reading, uint32_t table_id, struct bytes entity)
{
    struct error err;
    enum status status =
        storage_get_kind(storage, reading, table_id, entity, KIND_BASE, &timeline->base, &err);
    if (status == STATUS_OK && timeline->base.size < TIME_SIZE)
        status = error_set(&err, STATUS_CORRUPT, "what was folded of an entity is too short");
    if (status == STATUS_OK || status == STATUS_NOT_FOUND)
        return;
    timeline->base_status = status;
    timeline->base_err = malloc(sizeof(err));
    CHECK(timeline->base_err != NULL);
    *timeline->base_err = err;
}

/* The time of the newest event in the base, INT64_MIN where there is none. */
static int64_t folded_us(const struct timeline *timeline)
{
    return timeline->base.size < TIME_SIZE ? INT64_MIN
                                           : be64_read_signed(buffer_bytes(&timeline->base).data);
}

/* Where the range begins: at bounds->oldest_us, or behind what was folded. */
static int64_t first_us(const struct timeline *timeline, const struct timeline_bounds *bounds)
{
    int64_t oldest_us = bounds->oldest_us;
    if (folded_us(timeline) >= oldest_us && folded_us(timeline) < INT64_MAX)
        oldest_us = folded_us(timeline) + (timeline->base.size > 0);
    return oldest_us < bounds->t_us ? oldest_us : bounds->t_us;
}

struct timeline *timeline_open(struct storage *storage, const struct storage_reading *reading,
                               uint32_t table_id, struct bytes entity, int64_t t_us)
{
    const struct timeline_bounds bounds = {.t_us = t_us, .oldest_us = INT64_MIN};
    return timeline_open_within(storage, reading, table_id, entity, &bounds);
}

struct timeline *timeline_open_within(struct storage *storage,
                                      const struct storage_reading *reading, uint32_t table_id,
                                      struct bytes entity, const struct timeline_bounds *bounds)
{
    struct storage_reading of_one_moment = *reading;
    struct timeline *timeline = calloc(1, sizeof(*timeline));
    CHECK(timeline != NULL && bounds->t_us < INT64_MAX);
    if (bounds->has_base && reading->snapshot == NULL)
        of_one_moment.snapshot = timeline->snapshot =
            storage_snapshot_take(storage, reading->never_waits);
    if (bounds->has_base)
        read_base(timeline, storage, &of_one_moment, table_id, entity);
    key_append_prefix(&timeline->range.lower, table_id, entity, KIND_EVENT);
    key_append_prefix(&timeline->range.upper, table_id, entity, KIND_PARTIAL + 1);
    timeline->entity_size = timeline->range.lower.size - KIND_SIZE;
    timeline->t_us = bounds->t_us;
    timeline->first_us = first_us(timeline, bounds);
    key_append_time(&timeline->range.lower, timeline->first_us);
    set_key(timeline, KIND_EVENT, bounds->t_us + 1);
    range_open(&timeline->range, storage, &of_one_moment, FAMILY_EVENTS);
    return timeline;
}

void timeline_close(struct timeline **timeline)
{
    struct timeline *it = *timeline;
    if (it == NULL)
        return;
    range_close(&it->range);
    storage_snapshot_release(&it->snapshot);
    buffer_fini(&it->base);
    buffer_fini(&it->key);
    buffer_fini(&it->target);
    buffer_fini(&it->bytes);
    buffer_fini(&it->fetched);
    free(it->base_err);
    free(it);
    *timeline = NULL;
}

/* What the key at hand has behind table and entity. NOT_FOUND: there is none of that kind. CORRUPT:
 * too little. */
static enum status tail_here(const struct timeline *timeline, unsigned kind, struct bytes *tail,
                             struct error *err)
{
    enum status status = range_status(&timeline->range, err);
    if (status != STATUS_OK)
        return status;
    *tail = bytes_after(range_key(&timeline->range), timeline->entity_size);
    if (tail->size < KIND_SIZE + TIME_SIZE)
        return error_set(err, STATUS_CORRUPT, "the key of a stored event is too short");
    return (unsigned char)tail->data[0] == kind ? STATUS_OK : STATUS_NOT_FOUND;
}

/* The event at hand. NOT_FOUND: there is none. */
static enum status event_here(struct timeline *timeline, struct timeline_event *event,
                              struct error *err)
{
    struct bytes tail;
    enum status status = tail_here(timeline, KIND_EVENT, &tail, err);
    if (status != STATUS_OK)
        return status;
    *event = (struct timeline_event){.time_us = be64_read_signed(tail.data + KIND_SIZE),
                                     .identity = bytes_after(tail, KIND_SIZE + TIME_SIZE),
                                     .row = range_value(&timeline->range)};
    return STATUS_OK;
}

/* Moves to the event that is given next. */
static void go_back(struct timeline *timeline)
{
    if (timeline->place == PLACE_EVENT) {
        range_back(&timeline->range);
        return;
    }
    struct bytes key = buffer_bytes(&timeline->key);
    range_seek_for_prev(&timeline->range, key);
    if (range_status(&timeline->range, NULL) == STATUS_OK &&
        bytes_equal(range_key(&timeline->range), key))
        range_back(&timeline->range);
}

static struct timeline_event event_fetched(const struct timeline *timeline, size_t i)
{
    struct fetched fetched;
    memcpy(&fetched, buffer_bytes(&timeline->fetched).data + i * sizeof(fetched), sizeof(fetched));
    const char *bytes = buffer_bytes(&timeline->bytes).data + fetched.offset;
    return (struct timeline_event){
        .time_us = fetched.time_us,
        .identity = bytes_of(bytes, fetched.identity_size),
        .row = bytes_of(bytes + fetched.identity_size, fetched.row_size),
    };
}

static enum status give_fetched(struct timeline *timeline, struct timeline_event *event)
{
    if (timeline->fetched_count == 0)
        return STATUS_NOT_FOUND;
    *event = event_fetched(timeline, --timeline->fetched_count);
    return STATUS_OK;
}

enum status timeline_back(void *context, struct timeline_event *event, struct error *err)
{
    struct timeline *timeline = context;
    bool is_fetched = timeline->place == PLACE_FETCHED;
    enum status status;
    if (timeline->base_status != STATUS_OK)
        return error_set(err, timeline->base_status, "%s", timeline->base_err->text);
    if (is_fetched) {
        status = give_fetched(timeline, event);
    } else {
        go_back(timeline);
        timeline->place = PLACE_EVENT;
        status = event_here(timeline, event, err);
    }
    bool has_base = timeline->base.size > 0 && (!is_fetched || timeline->is_fetched_to_base);
    if (status != STATUS_NOT_FOUND || !has_base)
        return status;
    *event = (struct timeline_event){.is_base = true, .row = buffer_bytes(&timeline->base)};
    return STATUS_OK;
}

void timeline_seek(void *context, int64_t before_us)
{
    struct timeline *timeline = context;
    set_key(timeline, KIND_EVENT, before_us);
    timeline->place = PLACE_AWAY;
}

/* Remembers where the events go on. */
static void leave_events(struct timeline *timeline)
{
    if (timeline->place != PLACE_EVENT)
        return;
    bool is_at_event = range_status(&timeline->range, NULL) == STATUS_OK;
    timeline->key.size = 0;
    buffer_append(&timeline->key,
                  is_at_event ? range_key(&timeline->range) : buffer_bytes(&timeline->range.lower));
    timeline->place = PLACE_AWAY;
}

/* ---- many events at once ---- */

static void fetch_event(struct timeline *timeline, const struct timeline_event *event)
{
    const struct fetched fetched = {.time_us = event->time_us,
                                    .offset = (uint32_t)timeline->bytes.size,
                                    .identity_size = (uint32_t)event->identity.size,
                                    .row_size = (uint32_t)event->row.size};
    buffer_append(&timeline->bytes, event->identity);
    buffer_append(&timeline->bytes, event->row);
    buffer_append(&timeline->fetched, bytes_of(&fetched, sizeof(fetched)));
    timeline->fetched_count++;
}

/* Reads forward from the first event of the range, which begins at target and ends before key. */
static enum status fetch_range(struct timeline *timeline, size_t events_max, struct error *err)
{
    struct timeline_event event;
    enum status status;
    struct bytes end = buffer_bytes(&timeline->key);
    range_seek(&timeline->range, buffer_bytes(&timeline->target));
    while ((status = event_here(timeline, &event, err)) == STATUS_OK &&
           bytes_compare(range_key(&timeline->range), end) < 0) {
        if (timeline->fetched_count == events_max || timeline->bytes.size > FETCH_BYTES_MAX)
            return STATUS_LIMIT;
        fetch_event(timeline, &event);
        range_next(&timeline->range);
    }
    bool is_at_t =
        end.size == timeline->entity_size + KIND_SIZE + TIME_SIZE &&
        be64_read_signed(end.data + timeline->entity_size + KIND_SIZE) == timeline->t_us + 1;
    if (is_at_t && (status == STATUS_OK || status == STATUS_NOT_FOUND)) {
        timeline->is_fetched_from_t = true;
        timeline->knows_next = true;
        timeline->next_us = status == STATUS_OK ? event.time_us : INT64_MAX;
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status timeline_fetch(void *context, int64_t from_us, size_t events_max, struct error *err)
{
    struct timeline *timeline = context;
    CHECK(timeline->place != PLACE_FETCHED || timeline->fetched_count == 0);
    leave_events(timeline);
    timeline->fetched_count = timeline->bytes.size = timeline->fetched.size = 0;
    timeline->is_fetched_to_base = from_us <= folded_us(timeline);
    timeline->is_fetched_from_t = false;
    set_target(timeline, KIND_EVENT, from_us);
    enum status status = STATUS_OK;
    if (bytes_compare(buffer_bytes(&timeline->target), buffer_bytes(&timeline->key)) < 0)
        status = fetch_range(timeline, events_max, err);
    timeline->place = PLACE_AWAY;
    if (status != STATUS_OK)
        return status;
    timeline->place = PLACE_FETCHED;
    timeline->fetched_from_us = from_us;
    if (bytes_compare(buffer_bytes(&timeline->target), buffer_bytes(&timeline->key)) < 0) {
        timeline->key.size = 0;
        buffer_append(&timeline->key, buffer_bytes(&timeline->target));
    }
    return STATUS_OK;
}

/* Where the last fetch began at T, and nothing lies behind T, it gave all from its end on. With a
 * base there is more that a walk needs. */
bool timeline_edges(const struct timeline *timeline, struct edges_draft *draft)
{
    int64_t from_us = timeline->fetched_from_us;
    struct bytes fetched = buffer_bytes(&timeline->fetched);
    if (!timeline->is_fetched_from_t || timeline->next_us != INT64_MAX || timeline->base.size > 0)
        return false;
    draft->since_us = from_us > timeline->first_us ? from_us : timeline->first_us;
    draft->count = draft->bytes_size = 0;
    for (size_t i = 0; i < fetched.size / sizeof(struct fetched); i++) {
        struct timeline_event event = event_fetched(timeline, i);
        if (!edges_draft_add(draft, &event))
            return false;
    }
    return true;
}

enum status timeline_next_us(struct timeline *timeline, int64_t *next_us, struct error *err)
{
    struct timeline_event event;
    enum status status = STATUS_OK;
    if (!timeline->knows_next) {
        leave_events(timeline);
        set_target(timeline, KIND_EVENT, timeline->t_us + 1);
        range_seek(&timeline->range, buffer_bytes(&timeline->target));
        status = event_here(timeline, &event, err);
        timeline->next_us = status == STATUS_OK ? event.time_us : INT64_MAX;
        timeline->knows_next = status == STATUS_OK || status == STATUS_NOT_FOUND;
    }
    *next_us = timeline->next_us;
    return timeline->knows_next ? STATUS_OK : status;
}

/* ---- chunks ---- */

/* The chunk at hand. NOT_FOUND: there is none. */
static enum status chunk_here(struct timeline *timeline, struct timeline_chunk *chunk,
                              struct error *err)
{
    struct bytes tail;
    enum status status = tail_here(timeline, KIND_PARTIAL, &tail, err);
    if (status != STATUS_OK)
        return status;
    if (tail.size != KIND_SIZE + TIME_SIZE + LEVEL_SIZE ||
        (unsigned char)tail.data[KIND_SIZE + TIME_SIZE] >= CHUNK_LEVELS)
        return error_set(err, STATUS_CORRUPT, "the key of a stored partial has a wrong size");
    chunk->end_us = be64_read_signed(tail.data + KIND_SIZE);
    chunk->level = (unsigned char)tail.data[KIND_SIZE + TIME_SIZE];
    chunk->partial = range_value(&timeline->range);
    return STATUS_OK;
}

enum status timeline_chunk_seek(void *context, int64_t end_us, unsigned level_max,
                                struct timeline_chunk *chunk, struct error *err)
{
    struct timeline *timeline = context;
    leave_events(timeline);
    set_target(timeline, KIND_PARTIAL, end_us);
    buffer_append_byte(&timeline->target, (char)level_max);
    range_seek_for_prev(&timeline->range, buffer_bytes(&timeline->target));
    return chunk_here(timeline, chunk, err);
}

enum status timeline_chunk_back(void *context, struct timeline_chunk *chunk, struct error *err)
{
    struct timeline *timeline = context;
    CHECK(timeline->place != PLACE_EVENT);
    range_back(&timeline->range);
    return chunk_here(timeline, chunk, err);
}

struct timeline_reader timeline_reader_of(struct timeline *timeline)
{
    return (struct timeline_reader){.timeline = timeline,
                                    .back = timeline_back,
                                    .seek = timeline_seek,
                                    .fetch = timeline_fetch,
                                    .chunk_seek = timeline_chunk_seek,
                                    .chunk_back = timeline_chunk_back};
}
