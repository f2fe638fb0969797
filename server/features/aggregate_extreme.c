/* min, max: the smallest and the largest value; strings bytewise. */
#include "features/aggregation.h"

static void keep_if(struct kept_value *kept, const struct aggregate_context *context,
                    const struct value *value, bool is_better)
{
    if (kept->value.kind == VALUE_NULL || is_better)
        kept_value_set(kept, value, context->arena);
}

static void add_min(void *state, const struct aggregate_context *context,
                    const struct value *value, int64_t time_us)
{
    struct kept_value *kept = state;
    (void)time_us;
    keep_if(kept, context, value, value_compare(value, &kept->value) < 0);
}

static void add_max(void *state, const struct aggregate_context *context,
                    const struct value *value, int64_t time_us)
{
    struct kept_value *kept = state;
    (void)time_us;
    keep_if(kept, context, value, value_compare(value, &kept->value) > 0);
}

static struct value finish(void *state, const struct aggregate_context *context)
{
    (void)context;
    return ((struct kept_value *)state)->value;
}

const struct aggregation aggregation_min = {
    .name = "min",
    .argument = TAKES_ORDERED,
    .overflow = OVERFLOW_SPOILS,
    .state_size = sizeof(struct kept_value),
    .add = add_min,
    .finish = finish,
};

const struct aggregation aggregation_max = {
    .name = "max",
    .argument = TAKES_ORDERED,
    .overflow = OVERFLOW_SPOILS,
    .state_size = sizeof(struct kept_value),
    .add = add_max,
    .finish = finish,
};
