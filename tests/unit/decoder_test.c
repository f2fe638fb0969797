#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "random.h"
#include "stream/decoder.h"
#include "stream/kafka.h"

static const struct field_definition fields[] = {
    {.name = {"id", 2}, .type = {.kind = VALUE_STRING}},
    {.name = {"ts", 2}, .type = {.kind = VALUE_TIMESTAMP}, .unit = TIME_MILLISECONDS},
    {.name = {"at", 2}, .type = {.kind = VALUE_TIMESTAMP}, .unit = TIME_RFC3339},
    {.name = {"ns", 2}, .type = {.kind = VALUE_TIMESTAMP}, .unit = TIME_NANOSECONDS},
    {.name = {"amount", 6}, .type = {.kind = VALUE_DECIMAL, .digits = 2}},
    {.name = {"n", 1}, .type = {.kind = VALUE_INT}},
    {.name = {"x", 1}, .type = {.kind = VALUE_DOUBLE}},
    {.name = {"ok", 2}, .type = {.kind = VALUE_BOOL}},
};
enum { FIELDS_COUNT = sizeof(fields) / sizeof(fields[0]), AMOUNT = 4 };

static struct decoder *decoder;
static struct arena *arena;

static int begin(void **state)
{
    (void)state;
    decoder = decoder_create(fields, FIELDS_COUNT);
    arena = arena_create(4096);
    return 0;
}

static int end(void **state)
{
    (void)state;
    decoder_destroy(&decoder);
    arena_destroy(&arena);
    return 0;
}

static enum status decode(struct bytes text, struct decoded_event *event, struct error *err)
{
    const struct push_event push = {.format = EVENT_JSON, .text = text};
    return decoder_decode(decoder, &push, arena, event, err);
}

/* The value of one field of a good event, as JSON. */
static void assert_field(const char *text, size_t field, const char *expected)
{
    struct decoded_event event;
    struct error err;
    struct buffer shown = {0};
    if (decode(bytes_of_text(text), &event, &err) != STATUS_OK)
        fail_msg("%s: %s", text, err.text);
    if (event.first_mismatch >= 0)
        fail_msg("%s: %s", text, event.mismatch.text);
    value_append_json(&event.values[field], &shown);
    buffer_append_byte(&shown, '\0');
    assert_string_equal(buffer_bytes(&shown).data, expected);
    buffer_fini(&shown);
}

static void values_take_the_type_of_their_field(void **state)
{
    (void)state;
    assert_field("{\"id\":\"t\\u00e9\\ud83d\\ude00\"}", 0, "\"t\xc3\xa9\xf0\x9f\x98\x80\"");
    assert_field("{\"\\u0069d\":\"x\"}", 0, "\"x\"");
    assert_field("{\"id\":null}", 0, "null");
    assert_field("{}", 0, "null");
    assert_field("{\"ts\":1700000000123}", 1, "1700000000123000");
    assert_field("{\"ts\":-1}", 1, "-1000");
    assert_field("{\"at\":\"2023-11-14T22:13:20.5+01:00\"}", 2, "1699996400500000");
    assert_field("{\"ns\":-1}", 3, "-1");
    assert_field("{\"ns\":1999}", 3, "1");
    assert_field("{\"amount\":12.34}", 4, "12.34");
    assert_field("{\"amount\":1.500}", 4, "1.5");
    assert_field("{\"amount\":\"0.10\"}", 4, "0.1");
    assert_field("{\"amount\":9999999999999999.99}", 4, "9999999999999999.99");
    assert_field("{\"n\":9223372036854775807}", 5, "9223372036854775807");
    assert_field("{\"n\":1e3}", 5, "1000");
    assert_field("{\"x\":-0.0}", 6, "0");
    assert_field("{\"ok\":true,\"other\":{\"ok\":[1,{\"deep\":2}]}}", 7, "true");
}

static void a_value_of_a_wrong_type_is_told_with_its_field(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{\"id\":5}", "field 'id': expected string, got the number '5'"},
        {"{\"ts\":\"2023\"}", "field 'ts': expected timestamp_ms, got the string '2023'"},
        {"{\"ts\":1e300}", "field 'ts': expected a time since 1970"},
        {"{\"at\":\"2023-11-14\"}", "field 'at': expected a time as in 2026-01-31T12:00:00Z"},
        {"{\"at\":\"2023-11-14T22:13:20\"}", "field 'at': expected a time"},
        {"{\"amount\":1.234}", "field 'amount': decimal(2) can't hold '1.234' exactly"},
        {"{\"amount\":12345678901234567.1}", "field 'amount': decimal(2) can't hold"},
        {"{\"amount\":\"abc\"}", "field 'amount': expected decimal(2), got the string 'abc'"},
        {"{\"n\":9223372036854775808}", "field 'n': int can't hold '9223372036854775808'"},
        {"{\"n\":1.5}", "field 'n': int can't hold '1.5' exactly"},
        {"{\"n\":\"7\"}", "field 'n': expected int, got the string '7'"},
        {"{\"x\":1e999}", "field 'x': double can't hold '1e999'"},
        {"{\"ok\":1}", "field 'ok': expected bool, got the number '1'"},
        {"{\"n\":[1]}", "field 'n': expected int, got an object or a list"},
        {"{\"n\":{}}", "field 'n': expected int, got an object or a list"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct decoded_event event;
        struct error err;
        assert_int_equal(decode(bytes_of_text(cases[i][0]), &event, &err), STATUS_OK);
        if (event.first_mismatch < 0 || strstr(event.mismatch.text, cases[i][1]) == NULL)
            fail_msg("%s: %s", cases[i][0],
                     event.first_mismatch < 0 ? "accepted" : event.mismatch.text);
    }
}

static void what_is_no_json_object_is_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "not valid JSON"},
        {"{", "not valid JSON"},
        {"{}x", "not valid JSON"},
        {"{} {}", "not valid JSON"},
        {"[1]", "an event is a JSON object"},
        {"7", "an event is a JSON object"},
        {"null", "an event is a JSON object"},
        {"{\"n\":01}", "not valid JSON"},
        {"{\"n\":NaN}", "not valid JSON"},
        {"{\"n\":1,}", "not valid JSON"},
        {"{'n':1}", "not valid JSON"},
        {"{\"n\":1,\"n\":2}", "key 'n' stands twice"},
        {"{\"u\":1,\"\\u0075\":2}", "key 'u' stands twice"},
        {"{\"id\":\"\\ud800\"}", "half of a surrogate pair"},
        {"{\"id\":\"\\udc00\\ud800\"}", "half of a surrogate pair"},
        {"{\"id\":\"\xff\"}", "not valid UTF-8"},
        {"{\"id\":\"\xed\xa0\x80\"}", "not valid UTF-8"},
        {"{\"id\":\"a\nb\"}", "not valid JSON"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct decoded_event event;
        struct error err = {0};
        enum status status = decode(bytes_of_text(cases[i][0]), &event, &err);
        if (status != STATUS_INVALID || strstr(err.text, cases[i][1]) == NULL)
            fail_msg("%s: %s: %s", cases[i][0], status_name(status), err.text);
    }
}

static void what_is_too_deep_or_too_wide_is_refused(void **state)
{
    (void)state;
    struct decoded_event event;
    struct error err;
    struct buffer text = {0};
    buffer_append_text(&text, "{\"a\":");
    for (size_t i = 0; i < 100000; i++)
        buffer_append_byte(&text, '[');
    assert_int_equal(decode(buffer_bytes(&text), &event, &err), STATUS_LIMIT);
    assert_non_null(strstr(err.text, "nested deeper than 64 levels"));

    buffer_reset(&text, SIZE_MAX);
    for (size_t i = 0; i <= EVENT_KEYS_MAX; i++)
        buffer_format(&text, "%c\"k%zu\":1", i == 0 ? '{' : ',', i);
    buffer_append_byte(&text, '}');
    assert_int_equal(decode(buffer_bytes(&text), &event, &err), STATUS_LIMIT);

    buffer_reset(&text, SIZE_MAX);
    buffer_append_text(&text, "{\"id\":\"");
    memset(buffer_reserve(&text, EVENT_SIZE_MAX), 'x', EVENT_SIZE_MAX);
    buffer_added(&text, EVENT_SIZE_MAX);
    buffer_append_text(&text, "\"}");
    assert_int_equal(decode(buffer_bytes(&text), &event, &err), STATUS_LIMIT);
    buffer_fini(&text);
}

/* What is not in the value is taken from the record alone: of headers of one name the last one, and
 * nothing that was pushed has any. */
static void parts_of_a_record_are_not_members(void **state)
{
    (void)state;
    static const struct field_definition parts[] = {
        {.name = {"_key", 4}, .type = {.kind = VALUE_INT}},
        {.name = {"_header.A-b", 11}, .type = {.kind = VALUE_STRING}},
        {.name = {"_timestamp", 10}, .type = {.kind = VALUE_TIMESTAMP}, .unit = TIME_MILLISECONDS},
        {.name = {"n", 1}, .type = {.kind = VALUE_INT}},
    };
    const struct kafka_header headers[] = {
        {.name = bytes_of_text("A-b"), .value = bytes_of_text("first")},
        {.name = bytes_of_text("A-b"), .value = bytes_of_text("last")},
        {.name = bytes_of_text("a-b"), .value = bytes_of_text("another")}};
    const struct event_record record = {
        .key = bytes_of_text("17"), .timestamp_ms = 5, .headers = headers, .headers_count = 3};
    struct push_event push = {
        .format = EVENT_JSON,
        .text = bytes_of_text("{\"_key\":1,\"_header.A-b\":\"x\",\"_timestamp\":2,\"n\":3}"),
        .record = &record};
    struct decoder *of_parts = decoder_create(parts, 4);
    struct decoded_event event;
    struct error err;

    assert_int_equal(decoder_decode(of_parts, &push, arena, &event, &err), STATUS_OK);
    assert_int_equal(event.first_mismatch, -1);
    assert_int_equal(event.values[0].integer, 17);
    assert_true(bytes_equal_text(event.values[1].text, "last"));
    assert_int_equal(event.values[2].integer, 5000);
    assert_int_equal(event.values[3].integer, 3);

    push.record = NULL;
    assert_int_equal(decoder_decode(of_parts, &push, arena, &event, &err), STATUS_OK);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(event.values[i].kind, VALUE_NULL);

    const struct event_record no_number = {.key = bytes_of_text("\xff"), .timestamp_ms = -1};
    push.record = &no_number;
    assert_int_equal(decoder_decode(of_parts, &push, arena, &event, &err), STATUS_OK);
    assert_int_equal(event.first_mismatch, 0);
    assert_int_equal(event.values[2].kind, VALUE_NULL);
    assert_true(decoder_takes_headers(of_parts) && decoder_takes_record(of_parts));
    assert_false(decoder_takes_headers(decoder) || decoder_takes_record(decoder));
    decoder_destroy(&of_parts);
}

static void pairs_are_read_by_the_type_of_their_field(void **state)
{
    (void)state;
    const struct bytes pairs[] = {bytes_of_text("amount"), bytes_of_text("12.30"),
                                  bytes_of_text("ok"),     bytes_of_text("1"),
                                  bytes_of_text("at"),     bytes_of_text("2023-11-14T22:13:20Z"),
                                  bytes_of_text("id"),     bytes_of_text("7"),
                                  bytes_of_text("n"),      bytes_of_text("x")};
    const struct push_event push = {.format = EVENT_PAIRS, .pairs = pairs, .pairs_count = 5};
    struct decoded_event event;

    assert_int_equal(decoder_decode(decoder, &push, arena, &event, NULL), STATUS_OK);

    assert_int_equal(event.values[AMOUNT].integer, 1230);
    assert_int_equal(event.values[7].integer, 1);
    assert_int_equal(event.values[2].integer, 1700000000000000);
    assert_true(bytes_equal_text(event.values[0].text, "7"));
    assert_int_equal(event.first_mismatch, 5);
    assert_true(event.mismatched[5]);
}

static void a_field_of_two_types_fills_two_slots(void **state)
{
    (void)state;
    const struct field_definition old_amount = {.name = {"amount", 6},
                                                .type = {.kind = VALUE_STRING}};
    struct decoded_event event;
    size_t slot;
    size_t again;

    assert_int_equal(decoder_slot(decoder, &old_amount, &slot, NULL), STATUS_OK);
    assert_int_equal(slot, FIELDS_COUNT);
    assert_int_equal(decoder_slot(decoder, &old_amount, &again, NULL), STATUS_OK);
    assert_int_equal(again, slot);
    assert_int_equal(decoder_slot(decoder, &fields[AMOUNT], &again, NULL), STATUS_OK);
    assert_int_equal(again, AMOUNT);
    assert_int_equal(decode(bytes_of_text("{\"amount\":12.5}"), &event, NULL), STATUS_OK);
    assert_int_equal(event.values[AMOUNT].integer, 1250);
    assert_true(event.mismatched[slot]);
    assert_int_equal(event.first_mismatch, -1);
    assert_int_equal(decode(bytes_of_text("{\"amount\":\"12.5\"}"), &event, NULL), STATUS_OK);
    assert_int_equal(event.values[AMOUNT].integer, 1250);
    assert_true(bytes_equal_text(event.values[slot].text, "12.5"));
}

static void assert_same_decoding(struct decoder *plain, struct bytes text)
{
    struct decoded_event events[2];
    struct error errors[2] = {{{0}}};
    struct buffer shown[2] = {{0}};
    const struct push_event push = {.format = EVENT_JSON, .text = text};
    enum status status = decoder_decode(decoder, &push, arena, &events[0], &errors[0]);
    if (decoder_decode(plain, &push, arena, &events[1], &errors[1]) != status)
        fail_msg("%.*s: '%s', plain: '%s'", BYTES_ARGS(text), errors[0].text, errors[1].text);
    if (status != STATUS_OK) {
        assert_string_equal(errors[0].text, errors[1].text);
        return;
    }
    assert_int_equal(events[0].first_mismatch, events[1].first_mismatch);
    if (events[0].first_mismatch >= 0)
        assert_string_equal(events[0].mismatch.text, events[1].mismatch.text);
    assert_memory_equal(events[0].mismatched, events[1].mismatched, FIELDS_COUNT);
    for (int i = 0; i < 2; i++) {
        for (size_t j = 0; j < FIELDS_COUNT; j++)
            value_append_json(&events[i].values[j], &shown[i]);
        buffer_append_byte(&shown[i], '\0');
    }
    assert_string_equal(buffer_bytes(&shown[0]).data, buffer_bytes(&shown[1]).data);
    buffer_fini(&shown[0]);
    buffer_fini(&shown[1]);
}

/* Texts of JSON's tokens in an order that is often right. */
static void flat_and_plain_decoding_are_the_same(void **state)
{
    (void)state;
    enum { ROUNDS = 100000, MEMBERS_MAX = 4 };
    static const char *const keys[] = {"\"id\"",    "\"ts\"", "\"amount\"",   "\"n\"", "\"ok\"",
                                       "\"other\"", "\"\"",   "\"i\\u0064\"", "\"x\""};
    static const char *const values[] = {"\"a\"",
                                         "\"\"",
                                         "1",
                                         "-12.50",
                                         "0",
                                         "-0",
                                         "01",
                                         "1e3",
                                         "1E+3",
                                         "1e",
                                         "1.",
                                         ".5",
                                         "-",
                                         "+1",
                                         "true",
                                         "false",
                                         "null",
                                         "nul",
                                         "truex",
                                         "{}",
                                         "[1]",
                                         "\"a\\nb\"",
                                         "\"a\nb\"",
                                         "\"a",
                                         "1700000000123",
                                         "\"\xc3\xa9\"",
                                         "\"\xc3\"",
                                         "NaN",
                                         "\"2023-11-14T22:13:20Z\""};
    static const char *const spaces[] = {"", "", "", "", "", "", " ", "\n\t", "\r", "\v", ",", "}"};
    enum {
        KEYS = sizeof(keys) / sizeof(keys[0]),
        VALUES = sizeof(values) / sizeof(values[0]),
        SPACES = sizeof(spaces) / sizeof(spaces[0]),
    };
    struct random random = random_begin(__func__);
    struct decoder *plain = decoder_create(fields, FIELDS_COUNT);
    struct buffer text = {0};
    decoder_go_plain(plain);

    for (int round = 0; round < ROUNDS; round++) {
        size_t members = random_below(&random, MEMBERS_MAX + 1);
        buffer_reset(&text, SIZE_MAX);
        arena_reset(arena);
        buffer_append_text(&text, "{");
        for (size_t i = 0; i < members; i++) {
            buffer_append_text(&text, i > 0 ? "," : "");
            buffer_append_text(&text, spaces[random_below(&random, SPACES)]);
            buffer_append_text(&text, keys[random_below(&random, KEYS)]);
            buffer_append_text(&text, spaces[random_below(&random, SPACES)]);
            buffer_append_text(&text, ":");
            buffer_append_text(&text, spaces[random_below(&random, SPACES)]);
            buffer_append_text(&text, values[random_below(&random, VALUES)]);
            buffer_append_text(&text, spaces[random_below(&random, SPACES)]);
        }
        buffer_append_text(&text, "}");
        buffer_append_text(&text, spaces[random_below(&random, SPACES)]);
        struct bytes whole = buffer_bytes(&text);
        assert_same_decoding(plain, whole);
        assert_same_decoding(plain, bytes_of(whole.data, random_below(&random, whole.size)));
    }
    buffer_fini(&text);
    decoder_destroy(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_take_the_type_of_their_field, begin, end),
        cmocka_unit_test_setup_teardown(a_value_of_a_wrong_type_is_told_with_its_field, begin, end),
        cmocka_unit_test_setup_teardown(what_is_no_json_object_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(what_is_too_deep_or_too_wide_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(parts_of_a_record_are_not_members, begin, end),
        cmocka_unit_test_setup_teardown(pairs_are_read_by_the_type_of_their_field, begin, end),
        cmocka_unit_test_setup_teardown(a_field_of_two_types_fills_two_slots, begin, end),
        cmocka_unit_test_setup_teardown(flat_and_plain_decoding_are_the_same, begin, end),
    };
    return cmocka_run_group_tests_name("decoder", tests, NULL, NULL);
}
