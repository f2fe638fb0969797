/* Event: a stored event decoded, as evaluations and partials take it: each event once, newest
 * first.
 *
 * Events of equal time and identity are one: the greatest of them by the view's fields.
 * Private to features/. Thread: a reader belongs to one. */
#ifndef ASOF_FEATURES_EVENT_H
#define ASOF_FEATURES_EVENT_H

#include "features/plan.h"

/* One event with its row decoded; holds copies. */
struct event {
    int64_t time_us;
    struct bytes identity; /* without the digest behind an event id; in the buffer */
    struct bytes row;      /* in the buffer */
    struct value *values;  /* one a column; texts in the buffer */
    bool *wheres;
    struct buffer memory; /* owned: copies of identity and row */
};

/* Events of a timeline, with one of look-ahead, to know what is repeated. */
struct event_reader {
    const struct view_plan *plan; /* borrowed */
    timeline_back_fn back;
    void *timeline;
    struct event events[2]; /* owned */
    struct event *next;     /* one of them: what was read ahead */
    bool has_next;
    bool is_at_end;    /* the timeline has no more */
    struct bytes base; /* behind the last event; borrowed from the timeline; empty: none */
};

/* Memory is from the arena, and owned by the reader. */
void event_reader_init(struct event_reader *reader, const struct view_plan *plan,
                       timeline_back_fn back, void *timeline, struct arena *arena);
void event_reader_fini(struct event_reader *reader);

/* The time of the next older event, which is not taken. NOT_FOUND: no more. Else as take. */
MUST_USE enum status event_reader_peek(struct event_reader *reader, int64_t *time_us,
                                       struct error *err);

/* Forgets what was read ahead, as the timeline was moved. */
void event_reader_moved(struct event_reader *reader);

/* The next older event; borrowed until the next call. NOT_FOUND: no more. CORRUPT: a row is not one
 * of the view. Else what back says. */
MUST_USE enum status event_reader_take(struct event_reader *reader, const struct event **event,
                                       struct error *err);

#endif
