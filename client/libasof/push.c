/* A PushRequest, built event by event or column by column, and its answer. */
#include "push.h"

#include <stdlib.h>

#include "base/check.h"
#include "message.h"
#include "protocol/protobuf.h"
#include "values.h"

/* Fields of proto/asof/v1/feature_store.proto. */
enum {
    PUSH_SOURCE = 1,
    PUSH_JSON = 2,
    PUSH_PRODUCER = 3,
    PUSH_PRODUCER_SEQUENCE = 4,
    PUSH_COLUMNS = 5,
    PUSHED_EVENTS = 1,
    FIELDS_MAX = 4096, /* columns of a push */
    MESSAGE_KEEP_BYTES = 1024 * 1024,
};

struct asof_push {
    char *source;   /* owned, as all below */
    char *producer; /* "": none */
    uint64_t sequence;
    struct buffer json; /* encoded */
    size_t json_count;
    struct values columns;
    struct buffer message;
};

static char *copy_text(const char *text)
{
    char *copy = strdup(text == NULL ? "" : text);
    CHECK(copy != NULL);
    return copy;
}

struct asof_push *asof_push_create(const char *source)
{
    struct asof_push *push = calloc(1, sizeof(*push));
    CHECK(push != NULL);
    push->source = copy_text(source);
    push->producer = copy_text("");
    values_init(&push->columns, FIELDS_MAX);
    return push;
}

void asof_push_destroy(struct asof_push **out)
{
    struct asof_push *push = *out;
    if (push == NULL)
        return;
    free(push->source);
    free(push->producer);
    buffer_fini(&push->json);
    buffer_fini(&push->message);
    values_fini(&push->columns);
    free(push);
    *out = NULL;
}

void asof_push_reset(struct asof_push *push)
{
    buffer_reset(&push->json, MESSAGE_KEEP_BYTES);
    push->json_count = 0;
    values_reset(&push->columns);
}

void asof_push_add_json(struct asof_push *push, const char *json, size_t size)
{
    push->json_count++;
    if (push->json_count <= ASOF_EVENTS_MAX && push->json.size <= ASOF_REQUEST_SIZE_MAX)
        protobuf_append_item(&push->json, PUSH_JSON, bytes_of(json, size));
}

void asof_push_set_strings(struct asof_push *push, const char *field,
                           const struct asof_bytes *values, const uint8_t *nulls, size_t count)
{
    const struct values_input input = {.strings = values, .nulls = nulls, .count = count};
    values_set(&push->columns, field, &input);
}

void asof_push_set_ints(struct asof_push *push, const char *field, const int64_t *values,
                        const uint8_t *nulls, size_t count)
{
    const struct values_input input = {.ints = values, .nulls = nulls, .count = count};
    values_set(&push->columns, field, &input);
}

void asof_push_set_doubles(struct asof_push *push, const char *field, const double *values,
                           const uint8_t *nulls, size_t count)
{
    const struct values_input input = {.doubles = values, .nulls = nulls, .count = count};
    values_set(&push->columns, field, &input);
}

void asof_push_set_producer(struct asof_push *push, const char *producer, uint64_t sequence)
{
    free(push->producer);
    push->producer = copy_text(producer);
    push->sequence = sequence;
}

bool push_has_producer(const struct asof_push *push)
{
    return push->producer[0] != '\0';
}

static enum asof_code check(const struct asof_push *push, struct asof_error *error)
{
    size_t events = values_count(&push->columns);
    const char *wrong;
    enum asof_code code = values_check(&push->columns, error);
    if (code != ASOF_OK)
        return code;
    if (!values_have(&push->columns, events, false, &wrong))
        return failure_set(error, ASOF_INVALID_ARGUMENT,
                           "column '%s' must have a value for each of the %zu events", wrong,
                           events);
    if (events > 0 && push->json_count > 0)
        return failure_set(error, ASOF_INVALID_ARGUMENT, "a push has JSON or columns, got both");
    events += push->json_count;
    if (events > ASOF_EVENTS_MAX)
        return failure_set(error, ASOF_INVALID_ARGUMENT, "a push has at most %d events, got %zu",
                           ASOF_EVENTS_MAX, events);
    return ASOF_OK;
}

enum asof_code push_encode(struct asof_push *push, const char *producer, uint64_t sequence,
                           struct bytes *message, struct asof_error *error)
{
    enum asof_code code = check(push, error);
    struct buffer *out = &push->message;
    if (code != ASOF_OK)
        return code;
    bool is_ours = push_has_producer(push);
    buffer_reset(out, MESSAGE_KEEP_BYTES);
    protobuf_append_bytes(out, PUSH_SOURCE, bytes_of_text(push->source));
    buffer_append(out, buffer_bytes(&push->json));
    protobuf_append_bytes(out, PUSH_PRODUCER, bytes_of_text(is_ours ? push->producer : producer));
    protobuf_append_integer(out, PUSH_PRODUCER_SEQUENCE, is_ours ? push->sequence : sequence);
    values_append(&push->columns, PUSH_COLUMNS, out);
    *message = buffer_bytes(out);
    return ASOF_OK;
}

enum asof_code asof_push_message(struct asof_push *push, struct asof_bytes *message,
                                 struct asof_error *error)
{
    struct bytes encoded;
    enum asof_code code = push_encode(push, NULL, 0, &encoded, error);
    if (code == ASOF_OK)
        *message = bytes_for_caller(encoded);
    return code;
}

enum asof_code asof_pushed_events(const struct asof_message *message, uint64_t *events,
                                  struct asof_error *error)
{
    struct bytes left = message_bytes(message);
    struct protobuf_field field;
    enum protobuf_result result;
    uint64_t acknowledged = 0;
    while ((result = protobuf_next(&left, &field)) == PROTOBUF_FIELD)
        if (field.number == PUSHED_EVENTS && field.wire == PROTOBUF_VARINT)
            acknowledged = field.integer;
    if (result != PROTOBUF_END)
        return failure_set(error, ASOF_INTERNAL, "the answer is no PushResponse");
    *events = acknowledged;
    return ASOF_OK;
}
