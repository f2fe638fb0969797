/* min, max: the smallest and the largest value; strings bytewise. */
#include "features/aggregation.h"

/* Keeps value where it lies on the side of what is kept that sign says. */
static void keep_if(struct kept_value *kept, const struct aggregate_context *context,
                    const struct value *value, int sign)
{
    if (kept->value.kind == VALUE_NULL || value_compare(value, &kept->value) * sign > 0)
        kept_value_set(kept, value, context->arena);
}

static void merge(void *state, const struct aggregate_context *context, const void *older, int sign)
{
    const struct kept_value *kept = older;
    if (kept->value.kind != VALUE_NULL)
        keep_if(state, context, &kept->value, sign);
}

static void add_min(void *state, const struct aggregate_context *context, const struct value *value,
                    int64_t time_us)
{
    (void)time_us;
    keep_if(state, context, value, -1);
}

static void merge_min(void *state, const struct aggregate_context *context, const void *older)
{
    merge(state, context, older, -1);
}

static void add_max(void *state, const struct aggregate_context *context, const struct value *value,
                    int64_t time_us)
{
    (void)time_us;
    keep_if(state, context, value, 1);
}

static void merge_max(void *state, const struct aggregate_context *context, const void *older)
{
    merge(state, context, older, 1);
}

static const struct accumulator accumulator_min = {
    .name = "min",
    .overflow = OVERFLOW_SPOILS,
    .state_size = sizeof(struct kept_value),
    .add = add_min,
    .add_newer = add_min,
    .merge = merge_min,
    .encode = kept_value_encode,
    .decode = kept_value_decode,
};

static const struct accumulator accumulator_max = {
    .name = "max",
    .overflow = OVERFLOW_SPOILS,
    .state_size = sizeof(struct kept_value),
    .add = add_max,
    .add_newer = add_max,
    .merge = merge_max,
    .encode = kept_value_encode,
    .decode = kept_value_decode,
};

const struct aggregation aggregation_min = {
    .name = "min",
    .accumulator = &accumulator_min,
    .argument = TAKES_ORDERED,
    .finish = kept_value_finish,
};

const struct aggregation aggregation_max = {
    .name = "max",
    .accumulator = &accumulator_max,
    .argument = TAKES_ORDERED,
    .finish = kept_value_finish,
};
