/* Moments: features of one version of a view, at many moments of many entities. Asked entity by
 * entity, and in each for moments that go forward, a stream view's timeline is read once
 * (features/sweep.h); it answers as query_read does, to the bit.
 *
 * Thread: the query's. */
#ifndef ASOF_QUERY_MOMENTS_H
#define ASOF_QUERY_MOMENTS_H

#include "query/query.h"

struct moments;

/* What is asked of all entities. */
struct moments_question {
    const struct target *target; /* borrowed; its entity is not looked at */
    const uint32_t *features;    /* indexes into the view's; borrowed */
    size_t features_count;
    bool is_exclusive;
};

/* The query is begun and pinned with a snapshot, until the close. Owned by the caller. */
struct moments *moments_open(struct query *query, const struct moments_question *question);
void moments_close(struct moments **moments);

/* One a feature that is asked; borrowed until the next read. */
struct moments_answer {
    const struct value *values; /* VALUE_NULL and VALUE_OVERFLOW: there is none */
    const enum feature_status *statuses;
};

/* The features of the entity (encoded) as of t_us, which is not before that of the last read, if
 * that was of the same entity. request: for on-demand views, or NULL. Errors as query_read. */
MUST_USE enum status moments_read(struct moments *moments, struct bytes entity, int64_t t_us,
                                  const struct request *request, struct moments_answer *answer,
                                  struct error *err);

#endif
