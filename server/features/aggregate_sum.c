/* sum: exact, in the type of its argument; beyond 64 bits, 18 digits or a double's range it is
 * overflow. avg: the exact mean, rounded once to a double. */
#include "base/varint.h"
#include "features/aggregation.h"
#include "features/exact.h"

#define DECIMAL_MAX INT64_C(999999999999999999)

struct state {
    uint64_t count;
    struct exact_sum sum;
};

static void add(void *state, const struct aggregate_context *context, const struct value *value,
                int64_t time_us)
{
    struct state *sum = state;
    (void)context, (void)time_us;
    sum->count++;
    if (value->kind == VALUE_DOUBLE)
        exact_sum_add_double(&sum->sum, value->real);
    else
        exact_sum_add_int64(&sum->sum, value->integer);
}

static void merge(void *state, const struct aggregate_context *context, const void *older)
{
    struct state *sum = state;
    const struct state *other = older;
    (void)context;
    sum->count += other->count;
    exact_sum_merge(&sum->sum, &other->sum);
}

static void encode(const void *state, struct buffer *out)
{
    const struct state *sum = state;
    varint_append(out, sum->count);
    exact_sum_encode(&sum->sum, out);
}

static bool decode(void *state, const struct aggregate_context *context, struct bytes *left)
{
    struct state *sum = state;
    (void)context;
    return count_take(left, &sum->count) && exact_sum_decode(&sum->sum, left);
}

static struct value finish_sum(const void *state, const struct aggregate_context *context)
{
    const struct state *sum = state;
    struct value result = {.kind = context->type.kind, .digits = context->type.digits};
    if (sum->count == 0)
        return value_null();
    if (context->type.kind == VALUE_DOUBLE)
        return value_double(exact_sum_round(&sum->sum, 1, 1));
    if (!exact_sum_to_int64(&sum->sum, &result.integer))
        return value_overflow();
    bool is_too_long = context->type.kind == VALUE_DECIMAL &&
                       (result.integer > DECIMAL_MAX || result.integer < -DECIMAL_MAX);
    return is_too_long ? value_overflow() : result;
}

static struct value finish_avg(const void *state, const struct aggregate_context *context)
{
    const struct state *sum = state;
    if (sum->count == 0)
        return value_null();
    uint64_t scale = 1;
    for (unsigned i = 0; i < context->argument_type.digits; i++)
        scale *= 10;
    return value_double(exact_sum_round(&sum->sum, sum->count, scale));
}

static const struct accumulator accumulator = {
    .name = "sum",
    .overflow = OVERFLOW_SPOILS,
    .state_size = sizeof(struct state),
    .add = add,
    .add_newer = add,
    .merge = merge,
    .encode = encode,
    .decode = decode,
};

const struct aggregation aggregation_sum = {
    .name = "sum",
    .accumulator = &accumulator,
    .argument = TAKES_NUMBER,
    .finish = finish_sum,
};

const struct aggregation aggregation_avg = {
    .name = "avg",
    .accumulator = &accumulator,
    .argument = TAKES_NUMBER,
    .has_fixed_type = true,
    .fixed_type = {.kind = VALUE_DOUBLE},
    .finish = finish_avg,
};
