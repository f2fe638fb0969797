/* Streams of messages: parts go out as the peer takes them, messages come in as the task takes
 * them.
 *
 *     rpc_call_send ... until rpc_call_has_room says no, rpc_call_await_room   ->  room
 *     rpc_call_hold, while it works on a message, rpc_call_let_go              ->  message
 *
 * Of gRPC, what a call may send and be sent is its own affair, by its windows. A connection of the
 * light frame has no windows but TCP's: while one call of it is held, no other is read either. */
#include "app/rpc_call.h"
#include "base/check.h"
#include "protocol/light.h"

/* ---- what comes ---- */

void rpc_call_hold(struct rpc_call *call)
{
    struct rpc_session *session = call->session;
    if (call->is_held)
        return;
    call->is_held = true;
    session->held_count++;
    if (call->grpc != NULL)
        grpc_call_hold(call->grpc);
    else
        network_connection_pause(session->connection);
}

/* false: it was not held. */
static bool call_unhold(struct rpc_call *call)
{
    struct rpc_session *session = call->session;
    if (!call->is_held)
        return false;
    call->is_held = false;
    session->held_count--;
    if (call->grpc == NULL && session->held_count == 0 && !session->is_closing)
        network_connection_resume(session->connection);
    return true;
}

void rpc_call_let_go(struct rpc_call *call)
{
    if (!call_unhold(call) || call->grpc == NULL)
        return;
    rpc_session_settle(call->session); /* the window opens again */
    grpc_call_let_go(call->grpc);
}

void rpc_stream_take(struct rpc_call *call, struct bytes message)
{
    const struct rpc_stream *stream = call->method->stream;
    rpc_call_wait(call);
    if (call->task == NULL)
        call->task = stream->begin(call, message);
    stream->message(call->task, message);
}

void rpc_stream_end(struct rpc_call *call)
{
    const struct rpc_stream *stream = call->method->stream;
    if (stream == NULL)
        rpc_call_end(call, STATUS_OK, NULL);
    else if (call->task == NULL)
        rpc_call_fail(call, GRPC_INVALID_ARGUMENT, bytes_of_text("the call has no message"));
    else if (stream->takes_many)
        stream->ended(call->task);
}

/* ---- what goes ---- */

bool rpc_call_has_room(const struct rpc_call *call)
{
    const struct rpc_session *session = call->session;
    if (call->grpc == NULL)
        return network_connection_output(session->connection)->size < RPC_PARTS_BYTES;
    size_t queued = grpc_call_queued_bytes(call->grpc);
    return queued == 0 || (queued < RPC_PARTS_BYTES && session->has_room &&
                           grpc_session_queued_bytes(session->grpc) < RPC_PARTS_BYTES_MAX);
}

void rpc_call_await_room(struct rpc_call *call)
{
    if (call->is_awaiting)
        return;
    call->is_awaiting = true;
    TAILQ_INSERT_TAIL(&call->session->awaiting, call, awaiting_link);
    rpc_session_settle(call->session);
}

static void call_stop_awaiting(struct rpc_call *call)
{
    if (!call->is_awaiting)
        return;
    call->is_awaiting = false;
    TAILQ_REMOVE(&call->session->awaiting, call, awaiting_link);
}

bool rpc_session_can_feed(const struct rpc_session *session)
{
    const struct rpc_call *call = TAILQ_FIRST(&session->awaiting);
    return call != NULL && rpc_call_has_room(call);
}

static void call_feed(struct rpc_call *call)
{
    call_stop_awaiting(call);
    if (call->method->stream != NULL)
        call->method->stream->room(call->task);
    else
        rpc_call_let_go(call);
}

/* Those that wait again meanwhile stand behind the last. */
void rpc_session_feed(struct rpc_session *session)
{
    struct rpc_call *last = TAILQ_LAST(&session->awaiting, rpc_call_list);
    bool is_last = last == NULL;
    struct rpc_call *next = TAILQ_FIRST(&session->awaiting);
    while (!is_last) {
        struct rpc_call *call = next;
        next = TAILQ_NEXT(call, awaiting_link);
        is_last = call == last;
        if (rpc_call_has_room(call))
            call_feed(call);
    }
}

bool rpc_call_send(struct rpc_call *call, struct bytes part)
{
    struct rpc_session *session = call->session;
    if (!rpc_session_has_room(session, part.size)) {
        rpc_call_fail(call, GRPC_RESOURCE_EXHAUSTED,
                      bytes_of_text("too many answers wait to be read"));
        return false;
    }
    rpc_session_settle(session);
    if (call->grpc == NULL)
        light_append_part(call->number, part, network_connection_output(session->connection));
    else
        grpc_call_send(call->grpc, part);
    return true;
}

/* A peer that takes no answers is asked for no more messages. */
void rpc_stream_answer(struct rpc_call *call, struct bytes reply)
{
    if (!rpc_call_send(call, reply))
        return;
    if (call->session->door->is_stopping) {
        rpc_call_fail(call, GRPC_UNAVAILABLE, bytes_of_text("the server is stopping"));
        return;
    }
    if (rpc_call_has_room(call) || call->grpc == NULL) {
        rpc_call_let_go(call); /* the light frame is not read while its output is full */
        return;
    }
    rpc_call_hold(call);
    rpc_call_await_room(call);
}

/* ---- the end ---- */

void rpc_stream_leave(struct rpc_call *call)
{
    void *task = call->task;
    call->task = NULL;
    call_stop_awaiting(call);
    (void)call_unhold(call);
    if (task != NULL)
        call->method->stream->gone(task);
}
