/* Chunk: an aligned span of time whose events can have a partial. Chunks come in levels; one of a
 * level is made of whole chunks of the level below. Sizes are those that steps and tumbling windows
 * have, so that their ends fall on the ends of chunks.
 *
 * Thread: any. */
#ifndef ASOF_FEATURES_CHUNK_H
#define ASOF_FEATURES_CHUNK_H

#include "base/check.h"
#include "base/time_text.h"
#include "features/window.h"

enum {
    CHUNK_LEVELS = 16,
    CHUNK_EVENTS_MIN = 32, /* of a chunk with a partial: fewer are read as fast one by one */
};

static inline int64_t chunk_size_us(unsigned level)
{
    static const int64_t sizes_us[CHUNK_LEVELS] = {
        10 * US_PER_MS,     50 * US_PER_MS,     250 * US_PER_MS, US_PER_SECOND,
        5 * US_PER_SECOND,  15 * US_PER_SECOND, US_PER_MINUTE,   5 * US_PER_MINUTE,
        15 * US_PER_MINUTE, US_PER_HOUR,        4 * US_PER_HOUR, US_PER_DAY,
        4 * US_PER_DAY,     16 * US_PER_DAY,    64 * US_PER_DAY, 256 * US_PER_DAY,
    };
    CHECK(level < CHUNK_LEVELS);
    return sizes_us[level];
}

/* Of the chunk that the time lies in. */
static inline int64_t chunk_start_us(int64_t time_us, unsigned level)
{
    return time_floor_us(time_us, chunk_size_us(level));
}

static inline int64_t chunk_end_us(int64_t time_us, unsigned level)
{
    return chunk_start_us(time_us, level) + chunk_size_us(level);
}

#endif
