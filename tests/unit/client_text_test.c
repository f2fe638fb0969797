/* What people see: escaped texts, numbers, tables, progress. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "progress.h"
#include "table.h"
#include "text.h"

static const struct terminal plain = {.columns = 80};

static void what_a_terminal_would_obey_is_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *visible;
        const char *json;
    } cases[] = {
        {"abc", "abc", "\"abc\""},
        {"Gr\xc3\xbc\xc3\x9f"
         "e",
         "Gr\xc3\xbc\xc3\x9f"
         "e",
         "\"Gr\xc3\xbc\xc3\x9f"
         "e\""},
        {"\x1b[31m", "\\x1b[31m", "\"\\u001b[31m\""},
        {"a\nb\tc\r", "a\\nb\\tc\\r", NULL},
        {"\xc2\x9b"
         "31m",
         "\\xc2\\x9b31m",
         "\"\xc2\x9b"
         "31m\""},
        {"a\xff"
         "b\xc3",
         "a\\xffb\\xc3",
         "\"a\xef\xbf\xbd"
         "b\xef\xbf\xbd\""},
        {"\xed\xa0\x80", "\\xed\\xa0\\x80", NULL},
        {"\x7f", "\\x7f", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer visible = {0};
        struct buffer json = {0};

        text_append_visible(&visible, bytes_of_text(cases[i].text));
        text_append_json(&json, bytes_of_text(cases[i].text));

        assert_true(bytes_equal_text(buffer_bytes(&visible), cases[i].visible));
        assert_true(bytes_are_utf8(buffer_bytes(&json)));
        if (cases[i].json != NULL)
            assert_true(bytes_equal_text(buffer_bytes(&json), cases[i].json));
        buffer_fini(&visible);
        buffer_fini(&json);
    }
}

static void numbers_follow_json_s_grammar(void **state)
{
    (void)state;
    static const char *const numbers[] = {"0", "-0", "1", "10", "-1.5", "1e5", "1E+05", "0.1e-7"};
    static const char *const others[] = {"",    "-",   "01", "+1", "1.",  ".5",    "1e",
                                         "1e+", "0x1", "1 ", " 1", "NaN", "1.5.2", "--1"};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        assert_true(text_is_json_number(bytes_of_text(numbers[i])));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(text_is_json_number(bytes_of_text(others[i])));
    assert_false(text_is_json_number(bytes_of("1\0", 2)));
}

static void counts_are_grouped_and_spans_read_as_clocks(void **state)
{
    (void)state;
    char count[TEXT_COUNT_SIZE];
    char span[TEXT_SPAN_SIZE];

    assert_string_equal(text_count(0, count), "0");
    assert_string_equal(text_count(999, count), "999");
    assert_string_equal(text_count(1000, count), "1,000");
    assert_string_equal(text_count(UINT64_MAX, count), "18,446,744,073,709,551,615");
    assert_string_equal(text_span(7 * 1000000, span), "0:07");
    assert_string_equal(text_span(750 * 1000000, span), "12:30");
    assert_string_equal(text_span(INT64_C(3723) * 1000000, span), "1:02:03");
}

static void a_table_aligns_by_code_points(void **state)
{
    (void)state;
    static const struct table_column columns[] = {{"NAME", false}, {"N", true}, {"NOTE", false}};
    struct table *table = table_create(columns, 3);
    struct buffer out = {0};
    table_add_text(table, "Gr\xc3\xbc\xc3\x9f"
                          "e");
    table_add_text(table, "7");
    table_add_text(table, "a\nb");
    table_add_text(table, "x");
    table_add_text(table, "1,234");
    table_add_text(table, "");

    table_append(table, 2, &plain, &out);

    assert_true(bytes_equal_text(buffer_bytes(&out), "  NAME       N  NOTE\n"
                                                     "  Gr\xc3\xbc\xc3\x9f"
                                                     "e      7  a\\nb\n"
                                                     "  x      1,234\n"));
    buffer_fini(&out);
    table_destroy(&table);
    assert_null(table);
}

static void progress_tells_rate_and_time_left_and_fits_the_line(void **state)
{
    (void)state;
    struct progress_state half = {
        .label = "p.csv", .events_done = 50000, .fraction = 0.5, .elapsed_us = 10 * 1000000};
    struct progress_state open_ended = {
        .label = "-", .events_done = 10, .fraction = -1, .elapsed_us = 1000000};
    struct progress_state begun = {.label = "x", .fraction = 0};
    struct buffer out = {0};

    progress_append(&half, 100, &out);
    assert_true(bytes_equal_text(
        buffer_bytes(&out),
        "p.csv  [############............]  50%  50,000 events  5,000/s  0:10 left"));
    buffer_reset(&out, 4096);
    progress_append(&open_ended, 100, &out);
    assert_true(bytes_equal_text(buffer_bytes(&out), "-  10 events  10/s"));
    buffer_reset(&out, 4096);
    progress_append(&begun, 100, &out);
    assert_true(
        bytes_equal_text(buffer_bytes(&out), "x  [........................]   0%  0 events"));
    buffer_reset(&out, 4096);
    progress_append(&half, 62, &out);
    assert_true(bytes_equal_text(buffer_bytes(&out),
                                 "p.csv  [#####.....]  50%  50,000 events  5,000/s  0:10 left"));
    buffer_reset(&out, 4096);
    progress_append(&half, 20, &out);
    assert_int_equal(text_width(buffer_bytes(&out)), 20);
    buffer_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_terminal_would_obey_is_escaped),
        cmocka_unit_test(numbers_follow_json_s_grammar),
        cmocka_unit_test(counts_are_grouped_and_spans_read_as_clocks),
        cmocka_unit_test(a_table_aligns_by_code_points),
        cmocka_unit_test(progress_tells_rate_and_time_left_and_fits_the_line),
    };
    return cmocka_run_group_tests_name("client_text", tests, NULL, NULL);
}
