/* XADD, ASOF.PUSH and the group commit: replies of pushes are owed until their batch is written.
 *
 *     push accepted by stream -> reply into session->pending, session into door->pending
 *     end of the turn         -> one commit -> what is owed goes out, or as many errors */
#include "app/resp_call.h"

#include <stdio.h>

#include "base/number.h"

/* ---- commit ---- */

static void pending_settle(struct resp_session *session, enum status status,
                           const struct error *err)
{
    TAILQ_REMOVE(&session->door->pending, session, pending_link);
    if (status == STATUS_OK) {
        buffer_append(session->output, buffer_bytes(&session->pending));
    } else {
        struct resp_writer writer = {.out = session->output, .version = session->version};
        char text[ERROR_TEXT_SIZE + 64];
        const char *what = status == STATUS_UNAVAILABLE
                               ? "UNAVAILABLE nothing was accepted"
                               : "IOERR it is not known whether this was accepted";
        int size = snprintf(text, sizeof(text), "%s: %s", what, err->text);
        for (size_t i = 0; i < session->pending_count; i++)
            resp_write_error(writer, bytes_of(text, (size_t)size));
        session->door->counters.errors_total += session->pending_count;
    }
    buffer_fini(&session->pending);
    session->pending_count = 0;
    session->is_waiting = false;
    if (session->connection != NULL)
        network_connection_resume(session->connection);
}

void resp_push_commit(struct resp_door *door)
{
    struct stream *stream = door->options.stream;
    struct error err = {0};
    enum status status = STATUS_OK;
    if (TAILQ_EMPTY(&door->pending))
        return;
    if (stream_is_dirty(stream))
        status = stream_commit(stream, &err);
    if (status != STATUS_OK)
        door->counters.commits_failed_total++;
    while (!TAILQ_EMPTY(&door->pending))
        pending_settle(TAILQ_FIRST(&door->pending), status, &err);
}

/* ---- push ---- */

/* AGAIN means that the open batch is full: it is committed, and the push begins the next one. */
static enum status push_into_batch(struct resp_call *call, const struct push *push,
                                   struct push_result *result, struct error *err)
{
    struct stream *stream = call->door->options.stream;
    enum status status = stream_push(stream, push, result, err);
    if (status != STATUS_AGAIN)
        return status;
    resp_push_commit(call->door);
    status = stream_push(stream, push, result, err);
    if (status == STATUS_AGAIN)
        return error_set(err, STATUS_LIMIT, "the push is larger than a batch may be; split it");
    return status;
}

static void push_refuse(struct resp_call *call, enum status status, const struct error *err)
{
    bool names_event = bytes_start_with(bytes_of_text(err->text), bytes_of_text("event "));
    if (names_event && (status == STATUS_INVALID || status == STATUS_LIMIT))
        resp_call_error(call, "REFUSED %s", err->text);
    else
        resp_call_failed(call, status, err);
}

/* Pushes; true: the reply is owed and must be written into the writer. */
static bool push_take(struct resp_call *call, const struct push *push, struct push_result *result,
                      struct resp_writer *owed)
{
    struct resp_session *session = call->session;
    struct error err = {0};
    enum status status = push_into_batch(call, push, result, &err);
    if (status != STATUS_OK) {
        push_refuse(call, status, &err);
        return false;
    }
    if (session->pending_count++ == 0)
        TAILQ_INSERT_TAIL(&call->door->pending, session, pending_link);
    *owed = (struct resp_writer){.out = &session->pending, .version = session->version};
    return true;
}

/* The index of the id behind the options; 0: replied. */
static size_t xadd_find_id(struct resp_call *call)
{
    size_t index = 2;
    while (index < call->count && bytes_equal_nocase(resp_call_argument(call, index), "nomkstream"))
        index++;
    struct bytes id =
        index < call->count ? resp_call_argument(call, index) : bytes_of_text("");
    if (bytes_equal_nocase(id, "maxlen") || bytes_equal_nocase(id, "minid")) {
        resp_call_error(call, "ERR XADD takes no MAXLEN or MINID: a source keeps its events as long "
                              "as its `retention` says");
        return 0;
    }
    if (!bytes_equal_text(id, "*")) {
        resp_call_error(call, "ERR XADD takes only * as the id: it is made of the event time and the "
                              "position in the source's log");
        return 0;
    }
    return index;
}

/* A Redis stream id has milliseconds; an event before 1970 rounds down as well. */
static int64_t floor_to_ms(int64_t time_us)
{
    int64_t ms = time_us / 1000;
    return ms * 1000 > time_us ? ms - 1 : ms;
}

void resp_push_xadd(struct resp_call *call)
{
    size_t id = xadd_find_id(call);
    if (id == 0)
        return;
    size_t texts = call->count - id - 1;
    if (texts == 0 || texts % 2 != 0) {
        resp_call_wrong_count(call);
        return;
    }
    struct push_event event = {
        .format = EVENT_PAIRS, .pairs = &call->arguments[id + 1], .pairs_count = texts / 2};
    struct push push = {
        .source = resp_call_argument(call, 1), .events = &event, .events_count = 1};
    struct push_result result;
    struct resp_writer owed;
    if (!push_take(call, &push, &result, &owed))
        return;
    char text[2 * NUMBER_TEXT_SIZE];
    int size = snprintf(text, sizeof(text), "%lld-%llu",
                        (long long)floor_to_ms(result.last_time_us),
                        (unsigned long long)result.last_sequence);
    resp_write_bulk(owed, bytes_of(text, (size_t)size));
}

/* Reads "PRODUCER name sequence" behind the source; *first is where the events begin. */
static bool push_take_producer(struct resp_call *call, struct push *push, size_t *first)
{
    *first = 2;
    if (!bytes_equal_nocase(resp_call_argument(call, 2), "producer"))
        return true;
    if (call->count < 6) {
        resp_call_wrong_count(call);
        return false;
    }
    int64_t sequence;
    push->producer = resp_call_argument(call, 3);
    if (push->producer.size == 0 || push->producer.size > NAME_SIZE_MAX) {
        resp_call_error(call, "ERR the name of a producer has 1 to %d bytes", NAME_SIZE_MAX);
        return false;
    }
    if (!resp_call_integer(call, 4, &sequence))
        return false;
    if (sequence < 1) {
        resp_call_error(call, "ERR the sequence of a producer begins at 1");
        return false;
    }
    push->producer_sequence = (uint64_t)sequence;
    *first = 5;
    return true;
}

void resp_push_push(struct resp_call *call)
{
    struct push push = {.source = resp_call_argument(call, 1)};
    size_t first;
    if (!push_take_producer(call, &push, &first))
        return;
    push.events_count = call->count - first;
    if (push.events_count > PUSH_EVENTS_MAX) {
        resp_call_error(call, "ERR a push has at most %d events", PUSH_EVENTS_MAX);
        return;
    }
    struct push_event *events =
        ARENA_NEW_ARRAY(call->arena, push.events_count, struct push_event);
    for (size_t i = 0; i < push.events_count; i++)
        events[i] = (struct push_event){
            .format = EVENT_JSON, .text = resp_call_argument(call, first + i)};
    push.events = events;
    struct push_result result;
    struct resp_writer owed;
    if (push_take(call, &push, &result, &owed))
        resp_write_integer(owed, (int64_t)result.events_count);
}
