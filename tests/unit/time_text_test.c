#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/time_text.h"
#include "random.h"

static void times_are_read_to_the_microsecond(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t time_us;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-01-31T12:00:00Z", INT64_C(1769860800000000)},
        {"2026-01-31 12:00:00.5+02:00", INT64_C(1769853600500000)},
        {"2026-01-31t12:00:00.123456z", INT64_C(1769860800123456)},
        {"2026-01-31T12:00:00-00:30", INT64_C(1769862600000000)},
        {"2026-01-31T12:00:00-00:00", INT64_C(1769860800000000)},
        {"1969-12-31T23:59:59.999999Z", -1},
        {"2000-02-29T00:00:00Z", INT64_C(951782400000000)},
        {"2024-02-29T00:00:00Z", INT64_C(1709164800000000)},
        {"0001-01-01T00:00:00Z", TIME_MIN_US},
        {"9999-12-31T23:59:59.999999Z", TIME_MAX_US},
        {"9999-12-31T23:59:59.9999999999Z", TIME_MAX_US},
        {"0000-12-31T23:00:00-01:00", TIME_MIN_US},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t time_us = 1;
        if (!time_parse(bytes_of_text(cases[i].text), &time_us) || time_us != cases[i].time_us)
            fail_msg("%s: got %lld", cases[i].text, (long long)time_us);
    }
}

static void further_fraction_digits_are_floored(void **state)
{
    (void)state;
    int64_t time_us;

    assert_true(time_parse(bytes_of_text("1970-01-01T00:00:00.0000019Z"), &time_us));
    assert_int_equal(time_us, 1);
    assert_true(time_parse(bytes_of_text("1969-12-31T23:59:59.9999999Z"), &time_us));
    assert_int_equal(time_us, -1);
    assert_true(time_parse(bytes_of_text("1969-12-31T23:59:59.0000001Z"), &time_us));
    assert_int_equal(time_us, -1000000);
}

static void second_60_is_the_next_second(void **state)
{
    (void)state;
    int64_t time_us;

    assert_true(time_parse(bytes_of_text("2016-12-31T23:59:60Z"), &time_us));
    assert_int_equal(time_us, INT64_C(1483228800000000));
    assert_true(time_parse(bytes_of_text("2016-12-31T23:59:60.25Z"), &time_us));
    assert_int_equal(time_us, INT64_C(1483228800250000));
    assert_false(time_parse(bytes_of_text("9999-12-31T23:59:60Z"), &time_us));
}

static void what_is_not_rfc_3339_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "2026",
        "2026-01-31",
        "2026-01-31T12:00Z",
        "2026-01-31T12:00:00",
        "2026-01-31T12:00:00.Z",
        "2026-01-31T12:00:00,5Z",
        "2026-01-31T12:00:00.5",
        "2026-01-31T12:00:00ZZ",
        "2026-01-31T12:00:00Z ",
        " 2026-01-31T12:00:00Z",
        "2026-01-31_12:00:00Z",
        "2026-01-31T12:00:00+02",
        "2026-01-31T12:00:00+0200",
        "2026-01-31T12:00:00+24:00",
        "2026-01-31T12:00:00+02:60",
        "2026-01-31T12:00:00*02:00",
        "2026-00-31T12:00:00Z",
        "2026-13-31T12:00:00Z",
        "2026-01-00T12:00:00Z",
        "2026-01-32T12:00:00Z",
        "2026-04-31T12:00:00Z",
        "2026-02-29T12:00:00Z",
        "1900-02-29T12:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T12:60:00Z",
        "2026-01-31T12:00:61Z",
        "2026-1-31T12:00:00Z",
        "2026-01-31T1a:00:00Z",
        "+026-01-31T12:00:00Z",
        "-001-01-31T12:00:00Z",
        "10000-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        int64_t time_us = 42;
        if (time_parse(bytes_of_text(texts[i]), &time_us))
            fail_msg("'%s' was taken as %lld", texts[i], (long long)time_us);
        assert_int_equal(time_us, 42);
    }
}

static void times_are_written_with_as_many_digits_as_needed(void **state)
{
    (void)state;
    static const struct {
        int64_t time_us;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00Z"},
        {INT64_C(1769860800000000), "2026-01-31T12:00:00Z"},
        {INT64_C(1769860800123000), "2026-01-31T12:00:00.123Z"},
        {INT64_C(1769860800000001), "2026-01-31T12:00:00.000001Z"},
        {-1, "1969-12-31T23:59:59.999999Z"},
        {INT64_C(951782400000000), "2000-02-29T00:00:00Z"},
        {TIME_MIN_US, "0001-01-01T00:00:00Z"},
        {TIME_MAX_US, "9999-12-31T23:59:59.999999Z"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[TIME_TEXT_SIZE];
        assert_int_equal(time_format(cases[i].time_us, text), strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
    }
}

/* Nothing valid lies there, but a message may have to show such a number. */
static void any_64_bits_have_a_text(void **state)
{
    (void)state;
    char text[TIME_TEXT_SIZE];

    time_format(INT64_MIN, text);
    assert_string_equal(text, "-290308-12-21T19:59:05.224192Z");
    time_format(INT64_MAX, text);
    assert_string_equal(text, "294247-01-10T04:00:54.775807Z");
    time_format(TIME_MIN_US - 1, text);
    assert_string_equal(text, "0000-12-31T23:59:59.999999Z");
}

static void every_day_reads_back(void **state)
{
    (void)state;
    struct random random = random_begin(__func__);
    unsigned days = 0;

    for (int64_t day_us = TIME_MIN_US; day_us <= TIME_MAX_US; day_us += US_PER_DAY, days++) {
        int64_t time_us = day_us + (int64_t)random_below(&random, US_PER_DAY);
        char text[TIME_TEXT_SIZE];
        size_t size = time_format(time_us, text);
        int64_t again_us = 0;
        if (!time_parse(bytes_of(text, size), &again_us) || again_us != time_us)
            fail_msg("%s: %lld became %lld", text, (long long)time_us, (long long)again_us);
    }
    assert_int_equal(days, 3652059);
}

static void durations_are_read_from_larger_to_smaller_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t duration_us;
    } cases[] = {
        {"1ms", US_PER_MS},
        {"250ms", 250 * US_PER_MS},
        {"5s", 5 * US_PER_SECOND},
        {"5m", 5 * US_PER_MINUTE},
        {"1h", US_PER_HOUR},
        {"7d", 7 * US_PER_DAY},
        {"2w", 14 * US_PER_DAY},
        {"1h30m", 90 * US_PER_MINUTE},
        {"90m", 90 * US_PER_MINUTE},
        {"1w1d1h1m1s1ms", 8 * US_PER_DAY + US_PER_HOUR + US_PER_MINUTE + US_PER_SECOND + US_PER_MS},
        {"1m1ms", US_PER_MINUTE + US_PER_MS},
        {"36525d", 36525 * US_PER_DAY},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t duration_us = 0;
        if (!duration_parse(bytes_of_text(cases[i].text), &duration_us) ||
            duration_us != cases[i].duration_us)
            fail_msg("%s: got %lld", cases[i].text, (long long)duration_us);
    }
}

static void what_is_no_duration_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "0s",
        "0h0m",
        "5",
        "m",
        "5 m",
        "-5m",
        "+5m",
        "5M",
        "5min",
        "1m1h",
        "1h1h",
        "1h30",
        "h30m",
        "1.5h",
        "5m ",
        "5us",
        "1y",
        "1s1m",
        "36525d1ms",
        "36526d",
        "99999999999999999999w",
        "9223372036854775807ms",
        "\xc3\xbcs",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        int64_t duration_us = 42;
        if (duration_parse(bytes_of_text(texts[i]), &duration_us))
            fail_msg("'%s' was taken as %lld", texts[i], (long long)duration_us);
        assert_int_equal(duration_us, 42);
    }
}

static void durations_are_written_as_people_do(void **state)
{
    (void)state;
    static const struct {
        int64_t duration_us;
        const char *text;
    } cases[] = {
        {90 * US_PER_MINUTE, "1h30m"},
        {7 * US_PER_DAY, "7d"},
        {14 * US_PER_DAY, "2w"},
        {90 * US_PER_DAY, "90d"},
        {364 * US_PER_DAY, "52w"},
        {24 * US_PER_HOUR, "1d"},
        {15 * US_PER_DAY + US_PER_SECOND, "15d1s"},
        {1500, "1ms500us"},
        {1, "1us"},
        {0, "0s"},
        {-5 * US_PER_MINUTE, "-5m"},
        {INT64_MIN, "-106751991d4h54s775ms808us"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[DURATION_TEXT_SIZE];
        assert_int_equal(duration_format(cases[i].duration_us, text), strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
    }
}

static void durations_of_whole_milliseconds_read_back(void **state)
{
    (void)state;
    struct random random = random_begin(__func__);
    static const int64_t units[] = {US_PER_MS, US_PER_SECOND, US_PER_MINUTE, US_PER_HOUR,
                                    US_PER_DAY};

    for (int i = 0; i < 100000; i++) {
        int64_t unit_us = units[random_below(&random, 5)];
        int64_t duration_us = unit_us * (int64_t)(1 + random_below(&random, 36525));
        char text[DURATION_TEXT_SIZE];
        size_t size = duration_format(duration_us, text);
        int64_t again_us = 0;
        if (!duration_parse(bytes_of(text, size), &again_us) || again_us != duration_us)
            fail_msg("%s: %lld became %lld", text, (long long)duration_us, (long long)again_us);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read_to_the_microsecond),
        cmocka_unit_test(further_fraction_digits_are_floored),
        cmocka_unit_test(second_60_is_the_next_second),
        cmocka_unit_test(what_is_not_rfc_3339_is_refused),
        cmocka_unit_test(times_are_written_with_as_many_digits_as_needed),
        cmocka_unit_test(any_64_bits_have_a_text),
        cmocka_unit_test(every_day_reads_back),
        cmocka_unit_test(durations_are_read_from_larger_to_smaller_units),
        cmocka_unit_test(what_is_no_duration_is_refused),
        cmocka_unit_test(durations_are_written_as_people_do),
        cmocka_unit_test(durations_of_whole_milliseconds_read_back),
    };
    return cmocka_run_group_tests_name("time_text", tests, NULL, NULL);
}
