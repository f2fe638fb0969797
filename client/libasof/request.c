/* A GetFeaturesRequest in parts: features and each column are encoded when they are set, so that to
 * ask again costs what changed, and a copy. */
#include <stdlib.h>

#include "base/check.h"
#include "protocol/protobuf.h"
#include "values.h"

/* Fields of proto/asof/v1/feature_store.proto. */
enum {
    GET_FEATURES = 1,
    GET_KEYS = 2,
    GET_AT_US = 3,
    GET_EXCLUSIVE = 4,
    GET_REQUEST = 5,
    GET_WITH_EVENT_TIMES = 6,
    GET_WITHOUT_STATUSES = 7,
    GET_CHUNK_ROWS = 8,
    MESSAGE_KEEP_BYTES = 1024 * 1024,
};

struct asof_request {
    struct buffer features; /* owned, encoded; as the next three */
    struct values keys;
    struct values request;
    struct buffer at;
    size_t features_count;
    size_t at_count;
    bool is_exclusive;
    bool has_event_times;
    bool has_no_statuses;
    unsigned chunk_rows;
    struct buffer message; /* owned: the whole, as last asked for */
};

struct asof_request *asof_request_create(void)
{
    struct asof_request *request = calloc(1, sizeof(*request));
    CHECK(request != NULL);
    values_init(&request->keys, ASOF_COLUMNS_MAX);
    values_init(&request->request, ASOF_COLUMNS_MAX);
    return request;
}

void asof_request_destroy(struct asof_request **out)
{
    struct asof_request *request = *out;
    if (request == NULL)
        return;
    buffer_fini(&request->features);
    buffer_fini(&request->at);
    buffer_fini(&request->message);
    values_fini(&request->keys);
    values_fini(&request->request);
    free(request);
    *out = NULL;
}

void asof_request_clear_rows(struct asof_request *request)
{
    values_reset(&request->keys);
    values_reset(&request->request);
    buffer_reset(&request->at, MESSAGE_KEEP_BYTES);
    request->at_count = 0;
}

void asof_request_reset(struct asof_request *request)
{
    asof_request_clear_rows(request);
    buffer_reset(&request->features, MESSAGE_KEEP_BYTES);
    request->features_count = 0;
    request->is_exclusive = request->has_event_times = request->has_no_statuses = false;
    request->chunk_rows = 0;
}

void asof_request_add_feature(struct asof_request *request, const char *feature)
{
    request->features_count++;
    if (request->features_count <= ASOF_FEATURES_MAX)
        protobuf_append_item(&request->features, GET_FEATURES, bytes_of_text(feature));
}

void asof_request_set_key_strings(struct asof_request *request, const char *key,
                                  const struct asof_bytes *values, size_t count)
{
    const struct values_input input = {.strings = values, .count = count};
    values_set(&request->keys, key, &input);
}

void asof_request_set_key_texts(struct asof_request *request, const char *key,
                                const char *const *values, size_t count)
{
    const struct values_input input = {.texts = values, .count = count};
    values_set(&request->keys, key, &input);
}

void asof_request_set_key_ints(struct asof_request *request, const char *key, const int64_t *values,
                               size_t count)
{
    const struct values_input input = {.ints = values, .count = count};
    values_set(&request->keys, key, &input);
}

/* Negative times take ten bytes, as protobuf has int64. */
void asof_request_set_at(struct asof_request *request, const int64_t *at_us, size_t count)
{
    size_t size = 0;
    buffer_reset(&request->at, MESSAGE_KEEP_BYTES);
    request->at_count = count;
    if (count == 0 || count > ASOF_ROWS_MAX)
        return;
    for (size_t i = 0; i < count; i++)
        size += protobuf_varint_size((uint64_t)at_us[i]);
    protobuf_append_tag(&request->at, GET_AT_US, PROTOBUF_BYTES);
    varint_append(&request->at, size);
    for (size_t i = 0; i < count; i++)
        varint_append(&request->at, (uint64_t)at_us[i]);
}

void asof_request_set_exclusive(struct asof_request *request, bool is_exclusive)
{
    request->is_exclusive = is_exclusive;
}

void asof_request_set_value_strings(struct asof_request *request, const char *name,
                                    const struct asof_bytes *values, const uint8_t *nulls,
                                    size_t count)
{
    const struct values_input input = {.strings = values, .nulls = nulls, .count = count};
    values_set(&request->request, name, &input);
}

void asof_request_set_value_ints(struct asof_request *request, const char *name,
                                 const int64_t *values, const uint8_t *nulls, size_t count)
{
    const struct values_input input = {.ints = values, .nulls = nulls, .count = count};
    values_set(&request->request, name, &input);
}

void asof_request_set_value_doubles(struct asof_request *request, const char *name,
                                    const double *values, const uint8_t *nulls, size_t count)
{
    const struct values_input input = {.doubles = values, .nulls = nulls, .count = count};
    values_set(&request->request, name, &input);
}

void asof_request_set_event_times(struct asof_request *request, bool is_wanted)
{
    request->has_event_times = is_wanted;
}

void asof_request_set_statuses(struct asof_request *request, bool is_wanted)
{
    request->has_no_statuses = !is_wanted;
}

void asof_request_set_chunk_rows(struct asof_request *request, unsigned rows)
{
    request->chunk_rows = rows;
}

static enum asof_code check(const struct asof_request *request, struct asof_error *error)
{
    size_t rows = values_count(&request->keys);
    const char *wrong;
    enum asof_code code = values_check(&request->keys, error);
    if (code == ASOF_OK)
        code = values_check(&request->request, error);
    if (code != ASOF_OK)
        return code;
    if (request->features_count > ASOF_FEATURES_MAX)
        return failure_set(error, ASOF_INVALID_ARGUMENT,
                           "a request has at most %d features, got %zu", ASOF_FEATURES_MAX,
                           request->features_count);
    if (!values_have(&request->keys, rows, false, &wrong) ||
        !values_have(&request->request, rows, true, &wrong))
        return failure_set(error, ASOF_INVALID_ARGUMENT,
                           "column '%s' must have a value for each of the %zu rows", wrong, rows);
    if (request->at_count > 1 && request->at_count != rows)
        return failure_set(error, ASOF_INVALID_ARGUMENT,
                           "there must be one T, or one for each of the %zu rows, got %zu", rows,
                           request->at_count);
    return ASOF_OK;
}

enum asof_code asof_request_message(struct asof_request *request, struct asof_bytes *message,
                                    struct asof_error *error)
{
    enum asof_code code = check(request, error);
    struct buffer *out = &request->message;
    if (code != ASOF_OK)
        return code;
    buffer_reset(out, MESSAGE_KEEP_BYTES);
    buffer_append(out, buffer_bytes(&request->features));
    values_append(&request->keys, GET_KEYS, out);
    buffer_append(out, buffer_bytes(&request->at));
    protobuf_append_integer(out, GET_EXCLUSIVE, request->is_exclusive);
    values_append(&request->request, GET_REQUEST, out);
    protobuf_append_integer(out, GET_WITH_EVENT_TIMES, request->has_event_times);
    protobuf_append_integer(out, GET_WITHOUT_STATUSES, request->has_no_statuses);
    protobuf_append_integer(out, GET_CHUNK_ROWS, request->chunk_rows);
    *message = bytes_for_caller(buffer_bytes(out));
    return ASOF_OK;
}
