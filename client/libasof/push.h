/* Push: what the client needs of a push that its owner has built. Thread: one at a time. */
#ifndef ASOF_LIBASOF_PUSH_H
#define ASOF_LIBASOF_PUSH_H

#include "failure.h"

/* Whether its owner named a producer. */
bool push_has_producer(const struct asof_push *push);

/* Its message, with that producer where its owner named none (NULL: none). Borrowed until the next
 * call for it. */
MUST_USE enum asof_code push_encode(struct asof_push *push, const char *producer, uint64_t sequence,
                                    struct bytes *message, struct asof_error *error);

#endif
