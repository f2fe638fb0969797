/* Slot: one state of a view's accumulators, over the events that were taken in.
 *
 * Private to features/. Thread: one at a time. */
#ifndef ASOF_FEATURES_SLOT_H
#define ASOF_FEATURES_SLOT_H

#include "features/event.h"

struct slot {
    const struct slot_plan *plan; /* borrowed */
    struct aggregate_context context;
    void *state;     /* in the arena of the context */
    bool is_spoiled; /* an overflowed argument counted: results are overflow */
};

/* Over nothing yet. */
void slot_init(struct slot *slot, const struct slot_plan *plan, struct arena *arena);

/* Whether its states can be merged and encoded. */
static inline bool slot_is_mergeable(const struct slot_plan *plan)
{
    return plan->accumulator->merge != NULL;
}

/* Takes the next older event. */
void slot_add(struct slot *slot, const struct event *event);

/* Takes the next newer event; the slot is mergeable. */
void slot_add_newer(struct slot *slot, const struct event *event);

/* Takes a value that its argument and where select (NULL: it has no argument): the next older one,
 * or, where the slot is mergeable, the next newer one. */
void slot_add_value(struct slot *slot, const struct value *value, int64_t time_us);
void slot_add_newer_value(struct slot *slot, const struct value *value, int64_t time_us);

/* The slot is mergeable, and so below. Takes in what lies behind all that it has. */
void slot_merge(struct slot *slot, const struct slot *older);

/* What becomes of a feature. */
struct result {
    struct value value;
    int64_t
        base_us; /* what the seconds of a relative feature are counted from, else ANSWER_NO_BASE */
};

/* The result of a feature over the slot; texts and lists as aggregation->finish says. */
struct result slot_result(const struct slot *slot, const struct feature_plan *feature,
                          int64_t t_us);

/* Appends it with its size in front, so that it can be passed over:
 *
 *     varint   2 * size of the state's bytes + is_spoiled
 *     bytes    the state */
void slot_encode(const struct slot *slot, struct buffer *out);

/* Takes one from the front of *left, in place of what it holds; slot NULL: passes over one. Texts
 * are borrowed from left. false: the bytes are not what encode writes. */
bool slot_decode(struct slot *slot, struct bytes *left);

#endif
