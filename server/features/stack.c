#include "features/stack.h"

#include "base/check.h"

enum { ARENA_CHUNK_SIZE = 16 * 1024 };

void stack_init(struct stack *stack, const struct slot_plan *plan)
{
    CHECK(slot_is_mergeable(plan));
    *stack = (struct stack){.plan = plan};
}

void stack_fini(struct stack *stack)
{
    arena_destroy(&stack->back_arena);
    for (size_t i = 0; i < STACK_LEVELS; i++)
        arena_destroy(&stack->levels[i].arena);
}

void stack_reset(struct stack *stack)
{
    stack->is_built = false;
}

/* Empty memory for new states. */
static struct arena *arena_renew(struct arena **arena)
{
    if (*arena == NULL)
        *arena = arena_create(ARENA_CHUNK_SIZE);
    arena_reset(*arena);
    return *arena;
}

/* Builds the level over [from, to); last: the state from `to` on. Levels behind it are of no use
 * then. */
static void level_build(struct stack *stack, size_t number, const struct past *past, uint64_t from,
                        uint64_t to, const struct slot *last)
{
    struct stack_level *level = &stack->levels[number];
    struct arena *arena = arena_renew(&level->arena);
    uint64_t stride = (to - from + STACK_FANOUT - 1) / STACK_FANOUT;
    level->from = from;
    level->to = to;
    level->stride = stride > STACK_LEAF_EVENTS ? stride : STACK_LEAF_EVENTS;
    level->last = last;
    level->is_built = true;
    for (size_t i = number + 1; i < STACK_LEVELS; i++)
        stack->levels[i].is_built = false;
    uint64_t place = to;
    for (size_t i = 0; place - from >= level->stride; i++) {
        struct slot *state = &level->states[i];
        slot_init(state, stack->plan, arena);
        if (last != NULL)
            slot_merge(state, last);
        past_add(past, state, place - level->stride, place);
        place -= level->stride;
        last = state;
    }
}

/* The state from the first place at or behind from on that has one, and that place. NULL: it is
 * over nothing. */
static const struct slot *front_find(struct stack *stack, const struct past *past, uint64_t from,
                                     uint64_t *place)
{
    const struct slot *state = NULL;
    *place = stack->middle;
    for (size_t i = 0;; i++) {
        struct stack_level *level = &stack->levels[i];
        CHECK(i < STACK_LEVELS);
        if (!level->is_built || level->to != *place)
            level_build(stack, i, past, from, *place, state);
        uint64_t index = (level->to - from) / level->stride;
        *place = level->to - index * level->stride;
        state = index == 0 ? level->last : &level->states[index - 1];
        if (*place - from < STACK_LEAF_EVENTS)
            return state;
    }
}

static void stack_build(struct stack *stack, uint64_t to)
{
    slot_init(&stack->back, stack->plan, arena_renew(&stack->back_arena));
    stack->is_built = true;
    stack->middle = stack->end = to;
    for (size_t i = 0; i < STACK_LEVELS; i++)
        stack->levels[i].is_built = false;
}

void stack_read(struct stack *stack, const struct past *past, uint64_t from, uint64_t to,
                struct slot *slot)
{
    uint64_t place;
    if (!stack->is_built || from >= stack->middle)
        stack_build(stack, to);
    CHECK(to >= stack->end);
    past_add_newer(past, &stack->back, stack->end, to);
    stack->end = to;
    const struct slot *front = front_find(stack, past, from, &place);
    slot_merge(slot, &stack->back);
    if (front != NULL)
        slot_merge(slot, front);
    past_add(past, slot, from, place);
}
