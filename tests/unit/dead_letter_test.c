/* Rows of dead letters and positions: what is written is read, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base64.h"
#include "stream/dead_letter.h"
#include "stream/kafka.h"
#include "stream/positions.h"

static struct dead_letter some_letter(const struct kafka_header *headers, size_t headers_count)
{
    return (struct dead_letter){.reason = REFUSED_LATE,
                                .time_us = 1700000000000000,
                                .error = bytes_of_text("why"),
                                .topic = bytes_of_text("things"),
                                .origin = 3,
                                .partition = 7,
                                .offset = 1234567890123,
                                .timestamp_ms = -1,
                                .value = bytes_of_text("{}"),
                                .value_size = 2,
                                .headers = headers,
                                .headers_count = headers_count};
}

static void a_letter_is_read_as_it_was_written(void **state)
{
    (void)state;
    const struct kafka_header headers[] = {
        {.name = bytes_of_text("a"), .value = bytes_of_text("1")}, {.name = bytes_of_text("b")}};
    struct arena *arena = arena_create(1024);
    struct dead_letter letter = some_letter(headers, 2);
    struct dead_letter read;
    struct buffer row = {0};
    struct error err = {0};

    dead_letter_encode(&letter, &row);

    assert_int_equal(dead_letter_decode(buffer_bytes(&row), arena, &read, &err), STATUS_OK);
    assert_int_equal(read.reason, REFUSED_LATE);
    assert_int_equal(read.offset, letter.offset);
    assert_int_equal(read.timestamp_ms, -1);
    assert_null(read.key.data);
    assert_true(bytes_equal_text(read.value, "{}"));
    assert_int_equal(read.headers_count, 2);
    assert_true(bytes_equal_text(read.headers[0].value, "1"));
    assert_null(read.headers[1].value.data);
    buffer_fini(&row);
    arena_destroy(&arena);
}

static void a_row_that_is_cut_or_longer_is_corrupt(void **state)
{
    (void)state;
    struct arena *arena = arena_create(1024);
    struct dead_letter letter = some_letter(NULL, 0);
    struct dead_letter read;
    struct buffer row = {0};
    struct error err = {0};
    dead_letter_encode(&letter, &row);

    for (size_t size = 0; size < row.size; size++)
        assert_int_equal(
            dead_letter_decode(bytes_of(buffer_bytes(&row).data, size), arena, &read, &err),
            STATUS_CORRUPT);
    buffer_append_byte(&row, 0);
    assert_int_equal(dead_letter_decode(buffer_bytes(&row), arena, &read, &err), STATUS_CORRUPT);
    buffer_fini(&row);
    arena_destroy(&arena);
}

static void what_is_too_long_is_cut_and_its_size_is_kept(void **state)
{
    (void)state;
    static char text[LETTER_VALUE_SIZE_MAX + 1];
    struct arena *arena = arena_create(1024);
    struct dead_letter letter = some_letter(NULL, 0);
    struct dead_letter read;
    struct buffer row = {0};
    letter.value = bytes_of(text, sizeof(text));
    letter.value_size = sizeof(text);

    dead_letter_encode(&letter, &row);

    assert_int_equal(dead_letter_decode(buffer_bytes(&row), arena, &read, NULL), STATUS_OK);
    assert_int_equal(read.value.size, LETTER_VALUE_SIZE_MAX);
    assert_int_equal(read.value_size, sizeof(text));
    buffer_fini(&row);
    arena_destroy(&arena);
}

static void a_position_is_read_as_it_was_written_and_nonsense_is_not(void **state)
{
    (void)state;
    char row[POSITION_SIZE];
    struct position read;
    struct position position = position_at(2, 100);
    position_write(&position, row);
    assert_true(position_read(bytes_of(row, sizeof(row)), &read));
    assert_int_equal(read.next, 100);
    assert_int_equal(read.last.offset, -1);

    position.first = (struct record_mark){.offset = 5, .timestamp_ms = 9, .digest = 11};
    position.last = (struct record_mark){.offset = 99, .timestamp_ms = 10, .digest = 12};
    position_write(&position, row);
    assert_true(position_read(bytes_of(row, sizeof(row)), &read));
    assert_true(record_mark_equal(&read.last, &position.last));
    assert_false(position_read(bytes_of(row, sizeof(row) - 1), &read));

    position.last.offset = 100; /* not before the next one */
    position_write(&position, row);
    assert_false(position_read(bytes_of(row, sizeof(row)), &read));
}

static void base64_is_that_of_the_rfc(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
        {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\xff\xfe", "//4="}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer out = {0};
        base64_append(bytes_of_text(cases[i][0]), &out);
        assert_true(bytes_equal_text(buffer_bytes(&out), cases[i][1]));
        buffer_fini(&out);
    }
}

static void properties_that_are_ours_or_run_code_are_refused(void **state)
{
    (void)state;
    static const char *const refused[] = {"group.id",
                                          "enable.auto.commit",
                                          "isolation.level",
                                          "plugin.library.paths",
                                          "sasl.kerberos.kinit.cmd",
                                          "test.mock.num.brokers",
                                          "no.such.property"};
    struct error err = {0};
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        assert_int_equal(kafka_check_property(bytes_of_text(refused[i]), bytes_of_text("1"), &err),
                         STATUS_INVALID);
    assert_int_equal(
        kafka_check_property(bytes_of_text("fetch.min.bytes"), bytes_of_text("1"), &err),
        STATUS_OK);
    assert_int_equal(
        kafka_check_property(bytes_of_text("fetch.min.bytes"), bytes_of_text("x"), &err),
        STATUS_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_letter_is_read_as_it_was_written),
        cmocka_unit_test(a_row_that_is_cut_or_longer_is_corrupt),
        cmocka_unit_test(what_is_too_long_is_cut_and_its_size_is_kept),
        cmocka_unit_test(a_position_is_read_as_it_was_written_and_nonsense_is_not),
        cmocka_unit_test(base64_is_that_of_the_rfc),
        cmocka_unit_test(properties_that_are_ours_or_run_code_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
