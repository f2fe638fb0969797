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

static void add_newer(void *state, const struct aggregate_context *context,
                      const struct value *value, int64_t time_us)
{
    struct state *times = state;
    (void)context, (void)value;
    if (!times->has_events)
        times->oldest_us = time_us;
    times->has_events = true;
    times->newest_us = time_us;
}

static void merge(void *state, const struct aggregate_context *context, const void *older)
{
    struct state *times = state;
    const struct state *other = older;
    (void)context;
    if (!other->has_events)
        return;
    if (!times->has_events)
        times->newest_us = other->newest_us;
    times->has_events = true;
    times->oldest_us = other->oldest_us;
}

static void encode(const void *state, struct buffer *out)
{
    const struct state *times = state;
    buffer_append_byte(out, times->has_events);
    if (times->has_events)
        time_span_append(out, times->newest_us, times->oldest_us);
}

static bool decode(void *state, const struct aggregate_context *context, struct bytes *left)
{
    struct state *times = state;
    (void)context;
    *times = (struct state){0};
    if (left->size == 0 || (unsigned char)left->data[0] > 1)
        return false;
    times->has_events = left->data[0] == 1;
    *left = bytes_after(*left, 1);
    return !times->has_events || time_span_take(left, &times->newest_us, &times->oldest_us);
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

static struct value finish_since_last(const void *state, const struct aggregate_context *context)
{
    return seconds_since(newest_us(state), context->t_us);
}

static struct value finish_since_first(const void *state, const struct aggregate_context *context)
{
    return seconds_since(oldest_us(state), context->t_us);
}

static struct value finish_duration(const void *state, const struct aggregate_context *context)
{
    (void)context;
    return seconds_since(oldest_us(state), newest_us(state));
}

static const struct accumulator accumulator = {
    .name = "times",
    .overflow = OVERFLOW_IS_VALUE,
    .state_size = sizeof(struct state),
    .add = add,
    .add_newer = add_newer,
    .merge = merge,
    .encode = encode,
    .decode = decode,
};

const struct aggregation aggregation_time_since_last = {
    .name = "time_since_last",
    .accumulator = &accumulator,
    .argument = TAKES_ANYTHING,
    .has_fixed_type = true,
    .fixed_type = {.kind = VALUE_DOUBLE},
    .is_relative = true,
    .finish = finish_since_last,
    .base_us = newest_us,
};

const struct aggregation aggregation_time_since_first = {
    .name = "time_since_first",
    .accumulator = &accumulator,
    .argument = TAKES_ANYTHING,
    .has_fixed_type = true,
    .fixed_type = {.kind = VALUE_DOUBLE},
    .is_relative = true,
    .finish = finish_since_first,
    .base_us = oldest_us,
};

const struct aggregation aggregation_duration = {
    .name = "duration",
    .accumulator = &accumulator,
    .argument = TAKES_NOTHING,
    .has_fixed_type = true,
    .fixed_type = {.kind = VALUE_DOUBLE},
    .needs_window = true,
    .window_kind = WINDOW_SESSION,
    .finish = finish_duration,
};
