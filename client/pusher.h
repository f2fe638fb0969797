/* Pusher: sends a file's events to the server, several pushes at a time, each event exactly once.
 * The life of an event on this side: events_next, batch_add, lane_request, the reply.
 *
 * 1. An event is acknowledged, refused, or told as not sent: none is lost silently, none counts
 *    twice, however often the connection breaks.
 * 2. Memory is bounded: PUSHER_LANES_MAX batches of BATCH_SIZE_MAX and an event.
 * 3. Without a callback for refusals it stops at the first one: all events before that are in.
 * Those of pushes that were under way behind it may be too, and are told. Thread: one at a time. */
#ifndef ASOF_CLIENT_PUSHER_H
#define ASOF_CLIENT_PUSHER_H

#include "batch.h"
#include "remote.h"

enum {
    PUSHER_LANES_MAX = 16,
    PUSHER_BATCH_EVENTS_MAX = 100 * 1000, /* the server takes no more in one push */
};

struct refusal {
    uint64_t line;
    const char *reason;
    struct bytes raw; /* as the file has it */
    bool is_cut;      /* raw is only its beginning */
};

struct pusher_counts {
    uint64_t acknowledged;
    uint64_t refused;
    uint64_t offset; /* bytes of the file up to the end of the last batch that was settled */
};

struct pusher_config {
    struct remote *remote; /* borrowed */
    struct events *events; /* borrowed */
    const char *source;
    size_t batch_events;
    size_t lanes_count;
    int64_t retry_us; /* how long it tries when the server is gone */

    void *context; /* of the callbacks */
    /* Takes a refused event; NULL: stop there. A failure of it ends the work. */
    enum status (*refused)(void *context, const struct refusal *refusal, struct error *err);
    /* Is told now and then how far it is. */
    void (*progressed)(void *context, const struct pusher_counts *counts);
    /* Is told of the connection's trouble, in a sentence. */
    void (*noticed)(void *context, const char *sentence);
};

struct pusher_result {
    struct pusher_counts counts;
    uint64_t last_line; /* of the last event that was read */
    /* Where it stopped, if it did at a refused event: */
    bool is_stopped;
    uint64_t stop_line;
    struct error stop_reason;
    uint64_t behind; /* events behind the stop that are in all the same, in these lines */
    uint64_t behind_first_line;
    uint64_t behind_last_line;
    /* What had no reply when the work ended with a failure; may be in or not: */
    uint64_t unknown;
    uint64_t unknown_first_line;
};

/* Sends all events. result is filled whatever it returns. CANCELLED: an interrupt came; what was
 * under way is settled, result says how far it is. NOT_FOUND: no such source. UNAVAILABLE: the
 * server was away for too long. Others: what the server said, or reading the file. */
MUST_USE enum status pusher_run(const struct pusher_config *config, struct pusher_result *result,
                                struct error *err);

#endif
