#include "base/metric.h"

#define BOUNDS_COUNT(bounds) (sizeof(bounds) / sizeof((bounds)[0]))

static const int64_t duration_bounds_us[] = {
    100,         250,         500,         1000,         2500,        5 * 1000,
    10 * 1000,   25 * 1000,   50 * 1000,   100 * 1000,   250 * 1000,  500 * 1000,
    1000 * 1000, 2500 * 1000, 5000 * 1000, 10000 * 1000, 30000 * 1000};

static const int64_t age_bounds_us[] = {
    1000,
    2500,
    5 * 1000,
    10 * 1000,
    25 * 1000,
    50 * 1000,
    100 * 1000,
    250 * 1000,
    500 * 1000,
    1000 * 1000,
    2500 * 1000,
    5000 * 1000,
    10 * 1000 * 1000,
    30 * 1000 * 1000,
    60 * 1000 * 1000,
    5 * 60 * 1000 * 1000,
    30 * 60 * INT64_C(1000000),
    60 * 60 * INT64_C(1000000),
    24 * 60 * 60 * INT64_C(1000000),
};

static const int64_t size_bounds[] = {1,         2,         5,         10,        20,   50,
                                      100,       200,       500,       1000,      2000, 5 * 1000,
                                      10 * 1000, 20 * 1000, 50 * 1000, 100 * 1000};

_Static_assert(BOUNDS_COUNT(duration_bounds_us) <= HISTOGRAM_BOUNDS_MAX, "a bucket each");
_Static_assert(BOUNDS_COUNT(age_bounds_us) <= HISTOGRAM_BOUNDS_MAX, "a bucket each");
_Static_assert(BOUNDS_COUNT(size_bounds) <= HISTOGRAM_BOUNDS_MAX, "a bucket each");

const struct histogram_scale histogram_durations = {
    .bounds = duration_bounds_us, .bounds_count = BOUNDS_COUNT(duration_bounds_us), .unit = 1e6};

const struct histogram_scale histogram_ages = {
    .bounds = age_bounds_us, .bounds_count = BOUNDS_COUNT(age_bounds_us), .unit = 1e6};

const struct histogram_scale histogram_sizes = {
    .bounds = size_bounds, .bounds_count = BOUNDS_COUNT(size_bounds), .unit = 1};

/* With one writer a load and a store will do: no locked instruction. */
static void add(_Atomic uint64_t *number, uint64_t more)
{
    uint64_t before = atomic_load_explicit(number, memory_order_relaxed);
    atomic_store_explicit(number, before + more, memory_order_relaxed);
}

void histogram_observe(struct histogram *histogram, int64_t value)
{
    const struct histogram_scale *scale = histogram->scale;
    size_t bucket = 0;
    if (value < 0)
        value = 0;
    while (bucket < scale->bounds_count && value > scale->bounds[bucket])
        bucket++;
    add(&histogram->counts[bucket], 1);
    add(&histogram->sum, (uint64_t)value);
}

struct histogram_reading histogram_read(const struct histogram *histogram)
{
    struct histogram_reading reading = {0};
    uint64_t total = 0;
    for (size_t i = 0; i <= histogram->scale->bounds_count; i++) {
        total += atomic_load_explicit(&histogram->counts[i], memory_order_relaxed);
        reading.at_most[i] = total;
    }
    reading.sum = atomic_load_explicit(&histogram->sum, memory_order_relaxed);
    return reading;
}
