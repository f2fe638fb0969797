/* Past: the events of an entity that a window may still reach, oldest first, with what the slots
 * take of them. An event has a number, from 0 for the first that came; the oldest are forgotten.
 *
 * Private to features/. Thread: one at a time. */
#ifndef ASOF_FEATURES_PAST_H
#define ASOF_FEATURES_PAST_H

#include "features/slot.h"

struct past {
    const struct view_plan *plan; /* borrowed */
    uint32_t *places;     /* owned: of each column of the plan, where it is kept; or PLAN_NONE */
    size_t columns_count; /* that are kept */
    uint64_t first;       /* the oldest event that is there */
    uint64_t end;         /* behind the newest */
    size_t start;         /* where `first` lies in the arrays */
    size_t capacity;      /* events in the arrays */
    int64_t *times_us;    /* owned */
    uint64_t *cells;      /* owned: columns_count an event */
    uint8_t *kinds;       /* owned: the same: enum value_kind */
    bool *wheres;         /* owned: one a where of the plan */
    struct buffer texts;  /* owned: of strings, from texts_start on */
    uint64_t texts_start; /* bytes of texts that were forgotten */
};

/* is_wanted: the slots, one a slot of the plan, whose columns are kept. */
void past_init(struct past *past, const struct view_plan *plan, const bool *is_wanted);
void past_fini(struct past *past);

/* Forgets all; the next event is number 0. */
void past_reset(struct past *past);

/* Takes the next newer event. */
void past_append(struct past *past, const struct event *event);

/* Forgets events below the number. */
void past_forget(struct past *past, uint64_t number);

/* Bytes that it keeps. */
size_t past_used_bytes(const struct past *past);

/* The time of an event that is there. */
static inline int64_t past_time_us(const struct past *past, uint64_t number)
{
    return past->times_us[past->start + (size_t)(number - past->first)];
}

/* Adds events from `to` - 1 back to `from` to the slot, which is wanted: all lie behind what it
 * has. */
void past_add(const struct past *past, struct slot *slot, uint64_t from, uint64_t to);

/* Adds events from `from` on to `to` - 1 to the slot, which is wanted and mergeable: all are newer
 * than what it has. */
void past_add_newer(const struct past *past, struct slot *slot, uint64_t from, uint64_t to);

#endif
