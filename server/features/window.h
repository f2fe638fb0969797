/* Window: which events count at T, decided on the way back from T, one event after the other.
 *
 * 1. Every window is a run of events that ends at T: once an event is outside, all older ones are.
 * 2. Only the event's time and the times of the newer ones decide; never its content.
 *
 * Thread: a walk belongs to one. */
#ifndef ASOF_FEATURES_WINDOW_H
#define ASOF_FEATURES_WINDOW_H

#include "model/definition.h"

/* A window on its way back from T. */
struct window_walk {
    const struct window *window; /* borrowed */
    int64_t t_us;
    int64_t oldest_us;           /* an event before this is outside; moves back in a session */
    int64_t newest_inside_us;    /* of the events that count, once there is one */
    int64_t oldest_inside_us;    /* the same; so far */
    uint32_t events_count;       /* that were inside so far */
    bool is_open;                /* older events may be inside */
};

/* At T, before the first event. */
void window_walk_start(struct window_walk *walk, const struct window *window, int64_t t_us);

/* Takes the next older event (all are at or before T). Returns whether it counts; where not, the
 * walk is closed. */
bool window_walk_take(struct window_walk *walk, int64_t time_us);

/* Once all events were taken that count: up to which T (without it) the same ones count, as long as
 * there are no others. */
int64_t window_walk_valid_until_us(const struct window_walk *walk);

/* Up to which T (without it) the newest event counts; there is one and it counts. */
int64_t window_walk_newest_until_us(const struct window_walk *walk);

#endif
