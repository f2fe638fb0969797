#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/time_text.h"
#include "features/window.h"

/* The events of times (newest first) that count at t_us. */
static size_t count_taken(const char *text, int64_t t_us, const int64_t *times, size_t count)
{
    struct window window;
    struct window_walk walk;
    size_t taken = 0;
    assert_int_equal(window_parse(bytes_of_text(text), &window, NULL), STATUS_OK);
    window_walk_start(&walk, &window, t_us);
    while (taken < count && window_walk_take(&walk, times[taken]))
        taken++;
    for (size_t i = taken; i < count; i++)
        assert_false(window_walk_take(&walk, times[i]));
    return taken;
}

static void assert_oldest(const char *text, int64_t t_us, int64_t oldest_us)
{
    const int64_t inside[] = {oldest_us};
    const int64_t outside[] = {oldest_us - 1};
    assert_int_equal(count_taken(text, t_us, inside, 1), 1);
    assert_int_equal(count_taken(text, t_us, outside, 1), 0);
}

static void sliding_is_open_at_its_tail_and_closed_at_t(void **state)
{
    (void)state;
    const int64_t t = 1700000000000000;

    assert_oldest("5m", t, t - 5 * US_PER_MINUTE + 1);
    assert_oldest("250ms", t, t - 250000 + 1);
    const int64_t at_t[] = {t};
    assert_int_equal(count_taken("5m", t, at_t, 1), 1);
}

static void hopping_rounds_its_tail_down_to_a_step(void **state)
{
    (void)state;
    const int64_t day = US_PER_DAY;

    assert_oldest("7d step 1h", 10 * day + 90 * US_PER_MINUTE, 3 * day + US_PER_HOUR);
    assert_oldest("7d step 1h", 10 * day, 3 * day);
    assert_oldest("7d step 1h", 10 * day - 1, 3 * day - US_PER_HOUR);
}

static void hopping_floors_before_1970(void **state)
{
    (void)state;

    assert_oldest("1h step 1h", -1, -2 * US_PER_HOUR);
    assert_oldest("1h step 1h", -US_PER_HOUR, -2 * US_PER_HOUR);
    assert_oldest("1h step 1h", -US_PER_HOUR - 1, -3 * US_PER_HOUR);
}

static void tumbling_begins_at_its_offset(void **state)
{
    (void)state;
    const int64_t day = US_PER_DAY;

    assert_oldest("tumbling(1d)", 10 * day, 10 * day);
    assert_oldest("tumbling(1d)", 11 * day - 1, 10 * day);
    assert_oldest("tumbling(1d, offset 6h)", 10 * day, 9 * day + 6 * US_PER_HOUR);
    assert_oldest("tumbling(1d, offset 6h)", 10 * day + 6 * US_PER_HOUR,
                  10 * day + 6 * US_PER_HOUR);
    assert_oldest("tumbling(1d, offset 6h)", -1, -day + 6 * US_PER_HOUR);
}

static void session_goes_on_over_gaps_up_to_its_size(void **state)
{
    (void)state;
    const int64_t gap = 30 * US_PER_MINUTE;
    const int64_t t = 1700000000000000;
    const int64_t whole[] = {t - gap, t - 2 * gap, t - 3 * gap};
    const int64_t broken[] = {t - gap, t - 2 * gap - 1, t - 3 * gap};

    assert_int_equal(count_taken("session(30m)", t, whole, 3), 3);
    assert_int_equal(count_taken("session(30m)", t, broken, 3), 1);
}

static void session_closes_by_the_clock(void **state)
{
    (void)state;
    const int64_t gap = 30 * US_PER_MINUTE;
    const int64_t event[] = {1700000000000000};

    assert_int_equal(count_taken("session(30m)", event[0] + gap, event, 1), 1);
    assert_int_equal(count_taken("session(30m)", event[0] + gap + 1, event, 1), 0);
}

static void last_takes_so_many_and_no_more(void **state)
{
    (void)state;
    const int64_t times[] = {9, 9, 8, -7};

    assert_int_equal(count_taken("last(3)", 9, times, 4), 3);
    assert_int_equal(count_taken("last(1)", 9, times, 4), 1);
    assert_int_equal(count_taken("last(1000)", 9, times, 4), 4);
}

static void forever_takes_all(void **state)
{
    (void)state;
    const int64_t times[] = {TIME_MAX_US, 0, TIME_MIN_US};

    assert_int_equal(count_taken("forever", TIME_MAX_US, times, 3), 3);
}

static void nothing_inside_lies_before_the_reach(void **state)
{
    (void)state;
    static const char *const texts[] = {"5m", "7d step 1h", "7s step 3s", "tumbling(1d)",
                                        "tumbling(10s, offset 3s)"};
    const int64_t t = 1700000000000000;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct window window;
        assert_int_equal(window_parse(bytes_of_text(texts[i]), &window, NULL), STATUS_OK);
        int64_t size_us = window.size_us + window.step_us;
        for (int64_t at = t; at <= t + size_us; at += size_us / 97) {
            const int64_t outside[] = {at - window_reach_us(&window)};
            assert_int_equal(count_taken(texts[i], at, outside, 1), 0);
        }
    }
    const struct window forever = {.kind = WINDOW_FOREVER};
    assert_int_equal(window_reach_us(&forever), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sliding_is_open_at_its_tail_and_closed_at_t),
        cmocka_unit_test(hopping_rounds_its_tail_down_to_a_step),
        cmocka_unit_test(hopping_floors_before_1970),
        cmocka_unit_test(tumbling_begins_at_its_offset),
        cmocka_unit_test(session_goes_on_over_gaps_up_to_its_size),
        cmocka_unit_test(session_closes_by_the_clock),
        cmocka_unit_test(last_takes_so_many_and_no_more),
        cmocka_unit_test(forever_takes_all),
        cmocka_unit_test(nothing_inside_lies_before_the_reach),
    };
    return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
