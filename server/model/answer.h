/* Question and answer: what every door asks and every door tells.
 * Lifetimes: a question borrows from its request; an answer from the arena it was made in, and from
 * the registry snapshot. Thread: any. */
#ifndef ASOF_MODEL_ANSWER_H
#define ASOF_MODEL_ANSWER_H

#include "model/definition.h"

/* The first that holds, in this order. */
enum feature_status {
    FEATURE_OUT_OF_HISTORY, /* T lies before what is kept */
    FEATURE_OVERFLOW,       /* the type can't hold the result */
    FEATURE_EXPIRED,        /* older than its TTL */
    FEATURE_NOT_FOUND,      /* the newest event by T lies in no window of the view */
    FEATURE_NULL,           /* the value is NULL (a default may stand in) */
    FEATURE_PRESENT,
};

/* The moment of a lookup. */
struct moment {
    bool is_now;       /* T is the view's own clock */
    int64_t t_us;      /* where not is_now */
    bool is_exclusive; /* look up at T - 1 us, in everything */
};

struct question {
    const struct view_definition *view;
    struct bytes entity;      /* encoded, see entity.h */
    const uint32_t *features; /* indexes into view->features, repeats allowed; NULL: all */
    size_t features_count;
    int64_t t_us; /* T, resolved */
    bool is_exclusive;
};

/* A base_us of a value that is not counted from one. */
#define ANSWER_NO_BASE INT64_MIN

struct answer {
    int64_t t_us;           /* the T that was asked, also with exclusive */
    bool has_event_time;    /* false where not_found */
    int64_t event_time_us;  /* of the entity's newest event in this view by T */
    bool is_out_of_history; /* then every status says so, and nothing else is known */
    bool is_found;          /* the entity is not `not_found` */
    /* As long as the entity has the same events, the answer is the same for every T that counts up
     * to here (without it); relative features (features.h) aside. */
    int64_t valid_until_us;
    int64_t found_until_us; /* of a batch view, where found: the first T at which it will not be, if
                             * nothing is written meanwhile; INT64_MAX: never */
    const struct value *values;          /* as many as were asked; defaults stand in */
    const enum feature_status *statuses; /* the same */
    /* The same: what the seconds of relative features (features.h) are counted from, as
     * relative_value does; else ANSWER_NO_BASE. NULL where out of history. */
    const int64_t *bases_us;
    size_t count;
};

/* "present", "not_found", ... */
const char *feature_status_name(enum feature_status status);

#endif
