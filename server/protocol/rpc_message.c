#include "protocol/rpc_message.h"

#include "base/check.h"
#include "protocol/rpc_answer.h"
#include "protocol/rpc_fields.h"

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
    HEAD_INTEGERS_SIZE_MAX = 4 * (1 + VARINT_SIZE_MAX), /* of a column's head */
};

/* What a message has, found in one pass. */
struct get_outline {
    size_t features;
    size_t keys;
    size_t at;            /* fields of times, packed or not */
    size_t request;       /* columns */
    struct bytes names;   /* from the first feature to the last */
    bool is_in_one_piece; /* nothing else stands in names */
    bool is_exclusive;
    bool has_event_times;
    bool is_without_statuses;
};

static enum status get_outline(struct bytes message, struct get_outline *outline, struct error *err)
{
    struct protobuf_field field;
    enum protobuf_result result;
    struct bytes left = message;
    const char *at = left.data;
    *outline = (struct get_outline){.is_in_one_piece = true};
    for (; (result = protobuf_next(&left, &field)) == PROTOBUF_FIELD; at = left.data) {
        bool is_bytes = field.wire == PROTOBUF_BYTES;
        if (field.number == GET_FEATURES && is_bytes) {
            if (outline->features++ == 0)
                outline->names = bytes_of(at, 0);
            outline->is_in_one_piece &= at == outline->names.data + outline->names.size;
            outline->names.size = (size_t)(left.data - outline->names.data);
        }
        outline->keys += field.number == GET_KEYS && is_bytes;
        outline->at += field.number == GET_AT_US;
        outline->request += field.number == GET_REQUEST;
        if (field.number == GET_WITHOUT_STATUSES && field.wire == PROTOBUF_VARINT)
            outline->is_without_statuses = field.integer != 0;
        if (field.number == GET_EXCLUSIVE && field.wire == PROTOBUF_VARINT)
            outline->is_exclusive = field.integer != 0;
        if (field.number == GET_WITH_EVENT_TIMES && field.wire == PROTOBUF_VARINT)
            outline->has_event_times = field.integer != 0;
    }
    return result == PROTOBUF_END ? STATUS_OK : rpc_refuse_broken("message", err);
}

static enum status key_column_parse(struct bytes message, size_t rows_max, struct arena *arena,
                                    struct key_column *column, struct error *err)
{
    struct protobuf_field field;
    enum protobuf_result result;
    size_t ints_count = 0;
    bool has_ints = false;
    *column = (struct key_column){0};
    for (struct bytes left = message; (result = protobuf_next(&left, &field)) == PROTOBUF_FIELD;) {
        if (field.number == KEY_NAME && field.wire == PROTOBUF_BYTES)
            column->name = field.bytes;
        column->count += field.number == KEY_STRINGS && field.wire == PROTOBUF_BYTES;
        has_ints |= field.number == KEY_INTS;
    }
    if (result != PROTOBUF_END)
        return rpc_refuse_broken("message", err);
    if (column->count > rows_max)
        return rpc_refuse_many("rows", rows_max, column->count, err);
    if (column->count > 0) {
        struct bytes *strings = arena_allocate(arena, column->count * sizeof(*strings));
        rpc_take_fields(message, KEY_STRINGS, strings);
        column->strings = strings;
    }
    if (!has_ints)
        return STATUS_OK;
    enum status status =
        rpc_take_numbers(message, KEY_INTS, true, rows_max, arena, &column->ints, &ints_count, err);
    if (status != STATUS_OK)
        return status;
    if (column->count > 0 && ints_count > 0)
        return error_set(
            err, STATUS_INVALID, "key column '%.*s' has strings and ints",
            (int)(column->name.size < NAME_SIZE_MAX ? column->name.size : NAME_SIZE_MAX),
            column->name.size == 0 ? "" : column->name.data);
    if (ints_count == 0)
        column->ints = NULL;
    column->count += ints_count;
    return STATUS_OK;
}

static enum status get_check(const struct get_outline *outline, struct error *err)
{
    if (outline->features > COLUMNS_FEATURES_MAX)
        return rpc_refuse_many("names of features", COLUMNS_FEATURES_MAX, outline->features, err);
    if (outline->keys > COLUMNS_KEYS_MAX)
        return rpc_refuse_many("key columns", COLUMNS_KEYS_MAX, outline->keys, err);
    return STATUS_OK;
}

uint64_t rpc_get_chunk_rows(struct bytes message)
{
    return rpc_take_integer(message, GET_CHUNK_ROWS);
}

/* Whether the message begins with these names, and has no others. */
static bool begins_with_names(struct bytes message, const struct columns_names *known)
{
    const char tag = GET_FEATURES << 3 | PROTOBUF_BYTES;
    size_t size = known->bytes.size;
    if (size == 0 || !bytes_start_with(message, known->bytes))
        return false;
    return message.size == size || message.data[size] != tag;
}

/* Takes what stands behind names that are known. AGAIN: there are other names, too. */
static enum status get_parse_known(struct bytes message, const struct columns_names *known,
                                   size_t rows_max, struct arena *arena,
                                   struct columns_question *question, struct error *err)
{
    enum status status = STATUS_AGAIN;
    if (begins_with_names(message, known))
        status =
            rpc_get_parse(bytes_after(message, known->bytes.size), rows_max, arena, question, err);
    if (status == STATUS_OK && question->features_count > 0)
        return STATUS_AGAIN;
    question->features = known->features;
    question->features_count = known->count;
    question->names = known->bytes;
    return status;
}

enum status rpc_get_parse_as(struct bytes message, const struct columns_names *known,
                             size_t rows_max, struct arena *arena,
                             struct columns_question *question, struct error *err)
{
    enum status status = get_parse_known(message, known, rows_max, arena, question, err);
    return status == STATUS_AGAIN ? rpc_get_parse(message, rows_max, arena, question, err) : status;
}

enum status rpc_get_parse(struct bytes message, size_t rows_max, struct arena *arena,
                          struct columns_question *question, struct error *err)
{
    struct get_outline outline;
    struct bytes messages[COLUMNS_KEYS_MAX];
    *question = (struct columns_question){0};
    enum status status = get_outline(message, &outline, err);
    if (status == STATUS_OK)
        status = get_check(&outline, err);
    if (status != STATUS_OK)
        return status;
    struct bytes *features = arena_allocate(arena, outline.features * sizeof(*features));
    struct key_column *keys = arena_allocate(arena, outline.keys * sizeof(*keys));
    rpc_take_fields(outline.names, GET_FEATURES, features);
    rpc_take_fields(message, GET_KEYS, messages);
    for (size_t i = 0; i < outline.keys && status == STATUS_OK; i++)
        status = key_column_parse(messages[i], rows_max, arena, &keys[i], err);
    *question = (struct columns_question){
        .features = features,
        .features_count = outline.features,
        .names = outline.is_in_one_piece ? outline.names : (struct bytes){0},
        .append_head = rpc_column_head_append,
        .keys = keys,
        .keys_count = outline.keys,
        .rows_count = outline.keys > 0 && status == STATUS_OK ? keys[0].count : 0,
        .is_exclusive = outline.is_exclusive,
        .has_event_times = outline.has_event_times,
        .is_without_statuses = outline.is_without_statuses,
    };
    if (status == STATUS_OK && outline.at > 0)
        status = rpc_take_numbers(message, GET_AT_US, false, rows_max, arena, &question->at_us,
                                  &question->at_count, err);
    if (status == STATUS_OK && outline.request > 0)
        status = rpc_take_columns(message, GET_REQUEST, COLUMNS_REQUEST_MAX, rows_max, arena,
                                  &question->request, &question->request_count, err);
    return status;
}

/* As in the Kind of feature_store.proto. */
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

/* ---- answers ---- */

static char *put_integer(char *at, unsigned number, uint64_t value)
{
    if (value == 0)
        return at;
    return put_varint(put_tag(at, number, PROTOBUF_VARINT), value);
}

static size_t integer_size(uint64_t value)
{
    return value == 0 ? 0 : 1 + protobuf_varint_size(value);
}

/* A run of values and how they are written. */
struct run {
    enum value_kind kind;
    const struct value *values;
    size_t count;
    size_t packed_size; /* of numbers, without a head */
    size_t size;        /* of all */
};

static struct run run_of(enum value_kind kind, const struct value *values, size_t count)
{
    struct run run = {.kind = kind, .values = values, .count = count};
    if (kind == VALUE_STRING) {
        for (size_t i = 0; i < count; i++)
            run.size += field_size(text_of(&values[i]).size);
        return run;
    }
    if (kind == VALUE_DOUBLE)
        run.packed_size = count * sizeof(double);
    for (size_t i = 0; i < count && kind != VALUE_DOUBLE; i++)
        run.packed_size += protobuf_varint_size(zigzag_of(&values[i]));
    run.size = count == 0 ? 0 : field_size(run.packed_size);
    return run;
}

static char *put_doubles(char *at, const struct run *run)
{
    for (size_t i = 0; i < run->count; i++)
        at = put_bits(at, double_bits_of(&run->values[i]));
    return at;
}

static char *put_run(char *at, const struct run *run)
{
    if (run->kind == VALUE_STRING) {
        for (size_t i = 0; i < run->count; i++) {
            struct bytes text = text_of(&run->values[i]);
            at = put_bytes(put_head(at, COLUMN_STRINGS, text.size), text);
        }
        return at;
    }
    if (run->count == 0)
        return at;
    bool is_double = run->kind == VALUE_DOUBLE;
    at = put_head(at, is_double ? COLUMN_DOUBLES : COLUMN_INTEGERS, run->packed_size);
    if (is_double)
        return put_doubles(at, run);
    for (size_t i = 0; i < run->count; i++)
        at = put_varint(at, zigzag_of(&run->values[i]));
    return at;
}

static bool column_is_present(const struct column *column, size_t rows, bool is_without_statuses)
{
    for (size_t i = 0; i < rows; i++)
        if (!status_is_plain(&column->values[i], column->statuses[i], is_without_statuses))
            return false;
    return true;
}

static size_t list_count(const struct value *value)
{
    return value->kind == VALUE_LIST ? value->list.count : 0;
}

/* The items of all rows behind each other, as one run of values; items is the caller's. */
static struct run list_run_of(const struct column *column, size_t rows, struct buffer *items)
{
    size_t count = 0;
    for (size_t i = 0; i < rows; i++)
        count += list_count(&column->values[i]);
    struct value *all = (struct value *)(void *)buffer_reserve(items, count * sizeof(*all) + 1);
    for (size_t i = 0, done = 0; i < rows; i++)
        for (size_t j = 0; j < list_count(&column->values[i]); j++)
            all[done++] = column->values[i].list.items[j];
    return run_of(column->type.kind, all, count);
}

static char *put_sizes(char *at, const struct column *column, size_t rows, size_t packed_size)
{
    at = put_head(at, COLUMN_SIZES, packed_size);
    for (size_t i = 0; i < rows; i++)
        at = put_varint(at, list_count(&column->values[i]));
    return at;
}

void rpc_column_head_append(const struct column *column, struct buffer *out)
{
    size_t name_size = column->view.size + 1 + column->feature.size;
    char *begin = buffer_reserve(out, field_size(name_size) + HEAD_INTEGERS_SIZE_MAX);
    char *at = put_head(begin, COLUMN_FEATURE, name_size);
    at = put_bytes(at, column->view);
    *at++ = '.';
    at = put_bytes(at, column->feature);
    at = put_integer(at, COLUMN_VIEW, column->view_index);
    at = put_integer(at, COLUMN_KIND, kind_number(column->type.kind));
    at = put_integer(at, COLUMN_DIGITS, column->type.digits);
    at = put_integer(at, COLUMN_IS_LIST, column->type.is_list);
    buffer_added(out, (size_t)(at - begin));
}

static char *put_statuses(char *at, const struct column *column, size_t rows,
                          bool is_without_statuses)
{
    at = put_head(at, COLUMN_STATUSES, rows);
    for (size_t i = 0; i < rows; i++)
        *at++ = status_byte(&column->values[i], column->statuses[i], is_without_statuses);
    return at;
}

/* Writes a column of one number, as most calls ask for one entity; the same as append_scalars. */
static void append_number(const struct column *column, struct bytes head, bool is_without_statuses,
                          struct buffer *out)
{
    const struct value *value = column->values;
    bool is_double = column->type.kind == VALUE_DOUBLE;
    bool is_present = column_is_present(column, 1, is_without_statuses);
    size_t packed_size = is_double ? sizeof(double) : protobuf_varint_size(zigzag_of(value));
    size_t size = head.size + (is_present ? 0 : field_size(1)) + field_size(packed_size);
    char *begin = buffer_reserve(out, field_size(size));
    char *at = put_bytes(put_head(begin, ANSWER_COLUMNS, size), head);
    if (!is_present)
        at = put_statuses(at, column, 1, is_without_statuses);
    at = put_head(at, is_double ? COLUMN_DOUBLES : COLUMN_INTEGERS, packed_size);
    at = is_double ? put_bits(at, double_bits_of(value)) : put_varint(at, zigzag_of(value));
    CHECK((size_t)(at - begin) == field_size(size));
    buffer_added(out, field_size(size));
}

/* Writes a column that is no list behind a head. */
static void append_scalars(const struct column *column, struct bytes head,
                           const struct columns *columns, struct buffer *out)
{
    size_t rows = columns->rows_count;
    bool is_present = column_is_present(column, rows, columns->is_without_statuses);
    struct run run = run_of(column->type.kind, column->values, rows);
    size_t size = head.size + (is_present ? 0 : field_size(rows)) + run.size;
    char *begin = buffer_reserve(out, field_size(size));
    char *at = put_bytes(put_head(begin, ANSWER_COLUMNS, size), head);
    if (!is_present)
        at = put_statuses(at, column, rows, columns->is_without_statuses);
    at = put_run(at, &run);
    CHECK((size_t)(at - begin) == field_size(size));
    buffer_added(out, field_size(size));
}

static void append_lists(const struct column *column, struct bytes head,
                         const struct columns *columns, struct buffer *out)
{
    size_t rows = columns->rows_count;
    struct buffer items = {0};
    bool is_present = column_is_present(column, rows, columns->is_without_statuses);
    struct run run = list_run_of(column, rows, &items);
    size_t sizes = 0;
    for (size_t i = 0; i < rows; i++)
        sizes += protobuf_varint_size(list_count(&column->values[i]));
    size_t size = head.size + (is_present ? 0 : field_size(rows)) + run.size + field_size(sizes);
    char *begin = buffer_reserve(out, field_size(size));
    char *at = put_bytes(put_head(begin, ANSWER_COLUMNS, size), head);
    if (!is_present)
        at = put_statuses(at, column, rows, columns->is_without_statuses);
    at = put_sizes(put_run(at, &run), column, rows, sizes);
    CHECK((size_t)(at - begin) == field_size(size));
    buffer_added(out, field_size(size));
    buffer_fini(&items);
}

static void append_column(const struct column *column, const struct columns *columns,
                          struct buffer *out)
{
    struct buffer made = {0};
    struct bytes head = column->head;
    if (head.size == 0) {
        rpc_column_head_append(column, &made);
        head = buffer_bytes(&made);
    }
    if (column->type.is_list)
        append_lists(column, head, columns, out);
    else if (columns->rows_count == 1 && column->type.kind != VALUE_STRING)
        append_number(column, head, columns->is_without_statuses, out);
    else
        append_scalars(column, head, columns, out);
    if (made.memory != NULL)
        buffer_fini(&made);
}

static size_t times_size(const int64_t *times, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += protobuf_varint_size(varint_zigzag(times[i]));
    return size;
}

static char *put_times(char *at, unsigned number, const int64_t *times, size_t count, size_t size)
{
    at = put_head(at, number, size);
    for (size_t i = 0; i < count; i++)
        at = put_varint(at, varint_zigzag(times[i]));
    return at;
}

void rpc_view_append(const struct columns_view *view, size_t rows, struct buffer *out)
{
    bool has_events = view->event_times_us != NULL;
    size_t at_size = times_size(view->at_us, view->at_count);
    size_t events_size = has_events ? times_size(view->event_times_us, rows) : 0;
    size_t size = field_size(view->name.size) + integer_size(view->version) + field_size(at_size) +
                  (has_events ? field_size(events_size) : 0);
    char *begin = buffer_reserve(out, field_size(size));
    char *at = put_head(begin, ANSWER_VIEWS, size);
    at = put_bytes(put_head(at, VIEW_NAME, view->name.size), view->name);
    at = put_integer(at, VIEW_VERSION, view->version);
    at = put_times(at, VIEW_AT_US, view->at_us, view->at_count, at_size);
    if (has_events)
        at = put_times(at, VIEW_EVENT_TIMES_US, view->event_times_us, rows, events_size);
    CHECK((size_t)(at - begin) == field_size(size));
    buffer_added(out, field_size(size));
}

void rpc_get_append(const struct columns *columns, struct buffer *out)
{
    protobuf_append_integer(out, ANSWER_ROWS, columns->rows_count);
    for (size_t i = 0; i < columns->columns_count; i++)
        append_column(&columns->columns[i], columns, out);
    for (size_t i = 0; i < columns->views_count; i++)
        rpc_view_append(&columns->views[i], columns->rows_count, out);
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
    enum status status = rpc_take_columns(message, PUSH_COLUMNS, RPC_PUSH_COLUMNS_MAX, events_max,
                                          arena, &request->columns, &request->columns_count, err);
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
            return rpc_refuse_column(&request->columns[i], "has not as many values as the first",
                                     err);
    return STATUS_OK;
}

enum status rpc_push_parse(struct bytes message, size_t events_max, struct arena *arena,
                           struct rpc_push_request *request, struct error *err)
{
    *request = (struct rpc_push_request){0};
    enum status status = rpc_take_texts(message, PUSH_JSON, "events", events_max, arena,
                                        &request->events, &request->events_count, err);
    if (status == STATUS_OK)
        status = push_columns_parse(message, events_max, arena, request, err);
    if (status != STATUS_OK)
        return status;
    request->source = rpc_take_text(message, PUSH_SOURCE);
    request->producer = rpc_take_text(message, PUSH_PRODUCER);
    request->producer_sequence = rpc_take_integer(message, PUSH_SEQUENCE);
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
        rpc_take_texts(message, PLAN_FILES, "files", files_max, arena, &messages, files_count, err);
    if (status != STATUS_OK)
        return status;
    struct rpc_file *made = ARENA_NEW_ARRAY(arena, *files_count, struct rpc_file);
    for (size_t i = 0; i < *files_count; i++) {
        size_t names;
        if (!rpc_count_fields(messages[i], FILE_NAME, &names))
            return rpc_refuse_broken("DefinitionFile", err);
        made[i] = (struct rpc_file){.name = rpc_take_text(messages[i], FILE_NAME),
                                    .text = rpc_take_text(messages[i], FILE_TEXT)};
    }
    *files = made;
    *is_promoting = rpc_take_integer(message, PLAN_PROMOTE) != 0;
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

enum { ONLY_FIELD = 1 };

enum status rpc_name_parse(struct bytes message, struct bytes *name, struct error *err)
{
    size_t count;
    if (!rpc_count_fields(message, ONLY_FIELD, &count))
        return rpc_refuse_broken("message", err);
    *name = rpc_take_text(message, ONLY_FIELD);
    return STATUS_OK;
}

void rpc_text_append(struct bytes text, struct buffer *out)
{
    protobuf_append_bytes(out, ONLY_FIELD, text);
}

void rpc_health_append(enum rpc_health health, struct buffer *out)
{
    protobuf_append_integer(out, ONLY_FIELD, health);
}
