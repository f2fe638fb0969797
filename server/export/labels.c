#include "export/labels.h"

#include <stdio.h>

#include "base/check.h"

#define TIME_COLUMN "event_timestamp"
#define TIME_RULE                                                                                  \
    "it is to be a timestamp, a date, an RFC 3339 text or an integer of microseconds since 1970"

/* ---- types, in DuckDB's words ---- */

static bool is_any(struct bytes type, const char *const *names)
{
    for (; *names != NULL; names++)
        if (bytes_equal_text(type, *names))
            return true;
    return false;
}

static bool is_integer(struct bytes type)
{
    static const char *const names[] = {"TINYINT",  "SMALLINT",  "INTEGER",  "BIGINT",
                                        "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
                                        "HUGEINT",  NULL};
    return is_any(type, names);
}

static bool is_real(struct bytes type)
{
    static const char *const names[] = {"FLOAT", "DOUBLE", NULL};
    return is_any(type, names);
}

static bool is_time(struct bytes type)
{
    return bytes_start_with(type, bytes_of_text("TIMESTAMP")) || bytes_equal_text(type, "DATE");
}

static bool is_text(struct bytes type)
{
    static const char *const names[] = {"VARCHAR", "UUID", "DATE", "BOOLEAN", "\"NULL\"", NULL};
    return is_any(type, names) || bytes_start_with(type, bytes_of_text("ENUM"));
}

/* ---- reading the file ---- */

static bool is_text_column(const struct labels_file *file, struct bytes name)
{
    bool is_one = bytes_equal(name, file->time_column);
    for (size_t i = 0; i < file->text_columns_count; i++)
        is_one |= bytes_equal(name, file->text_columns[i]);
    return is_one;
}

/* The function that reads the file. Types of CSV are guessed by all rows, but for the columns of labels. */
static void append_reader(const struct labels *labels, const struct labels_file *file,
                          struct buffer *sql)
{
    static const char *const functions[] = {[EXPORT_PARQUET] = "read_parquet(",
                                            [EXPORT_CSV] = "read_csv(",
                                            [EXPORT_NDJSON] = "read_json("};
    char path[DUCK_PATH_SIZE];
    const char *separator = "";
    buffer_append_text(sql, functions[file->format]);
    duck_append_text(sql, bytes_of_text(duck_path(file->descriptor, path)));
    if (file->format == EXPORT_CSV) {
        buffer_append_text(sql, ", header = true, sample_size = -1, types = {");
        for (size_t i = 0; i < labels->columns_count; i++) {
            if (!is_text_column(file, labels->columns[i].name))
                continue;
            buffer_append_text(sql, separator);
            duck_append_text(sql, labels->columns[i].name);
            buffer_append_text(sql, ": 'VARCHAR'");
            separator = ", ";
        }
        buffer_append_byte(sql, '}');
        if (*separator == '\0')
            sql->size -= strlen(", types = {}");
    } else if (file->format == EXPORT_NDJSON) {
        buffer_append_text(sql, ", format = 'newline_delimited', sample_size = -1, records = true");
    }
    buffer_append_byte(sql, ')');
}

static const char *sql_text(struct buffer *sql)
{
    buffer_append_byte(sql, '\0');
    return buffer_bytes(sql).data;
}

/* Reads names and types of the columns, as they are read now. */
static enum status describe(struct labels *labels, const struct labels_file *file,
                            struct error *err)
{
    struct buffer sql = {0};
    struct duck_reader *reader = NULL;
    const struct duck_rows *rows;
    size_t count = 0;
    struct labels_column *columns =
        ARENA_NEW_ARRAY(labels->arena, LABELS_COLUMNS_MAX, struct labels_column);
    buffer_append_text(&sql, "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM ");
    append_reader(labels, file, &sql);
    buffer_append_byte(&sql, ')');
    enum status status = duck_query(labels->duck, sql_text(&sql), &reader, err);
    while (status == STATUS_OK &&
           (status = duck_reader_next(reader, &rows, err)) == STATUS_OK) {
        if (count + duck_rows_count(rows) > LABELS_COLUMNS_MAX)
            status = error_set(err, STATUS_LIMIT, "labels have at most %d columns",
                               LABELS_COLUMNS_MAX);
        for (size_t i = 0; i < duck_rows_count(rows) && status == STATUS_OK; i++, count++)
            columns[count] = (struct labels_column){
                .name = arena_copy(labels->arena, duck_value(rows, 0, i, labels->arena).text),
                .type = arena_copy(labels->arena, duck_value(rows, 1, i, labels->arena).text)};
    }
    duck_reader_close(&reader);
    buffer_fini(&sql);
    if (status != STATUS_NOT_FOUND)
        return error_prefix(err, status, "labels");
    labels->columns = columns;
    labels->columns_count = count;
    return STATUS_OK;
}

const struct labels_column *labels_find(const struct labels *labels, struct bytes name)
{
    for (size_t i = 0; i < labels->columns_count; i++)
        if (bytes_equal(labels->columns[i].name, name))
            return &labels->columns[i];
    return NULL;
}

static enum status find_time(struct labels *labels, struct bytes name, struct error *err)
{
    char shown[2 * NAME_SIZE_MAX];
    labels->time = labels_find(labels, name);
    bytes_to_text(name, shown, sizeof(shown));
    if (labels->time == NULL)
        return error_set(err, STATUS_INVALID,
                         "the labels have no column '%s' with the moment of each row; another "
                         "can be named (--time-column)", shown);
    struct bytes type = labels->time->type;
    if (is_time(type) || is_integer(type) || bytes_equal_text(type, "VARCHAR"))
        return STATUS_OK;
    return error_set(err, STATUS_INVALID, "the labels' time column '%s' is %.*s; " TIME_RULE,
                     shown, BYTES_ARGS(type));
}

/* The name of the column with the row's number: one that the file does not have. */
static struct bytes make_row_name(const struct labels *labels)
{
    struct bytes name = bytes_of_text("asof_row");
    while (labels_find(labels, name) != NULL)
        name = arena_format(labels->arena, "%.*s_", BYTES_ARGS(name));
    return name;
}

/* A text of digits is an integer. */
static void append_time(const struct labels_column *time, struct buffer *sql)
{
    bool is_varchar = bytes_equal_text(time->type, "VARCHAR");
    if (is_varchar) {
        buffer_append_text(sql, "CASE WHEN regexp_full_match(");
        duck_append_name(sql, time->name);
        buffer_append_text(sql, ", '-?[0-9]+') THEN make_timestamp(CAST(");
        duck_append_name(sql, time->name);
        buffer_append_text(sql, " AS BIGINT))::TIMESTAMPTZ ELSE ");
    }
    if (is_varchar || !is_time(time->type))
        buffer_append_text(sql, "CAST(");
    duck_append_name(sql, time->name);
    if (is_varchar)
        buffer_append_text(sql, " AS TIMESTAMPTZ) END");
    else if (!is_time(time->type))
        buffer_append_text(sql, " AS BIGINT)");
}

void labels_append_time(const struct labels *labels, struct buffer *sql)
{
    append_time(labels->time, sql);
}

/* What only tells times as texts, or without a zone, becomes a timestamp of the table. */
static bool is_time_replaced(const struct labels *labels, enum export_format format)
{
    return format != EXPORT_PARQUET && !is_integer(labels->time->type);
}

static enum status make_table(struct labels *labels, const struct labels_file *file,
                              struct error *err)
{
    struct buffer sql = {0};
    buffer_append_text(&sql, "CREATE TABLE " LABELS_TABLE " AS SELECT *");
    if (is_time_replaced(labels, file->format)) {
        buffer_append_text(&sql, " REPLACE ((");
        append_time(labels->time, &sql);
        buffer_append_text(&sql, ")::TIMESTAMPTZ AS ");
        duck_append_name(&sql, labels->time->name);
        buffer_append_byte(&sql, ')');
    }
    buffer_append_text(&sql, ", row_number() OVER () - 1 AS ");
    duck_append_name(&sql, labels->row_name);
    buffer_append_text(&sql, " FROM ");
    append_reader(labels, file, &sql);
    enum status status = duck_run(labels->duck, sql_text(&sql), err);
    buffer_fini(&sql);
    return status == STATUS_OK ? STATUS_OK : error_prefix(err, status, "labels");
}

/* Counts the rows; each has a time. */
static enum status check_rows(struct labels *labels, struct error *err)
{
    struct buffer sql = {0};
    struct duck_reader *reader = NULL;
    const struct duck_rows *rows;
    buffer_append_text(&sql, "SELECT count(*), min(CASE WHEN ");
    duck_append_name(&sql, labels->time->name);
    buffer_append_text(&sql, " IS NULL THEN ");
    duck_append_name(&sql, labels->row_name);
    buffer_append_text(&sql, " END) FROM " LABELS_TABLE);
    enum status status = duck_query(labels->duck, sql_text(&sql), &reader, err);
    if (status == STATUS_OK)
        status = duck_reader_next(reader, &rows, err);
    if (status == STATUS_OK) {
        struct value row = duck_value(rows, 1, 0, labels->arena);
        labels->rows_count = (uint64_t)duck_value(rows, 0, 0, labels->arena).integer;
        if (row.kind != VALUE_NULL)
            status = error_set(err, STATUS_INVALID,
                               "row %lld of the labels has no time in '%.*s'; " TIME_RULE,
                               (long long)row.integer, BYTES_ARGS(labels->time->name));
    }
    duck_reader_close(&reader);
    buffer_fini(&sql);
    return status;
}

enum status labels_load(struct labels *labels, struct duck *duck, const struct labels_file *asked,
                        struct arena *arena, struct error *err)
{
    struct labels_file file = *asked;
    if (file.time_column.size == 0)
        file.time_column = bytes_of_text(TIME_COLUMN);
    *labels = (struct labels){.duck = duck, .arena = arena};
    enum status status = describe(labels, &file, err);
    if (status == STATUS_OK && file.format == EXPORT_CSV) /* now that it is known which are there */
        status = describe(labels, &file, err);
    if (status == STATUS_OK)
        status = find_time(labels, file.time_column, err);
    if (status != STATUS_OK)
        return status;
    labels->row_name = make_row_name(labels);
    status = make_table(labels, &file, err);
    if (status != STATUS_OK)
        return status;
    if (is_time_replaced(labels, file.format)) {
        struct labels_column *time = &labels->columns[labels->time - labels->columns];
        time->type = bytes_of_text("TIMESTAMP WITH TIME ZONE");
    }
    return check_rows(labels, err);
}

/* ---- keys and values ---- */

static void append_cast(struct bytes name, const char *type, struct buffer *sql)
{
    buffer_append_text(sql, "CAST(");
    duck_append_name(sql, name);
    buffer_format(sql, " AS %s)", type);
}

/* An integer that is written as something else; what is none is an error of its row. */
static void append_checked_int(struct bytes name, bool is_real_number, struct buffer *sql)
{
    buffer_append_text(sql, "CASE WHEN ");
    duck_append_name(sql, name);
    buffer_append_text(sql, " IS NULL THEN NULL WHEN ");
    if (is_real_number) {
        duck_append_name(sql, name);
        buffer_append_text(sql, " = trunc(");
        duck_append_name(sql, name);
        buffer_append_byte(sql, ')');
    } else {
        buffer_append_text(sql, "regexp_full_match(");
        append_cast(name, "VARCHAR", sql);
        buffer_append_text(sql, ", '-?[0-9]+')");
    }
    buffer_append_text(sql, " THEN ");
    append_cast(name, "BIGINT", sql);
    buffer_append_text(sql, " ELSE error('the labels'' key ''' || ");
    duck_append_text(sql, name);
    buffer_append_text(sql, " || ''' is an int, got ' || ");
    append_cast(name, "VARCHAR", sql);
    buffer_append_text(sql, ") END");
}

enum status labels_append_key(const struct labels *labels, struct bytes name, struct type type,
                              struct buffer *sql, struct error *err)
{
    const struct labels_column *column = labels_find(labels, name);
    if (column == NULL)
        return error_set(err, STATUS_INVALID,
                         "the labels have no column '%.*s', which is a key of an entity that "
                         "features are asked of", BYTES_ARGS(name));
    bool is_int = type.kind == VALUE_INT;
    if (is_integer(column->type) || (!is_int && is_text(column->type)))
        append_cast(name, is_int ? "BIGINT" : "VARCHAR", sql);
    else if (is_int && (is_real(column->type) || is_text(column->type)))
        append_checked_int(name, is_real(column->type), sql);
    else
        return error_set(err, STATUS_INVALID,
                         "the labels' column '%.*s' is %.*s; the key of that name is %s",
                         BYTES_ARGS(name), BYTES_ARGS(column->type),
                         is_int ? "an int" : "a string");
    return STATUS_OK;
}

void labels_append_value(const struct labels *labels, struct bytes name, struct type type,
                         struct buffer *sql)
{
    static const char *const names[] = {[VALUE_BOOL] = "BOOLEAN",
                                        [VALUE_INT] = "BIGINT",
                                        [VALUE_DOUBLE] = "DOUBLE",
                                        [VALUE_STRING] = "VARCHAR",
                                        [VALUE_TIMESTAMP] = "TIMESTAMPTZ"};
    char text[TYPE_TEXT_SIZE];
    CHECK(!type.is_list);
    snprintf(text, sizeof(text), "DECIMAL(18,%u)", type.digits);
    const char *typed = type.kind == VALUE_DECIMAL ? text : names[type.kind];
    if (labels_find(labels, name) != NULL)
        append_cast(name, typed, sql);
    else
        buffer_format(sql, "CAST(NULL AS %s)", typed);
}
