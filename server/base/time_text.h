/* Time text: between times or durations in microseconds and what people type. Thread: any. */
#ifndef ASOF_BASE_TIME_TEXT_H
#define ASOF_BASE_TIME_TEXT_H

#include "base/bytes.h"

enum { TIME_TEXT_SIZE = 40, DURATION_TEXT_SIZE = 64 };

/* Event times lie in the years 1 to 9999 (UTC), both inclusive. */
#define TIME_MIN_US INT64_C(-62135596800000000)
#define TIME_MAX_US INT64_C(253402300799999999)

#define US_PER_MS     INT64_C(1000)
#define US_PER_SECOND INT64_C(1000000)
#define US_PER_MINUTE (60 * US_PER_SECOND)
#define US_PER_HOUR   (60 * US_PER_MINUTE)
#define US_PER_DAY    (24 * US_PER_HOUR)

static inline bool time_is_valid(int64_t time_us)
{
    return time_us >= TIME_MIN_US && time_us <= TIME_MAX_US;
}

/* RFC 3339 with its offset ("2026-01-31T12:00:00Z", "2026-01-31 12:00:00.5+02:00", lower-case t and
 * z too), any number of fraction digits, floored to microseconds; second 60 is the next second's 0.
 * false: not such a text, or outside TIME_MIN_US .. TIME_MAX_US. */
bool time_parse(struct bytes text, int64_t *out_us);

/* "2026-01-31T12:00:00Z", with as many fraction digits as needed (0, 3 or 6). Returns the length.
 */
size_t time_format(int64_t time_us, char text[TIME_TEXT_SIZE]);

/* "250ms", "5s", "5m", "1h", "7d", "2w", sums like "1h30m" from larger to smaller units, each once.
 * false: not such a text, zero, or above 100 years. */
bool duration_parse(struct bytes text, int64_t *out_us);

/* The same way, as short as it goes: 5400000000 is "1h30m". Below a millisecond in "us". */
size_t duration_format(int64_t duration_us, char text[DURATION_TEXT_SIZE]);

#endif
