/* Stack: the state of a slot over a run of events whose two ends move forward, without going
 * through the run for each answer, and without subtracting. It is two stacks: events that were
 * there when it was built have states over each suffix, the newer ones are added up as they come.
 *
 *     from        ...  middle              end
 *      | states of suffixes | one state      |
 *      |<---- front ------->|<---- back ---->|
 *
 * A front of n events has not n states, but one each n/64 events, and where the run begins between
 * two of these, 64 more there, and so on down to 16 events, which are added one by one. So it is a
 * few hundred states at any size, and each event is added a few times.
 *
 * Private to features/. Thread: one at a time. */
#ifndef ASOF_FEATURES_STACK_H
#define ASOF_FEATURES_STACK_H

#include "features/past.h"

enum {
    STACK_LEVELS = 5,
    STACK_FANOUT = 64,
    STACK_LEAF_EVENTS = 16, /* are added one by one */
};

/* States over the events from some places of [from, to) on to the middle. */
struct stack_level {
    bool is_built;
    uint64_t from;
    uint64_t to;
    uint64_t stride;
    const struct slot *last; /* the state from `to` on; NULL: over nothing */
    struct slot
        states[STACK_FANOUT]; /* the i-th from `to` - (i + 1) * stride on, while behind from */
    struct arena *arena;      /* owned: of the states; NULL before the first */
};

struct stack {
    const struct slot_plan *plan; /* borrowed; mergeable */
    bool is_built;
    uint64_t middle;
    uint64_t end;
    struct slot back;
    struct arena *back_arena; /* owned; NULL before the first */
    struct stack_level levels[STACK_LEVELS];
};

void stack_init(struct stack *stack, const struct slot_plan *plan);
void stack_fini(struct stack *stack);

/* Forgets the events. */
void stack_reset(struct stack *stack);

/* Takes the state over [from, to) of the past's events into slot, which is over nothing yet.
 * Neither from nor to go back, but for a reset. */
void stack_read(struct stack *stack, const struct past *past, uint64_t from, uint64_t to,
                struct slot *slot);

#endif
