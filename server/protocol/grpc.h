/* gRPC over HTTP/2: bytes to calls and messages, answers to bytes. No IO, no clock; what methods
 * and messages mean is the handler's.
 *
 *     session_receive(bytes) -> began, message ..., ended          (handler)
 *     call_send ..., call_finish                                   (whenever the answer is there)
 *     session_send(output)   <- frames, as the peer's windows and output_max allow
 *
 * 1. Each call that began is gone exactly once, later: finished and sent, reset by the peer, or
 * with its session. Behind that it must not be touched.
 * 2. Bytes go into the output by session_send only, never from within a handler.
 * 3. All that a peer can make grow has a limit, below. What is beyond fails its own call
 *    (RESOURCE_EXHAUSTED), or, where the peer breaks HTTP/2, ends the connection.
 *
 * Thread: one at a time, of a session and its calls. */
#ifndef ASOF_PROTOCOL_GRPC_H
#define ASOF_PROTOCOL_GRPC_H

#include "base/buffer.h"

enum {
    GRPC_CALLS_MAX = 1024,                    /* open at a time, of one connection */
    GRPC_MESSAGE_SIZE_MAX = 16 * 1024 * 1024, /* of a request */
    GRPC_ARRIVING_BYTES_MAX =
        64 * 1024 * 1024, /* of requests not whole, or not taken; of one connection */
    GRPC_ARRIVING_SCARCE_BYTES = 64 * 1024, /* the same, while memory is scarce */
    GRPC_QUEUED_BYTES_MAX =
        256 * 1024 * 1024,             /* of answers that wait for windows, of one connection */
    GRPC_HEADERS_SIZE_MAX = 16 * 1024, /* of one call */
    GRPC_PATH_SIZE_MAX = 256,
    GRPC_TYPE_SIZE_MAX = 256, /* of a content-type; longer ones are not ours */
    GRPC_STREAM_WINDOW_BYTES = 1024 * 1024,
    GRPC_CONNECTION_WINDOW_BYTES = 4 * 1024 * 1024,
    GRPC_RESETS_BURST = 10 * 1000, /* calls that a peer may cancel at once, */
    GRPC_RESETS_PER_S = 1000,      /* and lastingly; beyond, its connection ends */
    GRPC_TEXT_SIZE_MAX = 1024,     /* of what is said of a failed call, before it is encoded */
};

/* As gRPC has them. */
enum grpc_code {
    GRPC_OK = 0,
    GRPC_CANCELLED = 1,
    GRPC_UNKNOWN = 2,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_NOT_FOUND = 5,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_FAILED_PRECONDITION = 9,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_DATA_LOSS = 15,
};

#define GRPC_NO_TIMEOUT INT64_C(-1)

/* Of W3C's traceparent, in lower-case hexadecimal digits: whose work a call is part of. */
struct grpc_trace {
    char trace_id[32 + 1]; /* "": it was not said, or not well */
    char parent_id[16 + 1];
};

struct grpc_session;
struct grpc_call;

/* Functions may send and finish, the call at hand or others; they may not receive or send the
 * session's bytes. */
struct grpc_handler {
    /* A call of the method at path ("/asof.v1.FeatureStore/GetFeatures", borrowed for the call). */
    void (*began)(void *context, struct grpc_call *call, struct bytes path, int64_t timeout_us);

    /* A whole message, borrowed for the call. */
    void (*message)(void *context, struct grpc_call *call, struct bytes message);

    /* The peer sends no more messages. */
    void (*ended)(void *context, struct grpc_call *call);

    void (*gone)(void *context, struct grpc_call *call);
};

/* Handler and context are borrowed. Owned by the caller. */
struct grpc_session *grpc_session_create(const struct grpc_handler *handler, void *context);

/* Every call is gone then. Accepts NULL and leaves NULL behind. */
void grpc_session_destroy(struct grpc_session **session);

/* Takes all bytes. false: they break the protocol; send what there is to send, and close. */
bool grpc_session_receive(struct grpc_session *session, struct bytes bytes);

/* Appends what may be sent, until output holds output_max bytes or a little more. */
void grpc_session_send(struct grpc_session *session, struct buffer *output, size_t output_max);

/* Whether session_send would append something. */
bool grpc_session_has_more(const struct grpc_session *session);

/* Neither side has anything to say any more. */
bool grpc_session_is_over(const struct grpc_session *session);

/* Calls that are not gone. */
size_t grpc_session_calls(const struct grpc_session *session);

/* Bytes of answers that could not be sent yet. */
size_t grpc_session_queued_bytes(const struct grpc_session *session);

/* Whether one more message of that size may wait with them. */
bool grpc_session_may_queue(const struct grpc_session *session, size_t size);

/* Bytes of requests that are not whole, or not taken. */
size_t grpc_session_arriving_bytes(const struct grpc_session *session);

/* While memory is scarce, calls that have large requests to send fail. */
void grpc_session_set_scarce(struct grpc_session *session, bool is_scarce);

/* Tells the peer to begin no more calls here: drain, and, when what was on its way is there, leave,
 * behind which further ones are ignored, which clients then try elsewhere. */
void grpc_session_drain(struct grpc_session *session);
void grpc_session_leave(struct grpc_session *session);

void grpc_call_set_owner(struct grpc_call *call, void *owner);
void *grpc_call_owner(const struct grpc_call *call);

/* Borrowed for the life of the call. */
const struct grpc_trace *grpc_call_trace(const struct grpc_call *call);

/* While it is held, no message of the call is given, and a peer that sends more is stopped by its
 * window. Letting go gives what came. */
void grpc_call_hold(struct grpc_call *call);
void grpc_call_let_go(struct grpc_call *call);

/* Whether the call was finished: it is only to be sent. */
bool grpc_call_is_finished(const struct grpc_call *call);

/* Bytes of the call's answers that could not be sent yet. */
size_t grpc_call_queued_bytes(const struct grpc_call *call);

/* Queues a message of the answer (copied). Where too much is queued, the call fails instead. */
void grpc_call_send(struct grpc_call *call, struct bytes message);

/* Ends the answer. text: what is wrong, for people; empty where code is GRPC_OK. Harmless where it
 * was finished. */
void grpc_call_finish(struct grpc_call *call, enum grpc_code code, struct bytes text);

/* ---- parts, for tests ---- */

/* "100m" and the like to microseconds, rounded up. false: it is no grpc-timeout. */
bool grpc_timeout_parse(struct bytes text, int64_t *timeout_us);

/* "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01". false: it is no traceparent, and trace
 * is as it was. */
bool grpc_trace_parse(struct bytes text, struct grpc_trace *trace);

/* Appends text as grpc-message wants it: all but printable ASCII, and '%', as %XX. */
void grpc_text_encode(struct bytes text, struct buffer *out);

#endif
