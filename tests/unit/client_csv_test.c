/* CSV after RFC 4180, and a row as the JSON object of an event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "csv_event.h"
#include "random.h"

/* ---- splitting ---- */

/* Writes the fields as "[a][b]", those that were quoted as "['a']". */
static void split_to_text(const char *text, struct buffer *out, enum status *status)
{
    struct csv_record *record = malloc(sizeof(*record));
    struct buffer scratch = {0};
    struct error err = {{0}};
    *status = csv_split(bytes_of_text(text), &scratch, record, &err);
    for (size_t i = 0; *status == STATUS_OK && i < record->count; i++) {
        const char *quote = record->fields[i].is_quoted ? "'" : "";
        buffer_format(out, "[%s%.*s%s]", quote, BYTES_ARGS(record->fields[i].text), quote);
    }
    if (*status != STATUS_OK)
        buffer_append_text(out, err.text);
    buffer_append_byte(out, '\0');
    buffer_fini(&scratch);
    free(record);
}

static void records_are_split_as_rfc_4180_says(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *fields;
    } cases[] = {
        {"a,b,c\n", "[a][b][c]"},
        {"a,b,c\r\n", "[a][b][c]"},
        {"a,b,c", "[a][b][c]"},
        {"", "[]"},
        {"\n", "[]"},
        {",\n", "[][]"},
        {"a,\n", "[a][]"},
        {"\"\"\n", "['']"},
        {"\"\",,\"\"\r\n", "[''][]['']"},
        {"\"a,b\",c\n", "['a,b'][c]"},
        {"\"say \"\"hi\"\"\",\"\"\"\"\n", "['say \"hi\"']['\"']"},
        {"\"two\nlines\",\"\r\n\"\n", "['two\nlines']['\r\n']"},
        {" a , b \n", "[ a ][ b ]"},
        {"a\"b,c\"\n", "[a\"b][c\"]"},
        {"\"a\rb\",\"c\r\"\r\n", "['a\rb']['c\r']"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer fields = {0};
        enum status status;

        split_to_text(cases[i].text, &fields, &status);

        assert_int_equal(status, STATUS_OK);
        assert_string_equal(buffer_bytes(&fields).data, cases[i].fields);
        buffer_fini(&fields);
    }
}

static void what_is_no_csv_is_refused_with_the_column(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *part;
    } cases[] = {
        {"a,\"b\n", "column 2: the quote that opens is never closed"},
        {"\"a\"b,c\n", "column 1: text behind the closing quote"},
        {"\"a\" ,c\n", "column 1: text behind the closing quote"},
        {"a\rb,c\n", "column 1: a CR outside of quotes"},
        {"a,b\r1,x\r2,y\r", "column 2: a CR outside of quotes"},
        {"a,b\r\r\n", "column 2: a CR outside of quotes"},
        {"a,\"b\"\r1,x\n", "column 2: a CR outside of quotes"},
        {"\"", "column 1: the quote that opens is never closed"},
        {"\"\"\"", "column 1: the quote that opens is never closed"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer message = {0};
        enum status status;

        split_to_text(cases[i].text, &message, &status);

        assert_int_equal(status, STATUS_INVALID);
        assert_non_null(strstr(buffer_bytes(&message).data, cases[i].part));
        buffer_fini(&message);
    }
}

static void more_columns_than_the_limit_are_refused(void **state)
{
    (void)state;
    struct buffer text = {0};
    struct buffer out = {0};
    enum status status;
    for (int i = 0; i < CSV_FIELDS_MAX; i++)
        buffer_append_byte(&text, ',');
    buffer_append_byte(&text, '\0');

    split_to_text(buffer_bytes(&text).data, &out, &status);

    assert_int_equal(status, STATUS_LIMIT);
    buffer_fini(&text);
    buffer_fini(&out);
}

/* ---- finding records ---- */

static void a_record_ends_where_it_does_however_it_is_cut(void **state)
{
    (void)state;
    static const char alphabet[] = "a,\"\n\r";
    struct random random = random_begin("csv_scan");
    for (int round = 0; round < 20000; round++) {
        char text[24];
        size_t size = random_below(&random, sizeof(text));
        for (size_t i = 0; i < size; i++)
            text[i] = alphabet[random_below(&random, sizeof(alphabet) - 1)];
        struct csv_scanner whole = {0};
        struct csv_scanner pieces = {0};
        size_t whole_size = 0;
        size_t piece_size = 0;

        bool ends = csv_scan(&whole, bytes_of(text, size), &whole_size);
        size_t cut = random_below(&random, size + 1);
        bool ends_in_first = csv_scan(&pieces, bytes_of(text, cut), &piece_size);
        bool ends_in_second = false;
        if (!ends_in_first) {
            ends_in_second = csv_scan(&pieces, bytes_of(text + cut, size - cut), &piece_size);
            piece_size += cut;
        }

        assert_int_equal(ends, ends_in_first || ends_in_second);
        if (ends)
            assert_int_equal(whole_size, piece_size);
        else
            assert_int_equal(csv_is_open(&whole), csv_is_open(&pieces));
    }
}

/* ---- rows as events ---- */

static const struct source_field fields[] = {
    {{"txn", 3}, {"string", 6}},   {{"ts", 2}, {"timestamp_ms", 12}},
    {{"at", 2}, {"timestamp", 9}}, {{"amount", 6}, {"decimal(2)", 10}},
    {{"ok", 2}, {"bool", 4}},
};
enum { FIELDS_COUNT = sizeof(fields) / sizeof(fields[0]) };

/* Converts a row under a header; the JSON or the sentence, ended by NUL. */
static enum status convert(const char *header, const char *row, struct buffer *out)
{
    struct csv_record *record = malloc(sizeof(*record));
    struct arena *arena = arena_create(1024);
    struct buffer scratch = {0};
    struct error err = {{0}};
    struct csv_columns columns;

    assert_int_equal(csv_split(bytes_of_text(header), &scratch, record, &err), STATUS_OK);
    enum status status = csv_columns_read(record, fields, FIELDS_COUNT, arena, &columns, &err);
    if (status == STATUS_OK) {
        assert_int_equal(csv_split(bytes_of_text(row), &scratch, record, &err), STATUS_OK);
        status = csv_event_append(&columns, record, out, &err);
    }
    if (status != STATUS_OK)
        buffer_append_text(out, err.text);
    buffer_append_byte(out, '\0');
    buffer_fini(&scratch);
    arena_destroy(&arena);
    free(record);
    return status;
}

static void cells_take_the_type_of_their_field(void **state)
{
    (void)state;
    static const struct {
        const char *row;
        const char *json;
    } cases[] = {
        {"t1,1700000000123,12.50,true",
         "{\"txn\":\"t1\",\"ts\":1700000000123,\"amount\":12.50,\"ok\":true}"},
        {"7,,-1e3,0", "{\"txn\":\"7\",\"amount\":-1e3,\"ok\":false}"},
        {"\"\",,,", "{\"txn\":\"\"}"},
        {",,,", "{}"},
        {"\"a \"\"b\"\"\n\",1,2,FALSE",
         "{\"txn\":\"a \\\"b\\\"\\u000a\",\"ts\":1,\"amount\":2,\"ok\":false}"},
        /* What is not of its type goes as a string: the server refuses it and says why. */
        {"t,2026-01-31T12:00:00Z,1.,yes",
         "{\"txn\":\"t\",\"ts\":\"2026-01-31T12:00:00Z\",\"amount\":\"1.\",\"ok\":\"yes\"}"},
        {"t,01,+1,2", "{\"txn\":\"t\",\"ts\":\"01\",\"amount\":\"+1\",\"ok\":\"2\"}"},
        {"t,\"1\",NaN,", "{\"txn\":\"t\",\"ts\":1,\"amount\":\"NaN\"}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer json = {0};

        enum status status = convert("txn,ts,amount,ok", cases[i].row, &json);

        assert_int_equal(status, STATUS_OK);
        assert_string_equal(buffer_bytes(&json).data, cases[i].json);
        buffer_fini(&json);
    }
}

static void rfc_3339_times_are_strings_and_unknown_columns_are_left_out(void **state)
{
    (void)state;
    struct buffer json = {0};

    enum status status = convert("at,extra", "2026-01-31T12:00:00Z,x", &json);

    assert_int_equal(status, STATUS_OK);
    assert_string_equal(buffer_bytes(&json).data, "{\"at\":\"2026-01-31T12:00:00Z\"}");
    buffer_fini(&json);
}

static void a_row_or_header_of_no_use_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        const char *row;
        const char *part;
    } cases[] = {
        {"txn,ts", "t1", "1 cells, but the header has 2 columns"},
        {"txn,ts", "t1,2,3", "3 cells, but the header has 2 columns"},
        {"txn,ts", "\xff,2", "column 'txn' is not UTF-8"},
        {"txn,ts,txn", "", "the header has 'txn' twice"},
        {"a,b", "", "no column of the header is a field of the source"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer message = {0};

        enum status status = convert(cases[i].header, cases[i].row, &message);

        assert_int_equal(status, STATUS_INVALID);
        assert_non_null(strstr(buffer_bytes(&message).data, cases[i].part));
        buffer_fini(&message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_split_as_rfc_4180_says),
        cmocka_unit_test(what_is_no_csv_is_refused_with_the_column),
        cmocka_unit_test(more_columns_than_the_limit_are_refused),
        cmocka_unit_test(a_record_ends_where_it_does_however_it_is_cut),
        cmocka_unit_test(cells_take_the_type_of_their_field),
        cmocka_unit_test(rfc_3339_times_are_strings_and_unknown_columns_are_left_out),
        cmocka_unit_test(a_row_or_header_of_no_use_is_refused),
    };
    return cmocka_run_group_tests_name("client_csv", tests, NULL, NULL);
}
