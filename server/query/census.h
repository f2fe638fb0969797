/* Census: all entities of a view that exist at a moment, in the order of their keys, each with its
 * answer: what query_read says of them, one by one, read in one go.
 *
 * Thread: the query's, which is begun and pinned with a snapshot as long as the census is open. */
#ifndef ASOF_QUERY_CENSUS_H
#define ASOF_QUERY_CENSUS_H

#include "query/query.h"

struct census;

/* Of a derived view, the entities of the views that it reads. target is copied. Owned by the
 * caller. INVALID: the view reads views of several entities, so that it has none of its own, or the
 * moment is out of the history that is kept; UNAVAILABLE: the database is closed. */
MUST_USE enum status census_open(struct query *query, const struct target *target,
                                 struct moment moment, struct census **out, struct error *err);
void census_close(struct census **census);

/* The next entity that is found, borrowed until the next step, and its answer in the arena, which
 * is reset. NOT_FOUND: no more. AGAIN: none yet; ask again: so long no step takes. IO, CORRUPT:
 * err. */
MUST_USE enum status census_next(struct census *census, struct arena *arena, struct bytes *entity,
                                 struct answer *answer, struct error *err);

#endif
