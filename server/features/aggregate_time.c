/* time_since_last, time_since_first: seconds from the newest or oldest event to T.
 * duration: seconds from the oldest to the newest event of a session. */
#include "base/time_text.h"
#include "features/aggregation.h"

struct state {
    bool has_events;
    int64_t newest_us;
    int64_t oldest_us;
};

static void add(void *state, const struct aggregate_context *context, const struct value *value,
                int64_t time_us)
{
    struct state *times = state;
    (void)context, (void)value;
    if (!times->has_events)
        times->newest_us = time_us;
    times->has_events = true;
    times->oldest_us = time_us;
}

/* NULL over nothing. Both times are below 2^59, so the difference is exact and the quotient rounded
 * once. */
static struct value seconds_between(const struct state *times, int64_t from_us, int64_t to_us)
{
    if (!times->has_events)
        return value_null();
    return value_double((double)(to_us - from_us) / (double)US_PER_SECOND);
}

static struct value finish_since_last(void *state, const struct aggregate_context *context)
{
    const struct state *times = state;
    return seconds_between(times, times->newest_us, context->t_us);
}

static struct value finish_since_first(void *state, const struct aggregate_context *context)
{
    const struct state *times = state;
    return seconds_between(times, times->oldest_us, context->t_us);
}

static struct value finish_duration(void *state, const struct aggregate_context *context)
{
    const struct state *times = state;
    (void)context;
    return seconds_between(times, times->oldest_us, times->newest_us);
}

const struct aggregation aggregation_time_since_last = {
    .name = "time_since_last",
    .argument = TAKES_ANYTHING,
    .overflow = OVERFLOW_IS_VALUE,
    .has_fixed_type = true,
    .fixed_type = {.kind = VALUE_DOUBLE},
    .is_relative = true,
    .state_size = sizeof(struct state),
    .add = add,
    .finish = finish_since_last,
};

const struct aggregation aggregation_time_since_first = {
    .name = "time_since_first",
    .argument = TAKES_ANYTHING,
    .overflow = OVERFLOW_IS_VALUE,
    .has_fixed_type = true,
    .fixed_type = {.kind = VALUE_DOUBLE},
    .is_relative = true,
    .state_size = sizeof(struct state),
    .add = add,
    .finish = finish_since_first,
};

const struct aggregation aggregation_duration = {
    .name = "duration",
    .argument = TAKES_NOTHING,
    .overflow = OVERFLOW_IS_VALUE,
    .has_fixed_type = true,
    .fixed_type = {.kind = VALUE_DOUBLE},
    .needs_window = true,
    .window_kind = WINDOW_SESSION,
    .state_size = sizeof(struct state),
    .add = add,
    .finish = finish_duration,
};
