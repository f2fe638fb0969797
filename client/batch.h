/* Batch: the events of one push, with where each stands in its file, so that a refusal can be told
 * by its line and what is refused can be written down. Thread: one at a time. */
#ifndef ASOF_CLIENT_BATCH_H
#define ASOF_CLIENT_BATCH_H

#include "events.h"

enum {
    BATCH_SIZE_MAX = 4 * 1024 * 1024, /* no event is added to a batch that has reached it */
};

struct batch_event {
    uint64_t line;
    size_t json_start, json_size; /* in text */
    size_t raw_start, raw_size;   /* the same as json where the file is NDJSON */
    bool is_refused;
};

/* Zero is a valid empty batch. */
struct batch {
    struct buffer text;         /* json and raw of all events */
    struct batch_event *events; /* owned */
    size_t count;
    size_t capacity;
    uint64_t end_offset; /* bytes of the file up to the end of its last event */
};

void batch_fini(struct batch *batch);

/* Empties it and keeps the memory. */
void batch_reset(struct batch *batch);

/* Copies an event that is not rejected. */
void batch_add(struct batch *batch, const struct event *event);

/* Whether another event may be added. */
bool batch_has_room(const struct batch *batch, size_t events_max);

/* What was added; borrowed until the next change. */
struct bytes batch_json(const struct batch *batch, size_t i);
struct bytes batch_raw(const struct batch *batch, size_t i);

#endif
