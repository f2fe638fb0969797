/* variance, stddev: of the sample (n - 1), NULL for a single value. The variance is exact, rounded
 * once; the deviation is the root of that double. */
#include <math.h>

#include "base/varint.h"
#include "features/aggregation.h"
#include "features/exact.h"

struct state {
    uint64_t count;
    struct exact_moments moments;
};

static void add(void *state, const struct aggregate_context *context, const struct value *value,
                int64_t time_us)
{
    struct state *variance = state;
    (void)context, (void)time_us;
    variance->count++;
    if (value->kind == VALUE_DOUBLE)
        exact_moments_add_double(&variance->moments, value->real);
    else
        exact_moments_add_int64(&variance->moments, value->integer);
}

static void merge(void *state, const struct aggregate_context *context, const void *older)
{
    struct state *variance = state;
    const struct state *other = older;
    (void)context;
    variance->count += other->count;
    exact_moments_merge(&variance->moments, &other->moments);
}

static void encode(const void *state, struct buffer *out)
{
    const struct state *variance = state;
    varint_append(out, variance->count);
    exact_moments_encode(&variance->moments, out);
}

static bool decode(void *state, const struct aggregate_context *context, struct bytes *left)
{
    struct state *variance = state;
    (void)context;
    return count_take(left, &variance->count) && exact_moments_decode(&variance->moments, left);
}

static struct value finish_variance(const void *state, const struct aggregate_context *context)
{
    const struct state *variance = state;
    if (variance->count < 2)
        return value_null();
    return value_double(
        exact_moments_variance(&variance->moments, variance->count, context->argument_type.digits));
}

static struct value finish_stddev(const void *state, const struct aggregate_context *context)
{
    struct value variance = finish_variance(state, context);
    return variance.kind == VALUE_DOUBLE ? value_double(sqrt(variance.real)) : variance;
}

static const struct accumulator accumulator = {
    .name = "moments",
    .overflow = OVERFLOW_SPOILS,
    .state_size = sizeof(struct state),
    .add = add,
    .add_newer = add,
    .merge = merge,
    .encode = encode,
    .decode = decode,
};

const struct aggregation aggregation_variance = {
    .name = "variance",
    .accumulator = &accumulator,
    .argument = TAKES_NUMBER,
    .has_fixed_type = true,
    .fixed_type = {.kind = VALUE_DOUBLE},
    .finish = finish_variance,
};

const struct aggregation aggregation_stddev = {
    .name = "stddev",
    .accumulator = &accumulator,
    .argument = TAKES_NUMBER,
    .has_fixed_type = true,
    .fixed_type = {.kind = VALUE_DOUBLE},
    .finish = finish_stddev,
};
