/* Remote: the way to the server: its RPC port, through libasof, in messages of proto/asof/v1.
 *
 * 1. A call is made once: what goes wrong is told, not tried again.
 * 2. A server that says nothing for REMOTE_REPLY_S is taken for gone.
 * Thread: one at a time. */
#ifndef ASOF_CLIENT_REMOTE_H
#define ASOF_CLIENT_REMOTE_H

#include "base/buffer.h"
#include "base/status.h"
#include "libasof/asof.h"

enum { REMOTE_CONNECT_S = 5, REMOTE_REPLY_S = 60 };

#define REMOTE_ADDRESS "127.0.0.1:6391" /* where neither --server nor ASOF_SERVER says one */

struct remote;

/* Whether it is "HOST:PORT", "[V6]:PORT" or "HOST". INVALID: no. */
MUST_USE enum status remote_check_address(const char *address, struct error *err);

/* Connects. Owned by the caller. INVALID: no such address. UNAVAILABLE: no asofd answers there. */
MUST_USE enum status remote_open(const char *address, struct remote **out, struct error *err);
void remote_close(struct remote **remote);

/* Whether it is there now. UNAVAILABLE: no. */
MUST_USE enum status remote_check(struct remote *remote, struct error *err);

/* For what has calls of its own in libasof; borrowed, as the address. */
struct asof_client *remote_client(const struct remote *remote);
const char *remote_address(const struct remote *remote);

/* What a failure of a call means here, and its sentence in err: INVALID, NOT_FOUND, LIMIT, IO,
 * CORRUPT, CANCELLED; UNAVAILABLE: the server is gone; AGAIN: it is there and can't now. */
MUST_USE enum status remote_failed(struct remote *remote, const struct asof_error *failure,
                                   struct error *err);

/* Calls a method that has one answer. The answer is owned by the caller. Errors as remote_failed.
 */
MUST_USE enum status remote_call(struct remote *remote, enum asof_method method,
                                 struct bytes request, struct asof_message **answer,
                                 struct error *err);

/* The same, and appends the text that the answer has in that field. CORRUPT: it is no message. */
MUST_USE enum status remote_ask(struct remote *remote, enum asof_method method,
                                struct bytes request, uint32_t field, struct buffer *out,
                                struct error *err);

/* The field of a message that has nothing else: JSON texts, names. */
enum { REMOTE_ONLY_FIELD = 1 };

#endif
