/* Sweep: the one function at many moments of one entity after the other: for T's that go forward
 * the answers of features_walk, to the bit, in one walk forward over the entity's timeline.
 *
 * 1. Each event is read once, and added to the states of a window a bounded number of times, so
 * that the cost is linear in events and moments, however many events the windows hold (stack.h).
 * 2. Nothing is subtracted from a state.
 * 3. It keeps events that a bounded window may still reach, and no more than SWEEP_MEMORY_MAX of
 * them.
 *
 * Thread: one at a time. */
#ifndef ASOF_FEATURES_SWEEP_H
#define ASOF_FEATURES_SWEEP_H

#include "features/features.h"

enum { SWEEP_MEMORY_MAX = 64 * 1024 * 1024 };

struct sweep;

/* features: indexes into the view's; copied. The plan is borrowed. Owned by the caller. */
struct sweep *sweep_create(const struct view_plan *plan, const uint32_t *features,
                           size_t features_count);
void sweep_destroy(struct sweep **sweep);

/* Begins an entity. forward steps to its next newer event, as timeline_back_fn does to older ones,
 * from view_plan_oldest_us of the first moment on or an older one; base is what was folded of older
 * ones, empty where there is none; both borrowed until the next begin. CORRUPT: the base is not one
 * of this view. */
MUST_USE enum status sweep_begin(struct sweep *sweep, timeline_back_fn forward, void *timeline,
                                 struct bytes base, struct error *err);

struct sweep_answer {
    bool is_found;              /* the entity is not `not_found` */
    int64_t event_time_us;      /* where found: of the newest event by T */
    const struct value *values; /* one a feature of the sweep; defaults stand in */
    const enum feature_status *statuses;
};

/* The answer at the T that counts, which is not before the last one of this entity; borrowed until
 * the next call. LIMIT: windows hold more than SWEEP_MEMORY_MAX; features_walk can answer, and the
 * sweep begin another entity. CORRUPT: a row is not one of this view. Failures of forward are
 * passed on. */
MUST_USE enum status sweep_answer(struct sweep *sweep, int64_t t_us, struct sweep_answer *answer,
                                  struct error *err);

#endif
