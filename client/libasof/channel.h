/* Channel: a wire that many threads call over at once, without a thread of its own.
 *
 * 1. Of those who wait for an answer one reads for all, and hands over when its own has come. Of
 * those who have sent more than the system takes, one goes on sending; it may be the same.
 * 2. Nobody waits while holding the lock.
 * 3. A call leaves at its deadline or cancel, whatever the others do.
 * Thread: any, but destroy. */
#ifndef ASOF_LIBASOF_CHANNEL_H
#define ASOF_LIBASOF_CHANNEL_H

#include "patience.h"
#include "wire.h"

struct channel;

/* One try of a call. */
struct channel_call {
    unsigned method;
    struct bytes request;      /* borrowed */
    struct patience *patience; /* borrowed */
    bool has_left;             /* set: some of it may have reached the server */
};

/* Connects, within the patience and timeout_us. Owned by the caller. */
MUST_USE enum asof_code channel_open(const struct address *address, size_t answer_size_max,
                                     struct patience *patience, int64_t timeout_us,
                                     struct channel **channel, struct asof_error *error);

/* No call is under way. */
void channel_destroy(struct channel **channel);

/* Sends the call and waits for its answer, which is the caller's. */
MUST_USE enum asof_code channel_run(struct channel *channel, struct channel_call *call,
                                    struct asof_message **answer, struct asof_error *error);

/* Whether it can't be used any more. is_idle: nobody uses it, and it may be looked at closely. */
bool channel_is_broken(struct channel *channel, bool is_idle);

/* A connected wire, from an address that is resolved for it; channel_open and streams use it. */
MUST_USE enum asof_code channel_connect(struct wire *wire, struct patience *patience,
                                        int64_t timeout_us, struct asof_error *error);

#endif
