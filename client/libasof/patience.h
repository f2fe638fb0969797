/* Patience: until when a call waits, who may stop it, and how long it stands back before it tries
 * again. Thread: any, but for cancel_take, which is the waiting call's. */
#ifndef ASOF_LIBASOF_PATIENCE_H
#define ASOF_LIBASOF_PATIENCE_H

#include <poll.h>

#include "failure.h"

#define PATIENCE_FOREVER INT64_MAX

struct patience {
    int64_t deadline_us;                /* monotonic; PATIENCE_FOREVER: none */
    struct asof_cancel *cancel;         /* borrowed; NULL: none */
    bool (*is_unwanted)(void *context); /* NULL: nobody is asked */
    void *context;                      /* its, borrowed */
    int64_t ask_us;                     /* monotonic: when it is asked again */
    bool was_unwanted;                  /* it said so */
};

/* What asof_options says, with the defaults filled in; *out is what holds. */
void options_complete(const struct asof_options *options, struct asof_options *out);

/* From now on. options may be NULL. default_ms as asof_options.timeout_ms, 0: none. */
void patience_begin(struct patience *patience, const struct asof_call_options *options,
                    int default_ms);

/* OK; CANCELLED or DEADLINE_EXCEEDED with a sentence. */
MUST_USE enum asof_code patience_look(const struct patience *patience, struct asof_error *error);

/* Whether it is time to ask whether the call is still wanted. */
bool patience_is_due(const struct patience *patience);

/* Asks, if it is time to. The caller holds no lock, and others can go on without it: what is asked
 * may make calls. */
void patience_ask(struct patience *patience);

/* The timeout of a call's frame: what is left, rounded up; 0: none. */
uint32_t patience_left_ms(const struct patience *patience);

/* The first of until_us, the deadline, and when it is time to ask. */
int64_t patience_end_us(const struct patience *patience, int64_t until_us);

/* Waits until the descriptor has one of the events, until_us, the deadline, a cancel, or until it
 * is time to ask. fd may be negative: none. Returns the events that it has. */
short patience_wait(const struct patience *patience, int fd, short events, int64_t until_us);

/* How long to wait before retry number tries (from 0), in microseconds; *state is of a random
 * generator. */
int64_t backoff_us(const struct asof_options *options, int tries, uint64_t *state);

/* A start for that generator, different in each process and call. */
uint64_t backoff_seed(const void *where);

/* ---- cancels ---- */

bool cancel_is_fired(const struct asof_cancel *cancel);

/* Wakes the call that waits by the cancel's descriptor, for another reason than that it was fired.
 */
void cancel_nudge(struct asof_cancel *cancel);

/* Readable once it was fired or nudged. */
int cancel_fd(const struct asof_cancel *cancel);

/* Takes nudges away. */
void cancel_take(struct asof_cancel *cancel);

#endif
