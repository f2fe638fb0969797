/* The life of a connection of RPC: its first bytes tell the framing; calls come out of it and
 * answers go into it, through protocol/grpc.h or protocol/light.h. */
#include "app/rpc_door.h"

#include <stdlib.h>

#include "app/rpc_call.h"
#include "base/check.h"
#include "base/clock.h"
#include "protocol/light.h"

enum {
    ARENA_CHUNK_SIZE = 64 * 1024,
    TELLING_SIZE = 4,      /* bytes that tell the framing */
    SLICE_SIZE = 4 * 1024, /* of input of gRPC, between two looks at the clock */
    STALL_CHECK_US = 1000 * 1000,
};

/* ---- gRPC's calls ---- */

static int64_t deadline_of(int64_t timeout_us)
{
    int64_t now_us = clock_mono_us();
    return timeout_us >= INT64_MAX - now_us ? INT64_MAX : now_us + timeout_us;
}

static void grpc_began(void *context, struct grpc_call *stream, struct bytes path,
                       int64_t timeout_us)
{
    const struct rpc_method *method = rpc_method_find(path);
    if (method == NULL) {
        grpc_call_finish(stream, GRPC_UNIMPLEMENTED,
                         bytes_of_text("no such method; see proto/asof/v1"));
        return;
    }
    struct rpc_call *call = rpc_call_create(
        context, method, timeout_us == GRPC_NO_TIMEOUT ? INT64_MAX : deadline_of(timeout_us));
    call->grpc = stream;
    grpc_call_set_owner(stream, call);
    rpc_call_wait(call);
}

static void grpc_message(void *context, struct grpc_call *stream, struct bytes message)
{
    (void)context;
    rpc_call_take(grpc_call_owner(stream), message);
}

static void grpc_ended(void *context, struct grpc_call *stream)
{
    (void)context;
    struct rpc_call *call = grpc_call_owner(stream);
    call->has_ended = true;
    if (call->job != NULL)
        return; /* its answer is still to come */
    if (call->method->is_dialog || call->method->stream != NULL)
        rpc_stream_end(call);
    else
        rpc_call_fail(call, GRPC_INVALID_ARGUMENT, bytes_of_text("the call has no message"));
}

static void grpc_gone(void *context, struct grpc_call *stream)
{
    (void)context;
    struct rpc_call *call = grpc_call_owner(stream);
    if (call != NULL)
        rpc_call_destroy(call);
}

static const struct grpc_handler grpc_calls = {
    .began = grpc_began, .message = grpc_message, .ended = grpc_ended, .gone = grpc_gone};

/* ---- the light frame's ---- */

static struct rpc_call *light_find(const struct rpc_session *session, uint32_t number)
{
    struct rpc_call *call;
    TAILQ_FOREACH(call, &session->calls, link)
    if (call->number == number)
        return call;
    return NULL;
}

static void light_run(struct rpc_session *session, const struct light_frame *frame)
{
    struct rpc_door *door = session->door;
    const struct rpc_method *method = rpc_method_of_number(frame->method);
    const char *refusal = NULL;
    enum grpc_code code = GRPC_RESOURCE_EXHAUSTED;
    if (method == NULL) {
        code = GRPC_UNIMPLEMENTED;
        refusal = "no such method; see docs/rpc.md";
    } else if (session->calls_count >= RPC_LIGHT_CALLS_MAX) {
        refusal = "too many calls of this connection are in flight";
    }
    if (refusal != NULL) {
        door->counters.calls_failed_total++;
        light_append_failure(frame->call, code, bytes_of_text(refusal),
                             network_connection_output(session->connection));
        return;
    }
    int64_t timeout_us = (int64_t)frame->timeout_ms * 1000;
    struct rpc_call *call =
        rpc_call_create(session, method, timeout_us == 0 ? INT64_MAX : deadline_of(timeout_us));
    call->number = frame->call;
    rpc_call_take(call, frame->message);
}

static void light_take(struct rpc_session *session, const struct light_frame *frame)
{
    if (frame->kind == LIGHT_CALL) {
        light_run(session, frame);
        return;
    }
    struct rpc_call *call = light_find(session, frame->call);
    if (call == NULL)
        return; /* it has ended meanwhile */
    if (frame->kind == LIGHT_CANCEL) {
        rpc_call_destroy(call);
        return;
    }
    if (call->has_ended)
        return; /* more was sent than the last */
    if (frame->kind == LIGHT_MESSAGE) {
        rpc_call_take(call, frame->message);
        return;
    }
    call->has_ended = true;
    if (call->method->is_dialog || call->method->stream != NULL)
        rpc_stream_end(call);
}

/* Takes frames of calls that repeat; returns their size. */
static size_t light_take_repeated(struct rpc_session *session, struct bytes input)
{
    struct rpc_door *door = session->door;
    size_t answered;
    if (door->is_stopping || session->calls_count >= RPC_LIGHT_CALLS_MAX)
        return 0;
    query_refresh(door->options.query);
    size_t size =
        rpc_repeat_answer_frames(door->repeats, door->options.query, input,
                                 network_connection_output(session->connection), &answered);
    door->counters.calls_total += answered;
    return size;
}

/* Takes one frame, or several that repeat. false: it is not whole, or none. */
static bool light_take_some(struct rpc_session *session, struct bytes input, size_t *size)
{
    struct light_frame frame;
    *size = light_take_repeated(session, input);
    if (*size > 0)
        return true;
    enum light_result result = light_parse(input, &frame, size);
    if (result == LIGHT_BROKEN) {
        session->door->counters.protocol_errors_total++;
        session->is_closing = true;
    }
    if (result == LIGHT_FRAME)
        light_take(session, &frame);
    return result == LIGHT_FRAME;
}

/* ---- sessions ---- */

void rpc_session_settle(struct rpc_session *session)
{
    if (session->is_settled)
        return;
    TAILQ_INSERT_TAIL(&session->door->settled, session, settled_link);
    session->is_settled = true;
}

static void *door_opened(void *context, struct network_connection *connection)
{
    struct rpc_door *door = context;
    struct rpc_session *session = calloc(1, sizeof(*session));
    CHECK(session != NULL);
    session->door = door;
    session->connection = connection;
    TAILQ_INIT(&session->calls);
    TAILQ_INIT(&session->awaiting);
    TAILQ_INSERT_TAIL(&door->sessions, session, link);
    door->sessions_count++;
    return session;
}

static void door_closed(void *context)
{
    struct rpc_session *session = context;
    struct rpc_door *door = session->door;
    session->is_closing = true;
    grpc_session_destroy(&session->grpc);
    while (!TAILQ_EMPTY(&session->calls))
        rpc_call_destroy(TAILQ_FIRST(&session->calls));
    if (session->is_settled)
        TAILQ_REMOVE(&door->settled, session, settled_link);
    TAILQ_REMOVE(&door->sessions, session, link);
    door->sessions_count--;
    door->queued_bytes -= session->queued_bytes;
    free(session);
}

/* Finds out the framing. false: more bytes are needed. */
static bool session_tell(struct rpc_session *session, struct bytes input)
{
    if (session->framing != RPC_UNTOLD)
        return true;
    if (input.size < TELLING_SIZE)
        return false;
    session->framing = bytes_start_with(input, bytes_of_text("PRI ")) ? RPC_GRPC : RPC_LIGHT;
    if (session->framing == RPC_GRPC) {
        session->grpc = grpc_session_create(&grpc_calls, session);
        if (session->door->is_draining)
            grpc_session_drain(session->grpc);
    }
    return true;
}

/* Whether the loop is to go on with other things: the doors' time of this turn is over, or the
 * deadline of a call has come. */
static bool door_is_tired(const struct rpc_door *door, int64_t now_mono_us)
{
    return now_mono_us >= door->turn_until_mono_us ||
           now_mono_us >= rpc_deadlines_next(&door->waiting);
}

static size_t receive_grpc(struct rpc_session *session, struct bytes input)
{
    size_t taken = 0;
    while (taken < input.size && !session->is_closing) {
        size_t left = input.size - taken;
        size_t size = left < SLICE_SIZE ? left : SLICE_SIZE;
        if (!grpc_session_receive(session->grpc, bytes_of(input.data + taken, size))) {
            session->door->counters.protocol_errors_total++;
            session->is_closing = true;
        }
        taken += size;
        session->is_yielding = taken < input.size && door_is_tired(session->door, clock_mono_us());
        if (session->is_yielding)
            break;
    }
    return taken;
}

static size_t receive_light(struct rpc_session *session, struct bytes input)
{
    size_t taken = 0;
    size_t size;
    while (taken < input.size && network_connection_is_ready(session->connection) &&
           light_take_some(session, bytes_after(input, taken), &size)) {
        taken += size;
        session->is_yielding = taken < input.size && door_is_tired(session->door, clock_mono_us());
        if (session->is_yielding)
            break;
    }
    return taken;
}

void rpc_session_account(struct rpc_session *session)
{
    struct rpc_door *door = session->door;
    if (session->grpc == NULL)
        return; /* its answers lie in the output of the connection, which counts them */
    size_t queued = grpc_session_queued_bytes(session->grpc);
    size_t arriving = grpc_session_arriving_bytes(session->grpc);
    if (queued > 0 || arriving > GRPC_ARRIVING_SCARCE_BYTES) {
        int64_t now_us = clock_mono_us();
        if (queued < session->queued_bytes || session->queued_bytes == 0)
            session->taken_mono_us = now_us;
        if (arriving != session->arriving_bytes)
            session->arrived_mono_us = now_us;
        rpc_door_wake(door, now_us + STALL_CHECK_US);
    }
    door->queued_bytes += queued - session->queued_bytes;
    session->queued_bytes = queued;
    session->arriving_bytes = arriving;
    session->has_room = network_connection_keep(session->connection, queued + arriving);
    grpc_session_set_scarce(session->grpc, !session->has_room);
}

/* Puts what may be sent into the output, and notes what is left. */
static void session_send(struct rpc_session *session)
{
    struct buffer *output = network_connection_output(session->connection);
    if (session->grpc == NULL)
        return;
    rpc_session_account(session);
    /* A byte more than what pauses the connection, so that it notices when that has gone out. */
    grpc_session_send(session->grpc, output, NETWORK_OUTPUT_PAUSE_BYTES + 1);
    rpc_session_account(session);
    session->is_closing |= grpc_session_is_over(session->grpc);
}

/* Begins to read, as the Redis door does: between connections nothing is held for long. */
static void door_begin_reading(struct rpc_door *door, int64_t now_mono_us)
{
    if (now_mono_us - door->reading_mono_us > RPC_TURN_US) {
        query_end(door->options.query);
        door->reading_mono_us = now_mono_us;
    }
    if (door->turn_until_mono_us == 0)
        door->turn_until_mono_us = now_mono_us + RPC_TURN_US;
    query_begin(door->options.query);
}

/* Goes on with the connection in the next turn; one that takes no messages only sends. */
static void session_resume(struct rpc_session *session)
{
    network_connection_resume(session->connection);
    if (session->grpc == NULL && session->held_count > 0)
        network_connection_pause(session->connection);
}

static size_t door_received(void *context, struct bytes input)
{
    struct rpc_session *session = context;
    int64_t now_us = clock_mono_us();
    size_t taken = 0;
    if (!session_tell(session, input))
        return 0;
    door_begin_reading(session->door, now_us);
    session->is_yielding = input.size > 0 && door_is_tired(session->door, now_us);
    if (!session->is_yielding)
        taken = session->framing == RPC_GRPC ? receive_grpc(session, input)
                                             : receive_light(session, input);
    session_send(session);
    if (session->is_closing) {
        network_connection_close(session->connection);
        return taken;
    }
    rpc_session_feed(session);
    if (session->is_yielding)
        session_resume(session);
    return taken;
}

static bool door_has_more(void *context)
{
    const struct rpc_session *session = context;
    return session->grpc != NULL ? grpc_session_has_more(session->grpc)
                                 : rpc_session_can_feed(session);
}

/* Whether the call comes to its end without a further message. */
static bool call_is_whole(const struct rpc_call *call)
{
    const struct rpc_stream *stream = call->method->stream;
    return call->job != NULL || (stream != NULL && (!stream->takes_many || call->has_ended));
}

/* A peer that has ended will not finish what it began to ask, nor open a window: of its calls those
 * count that are being worked on. */
static bool door_owes(void *context)
{
    const struct rpc_session *session = context;
    const struct rpc_call *call;
    if (session->grpc != NULL)
        return session->jobs_count > 0 || grpc_session_has_more(session->grpc);
    TAILQ_FOREACH(call, &session->calls, link)
    if (call_is_whole(call))
        return true;
    return false;
}

struct network_handler rpc_door_handler(struct rpc_door *door)
{
    return (struct network_handler){
        .context = door,
        .opened = door_opened,
        .received = door_received,
        .has_more = door_has_more,
        .owes = door_owes,
        .closed = door_closed,
        .input_max_bytes = LIGHT_MESSAGE_SIZE_MAX + LIGHT_CALL_HEAD_SIZE + NETWORK_READ_SIZE,
    };
}

/* ---- time ---- */

void rpc_door_wake(struct rpc_door *door, int64_t mono_us)
{
    if (door->timer_mono_us != 0 && door->timer_mono_us <= mono_us)
        return;
    door->timer_mono_us = mono_us;
    network_timer_set(door->timer, mono_us - clock_mono_us());
}

/* Closes connections that do not take their answers, or do not go on with large requests. Returns
 * whether there are some that may come to that. */
static bool door_check_stalls(struct rpc_door *door, int64_t now_mono_us)
{
    struct rpc_session *session;
    bool has_some = false;
    TAILQ_FOREACH(session, &door->sessions, link)
    {
        bool is_taking = session->queued_bytes > 0;
        bool is_sending = session->arriving_bytes > GRPC_ARRIVING_SCARCE_BYTES;
        if ((!is_taking && !is_sending) || session->is_closing)
            continue;
        has_some = true;
        bool is_stalled = (is_taking && now_mono_us - session->taken_mono_us > RPC_STALL_US) ||
                          (is_sending && session->jobs_count == 0 && session->held_count == 0 &&
                           now_mono_us - session->arrived_mono_us > RPC_STALL_US);
        if (!is_stalled)
            continue;
        door->counters.stalled_total++;
        session->is_closing = true;
        network_connection_close(session->connection);
    }
    return has_some;
}

static void door_on_time(void *context)
{
    struct rpc_door *door = context;
    int64_t now_us = clock_mono_us();
    door->timer_mono_us = 0;
    int64_t next_us = rpc_calls_expire(door, now_us);
    if (next_us != INT64_MAX)
        rpc_door_wake(door, next_us);
    next_us = rpc_offline_tell(door, now_us);
    if (next_us != INT64_MAX)
        rpc_door_wake(door, next_us);
    if (door_check_stalls(door, now_us))
        rpc_door_wake(door, now_us + STALL_CHECK_US);
}

/* ---- the door ---- */

struct rpc_door *rpc_door_create(const struct rpc_door_options *options)
{
    struct rpc_door *door = calloc(1, sizeof(*door));
    CHECK(door != NULL);
    door->options = *options;
    door->arena = arena_create(ARENA_CHUNK_SIZE);
    door->rows = arena_create(ARENA_CHUNK_SIZE);
    door->repeats = rpc_repeats_create();
    door->timer = network_timer_create(options->loop, door_on_time, door);
    TAILQ_INIT(&door->sessions);
    TAILQ_INIT(&door->settled);
    TAILQ_INIT(&door->offline);
    return door;
}

void rpc_door_destroy(struct rpc_door **out)
{
    struct rpc_door *door = *out;
    if (door == NULL)
        return;
    CHECK(TAILQ_EMPTY(&door->sessions) && door->calls_count == 0 && door->waiting.count == 0);
    CHECK(TAILQ_EMPTY(&door->offline));
    arena_destroy(&door->arena);
    arena_destroy(&door->rows);
    rpc_repeats_destroy(&door->repeats);
    buffer_fini(&door->scratch);
    buffer_fini(&door->reply);
    free(door->waiting.calls);
    free(door);
    *out = NULL;
}

void rpc_door_turn_end(struct rpc_door *door)
{
    struct rpc_session *session;
    while ((session = TAILQ_FIRST(&door->settled)) != NULL) {
        TAILQ_REMOVE(&door->settled, session, settled_link);
        session->is_settled = false;
        if (!session->is_closing)
            session_send(session);
        if (session->is_closing)
            network_connection_close(session->connection);
        bool has_output = network_connection_output(session->connection)->size > 0;
        if (door_has_more(session) || has_output || session->has_worked)
            session_resume(session);
        session->has_worked = false;
    }
    door->turn_until_mono_us = 0;
    query_end(door->options.query);
}

/* Ends what would not come to its end by itself. */
static void session_end_streams(struct rpc_session *session)
{
    struct rpc_call *next;
    for (struct rpc_call *call = TAILQ_FIRST(&session->calls); call != NULL; call = next) {
        const struct rpc_method *method = call->method;
        next = TAILQ_NEXT(call, link);
        bool is_idle = method->is_dialog && call->job == NULL;
        if (is_idle || (method->stream != NULL && method->stream->is_ended_by_stop))
            rpc_call_fail(call, GRPC_UNAVAILABLE, bytes_of_text("the server is stopping"));
    }
}

void rpc_door_drain(struct rpc_door *door, bool is_last)
{
    struct rpc_session *session;
    door->is_draining = true;
    door->is_stopping = is_last;
    TAILQ_FOREACH(session, &door->sessions, link)
    {
        if (!is_last)
            rpc_health_tell(session);
        else
            session_end_streams(session);
        if (session->grpc == NULL)
            continue;
        if (is_last)
            grpc_session_leave(session->grpc);
        else
            grpc_session_drain(session->grpc);
        rpc_session_settle(session);
    }
}

size_t rpc_door_sessions(const struct rpc_door *door)
{
    return door->sessions_count;
}

size_t rpc_door_calls(const struct rpc_door *door)
{
    return door->calls_count;
}

const struct rpc_counters *rpc_door_counters(const struct rpc_door *door)
{
    return &door->counters;
}
