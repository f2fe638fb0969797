/* first, last: the value of the oldest and of the newest event that has one. */
#include "features/aggregation.h"

static void keep_last(struct kept_value *kept, const struct aggregate_context *context,
                      const struct value *older)
{
    if (kept->value.kind == VALUE_NULL)
        kept_value_set(kept, older, context->arena);
}

static void add_last(void *state, const struct aggregate_context *context,
                     const struct value *value, int64_t time_us)
{
    (void)time_us;
    keep_last(state, context, value);
}

static void merge_last(void *state, const struct aggregate_context *context, const void *older)
{
    keep_last(state, context, &((const struct kept_value *)older)->value);
}

static void add_first(void *state, const struct aggregate_context *context,
                      const struct value *value, int64_t time_us)
{
    (void)time_us;
    kept_value_set(state, value, context->arena);
}

static void merge_first(void *state, const struct aggregate_context *context, const void *older)
{
    const struct kept_value *kept = older;
    if (kept->value.kind != VALUE_NULL)
        kept_value_set(state, &kept->value, context->arena);
}

static const struct accumulator accumulator_first = {
    .name = "first",
    .overflow = OVERFLOW_IS_VALUE,
    .state_size = sizeof(struct kept_value),
    .add = add_first,
    .add_newer = add_last, /* what is there is older */
    .merge = merge_first,
    .encode = kept_value_encode,
    .decode = kept_value_decode,
};

static const struct accumulator accumulator_last = {
    .name = "last",
    .overflow = OVERFLOW_IS_VALUE,
    .state_size = sizeof(struct kept_value),
    .add = add_last,
    .add_newer = add_first, /* it takes the place of what is there */
    .merge = merge_last,
    .encode = kept_value_encode,
    .decode = kept_value_decode,
};

const struct aggregation aggregation_first = {
    .name = "first",
    .accumulator = &accumulator_first,
    .argument = TAKES_VALUE,
    .finish = kept_value_finish,
};

const struct aggregation aggregation_last = {
    .name = "last",
    .accumulator = &accumulator_last,
    .argument = TAKES_VALUE,
    .finish = kept_value_finish,
};
