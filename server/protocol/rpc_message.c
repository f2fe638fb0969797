#include "protocol/rpc_message.h"

#include <endian.h>

#include "base/check.h"
#include "protocol/protobuf.h"

/* ---- reading ---- */

static enum status broken(const char *what, struct error *err)
{
    return error_set(err, STATUS_INVALID, "the bytes are no %s", what);
}

/* Counts the fields of that number and kind. false: the bytes are no message. */
static bool count_bytes_fields(struct bytes message, uint32_t number, size_t *count)
{
    struct protobuf_field field;
    enum protobuf_result result;
    *count = 0;
    while ((result = protobuf_next(&message, &field)) == PROTOBUF_FIELD)
        *count += field.number == number && field.wire == PROTOBUF_BYTES;
    return result == PROTOBUF_END;
}

/* Collects them; the message is whole. */
static void take_bytes_fields(struct bytes message, uint32_t number, struct bytes *out)
{
    struct protobuf_field field;
    while (protobuf_next(&message, &field) == PROTOBUF_FIELD)
        if (field.number == number && field.wire == PROTOBUF_BYTES)
            *out++ = field.bytes;
}

/* Counts the integers of a repeated field, packed or not. false: they are cut. */
static bool count_integers(struct bytes message, uint32_t number, size_t *count)
{
    struct protobuf_field field;
    *count = 0;
    while (protobuf_next(&message, &field) == PROTOBUF_FIELD) {
        size_t packed = field.wire == PROTOBUF_VARINT;
        if (field.number != number)
            continue;
        if (field.wire == PROTOBUF_BYTES && !protobuf_count_integers(field.bytes, &packed))
            return false;
        *count += packed;
    }
    return true;
}

/* Collects them, at most count. false: one has more than 64 bits. */
static bool take_integers(struct bytes message, uint32_t number, bool is_zigzag, int64_t *out,
                          size_t count)
{
    struct protobuf_field field;
    size_t taken = 0;
    while (protobuf_next(&message, &field) == PROTOBUF_FIELD) {
        uint64_t integer = field.integer;
        if (field.number != number)
            continue;
        if (field.wire == PROTOBUF_VARINT && taken < count)
            out[taken++] = is_zigzag ? varint_unzigzag(integer) : (int64_t)integer;
        while (field.wire == PROTOBUF_BYTES && taken < count &&
               protobuf_take_integer(&field.bytes, &integer))
            out[taken++] = is_zigzag ? varint_unzigzag(integer) : (int64_t)integer;
    }
    return taken == count;
}

static enum status too_many(const char *what, size_t count_max, size_t count, struct error *err)
{
    return error_set(err, STATUS_LIMIT, "a request has at most %zu %s, got %zu", count_max, what,
                     count);
}

/* A repeated field of strings. */
static enum status take_texts(struct bytes message, uint32_t number, const char *what,
                              size_t count_max, struct arena *arena, const struct bytes **out,
                              size_t *count, struct error *err)
{
    if (!count_bytes_fields(message, number, count))
        return broken("message", err);
    if (*count > count_max)
        return too_many(what, count_max, *count, err);
    struct bytes *texts = ARENA_NEW_ARRAY(arena, *count, struct bytes);
    take_bytes_fields(message, number, texts);
    *out = texts;
    return STATUS_OK;
}

static enum status take_numbers(struct bytes message, uint32_t number, bool is_zigzag,
                                size_t rows_max, struct arena *arena, const int64_t **out,
                                size_t *count, struct error *err)
{
    if (!count_integers(message, number, count))
        return broken("list of integers", err);
    if (*count > rows_max)
        return too_many("rows", rows_max, *count, err);
    int64_t *integers = ARENA_NEW_ARRAY(arena, *count, int64_t);
    *out = integers;
    return take_integers(message, number, is_zigzag, integers, *count)
               ? STATUS_OK
               : broken("list of integers", err);
}

/* Counts the doubles of a repeated field, packed or not. false: they are cut. */
static bool count_doubles(struct bytes message, uint32_t number, size_t *count)
{
    struct protobuf_field field;
    *count = 0;
    while (protobuf_next(&message, &field) == PROTOBUF_FIELD) {
        if (field.number != number)
            continue;
        if (field.wire == PROTOBUF_BYTES && field.bytes.size % sizeof(double) != 0)
            return false;
        *count += field.wire == PROTOBUF_BYTES ? field.bytes.size / sizeof(double)
                                               : field.wire == PROTOBUF_FIXED64;
    }
    return true;
}

static double double_of(uint64_t bits)
{
    double real;
    memcpy(&real, &bits, sizeof(real));
    return real;
}

/* Collects them; they were counted. */
static void take_doubles(struct bytes message, uint32_t number, double *out)
{
    struct protobuf_field field;
    while (protobuf_next(&message, &field) == PROTOBUF_FIELD) {
        uint64_t little;
        if (field.number != number)
            continue;
        if (field.wire == PROTOBUF_FIXED64)
            *out++ = double_of(field.integer);
        for (; field.wire == PROTOBUF_BYTES && field.bytes.size > 0;
             field.bytes = bytes_after(field.bytes, sizeof(little))) {
            memcpy(&little, field.bytes.data, sizeof(little));
            *out++ = double_of(le64toh(little));
        }
    }
}

/* The last field of that number that is an integer, as protobuf has it; 0: there is none. */
static uint64_t take_integer(struct bytes message, uint32_t number)
{
    struct protobuf_field field;
    uint64_t integer = 0;
    while (protobuf_next(&message, &field) == PROTOBUF_FIELD)
        if (field.number == number && field.wire == PROTOBUF_VARINT)
            integer = field.integer;
    return integer;
}

static struct bytes take_text(struct bytes message, uint32_t number)
{
    struct protobuf_field field;
    struct bytes text = {0};
    while (protobuf_next(&message, &field) == PROTOBUF_FIELD)
        if (field.number == number && field.wire == PROTOBUF_BYTES)
            text = field.bytes;
    return text;
}

/* ---- columns of values ---- */

/* Fields of RequestColumn and of EventColumn. */
enum {
    VALUES_NAME = 1,
    VALUES_STRINGS = 2,
    VALUES_INTS = 3,
    VALUES_DOUBLES = 4,
    VALUES_NULLS = 5,
};

static enum status refuse_column(const struct value_column *column, const char *what,
                                 struct error *err)
{
    char shown[NAME_SIZE_MAX + 1];
    return error_set(err, STATUS_INVALID, "column '%s' %s",
                     bytes_to_text(column->name, shown, sizeof(shown)), what);
}

static enum status doubles_parse(struct bytes message, size_t count_max, struct arena *arena,
                                 const double **out, size_t *count, struct error *err)
{
    if (!count_doubles(message, VALUES_DOUBLES, count))
        return broken("list of doubles", err);
    if (*count > count_max)
        return too_many("values of a column", count_max, *count, err);
    double *doubles = ARENA_NEW_ARRAY(arena, *count, double);
    take_doubles(message, VALUES_DOUBLES, doubles);
    *out = *count > 0 ? doubles : NULL;
    return STATUS_OK;
}

static enum status value_column_parse(struct bytes message, size_t count_max, struct arena *arena,
                                      struct value_column *column, struct error *err)
{
    size_t strings_count = 0;
    size_t ints_count = 0;
    size_t doubles_count = 0;
    *column = (struct value_column){0};
    enum status status = take_texts(message, VALUES_STRINGS, "values of a column", count_max, arena,
                                    &column->strings, &strings_count, err);
    if (status == STATUS_OK)
        status = take_numbers(message, VALUES_INTS, true, count_max, arena, &column->ints,
                              &ints_count, err);
    if (status == STATUS_OK)
        status = doubles_parse(message, count_max, arena, &column->doubles, &doubles_count, err);
    if (status != STATUS_OK)
        return status;
    column->name = take_text(message, VALUES_NAME);
    column->nulls = take_text(message, VALUES_NULLS);
    column->count = strings_count + ints_count + doubles_count;
    if (ints_count == 0)
        column->ints = NULL;
    if (column->count != strings_count && column->count != ints_count &&
        column->count != doubles_count)
        return refuse_column(column, "has values of several kinds", err);
    if (column->nulls.size > 0 && column->nulls.size != column->count)
        return refuse_column(column, "has nulls for another number of values", err);
    return STATUS_OK;
}

/* The columns of a repeated field. */
static enum status value_columns_parse(struct bytes message, uint32_t number, size_t columns_max,
                                       size_t count_max, struct arena *arena,
                                       const struct value_column **out, size_t *count,
                                       struct error *err)
{
    const struct bytes *messages = NULL;
    enum status status =
        take_texts(message, number, "columns", columns_max, arena, &messages, count, err);
    if (status != STATUS_OK)
        return status;
    struct value_column *columns = ARENA_NEW_ARRAY(arena, *count, struct value_column);
    for (size_t i = 0; i < *count && status == STATUS_OK; i++)
        status = value_column_parse(messages[i], count_max, arena, &columns[i], err);
    *out = columns;
    return status;
}

/* ---- GetFeatures ---- */

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
    KEY_NAME = 1,
    KEY_STRINGS = 2,
    KEY_INTS = 3,
    ANSWER_ROWS = 1,
    ANSWER_COLUMNS = 2,
    ANSWER_VIEWS = 3,
    COLUMN_FEATURE = 1,
    COLUMN_VIEW = 2,
    COLUMN_KIND = 3,
    COLUMN_DIGITS = 4,
    COLUMN_IS_LIST = 5,
    COLUMN_STATUSES = 6,
    COLUMN_DOUBLES = 7,
    COLUMN_INTEGERS = 8,
    COLUMN_STRINGS = 9,
    COLUMN_SIZES = 10,
    VIEW_NAME = 1,
    VIEW_VERSION = 2,
    VIEW_AT_US = 3,
    VIEW_EVENT_TIMES_US = 4,
    STATUS_NO_VALUE = 128,
};

static enum status key_column_parse(struct bytes message, size_t rows_max, struct arena *arena,
                                    struct key_column *column, struct error *err)
{
    size_t ints_count = 0;
    *column = (struct key_column){0};
    enum status status = take_texts(message, KEY_STRINGS, "rows", rows_max, arena, &column->strings,
                                    &column->count, err);
    column->name = take_text(message, KEY_NAME);
    if (status == STATUS_OK)
        status =
            take_numbers(message, KEY_INTS, true, rows_max, arena, &column->ints, &ints_count, err);
    if (status != STATUS_OK)
        return status;
    if (column->count > 0 && ints_count > 0)
        return error_set(
            err, STATUS_INVALID, "key column '%.*s' has strings and ints",
            (int)(column->name.size < NAME_SIZE_MAX ? column->name.size : NAME_SIZE_MAX),
            column->name.size == 0 ? "" : column->name.data);
    if (ints_count > 0)
        column->strings = NULL;
    else
        column->ints = NULL;
    column->count += ints_count;
    return STATUS_OK;
}

static enum status key_columns_parse(struct bytes message, size_t rows_max, struct arena *arena,
                                     struct columns_question *question, struct error *err)
{
    const struct bytes *messages = NULL;
    enum status status = take_texts(message, GET_KEYS, "key columns", COLUMNS_KEYS_MAX, arena,
                                    &messages, &question->keys_count, err);
    if (status != STATUS_OK)
        return status;
    struct key_column *keys = ARENA_NEW_ARRAY(arena, question->keys_count, struct key_column);
    for (size_t i = 0; i < question->keys_count && status == STATUS_OK; i++)
        status = key_column_parse(messages[i], rows_max, arena, &keys[i], err);
    question->keys = keys;
    question->rows_count = question->keys_count > 0 ? keys[0].count : 0;
    return status;
}

uint64_t rpc_get_chunk_rows(struct bytes message)
{
    return take_integer(message, GET_CHUNK_ROWS);
}

enum status rpc_get_parse(struct bytes message, size_t rows_max, struct arena *arena,
                          struct columns_question *question, struct error *err)
{
    *question = (struct columns_question){0};
    enum status status =
        take_texts(message, GET_FEATURES, "names of features", COLUMNS_FEATURES_MAX, arena,
                   &question->features, &question->features_count, err);
    if (status == STATUS_OK)
        status = key_columns_parse(message, rows_max, arena, question, err);
    if (status == STATUS_OK)
        status = take_numbers(message, GET_AT_US, false, rows_max, arena, &question->at_us,
                              &question->at_count, err);
    if (status == STATUS_OK)
        status = value_columns_parse(message, GET_REQUEST, COLUMNS_REQUEST_MAX, rows_max, arena,
                                     &question->request, &question->request_count, err);
    if (status != STATUS_OK)
        return status;
    question->is_without_statuses = take_integer(message, GET_WITHOUT_STATUSES) != 0;
    question->is_exclusive = take_integer(message, GET_EXCLUSIVE) != 0;
    question->has_event_times = take_integer(message, GET_WITH_EVENT_TIMES) != 0;
    return STATUS_OK;
}

/* As in the Status and Kind of feature_store.proto. */
static unsigned status_number(enum feature_status status)
{
    return (unsigned)status + 1;
}

static unsigned kind_number(enum value_kind kind)
{
    switch (kind) {
    case VALUE_BOOL:
        return 1;
    case VALUE_INT:
        return 2;
    case VALUE_DOUBLE:
        return 3;
    case VALUE_DECIMAL:
        return 4;
    case VALUE_STRING:
        return 5;
    case VALUE_TIMESTAMP:
        return 6;
    case VALUE_NULL:
    case VALUE_OVERFLOW:
    case VALUE_LIST:
        break;
    }
    return 0;
}

static bool value_is_there(const struct value *value)
{
    return value->kind != VALUE_NULL && value->kind != VALUE_OVERFLOW;
}

/* The byte of a row; without statuses only whether there is a value. */
static unsigned status_byte(const struct column *column, size_t row, bool is_without)
{
    bool is_there = value_is_there(&column->values[row]);
    if (is_without)
        return is_there ? status_number(FEATURE_PRESENT) : STATUS_NO_VALUE;
    return status_number(column->statuses[row]) | (is_there ? 0 : STATUS_NO_VALUE);
}

static void append_statuses(const struct column *column, size_t rows, bool is_without,
                            struct buffer *out)
{
    bool is_all_present = true;
    for (size_t i = 0; i < rows && is_all_present; i++)
        is_all_present = status_byte(column, i, is_without) == status_number(FEATURE_PRESENT);
    if (is_all_present)
        return;
    protobuf_append_tag(out, COLUMN_STATUSES, PROTOBUF_BYTES);
    varint_append(out, rows);
    unsigned char *bytes = (unsigned char *)buffer_reserve(out, rows);
    for (size_t i = 0; i < rows; i++)
        bytes[i] = (unsigned char)status_byte(column, i, is_without);
    buffer_added(out, rows);
}

static void append_doubles(const struct value *values, size_t count, struct buffer *out)
{
    if (count == 0)
        return;
    size_t size = count * sizeof(double);
    protobuf_append_tag(out, COLUMN_DOUBLES, PROTOBUF_BYTES);
    varint_append(out, size);
    char *end = buffer_reserve(out, size);
    for (size_t i = 0; i < count; i++) {
        uint64_t bits = 0;
        if (value_is_there(&values[i]))
            memcpy(&bits, &values[i].real, sizeof(bits));
        bits = htole64(bits);
        memcpy(end + i * sizeof(bits), &bits, sizeof(bits));
    }
    buffer_added(out, size);
}

static uint64_t zigzag_of(const struct value *value)
{
    return value_is_there(value) ? varint_zigzag(value->integer) : 0;
}

static void append_integers(const struct value *values, size_t count, struct buffer *out)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += protobuf_varint_size(zigzag_of(&values[i]));
    if (count == 0)
        return;
    protobuf_append_tag(out, COLUMN_INTEGERS, PROTOBUF_BYTES);
    varint_append(out, size);
    for (size_t i = 0; i < count; i++)
        varint_append(out, zigzag_of(&values[i]));
}

static void append_strings(const struct value *values, size_t count, struct buffer *out)
{
    for (size_t i = 0; i < count; i++)
        protobuf_append_item(out, COLUMN_STRINGS,
                             value_is_there(&values[i]) ? values[i].text : (struct bytes){0});
}

static void append_values(enum value_kind kind, const struct value *values, size_t count,
                          struct buffer *out)
{
    if (kind == VALUE_DOUBLE)
        append_doubles(values, count, out);
    else if (kind == VALUE_STRING)
        append_strings(values, count, out);
    else
        append_integers(values, count, out);
}

static size_t list_count(const struct value *value)
{
    return value->kind == VALUE_LIST ? value->list.count : 0;
}

/* The items of all rows behind each other, as one run of values. */
static void append_lists(const struct column *column, size_t rows, struct buffer *out)
{
    size_t count = 0;
    size_t size = 0;
    for (size_t i = 0; i < rows; i++) {
        count += list_count(&column->values[i]);
        size += protobuf_varint_size(list_count(&column->values[i]));
    }
    struct buffer items = {0};
    struct value *all = (struct value *)(void *)buffer_reserve(&items, count * sizeof(*all) + 1);
    for (size_t i = 0, done = 0; i < rows; i++)
        for (size_t j = 0; j < list_count(&column->values[i]); j++)
            all[done++] = column->values[i].list.items[j];
    append_values(column->type.kind, all, count, out);
    buffer_fini(&items);
    protobuf_append_tag(out, COLUMN_SIZES, PROTOBUF_BYTES);
    varint_append(out, size);
    for (size_t i = 0; i < rows; i++)
        varint_append(out, list_count(&column->values[i]));
}

static void append_column(const struct column *column, size_t rows, bool is_without_statuses,
                          struct buffer *out)
{
    protobuf_append_tag(out, COLUMN_FEATURE, PROTOBUF_BYTES);
    varint_append(out, column->view.size + 1 + column->feature.size);
    buffer_append(out, column->view);
    buffer_append_byte(out, '.');
    buffer_append(out, column->feature);
    protobuf_append_integer(out, COLUMN_VIEW, column->view_index);
    protobuf_append_integer(out, COLUMN_KIND, kind_number(column->type.kind));
    protobuf_append_integer(out, COLUMN_DIGITS, column->type.digits);
    protobuf_append_integer(out, COLUMN_IS_LIST, column->type.is_list);
    append_statuses(column, rows, is_without_statuses, out);
    if (column->type.is_list)
        append_lists(column, rows, out);
    else
        append_values(column->type.kind, column->values, rows, out);
}

static void append_times(uint32_t number, const int64_t *times, size_t count, struct buffer *out)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += protobuf_varint_size(varint_zigzag(times[i]));
    protobuf_append_tag(out, number, PROTOBUF_BYTES);
    varint_append(out, size);
    for (size_t i = 0; i < count; i++)
        varint_append(out, varint_zigzag(times[i]));
}

static void append_view(const struct columns_view *view, size_t rows, struct buffer *out)
{
    protobuf_append_bytes(out, VIEW_NAME, view->name);
    protobuf_append_integer(out, VIEW_VERSION, view->version);
    append_times(VIEW_AT_US, view->at_us, view->at_count, out);
    if (view->event_times_us != NULL)
        append_times(VIEW_EVENT_TIMES_US, view->event_times_us, rows, out);
}

void rpc_get_append(const struct columns *columns, struct buffer *scratch, struct buffer *out)
{
    size_t rows = columns->rows_count;
    protobuf_append_integer(out, ANSWER_ROWS, rows);
    for (size_t i = 0; i < columns->columns_count; i++) {
        scratch->start = scratch->size = 0;
        append_column(&columns->columns[i], rows, columns->is_without_statuses, scratch);
        protobuf_append_item(out, ANSWER_COLUMNS, buffer_bytes(scratch));
    }
    for (size_t i = 0; i < columns->views_count; i++) {
        scratch->start = scratch->size = 0;
        append_view(&columns->views[i], rows, scratch);
        protobuf_append_item(out, ANSWER_VIEWS, buffer_bytes(scratch));
    }
}

/* ---- Push ---- */

enum {
    PUSH_SOURCE = 1,
    PUSH_JSON = 2,
    PUSH_PRODUCER = 3,
    PUSH_SEQUENCE = 4,
    PUSH_COLUMNS = 5,
    PUSHED_EVENTS = 1,
};

/* Events as columns, in place of JSON. */
static enum status push_columns_parse(struct bytes message, size_t events_max, struct arena *arena,
                                      struct rpc_push_request *request, struct error *err)
{
    enum status status =
        value_columns_parse(message, PUSH_COLUMNS, RPC_PUSH_COLUMNS_MAX, events_max, arena,
                            &request->columns, &request->columns_count, err);
    if (status != STATUS_OK || request->columns_count == 0)
        return status;
    if (request->events_count > 0)
        return error_set(err, STATUS_INVALID, "events are JSON or columns, not both");
    request->events = NULL;
    request->events_count = request->columns[0].count;
    if (request->events_count * request->columns_count > RPC_PUSH_CELLS_MAX)
        return error_set(err, STATUS_LIMIT, "a push has at most %d values in columns, got %zu",
                         RPC_PUSH_CELLS_MAX, request->events_count * request->columns_count);
    for (size_t i = 1; i < request->columns_count; i++)
        if (request->columns[i].count != request->events_count)
            return refuse_column(&request->columns[i], "has not as many values as the first", err);
    return STATUS_OK;
}

enum status rpc_push_parse(struct bytes message, size_t events_max, struct arena *arena,
                           struct rpc_push_request *request, struct error *err)
{
    *request = (struct rpc_push_request){0};
    enum status status = take_texts(message, PUSH_JSON, "events", events_max, arena,
                                    &request->events, &request->events_count, err);
    if (status == STATUS_OK)
        status = push_columns_parse(message, events_max, arena, request, err);
    if (status != STATUS_OK)
        return status;
    request->source = take_text(message, PUSH_SOURCE);
    request->producer = take_text(message, PUSH_PRODUCER);
    request->producer_sequence = take_integer(message, PUSH_SEQUENCE);
    return STATUS_OK;
}

void rpc_push_append(uint64_t events_count, struct buffer *out)
{
    protobuf_append_integer(out, PUSHED_EVENTS, events_count);
}

/* ---- Registry ---- */

enum {
    PLAN_FILES = 1,
    PLAN_PROMOTE = 2,
    FILE_NAME = 1,
    FILE_TEXT = 2,
    PLANNED_CHANGES = 1,
    CHANGE_KIND = 1,
    CHANGE_NOUN = 2,
    CHANGE_NAME = 3,
    CHANGE_VERSION = 4,
    CHANGE_DETAIL = 5,
};

enum status rpc_plan_parse(struct bytes message, size_t files_max, struct arena *arena,
                           const struct rpc_file **files, size_t *files_count, bool *is_promoting,
                           struct error *err)
{
    const struct bytes *messages = NULL;
    enum status status =
        take_texts(message, PLAN_FILES, "files", files_max, arena, &messages, files_count, err);
    if (status != STATUS_OK)
        return status;
    struct rpc_file *made = ARENA_NEW_ARRAY(arena, *files_count, struct rpc_file);
    for (size_t i = 0; i < *files_count; i++) {
        size_t names;
        if (!count_bytes_fields(messages[i], FILE_NAME, &names))
            return broken("DefinitionFile", err);
        made[i] = (struct rpc_file){.name = take_text(messages[i], FILE_NAME),
                                    .text = take_text(messages[i], FILE_TEXT)};
    }
    *files = made;
    *is_promoting = take_integer(message, PLAN_PROMOTE) != 0;
    return STATUS_OK;
}

void rpc_change_append(const struct rpc_change *change, struct buffer *scratch, struct buffer *out)
{
    scratch->start = scratch->size = 0;
    protobuf_append_integer(scratch, CHANGE_KIND, change->kind);
    protobuf_append_bytes(scratch, CHANGE_NOUN, bytes_of_text(change->noun));
    protobuf_append_bytes(scratch, CHANGE_NAME, change->name);
    protobuf_append_integer(scratch, CHANGE_VERSION, change->version);
    protobuf_append_bytes(scratch, CHANGE_DETAIL, change->detail);
    protobuf_append_item(out, PLANNED_CHANGES, buffer_bytes(scratch));
}

/* ---- messages with one field ---- */

enum { ONLY_FIELD = 1, HEALTH_SERVING = 1, HEALTH_NOT_SERVING = 2 };

enum status rpc_name_parse(struct bytes message, struct bytes *name, struct error *err)
{
    size_t count;
    if (!count_bytes_fields(message, ONLY_FIELD, &count))
        return broken("message", err);
    *name = take_text(message, ONLY_FIELD);
    return STATUS_OK;
}

void rpc_text_append(struct bytes text, struct buffer *out)
{
    protobuf_append_bytes(out, ONLY_FIELD, text);
}

void rpc_health_append(bool is_serving, struct buffer *out)
{
    protobuf_append_integer(out, ONLY_FIELD, is_serving ? HEALTH_SERVING : HEALTH_NOT_SERVING);
}
