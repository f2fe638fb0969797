/* Connection: the way to the server, RESP2 over TCP through hiredis.
 *
 * 1. Replies come in the order of the requests.
 * 2. A connection that broke answers UNAVAILABLE to everything until it is opened again.
 * 3. A server that says nothing for CONNECTION_REPLY_S is taken for gone.
 * Thread: one at a time. */
#ifndef ASOF_CLIENT_CONNECTION_H
#define ASOF_CLIENT_CONNECTION_H

#include "base/buffer.h"
#include "base/status.h"

enum { CONNECTION_PORT = 6390, CONNECTION_CONNECT_S = 5, CONNECTION_REPLY_S = 60 };

#define CONNECTION_ADDRESS "127.0.0.1:6390" /* where neither --server nor ASOF_SERVER says one */

struct connection;
struct redisReply;

/* Whether it is "HOST:PORT", "[V6]:PORT" or "HOST". INVALID: no. */
MUST_USE enum status connection_check_address(const char *address, struct error *err);

/* Connects to "HOST:PORT", "[V6]:PORT" or "HOST". Owned by the caller. INVALID: no such address.
 * UNAVAILABLE: nobody answers there. */
MUST_USE enum status connection_open(const char *address, struct connection **out,
                                     struct error *err);
void connection_close(struct connection **connection);

/* Drops what is under way and connects again. UNAVAILABLE: as connection_open. */
MUST_USE enum status connection_reopen(struct connection *connection, struct error *err);

/* As the user typed it. */
const char *connection_address(const struct connection *connection);

/* Sends a request; its reply is to be received later. UNAVAILABLE: the connection broke. */
MUST_USE enum status connection_send(struct connection *connection, const struct bytes *words,
                                     size_t words_count, struct error *err);

/* Waits for the next reply, which may be an error reply. Free it by connection_free_reply.
 * UNAVAILABLE: the connection broke. */
MUST_USE enum status connection_receive(struct connection *connection, struct redisReply **out,
                                        struct error *err);
void connection_free_reply(struct redisReply **reply);

/* OK unless it is an error reply; else err has its sentence and the status is what its code says:
 * NOTFOUND is NOT_FOUND, UNAVAILABLE is AGAIN, IOERR is IO, CORRUPT is CORRUPT, all else INVALID. */
MUST_USE enum status connection_reply_status(const struct redisReply *reply, struct error *err);

/* Sends a request and appends the text of its reply to out. CORRUPT: a reply of another kind. */
MUST_USE enum status connection_ask(struct connection *connection, const struct bytes *words,
                                    size_t words_count, struct buffer *out, struct error *err);

#endif
