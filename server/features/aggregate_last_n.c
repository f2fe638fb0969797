/* last_n: the values of the last n events, newest first, without those that are NULL. Its states
 * are not merged: a window of at most n events is read event by event. */
#include "features/aggregation.h"

enum { ITEMS_CAPACITY_MIN = 8 };

struct state {
    struct value *items; /* in the arena */
    size_t count;
    size_t capacity;
};

static void grow(struct state *list, struct arena *arena)
{
    size_t capacity = list->capacity > 0 ? list->capacity * 2 : ITEMS_CAPACITY_MIN;
    struct value *items = ARENA_NEW_ARRAY(arena, capacity, struct value);
    if (list->count > 0)
        memcpy(items, list->items, list->count * sizeof(*items));
    list->items = items;
    list->capacity = capacity;
}

static void add(void *state, const struct aggregate_context *context, const struct value *value,
                int64_t time_us)
{
    struct state *list = state;
    (void)time_us;
    if (list->count == list->capacity)
        grow(list, context->arena);
    struct value *item = &list->items[list->count++];
    *item = *value;
    if (value->kind == VALUE_STRING)
        item->text = arena_copy(context->arena, value->text);
}

static struct value finish(const void *state, const struct aggregate_context *context)
{
    const struct state *list = state;
    (void)context;
    if (list->count == 0)
        return value_null();
    return (struct value){.kind = VALUE_LIST, .list = {.items = list->items, .count = list->count}};
}

static const struct accumulator accumulator = {
    .name = "list",
    .overflow = OVERFLOW_SPOILS,
    .state_size = sizeof(struct state),
    .add = add,
};

const struct aggregation aggregation_last_n = {
    .name = "last_n",
    .accumulator = &accumulator,
    .argument = TAKES_VALUE,
    .is_list = true,
    .needs_window = true,
    .window_kind = WINDOW_LAST,
    .finish = finish,
};
