/* variance, stddev: of the sample (n - 1), NULL for a single value. The variance is exact, rounded
 * once; the deviation is the root of that double. */
#include <math.h>

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

static struct value finish_variance(void *state, const struct aggregate_context *context)
{
    struct state *variance = state;
    if (variance->count < 2)
        return value_null();
    return value_double(exact_moments_variance(&variance->moments, variance->count,
                                               context->argument_type.digits));
}

static struct value finish_stddev(void *state, const struct aggregate_context *context)
{
    struct value variance = finish_variance(state, context);
    return variance.kind == VALUE_DOUBLE ? value_double(sqrt(variance.real)) : variance;
}

const struct aggregation aggregation_variance = {
    .name = "variance",
    .argument = TAKES_NUMBER,
    .overflow = OVERFLOW_SPOILS,
    .has_fixed_type = true,
    .fixed_type = {.kind = VALUE_DOUBLE},
    .state_size = sizeof(struct state),
    .add = add,
    .finish = finish_variance,
};

const struct aggregation aggregation_stddev = {
    .name = "stddev",
    .argument = TAKES_NUMBER,
    .overflow = OVERFLOW_SPOILS,
    .has_fixed_type = true,
    .fixed_type = {.kind = VALUE_DOUBLE},
    .state_size = sizeof(struct state),
    .add = add,
    .finish = finish_stddev,
};
