/* Source time: the largest event time that a source accepted, TIME_MIN_US before the first. It is
 * `now` for the views of a source whose clock is `event`. Beside it, what metrics tell of a source.
 *
 * What was committed before it was moved is seen by who reads it first.
 * Thread: the stream moves it, any read it. */
#ifndef ASOF_MODEL_SOURCE_TIME_H
#define ASOF_MODEL_SOURCE_TIME_H

#include <stdatomic.h>

#include "base/clock.h"
#include "model/definition.h"

struct source_time {
    _Atomic int64_t newest_us;
    _Atomic int64_t floor_us; /* `now` was here once already, by a clock that was set back since */
    _Atomic uint64_t events_total; /* ever accepted */
    _Atomic int64_t
        accepted_us; /* wall time of the last commit with events; 0: none since the start */
    _Atomic int64_t
        waiting_us; /* wall time since which something may wait to be read; 0: nothing does */
    _Atomic uint64_t
        missed_total; /* events since the start that came to be readable behind freshness_slo */
};

static inline void source_time_move(struct source_time *time, int64_t newest_us)
{
    atomic_store_explicit(&time->newest_us, newest_us, memory_order_release);
}

/* Keeps `now` from going back behind a time that it had; what is done next on the strength of that
 * is seen only by who sees this, too. */
static inline void source_time_raise_floor(struct source_time *time, int64_t floor_us)
{
    if (floor_us > atomic_load_explicit(&time->floor_us, memory_order_relaxed))
        atomic_store_explicit(&time->floor_us, floor_us, memory_order_release);
}

/* `now` by the source's clock, when the wall clock says wall_us. */
static inline int64_t source_time_at_us(const struct source_time *time, enum source_clock clock,
                                        int64_t wall_us)
{
    if (clock == CLOCK_EVENT)
        return atomic_load_explicit(&time->newest_us, memory_order_acquire);
    int64_t floor_us = atomic_load_explicit(&time->floor_us, memory_order_acquire);
    return wall_us > floor_us ? wall_us : floor_us;
}

/* `now` by the source's clock. */
static inline int64_t source_time_now_us(const struct source_time *time, enum source_clock clock)
{
    return source_time_at_us(time, clock, clock == CLOCK_WALL ? clock_now_us() : 0);
}

/* What is told of a source's freshness. */
struct source_fresh {
    int64_t waiting_us; /* how long something may have waited to be read; 0: nothing does */
    bool is_breached;   /* longer than freshness_slo */
};

static inline struct source_fresh source_fresh_at(const struct source_time *time, int64_t slo_us,
                                                  int64_t now_us)
{
    int64_t since_us = atomic_load_explicit(&time->waiting_us, memory_order_relaxed);
    int64_t waiting_us = since_us == 0 || now_us < since_us ? 0 : now_us - since_us;
    return (struct source_fresh){
        .waiting_us = waiting_us,
        .is_breached = slo_us != DURATION_NONE && waiting_us > slo_us,
    };
}

#endif
