/* Duck: what is written is read back, nothing else of the disk is reached, and failures say what
 * they are. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "export/duck.h"

enum { MEMORY = 64 * 1024 * 1024, ROWS = 5000 };

struct world {
    char directory[64];
    struct duck *duck;
    struct arena *arena;
    char path[DUCK_PATH_SIZE]; /* of an open file in the directory */
    int file;
    size_t filled;
    enum status fill_ends;
};

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    struct error err;
    snprintf(world->directory, sizeof(world->directory), "/tmp/asof-duck-XXXXXX");
    assert_non_null(mkdtemp(world->directory));
    world->file = open(world->directory, O_TMPFILE | O_RDWR, 0600);
    assert_true(world->file >= 0);
    const char *const paths[] = {duck_path(world->file, world->path)};
    const struct duck_options options = {
        .memory_bytes = MEMORY, .spool = world->directory, .paths = paths, .paths_count = 1};
    enum status status = duck_open(&options, &world->duck, &err);
    if (status != STATUS_OK)
        fail_msg("%s", err.text);
    world->arena = arena_create(4096);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    duck_close(&world->duck);
    arena_destroy(&world->arena);
    close(world->file);
    assert_int_equal(rmdir(world->directory), 0);
    free(world);
    return 0;
}

static void run(struct world *world, const char *sql)
{
    struct error err;
    if (duck_run(world->duck, sql, &err) != STATUS_OK)
        fail_msg("%s", err.text);
}

static const struct duck_column columns[] = {
    {.name = "flag", .type = {.kind = VALUE_BOOL}},
    {.name = "int", .type = {.kind = VALUE_INT}},
    {.name = "real \"x\"", .type = {.kind = VALUE_DOUBLE}},
    {.name = "money", .type = {.kind = VALUE_DECIMAL, .digits = 2}},
    {.name = "text", .type = {.kind = VALUE_STRING}},
    {.name = "time", .type = {.kind = VALUE_TIMESTAMP}},
    {.name = "list", .type = {.kind = VALUE_STRING, .is_list = true}},
};

enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };

static void make_row(struct value values[COLUMNS], struct value items[3], char text[32], int row)
{
    snprintf(text, 32, row % 2 ? "\xc3\xbc%d" : "a text that is long, number %d", row);
    for (int i = 0; i < row % 4; i++)
        items[i] = i == 1 ? value_null() : value_text(bytes_of_text(text));
    values[0] = (struct value){.kind = VALUE_BOOL, .integer = row % 2};
    values[1] = value_int(INT64_MAX - row);
    values[2] = value_double(row / 7.0);
    values[3] = (struct value){.kind = VALUE_DECIMAL, .digits = 2, .integer = -row};
    values[4] = value_text(bytes_of_text(text));
    values[5] = (struct value){.kind = VALUE_TIMESTAMP, .integer = -row * INT64_C(1000001)};
    values[6] = (struct value){.kind = VALUE_LIST, .list = {.items = items, .count = row % 4}};
    if (row % 11 == 0)
        values[row % COLUMNS] = row % 2 ? value_null() : value_overflow();
}

static enum status fill(void *context, struct duck_sheet *sheet, size_t *count, struct error *err)
{
    struct world *world = context;
    size_t n = 0;
    for (; n < DUCK_ROWS_MAX && world->filled < ROWS; n++, world->filled++) {
        struct value values[COLUMNS];
        struct value items[3];
        char text[32];
        make_row(values, items, text, (int)world->filled);
        for (size_t i = 0; i < COLUMNS; i++)
            duck_put(sheet, i, n, &values[i]);
    }
    *count = n;
    if (n == 0 && world->fill_ends != STATUS_OK)
        return error_set(err, world->fill_ends, "the source broke");
    return STATUS_OK;
}

static void add_source(struct world *world)
{
    const struct duck_source source = {.name = "made",
                                       .columns = columns,
                                       .columns_count = COLUMNS,
                                       .fill = fill,
                                       .context = world};
    struct error err;
    assert_int_equal(duck_add_source(world->duck, &source, &err), STATUS_OK);
}

static void expect_equal(const struct value *read, const struct value *made)
{
    bool is_null = made->kind == VALUE_NULL || made->kind == VALUE_OVERFLOW;
    assert_int_equal(read->kind, is_null ? VALUE_NULL : made->kind);
    if (made->kind != VALUE_LIST) {
        assert_true(is_null || value_compare(read, made) == 0);
        return;
    }
    assert_int_equal(read->list.count, made->list.count);
    for (size_t i = 0; i < made->list.count; i++)
        assert_int_equal(value_compare(&read->list.items[i], &made->list.items[i]), 0);
}

static void expect_rows(struct world *world, const char *sql)
{
    struct duck_reader *reader;
    const struct duck_rows *rows;
    struct error err;
    size_t count, row = 0;
    assert_int_equal(duck_query(world->duck, sql, &reader, &err), STATUS_OK);
    const struct duck_column *read = duck_reader_columns(reader, &count);
    assert_int_equal(count, COLUMNS);
    for (size_t i = 0; i < COLUMNS; i++) {
        assert_string_equal(read[i].name, columns[i].name);
        assert_true(type_equal(read[i].type, columns[i].type));
    }
    while (duck_reader_next(reader, &rows, &err) == STATUS_OK)
        for (size_t i = 0; i < duck_rows_count(rows); i++, row++) {
            struct value values[COLUMNS];
            struct value items[3];
            char text[32];
            make_row(values, items, text, (int)row);
            for (size_t column = 0; column < COLUMNS; column++) {
                struct value value = duck_value(rows, column, i, world->arena);
                expect_equal(&value, &values[column]);
            }
        }
    assert_int_equal(row, ROWS);
    duck_reader_close(&reader);
}

static void rows_of_a_source_come_back_from_parquet(void **state)
{
    struct world *world = *state;
    char sql[256];
    add_source(world);
    snprintf(sql, sizeof(sql),
             "COPY (SELECT * FROM made()) TO '%s' (FORMAT parquet, COMPRESSION zstd, "
             "KV_METADATA {view: 'a@1'}, USE_TMP_FILE false)",
             world->path);

    run(world, sql);

    snprintf(sql, sizeof(sql), "SELECT * FROM read_parquet('%s')", world->path);
    expect_rows(world, sql);
}

static void a_table_of_a_source_is_read_while_statements_run(void **state)
{
    struct world *world = *state;
    struct duck_reader *reader;
    const struct duck_rows *rows;
    struct error err;
    add_source(world);
    run(world, "CREATE TABLE kept AS SELECT * FROM made()");
    assert_int_equal(
        duck_query(world->duck, "SELECT range FROM range(100000) t ORDER BY 1 DESC", &reader, &err),
        STATUS_OK);
    assert_int_equal(duck_reader_next(reader, &rows, &err), STATUS_OK);

    expect_rows(world, "SELECT * FROM kept");

    assert_int_equal(duck_reader_next(reader, &rows, &err), STATUS_OK);
    struct value value = duck_value(rows, 0, 0, world->arena);
    assert_int_equal(value.integer, 100000 - 1 - DUCK_ROWS_MAX);
    duck_reader_close(&reader);
}

static void csv_and_ndjson_are_read(void **state)
{
    struct world *world = *state;
    struct duck_reader *reader;
    const struct duck_rows *rows;
    struct error err;
    char sql[256];
    const char text[] = "{\"a\": 1, \"t\": \"2026-01-31T12:00:00Z\"}\n{\"a\": null}\n";
    assert_int_equal(pwrite(world->file, text, sizeof(text) - 1, 0), sizeof(text) - 1);
    snprintf(sql, sizeof(sql),
             "SELECT a::BIGINT, t::TIMESTAMPTZ FROM read_json('%s', format='newline_delimited')",
             world->path);

    assert_int_equal(duck_query(world->duck, sql, &reader, &err), STATUS_OK);

    assert_int_equal(duck_reader_next(reader, &rows, &err), STATUS_OK);
    assert_int_equal(duck_rows_count(rows), 2);
    assert_int_equal(duck_value(rows, 0, 0, world->arena).integer, 1);
    assert_int_equal(duck_value(rows, 1, 0, world->arena).integer, INT64_C(1769860800000000));
    assert_int_equal(duck_value(rows, 0, 1, world->arena).kind, VALUE_NULL);
    duck_reader_close(&reader);
}

static void times_of_all_units_are_floored_to_microseconds(void **state)
{
    static const struct {
        const char *sql;
        enum value_kind kind;
        int64_t us;
    } cases[] = {
        {"SELECT TIMESTAMP_NS '1969-12-31 23:59:59.999999999'", VALUE_TIMESTAMP, -1},
        {"SELECT TIMESTAMP_NS '1970-01-01 00:00:00.000001999'", VALUE_TIMESTAMP, 1},
        {"SELECT TIMESTAMP_MS '1970-01-01 00:00:01.5'", VALUE_TIMESTAMP, 1500000},
        {"SELECT TIMESTAMP_S '1970-01-01 00:00:02'", VALUE_TIMESTAMP, 2000000},
        {"SELECT TIMESTAMP '1970-01-01 00:00:03'", VALUE_TIMESTAMP, 3000000},
        {"SELECT TIMESTAMP '1970-01-01 00:00:03'::TIMESTAMPTZ", VALUE_TIMESTAMP, 3000000},
        {"SELECT TIMESTAMPTZ '1970-01-01 02:00:03+02'", VALUE_TIMESTAMP, 3000000},
        {"SELECT DATE '1970-01-02'", VALUE_TIMESTAMP, INT64_C(86400000000)},
        {"SELECT 'infinity'::TIMESTAMP", VALUE_OVERFLOW, 0},
        {"SELECT 'infinity'::DATE", VALUE_OVERFLOW, 0},
        {"SELECT 'nan'::DOUBLE", VALUE_OVERFLOW, 0},
        {"SELECT 1.5::FLOAT = 1.5", VALUE_BOOL, 1},
        {"SELECT 12::UTINYINT", VALUE_INT, 12},
        {"SELECT 1.25::DECIMAL(4,2)", VALUE_DECIMAL, 125},
        {"SELECT 1.25::DECIMAL(38,2)", VALUE_NULL, 0},
        {"SELECT NULL", VALUE_NULL, 0},
    };
    struct world *world = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct duck_reader *reader;
        const struct duck_rows *rows;
        struct error err;
        assert_int_equal(duck_query(world->duck, cases[i].sql, &reader, &err), STATUS_OK);
        assert_int_equal(duck_reader_next(reader, &rows, &err), STATUS_OK);
        struct value value = duck_value(rows, 0, 0, world->arena);
        assert_int_equal(value.kind, cases[i].kind);
        if (value_is_integral(value.kind))
            assert_int_equal(value.integer, cases[i].us);
        assert_int_equal(duck_reader_next(reader, &rows, &err), STATUS_NOT_FOUND);
        duck_reader_close(&reader);
    }
}

static void failures_say_what_they_are(void **state)
{
    struct world *world = *state;
    struct duck_reader *reader;
    struct error err;
    const char *const refused[] = {
        "SELEC",
        "SELECT * FROM read_parquet('/etc/passwd')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "COPY (SELECT 1) TO '/tmp/asof-duck-outside.csv'",
        "ATTACH '/tmp/asof-duck-outside.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT * FROM read_csv('http://127.0.0.1:1/x.csv')",
        "SET memory_limit = '100GB'",
        "SET enable_external_access = true",
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        assert_int_equal(duck_run(world->duck, refused[i], &err), STATUS_INVALID);
        assert_true(strlen(err.text) > 10 && strchr(err.text, '\n') == NULL);
        assert_int_not_equal(duck_query(world->duck, refused[i], &reader, &err), STATUS_OK);
        assert_null(reader);
    }
    assert_int_equal(duck_run(world->duck, "SELECT list(range) FROM range(100000000)", &err),
                     STATUS_LIMIT);
}

static void a_source_that_fails_ends_the_statement_with_its_words(void **state)
{
    struct world *world = *state;
    struct error err;
    world->fill_ends = STATUS_CORRUPT;
    add_source(world);

    assert_int_equal(duck_run(world->duck, "CREATE TABLE kept AS SELECT * FROM made()", &err),
                     STATUS_CORRUPT);

    assert_string_equal(err.text, "the source broke");
}

static void what_is_more_than_the_memory_spills(void **state)
{
    struct world *world = *state;
    run(world, "CREATE TABLE wide AS SELECT range AS i, random() AS r, repeat('x', 100) AS s "
               "FROM range(1000000)");
    run(world, "CREATE TABLE sorted AS SELECT * FROM wide ORDER BY r");
    run(world, "DROP TABLE wide; DROP TABLE sorted");
}

static void an_interrupt_ends_what_comes_after(void **state)
{
    struct world *world = *state;
    struct error err;
    duck_interrupt(world->duck);
    assert_int_equal(duck_run(world->duck, "SELECT 1", &err), STATUS_CANCELLED);
}

static void texts_and_names_are_quoted(void **state)
{
    (void)state;
    struct buffer sql = {0};
    duck_append_text(&sql, bytes_of("it's\0", 5));
    duck_append_name(&sql, bytes_of_text("a \"b\""));
    assert_true(bytes_equal_text(buffer_bytes(&sql), "'it''s'\"a \"\"b\"\"\""));
    buffer_fini(&sql);
}

int main(void)
{
#define DUCK_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        DUCK_TEST(rows_of_a_source_come_back_from_parquet),
        DUCK_TEST(a_table_of_a_source_is_read_while_statements_run),
        DUCK_TEST(csv_and_ndjson_are_read),
        DUCK_TEST(times_of_all_units_are_floored_to_microseconds),
        DUCK_TEST(failures_say_what_they_are),
        DUCK_TEST(a_source_that_fails_ends_the_statement_with_its_words),
        DUCK_TEST(what_is_more_than_the_memory_spills),
        DUCK_TEST(an_interrupt_ends_what_comes_after),
        cmocka_unit_test(texts_and_names_are_quoted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
