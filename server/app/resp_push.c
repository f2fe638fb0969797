/* XADD and ASOF.PUSH, on the writer's thread. */
#include "app/resp_call.h"

#include <stdio.h>

#include "base/number.h"

static void push_refuse(struct resp_call *call, enum status status, const struct error *err)
{
    bool names_event = bytes_start_with(bytes_of_text(err->text), bytes_of_text("event "));
    if (names_event && (status == STATUS_INVALID || status == STATUS_LIMIT))
        resp_call_error(call, "REFUSED %s", err->text);
    else
        resp_call_failed(call, status, err);
}

/* Pushes into the open batch. false: replied with the error, or the batch is full. */
static bool push_take(struct resp_call *call, const struct push *push, struct push_result *result)
{
    struct error err = {0};
    enum status status = stream_push(call->stream, push, result, &err);
    call->is_batch_full = status == STATUS_AGAIN;
    call->has_pushed = status == STATUS_OK;
    if (status != STATUS_OK && status != STATUS_AGAIN)
        push_refuse(call, status, &err);
    return status == STATUS_OK;
}

/* The index of the id behind the options; 0: replied. */
static size_t xadd_find_id(struct resp_call *call)
{
    size_t index = 2;
    while (index < call->count && bytes_equal_nocase(resp_call_argument(call, index), "nomkstream"))
        index++;
    struct bytes id = index < call->count ? resp_call_argument(call, index) : bytes_of_text("");
    if (bytes_equal_nocase(id, "maxlen") || bytes_equal_nocase(id, "minid")) {
        resp_call_error(call,
                        "ERR XADD takes no MAXLEN or MINID: a source keeps its events as long "
                        "as its `retention` says");
        return 0;
    }
    if (!bytes_equal_text(id, "*")) {
        resp_call_error(call,
                        "ERR XADD takes only * as the id: it is made of the event time and the "
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
    struct push push = {.source = resp_call_argument(call, 1), .events = &event, .events_count = 1};
    struct push_result result;
    if (!push_take(call, &push, &result))
        return;
    char text[2 * NUMBER_TEXT_SIZE];
    int size =
        snprintf(text, sizeof(text), "%lld-%llu", (long long)floor_to_ms(result.last_time_us),
                 (unsigned long long)result.last_sequence);
    resp_write_bulk(call->reply, bytes_of(text, (size_t)size));
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
    struct push_event *events = ARENA_NEW_ARRAY(call->arena, push.events_count, struct push_event);
    for (size_t i = 0; i < push.events_count; i++)
        events[i] =
            (struct push_event){.format = EVENT_JSON, .text = resp_call_argument(call, first + i)};
    push.events = events;
    struct push_result result;
    if (push_take(call, &push, &result))
        resp_write_integer(call->reply, (int64_t)result.events_count);
}
