#include "protocol/rpc_fields.h"

#include <endian.h>

#include "protocol/protobuf.h"

/* ---- reading ---- */

enum status rpc_refuse_broken(const char *what, struct error *err)
{
    return error_set(err, STATUS_INVALID, "the bytes are no %s", what);
}

/* Counts the fields of that number and kind. false: the bytes are no message. */
bool rpc_count_fields(struct bytes message, uint32_t number, size_t *count)
{
    struct protobuf_field field;
    enum protobuf_result result;
    *count = 0;
    while ((result = protobuf_next(&message, &field)) == PROTOBUF_FIELD)
        *count += field.number == number && field.wire == PROTOBUF_BYTES;
    return result == PROTOBUF_END;
}

/* Collects them; the message is whole. */
void rpc_take_fields(struct bytes message, uint32_t number, struct bytes *out)
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

enum status rpc_refuse_many(const char *what, size_t count_max, size_t count, struct error *err)
{
    return error_set(err, STATUS_LIMIT, "a request has at most %zu %s, got %zu", count_max, what,
                     count);
}

/* A repeated field of strings. */
enum status rpc_take_texts(struct bytes message, uint32_t number, const char *what,
                           size_t count_max, struct arena *arena, const struct bytes **out,
                           size_t *count, struct error *err)
{
    if (!rpc_count_fields(message, number, count))
        return rpc_refuse_broken("message", err);
    if (*count > count_max)
        return rpc_refuse_many(what, count_max, *count, err);
    struct bytes *texts = ARENA_NEW_ARRAY(arena, *count, struct bytes);
    rpc_take_fields(message, number, texts);
    *out = texts;
    return STATUS_OK;
}

enum status rpc_take_numbers(struct bytes message, uint32_t number, bool is_zigzag, size_t rows_max,
                             struct arena *arena, const int64_t **out, size_t *count,
                             struct error *err)
{
    if (!count_integers(message, number, count))
        return rpc_refuse_broken("list of integers", err);
    if (*count > rows_max)
        return rpc_refuse_many("rows", rows_max, *count, err);
    int64_t *integers = ARENA_NEW_ARRAY(arena, *count, int64_t);
    *out = integers;
    return take_integers(message, number, is_zigzag, integers, *count)
               ? STATUS_OK
               : rpc_refuse_broken("list of integers", err);
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
uint64_t rpc_take_integer(struct bytes message, uint32_t number)
{
    struct protobuf_field field;
    uint64_t integer = 0;
    while (protobuf_next(&message, &field) == PROTOBUF_FIELD)
        if (field.number == number && field.wire == PROTOBUF_VARINT)
            integer = field.integer;
    return integer;
}

struct bytes rpc_take_text(struct bytes message, uint32_t number)
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

enum status rpc_refuse_column(const struct value_column *column, const char *what,
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
        return rpc_refuse_broken("list of doubles", err);
    if (*count > count_max)
        return rpc_refuse_many("values of a column", count_max, *count, err);
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
    enum status status = rpc_take_texts(message, VALUES_STRINGS, "values of a column", count_max,
                                        arena, &column->strings, &strings_count, err);
    if (status == STATUS_OK)
        status = rpc_take_numbers(message, VALUES_INTS, true, count_max, arena, &column->ints,
                                  &ints_count, err);
    if (status == STATUS_OK)
        status = doubles_parse(message, count_max, arena, &column->doubles, &doubles_count, err);
    if (status != STATUS_OK)
        return status;
    column->name = rpc_take_text(message, VALUES_NAME);
    column->nulls = rpc_take_text(message, VALUES_NULLS);
    column->count = strings_count + ints_count + doubles_count;
    if (ints_count == 0)
        column->ints = NULL;
    if (column->count != strings_count && column->count != ints_count &&
        column->count != doubles_count)
        return rpc_refuse_column(column, "has values of several kinds", err);
    if (column->nulls.size > 0 && column->nulls.size != column->count)
        return rpc_refuse_column(column, "has nulls for another number of values", err);
    return STATUS_OK;
}

/* The columns of a repeated field. */
enum status rpc_take_columns(struct bytes message, uint32_t number, size_t columns_max,
                             size_t count_max, struct arena *arena, const struct value_column **out,
                             size_t *count, struct error *err)
{
    const struct bytes *messages = NULL;
    enum status status =
        rpc_take_texts(message, number, "columns", columns_max, arena, &messages, count, err);
    if (status != STATUS_OK)
        return status;
    struct value_column *columns = ARENA_NEW_ARRAY(arena, *count, struct value_column);
    for (size_t i = 0; i < *count && status == STATUS_OK; i++)
        status = value_column_parse(messages[i], count_max, arena, &columns[i], err);
    *out = columns;
    return status;
}
