/* Base: what is kept of the oldest events of an entity when these are folded: for each window
 * without a bound in time the run of events that ends at the newest folded one (all of them for
 * forever, the session for a session) and the states of the window's slots over it.
 *
 *     newest   8 bytes, time of the newest folded event, big-endian, sign flipped
 *     layout   u32 LE, what is kept: plan->kept_digest
 *     for each of plan->kept, in order:
 *         varint   microseconds from the oldest of them to the newest
 *         its slots in order, see slot_encode
 *
 * It is a disk format, and all that is left of the events: it changes only with STORAGE_FORMAT and
 * a step that turns the old one into the new one. Private to features/. Thread: one at a time. */
#ifndef ASOF_FEATURES_BASE_H
#define ASOF_FEATURES_BASE_H

#include "features/asking.h"

/* What is kept for one of plan->kept. */
struct base_window {
    int64_t oldest_us;
    struct slot *slots; /* one for each of kept->slots */
};

struct base {
    const struct view_plan *plan; /* borrowed */
    int64_t newest_us;
    struct base_window *windows; /* plan->kept_count of them */
};

/* Takes a base apart: states of the windows (indexes into plan->windows) that is_wanted names, of
 * all where it is NULL; the others are empty. Memory is from the arena, texts are borrowed from
 * bytes. CORRUPT: the bytes are not what features_fold writes for this plan. */
MUST_USE enum status base_decode(struct base *base, const struct view_plan *plan,
                                 const bool *is_wanted, struct bytes bytes, struct arena *arena,
                                 struct error *err);

/* Lets the windows take the base behind the last event, or in place of one; is_inside[i], one a
 * window of the plan, says of each whether it counts there. */
void base_take(const struct base *base, struct asking *asking, bool *is_inside);

/* The state of the slot over the window; the window is a wanted one of plan->kept, and has it. */
const struct slot *base_slot(const struct base *base, uint32_t window, uint32_t slot);

#endif
