#include "storage/edges.h"

#include <string.h>

#include "base/check.h"
#include "base/endian.h"

_Static_assert(EDGES_BYTES_MAX <= UINT16_MAX, "offsets have 16 bits");

/* ---- packing ---- */

bool edges_draft_add(struct edges_draft *draft, const struct timeline_event *event)
{
    size_t size = event->identity.size + event->row.size;
    if (draft->count == EDGES_EVENTS_MAX || size > EDGES_BYTES_MAX - draft->bytes_size)
        return false;
    draft->events[draft->count++] = *event;
    draft->bytes_size += size;
    return true;
}

/* Where the parts of packed edges begin. */
static size_t ends_offset(size_t count)
{
    return count * sizeof(int64_t);
}

static size_t identities_offset(size_t count)
{
    return ends_offset(count) + count * sizeof(uint16_t);
}

static size_t entity_offset(size_t count)
{
    return identities_offset(count) + count * sizeof(uint16_t);
}

size_t edges_size(struct bytes entity, const struct edges_draft *draft)
{
    return offsetof(struct edges, packed) + entity_offset(draft->count) + entity.size +
           draft->bytes_size;
}

static void put_u16(char *at, size_t i, size_t value)
{
    uint16_t narrow = (uint16_t)value;
    CHECK(value <= UINT16_MAX);
    memcpy(at + i * sizeof(narrow), &narrow, sizeof(narrow));
}

static size_t take_u16(const char *at, size_t i)
{
    uint16_t narrow;
    memcpy(&narrow, at + i * sizeof(narrow), sizeof(narrow));
    return narrow;
}

static char *put_bytes(char *at, struct bytes bytes)
{
    if (bytes.size > 0)
        memcpy(at, bytes.data, bytes.size);
    return at + bytes.size;
}

void edges_pack(struct edges *edges, struct bytes entity, const struct edges_draft *draft)
{
    CHECK(entity.size <= UINT16_MAX && draft->count <= EDGES_EVENTS_MAX);
    CHECK(draft->bytes_size <= EDGES_BYTES_MAX);
    edges->since_us = draft->since_us;
    edges->count = (uint16_t)draft->count;
    edges->entity_size = (uint16_t)entity.size;
    edges->bytes_size = (uint16_t)draft->bytes_size;
    char *bytes = put_bytes(edges->packed + entity_offset(draft->count), entity);
    char *at = bytes;
    for (size_t i = 0; i < draft->count; i++) {
        const struct timeline_event *event = &draft->events[i];
        memcpy(edges->packed + i * sizeof(event->time_us), &event->time_us, sizeof(event->time_us));
        at = put_bytes(put_bytes(at, event->identity), event->row);
        put_u16(edges->packed + ends_offset(draft->count), i, (size_t)(at - bytes));
        put_u16(edges->packed + identities_offset(draft->count), i, event->identity.size);
    }
}

struct bytes edges_entity(const struct edges *edges)
{
    return bytes_of(edges->packed + entity_offset(edges->count), edges->entity_size);
}

/* ---- events ---- */

static int64_t time_of(const struct edges *edges, size_t i)
{
    int64_t time_us;
    memcpy(&time_us, edges->packed + i * sizeof(time_us), sizeof(time_us));
    return time_us;
}

static struct timeline_event event_of(const struct edges *edges, size_t i)
{
    const char *ends = edges->packed + ends_offset(edges->count);
    const char *bytes = edges->packed + entity_offset(edges->count) + edges->entity_size;
    size_t begin = i == 0 ? 0 : take_u16(ends, i - 1);
    size_t end = take_u16(ends, i);
    size_t identity_size = take_u16(edges->packed + identities_offset(edges->count), i);
    CHECK(begin + identity_size <= end && end <= edges->bytes_size);
    return (struct timeline_event){
        .time_us = time_of(edges, i),
        .identity = bytes_of(bytes + begin, identity_size),
        .row = bytes_of(bytes + begin + identity_size, end - begin - identity_size),
    };
}

/* As the keys of the two lie in the store. */
static int compare_keys(const struct timeline_event *a, const struct timeline_event *b)
{
    if (a->time_us != b->time_us)
        return a->time_us < b->time_us ? -1 : 1;
    return bytes_compare(a->identity, b->identity);
}

bool edges_merge(const struct edges *edges, const struct timeline_event *events, size_t count,
                 struct edges_draft *draft)
{
    size_t i = 0;
    size_t j = 0;
    draft->since_us = edges->since_us;
    draft->count = draft->bytes_size = 0;
    while (j < count && events[j].time_us < edges->since_us)
        j++;
    while (i < edges->count || j < count) {
        struct timeline_event old = {0};
        int order = 1; /* of the old one to the new one */
        if (i < edges->count) {
            old = event_of(edges, i);
            order = j < count ? compare_keys(&old, &events[j]) : -1;
        }
        if (!edges_draft_add(draft, order < 0 ? &old : &events[j]))
            return false;
        i += order <= 0;
        j += order >= 0;
    }
    return true;
}

/* ---- the way back ---- */

/* How many events lie before the time. */
static size_t count_before(const struct edges *edges, int64_t time_us)
{
    size_t count = edges->count;
    while (count > 0 && time_of(edges, count - 1) >= time_us)
        count--;
    return count;
}

void edges_cursor_start(struct edges_cursor *cursor, const struct edges *edges, int64_t t_us,
                        int64_t oldest_us)
{
    CHECK(t_us < INT64_MAX);
    size_t left = count_before(edges, t_us + 1);
    *cursor = (struct edges_cursor){
        .edges = edges,
        .left = left,
        .oldest_us = oldest_us,
        .end_us = oldest_us,
        .next_us = left < edges->count ? time_of(edges, left) : INT64_MAX,
    };
}

static enum status cursor_back(void *context, struct timeline_event *event, struct error *err)
{
    struct edges_cursor *cursor = context;
    (void)err;
    if (cursor->left > 0 && time_of(cursor->edges, cursor->left - 1) >= cursor->end_us) {
        *event = event_of(cursor->edges, --cursor->left);
        return STATUS_OK;
    }
    return cursor->end_us >= cursor->edges->since_us ? STATUS_NOT_FOUND : STATUS_AGAIN;
}

static void cursor_seek(void *context, int64_t before_us)
{
    struct edges_cursor *cursor = context;
    cursor->left = count_before(cursor->edges, before_us);
    cursor->end_us = cursor->oldest_us;
}

/* Nothing is read here: what is missing is said when it is due. */
static enum status cursor_fetch(void *context, int64_t from_us, size_t events_max,
                                struct error *err)
{
    struct edges_cursor *cursor = context;
    (void)events_max;
    (void)err;
    cursor->end_us = from_us > cursor->oldest_us ? from_us : cursor->oldest_us;
    return STATUS_OK;
}

/* There are no partials: events do as well. */
static enum status cursor_chunk_seek(void *context, int64_t end_us, unsigned level_max,
                                     struct timeline_chunk *chunk, struct error *err)
{
    (void)context;
    (void)end_us;
    (void)level_max;
    (void)chunk;
    (void)err;
    return STATUS_NOT_FOUND;
}

static enum status cursor_chunk_back(void *context, struct timeline_chunk *chunk, struct error *err)
{
    return cursor_chunk_seek(context, 0, 0, chunk, err);
}

struct timeline_reader edges_reader_of(struct edges_cursor *cursor)
{
    return (struct timeline_reader){.timeline = cursor,
                                    .back = cursor_back,
                                    .seek = cursor_seek,
                                    .fetch = cursor_fetch,
                                    .chunk_seek = cursor_chunk_seek,
                                    .chunk_back = cursor_chunk_back};
}
