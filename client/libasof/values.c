#include "values.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "protocol/protobuf.h"

enum {
    NAME = 1,
    STRINGS = 2,
    INTS = 3,
    DOUBLES = 4,
    NULLS = 5,
};

void values_init(struct values *values, size_t columns_max)
{
    *values = (struct values){.columns_max = columns_max};
}

void values_fini(struct values *values)
{
    for (size_t i = 0; i < values->columns_count; i++)
        buffer_fini(&values->columns[i].message);
    free(values->columns);
    *values = (struct values){.columns_max = values->columns_max};
}

void values_reset(struct values *values)
{
    values->mistake[0] = '\0';
    for (size_t i = 0; i < values->columns_count; i++)
        values->columns[i].is_empty = true;
}

/* The column of that name, or a place for it; NULL: there is no more. */
static struct values_column *find(struct values *values, const char *name)
{
    struct values_column *place = NULL;
    for (size_t i = 0; i < values->columns_count; i++) {
        struct values_column *column = &values->columns[i];
        if (!column->is_empty && strcmp(column->name, name) == 0)
            return column;
        if (column->is_empty && (place == NULL || strcmp(column->name, name) == 0))
            place = column;
    }
    if (place != NULL || values->columns_count == values->columns_max)
        return place;
    values->columns = realloc(values->columns, (values->columns_count + 1) * sizeof(*place));
    CHECK(values->columns != NULL);
    place = &values->columns[values->columns_count++];
    *place = (struct values_column){.is_empty = true};
    return place;
}

static void append_ints(const int64_t *ints, size_t count, struct buffer *out)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += protobuf_varint_size(varint_zigzag(ints[i]));
    protobuf_append_tag(out, INTS, PROTOBUF_BYTES);
    varint_append(out, size);
    for (size_t i = 0; i < count; i++)
        varint_append(out, varint_zigzag(ints[i]));
}

static void append_doubles(const double *doubles, size_t count, struct buffer *out)
{
    protobuf_append_tag(out, DOUBLES, PROTOBUF_BYTES);
    varint_append(out, count * sizeof(*doubles));
    for (size_t i = 0; i < count; i++) {
        uint64_t bits;
        memcpy(&bits, &doubles[i], sizeof(bits));
        bits = htole64(bits);
        buffer_append(out, bytes_of(&bits, sizeof(bits)));
    }
}

static void append_texts(const struct values_input *input, struct buffer *out)
{
    for (size_t i = 0; i < input->count && out->size <= ASOF_REQUEST_SIZE_MAX; i++)
        protobuf_append_item(out, STRINGS,
                             input->strings != NULL ? bytes_from(input->strings[i])
                                                    : bytes_of_text(input->texts[i]));
}

static void append_values(const struct values_input *input, struct buffer *out)
{
    if (input->count == 0)
        return;
    if (input->ints != NULL)
        append_ints(input->ints, input->count, out);
    else if (input->doubles != NULL)
        append_doubles(input->doubles, input->count, out);
    else
        append_texts(input, out);
    if (input->nulls != NULL)
        protobuf_append_bytes(out, NULLS, bytes_of(input->nulls, input->count));
}

void values_set(struct values *values, const char *name, const struct values_input *input)
{
    size_t name_size = name == NULL ? 0 : strlen(name);
    struct values_column *column;
    if (name_size == 0 || name_size > VALUES_NAME_MAX)
        snprintf(values->mistake, sizeof(values->mistake),
                 "a column's name has 1 to %d bytes, got %zu", VALUES_NAME_MAX, name_size);
    else if (input->count > ASOF_ROWS_MAX)
        snprintf(values->mistake, sizeof(values->mistake),
                 "column '%s' has %zu values, at most %d are taken", name, input->count,
                 ASOF_ROWS_MAX);
    else if ((column = find(values, name)) == NULL)
        snprintf(values->mistake, sizeof(values->mistake), "at most %zu columns are taken",
                 values->columns_max);
    else {
        memcpy(column->name, name, name_size + 1);
        column->is_empty = false;
        column->count = input->count;
        buffer_reset(&column->message, ASOF_REQUEST_SIZE_MAX);
        protobuf_append_item(&column->message, NAME, bytes_of(name, name_size));
        append_values(input, &column->message);
    }
}

enum asof_code values_check(const struct values *values, struct asof_error *error)
{
    return values->mistake[0] == '\0'
               ? ASOF_OK
               : failure_set(error, ASOF_INVALID_ARGUMENT, "%s", values->mistake);
}

void values_append(const struct values *values, uint32_t number, struct buffer *out)
{
    for (size_t i = 0; i < values->columns_count; i++)
        if (!values->columns[i].is_empty)
            protobuf_append_item(out, number, buffer_bytes(&values->columns[i].message));
}

bool values_have(const struct values *values, size_t count, bool one_too, const char **wrong)
{
    for (size_t i = 0; i < values->columns_count; i++) {
        const struct values_column *column = &values->columns[i];
        *wrong = column->name;
        if (!column->is_empty && column->count != count && !(one_too && column->count == 1))
            return false;
    }
    return true;
}

size_t values_count(const struct values *values)
{
    for (size_t i = 0; i < values->columns_count; i++)
        if (!values->columns[i].is_empty)
            return values->columns[i].count;
    return 0;
}
