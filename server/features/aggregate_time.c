/* time_since_last, time_since_first: seconds from the newest or oldest event to T.
 * duration: seconds from the oldest to the newest event of a session. */
#include "base/time_text.h"
#include "features/aggregation.h"
#include "features/features.h"

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

/* Both times are below 2^59, so the difference is exact and the quotient rounded once. */
struct value relative_value(int64_t base_us, int64_t counted_us)
{
    return value_double((double)(counted_us - base_us) / (double)US_PER_SECOND);
}

static int64_t newest_us(const void *state)
{
    const struct state *times = state;
    return times->has_events ? times->newest_us : ANSWER_NO_BASE;
}

static int64_t oldest_us(const void *state)
{
    const struct state *times = state;
    return times->has_events ? times->oldest_us : ANSWER_NO_BASE;
}

static struct value seconds_since(int64_t base_us, int64_t to_us)
{
    return base_us == ANSWER_NO_BASE ? value_null() : relative_value(base_us, to_us);
}

static struct value finish_since_last(void *state, const struct aggregate_context *context)
{
    return seconds_since(newest_us(state), context->t_us);
}

static struct value finish_since_first(void *state, const struct aggregate_context *context)
{
    return seconds_since(oldest_us(state), context->t_us);
}

static struct value finish_duration(void *state, const struct aggregate_context *context)
{
    (void)context;
    return seconds_since(oldest_us(state), newest_us(state));
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
    .base_us = newest_us,
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
    .base_us = oldest_us,
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
