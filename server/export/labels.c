#include "export/labels.h"

#include "base/check.h"

#define TIME_COLUMN "event_timestamp"
#define TIME_RULE                                                                                  \
    "it is to be a timestamp, a date, an RFC 3339 text or an integer of microseconds since 1970"

#define OFFSET_PATTERN "'.*:.*[+-][0-9:]+'"

enum { NAMES_SHOWN_SIZE = 300 }; /* of the columns that there are, in a message */

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
    static const char *const names[] = {"TINYINT",   "SMALLINT", "INTEGER", "BIGINT",  "UTINYINT",
                                        "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT", NULL};
    return is_any(type, names);
}

static bool is_real(struct bytes type)
{
    static const char *const names[] = {"FLOAT", "DOUBLE", NULL};
    return is_any(type, names);
}

static bool is_decimal(struct bytes type)
{
    return bytes_start_with(type, bytes_of_text("DECIMAL("));
}

/* DECIMAL(38,0) and the like, which some databases make of integers. */
static bool is_whole_decimal(struct bytes type)
{
    struct bytes end = bytes_of_text(",0)");
    return is_decimal(type) && type.size > end.size &&
           bytes_equal(bytes_after(type, type.size - end.size), end);
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

/* Texts that DuckDB takes for something else: a date by a guess of day and month, a UUID in small
 * letters. */
static bool is_guess(struct bytes type)
{
    static const char *const names[] = {"TIME", "UUID", NULL};
    return is_time(type) || is_any(type, names);
}

/* The columns as they are known. */
static void append_columns(const struct labels *labels, struct buffer *sql)
{
    buffer_append_text(sql, ", columns = {");
    for (size_t i = 0; i < labels->columns_count; i++) {
        buffer_append_text(sql, i > 0 ? ", " : "");
        duck_append_text(sql, labels->columns[i].name);
        buffer_append_text(sql, ": ");
        duck_append_text(sql, labels->columns[i].type);
    }
    buffer_append_byte(sql, '}');
}

/* DuckDB would guess quotes, and take lines for comments or for what stands before the header; so
 * all is said. Columns are learnt by all lines, also of a file with broken ones: reading it tells
 * those by their numbers. */
static void append_csv(const struct labels *labels, struct buffer *sql)
{
    buffer_append_text(
        sql, ", header = true, quote = '\"', escape = '\"', comment = '', skip = 0, delim = ");
    duck_append_text(sql, bytes_of(&labels->delimiter, 1));
    buffer_append_text(sql,
                       labels->columns_count > 0
                           ? ", auto_detect = false"
                           : ", sample_size = -1, ignore_errors = true, "
                             "auto_type_candidates = ['BOOLEAN', 'BIGINT', 'DOUBLE', 'VARCHAR']");
}

/* The function that reads the file: of columns that are known or, if there are none, as DuckDB
 * finds them. */
static void append_reader(const struct labels *labels, const struct labels_file *file,
                          struct buffer *sql)
{
    static const char *const functions[] = {[EXPORT_PARQUET] = "read_parquet(",
                                            [EXPORT_CSV] = "read_csv(",
                                            [EXPORT_NDJSON] = "read_json("};
    char path[DUCK_PATH_SIZE];
    buffer_append_text(sql, functions[file->format]);
    duck_append_text(sql, bytes_of_text(duck_path(file->descriptor, path)));
    if (file->format == EXPORT_CSV)
        append_csv(labels, sql);
    if (file->format == EXPORT_NDJSON)
        buffer_append_text(sql, ", format = 'newline_delimited', sample_size = -1, records = true");
    if (file->format != EXPORT_PARQUET && labels->columns_count > 0)
        append_columns(labels, sql);
    buffer_append_byte(sql, ')');
}

static const char *sql_text(struct buffer *sql)
{
    buffer_append_byte(sql, '\0');
    return buffer_bytes(sql).data;
}

/* Reads names and types of the columns. */
static enum status describe(struct labels *labels, const struct labels_file *file,
                            struct error *err)
{
    struct buffer sql = {0};
    struct duck_reader *reader = NULL;
    const struct duck_rows *rows;
    size_t count = 0;
    struct labels_column *columns =
        ARENA_NEW_ARRAY(labels->arena, LABELS_COLUMNS_MAX, struct labels_column);
    labels->columns_count = 0;
    buffer_append_text(&sql, "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM ");
    append_reader(labels, file, &sql);
    buffer_append_byte(&sql, ')');
    enum status status = duck_query(labels->duck, sql_text(&sql), &reader, err);
    while (status == STATUS_OK && (status = duck_reader_next(reader, &rows, err)) == STATUS_OK) {
        if (count + duck_rows_count(rows) > LABELS_COLUMNS_MAX)
            status =
                error_set(err, STATUS_LIMIT, "labels have at most %d columns", LABELS_COLUMNS_MAX);
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

/* Of a column that is missing: says which there are. */
static enum status refuse_column(const struct labels *labels, struct bytes name, const char *what,
                                 struct error *err)
{
    struct buffer names = {0};
    char shown[2 * NAME_SIZE_MAX];
    for (size_t i = 0; i < labels->columns_count && names.size < NAMES_SHOWN_SIZE; i++)
        buffer_format(&names, "%s'%s'", i > 0 ? ", " : "",
                      bytes_to_text(labels->columns[i].name, shown, sizeof(shown)));
    bytes_to_text(name, shown, sizeof(shown));
    error_set(err, STATUS_INVALID, "the labels have no column '%s', %s; they have %.*s%s", shown,
              what, BYTES_ARGS(buffer_bytes(&names)),
              names.size >= NAMES_SHOWN_SIZE ? " and more" : "");
    buffer_fini(&names);
    return STATUS_INVALID;
}

static enum status find_time(struct labels *labels, struct bytes name, struct error *err)
{
    char shown[2 * NAME_SIZE_MAX];
    labels->time = labels_find(labels, name);
    bytes_to_text(name, shown, sizeof(shown));
    if (labels->time == NULL)
        return refuse_column(labels, name,
                             "with the moment of each row (another can be named by --time-column)",
                             err);
    struct bytes type = labels->time->type;
    if (is_time(type) || is_integer(type) || bytes_equal_text(type, "VARCHAR"))
        return STATUS_OK;
    return error_set(err, STATUS_INVALID, "the labels' time column '%s' is %.*s; " TIME_RULE, shown,
                     BYTES_ARGS(type));
}

/* The name of the column with the row's number: one that the file does not have. */
static struct bytes make_row_name(const struct labels *labels)
{
    struct bytes name = bytes_of_text("asof_row");
    while (labels_find(labels, name) != NULL)
        name = arena_format(labels->arena, "%.*s_", BYTES_ARGS(name));
    return name;
}

/* The text with each ? replaced by the column's name, quoted for SQL. */
static void append_about(const char *format, struct bytes name, struct buffer *sql)
{
    for (; *format != '\0'; format++) {
        if (*format == '?')
            duck_append_name(sql, name);
        else
            buffer_append_byte(sql, *format);
    }
}

/* A text of digits is an integer. One with an offset is a moment by itself, any other one of UTC:
 * DuckDB would read it in the zone that an earlier row named, so names of zones are refused. */
static void append_text_time(struct bytes name, struct buffer *sql)
{
    append_about("CASE WHEN ? IS NULL THEN NULL "
                 "WHEN regexp_full_match(?, '-{0,1}[0-9]+') THEN make_timestamp(CAST(? AS "
                 "BIGINT))::TIMESTAMPTZ "
                 "WHEN regexp_full_match(?, " OFFSET_PATTERN
                 ") AND TRY_CAST(? AS TIMESTAMPTZ) IS NOT NULL "
                 "THEN CAST(? AS TIMESTAMPTZ) "
                 "WHEN NOT regexp_full_match(?, " OFFSET_PATTERN
                 ") AND TRY_CAST(? AS TIMESTAMP) IS NOT NULL "
                 "THEN CAST(? AS TIMESTAMP)::TIMESTAMPTZ "
                 "ELSE error('the labels have the time ''' || ? || '''; " TIME_RULE "') END",
                 name, sql);
}

static void append_time(const struct labels_column *time, struct buffer *sql)
{
    if (bytes_equal_text(time->type, "VARCHAR"))
        append_text_time(time->name, sql);
    else
        append_about(is_time(time->type) ? "?" : "CAST(? AS BIGINT)", time->name, sql);
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
    append_about("SELECT count(*), 1 + min(CASE WHEN ? IS NULL THEN ", labels->time->name, &sql);
    append_about("? END) FROM " LABELS_TABLE, labels->row_name, &sql);
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

/* Of CSV, lines are split by whatever gives a column of times. */
static enum status describe_csv(struct labels *labels, const struct labels_file *file,
                                struct error *err)
{
    static const char delimiters[] = {',', ';', '\t', '|'};
    enum status status = STATUS_OK;
    struct error ignored;
    for (size_t i = 0; i < sizeof(delimiters); i++) {
        labels->delimiter = delimiters[i];
        status = describe(labels, file, &ignored);
        bool is_found = status == STATUS_OK && labels_find(labels, file->time_column) != NULL;
        if (is_found || (status != STATUS_OK && status != STATUS_INVALID)) {
            *err = ignored;
            return status;
        }
    }
    labels->delimiter = delimiters[0];
    status = describe(labels, file, err);
    if (status == STATUS_INVALID && strstr(err->text, "sniffing") != NULL)
        return error_set(err, status,
                         "the labels are no CSV: a quote is not closed, or lines end differently");
    return status;
}

static enum status describe_any(struct labels *labels, const struct labels_file *file,
                                struct error *err)
{
    enum status status =
        file->format == EXPORT_CSV ? describe_csv(labels, file, err) : describe(labels, file, err);
    for (size_t i = 0; i < labels->columns_count && file->format != EXPORT_PARQUET; i++) {
        struct labels_column *column = &labels->columns[i];
        bool is_json_number = file->format == EXPORT_NDJSON && is_integer(column->type) &&
                              bytes_equal(column->name, file->time_column);
        if (is_guess(column->type) || (is_text_column(file, column->name) && !is_json_number))
            column->type = bytes_of_text("VARCHAR");
    }
    return status;
}

enum status labels_load(struct labels *labels, struct duck *duck, const struct labels_file *asked,
                        struct arena *arena, struct error *err)
{
    struct labels_file file = *asked;
    if (file.time_column.size == 0)
        file.time_column = bytes_of_text(TIME_COLUMN);
    *labels = (struct labels){.duck = duck, .arena = arena};
    enum status status = describe_any(labels, &file, err);
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
    append_about("CAST(? AS ", name, sql);
    buffer_format(sql, "%s)", type);
}

/* An integer that is written as something else; what is none is an error of its row. */
static void append_checked_int(const struct labels_column *column, struct buffer *sql)
{
    append_about("CASE WHEN ? IS NULL", column->name, sql);
    if (is_real(column->type))
        append_about(" OR isnan(?)", column->name, sql);
    append_about(is_text(column->type)
                     ? " THEN NULL WHEN regexp_full_match(CAST(? AS VARCHAR), '-{0,1}[0-9]+')"
                     : " THEN NULL WHEN ? = trunc(?)",
                 column->name, sql);
    append_about(" THEN CAST(? AS BIGINT) ELSE error('the labels'' key ''' || ", column->name, sql);
    duck_append_text(sql, column->name);
    append_about(" || ''' is an int, got ' || CAST(? AS VARCHAR)) END", column->name, sql);
}

enum status labels_append_key(const struct labels *labels, struct bytes name, struct type type,
                              struct buffer *sql, struct error *err)
{
    const struct labels_column *column = labels_find(labels, name);
    if (column == NULL)
        return refuse_column(labels, name, "which is a key of an entity that features are asked of",
                             err);
    bool is_int = type.kind == VALUE_INT;
    bool is_number = is_integer(column->type) || is_whole_decimal(column->type);
    if (is_number || (!is_int && is_text(column->type)))
        append_cast(name, is_int ? "BIGINT" : "VARCHAR", sql);
    else if (is_int && (is_real(column->type) || is_decimal(column->type) || is_text(column->type)))
        append_checked_int(column, sql);
    else
        return error_set(
            err, STATUS_INVALID, "the labels' column '%.*s' is %.*s; the key of that name is %s",
            BYTES_ARGS(name), BYTES_ARGS(column->type), is_int ? "an int" : "a string");
    return STATUS_OK;
}

void labels_append_value(const struct labels *labels, struct bytes name, struct buffer *sql)
{
    static const char *const unread[] = {"HUGEINT", "UHUGEINT", "UBIGINT", NULL};
    const struct labels_column *column = labels_find(labels, name);
    if (column == NULL)
        buffer_append_text(sql, "CAST(NULL AS VARCHAR)");
    else if (is_decimal(column->type) || is_any(column->type, unread))
        append_cast(name, "VARCHAR", sql);
    else
        duck_append_name(sql, name);
}
