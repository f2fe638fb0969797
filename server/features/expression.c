#include "features/expression.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/number.h"
#include "features/sql_text.h"

enum {
    EXPRESSION_DEPTH_MAX = 200,    /* of SQLite's parse tree */
    LIKE_PATTERN_SIZE_MAX = 1024,
    KEPT_CHUNK_SIZE = 1024,
};

struct expression_set {
    sqlite3 *database;       /* owned, in memory and empty */
    sqlite3_stmt *statement; /* owned */
    sqlite3_stmt **alone;    /* owned: of each expression, prepared when it is needed first */
    struct expression *expressions; /* owned; texts are borrowed from the definition */
    size_t count;
    const struct field_definition *fields; /* owned copy: only types are read */
    bool *used;                            /* owned: fields to bind */
    size_t fields_count;
    struct arena *kept; /* owned: texts of results that were evaluated alone */
};

/* Lets SQLite do nothing but select and call what sql_text.h allows: a second lock on the door. */
static int authorize(void *context, int action, const char *a, const char *b, const char *c,
                     const char *d)
{
    (void)context, (void)a, (void)c, (void)d;
    if (action == SQLITE_SELECT)
        return SQLITE_OK;
    if (action == SQLITE_FUNCTION && sql_text_function_is_allowed(bytes_of_text(b)))
        return SQLITE_OK;
    return SQLITE_DENY;
}

static enum status database_open(sqlite3 **out, struct error *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(":memory:", out, flags, NULL) != SQLITE_OK)
        return error_set(err, STATUS_IO, "SQLite: %s", sqlite3_errmsg(*out));
    sqlite3_db_config(*out, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(*out, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    sqlite3_db_config(*out, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    sqlite3_limit(*out, SQLITE_LIMIT_LENGTH, EXPRESSION_TEXT_SIZE_MAX);
    sqlite3_limit(*out, SQLITE_LIMIT_EXPR_DEPTH, EXPRESSION_DEPTH_MAX);
    sqlite3_limit(*out, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, LIKE_PATTERN_SIZE_MAX);
    sqlite3_limit(*out, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_set_authorizer(*out, authorize, NULL);
    return STATUS_OK;
}

/* Whether SQLite takes the expression where no aggregate may stand. */
static enum status statement_check(sqlite3 *database, struct bytes translated, struct error *err)
{
    struct buffer sql = {0};
    buffer_append_text(&sql, "SELECT 1 WHERE ");
    buffer_append(&sql, translated);
    sqlite3_stmt *statement = NULL;
    enum status status = STATUS_OK;
    int code = sqlite3_prepare_v2(database, buffer_bytes(&sql).data, (int)sql.size, &statement,
                                  NULL);
    if (code != SQLITE_OK)
        status = error_set(err, STATUS_INVALID, "%s", sqlite3_errmsg(database));
    sqlite3_finalize(statement);
    buffer_fini(&sql);
    return status;
}

enum status expression_check(struct bytes expression, const struct field_definition *fields,
                             size_t fields_count, bool *used, size_t *error_offset,
                             struct error *err)
{
    struct buffer translated = {0};
    sqlite3 *database = NULL;
    enum status status = sql_text_translate(expression, fields, fields_count, used, &translated,
                                            error_offset, err);
    if (status != STATUS_OK)
        goto out;
    *error_offset = 0;
    status = database_open(&database, err);
    if (status == STATUS_OK)
        status = statement_check(database, buffer_bytes(&translated), err);
out:
    sqlite3_close(database);
    buffer_fini(&translated);
    return status;
}

/* Appends "(e1), (e2) IS TRUE, ..." */
static enum status append_columns(struct expression_set *set, const struct expression *expressions,
                                  size_t count, struct buffer *sql, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        size_t offset;
        buffer_append_text(sql, i == 0 ? "(" : ", (");
        enum status status = sql_text_translate(expressions[i].text, set->fields, set->fields_count,
                                                set->used, sql, &offset, err);
        if (status != STATUS_OK)
            return status;
        buffer_append_text(sql, expressions[i].is_condition ? ") IS TRUE" : ")");
    }
    return STATUS_OK;
}

static enum status prepare(struct expression_set *set, struct bytes sql, sqlite3_stmt **out,
                           struct error *err)
{
    if (sqlite3_prepare_v3(set->database, sql.data, (int)sql.size, SQLITE_PREPARE_PERSISTENT, out,
                           NULL) == SQLITE_OK)
        return STATUS_OK;
    return error_set(err, STATUS_INVALID, "%s", sqlite3_errmsg(set->database));
}

static void *copy_array(const void *array, size_t count, size_t size)
{
    void *copy = calloc(count > 0 ? count : 1, size);
    CHECK(copy != NULL);
    if (count > 0 && array != NULL)
        memcpy(copy, array, count * size);
    return copy;
}

static enum status prepare_all(struct expression_set *set, struct error *err)
{
    struct buffer all = {0};
    buffer_append_text(&all, "SELECT ");
    enum status status = append_columns(set, set->expressions, set->count, &all, err);
    if (status == STATUS_OK)
        status = prepare(set, buffer_bytes(&all), &set->statement, err);
    buffer_fini(&all);
    return status;
}

enum status expression_set_create(const struct expression *expressions, size_t count,
                                  const struct field_definition *fields, size_t fields_count,
                                  struct expression_set **out, struct error *err)
{
    struct expression_set *set = calloc(1, sizeof(*set));
    CHECK(set != NULL);
    set->expressions = copy_array(expressions, count, sizeof(*expressions));
    set->count = count;
    set->fields = copy_array(fields, fields_count, sizeof(*fields));
    set->used = copy_array(NULL, fields_count, sizeof(bool));
    set->fields_count = fields_count;
    set->alone = copy_array(NULL, count, sizeof(*set->alone));
    set->kept = arena_create(KEPT_CHUNK_SIZE);

    enum status status = database_open(&set->database, err);
    if (status == STATUS_OK)
        status = prepare_all(set, err);
    if (status == STATUS_OK) {
        *out = set;
        set = NULL; /* moved to the caller */
    }
    expression_set_destroy(&set);
    return status;
}

void expression_set_destroy(struct expression_set **set)
{
    if (*set == NULL)
        return;
    sqlite3_finalize((*set)->statement);
    for (size_t i = 0; i < (*set)->count; i++)
        sqlite3_finalize((*set)->alone[i]);
    free((*set)->alone);
    sqlite3_close((*set)->database);
    free((*set)->expressions);
    free((void *)(uintptr_t)(*set)->fields);
    free((*set)->used);
    arena_destroy(&(*set)->kept);
    free(*set);
    *set = NULL;
}

/* The double nearest to a decimal: one division where both sides are exact, else by its text. */
static double decimal_to_double(const struct value *value)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
                                    1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};
    const int64_t exact_max = INT64_C(1) << 53;
    if (value->integer >= -exact_max && value->integer <= exact_max)
        return (double)value->integer / powers[value->digits];
    char text[NUMBER_TEXT_SIZE];
    double nearest = 0;
    size_t size = number_format_decimal(value->integer, value->digits, text);
    CHECK(number_parse_double(bytes_of(text, size), &nearest) == NUMBER_OK);
    return nearest;
}

static void bind_field(sqlite3_stmt *statement, int index, const struct value *value)
{
    int code = SQLITE_OK;
    switch (value->kind) {
    case VALUE_BOOL:
    case VALUE_INT:
    case VALUE_TIMESTAMP:
        code = sqlite3_bind_int64(statement, index, value->integer);
        break;
    case VALUE_DOUBLE:
        code = sqlite3_bind_double(statement, index, value->real);
        break;
    case VALUE_DECIMAL:
        code = sqlite3_bind_double(statement, index, decimal_to_double(value));
        break;
    case VALUE_STRING:
        code = sqlite3_bind_text(statement, index, value->text.size > 0 ? value->text.data : "",
                                 (int)value->text.size, SQLITE_STATIC);
        break;
    case VALUE_NULL:
    case VALUE_OVERFLOW:
    case VALUE_LIST:
        code = sqlite3_bind_null(statement, index);
        break;
    }
    CHECK(code == SQLITE_OK);
}

/* A real as int64, cut toward zero as CAST AS INTEGER does; overflow where that can't hold it. */
static struct value real_to_integral(double real, struct type type)
{
    if (!(real >= -0x1p63 && real < 0x1p63))
        return value_overflow();
    return (struct value){.kind = type.kind, .integer = (int64_t)real};
}

static struct value integral_result(sqlite3_stmt *statement, int column, struct type type)
{
    if (sqlite3_column_type(statement, column) == SQLITE_FLOAT)
        return real_to_integral(sqlite3_column_double(statement, column), type);
    return (struct value){.kind = type.kind, .integer = sqlite3_column_int64(statement, column)};
}

/* The decimal nearest to the number. */
static struct value decimal_result(sqlite3_stmt *statement, int column, struct type type)
{
    char text[512]; /* %.*f of any double: 309 digits, a point, 18 digits */
    struct value result = {.kind = VALUE_DECIMAL, .digits = type.digits};
    int size = snprintf(text, sizeof(text), "%.*f", type.digits,
                        sqlite3_column_double(statement, column));
    CHECK(size > 0 && (size_t)size < sizeof(text));
    if (number_parse_decimal(bytes_of(text, (size_t)size), type.digits, &result.integer) !=
        NUMBER_OK)
        return value_overflow();
    return result;
}

static struct value text_result(sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);
    struct bytes bytes = bytes_of(text, (size_t)sqlite3_column_bytes(statement, column));
    if (bytes.size > VALUE_STRING_SIZE_MAX || !bytes_are_utf8(bytes))
        return value_overflow();
    return value_text(bytes);
}

static struct value take_result(sqlite3_stmt *statement, int column, struct type type)
{
    if (sqlite3_column_type(statement, column) == SQLITE_NULL)
        return value_null();
    switch (type.kind) {
    case VALUE_BOOL:
        return (struct value){.kind = VALUE_BOOL,
                              .integer = sqlite3_column_double(statement, column) != 0};
    case VALUE_INT:
        return integral_result(statement, column, type);
    case VALUE_TIMESTAMP:
        return integral_result(statement, column, type);
    case VALUE_DOUBLE:
        return value_double(sqlite3_column_double(statement, column));
    case VALUE_DECIMAL:
        return decimal_result(statement, column, type);
    case VALUE_STRING:
        return text_result(statement, column);
    case VALUE_NULL:
    case VALUE_OVERFLOW:
    case VALUE_LIST:
        break;
    }
    CHECK(type.kind != VALUE_LIST);
    return value_null();
}

/* Binds the fields that the set uses and runs the statement, which may know fewer parameters. */
static bool run(struct expression_set *set, sqlite3_stmt *statement, const struct value *fields)
{
    sqlite3_reset(statement);
    int parameters_count = sqlite3_bind_parameter_count(statement);
    for (int i = 0; i < parameters_count; i++)
        if (set->used[i])
            bind_field(statement, i + 1, &fields[i]);
    return sqlite3_step(statement) == SQLITE_ROW;
}

static struct value take_column(sqlite3_stmt *statement, int column,
                                const struct expression *expression)
{
    if (expression->is_condition) /* IS TRUE is 0 or 1 */
        return (struct value){.kind = VALUE_BOOL, .integer = sqlite3_column_int(statement, column)};
    return take_result(statement, column, expression->type);
}

/* What an expression is on values that SQLite fails on: not true, or nothing that its type holds. */
static struct value failed_result(const struct expression *expression)
{
    return expression->is_condition ? (struct value){.kind = VALUE_BOOL} : value_overflow();
}

/* The statement of one expression, NULL where it can't be prepared. */
static sqlite3_stmt *prepare_alone(struct expression_set *set, size_t index)
{
    struct buffer sql = {0};
    if (set->alone[index] != NULL)
        return set->alone[index];
    buffer_append_text(&sql, "SELECT ");
    if (append_columns(set, &set->expressions[index], 1, &sql, NULL) == STATUS_OK &&
        prepare(set, buffer_bytes(&sql), &set->alone[index], NULL) != STATUS_OK)
        set->alone[index] = NULL;
    buffer_fini(&sql);
    return set->alone[index];
}

/* Evaluates one expression alone, as another of the set fails on these values. The text of a result
 * is kept in set->kept. */
static struct value evaluate_alone(struct expression_set *set, size_t index,
                                   const struct value *fields)
{
    const struct expression *expression = &set->expressions[index];
    sqlite3_stmt *statement = prepare_alone(set, index);
    if (statement == NULL || !run(set, statement, fields))
        return failed_result(expression);
    struct value result = take_column(statement, 0, expression);
    if (result.kind == VALUE_STRING)
        result.text = arena_copy(set->kept, result.text);
    return result;
}

void expression_set_evaluate(struct expression_set *set, const struct value *fields,
                             struct value *results)
{
    arena_reset(set->kept);
    bool is_run = run(set, set->statement, fields);
    for (size_t i = 0; i < set->count; i++)
        results[i] = is_run ? take_column(set->statement, (int)i, &set->expressions[i])
                            : evaluate_alone(set, i, fields);
}
