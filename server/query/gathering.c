#include "query/gathering.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/endian.h"
#include "model/entity.h"

enum {
    EVENTS_MAX = 16 * 1024,      /* of one entity */
    BYTES_MAX = 4 * 1024 * 1024, /* of their identities and rows */
    STEPS_BEHIND_MAX = 16,       /* over events behind T; for more, a seek costs less */
    FOLDED_TIME_SIZE = 8,        /* what a base begins with, see features/base.h */
};

struct gathered_event {
    int64_t time_us;
    size_t offset; /* of its identity in bytes; the row stands behind it */
    size_t identity_size;
    size_t row_size;
};

struct gathering {
    const struct view_version *version; /* borrowed */
    struct timeline_bounds bounds;
    struct event_scan *scan;    /* owned, as all buffers */
    struct scanned_event event; /* that the scan is at, where has_event */
    bool has_event;
    struct buffer entity;
    struct buffer bytes;
    struct gathered_event *events; /* owned; oldest first */
    size_t count;
    struct buffer base; /* empty: there is none */
    int64_t folded_us;  /* the time of the newest event in it */
    int64_t first_us;   /* events before this do not count */

    /* The way back. */
    size_t left;     /* events that lie before it */
    int64_t end_us;  /* events before this are not given until the next seek or fetch */
    bool gives_base; /* behind the last of these */
};

static size_t encoded_size(const void *context, struct bytes key)
{
    return entity_encoded_size(context, key);
}

struct gathering *gathering_open(struct storage *storage, const struct storage_reading *reading,
                                 const struct view_version *version,
                                 const struct timeline_bounds *bounds)
{
    struct gathering *gathering = calloc(1, sizeof(*gathering));
    struct storage_reading passing = *reading;
    CHECK(gathering != NULL);
    passing.is_passing = passing.is_long_run = true;
    gathering->version = version;
    gathering->bounds = *bounds;
    gathering->events = calloc(EVENTS_MAX, sizeof(*gathering->events));
    CHECK(gathering->events != NULL);
    gathering->scan = event_scan_open(storage, &passing, version->table_id, (struct bytes){0},
                                      encoded_size, version->definition);
    return gathering;
}

void gathering_close(struct gathering **out)
{
    struct gathering *gathering = *out;
    if (gathering == NULL)
        return;
    event_scan_close(&gathering->scan);
    buffer_fini(&gathering->entity);
    buffer_fini(&gathering->bytes);
    buffer_fini(&gathering->base);
    free(gathering->events);
    free(gathering);
    *out = NULL;
}

/* ---- gathering ---- */

static enum status step(struct gathering *gathering, struct error *err)
{
    enum status status = event_scan_next(gathering->scan, &gathering->event, err);
    gathering->has_event = status == STATUS_OK;
    return status;
}

/* Whether the scan is at something of the entity at hand. */
static bool is_same_entity(const struct gathering *gathering)
{
    return gathering->has_event &&
           bytes_equal(gathering->event.entity, buffer_bytes(&gathering->entity));
}

/* false: there is no room. */
static bool take_event(struct gathering *gathering)
{
    const struct scanned_event *event = &gathering->event;
    size_t size = event->identity.size + event->row.size;
    if (gathering->count == EVENTS_MAX || gathering->bytes.size + size > BYTES_MAX)
        return false;
    gathering->events[gathering->count++] =
        (struct gathered_event){.time_us = event->time_us,
                                .offset = gathering->bytes.size,
                                .identity_size = event->identity.size,
                                .row_size = event->row.size};
    buffer_append(&gathering->bytes, event->identity);
    buffer_append(&gathering->bytes, event->row);
    return true;
}

static enum status take_base(struct gathering *gathering, struct error *err)
{
    struct bytes base = gathering->event.row;
    if (base.size < FOLDED_TIME_SIZE)
        return error_set(err, STATUS_CORRUPT, "a stored base is too short");
    buffer_append(&gathering->base, base);
    gathering->folded_us = be64_read_signed(base.data);
    if (gathering->folded_us >= gathering->first_us && gathering->folded_us < INT64_MAX)
        gathering->first_us = gathering->folded_us + 1;
    return STATUS_OK;
}

static enum status skip_entity(struct gathering *gathering, struct error *err)
{
    event_scan_skip_entity(gathering->scan);
    return step(gathering, err);
}

/* Takes all of the entity at hand that counts; leaves the scan behind it. */
static enum status gather(struct gathering *gathering, bool *is_whole, struct error *err)
{
    enum status status = STATUS_OK;
    size_t behind = 0;
    *is_whole = true;
    while (status == STATUS_OK && is_same_entity(gathering)) {
        const struct scanned_event *event = &gathering->event;
        if (event->is_base) {
            if (gathering->bounds.has_base)
                status = take_base(gathering, err);
        } else if (event->time_us > gathering->bounds.t_us) {
            behind++;
        } else if (event->time_us >= gathering->bounds.oldest_us) {
            *is_whole = take_event(gathering);
        }
        bool is_enough = behind > STEPS_BEHIND_MAX && !gathering->bounds.has_base;
        if (status == STATUS_OK)
            status = *is_whole && !is_enough ? step(gathering, err) : skip_entity(gathering, err);
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* Back to the newest event. */
static void rewind_events(struct gathering *gathering)
{
    gathering->left = gathering->count;
    gathering->end_us = gathering->first_us;
    gathering->gives_base = gathering->base.size > 0;
}

enum status gathering_next(struct gathering *gathering, struct bytes *entity, bool *is_whole,
                           struct error *err)
{
    enum status status = STATUS_OK;
    if (!gathering->has_event)
        status = step(gathering, err);
    if (status != STATUS_OK)
        return status;
    buffer_reset(&gathering->entity, SIZE_MAX);
    buffer_reset(&gathering->bytes, SIZE_MAX);
    buffer_reset(&gathering->base, SIZE_MAX);
    buffer_append(&gathering->entity, gathering->event.entity);
    gathering->count = 0;
    gathering->first_us = gathering->bounds.oldest_us;
    status = gather(gathering, is_whole, err);
    rewind_events(gathering);
    *entity = buffer_bytes(&gathering->entity);
    return status;
}

/* ---- the way back ---- */

static enum status gathering_back(void *context, struct timeline_event *out, struct error *err)
{
    struct gathering *gathering = context;
    (void)err;
    if (gathering->left > 0) {
        const struct gathered_event *event = &gathering->events[gathering->left - 1];
        if (event->time_us >= gathering->end_us) {
            const char *data = buffer_bytes(&gathering->bytes).data + event->offset;
            gathering->left--;
            *out = (struct timeline_event){
                .time_us = event->time_us,
                .identity = bytes_of(data, event->identity_size),
                .row = bytes_of(data + event->identity_size, event->row_size)};
            return STATUS_OK;
        }
    }
    if (!gathering->gives_base)
        return STATUS_NOT_FOUND;
    *out = (struct timeline_event){.is_base = true, .row = buffer_bytes(&gathering->base)};
    return STATUS_OK;
}

static void gathering_seek(void *context, int64_t before_us)
{
    struct gathering *gathering = context;
    rewind_events(gathering);
    while (gathering->left > 0 && gathering->events[gathering->left - 1].time_us >= before_us)
        gathering->left--;
}

/* All is in memory already. */
static enum status gathering_fetch(void *context, int64_t from_us, size_t events_max,
                                   struct error *err)
{
    struct gathering *gathering = context;
    (void)events_max;
    (void)err;
    gathering->end_us = from_us > gathering->first_us ? from_us : gathering->first_us;
    gathering->gives_base = gathering->base.size > 0 && from_us <= gathering->folded_us;
    return STATUS_OK;
}

/* Events do as well as partials. */
static enum status gathering_chunk_seek(void *context, int64_t end_us, unsigned level_max,
                                        struct timeline_chunk *chunk, struct error *err)
{
    (void)context;
    (void)end_us;
    (void)level_max;
    (void)chunk;
    (void)err;
    return STATUS_NOT_FOUND;
}

static enum status gathering_chunk_back(void *context, struct timeline_chunk *chunk,
                                        struct error *err)
{
    return gathering_chunk_seek(context, 0, 0, chunk, err);
}

struct timeline_reader gathering_reader(struct gathering *gathering)
{
    return (struct timeline_reader){.timeline = gathering,
                                    .back = gathering_back,
                                    .seek = gathering_seek,
                                    .fetch = gathering_fetch,
                                    .chunk_seek = gathering_chunk_seek,
                                    .chunk_back = gathering_chunk_back};
}
