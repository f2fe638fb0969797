#include "csv_event.h"

#include "model/value.h"
#include "text.h"

static enum csv_cell cell_of_type(struct bytes type)
{
    if (bytes_equal_text(type, "string") || bytes_equal_text(type, "timestamp"))
        return CSV_CELL_TEXT;
    return bytes_equal_text(type, "bool") ? CSV_CELL_BOOL : CSV_CELL_NUMBER;
}

static const struct source_field *find_field(const struct source_field *fields, size_t fields_count,
                                             struct bytes name)
{
    for (size_t i = 0; i < fields_count; i++)
        if (bytes_equal(fields[i].name, name))
            return &fields[i];
    return NULL;
}

static struct bytes json_key(struct bytes name, struct arena *arena)
{
    struct buffer key = {0};
    json_append_string(&key, name);
    buffer_append_byte(&key, ':');
    struct bytes copy = arena_copy(arena, buffer_bytes(&key));
    buffer_fini(&key);
    return copy;
}

static enum status check_not_twice(const struct csv_column *columns, size_t count,
                                   struct bytes name, struct error *err)
{
    for (size_t i = 0; i < count; i++)
        if (bytes_equal(columns[i].name, name))
            return error_set(err, STATUS_INVALID, "the header has '%.*s' twice", BYTES_ARGS(name));
    return STATUS_OK;
}

enum status csv_columns_read(const struct csv_record *header, const struct source_field *fields,
                             size_t fields_count, struct arena *arena, struct csv_columns *out,
                             struct error *err)
{
    struct csv_column *columns = ARENA_NEW_ARRAY(arena, header->count, struct csv_column);
    size_t known = 0;

    for (size_t i = 0; i < header->count; i++) {
        struct csv_column *column = &columns[i];
        column->name = arena_copy(arena, header->fields[i].text);
        const struct source_field *field = find_field(fields, fields_count, column->name);
        if (field == NULL)
            continue;
        if (check_not_twice(columns, i, column->name, err) != STATUS_OK)
            return STATUS_INVALID;
        column->key = json_key(field->name, arena);
        column->cell = cell_of_type(field->type);
        known++;
    }
    if (known == 0)
        return error_set(err, STATUS_INVALID,
                         "no column of the header is a field of the source; the first line must "
                         "name the columns");
    *out = (struct csv_columns){.columns = columns, .count = header->count};
    return STATUS_OK;
}

static bool is_true(struct bytes text)
{
    return bytes_equal_nocase(text, "true") || bytes_equal_text(text, "1");
}

static bool is_false(struct bytes text)
{
    return bytes_equal_nocase(text, "false") || bytes_equal_text(text, "0");
}

static void append_cell(enum csv_cell cell, struct bytes text, struct buffer *out)
{
    if (cell == CSV_CELL_NUMBER && text_is_json_number(text))
        buffer_append(out, text);
    else if (cell == CSV_CELL_BOOL && is_true(text))
        buffer_append_text(out, "true");
    else if (cell == CSV_CELL_BOOL && is_false(text))
        buffer_append_text(out, "false");
    else
        json_append_string(out, text);
}

static enum status check_row(const struct csv_columns *columns, const struct csv_record *row,
                             struct error *err)
{
    if (row->count != columns->count)
        return error_set(err, STATUS_INVALID, "%zu cells, but the header has %zu columns",
                         row->count, columns->count);
    for (size_t i = 0; i < row->count; i++)
        if (!bytes_are_utf8(row->fields[i].text))
            return error_set(err, STATUS_INVALID, "column '%.*s' is not UTF-8",
                             BYTES_ARGS(columns->columns[i].name));
    return STATUS_OK;
}

enum status csv_event_append(const struct csv_columns *columns, const struct csv_record *row,
                             struct buffer *out, struct error *err)
{
    enum status status = check_row(columns, row, err);
    if (status != STATUS_OK)
        return status;

    char before = '{';
    for (size_t i = 0; i < row->count; i++) {
        const struct csv_column *column = &columns->columns[i];
        const struct csv_field *field = &row->fields[i];
        bool is_null = field->text.size == 0 && !field->is_quoted;
        if (column->key.size == 0 || is_null)
            continue;
        buffer_append_byte(out, before);
        buffer_append(out, column->key);
        append_cell(column->cell, field->text, out);
        before = ',';
    }
    buffer_append_text(out, before == '{' ? "{}" : "}");
    return STATUS_OK;
}
