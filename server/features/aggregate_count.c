/* count: how many events, or how many with a value. */
#include "features/aggregation.h"

static void add(void *state, const struct aggregate_context *context, const struct value *value,
                int64_t time_us)
{
    (void)context, (void)value, (void)time_us;
    ++*(int64_t *)state;
}

static struct value finish(void *state, const struct aggregate_context *context)
{
    (void)context;
    return value_int(*(int64_t *)state);
}

const struct aggregation aggregation_count = {
    .name = "count",
    .argument = TAKES_ANYTHING,
    .overflow = OVERFLOW_IS_VALUE,
    .has_fixed_type = true,
    .fixed_type = {.kind = VALUE_INT},
    .state_size = sizeof(int64_t),
    .add = add,
    .finish = finish,
};
