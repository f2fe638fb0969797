/* sum: exact, in the type of its argument; beyond 64 bits, 18 digits or a double's range it is
 * overflow. */
#include "features/aggregation.h"
#include "features/exact.h"

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

static struct value finish(void *state, const struct aggregate_context *context)
{
    const int64_t decimal_max = INT64_C(999999999999999999);
    struct state *sum = state;
    struct value result = {.kind = context->type.kind, .digits = context->type.digits};
    if (sum->count == 0)
        return value_null();
    if (context->type.kind == VALUE_DOUBLE)
        return value_double(exact_sum_round(&sum->sum, 1, 1));
    if (!exact_sum_to_int64(&sum->sum, &result.integer))
        return value_overflow();
    bool is_too_long = context->type.kind == VALUE_DECIMAL &&
                       (result.integer > decimal_max || result.integer < -decimal_max);
    return is_too_long ? value_overflow() : result;
}

const struct aggregation aggregation_sum = {
    .name = "sum",
    .argument = TAKES_NUMBER,
    .overflow = OVERFLOW_SPOILS,
    .state_size = sizeof(struct state),
    .add = add,
    .finish = finish,
};
