/* first, last: the value of the oldest and of the newest event that has one. */
#include "features/aggregation.h"

static void add_last(void *state, const struct aggregate_context *context,
                     const struct value *value, int64_t time_us)
{
    struct kept_value *kept = state;
    (void)time_us;
    if (kept->value.kind == VALUE_NULL)
        kept_value_set(kept, value, context->arena);
}

static void add_first(void *state, const struct aggregate_context *context,
                      const struct value *value, int64_t time_us)
{
    (void)time_us;
    kept_value_set(state, value, context->arena);
}

static struct value finish(void *state, const struct aggregate_context *context)
{
    (void)context;
    return ((struct kept_value *)state)->value;
}

const struct aggregation aggregation_first = {
    .name = "first",
    .argument = TAKES_VALUE,
    .overflow = OVERFLOW_IS_VALUE,
    .state_size = sizeof(struct kept_value),
    .add = add_first,
    .finish = finish,
};

const struct aggregation aggregation_last = {
    .name = "last",
    .argument = TAKES_VALUE,
    .overflow = OVERFLOW_IS_VALUE,
    .state_size = sizeof(struct kept_value),
    .add = add_last,
    .finish = finish,
};
