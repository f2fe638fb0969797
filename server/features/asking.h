/* Asking: what a question asks of a view, once each, and what answers it: what the plain evaluation
 * and the walk share.
 *
 * Private to features/. Thread: one at a time. */
#ifndef ASOF_FEATURES_ASKING_H
#define ASOF_FEATURES_ASKING_H

#include "features/slot.h"
#include "features/window.h"

struct asking {
    const struct view_plan *plan;
    const struct question *question;
    struct arena *arena;
    int64_t t_us;       /* the T that counts */
    uint32_t *features; /* features_count of them: each that is asked, once */
    size_t features_count;
    uint32_t *asked; /* indexes into features, one for each that was asked */
    size_t asked_count;
    struct window_walk *walks; /* one a window of the view, at T */
    bool *is_wanted;           /* the same: a feature that is asked looks through it */
    bool has_newest;           /* an event was seen */
    int64_t newest_us;
    bool is_found; /* the newest event lies in a window of the view */
};

/* All is borrowed; memory is from the arena. */
void asking_start(struct asking *asking, const struct view_plan *plan,
                  const struct question *question, struct arena *arena);

/* Checks that what is kept for the answer stays within bounds. LIMIT: it does not. */
MUST_USE enum status asking_check_memory(const struct asking *asking, struct error *err);

/* The status of a value in its history, before a default stands in. */
enum feature_status asking_status(const struct value *value, bool is_found);

/* The answer, from the result of each of features and the walks behind the last event. */
void asking_finish(const struct asking *asking, const struct result *results,
                   struct answer *answer);

#endif
