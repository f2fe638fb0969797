/* Entities: a view's entities, page by page, in the order of their keys. Thread: one at a time. */
#ifndef ASOF_CLIENT_ENTITIES_H
#define ASOF_CLIENT_ENTITIES_H

#include "remote.h"

/* One answer of Entities. */
struct entities_page {
    struct bytes left;  /* of the message: what entities_next has not taken */
    struct bytes after; /* to go on with; empty: there are no more */
};

/* Asks for the page behind `after` (empty: the first), of those that match the glob (NULL: all).
 * The page borrows from *answer, which is the caller's. Errors as remote_call; CORRUPT: it is no
 * page. */
MUST_USE enum status entities_ask(struct remote *remote, const char *view, struct bytes after,
                                  const char *match, struct asof_message **answer,
                                  struct entities_page *page, struct error *err);

/* Takes the next entity of the page, as it is typed; false: there are no more in it. */
bool entities_next(struct entities_page *page, struct bytes *entity);

#endif
