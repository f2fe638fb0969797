/* The life of a call: a message is taken; its method runs here, or as a job elsewhere; the answer
 * goes out in the framing in which it was asked. */
#include "app/rpc_call.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "protocol/light.h"

enum { SCRATCH_KEEP_BYTES = 1024 * 1024 };

struct rpc_call *rpc_call_create(struct rpc_session *session, const struct rpc_method *method,
                                 int64_t deadline_mono_us)
{
    struct rpc_call *call = calloc(1, sizeof(*call));
    CHECK(call != NULL);
    call->session = session;
    call->method = method;
    call->deadline_mono_us = deadline_mono_us;
    if (log_is_on(LOG_DEBUG))
        call->began_mono_us = clock_mono_us();
    TAILQ_INSERT_TAIL(&session->calls, call, link);
    session->calls_count++;
    session->door->calls_count++;
    session->door->counters.calls_total++;
    return call;
}

static void call_stop_waiting(struct rpc_call *call)
{
    rpc_deadlines_remove(&call->session->door->waiting, call);
}

void rpc_call_wait(struct rpc_call *call)
{
    struct rpc_door *door = call->session->door;
    if (call->deadline_mono_us == INT64_MAX)
        return;
    rpc_deadlines_add(&door->waiting, call);
    rpc_door_wake(door, call->deadline_mono_us);
}

/* Of what the peer sent, only the digits of its trace are written. */
static void call_log(const struct rpc_call *call)
{
    static const struct grpc_trace no_trace;
    const struct grpc_trace *trace = call->grpc == NULL ? &no_trace : grpc_call_trace(call->grpc);
    bool has_trace = trace->trace_id[0] != '\0';
    log_debug("rpc %s code=%d us=%lld%s%s%s%s", call->method->path,
              call->is_done ? (int)call->code : (int)GRPC_CANCELLED,
              (long long)(clock_mono_us() - call->began_mono_us), has_trace ? " trace=" : "",
              trace->trace_id, has_trace ? " parent=" : "", trace->parent_id);
}

void rpc_call_destroy(struct rpc_call *call)
{
    struct rpc_session *session = call->session;
    if (call->began_mono_us != 0)
        call_log(call);
    call_stop_waiting(call);
    rpc_stream_leave(call);
    if (!call->is_done)
        session->door->counters.cancelled_total++;
    if (call->job != NULL) {
        session->jobs_count--;
        rpc_job_forget_call(call->job);
    }
    TAILQ_REMOVE(&session->calls, call, link);
    session->calls_count--;
    session->door->calls_count--;
    free(call);
}

/* ---- answers ---- */

static enum grpc_code code_of(enum status status)
{
    switch (status) {
    case STATUS_OK:
        return GRPC_OK;
    case STATUS_NOT_FOUND:
        return GRPC_NOT_FOUND;
    case STATUS_INVALID:
        return GRPC_INVALID_ARGUMENT;
    case STATUS_LIMIT:
        return GRPC_RESOURCE_EXHAUSTED;
    case STATUS_UNAVAILABLE:
        return GRPC_UNAVAILABLE;
    case STATUS_CORRUPT:
        return GRPC_DATA_LOSS;
    case STATUS_CANCELLED:
        return GRPC_DEADLINE_EXCEEDED;
    case STATUS_AGAIN:
    case STATUS_IO:
        break;
    }
    return GRPC_UNKNOWN;
}

void rpc_call_fail(struct rpc_call *call, enum grpc_code code, struct bytes text)
{
    struct rpc_session *session = call->session;
    call_stop_waiting(call);
    if (call->is_done)
        return;
    call->is_done = true;
    call->code = code;
    session->door->counters.calls_failed_total++;
    session->door->counters.deadlines_total += code == GRPC_DEADLINE_EXCEEDED;
    rpc_session_settle(session);
    if (call->grpc != NULL) {
        grpc_call_finish(call->grpc, code, text);
        rpc_stream_leave(call); /* now, as the text may be its task's */
        return;
    }
    light_append_failure(call->number, code, text, network_connection_output(session->connection));
    rpc_call_destroy(call);
}

bool rpc_session_has_room(struct rpc_session *session, size_t size)
{
    if (session->grpc == NULL)
        return network_connection_output(session->connection)->size + size <= GRPC_QUEUED_BYTES_MAX;
    rpc_session_account(session);
    return session->door->queued_bytes + size <= RPC_QUEUED_BYTES_MAX &&
           grpc_session_may_queue(session->grpc, size) &&
           (session->has_room || session->queued_bytes <= NETWORK_OUTPUT_SCARCE_BYTES);
}

void rpc_call_answer(struct rpc_call *call, enum status status, struct bytes reply,
                     const struct error *err)
{
    struct rpc_session *session = call->session;
    if (call->is_done)
        return;
    if (status == STATUS_OK && call->method->is_dialog) {
        rpc_stream_answer(call, reply);
        return;
    }
    if (status == STATUS_OK && !rpc_session_has_room(session, reply.size)) {
        rpc_call_fail(call, GRPC_RESOURCE_EXHAUSTED,
                      bytes_of_text("too many answers wait to be read"));
        return;
    }
    if (status != STATUS_OK) {
        rpc_call_fail(call, code_of(status), bytes_of_text(err->text));
        return;
    }
    rpc_session_settle(session);
    if (call->grpc == NULL) {
        call->is_done = true;
        light_append_answer(call->number, reply, network_connection_output(session->connection));
        rpc_call_destroy(call);
        return;
    }
    grpc_call_send(call->grpc, reply);
    call_stop_waiting(call);
    call->is_done = true;
    grpc_call_finish(call->grpc, GRPC_OK, bytes_of(NULL, 0));
}

void rpc_call_end(struct rpc_call *call, enum status status, const struct error *err)
{
    struct rpc_session *session = call->session;
    if (status != STATUS_OK) {
        rpc_call_fail(call, code_of(status), bytes_of_text(err->text));
        return;
    }
    call_stop_waiting(call);
    call->is_done = true;
    rpc_stream_leave(call);
    rpc_session_settle(session);
    if (call->grpc != NULL) {
        grpc_call_finish(call->grpc, GRPC_OK, bytes_of(NULL, 0));
        return;
    }
    light_append_done(call->number, network_connection_output(session->connection));
    rpc_call_destroy(call);
}

/* ---- requests ---- */

/* Until when a read may go on here: it gives way to a call whose deadline comes meanwhile, but not
 * at once, as where there are many of these no read would come to its end here. */
static int64_t read_until(const struct rpc_door *door)
{
    int64_t now_us = clock_mono_us();
    int64_t until_us = now_us + RPC_RUN_US;
    int64_t deadline_us = rpc_deadlines_next(&door->waiting);
    if (deadline_us >= until_us)
        return until_us;
    return deadline_us > now_us + RPC_RUN_LEAST_US ? deadline_us : now_us + RPC_RUN_LEAST_US;
}

/* Runs it here. AGAIN: it must be run elsewhere. */
static enum status call_run(struct rpc_call *call, struct bytes message, struct error *err)
{
    struct rpc_door *door = call->session->door;
    struct query *query = door->options.query;
    bool is_read = call->method->place == RPC_READ;
    struct rpc_work work = {.request = message,
                            .query = query,
                            .export = door->options.export,
                            .repeats = door->repeats,
                            .arena = door->arena,
                            .rows = door->rows,
                            .scratch = &door->scratch,
                            .reply = &door->reply,
                            .is_draining = door->is_draining};
    const struct patience patience = rpc_work_patience(&work);
    if (is_read)
        work.until_mono_us = read_until(door);
    arena_reset(door->arena);
    buffer_reset(&door->scratch, SCRATCH_KEEP_BYTES);
    buffer_reset(&door->reply, SCRATCH_KEEP_BYTES);
    query_begin(query);
    query_refresh(query);
    query_set_waiting(query, !is_read);
    query_set_patience(query, is_read ? &patience : NULL);
    enum status status = call->method->run(&work, err);
    query_set_patience(query, NULL);
    query_set_waiting(query, true);
    return is_read && status == STATUS_CANCELLED ? STATUS_AGAIN : status;
}

static bool takes_many(const struct rpc_method *method)
{
    return method->is_dialog || (method->stream != NULL && method->stream->takes_many);
}

void rpc_call_take(struct rpc_call *call, struct bytes message)
{
    struct error err = {0};
    enum status status = STATUS_AGAIN;
    if (call->had_message && !takes_many(call->method)) {
        rpc_call_fail(call, GRPC_INVALID_ARGUMENT,
                      bytes_of_text("this method takes one message, got another"));
        return;
    }
    call->had_message = true;
    if (call->session->door->is_stopping) {
        rpc_call_fail(call, GRPC_UNAVAILABLE, bytes_of_text("the server is stopping"));
        return;
    }
    if (call->method->stream != NULL) {
        rpc_stream_take(call, message);
        return;
    }
    if (call->method->place != RPC_WRITE)
        status = call_run(call, message, &err);
    if (status != STATUS_AGAIN) {
        rpc_call_answer(call, status, buffer_bytes(&call->session->door->reply), &err);
        return;
    }
    call->session->door->counters.calls_read_total += call->method->place == RPC_READ;
    status = rpc_job_post(call, message, &err);
    if (status != STATUS_OK) {
        rpc_call_answer(call, status, bytes_of(NULL, 0), &err);
        return;
    }
    rpc_call_wait(call);
    if (call->method->is_dialog)
        rpc_call_hold(call);
}

int64_t rpc_calls_expire(struct rpc_door *door, int64_t now_mono_us)
{
    const struct rpc_deadlines *waiting = &door->waiting;
    while (waiting->count > 0 && waiting->calls[0]->deadline_mono_us <= now_mono_us)
        rpc_call_fail(waiting->calls[0], GRPC_DEADLINE_EXCEEDED,
                      bytes_of_text("the deadline has passed"));
    return rpc_deadlines_next(waiting);
}
