/* A GetFeaturesResponse, taken apart where it lies: names, strings, statuses and aligned doubles
 * point into the message; what is packed otherwise is decoded into an arena. Everything is counted
 * and checked when the result is made, so that what is asked of it later lies within the message
 * whatever a server sent. */
#include <stdlib.h>

#include "base/arena.h"
#include "base/check.h"
#include "failure.h"
#include "message.h"
#include "protocol/protobuf.h"

/* Fields of proto/asof/v1/feature_store.proto. */
enum {
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
    DIGITS_MAX = 18,
    ARENA_CHUNK_SIZE = 4096,
};

/* What an asof_column does not show. */
struct column_body {
    struct bytes message;  /* of the column */
    struct bytes packed;   /* of doubles, integers: the only field of them, if there is one only */
    size_t fields_count;   /* of the values */
    const void *values;    /* NULL: not asked yet */
    const uint32_t *sizes; /* of lists */
};

struct asof_result {
    struct asof_message *message; /* owned */
    struct arena *arena;          /* owned, with all below */
    size_t rows;
    struct asof_column *columns;
    struct column_body *bodies;
    size_t columns_count;
    struct asof_view *views;
    size_t views_count;
};

/* ---- numbers ---- */

/* Integers of a field, packed or single, in all fields of that number. false: they are cut, or too
 * many. */
static bool count_integers(struct bytes message, uint32_t number, size_t count_max, size_t *count)
{
    struct protobuf_field field;
    *count = 0;
    while (protobuf_next(&message, &field) == PROTOBUF_FIELD) {
        size_t here = field.wire == PROTOBUF_VARINT;
        if (field.number != number)
            continue;
        if (field.wire == PROTOBUF_BYTES && !protobuf_count_integers(field.bytes, &here))
            return false;
        *count += here;
    }
    return *count <= count_max;
}

/* Decodes count of them; what is no integer of 64 bits is 0, and all behind it in its field. */
static int64_t *decode_integers(struct bytes message, uint32_t number, size_t count,
                                struct arena *arena)
{
    int64_t *integers = ARENA_NEW_ARRAY(arena, count, int64_t);
    struct protobuf_field field;
    size_t done = 0;
    while (protobuf_next(&message, &field) == PROTOBUF_FIELD) {
        uint64_t integer = field.integer;
        if (field.number != number)
            continue;
        if (field.wire == PROTOBUF_VARINT && done < count)
            integers[done++] = varint_unzigzag(integer);
        while (field.wire == PROTOBUF_BYTES && done < count &&
               protobuf_take_integer(&field.bytes, &integer))
            integers[done++] = varint_unzigzag(integer);
    }
    return integers;
}

/* A repeated sint64 of a view: none, one (where one_too), or one a row. */
static bool take_times(struct bytes message, uint32_t number, size_t rows, bool one_too,
                       struct arena *arena, const int64_t **times, size_t *count)
{
    if (!count_integers(message, number, rows > 0 ? rows : 1, count))
        return false;
    if (*count != 0 && *count != rows && !(one_too && *count == 1))
        return false;
    *times = *count == 0 ? NULL : decode_integers(message, number, *count, arena);
    return true;
}

/* How many items each row has; *sum is all of them. */
static bool take_sizes(struct bytes message, size_t rows, struct arena *arena,
                       const uint32_t **sizes, size_t *sum)
{
    struct protobuf_field field;
    size_t count;
    size_t done = 0;
    *sum = 0;
    if (!count_integers(message, COLUMN_SIZES, rows, &count) || count != rows)
        return false;
    uint32_t *taken = ARENA_NEW_ARRAY(arena, rows, uint32_t);
    while (protobuf_next(&message, &field) == PROTOBUF_FIELD) {
        uint64_t size = field.integer;
        if (field.number != COLUMN_SIZES)
            continue;
        if (field.wire == PROTOBUF_VARINT)
            field.bytes = bytes_of(NULL, 0);
        else if (!protobuf_take_integer(&field.bytes, &size))
            continue;
        do {
            if (size > UINT32_MAX || done == rows)
                return false;
            *sum += taken[done++] = (uint32_t)size;
        } while (protobuf_take_integer(&field.bytes, &size));
    }
    *sizes = taken;
    return done == rows;
}

/* ---- a column ---- */

static uint32_t values_number(enum asof_kind kind)
{
    switch (kind) {
    case ASOF_KIND_DOUBLE:
        return COLUMN_DOUBLES;
    case ASOF_KIND_STRING:
        return COLUMN_STRINGS;
    case ASOF_KIND_BOOL:
    case ASOF_KIND_INT:
    case ASOF_KIND_DECIMAL:
    case ASOF_KIND_TIMESTAMP:
        return COLUMN_INTEGERS;
    }
    return 0;
}

/* Reads what stands once in a column. false: the bytes are no message, or say what can't be. */
static bool take_column_head(struct bytes message, struct asof_column *column, struct bytes *status)
{
    struct protobuf_field field;
    enum protobuf_result result;
    uint64_t kind = 0;
    uint64_t digits = 0;
    *status = bytes_of(NULL, 0);
    while ((result = protobuf_next(&message, &field)) == PROTOBUF_FIELD) {
        bool is_bytes = field.wire == PROTOBUF_BYTES;
        if (is_bytes && field.number == COLUMN_FEATURE)
            column->feature = bytes_for_caller(field.bytes);
        else if (is_bytes && field.number == COLUMN_STATUSES)
            *status = field.bytes;
        else if (field.wire != PROTOBUF_VARINT)
            continue;
        else if (field.number == COLUMN_VIEW)
            column->view = (size_t)field.integer;
        else if (field.number == COLUMN_KIND)
            kind = field.integer;
        else if (field.number == COLUMN_DIGITS)
            digits = field.integer;
        else if (field.number == COLUMN_IS_LIST)
            column->is_list = field.integer != 0;
    }
    bool is_right = result == PROTOBUF_END && kind >= ASOF_KIND_BOOL &&
                    kind <= ASOF_KIND_TIMESTAMP && digits <= DIGITS_MAX;
    if (is_right) {
        column->kind = (enum asof_kind)kind;
        column->digits = (unsigned)digits;
    }
    return is_right;
}

/* How many values one field has. false: they are cut. */
static bool count_field(enum asof_kind kind, const struct protobuf_field *field, size_t *count)
{
    bool is_bytes = field->wire == PROTOBUF_BYTES;
    if (kind == ASOF_KIND_STRING) {
        *count = is_bytes;
        return true;
    }
    if (kind == ASOF_KIND_DOUBLE) {
        *count = is_bytes ? field->bytes.size / sizeof(double) : field->wire == PROTOBUF_FIXED64;
        return !is_bytes || field->bytes.size % sizeof(double) == 0;
    }
    *count = field->wire == PROTOBUF_VARINT;
    return !is_bytes || protobuf_count_integers(field->bytes, count);
}

/* Counts the values of a column, and notes where they stand. */
static bool count_values(struct asof_column *column, struct column_body *body)
{
    struct bytes left = body->message;
    struct protobuf_field field;
    uint32_t number = values_number(column->kind);
    while (protobuf_next(&left, &field) == PROTOBUF_FIELD) {
        size_t count;
        if (field.number != number)
            continue;
        if (!count_field(column->kind, &field, &count))
            return false;
        body->packed = field.wire == PROTOBUF_BYTES ? field.bytes : bytes_of(NULL, 0);
        body->fields_count++;
        column->items_count += count;
    }
    return true;
}

static bool take_column(struct asof_result *result, struct bytes message, size_t index)
{
    struct asof_column *column = &result->columns[index];
    struct column_body *body = &result->bodies[index];
    struct bytes statuses;
    size_t expected = result->rows;
    body->message = message;
    if (!take_column_head(message, column, &statuses) || !count_values(column, body))
        return false;
    if (column->is_list &&
        !take_sizes(message, result->rows, result->arena, &body->sizes, &expected))
        return false;
    if (statuses.size > 0)
        column->statuses = (const uint8_t *)statuses.data;
    return column->items_count == expected && column->view < result->views_count &&
           (statuses.size == 0 || statuses.size == result->rows);
}

static bool take_view(struct asof_result *result, struct bytes message, size_t index)
{
    struct asof_view *view = &result->views[index];
    struct bytes left = message;
    struct protobuf_field field;
    enum protobuf_result got;
    size_t times_count;
    while ((got = protobuf_next(&left, &field)) == PROTOBUF_FIELD) {
        if (field.number == VIEW_NAME && field.wire == PROTOBUF_BYTES)
            view->name = bytes_for_caller(field.bytes);
        else if (field.number == VIEW_VERSION && field.wire == PROTOBUF_VARINT)
            view->version = (unsigned)field.integer;
    }
    return got == PROTOBUF_END &&
           take_times(message, VIEW_AT_US, result->rows, true, result->arena, &view->at_us,
                      &view->at_count) &&
           take_times(message, VIEW_EVENT_TIMES_US, result->rows, false, result->arena,
                      &view->event_times_us, &times_count);
}

/* ---- the answer ---- */

/* Counts columns, views and rows. false: the bytes are no message, or there are too many. */
static bool count_parts(struct bytes left, struct asof_result *result)
{
    struct protobuf_field field;
    enum protobuf_result got;
    uint64_t rows = 0;
    while ((got = protobuf_next(&left, &field)) == PROTOBUF_FIELD) {
        bool is_bytes = field.wire == PROTOBUF_BYTES;
        result->columns_count += is_bytes && field.number == ANSWER_COLUMNS;
        result->views_count += is_bytes && field.number == ANSWER_VIEWS;
        if (field.number == ANSWER_ROWS && field.wire == PROTOBUF_VARINT)
            rows = field.integer;
    }
    result->rows = (size_t)rows;
    return got == PROTOBUF_END && rows <= ASOF_ROWS_MAX &&
           result->columns_count <= ASOF_FEATURES_MAX && result->views_count <= ASOF_FEATURES_MAX;
}

static bool take_parts(struct asof_result *result)
{
    struct bytes left = message_bytes(result->message);
    struct protobuf_field field;
    size_t columns = 0;
    size_t views = 0;
    if (!count_parts(left, result))
        return false;
    result->columns = ARENA_NEW_ARRAY(result->arena, result->columns_count, struct asof_column);
    result->bodies = ARENA_NEW_ARRAY(result->arena, result->columns_count, struct column_body);
    result->views = ARENA_NEW_ARRAY(result->arena, result->views_count, struct asof_view);
    while (protobuf_next(&left, &field) == PROTOBUF_FIELD) {
        bool is_right = true;
        if (field.wire != PROTOBUF_BYTES)
            continue;
        if (field.number == ANSWER_COLUMNS)
            is_right = take_column(result, field.bytes, columns++);
        else if (field.number == ANSWER_VIEWS)
            is_right = take_view(result, field.bytes, views++);
        if (!is_right)
            return false;
    }
    return true;
}

enum asof_code asof_result_create(struct asof_message **message, struct asof_result **result,
                                  struct asof_error *error)
{
    struct asof_result *made = calloc(1, sizeof(*made));
    CHECK(made != NULL);
    made->message = *message;
    made->arena = arena_create(ARENA_CHUNK_SIZE);
    if (!take_parts(made)) {
        made->message = NULL;
        asof_result_destroy(&made);
        return failure_set(error, ASOF_INTERNAL, "the answer is no GetFeaturesResponse");
    }
    *message = NULL;
    *result = made;
    return ASOF_OK;
}

void asof_result_destroy(struct asof_result **result)
{
    if (*result == NULL)
        return;
    asof_message_destroy(&(*result)->message);
    arena_destroy(&(*result)->arena);
    free(*result);
    *result = NULL;
}

/* ---- what is asked of it ---- */

size_t asof_result_rows(const struct asof_result *result)
{
    return result->rows;
}

size_t asof_result_columns_count(const struct asof_result *result)
{
    return result->columns_count;
}

size_t asof_result_views_count(const struct asof_result *result)
{
    return result->views_count;
}

const struct asof_column *asof_result_column(const struct asof_result *result, size_t index)
{
    return index < result->columns_count ? &result->columns[index] : NULL;
}

const struct asof_view *asof_result_view(const struct asof_result *result, size_t index)
{
    return index < result->views_count ? &result->views[index] : NULL;
}

size_t asof_result_find(const struct asof_result *result, const char *feature)
{
    for (size_t i = 0; i < result->columns_count; i++)
        if (bytes_equal_text(bytes_from(result->columns[i].feature), feature))
            return i;
    return SIZE_MAX;
}

/* The column's body where its values stand in fields of that number. */
static struct column_body *body_of(const struct asof_result *result, size_t index, uint32_t number)
{
    bool is_one =
        index < result->columns_count && values_number(result->columns[index].kind) == number;
    return is_one ? &result->bodies[index] : NULL;
}

/* Where doubles stand as the machine has them they are not moved. */
static bool stand_right(const struct column_body *body)
{
    return __BYTE_ORDER == __LITTLE_ENDIAN && body->fields_count == 1 && body->packed.size > 0 &&
           (uintptr_t)body->packed.data % _Alignof(double) == 0;
}

static void *copy_doubles(const struct column_body *body, size_t count, struct arena *arena)
{
    double *doubles = ARENA_NEW_ARRAY(arena, count, double);
    struct bytes left = body->message;
    struct protobuf_field field;
    char *end = (char *)doubles;
    while (protobuf_next(&left, &field) == PROTOBUF_FIELD) {
        if (field.number != COLUMN_DOUBLES)
            continue;
        if (field.wire == PROTOBUF_FIXED64)
            end = mempcpy(end, &field.integer, sizeof(field.integer));
        for (size_t i = 0; field.wire == PROTOBUF_BYTES && i < field.bytes.size; i += 8) {
            uint64_t bits;
            memcpy(&bits, field.bytes.data + i, sizeof(bits));
            bits = le64toh(bits);
            end = mempcpy(end, &bits, sizeof(bits));
        }
    }
    return doubles;
}

const double *asof_result_doubles(struct asof_result *result, size_t index)
{
    struct column_body *body = body_of(result, index, COLUMN_DOUBLES);
    if (body == NULL)
        return NULL;
    if (body->values == NULL)
        body->values = stand_right(body)
                           ? (const void *)body->packed.data
                           : copy_doubles(body, result->columns[index].items_count, result->arena);
    return body->values;
}

const int64_t *asof_result_integers(struct asof_result *result, size_t index)
{
    struct column_body *body = body_of(result, index, COLUMN_INTEGERS);
    if (body == NULL)
        return NULL;
    if (body->values == NULL)
        body->values = decode_integers(body->message, COLUMN_INTEGERS,
                                       result->columns[index].items_count, result->arena);
    return body->values;
}

static struct asof_bytes *collect_strings(const struct column_body *body, size_t count,
                                          struct arena *arena)
{
    struct asof_bytes *strings = ARENA_NEW_ARRAY(arena, count, struct asof_bytes);
    struct bytes left = body->message;
    struct protobuf_field field;
    size_t done = 0;
    while (protobuf_next(&left, &field) == PROTOBUF_FIELD)
        if (field.number == COLUMN_STRINGS && field.wire == PROTOBUF_BYTES)
            strings[done++] = bytes_for_caller(field.bytes);
    return strings;
}

const struct asof_bytes *asof_result_strings(struct asof_result *result, size_t index)
{
    struct column_body *body = body_of(result, index, COLUMN_STRINGS);
    if (body == NULL)
        return NULL;
    if (body->values == NULL)
        body->values = collect_strings(body, result->columns[index].items_count, result->arena);
    return body->values;
}

const uint32_t *asof_result_sizes(struct asof_result *result, size_t index)
{
    return index < result->columns_count ? result->bodies[index].sizes : NULL;
}
