/* Source time: the largest event time that a source accepted, TIME_MIN_US before the first. It is
 * `now` for the views of a source whose clock is `event`.
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
};

static inline void source_time_move(struct source_time *time, int64_t newest_us)
{
    atomic_store_explicit(&time->newest_us, newest_us, memory_order_release);
}

/* `now` by the source's clock. */
static inline int64_t source_time_now_us(const struct source_time *time, enum source_clock clock)
{
    return clock == CLOCK_WALL ? clock_now_us()
                               : atomic_load_explicit(&time->newest_us, memory_order_acquire);
}

#endif
