/* count_distinct: how many different values; exact up to DISTINCT_EXACT_MAX, an estimate beyond. */
#include "features/aggregation.h"
#include "features/distinct.h"

struct state {
    bool is_started;
    struct distinct values;
};

/* Equal values as equal bytes: a double's bits are those of its value, as there is no -0. */
static struct bytes value_bytes(const struct value *value)
{
    if (value->kind == VALUE_STRING)
        return value->text;
    if (value->kind == VALUE_DOUBLE)
        return bytes_of(&value->real, sizeof(value->real));
    return bytes_of(&value->integer, sizeof(value->integer));
}

static void add(void *state, const struct aggregate_context *context, const struct value *value,
                int64_t time_us)
{
    struct state *distinct = state;
    (void)time_us;
    if (!distinct->is_started)
        distinct_init(&distinct->values, context->arena);
    distinct->is_started = true;
    distinct_add(&distinct->values, value_bytes(value));
}

static struct value finish(void *state, const struct aggregate_context *context)
{
    const struct state *distinct = state;
    (void)context;
    return value_int(distinct->is_started ? distinct_count(&distinct->values) : 0);
}

const struct aggregation aggregation_count_distinct = {
    .name = "count_distinct",
    .argument = TAKES_VALUE,
    .overflow = OVERFLOW_SPOILS,
    .has_fixed_type = true,
    .fixed_type = {.kind = VALUE_INT},
    .state_size = sizeof(struct state),
    .add = add,
    .finish = finish,
};
