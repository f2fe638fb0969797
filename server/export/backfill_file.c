#include "export/backfill_file.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/check.h"
#include "base/time_text.h"
#include "model/field_text.h"

enum {
    READ_SIZE = 256 * 1024, /* of the file, at once */
    ARENA_CHUNK_SIZE = 64 * 1024,
    CHECK_LINES = 1000, /* of NDJSON, between two checks */
};

/* ---- identity ---- */

enum status backfill_file_hash(int descriptor, uint64_t hash[2], uint64_t *size_bytes,
                               struct error *err)
{
    ssize_t size;
    uint64_t offset = 0;
    char *piece = malloc(READ_SIZE);
    XXH3_state_t *state = XXH3_createState();
    CHECK(piece != NULL && state != NULL && XXH3_128bits_reset(state) == XXH_OK);
    while ((size = pread(descriptor, piece, READ_SIZE, (off_t)offset)) > 0) {
        CHECK(XXH3_128bits_update(state, piece, (size_t)size) == XXH_OK);
        offset += (uint64_t)size;
    }
    XXH128_hash_t digest = XXH3_128bits_digest(state);
    XXH3_freeState(state);
    free(piece);
    hash[0] = digest.high64;
    hash[1] = digest.low64;
    *size_bytes = offset;
    return size == 0 ? STATUS_OK : error_set(err, STATUS_IO, "read: %s", error_errno());
}

/* ---- values ---- */

static enum status refuse_value(const struct field_definition *field, const char *got,
                                struct error *err)
{
    char type[TYPE_TEXT_SIZE];
    return error_set(err, STATUS_INVALID, "expected %s, got %s", field_type_name(field, type), got);
}

/* By way of the text that the value has: 12.5 is a decimal(2), a double, and no int. */
static enum status convert_text(const struct field_definition *field, const struct value *value,
                                struct arena *arena, struct value *out, struct error *err)
{
    struct buffer text = {0};
    value_append_text(value, &text);
    const struct raw_value raw = {.kind = RAW_TEXT, .text = buffer_bytes(&text)};
    enum status status = field_text_parse(field, &raw, arena, out, err);
    buffer_fini(&text);
    return status;
}

static bool is_number(enum value_kind kind)
{
    return kind == VALUE_INT || kind == VALUE_DOUBLE || kind == VALUE_DECIMAL;
}

/* Between kinds. */
static enum status convert_kind(const struct field_definition *field, const struct value *value,
                                struct arena *arena, struct value *out, struct error *err)
{
    char type[TYPE_TEXT_SIZE];
    enum value_kind wanted = field->type.kind;
    const struct raw_value raw = {.kind = RAW_TEXT, .text = value->text};
    if (value->kind == VALUE_STRING)
        return field_text_parse(field, &raw, arena, out, err);
    bool is_unix_time =
        wanted == VALUE_TIMESTAMP && value->kind == VALUE_INT && field->unit != TIME_RFC3339;
    bool is_flag = wanted == VALUE_BOOL && value->kind == VALUE_INT;
    if (is_unix_time || is_flag || (is_number(wanted) && is_number(value->kind)))
        return convert_text(field, value, arena, out, err);
    if (value->kind == VALUE_LIST)
        return refuse_value(field, "a list", err);
    const struct type got = {.kind = value->kind, .digits = value->digits};
    return refuse_value(field, type_name(got, type), err);
}

enum status backfill_convert(const struct field_definition *field, const struct value *value,
                             struct arena *arena, struct value *out, struct error *err)
{
    *out = *value;
    if (value->kind == VALUE_NULL)
        return STATUS_OK;
    if (value->kind == VALUE_OVERFLOW)
        return refuse_value(field, "a number that is not finite, or a time out of range", err);
    bool is_same = value->kind == field->type.kind &&
                   (value->kind != VALUE_DECIMAL || value->digits == field->type.digits);
    if (!is_same)
        return convert_kind(field, value, arena, out, err);
    if (value->kind == VALUE_DOUBLE && value->real == 0)
        out->real = 0; /* -0 is 0 */
    if (value->kind == VALUE_TIMESTAMP && !time_is_valid(value->integer))
        return refuse_value(field, "a time outside of the years 1 to 9999", err);
    if (value->kind == VALUE_STRING && value->text.size > VALUE_STRING_SIZE_MAX)
        return error_set(err, STATUS_INVALID, "a string has at most %d bytes, got %zu",
                         VALUE_STRING_SIZE_MAX, value->text.size);
    return STATUS_OK;
}

/* ---- Parquet and CSV ---- */

/* A reading under way. */
struct reading {
    struct duck *duck;
    const struct view_definition *view;
    const struct backfill_rows *rows;
    struct buffer table;  /* owned: what SQL reads from */
    struct arena *arena;  /* owned: of the row at hand */
    struct value *values; /* owned, one a field */
    bool *is_there;       /* owned, one a field: the file has its column */
    uint64_t rows_done;
    uint64_t rows_total;
};

/* What SQL reads from. Of a CSV file all is said, as DuckDB would take lines for comments or for
 * what stands before the header; of its columns, if they are not known yet, no line is too broken
 * to learn them. */
static void name_table(struct reading *reading, int descriptor, enum backfill_format format,
                       const struct duck_column *columns, size_t count)
{
    char path[DUCK_PATH_SIZE];
    struct buffer *table = &reading->table;
    table->start = table->size = 0;
    buffer_append_text(table, format == BACKFILL_CSV ? "read_csv(" : "read_parquet(");
    duck_append_text(table, bytes_of_text(duck_path(descriptor, path)));
    if (format == BACKFILL_CSV)
        buffer_append_text(table,
                           ", " DUCK_CSV ", delim=',', nullstr='', allow_quoted_nulls=false, "
                           "null_padding=false, ");
    if (format == BACKFILL_CSV && columns == NULL)
        buffer_append_text(table, "all_varchar=true, ignore_errors=true");
    for (size_t i = 0; format == BACKFILL_CSV && i < count; i++) {
        buffer_append_text(table, i == 0 ? "auto_detect=false, columns={" : ", ");
        duck_append_text(table, bytes_of_text(columns[i].name));
        buffer_append_text(table, i + 1 < count ? ": 'VARCHAR'" : ": 'VARCHAR'}");
    }
    buffer_append_byte(table, ')');
}

static void reading_init(struct reading *reading, struct duck *duck, int descriptor,
                         enum backfill_format format, const struct view_definition *view,
                         const struct backfill_rows *rows)
{
    *reading = (struct reading){.duck = duck, .view = view, .rows = rows};
    reading->arena = arena_create(ARENA_CHUNK_SIZE);
    reading->values = calloc(view->fields_count, sizeof(*reading->values));
    reading->is_there = calloc(view->fields_count, sizeof(*reading->is_there));
    CHECK(reading->values != NULL && reading->is_there != NULL);
    name_table(reading, descriptor, format, NULL, 0);
}

static void reading_fini(struct reading *reading)
{
    buffer_fini(&reading->table);
    arena_destroy(&reading->arena);
    free(reading->values);
    free(reading->is_there);
}

/* Whether a row without that field is none: the event time, the event id, a key. */
static bool field_is_needed(const struct view_definition *view, size_t field)
{
    for (size_t i = 0; i < view->keys_count; i++)
        if (view->key_fields[i] == field)
            return true;
    return field == view->event_time_field || (ssize_t)field == view->event_id_field;
}

static enum status refuse_columns(const struct view_definition *view, size_t field,
                                  const struct duck_column *columns, size_t count,
                                  struct error *err)
{
    struct buffer names = {0};
    for (size_t i = 0; i < count; i++)
        buffer_format(&names, "%s%s", i > 0 ? ", " : "", columns[i].name);
    enum status status =
        error_set(err, STATUS_INVALID,
                  "there is no column '%.*s', which view '%.*s' needs; the file has %.*s",
                  BYTES_ARGS(view->fields[field].name), BYTES_ARGS(view->name),
                  BYTES_ARGS(buffer_bytes(&names)));
    buffer_fini(&names);
    return status;
}

static ssize_t find_column(const struct duck_column *columns, size_t count, struct bytes name)
{
    for (size_t i = 0; i < count; i++)
        if (bytes_equal_text(name, columns[i].name))
            return (ssize_t)i;
    return -1;
}

/* Numbers that are larger than ours, UUIDs and the like, by their texts; what has none that is its
 * value is refused: of bytes, DuckDB's has escapes for all that is not ASCII. */
static void append_text_of(struct bytes name, struct buffer *sql)
{
    buffer_append_text(sql, "CASE WHEN regexp_matches(typeof(");
    duck_append_name(sql, name);
    buffer_append_text(sql, "), '^(BLOB|BIT|STRUCT|MAP|UNION)|\\]$') THEN error('column ''' || ");
    duck_append_text(sql, name);
    buffer_append_text(sql, " || ''' is ' || typeof(");
    duck_append_name(sql, name);
    buffer_append_text(sql, ")) ELSE CAST(");
    duck_append_name(sql, name);
    buffer_append_text(sql, " AS VARCHAR) END");
}

/* Appends what the query selects: the column of each field of the view that there is. */
static enum status append_selection(struct reading *reading, const struct duck_column *columns,
                                    size_t count, struct buffer *sql, struct error *err)
{
    const struct view_definition *view = reading->view;
    const char *comma = "";
    buffer_append_text(sql, "SELECT ");
    for (size_t i = 0; i < view->fields_count; i++) {
        ssize_t column = find_column(columns, count, view->fields[i].name);
        if (column < 0 && field_is_needed(view, i))
            return refuse_columns(view, i, columns, count, err);
        if (column < 0)
            continue;
        bool is_read = columns[column].type.kind != VALUE_NULL;
        reading->is_there[i] = true;
        buffer_append_text(sql, comma);
        if (is_read)
            duck_append_name(sql, view->fields[i].name);
        else
            append_text_of(view->fields[i].name, sql);
        comma = ", ";
    }
    buffer_format(sql, " FROM %.*s", BYTES_ARGS(buffer_bytes(&reading->table)));
    buffer_append_byte(sql, '\0');
    return STATUS_OK;
}

static enum status make_query(struct reading *reading, int descriptor, enum backfill_format format,
                              struct buffer *sql, struct error *err)
{
    struct duck_reader *reader = NULL;
    struct buffer probe = {0};
    size_t count;
    buffer_format(&probe, "SELECT * FROM %.*s LIMIT 0", BYTES_ARGS(buffer_bytes(&reading->table)));
    buffer_append_byte(&probe, '\0');
    enum status status = duck_query(reading->duck, buffer_bytes(&probe).data, &reader, err);
    if (status == STATUS_OK) {
        const struct duck_column *columns = duck_reader_columns(reader, &count);
        name_table(reading, descriptor, format, columns, count);
        status = append_selection(reading, columns, count, sql, err);
    }
    duck_reader_close(&reader);
    buffer_fini(&probe);
    return status;
}

/* The rows of a Parquet file stand in its foot; those of a CSV file are not known. */
static enum status count_rows(struct reading *reading, struct error *err)
{
    struct duck_reader *reader = NULL;
    const struct duck_rows *rows;
    struct buffer sql = {0};
    buffer_format(&sql, "SELECT count(*) FROM %.*s", BYTES_ARGS(buffer_bytes(&reading->table)));
    buffer_append_byte(&sql, '\0');
    enum status status = duck_query(reading->duck, buffer_bytes(&sql).data, &reader, err);
    if (status == STATUS_OK)
        status = duck_reader_next(reader, &rows, err);
    if (status == STATUS_OK)
        reading->rows_total = (uint64_t)duck_value(rows, 0, 0, reading->arena).integer;
    duck_reader_close(&reader);
    buffer_fini(&sql);
    return status;
}

static enum status take_row(struct reading *reading, const struct duck_rows *rows, size_t row,
                            struct error *err)
{
    const struct view_definition *view = reading->view;
    size_t column = 0;
    for (size_t i = 0; i < view->fields_count; i++) {
        if (!reading->is_there[i])
            continue;
        const struct value value = duck_value(rows, column++, row, reading->arena);
        enum status status =
            backfill_convert(&view->fields[i], &value, reading->arena, &reading->values[i], err);
        if (status != STATUS_OK)
            return error_prefix(err, status, "column '%.*s'", BYTES_ARGS(view->fields[i].name));
    }
    return reading->rows->take(reading->rows->context, reading->values, err);
}

static enum status take_rows(struct reading *reading, const struct duck_rows *rows,
                             struct error *err)
{
    size_t count = duck_rows_count(rows);
    for (size_t i = 0; i < count; i++) {
        arena_reset(reading->arena);
        enum status status = take_row(reading, rows, i, err);
        if (status != STATUS_OK)
            return error_prefix(err, status, "row %llu",
                                (unsigned long long)(reading->rows_done + i + 1));
    }
    reading->rows_done += count;
    return reading->rows->check(reading->rows->context, reading->rows_done, reading->rows_total,
                                err);
}

static enum status read_table(struct reading *reading, int descriptor, enum backfill_format format,
                              struct error *err)
{
    struct duck_reader *reader = NULL;
    const struct duck_rows *rows;
    struct buffer sql = {0};
    enum status status = make_query(reading, descriptor, format, &sql, err);
    if (status == STATUS_OK && format == BACKFILL_PARQUET)
        status = count_rows(reading, err);
    if (status == STATUS_OK)
        status = duck_query(reading->duck, buffer_bytes(&sql).data, &reader, err);
    while (status == STATUS_OK && (status = duck_reader_next(reader, &rows, err)) == STATUS_OK)
        status = take_rows(reading, rows, err);
    duck_reader_close(&reader);
    buffer_fini(&sql);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* ---- NDJSON ---- */

/* Takes the lines that text begins with whole, and at the end of the file what is left; *taken:
 * their bytes. */
static enum status take_lines(const struct backfill_rows *rows, struct bytes text, bool is_end,
                              uint64_t *rows_done, size_t *taken, struct error *err)
{
    *taken = 0;
    while (*taken < text.size) {
        struct bytes left = bytes_after(text, *taken);
        const char *newline = memchr(left.data, '\n', left.size);
        if (newline == NULL && !is_end)
            return STATUS_OK;
        struct bytes line =
            bytes_of(left.data, newline == NULL ? left.size : (size_t)(newline - left.data));
        *taken += line.size + (newline != NULL);
        if (line.size == 0 || bytes_equal_text(line, "\r"))
            continue;
        ++*rows_done;
        enum status status = rows->take_json(rows->context, line, err);
        if (status != STATUS_OK)
            return error_prefix(err, status, "row %llu", (unsigned long long)*rows_done);
        if (*rows_done % CHECK_LINES == 0)
            status = rows->check(rows->context, *rows_done, 0, err);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

static enum status read_lines(int descriptor, const struct backfill_rows *rows, struct error *err)
{
    struct buffer text = {0};
    uint64_t rows_done = 0;
    uint64_t offset = 0;
    enum status status = STATUS_OK;
    for (bool is_end = false; !is_end && status == STATUS_OK;) {
        size_t taken;
        ssize_t size =
            pread(descriptor, buffer_reserve(&text, READ_SIZE), READ_SIZE, (off_t)offset);
        if (size < 0) {
            status = error_set(err, STATUS_IO, "read: %s", error_errno());
            break;
        }
        is_end = size == 0;
        offset += (uint64_t)size;
        buffer_added(&text, (size_t)size);
        status = take_lines(rows, buffer_bytes(&text), is_end, &rows_done, &taken, err);
        if (status == STATUS_OK)
            buffer_consume(&text, taken);
        if (status == STATUS_OK && text.size > BACKFILL_LINE_MAX)
            status = error_set(err, STATUS_LIMIT, "row %llu: a line has at most %d bytes",
                               (unsigned long long)rows_done + 1, BACKFILL_LINE_MAX);
    }
    buffer_fini(&text);
    return status == STATUS_OK ? rows->check(rows->context, rows_done, rows_done, err) : status;
}

enum status backfill_file_read(struct duck *duck, int descriptor, enum backfill_format format,
                               const struct view_definition *view, const struct backfill_rows *rows,
                               struct error *err)
{
    struct reading reading;
    if (format == BACKFILL_NDJSON)
        return read_lines(descriptor, rows, err);
    reading_init(&reading, duck, descriptor, format, view, rows);
    enum status status = read_table(&reading, descriptor, format, err);
    reading_fini(&reading);
    return status;
}
