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

static void start(struct state *distinct, const struct aggregate_context *context)
{
    if (!distinct->is_started)
        distinct_init(&distinct->values, context->arena);
    distinct->is_started = true;
}

static void add(void *state, const struct aggregate_context *context, const struct value *value,
                int64_t time_us)
{
    struct state *distinct = state;
    (void)time_us;
    start(distinct, context);
    distinct_add(&distinct->values, value_bytes(value));
}

static void merge(void *state, const struct aggregate_context *context, const void *older)
{
    struct state *distinct = state;
    const struct state *other = older;
    if (!other->is_started)
        return;
    start(distinct, context);
    distinct_merge(&distinct->values, &other->values);
}

static void encode(const void *state, struct buffer *out)
{
    static const struct distinct empty;
    const struct state *distinct = state;
    distinct_encode(distinct->is_started ? &distinct->values : &empty, out);
}

static bool decode(void *state, const struct aggregate_context *context, struct bytes *left)
{
    struct state *distinct = state;
    start(distinct, context);
    return distinct_decode(&distinct->values, left);
}

static struct value finish(const void *state, const struct aggregate_context *context)
{
    const struct state *distinct = state;
    (void)context;
    return value_int(distinct->is_started ? distinct_count(&distinct->values) : 0);
}

static const struct accumulator accumulator = {
    .name = "distinct",
    .overflow = OVERFLOW_SPOILS,
    .state_size = sizeof(struct state),
    .add = add,
    .add_newer = add,
    .merge = merge,
    .encode = encode,
    .decode = decode,
};

const struct aggregation aggregation_count_distinct = {
    .name = "count_distinct",
    .accumulator = &accumulator,
    .argument = TAKES_VALUE,
    .has_fixed_type = true,
    .fixed_type = {.kind = VALUE_INT},
    .finish = finish,
};
