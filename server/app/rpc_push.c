/* Push and PushStream, on the writer's thread. */
#include "app/rpc_call.h"
#include "base/time_text.h"
#include "protocol/rpc_message.h"

/* A column of a push, with what the source says of its field. */
struct event_column {
    const struct value_column *values;
    bool is_text_time; /* its times are RFC 3339, which ints are made */
};

static const struct field_definition *find_field(const struct source_definition *source,
                                                 struct bytes name)
{
    ssize_t field = source == NULL ? -1 : field_find(source->fields, source->fields_count, name);
    return field < 0 ? NULL : &source->fields[field];
}

/* The value as XADD would have it. false: the field is not there. */
static bool cell_text(const struct event_column *column, size_t row, struct arena *arena,
                      struct bytes *text)
{
    const struct value_column *values = column->values;
    char number[NUMBER_TEXT_SIZE];
    char time[TIME_TEXT_SIZE];
    if (!value_column_text(values, row, number, text))
        return false;
    if (values->strings != NULL && values->ints == NULL && values->doubles == NULL)
        return true;
    if (column->is_text_time && time_is_valid(values->ints[row]))
        *text = bytes_of(time, time_format(values->ints[row], time));
    *text = arena_copy(arena, *text);
    return true;
}

/* Makes events of columns. */
static void make_events(struct rpc_work *work, const struct rpc_push_request *request,
                        struct push_event *events)
{
    const struct source *found =
        registry_find_source(stream_registry(work->stream), request->source);
    const struct source_definition *source = found == NULL ? NULL : found->definition;
    struct event_column *columns =
        ARENA_NEW_ARRAY(work->arena, request->columns_count, struct event_column);
    struct bytes *pairs = ARENA_NEW_ARRAY(
        work->arena, 2 * request->columns_count * request->events_count, struct bytes);
    for (size_t i = 0; i < request->columns_count; i++) {
        const struct value_column *values = &request->columns[i];
        const struct field_definition *field = find_field(source, values->name);
        columns[i].values = values;
        columns[i].is_text_time = values->ints != NULL && field != NULL &&
                                  field->type.kind == VALUE_TIMESTAMP &&
                                  field->unit == TIME_RFC3339;
    }
    for (size_t row = 0; row < request->events_count; row++) {
        size_t count = 0;
        struct bytes *own = pairs + row * 2 * request->columns_count;
        for (size_t i = 0; i < request->columns_count; i++) {
            if (!cell_text(&columns[i], row, work->arena, &own[2 * count + 1]))
                continue;
            own[2 * count++] = columns[i].values->name;
        }
        events[row] =
            (struct push_event){.format = EVENT_PAIRS, .pairs = own, .pairs_count = count};
    }
}

enum status rpc_push(struct rpc_work *work, struct error *err)
{
    struct rpc_push_request request;
    struct push_result result;
    enum status status = rpc_push_parse(work->request, PUSH_EVENTS_MAX, work->arena, &request, err);
    if (status != STATUS_OK)
        return status;
    if (request.producer.size > NAME_SIZE_MAX)
        return error_set(err, STATUS_INVALID, "the name of a producer has at most %d bytes",
                         NAME_SIZE_MAX);
    if (request.producer.size > 0 && request.producer_sequence == 0)
        return error_set(err, STATUS_INVALID, "the sequence of a producer begins at 1");
    struct push_event *events =
        ARENA_NEW_ARRAY(work->arena, request.events_count, struct push_event);
    if (request.events == NULL)
        make_events(work, &request, events);
    for (size_t i = 0; i < request.events_count && request.events != NULL; i++)
        events[i] = (struct push_event){.format = EVENT_JSON, .text = request.events[i]};
    const struct push pushed = {.source = request.source,
                                .events = events,
                                .events_count = request.events_count,
                                .producer = request.producer,
                                .producer_sequence = request.producer_sequence};
    status = stream_push(work->stream, &pushed, &result, err);
    work->has_pushed = status == STATUS_OK;
    if (status == STATUS_OK)
        rpc_push_append(result.events_count, work->reply);
    return status;
}
