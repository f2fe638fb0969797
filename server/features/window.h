/* Window: which events count at T, decided on the way back from T, one event after the other.
 *
 * 1. Every window is a run of events that ends at T: once an event is outside, all older ones are.
 * 2. Only the event's time and the times of the newer ones decide; never its content.
 *
 * Thread: a walk belongs to one. */
#ifndef ASOF_FEATURES_WINDOW_H
#define ASOF_FEATURES_WINDOW_H

#include "model/definition.h"

/* The largest multiple of step at or below the time, toward the past; step_us > 0. */
static inline int64_t time_floor_us(int64_t time_us, int64_t step_us)
{
    int64_t rest_us = time_us % step_us;
    return time_us - (rest_us < 0 ? rest_us + step_us : rest_us);
}

/* A run of neighbouring events. Times mean something where count is not 0. */
struct run {
    uint64_t count;
    int64_t newest_us;
    int64_t oldest_us;
    int64_t gap_max_us; /* the largest distance of neighbours in the run */
};

/* Takes in the run that lies behind. */
void run_merge(struct run *run, const struct run *older);

/* How far before T the window reaches at most: an event at or before T minus this is outside. 0 for
 * windows without such a bound (session, last, forever). */
int64_t window_reach_us(const struct window *window);

/* The time of the oldest event that can be inside at T, as far as T alone decides it; it never goes
 * back when T goes forward. */
int64_t window_oldest_us(const struct window *window, int64_t t_us);

/* A window on its way back from T. */
struct window_walk {
    const struct window *window; /* borrowed */
    int64_t t_us;
    int64_t oldest_us;        /* an event before this is outside; moves back in a session */
    int64_t newest_inside_us; /* of the events that count, once there is one */
    int64_t oldest_inside_us; /* the same; so far */
    uint64_t events_count;    /* that were inside so far */
    bool is_open;             /* older events may be inside */
};

/* At T, before the first event. */
void window_walk_start(struct window_walk *walk, const struct window *window, int64_t t_us);

/* Takes the next older event (all are at or before T). Returns whether it counts; where not, the
 * walk is closed. */
bool window_walk_take(struct window_walk *walk, int64_t time_us);

enum run_place { RUN_INSIDE, RUN_OUTSIDE, RUN_ACROSS };

/* Where the run of the next older events (at least one, all at or before T) lies: all in the open
 * window, none in it, or (as far as can be told without its events) across its end. */
enum run_place window_walk_place(const struct window_walk *walk, const struct run *run);

/* Takes a run that is not across; as taking each of its events. */
void window_walk_take_run(struct window_walk *walk, const struct run *run);

/* Once all events were taken that count: up to which T (without it) the same ones count, as long as
 * there are no others. */
int64_t window_walk_valid_until_us(const struct window_walk *walk);

/* Up to which T (without it) the newest event counts; there is one and it counts. */
int64_t window_walk_newest_until_us(const struct window_walk *walk);

#endif
