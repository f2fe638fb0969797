/* Partial: what is known of a run of events without the events: how many, from when to when, and a
 * state for each slot of the view's plan. Runs that lie behind each other are merged; the result is
 * to the bit that of taking each event.
 *
 * Slots whose states can't be merged (last_n) are not in a partial.
 * Thread: one at a time. */
#ifndef ASOF_FEATURES_PARTIAL_H
#define ASOF_FEATURES_PARTIAL_H

#include "features/slot.h"
#include "features/window.h"

struct partial {
    const struct view_plan *plan; /* borrowed */
    struct run run;
    uint64_t checksum;  /* the sum of the digests of time, identity and row of each event */
    struct slot *slots; /* in the arena; one a slot of the plan */
};

/* Over nothing yet. The plan is borrowed, states are in the arena. */
void partial_init(struct partial *partial, const struct view_plan *plan, struct arena *arena);

/* Takes the next older event. */
void partial_add(struct partial *partial, const struct event *event);

/* Takes in older, all of whose events lie behind those of partial; texts are copied. */
void partial_merge(struct partial *partial, const struct partial *older);

/* Appends the partial:
 *
 *     u32 LE   what the slots are: the lowest bits of plan->slots_digest
 *     u64 LE   checksum
 *     varint   count; if it is 0, no more follows but the slots
 *     varint   newest time, zigzag;   varint   microseconds from the oldest to it
 *     varint   largest gap
 *     the mergeable slots in order, see slot_encode */
void partial_encode(const struct partial *partial, struct buffer *out);

/* Takes all but the slots from the front of *left, in place of what partial (after init) holds.
 * false: the bytes are not what encode writes for this plan. */
bool partial_decode_head(struct partial *partial, struct bytes *left);

/* Takes the slots behind the head: all, or those that is_wanted names; the others are left as they
 * are. Texts are borrowed from left. false: the bytes are not what encode writes for this plan. */
bool partial_decode_slots(struct partial *partial, const bool *is_wanted, struct bytes *left);

#endif
