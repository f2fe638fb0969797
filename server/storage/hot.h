/* Hot: finished rows of entities in use, so that a read that was answered before is a look-up.
 *
 * 1. A row is what features_evaluate answered, for the features that were asked so far, with the
 *    range of T in which that stays true as long as no event of the entity comes.
 * 2. storage.c forgets the row of each entity that it writes to, so no row is older than an
 *    accepted event.
 * 3. Memory is bounded in bytes; rows that were not read since the hand came by last go first
 *    (CLOCK).
 *
 * Thread: one at a time. */
#ifndef ASOF_STORAGE_HOT_H
#define ASOF_STORAGE_HOT_H

#include "model/answer.h"

struct hot;

/* bytes_max 0 keeps nothing. Owned by the caller. */
struct hot *hot_create(size_t bytes_max);
void hot_destroy(struct hot **hot);

/* A kept row; borrowed until the next call that changes the tier. */
struct hot_row {
    int64_t valid_from_us;  /* the T for which it holds: from here */
    int64_t valid_until_us; /* to here, without it */
    bool is_found;
    int64_t event_time_us;
    size_t count;                        /* of the view's features */
    const bool *is_known;                /* which of them were asked */
    const struct value *values;          /* of those; defaults stand in */
    const enum feature_status *statuses; /* of those */
};

/* The row of the entity, or NULL. */
const struct hot_row *hot_find(struct hot *hot, uint32_t table_id, struct bytes entity);

/* Keeps a copy of the row in place of what was kept for the entity. */
void hot_keep(struct hot *hot, uint32_t table_id, struct bytes entity, const struct hot_row *row);

/* Drops what is kept for the entity, or everything. */
void hot_forget(struct hot *hot, uint32_t table_id, struct bytes entity);
void hot_forget_all(struct hot *hot);

#define HOT_COUNTERS(X)                                                                            \
    X(hits_total, "Reads answered by a kept row.")                                                 \
    X(misses_total, "Reads that had to walk the timeline.")                                        \
    X(evictions_total, "Rows dropped to make room.")                                               \
    X(rows, "Rows that are kept.")                                                                 \
    X(bytes, "Memory that they take.")

struct hot_counters {
#define HOT_COUNTER_FIELD(name, help) uint64_t name;
    HOT_COUNTERS(HOT_COUNTER_FIELD)
#undef HOT_COUNTER_FIELD
};

/* hits and misses are counted by who reads. */
struct hot_counters *hot_counters(struct hot *hot);

#endif
