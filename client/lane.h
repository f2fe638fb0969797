/* Lane: one producer of the server's, and the batch that it is sending.
 *
 * The server acknowledges without effect every push whose sequence is not above the last one it
 * took from that producer. This makes it safe to send a push again after a broken connection, but
 * only where no later push of the same producer was taken meanwhile: that one would hide a refusal
 * that never arrived. Hence
 * 1. a lane has at most one push under way, and is given its reply before the next,
 * 2. each different push of a lane has a new, higher sequence; the same push sent again keeps it.
 * Several lanes, each a producer of its own name, keep the server busy.
 *
 * When an event is refused, nothing of its push was taken. The events before it are then pushed by
 * themselves, and those behind it after them, so that even a file full of refused events is decoded
 * twice at most. Pure: it makes requests and is told replies. Thread: one at a time. */
#ifndef ASOF_CLIENT_LANE_H
#define ASOF_CLIENT_LANE_H

#include "batch.h"
#include "libasof/asof.h"

enum { LANE_PRODUCER_SIZE = 33 }; /* 128 random bits in hex, and NUL */

struct lane {
    char producer[LANE_PRODUCER_SIZE];
    uint64_t sequence; /* of the push under way */
    struct batch batch;
    size_t start; /* events before it are settled: acknowledged or refused */
    size_t end;   /* the push under way is events [start, end) */
};

/* Begins a producer of that name; copied. */
void lane_init(struct lane *lane, const char *producer);
void lane_fini(struct lane *lane);

/* Goes on to the next push: a new sequence for the events that are not settled, up to the next that
 * was refused. false: all are settled. */
bool lane_advance(struct lane *lane);

/* Makes it the push under way, the same each time until the next lane_advance. */
void lane_request(const struct lane *lane, struct asof_push *push);

/* The push under way was acknowledged. Returns how many events it had. */
size_t lane_acknowledge(struct lane *lane);

/* The push under way was refused because of its event number (from 1). Returns the event's index in
 * the batch; SIZE_MAX: the push has no such event. */
size_t lane_refuse(struct lane *lane, size_t number);

/* Gives up the events from index on. */
void lane_cut(struct lane *lane, size_t index);

#endif
