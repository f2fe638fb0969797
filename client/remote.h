/* Remote: the way to the server, RESP2 over TCP through hiredis.
 *
 * 1. Replies come in the order of the requests.
 * 2. A connection that broke answers UNAVAILABLE to everything until it is opened again.
 * 3. A server that says nothing for REMOTE_REPLY_S is taken for gone.
 * Thread: one at a time. */
#ifndef ASOF_CLIENT_REMOTE_H
#define ASOF_CLIENT_REMOTE_H

#include "base/buffer.h"
#include "base/status.h"

enum { REMOTE_PORT = 6390, REMOTE_CONNECT_S = 5, REMOTE_REPLY_S = 60 };

#define REMOTE_ADDRESS "127.0.0.1:6390" /* where neither --server nor ASOF_SERVER says one */

struct remote;
struct redisReply;

/* Whether it is "HOST:PORT", "[V6]:PORT" or "HOST". INVALID: no. */
MUST_USE enum status remote_check_address(const char *address, struct error *err);

/* Connects to "HOST:PORT", "[V6]:PORT" or "HOST". Owned by the caller. INVALID: no such address.
 * UNAVAILABLE: nobody answers there. */
MUST_USE enum status remote_open(const char *address, struct remote **out, struct error *err);
void remote_close(struct remote **remote);

/* Drops what is under way and connects again. UNAVAILABLE: as remote_open. */
MUST_USE enum status remote_reopen(struct remote *remote, struct error *err);

/* Sends a request; its reply is to be received later. UNAVAILABLE: the connection broke. */
MUST_USE enum status remote_send(struct remote *remote, const struct bytes *words,
                                 size_t words_count, struct error *err);

/* Waits for the next reply, which may be an error reply. Free it by remote_free_reply.
 * UNAVAILABLE: the connection broke. */
MUST_USE enum status remote_receive(struct remote *remote, struct redisReply **out,
                                    struct error *err);
void remote_free_reply(struct redisReply **reply);

/* OK unless it is an error reply; else err has its sentence and the status is what its code says:
 * NOTFOUND is NOT_FOUND, UNAVAILABLE is AGAIN, IOERR is IO, CORRUPT is CORRUPT, all else INVALID.
 */
MUST_USE enum status remote_reply_status(const struct redisReply *reply, struct error *err);

/* Sends a request and appends the text of its reply to out. CORRUPT: a reply of another kind. */
MUST_USE enum status remote_ask(struct remote *remote, const struct bytes *words,
                                size_t words_count, struct buffer *out, struct error *err);

#endif
