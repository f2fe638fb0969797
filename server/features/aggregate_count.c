/* count: how many events, or how many with a value. */
#include "base/varint.h"
#include "features/aggregation.h"

static void add(void *state, const struct aggregate_context *context, const struct value *value,
                int64_t time_us)
{
    (void)context, (void)value, (void)time_us;
    ++*(uint64_t *)state;
}

static void merge(void *state, const struct aggregate_context *context, const void *older)
{
    (void)context;
    *(uint64_t *)state += *(const uint64_t *)older;
}

static void encode(const void *state, struct buffer *out)
{
    varint_append(out, *(const uint64_t *)state);
}

static bool decode(void *state, const struct aggregate_context *context, struct bytes *left)
{
    (void)context;
    return count_take(left, state);
}

static struct value finish(const void *state, const struct aggregate_context *context)
{
    (void)context;
    return value_int((int64_t) * (const uint64_t *)state);
}

static const struct accumulator accumulator = {
    .name = "count",
    .overflow = OVERFLOW_IS_VALUE,
    .state_size = sizeof(uint64_t),
    .add = add,
    .add_newer = add,
    .merge = merge,
    .encode = encode,
    .decode = decode,
};

const struct aggregation aggregation_count = {
    .name = "count",
    .accumulator = &accumulator,
    .argument = TAKES_ANYTHING,
    .has_fixed_type = true,
    .fixed_type = {.kind = VALUE_INT},
    .finish = finish,
};
