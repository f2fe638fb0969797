#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/time_text.h"
#include "model/definition.h"

static void a_window_reads_as_it_is_typed_and_writes_the_shortest_way(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct window window;
        const char *written;
    } cases[] = {
        {"5m", {.kind = WINDOW_SLIDING, .size_us = 5 * US_PER_MINUTE}, "5m"},
        {"90m", {.kind = WINDOW_SLIDING, .size_us = 90 * US_PER_MINUTE}, "1h30m"},
        {" 5m ", {.kind = WINDOW_SLIDING, .size_us = 5 * US_PER_MINUTE}, "5m"},
        {"6d step 1h",
         {.kind = WINDOW_HOPPING, .size_us = 6 * US_PER_DAY, .step_us = US_PER_HOUR},
         "6d step 1h"},
        {"1h  step  60m",
         {.kind = WINDOW_HOPPING, .size_us = US_PER_HOUR, .step_us = US_PER_HOUR},
         "1h step 1h"},
        {"tumbling(1d)", {.kind = WINDOW_TUMBLING, .size_us = US_PER_DAY}, "tumbling(1d)"},
        {"tumbling( 1d,offset 5h )",
         {.kind = WINDOW_TUMBLING, .size_us = US_PER_DAY, .offset_us = 5 * US_PER_HOUR},
         "tumbling(1d, offset 5h)"},
        {"session(30m)", {.kind = WINDOW_SESSION, .size_us = 30 * US_PER_MINUTE}, "session(30m)"},
        {"last(1)", {.kind = WINDOW_LAST, .count = 1}, "last(1)"},
        {"last (1000)", {.kind = WINDOW_LAST, .count = 1000}, "last(1000)"},
        {"forever", {.kind = WINDOW_FOREVER}, "forever"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct window window;
        struct window again;
        struct error err;
        struct buffer text = {0};

        assert_int_equal(window_parse(bytes_of_text(cases[i].text), &window, &err), STATUS_OK);
        window_append_text(&window, &text);

        assert_memory_equal(&window, &cases[i].window, sizeof(window));
        assert_true(bytes_equal_text(buffer_bytes(&text), cases[i].written));
        assert_int_equal(window_parse(buffer_bytes(&text), &again, &err), STATUS_OK);
        assert_memory_equal(&window, &again, sizeof(window));
        buffer_fini(&text);
    }
}

static void what_is_no_window_is_refused_with_what_would_be(void **state)
{
    (void)state;
#define FORMS                                                                                      \
    "write one like 5m, 7d step 1h, tumbling(1d, offset 6h), session(30m), last(5) or forever"
    static const struct {
        const char *text;
        const char *sentence;
    } cases[] = {
        {"", "'' is no window; " FORMS},
        {"5x", "'5x' is no window; " FORMS},
        {"5M", "'5M' is no window; " FORMS},
        {"0s", "'0s' is no window; " FORMS},
        {"5m 5m", "'5m 5m' is no window; " FORMS},
        {"5m step", "'5m step' is no window; " FORMS},
        {"last", "'last' is no window; " FORMS},
        {"last(", "'last(' is no window; " FORMS},
        {"last()", "'last()' is no window; " FORMS},
        {"last(-1)", "'last(-1)' is no window; " FORMS},
        {"last(5) x", "'last(5) x' is no window; " FORMS},
        {"tumbling(1d, 5h)", "'tumbling(1d, 5h)' is no window; " FORMS},
        {"session(30m", "'session(30m' is no window; " FORMS},
        {"forever()", "'forever()' is no window; " FORMS},
        {"last(0)", "'last(0)' is no window; last takes 1 to 1000 events"},
        {"last(1001)", "'last(1001)' is no window; last takes 1 to 1000 events"},
        {"last(99999999999999999999)",
         "'last(99999999999999999999)' is no window; last takes 1 to 1000 events"},
        {"1h step 2h", "'1h step 2h' is no window; the step must not be longer than the window"},
        {"tumbling(1h, offset 1h)",
         "'tumbling(1h, offset 1h)' is no window; the offset must be shorter than the window"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct window window;
        struct error err = {0};

        assert_int_equal(window_parse(bytes_of_text(cases[i].text), &window, &err), STATUS_INVALID);

        assert_string_equal(err.text, cases[i].sentence);
    }
}

static void names_are_lower_case_and_short(void **state)
{
    (void)state;
    char longest[NAME_SIZE_MAX + 1];
    memset(longest, 'a', sizeof(longest));

    assert_true(name_is_valid(bytes_of_text("a")));
    assert_true(name_is_valid(bytes_of_text("card_payments_2")));
    assert_true(name_is_valid(bytes_of(longest, NAME_SIZE_MAX)));

    assert_false(name_is_valid(bytes_of(longest, NAME_SIZE_MAX + 1)));
    assert_false(name_is_valid(bytes_of_text("")));
    assert_false(name_is_valid(bytes_of_text("_a")));
    assert_false(name_is_valid(bytes_of_text("2a")));
    assert_false(name_is_valid(bytes_of_text("Card")));
    assert_false(name_is_valid(bytes_of_text("card-payments")));
    assert_false(name_is_valid(bytes_of_text("view@2")));
    assert_false(name_is_valid(bytes_of("a\0b", 3)));
    assert_false(name_is_valid(bytes_of_text("\xc3\xa4")));
}

static void a_type_of_a_field_is_named_as_it_is_typed(void **state)
{
    (void)state;
    static const struct {
        struct field_definition field;
        const char *name;
    } cases[] = {
        {{.type = {.kind = VALUE_DECIMAL, .digits = 2}}, "decimal(2)"},
        {{.type = {.kind = VALUE_STRING}}, "string"},
        {{.type = {.kind = VALUE_TIMESTAMP}}, "timestamp"},
        {{.type = {.kind = VALUE_TIMESTAMP}, .unit = TIME_SECONDS}, "timestamp_s"},
        {{.type = {.kind = VALUE_TIMESTAMP}, .unit = TIME_MILLISECONDS}, "timestamp_ms"},
        {{.type = {.kind = VALUE_TIMESTAMP}, .unit = TIME_MICROSECONDS}, "timestamp_us"},
        {{.type = {.kind = VALUE_TIMESTAMP}, .unit = TIME_NANOSECONDS}, "timestamp_ns"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[TYPE_TEXT_SIZE];
        assert_string_equal(field_type_name(&cases[i].field, text), cases[i].name);
    }
}

static void fields_and_features_are_found_by_name(void **state)
{
    (void)state;
    const struct field_definition fields[] = {{.name = bytes_of_text("ts")},
                                              {.name = bytes_of_text("card")}};
    const struct feature_definition features[] = {{.name = bytes_of_text("payments_5m")}};
    const struct view_definition view = {.features = features, .features_count = 1};

    assert_int_equal(field_find(fields, 2, bytes_of_text("card")), 1);
    assert_int_equal(field_find(fields, 2, bytes_of_text("car")), -1);
    assert_int_equal(feature_find(&view, bytes_of_text("payments_5m")), 0);
    assert_int_equal(feature_find(&view, bytes_of_text("payments")), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_reads_as_it_is_typed_and_writes_the_shortest_way),
        cmocka_unit_test(what_is_no_window_is_refused_with_what_would_be),
        cmocka_unit_test(names_are_lower_case_and_short),
        cmocka_unit_test(a_type_of_a_field_is_named_as_it_is_typed),
        cmocka_unit_test(fields_and_features_are_found_by_name),
    };
    return cmocka_run_group_tests_name("definition", tests, NULL, NULL);
}
