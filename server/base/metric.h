/* Metric: a histogram of fixed bounds, for what is measured often and looked at now and then.
 *
 * 1. One thread observes, without a lock; any thread reads. A reading may lack what is observed at
 *    that moment; its counts and its sum may differ by that.
 * Zero with a scale is a valid empty histogram. */
#ifndef ASOF_BASE_METRIC_H
#define ASOF_BASE_METRIC_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { HISTOGRAM_BOUNDS_MAX = 20 };

/* Where the buckets end. */
struct histogram_scale {
    const int64_t
        *bounds; /* ascending, at most HISTOGRAM_BOUNDS_MAX; a value on one belongs below */
    size_t bounds_count;
    double unit; /* how many of what is observed make one of what is shown */
};

/* Microseconds, shown as seconds: 100 us to 30 s. */
extern const struct histogram_scale histogram_durations;

/* The same, of what may have waited long: 1 ms to a day. */
extern const struct histogram_scale histogram_ages;

/* Plain numbers: 1 to 100,000. */
extern const struct histogram_scale histogram_sizes;

struct histogram {
    const struct histogram_scale *scale; /* borrowed */
    _Atomic uint64_t
        counts[HISTOGRAM_BOUNDS_MAX + 1]; /* a bucket each, the last beyond all bounds */
    _Atomic uint64_t sum;
};

struct histogram_reading {
    uint64_t at_most[HISTOGRAM_BOUNDS_MAX + 1]; /* observed up to each bound; the last is all */
    uint64_t sum;
};

/* Counts a value; a negative one as 0. Thread: always the same. */
void histogram_observe(struct histogram *histogram, int64_t value);

/* Thread: any. */
struct histogram_reading histogram_read(const struct histogram *histogram);

#endif
