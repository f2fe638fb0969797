/* Clock: the only door to the machine's time. Logic never calls it; the edges do and pass the
 * time on, so that tests own it. Thread: any. */
#ifndef ASOF_BASE_CLOCK_H
#define ASOF_BASE_CLOCK_H

#include <stdint.h>

/* Wall time in microseconds since 1970-01-01T00:00Z. */
int64_t clock_now_us(void);

/* Monotonic time in microseconds; for durations only, never stored. */
int64_t clock_mono_us(void);

#endif
