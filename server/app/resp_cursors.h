/* Cursors of SCAN: a number stands for a position, as the position itself (a view's name and an
 * entity) does not fit into what clients take for a cursor: an integer below 2^53. All doors share
 * them, as a client may go on over another connection.
 *
 * An old number stays good, so that a client that lost an answer asks again, until so many others
 * were used later. Thread: any. */
#ifndef ASOF_APP_RESP_CURSORS_H
#define ASOF_APP_RESP_CURSORS_H

#include "base/buffer.h"

enum { RESP_CURSORS_MAX = 1024 }; /* remembered; the least recently used goes */

struct resp_cursors;

/* Owned by the caller. */
struct resp_cursors *resp_cursors_create(void);
void resp_cursors_destroy(struct resp_cursors **cursors);

/* Remembers the position under a new number, which is not 0. */
uint64_t resp_cursors_add(struct resp_cursors *cursors, struct bytes position);

/* Appends the position. false: there is no such number, or no more. */
bool resp_cursors_find(struct resp_cursors *cursors, uint64_t number, struct buffer *position);

#endif
