#include <math.h>
#include <stdlib.h>

#include "base/check.h"
#include "export/duck_room.h"

enum { DECIMAL_DIGITS_MAX = 18 };

/* ---- types ---- */

static const struct {
    duckdb_type duck;
    enum value_kind kind;
} kinds[] = {
    {DUCKDB_TYPE_BOOLEAN, VALUE_BOOL},
    {DUCKDB_TYPE_TINYINT, VALUE_INT},
    {DUCKDB_TYPE_SMALLINT, VALUE_INT},
    {DUCKDB_TYPE_INTEGER, VALUE_INT},
    {DUCKDB_TYPE_BIGINT, VALUE_INT},
    {DUCKDB_TYPE_UTINYINT, VALUE_INT},
    {DUCKDB_TYPE_USMALLINT, VALUE_INT},
    {DUCKDB_TYPE_UINTEGER, VALUE_INT},
    {DUCKDB_TYPE_FLOAT, VALUE_DOUBLE},
    {DUCKDB_TYPE_DOUBLE, VALUE_DOUBLE},
    {DUCKDB_TYPE_DECIMAL, VALUE_DECIMAL},
    {DUCKDB_TYPE_VARCHAR, VALUE_STRING},
    {DUCKDB_TYPE_TIMESTAMP, VALUE_TIMESTAMP},
    {DUCKDB_TYPE_TIMESTAMP_TZ, VALUE_TIMESTAMP},
    {DUCKDB_TYPE_TIMESTAMP_S, VALUE_TIMESTAMP},
    {DUCKDB_TYPE_TIMESTAMP_MS, VALUE_TIMESTAMP},
    {DUCKDB_TYPE_TIMESTAMP_NS, VALUE_TIMESTAMP},
    {DUCKDB_TYPE_DATE, VALUE_TIMESTAMP},
};

static struct duck_shape scalar_shape_of(const struct duck_functions *library,
                                         duckdb_logical_type type)
{
    duckdb_type id = library->get_type_id(type);
    struct duck_shape shape = {.physical = id};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (kinds[i].duck == id)
            shape.type.kind = kinds[i].kind;
    if (id != DUCKDB_TYPE_DECIMAL)
        return shape;
    shape.physical = library->decimal_internal_type(type);
    shape.type.digits = library->decimal_scale(type);
    if (library->decimal_width(type) > DECIMAL_DIGITS_MAX)
        shape.type = (struct type){.kind = VALUE_NULL};
    return shape;
}

struct duck_shape duck_shape_of(const struct duck_functions *library, duckdb_logical_type type)
{
    if (library->get_type_id(type) != DUCKDB_TYPE_LIST)
        return scalar_shape_of(library, type);
    duckdb_logical_type item = library->list_type_child_type(type);
    struct duck_shape shape = scalar_shape_of(library, item);
    library->destroy_logical_type(&item);
    shape.type.is_list = shape.type.kind != VALUE_NULL;
    return shape;
}

static duckdb_logical_type scalar_type_of(const struct duck_functions *library, struct type type)
{
    switch (type.kind) {
    case VALUE_BOOL:
        return library->create_logical_type(DUCKDB_TYPE_BOOLEAN);
    case VALUE_INT:
        return library->create_logical_type(DUCKDB_TYPE_BIGINT);
    case VALUE_DOUBLE:
        return library->create_logical_type(DUCKDB_TYPE_DOUBLE);
    case VALUE_DECIMAL:
        return library->create_decimal_type(DECIMAL_DIGITS_MAX, type.digits);
    case VALUE_STRING:
        return library->create_logical_type(DUCKDB_TYPE_VARCHAR);
    case VALUE_TIMESTAMP:
        return library->create_logical_type(DUCKDB_TYPE_TIMESTAMP_TZ);
    case VALUE_NULL:
    case VALUE_OVERFLOW:
    case VALUE_LIST:
        break;
    }
    CHECK(!"a type of values");
    return NULL;
}

duckdb_logical_type duck_type_of(const struct duck_functions *library, struct type type)
{
    duckdb_logical_type item = scalar_type_of(library, type);
    if (!type.is_list)
        return item;
    duckdb_logical_type list = library->create_list_type(item);
    library->destroy_logical_type(&item);
    return list;
}

/* ---- reading ---- */

void duck_rows_open(const struct duck_functions *library, struct duck_rows *rows,
                    const struct duck_shape *shapes, size_t columns_count)
{
    if (rows->vectors == NULL)
        rows->vectors = calloc(columns_count + 1, sizeof(*rows->vectors));
    CHECK(rows->vectors != NULL);
    for (size_t i = 0; i < columns_count; i++) {
        duckdb_vector vector = library->data_chunk_get_vector(rows->chunk, i);
        struct duck_vector *out = &rows->vectors[i];
        *out = (struct duck_vector){.shape = shapes[i],
                                    .data = library->vector_get_data(vector),
                                    .validity = library->vector_get_validity(vector)};
        if (!shapes[i].type.is_list)
            continue;
        duckdb_vector items = library->list_vector_get_child(vector);
        out->items = library->vector_get_data(items);
        out->items_validity = library->vector_get_validity(items);
    }
}

size_t duck_rows_count(const struct duck_rows *rows)
{
    return rows->count;
}

static bool is_there(const uint64_t *validity, size_t row)
{
    return validity == NULL || (validity[row / 64] >> (row % 64) & 1) != 0;
}

static int64_t floor_divide(int64_t value, int64_t divisor)
{
    int64_t quotient = value / divisor;
    return quotient - (value % divisor < 0);
}

/* Infinite times are the ends of what is stored, and overflow as such. */
static struct value time_of(int64_t count, int64_t factor_us)
{
    struct value value = {.kind = VALUE_TIMESTAMP};
    bool is_infinite = count == INT64_MAX || count == -INT64_MAX;
    if (is_infinite || __builtin_mul_overflow(count, factor_us, &value.integer))
        return value_overflow();
    return value;
}

static struct value integral_of(const struct duck_vector *vector, int64_t integer)
{
    return (struct value){
        .kind = vector->shape.type.kind, .digits = vector->shape.type.digits, .integer = integer};
}

static struct value text_of(const duckdb_string_t *text)
{
    uint32_t size = text->value.inlined.length;
    bool is_inlined = size <= sizeof(text->value.inlined.inlined);
    return value_text(
        bytes_of(is_inlined ? text->value.inlined.inlined : text->value.pointer.ptr, size));
}

enum { SECOND_US = 1000000, DAY_SECONDS = 86400 };

static struct value scalar_of(const struct duck_vector *vector, const void *data, size_t i)
{
    switch (vector->shape.physical) {
    case DUCKDB_TYPE_BOOLEAN:
        return integral_of(vector, ((const bool *)data)[i]);
    case DUCKDB_TYPE_TINYINT:
        return integral_of(vector, ((const int8_t *)data)[i]);
    case DUCKDB_TYPE_UTINYINT:
        return integral_of(vector, ((const uint8_t *)data)[i]);
    case DUCKDB_TYPE_SMALLINT:
        return integral_of(vector, ((const int16_t *)data)[i]);
    case DUCKDB_TYPE_USMALLINT:
        return integral_of(vector, ((const uint16_t *)data)[i]);
    case DUCKDB_TYPE_INTEGER:
        return integral_of(vector, ((const int32_t *)data)[i]);
    case DUCKDB_TYPE_UINTEGER:
        return integral_of(vector, ((const uint32_t *)data)[i]);
    case DUCKDB_TYPE_BIGINT:
        return integral_of(vector, ((const int64_t *)data)[i]);
    case DUCKDB_TYPE_FLOAT:
        return value_double((double)((const float *)data)[i]);
    case DUCKDB_TYPE_DOUBLE:
        return value_double(((const double *)data)[i]);
    case DUCKDB_TYPE_VARCHAR:
        return text_of(&((const duckdb_string_t *)data)[i]);
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
        return time_of(((const int64_t *)data)[i], 1);
    case DUCKDB_TYPE_TIMESTAMP_S:
        return time_of(((const int64_t *)data)[i], SECOND_US);
    case DUCKDB_TYPE_TIMESTAMP_MS:
        return time_of(((const int64_t *)data)[i], 1000);
    case DUCKDB_TYPE_TIMESTAMP_NS: {
        int64_t ns = ((const int64_t *)data)[i];
        bool is_infinite = ns == INT64_MAX || ns == -INT64_MAX;
        return is_infinite ? value_overflow() : time_of(floor_divide(ns, 1000), 1);
    }
    case DUCKDB_TYPE_DATE: {
        int32_t days = ((const int32_t *)data)[i];
        bool is_infinite = days == INT32_MAX || days == -INT32_MAX;
        return is_infinite ? value_overflow() : time_of((int64_t)days * DAY_SECONDS, SECOND_US);
    }
    default: /* DuckDB's other types have no values here */
        return value_null();
    }
}

static struct value list_of(const struct duck_vector *vector, size_t row, struct arena *arena)
{
    duckdb_list_entry entry = ((const duckdb_list_entry *)vector->data)[row];
    struct value *items = ARENA_NEW_ARRAY(arena, entry.length, struct value);
    for (size_t i = 0; i < entry.length; i++)
        items[i] = is_there(vector->items_validity, entry.offset + i)
                       ? scalar_of(vector, vector->items, entry.offset + i)
                       : value_null();
    return (struct value){.kind = VALUE_LIST, .list = {.items = items, .count = entry.length}};
}

struct value duck_value(const struct duck_rows *rows, size_t column, size_t row,
                        struct arena *arena)
{
    const struct duck_vector *vector = &rows->vectors[column];
    if (vector->shape.type.kind == VALUE_NULL || !is_there(vector->validity, row))
        return value_null();
    return vector->shape.type.is_list ? list_of(vector, row, arena)
                                      : scalar_of(vector, vector->data, row);
}

struct bytes duck_bytes(const struct duck_rows *rows, size_t column, size_t row)
{
    const struct duck_vector *vector = &rows->vectors[column];
    CHECK(vector->shape.physical == DUCKDB_TYPE_BLOB);
    if (!is_there(vector->validity, row))
        return (struct bytes){0};
    return text_of(&((const duckdb_string_t *)vector->data)[row]).text;
}

/* ---- writing ---- */

void duck_sheet_open(struct duck_sheet *sheet, duckdb_data_chunk chunk)
{
    const struct duck_functions *library = sheet->library;
    for (size_t i = 0; i < sheet->columns_count; i++) {
        duckdb_vector vector = library->data_chunk_get_vector(chunk, i);
        bool is_list = sheet->columns[i].type.is_list;
        sheet->outs[i] =
            (struct duck_out){.vector = vector,
                              .data = library->vector_get_data(vector),
                              .items = is_list ? library->list_vector_get_child(vector) : NULL};
    }
}

void duck_sheet_close(struct duck_sheet *sheet)
{
    for (size_t i = 0; i < sheet->columns_count; i++)
        if (sheet->outs[i].items != NULL)
            CHECK(sheet->library->list_vector_set_size(
                      sheet->outs[i].vector, sheet->outs[i].items_count) == DuckDBSuccess);
}

static void set_null(const struct duck_functions *library, duckdb_vector vector, size_t row)
{
    library->vector_ensure_validity_writable(vector);
    library->vector_get_validity(vector)[row / 64] &= ~(UINT64_C(1) << (row % 64));
}

static void put_scalar(const struct duck_functions *library, duckdb_vector vector, void *data,
                       size_t row, const struct value *value)
{
    switch (value->kind) {
    case VALUE_NULL:
    case VALUE_OVERFLOW:
        set_null(library, vector, row);
        break;
    case VALUE_BOOL:
        ((bool *)data)[row] = value->integer != 0;
        break;
    case VALUE_INT:
    case VALUE_DECIMAL:
    case VALUE_TIMESTAMP:
        ((int64_t *)data)[row] = value->integer;
        break;
    case VALUE_DOUBLE:
        ((double *)data)[row] = value->real;
        break;
    case VALUE_STRING:
        library->vector_assign_string_element_len(vector, row, value->text.data, value->text.size);
        break;
    case VALUE_LIST:
        CHECK(!"a list in a list");
    }
}

static void put_list(const struct duck_functions *library, struct duck_out *out, size_t row,
                     const struct value *value)
{
    duckdb_list_entry *entry = &((duckdb_list_entry *)out->data)[row];
    *entry = (duckdb_list_entry){.offset = out->items_count};
    if (value->kind != VALUE_LIST) {
        set_null(library, out->vector, row);
        return;
    }
    entry->length = value->list.count;
    size_t count = out->items_count + value->list.count;
    CHECK(library->list_vector_reserve(out->vector, count) == DuckDBSuccess);
    CHECK(library->list_vector_set_size(out->vector, count) == DuckDBSuccess);
    void *data = library->vector_get_data(out->items);
    for (size_t i = 0; i < value->list.count; i++)
        put_scalar(library, out->items, data, out->items_count + i, &value->list.items[i]);
    out->items_count = count;
}

void duck_put(struct duck_sheet *sheet, size_t column, size_t row, const struct value *value)
{
    struct duck_out *out = &sheet->outs[column];
    struct type type = sheet->columns[column].type;
    bool is_value = value->kind != VALUE_NULL && value->kind != VALUE_OVERFLOW;
    DCHECK(!is_value || value->kind == (type.is_list ? VALUE_LIST : type.kind));
    CHECK(column < sheet->columns_count && row < DUCK_ROWS_MAX);
    (void)is_value;
    if (type.is_list)
        put_list(sheet->library, out, row, value);
    else
        put_scalar(sheet->library, out->vector, out->data, row, value);
}
