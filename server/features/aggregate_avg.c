/* avg: the exact mean, rounded once to a double. */
#include "features/aggregation.h"
#include "features/exact.h"

struct state {
    uint64_t count;
    struct exact_sum sum;
};

static void add(void *state, const struct aggregate_context *context, const struct value *value,
                int64_t time_us)
{
    struct state *avg = state;
    (void)context, (void)time_us;
    avg->count++;
    if (value->kind == VALUE_DOUBLE)
        exact_sum_add_double(&avg->sum, value->real);
    else
        exact_sum_add_int64(&avg->sum, value->integer);
}

static struct value finish(void *state, const struct aggregate_context *context)
{
    struct state *avg = state;
    if (avg->count == 0)
        return value_null();
    uint64_t scale = 1;
    for (unsigned i = 0; i < context->argument_type.digits; i++)
        scale *= 10;
    return value_double(exact_sum_round(&avg->sum, avg->count, scale));
}

const struct aggregation aggregation_avg = {
    .name = "avg",
    .argument = TAKES_NUMBER,
    .overflow = OVERFLOW_SPOILS,
    .has_fixed_type = true,
    .fixed_type = {.kind = VALUE_DOUBLE},
    .state_size = sizeof(struct state),
    .add = add,
    .finish = finish,
};
