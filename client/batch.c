#include "batch.h"

#include <stdlib.h>

#include "base/check.h"

void batch_fini(struct batch *batch)
{
    buffer_fini(&batch->text);
    free(batch->events);
    *batch = (struct batch){0};
}

void batch_reset(struct batch *batch)
{
    buffer_reset(&batch->text, 2 * BATCH_SIZE_MAX);
    batch->count = 0;
}

static size_t add_text(struct batch *batch, struct bytes text)
{
    size_t start = batch->text.size;
    buffer_append(&batch->text, text);
    return start;
}

void batch_add(struct batch *batch, const struct event *event)
{
    CHECK(event->rejection == NULL);
    if (batch->count == batch->capacity) {
        batch->capacity = batch->capacity > 0 ? batch->capacity * 2 : 64;
        batch->events = realloc(batch->events, batch->capacity * sizeof(*batch->events));
        CHECK(batch->events != NULL);
    }
    bool is_same = event->raw.data == event->json.data;
    struct batch_event *added = &batch->events[batch->count++];
    *added = (struct batch_event){
        .line = event->line,
        .json_start = add_text(batch, event->json),
        .json_size = event->json.size,
        .raw_size = event->raw.size,
    };
    added->raw_start = is_same ? added->json_start : add_text(batch, event->raw);
    batch->end_offset = event->end_offset;
}

bool batch_has_room(const struct batch *batch, size_t events_max)
{
    return batch->count < events_max && batch->text.size < BATCH_SIZE_MAX;
}

static struct bytes slice(const struct batch *batch, size_t start, size_t size)
{
    return bytes_of(buffer_bytes(&batch->text).data + start, size);
}

struct bytes batch_json(const struct batch *batch, size_t i)
{
    CHECK(i < batch->count);
    return slice(batch, batch->events[i].json_start, batch->events[i].json_size);
}

struct bytes batch_raw(const struct batch *batch, size_t i)
{
    CHECK(i < batch->count);
    return slice(batch, batch->events[i].raw_start, batch->events[i].raw_size);
}
